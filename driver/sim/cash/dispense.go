package cash

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/plomb-pos/plomb/driver/sim/cash/vault"
	"github.com/plomb-pos/plomb/driver/sim/chassis"
	"github.com/plomb-pos/plomb/xfs4iot/cashdispenser"
	"github.com/plomb-pos/plomb/xfs4iot/cashmanagement"
	"github.com/plomb-pos/plomb/xfs4iot/cashmix"
	"github.com/plomb-pos/plomb/xfs4iot/host"
	"github.com/plomb-pos/plomb/xfs4iot/storage"
	"github.com/plomb-pos/plomb/xfs4iot/token"
)

type state = vault.State

// Faults of moving notes. Arm arms them.
const (
	FaultJam     = "jam"          // a note sticks in the transport
	FaultShort   = "short-pick"   // a cassette gives no more notes though it counts some
	FaultDouble  = "double-pick"  // two notes at once: both go to the reject cassette
	FaultPower   = "power"        // power is lost after a note was picked
	FaultPresent = "power-before" // power is lost between pick and present
	FaultShutter = "shutter"      // the shutter does not open
	FaultRefuse  = "refuse"       // the reader refuses a good note
)

func (d *Device) handleDispenser(s *host.Service) {
	serve(d, s, cashdispenser.Denominate, d.doDenominate)
	serve(d, s, cashdispenser.Dispense, d.dispense)
	serve(d, s, cashdispenser.Present, d.doPresent)
	serve(d, s, cashdispenser.Reject, d.reject)
	serve(d, s, cashdispenser.GetPresentStatus, d.presentStatus)
	serve(d, s, cashdispenser.GetMixTypes, d.getMixTypes)
	serve(d, s, cashdispenser.GetMixTable, d.getMixTable)
	serve(d, s, cashdispenser.SetMixTable, d.setMixTable)
	serve(d, s, cashdispenser.PrepareDispense, d.prepareDispense)
	serve(d, s, cashdispenser.Count, d.count)
	serve(d, s, cashdispenser.TestCashUnits, d.testCashUnits)
}

func (d *Device) doDenominate(j job, req *cashdispenser.DenominateCommand) (*cashdispenser.DenominateCompletion, error) {
	p, err := d.denominate(j, req.Request)
	if err != nil {
		return nil, err
	}
	return &cashdispenser.DenominateCompletion{Result: d.denomination(p.mix)}, nil
}

func (d *Device) prepareDispense(_ job, req *cashdispenser.PrepareDispenseCommand) (*cashdispenser.PrepareDispenseCompletion, error) {
	if d.keep.Exchange {
		return nil, host.Fail(cashdispenser.PrepareDispenseErrorCodeExchangeActive, "the cassettes are being exchanged")
	}
	if req.Action == "" {
		return nil, chassis.Invalid("action is missing")
	}
	d.prepared = req.Action == cashdispenser.PrepareDispenseCommandActionStart
	return nil, nil
}

// clear says why no notes can be picked now.
func (d *Device) clear() error {
	switch {
	case d.keep.Exchange:
		return host.Fail(cashdispenser.DispenseErrorCodeExchangeActive, "the cassettes are being exchanged")
	case d.door:
		return host.Fail(cashdispenser.DispenseErrorCodeSafeDoorOpen, "the safe's door is open")
	case d.jammed:
		return fault("a note is stuck in the transport")
	case d.keep.CashIn.Active:
		return chassis.Sequence("a cash-in is open")
	case len(d.pile(vault.Stacker)) > 0 || len(d.pile(vault.Transport)) > 0 || len(d.pile(vault.Output)) > 0 || len(d.pile(vault.Input)) > 0 || d.foreign:
		return host.Fail(cashdispenser.DispenseErrorCodeItemsLeft, "notes lie on the stacker, in the transport or in the slot")
	case d.shutter == shutterOpen:
		return host.Fail(cashdispenser.DispenseErrorCodeShutterOpen, "the shutter is open")
	}
	return nil
}

func (d *Device) dispense(j job, req *cashdispenser.DispenseCommand) (*cashdispenser.DispenseCompletion, error) {
	if !position(req.Position) {
		return nil, host.Fail(cashdispenser.DispenseErrorCodeUnsupportedPosition, "there is one slot, at the front")
	}
	if err := d.clear(); err != nil {
		return nil, err
	}
	p, err := d.denominate(j, req.Denomination)
	if err != nil {
		return nil, err
	}
	if err := d.wait(j); err != nil {
		return nil, err
	}
	grant, err := d.authorised(req.Token, d.worth(p.mix))
	if err != nil {
		return nil, err
	}
	return d.execute(j, req, p, grant)
}

