package replay

import (
	"cmp"
	"crypto/sha256"
	"slices"
	"strings"
	"time"

	"github.com/plomb-pos/plomb/catalog"
	"github.com/plomb-pos/plomb/money"
)

// Reason says why a line was not booked.
type Reason string

// The reasons.
const (
	NoName      Reason = "no description: stock movement, not a sale"
	NoPrice     Reason = "price is zero"
	Negative    Reason = "negative quantity outside a cancellation"
	Positive    Reason = "positive quantity in a cancellation"
	OwnCost     Reason = "fee of a bank or market place: the shop's own cost, not a sale"
	CreditOnly  Reason = "credit without goods (discount, samples): nothing to take back"
	NoCustomer  Reason = "cancellation without a customer: the sale cannot be found"
	NoOriginal  Reason = "no earlier sale to the customer of this article at this price in the file"
	NotEnough   Reason = "earlier sales to the customer have not enough of it left"
	TooManyRows Reason = "invoice has more lines than a receipt can"
)

// Codes that stand for something else than goods. Postage, carriage and manual
// lines are services and sold; these are not.
var (
	ownCosts = map[string]bool{"AMAZONFEE": true, "BANK CHARGES": true, "CRUK": true, "B": true}
	credits  = map[string]bool{"D": true, "S": true}
	services = map[string]bool{"POST": true, "DOT": true, "C2": true, "M": true, "m": true}
)

// Left is a line that is not booked.
type Left struct {
	Line   Line
	Reason Reason
}

// Item is goods of one kind in a document: quantity is positive.
type Item struct {
	SKU      catalog.SKU
	Price    money.Amount // pence a piece
	Quantity int64
}

// Step is one document to be booked: a sale, or the return of goods of one sale.
type Step struct {
	Invoice string
	Part    int // of a cancellation that is split over several receipts, from 0
	At      time.Time
	Of      *Step // the sale whose goods are given back; nil: a sale
	Items   []Item
	Lines   int // of the file; a line that is split counts in the first part
}

// Amount is what the document is worth: negative for a return.
func (s *Step) Amount() (sum money.Amount) {
	for _, i := range s.Items {
		sum += money.Amount(i.Quantity) * i.Price
	}
	if s.Of != nil {
		return -sum
	}
	return sum
}

// line is the number of the line on which goods stand on a sale's receipt, and
// how much of them: a till joins lines of the same article and price.
func (s *Step) line(goods Item) (no int, quantity int64) {
	seen := map[Item]int{}
	for _, i := range s.Items {
		key := Item{SKU: i.SKU, Price: i.Price}
		if seen[key] == 0 {
			seen[key] = len(seen) + 1
		}
		if i.SKU == goods.SKU && i.Price == goods.Price {
			no = seen[key]
			quantity += i.Quantity
		}
	}
	return no, quantity
}

// Day is one trading day.
type Day struct {
	Date  string // as in the file, 2006-01-02
	At    time.Time
	Steps []*Step
	Left  []Left
	Lines int          // of the file
	Sum   money.Amount // of the file's lines
}

// Plan is what is booked of a file and what is not. It follows from the file alone.
type Plan struct {
	Digest   [sha256.Size]byte // SHA-256 of the file
	Days     []*Day
	Articles []Article
	Lines    int
}

// Article is an article as the file describes it: the first description that has
// one counts. Its price varies by line.
type Article struct {
	SKU     catalog.SKU
	Name    string
	Service bool
}

// Steps is the number of documents.
func (p *Plan) Steps() (n int) {
	for _, d := range p.Days {
		n += len(d.Steps)
	}
	return n
}

func (p *Plan) start() time.Time { return p.Days[0].At }

// moved is a time of the file as the till sees it: the same wall clock so many weeks later.
func (p *Plan) moved(t time.Time, weeks int) time.Time { return t.AddDate(0, 0, 7*weeks) }

// skuOf makes an article number of a stock code: they may hold blanks.
func skuOf(code string) catalog.SKU { return catalog.SKU(strings.ReplaceAll(code, " ", "-")) }

// planner goes through the file in the order of time.
type planner struct {
	plan  *Plan
	names map[catalog.SKU]bool
	sold  map[sold][]*stock
}

// sold names goods by what a cancellation tells of them.
type sold struct {
	customer string
	sku      catalog.SKU
	price    money.Amount
}

// stock is how much of them one sale has left to be given back.
type stock struct {
	sale *Step
	left int64
}

func newPlan(lines []Line, digest [sha256.Size]byte) (*Plan, error) {
	p := &planner{plan: &Plan{Digest: digest, Lines: len(lines)}, names: map[catalog.SKU]bool{}, sold: map[sold][]*stock{}}
	for _, invoice := range invoices(lines) {
		p.add(invoice)
	}
	slices.SortFunc(p.plan.Articles, func(a, b Article) int { return cmp.Compare(a.SKU, b.SKU) })
	return p.plan, nil
}

// invoices groups lines by invoice; an invoice has the time of its first line.
// They come in the order of their times, and of the file among equals.
func invoices(lines []Line) [][]Line {
	place := map[string]int{}
	var out [][]Line
	for _, l := range lines {
		i, ok := place[l.Invoice]
		if !ok {
			i = len(out)
			place[l.Invoice] = i
			out = append(out, nil)
		}
		out[i] = append(out[i], l)
	}
	slices.SortStableFunc(out, func(a, b []Line) int { return a[0].At.Compare(b[0].At) })
	return out
}

