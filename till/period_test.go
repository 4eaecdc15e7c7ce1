package till_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/plomb-pos/plomb/staff"
	"github.com/plomb-pos/plomb/till"
	"github.com/plomb-pos/plomb/till/tilltest"
)

func TestAMonthAndAYearAreTheSumOfTheirDays(t *testing.T) {
	shop := tilltest.New(t, tilltest.WithoutDevices())
	day := func(articles ...string) {
		boss := shop.As(staff.Supervisor)
		boss.Do("drawer.open")
		for _, a := range articles {
			boss.Sell(a)
		}
		boss.Do("drawer.close", "amount", 0)
		boss.Approved(staff.Supervisor, "report.z")
	}
	day("BRD-01")
	day("BRD-01", "DRY-01")
	boss := shop.As(staff.FinancialManager)
	var both till.ReportAnswer
	date := func(days int) string { return time.Now().AddDate(0, 0, days).Format(time.DateOnly) }
	boss.Ask("/api/reports/period?from="+date(-1)+"&to="+date(1), &both)
	if both.Number != 2 || both.Figures[0].Amount != 2*349+119 || !strings.Contains(both.Text, "PERIOD REPORT") {
		t.Errorf("all days = %+v", both)
	}
	for query, status := range map[string]int{
		"from=" + date(-9) + "&to=" + date(-2):          http.StatusNotFound,
		"from=" + date(2) + "&to=" + date(9):            http.StatusNotFound,
		"from=2020-01-01&to=2020-12-31":                 http.StatusNotFound,
		"from=2026-02-30&to=2026-03-01":                 http.StatusBadRequest,
		"from=2026-03-02&to=2026-03-01":                 http.StatusBadRequest,
		"from=2026-03-02":                               http.StatusBadRequest,
		"from=2026-03-02&to=2026-03-01&from=2026-03-01": http.StatusBadRequest,
	} {
		if got, text := boss.Fetch("GET", "/api/reports/period?"+query, nil); got != status {
			t.Errorf("%s: %d %s", query, got, text)
		}
	}
	if got, text := shop.As(staff.Operator).Fetch("GET", "/api/reports/period?from=2026-01-01&to=2026-12-31", nil); got != http.StatusForbidden {
		t.Errorf("an operator: %d %s", got, text)
	}
}
