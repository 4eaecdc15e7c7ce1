package main

import (
	"slices"
	"strings"
)

// sensitive lists the places whose values the description marks as not to be logged,
// as "Interface.Name part" and a path.
func (d *description) sensitive() []string {
	s := &secrets{d: d}
	for _, i := range d.Interfaces {
		for _, c := range i.Value.Commands {
			s.walk(c.Value.Command, i.Name+"."+c.Name+" command", 0)
			s.walk(c.Value.Completion, i.Name+"."+c.Name+" completion", 0)
		}
		for _, e := range append(slices.Clone(i.Value.Events), i.Value.Unsolicited...) {
			s.walk(e.Value.Payload, i.Name+"."+e.Name+" event", 0)
		}
	}
	slices.Sort(s.found)
	return slices.Compact(s.found)
}

type secrets struct {
	d     *description
	found []string
}

func (s *secrets) walk(n *node, path string, depth int) {
	if n == nil || depth > 20 {
		return
	}
	if n.Sensitive {
		s.found = append(s.found, path)
	}
	if n.Ref != "" {
		s.walk(s.d.shared(n.Ref), path, depth+1)
		return
	}
	for _, f := range n.Fields {
		s.walk(f.Value, path+" "+f.Name, depth+1)
	}
	s.walk(n.Items, path+" []", depth+1)
	s.walk(n.Element, path+" *", depth+1)
	s.walk(n.Extra, path+" *", depth+1)
}

// masks writes the table for package record.
func (g *generator) masks() error {
	f := newFile("record")
	f.p("// described are the places whose values the description marks as sensitive: the\n// message, its part, and the path to the value.")
	f.p("var described = []string{")
	for _, s := range g.d.sensitive() {
		f.p("%q,", strings.TrimSpace(s))
	}
	f.p("}")
	src, err := f.source("")
	g.files["record/described.go"] = src
	return err
}
