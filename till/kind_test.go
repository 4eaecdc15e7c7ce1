package till_test

import (
	"testing"
	"time"

	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/journal"
	"github.com/plomb-pos/plomb/staff"
	"github.com/plomb-pos/plomb/till"
	"github.com/plomb-pos/plomb/till/tilltest"
)

// bodies are the entries of a kind in the first epoch of a closed till.
func bodies[T fiscal.Body](t *testing.T, shop *tilltest.Shop) (out []T) {
	t.Helper()
	s := open(t, durable.OS{}, shop.Dir)
	j, err := journal.OpenReadOnly(s.dir+"/e1", journal.ReadOptions{Keys: s.box.JournalKeys()})
	ok(t, err)
	for e, err := range j.Entries(t.Context(), 0, 1<<40) {
		ok(t, err)
		b, err := fiscal.Decode(e.Head.Kind, e.Body)
		ok(t, err)
		if x, is := b.(T); is {
			out = append(out, x)
		}
	}
	return out
}

// Requirement: POS-14
func TestTrainingMovesNoMoneyAndClosesNoDay(t *testing.T) {
	shop := tilltest.New(t, tilltest.WithoutDevices())
	boss := shop.As(staff.Supervisor)
	boss.Do("drawer.open", "amount", 10000)
	boss.Do("training.start")
	for do, args := range map[string][]any{
		"drawer.float": {"amount", 100}, "drawer.payin": {"amount", 100, "reason", "x"}, "drawer.count": {"amount", 1}, "drawer.close": nil,
	} {
		boss.Refuse("training-on", do, args...)
	}
	for _, do := range []string{"drawer.payout", "report.z"} {
		a := boss.Send(map[string]any{
			"id": tilltest.NewID(time.Now()), "do": do, "args": map[string]any{}, "approval": map[string]any{"person": "3", "pin": tilltest.PIN},
		})
		if a.Error == nil || a.Error.Code != "training-on" {
			t.Errorf("%s in training: %+v", do, a.Error)
		}
	}
	boss.Do("training.stop")
	boss.Do("drawer.payin", "amount", 100, "reason", "x")
}

// Requirement: POS-04
func TestPricesAndTaxesChangeWithEntriesOfTheirOwn(t *testing.T) {
	shop := tilltest.New(t, tilltest.WithoutDevices())
	ada, anna := shop.As(staff.Administrator), shop.As(staff.Operator)
	anna.Refuse("forbidden", "articles.price", "sku", "BRD-01", "price", 1)
	ada.Refuse("unknown-article", "articles.price", "sku", "none", "price", 1)
	ada.Refuse("bad-price", "articles.price", "sku", "BRD-01", "price", -1)
	ada.Do("articles.price", "sku", "BRD-01", "price", 3_990_000)
	ada.Do("articles.price", "sku", "BRD-01", "price", 3_990_000) // nothing changes
	var found struct {
		UnitPrice int64  `json:"unitPrice"`
		SKU       string `json:"sku"`
	}
	anna.Do("articles.lookup", "code", "BRD-01").Into(t, &found)
	if found.UnitPrice != 3_990_000 || found.SKU != "BRD-01" {
		t.Errorf("looked up %+v", found)
	}
	anna.Refuse("unknown-article", "articles.lookup", "code", "none")
	ada.Refuse("needs-approval", "tax.change", "builtIn", true)
	if a := ada.Send(map[string]any{
		"id": tilltest.NewID(time.Now()), "do": "tax.change", "args": map[string]any{"rules": []any{}}, "approval": map[string]any{"person": "7", "pin": tilltest.PIN},
	}); a.Error == nil || a.Error.Code != "bad-tax-table" {
		t.Errorf("an empty tax table: %+v", a.Error)
	}
	rules := []map[string]any{
		{"class": "standard", "letter": "A", "rate": 21_000, "from": "2020-01-01"}, {"class": "reduced", "letter": "B", "rate": 9_000, "from": "2020-01-01"},
	}
	ada.Approved(staff.Responsible, "tax.change", "rules", rules)
	anna.Do("basket.add", "sku", "BRD-01")
	if b := anna.State().Basket; b.Total != 399 || b.Taxes[0].Rate != 9_000 {
		t.Errorf("total %d, taxes %+v", b.Total, b.Taxes)
	}
	shop.Close()
	if p := bodies[*fiscal.PriceChange](t, shop); len(p) != 1 || p[0].SKU != "BRD-01" || p[0].Old != 3_490_000 || p[0].New != 3_990_000 || p[0].By != "1" {
		t.Errorf("price changes %+v", p)
	}
	if x := bodies[*fiscal.TaxChange](t, shop); len(x) != 1 || x[0].Approver != "7" {
		t.Errorf("tax changes %+v", x)
	}
	open(t, durable.OS{}, shop.Dir).lawful("e1")
}

