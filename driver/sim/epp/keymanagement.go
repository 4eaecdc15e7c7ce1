package epp

import (
	"context"
	"fmt"
	"maps"
	"strings"

	"github.com/plomb-pos/plomb/driver/dukpt"
	"github.com/plomb-pos/plomb/driver/keystore"
	"github.com/plomb-pos/plomb/driver/sim/chassis"
	"github.com/plomb-pos/plomb/driver/symmetric"
	"github.com/plomb-pos/plomb/xfs4iot/host"
	"github.com/plomb-pos/plomb/xfs4iot/keymanagement"
)

func (e *EPP) serveKeyManagement(s *host.Service) {
	serveAlways(e, s, keymanagement.GetKeyDetail, e.getKeyDetail)
	serveAlways(e, s, keymanagement.Initialization, e.initialization)
	serve(e, s, keymanagement.DeleteKey, e.deleteKey)
	serve(e, s, keymanagement.DeriveKey, e.deriveKey)
	serve(e, s, keymanagement.ImportKey, e.importKey)
	serve(e, s, keymanagement.GenerateKCV, e.generateKCV)
	serve(e, s, keymanagement.GenerateRSAKeyPair, e.generateRSAKeyPair)
	serve(e, s, keymanagement.ExportRSADeviceSignedItem, e.exportDeviceSigned)
	serve(e, s, keymanagement.ExportRSAIssuerSignedItem, e.exportIssuerSigned)
	serve(e, s, keymanagement.GetCertificate, e.getCertificate)
	serve(e, s, keymanagement.LoadCertificate, e.loadCertificate)
	serve(e, s, keymanagement.ReplaceCertificate, e.replaceCertificate)
	serve(e, s, keymanagement.StartKeyExchange, e.startKeyExchange)
	serve(e, s, keymanagement.ImportKeyToken, e.importKeyToken)
	serve(e, s, keymanagement.ImportEmvPublicKey, e.importEMVPublicKey)
	serve(e, s, keymanagement.StartAuthenticate, e.startAuthenticate)
	serveAlways(e, s, keymanagement.Reset, e.resetKeyManagement)
}

// maxKeys is how many keys the device holds.
const maxKeys = 256

func (e *EPP) getKeyDetail(_ context.Context, _ *host.Command, req *keymanagement.GetKeyDetailCommand) (*keymanagement.GetKeyDetailCompletion, error) {
	if !e.tampered && !e.virgin && e.store.Failed() == nil {
		if _, err := e.identity(); err != nil {
			return nil, err
		}
	}
	out := &keymanagement.GetKeyDetailCompletion{KeyDetails: map[string]*keymanagement.GetKeyDetailCompletionKeyDetailsValue{}}
	for _, name := range e.store.Names() {
		if req.KeyName == "" || req.KeyName == name {
			k, _ := e.store.Key(name)
			clear(k.Value)
			out.KeyDetails[name] = detail(k)
		}
	}
	if req.KeyName != "" && len(out.KeyDetails) == 0 {
		return nil, &keyError{req.KeyName, "keyNotFound", "it is not there"}
	}
	return out, nil
}

// detail is all that is told of a key.
func detail(k keystore.Key) *keymanagement.GetKeyDetailCompletionKeyDetailsValue {
	loaded := keymanagement.GetKeyDetailCompletionKeyDetailsValueLoadedYes
	if k.Constructing {
		loaded = keymanagement.GetKeyDetailCompletionKeyDetailsValueLoadedConstruct
	}
	return &keymanagement.GetKeyDetailCompletionKeyDetailsValue{Loaded: loaded,
		KeyBlockInfo: &keymanagement.GetKeyDetailCompletionKeyDetailsValueKeyBlockInfo{
			KeyUsage: k.Usage, RestrictedKeyUsage: k.Restricted, Algorithm: k.Algorithm, ModeOfUse: k.ModeOfUse,
			KeyVersionNumber: k.Version, Exportability: k.Exportability, OptionalBlockHeader: k.Optional, KeyLength: &k.Bits}}
}

