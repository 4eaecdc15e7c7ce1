package host_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"pgregory.net/rapid"

	"github.com/plomb-pos/plomb/xfs4iot"
	"github.com/plomb-pos/plomb/xfs4iot/client"
	"github.com/plomb-pos/plomb/xfs4iot/common"
	"github.com/plomb-pos/plomb/xfs4iot/host"
	"github.com/plomb-pos/plomb/xfs4iot/printer"
)

// mustWork checks that a client notices nothing of what another one does.
func mustWork(t interface{ Errorf(string, ...any) }, c *client.Conn) {
	if _, err := printText(c, "undisturbed"); err != nil {
		t.Errorf("the other client was disturbed: %v", err)
	}
}

// Requirement: XFS-04
func TestHostileMessagesAreAnsweredAndDisturbNobody(t *testing.T) {
	d := newDevice("P", 0)
	_, base := serve(t, host.Config{}, d, newDevice("Q", 0))
	other := dial(t, base+"/P", client.Options{})
	header := func(rest string) string { return `{"header":{"type":"command","name":"Printer.PrintRaw"` + rest }
	for name, row := range map[string]struct {
		text   string
		status xfs4iot.Status         // of the acknowledgement
		code   xfs4iot.CompletionCode // of the completion, where it was accepted
	}{
		"not JSON":                   {`<xml/>`, xfs4iot.StatusInvalidMessage, ""},
		"empty":                      {``, xfs4iot.StatusInvalidMessage, ""},
		"null":                       {`null`, xfs4iot.StatusInvalidMessage, ""},
		"half":                       {header(`,"requestId":1`), xfs4iot.StatusInvalidMessage, ""},
		"duplicate keys":             {header(`,"requestId":1,"version":"3.0"},"payload":{"data":"","data":""}}`), xfs4iot.StatusInvalidMessage, ""},
		"deep":                       {strings.Repeat(`[`, 100000), xfs4iot.StatusInvalidMessage, ""},
		"huge requestId":             {header(`,"requestId":` + strings.Repeat("9", 1000) + `,"version":"3.0"}}`), xfs4iot.StatusInvalidRequestID, ""},
		"zero requestId":             {header(`,"requestId":0,"version":"3.0"}}`), xfs4iot.StatusInvalidRequestID, ""},
		"missing requestId":          {header(`,"version":"3.0"}}`), xfs4iot.StatusInvalidRequestID, ""},
		"requestId of a wrong type":  {header(`,"requestId":{},"version":"3.0"}}`), xfs4iot.StatusInvalidRequestID, ""},
		"name of a wrong type":       {`{"header":{"type":"command","name":7,"requestId":1,"version":"3.0"}}`, xfs4iot.StatusInvalidMessage, ""},
		"version of a wrong type":    {header(`,"requestId":1,"version":3}}`), xfs4iot.StatusInvalidMessage, ""},
		"an event":                   {`{"header":{"type":"event","name":"Printer.NoMediaEvent","requestId":1,"version":"2.0"}}`, xfs4iot.StatusInvalidMessage, ""},
		"an unsolicited event":       {`{"header":{"type":"unsolicited","name":"Common.ErrorEvent","version":"2.0"}}`, xfs4iot.StatusInvalidMessage, ""},
		"an acknowledgement":         {`{"header":{"type":"acknowledge","name":"Common.Status","requestId":1,"version":"2.0"}}`, xfs4iot.StatusInvalidMessage, ""},
		"unknown interface":          {`{"header":{"type":"command","name":"Toaster.Toast","requestId":1,"version":"1.0"}}`, "", xfs4iot.UnsupportedCommand},
		"command of another service": {`{"header":{"type":"command","name":"CashDispenser.Dispense","requestId":1,"version":"2.0"}}`, "", xfs4iot.UnsupportedCommand},
		"publisher's command":        {`{"header":{"type":"command","name":"ServicePublisher.GetServices","requestId":1,"version":"2.0"}}`, "", xfs4iot.UnsupportedCommand},
		"bad base64":                 {header(`,"requestId":1,"version":"3.0"},"payload":{"data":"@@"}}`), "", xfs4iot.InvalidData},
		"bad enum":                   {header(`,"requestId":1,"version":"3.0"},"payload":{"inputData":"maybe"}}`), "", xfs4iot.InvalidData},
		"field of a wrong type":      {header(`,"requestId":1,"version":"3.0"},"payload":{"data":[1,2]}}`), "", xfs4iot.InvalidData},
		"huge timeout":               {header(`,"requestId":1,"version":"3.0","timeout":` + strings.Repeat("9", 100) + `}}`), "", xfs4iot.Success},
	} {
		p := dialRaw(t, base+"/P")
		p.write(row.text)
		m := p.next()
		if m.Header.Type != xfs4iot.TypeAcknowledge || m.Header.Status != row.status {
			t.Errorf("%s: answered with %+v", name, m.Header)
		}
		if row.status == "" {
			if m = p.next(); m.Header.CompletionCode != row.code {
				t.Errorf("%s: completed with %+v", name, m.Header)
			}
		}
		p.command(99, "Common.Status", "2.0", "")
		p.mustAcknowledge(99, "")
		p.mustComplete(99, "success")
		mustWork(t, other)
	}
}

