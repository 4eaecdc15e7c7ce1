package interfaces_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"pgregory.net/rapid"

	"github.com/plomb-pos/plomb/xfs4iot"
	"github.com/plomb-pos/plomb/xfs4iot/interfaces"
)

// The tests read the description by themselves, not through the generator.
type described struct {
	Counts     map[string]int `json:"counts"`
	Interfaces map[string]struct {
		Commands map[string]struct {
			Version           string   `json:"version"`
			CompletionVersion string   `json:"completionVersion"`
			Command           *field   `json:"command"`
			Completion        *field   `json:"completion"`
			ErrorCodes        []string `json:"errorCodes"`
			Events            []string `json:"events"`
			Immediate         bool     `json:"immediate"`
		} `json:"commands"`
		Events      map[string]describedEvent `json:"events"`
		Unsolicited map[string]describedEvent `json:"unsolicited"`
		Types       map[string]*field         `json:"types"`
	} `json:"interfaces"`

	Constraints map[string]bounds `json:"constraints"`
	byField     map[string]bounds
}

type describedEvent struct {
	Version string `json:"version"`
	Payload *field `json:"payload"`
}

type field struct {
	Type            string            `json:"type"`
	Ref             string            `json:"ref"`
	Pattern         string            `json:"pattern"`
	Min             *int              `json:"min"`
	Max             *int              `json:"max"`
	Fields          map[string]*field `json:"fields"`
	Items           *field            `json:"items"`
	Extra           *field            `json:"extra"`
	ExtraKeyPattern string            `json:"extraKeyPattern"`
	KeyPattern      string            `json:"keyPattern"`
	Values          jsontext.Value    `json:"values"`
}

func description(t testing.TB) described {
	t.Helper()
	data, err := os.ReadFile("../describe/interfaces.json")
	if err != nil {
		t.Fatal(err)
	}
	var d described
	if err := json.Unmarshal(data, &d); err != nil {
		t.Fatal(err)
	}
	if data, err = os.ReadFile("../describe/constraints-2021-1.json"); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &d); err != nil {
		t.Fatal(err)
	}
	d.byField = map[string]bounds{}
	for path, b := range d.Constraints {
		if b.KeyPattern != "" || b.Min != nil || b.Max != nil {
			d.byField[path[strings.LastIndex(path, ".")+1:]] = b
		}
	}
	return d
}

// bounds is what the 2021-1 schema adds to a field. A shared type has them in all
// its uses when they are known of one, so they are looked up by path and else by
// the field's name.
type bounds struct {
	KeyPattern string   `json:"keyPattern"`
	Min        *float64 `json:"min"`
	Max        *float64 `json:"max"`
	MaxLength  int      `json:"maxLength"`
}

func (d described) bounds(path string) bounds {
	if b, ok := d.Constraints[path]; ok {
		return b
	}
	last := path[strings.LastIndex(path, ".")+1:]
	if last == "*" || last == "[]" {
		return bounds{}
	}
	return d.byField[last]
}

// Requirement: XFS-01
func TestNothingOfTheDescriptionIsMissing(t *testing.T) {
	d := description(t)
	got := map[string]int{}
	for _, i := range interfaces.All() {
		want, ok := d.Interfaces[i.Name]
		if !ok {
			t.Errorf("interface %s is not described", i.Name)
		}
		got["interfaces"]++
		for _, c := range i.Commands {
			w, ok := want.Commands[strings.TrimPrefix(c.Name, i.Name+".")]
			if !ok || c.Version != w.Version || c.Immediate != w.Immediate || !slices.Equal(c.ErrorCodes, w.ErrorCodes) {
				t.Errorf("%s differs from its description: %+v", c.Name, c)
			}
			if completion := max(w.Version, w.CompletionVersion); w.CompletionVersion != "" && c.CompletionVersion != w.CompletionVersion || w.CompletionVersion == "" && c.CompletionVersion != completion {
				t.Errorf("%s: completion version %s", c.Name, c.CompletionVersion)
			}
			var events []string
			for _, e := range c.Events {
				events = append(events, e.Name)
			}
			if !slices.Equal(events, w.Events) {
				t.Errorf("%s: events %v, want %v", c.Name, events, w.Events)
			}
			got["commands"]++
			if c.NewCommand() != nil && c.NewCompletion() != nil {
				got["completions"]++
			}
		}
		for _, e := range i.Events {
			list, count := want.Events, "events"
			if e.Unsolicited {
				list, count = want.Unsolicited, "unsolicited"
			}
			if w, ok := list[strings.TrimPrefix(e.Name, i.Name+".")]; !ok || w.Version != e.Version {
				t.Errorf("event %s differs from its description", e.Name)
			}
			got[count]++
		}
	}
	got["sharedTypes"] = countSharedTypes(t, d)
	for _, what := range []string{"interfaces", "commands", "completions", "events", "unsolicited", "sharedTypes"} {
		if got[what] != d.Counts[what] {
			t.Errorf("%d %s, want %d", got[what], what, d.Counts[what])
		}
	}
	t.Log(got)
}

