package till_test

import (
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/staff"
	"github.com/plomb-pos/plomb/till"
	"github.com/plomb-pos/plomb/till/tilltest"
)

// Requirement: POS-25
func TestATillWarnsBeforeItsDiskIsFull(t *testing.T) {
	var free, minutes atomic.Int64
	free.Store(10 << 30)
	shop := tilltest.New(t, tilltest.WithoutDevices(), tilltest.With(func(o *till.Options) {
		started := time.Now()
		o.Room = func(string) (int64, error) { return free.Load(), nil }
		o.Uptime = func() time.Duration { return time.Since(started) + time.Duration(minutes.Load())*time.Minute }
	}))
	anna := shop.As(staff.Operator)
	anna.Do("drawer.open")
	warned := func(s till.State) bool {
		return slices.ContainsFunc(s.Notices, func(n till.Notice) bool { return n.Code == "room-low" && n.Level == "warn" && n.Hint != "" })
	}
	if warned(anna.State()) {
		t.Error("a till with 10 GB left warns")
	}
	for _, step := range []struct {
		free int64
		low  bool
	}{{200 << 20, true}, {260 << 20, true}, {400 << 20, false}} {
		free.Store(step.free)
		minutes.Add(2)
		anna.Until(func(s till.State) bool { return warned(s) == step.low })
		anna.Sell("BRD-01") // it sells on
	}
	shop.Close()
	var said []string
	for _, b := range bodies[*fiscal.DeviceState](t, shop) {
		if b.Device == "Disk" {
			said = append(said, b.State)
		}
	}
	if !slices.Equal(said, []string{"attention", "ready"}) {
		t.Errorf("journaled %v", said)
	}
}
