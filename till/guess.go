package till

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/plomb-pos/plomb/staff"
)

// Guessing a PIN is slowed by waiting: the first wrong ones cost nothing, then
// each doubles the time in which no further one is even looked at. The longest
// wait is bounded, so that nobody can lock a shop out for the day.
const (
	freeGuesses = 3
	firstWait   = 5 * time.Second
	longestWait = 15 * time.Minute
	// forgetGuesses is how long after the last wrong one all are forgotten.
	forgetGuesses = 12 * time.Hour
	// wrong PINs of all strangers together, or of one person who is signed in
	// about everybody: beyond, no further one is looked at for a pause.
	guessesInAll = 30
	guessWindow  = time.Minute
)

// guesser is who tries and whose PIN. Tries by somebody who is signed in are
// counted apart from those of strangers, so that no stranger can keep people
// from unlocking their screens and approving.
type guesser struct {
	by staff.ID // who is signed in, "" for a stranger
	of staff.ID // whose PIN, "" for nobody known
}

// key is what the wrong PINs are kept under; no id holds a space.
func (g guesser) key() string {
	if g.by == "" {
		return string(g.of)
	}
	return string(g.by) + " " + string(g.of)
}

// guesserOf reads what key wrote.
func guesserOf(key string) guesser {
	if by, of, ok := strings.Cut(key, " "); ok {
		return guesser{by: staff.ID(by), of: staff.ID(of)}
	}
	return guesser{of: staff.ID(key)}
}

// guesses are the wrong PINs of one guesser.
type guesses struct {
	Wrong int       `json:"wrong"`
	Last  time.Time `json:"last"`
	Until time.Time `json:"until"`
}

// lockout decides whether a PIN may be tried. Owned by the book. Keys are those
// of guessers.
type lockout struct {
	people map[string]*guesses
	recent map[staff.ID][]time.Time // wrong ones in the last window, by who tried
}

func newLockout() *lockout {
	return &lockout{people: map[string]*guesses{}, recent: map[staff.ID][]time.Time{}}
}

// wait is how long this guesser has to wait before the next try.
func (l *lockout) wait(key string, now time.Time) time.Duration {
	var d time.Duration
	if g := l.people[key]; g != nil {
		g.cut(now)
		d = g.Until.Sub(now)
	}
	recent := l.recently(key, now)
	if len(recent) >= guessesInAll {
		d = max(d, recent[0].Add(guessWindow).Sub(now))
	}
	return max(d, 0)
}

// cut shortens what no wait can be: the clock was ahead when it was counted.
func (g *guesses) cut(now time.Time) {
	if longest := now.Add(longestWait); g.Until.After(longest) {
		g.Until = longest
	}
	if g.Last.After(now) {
		g.Last = now
	}
}

// cut does so for all.
func (l *lockout) cut(now time.Time) {
	for _, g := range l.people {
		g.cut(now)
	}
}

func (l *lockout) recently(key string, now time.Time) []time.Time {
	by := guesserOf(key).by
	l.recent[by] = recentOnly(l.recent[by], now)
	return l.recent[by]
}

func recentOnly(times []time.Time, now time.Time) []time.Time {
	kept := times[:0]
	for _, t := range times {
		if age := now.Sub(t); age >= 0 && age < guessWindow {
			kept = append(kept, t)
		}
	}
	return kept
}

// wrong counts a wrong PIN and returns the record to keep.
func (l *lockout) wrong(key string, now time.Time) guesses {
	g := l.people[key]
	if g == nil || now.Sub(g.Last) > forgetGuesses {
		g = &guesses{}
		l.people[key] = g
	}
	g.Wrong, g.Last = g.Wrong+1, now
	if over := g.Wrong - freeGuesses; over >= 0 {
		g.Until = now.Add(min(firstWait<<min(over, 20), longestWait))
	}
	l.recent[guesserOf(key).by] = append(l.recently(key, now), now)
	return *g
}

// right forgets a guesser's wrong PINs.
func (l *lockout) right(key string) { delete(l.people, key) }

// forget is right for all who guessed at somebody, whose PIN is another one now.
func (l *lockout) forget(of staff.ID) {
	maps.DeleteFunc(l.people, func(key string, _ *guesses) bool { return guesserOf(key).of == of })
}

// takeBack is right for a try that was counted as wrong at a time: it no longer
// counts among everybody's.
func (l *lockout) takeBack(key string, tried time.Time) {
	l.right(key)
	by := guesserOf(key).by
	if i := slices.IndexFunc(l.recent[by], tried.Equal); i >= 0 {
		l.recent[by] = slices.Delete(l.recent[by], i, i+1)
	}
}
