package cash

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/plomb-pos/plomb/driver/sim/cash/vault"
	"github.com/plomb-pos/plomb/xfs4iot"
	"github.com/plomb-pos/plomb/xfs4iot/cashmanagement"
	"github.com/plomb-pos/plomb/xfs4iot/token"
)

// unit is a cassette and what is wrong with it.
type unit struct {
	Cassette
	index       int
	minor       int64 // value of one note
	note        vault.Note
	missing     bool // taken out
	undetected  bool // there is no sign of it
	manipulated bool // handled outside of an exchange
	broken      bool
	found       bool // it ran empty earlier than counted
}

// ErrCassette says that a cassette's description makes no sense.
var ErrCassette = errors.New("cassette is not well described")

var unitName = regexp.MustCompile(`^unit[0-9A-Za-z]+$`)

// fit puts the cassettes into the device.
func (d *Device) fit(cassettes []Cassette) error {
	for i, c := range cassettes {
		u := &unit{Cassette: c, index: i + 1}
		if err := u.complete(); err != nil {
			return err
		}
		if d.unit(c.Unit) != nil {
			return fmt.Errorf("%.40q: twice: %w", c.Unit, ErrCassette)
		}
		d.units = append(d.units, u)
	}
	d.know()
	return nil
}

func (u *unit) complete() error {
	if !unitName.MatchString(u.Unit) {
		return fmt.Errorf("%.40q: not a unit's name: %w", u.Unit, ErrCassette)
	}
	if u.ID == "" {
		u.ID = strings.TrimPrefix(u.Unit, "unit")
		u.ID = u.ID[:min(len(u.ID), 5)]
	}
	if u.Capacity < 1 {
		u.Capacity = 300
	}
	if u.High < 1 {
		u.High = u.Capacity * 9 / 10
	}
	switch u.Kind {
	case Recycle, Out:
		return u.single()
	case Retract:
		if u.Areas < 1 {
			u.Areas = 3
		}
		fallthrough
	case In, Reject:
		u.Count = 0
		return nil
	}
	return fmt.Errorf("%s: kind %.40q: %w", u.Unit, u.Kind, ErrCassette)
}

// single completes a cassette for notes of one value.
func (u *unit) single() error {
	minor, err := token.ParseMinor(u.Value, u.Currency)
	if err != nil || minor == 0 || len(u.Currency) != 3 || u.Count < 0 || u.Count > u.Capacity {
		return fmt.Errorf("%s: %.40q of %.10q: %w", u.Unit, u.Value, u.Currency, ErrCassette)
	}
	u.minor, u.note = minor, vault.NoteOf(typeName(u.Currency, minor), vault.Fit)
	if u.Low < 1 {
		u.Low = 20
	}
	return nil
}

func (u *unit) stock() vault.Notes {
	if u.Count == 0 {
		return vault.Notes{}
	}
	return vault.Notes{u.note: u.Count}
}

func (u *unit) gives() bool { return u.Kind == Recycle || u.Kind == Out }

// works says whether notes can be moved from or to the cassette.
func (u *unit) works() bool {
	return !u.missing && !u.undetected && !u.manipulated && !u.broken
}

// noteType is a kind of banknote that the reader knows.
type noteType struct {
	name     string // "typeEUR20"
	id       int
	currency string
	minor    int64
}

// typeName is the name of a type: currency and value, "C" for the decimal point.
func typeName(currency string, minor int64) string {
	text := token.Amount{Minor: minor, Currency: currency}.Decimal()
	text = strings.TrimSuffix(text, "."+strings.Repeat("0", token.Exponent(currency)))
	return "type" + currency + strings.ReplaceAll(text, ".", "C")
}

// know makes the list of notes: the usual series of the currency, and what the
// cassettes hold.
func (d *Device) know() {
	unit := int64(1)
	for range token.Exponent(d.o.Currency) {
		unit *= 10
	}
	for _, value := range []int64{5, 10, 20, 50, 100, 200, 500} {
		d.learn(d.o.Currency, value*unit)
	}
	for _, u := range d.units {
		if u.gives() {
			d.learn(u.Currency, u.minor)
		}
	}
}

func (d *Device) learn(currency string, minor int64) {
	name := typeName(currency, minor)
	if _, known := d.noteType(name); !known {
		d.types = append(d.types, noteType{name, len(d.types) + 1, currency, minor})
	}
}

func (d *Device) noteType(name string) (noteType, bool) {
	for _, t := range d.types {
		if t.name == name {
			return t, true
		}
	}
	return noteType{}, false
}

func (t noteType) item() *cashmanagement.CashItem {
	return &cashmanagement.CashItem{NoteID: new(t.id), Currency: t.currency, Value: decimal(t.minor, t.currency), Release: new(0)}
}

// decimal writes minor units as the protocol does.
func decimal(minor int64, currency string) xfs4iot.Decimal {
	return xfs4iot.Decimal(token.Amount{Minor: minor, Currency: currency}.Decimal())
}

// minorOf reads a JSON number as minor units; exact, exponents included.
func minorOf(d xfs4iot.Decimal, currency string) (int64, bool) {
	text, power := string(d), 0
	if i := strings.IndexAny(text, "eE"); i >= 0 {
		if _, err := fmt.Sscanf(text[i+1:], "%d", &power); err != nil || power > 20 || power < -20 {
			return 0, false
		}
		text = text[:i]
	}
	n, err := token.ParseMinor(shift(text, power), currency)
	return n, err == nil
}

// shift moves the decimal point of a number and drops zeros that say nothing.
func shift(text string, power int) string {
	whole, fraction, _ := strings.Cut(text, ".")
	for ; power > 0; power-- {
		if fraction == "" {
			fraction = "0"
		}
		whole, fraction = whole+fraction[:1], fraction[1:]
	}
	for ; power < 0; power++ {
		if whole == "" {
			whole = "0"
		}
		whole, fraction = whole[:len(whole)-1], whole[len(whole)-1:]+fraction
	}
	if whole = strings.TrimLeft(whole, "0"); whole == "" {
		whole = "0"
	}
	if fraction = strings.TrimRight(fraction, "0"); fraction == "" {
		return whole
	}
	return whole + "." + fraction
}
