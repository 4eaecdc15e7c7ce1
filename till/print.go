package till

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/journal"
	"github.com/plomb-pos/plomb/receipt"
	"github.com/plomb-pos/plomb/receipt/paper"
	"github.com/plomb-pos/plomb/sale"
	"github.com/plomb-pos/plomb/staff"
	"github.com/plomb-pos/plomb/till/devices"
)

// The actions of intents.
const (
	actionPrint  = "print"
	actionDrawer = "drawer"
)

// maxJobs is how many prints may wait; beyond that a print fails at once and is
// offered again.
const maxJobs = 200

// printJob is something for the printer: a receipt, a copy, a report or a pulse
// for the drawer. Its intent is durable before it is enqueued.
type printJob struct {
	action      string
	entry       uint64 // what it is for
	copy        int    // 0: the original
	key         string // by which the printer knows the job
	intentIndex uint64
	code        string // of the receipt, "" while it is not signed
	cause       string // of a drawer being opened
}

func (j printJob) intent(a fiscal.Actor) *fiscal.Intent {
	return &fiscal.Intent{Actor: a, Action: j.action, Device: printerName, Entry: &j.entry, Copy: j.copy, Key: j.key}
}

// printerName is the printer's name in entries.
const printerName = "ReceiptPrinter"

// jobsFor are what a receipt asks of the printer: to open the drawer where cash
// moves, and to print it. Without devices nothing is asked.
func (n *Node) jobsFor(index uint64, r *fiscal.Receipt, now time.Time) []printJob {
	if n.opts.Devices == "" {
		return nil
	}
	var jobs []printJob
	if r.Document.Mode != sale.Training && slices.ContainsFunc(r.Document.Tenders, func(t sale.Tender) bool { return t.Type == sale.Cash }) {
		jobs = append(jobs, n.drawerJob(index, "sale", now))
	}
	return append(jobs, n.printJob(index, 0, now))
}

func (n *Node) printJob(index uint64, copy int, now time.Time) printJob {
	return printJob{action: actionPrint, entry: index, copy: copy, key: idText(newID(now))}
}

func (n *Node) drawerJob(index uint64, cause string, now time.Time) printJob {
	return printJob{action: actionDrawer, entry: index, key: idText(newID(now)), cause: cause}
}

// enqueue hands a job to the printer's goroutine.
func (n *Node) enqueue(j printJob) {
	select {
	case n.printing <- j:
	default:
		n.ended(j, devices.NotPrinted, errors.New("too many prints wait"))
	}
}

// print does one job after the other until ctx ends. What is left then has an
// intent without outcome, and the next start asks the printer.
func (n *Node) print(ctx context.Context) error {
	fragment := slices.ContainsFunc(n.left, func(o fiscal.OpenIntent) bool { return o.Intent.Action == actionPrint })
	for {
		select {
		case <-ctx.Done():
			return nil
		case j := <-n.printing:
			outcome, err := n.do(ctx, j, fragment)
			if ctx.Err() != nil {
				return nil
			}
			if j.action == actionPrint {
				fragment = leavesFragment(fragment, outcome, err)
			}
			n.ended(j, outcome, err)
		}
	}
}

// leavesFragment reports whether a piece of a print may hang in the printer: it did
// not end well, or it never came to the printer and there was one before.
func leavesFragment(before bool, outcome devices.Outcome, err error) bool {
	if errors.Is(err, devices.ErrNoDevice) {
		return before
	}
	return outcome != devices.Printed
}

// separation cuts a fragment off, so that it never is the head of the next receipt.
var separation = paper.Doc{paper.Feed{Lines: 3}, paper.Cut{}}

// do does one job; fragment: a piece of an earlier one may hang in the printer.
func (n *Node) do(ctx context.Context, j printJob, fragment bool) (devices.Outcome, error) {
	if j.action == actionDrawer {
		return n.devices.OpenDrawer(ctx, j.key)
	}
	doc, err := n.paperOf(ctx, j)
	if err != nil {
		return devices.NotPrinted, err
	}
	if fragment {
		doc = slices.Concat(separation, doc)
	}
	return n.devices.Print(ctx, j.key, doc)
}

// paperOf makes what is printed from the entry alone.
func (n *Node) paperOf(ctx context.Context, j printJob) (paper.Doc, error) {
	e, err := n.journal.Entry(ctx, j.entry)
	if err != nil {
		return nil, fmt.Errorf("print entry %d: %w", j.entry, err)
	}
	columns, language := n.paperShape()
	if e.Head.Kind == fiscal.KindXReport || e.Head.Kind == fiscal.KindZReport {
		r, err := fiscal.ReportOf(e.Head, e.Body)
		if err != nil {
			return nil, err
		}
		r.Copy, r.Operator = j.copy, n.nameOf(staff.ID(r.Operator))
		return receipt.LayoutReport(r, columns, language), nil
	}
	if e.Head.Kind == fiscal.KindProForma {
		b, err := fiscal.BillOf(e.Head, e.Body)
		if err != nil {
			return nil, err
		}
		b.Operator = n.nameOf(staff.ID(b.Operator))
		return receipt.LayoutBill(b, columns, b.Issuer.Language), nil
	}
	d, err := n.documentOf(e, j.copy, j.code)
	if err != nil {
		return nil, err
	}
	return receipt.Layout(d, columns, d.Issuer.Language), nil
}

