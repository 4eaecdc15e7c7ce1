package cash

import (
	"fmt"
	"maps"
	"slices"

	"github.com/plomb-pos/plomb/driver/sim/cash/vault"
	"github.com/plomb-pos/plomb/xfs4iot"
	"github.com/plomb-pos/plomb/xfs4iot/cashmanagement"
	"github.com/plomb-pos/plomb/xfs4iot/host"
	"github.com/plomb-pos/plomb/xfs4iot/storage"
)

func (d *Device) handleStorage(s *host.Service) {
	serve(d, s, storage.GetStorage, d.getStorage)
	serve(d, s, storage.StartExchange, d.startExchange)
	serve(d, s, storage.SetStorage, d.setStorage)
	serve(d, s, storage.EndExchange, d.endExchange)
}

func (d *Device) getStorage(job, *storage.GetStorageCommand) (*storage.GetStorageCompletion, error) {
	return &storage.GetStorageCompletion{Storage: d.all()}, nil
}

func (d *Device) startExchange(job, *storage.StartExchangeCommand) (*storage.StartExchangeCompletion, error) {
	switch {
	case d.keep.Exchange:
		return nil, host.Fail(storage.StartExchangeErrorCodeExchangeActive, "an exchange is under way already")
	case d.keep.CashIn.Active || d.loose() > 0:
		return nil, host.Fail(storage.StartExchangeErrorCodeTransactionActive, "notes are on their way")
	}
	return nil, d.change(func(_ *state, m *memory) error { m.Exchange = true; return nil })
}

func (d *Device) endExchange(job, *storage.EndExchangeCommand) (*storage.EndExchangeCompletion, error) {
	if !d.keep.Exchange {
		return nil, host.Fail(storage.EndExchangeErrorCodeNoExchangeActive, "there is no exchange")
	}
	for _, u := range d.units {
		u.manipulated = u.manipulated && u.missing
		u.found = u.found && d.contents(u).Counted()[u.note] != d.contents(u).Notes[u.note]
	}
	if err := d.change(func(_ *state, m *memory) error { m.Exchange = false; return nil }); err != nil {
		return nil, err
	}
	d.sayUnits(d.units, func(m map[string]*storage.StorageUnit) xfs4iot.Event { return &storage.StorageChangedEvent{Extra: m} })
	return nil, nil
}

// setStorage checks everything before anything is set.
func (d *Device) setStorage(j job, req *storage.SetStorageCommand) (*storage.SetStorageCompletion, error) {
	if !d.keep.Exchange {
		return nil, host.Fail(storage.SetStorageErrorCodeNoExchangeActive, "counts are set in an exchange")
	}
	names := slices.Sorted(maps.Keys(req.Storage))
	changes := map[string]unitChange{}
	for _, name := range names {
		c, err := d.unitChange(name, req.Storage[name])
		if err != nil {
			return nil, err
		}
		changes[name] = c
	}
	err := d.change(func(s *state, m *memory) error {
		for _, name := range names {
			m.Units[name] = changes[name].set
			if err := changes[name].apply(s, name); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		d.unitError(j, d.unit(names[0]), storage.StorageErrorEventFailureError)
		return nil, host.Fail(storage.SetStorageErrorCodeStorageUnitError, err.Error())
	}
	d.taught(changes)
	return nil, nil
}

// unitChange is what SetStorage makes of one cassette.
type unitChange struct {
	unit *unit
	set  setting
	fill vault.Notes // nil: its notes stay
}

func (c unitChange) apply(s *state, name string) error {
	if c.fill == nil {
		return nil
	}
	return s.Fill(name, c.fill)
}

// taught tells clients which cassettes were set.
func (d *Device) taught(changes map[string]unitChange) {
	var units []*unit
	for _, u := range d.units {
		if c, ok := changes[u.Unit]; ok {
			u.found = u.found && c.fill == nil
			units = append(units, u)
		}
	}
	d.sayUnits(units, func(m map[string]*storage.StorageUnit) xfs4iot.Event { return &storage.StorageChangedEvent{Extra: m} })
}

func invalidUnit(format string, args ...any) error {
	return host.Fail(storage.SetStorageErrorCodeInvalidUnit, fmt.Sprintf(format, args...))
}

func (d *Device) unitChange(name string, set *storage.SetStorageUnit) (unitChange, error) {
	c := unitChange{unit: d.unit(name)}
	if c.unit == nil || c.unit.undetected || set == nil || set.Cash == nil || set.Card != nil || set.Check != nil || set.Deposit != nil || set.Printer != nil {
		return c, invalidUnit("%.40q is no cassette", name)
	}
	c.set = d.keep.Units[name]
	if err := c.configure(set.Cash.Configuration); err != nil {
		return c, err
	}
	if set.Cash.Status == nil || set.Cash.Status.Initial == nil {
		return c, nil
	}
	notes, err := d.notesOf(set.Cash.Status.Initial)
	if err != nil {
		return c, err
	}
	if notes.Count() > c.unit.Capacity || c.unit.gives() && notes.Count() != notes[c.unit.note] {
		return c, invalidUnit("%s does not hold these notes", name)
	}
	c.fill, c.set.Accurate = notes, new(true)
	return c, nil
}

// configure takes what can be set; what a cassette is made for cannot.
func (c *unitChange) configure(conf *cashmanagement.StorageCashConfiguration) error {
	if conf == nil {
		return nil
	}
	if conf.Currency != "" && conf.Currency != c.unit.Currency {
		return invalidUnit("%s is made for %s", c.unit.Unit, c.unit.Currency)
	}
	if conf.Value != "" {
		if n, ok := minorOf(conf.Value, c.unit.Currency); !ok || n != c.unit.minor {
			return invalidUnit("%s is made for notes of %s", c.unit.Unit, decimal(c.unit.minor, c.unit.Currency))
		}
	}
	if conf.MaxRetracts != nil {
		if c.unit.Kind != Retract || *conf.MaxRetracts > c.unit.Areas {
			return invalidUnit("%s has %d retract areas", c.unit.Unit, c.unit.Areas)
		}
		c.set.Retracts = conf.MaxRetracts
	}
	if conf.Name != "" {
		c.set.Name = conf.Name[:min(len(conf.Name), 100)]
	}
	if conf.HighThreshold != nil {
		c.set.High = conf.HighThreshold
	}
	if conf.LowThreshold != nil {
		c.set.Low = conf.LowThreshold
	}
	if conf.AppLockIn != nil {
		c.set.LockIn = *conf.AppLockIn
	}
	if conf.AppLockOut != nil {
		c.set.LockOut = *conf.AppLockOut
	}
	return nil
}

// notesOf reads counts by type and level.
func (d *Device) notesOf(c *cashmanagement.StorageCashCounts) (vault.Notes, error) {
	out := vault.Notes{}
	if c.Unrecognized != nil && *c.Unrecognized > 0 {
		out[vault.NoteOf("", vault.Unrecognized)] = *c.Unrecognized
	}
	for name, count := range c.Extra {
		if _, ok := d.noteType(name); !ok {
			return nil, invalidUnit("%.40q is no note that the device knows", name)
		}
		for _, l := range vault.Levels() {
			if l == vault.Unrecognized || count == nil {
				continue
			}
			if n := *field(count, l); n != nil && *n > 0 {
				if *n > 1_000_000 {
					return nil, invalidUnit("%d notes fit in no cassette", *n)
				}
				out[vault.NoteOf(name, l)] = *n
			}
		}
	}
	return out, nil
}
