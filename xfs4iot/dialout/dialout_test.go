package dialout_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/yamux"

	"github.com/plomb-pos/plomb/xfs4iot/client"
	"github.com/plomb-pos/plomb/xfs4iot/common"
	"github.com/plomb-pos/plomb/xfs4iot/dialout"
	"github.com/plomb-pos/plomb/xfs4iot/host"
)

// authority is a certificate authority of one test.
type authority struct {
	t    testing.TB
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t testing.TB) *authority {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{t, cert, key}
}

func (a *authority) pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.cert)
	return p
}

// issue makes a certificate for a name, valid since and for.
func (a *authority) issue(name string, since time.Time, life time.Duration) tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	serial, _ := rand.Int(rand.Reader, big.NewInt(1<<62))
	tmpl := &x509.Certificate{SerialNumber: serial, DNSNames: []string{name}, NotBefore: since, NotAfter: since.Add(life),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, a.cert, key.Public(), a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// party is the TLS of somebody, both as server and as client.
func (a *authority) party(name string) *tls.Config {
	return a.partySince(name, time.Now().Add(-time.Minute), time.Hour)
}

func (a *authority) partySince(name string, since time.Time, life time.Duration) *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{a.issue(name, since, life)}, RootCAs: a.pool(), ClientCAs: a.pool(),
		ClientAuth: tls.RequireAndVerifyClientCert}
}

// quick are limits under which a test sees faults soon.
var quick = dialout.Limits{Heartbeat: 200 * time.Millisecond, Handshake: time.Second}

// centre is an accepting side under test.
type centre struct {
	*dialout.Server
	address string
	events  chan dialout.Event
}

