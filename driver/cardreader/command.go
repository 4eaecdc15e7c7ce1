package cardreader

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/plomb-pos/plomb/driver/pcsc"
	"github.com/plomb-pos/plomb/xfs4iot"
	"github.com/plomb-pos/plomb/xfs4iot/cardreader"
	"github.com/plomb-pos/plomb/xfs4iot/host"
)

// exchangeTime is more than any card needs; a driver that hangs longer is given up.
const exchangeTime = 60 * time.Second

// uncut gives a context for an exchange: neither cancel nor the end of the client
// cuts it short, since its outcome would be unknown.
func uncut(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), exchangeTime)
}

// read waits for a card and powers it.
func (d *Driver) read(ctx context.Context, cmd *host.Command, req *cardreader.ReadRawDataCommand) (*cardreader.ReadRawDataCompletion, error) {
	out := unsupported(req)
	if req.Chip == nil || !*req.Chip {
		return out, nil
	}
	if err := d.await(ctx, cmd); err != nil {
		return nil, err
	}
	safe, done := uncut(ctx)
	defer done()
	err := d.power(safe, pcsc.Leave)
	switch {
	case errors.Is(err, errGone):
		return nil, host.Fail(cardreader.ReadRawDataErrorCodeNoMedia, err.Error())
	case errors.Is(err, pcsc.Unresponsive), errors.Is(err, pcsc.ProtocolMismatch):
		out.Chip = []cardreader.CardData{{Status: cardreader.CardDataStatusDataInvalid}}
		return out, nil
	case err != nil:
		return nil, hardware(err)
	}
	out.Chip = []cardreader.CardData{{Data: d.look().atr}}
	return out, nil
}

