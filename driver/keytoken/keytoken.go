// Package keytoken is remote key loading by certificates: the tokens in which a
// key host (KDH) gives a device (KRD) its first symmetric key, as ASC X9 TR-34:2019
// has them and as XFS4IoT's KeyManagement.ImportKeyToken takes them.
//
// A token is CMS signed data over enveloped data: the host signs, the device alone
// can read. Against replay the host signs the device's random number (two passes)
// or the time (one pass). Inside stands the host's identity, the key, and the header
// of a key block that binds the key to its use; the same header is signed outside,
// and Open refuses a token in which the two differ, or in which the identity is not
// the signer's.
//
// Tokens of the older scheme, without identity and header inside, are opened too:
// their content is the key itself and its use comes with the command.
//
// Signatures, attributes and structures were checked against the samples of TR-34
// annex B, which are under copyright and not part of this repository. The enciphered
// keys of those samples use two different hash functions in one OAEP; they open
// neither here nor with OpenSSL.
//
//	key, err := keytoken.Open(der, keytoken.Device{Certificate: cert, Key: private}, host, keytoken.Expect{Random: r})
package keytoken

import (
	"bytes"
	"crypto/rsa"
	"crypto/subtle"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/plomb-pos/plomb/driver/cms"
)

// Errors of Open.
var (
	ErrFormat    = errors.New("not a key token")
	ErrSigner    = errors.New("the token is not signed by the host that is bound")
	ErrRecipient = errors.New("the token is for another device")
	ErrRandom    = errors.New("the token does not answer the device's random number")
	ErrContent   = errors.New("what the token encloses contradicts what is signed")
	ErrRevoked   = errors.New("the host's certificate is revoked, or the list that says so is missing or not the authority's")
)

// Device is who opens a token.
type Device struct {
	Certificate *x509.Certificate
	Key         *rsa.PrivateKey
}

// Host is who makes a token.
type Host = Device

// Expect is what a token must show besides a good signature.
type Expect struct {
	Random    []byte            // the number the device gave; nil: a signing time instead
	Authority *x509.Certificate // whose revocation list must come along; nil: none is asked for
}

// Key is what a token carried.
type Key struct {
	Value  []byte // the caller's to clear
	Header string // of a key block; "" in the older scheme
}

type keyBlock struct {
	Version int
	Host    cms.Identity
	Value   []byte
	Header  struct {
		Type   asn1.ObjectIdentifier
		Values []asn1.RawValue `asn1:"set"`
	}
}

