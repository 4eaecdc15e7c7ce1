package till

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/journal"
	"github.com/plomb-pos/plomb/journal/proof"
	"github.com/plomb-pos/plomb/staff"
	"github.com/plomb-pos/plomb/till/devices"
	"github.com/plomb-pos/plomb/till/sqlite"
)

// openProjection opens the projection, or an empty one where it cannot be used
// or is not of this journal.
func (n *Node) openProjection(ctx context.Context) error {
	key, err := n.opts.DatabaseKey("projection")
	if err != nil {
		return err
	}
	path := filepath.Join(n.opts.Dir, projectionFile)
	p, _, err := sqlite.OpenProjection(ctx, path, key, n.journal.Origin())
	if err != nil {
		return err
	}
	ok, err := n.belongs(ctx, p)
	if _, rolledBack := errors.AsType[*journal.RollbackError](err); rolledBack {
		return errors.Join(err, p.Close()) // kept: it is evidence
	}
	if err != nil || !ok {
		if err := errors.Join(err, p.Close(), sqlite.RemoveProjection(path)); err != nil {
			return err
		}
		if p, _, err = sqlite.OpenProjection(ctx, path, key, n.journal.Origin()); err != nil {
			return err
		}
	}
	n.projection = p
	next, _, err := p.Cursor(ctx)
	n.searched.Store(next)
	return err
}

// belongs compares the projection's last leaf with the journal's. The projection
// takes durable entries only, so one of the same origin that knows more entries
// than there are says what an anchor would: the journal's tail was lost, or an old
// copy restored. Then the error is a [journal.RollbackError].
func (n *Node) belongs(ctx context.Context, p *sqlite.Projection) (bool, error) {
	next, leaf, err := p.Cursor(ctx)
	if err != nil || next == 0 {
		return err == nil, err
	}
	if size := n.journal.Size(); next > size {
		return false, &journal.RollbackError{Anchor: "projection", Seen: proof.Checkpoint{Origin: n.journal.Origin(), Size: next}, Size: size}
	}
	e, err := n.journal.Entry(ctx, next-1)
	if errors.Is(err, journal.ErrDamaged) || errors.Is(err, journal.ErrErased) {
		return true, nil // it cannot be compared any more
	}
	return err == nil && e.Leaf == leaf, err
}

// batch is how many entries the projection takes at once.
const batch = 500

// project keeps the projection up to date with the journal. It never takes the
// book: whoever holds the book may wait for it.
func (n *Node) project(ctx context.Context) error {
	for ctx.Err() == nil {
		next := n.searched.Load()
		if next >= n.journal.Size() {
			select {
			case cause := <-n.broken:
				if err := n.renew(ctx, cause); err != nil {
					return err
				}
			case <-n.journal.Changed(next):
				n.gather(ctx)
			case <-n.journal.Done():
				return nil
			case <-ctx.Done():
				return nil
			}
			continue
		}
		if err := n.extend(ctx, next); err != nil && ctx.Err() == nil {
			if err := n.renew(ctx, err); err != nil {
				return err
			}
		}
		n.progress()
	}
	return nil
}

// gatherFor is how long entries gather before the projection takes them in one
// transaction: one for each entry would compete with the sale that made it.
const gatherFor = 100 * time.Millisecond

// gather waits for more entries, unless somebody waits for those there are.
func (n *Node) gather(ctx context.Context) {
	t := time.NewTimer(gatherFor)
	defer t.Stop()
	select {
	case <-t.C:
	case <-n.asked:
	case <-n.journal.Done():
	case <-ctx.Done():
	}
}

// renew throws a damaged projection away and begins an empty one. Any other
// trouble, such as a full disk, is waited out: what can be made again must not
// end the node.
func (n *Node) renew(ctx context.Context, cause error) error {
	if err := n.stopped(); err != nil {
		return err
	}
	if !sqlite.Damaged(cause) {
		n.hold(ctx, "the projection cannot be extended now", cause)
		return nil
	}
	n.opts.Log.Error("the projection is made anew", "err", cause)
	n.searched.Store(0)
	for err := n.projection.Renew(ctx); err != nil && ctx.Err() == nil; err = n.projection.Renew(ctx) {
		if err := n.stopped(); err != nil {
			return err
		}
		n.hold(ctx, "the projection cannot be made anew now", err)
	}
	return nil
}

