package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/plomb-pos/plomb/journal"
	"github.com/plomb-pos/plomb/seal"
	"github.com/plomb-pos/plomb/staff"
	"github.com/plomb-pos/plomb/till"
)

type epochCommand struct {
	New epochNew `cmd:"" help:"Go on under a new origin where the journal cannot go on."`
}

type epochNew struct {
	tillFiles
	Reason   string   `required:"" help:"Why; it stands in the new epoch's first entry for ever."`
	Person   string   `help:"Id of the person who asks for it: administrator or service. The PIN is asked for."`
	Approver string   `help:"Id of the person who approves it: the responsible person. The PIN is asked for."`
	Receipt  []string `placeholder:"CODE" help:"Code (PLOMB1:...) of a receipt on paper that the journal may have lost; may be given several times."`
	DryRun   bool     `help:"Say what would be done and what is lost, and do nothing."`
	JSON     bool     `name:"json" help:"One JSON object on standard output."`
}

// Help says when it is right, and what is lost.
func (epochNew) Help() string {
	return `For a till that refuses to start because an anchor knows more than its journal
holds (an old copy was restored, its end was lost), or because the end of its
journal is destroyed. A better copy of the journal is always better than this: try
plomb repair first, or put the newest backup of the directory in place.

The old epoch stays as it is, to be read and verified. The new one begins with an
entry that names it, its last signed checkpoint, what the anchors have seen, the
reason and the persons, and goes on with its settings, numbers and grand totals,
which are marked "at least". What was lost stays lost, and the entry shows it.

  plomb epoch new --dir plomb-data --reason "disk failed, copy of Monday" --dry-run
  plomb epoch new --dir plomb-data --reason "disk failed, copy of Monday" --person 1 --approver 7

The receipts that customers hold are proof of what was lost: --receipt takes the
newest one's code and goes on from its number and totals. Pulling the plug while
it runs is safe: the till has its old journal or the new one, and calling again helps.`
}

func (c epochNew) Run(ctx context.Context, s streams) error { return c.run(ctx, s, false) }

// run makes the new epoch; rotate: for a new key alone.
func (c epochNew) run(ctx context.Context, s streams, rotate bool) error {
	box, err := c.box()
	if err != nil {
		return err
	}
	req := till.EpochRequest{Reason: c.Reason, Receipts: c.Receipt, Keys: box, Rotate: rotate, DryRun: c.DryRun}
	if !c.DryRun {
		ask := newPrompt(s)
		if req.Person, err = ask.approval(c.Person); err != nil {
			return err
		}
		if req.Approver, err = ask.approval(c.Approver); err != nil {
			return err
		}
	}
	report, err := till.NewEpoch(ctx, tillOptions(c.Dir, box, nil), req)
	if err != nil {
		return c.explain(err)
	}
	if c.JSON {
		return writeLine(s.Out, report)
	}
	return c.print(s.Out, report)
}

// explain says what to do where no new epoch could be begun.
func (c epochNew) explain(err error) error {
	if who, ok := errors.AsType[*till.WhoError](err); ok {
		advice := "say who asks and who approves: --person ID --approver ID"
		if len(who.Approvers) == 0 {
			advice = "say who asks: --person ID (nobody in this shop has to approve)"
		}
		return hint{err, advice}
	}
	if errors.Is(err, till.ErrNotWhole) {
		return hint{err, "see what is lost: plomb epoch new --dir " + c.Dir + " --reason \"WHY\" --dry-run"}
	}
	if errors.Is(err, till.ErrNothingLeft) {
		return hint{err, "put the newest backup of the directory in its place; if only the file JOURNAL is damaged, plomb repair --dir " + c.Dir + " --from BACKUP takes it from any copy of the epoch"}
	}
	return explain(c.Dir, err)
}

func (c epochNew) print(w io.Writer, r till.EpochReport) error {
	verb := "would go on as"
	if r.Done {
		verb = "goes on as"
	}
	fmt.Fprintf(w, "%s %s %s\n  %d entries of %s are held and stay where they are\n", r.Old, verb, r.New, r.Entries, r.Old)
	for _, h := range r.Damaged {
		fmt.Fprintf(w, "  damaged: entries %d to %d: %s\n", h.First, h.Last, h.Why)
	}
	for _, l := range r.Lost {
		fmt.Fprintf(w, "  lost: entries %d to %d of %s, as %s shows\n", l.First, l.Last, l.Origin, l.Known)
	}
	if len(r.Lost) == 0 {
		fmt.Fprintln(w, "  no anchor or receipt shows that more is lost")
	}
	for _, a := range r.Anchors {
		fmt.Fprintf(w, "  seen by %s\n", a)
	}
	fmt.Fprintf(w, "  next document %d, next Z %d, grand total at least %s %s\n", r.Next.Document, r.Next.Z, r.Net.Text(r.Currency), r.Currency)
	for _, n := range r.Notes {
		fmt.Fprintf(w, "  note: %s\n", n)
	}
	if !r.Done {
		_, err := fmt.Fprintln(w, "nothing was changed")
		return err
	}
	_, err := fmt.Fprintf(w, "\nnext:\n  plomb up --dir %s\n  plomb policy show --dir %s   (names the new signing key; give it to whoever verifies)\n", c.Dir, c.Dir)
	return err
}

