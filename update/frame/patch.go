package frame

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// A patch makes a frame out of pieces of the old component: each piece is a run of
// old bytes to which differences are added (Percival's idea of 2003), followed by
// bytes of its own. On the wire are three streams: orders (for each piece the length
// of the run and the number of own bytes, both uvarints, and the distance from the
// end of the last run to this one, a varint), differences, own bytes. Before them
// stand, for each, how it is packed (a byte), its length and its length as packed
// (uvarints). Differences are mostly zeros with patterns between them, which bzip2
// packs better than anything else at hand; own bytes resemble the window.

// How a stream is packed. The numbers are part of the format.
const (
	asIs   = 0
	asZstd = 1
	asBzip = 2
	asDict = 3 // zstd with the window as raw dictionary
)

// piece is one order.
type piece struct {
	place int // in old
	add   int // bytes of old with differences
	own   int // bytes that follow
}

// maxLook bounds how far two places are compared, and with it the work on runs.
const maxLook = 64 << 10

// diff finds the pieces that make data out of x.old. hint is where the frame before
// ended in old.
func diff(x *index, data []byte, hint int) []piece {
	d := differ{x: x, data: data, offset: hint, budget: 64 * len(data)}
	d.run()
	return d.pieces
}

// differ walks through the new frame with the alignment of the last piece
// (data[i] against old[i+offset]) and leaves it when another place agrees with more
// bytes than that.
type differ struct {
	x      *index
	data   []byte
	offset int // alignment of the piece under way
	start  int // where the piece under way begins in data
	budget int // of byte comparisons; then only every 16th byte is looked up
	pieces []piece
}

// better is how many bytes more a new alignment has to explain.
const better = 8

func (d *differ) run() {
	scan := 0
	for scan < len(d.data) {
		if n := d.agrees(scan); n >= seed { // the alignment holds: no need to look
			scan += n
			continue
		}
		place, n := d.x.longest(d.data, scan, maxLook)
		d.budget -= n + ways*seed
		if n >= seed && place-scan != d.offset && n > d.score(scan, n)+better {
			d.turn(scan, place)
			scan += n
			continue
		}
		scan++
		if d.budget < 0 {
			scan += 15
		}
	}
	d.emit(len(d.data), len(d.data))
}

// agrees is how far the alignment under way is exact from scan on.
func (d *differ) agrees(scan int) int {
	at := scan + d.offset
	if at < 0 || at >= len(d.x.old) {
		return 0
	}
	return equal(d.x.old[at:], d.data[scan:], maxLook)
}

// score is how many of n bytes the alignment under way explains.
func (d *differ) score(scan, n int) (same int) {
	at := scan + d.offset
	for i := range n {
		if j := at + i; j >= 0 && j < len(d.x.old) && d.x.old[j] == d.data[scan+i] {
			same++
		}
	}
	return same
}

// turn ends the piece under way before scan and begins one at place. What lies
// between goes to whichever alignment explains it better.
func (d *differ) turn(scan, place int) {
	back := 0 // the new alignment reaches back while it agrees more than not
	best, sum := 0, 0
	for i := 1; scan-i >= d.start && place-i >= 0 && i < 4096; i++ {
		if d.x.old[place-i] == d.data[scan-i] {
			sum++
		} else {
			sum--
		}
		if sum > best {
			best, back = sum, i
		}
	}
	d.emit(d.reach(scan-back), scan-back)
	d.offset, d.start = place-scan, scan-back
}

// reach is where the alignment under way stops to be worth it, at end the latest.
func (d *differ) reach(end int) int {
	best, sum, reach := 0, 0, d.start
	for i := d.start; i < end; i++ {
		at := i + d.offset
		if at < 0 || at >= len(d.x.old) {
			break
		}
		if d.x.old[at] == d.data[i] {
			sum++
		} else {
			sum--
		}
		if sum >= best {
			best, reach = sum, i+1
		}
	}
	return reach
}

// emit writes the piece under way: old bytes up to reach, own bytes up to end.
func (d *differ) emit(reach, end int) {
	if end == len(d.data) {
		reach = d.reach(end)
	}
	if end > d.start {
		d.pieces = append(d.pieces, piece{place: max(d.start+d.offset, 0), add: reach - d.start, own: end - reach})
	}
}

// encodePatch puts pieces on the wire.
func encodePatch(old, data []byte, pieces []piece, window []byte) ([]byte, error) {
	var orders, differences, own []byte
	at, last := 0, 0
	for _, p := range pieces {
		if p.add == 0 {
			p.place = last
		}
		orders = binary.AppendUvarint(orders, uint64(p.add))
		orders = binary.AppendUvarint(orders, uint64(p.own))
		orders = binary.AppendVarint(orders, int64(p.place-last))
		for i := range p.add {
			differences = append(differences, data[at+i]-old[p.place+i])
		}
		own = append(own, data[at+p.add:at+p.add+p.own]...)
		at, last = at+p.add+p.own, p.place+p.add
	}
	return pack(window, orders, differences, own)
}

// pack puts streams on the wire, each in its smallest form. Only the last one, the
// own bytes, can resemble the window.
func pack(window []byte, streams ...[]byte) ([]byte, error) {
	var head, body []byte
	for i, s := range streams {
		var dict []byte
		if i == len(streams)-1 && len(s) >= worthDict {
			dict = window
		}
		how, packed, err := smallestStream(s, dict)
		if err != nil {
			return nil, err
		}
		head = append(head, how)
		head = binary.AppendUvarint(head, uint64(len(s)))
		head = binary.AppendUvarint(head, uint64(len(packed)))
		body = append(body, packed...)
	}
	return append(head, body...), nil
}

