package till

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/staff"
	"github.com/plomb-pos/plomb/till/sqlite"
)

// Command is what the screen asks for.
type Command struct {
	ID       string         `json:"id"` // UUIDv7, made by whoever sends it
	Do       string         `json:"do"`
	Args     jsontext.Value `json:"args,omitzero"`
	Approval *Approval      `json:"approval,omitzero"`
}

// Approval is a second person's proof, or one's own where an operation asks to
// prove again who one is.
type Approval struct {
	Person staff.ID `json:"person"`
	PIN    string   `json:"pin"`
}

const (
	// answerLife is how old a command's id may be, and how long its answer is kept.
	answerLife = fiscal.CommandWindow
	// idAhead is how far the screen's clock may be ahead.
	idAhead = 10 * time.Minute
	// commandLimit is how long a command may take once it has begun.
	commandLimit = 30 * time.Second
)

// flight is a command under way; whoever sends the same id meanwhile waits for
// the same answer.
type flight struct {
	do     string
	done   chan struct{}
	result jsontext.Value
	err    error
	began  time.Time
}

// call is one command in the hands of its function. The function looks at what
// is and says what shall be; nothing happens until it has returned nil.
type call struct {
	n        *Node
	ctx      context.Context
	id       [16]byte
	now      time.Time // in the shop's zone
	session  *session
	who      staff.Person
	approver staff.ID // who proved themselves with the command, "" for nobody
	command  Command
	ready    any        // what the row's before made, outside the book
	approved staff.Name // the operation that somebody else approved, "" for none

	bodies  []fiscal.Body                                       // entries, one group
	changes []sqlite.Change                                     // of the vault, in one transaction
	then    []func()                                            // changes of memory, once all of that is durable
	result  any                                                 // what the answer says
	finish  func(ctx context.Context, r *recorded) (any, error) // runs behind, outside the book
}

func (c *call) record(bodies ...fiscal.Body)    { c.bodies = append(c.bodies, bodies...) }
func (c *call) change(changes ...sqlite.Change) { c.changes = append(c.changes, changes...) }
func (c *call) after(f func())                  { c.then = append(c.then, f) }
func (c *call) actor() fiscal.Actor             { return fiscal.Actor{By: c.who.ID, Approver: c.secondPerson()} }
func (c *call) shop() *fiscal.Shop              { return &c.n.state.Shop }

// secondPerson is who approved, if it was somebody else.
func (c *call) secondPerson() staff.ID {
	if c.approver == c.who.ID {
		return ""
	}
	return c.approver
}

// args reads a command's arguments; unknown ones are refused.
func args[T any](c *call) (v T, err error) {
	if len(c.command.Args) == 0 {
		return v, nil
	}
	if err := json.Unmarshal(c.command.Args, &v, json.RejectUnknownMembers(true)); err != nil {
		return v, because(Invalid, "malformed", err)
	}
	return v, nil
}

// Do carries out a command of the session with a token, once for its id: the
// same id again gives the first answer again, as JSON. When it returns nil the work is
// durable. A command that has begun is finished even if ctx ends. Errors are of
// type *Refusal.
func (n *Node) Do(ctx context.Context, token Token, c Command) (jsontext.Value, error) {
	return n.doFor(ctx, token.key(), c)
}

func (n *Node) doFor(ctx context.Context, key sessionKey, c Command) (jsontext.Value, error) {
	id, err := n.checkID(c.ID)
	if err != nil {
		n.refused(key, c, toRefusal(err))
		return nil, err
	}
	if err := n.admit(key, c); err != nil {
		n.refused(key, c, toRefusal(err))
		return nil, toRefusal(err)
	}
	f, mine, err := n.takeOff(id, c.Do)
	if err != nil {
		n.refused(key, c, toRefusal(err))
		return nil, err
	}
	if mine {
		n.carryOut(ctx, f, key, id, c)
	}
	select {
	case <-f.done:
	case <-ctx.Done():
		return nil, toRefusal(ctx.Err())
	}
	if f.err != nil {
		return nil, toRefusal(f.err)
	}
	return f.result, nil
}

