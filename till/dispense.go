package till

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/money"
	"github.com/plomb-pos/plomb/sale"
	"github.com/plomb-pos/plomb/till/devices"
)

// Cash is paid out by one goroutine, one order at a time. An order is an intent with
// the dispenser's counts in it, durable before anything is sent. What became of it is
// decided in one place, settleCash, from the device's sensors and counts: after an
// order went through just as after a cut and at the start. Nothing is ordered while
// an outcome is open, and nothing is ever ordered again by itself.
// docs/design/0003-devices-dial-out.md has the table.

const (
	// maxPayments: one order at a time. What comes meanwhile is paid from the drawer, not
	// later, when whoever it was for has gone.
	maxPayments = 1
	// takePatience is how long cash lies at the output before it is taken back.
	takePatience = time.Minute
	// settleGrace is between two readings that have to agree that nothing was
	// dispensed, where an order's answer was lost.
	settleGrace = 2 * time.Second
	// readPause is between readings while the dispenser cannot be reached or does not tell.
	readPause = 2 * time.Second
	// maxRejects is how often cash is put away from the stacker before a person is asked.
	maxRejects = 3
)

// payment is cash to be paid out. With an intent it was ordered by a command whose
// entries are durable; without one it is the change of a receipt.
type payment struct {
	actor  fiscal.Actor
	entry  uint64
	amount money.Amount
	intent *fiscal.OpenIntent
}

// paying is an order whose outcome is open, as the screen shows it.
type paying struct {
	intent fiscal.OpenIntent
	state  string
	decide bool // a person may decide: the device does not tell
}

// The states of an order on the screen.
const (
	payingNow   = "paying"
	payingTake  = "take"      // it lies at the output
	payingRead  = "reading"   // the till asks the dispenser what became of it
	payingBlind = "unreached" // the dispenser does not answer
	payingLost  = "unknown"   // it answers and does not know
)

// DispenseState is a payment by the dispenser whose outcome is open.
type DispenseState struct {
	Intent uint64       `json:"intent"` // for dispense.decide
	Amount money.Amount `json:"amount"`
	State  string       `json:"state"`  // "paying", "take", "reading", "unreached", "unknown"
	Decide bool         `json:"decide"` // a person may say what became of it
}

func (n *Node) dispenseState() *DispenseState {
	if n.paying == nil {
		return nil
	}
	return &DispenseState{Intent: n.paying.intent.Index, Amount: n.paying.intent.Intent.Amount, State: n.paying.state, Decide: n.paying.decide}
}

// payChange has the change of a receipt paid out, where there is a dispenser, and says
// what the screen is to show of it. The book is held.
func (n *Node) payChange(index uint64, d *sale.Document, actor fiscal.Actor) Printed {
	switch {
	case d.Change <= 0 || d.Mode == sale.Training || !n.devices.HasDispenser():
		return ""
	case n.cashBusy():
		n.notices.put(notice{id: "change", level: "error", code: "not-dispensed", values: n.cashWords(d.Change)})
		return PrintedNo
	}
	n.pay(payment{actor: actor, entry: index, amount: d.Change})
	return PrintPending
}

// cashBusy reports whether an order waits, is under way or unsettled. The book is held.
func (n *Node) cashBusy() bool {
	_, open := n.state.Dispensing()
	return open || n.paysNow
}

// pay hands an order to the goroutine that pays; cashBusy was false. The book is held.
func (n *Node) pay(p payment) {
	n.paysNow = true
	n.payments <- p // it has room: one order at a time
}

// dispense settles what the last run left open, then pays out one order after the
// other until ctx ends.
func (n *Node) dispense(ctx context.Context) error {
	n.mu.Lock()
	left, ok := n.state.Dispensing()
	n.mu.Unlock()
	if ok {
		n.settleCash(ctx, left, false)
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case p := <-n.payments:
			n.payOut(ctx, p)
			n.mu.Lock()
			n.paysNow = false
			n.mu.Unlock()
		}
	}
}

// payOut orders a payment and follows it to its end.
func (n *Node) payOut(ctx context.Context, p payment) {
	order := p.intent
	if order == nil {
		var why string
		if order, why = n.orderChange(ctx, p); order == nil {
			n.changeNotPaid(p, why)
			return
		}
	}
	n.showPaying(*order, payingNow, false)
	err := n.devices.PayCash(ctx, order.Intent.Amount, order.Intent.Currency)
	if err != nil {
		n.opts.Log.Warn("dispense", "intent", order.Index, "err", err)
	}
	n.settleCash(ctx, *order, devices.Certain(err))
}

