package till

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/journal"
	"github.com/plomb-pos/plomb/journal/proof"
	"github.com/plomb-pos/plomb/money"
	"github.com/plomb-pos/plomb/staff"
)

// EpochRequest says why a till goes on under a new origin, and who wants that.
type EpochRequest struct {
	Reason string // at most 200 characters are kept
	// Person asks and Approver approves (operation new-epoch of the staff table).
	// Where the vault cannot be read nobody can be checked: the entry then says so.
	Person, Approver Approval
	// Receipts are codes from paper that is newer than what the journal still
	// holds: each shows how far the journal had come, and its totals.
	Receipts []string
	// Keys make the new origin's signing key and check the signatures of old ones.
	Keys EpochKeys
	// Rotate asks for another signing key and nothing else: the old epoch has to be
	// whole, and the new one goes on exactly where it ended. Every epoch has a key of
	// its own. Person asks and Approver approves operation key-rotation.
	Rotate bool
	// DryRun only looks: nothing is written, and nobody has to prove who they are.
	DryRun bool
}

// EpochKeys keep one signing key for each origin; seal.Box does. An origin
// without a key gives an error that wraps fs.ErrNotExist.
type EpochKeys interface {
	Verifier(origin string) (string, error)
	Signer(origin string) (proof.Signer, error)
	CreateSigner(origin string) (proof.Signer, error)
}

// EpochReport says what a new epoch goes on from, and what of the old one is
// lost as far as anybody knows.
type EpochReport struct {
	Old     string        `json:"old"`               // origin whose state goes on
	New     string        `json:"new"`               // origin from now on
	Dir     string        `json:"dir"`               // of the new epoch
	Key     string        `json:"key,omitzero"`      // verifier key of the new origin; not in a dry run
	Entries uint64        `json:"entries"`           // that the old epoch still holds, damaged ones counted
	Damaged []fiscal.Hole `json:"damaged,omitempty"` // among them
	Lost    []LostEntries `json:"lost,omitempty"`    // after them, or of epochs that are not there
	Anchors []string      `json:"anchors,omitempty"` // what anchors and receipts say, one line each
	// Checkpoint is the last known signed checkpoint of the old origin, a signed
	// note, or the unsigned text of what is held where no signature is left.
	Checkpoint string         `json:"checkpoint,omitzero"`
	Next       fiscal.Next    `json:"next"`
	Net        money.Amount   `json:"net"` // grand total of sales less returns; at least
	Currency   money.Currency `json:"currency"`
	// OpenDay is how many sales the old epoch has since its last Z report: the day
	// goes on, and the next Z report names them.
	OpenDay int64    `json:"openDay,omitzero"`
	Person  string   `json:"person,omitzero"` // who asked
	Notes   []string `json:"notes,omitempty"` // what somebody has to know or look after
	Done    bool     `json:"done"`            // the new epoch is in place
}

// LostEntries are entries of which somebody knows that they were there, and that
// the journal does not hold.
type LostEntries struct {
	Origin string `json:"origin"`
	First  uint64 `json:"first"`
	Last   uint64 `json:"last"`
	Known  string `json:"known"` // by what
}

// making ends the name of an epoch's directory until it is whole.
const making = ".making"

// NewEpoch lets a till whose journal cannot go on (an old copy was restored, its
// end was lost or destroyed) go on under a new origin. The new journal's first
// entries name the old origin, its last known checkpoint, what the anchors saw,
// the reason and who wanted it, and hold a snapshot of the state carried on.
// Nothing of the old epoch's directory is written.
//
// The new epoch is made under another name and renamed when it is whole; nothing
// is signed before, and no anchor told. So a crash at any moment leaves the till
// as it was, and NewEpoch can be called again, or the new epoch whole. When it
// returns nil the new epoch survives loss of power.
//
// Errors to decide on: [journal.ErrLocked] (the till runs), [journal.ErrVersion],
// [journal.ErrNoJournal], a [*WhoError], and [ErrNothingLeft].
func NewEpoch(ctx context.Context, o Options, req EpochRequest) (EpochReport, error) {
	return newEpochOn(ctx, durable.OS{}, o, req)
}

func newEpochOn(ctx context.Context, fsys durable.FS, o Options, req EpochRequest) (EpochReport, error) {
	o, err := o.withDefaults()
	if err != nil {
		return EpochReport{}, err
	}
	r := &renewal{fs: fsys, opts: o, req: req}
	err = r.run(ctx)
	if r.vault != nil {
		err = errors.Join(err, r.vault.Close())
	}
	for _, l := range r.locks {
		err = errors.Join(err, l.Close())
	}
	if err != nil {
		return r.report, fmt.Errorf("new epoch: %w", err)
	}
	return r.report, nil
}

