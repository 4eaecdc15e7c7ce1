package host_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/plomb-pos/plomb/xfs4iot"
	"github.com/plomb-pos/plomb/xfs4iot/client"
	"github.com/plomb-pos/plomb/xfs4iot/common"
	"github.com/plomb-pos/plomb/xfs4iot/host"
	"github.com/plomb-pos/plomb/xfs4iot/interfaces"
	"github.com/plomb-pos/plomb/xfs4iot/pki"
)

// shop is an authority with a device and clients of it.
type shop struct {
	t       testing.TB
	a       *pki.Authority
	device  *pki.Credentials
	files   pki.Files // of the device
	refused chan host.Refusal
}

func newShop(t testing.TB) *shop {
	s := &shop{t: t, refused: make(chan host.Refusal, 100)}
	var err error
	if s.a, err = pki.Create(filepath.Join(t.TempDir(), "ca"), pki.Options{}); err != nil {
		t.Fatal(err)
	}
	s.device, s.files = s.party(server127("device"))
	return s
}

// server127 asks for a certificate of a server on loopback.
func server127(name string) pki.Request {
	return pki.Request{Name: name, Use: pki.Server, IPs: []netip.Addr{netip.MustParseAddr("127.0.0.1")}}
}

func (s *shop) party(r pki.Request) (*pki.Credentials, pki.Files) {
	s.t.Helper()
	return partyOf(s.t, s.a, r)
}

func partyOf(t testing.TB, a *pki.Authority, r pki.Request) (*pki.Credentials, pki.Files) {
	t.Helper()
	i, err := a.Issue(r)
	if err != nil {
		t.Fatal(err)
	}
	files, err := i.Save(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	c, err := pki.Load(files, pki.Policy{})
	if err != nil {
		t.Fatal(err)
	}
	return c, files
}

func (s *shop) client(name string) client.Options {
	s.t.Helper()
	c, _ := s.party(pki.Request{Name: name, Use: pki.Client})
	return client.Options{Credentials: c}
}

func (s *shop) config(r host.Rights) host.Config {
	return host.Config{Credentials: s.device, Rights: r, Refused: func(r host.Refusal) { s.refused <- r }, HandshakeTimeout: 2 * time.Second}
}

func (s *shop) mustRefuse(reason host.Reason) host.Refusal {
	s.t.Helper()
	select {
	case r := <-s.refused:
		if r.Reason != reason || r.Time.IsZero() || r.Client.Addr == "" || r.String() == "" {
			s.t.Errorf("told %+v (%v), want %s", r, r.Err, reason)
		}
		return r
	case <-time.After(10 * time.Second):
		s.t.Fatalf("no refusal was told, want %s", reason)
		panic("unreachable")
	}
}

var all = host.Rights{{Client: "till*", Services: []string{"*"}, Allow: []string{"*"}}}

// Requirement: XFS-05
func TestEachRefusedConnectionIsToldWithItsReason(t *testing.T) {
	s := newShop(t)
	_, base := serve(t, s.config(all), newDevice("P", 0))

	till := dial(t, base+"/P", s.client("till-1"))
	mustWork(t, till)

	strangers, err := pki.Create(filepath.Join(t.TempDir(), "ca"), pki.Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, strangerFiles := partyOf(t, strangers, pki.Request{Name: "till-9", Use: pki.Client})
	strangerFiles.Roots, strangerFiles.Lists = s.files.Roots, ""
	stranger, err := pki.Load(strangerFiles, pki.Policy{})
	if err != nil {
		t.Fatal(err)
	}
	nobody, err := pki.Load(pki.Files{Roots: s.files.Roots}, pki.Policy{})
	if err != nil {
		t.Fatal(err)
	}
	expired, _ := s.party(pki.Request{Name: "till-2", Use: pki.Client, NotBefore: time.Now().Add(-time.Hour), Life: -time.Minute})
	early, _ := s.party(pki.Request{Name: "till-3", Use: pki.Client, NotBefore: time.Now().Add(time.Hour), Life: 2 * time.Hour})
	wrongUse, _ := s.party(pki.Request{Name: "till-4", Use: pki.Server})
	trusting := func(c *pki.Credentials) client.Options { return client.Options{Credentials: c} }
	for name, row := range map[string]struct {
		o    client.Options
		want host.Reason
	}{
		"wrong CA":                   {trusting(stranger), host.RefusedAuthority},
		"expired":                    {trusting(expired), host.RefusedExpired},
		"not valid yet":              {trusting(early), host.RefusedExpired},
		"no certificate":             {trusting(nobody), host.RefusedNoCertificate},
		"not a client's certificate": {trusting(wrongUse), host.RefusedUse},
		"an identity without rights": {s.client("monitor"), host.RefusedRights},
		"TLS 1.2 alone":              {client.Options{TLS: &tls.Config{RootCAs: rootsOf(s.a), MaxVersion: tls.VersionTLS12, MinVersion: tls.VersionTLS12}}, host.RefusedVersion},
	} {
		if c, err := client.Dial(t.Context(), base+"/P", row.o); err == nil {
			t.Errorf("%s: accepted", name)
			_ = c.Close()
		}
		r := s.mustRefuse(row.want)
		if (name == "an identity without rights") != (r.Service == "P" && r.Client.Identity() == "monitor") {
			t.Errorf("%s: %+v", name, r)
		}
	}

	// wrong name: it is the client that refuses
	o := s.client("till-5")
	o.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, strings.Split(base, "/")[2])
	}
	_, err = client.Dial(t.Context(), "wss://other.example:443/xfs4iot/v1.0/P", o)
	var wrongName x509.HostnameError
	if !errors.As(err, &wrongName) {
		t.Errorf("a wrong name: %v", err)
	}
	s.mustRefuse(host.RefusedByClient)

	// plain text
	if _, err := client.Dial(t.Context(), strings.Replace(base, "wss", "ws", 1)+"/P", client.Options{}); err == nil {
		t.Error("a plain client was accepted")
	}
	s.mustRefuse(host.RefusedPlain)
	mustWork(t, till)
}