func (n *Node) documentOf(e journal.Entry, copy int, code string) (receipt.Document, error) {
	d, err := fiscal.ReceiptOf(e.Head, e.Body)
	if err != nil {
		return d, err
	}
	d.Copy, d.Code, d.Operator = copy, code, n.nameOf(d.Sale.Operator)
	return d, nil
}

func (n *Node) paperShape() (columns int, language string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	columns = n.state.Shop.Columns
	if columns == 0 {
		columns = receipt.Wide
	}
	return columns, n.state.Shop.Language
}

// nameOf is a person's name, or the id where there is none.
func (n *Node) nameOf(id staff.ID) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.nameHeld(id)
}

func (n *Node) nameHeld(id staff.ID) string {
	if p, ok := n.people[id]; ok && p.Name != "" {
		return p.Name
	}
	return string(id)
}

// ended journals what became of a job and tells the operator what to do.
func (n *Node) ended(j printJob, outcome devices.Outcome, err error) {
	if err != nil {
		n.opts.Log.Warn("print", "entry", j.entry, "outcome", outcome, "err", err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	o := &fiscal.Outcome{Intent: j.intentIndex, Result: resultOf(outcome), Detail: devices.ErrorCode(err)}
	bodies := []fiscal.Body{o}
	switch {
	case j.action == actionDrawer && outcome == devices.Printed:
		bodies = append(bodies, &fiscal.DrawerOpened{Cause: j.cause, Device: printerName, Entry: &j.entry})
	case j.action == actionPrint && outcome == devices.Printed:
		bodies = append(bodies, &fiscal.Printed{Entry: j.entry, Copy: j.copy})
	case j.action == actionPrint && outcome == devices.NotPrinted:
		bodies = append(bodies, &fiscal.PrintFailed{Entry: j.entry, Copy: j.copy, Why: whyNot(err)})
	}
	n.note(bodies...)
	if j.action == actionPrint {
		n.shownPrint(j, outcome)
	}
}

func resultOf(o devices.Outcome) fiscal.Result {
	switch o {
	case devices.Printed:
		return fiscal.Done
	case devices.NotPrinted:
		return fiscal.Failed
	}
	return fiscal.Unknown
}

func whyNot(err error) string {
	if code := devices.ErrorCode(err); code != "" {
		return code
	}
	if errors.Is(err, devices.ErrNoDevice) {
		return "not-connected"
	}
	return "failed"
}

// shownPrint shows the outcome on the screen. The book is held.
func (n *Node) shownPrint(j printJob, outcome devices.Outcome) {
	id := "print-" + strconv.FormatUint(j.entry, 10)
	if n.last != nil && n.last.Index == j.entry && j.copy == 0 {
		n.last.Printed = map[devices.Outcome]Printed{devices.Printed: PrintedYes, devices.NotPrinted: PrintedNo}[outcome]
		if n.last.Printed == "" {
			n.last.Printed = PrintedUnknown
		}
	}
	number := n.numberOf(j.entry)
	switch outcome {
	case devices.Printed:
		n.notices.drop(id)
	case devices.NotPrinted:
		n.notices.put(notice{id: id, level: "error", code: "not-printed", values: []string{"number", number}})
	default:
		n.notices.put(notice{id: id, level: "error", code: "print-unknown", values: []string{"number", number}})
	}
	n.stream.changed()
}

// numberOf is the number of a recent receipt, or the entry's index.
func (n *Node) numberOf(index uint64) string {
	if n.last != nil && n.last.Index == index {
		return strconv.FormatInt(n.last.Number, 10)
	}
	if e, err := n.journal.Entry(context.Background(), index); err == nil {
		for _, tag := range []uint8{fiscal.TagDocument, fiscal.TagTraining, fiscal.TagZ} {
			if v, ok := e.Head.Number(tag); ok {
				return strconv.FormatInt(v, 10)
			}
		}
	}
	return "#" + strconv.FormatUint(index, 10)
}

// resolveIntents asks the printer about everything that was under way when the
// last run ended. What nobody can tell stays unknown, and the operator is told
// to look and, if need be, to print a marked copy.
func (n *Node) resolveIntents(ctx context.Context) error {
	for _, open := range n.leftIntents() {
		if ctx.Err() != nil {
			return nil
		}
		if open.Intent.Action == fiscal.ActionDispense {
			continue // dispense.go reads what became of it
		}
		j := printJob{action: open.Intent.Action, copy: open.Intent.Copy, key: open.Intent.Key, intentIndex: open.Index, cause: "sale"}
		if open.Intent.Entry != nil {
			j.entry = *open.Intent.Entry
		}
		outcome, err := n.devices.Ask(ctx, j.key)
		if ctx.Err() != nil {
			return nil
		}
		n.ended(j, outcome, err)
	}
	return nil
}

// recall finds out, once the projection is there, what a start does not read: the
// last receipt's print and code, and the receipt that an open return is against.
func (n *Node) recall(ctx context.Context) error {
	size := n.journal.Size()
	for n.searched.Load() < size && ctx.Err() == nil {
		_ = n.caughtUp(ctx, size) // asked again until it is there
	}
	if ctx.Err() != nil {
		return nil
	}
	code, index := n.lastCode(ctx)
	n.recallLast(ctx, code, index)
	select {
	case <-n.older.done:
		n.recallOriginal(ctx)
	case <-ctx.Done():
	}
	return nil
}

// recallOriginal finds the receipt that an open return is against.
func (n *Node) recallOriginal(ctx context.Context) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.basket != nil && n.basket.Original != nil && n.original == nil {
		if o, err := n.originalAt(ctx, placeOf(n.basket.Original)); err == nil {
			n.original = o
		}
	}
	n.stream.changed()
}

// recallLast says what became of the last receipt.
func (n *Node) recallLast(ctx context.Context, code string, index uint64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.last != nil && n.last.Index == index && n.last.Code == "" {
		n.last.Code = code
	}
	if n.last != nil && n.last.Printed == PrintedUnknown {
		if printed, err := n.printedHeld(ctx, n.last.Index); err == nil {
			n.last.Printed = printed
		}
	}
	n.recallChange(ctx)
	n.stream.changed()
}

// lastCode makes the last receipt's code again, outside the book: the signer may
// take its time.
func (n *Node) lastCode(ctx context.Context) (code string, index uint64) {
	n.mu.Lock()
	last := n.last
	n.mu.Unlock()
	if last == nil {
		return "", 0
	}
	return n.codeAgain(ctx, last.Index), last.Index
}

func (n *Node) leftIntents() []fiscal.OpenIntent {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.left)
}

