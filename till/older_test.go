package till_test

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/journal"
	"github.com/plomb-pos/plomb/staff"
	"github.com/plomb-pos/plomb/till"
	"github.com/plomb-pos/plomb/till/tilltest"
)

// receipts looks receipts up in all epochs of a site, as verifiers do.
func (s site) receipts() fiscal.Lookup {
	return func(origin string, index uint64) (*fiscal.Receipt, error) {
		j, err := journal.OpenReadOnly(s.dir+origin[len(origin)-3:], journal.ReadOptions{FS: s.fs, Keys: s.box.JournalKeys()})
		if err != nil {
			return nil, err
		}
		for e, err := range j.Entries(s.t.Context(), index, index+1) {
			if err != nil {
				return nil, err
			}
			b, err := fiscal.Decode(e.Head.Kind, e.Body)
			if err != nil {
				return nil, err
			}
			return b.(*fiscal.Receipt), nil
		}
		return nil, fmt.Errorf("no entry %d in %s", index, origin)
	}
}

// lawful fails unless an epoch's contents hold, returns of older receipts included.
func (s site) lawful(epoch string) {
	s.t.Helper()
	s.judge(epoch, nil)
}

// lawfulBut is lawful for the first epoch, in which some entries are damaged.
func (s site) lawfulBut(damaged ...uint64) {
	s.t.Helper()
	if holes := s.judge("e1", damaged); holes != len(damaged) {
		s.t.Errorf("%d damaged entries, want %v", holes, damaged)
	}
}

func (s site) judge(epoch string, damaged []uint64) (holes int) {
	s.t.Helper()
	j, err := journal.OpenReadOnly(s.dir+"/"+epoch, journal.ReadOptions{FS: s.fs, Keys: s.box.JournalKeys()})
	ok(s.t, err)
	check, next := fiscal.NewCheck(s.receipts()), uint64(0)
	for e, err := range j.Entries(s.t.Context(), 0, 1<<40) {
		if next++; slices.Contains(damaged, next-1) && errors.Is(err, journal.ErrDamaged) {
			check.Missing(next)
			holes++
			continue
		}
		ok(s.t, err)
		for _, f := range check.Entry(e.Head, e.Body) {
			s.t.Errorf("%s: %v", epoch, f)
		}
	}
	return holes
}

func renew(t *testing.T, shop *tilltest.Shop, s site) {
	t.Helper()
	shop.Close()
	_, err := till.NewEpoch(t.Context(), s.options(), s.request())
	ok(t, err)
	shop.Restart()
	shop.As(staff.Operator).Do("drawer.open", "amount", 10000)
}

// giveBack returns pieces of a receipt's first line, and the code of the refusal.
func giveBack(boss *tilltest.Client, receipt any, pieces int) string {
	a := boss.Try("return.begin", "receipt", receipt)
	if a.Error == nil {
		if a = boss.Try("return.line", "line", 1, "quantity", pieces*1_000_000); a.Error != nil {
			boss.Do("basket.abort")
		} else {
			boss.Pay("cash", 0)
		}
	}
	if a.Error != nil {
		return a.Error.Code
	}
	return ""
}

