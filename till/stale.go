package till

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/journal"
	"github.com/plomb-pos/plomb/journal/proof"
	"github.com/plomb-pos/plomb/staff"
	"github.com/plomb-pos/plomb/till/sqlite"
)

// mark is what the vault knows of the journal beside it: a lower bound of how long
// it is, and which changes of people are in the vault. A vault that was put back
// alone knows fewer changes than the journal has, and so old PINs and people who
// were shut out; a journal that was put back alone is shorter than the vault knows.
type mark struct {
	Origin string `json:"origin"`
	Size   uint64 `json:"size"`   // entries that were durable
	People uint64 `json:"people"` // index of the last user-change in the vault, and one; 0: none
}

func (m mark) change() sqlite.Change {
	body, err := json.Marshal(m, json.Deterministic(true))
	if err != nil { // three plain fields
		body = nil
	}
	return sqlite.Change{Setting: &sqlite.Setting{Key: settingMark, Value: body}}
}

// readMark reads a vault's mark; not ok: it has none yet.
func readMark(ctx context.Context, v *sqlite.Vault) (m mark, ok bool, err error) {
	body, err := v.Setting(ctx, settingMark)
	if err != nil || body == nil {
		return m, false, err
	}
	if err := json.Unmarshal(body, &m); err != nil {
		return m, false, fmt.Errorf("read the vault's mark: %w", err)
	}
	return m, true, nil
}

// checkMark refuses a journal that is shorter than the vault knows it to be,
// before anything is written: its tail was lost, or an old copy put back.
func (n *Node) checkMark(ctx context.Context) error {
	m, ok, err := readMark(ctx, n.vault)
	if err != nil {
		return err
	}
	if !ok {
		return nil
	}
	if m.Origin == n.journal.Origin() && m.Size > n.journal.Size() {
		return &journal.RollbackError{Anchor: "vault", Seen: proof.Checkpoint{Origin: m.Origin, Size: m.Size}, Size: n.journal.Size()}
	}
	if laterThan(m.Origin, n.journal.Origin(), n.Name()) {
		return &journal.RollbackError{Anchor: "vault", Seen: proof.Checkpoint{Origin: m.Origin, Size: m.Size}, Size: n.journal.Size()}
	}
	return nil
}

// laterThan reports whether an origin is of a later epoch of the till than another.
func laterThan(other, origin, name string) bool {
	a, okA := epochOf(other, name)
	b, okB := epochOf(origin, name)
	return okA && okB && a > b
}

// marked is the mark as it stands, or, with people above 0, once so many entries
// more are durable, the last of which changes people.
func (n *Node) marked(people int) mark {
	m := mark{Origin: n.journal.Origin(), Size: n.journal.Size(), People: n.mark.People}
	if people > 0 {
		m.Size, m.People = n.state.Size+uint64(people), n.state.Size+uint64(people)
	}
	return m
}

// keepMark lets the vault know how long the journal is, as the till ends. Before
// the two have been compared the vault's word about people must stay.
func (n *Node) keepMark() []sqlite.Change {
	if !n.compared {
		return nil
	}
	return []sqlite.Change{n.marked(0).change()}
}

// comparePeople finds changes of people that the journal has and the vault has
// not: then the vault is older than the journal. The projection has to be as far
// as the journal. The book is held.
func (n *Node) comparePeople(ctx context.Context) error {
	m, ok, err := readMark(ctx, n.vault)
	if err != nil {
		return err
	}
	if !ok { // from before marks were kept: taken as it is
		return n.adoptMark(ctx)
	}
	if m.Origin != n.journal.Origin() { // of an older epoch: it has none of this one's changes
		m = mark{Origin: n.journal.Origin()}
	}
	n.mark = m
	unknown, err := n.userChanges(ctx, m.People)
	if err != nil || len(unknown) == 0 {
		return err
	}
	return n.shutOutStale(ctx, unknown)
}

func (n *Node) adoptMark(ctx context.Context) error {
	all, err := n.userChanges(ctx, 0)
	if err != nil {
		return err
	}
	m := mark{Origin: n.journal.Origin(), Size: n.journal.Size()}
	if len(all) > 0 {
		m.People = all[len(all)-1].index + 1
	}
	if err := n.vault.Apply(ctx, m.change()); err != nil {
		return err
	}
	n.mark = m
	return nil
}

// userChange is a change of people in the journal.
type userChange struct {
	*fiscal.UserChange
	index uint64
}

// userChanges lists those from an index on, oldest first.
func (n *Node) userChanges(ctx context.Context, from uint64) (out []userChange, err error) {
	var before uint64
	for {
		rows, err := n.projection.Entries(ctx, sqlite.Query{Kinds: []uint16{uint16(fiscal.KindUserChange)}, Before: before, Limit: 200})
		if err != nil {
			return nil, err
		}
		for _, r := range rows {
			if r.Index < from {
				slices.Reverse(out)
				return out, nil
			}
			c, err := n.userChangeAt(ctx, r.Index)
			if err != nil {
				return nil, err
			}
			if c.UserChange != nil {
				out = append(out, c)
			}
			before = r.Index
		}
		if len(rows) < 200 || before == 0 {
			slices.Reverse(out)
			return out, nil
		}
	}
}

