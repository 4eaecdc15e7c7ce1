package fiscal

import (
	"time"

	"github.com/plomb-pos/plomb/catalog"
	"github.com/plomb-pos/plomb/drawer"
	"github.com/plomb-pos/plomb/journal/proof"
	"github.com/plomb-pos/plomb/money"
	"github.com/plomb-pos/plomb/staff"
)

// Login is a person who signed in.
type Login struct {
	plain
	Actor
	Role   staff.Role `json:"role"`
	Method string     `json:"method"` // "pin", "card", "passkey"
	Screen string     `json:"screen,omitzero"`
}

// Logout is a session that ended.
type Logout struct {
	plain
	Actor
	Reason string `json:"reason,omitzero"` // "asked", "idle", "restart", "card-removed"
}

// Lock is a session that was locked.
type Lock struct {
	plain
	Actor
	Reason string `json:"reason,omitzero"` // "asked", "idle", "card-removed"
}

// Unlock is a locked session that goes on.
type Unlock struct {
	plain
	Actor
	Method string `json:"method"`
}

// AuthFail is an attempt to prove an identity that failed.
type AuthFail struct {
	plain
	Claimed  staff.ID `json:"claimed,omitzero"` // only where such a person exists: typed text may be a secret
	For      string   `json:"for"`              // "sign-in", "unlock", "step-up", "reauth"
	Failures int      `json:"failures"`         // in a row, this one included
	Blocked  bool     `json:"blocked,omitzero"` // no further attempt for a while
}

// StepUp is the approval of an operation by a second person.
type StepUp struct {
	plain
	Actor
	Operation staff.Name `json:"operation"`
	Method    string     `json:"method"`
}

// Kind is login.
func (*Login) Kind() proof.Kind { return KindLogin }

// Kind is logout.
func (*Logout) Kind() proof.Kind { return KindLogout }

// Kind is lock.
func (*Lock) Kind() proof.Kind { return KindLock }

// Kind is unlock.
func (*Unlock) Kind() proof.Kind { return KindUnlock }

// Kind is auth-fail.
func (*AuthFail) Kind() proof.Kind { return KindAuthFail }

// Kind is step-up.
func (*StepUp) Kind() proof.Kind { return KindStepUp }

// PriceChange is one article whose price was changed at the till.
type PriceChange struct {
	plain
	Actor
	SKU string          `json:"sku"`
	Old money.UnitPrice `json:"old"`
	New money.UnitPrice `json:"new"`
}

// Kind is price-change.
func (*PriceChange) Kind() proof.Kind { return KindPriceChange }

// ArticleChange is another catalogue being taken into use.
type ArticleChange struct {
	plain
	Actor
	Old     catalog.Hash `json:"old"`
	New     catalog.Hash `json:"new"`
	Added   int          `json:"added"`
	Changed int          `json:"changed"`
	Removed int          `json:"removed"`
	Prices  []PriceMove  `json:"prices,omitempty"` // articles whose price differs
}

// PriceMove is an article's price before and after.
type PriceMove struct {
	SKU string          `json:"sku"`
	Old money.UnitPrice `json:"old"`
	New money.UnitPrice `json:"new"`
}

// Kind is article-change.
func (*ArticleChange) Kind() proof.Kind { return KindArticleChange }
func (b *ArticleChange) check(s *State) error {
	if b.Old != s.Catalog {
		return refuse(CodeReference, "catalogue %s is replaced, in force is %s", b.Old, s.Catalog)
	}
	return nil
}
func (b *ArticleChange) apply(s *State, _ *proof.Head) error {
	s.Catalog = b.New
	return nil
}

// TaxChange is a new tax table or policy. Shop is the whole profile after it.
type TaxChange struct {
	plain
	Actor
	Shop Shop `json:"shop"`
}

// Kind is tax-change.
func (*TaxChange) Kind() proof.Kind       { return KindTaxChange }
func (b *TaxChange) check(s *State) error { return s.checkShop(&b.Shop) }
func (b *TaxChange) apply(s *State, _ *proof.Head) error {
	s.Shop = b.Shop
	return nil
}

// ConfigChange is any other change of the shop's profile. Shop is the whole
// profile after it; tax table and policy are those before. A till that has
// recorded no document, drawer movement or training yet may get another country
// and currency, and the tax table and policy with them: that is how the first
// person at a new till chooses where it stands.
type ConfigChange struct {
	plain
	Actor
	Shop Shop `json:"shop"`
}

