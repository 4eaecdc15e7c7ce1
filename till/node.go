package till

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json"
	"golang.org/x/sync/errgroup"

	"github.com/plomb-pos/plomb/catalog"
	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/journal"
	"github.com/plomb-pos/plomb/sale"
	"github.com/plomb-pos/plomb/staff"
	"github.com/plomb-pos/plomb/till/devices"
	"github.com/plomb-pos/plomb/till/sqlite"
)

// Node is an open till. Its methods may be called concurrently.
type Node struct {
	opts       Options
	dir        string // of the epoch
	key        string // verifier key of the epoch's signatures
	journal    *journal.Journal
	vault      *sqlite.Vault
	projection *sqlite.Projection
	devices    *devices.Set
	clock      *clock
	pins       *pins
	stream     Stream
	printing   chan printJob
	payments   chan payment
	pings      chan devices.Device // what devices say, for the book
	scans      chan string
	signals    chan journal.Event
	broken     chan error // what a question found wrong with the projection

	// How far what goes on behind has come.
	searched     atomic.Uint64 // entries in the projection
	verified     atomic.Uint64
	verifying    atomic.Bool
	verifyFailed atomic.Bool
	verifyEnded  atomic.Bool // since this start
	diskFull     atomic.Bool // the projection waits for room
	room         room        // guarded by mu

	waiters sync.Mutex    // guards came; never held with another lock
	came    chan struct{} // closed when searched grows
	asked   chan struct{} // receives when somebody waits for that

	// mu is the book: whoever writes, to the journal or the vault, holds it.
	mu        sync.Mutex
	state     *fiscal.State
	snapshot  uint64 // index of the last snapshot entry
	matters   uint64 // entries up to the last one that is about the shop
	basket    *sale.Basket
	original  *sale.Original // of the basket, when it is a return
	unsettled []string       // commands whose staged changes could not take effect yet
	finished  []finished     // baskets that the vault does not know to be over
	papers    papers         // what of prints the projection may not know
	suspended []*sale.Basket
	waiting   map[sale.ID]time.Time // when each was suspended
	people    map[staff.ID]sqlite.Person
	sessions  sessions
	lockout   *lockout
	floods    *floods
	counter   counter
	flights   map[[16]byte]*flight
	deeds     deeds
	notices   notices
	shown     shown
	last      *LastReceipt
	older     older
	mark      mark                // the vault's
	compared  bool                // the vault was held against the journal
	left      []fiscal.OpenIntent // under way when the last run ended
	paying    *paying             // cash whose outcome is open
	paysNow   bool                // an order was handed over and is not ended
	setupCode string
	setupHash []byte
	damaged   bool
	closing   bool
	updating  updating

	life context.Context // ends with the node: for what nobody waits for
	end  context.CancelFunc
}

// Open opens a till that Create made, ready to sell. It reads the last snapshot
// and what follows, never the whole history; everything else runs behind once
// Run is called. Errors to decide on are those of [journal.Open] and
// [sqlite.OpenVault].
func Open(ctx context.Context, o Options) (*Node, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	n := &Node{
		opts: o, pins: newPins(), sessions: sessions{}, lockout: newLockout(), floods: newFloods(), flights: map[[16]byte]*flight{},
		waiting: map[sale.ID]time.Time{}, people: map[staff.ID]sqlite.Person{}, printing: make(chan printJob, maxJobs),
		payments: make(chan payment, maxPayments),
		pings:    make(chan devices.Device, 256), scans: make(chan string, 64), signals: make(chan journal.Event, 256), broken: make(chan error, 1), asked: make(chan struct{}, 1),
	}
	n.stream.version = uint64(max(0, o.Now().UnixMilli()))
	n.updating = updating{came: make(chan struct{}), told: map[string]bool{}}
	n.life, n.end = context.WithCancel(context.WithoutCancel(ctx))
	if err := n.open(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open till: %w", err), n.release(ctx))
	}
	return n, nil
}

