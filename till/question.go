package till

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/plomb-pos/plomb/catalog"
	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/journal/proof"
	"github.com/plomb-pos/plomb/money"
	"github.com/plomb-pos/plomb/receipt"
	"github.com/plomb-pos/plomb/staff"
	"github.com/plomb-pos/plomb/till/sqlite"
)

// ListQuery selects a part of a list, newest first.
type ListQuery struct {
	Text   string
	Before uint64 // number or index, exclusive; 0: from the newest
	Limit  int    // 1 to 200; outside: 50
}

func (q ListQuery) limit() int {
	if q.Limit < 1 || q.Limit > 200 {
		return 50
	}
	return q.Limit
}

// one asks for one more than is wanted, to know whether there are further ones.
func (q ListQuery) oneMore() sqlite.Query {
	return sqlite.Query{Text: q.Text, Before: q.Before, Limit: min(q.limit()+1, 200)}
}

// questionRights are the operations that questions need; they stand in the
// state's "may" beside the commands.
var questionRights = map[string]staff.Name{
	"articles.view": staff.Language, "receipts.view": staff.Copy, "journal.view": staff.JournalView, "journal.security": staff.SecurityView,
	"journal.prove": staff.Prove, "reports.view": staff.PeriodReport, "people.view": staff.PeopleView, "settings.view": staff.SettingsView,
	"software.view": staff.SoftwareView,
}

// ask checks who asks: signed in, not locked, with one of the rights.
func (n *Node) ask(token Token, rights ...staff.Name) (asker, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	s := n.sessions.find(token.key(), n.opts.Uptime())
	switch {
	case n.closing:
		return asker{}, refuse(Unavailable, "stopping")
	case s == nil:
		return asker{}, refuse(Unauthenticated, "not-signed-in")
	case s.locked:
		return asker{}, refuse(Locked, "session-locked")
	}
	n.touch(s)
	a := asker{person: s.person, language: n.state.Shop.Language, currency: n.state.Shop.Currency, training: n.state.Training}
	a.security = n.state.Shop.Roles.Allowed(s.person.Role, staff.SecurityView).Answer == staff.Yes
	for _, r := range rights {
		if n.state.Shop.Roles.Allowed(s.person.Role, r).Answer == staff.Yes {
			return a, nil
		}
	}
	n.floodHeld("refused", &fiscal.Refused{Actor: fiscal.Actor{By: s.person.ID}, Role: s.person.Role, Operation: rights[0], Reason: "forbidden"})
	return asker{}, refuse(Forbidden, "forbidden")
}

// asker is who asks a question, and what the answer has to know of them.
type asker struct {
	person   staff.Person
	language string
	currency money.Currency
	training bool
	security bool // may see security events
}

// viewed journals that somebody looked into the journal, as far as the shop wants
// it: security events always, searches only with the most detail.
func (n *Node) viewed(a asker, what, text string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	detail := cmp.Or(n.state.Shop.Detail, fiscal.Basic)
	if what == "security" || detail == fiscal.Detailed || detail == fiscal.Basic && what == "entry" {
		n.floodHeld("viewed", &fiscal.JournalViewed{Actor: fiscal.Actor{By: a.person.ID}, What: what, Text: oneLine(text)})
	}
}

// ArticlesAnswer lists articles.
type ArticlesAnswer struct {
	Articles []ArticleRow `json:"articles"`
	Groups   []GroupRow   `json:"groups"`
	More     bool         `json:"more"`
}

// ArticleRow is an article as the screen shows it.
type ArticleRow struct {
	SKU       catalog.SKU     `json:"sku"`
	Name      string          `json:"name"`
	Group     string          `json:"group"`
	Unit      catalog.Unit    `json:"unit"`
	UnitPrice money.UnitPrice `json:"unitPrice"`
	Open      bool            `json:"open"` // the price is asked for
	Letter    string          `json:"letter"`
	Code      string          `json:"code"`
}

// GroupRow is a group of articles.
type GroupRow struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	Articles int    `json:"articles"`
}