// hold waits before the projection is tried again; the screen says so where the
// disk is full.
func (n *Node) hold(ctx context.Context, what string, cause error) {
	n.opts.Log.Error(what, "err", cause)
	if n.diskFull.Swap(sqlite.Full(cause)) != sqlite.Full(cause) {
		n.stream.changed()
	}
	wait(ctx, projectionPatience)
}

// extend adds the entries from next on, one batch.
func (n *Node) extend(ctx context.Context, next uint64) error {
	to := min(next+batch, n.journal.Size())
	var rows []sqlite.Row
	index := next
	for e, err := range n.journal.Entries(ctx, next, to) {
		switch {
		case err == nil:
			rows = append(rows, rowOf(e))
		case errors.Is(err, journal.ErrDamaged) || errors.Is(err, journal.ErrErased):
			rows = append(rows, sqlite.Row{Index: index})
		default:
			return err
		}
		index++
	}
	if err := n.projection.Apply(ctx, rows); err != nil {
		return err
	}
	n.searched.Store(to)
	n.diskFull.Store(false)
	return nil
}

// progress wakes whoever waits in caughtUp, and the screens now and then.
func (n *Node) progress() {
	n.waiters.Lock()
	if n.came != nil {
		close(n.came)
		n.came = nil
	}
	n.waiters.Unlock()
	n.stream.changed()
}

// projectionPatience is how long a question or a return waits for the projection.
const projectionPatience = 3 * time.Second

// caughtUp waits until the projection knows the first size entries. While it is
// being made anew that takes longer than anybody should wait at a till.
func (n *Node) caughtUp(ctx context.Context, size uint64) error {
	ctx, cancel := context.WithTimeout(ctx, projectionPatience)
	defer cancel()
	for n.searched.Load() < size {
		n.waiters.Lock()
		if n.came == nil {
			n.came = make(chan struct{})
		}
		came := n.came
		n.waiters.Unlock()
		if n.searched.Load() >= size {
			return nil
		}
		select {
		case n.asked <- struct{}{}:
		default:
		}
		select {
		case <-came:
		case <-ctx.Done():
			return because(Unavailable, "searching", ctx.Err())
		}
	}
	return nil
}

func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// searchFailed says that the search is not to be had now; a damaged projection is
// made anew behind.
func (n *Node) searchFailed(err error) error {
	if sqlite.Damaged(err) {
		select {
		case n.broken <- err:
		default:
		}
	}
	return because(Unavailable, "searching", err)
}

// verify reads the whole journal once after each start, behind everything else,
// and says on the screen how far it is and whether anything is wrong.
func (n *Node) verify(ctx context.Context) error {
	n.verifying.Store(true)
	defer func() { n.verifying.Store(false); n.stream.changed() }()
	report, err := journal.Verify(ctx, n.dir, journal.VerifyOptions{
		Keys: n.opts.Keys, Policy: n.policy(), Workers: 1,
		Progress: func(p journal.Progress) { n.verified.Store(p.Entries); n.stream.changed() },
	})
	if ctx.Err() != nil {
		return nil
	}
	defer n.verifyEnded.Store(true)
	if err != nil {
		n.opts.Log.Error("verification", "err", err)
		n.verifyFailed.Store(true)
		return nil
	}
	n.verified.Store(report.Size)
	if !report.Consistent() {
		n.verifyFailed.Store(true)
		for _, f := range report.Findings {
			n.opts.Log.Error("journal does not verify", "finding", f.String())
		}
		n.foundBad(report)
	}
	return nil
}

// policy trusts the till's own key: what others trust comes from elsewhere.
func (n *Node) policy() *proof.Policy {
	p, err := proof.ParsePolicy([]byte("log " + n.key + "\nquorum none\n"))
	if err != nil {
		return nil
	}
	return p
}

// foundBad journals what the verification found.
func (n *Node) foundBad(report *journal.Report) {
	r := &fiscal.Recovery{Note: fmt.Sprintf("verification: %d findings", uint64(len(report.Findings))+report.More)}
	for _, f := range report.Findings {
		if len(r.Holes) < maxHoles {
			r.Holes = append(r.Holes, fiscal.Hole{First: f.Index, Last: f.Index, Why: oneLine(string(f.What) + ": " + f.String())})
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.note(r)
}

// tickEvery is how often locks, clocks and floods are looked at.
const tickEvery = time.Second

func (n *Node) tick(ctx context.Context) error {
	t := time.NewTicker(tickEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
			n.lookAround(ctx)
		}
	}
}

// lookAround locks idle screens, journals what refusals were left over, and
// looks at the clock and at the room on the disk.
func (n *Node) lookAround(ctx context.Context) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closing {
		return
	}
	now := n.opts.Now()
	n.lockIdle(ctx, n.opts.Uptime())
	n.lookForRoom(n.opts.Uptime())
	if bodies := n.floods.ended(now); len(bodies) > 0 {
		n.note(bodies...)
	}
	if err := n.takeHanded(ctx); err != nil {
		n.opts.Log.Error("word of an export is not journaled", "err", err)
	}
	if r := n.clock.peek(); r.step != nil || r.unsure != n.state.Clock.Unsure {
		n.note()
	}
}

