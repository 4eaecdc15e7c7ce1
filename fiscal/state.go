package fiscal

import (
	"bytes"
	"encoding/hex"
	"reflect"
	"slices"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/plomb-pos/plomb/catalog"
	"github.com/plomb-pos/plomb/drawer"
	"github.com/plomb-pos/plomb/journal/proof"
	"github.com/plomb-pos/plomb/money"
	"github.com/plomb-pos/plomb/sale"
)

// CommandWindow is how long the ids of commands are remembered: a command that
// is repeated within it is answered, not done again. Until the Z report after a
// change of the clock they are remembered longer, up to MaxCommands.
const CommandWindow = 2 * time.Hour

// MaxCommands is the most command ids that are remembered, the newest first to
// stay; at more than two a second the window is shorter than CommandWindow.
const MaxCommands = 20_000

// State is everything that a till has to know to go on selling: a pure fold of
// its journal. The zero value is a journal without entries. Read any field;
// change it by [State.Apply] only. It is not safe for concurrent use.
//
// Its size is bounded by what happens in one day (returned and copied receipts)
// and in two hours (command ids; in the open day where its clock has changed), not by the journal's length.
type State struct {
	Version    int               `json:"version"` // highest format of any entry so far, from 1
	Origin     string            `json:"origin"`
	Size       uint64            `json:"size"` // entries so far: the next one's index
	Time       int64             `json:"time"` // of the last entry, ms since 1970 UTC
	Shop       Shop              `json:"shop"`
	Software   string            `json:"software"`
	Release    *Release          `json:"release,omitzero"` // that the program came with, as far as the last start knew
	Updates    *Updates          `json:"updates,omitzero"` // nil: nothing of an update was ever recorded
	Key        string            `json:"key"`              // verifier key of the origin
	Host       string            `json:"host,omitzero"`    // of a host of devices: its name
	Catalog    catalog.Hash      `json:"catalog"`          // in force; zero before the first
	Next       Next              `json:"next"`
	Grand      drawer.Grand      `json:"grand"`
	AtLeast    bool              `json:"atLeast"` // entries were lost: numbers and grand totals are lower bounds
	Day        Day               `json:"day"`
	Session    drawer.Session    `json:"session"`
	DrawerOpen bool              `json:"drawerOpen"` // the drawer itself
	Training   bool              `json:"training"`
	Ended      *Ended            `json:"ended,omitzero"` // taken out of service
	Signer     Signer            `json:"signer"`
	Clock      Clock             `json:"clock"`
	LastZ      *Link             `json:"lastZ,omitzero"`
	Receipt    *LastReceipt      `json:"receipt,omitzero"`   // the last fiscal document
	Returned   []ReturnedReceipt `json:"returned,omitempty"` // receipts of which something was returned in the open day
	Copies     []CopiedReceipt   `json:"copies,omitempty"`   // receipts that were copied in the open day
	Intents    []OpenIntent      `json:"intents,omitempty"`  // without outcome
	Commands   []Command         `json:"commands,omitempty"` // oldest first

	resync    bool        // entries are missing before the next one
	missing   bool        // since the last snapshot entries were missing
	recovered bool        // since the last snapshot a recovery said what to go on from
	lost      Next        // missing entries that may have used a number, as long as nothing tells
	log       *commandLog // Commands is its stretch that ends at logEnd; nil: not made yet
	logEnd    int
}

// Next are the numbers that the next documents get.
type Next struct {
	Document int64 `json:"document"`
	Z        int64 `json:"z"`
	Training int64 `json:"training"`
}

// Day is what has happened since the last Z report.
type Day struct {
	First       uint64         `json:"first"` // index of its first entry
	From        int64          `json:"from"`  // time of that entry, ms
	FirstNumber int64          `json:"firstNumber"`
	Before      drawer.Grand   `json:"before"`
	Figures     drawer.Figures `json:"figures"`
}

// Signer is the state of what signs.
type Signer struct {
	Down  bool   `json:"down"`
	Since uint64 `json:"since,omitzero"` // index of the signer-down entry
	Count int64  `json:"count,omitzero"` // receipts issued since
}

// Clock is how far the clock is trusted.
type Clock struct {
	Unsure  bool   `json:"unsure"`
	Changed uint64 `json:"changed,omitzero"` // index of the last clock-change
	Step    int64  `json:"step,omitzero"`    // its step, ms
}

