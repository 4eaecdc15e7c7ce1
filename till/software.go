package till

import (
	"cmp"
	"slices"
	"time"

	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/staff"
)

// SoftwareState is what the screen shows of the software and its updates. Times are
// RFC 3339 UTC, digests hexadecimal.
type SoftwareState struct {
	Identity  string       `json:"identity"` // of the release that runs; empty: not started by the launcher
	Version   string       `json:"version"`
	Counter   uint64       `json:"counter"`
	Slot      string       `json:"slot"`
	Trial     bool         `json:"trial"` // not kept yet
	Update    *UpdateState `json:"update"`
	Last      *LastUpdate  `json:"last"`
	Withdrawn []Withdrawal `json:"withdrawn"`
	Freshness Freshness    `json:"freshness"`
	Managed   bool         `json:"managed"` // false: nothing of the update runs here
	Asked     *CheckState  `json:"asked"`   // the last question by a person since the start, null: none
	// Stopped is the code with which a new sale is refused now; empty: it is not.
	Stopped string `json:"stopped"`
	// Platform is the operating system below the till, null where it is not looked after.
	Platform *PlatformState `json:"platform"`
}

// PlatformState is what the screen shows of the operating system.
type PlatformState struct {
	Identity string `json:"identity"` // of the release that runs
	Counter  uint64 `json:"counter"`
}

// UpdateState is a release on its way.
type UpdateState struct {
	Of        string    `json:"of,omitzero"` // OfPlatform, or empty: the till's own
	Identity  string    `json:"identity"`
	Counter   uint64    `json:"counter"`
	Digest    string    `json:"digest"`
	Legal     bool      `json:"legal"`
	Consent   string    `json:"consent"` // what is confirmed, in the shop's language
	Stage     string    `json:"stage"`   // the last one that was passed
	Bytes     int64     `json:"bytes"`
	Total     int64     `json:"total"`
	Deadline  time.Time `json:"deadline,omitzero"`
	Overdue   bool      `json:"overdue"`
	Urgent    bool      `json:"urgent"`
	Waiting   Waiting   `json:"waiting"`
	Detail    string    `json:"detail"`
	Spend     int64     `json:"spend"`     // bytes to agree to
	MayDecide bool      `json:"mayDecide"` // this session, with its PIN or somebody's approval
	Agreed    bool      `json:"agreed"`
	Later     time.Time `json:"later,omitzero"` // put off until then; it can be agreed to before
}

// LastUpdate is what became of the last update.
type LastUpdate struct {
	Of       string    `json:"of,omitzero"` // OfPlatform, or empty: the till's own
	Identity string    `json:"identity"`
	From     string    `json:"from"`    // what ran before
	Outcome  string    `json:"outcome"` // "kept", "fallen-back", "rejected", "blocked"
	Time     time.Time `json:"time"`
	Detail   string    `json:"detail"`
	Index    uint64    `json:"index"` // of its entry
}

// softwareState is what a session sees. The book is held.
func (n *Node) softwareState(role staff.Role) SoftwareState {
	s := n.runningState()
	s.Managed = n.updating.updater != nil
	s.Freshness = n.updating.status.Freshness
	if w := n.updating.status.Withdrawn; w != nil {
		s.Withdrawn = w
	}
	if p := n.updating.status.Platform; p != nil {
		s.Platform = &PlatformState{p.Identity, p.Counter}
	}
	s.Last = n.lastUpdate()
	s.Update = n.updateState(role)
	s.Asked = n.updating.asked
	if r := n.softwareStop(); r != nil {
		s.Stopped = r.Code
	}
	return s
}

// runningState is what runs. A trial ends while the program runs.
func (n *Node) runningState() SoftwareState {
	s := SoftwareState{Version: n.opts.Software, Withdrawn: []Withdrawal{}}
	r := n.opts.Release
	if r == nil {
		return s
	}
	s.Identity, s.Counter, s.Slot = r.Identity, r.Counter, r.Slot
	u := n.state.Updates
	s.Trial = r.Trial && !keptBy(u, r.Manifest)
	return s
}

