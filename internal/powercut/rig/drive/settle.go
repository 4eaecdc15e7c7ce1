package drive

import "math/rand/v2"

// fates are the ways in which a cache of n blocks can be lost; each cut has one.
var fates = []func(n int, rng *rand.Rand) (keep func() bool){
	func(int, *rand.Rand) func() bool { return func() bool { return false } }, // nothing was written yet
	func(n int, rng *rand.Rand) func() bool { // in order, up to some block
		left := rng.IntN(n + 1)
		return func() bool { left--; return left >= 0 }
	},
	func(_ int, rng *rand.Rand) func() bool { return func() bool { return rng.IntN(2) == 0 } }, // any blocks
}

// settle decides which blocks of the cache are there after a cut. It is called with mu
// held and leaves the cache as it is, for On.
func (d *Drive) settle(rng *rand.Rand) Loss {
	loss := Loss{Cached: len(d.cache)}
	keep := func() bool { return true }
	if !d.Faithful {
		keep = fates[rng.IntN(len(fates))](d.waiting(), rng)
	}
	whole := rng.IntN(2) == 0 // writes are not torn
	for _, w := range d.cache {
		each := keep
		if whole {
			all := keep()
			each = func() bool { return all }
		}
		switch kept, blocks := d.keep(w, each); {
		case kept == 0:
			loss.Lost++
		case kept < blocks:
			loss.Torn++
		}
	}
	return loss
}

// waiting is how many blocks are in the cache, roughly.
func (d *Drive) waiting() (blocks int) {
	for _, w := range d.cache {
		blocks += 1 + len(w.data)/Block
	}
	return blocks
}

// keep makes those blocks of a write durable that keep says yes to.
func (d *Drive) keep(w write, keep func() bool) (kept, blocks int) {
	for from := int64(0); from < int64(len(w.data)); blocks++ {
		to := min(int64(len(w.data)), from+Block-(w.at+from)%Block)
		if keep() {
			copy(d.durable[w.at+from:], w.data[from:to])
			kept++
		}
		from = to
	}
	return kept, blocks
}
