package till

import (
	"time"
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
	// everyone's wrong PINs together: beyond, the till takes a pause as a whole.
	guessesInAll = 30
	guessWindow  = time.Minute
)

// guesses are the wrong PINs of one person (or, under "", of nobody known).
type guesses struct {
	Wrong int       `json:"wrong"`
	Last  time.Time `json:"last"`
	Until time.Time `json:"until"`
}

// lockout decides whether a PIN may be tried. Owned by the book.
type lockout struct {
	people map[string]*guesses
	recent []time.Time // wrong ones of everybody in the last window
}

func newLockout() *lockout { return &lockout{people: map[string]*guesses{}} }

// wait is how long this person has to wait before the next try.
func (l *lockout) wait(person string, now time.Time) time.Duration {
	var d time.Duration
	if g := l.people[person]; g != nil {
		d = g.Until.Sub(now)
	}
	l.recent = recentOnly(l.recent, now)
	if len(l.recent) >= guessesInAll {
		d = max(d, l.recent[0].Add(guessWindow).Sub(now))
	}
	return min(max(d, 0), longestWait) // a clock set back must not lock for years
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
func (l *lockout) wrong(person string, now time.Time) guesses {
	g := l.people[person]
	if g == nil || now.Sub(g.Last) > forgetGuesses {
		g = &guesses{}
		l.people[person] = g
	}
	g.Wrong, g.Last = g.Wrong+1, now
	if over := g.Wrong - freeGuesses; over >= 0 {
		g.Until = now.Add(min(firstWait<<min(over, 20), longestWait))
	}
	l.recent = append(l.recent, now)
	return *g
}

// right forgets a person's wrong PINs.
func (l *lockout) right(person string) { delete(l.people, person) }
