package pcsc

import "fmt"

// Code is a result of the daemon other than success; it is an error. The numbers
// are those of PC/SC part 5 and pcsc-lite.
type Code uint32

// The codes that callers decide on. Others keep their number.
const (
	Cancelled        Code = 0x80100002
	InvalidHandle    Code = 0x80100003
	InvalidParameter Code = 0x80100004
	TooLong          Code = 0x80100008 // insufficient buffer
	UnknownReader    Code = 0x80100009
	TimedOut         Code = 0x8010000A
	SharingViolation Code = 0x8010000B
	NoCard           Code = 0x8010000C
	ProtocolMismatch Code = 0x8010000F
	NotReady         Code = 0x80100010
	CommError        Code = 0x80100013
	NotTransacted    Code = 0x80100016
	ReaderGone       Code = 0x80100017 // reader unavailable
	NoService        Code = 0x8010001D
	ServiceStopped   Code = 0x8010001E
	Unsupported      Code = 0x8010001F // also "unexpected": pcsc-lite gives both one number
	NoReaders        Code = 0x8010002E
	UnsupportedCard  Code = 0x80100065
	Unresponsive     Code = 0x80100066
	Unpowered        Code = 0x80100067
	WasReset         Code = 0x80100068
	Removed          Code = 0x80100069
)

var words = map[Code]string{
	Cancelled: "cancelled", InvalidHandle: "invalid handle", InvalidParameter: "invalid parameter",
	TooLong: "answer too long", UnknownReader: "unknown reader", TimedOut: "timed out",
	SharingViolation: "card is in use by others", NoCard: "no card", ProtocolMismatch: "card does not speak the protocol",
	NotReady: "reader or card not ready", CommError: "communication error", NotTransacted: "transaction failed",
	ReaderGone: "reader gone", NoService: "no service", ServiceStopped: "service stopped", Unsupported: "not supported",
	NoReaders: "no readers", UnsupportedCard: "card is not supported", Unresponsive: "card does not answer to reset",
	Unpowered: "card has no power", WasReset: "card was reset by others", Removed: "card was removed",
}

// Error gives a few words, or the number.
func (c Code) Error() string {
	if w, ok := words[c]; ok {
		return w
	}
	return fmt.Sprintf("PC/SC error 0x%08X", uint32(c))
}

func (c Code) err() error {
	if c == 0 {
		return nil
	}
	return c
}

// ExchangeError is an exchange with a card that gave no answer. What the card did
// is not known: a command that changes something must not be repeated before its
// effect has been read.
type ExchangeError struct {
	Gone   bool   // the card is not in the reader any more, or is another one
	Reader Reader // as read after the error; empty when that failed too
	Err    error
}

// Error tells the cause and where the card is.
func (e *ExchangeError) Error() string {
	if e.Gone {
		return fmt.Sprintf("exchange with card: %v; the card is gone", e.Err)
	}
	return fmt.Sprintf("exchange with card: %v", e.Err)
}

// Unwrap gives the cause, and Removed when the card is gone.
func (e *ExchangeError) Unwrap() []error {
	if e.Gone {
		return []error{e.Err, Removed}
	}
	return []error{e.Err}
}
