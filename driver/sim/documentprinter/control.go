package documentprinter

import (
	"context"
	"errors"
	"slices"

	"github.com/plomb-pos/plomb/driver/forms/press"
	"github.com/plomb-pos/plomb/driver/sim/bin"
	"github.com/plomb-pos/plomb/driver/sim/chassis"
	"github.com/plomb-pos/plomb/xfs4iot/host"
	"github.com/plomb-pos/plomb/xfs4iot/printer"
)

// nullable takes the mediaControl of the printing commands; nil when it asks for
// nothing.
func nullable(c *printer.MediaControlNullable) *printer.MediaControl {
	if c == nil || *c == (printer.MediaControlNullable{}) {
		return nil
	}
	return &printer.MediaControl{Move: printer.MediaControlMove(c.Move), Perforate: c.Perforate, Cut: c.Cut, Skip: c.Skip, Flush: c.Flush,
		PartialCut: c.PartialCut, Alarm: c.Alarm, TurnPage: printer.MediaControlTurnPage(c.TurnPage), TurnMedia: c.TurnMedia, Stamp: c.Stamp, Rotate180: c.Rotate180}
}

func is(b *bool) bool { return b != nil && *b }

// supported refuses what the capabilities do not list.
func supported(c *printer.MediaControl) error {
	if c == nil {
		return nil
	}
	if is(c.Perforate) || is(c.Cut) || is(c.Skip) || is(c.PartialCut) || is(c.Rotate180) ||
		c.Move == printer.MediaControlMovePark || c.Move == printer.MediaControlMoveEjectToTransport {
		return chassis.Refused("the printer ejects, retracts, stacks, expels, turns and stamps")
	}
	return nil
}

func (p *Printer) controlMedia(_ context.Context, cmd *host.Command, req *printer.ControlMediaCommand) (*printer.ControlMediaCompletion, error) {
	p.Lock()
	defer p.Unlock()
	if req.MediaControl == nil {
		return nil, chassis.Invalid("mediaControl is missing")
	}
	if err := errors.Join(p.ready(), supported(req.MediaControl)); err != nil {
		return nil, err
	}
	defer p.changed()
	return nil, p.control(cmd, req.MediaControl)
}

// possible says that there is what an order moves.
func (p *Printer) possible(c *printer.MediaControl) bool {
	if is(c.TurnMedia) || is(c.Stamp) || c.TurnPage != "" {
		return p.medium != nil
	}
	return c.Move == "" || p.medium != nil || c.Move == printer.MediaControlMoveEject && len(p.stack) > 0
}

// control does what is asked in the order of a paper's way: turn, stamp, move.
func (p *Printer) control(cmd *host.Command, c *printer.MediaControl) error {
	if c == nil {
		return nil
	}
	if !p.possible(c) {
		return host.Fail(printer.ControlMediaErrorCodeNoMediaPresent, "there is no medium")
	}
	if is(c.Alarm) {
		p.alarms++
	}
	if is(c.Flush) && p.faults.Strike(FaultFlush) {
		return host.Fail(printer.ControlMediaErrorCodeFlushFail, "the last lines were not printed")
	}
	for _, step := range []func(*printer.MediaControl) error{p.turnMedia, p.turnPages, p.stamp} {
		if err := step(c); err != nil {
			return err
		}
	}
	return p.move(cmd, c.Move)
}

func (p *Printer) turnMedia(c *printer.MediaControl) error {
	if !is(c.TurnMedia) {
		return nil
	}
	if p.faults.Strike(FaultTurn) {
		return host.Fail(printer.ControlMediaErrorCodeMediaTurnFail, "the medium was not turned")
	}
	p.medium.turned = !p.medium.turned
	return nil
}

func (p *Printer) turnPages(c *printer.MediaControl) error {
	if c.TurnPage == "" {
		return nil
	}
	step := 1
	if c.TurnPage == printer.MediaControlTurnPageBackward {
		step = -1
	}
	if err := p.turn(step); err != nil {
		return host.Fail(printer.ControlMediaErrorCodePageTurnFail, err.Error())
	}
	return nil
}

var errNoSuchPage = errors.New("there is no such page")

// turn goes on by pages in a passbook.
func (p *Printer) turn(step int) error {
	m := p.medium
	switch {
	case !m.book || m.closed || m.open+step < 0 || m.open+step >= len(m.leaves):
		return errNoSuchPage
	case p.faults.Strike(FaultTurn):
		return errors.New("the page was not turned")
	}
	m.open += step
	m.version++
	return nil
}

func (p *Printer) stamp(c *printer.MediaControl) error {
	if !is(c.Stamp) {
		return nil
	}
	if p.ink == 0 {
		return host.Fail(printer.ControlMediaErrorCodeInkOut, "there is no ink for the stamp")
	}
	p.ink--
	p.medium.version++
	if page := p.medium.Page(0, false); page != nil {
		press.Stamp(page, "PAID")
	}
	return nil
}

