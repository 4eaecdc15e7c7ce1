package till

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/plomb-pos/plomb/catalog"
	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/journal"
	"github.com/plomb-pos/plomb/journal/proof"
	"github.com/plomb-pos/plomb/sale"
	"github.com/plomb-pos/plomb/staff"
	"github.com/plomb-pos/plomb/till/sqlite"
)

// WhoError says that nobody with the right to do something has proved who they
// are, and who could.
type WhoError struct {
	Why       string
	May       []staff.Person // may ask
	Approvers []staff.Person // may approve what the others ask for
}

// Error names everybody by id, name and role.
func (e *WhoError) Error() string {
	return fmt.Sprintf("%s; may ask: %s; may approve: %s", e.Why, listPeople(e.May), listPeople(e.Approvers))
}

func listPeople(people []staff.Person) string {
	if len(people) == 0 {
		return "nobody"
	}
	var out []string
	for _, p := range people {
		out = append(out, fmt.Sprintf("%s (%s, %s)", p.ID, p.Name, p.Role))
	}
	return strings.Join(out, ", ")
}

// keepers are what the vault has to do with a new epoch: people, and what it
// kept about the old journal.
type keepers struct {
	vault     *sqlite.Vault
	people    []sqlite.Person
	actor     fiscal.Actor
	unchecked string // why nobody was checked, "" if somebody was
	articles  int    // in the catalogue
	baskets   []sqlite.Basket
	dropped   []string          // baskets that ended in the old epoch
	ended     []*fiscal.Aborted // returns that end with it
}

// openKeepers opens the vault and checks who asks. Without a vault that can be
// read nobody can be checked; then that is recorded, and the files' owner is all
// the protection there is.
func (r *renewal) openKeepers(ctx context.Context) error {
	if err := r.openVault(ctx); err != nil {
		if r.vault != nil {
			err, r.vault = errors.Join(err, r.vault.Close()), nil
		}
		r.note("the vault cannot be read (%v): people, open baskets and the catalogue have to be restored from a copy", err)
		r.unchecked = "who asked was not checked: no vault"
		r.claimed()
		return nil
	}
	if r.req.DryRun {
		return nil
	}
	return r.authorise(ctx)
}

func (r *renewal) openVault(ctx context.Context) error {
	key, err := r.opts.DatabaseKey("vault")
	if err != nil {
		return err
	}
	if r.vault, err = sqlite.OpenVault(ctx, filepath.Join(r.opts.Dir, vaultFile), key); err != nil {
		return err
	}
	if r.people, err = r.vault.People(ctx); err != nil {
		return err
	}
	encoded, err := r.vault.Setting(ctx, settingCatalogue)
	if err != nil {
		return err
	}
	if set, err := catalog.Decode(encoded); err == nil {
		r.articles = len(set.Articles)
	}
	return nil
}

// claimed keeps the name of somebody who could not prove it.
func (r *renewal) claimed() {
	if id := r.req.Person.Person; id != "" {
		r.unchecked += fmt.Sprintf("; said to be %q", oneLine(string(id)))
	}
}

// authorise holds who asks and who approves against the staff table. Where the
// shop has nobody who could approve, the asker's proof is enough, and the entry
// says so: otherwise a shop of one could never go on.
func (r *renewal) authorise(ctx context.Context) error {
	if !slices.ContainsFunc(r.people, func(p sqlite.Person) bool { return p.Active }) {
		r.unchecked = "who asked was not checked: nobody is set up"
		r.claimed()
		return nil
	}
	person, err := r.prove(ctx, r.req.Person)
	if err != nil {
		return err
	}
	roles := r.state.Shop.Roles
	r.actor.By, r.report.Person = person.ID, string(person.ID)
	switch d := roles.Allowed(person.Role, r.operation()); {
	case d.Answer == staff.No:
		return r.who(fmt.Sprintf("%s may not %s", person.Name, map[bool]string{true: "rotate the key", false: "begin a new epoch"}[r.req.Rotate]))
	case d.Answer == staff.Yes:
		return nil
	case len(r.able(person.ID)) == 0:
		r.unchecked = "nobody in this shop could approve it"
		return nil
	}
	approver, err := r.prove(ctx, r.req.Approver)
	if err != nil {
		return err
	}
	if err := roles.Approve(person, approver, r.operation()); err != nil {
		return r.who(err.Error())
	}
	r.actor.Approver = approver.ID
	return nil
}

