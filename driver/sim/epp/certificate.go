package epp

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/subtle"
	"crypto/x509"
	"errors"

	"github.com/plomb-pos/plomb/driver/cms"
	"github.com/plomb-pos/plomb/driver/keyblock"
	"github.com/plomb-pos/plomb/driver/keystore"
	"github.com/plomb-pos/plomb/driver/keytoken"
	"github.com/plomb-pos/plomb/driver/sim/chassis"
	"github.com/plomb-pos/plomb/xfs4iot/host"
	"github.com/plomb-pos/plomb/xfs4iot/keymanagement"
)

// authority is who may sign for a host certificate now; nil when there is none.
func (e *EPP) authority(who keymanagement.LoadCertificateCommandSigner) (*x509.Certificate, error) {
	me, err := e.identity()
	if err != nil {
		return nil, err
	}
	switch who {
	case keymanagement.LoadCertificateCommandSignerHl:
		return me.higher, nil
	case keymanagement.LoadCertificateCommandSignerCertHost:
		return e.stored(recordHost)
	}
	if ca, err := e.stored(recordCA); ca != nil || err != nil {
		return ca, err
	}
	return me.authority, nil
}

// stored is a certificate that was loaded; nil when none was.
func (e *EPP) stored(name string) (*x509.Certificate, error) {
	raw := e.store.Record(name)
	if raw == nil {
		return nil, nil
	}
	cert, err := x509.ParseCertificate(raw)
	if err != nil {
		return nil, keystore.ErrDamaged
	}
	return cert, nil
}

func (e *EPP) getCertificate(_ context.Context, _ *host.Command, req *keymanagement.GetCertificateCommand) (*keymanagement.GetCertificateCompletion, error) {
	me, err := e.identity()
	if err != nil {
		return nil, err
	}
	var cert *x509.Certificate
	switch req.GetCertificate {
	case keymanagement.GetCertificateCommandGetCertificateEnckey:
		cert = me.encryption.Certificate
	case keymanagement.GetCertificateCommandGetCertificateVerificationkey:
		cert = me.signing.Certificate
	case keymanagement.GetCertificateCommandGetCertificateHostkey:
		if cert, err = e.stored(recordHost); err != nil {
			return nil, err
		}
	default:
		return nil, chassis.Invalid("which certificate is missing")
	}
	if cert == nil {
		return nil, refuse("keyNotFound", "no host certificate is loaded")
	}
	der, err := cms.Certificates([]*x509.Certificate{cert})
	return &keymanagement.GetCertificateCompletion{Certificate: der}, err
}

func (e *EPP) loadCertificate(_ context.Context, _ *host.Command, req *keymanagement.LoadCertificateCommand) (*keymanagement.LoadCertificateCompletion, error) {
	isNew := req.LoadOption == keymanagement.LoadCertificateCommandLoadOptionNewHost
	if req.LoadOption == "" || req.Signer == "" || isNew && req.Signer == keymanagement.LoadCertificateCommandSignerCertHost {
		return nil, refuse("modeNotSupported", "a new host is signed by ca or hl")
	}
	by, err := e.authority(req.Signer)
	if err != nil {
		return nil, err
	}
	if bound := e.store.Record(recordHost) != nil; bound == isNew || by == nil {
		return nil, refuse("invalidCertificateState", "a host is bound already, or none is")
	}
	cert, err := e.offered(req.CertificateData, by, isNew)
	if err != nil {
		return nil, err
	}
	if err := e.bind(recordHost, cert); err != nil {
		return nil, err
	}
	thumb, err := cms.Digest(cert.RawSubjectPublicKeyInfo)
	return &keymanagement.LoadCertificateCompletion{RsaKeyCheckMode: keymanagement.LoadCertificateCompletionRsaKeyCheckModeSha256, RsaData: thumb}, err
}

// offered reads the host certificate: alone for a new host, then certified by the
// authority; inside a message signed by the signer to replace one. The new host of a
// rebinding is certified by the device's CA, its current host only hands over.
func (e *EPP) offered(der []byte, by *x509.Certificate, isNew bool) (*x509.Certificate, error) {
	s, err := cms.ParseSigned(der)
	if err != nil {
		return nil, refuse("formatInvalid", err.Error())
	}
	certifier := by
	if !isNew {
		if s, err = e.handedOver(s, by); err != nil {
			return nil, err
		}
		if certifier, err = e.authority(keymanagement.LoadCertificateCommandSignerCa); err != nil {
			return nil, err
		}
	}
	if len(s.Certificates) != 1 {
		return nil, refuse("formatInvalid", "one certificate is expected")
	}
	return s.Certificates[0], e.certified(s.Certificates[0], certifier, s.Revoked)
}

