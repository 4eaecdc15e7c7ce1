// Package trust decides which releases a device may install. Below lie TUF
// repositories, one of the maker and one of each approval authority (The Update
// Framework 1.0.31, with go-tuf's metadata and trustedmetadata); above lies a
// policy that denies by default.
//
//	p, err := trust.ParsePolicy(data)
//	t, err := trust.Open(trust.Config{Policy: p, Anchors: roots, Sources: mirrors, FS: durable.OS{}, Dir: "boot/trust"})
//	err = t.Refresh(ctx)
//	for _, digest := range t.Releases() {
//		d := t.Decide(ctx, digest, device)
//		if d.Allowed() { … d.Manifest … }
//	}
//
// # Promises
//
// A release is allowed only when maker and every body that the boot policy names
// carry the same manifest bytes as a target of their own repositories, all of them
// signed its note, each certificate covers the device's place and time, nobody
// withdrew it, the public log has it, and it is newer than what was installed.
// Whatever is missing is a Refusal with its stage; nothing is allowed because
// nothing forbade it. A stick, a relay and a server pass through the same code.
//
// What was verified is kept in a Store that survives loss of power at any point
// and recovers by itself from files that are torn, empty or damaged. No version of
// a role is ever lowered. Metadata never makes a call panic.
//
// # Clock
//
// Expiry is judged by the latest of the device's clock, the last time that
// witnesses signed, and the time of the build. A clock that is behind the other
// two is in doubt: the device may sell, and installs nothing.
//
// # What it does not do
//
// It loads no components (package update/frame), knows no slots and journals
// nothing. A restored disk brings back an older Store: then freshness is what is
// left, unless the caller gives the versions it has seen from a place of their own
// (Config.Seen).
//
// docs/design/0004-update.md, sections 1 to 4.
package trust

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/update/manifest"
)

// Errors that refusals and refreshes wrap.
var (
	ErrMalformed   = errors.New("malformed")
	ErrTooLong     = errors.New("longer than it may be")
	ErrNotFound    = errors.New("not there")
	ErrContent     = errors.New("not the bytes that were signed")
	ErrSignature   = errors.New("not signed by enough of the keys in force")
	ErrRollback    = errors.New("older than what was seen")
	ErrFork        = errors.New("the same version with other bytes")
	ErrExpired     = errors.New("expired")
	ErrKeys        = errors.New("keys that must not stand as they do")
	ErrDelegation  = errors.New("a delegation that is not allowed")
	ErrNoMetadata  = errors.New("no verified metadata")
	ErrClock       = errors.New("the clock is in doubt")
	ErrPolicy      = errors.New("the trust policy cannot be used")
	ErrNotApproved = errors.New("not approved")
	ErrScope       = errors.New("not covered by the certificate")
	ErrPeriod      = errors.New("outside of the certificate's period")
	ErrWithdrawn   = errors.New("withdrawn")
	ErrNotNewer    = errors.New("not newer than what was installed")
)

// Config is what a Trust is opened with.
type Config struct {
	Policy  *Policy
	Anchors map[string][]byte // by party: the first root.json, as provisioned
	Sources []Source          // mirrors, the preferred first
	Coming  func() []Source   // more of them, which come and go; asked each time; nil: none
	FS      durable.FS
	Dir     string           // of the store; made when it is missing
	Now     func() time.Time // the device's clock; nil: time.Now
	Built   time.Time        // of the program: the clock is not before it
	Seen    map[string]Seen  // by party: lowest versions to accept, from a journal or a TPM
	Limits  Limits           // zero values: the defaults
}

// Trust is the maker's and the authorities' repositories under one policy. Its
// methods may be called concurrently.
type Trust struct {
	policy  *Policy
	clients []*Client // the maker's first
	mirrors mirrors
	clock   *clock
	store   *Store
	limits  Limits
}

