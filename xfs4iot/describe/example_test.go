package describe_test

import (
	"fmt"

	"github.com/plomb-pos/plomb/xfs4iot/describe"
)

// What a newer description of one interface brings.
func Example() {
	older, err := describe.Parse([]byte(`{"interfaces":{"Lamp":{"commands":{"Switch":{"version":"1.0","command":{"type":"object","fields":{"on":{"type":"boolean"}}}}}}}}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	newer, err := describe.Parse([]byte(`{"interfaces":{"Lamp":{"commands":{"Switch":{"version":"1.1","command":{"type":"object","fields":{"on":{"type":"boolean"},"color":{"type":"string"}}}}}}}}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, d := range describe.Compare(older, newer) {
		fmt.Println(d)
	}
	// Output:
	// ~ Lamp.Switch version: 1.0 -> 1.1
	// + Lamp.Switch.command.color field
}
