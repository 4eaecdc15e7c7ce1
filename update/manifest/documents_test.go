package manifest_test

import (
	"crypto/rand"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/note"

	"github.com/plomb-pos/plomb/update/manifest"
)

func campaign() *manifest.Campaign {
	from := time.Date(2026, 12, 1, 6, 0, 0, 0, time.UTC)
	return &manifest.Campaign{Format: manifest.CampaignFormat, Serial: 1, Cohort: "*", From: from, Until: from.AddDate(0, 0, 14),
		Waves: []manifest.Wave{{From: from, Percent: 5}, {From: from.AddDate(0, 0, 2), Percent: 100}}, Urgency: manifest.Normal, Attempts: 3}
}

// Requirement: CU-17
func TestACampaignNeedsItsDeployersThreshold(t *testing.T) {
	var signers []note.Signer
	party := manifest.Signers{Name: "deployer", Threshold: 2}
	for range 2 {
		private, public, err := note.GenerateKey(rand.Reader, "deployer")
		if err != nil {
			t.Fatal(err)
		}
		s, err := note.NewSigner(private)
		if err != nil {
			t.Fatal(err)
		}
		signers, party.Keys = append(signers, s), append(party.Keys, public)
	}
	both, err := manifest.SignDocument(campaign(), signers...)
	if err != nil {
		t.Fatal(err)
	}
	var got manifest.Campaign
	if err := party.OpenDocument(both, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(*campaign(), got); diff != "" {
		t.Error(diff)
	}
	one, err := manifest.SignDocument(campaign(), signers[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := party.OpenDocument(one, &got); !errors.Is(err, manifest.ErrUnsigned) {
		t.Errorf("one of two signatures: %v", err)
	}
	var other manifest.Hardware
	if err := party.OpenDocument(both, &other); !errors.Is(err, manifest.ErrFormat) {
		t.Errorf("a campaign read as hardware: %v", err)
	}
}

func TestCampaignsThatMakeNoSenseAreRefused(t *testing.T) {
	for name, bend := range map[string]func(c *manifest.Campaign){
		"serial 0":               func(c *manifest.Campaign) { c.Serial = 0 },
		"device and cohort":      func(c *manifest.Campaign) { c.Device = "till" },
		"for nobody":             func(c *manifest.Campaign) { c.Cohort = "" },
		"ends before it begins":  func(c *manifest.Campaign) { c.Until = c.From },
		"wave that shrinks":      func(c *manifest.Campaign) { c.Waves[1].Percent = 5 },
		"wave after the end":     func(c *manifest.Campaign) { c.Waves[1].From = c.Until },
		"wave back in time":      func(c *manifest.Campaign) { c.Waves[1].From = c.From.Add(-time.Second) },
		"more than all":          func(c *manifest.Campaign) { c.Waves[1].Percent = 101 },
		"unknown urgency":        func(c *manifest.Campaign) { c.Urgency = "at once" },
		"attempts without bound": func(c *manifest.Campaign) { c.Attempts = 11 },
	} {
		c := campaign()
		bend(c)
		if _, err := manifest.EncodeDocument(c); !errors.Is(err, manifest.ErrFormat) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzEntitlement(f *testing.F) {
	f.Add([]byte(`{"format":"plomb-entitlement/1","release":"0000000000000000000000000000000000000000000000000000000000000000","device":"0000000000000000000000000000000000000000000000000000000000000000","notAfter":"2026-01-01T00:00:00Z","key":"AAAA"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var a manifest.Entitlement
		if manifest.ParseDocument(data, &a) != nil {
			return
		}
		again, err := manifest.EncodeDocument(&a)
		if err != nil || string(again) != string(data) {
			t.Errorf("%q was read, and written as %q, %v", data, again, err)
		}
	})
}

func FuzzCampaign(f *testing.F) {
	text, err := manifest.EncodeDocument(campaign())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Fuzz(func(t *testing.T, data []byte) {
		var c manifest.Campaign
		if manifest.ParseDocument(data, &c) != nil {
			return
		}
		again, err := manifest.EncodeDocument(&c)
		if err != nil || string(again) != string(data) {
			t.Errorf("%q was read, and written as %q, %v", data, again, err)
		}
	})
}

func FuzzPolicy(f *testing.F) {
	f.Add([]byte(`{"format":"plomb-boot-policy/1","serial":1,"legal":"maker-only","maker":{"name":"maker","threshold":1,"keys":["maker+0ac4b6d2+AR2zH3Y0ZKkqGHtGS9dvZFtHVTeJNEQEkRCzcT0tUZ3y"]}}`))
	f.Add([]byte(`{"format":"plomb-boot-policy/1","serial":1,"legal":"every-body","bodies":[{"name":"ptb","threshold":0}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := manifest.ParsePolicy(data)
		if err == nil && (p.Serial == 0 || p.Maker.Threshold < 1 || len(p.Maker.Keys) < p.Maker.Threshold) {
			t.Errorf("%q is taken as %+v", data, p)
		}
	})
}