// What is given back of a receipt counts for ever, in whichever epochs it is sold
// and given back, by its code and by its number.
//
// Requirement: POS-06, POS-08
func TestAReceiptOfAnOlderEpochIsGivenBackOnlyOnce(t *testing.T) {
	shop := tilltest.New(t, tilltest.WithoutDevices())
	s := open(t, durable.OS{}, shop.Dir)
	boss := shop.As(staff.Supervisor)
	boss.Do("drawer.open", "amount", 10000)
	boss.Do("basket.add", "sku", "BRD-01", "quantity", 4_000_000)
	sold := boss.Pay("cash", 0)
	voided := boss.Sell("BRD-01")
	boss.Approved(staff.Supervisor, "receipt.void", "number", voided.Number, "reason", "wrong article")
	if code := giveBack(boss, sold.Number, 1); code != "" {
		t.Fatalf("the first of four in the epoch of the sale: %s", code)
	}

	renew(t, shop, s) // the second by its code, on an earlier day of epoch 2
	boss = shop.As(staff.Supervisor)
	if code := giveBack(boss, sold.Code, 1); code != "" {
		t.Fatalf("the second of four, in epoch 2: %s", code)
	}
	if code := giveBack(boss, voided.Code, 1); code != "receipt-not-returnable" {
		t.Errorf("a receipt that was voided in the older epoch: %q", code)
	}
	chief := shop.As(staff.FinancialManager)
	chief.Do("drawer.count", "amount", 0)
	chief.Do("drawer.close", "amount", 0)
	chief.Approved(staff.FinancialManager, "report.z")

	renew(t, shop, s) // the third by its number, in epoch 3, where nothing of it is known
	boss = shop.As(staff.Supervisor)
	if code := giveBack(boss, strconv.FormatInt(sold.Number, 10), 2); code != "" {
		t.Fatalf("the third and fourth, in epoch 3: %s", code)
	}
	for range 2 { // also when all of epoch 3 has to be read again
		if code := giveBack(boss, sold.Code, 1); code != "return-exceeds-quantity" && code != "return-exceeds-original" {
			t.Errorf("a fifth of four: %q", code)
		}
		shop.Kill()
		boss = shop.As(staff.Supervisor)
	}
	var check till.CheckAnswer
	_, body := shop.Client().Post("/api/check", map[string]any{"code": sold.Code})
	if err := json.Unmarshal(body, &check); err != nil || !check.Holds {
		t.Errorf("check of an older receipt's code: %s", body)
	}
	shop.Close()
	s = open(t, s.fs, shop.Dir)
	for _, epoch := range []string{"e1", "e2", "e3"} {
		s.whole(epoch)
		s.lawful(epoch)
	}
}

// The day that was open when the old epoch ended goes on in the new one: its Z
// report names the sales of both, and says "at least".
//
// Requirement: POS-08, POS-14
func TestADayGoesOnInTheNewEpoch(t *testing.T) {
	shop, s := soldShop(t) // two sales since the till was made
	renew(t, shop, s)
	shop.As(staff.Operator).Sell("BRD-01")
	chief := shop.As(staff.FinancialManager)
	chief.Do("drawer.count", "amount", 0)
	chief.Do("drawer.close", "amount", 0)
	chief.Approved(staff.FinancialManager, "report.z")
	shop.Close()
	s.lawful("e2")
	z := s.lastZ("e2")
	r := &z.Report
	if r.Figures.Sales.Count != 3 || r.Before.Sale != 0 || r.After.Sale != r.Figures.Turnover() || r.Span.FirstNumber != 1 || !z.AtLeast {
		t.Errorf("Z %d: %d sales of %d, grand totals from %d to %d, from document %d, at least %v",
			r.Number, r.Figures.Sales.Count, r.Figures.Turnover(), r.Before.Sale, r.After.Sale, r.Span.FirstNumber, z.AtLeast)
	}
}

func (s site) lastZ(epoch string) (z *fiscal.ZReport) {
	s.t.Helper()
	j, err := journal.OpenReadOnly(s.dir+"/"+epoch, journal.ReadOptions{FS: s.fs, Keys: s.box.JournalKeys()})
	ok(s.t, err)
	for e, err := range j.Entries(s.t.Context(), 0, 1<<40) {
		ok(s.t, err)
		if e.Head.Kind == fiscal.KindZReport {
			b, err := fiscal.Decode(e.Head.Kind, e.Body)
			ok(s.t, err)
			z = b.(*fiscal.ZReport)
		}
	}
	if z == nil {
		s.t.Fatalf("no Z report in %s", epoch)
	}
	return z
}
