package proof

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxHead is the largest encoded head in bytes. It keeps a receipt's QR code
// below version 25 and lets a verifier hash heads from a fixed buffer.
const MaxHead = 512

// MaxOrigin is the longest origin in bytes.
const MaxOrigin = 64

const (
	headVersion  = 1
	headFixed    = 96 // bytes before the origin
	knownFlags   = FlagClockUnsure | FlagTraining | FlagSnapshot | FlagLate
	shortestHead = headFixed + 1 + 1 + 1 // shortest head: origin of one byte, no numbers
)

// Errors about heads. All parse errors of this package wrap ErrFormat.
var (
	// ErrFormat says that bytes or text are not what they should be, or not in the one canonical form.
	ErrFormat = errors.New("malformed")
	// ErrHeadTooLong says that origin and numbers do not fit into MaxHead bytes.
	ErrHeadTooLong = errors.New("head longer than 512 bytes")
)

// Kind says what an entry is. Numbers and meaning belong to package fiscal;
// the journal treats all kinds alike.
type Kind uint16

// Flags are properties of an entry that its kind does not tell.
// Bits without a name here are refused, by writer and reader.
type Flags uint8

const (
	// FlagClockUnsure marks an entry whose wall clock may be wrong.
	FlagClockUnsure Flags = 1
	// FlagTraining marks an entry that is no business transaction.
	FlagTraining Flags = 2
	// FlagSnapshot marks an entry that holds all state needed to go on selling.
	FlagSnapshot Flags = 4
	// FlagLate marks an entry recorded after the fact.
	FlagLate Flags = 8
)

// Number is a figure that must be provable without the body: a document
// number, a total, a grand total. Tags are given out by package fiscal;
// amounts are in the currency's minor unit.
type Number struct {
	Tag   uint8 // 1..255, strictly ascending within a head
	Value int64
}

// Head is the leaf of an entry in the tree. It holds no personal data.
type Head struct {
	Flags   Flags
	Kind    Kind
	Index   uint64   // place in the tree, from 0, without gaps
	Time    int64    // wall clock, ms since 1970 UTC, never less than the entry before
	Uptime  uint64   // ms since boot, monotonic
	Boot    [16]byte // boot id
	Command [16]byte // UUIDv7 of the command that caused the entry; zero where none
	Body    [32]byte // Commit(salt, body)
	BodyLen uint32   // bytes
	Origin  string   // 1..64 bytes of key-name characters, see ValidOrigin
	Numbers []Number // ascending by tag
}

// Number returns the value with the given tag and whether there is one.
func (h *Head) Number(tag uint8) (int64, bool) {
	for _, n := range h.Numbers {
		if n.Tag == tag {
			return n.Value, true
		}
	}
	return 0, false
}

// Clone returns a copy that shares nothing with h.
func (h *Head) Clone() *Head {
	c := *h
	c.Numbers = append([]Number(nil), h.Numbers...)
	return &c
}

// AppendBinary appends the one encoding of h to dst. Nothing is appended when
// h has an unknown flag, an invalid origin, numbers out of order, or does not
// fit into MaxHead bytes.
func (h *Head) AppendBinary(dst []byte) ([]byte, error) {
	if err := h.check(); err != nil {
		return dst, err
	}
	start := len(dst)
	out := h.appendFixed(dst)
	out = append(out, byte(len(h.Origin)))
	out = append(out, h.Origin...)
	out = appendNumbers(out, h.Numbers)
	if len(out)-start > MaxHead {
		return dst[:start], fmt.Errorf("encode head %d: %w", h.Index, ErrHeadTooLong)
	}
	return out, nil
}

func (h *Head) check() error {
	if h.Flags&^knownFlags != 0 {
		return fmt.Errorf("encode head %d: %w: unknown flags %#x", h.Index, ErrFormat, h.Flags)
	}
	if !ValidOrigin(h.Origin) {
		return fmt.Errorf("encode head %d: %w: origin %q", h.Index, ErrFormat, h.Origin)
	}
	return checkTags(h.Numbers)
}

func checkTags(numbers []Number) error {
	last := uint8(0)
	for _, n := range numbers {
		if n.Tag <= last {
			return fmt.Errorf("encode head: %w: number tag %d after %d", ErrFormat, n.Tag, last)
		}
		last = n.Tag
	}
	return nil
}

func (h *Head) appendFixed(dst []byte) []byte {
	dst = append(dst, headVersion, byte(h.Flags))
	dst = binary.BigEndian.AppendUint16(dst, uint16(h.Kind))
	dst = binary.BigEndian.AppendUint64(dst, h.Index)
	dst = binary.BigEndian.AppendUint64(dst, uint64(h.Time))
	dst = binary.BigEndian.AppendUint64(dst, h.Uptime)
	dst = append(dst, h.Boot[:]...)
	dst = append(dst, h.Command[:]...)
	dst = append(dst, h.Body[:]...)
	return binary.BigEndian.AppendUint32(dst, h.BodyLen)
}