// Link names an earlier closing.
type Link struct {
	Index  uint64 `json:"index"`
	Number int64  `json:"number"`
}

// LastReceipt is what the screen shows of the last document.
type LastReceipt struct {
	Index  uint64       `json:"index"`
	Number int64        `json:"number"`
	Kind   proof.Kind   `json:"kind"`
	Total  money.Amount `json:"total"`
	Change money.Amount `json:"change"`
}

// ReturnedReceipt is what has been given back of one receipt over its whole
// life, as far as the open day knows.
type ReturnedReceipt struct {
	Origin string          `json:"origin"`
	Index  uint64          `json:"index"`
	Last   uint64          `json:"last"` // index of the last return or void
	Voided bool            `json:"voided,omitzero"`
	Lines  []sale.Returned `json:"lines,omitempty"`
}

// CopiedReceipt is how many copies of a receipt there are.
type CopiedReceipt struct {
	Origin string `json:"origin"`
	Index  uint64 `json:"index"`
	Copies int    `json:"copies"`
}

// OpenIntent is an intent without outcome.
type OpenIntent struct {
	Index  uint64 `json:"index"`
	Intent Intent `json:"intent"`
}

// Command is a command that made entries.
type Command struct {
	ID    string `json:"id"`    // 32 hexadecimal digits
	Index uint64 `json:"index"` // of the first entry that it made
	Time  int64  `json:"time"`  // of that entry, ms
}

// selling says why the till cannot sell, or nil.
func (s *State) selling() error {
	if s.Size == 0 {
		return refuse(CodeNotCommissioned, "the till is not commissioned")
	}
	if s.Ended != nil {
		return refuse(CodeDecommissioned, "the till was taken out of service by entry %d", s.Ended.Index)
	}
	return nil
}

// tally adds to a count of the day; what happens in training does not count.
func (s *State) tally(m sale.Mode, t *drawer.Tally, a money.Amount) error {
	if m == sale.Training {
		return nil
	}
	sum, err := t.Amount.Add(a)
	if err != nil {
		return because(CodeFigures, "day's figures", err)
	}
	t.Count, t.Amount = t.Count+1, sum
	return nil
}

func (s *State) returnedAt(ref sale.Reference) int {
	return slices.IndexFunc(s.Returned, func(r ReturnedReceipt) bool { return r.Index == ref.Index && r.Origin == ref.Origin })
}

func (s *State) copiedAt(ref sale.Reference) int {
	return slices.IndexFunc(s.Copies, func(c CopiedReceipt) bool { return c.Index == ref.Index && c.Origin == ref.Origin })
}

func sameFinding(a, b drawer.Finding) bool { return reflect.DeepEqual(normal(a), normal(b)) }

// normal gives equal findings equal forms: times without location, no empty lists.
func normal(f drawer.Finding) drawer.Finding {
	f.At = time.UnixMilli(f.At.UnixMilli()).UTC()
	if len(f.Foreign) == 0 {
		f.Foreign = nil
	}
	if len(f.Count.Pieces) == 0 {
		f.Count.Pieces = nil
	}
	if len(f.Count.Foreign) == 0 {
		f.Count.Foreign = nil
	}
	return f
}

// Draft is an entry before the journal gives it index and time. Flags hold
// what the body and the state tell; the journal may add "clock unsure".
type Draft struct {
	Kind    proof.Kind
	Flags   proof.Flags
	Numbers []proof.Number
	Body    []byte
	Sign    bool // a receipt: its checkpoint is signed by itself
}

// Draft checks that a body can follow the state and makes the entry's draft.
// Nothing is changed: Apply does that once the journal has staged the entry.
// The codes are those of the body's kind.
func (s *State) Draft(b Body) (Draft, error) {
	if err := s.admits(b); err != nil {
		return Draft{}, err
	}
	if err := b.check(s); err != nil {
		return Draft{}, err
	}
	data, err := Encode(b)
	if err != nil {
		return Draft{}, err
	}
	return Draft{Kind: b.Kind(), Flags: s.flagsOf(b), Numbers: b.numbers(s).sorted(), Body: data, Sign: signedAlone(b)}, nil
}

