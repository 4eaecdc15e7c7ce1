package till_test

import (
	"testing"
	"time"

	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/staff"
	"github.com/plomb-pos/plomb/till"
)

// Requirement: DL-02, CU-18
func TestAnUpdateIsPutOffAsWishedButNotBeyondItsDeadline(t *testing.T) {
	shop, u := managed(t)
	boss := shop.As(staff.Supervisor)
	now := boss.Until(func(s till.State) bool { return s.Software.Update != nil }).Clock.Now
	deadline := now.Add(48 * time.Hour)
	u.set(func(s *till.UpdateStatus) { o := *s.Update; o.Deadline = deadline; s.Update = &o })
	boss.Until(func(s till.State) bool { return s.Software.Update.Deadline.Equal(deadline) })
	for _, x := range []struct{ wish, want time.Time }{
		{now.Add(5 * time.Hour), now.Add(5 * time.Hour)},
		{now.Add(72 * time.Hour), deadline},
	} {
		boss.Do("software-later", "digest", digest, "for", fiscal.ForInstall, "until", x.wish)
		if d, _ := shop.Node.Decision(digest, fiscal.ForInstall); d.Until.Sub(x.want).Abs() > time.Second || d.Agreed {
			t.Errorf("put off until %v, wished %v, want %v", d.Until, x.wish, x.want)
		}
	}
	boss.Refuse("malformed", "software-later", "digest", digest, "for", fiscal.ForInstall, "until", now.Add(-time.Hour))
}
