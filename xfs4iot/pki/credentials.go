package pki

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Files are where one party's credentials lie. All are PEM and must exist.
type Files struct {
	Certificate string `json:"certificate"`    // own, with intermediates after it; empty for a party without one
	Key         string `json:"key"`            // of Certificate, PKCS #8, readable by its owner only
	Roots       string `json:"roots"`          // authorities whose certificates are accepted from the other side
	Lists       string `json:"lists,omitzero"` // revocation lists of those authorities; empty: revocation is not checked
}

// Policy is what a party asks of a connection beyond valid certificates.
type Policy struct {
	AllowTLS12 bool             // accept TLS 1.2 beside 1.3
	Anonymous  bool             // of a server: accept clients without a certificate
	Now        func() time.Time // default time.Now
}

// Credentials are what one party holds, as of the last Reload. They may be used by
// any number of servers and clients at a time.
type Credentials struct {
	files  Files
	policy Policy
	now    atomic.Pointer[holding]

	mu      sync.Mutex // guards what follows, and Reload
	stamps  [4]stamp
	changed map[*func()]struct{}
}

// holding is one consistent reading of the files; it never changes.
type holding struct {
	own   *tls.Certificate // nil for none
	roots *x509.CertPool
	lists []*x509.RevocationList
}

// Load reads credentials. Any fault in any file is an error: there is no fall-back.
func Load(f Files, p Policy) (*Credentials, error) {
	c := &Credentials{files: f, policy: p}
	if _, err := c.Reload(); err != nil {
		return nil, err
	}
	return c, nil
}

// Reload reads the files again if one of them has changed; connections made from now
// on use what they say. On an error what was in force stays. changed tells whether
// anything new came into force.
func (c *Credentials) Reload() (changed bool, err error) {
	changed, notify, err := c.reload()
	for _, f := range notify {
		(*f)()
	}
	return changed, err
}

func (c *Credentials) reload() (bool, []*func(), error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	stamps, err := c.files.stamps()
	if err == nil && stamps == c.stamps {
		return false, nil, nil
	}
	var h *holding
	if err == nil {
		h, err = read(c.files)
	}
	if err != nil {
		return false, nil, fmt.Errorf("load credentials: %w", err)
	}
	c.now.Store(h)
	c.stamps = stamps
	return true, slices.Collect(maps.Keys(c.changed)), nil
}

// OnChange calls f after every Reload that brought something new into force, until
// stop is called.
func (c *Credentials) OnChange(f func()) (stop func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.changed == nil {
		c.changed = map[*func()]struct{}{}
	}
	key := &f
	c.changed[key] = struct{}{}
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.changed, key)
	}
}

// Watch reloads at intervals until ctx ends. told, which may be nil, is called when
// something new came into force (nil) or could not be read (why).
func (c *Credentials) Watch(ctx context.Context, every time.Duration, told func(error)) {
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		changed, err := c.Reload()
		if told != nil && (changed || err != nil) {
			told(err)
		}
	}
}

// stamp tells whether a file has changed without reading it.
type stamp struct {
	size int64
	at   time.Time
}

func (f Files) stamps() (s [4]stamp, err error) {
	for i, name := range []string{f.Certificate, f.Key, f.Roots, f.Lists} {
		if name == "" {
			continue
		}
		info, err := os.Stat(name)
		if err != nil {
			return s, err
		}
		s[i] = stamp{info.Size(), info.ModTime()}
	}
	return s, nil
}

func read(f Files) (*holding, error) {
	h := &holding{roots: x509.NewCertPool()}
	roots, err := readCertificates(f.Roots)
	if err != nil {
		return nil, fmt.Errorf("roots: %w", err)
	}
	for _, c := range roots {
		h.roots.AddCert(c)
	}
	if f.Certificate != "" {
		if h.own, err = readOwn(f); err != nil {
			return nil, err
		}
	}
	if f.Lists != "" {
		h.lists, err = readLists(f.Lists, roots)
	}
	return h, err
}

func readOwn(f Files) (*tls.Certificate, error) {
	chain, err := readCertificates(f.Certificate)
	if err != nil {
		return nil, err
	}
	key, err := readKey(f.Key)
	if err != nil {
		return nil, err
	}
	if !samePublicKey(key.Public(), chain[0].PublicKey) {
		return nil, fmt.Errorf("%s is not the key of %s", f.Key, f.Certificate)
	}
	own := &tls.Certificate{PrivateKey: key, Leaf: chain[0]}
	for _, c := range chain {
		own.Certificate = append(own.Certificate, c.Raw)
	}
	return own, nil
}

// readLists reads revocation lists, each of which one of the roots must have signed.
func readLists(name string, roots []*x509.Certificate) ([]*x509.RevocationList, error) {
	blocks, err := readBlocks(name, "X509 CRL")
	if err != nil {
		return nil, err
	}
	var lists []*x509.RevocationList
	for _, der := range blocks {
		l, err := x509.ParseRevocationList(der)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if !signedByOne(l, roots) {
			return nil, fmt.Errorf("%s: list of %s is not signed by one of the roots", name, l.Issuer)
		}
		lists = append(lists, l)
	}
	return lists, nil
}

