package replay

import (
	"context"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"time"

	"github.com/google/uuid"

	"github.com/plomb-pos/plomb/drawer"
	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/journal"
	"github.com/plomb-pos/plomb/journal/proof"
	"github.com/plomb-pos/plomb/money"
	"github.com/plomb-pos/plomb/seal"
)

// Sum is a number of documents and lines of the file, and what they come to in pence.
type Sum struct {
	Documents int          `json:"documents,omitzero"`
	Lines     int          `json:"lines"`
	Amount    money.Amount `json:"amount"`
}

func (s *Sum) add(o Sum) {
	s.Documents += o.Documents
	s.Lines += o.Lines
	s.Amount += o.Amount
}

// DayResult is one day's account: Sales, Returns and Left add up to File.
type DayResult struct {
	Date    string `json:"date"` // in the file
	Booked  string `json:"booked"`
	File    Sum    `json:"file"`
	Sales   Sum    `json:"sales"`
	Returns Sum    `json:"returns"` // negative
	Left    Sum    `json:"left"`
	Z       int64  `json:"z"` // number of the Z report; 0: a day with no documents
}

// ReasonSum is what was left for one reason.
type ReasonSum struct {
	Reason Reason       `json:"reason"`
	Lines  int          `json:"lines"`
	Amount money.Amount `json:"amount"`
}

// LeftLine is a line that was not booked.
type LeftLine struct {
	Line     int          `json:"line"`
	Invoice  string       `json:"invoice"`
	Code     string       `json:"code"`
	Quantity int64        `json:"quantity"`
	Amount   money.Amount `json:"amount"`
	Reason   Reason       `json:"reason"`
}

// Result is the account of a replay. Amounts are pence.
type Result struct {
	Digest      string       `json:"file"` // SHA-256
	Origin      string       `json:"origin"`
	Entries     uint64       `json:"entries"` // of the journal
	Articles    int          `json:"articles"`
	Total       DayResult    `json:"total"`
	Days        []DayResult  `json:"days"`
	Reasons     []ReasonSum  `json:"reasons"`
	Left        []LeftLine   `json:"left"`
	Grand       drawer.Grand `json:"grand"`       // the journal's, at its end
	Differences []string     `json:"differences"` // empty: file, journal, Z reports and grand totals agree

	Resumed  int     `json:"resumed"`  // documents that an earlier run had booked
	Commands int     `json:"commands"` // sent by this run
	Requests int     `json:"requests"`
	Seconds  float64 `json:"seconds"`
}

// booked is what a journal holds of a plan.
type booked struct {
	origin    string
	entries   uint64
	documents map[uuid.UUID]int64 // numbers, by the id of the command that completed them
	entriesOf map[uuid.UUID]documentEntry
	foreign   []documentEntry // documents that no command of a plan made
	z         map[uuid.UUID]bool
	reports   map[uuid.UUID]zEntry
	last      time.Time // of the newest entry
	grand     drawer.Grand
}

type documentEntry struct {
	head   *proof.Head
	number int64
	gross  money.Amount
}

type zEntry struct {
	at     time.Time
	report drawer.Report
}

// readBooked reads a journal's documents and Z reports, without opening it.
func readBooked(ctx context.Context, dir string, box *seal.Box) (*booked, error) {
	j, err := journal.OpenReadOnly(filepath.Join(dir, "e1"), journal.ReadOptions{Keys: box.JournalKeys()})
	if err != nil {
		return nil, err
	}
	b := &booked{
		origin: j.Origin(), documents: map[uuid.UUID]int64{}, entriesOf: map[uuid.UUID]documentEntry{},
		z: map[uuid.UUID]bool{}, reports: map[uuid.UUID]zEntry{},
	}
	for e, err := range j.Entries(ctx, 0, proof.MaxSize) {
		if err != nil {
			return nil, fmt.Errorf("entry %d: %w", b.entries, err)
		}
		if err := b.add(&e); err != nil {
			return nil, fmt.Errorf("entry %d: %w", b.entries, err)
		}
	}
	return b, nil
}

