package cash

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/plomb-pos/plomb/driver/sim/chassis"
	"github.com/plomb-pos/plomb/xfs4iot"
	"github.com/plomb-pos/plomb/xfs4iot/cashdispenser"
	"github.com/plomb-pos/plomb/xfs4iot/cashmix"
	"github.com/plomb-pos/plomb/xfs4iot/host"
	"github.com/plomb-pos/plomb/xfs4iot/storage"
)

// algorithms are the built-in mixes by their names in GetMixTypes.
var algorithms = map[string]cashmix.Algorithm{"mix1": cashmix.MinimumItems, "mix2": cashmix.EqualEmptying, "mix3": cashmix.MaximumUnits}

// table is a mix table that a client stored.
type table struct {
	Name string                 `json:"name"`
	Rows []cashdispenser.MixRow `json:"rows"`
}

// tableName is the mix name of a table's number; the first numbers are algorithms.
func tableName(number int) string { return fmt.Sprintf("mix%d", number) }

func (d *Device) getMixTypes(job, *cashdispenser.GetMixTypesCommand) (*cashdispenser.GetMixTypesCompletion, error) {
	mixes := map[string]*cashdispenser.Mix{
		"mix0": {Type: cashdispenser.MixTypeIndividual, Name: "Chosen by the application"},
		"mix1": {Type: cashdispenser.MixTypeAlgorithm, Algorithm: "minimumBills", Name: "Fewest notes"},
		"mix2": {Type: cashdispenser.MixTypeAlgorithm, Algorithm: "equalEmptying", Name: "Cassettes empty together"},
		"mix3": {Type: cashdispenser.MixTypeAlgorithm, Algorithm: "maxCashUnits", Name: "Most cassettes"},
	}
	for number, t := range d.keep.Tables {
		mixes[tableName(number)] = &cashdispenser.Mix{Type: cashdispenser.MixTypeTable, Name: t.Name}
	}
	return &cashdispenser.GetMixTypesCompletion{Mixes: mixes}, nil
}

func (d *Device) tableOf(name string) (int, table, bool) {
	for number, t := range d.keep.Tables {
		if tableName(number) == name {
			return number, t, true
		}
	}
	return 0, table{}, false
}

func (d *Device) getMixTable(_ job, req *cashdispenser.GetMixTableCommand) (*cashdispenser.GetMixTableCompletion, error) {
	number, t, ok := d.tableOf(req.Mix)
	if !ok {
		return nil, host.Fail(cashdispenser.GetMixTableErrorCodeInvalidMix, fmt.Sprintf("%.40q is no mix table", req.Mix))
	}
	return &cashdispenser.GetMixTableCompletion{MixNumber: &number, Name: t.Name, MixRows: t.Rows}, nil
}

// maxTables and maxRows bound what clients may store.
const maxTables, maxRows = 100, 1000

func (d *Device) setMixTable(_ job, req *cashdispenser.SetMixTableCommand) (*cashdispenser.SetMixTableCompletion, error) {
	if req.MixNumber == nil {
		return nil, chassis.Invalid("mixNumber is missing")
	}
	number := *req.MixNumber
	if _, taken := algorithms[tableName(number)]; taken {
		return nil, host.Fail(cashdispenser.SetMixTableErrorCodeInvalidMixNumber, "the number of an algorithm")
	}
	if _, again := d.keep.Tables[number]; !again && len(d.keep.Tables) >= maxTables {
		return nil, &xfs4iot.Error{Code: xfs4iot.NotEnoughSpace, Description: "too many mix tables"}
	}
	rows, err := rowsOf(req.MixRows, d.o.Currency)
	if err == nil {
		err = rows.Check()
	}
	if err != nil || len(rows) == 0 || len(rows) > maxRows {
		return nil, host.Fail(cashdispenser.SetMixTableErrorCodeInvalidMixTable, fmt.Sprint("the table is not sound: ", err))
	}
	return nil, d.change(func(_ *state, m *memory) error {
		m.Tables[number] = table{req.Name, req.MixRows}
		return nil
	})
}

// rowsOf reads a table in minor units of a currency.
func rowsOf(rows []cashdispenser.MixRow, currency string) (cashmix.Table, error) {
	var out cashmix.Table
	for _, r := range rows {
		amount, ok := minorOf(r.Amount, currency)
		row := cashmix.Row{Amount: amount, Items: map[int64]int{}}
		for _, item := range r.Mix {
			value, fine := minorOf(item.Value, currency)
			ok = ok && fine && item.Count != nil && row.Items[value] == 0
			if ok {
				row.Items[value] = *item.Count
			}
		}
		if !ok {
			return nil, fmt.Errorf("amount %.40s: %w", r.Amount, cashmix.ErrTable)
		}
		out = append(out, row)
	}
	return out, nil
}

