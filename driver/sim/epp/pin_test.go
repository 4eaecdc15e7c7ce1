package epp_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"math/big"
	"strings"
	"testing"

	"github.com/plomb-pos/plomb/driver/pinblock"
	"github.com/plomb-pos/plomb/driver/sim/epp"
	"github.com/plomb-pos/plomb/driver/sim/simtest"
	"github.com/plomb-pos/plomb/driver/symmetric"
	"github.com/plomb-pos/plomb/internal/powercut"
	"github.com/plomb-pos/plomb/xfs4iot/crypto"
	"github.com/plomb-pos/plomb/xfs4iot/keyboard"
	"github.com/plomb-pos/plomb/xfs4iot/keymanagement"
	"github.com/plomb-pos/plomb/xfs4iot/pinpad"
)

// enter enters a PIN at the keypad.
func enter(t *testing.T, e *epp.EPP, c *simtest.Client, pin string) {
	t.Helper()
	call := start(t, c, keyboard.PinEntry, &keyboard.PinEntryCommand{MinLen: new(4), MaxLen: new(12), ActiveKeys: pinActive("enter")})
	press(t, e, append(digits(pin), "enter")...)
	if _, err := call.End(); err != nil {
		t.Fatal(err)
	}
}

func TestPINBlocksDecipherToThePIN(t *testing.T) {
	e, c := serve(t, epp.Options{Keys: []epp.Preset{preset("T", "P0", "T", "E", double), preset("A", "P0", "A", "E", aes128), preset("T2", "P0", "T", "E", "F039121BEC83D26B169BDCD5B22AAF8F")}})
	for _, format := range []pinpad.GetPinBlockCommandFormat{"ibm3624", "ansi", "iso0", "iso1", "eci3", "visa", "diebold", "dieboldCo", "visa3", "iso3"} {
		req := &pinpad.GetPinBlockCommand{Format: format, Key: "T", CustomerData: "401234567890", Padding: new(7)}
		if format == "dieboldCo" {
			req.CustomerData = "0A"
		}
		enter(t, e, c, "12345")
		got, _ := simtest.Must(c, pinpad.GetPinBlock, req)
		plain, err := symmetric.Decrypt(symmetric.TDES, symmetric.ECB, unhex(t, double), nil, got.PinBlock)
		if err != nil {
			t.Fatal(err)
		}
		pin, err := pinblock.Parse(string(format), plain, pinblock.Data{Customer: req.CustomerData, Padding: 7})
		if err != nil || string(pin) != "12345" {
			t.Errorf("%s: %x holds %s, %v", format, plain, pin, err)
		}
	}
	enter(t, e, c, "1234")
	got, _ := simtest.Must(c, pinpad.GetPinBlock, &pinpad.GetPinBlockCommand{Format: "iso4", Key: "A", CustomerData: "4012345678909", Padding: new(15)})
	aes, err := symmetric.New(symmetric.AES, unhex(t, aes128))
	if err != nil {
		t.Fatal(err)
	}
	field, err := pinblock.DecipherISO4(aes, got.PinBlock, "4012345678909")
	if err != nil {
		t.Fatal(err)
	}
	if pin, err := pinblock.Parse("iso4", field, pinblock.Data{}); err != nil || string(pin) != "1234" {
		t.Errorf("iso4 holds %s, %v", pin, err)
	}
	enter(t, e, c, "1234")
	twice, _ := simtest.Must(c, pinpad.GetPinBlock, &pinpad.GetPinBlockCommand{Format: "diebold", Key: "T", SecondEncKey: "T2", XorData: "0102030405060708", Padding: new(15)})
	once, err := symmetric.Decrypt(symmetric.TDES, symmetric.ECB, unhex(t, "F039121BEC83D26B169BDCD5B22AAF8F"), nil, twice.PinBlock)
	if err != nil {
		t.Fatal(err)
	}
	for i := range once {
		once[i] ^= byte(i + 1)
	}
	if plain, err := symmetric.Decrypt(symmetric.TDES, symmetric.ECB, unhex(t, double), nil, once); err != nil || hex.EncodeToString(plain) != "1234ffffffffffff" {
		t.Errorf("enciphered twice: %x, %v", plain, err)
	}
}

