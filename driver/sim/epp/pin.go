package epp

import (
	"context"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"

	"github.com/plomb-pos/plomb/driver/emvkey"
	"github.com/plomb-pos/plomb/driver/keystore"
	"github.com/plomb-pos/plomb/driver/pinblock"
	"github.com/plomb-pos/plomb/driver/sim/chassis"
	"github.com/plomb-pos/plomb/driver/symmetric"
	"github.com/plomb-pos/plomb/xfs4iot/host"
	"github.com/plomb-pos/plomb/xfs4iot/pinpad"
)

func (e *EPP) servePinPad(s *host.Service) {
	serve(e, s, pinpad.GetPinBlock, e.getPinBlock)
	serve(e, s, pinpad.SetPinBlockData, e.setPinBlockData)
	serve(e, s, pinpad.LocalDES, e.localDES)
	serve(e, s, pinpad.LocalVisa, e.localVisa)
	serve(e, s, pinpad.PresentIDC, e.presentIDC)
	serve(e, s, pinpad.MaintainPin, e.maintainPin)
	serveAlways(e, s, pinpad.GetQueryPCIPTSDeviceId, e.deviceID)
	serveAlways(e, s, pinpad.Reset, e.resetPinPad)
}

// pinRequest is what a PIN block is made of.
type pinRequest struct {
	format, key, second string
	method              symmetric.Mode
	data                pinblock.Data
	xor                 []byte
}

var errNoPIN = refuse("noPin", "no PIN was entered")

// usePIN gives the PIN to a command and forgets it after, unless it is maintained.
// A command that is refused for its data does not use it up.
func (e *EPP) usePIN(do func(pin []byte) error) error {
	if len(e.pin) == 0 {
		return errNoPIN
	}
	if err := do(e.pin); err != nil {
		return err
	}
	if !e.maintain {
		clear(e.pin)
		e.pin = nil
		e.show()
	}
	return nil
}

func (e *EPP) getPinBlock(_ context.Context, cmd *host.Command, req *pinpad.GetPinBlockCommand) (*pinpad.GetPinBlockCompletion, error) {
	r, err := e.pinRequest(req)
	if err != nil {
		return nil, err
	}
	out := &pinpad.GetPinBlockCompletion{}
	err = e.usePIN(func(pin []byte) error {
		out.PinBlock, err = e.block(cmd, pin, r)
		return err
	})
	e.preset = nil
	return out, err
}

// pinRequest reads the command, or what SetPinBlockData said of its format before
// when it names no key.
func (e *EPP) pinRequest(req *pinpad.GetPinBlockCommand) (pinRequest, error) {
	if e.preset != nil && req.Key == "" && string(req.Format) == e.preset.format {
		return *e.preset, nil
	}
	r := pinRequest{format: string(req.Format), key: req.Key, second: req.SecondEncKey, method: symmetric.Mode(req.CryptoMethod),
		data: pinblock.Data{Customer: req.CustomerData, Padding: 15}}
	if req.Padding != nil {
		r.data.Padding = byte(*req.Padding)
	}
	var err error
	if r.xor, err = hex.DecodeString(req.XorData); err != nil {
		return r, chassis.Invalid("xorData is not hexadecimal")
	}
	return r, e.checkPINRequest(r)
}

func (e *EPP) checkPINRequest(r pinRequest) error {
	if !pinblock.Known(r.format) {
		return refuse("formatNotSupported", fmt.Sprintf("PIN block format %q", r.format))
	}
	if r.key == "" {
		return chassis.Refused("this device gives no PIN block in clear: a key is needed")
	}
	_, err := e.key(r.key, use{[]string{"P0", "B1", "E7"}, "TAR", "EBX"})
	if err == nil && r.second != "" {
		_, err = e.key(r.second, use{[]string{"P0"}, "T", "EB"})
	}
	return err
}

