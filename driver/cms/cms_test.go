package cms_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"os"
	"testing"

	"github.com/plomb-pos/plomb/driver/cms"
)

// The files of testdata were made by OpenSSL 3.0 for the key there.
func file(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func host(t testing.TB) (*x509.Certificate, *rsa.PrivateKey) {
	t.Helper()
	b, _ := pem.Decode(file(t, "cert.pem"))
	cert, err := x509.ParseCertificate(b.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	b, _ = pem.Decode(file(t, "key.pem"))
	key, err := x509.ParsePKCS8PrivateKey(b.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return cert, key.(*rsa.PrivateKey)
}

func TestWhatOpenSSLSignedVerifies(t *testing.T) {
	cert, key := host(t)
	for _, name := range []string{"signed.der", "pss.der", "sha1-noattr.der"} {
		s, err := cms.ParseSigned(file(t, name))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err := s.Verify(&key.PublicKey); err != nil || string(s.Content) != "the content" || !s.Signer.Is(cert) || len(s.Certificates) != 1 {
			t.Errorf("%s: %v, content %q, signer %v", name, err, s.Content, s.Signer)
		}
	}
}

func TestAChangedByteNeverVerifies(t *testing.T) {
	_, key := host(t)
	der := file(t, "signed.der")
	good, err := cms.ParseSigned(der)
	if err != nil {
		t.Fatal(err)
	}
	for i := range der {
		changed := bytes.Clone(der)
		changed[i] ^= 1
		s, err := cms.ParseSigned(changed)
		if err != nil || s.Verify(&key.PublicKey) != nil {
			continue
		}
		if !bytes.Equal(s.Content, good.Content) || !s.Type.Equal(good.Type) {
			t.Fatalf("byte %d changed the content and verifies", i)
		}
	}
}

func TestWhatOpenSSLEnvelopedOpens(t *testing.T) {
	cert, key := host(t)
	for _, name := range []string{"oaep.der", "pkcs1.der"} {
		e, err := cms.ParseEnveloped(file(t, name))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if plain, err := e.Open(key); err != nil || string(plain) != "the content" || !e.Recipient.Is(cert) {
			t.Errorf("%s: %q, %v", name, plain, err)
		}
	}
}

func TestCertificatesTravelAlone(t *testing.T) {
	cert, _ := host(t)
	ours, err := cms.Certificates([]*x509.Certificate{cert})
	if err != nil {
		t.Fatal(err)
	}
	for name, der := range map[string][]byte{"OpenSSL's": file(t, "certificates.der"), "ours": ours} {
		s, err := cms.ParseSigned(der)
		if err != nil || len(s.Certificates) != 1 || !s.Certificates[0].Equal(cert) || s.Content != nil {
			t.Errorf("%s: %+v, %v", name, s, err)
			continue
		}
		if err := s.Verify(cert.PublicKey.(*rsa.PublicKey)); !errors.Is(err, cms.ErrSignature) {
			t.Errorf("%s verifies without a signature: %v", name, err)
		}
	}
}

func TestWhatIsSignedAndEnvelopedComesBack(t *testing.T) {
	cert, key := host(t)
	inner, err := cms.Envelop(rand.Reader, &key.PublicKey, cms.IdentityOf(cert), []byte("a key"))
	if err != nil {
		t.Fatal(err)
	}
	der, err := cms.Sign(rand.Reader, key, cms.IdentityOf(cert), cms.EnvelopedData, inner, []cms.Attribute{cms.OctetString(cms.RandomNonce, []byte("12345678"))})
	if err != nil {
		t.Fatal(err)
	}
	s, err := cms.ParseSigned(der)
	if err != nil || s.Verify(&key.PublicKey) != nil || string(s.Attribute(cms.RandomNonce)) != "12345678" {
		t.Fatalf("%+v, %v", s, err)
	}
	e, err := cms.ParseEnveloped(s.Content)
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := e.Open(key); err != nil || string(plain) != "a key" {
		t.Errorf("%q, %v", plain, err)
	}
}

func TestADigestIsThatOfTheContent(t *testing.T) {
	der, err := cms.Digest([]byte("abc"))
	if err != nil {
		t.Fatal(err)
	}
	var info struct {
		Type    asn1.ObjectIdentifier
		Content asn1.RawValue `asn1:"explicit,tag:0"`
	}
	sha := []byte{0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea} // FIPS 180-2, B.1
	if _, err := asn1.Unmarshal(der, &info); err != nil || !info.Type.Equal(cms.DigestedData) || !bytes.Contains(der, sha) {
		t.Errorf("%x, %v", der, err)
	}
}

func FuzzParse(f *testing.F) {
	for _, name := range []string{"signed.der", "sha1-noattr.der", "oaep.der", "certificates.der"} {
		f.Add(file(f, name))
	}
	cert, key := host(f)
	f.Fuzz(func(t *testing.T, der []byte) {
		if s, err := cms.ParseSigned(der); err == nil && s.Verify(&key.PublicKey) == nil && string(s.Content) != "the content" {
			t.Fatalf("another content verifies: %x", s.Content)
		}
		if _, err := cms.ParseInnerSigned(der); err == nil {
			return
		}
		if e, err := cms.ParseEnveloped(der); err == nil && e.Recipient.Is(cert) {
			_, _ = e.Open(key)
		}
	})
}
