//go:build cgo

package main

import (
	"encoding/asn1"
	"errors"
	"fmt"

	"github.com/miekg/pkcs11"

	"github.com/plomb-pos/plomb/update/keeper"
)

// What PKCS#11 3.0 has for Edwards curves (sections 2.3.5 and 2.3.14) and the library
// does not name.
const (
	ckkECEdwards           = 0x40
	ckmECEdwardsKeyPairGen = 0x1055
	ckmEdDSA               = 0x1057
	maxTokens              = 64
	uncompressedPoint      = 65
	edwardsPoint           = 32
)

// curve is how a kind of key is made and used.
type curve struct {
	keyType, generate, sign uint
	params                  []byte // DER
	point                   int    // bytes of a public key
}

var curves = map[keeper.Kind]curve{
	// Ed25519 by name, as RFC 8032 and softhsm2 call it: a PrintableString.
	keeper.Ed25519: {ckkECEdwards, ckmECEdwardsKeyPairGen, ckmEdDSA, append([]byte{0x13, 12}, "edwards25519"...), edwardsPoint},
	// prime256v1, 1.2.840.10045.3.1.7
	keeper.P256: {pkcs11.CKK_EC, pkcs11.CKM_EC_KEY_PAIR_GEN, pkcs11.CKM_ECDSA, []byte{0x06, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7}, uncompressedPoint},
}

// carryOut does what was asked for in one session.
func carryOut(o keeper.Order) (a keeper.Answer, err error) {
	c, ok := curves[o.Kind]
	if !ok || o.Token.Object == "" {
		return a, fmt.Errorf("a key of kind %q with label %q", o.Kind, o.Token.Object)
	}
	module := pkcs11.New(o.Token.Module)
	if module == nil {
		return a, fmt.Errorf("%s is no PKCS#11 library", o.Token.Module)
	}
	defer module.Destroy()
	if err := module.Initialize(); err != nil {
		return a, fmt.Errorf("initialize %s: %w", o.Token.Module, err)
	}
	defer func() { err = errors.Join(err, module.Finalize()) }()
	s := &session{Ctx: module, curve: c, label: o.Token.Object}
	if err := s.open(o); err != nil {
		return a, err
	}
	return s.do(o)
}

// session is an open session with one key in mind.
type session struct {
	*pkcs11.Ctx
	curve  curve
	label  string
	handle pkcs11.SessionHandle
}

func (s *session) open(o keeper.Order) error {
	slot, err := s.slot(o.Token)
	if err != nil {
		return err
	}
	if s.handle, err = s.OpenSession(slot, pkcs11.CKF_SERIAL_SESSION|pkcs11.CKF_RW_SESSION); err != nil {
		return fmt.Errorf("open a session: %w", err)
	}
	if err := s.Login(s.handle, pkcs11.CKU_USER, o.PIN); err != nil {
		return fmt.Errorf("log in: %w", err)
	}
	return nil
}

// slot finds the one token that the order names.
func (s *session) slot(want keeper.Token) (found uint, err error) {
	slots, err := s.GetSlotList(true)
	if err != nil {
		return 0, fmt.Errorf("list tokens: %w", err)
	}
	n := 0
	for _, slot := range slots[:min(len(slots), maxTokens)] {
		info, err := s.GetTokenInfo(slot)
		if err == nil && info.Label == want.Token && (want.Serial == "" || info.SerialNumber == want.Serial) {
			found = slot
			n++
		}
	}
	if n != 1 {
		return 0, fmt.Errorf("%d tokens are called %q", n, want.Token)
	}
	return found, nil
}

func (s *session) do(o keeper.Order) (a keeper.Answer, err error) {
	switch o.Do {
	case "draw":
		if err := s.draw(); err != nil {
			return a, err
		}
		a.Public, err = s.public()
	case "public":
		a.Public, err = s.public()
	case "sign":
		a.Signature, err = s.sign(o.Message)
	default:
		err = fmt.Errorf("unknown order %q", o.Do)
	}
	return a, err
}

