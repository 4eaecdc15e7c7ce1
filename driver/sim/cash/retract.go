package cash

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/plomb-pos/plomb/driver/sim/cash/vault"
	"github.com/plomb-pos/plomb/driver/sim/chassis"
	"github.com/plomb-pos/plomb/xfs4iot/cashacceptor"
	"github.com/plomb-pos/plomb/xfs4iot/cashmanagement"
	"github.com/plomb-pos/plomb/xfs4iot/host"
	"github.com/plomb-pos/plomb/xfs4iot/storage"
)

// target is where notes that nobody took are to go.
type target struct {
	area  cashmanagement.RetractArea // or one of the following
	unit  string                     // a single cassette
	index *int                       // a retract area
	slot  bool                       // back into the slot
}

// inside are the places that a retract empties, in its order.
var inside = []vault.Place{vault.Output, vault.Input, vault.Stacker, vault.Transport}

func (d *Device) loose() int {
	n := 0
	for _, p := range inside {
		n += d.pile(p).Count()
	}
	return n
}

func (d *Device) retract(j job, req *cashmanagement.RetractCommand) (*cashmanagement.RetractCompletion, error) {
	where := req.Location
	if where == nil {
		where = &cashmanagement.RetractTarget{}
	}
	switch {
	case !position(where.OutputPosition):
		return nil, host.Fail(cashmanagement.RetractErrorCodeInvalidRetractPosition, "there is one slot, at the front")
	case d.keep.Exchange:
		return nil, host.Fail(cashmanagement.RetractErrorCodeExchangeActive, "the cassettes are being exchanged")
	case d.foreign:
		return nil, host.Fail(cashmanagement.RetractErrorCodeForeignItemsDetected, "something that is no note lies in the slot")
	case d.loose() == 0:
		return nil, host.Fail(cashmanagement.RetractErrorCodeNoItems, "there is nothing to retract")
	case d.jammed:
		return nil, fault("a note is stuck in the transport")
	}
	if d.grab {
		d.grab = false
		return nil, errors.Join(d.taken(d.pile(vault.Output)), host.Fail(cashmanagement.RetractErrorCodeItemsTaken, "the customer took the notes"))
	}
	if where.RetractArea == "" {
		where = &cashmanagement.RetractTarget{RetractArea: cashmanagement.RetractAreaRetract, Index: where.Index}
	}
	in, err := d.away(j, target{area: where.RetractArea, index: where.Index}, cashacceptor.GetCashInStatusCompletionStatusRetract)
	if err != nil {
		return nil, err
	}
	out := &cashmanagement.RetractCompletion{Storage: in}
	out.Transport, out.Stacker = counts(d.pile(vault.Transport)), counts(d.pile(vault.Stacker))
	return out, nil
}

func (d *Device) reset(j job, req *cashmanagement.ResetCommand) (*cashmanagement.ResetCompletion, error) {
	to, err := d.resetTarget(req.Position)
	switch {
	case err != nil:
		return nil, err
	case d.jammed:
		return nil, fault("a note is stuck in the transport: clear it by hand first")
	case d.foreign:
		return nil, host.Fail(cashmanagement.ResetErrorCodeForeignItemsDetected, "something that is no note lies in the slot")
	}
	d.prepared = false
	found := d.loose()
	in, err := d.away(j, to, cashacceptor.GetCashInStatusCompletionStatusReset)
	if err != nil {
		return nil, err
	}
	d.detected(found, to, in)
	if err := d.cancelCashIn(); err != nil {
		return nil, err
	}
	out := &cashmanagement.ResetCompletion{Storage: in}
	out.Transport, out.Stacker = counts(d.pile(vault.Transport)), counts(d.pile(vault.Stacker))
	return out, nil
}

// detected tells all clients where Reset found a home for notes.
func (d *Device) detected(found int, to target, in map[string]*cashmanagement.StorageCashIn) {
	if found == 0 {
		return
	}
	e := &cashmanagement.MediaDetectedEvent{Target: cashmanagement.ItemTargetEnum(to.area), Index: to.index}
	for _, name := range slices.Sorted(maps.Keys(in)) {
		e.Target, e.Unit = cashmanagement.ItemTargetEnumSingleUnit, name
		break
	}
	if to.slot {
		e.Target = cashmanagement.ItemTargetEnumOutDefault
	}
	d.Say(e)
}

