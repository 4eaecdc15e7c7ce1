package till_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/plomb-pos/plomb/catalog/sample"
	"github.com/plomb-pos/plomb/staff"
	"github.com/plomb-pos/plomb/till"
	"github.com/plomb-pos/plomb/till/sqlite"
	"github.com/plomb-pos/plomb/till/tilltest"
)

// Requirement: POS-06
func TestPeopleAreAddedChangedAndShutOut(t *testing.T) {
	shop := tilltest.New(t, tilltest.WithoutDevices())
	ada := shop.As(staff.Administrator)
	ada.Refuse("needs-proof", "people.add", "id", "20", "name", "Zoe", "role", "operator", "pin", "7193")
	ada.Approved(staff.Administrator, "people.add", "id", "20", "name", "Zoe", "role", "operator", "pin", "7193")
	zoe := shop.Client()
	if status, body := zoe.Post("/api/sign-in", map[string]string{"person": "20", "pin": "7193"}); status != 200 {
		t.Fatalf("sign in: %d %s", status, body)
	}
	ada.Refuse("needs-approval", "people.add", "id", "21", "role", "administrator", "pin", "7193")
	ada.Approved(staff.Responsible, "people.add", "id", "21", "name", "Bea", "role", "administrator", "pin", "7193")
	ada.Approved(staff.Administrator, "people.change", "id", "20", "active", false)
	zoe.Refuse("not-signed-in", "basket.add", "sku", "BRD-01")
	if status, _ := zoe.Post("/api/sign-in", map[string]string{"person": "20", "pin": "7193"}); status == 200 {
		t.Error("somebody who was shut out signed in")
	}
	shop.Kill()
	var list till.PeopleAnswer
	shop.As(staff.Administrator).Ask("/api/people", &list)
	i := slices.IndexFunc(list.People, func(p till.PersonRow) bool { return p.ID == "20" })
	if i < 0 || list.People[i].Active || len(list.People) != 9 {
		t.Errorf("people = %+v", list.People)
	}
	wantKinds(t, shop, "user-change", "step-up", "login")
}

func TestOnesOwnPINIsChanged(t *testing.T) {
	shop := tilltest.New(t, tilltest.WithoutDevices())
	anna := shop.As(staff.Operator)
	anna.Refuse("needs-proof", "people.pin", "id", "2", "pin", "8531")
	anna.Refuse("forbidden", "people.pin", "id", "3", "pin", "8531")
	elsewhere := shop.As(staff.Operator)
	anna.Approved(staff.Operator, "people.pin", "id", "2", "pin", "8531")
	elsewhere.Refuse("not-signed-in", "basket.add", "sku", "BRD-01")
	anna.Do("basket.add", "sku", "BRD-01")
	if status, _ := shop.Client().Post("/api/sign-in", map[string]string{"person": "2", "pin": "8531"}); status != 200 {
		t.Errorf("new PIN: %d", status)
	}
	if status, _ := shop.Client().Post("/api/sign-in", map[string]string{"person": "2", "pin": tilltest.PIN}); status == 200 {
		t.Error("the old PIN still works")
	}
}

func TestSettingsAndLanguageAreChanged(t *testing.T) {
	shop := tilltest.New(t, tilltest.WithoutDevices())
	ada := shop.As(staff.Administrator)
	ada.Approved(staff.Administrator, "settings.change", "name", "Laden", "footer", []string{"Danke"}, "lockAfterSeconds", 60, "currencies", []map[string]string{{"code": "CHF", "rate": "1.05"}})
	a := ada.Do("language.set", "language", "de")
	if a.State.Shop.Name != "Laden" || a.State.Shop.Language != "de" || len(a.State.Shop.Currencies) != 1 || a.State.Shop.Currencies[0].Rate != "1.05" {
		t.Errorf("shop = %+v", a.State.Shop)
	}
	c := ada.Send(map[string]any{"id": tilltest.NewID(time.Now()), "do": "settings.change", "args": tilltest.Args("currency", "PLN"), "approval": map[string]any{"person": "1", "pin": tilltest.PIN}})
	if c.Error == nil || c.Error.Code != "field-fixed" {
		t.Errorf("another currency: %+v", c.Error)
	}
	var set till.SettingsAnswer
	ada.Ask("/api/settings", &set)
	if *set.Shop.Name != "Laden" || *set.Shop.LockAfterSeconds != 60 || !slices.Contains(set.Fixed, "currency") {
		t.Errorf("settings = %+v", set)
	}
	anna := shop.As(staff.Operator)
	anna.Do("drawer.open")
	anna.Do("basket.add", "sku", "BRD-01")
	var p tilltest.Paid
	anna.Do("basket.tender", "type", "cash", "currency", "CHF", "amount", 1000, "complete", true).Into(t, &p)
	if p.Receipt == nil || p.Change != 1050-349 {
		t.Errorf("paid in francs: %+v", p)
	}
	var r till.ReceiptAnswer
	anna.Ask("/api/receipts/1", &r)
	if !strings.Contains(r.Text, "Danke") || !strings.Contains(r.Text, "CHF") {
		t.Errorf("receipt:\n%s", r.Text)
	}
}

