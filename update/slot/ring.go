package slot

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/plomb-pos/plomb/internal/durable"
)

// The ring holds the launcher's last lines: RingLines records of lineSize bytes.
//
//	0   sequence from 1     8 bytes, little endian
//	8   time                8 bytes, milliseconds since 1970 UTC
//	16  length of the text  1 byte
//	17  text                up to 235 bytes of UTF-8
//	252 CRC-32C of all before
const (
	RingLines = 256
	lineSize  = 256
	maxLine   = lineSize - 17 - 4
)

// Line is one line of the launcher's log.
type Line struct {
	Sequence uint64 // from 1, without gaps while it lasts
	Time     time.Time
	Text     string
}

// Ring is the launcher's log: it has no journal of its own, so it writes here, and
// the till copies each line into the journal once.
type Ring struct {
	fsys durable.FS
	name string
	next uint64
}

// CreateRing makes an empty ring at its full size. It never replaces one.
func CreateRing(fsys durable.FS, dir, name string) error {
	f, err := fsys.Create(name)
	if err != nil {
		return fmt.Errorf("create the launcher's log: %w", err)
	}
	defer f.Close()
	_, err = f.WriteAt(make([]byte, RingLines*lineSize), 0)
	if err = errors.Join(err, f.Sync(), fsys.SyncDir(dir)); err != nil {
		return fmt.Errorf("create the launcher's log: %w", err)
	}
	return nil
}

// OpenRing reads the ring and gives its lines, the oldest first. Lines that were
// damaged or cut short are left out.
func OpenRing(fsys durable.FS, name string) (*Ring, []Line, error) {
	data, err := durable.ReadFile(fsys, name, RingLines*lineSize)
	if err != nil {
		return nil, nil, fmt.Errorf("read the launcher's log: %w", err)
	}
	var lines []Line
	last := uint64(0)
	for at := 0; at+lineSize <= len(data); at += lineSize {
		if l, ok := decodeLine(data[at : at+lineSize]); ok && l.Sequence%RingLines == uint64(at/lineSize) {
			lines = append(lines, l)
			last = max(last, l.Sequence)
		}
	}
	return &Ring{fsys: fsys, name: name, next: last + 1}, inOrder(lines, last), nil
}

// inOrder sorts lines and drops those of an earlier round that the newest passed.
func inOrder(lines []Line, last uint64) []Line {
	var out []Line
	at := map[uint64]Line{}
	for _, l := range lines {
		at[l.Sequence] = l
	}
	first := uint64(1)
	if last > RingLines {
		first = last - RingLines + 1
	}
	for n := first; n <= last; n++ {
		if l, ok := at[n]; ok {
			out = append(out, l)
		}
	}
	return out
}

// Append writes one line and syncs it. Text that does not fit is cut at a
// character.
func (r *Ring) Append(now time.Time, text string) error {
	text = Fitting(text)
	f, err := r.fsys.Open(r.name)
	if err != nil {
		return fmt.Errorf("write the launcher's log: %w", err)
	}
	defer f.Close()
	if _, err := f.WriteAt(encodeLine(Line{r.next, now, text}), int64(r.next%RingLines)*lineSize); err != nil {
		return fmt.Errorf("write the launcher's log: %w", err)
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("write the launcher's log: %w", err)
	}
	r.next++
	return nil
}

// Fitting is a text as a line of the ring holds it: valid UTF-8 of at most 235 bytes.
func Fitting(text string) string {
	text = strings.ToValidUTF8(text, "\ufffd")
	if len(text) <= maxLine {
		return text
	}
	end := maxLine
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end]
}

func encodeLine(l Line) []byte {
	out := make([]byte, lineSize)
	binary.LittleEndian.PutUint64(out, l.Sequence)
	binary.LittleEndian.PutUint64(out[8:], uint64(l.Time.UnixMilli()))
	out[16] = byte(len(l.Text))
	copy(out[17:], l.Text)
	binary.LittleEndian.PutUint32(out[lineSize-4:], crc32.Checksum(out[:lineSize-4], castagnoli))
	return out
}

func decodeLine(data []byte) (Line, bool) {
	sum := crc32.Checksum(data[:lineSize-4], castagnoli)
	n := int(data[16])
	if sum != binary.LittleEndian.Uint32(data[lineSize-4:]) || n > maxLine || !utf8.Valid(data[17:17+n]) {
		return Line{}, false
	}
	l := Line{
		Sequence: binary.LittleEndian.Uint64(data),
		Time:     time.UnixMilli(int64(binary.LittleEndian.Uint64(data[8:]))).UTC(),
		Text:     string(data[17 : 17+n]),
	}
	return l, l.Sequence > 0
}