// keptBy reports whether a release was kept; the last update may be the platform's.
func keptBy(u *fiscal.Updates, manifest string) bool {
	return u != nil && slices.ContainsFunc(u.Stages, func(x fiscal.SeenStage) bool {
		return x.Stage == fiscal.StageKept && x.Outcome == fiscal.OutcomeDone && x.Manifest == manifest
	})
}

func (n *Node) lastUpdate() *LastUpdate {
	u := n.state.Updates
	if u == nil || u.Last == nil {
		return nil
	}
	l := u.Last
	if p := n.updating.status.Platform; p != nil && slices.Contains(p.Manifests, l.Manifest) {
		return &LastUpdate{Of: OfPlatform, Identity: l.Identity, Outcome: l.Outcome, Time: l.At, Detail: l.Detail, Index: l.Index}
	}
	return &LastUpdate{Identity: l.Identity, From: l.From, Outcome: l.Outcome, Time: l.At, Detail: l.Detail, Index: l.Index}
}

// updateState joins what the updater says with what people have decided.
func (n *Node) updateState(role staff.Role) *UpdateState {
	o := n.updating.status.Update
	if o == nil || n.refusedRelease(o.Digest) {
		return nil
	}
	u := &UpdateState{
		Of: o.Of, Identity: o.Identity, Counter: o.Counter, Digest: o.Digest, Legal: o.Legal, Consent: o.text(n.state.Shop.Language), Stage: o.Stage,
		Bytes: o.Bytes, Total: o.Total, Deadline: o.Deadline, Overdue: o.Overdue, Urgent: o.Urgent,
		Waiting: o.Waiting, Detail: o.Detail, Spend: o.Spend,
		MayDecide: n.state.Shop.Roles.Allowed(role, staff.SoftwareUpdate).Answer != staff.No,
	}
	if d, ok := n.state.Updates.Decision(o.Digest, fiscal.ForInstall); ok {
		u.Agreed, u.Later = d.Agreed, d.Until
	}
	return u
}

// refusedRelease reports whether a release was rejected and nothing more of it was
// heard since: then what is left to say is in LastUpdate.
func (n *Node) refusedRelease(manifest string) bool {
	u := n.state.Updates
	if u == nil || u.Last == nil || u.Last.Outcome != fiscal.OutcomeRejected || u.Last.Manifest != manifest {
		return false
	}
	for _, x := range u.Stages {
		if x.Manifest == manifest && x.Index > u.Last.Index {
			return false
		}
	}
	return true
}

// text is what is confirmed, in a language, else in English, else in any.
func (o *Offered) text(language string) string {
	any := ""
	for _, t := range o.Consent {
		any = max(any, t)
	}
	return cmp.Or(o.Consent[language], o.Consent["en"], any)
}

// softwareStop says why no new sale may begin, nil if one may. What the journal told
// before the last start counts until the updater has spoken: a start is no way out.
func (n *Node) softwareStop() *Refusal {
	if n.updating.retiring != nil {
		return refuse(Refused, "software-changing")
	}
	if n.blockedNow() {
		return refuse(Refused, "software-blocked")
	}
	if n.staleNow() {
		return refuse(Refused, "software-stale")
	}
	return nil
}

// changingWord tells also those who have not signed in that the till ends to start
// other software; empty: it does not.
func (n *Node) changingWord() string {
	if n.updating.retiring == nil {
		return ""
	}
	return "software-changing"
}

func (n *Node) blockedNow() bool {
	if !n.updating.known {
		return n.wasFailing(fiscal.StageWithdrawn)
	}
	for _, w := range n.updating.status.Withdrawn {
		if w.Blocks {
			return true
		}
	}
	return false
}

func (n *Node) staleNow() bool {
	if !n.updating.known {
		return n.wasFailing(fiscal.StageFreshness)
	}
	return n.updating.status.Freshness.StopSelling
}

// wasFailing reports whether selling was stopped when the last run ended. Another
// release than the one that was withdrawn may sell.
func (n *Node) wasFailing(stage string) bool {
	x := n.state.Updates.Seen(stage)
	if x == nil || x.Outcome != fiscal.OutcomeFailed {
		return false
	}
	r := n.opts.Release
	return x.Manifest == "" || r != nil && r.Manifest == x.Manifest
}

