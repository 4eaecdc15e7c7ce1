package update

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"syscall"
	"time"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/update/frame"
	"github.com/plomb-pos/plomb/update/manifest"
)

// syncBytes is how much is written between two syncs: what a power cut may cost.
const syncBytes = 4 << 20

// errDisk marks errors of the device's own disk: another source does not help.
var errDisk = errors.New("write what came")

// errWrong is a source's fault, not the software's: it counts against no release.
var errWrong = errors.New("other bytes than the release names")

// part is how one component comes to the device: from the installed version alone,
// as a delta against it, or whole.
type part struct {
	*manifest.Component
	index int
	old   string // the installed component; empty: none
	same  bool   // it is the new one already
	delta *pack  // nil: there is none against what is installed
	full  *pack  // nil until it is needed
	bad   []bool // frames of the delta that do not open, and are needed from full
}

// wants reports whether frame i is needed from p.
func (t *part) wants(p *pack) func(i int) bool {
	return func(i int) bool {
		if t.same {
			return false
		}
		return (p == t.delta) == (t.delta != nil && !t.bad[i])
	}
}

// packs are those that something is needed of.
func (t *part) packs() (out []*pack) {
	for _, p := range []*pack{t.delta, t.full} {
		if p != nil {
			out = append(out, p)
		}
	}
	return out
}

// download fetches what is missing of a release.
type download struct {
	job  *job
	told map[string]bool // sources whose failure is in the history already
}

// plan decides for each component how it comes, fetches the tables and looks what is
// on disk.
func (d *download) plan(ctx context.Context) error {
	if d.job.parts != nil {
		return nil
	}
	var parts []*part
	for i := range d.job.manifest.Components {
		t := &part{Component: &d.job.manifest.Components[i], index: i}
		if err := d.choose(ctx, t); err != nil {
			return fmt.Errorf("%s: %w", t.Name, err)
		}
		parts = append(parts, t)
	}
	d.job.parts = parts
	return nil
}

func (d *download) choose(ctx context.Context, t *part) (err error) {
	old := d.job.installed(t.Name)
	if old != nil {
		t.old = path.Join(d.job.active, old.Path)
		t.same = old.SHA256 == t.SHA256 && d.whole(t)
	}
	if t.same {
		return nil
	}
	if old != nil {
		if delta := t.Delta(old.SHA256); delta != nil {
			if t.delta, err = d.pack(ctx, t, delta, ""); err != nil {
				return err
			}
			t.bad = make([]bool, len(t.delta.table.Entries))
			return nil
		}
	}
	return d.needFull(ctx, t)
}

// whole reports whether the installed component is the new one, byte by byte.
func (d *download) whole(t *part) bool {
	f, err := paced{d.job.FS, d.job.Agent}.Open(t.old)
	if err != nil {
		return false
	}
	defer f.Close()
	return t.Check(io.NewSectionReader(f, 0, t.Length+1)) == nil
}

func (d *download) needFull(ctx context.Context, t *part) (err error) {
	if t.full != nil {
		return nil
	}
	full := t.Full()
	if full == nil {
		return fmt.Errorf("%w: the release has no pack for this device", ErrRejected)
	}
	t.full, err = d.pack(ctx, t, full, ".full")
	return err
}

// pack gets a pack's table, from disk or a source, and looks for its frames.
func (d *download) pack(ctx context.Context, t *part, mp *manifest.Pack, suffix string) (*pack, error) {
	base := d.job.staging.path(fmt.Sprintf("%d%s", t.index, suffix))
	p := &pack{Pack: mp, file: base + ".pack"}
	var err error
	if p.table, err = d.table(ctx, t, mp, base+".table"); err != nil {
		return nil, err
	}
	if p.key, err = d.job.key(ctx, t.Component, mp); err != nil {
		return nil, err
	}
	if err := p.scan(paced{d.job.FS, d.job.Agent}); err != nil {
		return nil, err
	}
	p.findBegun(d.job.FS)
	return p, nil
}

// tableBytes is the length of a pack's table, which follows from the component's.
func tableBytes(length int64) int64 { return 52 + 81*manifest.Frames(length) }

func (d *download) table(ctx context.Context, t *part, mp *manifest.Pack, file string) (*frame.Table, error) {
	n := tableBytes(t.Length)
	data, err := durable.ReadFile(d.job.FS, file, n)
	if err == nil && manifest.Sum(data) == mp.Table {
		return parseTable(t, mp, data)
	}
	data, err = d.small(ctx, "tables/"+mp.Table.String(), n, mp.Table)
	if err != nil {
		return nil, err
	}
	table, err := parseTable(t, mp, data)
	if err != nil {
		return nil, err
	}
	return table, wrap("keep a table", durable.Replace(d.job.FS, file, data))
}

