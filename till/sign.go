package till

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"strings"
	"time"

	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/staff"
	"github.com/plomb-pos/plomb/till/sqlite"
)

// SignIn is who wants to sign in.
type SignIn struct {
	Person staff.ID `json:"person"`
	PIN    string   `json:"pin"`
}

// SignIn opens a session. Errors are of type *Refusal; wrong PINs are journaled
// and slow further tries down.
func (n *Node) SignIn(ctx context.Context, in SignIn) (Token, error) {
	if n.setupNeeded() {
		return "", refuse(Refused, "setup-needed")
	}
	p, err := n.prove(ctx, guesser{of: in.Person}, in.PIN, "sign-in")
	if err != nil {
		return "", toRefusal(err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	t, err := n.begin(ctx, p)
	if err != nil {
		return "", toRefusal(err)
	}
	return t, nil
}

// begin makes a session and its entry. The book is held.
func (n *Node) begin(ctx context.Context, p staff.Person) (Token, error) {
	if n.closing {
		return "", refuse(Unavailable, "stopping")
	}
	t := newToken()
	s := &session{hash: t.key(), person: p, at: n.opts.Now(), used: n.opts.Uptime()}
	s.kept = s.used
	changes := []sqlite.Change{{Session: s.row()}}
	gone, err := n.sessions.room(p.ID)
	if err != nil {
		return "", err
	}
	if gone != nil {
		changes = append(changes, sqlite.Change{DropSession: gone.hash[:]})
	}
	if _, err := n.append(ctx, [16]byte{}, &fiscal.Login{Actor: fiscal.Actor{By: p.ID}, Role: p.Role, Method: "pin"}); err != nil {
		return "", err
	}
	if err := n.vault.Apply(ctx, changes...); err != nil {
		return "", err
	}
	if gone != nil {
		delete(n.sessions, gone.hash)
	}
	n.sessions[s.hash] = s
	n.stream.changed()
	return t, nil
}

func lock(c *call) error {
	if c.session.locked {
		return nil
	}
	return c.lock("asked")
}

func (c *call) lock(reason string) error {
	s := c.session
	row := *s
	row.locked = true
	c.record(&fiscal.Lock{Actor: fiscal.Actor{By: s.person.ID}, Reason: reason})
	c.change(sqlite.Change{Session: row.row()})
	c.after(func() { s.locked = true })
	return nil
}

// unlock goes on with a locked session; its PIN has been checked.
func unlock(c *call) error {
	if !c.session.locked {
		return nil
	}
	s := c.session
	row := *s
	row.locked = false
	c.record(&fiscal.Unlock{Actor: fiscal.Actor{By: s.person.ID}, Method: "pin"})
	c.change(sqlite.Change{Session: row.row()})
	c.after(func() { s.locked = false })
	return nil
}

func signOut(c *call) error {
	s := c.session
	c.record(&fiscal.Logout{Actor: fiscal.Actor{By: s.person.ID}, Reason: "asked"})
	c.change(sqlite.Change{DropSession: s.hash[:]})
	c.after(func() { delete(c.n.sessions, s.hash) })
	return nil
}

// lockIdle locks sessions that nobody has used for the shop's time and ends
// those that are too old. The book is held.
func (n *Node) lockIdle(ctx context.Context, uptime time.Duration) {
	limit := time.Duration(n.state.Shop.LockAfter) * time.Second
	if limit == 0 {
		limit = defaultLock * time.Second
	}
	for hash, s := range n.sessions {
		idle := uptime - s.used
		var err error
		switch {
		case idle > sessionLife:
			err = n.endSession(ctx, s)
			delete(n.sessions, hash)
		case idle > limit && !s.locked:
			s.locked = true
			n.note(&fiscal.Lock{Actor: fiscal.Actor{By: s.person.ID}, Reason: "idle"})
			err = n.vault.Apply(ctx, sqlite.Change{Session: s.row()})
		}
		if err != nil {
			n.opts.Log.Error("idle session", "err", err)
		}
	}
}

func (n *Node) endSession(ctx context.Context, s *session) error {
	n.note(&fiscal.Logout{Actor: fiscal.Actor{By: s.person.ID}, Reason: "idle"})
	return n.vault.Apply(ctx, sqlite.Change{DropSession: s.hash[:]})
}

// Setup is what the first person at a new till enters.
type Setup struct {
	Code          string      `json:"code"`
	Shop          Profile     `json:"shop"`
	Administrator NewPerson   `json:"administrator"`
	People        []NewPerson `json:"people,omitzero"`
	Tax           SetupTax    `json:"tax,omitzero"` // where it differs from the country's own
}

// NewPerson is somebody to be added.
type NewPerson struct {
	ID   staff.ID `json:"id"`
	Name string   `json:"name"`
	Role string   `json:"role,omitzero"` // as the screen writes it; the administrator's may be left out
	PIN  string   `json:"pin"`
}

// maxSetupPeople bounds what setup takes at once.
const maxSetupPeople = 20

func (n *Node) setupNeeded() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.setupHash != nil
}

// prepareSetup makes a new one-time code while nobody can sign in. The vault
// keeps its hash only. The book is held.
func (n *Node) prepareSetup(ctx context.Context) error {
	for _, p := range n.people {
		if p.Active {
			return nil
		}
	}
	code := setupCode()
	sum := sha256.Sum256([]byte(code))
	n.setupCode, n.setupHash = code, sum[:]
	return n.vault.Apply(ctx, sqlite.Change{Setting: &sqlite.Setting{Key: settingSetup, Value: sum[:]}})
}

// setupCode is 60 random bits in letters that are not mistaken for each other.
func setupCode() string {
	const letters = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789" // 32
	b := make([]byte, 12)
	rand.Read(b)
	var out strings.Builder
	for i, x := range b {
		if i > 0 && i%4 == 0 {
			out.WriteByte('-')
		}
		out.WriteByte(letters[x%32])
	}
	return out.String()
}

// Setup names the shop and its first people, once, for who knows the code, and
// signs the administrator in. Wrong codes are counted like wrong PINs.
func (n *Node) Setup(ctx context.Context, in Setup) (Token, error) {
	if err := n.checkSetupCode(ctx, in.Code); err != nil {
		return "", toRefusal(err)
	}
	people, err := n.newPeople(ctx, in)
	if err != nil {
		return "", toRefusal(err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	t, err := n.setup(ctx, in, people)
	if err != nil {
		return "", toRefusal(err)
	}
	return t, nil
}

// setupGuesser stands for whoever tries setup codes; it is no person's id.
const setupGuesser = "(setup)"

func (n *Node) checkSetupCode(ctx context.Context, code string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.setupHash == nil {
		return refuse(Refused, "setup-done")
	}
	if wait := n.lockout.wait(setupGuesser, n.opts.Now()); wait > 0 {
		return tooMany(wait)
	}
	sum := sha256.Sum256([]byte(strings.ToUpper(strings.TrimSpace(code))))
	if subtle.ConstantTimeCompare(sum[:], n.setupHash) == 1 {
		n.lockout.right(setupGuesser)
		return nil
	}
	g := n.lockout.wrong(setupGuesser, n.opts.Now())
	n.keepGuesses(ctx)
	n.floodHeld("auth-fail", &fiscal.AuthFail{For: "setup", Failures: g.Wrong, Blocked: !g.Until.IsZero()})
	return refuse(Unauthenticated, "setup-code")
}

func (n *Node) newPeople(ctx context.Context, in Setup) ([]sqlite.Person, error) {
	if len(in.People) > maxSetupPeople {
		return nil, refuse(Invalid, "body-too-large")
	}
	in.Administrator.Role = roleWord(staff.Administrator)
	var out []sqlite.Person
	for _, p := range append([]NewPerson{in.Administrator}, in.People...) {
		row, err := n.newPerson(ctx, p)
		if err != nil {
			return nil, err
		}
		for _, other := range out {
			if other.ID == row.ID {
				return nil, refuse(Conflict, "person-exists")
			}
		}
		out = append(out, row)
	}
	return out, nil
}

// newPerson checks a person and hashes the PIN.
func (n *Node) newPerson(ctx context.Context, p NewPerson) (sqlite.Person, error) {
	role, err := roleNamed(p.Role, nil)
	if err != nil {
		return sqlite.Person{}, err
	}
	if err := checkName(p.Name); err != nil {
		return sqlite.Person{}, err
	}
	if err := (staff.Person{ID: p.ID, Name: p.Name, Role: role}).Validate(); err != nil {
		return sqlite.Person{}, err
	}
	if err := checkPIN(p.PIN); err != nil {
		return sqlite.Person{}, err
	}
	hash, err := n.pins.hash(ctx, p.PIN)
	return sqlite.Person{ID: string(p.ID), Name: p.Name, Role: string(role), PIN: hash, Active: true}, err
}

// setup stages people and catalogue, makes the entries, and lets what was staged
// take effect, so that a crash leaves a till that is set up or one that asks for
// its setup again. The book is held.
func (n *Node) setup(ctx context.Context, in Setup, people []sqlite.Person) (Token, error) {
	if n.setupHash == nil {
		return "", refuse(Refused, "setup-done")
	}
	by := staff.ID(people[0].ID)
	placed, err := n.place(in.Shop, in.Tax, by)
	if err != nil {
		return "", err
	}
	bodies := placed.bodies
	changes := append(placed.changes, sqlite.Change{Setting: &sqlite.Setting{Key: settingSetup}})
	for _, p := range people {
		bodies = append(bodies, &fiscal.UserChange{Actor: fiscal.Actor{By: by}, Person: staff.ID(p.ID), What: "added", New: staff.Role(p.Role)})
		changes = append(changes, sqlite.Change{Person: &p})
	}
	m := n.marked(len(bodies))
	if err := n.both(ctx, newID(n.opts.Now()), bodies, append(changes, m.change())); err != nil {
		return "", err
	}
	n.mark = m
	for _, p := range people {
		n.people[staff.ID(p.ID)] = p
	}
	n.setupCode, n.setupHash, n.counter.catalog = "", nil, placed.catalog
	n.shopChanged()
	return n.begin(ctx, personOf(people[0]))
}

// shopChanged takes a new profile into use. The book is held.
func (n *Node) shopChanged() {
	n.counter.taxes, n.counter.language = n.state.Shop.TaxTable, n.state.Shop.Language
	n.stream.changed()
}

// roleWord is a role as the screen writes it: "financialManager".
func roleWord(r staff.Role) string {
	parts := strings.Split(string(r), "-")
	for i := 1; i < len(parts); i++ {
		if parts[i] != "" {
			parts[i] = strings.ToUpper(parts[i][:1]) + parts[i][1:]
		}
	}
	return strings.Join(parts, "")
}

// roleNamed reads what roleWord wrote; finer are the shop's own roles.
func roleNamed(word string, finer staff.Book) (staff.Role, error) {
	for _, f := range finer {
		if roleWord(f.Name) == word || string(f.Name) == word {
			return f.Name, nil
		}
	}
	for _, r := range staff.Roles() {
		if roleWord(r) == word || string(r) == word {
			return r, nil
		}
	}
	return "", refuse(Invalid, "bad-role")
}
