package epp

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"time"

	"github.com/go-json-experiment/json"

	gocrypto "crypto"

	"github.com/plomb-pos/plomb/driver/keystore"
	"github.com/plomb-pos/plomb/driver/keytoken"
	"github.com/plomb-pos/plomb/internal/durable"
)

// Party is a certificate with its private key.
type Party = keytoken.Host

// Factory is the simulated manufacturer: a certificate authority, a higher-level
// authority above it, and the signature issuer of the two-party scheme.
type Factory struct {
	Authority Party // the CA that certifies devices and hosts
	Higher    Party // HL: may replace the CA
	Issuer    Party // signs the device's public keys at manufacture
}

// The certificates' life: devices have no clock and do not judge it.
var (
	madeAt  = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	validTo = time.Date(2066, 1, 1, 0, 0, 0, 0, time.UTC)
)

const modulusBits = 2048

// NewFactory makes a manufacturer with fresh keys.
func NewFactory() (*Factory, error) {
	higher, err := certify("simulated HL", nil, true)
	if err != nil {
		return nil, err
	}
	authority, err := certify("simulated CA", &higher, true)
	if err != nil {
		return nil, err
	}
	issuer, err := certify("simulated signature issuer", &authority, false)
	return &Factory{Authority: authority, Higher: higher, Issuer: issuer}, err
}

// Host certifies a key host, for tests and for hosts under development.
func (f *Factory) Host(name string) (Party, error) { return certify(name, &f.Authority, false) }

func certify(name string, by *Party, ca bool) (Party, error) {
	key, err := rsa.GenerateKey(rand.Reader, modulusBits)
	if err != nil {
		return Party{}, fmt.Errorf("make the key of %s: %w", name, err)
	}
	cert, err := certificate(name, &key.PublicKey, by, key, ca)
	return Party{Certificate: cert, Key: key}, err
}

// certificate is signed by a party, or by its own key without one.
func certificate(name string, key *rsa.PublicKey, by *Party, own *rsa.PrivateKey, ca bool) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 63))
	if err != nil {
		return nil, fmt.Errorf("random serial number: %w", err)
	}
	id, err := random(20)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{Organization: []string{"plomb simulated PIN pads"}, CommonName: name},
		NotBefore: madeAt, NotAfter: validTo, IsCA: ca, BasicConstraintsValid: true, SubjectKeyId: id,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment}
	if ca {
		template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign | x509.KeyUsageDigitalSignature
	}
	parent, signer := template, own
	if by != nil {
		parent, signer = by.Certificate, by.Key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key, signer)
	if err != nil {
		return nil, fmt.Errorf("certify %s: %w", name, err)
	}
	return x509.ParseCertificate(der)
}

// PEM is the manufacturer's certificates and keys, in clear.
func (f *Factory) PEM() ([]byte, error) {
	var out bytes.Buffer
	for _, p := range []Party{f.Higher, f.Authority, f.Issuer} {
		key, err := x509.MarshalPKCS8PrivateKey(p.Key)
		if err != nil {
			return nil, fmt.Errorf("encode factory key: %w", err)
		}
		for _, b := range []*pem.Block{{Type: "CERTIFICATE", Bytes: p.Certificate.Raw}, {Type: "PRIVATE KEY", Bytes: key}} {
			if err := pem.Encode(&out, b); err != nil {
				return nil, fmt.Errorf("encode factory: %w", err)
			}
		}
	}
	return out.Bytes(), nil
}

var errFactory = errors.New("not the three certificates and keys of a factory")

// ParseFactory reads what PEM gave.
func ParseFactory(text []byte) (*Factory, error) {
	var parties []Party
	for len(parties) < 3 {
		var p Party
		var err error
		if p, text, err = parseParty(text); err != nil {
			return nil, err
		}
		parties = append(parties, p)
	}
	return &Factory{Higher: parties[0], Authority: parties[1], Issuer: parties[2]}, nil
}

func parseParty(text []byte) (p Party, rest []byte, err error) {
	c, rest := pem.Decode(text)
	k, rest := pem.Decode(rest)
	if c == nil || k == nil {
		return p, nil, errFactory
	}
	if p.Certificate, err = x509.ParseCertificate(c.Bytes); err != nil {
		return p, nil, errFactory
	}
	key, err := x509.ParsePKCS8PrivateKey(k.Bytes)
	private, ok := key.(*rsa.PrivateKey)
	if err != nil || !ok {
		return p, nil, errFactory
	}
	p.Key = private
	return p, rest, nil
}

// openFactory reads the factory of a directory, or makes one there.
func openFactory(fsys durable.FS, name string) (*Factory, error) {
	text, err := durable.ReadFile(fsys, name, 1<<20)
	if err == nil {
		return ParseFactory(text)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open factory: %w", err)
	}
	f, err := NewFactory()
	if err != nil {
		return nil, err
	}
	if text, err = f.PEM(); err != nil {
		return nil, err
	}
	return f, durable.Replace(fsys, name, text)
}

