package epp

import (
	"bytes"
	"context"
	gocrypto "crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" // the protocol's hash of old hosts
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"

	"github.com/plomb-pos/plomb/driver/keystore"
	"github.com/plomb-pos/plomb/driver/sim/chassis"
	"github.com/plomb-pos/plomb/driver/symmetric"
	"github.com/plomb-pos/plomb/xfs4iot/crypto"
	"github.com/plomb-pos/plomb/xfs4iot/host"
)

func (e *EPP) serveCrypto(s *host.Service) {
	serve(e, s, crypto.CryptoData, e.cryptoData)
	serve(e, s, crypto.GenerateAuthentication, e.generateAuthentication)
	serve(e, s, crypto.VerifyAuthentication, e.verifyAuthentication)
	serve(e, s, crypto.GenerateRandom, e.generateRandom)
	serve(e, s, crypto.Digest, e.digest)
}

func (e *EPP) digest(_ context.Context, _ *host.Command, req *crypto.DigestCommand) (*crypto.DigestCompletion, error) {
	if req.HashAlgorithm == "" {
		return nil, chassis.Invalid("the hash algorithm is missing")
	}
	return &crypto.DigestCompletion{Digest: digestOf(hashOf(string(req.HashAlgorithm)), req.Data)}, nil
}

func hashOf(name string) gocrypto.Hash {
	if name == "sha1" {
		return gocrypto.SHA1
	}
	return gocrypto.SHA256
}

func digestOf(h gocrypto.Hash, data []byte) []byte {
	if h == gocrypto.SHA1 {
		sum := sha1.Sum(data)
		return sum[:]
	}
	sum := sha256.Sum256(data)
	return sum[:]
}

// randomSize is how many bytes GenerateRandom gives.
const randomSize = 8

func (e *EPP) generateRandom(context.Context, *host.Command, *crypto.GenerateRandomCommand) (*crypto.GenerateRandomCompletion, error) {
	out, err := random(randomSize)
	return &crypto.GenerateRandomCompletion{RandomNumber: out}, err
}

func random(n int) ([]byte, error) {
	out := make([]byte, n)
	_, err := rand.Read(out)
	return out, err
}

// initialValue is what the commands say of one.
type initialValue struct {
	stored, key string
	value       []byte
}

// initialValue gives the IV in clear; nil stands for zeros.
func (e *EPP) initialValue(v initialValue) ([]byte, error) {
	if v.stored != "" {
		k, err := e.key(v.stored, use{[]string{"I0"}, "DTA", "B"})
		return k.Value, err
	}
	if v.key == "" || v.value == nil {
		return v.value, nil
	}
	k, err := e.key(v.key, use{[]string{"K0"}, "TA", "BD"})
	if err != nil {
		return nil, err
	}
	defer clear(k.Value)
	out, err := symmetric.Decrypt(algorithm(k), symmetric.ECB, k.Value, nil, v.value)
	return out, wrong(k, err)
}

func (e *EPP) cryptoData(_ context.Context, cmd *host.Command, req *crypto.CryptoDataCommand) (*crypto.CryptoDataCompletion, error) {
	k, err := e.key(req.Key, use{[]string{"D0", "D1", "B1"}, "DTAR", "BDEX"})
	if err != nil {
		return nil, err
	}
	defer clear(k.Value)
	direction, err := directionOf(k, req.ModeOfUse)
	if err != nil {
		return nil, err
	}
	out := &crypto.CryptoDataCompletion{}
	if k.Algorithm == "R" {
		out.Data, err = cryptRSA(k, direction, string(req.CryptoMethod), req.Data)
		return out, err
	}
	iv := initialValue{stored: req.StoredKey}
	if req.Iv != nil {
		iv.key, iv.value = req.Iv.Key, req.Iv.Value
	}
	out.Data, err = e.cryptSymmetric(cmd, k, direction, iv, req)
	return out, err
}

// directionOf is E or D: what the key can, or what is asked of one that can both.
func directionOf(k keystore.Key, asked string) (byte, error) {
	both := k.ModeOfUse == "B" || k.ModeOfUse == "N"
	switch {
	case k.ModeOfUse == "X":
		return 'E', nil
	case both && asked == "":
		return 0, refuse("modeOfUseNotSupported", "the key can both: the mode of use is missing")
	case both:
		return asked[0], nil
	case asked != "" && asked != k.ModeOfUse:
		return 0, &keyError{k.Name, "modeOfUseNotSupported", "its mode of use is " + k.ModeOfUse}
	}
	return k.ModeOfUse[0], nil
}

