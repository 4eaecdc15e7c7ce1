// Package cms is the part of PKCS#7 and its successor CMS (RFC 5652) that key
// hosts and encrypting PIN pads speak: signed data with one signer, certificates
// and revocation lists that travel in it, enveloped data for one RSA recipient, and
// digests.
//
// Parse functions take DER and refuse what follows it. A signature is verified
// against a public key that the caller has reason to trust; certificates inside a
// message are given to the caller and never trusted by themselves. RSA with SHA-1
// is verified for old hosts and never made. Content that is deciphered but not
// signed proves nothing: sign outside, envelop inside.
//
// It knows no attribute certificates, no counter signatures, no elliptic curves and
// no streaming; Go's standard library does the RSA, AES and ASN.1.
//
//	s, err := cms.ParseSigned(der)
//	err = s.Verify(host.PublicKey.(*rsa.PublicKey))
//	use(s.Content)
package cms

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	_ "crypto/sha1" // registered for signatures of old hosts
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"
	"math/big"
	"slices"
)

// Errors of Parse, Verify and Open.
var (
	ErrFormat    = errors.New("not the DER of this kind of message")
	ErrSignature = errors.New("the signature does not fit")
	ErrAlgorithm = errors.New("the message names an algorithm that is not served")
	ErrDecipher  = errors.New("the content cannot be deciphered")
)

// Object identifiers of contents and attributes (RFC 5652, 11; PKCS#9; TR-34).
var (
	Data          = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}
	SignedData    = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}
	EnvelopedData = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 3}
	DigestedData  = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 5}

	ContentType   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 3}
	MessageDigest = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 4}
	SigningTime   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 5}
	RandomNonce   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 25, 3}
)

var (
	oidSHA1      = asn1.ObjectIdentifier{1, 3, 14, 3, 2, 26}
	oidSHA256    = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}
	oidRSA       = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}
	oidSHA1RSA   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 5}
	oidOAEP      = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 7}
	oidMGF1      = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 8}
	oidPSS       = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 10}
	oidSHA256RSA = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 11}
	oidTDESCBC   = asn1.ObjectIdentifier{1, 2, 840, 113549, 3, 7}
	oidAES128CBC = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 2}
	oidAES256CBC = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 42}
)

type algorithm struct {
	Algorithm  asn1.ObjectIdentifier
	Parameters asn1.RawValue `asn1:"optional"`
}

var null = asn1.RawValue{Tag: asn1.TagNull}

// Identity names a certificate by its issuer and serial number.
type Identity struct {
	Issuer asn1.RawValue
	Serial *big.Int
}

// IdentityOf is the identity of a certificate.
func IdentityOf(c *x509.Certificate) Identity {
	return Identity{Issuer: asn1.RawValue{FullBytes: c.RawIssuer}, Serial: c.SerialNumber}
}

// DER is the identity as IssuerAndSerialNumber.
func (i Identity) DER() ([]byte, error) { return asn1.Marshal(i) }

// Is says whether the identity is that of a certificate.
func (i Identity) Is(c *x509.Certificate) bool {
	return c != nil && i.Serial != nil && i.Serial.Cmp(c.SerialNumber) == 0 && bytes.Equal(i.Issuer.FullBytes, c.RawIssuer)
}

type contentInfo struct {
	Type    asn1.ObjectIdentifier
	Content asn1.RawValue `asn1:"explicit,optional,tag:0"`
}

// unwrap takes a ContentInfo apart and checks its type. Messages inside others come
// without it, and some hosts leave the outer SEQUENCE's tag away too: both are
// taken.
func unwrap(der []byte, want asn1.ObjectIdentifier, bare bool) ([]byte, error) {
	if bare {
		return sequence(der), nil
	}
	var info contentInfo
	if rest, err := asn1.Unmarshal(der, &info); err != nil || len(rest) > 0 || !info.Type.Equal(want) {
		return nil, ErrFormat
	}
	return info.Content.Bytes, nil
}

