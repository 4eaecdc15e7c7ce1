package replay

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/uuid"

	"github.com/plomb-pos/plomb/money"
)

// The people of a replayed till. Whoever opens it afterwards signs in as one of
// them; a till with such PINs is none to take money with.
const (
	Administrator    = "1"
	AdministratorPIN = "246810"
	Cashier          = "2" // a supervisor, since returns need one
	CashierPIN       = "135791"
)

// opening is how long before its first document a day begins, and after its last
// one it ends.
const opening = 15 * time.Minute

// run books a plan.
type run struct {
	plan     *Plan
	opts     Options
	clock    *clock
	host     *host
	who      approval // signed in
	commands int
	resumed  int // documents that an earlier run had booked
	done     int
}

func (r *run) book(ctx context.Context) error {
	if err := r.prepare(ctx); err != nil {
		return fmt.Errorf("prepare the till: %w", err)
	}
	for _, d := range r.plan.Days {
		if err := r.day(ctx, d); err != nil {
			return fmt.Errorf("%s: %w", d.Date, err)
		}
	}
	return nil
}

// prepare sets the shop up: people, tender "other", the file's articles. What an
// earlier run has done is found done.
func (r *run) prepare(ctx context.Context) error {
	if r.host.setup == "" && len(r.host.booked.documents) > 0 {
		return nil
	}
	begin := r.setUp // signs in, too
	if r.host.setup == "" {
		begin = func(ctx context.Context) error { return r.signIn(ctx, approval{Administrator, AdministratorPIN}) }
	}
	if err := begin(ctx); err != nil {
		return err
	}
	if err := r.settings(ctx); err != nil {
		return err
	}
	if err := r.articles(ctx); err != nil {
		return err
	}
	return r.signOut(ctx)
}

func (r *run) setUp(ctx context.Context) error {
	r.who = approval{Administrator, AdministratorPIN}
	type person struct {
		ID   string `json:"id"`
		Name string `json:"name"`
		Role string `json:"role,omitzero"`
		PIN  string `json:"pin"`
	}
	_, err := r.host.post(ctx, "/api/setup", map[string]any{
		"code": r.host.setup,
		"shop": map[string]any{
			"name": "Replay of Online Retail", "address": []string{"Data: Chen, Sain, Guo (2012)", "doi:10.1057/dbm.2012.17"},
			"taxNumber": "", "country": country, "currency": currency, "language": "en",
		},
		"administrator": person{ID: Administrator, Name: "Administrator", PIN: AdministratorPIN},
		"people":        []person{{Cashier, "Cashier", "supervisor", CashierPIN}},
	})
	return err
}

// lockAfter is the longest time after which a screen may lock, in seconds: the
// file's gaps are no absence.
const lockAfter = 3600

func (r *run) settings(ctx context.Context) error {
	_, err := r.approved(ctx, r.fresh(), "settings.change", map[string]any{
		"tenders": []string{"cash", "card", "voucher", "other"}, "lockAfterSeconds": lockAfter,
	})
	return err
}

// articles imports the file's articles, which are sold at open prices.
func (r *run) articles(ctx context.Context) error {
	table, err := articleTable(r.plan.Articles)
	if err != nil {
		return err
	}
	a, err := r.do(ctx, r.fresh(), "articles.import", map[string]any{"csv": table})
	if err != nil {
		return err
	}
	var result struct {
		Problems []struct {
			Text string `json:"text"`
		} `json:"problems"`
	}
	if err := json.Unmarshal(a.Result, &result); err != nil {
		return err
	}
	if n := len(result.Problems); n > 0 {
		return fmt.Errorf("%d articles are refused, the first: %s", n, result.Problems[0].Text)
	}
	return nil
}

func articleTable(articles []Article) (string, error) {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	w.Write([]string{"sku", "name", "tax_class", "unit", "group", "open_price"}) // errors stay in w
	for _, a := range articles {
		group := "goods"
		if a.Service {
			group = "services"
		}
		w.Write([]string{string(a.SKU), a.Name, "standard", "piece", group, "yes"})
	}
	w.Flush()
	return b.String(), w.Error()
}

