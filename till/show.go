package till

import (
	"slices"
	"strings"
	"time"

	"github.com/plomb-pos/plomb/money"
	"github.com/plomb-pos/plomb/sale"
	"github.com/plomb-pos/plomb/staff"
	"github.com/plomb-pos/plomb/till/devices"
)

// State is what the screen of a session shows. Without a session it holds only
// what a sign-in page needs; while the session is locked the basket is not in it.
func (n *Node) State(token Token) State {
	n.mu.Lock()
	defer n.mu.Unlock()
	s := n.publicState()
	if n.setupHash != nil {
		s.Countries = countryStates(money.DateOf(n.opts.Now()))
	}
	if session := n.sessions.find(token.key(), n.opts.Uptime()); session != nil {
		n.fillState(&s, session)
	}
	return s
}

// Health says that the node is up.
type Health struct {
	OK     bool   `json:"ok"`
	Setup  string `json:"setup"`
	Origin string `json:"origin"`
	// Journal is what is known of it since this start: "verifying", "whole" or
	// "damaged".
	Journal string `json:"journal"`
}

// Health is open to everybody.
func (n *Node) Health() Health {
	n.mu.Lock()
	defer n.mu.Unlock()
	return Health{OK: n.journal.Err() == nil && !n.closing, Setup: n.setupWord(), Origin: n.journal.Origin(), Journal: n.journalWord()}
}

func (n *Node) journalWord() string {
	switch {
	case n.verifyFailed.Load():
		return "damaged"
	case n.verifyEnded.Load():
		return "whole"
	}
	return "verifying"
}

func (n *Node) setupWord() string {
	if n.setupHash != nil {
		return "needed"
	}
	return "done"
}

func (n *Node) signerWord() string {
	if n.state.Signer.Down {
		return "down"
	}
	return "ok"
}

// publicState is what anybody may see. Lists are empty, not absent.
func (n *Node) publicState() State {
	shop := &n.state.Shop
	return State{
		Version: n.stream.at(), Setup: n.setupWord(),
		Shop: ShopState{
			Name: shop.Name, Language: shop.Language, Languages: slices.Clone(Languages), Zone: zone(shop).String(), Tenders: []string{}, Currencies: []CurrencyState{},
			QuickCash: []money.Amount{}, Denominations: []money.Amount{}, CashRounding: 1,
		},
		Training: n.state.Training, Ended: n.endedAt(), Suspended: []SuspendedBasket{}, Devices: []DeviceState{}, Notices: []Notice{},
		Drawer: DrawerState{Session: "closed"}, Journal: JournalState{Signer: n.signerWord()},
		Software: SoftwareState{Withdrawn: []Withdrawal{}, Stopped: n.changingWord()},
	}
}

// endedAt is when the till was taken out of service, nil: it was not.
func (n *Node) endedAt() *time.Time {
	if n.state.Ended == nil {
		return nil
	}
	at := time.UnixMilli(n.state.Ended.Time).UTC()
	return &at
}

func (n *Node) fillState(s *State, session *session) {
	s.Shop, s.Session = n.shopState(), &SessionState{Person: session.person, Locked: session.locked}
	s.Session.May, s.Session.may = n.mayAll(session.person.Role)
	s.Session.Person.Role = staff.Role(roleWord(session.person.Role))
	s.Day = DayState{ZNumber: n.state.Next.Z, Receipts: n.state.Next.Document - n.state.Day.FirstNumber}
	s.Drawer = n.drawerState()
	s.Devices = n.deviceStates()
	s.Notices = n.noticesNow()
	s.Journal = n.journalState()
	s.Dispense = n.dispenseState()
	s.Software = n.softwareState(session.person.Role)
	s.Clock = ClockState{Now: n.opts.Now().UTC().Truncate(time.Millisecond), Unsure: n.state.Clock.Unsure}
	if session.locked {
		return
	}
	s.Basket = n.basketState()
	s.Suspended = n.suspendedStates()
	if n.last != nil {
		last := *n.last
		s.LastReceipt = &last
	}
}

// May reports whether the session of a token may use a command alone.
func (n *Node) May(token Token, do string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	s := n.sessions.find(token.key(), n.opts.Uptime())
	c, ok := commands[do]
	return ok && s != nil && !s.locked && n.state.Shop.Roles.Allowed(s.person.Role, c.op).Answer == staff.Yes
}

func (n *Node) drawerState() DrawerState {
	d := DrawerState{Session: "closed", PhysicallyOpen: n.drawerStandsOpen(), Counted: n.state.Session.Found != nil}
	if n.state.Session.Open {
		since := n.state.Session.OpenedAt.UTC()
		d.Session, d.Since = "open", &since
	}
	return d
}

// drawerStandsOpen asks the drawer's own switch: a drawer without one never says
// that it was closed.
func (n *Node) drawerStandsOpen() bool {
	return slices.ContainsFunc(n.devices.Devices(), func(d devices.Device) bool { return d.Kind == devices.Drawer && d.Open })
}

