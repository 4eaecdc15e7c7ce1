package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// shortHistory is the length that a long history is compared with, in entries.
const shortHistory = 1000

// History measures what must not depend on how long a till has been in use:
// starting, copies, X reports and sales, with a long history against a thousand
// entries, in turn; the memory of the till's process; and a Z report over ten
// thousand receipts. The tills run as plomb up --plain, and the one with the long
// history as plomb up under plomb-boot, too, where that lies beside exe, this program.
func History(ctx context.Context, c Config, exe string, entries int) ([]Result, error) {
	h := &histories{c: c, exe: exe}
	defer h.close()
	results, err := h.measure(ctx, entries)
	if err != nil {
		return results, err
	}
	z, err := h.dayClose(ctx)
	return append(results, z...), errors.Join(err, h.close())
}

// aged is a till with a history of some length.
type aged struct {
	entries int
	dir     string
	up      *running
	ready   []time.Duration // one value a start
}

type histories struct {
	c           Config
	exe         string
	short, long *aged
}

func (h *histories) measure(ctx context.Context, entries int) ([]Result, error) {
	var err error
	if h.short, err = h.make(ctx, shortHistory, receiptsADay); err != nil {
		return nil, err
	}
	if h.long, err = h.make(ctx, entries, receiptsADay); err != nil {
		return nil, err
	}
	var results []Result
	for _, step := range []func(context.Context) ([]Result, error){h.cold, h.warm, h.busy, h.settledMemory, h.questions, h.sealed} {
		more, err := step(ctx)
		results = append(results, more...)
		if err != nil {
			return results, err
		}
	}
	return results, nil
}

func (h *histories) make(ctx context.Context, entries, day int) (*aged, error) {
	dir, err := os.MkdirTemp(h.c.Dir, "history")
	if err != nil {
		return nil, err
	}
	a := &aged{entries: entries, dir: dir}
	started := time.Now()
	if err := fillTill(ctx, a.till(), entries, day); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	h.c.tell("a till with %d entries made in %v", entries, time.Since(started).Round(time.Millisecond))
	return a, nil
}

func (a *aged) till() string { return filepath.Join(a.dir, "till") }

func (a *aged) start(ctx context.Context, exe string, flags ...string) (err error) {
	if a.up, err = startUp(ctx, exe, a.till(), flags...); err == nil {
		a.ready = append(a.ready, a.up.ready)
	}
	return err
}

func (a *aged) stop() error {
	if a.up == nil {
		return nil
	}
	up := a.up
	a.up = nil
	return up.stop()
}

func (h *histories) close() error {
	var errs []error
	for _, a := range []*aged{h.short, h.long} {
		if a != nil {
			errs = append(errs, a.stop(), os.RemoveAll(a.dir))
		}
	}
	h.short, h.long = nil, nil
	return errors.Join(errs...)
}

func (a *aged) named(what string) string { return fmt.Sprintf("%s, %d entries", what, a.entries) }

func (h *histories) against() string { return fmt.Sprintf("%d entries", h.short.entries) }

// cold is the first start, with an empty projection, and how long it takes
// until everything behind has caught up.
func (h *histories) cold(ctx context.Context) ([]Result, error) {
	for _, a := range []*aged{h.short, h.long} {
		if err := a.start(ctx, h.exe, plain); err != nil {
			return nil, err
		}
	}
	behind, err := h.long.up.settled(ctx)
	if err != nil {
		return nil, err
	}
	cold := h.long.ready[0]
	h.c.tell("first start %v, projection made and journal verified after %v", cold, behind.Round(time.Millisecond))
	results := []Result{
		{Bench: "start", Case: h.long.named("plomb up ready, no projection yet"), Value: inMs(cold), Unit: "ms"},
		{Bench: "start", Case: h.long.named("projection made and journal verified behind"), Value: behind.Seconds(), Unit: "s"},
	}
	h.short.ready, h.long.ready = nil, nil
	return results, errors.Join(h.short.stop(), h.long.stop())
}