// open goes step by step: journal, state, vault, what was under way, projection.
func (n *Node) open(ctx context.Context) error {
	found, err := n.openJournal(ctx)
	if err != nil {
		return err
	}
	folded, err := n.foldTail(ctx)
	if err != nil {
		return err
	}
	n.key, n.matters = n.state.Key, n.state.Size
	n.left = slices.Clone(n.state.Intents)
	n.papers.floor = n.state.Size
	n.clock = newClock(n.opts.Now, n.opts.Uptime, n.opts.ClockFloor, time.UnixMilli(n.state.Time))
	if err := n.openVault(ctx); err != nil {
		return err
	}
	if err := n.checkMark(ctx); err != nil {
		return err
	}
	if err := n.openProjection(ctx); err != nil { // before anything is written: it may refuse the journal
		return err
	}
	if err := n.findOlder(ctx); err != nil {
		return err
	}
	if err := n.recordStart(ctx, found, folded); err != nil {
		return err
	}
	if err := n.loadVault(ctx); err != nil {
		return err
	}
	n.compareSoon(ctx)
	n.mu.Lock()
	err = n.takeHanded(ctx)
	n.mu.Unlock()
	if err != nil {
		return err
	}
	n.devices = devices.New(devices.Config{
		Address: n.opts.Devices, Link: n.opts.DevicesLink, Log: n.opts.Log,
	}, devices.Events{
		Scanned: n.takeScan, Changed: n.takeDevice,
	})
	return nil
}

func (n *Node) openJournal(ctx context.Context) (*journal.Recovery, error) {
	dir, err := newestEpoch(n.opts.Dir)
	if err != nil {
		return nil, err
	}
	n.dir = dir
	j, found, err := journal.Open(ctx, dir, journal.Options{
		Keys: n.opts.Keys, Signer: n.opts.Signer, Anchors: n.opts.Anchors, Events: n.takeEvent,
	})
	n.journal = j
	return found, err
}

// takeEvent is called from the journal's goroutines and must not block: what
// does not fit is a signer or cache event that the next one makes good.
func (n *Node) takeEvent(e journal.Event) {
	select {
	case n.signals <- e:
	default:
	}
}

// foldTail makes the state of the last snapshot and the entries after it. What
// cannot be read, or does not fold, is named and left out; the state then says
// "at least".
func (n *Node) foldTail(ctx context.Context) (holes []fiscal.Hole, err error) {
	n.state = new(fiscal.State)
	from, ok := n.journal.Snapshot()
	if ok {
		if holes, err = n.foldFrom(ctx, from); err == nil && n.state.Key != "" {
			n.snapshot = from
			return holes, nil
		}
		if errors.Is(err, journal.ErrVersion) {
			return nil, err
		}
	}
	// No snapshot yet, or it is damaged: the long way, from the first entry.
	n.state = new(fiscal.State)
	return n.foldFrom(ctx, 0)
}

// foldFrom folds as verifiers do: behind an entry that is missing the next ones
// are believed, so that no number is given out twice. An entry that a newer program
// wrote is no damage: what it means is not known here, and the till does not open
// (journal.ErrVersion).
func (n *Node) foldFrom(ctx context.Context, from uint64) (holes []fiscal.Hole, err error) {
	check, next := fiscal.NewCheck(nil), from
	defer func() { n.state = check.State().Clone() }()
	for e, err := range n.journal.Entries(ctx, from, n.journal.Size()) {
		if err != nil && !errors.Is(err, journal.ErrDamaged) && !errors.Is(err, journal.ErrErased) {
			return holes, fmt.Errorf("read the journal's tail: %w", err)
		}
		if err != nil {
			holes = addHole(holes, next, oneLine(err.Error()))
			check.Missing(next + 1)
		} else {
			for _, f := range check.Entry(e.Head, e.Body) {
				if fiscal.NewerCode(f.Code) {
					return nil, fmt.Errorf("%s: %w", f, journal.ErrVersion)
				}
				holes = addHole(holes, next, oneLine(f.Text))
			}
		}
		next++
	}
	return holes, nil
}

