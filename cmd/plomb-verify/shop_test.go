package main

import (
	"context"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/plomb-pos/plomb/drawer"
	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/journal"
	"github.com/plomb-pos/plomb/journal/journaltest"
	"github.com/plomb-pos/plomb/journal/proof"
	"github.com/plomb-pos/plomb/money"
	"github.com/plomb-pos/plomb/sale"
	"github.com/plomb-pos/plomb/tax"
)

const firstSale = 1_795_000_000_000 // 18 November 2026

var profile = fiscal.Shop{
	Name: "Kiosk am Eck", Address: []string{"Am Eck 1", "12345 Ecklingen"}, TaxNumber: "DE123456789", Country: "DE", Currency: "EUR",
	Language: "en", Zone: "Europe/Berlin", Till: "1",
	TaxTable: tax.Table{{Class: tax.Standard, Letter: "A", Rate: 19_000, From: "2020-01-01"}},
	Tax:      tax.Policy{Prices: tax.Gross, Method: tax.PerReceipt},
}

var coffee = sale.Item{SKU: "coffee", Name: "Coffee", Price: 2_550_000, Class: tax.Standard, Letter: "A", Rate: 19_000}

// shop records in one journal as a till does.
type shop struct {
	ts      *testscript.TestScript
	dir     string
	signer  *journaltest.Signer
	journal *journal.Journal
	state   fiscal.State
	last    *journal.Ticket
	// forge is what somebody who has taken the till over changes in the next draft.
	forge func(*journal.Draft)
}

// openShop opens the journal in dir, or makes it with this first entry.
func openShop(ts *testscript.TestScript, dir, origin string, first fiscal.Body) *shop {
	s := &shop{ts: ts, dir: ts.MkAbs(dir), signer: journaltest.NewSigner(origin)}
	ts.Check(os.MkdirAll(filepath.Dir(s.dir), 0o700))
	ctx := context.Background()
	opts := journal.Options{Keys: journaltest.NewKeys(), Signer: s.signer, SegmentSize: 16 << 10}
	j, _, err := journal.Open(ctx, s.dir, opts)
	if errors.Is(err, journal.ErrNoJournal) {
		j, err = journal.Create(ctx, s.dir, origin, []journal.Draft{s.draft(first)}, opts)
	}
	ts.Check(err)
	s.journal = j
	for e, err := range j.Entries(ctx, 0, j.Size()) {
		ts.Check(err)
		ts.Check(s.state.Apply(e.Head, e.Body))
	}
	return s
}

func (s *shop) now() time.Time { return time.UnixMilli(firstSale + int64(s.state.Size)*1000) }

func (s *shop) draft(b fiscal.Body) journal.Draft {
	d, err := s.state.Draft(b)
	s.ts.Check(err)
	return journal.Draft{Kind: d.Kind, Flags: d.Flags, Numbers: d.Numbers, Body: d.Body, Sign: d.Sign, Time: s.now()}
}

// record appends an entry; the shop itself goes on as if nothing were forged.
func (s *shop) record(b fiscal.Body) {
	honest := s.draft(b)
	d := honest
	if s.forge != nil {
		s.forge(&d)
		s.forge = nil
	}
	t, err := s.journal.Append(context.Background(), d)
	s.ts.Check(err)
	h, err := proof.ParseHead(t.HeadBytes(0))
	s.ts.Check(err)
	h.Numbers = honest.Numbers
	s.ts.Check(s.state.Apply(h, honest.Body))
	s.last = t
}

func (s *shop) sell(n int) {
	for range n {
		b, err := sale.New("b-1", sale.Sale, "anna", s.state.Shop.Terms(), s.now())
		s.ts.Check(err)
		_, err = b.AddLine(coffee, money.One, sale.Apart, s.now())
		s.ts.Check(err)
		_, err = b.Tender(sale.Payment{Type: sale.Card}, s.now())
		s.ts.Check(err)
		doc, err := b.Complete("anna", s.now())
		s.ts.Check(err)
		r, err := s.state.NewReceipt(doc, nil, nil)
		s.ts.Check(err)
		s.record(r)
	}
}

