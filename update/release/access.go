package release

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/update/manifest"
)

// Access is one line of an access log: who did what with keys and files, or was
// refused (requirement DL-21). Each line holds the hash of the one before, so that one
// that was changed or taken out in the middle is found. The log is not signed: whoever
// can write the folder can cut off its end. What counts in law is in the signed record.
type Access struct {
	Previous manifest.Digest `json:"previous"` // SHA-256 of the line before; zero for the first
	At       time.Time       `json:"at"`
	Who      string          `json:"who"` // user of the operating system
	By       string          `json:"by"`  // office
	What     string          `json:"what"`
	Refused  string          `json:"refused,omitempty"`
}

// accessFile is its name in an office's, a holder's and a release's folder.
const accessFile = "access.log"

// maxAccess bounds a log that is read whole, in bytes.
const maxAccess = 256 << 20

// accessLog appends to one.
type accessLog struct {
	fsys durable.FS
	file string
	by   string
}

// write adds a line; what is refused is written with its reason.
func (l accessLog) write(what string, refused error) error {
	a := Access{At: time.Now().UTC().Truncate(time.Second), Who: person(), By: l.by, What: what}
	if refused != nil {
		a.Refused = refused.Error()
	}
	return l.add(a)
}

func (l accessLog) add(a Access) error {
	f, err := l.fsys.Open(l.file)
	if isMissing(err) {
		if f, err = l.fsys.Create(l.file); err == nil {
			err = l.fsys.SyncDir(path.Dir(l.file))
		}
	}
	if err != nil {
		return fmt.Errorf("access log: %w", err)
	}
	end, last, err := lastLine(f)
	if err != nil {
		return errors.Join(fmt.Errorf("access log: %w", err), f.Close())
	}
	if len(last) > 0 {
		a.Previous = manifest.Sum(last)
	}
	line, err := json.Marshal(a)
	if err == nil {
		_, err = f.WriteAt(append(line, '\n'), end)
	}
	return errors.Join(err, f.Sync(), f.Close())
}

// lineBytes is more than any line has.
const lineBytes = 64 << 10

// lastLine is the last whole line, and where the next one goes: over one that a crash
// tore.
func lastLine(f durable.File) (end int64, line []byte, err error) {
	size, err := f.Size()
	if err != nil || size == 0 {
		return 0, nil, err
	}
	from := max(0, size-2*lineBytes)
	tail := make([]byte, size-from)
	if n, err := f.ReadAt(tail, from); n < len(tail) {
		return 0, nil, err
	}
	tail = wholeLines(tail)
	end = from + int64(len(tail))
	if end < size {
		err = f.Truncate(end)
	}
	tail = bytes.TrimSuffix(tail, []byte("\n"))
	return end, tail[bytes.LastIndexByte(tail, '\n')+1:], err
}

// wholeLines cuts off what a crash left of a line that nobody was told of: without its
// end, or with zeros where a sector was not written.
func wholeLines(tail []byte) []byte {
	for {
		tail = tail[:bytes.LastIndexByte(tail, '\n')+1]
		line := bytes.TrimSuffix(tail, []byte("\n"))
		line = line[bytes.LastIndexByte(line, '\n')+1:]
		var a Access
		if len(tail) == 0 || json.Unmarshal(line, &a) == nil {
			return tail
		}
		tail = tail[:len(tail)-1]
	}
}

// ReadAccess reads the access log of an office, a holder or a release. An error that
// wraps ErrTampered comes with the lines before the one that does not follow.
func ReadAccess(dir string) ([]Access, error) {
	return readAccess(durable.OS{}, path.Join(filepath.ToSlash(dir), accessFile))
}

func readAccess(fsys durable.FS, file string) (out []Access, err error) {
	text, err := durable.ReadFile(fsys, file, maxAccess)
	if err != nil {
		return nil, fmt.Errorf("read access log: %w", err)
	}
	var before manifest.Digest
	for line := range bytes.Lines(text) {
		line, whole := bytes.CutSuffix(line, []byte("\n"))
		var a Access
		if err := json.Unmarshal(line, &a, json.RejectUnknownMembers(true)); err != nil || !whole {
			return out, fmt.Errorf("line %d of the access log: %w: %w", len(out)+1, ErrTampered, errors.Join(err, ErrFormat))
		}
		if a.Previous != before {
			return out, fmt.Errorf("line %d of the access log does not follow: %w", len(out)+1, ErrTampered)
		}
		out, before = append(out, a), manifest.Sum(line)
	}
	return out, nil
}