// sequence puts the tag of a SEQUENCE before content octets that lack it.
func sequence(der []byte) []byte {
	var whole asn1.RawValue
	if rest, err := asn1.Unmarshal(der, &whole); err == nil && len(rest) == 0 && whole.Tag == asn1.TagSequence {
		return der
	}
	out, err := asn1.Marshal(asn1.RawValue{Tag: asn1.TagSequence, IsCompound: true, Bytes: der})
	if err != nil {
		return nil
	}
	return out
}

func wrap(t asn1.ObjectIdentifier, content any) ([]byte, error) {
	inner, err := asn1.Marshal(content)
	if err != nil {
		return nil, fmt.Errorf("encode %v: %w", t, err)
	}
	return asn1.Marshal(contentInfo{Type: t, Content: asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true, Bytes: inner}})
}

// Attribute is one signed attribute with one value.
type Attribute struct {
	Type  asn1.ObjectIdentifier
	Value asn1.RawValue
}

// OctetString makes an attribute of bytes.
func OctetString(t asn1.ObjectIdentifier, value []byte) Attribute {
	return Attribute{t, asn1.RawValue{Tag: asn1.TagOctetString, Bytes: value}}
}

// Signed is a message of signed data: certificates alone, or content with one
// signature.
type Signed struct {
	Type         asn1.ObjectIdentifier // of the content
	Content      []byte                // nil when it has none
	Certificates []*x509.Certificate
	Revoked      []*x509.RevocationList
	Signer       *Identity // nil without a signature
	Attributes   []Attribute

	signature  []byte
	signed     []byte // what the signature is over, DER of the attributes; nil: the content
	hash       crypto.Hash
	pss        bool
	digestSeen []byte
}

type signedData struct {
	Version      int
	Digests      []algorithm `asn1:"set"`
	Content      contentInfo
	Certificates asn1.RawValue `asn1:"optional,tag:0"`
	CRLs         asn1.RawValue `asn1:"optional,tag:1"`
	Signers      []signerInfo  `asn1:"set"`
}

type signerInfo struct {
	Version    int
	ID         Identity
	Digest     algorithm
	Attributes asn1.RawValue `asn1:"optional,tag:0"`
	Algorithm  algorithm
	Signature  []byte
}

// ParseSigned reads a ContentInfo of signed data.
func ParseSigned(der []byte) (*Signed, error) { return parseSigned(der, false) }

// ParseInnerSigned reads signed data that is the content of another message.
func ParseInnerSigned(der []byte) (*Signed, error) { return parseSigned(der, true) }

func parseSigned(der []byte, bare bool) (*Signed, error) {
	inner, err := unwrap(der, SignedData, bare)
	if err != nil {
		return nil, fmt.Errorf("signed data: %w", err)
	}
	var sd signedData
	if rest, err := asn1.Unmarshal(inner, &sd); err != nil || len(rest) > 0 || len(sd.Signers) > 1 {
		return nil, fmt.Errorf("signed data: %w", ErrFormat)
	}
	s := &Signed{Type: sd.Content.Type}
	if s.Content, err = octets(sd.Content.Content.Bytes); err != nil {
		return nil, err
	}
	if err := s.attachments(sd); err != nil {
		return nil, err
	}
	if len(sd.Signers) == 1 {
		err = s.signer(sd.Signers[0])
	}
	return s, err
}

// octets reads an OCTET STRING; PKCS#7 also allows other contents, taken whole.
func octets(der []byte) ([]byte, error) {
	if len(der) == 0 {
		return nil, nil
	}
	var v asn1.RawValue
	if rest, err := asn1.Unmarshal(der, &v); err != nil || len(rest) > 0 {
		return nil, fmt.Errorf("content: %w", ErrFormat)
	}
	if v.Tag == asn1.TagOctetString && !v.IsCompound {
		return v.Bytes, nil
	}
	return v.FullBytes, nil
}