// plan is a denomination that the cassettes can give.
type plan struct {
	mix     cashmix.Mix
	service *cashdispenser.ServiceMix // how the device found it; nil when the client chose it
}

// sources are the cassettes as the mix sees them.
func (d *Device) sources() []cashmix.Unit {
	var out []cashmix.Unit
	for _, u := range d.units {
		if u.gives() && u.works() {
			out = append(out, cashmix.Unit{ID: u.Unit, Currency: u.Currency, Value: u.minor, Count: d.available(u), Max: u.Max})
		}
	}
	return out
}

// denominate finds the notes for a request, or the command's error. The error
// codes of Denominate are also those of Dispense.
func (d *Device) denominate(j job, req *cashdispenser.DenominateRequest) (plan, error) {
	switch {
	case d.keep.Exchange:
		return plan{}, host.Fail(cashdispenser.DenominateErrorCodeExchangeActive, "the cassettes are being exchanged")
	case req == nil || req.Denomination == nil || (req.Denomination.App == nil) == (req.Denomination.Service == nil):
		return plan{}, chassis.Invalid("exactly one of app and service is to be given")
	}
	if err := d.knownTeller(req.TellerID); err != nil {
		return plan{}, err
	}
	if app := req.Denomination.App; app != nil {
		return d.chosen(j, app)
	}
	return d.found(j, req.Denomination.Service)
}

func (d *Device) knownTeller(id *int) error {
	if id == nil || *id == 0 {
		return nil
	}
	if _, ok := d.keep.Tellers[*id]; !ok {
		return host.Fail(cashdispenser.DenominateErrorCodeInvalidTellerID, fmt.Sprintf("there is no teller %d", *id))
	}
	return nil
}

func (d *Device) chosen(j job, app *cashdispenser.ApplicationMix) (plan, error) {
	if app.CashBox != nil && len(app.CashBox.Currencies) > 0 {
		return plan{}, host.Fail(cashdispenser.DenominateErrorCodeNoCashBoxPresent, "there is no cash box")
	}
	amounts, err := d.amounts(app.Currencies)
	if err != nil {
		return plan{}, err
	}
	mix := cashmix.Mix{}
	for name, n := range app.Counts {
		if n != 0 {
			mix[name] = n
		}
	}
	if len(mix) == 0 {
		return plan{}, chassis.Invalid("no counts are given")
	}
	r := cashmix.Request{Units: d.sources(), Amounts: amounts, MaxItems: d.o.Stacker}
	if err := d.givesAll(j, mix); err != nil {
		return plan{}, err
	}
	if err := r.Check(mix); err != nil {
		return plan{}, d.mixError(j, err)
	}
	return plan{mix: mix}, nil
}

func (d *Device) found(j job, s *cashdispenser.ServiceMix) (plan, error) {
	if s.CashBox != nil && len(s.CashBox.Currencies) > 0 {
		return plan{}, host.Fail(cashdispenser.DenominateErrorCodeNoCashBoxPresent, "there is no cash box")
	}
	amounts, err := d.amounts(s.Currencies)
	if err != nil {
		return plan{}, err
	}
	if len(amounts) == 0 {
		return plan{}, chassis.Invalid("no amount is given")
	}
	if err := d.givesAll(j, s.Partial); err != nil {
		return plan{}, err
	}
	mix, err := d.solve(j.ctx, cashmix.Request{Units: d.sources(), Amounts: amounts, Partial: s.Partial, MaxItems: d.o.Stacker}, s.Mix)
	if err != nil {
		return plan{}, d.mixError(j, err)
	}
	return plan{mix: mix, service: s}, nil
}

// errMixNumber says that there is no such mix.
var errMixNumber = errors.New("no such mix")

func (d *Device) solve(ctx context.Context, r cashmix.Request, name string) (cashmix.Mix, error) {
	if a, ok := algorithms[name]; ok {
		return r.Solve(ctx, a)
	}
	_, t, ok := d.tableOf(name)
	if !ok {
		return nil, fmt.Errorf("%.40q: %w", name, errMixNumber)
	}
	rows, err := rowsOf(t.Rows, d.o.Currency)
	if err != nil {
		return nil, err
	}
	return r.Lookup(ctx, rows)
}