func startCentre(t *testing.T, a *authority, change ...func(*dialout.Config)) *centre {
	t.Helper()
	c := &centre{events: make(chan dialout.Event, 1000)}
	cfg := dialout.Config{TLS: a.party("centre"), Allowed: dialout.Only("shop-7"), Limits: quick, Event: func(e dialout.Event) { c.events <- e }}
	for _, f := range change {
		f(&cfg)
	}
	var err error
	if c.Server, err = dialout.NewServer(cfg); err != nil {
		t.Fatal(err)
	}
	l := listen(t)
	c.address = l.Addr().String()
	running(t, func(ctx context.Context) error { return c.Serve(ctx, l) })
	return c
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// running runs a part until the test ends or stop is called.
func running(t *testing.T, part func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- part(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("part ended: %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

func (c *centre) agent(conf *tls.Config, allow map[string]string) *dialout.Agent {
	return &dialout.Agent{Address: c.address, TLS: func() *tls.Config { return conf }, Allow: allow, Limits: quick, Min: 10 * time.Millisecond, Max: 50 * time.Millisecond}
}

// await waits for an event of a kind.
func (c *centre) await(t *testing.T, kind dialout.EventKind) dialout.Event {
	t.Helper()
	deadline := time.After(10 * time.Second)
	for {
		select {
		case e := <-c.events:
			if e.Kind == kind {
				return e
			}
		case <-deadline:
			t.Fatalf("no event %s", kind)
		}
	}
}

// named gives the agent the name that the centre's certificate has.
func named(c *tls.Config) *tls.Config {
	c = c.Clone()
	c.ServerName = "centre"
	return c
}

// echo is a service that gives back what it gets.
func echo(t *testing.T) string {
	l := listen(t)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { defer c.Close(); _, _ = io.Copy(c, c) }()
		}
	}()
	return l.Addr().String()
}

// Requirement: XFS-06
func TestAServiceBehindTheTunnelIsUsedAsIfItWereLocal(t *testing.T) {
	a := newAuthority(t)
	inner := newAuthority(t) // the services' own authority: the tunnel's key opens nothing
	srv := host.New(host.Config{VendorName: "Shop", TLS: inner.party("shop-7")})
	if err := srv.Add(host.NewService("Lamp", host.Declaration{Status: common.StatusCompletion{Common: &common.StatusProperties{Device: common.DeviceOnline}}})); err != nil {
		t.Fatal(err)
	}
	l := listen(t)
	running(t, func(ctx context.Context) error { return srv.Serve(ctx, l) })
	c := startCentre(t, a)
	running(t, c.agent(named(a.party("shop-7")), map[string]string{dialout.Publisher: l.Addr().String()}).Run)
	c.await(t, dialout.Connected)

	o := client.Options{TLS: inner.party("till"), DialContext: c.Device("shop-7").DialContext(dialout.Publisher)}
	found, err := client.Services(t.Context(), "wss://shop-7/xfs4iot/v1.0", o)
	if err != nil || len(found.Services) != 1 {
		t.Fatalf("Services = %+v, %v; want one", found, err)
	}
	conn, err := client.Dial(t.Context(), found.Services[0], o)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	status, err := client.Do(t.Context(), conn, common.Status, nil)
	if err != nil || status.Common == nil || status.Common.Device != common.DeviceOnline {
		t.Errorf("Status = %+v, %v; want online", status, err)
	}
	o.TLS = a.party("till") // the tunnel's authority is not the services'
	if _, err := client.Dial(t.Context(), found.Services[0], o); err == nil {
		t.Error("a certificate of the tunnel's authority opened the service behind it")
	}
}

func TestOnlyAllowedTargetsAreReached(t *testing.T) {
	a := newAuthority(t)
	c := startCentre(t, a)
	denied := make(chan dialout.Event, 10)
	closed := listen(t)
	closed.Close()
	agent := c.agent(named(a.party("shop-7")), map[string]string{"echo": echo(t), "gone": closed.Addr().String()})
	agent.Event = func(e dialout.Event) {
		if e.Kind == dialout.StreamDenied {
			denied <- e
		}
	}
	running(t, agent.Run)
	c.await(t, dialout.Connected)
	d := c.Device("shop-7")
	conn, err := d.Dial(t.Context(), "echo")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "hello"); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 5)
	if _, err := io.ReadFull(conn, got); err != nil || string(got) != "hello" {
		t.Errorf("echo = %q, %v", got, err)
	}
	if _, err := d.Dial(t.Context(), "192.168.1.1:22"); !errors.Is(err, dialout.ErrNotAllowed) {
		t.Errorf("Dial of what is not listed = %v, want ErrNotAllowed", err)
	}
	if e := <-denied; e.Target != "192.168.1.1:22" {
		t.Errorf("agent tells of %+v", e)
	}
	if _, err := d.Dial(t.Context(), "gone"); !errors.Is(err, dialout.ErrUnreachable) {
		t.Errorf("Dial of a service that is down = %v, want ErrUnreachable", err)
	}
	if _, err := d.Dial(t.Context(), "Not A Name"); !errors.Is(err, dialout.ErrProtocol) {
		t.Errorf("Dial of no name = %v, want ErrProtocol", err)
	}
	if _, err := c.Device("shop-8").Dial(t.Context(), "echo"); !errors.Is(err, dialout.ErrNotConnected) {
		t.Errorf("Dial of a stranger = %v, want ErrNotConnected", err)
	}
}

func TestWhoProvesNoAllowedIdentityIsNotLetIn(t *testing.T) {
	a, other := newAuthority(t), newAuthority(t)
	for name, conf := range map[string]*tls.Config{
		"another authority":   {Certificates: other.party("shop-7").Certificates, RootCAs: a.pool()},
		"identity not listed": a.party("shop-8"),
		"expired":             a.partySince("shop-7", time.Now().Add(-2*time.Hour), time.Hour),
		"no certificate":      {RootCAs: a.pool()},
		"TLS 1.2":             func() *tls.Config { c := a.party("shop-7"); c.MaxVersion = tls.VersionTLS12; return c }(),
		"another protocol":    func() *tls.Config { c := a.party("shop-7"); c.NextProtos = []string{"h2"}; return c }(),
		"no protocol":         a.party("shop-7"),
	} {
		t.Run(name, func(t *testing.T) {
			c := startCentre(t, a)
			conf = named(conf)
			if conf.NextProtos == nil && name != "no protocol" {
				conf.NextProtos = []string{dialout.Protocol}
			}
			conn, err := tls.Dial("tcp", c.address, conf)
			if err == nil { // in TLS 1.3 the client learns of it with its first read
				_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
				_, err = conn.Read(make([]byte, 1))
				conn.Close()
			}
			if err == nil {
				t.Error("connection stands")
			}
			if e := c.await(t, dialout.Refused); e.Err == nil || e.Address == "" {
				t.Errorf("event %+v does not say what was refused and why", e)
			}
			if c.Device("shop-7").State().Connected {
				t.Error("device counts as connected")
			}
		})
	}
}

