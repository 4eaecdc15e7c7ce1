package till

import (
	"context"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/journal"
	"github.com/plomb-pos/plomb/journal/proof"
	"github.com/plomb-pos/plomb/money"
	"github.com/plomb-pos/plomb/sale"
	"github.com/plomb-pos/plomb/staff"
	"github.com/plomb-pos/plomb/till/sqlite"
)

// rowOf is what the projection keeps of an entry.
func rowOf(e journal.Entry) sqlite.Row {
	h := e.Head
	row := sqlite.Row{
		Index: h.Index, Leaf: e.Leaf, At: time.UnixMilli(h.Time), Kind: uint16(h.Kind),
		Person: string(personIn(e.Body)), Words: fiscal.KindName(h.Kind),
	}
	if v, ok := numberIn(h); ok {
		row.Number = uint64(v)
	}
	if v, ok := h.Number(fiscal.TagGross); ok {
		row.Amount = &v
	} else if v, ok := h.Number(fiscal.TagAmount); ok {
		row.Amount = &v
	}
	row.Text = row.Words + " " + row.Person + " " + strconv.FormatUint(row.Number, 10)
	body, err := fiscal.Decode(h.Kind, e.Body)
	if err != nil {
		return row
	}
	return describe(row, body, h.Origin)
}

func numberIn(h *proof.Head) (int64, bool) {
	for _, tag := range []uint8{fiscal.TagDocument, fiscal.TagTraining, fiscal.TagZ} {
		if v, ok := h.Number(tag); ok && v > 0 {
			return v, true
		}
	}
	return 0, false
}

// personIn finds who an entry is about in any body that says so.
func personIn(body []byte) staff.ID {
	var b struct {
		By       staff.ID `json:"by"`
		Claimed  staff.ID `json:"claimed"`
		Document struct {
			Operator staff.ID `json:"operator"`
		} `json:"document"`
	}
	if err := json.Unmarshal(body, &b); err != nil {
		return ""
	}
	for _, id := range []staff.ID{b.By, b.Document.Operator, b.Claimed} {
		if id != "" {
			return id
		}
	}
	return ""
}

// describe adds what is looked for, and what the entry refers to.
func describe(row sqlite.Row, body fiscal.Body, origin string) sqlite.Row {
	switch b := body.(type) {
	case *fiscal.Receipt:
		return describeReceipt(row, b, origin)
	case *fiscal.ZReport:
		row.Z = &sqlite.ZRow{Number: uint64(b.Report.Number), Total: int64(b.Report.Figures.Turnover())}
	case *fiscal.Copy:
		row = refer(row, b.Receipt, origin)
	case *fiscal.Intent:
		row.Text += " " + b.Action
		if b.Entry != nil {
			row.Refers = []uint64{*b.Entry}
		}
	case *fiscal.Outcome:
		row.Text += " " + string(b.Result) + " " + b.Detail
		row.Refers = []uint64{b.Intent}
	case *fiscal.Dispensed:
		row.Refers = []uint64{b.Intent}
		if b.Entry != nil {
			row.Refers = append(row.Refers, *b.Entry)
		}
	case *fiscal.Printed:
		row.Refers = []uint64{b.Entry}
	case *fiscal.PrintFailed:
		row.Text += " " + b.Why
		row.Refers = []uint64{b.Entry}
	case *fiscal.LineRemoved:
		row.Text += " " + b.Removed.Line.Name + " " + b.Removed.Line.SKU + " " + b.Reason
	case *fiscal.ProForma:
		row.Text += " " + string(b.Basket)
		for i := range b.Lines {
			row.Text += " " + b.Lines[i].Name + " " + b.Lines[i].SKU
		}
	case *fiscal.Decommission:
		row.Text += " " + b.Reason + " " + b.Keeper
	case *fiscal.Refused:
		row.Text += " " + string(b.Operation) + " " + b.Reason
	case *fiscal.DeviceState:
		row.Text += " " + b.Device + " " + b.State + " " + b.Cause
	case *fiscal.SoftwareStage:
		row.Text += " " + b.Identity + " " + b.Stage + " " + b.Outcome + " " + b.Detail
	case *fiscal.SoftwareConsent:
		row.Text += " " + b.Identity + " " + b.For
	}
	return row
}

// refer notes that an entry of origin is about a receipt, of this journal or of
// another.
func refer(row sqlite.Row, to sale.Reference, origin string) sqlite.Row {
	if to.Origin == origin {
		row.Refers = []uint64{to.Index}
	} else {
		row.Elsewhere = []sqlite.Place{{Origin: to.Origin, Index: to.Index}}
	}
	return row
}

func describeReceipt(row sqlite.Row, b *fiscal.Receipt, origin string) sqlite.Row {
	d := &b.Document
	row.Receipt = &sqlite.ReceiptRow{
		Training: d.Mode == sale.Training, Number: uint64(b.Number), Index: row.Index, At: row.At, Kind: row.Kind,
		Person: string(d.Operator), Total: int64(d.Total), Lines: len(d.Lines),
	}
	var text strings.Builder
	text.WriteString(row.Text)
	for i := range d.Lines {
		l := &d.Lines[i]
		text.WriteString(" " + l.Name + " " + l.SKU + " " + l.GTIN)
	}
	text.WriteString(" " + d.Total.Text(d.Currency) + " " + d.Reason)
	row.Text = text.String()
	if d.Original != nil {
		row = refer(row, *d.Original, origin)
	}
	return row
}