// Open checks a token and gives its key.
func Open(der []byte, d Device, host *x509.Certificate, want Expect) (Key, error) {
	s, err := cms.ParseSigned(der)
	if err != nil {
		return Key{}, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if err := checkSigner(s, host); err != nil {
		return Key{}, err
	}
	if err := want.check(s, host); err != nil {
		return Key{}, err
	}
	e, err := cms.ParseEnveloped(s.Content)
	if err != nil || !s.Type.Equal(cms.EnvelopedData) {
		return Key{}, fmt.Errorf("%w: enveloped data", ErrFormat)
	}
	if !e.Recipient.Is(d.Certificate) {
		return Key{}, ErrRecipient
	}
	plain, err := e.Open(d.Key)
	if err != nil {
		return Key{}, fmt.Errorf("%w: %w", ErrContent, err)
	}
	defer clear(plain)
	return enclosed(plain, s, host)
}

func checkSigner(s *cms.Signed, host *x509.Certificate) error {
	if s.Signer == nil || !s.Signer.Is(host) {
		return ErrSigner
	}
	key, ok := host.PublicKey.(*rsa.PublicKey)
	if !ok {
		return ErrSigner
	}
	if err := s.Verify(key); err != nil {
		return fmt.Errorf("%w: %w", ErrSigner, err)
	}
	return nil
}

// check compares the random number, in constant time, and the revocation list.
func (w Expect) check(s *cms.Signed, host *x509.Certificate) error {
	if w.Random != nil && subtle.ConstantTimeCompare(s.Attribute(cms.RandomNonce), w.Random) != 1 {
		return ErrRandom
	}
	if w.Random == nil && s.Attribute(cms.SigningTime) == nil {
		return fmt.Errorf("%w: no signing time", ErrRandom)
	}
	if w.Authority == nil {
		return nil
	}
	return notRevoked(s.Revoked, w.Authority, host)
}

// notRevoked asks for a list that the authority signed and that does not name the
// host. A device without a clock cannot judge a list's age.
func notRevoked(lists []*x509.RevocationList, authority, host *x509.Certificate) error {
	signed := false
	for _, list := range lists {
		if list.CheckSignatureFrom(authority) != nil {
			continue
		}
		signed = true
		for _, r := range list.RevokedCertificateEntries {
			if r.SerialNumber.Cmp(host.SerialNumber) == 0 {
				return ErrRevoked
			}
		}
	}
	if !signed {
		return ErrRevoked
	}
	return nil
}

// enclosed reads the key and compares what stands beside it with what is signed.
func enclosed(plain []byte, s *cms.Signed, host *x509.Certificate) (Key, error) {
	outside := s.Attribute(cms.Data)
	var b keyBlock
	rest, err := asn1.Unmarshal(plain, &b)
	if outside == nil && err != nil {
		return Key{Value: bytes.Clone(plain)}, nil
	}
	if err != nil || len(rest) > 0 || len(b.Header.Values) != 1 || !b.Header.Type.Equal(cms.Data) {
		return Key{}, ErrContent
	}
	defer clear(b.Value)
	if !b.Host.Is(host) || !bytes.Equal(b.Header.Values[0].Bytes, outside) {
		return Key{}, ErrContent
	}
	return Key{Value: bytes.Clone(b.Value), Header: string(outside)}, nil
}

// Seal makes a token: the host's side, for hosts and for tests. With a header it has
// the form of TR-34, without one that of the older scheme. random nil stands for the
// one-pass protocol, whose token shows now instead.
func Seal(source io.Reader, host Host, device *x509.Certificate, key []byte, header string, random []byte, now time.Time, lists ...*x509.RevocationList) ([]byte, error) {
	public, ok := device.PublicKey.(*rsa.PublicKey)
	if !ok {
		return nil, fmt.Errorf("the device's certificate has no RSA key: %w", ErrRecipient)
	}
	plain, err := enclose(host, key, header)
	if err != nil {
		return nil, err
	}
	defer clear(plain)
	enveloped, err := cms.Envelop(source, public, cms.IdentityOf(device), plain)
	if err != nil {
		return nil, err
	}
	attributes, err := shown(header, random, now)
	if err != nil {
		return nil, err
	}
	return cms.Sign(source, host.Key, cms.IdentityOf(host.Certificate), cms.EnvelopedData, enveloped, attributes, lists...)
}

func enclose(host Host, key []byte, header string) ([]byte, error) {
	if header == "" {
		return bytes.Clone(key), nil
	}
	b := keyBlock{Version: 1, Host: cms.IdentityOf(host.Certificate), Value: key}
	b.Header.Type = cms.Data
	b.Header.Values = []asn1.RawValue{{Tag: asn1.TagOctetString, Bytes: []byte(header)}}
	return asn1.Marshal(b)
}

func shown(header string, random []byte, now time.Time) ([]cms.Attribute, error) {
	var out []cms.Attribute
	if header != "" {
		out = append(out, cms.OctetString(cms.Data, []byte(header)))
	}
	if random != nil {
		return append(out, cms.OctetString(cms.RandomNonce, random)), nil
	}
	der, err := asn1.Marshal(now.UTC())
	return append(out, cms.Attribute{Type: cms.SigningTime, Value: asn1.RawValue{FullBytes: der}}), err
}