// The transactions of X9.24-1:2009, A.4: PIN 1234, account number 4012345678909.
func TestDUKPTGivesThePINBlocksOfTheStandard(t *testing.T) {
	disk := powercut.New()
	o := epp.Options{FS: disk, Keys: []epp.Preset{{Name: "IPEK", Usage: "B1", Algorithm: "T", ModeOfUse: "X", Value: "6AC292FAA1315B4D858AB3A3D7D5933A", KSN: "FFFF9876543210E00000"}}}
	for _, want := range []string{"ffff9876543210e00001 1b9c1845eb993a7a", "ffff9876543210e00002 10a01c8d02c69107", "ffff9876543210e00003 18dc07b94797b466"} {
		e, c := serve(t, o) // a restart before each
		enter(t, e, c, "1234")
		got, events := simtest.Must(c, pinpad.GetPinBlock, &pinpad.GetPinBlockCommand{Format: "iso0", Key: "IPEK", CustomerData: "401234567890", Padding: new(15)})
		var ksn keymanagement.DUKPTKSNEvent
		if len(events) != 1 || events[0].Into(&ksn) != nil {
			t.Fatalf("events %q", events.Names())
		}
		if have := hex.EncodeToString(ksn.Ksn) + " " + hex.EncodeToString(got.PinBlock); have != want {
			t.Errorf("%s, want %s", have, want)
		}
	}
	_, c := serve(t, o)
	mac, _ := simtest.Must(c, crypto.GenerateAuthentication, &crypto.GenerateAuthenticationCommand{Key: "IPEK", Data: []byte("4012345678909D987")})
	if hex.EncodeToString(mac.AuthenticationData) == strings.Repeat("0", 16) || len(mac.AuthenticationData) != 8 {
		t.Errorf("MAC %x", mac.AuthenticationData)
	}
}

func TestAPINIsUsedOnceUnlessMaintained(t *testing.T) {
	e, c := serve(t, epp.Options{Keys: []epp.Preset{preset("T", "P0", "T", "E", double)}})
	get := func() string {
		return code(simtest.Do(c, pinpad.GetPinBlock, &pinpad.GetPinBlockCommand{Format: "iso0", Key: "T", CustomerData: "401234567890", Padding: new(15)}))
	}
	if got := get(); got != "noPin" {
		t.Errorf("without a PIN: %s", got)
	}
	enter(t, e, c, "1234")
	if one, two := get(), get(); one != "success" || two != "noPin" {
		t.Errorf("used twice: %s, %s", one, two)
	}
	simtest.Must(c, pinpad.MaintainPin, &pinpad.MaintainPinCommand{MaintainPIN: new(true)})
	enter(t, e, c, "1234")
	if one, two := get(), get(); one != "success" || two != "success" {
		t.Errorf("maintained: %s, %s", one, two)
	}
	simtest.Must(c, pinpad.Reset, nil)
	if got := get(); got != "noPin" {
		t.Errorf("after Reset: %s", got)
	}
	enter(t, e, c, "1234")
	e.CutPower()
	e.Power()
	if got := get(); got != "noPin" {
		t.Errorf("after a power cut: %s", got)
	}
}

func TestEachWrongPINBlockHasItsCode(t *testing.T) {
	e, c := serve(t, epp.Options{Keys: []epp.Preset{preset("T", "P0", "T", "E", double), preset("A", "P0", "A", "E", aes128), preset("D", "D0", "T", "E", double)}})
	enter(t, e, c, "123456")
	for name, v := range map[string]struct {
		req  pinpad.GetPinBlockCommand
		want string
	}{
		"in clear":        {pinpad.GetPinBlockCommand{Format: "iso0", CustomerData: "401234567890", Padding: new(15)}, "unsupportedData"},
		"banksys":         {pinpad.GetPinBlockCommand{Format: "banksys", Key: "T", Padding: new(15)}, "formatNotSupported"},
		"ap":              {pinpad.GetPinBlockCommand{Format: "ap", Key: "T", Padding: new(15)}, "formatNotSupported"},
		"emv without RSA": {pinpad.GetPinBlockCommand{Format: "emv", Key: "T", Padding: new(15)}, "formatNotSupported"},
		"unknown key":     {pinpad.GetPinBlockCommand{Format: "iso0", Key: "none", Padding: new(15)}, "keyNotFound"},
		"data key":        {pinpad.GetPinBlockCommand{Format: "iso0", Key: "D", Padding: new(15)}, "useViolation"},
		"too long a PIN":  {pinpad.GetPinBlockCommand{Format: "eci2", Key: "T", Padding: new(15)}, "noPin"},
		"ctr":             {pinpad.GetPinBlockCommand{Format: "iso0", Key: "T", CryptoMethod: "ctr", CustomerData: "401234567890", Padding: new(15)}, "cryptoMethodNotSupported"},
		"iso4 with TDES":  {pinpad.GetPinBlockCommand{Format: "iso4", Key: "T", CustomerData: "4012345678909", Padding: new(15)}, "algorithmNotSupported"},
		"iso0 with AES":   {pinpad.GetPinBlockCommand{Format: "iso0", Key: "A", CustomerData: "401234567890", Padding: new(15)}, "algorithmNotSupported"},
		"short account":   {pinpad.GetPinBlockCommand{Format: "ansi", Key: "T", CustomerData: "4012", Padding: new(15)}, "invalidData"},
	} {
		if got := code(simtest.Do(c, pinpad.GetPinBlock, &v.req)); got != v.want {
			t.Errorf("%s: %s, want %s", name, got, v.want)
		}
	}
	if !state(e).PIN {
		t.Error("a refused command used the PIN up")
	}
	simtest.Must(c, pinpad.SetPinBlockData, &pinpad.SetPinBlockDataCommand{Format: "iso0", Key: "T", CustomerData: "401234567890", Padding: new(15)})
	simtest.Must(c, pinpad.GetPinBlock, &pinpad.GetPinBlockCommand{Format: "iso0", Padding: new(15)})
}

