// Package update is the agent that brings a device from the version it runs to the
// one that maker and authorities released, while sales go on, through whatever
// happens to power, network and disk.
//
// An update passes stages, in this order: announced, downloaded, transmission,
// authenticity, compatibility, certification, consent, gate, installed, verified,
// pointer; the launcher (cmd/plomb-boot) then tries, keeps, falls back or blocks.
// Each is recorded before the next begins, and so is everything that fails, is
// refused or has to wait. Each check is made again by a later stage from the bytes
// on disk.
//
//	agent, err := update.New(update.Config{...})
//	go agent.Run(ctx)       // asks by itself, now and then
//	result, err := agent.Update(ctx) // or on demand
//
// # Parties
//
// The agent sees its till through small interfaces: Truster (what is released and
// whether it may be installed), Source (bytes by name, from a server, another till
// of the shop, a stick), Recorder (the journal), Gate (open sale, unclosed day),
// Authoriser (the seal), Asker (the person at the till), Keys (the content key).
// No source is trusted: they all pass the same checks.
//
// # Folders
//
// Below the root of the launcher's device the agent owns download/ and, while it
// installs, the slot that is not active:
//
//	download/manifest.json, manifest.note, log.proof   what was announced
//	download/state.json                                consent, deadline, attempts
//	download/0.table, 0.pack, 0.full.table, ...        frames, as they travel
//	download/0.pack.begun                              where a frame was cut
//
// A pack on disk is its own journal: the table names the hash of each frame, so
// after a cut what is there is found by reading it. No frame that verifies is
// fetched again, and no list can be out of step with the bytes.
//
// # Promises
//
// The slot that runs is never written. The pointer changes only after the other slot
// was written, synced, closed, opened again and verified whole. Power cut, full disk
// or read error at any point leave the old version or the new one, whole. Memory is
// that of a frame and its window (package update/frame), whatever a source sends.
//
// # What it does not do
//
// It starts nothing and keeps nothing: that is the launcher's. It does not fetch TUF
// metadata (package update/trust). Frames of an interrupted download are lost when
// another release takes its place.
//
// docs/design/0004-update.md, sections 4 and 5.
package update

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/plomb-pos/plomb/update/manifest"
)

// Stage is a step of an update.
type Stage string

// The stages, in order. Those from Trial on are the launcher's and come from its
// log; Launcher is any other line of it.
const (
	Announced     Stage = "announced"
	Downloaded    Stage = "downloaded"
	Transmission  Stage = "transmission"
	Authenticity  Stage = "authenticity"
	Compatibility Stage = "compatibility"
	Certification Stage = "certification"
	Consented     Stage = "consent"
	Gated         Stage = "gate"
	Installed     Stage = "installed"
	Verified      Stage = "verified"
	Pointed       Stage = "pointer"
	Trial         Stage = "trial"
	Kept          Stage = "kept"
	FallenBack    Stage = "fallen back"
	Blocked       Stage = "blocked"
	Launcher      Stage = "launcher"
	Freshness     Stage = "freshness" // of metadata and entitlement; see Agent.Freshness
)

// Outcome is how a stage went.
type Outcome string

// The outcomes.
const (
	Begun    Outcome = "begun" // of a stage that changes what starts, before it does
	Done     Outcome = "done"
	Waiting  Outcome = "waiting"  // for a person, a closed day, a better time
	Failed   Outcome = "failed"   // is tried again
	Rejected Outcome = "rejected" // the software is refused
)

// Event is one line of an update's history (requirement DL-09).
type Event struct {
	Time     time.Time         `json:"time"`
	Stage    Stage             `json:"stage"`
	Outcome  Outcome           `json:"outcome"`
	Identity manifest.Identity `json:"identity,omitzero"`
	Counter  uint64            `json:"counter,omitzero"`
	Digest   manifest.Digest   `json:"digest,omitzero"`   // of the manifest
	Person   string            `json:"person,omitzero"`   // who decided; empty: nobody did
	Detail   string            `json:"detail,omitzero"`   // why, from where, how much
	Consent  []byte            `json:"consent,omitempty"` // what the person agreed to, as signed
	Line     uint64            `json:"line,omitzero"`     // sequence in the launcher's log
}

