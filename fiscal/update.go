package fiscal

import (
	"encoding/hex"
	"slices"
	"time"

	"github.com/plomb-pos/plomb/journal/proof"
	"github.com/plomb-pos/plomb/staff"
)

// The stages of an update, in order. Those from StageTrial on are the launcher's and
// come from its log; StageLauncher is any other line of it. StageFreshness and those
// after it belong to no single release.
const (
	StageAsked         = "asked" // a person asked the repositories
	StageAnnounced     = "announced"
	StageDownloaded    = "downloaded"
	StageTransmission  = "transmission"
	StageAuthenticity  = "authenticity"
	StageCompatibility = "compatibility"
	StageCertification = "certification"
	StageConsent       = "consent"
	StageGate          = "gate"
	StageInstalled     = "installed"
	StageVerified      = "verified"
	StagePointer       = "pointer"
	StageTrial         = "trial"
	StageKept          = "kept"
	StageFallenBack    = "fallen-back"
	StageBlocked       = "blocked"
	StageLauncher      = "launcher"
	StageFreshness     = "freshness" // of metadata and entitlement
	StageWithdrawn     = "withdrawn" // what runs was withdrawn, or no longer is
	StageMetadata      = "metadata"  // what the repositories' metadata were; failed: an older copy was put back
)

var softwareStages = []string{
	StageAsked, StageAnnounced, StageDownloaded, StageTransmission, StageAuthenticity, StageCompatibility, StageCertification,
	StageConsent, StageGate, StageInstalled, StageVerified, StagePointer, StageTrial, StageKept, StageFallenBack, StageBlocked,
	StageLauncher, StageFreshness, StageWithdrawn, StageMetadata,
}

// SoftwareStages lists the stages in order.
func SoftwareStages() []string { return slices.Clone(softwareStages) }

// The outcomes of a stage.
const (
	OutcomeBegun    = "begun" // of a stage that changes what starts, before it does
	OutcomeDone     = "done"
	OutcomeWaiting  = "waiting"  // for a person, a closed day, a better time
	OutcomeFailed   = "failed"   // is tried again; of freshness and withdrawal: selling stops
	OutcomeRejected = "rejected" // the software is refused
)

var softwareOutcomes = []string{OutcomeBegun, OutcomeDone, OutcomeWaiting, OutcomeFailed, OutcomeRejected}

// SoftwareStage is a step of an update (requirement DL-09), recorded before the next
// one begins, or a line of the launcher's log, which has no journal of its own.
type SoftwareStage struct {
	plain
	By       staff.ID  `json:"by,omitzero"`     // who decided
	Policy   bool      `json:"policy,omitzero"` // the deployer's policy decided, nobody was asked
	Stage    string    `json:"stage"`
	Outcome  string    `json:"outcome"`
	At       time.Time `json:"at"`                // when it happened, UTC, milliseconds; of a launcher's line its own time
	Identity string    `json:"identity,omitzero"` // 18 characters (requirements FM-10, FM-11); empty: no single release
	Counter  uint64    `json:"counter,omitzero"`
	Manifest string    `json:"manifest,omitzero"` // SHA-256, hexadecimal
	Detail   string    `json:"detail,omitzero"`   // why, from where, how much
	Consent  *uint64   `json:"consent,omitzero"`  // index of the software-consent that it rests on
	Line     uint64    `json:"line,omitzero"`     // sequence in the launcher's log
	// Again is the index of an entry that says the same, made before the program was
	// last started: power was cut between that entry and the next step, so that the
	// step was told a second time.
	Again *uint64 `json:"again,omitzero"`
	// Metadata are those that the device had seen by then, where they are others than
	// when that was last said.
	Metadata *Metadata `json:"metadata,omitzero"`
}

// Kind is software-stage.
func (*SoftwareStage) Kind() proof.Kind { return KindSoftwareStage }

