package virtualcard

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Command is a command APDU (ISO/IEC 7816-4, 5.1).
type Command struct {
	Class, Instruction, P1, P2 byte
	Data                       []byte // up to 65535 bytes
	Expected                   int    // the most bytes of answer, up to 65536
}

// ErrCommand says that bytes are no command APDU.
var ErrCommand = errors.New("not a command APDU")

// ParseCommand reads all of b, in short or extended form.
func ParseCommand(b []byte) (Command, error) {
	if len(b) < 4 {
		return Command{}, fmt.Errorf("%w: %d bytes", ErrCommand, len(b))
	}
	c := Command{Class: b[0], Instruction: b[1], P1: b[2], P2: b[3]}
	var ok bool
	switch body := b[4:]; {
	case len(body) == 0:
		ok = true
	case len(body) == 1:
		c.Expected, ok = shortExpected(body[0]), true
	case body[0] != 0:
		ok = c.short(body)
	default:
		ok = c.extended(body)
	}
	if !ok {
		return Command{}, fmt.Errorf("%w: lengths that do not fit %d bytes", ErrCommand, len(b))
	}
	return c, nil
}

func shortExpected(b byte) int {
	if b == 0 {
		return 256
	}
	return int(b)
}

func (c *Command) short(body []byte) bool {
	n := int(body[0])
	rest := body[1:]
	switch len(rest) {
	case n:
	case n + 1:
		c.Expected = shortExpected(rest[n])
	default:
		return false
	}
	c.Data = rest[:n]
	return true
}

func (c *Command) extended(body []byte) bool {
	if len(body) < 3 {
		return false
	}
	n := int(binary.BigEndian.Uint16(body[1:]))
	rest := body[3:]
	switch {
	case len(rest) == 0:
		c.Expected = longExpected(n)
		return true
	case n == 0 || len(rest) != n && len(rest) != n+2:
		return false
	case len(rest) == n+2:
		c.Expected = longExpected(int(binary.BigEndian.Uint16(rest[n:])))
	}
	c.Data = rest[:n]
	return true
}

func longExpected(n int) int {
	if n == 0 {
		return 1 << 16
	}
	return n
}

// Encode writes the command, in short form where that is enough.
func (c Command) Encode() ([]byte, error) {
	if len(c.Data) > 1<<16-1 || c.Expected < 0 || c.Expected > 1<<16 {
		return nil, fmt.Errorf("%w: %d bytes of data, %d expected", ErrCommand, len(c.Data), c.Expected)
	}
	out := []byte{c.Class, c.Instruction, c.P1, c.P2}
	if len(c.Data) > 255 || c.Expected > 256 {
		return c.encodeLong(out), nil
	}
	if len(c.Data) > 0 {
		out = append(append(out, byte(len(c.Data))), c.Data...)
	}
	if c.Expected > 0 {
		out = append(out, byte(c.Expected)) // 256 is written as 0
	}
	return out, nil
}

func (c Command) encodeLong(out []byte) []byte {
	out = append(out, 0)
	if len(c.Data) > 0 {
		out = binary.BigEndian.AppendUint16(out, uint16(len(c.Data)))
		out = append(out, c.Data...)
	}
	if c.Expected > 0 {
		out = binary.BigEndian.AppendUint16(out, uint16(c.Expected)) // 65536 is written as 0
	}
	return out
}

// Status is a status word (ISO/IEC 7816-4, 5.1.3).
type Status uint16

// The status words that cards of this package give. WrongPIN has the tries that are
// left in its last digit.
const (
	OK                      Status = 0x9000
	WrongPIN                Status = 0x63C0
	WrongLength             Status = 0x6700
	SecurityNotSatisfied    Status = 0x6982
	Blocked                 Status = 0x6983
	NotAllowed              Status = 0x6986
	WrongData               Status = 0x6A80
	NotFound                Status = 0x6A82
	WrongParameters         Status = 0x6A86
	ReferenceNotFound       Status = 0x6A88
	BeyondEnd               Status = 0x6B00
	InstructionNotSupported Status = 0x6D00
	ClassNotSupported       Status = 0x6E00
)

// StatusOf is the status word of an answer; 0 when it has none.
func StatusOf(answer []byte) Status {
	if len(answer) < 2 {
		return 0
	}
	return Status(binary.BigEndian.Uint16(answer[len(answer)-2:]))
}