// addHole names an entry, in one run with those before it.
func addHole(holes []fiscal.Hole, index uint64, why string) []fiscal.Hole {
	if i := len(holes) - 1; i >= 0 && holes[i].Last+1 >= index {
		holes[i].Last = index
		return holes
	}
	return append(holes, fiscal.Hole{First: index, Last: index, Why: why})
}

func (n *Node) openVault(ctx context.Context) error {
	key, err := n.opts.DatabaseKey("vault")
	if err != nil {
		return err
	}
	if n.vault, err = sqlite.OpenVault(ctx, filepath.Join(n.opts.Dir, vaultFile), key); err != nil {
		return err
	}
	if n.vault.Missing > 0 {
		n.opts.Log.Error("the log of the vault's changes was damaged", "missing", n.vault.Missing)
	}
	return nil
}

// recordStart journals that the program started and what recovery found.
func (n *Node) recordStart(ctx context.Context, found *journal.Recovery, holes []fiscal.Hole) error {
	running, err := n.vault.Setting(ctx, settingRunning)
	if err != nil {
		return err
	}
	bodies := n.startBodies(running == nil)
	if r := n.recoveryBody(found, holes); r != nil {
		bodies = append(bodies, r)
		n.damaged = len(r.Holes) > 0
	}
	err = n.vault.Apply(ctx, sqlite.Change{Setting: &sqlite.Setting{Key: settingRunning, Value: []byte("yes")}})
	if err != nil && !sqlite.Full(err) { // on a full disk a till starts, shows what there is, and says so
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	_, err = n.append(ctx, [16]byte{}, bodies...)
	return err
}

// startBodies say which program started, and that it is another than before.
func (n *Node) startBodies(clean bool) []fiscal.Body {
	start := &fiscal.SoftwareStart{Version: n.opts.Software, Hash: n.opts.Program, Clean: clean, Release: n.opts.Release.In(n.format())}
	change := n.state.NewSoftwareChange(start)
	if change == nil {
		return []fiscal.Body{start}
	}
	return []fiscal.Body{change, start}
}

// recoveryBody says what opening found, nil where there was nothing.
func (n *Node) recoveryBody(found *journal.Recovery, holes []fiscal.Hole) *fiscal.Recovery {
	r := n.state.NewRecovery(holes)
	r.Resigned = int64(len(found.Due))
	for _, t := range found.Torn {
		r.TornBytes += int64(t.Bytes)
	}
	if len(holes) == 0 {
		for _, h := range found.Holes {
			r.Holes = append(r.Holes, fiscal.Hole{First: h.From, Last: h.To - 1, Why: oneLine(h.Reason)})
		}
	}
	if r.TornBytes == 0 && r.Resigned == 0 && len(r.Holes) == 0 {
		return nil
	}
	if more := len(r.Holes) - maxHoles; more > 0 {
		r.Holes, r.Note = r.Holes[:maxHoles], fmt.Sprintf("and %d more", more)
	}
	return r
}

// maxHoles bounds what one entry lists.
const maxHoles = 1000

// loadVault takes over what the vault kept: settled changes first, then people,
// baskets, sessions, the catalogue.
func (n *Node) loadVault(ctx context.Context) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, step := range []func(context.Context) error{n.settleStaged, n.loadPeople, n.loadCatalogue, n.loadBaskets, n.loadSessions, n.loadGuesses, n.prepareSetup} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	n.lastFromState()
	if !n.state.ClockSettled() {
		return nil // the clock does not tell yet which are old
	}
	if err := n.vault.ForgetAnswers(ctx, n.opts.Now().Add(-answerLife)); !sqlite.Full(err) {
		return err
	}
	return nil // they take no more room than they did
}

