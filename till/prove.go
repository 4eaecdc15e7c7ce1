package till

import (
	"context"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/staff"
	"github.com/plomb-pos/plomb/till/sqlite"
)

// prove checks the PIN of who is guessed at. purpose is "sign-in", "unlock",
// "step-up" or "reauth". A try counts as wrong until it has turned out right, so
// that many tries at once are no more than one after the other. The book is not
// held.
func (n *Node) prove(ctx context.Context, who guesser, pin, purpose string) (staff.Person, error) {
	try, err := n.tryPIN(who)
	p := try.person
	if err != nil {
		n.flood(floodBlocked, &fiscal.AuthFail{Claimed: p.ID, For: purpose, Failures: try.wrong, Blocked: true})
		return p, err
	}
	ok, err := n.pins.check(ctx, try.stored, pin)
	n.mu.Lock()
	defer n.mu.Unlock()
	if ok {
		n.lockout.takeBack(try.key, try.at)
		n.keepGuesses(ctx)
		return p, nil
	}
	if err != nil {
		return p, err
	}
	blocked := n.lockout.wait(try.key, n.opts.Now()) > 0
	n.floodHeld("auth-fail", &fiscal.AuthFail{Claimed: p.ID, For: purpose, Failures: try.wrong, Blocked: blocked})
	n.keepGuesses(ctx)
	return p, refuse(Unauthenticated, "wrong-pin")
}

// pinTry is one try of a PIN, counted.
type pinTry struct {
	person staff.Person
	stored string // hash of the PIN, "" for nobody
	key    string // of the guesser
	at     time.Time
	wrong  int // tries so far
}

// tryPIN finds whose PIN is tried and counts the try. Somebody unknown or shut
// out has the empty id and no hash: checking takes as long and is never right.
func (n *Node) tryPIN(who guesser) (pinTry, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	try := pinTry{at: n.opts.Now()}
	row, ok := n.people[who.of]
	if ok && row.Active {
		try.person, try.stored = personOf(row), row.PIN
	}
	try.key = guesser{by: who.by, of: try.person.ID}.key()
	if wait := n.lockout.wait(try.key, try.at); wait > 0 {
		if g := n.lockout.people[try.key]; g != nil {
			try.wrong = g.Wrong
		}
		return try, tooMany(wait)
	}
	try.wrong = n.lockout.wrong(try.key, try.at).Wrong
	return try, nil
}

// keepGuesses makes the wrong PINs survive a restart: without that a restart
// would be a way to guess on. The book is held.
func (n *Node) keepGuesses(ctx context.Context) {
	body, err := json.Marshal(n.lockout.people, json.Deterministic(true))
	if err == nil {
		err = n.vault.Apply(ctx, sqlite.Change{Setting: &sqlite.Setting{Key: settingGuesses, Value: body}})
	}
	if err != nil {
		n.opts.Log.Error("wrong PINs not kept", "err", err)
	}
}

// checkApproval proves who gave a command's approval, if there is one.
func (c *call) checkApproval(key sessionKey) error {
	a := c.command.Approval
	if a == nil {
		return nil
	}
	who, ok := c.n.signedIn(key)
	if !ok {
		return refuse(Unauthenticated, "not-signed-in")
	}
	purpose := "step-up"
	if a.Person == who.ID {
		purpose = "reauth"
	}
	p, err := c.n.prove(c.ctx, guesser{by: who.ID, of: a.Person}, a.PIN, purpose)
	if err != nil {
		return err
	}
	c.approver = p.ID
	return nil
}

// proveOneself checks the PIN that unlocks a session.
func proveOneself(c *call, key sessionKey) error {
	in, err := args[struct {
		PIN string `json:"pin"`
	}](c)
	if err != nil {
		return err
	}
	who, ok := c.n.signedIn(key)
	if !ok {
		return refuse(Unauthenticated, "not-signed-in")
	}
	p, err := c.n.prove(c.ctx, guesser{by: who.ID, of: who.ID}, in.PIN, "unlock")
	if err != nil {
		return err
	}
	c.approver = p.ID
	return nil
}

// signedIn is who a token belongs to.
func (n *Node) signedIn(key sessionKey) (staff.Person, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	s := n.sessions.find(key, n.opts.Uptime())
	if s == nil {
		return staff.Person{}, false
	}
	return s.person, true
}

// SignedIn reports whether a token belongs to a session, locked or not.
func (n *Node) SignedIn(token Token) bool {
	_, ok := n.signedIn(token.key())
	return ok
}
