package cash

import (
	"errors"
	"fmt"
	"slices"

	"github.com/plomb-pos/plomb/driver/sim/cash/vault"
	"github.com/plomb-pos/plomb/driver/sim/chassis"
	"github.com/plomb-pos/plomb/xfs4iot/cashacceptor"
	"github.com/plomb-pos/plomb/xfs4iot/cashdispenser"
	"github.com/plomb-pos/plomb/xfs4iot/cashmanagement"
	"github.com/plomb-pos/plomb/xfs4iot/host"
	"github.com/plomb-pos/plomb/xfs4iot/storage"
)

// The codes of this file are the same words in all its commands.
const (
	codeExchange = cashacceptor.ReplenishErrorCodeExchangeActive
	codeCashIn   = cashacceptor.ReplenishErrorCodeCashInActive
	codeInvalid  = cashacceptor.ReplenishErrorCodeInvalidCashUnit
	codeUnit     = cashacceptor.ReplenishErrorCodeCashUnitError
)

// idle says why notes cannot be moved between cassettes now.
func (d *Device) idle() error {
	switch {
	case d.keep.Exchange:
		return host.Fail(codeExchange, "the cassettes are being exchanged")
	case d.keep.CashIn.Active:
		return host.Fail(codeCashIn, "a cash-in is open")
	case d.jammed:
		return fault("a note is stuck in the transport")
	case d.loose() > 0:
		return chassis.Sequence("notes lie on the stacker, in the transport or in the slot")
	}
	return nil
}

// feeds says whether notes of a cassette can be moved into another one.
func (d *Device) feeds(from, to *unit) bool {
	switch {
	case from == nil || to == nil || from == to || !from.works() || !to.works():
		return false
	case to.Kind == In:
		return from.Kind == Recycle
	case to.Kind == Recycle:
		return from.Kind == In
	}
	return false
}

func (d *Device) replenishTargets(_ job, req *cashacceptor.GetReplenishTargetCommand) (*cashacceptor.GetReplenishTargetCompletion, error) {
	out := &cashacceptor.GetReplenishTargetCompletion{}
	for _, u := range d.units {
		if from := d.unit(req.Source); u.Kind == Recycle && d.feeds(from, u) {
			out.Targets = append(out.Targets, cashacceptor.GetReplenishTargetCompletionTargetsItem{Target: u.Unit})
		}
	}
	return out, nil
}

func (d *Device) depleteSources(_ job, req *cashacceptor.GetDepleteSourceCommand) (*cashacceptor.GetDepleteSourceCompletion, error) {
	out := &cashacceptor.GetDepleteSourceCompletion{}
	for _, u := range d.units {
		if to := d.unit(req.CashUnitTarget); to != nil && to.Kind == In && d.feeds(u, to) {
			out.DepleteSources = append(out.DepleteSources, cashacceptor.GetDepleteSourceCompletionDepleteSourcesItem{CashUnitSource: u.Unit})
		}
	}
	return out, nil
}

// load is one part of a Replenish or Deplete.
type load struct {
	from, to *unit
	note     vault.Note
	asked    *int // nil: all, as far as there is room
	moved    int
}

