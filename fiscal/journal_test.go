package fiscal_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/plomb-pos/plomb/catalog"
	"github.com/plomb-pos/plomb/drawer"
	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/journal/proof"
	"github.com/plomb-pos/plomb/money"
	"github.com/plomb-pos/plomb/sale"
	"github.com/plomb-pos/plomb/staff"
)

var update = flag.Bool("update", false, "write testdata")

var (
	anna = fiscal.Actor{By: "anna"}
	both = fiscal.Actor{By: "anna", Approver: "boss"}
)

// everything records at least one entry of every kind but a later epoch's first and the
// till's end.
func everything(t testing.TB) *till {
	x := newTill(t)
	x.record(&fiscal.SoftwareStart{Version: "1.0.0", Clean: true})
	x.record(&fiscal.AuthFail{Claimed: "anna", For: "sign-in", Failures: 1})
	x.record(&fiscal.Login{Actor: anna, Role: staff.Operator, Method: "pin"})
	x.record(&fiscal.ArticleChange{Actor: fiscal.Actor{By: "root"}, New: catalog.HashOf([]byte("x")), Added: 2})
	x.record(&fiscal.PriceChange{Actor: fiscal.Actor{By: "root"}, SKU: "coffee", Old: 2_450_000, New: 2_550_000})
	x.record(&fiscal.PriceLookup{Actor: anna, SKU: "coffee", Price: 2_550_000})
	x.record(&fiscal.UserChange{Actor: fiscal.Actor{By: "root"}, Person: "anna", What: "pin"})
	first := x.sell(sale.Sale, 3*money.One, sale.Cash)
	second := x.sell(sale.Sale, money.One, sale.Card)
	intent := x.record(&fiscal.Intent{Actor: anna, Action: "print", Device: "ReceiptPrinter", Entry: &first})
	x.record(&fiscal.Outcome{Intent: intent, Result: fiscal.Done})
	x.record(&fiscal.Printed{Entry: first})
	x.record(&fiscal.PrintFailed{Entry: second, Why: "paper-out"})
	x.record(&fiscal.DeviceState{Device: "ReceiptPrinter", State: "down", Cause: "paper-out"})
	x.record(&fiscal.DrawerOpened{Cause: "sale", Entry: &first})
	x.record(&fiscal.DrawerClosed{})
	x.record(&fiscal.StepUp{Actor: both, Operation: staff.Return, Method: "pin"})
	x.giveBack(first, 1, money.One)
	x.giveBack(first, 1, 2*money.One)
	x.void(second)
	x.lines()
	x.record(&fiscal.NoSale{Actor: both, Reason: "change for a note"})
	x.record(&fiscal.PayIn{Actor: both, Movement: fiscal.Movement{Amount: 500, Reason: "found"}})
	x.record(&fiscal.PayOut{Actor: both, Movement: fiscal.Movement{Amount: 700, Reason: "stamps"}})
	x.record(&fiscal.Copy{Actor: anna, Receipt: x.original(first).Reference, Copy: 1, Total: x.docs[first].Total})
	x.record(&fiscal.Lock{Actor: anna, Reason: "idle"})
	x.record(&fiscal.Unlock{Actor: anna, Method: "pin"})
	x.record(&fiscal.Refused{Actor: anna, Role: staff.Operator, Operation: staff.SettingsChange, Reason: "forbidden"})
	x.record(&fiscal.TrainingMode{Actor: both, On: true})
	x.sell(sale.Training, money.One, sale.Cash)
	x.record(&fiscal.TrainingMode{Actor: anna, On: false})
	x.record(&fiscal.SignerDown{Why: "timeout"})
	x.sell(sale.Sale, money.One, sale.Cash)
	x.record(x.state.NewSignerUp())
	x.late()
	x.record(&fiscal.ClockChange{Before: x.now, After: x.now.Add(time.Minute), Step: 60_000, Source: "ntp", Unsure: true})
	x.sell(sale.Sale, money.One, sale.Card)
	x.record(&fiscal.ClockChange{Before: x.now, After: x.now, Source: "ntp"})
	x.record(must(x.state.NewXReport(anna, x.now))(t))
	x.count(13_000)
	x.record(must(x.state.NewShiftClose(anna))(t))
	x.z()
	x.settings()
	x.record(&fiscal.KeyRotate{Actor: both, Old: "k1", New: "k2"})
	x.record(&fiscal.SoftwareChange{Actor: both, Old: "1.0.0", New: "1.1.0", Stage: "installed"})
	x.record(&fiscal.Recovery{TornBytes: 512, Holes: []fiscal.Hole{{First: 3, Last: 3, Why: "crc"}}})
	x.record(&fiscal.Export{Actor: both, Format: "journal", First: 0, Last: 9})
	x.record(&fiscal.JournalViewed{Actor: both, What: "list"})
	x.record(&fiscal.CountrySignature{Scheme: "rksv-r1", Value: "x", Code: "_R1-AT1_"})
	x.record(&fiscal.Logout{Actor: anna, Reason: "asked"})
	paid := x.record(dispense(first))
	x.record(&fiscal.Dispensed{Intent: paid, Entry: &first, Amount: 250})
	x.record(&fiscal.Outcome{Intent: paid, Result: fiscal.Done, Cash: reading(1)})
	x.record(&fiscal.ConnectionRefused{Peer: "192.0.2.9:4711", Identity: "stranger", Service: "Dispenser", Reason: "rights"})
	x.update()
	return x
}

