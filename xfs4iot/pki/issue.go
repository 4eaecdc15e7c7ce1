package pki

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
	"time"
)

// Use is what a certificate is for.
type Use string

// The uses. A device service is a Server; an application that drives it a Client; a
// device host that dials out and serves is Both.
const (
	Server Use = "server"
	Client Use = "client"
	Both   Use = "both"
)

func (u Use) extended() ([]x509.ExtKeyUsage, error) {
	switch u {
	case Server:
		return []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, nil
	case Client:
		return []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, nil
	case Both:
		return []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}, nil
	}
	return nil, fmt.Errorf("use %.20q is none of %s, %s, %s", u, Server, Client, Both)
}

// useOf reads a certificate's use back.
func useOf(c *x509.Certificate) Use {
	var server, client bool
	for _, u := range c.ExtKeyUsage {
		server = server || u == x509.ExtKeyUsageServerAuth
		client = client || u == x509.ExtKeyUsageClientAuth
	}
	switch {
	case server && client:
		return Both
	case server:
		return Server
	}
	return Client
}

// Request says what certificate is wanted.
type Request struct {
	// Name is the identity: a URI ("xfs4iot://shop/till-1") or a DNS name
	// ("till-1", "dispenser.shop.example").
	Name string
	Use  Use
	DNS  []string     // further DNS names, of a server that is reached under several
	IPs  []netip.Addr // addresses under which a server is reached

	NotBefore time.Time     // default: now, less five minutes for clocks that are behind
	Life      time.Duration // from now; default 2 years, at most to the root's end

	// CSR is a PKCS #10 request in DER. With it the key stays where it was made; only
	// its public key is taken from it, never its names. Without it a key is made.
	CSR []byte
}

// Issued is a new certificate, with its key when the authority made it.
type Issued struct {
	Certificate *x509.Certificate
	Key         crypto.Signer // nil for a request with a CSR

	authority *Authority
}

// Issue makes a certificate and remembers it.
func (a *Authority) Issue(r Request) (*Issued, error) {
	t, err := a.template(r)
	if err != nil {
		return nil, fmt.Errorf("issue certificate for %.80q: %w", r.Name, err)
	}
	key, public, err := a.keyFor(r)
	if err != nil {
		return nil, fmt.Errorf("issue certificate for %.80q: %w", r.Name, err)
	}
	c, err := a.sign(t, public)
	if err != nil {
		return nil, fmt.Errorf("issue certificate for %.80q: %w", r.Name, err)
	}
	return &Issued{c, key, a}, nil
}

func (a *Authority) keyFor(r Request) (crypto.Signer, crypto.PublicKey, error) {
	if r.CSR == nil {
		key, err := newKey(a.opts.Algorithm)
		if err != nil {
			return nil, nil, err
		}
		return key, key.Public(), nil
	}
	csr, err := x509.ParseCertificateRequest(r.CSR)
	if err == nil {
		err = csr.CheckSignature()
	}
	if err != nil {
		return nil, nil, fmt.Errorf("certificate request: %w", err)
	}
	return nil, csr.PublicKey, nil
}

// sign makes the certificate and writes it among the issued ones before anybody
// gets it, so that none is in the world that cannot be revoked.
func (a *Authority) sign(t *x509.Certificate, public crypto.PublicKey) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, t, a.root, public, a.key)
	if err != nil {
		return nil, err
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return c, writeNew(a.path(issuedDir, serialText(c.SerialNumber)+".pem"), encodeCertificates(c), 0o644)
}

func (a *Authority) template(r Request) (*x509.Certificate, error) {
	use, err := r.Use.extended()
	if err != nil {
		return nil, err
	}
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	t := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: short(r.Name)},
		DNSNames:     r.DNS,
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  use,
	}
	for _, ip := range r.IPs {
		t.IPAddresses = append(t.IPAddresses, net.IP(ip.Unmap().AsSlice()))
	}
	if err := addName(t, r.Name); err != nil {
		return nil, err
	}
	return t, a.setDates(t, r)
}