func (b *SoftwareStage) check(s *State) error {
	switch {
	case !slices.Contains(softwareStages, b.Stage):
		return refuse(CodeSoftware, "stage %.40q", b.Stage)
	case !slices.Contains(softwareOutcomes, b.Outcome):
		return refuse(CodeSoftware, "outcome %.40q", b.Outcome)
	case b.At.IsZero():
		return refuse(CodeSoftware, "stage %s without a time", b.Stage)
	case b.By != "" && b.Policy:
		return refuse(CodeSoftware, "stage %s is decided by a person and by policy", b.Stage)
	case b.Consent != nil && *b.Consent >= s.Size || b.Again != nil && *b.Again >= s.Size:
		return refuse(CodeReference, "stage %s refers to an entry that does not exist yet", b.Stage)
	}
	if err := b.Metadata.check(); err != nil {
		return err
	}
	return checkRelease(b.Identity, b.Manifest)
}

func (b *SoftwareStage) format() int {
	if b.Metadata != nil || b.Stage == StageMetadata {
		return 2
	}
	return LowestFormat
}

func checkRelease(identity, manifest string) error {
	raw, err := hex.DecodeString(manifest)
	switch {
	case err != nil || len(raw) != 0 && len(raw) != 32:
		return refuse(CodeSoftware, "manifest %.80q is no SHA-256", manifest)
	case identity != "" && len(identity) != 18:
		return refuse(CodeSoftware, "identity %.40q has not 18 characters", identity)
	}
	return nil
}

func (b *SoftwareStage) apply(s *State, h *proof.Head) error {
	u := s.Updates.clone()
	u.begin(b, s.running())
	u.see(b, h.Index)
	u.pointed(b)
	u.end(b, h.Index)
	u.keep(b, h.Index)
	s.Updates = u
	return nil
}

// same reports whether two tell the same, whenever they do.
func (b *SoftwareStage) same(o *SoftwareStage) bool {
	return b.By == o.By && b.Policy == o.Policy && b.Stage == o.Stage && b.Outcome == o.Outcome && b.Identity == o.Identity &&
		b.Counter == o.Counter && b.Manifest == o.Manifest && b.Detail == o.Detail && b.Line == o.Line
}

// What a person is asked about.
const (
	ForInstall = "install" // that the release is installed
	ForSpend   = "spend"   // that Bytes are fetched, more than the policy allows by itself
)

// SoftwareConsent is what a person decided about a release: what was shown to them,
// and what they said. Its checkpoint is signed by itself, as that of a receipt.
type SoftwareConsent struct {
	plain
	Actor
	Role     staff.Role `json:"role"`
	For      string     `json:"for"`
	Agreed   bool       `json:"agreed"`
	Until    time.Time  `json:"until,omitzero"` // not agreed: put off until then
	Identity string     `json:"identity"`
	Counter  uint64     `json:"counter"`
	Manifest string     `json:"manifest"` // SHA-256, hexadecimal; it binds every component
	Language string     `json:"language,omitzero"`
	Text     string     `json:"text,omitzero"`     // as it was shown
	Bytes    int64      `json:"bytes,omitzero"`    // of ForSpend
	Deadline time.Time  `json:"deadline,omitzero"` // that was shown
}

// Kind is software-consent.
func (*SoftwareConsent) Kind() proof.Kind { return KindSoftwareConsent }

func (b *SoftwareConsent) check(*State) error {
	switch {
	case b.For != ForInstall && b.For != ForSpend:
		return refuse(CodeSoftware, "consent for %.40q", b.For)
	case b.By == "" || b.Identity == "" || b.Manifest == "":
		return refuse(CodeSoftware, "consent without a person or a release")
	case b.Agreed == !b.Until.IsZero():
		return refuse(CodeSoftware, "consent is either given or put off until a time")
	}
	return checkRelease(b.Identity, b.Manifest)
}