func (p *Printer) move(cmd *host.Command, where printer.MediaControlMove) error {
	switch where {
	case printer.MediaControlMoveEject:
		return p.eject(cmd)
	case printer.MediaControlMoveRetract:
		_, err := p.retract(Bin)
		return err
	case printer.MediaControlMoveExpel:
		p.expel()
	case printer.MediaControlMoveStack:
		return p.toStack()
	}
	return nil
}

// eject presents what is inside, with what is on the stacker before it.
func (p *Printer) eject(cmd *host.Command) error {
	if p.faults.Strike(FaultShutter) {
		return host.Fail(printer.ControlMediaErrorCodeShutterFail, "the slot does not open")
	}
	if p.faults.Strike(FaultJam) {
		p.at = jammed
		return host.Fail(printer.ControlMediaErrorCodeMediaJammed, "the medium sticks")
	}
	p.gather()
	p.at = presented
	if cmd != nil {
		_ = cmd.Event(&printer.MediaPresentedEvent{WadIndex: new(1), TotalWads: new(1)})
	}
	return nil
}

// gather makes one wad of the stacker and what is inside.
func (p *Printer) gather() {
	if len(p.stack) == 0 {
		return
	}
	wad := p.stack[0]
	rest := p.stack[1:]
	if p.medium != nil {
		rest = append(slices.Clone(rest), p.medium)
	}
	for _, m := range rest {
		wad.leaves = append(wad.leaves, m.leaves...)
	}
	wad.version++
	p.medium, p.stack = wad, nil
}

func (p *Printer) toStack() error {
	if len(p.stack) >= maxStacker || p.medium.book {
		return host.Fail(printer.ControlMediaErrorCodeStackerFull, "the stacker takes five sheets and no passbooks")
	}
	p.stack = append(p.stack, p.medium)
	p.medium, p.at = nil, nowhere
	return nil
}

// expel throws the medium out.
func (p *Printer) expel() {
	p.forget()
}

// forget lets the medium go; a customer's passbook stays the customer's.
func (p *Printer) forget() {
	if p.medium != nil {
		p.keep(p.medium.away())
	}
	p.medium, p.at = nil, nowhere
}

func (p *Printer) keep(d document) {
	p.taken = append(p.taken, d)
	if len(p.taken) > maxTaken {
		p.taken = p.taken[1:]
	}
}

// retract takes the medium into the bin. The count is durable before the medium is
// said to be there.
func (p *Printer) retract(unit string) (string, error) {
	if p.faults.Strike(FaultJam) {
		p.at = jammed
		return "", host.Fail(printer.RetractMediaErrorCodeMediaJammed, "the medium sticks")
	}
	if err := p.rack.Retract(unit, 1); err != nil {
		if errors.Is(err, bin.ErrFull) || errors.Is(err, bin.ErrAway) {
			return "", host.Fail(printer.RetractMediaErrorCodeRetractBinFull, err.Error())
		}
		return "", chassis.Broken(err.Error())
	}
	p.medium, p.at, p.retracted = nil, nowhere, true
	bin.Tell(p.rack, unit, p.Say)
	return unit, nil
}

func (p *Printer) retractMedia(_ context.Context, _ *host.Command, req *printer.RetractMediaCommand) (*printer.RetractMediaCompletion, error) {
	p.Lock()
	defer p.Unlock()
	if err := p.ready(); err != nil {
		return nil, err
	}
	where := or(req.MediaControl, Bin)
	switch {
	case p.medium == nil:
		return &printer.RetractMediaCompletion{Result: "nomedia"}, host.Fail(printer.RetractMediaErrorCodeNoMediaPresent, "there is no medium")
	case where == "transport":
		p.at = inside
		p.changed()
		return &printer.RetractMediaCompletion{Result: where}, nil
	case where != Bin:
		return nil, chassis.Invalid("there is no storage unit " + where)
	}
	defer p.changed()
	result, err := p.retract(where)
	return &printer.RetractMediaCompletion{Result: result}, err
}

func (p *Printer) controlPassbook(_ context.Context, _ *host.Command, req *printer.ControlPassbookCommand) (*printer.ControlPassbookCompletion, error) {
	p.Lock()
	defer p.Unlock()
	if err := p.ready(); err != nil {
		return nil, err
	}
	m, count := p.medium, max(value(req.Count), 1)
	switch {
	case m == nil || p.at != inside:
		return nil, host.Fail(printer.ControlPassbookErrorCodeNoMediaPresent, "there is no passbook")
	case !m.book:
		return nil, host.Fail(printer.ControlPassbookErrorCodeMediaSize, "that is no passbook")
	case m.closed:
		return nil, host.Fail(printer.ControlPassbookErrorCodePassbookClosed, "the passbook is closed")
	}
	defer p.changed()
	switch req.Action {
	case printer.ControlPassbookCommandActionForward:
		return nil, p.leafThrough(count)
	case printer.ControlPassbookCommandActionBackward:
		return nil, p.leafThrough(-count)
	case "":
		return nil, chassis.Invalid("the action is missing")
	}
	m.closed = true
	return nil, nil
}