// withValue puts a symmetric key's value in and checks its length. An initial DUKPT
// key becomes its future keys.
func withValue(k keystore.Key, value, ksn []byte) (keystore.Key, error) {
	k.Bits = 8 * len(value)
	switch {
	case k.Usage == "B1":
		g, err := dukpt.New(value, ksn)
		if err != nil {
			return k, refuse("contentInvalid", "an initial DUKPT key has 16 bytes and a serial number of 10")
		}
		defer g.Clear()
		k.Value = g.State()
		return k, nil
	case k.Algorithm == "H":
		if len(value) < 16 || len(value) > 64 {
			return k, refuse("invalidKeyLength", "an HMAC key has 16 to 64 bytes")
		}
	case k.Usage == "I0":
		if len(value) != algorithm(k).BlockSize() {
			return k, refuse("invalidKeyLength", "an initial value has the length of a block")
		}
	default:
		if _, err := symmetric.New(algorithm(k), value); err != nil {
			return k, refuse("invalidKeyLength", err.Error())
		}
	}
	k.Value = append([]byte(nil), value...)
	return k, nil
}

// keep stores a key, in place of one of the same usage.
func (e *EPP) keep(k keystore.Key) error {
	err := e.store.Change(func(c *keystore.Contents) error {
		old, there := c.Keys[k.Name]
		switch {
		case strings.HasPrefix(k.Name, "_") || old.Private:
			return refuse("duplicateKey", "a key of that name cannot be overwritten")
		case there && old.Usage != k.Usage:
			return &keyError{k.Name, "useViolation", "a key of another usage has that name"}
		case !there && len(c.Keys) >= maxKeys:
			return refuse("noKeyRam", "there is no room for another key")
		}
		clear(old.Value)
		k.Value = append([]byte(nil), k.Value...)
		c.Keys[k.Name] = k
		return nil
	})
	e.show()
	return err
}

// kcv is the check value by zeros of a symmetric key; nil for others.
func kcv(k keystore.Key) []byte {
	if k.Constructing || k.Usage == "B1" || k.Usage == "I0" || k.Algorithm == "R" || k.Algorithm == "H" {
		return nil
	}
	out, err := symmetric.KCV(algorithm(k), k.Value)
	if err != nil {
		return nil
	}
	return out
}

func (e *EPP) generateKCV(_ context.Context, _ *host.Command, req *keymanagement.GenerateKCVCommand) (*keymanagement.GenerateKCVCompletion, error) {
	k, err := e.find(req.Key)
	if err != nil {
		return nil, err
	}
	defer clear(k.Value)
	out := kcv(k)
	if out == nil {
		return nil, refuse("modeNotSupported", "the key has no check value")
	}
	if req.KeyCheckMode == keymanagement.GenerateKCVCommandKeyCheckModeSelf {
		out, err = symmetric.SelfKCV(algorithm(k), k.Value)
	}
	return &keymanagement.GenerateKCVCompletion{Kcv: out}, err
}

func (e *EPP) deleteKey(_ context.Context, _ *host.Command, req *keymanagement.DeleteKeyCommand) (*keymanagement.DeleteKeyCompletion, error) {
	var proof *authentication
	if a := req.Authentication; a != nil {
		proof = &authentication{a.Method, a.Key, a.Data}
	}
	if k, ok := e.store.Key(req.Key); req.Key != "" && (!ok || k.Fixed) {
		return nil, &keyError{req.Key, "keyNotFound", "it is not there, or the manufacturer's"}
	}
	if err := e.authenticate(proof); err != nil {
		return nil, err
	}
	err := e.store.Change(func(c *keystore.Contents) error {
		maps.DeleteFunc(c.Keys, func(name string, k keystore.Key) bool {
			gone := !k.Fixed && (req.Key == "" || req.Key == name)
			if gone {
				clear(k.Value)
			}
			return gone
		})
		return nil
	})
	e.show()
	return nil, err
}