func TestArticlesAreImportedWholeOrNotAtAll(t *testing.T) {
	shop := tilltest.New(t, tilltest.WithoutDevices())
	ada := shop.As(staff.Administrator)
	csv := strings.Replace(string(sample.File), "黑麦面包 750 克,3.49", "黑麦面包 750 克,3.99", 1)
	var out till.ImportAnswer
	ada.Do("articles.import", "csv", csv, "dryRun", true).Into(t, &out)
	if out.Applied || out.Changed != 1 || len(out.Changes) != 1 || out.Changes[0].SKU != "BRD-01" {
		t.Errorf("dry run = %+v", out)
	}
	bad := csv + "XXX,123,,Bad,,,,1.00,reduced,piece,Bakery,,,,\n"
	ada.Do("articles.import", "csv", bad).Into(t, &out)
	if out.Applied || len(out.Problems) == 0 {
		t.Errorf("a file with mistakes = %+v", out)
	}
	ada.Do("articles.import", "csv", csv).Into(t, &out)
	if !out.Applied {
		t.Errorf("import = %+v", out)
	}
	shop.Kill()
	anna := shop.As(staff.Operator)
	if a := anna.Do("basket.add", "sku", "BRD-01"); a.State.Basket.Total != 399 {
		t.Errorf("new price: %+v", a.State.Basket)
	}
	wantKinds(t, shop, "article-change")
}

// Requirement: POS-14
func TestTheClockNeverGoesBackAndItsStepsAreJournaled(t *testing.T) {
	var offset atomic.Int64
	shop := tilltest.New(t, tilltest.WithoutDevices(), tilltest.With(func(o *till.Options) {
		o.Now = func() time.Time { return time.Now().Add(time.Duration(offset.Load())) }
	}))
	anna := shop.As(staff.Operator)
	anna.Do("drawer.open")
	anna.Sell("BRD-01")
	offset.Store(int64(-time.Hour))
	anna.Until(func(s till.State) bool { return s.Clock.Unsure })
	anna.Sell("BRD-01")
	offset.Store(int64(20 * time.Minute))
	anna.Sell("BRD-01")
	wantKinds(t, shop, "clock-change")
	var last time.Time
	inspector := shop.As(staff.Inspector)
	var list till.EntriesAnswer
	inspector.Ask("/api/journal?limit=200", &list)
	slices.Reverse(list.Entries)
	steps := 0
	for _, e := range list.Entries {
		if e.Time.Before(last) {
			t.Errorf("entry %d is at %v, the one before at %v", e.Index, e.Time, last)
		}
		last = e.Time
		if e.Kind == "clock-change" {
			steps++
		}
	}
	if steps != 2 {
		t.Errorf("%d clock changes, want 2", steps)
	}
	var r till.EntryAnswer
	inspector.Ask("/api/journal/"+number(list.Entries[len(list.Entries)-1].Index), &r)
	if r.Head.Flags&1 == 0 {
		t.Error("entries after a step are not marked")
	}
}

// Requirement: POS-06
func TestRefusalsAreJournaledButCannotFillTheDisk(t *testing.T) {
	shop := tilltest.New(t, tilltest.WithoutDevices())
	anna := shop.As(staff.Operator)
	before := anna.State().Journal.Size
	for range 200 {
		anna.Refuse("forbidden", "settings.change", "name", "mine")
	}
	anna.Until(func(s till.State) bool { return s.Journal.Size-before >= 20 }) // nobody has waited for them
	if grown := anna.State().Journal.Size - before; grown > 60 {
		t.Errorf("200 refusals made %d entries", grown)
	}
}