func (b *booked) add(e *journal.Entry) error {
	b.entries++
	b.last = time.UnixMilli(e.Head.Time)
	id := uuid.UUID(e.Head.Command)
	switch e.Head.Kind {
	case fiscal.KindReceipt, fiscal.KindReturn, fiscal.KindVoid, fiscal.KindLate:
		b.document(id, e.Head)
	case fiscal.KindZReport:
		r, err := fiscal.ReportOf(e.Head, e.Body)
		if err != nil {
			return err
		}
		b.z[id], b.reports[id] = true, zEntry{b.last, r.Report}
	}
	return nil
}

func (b *booked) document(id uuid.UUID, h *proof.Head) {
	number, _ := h.Number(fiscal.TagDocument)
	gross, _ := h.Number(fiscal.TagGross)
	d := documentEntry{h, number, money.Amount(gross)}
	if _, twice := b.documents[id]; twice {
		b.foreign = append(b.foreign, d)
		return
	}
	b.documents[id], b.entriesOf[id] = number, d
	sale, _ := h.Number(fiscal.TagSaleAfter)
	back, _ := h.Number(fiscal.TagReturnAfter)
	net, _ := h.Number(fiscal.TagNetAfter)
	b.grand = drawer.Grand{Sale: money.Amount(sale), Return: money.Amount(back), Net: money.Amount(net)}
}

// audit holds the journal against the plan: every document is there once with
// its amount, on its day, and nothing else is.
func audit(ctx context.Context, p *Plan, o Options) (*Result, error) {
	box, err := seal.Open(durable.OS{}, filepath.Join(o.Dir, sealDir))
	if err != nil {
		return nil, err
	}
	b, err := readBooked(ctx, o.Dir, box)
	if err != nil {
		return nil, err
	}
	a := &auditor{plan: p, opts: o, booked: b, result: &Result{
		Digest: hex.EncodeToString(p.Digest[:]), Origin: b.origin, Entries: b.entries, Articles: len(p.Articles), Grand: b.grand,
		Reasons: []ReasonSum{}, Left: []LeftLine{}, Differences: []string{},
	}}
	for _, d := range p.Days {
		a.day(d)
	}
	a.whole()
	return a.result, nil
}

type auditor struct {
	plan   *Plan
	opts   Options
	booked *booked
	result *Result
	found  int
}

func (a *auditor) differ(format string, args ...any) {
	a.result.Differences = append(a.result.Differences, fmt.Sprintf(format, args...))
}

// day accounts for one day. Sales and returns are taken from the journal's
// heads, so that their sum with what is left proves the booking and not the plan.
func (a *auditor) day(d *Day) {
	moved := a.plan.moved(d.At, a.opts.Weeks)
	r := DayResult{Date: d.Date, Booked: moved.Format(time.DateOnly), File: Sum{Lines: d.Lines, Amount: d.Sum}}
	for _, s := range d.Steps {
		a.document(&r, s)
	}
	for _, l := range d.Left {
		a.left(&r, l)
	}
	if sum := r.Sales.Amount + r.Returns.Amount + r.Left.Amount; sum != r.File.Amount {
		a.differ("%s: booked and left are %s, the file %s", d.Date, sum.Text(currency), r.File.Amount.Text(currency))
	}
	if lines := r.Sales.Lines + r.Returns.Lines + r.Left.Lines; lines != r.File.Lines {
		a.differ("%s: %d lines are booked or left, the file has %d", d.Date, lines, r.File.Lines)
	}
	a.z(d, &r)
	a.add(r)
}