// Open reads what is kept; it needs no network. A store that is lost or damaged is
// no error: Refresh fills it again.
func Open(c Config) (*Trust, error) {
	store, err := OpenStore(c.FS, c.Dir)
	if err != nil {
		return nil, fmt.Errorf("open trust: %w", err)
	}
	t := &Trust{policy: c.Policy, mirrors: c.mirrors(), store: store, limits: c.Limits.orDefault(), clock: newClock(c.Now, c.Built, store)}
	for _, r := range c.Policy.Repositories() {
		client, err := t.client(c, r)
		if err != nil {
			return nil, fmt.Errorf("open trust in %s: %w", r.Name, err)
		}
		t.clients = append(t.clients, client)
	}
	if err := t.disjoint(); err != nil {
		return nil, fmt.Errorf("open trust: %w", err)
	}
	return t, nil
}

func (c Config) mirrors() mirrors {
	return func() []Source {
		if c.Coming == nil {
			return c.Sources
		}
		return slices.Concat(c.Sources, c.Coming())
	}
}

func (t *Trust) client(c Config, r Repository) (*Client, error) {
	anchor := c.Anchors[r.Name]
	if manifest.Sum(anchor) != r.Root {
		return nil, fmt.Errorf("%w: the first root is not the one that the policy names", ErrPolicy)
	}
	store, err := OpenStore(c.FS, path.Join(c.Dir, r.Name))
	if err != nil {
		return nil, err
	}
	if err := store.begunWith(r.Root); err != nil {
		return nil, err
	}
	return newClient(r, t.policy.Folder(r), anchor, t.mirrors, store, t.clock.now, t.limits, c.Seen[r.Name])
}

// Refresh brings every repository up to date, all that can be reached. The error
// joins those of the ones that could not be.
func (t *Trust) Refresh(ctx context.Context) error {
	errs := make([]error, len(t.clients))
	var all sync.WaitGroup
	for i, c := range t.clients {
		all.Go(func() { errs[i] = c.Refresh(ctx) })
	}
	all.Wait()
	return errors.Join(append(errs, t.disjoint())...)
}

// Policy is the one in force.
func (t *Trust) Policy() *Policy { return t.policy }

// Releases are the manifests that the maker's repository names at top level, in the
// order of their digests.
func (t *Trust) Releases() (out []manifest.Digest) {
	for _, name := range t.clients[0].Names() {
		text, ok := strings.CutPrefix(name, "releases/")
		var d manifest.Digest
		if ok && d.UnmarshalText([]byte(text)) == nil {
			out = append(out, d)
		}
	}
	return out
}

// Seen is, by party, what has been seen of each repository: for the journal, so that
// an older disk put back is found out.
func (t *Trust) Seen() map[string]Seen {
	out := map[string]Seen{}
	for _, c := range t.clients {
		out[c.repo.Name] = c.Seen()
	}
	return out
}

// Older says, by party, what is older than Config.Seen; nil: nothing is.
func (t *Trust) Older() (out map[string]string) {
	for _, c := range t.clients {
		if why := c.Older(); why != "" {
			if out == nil {
				out = map[string]string{}
			}
			out[c.repo.Name] = why
		}
	}
	return out
}

// Saw takes a time that somebody trusted has signed; the clock is not before it any
// more.
func (t *Trust) Saw(at time.Time) error { return t.clock.saw(at) }

// ForgetTime forgets the times that were signed: a person says that the device's clock
// is right, and that a witness's was not.
func (t *Trust) ForgetTime() error { return t.clock.forget() }

// disjoint refuses a key that two parties use, or that one uses for metadata and for
// notes: each key does one thing.
func (t *Trust) disjoint() error {
	owner := t.policy.noteKeys()
	for _, c := range t.clients {
		for _, key := range c.keys() {
			if other, used := owner[key]; used && other != c.repo.Name {
				return fmt.Errorf("%w: a key of %s is one of %s too", ErrKeys, c.repo.Name, other)
			}
			owner[key] = c.repo.Name
		}
	}
	return nil
}

func (t *Trust) named(party string) *Client {
	i := slices.IndexFunc(t.clients, func(c *Client) bool { return c.repo.Name == party })
	if i < 0 {
		return nil
	}
	return t.clients[i]
}
