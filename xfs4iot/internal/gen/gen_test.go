package main

import (
	"os"
	"path/filepath"
	"testing"
)

// Requirement: XFS-01
func TestCommittedPackagesAreWhatTheDescriptionGives(t *testing.T) {
	d, err := load("../..")
	if err != nil {
		t.Fatal(err)
	}
	files, err := generate(d)
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 26*2 {
		t.Fatalf("generated %d files", len(files))
	}
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join("../..", name))
		if err != nil || string(got) != string(want) {
			t.Errorf("%s is stale (%v): run go generate ./xfs4iot", name, err)
		}
	}
}

func TestNamesAreSpeltAsGoDoes(t *testing.T) {
	for wire, want := range map[string]string{
		"requestIds": "RequestIDs", "serviceURI": "ServiceURI", "cardUnitId": "CardUnitID",
		"identifier": "Identifier", "idle": "Idle", "eventId": "EventID", "ISO8859-1": "ISO88591", "valueUrl": "ValueURL",
	} {
		if got := exported(wire); got != want {
			t.Errorf("exported(%q) = %q, want %q", wire, got, want)
		}
	}
}
