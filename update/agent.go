package update

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path"
	"sync"
	"time"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/slot"
)

// Config is what an agent works with.
type Config struct {
	FS    durable.FS
	Root  string     // of the launcher's device: boot/ and slots/ lie there
	Slot  slot.Slot  // that this program was started from (PLOMB_SLOT); not for a platform
	Check slot.Check // signatures and device; its Floors are taken from table and Floor
	// Checks gives Check anew after Trust was asked, which may have brought a new
	// policy; nil: it never changes.
	Checks func() slot.Check

	Trust      Truster
	Sources    func() []Source // in the order to be asked; may change, as sticks come and go
	Recorder   Recorder
	Gate       Gate
	Asker      Asker
	Authoriser Authoriser
	Keys       Keys    // nil: packs are not sealed
	Backend    Backend // of a platform's agent; nil: this one brings applications into the launcher's slots
	Floor      Floor   // beside the table's; nil: that of the table alone

	Application *manifest.Policy // for a platform's agent: the boot policy of applications, whose keys count for nothing here
	Other       func() string    // why an update of the other scope holds this one back; nil: none does
	Policy      Policy

	Journal int               // version of the journal's format that the device has; 0: not asked
	Peers   map[string]uint64 // other components and their counters

	Load    func() Load           // nil: always Quiet
	Metered func() bool           // nil: never
	Free    func() (int64, error) // bytes free below Root; nil: not asked before
	Now     func() time.Time      // nil: time.Now
	Built   time.Time             // of this program: an earlier clock is wrong
	End     func()                // asks the program to end with exit code 75, or the machine to start again, without beginning another sale
}

// ExitAgain is the exit code that asks the launcher to read its table again.
const ExitAgain = 75

// Agent brings one device up to date. Its methods may be called concurrently.
type Agent struct {
	Config
	staging  staging
	bucket   *bucket
	progress progress

	pass    sync.Mutex // held during a pass; guards job, offered, asked and unfound
	job     *job
	offered *Offer
	asked   time.Time
	unfound error

	mu    sync.Mutex // guards state
	state state
}

// New makes an agent for a device whose folders are there. It fetches nothing.
func New(c Config) (*Agent, error) {
	if c.Trust == nil || c.Sources == nil || c.Recorder == nil || c.Gate == nil || c.Asker == nil || c.Authoriser == nil || c.End == nil || c.Check.Policy == nil {
		return nil, errors.New("an update agent needs trust, sources, recorder, gate, asker, authoriser, end and a boot policy")
	}
	if err := c.separate(); err != nil {
		return nil, err
	}
	c.Policy, c.Check.Scope = c.Policy.withDefaults(), c.scope()
	if c.Now == nil {
		c.Now = time.Now
	}
	a := &Agent{Config: c, staging: staging{c.FS, path.Join(c.Root, "download")}, bucket: newBucket(c.Policy.Rate, c.Load)}
	if err := a.staging.make(); err != nil {
		return nil, err
	}
	a.state = a.staging.loadState()
	return a, nil
}

// separate sees that platform and application have keys of their own (requirement
// CU-19).
func (c *Config) separate() error {
	if c.Backend == nil {
		return nil
	}
	if c.Application == nil {
		return errors.New("the update agent of a platform needs the boot policy of the application, to see that they share no key")
	}
	return manifest.Disjoint(c.Check.Policy, c.Application)
}

// Result is how far a pass came.
type Result struct {
	Identity manifest.Identity // of the release it was about; empty: there is none
	Stage    Stage             // the one that it stopped at
	Waiting  string            // why it waits; empty: it does not
	Restart  bool              // the pointer is set; End was called
}

// Run makes passes until ctx ends: at once, then every Policy.Every and up to a
// quarter longer, or a minute after something had to wait. Errors of a pass are
// given to failed, which may be nil.
func (a *Agent) Run(ctx context.Context, failed func(error)) error {
	for {
		r, err := a.Update(ctx)
		if err != nil && failed != nil && ctx.Err() == nil {
			failed(err)
		}
		if r.Restart {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(a.pause(r)):
		}
	}
}

func (a *Agent) pause(r Result) time.Duration {
	if r.Waiting != "" {
		return a.Policy.Spacing
	}
	return a.Policy.Every + rand.N(a.Policy.Every/4+1)
}