// carry moves the loads, each as far as notes and room allow. A jam ends it.
func (d *Device) carry(j job, loads []*load) error {
	for _, l := range loads {
		n := min(d.contents(l.from).Notes[l.note], d.space(l.to))
		if l.asked != nil {
			n = min(n, *l.asked)
		}
		stuck := false
		for i := range n {
			if j.ctx.Err() != nil {
				n = i
				break
			}
			if d.faults.Strike(FaultJam) {
				n, stuck = i, true
				break
			}
		}
		if err := d.carryOne(l, n); err != nil {
			return err
		}
		if stuck {
			d.jammed = true
			err := d.change(func(s *state, _ *memory) error { return s.Jam(l.from.Unit, vault.Notes{l.note: 1}) })
			return errors.Join(err, errJam)
		}
		if err := j.ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

func (d *Device) carryOne(l *load, n int) error {
	if n == 0 {
		return nil
	}
	l.moved = n
	return d.change(func(s *state, _ *memory) error { return s.Transfer(l.from.Unit, vault.Notes{l.note: n}, l.to.Unit) })
}

func (d *Device) replenish(j job, req *cashacceptor.ReplenishCommand) (*cashacceptor.ReplenishCompletion, error) {
	if err := d.idle(); err != nil {
		return nil, err
	}
	var loads []*load
	for _, t := range req.ReplenishTargets {
		from, to := d.unit(req.Source), d.unit(t.Target)
		if !d.feeds(from, to) || to.Kind != Recycle {
			return nil, host.Fail(codeInvalid, fmt.Sprintf("%.40q cannot be filled from %.40q", t.Target, req.Source))
		}
		loads = append(loads, &load{from: from, to: to, note: to.note, asked: t.NumberOfItemsToMove})
	}
	if len(loads) == 0 {
		return nil, chassis.Invalid("no targets are given")
	}
	failed := d.carry(j, loads)
	out := &cashacceptor.ReplenishCompletion{}
	sum := 0
	for _, l := range loads {
		if sum += l.moved; l.moved > 0 {
			out.ReplenishTargetResults = append(out.ReplenishTargetResults, cashacceptor.ReplenishCompletionReplenishTargetResultsItem{
				Target: l.to.Unit, CashItem: l.note.Type(), NumberOfItemsReceived: &l.moved})
		}
	}
	if sum > 0 {
		out.NumberOfItemsRemoved = &sum
	}
	if failed != nil || lacking(loads) {
		d.replenishEvent(j, out)
	}
	return out, d.carried(j, failed, loads)
}

func (d *Device) replenishEvent(j job, c *cashacceptor.ReplenishCompletion) {
	e := &cashacceptor.IncompleteReplenishEventReplenish{NumberOfItemsRemoved: c.NumberOfItemsRemoved}
	for _, r := range c.ReplenishTargetResults {
		e.ReplenishTargetResults = append(e.ReplenishTargetResults, cashacceptor.IncompleteReplenishEventReplenishReplenishTargetResultsItem(r))
	}
	j.event(&cashacceptor.IncompleteReplenishEvent{Replenish: e})
}

// lacking says whether less was moved than was asked for.
func lacking(loads []*load) bool {
	return slices.ContainsFunc(loads, func(l *load) bool { return l.asked != nil && l.moved < *l.asked })
}

// carried is how a Replenish or Deplete ends.
func (d *Device) carried(j job, failed error, loads []*load) error {
	switch {
	case errors.Is(failed, errJam) || d.vault.Failed() != nil:
		return fault(failed.Error())
	case failed != nil:
		return failed
	case lacking(loads):
		for _, l := range loads {
			if l.asked != nil && l.moved < *l.asked {
				d.unitError(j, l.from, storage.StorageErrorEventFailureEmpty)
			}
		}
		return host.Fail(codeUnit, "fewer notes or less room than asked for")
	}
	return nil
}

func (d *Device) deplete(j job, req *cashacceptor.DepleteCommand) (*cashacceptor.DepleteCompletion, error) {
	if err := d.idle(); err != nil {
		return nil, err
	}
	var loads []*load
	for _, s := range req.DepleteSources {
		from, to := d.unit(s.Source), d.unit(req.CashUnitTarget)
		if !d.feeds(from, to) || to.Kind != In {
			return nil, host.Fail(codeInvalid, fmt.Sprintf("%.40q cannot be emptied into %.40q", s.Source, req.CashUnitTarget))
		}
		loads = append(loads, &load{from: from, to: to, note: from.note, asked: s.NumberOfItemsToMove})
	}
	if len(loads) == 0 {
		return nil, chassis.Invalid("no sources are given")
	}
	failed := d.carry(j, loads)
	out := &cashacceptor.DepleteCompletion{NumberOfItemsReceived: new(0), NumberOfItemsRejected: new(0)}
	for _, l := range loads {
		*out.NumberOfItemsReceived += l.moved
		out.DepleteSourceResults = append(out.DepleteSourceResults, cashacceptor.DepleteCompletionDepleteSourceResultsItem{
			CashUnitSource: l.from.Unit, CashItem: l.note.Type(), NumberOfItemsRemoved: &l.moved})
	}
	if failed != nil || lacking(loads) {
		d.depleteEvent(j, out)
	}
	return out, d.carried(j, failed, loads)
}

func (d *Device) depleteEvent(j job, c *cashacceptor.DepleteCompletion) {
	e := &cashacceptor.IncompleteDepleteEventDeplete{NumberOfItemsReceived: c.NumberOfItemsReceived, NumberOfItemsRejected: c.NumberOfItemsRejected}
	for _, r := range c.DepleteSourceResults {
		e.DepleteSourceResults = append(e.DepleteSourceResults, cashacceptor.IncompleteDepleteEventDepleteDepleteSourceResultsItem(r))
	}
	j.event(&cashacceptor.IncompleteDepleteEvent{Deplete: e})
}

// countUnits recounts cassettes: their counters become what is really in them.
func (d *Device) countUnits(_ job, req *cashacceptor.CashUnitCountCommand) (*cashacceptor.CashUnitCountCompletion, error) {
	if err := d.idle(); err != nil {
		return nil, err
	}
	for _, name := range req.Units {
		if u := d.unit(name); u == nil || !u.works() {
			return nil, host.Fail(codeInvalid, fmt.Sprintf("%.40q cannot be counted", name))
		}
	}
	return nil, d.change(func(s *state, m *memory) error {
		for _, name := range req.Units {
			d.unit(name).found = false
			set := m.Units[name]
			set.Accurate = nil
			m.Units[name] = set
			if err := s.Recount(name); err != nil {
				return err
			}
		}
		return nil
	})
}

// aim is where TestCashUnits and CalibrateCashUnit send notes: the reject cassette
// by itself.
func (d *Device) aim(p *cashmanagement.ItemTargetData) (target, error) {
	if p == nil || p.Target == "" {
		return target{area: cashmanagement.RetractAreaReject}, nil
	}
	return d.resetTarget(p)
}

func (d *Device) testCashUnits(j job, req *cashdispenser.TestCashUnitsCommand) (*cashdispenser.TestCashUnitsCompletion, error) {
	if err := d.clear(); err != nil {
		return nil, err
	}
	to, err := d.aim(req.Target)
	if err != nil {
		return nil, err
	}
	if err := d.begin(); err != nil {
		return nil, err
	}
	var bad *unit
	for _, u := range d.units {
		if !u.gives() {
			continue
		}
		if !u.works() || d.available(u) == 0 {
			d.unitError(j, u, d.failure(u))
			bad = u
			continue
		}
		if _, err := d.sample(j, u, 1); err != nil {
			return nil, err
		}
	}
	if _, err := d.deliver(j, to); err != nil {
		return nil, err
	}
	if bad != nil {
		return nil, host.Fail(codeUnit, bad.Unit+" gave no note")
	}
	return nil, nil
}

// begin forgets the last dispense: its notes are none of a client's.
func (d *Device) begin() error {
	return d.change(func(_ *state, m *memory) error {
		m.Dispense = dispense{Values: map[string]int{}}
		m.Items = nil
		return nil
	})
}

// sample picks notes for a test and says how many came.
func (d *Device) sample(j job, u *unit, n int) (int, error) {
	short, err := d.pick(j, u, n)
	switch {
	case errors.Is(err, errPower):
		return 0, err
	case err != nil:
		return 0, fault(err.Error())
	case short > 0:
		d.unitError(j, u, storage.StorageErrorEventFailureEmpty)
	}
	return n - short, nil
}

// deliver moves the stacker's notes to where a test wants them; with the slot as
// target the shutter opens and they can be taken.
func (d *Device) deliver(j job, to target) (map[string]*cashmanagement.StorageCashIn, error) {
	if len(d.pile(vault.Stacker)) == 0 {
		return nil, nil
	}
	return d.away(j, to, cashacceptor.GetCashInStatusCompletionStatusUnknown)
}

func (d *Device) calibrate(j job, req *cashmanagement.CalibrateCashUnitCommand) (*cashmanagement.CalibrateCashUnitCompletion, error) {
	if err := d.clear(); err != nil {
		return nil, err
	}
	u := d.unit(req.Unit)
	if u == nil || !u.gives() || !u.works() {
		return nil, host.Fail(codeInvalid, fmt.Sprintf("%.40q gives no notes", req.Unit))
	}
	to, err := d.aim(req.Position)
	if err != nil {
		return nil, err
	}
	n := 1
	if req.NumOfBills != nil {
		n = min(*req.NumOfBills, d.o.Stacker)
	}
	if err := d.begin(); err != nil {
		return nil, err
	}
	got, err := d.sample(j, u, n)
	if err != nil {
		return nil, err
	}
	if _, err := d.deliver(j, to); err != nil {
		return nil, err
	}
	position := req.Position
	if position == nil {
		position = &cashmanagement.ItemTargetData{Target: cashmanagement.ItemTargetEnumReject}
	}
	out := &cashmanagement.CalibrateCashUnitCompletion{Result: &cashmanagement.CalibrateCashUnitCompletionResult{Unit: u.Unit, NumOfBills: &got, Position: position}}
	if got < n {
		return out, host.Fail(codeUnit, u.Unit+" gave fewer notes")
	}
	return out, nil
}

// count empties cassettes through the slot, bunch by bunch, and counts what comes.
func (d *Device) count(j job, req *cashdispenser.CountCommand) (*cashdispenser.CountCompletion, error) {
	if !position(req.Position) {
		return nil, host.Fail(cashdispenser.CountErrorCodeUnsupportedPosition, "there is one slot, at the front")
	}
	if err := d.clear(); err != nil {
		return nil, err
	}
	units, err := d.countable(j, req.Unit)
	if err != nil {
		return nil, err
	}
	out := &cashdispenser.CountCompletion{CountedCashUnits: map[string]*cashdispenser.CountCompletionCountedCashUnitsValue{}}
	for _, u := range units {
		expected := d.available(u)
		n, err := d.emptyOut(j, u)
		if n > 0 {
			out.CountedCashUnits[u.Unit] = &cashdispenser.CountCompletionCountedCashUnitsValue{Counted: &n, Dispensed: &n,
				ReplenishmentStatus: d.fill(u), Status: u.status()}
		}
		if err != nil {
			return out, err
		}
		if n != expected {
			j.event(&cashmanagement.NoteErrorEvent{Reason: cashmanagement.NoteErrorEventReasonIncorrectCount})
		}
	}
	return out, nil
}

func (d *Device) countable(j job, name string) ([]*unit, error) {
	var units []*unit
	for _, u := range d.units {
		if u.gives() && (name == "" || name == u.Unit) {
			if !u.works() {
				d.unitError(j, u, d.failure(u))
				return nil, host.Fail(cashdispenser.CountErrorCodeCashUnitError, u.Unit+" does not work")
			}
			units = append(units, u)
		}
	}
	if len(units) == 0 {
		return nil, host.Fail(cashdispenser.CountErrorCodeCashUnitError, fmt.Sprintf("%.40q gives no notes", name))
	}
	return units, nil
}

// emptyOut brings all notes of a cassette to the slot; each bunch waits until the
// one before is taken.
func (d *Device) emptyOut(j job, u *unit) (int, error) {
	sum := 0
	for d.contents(u).Notes[u.note] > 0 {
		if err := d.begin(); err != nil {
			return sum, err
		}
		n, err := d.sample(j, u, min(d.o.Stacker, d.contents(u).Notes[u.note]))
		if err != nil {
			return sum, err
		}
		sum += n
		if !d.open() {
			return sum, fault("the shutter does not open")
		}
		if err := d.hand(); err != nil {
			return sum, err
		}
		d.Show(d.status())
		if err := d.Await(j.ctx, func() bool { return len(d.pile(vault.Output)) == 0 || d.off }); err != nil {
			return sum, err
		}
		if d.off {
			return sum, errPower
		}
	}
	return sum, nil
}

func (d *Device) lockControl(j job, req *cashacceptor.DeviceLockControlCommand) (*cashacceptor.DeviceLockControlCompletion, error) {
	if d.keep.Exchange {
		return nil, host.Fail(codeExchange, "the cassettes are being exchanged")
	}
	if d.keep.CashIn.Active {
		return nil, host.Fail(codeCashIn, "a cash-in is open")
	}
	locks := map[string]bool{}
	for _, u := range d.units {
		switch req.CashUnitAction {
		case cashacceptor.DeviceLockControlCommandCashUnitActionLockAll:
			locks[u.Unit] = true
		case cashacceptor.DeviceLockControlCommandCashUnitActionUnlockAll:
			locks[u.Unit] = false
		}
	}
	if req.CashUnitAction == cashacceptor.DeviceLockControlCommandCashUnitActionLockIndividual {
		for _, c := range req.UnitLockControl {
			if d.unit(c.StorageUnit) == nil {
				return nil, host.Fail(codeInvalid, fmt.Sprintf("there is no %.40q", c.StorageUnit))
			}
			locks[c.StorageUnit] = c.UnitAction == cashacceptor.DeviceLockControlCommandUnitLockControlItemUnitActionLock
		}
	}
	for name, lock := range locks {
		if u := d.unit(name); lock && u.missing {
			d.unitError(j, u, storage.StorageErrorEventFailureInvalid)
			return nil, host.Fail(cashacceptor.DeviceLockControlErrorCodeDeviceLockFailure, name+" is not in its place")
		}
	}
	return nil, d.change(func(_ *state, m *memory) error {
		for name, lock := range locks {
			m.Locks[name] = lock
		}
		if req.DeviceAction == cashacceptor.DeviceLockControlCommandDeviceActionLock || req.DeviceAction == cashacceptor.DeviceLockControlCommandDeviceActionUnlock {
			m.DeviceLock = req.DeviceAction == cashacceptor.DeviceLockControlCommandDeviceActionLock
		}
		return nil
	})
}

func (d *Device) lockStatus(job, *cashacceptor.GetDeviceLockStatusCommand) (*cashacceptor.GetDeviceLockStatusCompletion, error) {
	out := &cashacceptor.GetDeviceLockStatusCompletion{DeviceLockStatus: cashacceptor.GetDeviceLockStatusCompletionDeviceLockStatusUnlock}
	if d.keep.DeviceLock {
		out.DeviceLockStatus = cashacceptor.GetDeviceLockStatusCompletionDeviceLockStatusLock
	}
	for _, u := range d.units {
		lock := cashacceptor.GetDeviceLockStatusCompletionUnitLockItem{StorageUnit: u.Unit, UnitLockStatus: cashacceptor.GetDeviceLockStatusCompletionUnitLockItemUnitLockStatusUnlock}
		if d.keep.Locks[u.Unit] {
			lock.UnitLockStatus = cashacceptor.GetDeviceLockStatusCompletionUnitLockItemUnitLockStatusLock
		}
		out.UnitLock = append(out.UnitLock, lock)
	}
	return out, nil
}
