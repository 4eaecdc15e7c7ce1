package xfs4iot_test

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/plomb-pos/plomb/xfs4iot"
	"github.com/plomb-pos/plomb/xfs4iot/printer"
)

var update = flag.Bool("update", false, "write the golden messages anew")

// golden are the messages of one short conversation, by the name of their file.
func golden() map[string]xfs4iot.Message {
	return map[string]xfs4iot.Message{
		"command": {Header: xfs4iot.Header{Type: xfs4iot.TypeCommand, Name: "Printer.PrintRaw", RequestID: 7, Version: "3.0", Timeout: 1500 * time.Millisecond},
			Payload: jsontext.Value(`{"inputData":"no","data":"SGFsbG8="}`)},
		"command-without-payload": {Header: xfs4iot.Header{Type: xfs4iot.TypeCommand, Name: "Common.Status", RequestID: 1, Version: "2.0"}},
		"acknowledge":             {Header: xfs4iot.Header{Type: xfs4iot.TypeAcknowledge, Name: "Printer.PrintRaw", RequestID: 7, Version: "3.0"}},
		"acknowledge-refused": {Header: xfs4iot.Header{Type: xfs4iot.TypeAcknowledge, Name: "Printer.PrintRaw", RequestID: 7, Version: "3.0",
			Status: xfs4iot.StatusTooManyRequests}},
		"event": {Header: xfs4iot.Header{Type: xfs4iot.TypeEvent, Name: "Printer.MediaPresentedEvent", RequestID: 7, Version: "2.0"},
			Payload: jsontext.Value(`{"wadIndex":1,"totalWads":1}`)},
		"completion": {Header: xfs4iot.Header{Type: xfs4iot.TypeCompletion, Name: "Printer.PrintRaw", RequestID: 7, Version: "3.0", CompletionCode: xfs4iot.Success}},
		"completion-command-error": {Header: xfs4iot.Header{Type: xfs4iot.TypeCompletion, Name: "Printer.PrintRaw", RequestID: 7, Version: "3.0",
			CompletionCode: xfs4iot.CommandErrorCode, ErrorDescription: "no paper"}, Payload: jsontext.Value(`{"errorCode":"paperOut"}`)},
		"completion-authorisation": {Header: xfs4iot.Header{Type: xfs4iot.TypeCompletion, Name: "Printer.PrintRaw", RequestID: 7, Version: "3.0",
			CompletionCode: xfs4iot.AuthorisationRequired}},
		"unsolicited": {Header: xfs4iot.Header{Type: xfs4iot.TypeUnsolicited, Name: "Printer.PaperThresholdEvent", Version: "3.0"},
			Payload: jsontext.Value(`{"paperSource":"upper","threshold":"low"}`)},
	}
}

