package devices

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"time"

	"github.com/plomb-pos/plomb/money"
	"github.com/plomb-pos/plomb/xfs4iot"
	"github.com/plomb-pos/plomb/xfs4iot/cashdispenser"
	"github.com/plomb-pos/plomb/xfs4iot/cashmanagement"
	"github.com/plomb-pos/plomb/xfs4iot/client"
	"github.com/plomb-pos/plomb/xfs4iot/common"
	"github.com/plomb-pos/plomb/xfs4iot/storage"
)

const (
	// readPatience is how long a dispenser may take to say how it is; a command that
	// still runs is waited for.
	readPatience = 90 * time.Second
	// dispensePatience is how long it may take to pick or to present.
	dispensePatience = 60 * time.Second
	// maxCashRows bounds what a dispenser may list.
	maxCashRows = 200
)

// ErrCannotPay says that a dispenser cannot put an amount together; nothing moved.
var ErrCannotPay = errors.New("the dispenser cannot pay this amount")

// ReadCash reads what the dispenser says of itself. It asks behind everything that
// is queued or running there, so that nothing of ours moves while it is read.
func (s *Set) ReadCash(ctx context.Context) (*CashReading, error) {
	ctx, cancel := context.WithTimeout(ctx, readPatience)
	defer cancel()
	conn, err := s.connection(ctx, s.dispenser, askPatience)
	if err != nil {
		return nil, fmt.Errorf("read dispenser: %w", err)
	}
	r, err := readCash(ctx, conn)
	if err != nil {
		s.hangUp(conn, err)
		return nil, fmt.Errorf("read dispenser: %w", err)
	}
	return r, nil
}

// hangUp ends a connection on which an answer was lost: the next question goes over
// a new one.
func (s *Set) hangUp(conn *client.Conn, err error) {
	if errors.Is(err, client.ErrUnknownOutcome) {
		_ = conn.Close()
	}
}

func readCash(ctx context.Context, conn *client.Conn) (*CashReading, error) {
	// GetPresentStatus is queued and so waits for a command that still runs; the
	// others are answered beside the queue.
	present, err := client.Do(ctx, conn, cashdispenser.GetPresentStatus, &cashdispenser.GetPresentStatusCommand{})
	if err != nil {
		return nil, err
	}
	kinds, err := client.Do(ctx, conn, cashmanagement.GetBankNoteTypes, nil)
	if err != nil && !unsupported(err) {
		return nil, err
	}
	r := &CashReading{Presented: string(present.PresentState)}
	r.Counts, err = counts(ctx, conn, kinds)
	for range maxLooks {
		if err != nil {
			return nil, err
		}
		status, err := client.Do(ctx, conn, common.Status, nil)
		if err != nil {
			return nil, err
		}
		r.sensors(status.CashDispenser)
		again, err := counts(ctx, conn, kinds)
		if err == nil && slices.Equal(again, r.Counts) {
			return r, nil
		}
		r.Counts = again
	}
	return nil, errors.Join(err, errRestless)
}

// maxLooks is how often a reading is taken when the device moves cash by itself, back
// from the output for instance, between its counts and its sensors.
const maxLooks = 5

var errRestless = errors.New("the counts change while they are read")

func counts(ctx context.Context, conn *client.Conn, kinds *cashmanagement.GetBankNoteTypesCompletion) ([]CashCount, error) {
	held, err := client.Do(ctx, conn, storage.GetStorage, nil)
	if err != nil {
		return nil, err
	}
	return countsOf(held, kinds)
}

func unsupported(err error) bool {
	var said *xfs4iot.Error
	return errors.As(err, &said) && said.Code == xfs4iot.UnsupportedCommand
}

// sensors reads where cash lies; several outputs count as one.
func (r *CashReading) sensors(s *cashdispenser.Status) {
	r.Output = ""
	if s == nil {
		r.Stacker, r.Output = "unknown", "unknown"
		return
	}
	switch s.IntermediateStacker {
	case "", cashdispenser.StatusIntermediateStackerEmpty:
		r.Stacker = string(s.IntermediateStacker)
	case cashdispenser.StatusIntermediateStackerNotEmpty:
		r.Stacker = "notEmpty"
	default: // unknown, or a customer may have had access to it
		r.Stacker = "unknown"
	}
	for _, p := range s.Positions {
		now := string(p.PositionStatus)
		if p.TransportStatus != "" && p.TransportStatus != cashdispenser.OutPosTransportStatusEmpty && now == "empty" {
			now = "unknown" // something is stuck on the way to it
		}
		if r.Output == "" || r.Output == "empty" || now == "unknown" {
			r.Output = now
		}
	}
}