func rootsOf(a *pki.Authority) *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.Root())
	return pool
}

// Requirement: XFS-05
func TestAClientThatNeverShakesHandsBlocksNobodyAndIsCutOff(t *testing.T) {
	s := newShop(t)
	_, base := serve(t, s.config(all), newDevice("P", 0))
	var silent []net.Conn
	for range 20 {
		c, err := net.Dial("tcp", strings.Split(base, "/")[2])
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		silent = append(silent, c)
	}
	mustWork(t, dial(t, base+"/P", s.client("till-1")))
	for _, c := range silent {
		if _, err := io.ReadAll(c); err != nil && !errors.Is(err, net.ErrClosed) && !strings.Contains(err.Error(), "reset") {
			t.Error(err)
		}
		s.mustRefuse(host.RefusedTimeout)
	}
}

// Requirement: XFS-05
func TestARevokedClientIsCutOffWhenTheListIsReadAgain(t *testing.T) {
	s := newShop(t)
	_, base := serve(t, s.config(all), newDevice("P", 0))

	first, second := dial(t, base+"/P", s.client("till-1")), dial(t, base+"/P", s.client("till-2"))
	mustWork(t, first)
	mustWork(t, second)
	if _, err := s.a.Revoke("till-1", "stolen"); err != nil {
		t.Fatal(err)
	}
	if err := s.a.SaveTrust(filepath.Dir(s.files.Roots)); err != nil {
		t.Fatal(err)
	}
	if changed, err := s.device.Reload(); !changed || err != nil {
		t.Fatal(changed, err)
	}
	<-first.Done()
	if r := s.mustRefuse(host.RefusedRevoked); r.Client.Identity() != "till-1" || r.Service != "P" {
		t.Errorf("%+v", r)
	}
	mustWork(t, second)
}