func (s *shop) z() {
	r, err := s.state.NewZReport(fiscal.Actor{By: "anna"}, s.now())
	s.ts.Check(err)
	s.record(r)
}

// close leaves beside the journal: .vkey, .keys, and of the last receipt
// .checkpoint (of the whole), .receipt and .tlog-proof.
func (s *shop) close() {
	ctx, ts := context.Background(), s.ts
	signed, err := s.last.Signed(ctx)
	ts.Check(err)
	writeReceipt(ts, s.dir, s.last.HeadBytes(0), signed)
	writeProof(ctx, ts, s.dir, s.journal, s.last, s.signer)
	ts.Check(s.journal.Close(ctx))
	write(ts, s.dir+".vkey", s.signer.Verifier().String())
	key, err := journaltest.NewKeys().Month(ctx, 202611)
	ts.Check(err)
	write(ts, s.dir+".keys", "plomb-keys 1\nmonth 202611 "+base64.StdEncoding.EncodeToString(key[:])+"\n")
}

func integer(ts *testscript.TestScript, text string) int {
	n, err := strconv.Atoi(text)
	ts.Check(err)
	return n
}

// sell DIR ORIGIN N records N sales with receipts in a journal, which it makes if
// there is none, and closes it.
func sellCommand(ts *testscript.TestScript, _ bool, args []string) {
	s := openShop(ts, args[0], args[1], &fiscal.Commission{Shop: profile, Software: "1", Key: "k"})
	s.sell(integer(ts, args[2]))
	s.close()
}

// forge DIR ORIGIN TAG N sells with N added to the number TAG of a receipt's
// head, closes the day and sells again: everything is signed and sealed.
func forgeCommand(ts *testscript.TestScript, _ bool, args []string) {
	s := openShop(ts, args[0], args[1], nil)
	tag := uint8(integer(ts, args[2]))
	s.forge = func(d *journal.Draft) {
		numbers := make([]proof.Number, len(d.Numbers))
		for i, n := range d.Numbers {
			if numbers[i] = n; n.Tag == tag {
				numbers[i].Value += int64(integer(ts, args[3]))
			}
		}
		d.Numbers = numbers
	}
	s.sell(1)
	s.z()
	s.sell(1)
	s.close()
}

// strange DIR ORIGIN KIND records an entry of a kind that nobody knows, and sells.
func strangeCommand(ts *testscript.TestScript, _ bool, args []string) {
	s := openShop(ts, args[0], args[1], nil)
	_, err := s.journal.Append(context.Background(), journal.Draft{Kind: proof.Kind(integer(ts, args[2])), Time: s.now(), Body: []byte(`{"new":1}`)})
	s.ts.Check(err)
	s.state.Size++
	s.state.Time = s.now().UnixMilli()
	s.sell(3)
	s.close()
}

// epoch OLD-DIR OLD-ORIGIN DIR ORIGIN [WHAT=...] makes an epoch that goes on from
// another and sells: at-least, origin=TEXT, document=N (added), checkpoint=FILE.
func epochCommand(ts *testscript.TestScript, _ bool, args []string) {
	old := openShop(ts, args[0], args[1], nil)
	e := &fiscal.Epoch{
		Origin: args[1], Reason: "disk lost", Next: old.state.Next, Grand: old.state.Grand, Shop: profile, Software: "1", Key: "k",
		Checkpoint: ts.ReadFile(args[0] + ".checkpoint"),
	}
	ts.Check(old.journal.Close(context.Background()))
	for _, arg := range args[4:] {
		what, value, _ := strings.Cut(arg, "=")
		switch what {
		case "at-least":
			e.AtLeast = true
		case "origin":
			e.Origin = value
		case "document":
			e.Next.Document += int64(integer(ts, value))
		case "sold":
			e.Grand = drawer.Grand{Sale: e.Grand.Sale + money.Amount(integer(ts, value)), Return: e.Grand.Return, Net: e.Grand.Net + money.Amount(integer(ts, value))}
		case "checkpoint":
			e.Checkpoint = ts.ReadFile(value)
		default:
			ts.Fatalf("epoch: %s?", arg)
		}
	}
	s := openShop(ts, args[2], args[3], e)
	s.sell(3)
	s.close()
}