func (s *Signed) attachments(sd signedData) (err error) {
	if s.Certificates, err = x509.ParseCertificates(sd.Certificates.Bytes); err != nil {
		return fmt.Errorf("certificates: %w", ErrFormat)
	}
	for rest := sd.CRLs.Bytes; len(rest) > 0; {
		var one asn1.RawValue
		if rest, err = asn1.Unmarshal(rest, &one); err != nil {
			return fmt.Errorf("revocation lists: %w", ErrFormat)
		}
		list, err := x509.ParseRevocationList(one.FullBytes)
		if err != nil {
			return fmt.Errorf("revocation list: %w", ErrFormat)
		}
		s.Revoked = append(s.Revoked, list)
	}
	return nil
}

func (s *Signed) signer(si signerInfo) (err error) {
	s.Signer, s.signature = &si.ID, si.Signature
	if s.hash, err = hashOf(si.Digest.Algorithm); err != nil {
		return err
	}
	switch {
	case si.Algorithm.Algorithm.Equal(oidPSS):
		s.pss = true
	case !slices.ContainsFunc([]asn1.ObjectIdentifier{oidRSA, oidSHA1RSA, oidSHA256RSA}, si.Algorithm.Algorithm.Equal):
		return fmt.Errorf("signature algorithm: %w", ErrAlgorithm)
	}
	if len(si.Attributes.FullBytes) == 0 {
		return nil
	}
	s.signed = slices.Clone(si.Attributes.FullBytes)
	s.signed[0] = 0x31 // signed as a SET OF (RFC 5652, 5.4)
	return s.attributes(si.Attributes.Bytes)
}

func hashOf(oid asn1.ObjectIdentifier) (crypto.Hash, error) {
	switch {
	case oid.Equal(oidSHA1):
		return crypto.SHA1, nil
	case oid.Equal(oidSHA256):
		return crypto.SHA256, nil
	}
	return 0, fmt.Errorf("digest: %w", ErrAlgorithm)
}

func (s *Signed) attributes(der []byte) error {
	for len(der) > 0 {
		var a struct {
			Type   asn1.ObjectIdentifier
			Values []asn1.RawValue `asn1:"set"`
		}
		rest, err := asn1.Unmarshal(der, &a)
		if err != nil || len(a.Values) != 1 || s.Attribute(a.Type) != nil {
			return fmt.Errorf("attributes: %w", ErrFormat)
		}
		s.Attributes = append(s.Attributes, Attribute{a.Type, a.Values[0]})
		der = rest
	}
	s.digestSeen = s.Attribute(MessageDigest)
	return nil
}

// Attribute is the content octets of a signed attribute's value, nil without it.
func (s *Signed) Attribute(t asn1.ObjectIdentifier) []byte {
	for _, a := range s.Attributes {
		if a.Type.Equal(t) {
			return slices.Concat([]byte{}, a.Value.Bytes)
		}
	}
	return nil
}

// Verify checks the signature over content and attributes under a key.
func (s *Signed) Verify(key *rsa.PublicKey) error {
	if s.Signer == nil {
		return fmt.Errorf("no signer: %w", ErrSignature)
	}
	over := s.Content
	if s.signed != nil {
		if err := s.checkAttributes(); err != nil {
			return err
		}
		over = s.signed
	}
	digest := sum(s.hash, over)
	var err error
	if s.pss {
		err = rsa.VerifyPSS(key, s.hash, digest, s.signature, nil)
	} else {
		err = rsa.VerifyPKCS1v15(key, s.hash, digest, s.signature)
	}
	if err != nil {
		return ErrSignature
	}
	return nil
}

// checkAttributes compares digest and type of the content with what is signed.
func (s *Signed) checkAttributes() error {
	if subtle.ConstantTimeCompare(s.digestSeen, sum(s.hash, s.Content)) != 1 {
		return fmt.Errorf("digest of the content: %w", ErrSignature)
	}
	oid, err := asn1.Marshal(s.Type)
	if err != nil || !bytes.Equal(s.Attribute(ContentType), oid[2:]) {
		return fmt.Errorf("type of the content: %w", ErrSignature)
	}
	return nil
}

