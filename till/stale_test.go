package till_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/journal"
	"github.com/plomb-pos/plomb/staff"
	"github.com/plomb-pos/plomb/till"
	"github.com/plomb-pos/plomb/till/tilltest"
)

// vaultFiles copies a vault, all of its files, from one till's directory to another.
func vaultFiles(t *testing.T, to, from string) {
	t.Helper()
	for _, dir := range []string{to, from} {
		ok(t, os.MkdirAll(dir, 0o700))
	}
	old, err := filepath.Glob(filepath.Join(to, "vault.db*"))
	ok(t, err)
	for _, name := range old {
		ok(t, os.Remove(name))
	}
	names, err := filepath.Glob(filepath.Join(from, "vault.db*"))
	ok(t, err)
	for _, name := range names {
		b, err := os.ReadFile(name)
		ok(t, err)
		ok(t, os.WriteFile(filepath.Join(to, filepath.Base(name)), b, 0o600))
	}
}

func signsIn(shop *tilltest.Shop, id, pin string) bool {
	status, _ := shop.Client().Post("/api/sign-in", map[string]string{"person": id, "pin": pin})
	return status == 200
}

// Somebody was shut out, somebody's PIN was changed, somebody's role was lowered;
// then an older vault is put back. None of the three may sign in as before.
//
// Requirement: POS-06, POS-13
func TestAnOlderVaultPutBackAloneIsNoticed(t *testing.T) {
	shop := tilltest.New(t, tilltest.WithoutDevices())
	old := t.TempDir()
	shop.Close()
	vaultFiles(t, old, shop.Dir)
	shop.Restart()
	ada := shop.As(staff.Administrator)
	ada.Approved(staff.Administrator, "people.change", "id", "2", "active", false)
	ada.Approved(staff.Administrator, "people.pin", "id", "3", "pin", "8531")
	ada.Approved(staff.Administrator, "people.change", "id", "4", "role", "operator")
	shop.Close()
	newest := t.TempDir()
	vaultFiles(t, newest, shop.Dir)

	vaultFiles(t, shop.Dir, old)
	shop.Restart()
	if signsIn(shop, "2", tilltest.PIN) || signsIn(shop, "3", tilltest.PIN) {
		t.Error("who was shut out, or an old PIN, signs in")
	}
	boss := shop.As(staff.FinancialManager) // 4, an operator by now
	boss.Refuse("needs-approval", "report.z")
	ada = shop.As(staff.Administrator)
	if s := ada.State(); !slices.ContainsFunc(s.Notices, func(n till.Notice) bool { return n.Code == "vault-older" && strings.Contains(n.Hint, "2, 3, 4") }) {
		t.Errorf("notices = %+v", s.Notices)
	}
	wantKinds(t, shop, "recovery", "user-change")
	ada.Approved(staff.Administrator, "people.pin", "id", "3", "pin", "9642")
	ada.Approved(staff.Administrator, "people.change", "id", "3", "active", true)
	shop.Restart() // noticed once
	if !signsIn(shop, "3", "9642") {
		t.Error("who was given a new PIN does not sign in")
	}
	if s := shop.As(staff.Administrator).State(); slices.ContainsFunc(s.Notices, func(n till.Notice) bool { return n.Code == "vault-older" }) {
		t.Error("it is noticed again")
	}
	shop.Close()
	open(t, durable.OS{}, shop.Dir).lawful("e1")
}

// Requirement: POS-14
func TestAnOlderVaultWithOtherArticlesIsNoticed(t *testing.T) {
	shop := tilltest.New(t, tilltest.WithoutDevices())
	old := t.TempDir()
	shop.Close()
	vaultFiles(t, old, shop.Dir)
	shop.Restart()
	shop.As(staff.Administrator).Do("articles.import", "csv", "sku,name,price,tax_class,unit\nBRD-01,Bread,3.99,reduced,piece\n")
	shop.Close()
	vaultFiles(t, shop.Dir, old)
	shop.Restart()
	ada := shop.As(staff.Administrator)
	if s := ada.State(); !slices.ContainsFunc(s.Notices, func(n till.Notice) bool { return n.Code == "catalogue-older" }) {
		t.Errorf("notices = %+v", s.Notices)
	}
}

// An old copy of the journal put back beside the newest vault is refused, without
// an anchor and without a projection; a new epoch names what is lost.
//
// Requirement: POS-08, POS-13
func TestTheVaultIsEvidenceOfALongerJournal(t *testing.T) {
	shop, s := soldShop(t)
	shop.Close()
	old := t.TempDir()
	ok(t, os.CopyFS(old, os.DirFS(filepath.Join(shop.Dir, "e1"))))
	shop.Restart()
	shop.As(staff.Operator).Sell("BRD-01")
	shop.Close()
	ok(t, os.RemoveAll(filepath.Join(shop.Dir, "e1")))
	ok(t, os.CopyFS(filepath.Join(shop.Dir, "e1"), os.DirFS(old)))
	seen := func() till.EpochReport {
		t.Helper()
		req := s.request()
		req.DryRun = true
		report, err := till.NewEpoch(t.Context(), s.options(), req)
		ok(t, err)
		if len(report.Lost) != 1 || report.Lost[0].First != report.Entries {
			t.Errorf("lost %+v of %d entries held", report.Lost, report.Entries)
		}
		return report
	}
	if r := seen(); !slices.ContainsFunc(r.Anchors, func(a string) bool { return strings.HasPrefix(a, "projection: ") }) {
		t.Errorf("seen by %q", r.Anchors)
	}
	files, err := filepath.Glob(filepath.Join(shop.Dir, "projection.db*"))
	ok(t, err)
	for _, name := range append(files, filepath.Join(shop.Dir, "head")) {
		if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
	}
	if r := seen(); r.Lost[0].Known != "vault" {
		t.Errorf("lost %+v", r.Lost)
	}
	_, err = till.Open(t.Context(), s.options())
	if back, isBack := errors.AsType[*journal.RollbackError](err); !isBack || back.Anchor != "vault" {
		t.Errorf("Open = %v", err)
	}
}
