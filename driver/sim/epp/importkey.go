package epp

import (
	"bytes"
	"context"
	"crypto/rsa"
	"crypto/subtle"
	"crypto/x509"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"

	"github.com/plomb-pos/plomb/driver/keyblock"
	"github.com/plomb-pos/plomb/driver/keystore"
	"github.com/plomb-pos/plomb/driver/sim/chassis"
	"github.com/plomb-pos/plomb/driver/symmetric"
	"github.com/plomb-pos/plomb/xfs4iot/host"
	"github.com/plomb-pos/plomb/xfs4iot/keymanagement"
)

// importKey takes a key in one of its forms. Nothing is stored before everything is
// checked.
func (e *EPP) importKey(_ context.Context, _ *host.Command, req *keymanagement.ImportKeyCommand) (*keymanagement.ImportKeyCompletion, error) {
	if req.Key == "" {
		return nil, chassis.Invalid("the key's name is missing")
	}
	if yes(req.Constructing) || req.Value == nil {
		return e.importPart(req)
	}
	k, err := e.imported(req)
	if err != nil {
		return nil, err
	}
	defer clear(k.Value)
	if err := checkKCV(k, req); err != nil {
		return nil, err
	}
	if err := e.keep(k); err != nil {
		return nil, err
	}
	return importedCompletion(k, req), nil
}

// imported deciphers a key by what deciphers it.
func (e *EPP) imported(req *keymanagement.ImportKeyCommand) (keystore.Key, error) {
	if req.DecryptKey == "" {
		return e.importPublic(req)
	}
	by, err := e.key(req.DecryptKey, use{[]string{"K0", "K1", "K3"}, "TAR", "BD"})
	if err != nil {
		return keystore.Key{}, err
	}
	defer clear(by.Value)
	if by.Usage == "K1" {
		return e.importBlock(by, req)
	}
	k, err := plainAttributes(req)
	if err != nil {
		return k, err
	}
	if by.Restricted != "" && by.Restricted != k.Usage {
		return k, &keyError{by.Name, "useViolation", "it enciphers only keys of usage " + by.Restricted}
	}
	if by.Algorithm == "R" {
		return e.importRSAEnciphered(by, k, req)
	}
	return importEnciphered(by, k, req)
}

// plainAttributes are those of a key that brings none along.
func plainAttributes(req *keymanagement.ImportKeyCommand) (keystore.Key, error) {
	a := req.KeyAttributes
	if a == nil {
		return keystore.Key{}, chassis.Invalid("the key's attributes are missing")
	}
	k := keystore.Key{Name: req.Key, Usage: a.KeyUsage, Algorithm: a.Algorithm, ModeOfUse: a.ModeOfUse, Restricted: a.RestrictedKeyUsage, Version: "00", Exportability: "N"}
	return k, checkAttributes(k)
}

func checkAttributes(k keystore.Key) error {
	row, ok := row(k.Usage)
	switch {
	case !ok:
		return &keyError{k.Name, "useViolation", fmt.Sprintf("keys of usage %.2q are not taken", k.Usage)}
	case !allowed(k.Usage, k.Algorithm, row.modes[:1]):
		return refuse("algorithmNotSupported", fmt.Sprintf("algorithm %.1q for usage %s", k.Algorithm, k.Usage))
	case !allowed(k.Usage, k.Algorithm, k.ModeOfUse):
		return refuse("modeNotSupported", fmt.Sprintf("mode of use %.1q for usage %s", k.ModeOfUse, k.Usage))
	case k.Restricted != "" && k.Usage[0] != 'K':
		return &keyError{k.Name, "useViolation", "only key encryption keys are restricted"}
	}
	return nil
}

// importBlock unwraps a key block.
func (e *EPP) importBlock(by keystore.Key, req *keymanagement.ImportKeyCommand) (keystore.Key, error) {
	h, value, err := keyblock.Unwrap(by.Value, string(req.Value))
	if err != nil {
		return keystore.Key{}, blockError(err)
	}
	defer clear(value)
	k := keystore.Key{Name: req.Key, Usage: h.Usage, Algorithm: string(h.Algorithm), ModeOfUse: string(h.ModeOfUse), Version: h.KeyVersion, Exportability: string(h.Exportability)}
	if req.KeyAttributes != nil {
		k.Restricted = req.KeyAttributes.RestrictedKeyUsage
	}
	if err := checkBlock(k, by, req); err != nil {
		return k, err
	}
	var ksn []byte
	for _, o := range h.Optional {
		if o.ID == "KS" {
			ksn, _ = hex.DecodeString(o.Data) // a bad one has no length that is taken
		}
		k.Optional += o.ID
	}
	if k.Algorithm == "R" {
		return withRSA(k, value)
	}
	return withValue(k, value, ksn)
}

