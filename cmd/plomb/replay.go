package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"text/tabwriter"

	"github.com/plomb-pos/plomb/internal/replay"
	"github.com/plomb-pos/plomb/money"
)

type replayCommand struct {
	File  string  `arg:"" type:"existingfile" help:"Invoice lines in the form of the data set \"Online Retail\" (CSV)."`
	Dir   string  `required:"" type:"path" help:"Directory for the till: made, or gone on with after a run that was cut off."`
	Speed float64 `default:"0" help:"Times faster than the file's time; 0 is as fast as it goes."`
	Weeks int     `default:"0" help:"Weeks by which the file's dates are moved; 788 takes December 2010 to January 2026."`
	JSON  bool    `name:"json" help:"The whole account as one line of JSON."`
}

// Help says what is done and where real data are.
func (replayCommand) Help() string {
	return `Makes a till, sets up a British shop, takes in the file's articles and rings up its
invoices line by line through the same API over HTTP as the screen; cancellations
are returned against the receipts they can belong to, and a Z report ends each day.
What cannot be booked is listed with its reason. In the end the journal is held
against the file, to the penny; exit code 1 says that something differs.

One real day is in internal/replay/testdata. A run that was cut off, by whatever,
goes on when it is started again on the same directory, and books nothing twice.
Afterwards plomb up --dir DIR shows the till (sign in as 1, PIN 246810).`
}

func (c replayCommand) Run(ctx context.Context, s streams) error {
	if c.Speed < 0 {
		return usageError{fmt.Errorf("--speed %v: time does not go back", c.Speed)}
	}
	plan, err := c.read()
	if err != nil {
		return err
	}
	bar := newBar(s.Err, "replay")
	r, err := replay.Run(ctx, plan, replay.Options{
		Dir: c.Dir, Weeks: c.Weeks, Speed: c.Speed,
		Progress: func(p replay.Progress) {
			bar.ChangeMax(p.Steps)
			bar.Describe(p.At.Format("2006-01-02 15:04"))
			bar.Set(p.Done)
		},
	})
	bar.Clear()
	if err != nil {
		return hint{err, "start it again on the same directory: it goes on where it was"}
	}
	return c.tell(s.Out, r)
}

func (c replayCommand) read() (*replay.Plan, error) {
	f, err := os.Open(c.File)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	p, err := replay.Read(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.File, err)
	}
	return p, nil
}

func (c replayCommand) tell(w io.Writer, r *replay.Result) error {
	var err error
	if c.JSON {
		err = writeLine(w, r)
	} else {
		err = printReplay(w, r)
	}
	if err == nil && len(r.Differences) > 0 {
		err = fmt.Errorf("the journal and the file differ in %d points", len(r.Differences))
	}
	return err
}

func pounds(a money.Amount) string { return a.Text("GBP") }

// printReplay tells the account for people.
func printReplay(w io.Writer, r *replay.Result) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "day\tbooked on\tfile\tsales\treceipts\treturns\treceipts\tnot booked\tlines\tZ\t")
	for _, d := range append(r.Days, r.Total) {
		if d.Date == "" {
			d.Date = "total"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%d\t%s\t%d\t%s\t%d\t%d\t\n", d.Date, d.Booked, pounds(d.File.Amount), pounds(d.Sales.Amount), d.Sales.Documents,
			pounds(d.Returns.Amount), d.Returns.Documents, pounds(d.Left.Amount), d.Left.Lines, d.Z)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(w, "\nof %d lines, %d are not booked:\n", r.Total.File.Lines, r.Total.Left.Lines)
	for _, x := range r.Reasons {
		fmt.Fprintf(w, "  %5d lines  %12s  %s\n", x.Lines, pounds(x.Amount), x.Reason)
	}
	fmt.Fprintf(w, "\n%s: %d entries; %d articles; grand totals %s sold, %s given back, %s net\n", r.Origin, r.Entries, r.Articles,
		pounds(r.Grand.Sale), pounds(r.Grand.Return), pounds(r.Grand.Net))
	fmt.Fprintf(w, "%d commands in %.1f s; %d documents were booked by an earlier run\n", r.Commands, r.Seconds, r.Resumed)
	for _, d := range r.Differences {
		fmt.Fprintln(w, "DIFFERS:", d)
	}
	if len(r.Differences) == 0 {
		fmt.Fprintln(w, "file, journal, Z reports and grand totals agree")
	}
	return nil
}
