// Package replay rings up a real retail data set at a till, through the same
// API over the same HTTP as the screen, and accounts for every line of it.
//
// # The data
//
// A file with the columns InvoiceNo, StockCode, Description, Quantity,
// InvoiceDate, UnitPrice, CustomerID, Country: the form of "Online Retail" (UCI;
// Chen, Sain, Guo 2012, doi:10.1057/dbm.2012.17). Prices are pounds with at most
// two decimals and taken to include the tax, which is this package's own
// assumption: the data have no tax split.
//
// # What is booked
//
// An invoice is a sale, its lines rung up one by one at the file's prices, paid
// on account (tender "other"). Postage, carriage and lines typed in by hand
// (POST, DOT, C2, M) are services and sold like goods. A cancellation (invoice
// C…) names no original: each of its lines is returned against the newest
// earlier sales of the same customer, article and price that have enough left,
// over several of them if need be, one return a receipt. A Z report ends each
// trading day.
//
// What is not booked is reported with its reason ([Reason]) and its amount; a
// cancelled line is booked whole or not at all. The sums hold to the cent, each
// day and in total: booked sales, booked returns and lines left over are the
// file; and the same figures stand in the heads of the journal's entries, in
// the Z reports and in the grand totals ([Result]).
//
// # Time
//
// The till's clock follows the file, at the file's own dates: such a till is told
// that its clock may show them ([till.Options], ClockFloor), and takes that day's
// tax rates. Options.Weeks moves them by whole weeks, which keeps the days of the
// week. Days are those of the shop's zone.
//
// # Cut off and begun again
//
// What is booked follows from the file alone, and so does every command's id (a
// UUIDv7 with the line's time). The till does nothing twice for an id, and the
// id of what completed a document stands in its journal entry: a run that was
// killed anywhere goes on where it was, on the same directory.
//
//	plan, err := replay.Read(file)
//	result, err := replay.Run(ctx, plan, replay.Options{Dir: dir})
//
// It is no load test: one till, one cashier, one command after the other.
package replay

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Weeks is how far the file's dates are moved unless told otherwise: not at all.
const Weeks = 0

// floor is a time before any data; what a till's clock shows in a replay is right.
var floor = time.Date(1997, 9, 1, 0, 0, 0, 0, time.UTC) // the British tax table begins

// Options say where and how fast.
type Options struct {
	// Dir is the till's directory: made if it does not exist, gone on with if an
	// earlier run of the same file made it; any other one is refused.
	Dir string
	// Weeks by which the file's dates are moved.
	Weeks int
	// Speed is how many times faster than the file's time it goes; 0: as fast as it can.
	Speed float64
	// Progress is called after each document and each day, from one goroutine; may be nil.
	Progress func(Progress)
}

// Progress is how far a run has come.
type Progress struct {
	Done, Steps int // documents and Z reports
	At          time.Time
}

// Run books a plan, or what is left of it, and holds the journal against it.
// The result is there also when figures differ; the error is about what could
// not be done. Whatever the error, Run can be called again.
func Run(ctx context.Context, p *Plan, o Options) (*Result, error) {
	began := time.Now()
	c := newClock(p.moved(p.start(), o.Weeks), o.Speed)
	h, err := openHost(ctx, p, o, c)
	if err != nil {
		return nil, fmt.Errorf("replay: %w", err)
	}
	r := &run{plan: p, opts: o, clock: c, host: h}
	err = r.book(ctx)
	err = errors.Join(err, h.close())
	if err != nil {
		return nil, fmt.Errorf("replay: %w", err)
	}
	result, err := audit(ctx, p, o)
	if err != nil {
		return nil, fmt.Errorf("replay: hold the journal against the file: %w", err)
	}
	result.Commands, result.Requests, result.Resumed = r.commands, h.requests, r.resumed
	result.Seconds = time.Since(began).Seconds()
	return result, nil
}
