package release_test

import (
	"testing"

	"github.com/plomb-pos/plomb/update/release"
)

// FuzzPapers gives anything to the readers of what offices, parties and key holders
// exchange.
func FuzzPapers(f *testing.F) {
	f.Add([]byte(`{"format":"plomb-office/1","name":"maker","keys":[],"roles":[]}`))
	f.Add([]byte(`{"format":"plomb-sign-request/1","wanted":[{"key":"a","kind":"ed25519","public":"AAAA"}]}`))
	f.Add([]byte(`{"format":"plomb-sign-answer/1","signatures":[{"key":"a","message":"","signature":"AAAA"}]}`))
	f.Add([]byte(`{"format":"plomb-parties/1"}`))
	f.Add([]byte(`plomb-public-key/1 ed25519 AAAA`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if r, err := release.ParseRequest(data); err == nil && len(r.Wanted) == 0 {
			t.Errorf("%q asks for nothing", data)
		}
		if c, err := release.ParseCard(data); err == nil && c.Format == "" {
			t.Errorf("%q is taken as %+v", data, c)
		}
		if a, err := release.ParseAnswer(data); err == nil && a.Format == "" {
			t.Errorf("%q is taken as %+v", data, a)
		}
		if p, err := release.ParseParties(data); err == nil && p == nil {
			t.Errorf("%q gives no parties", data)
		}
		if k, err := release.ParsePublicKey(string(data)); err == nil && len(k.Public) == 0 {
			t.Errorf("%q gives no key", data)
		}
	})
}
