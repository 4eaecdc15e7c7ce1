package epp

import (
	"strings"

	"github.com/plomb-pos/plomb/driver/pinblock"
	"github.com/plomb-pos/plomb/xfs4iot/common"
	"github.com/plomb-pos/plomb/xfs4iot/crypto"
	"github.com/plomb-pos/plomb/xfs4iot/german"
	"github.com/plomb-pos/plomb/xfs4iot/keyboard"
	"github.com/plomb-pos/plomb/xfs4iot/keymanagement"
	"github.com/plomb-pos/plomb/xfs4iot/pinpad"
)

// capabilities are complete but for what the description's patterns have no room
// for: DUKPT keys (B1) encipher PIN blocks and data and make MACs too, cards' keys
// (E7) PIN blocks.
func (e *EPP) capabilities() common.CapabilitiesCompletion {
	vendor := "" // without an HSM
	if e.o.HSM {
		vendor = "plomb (simulated)"
	}
	return common.CapabilitiesCompletion{
		Common: &common.CapabilityProperties{ServiceVersion: "1.0", AntiFraudModule: new(true), PowerSaveControl: new(false),
			DeviceInformation: []common.DeviceInformation{{ModelName: "simulated encrypting PIN pad", SerialNumber: serialNumber}}},
		KeyManagement: keyManagementCapabilities(),
		Keyboard:      e.keyboardCapabilities(),
		PinPad:        e.pinPadCapabilities(),
		Crypto:        cryptoCapabilities(),
		German:        &german.Capabilities{HsmVendor: vendor},
	}
}

func (e *EPP) keyboardCapabilities() *keyboard.Capabilities {
	out := &keyboard.Capabilities{AutoBeep: &keyboard.CapabilitiesAutoBeep{
		ActiveAvailable: new(true), ActiveSelectable: new(true), InactiveAvailable: new(true), InactiveSelectable: new(true)}}
	if e.o.Touch {
		out.EtsCaps = &keyboard.CapabilitiesEtsCaps{XPos: new(0), YPos: new(0), XSize: new(screenWidth), YSize: new(screenHeight),
			MaximumTouchFrames: new(maxFrames), MaximumTouchKeys: new(maxTouchKeys), Float: &keyboard.CapabilitiesEtsCapsFloat{X: new(true), Y: new(true)}}
	}
	return out
}

func (e *EPP) pinPadCapabilities() *pinpad.Capabilities {
	chip := e.o.Chip != nil
	block := func(ecb, cbc, rsa bool) *pinpad.CapabilitiesPinBlockAttributesValueValueValue {
		return &pinpad.CapabilitiesPinBlockAttributesValueValueValue{CryptoMethod: &pinpad.CapabilitiesPinBlockAttributesValueValueValueCryptoMethod{
			Ecb: &ecb, Cbc: &cbc, Cfb: new(false), Ofb: new(false), Ctr: new(false), Xts: new(false), RsaesPkcs1V15: &rsa, RsaesOaep: &rsa}}
	}
	type modes = map[string]*pinpad.CapabilitiesPinBlockAttributesValueValueValue
	return &pinpad.Capabilities{
		PinFormats: &pinpad.CapabilitiesPinFormats{Ibm3624: new(true), Ansi: new(true), Iso0: new(true), Iso1: new(true), Eci2: new(true), Eci3: new(true),
			Visa: new(true), Diebold: new(true), DieboldCo: new(true), Visa3: new(true), Banksys: new(pinblock.Known("banksys")), Emv: new(true),
			Iso3: new(true), Ap: new(pinblock.Known("ap")), Iso4: new(true)},
		PresentationAlgorithms:  &pinpad.CapabilitiesPresentationAlgorithms{PresentClear: &chip},
		Display:                 &pinpad.CapabilitiesDisplay{None: new(true), LedThrough: new(false), Display: new(false)},
		IdcConnect:              &chip,
		ValidationAlgorithms:    &pinpad.CapabilitiesValidationAlgorithms{Des: new(true), Visa: new(true)},
		PinCanPersistAfterUse:   new(true),
		TypeCombined:            new(false),
		SetPinblockDataRequired: new(false),
		PinBlockAttributes: map[string]map[string]modes{
			"P0": {"T": modes{"E": block(true, true, false), "B": block(true, true, false)}, "A": modes{"E": block(true, false, false), "B": block(true, false, false)},
				"R": modes{"E": block(false, false, true)}},
		},
	}
}

