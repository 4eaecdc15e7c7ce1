package till

import (
	"testing"
	"time"

	"github.com/plomb-pos/plomb/fiscal"
)

// Somebody who is refused twice a second for a day fills no disk: some hundred
// entries, which say how many they stand for.
//
// Requirement: FM-03
func TestADayOfRefusalsMakesFewEntries(t *testing.T) {
	for kind, most := range map[string]int{"auth-fail": 1200, floodBlocked: 200} {
		f, now := newFloods(), time.Unix(1_800_000_000, 0)
		entries, told, tries := 0, 0, 0
		for end := now.Add(24 * time.Hour); now.Before(end); now = now.Add(500 * time.Millisecond) {
			tries++
			if f.admits(kind, &fiscal.AuthFail{For: "sign-in", Failures: 1}, now) {
				entries, told = entries+1, told+1
			}
			for _, b := range f.ended(now) {
				entries, told = entries+1, told+b.(*fiscal.AuthFail).Failures
			}
		}
		for _, b := range f.ended(now.Add(2 * longestFlood)) {
			told += b.(*fiscal.AuthFail).Failures
		}
		if entries > most || told != tries {
			t.Errorf("%s: %d entries for %d tries, of which they tell %d", kind, entries, tries, told)
		}
	}
	f, now := newFloods(), time.Unix(1_800_000_000, 0) // who stops is told one by one again
	for range 100 {
		f.admits("refused", &fiscal.Refused{}, now)
	}
	for range 3 {
		now = now.Add(longestFlood)
		f.ended(now)
	}
	if len(f.kinds) != 0 {
		t.Error("a flood that is over is not forgotten")
	}
}
