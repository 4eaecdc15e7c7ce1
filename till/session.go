package till

import (
	"crypto/sha256"
	"encoding/base64"
	"time"

	"github.com/plomb-pos/plomb/staff"
	"github.com/plomb-pos/plomb/till/sqlite"
)

// Token is a session's secret, the value of the cookie: 32 random bytes in
// base64url. The till keeps a hash of it only.
type Token string

// A session that nobody used for so long is ended, whatever the lock says.
const sessionLife = 14 * time.Hour

// Bounds of the signed-in screens. One person's session makes room for another
// of the same person only; beyond all, nobody signs in until somebody signs out.
const (
	sessionsEach = 8
	maxSessions  = 64
)

// session is a signed-in screen. Owned by the book.
type session struct {
	hash   sessionKey
	person staff.Person
	used   time.Duration // uptime at the last use: the wall clock may jump
	at     time.Time     // the same on the wall clock, for the vault
	kept   time.Duration // uptime at the last use that the vault heard of
	locked bool
}

// sessionKey is what a session is found by: the hash of its token.
type sessionKey [sha256.Size]byte

type sessions map[sessionKey]*session

func newToken() Token { return Token(base64.RawURLEncoding.EncodeToString(randomBytes(32))) }

func (t Token) key() sessionKey { return sha256.Sum256([]byte(t)) }

// find returns the session of a token, nil when there is none or it has ended.
// The map is keyed by hash, so looking it up tells nothing about the secret.
func (s sessions) find(key sessionKey, uptime time.Duration) *session {
	found := s[key]
	if found == nil || uptime-found.used > sessionLife {
		return nil
	}
	return found
}

// active is the session that a scanner's event belongs to: the one used last
// among those that are not locked.
func (s sessions) active(uptime time.Duration) *session {
	var best *session
	for _, c := range s {
		if !c.locked && uptime-c.used <= sessionLife && (best == nil || c.used > best.used) {
			best = c
		}
	}
	return best
}

// room is the session that has to end before a person gets another one, the one
// of theirs that is unused longest; nil when none has to.
func (s sessions) room(person staff.ID) (*session, error) {
	var old *session
	count := 0
	for _, c := range s {
		if c.person.ID != person {
			continue
		}
		if count++; old == nil || c.used < old.used {
			old = c
		}
	}
	switch {
	case count >= sessionsEach:
		return old, nil
	case len(s) >= maxSessions:
		return nil, refuse(Refused, "too-many-sessions")
	}
	return nil, nil
}

func (c *session) row() *sqlite.Session {
	return &sqlite.Session{Token: c.hash[:], Person: string(c.person.ID), At: c.at, Locked: c.locked}
}