// prompt asks for PINs: without echo on a terminal, otherwise a line each.
type prompt struct {
	in  *bufio.Reader
	raw io.Reader
	out io.Writer
}

func newPrompt(s streams) *prompt { return &prompt{bufio.NewReader(s.In), s.In, s.Err} }

// approval asks for a person's PIN; nobody is asked for where no id was given.
func (p *prompt) approval(id string) (till.Approval, error) {
	if id == "" {
		return till.Approval{}, nil
	}
	fmt.Fprintf(p.out, "PIN of person %s: ", id)
	restore := quiet(p.raw)
	line, err := p.in.ReadString('\n')
	restore()
	fmt.Fprintln(p.out)
	if err != nil && (err != io.EOF || line == "") {
		return till.Approval{}, fmt.Errorf("read the PIN of person %s: %w", id, err)
	}
	return till.Approval{Person: staff.ID(id), PIN: strings.TrimRight(line, "\r\n")}, nil
}

// explain tells, for an error of opening the till in dir, what has happened in a
// shop owner's words, and which command comes next. Other errors are left alone.
func explain(dir string, err error) error {
	rollback, isRollback := errors.AsType[*journal.RollbackError](err)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, journal.ErrLocked):
		return hint{err, "another plomb works on " + dir + ": end it first"}
	case errors.Is(err, journal.ErrVersion):
		return hint{err, "a newer plomb has written this journal; nothing is lost and nothing was changed: start that version again"}
	case isRollback:
		return hint{err, rolledBack(dir, rollback)}
	case errors.Is(err, journal.ErrNoJournal), missing(err, "JOURNAL"):
		return hint{err, fmt.Sprintf(`the till's journal is not there. Nothing was changed, and no sale is possible without it.
plomb: 1. Put the newest backup of %[1]s in its place, with all that is in it.
plomb: 2. If only the file JOURNAL is missing:  plomb repair --dir %[1]s --from BACKUP
plomb: 3. For a new till:  plomb up --dir NEW`, dir)}
	case errors.Is(err, journal.ErrDamaged):
		return hint{err, fmt.Sprintf(`the till's journal, or an anchor beside it, is damaged so that it cannot go on. Nothing was changed; what can be read stays readable.
plomb: 1. See what is damaged:       plomb journal verify --dir %[1]s
plomb: 2. If there is a backup:      plomb repair --dir %[1]s --from BACKUP
plomb: 3. Otherwise see what is lost: plomb epoch new --dir %[1]s --reason "WHY" --dry-run
plomb:    and go on:                 plomb epoch new --dir %[1]s --reason "WHY" --person ID --approver ID`, dir)}
	case errors.Is(err, seal.ErrForged):
		return hint{err, "the keys in " + dir + "/seal are damaged or not this till's: put back the backup that belongs to this journal"}
	case errors.Is(err, fs.ErrNotExist):
		return hint{err, "a part of " + dir + " is missing: put the newest backup in its place, with all that is in it"}
	}
	return err
}

// missing reports whether an error is about a file of this name that is not there.
func missing(err error, name string) bool {
	at, ok := errors.AsType[*fs.PathError](err)
	return ok && errors.Is(err, fs.ErrNotExist) && filepath.Base(at.Path) == name
}

func rolledBack(dir string, e *journal.RollbackError) string {
	what := fmt.Sprintf("the journal holds %d entries, but %s has seen %d of %s: the end of the journal was lost, or an older copy of it was put back", e.Size, e.Anchor, e.Seen.Size, e.Seen.Origin)
	if e.Seen.Size <= e.Size {
		what = fmt.Sprintf("the journal's first %d entries are not those that %s has seen: it was changed, or belongs to another till", e.Seen.Size, e.Anchor)
	}
	return fmt.Sprintf(`%[2]s.
plomb: The till does not sell on from there, since sales would be missing without a trace. Nothing was changed.
plomb: 1. If there is a newer copy of %[1]s, put it in its place and start again.
plomb: 2. Otherwise see what is lost:  plomb epoch new --dir %[1]s --reason "WHY" --dry-run
plomb:    and go on:                  plomb epoch new --dir %[1]s --reason "WHY" --person ID --approver ID`, dir, what)
}
