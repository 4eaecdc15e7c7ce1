package bin

import (
	"context"
	"sync"

	"github.com/plomb-pos/plomb/xfs4iot"
	"github.com/plomb-pos/plomb/xfs4iot/cardreader"
	"github.com/plomb-pos/plomb/xfs4iot/deposit"
	"github.com/plomb-pos/plomb/xfs4iot/host"
	"github.com/plomb-pos/plomb/xfs4iot/printer"
	"github.com/plomb-pos/plomb/xfs4iot/storage"
)

// Events lists the unsolicited events of the interface Storage, for the
// declaration of a device.
func Events() []xfs4iot.Event {
	return []xfs4iot.Event{&storage.CountsChangedEvent{}, &storage.StorageChangedEvent{}, &storage.StorageThresholdEvent{}}
}

func (u *unit) status() storage.Status {
	switch {
	case u.missing:
		return storage.StatusMissing
	case u.broken:
		return storage.StatusInoperative
	case u.manipulated:
		return storage.StatusManipulated
	}
	return storage.StatusOk
}

// Fill is how full a unit is.
type Fill string

// The fills.
const (
	FillOK    Fill = "ok"
	FillHigh  Fill = "high"
	FillFull  Fill = "full"
	FillEmpty Fill = "empty"
)

func (u *unit) fill() Fill {
	n, high := u.counts.total(), u.high()
	switch {
	case u.Capacity > 0 && n >= u.Capacity:
		return FillFull
	case high > 0 && n >= high || u.counts.RetractsHigh > 0 && u.counts.InitialRetracts+u.counts.Retracts >= u.counts.RetractsHigh:
		return FillHigh
	case n == 0:
		return FillEmpty
	}
	return FillOK
}

func (u *unit) high() int {
	switch {
	case u.counts.HighAt > 0:
		return u.counts.HighAt
	case u.High > 0:
		return u.High
	}
	return u.Capacity * 9 / 10
}

// Fill is how full a unit is; "" for unknown names.
func (r *Rack) Fill(name string) Fill {
	if u := r.unit(name); u != nil {
		return u.fill()
	}
	return ""
}

// Index is the number of a unit, from 1; 0 for unknown names.
func (r *Rack) Index(name string) int {
	if u := r.unit(name); u != nil {
		return u.index
	}
	return 0
}

// Count is what lies in a unit.
func (r *Rack) Count(name string) int {
	if u := r.unit(name); u != nil {
		return u.counts.total()
	}
	return 0
}

// Storage describes the units as Storage.GetStorage does: nil for one that is not
// detected, and nil altogether when none is.
func (r *Rack) Storage() map[string]*storage.StorageUnit {
	out, found := map[string]*storage.StorageUnit{}, false
	for _, u := range r.units {
		out[u.Unit] = nil
		if !u.undetected {
			out[u.Unit], found = u.describe(), true
		}
	}
	if !found {
		return nil
	}
	return out
}

// Of describes one unit, for events and completions.
func (r *Rack) Of(name string) map[string]*storage.StorageUnit {
	u := r.unit(name)
	if u == nil || u.undetected {
		return map[string]*storage.StorageUnit{name: nil}
	}
	return map[string]*storage.StorageUnit{name: u.describe()}
}

func (u *unit) describe() *storage.StorageUnit {
	out := &storage.StorageUnit{ID: u.ID, PositionName: u.Position, Status: u.status()}
	if u.Capacity > 0 {
		out.Capacity = new(u.Capacity)
	}
	switch u.Kind {
	case Card:
		out.Card = u.card()
	case Check:
		out.Check = u.check()
	case Deposit:
		out.Deposit = u.deposit()
	case Printer:
		out.Printer = u.printer()
	}
	return out
}

func (u *unit) card() *cardreader.Storage {
	c := u.counts
	return &cardreader.Storage{
		Capabilities:  &cardreader.StorageCapabilities{Type: cardreader.StorageCapabilitiesTypeRetain, HardwareSensors: new(true)},
		Configuration: &cardreader.StorageConfiguration{CardID: c.BinID, Threshold: new(u.high())},
		Status: &cardreader.StorageStatus{InitialCount: new(c.InitialCount), Count: new(c.total()), RetainCount: new(c.Retracts),
			ReplenishmentStatus: cardreader.StorageStatusReplenishmentStatus(u.fill())},
	}
}

