package journal_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/plomb-pos/plomb/internal/powercut"
	"github.com/plomb-pos/plomb/journal"
	"github.com/plomb-pos/plomb/journal/journaltest"
	"github.com/plomb-pos/plomb/journal/proof"
)

var (
	cutSeed   = flag.Uint64("cut.seed", 0, "seed of the power cut tests; 0: a new one each run")
	cutPoints = flag.Int("cut.points", 20_000, "power cuts to try")
)

const (
	origin  = "till/e1"
	cutDir  = "/till"
	segSize = 16 << 10
)

// referee is the signer of the power cut tests: it remembers for ever which root
// it was asked to sign for a size. After a cut a branch of it goes on from what
// was asked before.
type referee struct {
	parent *referee
	judge  func(proof.Checkpoint) error

	mu     sync.Mutex
	roots  map[uint64]tlog.Hash // guarded by rootsMu, since branches read their parents'
	breach error
	down   bool
	dead   bool // the process is gone
}

var rootsMu sync.Mutex

func newReferee(parent *referee) *referee {
	return &referee{parent: parent, roots: make(map[uint64]tlog.Hash)}
}

// kill makes the referee one that signs and notes nothing.
func (r *referee) kill() *referee {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.dead = true
	return r
}

func (r *referee) KeyHash() uint32 { return 0x706c6d62 }

func (r *referee) Sign(_ context.Context, c proof.Checkpoint) ([]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.dead {
		return nil, errors.New("gone")
	}
	if old, ok := r.record(c); ok && old != c.Root && r.breach == nil {
		r.breach = fmt.Errorf("size %d handed to the signer with two roots", c.Size)
	}
	if r.judge != nil && r.breach == nil {
		r.breach = r.judge(c)
	}
	if r.down {
		return nil, errors.New("signer is down")
	}
	return append([]byte("signature with the length that an Ed25519 one has.."), c.Root[:13]...), nil
}

// record notes a root and returns the one asked for before, here or in a parent.
func (r *referee) record(c proof.Checkpoint) (old tlog.Hash, ok bool) {
	rootsMu.Lock()
	defer rootsMu.Unlock()
	for p := r; p != nil && !ok; p = p.parent {
		old, ok = p.roots[c.Size]
	}
	r.roots[c.Size] = c.Root
	return old, ok
}

// model is what a journal must be.
type model struct {
	bodies [][]byte
	leaves []tlog.Hash  // empty where the head is not known to the test yet
	whole  map[int]bool // sizes at which nothing that was staged together is cut in two
	acked  int
}

func (m *model) clone() *model {
	c := &model{bodies: m.bodies[:len(m.bodies):len(m.bodies)], leaves: slices.Clone(m.leaves), acked: m.acked, whole: make(map[int]bool, len(m.whole))}
	for k := range m.whole {
		c.whole[k] = true
	}
	return c
}

func (m *model) stage(bodies [][]byte, heads [][]byte) {
	for i, b := range bodies {
		m.bodies = append(m.bodies, b)
		var leaf tlog.Hash
		if heads != nil {
			leaf = proof.LeafHash(heads[i])
		}
		m.leaves = append(m.leaves, leaf)
	}
	m.whole[len(m.bodies)] = true
}

// settle takes over the size that recovery decided on.
func (m *model) settle(size int) {
	m.bodies, m.leaves, m.acked = m.bodies[:size:size], slices.Clone(m.leaves[:size]), size
	for k := range m.whole {
		if k > size {
			delete(m.whole, k)
		}
	}
}

func (m *model) root(size int) tlog.Hash {
	var f proof.Frontier
	for _, l := range m.leaves[:size] {
		f.Append(l)
	}
	return f.Root()
}

// world is one till: its disk, what its journal must be, and its signer.
type world struct {
	rng     *rand.Rand // of the workload
	cuts    *rand.Rand // of the cuts, which happen in the journal's goroutine too
	steps   int
	keys    *journaltest.Keys
	opts    func(journal.Options) journal.Options
	disk    *powercut.Disk
	model   *model
	signer  *referee
	j       *journal.Journal
	created bool
	depth   int // how many cuts deep
	n       int // bodies made

	mu     sync.Mutex // held while something is staged and the model does not know
	points *int
	limit  int
	found  *error
}