func (a *Authority) setDates(t *x509.Certificate, r Request) error {
	now := a.opts.Now()
	if t.NotBefore = r.NotBefore; t.NotBefore.IsZero() {
		t.NotBefore = now.Add(-clockSkew)
	}
	life := r.Life
	if life == 0 {
		life = defaultLife
	}
	if t.NotAfter = now.Add(life); t.NotAfter.After(a.root.NotAfter) {
		t.NotAfter = a.root.NotAfter
	}
	if !t.NotAfter.After(t.NotBefore) {
		return fmt.Errorf("it would end on %s, before it begins", t.NotAfter.Format(time.DateOnly))
	}
	return nil
}

// ErrName is returned for an identity that is neither a URI nor a DNS name.
var ErrName = errors.New("the name is neither a URI with a scheme nor a DNS name")

// addName puts the identity among the alternative names, first of its kind.
func addName(t *x509.Certificate, name string) error {
	if u, err := url.Parse(name); err == nil && u.Scheme != "" && (u.Host != "" || u.Opaque != "") && len(name) <= 255 {
		t.URIs = []*url.URL{u}
		return nil
	}
	if !dnsName(name) {
		return ErrName
	}
	t.DNSNames = append([]string{name}, t.DNSNames...)
	return nil
}

func dnsName(s string) bool {
	if s == "" || len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' || !plainLabel(label) {
			return false
		}
	}
	return true
}

func plainLabel(s string) bool {
	for _, r := range s {
		if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_') {
			return false
		}
	}
	return true
}

// short fits a name into a common name, which has at most 64 characters.
func short(name string) string {
	if len(name) > 64 {
		return name[:64]
	}
	return name
}

// newSerial gives 127 random bits, so that serials never meet.
func newSerial() (*big.Int, error) {
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("serial number: %w", err)
	}
	return n.Add(n, big.NewInt(1)), nil
}

func serialText(n *big.Int) string { return fmt.Sprintf("%032x", n) }

// Save writes what the party needs into a folder, made if it is missing: cert.pem,
// key.pem (unless the key is elsewhere), and copies of the root and the revocation
// list. What is there of the same party is replaced: the key first, so that a party
// that reloads in between finds a pair that does not match and keeps its old one.
func (i *Issued) Save(dir string) (Files, error) {
	f := Files{
		Certificate: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem"),
		Roots: filepath.Join(dir, RootFile), Lists: filepath.Join(dir, ListFile),
	}
	if err := makeDir(dir); err != nil {
		return f, fmt.Errorf("save certificate: %w", err)
	}
	if i.Key != nil {
		private, err := encodeKey(i.Key)
		if err != nil {
			return f, err
		}
		if err := writeFile(f.Key, private, 0o600); err != nil {
			return f, err
		}
	}
	if err := writeFile(f.Certificate, encodeCertificates(i.Certificate), 0o644); err != nil {
		return f, err
	}
	return f, i.authority.SaveTrust(dir)
}

// SaveTrust copies the root and the present revocation list into a party's folder.
func (a *Authority) SaveTrust(dir string) error {
	for _, name := range []string{RootFile, ListFile} {
		if err := copyFile(a.path(name), filepath.Join(dir, name)); err != nil {
			return fmt.Errorf("save trust: %w", err)
		}
	}
	return nil
}

// Renew issues a certificate like the newest one of a name: same names, same use,
// same lifetime, new key. The old one stays valid until its end or until it is
// revoked. r may change Life, NotBefore and CSR; its other fields are not looked at.
func (a *Authority) Renew(name string, r Request) (*Issued, error) {
	old, err := a.newest(name)
	if err != nil {
		return nil, fmt.Errorf("renew %.80q: %w", name, err)
	}
	if r.Life == 0 {
		r.Life = old.NotAfter.Sub(old.NotBefore) - clockSkew
	}
	return a.Issue(Request{Name: old.Name, Use: old.Use, DNS: old.otherDNS(), IPs: old.addresses(),
		NotBefore: r.NotBefore, Life: r.Life, CSR: r.CSR})
}
