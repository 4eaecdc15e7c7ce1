package update

import (
	"context"
	"crypto/sha256"
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
	old, delta, full durable.File
}

func (j *job) reader(t *part) (r *reader, err error) {
	r = &reader{t: t}
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

// frame is frame i of the component, checked against the table.
func (r *reader) frame(i int) ([]byte, error) {
	if r.t.same {
		return r.copied(i)
	}
	p, f := r.from(i)
	wire, err := readWire(p, f, i)
	if err != nil {
		return nil, err
	}
	if r.old == nil {
		return p.table.Open(i, wire, p.key, nil)
	}
	return p.table.Open(i, wire, p.key, r.old)
}

func readWire(p *pack, f durable.File, i int) ([]byte, error) {
	if f == nil && p.table.Entries[i].Wire > 0 {
		return nil, fmt.Errorf("frame %d: %w", i, fs.ErrNotExist)
	}
	return p.wire(f, i)
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
// what came, and those of a delta that make something else.
func (j *job) openPart(t *part) (bad int, err error) {
	r, err := j.reader(t)
	if err != nil {
		return 0, err
	}
	defer r.close()
	v, sum := manifest.NewVerifier(t.Component), sha256.New()
	for i := range int(manifest.Frames(t.Length)) {
		data, err := r.frame(i)
		switch {
		case errors.Is(err, frame.ErrSeal):
			return 0, err
		case err != nil && t.same:
			t.same = false
			return 1, nil
		case err != nil:
			if err := r.blame(i, err); err != nil {
				return 0, err
			}
			bad++
			continue
		}
		sum.Write(data)
		if _, err := v.Write(data); err != nil {
			return 0, err
		}
	}
	if bad > 0 {
		return bad, nil
	}
	if err := v.Close(); err != nil || manifest.Digest(sum.Sum(nil)) != t.SHA256 {
		if t.same {
			t.same = false
			return 1, nil
		}
		return 0, errors.Join(err, fmt.Errorf("%s: its SHA-256 is another: %w", t.Name, manifest.ErrContent))
	}
	return 0, nil
}

// blame says what to do about frame i that did not open: its bytes are fetched again
// when they are not those that came, and from the whole pack when they are.
func (r *reader) blame(i int, err error) error {
	p, f := r.from(i)
	if _, werr := readWire(p, f, i); werr != nil {
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
		if err := removeAll(a.FS, path.Join(dir, n)); err != nil {
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

func copyFrames(ctx context.Context, f durable.File, r *reader) error {
	for i := range int(manifest.Frames(r.t.Length)) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		data, err := r.frame(i)
		if err != nil {
			return err
		}
		if _, err := f.WriteAt(data, int64(i)*manifest.FrameBytes); err != nil {
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
	_, err = check.Verify(j.FS, j.slotDir(j.table.Active.Other()), j.digest)
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
