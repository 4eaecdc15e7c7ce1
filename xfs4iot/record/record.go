// Package record keeps what goes over a connection in a file and plays it again.
//
// # The file
//
// Text, one JSON object a line. The first line names the format and the service:
//
//	{"format":"xfs4iot-record/1","url":"ws://127.0.0.1:5846/xfs4iot/v1.0/Printer"}
//
// Every other line is one message, in the order in which it was sent or received:
//
//	{"at":"2030-05-01T12:00:00.000001Z","dir":"sent","message":{"header":{...},"payload":{...}}}
//
// dir is "sent" (by the client) or "received". A message that is not JSON stands in
// "text" in place of "message". "masked":true says that values were replaced.
//
// # What is not recorded
//
// Values that the description marks as sensitive, and further ones that are a
// customer's or open a lock (card data, keys pressed, biometric templates, key values,
// tokens; see [Mask]), are replaced by "***" before anything is written. So a command
// with such a value cannot be played again; Replay says so.
//
//	w := record.NewWriter(file, url)
//	conn, err := client.Dial(ctx, url, client.Options{Record: w.Frame})
//	...
//	err = w.Err()
package record

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// format is the first line's format; a reader refuses any other.
const format = "xfs4iot-record/1"

// header is the first line.
type header struct {
	Format string `json:"format"`
	URL    string `json:"url"`
}

// Direction is who sent a message.
type Direction string

// The directions, as the client sees them.
const (
	Sent     Direction = "sent"
	Received Direction = "received"
)

// Frame is one message of a recording.
type Frame struct {
	At      time.Time      `json:"at"`
	Dir     Direction      `json:"dir"`
	Message jsontext.Value `json:"message,omitzero"` // nil when it was not JSON
	Text    string         `json:"text,omitzero"`    // then this
	Masked  bool           `json:"masked,omitzero"`  // values were replaced by "***"
}

// Writer records. Its methods may be called concurrently.
type Writer struct {
	mu  sync.Mutex // guards what follows
	out io.Writer
	now func() time.Time
	err error
}

// NewWriter begins a recording of a connection to url. What is written to out is
// whole lines; errors are kept for Err.
func NewWriter(out io.Writer, url string) *Writer {
	w := &Writer{out: out, now: time.Now}
	w.line(header{format, url})
	return w
}

// Frame records one message; it is made for client.Options.Record.
func (w *Writer) Frame(sent bool, data []byte) {
	f := Frame{Dir: Received}
	if sent {
		f.Dir = Sent
	}
	masked, changed, err := Mask(data)
	if err != nil {
		f.Text = fmt.Sprintf("%d bytes that are no message", len(data)) // they might hold anything
	} else {
		f.Message, f.Masked = masked, changed
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	f.At = w.now().UTC()
	w.line(f)
}

// line writes one line; mu is held or the writer is new.
func (w *Writer) line(v any) {
	if w.err != nil {
		return
	}
	data, err := json.Marshal(v)
	if err == nil {
		_, err = w.out.Write(append(data, '\n'))
	}
	if err != nil {
		w.err = fmt.Errorf("record: %w", err)
	}
}

// Err is the first error of writing; nothing was recorded after it.
func (w *Writer) Err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// longestLine bounds a line that is read: the largest message and its envelope.
const longestLine = 8 << 20

// ErrFormat is returned for a file that is not a recording of a format known here.
var ErrFormat = errors.New("not a recording of format " + format)

// Read gives a recording's URL and its frames, in order. A last line that was cut
// short is an error, with the frames before it.
func Read(in io.Reader) (url string, frames []Frame, err error) {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, longestLine)
	var h header
	if !lines.Scan() || json.Unmarshal(lines.Bytes(), &h) != nil || h.Format != format {
		return "", nil, errors.Join(ErrFormat, lines.Err())
	}
	for n := 2; lines.Scan(); n++ {
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		var f Frame
		if err := json.Unmarshal(lines.Bytes(), &f); err != nil {
			return h.URL, frames, fmt.Errorf("recording, line %d: %w", n, err)
		}
		if f.Dir != Sent && f.Dir != Received {
			return h.URL, frames, fmt.Errorf("recording, line %d: dir %.20q is neither sent nor received", n, f.Dir)
		}
		frames = append(frames, f)
	}
	return h.URL, frames, lines.Err()
}