// prove checks a PIN. The guard against guessing is the vault's file mode: who
// can run this has the files.
func (r *renewal) prove(ctx context.Context, a Approval) (staff.Person, error) {
	i := slices.IndexFunc(r.people, func(p sqlite.Person) bool { return p.Active && staff.ID(p.ID) == a.Person })
	var stored sqlite.Person
	if i >= 0 {
		stored = r.people[i]
	}
	ok, err := newPins().check(ctx, stored.PIN, a.PIN)
	if err != nil {
		return staff.Person{}, err
	}
	switch {
	case a.Person == "":
		return staff.Person{}, r.who("somebody has to prove who they are")
	case !ok:
		return staff.Person{}, r.who(fmt.Sprintf("person %s: unknown, or the wrong PIN", oneLine(string(a.Person))))
	}
	return personOf(stored), nil
}

func (r *renewal) who(why string) error {
	e := &WhoError{Why: why, Approvers: r.able("")}
	for _, p := range r.people {
		if p.Active && r.state.Shop.Roles.Allowed(staff.Role(p.Role), r.operation()).Answer != staff.No {
			e.May = append(e.May, personOf(p))
		}
	}
	return e
}

// able are those who can approve what a person other than themselves asks for.
func (r *renewal) able(asker staff.ID) (out []staff.Person) {
	asking := staff.Person{ID: asker, Role: staff.Administrator}
	for _, p := range r.people {
		if p.Active && p.ID != string(asker) && r.state.Shop.Roles.Approve(asking, personOf(p), r.operation()) == nil {
			out = append(out, personOf(p))
		}
	}
	return out
}

// hearDatabases asks vault and projection how long the old journal was: they take
// durable entries only.
func (r *renewal) hearDatabases(ctx context.Context) error {
	if r.vault != nil {
		m, ok, err := readMark(ctx, r.vault)
		if err != nil {
			return err
		}
		if ok {
			r.hearSize("vault", m.Origin, m.Size)
		}
	}
	key, err := r.opts.DatabaseKey("projection")
	if err != nil {
		return err
	}
	// One that is not there or cannot be read is no evidence.
	if origin, next, err := sqlite.PeekProjection(ctx, filepath.Join(r.opts.Dir, projectionFile), key); err == nil {
		r.hearSize("projection", origin, next)
	}
	return nil
}

// hearSize takes somebody's word for how long a journal was, without its root.
func (r *renewal) hearSize(by, origin string, size uint64) {
	if size == 0 {
		return
	}
	r.sized = append(r.sized, origin)
	r.seen(fmt.Sprintf("%s: %s %d", by, origin, size))
	r.loss(nil, evidence{by: by, checkpoint: proof.Checkpoint{Origin: origin, Size: size}}, r.report.Entries)
}

// markVault says that the vault belongs to the new epoch, whose first entries
// change no people.
func (r *renewal) markVault(ctx context.Context) error {
	if r.vault == nil {
		return nil
	}
	return r.vault.Apply(ctx, mark{Origin: r.report.New, Size: r.head.Size}.change())
}

// settleStaged decides about changes that waited for an entry of the old epoch,
// as a start of the till would: in the new one their entry is not to be found.
func (r *renewal) settleStaged(ctx context.Context) error {
	if r.vault == nil {
		return nil
	}
	staged, err := r.vault.Staged(ctx)
	if err != nil || len(staged) == 0 {
		return err
	}
	made := map[string]bool{}
	if err := r.each(ctx, func(e journal.Entry) { made[idText(e.Head.Command)] = true }); err != nil {
		return err
	}
	for _, s := range staged {
		if err := r.vault.Settle(ctx, s.Command, made[s.Command]); err != nil {
			return err
		}
	}
	return nil
}

