package epp_test

import (
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/plomb-pos/plomb/driver/sim/epp"
	"github.com/plomb-pos/plomb/driver/sim/panel"
	"github.com/plomb-pos/plomb/driver/sim/simtest"
	"github.com/plomb-pos/plomb/xfs4iot"
	"github.com/plomb-pos/plomb/xfs4iot/common"
	"github.com/plomb-pos/plomb/xfs4iot/conform"
	"github.com/plomb-pos/plomb/xfs4iot/crypto"
	"github.com/plomb-pos/plomb/xfs4iot/german"
	"github.com/plomb-pos/plomb/xfs4iot/keyboard"
	"github.com/plomb-pos/plomb/xfs4iot/keymanagement"
	"github.com/plomb-pos/plomb/xfs4iot/pinpad"
)

// factory is one manufacturer for all tests: its keys take time.
var factory = sync.OnceValues(epp.NewFactory)

// Test keys; none is used anywhere.
const (
	double = "0123456789ABCDEFFEDCBA9876543210"
	single = "0123456789ABCDEF"
	aes128 = "2b7e151628aed2a6abf7158809cf4f3c"
	aes256 = "88E1AB2A2E3DD38C1FA039A536500CC8A87AB9D62DC92C01058FA79F44657DE6"
)

func serve(t *testing.T, o epp.Options) (*epp.EPP, *simtest.Client) {
	t.Helper()
	f, err := factory()
	if err != nil {
		t.Fatal(err)
	}
	o.Factory = f
	e, err := epp.New("PinPad", o)
	if err != nil {
		t.Fatal(err)
	}
	c := simtest.Serve(t, e.Service())
	simtest.Must(c, common.Status, nil) // connected for good: no event is missed
	return e, c
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func preset(name, usage, algorithm, mode, value string) epp.Preset {
	return epp.Preset{Name: name, Usage: usage, Algorithm: algorithm, ModeOfUse: mode, Value: value}
}

// code sends a command and gives how it ended, in one word.
func code[Resp any](_ *Resp, _ simtest.Events, err error) string { return simtest.Code(err) }

func TestEveryCommandIsServed(t *testing.T) {
	_, c := serve(t, epp.Options{})
	simtest.ServesAll(t, c, keymanagement.Description, crypto.Description, pinpad.Description, keyboard.Description, german.Description)
}

func TestThePINPadKeepsTheSessionRules(t *testing.T) {
	_, c := serve(t, epp.Options{})
	info := keyboard.DataEntry.Info()
	target := conform.Target{URL: c.URL(), Long: &xfs4iot.Message{Header: xfs4iot.Header{Name: info.Name, Version: info.Version},
		Payload: []byte(`{"maxLen":0,"activeKeys":{"one":{},"enter":{"terminate":true}}}`)}}
	for _, target.Generation = range []xfs4iot.Generation{xfs4iot.Gen2021, xfs4iot.Gen2023} {
		for _, r := range conform.Run(t.Context(), target) {
			if r.Err != nil || r.NotRun && !strings.HasPrefix(r.Rule.ID, "common-") && !strings.HasPrefix(r.Rule.ID, "publish-") {
				t.Errorf("%s: %s", target.Generation, r)
			}
		}
	}
}

func TestCapabilitiesAndStatusAreWithinTheDescription(t *testing.T) {
	for _, o := range []epp.Options{{}, {Touch: true, HSM: true, Secured: true, Chip: func(string, []byte) ([]byte, error) { return nil, nil }}} {
		_, c := serve(t, o)
		caps, _ := simtest.Must(c, common.Capabilities, &common.CapabilitiesCommand{})
		if err := caps.Validate(); err != nil {
			t.Error(err)
		}
		status, _ := simtest.Must(c, common.Status, &common.StatusCommand{})
		if err := status.Validate(); err != nil {
			t.Error(err)
		}
		if caps.PinPad.IdcConnect == nil || *caps.PinPad.IdcConnect != (o.Chip != nil) || (caps.Keyboard.EtsCaps != nil) != o.Touch {
			t.Errorf("capabilities of %+v: %+v, %+v", o, caps.PinPad, caps.Keyboard)
		}
	}
}

// Requirement: XFS-07
func TestCapabilitiesNameTheLoadCertificateSigners(t *testing.T) {
	_, c := serve(t, epp.Options{})
	caps, _ := simtest.Must(c, common.Capabilities, &common.CapabilitiesCommand{})
	got := caps.KeyManagement.LoadCertOptions
	for name, want := range map[string][2]bool{"certHost": {false, true}, "sigHost": {false, false}, "ca": {true, true}, "hl": {true, true},
		"certHostTr34": {false, true}, "caTr34": {true, true}, "hlTr34": {true, true}} {
		o := got[name]
		if o == nil || o.NewHost == nil || o.ReplaceHost == nil || *o.NewHost != want[0] || *o.ReplaceHost != want[1] {
			t.Errorf("%s: %+v, want %v", name, o, want)
		}
	}
	if len(got) != 7 {
		t.Errorf("%d signers", len(got))
	}
	offered := slices.ContainsFunc(caps.Interfaces, func(i common.Interface) bool {
		_, ok := i.Commands["KeyManagement.ExportRSADeviceSignedItem"]
		return ok
	})
	if !offered || !*caps.KeyManagement.SignatureScheme.ExportDeviceID {
		t.Error("the export of device-signed items is not declared")
	}
}

func state(e *epp.EPP) epp.State { return e.State().(epp.State) }

func TestActsDoWhatTheySay(t *testing.T) {
	e, c := serve(t, epp.Options{HSM: true, Keys: []epp.Preset{preset("KUR", "K0", "T", "D", double)}})
	for _, act := range []struct {
		name string
		args panel.Values
		want func(epp.State) bool
	}{
		{"stick", panel.Values{"key": "five"}, func(s epp.State) bool { return slices.Equal(s.Stuck, []string{"five"}) }},
		{"free", nil, func(s epp.State) bool { return len(s.Stuck) == 0 }},
		{"cut-power", nil, func(s epp.State) bool { return !s.Power }},
		{"power", nil, func(s epp.State) bool { return s.Power }},
		{"online-time", nil, func(s epp.State) bool { return s.HSM == 3 }},
		{"tamper", nil, func(s epp.State) bool { return s.Tampered && len(s.Keys) == 0 }},
		{"mend", nil, func(s epp.State) bool { return !s.Tampered && s.Waiting }},
	} {
		if err := panel.Do(e, act.name, act.args); err != nil || !act.want(state(e)) {
			t.Errorf("%s: %v, %+v", act.name, err, state(e))
		}
	}
	c.Heard(&german.OPTRequiredEvent{})
	if err := panel.Do(e, "press", nil); !errors.Is(err, epp.ErrNoEntry) {
		t.Errorf("press while nobody waits: %v", err)
	}
	if err := panel.Do(e, "expire", nil); err == nil {
		t.Error("no entry expired")
	}
}

func TestATamperedDeviceHasNoKeysAndSaysSo(t *testing.T) {
	e, c := serve(t, epp.Options{Keys: []epp.Preset{preset("PIN", "P0", "T", "E", double)}})
	if err := e.Tamper(); err != nil {
		t.Fatal(err)
	}
	var changed common.StatusChangedEvent
	c.Heard(&changed)
	status, _ := simtest.Must(c, common.Status, &common.StatusCommand{})
	if status.Common.Device != common.DeviceFraudAttempt || status.KeyManagement.EncryptionState != keymanagement.StatusEncryptionStateNotReady ||
		status.Common.AntiFraudModule != common.AntiFraudModuleDeviceDetected {
		t.Errorf("status %+v %+v", status.Common, status.KeyManagement)
	}
	if got := code(simtest.Do(c, crypto.GenerateRandom, nil)); got != "accessDenied" {
		t.Errorf("GenerateRandom ended with %s", got)
	}
	if got := code(simtest.Do(c, keymanagement.Initialization, nil)); got != "accessDenied" {
		t.Errorf("Initialization ended with %s", got)
	}
	if err := e.Mend(); err != nil {
		t.Fatal(err)
	}
	if got := code(simtest.Do(c, crypto.GenerateRandom, nil)); got != "accessDenied" {
		t.Errorf("before Initialization GenerateRandom ended with %s", got)
	}
	simtest.Must(c, keymanagement.Initialization, nil)
	c.Heard(&keymanagement.InitializedEvent{})
	if r, _ := simtest.Must(c, crypto.GenerateRandom, nil); len(r.RandomNumber) != 8 {
		t.Errorf("random number %x", r.RandomNumber)
	}
}

func TestWithoutPowerNothingIsReady(t *testing.T) {
	e, c := serve(t, epp.Options{})
	e.CutPower()
	for _, got := range []string{
		code(simtest.Do(c, crypto.GenerateRandom, nil)), code(simtest.Do(c, keyboard.GetLayout, nil)), code(simtest.Do(c, pinpad.Reset, nil)),
	} {
		if got != "deviceNotReady" {
			t.Errorf("ended with %s", got)
		}
	}
	e.Power()
	simtest.Must(c, pinpad.Reset, nil)
}

// stateText is all that the page can see.
func stateText(t *testing.T, e *epp.EPP) string {
	t.Helper()
	text, err := json.Marshal(e.State())
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