// Kind is config-change.
func (*ConfigChange) Kind() proof.Kind { return KindConfigChange }
func (b *ConfigChange) check(s *State) error {
	if s.moves(&b.Shop) && s.untouched() {
		return b.Shop.Validate()
	}
	if err := s.checkShop(&b.Shop); err != nil {
		return err
	}
	if !sameTax(&b.Shop, &s.Shop) {
		return refuse(CodeShop, "tax table or policy changed as if it were any setting")
	}
	return nil
}
func (b *ConfigChange) apply(s *State, _ *proof.Head) error {
	s.Shop = b.Shop
	return nil
}

// UserChange is a person added, changed, given another PIN or shut out. Names
// and PINs are not in it.
type UserChange struct {
	plain
	Actor
	Person staff.ID   `json:"person"`
	What   string     `json:"what"` // "added", "changed", "pin", "removed", "shut-out" (the till knows an old PIN only)
	Old    staff.Role `json:"old,omitzero"`
	New    staff.Role `json:"new,omitzero"`
}

// Kind is user-change.
func (*UserChange) Kind() proof.Kind { return KindUserChange }

// ClockChange is a step of the clock, or doubt about it beginning or ending.
type ClockChange struct {
	plain
	Actor
	Before time.Time `json:"before"`          // what the old clock showed
	After  time.Time `json:"after"`           // what the new one shows at the same moment
	Step   int64     `json:"step"`            // milliseconds, After − Before
	Source string    `json:"source,omitzero"` // "ntp", "person", "hardware"
	Unsure bool      `json:"unsure"`          // from now on entries are marked "clock unsure"
}

// Kind is clock-change.
func (*ClockChange) Kind() proof.Kind { return KindClockChange }
func (b *ClockChange) apply(s *State, h *proof.Head) error {
	s.Clock = Clock{Unsure: b.Unsure, Changed: h.Index, Step: b.Step}
	return nil
}

// SignerDown is the signer that does not answer: from now on receipts are
// marked as issued during an outage.
type SignerDown struct {
	plain
	Why string `json:"why"`
}

// Kind is signer-down.
func (*SignerDown) Kind() proof.Kind { return KindSignerDown }
func (b *SignerDown) check(s *State) error {
	if s.Signer.Down {
		return refuse(CodeOutage, "the signer is down already")
	}
	return nil
}
func (b *SignerDown) apply(s *State, h *proof.Head) error {
	s.Signer = Signer{Down: true, Since: h.Index}
	return nil
}

// SignerUp is the signer back at work, and what went out without it.
type SignerUp struct {
	plain
	First uint64 `json:"first"` // index of the signer-down entry
	Last  uint64 `json:"last"`  // index of the last entry before this one
	Count int64  `json:"count"` // receipts issued in between
}

// Kind is signer-up.
func (*SignerUp) Kind() proof.Kind { return KindSignerUp }
func (b *SignerUp) numbers(*State) numbers {
	return numbers{{Tag: TagFirst, Value: int64(b.First)}, {Tag: TagLast, Value: int64(b.Last)}, {Tag: TagCount, Value: b.Count}}
}

// NewSignerUp makes the body that ends an outage.
func (s *State) NewSignerUp() *SignerUp {
	return &SignerUp{First: s.Signer.Since, Last: s.Size - 1, Count: s.Signer.Count}
}

func (b *SignerUp) check(s *State) error {
	if !s.Signer.Down {
		return refuse(CodeOutage, "the signer is not down")
	}
	if want := s.NewSignerUp(); b.First != want.First || b.Last != want.Last || b.Count != want.Count {
		return refuse(CodeOutage, "outage of %d receipts from %d to %d, the journal says %d from %d to %d", b.Count, b.First, b.Last, want.Count, want.First, want.Last)
	}
	return nil
}
func (b *SignerUp) apply(s *State, _ *proof.Head) error {
	s.Signer = Signer{}
	return nil
}

// KeyRotate is another signing key taking over.
type KeyRotate struct {
	plain
	Actor
	Old string `json:"old"` // verifier keys (c2sp.org/signed-note)
	New string `json:"new"`
	Why string `json:"why,omitzero"`
}

// Kind is key-rotate.
func (*KeyRotate) Kind() proof.Kind { return KindKeyRotate }

