package token

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"maps"
	"strings"
	"sync"
	"time"
)

// Counter is the part of a device's memory that keeps nonces from coming twice.
type Counter interface {
	// Next gives a number that it never gave before and never gives again,
	// whatever happens to the device afterwards: the number is durable as used
	// before Next returns it. Calls do not overlap.
	Next() (uint64, error)
}

// Options sets up a guard.
type Options struct {
	HostKey []byte        // of command tokens; at least MinKey bytes
	Timeout time.Duration // of a nonce; 0 is without end
	Counter Counter
	// Cleared is told when a nonce ends by itself: its time is over or its token
	// is used up. It is called without the guard's lock, in any goroutine.
	Cleared func(reason string)
}

// Guard is the device's side of command tokens. It is made anew when the device
// starts; its methods may be called concurrently.
type Guard struct {
	o Options

	mu    sync.Mutex // guards what follows
	nonce string     // "" is none
	timer *time.Timer
	bound string           // MAC of the token that was used under the nonce
	left  map[string]int64 // what that token still authorises
	held  int              // grants of it that are not settled
}

// NewGuard makes a guard that has given out no nonce.
func NewGuard(o Options) (*Guard, error) {
	if len(o.HostKey) < MinKey {
		return nil, fmt.Errorf("host's key: %w", ErrKey)
	}
	if o.Cleared == nil {
		o.Cleared = func(string) {}
	}
	return &Guard{o: o}, nil
}

// Nonce gives out a nonce of 32 upper-case hex digits: 64 bits of the counter, 64
// random ones. It replaces the one before, whose tokens are void.
func (g *Guard) Nonce() (string, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.drop()
	n, err := g.o.Counter.Next()
	if err != nil {
		return "", fmt.Errorf("command nonce: %w", err)
	}
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], n)
	_, _ = rand.Read(b[8:]) // never fails (crypto/rand)
	nonce := strings.ToUpper(hex.EncodeToString(b[:]))
	g.nonce = nonce
	if g.o.Timeout > 0 {
		g.timer = time.AfterFunc(g.o.Timeout, func() { g.expire(nonce) })
	}
	return nonce, nil
}

// Clear ends the nonce, as the client asks; false when there is none.
func (g *Guard) Clear() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	had := g.nonce != ""
	g.drop()
	return had
}

// drop is called with mu held.
func (g *Guard) drop() {
	if g.timer != nil {
		g.timer.Stop()
	}
	g.nonce, g.timer, g.bound, g.left, g.held = "", nil, "", nil, 0
}

func (g *Guard) expire(nonce string) {
	g.mu.Lock()
	mine := g.nonce == nonce
	if mine {
		g.drop()
	}
	g.mu.Unlock()
	if mine {
		g.o.Cleared("the nonce's time is over")
	}
}

// Grant is the right to move amounts, taken from a token.
type Grant struct {
	g     *Guard
	nonce string
	held  map[string]int64
	ID    string // HMAC of the token, by which a response names it
}

// check proves a token and gives its amounts. mu is held.
func (g *Guard) check(text string) (*Token, error) {
	t, err := Parse(text)
	if err != nil {
		return nil, err
	}
	if g.nonce == "" {
		return nil, ErrNoNonce
	}
	if subtle.ConstantTimeCompare([]byte(t.Nonce), []byte(g.nonce)) != 1 {
		return nil, ErrNonce
	}
	return t, t.Verify(g.o.HostKey)
}

// Authorise takes amounts (minor units by currency) from the token that a command
// came with. They are the grant's until Settle says how much was moved.
func (g *Guard) Authorise(text string, amounts map[string]int64) (*Grant, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	t, err := g.check(text)
	if err != nil {
		return nil, err
	}
	if g.bound != "" && g.bound != t.MAC {
		return nil, fmt.Errorf("another token was used under this nonce: %w", ErrToken)
	}
	left := g.left
	if g.bound == "" {
		if left, err = t.Amounts(dispenseKey); err != nil {
			return nil, err
		}
	}
	for currency, n := range amounts {
		if n < 0 || n > left[currency] {
			return nil, fmt.Errorf("%s is asked, %s is left: %w", Amount{n, currency}, Amount{left[currency], currency}, ErrToken)
		}
	}
	g.bound, g.left = t.MAC, minus(left, amounts)
	g.held++
	return &Grant{g: g, nonce: g.nonce, held: maps.Clone(amounts), ID: t.MAC}, nil
}

// Accept proves a token for a command that moves no amount and voids it with its
// nonce. want is a field that it must contain.
func (g *Guard) Accept(text string, want Field) error {
	g.mu.Lock()
	t, err := g.check(text)
	if err == nil {
		if value, ok := t.Value(want.Key); !ok || value != want.Value || g.bound != "" {
			err = fmt.Errorf("%s=%s is missing: %w", want.Key, want.Value, ErrToken)
		}
	}
	if err == nil {
		g.drop()
	}
	g.mu.Unlock()
	if err == nil {
		g.o.Cleared("the token is used up")
	}
	return err
}

// Settle says how much of the grant was moved; the rest is the token's again. What
// is not in moved was not moved. A grant whose nonce has ended gives nothing back.
// Only the first call counts.
func (t *Grant) Settle(moved map[string]int64) {
	g := t.g
	g.mu.Lock()
	over := false
	if t.held != nil && g.nonce == t.nonce {
		for currency, held := range t.held {
			g.left[currency] += held - min(held, max(0, moved[currency]))
		}
		g.held--
		if over = g.held == 0 && empty(g.left); over {
			g.drop()
		}
	}
	t.held = nil
	g.mu.Unlock()
	if over {
		g.o.Cleared("the token's amount is used up")
	}
}

func minus(sum, less map[string]int64) map[string]int64 {
	out := maps.Clone(sum)
	for currency, n := range less {
		out[currency] -= n
	}
	return out
}

func empty(amounts map[string]int64) bool {
	for _, n := range amounts {
		if n > 0 {
			return false
		}
	}
	return true
}
