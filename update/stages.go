package update

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"time"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/update/frame"
	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/slot"
)

// job is one release on its way. It lives as long as the agent is offered that
// release, so that a pass goes on where the one before stopped.
type job struct {
	*Agent
	offer    *Offer
	manifest *manifest.Manifest
	digest   manifest.Digest
	table    slot.Table
	active   string             // folder of the slot that runs
	running  *manifest.Manifest // what lies there; nil: cannot be read, nothing is reused
	parts    []*part            // nil: not planned
	opened   bool               // every frame was opened since parts were planned
	content  []byte             // the content key
}

// refusal is an error that belongs to another stage than the one that found it.
type refusal struct {
	stage Stage
	err   error
}

func (r refusal) Error() string { return r.err.Error() }
func (r refusal) Unwrap() error { return r.err }

// stages takes them one after the other; each is recorded before the next begins.
func (j *job) stages(ctx context.Context) (Result, error) {
	for _, s := range []struct {
		stage Stage
		take  func(context.Context) (Event, error)
	}{
		{Announced, j.announce}, {Downloaded, j.download}, {Transmission, j.transmission}, {Authenticity, j.authenticity},
		{Compatibility, j.compatibility}, {Certification, j.certification}, {Consented, j.consent}, {Gated, j.gate},
		{Installed, j.install}, {Verified, j.verify}, {Pointed, j.point},
	} {
		e, err := s.take(ctx)
		e.Stage = s.stage
		if err != nil {
			return j.stopped(ctx, e, err)
		}
		e.Outcome = Done
		if err := j.recordOnce(ctx, e); err != nil {
			return Result{}, err
		}
		j.show(s.stage)
	}
	if err := j.change(func(s *state) { s.Pointed = true }); err != nil {
		return Result{}, err
	}
	j.End()
	return Result{Identity: j.manifest.Identity, Stage: Pointed, Restart: true}, nil
}

// recordOnce says which release an event is about.
func (j *job) recordOnce(ctx context.Context, e Event) error {
	return j.Agent.recordOnce(ctx, j.named(e))
}

func (j *job) record(ctx context.Context, e Event) error { return j.Agent.record(ctx, j.named(e)) }

func (j *job) named(e Event) Event {
	e.Identity, e.Counter, e.Digest = j.manifest.Identity, j.manifest.Counter, j.digest
	return e
}

func (j *job) show(s Stage) {
	r := j.request()
	j.progress.last.Store(&Progress{Identity: j.manifest.Identity, Manifest: j.manifest, Digest: j.digest, Stage: s, Deadline: r.Deadline, Overdue: r.Overdue, Urgent: r.Urgent})
}

// stopped records why a stage was not passed.
func (j *job) stopped(ctx context.Context, e Event, err error) (Result, error) {
	if r := (refusal{}); errors.As(err, &r) {
		e.Stage = r.stage
	}
	result := Result{Identity: j.manifest.Identity, Stage: e.Stage}
	e.Detail = err.Error()
	switch {
	case ctx.Err() != nil || errors.Is(err, errUnrecorded):
		return result, err
	case errors.Is(err, ErrWaiting) || errors.Is(err, ErrClock):
		e.Outcome, result.Waiting = Waiting, err.Error()
		return result, j.recordOnce(ctx, e)
	case isRejection(err) || e.Stage == Installed || e.Stage == Verified:
		j.parts, j.opened = nil, false // look at the disk again
		return result, errors.Join(asRejection(err), j.refuse(ctx, j.offer.sum(), j.named(e), err))
	}
	j.parts, j.opened, e.Outcome = nil, false, Failed
	return result, errors.Join(err, j.recordOnce(ctx, e))
}

// rejections are the errors that say something about the software.
var rejections = []error{
	ErrRejected, manifest.ErrFormat, manifest.ErrUnsigned, manifest.ErrContent,
	slot.ErrFloor, slot.ErrIncompatible, slot.ErrRefused, slot.ErrStranger, frame.ErrSeal,
}

func isRejection(err error) bool {
	return slices.ContainsFunc(rejections, func(r error) bool { return errors.Is(err, r) })
}

func asRejection(err error) error {
	if isRejection(err) && !errors.Is(err, ErrRejected) {
		return fmt.Errorf("%w: %w", ErrRejected, err)
	}
	return err
}

