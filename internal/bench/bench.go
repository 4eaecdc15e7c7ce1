// Package bench measures plomb against the limits of the machine it runs on.
//
// Machines are shared and noisy, so a figure is worth something only as a
// ratio to a reference measured in the same way, just before and just after
// it. A case runs in rounds; each round gives one ratio, and the median of the
// rounds is reported. The reference against itself comes out between 0.97 and
// 1.0 on the machines tried, which is the method's own error.
//
// Nothing here asserts anything: tests do not call it.
package bench

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Result is one case as it is printed: value in unit, and its ratio to the reference named in Against.
type Result struct {
	Bench   string  `json:"bench"`
	Case    string  `json:"case"`
	Value   float64 `json:"value"`
	Unit    string  `json:"unit"`
	Ratio   float64 `json:"ratio,omitzero"`
	Against string  `json:"against,omitzero"`
}

// load is what a subject did under writers for a while.
type load struct {
	perSecond float64
	p50, p99  time.Duration
}

// drive calls do from the given number of writers for about d. Each writer
// waits for its own call before the next.
func drive(writers int, d time.Duration, do func(writer int) error) (load, error) {
	warmUp := func() error {
		for range 8 {
			if err := do(0); err != nil {
				return err
			}
		}
		return nil
	}
	if err := warmUp(); err != nil {
		return load{}, err
	}
	var (
		stop  atomic.Bool
		wg    sync.WaitGroup
		times = make([][]time.Duration, writers)
		errs  = make(chan error, writers)
		start = time.Now()
	)
	time.AfterFunc(d, func() { stop.Store(true) })
	for w := range writers {
		wg.Go(func() {
			for !stop.Load() {
				t := time.Now()
				if err := do(w); err != nil {
					errs <- err
					return
				}
				times[w] = append(times[w], time.Since(t))
			}
		})
	}
	wg.Wait()
	took := time.Since(start)
	select {
	case err := <-errs:
		return load{}, err
	default:
	}
	return summarise(times, took)
}

func summarise(times [][]time.Duration, took time.Duration) (load, error) {
	all := slices.Concat(times...)
	if len(all) == 0 {
		return load{}, fmt.Errorf("nothing finished within %v", took)
	}
	slices.Sort(all)
	return load{
		perSecond: float64(len(all)) / took.Seconds(),
		p50:       all[len(all)/2],
		p99:       all[len(all)*99/100],
	}, nil
}

// median of a non-empty list.
func median[T cmp.Ordered](values []T) T {
	s := slices.Sorted(slices.Values(values))
	return s[len(s)/2]
}