func TestRandomBytesDisturbNobody(t *testing.T) {
	d := newDevice("P", 0)
	_, base := serve(t, host.Config{Rate: -1}, d)
	other := dial(t, base+"/P", client.Options{})
	rapid.Check(t, func(rt *rapid.T) {
		ws, _, err := websocket.Dial(context.Background(), base+"/P", nil)
		if err != nil {
			rt.Fatal(err)
		}
		defer ws.CloseNow()
		for _, data := range rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 0, 200), 1, 5).Draw(rt, "messages") {
			typ := websocket.MessageType(rapid.IntRange(1, 2).Draw(rt, "frame"))
			if ws.Write(context.Background(), typ, data) != nil {
				break
			}
		}
		mustWork(rt, other)
		for len(d.started) > 0 {
			<-d.started
		}
	})
}

func TestInvalidUTF8ClosesWith1007AndATooLargeMessageWith1009(t *testing.T) {
	d := newDevice("P", 0)
	_, base := serve(t, host.Config{Limits: xfs4iot.Limits{Bytes: 1000}}, d)
	for text, want := range map[string]websocket.StatusCode{
		"{\"header\":\"\xc3\x28\"}": websocket.StatusInvalidFramePayloadData,
		strings.Repeat(" ", 1001):   websocket.StatusMessageTooBig,
	} {
		p := dialRaw(t, base+"/P")
		p.write(text)
		if _, _, err := p.ws.Read(t.Context()); websocket.CloseStatus(err) != want {
			t.Errorf("closed with %v, want %v", err, want)
		}
	}
	mustWork(t, dial(t, base+"/P", client.Options{}))
}

func TestAClientThatDoesNotReadIsCutOffAndDelaysNobody(t *testing.T) {
	d := newDevice("P", 0)
	log := make(logLines, 1000)
	_, base := serve(t, host.Config{SendQueue: 16, Log: slog.New(slog.NewTextHandler(log, nil))}, d)
	other := dial(t, base+"/P", client.Options{})
	mustWork(t, other)
	<-d.started
	dialRaw(t, base+"/P") // and never read from it
	event := printer.PaperThresholdEvent{PaperSource: strings.Repeat("x", 50_000), Threshold: "low"}
	for cut := false; !cut; {
		if err := d.Broadcast(event); err != nil {
			t.Fatal(err)
		}
		mustWork(t, other) // reads all the while, so it keeps up
		<-d.started
		cut = log.tell("client does not read")
	}
	mustWork(t, other)
}

// logLines collects what a server logs.
type logLines chan string

func (l logLines) Write(line []byte) (int, error) {
	l <- string(line)
	return len(line), nil
}

// tell reports whether a line so far holds a text.
func (l logLines) tell(text string) bool {
	for len(l) > 0 {
		if strings.Contains(<-l, text) {
			return true
		}
	}
	return false
}

func TestAClientBeyondItsRateIsRefusedAndClosed(t *testing.T) {
	d := newDevice("P", 0)
	_, base := serve(t, host.Config{Rate: 5}, d)
	p := dialRaw(t, base+"/P")
	for id := int64(1); id <= 11; id++ {
		p.command(id, "Common.Status", "2.0", "")
	}
	for {
		_, data, err := p.ws.Read(t.Context())
		if err != nil {
			if websocket.CloseStatus(err) != websocket.StatusPolicyViolation {
				t.Errorf("closed with %v", err)
			}
			break
		}
		if m, _ := xfs4iot.Decode(data, xfs4iot.Limits{}); m.Header.Status == xfs4iot.StatusTooManyRequests && m.Header.RequestID <= 10 {
			t.Errorf("command %d was refused within the burst", m.Header.RequestID)
		}
	}
	mustWork(t, dial(t, base+"/P", client.Options{}))
}

