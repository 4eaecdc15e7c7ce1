// Package epp is a simulated encrypting PIN pad. The keypad is simulated; the
// cryptography is real: DES, triple DES, AES, RSA, X.509, key blocks, PKCS#7, DUKPT
// and PIN blocks are computed as a certified device computes them. It serves
// KeyManagement, Crypto, PinPad, Keyboard and the German (DK) commands as one
// service.
//
//	e, err := epp.New("PinPad", epp.Options{})
//	server.Add(e.Service())
//	e.Press("one")
//
// # Keys
//
// Keys come in as key blocks (ANSI X9.143 versions A to D) under a K1 key, under a K0
// key, under RSA with a signature, in TR-34 or older key tokens, as parts entered by
// hand, or as EMV certificates. What a key may do is decided by its usage, algorithm
// and mode of use alone. No command gives a symmetric or private key out in any form.
// They are kept by package keystore: sealed, whole or not at all at a loss of power.
//
// A fresh device is made by a [Factory], the simulated manufacturer, whose authority
// signs the device's certificates and those of hosts. With a directory its keys lie
// there in the clear, in factory.pem, so that a key host can be tried against the
// device; a real manufacturer's are not to be had.
//
// # PINs
//
// A PIN is in the device from the end of PinEntry to the next command that uses it
// (or to Reset, another entry, lost power), unless MaintainPin keeps it. It is in no
// message, event, status, State or log. GetPinBlock without a key is refused: this
// device gives no PIN block in clear.
//
// # Where the description is silent or contradicts itself
//
//   - LocalVisa.pan has 23 digits by its pattern and twelve by its text: the last
//     twelve count (eleven of the account number, the key index).
//   - LocalDES.keyEncKey is a string: base64 or hexadecimal of the enciphered key.
//   - A random number of StartKeyExchange stands before an RSA-enciphered value.
//   - The last part of a key entered by hand makes the key usable when ImportKey
//     comes without constructing and without value.
//   - TR-34 rebind tokens are taken by LoadCertificate as it takes PKCS#7; its signer
//     has no values of their own for them.
//   - Authentication by TR-34 unbind tokens is not served; the authorities' PKCS#7,
//     host signatures and MACs are.
//   - MAC algorithms 2, 4 and 6 of ISO 9797-1 and the first form of 5 are not served,
//     nor the PIN formats banksys and ap, nor the EPI CA import: they have no public
//     description or no use.
//   - DeriveKey (chipZka), a remainder of 2021-1: the derived key is the input
//     deciphered under the generating key in CBC, with odd parity.
//
// # German (DK) commands
//
// Established by the description: the names and forms of all fields, the three modes
// of HSMInit, that K_UR stays or goes with them, and that online time is a value in
// the past where none is given. Known from the predecessor, CEN/XFS 3: the five HSM
// states (1 out of order for good, 2 without K_UR, 3 K_UR loaded, 4 K_INIT loaded, 5
// K_PERS loaded); here they follow from which of the keys KUR, KINIT and KPERS are
// there. Not public: the message formats of the Zentraler Kreditausschuss. SecureMsgSend
// and SecureMsgReceive therefore do this, and no real DK host will understand it:
//
//   - rawData: a retail MAC (X9.19) of 8 bytes under the key KMAC is appended; on
//     receipt it is checked and the message is the rest.
//   - isoPs: an ISO 8583 message with the MAC's bit set in its bitmap; the last 8
//     bytes are replaced by that MAC, or checked.
//   - genAs: first byte 0, then the account number without check digit: the answer is
//     an ISO 0 block of the PIN under the key KPAC; first byte 1, then a message: the
//     answer is its MAC. On receipt: MAC, then the message.
//   - hsmLdi: the loaded keys: length and name, length and check value.
//   - pinCmp: byte 0 remembers the PIN that was entered, byte 1 compares: 0 the same,
//     1 another.
//
// # What it is not
//
// Not a PCI device: memory can be read, "device.key" lies beside the keys, and the
// buttons are on a web page. Use test keys.
package epp

import (
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"path"
	"slices"

	"github.com/plomb-pos/plomb/driver/keystore"
	"github.com/plomb-pos/plomb/driver/sim/chassis"
	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/xfs4iot/common"
	"github.com/plomb-pos/plomb/xfs4iot/german"
	"github.com/plomb-pos/plomb/xfs4iot/host"
	"github.com/plomb-pos/plomb/xfs4iot/keyboard"
	"github.com/plomb-pos/plomb/xfs4iot/keymanagement"
)