func (e *EPP) cryptSymmetric(cmd *host.Command, k keystore.Key, direction byte, v initialValue, req *crypto.CryptoDataCommand) ([]byte, error) {
	mode, data := symmetric.Mode(req.CryptoMethod), req.Data
	iv, err := e.initialValue(v)
	if err != nil {
		return nil, err
	}
	if mode == symmetric.ECB {
		iv = nil
	}
	if k.Usage == "B1" {
		return e.encryptDUKPT(cmd, k, mode, iv, data)
	}
	if direction == 'D' {
		out, err := symmetric.Decrypt(algorithm(k), mode, k.Value, iv, data)
		return out, wrong(k, err)
	}
	if mode.Whole() && req.Padding != nil {
		data = symmetric.Pad(data, algorithm(k).BlockSize(), byte(*req.Padding))
	}
	out, err := symmetric.Encrypt(algorithm(k), mode, k.Value, iv, data)
	return out, wrong(k, err)
}

// encryptDUKPT enciphers under the next transaction's data key, padded with zeros.
func (e *EPP) encryptDUKPT(cmd *host.Command, k keystore.Key, mode symmetric.Mode, iv, data []byte) ([]byte, error) {
	if mode != symmetric.ECB && mode != symmetric.CBC {
		return nil, refuse("cryptoMethodNotSupported", "DUKPT keys take ecb or cbc")
	}
	tx, err := e.next(cmd, k)
	if err != nil {
		return nil, err
	}
	defer tx.Clear()
	key := tx.RequestData()
	defer clear(key)
	out, err := symmetric.Encrypt(symmetric.TDES, mode, key, iv, symmetric.Pad(data, 8, 0))
	return out, wrong(k, err)
}

func privateKey(k keystore.Key) (*rsa.PrivateKey, error) {
	if !k.Private {
		return nil, &keyError{k.Name, "useViolation", "it has no private half"}
	}
	key, err := x509.ParsePKCS1PrivateKey(k.Value)
	if err != nil {
		return nil, keystore.ErrDamaged
	}
	return key, nil
}

// cryptRSA uses OAEP with SHA-256, or PKCS#1 v1.5.
func cryptRSA(k keystore.Key, direction byte, method string, data []byte) ([]byte, error) {
	if method != "rsaesOaep" && method != "rsaesPkcs1V15" {
		return nil, refuse("cryptoMethodNotSupported", "an RSA key takes rsaesOaep or rsaesPkcs1V15")
	}
	if direction == 'D' {
		return decryptRSA(k, method, data)
	}
	public, err := publicKey(k)
	if err != nil {
		return nil, err
	}
	var out []byte
	if method == "rsaesOaep" {
		out, err = rsa.EncryptOAEP(sha256.New(), rand.Reader, public, data, nil)
	} else {
		//lint:ignore SA1019 the protocol names it, and enciphering is its harmless half
		out, err = rsa.EncryptPKCS1v15(rand.Reader, public, data)
	}
	if err != nil {
		return nil, chassis.Invalid("the data are too long for the key")
	}
	return out, nil
}

func decryptRSA(k keystore.Key, method string, data []byte) (out []byte, err error) {
	private, err := privateKey(k)
	if err != nil {
		return nil, err
	}
	if method == "rsaesOaep" {
		out, err = rsa.DecryptOAEP(sha256.New(), nil, private, data, nil)
	} else {
		//lint:ignore SA1019 the protocol names it; whoever may decipher may ask as often as they like
		out, err = rsa.DecryptPKCS1v15(nil, private, data)
	}
	if err != nil {
		return nil, chassis.Invalid("the data cannot be deciphered")
	}
	return out, nil
}

var macUsages = []string{"M0", "M1", "M3", "M6", "M7"}

// macRequest is what both commands say about a MAC or a signature.
type macRequest struct {
	key, compression, method, hash string
	data                           []byte
	iv                             initialValue
	padding                        byte
}

// text is the data without blanks where that is asked for.
func (m macRequest) text() []byte {
	if m.compression == "" {
		return m.data
	}
	return bytes.ReplaceAll(m.data, []byte(m.compression), nil)
}

func (e *EPP) generateAuthentication(_ context.Context, cmd *host.Command, req *crypto.GenerateAuthenticationCommand) (*crypto.GenerateAuthenticationCompletion, error) {
	m := macRequest{key: req.Key, compression: req.Compression, method: string(req.CryptoMethod), hash: string(req.HashAlgorithm), data: req.Data,
		iv: initialValue{stored: req.StoredKey}, padding: byte(number(req.Padding))}
	if req.Iv != nil {
		m.iv.key, m.iv.value = req.Iv.Key, req.Iv.Value
	}
	k, err := e.key(req.Key, use{append([]string{"S0", "S2", "B1"}, macUsages...), "", "GCSTX"})
	if err != nil {
		return nil, err
	}
	defer clear(k.Value)
	out := &crypto.GenerateAuthenticationCompletion{}
	if k.Algorithm == "R" {
		out.AuthenticationData, err = sign(k, m)
		return out, err
	}
	length := 8
	if req.AuthenticationDatalength != nil {
		length = *req.AuthenticationDatalength
	}
	mac, err := e.mac(cmd, k, m)
	if err != nil {
		return nil, err
	}
	out.AuthenticationData = mac[:length]
	return out, nil
}

