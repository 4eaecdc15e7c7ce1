package host_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/google/go-cmp/cmp"

	"github.com/plomb-pos/plomb/xfs4iot"
	"github.com/plomb-pos/plomb/xfs4iot/barcodereader"
	"github.com/plomb-pos/plomb/xfs4iot/client"
	"github.com/plomb-pos/plomb/xfs4iot/common"
	"github.com/plomb-pos/plomb/xfs4iot/host"
	"github.com/plomb-pos/plomb/xfs4iot/printer"
	"github.com/plomb-pos/plomb/xfs4iot/servicepublisher"
	"github.com/plomb-pos/plomb/xfs4iot/textterminal"
)

// device is a service whose handlers do what a test says.
type device struct {
	*host.Service
	print   func(context.Context, *host.Command, *printer.PrintRawCommand) (*printer.PrintRawCompletion, error)
	started chan string // data of each PrintRaw as it starts
}

func newDevice(name string, max int) *device {
	d := &device{started: make(chan string, 1000)}
	d.Service = host.NewService(name, host.Declaration{
		Capabilities:    common.CapabilitiesCompletion{Printer: &printer.Capabilities{}},
		Status:          common.StatusCompletion{Common: &common.StatusProperties{Device: common.DeviceStarting}},
		MaximumRequests: max,
		Events:          []xfs4iot.Event{printer.PaperThresholdEvent{}},
	})
	host.Handle(d.Service, printer.PrintRaw, func(ctx context.Context, cmd *host.Command, req *printer.PrintRawCommand) (*printer.PrintRawCompletion, error) {
		d.started <- string(req.Data)
		if d.print == nil {
			return nil, nil
		}
		return d.print(ctx, cmd, req)
	})
	host.Handle(d.Service, barcodereader.Read, func(ctx context.Context, _ *host.Command, _ *barcodereader.ReadCommand) (*barcodereader.ReadCompletion, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	})
	return d
}

// serve runs a server with services and gives the publisher's URL.
func serve(t testing.TB, c host.Config, services ...*device) (*host.Server, string) {
	t.Helper()
	srv := host.New(c)
	for _, s := range services {
		if err := srv.Add(s.Service); err != nil {
			t.Fatal(err)
		}
	}
	ln, err := host.Listen("127.0.0.1:0")
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
	scheme := "ws://"
	if c.TLS != nil || c.Credentials != nil {
		scheme = "wss://"
	}
	return srv, scheme + ln.Addr().String() + "/xfs4iot/v1.0"
}

