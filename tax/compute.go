package tax

import (
	"errors"
	"fmt"

	"github.com/plomb-pos/plomb/money"
)

// ErrPolicy is returned for a policy with an unknown word in it.
var ErrPolicy = errors.New("unknown tax policy")

// Prices says whether the prices of a shop include the tax.
type Prices string

// Method says where rounding happens.
type Method string

// The words of a policy. Empty fields mean the first of each.
const (
	Gross Prices = "gross" // prices include the tax, as consumers see them
	Net   Prices = "net"   // the tax is added

	PerReceipt Method = "receipt" // round once per rate, spread the cents over the lines
	PerLine    Method = "line"    // round on each line, totals are sums
)

// Policy is how a shop computes tax. It is stored in each receipt.
type Policy struct {
	Prices   Prices         `json:"prices"`
	Method   Method         `json:"method"`
	Rounding money.Rounding `json:"rounding"`
}

// Validate reports an unknown word. The zero Policy is valid: gross prices,
// rounded per receipt, halves away from zero.
func (p Policy) Validate() error {
	if p.Prices != "" && p.Prices != Gross && p.Prices != Net {
		return fmt.Errorf("%w: prices %.20q", ErrPolicy, string(p.Prices))
	}
	if p.Method != "" && p.Method != PerReceipt && p.Method != PerLine {
		return fmt.Errorf("%w: method %.20q", ErrPolicy, string(p.Method))
	}
	if !p.Rounding.Valid() {
		return fmt.Errorf("%w: %w %d", ErrPolicy, money.ErrRounding, uint8(p.Rounding))
	}
	return nil
}

// Explicit returns p with its empty fields written out, as it is stored.
func (p Policy) Explicit() Policy {
	if p.Prices == "" {
		p.Prices = Gross
	}
	if p.Method == "" {
		p.Method = PerReceipt
	}
	return p
}

// Line is what is taxed: one line of a document after its discounts.
type Line struct {
	Class  Class
	Letter string // copied to the total
	Rate   Rate
	Amount money.Amount // with tax or without, as Policy.Prices says; negative on returns
}

// LineTax is the tax of one line: Net + Tax = Gross.
type LineTax struct {
	Net   money.Amount `json:"net"`
	Tax   money.Amount `json:"tax"`
	Gross money.Amount `json:"gross"`
}

// Total is the sum of the lines of one class and rate: Net + Tax = Gross.
type Total struct {
	Class  Class        `json:"class"`
	Letter string       `json:"letter,omitempty"`
	Rate   Rate         `json:"rate"`
	Net    money.Amount `json:"net"`
	Tax    money.Amount `json:"tax"`
	Gross  money.Amount `json:"gross"`
}

// Result is what Compute found. Lines are in the order of the input; Totals in
// the order in which class, letter and rate first appear.
type Result struct {
	Lines  []LineTax
	Totals []Total
	Sum    LineTax // of the whole document
}

// Compute returns net, tax and gross of each line, each rate and the document.
// See the package comment for what it promises. The currency is that of the
// amounts. Errors: ErrPolicy, ErrRate, ErrClass, money.ErrCurrency,
// money.ErrOverflow.
func Compute(p Policy, c money.Currency, lines []Line) (Result, error) {
	if err := check(p, c, lines); err != nil {
		return Result{}, fmt.Errorf("compute tax: %w", err)
	}
	res := Result{Lines: make([]LineTax, len(lines))}
	for _, members := range groups(lines) {
		total, err := p.Explicit().group(lines, members, res.Lines)
		if err != nil {
			return Result{}, fmt.Errorf("compute tax: class %s at %v %%: %w", total.Class, total.Rate, err)
		}
		res.Totals = append(res.Totals, total)
	}
	sum, err := sumTotals(res.Totals)
	if err != nil {
		return Result{}, fmt.Errorf("compute tax: document: %w", err)
	}
	res.Sum = sum
	return res, nil
}

