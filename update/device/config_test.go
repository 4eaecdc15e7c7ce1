package device_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/plomb-pos/plomb/update/device"
)

const plainConfig = `{"format":"plomb-device/1","made":"2026-11-22T08:00:00Z","sources":["https://updates.example","/media"],"take":"released","policy":{"every":"6h","consent":true}}`

func TestAConfigurationThatCannotBeMeantIsRefused(t *testing.T) {
	if _, err := device.ParseConfig([]byte(plainConfig)); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string][2]string{
		"another format":                  {"plomb-device/1", "plomb-device/2"},
		"unknown member":                  {`"take"`, `"tke":1,"take"`},
		"member twice":                    {`"take"`, `"take":"released","take"`},
		"neither released nor a campaign": {`"released"`, `"all"`},
		"campaigns without a deployer":    {`"released"`, `"campaign"`},
		"a source that is neither":        {`"/media"`, `"media"`},
		"an address without a host":       {`https://updates.example`, `https://`},
		"a duration that is none":         {`"6h"`, `"six hours"`},
		"a negative duration":             {`"6h"`, `"-6h"`},
		"a link that is metered at times": {`"consent"`, `"metered_at":"at times","consent"`},
		"a restart without its path":      {`"policy"`, `"machine":{"restart":["reboot"]},"policy"`},
		"a machine that cannot restart":   {`"policy"`, `"machine":{"restart":[]},"policy"`},
		"an end that is none":             {`"consent"`, `"at_end":"later","consent"`},
		"a fall-back that is none":        {`"consent"`, `"fallback":"both","consent"`},
	} {
		text := strings.Replace(plainConfig, change[0], change[1], 1)
		if _, err := device.ParseConfig([]byte(text)); !errors.Is(err, device.ErrConfig) || text == plainConfig {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzParseConfig(f *testing.F) {
	f.Add([]byte(plainConfig))
	f.Add([]byte(`{}`))
	f.Fuzz(func(_ *testing.T, text []byte) {
		if c, err := device.ParseConfig(text); err == nil && c.Format != device.ConfigFormat {
			panic("a configuration of another format")
		}
	})
}
