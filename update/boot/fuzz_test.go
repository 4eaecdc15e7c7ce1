package boot_test

import (
	"testing"

	"github.com/plomb-pos/plomb/update/boot"
)

func FuzzRules(f *testing.F) {
	f.Add([]byte(`{"format":"plomb-boot-policy/1","serial":1,"legal":"maker-only","maker":{"name":"maker","threshold":1,"keys":[]}}`))
	f.Add([]byte(`{"format":"plomb-trust-policy/1","serial":1,"boot":{},"log":"log a+b+c\n"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := boot.ParseRules(data)
		if err == nil && (r.Signers == nil || r.Log != nil && len(r.Log.LogKeys()) == 0) {
			t.Errorf("%q is taken as %+v", data, r)
		}
	})
}

func FuzzFacts(f *testing.F) {
	f.Add([]byte(`{"hardware":"1PLMTIL01-20261101","model":"TIL","jurisdiction":"DE"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := boot.ParseFacts(data)
		if err == nil && got.Hardware != "" && got.Hardware.Validate() != nil {
			t.Errorf("%q is taken as %+v", data, got)
		}
	})
}