// day books a trading day, from signing in to the Z report.
func (r *run) day(ctx context.Context, d *Day) error {
	if len(d.Steps) == 0 {
		return nil
	}
	z := r.zID(d)
	if r.host.booked.z[z] {
		r.skip(d)
		return nil
	}
	if err := r.reach(ctx, d.Steps[0].At.Add(-opening)); err != nil {
		return err
	}
	if err := r.signIn(ctx, approval{Cashier, CashierPIN}); err != nil {
		return fmt.Errorf("sign in: %w", err)
	}
	for _, s := range d.Steps {
		if err := r.step(ctx, s); err != nil {
			return fmt.Errorf("invoice %s: %w", s.Invoice, err)
		}
		r.tell(s.At)
	}
	return r.closeDay(ctx, d, z)
}

// closeDay ends a day with its Z report.
func (r *run) closeDay(ctx context.Context, d *Day, z uuid.UUID) error {
	if err := r.reach(ctx, closing(d)); err != nil {
		return err
	}
	if _, err := r.approved(ctx, z, "report.z", nil); err != nil {
		return fmt.Errorf("z report: %w", err)
	}
	r.tell(closing(d))
	return r.signOut(ctx)
}

func closing(d *Day) time.Time { return d.Steps[len(d.Steps)-1].At.Add(opening) }

func (r *run) zID(d *Day) uuid.UUID {
	return commandID(r.plan, r.plan.moved(closing(d), r.opts.Weeks), "z", d.Date)
}

// documentID is the id of the command that completes a document.
func documentID(p *Plan, weeks int, s *Step) uuid.UUID {
	return commandID(p, p.moved(s.At, weeks), "document", s.Invoice, strconv.Itoa(s.Part))
}

func (r *run) skip(d *Day) {
	r.resumed += len(d.Steps)
	r.done += len(d.Steps)
	r.tell(closing(d))
}

// step books one document, unless an earlier run has.
func (r *run) step(ctx context.Context, s *Step) error {
	id := documentID(r.plan, r.opts.Weeks, s)
	if _, ok := r.host.booked.documents[id]; ok {
		r.resumed++
		return nil
	}
	if err := r.reach(ctx, s.At); err != nil {
		return err
	}
	// A basket that does not add up is given up and made once more: an earlier
	// run may have left part of it when its ids had already run out.
	for attempt := range 2 {
		fill := r.sale
		if s.Of != nil {
			fill = r.giveBack
		}
		total, err := fill(ctx, s, attempt)
		if err != nil {
			return err
		}
		if total == s.Amount() {
			return r.complete(ctx, s, id)
		}
		if err := r.abort(ctx, s, attempt); err != nil {
			return err
		}
	}
	return fmt.Errorf("the basket does not come to %s", s.Amount().Text(currency))
}

// lineID is the id of a command that fills a basket.
func (r *run) lineID(s *Step, attempt int, what ...string) uuid.UUID {
	return commandID(r.plan, r.plan.moved(s.At, r.opts.Weeks), append(what, s.Invoice, strconv.Itoa(s.Part), strconv.Itoa(attempt))...)
}

// sale rings the lines up one by one and returns what the basket comes to.
func (r *run) sale(ctx context.Context, s *Step, attempt int) (total money.Amount, err error) {
	for i, item := range s.Items {
		a, err := r.do(ctx, r.lineID(s, attempt, "line", strconv.Itoa(i)), "basket.add", map[string]any{
			"sku": item.SKU, "quantity": money.Quantity(item.Quantity) * money.One, "price": unitPrice(item.Price),
		})
		if err != nil {
			return 0, fmt.Errorf("line %d, article %s: %w", i+1, item.SKU, err)
		}
		total = a.total()
	}
	return total, nil
}

func (a *answer) total() money.Amount {
	if a.State.Basket == nil {
		return 0
	}
	return a.State.Basket.Total
}

// unitPrice turns pence into millionths of a pound.
func unitPrice(a money.Amount) money.UnitPrice { return money.UnitPrice(a) * 10_000 }

// original is a receipt whose goods are brought back, as the screen sees it.
type original struct {
	Lines []struct {
		No         int             `json:"no"`
		Quantity   money.Quantity  `json:"quantity"`
		Returnable money.Quantity  `json:"returnable"`
		UnitPrice  money.UnitPrice `json:"unitPrice"`
	} `json:"lines"`
}