func dial(t testing.TB, url string, o client.Options) *client.Conn {
	t.Helper()
	c, err := client.Dial(t.Context(), url, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func printText(c *client.Conn, text string, o ...client.CallOption) (*printer.PrintRawCompletion, error) {
	return client.Do(context.Background(), c, printer.PrintRaw, &printer.PrintRawCommand{Data: []byte(text)}, o...)
}

// Requirement: XFS-04
func TestQueuedCommandsRunFirstInFirstOutOverAllClients(t *testing.T) {
	d := newDevice("P", 0)
	release := make(chan bool)
	d.print = func(context.Context, *host.Command, *printer.PrintRawCommand) (*printer.PrintRawCompletion, error) {
		<-release
		return nil, nil
	}
	_, base := serve(t, host.Config{}, d)
	clients := []*rawPeer{dialRaw(t, base+"/P"), dialRaw(t, base+"/P"), dialRaw(t, base+"/P")}
	var want []string
	for i := range 12 {
		p, text := clients[i%3], fmt.Sprintf("line %d", i)
		want = append(want, text)
		p.command(int64(i+1), "Printer.PrintRaw", "3.0", `{"data":`+quoteBytes(text)+`}`)
		p.mustAcknowledge(int64(i+1), "")
	}
	var got []string
	for range want {
		got = append(got, <-d.started)
		select {
		case text := <-d.started:
			t.Fatalf("%q started beside %q", text, got[len(got)-1])
		default:
		}
		release <- true
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// Requirement: XFS-04
func TestEventsGoToTheClientOfTheirCommandBeforeItsCompletion(t *testing.T) {
	d := newDevice("P", 0)
	var late *host.Command
	d.print = func(_ context.Context, cmd *host.Command, _ *printer.PrintRawCommand) (*printer.PrintRawCompletion, error) {
		late = cmd
		for i := range 3 {
			if err := cmd.Event(printer.MediaPresentedEvent{WadIndex: new(i + 1)}); err != nil {
				return nil, err
			}
		}
		return nil, nil
	}
	_, base := serve(t, host.Config{}, d)
	other := dial(t, base+"/P", client.Options{Unsolicited: func(m *xfs4iot.Message) { t.Errorf("a stranger got %v", m.Header) }})
	var indexes []int
	_, err := printText(dial(t, base+"/P", client.Options{}), "x", client.OnEvent(func(m *xfs4iot.Message) {
		var e printer.MediaPresentedEvent
		if err := m.Into(&e); err != nil || m.Header.Name != e.EventName() {
			t.Errorf("%v %v", m.Header, err)
		}
		indexes = append(indexes, *e.WadIndex)
	}))
	if err != nil || !slices.Equal(indexes, []int{1, 2, 3}) {
		t.Errorf("%v %v", indexes, err)
	}
	if err := late.Event(printer.MediaPresentedEvent{}); !errors.Is(err, host.ErrCompleted) {
		t.Errorf("an event after the completion: %v", err)
	}
	if _, err := client.Do(t.Context(), other, common.Status, nil); err != nil {
		t.Error(err)
	}
}

// Requirement: XFS-04
func TestChangesOfStatusReachEveryClientAsOneEventInOrder(t *testing.T) {
	d := newDevice("P", 0)
	_, base := serve(t, host.Config{}, d)
	var got [2]chan string
	for i := range got {
		got[i] = make(chan string, 10)
		c := dial(t, base+"/P", client.Options{Generation: xfs4iot.Generation(i), Unsolicited: func(m *xfs4iot.Message) { got[i] <- m.Header.Name + string(m.Payload) }})
		if _, err := client.Do(t.Context(), c, common.Status, nil); err != nil { // also: the connection is joined
			t.Fatal(err)
		}
	}
	set := func(f func(*common.StatusCompletion)) {
		if err := d.SetStatus(f); err != nil {
			t.Error(err)
		}
	}
	set(func(s *common.StatusCompletion) {
		s.Common.Device = common.DeviceOnline
		s.Common.PowerSaveRecoveryTime = new(0)
		s.Printer = &printer.Status{Media: printer.StatusMediaNotPresent}
	})
	set(func(*common.StatusCompletion) {}) // nothing changed, nothing is sent
	set(func(s *common.StatusCompletion) { s.Printer.Media = printer.StatusMediaPresent })
	if err := d.Broadcast(printer.PaperThresholdEvent{PaperSource: "upper", Threshold: "low"}); err != nil {
		t.Error(err)
	}
	for i := range got {
		for _, want := range []string{
			`Common.StatusChangedEvent{"common":{"device":"online","powerSaveRecoveryTime":0},"printer":{"media":"notPresent"}}`,
			`Common.StatusChangedEvent{"printer":{"media":"present"}}`,
			`Printer.PaperThresholdEvent{"paperSource":"upper","threshold":"low"}`,
		} {
			if s := <-got[i]; s != want {
				t.Errorf("client %d got\n%s, want\n%s", i, s, want)
			}
		}
	}
	if s := d.Status(); s.Printer.Media != printer.StatusMediaPresent || s.Common.Device != common.DeviceOnline {
		t.Errorf("status is %+v", s)
	}
}

func TestErrorsOfHandlersBecomeCompletions(t *testing.T) {
	d := newDevice("P", 0)
	_, base := serve(t, host.Config{}, d)
	c := dial(t, base+"/P", client.Options{})
	for name, row := range map[string]struct {
		resp *printer.PrintRawCompletion
		err  error
		want xfs4iot.Error
	}{
		"errorCode":             {nil, host.Fail(printer.PrintRawErrorCodePaperOut, "no paper"), xfs4iot.Error{Code: xfs4iot.CommandErrorCode, ErrorCode: "paperOut", Description: "no paper"}},
		"errorCode and payload": {&printer.PrintRawCompletion{Data: []byte("x")}, host.Fail(printer.PrintRawErrorCodePaperOut, ""), xfs4iot.Error{Code: xfs4iot.CommandErrorCode, ErrorCode: "paperOut"}},
		"general code":          {nil, &xfs4iot.Error{Code: xfs4iot.HardwareError}, xfs4iot.Error{Code: xfs4iot.HardwareError}},
		"wrapped":               {nil, fmt.Errorf("print: %w", &xfs4iot.Error{Code: xfs4iot.DeviceNotReady}), xfs4iot.Error{Code: xfs4iot.DeviceNotReady}},
		"any other":             {nil, errors.New("gears broken"), xfs4iot.Error{Code: xfs4iot.InternalError, Description: "gears broken"}},
		"someone else's cancel": {nil, context.Canceled, xfs4iot.Error{Code: xfs4iot.InternalError, Description: "context canceled"}},
	} {
		d.print = func(context.Context, *host.Command, *printer.PrintRawCommand) (*printer.PrintRawCompletion, error) {
			return row.resp, row.err
		}
		resp, err := printText(c, name)
		var got *xfs4iot.Error
		row.want.Command = "Printer.PrintRaw"
		if !errors.As(err, &got) || *got != row.want {
			t.Errorf("%s: %v, want %v", name, err, &row.want)
		}
		if row.resp != nil && (resp == nil || string(resp.Data) != "x") {
			t.Errorf("%s: the payload beside the error is lost: %+v", name, resp)
		}
	}
}

func TestAPanicBecomesInternalErrorAndTheServiceGoesOn(t *testing.T) {
	d := newDevice("P", 0)
	_, base := serve(t, host.Config{}, d)
	d.print = func(_ context.Context, _ *host.Command, req *printer.PrintRawCommand) (*printer.PrintRawCompletion, error) {
		if string(req.Data) == "panic" {
			var p *printer.PrintRawCompletion
			_ = p.Data
		}
		return nil, nil
	}
	c := dial(t, base+"/P", client.Options{})
	_, err := printText(c, "panic")
	var e *xfs4iot.Error
	if !errors.As(err, &e) || e.Code != xfs4iot.InternalError || strings.Contains(e.Description, "nil") {
		t.Errorf("got %v", err)
	}
	if _, err := printText(c, "fine"); err != nil {
		t.Error(err)
	}
}

// Requirement: XFS-04
func TestACommandBeyondTheQueueIsRefusedAndRoomComesBack(t *testing.T) {
	d := newDevice("P", 2)
	_, base := serve(t, host.Config{}, d)
	d.print = func(ctx context.Context, _ *host.Command, _ *printer.PrintRawCommand) (*printer.PrintRawCompletion, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	p := dialRaw(t, base+"/P")
	send := func(id int64) { p.command(id, "Printer.PrintRaw", "3.0", "") }
	send(10)
	p.mustAcknowledge(10, "")
	<-d.started // it runs and takes no place in the queue
	for id := int64(11); id <= 12; id++ {
		send(id)
		p.mustAcknowledge(id, "")
	}
	send(13)
	p.mustAcknowledge(13, "tooManyRequests")
	p.command(20, "Common.Cancel", "2.0", `{"requestIds":[12]}`)
	p.mustAcknowledge(20, "")
	p.mustComplete(20, "success")
	p.mustComplete(12, "canceled")
	send(13)
	p.mustAcknowledge(13, "")
}

// Requirement: XFS-02
func TestThePublisherTellsWhichServicesThereAre(t *testing.T) {
	a, b := newDevice("A", 0), newDevice("B", 0)
	srv, base := serve(t, host.Config{VendorName: "Vendor"}, a)
	told := make(chan servicepublisher.ServiceDetailEvent, 10)
	c := dial(t, base, client.Options{Unsolicited: func(m *xfs4iot.Message) {
		var e servicepublisher.ServiceDetailEvent
		if err := m.Into(&e); err != nil {
			t.Error(err)
		}
		told <- e
	}})
	list := func() []servicepublisher.Service {
		resp, err := client.Do(t.Context(), c, servicepublisher.GetServices, nil)
		if err != nil || resp.VendorName != "Vendor" {
			t.Fatal(resp, err)
		}
		return resp.Services
	}
	both := []servicepublisher.Service{{ServiceURI: base + "/A"}, {ServiceURI: base + "/B"}}
	if diff := cmp.Diff(both[:1], list()); diff != "" {
		t.Error(diff)
	}
	if err := srv.Add(b.Service); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(both, (<-told).Services); diff != "" {
		t.Error(diff)
	}
	gone := dial(t, base+"/A", client.Options{})
	if !srv.Remove("A") || srv.Remove("A") {
		t.Error("A was there once")
	}
	<-gone.Done()
	if diff := cmp.Diff(both[1:], (<-told).Services); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(both[1:], list()); diff != "" {
		t.Error(diff)
	}
	for _, s := range []*host.Service{b.Service, a.Service, host.NewService("b", host.Declaration{}), host.NewService("a/b", host.Declaration{}), host.NewService("", host.Declaration{})} {
		if err := srv.Add(s); !errors.Is(err, host.ErrName) {
			t.Errorf("Add(%q) = %v", s.Name(), err)
		}
	}
}

func TestCapabilitiesListWhatTheHandlersOffer(t *testing.T) {
	d := newDevice("P", 7)
	_, base := serve(t, host.Config{}, d)
	caps, err := client.Do(t.Context(), dial(t, base+"/P", client.Options{}), common.Capabilities, nil)
	if err != nil {
		t.Fatal(err)
	}
	var names []common.InterfaceName
	for _, i := range caps.Interfaces {
		names = append(names, i.Name)
		if i.Name == common.InterfaceNamePrinter {
			want := common.Interface{Name: i.Name, MaximumRequests: new(7),
				Commands: map[string]*common.InterfaceCommandsValue{"Printer.PrintRaw": {Versions: []string{"3.0"}}},
				Events: map[string]*common.InterfaceEventsValue{"Printer.MediaPresentedEvent": {Versions: []string{"2.0"}},
					"Printer.PaperThresholdEvent": {Versions: []string{printer.PaperThresholdEvent{}.EventVersion()}}}}
			if diff := cmp.Diff(want, i); diff != "" {
				t.Error(diff)
			}
		}
	}
	if want := []common.InterfaceName{"BarcodeReader", "Common", "Printer"}; !slices.Equal(names, want) {
		t.Errorf("interfaces %v, want %v", names, want)
	}
	if caps.Printer == nil {
		t.Error("the declared capabilities are missing")
	}
}

func TestVersionsUpToOursAreServed(t *testing.T) {
	d := newDevice("P", 0)
	_, base := serve(t, host.Config{}, d)
	p := dialRaw(t, base+"/P")
	for i, row := range []struct{ version, code string }{{"3.0", "success"}, {"3.1", "unsupportedCommand"}, {"2.0", "unsupportedCommand"}, {"4.0", "unsupportedCommand"}} {
		id := int64(i + 1)
		p.command(id, "Printer.PrintRaw", row.version, "")
		p.mustAcknowledge(id, "")
		p.mustComplete(id, row.code)
	}
	p.command(9, "Common.SetVersions", "2.0", `{"commands":{"Printer.PrintRaw":3},"events":{"Common.StatusChangedEvent":3}}`)
	p.mustAcknowledge(9, "")
	p.mustComplete(9, "success")
}

func TestDisconnectCancelsTheRunningCommandAndDropsTheQueue(t *testing.T) {
	d := newDevice("P", 0)
	cause := make(chan error, 1)
	d.print = func(ctx context.Context, _ *host.Command, req *printer.PrintRawCommand) (*printer.PrintRawCompletion, error) {
		if string(req.Data) == "wait" {
			<-ctx.Done()
			cause <- context.Cause(ctx)
		}
		return nil, ctx.Err()
	}
	_, base := serve(t, host.Config{}, d)
	p := dialRaw(t, base+"/P")
	for id := int64(1); id <= 3; id++ {
		p.command(id, "Printer.PrintRaw", "3.0", `{"data":`+quoteBytes("wait")+`}`)
		p.mustAcknowledge(id, "")
	}
	<-d.started
	_ = p.ws.CloseNow()
	if err := <-cause; !errors.Is(err, host.ErrDisconnected) {
		t.Errorf("cancelled because of %v", err)
	}
	if _, err := printText(dial(t, base+"/P", client.Options{}), "next"); err != nil {
		t.Error(err)
	}
	if got := <-d.started; got != "next" {
		t.Errorf("%q was started for a client that left", got)
	}
}

func TestDeadlineReachesTheHandler(t *testing.T) {
	d := newDevice("P", 0)
	d.print = func(ctx context.Context, cmd *host.Command, _ *printer.PrintRawCommand) (*printer.PrintRawCompletion, error) {
		if _, ok := ctx.Deadline(); !ok || cmd.Timeout() != 20*time.Millisecond {
			t.Errorf("no deadline, timeout %v", cmd.Timeout())
		}
		<-ctx.Done()
		return &printer.PrintRawCompletion{Data: []byte("half")}, ctx.Err()
	}
	_, base := serve(t, host.Config{}, d)
	resp, err := printText(dial(t, base+"/P", client.Options{}), "x", client.Timeout(20*time.Millisecond))
	var e *xfs4iot.Error
	if !errors.As(err, &e) || e.Code != xfs4iot.TimeOut || e.SafeToRepeat() || string(resp.Data) != "half" {
		t.Errorf("%v %+v", err, resp)
	}
}

func TestListenTakesTheFirstFreeStandardPort(t *testing.T) {
	first, err := host.Listen("127.0.0.9")
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	second, err := host.Listen("127.0.0.9")
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	a, b := first.Addr().(*net.TCPAddr).Port, second.Addr().(*net.TCPAddr).Port
	if a < 5846 || b <= a || b > 5856 {
		t.Errorf("ports %d and %d", a, b)
	}
}

func TestTextTerminalMessagesPassTheEngine(t *testing.T) {
	svc := host.NewService("Display", host.Declaration{})
	var lines []string
	host.Handle(svc, textterminal.Write, func(_ context.Context, _ *host.Command, req *textterminal.WriteCommand) (*textterminal.WriteCompletion, error) {
		lines = append(lines, req.Text)
		return nil, nil
	})
	_, base := serve(t, host.Config{}, &device{Service: svc})
	c := dial(t, base+"/Display", client.Options{Generation: xfs4iot.Gen2021})
	req := &textterminal.WriteCommand{Mode: textterminal.ModesAbsolute, PosX: new(0), PosY: new(1), TextAttr: &textterminal.WriteCommandTextAttr{}, Text: "Summe € 12,30"}
	_, err := client.Do(t.Context(), c, textterminal.Write, req)
	if err != nil || !slices.Equal(lines, []string{"Summe € 12,30"}) {
		t.Errorf("%q %v", lines, err)
	}
}

// rawPeer speaks without package client.
type rawPeer struct {
	t  testing.TB
	ws *websocket.Conn
}

func dialRaw(t testing.TB, url string) *rawPeer {
	t.Helper()
	ws, _, err := websocket.Dial(t.Context(), url, nil)
	if err != nil {
		t.Fatal(err)
	}
	ws.SetReadLimit(xfs4iot.DefaultBytes)
	t.Cleanup(func() { _ = ws.CloseNow() })
	return &rawPeer{t, ws}
}

func (p *rawPeer) write(text string) {
	p.t.Helper()
	if err := p.ws.Write(context.Background(), websocket.MessageText, []byte(text)); err != nil {
		p.t.Fatal(err)
	}
}

func (p *rawPeer) command(id int64, name, version, payload string) {
	p.t.Helper()
	if payload == "" {
		payload = "null"
	}
	p.write(fmt.Sprintf(`{"header":{"type":"command","name":%q,"requestId":%d,"version":%q},"payload":%s}`, name, id, version, payload))
}

func (p *rawPeer) next() *xfs4iot.Message {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_, data, err := p.ws.Read(ctx)
	if err != nil {
		p.t.Fatal(err)
	}
	m, err := xfs4iot.Decode(data, xfs4iot.Limits{})
	if err != nil && m.Header.Type != xfs4iot.TypeAcknowledge {
		p.t.Fatalf("%s: %v", data, err)
	}
	return m
}

func (p *rawPeer) mustAcknowledge(id int64, status xfs4iot.Status) {
	p.t.Helper()
	if h := p.next().Header; h.Type != xfs4iot.TypeAcknowledge || h.RequestID != id || h.Status != status {
		p.t.Fatalf("got %+v, want acknowledge of %d with %q", h, id, status)
	}
}

func (p *rawPeer) mustComplete(id int64, code string) {
	p.t.Helper()
	if h := p.next().Header; h.Type != xfs4iot.TypeCompletion || h.RequestID != id || string(h.CompletionCode) != code {
		p.t.Fatalf("got %+v, want completion of %d with %q", h, id, code)
	}
}

func quoteBytes(s string) string { return strconv.Quote(base64.StdEncoding.EncodeToString([]byte(s))) }
