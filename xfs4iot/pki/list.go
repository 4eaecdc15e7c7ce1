package pki

import (
	"cmp"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
)

// State is whether a certificate counts.
type State string

// The states of a certificate.
const (
	Valid   State = "valid"
	Pending State = "pending" // its time has not begun
	Expired State = "expired"
	Revoked State = "revoked"
)

// Entry is one certificate that an authority issued.
type Entry struct {
	Serial    string    `json:"serial"` // 32 hex digits
	Name      string    `json:"name"`   // the identity
	Use       Use       `json:"use"`
	NotBefore time.Time `json:"notBefore"`
	NotAfter  time.Time `json:"notAfter"`
	State     State     `json:"state"`
	RevokedAt time.Time `json:"revokedAt,omitzero"`
	Reason    string    `json:"reason,omitzero"` // why it was revoked

	certificate *x509.Certificate
}

// Certificate is the certificate itself.
func (e Entry) Certificate() *x509.Certificate { return e.certificate }

func (e Entry) otherDNS() []string {
	return slices.DeleteFunc(slices.Clone(e.certificate.DNSNames), func(d string) bool { return d == e.Name })
}

func (e Entry) addresses() []netip.Addr {
	var list []netip.Addr
	for _, ip := range e.certificate.IPAddresses {
		if a, ok := netip.AddrFromSlice(ip); ok {
			list = append(list, a.Unmap())
		}
	}
	return list
}

// Identity is the name by which a certificate's holder is known: its first URI, or
// else its first DNS name, or else nothing.
func Identity(c *x509.Certificate) string {
	switch {
	case c == nil:
		return ""
	case len(c.URIs) > 0:
		return c.URIs[0].String()
	case len(c.DNSNames) > 0:
		return c.DNSNames[0]
	}
	return ""
}

// List gives every certificate issued, by name and then from old to new.
func (a *Authority) List() ([]Entry, error) {
	names, err := filepath.Glob(a.path(issuedDir, "*.pem"))
	if err != nil {
		return nil, fmt.Errorf("list certificates: %w", err)
	}
	void, err := a.revocations()
	if err != nil {
		return nil, fmt.Errorf("list certificates: %w", err)
	}
	var list []Entry
	for _, name := range names {
		certs, err := readCertificates(name)
		if err != nil {
			return nil, fmt.Errorf("list certificates: %w", err)
		}
		list = append(list, a.entry(certs[0], void))
	}
	slices.SortFunc(list, func(x, y Entry) int {
		return cmp.Or(strings.Compare(x.Name, y.Name), x.NotBefore.Compare(y.NotBefore), strings.Compare(x.Serial, y.Serial))
	})
	return list, nil
}

func (a *Authority) entry(c *x509.Certificate, void map[string]revocation) Entry {
	e := Entry{Serial: serialText(c.SerialNumber), Name: Identity(c), Use: useOf(c),
		NotBefore: c.NotBefore, NotAfter: c.NotAfter, State: Valid, certificate: c}
	r, revoked := void[e.Serial]
	switch now := a.opts.Now(); {
	case revoked:
		e.State, e.RevokedAt, e.Reason = Revoked, r.At, r.Reason
	case now.After(c.NotAfter):
		e.State = Expired
	case now.Before(c.NotBefore):
		e.State = Pending
	}
	return e
}

// ErrUnknown is returned for a name or serial that was never issued.
var ErrUnknown = errors.New("no certificate of this name or serial was issued")

func (a *Authority) newest(name string) (Entry, error) {
	list, err := a.matching(name)
	if err != nil {
		return Entry{}, err
	}
	return slices.MaxFunc(list, func(x, y Entry) int { return x.NotAfter.Compare(y.NotAfter) }), nil
}

// matching gives the certificates of a name, or the one of a serial.
func (a *Authority) matching(name string) ([]Entry, error) {
	list, err := a.List()
	if err != nil {
		return nil, err
	}
	list = slices.DeleteFunc(list, func(e Entry) bool { return e.Name != name && e.Serial != strings.ToLower(name) })
	if len(list) == 0 {
		return nil, ErrUnknown
	}
	return list, nil
}

// revocation is the record of one revoked certificate.
type revocation struct {
	At     time.Time `json:"at"`
	Reason string    `json:"reason"`
}

// Revoke makes every certificate of a name void, or the one of a serial, and
// publishes the new list. It gives those that it revoked; one that was revoked
// before keeps its date. Parties refuse them as soon as they have the new list.
//
// The records are written before the list: a crash in between is mended by the next
// Revoke or PublishList.
func (a *Authority) Revoke(name, reason string) ([]Entry, error) {
	list, err := a.matching(name)
	if err != nil {
		return nil, fmt.Errorf("revoke %.80q: %w", name, err)
	}
	list = slices.DeleteFunc(list, func(e Entry) bool { return e.State == Revoked })
	for i, e := range list {
		r := revocation{a.opts.Now().UTC().Truncate(time.Second), reason}
		data, err := json.Marshal(r)
		if err == nil {
			err = writeFile(a.path(voidDir, e.Serial+".json"), data, 0o644)
		}
		if err != nil {
			return nil, fmt.Errorf("revoke %.80q: %w", name, err)
		}
		list[i].State, list[i].RevokedAt, list[i].Reason = Revoked, r.At, r.Reason
	}
	return list, a.PublishList()
}

// revocations reads the records, by serial.
func (a *Authority) revocations() (map[string]revocation, error) {
	names, err := filepath.Glob(a.path(voidDir, "*.json"))
	if err != nil {
		return nil, err
	}
	void := map[string]revocation{}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		var r revocation
		if err := json.Unmarshal(data, &r); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		void[strings.TrimSuffix(filepath.Base(name), ".json")] = r
	}
	return void, nil
}

// PublishList signs the revocation list anew, good for Options.ListLife from now. It
// has to be called, and the file carried to all parties, before the old list's time
// is over: parties refuse everybody rather than trust an old list.
func (a *Authority) PublishList() error {
	void, err := a.revocations()
	if err != nil {
		return fmt.Errorf("publish revocation list: %w", err)
	}
	now := a.opts.Now()
	t := &x509.RevocationList{
		Number:     big.NewInt(now.UnixNano()), // goes up without a counter to keep
		ThisUpdate: now.Add(-clockSkew),
		NextUpdate: now.Add(a.opts.ListLife),
	}
	for serial, r := range void {
		n, ok := new(big.Int).SetString(serial, 16)
		if !ok {
			return fmt.Errorf("publish revocation list: %s is not a serial", serial)
		}
		t.RevokedCertificateEntries = append(t.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: n, RevocationTime: r.At})
	}
	slices.SortFunc(t.RevokedCertificateEntries, func(x, y x509.RevocationListEntry) int { return x.SerialNumber.Cmp(y.SerialNumber) })
	der, err := x509.CreateRevocationList(rand.Reader, t, a.root, a.key)
	if err != nil {
		return fmt.Errorf("publish revocation list: %w", err)
	}
	return writeFile(a.path(ListFile), pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der}), 0o644)
}

func makeDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

func copyFile(from, to string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return writeFile(to, data, 0o644)
}