// Requirement: POS-03
func TestAReceiptWrittenByHandIsRecordedLate(t *testing.T) {
	shop := tilltest.New(t, tilltest.WithoutDevices())
	boss := shop.As(staff.Supervisor)
	boss.Do("drawer.open", "amount", 10000)
	boss.Do("basket.add", "sku", "BRD-01")
	boss.Do("basket.tender", "type", "cash")
	at := time.Now().Add(-2 * time.Hour).UTC().Truncate(time.Second)
	boss.Refuse("reason-missing", "sale.late", "number", "H-7", "issuedAt", at, "reason", "")
	boss.Refuse("bad-time", "sale.late", "number", "H-7", "issuedAt", at.Add(24*time.Hour), "reason", "no power")
	shop.As(staff.Operator).Refuse("needs-approval", "sale.late", "number", "H-7", "issuedAt", at, "reason", "no power")
	boss.Do("sale.late", "number", "H-7", "issuedAt", at, "reason", "no power")
	shop.Kill() // its basket is over
	if b := shop.As(staff.Operator).State().Basket; b != nil && len(b.Lines) > 0 {
		t.Errorf("the basket is open again: %+v", b)
	}
	shop.Close()
	late := bodies[*fiscal.Receipt](t, shop)
	if len(late) != 1 || late[0].Late == nil || late[0].Late.Number != "H-7" || !late[0].Late.IssuedAt.Equal(at) || late[0].Number != 1 {
		t.Errorf("receipts %+v", late)
	}
}

// Requirement: POS-06
func TestAShopHasRolesOfItsOwn(t *testing.T) {
	shop := tilltest.New(t, tilltest.WithoutDevices())
	ada := shop.As(staff.Administrator)
	junior := []map[string]any{{"name": "junior", "base": "operator", "without": []string{"suspend"}}}
	ada.Approved(staff.Administrator, "settings.change", "roles", junior)
	ada.Approved(staff.Administrator, "people.change", "id", "2", "role", "junior")
	anna := shop.As(staff.Operator)
	anna.Do("basket.add", "sku", "BRD-01")
	anna.Refuse("forbidden", "basket.suspend")
	var people till.PeopleAnswer
	ada.Ask("/api/people", &people)
	if last := people.Roles[len(people.Roles)-1]; last.ID != "junior" {
		t.Errorf("roles %+v", people.Roles)
	}
	a := ada.Send(map[string]any{
		"id": tilltest.NewID(time.Now()), "do": "settings.change", "args": map[string]any{"roles": []any{}}, "approval": map[string]any{"person": "1", "pin": tilltest.PIN},
	})
	if a.Error == nil || a.Error.Code != "role-in-use" {
		t.Errorf("a role that somebody has was taken away: %+v", a.Error)
	}
	chief := []map[string]any{junior[0], {"name": "chief", "base": "administrator", "without": []string{}}}
	ada.Approved(staff.Administrator, "settings.change", "roles", chief)
	ada.Refuse("needs-approval", "people.add", "id", "9", "name", "Eve", "role", "chief", "pin", "7193") // as for its base
	shop.Restart()
	shop.As(staff.Operator).Refuse("forbidden", "basket.suspend")
}

// Requirement: POS-13
func TestAnotherProgramVersionIsJournaled(t *testing.T) {
	version := "plomb 1.0.0"
	shop := tilltest.New(t, tilltest.WithoutDevices(), tilltest.With(func(o *till.Options) { o.Software = version }))
	shop.Restart()
	version = "plomb 1.1.0"
	shop.Restart()
	shop.Restart()
	shop.Close()
	if got := bodies[*fiscal.SoftwareChange](t, shop); len(got) != 1 || got[0].Old != "plomb 1.0.0" || got[0].New != "plomb 1.1.0" {
		t.Errorf("changes of the program: %+v", got)
	}
}
