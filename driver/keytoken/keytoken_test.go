package keytoken_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"testing"
	"time"

	"github.com/plomb-pos/plomb/driver/keytoken"
)

var epoch = time.Date(2026, 11, 22, 6, 0, 0, 0, time.UTC)

// party is somebody with a certificate of an authority.
func party(t testing.TB, name string, serial int64, issuer *keytoken.Host) *keytoken.Host {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name},
		NotBefore: epoch, NotAfter: epoch.AddDate(10, 0, 0), IsCA: issuer == nil, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCRLSign | x509.KeyUsageCertSign, SubjectKeyId: []byte(name)}
	parent, signer := template, key
	if issuer != nil {
		parent, signer = issuer.Certificate, issuer.Key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &keytoken.Host{Certificate: cert, Key: key}
}

func list(t testing.TB, authority *keytoken.Host, revoked ...int64) *x509.RevocationList {
	t.Helper()
	template := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: epoch, NextUpdate: epoch.AddDate(1, 0, 0)}
	for _, serial := range revoked {
		template.RevokedCertificateEntries = append(template.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: big.NewInt(serial), RevocationTime: epoch})
	}
	der, err := x509.CreateRevocationList(rand.Reader, template, authority.Certificate, authority.Key)
	if err != nil {
		t.Fatal(err)
	}
	out, err := x509.ParseRevocationList(der)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestATokenOpensForItsDeviceAlone(t *testing.T) {
	ca := party(t, "CA", 1, nil)
	host, device, stranger := party(t, "KDH", 2, ca), party(t, "KRD", 3, ca), party(t, "other", 4, ca)
	key, random, header := []byte("0123456789abcdef"), []byte("16 random bytes!"), "D0256K0AB00E0000"
	seal := func(from, to *keytoken.Host, header string, random []byte, lists ...*x509.RevocationList) []byte {
		t.Helper()
		der, err := keytoken.Seal(rand.Reader, *from, to.Certificate, key, header, random, epoch, lists...)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	for _, v := range []struct {
		name   string
		token  []byte
		expect keytoken.Expect
		want   error
	}{
		{"two passes", seal(host, device, header, random), keytoken.Expect{Random: random}, nil},
		{"one pass", seal(host, device, header, nil), keytoken.Expect{}, nil},
		{"older scheme", seal(host, device, "", random), keytoken.Expect{Random: random}, nil},
		{"with list", seal(host, device, header, random, list(t, ca, 99)), keytoken.Expect{Random: random, Authority: ca.Certificate}, nil},
		{"host revoked", seal(host, device, header, random, list(t, ca, 2)), keytoken.Expect{Random: random, Authority: ca.Certificate}, keytoken.ErrRevoked},
		{"list missing", seal(host, device, header, random), keytoken.Expect{Random: random, Authority: ca.Certificate}, keytoken.ErrRevoked},
		{"another's list", seal(host, device, header, random, list(t, party(t, "CA", 1, nil))), keytoken.Expect{Random: random, Authority: ca.Certificate}, keytoken.ErrRevoked},
		{"another random number", seal(host, device, header, []byte("16 other bytes!!")), keytoken.Expect{Random: random}, keytoken.ErrRandom},
		{"one pass for two", seal(host, device, header, nil), keytoken.Expect{Random: random}, keytoken.ErrRandom},
		{"two passes for one", seal(host, device, header, random), keytoken.Expect{}, keytoken.ErrRandom},
		{"another host", seal(stranger, device, header, random), keytoken.Expect{Random: random}, keytoken.ErrSigner},
		{"another device", seal(host, stranger, header, random), keytoken.Expect{Random: random}, keytoken.ErrRecipient},
		{"the host's name, another's key", seal(&keytoken.Host{Certificate: host.Certificate, Key: stranger.Key}, device, header, random), keytoken.Expect{Random: random}, keytoken.ErrSigner},
		{"no token", []byte("0123"), keytoken.Expect{Random: random}, keytoken.ErrFormat},
	} {
		got, err := keytoken.Open(v.token, *device, host.Certificate, v.expect)
		if !errors.Is(err, v.want) || (v.want == nil) != (string(got.Value) == string(key)) {
			t.Errorf("%s: %q, %v, want %v", v.name, got.Value, err, v.want)
		}
		if v.want == nil && v.name != "older scheme" && got.Header != header {
			t.Errorf("%s: header %q", v.name, got.Header)
		}
	}
}

func FuzzOpen(f *testing.F) {
	ca := party(f, "CA", 1, nil)
	host, device := party(f, "KDH", 2, ca), party(f, "KRD", 3, ca)
	der, err := keytoken.Seal(rand.Reader, *host, device.Certificate, []byte("0123456789abcdef"), "D0256K0AB00E0000", nil, epoch)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(der)
	f.Fuzz(func(t *testing.T, token []byte) {
		got, err := keytoken.Open(token, *device, host.Certificate, keytoken.Expect{})
		if (err == nil) != (string(got.Value) == "0123456789abcdef") {
			t.Fatalf("%q, %v", got.Value, err)
		}
	})
}