func blockError(err error) error {
	for sentinel, code := range map[error]string{
		keyblock.ErrVersion: "formatNotSupported", keyblock.ErrAuthentication: "invalidValue",
		keyblock.ErrContent: "contentInvalid", keyblock.ErrProtectionKey: "formatNotSupported",
	} {
		if errors.Is(err, sentinel) {
			return refuse(code, err.Error())
		}
	}
	return refuse("formatInvalid", err.Error())
}

func checkBlock(k, by keystore.Key, req *keymanagement.ImportKeyCommand) error {
	if k.Version[0] == 'c' {
		return refuse("contentInvalid", "the block holds a component of a key")
	}
	if by.Restricted != "" && by.Restricted != k.Usage {
		return &keyError{by.Name, "useViolation", "it enciphers only keys of usage " + by.Restricted}
	}
	if a := req.KeyAttributes; a != nil && (a.KeyUsage != "" && a.KeyUsage != k.Usage || a.Algorithm != "" && a.Algorithm != k.Algorithm || a.ModeOfUse != "" && a.ModeOfUse != k.ModeOfUse) {
		return refuse("contentInvalid", "the block's attributes are not those of the command")
	}
	return checkAttributes(k)
}

// withRSA takes a private key as PKCS#1 in DER, as X9.143 has it in key blocks.
func withRSA(k keystore.Key, value []byte) (keystore.Key, error) {
	private, err := x509.ParsePKCS1PrivateKey(value)
	if err != nil {
		return k, refuse("contentInvalid", "not an RSA key")
	}
	k.Value, k.Private, k.Bits = bytes.Clone(value), true, private.N.BitLen()
	return k, nil
}

// importEnciphered takes a value under a K0 key.
func importEnciphered(by, k keystore.Key, req *keymanagement.ImportKeyCommand) (keystore.Key, error) {
	mode := symmetric.Mode(req.DecryptMethod)
	if mode == "" {
		mode = symmetric.ECB
	}
	if k.Algorithm == "R" || k.Usage == "B1" {
		return k, refuse("formatNotSupported", "such a key comes in a key block")
	}
	value, err := symmetric.Decrypt(algorithm(by), mode, by.Value, nil, req.Value)
	if err != nil {
		if errors.Is(err, symmetric.ErrMode) {
			return k, refuse("cryptoMethodNotSupported", err.Error())
		}
		return k, refuse("invalidKeyLength", err.Error())
	}
	defer clear(value)
	return withValue(k, value, nil)
}

// importRSAEnciphered takes a value under the device's RSA key, signed by the host;
// the random number of StartKeyExchange stands before it and is signed too.
func (e *EPP) importRSAEnciphered(by, k keystore.Key, req *keymanagement.ImportKeyCommand) (keystore.Key, error) {
	if err := e.checkSignature(req); err != nil {
		return k, err
	}
	enciphered, err := e.withoutRandom(by, req.Value)
	if err != nil {
		return k, err
	}
	value, err := decryptRSA(by, string(req.DecryptMethod), enciphered)
	if err != nil {
		return k, refuse("invalidValue", "the value cannot be deciphered")
	}
	defer clear(value)
	if k.Algorithm == "R" || k.Usage == "B1" {
		return k, refuse("formatNotSupported", "such a key comes in a key block")
	}
	return withValue(k, value, nil)
}

// withoutRandom takes the random number off. One that was given out must come back,
// and comes back once.
func (e *EPP) withoutRandom(by keystore.Key, value []byte) ([]byte, error) {
	want := e.exchange
	e.exchange = nil
	n := len(value) - by.Bits/8
	if n < 0 || n != len(want) || subtle.ConstantTimeCompare(value[:n], want) != 1 {
		if want == nil {
			return nil, refuse("invalidKeyLength", "the value has not the length of the key that enciphers it")
		}
		return nil, refuse("randomInvalid", "the value does not begin with the random number that was given out")
	}
	return value[n:], nil
}

// checkSignature checks the signature over the whole value.
func (e *EPP) checkSignature(req *keymanagement.ImportKeyCommand) error {
	a := req.VerifyAttributes
	if a == nil || a.CryptoMethod == keymanagement.ImportKeyCommandVerifyAttributesCryptoMethodSigNone || req.VerifyKey == "" {
		return refuse("signatureNotSupported", "a signature is needed")
	}
	by, err := e.key(req.VerifyKey, use{[]string{"S0", "S1", "S2"}, "R", "V"})
	if err != nil {
		return err
	}
	return verifySignature(by, string(a.CryptoMethod), string(a.HashAlgorithm), req.Value, req.VerificationData)
}

// importPublic takes a host's public key in clear, signed by one that is there.
func (e *EPP) importPublic(req *keymanagement.ImportKeyCommand) (keystore.Key, error) {
	k, err := plainAttributes(req)
	if err != nil {
		return k, err
	}
	if k.Algorithm != "R" || k.ModeOfUse != "V" && k.ModeOfUse != "E" {
		return k, refuse("accessDenied", "such a key never comes in clear")
	}
	if err := e.checkSignature(req); err != nil {
		return k, err
	}
	public, err := parsePublic(req.Value)
	if err != nil {
		return k, err
	}
	k.Value, k.Bits = x509.MarshalPKCS1PublicKey(public), public.N.BitLen()
	return k, nil
}