// amounts reads the currencies of a request; what is zero is left out.
func (d *Device) amounts(currencies map[string]xfs4iot.Decimal) (map[string]int64, error) {
	out := map[string]int64{}
	for currency, text := range currencies {
		if len(currency) != 3 || strings.ToUpper(currency) != currency || !d.holds(currency) {
			return nil, host.Fail(cashdispenser.DenominateErrorCodeInvalidCurrency, fmt.Sprintf("no cassette holds %.10q", currency))
		}
		n, ok := minorOf(text, currency)
		if !ok {
			return nil, host.Fail(cashdispenser.DenominateErrorCodeInvalidDenomination, fmt.Sprintf("%.40s is no amount in %s", text, currency))
		}
		if n > 0 {
			out[currency] = n
		}
	}
	return out, nil
}

func (d *Device) holds(currency string) bool {
	return slices.ContainsFunc(d.units, func(u *unit) bool { return u.gives() && u.Currency == currency })
}

// givesAll checks the cassettes that a client names itself.
func (d *Device) givesAll(j job, counts map[string]int) error {
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		u, n := d.unit(name), counts[name]
		switch {
		case u == nil || n < 0:
			return host.Fail(cashdispenser.DenominateErrorCodeInvalidDenomination, fmt.Sprintf("%d of %.40q makes no sense", n, name))
		case n == 0:
		case !u.gives():
			return host.Fail(cashdispenser.DenominateErrorCodeNotDispensable, name+" gives no notes")
		case !u.works() || u.found:
			d.unitError(j, u, d.failure(u))
			return host.Fail(cashdispenser.DenominateErrorCodeCashUnitError, name+" does not work")
		case n > d.available(u):
			d.unitError(j, u, d.failure(u))
			return host.Fail(cashdispenser.DenominateErrorCodeCashUnitError, fmt.Sprintf("%s has %d notes, not %d", name, d.available(u), n))
		}
	}
	return nil
}

// failure says what is wrong with a cassette that cannot give notes.
func (d *Device) failure(u *unit) storage.StorageErrorEventFailure {
	switch {
	case u.missing || u.undetected || u.manipulated:
		return storage.StorageErrorEventFailureInvalid
	case u.broken:
		return storage.StorageErrorEventFailureError
	case d.keep.Units[u.Unit].LockOut:
		return storage.StorageErrorEventFailureLocked
	}
	return storage.StorageErrorEventFailureEmpty
}

// mixError gives the errorCode for what package cashmix says.
func (d *Device) mixError(j job, err error) error {
	if j.ctx.Err() != nil {
		return j.ctx.Err()
	}
	for _, c := range []struct {
		is   error
		code cashdispenser.DenominateErrorCode
	}{
		{errMixNumber, cashdispenser.DenominateErrorCodeInvalidMixNumber},
		{cashmix.ErrNotInTable, cashdispenser.DenominateErrorCodeAmountNotInMixTable},
		{cashmix.ErrTooManyItems, cashdispenser.DenominateErrorCodeTooManyItems},
		{cashmix.ErrCurrency, cashdispenser.DenominateErrorCodeNoCurrencyMix},
		{cashmix.ErrSum, cashdispenser.DenominateErrorCodeInvalidDenomination},
		{cashmix.ErrRequest, cashdispenser.DenominateErrorCodeInvalidDenomination},
		{cashmix.ErrShort, cashdispenser.DenominateErrorCodeCashUnitError},
		{cashmix.ErrUnknownUnit, cashdispenser.DenominateErrorCodeInvalidDenomination},
	} {
		if errors.Is(err, c.is) {
			return host.Fail(c.code, err.Error())
		}
	}
	return host.Fail(cashdispenser.DenominateErrorCodeNotDispensable, err.Error())
}

// denomination describes notes of cassettes.
func (d *Device) denomination(values map[string]int) *cashdispenser.Denomination {
	if len(values) == 0 {
		return nil
	}
	return &cashdispenser.Denomination{Currencies: decimals(d.worth(values)), Values: maps.Clone(values)}
}

// worth sums notes of cassettes by currency.
func (d *Device) worth(values map[string]int) map[string]int64 {
	out := map[string]int64{}
	for name, n := range values {
		if u := d.unit(name); u != nil {
			out[u.Currency] += u.minor * int64(n)
		}
	}
	return out
}

func decimals(amounts map[string]int64) map[string]xfs4iot.Decimal {
	out := map[string]xfs4iot.Decimal{}
	for currency, n := range amounts {
		out[currency] = decimal(n, currency)
	}
	return out
}