// printedOf is what the journal knows of a receipt's original on paper. It waits
// for what is staged: the outcome of a print may be in the state and not yet on
// the disk.
func (n *Node) printedOf(ctx context.Context, index uint64) (Printed, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for size := n.papers.of(index); n.searched.Load() < size; size = n.papers.of(index) {
		n.mu.Unlock()
		err := n.caughtUp(ctx, size)
		n.mu.Lock()
		if err != nil {
			return "", err
		}
	}
	return n.printedHeld(ctx, index)
}

// printedHeld is printedOf with the book held, and does not wait.
func (n *Node) printedHeld(ctx context.Context, index uint64) (Printed, error) {
	if err := n.searchedTo(n.papers.of(index)); err != nil {
		return "", err
	}
	by, err := n.projection.Referring(ctx, index, uint16(fiscal.KindIntent), uint16(fiscal.KindPrinted), uint16(fiscal.KindPrintFailed))
	if err != nil {
		return "", n.searchFailed(err)
	}
	state := PrintedNo
	for _, i := range by {
		e, err := n.journal.Entry(ctx, i)
		if err != nil {
			return PrintedUnknown, nil // it cannot be read any more: a copy is right in any case
		}
		state = printStep(state, e)
	}
	if state == PrintPending && !n.underWay(index) {
		return PrintedUnknown, nil
	}
	return state, nil
}

// printStep follows the original's way through the entries about it.
func printStep(s Printed, e journal.Entry) Printed {
	b, err := fiscal.Decode(e.Head.Kind, e.Body)
	if err != nil || s == PrintedYes {
		return s
	}
	switch b := b.(type) {
	case *fiscal.Intent:
		if b.Action == actionPrint && b.Copy == 0 {
			return PrintPending
		}
	case *fiscal.Printed:
		if b.Copy == 0 {
			return PrintedYes
		}
	case *fiscal.PrintFailed:
		if b.Copy == 0 {
			return PrintedNo
		}
	}
	return s
}

// underWay reports whether an intent for an entry has no outcome yet. The book
// is held.
func (n *Node) underWay(index uint64) bool {
	return slices.ContainsFunc(n.state.Intents, func(o fiscal.OpenIntent) bool {
		return o.Intent.Action == actionPrint && o.Intent.Entry != nil && *o.Intent.Entry == index
	})
}
