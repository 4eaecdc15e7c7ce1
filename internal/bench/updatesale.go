package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// backgroundRate is about what the agent takes while sales are made, in bytes a
// second: its policy's rate with a day open, and half of that during a sale.
const backgroundRate = 160 << 10

// updatePatience is how long a till may take for one update beyond its download.
const updatePatience = 5 * time.Minute

// UpdateSale measures sales over HTTP at a till that updates itself, against sales at
// the same till just before and just after (requirement CU-07). The till is what plomb
// up starts under plomb-boot, its agent in its own process; each round is a release of
// the sample world, fetched at the background rate, agreed to, verified, written into
// the other slot, and started. The download takes about c.Time. exe is this program,
// plomb-boot beside it.
func UpdateSale(ctx context.Context, c Config, exe string) (results []Result, err error) {
	dir, err := os.MkdirTemp(c.Dir, "update")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	c.tell("make a till and its device")
	till, err := startSealed(ctx, exe, filepath.Join(dir, "till"))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, till.stop()) }()
	var m medians
	for round := range c.Rounds {
		alone, during, err := till.update(ctx, c)
		if err != nil {
			return nil, fmt.Errorf("round %d: %w", round+1, err)
		}
		m.add(alone, during)
		c.tell("round %d of %d: %d sales alone, %s", round+1, c.Rounds, len(alone), during)
	}
	return m.results(), nil
}

// update is a round: sales alone, during an update, alone.
func (t *sealed) update(ctx context.Context, c Config) (alone []time.Duration, during updated, err error) {
	c.tell("build a release")
	r, err := t.release(ctx, int(c.Time.Seconds()*backgroundRate))
	if err != nil {
		return nil, during, err
	}
	before, err := t.sellAlone(ctx, c.Time)
	if err != nil {
		return nil, during, err
	}
	if err := t.deploy(r); err != nil {
		return nil, during, err
	}
	ctx, cancel := context.WithTimeout(ctx, updatePatience+2*c.Time)
	defer cancel()
	made, err := t.sellDuring(ctx, r.Digest().String())
	if err != nil {
		return nil, during, err
	}
	steps, err := t.steps(ctx, r.Digest().String())
	if err != nil {
		return nil, during, err
	}
	if during, err = sortByPhase(made, steps); err != nil {
		return nil, during, err
	}
	after, err := t.sellAlone(ctx, c.Time)
	return slices.Concat(before, after), during, err
}

// sellAlone sells for d, with the same looks at the till as during an update.
func (t *sealed) sellAlone(ctx context.Context, d time.Duration) (times []time.Duration, err error) {
	l := t.look(ctx)
	defer l.close()
	_, err = drive(1, d, func(int) error {
		scan, complete, err := t.sell()
		times = append(times, scan+complete)
		return err
	})
	return times, err
}

// timedSale is a sale and when it was made.
type timedSale struct {
	began time.Time
	took  time.Duration
}

// sellDuring sells until the till ends to start another version, and signs in there.
// While the update waits for a moment without a sale there is none, as between two
// customers.
func (t *sealed) sellDuring(ctx context.Context, digest string) (made []timedSale, err error) {
	l := t.look(ctx)
	defer l.close()
	agreed := false
	for !l.gone() {
		switch u := l.update(); {
		case ctx.Err() != nil:
			return made, fmt.Errorf("the till made no update: %w", ctx.Err())
		case !agreed && u.Digest == digest && u.Waiting == "consent":
			agreed = true
			err = t.agree(digest)
		case u.Waiting == "sale":
			err = pause(ctx, 50*time.Millisecond)
		default:
			began := time.Now()
			var scan, complete time.Duration
			scan, complete, err = t.sell()
			made = append(made, timedSale{began, scan + complete})
		}
		if changing(err) || agreed && lost(err) {
			break
		}
		if err != nil {
			return made, err
		}
	}
	l.close()
	return made, t.again(ctx)
}

// look is what a screen sees of the software, asked four times a second.
type look struct {
	mu    sync.Mutex
	last  offered
	ended bool
	close func()
}

func (t *sealed) look(ctx context.Context) *look {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	l := &look{close: func() { cancel(); <-done }}
	s := t.screen
	go func() {
		defer close(done)
		for pause(ctx, 250*time.Millisecond) == nil {
			state, err := s.state(ctx)
			l.take(state, err)
		}
	}()
	return l
}

