// Package releaselog is the public log of releases as a device sees it: what one
// entry says, and the proof that it was logged.
//
// The log is a C2SP tlog (c2sp.org/tlog-tiles). Every release, approval and
// withdrawal is an entry; a proof (c2sp.org/tlog-proof) holds the path from the
// entry to a checkpoint that the log signed and the witnesses of a policy
// (c2sp.org/tlog-policy) cosigned. A release that nobody could see is refused:
//
//	check := slot.Check{Log: releaselog.Check(policy)}
//
// # Promises
//
// Everything here is pure, without TUF, network or clock, so that the launcher asks
// for the proof again at every start. No input makes it panic.
//
// What is not here: keeping the log (package update/release), freshness and
// withdrawal (package update/trust).
package releaselog

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/plomb-pos/plomb/journal/proof"
	"github.com/plomb-pos/plomb/update/manifest"
)

// format is the first line of an entry.
const format = "plomb release log/1"

// Errors of this package.
var (
	ErrFormat   = errors.New("malformed entry of the release log")
	ErrUnlogged = errors.New("not proved to be in the release log")
)

// Event is what happened to a release: Released, or one of the events that name
// the party that made it.
type Event string

// Released says that the maker published it.
const Released Event = "released"

// Approved is the event of an approval by a body.
func Approved(body string) Event { return Event("approved " + body) }

// Withdrawn is the event of a withdrawal by a party.
func Withdrawn(party string) Event { return Event("withdrawn " + party) }

// Validate refuses an event that is none of the three, or whose party is no name of
// printable ASCII without space and '+', as a note's key has.
func (e Event) Validate() error {
	kind, party, named := strings.Cut(string(e), " ")
	if (e == Released) || named && (kind == "approved" || kind == "withdrawn") && isName(party) {
		return nil
	}
	return fmt.Errorf("%w: event %q", ErrFormat, string(e))
}

func isName(s string) bool {
	return s != "" && len(s) <= 256 && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r > '~' || r == '+'
	})
}

// Entry is the text that the log keeps: three lines, the format, the event and
// the SHA-256 of the manifest in hex.
func Entry(e Event, digest manifest.Digest) []byte {
	return fmt.Appendf(nil, "%s\n%s\n%s\n", format, e, digest)
}

// ParseEntry accepts exactly what Entry writes for a valid event.
func ParseEntry(text []byte) (Event, manifest.Digest, error) {
	var digest manifest.Digest
	lines := strings.Split(string(text), "\n")
	if len(lines) != 4 || lines[0] != format || lines[3] != "" {
		return "", digest, fmt.Errorf("%w: not three lines that begin with %q", ErrFormat, format)
	}
	event := Event(lines[1])
	if err := event.Validate(); err != nil {
		return "", digest, err
	}
	if err := digest.UnmarshalText([]byte(lines[2])); err != nil {
		return "", digest, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	return event, digest, nil
}

// Leaf is the entry's hash in the tree: SHA-256(0x00 || Entry), RFC 6962 section 2.1.
func Leaf(e Event, digest manifest.Digest) tlog.Hash {
	return tlog.RecordHash(Entry(e, digest))
}

// Verify checks a proof of an entry: the log's signature, the quorum of witnesses,
// the path. It returns a time by which the checkpoint existed: the earliest that a
// witness of the policy states, zero where the policy asks for none. Errors wrap
// ErrUnlogged.
func Verify(p *proof.Policy, e Event, digest manifest.Digest, text []byte) (time.Time, error) {
	inclusion, err := proof.ParseInclusion(text)
	if err != nil {
		return time.Time{}, fmt.Errorf("%w: %s %s: %w", ErrUnlogged, e, digest, err)
	}
	by, err := p.VerifyInclusion(inclusion, Leaf(e, digest))
	if err != nil {
		return time.Time{}, fmt.Errorf("%w: %s %s: %w", ErrUnlogged, e, digest, err)
	}
	return earliest(by.Witnesses), nil
}

func earliest(witnesses []proof.Cosignature) (at time.Time) {
	for _, w := range witnesses {
		t := time.Unix(int64(w.Seconds), 0).UTC()
		if w.Seconds < 1<<40 && (at.IsZero() || t.Before(at)) {
			at = t
		}
	}
	return at
}

// Check is Verify for Released, in the form of slot.Check.Log.
func Check(p *proof.Policy) func(digest manifest.Digest, text []byte) error {
	return func(digest manifest.Digest, text []byte) error {
		_, err := Verify(p, Released, digest, text)
		return err
	}
}