// countSharedTypes counts those shared types that the packages' sources declare.
func countSharedTypes(t *testing.T, d described) (n int) {
	for name, i := range d.Interfaces {
		declared := declarations(t, filepath.Join("..", strings.ToLower(name), "shapes.go"))
		for typ := range i.Types {
			base := strings.TrimSuffix(typ, "#enum")
			if name == "CashManagement" && base == "Retract" {
				base = "RetractTarget" // Retract is a command
			}
			if declared[base] {
				n++
			} else {
				t.Errorf("shared type %s/%s is not declared", name, typ)
			}
		}
	}
	return n
}

func declarations(t *testing.T, file string) map[string]bool {
	names := map[string]bool{}
	if _, err := os.Stat(file); err != nil {
		return names
	}
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, decl := range f.Decls {
		if g, ok := decl.(*ast.GenDecl); ok && g.Tok == token.TYPE {
			for _, s := range g.Specs {
				names[s.(*ast.TypeSpec).Name.Name] = true
			}
		}
	}
	return names
}

// payloads calls f with every payload of the description and its Go type.
func payloads(d described, f func(name string, shape *field, fresh func() xfs4iot.Payload)) {
	for _, i := range interfaces.All() {
		for _, c := range i.Commands {
			w := d.Interfaces[i.Name].Commands[strings.TrimPrefix(c.Name, i.Name+".")]
			f(c.Name+".command", w.Command, c.NewCommand)
			f(c.Name+".completion", w.Completion, c.NewCompletion)
		}
		for _, e := range i.Events {
			list, suffix := d.Interfaces[i.Name].Events, ".event"
			if e.Unsolicited {
				list, suffix = d.Interfaces[i.Name].Unsolicited, ".unsolicited"
			}
			f(e.Name+suffix, list[strings.TrimPrefix(e.Name, i.Name+".")].Payload, e.New)
		}
	}
}

// Requirement: XFS-01
func TestEveryMessageRoundTripsWithEveryField(t *testing.T) {
	d := description(t)
	messages, fields := 0, 0
	payloads(d, func(name string, shape *field, fresh func() xfs4iot.Payload) {
		messages++
		for seed := range 3 {
			want, err := json.Marshal(rapid.Custom(func(rt *rapid.T) any { rapid.Bool().Draw(rt, "some"); return d.sample(rt, shape, name, &fields) }).Example(seed), json.Deterministic(true))
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			p := fresh()
			if err := json.Unmarshal(want, p, json.RejectUnknownMembers(true)); err != nil {
				t.Errorf("%s does not decode: %v\n%s", name, err, want)
				continue
			}
			if err := p.Validate(); err != nil {
				t.Errorf("%s is not valid: %v\n%s", name, err, want)
			}
			got, err := json.Marshal(p)
			if err != nil {
				t.Errorf("%s does not encode: %v", name, err)
			}
			if !bytes.Equal(canonical(t, got), canonical(t, want)) {
				t.Errorf("%s\n got %s\nwant %s", name, canonical(t, got), canonical(t, want))
			}
		}
	})
	if want := 2*196 + 93; messages != want {
		t.Errorf("%d payloads, want %d", messages, want)
	}
	t.Logf("%d payloads, %d field values", messages, fields)
}

func canonical(t *testing.T, data []byte) []byte {
	v := jsontext.Value(data)
	if err := v.Canonicalize(); err != nil {
		t.Fatal(err)
	}
	return v
}

