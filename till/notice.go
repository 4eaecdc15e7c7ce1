package till

import "slices"

// notice is something the operator should know, still without words.
type notice struct {
	id     string
	level  string // "info", "warn", "error"
	code   string
	values []string
}

// notices are those that stand until their cause is gone. Owned by the book.
type notices []notice

// maxNotices bounds the list; the oldest one makes room.
const maxNotices = 30

// put adds a notice or replaces the one with its id.
func (l *notices) put(x notice) {
	l.drop(x.id)
	*l = append(*l, x)
	if len(*l) > maxNotices {
		*l = slices.Delete(*l, 0, 1)
	}
}

func (l *notices) drop(id string) {
	*l = slices.DeleteFunc(*l, func(x notice) bool { return x.id == id })
}

// when puts a notice while on holds and drops it otherwise.
func (l *notices) when(on bool, x notice) {
	if on {
		l.put(x)
	} else {
		l.drop(x.id)
	}
}

func (x notice) in(language string) Notice {
	p := say(language, x.code)
	return Notice{ID: x.id, Level: x.level, Code: x.code, Text: fill(p.Text, x.values...), Hint: fill(p.Hint, x.values...)}
}