// resetTarget reads where Reset is to move notes; by itself it uses the retract
// cassette, else the reject cassette.
func (d *Device) resetTarget(p *cashmanagement.ItemTargetData) (target, error) {
	if p == nil || p.Target == "" {
		area := cashmanagement.RetractAreaReject
		if d.ofKind(Retract) != nil {
			area = cashmanagement.RetractAreaRetract
		}
		return target{area: area}, nil
	}
	switch p.Target {
	case cashmanagement.ItemTargetEnumSingleUnit:
		if u := d.unit(p.Unit); u == nil || !u.works() {
			return target{}, host.Fail(cashmanagement.ResetErrorCodeInvalidCashUnit, fmt.Sprintf("%.40q takes no notes", p.Unit))
		}
		return target{unit: p.Unit, index: p.Index}, nil
	case cashmanagement.ItemTargetEnumOutDefault, cashmanagement.ItemTargetEnumOutFront:
		return target{slot: true}, nil
	case cashmanagement.ItemTargetEnumRetract, cashmanagement.ItemTargetEnumTransport, cashmanagement.ItemTargetEnumStacker,
		cashmanagement.ItemTargetEnumReject, cashmanagement.ItemTargetEnumItemCassette, cashmanagement.ItemTargetEnumCashIn:
		return target{area: cashmanagement.RetractArea(p.Target), index: p.Index}, nil
	}
	return target{}, host.Fail(cashmanagement.ResetErrorCodeUnsupportedPosition, "there is one slot, at the front")
}

// away moves all loose notes to a target and gives what came into each cassette.
// The codes that it fails with are those of Retract and Reset alike.
func (d *Device) away(j job, to target, why cashacceptor.GetCashInStatusCompletionStatus) (map[string]*cashmanagement.StorageCashIn, error) {
	if d.loose() == 0 {
		return nil, d.closeAfter()
	}
	if to.slot {
		return nil, d.toSlot()
	}
	place := map[cashmanagement.RetractArea]vault.Place{cashmanagement.RetractAreaStacker: vault.Stacker, cashmanagement.RetractAreaTransport: vault.Transport}[to.area]
	if to.unit == "" && place != "" {
		return nil, d.toPlace(place, why)
	}
	homes, area, err := d.homes(j, to)
	if err != nil {
		return nil, err
	}
	return d.toCassettes(homes, area, why)
}

// home is the cassette that a kind of note goes to.
type home func(vault.Note) *unit

// homes chooses the cassettes and checks that all notes fit.
func (d *Device) homes(j job, to target) (home, int, error) {
	var one *unit
	switch {
	case to.unit != "":
		one = d.unit(to.unit)
	case to.area == cashmanagement.RetractAreaRetract:
		one = d.ofKind(Retract)
	case to.area == cashmanagement.RetractAreaReject:
		one = d.ofKind(Reject)
	case to.area == cashmanagement.RetractAreaCashIn:
		one = d.ofKind(In)
	case to.area == cashmanagement.RetractAreaItemCassette:
		return d.back, 0, nil
	}
	if one == nil {
		d.unitError(j, d.anyOf(Kind(to.area)), storage.StorageErrorEventFailureInvalid)
		return nil, 0, host.Fail(cashmanagement.RetractErrorCodeCashUnitError, "no cassette takes these notes")
	}
	area := 0
	if one.Kind == Retract {
		var err error
		if area, err = d.area(j, one, to.index); err != nil {
			return nil, 0, err
		}
	} else if to.index != nil {
		return nil, 0, host.Fail(cashmanagement.RetractErrorCodeNotRetractArea, one.Unit+" has no retract areas")
	}
	if d.loose() > d.space(one) {
		d.unitError(j, one, storage.StorageErrorEventFailureFull)
		return nil, 0, host.Fail(cashmanagement.RetractErrorCodeCashUnitError, one.Unit+" is full")
	}
	return func(vault.Note) *unit { return one }, area, nil
}

// area is the retract area that takes the notes: the one asked for, or the first
// that is free.
func (d *Device) area(j job, u *unit, index *int) (int, error) {
	if index == nil {
		free := d.freeArea(u)
		if free == 0 {
			d.unitError(j, u, storage.StorageErrorEventFailureFull)
			j.event(&cashmanagement.IncompleteRetractEvent{Reason: cashmanagement.IncompleteRetractEventReasonRetractAreaFull})
			return 0, host.Fail(cashmanagement.RetractErrorCodeCashUnitError, "all retract areas are in use")
		}
		return free, nil
	}
	switch {
	case *index < 1 || *index > d.areas(u):
		return 0, host.Fail(cashmanagement.RetractErrorCodeInvalidRetractPosition, fmt.Sprintf("there are %d retract areas", d.areas(u)))
	case len(d.contents(u).Areas[*index]) > 0:
		return 0, host.Fail(cashmanagement.RetractErrorCodePositionNotEmpty, "that retract area is in use")
	}
	return *index, nil
}

// back is the cassette that recycles a note, or the one for all others.
func (d *Device) back(n vault.Note) *unit {
	if n.Level() == vault.Fit {
		for _, u := range d.units {
			if u.Kind == Recycle && u.note == n && u.works() && d.space(u) > 0 {
				return u
			}
		}
	}
	for _, k := range []Kind{In, Reject, Retract} {
		if u := d.ofKind(k); u != nil && d.space(u) > 0 && (n.Level() != vault.Unrecognized || k != In) {
			return u
		}
	}
	return nil
}

