package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// requiredAt is one place of a command's payload with the fields that the 2021-1
// schema wants there and that still exist.
type requiredAt struct {
	Steps  []string
	Fields []string
}

// required lists, by command, what the 2021-1 schema requires, in the order of the
// paths. A field that newer releases renamed or dropped is left out: no type has it.
func (m *merger) required() map[string][]requiredAt {
	list := map[string][]requiredAt{}
	for _, at := range slices.Sorted(maps.Keys(m.all)) {
		command, inside, ok := cutCommand(at)
		n := m.at[at]
		if !ok || n == nil {
			continue
		}
		fields := slices.DeleteFunc(slices.Clone(m.all[at].Required), func(f string) bool { return !n.has(f) })
		if len(fields) > 0 {
			list[command] = append(list[command], requiredAt{steps(inside), fields})
		}
	}
	return list
}

func cutCommand(at string) (command, inside string, ok bool) {
	parts := strings.SplitN(at, ".", 4)
	if len(parts) < 3 || parts[2] != "command" {
		return "", "", false
	}
	if len(parts) == 4 {
		inside = parts[3]
	}
	return parts[0] + "." + parts[1], inside, true
}

// steps splits "list[].item.*" into list, [], item, *.
func steps(inside string) []string {
	var out []string
	for part := range strings.SplitSeq(inside, ".") {
		name, isList := strings.CutSuffix(part, "[]")
		if name != "" {
			out = append(out, name)
		}
		if isList {
			out = append(out, "[]")
		}
	}
	return out
}

// literal writes the place as Go.
func (r requiredAt) literal() string {
	if r.Steps == nil {
		return fmt.Sprintf("{Fields: %#v}", r.Fields)
	}
	return fmt.Sprintf("{At: %#v, Fields: %#v}", r.Steps, r.Fields)
}

func (n *node) has(field string) bool {
	return slices.ContainsFunc(n.Fields, func(f member[*node]) bool { return f.Name == field })
}