func cryptoCapabilities() *crypto.Capabilities {
	type methods = crypto.CapabilitiesCryptoAttributesValueValueValueCryptoMethod
	symmetrical := func(xts bool) *crypto.CapabilitiesCryptoAttributesValueValueValue {
		return &crypto.CapabilitiesCryptoAttributesValueValueValue{CryptoMethod: &methods{Ecb: new(true), Cbc: new(true), Cfb: new(true), Ofb: new(true), Ctr: new(true), Xts: &xts,
			RsaesPkcs1V15: new(false), RsaesOaep: new(false)}}
	}
	rsa := &crypto.CapabilitiesCryptoAttributesValueValueValue{CryptoMethod: &methods{Ecb: new(false), Cbc: new(false), Cfb: new(false), Ofb: new(false), Ctr: new(false), Xts: new(false),
		RsaesPkcs1V15: new(true), RsaesOaep: new(true)}}
	type modes = map[string]*crypto.CapabilitiesCryptoAttributesValueValueValue
	all := func(v *crypto.CapabilitiesCryptoAttributesValueValueValue) modes {
		return modes{"B": v, "D": v, "E": v}
	}
	return &crypto.Capabilities{
		EmvHashAlgorithm: &crypto.CapabilitiesEmvHashAlgorithm{Sha1Digest: new(true), Sha256Digest: new(true)},
		CryptoAttributes: map[string]map[string]modes{
			"D0": {"D": all(symmetrical(false)), "T": all(symmetrical(false)), "A": all(symmetrical(true))},
			"D1": {"R": modes{"D": rsa, "E": rsa}},
		},
		AuthenticationAttributes: authentications("CGST", func(signs bool) *crypto.CapabilitiesAuthenticationAttributesValueValueValue {
			return &crypto.CapabilitiesAuthenticationAttributesValueValueValue{
				CryptoMethod:  &crypto.CapabilitiesAuthenticationAttributesValueValueValueCryptoMethod{RsassaPkcs1V15: &signs, RsassaPss: &signs},
				HashAlgorithm: &crypto.CapabilitiesAuthenticationAttributesValueValueValueHashAlgorithm{Sha1: &signs, Sha256: &signs}}
		}),
		VerifyAttributes: authentications("CV", func(signs bool) *crypto.CapabilitiesVerifyAttributesValueValueValue {
			return &crypto.CapabilitiesVerifyAttributesValueValueValue{
				CryptoMethod:  &crypto.CapabilitiesVerifyAttributesValueValueValueCryptoMethod{RsassaPkcs1V15: &signs, RsassaPss: &signs},
				HashAlgorithm: &crypto.CapabilitiesVerifyAttributesValueValueValueHashAlgorithm{Sha1: &signs, Sha256: &signs}}
		}),
	}
}

// authentications lists, out of the table of keys, those that make MACs and
// signatures in these modes.
func authentications[T any](modes string, value func(signs bool) T) map[string]map[string]map[string]T {
	out := map[string]map[string]map[string]T{}
	for _, a := range attributes {
		if a.usage[0] != 'M' && a.usage[0] != 'S' {
			continue
		}
		for _, algorithm := range a.algorithms {
			for _, mode := range a.modes {
				if strings.ContainsRune(modes, mode) {
					put(out, a.usage, string(algorithm), string(mode), value(a.usage[0] == 'S'))
				}
			}
		}
	}
	return out
}

func put[T any](m map[string]map[string]map[string]T, usage, algorithm, mode string, v T) {
	if m[usage] == nil {
		m[usage] = map[string]map[string]T{}
	}
	if m[usage][algorithm] == nil {
		m[usage][algorithm] = map[string]T{}
	}
	m[usage][algorithm][mode] = v
}