func TestTheAgentTrustsOnlyTheRootsItWasGiven(t *testing.T) {
	a, other := newAuthority(t), newAuthority(t)
	c := startCentre(t, other)
	refused := make(chan error, 100)
	agent := c.agent(named(a.party("shop-7")), nil)
	agent.Event = func(e dialout.Event) { refused <- e.Err }
	running(t, agent.Run)
	var unknown *tls.CertificateVerificationError
	if err := <-refused; !errors.As(err, &unknown) {
		t.Errorf("agent met a stranger: %v, want a certificate error", err)
	}
	if s := agent.State(); s.Connected {
		t.Errorf("state = %+v", s)
	}
}

func TestUnsafeSettingsStartNothing(t *testing.T) {
	a := newAuthority(t)
	good := a.party("shop-7")
	for name, conf := range map[string]*tls.Config{
		"no TLS":         nil,
		"no certificate": {RootCAs: a.pool(), ClientCAs: a.pool()},
		"system's roots": {Certificates: good.Certificates},
		"no check":       {Certificates: good.Certificates, RootCAs: a.pool(), ClientCAs: a.pool(), InsecureSkipVerify: true},
	} {
		agent := &dialout.Agent{Address: "127.0.0.1:1", TLS: func() *tls.Config { return conf }}
		if err := agent.Run(t.Context()); !errors.Is(err, dialout.ErrConfig) {
			t.Errorf("agent with %s: %v, want ErrConfig", name, err)
		}
		if _, err := dialout.NewServer(dialout.Config{TLS: conf, Allowed: dialout.Only("x")}); !errors.Is(err, dialout.ErrConfig) {
			t.Errorf("server with %s: %v, want ErrConfig", name, err)
		}
	}
	if _, err := dialout.NewServer(dialout.Config{TLS: good}); !errors.Is(err, dialout.ErrConfig) {
		t.Errorf("server that lets everybody in: %v, want ErrConfig", err)
	}
}

func TestANewerConnectionTakesOver(t *testing.T) {
	a := newAuthority(t)
	c := startCentre(t, a)
	first := c.raw(t, a.party("shop-7"))
	c.await(t, dialout.Connected)
	second := c.raw(t, a.party("shop-7"))
	c.await(t, dialout.TakenOver)
	if _, err := first.AcceptStream(); err == nil {
		t.Error("the older connection stands")
	}
	if _, err := c.Device("shop-7").Dial(t.Context(), "x"); errors.Is(err, dialout.ErrNotConnected) {
		t.Errorf("the newer connection does not serve: %v", err)
	}
	old := a.partySince("shop-7", time.Now().Add(-30*time.Minute), time.Hour)
	third := c.raw(t, old)
	if _, err := third.AcceptStream(); err == nil {
		t.Error("an older certificate threw the newer one out")
	}
	if e := c.await(t, dialout.Refused); !errors.Is(e.Err, dialout.ErrOlder) {
		t.Errorf("refused with %v, want ErrOlder", e.Err)
	}
	if !c.Device("shop-7").State().Connected {
		t.Error("device is no longer connected")
	}
	second.Close()
	c.await(t, dialout.Disconnected)
}

