package depository

import (
	"context"
	"errors"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"

	"github.com/plomb-pos/plomb/driver/sim/bin"
	"github.com/plomb-pos/plomb/driver/sim/chassis"
	"github.com/plomb-pos/plomb/xfs4iot"
	"github.com/plomb-pos/plomb/xfs4iot/deposit"
	"github.com/plomb-pos/plomb/xfs4iot/host"
)

func (d *Depository) dispense(context.Context, *host.Command, *deposit.DispenseCommand) (*deposit.DispenseCompletion, error) {
	d.Lock()
	defer d.Unlock()
	if err := d.ready(); err != nil {
		return nil, err
	}
	switch {
	case d.slot == slotJammed:
		return nil, host.Fail(deposit.DispenseErrorCodeJammed, "an envelope sticks in the transport")
	case d.slot != slotEmpty:
		return nil, chassis.Sequence(ErrInUse.Error())
	case d.supply == 0:
		return nil, host.Fail(deposit.DispenseErrorCodeEmpty, "there are no envelopes")
	case !d.open():
		return nil, host.Fail(deposit.DispenseErrorCodeShutterNotOpened, "the slot sticks")
	}
	return nil, d.offer()
}

// offer brings an empty envelope to the slot.
func (d *Depository) offer() error {
	defer d.changed()
	d.supply--
	d.envelope = &Envelope{Empty: true}
	if d.faults.Strike(FaultJam) {
		d.slot = slotJammed
		d.shut()
		return host.Fail(deposit.DispenseErrorCodeJammed, "the envelope sticks")
	}
	d.slot = slotOffered
	return nil
}

func (d *Depository) open() bool {
	if d.faults.Strike(FaultNotOpening) {
		d.shutter = shutterStuck
	}
	if d.shutter != shutterStuck {
		d.shutter = shutterOpen
	}
	d.changed()
	return d.shutter == shutterOpen
}

func (d *Depository) entry(ctx context.Context, _ *host.Command, req *deposit.EntryCommand) (*deposit.EntryCompletion, error) {
	d.Lock()
	defer d.Unlock()
	if err := d.ready(); err != nil {
		return nil, err
	}
	if err := d.beforeEntry(req.PrintData); err != nil {
		return nil, err
	}
	if err := d.awaitEnvelope(ctx); err != nil {
		return nil, err
	}
	defer d.changed()
	err := d.takeIn(req.PrintData)
	d.tellError(err)
	return nil, err
}

// beforeEntry finds what would fail before anybody is asked for an envelope.
func (d *Depository) beforeEntry(text string) error {
	switch {
	case d.slot == slotJammed:
		return host.Fail(deposit.EntryErrorCodeDepJammed, "an envelope sticks in the transport")
	case d.slot != slotEmpty:
		return chassis.Sequence(ErrInUse.Error())
	}
	if err := d.fits(); err != nil {
		return err
	}
	if err := d.printable(text); err != nil {
		return err
	}
	if !d.open() {
		return host.Fail(deposit.EntryErrorCodeShutterNotOpened, "the slot sticks")
	}
	return nil
}

func (d *Depository) fits() error {
	err := d.rack.Fit(Container, 1, false)
	switch {
	case errors.Is(err, bin.ErrFull):
		return host.Fail(deposit.EntryErrorCodeDepFull, err.Error())
	case errors.Is(err, bin.ErrAway):
		return host.Fail(deposit.EntryErrorCodeContainerMissing, err.Error())
	case err != nil:
		return chassis.Broken(err.Error())
	}
	return nil
}

func (d *Depository) printable(text string) error {
	if text == "" {
		return nil
	}
	if utf8.RuneCountInString(text) > maxText {
		return chassis.Invalid("the text is too long")
	}
	for _, r := range text {
		if b, ok := charmap.Windows1252.EncodeRune(r); !ok || b < ' ' {
			return host.Fail(deposit.EntryErrorCodeCharacterNotSupp, "the printer has no such character")
		}
	}
	switch {
	case !d.printer:
		return host.Fail(deposit.EntryErrorCodePrinterFail, "the printer does not work")
	case d.toner == 0:
		return host.Fail(deposit.EntryErrorCodeTonerOut, "there is no toner")
	}
	return nil
}

// awaitEnvelope asks for an envelope and closes the slot behind it or, when the
// command ends before one came, behind nothing.
func (d *Depository) awaitEnvelope(ctx context.Context) error {
	d.waiting = true
	d.Say(&deposit.InsertDepositEvent{})
	d.changed()
	err := d.Await(ctx, func() bool { return d.slot != slotEmpty || d.off })
	d.waiting = false
	switch {
	case err != nil:
		d.shut()
		d.changed()
		return err
	case d.off:
		return d.ready()
	}
	d.Say(&deposit.EnvInsertedEvent{})
	return nil
}

