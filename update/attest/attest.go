// Package attest states what runs on a device, so that a stranger can check it
// (requirement CU-05): who the device is, what lies in both slots, which starts,
// the version floors, the program that speaks, and the head of the journal; signed
// together with a nonce of the challenger.
//
//	c := attest.Claims{Nonce: challenge.Nonce, IssuedAt: now.Unix(), Device: device}
//	statement, err := attest.Sign(c, key, attest.TPM("/dev/tpmrm0"))
//	report, err := attest.Verifier{Enrolment: e, Releases: r}.Verify(statement, challenge, seen)
//
// # Format
//
// A statement is a COSE_Sign1 (RFC 9052) whose payload is an entity attestation
// token (RFC 9711) in deterministic CBOR (RFC 8949, section 4.2.1): claims 6 (iat),
// 10 (nonce), 256 (UEID), 265 (profile), and two of our own, -75001 (Device) and
// -75002 (Quote). What parses, encodes to the same bytes.
//
// The key is a software key, Ed25519 or ECDSA P-256. Where there is a TPM, its
// attestation key (ECDSA P-256, restricted, never outside of the chip) quotes PCRs 0
// to 7 over the hash of all other claims. The UEID is the hash of the public key that
// is hardest to copy: the TPM's if there is one, otherwise the software key.
//
// # What it shows, and what not
//
// With a TPM enrolled, a copy of the disk in another machine cannot answer. Without,
// whoever has a copy of the key can; Seen notices when it and the original go
// different ways. A statement is made by software: one that was replaced by root can
// lie about everything but the PCRs, the TPM's clock and its nonce. Which keys belong
// to a device is learned when it is enrolled, while it is trusted: the endorsement
// certificate of the TPM is not checked.
package attest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256" // go-cose looks it up
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/fxamacker/cbor/v2"
	"github.com/veraison/go-cose"
)

// Profile names the claims below; a statement of another profile is refused.
const Profile = "tag:plomb-pos.github.io,2026:attestation/1"

// MaxBytes is more than any statement has.
const MaxBytes = 64 << 10

// Nonce sizes in bytes, as RFC 9711 allows them.
const (
	minNonce = 8
	maxNonce = 64
)

// ErrFormat is wrapped by errors about bytes that are no statement.
var ErrFormat = errors.New("malformed attestation")

// Claims are what a statement says.
type Claims struct {
	IssuedAt int64  `cbor:"6,keyasint"`   // seconds since 1970 by the device's clock
	Nonce    []byte `cbor:"10,keyasint"`  // the challenger's, 8 to 64 bytes
	UEID     []byte `cbor:"256,keyasint"` // 33 bytes: type 1 and SHA-256 of the identifying key's SubjectPublicKeyInfo; Sign sets it
	Profile  string `cbor:"265,keyasint"` // Sign sets it
	Device   Device `cbor:"-75001,keyasint"`
	Quote    *Quote `cbor:"-75002,keyasint,omitempty"` // absent: no TPM; Sign sets it
}

// Device is what is on the device.
type Device struct {
	Hardware     string `cbor:"1,keyasint,omitempty"` // registered identity, 18 characters
	Model        string `cbor:"2,keyasint,omitempty"`
	Jurisdiction string `cbor:"3,keyasint,omitempty"`
	Active       string `cbor:"4,keyasint,omitempty"` // slot a or b; empty: not started by plomb-boot
	Trial        bool   `cbor:"5,keyasint,omitempty"` // the other slot is to be tried
	Slots        []Slot `cbor:"6,keyasint,omitempty"`
	Floors       Floors `cbor:"7,keyasint"`
	Program      []byte `cbor:"8,keyasint"`  // SHA-256 of the program that speaks
	Version      string `cbor:"9,keyasint"`  // as its build recorded it
	Journals     []Head `cbor:"10,keyasint"` // of each epoch, ascending
}

// Slot is one slot, verified byte by byte when the statement was made.
type Slot struct {
	Name     string   `cbor:"1,keyasint"` // a or b
	Identity string   `cbor:"2,keyasint,omitempty"`
	Scope    string   `cbor:"3,keyasint,omitempty"`
	Counter  uint64   `cbor:"4,keyasint,omitempty"`
	Manifest []byte   `cbor:"5,keyasint,omitempty"` // SHA-256, which binds every component
	Signers  []string `cbor:"6,keyasint,omitempty"`
	Error    string   `cbor:"7,keyasint,omitempty"` // why it does not verify; then nothing else is said
}

// Floors are the lowest counters that may start.
type Floors struct {
	Application uint64 `cbor:"1,keyasint"`
	Platform    uint64 `cbor:"2,keyasint"`
	TPM         bool   `cbor:"3,keyasint"` // they lie in a TPM's counters
}

// Head is what a journal is at this moment.
type Head struct {
	Origin string `cbor:"1,keyasint"`
	Size   uint64 `cbor:"2,keyasint"`
	Root   []byte `cbor:"3,keyasint"`
}

// Quote is a TPM's part.
type Quote struct {
	Key       []byte `cbor:"1,keyasint"` // SubjectPublicKeyInfo of the attestation key
	Attest    []byte `cbor:"2,keyasint"` // TPMS_ATTEST
	Signature []byte `cbor:"3,keyasint"` // ECDSA over SHA-256 of Attest, ASN.1
}