// stop reports whether the run is over: a breach was found, or all points are tried.
func (w *world) stop() bool { return *w.found != nil || *w.points >= w.limit }

func (w *world) breach(format string, args ...any) {
	if *w.found == nil {
		*w.found = fmt.Errorf("cut %d, depth %d: %w", *w.points, w.depth, fmt.Errorf(format, args...))
	}
}

func (w *world) options(disk *powercut.Disk, signer *referee, salts *rand.Rand) journal.Options {
	return w.opts(journal.Options{FS: disk, Keys: w.keys, Signer: signer, SegmentSize: segSize, Rand: randReader{salts}}.Serial())
}

// randReader makes salts repeatable. Each cut draws from its own source.
type randReader struct{ rng *rand.Rand }

func (r randReader) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(r.rng.Uint32())
	}
	return len(p), nil
}

func (w *world) body() []byte {
	w.n++
	size := w.rng.IntN(200)
	switch w.rng.IntN(12) {
	case 0:
		size = 1500 + w.rng.IntN(2500)
	case 1:
		size = 0
	}
	b := fmt.Appendf(nil, "body %d of %d ", w.n, w.depth)
	for len(b) < size {
		b = append(b, byte(w.rng.Uint32()))
	}
	return b
}

func (w *world) drafts(n int) ([]journal.Draft, [][]byte) {
	var drafts []journal.Draft
	var bodies [][]byte
	for range n {
		b := w.body()
		d := journal.Draft{Kind: 7, Time: time.UnixMilli(1_800_000_000_000 + int64(w.n)*1000), Body: b, Sign: w.rng.IntN(3) == 0}
		if w.rng.IntN(20) == 0 {
			d.Flags = proof.FlagSnapshot
		}
		drafts, bodies = append(drafts, d), append(bodies, b)
	}
	return drafts, bodies
}

var contextBackground = context.Background()

// create makes the journal. Its first entries are known to the model by their
// bodies only, until it is there.
func (w *world) create() error {
	drafts, bodies := w.drafts(1 + w.rng.IntN(2))
	w.model = &model{whole: map[int]bool{}}
	w.model.stage(bodies, nil)
	j, err := journal.Create(contextBackground, cutDir, origin, drafts, w.options(w.disk, w.signer, w.rng))
	if err != nil {
		return err
	}
	w.j, w.created = j, true
	w.model.acked = len(bodies)
	return w.learn(j)
}

// learn takes over leaves that the model does not know yet.
func (w *world) learn(j *journal.Journal) error {
	for e, err := range j.Entries(contextBackground, 0, uint64(len(w.model.leaves))) {
		if err != nil {
			return err
		}
		if w.model.leaves[e.Index()] == (tlog.Hash{}) {
			w.model.leaves[e.Index()] = e.Leaf
		}
	}
	return nil
}