// each visits the readable entries of the old epoch.
func (r *renewal) each(ctx context.Context, visit func(journal.Entry)) error {
	for e, err := range r.old.Entries(ctx, 0, r.report.Entries) {
		switch {
		case err == nil:
			visit(e)
		case !errors.Is(err, journal.ErrDamaged) && !errors.Is(err, journal.ErrErased):
			return err
		}
	}
	return nil
}

// carry looks at what goes on and what does not.
func (r *renewal) carry(ctx context.Context) error {
	r.report.Next, r.report.Net, r.report.Currency = r.state.Next, r.state.Grand.Net, r.state.Shop.Currency
	if n := r.state.Day.Figures.Sales.Count + r.state.Day.Figures.Returns.Count; n > 0 {
		r.report.OpenDay = n
		r.note("the day goes on: the next Z report has the %d receipts since the last one in it", n)
	}
	if r.state.Session.Open {
		r.note("the open cash session ended with the old epoch: count the drawer and open it again")
	}
	if n := len(r.state.Intents); n > 0 {
		r.note("%d prints or payments were under way: nobody will ask the devices any more, look at paper and terminal", n)
	}
	if r.vault == nil {
		return nil
	}
	return r.carryBaskets(ctx)
}

func (r *renewal) carryBaskets(ctx context.Context) error {
	rows, err := r.vault.Baskets(ctx)
	if err != nil || len(rows) == 0 {
		return err
	}
	over := map[string]bool{}
	err = r.each(ctx, func(e journal.Entry) {
		for _, row := range rows {
			over[row.ID] = over[row.ID] || endsBasket(e, sale.ID(row.ID))
		}
	})
	if err != nil {
		return err
	}
	for _, row := range rows {
		if over[row.ID] {
			r.dropped = append(r.dropped, row.ID)
			continue
		}
		if err := r.carryBasket(row); err != nil {
			return err
		}
	}
	return nil
}

// carryBasket keeps a basket, and ends a return: what it gives back stands in the
// old journal. The row is written as if it were from the journal's beginning, so
// that its end is found in the new one.
func (r *renewal) carryBasket(row sqlite.Basket) error {
	b, err := sale.Decode(row.Body)
	if err != nil {
		return fmt.Errorf("basket %s: %w", row.ID, err)
	}
	row.Size = 0
	r.baskets = append(r.baskets, row)
	if b.Original == nil {
		r.note("a basket of %d lines was not finished and is kept: if its sale was among the lost entries, abort it", len(b.Lines))
		return nil
	}
	t, err := b.Totals()
	if err != nil {
		return fmt.Errorf("basket %s: %w", row.ID, err)
	}
	r.ended = append(r.ended, &fiscal.Aborted{Actor: r.actor, Basket: b.ID, Mode: b.Mode, Lines: b.Lines, Total: t.Total, Reason: "new epoch"})
	r.note("a return of receipt %d was not finished and is ended", b.Original.Number)
	return nil
}

// settleVault makes the vault fit both epochs: a crash behind it leaves the old
// one as good as before.
func (r *renewal) settleVault(ctx context.Context) error {
	var changes []sqlite.Change
	for _, id := range r.dropped {
		changes = append(changes, sqlite.Change{DropBasket: id})
	}
	for i := range r.baskets {
		changes = append(changes, sqlite.Change{Basket: &r.baskets[i]})
	}
	if len(changes) == 0 {
		return nil
	}
	return r.vault.Apply(ctx, changes...)
}

// dropEnded takes the returns that the first entries end out of the vault. After
// a crash before it the till's start does that for the open one; a suspended one
// is still shown then, gives nothing back and can be aborted.
func (r *renewal) dropEnded(ctx context.Context) error {
	if len(r.ended) == 0 {
		return nil
	}
	var changes []sqlite.Change
	for _, b := range r.ended {
		changes = append(changes, sqlite.Change{DropBasket: string(b.Basket)})
	}
	return r.vault.Apply(ctx, changes...)
}
