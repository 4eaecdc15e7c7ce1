package card

import (
	"context"
	"errors"

	"github.com/plomb-pos/plomb/driver/sim/bin"
	"github.com/plomb-pos/plomb/driver/sim/chassis"
	"github.com/plomb-pos/plomb/xfs4iot"
	"github.com/plomb-pos/plomb/xfs4iot/cardreader"
	"github.com/plomb-pos/plomb/xfs4iot/host"
)

// move is CardReader.Move.
func (r *Reader) move(_ context.Context, _ *host.Command, req *cardreader.MoveCommand) (*cardreader.MoveCompletion, error) {
	r.Lock()
	defer r.Unlock()
	from, to := or(req.From, "transport"), or(req.To, "exit")
	switch {
	case r.dip:
		return nil, &xfs4iot.Error{Code: xfs4iot.UnsupportedCommand, Description: "this reader moves no cards"}
	case r.off:
		return nil, errOff
	case from == to:
		return nil, chassis.Invalid("from and to are the same place")
	case to != "exit" && to != "transport" && to != RetainBin:
		return nil, chassis.Refused("there is no place " + to)
	case from == RetainBin:
		return nil, chassis.Refused("the retain bin gives no cards out")
	case from != "exit" && from != "transport":
		return nil, chassis.Refused("there is no place " + from)
	}
	if err := r.isAt(from); err != nil {
		return nil, err
	}
	return nil, r.carry(to)
}

func or(value, otherwise string) string {
	if value == "" {
		return otherwise
	}
	return value
}

func (r *Reader) isAt(from string) error {
	switch {
	case r.in == nil:
		return host.Fail(cardreader.MoveErrorCodeNoMedia, "no card is in the reader")
	case r.in.at == jammed, r.in.at == stuck:
		return host.Fail(cardreader.MoveErrorCodeMediaJam, "the card is jammed")
	case string(r.in.at) != from:
		return host.Fail(cardreader.MoveErrorCodeNoMedia, "the card is at the "+string(r.in.at))
	}
	return nil
}

// carry moves the card that is in order to a place.
func (r *Reader) carry(to string) error {
	switch to {
	case "transport":
		return r.movement(inTransport)
	case "exit":
		return r.eject()
	}
	if err := r.rack.Fit(RetainBin, 1, true); err != nil {
		return binTrouble(err, cardreader.MoveErrorCodeFull)
	}
	if err := r.movement(inTransport); err != nil {
		return err
	}
	return binTrouble(r.retain(), cardreader.MoveErrorCodeFull)
}

// binTrouble is what a bin that takes no card is for a command: full, as far as it
// has a word for it.
func binTrouble[T ~string](err error, full T) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, bin.ErrFull), errors.Is(err, bin.ErrAway):
		return host.Fail(full, err.Error())
	case errors.Is(err, bin.ErrExchange):
		return chassis.Sequence(err.Error())
	}
	return chassis.Broken(err.Error())
}

// eject gives the card to the slot, where it can be taken.
func (r *Reader) eject() error {
	if r.shutter {
		return shutterFail.fail("the slot does not open")
	}
	if err := r.movement(atExit); err != nil {
		return err
	}
	r.powered = false
	r.changed()
	return nil
}

// reset is CardReader.Reset. The storage id counts for retain alone.
func (r *Reader) reset(_ context.Context, _ *host.Command, req *cardreader.ResetCommand) (*cardreader.ResetCompletion, error) {
	r.Lock()
	defer r.Unlock()
	retain := req.To == cardreader.ResetCommandToRetain
	switch {
	case r.off:
		return nil, errOff
	case retain && r.dip:
		return nil, chassis.Refused("this reader cannot retain a card")
	case retain && req.StorageID != "" && req.StorageID != RetainBin:
		return nil, chassis.Refused("there is no storage unit " + req.StorageID)
	}
	r.powered, r.kernel.pending = false, nil
	if r.in != nil {
		if err := r.restore(req.To); err != nil {
			return nil, err
		}
	}
	r.changed()
	return nil, nil
}

// restore brings a card that is found in the reader to where it should be. Without
// a wish, or with auto, it is given back.
func (r *Reader) restore(to cardreader.ResetCommandTo) error {
	if r.in.at == stuck {
		r.Say(&cardreader.MediaDetectedEvent{Position: "jammed"})
		return host.Fail(cardreader.ResetErrorCodeMediaJam, "a person has to clear the transport")
	}
	switch {
	case r.dip, to == cardreader.ResetCommandToCurrentPosition:
		return r.stay()
	case to == cardreader.ResetCommandToRetain:
		return r.resetToBin()
	}
	if err := r.eject(); err != nil {
		return err
	}
	r.Say(&cardreader.MediaDetectedEvent{Position: "exit"})
	return nil
}

func (r *Reader) stay() error {
	position := "transport"
	switch {
	case r.in.at == jammed:
		r.in.at = inTransport
	case r.in.at == atExit, r.dip:
		position = "exit"
	}
	r.Say(&cardreader.MediaDetectedEvent{Position: position})
	return nil
}

func (r *Reader) resetToBin() error {
	err := r.rack.Fit(RetainBin, 1, true)
	if err == nil {
		err = r.movement(inTransport)
		if err != nil {
			return err
		}
		err = r.retain()
	}
	if err != nil {
		return binTrouble(err, cardreader.ResetErrorCodeRetainBinFull)
	}
	r.Say(&cardreader.MediaDetectedEvent{Position: RetainBin})
	return nil
}

// keyLengths of DES keys for the security module, in bytes.
var keyLengths = map[int]bool{8: true, 16: true, 24: true}

// setKey is CardReader.SetKey.
func (r *Reader) setKey(_ context.Context, _ *host.Command, req *cardreader.SetKeyCommand) (*cardreader.SetKeyCompletion, error) {
	r.Lock()
	defer r.Unlock()
	switch {
	case r.off:
		return nil, errOff
	case !keyLengths[len(req.KeyValue)] || !oddParity(req.KeyValue):
		return nil, host.Fail(cardreader.SetKeyErrorCodeInvalidKey, "a key has 8, 16 or 24 bytes of odd parity")
	}
	if err := r.keepModule(module{Keyed: true}); err != nil {
		return nil, chassis.Broken(err.Error())
	}
	r.changed()
	return nil, nil
}

// oddParity checks each byte of a DES key (FIPS 46-3).
func oddParity(key []byte) bool {
	for _, b := range key {
		b ^= b >> 4
		b ^= b >> 2
		b ^= b >> 1
		if b&1 == 0 {
			return false
		}
	}
	return true
}
