package drawer

import (
	"cmp"
	"slices"
	"time"

	"github.com/plomb-pos/plomb/money"
	"github.com/plomb-pos/plomb/sale"
	"github.com/plomb-pos/plomb/staff"
)

// Holding is cash of one currency.
type Holding struct {
	Currency money.Currency `json:"currency"`
	Amount   money.Amount   `json:"amount"` // in its own minor units
}

// Pieces are coins or notes of one value.
type Pieces struct {
	Value  money.Amount `json:"value"` // of one piece, minor units
	Pieces int64        `json:"pieces"`
}

// Count is what somebody found in the drawer: by pieces, or as a sum.
type Count struct {
	Pieces  []Pieces     `json:"pieces,omitempty"`
	Amount  money.Amount `json:"amount"`            // of the shop's currency; the sum of Pieces, where there are any
	Foreign []Holding    `json:"foreign,omitempty"` // other currencies, each once
}

// Finding is a count beside what was expected.
type Finding struct {
	Count      Count        `json:"count"`
	Expected   money.Amount `json:"expected"`
	Difference money.Amount `json:"difference"`        // counted − expected, shop's currency
	Foreign    []Holding    `json:"foreign,omitempty"` // counted − expected, other currencies with a difference
	By         staff.ID     `json:"by"`
	At         time.Time    `json:"at"`
}

// Session is a cash session of a drawer. The zero value is a drawer that has
// never been opened. What is expected stays in Holdings; a screen shows it only
// after a count.
type Session struct {
	Number   int64          `json:"number"` // from 1, sessions of this till
	Open     bool           `json:"open"`
	Operator staff.ID       `json:"operator,omitzero"` // who opened it
	OpenedAt time.Time      `json:"openedAt,omitzero"`
	Currency money.Currency `json:"currency,omitzero"`
	Holdings []Holding      `json:"holdings,omitempty"` // expected cash by currency
	Found    *Finding       `json:"found,omitzero"`     // the last count, cleared by any movement after it
}

// Begin opens the next session with the cash that is expected from the last one
// left in the drawer. Code: drawer-session-open.
func (s *Session) Begin(operator staff.ID, c money.Currency, at time.Time) error {
	if s.Open {
		return refuse(CodeOpen, "session %d is open since %s", s.Number, s.OpenedAt.Format(time.RFC3339))
	}
	s.Number, s.Open, s.Operator, s.OpenedAt, s.Currency, s.Found = s.Number+1, true, operator, at, c, nil
	return nil
}

// Put counts cash that is put in: a float or a pay-in. Codes:
// drawer-session-closed, bad-amount.
func (s *Session) Put(a money.Amount) error {
	if err := s.movable(a); err != nil {
		return err
	}
	return s.move(s.Currency, a)
}

// Take counts cash that is taken out. More than is expected is refused with
// drawer-below-zero unless belowZero says that it is meant; the caller then
// journals it as such. Codes: drawer-session-closed, bad-amount.
func (s *Session) Take(a money.Amount, belowZero bool) error {
	if err := s.movable(a); err != nil {
		return err
	}
	if !belowZero && a > s.expected(s.Currency) {
		return refuse(CodeNegative, "%d are to be taken out, more than should be there", a)
	}
	return s.move(s.Currency, -a)
}

func (s *Session) movable(a money.Amount) error {
	if !s.Open {
		return refuse(CodeClosed, "no drawer session is open")
	}
	if a <= 0 || a > MaxAmount {
		return refuse(CodeBadAmount, "amount %d", a)
	}
	return nil
}

// Document counts the cash of a finished document, tips in cash included; a
// training sale moves none. It tells whether a currency's cash is now below
// zero. Codes: drawer-session-closed where cash moves, figures-out-of-range.
func (s *Session) Document(d *sale.Document) (below bool, err error) {
	if d.Mode == sale.Training || !movesCash(d) {
		return false, nil
	}
	if !s.Open {
		return false, refuse(CodeClosed, "no drawer session is open")
	}
	next := s.Clone()
	for _, t := range d.Tenders {
		if t.Type != sale.Cash {
			continue
		}
		if err := next.tender(d.Currency, &t); err != nil {
			return false, err
		}
	}
	if err := next.move(d.Currency, -d.Change); err != nil {
		return false, err
	}
	*s = *next
	return s.BelowZero(), nil
}

func movesCash(d *sale.Document) bool {
	return slices.ContainsFunc(d.Tenders, func(t sale.Tender) bool { return t.Type == sale.Cash })
}

func (s *Session) tender(c money.Currency, t *sale.Tender) error {
	if t.Foreign != nil {
		if err := s.move(t.Foreign.Currency, t.Foreign.Amount); err != nil {
			return err
		}
		return s.move(c, t.Tip)
	}
	return s.move(c, t.Amount+t.Tip)
}