// Update makes one pass, as far as it comes: it asks what is released (at most once
// every Policy.Spacing, however often it is called), and takes the stages that can
// be taken now. ErrBusy says that a pass is in progress. Errors that wrap
// ErrRejected say that the software was refused; others are tried again.
func (a *Agent) Update(ctx context.Context) (Result, error) {
	if !a.pass.TryLock() {
		return Result{}, ErrBusy
	}
	defer a.pass.Unlock()
	if err := a.checkFreshness(ctx); err != nil {
		return Result{}, err
	}
	file, _, err := slot.Open(a.FS, a.tablePath())
	if err != nil {
		return Result{}, err
	}
	if t := file.Table(); t.Blocked != slot.None || t.Trial {
		return a.pending(ctx, t)
	}
	if a.Other != nil {
		if why := a.Other(); why != "" {
			return Result{Stage: Gated, Waiting: why}, nil
		}
	}
	offer, err := a.find(ctx)
	if err != nil || offer == nil {
		return Result{}, err
	}
	j, err := a.begin(ctx, offer, file.Table())
	if err != nil || j == nil {
		return Result{}, err
	}
	return j.stages(ctx)
}

// Unsettled says that this agent's scope has a version on trial, or one that is to be
// tried; empty: it has not. It is what Config.Other of the other scope's agent asks,
// so that a machine never tries two things at once.
func (a *Agent) Unsettled() string {
	file, _, err := slot.Open(a.FS, a.tablePath())
	switch {
	case err != nil:
		return fmt.Sprintf("what the %s does is not known: %v", a.scope(), err)
	case file.Table().Trial:
		return fmt.Sprintf("a trial of the %s is not over", a.scope())
	}
	return ""
}

func (a *Agent) tablePath() string { return path.Join(a.Root, "boot", "table") }

func (a *Agent) slotDir(s slot.Slot) string { return path.Join(a.Root, "slots", s.String()) }

// pending answers while the launcher has to act first.
func (a *Agent) pending(ctx context.Context, t slot.Table) (Result, error) {
	switch {
	case t.Blocked != slot.None:
		return Result{Stage: Blocked, Waiting: "the device is blocked: " + t.Blocked.String()}, nil
	case a.Backend != nil:
		return a.pendingPlatform(ctx)
	case a.Slot == t.Active.Other():
		return Result{Stage: Trial, Waiting: "the trial of this version is not over"}, nil
	}
	return a.found(ctx, t)
}

// found says what is pointed at, where the power went off after the pointer was
// written: it is in the history once.
func (a *Agent) found(ctx context.Context, t slot.Table) (Result, error) {
	e := Event{Stage: Pointed, Outcome: Done, Digest: t.Manifests[t.Active.Other()], Detail: "found after a restart"}
	if !a.stateNow().Pointed {
		if err := a.record(ctx, e); err != nil {
			return Result{}, err
		}
	}
	if err := a.change(func(s *state) { s.Pointed = true }); err != nil {
		return Result{}, err
	}
	a.End()
	return Result{Stage: Pointed, Restart: true}, nil
}

// find asks for an offer, or gives the answer of just before, an error too.
func (a *Agent) find(ctx context.Context) (*Offer, error) {
	now := a.Now()
	if since := now.Sub(a.asked); a.asked.IsZero() || since < 0 || since >= a.Policy.Spacing {
		a.offered, a.unfound = a.Trust.Find(ctx)
		if a.asked = now; ctx.Err() != nil { // no answer
			a.asked = time.Time{}
		}
	}
	if a.Checks != nil {
		a.Check = a.Checks()
		a.Check.Scope = a.scope()
	}
	if err := a.unfound; err != nil {
		return nil, errors.Join(fmt.Errorf("ask what is released: %w", err), a.refusedTrust(ctx, err))
	}
	return a.offered, nil
}

// refusedTrust records what the repositories were refused for; that they could not
// be reached is no event of the software's history.
func (a *Agent) refusedTrust(ctx context.Context, err error) error {
	if !errors.Is(err, ErrRejected) {
		return nil
	}
	return a.recordOnce(ctx, Event{Stage: Announced, Outcome: Rejected, Detail: err.Error()})
}

// begin makes the job of an offer, or goes on with the one that is about the same
// release. It gives none when there is nothing to do.
func (a *Agent) begin(ctx context.Context, o *Offer, t slot.Table) (*job, error) {
	digest := manifest.Sum(o.Manifest)
	if digest == t.Manifests[t.Active] {
		return nil, nil
	}
	if err := a.afterTrial(digest, t); err != nil {
		return nil, err
	}
	for _, d := range []manifest.Digest{digest, o.sum()} {
		if why, ok := a.stateNow().mayTry(d, a.Now(), a.attempts(o)); !ok {
			return nil, fmt.Errorf("%w: %s", ErrRejected, why)
		}
	}
	if a.job == nil || a.job.digest != digest || a.job.table.Active != t.Active {
		m, err := manifest.Parse(o.Manifest)
		if err != nil {
			return nil, errors.Join(asRejection(err), a.refuse(ctx, o.sum(), Event{Stage: Announced, Digest: digest}, err))
		}
		a.job = &job{Agent: a, manifest: m, digest: digest}
	}
	a.job.offer, a.job.table, a.job.active = o, t, a.slotDir(t.Active)
	return a.job, a.job.readInstalled()
}