// handedOver checks the outer signature and gives the message inside. A random
// number that was given out must be signed with it.
func (e *EPP) handedOver(s *cms.Signed, by *x509.Certificate) (*cms.Signed, error) {
	key, ok := by.PublicKey.(*rsa.PublicKey)
	if !ok || s.Verify(key) != nil {
		return nil, refuse("signatureInvalid", "the message is not signed by its signer")
	}
	want := e.exchange
	e.exchange = nil
	if want != nil && subtle.ConstantTimeCompare(s.Attribute(cms.RandomNonce), want) != 1 {
		return nil, refuse("randomInvalid", "the message does not answer the random number that was given out")
	}
	inner, err := cms.ParseSigned(s.Content)
	if err != nil {
		inner, err = cms.ParseInnerSigned(s.Content)
	}
	if err != nil {
		return nil, refuse("formatInvalid", err.Error())
	}
	return inner, nil
}

// certified checks a certificate under its certifier, and a revocation list where
// one came along.
func (e *EPP) certified(cert, by *x509.Certificate, lists []*x509.RevocationList) error {
	key, ok := cert.PublicKey.(*rsa.PublicKey)
	if !ok || key.N.BitLen() < modulusBits {
		return refuse("formatInvalid", "the certificate has no RSA key of 2048 bits")
	}
	if cert.CheckSignatureFrom(by) != nil {
		return refuse("signatureInvalid", "the certificate is not the authority's")
	}
	for _, list := range lists {
		if list.CheckSignatureFrom(by) != nil {
			return refuse("signatureInvalid", "the revocation list is not the authority's")
		}
		for _, r := range list.RevokedCertificateEntries {
			if r.SerialNumber.Cmp(cert.SerialNumber) == 0 {
				return refuse("signatureInvalid", "the certificate is revoked")
			}
		}
	}
	return nil
}

func (e *EPP) bind(record string, cert *x509.Certificate) error {
	err := e.store.Change(func(c *keystore.Contents) error {
		c.Records[record] = append([]byte(nil), cert.Raw...)
		return nil
	})
	e.show()
	return err
}

// replaceCertificate takes a new CA, handed over by the higher-level authority or
// by the CA that goes; from then on the secondary certificates count.
func (e *EPP) replaceCertificate(_ context.Context, _ *host.Command, req *keymanagement.ReplaceCertificateCommand) (*keymanagement.ReplaceCertificateCompletion, error) {
	cert, err := e.newAuthority(req.ReplaceCertificate)
	if err != nil {
		return nil, err
	}
	err = e.store.Change(func(c *keystore.Contents) error {
		c.Records[recordCA] = append([]byte(nil), cert.Raw...)
		c.Records[recordSecond] = []byte{1}
		return nil
	})
	if err != nil {
		return nil, err
	}
	e.Say(&keymanagement.CertificateChangeEvent{CertificateChange: keymanagement.CertificateChangeEventCertificateChangeSecondary})
	e.show()
	thumb, err := cms.Digest(cert.RawSubjectPublicKeyInfo)
	return &keymanagement.ReplaceCertificateCompletion{NewCertificateData: thumb}, err
}

func (e *EPP) newAuthority(der []byte) (*x509.Certificate, error) {
	s, err := cms.ParseSigned(der)
	if err != nil {
		return nil, refuse("formatInvalid", err.Error())
	}
	me, err := e.identity()
	if err != nil {
		return nil, err
	}
	ca, err := e.authority(keymanagement.LoadCertificateCommandSignerCa)
	if err != nil {
		return nil, err
	}
	signer := me.higher
	if s.Signer != nil && s.Signer.Is(ca) {
		signer = ca
	}
	inner, err := e.handedOver(s, signer)
	if err != nil {
		return nil, refuse("formatInvalid", err.Error())
	}
	if len(inner.Certificates) != 1 || !inner.Certificates[0].IsCA || inner.Certificates[0].CheckSignatureFrom(me.higher) != nil {
		return nil, refuse("formatInvalid", "not a CA certificate of the higher-level authority")
	}
	return inner.Certificates[0], nil
}

// exchangeSize is the length of the random number, as in the samples of TR-34.
const exchangeSize = 16

func (e *EPP) startKeyExchange(context.Context, *host.Command, *keymanagement.StartKeyExchangeCommand) (*keymanagement.StartKeyExchangeCompletion, error) {
	out, err := random(exchangeSize)
	e.exchange = out
	return &keymanagement.StartKeyExchangeCompletion{RandomItem: append([]byte(nil), out...)}, err
}

