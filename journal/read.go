package journal

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"

	"github.com/plomb-pos/plomb/internal/durable"
)

// Entry reads one durable entry and checks it against its head.
//
// ErrNotFound: there is none yet. A HoleError, which is ErrDamaged: it cannot be
// read any more. ErrErased: its month's key has been destroyed.
func (j *Journal) Entry(ctx context.Context, index uint64) (Entry, error) {
	if index >= j.Size() {
		return Entry{}, fmt.Errorf("entry %d: %w", index, ErrNotFound)
	}
	run := j.newRun(ctx, readOne)
	defer run.close()
	return run.entry(index)
}

// Entries reads the entries from from up to to, exclusive, in constant memory;
// to beyond Size means up to Size. An entry that is damaged or erased comes with
// the error that Entry gives, and the next one follows; any other error is the last.
func (j *Journal) Entries(ctx context.Context, from, to uint64) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		run := j.newRun(ctx, readRun)
		defer run.close()
		for i := from; i < min(to, j.Size()); i++ {
			e, err := run.entry(i)
			if ctx.Err() != nil {
				err = ctx.Err()
			}
			if !yield(e, err) || (err != nil && !goesOn(err)) {
				return
			}
		}
	}
}

// ForgetKeys drops the keys in memory, so that Keys is asked again. Whoever
// destroys a month's key calls it: until then its entries can still be read.
func (j *Journal) ForgetKeys() {
	j.reader.forget()
	j.mu.Lock()
	defer j.mu.Unlock()
	clear(j.frames)
}

// goesOn reports whether the entries behind a failed one can be read.
func goesOn(err error) bool { return errors.Is(err, ErrDamaged) || errors.Is(err, ErrErased) }

// Tail reads the last snapshot entry, if there is one, and all entries after it:
// what a till needs to go on selling.
func (j *Journal) Tail(ctx context.Context) iter.Seq2[Entry, error] {
	from, _ := j.Snapshot()
	return j.Entries(ctx, from, j.Size())
}

// run reads entries in ascending order, usually many.
type run struct {
	j       *Journal
	ctx     context.Context
	ahead   uint32
	first   uint64 // index of places[0]
	places  []uint64
	segment uint32
	file    durable.File
	window  window
}

// placesAhead is how many places are asked for at once.
const placesAhead = 256

func (j *Journal) newRun(ctx context.Context, ahead uint32) *run {
	return &run{j: j, ctx: ctx, ahead: ahead}
}

func (r *run) close() {
	if r.file != nil {
		r.file.Close()
	}
}

func (r *run) entry(index uint64) (Entry, error) {
	p, err := r.place(index)
	if err != nil {
		return Entry{}, err
	}
	e, err := r.at(index, p)
	if err == nil || !isDamage(err) {
		return e, err
	}
	return r.search(index, p, err)
}

func (r *run) place(index uint64) (uint64, error) {
	if index < r.first || index >= r.first+uint64(len(r.places)) {
		n := uint64(1)
		if r.ahead == readRun {
			n = min(placesAhead, r.j.Size()-index)
		}
		r.first, r.places = index, make([]uint64, n)
		if err := r.j.index.places(r.ctx, index, r.places); err != nil {
			r.places = nil
			return 0, fmt.Errorf("place of entry %d: %w", index, err)
		}
	}
	return r.places[index-r.first], nil
}

// at reads the entry index from a place where it should be.
func (r *run) at(index, place uint64) (Entry, error) {
	segment, offset := uint32(place>>32), uint32(place)
	if place == 0 {
		return Entry{}, errNoRecord
	}
	if err := r.use(segment); errors.Is(err, fs.ErrNotExist) {
		return Entry{}, fmt.Errorf("%w: %w", errMisplaced, err)
	} else if err != nil {
		return Entry{}, err
	}
	rec, err := r.window.record(segment, offset)
	if err != nil {
		return Entry{}, err
	}
	if rec.Type != recordEntry || rec.Index != index {
		return Entry{}, errMisplaced
	}
	return r.j.reader.open(r.ctx, &rec)
}

func (r *run) use(segment uint32) error {
	if r.file != nil && r.segment == segment {
		return nil
	}
	r.close()
	f, err := r.j.reader.segmentFile(segment)
	r.file, r.segment = f, segment
	if err != nil {
		r.file = nil
		return fmt.Errorf("open segment %d: %w", segment, err)
	}
	r.window = window{file: f, limit: r.j.segmentSize, ahead: r.ahead, buf: r.window.buf[:0]}
	return nil
}

// search looks for an entry that is not where the cache says.
func (r *run) search(index, wrong uint64, cause error) (Entry, error) {
	p, err := r.j.index.placeAgain(r.ctx, index, cause)
	if err != nil {
		return Entry{}, err
	}
	r.places = nil
	if p != wrong {
		e, err := r.at(index, p)
		if err == nil || !isDamage(err) {
			return e, err
		}
	}
	segment, _, err := r.j.locate(r.ctx, index)
	if err != nil {
		return Entry{}, err
	}
	return Entry{}, &HoleError{From: index, To: index + 1, Segment: segment, Reason: cause.Error()}
}

// locate finds an entry by scanning the segment it must be in; place is 0 if it
// is damaged.
func (j *Journal) locate(ctx context.Context, index uint64) (segment uint32, at uint64, err error) {
	j.mu.Lock()
	until := j.durableTail
	j.mu.Unlock()
	rc := j.recovering(ctx, &until)
	if rc.base, err = rc.load(until.segment, nil); err != nil {
		return 0, 0, err
	}
	l, err := rc.segmentOf(index)
	if err != nil {
		return 0, 0, err
	}
	for _, g := range l.groups {
		for i := range g.Entries {
			if g.Entries[i].Index == index {
				return l.number, place(l.number, g.Entries[i].Offset), nil
			}
		}
	}
	return l.number, 0, nil
}