func (e *EPP) setPinBlockData(_ context.Context, _ *host.Command, req *pinpad.SetPinBlockDataCommand) (*pinpad.SetPinBlockDataCompletion, error) {
	e.preset = nil
	r, err := e.pinRequest(&pinpad.GetPinBlockCommand{CustomerData: req.CustomerData, Padding: req.Padding, Format: pinpad.GetPinBlockCommandFormat(req.Format),
		Key: req.Key, XorData: req.XorData, SecondEncKey: req.SecondEncKey, CryptoMethod: pinpad.GetPinBlockCommandCryptoMethod(req.CryptoMethod)})
	if err != nil {
		return nil, err
	}
	e.preset = &r
	return nil, nil
}

// block makes the enciphered PIN block.
func (e *EPP) block(cmd *host.Command, pin []byte, r pinRequest) ([]byte, error) {
	k, err := e.find(r.key)
	if err != nil {
		return nil, err
	}
	defer clear(k.Value)
	clearBlock, err := pinblock.Format(r.format, pin, r.data)
	if err != nil {
		return nil, formatError(err)
	}
	defer clear(clearBlock)
	switch {
	case k.Algorithm == "R":
		return encipherRSA(k, clearBlock, r)
	case r.format == pinblock.EMV:
		return nil, refuse("formatNotSupported", "EMV blocks are enciphered with RSA")
	case k.Usage == "B1":
		return e.blockDUKPT(cmd, k, clearBlock, r)
	}
	return e.blockSymmetric(k, clearBlock, r)
}

// formatError is the command's error for one of package pinblock.
func formatError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, pinblock.ErrPIN):
		return refuse("noPin", err.Error())
	case errors.Is(err, pinblock.ErrFormat):
		return refuse("formatNotSupported", err.Error())
	}
	return chassis.Invalid(err.Error())
}

func (e *EPP) blockSymmetric(k keystore.Key, clearBlock []byte, r pinRequest) ([]byte, error) {
	if r.format == pinblock.ISO4 {
		return iso4(k, clearBlock, r)
	}
	if r.method == "" {
		r.method = symmetric.ECB
	}
	if r.method != symmetric.ECB && r.method != symmetric.CBC {
		return nil, refuse("cryptoMethodNotSupported", "PIN blocks are enciphered with ecb or cbc")
	}
	if k.Algorithm != "T" {
		return nil, refuse("algorithmNotSupported", "blocks of 8 bytes take triple DES")
	}
	out, err := symmetric.Encrypt(symmetric.TDES, r.method, k.Value, nil, clearBlock)
	if err != nil || r.second == "" {
		return out, wrong(k, err)
	}
	return e.second(out, r)
}

func iso4(k keystore.Key, field []byte, r pinRequest) ([]byte, error) {
	if k.Algorithm != "A" {
		return nil, refuse("algorithmNotSupported", "format iso4 takes AES")
	}
	aes, err := symmetric.New(symmetric.AES, k.Value)
	if err != nil {
		return nil, wrong(k, err)
	}
	out, err := pinblock.EncipherISO4(aes, field, r.data.Customer)
	if err != nil {
		return nil, chassis.Invalid(err.Error())
	}
	return out, nil
}

// second enciphers a block again, after it was altered.
func (e *EPP) second(block []byte, r pinRequest) ([]byte, error) {
	if len(r.xor) != 0 && len(r.xor) != len(block) {
		return nil, chassis.Invalid("xorData has another length than the PIN block")
	}
	for i, b := range r.xor {
		block[i] ^= b
	}
	k, err := e.find(r.second)
	if err != nil {
		return nil, err
	}
	defer clear(k.Value)
	out, err := symmetric.Encrypt(symmetric.TDES, symmetric.ECB, k.Value, nil, block)
	return out, wrong(k, err)
}