// parseTable reads a table whose hash is right and holds it against the manifest.
func parseTable(t *part, mp *manifest.Pack, data []byte) (*frame.Table, error) {
	table, err := frame.ParseTable(data)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRejected, err)
	}
	var from manifest.Digest
	if mp.From != nil {
		from = *mp.From
	}
	if table.From != from || int64(table.Length) != t.Length || table.Root() != t.Root || table.Bytes() != mp.Bytes {
		return nil, fmt.Errorf("%w: the table of %s is about something else than its manifest", ErrRejected, t.Name)
	}
	return table, nil
}

// small fetches a whole small file from the first source that has it right.
func (d *download) small(ctx context.Context, name string, n int64, want manifest.Digest) ([]byte, error) {
	var errs error
	for _, src := range d.job.Sources() {
		data, err := d.read(ctx, src, name, n)
		if err == nil && manifest.Sum(data) != want {
			err = fmt.Errorf("%s: %w", name, errWrong)
		}
		if err == nil {
			return data, nil
		}
		if err := d.tell(ctx, src, err); err != nil {
			return nil, err
		}
		errs = errors.Join(errs, fmt.Errorf("%s: %w", src, err))
	}
	return nil, fmt.Errorf("no source has %s: %w", name, errs)
}

func (d *download) read(ctx context.Context, src Source, name string, n int64) ([]byte, error) {
	r, err := d.open(ctx, src, name, 0, n)
	if err != nil {
		return nil, err
	}
	defer r.close()
	data := make([]byte, n)
	_, err = r.full(data)
	return data, err
}

// frames fetches what is missing, pack by pack, run by run.
func (d *download) frames(ctx context.Context) error {
	for _, t := range d.job.parts {
		for _, p := range t.packs() {
			if err := d.fill(ctx, t, p); err != nil {
				return fmt.Errorf("%s: %w", t.Name, err)
			}
		}
	}
	return nil
}

// fill asks one source after the other for what is still missing of a pack.
func (d *download) fill(ctx context.Context, t *part, p *pack) (err error) {
	wanted := t.wants(p)
	if p.missing(wanted) == 0 {
		return nil
	}
	f, err := p.open(d.job.FS)
	if err != nil {
		return fmt.Errorf("%w: %w", errDisk, err)
	}
	defer f.Close()
	defer func() {
		if err != nil {
			err = errors.Join(err, p.keepBegun(d.job.FS, f))
		}
	}()
	var errs error
	for _, src := range d.job.Sources() {
		err := d.from(ctx, src, p, f, wanted)
		if err == nil {
			return nil
		}
		if errors.Is(err, errDisk) || ctx.Err() != nil {
			return err
		}
		if err := d.tell(ctx, src, err); err != nil {
			return err
		}
		errs = errors.Join(errs, fmt.Errorf("%s: %w", src, err))
	}
	return fmt.Errorf("no source gave all frames: %w", errs)
}

// from fetches the missing frames of a pack from one source, each run of neighbours
// in one request. Frames that are not next to each other on the wire are asked for
// by themselves, so that none that is there comes again.
func (d *download) from(ctx context.Context, src Source, p *pack, f durable.File, wanted func(int) bool) error {
	for first := 0; first < len(p.have); {
		if p.have[first] || !wanted(first) {
			first++
			continue
		}
		last := first
		for last+1 < len(p.have) && (p.table.Entries[last+1].Wire == 0 || (!p.have[last+1] && wanted(last+1))) {
			last++
		}
		before, begun := p.missing(wanted), p.begunOf(first)
		err := d.run(ctx, src, p, f, first, last, begun)
		if begun != nil && (errors.Is(err, errBegun) || errors.Is(err, ErrNotThere) || errors.Is(err, ErrRanges)) {
			err = d.run(ctx, src, p, f, first, last, nil) // its beginning was another's, or it gives whole frames only
		}
		if cut := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF); cut && (p.missing(wanted) < before || len(p.begunOf(first)) >= len(begun)+piece) {
			continue // it gave a part; it may give the next one
		}
		if err != nil {
			return err
		}
		first = last + 1
	}
	return nil
}

// errBegun is a frame that is not right with a beginning that came before: which of the
// two is wrong is not known yet.
var errBegun = errors.New("not the rest of what came before")

// run fetches the frames from first to last, the first one's beginning apart. What came
// whole before an error is kept, and is on the disk when run returns; of the frame that
// was cut the beginning is.
func (d *download) run(ctx context.Context, src Source, p *pack, f durable.File, first, last int, begun []byte) (err error) {
	begin, _ := p.table.Range(first)
	end, n := p.table.Range(last)
	begin += int64(len(begun))
	r, err := d.open(ctx, src, "packs/"+p.SHA256.String(), begin, end+n-begin)
	if err != nil {
		return err
	}
	defer r.close()
	w := writer{d: d, p: p, f: f}
	for i := first; i <= last && err == nil; i++ {
		err = w.frame(r, i, begun)
		begun = nil
	}
	if serr := w.sync(); serr != nil {
		return serr
	}
	return err
}

