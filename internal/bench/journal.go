package bench

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/plomb-pos/plomb/journal"
	"github.com/plomb-pos/plomb/journal/proof"
)

const (
	origin = "bench/e1"
	// payloadSize is the size of a record in all append cases: what the journal stores as an entry's body.
	payloadSize = 500
	rawName     = "zero-filled file, one pwrite and fdatasync a group, same payload"
)

// Config says how long and where to measure.
type Config struct {
	Dir    string        // on the disk to be measured; a memory disk measures nothing
	Rounds int           // paired rounds; the median counts
	Time   time.Duration // of one measurement
	// Patience is how long another program may take that is measured against; one that
	// takes longer is left out. 0: any time.
	Patience time.Duration
	// Progress is told each round as it ends; nil: nobody is.
	Progress func(text string)
}

func (c Config) tell(format string, args ...any) {
	if c.Progress != nil {
		c.Progress(fmt.Sprintf(format, args...))
	}
}

// appendCase is one way of appending.
type appendCase struct {
	name    string
	writers int
	sign    bool // a signature for each entry, waited for
}

var appendCases = []appendCase{
	{"append, 1 writer, one signature a group", 1, false},
	{"append, 64 writers, one signature a group", 64, false},
	{"append, 64 writers, one signature a receipt", 64, true},
}

// Append measures durable, sealed, signed appends against the bare file of the
// same disk, and signed receipts against bare signing too, in turn, and gives rate and 50th and 99th percentile of the time of one append.
func Append(ctx context.Context, c Config) ([]Result, error) {
	var results []Result
	for _, a := range appendCases {
		r, err := c.appendRounds(ctx, a)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", a.name, err)
		}
		results = append(results, r...)
	}
	return results, nil
}

// limit is what a way of appending cannot be faster than, measured beside it.
type limit struct {
	name    string
	measure func() (load, error)
	ratios  []float64
}

// limits of a case: the disk, and where each receipt is signed the signing; the
// faster the disk, the more it is that.
func (c Config) limits(a appendCase) []*limit {
	list := []*limit{{name: rawName, measure: func() (load, error) { return c.raw(a.writers, c.Time/2) }}}
	if a.sign {
		list = append(list, &limit{name: signName(), measure: func() (load, error) { return bareSign(c.Time / 2) }})
	}
	return list
}

// around measures ours with all limits just before and just after it.
func around(limits []*limit, ours func() (load, error)) (load, error) {
	before, err := rates(limits)
	if err != nil {
		return load{}, err
	}
	l, err := ours()
	if err != nil {
		return load{}, err
	}
	after, err := rates(limits)
	if err != nil {
		return load{}, err
	}
	for i := range limits {
		limits[i].ratios = append(limits[i].ratios, 2*l.perSecond/(before[i]+after[i]))
	}
	return l, nil
}

func rates(limits []*limit) (list []float64, err error) {
	for _, m := range limits {
		l, err := m.measure()
		if err != nil {
			return nil, err
		}
		list = append(list, l.perSecond)
	}
	return list, nil
}

func (c Config) appendRounds(ctx context.Context, a appendCase) ([]Result, error) {
	limits := c.limits(a)
	var loads []load
	for round := range c.Rounds {
		l, err := around(limits, func() (load, error) { return c.journal(ctx, a) })
		if err != nil {
			return nil, err
		}
		loads = append(loads, l)
		for _, m := range limits {
			c.tell("%s, round %d of %d: %.0f/s, %.2f of %s", a.name, round+1, c.Rounds, l.perSecond, m.ratios[round], m.name)
		}
	}
	return appendResults(a, limits, loads), nil
}

// appendResults has a line for each limit, and the times of one append.
func appendResults(a appendCase, limits []*limit, loads []load) (results []Result) {
	var rate []float64
	var p50, p99 []time.Duration
	for _, l := range loads {
		rate, p50, p99 = append(rate, l.perSecond), append(p50, l.p50), append(p99, l.p99)
	}
	for _, m := range limits {
		results = append(results, Result{Bench: "journal", Case: a.name, Value: median(rate), Unit: "1/s", Ratio: median(m.ratios), Against: m.name})
	}
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	return append(results,
		Result{Bench: "journal", Case: a.name + ", p50", Value: ms(median(p50)), Unit: "ms"},
		Result{Bench: "journal", Case: a.name + ", p99", Value: ms(median(p99)), Unit: "ms"})
}

func (c Config) raw(writers int, d time.Duration) (load, error) {
	dir, err := os.MkdirTemp(c.Dir, "raw")
	if err != nil {
		return load{}, err
	}
	defer os.RemoveAll(dir)
	f, err := openRaw(dir)
	if err != nil {
		return load{}, err
	}
	payload := payloads(writers)
	l, err := drive(writers, d, func(w int) error { return f.append(payload[w]) })
	if cerr := f.close(); err == nil {
		err = cerr
	}
	return l, err
}

func (c Config) journal(ctx context.Context, a appendCase) (load, error) {
	dir, err := os.MkdirTemp(c.Dir, "journal")
	if err != nil {
		return load{}, err
	}
	defer os.RemoveAll(dir)
	j, err := Create(ctx, filepath.Join(dir, "e1"))
	if err != nil {
		return load{}, err
	}
	payload := payloads(a.writers)
	l, err := drive(a.writers, c.Time, func(w int) error {
		t, err := j.Stage(journal.Draft{Kind: 2, Time: time.Now(), Body: payload[w], Sign: a.sign})
		if err != nil {
			return err
		}
		if a.sign {
			_, err = t.Signed(ctx) // once it is durable
			return err
		}
		return t.Wait(ctx)
	})
	if cerr := j.Close(ctx); err == nil {
		err = cerr
	}
	return l, err
}

func payloads(n int) [][]byte {
	list := make([][]byte, n)
	for i := range list {
		list[i] = make([]byte, payloadSize)
		rand.Read(list[i])
	}
	return list
}

// Create makes a journal for measuring: sealed under a key of its own, signed with Ed25519.
func Create(ctx context.Context, dir string) (*journal.Journal, error) {
	opts, err := options()
	if err != nil {
		return nil, err
	}
	return journal.Create(ctx, dir, origin, []journal.Draft{{Kind: 1, Time: time.Now(), Body: []byte(`{}`)}}, opts)
}

// seed of the signing key: nothing that is measured is a secret.
var seed = [ed25519.SeedSize]byte{'b', 'e', 'n', 'c', 'h'}

func options() (journal.Options, error) {
	signer, err := proof.NewEd25519Signer(origin, ed25519.NewKeyFromSeed(seed[:]))
	if err != nil {
		return journal.Options{}, err
	}
	return journal.Options{Keys: keys{}, Signer: signer}, nil
}

type keys struct{}

func (keys) Month(context.Context, uint32) ([32]byte, error)   { return seed, nil }
func (keys) Current(context.Context, uint32) ([32]byte, error) { return seed, nil }