// execute dispenses what was planned and authorised. Whatever comes of it, the
// token pays for what reached the stacker, no more and no less.
func (d *Device) execute(j job, req *cashdispenser.DispenseCommand, p plan, grant *token.Grant) (*cashdispenser.DispenseCompletion, error) {
	id := ""
	if grant != nil {
		id = grant.ID
	}
	if err := d.change(func(_ *state, m *memory) error {
		m.Items = nil
		m.Dispense = dispense{Values: map[string]int{}, Present: cashdispenser.GetPresentStatusCompletionPresentStateNotPresented,
			Token: id, Teller: teller0(req.Denomination.TellerID)}
		return nil
	}); err != nil {
		return nil, fault(err.Error())
	}
	err := d.pickAll(j, p)
	if grant != nil {
		grant.Settle(d.worth(d.keep.Dispense.Values))
	}
	if err != nil {
		return d.incomplete(j, err)
	}
	d.infoAvailable(j)
	if d.faults.Strike(FaultPresent) {
		return nil, errPower
	}
	return &cashdispenser.DispenseCompletion{Denomination: d.denomination(d.keep.Dispense.Values), Bunches: "1", Storage: d.moved()}, nil
}

func teller0(id *int) int {
	if id == nil {
		return 0
	}
	return *id
}

// wait is the time lock: the client is told of the delay, and of its end.
func (d *Device) wait(j job) error {
	if !d.timeLock {
		return nil
	}
	j.event(&cashdispenser.DelayedDispenseEvent{Delay: "0"})
	if err := d.Await(j.ctx, func() bool { return !d.timeLock || d.off }); err != nil {
		return err
	}
	if d.off {
		return errPower
	}
	j.event(&cashdispenser.StartDispenseEvent{})
	return nil
}

// moved is what the last dispense took from the cassettes to the stacker.
func (d *Device) moved() *cashmanagement.StorageInOut {
	out := &cashmanagement.StorageInOut{Out: map[string]*cashmanagement.StorageCashOut{}}
	for name, n := range d.keep.Dispense.Values {
		out.Out[name] = &cashmanagement.StorageCashOut{Stacked: counts(vault.Notes{d.unit(name).note: n})}
	}
	return out
}

// pickAll brings a plan's notes to the stacker. Where a cassette has fewer notes
// than it counts, the rest is looked for in the others.
func (d *Device) pickAll(j job, p plan) error {
	todo := maps.Clone(p.mix)
	for len(todo) > 0 {
		name := slices.Min(slices.Collect(maps.Keys(todo)))
		u, n := d.unit(name), todo[name]
		delete(todo, name)
		short, err := d.pick(j, u, n)
		if err != nil {
			return err
		}
		if short == 0 {
			continue
		}
		d.unitError(j, u, storage.StorageErrorEventFailureEmpty)
		if todo, err = d.instead(j, p, todo, map[string]int64{u.Currency: int64(short) * u.minor}); err != nil {
			return err
		}
	}
	return nil
}

// errShort ends a dispense for which the cassettes have not enough notes after all.
var errShort = errors.New("the cassettes have fewer notes than they count")

// instead finds other notes for those that a cassette lacks.
func (d *Device) instead(j job, p plan, todo cashmix.Mix, lacking map[string]int64) (cashmix.Mix, error) {
	if p.service == nil {
		return nil, errShort // the client wants these notes or none
	}
	amounts := d.worth(todo)
	for currency, n := range lacking {
		amounts[currency] += n
	}
	r := cashmix.Request{Units: d.sources(), Amounts: amounts, MaxItems: d.o.Stacker - d.pile(vault.Stacker).Count()}
	if r.MaxItems < 1 {
		return nil, errShort
	}
	mix, err := r.Solve(j.ctx, cashmix.MinimumItems)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errShort, err)
	}
	return mix, nil
}

// pick brings n notes from a cassette to the stacker and says how many it lacks.
// Power may be lost, a note may jam or come double, after any note.
func (d *Device) pick(j job, u *unit, n int) (short int, err error) {
	ready, done := 0, 0
	stack := func() error {
		if ready == 0 {
			return nil
		}
		n := ready
		ready, done = 0, done+n
		return d.change(func(s *state, m *memory) error {
			m.Dispense.Values[u.Unit] += n
			m.see(vault.Notes{u.note: n}, string(vault.Stacker), nil)
			return s.Pick(u.Unit, vault.Notes{u.note: n})
		})
	}
	for range n {
		if d.contents(u).Notes[u.note]-ready <= 0 || d.faults.Strike(FaultShort) {
			u.found = true
			return n - done - ready, errors.Join(stack(), d.inaccurate(u))
		}
		if d.faults.Strike(FaultDouble) {
			if err := errors.Join(stack(), d.double(j, u)); err != nil {
				return 0, err
			}
		}
		if d.faults.Strike(FaultJam) {
			return 0, errors.Join(stack(), d.jam(u))
		}
		ready++
		if d.faults.Strike(FaultPower) {
			return 0, errors.Join(stack(), errPower)
		}
	}
	return 0, stack()
}

