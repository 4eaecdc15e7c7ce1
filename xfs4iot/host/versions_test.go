package host_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plomb-pos/plomb/xfs4iot"
	"github.com/plomb-pos/plomb/xfs4iot/client"
	"github.com/plomb-pos/plomb/xfs4iot/common"
	"github.com/plomb-pos/plomb/xfs4iot/host"
	"github.com/plomb-pos/plomb/xfs4iot/printer"
	"github.com/plomb-pos/plomb/xfs4iot/textterminal"
)

// oldPrint is the command Printer.PrintRaw as a release before had it.
type oldPrint struct {
	Text string `json:"text,omitzero"`
}

func (oldPrint) Validate() error { return nil }

var printRaw1 = xfs4iot.NewCommand[oldPrint, printer.PrintRawCompletion](xfs4iot.CommandInfo{Name: "Printer.PrintRaw", Version: "1.2"})

// oldThreshold is Printer.PaperThresholdEvent as a release before had it.
type oldThreshold struct {
	Low bool `json:"low"`
}

func (oldThreshold) Validate() error      { return nil }
func (oldThreshold) EventName() string    { return "Printer.PaperThresholdEvent" }
func (oldThreshold) EventVersion() string { return "1.0" }

// oldPresented is Printer.MediaPresentedEvent as a release before had it.
type oldPresented struct {
	Wad int `json:"wad"`
}

func (oldPresented) Validate() error      { return nil }
func (oldPresented) EventName() string    { return "Printer.MediaPresentedEvent" }
func (oldPresented) EventVersion() string { return "1.0" }

// twoMajors is a printer that speaks two majors.
func twoMajors() (*device, chan string) {
	printed := make(chan string, 10)
	d := &device{Service: host.NewService("P", host.Declaration{Events: []xfs4iot.Event{printer.PaperThresholdEvent{}, oldThreshold{}, oldPresented{}}})}
	host.Handle(d.Service, printRaw1, func(_ context.Context, cmd *host.Command, req *oldPrint) (*printer.PrintRawCompletion, error) {
		printed <- cmd.Version() + " " + req.Text
		return nil, cmd.Event(printer.MediaPresentedEvent{WadIndex: new(7)}, oldPresented{7})
	})
	host.Handle(d.Service, printer.PrintRaw, func(_ context.Context, cmd *host.Command, req *printer.PrintRawCommand) (*printer.PrintRawCompletion, error) {
		printed <- cmd.Version() + " " + string(req.Data)
		return nil, cmd.Event(printer.MediaPresentedEvent{WadIndex: new(7)}, oldPresented{7})
	})
	return d, printed
}