// Options chooses the device; the zero value is a keypad with ten digits and eight
// function display keys, without keys, in memory.
type Options struct {
	Directory string   `json:"directory,omitzero" toml:"directory"` // where keys are kept; must exist
	Keys      []Preset `json:"keys,omitzero" toml:"keys"`           // test keys loaded "in the secure room" when they are not there yet
	Touch     bool     `json:"touch,omitzero" toml:"touch"`         // an encrypting touch screen of 800 by 600: layouts can be defined
	Secured   bool     `json:"secured,omitzero" toml:"secured"`     // Initialization and DeleteKey need authentication
	HSM       bool     `json:"hsm,omitzero" toml:"hsm"`             // the German security module is there (HSM states begin at 2, otherwise at 1)

	Factory *Factory   `json:"-" toml:"-"` // who made the device; nil: one of its own
	FS      durable.FS `json:"-" toml:"-"` // in place of the operating system's, for tests
	// Chip sends an APDU to the chip card that is wired to the PIN pad, for PresentIDC;
	// nil: none is. It must not call the device.
	Chip func(protocol string, apdu []byte) ([]byte, error) `json:"-" toml:"-"`
}

// Preset is a symmetric test key in clear.
type Preset struct {
	Name      string `json:"name" toml:"name"`
	Usage     string `json:"usage" toml:"usage"`
	Algorithm string `json:"algorithm" toml:"algorithm"`
	ModeOfUse string `json:"modeOfUse" toml:"modeOfUse"`
	Value     string `json:"value" toml:"value"`        // hexadecimal
	KSN       string `json:"ksn,omitzero" toml:"ksn"`   // of an initial DUKPT key (B1), 20 hexadecimal digits
	Only      string `json:"only,omitzero" toml:"only"` // restricts a key encryption key to keys of this usage
}

// EPP is the device. Its methods may be called concurrently.
type EPP struct {
	chassis.Chassis
	name string
	o    Options

	store    *keystore.Store
	factory  *Factory
	me       *identity
	off      bool
	tampered bool
	virgin   bool // repaired after a tamper: waits for Initialization
	stuck    map[string]bool

	entry    *entry // what a client waits for
	layout   keyboard.Layout
	beep     beep
	pin      []byte // entered and not used yet
	maintain bool
	preset   *pinRequest // of SetPinBlockData
	compared []byte      // of the German protocol pinCmp
	part     *part       // a key part entered and not stored yet

	exchange  []byte // random number of StartKeyExchange
	challenge []byte // of StartAuthenticate
	hsmDead   bool
}

// beep says for which keys the device beeps.
type beep struct{ active, inactive bool }

// New makes a device, or takes up the keys of its directory.
func New(name string, o Options) (*EPP, error) {
	if o.FS == nil && o.Directory != "" {
		o.FS = durable.OS{}
	}
	store, err := keystore.Open(o.FS, o.Directory)
	if err != nil {
		return nil, fmt.Errorf("PIN pad %s: %w", name, err)
	}
	e := &EPP{name: name, o: o, store: store, factory: o.Factory, stuck: map[string]bool{}, layout: standardLayout(), beep: beep{true, false}}
	e.tampered = store.Record(recordTampered) != nil
	e.virgin = store.Record(recordVirgin) != nil
	e.hsmDead = store.Record(recordHSMDead) != nil
	if e.tampered {
		err = store.Wipe(recordTampered, recordHSMDead)
	} else if !e.virgin {
		err = e.loadPresets()
	}
	if err != nil {
		return nil, fmt.Errorf("PIN pad %s: %w", name, err)
	}
	return e, nil
}

// Records of the store.
const (
	recordTampered = "tampered"
	recordVirgin   = "virgin"
	recordIdentity = "identity"
	recordHost     = "certificate.host"
	recordCA       = "certificate.ca"
	recordSecond   = "certificate.secondary"
	recordHSMDead  = "hsm.dead"
	recordTerminal = "hsm.terminal"
)

func (e *EPP) loadPresets() error {
	if !slices.ContainsFunc(e.o.Keys, func(p Preset) bool { return !slices.Contains(e.store.Names(), p.Name) }) {
		return nil
	}
	return e.store.Change(func(c *keystore.Contents) error {
		for _, p := range e.o.Keys {
			if _, there := c.Keys[p.Name]; there {
				continue
			}
			k, err := p.key()
			if err != nil {
				return fmt.Errorf("key %q: %w", p.Name, err)
			}
			c.Keys[p.Name] = k
		}
		return nil
	})
}

var errPreset = errors.New("usage, algorithm, mode of use or length make no sense")

