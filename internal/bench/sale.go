package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"
)

// scanned is the code of an article of the sample shop.
const scanned = "2900000011472"

// appendName is the reference of a sale.
const appendName = "one durable append of the journal, p50"

// Sale measures a whole sale over HTTP, from the scan to the answer with the
// signed receipt, against one durable append of the journal measured just
// before and just after: with plomb up, with till and signer in two processes,
// and with both in this one. Then it counts sales a second. exe is this program.
func Sale(ctx context.Context, c Config, exe string) ([]Result, error) {
	subjects, err := c.subjects(ctx, exe)
	if err != nil {
		return nil, errors.Join(err, subjects.close())
	}
	results, err := subjects.measure(ctx, c)
	return results, errors.Join(err, subjects.close())
}

// subject is a till in one way of running it.
type subject struct {
	name string
	till *running // nil: no till at all
	dir  string
	one  func() (scan, complete time.Duration, err error) // one sale
	stop func() error
	// one value a round
	whole, scan, complete, p99 []time.Duration
	ratios                     []float64
}

type subjects []*subject

func (c Config) subjects(ctx context.Context, exe string) (list subjects, err error) {
	ways := []struct {
		name  string
		start func(dir string) (*running, error)
	}{
		{"till and signer, two processes, no devices", func(dir string) (*running, error) { return startTill(ctx, exe, dir) }},
		{"plomb up: till, signer and simulated devices, three processes", func(dir string) (*running, error) { return startUp(ctx, exe, dir, plain) }},
		{"till and signer in the measuring process, no devices", func(dir string) (*running, error) { return startHere(ctx, dir) }},
	}
	for _, w := range ways {
		s := &subject{name: w.name}
		list = append(list, s)
		if s.dir, err = os.MkdirTemp(c.Dir, "sale"); err != nil {
			return list, err
		}
		dir := filepath.Join(s.dir, "till")
		if err := FillTill(ctx, dir, shortHistory); err != nil {
			return list, err
		}
		if s.till, err = w.start(dir); err != nil {
			return list, err
		}
		s.one, s.stop = s.till.sell, s.till.stop
		if _, err := s.till.settled(ctx); err != nil {
			return list, err
		}
	}
	floor, err := c.floor()
	return append(list, floor), err
}

func (list subjects) close() error {
	var errs []error
	for _, s := range list {
		if s.stop != nil {
			errs = append(errs, s.stop())
		}
		errs = append(errs, os.RemoveAll(s.dir))
	}
	return errors.Join(errs...)
}

func (list subjects) measure(ctx context.Context, c Config) ([]Result, error) {
	var results []Result
	var base []time.Duration
	for round := range c.Rounds {
		for _, s := range list {
			reference, err := s.round(ctx, c)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", s.name, err)
			}
			base = append(base, reference)
			c.tell("%s, round %d of %d: %v, %.2f appends of %v", s.name, round+1, c.Rounds, s.whole[round], s.ratios[round], reference)
		}
	}
	results = append(results, Result{Bench: "sale", Case: appendName, Value: inMs(median(base)), Unit: "ms"})
	for _, s := range list {
		results = append(results, s.results()...)
	}
	results = append(results, list.aboveFloor()...)
	for _, s := range list[:2] {
		more, err := s.throughput(c)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.name, err)
		}
		results = append(results, more...)
	}
	return results, nil
}

