package fiscal

import (
	"time"

	"github.com/plomb-pos/plomb/journal/proof"
)

// Release is the released software that a program came with, as it lay in the slot
// that the launcher had verified and started.
type Release struct {
	Identity    string   `json:"identity"` // 18 characters (requirement FM-11)
	Scope       string   `json:"scope"`
	Counter     uint64   `json:"counter"`
	Legal       bool     `json:"legal"`                // legally relevant
	Certificate string   `json:"certificate,omitzero"` // number of the type examination certificate
	Manifest    string   `json:"manifest"`             // SHA-256, hexadecimal; it binds every component
	Signers     []string `json:"signers,omitempty"`    // parties of the boot policy whose signatures verified
	Approved    string   `json:"approved,omitzero"`    // identity of the release whose legally relevant part it has unchanged; empty: its own
	Slot        string   `json:"slot"`
	Trial       bool     `json:"trial,omitzero"` // not kept yet
}

// Same says whether two are one release. Where one is not known nothing speaks
// against it.
func (r *Release) Same(other *Release) bool {
	return r == nil || other == nil || r.Manifest == other.Manifest
}

// format accepts nil.
func (r *Release) format() int {
	if r != nil && r.Approved != "" {
		return 2
	}
	return LowestFormat
}

// In is what of a release can be written in a format; nil stays nil. The manifest binds
// what is left out.
func (r *Release) In(format int) *Release {
	if r.format() <= format {
		return r
	}
	out := *r
	out.Approved = ""
	return &out
}

// SoftwareStart is the program starting.
type SoftwareStart struct {
	plain
	Version string   `json:"version"`
	Hash    string   `json:"hash,omitzero"`    // SHA-256 of the program, hexadecimal
	Clean   bool     `json:"clean"`            // the last run ended in order
	Release *Release `json:"release,omitzero"` // nil: not started by the launcher
}

// Kind is software-start.
func (*SoftwareStart) Kind() proof.Kind { return KindSoftwareStart }

func (b *SoftwareStart) format() int { return b.Release.format() }
func (b *SoftwareStart) apply(s *State, _ *proof.Head) error {
	s.Software, s.Release = b.Version, b.Release
	return nil
}

// The changes that a start tells of.
const (
	ChangeInstalled  = "installed"   // another program runs, not as a trial
	ChangeTrial      = "trial"       // another release runs, and is not kept yet
	ChangeConfirmed  = "confirmed"   // the release that ran as a trial runs for good
	ChangeFallenBack = "fallen-back" // a release from before runs again
)

// SoftwareChange is what a start says of another version than ran before: one entry
// for each change of what runs. How it came about is told by the steps of the update
// (SoftwareStage), and what runs by the starts themselves.
type SoftwareChange struct {
	plain
	Actor
	Old     string   `json:"old"`
	New     string   `json:"new"`
	Stage   string   `json:"stage"` // one of the changes; "refused" in old journals
	Why     string   `json:"why,omitzero"`
	Hash    string   `json:"hash,omitzero"` // of the release manifest
	Release *Release `json:"release,omitzero"`
}

// NewSoftwareChange compares what starts with what ran last, nil where that is the
// same.
func (s *State) NewSoftwareChange(start *SoftwareStart) *SoftwareChange {
	stage := s.changeTo(start)
	if stage == "" {
		return nil
	}
	c := &SoftwareChange{Old: s.Software, New: start.Version, Stage: stage, Release: start.Release}
	if start.Release != nil {
		c.Hash = start.Release.Manifest
	}
	return c
}

// changeTo names the change that a start is; "" is none.
func (s *State) changeTo(start *SoftwareStart) string {
	was, is := s.Release, start.Release
	switch {
	case s.Software == "":
		return ""
	case was != nil && is != nil && was.Manifest == is.Manifest:
		if was.Trial && !is.Trial {
			return ChangeConfirmed
		}
		return ""
	case is != nil && is.Trial:
		return ChangeTrial
	case s.Software == start.Version && was.Same(is):
		return ""
	case was != nil && is != nil && (was.Trial || is.Counter < was.Counter):
		return ChangeFallenBack
	}
	return ChangeInstalled
}

// Kind is software-change.
func (*SoftwareChange) Kind() proof.Kind { return KindSoftwareChange }

