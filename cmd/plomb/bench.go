package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"github.com/plomb-pos/plomb/internal/bench"
)

type benchCommand struct {
	Journal benchJournal `cmd:"" help:"Durable appends, verification and opening, as ratios to the bare disk and to bare hashing and signing."`
	Sale    benchSale    `cmd:"" help:"Sales over HTTP against durable appends, and what a long history costs a till."`
	XFS     benchXFS     `cmd:"" name:"xfs" help:"The device protocol against a raw echo of the same bytes, and against the JSON library alone."`
	Install benchInstall `cmd:"" help:"An image of 256 MiB from disk to pointer, against rauc install; verification at start against SHA-256."`
	Update  benchUpdate  `cmd:"" help:"Deltas against other tools, and sales while an update downloads and installs."`
	Till    benchTill    `cmd:"" help:"Make a till with a long history, to look at or to measure."`
}

// benchOptions are common to all measurements.
type benchOptions struct {
	Dir    string        `default:"." type:"path" help:"Where to measure: a directory on the disk in question, not in memory."`
	Rounds int           `default:"7" help:"Paired rounds; the median counts."`
	Time   time.Duration `default:"2s" help:"Length of one measurement."`
	JSON   bool          `name:"json" help:"One line of JSON a case."`
}

func (o benchOptions) config(s streams) bench.Config {
	return bench.Config{Dir: o.Dir, Rounds: o.Rounds, Time: o.Time, Progress: func(text string) { fmt.Fprintln(s.Err, text) }}
}

// Help says what the figures are.
func (benchOptions) Help() string {
	return `Every figure that says how good plomb is, is a ratio to a limit of this machine,
measured in the same run just before and just after. Progress goes to standard
error, results to standard output.`
}

type benchJournal struct {
	benchOptions
	Entries int  `default:"1000000" help:"Length of the long journal, for opening and verification."`
	Append  bool `help:"Only the appends."`
}

func (b benchJournal) Run(ctx context.Context, s streams) error {
	c := b.config(s)
	results, err := bench.Append(ctx, c)
	if err != nil {
		return err
	}
	if !b.Append {
		more, err := b.whole(ctx, c)
		if err != nil {
			return err
		}
		results = append(results, more...)
	}
	return b.print(s.Out, results)
}

// whole measures what concerns the journal as a whole.
func (b benchJournal) whole(ctx context.Context, c bench.Config) ([]bench.Result, error) {
	verify, err := bench.Verify(ctx, c, b.Entries)
	if err != nil {
		return nil, err
	}
	open, err := bench.Open(ctx, c, 1000, b.Entries)
	if err != nil {
		return nil, err
	}
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	memory, err := bench.Memory(ctx, c, exe, 1000, b.Entries)
	return append(append(verify, open...), memory...), err
}

func (o benchOptions) print(w io.Writer, results []bench.Result) error {
	if o.JSON {
		enc := json.NewEncoder(w)
		for _, r := range results {
			if err := enc.Encode(r); err != nil {
				return err
			}
		}
		return nil
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, r := range results {
		fmt.Fprintf(t, "%s\t%s\t%.4g %s", r.Bench, r.Case, r.Value, r.Unit)
		if r.Against != "" {
			fmt.Fprintf(t, "\t%.2f × %s", r.Ratio, r.Against)
		}
		fmt.Fprintln(t)
	}
	return t.Flush()
}

type benchSale struct {
	benchOptions
	Entries int `default:"100000" help:"Length of the long history; 0: leave out what depends on it."`
}

func (b benchSale) Run(ctx context.Context, s streams) error {
	exe, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	c := b.config(s)
	results, err := bench.Sale(ctx, c, exe)
	if err == nil && b.Entries > 0 {
		var more []bench.Result
		more, err = bench.History(ctx, c, exe, b.Entries)
		results = append(results, more...)
	}
	if err := b.print(s.Out, results); err != nil {
		return err
	}
	return err
}

type benchTill struct {
	Dir     string `arg:"" type:"path" help:"Directory, missing or empty."`
	Entries int    `default:"100000" help:"Entries in its journal."`
}

// Help says who may sign in.
func (benchTill) Help() string {
	return "The till is set up, with administrator 1 and supervisor 2, both with PIN " + bench.PIN + ". plomb up --dir DIR runs it."
}

func (b benchTill) Run(ctx context.Context) error { return bench.FillTill(ctx, b.Dir, b.Entries) }

// benchVerify is a process whose memory is measured.
type benchVerify struct {
	Dir string `arg:"" type:"path"`
}

func (b benchVerify) Run(ctx context.Context, s streams) error {
	return bench.VerifyOne(ctx, b.Dir, s.Out)
}
