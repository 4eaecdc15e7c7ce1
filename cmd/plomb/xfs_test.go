package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/plomb-pos/plomb/driver/sim"
	"github.com/plomb-pos/plomb/xfs4iot"
	"github.com/plomb-pos/plomb/xfs4iot/barcodereader"
	"github.com/plomb-pos/plomb/xfs4iot/conform"
	"github.com/plomb-pos/plomb/xfs4iot/host"
	"github.com/plomb-pos/plomb/xfs4iot/textterminal"
)

// workbench is simulated devices and the commands run against them.
type workbench struct {
	*testing.T
	*sim.Devices
	at string // host:port
}

func newWorkbench(t *testing.T) *workbench {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &workbench{T: t, Devices: sim.New(sim.Options{}), at: ln.Addr().String()}
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- sim.Serve(ctx, b.Devices, ln, nil, host.Config{VendorName: "Kiosk GmbH"}) }()
	t.Cleanup(func() {
		stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return b
}

// run gives what a command prints on both streams, and its exit code.
func (b *workbench) run(args ...string) (out, words string, code int) {
	b.Helper()
	var o, e bytes.Buffer
	code = run(b.Context(), append([]string{"xfs"}, args...), streams{strings.NewReader(""), &o, &e})
	return o.String(), e.String(), code
}

func TestXFSListFindsEveryServiceWithItsInterfaces(t *testing.T) {
	b := newWorkbench(t)
	out, words, code := b.run("list", b.at, "--json")
	if code != exitDone {
		t.Fatalf("exit code %d: %s", code, words)
	}
	found := map[string]listedService{}
	for line := range strings.Lines(out) {
		var l listedService
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatal(err)
		}
		found[l.URL[strings.LastIndex(l.URL, "/")+1:]] = l
	}
	s := found[sim.ScannerName]
	if len(found) != 3 || s.Vendor != "Kiosk GmbH" || s.Device != "online" || fmt.Sprint(s.Interfaces) != "[BarcodeReader Common]" {
		t.Errorf("found %+v", found)
	}
}

func TestXFSSendMovesTheDeviceAndSaysHowItEnded(t *testing.T) {
	b := newWorkbench(t)
	for _, step := range []struct {
		args  []string
		code  int
		out   string
		words string
	}{
		{[]string{"CustomerDisplay", "TextTerminal.Write", `{"mode":"absolute","posX":0,"posY":0,"text":"Tee 3,10"}`}, exitDone, "TextTerminal.Write success", ""},
		{[]string{"CustomerDisplay", "TextTerminal.Write", `{"mode":"absolute","posX":99,"posY":0,"text":"x"}`}, exitFailed, "invalidData", "outside"},
		{[]string{"CustomerDisplay", "TextTerminal.Write", `{"mode":"sideways"}`}, exitUsage, "", "sideways"},
		{[]string{"CustomerDisplay", "TextTerminal.Write", `{"colour":"red"}`}, exitUsage, "", "colour"},
		{[]string{"CustomerDisplay", "Write"}, exitUsage, "", "did you mean TextTerminal.Write?"},
		{[]string{"Scanner", "BarcodeReader.Read", "--timeout", "1ms"}, exitFailed, "", "timeOut"},
		{[]string{"CustomerDisplay", "TextTerminal.Beep", "--dry-run", "--generation", "2021"}, exitDone, `"name": "TextTerminal.Beep"`, ""},
	} {
		step.args[0] = b.at + "/" + step.args[0]
		out, words, code := b.run(append([]string{"send"}, step.args...)...)
		if code != step.code || !strings.Contains(out, step.out) || !strings.Contains(words, step.words) {
			t.Errorf("send %q ended with %d and said %q, %q; want %d, %q, %q", step.args, code, out, words, step.code, step.out, step.words)
		}
	}
	if got := b.Display.Lines()[0]; got != "Tee 3,10" {
		t.Errorf("the display shows %q", got)
	}
	if b.Display.Beeps() != 0 {
		t.Error("a dry run beeped")
	}
}

func TestAnUnknownOutcomeHasItsOwnExitCode(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	deaf := host.NewService("Deaf", host.Declaration{})
	host.Handle(deaf, barcodereader.Read, func(context.Context, *host.Command, *barcodereader.ReadCommand) (*barcodereader.ReadCompletion, error) {
		stop()
		<-ended // a device that goes on while the connection ends
		return nil, nil
	})
	server := host.New(host.Config{})
	if err := server.Add(deaf); err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(ctx, ln) }()
	var out, words writer
	code := run(t.Context(), []string{"xfs", "send", ln.Addr().String() + "/Deaf", "BarcodeReader.Read"}, streams{nil, &out, &words})
	close(ended)
	if code != exitUnknown || !strings.Contains(string(words), "before sending it again") {
		t.Errorf("exit code %d: %s", code, words)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
}

