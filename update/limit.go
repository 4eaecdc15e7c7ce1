package update

import (
	"context"
	"io"

	"golang.org/x/time/rate"
)

// Rate is how fast the agent may fetch, in bytes a second: Low in the background
// while the till is used, Normal while it is idle for long, Urgent for an urgent
// release. Zero values take 256 KiB, 2 MiB and 16 MiB.
type Rate struct{ Low, Normal, Urgent int64 }

// Load is how much the till has to do.
type Load uint8

// The loads.
const (
	Quiet Load = 0 // nobody uses the till
	InUse Load = 1 // it is open for sales
	Sale  Load = 2 // a sale is in progress: half of what InUse allows
)

// piece is what is read and paid for at once, in bytes: small, so that a slow link
// is shared evenly.
const piece = 16 << 10

// bucket is the token bucket that all transfers of an agent share.
type bucket struct {
	limiter *rate.Limiter
	rate    Rate
	load    func() Load
}

func newBucket(r Rate, load func() Load) *bucket {
	if load == nil {
		load = func() Load { return Quiet }
	}
	return &bucket{limiter: rate.NewLimiter(rate.Limit(r.Low), piece), rate: r, load: load}
}

// limit is the rate that holds now.
func (b *bucket) limit(urgent bool) rate.Limit {
	load := b.load()
	full := b.rate.Normal
	switch {
	case urgent:
		full = b.rate.Urgent
	case load != Quiet:
		full = b.rate.Low
	}
	if load == Sale {
		full /= 2
	}
	return rate.Limit(max(full, 1))
}

// take waits until n bytes, piece at most, may be read.
func (b *bucket) take(ctx context.Context, n int, urgent bool) error {
	if l := b.limit(urgent); l != b.limiter.Limit() {
		b.limiter.SetLimit(l)
	}
	return b.limiter.WaitN(ctx, n)
}

// limited reads from r in small pieces, each paid for before the next.
type limited struct {
	ctx    context.Context
	r      io.Reader
	bucket *bucket
	urgent bool
}

func (l *limited) Read(p []byte) (int, error) {
	p = p[:min(len(p), piece)]
	n, err := l.r.Read(p)
	if terr := l.bucket.take(l.ctx, n, l.urgent); terr != nil {
		return n, terr
	}
	return n, err
}
