package till_test

import (
	"testing"
	"time"

	"github.com/plomb-pos/plomb/staff"
	"github.com/plomb-pos/plomb/till/tilltest"
)

func TestAnIDThatComesAgainForSomethingElseIsRefused(t *testing.T) {
	shop := tilltest.New(t, tilltest.WithoutDevices())
	boss := shop.As(staff.Supervisor)
	boss.Do("drawer.open")
	send := func(id, do string, pairs ...any) string {
		a := boss.Send(map[string]any{"id": id, "do": do, "args": tilltest.Args(pairs...)})
		if a.Error != nil {
			return a.Error.Code
		}
		return ""
	}
	added, paid := tilltest.NewID(time.Now()), tilltest.NewID(time.Now())
	for _, step := range []struct{ id, do, want string }{
		{added, "basket.add", ""}, {added, "basket.abort", "id-reused"}, {added, "basket.add", ""},
		{paid, "sale.complete", "not-paid"}, {paid, "report.x", ""}, {paid, "sale.complete", "id-reused"}, {paid, "report.x", ""},
	} {
		pairs := []any{}
		if step.do == "basket.add" {
			pairs = []any{"sku", "BRD-01"}
		}
		if got := send(step.id, step.do, pairs...); got != step.want {
			t.Errorf("%s: %q, want %q", step.do, got, step.want)
		}
	}
	if lines := boss.State().Basket.Lines; len(lines) != 1 {
		t.Errorf("lines = %+v", lines)
	}
	shop.Kill()
	if got := send(paid, "sale.complete"); got != "id-reused" {
		t.Errorf("after a restart: %q", got)
	}
	if got := send(paid, "report.x"); got != "" {
		t.Errorf("the same again after a restart: %q", got)
	}
}
