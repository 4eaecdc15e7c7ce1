package host

import (
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// changed gives the members of next that differ from prev, object by object; nil
// when none does. An array is compared as a whole. Members that vanished are not
// told: in a StatusChangedEvent an absent member means unchanged.
func changed(prev, next jsontext.Value) (jsontext.Value, error) {
	var a, b map[string]jsontext.Value
	if err := json.Unmarshal(prev, &a); err != nil {
		return nil, fmt.Errorf("compare status: %w", err)
	}
	if err := json.Unmarshal(next, &b); err != nil {
		return nil, fmt.Errorf("compare status: %w", err)
	}
	diff := map[string]jsontext.Value{}
	for name, v := range b {
		d, err := changedMember(a[name], v)
		if err != nil {
			return nil, err
		}
		if d != nil {
			diff[name] = d
		}
	}
	if len(diff) == 0 {
		return nil, nil
	}
	return json.Marshal(diff, json.Deterministic(true))
}

func changedMember(prev, next jsontext.Value) (jsontext.Value, error) {
	if prev.Kind() == '{' && next.Kind() == '{' {
		return changed(prev, next)
	}
	if string(prev) == string(next) {
		return nil, nil
	}
	return next, nil
}