// carryOut flies one flight and lands it whatever happens: nobody waits for ever.
func (n *Node) carryOut(ctx context.Context, f *flight, key sessionKey, id [16]byte, c Command) {
	work, cancel := background(ctx, commandLimit)
	defer cancel()
	defer n.land(id, f)
	f.err = refuse(Internal, "internal")
	f.result, f.err = n.fly(work, key, id, c)
}

// admit checks what can be said before the id is looked up: a known command, a
// session, that it is not locked, and that no text deceives.
func (n *Node) admit(key sessionKey, c Command) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, err := n.admitted(key, c); err != nil {
		return err
	}
	return honestArgs(c.Args)
}

func (n *Node) admitted(key sessionKey, c Command) (*session, error) {
	s := n.sessions.find(key, n.opts.Uptime())
	cmd, known := commands[c.Do]
	switch {
	case n.closing:
		return nil, refuse(Unavailable, "stopping")
	case s == nil:
		return nil, refuse(Unauthenticated, "not-signed-in")
	case !known:
		return nil, refuse(Invalid, "unknown-command")
	case s.locked && !cmd.whileLocked:
		return nil, refuse(Locked, "session-locked")
	}
	return s, nil
}

// checkID reads a UUIDv7 (RFC 9562, 5.7) and compares its time with the clock, as
// it shows and as entries tell it: after a clock has been put back the two differ,
// and the screen goes by the first. A command that is remembered is answered,
// whatever its age.
func (n *Node) checkID(text string) ([16]byte, error) {
	id, err := parseID(text)
	if err != nil {
		return id, err
	}
	var ms int64
	for _, b := range id[:6] {
		ms = ms<<8 | int64(b)
	}
	now := n.clock.peek()
	switch age := now.now.Sub(time.UnixMilli(ms)); {
	case age > answerLife && now.wall.Sub(time.UnixMilli(ms)) > answerLife && !n.remembers(id):
		return id, refuse(Conflict, "id-too-old")
	case age < -idAhead && !now.unsure: // in doubt the screen's clock may be the right one
		return id, refuse(Conflict, "id-too-new")
	}
	return id, nil
}

func (n *Node) remembers(id [16]byte) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	_, ok := n.state.Command(id)
	return ok
}

// parseID reads the one text form of a UUIDv7.
func parseID(text string) (id [16]byte, err error) {
	raw, err := hex.DecodeString(strings.ReplaceAll(text, "-", ""))
	if err != nil || len(raw) != 16 || raw[6]>>4 != 7 || raw[8]>>6 != 2 {
		return id, because(Invalid, "bad-id", err)
	}
	copy(id[:], raw)
	if text != idText(id) {
		return id, refuse(Invalid, "bad-id")
	}
	return id, nil
}

func idText(id [16]byte) string {
	h := hex.EncodeToString(id[:])
	return fmt.Sprintf("%s-%s-%s-%s-%s", h[:8], h[8:12], h[12:16], h[16:20], h[20:])
}

// newID makes an id for what the till does by itself.
func newID(now time.Time) (id [16]byte) {
	copy(id[:], randomBytes(16))
	ms := now.UnixMilli()
	for i := range 6 {
		id[i] = byte(ms >> (40 - 8*i))
	}
	id[6], id[8] = id[6]&0x0f|0x70, id[8]&0x3f|0x80
	return id
}

// takeOff finds the flight of an id, or begins it; it refuses an id that is, or
// was, for something else.
func (n *Node) takeOff(id [16]byte, do string) (f *flight, mine bool, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.deeds.reused(id, do); err != nil {
		return nil, false, err
	}
	if f := n.flights[id]; f != nil && f.do != do {
		return nil, false, refuse(Conflict, "id-reused")
	} else if f != nil {
		return f, false, nil
	}
	f = &flight{do: do, done: make(chan struct{}), began: n.opts.Now()}
	n.flights[id] = f
	return f, true, nil
}