// find finds one half of the key; it must stand alone under its label.
func (s *session) find(class uint) (pkcs11.ObjectHandle, error) {
	found, err := s.all(class)
	if err != nil {
		return 0, err
	}
	if len(found) != 1 {
		return 0, fmt.Errorf("%d keys are labelled %q on the token", len(found), s.label)
	}
	return found[0], nil
}

func (s *session) all(class uint) ([]pkcs11.ObjectHandle, error) {
	err := s.FindObjectsInit(s.handle, []*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_CLASS, class), pkcs11.NewAttribute(pkcs11.CKA_KEY_TYPE, s.curve.keyType), pkcs11.NewAttribute(pkcs11.CKA_LABEL, s.label)})
	if err != nil {
		return nil, fmt.Errorf("look for %q: %w", s.label, err)
	}
	found, _, err := s.FindObjects(s.handle, 2)
	if err := errors.Join(err, s.FindObjectsFinal(s.handle)); err != nil {
		return nil, fmt.Errorf("look for %q: %w", s.label, err)
	}
	return found, nil
}

// draw makes the key pair: it can sign, and cannot be taken out.
func (s *session) draw() error {
	if found, err := s.all(pkcs11.CKO_PRIVATE_KEY); err != nil || len(found) > 0 {
		return errors.Join(err, fmt.Errorf("a key is labelled %q on the token already", s.label))
	}
	id := []byte(s.label)
	public := []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_EC_PARAMS, s.curve.params), pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true),
		pkcs11.NewAttribute(pkcs11.CKA_VERIFY, true), pkcs11.NewAttribute(pkcs11.CKA_LABEL, s.label), pkcs11.NewAttribute(pkcs11.CKA_ID, id)}
	private := []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true), pkcs11.NewAttribute(pkcs11.CKA_PRIVATE, true), pkcs11.NewAttribute(pkcs11.CKA_SENSITIVE, true),
		pkcs11.NewAttribute(pkcs11.CKA_EXTRACTABLE, false), pkcs11.NewAttribute(pkcs11.CKA_SIGN, true), pkcs11.NewAttribute(pkcs11.CKA_DECRYPT, false), pkcs11.NewAttribute(pkcs11.CKA_UNWRAP, false),
		pkcs11.NewAttribute(pkcs11.CKA_LABEL, s.label), pkcs11.NewAttribute(pkcs11.CKA_ID, id)}
	if _, _, err := s.GenerateKeyPair(s.handle, []*pkcs11.Mechanism{pkcs11.NewMechanism(s.curve.generate, nil)}, public, private); err != nil {
		return fmt.Errorf("make a key on the token: %w", err)
	}
	return nil
}

// public reads the point: a DER OCTET STRING around it, which some tokens leave out.
func (s *session) public() ([]byte, error) {
	key, err := s.find(pkcs11.CKO_PUBLIC_KEY)
	if err != nil {
		return nil, err
	}
	attributes, err := s.GetAttributeValue(s.handle, key, []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_EC_POINT, nil)})
	if err != nil || len(attributes) != 1 {
		return nil, fmt.Errorf("read the public key: %w", errors.Join(err, errors.New("no point")))
	}
	point := attributes[0].Value
	var inner []byte
	if rest, err := asn1.Unmarshal(point, &inner); err == nil && len(rest) == 0 {
		point = inner
	}
	if len(point) != s.curve.point {
		return nil, fmt.Errorf("read the public key: a point of %d bytes", len(point))
	}
	return point, nil
}

// sign signs in one part: EdDSA reads a message twice, so no token takes it in pieces.
func (s *session) sign(message []byte) ([]byte, error) {
	key, err := s.find(pkcs11.CKO_PRIVATE_KEY)
	if err != nil {
		return nil, err
	}
	if err := s.SignInit(s.handle, []*pkcs11.Mechanism{pkcs11.NewMechanism(s.curve.sign, nil)}, key); err != nil {
		return nil, fmt.Errorf("sign on the token: %w", err)
	}
	sig, err := s.Sign(s.handle, message)
	if err != nil {
		return nil, fmt.Errorf("sign on the token: %w", err)
	}
	return sig, nil
}
