package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/plomb-pos/plomb/update/inventory"
)

// Requirement: CU-14
// Requirement: CU-20
func TestTheReportStatesBothLevelsAndWhatCannotBeUpdated(t *testing.T) {
	shown, err := collect(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := report(&out, rows, shown, inventory.Fixed()); err != nil {
		t.Fatal(err)
	}
	two, rest, _ := strings.Cut(out.String(), "## Recommended")
	three, fixed, _ := strings.Cut(rest, "## What no update")
	for i, r := range rows {
		if want := fmt.Sprintf("CU-%02d", i+1); r.id != want || !r.two && !r.rec {
			t.Errorf("row %d is %+v", i, r)
		}
		if line := "\n| " + r.id + " |"; strings.Contains(two, line) != r.two || strings.Contains(three, line) != r.rec {
			t.Errorf("%s is not where it belongs", r.id)
		}
	}
	if strings.Count(fixed, "\n|") != len(inventory.Fixed())+2 {
		t.Errorf("what cannot be updated:\n%s", fixed)
	}
}

// Requirement: CU-14
func TestTheReportFailsForARowThatNoTestShowsAndAPartWithoutAReason(t *testing.T) {
	shown := map[string][]string{}
	for _, r := range rows {
		shown[r.id] = []string{"update.TestX"}
	}
	if err := report(new(bytes.Buffer), rows, shown, []inventory.Part{{Name: "boot ROM", Why: "it was there before"}}); err == nil {
		t.Error("a part for which nothing makes up")
	}
	delete(shown, "CU-08")
	if err := report(new(bytes.Buffer), rows, shown, nil); err == nil || !strings.Contains(err.Error(), "CU-08") {
		t.Errorf("a row without a test: %v", err)
	}
}
