package cash

import (
	"fmt"
	"maps"
	"slices"

	"github.com/plomb-pos/plomb/driver/sim/chassis"
	"github.com/plomb-pos/plomb/xfs4iot"
	"github.com/plomb-pos/plomb/xfs4iot/cashmanagement"
	"github.com/plomb-pos/plomb/xfs4iot/host"
)

// teller is somebody with totals of his own. Totals are minor units by currency.
type teller struct {
	In        cashmanagement.InputPosition  `json:"in,omitzero"`
	Out       cashmanagement.OutputPosition `json:"out,omitzero"`
	Received  map[string]int64              `json:"received,omitzero"`
	Dispensed map[string]int64              `json:"dispensed,omitzero"`
}

// count adds amounts to a teller's totals, if there is such a teller.
func (m *memory) count(id int, received, dispensed map[string]int64) {
	t, ok := m.Tellers[id]
	if !ok {
		return
	}
	t.Received, t.Dispensed = plus(t.Received, received), plus(t.Dispensed, dispensed)
	m.Tellers[id] = t
}

func plus(sum, more map[string]int64) map[string]int64 {
	out := maps.Clone(sum)
	if out == nil {
		out = map[string]int64{}
	}
	for currency, n := range more {
		out[currency] += n
	}
	return out
}

// maxTellers bounds what clients may store.
const maxTellers = 1000

func (d *Device) getTeller(_ job, req *cashmanagement.GetTellerInfoCommand) (*cashmanagement.GetTellerInfoCompletion, error) {
	if req.Currency != "" && !d.knows(req.Currency) {
		return nil, host.Fail(cashmanagement.GetTellerInfoErrorCodeInvalidCurrency, fmt.Sprintf("%.10q is not known", req.Currency))
	}
	out := &cashmanagement.GetTellerInfoCompletion{}
	for _, id := range slices.Sorted(maps.Keys(d.keep.Tellers)) {
		if req.TellerID == nil || *req.TellerID == id {
			out.TellerDetails = append(out.TellerDetails, d.keep.Tellers[id].details(id, req.Currency))
		}
	}
	if req.TellerID != nil && len(out.TellerDetails) == 0 {
		return nil, host.Fail(cashmanagement.GetTellerInfoErrorCodeInvalidTellerID, fmt.Sprintf("there is no teller %d", *req.TellerID))
	}
	return out, nil
}

// details are a teller's totals in one currency, or in all.
func (t teller) details(id int, currency string) cashmanagement.TellerDetails {
	out := cashmanagement.TellerDetails{TellerID: &id, InputPosition: t.In, OutputPosition: t.Out, TellerTotals: map[string]*cashmanagement.TellerTotals{}}
	for c := range plus(t.Received, t.Dispensed) {
		if currency == "" || c == currency {
			out.TellerTotals[c] = &cashmanagement.TellerTotals{ItemsReceived: decimal(t.Received[c], c), ItemsDispensed: decimal(t.Dispensed[c], c),
				CoinsReceived: "0", CoinsDispensed: "0", CashBoxReceived: "0", CashBoxDispensed: "0"}
		}
	}
	return out
}

func (d *Device) knows(currency string) bool {
	return slices.ContainsFunc(d.types, func(t noteType) bool { return t.currency == currency })
}

func (d *Device) setTeller(_ job, req *cashmanagement.SetTellerInfoCommand) (*cashmanagement.SetTellerInfoCompletion, error) {
	if d.keep.Exchange {
		return nil, host.Fail(cashmanagement.SetTellerInfoErrorCodeExchangeActive, "the cassettes are being exchanged")
	}
	if req.Action == "" || req.TellerDetails == nil || req.TellerDetails.TellerID == nil {
		return nil, chassis.Invalid("action and tellerID are to be given")
	}
	id := *req.TellerDetails.TellerID
	if _, known := d.keep.Tellers[id]; known == (req.Action == cashmanagement.SetTellerInfoCommandActionCreate) || id == 0 {
		return nil, host.Fail(cashmanagement.SetTellerInfoErrorCodeInvalidTellerID, fmt.Sprintf("teller %d cannot be %sd", id, req.Action))
	}
	if len(d.keep.Tellers) >= maxTellers && req.Action == cashmanagement.SetTellerInfoCommandActionCreate {
		return nil, &xfs4iot.Error{Code: xfs4iot.NotEnoughSpace, Description: "too many tellers"}
	}
	t, err := d.tellerOf(req.TellerDetails)
	if err != nil {
		return nil, err
	}
	err = d.change(func(_ *state, m *memory) error {
		if m.Tellers[id] = t; req.Action == cashmanagement.SetTellerInfoCommandActionDelete {
			delete(m.Tellers, id)
		}
		return nil
	})
	if err == nil {
		d.Say(&cashmanagement.TellerInfoChangedEvent{TellerID: &id})
	}
	return nil, err
}

func (d *Device) tellerOf(details *cashmanagement.TellerDetails) (teller, error) {
	t := teller{In: details.InputPosition, Out: details.OutputPosition, Received: map[string]int64{}, Dispensed: map[string]int64{}}
	if !position(t.In) || !position(t.Out) {
		return t, host.Fail(cashmanagement.SetTellerInfoErrorCodeUnsupportedPosition, "there is one slot, at the front")
	}
	for currency, totals := range details.TellerTotals {
		if !d.knows(currency) {
			return t, host.Fail(cashmanagement.SetTellerInfoErrorCodeInvalidCurrency, fmt.Sprintf("%.10q is not known", currency))
		}
		if totals == nil {
			continue
		}
		received, ok := minorOf(orZero(totals.ItemsReceived), currency)
		dispensed, fine := minorOf(orZero(totals.ItemsDispensed), currency)
		if !ok || !fine {
			return t, chassis.Invalid("totals are no amounts in " + currency)
		}
		t.Received[currency], t.Dispensed[currency] = received, dispensed
	}
	return t, nil
}

func orZero(d xfs4iot.Decimal) xfs4iot.Decimal {
	if d == "" {
		return "0"
	}
	return d
}