func (p Preset) key() (keystore.Key, error) {
	value, err := hex.DecodeString(p.Value)
	if err != nil {
		return keystore.Key{}, err
	}
	k := keystore.Key{Name: p.Name, Usage: p.Usage, Algorithm: p.Algorithm, ModeOfUse: p.ModeOfUse, Restricted: p.Only, Version: "00", Exportability: "N"}
	if !allowed(p.Usage, p.Algorithm, p.ModeOfUse) || p.Name == "" {
		return keystore.Key{}, errPreset
	}
	ksn, err := hex.DecodeString(p.KSN)
	if err != nil {
		return keystore.Key{}, err
	}
	return withValue(k, value, ksn)
}

// Class names its picture.
func (e *EPP) Class() string { return "epp" }

// factoryFile holds the simulated manufacturer's keys.
const factoryFile = "factory.pem"

// maker is the manufacturer, made or read on first use: three RSA keys take time.
func (e *EPP) maker() (*Factory, error) {
	if e.factory != nil {
		return e.factory, nil
	}
	var err error
	if e.o.FS == nil {
		e.factory, err = NewFactory()
		return e.factory, err
	}
	e.factory, err = openFactory(e.o.FS, path.Join(e.o.Directory, factoryFile))
	return e.factory, err
}

// Factory is the simulated manufacturer, with whose keys a test makes hosts.
func (e *EPP) Factory() (*Factory, error) {
	e.Lock()
	defer e.Unlock()
	return e.maker()
}

// Certificate is the device's certificate for encryption.
func (e *EPP) Certificate() (*x509.Certificate, error) {
	e.Lock()
	defer e.Unlock()
	me, err := e.identity()
	if err != nil {
		return nil, err
	}
	return me.encryption.Certificate, nil
}

// Service makes a fresh service over the present state.
func (e *EPP) Service() *host.Service {
	e.Lock()
	defer e.Unlock()
	s := host.NewService(e.name, host.Declaration{
		Capabilities: e.capabilities(), Status: e.status(),
		Events: eventsOf(keymanagement.Description, german.Description),
	})
	e.serveKeyManagement(s)
	e.serveKeyboard(s)
	e.servePinPad(s)
	e.serveCrypto(s)
	e.serveGerman(s)
	e.Serve(s)
	return s
}

func (e *EPP) status() common.StatusCompletion {
	return common.StatusCompletion{
		Common:        &common.StatusProperties{Device: e.device(), AntiFraudModule: e.fraud()},
		KeyManagement: &keymanagement.Status{EncryptionState: e.encryptionState(), CertificateState: e.certificateState()},
		Keyboard:      &keyboard.Status{AutoBeepMode: &keyboard.StatusAutoBeepMode{ActiveAvailable: &e.beep.active, InactiveAvailable: &e.beep.inactive}},
	}
}

func (e *EPP) show() { e.Show(e.status()) }

func (e *EPP) fraud() common.AntiFraudModule {
	if e.tampered {
		return common.AntiFraudModuleDeviceDetected
	}
	return common.AntiFraudModuleOk
}

func (e *EPP) device() common.Device {
	switch {
	case e.off:
		return common.DevicePowerOff
	case e.tampered:
		return common.DeviceFraudAttempt
	case len(e.stuck) > 0 || e.store.Failed() != nil:
		return common.DeviceHardwareError
	}
	return common.DeviceOnline
}

func (e *EPP) encryptionState() keymanagement.StatusEncryptionState {
	switch {
	case e.off || e.tampered || e.store.Failed() != nil:
		return keymanagement.StatusEncryptionStateNotReady
	case e.virgin:
		return keymanagement.StatusEncryptionStateNotInitialized
	case len(e.loaded()) == 0:
		return keymanagement.StatusEncryptionStateInitialized
	}
	return keymanagement.StatusEncryptionStateReady
}

func (e *EPP) certificateState() keymanagement.StatusCertificateState {
	switch {
	case e.off || e.tampered:
		return keymanagement.StatusCertificateStateNotReady
	case e.store.Record(recordSecond) != nil:
		return keymanagement.StatusCertificateStateSecondary
	}
	return keymanagement.StatusCertificateStatePrimary
}

// loaded lists the keys that can be used, without the manufacturer's.
func (e *EPP) loaded() []keystore.Key {
	var out []keystore.Key
	for _, name := range e.store.Names() {
		k, _ := e.store.Key(name)
		clear(k.Value)
		if !k.Fixed && !k.Constructing {
			out = append(out, k)
		}
	}
	return out
}