// Requirement: XFS-03
func TestGoldenMessagesOfBothGenerations(t *testing.T) {
	for name, m := range golden() {
		for _, g := range []xfs4iot.Generation{xfs4iot.Gen2021, xfs4iot.Gen2023} {
			file := filepath.Join("testdata", "golden", name+"."+g.String()+".json")
			m.Generation = g
			got, err := m.Encode()
			if err != nil {
				t.Fatal(err)
			}
			if *update {
				if err := os.WriteFile(file, append(got, '\n'), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil || string(got)+"\n" != string(want) {
				t.Errorf("%s is written as\n%s, want\n%s (%v)", file, got, want, err)
			}
			back, err := xfs4iot.Decode(want, xfs4iot.Limits{})
			expect := m
			if g == xfs4iot.Gen2021 { // which has no versions
				expect.Header.Version = ""
			}
			if diff := cmp.Diff(&expect, back); err != nil || diff != "" {
				t.Errorf("%s reads back with %v\n%s", file, err, diff)
			}
		}
	}
}

// Requirement: XFS-03
func TestVariantsThatPeersAreKnownToSendAreUnderstood(t *testing.T) {
	for name, row := range map[string]struct {
		in   string
		want xfs4iot.Message
	}{
		"null payload and null status": {`{"header":{"type":"acknowledge","name":"A.B","requestId":1,"version":"1.0","status":null},"payload":null}`,
			xfs4iot.Message{Header: xfs4iot.Header{Type: xfs4iot.TypeAcknowledge, Name: "A.B", RequestID: 1, Version: "1.0"}}},
		"2021-1 command with version 1.0": {`{"header":{"type":"command","name":"A.B","requestId":1,"version":"1.0"},"payload":{"timeout":5,"x":true}}`,
			xfs4iot.Message{Header: xfs4iot.Header{Type: xfs4iot.TypeCommand, Name: "A.B", RequestID: 1, Version: "1.0", Timeout: 5 * time.Millisecond},
				Payload: jsontext.Value(`{"x":true}`), Generation: xfs4iot.Gen2021}},
		"a field named timeout of a newer command is its own": {`{"header":{"type":"command","name":"A.B","requestId":1,"version":"2.0","timeout":9},"payload":{"timeout":5}}`,
			xfs4iot.Message{Header: xfs4iot.Header{Type: xfs4iot.TypeCommand, Name: "A.B", RequestID: 1, Version: "2.0", Timeout: 9 * time.Millisecond},
				Payload: jsontext.Value(`{"timeout":5}`)}},
		"the reference's unsolicited event": {`{"header":{"type":"event","name":"A.B","version":"2.0"}}`,
			xfs4iot.Message{Header: xfs4iot.Header{Type: xfs4iot.TypeUnsolicited, Name: "A.B", Version: "2.0"}}},
		"both spellings of authorisation": {`{"header":{"type":"completion","name":"A.B","requestId":1,"version":"2.0","completionCode":"authorizationRequired"}}`,
			xfs4iot.Message{Header: xfs4iot.Header{Type: xfs4iot.TypeCompletion, Name: "A.B", RequestID: 1, Version: "2.0", CompletionCode: xfs4iot.AuthorisationRequired}}},
		"unknown keys": {`{"new":1,"header":{"type":"command","name":"A.B","requestId":1,"version":"2.0","new":[]}}`,
			xfs4iot.Message{Header: xfs4iot.Header{Type: xfs4iot.TypeCommand, Name: "A.B", RequestID: 1, Version: "2.0"}}},
	} {
		got, err := xfs4iot.Decode([]byte(row.in), xfs4iot.Limits{})
		if diff := cmp.Diff(&row.want, got); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", name, err, diff)
		}
	}
}

func TestRefusalsNameWhatCouldBeRead(t *testing.T) {
	head := `{"header":{"type":"command","name":"A.B","requestId":5,"version":"1.0"`
	for name, row := range map[string]struct {
		in     string
		status xfs4iot.Status
		id     int64
	}{
		"empty":                     {``, xfs4iot.StatusInvalidMessage, 0},
		"not JSON":                  {`hello`, xfs4iot.StatusInvalidMessage, 0},
		"half a message":            {head, xfs4iot.StatusInvalidMessage, 5},
		"no header":                 {`{}`, xfs4iot.StatusInvalidMessage, 0},
		"header is a list":          {`{"header":[]}`, xfs4iot.StatusInvalidMessage, 0},
		"two headers":               {`{"header":{},"header":{}}`, xfs4iot.StatusInvalidMessage, 0},
		"two keys in the payload":   {head + `},"payload":{"a":1,"a":2}}`, xfs4iot.StatusInvalidMessage, 5},
		"after the end":             {head + `}}{}`, xfs4iot.StatusInvalidMessage, 5},
		"too deep":                  {head + `},"payload":{"a":` + strings.Repeat("[", 99) + strings.Repeat("]", 99) + `}}`, xfs4iot.StatusInvalidMessage, 0},
		"payload is a list":         {head + `},"payload":[]}`, xfs4iot.StatusInvalidMessage, 5},
		"timeout is a string":       {head + `,"timeout":"1"}}`, xfs4iot.StatusInvalidMessage, 5},
		"timeout below zero":        {head + `,"timeout":-1}}`, xfs4iot.StatusInvalidMessage, 5},
		"unknown type":              {strings.Replace(head, "command", "order", 1) + `}}`, xfs4iot.StatusInvalidMessage, 5},
		"name without interface":    {strings.Replace(head, "A.B", "AB", 1) + `}}`, xfs4iot.StatusInvalidMessage, 5},
		"version 0":                 {strings.Replace(head, "1.0", "0.1", 1) + `}}`, xfs4iot.StatusInvalidMessage, 5},
		"requestId zero":            {strings.Replace(head, "5", "0", 1) + `}}`, xfs4iot.StatusInvalidRequestID, 0},
		"requestId missing":         {strings.Replace(head, `"requestId":5,`, "", 1) + `}}`, xfs4iot.StatusInvalidRequestID, 0},
		"requestId below zero":      {strings.Replace(head, "5", "-5", 1) + `}}`, xfs4iot.StatusInvalidRequestID, 0},
		"requestId with a fraction": {strings.Replace(head, "5", "5.5", 1) + `}}`, xfs4iot.StatusInvalidRequestID, 0},
		"requestId is a string":     {strings.Replace(head, "5", `"5"`, 1) + `}}`, xfs4iot.StatusInvalidRequestID, 0},
		"requestId is huge":         {strings.Replace(head, "5", strings.Repeat("9", 4000), 1) + `}}`, xfs4iot.StatusInvalidRequestID, 0},
		"invalid UTF-8":             {strings.Replace(head, "A.B", "A.\xff", 1) + `}}`, xfs4iot.StatusInvalidMessage, 0},
	} {
		m, err := xfs4iot.Decode([]byte(row.in), xfs4iot.Limits{})
		var bad *xfs4iot.DecodeError
		if !errors.As(err, &bad) || bad.Status != row.status || m.Header.RequestID != row.id {
			t.Errorf("%s: %v with requestId %d, want %s with %d", name, err, m.Header.RequestID, row.status, row.id)
		}
	}
	if _, err := xfs4iot.Decode([]byte("\xff"), xfs4iot.Limits{}); !errors.Is(err, xfs4iot.ErrNotUTF8) {
		t.Errorf("%v does not tell invalid UTF-8", err)
	}
	if _, err := xfs4iot.Decode([]byte(head+`}}`), xfs4iot.Limits{Bytes: 20}); err == nil {
		t.Error("the size limit is not kept")
	}
}

func TestEveryMessageSurvivesBothGenerations(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := golden()[rapid.SampledFrom([]string{"command", "acknowledge", "acknowledge-refused", "event", "completion", "completion-command-error"}).Draw(t, "kind")]
		want.Generation = xfs4iot.Generation(rapid.IntRange(0, 1).Draw(t, "generation"))
		want.Header.RequestID = rapid.Int64Min(1).Draw(t, "id")
		if want.Header.Type == xfs4iot.TypeCommand {
			want.Header.Timeout = time.Duration(rapid.Int64Range(0, 1<<40).Draw(t, "timeout")) * time.Millisecond
		}
		if want.Header.Type == xfs4iot.TypeCompletion {
			want.Header.ErrorDescription = rapid.String().Draw(t, "description")
		}
		if want.Generation == xfs4iot.Gen2021 {
			want.Header.Version = ""
		}
		data, err := want.Encode()
		if err != nil {
			t.Fatal(err)
		}
		got, err := xfs4iot.Decode(data, xfs4iot.Limits{})
		if diff := cmp.Diff(&want, got); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", data, err, diff)
		}
	})
}