// encipherRSA enciphers for a card (format emv) or a host.
func encipherRSA(k keystore.Key, block []byte, r pinRequest) ([]byte, error) {
	public, err := publicKey(k)
	if err != nil {
		return nil, err
	}
	switch {
	case r.format == pinblock.EMV:
		return forCard(public, block, r.data.Customer)
	case r.method == "rsaesOaep":
		return rsa.EncryptOAEP(sha256.New(), rand.Reader, public, block, nil)
	case r.method == "rsaesPkcs1V15":
		//lint:ignore SA1019 the protocol names it, and enciphering is its harmless half
		return rsa.EncryptPKCS1v15(rand.Reader, public, block)
	}
	return nil, refuse("cryptoMethodNotSupported", "an RSA key takes rsaesOaep or rsaesPkcs1V15")
}

func forCard(card *rsa.PublicKey, block []byte, challenge string) ([]byte, error) {
	raw, err := hex.DecodeString(challenge)
	if err != nil || len(raw) != 8 {
		return nil, chassis.Invalid("the customer data of format emv is the card's challenge of 8 bytes")
	}
	out, err := emvkey.EncipherPIN(rand.Reader, card, block, raw)
	if err != nil {
		return nil, chassis.Invalid(err.Error())
	}
	return out, nil
}

// publicKey is the public half of an RSA key.
func publicKey(k keystore.Key) (*rsa.PublicKey, error) {
	if k.Private {
		private, err := x509.ParsePKCS1PrivateKey(k.Value)
		if err != nil {
			return nil, fmt.Errorf("key %s: %w", k.Name, keystore.ErrDamaged)
		}
		return &private.PublicKey, nil
	}
	public, err := x509.ParsePKCS1PublicKey(k.Value)
	if err != nil {
		return nil, fmt.Errorf("key %s: %w", k.Name, keystore.ErrDamaged)
	}
	return public, nil
}

func (e *EPP) localDES(_ context.Context, _ *host.Command, req *pinpad.LocalDESCommand) (*pinpad.LocalDESCompletion, error) {
	block, err := e.validation(req.Key, []string{"V0", "V1"}, encipheredText(req.KeyEncKey))
	if err != nil {
		return nil, err
	}
	o := pinblock.OffsetIBM3624{Validation: padValidation(req), Table: req.DecTable, Offset: req.Offset, Digits: number(req.MaxPIN), NoLeadingZero: yes(req.NoLeadingZero)}
	out := &pinpad.LocalDESCompletion{}
	err = e.usePIN(func(pin []byte) error {
		ok, err := o.Check(block, pin)
		out.Result = &ok
		return formatError(err)
	})
	return out, err
}

// padValidation takes as many digits as asked and fills with the padding character,
// which is a digit's value or its ASCII code in hexadecimal.
func padValidation(req *pinpad.LocalDESCommand) string {
	n := number(req.ValDigits)
	if n < 1 || n > len(req.ValidationData) {
		n = len(req.ValidationData)
	}
	code, err := strconv.ParseUint(req.Padding, 16, 8)
	if err != nil {
		code = 0
	}
	fill := "0123456789abcdef"[code&15]
	if code >= 0x41 { // 'A' to 'F', 'a' to 'f'
		fill = byte(code)
	}
	out := []byte(req.ValidationData[:n])
	for len(out) < 16 {
		out = append(out, fill)
	}
	return string(out)
}

// encipheredText reads a key given as text; nil when there is none.
func encipheredText(s string) []byte {
	if s == "" {
		return nil
	}
	if raw, err := hex.DecodeString(s); err == nil {
		return raw
	}
	if raw, err := base64.StdEncoding.DecodeString(s); err == nil {
		return raw
	}
	return []byte{}
}

// validation gives the cipher of a validation key, or of one enciphered under it.
func (e *EPP) validation(name string, usages []string, enciphered []byte) (cipher.Block, error) {
	k, err := e.key(name, use{usages, "DT", "V"})
	if err != nil {
		return nil, err
	}
	defer clear(k.Value)
	if enciphered == nil {
		block, err := symmetric.New(algorithm(k), k.Value)
		return block, wrong(k, err)
	}
	value, err := symmetric.Decrypt(algorithm(k), symmetric.ECB, k.Value, nil, enciphered)
	if err != nil || len(value) == 0 {
		return nil, refuse("invalidKeyLength", "the enciphered key's length is not supported")
	}
	defer clear(value)
	a := symmetric.TDES
	if len(value) == 8 {
		a = symmetric.DES
	}
	block, err := symmetric.New(a, value)
	return block, wrong(k, err)
}