// Requirement: XFS-03
func TestTheHeadersVersionPicksTheFormOfACommand(t *testing.T) {
	d, printed := twoMajors()
	_, base := serve(t, host.Config{}, d)
	p := dialRaw(t, base+"/P")
	for i, row := range []struct{ version, payload, code, want string }{
		{"3.0", `{"data":"aGk="}`, "success", "3.0 hi"},
		{"1.0", `{"text":"hi"}`, "success", "1.2 hi"},
		{"1.2", `{"text":"hi"}`, "success", "1.2 hi"},
		{"1.3", ``, "unsupportedCommand", ""},
		{"2.0", ``, "unsupportedCommand", ""},
	} {
		id := int64(i + 1)
		p.command(id, "Printer.PrintRaw", row.version, row.payload)
		p.mustAcknowledge(id, "")
		m := p.next()
		if row.want != "" {
			if got := <-printed; got != row.want || m.Header.Type != xfs4iot.TypeEvent {
				t.Errorf("%s: %q, %+v", row.version, got, m.Header)
			}
			m = p.next()
		}
		if string(m.Header.CompletionCode) != row.code {
			t.Errorf("%s: %+v", row.version, m.Header)
		}
	}
	p.command(20, "Common.Capabilities", "2.0", "")
	p.mustAcknowledge(20, "")
	var caps common.CapabilitiesCompletion
	if err := p.next().Into(&caps); err != nil {
		t.Fatal(err)
	}
	for _, i := range caps.Interfaces {
		if i.Name != common.InterfaceNamePrinter {
			continue
		}
		want := map[string][]string{"Printer.PrintRaw": {"3.0", "1.2"}, "Printer.MediaPresentedEvent": {"2.0", "1.0"}, "Printer.PaperThresholdEvent": {"2.0", "1.0"}}
		got := map[string][]string{}
		for n, v := range i.Commands {
			got[n] = v.Versions
		}
		for n, v := range i.Events {
			got[n] = v.Versions
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
}

// Requirement: XFS-03
func TestSetVersionsDecidesTheFormOfEventsOnItsConnectionAlone(t *testing.T) {
	d, printed := twoMajors()
	_, base := serve(t, host.Config{}, d)
	old, young := dialRaw(t, base+"/P"), dialRaw(t, base+"/P")
	young.command(1, "Common.Status", "2.0", "") // answered: the connection has joined
	young.mustAcknowledge(1, "")
	young.mustComplete(1, "success")
	for id, row := range map[int64][2]string{
		1: {`{"events":{"Printer.PaperThresholdEvent":9}}`, "unsupportedData"},
		2: {`{"events":{"Printer.PaperThresholdEvent":1,"Printer.Nothing":1}}`, "unsupportedData"},
		3: {`{"commands":{"Printer.PrintRaw":1},"events":{"Printer.PaperThresholdEvent":1,"Printer.MediaPresentedEvent":1}}`, "success"},
	} {
		old.command(id, "Common.SetVersions", "2.0", row[0])
		old.mustAcknowledge(id, "")
		old.mustComplete(id, row[1])
	}
	if err := d.Broadcast(printer.PaperThresholdEvent{Threshold: "low"}, oldThreshold{true}); err != nil {
		t.Fatal(err)
	}
	for p, want := range map[*rawPeer]string{old: `1.0 {"low":true}`, young: `2.0 {"threshold":"low"}`} {
		if m := p.next(); m.Header.Version+" "+string(m.Payload) != want || m.Header.Type != xfs4iot.TypeUnsolicited {
			t.Errorf("%+v %s, want %s", m.Header, m.Payload, want)
		}
	}
	// a command without version, as 2021-1 sends it, takes the chosen major; so does its event
	old.write(`{"header":{"type":"command","name":"Printer.PrintRaw","requestId":9},"payload":{"timeout":0,"text":"hi"}}`)
	old.mustAcknowledge(9, "")
	m := old.next()
	if got := <-printed; got != "1.2 hi" || m.Header.Name != "Printer.MediaPresentedEvent" || string(m.Payload) != `{"wad":7}` {
		t.Errorf("%q %+v %s", got, m.Header, m.Payload)
	}
	old.mustComplete(9, "success")
}

func TestACommandOf2021NeedsWhatItsSchemaRequires(t *testing.T) {
	svc := host.NewService("Display", host.Declaration{})
	host.Handle(svc, textterminal.Write, func(context.Context, *host.Command, *textterminal.WriteCommand) (*textterminal.WriteCompletion, error) {
		return nil, nil
	})
	_, base := serve(t, host.Config{}, &device{Service: svc})
	req := &textterminal.WriteCommand{Mode: textterminal.ModesAbsolute, PosX: new(0), PosY: new(1), Text: "x"}
	if _, err := client.Do(t.Context(), dial(t, base+"/Display", client.Options{}), textterminal.Write, req); err != nil {
		t.Errorf("newer: %v", err)
	}
	old := dial(t, base+"/Display", client.Options{Generation: xfs4iot.Gen2021})
	var e *xfs4iot.Error
	if _, err := client.Do(t.Context(), old, textterminal.Write, req); !errors.As(err, &e) || e.Code != xfs4iot.InvalidData || !strings.Contains(e.Description, "textAttr") {
		t.Errorf("2021-1: %v", err)
	}
	req.TextAttr = &textterminal.WriteCommandTextAttr{}
	if _, err := client.Do(t.Context(), old, textterminal.Write, req); err != nil {
		t.Errorf("2021-1, complete: %v", err)
	}
}

// Requirement: XFS-04
func TestACommandThatWaitsForAPersonLeavesTheQueueFree(t *testing.T) {
	d := newDevice("P", 0)
	waiting := make(chan *host.Command, 10)
	d.print = func(_ context.Context, cmd *host.Command, req *printer.PrintRawCommand) (*printer.PrintRawCompletion, error) {
		if string(req.Data) != "ask" {
			return nil, nil
		}
		waiting <- cmd
		return nil, cmd.Later()
	}
	_, base := serve(t, host.Config{}, d)
	p := dialRaw(t, base+"/P")
	ask := func(id int64) *host.Command {
		p.command(id, "Printer.PrintRaw", "3.0", `{"data":`+quoteBytes("ask")+`}`)
		p.mustAcknowledge(id, "")
		return <-waiting
	}
	first := ask(1)
	p.command(2, "Printer.PrintRaw", "3.0", "")
	p.mustAcknowledge(2, "")
	p.mustComplete(2, "success")
	p.command(1, "Printer.PrintRaw", "3.0", "")
	p.mustAcknowledge(1, xfs4iot.StatusInvalidRequestID)
	first.Complete(&printer.PrintRawCompletion{Data: []byte("yes")}, nil)
	first.Complete(nil, errors.New("second thoughts"))
	if m := p.next(); m.Header.CompletionCode != xfs4iot.Success || string(m.Payload) != `{"data":"eWVz"}` {
		t.Errorf("%+v %s", m.Header, m.Payload)
	}
	second := ask(3)
	p.command(4, "Common.Cancel", "2.0", `{"requestIds":[3]}`)
	p.mustAcknowledge(4, "")
	p.mustComplete(4, "success")
	<-second.Context().Done()
	second.Complete(nil, second.Context().Err())
	p.mustComplete(3, "canceled")
	third := ask(5)
	third.Complete(nil, host.Fail(printer.PrintRawErrorCodePaperOut, "the person said no"))
	p.mustComplete(5, "commandErrorCode")
	last := ask(6)
	_ = p.ws.CloseNow()
	<-last.Context().Done()
	last.Complete(nil, nil)
}

// half writes the beginning of a WebSocket frame and stops.
func half(t *testing.T, url string) net.Conn {
	t.Helper()
	address := strings.Split(url, "/")[2]
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	path := strings.TrimPrefix(url, "ws://"+address)
	fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", path, address)
	answer := make([]byte, len("HTTP/1.1 101"))
	if _, err := io.ReadFull(c, answer); err != nil || string(answer) != "HTTP/1.1 101" {
		t.Fatalf("%q %v", answer, err)
	}
	if _, err := c.Write([]byte{0x81, 0x80 | 100, 0, 0, 0, 0, '{'}); err != nil { // text, 100 bytes to come
		t.Fatal(err)
	}
	return c
}

func TestAMessageThatIsNotEndedIsCutOffAndDisturbsNobody(t *testing.T) {
	d := newDevice("P", 0)
	told := make(chan host.Refusal, 10)
	_, base := serve(t, host.Config{ReadTimeout: 200 * time.Millisecond, Refused: func(r host.Refusal) { told <- r }}, d)
	other := dial(t, base+"/P", client.Options{})
	c := half(t, base+"/P")
	mustWork(t, other)
	if r := <-told; r.Reason != host.RefusedSlow || r.Service != "P" {
		t.Errorf("%+v", r)
	}
	if _, err := io.ReadAll(c); err != nil && !strings.Contains(err.Error(), "reset") {
		t.Error(err)
	}
	mustWork(t, other)
}

func TestAServerBehindAnotherOnesTLSServesToo(t *testing.T) {
	d := newDevice("P", 0)
	srv := host.New(host.Config{})
	if err := srv.Add(d.Service); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	web := &http.Server{Handler: srv, ReadHeaderTimeout: time.Second}
	go web.Serve(ln)
	defer web.Close()
	defer srv.Close()
	c := dial(t, "ws://"+ln.Addr().String()+"/xfs4iot/v1.0/P", client.Options{})
	mustWork(t, c)
	_ = c.Close()
}
