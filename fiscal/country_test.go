package fiscal_test

import (
	"errors"
	"testing"

	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/money"
	"github.com/plomb-pos/plomb/sale"
	"github.com/plomb-pos/plomb/tax"
)

// swiss is the test shop moved to another country.
func swiss() fiscal.Shop {
	s := shop()
	s.Country, s.Currency = "CH", "CHF"
	s.TaxTable = tax.Table{{Class: tax.Standard, Letter: "A", Rate: 8_100, From: "2024-01-01"}, {Class: tax.Reduced, Letter: "B", Rate: 2_600, From: "2024-01-01"}}
	return s
}

func TestCountryAndCurrencyAreChosenBeforeTheFirstDocumentOnly(t *testing.T) {
	move := &fiscal.ConfigChange{Actor: anna, Shop: swiss()}
	for name, touch := range map[string]func(*till){
		"nothing": nil,
		"a drawer session": func(x *till) {
			x.record(&fiscal.ShiftOpen{Actor: anna, Session: 1, At: x.now})
		},
		"a sale":         func(x *till) { x.sell(sale.Sale, money.One, sale.Card) },
		"training":       func(x *till) { x.record(&fiscal.TrainingMode{Actor: both, On: true}) },
		"a day's close":  func(x *till) { x.z() },
		"an aborted one": func(x *till) { x.lines() },
	} {
		x := &till{t: t, now: start, docs: map[uint64]sale.Document{}}
		x.record(&fiscal.Commission{Actor: anna, Shop: shop(), Software: "1.0.0", Key: "till/e1+0+key"})
		if touch == nil {
			if _, err := x.state.Draft(&fiscal.TaxChange{Actor: anna, Shop: swiss()}); code(err) != fiscal.CodeShop {
				t.Errorf("a tax change moved the till: %v", err)
			}
			x.record(move)
			if x.state.Shop.Currency != "CHF" || x.state.Shop.TaxTable[0].Rate != 8_100 {
				t.Errorf("shop = %+v", x.state.Shop)
			}
			clean(t, x)
			continue
		}
		touch(x)
		if _, err := x.state.Draft(move); code(err) != fiscal.CodeShop {
			t.Errorf("after %s: %v", name, err)
		}
	}
}

func TestACheckFindsACountryThatChangedTooLate(t *testing.T) {
	x := newTill(t)
	body, err := fiscal.Encode(&fiscal.ConfigChange{Actor: anna, Shop: swiss()})
	if err != nil {
		t.Fatal(err)
	}
	late := *x.heads[len(x.heads)-1]
	late.Kind, late.Index, late.Numbers, late.BodyLen = fiscal.KindConfigChange, x.state.Size, nil, uint32(len(body))
	check := fiscal.NewCheck(nil)
	for i, h := range x.heads {
		check.Entry(h, x.bodies[i])
	}
	found := check.Entry(&late, body)
	if len(found) != 1 || found[0].Code != fiscal.CodeShop {
		t.Errorf("found %v", found)
	}
}

// clean holds a journal against the check that verifiers run.
func clean(t *testing.T, x *till) {
	t.Helper()
	check := fiscal.NewCheck(nil)
	for i, h := range x.heads {
		if found := check.Entry(h, x.bodies[i]); len(found) > 0 {
			t.Errorf("found %v", found)
		}
	}
}

func code(err error) string {
	if e, ok := errors.AsType[*fiscal.Error](err); ok {
		return e.Code()
	}
	return ""
}