// Articles finds articles by words or by group.
func (n *Node) Articles(ctx context.Context, token Token, q ListQuery, group string) (*ArticlesAnswer, error) {
	if _, err := n.ask(token, staff.Language); err != nil {
		return nil, err
	}
	n.mu.Lock()
	c, now := n.counter, n.opts.Now().In(zone(&n.state.Shop))
	n.mu.Unlock()
	out := &ArticlesAnswer{Articles: []ArticleRow{}, Groups: groupsOf(c.catalog)}
	for _, a := range c.matching(q, group) {
		if len(out.Articles) == q.limit() {
			out.More = true
			break
		}
		out.Articles = append(out.Articles, c.articleRow(a, now))
	}
	return out, nil
}

func (c counter) matching(q ListQuery, group string) []catalog.Article {
	if q.Text != "" {
		found := c.catalog.Search(q.Text, catalog.MaxResults)
		return slices.DeleteFunc(found, func(a catalog.Article) bool { return group != "" && a.Group != group })
	}
	var out []catalog.Article
	for a := range c.catalog.Articles() {
		if len(out) > q.limit() {
			break
		}
		if group == "" || a.Group == group {
			out = append(out, a)
		}
	}
	return out
}

func (c counter) articleRow(a catalog.Article, now time.Time) ArticleRow {
	row := ArticleRow{SKU: a.SKU, Name: a.NameIn(c.language), Group: a.Group, Unit: a.Unit, UnitPrice: a.Price, Open: a.OpenPrice}
	if p, ok := c.catalog.Price(a.SKU, "", now); ok {
		row.UnitPrice = p.Unit
	}
	if rule, err := c.taxes.At(a.Class, now); err == nil {
		row.Letter = rule.Letter
	}
	if len(a.GTINs) > 0 {
		row.Code = string(a.GTINs[0])
	}
	return row
}

func groupsOf(c *catalog.Catalog) []GroupRow {
	out := []GroupRow{}
	for a := range c.Articles() {
		i := slices.IndexFunc(out, func(g GroupRow) bool { return g.ID == a.Group })
		if i < 0 {
			out = append(out, GroupRow{ID: a.Group, Name: a.Group})
			i = len(out) - 1
		}
		out[i].Articles++
	}
	return out
}

// ReceiptsAnswer lists receipts.
type ReceiptsAnswer struct {
	Receipts []ReceiptRow `json:"receipts"`
	More     bool         `json:"more"`
}

// ReceiptRow is a receipt in a list.
type ReceiptRow struct {
	Number uint64       `json:"number"`
	Index  uint64       `json:"index"`
	At     time.Time    `json:"at"`
	Kind   string       `json:"kind"` // "sale", "return", "void", "training"
	Total  money.Amount `json:"total"`
	Who    string       `json:"who"`
	Voided bool         `json:"voided"`
}

// Receipts lists receipts, in training mode those of training.
func (n *Node) Receipts(ctx context.Context, token Token, q ListQuery) (*ReceiptsAnswer, error) {
	a, err := n.ask(token, staff.Copy, staff.JournalView)
	if err != nil {
		return nil, err
	}
	rows, err := n.projection.Receipts(ctx, a.training, q.oneMore())
	if err != nil {
		return nil, n.searchFailed(err)
	}
	out := &ReceiptsAnswer{Receipts: []ReceiptRow{}, More: len(rows) > q.limit()}
	for _, r := range rows[:min(len(rows), q.limit())] {
		row, err := n.receiptRow(ctx, r)
		if err != nil {
			return nil, err
		}
		out.Receipts = append(out.Receipts, row)
	}
	return out, nil
}

func (n *Node) receiptRow(ctx context.Context, r sqlite.ReceiptRow) (ReceiptRow, error) {
	voids, err := n.projection.Referring(ctx, r.Index, uint16(fiscal.KindVoid))
	return ReceiptRow{
		Number: r.Number, Index: r.Index, At: r.At, Kind: receiptKind(proof.Kind(r.Kind)), Total: money.Amount(r.Total),
		Who: n.nameOf(staff.ID(r.Person)), Voided: len(voids) > 0,
	}, err
}

