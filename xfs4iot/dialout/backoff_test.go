package dialout_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/plomb-pos/plomb/xfs4iot/dialout"
)

func TestAttemptsSpreadOutAndNeverStop(t *testing.T) {
	a := newAuthority(t)
	conf := named(a.party("shop-7"))
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var at []time.Time
		agent := &dialout.Agent{Address: "centre:5860", TLS: func() *tls.Config { return conf }, Min: time.Second, Max: time.Minute,
			Dial: func(context.Context, string, string) (net.Conn, error) {
				if at = append(at, time.Now()); len(at) == 20 {
					cancel()
				}
				return nil, errors.New("no route")
			}}
		if err := agent.Run(ctx); err != nil {
			t.Fatal(err)
		}
		for i, want := 1, time.Second; i < len(at); i++ {
			if gap := at[i].Sub(at[i-1]); gap < want/2 || gap > want {
				t.Errorf("wait %d was %v, want %v to %v", i, gap, want/2, want)
			}
			want = min(2*want, time.Minute)
		}
	})
}

// What a connection has delivered must reach the services before the next one can
// ask them anything.
func TestTheAgentComesBackOnlyWhenTheServicesHaveHungUp(t *testing.T) {
	a := newAuthority(t)
	c := startCentre(t, a)
	l := listen(t)
	accepted := make(chan net.Conn, 1)
	go func() {
		if conn, err := l.Accept(); err == nil {
			accepted <- conn
		}
	}()
	running(t, c.agent(named(a.party("shop-7")), map[string]string{"slow": l.Addr().String()}).Run)
	c.await(t, dialout.Connected)
	conn, err := c.Device("shop-7").Dial(t.Context(), "slow")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, "dispense 20"); err != nil {
		t.Fatal(err)
	}
	service := <-accepted
	defer service.Close()
	got := make([]byte, len("dispense 20"))
	if _, err := io.ReadFull(service, got); err != nil {
		t.Fatal(err)
	}
	c.Device("shop-7").Disconnect(errors.New("test"))
	c.await(t, dialout.Disconnected)
	if rest, err := io.ReadAll(service); err != nil || len(rest) > 0 {
		t.Errorf("the service saw %q, %v; want an orderly end", rest, err)
	}
	select {
	case e := <-c.events:
		t.Errorf("%s while a service still works on what came before", e.Kind)
	case <-time.After(300 * time.Millisecond):
	}
	service.Close()
	c.await(t, dialout.Connected)
}