func (u *unit) check() *storage.CheckStorage {
	types := &storage.CheckStorageTypes{MediaIn: new(u.MediaIn), Retract: new(u.Retract)}
	c := u.counts
	return &storage.CheckStorage{
		Capabilities:  &storage.CheckStorageCapabilities{Types: types, Sensors: &storage.CheckStorageSensors{Empty: new(true), High: new(true), Full: new(true)}},
		Configuration: &storage.CheckStorageConfiguration{Types: types, BinID: c.BinID, HighThreshold: positive(u.high()), RetractHighThreshold: new(c.RetractsHigh)},
		Status: &storage.CheckStorageStatus{
			Index:               new(u.index),
			Initial:             &storage.CheckStorageStatusInitial{MediaInCount: new(c.InitialMedia), Count: new(c.InitialCount), RetractOperations: new(c.InitialRetracts)},
			In:                  &storage.CheckStorageStatusIn{MediaInCount: new(c.Media), Count: new(c.Count), RetractOperations: new(c.Retracts)},
			ReplenishmentStatus: storage.CheckReplenishmentStatus(u.fill()),
		},
	}
}

func positive(n int) *int {
	if n < 1 {
		return nil
	}
	return &n
}

func (u *unit) deposit() *deposit.Storage {
	state := map[Fill]deposit.StorageStatusDepContainer{
		FillFull: deposit.StorageStatusDepContainerFull, FillHigh: deposit.StorageStatusDepContainerHigh,
	}[u.fill()]
	switch {
	case u.missing:
		state = deposit.StorageStatusDepContainerMissing
	case u.broken:
		state = deposit.StorageStatusDepContainerInoperative
	case state == "":
		state = deposit.StorageStatusDepContainerOk
	}
	out := &deposit.Storage{Status: &deposit.StorageStatus{DepContainer: state, NumOfDeposits: new(u.counts.total())}}
	if u.Envelopes != nil {
		out.Capabilities = &deposit.StorageCapabilities{EnvSupply: deposit.StorageCapabilitiesEnvSupplyMotorized}
		out.Status.EnvSupply = u.Envelopes()
	}
	return out
}

func (u *unit) printer() *printer.Storage {
	fill := printer.ReplenishmentStatus(u.fill())
	if u.fill() == FillEmpty {
		fill = printer.ReplenishmentStatusOk
	}
	return &printer.Storage{
		Capabilities: &printer.StorageCapabilities{MaxRetracts: positive(u.Capacity)},
		Status:       &printer.StorageStatus{Index: new(u.index), Initial: new(u.counts.InitialCount), In: new(u.counts.Count), ReplenishmentStatus: fill},
	}
}

// desk serves the interface Storage.
type desk struct {
	rack *Rack
	lock sync.Locker
	busy func() bool
	say  func(xfs4iot.Event)
	show func()
}

// Handle serves the four commands of the interface Storage. lock is the device's;
// busy says that a transaction is under way, which forbids an exchange; say sends
// unsolicited events; show tells those who watch the device. All three are called
// with the lock held.
func (r *Rack) Handle(s *host.Service, lock sync.Locker, busy func() bool, say func(xfs4iot.Event), show func()) {
	d := &desk{r, lock, busy, say, show}
	host.Handle(s, storage.GetStorage, d.get)
	host.Handle(s, storage.StartExchange, d.start)
	host.Handle(s, storage.SetStorage, d.set)
	host.Handle(s, storage.EndExchange, d.end)
}

func (d *desk) get(context.Context, *host.Command, *storage.GetStorageCommand) (*storage.GetStorageCompletion, error) {
	d.lock.Lock()
	defer d.lock.Unlock()
	return &storage.GetStorageCompletion{Storage: d.rack.Storage()}, nil
}

func (d *desk) start(context.Context, *host.Command, *storage.StartExchangeCommand) (*storage.StartExchangeCompletion, error) {
	d.lock.Lock()
	defer d.lock.Unlock()
	switch {
	case d.rack.exchange:
		return nil, host.Fail(storage.StartExchangeErrorCodeExchangeActive, ErrExchange.Error())
	case d.busy():
		return nil, host.Fail(storage.StartExchangeErrorCodeTransactionActive, "a transaction is under way")
	}
	d.rack.exchange = true
	d.show()
	return nil, nil
}

func (d *desk) end(context.Context, *host.Command, *storage.EndExchangeCommand) (*storage.EndExchangeCompletion, error) {
	d.lock.Lock()
	defer d.lock.Unlock()
	if !d.rack.exchange {
		return nil, host.Fail(storage.EndExchangeErrorCodeNoExchangeActive, "there is no exchange")
	}
	d.rack.exchange = false
	for _, u := range d.rack.units {
		u.manipulated = u.manipulated && u.missing
	}
	d.say(&storage.StorageChangedEvent{Extra: d.rack.present()})
	d.show()
	return nil, nil
}

// present describes the units that are detected: events name no others.
func (r *Rack) present() map[string]*storage.StorageUnit {
	out := map[string]*storage.StorageUnit{}
	for _, u := range r.units {
		if !u.undetected {
			out[u.Unit] = u.describe()
		}
	}
	return out
}

