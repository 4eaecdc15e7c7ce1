package frame

import (
	"encoding/binary"
	"math/bits"
)

// seed is how many bytes have to be equal for a place to be looked at.
const seed = 16

// index finds places of the old component by the hash of seed bytes. Each bucket
// holds the last places seen; places are sampled so that the index stays below
// maxIndex entries.
type index struct {
	old   []byte
	shift uint
	step  int
	slots []uint32 // place/step + 1; ways a bucket
}

const (
	ways     = 4
	maxIndex = 1 << 25 // entries, 128 MiB
)

// newIndex indexes old.
func newIndex(old []byte) *index {
	x := &index{old: old, step: 4}
	for len(old)/x.step*2 > maxIndex {
		x.step *= 2
	}
	buckets := max(bits.Len(uint(len(old)/x.step))-1, 8)
	x.shift = uint(64 - buckets)
	x.slots = make([]uint32, ways<<buckets)
	for at := 0; at+seed <= len(old); at += x.step {
		x.add(at)
	}
	return x
}

// add puts a place into its bucket, the oldest of the bucket giving way. A place
// that goes on like the one before it (a run) is not added again.
func (x *index) add(at int) {
	a, b := binary.LittleEndian.Uint64(x.old[at:]), binary.LittleEndian.Uint64(x.old[at+8:])
	if a == b && at >= x.step && binary.LittleEndian.Uint64(x.old[at-x.step:]) == a {
		return
	}
	bucket := x.slots[x.bucket(a, b):][:ways]
	copy(bucket[1:], bucket)
	bucket[0] = uint32(at/x.step) + 1
}

func (x *index) bucket(a, b uint64) int {
	h := (a*0x9e3779b97f4a7c15 ^ bits.RotateLeft64(b, 32)) * 0xd6e8feb86659fd93
	return int(h>>x.shift) * ways
}

// longest finds the place of old that agrees longest with data[at:], looking at
// most `most` bytes far. length is 0 when nothing agrees for seed bytes.
func (x *index) longest(data []byte, at, most int) (place, length int) {
	if at+seed > len(data) {
		return 0, 0
	}
	a, b := binary.LittleEndian.Uint64(data[at:]), binary.LittleEndian.Uint64(data[at+8:])
	for _, s := range x.slots[x.bucket(a, b):][:ways] {
		if s == 0 {
			break
		}
		p := int(s-1) * x.step
		if n := equal(x.old[p:], data[at:], most); n >= seed && n > length {
			place, length = p, n
		}
	}
	return place, length
}

// equal is how far a and b agree, at most `most` bytes.
func equal(a, b []byte, most int) int {
	n := min(len(a), len(b), most)
	i := 0
	for ; i+8 <= n; i += 8 {
		if d := binary.LittleEndian.Uint64(a[i:]) ^ binary.LittleEndian.Uint64(b[i:]); d != 0 {
			return i + bits.TrailingZeros64(d)/8
		}
	}
	for ; i < n && a[i] == b[i]; i++ {
	}
	return i
}
