package epp_test

import (
	"bytes"
	"encoding/hex"
	"testing"

	"github.com/plomb-pos/plomb/driver/sim/epp"
	"github.com/plomb-pos/plomb/driver/sim/simtest"
	"github.com/plomb-pos/plomb/xfs4iot/crypto"
	"github.com/plomb-pos/plomb/xfs4iot/keymanagement"
)

const plain = "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51" // SP 800-38A

func TestCryptoDataGivesThePublishedResults(t *testing.T) {
	_, c := serve(t, epp.Options{Keys: []epp.Preset{preset("AES", "D0", "A", "B", aes128),
		preset("IV", "I0", "A", "B", "000102030405060708090a0b0c0d0e0f")}})
	iv := &crypto.CryptoDataCommandIv{Value: unhex(t, "000102030405060708090a0b0c0d0e0f")}
	for method, want := range map[crypto.CryptoDataCommandCryptoMethod]string{
		"ecb": "3ad77bb40d7a3660a89ecaf32466ef97f5d3d58503b9699de785895a96fdbaaf",
		"cbc": "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2",
		"cfb": "3b3fd92eb72dad20333449f8e83cfb4ac8a64537a0b3a93fcde3cdad9f1ce58b",
		"ofb": "3b3fd92eb72dad20333449f8e83cfb4a7789508d16918f03f53c52dac54ed825",
	} {
		got, _ := simtest.Must(c, crypto.CryptoData, &crypto.CryptoDataCommand{Key: "AES", ModeOfUse: "E", CryptoMethod: method, Iv: iv, Data: unhex(t, plain)})
		if hex.EncodeToString(got.Data) != want {
			t.Errorf("%s: %x, want %s", method, got.Data, want)
		}
		back, _ := simtest.Must(c, crypto.CryptoData, &crypto.CryptoDataCommand{Key: "AES", ModeOfUse: "D", CryptoMethod: method, StoredKey: "IV", Data: got.Data})
		if hex.EncodeToString(back.Data) != plain {
			t.Errorf("%s back: %x", method, back.Data)
		}
	}
}

func TestAKeyDoesOnlyWhatItIsFor(t *testing.T) {
	_, c := serve(t, epp.Options{Keys: []epp.Preset{preset("DATA", "D0", "T", "E", double), preset("BOTH", "D0", "T", "B", double), preset("PIN", "P0", "T", "E", double),
		preset("MAC", "M3", "T", "V", double), preset("AES", "D0", "A", "E", aes128)}})
	data := func(key, mode string, method crypto.CryptoDataCommandCryptoMethod, n int) string {
		return code(simtest.Do(c, crypto.CryptoData, &crypto.CryptoDataCommand{Key: key, ModeOfUse: mode, CryptoMethod: method, Data: make([]byte, n)}))
	}
	for name, v := range map[string][2]string{
		"enciphers":         {data("DATA", "", "ecb", 8), "success"},
		"does not decipher": {data("DATA", "D", "ecb", 8), "modeOfUseNotSupported"},
		"which is not said": {data("BOTH", "", "ecb", 8), "modeOfUseNotSupported"},
		"PIN key for data":  {data("PIN", "", "ecb", 8), "useViolation"},
		"unknown":           {data("none", "", "ecb", 8), "keyNotFound"},
		"half a block":      {data("DATA", "", "ecb", 7), "invalidData"},
		"a stream":          {data("DATA", "", "ctr", 7), "success"},
		"xts triple DES":    {data("DATA", "", "xts", 16), "cryptoMethodNotSupported"},
		"xts AES-128 alone": {data("AES", "", "xts", 16), "invalidKeyLength"},
		"RSA method":        {data("DATA", "", "rsaesOaep", 8), "cryptoMethodNotSupported"},
		"verify key as MAC": {code(simtest.Do(c, crypto.GenerateAuthentication, &crypto.GenerateAuthenticationCommand{Key: "MAC", Data: []byte("x")})), "modeOfUseNotSupported"},
		"data key as MAC":   {code(simtest.Do(c, crypto.VerifyAuthentication, &crypto.VerifyAuthenticationCommand{Key: "DATA", Data: []byte("x"), VerifyData: []byte("12345678")})), "useViolation"},
		"key of signatures": {code(simtest.Do(c, crypto.GenerateAuthentication, &crypto.GenerateAuthenticationCommand{Key: "_EPPSignKey", Data: []byte("x"), CryptoMethod: "rsassaPss", HashAlgorithm: "sha256"})), "useViolation"},
	} {
		if v[0] != v[1] {
			t.Errorf("%s: %s, want %s", name, v[0], v[1])
		}
	}
	var illegal keymanagement.IllegalKeyAccessEvent
	c.Heard(&illegal)
}