func (b *SoftwareConsent) apply(s *State, h *proof.Head) error {
	u := s.Updates.clone()
	u.Decisions = slices.DeleteFunc(u.Decisions, func(d SoftwareDecision) bool { return d.Manifest == b.Manifest && d.For == b.For })
	u.Decisions = u.Decisions[max(0, len(u.Decisions)-maxDecisions+1):]
	by := b.By
	if b.Approver != "" {
		by = b.Approver
	}
	u.Decisions = append(u.Decisions, SoftwareDecision{
		Index: h.Index, Manifest: b.Manifest, For: b.For, Agreed: b.Agreed, By: by, Bytes: b.Bytes, Until: b.Until,
	})
	s.Updates = u
	return nil
}

// maxDecisions bounds what a state remembers: a platform and an application may be on
// their way at a time.
const maxDecisions = 8

// Updates is what a state remembers of updates: what a till has to know to tell each
// step once, and to say after a start what became of the last one.
type Updates struct {
	Identity  string             `json:"identity,omitzero"` // of the release that a stage was last about
	Counter   uint64             `json:"counter,omitzero"`
	Manifest  string             `json:"manifest,omitzero"`
	From      string             `json:"from,omitzero"`    // what ran when it was first heard of
	Stages    []SeenStage        `json:"stages,omitempty"` // the last of each stage of this release and the one before, in the order of recording
	Decisions []SoftwareDecision `json:"decisions,omitempty"`
	Pointed   *SoftwareRef       `json:"pointed,omitzero"` // that the launcher was last told to try
	Line      *LauncherLine      `json:"line,omitzero"`    // that was recorded last
	Last      *UpdateEnd         `json:"last,omitzero"`
	Metadata  []SeenMetadata     `json:"metadata,omitempty"` // the last of each scope
}

// SeenStage is a stage with its place.
type SeenStage struct {
	Index uint64 `json:"index"`
	SoftwareStage
}

// SoftwareDecision is what a person said, and still counts.
type SoftwareDecision struct {
	Index    uint64    `json:"index"` // of the software-consent
	Manifest string    `json:"manifest"`
	For      string    `json:"for"`
	Agreed   bool      `json:"agreed"`
	By       staff.ID  `json:"by"` // who answers for it: who approved, where somebody had to
	Bytes    int64     `json:"bytes,omitzero"`
	Until    time.Time `json:"until,omitzero"`
}

// SoftwareRef names a release.
type SoftwareRef struct {
	Identity string `json:"identity"`
	Counter  uint64 `json:"counter"`
	Manifest string `json:"manifest"`
	From     string `json:"from,omitzero"`
}

// LauncherLine is a line of the launcher's log.
type LauncherLine struct {
	Sequence uint64    `json:"sequence"`
	At       time.Time `json:"at"`
}

// UpdateEnd is what became of an update.
type UpdateEnd struct {
	Index    uint64    `json:"index"`
	Identity string    `json:"identity,omitzero"`
	Manifest string    `json:"manifest,omitzero"`
	From     string    `json:"from,omitzero"`
	Outcome  string    `json:"outcome"` // "kept", "fallen-back", "rejected", "blocked"
	At       time.Time `json:"at"`
	Detail   string    `json:"detail,omitzero"`
}

// clone shares nothing that begin, see, pointed and end change.
func (u *Updates) clone() *Updates {
	if u == nil {
		return new(Updates)
	}
	c := *u
	c.Stages, c.Decisions, c.Metadata = slices.Clone(u.Stages), slices.Clone(u.Decisions), slices.Clone(u.Metadata)
	return &c
}

// running names what runs, for the history.
func (s *State) running() string {
	if s.Release != nil {
		return s.Release.Identity
	}
	return s.Software
}

// begin makes u about another release. The launcher's lines come later than what they
// are about and begin nothing.
func (u *Updates) begin(b *SoftwareStage, running string) {
	if b.Line > 0 || b.Manifest == "" || b.Manifest == u.Manifest || b.Stage == StageWithdrawn {
		return
	}
	before := u.Manifest // another scope's update may be under way beside
	u.Identity, u.Counter, u.Manifest, u.From = b.Identity, b.Counter, b.Manifest, running
	u.Stages = slices.DeleteFunc(u.Stages, func(x SeenStage) bool {
		return x.Manifest != "" && x.Manifest != before && x.Manifest != b.Manifest && x.Stage != StageWithdrawn
	})
}

