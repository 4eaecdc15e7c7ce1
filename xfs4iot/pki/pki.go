// Package pki is a small certificate authority for devices and the programs that
// drive them, and the credentials with which both ends of a connection are set up.
//
// # Parties
//
// An [Authority] is a folder with one root certificate, its key, what it issued and
// its list of revoked certificates. A maker or a shop creates one with one call and
// may go over to their own authority later: nothing else in plomb asks who signed.
// [Credentials] are what one party holds: its certificate and key, the roots it
// trusts and their revocation lists, read from files and read again while it runs.
//
//	a, err := pki.Create("pki", pki.Options{Name: "Corner shop"})
//	device, err := a.Issue(pki.Request{Name: "dispenser-1.shop", Use: pki.Server, IPs: []netip.Addr{addr}})
//	files, err := device.Save("/etc/plomb/device")
//	till, err := a.Issue(pki.Request{Name: "till-1", Use: pki.Client})
//	...
//	creds, err := pki.Load(files, pki.Policy{})
//	srv := host.New(host.Config{Credentials: creds, Rights: rights})
//
// # Identities
//
// A party's identity is a subject alternative name of its certificate: the URI or the
// DNS name given as Request.Name. The common name repeats it for people and is never
// compared with anything.
//
// # Promises
//
// Keys are ECDSA P-256 or Ed25519, made by crypto/rand, written in PKCS #8 with mode
// 0600. Files are written whole: after a power cut there is the old one or the new
// one. Certificates verify against the roots of the files alone, never against the
// system's; a certificate that one of the lists names, a list past its time, or a
// file that cannot be read refuse the connection. Sessions are not resumed, so each
// connection is checked in full. Reload that fails keeps what was in force.
//
// # What it does not do
//
// No intermediate authorities of its own (Credentials accept them), no OCSP, no
// enrolment over a network: files are carried by whoever installs the device. The
// root's key lies in a file; keep the folder on a machine that is not a till.
//
// Formats: X.509 (RFC 5280) through crypto/x509, PEM (RFC 7468).
package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// The files of an authority's folder.
const (
	RootFile  = "ca.pem"  // the root certificate, for the trust store of every party
	keyFile   = "ca.key"  // its key, mode 0600
	ListFile  = "crl.pem" // the list of revoked certificates, for every party
	issuedDir = "issued"  // one SERIAL.pem each
	voidDir   = "revoked" // one SERIAL.json each
)

// Algorithm is a kind of key.
type Algorithm string

// The algorithms. P-256 is the default, for all TLS libraries know it.
const (
	P256    Algorithm = "P-256"
	Ed25519 Algorithm = "Ed25519"
)

// Options tell how an authority is made and works. The zero value is usable.
type Options struct {
	Name      string           // of the authority, for people; default "XFS4IoT devices"
	Algorithm Algorithm        // of the root's key and of keys it makes; default P256
	Life      time.Duration    // of the root; default 20 years
	ListLife  time.Duration    // of a revocation list, after which it refuses everybody; default 1 year
	Now       func() time.Time // default time.Now
}

// Default lifetimes.
const (
	year            = 365 * 24 * time.Hour
	defaultRootLife = 20 * year
	defaultListLife = 1 * year
	defaultLife     = 2 * year
	clockSkew       = 5 * time.Minute // a certificate is valid this long before it is made, for clocks behind ours
)

func (o Options) withDefaults() Options {
	if o.Name == "" {
		o.Name = "XFS4IoT devices"
	}
	if o.Algorithm == "" {
		o.Algorithm = P256
	}
	if o.Life == 0 {
		o.Life = defaultRootLife
	}
	if o.ListLife == 0 {
		o.ListLife = defaultListLife
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// Authority is a folder that holds a root and what it did. Two processes may use
// one folder at a time.
type Authority struct {
	dir  string
	opts Options
	root *x509.Certificate
	key  crypto.Signer
}

// ErrExists is returned by Create for a folder that holds an authority already.
var ErrExists = errors.New("there is an authority in this folder")

// Create makes a folder with a new root and an empty revocation list. It never
// replaces one. The root's key is written first and its certificate last, so that
// a folder cut short by a crash is not taken for an authority; remove it then.
func Create(dir string, o Options) (*Authority, error) {
	o = o.withDefaults()
	if _, err := os.Stat(filepath.Join(dir, keyFile)); err == nil {
		return nil, fmt.Errorf("create %s: %w", dir, ErrExists)
	}
	for _, d := range []string{dir, filepath.Join(dir, issuedDir), filepath.Join(dir, voidDir)} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return nil, fmt.Errorf("create authority: %w", err)
		}
	}
	a := &Authority{dir: dir, opts: o}
	if err := a.makeRoot(); err != nil {
		return nil, fmt.Errorf("create authority in %s: %w", dir, err)
	}
	return a, nil
}

func (a *Authority) makeRoot() error {
	key, err := newKey(a.opts.Algorithm)
	if err != nil {
		return err
	}
	now := a.opts.Now()
	serial, err := newSerial()
	if err != nil {
		return err
	}
	t := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: a.opts.Name},
		NotBefore:             now.Add(-clockSkew),
		NotAfter:              now.Add(a.opts.Life),
		IsCA:                  true,
		BasicConstraintsValid: true,
		MaxPathLenZero:        true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return err
	}
	if a.root, err = x509.ParseCertificate(der); err != nil {
		return err
	}
	a.key = key
	return a.writeRoot()
}

func (a *Authority) writeRoot() error {
	private, err := encodeKey(a.key)
	if err != nil {
		return err
	}
	if err := writeNew(a.path(keyFile), private, 0o600); err != nil {
		return err
	}
	if err := a.PublishList(); err != nil {
		return err
	}
	return writeFile(a.path(RootFile), encodeCertificates(a.root), 0o644)
}

// Open reads an authority made by Create. Of the options it uses Algorithm (for new
// keys), ListLife and Now.
func Open(dir string, o Options) (*Authority, error) {
	a := &Authority{dir: dir, opts: o.withDefaults()}
	certs, err := readCertificates(a.path(RootFile))
	if err != nil {
		return nil, fmt.Errorf("open authority: %w", err)
	}
	a.root = certs[0]
	if a.key, err = readKey(a.path(keyFile)); err != nil {
		return nil, fmt.Errorf("open authority: %w", err)
	}
	if !samePublicKey(a.key.Public(), a.root.PublicKey) {
		return nil, fmt.Errorf("open authority: %s is not the key of %s", keyFile, RootFile)
	}
	return a, nil
}

// Root is the root certificate.
func (a *Authority) Root() *x509.Certificate { return a.root }

// Dir is the authority's folder; RootFile and ListFile in it are for all parties.
func (a *Authority) Dir() string { return a.dir }

func (a *Authority) path(elements ...string) string {
	return filepath.Join(append([]string{a.dir}, elements...)...)
}

func newKey(alg Algorithm) (crypto.Signer, error) {
	switch alg {
	case P256:
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case Ed25519:
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return key, err
	}
	return nil, fmt.Errorf("algorithm %.20q is neither %s nor %s", alg, P256, Ed25519)
}

func samePublicKey(a, b crypto.PublicKey) bool {
	k, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && k.Equal(b)
}

func encodeKey(key crypto.Signer) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

func encodeCertificates(certs ...*x509.Certificate) []byte {
	var out []byte
	for _, c := range certs {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	return out
}
