package xfs4iot

import (
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Required2021 is a place in a payload and the fields that the 2021-1 schema wants
// there. Steps are field names, "[]" for each element of an array and "*" for each
// value of a map; none is the payload itself.
type Required2021 struct {
	At     []string
	Fields []string
}

// CheckRequired2021 names a field that the schema of release 2021-1 requires of a
// command's payload and that is missing or null; nil when there is none. Later
// releases require less, so a message of the newer generation is not held against it.
func (c CommandInfo) CheckRequired2021(payload jsontext.Value) error {
	for _, r := range c.Required2021 {
		if err := r.check(payload, r.At); err != nil {
			return err
		}
	}
	return nil
}

// check goes down the remaining steps. What is absent on the way, or of another
// type than the step wants, is no fault here: Validate and decoding see to that.
func (r Required2021) check(v jsontext.Value, steps []string) error {
	if len(steps) == 0 {
		return r.present(v)
	}
	if steps[0] == "[]" {
		return r.each(v, steps[1:])
	}
	members, ok := membersOf(v)
	if !ok {
		return nil
	}
	for name, value := range members {
		if steps[0] == "*" || steps[0] == name {
			if err := r.check(value, steps[1:]); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r Required2021) each(v jsontext.Value, steps []string) error {
	var list []jsontext.Value
	if v.Kind() != '[' || json.Unmarshal(v, &list) != nil {
		return nil
	}
	for _, item := range list {
		if err := r.check(item, steps); err != nil {
			return err
		}
	}
	return nil
}

func (r Required2021) present(v jsontext.Value) error {
	members, ok := membersOf(v)
	if !ok && len(r.At) > 0 {
		return nil
	}
	for _, f := range r.Fields {
		if absent(members[f]) {
			return fmt.Errorf("%s: is missing, release 2021-1 requires it", strings.Join(append(slices.Clone(r.At), f), "."))
		}
	}
	return nil
}

func membersOf(v jsontext.Value) (map[string]jsontext.Value, bool) {
	var m map[string]jsontext.Value
	if v.Kind() != '{' || json.Unmarshal(v, &m) != nil {
		return nil, false
	}
	return m, true
}