func (l *look) take(s state, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = l.ended || err != nil
	l.last = offered{}
	if s.Software.Update != nil {
		l.last = *s.Software.Update
	}
}

func (l *look) update() offered { l.mu.Lock(); defer l.mu.Unlock(); return l.last }

// gone reports whether the till answers no more.
func (l *look) gone() bool { l.mu.Lock(); defer l.mu.Unlock(); return l.ended }

// phase is what the update does while a sale is made.
type phase int

const (
	downloading phase = iota
	installing        // what came is opened and verified, then written into a slot and verified there
	phases      = 2
)

// updated are the sales beside one update, and how long its parts took.
type updated struct {
	sales [phases][]time.Duration
	took  [phases]time.Duration
}

func (u updated) String() string {
	return fmt.Sprintf("%d while downloading (%v), %d while installing (%v)", len(u.sales[downloading]), u.took[downloading], len(u.sales[installing]), u.took[installing])
}

// spans are the parts of an update, by the stages between which they lie.
var spans = []struct {
	phase                          phase
	from, outcome, until, finished string
}{
	{downloading, "announced", "done", "downloaded", "done"},
	{installing, "downloaded", "done", "transmission", "done"},
	{installing, "installed", "begun", "verified", "done"},
}

// sortByPhase takes the sales that were beside a part of the update, at least for a
// while, by the journal's times of its stages.
func sortByPhase(made []timedSale, steps []step) (out updated, err error) {
	if _, err := stepAt(steps, "pointer", "done"); err != nil {
		return out, err // the till ended for another reason
	}
	for _, s := range spans {
		from, err := stepAt(steps, s.from, s.outcome)
		if err != nil {
			return out, err
		}
		until, err := stepAt(steps, s.until, s.finished)
		if err != nil {
			return out, err
		}
		out.took[s.phase] += until.Sub(from)
		for _, x := range made {
			if x.began.Before(until) && x.began.Add(x.took).After(from) {
				out.sales[s.phase] = append(out.sales[s.phase], x.took)
			}
		}
	}
	return out, nil
}

// stepAt is when a stage came out so for the last time.
func stepAt(steps []step, stage, outcome string) (time.Time, error) {
	for _, x := range steps {
		if x.Stage == stage && x.Outcome == outcome {
			return x.At, nil
		}
	}
	return time.Time{}, fmt.Errorf("the till's history has no stage %s that was %s: %v", stage, outcome, steps)
}

// medians are the figures of each round.
type medians struct {
	alone50, alone99 []float64 // ms
	p50, p99         [phases][]float64
	ratio50, ratio99 [phases][]float64
}

func (m *medians) add(alone []time.Duration, during updated) {
	base50, base99 := quantiles(alone)
	m.alone50, m.alone99 = append(m.alone50, base50), append(m.alone99, base99)
	for p, sales := range during.sales {
		if len(sales) == 0 {
			continue
		}
		p50, p99 := quantiles(sales)
		m.p50[p], m.p99[p] = append(m.p50[p], p50), append(m.p99[p], p99)
		m.ratio50[p], m.ratio99[p] = append(m.ratio50[p], p50/base50), append(m.ratio99[p], p99/base99)
	}
}

// quantiles are p50 and p99 in ms.
func quantiles(times []time.Duration) (p50, p99 float64) {
	slices.Sort(times)
	return inMs(times[len(times)/2]), inMs(times[len(times)*99/100])
}

func (m *medians) results() []Result {
	out := []Result{
		{Bench: "update", Case: "whole sale alone, p50", Value: median(m.alone50), Unit: "ms"},
		{Bench: "update", Case: "whole sale alone, p99", Value: median(m.alone99), Unit: "ms"},
	}
	for p, name := range []string{"downloads", "installs"} {
		if len(m.p50[p]) == 0 {
			continue
		}
		out = append(out,
			Result{Bench: "update", Case: "whole sale while the till " + name + " an update, p50", Value: median(m.p50[p]), Unit: "ms", Ratio: median(m.ratio50[p]), Against: "alone"},
			Result{Bench: "update", Case: "whole sale while the till " + name + " an update, p99", Value: median(m.p99[p]), Unit: "ms", Ratio: median(m.ratio99[p]), Against: "alone"})
	}
	return out
}
