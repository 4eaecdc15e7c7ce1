package till

import (
	"fmt"
	"time"

	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/staff"
)

const (
	// floodWindow and floodLimit bound how many refusals of a kind are journaled
	// one by one; the rest of the window becomes one entry with their number, so
	// that nobody fills the disk by being refused.
	floodWindow = time.Minute
	floodLimit  = 30
	// longestFlood is what a window grows to, twice as long after each one that was
	// too short: who goes on for a day makes some hundred entries.
	longestFlood = time.Hour
)

// floodBlocked is the kind of tries that were not even looked at; few are enough to
// tell that somebody goes on.
const floodBlocked, blockedLimit = "auth-fail-blocked", 3

// floods counts refusals by kind. Owned by the book.
type floods struct {
	kinds map[string]*floodCount
}

type floodCount struct {
	began   time.Time
	window  time.Duration
	written int
	left    int         // not written one by one
	last    fiscal.Body // what the summary looks like
}

func newFloods() *floods { return &floods{kinds: map[string]*floodCount{}} }

// admits reports whether an entry of the kind may be written now.
func (f *floods) admits(kind string, b fiscal.Body, now time.Time) bool {
	c := f.kinds[kind]
	if c == nil {
		c = &floodCount{began: now, window: floodWindow}
		f.kinds[kind] = c
	}
	limit := floodLimit
	if kind == floodBlocked {
		limit = blockedLimit
	}
	if c.written < limit {
		c.written++
		return true
	}
	c.left, c.last = c.left+1, b
	return false
}

// ended returns the summaries of windows that are over; one that overflowed is
// followed by a longer one, any other is forgotten.
func (f *floods) ended(now time.Time) []fiscal.Body {
	var out []fiscal.Body
	for kind, c := range f.kinds {
		if age := now.Sub(c.began); age >= 0 && age < c.window {
			continue
		}
		if c.left == 0 {
			delete(f.kinds, kind)
			continue
		}
		out = append(out, summary(kind, c))
		f.kinds[kind] = &floodCount{began: now, window: min(2*c.window, longestFlood)}
	}
	return out
}

func summary(kind string, c *floodCount) fiscal.Body {
	if a, ok := c.last.(*fiscal.AuthFail); ok {
		return &fiscal.AuthFail{For: a.For, Failures: c.left, Blocked: a.Blocked}
	}
	return &fiscal.Refused{Operation: staff.Name(kind), Reason: fmt.Sprintf("and-%d-more", c.left)}
}

// refused journals that a command was not carried out.
func (n *Node) refused(key sessionKey, c Command, r *Refusal) {
	switch r.Kind {
	case Unavailable, Internal:
		n.opts.Log.Error("command failed", "do", c.Do, "err", r)
		return
	}
	if r.Code == "wrong-pin" || r.Code == "too-many-guesses" {
		return // journaled as what it is
	}
	b := &fiscal.Refused{Operation: staff.Name("unknown"), Reason: r.Code}
	if _, known := commands[c.Do]; known {
		b.Operation = staff.Name(c.Do)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if s := n.sessions.find(key, n.opts.Uptime()); s != nil {
		b.By, b.Role = s.person.ID, s.person.Role
	}
	n.floodHeld("refused", b)
}

// Malformed journals a request that could not be read.
func (n *Node) Malformed(token Token, err error) {
	n.refused(token.key(), Command{}, toRefusal(err))
}

// flood journals a refusal unless there are too many of its kind.
func (n *Node) flood(kind string, b fiscal.Body) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.floodHeld(kind, b)
}

func (n *Node) floodHeld(kind string, b fiscal.Body) {
	if n.floods.admits(kind, b, n.opts.Now()) {
		n.note(b)
	}
}
