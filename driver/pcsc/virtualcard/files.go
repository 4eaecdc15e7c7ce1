package virtualcard

import (
	"bytes"
	"crypto/rand"
	"crypto/subtle"
	"encoding/binary"
	"maps"
	"sync"
)

// File is a transparent elementary file.
type File struct {
	Content []byte
	Secret  bool // read only after the PIN
}

// FilesOptions describe what is on a card of files.
type FilesOptions struct {
	Files map[uint16]File // by their two-byte identifiers
	PIN   string          // 4 to 8 digits; empty: no PIN, secret files stay closed
	Tries int             // wrong PINs in a row before it blocks; default 3, at most 15
	// Used is called, with the tries left, before the answer to a PIN is given: a
	// card that survives its process keeps the number there. Its error refuses the
	// PIN unseen.
	Used func(left int) error
	Left int // tries left at the start; 0: all of them, below 0: blocked
}

// FilesApplication is an application of transparent files: SELECT by identifier,
// READ BINARY in short and extended form, GET CHALLENGE, VERIFY. Its methods may be
// called concurrently.
type FilesApplication struct {
	aid   []byte
	files map[uint16]File
	pin   []byte
	tries int
	used  func(int) error

	mu       sync.Mutex // guards what follows
	left     int
	current  uint16 // file; 0: none
	verified bool
}

// NewFiles makes an application of that name.
func NewFiles(aid []byte, o FilesOptions) *FilesApplication {
	if o.Tries < 1 || o.Tries > 15 {
		o.Tries = 3
	}
	switch {
	case o.Left == 0 || o.Left > o.Tries:
		o.Left = o.Tries
	case o.Left < 0:
		o.Left = 0
	}
	if o.Used == nil {
		o.Used = func(int) error { return nil }
	}
	return &FilesApplication{aid: bytes.Clone(aid), files: maps.Clone(o.Files), pin: []byte(o.PIN), tries: o.Tries, used: o.Used, left: o.Left}
}

// AID is its name.
func (f *FilesApplication) AID() []byte { return f.aid }

// Left is how many tries of the PIN are left.
func (f *FilesApplication) Left() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.left
}

// Reset forgets the chosen file and that the PIN was right.
func (f *FilesApplication) Reset() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.current, f.verified = 0, false
}

// Select forgets the same and answers with the application's name in a file control
// template (ISO/IEC 7816-4, 7.4).
func (f *FilesApplication) Select() []byte {
	f.Reset()
	inner := append([]byte{0x84, byte(len(f.aid))}, f.aid...)
	return append([]byte{0x6F, byte(len(inner))}, inner...)
}

// Process answers the commands.
func (f *FilesApplication) Process(c Command) ([]byte, Status) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if c.Class != 0 {
		return nil, ClassNotSupported
	}
	switch c.Instruction {
	case insSelect:
		return nil, f.selectFile(c)
	case 0xB0:
		return f.read(c)
	case 0x84:
		return challenge(c)
	case 0x20:
		return nil, f.verify(c)
	}
	return nil, InstructionNotSupported
}

func (f *FilesApplication) selectFile(c Command) Status {
	switch {
	case c.P1 != 0x00 && c.P1 != 0x02:
		return WrongParameters
	case len(c.Data) != 2:
		return WrongLength
	}
	id := binary.BigEndian.Uint16(c.Data)
	if _, ok := f.files[id]; !ok {
		return NotFound
	}
	f.current = id
	return OK
}

// read gives what there is from an offset on, up to what is expected.
func (f *FilesApplication) read(c Command) ([]byte, Status) {
	file, ok := f.files[f.current]
	offset := int(c.P1)<<8 | int(c.P2)
	switch {
	case c.P1&0x80 != 0: // by short identifier
		return nil, WrongParameters
	case len(c.Data) > 0 || c.Expected == 0:
		return nil, WrongLength
	case !ok:
		return nil, NotAllowed
	case file.Secret && !f.verified:
		return nil, SecurityNotSatisfied
	case offset > len(file.Content):
		return nil, BeyondEnd
	}
	rest := file.Content[offset:]
	return rest[:min(len(rest), c.Expected)], OK
}

// maxChallenge is more than any protocol asks for.
const maxChallenge = 256

func challenge(c Command) ([]byte, Status) {
	switch {
	case c.P1 != 0 || c.P2 != 0:
		return nil, WrongParameters
	case len(c.Data) > 0 || c.Expected == 0 || c.Expected > maxChallenge:
		return nil, WrongLength
	}
	out := make([]byte, c.Expected)
	_, _ = rand.Read(out) // never fails
	return out, OK
}

// verify checks the PIN; a command without data asks how many tries are left. The
// lower counter is kept before the comparison, so that cutting the power between
// the two costs the try.
func (f *FilesApplication) verify(c Command) Status {
	switch {
	case c.P1 != 0 || c.P2 > 1 || c.Expected != 0:
		return WrongParameters
	case len(f.pin) == 0:
		return ReferenceNotFound
	case f.left == 0:
		return Blocked
	case len(c.Data) == 0:
		return f.toGo()
	}
	if f.used(f.left-1) != nil {
		return Blocked
	}
	f.left--
	f.verified = subtle.ConstantTimeCompare(c.Data, f.pin) == 1
	if !f.verified {
		return f.toGo()
	}
	if f.used(f.tries) == nil {
		f.left = f.tries
	}
	return OK
}

func (f *FilesApplication) toGo() Status {
	switch {
	case f.verified:
		return OK
	case f.left == 0:
		return Blocked
	}
	return WrongPIN | Status(f.left)
}
