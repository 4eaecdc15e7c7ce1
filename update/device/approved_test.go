package device_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/plomb-pos/plomb/internal/releasetest"
	"github.com/plomb-pos/plomb/update/boot"
	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/release"
	"github.com/plomb-pos/plomb/update/slot"
	"github.com/plomb-pos/plomb/update/trust"
)

// pictured releases a program with a picture; over an approved release, whose program
// it is, the authority is not asked.
func (s *shop) pictured(counter uint64, text, picture string, over *release.Release) {
	s.Helper()
	file := filepath.Join(s.TempDir(), "logo")
	must(s, os.WriteFile(file, []byte(picture), 0o600))
	p := releasetest.Plan{Counter: counter, Program: []byte(text), More: []release.Source{{Kind: manifest.Data, Path: "data/logo", File: file}}}
	if over != nil {
		p.Floor = over.Manifest.Counter
		p.Change = func(m *manifest.Manifest) {
			var err error
			m.Approved, err = s.Repo.Approved(over.Digest())
			must(s, err)
		}
	}
	s.all[counter] = s.Release(p)
	s.Entitle(s.all[counter], s.key.Public())
}

// pictures is a shop whose device runs a program with a picture.
func pictures(t *testing.T) *till {
	s := newShop(t)
	s.pictured(1, "program", "one", nil)
	n := s.new()
	fast(&n)
	s.provision(n)
	return s.till()
}

// New pictures need their maker alone, take all stages, and start; what runs is named
// by both identities, and the next legally relevant release needs both parties again.
//
// Requirement: DL-17
func TestWhatIsNotLegallyRelevantIsReplacedByItsMakerAlone(t *testing.T) {
	w := pictures(t)
	w.pictured(2, "program", "two", w.all[1])
	if s := w.all[2].Entries(); len(s) == 0 {
		t.Fatal("it has no record")
	}
	w.updates(2)
	r := w.launches()
	if base, _ := r.Manifest.Base(); base == nil || base.Identity != w.all[1].Manifest.Identity || r.Manifest.Identity != w.all[2].Manifest.Identity || len(r.Signers) != 1 {
		t.Errorf("the launcher starts %s, signed by %q", r.Manifest.Identity, r.Signers)
	}
	got, err := os.ReadFile(w.root + "/slots/b/data/logo")
	if must(t, err); string(got) != "two" {
		t.Errorf("the picture is %q", got)
	}
	w.pictured(3, "program", "three", w.all[1]) // over what was brought by the maker alone
	w.updates(3)
	w.launches()
	w.pictured(4, "program, changed", "three", nil)
	w.updates(4)
	w.launches()
}

// Requirement: DL-17
func TestTheMakerAloneMovesNothingLegallyRelevant(t *testing.T) {
	w := pictures(t)
	w.pictured(2, "program 2", "one", nil)
	w.updates(2)
	w.launches()
	w.pictured(3, "program", "new", w.all[1]) // back to an older program, under a newer number
	w.Campaign(manifest.Campaign{Release: w.all[3].Digest()})
	w.rejected(slot.ErrIncompatible)
	w.pictured(4, "program 4", "one", nil)
	w.pictured(5, "program 4", "new", w.all[4]) // to a newer one that does not run here
	w.Campaign(manifest.Campaign{Release: w.all[5].Digest()})
	w.rejected(slot.ErrIncompatible)

	// Nor does anybody who can write the disk, below the floor.
	table := w.table()
	table.Floors[slot.Application] = 2
	d, err := boot.Open(w.fsys, w.root)
	must(t, err)
	if err := d.Check(table.Floors).Fits(w.all[3].Manifest); !errors.Is(err, slot.ErrFloor) {
		t.Errorf("an old program under a newer number starts: %v", err)
	}
}

// Requirement: DL-06
// Requirement: DL-17
func TestAWithdrawalOfTheLegallyRelevantPartCountsForWhatHasIt(t *testing.T) {
	w := pictures(t)
	w.pictured(2, "program", "two", w.all[1])
	w.updates(2)
	w.launches()
	w.pictured(3, "program", "three", w.all[1])
	w.Withdraw(w.Authority, w.all[1].Digest(), "counts twice", w.Now(), true)
	w.rejected(trust.ErrWithdrawn)
	if got := w.device.Withdrawn(slot.B); len(got) != 1 || got[0].Reason != "counts twice" {
		t.Errorf("of what runs is known: %+v", got)
	}
}

// Requirement: DL-17
func TestTheApprovedPartHasToBeLogged(t *testing.T) {
	w := pictures(t)
	w.pictured(2, "program", "two", w.all[1])
	d, err := boot.Open(w.fsys, w.root)
	must(t, err)
	check := d.Check(w.table().Floors)
	m := *w.all[2].Manifest
	proof, err := os.ReadFile(filepath.Join(w.Repository(), "proofs", w.all[2].Digest().String()))
	must(t, err)
	must(t, check.Logged(&m, w.all[2].Digest(), proof))
	approved := *m.Approved
	approved.Proof = bytes.Clone(proof) // of another release
	m.Approved = &approved
	if err := check.Logged(&m, w.all[2].Digest(), proof); err == nil {
		t.Error("a legally relevant part that nobody logged")
	}
}