func keyManagementCapabilities() *keymanagement.Capabilities {
	keys := map[string]map[string]map[string]*keymanagement.CapabilitiesKeyAttributesValueValueValue{}
	for _, a := range attributes {
		for _, algorithm := range a.algorithms {
			for _, mode := range a.modes {
				put(keys, a.usage, string(algorithm), string(mode), &keymanagement.CapabilitiesKeyAttributesValueValueValue{})
			}
		}
	}
	return &keymanagement.Capabilities{
		KeyNum:                  new(maxKeys),
		KeyCheckModes:           &keymanagement.CapabilitiesKeyCheckModes{Self: new(true), Zero: new(true)},
		RsaAuthenticationScheme: &keymanagement.CapabilitiesRsaAuthenticationScheme{TwoPartySig: new(true), ThreePartyCert: new(true), ThreePartyCertTr34: new(true)},
		RsaSignatureAlgorithm:   &keymanagement.CapabilitiesRsaSignatureAlgorithm{Pkcs1V15: new(true), Pss: new(true)},
		RsaCryptAlgorithm:       &keymanagement.CapabilitiesRsaCryptAlgorithm{Pkcs1V15: new(true), Oaep: new(true)},
		RsaKeyCheckMode:         &keymanagement.CapabilitiesRsaKeyCheckMode{Sha1: new(false), Sha256: new(true)},
		SignatureScheme:         &keymanagement.CapabilitiesSignatureScheme{RandomNumber: new(true), ExportDeviceID: new(true), EnhancedRkl: new(true)},
		EmvImportSchemes: &keymanagement.CapabilitiesEmvImportSchemes{PlainCA: new(true), ChksumCA: new(true), EpiCA: new(false),
			Issuer: new(true), Icc: new(true), IccPin: new(true), Pkcsv15CA: new(true)},
		KeyBlockImportFormats:         &keymanagement.CapabilitiesKeyBlockImportFormats{A: new(true), B: new(true), C: new(true), D: new(true)},
		KeyImportThroughParts:         new(true),
		DesKeyLength:                  &keymanagement.CapabilitiesDesKeyLength{Single: new(true), Double: new(true), Triple: new(true)},
		CertificateTypes:              &keymanagement.CapabilitiesCertificateTypes{EncKey: new(true), VerificationKey: new(true), HostKey: new(true)},
		LoadCertOptions:               loadOptions(),
		CrklLoadOptions:               &keymanagement.CapabilitiesCrklLoadOptions{NoRandom: new(true), NoRandomCrl: new(true), Random: new(true), RandomCrl: new(true)},
		SymmetricKeyManagementMethods: &keymanagement.CapabilitiesSymmetricKeyManagementMethods{FixedKey: new(true), MasterKey: new(true), TdesDukpt: new(true)},
		KeyAttributes:                 keys,
		DecryptAttributes:             decryptAttributes(),
		VerifyAttributes:              verifyAttributes(),
	}
}

// loadOptions are the signers of LoadCertificate. A new host is certified by an
// authority; a host hands over to another. The signature scheme has no certificates:
// sigHost loads none. CA is the signer "ca" of the command, also with TR-34's tokens.
func loadOptions() map[string]*keymanagement.CapabilitiesLoadCertOptionsValue {
	option := func(fresh, replace bool) *keymanagement.CapabilitiesLoadCertOptionsValue {
		return &keymanagement.CapabilitiesLoadCertOptionsValue{NewHost: &fresh, ReplaceHost: &replace}
	}
	return map[string]*keymanagement.CapabilitiesLoadCertOptionsValue{
		"certHost": option(false, true), "sigHost": option(false, false), "ca": option(true, true), "hl": option(true, true),
		"certHostTr34": option(false, true), "caTr34": option(true, true), "hlTr34": option(true, true),
	}
}

func decryptAttributes() map[string]*keymanagement.CapabilitiesDecryptAttributesValue {
	type methods = keymanagement.CapabilitiesDecryptAttributesValueDecryptMethod
	symmetrical := func(xts bool) *keymanagement.CapabilitiesDecryptAttributesValue {
		return &keymanagement.CapabilitiesDecryptAttributesValue{DecryptMethod: &methods{Ecb: new(true), Cbc: new(true), Cfb: new(true), Ofb: new(true), Ctr: new(true), Xts: &xts,
			RsaesPkcs1V15: new(false), RsaesOaep: new(false)}}
	}
	return map[string]*keymanagement.CapabilitiesDecryptAttributesValue{
		"T": symmetrical(false), "A": symmetrical(true),
		"R": {DecryptMethod: &methods{Ecb: new(false), Cbc: new(false), Cfb: new(false), Ofb: new(false), Ctr: new(false), Xts: new(false), RsaesPkcs1V15: new(true), RsaesOaep: new(true)}},
	}
}

// verifyAttributes are the check values ("00") and signatures that ImportKey takes.
func verifyAttributes() map[string]map[string]map[string]*keymanagement.CapabilitiesVerifyAttributesValueValueValue {
	type methods = keymanagement.CapabilitiesVerifyAttributesValueValueValueCryptoMethod
	out := map[string]map[string]map[string]*keymanagement.CapabilitiesVerifyAttributesValueValueValue{}
	for _, algorithm := range []string{"A", "D", "T"} {
		put(out, "00", algorithm, "V", &keymanagement.CapabilitiesVerifyAttributesValueValueValue{CryptoMethod: &methods{
			KcvNone: new(true), KcvSelf: new(true), KcvZero: new(true), SigNone: new(false), RsassaPkcs1V15: new(false), RsassaPss: new(false)}})
	}
	for _, usage := range []string{"S0", "S1", "S2"} {
		put(out, usage, "R", "V", &keymanagement.CapabilitiesVerifyAttributesValueValueValue{
			CryptoMethod:  &methods{KcvNone: new(false), KcvSelf: new(false), KcvZero: new(false), SigNone: new(false), RsassaPkcs1V15: new(true), RsassaPss: new(true)},
			HashAlgorithm: &keymanagement.CapabilitiesVerifyAttributesValueValueValueHashAlgorithm{Sha1: new(true), Sha256: new(true)}})
	}
	return out
}