// EntriesAnswer lists entries.
type EntriesAnswer struct {
	Entries []EntryRow `json:"entries"`
	Kinds   []Choice   `json:"kinds"`
	More    bool       `json:"more"`
}

// EntryRow is an entry in a list.
type EntryRow struct {
	Index  uint64        `json:"index"`
	Time   time.Time     `json:"time"`
	Kind   string        `json:"kind"`
	Who    string        `json:"who"`
	Words  string        `json:"words"`
	Number int64         `json:"number"`
	Amount *money.Amount `json:"amount"`
}

// Entries searches the journal. Security events are for those who may see them.
func (n *Node) Entries(ctx context.Context, token Token, q ListQuery, kind string) (*EntriesAnswer, error) {
	a, err := n.ask(token, staff.JournalView, staff.SecurityView)
	if err != nil {
		return nil, err
	}
	kinds := visibleKinds(a)
	out := &EntriesAnswer{Entries: []EntryRow{}, Kinds: kindChoices(kinds, a.language)}
	query := q.oneMore()
	for _, k := range kinds {
		if kind == "" || fiscal.KindName(k) == kind {
			query.Kinds = append(query.Kinds, uint16(k))
		}
	}
	if query.Kinds == nil {
		return out, nil
	}
	rows, err := n.projection.Entries(ctx, query)
	if err != nil {
		return nil, n.searchFailed(err)
	}
	out.More = len(rows) > q.limit()
	for _, r := range rows[:min(len(rows), q.limit())] {
		out.Entries = append(out.Entries, n.entryRow(ctx, a, r))
	}
	n.viewed(a, "list", q.Text)
	return out, nil
}

// visibleKinds are those that the asker may see.
func visibleKinds(a asker) []proof.Kind {
	return slices.DeleteFunc(fiscal.Kinds(), func(k proof.Kind) bool { return fiscal.Security(k) && !a.security })
}

func kindChoices(kinds []proof.Kind, language string) []Choice {
	out := []Choice{}
	for _, k := range kinds {
		out = append(out, Choice{ID: fiscal.KindName(k), Name: label(language, "kind-of-"+fiscal.KindName(k))})
	}
	return out
}

func (n *Node) entryRow(ctx context.Context, a asker, r sqlite.Row) EntryRow {
	name := fiscal.KindName(proof.Kind(r.Kind))
	row := EntryRow{Index: r.Index, Time: r.At, Kind: name, Who: n.nameOf(staff.ID(r.Person)), Words: label(a.language, "kind-of-"+name), Number: int64(r.Number)}
	if r.Amount != nil {
		amount := money.Amount(*r.Amount)
		row.Amount = &amount
	}
	if e, err := n.journal.Entry(ctx, r.Index); err == nil {
		row.Words = wordsOf(e, a)
	}
	return row
}

// wordsOf says what an entry is in one line.
func wordsOf(e journal.Entry, a asker) string {
	words := label(a.language, "kind-of-"+fiscal.KindName(e.Head.Kind))
	body, err := fiscal.Decode(e.Head.Kind, e.Body)
	if err != nil {
		return words
	}
	detail := ""
	switch b := body.(type) {
	case *fiscal.Receipt:
		detail = b.Document.Total.Text(b.Document.Currency) + " " + string(b.Document.Currency)
	case *fiscal.ProForma:
		detail = b.Total.Text(b.Issuer.Currency) + " " + string(b.Issuer.Currency)
	case *fiscal.Decommission:
		detail = b.Reason
	case *fiscal.LineRemoved:
		detail = b.Removed.Line.Name
	case *fiscal.Refused:
		detail = refusedWords(b, a.language)
	case *fiscal.AuthFail:
		detail = known(a.language, "for-", b.For) + ", " + strconv.Itoa(b.Failures)
	case *fiscal.DeviceState:
		detail = b.Device + " " + known(a.language, "state-", b.State) + " " + known(a.language, "device-", b.Cause)
	case *fiscal.SoftwareStage:
		detail = b.Identity + " " + label(a.language, "stage-"+b.Stage) + ": " + label(a.language, "outcome-"+b.Outcome)
	case *fiscal.SoftwareConsent:
		said := map[bool]string{true: "consent-agreed", false: "consent-later"}[b.Agreed]
		detail = b.Identity + " " + label(a.language, said)
	case *fiscal.UserChange:
		detail = string(b.Person) + " " + known(a.language, "user-", b.What)
	case *fiscal.Intent:
		detail = known(a.language, "do-", b.Action)
	case *fiscal.Outcome:
		detail = known(a.language, "result-", string(b.Result))
	case *fiscal.PriceChange:
		detail = b.SKU + " " + b.Old.String() + " → " + b.New.String()
	case *fiscal.SoftwareChange:
		detail = b.Old + " → " + b.New
	case *fiscal.PriceLookup:
		detail = b.SKU
	case *fiscal.ClockChange:
		detail = strconv.FormatInt(b.Step, 10) + " ms"
	}
	if detail = strings.TrimSpace(detail); detail != "" {
		words += ": " + detail
	}
	return words
}

