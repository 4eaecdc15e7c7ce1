package dialout_test

import (
	"crypto/rand"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/hashicorp/yamux"

	"github.com/plomb-pos/plomb/xfs4iot/dialout"
)

// well is a device in order that has to stay undisturbed.
func well(t *testing.T, a *authority, c *centre) (check func()) {
	t.Helper()
	running(t, c.agent(named(a.party("shop-7")), map[string]string{"echo": echo(t)}).Run)
	c.await(t, dialout.Connected)
	conn, err := c.Device("shop-7").Dial(t.Context(), "echo")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return func() {
		t.Helper()
		_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
		if _, err := io.WriteString(conn, "still here"); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(conn, make([]byte, len("still here"))); err != nil {
			t.Fatal(err)
		}
	}
}

func TestSilentHandshakesHoldNobodyUp(t *testing.T) {
	a := newAuthority(t)
	c := startCentre(t, a, func(cfg *dialout.Config) { cfg.Limits.Handshakes = 8 })
	for range 8 {
		conn, err := net.Dial("tcp", c.address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	// All places are taken by strangers who say nothing: within the handshake's limit
	// they have to be gone.
	check := well(t, a, c)
	check()
}

func TestGarbageHoldsNobodyUp(t *testing.T) {
	a := newAuthority(t)
	c := startCentre(t, a)
	check := well(t, a, c)
	for range 20 {
		conn, err := net.Dial("tcp", c.address)
		if err != nil {
			t.Fatal(err)
		}
		junk := make([]byte, 2000)
		rand.Read(junk)
		_, _ = conn.Write(junk)
		conn.Close()
	}
	check()
}

func allowBoth(cfg *dialout.Config) { cfg.Allowed = dialout.Only("shop-7", "shop-8") }

func TestADeviceThatOpensStreamsIsCutOff(t *testing.T) {
	a := newAuthority(t)
	c := startCentre(t, a, allowBoth)
	check := well(t, a, c)
	bad := c.raw(t, a.party("shop-8"))
	c.await(t, dialout.Connected)
	for range 500 {
		if _, err := bad.OpenStream(); err != nil {
			break
		}
	}
	if e := c.await(t, dialout.Disconnected); e.Identity != "shop-8" || !errors.Is(e.Err, dialout.ErrProtocol) {
		t.Errorf("ended %s with %v, want shop-8 with ErrProtocol", e.Identity, e.Err)
	}
	check()
}

func TestADeviceThatSendsGarbageInsideTheTunnelIsCutOff(t *testing.T) {
	a := newAuthority(t)
	c := startCentre(t, a, allowBoth)
	check := well(t, a, c)
	conf := named(a.party("shop-8"))
	conf.NextProtos = []string{dialout.Protocol}
	conn, err := tls.Dial("tcp", c.address, conf)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	junk := make([]byte, 4000)
	rand.Read(junk)
	junk[0] = 0xff
	_, _ = conn.Write(junk)
	if e := c.await(t, dialout.Disconnected); e.Identity != "shop-8" {
		t.Errorf("ended %s, want shop-8", e.Identity)
	}
	check()
}

func TestADeviceThatDoesNotReadIsCutOff(t *testing.T) {
	a := newAuthority(t)
	c := startCentre(t, a, allowBoth)
	check := well(t, a, c)
	conf := named(a.party("shop-8"))
	conf.NextProtos = []string{dialout.Protocol}
	conn, err := tls.Dial("tcp", c.address, conf)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() // it never reads, so it answers no heartbeat
	c.await(t, dialout.Connected)
	if e := c.await(t, dialout.Disconnected); e.Identity != "shop-8" {
		t.Errorf("ended %s, want shop-8", e.Identity)
	}
	check()
}

func TestMoreStreamsThanAllowedAreRefusedOneByOne(t *testing.T) {
	a := newAuthority(t)
	c := startCentre(t, a, func(cfg *dialout.Config) { cfg.Limits.Streams = 100 })
	agent := c.agent(named(a.party("shop-7")), map[string]string{"echo": echo(t)})
	agent.Limits.Streams = 5
	running(t, agent.Run)
	c.await(t, dialout.Connected)
	d := c.Device("shop-7")
	var open []net.Conn
	for range 5 {
		conn, err := d.Dial(t.Context(), "echo")
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, conn)
	}
	if _, err := d.Dial(t.Context(), "echo"); !errors.Is(err, dialout.ErrBusy) {
		t.Errorf("sixth = %v, want ErrBusy", err)
	}
	for _, conn := range open {
		conn.Close()
	}
	// A place is free again once the agent has seen the end.
	for end := time.Now().Add(5 * time.Second); ; {
		conn, err := d.Dial(t.Context(), "echo")
		if err == nil {
			conn.Close()
			break
		}
		if time.Now().After(end) {
			t.Fatalf("places are not given back: %v", err)
		}
	}
}

func TestAHostileCentreReachesNothing(t *testing.T) {
	a := newAuthority(t)
	l := listen(t)
	conf := a.party("centre")
	conf.NextProtos = []string{dialout.Protocol}
	agent := &dialout.Agent{Address: l.Addr().String(), TLS: func() *tls.Config { return named(a.party("shop-7")) }, Limits: quick,
		Allow: map[string]string{"echo": echo(t)}, Min: 10 * time.Millisecond, Max: 20 * time.Millisecond}
	running(t, agent.Run)
	session := func() *yamux.Session {
		raw, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		m := yamux.DefaultConfig()
		m.LogOutput = io.Discard
		s, err := yamux.Client(tls.Server(raw, conf), m)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := session()
	for _, request := range []string{"", "\x01", "\x02\x04echo", "\x01\x00", "\x01\x41", "\x01\x04ECHO", "\x01\x05../..", "\x01\x0910.0.0.1:"} {
		stream, err := s.OpenStream()
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(stream, request)
		_ = stream.SetReadDeadline(time.Now().Add(5 * time.Second))
		got, err := io.ReadAll(stream)
		if err != nil || len(got) > 0 && got[0] == 0 {
			t.Errorf("request %q was answered %v, %v", request, got, err)
		}
		stream.Close()
	}
	s.Close()
	s = session() // it is back
	defer s.Close()
	stream, err := s.OpenStream()
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(stream, "\x01\x04echohi")
	got := make([]byte, 3)
	if _, err := io.ReadFull(stream, got); err != nil || string(got) != "\x00hi" {
		t.Errorf("an orderly request was answered %q, %v", got, err)
	}
}
