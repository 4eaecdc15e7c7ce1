package main

import (
	"slices"
)

// The 2021-1 schema has no shared types: a shape used in ten messages has its
// constraints under ten paths. A shared type gets a constraint only when no two
// of its uses contradict each other; a field is required only in commands, and
// only when every command that uses the type required it.

// merger walks every message, through references, with its path in the schema.
type merger struct {
	d    *description
	all  map[string]constraint
	seen map[*node][]constraint // every constraint found for a node
	uses map[*node]int          // in how many places a node is used by commands
	out  map[*node]bool         // nodes also used outside commands
	at   map[string]*node       // what stands at a path, references followed
}

func merge(d *description, all map[string]constraint) {
	m := &merger{d, all, map[*node][]constraint{}, map[*node]int{}, map[*node]bool{}, map[string]*node{}}
	for _, i := range d.Interfaces {
		for _, c := range i.Value.Commands {
			m.walk(c.Value.Command, i.Name+"."+c.Name+".command", true, 0)
			m.walk(c.Value.Completion, i.Name+"."+c.Name+".completion", false, 0)
		}
		for _, e := range i.Value.Events {
			m.walk(e.Value.Payload, i.Name+"."+e.Name+".event", false, 0)
		}
		for _, e := range i.Value.Unsolicited {
			m.walk(e.Value.Payload, i.Name+"."+e.Name+".unsolicited", false, 0)
		}
	}
	for n, found := range m.seen {
		n.rules = m.agree(n, found)
	}
	d.required = m.required()
}

func (m *merger) walk(n *node, path string, inCommand bool, depth int) {
	if n == nil || depth > 20 {
		return
	}
	if c, ok := m.all[path]; ok {
		m.seen[n] = append(m.seen[n], c)
	}
	if n.Ref != "" {
		m.walk(m.d.shared(n.Ref), path, inCommand, depth+1)
		return
	}
	m.at[path] = n
	if inCommand {
		m.uses[n]++
	} else {
		m.out[n] = true
	}
	for _, f := range n.Fields {
		m.walk(f.Value, path+"."+f.Name, inCommand, depth+1)
	}
	m.walk(n.Items, path+"[]", inCommand, depth+1)
	m.walk(n.Element, path+".*", inCommand, depth+1)
	m.walk(n.Extra, path+".*", inCommand, depth+1)
}

// agree joins the constraints of all uses; what two of them say differently is dropped.
func (m *merger) agree(n *node, found []constraint) constraint {
	r := found[0]
	for _, c := range found[1:] {
		r.KeyPattern = same(r.KeyPattern, c.KeyPattern)
		r.Default = []byte(same(string(r.Default), string(c.Default)))
		r.Min = []byte(same(string(r.Min), string(c.Min)))
		r.Max = []byte(same(string(r.Max), string(c.Max)))
		r.MinLength = same(r.MinLength, c.MinLength)
		r.MaxLength = same(r.MaxLength, c.MaxLength)
		r.MinItems = same(r.MinItems, c.MinItems)
		r.MinProperties = same(r.MinProperties, c.MinProperties)
		r.Required = slices.DeleteFunc(slices.Clone(r.Required), func(f string) bool { return !slices.Contains(c.Required, f) })
	}
	if m.out[n] || m.uses[n] != len(found) {
		r.Required = nil
	}
	return r
}

func same[T comparable](a, b T) T {
	var zero T
	if a == b {
		return a
	}
	return zero
}
