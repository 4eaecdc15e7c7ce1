package tax

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/plomb-pos/plomb/money"
)

// Errors of tables.
var (
	ErrNoRule = errors.New("no tax rule") // the table has none for this class on this day
	ErrTable  = errors.New("invalid tax table")
)

// Rule is one row of a table: what a class means from a day on, until the next
// rule of the same class.
type Rule struct {
	Class  Class      `json:"class"`
	Letter string     `json:"letter,omitempty"` // mark on the receipt, "A"; at most 4 bytes of ASCII
	Rate   Rate       `json:"rate"`             // thousandths of a percent
	From   money.Date `json:"from"`             // first day
	Ended  bool       `json:"ended,omitzero"`   // from this day on the class does not exist any more
}

// Table is the tax law of a country (or region) as far as a shop needs it, in
// any order. It is read only once made, so it can be shared.
type Table []Rule

// At returns the rule for a class on the day that t shows in its own location;
// give t in the shop's zone. A day before the class's first rule, or after its
// end, is ErrNoRule: a till does not guess a rate.
func (t Table) At(class Class, at time.Time) (Rule, error) {
	return t.On(class, money.DateOf(at))
}

// On is At for a day of the calendar.
func (t Table) On(class Class, day money.Date) (Rule, error) {
	var best Rule
	for _, r := range t {
		if r.Class == class && r.From <= day && r.From > best.From {
			best = r
		}
	}
	if best.From == "" || best.Ended {
		return Rule{}, fmt.Errorf("%w for class %.24q on %s", ErrNoRule, string(class), day)
	}
	return best, nil
}

// Current returns the rules in force on a day, ordered by letter, then class.
func (t Table) Current(day money.Date) []Rule {
	var out []Rule
	for _, c := range t.Classes() {
		if r, err := t.On(c, day); err == nil {
			out = append(out, r)
		}
	}
	slices.SortStableFunc(out, func(a, b Rule) int {
		if a.Letter != b.Letter {
			return compareText(a.Letter, b.Letter)
		}
		return compareText(string(a.Class), string(b.Class))
	})
	return out
}

// Classes returns the classes of the table in alphabetic order.
func (t Table) Classes() []Class {
	var out []Class
	for _, r := range t {
		out = append(out, r.Class)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Validate reports everything that is wrong with the table, each finding
// wrapping ErrTable: malformed rows, two rules of a class for one day, and a
// letter that means two rates on the same day.
func (t Table) Validate() error {
	if len(t) == 0 {
		return fmt.Errorf("%w: it is empty", ErrTable)
	}
	var errs []error
	for i, r := range t {
		for _, what := range r.problems() {
			errs = append(errs, fmt.Errorf("%w: rule %d (%.24q): %s", ErrTable, i+1, string(r.Class), what))
		}
	}
	errs = append(errs, t.doubles()...)
	return errors.Join(append(errs, t.letters()...)...)
}

func (r Rule) problems() []string {
	var out []string
	if _, err := ParseClass(string(r.Class)); err != nil {
		out = append(out, "not a tax class")
	}
	if !r.Rate.Valid() {
		out = append(out, fmt.Sprintf("rate %d is not between 0 and %d", r.Rate, hundred))
	}
	if (r.Class.Untaxed() || r.Ended) && r.Rate != 0 {
		out = append(out, "the rate must be zero")
	}
	if !r.From.Valid() {
		out = append(out, fmt.Sprintf("%.20q is not a date", string(r.From)))
	}
	if !letter(r.Letter) {
		out = append(out, fmt.Sprintf("letter %.10q is not up to 4 printable ASCII characters", r.Letter))
	}
	return out
}

func letter(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return len(s) <= 4
}

// doubles finds two rules of one class for the same day.
func (t Table) doubles() []error {
	type key struct {
		class Class
		from  money.Date
	}
	var errs []error
	seen := make(map[key]bool)
	for _, r := range t {
		k := key{r.Class, r.From}
		if seen[k] {
			errs = append(errs, fmt.Errorf("%w: class %.24q has two rules from %.10s", ErrTable, string(r.Class), string(r.From)))
		}
		seen[k] = true
	}
	return errs
}

// letters finds a letter that stands for two rates at the same time. It is
// enough to look at the days on which something changes.
func (t Table) letters() []error {
	var errs []error
	for _, day := range t.days() {
		rates := make(map[string]Rate)
		for _, r := range t.Current(day) {
			if rate, ok := rates[r.Letter]; ok && r.Letter != "" && rate != r.Rate {
				errs = append(errs, fmt.Errorf("%w: letter %q means %v and %v %% on %s", ErrTable, r.Letter, rate, r.Rate, day))
			}
			rates[r.Letter] = r.Rate
		}
	}
	return errs
}

func (t Table) days() []money.Date {
	var out []money.Date
	for _, r := range t {
		out = append(out, r.From)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func compareText(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}
