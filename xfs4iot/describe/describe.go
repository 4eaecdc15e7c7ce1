// Package describe holds the description that the types of xfs4iot are generated
// from, and compares two such descriptions: what a release of XFS4IoT added, took
// away and changed.
//
// The format is that of interfaces.json in this folder: interfaces with their
// commands, events and shared types, each with version, fields, types, enums,
// patterns and bounds. [Own] is the one that this program is made of.
//
//	newer, err := describe.Read("interfaces-2025-1.json")
//	for _, d := range describe.Compare(describe.Own(), newer) {
//		fmt.Println(d)
//	}
//
// The comparison is of what stands in the files: a field that moved to another name
// is one removed and one added. It does not judge the constraints of 2021-1, which
// lie in a file of their own.
package describe

import (
	_ "embed"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

//go:embed interfaces.json
var own []byte

// Description is a parsed description. It never changes.
type Description struct {
	Source string // repository, tag and commit it was read from, as far as it says
	root   *item
}

// item is one thing that can be added or removed as a whole: an interface, a message,
// a field. Its facts can change.
type item struct {
	kind     string // "interface", "command", "event", "unsolicited event", "type", "field" ...
	facts    map[string]string
	lists    map[string][]string // enum values, errorCodes, events
	children map[string]*item
}

func newItem(kind string) *item {
	return &item{kind: kind, facts: map[string]string{}, lists: map[string][]string{}, children: map[string]*item{}}
}

// Own gives the description that the types in xfs4iot were generated from.
func Own() *Description { return ownOnce() }

var ownOnce = sync.OnceValue(func() *Description {
	d, err := Parse(own)
	if err != nil {
		panic("internal error: the embedded description: " + err.Error()) // a test parses it
	}
	return d
})

// largest bounds a description that is read; ours has 0.3 MB.
const largest = 64 << 20

// Read parses the description in a file.
func Read(file string) (*Description, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, fmt.Errorf("read description: %w", err)
	}
	if info.Size() > largest {
		return nil, fmt.Errorf("read description %s: larger than %d bytes", file, largest)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read description: %w", err)
	}
	d, err := Parse(data)
	if err != nil {
		return nil, fmt.Errorf("read description %s: %w", file, err)
	}
	return d, nil
}

// object is any JSON object, one level down.
type object = map[string]jsontext.Value

// Parse reads a description. Members that it does not know are kept as facts, so that
// a difference in them shows.
func Parse(data []byte) (*Description, error) {
	var file struct {
		Source struct {
			Repository string `json:"repository"`
			Tag        string `json:"tag"`
			Commit     string `json:"commit"`
		} `json:"source"`
		Header     jsontext.Value    `json:"header"`
		Interfaces map[string]object `json:"interfaces"`
	}
	if err := json.Unmarshal(data, &file); err != nil {
		return nil, fmt.Errorf("parse description: %w", err)
	}
	if len(file.Interfaces) == 0 {
		return nil, fmt.Errorf("parse description: it has no interfaces")
	}
	p := parser{}
	root := newItem("")
	if file.Header != nil {
		root.children["message header"] = p.node("envelope", file.Header, 0)
	}
	for name, o := range file.Interfaces {
		root.children[name] = p.iface(name, o)
	}
	s := file.Source
	return &Description{Source: strings.TrimSpace(s.Repository + " " + s.Tag + " " + s.Commit), root: root}, p.err
}

// parser turns JSON into items and keeps the first error.
type parser struct{ err error }

// groups are the members of an interface that hold messages and types, with the sign
// that stands between the interface's name and theirs.
var groups = map[string]struct{ kind, sign string }{
	"commands":    {"command", "."},
	"events":      {"event", "."},
	"unsolicited": {"unsolicited event", "."},
	"types":       {"type", "/"},
}

func (p *parser) iface(name string, o object) *item {
	i := newItem("interface")
	for key, value := range o {
		g, ok := groups[key]
		if !ok {
			i.facts[key] = compact(value)
			continue
		}
		for member, v := range p.object(value) {
			i.children[name+g.sign+member] = p.node(g.kind, v, 0)
		}
	}
	return i
}

// deepest bounds the nesting of payloads; the specification's have 8 levels.
const deepest = 64

// node reads a message, a payload or a field.
func (p *parser) node(kind string, v jsontext.Value, depth int) *item {
	i := newItem(kind)
	if depth > deepest {
		p.fail(fmt.Errorf("parse description: nested deeper than %d", deepest))
		return i
	}
	for key, value := range p.object(v) {
		switch {
		case key == "name": // what the source calls an inline type: no part of the protocol
		case key == "fields":
			for field, f := range p.object(value) {
				i.children["."+field] = p.node("field", f, depth+1)
			}
		case key == "items":
			i.children["[]"] = p.node("elements", value, depth+1)
		case key == "extra" || key == "values" && value.Kind() == '{':
			i.children[".*"] = p.node("values", value, depth+1)
		case value.Kind() == '{': // payload, command, completion
			i.children["."+key] = p.node("payload", value, depth+1)
		case value.Kind() == '[':
			i.lists[key] = p.list(value)
		default:
			i.facts[key] = compact(value)
		}
	}
	return i
}

func (p *parser) object(v jsontext.Value) object {
	var o object
	if err := json.Unmarshal(v, &o); err != nil {
		p.fail(fmt.Errorf("parse description: %.60s: %w", v, err))
	}
	return o
}

func (p *parser) list(v jsontext.Value) []string {
	var values []jsontext.Value
	if err := json.Unmarshal(v, &values); err != nil {
		p.fail(err)
	}
	var list []string
	for _, v := range values {
		list = append(list, compact(v))
	}
	return list
}

func (p *parser) fail(err error) {
	if p.err == nil {
		p.err = err
	}
}

// compact gives a value as one line, a string without its quotes.
func compact(v jsontext.Value) string {
	var s string
	if v.Kind() == '"' && json.Unmarshal(v, &s) == nil {
		return s
	}
	v = v.Clone()
	if v.Compact() != nil {
		return string(v)
	}
	return string(v)
}

func sortedKeys[T any](a, b map[string]T) []string {
	all := slices.AppendSeq(slices.Collect(maps.Keys(a)), maps.Keys(b))
	slices.Sort(all)
	return slices.Compact(all)
}