// announce looks at the papers as they came, before a byte is fetched, and keeps
// them.
func (j *job) announce(ctx context.Context) (e Event, err error) {
	if err := j.doubt(); err != nil {
		return e, err
	}
	for _, c := range []struct {
		stage Stage
		check func() error
	}{
		{Authenticity, func() error { return j.signed(j.offer.Manifest, j.offer.Note, j.offer.Proof) }},
		{Compatibility, j.fits},
		{Certification, func() error { _, err := j.Trust.Approved(j.manifest, j.digest, j.Now()); return err }},
	} {
		if err := c.check(); err != nil {
			return e, refusal{c.stage, err}
		}
	}
	if err := j.change(func(s *state) { s.about(j.digest, j.Now()) }); err != nil {
		return e, err
	}
	j.show(Announced)
	e.Detail = "to be installed before " + j.deadline().UTC().Format(time.DateTime)
	return e, j.staging.take(j.offer)
}

// signed checks signatures and log proof of papers.
func (j *job) signed(encoded, note, proof []byte) error {
	if manifest.Sum(encoded) != j.digest {
		return fmt.Errorf("the manifest is another one: %w", manifest.ErrContent)
	}
	if _, _, err := j.Check.Policy.Verify(encoded, note); err != nil {
		return fmt.Errorf("%w: %w", ErrRejected, err)
	}
	if err := j.Check.Logged(j.manifest, j.digest, proof); err != nil {
		return fmt.Errorf("%w: that it was logged: %w", ErrRejected, err)
	}
	return nil
}

// fits checks device, counters, journal format and peers.
func (j *job) fits() error {
	if err := j.scoped(); err != nil {
		return err
	}
	check, err := j.check(j.table)
	if err != nil {
		return err
	}
	if err := check.Fits(j.manifest); err != nil {
		return err
	}
	if _, err := j.table.Propose(j.manifest, j.digest, j.Policy.Fallback); err != nil {
		return err
	}
	if err := j.overItsBase(); err != nil {
		return err
	}
	c := j.manifest.Compatibility
	if j.Journal > 0 && len(c.Reads) > 0 && !slices.Contains(c.Reads, j.Journal) {
		return fmt.Errorf("it reads journals of formats %v, this is format %d: %w", c.Reads, j.Journal, slot.ErrIncompatible)
	}
	if err := j.fallsBack(); err != nil {
		return err
	}
	for _, p := range c.Peers {
		if j.Peers[p.Name] < p.Counter {
			return fmt.Errorf("it needs %s of counter %d, %d is there: %w", p.Name, p.Counter, j.Peers[p.Name], slot.ErrIncompatible)
		}
	}
	return nil
}

// overItsBase refuses a release that has the legally relevant part of another one than
// what runs: the maker alone changes nothing of it, forwards or back.
func (j *job) overItsBase() error {
	base, digest := j.manifest.Base()
	if base == nil {
		return nil
	}
	runs := j.table.Manifests[j.table.Active]
	if j.running != nil {
		runs = j.running.LegalPart(runs)
	}
	if runs != digest {
		return fmt.Errorf("its legally relevant part is that of %s, which does not run here: %w", base.Identity, slot.ErrIncompatible)
	}
	return nil
}

// fallsBack refuses a release whose trial would write what the version that it falls
// back to cannot read: formats expand in one release and contract in a later one. What
// runs and does not say what it reads, reads the journal that is there.
func (j *job) fallsBack() error {
	writes, reads := j.manifest.Compatibility.Writes, []int{1, j.Journal}
	if j.Journal == 0 || writes == 0 || j.running == nil {
		return nil
	}
	if said := j.running.Compatibility.Reads; len(said) > 0 {
		reads = said
	}
	if !slices.Contains(reads, writes) {
		return fmt.Errorf("its trial writes the journal in format %d, and %s, which a failed one falls back to, reads %v: install one that reads both before: %w", writes, j.running.Identity, reads, slot.ErrIncompatible)
	}
	return nil
}

// download fetches what is missing, after room and budgets were looked at.
func (j *job) download(ctx context.Context) (e Event, err error) {
	if j.opened {
		return Event{Detail: j.travel()}, nil
	}
	d := &download{job: j, told: map[string]bool{}}
	if err := d.plan(ctx); err != nil {
		return e, err
	}
	if err := j.affordable(ctx); err != nil {
		return e, err
	}
	err = d.frames(ctx)
	return Event{Detail: j.travel()}, err
}

// travel says how the release came, which never changes between two passes.
func (j *job) travel() string {
	var delta, full int64
	for _, t := range j.parts {
		for _, p := range t.packs() {
			for i, entry := range p.table.Entries {
				if n := int64(entry.Wire); t.wants(p)(i) && p == t.delta {
					delta += n
				} else if t.wants(p)(i) {
					full += n
				}
			}
		}
	}
	return fmt.Sprintf("%d bytes as differences, %d as whole frames", delta, full)
}