// await returns once a card is in the reader.
func (d *Driver) await(ctx context.Context, cmd *host.Command) error {
	asked := false
	for {
		p := d.look()
		switch {
		case !p.ready:
			return errNotReady
		case p.present && asked:
			return cmd.Event(&cardreader.MediaInsertedEvent{})
		case p.present:
			return nil
		case !asked:
			asked = true
			if err := cmd.Event(&cardreader.InsertCardEvent{}); err != nil {
				return err
			}
		}
		select {
		case <-p.changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// unsupported answers for the sources that were asked for and are not there.
func unsupported(req *cardreader.ReadRawDataCommand) *cardreader.ReadRawDataCompletion {
	none := func(asked *bool) *cardreader.CardDataNullable {
		if asked == nil || !*asked {
			return nil
		}
		return &cardreader.CardDataNullable{Status: cardreader.CardDataStatusDataSourceNotSupported}
	}
	out := &cardreader.ReadRawDataCompletion{
		Track1: none(req.Track1), Track2: none(req.Track2), Track3: none(req.Track3), Watermark: none(req.Watermark),
		Track1Front: none(req.Track1Front), Track1JIS: none(req.Track1JIS), Track3JIS: none(req.Track3JIS), Ddi: none(req.Ddi),
	}
	if none(req.Security) != nil {
		out.Security = &cardreader.ReadRawDataCompletionSecurity{Status: cardreader.CardDataStatusDataSourceNotSupported}
	}
	if none(req.MemoryChip) != nil {
		out.MemoryChip = &cardreader.ReadRawDataCompletionMemoryChip{Status: cardreader.CardDataStatusDataSourceNotSupported}
	}
	return out
}

func hardware(err error) error {
	var e *xfs4iot.Error
	if errors.As(err, &e) {
		return err
	}
	return &xfs4iot.Error{Code: xfs4iot.HardwareError, Description: err.Error()}
}

func (d *Driver) chipPower(ctx context.Context, _ *host.Command, req *cardreader.ChipPowerCommand) (*cardreader.ChipPowerCompletion, error) {
	p := d.look()
	switch {
	case !p.ready:
		return nil, errNotReady
	case !p.present:
		return nil, host.Fail(cardreader.ChipPowerErrorCodeNoMedia, "no card is in the reader")
	}
	safe, done := uncut(ctx)
	defer done()
	switch req.ChipPower {
	case cardreader.ChipPowerCommandChipPowerOff:
		return nil, d.off(safe)
	case cardreader.ChipPowerCommandChipPowerWarm:
		return d.reset7816(safe, pcsc.Reset)
	case cardreader.ChipPowerCommandChipPowerCold:
		return d.reset7816(safe, pcsc.Unpower)
	}
	return nil, &xfs4iot.Error{Code: xfs4iot.InvalidData, Description: "chipPower is missing"}
}

// reset7816 resets the card and gives its answer to reset.
func (d *Driver) reset7816(ctx context.Context, how pcsc.Disposition) (*cardreader.ChipPowerCompletion, error) {
	err := d.power(ctx, how)
	switch {
	case errors.Is(err, errGone):
		return nil, host.Fail(cardreader.ChipPowerErrorCodeNoMedia, err.Error())
	case errors.Is(err, pcsc.Unresponsive), errors.Is(err, pcsc.ProtocolMismatch):
		return nil, host.Fail(cardreader.ChipPowerErrorCodeAtrNotObtained, err.Error())
	case err != nil:
		return nil, hardware(err)
	}
	r, err := d.look().card.Status(ctx)
	if err != nil {
		return nil, hardware(err)
	}
	return &cardreader.ChipPowerCompletion{ChipData: r.ATR}, nil
}

// off takes the chip's power; a chip without power stays so.
func (d *Driver) off(ctx context.Context) error {
	card := d.look().card
	if card == nil {
		return nil
	}
	err := card.Disconnect(ctx, pcsc.Unpower)
	d.mu.Lock()
	d.card = nil
	d.tell()
	d.mu.Unlock()
	if err != nil && !errors.Is(err, pcsc.Removed) {
		return hardware(err)
	}
	return nil
}

func (d *Driver) chipIO(ctx context.Context, _ *host.Command, req *cardreader.ChipIOCommand) (*cardreader.ChipIOCompletion, error) {
	p := d.look()
	switch {
	case !p.ready:
		return nil, errNotReady
	case !p.present:
		return nil, host.Fail(cardreader.ChipIOErrorCodeNoMedia, "no card is in the reader")
	case p.card == nil:
		return nil, host.Fail(cardreader.ChipIOErrorCodeAtrNotObtained, "the chip has no power: ChipPower or ReadRawData first")
	case len(req.ChipData) < 4:
		return nil, host.Fail(cardreader.ChipIOErrorCodeInvalidData, "an APDU has at least 4 bytes")
	case !speaks(p.card.Protocol(), req.ChipProtocol):
		return nil, host.Fail(cardreader.ChipIOErrorCodeProtocolNotSupported, fmt.Sprintf("the chip speaks T=%d", p.card.Protocol()-1))
	}
	return d.exchange(ctx, p.card, req)
}

// speaks says whether a protocol is the one in use; none named is any.
func speaks(in pcsc.Protocol, asked cardreader.ChipIOCommandChipProtocol) bool {
	switch asked {
	case "", cardreader.ChipIOCommandChipProtocolChipProtocolNotRequired:
		return true
	case cardreader.ChipIOCommandChipProtocolChipT0:
		return in == pcsc.T0
	case cardreader.ChipIOCommandChipProtocolChipT1:
		return in == pcsc.T1
	}
	return false
}

func (d *Driver) exchange(ctx context.Context, card *pcsc.Card, req *cardreader.ChipIOCommand) (*cardreader.ChipIOCompletion, error) {
	safe, done := uncut(ctx)
	defer done()
	answer, err := card.Transmit(safe, req.ChipData)
	err = d.judge(err)
	switch {
	case errors.Is(err, errGone):
		return nil, host.Fail(cardreader.ChipIOErrorCodeNoMedia, "the card was removed during the exchange; whether it did the command is unknown")
	case err != nil:
		return nil, hardware(fmt.Errorf("%w; whether the card did the command is unknown", err))
	}
	return &cardreader.ChipIOCompletion{ChipProtocol: cardreader.ChipIOCompletionChipProtocol(req.ChipProtocol), ChipData: answer}, nil
}

// reset takes the chip's power and reports a card that is there. There is nothing
// to move a card with: it stays where it is, whatever storage id was given.
func (d *Driver) reset(ctx context.Context, _ *host.Command, req *cardreader.ResetCommand) (*cardreader.ResetCompletion, error) {
	if req.To == cardreader.ResetCommandToRetain {
		return nil, &xfs4iot.Error{Code: xfs4iot.UnsupportedData, Description: "this reader cannot retain a card"}
	}
	if !d.look().ready {
		return nil, errNotReady
	}
	safe, done := uncut(ctx)
	defer done()
	if err := d.off(safe); err != nil {
		return nil, err
	}
	d.trust()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.reader.Present() {
		d.say(&cardreader.MediaDetectedEvent{Position: "exit"})
	}
	return nil, nil
}

func (d *Driver) identify(context.Context, *host.Command, *cardreader.QueryIFMIdentifierCommand) (*cardreader.QueryIFMIdentifierCompletion, error) {
	return &cardreader.QueryIFMIdentifierCompletion{IfmIdentifiers: maps.Clone(d.options.IFM)}, nil
}
