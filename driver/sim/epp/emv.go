package epp

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"errors"

	"github.com/plomb-pos/plomb/driver/emvkey"
	"github.com/plomb-pos/plomb/driver/keystore"
	"github.com/plomb-pos/plomb/driver/sim/chassis"
	"github.com/plomb-pos/plomb/xfs4iot/host"
	"github.com/plomb-pos/plomb/xfs4iot/keymanagement"
)

func (e *EPP) importEMVPublicKey(_ context.Context, _ *host.Command, req *keymanagement.ImportEmvPublicKeyCommand) (*keymanagement.ImportEmvPublicKeyCompletion, error) {
	k := keystore.Key{Name: req.Key, Usage: req.KeyUsage, Algorithm: "R", ModeOfUse: "V", Version: "00", Exportability: "N"}
	if row, ok := row(k.Usage); !ok || k.Usage[0] != 'E' {
		return nil, &keyError{req.Key, "useViolation", "not the usage of an EMV key"}
	} else {
		k.ModeOfUse = row.modes
	}
	if req.Key == "" {
		return nil, chassis.Invalid("the key's name is missing")
	}
	public, expiry, err := e.emvKey(req)
	if err != nil {
		return nil, emvError(err)
	}
	k.Value, k.Bits = x509.MarshalPKCS1PublicKey(public), public.N.BitLen()
	return &keymanagement.ImportEmvPublicKeyCompletion{ExpiryDate: expiry}, e.keep(k)
}

func emvError(err error) error {
	switch {
	case errors.Is(err, emvkey.ErrFormat):
		return chassis.Invalid(err.Error())
	case errors.Is(err, emvkey.ErrVerify):
		return refuse("emvVerifyFailed", err.Error())
	}
	return err
}

// emvKey imports by the scheme.
func (e *EPP) emvKey(req *keymanagement.ImportEmvPublicKeyCommand) (key *rsa.PublicKey, expiry string, err error) {
	switch req.ImportScheme {
	case keymanagement.ImportEmvPublicKeyCommandImportSchemePlainCA:
		key, err = emvkey.Plain(req.Value)
		return key, "", err
	case keymanagement.ImportEmvPublicKeyCommandImportSchemeChecksumCA:
		a, err := emvkey.Checksum(req.Value)
		return a.Key, "", err
	case keymanagement.ImportEmvPublicKeyCommandImportSchemeEpiCA, "":
		return nil, "", chassis.Refused("the import scheme has no public description")
	}
	by, err := e.emvVerifier(req.VerifyKey)
	if err != nil {
		return nil, "", err
	}
	switch req.ImportScheme {
	case keymanagement.ImportEmvPublicKeyCommandImportSchemeIssuer:
		return emvkey.Issuer(by, req.Value)
	case keymanagement.ImportEmvPublicKeyCommandImportSchemePkcsV15CA:
		a, err := emvkey.Signed(by, req.Value)
		return a.Key, "", err
	}
	return emvkey.Card(by, req.Value)
}

func (e *EPP) emvVerifier(name string) (*rsa.PublicKey, error) {
	k, err := e.key(name, use{[]string{"E0", "E1", "E2", "E3", "E4", "E5", "E6", "S0", "S1", "S2"}, "R", "V"})
	if err != nil {
		return nil, err
	}
	return publicKey(k)
}
