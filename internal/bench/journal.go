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
// same disk, in turn, and gives rate and 50th and 99th percentile of the time of one append.
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

func (c Config) appendRounds(ctx context.Context, a appendCase) ([]Result, error) {
	var ratios, rates []float64
	var p50, p99 []time.Duration
	for round := range c.Rounds {
		before, err := c.raw(a.writers, c.Time/2)
		if err != nil {
			return nil, err
		}
		ours, err := c.journal(ctx, a)
		if err != nil {
			return nil, err
		}
		after, err := c.raw(a.writers, c.Time/2)
		if err != nil {
			return nil, err
		}
		limit := (before.perSecond + after.perSecond) / 2
		ratios, rates = append(ratios, ours.perSecond/limit), append(rates, ours.perSecond)
		p50, p99 = append(p50, ours.p50), append(p99, ours.p99)
		c.tell("%s, round %d of %d: %.0f/s, %.2f of the limit of %.0f/s", a.name, round+1, c.Rounds, ours.perSecond, ours.perSecond/limit, limit)
	}
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	return []Result{
		{Bench: "journal", Case: a.name, Value: median(rates), Unit: "1/s", Ratio: median(ratios), Against: rawName},
		{Bench: "journal", Case: a.name + ", p50", Value: ms(median(p50)), Unit: "ms"},
		{Bench: "journal", Case: a.name + ", p99", Value: ms(median(p99)), Unit: "ms"},
	}, nil
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
		t, err := j.Append(ctx, journal.Draft{Kind: 2, Time: time.Now(), Body: payload[w], Sign: a.sign})
		if err != nil || !a.sign {
			return err
		}
		_, err = t.Signed(ctx)
		return err
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
