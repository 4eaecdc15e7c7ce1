package epp

import (
	"bytes"
	"crypto/rsa"
	"crypto/subtle"

	"github.com/plomb-pos/plomb/driver/cms"
	"github.com/plomb-pos/plomb/driver/keystore"
	"github.com/plomb-pos/plomb/driver/sim/chassis"
	"github.com/plomb-pos/plomb/xfs4iot/keymanagement"
)

// authenticate checks the proof of a command that needs one. What StartAuthenticate
// gave is used up by any attempt.
func (e *EPP) authenticate(a *authentication) error {
	if !e.o.Secured {
		return nil
	}
	challenge := e.challenge
	e.challenge = nil
	if challenge == nil {
		return chassis.Sequence("StartAuthenticate comes first")
	}
	if a == nil {
		return refuse("signatureInvalid", "the command needs authentication")
	}
	switch a.method {
	case keymanagement.AuthenticationMethodCbcmac, keymanagement.AuthenticationMethodCmac:
		return e.authenticateMAC(a, challenge)
	case keymanagement.AuthenticationMethodSigHost:
		return e.authenticateHost(a, challenge)
	case keymanagement.AuthenticationMethodCerthost, keymanagement.AuthenticationMethodCa, keymanagement.AuthenticationMethodHl:
		return e.authenticateCertified(a, challenge)
	}
	return chassis.Refused("authentication by " + string(a.method))
}

func (e *EPP) authenticateMAC(a *authentication, challenge []byte) error {
	usages := []string{"M0", "M1", "M3"}
	if a.method == keymanagement.AuthenticationMethodCmac {
		usages = []string{"M6"}
	}
	k, err := e.key(a.key, use{usages, "", "VC"})
	if err != nil {
		return err
	}
	defer clear(k.Value)
	mac, err := e.mac(nil, k, macRequest{data: challenge})
	if err != nil {
		return err
	}
	n := len(a.data)
	if n < 4 || n > len(mac) || subtle.ConstantTimeCompare(mac[:n], a.data) != 1 {
		return refuse("macInvalid", "the MAC does not fit")
	}
	return nil
}

// authenticateHost takes PKCS#7 under the public key that is named, or the
// manufacturer's signature issuer.
func (e *EPP) authenticateHost(a *authentication, challenge []byte) error {
	name := a.key
	if name == "" {
		name = issuerKey
	}
	k, err := e.key(name, use{[]string{"S0", "S1", "S2"}, "R", "V"})
	if err != nil {
		return err
	}
	public, err := publicKey(k)
	if err != nil {
		return err
	}
	return signedBy(public, a.data, challenge)
}

func (e *EPP) authenticateCertified(a *authentication, challenge []byte) error {
	who := map[keymanagement.AuthenticationMethod]keymanagement.LoadCertificateCommandSigner{
		keymanagement.AuthenticationMethodCerthost: keymanagement.LoadCertificateCommandSignerCertHost,
		keymanagement.AuthenticationMethodCa:       keymanagement.LoadCertificateCommandSignerCa,
		keymanagement.AuthenticationMethodHl:       keymanagement.LoadCertificateCommandSignerHl,
	}[a.method]
	cert, err := e.authority(who)
	if err != nil {
		return err
	}
	if cert == nil {
		return &keyError{"host", "keyNotFound", "no host certificate is loaded"}
	}
	public, ok := cert.PublicKey.(*rsa.PublicKey)
	if !ok {
		return keystore.ErrDamaged
	}
	return signedBy(public, a.data, challenge)
}

func signedBy(key *rsa.PublicKey, der, challenge []byte) error {
	s, err := cms.ParseSigned(der)
	if err != nil {
		return refuse("signatureInvalid", err.Error())
	}
	if !bytes.Equal(s.Content, challenge) {
		return refuse("randomInvalid", "it answers another StartAuthenticate")
	}
	if err := s.Verify(key); err != nil {
		return refuse("signatureInvalid", err.Error())
	}
	return nil
}