func receiptKind(k proof.Kind) string {
	switch k {
	case fiscal.KindReturn:
		return "return"
	case fiscal.KindVoid:
		return "void"
	case fiscal.KindTraining:
		return "training"
	}
	return "sale"
}

// ReceiptAnswer is one receipt with everything about it.
type ReceiptAnswer struct {
	ReceiptRow
	Text     string            `json:"text"`
	Code     string            `json:"code"`
	SVG      string            `json:"svg"`
	Printed  Printed           `json:"printed"`
	Original *OriginalState    `json:"original"` // what can still be returned, null: nothing
	Document *receipt.Document `json:"document"`
}

// Receipt shows one receipt, made again from its entry alone (POS-02).
func (n *Node) Receipt(ctx context.Context, token Token, number uint64) (*ReceiptAnswer, error) {
	a, err := n.ask(token, staff.Copy, staff.JournalView)
	if err != nil {
		return nil, err
	}
	if err := n.caughtUp(ctx, n.journal.Size()); err != nil {
		return nil, err
	}
	r, ok, err := n.projection.Receipt(ctx, a.training, number)
	if err != nil {
		return nil, n.searchFailed(err)
	}
	if !ok {
		return nil, refuse(NotFound, "unknown-receipt")
	}
	return n.receiptAnswer(ctx, r)
}

func (n *Node) receiptAnswer(ctx context.Context, r sqlite.ReceiptRow) (*ReceiptAnswer, error) {
	row, err := n.receiptRow(ctx, r)
	if err != nil {
		return nil, err
	}
	e, err := n.journal.Entry(ctx, r.Index)
	if err != nil {
		return nil, entryRefusal(err)
	}
	code := n.codeAgain(ctx, r.Index)
	d, err := n.documentOf(e, 0, code)
	if err != nil {
		return nil, err
	}
	columns, _ := n.paperShape()
	out := &ReceiptAnswer{ReceiptRow: row, Code: code, Text: receipt.PlainText(d, columns, d.Issuer.Language), Document: &d}
	if out.Printed, err = n.printedOf(ctx, r.Index); err != nil {
		return nil, err
	}
	if code != "" {
		if out.SVG, err = svgOf(code); err != nil {
			return nil, err
		}
	}
	if row.Kind == "sale" && !row.Voided {
		out.Original, err = n.stillReturnable(ctx, r.Index)
	}
	return out, err
}

func (n *Node) stillReturnable(ctx context.Context, index uint64) (*OriginalState, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	o, err := n.originalAt(ctx, sqlite.Place{Origin: n.journal.Origin(), Index: index})
	if err != nil {
		return nil, err
	}
	return viewOriginal(o, nil), nil
}

// ReportsAnswer lists Z reports.
type ReportsAnswer struct {
	Reports []ReportRow `json:"reports"`
	More    bool        `json:"more"`
}

// ReportRow is a Z report in a list.
type ReportRow struct {
	Number uint64       `json:"number"`
	At     time.Time    `json:"at"`
	Index  uint64       `json:"index"`
	Total  money.Amount `json:"total"`
}

// Reports lists Z reports.
func (n *Node) Reports(ctx context.Context, token Token, q ListQuery) (*ReportsAnswer, error) {
	if _, err := n.ask(token, staff.PeriodReport, staff.XReport); err != nil {
		return nil, err
	}
	rows, err := n.projection.Zs(ctx, q.oneMore())
	if err != nil {
		return nil, n.searchFailed(err)
	}
	out := &ReportsAnswer{Reports: []ReportRow{}, More: len(rows) > q.limit()}
	for _, z := range rows[:min(len(rows), q.limit())] {
		out.Reports = append(out.Reports, ReportRow{Number: z.Number, At: z.At, Index: z.Index, Total: money.Amount(z.Total)})
	}
	return out, nil
}

