package host

import "time"

// pace counts one connection's messages against a rate with a burst of two
// seconds' worth (a token bucket). A rate below zero has no bound.
type pace struct {
	rate float64
	left float64
	last time.Time
}

func newPace(perSecond int) pace {
	return pace{rate: float64(perSecond), left: 2 * float64(perSecond), last: time.Now()}
}

// exceeded takes one message and reports whether it was too many.
func (p *pace) exceeded() bool {
	if p.rate < 0 {
		return false
	}
	now := time.Now()
	p.left = min(2*p.rate, p.left+p.rate*now.Sub(p.last).Seconds())
	p.last = now
	if p.left < 1 {
		return true
	}
	p.left--
	return false
}
