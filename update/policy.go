package update

import (
	"time"

	"github.com/plomb-pos/plomb/update/slot"
)

// Policy is what the deployer decides for a device. The zero value of a duration or
// limit takes the default named.
type Policy struct {
	Every    time.Duration // between two questions to the repositories, plus up to a quarter by chance; 6 hours
	Spacing  time.Duration // least time between two passes that somebody triggers; 1 minute
	Postpone time.Duration // how long consent may be put off from the announcement on; 14 days
	AtEnd    AtEnd         // what happens then
	Consent  bool          // a person agrees to the moment; otherwise this policy does

	ClosedDay bool          // an unclosed day holds activation back (country profile)
	Fallback  slot.Fallback // when a trial fails

	Budget  int64 // bytes of whole frames fetched without asking, beyond the deltas; 64 MiB
	Metered int64 // bytes fetched over a metered link without asking, unless urgent; 16 MiB
	Rate    Rate
	Stall   time.Duration // how long a source may take for one frame, beyond a floor of 1 KiB/s; 30 s

	Attempts int // rejections of one release, after which it is not tried again; 3

	Warn  time.Duration // before metadata or entitlement run out; 7 days
	Stop  bool          // selling stops when they have run out
	Grace time.Duration // after they ran out, before Stop counts
}

// AtEnd is what happens to an update that was put off too long (requirement CU-18).
type AtEnd uint8

// The choices.
const (
	Install     AtEnd = 0 // without further consent
	StopSelling AtEnd = 1 // until somebody agrees
)

func (p Policy) withDefaults() Policy {
	or(&p.Every, 6*time.Hour)
	or(&p.Spacing, time.Minute)
	or(&p.Postpone, 14*24*time.Hour)
	or(&p.Budget, 64<<20)
	or(&p.Metered, 16<<20)
	or(&p.Stall, 30*time.Second)
	or(&p.Attempts, 3)
	or(&p.Warn, 7*24*time.Hour)
	or(&p.Rate.Low, 256<<10)
	or(&p.Rate.Normal, 2<<20)
	or(&p.Rate.Urgent, 16<<20)
	return p
}

func or[T int | int64 | time.Duration](value *T, otherwise T) {
	if *value == 0 {
		*value = otherwise
	}
}
