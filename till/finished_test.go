package till_test

import (
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plomb-pos/plomb/staff"
	"github.com/plomb-pos/plomb/till"
	"github.com/plomb-pos/plomb/till/tilltest"
)

// TestTheNextCustomerIsServedWhileTheLastReceiptIsSigned has several screens at
// one basket: what one of them scans often comes right behind a completion.
//
// Requirement: POS-01
func TestTheNextCustomerIsServedWhileTheLastReceiptIsSigned(t *testing.T) {
	shop := tilltest.New(t, tilltest.WithoutDevices())
	shop.As(staff.Operator).Do("drawer.open")
	const screens, sales = 6, 15
	var all sync.WaitGroup
	var mu sync.Mutex
	receipts, scanned := map[int64]bool{}, 0
	for range screens {
		c := shop.As(staff.Operator)
		all.Go(func() {
			for range sales {
				scan := c.Try("basket.add", "sku", "BRD-01")
				paid := c.Try("basket.tender", "type", "cash", "complete", true)
				for _, a := range []tilltest.Answer{scan, paid} {
					if a.Error != nil && a.Error.Kind != "refused" {
						t.Errorf("answered %+v", *a.Error)
					}
				}
				var p tilltest.Paid
				if paid.Error == nil {
					paid.Into(t, &p)
				}
				mu.Lock()
				if scan.Error == nil {
					scanned++
				}
				if p.Receipt != nil {
					receipts[p.Receipt.Number] = true
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	if len(receipts) < sales || scanned < len(receipts) {
		t.Errorf("%d receipts of %d scans", len(receipts), scanned)
	}
	if s := shop.As(staff.Operator).State(); s.Day.Receipts != int64(len(receipts)) {
		t.Errorf("the day has %d receipts, %d were answered", s.Day.Receipts, len(receipts))
	}
}

// Requirement: POS-01
func TestAFinishedBasketStaysFinishedWhereverTheTillIsKilled(t *testing.T) {
	shop := tilltest.New(t, tilltest.WithoutDevices())
	anna := shop.As(staff.Operator)
	anna.Do("drawer.open")
	for sold := int64(1); sold <= 3; sold++ {
		anna.Do("basket.add", "sku", "BRD-01")
		anna.Pay("cash", 0)
		if sold == 2 {
			shop.Restart()
		} else {
			shop.Kill()
		}
		if s := anna.State(); s.Basket != nil || s.Day.Receipts != sold {
			t.Fatalf("after sale %d: basket %+v, %d receipts", sold, s.Basket, s.Day.Receipts)
		}
		anna.Do("basket.add", "sku", "DRY-01")
		anna.Pay("cash", 0)
		sold++
		anna.Do("basket.add", "sku", "DRY-01")
		anna.Do("basket.suspend", "label", "waits")
		anna.Do("basket.add", "sku", "BRD-01")
		shop.Kill()
		s := anna.State()
		if s.Basket == nil || len(s.Basket.Lines) != 1 || s.Basket.Total != 349 || s.Day.Receipts != sold || len(s.Suspended) != int(sold/2) {
			t.Fatalf("after sale %d and a scan: basket %+v, %d receipts, %d wait", sold, s.Basket, s.Day.Receipts, len(s.Suspended))
		}
		anna.Do("basket.abort")
	}
}

func TestACompletionIsAnsweredOnceHoweverOftenItIsAsked(t *testing.T) {
	shop := tilltest.New(t, tilltest.WithoutDevices())
	anna := shop.As(staff.Operator)
	anna.Do("drawer.open")
	anna.Do("basket.add", "sku", "BRD-01")
	command := map[string]any{"id": tilltest.NewID(time.Now()), "do": "basket.tender", "args": tilltest.Args("type", "cash", "amount", 500, "complete", true)}
	first := anna.Send(command)
	again := anna.Send(command)
	anna.Do("basket.add", "sku", "DRY-01")
	later := anna.Send(command)
	shop.Kill()
	killed := anna.Send(command)
	for what, a := range map[string]tilltest.Answer{"again": again, "later": later, "after the kill": killed} {
		if d := cmp.Diff(string(first.Result), string(a.Result)); d != "" || a.Error != nil {
			t.Errorf("%s: %+v\n%s", what, a.Error, d)
		}
	}
	anna.Until(func(s till.State) bool { return s.LastReceipt.Printed == till.PrintedNo }) // the search tells, behind
	if s := anna.State(); s.Day.Receipts != 1 || s.Basket == nil {
		t.Errorf("state = %+v", s)
	}
}
