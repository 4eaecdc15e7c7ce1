package device_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/plomb-pos/plomb/update/device"
)

func TestALinkIsMeteredAtTheHoursThatTheConfigurationNames(t *testing.T) {
	for text, want := range map[string]string{ // at 00:00, 06:59, 07:00, 21:59, 22:00
		"never": "-----", "always": "mmmmm", "07:00-22:00": "--mm-", "22:00-07:00": "mm--m", "06:59-07:00": "-m---",
	} {
		var m device.Metered
		must(t, m.UnmarshalText([]byte(text)))
		got := ""
		for _, at := range [][2]int{{0, 0}, {6, 59}, {7, 0}, {21, 59}, {22, 0}} {
			got += map[bool]string{true: "m", false: "-"}[m.At(time.Date(2026, 11, 22, at[0], at[1], 59, 0, time.UTC))]
		}
		if again, err := m.MarshalText(); got != want || err != nil || string(again) != text {
			t.Errorf("%s: %s, not %s; written %s, %v", text, got, want, again, err)
		}
	}
	for _, text := range []string{"", "sometimes", "07:00", "07:00-", "7:00-22:00", "07:00-24:00", "07:00-07:00", "07:00-22:00-23:00", "Always"} {
		if err := new(device.Metered).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q was read", text)
		}
	}
}

// Over a metered link the device asks before it fetches more than its limit, and after
// the hours it does not.
func TestADeviceAsksBeforeItSpendsOnAMeteredLink(t *testing.T) {
	s := newShop(t)
	now := s.clock.now.Local()
	hours := fmt.Sprintf("%s-%s", now.Add(-time.Hour).Format("15:04"), now.Add(time.Hour).Format("15:04"))
	w := s.installed(func(n *device.New) {
		n.Config.Policy.Metered = 1
		must(t, n.Config.Policy.MeteredAt.UnmarshalText([]byte(hours)))
	})
	w.release(2)
	w.frugal = true
	if err := w.refuses(); err != nil {
		t.Fatal(err)
	}
	if w.asked == 0 {
		t.Errorf("nobody was asked:\n%s", w.story())
	}
	w.clock.pass(2 * time.Hour)
	w.asked = 0
	w.updates(2)
	if w.asked != 0 {
		t.Error("somebody was asked about a link that costs nothing now")
	}
}