// card imports a card's public key for PIN encipherment.
func card(t *testing.T, c *simtest.Client, key *rsa.PrivateKey) {
	t.Helper()
	simtest.Must(c, keymanagement.ImportEmvPublicKey, &keymanagement.ImportEmvPublicKeyCommand{Key: "ICC", KeyUsage: "E7", ImportScheme: "plainCA", Value: x509.MarshalPKCS1PublicKey(&key.PublicKey)})
}

func TestACardsPINIsEncipheredForIt(t *testing.T) {
	e, c := serve(t, epp.Options{})
	key, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	card(t, c, key)
	enter(t, e, c, "1234")
	got, _ := simtest.Must(c, pinpad.GetPinBlock, &pinpad.GetPinBlockCommand{Format: "emv", Key: "ICC", CustomerData: "0123456789ABCDEF", Padding: new(15)})
	m := new(big.Int).SetBytes(got.PinBlock)
	plain := m.Exp(m, key.D, key.N).FillBytes(make([]byte, 128))
	if hex.EncodeToString(plain[:17]) != "7f241234ffffffffff0123456789abcdef" {
		t.Errorf("the card sees %x", plain)
	}
	enter(t, e, c, "1234")
	got, _ = simtest.Must(c, pinpad.GetPinBlock, &pinpad.GetPinBlockCommand{Format: "iso0", Key: "ICC", CryptoMethod: "rsaesOaep", CustomerData: "401234567890", Padding: new(15)})
	if block, err := rsa.DecryptOAEP(sha256.New(), nil, key, got.PinBlock, nil); err != nil || hex.EncodeToString(block) != "041274edcba9876f" {
		t.Errorf("a host sees %x, %v", block, err)
	}
}