// orderChange makes the durable intent for a receipt's change.
func (n *Node) orderChange(ctx context.Context, p payment) (order *fiscal.OpenIntent, why string) {
	before, err := n.readyCash(ctx)
	if err != nil {
		return nil, toRefusal(err).Code
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	intent := n.cashIntent(p, before)
	at := n.state.Size
	if _, err := n.append(ctx, [16]byte{}, intent); err != nil {
		n.opts.Log.Error("dispense not ordered", "err", err)
		return nil, "dispense-open"
	}
	return &fiscal.OpenIntent{Index: at, Intent: *intent}, ""
}

// cashIntent is the intent for a payment; the book is held.
func (n *Node) cashIntent(p payment, before *devices.CashReading) *fiscal.Intent {
	entry := p.entry
	return &fiscal.Intent{
		Actor: p.actor, Action: fiscal.ActionDispense, Device: n.devices.DispenserName(), Entry: &entry, Key: idText(newID(n.opts.Now())),
		Amount: p.amount, Currency: n.state.Shop.Currency, Cash: kept(before),
	}
}

// readyCash reads the dispenser before an order; it must be there and empty between
// its units and the customer.
func (n *Node) readyCash(ctx context.Context) (*devices.CashReading, error) {
	if !n.devices.HasDispenser() {
		return nil, refuse(Refused, "no-dispenser")
	}
	before, err := n.devices.ReadCash(ctx)
	switch {
	case err != nil:
		return nil, because(Unavailable, "no-dispenser", err)
	case !before.Clear():
		return nil, refuse(Refused, "dispenser-not-empty")
	}
	return before, nil
}

// settleCash finds out what became of an order and journals it. certain says that
// the device has answered everything it was sent. It returns when the outcome is
// durable, by the device's word or a person's, or ctx has ended.
func (n *Node) settleCash(ctx context.Context, order fiscal.OpenIntent, certain bool) {
	s := settling{n: n, order: order, certain: certain}
	for ctx.Err() == nil && n.stillOpen(order.Index) && !s.step(ctx) {
	}
}

// settling is the way to an outcome.
type settling struct {
	n       *Node
	order   fiscal.OpenIntent
	certain bool          // nothing sent can still arrive
	rejects int           // how often the stacker was emptied
	since   time.Duration // cash lies at the output; uptime, 0: it does not
}

// step reads the device once and acts on it; true when the outcome is durable.
func (s *settling) step(ctx context.Context) bool {
	after, err := s.n.devices.ReadCash(ctx)
	if err != nil {
		if ctx.Err() == nil {
			s.n.opts.Log.Warn("dispenser cannot be read", "intent", s.order.Index, "err", err)
			s.ask(ctx, payingBlind)
		}
		return false
	}
	in := s.order.Intent
	v := devices.Judge(cashOf(in.Cash), after, in.Amount, in.Currency)
	switch v.State {
	case devices.Paid:
		return s.n.cashEnded(ctx, s.order, v, after)
	case devices.NotPaid:
		if !v.Moved && !s.certain {
			s.again(ctx)
			return false
		}
		return s.n.cashEnded(ctx, s.order, v, after)
	case devices.OnStacker:
		s.putAway(ctx)
	case devices.AtOutput:
		s.atOutput(ctx)
	default:
		s.n.opts.Log.Warn("dispenser does not tell", "intent", s.order.Index, "why", v.Why)
		s.ask(ctx, payingLost)
	}
	return false
}

// again lets a while pass in which an order that was sent would have to show; the
// next reading then counts.
func (s *settling) again(ctx context.Context) {
	s.n.showPaying(s.order, payingRead, false)
	wait(ctx, settleGrace)
	s.certain = true
}

// ask shows that a person may decide, and tries again a little later.
func (s *settling) ask(ctx context.Context, state string) {
	s.n.showPaying(s.order, state, true)
	s.n.devices.AwaitCash(ctx, readPause)
}

// putAway empties the stacker: whoever waited for the cash may be gone.
func (s *settling) putAway(ctx context.Context) {
	if s.rejects++; s.rejects > maxRejects {
		s.ask(ctx, payingLost)
		return
	}
	s.n.showPaying(s.order, payingRead, false)
	if err := s.n.devices.RejectCash(ctx); err != nil {
		s.n.opts.Log.Warn("cash not put away", "intent", s.order.Index, "err", err)
	}
}

// atOutput waits for the customer, and takes back what nobody takes.
func (s *settling) atOutput(ctx context.Context) {
	now := s.n.opts.Uptime()
	if s.since == 0 {
		s.since = now
	}
	s.n.showPaying(s.order, payingTake, false)
	if now-s.since < s.n.opts.TakePatience {
		s.n.devices.AwaitCash(ctx, readPause)
		return
	}
	if err := s.n.devices.RetractCash(ctx); err != nil {
		if !errors.Is(err, devices.ErrNoRetract) {
			s.n.opts.Log.Warn("cash not taken back", "intent", s.order.Index, "err", err)
		}
		s.n.devices.AwaitCash(ctx, readPause)
	}
}

// stillOpen reports whether nobody has decided an order meanwhile.
func (n *Node) stillOpen(intent uint64) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	open, ok := n.state.Dispensing()
	return ok && open.Index == intent
}