// takeIn prints on the envelope and drops it into the container.
func (d *Depository) takeIn(text string) error {
	switch {
	case d.envelope.Thickness > maxThickness:
		d.slot = slotOffered // it comes out again
		return host.Fail(deposit.EntryErrorCodeEnvSize, "the envelope is too thick")
	case !d.shut():
		return host.Fail(deposit.EntryErrorCodeShutterNotClosed, "the slot does not close")
	case d.faults.Strike(FaultPower):
		d.off = true
		return &xfs4iot.Error{Code: xfs4iot.HardwareError, Description: "power was lost with the envelope in the transport"}
	case d.faults.Strike(FaultJam):
		d.slot = slotJammed
		return host.Fail(deposit.EntryErrorCodeDepJammed, "the envelope sticks")
	}
	d.print(text)
	return d.drop(false)
}

func (d *Depository) print(text string) {
	if text != "" && d.toner > 0 {
		d.envelope.Printed = text
		d.toner--
	}
}

// drop lets the envelope fall into the container. Its count is durable before
// anybody hears of it; if that fails the envelope has not left the transport.
func (d *Depository) drop(retracted bool) error {
	count := d.rack.Put
	if retracted {
		count = d.rack.Retract
	}
	if err := count(Container, 1); err != nil {
		return chassis.Broken(err.Error())
	}
	d.deposited = append(d.deposited, *d.envelope)
	d.slot, d.envelope = slotEmpty, nil
	bin.Tell(d.rack, Container, d.Say)
	if !retracted {
		d.Say(&deposit.EnvDepositedEvent{})
	}
	return nil
}

// tellError tells every client what went wrong with an envelope that was taken in.
func (d *Depository) tellError(err error) {
	var e *xfs4iot.Error
	if !errors.As(err, &e) {
		return
	}
	code := deposit.DepositErrorEventErrorUnknown
	if known := deposit.DepositErrorEventError(e.ErrorCode); e.ErrorCode != "" && known.Validate() == nil {
		code = known
	}
	d.Say(&deposit.DepositErrorEvent{Error: code})
}

func (d *Depository) retract(_ context.Context, _ *host.Command, req *deposit.RetractCommand) (*deposit.RetractCompletion, error) {
	d.Lock()
	defer d.Unlock()
	if err := d.ready(); err != nil {
		return nil, err
	}
	switch d.slot {
	case slotJammed:
		return nil, host.Fail(deposit.RetractErrorCodeEnvJammed, "an envelope sticks in the transport")
	case slotEmpty:
		return nil, host.Fail(deposit.RetractErrorCodeNoEnv, "there is no envelope")
	}
	if err := errors.Join(d.fits(), d.printable(req.PrintData)); err != nil {
		return nil, err
	}
	defer d.changed()
	return nil, d.bringIn(req.PrintData)
}

// bringIn takes what is in the slot or the transport into the container.
func (d *Depository) bringIn(text string) error {
	if d.faults.Strike(FaultJam) {
		d.slot = slotJammed
		return host.Fail(deposit.RetractErrorCodeEnvJammed, "the envelope sticks")
	}
	if !d.shut() {
		return host.Fail(deposit.RetractErrorCodeShutterNotClosed, "the slot does not close")
	}
	d.print(text)
	return d.drop(true)
}

func (d *Depository) reset(_ context.Context, _ *host.Command, req *deposit.ResetCommand) (*deposit.ResetCompletion, error) {
	d.Lock()
	defer d.Unlock()
	if err := d.ready(); err != nil {
		return nil, err
	}
	switch {
	case d.slot == slotJammed:
		d.Say(&deposit.MediaDetectedEvent{DispenseMedia: deposit.MediaDetectedEventDispenseMediaNoMedia, DepositMedia: deposit.MediaDetectedEventDepositMediaJammed})
		return nil, host.Fail(deposit.ResetErrorCodeEnvJammed, "somebody has to clear the transport")
	case d.shutter == shutterStuck:
		return nil, host.Fail(deposit.ResetErrorCodeShutterNotClosed, "somebody has to free the slot")
	}
	defer d.changed()
	return nil, d.clear(req.DepMediaControl)
}

// clear moves what is in the device; without an order it is retracted.
func (d *Depository) clear(where deposit.ResetCommandDepMediaControl) error {
	found := deposit.MediaDetectedEventDepositMediaNoMedia
	switch {
	case d.slot == slotEmpty:
	case where == deposit.ResetCommandDepMediaControlEject:
		if !d.open() {
			return host.Fail(deposit.ResetErrorCodeShutterNotOpened, "the slot sticks")
		}
		d.slot, found = slotOffered, deposit.MediaDetectedEventDepositMediaEjected
	default:
		if err := d.fits(); err != nil {
			return err
		}
		if err := d.bringIn(""); err != nil {
			return err
		}
		found = deposit.MediaDetectedEventDepositMediaRetracted
	}
	d.Say(&deposit.MediaDetectedEvent{DispenseMedia: deposit.MediaDetectedEventDispenseMediaNoMedia, DepositMedia: found})
	return nil
}

func (d *Depository) replenish(_ context.Context, _ *host.Command, req *deposit.SupplyReplenishCommand) (*deposit.SupplyReplenishCompletion, error) {
	d.Lock()
	defer d.Unlock()
	if err := d.ready(); err != nil {
		return nil, err
	}
	if req.Envelope != nil && *req.Envelope {
		d.supply = d.full
	}
	if req.Toner != nil && *req.Toner {
		d.toner = maxToner
	}
	d.changed()
	return nil, nil
}
