package moment_test

import (
	"slices"
	"testing"
	"time"

	"github.com/plomb-pos/plomb/internal/powercut/rig/moment"
)

// run is what a device prints that updates itself twice, the second time badly; a
// second passes between two lines.
var run = []string{
	"LOOK {}", "plomb-boot: starting: slot a", "UP 1", "READY", "ACK 1 x", "STAGE announced/done 2", "STAGE downloaded/done 2", "STAGE transmission/done 2",
	"STAGE installed/begun 2", "STAGE installed/done 2", "STAGE pointer/begun 2", "STAGE pointer/done 2", "END", "plomb-boot: trial started: slot b", "READY", "plomb-boot: kept: slot b",
	"plomb-boot: trial failed: slot a", "plomb-boot: fell back: slot b", "plomb-boot: starting: slot b",
}

func TestEveryStageIsAimedAtInTurnAndHitOnce(t *testing.T) {
	p := moment.NewPlan(1)
	var aims []moment.Stage
	for range moment.Stages {
		now := time.Unix(0, 0)
		aim, _, struck := p.Begin(now)
		aims = append(aims, aim)
		for _, line := range run {
			if struck {
				break
			}
			now = now.Add(time.Second)
			wait, ok := p.Line(line, now)
			if struck = ok; ok && (wait < 0 || wait > 3*time.Second+200*time.Millisecond) {
				t.Errorf("%s is struck after %v", aim, wait)
			}
		}
		if got := p.Struck(); got != aim {
			t.Errorf("struck %s, aimed at %s", got, aim)
		}
	}
	slices.Sort(aims)
	if len(slices.Compact(aims)) != len(moment.Stages) || len(p.Missed()) > 0 || p.Total() != len(moment.Stages) {
		t.Errorf("aimed at %q: %v", aims, p)
	}
}
