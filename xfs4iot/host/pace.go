package host

import "time"

// pace counts events against a rate with a burst (a token bucket). A rate below
// zero has no bound.
type pace struct {
	rate  float64 // per second
	burst float64
	left  float64
	last  time.Time
}

// newPace allows two seconds' worth at once.
func newPace(perSecond int) pace {
	burst := 2 * float64(perSecond)
	return pace{rate: float64(perSecond), burst: burst, left: burst, last: time.Now()}
}

// exceeded takes one event and reports whether it was too many.
func (p *pace) exceeded() bool {
	if p.rate < 0 {
		return false
	}
	now := time.Now()
	p.left = min(p.burst, p.left+p.rate*now.Sub(p.last).Seconds())
	p.last = now
	if p.left < 1 {
		return true
	}
	p.left--
	return false
}