// signedAlone says which entries carry a signature that is shown to others: a receipt,
// what a person agreed to, and the end of a till.
func signedAlone(b Body) bool {
	switch b.(type) {
	case *Receipt, *SoftwareConsent, *Decommission:
		return true
	}
	return false
}

func (s *State) flagsOf(b Body) proof.Flags {
	f := b.flags()
	if s.Clock.Unsure {
		f |= proof.FlagClockUnsure
	}
	return f
}

// admits says whether an entry of this kind can come at this place at all.
func (s *State) admits(b Body) error {
	first := b.Kind() == KindCommission || b.Kind() == KindEpoch || b.Kind() == KindDeviceHost
	switch {
	case s.Size == 0 && !first && !s.resync:
		return refuse(CodeNotCommissioned, "%s before the journal's first entry", KindName(b.Kind()))
	case s.Size > 0 && first:
		return refuse(CodeCommissioned, "%s at index %d", KindName(b.Kind()), s.Size)
	}
	return s.admitsHost(b)
}

// Apply folds the next entry into the state, having checked it against all
// that the state knows: index, time, origin, flags, numbers and the body's own
// rules. On error the state is as it was. head and body are not kept.
//
// Entries that are missing are announced by Missing; then the entry after them
// is believed about numbers and totals, and the state says "at least" from
// there on.
func (s *State) Apply(head *proof.Head, body []byte) error {
	b, err := Decode(head.Kind, body)
	if err != nil {
		return err
	}
	if snap, ok := b.(*Snapshot); ok && (s.Size == 0 || s.resync) {
		return s.restoreAt(head, snap)
	}
	if err := s.follows(head, b); err != nil {
		return err
	}
	next := s
	if s.resync {
		next = s.Clone()
		next.adopt(head)
	}
	if err := next.fold(head, b); err != nil {
		return err
	}
	*s = *next
	return nil
}

// follows checks what is common to all entries.
func (s *State) follows(h *proof.Head, b Body) error {
	if err := s.admits(b); err != nil {
		return err
	}
	switch {
	case h.Index != s.Size:
		return refuse(CodeIndex, "entry %d where %d follows", h.Index, s.Size)
	case h.Time < s.Time:
		return refuse(CodeTime, "entry %d is %d ms earlier than the one before", h.Index, s.Time-h.Time)
	case s.Origin != "" && h.Origin != s.Origin:
		return refuse(CodeOrigin, "entry %d of %q in the journal of %q", h.Index, h.Origin, s.Origin)
	case h.Flags&^proof.FlagClockUnsure != b.flags() || s.Clock.Unsure && h.Flags&proof.FlagClockUnsure == 0:
		return refuse(CodeFlags, "entry %d has flags %#x", h.Index, h.Flags)
	}
	return nil
}

// fold checks a body against the state and applies it. A body that fails has
// changed nothing: whatever can be refused is refused by check.
func (s *State) fold(h *proof.Head, b Body) error {
	if err := b.check(s); err != nil {
		return err
	}
	if want := b.numbers(s).sorted(); !slices.Equal(want, h.Numbers) {
		return refuse(CodeNumbers, "entry %d: head says %v, body and state say %v", h.Index, h.Numbers, want)
	}
	if err := b.apply(s, h); err != nil {
		return err
	}
	s.wrote(b)
	s.passed(h)
	return nil
}

// wrote notes the format of an entry.
func (s *State) wrote(b Body) { s.Version = max(s.Version, FormatOf(b)) }

// passed notes an entry's place, time and command.
func (s *State) passed(h *proof.Head) {
	s.Size, s.Time, s.Version, s.Origin, s.resync = h.Index+1, h.Time, max(s.Version, LowestFormat), h.Origin, false
	if s.Day.From == 0 {
		s.Day.From = h.Time
	}
	s.forget(h)
	if h.Command == [16]byte{} {
		return
	}
	id := hex.EncodeToString(h.Command[:])
	if n := len(s.Commands); n == 0 || s.Commands[n-1].ID != id { // a command's entries follow each other
		s.rememberCommand(Command{ID: id, Index: h.Index, Time: h.Time})
	}
}

// forget drops commands beyond the limit and, where the clock can be believed,
// those from before the window.
func (s *State) forget(h *proof.Head) {
	n := max(0, len(s.Commands)-MaxCommands+1)
	before := h.Time - CommandWindow.Milliseconds()
	for s.ClockSettled() && h.Flags&proof.FlagClockUnsure == 0 && n < len(s.Commands) && s.Commands[n].Time < before {
		n++
	}
	if s.Commands = s.Commands[n:]; len(s.Commands) == 0 {
		s.Commands = nil
	}
}

