package emvkey_test

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"math/big"
	"strings"
	"testing"

	"github.com/plomb-pos/plomb/driver/emvkey"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// visa99 is Visa's published test key 99 with its check sum.
const visa99 = "A000000003 99 01 01" +
	"AB79FCC9520896967E776E64444E5DCDD6E13611874F3985722520425295EEA4BD0C2781DE7F31CD3D041F565F747306EED62954B17EDABA3A6C5B85A1DE1BEB9A34141AF38FCF8279C9DEA0D5A6710D08DB4124F041945587E20359BAB47B7575AD94262D4B25F264AF33DEDCF28E09615E937DE32EDC03C54445FE7E382777" +
	"03 4ABFFD6B1C51212D05552E431C5B17007D2F5E6D"

func TestAPublishedKeyFitsItsCheckSum(t *testing.T) {
	table := unhex(t, visa99)
	a, err := emvkey.Checksum(table)
	if err != nil || a.Index != 0x99 || a.Key.E != 3 || a.Key.N.BitLen() != 1024 {
		t.Fatalf("%+v, %v", a, err)
	}
	for i := range table {
		changed := bytes.Clone(table)
		changed[i] ^= 1
		if _, err := emvkey.Checksum(changed); err == nil {
			t.Fatalf("byte %d changed and the key was taken", i)
		}
	}
}

func pair(t testing.TB) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// certify makes an EMV certificate: the recovered data under the signer's key.
func certify(by *rsa.PrivateKey, format byte, holder string, key *rsa.PublicKey, static []byte) (cert, remainder []byte) {
	number, _ := hex.DecodeString(holder)
	modulus := key.N.Bytes()
	head := append([]byte{0x6a, format}, number...)
	head = append(head, 0x12, 0x31, 0, 0, 1, 1, 1, byte(len(modulus)), 3)
	room := by.Size() - len(head) - 21
	data := append(head, modulus[:room]...)
	remainder = modulus[room:]
	h := sha1.New()
	for _, p := range [][]byte{data[1:], remainder, {1, 0, 1}, static} {
		h.Write(p)
	}
	data = append(h.Sum(data), 0xbc)
	m := new(big.Int).SetBytes(data)
	return m.Exp(m, by.D, by.N).FillBytes(make([]byte, by.Size())), remainder
}

func fields(parts ...[]byte) []byte {
	var out []byte
	for _, p := range parts {
		out = append(append(out, byte(len(p))), p...)
	}
	return out
}

func TestIssuerAndCardKeysAreRecovered(t *testing.T) {
	ca, issuer, card := pair(t), pair(t), pair(t)
	exponent, pan := []byte{1, 0, 1}, unhex(t, "5413330089010442")
	cert, remainder := certify(ca, 2, "541333ff", &issuer.PublicKey, nil)
	value := fields(exponent, cert, remainder, pan)
	got, expiry, err := emvkey.Issuer(&ca.PublicKey, value)
	if err != nil || !got.Equal(&issuer.PublicKey) || expiry != "1231" {
		t.Fatalf("issuer: %v, %s, %v", got, expiry, err)
	}
	if _, _, err := emvkey.Issuer(&ca.PublicKey, fields(exponent, cert, remainder, unhex(t, "4013330089010442"))); !errors.Is(err, emvkey.ErrVerify) {
		t.Errorf("issuer of another number: %v", err)
	}
	static := []byte("static data")
	cert, remainder = certify(issuer, 4, "5413330089010442ffff", &card.PublicKey, static)
	value = fields(exponent, cert, remainder, static, pan)
	if got, _, err := emvkey.Card(got, value); err != nil || !got.Equal(&card.PublicKey) {
		t.Fatalf("card: %v, %v", got, err)
	}
	for i := range value {
		changed := bytes.Clone(value)
		changed[i] ^= 1
		if _, _, err := emvkey.Card(&issuer.PublicKey, changed); err == nil {
			t.Fatalf("byte %d changed and the key was taken", i)
		}
	}
}

func TestASignedAuthorityIsTaken(t *testing.T) {
	by := pair(t)
	value := append(unhex(t, visa99), "8 random"...)
	digest := sha1.Sum(value)
	signature, err := rsa.SignPKCS1v15(rand.Reader, by, crypto.SHA1, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	if a, err := emvkey.Signed(&by.PublicKey, append(value, signature...)); err != nil || a.Index != 0x99 {
		t.Errorf("%+v, %v", a, err)
	}
	signature[5] ^= 1
	if _, err := emvkey.Signed(&by.PublicKey, append(value, signature...)); !errors.Is(err, emvkey.ErrVerify) {
		t.Errorf("with a changed signature: %v", err)
	}
}

func TestAPlainKeyIsTaken(t *testing.T) {
	key := &pair(t).PublicKey
	if got, err := emvkey.Plain(x509.MarshalPKCS1PublicKey(key)); err != nil || !got.Equal(key) {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := emvkey.Plain([]byte("no key")); !errors.Is(err, emvkey.ErrFormat) {
		t.Errorf("no key: %v", err)
	}
}

func TestACardDeciphersItsPIN(t *testing.T) {
	card, block, challenge := pair(t), unhex(t, "241234ffffffffff"), []byte("12345678")
	out, err := emvkey.EncipherPIN(rand.Reader, &card.PublicKey, block, challenge)
	if err != nil {
		t.Fatal(err)
	}
	m := new(big.Int).SetBytes(out)
	plain := m.Exp(m, card.D, card.N).FillBytes(make([]byte, card.Size()))
	if want := append(append([]byte{0x7f}, block...), challenge...); !bytes.HasPrefix(plain, want) {
		t.Errorf("the card sees %x", plain)
	}
}

func FuzzCertificates(f *testing.F) {
	ca, issuer := pair(f), pair(f)
	cert, remainder := certify(ca, 2, "541333ff", &issuer.PublicKey, nil)
	f.Add(fields([]byte{1, 0, 1}, cert, remainder, unhex(f, "5413330089010442")))
	f.Add(unhex(f, visa99))
	f.Fuzz(func(t *testing.T, value []byte) {
		if key, _, err := emvkey.Issuer(&ca.PublicKey, value); err == nil && !key.Equal(&issuer.PublicKey) {
			t.Fatalf("another key was taken: %v", key)
		}
		_, _, _ = emvkey.Card(&ca.PublicKey, value)
		_, _ = emvkey.Checksum(value)
		_, _ = emvkey.Signed(&ca.PublicKey, value)
		_, _ = emvkey.Plain(value)
	})
}
