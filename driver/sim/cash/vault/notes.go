package vault

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// jsonText is a value of Memory.
type jsonText = jsontext.Value

// Level is what a banknote reader makes of a note.
type Level string

// The levels, the best first.
const (
	Fit          Level = "fit"
	Unfit        Level = "unfit" // genuine, too worn to be given out again
	Inked        Level = "inked"
	Suspect      Level = "suspect"
	Counterfeit  Level = "counterfeit"
	Unrecognized Level = "unrecognized"
)

// Levels lists them.
func Levels() []Level { return []Level{Fit, Unfit, Inked, Suspect, Counterfeit, Unrecognized} }

// Note is a kind of note: its type and its level, "typeEUR20:fit".
type Note string

// NoteOf makes a kind. A note that was not recognised has no type.
func NoteOf(noteType string, l Level) Note { return Note(noteType + ":" + string(l)) }

// Type is the type's name, "typeEUR20".
func (n Note) Type() string { t, _, _ := strings.Cut(string(n), ":"); return t }

// Level is the level.
func (n Note) Level() Level { _, l, _ := strings.Cut(string(n), ":"); return Level(l) }

// Notes are numbers of notes by kind. Kinds of which there is none are left out.
type Notes map[Note]int

// Count is the number of all.
func (n Notes) Count() int {
	sum := 0
	for _, c := range n {
		sum += c
	}
	return sum
}

// Kinds lists the kinds, sorted.
func (n Notes) Kinds() []Note { return slices.Sorted(maps.Keys(n)) }

// Add puts others to n.
func (n Notes) Add(others Notes) { n.change(others, 1) }

// Remove takes others from n; numbers may fall below zero.
func (n Notes) Remove(others Notes) { n.change(others, -1) }

func (n Notes) change(others Notes, sign int) {
	for kind, c := range others {
		if n[kind] += sign * c; n[kind] == 0 {
			delete(n, kind)
		}
	}
}

// First is up to count of the notes, kind after kind in their order.
func (n Notes) First(count int) Notes {
	out := Notes{}
	for _, kind := range n.Kinds() {
		if c := min(n[kind], count); c > 0 {
			out[kind] = c
			count -= c
		}
	}
	return out
}

// holds says whether others are all there.
func (n Notes) holds(others Notes) bool {
	for kind, c := range others {
		if c < 0 || n[kind] < c {
			return false
		}
	}
	return true
}

// Remember keeps a value in the state's memory under a name.
func (s *State) Remember(name string, v any) error {
	data, err := json.Marshal(v, json.Deterministic(true))
	if err != nil {
		return fmt.Errorf("remember %s: %w", name, err)
	}
	s.Memory[name] = data
	return nil
}

// Recall reads what was remembered; a name without value leaves v as it is.
func (s *State) Recall(name string, v any) error {
	data, ok := s.Memory[name]
	if !ok {
		return nil
	}
	if err := json.Unmarshal(data, v); err != nil {
		return fmt.Errorf("recall %s: %w", name, err)
	}
	return nil
}