// known is the words for a value that entries hold, or the value where there are none.
func known(language, of, value string) string {
	if _, ok := phrases()["en"][of+value]; !ok || value == "" {
		return value
	}
	return label(language, of+value)
}

// refusedWords says why something was refused; a summary says how many times.
func refusedWords(b *fiscal.Refused, language string) string {
	if many, ok := strings.CutSuffix(strings.TrimPrefix(b.Reason, "and-"), "-more"); ok {
		return fill(label(language, "refused-more"), "count", many)
	}
	return say(language, b.Reason).Text
}

// EntryAnswer is one entry with all that is stored.
type EntryAnswer struct {
	EntryRow
	Facts []Fact         `json:"facts"`
	Head  HeadView       `json:"head"`
	Body  jsontext.Value `json:"body"` // null where the asker may not see it
	Leaf  string         `json:"leaf"`
}

// Fact is a label and a value, in words.
type Fact struct {
	Label string `json:"label"`
	Value string `json:"value"`
}

// HeadView is a head's fields; times are milliseconds as stored.
type HeadView struct {
	Flags   uint8        `json:"flags"`
	Kind    uint16       `json:"kind"`
	Index   uint64       `json:"index"`
	Time    int64        `json:"time"`
	Uptime  uint64       `json:"uptime"`
	Boot    string       `json:"boot"`
	Command string       `json:"command"`
	Body    string       `json:"body"`
	BodyLen uint32       `json:"bodyLength"`
	Origin  string       `json:"origin"`
	Numbers []NumberView `json:"numbers"`
}

// NumberView is one of a head's numbers.
type NumberView struct {
	Tag   uint8  `json:"tag"`
	Name  string `json:"name"`
	Value int64  `json:"value"`
}

// Entry shows one entry as stored.
func (n *Node) Entry(ctx context.Context, token Token, index uint64) (*EntryAnswer, error) {
	a, err := n.ask(token, staff.JournalView, staff.SecurityView)
	if err != nil {
		return nil, err
	}
	e, err := n.journal.Entry(ctx, index)
	if err != nil {
		return nil, entryRefusal(err)
	}
	if fiscal.Security(e.Head.Kind) && !a.security {
		return nil, refuse(Forbidden, "forbidden")
	}
	row := rowOf(e)
	out := &EntryAnswer{
		EntryRow: n.entryRow(ctx, a, row), Head: viewHead(e.Head), Body: jsontext.Value(e.Body), Leaf: hex.EncodeToString(e.Leaf[:]),
	}
	out.Facts = factsOf(e.Head, out.EntryRow, a)
	what := "entry"
	if fiscal.Security(e.Head.Kind) {
		what = "security"
	}
	n.viewed(a, what, strconv.FormatUint(index, 10))
	return out, nil
}

func viewHead(h *proof.Head) HeadView {
	v := HeadView{
		Flags: uint8(h.Flags), Kind: uint16(h.Kind), Index: h.Index, Time: h.Time, Uptime: h.Uptime, Boot: hex.EncodeToString(h.Boot[:]),
		Command: hex.EncodeToString(h.Command[:]), Body: hex.EncodeToString(h.Body[:]), BodyLen: h.BodyLen, Origin: h.Origin, Numbers: []NumberView{},
	}
	for _, x := range h.Numbers {
		v.Numbers = append(v.Numbers, NumberView{Tag: x.Tag, Name: fiscal.TagName(x.Tag), Value: x.Value})
	}
	return v
}

func factsOf(h *proof.Head, row EntryRow, a asker) []Fact {
	facts := []Fact{
		{label(a.language, "fact-entry"), strconv.FormatUint(h.Index, 10)},
		{label(a.language, "fact-what"), row.Words},
		{label(a.language, "fact-time"), row.Time.UTC().Format(time.RFC3339)},
	}
	if row.Who != "" {
		facts = append(facts, Fact{label(a.language, "fact-who"), row.Who})
	}
	if row.Number != 0 {
		facts = append(facts, Fact{label(a.language, "fact-number"), strconv.FormatInt(row.Number, 10)})
	}
	if row.Amount != nil {
		facts = append(facts, Fact{label(a.language, "fact-amount"), row.Amount.Text(a.currency) + " " + string(a.currency)})
	}
	for flag, code := range map[proof.Flags]string{proof.FlagTraining: "fact-training", proof.FlagLate: "fact-late", proof.FlagClockUnsure: "fact-unsure"} {
		if h.Flags&flag != 0 {
			facts = append(facts, Fact{label(a.language, code), label(a.language, "yes")})
		}
	}
	slices.SortStableFunc(facts[3:], func(x, y Fact) int { return strings.Compare(x.Label, y.Label) })
	return facts
}