// writer puts frames into a pack's file. A frame counts as had when it was synced.
type writer struct {
	d       *download
	p       *pack
	f       durable.File
	pending []int
	bytes   int64
}

// frame reads the rest of frame i and puts it into the file.
func (w *writer) frame(r *stream, i int, begun []byte) error {
	at, n := w.p.table.Range(i)
	if n == 0 {
		return nil
	}
	data, err := w.read(r, i, n, begun)
	if err != nil {
		return err
	}
	if _, err := w.f.WriteAt(data, at); err != nil {
		return fmt.Errorf("%w: frame %d: %w", errDisk, i, spaceOr(err))
	}
	w.pending = append(w.pending, i)
	w.d.job.progress.add(n)
	if w.bytes += n; w.bytes < syncBytes {
		return nil
	}
	return w.sync()
}

// read gives frame i, whole and right, of n bytes.
func (w *writer) read(r *stream, i int, n int64, begun []byte) ([]byte, error) {
	data := make([]byte, n)
	had := copy(data, begun)
	got, err := r.full(data[had:])
	if err != nil {
		w.p.begin(i, data[:had+got])
		return nil, fmt.Errorf("frame %d: %w", i, err)
	}
	w.p.begin(i, nil)
	if err = w.p.table.Check(i, data); err != nil && had > 0 {
		err = errors.Join(errBegun, err)
	}
	return data, err
}

// sync makes the frames written since the last sync durable. After an error they
// count as missing: the next pass reads what is on the disk.
func (w *writer) sync() error {
	if len(w.pending) == 0 {
		return nil
	}
	if err := w.f.Sync(); err != nil {
		return fmt.Errorf("%w: %w", errDisk, spaceOr(err))
	}
	for _, i := range w.pending {
		w.p.have[i] = true
	}
	w.pending, w.bytes = nil, 0
	return nil
}

// spaceOr names a full disk as such.
func spaceOr(err error) error {
	if errors.Is(err, syscall.ENOSPC) {
		return fmt.Errorf("%w: %w", ErrSpace, err)
	}
	return err
}

// tell records once a pass that a source failed, and why.
func (d *download) tell(ctx context.Context, src Source, err error) error {
	if d.told[src.String()] {
		return nil
	}
	d.told[src.String()] = true
	return d.job.record(ctx, Event{Stage: Downloaded, Outcome: Failed, Detail: fmt.Sprintf("from %s: %v", src, err)})
}

// stream is what comes from a source: paid for, bounded in time.
type stream struct {
	limited
	cancel context.CancelCauseFunc
	body   io.Closer
	stall  time.Duration
	spent  time.Duration // waiting for the source, since the frame began
	got    int64
}

// slowest is what a source has to send at least, in bytes a second, beside the
// allowance for each frame.
const slowest = 1 << 10

func (d *download) open(ctx context.Context, src Source, name string, offset, length int64) (*stream, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	timer := time.AfterFunc(d.job.Policy.Stall, func() { cancel(ErrSlow) })
	body, err := src.Open(ctx, name, offset, length)
	timer.Stop()
	if err != nil {
		err = errors.Join(err, context.Cause(ctx))
		cancel(nil)
		return nil, err
	}
	s := &stream{cancel: cancel, body: body, stall: d.job.Policy.Stall}
	s.limited = limited{ctx: ctx, r: timed{s, io.LimitReader(body, length)}, bucket: d.job.bucket, urgent: d.job.offer.Urgent}
	return s, nil
}

// full fills data, the next frame or its rest, and says how much came.
func (s *stream) full(data []byte) (n int, err error) {
	s.spent, s.got = 0, 0
	if n, err = io.ReadFull(&s.limited, data); err != nil {
		err = errors.Join(err, context.Cause(s.ctx))
	}
	return n, err
}

func (s *stream) close() {
	s.cancel(nil)
	_ = s.body.Close() // what came has been checked
}

// timed counts the time that a source takes, apart from waiting for its own turn.
type timed struct {
	s *stream
	r io.Reader
}

func (t timed) Read(p []byte) (int, error) {
	begin, left := time.Now(), t.s.stall+time.Duration(t.s.got/slowest)*time.Second-t.s.spent
	if left <= 0 {
		return 0, ErrSlow
	}
	timer := time.AfterFunc(left, func() { t.s.cancel(ErrSlow) })
	n, err := t.r.Read(p)
	timer.Stop()
	t.s.spent += time.Since(begin)
	t.s.got += int64(n)
	return n, err
}