func sum(h crypto.Hash, data []byte) []byte {
	w := h.New()
	w.Write(data) // a hash never fails
	return w.Sum(nil)
}

// Certificates makes a message that only carries certificates and revocation lists
// ("degenerate").
func Certificates(certs []*x509.Certificate, lists ...*x509.RevocationList) ([]byte, error) {
	sd := signedData{Version: 1, Content: contentInfo{Type: Data}}
	attach(&sd, certs, lists)
	return wrap(SignedData, sd)
}

func attach(sd *signedData, certs []*x509.Certificate, lists []*x509.RevocationList) {
	var raw, crls []byte
	for _, c := range certs {
		raw = append(raw, c.Raw...)
	}
	for _, l := range lists {
		crls = append(crls, l.Raw...)
	}
	if raw != nil {
		sd.Certificates = asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true, Bytes: raw}
	}
	if crls != nil {
		sd.CRLs = asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 1, IsCompound: true, Bytes: crls}
	}
}

// Sign makes signed data with RSASSA-PKCS1-v1.5 and SHA-256 over content and
// attributes; type and digest of the content are added to them. id names the
// certificate of key; lists travel beside it.
func Sign(random io.Reader, key *rsa.PrivateKey, id Identity, t asn1.ObjectIdentifier, content []byte, attributes []Attribute, lists ...*x509.RevocationList) ([]byte, error) {
	set, err := signedAttributes(t, content, attributes)
	if err != nil {
		return nil, err
	}
	digest := sha256.Sum256(set)
	signature, err := rsa.SignPKCS1v15(random, key, crypto.SHA256, digest[:])
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	explicit, err := asn1.Marshal(content)
	if err != nil {
		return nil, fmt.Errorf("encode content: %w", err)
	}
	set[0] = 0xa0
	sha := algorithm{Algorithm: oidSHA256}
	sd := signedData{Version: 1, Digests: []algorithm{sha},
		Content: contentInfo{Type: t, Content: asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true, Bytes: explicit}},
		Signers: []signerInfo{{Version: 1, ID: id, Digest: sha, Attributes: asn1.RawValue{FullBytes: set},
			Algorithm: algorithm{oidRSA, null}, Signature: signature}}}
	attach(&sd, nil, lists)
	return wrap(SignedData, sd)
}

// signedAttributes is the DER of the SET OF attributes, sorted as DER asks.
func signedAttributes(t asn1.ObjectIdentifier, content []byte, attributes []Attribute) ([]byte, error) {
	oid, err := asn1.Marshal(t)
	if err != nil {
		return nil, fmt.Errorf("encode type: %w", err)
	}
	digest := sha256.Sum256(content)
	all := append([]Attribute{{ContentType, asn1.RawValue{FullBytes: oid}}, OctetString(MessageDigest, digest[:])}, attributes...)
	var encoded [][]byte
	for _, a := range all {
		der, err := asn1.Marshal(struct {
			Type   asn1.ObjectIdentifier
			Values []asn1.RawValue `asn1:"set"`
		}{a.Type, []asn1.RawValue{a.Value}})
		if err != nil {
			return nil, fmt.Errorf("encode attribute: %w", err)
		}
		encoded = append(encoded, der)
	}
	slices.SortFunc(encoded, bytes.Compare)
	return asn1.Marshal(asn1.RawValue{Tag: asn1.TagSet, IsCompound: true, Bytes: bytes.Join(encoded, nil)})
}

// Digest makes digested data: the SHA-256 of content, which itself stays away.
func Digest(content []byte) ([]byte, error) {
	digest := sha256.Sum256(content)
	return wrap(DigestedData, struct {
		Version int
		Digest  algorithm
		Content contentInfo
		Value   []byte
	}{0, algorithm{Algorithm: oidSHA256}, contentInfo{Type: Data}, digest[:]})
}
