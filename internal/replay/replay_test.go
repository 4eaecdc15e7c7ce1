package replay_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/internal/replay"
	"github.com/plomb-pos/plomb/journal"
	"github.com/plomb-pos/plomb/journal/proof"
	"github.com/plomb-pos/plomb/seal"
)

const (
	// oneDay is in the repository, so that a fresh clone has real input.
	oneDay = "testdata/online-retail-2010-12-01.csv"
	// month lies beside the checkout: how to get it is in docs/commands.md.
	month = "../../../shared/data/online-retail-2010-12.csv"
)

func plan(t *testing.T, name string) *replay.Plan {
	t.Helper()
	f, err := os.Open(name)
	if errors.Is(err, os.ErrNotExist) && name == month {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is missing: CI needs the whole month", name)
		}
		t.Skipf("%s is not there: only the day in testdata was replayed", name)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	p, err := replay.Read(f)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// agrees holds everything against everything: the account of the replay, and the
// journal as a stranger with the keys verifies it.
func agrees(t *testing.T, dir string, r *replay.Result) {
	t.Helper()
	for _, d := range r.Differences {
		t.Error(d)
	}
	total := r.Total
	if sum := total.Sales.Amount + total.Returns.Amount + total.Left.Amount; sum != total.File.Amount {
		t.Errorf("sales %d, returns %d and left %d make %d, the file %d", total.Sales.Amount, total.Returns.Amount, total.Left.Amount, sum, total.File.Amount)
	}
	if r.Grand.Net != total.Sales.Amount+total.Returns.Amount {
		t.Errorf("grand total is %d net, booked are %d and %d", r.Grand.Net, total.Sales.Amount, total.Returns.Amount)
	}
	verified(t, dir)
}

func verified(t *testing.T, dir string) {
	t.Helper()
	box, err := seal.Open(durable.OS{}, filepath.Join(dir, "seal"))
	if err != nil {
		t.Fatal(err)
	}
	check := fiscal.NewCheck(nil)
	report, err := journal.Verify(context.Background(), filepath.Join(dir, "e1"), journal.VerifyOptions{
		Keys: box.JournalKeys(),
		Check: func(h *proof.Head, body []byte) error {
			for _, f := range check.Entry(h, body) {
				t.Errorf("%v", f)
			}
			if h.Flags&proof.FlagClockUnsure != 0 {
				t.Errorf("entry %d: the clock is in doubt", h.Index)
			}
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if !report.Consistent() || report.Contents != report.Size {
		t.Errorf("%d of %d entries checked, findings %v", report.Contents, report.Size, report.Findings)
	}
}

func told(t *testing.T, r *replay.Result) {
	t.Helper()
	t.Logf("booked %+v, given back %+v, left %+v of %+v in %d Z reports", r.Total.Sales, r.Total.Returns, r.Total.Left, r.Total.File, r.Total.Z)
	for _, x := range r.Reasons {
		t.Logf("left: %4d lines, %9d pence: %s", x.Lines, x.Amount, x.Reason)
	}
	t.Logf("%d commands in %.1f s, %d entries", r.Commands, r.Seconds, r.Entries)
}

// Requirement: POS-01
// Requirement: POS-02
func TestARealDayIsBookedToTheCent(t *testing.T) {
	p, dir := plan(t, oneDay), filepath.Join(t.TempDir(), "till")
	r, err := replay.Run(context.Background(), p, replay.Options{Dir: dir, Weeks: replay.Weeks})
	if err != nil {
		t.Fatal(err)
	}
	told(t, r)
	agrees(t, dir, r)
	// Counted by a program of its own, not by this package.
	want := replay.DayResult{
		File: replay.Sum{Lines: 3108, Amount: 58635_56}, Sales: replay.Sum{Documents: 127, Lines: 3072, Amount: 58960_79},
		Returns: replay.Sum{Documents: 1, Lines: 1, Amount: -25_50}, Left: replay.Sum{Lines: 35, Amount: -299_73}, Z: 1,
	}
	if diff := cmp.Diff(want, r.Total); diff != "" {
		t.Errorf("total (-want +got):\n%s", diff)
	}
}

// Requirement: POS-01
// Requirement: POS-02
func TestARealMonthIsBookedToTheCent(t *testing.T) {
	if testing.Short() {
		t.Skip("a whole month takes minutes")
	}
	p, dir := plan(t, month), filepath.Join(t.TempDir(), "till")
	r, err := replay.Run(context.Background(), p, replay.Options{Dir: dir, Weeks: replay.Weeks})
	if err != nil {
		t.Fatal(err)
	}
	told(t, r)
	agrees(t, dir, r)
	if r.Total.Z != 20 || len(r.Days) != 20 || r.Total.File.Lines != 42481 {
		t.Errorf("%d days, %d Z reports, %d lines", len(r.Days), r.Total.Z, r.Total.File.Lines)
	}
}