func TestTheServersCertificateIsReplacedWithoutARestart(t *testing.T) {
	s := newShop(t)
	_, base := serve(t, s.config(all), newDevice("P", 0))
	o := s.client("till-1")
	before := dial(t, base+"/P", o)
	renewed, err := s.a.Renew("device", pki.Request{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := renewed.Save(filepath.Dir(s.files.Certificate)); err != nil {
		t.Fatal(err)
	}
	if changed, err := s.device.Reload(); !changed || err != nil {
		t.Fatal(changed, err)
	}
	after := dial(t, base+"/P", o)
	if got := after.TLS().PeerCertificates[0].SerialNumber; got.Cmp(renewed.Certificate.SerialNumber) != 0 {
		t.Errorf("serial %x, want %x", got, renewed.Certificate.SerialNumber)
	}
	mustWork(t, before)
	mustWork(t, after)
}

// Requirement: XFS-05
func TestNothingIsServedThatWouldLetInWhomItShouldNot(t *testing.T) {
	s := newShop(t)
	conf := func(change func(*tls.Config)) *tls.Config {
		c, err := s.device.Server()
		if err != nil {
			t.Fatal(err)
		}
		c = c.Clone()
		c.ClientAuth, c.ClientCAs = tls.RequireAndVerifyClientCert, rootsOf(s.a)
		change(c)
		return c
	}
	everywhere, loopback := "0.0.0.0:0", "127.0.0.1:0"
	for name, row := range map[string]struct {
		addr   string
		config host.Config
		want   error
	}{
		"plain":                         {everywhere, host.Config{}, host.ErrPlain},
		"no certificates asked for":     {everywhere, host.Config{TLS: conf(func(c *tls.Config) { c.ClientAuth = tls.NoClientCert }), Rights: all}, host.ErrAnonymous},
		"certificates not verified":     {everywhere, host.Config{TLS: conf(func(c *tls.Config) { c.ClientAuth = tls.RequireAnyClientCert }), Rights: all}, host.ErrAnonymous},
		"the system's authorities":      {everywhere, host.Config{TLS: conf(func(c *tls.Config) { c.ClientCAs = nil }), Rights: all}, host.ErrTrust},
		"the same on loopback":          {loopback, host.Config{TLS: conf(func(c *tls.Config) { c.ClientCAs = nil }), Rights: all}, host.ErrTrust},
		"no rights":                     {everywhere, host.Config{Credentials: s.device}, host.ErrOpen},
		"credentials without a key":     {loopback, host.Config{Credentials: mustLoad(t, pki.Files{Roots: s.files.Roots})}, pki.ErrNoCertificate},
		"verified if given, everywhere": {everywhere, host.Config{TLS: conf(func(c *tls.Config) { c.ClientAuth = tls.VerifyClientCertIfGiven }), Rights: all}, host.ErrAnonymous},
	} {
		ln, err := net.Listen("tcp", row.addr)
		if err != nil {
			t.Fatal(err)
		}
		if err := host.New(row.config).Serve(t.Context(), ln); !errors.Is(err, row.want) {
			t.Errorf("%s: Serve = %v, want %v", name, err, row.want)
		}
		_ = ln.Close()
	}
}

func mustLoad(t testing.TB, f pki.Files) *pki.Credentials {
	t.Helper()
	c, err := pki.Load(f, pki.Policy{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Requirement: XFS-04
func TestAMonitorMayAskAndNotPrint(t *testing.T) {
	s := newShop(t)
	rights := host.Rights{
		{Client: "till-*", Services: []string{"*"}, Allow: []string{"*"}},
		{Client: "monitor", Services: []string{"P"}, Allow: []string{host.Queries}},
	}
	if err := rights.Validate(); err != nil {
		t.Error(err)
	}
	srv, base := serve(t, s.config(rights), newDevice("P", 0), newDevice("Q", 0))

	o := s.client("monitor")
	monitor := dial(t, base+"/P", o)
	if _, err := client.Do(t.Context(), monitor, common.Status, nil); err != nil {
		t.Error(err)
	}
	_, err := printText(monitor, "x")
	var e *xfs4iot.Error
	if !errors.As(err, &e) || e.Code != xfs4iot.AuthorisationRequired || !e.SafeToRepeat() {
		t.Errorf("the monitor printed: %v", err)
	}
	if r := s.mustRefuse(host.RefusedRights); r.Command != "Printer.PrintRaw" || r.Client.Identity() != "monitor" {
		t.Errorf("%+v", r)
	}
	if _, err := client.Dial(t.Context(), base+"/Q", o); err == nil {
		t.Error("the monitor reached a service that is not its")
	}
	s.mustRefuse(host.RefusedRights)
	till := dial(t, base+"/P", s.client("till-1"))
	mustWork(t, till)
	if p, err := client.Services(t.Context(), base, o); err != nil || len(p.Services) != 2 {
		t.Errorf("%v %v", p, err)
	}
	srv.SetRights(rights[:1])
	<-monitor.Done()
	if r := s.mustRefuse(host.RefusedRights); r.Service != "P" || !errors.Is(r.Err, host.ErrRights) {
		t.Errorf("%+v", r)
	}
	mustWork(t, till)
	srv.SetRights(nil)
	mustWork(t, dial(t, base+"/P", o))
}

func TestTheTableOfRightsDeniesByDefault(t *testing.T) {
	named := func(names ...string) host.Client {
		c := &x509.Certificate{}
		for _, n := range names {
			if u, err := url.Parse(n); err == nil && u.Scheme != "" {
				c.URIs = append(c.URIs, u)
			} else {
				c.DNSNames = append(c.DNSNames, n)
			}
		}
		return host.Client{Certificates: []*x509.Certificate{c}}
	}
	table := host.Rights{
		{Client: "xfs4iot://shop/till-*", Services: []string{"*"}, Allow: []string{"*"}},
		{Client: "*", Services: []string{"Safe*"}, Deny: []string{"*.Reset", "Storage.*"}},
		{Client: "teller", Services: []string{"Safe1", "Cards"}, Allow: []string{"CashDispenser.*", "CardReader.ReadRawData"}},
		{Client: host.Anonymous, Services: []string{"Cards"}, Allow: []string{host.Queries}},
	}
	till, teller, other := named("xfs4iot://shop/till-7"), named("till.example", "teller"), named("xfs4iot://shop/tills")
	for _, row := range []struct {
		c                host.Client
		service, command string
		want             bool
	}{
		{till, "Cards", "CardReader.Reset", true},
		{till, "Safe1", "CashDispenser.Dispense", true},
		{till, "Safe1", "CashDispenser.Reset", false},
		{till, "Safe1", "Storage.SetStorage", false},
		{teller, "Safe1", "CashDispenser.Dispense", true},
		{teller, "Safe1", "CashManagement.Retract", false},
		{teller, "Safe1", "Common.Cancel", true},
		{teller, "Safe2", "CashDispenser.Dispense", false},
		{teller, "Cards", "CardReader.ReadRawData", true},
		{teller, "Cards", "CardReader.ReadRawDataX", false},
		{other, "Cards", "Common.Status", false},
		{named(), "Cards", "Common.Status", false},
		{host.Client{}, "Cards", "Common.Status", true},
		{host.Client{}, "Cards", "CardReader.ReadRawData", false},
		{host.Client{}, "Cards", "Common.GetCommandNonce", false},
		{host.Client{}, "", "ServicePublisher.GetServices", true},
		{other, "", "ServicePublisher.GetServices", false},
	} {
		if err := table.Authorize(row.c, row.service, row.command); (err == nil) != row.want {
			t.Errorf("%v %s %s: %v", row.c.Names(), row.service, row.command, err)
		}
	}
	if table.Connect(till, "Safe1") != nil || table.Connect(teller, "Safe2") == nil || table.Connect(other, "") == nil {
		t.Error("Connect and Authorize disagree")
	}
	if (host.Rights{}).Authorize(till, "Cards", "Common.Status") == nil {
		t.Error("an empty table allows something")
	}
	bad := host.Rights{{Services: []string{"*"}, Allow: []string{"*"}}, {Client: "a", Allow: []string{"*"}}, {Client: "a", Services: []string{"*"}}, {Client: "a", Services: []string{"*"}, Allow: []string{"Dispense"}}}
	if err := bad.Validate(); err == nil || strings.Count(err.Error(), "right ") != 4 {
		t.Errorf("Validate = %v", err)
	}
}

func TestTheQueriesAreCommandsOfTheDescription(t *testing.T) {
	known := map[string]bool{}
	for _, i := range interfaces.All() {
		for _, c := range i.Commands {
			known[c.Name] = true
		}
	}
	for _, q := range host.QueryCommands() {
		if !known[q] {
			t.Errorf("%s is not described", q)
		}
	}
}

func TestRefusalsAreToldAtABoundedRate(t *testing.T) {
	told := make(chan host.Refusal, 1000)
	_, base := serve(t, host.Config{Refused: func(r host.Refusal) { told <- r }}, newDevice("P", 0))
	for range 150 {
		_, resp, _ := websocket.Dial(t.Context(), base+"/nowhere", nil)
		if resp == nil || resp.StatusCode != http.StatusNotFound {
			t.Fatal(resp)
		}
	}
	if n := len(told); n < 100 || n >= 150 {
		t.Errorf("%d of 150 refusals were told", n)
	}
}