func signedByOne(l *x509.RevocationList, roots []*x509.Certificate) bool {
	for _, r := range roots {
		if l.CheckSignatureFrom(r) == nil {
			return true
		}
	}
	return false
}

// Identity is the party's own name, empty without a certificate.
func (c *Credentials) Identity() string {
	if own := c.now.Load().own; own != nil {
		return Identity(own.Leaf)
	}
	return ""
}

// NotAfter is when the party's own certificate ends, zero without one; renew before.
func (c *Credentials) NotAfter() time.Time {
	if own := c.now.Load().own; own != nil {
		return own.Leaf.NotAfter
	}
	return time.Time{}
}

// ErrNoCertificate is returned for a server without a certificate of its own.
var ErrNoCertificate = errors.New("a server needs a certificate")

// Server gives the configuration of a server: the other side must show a certificate
// of one of the roots that is not revoked, unless Policy.Anonymous. Each handshake
// uses what the last Reload read.
func (c *Credentials) Server() (*tls.Config, error) {
	if c.now.Load().own == nil {
		return nil, ErrNoCertificate
	}
	base := c.server()
	base.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return c.server(), nil }
	return base, nil
}

func (c *Credentials) server() *tls.Config {
	h := c.now.Load()
	cfg := c.base(h)
	cfg.ClientCAs = h.roots
	cfg.ClientAuth = tls.RequireAndVerifyClientCert
	if c.policy.Anonymous {
		cfg.ClientAuth = tls.VerifyClientCertIfGiven
	}
	return cfg
}

// Client gives the configuration of one connection to a server, whose certificate
// must be of one of the roots, carry the name or address dialled, and not be
// revoked. Ask for a new one for each connection, so that a Reload counts.
func (c *Credentials) Client() *tls.Config {
	h := c.now.Load()
	cfg := c.base(h)
	cfg.RootCAs = h.roots
	return cfg
}

func (c *Credentials) base(h *holding) *tls.Config {
	cfg := &tls.Config{
		MinVersion:             tls.VersionTLS13,
		SessionTicketsDisabled: true, // a resumed session would not be checked against new lists
		Time:                   c.policy.Now,
		VerifyConnection:       c.Check,
		NextProtos:             []string{"http/1.1"},
	}
	if c.policy.AllowTLS12 {
		cfg.MinVersion = tls.VersionTLS12
	}
	if h.own != nil {
		cfg.Certificates = []tls.Certificate{*h.own}
	}
	return cfg
}

func (c *Credentials) time() time.Time {
	if c.policy.Now != nil {
		return c.policy.Now()
	}
	return time.Now()
}

// ErrRevoked is returned for a certificate that a revocation list names.
var ErrRevoked = errors.New("the certificate is revoked")

// ErrStale is returned for a revocation list whose time is over.
var ErrStale = errors.New("the revocation list is too old")

// Check looks at an established connection again, with what the last Reload read:
// the chain of the other side, its dates and the revocation lists. It is part of
// every handshake; a server calls it for open connections after a reload.
func (c *Credentials) Check(s tls.ConnectionState) error {
	if len(s.PeerCertificates) == 0 {
		return nil // ClientAuth has decided whether that is allowed
	}
	h := c.now.Load()
	chains, err := s.PeerCertificates[0].Verify(c.verification(h, s.PeerCertificates[1:]))
	if err != nil {
		return err
	}
	for _, chain := range chains {
		if err = h.revoked(chain, c.time()); err == nil {
			return nil
		}
	}
	return err
}

func (c *Credentials) verification(h *holding, intermediates []*x509.Certificate) x509.VerifyOptions {
	o := x509.VerifyOptions{Roots: h.roots, Intermediates: x509.NewCertPool(), CurrentTime: c.time(),
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}} // the handshake has checked the use
	for _, i := range intermediates {
		o.Intermediates.AddCert(i)
	}
	return o
}

// revoked looks for each certificate of a chain in the list of its issuer.
func (h *holding) revoked(chain []*x509.Certificate, now time.Time) error {
	for _, cert := range chain {
		for _, l := range h.lists {
			if string(l.RawIssuer) != string(cert.RawIssuer) {
				continue
			}
			if now.After(l.NextUpdate) {
				return fmt.Errorf("%s: %w, its time ended on %s", Identity(cert), ErrStale, l.NextUpdate.Format(time.DateOnly))
			}
			for _, e := range l.RevokedCertificateEntries {
				if e.SerialNumber.Cmp(cert.SerialNumber) == 0 {
					return fmt.Errorf("%s: %w since %s", Identity(cert), ErrRevoked, e.RevocationTime.Format(time.DateOnly))
				}
			}
		}
	}
	return nil
}
