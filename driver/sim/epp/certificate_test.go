package epp_test

import (
	"bytes"
	gocrypto "crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"math/big"
	"testing"
	"time"

	"github.com/plomb-pos/plomb/driver/cms"
	"github.com/plomb-pos/plomb/driver/keyblock"
	"github.com/plomb-pos/plomb/driver/keytoken"
	"github.com/plomb-pos/plomb/driver/sim/epp"
	"github.com/plomb-pos/plomb/driver/sim/simtest"
	"github.com/plomb-pos/plomb/driver/symmetric"
	"github.com/plomb-pos/plomb/xfs4iot/common"
	"github.com/plomb-pos/plomb/xfs4iot/crypto"
	"github.com/plomb-pos/plomb/xfs4iot/keymanagement"
)

var now = time.Date(2026, 11, 22, 6, 0, 0, 0, time.UTC)

func maker(t testing.TB) *epp.Factory {
	t.Helper()
	f, err := factory()
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func keyHost(t testing.TB, name string) epp.Party {
	t.Helper()
	p, err := maker(t).Host(name)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func alone(t testing.TB, certs ...*x509.Certificate) []byte {
	t.Helper()
	der, err := cms.Certificates(certs)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// handover is signed data over certificates, signed by a party.
func handover(t testing.TB, by epp.Party, random []byte, certs ...*x509.Certificate) []byte {
	t.Helper()
	var attributes []cms.Attribute
	if random != nil {
		attributes = append(attributes, cms.OctetString(cms.RandomNonce, random))
	}
	der, err := cms.Sign(rand.Reader, by.Key, cms.IdentityOf(by.Certificate), cms.SignedData, alone(t, certs...), attributes)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func load(option keymanagement.LoadCertificateCommandLoadOption, signer keymanagement.LoadCertificateCommandSigner, der []byte) *keymanagement.LoadCertificateCommand {
	return &keymanagement.LoadCertificateCommand{LoadOption: option, Signer: signer, CertificateData: der}
}

// Requirement: XFS-07
func TestLoadCertificateTakesEachSigner(t *testing.T) {
	_, c := serve(t, epp.Options{})
	f, one, two, three := maker(t), keyHost(t, "first host"), keyHost(t, "second host"), keyHost(t, "third host")
	stranger := keyHost(t, "stranger")
	for _, step := range []struct {
		name string
		req  *keymanagement.LoadCertificateCommand
		want string
	}{
		{"replaced before it is new", load("replaceHost", "ca", handover(t, f.Authority, nil, one.Certificate)), "invalidCertificateState"},
		{"no message", load("newHost", "ca", []byte("no")), "formatInvalid"},
		{"by the host itself", load("newHost", "certHost", alone(t, one.Certificate)), "modeNotSupported"},
		{"of another authority", load("newHost", "hl", alone(t, one.Certificate)), "signatureInvalid"},
		{"new", load("newHost", "ca", alone(t, one.Certificate)), "success"},
		{"new again", load("newHost", "ca", alone(t, one.Certificate)), "invalidCertificateState"},
		{"handed over by another", load("replaceHost", "certHost", handover(t, stranger, nil, two.Certificate)), "signatureInvalid"},
		{"handed over by the host", load("replaceHost", "certHost", handover(t, one, nil, two.Certificate)), "success"},
		{"by the host that went", load("replaceHost", "certHost", handover(t, one, nil, three.Certificate)), "signatureInvalid"},
		{"by the authority", load("replaceHost", "ca", handover(t, f.Authority, nil, three.Certificate)), "success"},
		{"by the higher authority", load("replaceHost", "hl", handover(t, f.Higher, nil, one.Certificate)), "success"},
		{"a certificate of nobody", load("replaceHost", "ca", handover(t, f.Authority, nil, f.Higher.Certificate)), "signatureInvalid"},
	} {
		if got := code(simtest.Do(c, keymanagement.LoadCertificate, step.req)); got != step.want {
			t.Errorf("%s: %s, want %s", step.name, got, step.want)
		}
	}
	got, _ := simtest.Must(c, keymanagement.GetCertificate, &keymanagement.GetCertificateCommand{GetCertificate: "hostkey"})
	s, err := cms.ParseSigned(got.Certificate)
	if err != nil || len(s.Certificates) != 1 || !s.Certificates[0].Equal(one.Certificate) {
		t.Errorf("the host is %+v, %v", s, err)
	}
}

// TR-34 leaves the tag of the inner message away (annex B.11).
func TestATR34RebindTokenIsTaken(t *testing.T) {
	_, c := serve(t, epp.Options{})
	one, two := keyHost(t, "first KDH"), keyHost(t, "second KDH")
	simtest.Must(c, keymanagement.LoadCertificate, load("newHost", "ca", alone(t, one.Certificate)))
	var info struct {
		Type    asn1.ObjectIdentifier
		Content asn1.RawValue `asn1:"explicit,tag:0"`
	}
	if _, err := asn1.Unmarshal(alone(t, two.Certificate), &info); err != nil {
		t.Fatal(err)
	}
	var inner asn1.RawValue
	if _, err := asn1.Unmarshal(info.Content.FullBytes, &inner); err != nil {
		t.Fatal(err)
	}
	r, _ := simtest.Must(c, keymanagement.StartKeyExchange, nil)
	token, err := cms.Sign(rand.Reader, one.Key, cms.IdentityOf(one.Certificate), cms.SignedData, inner.Bytes, []cms.Attribute{cms.OctetString(cms.RandomNonce, r.RandomItem)})
	if err != nil {
		t.Fatal(err)
	}
	simtest.Must(c, keymanagement.LoadCertificate, load("replaceHost", "certHost", token))
}

func TestARandomNumberMustComeBackWithANewHost(t *testing.T) {
	_, c := serve(t, epp.Options{})
	f, one, two := maker(t), keyHost(t, "one"), keyHost(t, "two")
	simtest.Must(c, keymanagement.LoadCertificate, load("newHost", "ca", alone(t, one.Certificate)))
	simtest.Must(c, keymanagement.StartKeyExchange, nil)
	if got := code(simtest.Do(c, keymanagement.LoadCertificate, load("replaceHost", "ca", handover(t, f.Authority, make([]byte, 16), two.Certificate)))); got != "randomInvalid" {
		t.Errorf("another number: %s", got)
	}
	r, _ := simtest.Must(c, keymanagement.StartKeyExchange, nil)
	got, _ := simtest.Must(c, keymanagement.LoadCertificate, load("replaceHost", "ca", handover(t, f.Authority, r.RandomItem, two.Certificate)))
	thumb := sha256.Sum256(two.Certificate.RawSubjectPublicKeyInfo)
	if got.RsaKeyCheckMode != "sha256" || !bytes.Contains(got.RsaData, thumb[:]) {
		t.Errorf("%s %x", got.RsaKeyCheckMode, got.RsaData)
	}
}

func TestARevokedHostIsNotLoaded(t *testing.T) {
	_, c := serve(t, epp.Options{})
	f, h := maker(t), keyHost(t, "revoked")
	der, err := cms.Certificates([]*x509.Certificate{h.Certificate}, revocations(t, f.Authority, h.Certificate.SerialNumber))
	if err != nil {
		t.Fatal(err)
	}
	if got := code(simtest.Do(c, keymanagement.LoadCertificate, load("newHost", "ca", der))); got != "signatureInvalid" {
		t.Errorf("ended with %s", got)
	}
}

func revocations(t testing.TB, by epp.Party, serials ...*big.Int) *x509.RevocationList {
	t.Helper()
	template := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: now, NextUpdate: now.AddDate(1, 0, 0)}
	for _, s := range serials {
		template.RevokedCertificateEntries = append(template.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: s, RevocationTime: now})
	}
	der, err := x509.CreateRevocationList(rand.Reader, template, by.Certificate, by.Key)
	if err != nil {
		t.Fatal(err)
	}
	list, err := x509.ParseRevocationList(der)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestTheCertificateAuthorityIsReplaced(t *testing.T) {
	e, c := serve(t, epp.Options{})
	f, other := maker(t), maker(t)
	own, err := epp.NewFactory() // another maker, whose CA is not of our higher authority
	if err != nil {
		t.Fatal(err)
	}
	if got := code(simtest.Do(c, keymanagement.ReplaceCertificate, &keymanagement.ReplaceCertificateCommand{ReplaceCertificate: handover(t, own.Higher, nil, own.Authority.Certificate)})); got != "formatInvalid" {
		t.Errorf("another maker's: %s", got)
	}
	if got := code(simtest.Do(c, keymanagement.ReplaceCertificate, &keymanagement.ReplaceCertificateCommand{ReplaceCertificate: handover(t, f.Higher, nil, own.Authority.Certificate)})); got != "formatInvalid" {
		t.Errorf("a CA of another maker: %s", got)
	}
	simtest.Must(c, keymanagement.ReplaceCertificate, &keymanagement.ReplaceCertificateCommand{ReplaceCertificate: handover(t, f.Higher, nil, other.Authority.Certificate)})
	c.Heard(&keymanagement.CertificateChangeEvent{})
	status, _ := simtest.Must(c, common.Status, nil)
	if status.KeyManagement.CertificateState != keymanagement.StatusCertificateStateSecondary || state(e).Bound {
		t.Errorf("%+v", status.KeyManagement)
	}
}

// Requirement: XFS-07
func TestRSAItemsAreExportedSigned(t *testing.T) {
	_, c := serve(t, epp.Options{})
	f := maker(t)
	simtest.Must(c, keymanagement.GenerateRSAKeyPair, &keymanagement.GenerateRSAKeyPairCommand{Key: "PAIR", Use: "rsaPrivateSign", ModulusLength: new(2048), ExponentValue: "exponent16"})
	signing := exportedKey(t, c, "_EPPSignKey")
	for _, algorithm := range []keymanagement.RSASignatureAlgorithm{"rsassaPkcs1V15", "rsassaPss", "na"} {
		got, _ := simtest.Must(c, keymanagement.ExportRSADeviceSignedItem, &keymanagement.ExportRSADeviceSignedItemCommand{ExportItemType: "publicKey", Name: "PAIR", SigKey: "_EPPSignKey", SignatureAlgorithm: algorithm})
		pair, err := x509.ParsePKCS1PublicKey(got.Value)
		if err != nil {
			t.Fatal(err)
		}
		if algorithm == "na" {
			if got.Signature != nil || got.SelfSignature != nil {
				t.Errorf("signed though na: %x", got.Signature)
			}
			continue
		}
		if !verifies(signing, algorithm, got.Value, got.Signature) || !verifies(pair, algorithm, got.Value, got.SelfSignature) {
			t.Errorf("%s: a signature does not verify", algorithm)
		}
	}
	id, _ := simtest.Must(c, keymanagement.ExportRSADeviceSignedItem, &keymanagement.ExportRSADeviceSignedItemCommand{ExportItemType: "deviceId", SigKey: "PAIR", SignatureAlgorithm: "rsassaPss"})
	if len(id.Value) == 0 || id.SelfSignature != nil || !verifies(exportedKey(t, c, "PAIR"), "rsassaPss", id.Value, id.Signature) {
		t.Errorf("%+v", id)
	}
	issued, _ := simtest.Must(c, keymanagement.ExportRSAIssuerSignedItem, &keymanagement.ExportRSAIssuerSignedItemCommand{ExportItemType: "publicKey"})
	if !verifies(&f.Issuer.Key.PublicKey, issued.RsaSignatureAlgorithm, issued.Value, issued.Signature) {
		t.Error("the issuer's signature does not verify")
	}
	for _, v := range []struct{ name, sign, want string }{{"none", "_EPPSignKey", "keyNotFound"}, {"PAIR", "none", "keyNotFound"}, {"_SigIssuerVendor", "_EPPSignKey", "keyNotFound"}} {
		if got := code(simtest.Do(c, keymanagement.ExportRSADeviceSignedItem, &keymanagement.ExportRSADeviceSignedItemCommand{ExportItemType: "publicKey", Name: v.name, SigKey: v.sign, SignatureAlgorithm: "rsassaPss"})); got != v.want {
			t.Errorf("%s signed by %s: %s, want %s", v.name, v.sign, got, v.want)
		}
	}
	if got := code(simtest.Do(c, keymanagement.ExportRSAIssuerSignedItem, &keymanagement.ExportRSAIssuerSignedItemCommand{ExportItemType: "publicKey", Name: "PAIR"})); got != "keyNotFound" {
		t.Errorf("issuer-signed pair: %s", got)
	}
}

func exportedKey(t testing.TB, c *simtest.Client, name string) *rsa.PublicKey {
	t.Helper()
	got, _ := simtest.Must(c, keymanagement.ExportRSADeviceSignedItem, &keymanagement.ExportRSADeviceSignedItemCommand{ExportItemType: "publicKey", Name: name, SignatureAlgorithm: "na"})
	key, err := x509.ParsePKCS1PublicKey(got.Value)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func verifies(key *rsa.PublicKey, how keymanagement.RSASignatureAlgorithm, data, signature []byte) bool {
	digest := sha256.Sum256(data)
	if how == "rsassaPss" {
		return rsa.VerifyPSS(key, gocrypto.SHA256, digest[:], signature, nil) == nil
	}
	return rsa.VerifyPKCS1v15(key, gocrypto.SHA256, digest[:], signature) == nil
}

func TestKeyPairsHaveTheExponentThatIsAskedFor(t *testing.T) {
	_, c := serve(t, epp.Options{})
	for exponent, want := range map[keymanagement.GenerateRSAKeyPairCommandExponentValue]int{"exponent1": 3, "exponent4": 17, "device": 65537} {
		name := "PAIR" + string(exponent)
		simtest.Must(c, keymanagement.GenerateRSAKeyPair, &keymanagement.GenerateRSAKeyPairCommand{Key: name, Use: "rsaPrivate", ModulusLength: new(0), ExponentValue: exponent})
		if key := exportedKey(t, c, name); key.E != want || key.N.BitLen() != 2048 {
			t.Errorf("%s: exponent %d, %d bits", exponent, key.E, key.N.BitLen())
		}
	}
	for want, req := range map[string]*keymanagement.GenerateRSAKeyPairCommand{
		"duplicateKey":         {Key: "PAIRdevice", Use: "rsaPrivate", ModulusLength: new(0), ExponentValue: "device"},
		"invalidModulusLength": {Key: "X", Use: "rsaPrivate", ModulusLength: new(512), ExponentValue: "device"},
	} {
		if got := code(simtest.Do(c, keymanagement.GenerateRSAKeyPair, req)); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// The two-party scheme: the issuer signs the host's key, the host signs the key that
// it enciphers for the device.
func TestAHostLoadsAKeyByTheSignatureScheme(t *testing.T) {
	_, c := serve(t, epp.Options{})
	f, h := maker(t), keyHost(t, "host")
	public := x509.MarshalPKCS1PublicKey(&h.Key.PublicKey)
	verify := &keymanagement.ImportKeyCommandVerifyAttributes{CryptoMethod: "rsassaPkcs1V15", HashAlgorithm: "sha256"}
	hostKey := &keymanagement.ImportKeyCommand{Key: "HOST", Value: public, KeyAttributes: attributes("S0", "R", "V"),
		VerifyKey: "_SigIssuerVendor", VerifyAttributes: verify, VerificationData: signature(t, h.Key, public)}
	if got := code(simtest.Do(c, keymanagement.ImportKey, hostKey)); got != "signatureInvalid" {
		t.Errorf("a host that signs itself: %s", got)
	}
	hostKey.VerificationData = signature(t, f.Issuer.Key, public)
	simtest.Must(c, keymanagement.ImportKey, hostKey)

	device := exportedKey(t, c, "_EPPCryptKey")
	enciphered, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, device, unhex(t, double), nil)
	if err != nil {
		t.Fatal(err)
	}
	r, _ := simtest.Must(c, keymanagement.StartKeyExchange, nil)
	value := append(bytes.Clone(r.RandomItem), enciphered...)
	request := &keymanagement.ImportKeyCommand{Key: "MASTER", Value: value, KeyAttributes: attributes("K0", "T", "D"), DecryptKey: "_EPPCryptKey", DecryptMethod: "rsaesOaep",
		VerifyKey: "HOST", VerifyAttributes: verify, VerificationData: signature(t, h.Key, value)}
	got, _ := simtest.Must(c, keymanagement.ImportKey, request)
	if want, err := symmetric.KCV(symmetric.TDES, unhex(t, double)); err != nil || *got.KeyLength != 128 {
		t.Errorf("%+v, want %x", got, want)
	}
	kcv, _ := simtest.Must(c, keymanagement.GenerateKCV, &keymanagement.GenerateKCVCommand{Key: "MASTER", KeyCheckMode: "zero"})
	if !bytes.Equal(kcv.Kcv, unhex(t, "08d7b4")) {
		t.Errorf("check value %x", kcv.Kcv)
	}
	if got := code(simtest.Do(c, keymanagement.ImportKey, request)); got != "invalidKeyLength" {
		t.Errorf("replayed: %s", got)
	}
	simtest.Must(c, keymanagement.StartKeyExchange, nil)
	if got := code(simtest.Do(c, keymanagement.ImportKey, request)); got != "randomInvalid" {
		t.Errorf("replayed after another number: %s", got)
	}
	request.VerificationData[3] ^= 1
	if got := code(simtest.Do(c, keymanagement.ImportKey, request)); got != "signatureInvalid" {
		t.Errorf("a changed signature: %s", got)
	}
}

func signature(t testing.TB, key *rsa.PrivateKey, data []byte) []byte {
	t.Helper()
	digest := sha256.Sum256(data)
	out, err := rsa.SignPKCS1v15(nil, key, gocrypto.SHA256, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestAKeyTokenLoadsAKey(t *testing.T) {
	e, c := serve(t, epp.Options{})
	f, h := maker(t), keyHost(t, "KDH")
	device, err := e.Certificate()
	if err != nil {
		t.Fatal(err)
	}
	seal := func(header string, random []byte, lists ...*x509.RevocationList) []byte {
		der, err := keytoken.Seal(rand.Reader, h, device, unhex(t, aes256), header, random, now, lists...)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	request := func(option keymanagement.ImportKeyTokenCommandLoadOption, usage string, token []byte) *keymanagement.ImportKeyTokenCommand {
		return &keymanagement.ImportKeyTokenCommand{Key: "KBPK", KeyUsage: usage, LoadOption: option, KeyToken: token}
	}
	const head = "D0256K1AD00N0000"
	if got := code(simtest.Do(c, keymanagement.ImportKeyToken, request("noRandomCrl", "", seal(head, nil)))); got != "invalidCertState" {
		t.Errorf("before a host is bound: %s", got)
	}
	simtest.Must(c, keymanagement.LoadCertificate, load("newHost", "ca", alone(t, h.Certificate)))
	good, revoked := revocations(t, f.Authority), revocations(t, f.Authority, h.Certificate.SerialNumber)
	r, _ := simtest.Must(c, keymanagement.StartKeyExchange, nil)
	for _, v := range []struct {
		name string
		req  *keymanagement.ImportKeyTokenCommand
		want string
	}{
		{"another number", request("randomCrl", "", seal(head, make([]byte, 16), good)), "randomInvalid"},
		{"the number a second time", request("randomCrl", "", seal(head, r.RandomItem, good)), "randomInvalid"},
		{"without list", request("noRandomCrl", "", seal(head, nil)), "invalidCertState"},
		{"host revoked", request("noRandomCrl", "", seal(head, nil, revoked)), "invalidCertState"},
		{"usage twice", request("noRandomCrl", "K1", seal(head, nil, good)), "useViolation"},
		{"usage never", request("noRandom", "", seal("", nil)), "useViolation"},
		{"no token", request("noRandom", "K1", []byte("x")), "formatInvalid"},
		{"one pass", request("noRandomCrl", "", seal(head, nil, good)), "success"},
		{"older scheme", request("noRandom", "K1", seal("", nil)), "success"},
	} {
		if got := code(simtest.Do(c, keymanagement.ImportKeyToken, v.req)); got != v.want {
			t.Errorf("%s: %s, want %s", v.name, got, v.want)
		}
	}
	r, _ = simtest.Must(c, keymanagement.StartKeyExchange, nil)
	got, _ := simtest.Must(c, keymanagement.ImportKeyToken, request("randomCrl", "", seal(head, r.RandomItem, good)))
	receipt, err := cms.ParseSigned(got.KeyAcceptData)
	if err != nil || receipt.Verify(exportedKey(t, c, "_EPPSignKey")) != nil || !bytes.Equal(receipt.Attribute(cms.RandomNonce), r.RandomItem) || *got.KeyLength != 256 || got.KeyCheckMode != "kcvZero" {
		t.Errorf("receipt %+v, %v", got, err)
	}
	simtest.Must(c, keymanagement.ImportKey, &keymanagement.ImportKeyCommand{Key: "PIN", DecryptKey: "KBPK", Value: block(t, aes256, header('D', "P0", 'A', 'E'), aes128)})
}

func TestAPrivateKeyInABlockSigns(t *testing.T) {
	_, c := serve(t, epp.Options{Keys: []epp.Preset{preset("KBPK", "K1", "A", "D", aes256)}})
	h := keyHost(t, "signer")
	text, err := keyblock.Wrap(unhex(t, aes256), header('D', "S0", 'R', 'S'), x509.MarshalPKCS1PrivateKey(h.Key), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	simtest.Must(c, keymanagement.ImportKey, &keymanagement.ImportKeyCommand{Key: "SIGN", DecryptKey: "KBPK", Value: []byte(text)})
	got, _ := simtest.Must(c, crypto.GenerateAuthentication, &crypto.GenerateAuthenticationCommand{Key: "SIGN", Data: []byte("text"), CryptoMethod: "rsassaPss", HashAlgorithm: "sha256"})
	if !verifies(&h.Key.PublicKey, "rsassaPss", []byte("text"), got.AuthenticationData) {
		t.Error("the signature does not verify")
	}
	simtest.Must(c, crypto.VerifyAuthentication, &crypto.VerifyAuthenticationCommand{Key: "SIGN", Data: []byte("text"), CryptoMethod: "rsassaPss", HashAlgorithm: "sha256", VerifyData: got.AuthenticationData})
	got.AuthenticationData[9] ^= 1
	if got := code(simtest.Do(c, crypto.VerifyAuthentication, &crypto.VerifyAuthenticationCommand{Key: "SIGN", Data: []byte("text"), CryptoMethod: "rsassaPss", HashAlgorithm: "sha256", VerifyData: got.AuthenticationData})); got != "signatureInvalid" {
		t.Errorf("a changed signature: %s", got)
	}
}

func TestInitializationNeedsAProofWhereTheDeviceIsSecured(t *testing.T) {
	_, c := serve(t, epp.Options{Secured: true, Keys: []epp.Preset{preset("CMAC", "M6", "A", "V", aes128), preset("KEY", "P0", "T", "E", double)}})
	f, h := maker(t), keyHost(t, "host")
	simtest.Must(c, keymanagement.LoadCertificate, load("newHost", "ca", alone(t, h.Certificate)))
	remove := func(method keymanagement.AuthenticationMethod, key string, data []byte) string {
		return code(simtest.Do(c, keymanagement.DeleteKey, &keymanagement.DeleteKeyCommand{Key: "KEY", Authentication: &keymanagement.DeleteKeyCommandAuthentication{Method: method, Key: key, Data: data}}))
	}
	challenge := func() []byte {
		got, _ := simtest.Must(c, keymanagement.StartAuthenticate, &keymanagement.StartAuthenticateCommand{Command: &keymanagement.StartAuthenticateCommandCommand{DeleteKey: &keymanagement.StartAuthenticateCommandCommandDeleteKey{Key: "KEY"}}})
		if !*got.Signers.CertHost || *got.Signers.CertHostTr34 || len(got.DataToSign) < 16 {
			t.Fatalf("%+v", got)
		}
		return got.DataToSign
	}
	signed := func(by epp.Party, content []byte) []byte {
		der, err := cms.Sign(rand.Reader, by.Key, cms.IdentityOf(by.Certificate), cms.Data, content, nil)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	block, err := symmetric.New(symmetric.AES, unhex(t, aes128))
	if err != nil {
		t.Fatal(err)
	}
	if got := remove("ca", "", nil); got != "sequenceError" {
		t.Errorf("without a challenge: %s", got)
	}
	old := challenge()
	for _, v := range []struct {
		name, got, want string
	}{
		{"another's signature", remove("ca", "", signed(h, challenge())), "signatureInvalid"},
		{"an old challenge", func() string { challenge(); return remove("ca", "", signed(f.Authority, old)) }(), "randomInvalid"},
		{"a wrong MAC", func() string { challenge(); return remove("cmac", "CMAC", []byte("12345678")) }(), "macInvalid"},
		{"TR-34", func() string { challenge(); return remove("caTr34", "", nil) }(), "unsupportedData"},
		{"a MAC", remove("cmac", "CMAC", symmetric.CMAC(block, challenge())[:8]), "success"},
	} {
		if v.got != v.want {
			t.Errorf("%s: %s, want %s", v.name, v.got, v.want)
		}
	}
	start, _ := simtest.Must(c, keymanagement.StartAuthenticate, &keymanagement.StartAuthenticateCommand{Command: &keymanagement.StartAuthenticateCommandCommand{Initialization: []byte("{}")}})
	for method, by := range map[keymanagement.AuthenticationMethod]epp.Party{"certhost": h} {
		simtest.Must(c, keymanagement.Initialization, &keymanagement.InitializationCommand{Authentication: &keymanagement.InitializationCommandAuthentication{Method: method, Data: signed(by, start.DataToSign)}})
	}
	_, unsecured := serve(t, epp.Options{})
	none, _ := simtest.Must(unsecured, keymanagement.StartAuthenticate, &keymanagement.StartAuthenticateCommand{Command: &keymanagement.StartAuthenticateCommandCommand{Initialization: []byte("{}")}})
	if none != nil && none.DataToSign != nil {
		t.Errorf("an unsecured device asks for %x", none.DataToSign)
	}
}

func FuzzLoadCertificate(f *testing.F) {
	made := maker(f)
	e, err := epp.New("PinPad", epp.Options{Factory: made})
	if err != nil {
		f.Fatal(err)
	}
	h := keyHost(f, "host")
	f.Add(alone(f, h.Certificate), true)
	f.Add(handover(f, made.Authority, nil, h.Certificate), false)
	f.Fuzz(func(t *testing.T, der []byte, fresh bool) { _ = e.Offer(der, fresh) })
}