// append stages one or more times and waits for all of it.
func (w *world) append() error {
	var tickets []*journal.Ticket
	var last int
	for range 1 + w.rng.IntN(3) {
		w.mu.Lock()
		drafts, bodies := w.drafts(1 + w.rng.IntN(3))
		t, err := w.j.Stage(drafts...)
		if err != nil {
			w.mu.Unlock()
			return err
		}
		var heads [][]byte
		for i := range bodies {
			heads = append(heads, t.HeadBytes(i))
		}
		if int(t.First()) != len(w.model.bodies) {
			w.breach("index %d given out after %d entries", t.First(), len(w.model.bodies))
		}
		w.model.stage(bodies, heads)
		w.mu.Unlock()
		tickets, last = append(tickets, t), int(t.First())+len(bodies)
	}
	for _, t := range tickets {
		if err := t.Wait(contextBackground); err != nil {
			return err
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.model.acked = last
	return nil
}

// open opens the journal, compares it with the model, and settles the model.
func (w *world) open() {
	j, report, err := journal.Open(contextBackground, cutDir, w.options(w.disk, w.signer, w.rng))
	if errors.Is(err, journal.ErrNoJournal) && !w.created {
		if err := w.create(); err != nil {
			w.breach("create again: %w", err)
		}
		return
	}
	if err != nil {
		w.breach("open: %w", err)
		return
	}
	w.j, w.created = j, true
	w.compare(report)
}

func (w *world) compare(report *journal.Recovery) {
	size := int(w.j.Size())
	switch {
	case len(report.Holes) > 0:
		w.breach("hole: %v", report.Holes[0])
	case size < w.model.acked:
		w.breach("%d entries, %d were acknowledged", size, w.model.acked)
	case size > len(w.model.bodies):
		w.breach("%d entries, %d were staged", size, len(w.model.bodies))
	case !w.model.whole[size]:
		w.breach("size %d cuts in two what was staged together", size)
	default:
		w.model.settle(size)
		w.compareEntries()
	}
	if w.signer.breach != nil {
		w.breach("%w", w.signer.breach)
	}
}

func (w *world) compareEntries() {
	if err := w.learn(w.j); err != nil {
		w.breach("read: %w", err)
		return
	}
	size := uint64(len(w.model.bodies))
	for e, err := range w.j.Entries(contextBackground, 0, size) {
		if err != nil || !bytes.Equal(e.Body, w.model.bodies[e.Index()]) || e.Leaf != w.model.leaves[e.Index()] {
			w.breach("entry %v is not what was staged: %v", e.Head, err)
			return
		}
	}
	if head := w.j.Head(); head.Root != w.model.root(int(size)) {
		w.breach("root of size %d is not that of its leaves", size)
	}
	if w.rng.IntN(8) == 0 {
		w.proveOne(size)
	}
}

func (w *world) proveOne(size uint64) {
	at := 1 + w.rng.Uint64N(size)
	i := w.rng.Uint64N(at)
	p, root, err := w.j.Prove(contextBackground, i, at)
	if err != nil || root != w.model.root(int(at)) {
		w.breach("prove %d in %d: %v", i, at, err)
		return
	}
	if err := tlog.CheckRecord(p, int64(at), root, int64(i), w.model.leaves[i]); err != nil {
		w.breach("proof of %d in %d: %w", i, at, err)
	}
}

// branch lets power fail, or the process die, now: what a new process finds on
// the disk must be right, stay right, and stay right when power fails again.
func (w *world) branch(disk *powercut.Disk) {
	*w.points++
	b := &world{
		rng: rand.New(rand.NewPCG(w.cuts.Uint64(), 1)), cuts: rand.New(rand.NewPCG(w.cuts.Uint64(), 2)), keys: w.keys, opts: w.opts, disk: disk, model: w.model.clone(),
		signer: newReferee(w.signer), created: w.created, depth: w.depth + 1, n: w.n, points: w.points, limit: w.limit, found: w.found,
	}
	b.signer.judge = b.judge
	if b.depth < 3 {
		disk.Before(b.cutNow(12 * b.depth))
	}
	b.open()
	if b.j == nil {
		return
	}
	b.goOn()
	disk.Before(nil)
	b.leave()
}

// goOn appends after recovery and lets power fail at once.
func (w *world) goOn() {
	if *w.found != nil || w.depth > 2 || w.rng.IntN(3) > 0 {
		return
	}
	if err := w.append(); err != nil {
		w.breach("append after recovery: %w", err)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.branch(w.disk.Cut(w.cuts, powercut.AnyKeep(w.cuts)))
}

// leave lets the process die.
func (w *world) leave() {
	w.signer.kill()
	w.disk.Before(nil)
	w.disk.Heal()
	w.j.Close(contextBackground)
	if w.signer.breach != nil {
		w.breach("%w", w.signer.breach)
	}
	w.j = nil
}

// cutNow branches off before every one-in-n-th change of the disk.
func (w *world) cutNow(n int) func(powercut.Op) {
	return func(op powercut.Op) {
		if op.N == 0 || w.stop() || w.cuts.IntN(n) > 0 {
			return
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.cuts.IntN(4) == 0 {
			w.branch(w.disk.Clone())
			return
		}
		w.branch(w.disk.Cut(w.cuts, powercut.AnyKeep(w.cuts)))
	}
}

// judge lets nothing be signed that a cut could take away.
func (w *world) judge(c proof.Checkpoint) error {
	if w.cuts.IntN(16) > 0 {
		return nil
	}
	j, _, err := journal.Open(contextBackground, cutDir, w.options(w.disk.Cut(w.cuts, powercut.KeepNone), newReferee(nil).kill(), w.cuts))
	if err != nil {
		return fmt.Errorf("size %d handed to the signer, and then: %w", c.Size, err)
	}
	defer j.Close(contextBackground)
	if root, err := j.Root(contextBackground, c.Size); err != nil || root != c.Root {
		return fmt.Errorf("size %d handed to the signer before it was durable: %v", c.Size, err)
	}
	return nil
}

// live runs a random workload with cuts at every change of the disk.
func (w *world) live() {
	w.disk.Before(w.cutNow(2))
	if err := w.create(); err != nil {
		w.breach("create: %w", err)
		return
	}
	w.disk.Before(w.cutNow(4))
	for range w.rng.IntN(w.steps) {
		if w.stop() {
			break
		}
		w.step()
	}
	if w.j != nil {
		w.leave()
	}
}

func (w *world) step() {
	switch w.rng.IntN(16) {
	case 0:
		if err := w.j.Close(contextBackground); err != nil {
			w.breach("close: %w", err)
		}
		w.open()
	case 1:
		w.restart(w.disk.Clone())
	case 2:
		w.restart(w.disk.Cut(w.rng, powercut.AnyKeep(w.rng)))
	case 3, 4:
		w.failSync()
	case 5:
		w.signer.mu.Lock()
		w.signer.down = !w.signer.down
		w.signer.mu.Unlock()
		w.j.RetrySignatures()
	case 6:
		w.j.StoreSignatures()
	default:
		if err := w.append(); err != nil {
			w.breach("append: %w", err)
		}
	}
}

// restart lets the process die and goes on with what the disk then holds.
func (w *world) restart(disk *powercut.Disk) {
	old := w.signer
	w.leave()
	w.signer = newReferee(old)
	w.signer.judge = w.judge
	w.disk = disk
	disk.Before(w.cutNow(4))
	w.open()
}

var errDisk = errors.New("input/output error")

// failSync lets one write or sync fail, kept or not, with or without the pages
// being marked clean, and opens again in the same boot.
func (w *world) failSync() {
	w.disk.GateSync(w.rng.IntN(2) == 0)
	w.disk.FailAt(w.disk.Ops()+1+w.rng.IntN(4), errDisk, w.rng.IntN(3) == 0)
	for i := 0; i < 4; i++ {
		if err := w.append(); err != nil {
			break
		}
	}
	w.disk.Heal()
	w.restart(w.disk.Clone())
}

// usualSteps bounds the length of a till's life: short ones, so that there are many.
const usualSteps = 40

// cutPower runs worlds until limit cuts have been tried or one is a breach.
func cutPower(seed uint64, limit, steps int, opts func(journal.Options) journal.Options) (points int, err error) {
	for n := uint64(0); points < limit && err == nil; n++ {
		w := &world{
			rng: rand.New(rand.NewPCG(seed, 2*n)), cuts: rand.New(rand.NewPCG(seed, 2*n+1)), steps: steps, keys: journaltest.NewKeys(), opts: opts, disk: powercut.New(),
			signer: newReferee(nil), model: &model{whole: map[int]bool{}}, points: &points, limit: limit, found: &err,
		}
		w.signer.judge = w.judge
		w.live()
	}
	return points, err
}

func seedFor(t *testing.T) uint64 {
	seed := *cutSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("seed: -cut.seed=%d", seed)
	return seed
}

// Requirement: FM-02
func TestPowerCutsLoseNothingThatWasAcknowledged(t *testing.T) {
	seed := seedFor(t)
	start := time.Now()
	points, err := cutPower(seed, *cutPoints, usualSteps, func(o journal.Options) journal.Options { return o })
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d power cuts, %v each", points, time.Since(start)/time.Duration(points))
}

func keyed(disk *powercut.Disk) journal.Options {
	return journal.Options{FS: disk, Keys: journaltest.NewKeys(), SegmentSize: segSize}.Serial()
}

// drafts are n plain entries.
func drafts(n int) []journal.Draft {
	out := make([]journal.Draft, n)
	for i := range out {
		out[i] = journal.Draft{Kind: 1, Time: time.UnixMilli(1_800_000_000_000), Body: fmt.Appendf(nil, `{"entry":%d}`, i)}
	}
	return out
}