func (e *EPP) importKeyToken(_ context.Context, _ *host.Command, req *keymanagement.ImportKeyTokenCommand) (*keymanagement.ImportKeyTokenCompletion, error) {
	if req.Key == "" || req.LoadOption == "" {
		return nil, chassis.Invalid("the key's name or the load option is missing")
	}
	me, err := e.identity()
	if err != nil {
		return nil, err
	}
	host, err := e.stored(recordHost)
	if err != nil {
		return nil, err
	}
	if host == nil {
		return nil, refuse("invalidCertState", "no host certificate is loaded")
	}
	answer := e.exchange
	token, err := e.openToken(me, host, req)
	if err != nil {
		return nil, err
	}
	defer clear(token.Value)
	k, err := tokenKey(req, token)
	if err != nil {
		return nil, err
	}
	defer clear(k.Value)
	if err := e.keep(k); err != nil {
		return nil, err
	}
	return accepted(me, host, k, req.LoadOption, answer)
}

func (e *EPP) openToken(me *identity, host *x509.Certificate, req *keymanagement.ImportKeyTokenCommand) (keytoken.Key, error) {
	expect := keytoken.Expect{}
	if req.LoadOption == keymanagement.ImportKeyTokenCommandLoadOptionRandom || req.LoadOption == keymanagement.ImportKeyTokenCommandLoadOptionRandomCrl {
		expect.Random = e.exchange
		e.exchange = nil
		if expect.Random == nil {
			return keytoken.Key{}, refuse("randomInvalid", "StartKeyExchange comes first")
		}
	}
	if withList(req.LoadOption) {
		ca, err := e.authority(keymanagement.LoadCertificateCommandSignerCa)
		if err != nil {
			return keytoken.Key{}, err
		}
		expect.Authority = ca
	}
	out, err := keytoken.Open(req.KeyToken, me.encryption, host, expect)
	return out, tokenError(err)
}

func withList(o keymanagement.ImportKeyTokenCommandLoadOption) bool {
	return o == keymanagement.ImportKeyTokenCommandLoadOptionNoRandomCrl || o == keymanagement.ImportKeyTokenCommandLoadOptionRandomCrl
}

func tokenError(err error) error {
	for sentinel, code := range map[error]string{
		keytoken.ErrFormat: "formatInvalid", keytoken.ErrSigner: "signatureInvalid", keytoken.ErrRecipient: "contentInvalid",
		keytoken.ErrRandom: "randomInvalid", keytoken.ErrContent: "contentInvalid", keytoken.ErrRevoked: "invalidCertState",
	} {
		if errors.Is(err, sentinel) {
			return refuse(code, err.Error())
		}
	}
	return err
}

// tokenKey is the key with what the token, or for the older scheme the command, says
// it is for: there a triple DES key, or AES where the length leaves nothing else.
func tokenKey(req *keymanagement.ImportKeyTokenCommand, t keytoken.Key) (keystore.Key, error) {
	k := keystore.Key{Name: req.Key, Usage: req.KeyUsage, Algorithm: "T", ModeOfUse: "B", Version: "00", Exportability: "N"}
	switch {
	case t.Header != "" && req.KeyUsage != "" || t.Header == "" && withList(req.LoadOption):
		return k, refuse("useViolation", "the usage stands in the token or in the command, not in both")
	case t.Header != "":
		h, err := keyblock.ParseHeader(t.Header)
		if err != nil {
			return k, refuse("contentInvalid", "the token's header is no key block's")
		}
		k.Usage, k.Algorithm, k.ModeOfUse, k.Version, k.Exportability = h.Usage, string(h.Algorithm), string(h.ModeOfUse), h.KeyVersion, string(h.Exportability)
	case len(t.Value) == 32:
		k.Algorithm = "A"
	}
	if k.Usage == "B1" || checkAttributes(k) != nil {
		return k, refuse("useViolation", "such a key is not loaded by a token")
	}
	return withValue(k, t.Value, nil)
}

// accepted tells the host what was loaded; with a random number it is signed by the
// device over the host's identity.
func accepted(me *identity, host *x509.Certificate, k keystore.Key, option keymanagement.ImportKeyTokenCommandLoadOption, answer []byte) (*keymanagement.ImportKeyTokenCompletion, error) {
	out := &keymanagement.ImportKeyTokenCompletion{KeyLength: &k.Bits}
	if out.KeyCheckValue = kcv(k); out.KeyCheckValue != nil {
		out.KeyCheckMode = keymanagement.ImportKeyTokenCompletionKeyCheckModeKcvZero
	}
	if option != keymanagement.ImportKeyTokenCommandLoadOptionRandom && option != keymanagement.ImportKeyTokenCommandLoadOptionRandomCrl {
		return out, nil
	}
	id, err := cms.IdentityOf(host).DER()
	if err != nil {
		return nil, err
	}
	out.KeyAcceptAlgorithm = keymanagement.ImportKeyTokenCompletionKeyAcceptAlgorithmSha256
	out.KeyAcceptData, err = cms.Sign(rand.Reader, me.signing.Key, cms.IdentityOf(me.signing.Certificate), cms.Data, id, []cms.Attribute{cms.OctetString(cms.RandomNonce, answer)})
	return out, err
}