// land ends a flight. Refusals are not kept: nothing was done, so the same
// command may be tried again.
func (n *Node) land(id [16]byte, f *flight) {
	n.mu.Lock()
	delete(n.flights, id)
	if f.err == nil {
		n.deeds.add(id, f.do)
	}
	n.mu.Unlock()
	close(f.done)
	n.stream.changed()
}

// fly does the work of one id. The PIN of an approval is checked before the book
// is taken, since that takes long.
func (n *Node) fly(ctx context.Context, key sessionKey, id [16]byte, c Command) (jsontext.Value, error) {
	if known, err := n.knownAnswer(ctx, id, c); known != nil || err != nil {
		return known, err
	}
	work := &call{n: n, ctx: ctx, id: id, command: c}
	r, err := work.run(key)
	if err != nil {
		n.refused(key, c, toRefusal(err))
		return nil, err
	}
	result := work.result
	if work.finish != nil {
		if result, err = work.finish(ctx, r); err != nil {
			return nil, err
		}
	}
	return encodeAnswer(result)
}

func encodeAnswer(result any) (jsontext.Value, error) {
	if result == nil {
		result = struct{}{}
	}
	return json.Marshal(result, json.Deterministic(true))
}

// run does what takes long outside the book (PINs, files), and the rest in it.
func (c *call) run(key sessionKey) (*recorded, error) {
	if err := c.checkApproval(key); err != nil {
		return nil, err
	}
	if row := commands[c.command.Do]; row.before != nil {
		if err := c.mayBegin(key, row); err != nil {
			return nil, err
		}
		if err := row.before(c, key); err != nil {
			return nil, err
		}
	}
	return c.act(key)
}

// mayBegin checks the right before anything that takes long is done for nothing;
// act checks it again. What works while locked proves its person itself.
func (c *call) mayBegin(key sessionKey, row command) error {
	if row.whileLocked {
		return nil
	}
	c.n.mu.Lock()
	defer c.n.mu.Unlock()
	s, err := c.n.admitted(key, c.command)
	if err != nil {
		return err
	}
	c.session, c.who = s, s.person
	return c.authorise(row)
}

// act takes the book, checks the right, lets the command say what shall be, and
// makes it so.
func (c *call) act(key sessionKey) (*recorded, error) {
	c.n.mu.Lock()
	defer c.n.mu.Unlock()
	s, err := c.n.admitted(key, c.command)
	if err != nil {
		return nil, err
	}
	c.session, c.who = s, s.person
	c.now = c.n.clock.peek().wall.In(zone(&c.n.state.Shop))
	row := commands[c.command.Do]
	if err := c.authorise(row); err != nil {
		return nil, err
	}
	if row.real && c.n.state.Training {
		return nil, refuse(Refused, "training-on")
	}
	if row.basket && c.n.basket == nil {
		return nil, refuse(Refused, "no-basket")
	}
	c.n.touch(s)
	if err := row.run(c); err != nil {
		return nil, err
	}
	if c.approved != "" {
		c.record(&fiscal.StepUp{Actor: c.actor(), Operation: c.approved, Method: "pin"})
	}
	return c.commit()
}

// authorise asks the table whether this person may do this, with the approval
// that came along.
func (c *call) authorise(row command) error {
	op := row.op
	if row.which != nil {
		var err error
		if op, err = row.which(c); err != nil {
			return err
		}
	}
	return c.may(op)
}

// may refuses an operation unless the person may do it, alone or with who has
// approved. Where the table asks whoever may do it alone to prove again who they
// are, only their own PIN does. Where somebody has to approve, the approver's PIN
// is that proof: it was given at once and for this very command, and by the
// person who answers for it.
func (c *call) may(op staff.Name) error {
	roles := c.n.state.Shop.Roles
	d := roles.Allowed(c.who.Role, op)
	switch {
	case d.Answer == staff.No:
		return refuse(Forbidden, "forbidden")
	case d.Answer == staff.Yes && d.Reauth && c.approver != c.who.ID:
		return &Refusal{Kind: ApprovalNeeded, Code: "needs-proof", Roles: []staff.Role{c.who.Role}}
	case d.Answer == staff.Yes:
		return nil
	case c.approver == "":
		return &Refusal{Kind: ApprovalNeeded, Code: "needs-approval", Roles: d.By}
	}
	if err := roles.Approve(c.who, personOf(c.n.people[c.approver]), op); err != nil {
		r := toRefusal(err)
		r.Roles = d.By
		return r
	}
	c.approved = op
	return nil
}