// raw is a device that speaks the protocol and serves nothing: it answers "open"
// and then echoes.
func (c *centre) raw(t *testing.T, conf *tls.Config) *yamux.Session {
	t.Helper()
	conf = named(conf)
	conf.NextProtos = []string{dialout.Protocol}
	conn, err := tls.Dial("tcp", c.address, conf)
	if err != nil {
		t.Fatal(err)
	}
	m := yamux.DefaultConfig()
	m.LogOutput = io.Discard
	s, err := yamux.Server(conn, m)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestASessionEndsWithItsCertificate(t *testing.T) {
	a := newAuthority(t)
	c := startCentre(t, a)
	c.raw(t, a.partySince("shop-7", time.Now().Add(-time.Hour), time.Hour+1500*time.Millisecond))
	c.await(t, dialout.Connected)
	if e := c.await(t, dialout.Disconnected); !errors.Is(e.Err, dialout.ErrExpired) {
		t.Errorf("ended with %v, want ErrExpired", e.Err)
	}
}

func TestARevokedDeviceIsCutOff(t *testing.T) {
	a := newAuthority(t)
	c := startCentre(t, a)
	c.raw(t, a.party("shop-7"))
	c.await(t, dialout.Connected)
	c.Recheck(func(tls.ConnectionState) error { return nil })
	if !c.Device("shop-7").State().Connected {
		t.Error("a good certificate was cut off")
	}
	revoked := errors.New("revoked")
	c.Recheck(func(tls.ConnectionState) error { return revoked })
	if e := c.await(t, dialout.Disconnected); !errors.Is(e.Err, revoked) {
		t.Errorf("ended with %v", e.Err)
	}
}

func TestTheAgentComesBackByItself(t *testing.T) {
	a := newAuthority(t)
	c := startCentre(t, a)
	agent := c.agent(named(a.party("shop-7")), map[string]string{"echo": echo(t)})
	running(t, agent.Run)
	c.await(t, dialout.Connected)
	for range 3 {
		c.Device("shop-7").Disconnect(errors.New("test"))
		c.await(t, dialout.Disconnected)
		c.await(t, dialout.Connected)
		conn, err := c.Device("shop-7").Dial(t.Context(), "echo")
		if err != nil {
			t.Fatal(err)
		}
		conn.Close()
	}
	if s := agent.State(); !s.Connected || s.LastError != "" || s.Since.IsZero() {
		t.Errorf("agent's state = %+v", s)
	}
}

// A link that swallows everything, as one whose cable was pulled.
func TestADeadLinkIsNoticedByBothSides(t *testing.T) {
	a := newAuthority(t)
	c := startCentre(t, a)
	link := &faultyLink{}
	agent := c.agent(named(a.party("shop-7")), nil)
	agent.Dial = link.dial
	agentEvents := make(chan dialout.Event, 100)
	agent.Event = func(e dialout.Event) { agentEvents <- e }
	running(t, agent.Run)
	c.await(t, dialout.Connected)
	link.cut()
	if e := c.await(t, dialout.Disconnected); e.Err == nil {
		t.Error("server does not say why")
	}
	for e := range agentEvents {
		if e.Kind == dialout.Disconnected {
			break
		}
	}
	link.mend()
	c.await(t, dialout.Connected)
}

// faultyLink is a network whose connections can go dead without closing.
type faultyLink struct {
	mu   sync.Mutex
	dead bool
}

func (l *faultyLink) cut()  { l.mu.Lock(); l.dead = true; l.mu.Unlock() }
func (l *faultyLink) mend() { l.mu.Lock(); l.dead = false; l.mu.Unlock() }
func (l *faultyLink) isDead() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.dead
}

func (l *faultyLink) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if l.isDead() {
		return nil, errors.New("no route")
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	return &faultyConn{Conn: conn, link: l}, err
}

type faultyConn struct {
	net.Conn
	link *faultyLink
	died bool
}

func (c *faultyConn) Write(b []byte) (int, error) {
	if c.died = c.died || c.link.isDead(); c.died {
		return len(b), nil
	}
	return c.Conn.Write(b)
}

func (c *faultyConn) Read(b []byte) (int, error) {
	for {
		n, err := c.Conn.Read(b)
		if err != nil || !c.link.isDead() {
			return n, err
		}
	}
}