func (d *desk) set(_ context.Context, cmd *host.Command, req *storage.SetStorageCommand) (*storage.SetStorageCompletion, error) {
	d.lock.Lock()
	defer d.lock.Unlock()
	if !d.rack.exchange {
		return nil, host.Fail(storage.SetStorageErrorCodeNoExchangeActive, "counts are set in an exchange")
	}
	next, err := d.rack.change(req.Storage)
	if err != nil {
		return nil, err
	}
	for name, counts := range next {
		if err := d.rack.store(name, counts); err != nil {
			_ = cmd.Event(&storage.StorageErrorEvent{Failure: storage.StorageErrorEventFailureError, Unit: d.rack.Of(name)})
			return nil, host.Fail(storage.SetStorageErrorCodeStorageUnitError, err.Error())
		}
		d.say(&storage.StorageChangedEvent{Extra: d.rack.Of(name)})
	}
	d.show()
	return nil, nil
}

// change works out all new counts before any is taken.
func (r *Rack) change(asked map[string]*storage.SetStorageUnit) (map[string]Counts, error) {
	out := map[string]Counts{}
	for name, set := range asked {
		u := r.unit(name)
		if u == nil || u.undetected || set == nil {
			return nil, host.Fail(storage.SetStorageErrorCodeInvalidUnit, "there is no unit "+name)
		}
		next, err := u.changed(set)
		if err != nil {
			return nil, err
		}
		out[name] = next
	}
	return out, nil
}

// changed takes those parts of a unit that it has; others are refused.
func (u *unit) changed(set *storage.SetStorageUnit) (Counts, error) {
	c, fits := u.counts, set.Cash == nil && (set.Card == nil || u.Kind == Card)
	switch {
	case set.Card != nil && u.Kind == Card && set.Check == nil && set.Deposit == nil && set.Printer == nil:
		c.setCard(set.Card)
	case set.Check != nil && u.Kind == Check && set.Deposit == nil && set.Printer == nil:
		return u.setCheck(set.Check)
	case set.Deposit != nil && u.Kind == Deposit && set.Check == nil && set.Printer == nil:
		c.initial(0, set.Deposit.NumOfDeposits, 0)
	case set.Printer != nil && u.Kind == Printer && set.Check == nil && set.Deposit == nil:
		if set.Printer.Status != nil {
			c.initial(0, set.Printer.Status.Initial, 0)
		}
	default:
		fits = false
	}
	if !fits {
		return c, host.Fail(storage.SetStorageErrorCodeInvalidUnit, u.Unit+" has no such part")
	}
	return c, nil
}

func (c *Counts) initial(media int, count *int, retracts int) {
	if count != nil {
		c.InitialMedia, c.InitialCount, c.InitialRetracts = media, *count, retracts
		c.Media, c.Count, c.Retracts = 0, 0, 0
	}
}

func (c *Counts) setCard(set *cardreader.StorageSet) {
	if set.Status != nil {
		c.initial(0, set.Status.InitialCount, 0)
	}
	if conf := set.Configuration; conf != nil {
		c.BinID, c.HighAt = or(conf.CardID, c.BinID), or(value(conf.Threshold), c.HighAt)
	}
}

func (u *unit) setCheck(set *storage.CheckStorageSet) (Counts, error) {
	c := u.counts
	if s := set.Status; s != nil && s.Initial != nil {
		c.initial(value(s.Initial.MediaInCount), new(value(s.Initial.Count)), value(s.Initial.RetractOperations))
	}
	if conf := set.Configuration; conf != nil {
		if t := conf.Types; t != nil && (is(t.MediaIn) && !u.MediaIn || is(t.Retract) && !u.Retract) {
			return c, host.Fail(storage.SetStorageErrorCodeInvalidUnit, u.Unit+" does not take that")
		}
		c.BinID, c.HighAt, c.RetractsHigh = or(conf.BinID, c.BinID), or(value(conf.HighThreshold), c.HighAt), or(value(conf.RetractHighThreshold), c.RetractsHigh)
	}
	return c, nil
}

func or[T comparable](a, b T) T {
	var zero T
	if a == zero {
		return b
	}
	return a
}

func is(b *bool) bool { return b != nil && *b }

func value(n *int) int {
	if n == nil {
		return 0
	}
	return *n
}

// Tell sends the events of a unit whose count has changed: the new counts, and the
// threshold when it is reached.
func Tell(r *Rack, name string, say func(xfs4iot.Event)) {
	say(&storage.CountsChangedEvent{Extra: r.Of(name)})
	u := r.unit(name)
	if u != nil && u.fill() != u.told {
		u.told = u.fill()
		say(&storage.StorageThresholdEvent{Extra: r.Of(name)})
	}
}