func (e *EPP) localVisa(_ context.Context, _ *host.Command, req *pinpad.LocalVisaCommand) (*pinpad.LocalVisaCompletion, error) {
	block, err := e.validation(req.Key, []string{"V2"}, req.KeyEncKey)
	if err != nil {
		return nil, err
	}
	if len(req.Pan) < 12 {
		return nil, chassis.Invalid("the account number is missing")
	}
	last := req.Pan[len(req.Pan)-12:]
	out := &pinpad.LocalVisaCompletion{}
	err = e.usePIN(func(pin []byte) error {
		ok, err := pinblock.CheckPVV(block, last[:11], last[11], pin, req.Pvv)
		out.Result = &ok
		return formatError(err)
	})
	return out, err
}

// presentIDC puts the PIN's digits into an APDU, nibble by nibble, and sends it to
// the chip.
func (e *EPP) presentIDC(_ context.Context, _ *host.Command, req *pinpad.PresentIDCCommand) (*pinpad.PresentIDCCompletion, error) {
	if e.o.Chip == nil || req.ChipProtocol != "chipT0" && req.ChipProtocol != "chipT1" {
		return nil, refuse("protocolNotSupported", "no chip is reached by this protocol")
	}
	if req.AlgorithmData == nil {
		return nil, chassis.Invalid("where the PIN goes is missing")
	}
	out := &pinpad.PresentIDCCompletion{ChipProtocol: req.ChipProtocol}
	err := e.usePIN(func(pin []byte) error {
		apdu := append([]byte(nil), req.ChipData...)
		defer clear(apdu)
		if err := insert(apdu, pin, number(req.AlgorithmData.PinPointer), number(req.AlgorithmData.PinOffset)); err != nil {
			return err
		}
		answer, err := e.o.Chip(req.ChipProtocol, apdu)
		if err != nil {
			return refuse("invalidData", "the chip did not answer")
		}
		out.ChipData = answer
		return nil
	})
	return out, err
}

// insert writes digits as nibbles from a bit on; the offset is a nibble's.
func insert(apdu, pin []byte, pointer, offset int) error {
	if pointer > len(apdu) || offset > 7 || offset%4 != 0 || 2*pointer+offset/4+len(pin) > 2*len(apdu) {
		return chassis.Invalid("the PIN does not fit at this place")
	}
	for i, digit := range pin {
		at := 2*pointer + offset/4 + i
		keep := byte(0x0f) << (4 * (at % 2))
		apdu[at/2] = apdu[at/2]&keep | (digit-'0')<<(4*(1-at%2))
	}
	return nil
}

func (e *EPP) maintainPin(_ context.Context, _ *host.Command, req *pinpad.MaintainPinCommand) (*pinpad.MaintainPinCompletion, error) {
	e.maintain = yes(req.MaintainPIN)
	return nil, nil
}

func (e *EPP) deviceID(context.Context, *host.Command, *pinpad.GetQueryPCIPTSDeviceIdCommand) (*pinpad.GetQueryPCIPTSDeviceIdCompletion, error) {
	return &pinpad.GetQueryPCIPTSDeviceIdCompletion{ManufacturerIdentifier: "plomb", ModelIdentifier: "simulated EPP",
		HardwareIdentifier: "none", FirmwareIdentifier: "1.0", ApplicationIdentifier: "not PCI approved"}, nil
}

func (e *EPP) resetPinPad(context.Context, *host.Command, *pinpad.ResetCommand) (*pinpad.ResetCompletion, error) {
	e.reset()
	return nil, nil
}