func (b *SoftwareChange) format() int { return b.Release.format() }

// SoftwareRun is one program running, with all its starts in a row.
type SoftwareRun struct {
	Index   uint64    // of the entry that tells: the first start, or the journal's first entry
	From    time.Time // of that entry
	Until   time.Time // when another program was first heard of; zero: it is the last
	Seen    time.Time // of the last entry that it wrote
	Starts  int
	Version string
	Program string // SHA-256, hexadecimal; empty: not recorded
	Release *Release
}

// SoftwareEvent is a software-change with its place.
type SoftwareEvent struct {
	Index uint64
	Time  time.Time
	SoftwareChange
}

// SoftwareStep is a software-stage with its place.
type SoftwareStep struct {
	Index uint64
	Time  time.Time // of the entry
	SoftwareStage
}

// SoftwareSaid is a software-consent with its place.
type SoftwareSaid struct {
	Index uint64
	Time  time.Time
	SoftwareConsent
}

// SoftwareHistory tells which software ran, and how it came to run (requirement
// DL-10). It is fed all entries of a journal in order.
type SoftwareHistory struct {
	Runs     []SoftwareRun
	Changes  []SoftwareEvent
	Steps    []SoftwareStep // of updates; those that tell again what was told are left out
	Consents []SoftwareSaid
	Unread   uint64 // entries whose contents could not be read: they may have told more
}

// Entry takes the next entry. The body of an entry that tells nothing of software is
// not looked at.
func (h *SoftwareHistory) Entry(head *proof.Head, body []byte) {
	at := time.UnixMilli(head.Time).UTC()
	switch head.Kind {
	case KindCommission, KindEpoch, KindDeviceHost, KindSoftwareStart, KindSoftwareChange, KindSoftwareStage, KindSoftwareConsent:
		b, err := Decode(head.Kind, body)
		if err != nil {
			h.Unread++
			return
		}
		h.body(head.Index, at, b)
	}
	if n := len(h.Runs); n > 0 {
		h.Runs[n-1].Seen = at
	}
}

// Missing counts an entry that cannot be read.
func (h *SoftwareHistory) Missing() { h.Unread++ }

func (h *SoftwareHistory) body(index uint64, at time.Time, b Body) {
	switch b := b.(type) {
	case *Commission:
		h.run(SoftwareRun{Index: index, From: at, Version: b.Software})
	case *Epoch:
		h.run(SoftwareRun{Index: index, From: at, Version: b.Software})
	case *DeviceHost:
		h.run(SoftwareRun{Index: index, From: at, Version: b.Software})
	case *SoftwareStart:
		h.run(SoftwareRun{Index: index, From: at, Version: b.Version, Program: b.Hash, Release: b.Release, Starts: 1})
	case *SoftwareChange:
		h.Changes = append(h.Changes, SoftwareEvent{Index: index, Time: at, SoftwareChange: *b})
	case *SoftwareStage:
		if b.Again == nil {
			h.Steps = append(h.Steps, SoftwareStep{Index: index, Time: at, SoftwareStage: *b})
		}
	case *SoftwareConsent:
		h.Consents = append(h.Consents, SoftwareSaid{Index: index, Time: at, SoftwareConsent: *b})
	}
}

// run goes on with the last run or begins another.
func (h *SoftwareHistory) run(r SoftwareRun) {
	if len(h.Runs) == 0 {
		h.Runs = append(h.Runs, r)
		return
	}
	last := &h.Runs[len(h.Runs)-1]
	switch {
	case last.same(&r):
		last.Starts += r.Starts
	case last.Starts == 0 && last.Version == r.Version: // the start says more of what began the journal
		r.From = last.From
		*last = r
	case r.Starts == 0 && last.Version == r.Version: // a new epoch, by the program that was there
	default:
		last.Until = r.From
		h.Runs = append(h.Runs, r)
	}
}

func (r *SoftwareRun) same(o *SoftwareRun) bool {
	if (r.Release == nil) != (o.Release == nil) {
		return false
	}
	if r.Release != nil && (r.Release.Manifest != o.Release.Manifest || r.Release.Trial != o.Release.Trial || r.Release.Slot != o.Release.Slot) {
		return false
	}
	return r.Version == o.Version && r.Program == o.Program
}
