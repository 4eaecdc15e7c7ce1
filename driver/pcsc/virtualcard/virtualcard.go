// Package virtualcard is smart cards made of software: for tests of everything that
// reads cards, and for simulated readers.
//
// A [Card] answers resets and APDUs. [New] makes one that holds applications, which
// are chosen with SELECT; [Files] is such an application with transparent files, a
// PIN with a try counter, and random numbers (ISO/IEC 7816-4). [Insert] puts any card
// into the virtual reader of vsmartcard (vpcd), which pcscd serves as a real one.
//
//	card := virtualcard.New(virtualcard.NewFiles(aid, virtualcard.FilesOptions{PIN: "1234"}))
//	in, err := virtualcard.Insert(ctx, "127.0.0.1:35963", card)
//	defer in.Pull()
//
// Cards are neither secure nor slow: nothing here protects a secret against whoever
// runs the program, and no answer takes time.
package virtualcard

import (
	"bytes"
	"sync"
)

// Card is what a reader sees of a card. Its methods are called one at a time.
type Card interface {
	// ATR is the answer to reset, 2 to 33 bytes.
	ATR() []byte
	// Reset is called when power is given and at every reset: the card forgets what
	// it does not keep.
	Reset()
	// Exchange answers one command APDU with data and two bytes of status word.
	Exchange(apdu []byte) []byte
}

// Application is one of those on a card made by New.
type Application interface {
	// AID is its name, 5 to 16 bytes (ISO/IEC 7816-5).
	AID() []byte
	// Select is called when it is chosen; the answer is its file control
	// information, which may be empty.
	Select() []byte
	// Reset is called with the card's.
	Reset()
	// Process answers a command other than SELECT by name. The answer is cut to
	// what the command expects.
	Process(c Command) ([]byte, Status)
}

// New makes a card that speaks T=1 and holds applications. The first is chosen by a
// reset. All methods may be called concurrently.
func New(applications ...Application) Card {
	return &card{applications: applications, atr: answerToReset("plomb")}
}

type card struct {
	atr []byte

	mu           sync.Mutex // guards what follows
	applications []Application
	chosen       int
}

// answerToReset offers T=1 alone, with historical bytes (ISO/IEC 7816-3, 8.2).
func answerToReset(history string) []byte {
	atr := append([]byte{0x3B, 0x80 | byte(len(history)), 0x01}, history...)
	var check byte
	for _, b := range atr[1:] {
		check ^= b
	}
	return append(atr, check)
}

func (c *card) ATR() []byte { return bytes.Clone(c.atr) }

func (c *card) Reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.chosen = 0
	for _, a := range c.applications {
		a.Reset()
	}
}

func (c *card) Exchange(apdu []byte) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	data, status := c.process(apdu)
	return append(data, byte(status>>8), byte(status))
}

func (c *card) process(apdu []byte) ([]byte, Status) {
	cmd, err := ParseCommand(apdu)
	switch {
	case err != nil:
		return nil, WrongLength
	case cmd.Class&0x03 != 0 || cmd.Class&0x80 == 0 && cmd.Class != 0: // channels, chaining, secure messaging
		return nil, ClassNotSupported
	}
	data, status := c.answer(cmd)
	if len(data) > cmd.Expected {
		return nil, WrongLength
	}
	return bytes.Clone(data), status
}

func (c *card) answer(cmd Command) ([]byte, Status) {
	if cmd.Class == 0 && cmd.Instruction == insSelect && cmd.P1 == selectByName {
		return c.choose(cmd)
	}
	if len(c.applications) == 0 {
		return nil, InstructionNotSupported
	}
	return c.applications[c.chosen].Process(cmd)
}

const (
	insSelect    = 0xA4
	selectByName = 0x04
)

// choose takes the first application whose name begins with the given one.
func (c *card) choose(cmd Command) ([]byte, Status) {
	for i, a := range c.applications {
		if len(cmd.Data) >= 5 && bytes.HasPrefix(a.AID(), cmd.Data) {
			c.chosen = i
			info := a.Select()
			if cmd.Expected == 0 {
				info = nil
			}
			return info, OK
		}
	}
	return nil, NotFound
}