// affordable compares what is to be fetched with disk, link and budget.
func (j *job) affordable(ctx context.Context) error {
	var missing, whole int64
	for _, t := range j.parts {
		for _, p := range t.packs() {
			n := p.missing(t.wants(p))
			missing += n
			if p == t.full {
				whole += n
			}
		}
	}
	j.progress.expect(missing)
	if missing == 0 {
		return nil
	}
	if err := j.room(missing); err != nil {
		return err
	}
	agreed := j.stateNow().Spend
	switch {
	case whole > j.Policy.Budget && whole > agreed:
		return j.askSpend(ctx, whole)
	case j.Metered != nil && j.Metered() && !j.offer.Urgent && missing > j.Policy.Metered && missing > agreed:
		return j.askSpend(ctx, missing)
	}
	return nil
}

// room compares what download and slot will need with what is free.
func (j *job) room(missing int64) error {
	if j.Free == nil {
		return nil
	}
	free, err := j.Free()
	if err != nil {
		return fmt.Errorf("ask how much room there is: %w", err)
	}
	need := missing + 4<<20
	for _, c := range j.manifest.Components {
		need += c.Length
	}
	if free < need {
		return fmt.Errorf("%w: %d bytes are free, %d are needed", ErrSpace, free, need)
	}
	return nil
}

func (j *job) askSpend(ctx context.Context, n int64) error {
	r := j.request()
	r.Bytes = n
	a, err := j.Asker.Spend(ctx, r)
	if err != nil {
		return fmt.Errorf("ask about %d bytes: %w", n, err)
	}
	if !a.Agreed {
		return fmt.Errorf("%w: %d bytes are more than may be fetched without asking", ErrWaiting, n)
	}
	if err := j.record(ctx, Event{Stage: Downloaded, Outcome: Begun, Person: a.Person, Consent: a.Signed, Detail: fmt.Sprintf("%d bytes agreed to", n)}); err != nil {
		return err
	}
	return j.change(func(s *state) { s.Spend = n })
}

// key derives the key of a pack, nil where packs are not sealed.
func (j *job) key(ctx context.Context, c *manifest.Component, p *manifest.Pack) (*frame.Key, error) {
	if j.Keys == nil {
		return nil, nil
	}
	if j.content == nil {
		k, err := j.Keys.Content(ctx, j.manifest)
		if err != nil {
			return nil, fmt.Errorf("content key: %w", err)
		}
		j.content = k
	}
	var from manifest.Digest
	if p.From != nil {
		from = *p.From
	}
	return frame.NewKey(j.content, j.manifest.Identity, c.Name, from, c.SHA256)
}

// transmission opens every frame from the disk and compares the components that they
// make with the manifest. Frames of a delta that do not open are fetched whole, they
// alone; then there is nothing else to try.
func (j *job) transmission(ctx context.Context) (e Event, err error) {
	done := Event{Detail: fmt.Sprintf("%d components as the manifest says", len(j.parts))}
	if j.opened {
		return done, nil
	}
	for range 3 { // as it came; mended from the source; mended from the whole pack
		bad := 0
		for _, t := range j.parts {
			n, err := j.openPart(t)
			if err != nil {
				return e, fmt.Errorf("%s: %w", t.Name, err)
			}
			bad += n
		}
		if j.opened = bad == 0; j.opened {
			return done, nil
		}
		if err := j.again(ctx, bad); err != nil {
			return e, err
		}
	}
	return e, fmt.Errorf("%w: it is not what the manifest says", ErrRejected)
}

// again fetches frames that did not open.
func (j *job) again(ctx context.Context, bad int) error {
	if err := j.record(ctx, Event{Stage: Transmission, Outcome: Failed, Detail: fmt.Sprintf("%d frames do not verify; they alone are fetched again", bad)}); err != nil {
		return err
	}
	d := &download{job: j, told: map[string]bool{}}
	for _, t := range j.parts {
		if t.delta == nil && !t.same || t.delta != nil && slices.Contains(t.bad, true) {
			if err := d.needFull(ctx, t); err != nil {
				return fmt.Errorf("%s: %w", t.Name, err)
			}
		}
	}
	if err := j.affordable(ctx); err != nil {
		return err
	}
	return d.frames(ctx)
}

