package till_test

import (
	"errors"
	"testing"

	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/journal"
	"github.com/plomb-pos/plomb/staff"
	"github.com/plomb-pos/plomb/till"
	"github.com/plomb-pos/plomb/till/tilltest"
)

// The only administrator has forgotten the PIN: at the machine it can be set, and
// the journal says so for ever.
//
// Requirement: POS-06
func TestAForgottenPINIsSetAtTheMachine(t *testing.T) {
	shop, s := soldShop(t)
	if err := till.ResetPIN(t.Context(), s.options(), "1", "5813", "forgotten"); !errors.Is(err, journal.ErrLocked) {
		t.Errorf("beside a running till: %v", err)
	}
	shop.Close()
	for person, want := range map[staff.ID]string{"2": till.ErrNotForReset.Error(), "99": "unknown-person"} {
		if err := till.ResetPIN(t.Context(), s.options(), person, "5813", "forgotten"); err == nil {
			t.Errorf("PIN of %s was set, want %s", person, want)
		}
	}
	if err := till.ResetPIN(t.Context(), s.options(), "1", "1", "forgotten"); err == nil {
		t.Error("a PIN of one digit was taken")
	}
	if err := till.ResetPIN(t.Context(), s.options(), "1", "5813", " "); err == nil {
		t.Error("no reason was needed")
	}
	ok(t, till.ResetPIN(t.Context(), s.options(), "1", "5813", "Ada forgot hers"))
	shop.Restart()
	if signsIn(shop, "1", tilltest.PIN) || !signsIn(shop, "1", "5813") {
		t.Error("the new PIN does not work, or the old one does")
	}
	shop.Close()
	var said []string
	for _, r := range bodies[*fiscal.Recovery](t, shop) {
		said = append(said, r.Note)
	}
	if len(said) != 1 || said[0] != "the PIN of person 1 was set at the machine: Ada forgot hers" {
		t.Errorf("the journal says %q", said)
	}
	changes := bodies[*fiscal.UserChange](t, shop)
	if last := changes[len(changes)-1]; last.Person != "1" || last.What != "pin" || last.By != "" {
		t.Errorf("the last change is %+v", last)
	}
	open(t, durable.OS{}, shop.Dir).lawful("e1")
}

// Requirement: POS-08
func TestAnotherKeySignsFromNowOn(t *testing.T) {
	shop, s := soldShop(t)
	last := shop.As(staff.Operator).Sell("BRD-01")
	shop.Close()
	req := s.request()
	req.Rotate, req.Reason = true, "yearly"
	report, err := till.NewEpoch(t.Context(), s.options(), req)
	ok(t, err)
	e := s.first("e2")
	if e.AtLeast || e.Next.Document != last.Number+1 || len(report.Lost) != 0 {
		t.Errorf("first entry %+v, want an exact end of the old epoch", e)
	}
	old, err := s.box.Verifier(report.Old)
	ok(t, err)
	if r := s.rotation("e2"); r == nil || r.Old != old || r.New != report.Key || r.Why != "yearly" || r.By != "1" || r.Approver != "7" {
		t.Errorf("rotation %+v, want from %s to %s", r, old, report.Key)
	}
	spoil(t, shop.Dir, last.Index)
	if _, err := till.NewEpoch(t.Context(), s.options(), req); err != nil { // the damage is in an older epoch
		t.Errorf("a second rotation: %v", err)
	}
}

func TestTheKeyOfADamagedJournalIsNotRotated(t *testing.T) {
	shop, s := soldShop(t)
	last := shop.As(staff.Operator).Sell("BRD-01")
	shop.Close()
	spoil(t, shop.Dir, last.Index)
	req := s.request()
	req.Rotate = true
	if _, err := till.NewEpoch(t.Context(), s.options(), req); !errors.Is(err, till.ErrNotWhole) {
		t.Errorf("NewEpoch = %v, want ErrNotWhole", err)
	}
}

func (s site) rotation(epoch string) (r *fiscal.KeyRotate) {
	s.t.Helper()
	j, err := journal.OpenReadOnly(s.dir+"/"+epoch, journal.ReadOptions{FS: s.fs, Keys: s.box.JournalKeys()})
	ok(s.t, err)
	for e, err := range j.Entries(s.t.Context(), 0, 1<<40) {
		ok(s.t, err)
		if e.Head.Kind == fiscal.KindKeyRotate {
			b, err := fiscal.Decode(e.Head.Kind, e.Body)
			ok(s.t, err)
			r = b.(*fiscal.KeyRotate)
		}
	}
	return r
}

// Word of an export is journaled once: by a running till, and by one that starts.
//
// Requirement: POS-06
func TestAnExportIsJournaled(t *testing.T) {
	shop, _ := soldShop(t)
	shop.Close()
	e := &fiscal.Export{Format: "journal", Last: 3, Target: "out.jsonl"}
	ok(t, till.HandOut(shop.Dir, e))
	shop.Restart()
	shop.Restart()
	shop.Close()
	if got := bodies[*fiscal.Export](t, shop); len(got) != 1 || *got[0] != *e {
		t.Errorf("exports %+v", got)
	}
}