func FuzzDecode(f *testing.F) {
	files, err := filepath.Glob("testdata/golden/*.json")
	if err != nil || len(files) == 0 {
		f.Fatal("no seeds", err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		first, err := xfs4iot.Decode(data, xfs4iot.Limits{Bytes: 4096, Depth: 16})
		if first == nil {
			t.Fatal("no message")
		}
		if err != nil {
			return
		}
		again, err := first.Encode()
		if err != nil {
			t.Fatalf("accepted but not written: %v", err)
		}
		second, err := xfs4iot.Decode(again, xfs4iot.Limits{Bytes: 2 * 4096, Depth: 16})
		if err != nil {
			t.Fatalf("%s\nwas written as\n%s\nwhich is refused: %v", data, again, err)
		}
		last, err := second.Encode()
		if err != nil || string(last) != string(again) {
			t.Fatalf("%s\nbecame\n%s\nthen\n%s (%v)", data, again, last, err)
		}
		_ = first.Into(new(printer.PrintFormCommand))
	})
}

func TestVersionsServeTheSameMajorAndNoNewerMinor(t *testing.T) {
	ours, err := xfs4iot.ParseVersion("2.3")
	if err != nil {
		t.Fatal(err)
	}
	for s, want := range map[string]bool{"2.0": true, "2.3": true, "2.4": false, "1.0": false, "3.0": false} {
		if v, err := xfs4iot.ParseVersion(s); err != nil || ours.Serves(v) != want {
			t.Errorf("2.3 serves %s = %t, want %t (%v)", s, ours.Serves(v), want, err)
		}
	}
	for _, s := range []string{"", "2", "2.", ".1", "02.1", "2.01", "0.1", "2.1.1", "-1.0", "1.9999999", "a.b"} {
		if v, err := xfs4iot.ParseVersion(s); err == nil {
			t.Errorf("%q became %v", s, v)
		}
	}
}

func TestOnlyCodesBeforeTheDeviceMovesAreSafeToRepeat(t *testing.T) {
	safe := map[xfs4iot.CompletionCode]bool{}
	for _, c := range []xfs4iot.CompletionCode{xfs4iot.Canceled, xfs4iot.TimeOut, xfs4iot.HardwareError, xfs4iot.InternalError,
		xfs4iot.CommandErrorCode, xfs4iot.UserError, xfs4iot.FraudAttempt, xfs4iot.NotEnoughSpace, xfs4iot.Success} {
		safe[c] = false
	}
	for _, c := range xfs4iot.CompletionCodes() {
		want, listed := safe[c]
		if !listed {
			want = true
		}
		if got := (&xfs4iot.Error{Code: c}).SafeToRepeat(); got != want {
			t.Errorf("%s is safe to repeat: %t, want %t", c, got, want)
		}
	}
	if !(&xfs4iot.Error{Status: xfs4iot.StatusTooManyRequests}).SafeToRepeat() {
		t.Error("a refused command has not started")
	}
}
