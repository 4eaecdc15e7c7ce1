package till

import (
	"testing"
	"time"
)

func TestUptimeCountsSleepAndLooksSeldom(t *testing.T) {
	looks, system := 0, time.Hour
	c := bootClock{system: func() (time.Duration, bool) { looks++; return system, true }}
	wall := time.Unix(1_800_000_000, 0)
	for _, step := range []struct {
		what      string
		wall, run time.Duration
		system    time.Duration
		want      time.Duration
		looks     int
	}{
		{"at first", 0, time.Second, time.Hour, time.Hour, 1},
		{"a second later", time.Second, 2 * time.Second, 0, time.Hour + time.Second, 1},
		{"after sleep", time.Minute + time.Second, 2 * time.Second, time.Hour + time.Minute, time.Hour + time.Minute, 2},
		{"a second after that", time.Minute + 2*time.Second, 3 * time.Second, 0, time.Hour + time.Minute + time.Second, 2},
		{"when the wall clock is put back", 0, 4 * time.Second, time.Hour + time.Minute + 2*time.Second, time.Hour + time.Minute + 2*time.Second, 3},
	} {
		system = step.system
		if got := c.read(wall.Add(step.wall), step.run); got != step.want || looks != step.looks {
			t.Errorf("%s: %v after %d looks, want %v after %d", step.what, got, looks, step.want, step.looks)
		}
	}
	before := uptime()
	if after := uptime(); after < before {
		t.Errorf("uptime goes back from %v to %v", before, after)
	}
	if a, ok := bootTime(); ok {
		if b := uptime(); b < a || b > a+time.Minute {
			t.Errorf("uptime is %v, the system says %v", b, a)
		}
	}
}
