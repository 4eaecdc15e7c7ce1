package cash

import (
	"fmt"

	"github.com/go-json-experiment/json"

	"github.com/plomb-pos/plomb/driver/sim/cash/vault"
	"github.com/plomb-pos/plomb/xfs4iot"
	"github.com/plomb-pos/plomb/xfs4iot/cashmanagement"
	"github.com/plomb-pos/plomb/xfs4iot/storage"
)

// contents is what is really in a cassette, counted what its counters say.
func (d *Device) contents(u *unit) *vault.Unit { return d.vault.State().Units[u.Unit] }

// available is how many notes clients may expect from a cassette.
func (d *Device) available(u *unit) int {
	if u.found || d.keep.Units[u.Unit].LockOut {
		return 0
	}
	return max(0, d.contents(u).Counted()[u.note])
}

// space is how many notes still fit in.
func (d *Device) space(u *unit) int {
	if d.keep.Units[u.Unit].LockIn {
		return 0
	}
	return max(0, u.Capacity-d.contents(u).Notes.Count())
}

// fill is how full a cassette is as far as its counters know.
func (d *Device) fill(u *unit) cashmanagement.ReplenishmentStatus {
	n, set := d.contents(u).Counted().Count(), d.keep.Units[u.Unit]
	high, low := u.High, u.Low
	if set.High != nil {
		high = *set.High
	}
	if set.Low != nil {
		low = *set.Low
	}
	switch {
	case n >= u.Capacity || u.Kind == Retract && d.freeArea(u) == 0:
		return cashmanagement.ReplenishmentStatusFull
	case n <= 0 || u.found:
		return cashmanagement.ReplenishmentStatusEmpty
	case n >= high:
		return cashmanagement.ReplenishmentStatusHigh
	case u.gives() && n <= low:
		return cashmanagement.ReplenishmentStatusLow
	}
	return cashmanagement.ReplenishmentStatusOk
}

// areas is how many retract operations a cassette may hold.
func (d *Device) areas(u *unit) int {
	if n := d.keep.Units[u.Unit].Retracts; n != nil {
		return min(*n, u.Areas)
	}
	return u.Areas
}

// freeArea is the first retract area without notes, 0 when there is none.
func (d *Device) freeArea(u *unit) int {
	for i := 1; i <= d.areas(u); i++ {
		if len(d.contents(u).Areas[i]) == 0 {
			return i
		}
	}
	return 0
}

func (u *unit) status() storage.Status {
	switch {
	case u.missing || u.undetected:
		return storage.StatusMissing
	case u.broken:
		return storage.StatusInoperative
	case u.manipulated:
		return storage.StatusManipulated
	}
	return storage.StatusOk
}

// all describes the cassettes; one that is not detected is nil, and so is the
// whole when none is.
func (d *Device) all() map[string]*storage.StorageUnit {
	out, some := map[string]*storage.StorageUnit{}, false
	for _, u := range d.units {
		out[u.Unit] = nil
		if !u.undetected {
			out[u.Unit], some = d.describe(u), true
		}
	}
	if !some {
		return nil
	}
	return out
}

// only describes some cassettes, for events; those not detected are left out.
func (d *Device) only(units ...*unit) map[string]*storage.StorageUnit {
	out := map[string]*storage.StorageUnit{}
	for _, u := range units {
		if u != nil && !u.undetected {
			out[u.Unit] = d.describe(u)
		}
	}
	return out
}

func (d *Device) describe(u *unit) *storage.StorageUnit {
	c := d.contents(u)
	set := d.keep.Units[u.Unit]
	cash := &cashmanagement.StorageCash{
		Capabilities: &cashmanagement.StorageCashCapabilities{Types: u.types(), Items: u.items(), HardwareSensors: no(), CashItems: d.cashItems(u)},
		Configuration: &cashmanagement.StorageCashConfiguration{
			Types: u.types(), Items: u.items(), Currency: u.Currency, HighThreshold: &u.High,
			AppLockIn: &set.LockIn, AppLockOut: &set.LockOut, CashItems: d.cashItems(u), Name: set.Name,
		},
		Status: &cashmanagement.StorageCashStatus{
			Index: &u.index, Initial: counts(c.Initial), In: cashIn1(c.In), Out: cashOut(c.Out),
			Accuracy: d.accuracy(u), ReplenishmentStatus: d.fill(u),
		},
	}
	if set.High != nil {
		cash.Configuration.HighThreshold = set.High
	}
	if u.gives() {
		cash.Configuration.Value, cash.Configuration.LowThreshold = decimal(u.minor, u.Currency), &u.Low
		if set.Low != nil {
			cash.Configuration.LowThreshold = set.Low
		}
	}
	if u.Kind == Retract {
		cash.Capabilities.RetractAreas, cash.Capabilities.RetractThresholds = &u.Areas, no()
		cash.Configuration.MaxRetracts = new(d.areas(u))
	}
	return &storage.StorageUnit{ID: u.ID, PositionName: fmt.Sprintf("bay %d", u.index), Capacity: &u.Capacity, Status: u.status(),
		SerialNumber: fmt.Sprintf("SIM%05d", u.index), Cash: cash, BanknoteNeutralization: d.protectionOf(u)}
}