// sample makes a value with every described field set.
func (d described) sample(t *rapid.T, f *field, path string, count *int) any {
	if f == nil {
		return map[string]any{}
	}
	if f.Ref != "" {
		name, typ, _ := strings.Cut(f.Ref, "/")
		return d.sample(t, d.Interfaces[name].Types[typ], path, count)
	}
	*count++
	switch f.Type {
	case "boolean":
		return rapid.Bool().Draw(t, "bool")
	case "integer":
		if n := integer(t, f, d.bounds(path)); f.Min != nil || f.Max != nil || f.Values != nil {
			return n
		} else {
			return max(1, n) // a map's bounds stand under another path: 1 is allowed by all
		}
	case "number":
		return max(1, integer(t, f, d.bounds(path)))
	case "string":
		return text(t, f.Pattern, d.bounds(path))
	case "bytes":
		return base64.StdEncoding.EncodeToString([]byte(rapid.StringN(1, 9, 9).Draw(t, "bytes")))
	case "enum":
		return rapid.SampledFrom(strs(f.Values)).Draw(t, "enum")
	case "stringOrArray":
		return rapid.SampledFrom([]any{"one", []string{"one", "two"}, []string{}}).Draw(t, "strings")
	case "any":
		return map[string]any{"any": []any{1, "two", nil}}
	case "array":
		return []any{d.sample(t, f.Items, path+"[]", count), d.sample(t, f.Items, path+"[]", count)}
	case "map":
		var of field
		if err := json.Unmarshal(f.Values, &of); err != nil {
			t.Fatal(err)
		}
		return map[string]any{key(t, f.KeyPattern, d.bounds(path)): d.sample(t, &of, path+".*", count)}
	case "object":
		return d.object(t, f, path, count)
	}
	panic("unknown type " + f.Type)
}

func (d described) object(t *rapid.T, f *field, path string, count *int) any {
	m := map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(f.Fields)) { // the same seed gives the same message
		of := f.Fields[name]
		m[name] = d.sample(t, of, path+"."+name, count)
	}
	if f.Extra != nil {
		m[key(t, f.ExtraKeyPattern, bounds{})] = d.sample(t, f.Extra, path+".*", count)
	}
	return m
}

func key(t *rapid.T, pattern string, b bounds) string {
	if pattern == "" {
		pattern = b.KeyPattern
	}
	if pattern == "" {
		return "unit1"
	}
	return text(t, pattern, bounds{})
}

func integer(t *rapid.T, f *field, b bounds) int {
	if f.Values != nil {
		var list []int
		if err := json.Unmarshal(f.Values, &list); err != nil {
			t.Fatal(err)
		}
		return rapid.SampledFrom(list).Draw(t, "integer")
	}
	low := 0
	if b.Min != nil {
		low = int(*b.Min + 0.999)
	}
	if f.Min != nil {
		low = *f.Min
	}
	high := low + 9
	if b.Max != nil {
		high = int(*b.Max)
	}
	if f.Max != nil {
		high = *f.Max
	}
	return rapid.IntRange(low, high).Draw(t, "integer")
}

const lookAhead = `(?=[!-~]{0,1024}$)`

func text(t *rapid.T, pattern string, b bounds) string {
	if pattern == "" && b.MaxLength > 0 {
		return rapid.StringN(1, b.MaxLength, -1).Draw(t, "text")
	}
	if pattern == "" {
		return rapid.StringN(1, 12, -1).Draw(t, "text")
	}
	if strings.Contains(pattern, lookAhead) {
		return "NONCE=0A,TOKENFORMAT=1,TOKENLENGTH=0164,DISPENSE1=1.00EUR,HMACSHA256=" + strings.Repeat("A1", 32)
	}
	s := rapid.StringMatching(pattern).Draw(t, "matching")
	if s == "" {
		return "1"
	}
	return s
}

func strs(v jsontext.Value) (list []string) {
	if err := json.Unmarshal(v, &list); err != nil {
		panic(fmt.Sprint(err))
	}
	return list
}

// Requirement: XFS-01
func TestValidateRefusesEveryEnumValueThatIsNotListed(t *testing.T) {
	d := description(t)
	enums := 0
	payloads(d, func(name string, shape *field, fresh func() xfs4iot.Payload) {
		if shape == nil {
			return
		}
		for fieldName, f := range shape.Fields {
			if f.Type != "enum" {
				continue
			}
			enums++
			p := fresh()
			if err := json.Unmarshal([]byte(`{"`+fieldName+`":"noSuchValue"}`), p); err != nil {
				t.Errorf("%s.%s: an unknown value must decode: %v", name, fieldName, err)
			}
			if err := p.Validate(); err == nil || !strings.Contains(err.Error(), fieldName) {
				t.Errorf("%s.%s: Validate = %v", name, fieldName, err)
			}
		}
	})
	if enums < 200 {
		t.Errorf("only %d enum fields found", enums)
	}
}

func TestZeroPayloadsAreEmptyObjects(t *testing.T) {
	payloads(description(t), func(name string, _ *field, fresh func() xfs4iot.Payload) {
		p := fresh()
		if data, err := json.Marshal(p); err != nil || string(data) != "{}" {
			t.Errorf("%s: %s %v", name, data, err)
		}
		if reflect.TypeOf(p).Kind() != reflect.Pointer {
			t.Errorf("%s: not a pointer", name)
		}
	})
}