func TestTheProjectionIsMadeAnewWhenItIsGone(t *testing.T) {
	shop := tilltest.New(t, tilltest.WithoutDevices())
	anna := shop.As(staff.Operator)
	anna.Do("drawer.open")
	anna.Sell("BRD-01")
	anna.Sell("DRY-01")
	shop.Close()
	if err := sqlite.RemoveProjection(filepath.Join(shop.Dir, "projection.db")); err != nil {
		t.Fatal(err)
	}
	shop.Restart()
	anna = shop.As(staff.Operator)
	anna.Until(func(s till.State) bool { return s.Journal.Searched == s.Journal.Size })
	var list till.ReceiptsAnswer
	anna.Ask("/api/receipts?q=milk", &list)
	if len(list.Receipts) != 1 || list.Receipts[0].Number != 2 {
		t.Errorf("receipts = %+v", list.Receipts)
	}
	shop.Close()
	if err := os.WriteFile(filepath.Join(shop.Dir, "projection.db"), []byte("scribble"), 0o600); err != nil {
		t.Fatal(err)
	}
	shop.Restart()
	anna = shop.As(staff.Operator)
	if r := anna.Sell("BRD-01"); r.Number != 3 {
		t.Errorf("receipt = %+v", r)
	}
}

// Requirement: POS-08
func TestEntriesAreShownAndProved(t *testing.T) {
	shop := tilltest.New(t, tilltest.WithoutDevices())
	anna := shop.As(staff.Operator)
	anna.Do("drawer.open")
	r := anna.Sell("BRD-01")
	anna.Sell("DRY-01")
	inspector, boss := shop.As(staff.Inspector), shop.As(staff.Supervisor)
	var e till.EntryAnswer
	inspector.Ask("/api/journal/"+number(r.Index), &e)
	if e.Kind != "receipt" || e.Number != 1 || len(e.Facts) < 4 || !strings.Contains(string(e.Body), "BRD-01") || len(e.Leaf) != 64 {
		t.Errorf("entry = %+v", e)
	}
	for i := range r.Index + 1 {
		var p till.ProofAnswer
		inspector.Ask("/api/journal/"+string(digits(i))+"/proof", &p)
		last := p.Leaf
		if len(p.Steps) > 0 {
			last = p.Steps[len(p.Steps)-1].Node
		}
		if !p.Holds || last != p.Root {
			t.Errorf("proof of %d: holds %v, steps end at %s, root %s", i, p.Holds, last, p.Root)
		}
	}
	// Security events are not for a supervisor.
	if status, _ := boss.Fetch("GET", "/api/journal/0", nil); status != 403 {
		t.Errorf("a supervisor sees the commissioning: %d", status)
	}
	var list till.EntriesAnswer
	boss.Ask("/api/journal", &list)
	for _, x := range list.Entries {
		if x.Kind == "login" || x.Kind == "auth-fail" {
			t.Errorf("a supervisor sees %+v", x)
		}
	}
	if status, _ := anna.Fetch("GET", "/api/journal", nil); status != 403 {
		t.Errorf("an operator sees the journal: %d", status)
	}
}

func digits(n uint64) []byte {
	if n == 0 {
		return []byte("0")
	}
	return []byte(number(n))
}

func TestAScreenThatNobodyTouchesLocksItself(t *testing.T) {
	var ahead, passed atomic.Int64
	began := time.Now()
	shop := tilltest.New(t, tilltest.WithoutDevices(), tilltest.With(func(o *till.Options) {
		o.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load() + passed.Load())) }
		o.Uptime = func() time.Duration { return time.Since(began) + time.Duration(passed.Load()) }
	}))
	anna := shop.As(staff.Operator)
	ahead.Store(int64(time.Hour)) // the wall clock errs for a moment
	anna.Do("basket.add", "sku", "BRD-01")
	ahead.Store(0)
	if anna.State().Session.Locked {
		t.Error("a step of the clock locked the screen")
	}
	passed.Store(int64(6 * time.Minute))
	s := anna.Until(func(s till.State) bool { return s.Session != nil && s.Session.Locked })
	if s.Basket != nil {
		t.Error("the locked screen shows the basket")
	}
	wantKinds(t, shop, "lock")
}

// TestANewShopTakesItsOwnArticlesInPlaceOfTheSample holds the sample's price
// lists against a file that has none of their articles.
func TestANewShopTakesItsOwnArticlesInPlaceOfTheSample(t *testing.T) {
	shop := tilltest.New(t, tilltest.WithoutDevices())
	csv := "sku,name,price,tax_class,unit\nOWN-1,Own article,1.50,standard,piece\n"
	var out till.ImportAnswer
	shop.As(staff.Administrator).Do("articles.import", "csv", csv).Into(t, &out)
	if !out.Applied || out.Added != 1 || len(out.Problems) != 0 {
		t.Errorf("import = %+v", out)
	}
}
