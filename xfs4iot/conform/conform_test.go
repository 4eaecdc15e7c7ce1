package conform_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/plomb-pos/plomb/xfs4iot"
	"github.com/plomb-pos/plomb/xfs4iot/barcodereader"
	"github.com/plomb-pos/plomb/xfs4iot/common"
	"github.com/plomb-pos/plomb/xfs4iot/conform"
	"github.com/plomb-pos/plomb/xfs4iot/host"
)

// serve starts a host with one barcode reader that never finds a barcode.
func serve(t testing.TB) (base string) {
	t.Helper()
	svc := host.NewService("Scanner", host.Declaration{
		Status:          common.StatusCompletion{Common: &common.StatusProperties{Device: common.DeviceOnline}},
		MaximumRequests: 10,
	})
	host.Handle(svc, barcodereader.Reset, func(context.Context, *host.Command, *barcodereader.ResetCommand) (*barcodereader.ResetCompletion, error) {
		for _, d := range []common.Device{common.DeviceDeviceBusy, common.DeviceOnline} {
			if err := svc.SetStatus(func(s *common.StatusCompletion) { s.Common.Device = d }); err != nil {
				return nil, err
			}
		}
		return nil, nil
	})
	host.Handle(svc, barcodereader.Read, func(ctx context.Context, _ *host.Command, _ *barcodereader.ReadCommand) (*barcodereader.ReadCompletion, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	})
	srv := host.New(host.Config{VendorName: "Test"})
	if err := srv.Add(svc); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(ctx, ln) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return "ws://" + ln.Addr().String() + "/xfs4iot/v1.0"
}

func long() *xfs4iot.Message {
	return &xfs4iot.Message{Header: xfs4iot.Header{Name: "BarcodeReader.Read", Version: barcodereader.Read.Info().Version}}
}

// stir makes the reader tell that it was busy.
func stir() *xfs4iot.Message {
	return &xfs4iot.Message{Header: xfs4iot.Header{Name: "BarcodeReader.Reset", Version: barcodereader.Reset.Info().Version}}
}

// Requirement: XFS-03
// Requirement: XFS-04
func TestOurHostKeepsEveryRuleInBothGenerations(t *testing.T) {
	base := serve(t)
	for _, g := range []xfs4iot.Generation{xfs4iot.Gen2021, xfs4iot.Gen2023} {
		for _, r := range conform.Run(t.Context(), conform.Target{URL: base + "/Scanner", Publisher: base, Generation: g, Long: long(), Stir: stir()}) {
			t.Log(g, r)
			if r.Err != nil || r.NotRun && !(g == xfs4iot.Gen2021 && r.Rule.ID == "common-4") {
				t.Errorf("%s: %s", g, r)
			}
		}
	}
}

func TestASilentServiceAndAnEchoKeepNoRule(t *testing.T) {
	for name, answer := range map[string]bool{"echo": true, "silent": false} {
		web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ws, err := websocket.Accept(w, r, nil)
			if err != nil {
				return
			}
			defer ws.CloseNow()
			ws.SetReadLimit(-1)
			for {
				typ, data, err := ws.Read(context.Background())
				if err != nil {
					return
				}
				if answer {
					_ = ws.Write(context.Background(), typ, data)
				}
			}
		}))
		url := "ws" + strings.TrimPrefix(web.URL, "http")
		for _, r := range conform.Run(t.Context(), conform.Target{URL: url, Publisher: url, Long: long(), Patience: 30 * time.Millisecond}) {
			if r.Err == nil && !r.NotRun {
				t.Errorf("%s: %s", name, r)
			}
		}
		web.Close()
	}
}

func TestRulesHaveDistinctIdentifiers(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range conform.Rules() {
		if seen[r.ID] || r.Sentence == "" {
			t.Errorf("rule %q is doubled or has no sentence", r.ID)
		}
		seen[r.ID] = true
	}
	t.Log(len(seen), "rules")
}

func TestResultsAreReadByMachinesToo(t *testing.T) {
	rule := conform.Rules()[0]
	results := []conform.Result{{Rule: rule}, {Rule: rule, NotRun: true}, {Rule: rule, Err: errors.New("no answer")}}
	if n := conform.Failed(results); n != 1 {
		t.Errorf("%d failed", n)
	}
	want := []conform.Line{
		{ID: "header-1", Sentence: rule.Sentence, Result: "passed"},
		{ID: "header-1", Sentence: rule.Sentence, Result: "notRun"},
		{ID: "header-1", Sentence: rule.Sentence, Result: "failed", Error: "no answer"},
	}
	for i, r := range results {
		if r.Line() != want[i] {
			t.Errorf("%+v, want %+v", r.Line(), want[i])
		}
	}
}

// Checking a service that runs elsewhere.
func ExampleRun() {
	target := conform.Target{URL: "ws://127.0.0.1:1/xfs4iot/v1.0/Nobody"}
	results := conform.Run(context.Background(), target)
	fmt.Println(results[0].Err != nil, results[0].Rule.ID)
	// Output: true header-1
}
