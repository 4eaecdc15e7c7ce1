// Package moment says where in an update a device of the rigs is, from what its till
// and its launcher print, and chooses the moments at which a rig strikes, so that every
// stage is hit.
//
//	plan := moment.NewPlan(seed)
//	for line := range lines {
//		if wait, ok := plan.Line(line, now); ok {
//			strike after wait
//		}
//	}
//	plan.Struck()
package moment

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// Stage is what a device is doing.
type Stage string

// The stages, in order.
const (
	Boot     Stage = "boot"         // nothing was printed yet
	Start    Stage = "start"        // the launcher verifies
	Selling  Stage = "selling"      // nothing of an update goes on
	Download Stage = "download"     // frames come
	Opening  Stage = "opening"      // frames are opened and compared
	Checks   Stage = "checks"       // authenticity to gate
	Install  Stage = "install"      // the slot is written
	Reading  Stage = "reading"      // the slot is read again
	Pointer  Stage = "pointer"      // the table is written
	Restart  Stage = "restart"      // the till ends, the launcher verifies
	Trial    Stage = "trial"        // the new version starts
	Keep     Stage = "keep"         // line, table, floor
	Failing  Stage = "bad trial"    // a trial failed, the next begins
	FallBack Stage = "falling back" // line, table
)

// Stages are all of them.
var Stages = []Stage{Boot, Start, Selling, Download, Opening, Checks, Install, Reading, Pointer, Restart, Trial, Keep, Failing, FallBack}

// beginnings are the lines that begin a stage.
var beginnings = []struct {
	line  string
	stage Stage
}{
	{"LOOK ", Start},
	{"plomb-boot: starting", Start},
	{"READY", Selling},
	{"STAGE announced/done", Download},
	{"STAGE downloaded/done", Opening},
	{"STAGE transmission/done", Checks},
	{"STAGE installed/begun", Install},
	{"STAGE installed/done", Reading},
	{"STAGE pointer/begun", Pointer},
	{"STAGE pointer/done", Restart},
	{"plomb-boot: trial started", Trial},
	{"plomb-boot: kept", Keep},
	{"plomb-boot: trial failed", Failing},
	{"plomb-boot: fell back", FallBack},
}

// begins says which stage a line begins.
func begins(line string) (Stage, bool) {
	for _, b := range beginnings {
		if strings.HasPrefix(line, b.line) {
			return b.stage, true
		}
	}
	return "", false
}

// window is how long a stage is taken to last until it was seen to its end.
const window = 200 * time.Millisecond

// Plan chooses a moment of each run and counts what was hit.
type Plan struct {
	rng    *rand.Rand
	only   []Stage
	deck   []Stage
	lasts  map[Stage]time.Duration // as it was seen
	struck map[Stage]int

	aim   Stage // of this run
	now   Stage
	since time.Time
	aimed bool
}

// NewPlan chooses by a seed. only are the stages to aim at; none: all.
func NewPlan(seed uint64, only ...Stage) *Plan {
	if len(only) == 0 {
		only = Stages
	}
	return &Plan{rng: rand.New(rand.NewPCG(seed, 1)), only: only, lasts: map[Stage]time.Duration{}, struck: map[Stage]int{}}
}

// Begin begins a run and says what it aims at. wait is given for a moment of the boot,
// which no line begins.
func (p *Plan) Begin(now time.Time) (aim Stage, wait time.Duration, ok bool) {
	if len(p.deck) == 0 {
		p.deck = slices.Clone(p.only)
		p.rng.Shuffle(len(p.deck), func(i, j int) { p.deck[i], p.deck[j] = p.deck[j], p.deck[i] })
	}
	p.aim, p.deck = p.deck[0], p.deck[1:]
	p.now, p.since, p.aimed = Boot, now, p.aim == Boot
	return p.aim, p.delay(), p.aimed
}

// Line follows what is printed; ok says, once in a run, that the stage to be hit has
// begun, and wait when to strike.
func (p *Plan) Line(line string, now time.Time) (wait time.Duration, ok bool) {
	stage, begins := begins(line)
	if !begins || stage == p.now {
		return 0, false
	}
	p.learn(now.Sub(p.since))
	p.now, p.since = stage, now
	if stage != p.aim || p.aimed {
		return 0, false
	}
	p.aimed = true
	return p.delay(), true
}

// learn takes the mean of how long a stage lasted now and before.
func (p *Plan) learn(d time.Duration) {
	if before, ok := p.lasts[p.now]; ok {
		d = (before + d) / 2
	}
	p.lasts[p.now] = d
}

// delay is a moment within the stage that is aimed at, and now and then after it.
func (p *Plan) delay() time.Duration {
	last := p.lasts[p.aim]
	if last == 0 {
		last = window
	}
	return time.Duration(p.rng.Int64N(int64(min(last, 3*time.Second) + last/8 + 1)))
}

// Struck ends a run: it counts the stage that was under way.
func (p *Plan) Struck() Stage {
	p.struck[p.now]++
	return p.now
}

// Chance is a random number below n, of the same seed.
func (p *Plan) Chance(n int) int { return p.rng.IntN(n) }

// Rand is what the plan chooses with.
func (p *Plan) Rand() *rand.Rand { return p.rng }

// String is how often each stage was hit.
func (p *Plan) String() string {
	var out []string
	for _, s := range Stages {
		if n := p.struck[s]; n > 0 {
			out = append(out, fmt.Sprintf("%s %d", s, n))
		}
	}
	return fmt.Sprintf("%d cuts: %s", p.Total(), strings.Join(out, ", "))
}

// Total is how often anything was hit.
func (p *Plan) Total() (n int) {
	for _, hits := range p.struck {
		n += hits
	}
	return n
}

// Add counts the hits of another plan as well.
func (p *Plan) Add(q *Plan) {
	for s := range maps.Keys(q.struck) {
		p.struck[s] += q.struck[s]
	}
}

// Missed are the stages that were never hit.
func (p *Plan) Missed() (out []Stage) {
	for _, s := range p.only {
		if p.struck[s] == 0 {
			out = append(out, s)
		}
	}
	return out
}

// Now is the stage that is under way.
func (p *Plan) Now() Stage { return p.now }
