package epp

import (
	"context"
	gocrypto "crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"math/big"

	"github.com/plomb-pos/plomb/driver/keystore"
	"github.com/plomb-pos/plomb/driver/sim/chassis"
	"github.com/plomb-pos/plomb/xfs4iot/host"
	"github.com/plomb-pos/plomb/xfs4iot/keymanagement"
)

// exponents that a client can ask for.
var exponents = map[keymanagement.GenerateRSAKeyPairCommandExponentValue]int{
	"": 65537, keymanagement.GenerateRSAKeyPairCommandExponentValueDevice: 65537,
	keymanagement.GenerateRSAKeyPairCommandExponentValueExponent1:  3,
	keymanagement.GenerateRSAKeyPairCommandExponentValueExponent4:  17,
	keymanagement.GenerateRSAKeyPairCommandExponentValueExponent16: 65537,
}

func (e *EPP) generateRSAKeyPair(ctx context.Context, _ *host.Command, req *keymanagement.GenerateRSAKeyPairCommand) (*keymanagement.GenerateRSAKeyPairCompletion, error) {
	if req.Key == "" {
		return nil, chassis.Invalid("the key's name is missing")
	}
	if _, there := e.store.Key(req.Key); there || req.Key[0] == '_' {
		return nil, refuse("duplicateKey", "a key of that name is there")
	}
	bits := number(req.ModulusLength)
	if bits == 0 {
		bits = modulusBits
	}
	if bits != 2048 && bits != 3072 && bits != 4096 {
		return nil, refuse("invalidModulusLength", "2048, 3072 or 4096 bits")
	}
	pair, err := generate(ctx, bits, exponents[req.ExponentValue])
	if err != nil {
		return nil, refuse("keyGenerationError", err.Error())
	}
	k := keystore.Key{Name: req.Key, Usage: "K3", Algorithm: "R", ModeOfUse: "D", Version: "00", Exportability: "N", Private: true,
		Bits: bits, Value: x509.MarshalPKCS1PrivateKey(pair)}
	if req.Use == keymanagement.GenerateRSAKeyPairCommandUseRsaPrivateSign {
		k.Usage, k.ModeOfUse, k.Internal = "S0", "S", true
	}
	return nil, e.keep(k)
}

// generate makes a key pair; Go's library makes those of exponent 65537 only.
func generate(ctx context.Context, bits, exponent int) (*rsa.PrivateKey, error) {
	if exponent == 65537 {
		return rsa.GenerateKey(rand.Reader, bits)
	}
	for ctx.Err() == nil {
		p, err := rand.Prime(rand.Reader, bits/2)
		if err != nil {
			return nil, err
		}
		q, err := rand.Prime(rand.Reader, bits/2)
		if err != nil {
			return nil, err
		}
		if key := assemble(p, q, exponent); key != nil && key.N.BitLen() == bits {
			return key, nil
		}
	}
	return nil, ctx.Err()
}

// assemble is nil for primes that do not go with the exponent.
func assemble(p, q *big.Int, exponent int) *rsa.PrivateKey {
	one, e := big.NewInt(1), big.NewInt(int64(exponent))
	p1, q1 := new(big.Int).Sub(p, one), new(big.Int).Sub(q, one)
	d := new(big.Int).ModInverse(e, new(big.Int).Mul(p1, q1))
	if d == nil || p.Cmp(q) == 0 {
		return nil
	}
	key := &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: new(big.Int).Mul(p, q), E: exponent}, D: d, Primes: []*big.Int{p, q}}
	key.Precompute()
	if key.Validate() != nil {
		return nil
	}
	return key
}

// exported is what an export command gives out: the public half of a pair, or the
// device's serial number.
func (e *EPP) exported(item keymanagement.TypeDataItemToExport, name string) (value []byte, k keystore.Key, err error) {
	if item == keymanagement.TypeDataItemToExportDeviceID {
		return []byte(serialNumber), k, nil
	}
	k, err = e.find(name)
	if err != nil {
		return nil, k, err
	}
	if k.Algorithm != "R" || !k.Private {
		clear(k.Value)
		return nil, k, refuse("keyNotFound", "no such key pair")
	}
	public, err := publicKey(k)
	if err != nil {
		return nil, k, err
	}
	return x509.MarshalPKCS1PublicKey(public), k, nil
}

func (e *EPP) exportIssuerSigned(_ context.Context, _ *host.Command, req *keymanagement.ExportRSAIssuerSignedItemCommand) (*keymanagement.ExportRSAIssuerSignedItemCompletion, error) {
	me, err := e.identity()
	if err != nil {
		return nil, err
	}
	name := req.Name
	if name == "" {
		name = encryptionKey
	}
	value, k, err := e.exported(req.ExportItemType, name)
	if err != nil {
		return nil, err
	}
	clear(k.Value)
	signature, ok := me.signatures[k.Name]
	if !ok {
		return nil, refuse("keyNotFound", "the signature issuer has not signed this key")
	}
	return &keymanagement.ExportRSAIssuerSignedItemCompletion{Value: value, RsaSignatureAlgorithm: keymanagement.RSASignatureAlgorithmRsassaPkcs1V15, Signature: signature}, nil
}

func (e *EPP) exportDeviceSigned(_ context.Context, _ *host.Command, req *keymanagement.ExportRSADeviceSignedItemCommand) (*keymanagement.ExportRSADeviceSignedItemCompletion, error) {
	value, k, err := e.exported(req.ExportItemType, req.Name)
	if err != nil {
		return nil, err
	}
	defer clear(k.Value)
	out := &keymanagement.ExportRSADeviceSignedItemCompletion{Value: value}
	if req.SignatureAlgorithm == keymanagement.RSASignatureAlgorithmNa || req.SignatureAlgorithm == "" {
		return out, nil
	}
	by, err := e.key(req.SigKey, use{[]string{"S0"}, "R", "ST"})
	if err != nil {
		return nil, err
	}
	defer clear(by.Value)
	if out.Signature, err = inside(by, req.SignatureAlgorithm, value); err != nil || k.Name == "" {
		return out, err
	}
	out.SelfSignature, err = inside(k, req.SignatureAlgorithm, value)
	return out, err
}

// inside signs what was made in the device, with SHA-256.
func inside(k keystore.Key, how keymanagement.RSASignatureAlgorithm, data []byte) ([]byte, error) {
	private, err := privateKey(k)
	if err != nil {
		return nil, err
	}
	digest := digestOf(gocrypto.SHA256, data)
	if how == keymanagement.RSASignatureAlgorithmRsassaPss {
		return rsa.SignPSS(rand.Reader, private, gocrypto.SHA256, digest, nil)
	}
	return rsa.SignPKCS1v15(nil, private, gocrypto.SHA256, digest)
}