// cashEnded journals what the device told. False: a person was faster, or the
// journal stops and with it the node.
func (n *Node) cashEnded(ctx context.Context, order fiscal.OpenIntent, v devices.Verdict, after *devices.CashReading) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if open, ok := n.state.Dispensing(); !ok || open.Index != order.Index {
		return false
	}
	o := &fiscal.Outcome{Intent: order.Index, Result: fiscal.Failed, Detail: oneLine(v.Why), Cash: kept(after)}
	bodies := []fiscal.Body{o}
	if v.State == devices.Paid {
		o.Result = fiscal.Done
		bodies = []fiscal.Body{&fiscal.Dispensed{Intent: order.Index, Entry: order.Intent.Entry, Amount: v.Amount}, o}
	}
	if _, err := n.append(ctx, [16]byte{}, bodies...); err != nil {
		n.opts.Log.Error("outcome of a dispense not journaled", "intent", order.Index, "err", err)
		return false
	}
	n.showPaid(order, v.Amount)
	return true
}

// showPaying puts an open order on the screen.
func (n *Node) showPaying(order fiscal.OpenIntent, state string, decide bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	open, ok := n.state.Dispensing()
	if !ok || open.Index != order.Index {
		return
	}
	n.paying = &paying{intent: order, state: state, decide: decide}
	n.markChange(order.Intent.Entry, PrintPending)
	code := map[string]string{payingTake: "take-cash", payingRead: "dispense-reading", payingBlind: "dispense-unreached", payingLost: "dispense-unknown"}[state]
	if code == "" {
		n.notices.drop("dispense")
	} else {
		n.notices.put(notice{id: "dispense", level: "warn", code: code, values: n.cashWords(order.Intent.Amount)})
	}
	n.stream.changed()
}

// showPaid takes an order off the screen and says what is left to do. The book is held.
func (n *Node) showPaid(order fiscal.OpenIntent, paid money.Amount) {
	n.paying = nil
	n.notices.drop("dispense")
	id := "change-" + strconv.FormatInt(int64(order.Index), 10)
	switch {
	case paid == 0:
		n.markChange(order.Intent.Entry, PrintedNo)
		n.notices.put(notice{id: id, level: "error", code: "not-dispensed", values: n.cashWords(order.Intent.Amount)})
	case paid != order.Intent.Amount:
		n.markChange(order.Intent.Entry, PrintedYes)
		n.notices.put(notice{id: id, level: "error", code: "dispensed-other", values: append(n.cashWords(order.Intent.Amount), "paid", paid.Text(n.state.Shop.Currency))})
	default:
		n.markChange(order.Intent.Entry, PrintedYes)
	}
	n.stream.changed()
}

// changeNotPaid says that an order was not even made: the change is in the drawer.
func (n *Node) changeNotPaid(p payment, code string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.opts.Log.Warn("change not dispensed", "entry", p.entry, "why", code)
	n.markChange(&p.entry, PrintedNo)
	n.notices.put(notice{id: "change", level: "error", code: "not-dispensed", values: n.cashWords(p.amount)})
	n.stream.changed()
}

// markChange notes on the last receipt what became of its change.
func (n *Node) markChange(entry *uint64, state Printed) {
	if n.last != nil && entry != nil && n.last.Index == *entry {
		n.last.Dispensed = state
	}
}

func (n *Node) cashWords(a money.Amount) []string {
	return []string{"amount", a.Text(n.state.Shop.Currency) + " " + string(n.state.Shop.Currency)}
}

// kept and cashOf turn a reading into what is journaled, and back.
func kept(r *devices.CashReading) *fiscal.CashReading {
	out := &fiscal.CashReading{Presented: r.Presented, Stacker: r.Stacker, Output: r.Output}
	for _, c := range r.Counts {
		out.Counts = append(out.Counts, fiscal.CashCount(c))
	}
	return out
}

func cashOf(r *fiscal.CashReading) *devices.CashReading {
	out := &devices.CashReading{Presented: r.Presented, Stacker: r.Stacker, Output: r.Output}
	for _, c := range r.Counts {
		out.Counts = append(out.Counts, devices.CashCount(c))
	}
	return out
}

// recallChange finds out, after a start, whether the dispenser paid the change of the
// last receipt. The book is held.
func (n *Node) recallChange(ctx context.Context) {
	if n.last == nil || n.last.Change <= 0 || n.last.Dispensed != "" {
		return
	}
	if paid, err := n.projection.Referring(ctx, n.last.Index, uint16(fiscal.KindDispensed)); err == nil && len(paid) > 0 {
		n.last.Dispensed = PrintedYes
	}
}
