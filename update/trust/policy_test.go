package trust_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/plomb-pos/plomb/update/trust"
)

// Requirement: DL-04, CU-16
func TestAnySlipInTheTrustPolicyRefusesAll(t *testing.T) {
	w := newWorld(t)
	good := string(w.policy)
	if _, err := trust.ParsePolicy([]byte(good)); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"threshold 0":           strings.Replace(good, `"rootThreshold":2`, `"rootThreshold":0`, 1),
		"threshold below 0":     strings.Replace(good, `"targetsThreshold":2`, `"targetsThreshold":-1`, 1),
		"no threshold":          strings.Replace(good, `"targetsThreshold":2`, `"x":2`, 1),
		"a misspelt threshold":  strings.Replace(good, `"rootThreshold":2`, `"rootTreshold":2`, 1),
		"a member twice":        strings.Replace(good, `"rootThreshold":2`, `"rootThreshold":2,"rootThreshold":1`, 1),
		"an unknown member":     w.policyText(map[string]string{"extra": `,"any":true`}),
		"no bodies":             w.policyText(map[string]string{"bodies": `[]`}),
		"the maker as body":     w.policyText(map[string]string{"bodies": `[` + between(good, `"maker":{"name":"maker","root`, `}`) + `]`}),
		"one root for both":     strings.Replace(good, between(good, `"name":"ptb","root":"`, `"`), between(good, `"name":"maker","root":"`, `"`), 1),
		"no serial":             strings.Replace(good, `1","serial":1,"boot"`, `1","serial":0,"boot"`, 1),
		"another format":        strings.Replace(good, `plomb-trust-policy/1`, `plomb-trust-policy/2`, 1),
		"a slip in boot":        strings.Replace(good, `"threshold":1`, `"threshold":0`, 1),
		"no log":                w.policyText(map[string]string{"log": `"quorum none\n"`}),
		"no quorum":             w.policyText(map[string]string{"log": `""`}),
		"freshness in words":    w.policyText(map[string]string{"freshness": `{"warn":"soon","stop":"never"}`}),
		"freshness without end": w.policyText(map[string]string{"freshness": `{"warn":"24h"}`}),
		"freshness below 0":     w.policyText(map[string]string{"freshness": `{"warn":"24h","stop":"-1h"}`}),
		"a name with a path":    strings.ReplaceAll(good, `"name":"ptb"`, `"name":"../ptb"`),
		"nothing":               ``,
	} {
		if text == good {
			t.Fatalf("%s: nothing was changed", name)
		}
		if _, err := trust.ParsePolicy([]byte(text)); !errors.Is(err, trust.ErrPolicy) {
			t.Errorf("%s: %v, want ErrPolicy", name, err)
		}
	}
}

// between is the text from the end of what begins with before up to after, with
// before's object when it is one.
func between(s, before, after string) string {
	at := strings.Index(s, before)
	rest := s[at+len(before):]
	if strings.HasPrefix(before, `"maker":`) {
		return strings.TrimPrefix(before, `"maker":`) + rest[:strings.Index(rest, after)+1]
	}
	return rest[:strings.Index(rest, after)]
}

// The key of a note under the name of a TUF key is one key with two uses.
//
// Requirement: CU-09
func TestANoteKeyThatSignsMetadataRefusesAll(t *testing.T) {
	w := newWorld(t)
	w.maker.keys["timestamp"] = []string{"note maker"}
	w.maker.rotate()
	w.maker.publish()
	w.fails(w.open(), trust.ErrKeys)
}

func FuzzParsePolicy(f *testing.F) {
	w := newWorld(f)
	f.Add(w.policy)
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := trust.ParsePolicy(data)
		if err != nil && !errors.Is(err, trust.ErrPolicy) {
			t.Errorf("%q: %v", data, err)
		}
		if err == nil && (p.Boot() == nil || p.Log() == nil || p.Maker.RootThreshold < 1) {
			t.Errorf("%q is accepted", data)
		}
	})
}