// giveBack begins the return of a receipt and takes the goods off its lines.
func (r *run) giveBack(ctx context.Context, s *Step, attempt int) (total money.Amount, err error) {
	number, ok := r.host.booked.documents[documentID(r.plan, r.opts.Weeks, s.Of)]
	if !ok {
		return 0, fmt.Errorf("the sale %s is not booked", s.Of.Invoice)
	}
	a, err := r.do(ctx, r.lineID(s, attempt, "return"), "return.begin", map[string]any{"receipt": number})
	if err != nil {
		return 0, fmt.Errorf("receipt %d: %w", number, err)
	}
	var begun struct {
		Original original `json:"original"`
	}
	if err := json.Unmarshal(a.Result, &begun); err != nil {
		return 0, err
	}
	for _, item := range s.Items {
		if total, err = r.giveItemBack(ctx, s, attempt, begun.Original, item); err != nil {
			return 0, fmt.Errorf("article %s of receipt %d: %w", item.SKU, number, err)
		}
	}
	return total, nil
}

// giveItemBack gives goods back that stand on one line of the receipt, since the
// till joins equal ones; that it is their line is made sure of by what it says.
func (r *run) giveItemBack(ctx context.Context, s *Step, attempt int, o original, item Item) (total money.Amount, err error) {
	line, sold := s.Of.line(item)
	quantity := money.Quantity(item.Quantity) * money.One
	for _, l := range o.Lines {
		if l.No != line || l.Quantity != money.Quantity(sold)*money.One || l.UnitPrice != unitPrice(item.Price) || l.Returnable < quantity {
			continue
		}
		a, err := r.do(ctx, r.lineID(s, attempt, "back", strconv.Itoa(line)), "return.line", map[string]any{"line": line, "quantity": quantity})
		if err != nil {
			return 0, err
		}
		return a.total(), nil
	}
	return 0, fmt.Errorf("line %d has not %d of it to give back", line, item.Quantity)
}

// complete has the document paid on account, which books it.
func (r *run) complete(ctx context.Context, s *Step, id uuid.UUID) error {
	a, err := r.do(ctx, id, "basket.tender", map[string]any{"type": "other", "complete": true})
	if err != nil {
		return err
	}
	var result struct {
		Receipt *struct {
			Number int64        `json:"number"`
			Total  money.Amount `json:"total"`
		} `json:"receipt"`
	}
	if err := json.Unmarshal(a.Result, &result); err != nil {
		return err
	}
	if result.Receipt == nil || result.Receipt.Total != s.Amount() {
		return fmt.Errorf("booked as %s, not as %s", a.Result, s.Amount().Text(currency))
	}
	r.host.booked.documents[id] = result.Receipt.Number
	return nil
}

func (r *run) abort(ctx context.Context, s *Step, attempt int) error {
	_, err := r.do(ctx, r.lineID(s, attempt, "abort"), "basket.abort", map[string]any{"reason": "left over from a replay that was cut off"})
	if isRefusal(err, "refused") { // there is none
		return nil
	}
	return err
}

func (r *run) reach(ctx context.Context, t time.Time) error {
	return r.clock.reach(ctx, r.plan.moved(t, r.opts.Weeks))
}

func (r *run) tell(at time.Time) {
	r.done++
	if r.opts.Progress != nil {
		r.opts.Progress(Progress{Done: r.done, Steps: r.plan.Steps() + len(r.plan.Days), At: at})
	}
}

// fresh makes the id of a command that may be done again.
func (r *run) fresh() uuid.UUID {
	var salt [16]byte = uuid.New()
	return commandID(r.plan, r.clock.Now(), string(salt[:]))
}

func (r *run) signIn(ctx context.Context, who approval) error {
	r.who = who
	_, err := r.host.post(ctx, "/api/sign-in", who)
	return err
}

func (r *run) signOut(ctx context.Context) error {
	_, err := r.do(ctx, r.fresh(), "session.signout", nil)
	return err
}

// do sends a command; a screen that has locked itself meanwhile is unlocked first.
func (r *run) do(ctx context.Context, id uuid.UUID, name string, args any) (*answer, error) {
	return r.send(ctx, command{ID: id.String(), Do: name, Args: args})
}

// approved sends a command with the proof that some ask for again.
func (r *run) approved(ctx context.Context, id uuid.UUID, name string, args any) (*answer, error) {
	return r.send(ctx, command{ID: id.String(), Do: name, Args: args, Approval: &r.who})
}

func (r *run) send(ctx context.Context, c command) (*answer, error) {
	r.commands++
	a, err := r.host.post(ctx, "/api/command", c)
	if !isRefusal(err, "locked") {
		return a, err
	}
	unlock := command{ID: r.fresh().String(), Do: "session.unlock", Args: map[string]any{"pin": r.who.PIN}}
	if _, err := r.host.post(ctx, "/api/command", unlock); err != nil {
		return nil, fmt.Errorf("unlock: %w", err)
	}
	return r.host.post(ctx, "/api/command", c)
}