// attempts is how often an offer may fail (requirement CU-17): nobody wears a device
// out, neither its deployer nor whoever is between.
func (a *Agent) attempts(o *Offer) int {
	if o.Attempts > 0 {
		return min(o.Attempts, a.Policy.Attempts)
	}
	return a.Policy.Attempts
}

// check is what a release has to pass beside a table.
func (a *Agent) check(t slot.Table) (slot.Check, error) {
	c := a.Check
	c.Floors = t.Floors
	if a.Floor == nil {
		return c, nil
	}
	floors, err := a.Floor.Floors()
	if err != nil {
		return c, fmt.Errorf("read the version floor: %w", err)
	}
	for s := range floors {
		c.Floors[s] = max(c.Floors[s], floors[s])
	}
	return c, nil
}

// sum is over all papers: what is rejected for a note that somebody else changed does
// not count against the same release with the right one.
func (o *Offer) sum() manifest.Digest {
	sums := [][]byte{}
	for _, paper := range [][]byte{o.Manifest, o.Note, o.Proof} {
		d := manifest.Sum(paper)
		sums = append(sums, d[:])
	}
	return manifest.Sum(bytes.Join(sums, nil))
}

// afterTrial counts a trial that failed since the last pass: the next one has to wait,
// and a person agrees to it anew.
func (a *Agent) afterTrial(d manifest.Digest, t slot.Table) error {
	if s := a.stateNow(); t.Failed != d || s.Digest != d || s.Trials >= int(t.Failures) {
		return nil
	}
	return a.change(func(s *state) {
		s.Trials, s.Agreed, s.Pointed = int(t.Failures), nil, false
		s.rejected(d, a.Now(), "its trial failed: "+t.Why.String())
	})
}

// refuse records that a release was rejected, or could not be installed, and counts
// it: either is tried only so often.
func (a *Agent) refuse(ctx context.Context, d manifest.Digest, e Event, err error) error {
	e.Outcome, e.Detail = Failed, err.Error()
	if isRejection(err) {
		e.Outcome = Rejected
	}
	if err := a.change(func(s *state) { s.rejected(d, a.Now(), err.Error()) }); err != nil {
		return err
	}
	return a.record(ctx, e)
}

// errUnrecorded says nothing about a release: it does not count against one.
var errUnrecorded = errors.New("the journal takes nothing")

// record gives an event its time.
func (a *Agent) record(ctx context.Context, e Event) error {
	e.Time = a.Now().UTC()
	if err := a.Recorder.Record(ctx, e); err != nil {
		return fmt.Errorf("record %s: %w: %w", e.Stage, errUnrecorded, err)
	}
	return nil
}

// recordOnce records an event unless the stage's last one said the same.
func (a *Agent) recordOnce(ctx context.Context, e Event) error {
	said := fmt.Sprintf("%s %s %s %s", e.Outcome, e.Digest, e.Person, e.Detail)
	if a.stateNow().Said[e.Stage] == said {
		return nil
	}
	if err := a.record(ctx, e); err != nil {
		return err
	}
	return a.change(func(s *state) { s.say(e.Stage, said) })
}

// doubt says why the clock cannot be right: it is before this program was built, or
// before a time that the device has seen.
func (a *Agent) doubt() error {
	now, seen := a.Now(), a.stateNow().Seen
	if now.Before(a.Built) {
		return fmt.Errorf("%w: it shows %s, and this program was built on %s", ErrClock, now.UTC().Format(time.DateTime), a.Built.UTC().Format(time.DateTime))
	}
	if now.Add(clockSlack).Before(seen) {
		return fmt.Errorf("%w: it shows %s and was at %s before", ErrClock, now.UTC().Format(time.DateTime), seen.UTC().Format(time.DateTime))
	}
	return nil
}

// ForgetTime makes the clock as it stands now the one that counts, after it had
// stood ahead. A person does it, under an authorisation that the caller asks for.
func (a *Agent) ForgetTime(ctx context.Context, person string) error {
	seen := a.stateNow().Seen.UTC().Format(time.DateTime)
	if err := a.record(ctx, Event{Stage: Freshness, Outcome: Done, Person: person, Detail: "the clock is right, and was not at " + seen}); err != nil {
		return err
	}
	if f, ok := a.Trust.(Forgetter); ok {
		if err := f.ForgetTime(); err != nil {
			return err
		}
	}
	return a.change(func(s *state) { s.Seen = a.Now().UTC() })
}

// clockSlack is how far a clock may be set back without doubt.
const clockSlack = 24 * time.Hour
