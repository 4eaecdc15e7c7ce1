package client_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/plomb-pos/plomb/xfs4iot"
	"github.com/plomb-pos/plomb/xfs4iot/client"
	"github.com/plomb-pos/plomb/xfs4iot/common"
	"github.com/plomb-pos/plomb/xfs4iot/host"
	"github.com/plomb-pos/plomb/xfs4iot/printer"
)

type printFunc func(context.Context, *host.Command, *printer.PrintRawCommand) (*printer.PrintRawCompletion, error)

// serve starts a host with a printer on ln, or on any port.
func serve(t testing.TB, ln net.Listener, print printFunc) (base string, svc *host.Service, stop func()) {
	t.Helper()
	svc = host.NewService("P", host.Declaration{Status: common.StatusCompletion{Common: &common.StatusProperties{Device: common.DeviceStarting}}})
	host.Handle(svc, printer.PrintRaw, print)
	srv := host.New(host.Config{VendorName: "Test", Rate: -1})
	if err := srv.Add(svc); err != nil {
		t.Fatal(err)
	}
	if ln == nil {
		var err error
		if ln, err = host.Listen("127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := srv.Serve(ctx, ln); err != nil {
			t.Error(err)
		}
	}()
	stop = func() { cancel(); <-ended }
	t.Cleanup(stop)
	return "ws://" + ln.Addr().String() + "/xfs4iot/v1.0", svc, stop
}

// peer is a service that does what a test says with each message; it closes the
// connection when answer returns false.
func peer(t *testing.T, answer func(ws *websocket.Conn, m *xfs4iot.Message) bool) string {
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ws, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer ws.CloseNow()
		for {
			_, data, err := ws.Read(context.Background())
			if err != nil {
				return
			}
			m, err := xfs4iot.Decode(data, xfs4iot.Limits{})
			if err != nil || !answer(ws, m) {
				return
			}
		}
	}))
	t.Cleanup(web.Close)
	return "ws" + strings.TrimPrefix(web.URL, "http")
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

