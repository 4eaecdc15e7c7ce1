package epp_test

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/plomb-pos/plomb/driver/keyblock"
	"github.com/plomb-pos/plomb/driver/sim/epp"
	"github.com/plomb-pos/plomb/driver/sim/simtest"
	"github.com/plomb-pos/plomb/driver/symmetric"
	"github.com/plomb-pos/plomb/xfs4iot/crypto"
	"github.com/plomb-pos/plomb/xfs4iot/keyboard"
	"github.com/plomb-pos/plomb/xfs4iot/keymanagement"
)

func attributes(usage, algorithm, mode string) *keymanagement.ImportKeyCommandKeyAttributes {
	return &keymanagement.ImportKeyCommandKeyAttributes{KeyUsage: usage, Algorithm: algorithm, ModeOfUse: mode}
}

// The blocks are the examples of TR-31:2018, A.7, and X9.143:2021, 8.1.
func TestPublishedKeyBlocksAreImported(t *testing.T) {
	for _, v := range []struct{ algorithm, kbpk, block, kcv string }{
		{"T", "89E88CF7931444F334BD7547FC3F380C", "A0072P0TE00E0000F5161ED902807AF26F1D62263644BD24192FDB3193C730301CEE8701", "cb9dea"},
		{"T", "DD7515F2BFC17F85CE48F3CA25CB21F6", "B0080P0TE00E000094B420079CC80BA3461F86FE26EFC4A3B8E4FA4C5F5341176EED7B727B8A248E", "57c409"},
		{"A", aes256, "D0144P0AE00E00002C77FA3F4A553BED6E88AE5C172A4166E3D4ACA8E2AC71C158A476FAC12C13C3829DE55D3AB54C48F4C4FEF7AC75E90FC47F1B77E7B19A73ED46E64410082557", "08793e25ab"},
	} {
		_, c := serve(t, epp.Options{Keys: []epp.Preset{preset("KBPK", "K1", v.algorithm, "D", v.kbpk)}})
		got, _ := simtest.Must(c, keymanagement.ImportKey, &keymanagement.ImportKeyCommand{Key: "PIN", Value: []byte(v.block), DecryptKey: "KBPK"})
		if hex.EncodeToString(got.VerificationData) != v.kcv || *got.KeyLength != 128 || got.VerifyAttributes.CryptoMethod != "kcvZero" {
			t.Errorf("%.5s: %x, %d bits", v.block, got.VerificationData, *got.KeyLength)
		}
		detail, _ := simtest.Must(c, keymanagement.GetKeyDetail, &keymanagement.GetKeyDetailCommand{KeyName: "PIN"})
		if k := detail.KeyDetails["PIN"]; k.KeyBlockInfo.KeyUsage != "P0" || k.KeyBlockInfo.ModeOfUse != "E" || k.KeyBlockInfo.Exportability != "E" || k.Loaded != "yes" {
			t.Errorf("%+v", k.KeyBlockInfo)
		}
	}
}