// countsOf lists the pieces of all cash units by kind.
func countsOf(held *storage.GetStorageCompletion, kinds *cashmanagement.GetBankNoteTypesCompletion) ([]CashCount, error) {
	var rows []CashCount
	for name, unit := range held.Storage {
		if unit == nil || unit.Cash == nil || unit.Cash.Status == nil {
			continue
		}
		unitRows, err := unitCounts(name, unit.Cash, kinds)
		if err != nil {
			return nil, err
		}
		rows = append(rows, unitRows...)
	}
	if len(rows) == 0 || len(rows) > maxCashRows {
		return nil, fmt.Errorf("the device lists %d kinds of cash", len(rows))
	}
	return sorted(rows), nil
}

func unitCounts(name string, cash *cashmanagement.StorageCash, kinds *cashmanagement.GetBankNoteTypesCompletion) ([]CashCount, error) {
	s := cash.Status
	byItem := map[string]*CashCount{}
	collect(byItem, s.Initial, func(r *CashCount) *int64 { return &r.Initial })
	if out := s.Out; out != nil {
		collect(byItem, out.Presented, func(r *CashCount) *int64 { return &r.Presented })
		collect(byItem, out.Rejected, func(r *CashCount) *int64 { return &r.Rejected })
		collect(byItem, out.Stacked, func(r *CashCount) *int64 { return &r.Stacked })
		for _, c := range []*cashmanagement.StorageCashCounts{out.Distributed, out.Unknown, out.Diverted, out.Transport} {
			collect(byItem, c, func(r *CashCount) *int64 { return &r.Elsewhere })
		}
	}
	if in := s.In; in != nil {
		collect(byItem, in.Retracted, func(r *CashCount) *int64 { return &r.Retracted })
	}
	var rows []CashCount
	for item, row := range byItem {
		if *row == (CashCount{}) {
			continue // nothing of it was ever here
		}
		row.Unit, row.Item = name, item
		if err := row.worth(cash.Configuration, kinds); err != nil {
			return nil, err
		}
		rows = append(rows, *row)
	}
	return rows, nil
}

// collect adds pieces of any fitness; those that the device does not recognise stand
// under no item.
func collect(rows map[string]*CashCount, c *cashmanagement.StorageCashCounts, field func(*CashCount) *int64) {
	if c == nil {
		return
	}
	add := func(item string, pieces ...*int) {
		if rows[item] == nil {
			rows[item] = new(CashCount)
		}
		for _, p := range pieces {
			if p != nil {
				*field(rows[item]) += int64(*p)
			}
		}
	}
	add("", c.Unrecognized)
	for item, n := range c.Extra {
		if n != nil {
			add(item, n.Fit, n.Unfit, n.Suspect, n.Counterfeit, n.Inked)
		}
	}
}

// worth finds the value of one piece: by the device's list of notes, or else by how
// the unit is set up.
func (r *CashCount) worth(conf *cashmanagement.StorageCashConfiguration, kinds *cashmanagement.GetBankNoteTypesCompletion) error {
	value, currency := xfs4iot.Decimal(""), ""
	if r.Item != "" && conf != nil {
		value, currency = conf.Value, conf.Currency
	}
	if kinds != nil && kinds.Items[r.Item] != nil && kinds.Items[r.Item].CashItem != nil {
		value, currency = kinds.Items[r.Item].CashItem.Value, kinds.Items[r.Item].CashItem.Currency
	}
	if value == "" || currency == "" {
		return nil // of no known value: no amount can be told if it moves
	}
	c, err := money.ParseCurrency(currency)
	if err != nil {
		return fmt.Errorf("%s: %w", r.Unit, err)
	}
	r.Currency = c
	if r.Value, err = money.ParseAmount(string(value), c); err != nil {
		return fmt.Errorf("%s: %w", r.Unit, err)
	}
	return nil
}

// PayCash orders an amount: it is put together, picked and presented. Its error is
// for the log, and for one question: with [Certain] the device has said that it did
// nothing or how it ended. What became of the cash is for ReadCash and Judge.
func (s *Set) PayCash(ctx context.Context, amount money.Amount, c money.Currency) error {
	conn, err := s.connection(ctx, s.dispenser, connectPatience)
	if err != nil {
		return fmt.Errorf("dispense: %w", err)
	}
	if err := s.payCash(ctx, conn, amount, c); err != nil {
		s.hangUp(conn, err)
		return fmt.Errorf("dispense: %w", err)
	}
	return nil
}

// Certain reports whether a device has answered every command it was sent, so that
// nothing of them can still be on its way.
func Certain(err error) bool { return !errors.Is(err, client.ErrUnknownOutcome) }

