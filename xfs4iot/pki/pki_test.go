package pki_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/plomb-pos/plomb/xfs4iot/pki"
)

// clock is a time that a test moves.
type clock struct{ now time.Time }

func (c *clock) Now() time.Time { return c.now }

func newClock() *clock { return &clock{time.Date(2030, 5, 1, 12, 0, 0, 0, time.UTC)} }

// authority makes one in a folder of its own.
func authority(t testing.TB, o pki.Options) *pki.Authority {
	t.Helper()
	a, err := pki.Create(filepath.Join(t.TempDir(), "ca"), o)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func issue(t testing.TB, a *pki.Authority, r pki.Request) *pki.Issued {
	t.Helper()
	i, err := a.Issue(r)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// party issues a certificate and gives its credentials.
func party(t testing.TB, a *pki.Authority, r pki.Request, p pki.Policy) (*pki.Credentials, pki.Files) {
	t.Helper()
	files, err := issue(t, a, r).Save(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	c, err := pki.Load(files, p)
	if err != nil {
		t.Fatal(err)
	}
	return c, files
}

func server(name string) pki.Request {
	return pki.Request{Name: name, Use: pki.Server, IPs: []netip.Addr{netip.MustParseAddr("127.0.0.1")}}
}

// connected gives the two ends of a connection over loopback.
func connected(t testing.TB) (near, far net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if far, err = net.Dial("tcp", ln.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if near, err = ln.Accept(); err != nil {
		t.Fatal(err)
	}
	return near, far
}

// shake does a handshake and gives what each side found.
func shake(t testing.TB, s, c *pki.Credentials, name string) (atServer, atClient error) {
	t.Helper()
	conf, err := s.Server()
	if err != nil {
		t.Fatal(err)
	}
	near, far := connected(t)
	done := make(chan error, 1)
	go func() {
		defer near.Close()
		conn := tls.Server(near, conf)
		err := conn.Handshake()
		if err == nil {
			_, err = conn.Write([]byte{1}) // with TLS 1.3 the client's certificate comes after the client is done
		}
		done <- err
	}()
	own := c.Client()
	own.ServerName = name
	conn := tls.Client(far, own)
	if atClient = conn.Handshake(); atClient == nil {
		_, atClient = conn.Read(make([]byte, 1))
	}
	_ = far.Close()
	return <-done, atClient
}

// Requirement: XFS-05
func TestBothSidesProveThemselvesAndOthersAreRefused(t *testing.T) {
	for _, alg := range []pki.Algorithm{pki.P256, pki.Ed25519} {
		at := newClock()
		ours := authority(t, pki.Options{Algorithm: alg, Now: at.Now})
		theirs := authority(t, pki.Options{Now: at.Now})
		policy := pki.Policy{Now: at.Now}
		device, _ := party(t, ours, server("device"), policy)
		till, _ := party(t, ours, pki.Request{Name: "till-1", Use: pki.Client, Life: time.Hour}, policy)
		stranger, _ := party(t, theirs, pki.Request{Name: "till-1", Use: pki.Client}, policy)
		nobody, err := pki.Load(pki.Files{Roots: filepath.Join(ours.Dir(), pki.RootFile)}, policy)
		if err != nil {
			t.Fatal(err)
		}
		if s, c := shake(t, device, till, "device"); s != nil || c != nil {
			t.Errorf("%s: server %v, client %v", alg, s, c)
		}
		if s, c := shake(t, device, till, "127.0.0.1"); s != nil || c != nil {
			t.Errorf("%s by address: server %v, client %v", alg, s, c)
		}
		for name, row := range map[string]struct {
			device, client *pki.Credentials
			dialled        string
		}{
			"wrong name":     {device, till, "dispenser"},
			"wrong CA":       {device, stranger, "device"},
			"no certificate": {device, nobody, "device"},
			"wrong use":      {till, device, "till-1"},
		} {
			if s, c := shake(t, row.device, row.client, row.dialled); s == nil || c == nil {
				t.Errorf("%s, %s: server %v, client %v", alg, name, s, c)
			}
		}
		at.now = at.now.Add(2 * time.Hour)
		if s, _ := shake(t, device, till, "device"); s == nil {
			t.Errorf("%s: an expired certificate was accepted", alg)
		}
	}
}

// Requirement: XFS-05
func TestARevokedCertificateIsRefusedAsSoonAsTheListIsThere(t *testing.T) {
	at := newClock()
	a := authority(t, pki.Options{Now: at.Now})
	policy := pki.Policy{Now: at.Now}
	device, deviceFiles := party(t, a, server("device"), policy)
	till, tillFiles := party(t, a, pki.Request{Name: "xfs4iot://shop/till-1", Use: pki.Client}, policy)
	revoked, err := a.Revoke("xfs4iot://shop/till-1", "stolen")
	if err != nil || len(revoked) != 1 || revoked[0].State != pki.Revoked {
		t.Fatal(revoked, err)
	}
	if s, c := shake(t, device, till, "device"); s != nil || c != nil {
		t.Errorf("before the list is there: %v %v", s, c)
	}
	told := 0
	stop := device.OnChange(func() { told++ })
	for _, files := range []pki.Files{deviceFiles, tillFiles} {
		if err := a.SaveTrust(filepath.Dir(files.Roots)); err != nil {
			t.Fatal(err)
		}
	}
	if changed, err := device.Reload(); !changed || err != nil || told != 1 {
		t.Fatal(changed, err, told)
	}
	if s, _ := shake(t, device, till, "device"); !errors.Is(s, pki.ErrRevoked) {
		t.Errorf("the server found %v", s)
	}
	if changed, err := device.Reload(); changed || err != nil {
		t.Errorf("nothing changed, but %v %v", changed, err)
	}
	stop()

	if _, err := a.Revoke("device", "sold"); err != nil {
		t.Fatal(err)
	}
	other, _ := party(t, a, pki.Request{Name: "till-2", Use: pki.Client}, policy)
	if _, c := shake(t, device, other, "device"); !errors.Is(c, pki.ErrRevoked) {
		t.Errorf("the client found %v", c)
	}
}

func TestAListPastItsTimeRefusesEverybody(t *testing.T) {
	at := newClock()
	a := authority(t, pki.Options{Now: at.Now, ListLife: 24 * time.Hour})
	policy := pki.Policy{Now: at.Now}
	device, files := party(t, a, server("device"), policy)
	till, tillFiles := party(t, a, pki.Request{Name: "till", Use: pki.Client}, policy)
	at.now = at.now.Add(48 * time.Hour)
	if s, c := shake(t, device, till, "device"); !errors.Is(c, pki.ErrStale) || s == nil {
		t.Errorf("%v %v", s, c)
	}
	if err := a.PublishList(); err != nil {
		t.Fatal(err)
	}
	for c, f := range map[*pki.Credentials]pki.Files{device: files, till: tillFiles} {
		if err := a.SaveTrust(filepath.Dir(f.Roots)); err != nil {
			t.Fatal(err)
		}
		if changed, err := c.Reload(); !changed || err != nil {
			t.Fatal(changed, err)
		}
	}
	if s, c := shake(t, device, till, "device"); s != nil || c != nil {
		t.Errorf("with a new list: %v %v", s, c)
	}
}

func TestAReloadThatFailsKeepsWhatWasInForce(t *testing.T) {
	a := authority(t, pki.Options{})
	device, files := party(t, a, server("device"), pki.Policy{})
	till, _ := party(t, a, pki.Request{Name: "till", Use: pki.Client}, pki.Policy{})
	if err := os.WriteFile(files.Certificate, []byte("not a certificate"), 0o644); err != nil {
		t.Fatal(err)
	}
	if changed, err := device.Reload(); changed || err == nil {
		t.Errorf("%v %v", changed, err)
	}
	if s, c := shake(t, device, till, "device"); s != nil || c != nil {
		t.Errorf("%v %v", s, c)
	}
	if _, err := pki.Load(files, pki.Policy{}); err == nil {
		t.Error("a broken file was loaded")
	}
	renewed, err := a.Renew("device", pki.Request{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := renewed.Save(filepath.Dir(files.Certificate)); err != nil {
		t.Fatal(err)
	}
	before := device.NotAfter()
	if changed, err := device.Reload(); !changed || err != nil || device.NotAfter().Before(before) || device.Identity() != "device" {
		t.Errorf("%v %v %v", changed, err, device.NotAfter())
	}
	if s, c := shake(t, device, till, "127.0.0.1"); s != nil || c != nil {
		t.Errorf("renewed: %v %v", s, c)
	}
}

func TestKeysAreReadableByTheirOwnerOnly(t *testing.T) {
	a := authority(t, pki.Options{})
	_, files := party(t, a, server("device"), pki.Policy{})
	for _, name := range []string{files.Key, filepath.Join(a.Dir(), "ca.key")} {
		info, err := os.Stat(name)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", name, info.Mode(), err)
		}
	}
	if err := os.Chmod(files.Key, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := pki.Load(files, pki.Policy{}); !errors.Is(err, pki.ErrKeyMode) {
		t.Errorf("a key that the group may read: %v", err)
	}
	if err := os.Chmod(filepath.Join(a.Dir(), "ca.key"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := pki.Open(a.Dir(), pki.Options{}); !errors.Is(err, pki.ErrKeyMode) {
		t.Errorf("an authority's key that all may read: %v", err)
	}
}

func TestTheListTellsEveryCertificateAndItsState(t *testing.T) {
	at := newClock()
	a := authority(t, pki.Options{Now: at.Now})
	issue(t, a, pki.Request{Name: "short", Use: pki.Client, Life: time.Hour})
	issue(t, a, pki.Request{Name: "later", Use: pki.Both, NotBefore: at.now.Add(5 * time.Hour), Life: 10 * time.Hour})
	stolen := issue(t, a, pki.Request{Name: "stolen", Use: pki.Client})
	issue(t, a, pki.Request{Name: "stolen", Use: pki.Client})
	issue(t, a, server("device"))
	at.now = at.now.Add(2 * time.Hour)
	a, err := pki.Open(a.Dir(), pki.Options{Now: at.Now})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Revoke(serial(stolen), "by serial"); err != nil {
		t.Fatal(err)
	}
	list, err := a.List()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range list {
		got = append(got, e.Name+" "+string(e.Use)+" "+string(e.State)+" "+e.Reason)
	}
	want := []string{"device server valid ", "later both pending ", "short client expired ", "stolen client revoked by serial", "stolen client valid "}
	if len(got) != len(want) {
		t.Fatal(got)
	}
	for i := range want {
		alike := got[i] == want[i] || (i >= 3 && (got[i] == want[3] || got[i] == want[4]) && got[3] != got[4])
		if !alike {
			t.Errorf("%q, want %q", got[i], want[i])
		}
	}
	if _, err := a.Revoke("nobody", ""); !errors.Is(err, pki.ErrUnknown) {
		t.Errorf("Revoke = %v", err)
	}
	if _, err := a.Renew("nobody", pki.Request{}); !errors.Is(err, pki.ErrUnknown) {
		t.Errorf("Renew = %v", err)
	}
	if _, err := pki.Create(a.Dir(), pki.Options{}); !errors.Is(err, pki.ErrExists) {
		t.Errorf("Create = %v", err)
	}
}

func serial(i *pki.Issued) string {
	text := i.Certificate.SerialNumber.Text(16)
	for len(text) < 32 {
		text = "0" + text
	}
	return text
}

func TestACertificateRequestGivesItsKeyAndNothingElse(t *testing.T) {
	a := authority(t, pki.Options{})
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "boss"}, DNSNames: []string{"boss"}}, key)
	if err != nil {
		t.Fatal(err)
	}
	i := issue(t, a, pki.Request{Name: "till-1", Use: pki.Client, CSR: csr})
	if i.Key != nil || pki.Identity(i.Certificate) != "till-1" || len(i.Certificate.DNSNames) != 1 || !key.Public().(ed25519.PublicKey).Equal(i.Certificate.PublicKey) {
		t.Errorf("%+v", i.Certificate.DNSNames)
	}
	csr[len(csr)-1] ^= 1
	if _, err := a.Issue(pki.Request{Name: "till-1", Use: pki.Client, CSR: csr}); err == nil {
		t.Error("a request with a wrong signature was accepted")
	}
}

func TestNamesDatesAndUsesThatMakeNoSenseAreRefused(t *testing.T) {
	a := authority(t, pki.Options{})
	for _, r := range []pki.Request{
		{Name: "", Use: pki.Client}, {Name: "a b", Use: pki.Client}, {Name: "-a", Use: pki.Client}, {Name: "a..b", Use: pki.Client}, {Name: "http://", Use: pki.Client},
		{Name: "till", Use: "lunch"}, {Name: "till", Use: pki.Client, Life: -time.Hour}, {Name: "till", Use: pki.Client, CSR: []byte("x")},
	} {
		if _, err := a.Issue(r); err == nil {
			t.Errorf("%+v was issued", r)
		}
	}
	if list, err := a.List(); err != nil || len(list) != 0 {
		t.Errorf("%v %v", list, err)
	}
	if _, err := pki.Create(t.TempDir(), pki.Options{Algorithm: "RSA"}); err == nil {
		t.Error("an unknown algorithm was accepted")
	}
}

func TestFilesThatDoNotBelongTogetherAreRefused(t *testing.T) {
	a, b := authority(t, pki.Options{}), authority(t, pki.Options{})
	_, mine := party(t, a, server("device"), pki.Policy{})
	_, other := party(t, b, server("device"), pki.Policy{})
	for name, f := range map[string]pki.Files{
		"key of another":             {Certificate: mine.Certificate, Key: other.Key, Roots: mine.Roots},
		"list of another":            {Certificate: mine.Certificate, Key: mine.Key, Roots: mine.Roots, Lists: other.Lists},
		"no roots":                   {Certificate: mine.Certificate, Key: mine.Key},
		"a key in place of roots":    {Certificate: mine.Certificate, Key: mine.Key, Roots: mine.Key},
		"missing list":               {Certificate: mine.Certificate, Key: mine.Key, Roots: mine.Roots, Lists: mine.Lists + "x"},
		"certificate instead of key": {Certificate: mine.Certificate, Key: mine.Certificate, Roots: mine.Roots},
	} {
		if _, err := pki.Load(f, pki.Policy{}); err == nil {
			t.Errorf("%s: loaded", name)
		}
	}
	c, err := pki.Load(pki.Files{Roots: mine.Roots}, pki.Policy{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Server(); !errors.Is(err, pki.ErrNoCertificate) || c.Identity() != "" || !c.NotAfter().IsZero() {
		t.Errorf("Server = %v", err)
	}
}

func TestTLS12IsSpokenOnlyWhereItIsAllowed(t *testing.T) {
	a := authority(t, pki.Options{})
	strict, _ := party(t, a, server("device"), pki.Policy{})
	relaxed, _ := party(t, a, server("device"), pki.Policy{AllowTLS12: true})
	till, _ := party(t, a, pki.Request{Name: "till", Use: pki.Client}, pki.Policy{AllowTLS12: true})
	for c, want := range map[*pki.Credentials]bool{strict: false, relaxed: true} {
		conf, err := c.Server()
		if err != nil {
			t.Fatal(err)
		}
		near, far := connected(t)
		go func() { defer near.Close(); _ = tls.Server(near, conf).Handshake() }()
		old := till.Client()
		old.ServerName, old.MaxVersion = "device", tls.VersionTLS12
		if err := tls.Client(far, old).Handshake(); (err == nil) != want {
			t.Errorf("allowed %v: %v", want, err)
		}
		_ = far.Close()
	}
}

// What a peer sends as a certificate or a list may be anything.
func FuzzFiles(f *testing.F) {
	a, err := pki.Create(filepath.Join(f.TempDir(), "ca"), pki.Options{})
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range []string{pki.RootFile, pki.ListFile} {
		data, err := os.ReadFile(filepath.Join(a.Dir(), name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, data []byte) {
		name := filepath.Join(dir, "x.pem")
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
		if c, err := pki.Load(pki.Files{Roots: name, Lists: name}, pki.Policy{}); err == nil {
			_ = c.Client()
		}
		_, _ = pki.Load(pki.Files{Roots: filepath.Join(a.Dir(), pki.RootFile), Certificate: name, Key: name}, pki.Policy{})
	})
}