func inMs(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// round measures sales between two measurements of the bare append.
func (s *subject) round(ctx context.Context, c Config) (reference time.Duration, err error) {
	half := c
	half.Time = c.Time / 2
	before, err := half.journal(ctx, appendCases[0])
	if err != nil {
		return 0, err
	}
	if err := s.sell(c.Time); err != nil {
		return 0, err
	}
	after, err := half.journal(ctx, appendCases[0])
	if err != nil {
		return 0, err
	}
	reference = (before.p50 + after.p50) / 2
	s.ratios = append(s.ratios, s.whole[len(s.whole)-1].Seconds()/reference.Seconds())
	return reference, nil
}

// sell makes sales for about d and notes the median of each step.
func (s *subject) sell(d time.Duration) error {
	var wholes, scans, completes []time.Duration
	_, err := drive(1, d, func(int) error {
		scan, complete, err := s.one()
		wholes, scans, completes = append(wholes, scan+complete), append(scans, scan), append(completes, complete)
		return err
	})
	if err != nil {
		return err
	}
	slices.Sort(wholes)
	s.whole, s.p99 = append(s.whole, median(wholes)), append(s.p99, wholes[len(wholes)*99/100])
	s.scan, s.complete = append(s.scan, median(scans)), append(s.complete, median(completes))
	return nil
}

// sell makes one sale and says how long each step took: from the first byte of a
// command to the last one of its answer. What the client does before and after,
// writing commands and reading answers, is not the till's.
func (s *screen) sell() (scan, complete time.Duration, err error) {
	goods, err := s.order("basket.scan", map[string]any{"code": scanned})
	if err != nil {
		return 0, 0, err
	}
	cash, err := s.order("basket.tender", map[string]any{"type": "cash", "complete": true})
	if err != nil {
		return 0, 0, err
	}
	started := time.Now()
	if _, err := s.send(goods); err != nil {
		return 0, 0, err
	}
	scan = time.Since(started)
	text, err := s.send(cash)
	complete = time.Since(started) - scan
	if err != nil {
		return 0, 0, err
	}
	return scan, complete, signed(text)
}

// signed says whether an answer has a signed receipt in it.
func signed(text []byte) error {
	var a answer
	if err := json.Unmarshal(text, &a); err != nil {
		return err
	}
	if a.Result.Receipt.Code == "" {
		return fmt.Errorf("a sale was answered without a signed receipt: %s", text)
	}
	return nil
}

func (s *subject) results() []Result {
	ratio := func(part []time.Duration) float64 {
		return median(part).Seconds() / median(s.whole).Seconds() * median(s.ratios)
	}
	return []Result{
		{Bench: "sale", Case: s.name + ": whole sale, p50", Value: inMs(median(s.whole)), Unit: "ms", Ratio: median(s.ratios), Against: appendName},
		{Bench: "sale", Case: s.name + ": basket.scan, p50", Value: inMs(median(s.scan)), Unit: "ms", Ratio: ratio(s.scan), Against: appendName},
		{Bench: "sale", Case: s.name + ": completing basket.tender, p50", Value: inMs(median(s.complete)), Unit: "ms", Ratio: ratio(s.complete), Against: appendName},
		{Bench: "sale", Case: s.name + ": whole sale, p99", Value: inMs(median(s.p99)), Unit: "ms"},
	}
}

// throughput counts sales a second with 1 and with 16 clients. A till has one
// open basket: what several clients scan goes into it, and whoever tenders
// first completes it. Receipts are counted, and refusals beside them.
func (s *subject) throughput(c Config) ([]Result, error) {
	var one, many, refused []float64
	for round := range c.Rounds {
		alone, err := drive(1, c.Time, func(int) error { _, _, err := s.till.sell(); return err })
		if err != nil {
			return nil, err
		}
		crowd := new(crowd)
		all, err := drive(clients, c.Time, func(int) error { return crowd.sell(s.till.screen) })
		if err != nil {
			return nil, err
		}
		tries := crowd.receipts.Load() + crowd.refused.Load()
		one, many = append(one, alone.perSecond), append(many, all.perSecond*float64(crowd.receipts.Load())/float64(tries))
		refused = append(refused, 100*float64(crowd.refused.Load())/float64(tries))
		c.tell("%s, round %d of %d: %.0f sales/s, with %d clients %.0f/s", s.name, round+1, c.Rounds, alone.perSecond, clients, many[round])
	}
	return []Result{
		{Bench: "throughput", Case: s.name + ": sales, 1 client", Value: median(one), Unit: "1/s"},
		{Bench: "throughput", Case: fmt.Sprintf("%s: receipts, %d clients at one basket", s.name, clients), Value: median(many), Unit: "1/s",
			Ratio: median(many) / median(one), Against: "1 client"},
		{Bench: "throughput", Case: fmt.Sprintf("%s: sales of %d clients that were refused", s.name, clients), Value: median(refused), Unit: "%"},
	}, nil
}

const clients = 16

// crowd counts how the sales of several clients at one basket ended.
type crowd struct{ receipts, refused atomic.Int64 }

// sell scans and, if that went well, tenders; somebody else may have been first.
func (w *crowd) sell(s *screen) error {
	_, err := s.command("basket.scan", map[string]any{"code": scanned})
	if err == nil {
		_, err = s.command("basket.tender", map[string]any{"type": "cash", "complete": true})
	}
	if _, refused := errors.AsType[*refusal](err); refused {
		w.refused.Add(1)
		return nil
	}
	if err == nil {
		w.receipts.Add(1)
	}
	return err
}