func (s *Set) payCash(ctx context.Context, conn *client.Conn, amount money.Amount, c money.Currency) error {
	asked := map[string]xfs4iot.Decimal{string(c): xfs4iot.Decimal(amount.Text(c))}
	mix, err := mixOf(ctx, conn)
	if err != nil {
		return err
	}
	found, err := client.Do(ctx, conn, cashdispenser.Denominate, &cashdispenser.DenominateCommand{Request: &cashdispenser.DenominateRequest{
		Denomination: &cashdispenser.DenominateRequestDenomination{Service: &cashdispenser.ServiceMix{Currencies: asked, Mix: mix}},
	}}, client.Timeout(dispensePatience))
	if err != nil {
		return err
	}
	if found.Result == nil || len(found.Result.Values) == 0 || found.Result.CashBox != nil {
		return ErrCannotPay
	}
	_, err = client.Do(ctx, conn, cashdispenser.Dispense, &cashdispenser.DispenseCommand{Denomination: &cashdispenser.DenominateRequest{
		Denomination: &cashdispenser.DenominateRequestDenomination{App: &cashdispenser.ApplicationMix{Currencies: asked, Counts: found.Result.Values}},
	}}, client.Timeout(dispensePatience))
	if err != nil || !s.hasStacker() {
		return err
	}
	_, err = client.Do(ctx, conn, cashdispenser.Present, &cashdispenser.PresentCommand{}, client.Timeout(dispensePatience))
	return err
}

// mixOf chooses how amounts are put together: with the fewest pieces, where the
// device offers that.
func mixOf(ctx context.Context, conn *client.Conn) (string, error) {
	offered, err := client.Do(ctx, conn, cashdispenser.GetMixTypes, nil)
	if err != nil {
		return "", err
	}
	names := slices.Sorted(maps.Keys(offered.Mixes))
	if len(names) == 0 {
		return "", fmt.Errorf("%w: it offers no mix", ErrCannotPay)
	}
	for _, name := range names {
		if m := offered.Mixes[name]; m != nil && m.Algorithm == "minimumBills" {
			return name, nil
		}
	}
	return names[0], nil
}

// RejectCash puts what lies on the stacker away, where nobody gets it.
func (s *Set) RejectCash(ctx context.Context) error {
	return s.commandCash(ctx, func(conn *client.Conn) error {
		_, err := client.Do(ctx, conn, cashdispenser.Reject, &cashdispenser.RejectCommand{}, client.Timeout(dispensePatience))
		return err
	})
}

// RetractCash takes back what the customer has not taken. ErrNoRetract: this device
// cannot.
func (s *Set) RetractCash(ctx context.Context) error {
	target := s.retractTarget()
	if target == nil {
		return ErrNoRetract
	}
	return s.commandCash(ctx, func(conn *client.Conn) error {
		_, err := client.Do(ctx, conn, cashmanagement.Retract, &cashmanagement.RetractCommand{Location: target}, client.Timeout(dispensePatience))
		return err
	})
}

// ErrNoRetract says that a dispenser cannot take cash back.
var ErrNoRetract = errors.New("the dispenser cannot take cash back")

func (s *Set) commandCash(ctx context.Context, do func(*client.Conn) error) error {
	conn, err := s.connection(ctx, s.dispenser, connectPatience)
	if err != nil {
		return err
	}
	err = do(conn)
	s.hangUp(conn, err)
	return err
}

// learnCash keeps what a dispenser can do.
func (l *link) learnCash(ctx context.Context, c *client.Conn) error {
	caps, err := client.Do(ctx, c, common.Capabilities, nil)
	if err != nil {
		return err
	}
	l.set.mu.Lock()
	defer l.set.mu.Unlock()
	l.set.cash = caps.CashDispenser
	return nil
}

func (s *Set) hasStacker() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cash != nil && s.cash.IntermediateStacker != nil && *s.cash.IntermediateStacker
}

func (s *Set) retractTarget() *cashmanagement.RetractTarget {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cash == nil || s.cash.RetractAreas == nil {
		return nil
	}
	first, can := 1, func(b *bool) bool { return b != nil && *b }
	switch areas := s.cash.RetractAreas; {
	case can(areas.Retract):
		return &cashmanagement.RetractTarget{OutputPosition: cashmanagement.OutputPositionOutDefault, RetractArea: cashmanagement.RetractAreaRetract, Index: &first}
	case can(areas.Reject):
		return &cashmanagement.RetractTarget{OutputPosition: cashmanagement.OutputPositionOutDefault, RetractArea: cashmanagement.RetractAreaReject}
	case can(areas.ItemCassette):
		return &cashmanagement.RetractTarget{OutputPosition: cashmanagement.OutputPositionOutDefault, RetractArea: cashmanagement.RetractAreaItemCassette}
	}
	return nil
}

// AwaitCash waits until the dispenser says that something changed, or d has passed.
func (s *Set) AwaitCash(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	case <-s.cashMoved:
	}
}

// HasDispenser reports whether there is a dispenser and it is connected.
func (s *Set) HasDispenser() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, ok := s.state[Dispenser]
	return ok && d.Condition != Down
}

// DispenserName is the dispenser's name in entries, "" before one was found.
func (s *Set) DispenserName() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state[Dispenser].Name
}

// dialAbrupt makes connections that throw away what they could not send when they
// are closed, so that an order which was given up is not delivered after all.
func dialAbrupt(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if tcp, ok := conn.(*net.TCPConn); ok && err == nil {
		err = tcp.SetLinger(0)
	}
	return conn, err
}