func (d *Device) toCassettes(home home, area int, why cashacceptor.GetCashInStatusCompletionStatus) (map[string]*cashmanagement.StorageCashIn, error) {
	got := map[string]vault.Notes{}
	err := d.change(func(s *state, m *memory) error {
		m.retracted(s, d, why)
		m.move(func(n vault.Note) string {
			if u := home(n); u != nil {
				return u.Unit
			}
			return "unknown"
		})
		for _, place := range inside {
			if err := d.sendHome(s, place, home, area, got); err != nil {
				return err
			}
		}
		for _, name := range slices.Sorted(maps.Keys(got)) {
			s.CountRetract(name)
		}
		return nil
	})
	if errors.Is(err, errNoHome) {
		return nil, host.Fail(cashmanagement.RetractErrorCodeCashUnitError, err.Error())
	}
	if err != nil {
		return nil, fault(err.Error())
	}
	out := map[string]*cashmanagement.StorageCashIn{}
	for name, n := range got {
		out[name] = &cashmanagement.StorageCashIn{RetractOperations: new(1), Retracted: counts(n)}
		if d.unit(name).Kind == Reject {
			out[name] = &cashmanagement.StorageCashIn{RetractOperations: new(1), Rejected: counts(n)}
		}
	}
	return out, d.closeAfter()
}

// errNoHome says that no cassette takes a note.
var errNoHome = errors.New("no cassette takes these notes")

func (d *Device) sendHome(s *state, place vault.Place, home home, area int, got map[string]vault.Notes) error {
	for _, id := range slices.Sorted(maps.Keys(s.Piles[place])) {
		for _, kind := range s.Piles[place][id].Kinds() {
			u := home(kind)
			if u == nil {
				return errNoHome
			}
			why := vault.Retracted
			if u.Kind == Reject {
				why = vault.Rejected
			}
			n := vault.Notes{kind: s.Piles[place][id][kind]}
			if err := s.Stow(place, id, n, u.Unit, why, area); err != nil {
				return err
			}
			if got[u.Unit] == nil {
				got[u.Unit] = vault.Notes{}
			}
			got[u.Unit].Add(n)
		}
	}
	return nil
}

// retracted notes in the memory what is taken back from the slot.
func (m *memory) retracted(s *state, d *Device, why cashacceptor.GetCashInStatusCompletionStatus) {
	if slot := s.Piles[vault.Output]; len(slot) > 0 && m.Dispense.Present == "presented" {
		m.Dispense.Retracted = d.valueOf(slot.All())
	}
	if m.CashIn.Active {
		m.CashIn.Active, m.CashIn.Status = false, why
	}
}

// valueOf sums notes by currency; those without a type are worth nothing.
func (d *Device) valueOf(n vault.Notes) map[string]int64 {
	out := map[string]int64{}
	for kind, c := range n {
		if t, ok := d.noteType(kind.Type()); ok {
			out[t.currency] += t.minor * int64(c)
		}
	}
	return out
}

func (d *Device) toPlace(place vault.Place, why cashacceptor.GetCashInStatusCompletionStatus) error {
	err := d.change(func(s *state, m *memory) error {
		m.retracted(s, d, why)
		for _, from := range inside {
			if from != place {
				if err := s.Shift(from, place); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return fault(err.Error())
	}
	return d.closeAfter()
}

func (d *Device) toSlot() error {
	if !d.open() {
		return fault("the shutter does not open")
	}
	err := d.change(func(s *state, _ *memory) error {
		for _, from := range []vault.Place{vault.Input, vault.Stacker, vault.Transport} {
			if err := s.Shift(from, vault.Output); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fault(err.Error())
	}
	d.Say(&cashmanagement.ItemsPresentedEvent{Position: cashmanagement.PositionOutDefault, AdditionalBunches: "0"})
	return nil
}

// closeAfter closes the shutter when the slot is empty.
func (d *Device) closeAfter() error {
	if len(d.pile(vault.Output)) > 0 || len(d.pile(vault.Input)) > 0 || d.o.ExplicitShutter && d.shutter == shutterOpen {
		return nil
	}
	if d.shutter == shutterOpen && !d.shut() {
		return host.Fail(cashmanagement.RetractErrorCodeShutterNotClosed, "the shutter does not close")
	}
	return nil
}

// taken is the customer taking notes from the slot.
func (d *Device) taken(n vault.Notes) error {
	if len(n) == 0 {
		return chassis.ErrNothing
	}
	if err := d.change(func(s *state, m *memory) error { m.move(at("customer")); return s.Take(vault.Output, n) }); err != nil {
		return err
	}
	if len(d.pile(vault.Output)) == 0 {
		d.Say(&cashmanagement.ItemsTakenEvent{Position: cashmanagement.PositionOutDefault, AdditionalBunches: "0"})
		if !d.o.ExplicitShutter && len(d.pile(vault.Input)) == 0 {
			d.shut()
		}
	}
	return nil
}

// cancelCashIn ends a cash-in that Reset found open without notes.
func (d *Device) cancelCashIn() error {
	if !d.keep.CashIn.Active {
		return nil
	}
	return d.change(func(_ *state, m *memory) error {
		m.CashIn.Active, m.CashIn.Status = false, cashacceptor.GetCashInStatusCompletionStatusReset
		return nil
	})
}
