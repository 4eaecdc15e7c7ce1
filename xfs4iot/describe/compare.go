package describe

import (
	"fmt"
	"slices"
)

// Change is what happened to something between two descriptions.
type Change string

// The changes.
const (
	Added   Change = "added"
	Removed Change = "removed"
	Changed Change = "changed"
)

// Difference is one thing that two descriptions say differently. What was added or
// removed as a whole is one difference, with all that is in it.
type Difference struct {
	Change Change `json:"change"`
	Path   string `json:"path"` // "Printer.PrintRaw.command.data", "Printer/PaperSource"
	What   string `json:"what"` // "command", "field", ... or the fact: "version", "type", "values", "pattern"
	Before string `json:"before,omitzero"`
	After  string `json:"after,omitzero"`
}

// String gives one line: + added, - removed, ~ changed.
func (d Difference) String() string {
	switch d.Change {
	case Added:
		return fmt.Sprintf("+ %s %s%s", d.Path, d.What, colon(d.After))
	case Removed:
		return fmt.Sprintf("- %s %s%s", d.Path, d.What, colon(d.Before))
	}
	return fmt.Sprintf("~ %s %s: %s -> %s", d.Path, d.What, orNone(d.Before), orNone(d.After))
}

func colon(value string) string {
	if value == "" {
		return ""
	}
	return ": " + value
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// Breaking tells whether a program written for the older description may stop working
// with the newer one: something is gone, or has another type or a narrower pattern or
// bound. New values of an enum count too, for a reader may not know them.
func (d Difference) Breaking() bool {
	switch d.Change {
	case Removed:
		return true
	case Added:
		return d.What == "values"
	}
	switch d.What {
	case "type", "ref", "pattern", "min", "max", "keyPattern", "extraKeyPattern", "nullable":
		return true
	}
	return false
}

// Compare lists the differences from one description to another, by interface,
// message and field.
func Compare(before, after *Description) []Difference {
	c := &comparison{}
	for _, name := range sortedKeys(before.root.children, after.root.children) {
		c.child("", name, before.root.children[name], after.root.children[name])
	}
	return c.list
}

type comparison struct{ list []Difference }

func (c *comparison) child(path, name string, before, after *item) {
	if name[0] == '.' || name[0] == '[' { // a field; others carry their interface's name
		path += name
	} else {
		path = name
	}
	switch {
	case before == nil:
		c.add(Difference{Change: Added, Path: path, What: after.kind})
	case after == nil:
		c.add(Difference{Change: Removed, Path: path, What: before.kind})
	default:
		c.item(path, before, after)
	}
}

func (c *comparison) add(d Difference) { c.list = append(c.list, d) }

func (c *comparison) item(path string, before, after *item) {
	for _, name := range sortedKeys(before.facts, after.facts) {
		if a, b := before.facts[name], after.facts[name]; a != b {
			c.add(Difference{Changed, path, name, a, b})
		}
	}
	for _, name := range sortedKeys(before.lists, after.lists) {
		c.lists(path, name, before.lists[name], after.lists[name])
	}
	for _, name := range sortedKeys(before.children, after.children) {
		c.child(path, name, before.children[name], after.children[name])
	}
}

func (c *comparison) lists(path, name string, before, after []string) {
	for _, v := range before {
		if !slices.Contains(after, v) {
			c.add(Difference{Change: Removed, Path: path, What: name, Before: v})
		}
	}
	for _, v := range after {
		if !slices.Contains(before, v) {
			c.add(Difference{Change: Added, Path: path, What: name, After: v})
		}
	}
}