// userChangeAt reads one; what is damaged or erased says nothing.
func (n *Node) userChangeAt(ctx context.Context, index uint64) (userChange, error) {
	e, err := n.journal.Entry(ctx, index)
	if errors.Is(err, journal.ErrDamaged) || errors.Is(err, journal.ErrErased) {
		return userChange{}, nil
	}
	if err != nil {
		return userChange{}, err
	}
	b, err := fiscal.Decode(e.Head.Kind, e.Body)
	if err != nil {
		return userChange{}, err
	}
	c, _ := b.(*fiscal.UserChange)
	return userChange{c, index}, nil
}

// shutOutStale does with people what the journal says: roles as they were given,
// and nobody signs in whose PIN the vault has an old one of, until somebody with
// the right gives them a new one. Whoever was added is not known any more.
func (n *Node) shutOutStale(ctx context.Context, unknown []userChange) error {
	people := map[staff.ID]sqlite.Person{}
	for _, c := range unknown {
		p, ok := people[c.Person]
		if !ok {
			p, ok = n.people[c.Person]
		}
		if ok {
			people[c.Person] = stale(p, c.UserChange)
		}
	}
	first := unknown[0].index
	bodies := []fiscal.Body{&fiscal.Recovery{Note: fmt.Sprintf("the vault is older than the journal: it lacks %d changes of people from entry %d on", len(unknown), first)}}
	var changes []sqlite.Change
	for _, id := range sortedIDs(people) {
		p := people[id]
		bodies = append(bodies, &fiscal.UserChange{Person: id, What: "shut-out", Old: staff.Role(n.people[id].Role), New: staff.Role(p.Role)})
		changes = append(changes, sqlite.Change{Person: &p})
		for _, s := range n.sessions {
			if s.person.ID == id {
				changes = append(changes, sqlite.Change{DropSession: s.hash[:]})
			}
		}
	}
	m := n.marked(len(bodies))
	if err := n.both(ctx, newID(n.opts.Now()), bodies, append(changes, m.change())); err != nil {
		return err
	}
	n.mark = m
	n.takeStale(people)
	n.notices.put(notice{id: "vault", level: "error", code: "vault-older", values: []string{"people", joinIDs(people)}})
	return nil
}

// stale is what is left of a person after a change that the vault has not got.
func stale(p sqlite.Person, c *fiscal.UserChange) sqlite.Person {
	switch c.What {
	case "changed":
		p.Role = string(c.New)
	case "pin", "removed", "shut-out":
		p.Active = false
	}
	return p
}

func (n *Node) takeStale(people map[staff.ID]sqlite.Person) {
	for id, p := range people {
		n.people[id] = p
		for hash, s := range n.sessions {
			if s.person.ID == id {
				delete(n.sessions, hash)
			}
		}
	}
}

func sortedIDs(people map[staff.ID]sqlite.Person) (out []staff.ID) {
	for id := range people {
		out = append(out, id)
	}
	slices.Sort(out)
	return out
}

func joinIDs(people map[staff.ID]sqlite.Person) string {
	var out []string
	for _, id := range sortedIDs(people) {
		out = append(out, string(id))
	}
	return strings.Join(out, ", ")
}

// compareCatalogue journals which articles are in force where the vault has others
// than the journal says: prices may be old. The book is held.
func (n *Node) compareCatalogue(ctx context.Context) error {
	held := n.counter.catalog.Hash()
	if held == n.state.Catalog {
		return nil
	}
	b := &fiscal.ArticleChange{Old: n.state.Catalog, New: held, Added: n.counter.catalog.Len()}
	if _, err := n.append(ctx, [16]byte{}, &fiscal.Recovery{Note: "the vault has other articles than the journal says were in force"}, b); err != nil {
		return err
	}
	n.notices.put(notice{id: "catalogue", level: "error", code: "catalogue-older"})
	return nil
}

// compareVault holds the vault against the journal, at the start where the
// projection is as far as the journal, otherwise as soon as it is.
func (n *Node) compareVault(ctx context.Context) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.comparePeople(ctx); err != nil {
		return fmt.Errorf("compare the vault with the journal: %w", err)
	}
	if err := n.compareCatalogue(ctx); err != nil {
		return fmt.Errorf("compare the vault with the journal: %w", err)
	}
	n.compared = true
	n.stream.changed()
	return nil
}

// maxBehind is how many entries a start adds to the projection before it goes on.
const maxBehind = 2 * batch

// compareSoon is compareVault at the start, where the projection has come far
// enough; otherwise, or after an error, compareLate has to.
func (n *Node) compareSoon(ctx context.Context) {
	if n.journal.Size()-n.searched.Load() > maxBehind {
		return
	}
	for n.searched.Load() < n.journal.Size() {
		if err := n.extend(ctx, n.searched.Load()); err != nil {
			n.opts.Log.Error("the projection is extended later", "err", err)
			return
		}
	}
	if err := n.compareVault(ctx); err != nil {
		n.opts.Log.Error("the vault is compared with the journal later", "err", err)
	}
}

// compareLate is compareVault behind the till's work.
func (n *Node) compareLate(ctx context.Context) error {
	for !n.isCompared() && ctx.Err() == nil {
		if err := n.caughtUp(ctx, n.journal.Size()); err != nil {
			continue // asked again until it is there
		}
		if err := n.compareVault(ctx); err != nil && ctx.Err() == nil {
			n.opts.Log.Error("the vault cannot be compared with the journal now", "err", err)
			wait(ctx, projectionPatience)
		}
	}
	return nil
}

func (n *Node) isCompared() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.compared
}