// initialization destroys all keys but the manufacturer's, and certificates. It is
// what a device that was repaired waits for.
func (e *EPP) initialization(_ context.Context, _ *host.Command, req *keymanagement.InitializationCommand) (*keymanagement.InitializationCompletion, error) {
	if e.tampered {
		return nil, refuse("accessDenied", "the PIN pad was opened")
	}
	var proof *authentication
	if a := req.Authentication; a != nil {
		proof = &authentication{a.Method, a.Key, a.Data}
	}
	if !e.virgin {
		if err := e.authenticate(proof); err != nil {
			return nil, err
		}
	}
	if err := e.store.Wipe(recordIdentity, recordHSMDead); err != nil {
		return nil, err
	}
	e.me, e.virgin = nil, false
	e.reset()
	e.Say(&keymanagement.InitializedEvent{})
	return nil, nil
}

func (e *EPP) resetKeyManagement(context.Context, *host.Command, *keymanagement.ResetCommand) (*keymanagement.ResetCompletion, error) {
	e.reset()
	return nil, nil
}

// deriveKey is chipZka: triple DES in CBC, deciphering, with odd parity.
func (e *EPP) deriveKey(_ context.Context, _ *host.Command, req *keymanagement.DeriveKeyCommand) (*keymanagement.DeriveKeyCompletion, error) {
	generator, err := e.key(req.KeyGenKey, use{[]string{"B3"}, "T", "X"})
	if err != nil {
		return nil, err
	}
	defer clear(generator.Value)
	if _, there := e.store.Key(req.Key); there {
		return nil, refuse("duplicateKey", "a key of that name is there")
	}
	iv := initialValue{stored: req.StoredKey}
	if req.Iv != nil {
		iv.key, iv.value = req.Iv.Key, req.Iv.Value
	}
	start, err := e.initialValue(iv)
	if err != nil {
		return nil, err
	}
	value, err := symmetric.Decrypt(symmetric.TDES, symmetric.CBC, generator.Value, start, symmetric.Pad(req.InputData, 8, byte(number(req.Padding))))
	if err != nil {
		return nil, wrong(generator, err)
	}
	defer clear(value)
	oddParity(value)
	k, err := withValue(keystore.Key{Name: req.Key, Usage: "M3", Algorithm: "T", ModeOfUse: "C", Version: "00", Exportability: "N"}, value, nil)
	if err != nil || len(value) != 16 {
		return nil, refuse("invalidKeyLength", fmt.Sprintf("the derived key would have %d bytes", len(value)))
	}
	return nil, e.keep(k)
}

// oddParity sets the lowest bit of each byte as DES keys have it.
func oddParity(key []byte) {
	for i, b := range key {
		b ^= b >> 4
		b ^= b >> 2
		b ^= b >> 1
		key[i] ^= ^b & 1
	}
}

// authentication is what DeleteKey and Initialization bring.
type authentication struct {
	method keymanagement.AuthenticationMethod
	key    string
	data   []byte
}

func (e *EPP) startAuthenticate(_ context.Context, _ *host.Command, req *keymanagement.StartAuthenticateCommand) (*keymanagement.StartAuthenticateCompletion, error) {
	c := req.Command
	if c == nil || (c.DeleteKey == nil) == (c.Initialization == nil) {
		return nil, chassis.Invalid("one command is to be named")
	}
	if !e.o.Secured {
		return nil, nil
	}
	nonce, err := random(16)
	if err != nil {
		return nil, err
	}
	what := "KeyManagement.Initialization"
	if c.DeleteKey != nil {
		what = "KeyManagement.DeleteKey " + c.DeleteKey.Key
	}
	e.challenge = append(nonce, what...)
	hosted := e.store.Record(recordHost) != nil
	return &keymanagement.StartAuthenticateCompletion{DataToSign: append([]byte(nil), e.challenge...), Signers: &keymanagement.StartAuthenticateCompletionSigners{
		CertHost: &hosted, SigHost: new(true), Ca: new(true), Hl: new(true), Cbcmac: new(true), Cmac: new(true),
		CertHostTr34: new(false), CaTr34: new(false), HlTr34: new(false), Reserved1: new(false), Reserved2: new(false), Reserved3: new(false)}}, nil
}