func (d *Device) inaccurate(u *unit) error {
	return d.change(func(_ *state, m *memory) error {
		set := m.Units[u.Unit]
		set.Accurate = new(false)
		m.Units[u.Unit] = set
		return nil
	})
}

// double sends two notes that came at once to the reject cassette.
func (d *Device) double(j job, u *unit) error {
	j.event(&cashmanagement.NoteErrorEvent{Reason: cashmanagement.NoteErrorEventReasonDoubleNote})
	bad := vault.Notes{u.note: 2}
	reject := d.ofKind(Reject)
	if reject == nil || d.space(reject) < 2 || d.contents(u).Notes[u.note] < 2 {
		return d.jam(u)
	}
	return d.change(func(s *state, _ *memory) error { return s.PickBad(u.Unit, bad, reject.Unit) })
}

// errJam ends a command whose note got stuck.
var errJam = errors.New("a note is stuck in the transport")

func (d *Device) jam(u *unit) error {
	d.jammed = true
	err := d.change(func(s *state, _ *memory) error { return s.Jam(u.Unit, vault.Notes{u.note: 1}) })
	return errors.Join(err, errJam)
}

// incomplete ends a dispense that did not bring all notes. What came is moved to
// the reject cassette, so that the client can begin again; where that cannot be
// done, the notes stay on the stacker and the client is told which.
func (d *Device) incomplete(j job, why error) (*cashdispenser.DispenseCompletion, error) {
	switch {
	case errors.Is(why, errPower):
		return nil, errPower
	case d.vault.Failed() != nil:
		return nil, fault(why.Error())
	}
	stacked := d.pile(vault.Stacker).Count()
	if reject := d.ofKind(Reject); stacked > 0 && !d.jammed && reject != nil && d.space(reject) >= stacked {
		if err := d.stow(vault.Stacker, reject, vault.Rejected, 0); err != nil {
			return nil, fault(err.Error())
		}
		if err := d.change(func(_ *state, m *memory) error { m.Dispense.Values = nil; return nil }); err != nil {
			return nil, fault(err.Error())
		}
	}
	resp := &cashdispenser.DispenseCompletion{Denomination: d.denomination(d.keep.Dispense.Values)}
	if n := resp.Denomination; n != nil {
		j.event(&cashdispenser.IncompleteDispenseEvent{Currencies: n.Currencies, Values: n.Values})
	}
	if errors.Is(why, errJam) {
		return resp, fault(why.Error())
	}
	if j.ctx.Err() != nil {
		return resp, j.ctx.Err()
	}
	return resp, host.Fail(cashdispenser.DispenseErrorCodeCashUnitError, why.Error())
}

// stow moves all notes of a place into a cassette.
func (d *Device) stow(from vault.Place, to *unit, why vault.Why, area int) error {
	return d.change(func(s *state, _ *memory) error { return stowAll(s, from, to.Unit, why, area) })
}

func stowAll(s *state, from vault.Place, to string, why vault.Why, area int) error {
	for _, id := range slices.Sorted(maps.Keys(s.Piles[from])) {
		if err := s.Stow(from, id, s.Piles[from][id], to, why, area); err != nil {
			return err
		}
	}
	return nil
}

func (d *Device) reject(j job, _ *cashdispenser.RejectCommand) (*cashdispenser.RejectCompletion, error) {
	reject := d.ofKind(Reject)
	stacked := d.pile(vault.Stacker)
	switch {
	case d.keep.Exchange:
		return nil, host.Fail(cashdispenser.RejectErrorCodeExchangeActive, "the cassettes are being exchanged")
	case d.keep.CashIn.Active:
		return nil, chassis.Sequence("a cash-in is open")
	case len(stacked) == 0:
		return nil, host.Fail(cashdispenser.RejectErrorCodeNoItems, "there are no notes on the stacker")
	case d.jammed:
		return nil, fault("a note is stuck in the transport")
	case reject == nil || d.space(reject) < stacked.Count():
		d.unitError(j, d.anyOf(Reject), storage.StorageErrorEventFailureFull)
		return nil, host.Fail(cashdispenser.RejectErrorCodeCashUnitError, "the reject cassette takes no notes")
	}
	if err := d.stow(vault.Stacker, reject, vault.Rejected, 0); err != nil {
		return nil, fault(err.Error())
	}
	return nil, nil
}

// anyOf is the first cassette of a kind, also one that does not work; nil when
// there is none.
func (d *Device) anyOf(k Kind) *unit {
	for _, u := range d.units {
		if u.Kind == k {
			return u
		}
	}
	return nil
}