func check(p Policy, c money.Currency, lines []Line) error {
	if err := p.Validate(); err != nil {
		return err
	}
	if _, err := money.ParseCurrency(string(c)); err != nil {
		return err
	}
	for i, l := range lines {
		if _, err := ParseClass(string(l.Class)); err != nil {
			return fmt.Errorf("line %d: %w", i+1, err)
		}
		if !l.Rate.Valid() || l.Class.Untaxed() && l.Rate != 0 {
			return fmt.Errorf("line %d: %w: %v %% for class %s", i+1, ErrRate, l.Rate, l.Class)
		}
	}
	return nil
}

// groups returns the indexes of the lines of each class, letter and rate.
func groups(lines []Line) [][]int {
	type key struct {
		class  Class
		letter string
		rate   Rate
	}
	var out [][]int
	at := make(map[key]int)
	for i, l := range lines {
		k := key{l.Class, l.Letter, l.Rate}
		n, ok := at[k]
		if !ok {
			n, at[k] = len(out), len(out)
			out = append(out, nil)
		}
		out[n] = append(out[n], i)
	}
	return out
}

// group computes the lines of one rate into out and returns their total.
func (p Policy) group(lines []Line, members []int, out []LineTax) (Total, error) {
	first := lines[members[0]]
	total := Total{Class: first.Class, Letter: first.Letter, Rate: first.Rate}
	amounts := make([]money.Amount, len(members))
	for i, m := range members {
		amounts[i] = lines[m].Amount
	}
	taxes, err := p.taxes(amounts, first.Rate)
	if err != nil {
		return total, err
	}
	parts := make([]LineTax, len(members))
	for i, m := range members {
		if parts[i], err = p.line(amounts[i], taxes[i]); err != nil {
			return total, fmt.Errorf("line %d: %w", m+1, err)
		}
		out[m] = parts[i]
	}
	sum, err := sumLines(parts)
	total.Net, total.Tax, total.Gross = sum.Net, sum.Tax, sum.Gross
	return total, err
}

// line puts an amount and its tax together as the policy's prices say.
func (p Policy) line(amount, tax money.Amount) (LineTax, error) {
	if p.Prices == Net {
		gross, err := amount.Add(tax)
		return LineTax{Net: amount, Tax: tax, Gross: gross}, err
	}
	net, err := amount.Sub(tax)
	return LineTax{Net: net, Tax: tax, Gross: amount}, err
}

// divisor is what 100 % of the amount are, in the units of Rate: the tax of an
// amount is amount × rate ÷ divisor.
func (p Policy) divisor(r Rate) int64 {
	if p.Prices == Net {
		return hundred
	}
	return hundred + int64(r)
}

// taxes returns the tax of each amount at one rate.
func (p Policy) taxes(amounts []money.Amount, r Rate) ([]money.Amount, error) {
	if p.Method == PerReceipt {
		return p.spread(amounts, r)
	}
	out := make([]money.Amount, len(amounts))
	for i, a := range amounts {
		t, err := money.Share(a, int64(r), p.divisor(r), p.Rounding)
		if err != nil {
			return nil, err
		}
		out[i] = t
	}
	return out, nil
}

func sumTotals(totals []Total) (LineTax, error) {
	parts := make([]LineTax, len(totals))
	for i, t := range totals {
		parts[i] = LineTax{Net: t.Net, Tax: t.Tax, Gross: t.Gross}
	}
	return sumLines(parts)
}

func sumLines(parts []LineTax) (LineTax, error) {
	var net, tax, gross []money.Amount
	for _, p := range parts {
		net, tax, gross = append(net, p.Net), append(tax, p.Tax), append(gross, p.Gross)
	}
	var s LineTax
	var errNet, errTax, errGross error
	s.Net, errNet = money.Sum(net...)
	s.Tax, errTax = money.Sum(tax...)
	s.Gross, errGross = money.Sum(gross...)
	return s, errors.Join(errNet, errTax, errGross)
}
