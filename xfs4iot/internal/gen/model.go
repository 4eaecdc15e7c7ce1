package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// member is one key of an ordered object.
type member[T any] struct {
	Name  string
	Value T
}

// ordered is a JSON object that keeps the order of its keys.
type ordered[T any] []member[T]

// UnmarshalJSONFrom reads an object key by key.
func (o *ordered[T]) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	if tok, err := dec.ReadToken(); err != nil || tok.Kind() != '{' {
		return fmt.Errorf("want an object: %w", err)
	}
	for dec.PeekKind() != '}' {
		name, err := dec.ReadToken()
		if err != nil {
			return err
		}
		m := member[T]{Name: name.String()}
		if err := json.UnmarshalDecode(dec, &m.Value); err != nil {
			return err
		}
		*o = append(*o, m)
	}
	_, err := dec.ReadToken()
	return err
}

// description is interfaces.json.
type description struct {
	Source struct {
		Repository string `json:"repository"`
		Commit     string `json:"commit"`
		Tag        string `json:"tag"`
	} `json:"source"`
	Interfaces ordered[*iface] `json:"interfaces"`

	required map[string][]requiredAt // of commands by full name, once merged
}

type iface struct {
	Commands    ordered[*command] `json:"commands"`
	Events      ordered[*event]   `json:"events"`
	Unsolicited ordered[*event]   `json:"unsolicited"`
	Types       ordered[*node]    `json:"types"`
}

type command struct {
	Version           string   `json:"version"`
	CompletionVersion string   `json:"completionVersion"`
	Command           *node    `json:"command"`
	Completion        *node    `json:"completion"`
	ErrorCodes        []string `json:"errorCodes"`
	Events            []string `json:"events"`
	Immediate         bool     `json:"immediate"`
	NoHandler         bool     `json:"noHandlerInReference"`
}

type event struct {
	Version string `json:"version"`
	Payload *node  `json:"payload"`
}

// node is a field, an element or a payload.
type node struct {
	Type            string
	Ref             string
	Nullable        bool
	Sensitive       bool
	Pattern         string
	Min, Max        *int
	Known           []string
	Fields          ordered[*node]
	Items           *node
	Extra           *node
	ExtraKeyPattern string
	KeyPattern      string
	Values          []string // of an enum
	Ints            []int    // of an integer with a closed list
	Element         *node    // of a map

	rules constraint // what the 2021-1 schema adds, once merged
}

// UnmarshalJSONFrom reads a node; "values" means three things depending on type.
func (n *node) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	var raw struct {
		Type            string         `json:"type"`
		Ref             string         `json:"ref"`
		Nullable        bool           `json:"nullable"`
		Sensitive       bool           `json:"sensitive"`
		Pattern         string         `json:"pattern"`
		Min             *int           `json:"min"`
		Max             *int           `json:"max"`
		Known           []string       `json:"known"`
		Fields          ordered[*node] `json:"fields"`
		Items           *node          `json:"items"`
		Extra           *node          `json:"extra"`
		ExtraKeyPattern string         `json:"extraKeyPattern"`
		KeyPattern      string         `json:"keyPattern"`
		Values          jsontext.Value `json:"values"`
	}
	if err := json.UnmarshalDecode(dec, &raw); err != nil {
		return err
	}
	*n = node{Type: raw.Type, Ref: raw.Ref, Nullable: raw.Nullable, Sensitive: raw.Sensitive,
		Pattern: raw.Pattern, Min: raw.Min, Max: raw.Max, Known: raw.Known, Fields: raw.Fields,
		Items: raw.Items, Extra: raw.Extra, ExtraKeyPattern: raw.ExtraKeyPattern, KeyPattern: raw.KeyPattern}
	return n.readValues(raw.Values)
}

func (n *node) readValues(v jsontext.Value) error {
	switch {
	case v == nil:
		return nil
	case n.Type == "enum":
		return json.Unmarshal(v, &n.Values)
	case n.Type == "integer":
		return json.Unmarshal(v, &n.Ints)
	case n.Type == "map":
		return json.Unmarshal(v, &n.Element)
	}
	return fmt.Errorf("values on a %s", n.Type)
}

// constraint is what constraints-2021-1.json says about one path.
type constraint struct {
	Required      []string       `json:"required"`
	KeyPattern    string         `json:"keyPattern"`
	Default       jsontext.Value `json:"default"`
	Min           jsontext.Value `json:"min"`
	Max           jsontext.Value `json:"max"`
	MinLength     int            `json:"minLength"`
	MaxLength     int            `json:"maxLength"`
	MinItems      int            `json:"minItems"`
	MinProperties int            `json:"minProperties"`
	UniqueItems   bool           `json:"uniqueItems"`
	Format        string         `json:"format"`
}

// load reads both description files from dir and merges them.
func load(dir string) (*description, error) {
	var d description
	if err := read(dir+"/describe/interfaces.json", &d); err != nil {
		return nil, err
	}
	var c struct {
		Constraints map[string]constraint `json:"constraints"`
	}
	if err := read(dir+"/describe/constraints-2021-1.json", &c); err != nil {
		return nil, err
	}
	merge(&d, c.Constraints)
	return &d, nil
}

func read(file string, into any) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("read %s: %w", file, err)
	}
	return nil
}

// shared finds the type a reference points at.
func (d *description) shared(ref string) *node {
	name, typ, _ := strings.Cut(ref, "/")
	for _, t := range d.iface(name).Types {
		if t.Name == typ {
			return t.Value
		}
	}
	return nil
}

func (d *description) iface(name string) *iface {
	for _, i := range d.Interfaces {
		if i.Name == name {
			return i.Value
		}
	}
	return &iface{}
}
