package update

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/update/frame"
	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/slot"
)

// reader gives the frames of one component from what is on the disk.
type reader struct {
	t                *part
	pace             *pacer
	old, delta, full durable.File
}

func (j *job) reader(t *part) (r *reader, err error) {
	r = &reader{t: t, pace: j.pacer()}
	if t.old != "" {
		// One that cannot be opened shows at the frames that need it.
		r.old, _ = j.FS.Open(t.old)
	}
	if r.delta, err = openPack(j.FS, t.delta); err == nil {
		r.full, err = openPack(j.FS, t.full)
	}
	if err != nil {
		r.close()
	}
	return r, err
}

// openPack opens a pack's frames; none have come of a pack that is all copies.
func openPack(fsys durable.FS, p *pack) (durable.File, error) {
	if p == nil {
		return nil, nil
	}
	f, err := fsys.Open(p.file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return f, err
}

func (r *reader) close() {
	for _, f := range []durable.File{r.old, r.delta, r.full} {
		if f != nil {
			f.Close()
		}
	}
}

// from is the pack that frame i is taken from, and its file.
func (r *reader) from(i int) (*pack, durable.File) {
	if r.t.delta != nil && !r.t.bad[i] {
		return r.t.delta, r.delta
	}
	return r.t.full, r.full
}

// frame is frame i of the component, checked against the table. What can be opened
// without the installed component is opened by another goroutine; files are read by
// the caller alone.
func (r *reader) frame(i int, b *buffers) (opened func() ([]byte, error)) {
	if r.t.same {
		return now(r.copied(i))
	}
	p, f := r.from(i)
	wire, err := readWire(p, f, i, b.wire)
	if err != nil {
		return now(nil, err)
	}
	b.wire = wire
	if mode := p.table.Entries[i].Mode; mode == frame.Plain || mode == frame.Zstd {
		done := make(chan struct{})
		var data []byte
		go func() {
			defer close(done)
			data, err = p.table.OpenInto(b.room(), i, wire, p.key, nil)
		}()
		return func() ([]byte, error) { <-done; return data, err }
	}
	if r.old == nil {
		return now(p.table.OpenInto(b.room(), i, wire, p.key, nil))
	}
	return now(p.table.OpenInto(b.room(), i, wire, p.key, r.old))
}

func now(data []byte, err error) func() ([]byte, error) {
	return func() ([]byte, error) { return data, err }
}

// buffers are the memory of one frame on its way.
type buffers struct {
	wire, data []byte
	opened     func() ([]byte, error)
}

// slack is what the decompressor likes to have beyond a frame.
const slack = 129 << 10

// room is where a frame may be unpacked.
func (b *buffers) room() []byte {
	if b.data == nil {
		b.data = make([]byte, 0, manifest.FrameBytes+slack)
	}
	return b.data
}

// ahead is how many frames are opened side by side: more would cost memory.
const ahead = 2

// frames gives each frame in order to take, whose data are good until it returns. An
// error of a frame is given to take, too; an error of take ends it.
func (r *reader) frames(take func(i int, data []byte, err error) error) error {
	var ring [ahead]buffers
	n := int(manifest.Frames(r.t.Length))
	for i := range n + ahead {
		b := &ring[i%ahead]
		if i >= ahead {
			data, err := b.opened()
			if err := take(i-ahead, data, err); err != nil {
				return err // what is still being opened touches nothing but the ring
			}
		}
		if i < n {
			b.opened = r.frame(i, b)
			r.breathe(b)
		}
	}
	return nil
}

// breathe rests after a frame where somebody may sell, and has it opened before.
func (r *reader) breathe(b *buffers) {
	if r.pace.busy() {
		_, _ = b.opened() // gives the same once more to who takes it
	}
	r.pace.rest(manifest.FrameBytes)
}

// readWire reads the bytes of frame i, in buf where that has room. They are checked by
// whoever opens them.
func readWire(p *pack, f durable.File, i int, buf []byte) ([]byte, error) {
	at, n := p.table.Range(i)
	if n == 0 {
		return nil, nil
	}
	if f == nil {
		return nil, fmt.Errorf("frame %d: %w", i, fs.ErrNotExist)
	}
	if int64(cap(buf)) < n {
		buf = make([]byte, n)
	}
	buf = buf[:n]
	if got, err := f.ReadAt(buf, at); int64(got) < n {
		return nil, fmt.Errorf("read frame %d: %w", i, err)
	}
	return buf, nil
}

// copied is frame i of an installed component that is the new one already; the
// component's root is checked by whoever reads them all.
func (r *reader) copied(i int) ([]byte, error) {
	if r.old == nil {
		return nil, fmt.Errorf("read the installed %s: %w", r.t.Name, fs.ErrNotExist)
	}
	at := int64(i) * manifest.FrameBytes
	data := make([]byte, min(manifest.FrameBytes, r.t.Length-at))
	if n, err := r.old.ReadAt(data, at); n < len(data) {
		return nil, fmt.Errorf("read the installed %s: %w", r.t.Name, err)
	}
	return data, nil
}

// openPart opens all frames of a component and compares the whole with the manifest.
// bad counts frames that have to be fetched again: those whose bytes are no longer
// what came, and those of a delta that make something else. That the frames are those
// of the manifest's root follows from the table, whose root was compared with it.
func (j *job) openPart(t *part) (bad int, err error) {
	r, err := j.reader(t)
	if err != nil {
		return 0, err
	}
	defer r.close()
	if t.same {
		return j.openSame(t, r)
	}
	err = r.frames(func(i int, _ []byte, err error) error {
		switch {
		case errors.Is(err, frame.ErrSeal):
			return err
		case err != nil:
			bad++
			return r.blame(i, err)
		}
		return nil
	})
	return bad, err
}

// openSame compares an installed component that is the new one already; where it is so
// no longer, it counts as one bad frame.
func (j *job) openSame(t *part, r *reader) (bad int, err error) {
	v := manifest.NewVerifier(t.Component)
	err = r.frames(func(_ int, data []byte, err error) error {
		if err == nil {
			_, err = v.Write(data)
		}
		return err
	})
	if t.same = err == nil && v.Close() == nil; !t.same {
		return 1, nil
	}
	return 0, nil
}

// blame says what to do about frame i that did not open: its bytes are fetched again
// when they are not those that came, and from the whole pack when they are.
func (r *reader) blame(i int, err error) error {
	p, f := r.from(i)
	if !p.there(f, i) {
		p.have[i] = false
		return nil
	}
	if p == r.t.full {
		return fmt.Errorf("%w: %w", ErrRejected, err)
	}
	r.t.bad[i] = true
	return nil
}

// install writes the release into the slot that does not run. The manifest is taken
// away first and written last: in between the slot is no version at all.
func (j *job) install(ctx context.Context) (e Event, err error) {
	there := j.verifySlot() == nil
	if _, handed := j.handed(); there && (j.Backend == nil || handed) {
		return Event{Detail: "it was in the slot already"}, nil
	}
	person, err := j.Authoriser.Authorise(ctx, j.request())
	if err != nil {
		return e, err
	}
	e.Person = person
	begun := e
	begun.Stage, begun.Outcome = Installed, Begun
	if err := j.record(ctx, begun); err != nil {
		return e, err
	}
	if err := j.change((*state).installs); err != nil {
		return e, err
	}
	if !there {
		err = j.fillSlot(ctx)
	}
	if err == nil && j.Backend != nil {
		err = j.hand(ctx)
	}
	return e, spaceOr(err)
}

// fillSlot writes components and papers into the slot that does not run.
func (j *job) fillSlot(ctx context.Context) error {
	dir := j.slotDir(j.table.Active.Other())
	if err := j.emptySlot(dir); err != nil {
		return err
	}
	for _, t := range j.parts {
		if err := j.place(ctx, t, dir); err != nil {
			return fmt.Errorf("install %s: %w", t.Name, err)
		}
	}
	return j.papers(dir)
}

// emptySlot clears a slot, the manifest first.
func (a *Agent) emptySlot(dir string) error {
	if err := durable.RemoveIfExists(a.FS, path.Join(dir, slot.ManifestFile)); err != nil {
		return err
	}
	if err := a.FS.SyncDir(dir); err != nil {
		return err
	}
	names, err := a.FS.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, n := range names {
		if err := durable.RemoveAll(a.FS, path.Join(dir, n)); err != nil {
			return err
		}
	}
	return a.FS.SyncDir(dir)
}

// place writes one component, frame by frame, each checked as it is read.
func (j *job) place(ctx context.Context, t *part, dir string) error {
	r, err := j.reader(t)
	if err != nil {
		return err
	}
	defer r.close()
	name := path.Join(dir, t.Path)
	if err := makeDirs(j.FS, dir, path.Dir(t.Path)); err != nil {
		return err
	}
	f, err := j.FS.Create(name)
	if err != nil {
		return err
	}
	err = copyFrames(ctx, f, r)
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return j.mode(name, t.Component)
}

// copyFrames writes a new file. Frames of zeros are left out: the file has holes there,
// which read as zeros and take no room.
func copyFrames(ctx context.Context, f durable.File, r *reader) error {
	err := r.frames(func(i int, data []byte, err error) error {
		if err = errors.Join(ctx.Err(), err); err != nil || manifest.IsZero(data) {
			return err
		}
		_, err = f.WriteAt(data, int64(i)*manifest.FrameBytes)
		if err == nil && r.pace.busy() {
			err = f.Sync() // a sale's few bytes never wait behind many of these
		}
		return err
	})
	if err != nil {
		return err
	}
	if size, err := f.Size(); err != nil || size < r.t.Length {
		if err = errors.Join(err, f.Truncate(r.t.Length)); err != nil {
			return err
		}
	}
	return f.Sync()
}

// makeDirs makes the folders of a component below its slot.
func makeDirs(fsys durable.FS, dir, below string) error {
	if below == "." {
		return nil
	}
	for part := range strings.SplitSeq(below, "/") {
		dir = path.Join(dir, part)
		if err := fsys.Mkdir(dir); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return nil
}

// moder is a file system that has permissions; durable.OS is one.
type moder interface {
	Chmod(name string, mode fs.FileMode) error
}

func (j *job) mode(name string, c *manifest.Component) error {
	m, ok := j.FS.(moder)
	if !ok {
		return nil
	}
	mode := fs.FileMode(c.Mode)
	if mode == 0 {
		mode = 0o644
	}
	return m.Chmod(name, mode&fs.ModePerm)
}

// papers syncs the slot's folders and then writes what makes it a version.
func (j *job) papers(dir string) error {
	for _, d := range j.folders(dir) {
		if err := j.FS.SyncDir(d); err != nil {
			return err
		}
	}
	for _, name := range []string{slot.NoteFile, slot.ProofFile, slot.ManifestFile} {
		data, err := j.paper(name)
		if errors.Is(err, fs.ErrNotExist) && name == slot.ProofFile {
			continue
		}
		if err != nil {
			return err
		}
		if err := durable.Replace(j.FS, path.Join(dir, name), data); err != nil {
			return err
		}
	}
	return nil
}

// folders are those of the slot, the deepest first.
func (j *job) folders(dir string) []string {
	out := []string{dir}
	for _, c := range j.manifest.Components {
		for d := path.Dir(c.Path); d != "."; d = path.Dir(d) {
			if full := path.Join(dir, d); !slices.Contains(out, full) {
				out = append(out, full)
			}
		}
	}
	slices.SortFunc(out, func(a, b string) int { return len(b) - len(a) })
	return out
}

// verify reads the slot as the launcher will.
func (j *job) verify(ctx context.Context) (e Event, err error) {
	e.Detail = "slot " + j.table.Active.Other().String()
	if err := j.verifySlot(); err != nil || j.Backend == nil {
		return e, err
	}
	place, err := j.verifyPlace(ctx)
	e.Detail = "place " + place
	if err != nil && ctx.Err() == nil {
		err = errors.Join(err, j.forgetPlaced()) // it is written again
	}
	return e, err
}

func (j *job) verifySlot() error {
	check, err := j.check(j.table)
	if err != nil {
		return err
	}
	_, err = check.Verify(paced{j.FS, j.Agent}, j.slotDir(j.table.Active.Other()), j.digest)
	return err
}

// point names the slot as a trial. What may have changed since it was asked is asked
// again: the till's state, the clock, the approval.
func (j *job) point(ctx context.Context) (e Event, err error) {
	if _, err := j.gate(ctx); err != nil {
		return e, err
	}
	if err := j.doubt(); err != nil {
		return e, err
	}
	if _, err := j.certification(ctx); err != nil {
		return e, err
	}
	file, _, err := slot.Open(j.FS, j.tablePath())
	if err != nil {
		return e, err
	}
	t, err := file.Table().Propose(j.manifest, j.digest, j.Policy.Fallback)
	if err != nil {
		return e, err
	}
	e.Detail = fmt.Sprintf("slot %s is to be tried", t.Active.Other())
	if err := j.record(ctx, Event{Stage: Pointed, Outcome: Begun, Detail: e.Detail}); err != nil {
		return e, err
	}
	if err := j.change((*state).installs); err != nil {
		return e, err
	}
	if j.Backend != nil {
		if err := j.activate(ctx); err != nil {
			return e, err
		}
	}
	return e, file.Write(t)
}
