// Package emvkey imports the RSA public keys of chip cards and their issuers, as
// EMV book 2 (security and key management) certifies them, and enciphers a PIN for
// a card under such a key.
//
// A payment system's key comes in clear, with a check sum, or signed by a key that
// is there already; an issuer's is recovered from its certificate under the payment
// system's key, a card's under its issuer's. Each function takes the bytes that
// XFS4IoT's KeyManagement.ImportEmvPublicKey describes for its scheme. Everything in
// a certificate is checked: header, format, trailer, hash, algorithm, lengths, and
// the account number it was made for. Expiry dates are returned, not judged: a PIN
// pad has no clock to trust.
//
// The self-signed scheme of Europay (EPI CA) has no public description and is not
// here. EMV's own padding is RSA without randomness; use these keys for EMV alone.
//
//	key, expiry, err := emvkey.Issuer(ca, value)
package emvkey

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha1" // EMV book 2, annex B2.1: the only hash algorithm
	"crypto/subtle"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/big"
	"strings"
)

// Errors of the imports.
var (
	ErrFormat = errors.New("not the data of this import scheme")
	ErrVerify = errors.New("the key does not verify")
)

// The least and greatest modulus in bytes: EMV book 2, 11.1, and the smallest that
// Go's RSA takes without asking.
const (
	minModulus = 128
	maxModulus = 248
)

func public(modulus, exponent []byte) (*rsa.PublicKey, error) {
	e := new(big.Int).SetBytes(exponent)
	n := new(big.Int).SetBytes(modulus)
	size := (n.BitLen() + 7) / 8
	if !e.IsInt64() || e.Int64() != 3 && e.Int64() != 65537 || size < minModulus || size > maxModulus || n.Bit(0) == 0 {
		return nil, fmt.Errorf("modulus of %d bytes: %w", size, ErrFormat)
	}
	return &rsa.PublicKey{N: n, E: int(e.Int64())}, nil
}

// Plain reads a key in clear (plainCA): PKCS#1 in DER. Nothing is verified.
func Plain(der []byte) (*rsa.PublicKey, error) {
	key, err := x509.ParsePKCS1PublicKey(der)
	if err != nil {
		return nil, ErrFormat
	}
	return public(key.N.Bytes(), big.NewInt(int64(key.E)).Bytes())
}

// Authority is a payment system's key with what names it.
type Authority struct {
	RID   [5]byte // registered application provider
	Index byte
	Key   *rsa.PublicKey
}

// Checksum reads a payment system's key with its check sum (checksumCA): provider,
// index, hash and key algorithm, modulus, exponent and the SHA-1 of provider, index,
// modulus and exponent (EMV book 2, 10.2). The data do not say where the exponent
// begins: the check sum decides.
func Checksum(table []byte) (Authority, error) {
	if len(table) < 8+minModulus+1+sha1.Size {
		return Authority{}, ErrFormat
	}
	if table[6] != 1 || table[7] != 1 {
		return Authority{}, fmt.Errorf("algorithms %02x %02x: %w", table[6], table[7], ErrFormat)
	}
	body, sum := table[8:len(table)-sha1.Size], table[len(table)-sha1.Size:]
	if !sameHash(sum, table[:6], body) {
		return Authority{}, ErrVerify
	}
	a := Authority{RID: [5]byte(table[:5]), Index: table[5]}
	var err error
	a.Key, err = split(body)
	return a, err
}

// split finds the exponent, 3 or 65537, at the end.
func split(body []byte) (*rsa.PublicKey, error) {
	for _, exponent := range [][]byte{{1, 0, 1}, {3}} {
		if modulus, ok := bytes.CutSuffix(body, exponent); ok {
			return public(modulus, exponent)
		}
	}
	return nil, ErrFormat
}

// Signed reads a payment system's key (pkcsV1_5_CA): the data of Checksum, 8 random
// bytes, and a PKCS#1 v1.5 signature with SHA-1 over both by a key that is there.
func Signed(by *rsa.PublicKey, value []byte) (Authority, error) {
	cut := len(value) - by.Size()
	if cut < 8 {
		return Authority{}, ErrFormat
	}
	digest := sha1.Sum(value[:cut])
	if rsa.VerifyPKCS1v15(by, crypto.SHA1, digest[:], value[cut:]) != nil {
		return Authority{}, ErrVerify
	}
	return Checksum(value[:cut-8])
}

// Issuer recovers an issuer's key from its certificate under a payment system's key
// (EMV book 2, 6.3), with its expiry date as MMYY.
func Issuer(ca *rsa.PublicKey, value []byte) (*rsa.PublicKey, string, error) {
	f := fields{rest: value}
	exponent, cert, remainder, pan := f.next(), f.next(), f.next(), f.next()
	if f.bad || len(f.rest) > 0 {
		return nil, "", ErrFormat
	}
	c, err := recoverKey(ca, issuerLayout, cert, remainder, exponent, nil)
	if err != nil {
		return nil, "", err
	}
	id := strings.TrimRight(hex.EncodeToString(c.holder), "f")
	if len(id) < 3 || !strings.HasPrefix(digits(pan), id) {
		return nil, "", fmt.Errorf("issuer of another account number: %w", ErrVerify)
	}
	return c.key, c.expiry, nil
}