// block wraps a key for tests.
func block(t testing.TB, kbpk string, h keyblock.Header, key string) []byte {
	t.Helper()
	text, err := keyblock.Wrap(unhex(t, kbpk), h, unhex(t, key), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return []byte(text)
}

func header(version byte, usage string, algorithm, mode byte) keyblock.Header {
	return keyblock.Header{Version: version, Usage: usage, Algorithm: algorithm, ModeOfUse: mode, KeyVersion: "00", Exportability: 'N'}
}

func TestEachWrongImportHasItsCode(t *testing.T) {
	_, c := serve(t, epp.Options{Keys: []epp.Preset{
		preset("KBPK", "K1", "A", "D", aes256), preset("KEK", "K0", "T", "D", double), preset("DATA", "D0", "T", "B", double),
		{Name: "ONLYMAC", Usage: "K1", Algorithm: "A", ModeOfUse: "D", Value: aes256, Only: "M6"},
	}})
	good := block(t, aes256, header('D', "P0", 'A', 'E'), aes128)
	changed := bytes.Clone(good)
	changed[20] = map[bool]byte{true: '1', false: '0'}[changed[20] == '0']
	component := header('D', "P0", 'A', 'E')
	component.KeyVersion = "c1"
	for name, v := range map[string]struct {
		req  keymanagement.ImportKeyCommand
		want string
	}{
		"unknown key":           {keymanagement.ImportKeyCommand{DecryptKey: "none", Value: good}, "keyNotFound"},
		"a key of another use":  {keymanagement.ImportKeyCommand{DecryptKey: "DATA", Value: good}, "useViolation"},
		"changed":               {keymanagement.ImportKeyCommand{DecryptKey: "KBPK", Value: changed}, "invalidValue"},
		"no block":              {keymanagement.ImportKeyCommand{DecryptKey: "KBPK", Value: []byte("D0016")}, "formatInvalid"},
		"unknown version":       {keymanagement.ImportKeyCommand{DecryptKey: "KBPK", Value: []byte("E0016P0AE00N0000")}, "formatNotSupported"},
		"another version's key": {keymanagement.ImportKeyCommand{DecryptKey: "KBPK", Value: block(t, double, header('B', "P0", 'T', 'E'), double)}, "formatNotSupported"},
		"a component":           {keymanagement.ImportKeyCommand{DecryptKey: "KBPK", Value: block(t, aes256, component, aes128)}, "contentInvalid"},
		"attributes differ":     {keymanagement.ImportKeyCommand{DecryptKey: "KBPK", Value: good, KeyAttributes: attributes("D0", "A", "E")}, "contentInvalid"},
		"restricted":            {keymanagement.ImportKeyCommand{DecryptKey: "ONLYMAC", Value: good}, "useViolation"},
		"usage not taken":       {keymanagement.ImportKeyCommand{DecryptKey: "KBPK", Value: block(t, aes256, header('D', "C0", 'T', 'G'), double)}, "useViolation"},
		"algorithm not taken":   {keymanagement.ImportKeyCommand{DecryptKey: "KBPK", Value: block(t, aes256, header('D', "M3", 'A', 'G'), aes128)}, "algorithmNotSupported"},
		"mode not taken":        {keymanagement.ImportKeyCommand{DecryptKey: "KBPK", Value: block(t, aes256, header('D', "P0", 'A', 'X'), aes128)}, "modeNotSupported"},
		"odd length":            {keymanagement.ImportKeyCommand{DecryptKey: "KBPK", Value: block(t, aes256, header('D', "P0", 'A', 'E'), "0011")}, "invalidKeyLength"},
		"another usage there":   {keymanagement.ImportKeyCommand{Key: "DATA", DecryptKey: "KBPK", Value: good}, "useViolation"},
		"in clear":              {keymanagement.ImportKeyCommand{Value: unhex(t, double), KeyAttributes: attributes("P0", "T", "E")}, "accessDenied"},
		"no attributes":         {keymanagement.ImportKeyCommand{DecryptKey: "KEK", Value: unhex(t, double)}, "invalidData"},
		"xts with triple DES":   {keymanagement.ImportKeyCommand{DecryptKey: "KEK", DecryptMethod: "xts", Value: unhex(t, double), KeyAttributes: attributes("P0", "T", "E")}, "cryptoMethodNotSupported"},
		"check value":           {keymanagement.ImportKeyCommand{DecryptKey: "KBPK", Value: good, VerificationData: []byte{1, 2, 3}, VerifyAttributes: &keymanagement.ImportKeyCommandVerifyAttributes{CryptoMethod: "kcvZero"}}, "signatureInvalid"},
		"DUKPT without number":  {keymanagement.ImportKeyCommand{DecryptKey: "KBPK", Value: block(t, aes256, header('D', "B1", 'T', 'X'), double)}, "contentInvalid"},
	} {
		if v.req.Key == "" {
			v.req.Key = "NEW"
		}
		if got := code(simtest.Do(c, keymanagement.ImportKey, &v.req)); got != v.want {
			t.Errorf("%s: %s, want %s", name, got, v.want)
		}
	}
	if got := code(simtest.Do(c, keymanagement.GetKeyDetail, &keymanagement.GetKeyDetailCommand{KeyName: "NEW"})); got != "keyNotFound" {
		t.Errorf("a refused key is there: %s", got)
	}
}

func TestAKeyUnderAKeyEncryptionKey(t *testing.T) {
	_, c := serve(t, epp.Options{Keys: []epp.Preset{preset("KEK", "K0", "T", "D", double)}})
	wrapped, err := symmetric.Encrypt(symmetric.TDES, symmetric.CBC, unhex(t, double), nil, unhex(t, "F039121BEC83D26B169BDCD5B22AAF8F"))
	if err != nil {
		t.Fatal(err)
	}
	simtest.Must(c, keymanagement.ImportKey, &keymanagement.ImportKeyCommand{Key: "PIN", DecryptKey: "KEK", DecryptMethod: "cbc", Value: wrapped, KeyAttributes: attributes("P0", "T", "E"),
		VerificationData: unhex(t, "cb9dea"), VerifyAttributes: &keymanagement.ImportKeyCommandVerifyAttributes{CryptoMethod: "kcvZero"}})
	got, _ := simtest.Must(c, keymanagement.GenerateKCV, &keymanagement.GenerateKCVCommand{Key: "PIN", KeyCheckMode: "self"})
	if want, err := symmetric.SelfKCV(symmetric.TDES, unhex(t, "F039121BEC83D26B169BDCD5B22AAF8F")); err != nil || !bytes.Equal(got.Kcv, want) {
		t.Errorf("check value %x, want %x", got.Kcv, want)
	}
}

// enterPart enters 32 hexadecimal digits by hand.
func enterPart(t *testing.T, e *epp.EPP, c *simtest.Client, part string) {
	t.Helper()
	length := keyboard.SecureKeyEntryCommandKeyLen(len(part))
	call := start(t, c, keyboard.SecureKeyEntry, &keyboard.SecureKeyEntryCommand{KeyLen: &length, VerificationType: "zero", AutoEnd: new(true), ActiveKeys: secureActive("shift")})
	for _, d := range strings.ToLower(part) {
		if d >= 'a' {
			press(t, e, "shift", numbers[d-'a'+1])
		} else {
			press(t, e, numbers[d-'0'])
		}
	}
	if page := stateText(t, e); strings.Contains(strings.ToLower(page), strings.ToLower(part)) {
		t.Error("the page shows the part")
	}
	if _, err := call.End(); err != nil {
		t.Fatal(err)
	}
}

func TestAKeyOfParts(t *testing.T) {
	e, c := serve(t, epp.Options{})
	first, second := "0123456789ABCDEFFEDCBA9876543210", "F11A574265281F84E8470E4DC47E9D9F" // XOR: F039121BEC83D26B169BB4D5B22AAF8F
	enterPart(t, e, c, first)
	simtest.Must(c, keymanagement.ImportKey, &keymanagement.ImportKeyCommand{Key: "MASTER", Constructing: new(true), KeyAttributes: attributes("K0", "T", "D")})
	if got := code(simtest.Do(c, keymanagement.GenerateKCV, &keymanagement.GenerateKCVCommand{Key: "MASTER", KeyCheckMode: "zero"})); got != "keyNoValue" {
		t.Errorf("half a key: %s", got)
	}
	if got := code(simtest.Do(c, keymanagement.ImportKey, &keymanagement.ImportKeyCommand{Key: "MASTER", Constructing: new(true)})); got != "keyNoValue" {
		t.Errorf("a part used twice: %s", got)
	}
	enterPart(t, e, c, second)
	simtest.Must(c, keymanagement.ImportKey, &keymanagement.ImportKeyCommand{Key: "MASTER", Constructing: new(true)})
	detail, _ := simtest.Must(c, keymanagement.GetKeyDetail, &keymanagement.GetKeyDetailCommand{KeyName: "MASTER"})
	if detail.KeyDetails["MASTER"].Loaded != "construct" {
		t.Errorf("loaded %s", detail.KeyDetails["MASTER"].Loaded)
	}
	got, _ := simtest.Must(c, keymanagement.ImportKey, &keymanagement.ImportKeyCommand{Key: "MASTER", Constructing: new(false)})
	whole := unhex(t, first)
	for i, b := range unhex(t, second) {
		whole[i] ^= b
	}
	if want, err := symmetric.KCV(symmetric.TDES, whole); err != nil || !bytes.Equal(got.VerificationData, want) {
		t.Errorf("check value %x, want %x", got.VerificationData, want)
	}
}

func TestDeletedAndInitializedKeysAreGone(t *testing.T) {
	_, c := serve(t, epp.Options{Keys: []epp.Preset{preset("A", "P0", "T", "E", double), preset("B", "P0", "T", "E", double), preset("C", "P0", "T", "E", double)}})
	names := func() (out string) {
		detail, _ := simtest.Must(c, keymanagement.GetKeyDetail, nil)
		for _, n := range []string{"A", "B", "C"} {
			if detail.KeyDetails[n] != nil {
				out += n
			}
		}
		return out
	}
	simtest.Must(c, keymanagement.DeleteKey, &keymanagement.DeleteKeyCommand{Key: "A"})
	if got := names(); got != "BC" {
		t.Errorf("after DeleteKey: %s", got)
	}
	if got := code(simtest.Do(c, keymanagement.DeleteKey, &keymanagement.DeleteKeyCommand{Key: "A"})); got != "keyNotFound" {
		t.Errorf("deleted again: %s", got)
	}
	var illegal keymanagement.IllegalKeyAccessEvent
	c.Heard(&illegal)
	if illegal.KeyName != "A" || illegal.ErrorCode != "keyNotFound" {
		t.Errorf("%+v", illegal)
	}
	if got := code(simtest.Do(c, keymanagement.DeleteKey, &keymanagement.DeleteKeyCommand{Key: "_EPPCryptKey"})); got != "keyNotFound" {
		t.Errorf("the manufacturer's key: %s", got)
	}
	simtest.Must(c, keymanagement.Initialization, nil)
	c.Heard(&keymanagement.InitializedEvent{})
	if got := names(); got != "" {
		t.Errorf("after Initialization: %s", got)
	}
}

func TestADerivedKeyHasOddParity(t *testing.T) {
	_, c := serve(t, epp.Options{Keys: []epp.Preset{preset("KGK", "B3", "T", "X", double)}})
	simtest.Must(c, keymanagement.DeriveKey, &keymanagement.DeriveKeyCommand{DerivationAlgorithm: "chipZka", Key: "CARD", KeyGenKey: "KGK", InputData: unhex(t, aes128)})
	value, err := symmetric.Decrypt(symmetric.TDES, symmetric.CBC, unhex(t, double), nil, unhex(t, aes128))
	if err != nil {
		t.Fatal(err)
	}
	want, err := symmetric.RetailMAC(value, nil, []byte("message"), 0) // DES does not see parity
	if err != nil {
		t.Fatal(err)
	}
	got, _ := simtest.Must(c, crypto.GenerateAuthentication, &crypto.GenerateAuthenticationCommand{Key: "CARD", Data: []byte("message")})
	if !bytes.Equal(got.AuthenticationData, want) {
		t.Errorf("MAC %x, want %x", got.AuthenticationData, want)
	}
	if got := code(simtest.Do(c, keymanagement.DeriveKey, &keymanagement.DeriveKeyCommand{DerivationAlgorithm: "chipZka", Key: "CARD", KeyGenKey: "KGK", InputData: unhex(t, aes128)})); got != "duplicateKey" {
		t.Errorf("derived again: %s", got)
	}
}