// Recorder keeps the history.
type Recorder interface {
	// Record returns nil when the event survives a loss of power. The agent goes on
	// only then; an event may be recorded twice when the power is cut after it.
	Record(ctx context.Context, e Event) error
}

// Offer is a release that the device is to install.
type Offer struct {
	Manifest []byte    // as signed
	Note     []byte    // signatures of all parties
	Proof    []byte    // that it was logged; nil where none is asked for
	Urgent   bool      // asks for bandwidth, and for consent with more weight
	Deadline time.Time // when it has to be installed; zero: as Policy.Postpone says
	Attempts int       // how often it may fail here, at most Policy.Attempts; 0: so often
}

// Truster decides what is released for this device. The agent asks it from one
// goroutine at a time.
type Truster interface {
	// Find asks the repositories. A nil offer says that there is nothing to do.
	Find(ctx context.Context) (*Offer, error)
	// Approved decides, from what is stored on the device, whether a release may be
	// installed at a time: certificate valid, in scope, not withdrawn, metadata not
	// expired. The detail names certificate and body.
	Approved(m *manifest.Manifest, digest manifest.Digest, now time.Time) (detail string, err error)
	// Valid says until when what is stored is good.
	Valid() Validity
}

// Validity is until when a device's knowledge is good; zero times never run out.
type Validity struct {
	Metadata    time.Time // freshness of the repositories
	Entitlement time.Time // the right to run this software
}

// Source gives the files of a repository: tables/SHA256, packs/SHA256. It is not
// trusted.
type Source interface {
	// Open gives length bytes of a file from offset on. It may give less (a relay
	// that has not more) or more; the agent reads length at most.
	Open(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error)
	// String names the source for the history.
	String() string
}

// Hold is what may hold an activation back.
type Hold struct {
	OpenSale   bool // always does
	OpenDay    bool // does where the country profile says so (Policy.ClosedDay)
	UnsafeData bool // the journal is not yet safe elsewhere; always does
}

// Gate knows the state of the till.
type Gate interface {
	Hold(ctx context.Context) (Hold, error)
}

// Request is what a decision is about.
type Request struct {
	Manifest *manifest.Manifest
	Digest   manifest.Digest
	Deadline time.Time // zero: none
	Urgent   bool
	Overdue  bool  // the deadline has passed
	Bytes    int64 // for Spend
}

// Answer is what a person decided.
type Answer struct {
	Agreed bool
	Person string
	Signed []byte    // what was agreed to, signed by the till for the person
	Later  time.Time // when not agreed: not to be asked before
}

// Forgetter is a Truster that keeps times of its own, which a person may declare wrong
// (Agent.ForgetTime).
type Forgetter interface{ ForgetTime() error }

// Asker is the screen. It answers at once with what has been decided so far and does
// not wait for a person: not agreed is no error. After a start it is asked again.
type Asker interface {
	Consent(ctx context.Context, r Request) (Answer, error) // to install
	Spend(ctx context.Context, r Request) (Answer, error)   // to fetch Bytes, more than the budget
}

// Authoriser is the seal: what changes the software is done under an authorisation.
type Authoriser interface {
	// Authorise names who authorised an installation. An error that wraps ErrWaiting
	// says that nobody has yet; another one counts as a failed attempt.
	Authorise(ctx context.Context, r Request) (person string, err error)
}

// Keys gives content keys of releases.
type Keys interface {
	// Content is the key of a release, frame.KeySize bytes, from the device's
	// entitlement.
	Content(ctx context.Context, m *manifest.Manifest) ([]byte, error)
}

// Errors that callers tell apart.
var (
	ErrWaiting  = errors.New("waiting")           // nothing is wrong; later
	ErrRejected = errors.New("software rejected") // by a check
	ErrClock    = errors.New("the clock is in doubt: nothing is installed")
	ErrBusy     = errors.New("an update is in progress")
	ErrSpace    = errors.New("not enough room on the disk")
)
