package bench

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/plomb-pos/plomb/journal"
	"github.com/plomb-pos/plomb/journal/proof"
)

// Fill makes a journal in dir with the given number of entries, every tenth of
// them signed as a receipt, and closes it.
func Fill(ctx context.Context, dir string, entries int) error {
	j, err := Create(ctx, dir)
	if err != nil {
		return err
	}
	const stride = 250
	payload := payloads(1)[0]
	for done := 1; done < entries; done += stride {
		drafts := make([]journal.Draft, min(stride, entries-done))
		for i := range drafts {
			drafts[i] = journal.Draft{Kind: 2, Time: time.Now(), Body: payload, Sign: i%10 == 0}
		}
		if _, err := j.Append(ctx, drafts...); err != nil {
			j.Close(ctx)
			return err
		}
	}
	return j.Close(ctx)
}

// Verify measures the verification of a whole journal: its contents and root
// against SHA-256 over the same files on one core, and with its signatures
// against a loop of bare Ed25519 verifications on all cores.
func Verify(ctx context.Context, c Config, entries int) ([]Result, error) {
	dir, err := os.MkdirTemp(c.Dir, "verify")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	epoch := filepath.Join(dir, "e1")
	if err := Fill(ctx, epoch, entries); err != nil {
		return nil, err
	}
	policy, err := ownPolicy()
	if err != nil {
		return nil, err
	}
	contents, err := c.verifyRounds(ctx, epoch, nil, "contents and root", entries)
	if err != nil {
		return nil, err
	}
	signed, err := c.verifyRounds(ctx, epoch, policy, "contents, root and every signature", entries)
	if err != nil {
		return nil, err
	}
	return []Result{contents, signed}, nil
}

func (c Config) verifyRounds(ctx context.Context, dir string, policy *proof.Policy, what string, entries int) (Result, error) {
	var ratios, rates []float64
	r := Result{Bench: "verify", Case: fmt.Sprintf("%s, %d entries", what, entries), Unit: "entries/s"}
	for round := range c.Rounds {
		started := time.Now()
		report, err := journal.Verify(ctx, dir, journal.VerifyOptions{Keys: keys{}, Policy: policy})
		if err != nil {
			return r, err
		}
		if !report.Consistent() || report.Contents != report.Size {
			return r, fmt.Errorf("the journal made for measuring does not verify: %v", report.Findings)
		}
		took := time.Since(started)
		limit, against, err := reference(dir, policy != nil, report.Signatures)
		if err != nil {
			return r, err
		}
		r.Against = against
		rates = append(rates, float64(report.Size)/took.Seconds())
		ratios = append(ratios, limit.Seconds()/took.Seconds())
		c.tell("%s, round %d of %d: %v, the reference %v", r.Case, round+1, c.Rounds, took.Round(time.Millisecond), limit.Round(time.Millisecond))
	}
	r.Value, r.Ratio = median(rates), median(ratios)
	return r, nil
}

// reference times what verification cannot do without.
func reference(dir string, signatures bool, n uint64) (time.Duration, string, error) {
	hashing, err := hashFiles(dir)
	if err != nil || !signatures {
		return hashing, "SHA-256 over the same files, one core", err
	}
	return bareVerify(int(n)), verifyName(), nil
}

func hashFiles(dir string) (time.Duration, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.seg"))
	if err != nil {
		return 0, err
	}
	started := time.Now()
	h := sha256.New()
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			return 0, err
		}
		_, err = io.Copy(h, f)
		f.Close()
		if err != nil {
			return 0, err
		}
	}
	return time.Since(started), nil
}

func ownPolicy() (*proof.Policy, error) {
	v, err := proof.NewVerifier(origin, ed25519.NewKeyFromSeed(seed[:]).Public().(ed25519.PublicKey))
	if err != nil {
		return nil, err
	}
	return proof.ParsePolicy([]byte("log " + v.String() + "\nquorum none\n"))
}

// Open measures opening a journal until it takes appends, at two lengths; the
// ratio is of the longer to the shorter.
func Open(ctx context.Context, c Config, short, long int) ([]Result, error) {
	var times [2]time.Duration
	for i, n := range []int{short, long} {
		t, err := c.openAt(ctx, n)
		if err != nil {
			return nil, err
		}
		times[i] = t
	}
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	return []Result{
		{Bench: "open", Case: fmt.Sprintf("%d entries", short), Value: ms(times[0]), Unit: "ms"},
		{Bench: "open", Case: fmt.Sprintf("%d entries", long), Value: ms(times[1]), Unit: "ms",
			Ratio: times[1].Seconds() / times[0].Seconds(), Against: fmt.Sprintf("%d entries", short)},
	}, nil
}

func (c Config) openAt(ctx context.Context, entries int) (time.Duration, error) {
	dir, err := os.MkdirTemp(c.Dir, "open")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	epoch := filepath.Join(dir, "e1")
	if err := Fill(ctx, epoch, entries); err != nil {
		return 0, err
	}
	opts, err := options()
	if err != nil {
		return 0, err
	}
	var times []time.Duration
	for range c.Rounds {
		started := time.Now()
		j, _, err := journal.Open(ctx, epoch, opts)
		if err != nil {
			return 0, err
		}
		times = append(times, time.Since(started))
		if err := j.Close(ctx); err != nil {
			return 0, err
		}
	}
	c.tell("open with %d entries: %v", entries, median(times))
	return median(times), nil
}
