package card

import (
	"context"

	"github.com/plomb-pos/plomb/xfs4iot/cardreader"
	"github.com/plomb-pos/plomb/xfs4iot/host"
)

// chipPower is CardReader.ChipPower.
func (r *Reader) chipPower(_ context.Context, _ *host.Command, req *cardreader.ChipPowerCommand) (*cardreader.ChipPowerCompletion, error) {
	r.Lock()
	defer r.Unlock()
	if err := r.contact(); err != nil {
		return nil, err
	}
	switch req.ChipPower {
	case cardreader.ChipPowerCommandChipPowerOff:
		r.powered = false
		r.changed()
		return nil, nil
	case cardreader.ChipPowerCommandChipPowerWarm:
		if !r.powered {
			return nil, host.Fail(cardreader.ChipPowerErrorCodeAtrNotObtained, "a chip without power has no warm reset")
		}
	case "":
		return nil, host.Fail(cardreader.ChipPowerErrorCodeInvalidData, "chipPower is missing")
	}
	got := r.chipData()
	if got.Status != "" {
		return nil, host.Fail(cardreader.ChipPowerErrorCodeAtrNotObtained, "the chip does not answer")
	}
	return &cardreader.ChipPowerCompletion{ChipData: got.Data}, nil
}

// contact is nil when the contacts lie on a chip.
func (r *Reader) contact() error {
	switch {
	case r.off:
		return errOff
	case r.in == nil, r.in.at == atExit:
		return noMedia.fail("no card is in the reader")
	case r.in.at != inTransport:
		return mediaJam.fail("a card is jammed")
	case r.in.Chip == nil:
		return invalidMedia.fail("the card has no chip")
	}
	return nil
}

// chipIO is CardReader.ChipIO.
func (r *Reader) chipIO(_ context.Context, _ *host.Command, req *cardreader.ChipIOCommand) (*cardreader.ChipIOCompletion, error) {
	r.Lock()
	defer r.Unlock()
	if err := r.contact(); err != nil {
		return nil, err
	}
	switch {
	case !r.powered:
		return nil, host.Fail(cardreader.ChipIOErrorCodeAtrNotObtained, "the chip has no power: ChipPower or ReadRawData first")
	case !speaks(req.ChipProtocol):
		return nil, host.Fail(cardreader.ChipIOErrorCodeProtocolNotSupported, "the chip speaks T=1")
	case len(req.ChipData) < 4:
		return nil, host.Fail(cardreader.ChipIOErrorCodeInvalidData, "an APDU has at least 4 bytes")
	}
	answer := r.in.Chip.Exchange(req.ChipData)
	r.exchanged++
	if r.faults.Strike(FaultPulled) {
		r.release()
		return nil, errTornOut
	}
	r.Tell()
	return &cardreader.ChipIOCompletion{ChipProtocol: cardreader.ChipIOCompletionChipProtocol(req.ChipProtocol), ChipData: answer}, nil
}

func speaks(p cardreader.ChipIOCommandChipProtocol) bool {
	return p == "" || p == cardreader.ChipIOCommandChipProtocolChipT1 || p == cardreader.ChipIOCommandChipProtocolChipProtocolNotRequired
}

// identify is CardReader.QueryIFMIdentifier: the approval number of a simulated
// interface module, which no body has approved.
func (r *Reader) identify(context.Context, *host.Command, *cardreader.QueryIFMIdentifierCommand) (*cardreader.QueryIFMIdentifierCompletion, error) {
	return &cardreader.QueryIFMIdentifierCompletion{IfmIdentifiers: map[string]string{"emv": "SIMULATED"}}, nil
}