func TestConnectionsBeyondTheLimitAreRefusedAndRoomComesBack(t *testing.T) {
	_, base := serve(t, host.Config{Connections: 2}, newDevice("P", 0))
	a := dial(t, base+"/P", client.Options{})
	dial(t, base, client.Options{})
	if _, err := client.Dial(t.Context(), base+"/P", client.Options{}); err == nil {
		t.Error("a third connection was accepted")
	}
	if err := a.Close(); err != nil {
		t.Error(err)
	}
	for {
		c, err := client.Dial(t.Context(), base+"/P", client.Options{})
		if err == nil {
			_ = c.Close()
			return
		}
	}
}

func TestWebPagesAndUnknownPathsAreRefused(t *testing.T) {
	_, base := serve(t, host.Config{}, newDevice("P", 0))
	for _, row := range []struct {
		url, origin string
		want        int
	}{
		{base + "/P", "https://shop.example", http.StatusForbidden},
		{base + "/P", "http://" + strings.Split(base, "/")[2], http.StatusForbidden},
		{base + "/R", "", http.StatusNotFound},
		{strings.TrimSuffix(base, "/v1.0"), "", http.StatusNotFound},
		{base + "x", "", http.StatusNotFound},
	} {
		_, resp, err := websocket.Dial(t.Context(), row.url, &websocket.DialOptions{HTTPHeader: http.Header{"Origin": {row.origin}}})
		if err == nil || resp == nil || resp.StatusCode != row.want {
			t.Errorf("%s from %q: %v %v", row.url, row.origin, resp, err)
		}
	}
	for _, url := range []string{base + "/P/", base + "/p", strings.Replace(base, "xfs4iot", "XFS4IoT", 1) + "/P", base + "/"} {
		dial(t, url, client.Options{})
	}
}

// Requirement: XFS-04
func TestRightsAreCheckedForEachCommandAndClient(t *testing.T) {
	d := newDevice("P", 0)
	_, base := serve(t, host.Config{Authorize: func(c host.Client, service, command string) error {
		if c.Addr == "" || service == "P" && command == "Printer.PrintRaw" {
			return errors.New("only the till may print")
		}
		return nil
	}}, d)
	c := dial(t, base+"/P", client.Options{})
	_, err := printText(c, "x")
	var e *xfs4iot.Error
	if !errors.As(err, &e) || e.Code != xfs4iot.AuthorisationRequired || !e.SafeToRepeat() || len(d.started) != 0 {
		t.Errorf("got %v", err)
	}
	if _, err := client.Do(t.Context(), c, common.Status, nil); err != nil {
		t.Error(err)
	}
}

func TestStoppingClosesConnectionsAndWaitsForHandlers(t *testing.T) {
	d := newDevice("P", 0)
	left := make(chan bool, 1)
	d.print = func(ctx context.Context, _ *host.Command, _ *printer.PrintRawCommand) (*printer.PrintRawCompletion, error) {
		<-ctx.Done()
		left <- true
		return nil, ctx.Err()
	}
	srv := host.New(host.Config{})
	if err := srv.Add(d.Service); err != nil {
		t.Fatal(err)
	}
	ln, err := host.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(ctx, ln) }()
	c := dial(t, fmt.Sprintf("ws://%s/xfs4iot/v1.0/P", ln.Addr()), client.Options{})
	outcome := make(chan error, 1)
	go func() { _, err := printText(c, "x"); outcome <- err }()
	<-d.started
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if len(left) != 1 {
		t.Error("Serve returned before its handler")
	}
	if err := <-outcome; err == nil || client.SafeToRepeat(err) {
		t.Errorf("the client was told %v", err)
	}
}

// Requirement: XFS-15
func TestAHundredClientsAtOnceAreEachServed(t *testing.T) {
	d := newDevice("P", 200)
	d.started = make(chan string, 10_000)
	_, base := serve(t, host.Config{Connections: 100, Rate: -1}, d)
	ended := make(chan error, 100)
	for i := range 100 {
		c := dial(t, base+"/P", client.Options{Generation: xfs4iot.Generation(i % 2), Unsolicited: func(*xfs4iot.Message) {}})
		go func() {
			for n := range 10 {
				_, err := printText(c, fmt.Sprintf("%d/%d", i, n))
				if err == nil {
					_, err = client.Do(context.Background(), c, common.Status, nil)
				}
				if err != nil {
					ended <- err
					return
				}
			}
			ended <- nil
		}()
	}
	for range 50 {
		if err := d.Broadcast(printer.PaperThresholdEvent{Threshold: "low"}); err != nil {
			t.Error(err)
		}
	}
	for range 100 {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	if len(d.started) != 1000 {
		t.Errorf("%d commands started, want 1000", len(d.started))
	}
}