// ClockSettled reports whether what is old may be told by the clock: it is not in
// doubt, and was neither in doubt nor put right in the open day. A clock that
// jumped ahead and is put back would otherwise make young ids old and then young
// again.
func (s *State) ClockSettled() bool {
	return !s.Clock.Unsure && (s.Clock.Changed == 0 || s.Clock.Changed < s.Day.First)
}

// Command returns the first entry that a command made, if it is remembered.
func (s *State) Command(id [16]byte) (Command, bool) {
	i := s.commandAt(hex.EncodeToString(id[:]))
	if i < 0 {
		return Command{}, false
	}
	return s.Commands[i], true
}

// Missing says that the entries from the state's size up to (not including)
// next cannot be read.
func (s *State) Missing(next uint64) {
	if next <= s.Size {
		return
	}
	n := int64(next - s.Size)
	s.Size, s.resync, s.missing, s.AtLeast = next, true, true, true
	s.lost.Document, s.lost.Training, s.lost.Z = s.lost.Document+n, s.lost.Training+n, s.lost.Z+n
}

// zEntries is how many entries a Z report makes: a snapshot follows it in its group,
// and a snapshot tells all numbers.
const zEntries = 2

// Beyond are the next numbers that no missing entry can have used: one is passed
// over for each entry that may have been a document. It is Next where none is
// missing, or where a later entry tells.
func (s *State) Beyond() Next {
	return Next{Document: s.Next.Document + s.lost.Document, Z: s.Next.Z + s.lost.Z/zEntries, Training: s.Next.Training + s.lost.Training}
}

// adopt believes an entry's head about numbers and totals, since entries
// before it are missing.
func (s *State) adopt(h *proof.Head) {
	for tag, x := range map[uint8]struct{ next, lost *int64 }{
		TagDocument: {&s.Next.Document, &s.lost.Document}, TagZ: {&s.Next.Z, &s.lost.Z}, TagTraining: {&s.Next.Training, &s.lost.Training},
	} {
		if n, ok := h.Number(tag); ok && n > *x.next {
			*x.next, *x.lost = n, 0
		}
	}
	before := [3]int64{}
	for i, tag := range []uint8{TagSaleBefore, TagReturnBefore, TagNetBefore} {
		n, ok := h.Number(tag)
		if !ok {
			return
		}
		before[i] = n
	}
	s.Grand = drawer.Grand{Sale: money.Amount(before[0]), Return: money.Amount(before[1]), Net: money.Amount(before[2])}
}

// Clone returns a copy that shares nothing with s that Apply changes. What it
// costs does not grow with the number of remembered commands.
func (s *State) Clone() *State {
	c := *s
	c.Day.Figures = *s.Day.Figures.Clone()
	c.Session = *s.Session.Clone()
	c.Returned, c.Copies = slices.Clone(s.Returned), slices.Clone(s.Copies)
	c.Intents = slices.Clone(s.Intents)
	return &c
}

// Snapshot writes the state in its one canonical form: equal states have equal
// bytes.
func (s *State) Snapshot() ([]byte, error) {
	data, err := json.Marshal(s, json.Deterministic(true))
	if err != nil {
		return nil, because(CodeMalformed, "encode snapshot", err)
	}
	return data, nil
}

// Restore reads what Snapshot wrote, and nothing else. Codes: malformed-body,
// newer-format, body-not-canonical, snapshot-differs.
func Restore(data []byte) (*State, error) {
	s := new(State)
	if err := json.Unmarshal(data, s, json.RejectUnknownMembers(true)); err != nil {
		return nil, malformed("decode snapshot", data, err)
	}
	switch {
	case s.Version > Format:
		return nil, refuse(CodeNewer, "snapshot of format %d, known are those up to %d", s.Version, Format)
	case s.Version < LowestFormat || s.Size == 0:
		return nil, refuse(CodeSnapshot, "snapshot of format %d and size %d", s.Version, s.Size)
	}
	again, err := s.Snapshot()
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(again, data) {
		return nil, refuse(CodeNotCanonical, "snapshot is not in canonical form")
	}
	return s, nil
}