// renewal is one call of NewEpoch.
type renewal struct {
	fs     durable.FS
	opts   Options
	req    EpochRequest
	report EpochReport

	remains
	keepers
	locks  []io.Closer
	number int // of the new epoch
	making string
	drafts []journal.Draft
	head   proof.Checkpoint // of the new epoch, as made
}

// run goes step by step; a dry run leaves out those that write.
func (r *renewal) run(ctx context.Context) error {
	if r.req.Reason = oneLine(strings.TrimSpace(r.req.Reason)); r.req.Reason == "" {
		return errors.New("no reason given")
	}
	steps := []func(context.Context) error{
		r.find, r.lock, r.hear, r.read, r.openKeepers, r.hearDatabases, r.whole, r.choose, r.settleStaged, r.carry, r.settleVault, r.make, r.place, r.begin,
	}
	if r.req.DryRun {
		steps = []func(context.Context) error{r.find, r.lock, r.hear, r.read, r.openKeepers, r.hearDatabases, r.whole, r.choose, r.carry}
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// lock refuses to work beside a till. The old epoch's LOCK is not made where it
// is missing: then nobody has opened this copy.
func (r *renewal) lock(context.Context) error {
	for _, n := range r.epochs {
		dir := r.epochDir(n)
		names, err := r.fs.ReadDir(dir)
		if err != nil {
			return err
		}
		if !slices.Contains(names, "LOCK") {
			continue
		}
		l, err := r.fs.Lock(path.Join(dir, "LOCK"))
		if err != nil {
			return fmt.Errorf("epoch %d: %w", n, err)
		}
		r.locks = append(r.locks, l)
	}
	return nil
}

// choose numbers the new epoch: behind all that are there, that an anchor or a
// receipt has seen, and that have a key. A key alone may be left from a call that
// was cut short; then the directory that it was made for is there as well.
func (r *renewal) choose(context.Context) error {
	r.number = r.epochs[0] + 1
	origins := r.sized
	for _, e := range r.evidence {
		origins = append(origins, e.checkpoint.Origin)
	}
	for _, origin := range origins {
		if n, ok := epochOf(origin, r.name); ok {
			r.number = max(r.number, n+1)
		}
	}
	for {
		r.report.New, r.report.Dir = Origin(r.name, r.number), r.epochDir(r.number)
		r.making = r.report.Dir + making
		_, err := r.req.Keys.Verifier(r.report.New)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if _, err := r.fs.ReadDir(r.making); err == nil {
			return nil
		}
		r.note("there was an epoch %s, of which only the key is left", r.report.New)
		r.number++
	}
}

// epochOf is n for the origin "<name>/e<n>".
func epochOf(origin, name string) (int, bool) {
	rest, ok := strings.CutPrefix(origin, name+"/")
	if !ok {
		return 0, false
	}
	return epochNumber(rest)
}

func (r *renewal) epochDir(n int) string { return path.Join(r.opts.Dir, "e"+strconv.Itoa(n)) }

func (r *renewal) note(format string, args ...any) {
	r.report.Notes = append(r.report.Notes, fmt.Sprintf(format, args...))
}

// make makes the new epoch beside its place. Nothing is signed: what is thrown
// away after a crash must not have been.
func (r *renewal) make(ctx context.Context) error {
	if err := r.claim(); err != nil {
		return err
	}
	if err := r.makeKey(); err != nil {
		return err
	}
	if err := r.draft(); err != nil {
		return err
	}
	j, err := journal.Create(ctx, r.making, r.report.New, r.drafts, journal.Options{FS: r.fs, Keys: r.opts.Keys})
	if err != nil {
		return err
	}
	r.head = j.Head()
	return j.Close(ctx)
}

// claim makes the directory, before the key is made: a key without it is that of
// an epoch that lived. What a call that was cut short left in it was never in use.
func (r *renewal) claim() error {
	if err := emptyTree(r.fs, r.making); err != nil {
		return fmt.Errorf("remove what an earlier call left: %w", err)
	}
	if err := r.fs.Mkdir(r.making); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return r.fs.SyncDir(r.opts.Dir)
}

// emptyTree removes everything in a directory, which need not be there.
func emptyTree(fsys durable.FS, dir string) error {
	names, err := fsys.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, name := range names {
		sub := path.Join(dir, name)
		if _, err := fsys.ReadDir(sub); err == nil {
			if err := emptyTree(fsys, sub); err != nil {
				return err
			}
		}
		if err := fsys.Remove(sub); err != nil {
			return err
		}
	}
	return nil
}

// makeKey makes the new origin's signing key, or takes the one that a call cut
// short has made: nothing was signed with it.
func (r *renewal) makeKey() error {
	_, err := r.req.Keys.CreateSigner(r.report.New)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	r.report.Key, err = r.req.Keys.Verifier(r.report.New)
	return err
}

// draft makes the first entries.
func (r *renewal) draft() error {
	now := r.opts.Now()
	s := &scratch{state: &fiscal.State{}, origin: r.report.New, time: now, uptime: r.opts.Uptime(), boot: r.opts.Boot}
	if last := time.UnixMilli(r.state.Time); now.Before(last) { // times go on, too
		s.time, s.unsure = last, true
	}
	bodies := append([]fiscal.Body{r.epochBody()}, r.carriedBodies()...)
	for _, b := range bodies {
		if err := s.add(b); err != nil {
			return fmt.Errorf("first entries: %w", err)
		}
	}
	snapshot, err := s.state.NewSnapshot()
	if err != nil {
		return err
	}
	if err := s.add(snapshot); err != nil {
		return err
	}
	r.drafts = s.drafts
	return nil
}

func (r *renewal) epochBody() *fiscal.Epoch {
	return &fiscal.Epoch{
		Actor: r.actor, Origin: r.report.Old, Checkpoint: r.report.Checkpoint, Anchors: r.report.Anchors, Reason: r.reason(),
		Next: r.state.Next, Grand: r.state.Grand, AtLeast: !r.req.Rotate || r.state.AtLeast, Shop: r.state.Shop, Software: r.opts.Software, Key: r.report.Key, Day: r.state.OpenDay(),
	}
}

// reason is the reason given, and whose identity could not be checked.
func (r *renewal) reason() string {
	if r.unchecked == "" {
		return r.req.Reason
	}
	return r.req.Reason + " (" + r.unchecked + ")"
}

// carriedBodies bring over what the state does not: the catalogue, which key took
// over from which, and the end of returns under way, whose receipts are in the old journal.
func (r *renewal) carriedBodies() (out []fiscal.Body) {
	if zero := (fiscal.State{}).Catalog; r.state.Catalog != zero {
		out = append(out, &fiscal.ArticleChange{Actor: r.actor, New: r.state.Catalog, Added: r.articles})
	}
	if r.state.Key != "" && r.report.Key != "" {
		out = append(out, &fiscal.KeyRotate{Actor: r.actor, Old: r.state.Key, New: r.report.Key, Why: r.reason()})
	}
	for _, b := range r.ended {
		out = append(out, b)
	}
	return out
}

// whole refuses to rotate the key of a journal that has lost anything.
func (r *renewal) whole(context.Context) error {
	if r.state.Ended != nil {
		return ErrDecommissioned
	}
	if r.req.Rotate && (len(r.report.Lost) > 0 || len(r.report.Damaged) > 0) {
		return ErrNotWhole
	}
	return nil
}

// operation is what the staff table decides about.
func (r *renewal) operation() staff.Name {
	if r.req.Rotate {
		return staff.KeyRotation
	}
	return staff.NewEpoch
}

// place puts the new epoch in its place: from here on it is the till's journal.
func (r *renewal) place(context.Context) error {
	if err := r.fs.Rename(r.making, r.report.Dir); err != nil {
		return err
	}
	if err := r.fs.SyncDir(r.opts.Dir); err != nil {
		return err
	}
	r.report.Done = true
	return nil
}

// begin has the new epoch's first root signed and remembered. A crash before
// leaves that to the till's next start.
func (r *renewal) begin(ctx context.Context) error {
	if err := r.dropEnded(ctx); err != nil {
		return err
	}
	if err := r.markVault(ctx); err != nil {
		return err
	}
	signer, err := r.req.Keys.Signer(r.report.New)
	if err != nil {
		return err
	}
	for _, a := range r.opts.Anchors { // even those that could not be read
		if err := a.Store(ctx, r.head); err != nil {
			r.note("anchor %s could not be written: %v", a.Name(), err)
		}
	}
	j, _, err := journal.Open(ctx, r.report.Dir, journal.Options{FS: r.fs, Keys: r.opts.Keys, Signer: signer, Anchors: r.opts.Anchors})
	if err != nil {
		return fmt.Errorf("%s is in place, but does not open: %w", r.report.New, err)
	}
	return j.Close(ctx)
}
