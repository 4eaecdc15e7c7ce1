package receipt

import (
	"strconv"

	"github.com/plomb-pos/plomb/drawer"
	"github.com/plomb-pos/plomb/receipt/paper"
)

// LayoutReport puts an X or Z report on paper; see Layout for columns and
// language.
func LayoutReport(r Report, columns int, language string) paper.Doc {
	p := newPage(r.Issuer, columns, language, r.Currency)
	p.copyMark(r.Copy)
	p.head(r.Issuer)
	p.reportTitle(&r)
	f := &r.Report.Figures
	p.rule()
	p.turnover(f)
	p.rule()
	p.taxes(f.Taxes)
	p.tenderFigures(f)
	p.operatorFigures(f)
	p.groupFigures(f)
	p.rule()
	p.events(f)
	p.rule()
	p.grand(&r.Report)
	p.center(r.Origin+" #"+strconv.FormatUint(r.Index, 10), paper.Style{})
	p.copyMark(r.Copy)
	p.add(paper.Cut{})
	return clean(p.doc)
}

// PlainReport is LayoutReport as plain text.
func PlainReport(r Report, columns int, language string) string {
	return paper.RenderText(readable(LayoutReport(r, columns, language)), columns)
}

func (p *page) copyMark(n int) {
	if n > 0 {
		p.center(" "+p.say(wCopy)+" "+strconv.Itoa(n)+" ", paper.Style{Bold: true, Invert: true})
	}
}

func (p *page) reportTitle(r *Report) {
	name := p.say(wXReport)
	if r.Period {
		name = p.say(wPeriodReport)
	}
	if r.Z {
		name = p.say(wZReport) + " " + p.say(wNumber) + " " + strconv.FormatInt(r.Report.Number, 10)
	}
	p.center(name, paper.Style{Bold: true, Tall: true})
	p.row(p.say(wPeriod), p.when(r.Report.Span.From))
	p.row("", p.when(r.Report.Span.To))
	p.row(p.say(wTill), r.Issuer.Till)
	if r.Operator != "" {
		p.row(p.say(wOperator), r.Operator)
	}
	if s := r.Report.Span; s.NextNumber > s.FirstNumber {
		p.row(p.say(wDocuments), strconv.FormatInt(s.FirstNumber, 10)+" - "+strconv.FormatInt(s.NextNumber-1, 10))
	}
	if r.AtLeast {
		p.center(p.say(wAtLeast), paper.Style{Bold: true})
	}
}

func (p *page) count(w word, n int64) {
	if n != 0 {
		p.row(p.say(w), strconv.FormatInt(n, 10))
	}
}

func (p *page) tally(w word, t drawer.Tally) {
	if t.Count != 0 || t.Amount != 0 {
		p.row(p.say(w)+" "+strconv.FormatInt(t.Count, 10), p.amount(t.Amount))
	}
}

func (p *page) turnover(f *drawer.Figures) {
	p.row(p.say(wSales)+" "+strconv.FormatInt(f.Sales.Count, 10), p.amount(f.Sales.Amount))
	p.row(p.say(wReturns)+" "+strconv.FormatInt(f.Returns.Count, 10), p.amount(f.Returns.Amount))
	p.row(p.say(wVoids)+" "+strconv.FormatInt(f.Voids.Count, 10), p.amount(f.Voids.Amount))
	p.strong(p.say(wTurnover)+" "+string(p.cur), p.amount(f.Turnover()))
}

func (p *page) tenderFigures(f *drawer.Figures) {
	if len(f.Tenders) > 0 {
		p.strong(p.say(wTenders), "")
	}
	for _, t := range f.Tenders {
		name := p.tender(t.Type)
		if t.Currency != p.cur {
			name += " " + string(t.Currency)
		}
		p.row(name+" "+strconv.FormatInt(t.Count, 10), p.amount(t.Amount))
		if t.Foreign != 0 {
			p.detail(p.in(t.Foreign, t.Currency), "")
		}
	}
	if f.Rounding != 0 {
		p.row(p.say(wRounding), p.amount(f.Rounding))
	}
	p.tally(wTip, f.Tips)
}

func (p *page) operatorFigures(f *drawer.Figures) {
	if len(f.Operators) > 0 {
		p.strong(p.say(wOperators), "")
	}
	for _, o := range f.Operators {
		name := string(o.Operator)
		if name == drawer.Beyond {
			name = p.say(wBeyond)
		}
		p.row(name+" "+strconv.FormatInt(o.Sales.Count+o.Returns.Count+o.Voids.Count, 10), p.amount(o.Sales.Amount+o.Returns.Amount+o.Voids.Amount))
	}
}

func (p *page) groupFigures(f *drawer.Figures) {
	if len(f.Groups) > 0 {
		p.strong(p.say(wGroups), "")
	}
	for _, g := range f.Groups {
		name := g.Group
		switch name {
		case "":
			name = p.say(wNoGroup)
		case drawer.Beyond:
			name = p.say(wBeyond)
		}
		p.row(name, p.amount(g.Amount))
	}
}

func (p *page) events(f *drawer.Figures) {
	p.tally(wDiscounts, f.Discounts)
	p.count(wOverrides, f.Overrides)
	p.tally(wNoReceipt, f.NoReceipt)
	p.tally(wTraining, f.Training)
	p.tally(wCopies, f.Copies)
	p.tally(wProForma, f.ProForma)
	p.tally(wAborted, f.Aborted)
	p.tally(wRemoved, f.Removed)
	p.count(wSuspended, f.Suspended)
	p.count(wOpenings, f.Openings)
	p.count(wNoSales, f.NoSales)
	p.count(wLookups, f.Lookups)
	p.count(wRefused, f.Refused)
	p.tally(wFloats, f.Floats)
	p.tally(wPayIns, f.PayIns)
	p.tally(wPayOuts, f.PayOuts)
	p.tally(wDispensed, f.Dispensed)
	if f.Counts > 0 {
		p.row(p.say(wDifference), p.amount(f.Difference))
	}
}

func (p *page) grand(r *drawer.Report) {
	for _, h := range r.Expected {
		p.row(p.say(wExpected), p.in(h.Amount, h.Currency))
	}
	p.strong(p.say(wGrand), "")
	p.cells(grandNames, "", p.say(wBefore), p.say(wAfter))
	p.cells(grandNames, p.say(wSales), p.amount(r.Before.Sale), p.amount(r.After.Sale))
	p.cells(grandNames, p.say(wReturns), p.amount(r.Before.Return), p.amount(r.After.Return))
	p.cells(grandNames, p.say(wNet), p.amount(r.Before.Net), p.amount(r.After.Net))
}
