package trust_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/plomb-pos/plomb/internal/powercut"
	"github.com/plomb-pos/plomb/update/trust"
)

// wrong are the values that take the place of every part of a document.
var wrong = []string{`null`, `""`, `"x"`, `0`, `-1`, `1e400`, `9223372036854775808`, `true`, `[]`, `[null]`, `{}`, `{"a":null}`, `{"a":{}}`}

// variants are documents that differ from data in one part. No key signs them again.
func variants(t testing.TB, data []byte) (out [][]byte) {
	var doc any
	if err := json.Unmarshal(data, &doc); err != nil {
		t.Fatal(err)
	}
	var put func(v any, set func(any))
	emit := func() {
		text, err := json.Marshal(doc, json.Deterministic(true))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, text)
	}
	put = func(v any, set func(any)) {
		for i := range wrong {
			set(fmt.Sprintf("@%d@", i))
			emit()
		}
		set(v)
		switch v := v.(type) {
		case map[string]any:
			for _, name := range slices.Sorted(maps.Keys(v)) {
				was := v[name]
				put(was, func(x any) { v[name] = x })
				delete(v, name)
				emit()
				v[name] = was
			}
		case []any:
			for i, was := range v {
				put(was, func(x any) { v[i] = x })
			}
		}
	}
	put(doc, func(x any) { doc = x })
	for i, text := range out {
		for j, value := range wrong {
			text = bytes.ReplaceAll(text, fmt.Appendf(nil, `"@%d@"`, j), []byte(value))
		}
		out[i] = text
	}
	return out
}

// names of the maker's files in force.
func (w *world) current() map[string]string {
	v := w.maker.versions
	return map[string]string{
		"root":      fmt.Sprintf("maker/maker/metadata/%d.root.json", w.maker.rootAt),
		"timestamp": "maker/maker/metadata/timestamp.json",
		"snapshot":  fmt.Sprintf("maker/maker/metadata/%d.snapshot.json", v["snapshot"]),
		"targets":   fmt.Sprintf("maker/maker/metadata/%d.targets.json", v["targets"]),
	}
}

// Requirement: DL-03, DL-04
func TestHundredsOfMalformedFilesAreRefusedAndSpoilNothing(t *testing.T) {
	w := newWorld(t)
	digest := w.offer(4)
	tr := w.refreshed()
	w.maker.rotate()
	w.maker.publish()
	good, disk := w.files.clone(), w.disk.(*powercut.Disk)
	step, total := 1, 0
	if testing.Short() {
		step = 10
	}
	for role, name := range w.current() {
		for i, text := range variants(t, good[name]) {
			if i%step > 0 {
				continue
			}
			served := good.clone()
			served[name] = text
			w.sources, w.disk = []trust.Source{served}, disk.Cut(nil, powercut.KeepAll)
			if err := w.open().Refresh(t.Context()); err == nil && !bytes.Equal(text, good[name]) && !sameSigned(t, text, good[name]) {
				t.Errorf("%s: %.300s is accepted", role, text)
			}
			total++
		}
	}
	t.Logf("%d malformed files", total)
	if total < 500/step {
		t.Errorf("only %d variants", total)
	}
	w.allowed(tr, digest)
	w.sources, w.disk = []trust.Source{good}, disk
	w.allowed(w.refreshed(), digest)
}

// sameSigned: a difference outside of what is signed, in signatures that were not
// needed, is no attack.
func sameSigned(t testing.TB, a, b []byte) bool {
	type document struct {
		Signed     any `json:"signed"`
		Signatures any `json:"signatures"`
	}
	var x, y document
	if json.Unmarshal(a, &x) != nil || json.Unmarshal(b, &y) != nil {
		return false
	}
	left, _ := json.Marshal(x.Signed, json.Deterministic(true))
	right, _ := json.Marshal(y.Signed, json.Deterministic(true))
	return bytes.Equal(left, right)
}