func appendNumbers(dst []byte, numbers []Number) []byte {
	dst = append(dst, byte(len(numbers)))
	for _, n := range numbers {
		dst = append(dst, n.Tag)
		dst = binary.AppendUvarint(dst, uint64(n.Value)<<1^uint64(n.Value>>63))
	}
	return dst
}

// ParseHead decodes a head of version 1. It accepts exactly what AppendBinary
// writes; b is not kept. Errors wrap ErrFormat.
func ParseHead(b []byte) (*Head, error) {
	h := new(Head)
	if err := h.UnmarshalBinary(b); err != nil {
		return nil, err
	}
	return h, nil
}

// UnmarshalBinary is ParseHead into an existing head, whose Numbers and Origin
// are reused where they fit: a verifier that walks a million heads does not
// allocate for each. On error h is undefined.
func (h *Head) UnmarshalBinary(b []byte) error {
	if len(b) < shortestHead || len(b) > MaxHead {
		return fmt.Errorf("parse head: %w: %d bytes", ErrFormat, len(b))
	}
	if b[0] != headVersion {
		return fmt.Errorf("parse head: %w: version %d", ErrFormat, b[0])
	}
	h.parseFixed(b)
	if h.Flags&^knownFlags != 0 {
		return fmt.Errorf("parse head: %w: unknown flags %#x", ErrFormat, h.Flags)
	}
	rest, err := h.parseOrigin(b[headFixed:])
	if err != nil {
		return err
	}
	return h.parseNumbers(rest)
}

func (h *Head) parseFixed(b []byte) {
	h.Flags = Flags(b[1])
	h.Kind = Kind(binary.BigEndian.Uint16(b[2:]))
	h.Index = binary.BigEndian.Uint64(b[4:])
	h.Time = int64(binary.BigEndian.Uint64(b[12:]))
	h.Uptime = binary.BigEndian.Uint64(b[20:])
	copy(h.Boot[:], b[28:])
	copy(h.Command[:], b[44:])
	copy(h.Body[:], b[60:])
	h.BodyLen = binary.BigEndian.Uint32(b[92:])
}

func (h *Head) parseOrigin(b []byte) (rest []byte, err error) {
	n := int(b[0])
	if len(b) < 1+n+1 {
		return nil, fmt.Errorf("parse head: %w: ends in the origin", ErrFormat)
	}
	name := b[1 : 1+n]
	if h.Origin != string(name) {
		h.Origin = string(name)
	}
	if !ValidOrigin(h.Origin) {
		return nil, fmt.Errorf("parse head: %w: origin %q", ErrFormat, name)
	}
	return b[1+n:], nil
}

func (h *Head) parseNumbers(b []byte) error {
	count, b := int(b[0]), b[1:]
	h.Numbers = h.Numbers[:0]
	last := uint8(0)
	for range count {
		if len(b) < 2 || b[0] <= last {
			return fmt.Errorf("parse head: %w: number after tag %d", ErrFormat, last)
		}
		last = b[0]
		v, n := uvarint(b[1:])
		if n == 0 {
			return fmt.Errorf("parse head: %w: value of number %d", ErrFormat, last)
		}
		h.Numbers = append(h.Numbers, Number{Tag: last, Value: int64(v>>1) ^ -int64(v&1)})
		b = b[1+n:]
	}
	if len(b) != 0 {
		return fmt.Errorf("parse head: %w: %d bytes after the numbers", ErrFormat, len(b))
	}
	return nil
}

// uvarint decodes a minimally encoded varint; n is 0 for any other.
func uvarint(b []byte) (v uint64, n int) {
	v, n = binary.Uvarint(b)
	if n <= 0 || (n > 1 && b[n-1] == 0) {
		return 0, 0
	}
	return v, n
}

// ValidOrigin reports whether s can be the name of a journal and of its key:
// 1..64 bytes of UTF-8 without spaces, control characters and '+'
// (c2sp.org/signed-note, "Format").
func ValidOrigin(s string) bool {
	return len(s) <= MaxOrigin && validKeyName(s)
}

func validKeyName(s string) bool {
	if plainName(s) {
		return true
	}
	if s == "" || !utf8.ValidString(s) {
		return false
	}
	return strings.IndexFunc(s, func(r rune) bool {
		return r < 0x20 || r == '+' || unicode.IsSpace(r)
	}) < 0
}

// plainName is validKeyName for names of visible ASCII characters, which nearly all are.
func plainName(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f || s[i] == '+' {
			return false
		}
	}
	return s != ""
}