// BelowZero reports whether more cash went out than ever came in.
func (s *Session) BelowZero() bool {
	return slices.ContainsFunc(s.Holdings, func(h Holding) bool { return h.Amount < 0 })
}

// Declare takes a blind count and answers with what was expected. The session
// stays open, and may be counted again. Codes: drawer-session-closed,
// bad-count.
func (s *Session) Declare(c Count, by staff.ID, at time.Time) (Finding, error) {
	if !s.Open {
		return Finding{}, refuse(CodeClosed, "no drawer session is open")
	}
	if err := c.validate(s.Currency); err != nil {
		return Finding{}, err
	}
	f := Finding{Count: c, Expected: s.expected(s.Currency), By: by, At: at}
	f.Difference = c.Amount - f.Expected
	f.Foreign = s.foreignDifferences(c.Foreign)
	s.Found = &f
	return f, nil
}

// End closes a counted session. What was counted is what the next session
// expects to find. Codes: drawer-session-closed, drawer-not-counted.
func (s *Session) End() (Finding, error) {
	if !s.Open {
		return Finding{}, refuse(CodeClosed, "no drawer session is open")
	}
	if s.Found == nil {
		return Finding{}, refuse(CodeNotCounted, "session %d has not been counted since cash last moved", s.Number)
	}
	f := *s.Found
	s.Open, s.Found, s.Holdings = false, nil, nil
	for _, h := range append(slices.Clone(f.Count.Foreign), Holding{s.Currency, f.Count.Amount}) {
		if err := s.move(h.Currency, h.Amount); err != nil {
			return Finding{}, err
		}
	}
	return f, nil
}

// Clone returns a copy that shares nothing with s that a method changes.
func (s *Session) Clone() *Session {
	c := *s
	c.Holdings = slices.Clone(s.Holdings)
	return &c
}

func (s *Session) expected(c money.Currency) money.Amount {
	i, found := slices.BinarySearchFunc(s.Holdings, Holding{Currency: c}, compareHolding)
	if !found {
		return 0
	}
	return s.Holdings[i].Amount
}

// move adds to the cash of a currency and forgets the last count.
func (s *Session) move(c money.Currency, a money.Amount) error {
	if a == 0 {
		return nil
	}
	i, found := slices.BinarySearchFunc(s.Holdings, Holding{Currency: c}, compareHolding)
	if !found {
		s.Holdings = slices.Insert(s.Holdings, i, Holding{Currency: c})
	}
	sum, err := s.Holdings[i].Amount.Add(a)
	if err != nil {
		return &Error{Reason: CodeOverflow, Detail: "cash in drawer", Err: err}
	}
	s.Holdings[i].Amount, s.Found = sum, nil
	if sum == 0 {
		s.Holdings = slices.Delete(s.Holdings, i, i+1)
	}
	return nil
}

func compareHolding(a, b Holding) int { return cmp.Compare(a.Currency, b.Currency) }

func (c *Count) validate(shop money.Currency) error {
	if c.Amount < 0 || c.Amount > MaxAmount || len(c.Pieces) > 100 || len(c.Foreign) > 50 {
		return refuse(CodeBadCount, "count of %d", c.Amount)
	}
	var sum money.Amount
	for _, p := range c.Pieces {
		if p.Value <= 0 || p.Value > MaxAmount || p.Pieces < 0 || p.Pieces > 1_000_000 {
			return refuse(CodeBadCount, "%d pieces of %d", p.Pieces, p.Value)
		}
		if sum += p.Value * money.Amount(p.Pieces); sum > MaxAmount {
			return refuse(CodeBadCount, "pieces add up to more than %d", MaxAmount)
		}
	}
	if len(c.Pieces) > 0 && sum != c.Amount {
		return refuse(CodeBadCount, "pieces add up to %d, the count says %d", sum, c.Amount)
	}
	last := money.Currency("")
	for _, h := range c.Foreign {
		if h.Currency <= last || h.Currency == shop || !h.Currency.Valid() || h.Amount < 0 || h.Amount > MaxAmount {
			return refuse(CodeBadCount, "foreign cash %d %.10q", h.Amount, string(h.Currency))
		}
		last = h.Currency
	}
	return nil
}

// foreignDifferences compares counted foreign cash with the expected.
func (s *Session) foreignDifferences(counted []Holding) []Holding {
	var out []Holding
	for _, h := range counted {
		if d := h.Amount - s.expected(h.Currency); d != 0 {
			out = append(out, Holding{h.Currency, d})
		}
	}
	for _, h := range s.Holdings {
		named := slices.ContainsFunc(counted, func(c Holding) bool { return c.Currency == h.Currency })
		if !named && h.Currency != s.Currency && h.Amount != 0 {
			out = append(out, Holding{h.Currency, -h.Amount})
		}
	}
	slices.SortFunc(out, compareHolding)
	return out
}
