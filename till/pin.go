package till

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
)

// The cost of a PIN: argon2id, 19 MiB, 2 passes, 1 lane (OWASP's second
// choice, which fits a till with two cores), 16 bytes of salt, 32 of hash. A PIN
// is short, so the guard before it counts guesses; the cost protects the hashes
// if the vault is ever read.
const (
	pinMemory  = 19 * 1024
	pinPasses  = 2
	pinLanes   = 1
	pinSalt    = 16
	pinHash    = 32
	minPIN     = 4
	maxPIN     = 64
	pinAtOnce  = 2  // hashes computed at the same time
	pinWaiting = 16 // guesses that may wait for one of them
)

var errBadHash = errors.New("stored PIN hash is malformed")

// pins computes PIN hashes, few at a time, so that guesses cannot take the
// memory or the processor from the sales.
type pins struct {
	slots   chan struct{}
	waiting chan struct{}
	decoy   string // checked in place of the hash of somebody unknown, so that time does not tell
}

func newPins() *pins {
	p := &pins{slots: make(chan struct{}, pinAtOnce), waiting: make(chan struct{}, pinWaiting)}
	p.decoy = encodeHash(randomBytes(pinSalt), randomBytes(pinHash))
	return p
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	rand.Read(b) // never fails
	return b
}

// hash makes the stored form of a PIN (PHC string format).
func (p *pins) hash(ctx context.Context, pin string) (string, error) {
	if err := p.enter(ctx); err != nil {
		return "", err
	}
	defer p.leave()
	salt := randomBytes(pinSalt)
	return encodeHash(salt, argon2.IDKey([]byte(pin), salt, pinPasses, pinMemory, pinLanes, pinHash)), nil
}

// check reports whether stored is the hash of pin. An empty stored form stands
// for nobody: it takes as long and is never right.
func (p *pins) check(ctx context.Context, stored, pin string) (bool, error) {
	if err := p.enter(ctx); err != nil {
		return false, err
	}
	defer p.leave()
	known := stored != ""
	if !known {
		stored = p.decoy
	}
	salt, want, err := decodeHash(stored)
	if err != nil {
		return false, err
	}
	got := argon2.IDKey([]byte(pin), salt, pinPasses, pinMemory, pinLanes, pinHash)
	return subtle.ConstantTimeCompare(got, want) == 1 && known, nil
}

// enter waits for a slot, unless too many wait already.
func (p *pins) enter(ctx context.Context) error {
	select {
	case p.waiting <- struct{}{}:
		defer func() { <-p.waiting }()
	default:
		return refuse(Unavailable, "busy")
	}
	select {
	case p.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *pins) leave() { <-p.slots }

func encodeHash(salt, hash []byte) string {
	b := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, pinMemory, pinPasses, pinLanes, b.EncodeToString(salt), b.EncodeToString(hash))
}

func decodeHash(s string) (salt, hash []byte, err error) {
	params := fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$", argon2.Version, pinMemory, pinPasses, pinLanes)
	rest, ok := strings.CutPrefix(s, params)
	left, right, ok2 := strings.Cut(rest, "$")
	if !ok || !ok2 {
		return nil, nil, errBadHash
	}
	salt, err1 := base64.RawStdEncoding.Strict().DecodeString(left)
	hash, err2 := base64.RawStdEncoding.Strict().DecodeString(right)
	if err1 != nil || err2 != nil || len(salt) != pinSalt || len(hash) != pinHash {
		return nil, nil, errBadHash
	}
	return salt, hash, nil
}

// checkPIN says whether a new PIN may be one: 4 to 64 characters, not all the
// same and not a run such as 1234.
func checkPIN(pin string) error {
	if len(pin) < minPIN || len(pin) > maxPIN || strings.ContainsFunc(pin, func(r rune) bool { return r < ' ' || r == 0xfffd }) {
		return refuse(Invalid, "pin-length")
	}
	if steady(pin) {
		return refuse(Invalid, "pin-too-simple")
	}
	return nil
}

// steady reports whether all steps from one byte to the next are the same one
// of -1, 0 and 1.
func steady(pin string) bool {
	step := int(pin[1]) - int(pin[0])
	if step < -1 || step > 1 {
		return false
	}
	for i := 2; i < len(pin); i++ {
		if int(pin[i])-int(pin[i-1]) != step {
			return false
		}
	}
	return true
}
