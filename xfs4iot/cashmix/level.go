package cashmix

import (
	"context"
	"errors"
)

// settle finds the highest level of remaining items above which the units can
// still make up the amount at a cost of at most most, and makes the cheapest mix
// there. classes gives what the units offer above a level. wide is as in spread.
func (p *purse) settle(ctx context.Context, classes func(level int) []class, most int64, wide bool) error {
	if _, err := p.search(ctx, classes(0), most, most); err != nil {
		return err
	}
	low, high := 0, 1 // low can be done; high cannot, once the loop has begun
	for _, u := range p.units {
		high = max(high, u.left+1)
	}
	for high-low > 1 {
		level := low + (high-low)/2
		s, err := p.search(ctx, classes(level), most, most)
		switch {
		case err == nil && s.best() <= most:
			low = level
		case err == nil || errors.Is(err, ErrNoMix):
			high = level
		default:
			return err
		}
	}
	best, err := p.search(ctx, classes(low), most, -unreachable)
	if err == nil {
		p.mix = p.spread(best.byValue(), low, wide)
	}
	return err
}

// byValue is the best mix as items by value.
func (s *search) byValue() map[int64]int {
	out := map[int64]int{}
	for value, n := range s.fixed {
		out[value] += n
	}
	for j, n := range s.counts() {
		out[s.classes[j].value] += n
	}
	return out
}