func (p *planner) day(l *Line) *Day {
	date := l.At.Format(time.DateOnly)
	if n := len(p.plan.Days); n > 0 && p.plan.Days[n-1].Date == date {
		return p.plan.Days[n-1]
	}
	d := &Day{Date: date, At: l.At}
	p.plan.Days = append(p.plan.Days, d)
	return d
}

func (p *planner) add(invoice []Line) {
	d := p.day(&invoice[0])
	for i := range invoice {
		d.Lines++
		d.Sum += invoice[i].Amount()
	}
	if invoice[0].cancels() {
		p.cancellation(d, invoice)
		return
	}
	p.sale(d, invoice)
}

func (d *Day) leave(l *Line, why Reason) { d.Left = append(d.Left, Left{*l, why}) }

// maxLines is how many lines a receipt can have (sale.MaxLines).
const maxLines = 1000

func (p *planner) sale(d *Day, invoice []Line) {
	s := &Step{Invoice: invoice[0].Invoice, At: invoice[0].At}
	for i := range invoice {
		l := &invoice[i]
		if why := whyNoSale(l, len(s.Items)); why != "" {
			d.leave(l, why)
			continue
		}
		s.Items = append(s.Items, Item{skuOf(l.Code), l.Price, l.Quantity})
		s.Lines++
		p.name(l)
		p.stock(l, s)
	}
	if len(s.Items) > 0 {
		d.Steps = append(d.Steps, s)
	}
}

func whyNoSale(l *Line, before int) Reason {
	switch {
	case l.Name == "":
		return NoName
	case l.Quantity <= 0:
		return Negative
	case l.Price == 0:
		return NoPrice
	case ownCosts[l.Code]:
		return OwnCost
	case credits[l.Code]:
		return CreditOnly
	case before >= maxLines:
		return TooManyRows
	}
	return ""
}

func (p *planner) name(l *Line) {
	sku := skuOf(l.Code)
	if !p.names[sku] {
		p.names[sku] = true
		p.plan.Articles = append(p.plan.Articles, Article{SKU: sku, Name: l.Name, Service: services[l.Code]})
	}
}

// stock notes what may be given back; without a customer nothing can be.
func (p *planner) stock(l *Line, s *Step) {
	if l.Customer == "" {
		return
	}
	k := sold{l.Customer, skuOf(l.Code), l.Price}
	have := p.sold[k]
	if n := len(have); n > 0 && have[n-1].sale == s {
		have[n-1].left += l.Quantity
		return
	}
	p.sold[k] = append(have, &stock{s, l.Quantity})
}

func (p *planner) cancellation(d *Day, invoice []Line) {
	var parts []*Step
	for i := range invoice {
		l := &invoice[i]
		taken, why := p.take(l)
		if why != "" {
			d.leave(l, why)
			continue
		}
		for n, t := range taken {
			part := partOf(&parts, t.sale, &invoice[0])
			part.add(Item{skuOf(l.Code), l.Price, t.left})
			if n == 0 {
				part.Lines++
			}
		}
	}
	d.Steps = append(d.Steps, parts...)
}

// partOf is the return of goods of one sale within a cancellation.
func partOf(parts *[]*Step, of *Step, first *Line) *Step {
	for _, s := range *parts {
		if s.Of == of {
			return s
		}
	}
	s := &Step{Invoice: first.Invoice, Part: len(*parts), At: first.At, Of: of}
	*parts = append(*parts, s)
	return s
}

// add puts goods into a return, where the same goods can stand once only.
func (s *Step) add(i Item) {
	for n := range s.Items {
		if h := &s.Items[n]; h.SKU == i.SKU && h.Price == i.Price {
			h.Quantity += i.Quantity
			return
		}
	}
	s.Items = append(s.Items, i)
}

// take finds the sales a cancelled line gives back goods of, the newest first,
// and takes them off what is left; all of the line or nothing.
func (p *planner) take(l *Line) (taken []stock, why Reason) {
	if why := whyNoReturn(l); why != "" {
		return nil, why
	}
	have := p.sold[sold{l.Customer, skuOf(l.Code), l.Price}]
	if len(have) == 0 {
		return nil, NoOriginal
	}
	want := -l.Quantity
	for i := len(have) - 1; i >= 0 && want > 0; i-- {
		if n := min(want, have[i].left); n > 0 {
			taken = append(taken, stock{have[i].sale, n})
			want -= n
		}
	}
	if want > 0 {
		return nil, NotEnough
	}
	for _, t := range taken {
		i := slices.IndexFunc(have, func(s *stock) bool { return s.sale == t.sale })
		have[i].left -= t.left
	}
	return taken, ""
}

func whyNoReturn(l *Line) Reason {
	switch {
	case l.Quantity >= 0:
		return Positive
	case l.Price == 0:
		return NoPrice
	case ownCosts[l.Code]:
		return OwnCost
	case credits[l.Code]:
		return CreditOnly
	case l.Customer == "":
		return NoCustomer
	}
	return ""
}
