package frame

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"runtime"

	"golang.org/x/sync/errgroup"

	"github.com/plomb-pos/plomb/update/manifest"
)

// Options of building.
type Options struct {
	Key      *Key                  // nil: not sealed
	Progress func(done, total int) // frames; may be nil; called by one goroutine at a time
}

// Build writes the pack that makes new out of old to w, and gives its table. old is
// nil for a whole pack. Both lie in memory or are mapped: beside them Build uses up
// to 128 MiB for the index of old and a few frames.
func Build(ctx context.Context, w io.Writer, old, new []byte, o Options) (*Table, error) {
	if len(new) == 0 || manifest.Frames(int64(len(new))) > MaxFrames {
		return nil, fmt.Errorf("build a pack of %d bytes: a component has 1 byte to %d frames", len(new), MaxFrames)
	}
	b := builder{old: old, new: new, key: o.Key, table: &Table{Length: uint64(len(new)), Entries: make([]Entry, manifest.Frames(int64(len(new))))}}
	if old != nil {
		b.table.From = sha256.Sum256(old)
		b.index = newIndex(old)
	}
	if err := b.frames(ctx, w, o.Progress); err != nil {
		return nil, fmt.Errorf("build a pack: %w", err)
	}
	b.table.place()
	return b.table, nil
}

type builder struct {
	old, new []byte
	index    *index
	key      *Key
	table    *Table
}

// frames encodes frames side by side and writes them in order.
func (b *builder) frames(ctx context.Context, w io.Writer, progress func(done, total int)) error {
	n := len(b.table.Entries)
	done := make([]chan []byte, n)
	for i := range done {
		done[i] = make(chan []byte, 1)
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0) + 1)
	group.Go(func() error { return b.write(ctx, w, done, progress) })
	for i := range n {
		group.Go(func() error {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			wire, err := b.frame(i)
			done[i] <- wire
			return err
		})
	}
	return group.Wait()
}

func (b *builder) write(ctx context.Context, w io.Writer, done []chan []byte, progress func(done, total int)) error {
	for i := range done {
		select {
		case wire := <-done[i]:
			if _, err := w.Write(wire); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
		if progress != nil {
			progress(i+1, len(done))
		}
	}
	return nil
}

// frame finds the smallest form of frame i.
func (b *builder) frame(i int) ([]byte, error) {
	begin := i * manifest.FrameBytes
	data := b.new[begin:min(begin+manifest.FrameBytes, len(b.new))]
	e := &b.table.Entries[i]
	e.Leaf = manifest.FrameHash(data)
	var pieces []piece
	if b.index != nil {
		pieces = diff(b.index, data, begin)
		if p, ok := isCopy(b.old, data, pieces); ok {
			e.Mode, e.Window = Copy, Window{uint64(p), uint32(len(data))}
			return nil, nil
		}
	}
	wire, err := b.smallest(e, data, pieces)
	if err != nil {
		return nil, err
	}
	if b.key != nil {
		wire = b.key.seal(i, wire)
	}
	if len(wire) > maxWire {
		return nil, errors.New("a frame grew on its way")
	}
	e.Wire, e.Hash = uint32(len(wire)), sha256.Sum256(wire)
	return wire, nil
}

// isCopy says where old holds the whole frame.
func isCopy(old, data []byte, pieces []piece) (int, bool) {
	if len(pieces) == 0 || pieces[0].place+len(data) > len(old) {
		return 0, false
	}
	p := pieces[0].place
	return p, equal(old[p:], data, len(data)) == len(data)
}

// smallest tries the forms and sets the entry to the smallest one. Where the
// differences are few already, the forms that cannot be smaller are left out: they
// are what takes the time.
func (b *builder) smallest(e *Entry, data []byte, pieces []piece) (best []byte, err error) {
	best, e.Mode = data, Plain
	try := func(m Mode, w Window, pack func() ([]byte, error)) {
		if err != nil {
			return
		}
		var packed []byte
		if packed, err = pack(); err == nil && len(packed) < len(best) {
			best, e.Mode, e.Window = packed, m, w
		}
	}
	if b.index != nil {
		w := windowOf(pieces, len(b.old))
		window := b.old[w.Offset : w.Offset+uint64(w.Length)]
		try(Patch, w, func() ([]byte, error) { return encodePatch(b.old, data, pieces, window) })
		if len(best) > few {
			try(Dict, w, func() ([]byte, error) { return deflate(data, window) })
		}
	}
	if len(best) > len(data)/8 {
		try(Zstd, Window{}, func() ([]byte, error) { return deflate(data, nil) })
	}
	return best, err
}

// few is how many bytes of a patch no dictionary makes worthwhile to try.
const few = 48

// window is how much of old a frame is given as dictionary: less than the format
// allows, so that a till needs less memory; more makes packs hardly smaller.
const window = 2 << 20

// windowOf is the part of old around the middle of what the pieces use.
func windowOf(pieces []piece, size int) Window {
	weight, sum := 0, 0
	for _, p := range pieces {
		weight += p.add
		sum += p.add * (p.place / 1024)
	}
	middle := 0
	if weight > 0 {
		middle = sum / weight * 1024
	}
	begin := max(0, min(middle-window/2, size-window))
	return Window{uint64(begin), uint32(min(window, size-begin))}
}