// Requirement: DL-03
func TestJSONThatTwoReadersTakeDifferentlyIsRefused(t *testing.T) {
	for name, change := range map[string]func(string) string{
		"a member twice":  func(s string) string { return strings.Replace(s, `"version":`, `"version":99,"version":`, 1) },
		"in another case": func(s string) string { return strings.Replace(s, `"version":`, `"Version":99,"version":`, 1) },
		"with a long s":   func(s string) string { return strings.Replace(s, `"version":`, `"verſion":99,"version":`, 1) },
		"signed twice":    func(s string) string { return strings.Replace(s, `{"signatures"`, `{"Signed":{},"signatures"`, 1) },
		"a member beside": func(s string) string { return strings.Replace(s, `{"signatures"`, `{"x":1,"signatures"`, 1) },
		"deep": func(s string) string {
			return strings.Replace(s, `"version":`, `"x":`+strings.Repeat("[", 5000)+strings.Repeat("]", 5000)+`,"version":`, 1)
		},
		"bad UTF-8":               func(s string) string { return strings.Replace(s, `"version":`, "\"x\":\"\xff\",\"version\":", 1) },
		"two documents":           func(s string) string { return s + s },
		"words after it":          func(s string) string { return s + "x" },
		"nothing":                 func(string) string { return "" },
		"an array":                func(s string) string { return "[" + s + "]" },
		"a null among signatures": func(s string) string { return strings.Replace(s, `"signatures":[`, `"signatures":[null,`, 1) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			file := "maker/maker/metadata/timestamp.json"
			text := change(string(w.files[file]))
			if text == string(w.files[file]) {
				t.Fatal("nothing was changed")
			}
			w.files[file] = []byte(text)
			w.fails(w.open(), trust.ErrMalformed)
		})
	}
}

// FuzzMetadata feeds the decoder of each role with anything; whatever comes, the
// device says no, or the bytes were signed. One device does for all: a whole refresh
// for each input would spend its time on the signatures of the files around.
func FuzzMetadata(f *testing.F) {
	w := newWorld(f)
	w.offer(4)
	tr := w.refreshed()
	w.maker.rotate()
	w.maker.publish()
	roles := []string{"root", "timestamp", "snapshot", "targets"}
	for i, role := range roles {
		f.Add(byte(i), w.files[w.current()[role]])
		f.Add(byte(i), bytes.Replace(w.files[w.current()[role]], []byte(`"keyid"`), []byte(`"keyId"`), 1))
	}
	f.Fuzz(func(t *testing.T, role byte, data []byte) {
		name := roles[int(role)%len(roles)]
		if err := trust.Take(tr, name, data); err == nil && !sameSigned(t, data, w.files[w.current()[name]]) {
			t.Errorf("%q is accepted", data)
		}
	})
}

func TestTheDecodersOfTheFuzzTargetTakeWhatWasSigned(t *testing.T) {
	w := newWorld(t)
	w.offer(4)
	tr := w.refreshed()
	for _, role := range []string{"snapshot", "targets"} {
		if err := trust.Take(tr, role, w.files[w.current()[role]]); err != nil {
			t.Errorf("%s: %v", role, err)
		}
	}
	w.maker.rotate()
	w.maker.publish()
	for _, role := range []string{"root", "timestamp"} {
		if err := trust.Take(tr, role, w.files[w.current()[role]]); err != nil {
			t.Errorf("%s: %v", role, err)
		}
	}
}

func FuzzStatements(f *testing.F) {
	w := newWorld(f)
	digest := w.offer(4)
	f.Add(w.ptb.targets[trust.ApprovalTarget(digest)])
	w.withdraw(w.ptb, digest)
	f.Add(w.ptb.targets[trust.WithdrawalTarget(digest)])
	f.Fuzz(func(t *testing.T, data []byte) {
		if a, err := trust.ParseApproval(data); err == nil {
			again, err := a.Encode()
			if err != nil {
				t.Fatalf("%q parses and does not encode: %v", data, err)
			}
			if b, err := trust.ParseApproval(again); err != nil || b.Release != a.Release || !b.NotAfter.Equal(a.NotAfter) {
				t.Errorf("%q becomes %q: %v", data, again, err)
			}
		} else if !errors.Is(err, trust.ErrMalformed) {
			t.Errorf("%q: %v", data, err)
		}
		if x, err := trust.ParseWithdrawal(data); err == nil {
			if _, err := x.Encode(); err != nil {
				t.Errorf("%q parses and does not encode: %v", data, err)
			}
		}
	})
}