func TestEMVKeysVerifyOrAreRefused(t *testing.T) {
	_, c := serve(t, epp.Options{})
	visa99 := unhex(t, "A0000000039901 01AB79FCC9520896967E776E64444E5DCDD6E13611874F3985722520425295EEA4BD0C2781DE7F31CD3D041F565F747306EED62954B17EDABA3A6C5B85A1DE1BEB9A34141AF38FCF8279C9DEA0D5A6710D08DB4124F041945587E20359BAB47B7575AD94262D4B25F264AF33DEDCF28E09615E937DE32EDC03C54445FE7E382777034ABFFD6B1C51212D05552E431C5B17007D2F5E6D")
	request := &keymanagement.ImportEmvPublicKeyCommand{Key: "CA", KeyUsage: "E0", ImportScheme: "checksumCA", Value: visa99}
	simtest.Must(c, keymanagement.ImportEmvPublicKey, request)
	detail, _ := simtest.Must(c, keymanagement.GetKeyDetail, &keymanagement.GetKeyDetailCommand{KeyName: "CA"})
	if k := detail.KeyDetails["CA"].KeyBlockInfo; k.KeyUsage != "E0" || *k.KeyLength != 1024 || k.ModeOfUse != "V" {
		t.Errorf("%+v", k)
	}
	request.Value = append([]byte{}, visa99...)
	request.Value[40] ^= 1
	for want, req := range map[string]*keymanagement.ImportEmvPublicKeyCommand{
		"emvVerifyFailed": request,
		"keyNotFound":     {Key: "I", KeyUsage: "E0", ImportScheme: "issuer", VerifyKey: "none", Value: visa99},
		"unsupportedData": {Key: "I", KeyUsage: "E0", ImportScheme: "epiCA", Value: visa99},
		"invalidData":     {Key: "I", KeyUsage: "E0", ImportScheme: "issuer", VerifyKey: "CA", Value: []byte{9}},
		"useViolation":    {Key: "CA", KeyUsage: "E1", ImportScheme: "checksumCA", Value: visa99},
	} {
		if got := code(simtest.Do(c, keymanagement.ImportEmvPublicKey, req)); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// The values are those of psec's tests.
func TestPINsAreCheckedLocally(t *testing.T) {
	e, c := serve(t, epp.Options{Keys: []epp.Preset{preset("IBM", "V1", "T", "V", double), preset("VISA", "V2", "T", "V", double), preset("KEY", "V0", "T", "V", double)}})
	des := func(key, enciphered, offset string) *pinpad.LocalDESCommand {
		return &pinpad.LocalDESCommand{Key: key, Padding: "00", KeyEncKey: enciphered, ValidationData: "1122334455667788", ValDigits: new(16), MaxPIN: new(4), Offset: offset, DecTable: "1234567890123456", NoLeadingZero: new(false)}
	}
	wrapped, err := symmetric.Encrypt(symmetric.TDES, symmetric.ECB, unhex(t, double), nil, unhex(t, double))
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []struct {
		pin  string
		req  *pinpad.LocalDESCommand
		want bool
	}{{"4524", des("IBM", "", ""), true}, {"1234", des("IBM", "", "7710"), true}, {"1235", des("IBM", "", "7710"), false}, {"4524", des("KEY", hex.EncodeToString(wrapped), "0000"), true}} {
		enter(t, e, c, v.pin)
		if got, _ := simtest.Must(c, pinpad.LocalDES, v.req); *got.Result != v.want {
			t.Errorf("LocalDES of %s: %v", v.pin, *got.Result)
		}
	}
	visa := &pinpad.LocalVisaCommand{Key: "VISA", Pan: strings.Repeat("0", 11) + "33445566778" + "1", Pvv: "8523"}
	for pin, want := range map[string]bool{"4524": true, "4525": false} {
		enter(t, e, c, pin)
		if got, _ := simtest.Must(c, pinpad.LocalVisa, visa); *got.Result != want {
			t.Errorf("LocalVisa of %s: %v", pin, *got.Result)
		}
	}
	for want, got := range map[string]string{
		"noPin":            code(simtest.Do(c, pinpad.LocalVisa, visa)),
		"useViolation":     code(simtest.Do(c, pinpad.LocalDES, des("VISA", "", ""))),
		"invalidKeyLength": code(simtest.Do(c, pinpad.LocalDES, des("KEY", "0011", ""))),
	} {
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestAPINIsPresentedToTheChip(t *testing.T) {
	var seen []byte
	e, c := serve(t, epp.Options{Chip: func(protocol string, apdu []byte) ([]byte, error) {
		seen = append([]byte(protocol), apdu...)
		return []byte{0x90, 0x00}, nil
	}})
	enter(t, e, c, "12345")
	verify := unhex(t, "002000800825ffffffffffffff") // VERIFY with the PIN from the second half of byte 5
	got, _ := simtest.Must(c, pinpad.PresentIDC, &pinpad.PresentIDCCommand{PresentAlgorithm: "presentClear", ChipProtocol: "chipT1", ChipData: verify,
		AlgorithmData: &pinpad.PresentIDCCommandAlgorithmData{PinPointer: new(6), PinOffset: new(0)}})
	if string(seen) != "chipT1"+string(unhex(t, "00200080082512345fffffffff")) || hex.EncodeToString(got.ChipData) != "9000" {
		t.Errorf("the chip saw %x and answered %x", seen, got.ChipData)
	}
	enter(t, e, c, "12345")
	for want, req := range map[string]*pinpad.PresentIDCCommand{
		"invalidData":          {PresentAlgorithm: "presentClear", ChipProtocol: "chipT1", ChipData: verify, AlgorithmData: &pinpad.PresentIDCCommandAlgorithmData{PinPointer: new(12), PinOffset: new(4)}},
		"protocolNotSupported": {PresentAlgorithm: "presentClear", ChipProtocol: "chipTypeAPart3", ChipData: verify, AlgorithmData: &pinpad.PresentIDCCommandAlgorithmData{PinPointer: new(6), PinOffset: new(0)}},
	} {
		if got := code(simtest.Do(c, pinpad.PresentIDC, req)); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
