package fiscal_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/money"
	"github.com/plomb-pos/plomb/sale"
)

func release(n int, trial bool) *fiscal.Release {
	return &fiscal.Release{
		Identity: fmt.Sprintf("0PLMTIL%02d-20261122", n), Scope: "application", Counter: uint64(n), Legal: true, Certificate: "DE-26-M-0001",
		Manifest: strings.Repeat(fmt.Sprint(n), 64), Signers: []string{"maker", "ptb"}, Slot: []string{"a", "b"}[n%2], Trial: trial,
	}
}

func history(x *till) *fiscal.SoftwareHistory {
	h := new(fiscal.SoftwareHistory)
	for i := range x.heads {
		h.Entry(x.heads[i], x.bodies[i])
	}
	return h
}

// Requirement: DL-10
func TestTheJournalTellsWhichSoftwareRan(t *testing.T) {
	x := newTill(t)
	x.record(&fiscal.SoftwareStart{Version: "1.0.0", Hash: "aa"})
	x.sell(sale.Sale, money.One, sale.Card)
	sold := x.now
	x.record(&fiscal.SoftwareStart{Version: "1.0.0", Hash: "aa", Clean: true})
	x.record(&fiscal.SoftwareChange{Old: "1.0.0", New: "2.0.0", Stage: "trial", Release: release(2, true)})
	x.record(&fiscal.SoftwareStart{Version: "2.0.0", Hash: "bb", Release: release(2, true)})
	x.record(&fiscal.SoftwareStart{Version: "2.0.0", Hash: "bb", Release: release(2, false)})
	x.record(&fiscal.SoftwareStart{Version: "1.0.0", Hash: "aa"})

	h := history(x)
	type run struct {
		Version, Program, Identity string
		Starts                     int
		Trial                      bool
	}
	var got []run
	for i, r := range h.Runs {
		g := run{Version: r.Version, Program: r.Program, Starts: r.Starts}
		if r.Release != nil {
			g.Identity, g.Trial = r.Release.Identity, r.Release.Trial
		}
		got = append(got, g)
		if i > 0 && !h.Runs[i-1].Until.Equal(r.From) {
			t.Errorf("run %d ends at %s, the next begins at %s", i-1, h.Runs[i-1].Until, r.From)
		}
	}
	want := []run{{"1.0.0", "aa", "", 2, false}, {"2.0.0", "bb", "0PLMTIL02-20261122", 1, true}, {"2.0.0", "bb", "0PLMTIL02-20261122", 1, false}, {"1.0.0", "aa", "", 1, false}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if len(h.Changes) != 1 || h.Changes[0].Stage != "trial" || h.Unread != 0 {
		t.Errorf("changes %+v, %d unread", h.Changes, h.Unread)
	}
	if first := h.Runs[0]; !first.From.Before(sold) || first.Seen.Before(sold) || !first.Until.After(first.Seen) {
		t.Errorf("the first run, in which something was sold at %s: %+v", sold, first)
	}
}

func TestAnEntryThatCannotBeReadIsCounted(t *testing.T) {
	x := newTill(t)
	x.record(&fiscal.SoftwareStart{Version: "1.0.0"})
	h := history(x)
	h.Missing()
	h.Entry(x.heads[len(x.heads)-1], []byte("{"))
	if h.Unread != 2 || len(h.Runs) != 1 {
		t.Errorf("%d unread, runs %+v", h.Unread, h.Runs)
	}
}

func TestAStateRemembersTheReleaseThatRuns(t *testing.T) {
	x := newTill(t)
	x.record(&fiscal.SoftwareStart{Version: "2.0.0", Release: release(2, false)})
	data, err := x.state.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	again, err := fiscal.Restore(data)
	if err != nil || again.Release.Same(release(3, false)) || !again.Release.Same(release(2, true)) || !again.Release.Same(nil) {
		t.Errorf("release %+v, %v", again.Release, err)
	}
}

// Bodies of before releases were known are read as they were, and written so.
func TestBodiesWithoutAReleaseStayWhatTheyWere(t *testing.T) {
	for kind, text := range map[string]string{
		"software-start":  `{"version":"1.0.0","clean":true}`,
		"software-change": `{"by":"anna","old":"1.0.0","new":"1.1.0","stage":"installed"}`,
	} {
		k, _ := fiscal.KindNamed(kind)
		b, err := fiscal.Decode(k, []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if again, err := fiscal.Encode(b); err != nil || string(again) != text {
			t.Errorf("%s, %v", again, err)
		}
	}
}
