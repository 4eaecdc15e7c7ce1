package describe_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plomb-pos/plomb/xfs4iot/describe"
	"github.com/plomb-pos/plomb/xfs4iot/interfaces"
)

const before = `{"source":{"repository":"r","tag":"v1"},"interfaces":{
	"A":{"commands":{
		"Do":{"version":"1.0","errorCodes":["jam","low"],"events":["A.E"],
			"command":{"type":"object","fields":{"x":{"type":"integer","min":0},"mode":{"type":"enum","values":["a","b"]},"gone":{"type":"string"},"list":{"type":"array","items":{"type":"string","pattern":"^a$"}}}}},
		"Old":{"version":"1.0"}},
		"events":{"E":{"version":"1.0"}},"types":{"T":{"type":"map","values":{"type":"integer"}}}},
	"Gone":{}}}`

const after = `{"interfaces":{
	"A":{"commands":{
		"Do":{"version":"2.0","errorCodes":["jam","open"],"events":["A.E"],
			"command":{"type":"object","fields":{"x":{"type":"number","min":0,"name":"X"},"mode":{"type":"enum","values":["a","b","c"]},"list":{"type":"array","items":{"type":"string","pattern":"^b$"}},"more":{"type":"object","fields":{"y":{"type":"string"}}}}}}},
		"events":{"E":{"version":"1.0"}},"unsolicited":{"U":{"version":"1.0"}},"types":{"T":{"type":"map","values":{"type":"string"}}}},
	"New":{"commands":{"Go":{}}}}}`

// Requirement: XFS-16
func TestEveryDifferenceIsListedOnceAndJudged(t *testing.T) {
	a, err := describe.Parse([]byte(before))
	if err != nil {
		t.Fatal(err)
	}
	b, err := describe.Parse([]byte(after))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range describe.Compare(a, b) {
		line := d.String()
		if d.Breaking() {
			line += " !"
		}
		got = append(got, line)
	}
	want := []string{
		"~ A.Do version: 1.0 -> 2.0",
		"- A.Do errorCodes: low !",
		"+ A.Do errorCodes: open",
		"- A.Do.command.gone field !",
		"~ A.Do.command.list[] pattern: ^a$ -> ^b$ !",
		"+ A.Do.command.mode values: c !",
		"+ A.Do.command.more field",
		"~ A.Do.command.x type: integer -> number !",
		"- A.Old command !",
		"+ A.U unsolicited event",
		"~ A/T.* type: integer -> string !",
		"- Gone interface !",
		"+ New interface",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if n := len(describe.Compare(b, a)); n != len(want) {
		t.Errorf("backwards %d differences", n)
	}
}

// Requirement: XFS-16
func TestTheOwnDescriptionIsTheOneTheTypesAreMadeOf(t *testing.T) {
	own := describe.Own()
	if own.Source == "" || len(describe.Compare(own, own)) != 0 {
		t.Errorf("source %q", own.Source)
	}
	empty, err := describe.Parse([]byte(`{"interfaces":{"X":{}}}`))
	if err != nil {
		t.Fatal(err)
	}
	added := map[string]bool{}
	for _, d := range describe.Compare(empty, own) {
		added[d.Path] = d.Change == describe.Added
	}
	for _, i := range interfaces.All() {
		if !added[i.Name] {
			t.Errorf("%s is not described", i.Name)
		}
	}
}

func TestAFileIsComparedWithTheOwnDescription(t *testing.T) {
	data, err := os.ReadFile("interfaces.json")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(string(data), `"Printer":{`, `"Plotter":{`, 1)
	file := filepath.Join(t.TempDir(), "other.json")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	other, err := describe.Read(file)
	if err != nil {
		t.Fatal(err)
	}
	got := describe.Compare(describe.Own(), other)
	if len(got) != 2 || got[0].String() != "+ Plotter interface" || got[1].String() != "- Printer interface" {
		t.Errorf("%v", got)
	}
	for _, bad := range []string{"", "x", `{}`, `{"interfaces":{"A":{"commands":[]}}}`, `{"interfaces":{"A":{"commands":{"B":1}}}}`} {
		if _, err := describe.Parse([]byte(bad)); err == nil {
			t.Errorf("%q was parsed", bad)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(before))
	f.Add([]byte(after))
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := describe.Parse(data)
		if err == nil && len(describe.Compare(d, d)) != 0 {
			t.Error("a description differs from itself")
		}
	})
}
