package pcsc

import (
	"bytes"
	"slices"
)

// Reader is what the daemon says about a reader.
type Reader struct {
	Name     string
	State    State
	Events   uint32 // cards inserted and removed since the daemon knows the reader
	Sharing  int    // -1 exclusive, 0 nobody, else how many are connected
	ATR      []byte // of the card that is present
	Protocol Protocol
}

// State is a set of bits.
type State uint32

// Bits of State.
const (
	StateUnknown    State = 0x01 // the reader does not answer
	StateAbsent     State = 0x02
	StatePresent    State = 0x04
	StateSwallowed  State = 0x08 // present, without power
	StatePowered    State = 0x10
	StateNegotiable State = 0x20 // no protocol chosen yet
	StateSpecific   State = 0x40 // a protocol is chosen
)

// Present says whether a card is in the reader.
func (r Reader) Present() bool { return r.State&StatePresent != 0 && r.State&StateAbsent == 0 }

// Mute says whether a card is in the reader that does not answer to a reset.
func (r Reader) Mute() bool { return r.Present() && r.State&StateSwallowed != 0 }

// Find gives the reader of a name.
func Find(list []Reader, name string) (Reader, bool) {
	i := slices.IndexFunc(list, func(r Reader) bool { return r.Name == name })
	if i < 0 {
		return Reader{}, false
	}
	return list[i], true
}

func equal(a, b []Reader) bool {
	return slices.EqualFunc(a, b, func(a, b Reader) bool {
		return a.Name == b.Name && a.State == b.State && a.Events == b.Events && a.Sharing == b.Sharing &&
			a.Protocol == b.Protocol && bytes.Equal(a.ATR, b.ATR)
	})
}

// Protocol is a set of bits where one is asked for, a single one where it is in use.
type Protocol uint32

// Protocols of ISO/IEC 7816-3.
const (
	T0  Protocol = 1
	T1  Protocol = 2
	Raw Protocol = 4 // of memory cards
)

// Share says who else may be connected to a card.
type Share uint32

// The ways to share a card.
const (
	Exclusive Share = 1
	Shared    Share = 2
	Direct    Share = 3 // with the reader alone, a card need not be there
)

// Disposition says what becomes of the card.
type Disposition uint32

// What can become of a card.
const (
	Leave   Disposition = 0
	Reset   Disposition = 1 // warm reset
	Unpower Disposition = 2 // and powered again: cold reset
	Eject   Disposition = 3 // by readers that can
)
