package host_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/plomb-pos/plomb/xfs4iot/client"
	"github.com/plomb-pos/plomb/xfs4iot/host"
	"github.com/plomb-pos/plomb/xfs4iot/printer"
)

// Requirement: XFS-04
func TestAFloodOfSilentConnectionsKeepsNobodyOut(t *testing.T) {
	s := newShop(t)
	config := s.config(all)
	config.HandshakeTimeout = time.Hour // none of them goes by itself
	config.Refused = nil
	_, base := serve(t, config, newDevice("P", 0))
	inside := dial(t, base+"/P", s.client("till-1"))
	for range 500 {
		c, err := net.Dial("tcp", strings.Split(base, "/")[2])
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	c, err := client.Dial(ctx, base+"/P", s.client("till-2"))
	if err != nil {
		t.Fatalf("a newcomer is kept out: %v", err)
	}
	defer c.Close()
	mustWork(t, c)
	mustWork(t, inside)
}

func TestAConnectionThatAsksForNoWebSocketKnocksOn(t *testing.T) {
	_, base := serve(t, host.Config{}, newDevice("P", 0))
	address := strings.Split(base, "/")[2]
	first := ask(t, address)
	for range 300 {
		ask(t, address)
	}
	_ = first.SetReadDeadline(time.Now().Add(5 * time.Second)) // by itself it would stay for ten
	if _, err := io.Copy(io.Discard, first); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("three hundred connections are open beside each other and count for nothing")
	}
}

// ask makes a request of the web that is refused and leaves its connection open.
func ask(t *testing.T, address string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if _, err := fmt.Fprintf(c, "GET /xfs4iot/v1.0/P HTTP/1.1\r\nHost: %s\r\n\r\n", address); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, make([]byte, len("HTTP/1.1 426"))); err != nil {
		t.Fatal(err)
	}
	return c
}

// Requirement: XFS-04
func TestOneIdentityCannotTakeAllConnections(t *testing.T) {
	s := newShop(t)
	config := s.config(all)
	config.Connections = 8 // of which 7 for one
	_, base := serve(t, config, newDevice("P", 0))
	greedy := s.client("till-1")
	for range 7 {
		dial(t, base, greedy)
	}
	if _, err := client.Dial(t.Context(), base+"/P", greedy); err == nil {
		t.Error("it got an eighth connection")
	}
	s.mustRefuse(host.RefusedConnections)
	mustWork(t, dial(t, base+"/P", s.client("till-2")))
}

func TestWhatAClientDoesNotReadIsBoundedInBytes(t *testing.T) {
	d := newDevice("P", 0)
	told := make(chan host.Refusal, 10)
	_, base := serve(t, host.Config{SendBytes: 1_000_000, Refused: func(r host.Refusal) { told <- r }}, d)
	other := dial(t, base+"/P", client.Options{})
	event := printer.PaperThresholdEvent{PaperSource: strings.Repeat("x", 90_000), Threshold: "low"}
	dialRaw(t, base+"/P") // and never read from it
	for len(told) == 0 {
		if err := d.Broadcast(event); err != nil {
			t.Fatal(err)
		}
		if _, err := printText(other, "it reads all the while, so it keeps up"); err != nil {
			t.Fatal(err)
		}
		<-d.started
	}
	if r := <-told; r.Reason != host.RefusedSlow {
		t.Errorf("%+v", r)
	}
	larger := dialRaw(t, base+"/P")                      // a message beyond the bound goes out by itself
	larger.command(1, "Common.SetVersions", "2.0", `{}`) // once it is answered, the service counts this client
	larger.next()
	larger.next()
	if err := d.Broadcast(printer.PaperThresholdEvent{PaperSource: strings.Repeat("x", 1_500_000), Threshold: "low"}); err != nil {
		t.Fatal(err)
	}
	if m := larger.next(); len(m.Payload) < 1_500_000 {
		t.Errorf("got %+v", m.Header)
	}
}

func TestPingsBeyondTheRateAreNotAnswered(t *testing.T) {
	_, base := serve(t, host.Config{Rate: 1}, newDevice("P", 0))
	ws, _, err := websocket.Dial(t.Context(), base+"/P", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer ws.CloseNow()
	ctx := ws.CloseRead(t.Context())
	for range 100 {
		short, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
		err := ws.Ping(short)
		cancel()
		if errors.Is(err, context.DeadlineExceeded) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Error("a hundred pings at once were answered")
}