// newSale refuses to begin one while selling is stopped. Practice goes on.
func (c *call) newSale() error {
	if c.n.state.Ended != nil {
		return refuse(Refused, "decommissioned")
	}
	if c.n.state.Training {
		return nil
	}
	if r := c.n.softwareStop(); r != nil {
		return r
	}
	return nil
}

// How long an announcement is put off where nobody says until when, and at most; a
// deadline is not moved by it.
const (
	laterFor  = 4 * time.Hour
	laterMost = 14 * 24 * time.Hour
)

// checkSoftware asks what is released. The answer comes with the state.
func checkSoftware(c *call) error {
	u := &c.n.updating
	switch {
	case u.updater == nil:
		return refuse(Refused, "software-unmanaged")
	case u.asked != nil && u.asked.Running:
		return refuse(Refused, "software-asked")
	}
	c.record(&fiscal.SoftwareStage{By: c.who.ID, Stage: fiscal.StageAsked, Outcome: fiscal.OutcomeDone, At: atNow(c.now)})
	c.after(c.n.askUpdater)
	return nil
}

// atNow is a time as stages carry it.
func atNow(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }

type decisionArgs struct {
	Digest string `json:"digest"`
	For    string `json:"for"` // "install" or "spend"
}

type laterArgs struct {
	decisionArgs `json:",inline"`
	Until        time.Time `json:"until,omitzero"` // when to ask again; zero: after laterFor
}

// agreeSoftware is a person's consent to the release that is announced.
func agreeSoftware(c *call) error {
	in, err := args[decisionArgs](c)
	if err != nil {
		return err
	}
	b, err := c.decision(in)
	if err != nil {
		return err
	}
	if d, ok := c.n.state.Updates.Decision(b.Manifest, b.For); ok && d.Agreed && d.Bytes >= b.Bytes {
		return nil // said before
	}
	b.Agreed = true
	c.record(b)
	c.after(func() { c.n.pokeUpdater(c.n.wentOn) })
	return nil
}

// laterSoftware puts the question off.
func laterSoftware(c *call) error {
	in, err := args[laterArgs](c)
	if err != nil {
		return err
	}
	b, err := c.decision(in.decisionArgs)
	if err != nil {
		return err
	}
	if d, ok := c.n.state.Updates.Decision(b.Manifest, b.For); ok && d.Agreed {
		return refuse(Conflict, "software-agreed")
	}
	if b.Until, err = in.until(c.now, b.Deadline); err != nil {
		return err
	}
	c.record(b)
	return nil
}

// until is when to ask again: as wished, but not beyond the deadline.
func (in laterArgs) until(now, deadline time.Time) (time.Time, error) {
	wish := in.Until
	if wish.IsZero() {
		wish = now.Add(laterFor)
	}
	if !wish.After(now) {
		return wish, refuse(Invalid, "malformed")
	}
	last := now.Add(laterMost)
	if deadline.After(now) && deadline.Before(last) {
		last = deadline
	}
	if wish.After(last) {
		wish = last
	}
	return atNow(wish), nil
}

// decision is what a person is shown and decides about.
func (c *call) decision(in decisionArgs) (*fiscal.SoftwareConsent, error) {
	o := c.n.updating.status.Update
	switch {
	case in.For != fiscal.ForInstall && in.For != fiscal.ForSpend:
		return nil, refuse(Invalid, "malformed")
	case o == nil:
		return nil, refuse(Refused, "software-none")
	case o.Digest != in.Digest:
		return nil, refuse(Conflict, "software-other")
	case in.For == fiscal.ForSpend && o.Spend <= 0:
		return nil, refuse(Refused, "software-none")
	}
	language := c.shop().Language
	b := &fiscal.SoftwareConsent{
		Actor: c.actor(), Role: c.who.Role, For: in.For, Identity: o.Identity, Counter: o.Counter, Manifest: o.Digest,
		Language: language, Text: o.text(language), Deadline: atNow(o.Deadline),
	}
	if in.For == fiscal.ForSpend {
		b.Bytes = o.Spend
	}
	return b, nil
}
