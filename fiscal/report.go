package fiscal

import (
	"reflect"
	"time"

	"github.com/plomb-pos/plomb/drawer"
	"github.com/plomb-pos/plomb/journal/proof"
)

// XReport is the day's figures without a reset.
type XReport struct {
	plain
	Actor
	Report   drawer.Report `json:"report"`
	Issuer   Issuer        `json:"issuer"`
	Previous *Link         `json:"previous,omitzero"` // the last Z
}

// ZReport closes the day: figures start again from nothing, numbers and grand
// totals go on.
type ZReport struct {
	plain
	Actor
	Report   drawer.Report `json:"report"`
	Issuer   Issuer        `json:"issuer"`
	Previous *Link         `json:"previous,omitzero"` // the Z before
	Last     *Link         `json:"last,omitzero"`     // the last document before it
	AtLeast  bool          `json:"atLeast,omitzero"`  // entries were lost: figures are what is known
}

// Kind is x-report.
func (*XReport) Kind() proof.Kind { return KindXReport }

// Kind is z-report.
func (*ZReport) Kind() proof.Kind { return KindZReport }

// report makes the day's report up to a time in the shop's zone.
func (s *State) report(at time.Time) drawer.Report {
	r := drawer.Report{
		Number: s.Beyond().Z, Before: s.Day.Before, After: s.Grand, Figures: *s.Day.Figures.Clone(),
		Span: drawer.Span{
			From: time.UnixMilli(s.Day.From).In(at.Location()), To: at, First: s.Day.First, Last: s.Size - 1,
			FirstNumber: s.Day.FirstNumber, NextNumber: s.Next.Document,
		},
	}
	if s.Session.Open {
		r.Session = s.Session.Number
		if s.Session.Found != nil {
			r.Expected = s.Session.Clone().Holdings
		}
	}
	return r
}

// NewXReport makes an X report. at is now, in the shop's zone. Cash that is
// expected in an open drawer is shown only if it has been counted.
func (s *State) NewXReport(a Actor, at time.Time) (*XReport, error) {
	if err := s.selling(); err != nil {
		return nil, err
	}
	return &XReport{Actor: a, Report: s.report(s.notBefore(at)), Issuer: s.Shop.issuer(), Previous: s.LastZ}, nil
}

// NewZReport makes the Z report that closes the day. An open drawer session
// goes on over it. Follow it with a snapshot entry in the same group.
func (s *State) NewZReport(a Actor, at time.Time) (*ZReport, error) {
	if err := s.selling(); err != nil {
		return nil, err
	}
	z := &ZReport{Actor: a, Report: s.report(s.notBefore(at)), Issuer: s.Shop.issuer(), Previous: s.LastZ, AtLeast: s.AtLeast}
	z.Last = s.lastDocument()
	return z, nil
}

// notBefore cuts at to milliseconds and keeps it from lying before the last
// entry, as the journal does with heads.
func (s *State) notBefore(at time.Time) time.Time {
	_, offset := at.Zone()
	at = time.UnixMilli(max(at.UnixMilli(), s.Time)).UTC()
	if offset -= offset % 60; offset != 0 {
		at = at.In(time.FixedZone("", offset))
	}
	return at
}

func (s *State) lastDocument() *Link {
	if s.Receipt == nil {
		return nil
	}
	return &Link{Index: s.Receipt.Index, Number: s.Receipt.Number}
}

func (b *XReport) numbers(*State) numbers { return reportNumbers(&b.Report) }
func (b *ZReport) numbers(*State) numbers { return reportNumbers(&b.Report) }

func reportNumbers(r *drawer.Report) numbers {
	var n numbers
	n.add(TagZ, r.Number)
	n.add(TagGross, int64(r.Figures.Turnover()))
	n.grand(r.Before, r.After)
	n.add(TagFirst, int64(r.Span.First))
	n.add(TagLast, int64(r.Span.Last))
	n.add(TagCount, r.Figures.Sales.Count+r.Figures.Returns.Count+r.Figures.Voids.Count)
	n.currency(r.Figures.Currency)
	return n
}

func (b *XReport) check(s *State) error {
	return s.checkReport(&b.Report, b.Previous)
}

func (b *ZReport) check(s *State) error {
	if !reflect.DeepEqual(b.Last, s.lastDocument()) || b.AtLeast != s.AtLeast {
		return refuse(CodeFigures, "report %d names another last document", b.Report.Number)
	}
	return s.checkReport(&b.Report, b.Previous)
}

// checkReport compares a report with the fold of the entries.
func (s *State) checkReport(r *drawer.Report, previous *Link) error {
	if err := s.selling(); err != nil {
		return err
	}
	if !reflect.DeepEqual(previous, s.LastZ) {
		return refuse(CodeFigures, "report %d follows another Z than the last", r.Number)
	}
	if r.Number < s.Next.Z || r.Number > s.Beyond().Z {
		return refuse(CodeDocumentNumber, "Z number %d where %d follows", r.Number, s.Next.Z)
	}
	if !s.resync && !s.AtLeast {
		if err := r.Check(); err != nil {
			return err
		}
	}
	want := s.report(r.Span.To)
	if !sameReport(&want, r) {
		return refuse(CodeFigures, "report %d does not say what the entries add up to", r.Number)
	}
	return nil
}

// sameReport compares by the canonical form: an empty list is no list.
func sameReport(a, b *drawer.Report) bool {
	x, errX := Encode(&XReport{Report: *a})
	y, errY := Encode(&XReport{Report: *b})
	return errX == nil && errY == nil && string(x) == string(y)
}

func (b *ZReport) apply(s *State, h *proof.Head) error {
	s.LastZ = &Link{Index: h.Index, Number: b.Report.Number}
	s.Next.Z, s.lost.Z = b.Report.Number+1, 0
	s.Day = Day{First: h.Index + 1, FirstNumber: s.Next.Document, Before: s.Grand}
	s.Returned, s.Copies = nil, nil
	return nil
}