func (a *auditor) document(r *DayResult, s *Step) {
	e, ok := a.booked.entriesOf[documentID(a.plan, a.opts.Weeks, s)]
	if !ok {
		a.differ("%s: invoice %s, part %d is not in the journal", r.Date, s.Invoice, s.Part)
		return
	}
	a.found++
	at := time.UnixMilli(e.head.Time).In(s.At.Location())
	if e.gross != s.Amount() || at.Format(time.DateOnly) != r.Booked {
		a.differ("%s: invoice %s is booked on %s as %s, not as %s", r.Date, s.Invoice, at.Format(time.DateOnly), e.gross.Text(currency), s.Amount().Text(currency))
	}
	sum := Sum{Documents: 1, Lines: s.Lines, Amount: e.gross}
	if s.Of == nil && e.head.Kind == fiscal.KindReceipt {
		r.Sales.add(sum)
	} else if s.Of != nil && e.head.Kind == fiscal.KindReturn {
		r.Returns.add(sum)
	} else {
		a.differ("%s: invoice %s is booked as a %s", r.Date, s.Invoice, fiscal.KindName(e.head.Kind))
	}
}

func (a *auditor) left(r *DayResult, l Left) {
	r.Left.add(Sum{Lines: 1, Amount: l.Line.Amount()})
	a.result.Left = append(a.result.Left, LeftLine{l.Line.No, l.Line.Invoice, l.Line.Code, l.Line.Quantity, l.Line.Amount(), l.Reason})
	for i := range a.result.Reasons {
		if s := &a.result.Reasons[i]; s.Reason == l.Reason {
			s.Lines++
			s.Amount += l.Line.Amount()
			return
		}
	}
	a.result.Reasons = append(a.result.Reasons, ReasonSum{l.Reason, 1, l.Line.Amount()})
}

// z compares a day's Z report with its documents.
func (a *auditor) z(d *Day, r *DayResult) {
	if len(d.Steps) == 0 {
		return
	}
	id := commandID(a.plan, a.plan.moved(closing(d), a.opts.Weeks), "z", d.Date)
	z, ok := a.booked.reports[id]
	if !ok {
		a.differ("%s: the day has no Z report", d.Date)
		return
	}
	r.Z = z.report.Number
	f := z.report.Figures
	if f.Sales.Amount != r.Sales.Amount || f.Returns.Amount != r.Returns.Amount || f.Sales.Count != int64(r.Sales.Documents) || f.Returns.Count != int64(r.Returns.Documents) {
		a.differ("%s: Z report %d says sales %s and returns %s, the documents %s and %s", d.Date, r.Z,
			f.Sales.Amount.Text(currency), f.Returns.Amount.Text(currency), r.Sales.Amount.Text(currency), r.Returns.Amount.Text(currency))
	}
	before := drawer.Grand{Sale: a.result.Total.Sales.Amount, Return: -a.result.Total.Returns.Amount}
	if z.report.Before.Sale != before.Sale || z.report.Before.Return != before.Return {
		a.differ("%s: Z report %d begins with other grand totals than the days before make", d.Date, r.Z)
	}
	if z.report.After.Sale != before.Sale+r.Sales.Amount || z.report.After.Return != before.Return-r.Returns.Amount {
		a.differ("%s: Z report %d ends with other grand totals than the documents make", d.Date, r.Z)
	}
}

func (a *auditor) add(r DayResult) {
	t := &a.result.Total
	t.File.add(r.File)
	t.Sales.add(r.Sales)
	t.Returns.add(r.Returns)
	t.Left.add(r.Left)
	t.Z = max(t.Z, r.Z)
	a.result.Days = append(a.result.Days, r)
}

// whole compares the grand totals, and looks for documents that are not the file's.
func (a *auditor) whole() {
	t, g := a.result.Total, a.booked.grand
	if g.Sale != t.Sales.Amount || g.Return != -t.Returns.Amount || g.Net != t.Sales.Amount+t.Returns.Amount {
		a.differ("grand totals are %s sold and %s given back, the documents %s and %s", g.Sale.Text(currency), g.Return.Text(currency),
			t.Sales.Amount.Text(currency), (-t.Returns.Amount).Text(currency))
	}
	if t.Sales.Amount+t.Returns.Amount+t.Left.Amount != t.File.Amount {
		a.differ("booked and left do not make up the file")
	}
	if extra := len(a.booked.documents) + len(a.booked.foreign) - a.found; extra > 0 {
		a.differ("%d documents in the journal are not the file's, or are there twice", extra)
	}
}