func (n *Node) deviceStates() []DeviceState {
	out := []DeviceState{}
	for _, d := range n.devices.Devices() {
		text := ""
		if d.Code != "" {
			text = label(n.state.Shop.Language, "device-"+d.Code)
		}
		out = append(out, DeviceState{Name: d.Name, Kind: string(d.Kind), State: string(d.Condition), Code: d.Code, Text: text})
	}
	return out
}

func (n *Node) noticesNow() []Notice {
	n.notices.when(n.state.Signer.Down, notice{id: "signer", level: "warn", code: "signer-down"})
	n.notices.when(n.state.Clock.Unsure, notice{id: "clock", level: "warn", code: "clock-unsure"})
	n.notices.when(n.damaged, notice{id: "damage", level: "error", code: "damage-found"})
	n.notices.when(n.verifyFailed.Load(), notice{id: "verify", level: "error", code: "verification-failed"})
	n.notices.when(n.diskFull.Load(), notice{id: "disk", level: "error", code: "disk-full"})
	n.notices.when(n.room.low && !n.diskFull.Load(), n.roomNotice())
	out := []Notice{}
	for _, x := range n.notices {
		out = append(out, x.in(n.state.Shop.Language))
	}
	return out
}

func (n *Node) journalState() JournalState {
	j := JournalState{
		Size: n.journal.Size(), Verified: n.verified.Load(), Verifying: n.verifying.Load(), Searched: n.searched.Load(),
		Signer: n.signerWord(), Origin: n.journal.Origin(),
	}
	if c, ok := n.journal.Checkpoint(); ok {
		j.Signed = c.Checkpoint.Size
	}
	return j
}

func (n *Node) basketState() *BasketState {
	if n.basket == nil {
		return nil
	}
	v, err := viewBasket(n.basket, n.original)
	if err != nil {
		n.opts.Log.Error("basket cannot be shown", "err", err)
		return nil
	}
	return v
}

func (n *Node) suspendedStates() []SuspendedBasket {
	out := []SuspendedBasket{}
	for _, b := range n.suspended {
		t, err := b.Totals()
		if err != nil {
			n.opts.Log.Error("suspended basket cannot be shown", "err", err)
		}
		out = append(out, SuspendedBasket{ID: b.ID, Label: b.Label, Lines: len(b.Lines), Total: t.Total, At: n.waiting[b.ID].UTC()})
	}
	return out
}

// Words puts a refusal into the shop's language.
func (n *Node) Words(err error) *Refusal {
	r := *toRefusal(err)
	n.mu.Lock()
	language := n.state.Shop.Language
	n.mu.Unlock()
	p := sayRefusal(language, &r)
	values := r.Values
	if r.Roles != nil {
		values = append(values, "roles", roleLabels(language, r.Roles))
		words := make([]staff.Role, len(r.Roles))
		for i, role := range r.Roles {
			words[i] = staff.Role(roleWord(role))
		}
		r.Roles = words
	}
	r.Text, r.Hint = fill(p.Text, values...), fill(p.Hint, values...)
	return &r
}

func roleLabels(language string, roles []staff.Role) string {
	var out []string
	for _, r := range roles {
		out = append(out, label(language, "role-"+string(r)))
	}
	return strings.Join(out, ", ")
}

// showBasket puts the basket on the customer display. The book is held.
func (n *Node) showBasket() {
	if n.devices == nil || n.basket == nil || n.basket.Empty() {
		n.showLines("", "")
		return
	}
	t, err := n.basket.Totals()
	if err != nil {
		return
	}
	currency := n.basket.Terms.Currency
	last := &n.basket.Lines[len(n.basket.Lines)-1]
	first := displayLine(last.Name, t.Lines[len(t.Lines)-1].Gross.Text(currency))
	second := displayLine(label(n.state.Shop.Language, "display-total"), t.Total.Text(currency))
	n.showLines(first, second)
}

// showThanks shows total and change of a finished document.
func (n *Node) showThanks(d *sale.Document) {
	first := displayLine(label(n.state.Shop.Language, "display-total"), d.Total.Text(d.Currency))
	second := displayLine(label(n.state.Shop.Language, "display-change"), d.Change.Text(d.Currency))
	n.showLines(first, second)
}

func (n *Node) showLines(lines ...string) {
	if n.devices != nil {
		n.devices.Show(lines...)
	}
}

// displayColumns is the width of the usual customer display.
const displayColumns = 20

// displayLine puts text left and an amount right on one line.
func displayLine(text, amount string) string {
	r := []rune(text)
	room := max(0, displayColumns-len([]rune(amount))-1)
	if len(r) > room {
		r = r[:room]
	}
	return string(r) + strings.Repeat(" ", displayColumns-len(r)-len([]rune(amount))) + amount
}

// lastFromState shows the last receipt after a start.
func (n *Node) lastFromState() {
	r := n.state.Receipt
	if r == nil {
		return
	}
	n.last = &LastReceipt{Index: r.Index, Number: r.Number, Total: r.Total, Change: r.Change, Printed: PrintedUnknown}
	for _, o := range n.state.Intents {
		if o.Intent.Action == actionPrint && o.Intent.Entry != nil && *o.Intent.Entry == r.Index {
			n.last.Printed = PrintPending
		}
	}
}