// identity is what the manufacturer gave the device.
type identity struct {
	encryption Party
	signing    Party
	authority  *x509.Certificate
	higher     *x509.Certificate
	signatures map[string][]byte // by the issuer: of a key by its name, of the device's serial number by ""
}

// The names of the manufacturer's keys, as in CEN/XFS.
const (
	encryptionKey = "_EPPCryptKey"
	signingKey    = "_EPPSignKey"
	issuerKey     = "_SigIssuerVendor"
)

// serialNumber is the device's security item.
const serialNumber = "plomb-simulated-epp"

// sealedIdentity is an identity as it is kept.
type sealedIdentity struct {
	Certificates map[string][]byte `json:"certificates"`
	Keys         map[string][]byte `json:"keys"`
	Signatures   map[string][]byte `json:"signatures"`
	Issuer       []byte            `json:"issuer"` // public key
}

// identity is the device's, made on first use: two RSA keys take time.
func (e *EPP) identity() (*identity, error) {
	if e.me != nil {
		return e.me, nil
	}
	raw := e.store.Record(recordIdentity)
	if raw == nil {
		var err error
		if raw, err = e.manufacture(); err != nil {
			return nil, err
		}
	}
	defer clear(raw)
	var sealed sealedIdentity
	if err := json.Unmarshal(raw, &sealed); err != nil {
		return nil, keystore.ErrDamaged
	}
	if err := e.fixKeys(sealed, raw); err != nil {
		return nil, err
	}
	me, err := sealed.open()
	e.me = me
	return me, err
}

// manufacture makes the device's keys and has them certified.
func (e *EPP) manufacture() ([]byte, error) {
	f, err := e.maker()
	if err != nil {
		return nil, err
	}
	out := sealedIdentity{Certificates: map[string][]byte{"ca": f.Authority.Certificate.Raw, "hl": f.Higher.Certificate.Raw},
		Keys: map[string][]byte{}, Signatures: map[string][]byte{}, Issuer: x509.MarshalPKCS1PublicKey(&f.Issuer.Key.PublicKey)}
	for _, name := range []string{encryptionKey, signingKey} {
		p, err := certify(e.name+" "+name, &f.Authority, false)
		if err != nil {
			return nil, err
		}
		out.Certificates[name], out.Keys[name] = p.Certificate.Raw, x509.MarshalPKCS1PrivateKey(p.Key)
		if out.Signatures[name], err = f.sign(x509.MarshalPKCS1PublicKey(&p.Key.PublicKey)); err != nil {
			return nil, err
		}
	}
	if out.Signatures[""], err = f.sign([]byte(serialNumber)); err != nil {
		return nil, err
	}
	return json.Marshal(out)
}

// sign is the issuer's signature: RSASSA-PKCS1-v1.5 with SHA-256.
func (f *Factory) sign(data []byte) ([]byte, error) {
	return rsa.SignPKCS1v15(nil, f.Issuer.Key, gocrypto.SHA256, digestOf(gocrypto.SHA256, data))
}

// fixKeys puts the manufacturer's keys among the others.
func (e *EPP) fixKeys(s sealedIdentity, raw []byte) error {
	if _, there := e.store.Key(issuerKey); there {
		return nil
	}
	fixed := keystore.Key{Algorithm: "R", Version: "00", Exportability: "N", Fixed: true, Bits: modulusBits}
	return e.store.Change(func(c *keystore.Contents) error {
		c.Records[recordIdentity] = bytes.Clone(raw)
		for name, k := range map[string]keystore.Key{
			encryptionKey: {Usage: "K3", ModeOfUse: "D", Private: true, Value: s.Keys[encryptionKey]},
			signingKey:    {Usage: "S0", ModeOfUse: "S", Private: true, Value: s.Keys[signingKey], Internal: true},
			issuerKey:     {Usage: "S1", ModeOfUse: "V", Value: s.Issuer},
		} {
			all := fixed
			all.Name, all.Usage, all.ModeOfUse, all.Private, all.Value, all.Internal = name, k.Usage, k.ModeOfUse, k.Private, bytes.Clone(k.Value), k.Internal
			c.Keys[name] = all
		}
		return nil
	})
}

func (s sealedIdentity) open() (*identity, error) {
	me := &identity{signatures: s.Signatures}
	var err error
	if me.encryption, err = s.party(encryptionKey); err != nil {
		return nil, err
	}
	if me.signing, err = s.party(signingKey); err != nil {
		return nil, err
	}
	if me.authority, err = x509.ParseCertificate(s.Certificates["ca"]); err != nil {
		return nil, keystore.ErrDamaged
	}
	if me.higher, err = x509.ParseCertificate(s.Certificates["hl"]); err != nil {
		return nil, keystore.ErrDamaged
	}
	return me, nil
}

func (s sealedIdentity) party(name string) (Party, error) {
	cert, err := x509.ParseCertificate(s.Certificates[name])
	if err != nil {
		return Party{}, keystore.ErrDamaged
	}
	key, err := x509.ParsePKCS1PrivateKey(s.Keys[name])
	if err != nil {
		return Party{}, keystore.ErrDamaged
	}
	return Party{Certificate: cert, Key: key}, nil
}
