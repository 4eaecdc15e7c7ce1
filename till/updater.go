package till

import (
	"context"
	"reflect"
	"time"
)

// Updater brings the till's software up to date, beside the till. The node asks it
// from goroutines of its own: whatever it waits for, no command waits for it
// (requirement CU-07).
type Updater interface {
	// Status is what is known now. It is asked every second.
	Status() UpdateStatus
	// Check asks what is released and goes as far as it comes; it may take long. found
	// says that there is a release to install. An error is for the log and, in short,
	// for the screen.
	Check(ctx context.Context) (found bool, err error)
}

// UpdateStatus is what an Updater knows.
type UpdateStatus struct {
	Update    *Offered // the release on its way, nil: none
	Freshness Freshness
	// Withdrawn are the statements that withdraw what runs.
	Withdrawn []Withdrawal
	Platform  *PlatformStatus // nil: the machine's operating system is not looked after here
}

// OfPlatform is what belongs to the operating system below the till, a line of releases
// of its own (requirement CU-19).
const OfPlatform = "platform"

// PlatformStatus is what is known of the operating system below the till.
type PlatformStatus struct {
	Identity  string   // of the release that runs
	Counter   uint64   // of its scope
	Manifests []string // SHA-256, hexadecimal, of the releases of this line that are known
}

// Offered is a release on its way.
type Offered struct {
	Of       string            // OfPlatform, or empty: the till's own
	Identity string            // 18 characters
	Counter  uint64            // of its scope
	Digest   string            // SHA-256 of its manifest, hexadecimal
	Legal    bool              // legally relevant
	Consent  map[string]string // what a person confirms, by language
	Stage    string            // the last one that was passed, in the journal's words
	Bytes    int64             // fetched
	Total    int64             // to fetch; 0: not known yet
	Deadline time.Time         // to be installed before; zero: none
	Overdue  bool
	Urgent   bool
	Waiting  Waiting
	Detail   string // why it waits, in English
	Spend    int64  // bytes that a person is asked to agree to; 0: none
}

// Waiting is what an update waits for.
type Waiting string

// The things that an update waits for.
const (
	WaitsForNothing       Waiting = ""
	WaitsForConsent       Waiting = "consent"
	WaitsForSpend         Waiting = "spend" // consent to what the download costs
	WaitsForSale          Waiting = "sale"
	WaitsForDay           Waiting = "day"
	WaitsForData          Waiting = "data" // the journal is not safe elsewhere yet
	WaitsForAuthorisation Waiting = "authorisation"
	WaitsForClock         Waiting = "clock"
	WaitsForOther         Waiting = "other"
)

// Freshness is what the age of what the till knows of releases means (requirement
// CU-06).
type Freshness struct {
	Warn        string `json:"warn"` // in English; empty: nothing
	StopSelling bool   `json:"stopSelling"`
}

// Withdrawal is a statement by a body that withdraws what runs.
type Withdrawal struct {
	By       string    `json:"by"`
	Reason   string    `json:"reason"`
	Deadline time.Time `json:"deadline,omitzero"`
	Action   string    `json:"action"` // "warn" or "block"
	Blocks   bool      `json:"blocks"` // now: no new sale
	// Of is OfPlatform where the operating system below the till is withdrawn; empty: the
	// till's own release.
	Of string `json:"of,omitzero"`
}

// updating is what the node knows of its updates. Owned by the book.
type updating struct {
	updater  Updater
	came     chan struct{}   // closed when there is an updater
	known    bool            // status is one
	status   UpdateStatus    // as last asked
	asked    *CheckState     // what became of the last question by a person
	told     map[string]bool // stages and releases that were recorded since the start
	retiring chan struct{}   // no new sale; closed when none is open. nil: not asked to
}

// SetUpdater gives the node what updates its software. It is called once, after
// Open, best before Run; without one the state says that nothing is managed.
func (n *Node) SetUpdater(u Updater) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.updating.updater == nil {
		n.updating.updater = u
		close(n.updating.came)
	}
}

// statusEvery is how often an Updater is asked.
const statusEvery = time.Second

// followUpdater asks the Updater for its status, now and then. The book is not held.
func (n *Node) followUpdater(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-n.updating.came:
	}
	t := time.NewTicker(statusEvery)
	defer t.Stop()
	for {
		n.takeStatus(n.updating.updater.Status())
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
	}
}

func (n *Node) takeStatus(s UpdateStatus) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.updating.known && reflect.DeepEqual(s, n.updating.status) {
		return
	}
	n.updating.status, n.updating.known = s, true
	n.stream.changed()
}

// checkPatience is how long a question by a person may take.
const checkPatience = 10 * time.Minute

// askUpdater has the Updater look what is released, behind, and shows what it found.
// The book is held.
func (n *Node) askUpdater() {
	n.updating.asked = &CheckState{Time: atNow(n.opts.Now()), Running: true}
	n.pokeUpdater(n.answered)
}

// pokeUpdater has the Updater make a pass, behind, and then calls done. The book is
// held.
func (n *Node) pokeUpdater(done func(found bool, err error)) {
	u := n.updating.updater
	if u == nil {
		return
	}
	go func() {
		ctx, cancel := context.WithTimeout(n.life, checkPatience)
		defer cancel()
		found, err := u.Check(ctx)
		if n.life.Err() == nil {
			n.takeStatus(u.Status())
			done(found, err)
		}
	}()
}

// CheckState is what became of the last question by a person.
type CheckState struct {
	Time    time.Time `json:"time"`
	Running bool      `json:"running"`
	Outcome string    `json:"outcome"` // "", "none", "offered", "failed"
	Detail  string    `json:"detail"`  // of "failed", in English
}

// wentOn is told after a pass that a person's consent began.
func (n *Node) wentOn(_ bool, err error) {
	if err != nil {
		n.opts.Log.Warn("an update did not go on", "err", err)
	}
}

func (n *Node) answered(found bool, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	a := *n.updating.asked
	a.Running = false
	switch {
	case err != nil:
		a.Outcome, a.Detail = "failed", oneLine(err.Error())
		n.opts.Log.Warn("updates were asked for", "err", err)
	case found:
		a.Outcome = "offered"
	default:
		a.Outcome = "none"
	}
	n.updating.asked = &a
	n.stream.changed()
}
