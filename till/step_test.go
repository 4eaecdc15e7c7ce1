package till_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/plomb-pos/plomb/staff"
	"github.com/plomb-pos/plomb/till"
	"github.com/plomb-pos/plomb/till/tilltest"
)

// Requirement: POS-14
func TestATillWhoseClockStepsSellsOnAndRepeatsStaySafe(t *testing.T) {
	var off atomic.Int64
	now := func() time.Time { return time.Now().Add(time.Duration(off.Load())) }
	shop := tilltest.New(t, tilltest.WithoutDevices(), tilltest.With(func(o *till.Options) { o.Now = now }))
	boss := shop.As(staff.Supervisor)
	send := func(id, do string, pairs ...any) till.State { // as the page does: ids by the machine's clock
		t.Helper()
		a := boss.Send(map[string]any{"id": id, "do": do, "args": tilltest.Args(pairs...)})
		if a.Error != nil {
			t.Fatalf("%s: %+v", do, *a.Error)
		}
		return a.State
	}
	sell := func() {
		t.Helper()
		send(tilltest.NewID(now()), "basket.add", "sku", "DRY-01")
		send(tilltest.NewID(now()), "basket.tender", "type", "cash", "complete", true)
	}
	float, again := tilltest.NewID(now()), ""
	repeat := func() {
		t.Helper()
		for _, id := range []string{float, again} {
			if id != "" {
				send(id, "drawer.float", "amount", 1000)
			}
		}
	}
	send(tilltest.NewID(now()), "drawer.open")
	repeat()
	sell()
	off.Store(int64(365 * 24 * time.Hour))
	repeat()
	again = tilltest.NewID(now())
	sell()
	repeat()
	off.Store(0)
	repeat()
	sell()
	shop.Restart()
	boss = shop.As(staff.Supervisor)
	repeat()
	sell()
	var found struct {
		Expected int64 `json:"expected"`
	}
	boss.Send(map[string]any{"id": tilltest.NewID(now()), "do": "drawer.count", "args": tilltest.Args("amount", 0)}).Into(t, &found)
	if want := int64(2*1000 + 4*119); found.Expected != want {
		t.Errorf("the drawer holds %d, want %d", found.Expected, want)
	}
	shop.Close()
	checkJournal(t, shop)
}

func TestIDsOutsideBothWindowsAreRefused(t *testing.T) {
	shop := tilltest.New(t, tilltest.WithoutDevices())
	boss := shop.As(staff.Supervisor)
	for code, id := range map[string]string{
		"id-too-old": tilltest.NewID(time.Now().Add(-3 * time.Hour)),
		"id-too-new": tilltest.NewID(time.Now().Add(time.Hour)),
	} {
		if a := boss.Send(map[string]any{"id": id, "do": "drawer.open"}); a.Error == nil || a.Error.Code != code {
			t.Errorf("%+v, want %s", a.Error, code)
		}
	}
}