// wholeLife is everything, and what format 2 brought: a bill, and the end of the till.
func wholeLife(t testing.TB) *till {
	x := everything(t)
	x.bill()
	x.z()
	x.record(must(x.state.NewDecommission(both, "the shop closes", "Kornblume GmbH, Marktplatz 4"))(t))
	x.record(&fiscal.JournalViewed{Actor: both, What: "list"})
	return x
}

// bill prints what a basket comes to, before it is paid.
func (x *till) bill() {
	b := x.basket(sale.Sale)
	if _, err := b.AddLine(coffee, 2*money.One, sale.Apart, x.now); err != nil {
		x.t.Fatal(err)
	}
	x.record(must(x.state.NewProForma(anna, b, x.now))(x.t))
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func (x *till) void(index uint64) uint64 {
	o := x.original(index)
	return x.document(must(sale.Void(o, "anna", "boss", "wrong goods", x.now))(x.t), &o)
}

// lines takes a basket through removal, suspension and abortion.
func (x *till) lines() {
	b := x.basket(sale.Sale)
	for range 2 {
		if _, err := b.AddLine(coffee, money.One, sale.Apart, x.now); err != nil {
			x.t.Fatal(err)
		}
	}
	removed := must(b.RemoveLine(2))(x.t)
	x.record(&fiscal.LineRemoved{Actor: anna, Basket: b.ID, Mode: b.Mode, Removed: removed, Reason: "scanned twice"})
	x.record(&fiscal.Suspended{Actor: anna, Basket: b.ID, Mode: b.Mode, Label: "dog", Lines: 1, Total: 255})
	x.record(&fiscal.Resumed{Actor: anna, Basket: b.ID, Mode: b.Mode})
	t := must(b.Abort())(x.t)
	x.record(&fiscal.Aborted{Actor: anna, Basket: b.ID, Mode: b.Mode, Lines: b.Lines, Total: t.Total})
}

func (x *till) late() {
	b := x.basket(sale.Sale)
	if _, err := b.AddLine(coffee, money.One, sale.Apart, x.now); err != nil {
		x.t.Fatal(err)
	}
	if _, err := b.Tender(sale.Payment{Type: sale.Cash}, x.now); err != nil {
		x.t.Fatal(err)
	}
	d := must(b.Complete("anna", x.now))(x.t)
	x.record(must(x.state.NewReceipt(d, nil, &fiscal.Late{Number: "H-1", IssuedAt: start, Reason: "no power"}))(x.t))
}

func (x *till) count(a money.Amount) {
	x.record(must(x.state.NewCount(anna, drawer.Count{Amount: a}, x.now))(x.t))
}

func (x *till) z() {
	x.record(must(x.state.NewZReport(both, x.now))(x.t))
	x.record(must(x.state.NewSnapshot())(x.t))
}

func (x *till) settings() {
	s := x.state.Shop
	s.Footer = []string{"See you"}
	x.record(&fiscal.ConfigChange{Actor: fiscal.Actor{By: "root"}, Shop: s})
	s.TaxTable = append(s.TaxTable[:len(s.TaxTable):len(s.TaxTable)], s.TaxTable[0])
	s.TaxTable[2].From, s.TaxTable[2].Rate = "2027-01-01", 20_000
	x.record(&fiscal.TaxChange{Actor: both, Shop: s})
}

// Requirement: POS-06
func TestEveryKindIsRecordedAndFolds(t *testing.T) {
	x := wholeLife(t)
	seen := map[proof.Kind]bool{fiscal.KindEpoch: true, fiscal.KindDeviceHost: true} // first entries of other journals
	for _, h := range x.heads {
		seen[h.Kind] = true
	}
	for _, k := range fiscal.Kinds() {
		if !seen[k] {
			t.Errorf("no entry of kind %s", fiscal.KindName(k))
		}
	}
	check := fiscal.NewCheck(x.lookup)
	for i, h := range x.heads {
		for _, f := range check.Entry(h, x.bodies[i]) {
			t.Errorf("finding in an honest journal: %v", f)
		}
	}
	if diff := cmp.Diff(snapshot(t, &x.state), snapshot(t, check.State())); diff != "" {
		t.Errorf("till and verifier differ:\n%s", diff)
	}
}

func (x *till) lookup(_ string, index uint64) (*fiscal.Receipt, error) {
	b, err := fiscal.Decode(x.heads[index].Kind, x.bodies[index])
	if err != nil {
		return nil, err
	}
	r, ok := b.(*fiscal.Receipt)
	if !ok {
		return nil, fmt.Errorf("entry %d is no receipt", index)
	}
	return r, nil
}

func snapshot(t testing.TB, s *fiscal.State) string {
	t.Helper()
	data, err := s.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestKindsAndTagsStayWhatTheyAre(t *testing.T) {
	var b strings.Builder
	for _, k := range fiscal.Kinds() {
		fmt.Fprintf(&b, "kind %d %s\n", k, fiscal.KindName(k))
		if again, ok := fiscal.KindNamed(fiscal.KindName(k)); !ok || again != k {
			t.Errorf("KindNamed(%s) = %d", fiscal.KindName(k), again)
		}
	}
	for tag := uint8(1); tag <= 28; tag++ {
		fmt.Fprintf(&b, "tag %d %s\n", tag, fiscal.TagName(tag))
	}
	golden(t, "registry.txt", b.String())
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile("testdata/"+name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

// Bodies of version 1 decode for ever.
func TestBodiesOfThisVersionStayReadable(t *testing.T) {
	x := everything(t)
	var b strings.Builder
	for i, h := range x.heads {
		fmt.Fprintf(&b, "%s %s\n", fiscal.KindName(h.Kind), x.bodies[i])
	}
	golden(t, "bodies-v1.txt", b.String())
	readable(t, "testdata/bodies-v1.txt")
}

func TestEntriesNamedByTheTableOfOperationsExist(t *testing.T) {
	for _, op := range staff.Table() {
		if _, ok := fiscal.KindNamed(op.Entry); op.Entry != "" && !ok {
			t.Errorf("operation %s is recorded as %q, which is no kind", op.Name, op.Entry)
		}
	}
}

func TestRestoredStateGoesOnLikeTheOneThatWasNeverStopped(t *testing.T) {
	x := wholeLife(t)
	rapid.Check(t, func(rt *rapid.T) {
		cut := rapid.IntRange(1, len(x.heads)-1).Draw(rt, "cut")
		var s fiscal.State
		for i := range cut {
			if err := s.Apply(x.heads[i], x.bodies[i]); err != nil {
				rt.Fatal(err)
			}
		}
		data, err := s.Snapshot()
		if err != nil {
			rt.Fatal(err)
		}
		again, err := fiscal.Restore(data)
		if err != nil {
			rt.Fatal(err)
		}
		for i := cut; i < len(x.heads); i++ {
			if err := again.Apply(x.heads[i], x.bodies[i]); err != nil {
				rt.Fatalf("entry %d: %v", i, err)
			}
		}
		if diff := cmp.Diff(snapshot(t, &x.state), snapshot(t, again)); diff != "" {
			rt.Fatalf("states differ:\n%s", diff)
		}
	})
}

func TestStartFromASnapshotEntry(t *testing.T) {
	x := everything(t)
	at := 0
	for i, h := range x.heads {
		if h.Kind == fiscal.KindSnapshot {
			at = i
		}
	}
	var s fiscal.State
	check := fiscal.NewCheck(nil)
	for i := at; i < len(x.heads); i++ {
		if err := s.Apply(x.heads[i], x.bodies[i]); err != nil {
			t.Fatal(err)
		}
		if f := check.Entry(x.heads[i], x.bodies[i]); len(f) > 0 {
			t.Errorf("findings from the snapshot on: %v", f)
		}
	}
	if diff := cmp.Diff(snapshot(t, &x.state), snapshot(t, &s)); diff != "" {
		t.Errorf("states differ:\n%s", diff)
	}
}

// Each row forges one thing; the check has to name the entry and the reason.
func TestCheckFindsForgeries(t *testing.T) {
	honest := wholeLife(t)
	kindAt := func(k proof.Kind, nth int) int {
		for i, h := range honest.heads {
			if h.Kind == k {
				if nth--; nth < 0 {
					return i
				}
			}
		}
		t.Fatalf("no entry of kind %s", fiscal.KindName(k))
		return 0
	}
	number := func(h *proof.Head, tag uint8, add int64) {
		for i := range h.Numbers {
			if h.Numbers[i].Tag == tag {
				h.Numbers[i].Value += add
			}
		}
	}
	swap := func(old, new string) func(*proof.Head, []byte) []byte {
		return func(_ *proof.Head, b []byte) []byte {
			if !bytes.Contains(b, []byte(old)) {
				t.Fatalf("%q is not in %s", old, b)
			}
			return bytes.Replace(b, []byte(old), []byte(new), 1)
		}
	}
	for name, c := range map[string]struct {
		at    int
		forge func(*proof.Head, []byte) []byte
		code  string
	}{
		"document number skipped": {kindAt(fiscal.KindReceipt, 1), func(h *proof.Head, b []byte) []byte {
			number(h, fiscal.TagDocument, 1)
			return bytes.Replace(b, []byte(`{"number":2,`), []byte(`{"number":3,`), 1)
		}, fiscal.CodeDocumentNumber},
		"head says another total":     {kindAt(fiscal.KindReceipt, 0), func(h *proof.Head, b []byte) []byte { number(h, fiscal.TagGross, -100); return b }, fiscal.CodeNumbers},
		"grand total in head":         {kindAt(fiscal.KindReceipt, 0), func(h *proof.Head, b []byte) []byte { number(h, fiscal.TagNetAfter, -100); return b }, fiscal.CodeNumbers},
		"grand total in body":         {kindAt(fiscal.KindReceipt, 0), swap(`"after":{"sale":3762`, `"after":{"sale":3761`), fiscal.CodeGrand},
		"a line cheaper":              {kindAt(fiscal.KindReceipt, 0), swap(`"extended":765`, `"extended":665`), sale.CodeDocument},
		"tax moved between rates":     {kindAt(fiscal.KindReceipt, 0), swap(`"rate":19000,"net":643`, `"rate":19000,"net":642`), sale.CodeDocument},
		"card made cash":              {kindAt(fiscal.KindReceipt, 1), swap(`"type":"card"`, `"type":"cash"`), fiscal.CodeNumbers},
		"training flag cleared":       {kindAt(fiscal.KindTraining, 0), func(h *proof.Head, b []byte) []byte { h.Flags = 0; return b }, fiscal.CodeFlags},
		"sale relabelled as training": {kindAt(fiscal.KindReceipt, 0), func(h *proof.Head, b []byte) []byte { h.Kind = fiscal.KindTraining; return b }, fiscal.CodeWrongKind},
		"outage mark removed":         {kindAt(fiscal.KindReceipt, 2), swap(`,"outage":true`, ``), fiscal.CodeOutage},
		"return of more":              {kindAt(fiscal.KindReturn, 1), swap(`"quantity":-2000000`, `"quantity":-3000000`), fiscal.CodeReturned},
		"earlier returns forgotten": {kindAt(fiscal.KindReturn, 1), func(_ *proof.Head, b []byte) []byte {
			i, j := bytes.Index(b, []byte(`,"earlier":`)), bytes.Index(b, []byte(`,"previous":`))
			return append(bytes.Clone(b[:i]), b[j:]...)
		}, fiscal.CodeReturned},
		"Z with another count":       {kindAt(fiscal.KindZReport, 0), swap(`"sales":{"count":5`, `"sales":{"count":4`), fiscal.CodeFigures},
		"Z without refused commands": {kindAt(fiscal.KindZReport, 0), swap(`"refused":1`, `"refused":0`), fiscal.CodeFigures},
		"copy not counted":           {kindAt(fiscal.KindCopy, 0), swap(`"copy":1`, `"copy":2`), fiscal.CodeCopyNumber},
		"outage of fewer receipts":   {kindAt(fiscal.KindSignerUp, 0), swap(`"count":1`, `"count":0`), fiscal.CodeOutage},
		"count that expects less":    {kindAt(fiscal.KindCount, 0), swap(`"expected":14306`, `"expected":14206`), fiscal.CodeSession},
		"snapshot with more":         {kindAt(fiscal.KindSnapshot, 0), swap(`"document":9`, `"document":8`), fiscal.CodeSnapshot},
		"unknown field":              {kindAt(fiscal.KindLogin, 0), swap(`{"by":`, `{"x":1,"by":`), fiscal.CodeNewer},
		"blank in the body":          {kindAt(fiscal.KindLogin, 0), swap(`{"by":`, `{ "by":`), fiscal.CodeNotCanonical},
		"time put back":              {kindAt(fiscal.KindLogout, 0), func(h *proof.Head, b []byte) []byte { h.Time -= 3_600_000; return b }, fiscal.CodeTime},
		"another journal's entry":    {kindAt(fiscal.KindLogout, 0), func(h *proof.Head, b []byte) []byte { h.Origin = "till-2/e1"; return b }, fiscal.CodeOrigin},
	} {
		t.Run(name, func(t *testing.T) {
			check := fiscal.NewCheck(honest.lookup)
			var found []fiscal.Finding
			for i, h := range honest.heads {
				body := honest.bodies[i]
				if i == c.at {
					h = h.Clone()
					body = c.forge(h, bytes.Clone(body))
				}
				found = append(found, check.Entry(h, body)...)
			}
			if len(found) == 0 || found[0].Index != uint64(c.at) || found[0].Code != c.code {
				t.Fatalf("findings = %v, want %s at %d first", found, c.code, c.at)
			}
			if len(found) > 8 {
				t.Errorf("one forgery gave %d findings: %v", len(found), found)
			}
		})
	}
}

func TestCheckSaysWhatIsMissing(t *testing.T) {
	x := everything(t)
	check := fiscal.NewCheck(nil)
	var found []fiscal.Finding
	for i, h := range x.heads {
		if i == 11 { // a sale
			continue
		}
		found = append(found, check.Entry(h, x.bodies[i])...)
	}
	if len(found) == 0 || found[0].Code != fiscal.CodeIndex || found[0].Index != 12 {
		t.Errorf("findings = %v", found)
	}
}

func TestCheckGoesOnByHeadsWhereBodiesWereErased(t *testing.T) {
	x := everything(t)
	check := fiscal.NewCheck(nil)
	for i, h := range x.heads {
		body := x.bodies[i]
		if h.Kind == fiscal.KindReceipt {
			body = nil
		}
		for _, f := range check.Entry(h, body) {
			t.Errorf("finding: %v", f)
		}
	}
	entries, findings := check.Counts()
	if entries != uint64(len(x.heads)) || findings != 0 {
		t.Errorf("counts = %d, %d", entries, findings)
	}
}

func TestStateRefusesWhatDoesNotFollow(t *testing.T) {
	x := everything(t)
	before := snapshot(t, &x.state)
	sold := x.docs[10]
	for name, c := range map[string]struct {
		do   func() error
		code string
	}{
		"second commissioning": {func() error { _, err := x.state.Draft(&fiscal.Commission{Shop: shop()}); return err }, fiscal.CodeCommissioned},
		"signer up twice":      {func() error { _, err := x.state.Draft(x.state.NewSignerUp()); return err }, fiscal.CodeOutage},
		"outcome of nothing":   {func() error { _, err := x.state.Draft(&fiscal.Outcome{Intent: 5, Result: fiscal.Done}); return err }, fiscal.CodeIntent},
		"training off twice":   {func() error { _, err := x.state.Draft(&fiscal.TrainingMode{}); return err }, fiscal.CodeMode},
		"cash without a shift": {func() error { _, err := x.state.NewReceipt(sold, nil, nil); return err }, drawer.CodeClosed},
		"pay-in without shift": {func() error { _, err := x.state.Draft(&fiscal.PayIn{Movement: fiscal.Movement{Amount: 1}}); return err }, drawer.CodeClosed},
		"void after the Z":     {func() error { return x.tryVoid(10) }, fiscal.CodeVoidClosed},
		"other currency": {func() error {
			s := x.state.Shop
			s.Currency = "CHF"
			_, err := x.state.Draft(&fiscal.ConfigChange{Shop: s})
			return err
		}, fiscal.CodeShop},
		"tax as any setting": {func() error {
			s := x.state.Shop
			s.TaxTable = s.TaxTable[:2]
			_, err := x.state.Draft(&fiscal.ConfigChange{Shop: s})
			return err
		}, fiscal.CodeShop},
		"pay-out below zero": {func() error {
			y := newTill(t)
			_, err := y.state.Draft(&fiscal.PayOut{Movement: fiscal.Movement{Amount: 10_001, Reason: "r"}})
			return err
		}, drawer.CodeNegative},
		"Z over another number": {func() error {
			z := must(x.state.NewZReport(anna, x.now))(t)
			z.Report.Number++
			_, err := x.state.Draft(z)
			return err
		}, fiscal.CodeDocumentNumber},
	} {
		t.Run(name, func(t *testing.T) {
			var e interface{ Code() string }
			if err := c.do(); !errors.As(err, &e) || e.Code() != c.code {
				t.Errorf("err = %v, want code %s", err, c.code)
			}
		})
	}
	if diff := cmp.Diff(before, snapshot(t, &x.state)); diff != "" {
		t.Errorf("a refusal changed the state:\n%s", diff)
	}
}

func (x *till) tryVoid(index uint64) error {
	o := x.original(index)
	d, err := sale.Void(o, "anna", "boss", "w", x.now)
	if err != nil {
		return err
	}
	_, err = x.state.NewReceipt(d, &o, nil)
	return err
}

func TestReturnsOverDaysAreChained(t *testing.T) {
	x := newTill(t)
	first := x.sell(sale.Sale, 3*money.One, sale.Cash)
	one := x.giveBack(first, 1, money.One)
	x.z()
	o := x.original(first)
	prior, err := x.lookup("", one)
	if err != nil {
		t.Fatal(err)
	}
	o.Returned, o.Last = sale.AddReturned(prior.Earlier, &prior.Document), one
	b := must(sale.NewReturn("r", "anna", o, x.state.Shop.Terms(), x.now))(t)
	if _, err := b.ReturnLine(o, 1, 2*money.One, "w", "boss", x.now); err != nil {
		t.Fatal(err)
	}
	x.complete(b, sale.Cash, &o)
	if got := x.original(first).Returned[0].Gross; got != 765 {
		t.Errorf("returned in all %d, want 765", got)
	}
	check := fiscal.NewCheck(x.lookup)
	for i, h := range x.heads {
		for _, f := range check.Entry(h, x.bodies[i]) {
			t.Errorf("finding: %v", f)
		}
	}
	// the same return, recorded as if nothing had been given back before
	o.Returned, o.Last = nil, 0
	d, err := x.lookup("", x.state.Size-1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := x.state.NewReceipt(d.Document, &o, nil); err == nil {
		t.Error("a fourth and fifth piece of three were given back")
	}
}

func TestCommandsAreRememberedForTwoHours(t *testing.T) {
	x := newTill(t)
	var s fiscal.State
	for i, h := range x.heads {
		h = h.Clone()
		h.Command[15] = byte(i + 1)
		if err := s.Apply(h, x.bodies[i]); err != nil {
			t.Fatal(err)
		}
	}
	if c, ok := s.Command([16]byte{15: 2}); !ok || c.Index != 1 {
		t.Errorf("Command = %+v, %v", c, ok)
	}
	d := must(s.Draft(&fiscal.NoSale{Actor: anna}))(t)
	h := &proof.Head{Kind: d.Kind, Index: s.Size, Origin: s.Origin, Time: s.Time + fiscal.CommandWindow.Milliseconds() + 1}
	if err := s.Apply(h, d.Body); err != nil {
		t.Fatal(err)
	}
	if len(s.Commands) != 0 {
		t.Errorf("%d commands remembered after two hours", len(s.Commands))
	}
}

// Requirement: POS-14
func TestCommandsAreNotForgottenByAClockInDoubt(t *testing.T) {
	x := newTill(t)
	s := x.state.Clone()
	year := int64(365 * 24 * time.Hour / time.Millisecond)
	put := func(b fiscal.Body, command byte, at int64, flags proof.Flags) {
		t.Helper()
		d := must(s.Draft(b))(t)
		h := &proof.Head{Kind: d.Kind, Flags: d.Flags | flags, Index: s.Size, Origin: s.Origin, Time: at, Numbers: d.Numbers, Command: [16]byte{15: command}}
		if err := s.Apply(h, d.Body); err != nil {
			t.Fatal(err)
		}
	}
	known := func() bool { _, ok := s.Command([16]byte{15: 1}); return ok }
	ahead := s.Time + year
	put(&fiscal.NoSale{Actor: anna}, 1, s.Time, 0)
	put(&fiscal.NoSale{Actor: anna}, 0, ahead, proof.FlagClockUnsure)
	put(&fiscal.ClockChange{Step: year, Unsure: true}, 0, ahead, proof.FlagClockUnsure)
	put(&fiscal.ClockChange{}, 0, ahead, proof.FlagClockUnsure)
	put(&fiscal.NoSale{Actor: anna}, 0, ahead, 0)
	if !known() {
		t.Fatal("a jump of the clock made the till forget a command")
	}
	x.state, x.now = *s, time.UnixMilli(ahead)
	x.count(10_000)
	x.record(must(x.state.NewShiftClose(anna))(t))
	x.z()
	s = &x.state
	if known() {
		t.Error("still remembered in the next day")
	}
}

func TestStateGoesOnAfterAHole(t *testing.T) {
	x := newTill(t)
	for range 4 {
		x.sell(sale.Sale, money.One, sale.Cash)
	}
	var s fiscal.State
	for i, h := range x.heads {
		if i == 4 || i == 5 {
			continue
		}
		if i == 6 {
			s.Missing(6)
		}
		if err := s.Apply(h, x.bodies[i]); err != nil {
			t.Fatalf("entry %d: %v", i, err)
		}
	}
	if s.Next != x.state.Next || s.Grand != x.state.Grand || !s.AtLeast {
		t.Errorf("after the hole: next %+v, grand %+v, at least %v; want %+v, %+v, true", s.Next, s.Grand, s.AtLeast, x.state.Next, x.state.Grand)
	}
}

func FuzzDecode(f *testing.F) {
	x := wholeLife(f)
	for i, h := range x.heads {
		f.Add(uint16(h.Kind), x.bodies[i])
	}
	f.Fuzz(func(t *testing.T, kind uint16, data []byte) {
		b, err := fiscal.Decode(proof.Kind(kind), data)
		if err != nil {
			return
		}
		again, err := fiscal.Encode(b)
		if err != nil || !bytes.Equal(again, data) {
			t.Fatalf("%v: %s became %s", err, data, again)
		}
		s := *x.state.Clone()
		_, _ = s.Draft(b)
		_ = fiscal.NewCheck(nil).Entry(&proof.Head{Kind: proof.Kind(kind), Origin: "o"}, data)
	})
}