// warm starts both in turn and ends them in order, but for the last time.
func (h *histories) warm(ctx context.Context) ([]Result, error) {
	var ratios, memory []float64
	for round := range h.c.Rounds {
		for _, a := range []*aged{h.short, h.long} {
			if err := errors.Join(a.stop(), a.start(ctx, h.exe, plain)); err != nil {
				return nil, err
			}
		}
		now, _, err := resident(h.long.up.pid)
		if err != nil {
			return nil, err
		}
		memory = append(memory, now)
		ratios = append(ratios, h.long.ready[round].Seconds()/h.short.ready[round].Seconds())
		h.c.tell("start, round %d of %d: %v and %v, %.1f MiB", round+1, h.c.Rounds, h.short.ready[round], h.long.ready[round], now)
	}
	return []Result{
		{Bench: "start", Case: h.short.named("plomb up ready"), Value: inMs(median(h.short.ready)), Unit: "ms"},
		{Bench: "start", Case: h.long.named("plomb up ready"), Value: inMs(median(h.long.ready)), Unit: "ms", Ratio: median(ratios), Against: h.against()},
		{Bench: "memory", Case: h.long.named("till process when ready and signed in"), Value: median(memory), Unit: "MiB"},
	}, nil
}

// busy sells while the long journal is being verified behind, and again when that is done.
func (h *histories) busy(ctx context.Context) ([]Result, error) {
	during, err := h.salesFor(h.long, h.c.Time)
	if err != nil {
		return nil, err
	}
	still, err := h.long.up.behind(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := h.long.up.settled(ctx); err != nil {
		return nil, err
	}
	after, err := h.salesFor(h.long, h.c.Time)
	if err != nil {
		return nil, err
	}
	if !still {
		h.c.tell("the verification was over before the sales beside it were")
	}
	return []Result{{Bench: "behind", Case: h.long.named("whole sale beside verification, p50"), Value: inMs(during.p50), Unit: "ms",
		Ratio: during.p50.Seconds() / after.p50.Seconds(), Against: "with nothing behind"}}, nil
}

func (h *histories) salesFor(a *aged, d time.Duration) (load, error) {
	return drive(1, d, func(int) error { _, _, err := a.up.sell(); return err })
}

// settledMemory is the till's memory when all is quiet, and the most that it was.
func (h *histories) settledMemory(context.Context) ([]Result, error) {
	now, peak, err := resident(h.long.up.pid)
	return []Result{
		{Bench: "memory", Case: h.long.named("till process after verification"), Value: now, Unit: "MiB"},
		{Bench: "memory", Case: h.long.named("till process at most"), Value: peak, Unit: "MiB"},
	}, err
}

// questions asks both tills in turn.
func (h *histories) questions(ctx context.Context) ([]Result, error) {
	if _, err := h.short.up.settled(ctx); err != nil {
		return nil, err
	}
	number := 0
	cases := []struct {
		name string
		do   func(*screen) error
	}{
		{"receipt.copy, p50", func(s *screen) error {
			number++
			_, err := s.command("receipt.copy", map[string]any{"number": number/2%200 + 1})
			return err
		}},
		{"report.x, p50", func(s *screen) error { _, err := s.command("report.x", nil); return err }},
		{"whole sale, p50", func(s *screen) error { _, _, err := s.sell(); return err }},
	}
	var results []Result
	for _, q := range cases {
		short, long, err := h.inTurn(q.do)
		if err != nil {
			return results, fmt.Errorf("%s: %w", q.name, err)
		}
		results = append(results,
			Result{Bench: "history", Case: h.short.named(q.name), Value: inMs(short), Unit: "ms"},
			Result{Bench: "history", Case: h.long.named(q.name), Value: inMs(long), Unit: "ms", Ratio: long.Seconds() / short.Seconds(), Against: h.against()})
	}
	return results, nil
}

// inTurn does something at one till and then at the other, again and again.
func (h *histories) inTurn(do func(*screen) error) (short, long time.Duration, err error) {
	var times [2][]time.Duration
	for ends := time.Now().Add(2 * h.c.Time); time.Now().Before(ends) || len(times[0]) < 10; {
		for i, a := range []*aged{h.short, h.long} {
			started := time.Now()
			if err := do(a.up.screen); err != nil {
				return 0, 0, err
			}
			times[i] = append(times[i], time.Since(started))
		}
	}
	return median(times[0]), median(times[1]), nil
}

// sealed starts the long till under plomb-boot, which verifies the program and its
// release each time, and as it is, in turn. The first start, which makes the device,
// does not count.
func (h *histories) sealed(ctx context.Context) ([]Result, error) {
	if err := launcherBeside(h.exe); err != nil {
		h.c.tell("no start under plomb-boot: %v", err)
		return nil, nil
	}
	a := h.long
	if err := errors.Join(a.stop(), a.start(ctx, h.exe)); err != nil {
		return nil, err
	}
	h.c.tell("first start under plomb-boot, device made: %v", a.up.ready)
	var m sealedStarts
	for round := range h.c.Rounds {
		if err := m.round(ctx, h.exe, a); err != nil {
			return nil, err
		}
		h.c.tell("start under plomb-boot, round %d of %d: %v, as it is %v, till %.1f MiB, plomb-boot %.1f MiB", round+1, h.c.Rounds, m.ready[round], m.plain[round], m.till[round], m.boot[round])
	}
	return m.results(a), nil
}

// sealedStarts has one value a round.
type sealedStarts struct {
	ready, plain []time.Duration
	till, boot   []float64 // MiB
	ratios       []float64
}

func (m *sealedStarts) round(ctx context.Context, exe string, a *aged) error {
	if err := errors.Join(a.stop(), a.start(ctx, exe, plain)); err != nil {
		return err
	}
	m.plain = append(m.plain, a.up.ready)
	if err := errors.Join(a.stop(), a.start(ctx, exe)); err != nil {
		return err
	}
	m.ready = append(m.ready, a.up.ready)
	m.ratios = append(m.ratios, a.up.ready.Seconds()/m.plain[len(m.plain)-1].Seconds())
	till, _, err := resident(a.up.pid)
	if err != nil {
		return err
	}
	boot, _, err := resident(a.up.launcher)
	m.till, m.boot = append(m.till, till), append(m.boot, boot)
	return err
}

func (m *sealedStarts) results(a *aged) []Result {
	return []Result{
		{Bench: "start", Case: a.named("plomb up under plomb-boot ready, its slot verified"), Value: inMs(median(m.ready)), Unit: "ms", Ratio: median(m.ratios), Against: "as it is"},
		{Bench: "memory", Case: a.named("till process under plomb-boot when ready and signed in"), Value: median(m.till), Unit: "MiB"},
		{Bench: "memory", Case: "plomb-boot beside it", Value: median(m.boot), Unit: "MiB"},
	}
}

// receiptsOfALongDay are in the Z report that is timed.
const receiptsOfALongDay = 10_000

// dayClose times one Z report, with the proof of who asks for it.
func (h *histories) dayClose(ctx context.Context) ([]Result, error) {
	a, err := h.make(ctx, receiptsOfALongDay*entriesASale+20, 0)
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(a.dir)
	if err := a.start(ctx, h.exe, plain); err != nil {
		return nil, err
	}
	if _, err := a.up.settled(ctx); err != nil {
		return nil, errors.Join(err, a.stop())
	}
	started := time.Now()
	err = a.up.proved("report.z", nil)
	took := time.Since(started)
	return []Result{{Bench: "history", Case: fmt.Sprintf("report.z over %d receipts", receiptsOfALongDay), Value: inMs(took), Unit: "ms"}}, errors.Join(err, a.stop())
}