// worthDict is how many bytes are worth the work of a dictionary.
const worthDict = 64

func smallestStream(s, window []byte) (how byte, best []byte, err error) {
	how, best = asIs, s
	for _, form := range []struct {
		how  byte
		pack func() ([]byte, error)
	}{
		{asZstd, func() ([]byte, error) { return deflate(s, nil) }},
		{asBzip, func() ([]byte, error) { return bzip(s) }},
		{asDict, func() ([]byte, error) { return deflate(s, window) }},
	} {
		if len(s) < 16 || (form.how == asDict && len(window) == 0) {
			continue
		}
		packed, err := form.pack()
		if err != nil {
			return 0, nil, err
		}
		if len(packed) < len(best) {
			how, best = form.how, packed
		}
	}
	return how, best, nil
}

var errPatch = errors.New("malformed patch")

// packed is one stream on the wire.
type packed struct {
	how  byte
	raw  int64
	data []byte
}

// unpack reads n streams, none longer than most. The window is read only where a
// stream is packed with it, and not kept beside the others.
func (s *spares) unpack(wire []byte, window func() ([]byte, error), n int, most int64) ([][]byte, error) {
	streams, err := split(wire, n)
	if err != nil {
		return nil, err
	}
	out := make([][]byte, n)
	for i, p := range streams {
		if p.raw > most {
			return nil, errPatch
		}
		if out[i], err = s.open(p, window); err != nil {
			return nil, err
		}
		if int64(len(out[i])) != p.raw {
			return nil, errPatch
		}
	}
	return out, nil
}

// split reads the heads of n streams and cuts the rest accordingly.
func split(wire []byte, n int) ([]packed, error) {
	out := make([]packed, n)
	sizes := make([]uint64, n)
	for i := range out {
		if len(wire) == 0 {
			return nil, errPatch
		}
		out[i].how = wire[0]
		raw, k := binary.Uvarint(wire[1:])
		if k <= 0 || raw > maxOrders {
			return nil, errPatch
		}
		wire = wire[1+k:]
		if sizes[i], k = binary.Uvarint(wire); k <= 0 {
			return nil, errPatch
		}
		out[i].raw, wire = int64(raw), wire[k:]
	}
	for i, size := range sizes {
		if size > uint64(len(wire)) {
			return nil, errPatch
		}
		out[i].data, wire = wire[:size], wire[size:]
	}
	if len(wire) > 0 {
		return nil, errPatch
	}
	return out, nil
}

func (s *spares) open(p packed, read func() ([]byte, error)) ([]byte, error) {
	switch {
	case p.how == asIs:
		return p.data, nil
	case p.how == asZstd:
		return s.inflate(p.data, nil, p.raw)
	case p.how == asBzip:
		return unbzip(p.data, p.raw)
	case p.how != asDict:
		return nil, errPatch
	}
	window, err := read()
	if err != nil {
		return nil, err
	}
	return s.inflate(p.data, window, p.raw)
}

// maxOrders bounds the stream of orders: no frame needs more.
const maxOrders = 4 << 20

// applyPatch makes a frame of size bytes, in dst where that has room.
func (s *spares) applyPatch(dst, wire []byte, window func() ([]byte, error), old io.ReaderAt, size int64) ([]byte, error) {
	streams, err := s.unpack(wire, window, 3, maxOrders)
	if err != nil {
		return nil, err
	}
	if int64(cap(dst)) < size {
		dst = make([]byte, 0, size)
	}
	a := applier{orders: streams[0], differences: streams[1], own: streams[2], old: old, out: dst[:0]}
	for len(a.orders) > 0 {
		if err := a.next(size); err != nil {
			return nil, err
		}
	}
	if int64(len(a.out)) != size || len(a.differences)+len(a.own) > 0 {
		return nil, errPatch
	}
	return a.out, nil
}

type applier struct {
	orders, differences, own []byte
	old                      io.ReaderAt
	last                     int64 // end of the last run in old
	out                      []byte
}

// next carries out one order.
func (a *applier) next(size int64) error {
	add, own, jump, err := a.order()
	if err != nil {
		return err
	}
	room := uint64(size) - uint64(len(a.out))
	if add > room || own > room-add || add > uint64(len(a.differences)) || own > uint64(len(a.own)) {
		return errPatch
	}
	at := a.last + jump
	if at < 0 || at > 1<<40 {
		return errPatch
	}
	begin := len(a.out)
	a.out = a.out[:begin+int(add)]
	if add > 0 {
		if _, err := a.old.ReadAt(a.out[begin:], at); err != nil {
			return fmt.Errorf("read the installed component: %w", err)
		}
	}
	for i := range a.out[begin:] {
		a.out[begin+i] += a.differences[i]
	}
	a.out = append(a.out, a.own[:own]...)
	a.differences, a.own, a.last = a.differences[add:], a.own[own:], at+int64(add)
	return nil
}

func (a *applier) order() (add, own uint64, jump int64, err error) {
	var k int
	for _, v := range []*uint64{&add, &own} {
		if *v, k = binary.Uvarint(a.orders); k <= 0 {
			return 0, 0, 0, errPatch
		}
		a.orders = a.orders[k:]
	}
	if jump, k = binary.Varint(a.orders); k <= 0 || jump > 1<<40 || jump < -1<<40 {
		return 0, 0, 0, errPatch
	}
	a.orders = a.orders[k:]
	return add, own, jump, nil
}