func TestPaddingFillsTheLastBlock(t *testing.T) {
	_, c := serve(t, epp.Options{Keys: []epp.Preset{preset("DATA", "D0", "T", "B", double)}})
	out, _ := simtest.Must(c, crypto.CryptoData, &crypto.CryptoDataCommand{Key: "DATA", ModeOfUse: "E", CryptoMethod: "cbc", Padding: new(0x20), Data: []byte("hello")})
	back, _ := simtest.Must(c, crypto.CryptoData, &crypto.CryptoDataCommand{Key: "DATA", ModeOfUse: "D", CryptoMethod: "cbc", Data: out.Data})
	if string(back.Data) != "hello   " {
		t.Errorf("%q", back.Data)
	}
}

func TestMACsGiveThePublishedResults(t *testing.T) {
	_, c := serve(t, epp.Options{Keys: []epp.Preset{
		preset("RETAIL", "M3", "T", "C", double), preset("CBC", "M1", "D", "C", single), preset("CMAC", "M6", "A", "C", aes128),
		preset("HMAC", "M7", "H", "C", "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b")}})
	text := "Now is the time for all "
	for _, v := range []struct{ key, data, compression, mac string }{
		{"RETAIL", text, "", "a1c72e74ea3fa9b6"},                                               // ISO 9797-1, annex
		{"CBC", text, "", "70a30640cc76dd8b"},                                                  // ISO 9797-1, annex
		{"CBC", "7654321 Now is the time for ", "", "f1d30f6849312ca4"},                        // FIPS 113
		{"CMAC", string(unhex(t, "6bc1bee22e409f96e93d7e117393172a")), "", "070a16b46b4d4144"}, // SP 800-38B
		{"HMAC", "Hi There", "", "b0344c61d8db3853"},                                           // RFC 4231, case 1
		{"HMAC", " H i There", " ", ""},
	} {
		got, _ := simtest.Must(c, crypto.GenerateAuthentication, &crypto.GenerateAuthenticationCommand{Key: v.key, Data: []byte(v.data), Compression: v.compression})
		if v.compression == "" && hex.EncodeToString(got.AuthenticationData) != v.mac {
			t.Errorf("%s of %q: %x, want %s", v.key, v.data, got.AuthenticationData, v.mac)
		}
		short, _ := simtest.Must(c, crypto.GenerateAuthentication, &crypto.GenerateAuthenticationCommand{Key: v.key, Data: []byte(v.data), Compression: v.compression, AuthenticationDatalength: new(4)})
		if !bytes.Equal(short.AuthenticationData, got.AuthenticationData[:4]) {
			t.Errorf("%s: short %x", v.key, short.AuthenticationData)
		}
		simtest.Must(c, crypto.VerifyAuthentication, &crypto.VerifyAuthenticationCommand{Key: v.key, Data: []byte(v.data), Compression: v.compression, VerifyData: got.AuthenticationData})
		got.AuthenticationData[0] ^= 1
		if got := code(simtest.Do(c, crypto.VerifyAuthentication, &crypto.VerifyAuthenticationCommand{Key: v.key, Data: []byte(v.data), Compression: v.compression, VerifyData: got.AuthenticationData})); got != "macInvalid" {
			t.Errorf("%s: a wrong MAC: %s", v.key, got)
		}
	}
	compressed, _ := simtest.Must(c, crypto.GenerateAuthentication, &crypto.GenerateAuthenticationCommand{Key: "HMAC", Data: []byte("Hi There"), Compression: " "})
	same, _ := simtest.Must(c, crypto.GenerateAuthentication, &crypto.GenerateAuthenticationCommand{Key: "HMAC", Data: []byte("HiThere")})
	if !bytes.Equal(compressed.AuthenticationData, same.AuthenticationData) {
		t.Error("blanks are in the MAC")
	}
}

func TestDigestsAreThoseOfTheStandard(t *testing.T) {
	_, c := serve(t, epp.Options{})
	for hash, want := range map[crypto.DigestCommandHashAlgorithm]string{
		"sha1":   "a9993e364706816aba3e25717850c26c9cd0d89d",
		"sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
	} {
		if got, _ := simtest.Must(c, crypto.Digest, &crypto.DigestCommand{HashAlgorithm: hash, Data: []byte("abc")}); hex.EncodeToString(got.Digest) != want {
			t.Errorf("%s: %x", hash, got.Digest)
		}
	}
}

func TestRandomNumbersDiffer(t *testing.T) {
	_, c := serve(t, epp.Options{})
	one, _ := simtest.Must(c, crypto.GenerateRandom, nil)
	two, _ := simtest.Must(c, crypto.GenerateRandom, nil)
	if bytes.Equal(one.RandomNumber, two.RandomNumber) {
		t.Errorf("%x twice", one.RandomNumber)
	}
}