func (u *unit) types() *cashmanagement.StorageCashTypes {
	return &cashmanagement.StorageCashTypes{
		CashIn: new(u.Kind == Recycle || u.Kind == In), CashOut: new(u.gives()), Replenishment: no(),
		CashInRetract: new(u.Kind == Retract), CashOutRetract: new(u.Kind == Retract), Reject: new(u.Kind == Reject),
	}
}

func (u *unit) items() *cashmanagement.StorageCashItemTypes {
	any := !u.gives()
	return &cashmanagement.StorageCashItemTypes{Fit: yes(), Unfit: &any, Unrecognized: new(u.Kind == Reject || u.Kind == Retract),
		Counterfeit: &any, Suspect: &any, Inked: &any, Coupon: no(), Document: no()}
}

func (d *Device) cashItems(u *unit) []string {
	if u.gives() {
		return []string{u.note.Type()}
	}
	var names []string
	for _, t := range d.types {
		names = append(names, t.name)
	}
	return names
}

// accuracy is what the counters are worth.
func (d *Device) accuracy(u *unit) cashmanagement.StorageCashStatusAccuracy {
	switch a := d.keep.Units[u.Unit].Accurate; {
	case a == nil:
		return cashmanagement.StorageCashStatusAccuracyAccurate
	case *a:
		return cashmanagement.StorageCashStatusAccuracyAccurateSet
	}
	return cashmanagement.StorageCashStatusAccuracyInaccurate
}

// counts writes notes by type and level; nil for none.
func counts(n vault.Notes) *cashmanagement.StorageCashCounts {
	if len(n) == 0 {
		return nil
	}
	out := &cashmanagement.StorageCashCounts{Extra: map[string]*cashmanagement.StorageCashCount{}}
	for kind, c := range n {
		if kind.Level() == vault.Unrecognized {
			out.Unrecognized = new(c)
			continue
		}
		if out.Extra[kind.Type()] == nil {
			out.Extra[kind.Type()] = &cashmanagement.StorageCashCount{}
		}
		*field(out.Extra[kind.Type()], kind.Level()) = new(max(0, c))
	}
	return out
}

func field(c *cashmanagement.StorageCashCount, l vault.Level) **int {
	switch l {
	case vault.Unfit:
		return &c.Unfit
	case vault.Suspect:
		return &c.Suspect
	case vault.Counterfeit:
		return &c.Counterfeit
	case vault.Inked:
		return &c.Inked
	}
	return &c.Fit
}

func cashIn1(i vault.In) *cashmanagement.StorageCashIn {
	return &cashmanagement.StorageCashIn{RetractOperations: &i.Retracts, Deposited: counts(i.Deposited), Retracted: counts(i.Retracted),
		Rejected: counts(i.Rejected), Distributed: counts(i.Distributed), Transport: counts(i.Way)}
}

func cashOut(o vault.Out) *cashmanagement.StorageCashOut {
	return &cashmanagement.StorageCashOut{Presented: counts(o.Presented), Rejected: counts(o.Rejected), Distributed: counts(o.Distributed),
		Unknown: counts(o.Unknown), Stacked: counts(o.Stacked), Diverted: counts(o.Diverted), Transport: counts(o.Way)}
}

// present is what clients would hear of a cassette now.
func (d *Device) present(u *unit) told {
	text, _ := json.Marshal(d.contents(u), json.Deterministic(true)) // plain maps: cannot fail
	return told{d.fill(u), u.status(), string(text)}
}

// tellUnits tells clients which cassettes have other counts, another fill or
// another status than they have heard of.
func (d *Device) tellUnits() {
	var counts, fills, states []*unit
	for _, u := range d.units {
		was, is := d.told[u.Unit], d.present(u)
		if was.counts != is.counts {
			counts = append(counts, u)
		}
		if was.fill != is.fill {
			fills = append(fills, u)
		}
		if was.status != is.status {
			states = append(states, u)
		}
		d.told[u.Unit] = is
	}
	d.sayUnits(counts, func(m map[string]*storage.StorageUnit) xfs4iot.Event { return &storage.CountsChangedEvent{Extra: m} })
	d.sayUnits(fills, func(m map[string]*storage.StorageUnit) xfs4iot.Event { return &storage.StorageThresholdEvent{Extra: m} })
	d.sayUnits(states, func(m map[string]*storage.StorageUnit) xfs4iot.Event { return &storage.StorageChangedEvent{Extra: m} })
}

func (d *Device) sayUnits(units []*unit, make func(map[string]*storage.StorageUnit) xfs4iot.Event) {
	if m := d.only(units...); len(m) > 0 {
		d.Say(make(m))
	}
}

// unitError tells the command's client that a cassette is the reason.
func (d *Device) unitError(j job, u *unit, failure storage.StorageErrorEventFailure) {
	if m := d.only(u); len(m) > 0 {
		j.event(&storage.StorageErrorEvent{Failure: failure, Unit: m})
	}
}