// authenticity reads the papers from the disk and checks them again.
func (j *job) authenticity(context.Context) (e Event, err error) {
	encoded, err := j.paper(slot.ManifestFile)
	if err != nil {
		return e, err
	}
	note, err := j.paper(slot.NoteFile)
	if err != nil {
		return e, err
	}
	var proof []byte
	if j.Check.Log != nil {
		if proof, err = j.paper(slot.ProofFile); err != nil {
			return e, err
		}
	}
	_, met, _ := j.Check.Policy.Verify(encoded, note) // the names; signed says whether they suffice
	return Event{Detail: fmt.Sprintf("signed by %q", met)}, j.signed(encoded, note, proof)
}

func (j *job) paper(name string) ([]byte, error) {
	return durable.ReadFile(j.FS, j.staging.path(name), manifest.MaxBytes)
}

func (j *job) compatibility(context.Context) (Event, error) {
	return Event{Detail: fmt.Sprintf("counter %d over %d", j.manifest.Counter, j.table.Highest[slot.ScopeOf(j.manifest.Scope)])}, j.fits()
}

func (j *job) certification(context.Context) (Event, error) {
	detail, err := j.Trust.Approved(j.manifest, j.digest, j.Now())
	return Event{Detail: detail}, err
}

// deadline is when an update has to be installed.
func (j *job) deadline() time.Time {
	last := j.stateNow().Announced.Add(j.Policy.Postpone)
	if d := j.offer.Deadline; !d.IsZero() && d.Before(last) {
		return d
	}
	return last
}

func (j *job) request() Request {
	d := j.deadline()
	return Request{Manifest: j.manifest, Digest: j.digest, Deadline: d, Urgent: j.offer.Urgent, Overdue: j.Now().After(d)}
}

// byPolicy is who agrees where no person has to.
const byPolicy = "policy"

// consent takes what was agreed to before, asks, or lets the policy decide.
func (j *job) consent(ctx context.Context) (e Event, err error) {
	r, s := j.request(), j.stateNow()
	switch {
	case s.Agreed != nil:
		return Event{Person: s.Agreed.Person, Consent: s.Agreed.Signed}, nil
	case !j.Policy.Consent:
		return j.agree(Answer{Person: byPolicy})
	case r.Overdue && j.Policy.AtEnd == Install:
		e, err = j.agree(Answer{Person: byPolicy})
		e.Detail = "put off until its deadline"
		return e, err
	case j.Now().Before(s.AskAfter) && !r.Overdue && !r.Urgent:
		return e, fmt.Errorf("%w: put off until %s", ErrWaiting, s.AskAfter.UTC().Format(time.DateTime))
	}
	a, err := j.Asker.Consent(ctx, r)
	if err != nil {
		return e, fmt.Errorf("ask for consent: %w", err)
	}
	if a.Agreed {
		return j.agree(a)
	}
	if !a.Later.Equal(s.AskAfter) {
		err = j.change(func(s *state) { s.AskAfter = a.Later })
	}
	return Event{Person: a.Person}, errors.Join(fmt.Errorf("%w: nobody has agreed yet", ErrWaiting), err)
}

func (j *job) agree(a Answer) (Event, error) {
	err := j.change(func(s *state) { s.Agreed = &Agreement{Person: a.Person, Time: j.Now().UTC(), Signed: a.Signed} })
	return Event{Person: a.Person, Consent: a.Signed}, err
}

// gate holds an activation back while it would touch a sale, a day or data that are
// nowhere else.
func (j *job) gate(ctx context.Context) (e Event, err error) {
	h, err := j.Gate.Hold(ctx)
	switch {
	case err != nil:
		return e, fmt.Errorf("ask what the till is doing: %w", err)
	case h.OpenSale:
		return e, fmt.Errorf("%w: a sale is open", ErrWaiting)
	case h.OpenDay && j.Policy.ClosedDay:
		return e, fmt.Errorf("%w: the day is not closed", ErrWaiting)
	case h.UnsafeData:
		return e, fmt.Errorf("%w: the journal is not yet safe elsewhere", ErrWaiting)
	}
	return e, nil
}

// installed is the component of that name in the slot that runs.
func (j *job) installed(name string) *manifest.Component {
	if j.running == nil {
		return nil
	}
	return j.running.Component(name)
}

// readInstalled reads what runs; a manifest that cannot be read only means that
// nothing of it is reused.
func (j *job) readInstalled() error {
	data, err := durable.ReadFile(j.FS, path.Join(j.active, slot.ManifestFile), manifest.MaxBytes)
	if err != nil || manifest.Sum(data) != j.table.Manifests[j.table.Active] {
		j.running = nil
		return nil
	}
	j.running, err = manifest.Parse(data)
	return wrap("read what is installed", err)
}