// Quoter is a TPM: see TPM.
type Quoter interface {
	// Key is the SubjectPublicKeyInfo of the attestation key, the same at every call.
	Key() ([]byte, error)
	// Quote signs PCRs and data, of 32 bytes.
	Quote(data []byte) (*Quote, error)
}

var encoding = func() cbor.EncMode {
	m, err := cbor.CoreDetEncOptions().EncMode()
	if err != nil {
		panic("internal error: " + err.Error())
	}
	return m
}()

var decoding = func() cbor.DecMode {
	m, err := cbor.DecOptions{
		DupMapKey: cbor.DupMapKeyEnforcedAPF, IndefLength: cbor.IndefLengthForbidden, TagsMd: cbor.TagsForbidden,
		ExtraReturnErrors: cbor.ExtraDecErrorUnknownField, MaxNestedLevels: 8, MaxArrayElements: 1024, MaxMapPairs: 64,
	}.DecMode()
	if err != nil {
		panic("internal error: " + err.Error())
	}
	return m
}()

// Sign makes a statement. quoter is nil where there is no TPM. It sets profile, UEID
// and quote.
func Sign(c Claims, key crypto.Signer, quoter Quoter) ([]byte, error) {
	if len(c.Nonce) < minNonce || len(c.Nonce) > maxNonce {
		return nil, fmt.Errorf("%w: a nonce of %d bytes", ErrFormat, len(c.Nonce))
	}
	c.Profile, c.Quote = Profile, nil
	if err := c.identify(key.Public(), quoter); err != nil {
		return nil, err
	}
	if quoter != nil {
		data, err := c.quoted()
		if err != nil {
			return nil, err
		}
		if c.Quote, err = quoter.Quote(data); err != nil {
			return nil, fmt.Errorf("quote: %w", err)
		}
	}
	payload, err := encoding.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("encode attestation: %w", err)
	}
	return sign(payload, key)
}

// identify sets the UEID from the key that is hardest to copy.
func (c *Claims) identify(key crypto.PublicKey, quoter Quoter) (err error) {
	var spki []byte
	if quoter != nil {
		spki, err = quoter.Key()
	} else {
		spki, err = x509.MarshalPKIXPublicKey(key)
	}
	c.UEID = UEID(spki)
	return err
}

// UEID is the unique identity of a device whose identifying key has this
// SubjectPublicKeyInfo (RFC 9711, section 4.2.1, type RAND).
func UEID(spki []byte) []byte {
	sum := sha256.Sum256(spki)
	return append([]byte{1}, sum[:]...)
}

// quoted is what a quote is over: the hash of all other claims.
func (c Claims) quoted() ([]byte, error) {
	c.Quote = nil
	data, err := encoding.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("encode attestation: %w", err)
	}
	sum := sha256.Sum256(append([]byte("plomb attestation quote 1\n"), data...))
	return sum[:], nil
}

func sign(payload []byte, key crypto.Signer) ([]byte, error) {
	alg, err := algorithm(key.Public())
	if err != nil {
		return nil, err
	}
	signer, err := cose.NewSigner(alg, key)
	if err != nil {
		return nil, fmt.Errorf("sign attestation: %w", err)
	}
	headers := cose.Headers{Protected: cose.ProtectedHeader{cose.HeaderLabelAlgorithm: alg}}
	statement, err := cose.Sign1(rand.Reader, signer, headers, payload, nil)
	if err != nil {
		return nil, fmt.Errorf("sign attestation: %w", err)
	}
	return statement, nil
}

// algorithm is the one that a key is for; no other is accepted with it.
func algorithm(key crypto.PublicKey) (cose.Algorithm, error) {
	switch k := key.(type) {
	case ed25519.PublicKey:
		return cose.AlgorithmEdDSA, nil
	case *ecdsa.PublicKey:
		if k.Curve == elliptic.P256() {
			return cose.AlgorithmES256, nil
		}
	}
	return 0, fmt.Errorf("%w: a %T is neither Ed25519 nor ECDSA P-256", ErrFormat, key)
}

// open takes a statement apart without believing it. The bytes are those that Sign
// would write.
func open(statement []byte) (*cose.Sign1Message, *Claims, error) {
	if len(statement) > MaxBytes {
		return nil, nil, fmt.Errorf("%w: %d bytes", ErrFormat, len(statement))
	}
	var m cose.Sign1Message
	if err := m.UnmarshalCBOR(statement); err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if len(m.Headers.Unprotected) > 0 || len(m.Headers.Protected) != 1 {
		return nil, nil, fmt.Errorf("%w: headers beside the algorithm", ErrFormat)
	}
	again, err := m.MarshalCBOR()
	if err != nil || string(again) != string(statement) {
		return nil, nil, fmt.Errorf("%w: not in the one encoding", ErrFormat)
	}
	c := new(Claims)
	if err := decoding.Unmarshal(m.Payload, c); err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if again, err = encoding.Marshal(c); err != nil || string(again) != string(m.Payload) {
		return nil, nil, fmt.Errorf("%w: claims not in the one encoding", ErrFormat)
	}
	return &m, c, nil
}

// Read shows what a statement says, unchecked: for people who look at one.
func Read(statement []byte) (*Claims, error) {
	_, c, err := open(statement)
	return c, err
}