// takeScan and takeDevice are called from the devices' goroutines.
func (n *Node) takeScan(code string) {
	select {
	case n.scans <- code:
	default:
		n.opts.Log.Warn("scan dropped: too many wait")
	}
}

func (n *Node) takeDevice(d devices.Device) {
	select {
	case n.pings <- d:
	default:
		n.opts.Log.Warn("device event dropped: too many wait", "device", d.Name)
	}
}

// listen brings what devices and journal say into the book.
func (n *Node) listen(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case d := <-n.pings:
			n.heardDevice(d)
		case code := <-n.scans:
			n.heardScan(ctx, code)
		case e := <-n.signals:
			n.heardJournal(e)
		}
	}
}

// heardDevice journals that a device changed, and the drawer's own movements.
func (n *Node) heardDevice(d devices.Device) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if d.Kind == devices.Drawer {
		n.heardDrawer(d)
		return
	}
	n.note(&fiscal.DeviceState{Device: d.Name, State: string(d.Condition), Cause: d.Code})
}

// heardDrawer: a drawer that opens without having been told to was opened by
// hand.
func (n *Node) heardDrawer(d devices.Device) {
	switch {
	case d.Open && !n.state.DrawerOpen && !n.drawerUnderWay():
		n.note(&fiscal.DrawerOpened{Cause: "key", Device: d.Name})
	case !d.Open && n.state.DrawerOpen:
		n.note(&fiscal.DrawerClosed{Device: d.Name})
	default:
		n.stream.changed()
	}
}

func (n *Node) drawerUnderWay() bool {
	for _, o := range n.state.Intents {
		if o.Intent.Action == actionDrawer {
			return true
		}
	}
	return false
}

// heardScan rings up what was scanned, as whoever is at the till.
func (n *Node) heardScan(ctx context.Context, code string) {
	n.mu.Lock()
	s := n.sessions.active(n.opts.Uptime())
	if s == nil {
		n.floodHeld("refused", &fiscal.Refused{Operation: staff.Sell, Reason: "nobody-signed-in"})
		n.mu.Unlock()
		n.tell("nobody-signed-in")
		return
	}
	key := s.hash
	n.mu.Unlock()
	if err := n.ringUp(ctx, key, code); err != nil {
		r := n.Words(err)
		n.stream.tell(Notice{ID: "scan", Level: "warn", Code: r.Code, Text: r.Text, Hint: r.Hint})
	}
}

// ringUp is the command that a scan stands for: an article, or a receipt that
// something is brought back of.
func (n *Node) ringUp(ctx context.Context, key sessionKey, code string) error {
	c := Command{ID: idText(newID(n.opts.Now())), Do: "basket.scan"}
	argument := "code"
	if strings.HasPrefix(code, receiptPrefix) {
		c.Do, argument = "return.begin", "receipt"
	}
	body, err := json.Marshal(map[string]string{argument: code})
	if err != nil {
		return err
	}
	c.Args = body
	_, err = n.doFor(ctx, key, c)
	return err
}

func (n *Node) tell(code string) {
	n.mu.Lock()
	language := n.state.Shop.Language
	n.mu.Unlock()
	p := say(language, code)
	n.stream.tell(Notice{ID: code, Level: "warn", Code: code, Text: p.Text, Hint: p.Hint})
}

// heardJournal records what the journal says about its signer.
func (n *Node) heardJournal(e journal.Event) {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case e.Kind == journal.SignerDown && !n.state.Signer.Down:
		n.note(&fiscal.SignerDown{Why: oneLine(fmt.Sprint(e.Err))})
	case e.Kind == journal.SignerUp && n.state.Signer.Down:
		n.note(n.state.NewSignerUp())
	case e.Err != nil:
		n.opts.Log.Warn("journal", "event", e.Kind, "name", e.Name, "err", e.Err)
	}
}