// leafThrough turns as many pages as it can be asked to, or none.
func (p *Printer) leafThrough(pages int) error {
	if to := p.medium.open + pages; to < 0 || to >= len(p.medium.leaves) {
		return host.Fail(printer.ControlPassbookErrorCodeLastOrFirstPageReached, errNoSuchPage.Error())
	}
	if err := p.turn(pages); err != nil {
		return host.Fail(printer.ControlPassbookErrorCodePageTurnFail, err.Error())
	}
	return nil
}

func (p *Printer) dispensePaper(_ context.Context, cmd *host.Command, req *printer.DispensePaperCommand) (*printer.DispensePaperCompletion, error) {
	p.Lock()
	defer p.Unlock()
	if err := p.ready(); err != nil {
		if p.at == jammed {
			err = host.Fail(printer.DispensePaperErrorCodePaperJammed, "something sticks in the transport")
		}
		return nil, err
	}
	if !p.source(req.PaperSource) || req.PaperSource == Slot {
		return nil, host.Fail(printer.DispensePaperErrorCodeSourceInvalid, "the trays are upper and lower")
	}
	if p.medium != nil {
		return nil, host.Fail(printer.DispensePaperErrorCodeSequenceInvalid, "there is a medium already")
	}
	def := p.medium0("", req.PaperSource)
	return nil, p.obtain(context.Background(), cmd, or(req.PaperSource, "any"), "", p.mediaFor("", def), def, 1)
}

// clearBuffer finds nothing to clear: what is not on paper is not in the device.
func (p *Printer) clearBuffer(context.Context, *host.Command, *printer.ClearBufferCommand) (*printer.ClearBufferCompletion, error) {
	return nil, nil
}

func (p *Printer) reset(_ context.Context, cmd *host.Command, req *printer.ResetCommand) (*printer.ResetCompletion, error) {
	p.Lock()
	defer p.Unlock()
	if p.at == jammed {
		p.Say(&printer.MediaDetectedEvent{Position: "jammed"})
	}
	if err := p.ready(); err != nil {
		return nil, err
	}
	if !slices.Contains([]string{"", "eject", "expel", Bin}, req.MediaControl) {
		return nil, chassis.Invalid("mediaControl is eject, expel or " + Bin)
	}
	defer p.changed()
	p.gather()
	if p.medium == nil {
		return nil, nil
	}
	p.at = inside
	return nil, p.clear(cmd, req.MediaControl)
}

// clear moves what a reset found; without an order it stays where it is.
func (p *Printer) clear(cmd *host.Command, where string) error {
	position := "present"
	switch where {
	case "eject":
		if err := p.eject(cmd); err != nil {
			return err
		}
	case "expel":
		p.expel()
		position = "expelled"
	case Bin:
		if _, err := p.retract(Bin); err != nil {
			return err
		}
		position = Bin
	}
	p.Say(&printer.MediaDetectedEvent{Position: position})
	return nil
}

func (p *Printer) resetCount(_ context.Context, _ *host.Command, req *printer.ResetCountCommand) (*printer.ResetCountCompletion, error) {
	p.Lock()
	defer p.Unlock()
	if n := value(req.BinNumber); n > 1 {
		return nil, chassis.Invalid("there is one bin")
	}
	defer p.changed()
	if err := p.rack.Empty(Bin); err != nil {
		return nil, chassis.Broken(err.Error())
	}
	bin.Tell(p.rack, Bin, p.Say)
	return nil, nil
}

func (p *Printer) setBlackMarkMode(_ context.Context, _ *host.Command, req *printer.SetBlackMarkModeCommand) (*printer.SetBlackMarkModeCompletion, error) {
	p.Lock()
	defer p.Unlock()
	if req.BlackMarkMode == nil {
		return nil, chassis.Invalid("blackMarkMode is missing")
	}
	p.blackMark = *req.BlackMarkMode
	p.changed()
	return nil, nil
}

func (p *Printer) supplyReplenish(_ context.Context, _ *host.Command, req *printer.SupplyReplenishCommand) (*printer.SupplyReplenishCompletion, error) {
	p.Lock()
	defer p.Unlock()
	if is(req.Aux) || is(req.Aux2) {
		return nil, chassis.Refused("the trays are upper and lower")
	}
	for tray, full := range map[string]*bool{Upper: req.Upper, Lower: req.Lower} {
		if is(full) {
			p.trays[tray] = p.full
		}
	}
	if is(req.Toner) {
		p.toner = maxToner
	}
	if is(req.Ink) {
		p.ink = maxInk
	}
	if is(req.Lamp) {
		p.lamp = printer.StatusLampOk
	}
	p.changed()
	return nil, nil
}