// Report shows one Z report, made again from its entry alone.
func (n *Node) Report(ctx context.Context, token Token, number uint64) (*ReportAnswer, error) {
	if _, err := n.ask(token, staff.PeriodReport, staff.XReport); err != nil {
		return nil, err
	}
	z, ok, err := n.projection.Z(ctx, number)
	if err != nil {
		return nil, n.searchFailed(err)
	}
	if !ok {
		return nil, refuse(NotFound, "no-report")
	}
	return n.reportAt(ctx, z.Index)
}

// PeopleAnswer lists who may sign in.
type PeopleAnswer struct {
	People []PersonRow `json:"people"`
	Roles  []Choice    `json:"roles"`
	Finer  staff.Book  `json:"finer"` // the shop's own roles among them
	Table  []RightsRow `json:"table"`
}

// RightsRow is an operation and what each role may do about it: "yes", "approval"
// or "no".
type RightsRow struct {
	ID     staff.Name              `json:"id"`
	Name   string                  `json:"name"`
	Reauth bool                    `json:"reauth"` // one's own PIN is asked for again
	Roles  map[string]staff.Answer `json:"roles"`
}

// rightsTable is the table of operations in words, with the shop's own roles.
func rightsTable(book staff.Book, language string) []RightsRow {
	roles := staff.Roles()
	for _, f := range book {
		roles = append(roles, f.Name)
	}
	var out []RightsRow
	for _, o := range staff.Table() {
		row := RightsRow{ID: o.Name, Name: label(language, "op-"+string(o.Name)), Reauth: o.Reauth, Roles: map[string]staff.Answer{}}
		for _, r := range roles {
			row.Roles[roleWord(r)] = book.Allowed(r, o.Name).Answer
		}
		out = append(out, row)
	}
	return out
}

// PersonRow is somebody in a list.
type PersonRow struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Role   string `json:"role"`
	Active bool   `json:"active"`
}

// Choice is something that can be chosen.
type Choice struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// People lists everybody.
func (n *Node) People(ctx context.Context, token Token) (*PeopleAnswer, error) {
	a, err := n.ask(token, staff.PeopleView)
	if err != nil {
		return nil, err
	}
	out := &PeopleAnswer{People: []PersonRow{}, Roles: []Choice{}}
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, p := range n.people {
		out.People = append(out.People, PersonRow{ID: p.ID, Name: p.Name, Role: roleWord(staff.Role(p.Role)), Active: p.Active})
	}
	slices.SortFunc(out.People, func(x, y PersonRow) int { return compareIDs(x.ID, y.ID) })
	for _, r := range staff.Roles() {
		if r != staff.Customer {
			out.Roles = append(out.Roles, Choice{ID: roleWord(r), Name: label(a.language, "role-"+string(r))})
		}
	}
	for _, f := range n.state.Shop.Roles {
		out.Roles = append(out.Roles, Choice{ID: roleWord(f.Name), Name: string(f.Name)})
	}
	out.Finer, out.Table = list(n.state.Shop.Roles), rightsTable(n.state.Shop.Roles, a.language)
	return out, nil
}

// compareIDs puts short numbers before long ones: 2 before 10.
func compareIDs(x, y string) int {
	if len(x) != len(y) {
		return len(x) - len(y)
	}
	if x < y {
		return -1
	}
	if x > y {
		return 1
	}
	return 0
}

// SettingsAnswer is the shop's profile.
type SettingsAnswer struct {
	Shop  Profile    `json:"shop"`
	Fixed []string   `json:"fixed"`
	Tax   RatesState `json:"tax"`
}

// Settings shows the shop's profile.
func (n *Node) Settings(ctx context.Context, token Token) (*SettingsAnswer, error) {
	if _, err := n.ask(token, staff.SettingsView); err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	shop := n.state.Shop
	today := money.DateOf(n.opts.Now().In(zone(&shop)))
	return &SettingsAnswer{Shop: profileOf(&shop), Fixed: slices.Clone(fixed), Tax: ratesState(&shop, today)}, nil
}
