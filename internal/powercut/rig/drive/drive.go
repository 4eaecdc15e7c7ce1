// Package drive is a disk for a virtual machine, with a cache that forgets. QEMU reaches
// it by NBD, over a socket; its content lies in memory.
//
//	d := drive.New(content)
//	server, err := d.Listen("/tmp/disk.socket")
//	power := d.On() // now a machine may come
//	...
//	power.CutInFlush(time.Second, rng) // or power.Cut(rng)
//	<-power.Off()
//	loss := power.Loss()
//
// # What a cut leaves
//
// A write is answered at once and lies in the cache. A flush takes time, as it does on
// flash: a latency and the time that the bytes in the cache need; when it is answered,
// what was written before it came is durable, and nothing else is. A cut takes effect
// between two requests or in the midst of a flush; none is answered after it. Then each
// write in the cache, for itself, is there, lost, or torn, and one that was overwritten
// in the cache may be there in place of the later one. Blocks of 4096 bytes are written
// whole or not at all, as disks of today promise: ext4 does not survive less, since a
// torn superblock is none.
//
// It does not lie about flushes and does not rot.
package drive

import (
	"math/rand/v2"
	"sync"
	"time"
)

// Block is what is never torn, in bytes.
const Block = 4096

// What a flush takes.
const (
	latency = 12 * time.Millisecond
	rate    = 24 << 20 // bytes a second
)

// Drive is a disk.
type Drive struct {
	// Faithful keeps in a cut what was not flushed, too: only the machine's memory is
	// lost then. Set before use.
	Faithful bool

	head sync.Mutex // held by the flush that is under way

	mu      sync.Mutex
	seen    []byte  // what is read
	durable []byte  // what no cut takes away
	cache   []write // in order
	before  uint64  // writes that left the cache
	power   *Power  // from its last switching on
}

// Power is what a disk has from one switching on to the next cut.
type Power struct {
	d     *Drive
	off   chan struct{}
	armed *armed
	loss  Loss
}

// write is one write in the cache.
type write struct {
	at   int64
	data []byte
}

// armed is a cut that waits for a flush.
type armed struct {
	rng   *rand.Rand
	share float64 // of the flush that passes
}

// Loss is what a cut has done to the cache.
type Loss struct {
	Cached int // writes that no flush had made durable
	Lost   int // of these, gone
	Torn   int // of these, there in part
}

// New makes a disk with a content, which belongs to it from then on. It is off.
func New(content []byte) *Drive {
	d := &Drive{seen: append([]byte(nil), content...), durable: content}
	d.power = &Power{d: d, off: make(chan struct{})}
	close(d.power.off)
	return d
}

// Size is the disk's, in bytes.
func (d *Drive) Size() int64 { return int64(len(d.durable)) }

// On switches a disk on that is off, with what the last cut has left of it.
func (d *Drive) On() *Power {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, w := range d.cache {
		copy(d.seen[w.at:], d.durable[w.at:w.at+int64(len(w.data))])
	}
	d.before += uint64(len(d.cache))
	d.cache, d.power = nil, &Power{d: d, off: make(chan struct{})}
	return d.power
}

// current is the power that is on now.
func (d *Drive) current() *Power {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.power
}

// Off is closed by the cut.
func (p *Power) Off() <-chan struct{} { return p.off }

// Loss is what the cut has lost, once the power is off.
func (p *Power) Loss() Loss { return p.loss }

// Cut takes the power away, if nothing has yet. rng is the disk's from then on.
func (p *Power) Cut(rng *rand.Rand) {
	p.d.mu.Lock()
	defer p.d.mu.Unlock()
	if p.isOff() {
		return
	}
	p.loss = p.d.settle(rng)
	close(p.off)
}

// CutInFlush takes the power away in the midst of the next flush, or at the end of
// limit. rng is the disk's from then on.
func (p *Power) CutInFlush(limit time.Duration, rng *rand.Rand) {
	p.d.mu.Lock()
	defer p.d.mu.Unlock()
	p.armed = &armed{rng: rng, share: rng.Float64()}
	time.AfterFunc(limit, func() { p.Cut(rng) })
}

func (p *Power) isOff() bool {
	select {
	case <-p.off:
		return true
	default:
		return false
	}
}

// read reads what was written, durable or not; false when the power is gone.
func (p *Power) read(data []byte, at int64) bool {
	p.d.mu.Lock()
	defer p.d.mu.Unlock()
	copy(data, p.d.seen[at:])
	return !p.isOff()
}

// write puts data into the cache and keeps them.
func (p *Power) write(data []byte, at int64) bool {
	p.d.mu.Lock()
	defer p.d.mu.Unlock()
	if p.isOff() {
		return false
	}
	copy(p.d.seen[at:], data)
	p.d.cache = append(p.d.cache, write{at: at, data: data})
	return true
}

// flush makes durable what is in the cache when it is called.
func (p *Power) flush() bool {
	until := p.d.mark()
	p.d.head.Lock()
	defer p.d.head.Unlock()
	takes, cut := p.begin(until)
	if !p.lasts(takes) {
		return false
	}
	if cut != nil {
		p.Cut(cut.rng)
		return false
	}
	return p.end(until)
}

// begin says how long a flush takes, or until the cut that waited for one.
func (p *Power) begin(until uint64) (takes time.Duration, cut *armed) {
	p.d.mu.Lock()
	defer p.d.mu.Unlock()
	n := p.d.pending(until)
	bytes := 0
	for _, w := range p.d.cache[:n] {
		bytes += len(w.data)
	}
	takes = latency + time.Duration(bytes)*time.Second/rate
	if p.armed == nil || n == 0 {
		return takes, nil
	}
	return time.Duration(p.armed.share * float64(takes)), p.armed
}

// lasts waits; false when the power went meanwhile.
func (p *Power) lasts(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-p.off:
		return false
	}
}

// end ends a flush: what was written up to until is durable.
func (p *Power) end(until uint64) bool {
	p.d.mu.Lock()
	defer p.d.mu.Unlock()
	if p.isOff() {
		return false
	}
	n := p.d.pending(until)
	for _, w := range p.d.cache[:n] {
		copy(p.d.durable[w.at:], w.data)
	}
	p.d.cache, p.d.before = p.d.cache[n:], p.d.before+uint64(n)
	return true
}

// mark is the end of the cache now.
func (d *Drive) mark() uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.before + uint64(len(d.cache))
}

// pending is how many writes up to until are in the cache.
func (d *Drive) pending(until uint64) int {
	if until < d.before { // before the power was cut
		return 0
	}
	return int(until - d.before)
}