// commit makes a command's wishes true, in an order by which a crash leaves
// nothing half done:
//
//   - only the vault: one transaction, with the answer in it;
//   - only entries: one group;
//   - both: the changes are staged in the vault, the group becomes durable, the
//     changes take effect. A crash in between leaves them staged, and the next
//     start looks for the entry.
func (c *call) commit() (*recorded, error) {
	switch {
	case len(c.bodies) == 0:
		return nil, c.commitVault()
	case len(c.changes) == 0:
		return c.commitEntries()
	}
	return c.commitBoth()
}

func (c *call) commitVault() error {
	if len(c.changes) > 0 {
		if err := c.keepAnswer(); err != nil {
			return err
		}
		if err := c.n.changeVault(c.ctx, c.changes...); err != nil {
			return err
		}
	}
	c.settle()
	return nil
}

// keepAnswer puts the answer among the changes, unless it is made behind.
func (c *call) keepAnswer() error {
	if c.finish != nil {
		return nil
	}
	answer, err := encodeAnswer(c.result)
	if err != nil {
		return err
	}
	c.change(sqlite.Change{Answer: &sqlite.Answer{Command: idText(c.id), At: c.now, Body: answer}})
	return nil
}

func (c *call) commitEntries() (*recorded, error) {
	r, err := c.n.stage(c.id, c.bodies...)
	if err != nil {
		return nil, err
	}
	if c.finish == nil {
		err = r.ticket.Wait(c.ctx)
	}
	c.settle()
	return r, err
}

func (c *call) commitBoth() (*recorded, error) {
	id := idText(c.id)
	if err := c.keepAnswer(); err != nil {
		return nil, err
	}
	changes, err := c.n.withFinished(c.ctx, c.changes)
	if err != nil {
		return nil, err
	}
	if err := c.n.vault.Stage(c.ctx, sqlite.Staged{Command: id, Size: c.n.state.Size, Changes: changes}); err != nil {
		return nil, err
	}
	r, err := c.n.append(c.ctx, c.id, c.bodies...)
	if err != nil {
		if c.n.journal.Err() == nil {
			err = c.forget(id, err)
		}
		return nil, err
	}
	c.n.finished = nil
	c.n.settled(c.ctx, id)
	c.settle()
	return r, nil
}

// forget drops staged changes whose entry was refused before it was staged.
func (c *call) forget(id string, cause error) error {
	if err := c.n.vault.Settle(c.ctx, id, false); err != nil {
		return err
	}
	return cause
}

func (c *call) settle() {
	for _, f := range c.then {
		f()
	}
}

// touch notes that a session is used; the vault hears of it once a minute.
func (n *Node) touch(s *session) {
	s.at, s.used = n.opts.Now(), n.opts.Uptime()
	if s.used-s.kept < time.Minute {
		return
	}
	s.kept = s.used
	if err := n.vault.Apply(context.Background(), sqlite.Change{Session: s.row()}); err != nil {
		n.opts.Log.Error("session not kept", "err", err)
	}
}

// knownAnswer finds the answer to a command that was done before: in the vault,
// or made again from its entry.
func (n *Node) knownAnswer(ctx context.Context, id [16]byte, c Command) (jsontext.Value, error) {
	body, ok, err := n.vault.Answer(ctx, idText(id))
	if err != nil || ok {
		return body, err
	}
	n.mu.Lock()
	done, ok := n.state.Command(id)
	n.mu.Unlock()
	if !ok {
		return nil, nil
	}
	result, err := n.answerOf(ctx, done.Index, c)
	if err != nil {
		return nil, err
	}
	return encodeAnswer(result)
}
