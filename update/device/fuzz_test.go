package device_test

import (
	"errors"
	"testing"

	"github.com/plomb-pos/plomb/update/device"
)

func FuzzConfig(f *testing.F) {
	f.Add([]byte(`{"format":"plomb-device/1","take":"released","sources":["https://updates.example"],"policy":{"every":"6h","at_end":"stop-selling"}}`))
	f.Add([]byte(`{"format":"plomb-device/1","take":"campaign"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := device.ParseConfig(data)
		if err != nil && !errors.Is(err, device.ErrConfig) {
			t.Errorf("%q: %v", data, err)
		}
		if err == nil && c.Format != device.ConfigFormat {
			t.Errorf("%q is taken as %+v", data, c)
		}
	})
}