// parsePublic reads PKCS#1, or four bytes of exponent and the modulus.
func parsePublic(value []byte) (*rsa.PublicKey, error) {
	if public, err := x509.ParsePKCS1PublicKey(value); err == nil {
		return public, checkModulus(public)
	}
	if len(value) < 4+128 {
		return nil, refuse("formatNotSupported", "not an RSA public key")
	}
	exponent := binary.BigEndian.Uint32(value)
	public := &rsa.PublicKey{N: new(big.Int).SetBytes(value[4:]), E: int(exponent)}
	if exponent < 3 || exponent%2 == 0 || exponent > 1<<31-1 {
		return nil, refuse("formatNotSupported", "not an RSA public key")
	}
	return public, checkModulus(public)
}

func checkModulus(key *rsa.PublicKey) error {
	if n := key.N.BitLen(); n < 1024 || n > 8192 || n%8 != 0 || key.N.Bit(0) == 0 {
		return refuse("invalidKeyLength", "the modulus is not supported")
	}
	return nil
}

// checkKCV compares a check value that came along.
func checkKCV(k keystore.Key, req *keymanagement.ImportKeyCommand) error {
	a := req.VerifyAttributes
	if a == nil || len(req.VerificationData) == 0 {
		return nil
	}
	check := symmetric.KCV
	switch a.CryptoMethod {
	case keymanagement.ImportKeyCommandVerifyAttributesCryptoMethodKcvSelf:
		check = symmetric.SelfKCV
	case keymanagement.ImportKeyCommandVerifyAttributesCryptoMethodKcvZero:
	default:
		return nil
	}
	if kcv(k) == nil {
		return refuse("signatureNotSupported", "the key has no check value")
	}
	want, err := check(algorithm(k), k.Value)
	n := len(req.VerificationData)
	if err != nil || n < 3 || n > len(want) || subtle.ConstantTimeCompare(want[:n], req.VerificationData) != 1 {
		return refuse("signatureInvalid", "the check value is another")
	}
	return nil
}

// importedCompletion gives the key's check value unless one came along.
func importedCompletion(k keystore.Key, req *keymanagement.ImportKeyCommand) *keymanagement.ImportKeyCompletion {
	out := &keymanagement.ImportKeyCompletion{KeyLength: &k.Bits}
	if value := kcv(k); value != nil && len(req.VerificationData) == 0 {
		out.VerificationData = value
		out.VerifyAttributes = &keymanagement.ImportKeyCompletionVerifyAttributes{KeyUsage: "00", Algorithm: k.Algorithm, ModeOfUse: "V",
			CryptoMethod: keymanagement.ImportKeyCompletionVerifyAttributesCryptoMethodKcvZero}
	}
	return out
}

// importPart joins a part that was entered by hand, or ends a key of parts.
func (e *EPP) importPart(req *keymanagement.ImportKeyCommand) (*keymanagement.ImportKeyCompletion, error) {
	old, there := e.store.Key(req.Key)
	if e.part == nil && !(there && old.Constructing && !yes(req.Constructing)) {
		return nil, refuse("keyNoValue", "no part was entered")
	}
	k := old
	if !there || !old.Constructing {
		var err error
		if k, err = plainAttributes(req); err != nil {
			return nil, err
		}
		if k.Algorithm == "R" || k.Usage == "B1" {
			return nil, refuse("algorithmNotSupported", "such a key is not entered by hand")
		}
	}
	k, err := e.joined(k, yes(req.Constructing))
	if err != nil {
		return nil, err
	}
	defer clear(k.Value)
	return e.keepPartOf(k, req)
}

// joined adds the part that was entered: XOR, as key custodians split keys.
func (e *EPP) joined(k keystore.Key, more bool) (keystore.Key, error) {
	if p := e.part; p != nil {
		if k.Parts == 0 {
			k.Value = make([]byte, len(p.value))
		}
		if len(k.Value) != len(p.value) {
			return k, refuse("invalidKeyLength", "the parts have different lengths")
		}
		for i, b := range p.value {
			k.Value[i] ^= b
		}
		k.Parts++
	}
	k.Constructing = more
	value := k.Value
	return withValue(k, value, nil)
}

func (e *EPP) keepPartOf(k keystore.Key, req *keymanagement.ImportKeyCommand) (*keymanagement.ImportKeyCompletion, error) {
	if !k.Constructing {
		if err := checkKCV(k, req); err != nil {
			return nil, err
		}
	}
	if err := e.keep(k); err != nil {
		return nil, err
	}
	e.part.forget()
	e.part = nil
	return importedCompletion(k, req), nil
}