// sign signs with a private key that came in a key block; pairs made in the device
// sign only what is made there.
func sign(k keystore.Key, m macRequest) ([]byte, error) {
	private, err := privateKey(k)
	if err != nil {
		return nil, err
	}
	if k.Internal {
		return nil, &keyError{k.Name, "useViolation", "it signs only what is made in the device"}
	}
	hash := hashOf(m.hash)
	switch m.method {
	case "rsassaPkcs1V15":
		return rsa.SignPKCS1v15(nil, private, hash, digestOf(hash, m.text()))
	case "rsassaPss":
		return rsa.SignPSS(rand.Reader, private, hash, digestOf(hash, m.text()), nil)
	}
	return nil, refuse("cryptoMethodNotSupported", "an RSA key takes rsassaPkcs1V15 or rsassaPss")
}

// mac makes a MAC of 8 bytes at least.
func (e *EPP) mac(cmd *host.Command, k keystore.Key, m macRequest) ([]byte, error) {
	iv, err := e.initialValue(m.iv)
	if err != nil {
		return nil, err
	}
	var out []byte
	switch k.Usage {
	case "B1":
		return e.macDUKPT(cmd, k, m)
	case "M3":
		out, err = symmetric.RetailMAC(k.Value, iv, m.text(), m.padding)
	case "M7":
		h := hmac.New(sha256.New, k.Value)
		h.Write(m.text()) // a hash never fails
		return h.Sum(nil), nil
	default:
		out, err = blockMAC(k, iv, m)
	}
	return out, wrong(k, err)
}

func blockMAC(k keystore.Key, iv []byte, m macRequest) ([]byte, error) {
	block, err := symmetric.New(algorithm(k), k.Value)
	if err != nil {
		return nil, err
	}
	if k.Usage == "M6" {
		return symmetric.CMAC(block, m.text()), nil
	}
	return symmetric.CBCMAC(block, iv, m.text(), m.padding)
}

// macDUKPT is the retail MAC under the next transaction's key.
func (e *EPP) macDUKPT(cmd *host.Command, k keystore.Key, m macRequest) ([]byte, error) {
	tx, err := e.next(cmd, k)
	if err != nil {
		return nil, err
	}
	defer tx.Clear()
	key := tx.RequestMAC()
	defer clear(key)
	out, err := symmetric.RetailMAC(key, nil, m.text(), m.padding)
	return out, wrong(k, err)
}

func (e *EPP) verifyAuthentication(_ context.Context, cmd *host.Command, req *crypto.VerifyAuthenticationCommand) (*crypto.VerifyAuthenticationCompletion, error) {
	m := macRequest{key: req.Key, compression: req.Compression, method: string(req.CryptoMethod), hash: string(req.HashAlgorithm), data: req.Data,
		iv: initialValue{stored: req.StoredKey}, padding: byte(number(req.Padding))}
	if req.Iv != nil {
		m.iv.key, m.iv.value = req.Iv.Key, req.Iv.Value
	}
	k, err := e.key(req.Key, use{append([]string{"S0", "S1", "S2"}, macUsages...), "", "VCST"})
	if err != nil {
		return nil, err
	}
	defer clear(k.Value)
	if k.Algorithm == "R" {
		return nil, verifySignature(k, m.method, m.hash, m.text(), req.VerifyData)
	}
	mac, err := e.mac(cmd, k, m)
	if err != nil {
		return nil, err
	}
	n := len(req.VerifyData)
	if n < 4 || n > len(mac) || subtle.ConstantTimeCompare(mac[:n], req.VerifyData) != 1 {
		return nil, refuse("macInvalid", "the MAC does not fit")
	}
	return nil, nil
}

func verifySignature(k keystore.Key, method, hash string, data, signature []byte) error {
	public, err := publicKey(k)
	if err != nil {
		return err
	}
	h := hashOf(hash)
	switch method {
	case "rsassaPkcs1V15":
		err = rsa.VerifyPKCS1v15(public, h, digestOf(h, data), signature)
	case "rsassaPss":
		err = rsa.VerifyPSS(public, h, digestOf(h, data), signature, nil)
	default:
		return refuse("cryptoMethodNotSupported", "an RSA key takes rsassaPkcs1V15 or rsassaPss")
	}
	if err != nil {
		return refuse("signatureInvalid", "the signature does not fit")
	}
	return nil
}