// Requirement: XFS-04
func TestXFSConformJudgesRuleByRule(t *testing.T) {
	b := newWorkbench(t)
	out, words, code := b.run("conform", b.at+"/Scanner", "--publisher", b.at, "--long", "BarcodeReader.Read", "--json")
	if code != exitDone {
		t.Fatalf("exit code %d: %s%s", code, out, words)
	}
	lines := 0
	for line := range strings.Lines(out) {
		var r ruleResult
		err := json.Unmarshal([]byte(line), &r)
		unasked := strings.HasPrefix(r.Rule, "event-") || r.Rule == "version-5" // no command that stirs; no minor above 0
		if err != nil || r.Verdict != "pass" && !unasked {
			t.Errorf("%s: %v", line, err)
		}
		lines++
	}
	if lines != len(conform.Rules()) {
		t.Errorf("%d rules judged of %d", lines, len(conform.Rules()))
	}
}

func TestXFSConformFailsForAServiceThatBreaksARule(t *testing.T) {
	b := newWorkbench(t)
	_, words, code := b.run("conform", b.at+"/Scanner", "--publisher", b.at+"/CustomerDisplay")
	if code != exitFailed || !strings.Contains(words, "breaks") {
		t.Errorf("exit code %d: %s", code, words)
	}
}

func TestXFSStatusPrintsTheState(t *testing.T) {
	b := newWorkbench(t)
	out, _, code := b.run("status", b.at+"/CustomerDisplay")
	var got struct {
		TextTerminal textterminal.Status `json:"textTerminal"`
	}
	if err := json.Unmarshal([]byte(out), &got); code != exitDone || err != nil || *got.TextTerminal.DisplaySizeX != 20 {
		t.Errorf("status = %d, %v: %s", code, err, out)
	}
}

// broken fails every write and keeps the first.
type broken struct{ seen chan string }

func (w broken) Write(p []byte) (int, error) {
	select {
	case w.seen <- string(p):
	default:
	}
	return 0, errors.New("nobody reads")
}

func TestXFSWatchShowsEventsAndEndsWhenNobodyReads(t *testing.T) {
	b := newWorkbench(t)
	w := broken{make(chan string, 1)}
	ended := make(chan int)
	var words bytes.Buffer
	go func() {
		ended <- run(b.Context(), []string{"xfs", "watch", b.at + "/Scanner", "--json"}, streams{nil, w, &words})
	}()
	go func() {
		for b.Context().Err() == nil { // until someone watches
			b.Scanner.Unplug()
			b.Scanner.Plug()
		}
	}()
	m, err := xfs4iot.Decode([]byte(strings.TrimSpace(<-w.seen)), xfs4iot.Limits{})
	if err != nil || m.Header.Name != "Common.StatusChangedEvent" {
		t.Errorf("watch printed %+v, %v", m, err)
	}
	if code := <-ended; code != exitFailed {
		t.Errorf("exit code %d: %s", code, words.String())
	}
}

func TestARecordingIsPlayedAgain(t *testing.T) {
	b := newWorkbench(t)
	file := filepath.Join(t.TempDir(), "recording.jsonl")
	ctx, stop := context.WithCancel(t.Context())
	printed, w := io.Pipe()
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"xfs", "record", b.at + "/CustomerDisplay", "--out", file, "--listen", "127.0.0.1:0"}, streams{nil, w, io.Discard})
	}()
	relay, err := bufio.NewReader(printed).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	relay = strings.TrimSpace(relay)
	for _, payload := range []string{`{"mode":"absolute","posX":0,"posY":1,"text":"recorded"}`, `{"mode":"absolute","posX":99,"posY":1,"text":"x"}`} {
		b.run("send", relay, "TextTerminal.Write", payload)
	}
	stop()
	if code := <-ended; code != exitDone {
		t.Errorf("record ended with %d", code)
	}
	again := newWorkbench(t)
	out, words, code := again.run("replay", again.at+"/CustomerDisplay", file, "--json")
	if code != exitDone || strings.Count(out, "TextTerminal.Write") != 2 || again.Display.Lines()[1] != "recorded" {
		t.Errorf("replay ended with %d: %s%s; the display shows %q", code, out, words, again.Display.Lines())
	}
	if out, _, code := again.run("replay", again.at+"/Scanner", file); code != exitFailed || !strings.Contains(out, "now unsupportedCommand") {
		t.Errorf("against another device replay ended with %d: %s", code, out)
	}
}

// Requirement: XFS-16
func TestTheDifferenceBetweenTwoDescriptionsIsPrinted(t *testing.T) {
	b := newWorkbench(t)
	if out, _, code := b.run("diff", "own"); code != exitDone || out != "" {
		t.Errorf("own against own ended with %d: %s", code, out)
	}
	text, err := os.ReadFile("../../xfs4iot/describe/interfaces.json")
	if err != nil {
		t.Fatal(err)
	}
	older := filepath.Join(t.TempDir(), "older.json")
	changed := strings.Replace(string(text), `"PowerSaveControl"`, `"SaveThePower"`, 1)
	if err := os.WriteFile(older, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	out, _, code := b.run("diff", older)
	if code != exitFailed || !strings.Contains(out, "PowerSaveControl") || !strings.Contains(out, "! - ") {
		t.Errorf("diff ended with %d: %s", code, out)
	}
	if _, _, code := b.run("diff", filepath.Join(t.TempDir(), "none")); code != exitUsage {
		t.Errorf("without a file diff ended with %d", code)
	}
}