// Recovery is what opening the journal found and did.
type Recovery struct {
	plain
	TornBytes int64  `json:"tornBytes,omitzero"` // of a group that power loss cut off: never acknowledged, zeroed
	Holes     []Hole `json:"holes,omitempty"`    // damaged entries
	Resigned  int64  `json:"resigned,omitzero"`  // signatures made that were due
	Mended    int64  `json:"mended,omitzero"`    // entries given back by another copy
	// Next and Grand are what the till goes on from where it cannot read all entries
	// since its last snapshot: where nothing behind them tells, a number is passed
	// over for each that may have been a document, so that none is given out twice;
	// grand totals are at least these.
	Next  *Next         `json:"next,omitzero"`
	Grand *drawer.Grand `json:"grand,omitzero"`
	Note  string        `json:"note,omitzero"`
}

// Hole is a run of entries that can no longer be read.
type Hole struct {
	First uint64 `json:"first"`
	Last  uint64 `json:"last"`
	Why   string `json:"why,omitzero"`
}

// Kind is recovery.
func (*Recovery) Kind() proof.Kind { return KindRecovery }

// NewRecovery makes the body for damaged entries, and says what the till goes on
// from where that is not known for certain.
func (s *State) NewRecovery(holes []Hole) *Recovery {
	r := &Recovery{Holes: holes}
	if s.missing {
		next, grand := s.Beyond(), s.Grand
		r.Next, r.Grand = &next, &grand
	}
	return r
}

// check holds what the till goes on from against what is known: no number comes
// twice, and no more are passed over than entries are damaged. Whoever can read
// them again, from another copy, knows more than the till did: totals may be less.
func (b *Recovery) check(s *State) error {
	if (b.Next == nil) != (b.Grand == nil) {
		return refuse(CodeDocumentNumber, "numbers and grand totals go together")
	}
	if b.Next == nil {
		return nil
	}
	var holes int64
	for _, h := range b.Holes {
		if h.Last < h.First || h.Last >= s.Size {
			return refuse(CodeReference, "entries %d to %d are not before this one", h.First, h.Last)
		}
		holes += int64(h.Last - h.First + 1)
	}
	for _, x := range [][2]int64{{s.Next.Document, b.Next.Document}, {s.Next.Z, b.Next.Z}, {s.Next.Training, b.Next.Training}} {
		if x[1] < x[0] || x[1] > x[0]+holes {
			return refuse(CodeDocumentNumber, "goes on with number %d where %d follows, for %d damaged entries", x[1], x[0], holes)
		}
	}
	g := *b.Grand
	if g.Sale-g.Return != g.Net || g.Sale > s.Grand.Sale || g.Return > s.Grand.Return {
		return refuse(CodeGrand, "goes on with grand totals %+v where %+v follow", g, s.Grand)
	}
	return nil
}

func (b *Recovery) apply(s *State, _ *proof.Head) error {
	if b.Next != nil {
		s.Next, s.Grand, s.AtLeast, s.lost, s.recovered = *b.Next, *b.Grand, true, Next{}, true
	}
	return nil
}

// DeviceState is a device that came, went or changed.
type DeviceState struct {
	plain
	Actor
	Device string `json:"device"`
	State  string `json:"state"` // "ready", "attention", "down"
	Cause  string `json:"cause,omitzero"`
}

// Kind is device-state.
func (*DeviceState) Kind() proof.Kind { return KindDeviceState }

// Export is data that left the till.
type Export struct {
	plain
	Actor
	Format string `json:"format"` // "journal", "saft", "ledger"
	First  uint64 `json:"first"`
	Last   uint64 `json:"last"`
	Hash   string `json:"hash,omitzero"` // SHA-256 of the file, hexadecimal
	Target string `json:"target,omitzero"`
}

// Kind is export.
func (*Export) Kind() proof.Kind { return KindExport }
func (b *Export) numbers(*State) numbers {
	return numbers{{Tag: TagFirst, Value: int64(b.First)}, {Tag: TagLast, Value: int64(b.Last)}}
}

// JournalViewed is somebody looking into the journal.
type JournalViewed struct {
	plain
	Actor
	What string `json:"what"` // "list", "entry", "search", "report"
	Text string `json:"text,omitzero"`
}

// Kind is journal-viewed.
func (*JournalViewed) Kind() proof.Kind { return KindJournalViewed }