// Card recovers a card's key, or its key for PIN encipherment, from its certificate
// under its issuer's key (EMV book 2, 6.4 and 7.1), with its expiry date as MMYY.
func Card(issuer *rsa.PublicKey, value []byte) (*rsa.PublicKey, string, error) {
	f := fields{rest: value}
	exponent, cert, remainder, static, pan := f.next(), f.next(), f.next(), f.next(), f.next()
	if f.bad || len(f.rest) > 0 {
		return nil, "", ErrFormat
	}
	c, err := recoverKey(issuer, cardLayout, cert, remainder, exponent, static)
	if err != nil {
		return nil, "", err
	}
	if digits(c.holder) != digits(pan) {
		return nil, "", fmt.Errorf("certificate of another account number: %w", ErrVerify)
	}
	return c.key, c.expiry, nil
}

// digits are those of a compressed number, without the padding F.
func digits(compressed []byte) string {
	return strings.TrimRight(hex.EncodeToString(compressed), "f")
}

// fields reads values with a length of one byte before each.
type fields struct {
	rest []byte
	bad  bool
}

func (f *fields) next() []byte {
	if len(f.rest) == 0 || len(f.rest) < 1+int(f.rest[0]) {
		f.bad = true
		return nil
	}
	n := 1 + int(f.rest[0])
	out := f.rest[1:n]
	f.rest = f.rest[n:]
	return out
}

// layout is where things stand in a recovered certificate.
type layout struct {
	format byte
	holder int // bytes of the holder's number
}

var (
	issuerLayout = layout{2, 4}
	cardLayout   = layout{4, 10}
)

type certificate struct {
	holder []byte
	expiry string
	key    *rsa.PublicKey
}

// recoverKey opens a certificate and checks it in the order of the book.
func recoverKey(by *rsa.PublicKey, l layout, cert, remainder, exponent, static []byte) (*certificate, error) {
	data, err := raw(by, cert)
	if err != nil {
		return nil, err
	}
	n, head := len(data), 2+l.holder+9
	if n < head+21 || data[0] != 0x6a || data[1] != l.format || data[n-1] != 0xbc {
		return nil, fmt.Errorf("certificate: %w", ErrVerify)
	}
	if !sameHash(data[n-21:n-1], data[1:n-21], remainder, exponent, static) {
		return nil, fmt.Errorf("hash of the certificate: %w", ErrVerify)
	}
	at := data[2+l.holder:]
	if at[5] != 1 || at[6] != 1 || int(at[8]) != len(exponent) {
		return nil, fmt.Errorf("algorithms of the certificate: %w", ErrVerify)
	}
	modulus := append(bytes.Clone(data[head:n-21]), remainder...)
	length := int(at[7])
	if length > len(modulus) || len(bytes.Trim(modulus[length:], "\xbb")) > 0 {
		return nil, fmt.Errorf("length of the key: %w", ErrVerify)
	}
	key, err := public(modulus[:length], exponent)
	return &certificate{holder: data[2 : 2+l.holder], expiry: hex.EncodeToString(at[:2]), key: key}, err
}

func sameHash(want []byte, parts ...[]byte) bool {
	h := sha1.New()
	for _, p := range parts {
		h.Write(p) // a hash never fails
	}
	return subtle.ConstantTimeCompare(want, h.Sum(nil)) == 1
}

// raw is RSA alone: data to the power of the exponent, as long as the modulus.
func raw(key *rsa.PublicKey, data []byte) ([]byte, error) {
	x := new(big.Int).SetBytes(data)
	if len(data) != key.Size() || x.Cmp(key.N) >= 0 {
		return nil, fmt.Errorf("length: %w", ErrVerify)
	}
	return x.Exp(x, big.NewInt(int64(key.E)), key.N).FillBytes(make([]byte, key.Size())), nil
}

// EncipherPIN makes what a card deciphers for an offline PIN check (EMV book 2, 7.2):
// 7F, the PIN block of 8 bytes, the card's challenge of 8 bytes, random padding; all
// under the card's key. The block is cleared by its owner.
func EncipherPIN(random io.Reader, key *rsa.PublicKey, block, challenge []byte) ([]byte, error) {
	if len(block) != 8 || len(challenge) != 8 || key.Size() < 17 {
		return nil, ErrFormat
	}
	data := make([]byte, key.Size())
	defer clear(data)
	if _, err := io.ReadFull(random, data[17:]); err != nil {
		return nil, fmt.Errorf("random padding: %w", err)
	}
	data[0] = 0x7f
	copy(data[1:], block)
	copy(data[9:], challenge)
	return raw(key, data)
}