// Requirement: XFS-04
func TestWhenTheContextEndsTheRealOutcomeIsReported(t *testing.T) {
	for name, row := range map[string]struct {
		result error
		check  func(error) bool
	}{
		"it stopped":               {context.Canceled, func(err error) bool { var e *xfs4iot.Error; return errors.As(err, &e) && e.Code == xfs4iot.Canceled }},
		"it was done all the same": {nil, func(err error) bool { return err == nil }},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		base, _, _ := serve(t, nil, func(ctx context.Context, _ *host.Command, _ *printer.PrintRawCommand) (*printer.PrintRawCompletion, error) {
			cancel()
			<-ctx.Done()
			return nil, row.result
		})
		_, err := client.Do(ctx, dial(t, base+"/P", client.Options{}), printer.PrintRaw, nil)
		if !row.check(err) || client.SafeToRepeat(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Requirement: XFS-04
func TestWithoutAnswerTheOutcomeIsUnknown(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	silent := peer(t, func(_ *websocket.Conn, m *xfs4iot.Message) bool { cancel(); return true })
	gone := peer(t, func(*websocket.Conn, *xfs4iot.Message) bool { return false })
	for name, row := range map[string]struct {
		ctx context.Context
		url string
	}{"cancel is not answered": {ctx, silent}, "connection ends": {t.Context(), gone}} {
		_, err := client.Do(row.ctx, dial(t, row.url, client.Options{CancelWait: time.Millisecond}), printer.PrintRaw, nil)
		var unknown *client.UnknownOutcomeError
		if !errors.As(err, &unknown) || !errors.Is(err, client.ErrUnknownOutcome) || client.SafeToRepeat(err) || unknown.RequestID == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAnswersThatMakeNoSenseProveNothing(t *testing.T) {
	for name, answer := range map[string]string{
		"completion of another command":     `{"header":{"type":"completion","name":"Common.Status","requestId":%d,"version":"2.0","completionCode":"success"}}`,
		"refusal that the standard has not": `{"header":{"type":"acknowledge","name":"Printer.PrintRaw","requestId":%d,"version":"3.0","status":"perhaps"}}`,
	} {
		url := peer(t, func(ws *websocket.Conn, m *xfs4iot.Message) bool {
			return ws.Write(context.Background(), websocket.MessageText, fmt.Appendf(nil, answer, m.Header.RequestID)) == nil
		})
		if _, err := client.Do(t.Context(), dial(t, url, client.Options{}), printer.PrintRaw, nil); err == nil || client.SafeToRepeat(err) {
			t.Errorf("%s: %v, safe to repeat: %v", name, err, client.SafeToRepeat(err))
		}
	}
}

func TestAServiceThatSendsOnlyNonsenseIsLeft(t *testing.T) {
	url := peer(t, func(ws *websocket.Conn, _ *xfs4iot.Message) bool {
		for ws.Write(context.Background(), websocket.MessageText, []byte(`{"header"`)) == nil {
		}
		return false
	})
	_, err := client.Do(t.Context(), dial(t, url, client.Options{}), printer.PrintRaw, nil)
	if !errors.Is(err, client.ErrUnknownOutcome) {
		t.Error(err)
	}
}

func TestWhatWasNeverSentIsSafeToRepeat(t *testing.T) {
	base, _, _ := serve(t, nil, func(context.Context, *host.Command, *printer.PrintRawCommand) (*printer.PrintRawCompletion, error) {
		t.Error("it was sent")
		return nil, nil
	})
	c := dial(t, base+"/P", client.Options{})
	_, err := client.Do(t.Context(), c, printer.PrintRaw, &printer.PrintRawCommand{InputData: "perhaps"})
	if err == nil || !client.SafeToRepeat(err) {
		t.Errorf("invalid payload: %v", err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if _, err := client.Do(t.Context(), c, printer.PrintRaw, nil); !errors.Is(err, client.ErrClosed) || !client.SafeToRepeat(err) {
		t.Errorf("closed connection: %v", err)
	}
}

func TestARefusedCommandIsSafeToRepeat(t *testing.T) {
	url := peer(t, func(ws *websocket.Conn, m *xfs4iot.Message) bool {
		m.Header = xfs4iot.Header{Type: xfs4iot.TypeAcknowledge, Name: m.Header.Name, RequestID: m.Header.RequestID, Version: "3.0", Status: xfs4iot.StatusTooManyRequests}
		data, _ := m.Encode()
		return ws.Write(context.Background(), websocket.MessageText, data) == nil
	})
	_, err := client.Do(t.Context(), dial(t, url, client.Options{}), printer.PrintRaw, nil)
	var e *xfs4iot.Error
	if !errors.As(err, &e) || e.Status != xfs4iot.StatusTooManyRequests || !client.SafeToRepeat(err) {
		t.Errorf("got %v", err)
	}
}

func TestMessagesOfABrokenServiceDoNotEndTheClient(t *testing.T) {
	url := peer(t, func(ws *websocket.Conn, m *xfs4iot.Message) bool {
		id := m.Header.RequestID
		for _, text := range []string{`nonsense`, `{"header":null}`, `{"header":{"type":"completion","name":"A.B","requestId":999,"version":"1.0","completionCode":"success"}}`,
			fmt.Sprintf(`{"header":{"type":"command","name":"Printer.PrintRaw","requestId":%d,"version":"3.0"}}`, id),
			fmt.Sprintf(`{"header":{"type":"completion","name":"Printer.PrintRaw","requestId":%d,"version":"3.0","completionCode":"success"},"payload":{"data":7}}`, id)} {
			if ws.Write(context.Background(), websocket.MessageText, []byte(text)) != nil {
				return false
			}
		}
		return true
	})
	c := dial(t, url, client.Options{})
	for range 2 { // a completion that cannot be read leaves the outcome open, the connection up
		if _, err := client.Do(t.Context(), c, printer.PrintRaw, nil); !errors.Is(err, client.ErrUnknownOutcome) {
			t.Errorf("got %v", err)
		}
	}
}

// Requirement: XFS-02
func TestServicesAreFoundFromTheMachinesAddressAlone(t *testing.T) {
	nothing := func(context.Context, *host.Command, *printer.PrintRawCommand) (*printer.PrintRawCompletion, error) {
		return nil, nil
	}
	var want []string
	for range 2 { // two publishers on one machine, each on its own standard port
		ln, err := host.Listen("127.0.0.17")
		if err != nil {
			t.Fatal(err)
		}
		base, _, _ := serve(t, ln, nothing)
		want = append(want, base+"/P")
	}
	found, err := client.Discover(t.Context(), "127.0.0.17", client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range found {
		if p.VendorName != "Test" {
			t.Errorf("vendor %q", p.VendorName)
		}
		got = append(got, p.Services...)
	}
	if !slices.Equal(got, want) {
		t.Errorf("found %v, want %v", got, want)
	}
	status, err := client.Do(t.Context(), dial(t, got[0], client.Options{}), common.Status, nil)
	if err != nil || status.Common.Device != common.DeviceStarting {
		t.Errorf("a service that is starting says %+v, %v", status, err)
	}
	if _, err := client.Discover(t.Context(), "127.0.0.18", client.Options{}); !errors.Is(err, client.ErrNoPublisher) {
		t.Errorf("nobody there: %v", err)
	}
}

func TestASessionComesBackAfterTheServiceWasGone(t *testing.T) {
	nothing := func(context.Context, *host.Command, *printer.PrintRawCommand) (*printer.PrintRawCompletion, error) {
		return nil, nil
	}
	base, _, stop := serve(t, nil, nothing)
	up, down := make(chan bool, 100), make(chan error, 1000)
	s := &client.Session{URL: base + "/P", Min: time.Millisecond, Max: 20 * time.Millisecond,
		Up: func(ctx context.Context, c *client.Conn) error {
			_, err := client.Do(ctx, c, common.Capabilities, nil)
			up <- true
			return err
		},
		Down: func(err error) { down <- err },
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	<-up
	c, err := s.Conn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	stop()
	<-c.Done()
	if err := <-down; err == nil {
		t.Error("down without a reason")
	}
	addr := strings.TrimSuffix(strings.TrimPrefix(base, "ws://"), "/xfs4iot/v1.0")
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	serve(t, ln, nothing)
	<-up
	again, err := s.Conn(ctx)
	if err != nil || again == c {
		t.Fatal("the old connection was handed out", err)
	}
	if _, err := client.Do(ctx, again, printer.PrintRaw, nil); err != nil {
		t.Error(err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if _, err := s.Conn(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Conn after the end: %v", err)
	}
}

// Finding a machine's services and asking one for its state.
func ExampleDiscover() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	publishers, err := client.Discover(ctx, "127.0.0.19", client.Options{})
	fmt.Println(len(publishers), errors.Is(err, client.ErrNoPublisher))
	// Output: 0 true
}

// BenchmarkRoundTrip compares a command (acknowledgement and completion) with a raw
// echo of a message of the same size over the same WebSocket library.
func BenchmarkRoundTrip(b *testing.B) {
	b.Run("command", func(b *testing.B) {
		base, _, _ := serve(b, nil, func(context.Context, *host.Command, *printer.PrintRawCommand) (*printer.PrintRawCompletion, error) {
			return nil, nil
		})
		c := dial(b, base+"/P", client.Options{})
		req := &printer.PrintRawCommand{Data: make([]byte, 256)}
		for b.Loop() {
			if _, err := client.Do(context.Background(), c, printer.PrintRaw, req); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("echo", func(b *testing.B) {
		web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ws, err := websocket.Accept(w, r, nil)
			if err != nil {
				return
			}
			defer ws.CloseNow()
			for {
				typ, data, err := ws.Read(context.Background())
				if err != nil || ws.Write(context.Background(), typ, data) != nil {
					return
				}
			}
		}))
		defer web.Close()
		ws, _, err := websocket.Dial(b.Context(), "ws"+strings.TrimPrefix(web.URL, "http"), nil)
		if err != nil {
			b.Fatal(err)
		}
		defer ws.CloseNow()
		data := []byte(strings.Repeat("x", 440))
		for b.Loop() {
			if err := ws.Write(context.Background(), websocket.MessageText, data); err != nil {
				b.Fatal(err)
			}
			if _, _, err := ws.Read(context.Background()); err != nil {
				b.Fatal(err)
			}
		}
	})
}
