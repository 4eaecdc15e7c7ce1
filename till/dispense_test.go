package till_test

import (
	"context"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/plomb-pos/plomb/staff"
	"github.com/plomb-pos/plomb/till"
	"github.com/plomb-pos/plomb/till/devices/dispensertest"
	"github.com/plomb-pos/plomb/till/tilltest"
	"github.com/plomb-pos/plomb/xfs4iot/host"
)

// till with a dispenser on the counter.
type payShop struct {
	*tilltest.Shop
	link *gate
}

// gate is the way to the dispenser, which can be cut.
type gate struct {
	*dispensertest.Dispenser
	stop    context.CancelFunc
	done    chan error
	address string
	t       *testing.T
}

// open serves the dispenser at its address.
func (g *gate) open() {
	g.t.Helper()
	l, err := net.Listen("tcp", g.address)
	if err != nil {
		g.t.Fatal(err)
	}
	g.address = l.Addr().String()
	srv := host.New(host.Config{VendorName: "Test"})
	d, err := dispensertest.Open(g.path())
	if err != nil {
		g.t.Fatal(err)
	}
	if g.Dispenser != nil {
		d.AtStep, d.Refuse = g.AtStep, g.Refuse
	}
	g.Dispenser = d
	if err := srv.Add(d.Service); err != nil {
		g.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	g.stop, g.done = cancel, make(chan error, 1)
	go func() { g.done <- srv.Serve(ctx, l) }()
}

func (g *gate) path() string { return filepath.Join(g.t.TempDir(), "..", "dispenser.json") }

func newPayShop(t *testing.T, options ...tilltest.Option) *payShop {
	t.Helper()
	g := &gate{t: t, address: "127.0.0.1:0"}
	g.open()
	t.Cleanup(func() { g.stop(); <-g.done })
	options = append(options, tilltest.WithoutDevices(), tilltest.With(func(o *till.Options) { o.Devices = "ws://" + g.address }))
	s := &payShop{Shop: tilltest.New(t, options...), link: g}
	return s
}

// cashier signs in, opens the drawer, and waits for the dispenser.
func (s *payShop) cashier(role staff.Role) *tilltest.Client {
	c := s.As(role)
	c.Do("drawer.open", "amount", 10000)
	c.Until(func(s till.State) bool { return device(s, "dispenser") == "ready" })
	return c
}

func settled(s till.State) bool {
	return s.Dispense == nil && s.LastReceipt != nil && s.LastReceipt.Dispensed != "" && s.LastReceipt.Dispensed != till.PrintPending
}

// sell rings up bread for 3.49 against 5.00.
func sellBread(c *tilltest.Client) till.LastReceipt {
	c.Do("basket.add", "sku", "BRD-01")
	return c.Pay("cash", 500)
}

// Requirement: XFS-06
func TestChangeIsPaidByTheDispenser(t *testing.T) {
	shop := newPayShop(t)
	anna := shop.cashier(staff.Operator)
	shop.link.AtStep = func(step dispensertest.Step) {
		if step == dispensertest.Presented {
			go shop.link.Take()
		}
	}
	sold := sellBread(anna)
	if sold.Change != 151 || sold.Dispensed != till.PrintPending {
		t.Fatalf("receipt = %+v", sold)
	}
	s := anna.Until(settled)
	if s.LastReceipt.Dispensed != till.PrintedYes || shop.link.Paid() != 151 {
		t.Errorf("dispensed %q, the customer has %d", s.LastReceipt.Dispensed, shop.link.Paid())
	}
	wantKinds(t, shop.Shop, "intent", "dispensed", "outcome")
	var found struct {
		Expected int64 `json:"expected"`
	}
	anna.Do("drawer.count", "amount", 10500).Into(t, &found)
	if found.Expected != 10500 {
		t.Errorf("the drawer should hold %d, want float and the whole note", found.Expected)
	}
}

func TestWhatCannotBeDispensedComesFromTheDrawer(t *testing.T) {
	shop := newPayShop(t)
	anna := shop.cashier(staff.Operator)
	shop.link.Refuse = true
	sellBread(anna)
	s := anna.Until(settled)
	if s.LastReceipt.Dispensed != till.PrintedNo || shop.link.Paid() != 0 {
		t.Errorf("dispensed %q, the customer has %d", s.LastReceipt.Dispensed, shop.link.Paid())
	}
	if !hasNotice(s, "not-dispensed") {
		t.Errorf("notices = %+v", s.Notices)
	}
	var found struct {
		Expected int64 `json:"expected"`
	}
	anna.Do("drawer.count", "amount", 10349).Into(t, &found)
	if found.Expected != 10349 {
		t.Errorf("the drawer should hold %d", found.Expected)
	}
}

func hasNotice(s till.State, code string) bool {
	return slices.ContainsFunc(s.Notices, func(n till.Notice) bool { return n.Code == code })
}

// A second try needs somebody who answers for it, and pays once.
func TestChangeIsDispensedLaterAndOnce(t *testing.T) {
	shop := newPayShop(t)
	boss := shop.cashier(staff.Supervisor)
	shop.link.Refuse = true
	sold := sellBread(boss)
	boss.Until(settled)
	shop.link.AtStep = func(step dispensertest.Step) {
		if step == dispensertest.Presented {
			go shop.link.Take()
		}
	}
	id := tilltest.NewID(time.Now())
	for range 3 {
		if a := boss.Send(map[string]any{"id": id, "do": "change.dispense", "args": tilltest.Args("receipt", sold.Number)}); a.Error != nil {
			t.Fatalf("%+v", *a.Error)
		}
	}
	boss.Until(func(s till.State) bool { return settled(s) && s.LastReceipt.Dispensed == till.PrintedYes })
	boss.Refuse("change-dispensed", "change.dispense", "receipt", sold.Number)
	if shop.link.Paid() != 151 {
		t.Errorf("the customer has %d, want 151", shop.link.Paid())
	}
	boss.Refuse("unknown-receipt", "change.dispense", "receipt", 99)
}

func TestAPayOutIsPaidByTheDispenser(t *testing.T) {
	shop := newPayShop(t)
	boss := shop.cashier(staff.Supervisor)
	shop.link.AtStep = func(step dispensertest.Step) {
		if step == dispensertest.Presented {
			go shop.link.Take()
		}
	}
	boss.Approved(staff.Supervisor, "drawer.payout", "amount", 1234, "reason", "stamps", "dispense", true)
	boss.Until(func(s till.State) bool { return s.Dispense == nil && shop.link.Paid() > 0 })
	if shop.link.Paid() != 1234 {
		t.Errorf("paid %d, want 1234", shop.link.Paid())
	}
}

func TestCashThatNobodyTakesIsTakenBack(t *testing.T) {
	shop := newPayShop(t, tilltest.With(func(o *till.Options) { o.TakePatience = time.Millisecond }))
	anna := shop.cashier(staff.Operator)
	sellBread(anna)
	if s := anna.Until(settled); s.LastReceipt.Dispensed != till.PrintedNo || shop.link.Paid() != 0 {
		t.Errorf("dispensed %q, the customer has %d", s.LastReceipt.Dispensed, shop.link.Paid())
	}
}

// Requirement: XFS-06
func TestWhatTheDispenserDoesNotKnowAPersonDecides(t *testing.T) {
	shop := newPayShop(t)
	boss := shop.cashier(staff.Supervisor)
	shop.link.AtStep = func(step dispensertest.Step) {
		if step == dispensertest.Presented {
			shop.link.Take()
			shop.link.SetBlind(true)
		}
	}
	sellBread(boss)
	s := boss.Until(func(s till.State) bool { return s.Dispense != nil && s.Dispense.State == "unknown" })
	if !s.Dispense.Decide || s.Dispense.Amount != 151 || !hasNotice(s, "dispense-unknown") {
		t.Errorf("state = %+v, notices %+v", s.Dispense, s.Notices)
	}
	boss.Refuse("dispense-open", "drawer.close", "amount", 10500)
	if sold := sellBread(boss); sold.Dispensed != till.PrintedNo { // selling goes on; its change comes from the drawer
		t.Errorf("second receipt = %+v", sold)
	}
	boss.Refuse("no-open-dispense", "dispense.decide", "intent", 1, "paid", true, "reason", "x")
	if a := boss.Send(map[string]any{"id": tilltest.NewID(time.Now()), "do": "dispense.decide",
		"args": tilltest.Args("intent", s.Dispense.Intent, "paid", true, "reason", "the customer has it"), "approval": approval(staff.Supervisor)}); a.Error != nil {
		t.Fatalf("%+v", *a.Error)
	}
	boss.Until(func(s till.State) bool { return s.Dispense == nil })
	if shop.link.Paid() != 151 {
		t.Errorf("the customers have %d, want the first change only", shop.link.Paid())
	}
	admin := shop.As(staff.Administrator)
	admin.Until(func(till.State) bool {
		var list till.EntriesAnswer
		admin.Ask("/api/journal?kind=outcome", &list)
		return slices.ContainsFunc(list.Entries, func(e till.EntryRow) bool { return strings.Contains(e.Words, "done, as somebody said") })
	})
}

// A dispenser that was left with cash in it pays nothing until it is cleared.
func TestALeftoverBlocksTheDispenserUntilItIsCleared(t *testing.T) {
	shop := newPayShop(t)
	boss := shop.cashier(staff.Supervisor)
	shop.link.AtStep = func(step dispensertest.Step) {
		if step == dispensertest.Presented {
			shop.link.SetBlind(true)
		}
	}
	sellBread(boss)
	s := boss.Until(func(s till.State) bool { return s.Dispense != nil && s.Dispense.Decide })
	boss.Send(map[string]any{"id": tilltest.NewID(time.Now()), "do": "dispense.decide",
		"args": tilltest.Args("intent", s.Dispense.Intent, "paid", false, "reason", "it lies there"), "approval": approval(staff.Supervisor)})
	boss.Until(func(s till.State) bool { return s.Dispense == nil })
	shop.link.AtStep = func(dispensertest.Step) {}
	shop.link.SetBlind(false)
	boss.Refuse("dispenser-not-empty", "change.dispense", "receipt", 1)
	boss.Do("dispenser.clear")
	wantKinds(t, shop.Shop, "device-state", "outcome")
	shop.link.AtStep = func(step dispensertest.Step) {
		if step == dispensertest.Presented {
			go shop.link.Take()
		}
	}
	boss.Do("change.dispense", "receipt", 1)
	boss.Until(func(s till.State) bool { return s.Dispense == nil && shop.link.Paid() == 151 })
}

func approval(role staff.Role) map[string]any {
	return map[string]any{"person": tilltest.IDs[role], "pin": tilltest.PIN}
}

// What is open at a kill is read from the device at the next start, and nothing is
// ordered again.
func TestAKilledTillReadsWhatBecameOfTheChange(t *testing.T) {
	for _, step := range dispensertest.Steps()[1:] {
		t.Run(string(step), func(t *testing.T) {
			shop := newPayShop(t)
			anna := shop.cashier(staff.Operator)
			reached, goOn := make(chan struct{}, 8), make(chan struct{})
			shop.link.AtStep = func(s dispensertest.Step) {
				if s == step {
					reached <- struct{}{}
					<-goOn
				}
				if s == dispensertest.Presented {
					go shop.link.Take()
				}
			}
			sellBread(anna)
			<-reached
			close(goOn)
			shop.Kill()
			shop.link.AtStep = func(dispensertest.Step) {}
			anna = shop.As(staff.Operator)
			anna.Until(func(s till.State) bool { return s.Dispense == nil && !openDispense(t, shop.Shop) })
			if got, want := journaled(t, shop.Shop), int64(shop.link.Paid()); got != want {
				t.Errorf("the journal says %d were paid, the customer has %d", got, want)
			}
		})
	}
}

// journaled is the sum of what the journal says was dispensed.
func journaled(t *testing.T, shop *tilltest.Shop) (sum int64) {
	t.Helper()
	admin := shop.As(staff.Administrator)
	size := admin.State().Journal.Size
	admin.Until(func(s till.State) bool { return s.Journal.Searched >= size })
	var list till.EntriesAnswer
	admin.Ask("/api/journal?kind=dispensed", &list)
	for _, e := range list.Entries {
		sum += int64(*e.Amount)
	}
	return sum
}

// openDispense counts intents to dispense against outcomes.
func openDispense(t *testing.T, shop *tilltest.Shop) bool {
	t.Helper()
	var intents, outcomes till.EntriesAnswer
	admin := shop.As(staff.Administrator)
	admin.Ask("/api/journal?kind=intent&q=dispense", &intents)
	admin.Ask("/api/journal?kind=outcome", &outcomes)
	return len(intents.Entries) > len(outcomes.Entries)
}