func (u *Updates) see(b *SoftwareStage, index uint64) {
	u.Stages = slices.DeleteFunc(u.Stages, func(x SeenStage) bool {
		return x.Stage == b.Stage && (x.Manifest == b.Manifest || b.Stage == StageWithdrawn)
	})
	seen := SeenStage{Index: index, SoftwareStage: *b}
	seen.Metadata = nil // kept once, beside
	u.Stages = append(u.Stages, seen)
	if b.Line > 0 {
		u.Line = &LauncherLine{Sequence: b.Line, At: b.At}
	}
}

// pointed notes what the launcher is to try. The consent to it is used up then, and
// so it is when a trial fails: another one is asked for anew.
func (u *Updates) pointed(b *SoftwareStage) {
	if b.Stage == StagePointer && b.Manifest != "" {
		u.Pointed = &SoftwareRef{Identity: b.Identity, Counter: b.Counter, Manifest: b.Manifest, From: u.From}
	}
	used := b.Stage == StagePointer && b.Outcome == OutcomeDone || b.Stage == StageTrial && b.Outcome == OutcomeFailed || b.Stage == StageFallenBack
	if used {
		u.Decisions = slices.DeleteFunc(u.Decisions, func(d SoftwareDecision) bool { return d.Manifest == b.Manifest && d.For == ForInstall })
	}
}

// end notes what became of an update.
func (u *Updates) end(b *SoftwareStage, index uint64) {
	outcome := ""
	switch {
	case b.Outcome == OutcomeRejected:
		outcome = OutcomeRejected
	case b.Outcome == OutcomeDone && (b.Stage == StageKept || b.Stage == StageFallenBack || b.Stage == StageBlocked):
		outcome = b.Stage
	default:
		return
	}
	u.Last = &UpdateEnd{Index: index, Identity: b.Identity, Manifest: b.Manifest, Outcome: outcome, At: b.At, Detail: b.Detail}
	if p := u.Pointed; p != nil && p.Manifest == b.Manifest {
		u.Last.From = p.From
	} else if u.Manifest == b.Manifest {
		u.Last.From = u.From
	}
}

// Seen is the entry of a stage that was recorded last, of whatever release, nil if
// there is none. It may be asked of nil.
func (u *Updates) Seen(stage string) *SeenStage {
	return u.find(func(x *SeenStage) bool { return x.Stage == stage })
}

// find is the last stage that fits.
func (u *Updates) find(fits func(*SeenStage) bool) *SeenStage {
	if u == nil {
		return nil
	}
	for i := len(u.Stages) - 1; i >= 0; i-- {
		if x := &u.Stages[i]; fits(x) {
			return x
		}
	}
	return nil
}

// Told says whether an event is recorded already: the entry that tells the same, with
// the same time or another one. Of the launcher's lines none is told twice, and a line
// is known by its number and time.
func (u *Updates) Told(b *SoftwareStage) (entry *SeenStage, sameTime bool) {
	x := u.find(func(x *SeenStage) bool { return x.Stage == b.Stage && x.Manifest == b.Manifest })
	if x == nil || !x.same(b) {
		return nil, false
	}
	return x, x.At.Equal(b.At)
}

// Decision is what a person said about a release and still counts. It may be asked of
// nil.
func (u *Updates) Decision(manifest, what string) (SoftwareDecision, bool) {
	if u == nil {
		return SoftwareDecision{}, false
	}
	i := slices.IndexFunc(u.Decisions, func(d SoftwareDecision) bool { return d.Manifest == manifest && d.For == what })
	if i < 0 {
		return SoftwareDecision{}, false
	}
	return u.Decisions[i], true
}
