package record_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/plomb-pos/plomb/xfs4iot/cardreader"
	"github.com/plomb-pos/plomb/xfs4iot/client"
	"github.com/plomb-pos/plomb/xfs4iot/common"
	"github.com/plomb-pos/plomb/xfs4iot/host"
	"github.com/plomb-pos/plomb/xfs4iot/pinpad"
	"github.com/plomb-pos/plomb/xfs4iot/printer"
	"github.com/plomb-pos/plomb/xfs4iot/record"
)

// serve runs a printer that has paper for so many commands.
func serve(t testing.TB, sheets int) string {
	t.Helper()
	svc := host.NewService("P", host.Declaration{})
	host.Handle(svc, printer.PrintRaw, func(context.Context, *host.Command, *printer.PrintRawCommand) (*printer.PrintRawCompletion, error) {
		if sheets--; sheets < 0 {
			return nil, host.Fail(printer.PrintRawErrorCodePaperOut, "no paper")
		}
		return nil, nil
	})
	srv := host.New(host.Config{})
	if err := srv.Add(svc); err != nil {
		t.Fatal(err)
	}
	ln, err := host.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(ctx, ln) }()
	t.Cleanup(func() { stop(); <-ended })
	return "ws://" + ln.Addr().String() + "/xfs4iot/v1.0/P"
}

func TestARecordingIsPlayedAgainAndCompared(t *testing.T) {
	url := serve(t, 2)
	var file bytes.Buffer
	w := record.NewWriter(&file, url)
	c, err := client.Dial(t.Context(), url, client.Options{Record: w.Frame})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		_, _ = client.Do(t.Context(), c, printer.PrintRaw, &printer.PrintRawCommand{Data: []byte("x")})
	}
	if _, err := client.Do(t.Context(), c, common.Cancel, nil); err != nil {
		t.Error(err)
	}
	if err := errors.Join(c.Close(), w.Err()); err != nil {
		t.Fatal(err)
	}
	from, frames, err := record.Read(&file)
	if err != nil || from != url || len(frames) != 12 {
		t.Fatalf("%d frames from %s: %v", len(frames), from, err)
	}
	for sheets, want := range map[int]string{
		2: "[{Printer.PrintRaw 1 success success } {Printer.PrintRaw 2 success success } {Printer.PrintRaw 3 paperOut paperOut } {Common.Cancel 4 success success }]",
		5: "[{Printer.PrintRaw 1 success success } {Printer.PrintRaw 2 success success } {Printer.PrintRaw 3 paperOut success } {Common.Cancel 4 success success }]",
	} {
		got, err := record.Replay(t.Context(), serve(t, sheets), frames, record.ReplayOptions{})
		if err != nil || fmt.Sprint(got) != want {
			t.Errorf("%v %v, want %s", got, err, want)
		}
	}
}

func TestSensitiveValuesNeverReachTheFile(t *testing.T) {
	encode := func(name, typ, payload string) []byte {
		code := ""
		if typ == "completion" {
			code = `,"completionCode":"success"`
		}
		return fmt.Appendf(nil, `{"header":{"type":%q,"name":%q,"requestId":1,"version":"2.0"%s},"payload":%s}`, typ, name, code, payload)
	}
	var file bytes.Buffer
	w := record.NewWriter(&file, "ws://x")
	for _, m := range [][]byte{
		encode(pinpad.LocalVisa.Info().Name, "command", `{"pan":"SECRET","key":"k"}`),
		encode(cardreader.ReadRawData.Info().Name, "completion", `{"track2":{"data":"SECRET"},"chip":[{"data":"SECRET"}]}`),
		encode("CashDispenser.Dispense", "command", `{"token":"SECRET","position":"outDefault"}`),
		encode("Check.GetTransactionStatus", "completion", `{"mediaInfo":[{"codelineData":"SECRET"}]}`),
		encode("TextTerminal.Read", "completion", `{"input":"SECRET"}`),
		[]byte(`SECRET`),
	} {
		w.Frame(false, m)
	}
	if err := w.Err(); err != nil {
		t.Fatal(err)
	}
	if text := file.String(); strings.Contains(text, "SECRET") || strings.Count(text, `"masked":true`) != 5 || !strings.Contains(text, `"position":"outDefault"`) {
		t.Error(text)
	}
	_, frames, err := record.Read(&file)
	if err != nil {
		t.Fatal(err)
	}
	frames[2].Dir = record.Sent
	got, err := record.Replay(t.Context(), serve(t, 1), frames[2:3], record.ReplayOptions{})
	if err != nil || len(got) != 1 || got[0].Skipped == "" || got[0].Same() {
		t.Errorf("%v %v", got, err)
	}
}

func TestOtherFilesAreNotRecordings(t *testing.T) {
	for _, text := range []string{"", "x", `{}`, `{"format":"xfs4iot-record/2","url":""}`} {
		if _, _, err := record.Read(strings.NewReader(text)); !errors.Is(err, record.ErrFormat) {
			t.Errorf("%q: %v", text, err)
		}
	}
	for _, line := range []string{`{"at":"2030-05-01T12:00:00Z","dir":"up"}`, `{"at":`, `{"at":"x","dir":"sent"}`} {
		if _, _, err := record.Read(strings.NewReader(`{"format":"xfs4iot-record/1","url":""}` + "\n" + line)); err == nil {
			t.Errorf("%q was read", line)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add(`{"at":"2030-05-01T12:00:00Z","dir":"sent","message":{"header":{"type":"command","name":"A.B","requestId":1},"payload":{"token":[1,{"a":2}]}}}`)
	f.Fuzz(func(t *testing.T, line string) {
		_, frames, err := record.Read(strings.NewReader(`{"format":"xfs4iot-record/1","url":""}` + "\n" + line))
		if err != nil {
			return
		}
		for _, frame := range frames {
			if masked, changed, err := record.Mask(frame.Message); err == nil && !changed && !masked.IsValid() {
				t.Errorf("%s became %s", frame.Message, masked)
			}
		}
	})
}
