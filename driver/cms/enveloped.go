package cms

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/asn1"
	"fmt"
	"hash"
	"io"

	"github.com/plomb-pos/plomb/driver/symmetric"
)

// Enveloped is content enciphered for one recipient.
type Enveloped struct {
	Recipient Identity

	key     []byte // enciphered
	oaep    hash.Hash
	cipher  contentCipher
	iv      []byte
	content []byte
}

type contentCipher struct {
	oid       asn1.ObjectIdentifier
	algorithm symmetric.Algorithm
	size      int // of the key
}

var ciphers = []contentCipher{
	{oidTDESCBC, symmetric.TDES, 24}, {oidAES128CBC, symmetric.AES, 16}, {oidAES256CBC, symmetric.AES, 32},
}

type envelopedData struct {
	Version    int
	Recipients []recipientInfo `asn1:"set"`
	Content    struct {
		Type      asn1.ObjectIdentifier
		Algorithm algorithm
		Content   []byte `asn1:"tag:0"`
	}
}

type recipientInfo struct {
	Version   int
	ID        Identity
	Algorithm algorithm
	Key       []byte
}

type oaepParameters struct {
	Hash algorithm `asn1:"explicit,optional,tag:0"`
	MGF  algorithm `asn1:"explicit,optional,tag:1"`
}

// ParseEnveloped reads enveloped data: a ContentInfo, or the content of another
// message.
func ParseEnveloped(der []byte) (*Enveloped, error) {
	inner, err := unwrap(der, EnvelopedData, false)
	if err != nil {
		inner = sequence(der)
	}
	var ed envelopedData
	rest, err := asn1.Unmarshal(inner, &ed)
	if err != nil || len(rest) > 0 || len(ed.Recipients) != 1 {
		return nil, fmt.Errorf("enveloped data: %w", ErrFormat)
	}
	r := ed.Recipients[0]
	e := &Enveloped{Recipient: r.ID, key: r.Key, content: ed.Content.Content}
	if err := e.transport(r.Algorithm); err != nil {
		return nil, err
	}
	return e, e.bulk(ed.Content.Algorithm)
}

// transport reads how the content's key is enciphered.
func (e *Enveloped) transport(a algorithm) error {
	switch {
	case a.Algorithm.Equal(oidRSA):
		return nil
	case !a.Algorithm.Equal(oidOAEP):
		return fmt.Errorf("key transport: %w", ErrAlgorithm)
	}
	e.oaep = sha1.New() // the default of RFC 8017, A.2.1
	if bytes.Contains(a.Parameters.FullBytes, mustOID(oidSHA256)) {
		e.oaep = sha256.New()
	}
	return nil
}

// mustOID is the DER of an identifier that is known to encode.
func mustOID(oid asn1.ObjectIdentifier) []byte {
	der, err := asn1.Marshal(oid)
	if err != nil {
		return nil
	}
	return der
}

func (e *Enveloped) bulk(a algorithm) error {
	for _, c := range ciphers {
		if c.oid.Equal(a.Algorithm) && a.Parameters.Tag == asn1.TagOctetString && len(a.Parameters.Bytes) == c.algorithm.BlockSize() {
			e.cipher, e.iv = c, a.Parameters.Bytes
			return nil
		}
	}
	return fmt.Errorf("content encryption: %w", ErrAlgorithm)
}

// Open deciphers the content. Wrong keys and damaged padding of the key are not
// told apart, and take the same way as right ones (against Bleichenbacher).
func (e *Enveloped) Open(key *rsa.PrivateKey) ([]byte, error) {
	session := make([]byte, e.cipher.size)
	if _, err := rand.Read(session); err != nil {
		return nil, fmt.Errorf("random session key: %w", err)
	}
	defer clear(session)
	if err := e.session(key, session); err != nil {
		return nil, err
	}
	plain, err := symmetric.Decrypt(e.cipher.algorithm, symmetric.CBC, session, e.iv, e.content)
	if err != nil {
		return nil, ErrDecipher
	}
	return unpad(plain, e.cipher.algorithm.BlockSize())
}

// session deciphers the content's key into a buffer of random bytes.
func (e *Enveloped) session(key *rsa.PrivateKey, into []byte) error {
	if e.oaep == nil {
		//lint:ignore SA1019 old key hosts know no other, and this is the call that hides what failed
		if err := rsa.DecryptPKCS1v15SessionKey(nil, key, e.key, into); err != nil {
			return ErrDecipher
		}
		return nil
	}
	out, err := rsa.DecryptOAEP(e.oaep, nil, key, e.key, nil)
	if err != nil {
		return ErrDecipher
	}
	defer clear(out)
	if len(out) == 16 && len(into) == 24 { // triple DES of double length
		out = append(out, out[:8]...)
	}
	if len(out) != len(into) {
		return ErrDecipher
	}
	copy(into, out)
	return nil
}

// unpad takes the padding of RFC 5652, 6.3 off.
func unpad(plain []byte, size int) ([]byte, error) {
	if len(plain) == 0 {
		return nil, ErrDecipher
	}
	n := int(plain[len(plain)-1])
	if n < 1 || n > size || n > len(plain) {
		return nil, ErrDecipher
	}
	want := bytes.Repeat([]byte{byte(n)}, n)
	if subtle.ConstantTimeCompare(plain[len(plain)-n:], want) != 1 {
		return nil, ErrDecipher
	}
	return plain[:len(plain)-n], nil
}

// Envelop makes enveloped data (without ContentInfo, to stand inside signed data):
// AES-128-CBC under a fresh key, which travels under RSAES-OAEP with SHA-256.
func Envelop(random io.Reader, key *rsa.PublicKey, recipient Identity, content []byte) ([]byte, error) {
	fresh := make([]byte, 32) // key and initial value
	if _, err := io.ReadFull(random, fresh); err != nil {
		return nil, fmt.Errorf("random session key: %w", err)
	}
	defer clear(fresh)
	missing := 16 - len(content)%16
	plain := append(bytes.Clone(content), bytes.Repeat([]byte{byte(missing)}, missing)...)
	defer clear(plain)
	sealed, err := symmetric.Encrypt(symmetric.AES, symmetric.CBC, fresh[:16], fresh[16:], plain)
	if err != nil {
		return nil, fmt.Errorf("encipher content: %w", err)
	}
	transported, err := rsa.EncryptOAEP(sha256.New(), random, key, fresh[:16], nil)
	if err != nil {
		return nil, fmt.Errorf("encipher session key: %w", err)
	}
	return envelope(recipient, transported, fresh[16:], sealed)
}

func envelope(recipient Identity, key, iv, sealed []byte) ([]byte, error) {
	parameters, err := oaepSHA256()
	if err != nil {
		return nil, err
	}
	ed := envelopedData{Recipients: []recipientInfo{{ID: recipient, Algorithm: algorithm{oidOAEP, parameters}, Key: key}}}
	ed.Content.Type = Data
	ed.Content.Algorithm = algorithm{oidAES128CBC, asn1.RawValue{Tag: asn1.TagOctetString, Bytes: bytes.Clone(iv)}}
	ed.Content.Content = sealed
	return asn1.Marshal(ed)
}

func oaepSHA256() (asn1.RawValue, error) {
	sha := algorithm{oidSHA256, null}
	inner, err := asn1.Marshal(sha)
	if err != nil {
		return asn1.RawValue{}, fmt.Errorf("encode OAEP parameters: %w", err)
	}
	der, err := asn1.Marshal(oaepParameters{Hash: sha, MGF: algorithm{oidMGF1, asn1.RawValue{FullBytes: inner}}})
	return asn1.RawValue{FullBytes: der}, err
}