// settleStaged decides about changes that waited for an entry when the last run
// ended: they take effect if the entry is there.
func (n *Node) settleStaged(ctx context.Context) error {
	staged, err := n.vault.Staged(ctx)
	if err != nil {
		return err
	}
	for _, s := range staged {
		made, err := n.madeEntry(ctx, s.Command, s.Size)
		if err != nil {
			return err
		}
		err = n.vault.Settle(ctx, s.Command, made)
		if errors.Is(err, sqlite.ErrTwoOpen) {
			if err = n.makeRoom(ctx); err == nil {
				err = n.vault.Settle(ctx, s.Command, made)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// makeRoom takes the open basket from the screen, for one that an entry opened:
// it goes if the journal says that it ended, and waits otherwise. So a till starts
// whatever loss of power left in its vault.
func (n *Node) makeRoom(ctx context.Context) error {
	rows, err := n.vault.Baskets(ctx)
	for _, row := range rows {
		if err != nil || !row.Open {
			continue
		}
		var ended bool
		if ended, err = n.basketEnded(ctx, row); ended {
			err = n.vault.Apply(ctx, sqlite.Change{DropBasket: row.ID})
		} else if err == nil {
			err = n.putAside(ctx, row)
		}
	}
	return err
}

func (n *Node) putAside(ctx context.Context, row sqlite.Basket) error {
	b, err := sale.Decode(row.Body)
	if err == nil {
		err = b.Suspend("")
	}
	if err == nil {
		row.Body, err = sale.Encode(b)
	}
	if err != nil {
		return fmt.Errorf("put basket %s aside: %w", row.ID, err)
	}
	n.opts.Log.Warn("a basket was put aside: the journal has opened another one", "basket", row.ID)
	row.Open, row.Label = false, b.Label
	return n.vault.Apply(ctx, sqlite.Change{Basket: &row})
}

// madeEntry reports whether an entry at or above from carries a command's id.
func (n *Node) madeEntry(ctx context.Context, command string, from uint64) (bool, error) {
	id, err := parseID(command)
	if err != nil {
		return false, err
	}
	for e, err := range n.journal.Entries(ctx, from, n.journal.Size()) {
		switch {
		case err == nil && e.Head.Command == id:
			return true, nil
		case err != nil && !errors.Is(err, journal.ErrDamaged) && !errors.Is(err, journal.ErrErased):
			return false, err
		}
	}
	return false, nil
}

func (n *Node) loadPeople(ctx context.Context) error {
	people, err := n.vault.People(ctx)
	for _, p := range people {
		n.people[staff.ID(p.ID)] = p
	}
	return err
}

func (n *Node) loadCatalogue(ctx context.Context) error {
	encoded, err := n.vault.Setting(ctx, settingCatalogue)
	if err != nil {
		return err
	}
	set, err := catalog.Decode(encoded)
	if err != nil {
		return fmt.Errorf("read catalogue: %w", err)
	}
	c, err := catalog.New(set)
	if err != nil {
		return fmt.Errorf("read catalogue: %w", err)
	}
	n.counter = counter{catalog: c, taxes: n.state.Shop.TaxTable, language: n.state.Shop.Language}
	return nil
}

// loadBaskets takes up the open basket and the suspended ones. A basket whose
// end is in the journal already was finished when the last run was cut off.
func (n *Node) loadBaskets(ctx context.Context) error {
	rows, err := n.vault.Baskets(ctx)
	if err != nil {
		return err
	}
	for _, row := range rows {
		ended, err := n.basketEnded(ctx, row)
		if err != nil {
			return err
		}
		if ended {
			if err := n.vault.Apply(ctx, sqlite.Change{DropBasket: row.ID}); err != nil {
				return err
			}
			continue
		}
		b, err := sale.Decode(row.Body)
		if err != nil {
			return fmt.Errorf("take up basket %s: %w", row.ID, err)
		}
		n.takeUp(b, row)
	}
	return nil
}

func (n *Node) takeUp(b *sale.Basket, row sqlite.Basket) {
	if row.Open {
		n.basket = b
		return
	}
	n.suspended = append(n.suspended, b)
	n.waiting[b.ID] = row.At
}

// basketEnded reports whether a document of the open basket is among the entries
// made since the row was written: few, since it was on the screen when the last
// run ended. A suspended basket ends by a staged change and is never looked for.
func (n *Node) basketEnded(ctx context.Context, row sqlite.Basket) (bool, error) {
	if !row.Open {
		return false, nil
	}
	for e, err := range n.journal.Entries(ctx, row.Size, n.journal.Size()) {
		if err != nil && !errors.Is(err, journal.ErrDamaged) && !errors.Is(err, journal.ErrErased) {
			return false, err
		}
		if err == nil && endsBasket(e, sale.ID(row.ID)) {
			return true, nil
		}
	}
	return false, nil
}

func endsBasket(e journal.Entry, id sale.ID) bool {
	switch e.Head.Kind {
	case fiscal.KindReceipt, fiscal.KindReturn, fiscal.KindTraining, fiscal.KindLate, fiscal.KindAborted:
	default:
		return false
	}
	switch b, err := fiscal.Decode(e.Head.Kind, e.Body); b := b.(type) {
	case *fiscal.Receipt:
		return err == nil && b.Document.Basket == id
	case *fiscal.Aborted:
		return err == nil && b.Basket == id
	}
	return false
}

func (n *Node) loadSessions(ctx context.Context) error {
	rows, err := n.vault.Sessions(ctx)
	for _, row := range rows {
		p, ok := n.people[staff.ID(row.Person)]
		if !ok || !p.Active || len(row.Token) != sha256.Size {
			continue
		}
		s := &session{person: personOf(p), at: row.At, locked: row.Locked}
		s.used = n.opts.Uptime() - max(0, n.opts.Now().Sub(row.At))
		s.kept = s.used
		copy(s.hash[:], row.Token)
		n.sessions[s.hash] = s
	}
	return err
}

func personOf(p sqlite.Person) staff.Person {
	return staff.Person{ID: staff.ID(p.ID), Name: p.Name, Role: staff.Role(p.Role)}
}

func (n *Node) loadGuesses(ctx context.Context) error {
	kept, err := n.vault.Setting(ctx, settingGuesses)
	if err != nil || kept == nil {
		return err
	}
	if err := json.Unmarshal(kept, &n.lockout.people); err != nil {
		return fmt.Errorf("read wrong PINs: %w", err)
	}
	n.lockout.cut(n.opts.Now())
	return nil
}

// Run keeps everything that goes on behind: devices, printing, projection,
// verification, locks and clocks. It returns nil when ctx has ended and all is
// put away, or the error that made the node stop; then the process has to end
// and start again.
func (n *Node) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, part := range []func(context.Context) error{
		n.devices.Run, n.watchJournal, n.print, n.dispense, n.project, n.verify, n.tick, n.listen, n.readOlder,
		n.followUpdater,
	} {
		group.Go(func() error { return part(ctx) })
	}
	group.Go(func() error { return n.resolveIntents(ctx) })
	group.Go(func() error { return n.recall(ctx) })
	group.Go(func() error { return n.compareLate(ctx) })
	err := group.Wait()
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	end, cancel := background(ctx, closePatience)
	defer cancel()
	return errors.Join(err, n.Close(end))
}

// closePatience is how long an orderly end may take.
const closePatience = 10 * time.Second

// watchJournal ends the node when the journal stops.
func (n *Node) watchJournal(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-n.journal.Done():
		return n.journal.Err()
	}
}

// Close ends the node in order. Commands under way are finished or refused.
func (n *Node) Close(ctx context.Context) error {
	n.mu.Lock()
	again := n.closing
	n.closing = true
	n.end()
	n.mu.Unlock()
	if again {
		return nil
	}
	var kept error
	if n.vault != nil && n.journal.Err() == nil {
		n.mu.Lock()
		kept = n.changeVault(ctx, append(n.keepMark(), sqlite.Change{Setting: &sqlite.Setting{Key: settingRunning}})...)
		n.mu.Unlock()
		if sqlite.Full(kept) {
			kept = nil // the next start takes this end for a sudden one
		}
	}
	return errors.Join(kept, n.release(ctx))
}

// release gives up what was opened, whatever it is.
func (n *Node) release(ctx context.Context) error {
	var errs []error
	if n.projection != nil {
		errs = append(errs, n.projection.Close())
	}
	if n.vault != nil {
		errs = append(errs, n.vault.Close())
	}
	if n.journal != nil {
		errs = append(errs, n.journal.Close(ctx))
	}
	return errors.Join(errs...)
}
