package symmetric_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/plomb-pos/plomb/driver/symmetric"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

const (
	nistKey   = "2b7e151628aed2a6abf7158809cf4f3c"
	nistText  = "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
	nistText3 = "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"
	nistIV    = "000102030405060708090a0b0c0d0e0f"
)

func TestModesGiveThePublishedResults(t *testing.T) {
	for _, v := range []struct {
		source              string
		algorithm           symmetric.Algorithm
		mode                symmetric.Mode
		key, iv, plain, out string
	}{
		{"SP 800-38A F.1.1", symmetric.AES, symmetric.ECB, nistKey, "", nistText, "3ad77bb40d7a3660a89ecaf32466ef97f5d3d58503b9699de785895a96fdbaaf"},
		{"SP 800-38A F.2.1", symmetric.AES, symmetric.CBC, nistKey, nistIV, nistText, "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2"},
		{"SP 800-38A F.3.13", symmetric.AES, symmetric.CFB, nistKey, nistIV, nistText, "3b3fd92eb72dad20333449f8e83cfb4ac8a64537a0b3a93fcde3cdad9f1ce58b"},
		{"SP 800-38A F.4.1", symmetric.AES, symmetric.OFB, nistKey, nistIV, nistText, "3b3fd92eb72dad20333449f8e83cfb4a7789508d16918f03f53c52dac54ed825"},
		{"SP 800-38A F.5.1", symmetric.AES, symmetric.CTR, nistKey, "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff", nistText, "874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff"},
		{"SP 800-67 B.1", symmetric.TDES, symmetric.ECB, "0123456789ABCDEF23456789ABCDEF01456789ABCDEF0123", "", "54686520717566636B2062726F776E20666F78206A756D70", "a826fd8ce53b855fcce21c8112256fe668d5c05dd9b6b900"},
		{"IEEE 1619 vector 1", symmetric.AES, symmetric.XTS, strings.Repeat("00", 32), "", strings.Repeat("00", 32), "917cf69ebd68b2ec9b9fe9a3eadda692cd43d2f59598ed858c02c2652fbf922e"},
		{"IEEE 1619 vector 2", symmetric.AES, symmetric.XTS, strings.Repeat("11", 16) + strings.Repeat("22", 16), "33333333330000000000000000000000", strings.Repeat("44", 32), "c454185e6a16936e39334038acef838bfb186fff7480adc4289382ecd6d394f0"},
	} {
		var iv []byte
		if v.iv != "" {
			iv = unhex(t, v.iv)
		}
		out, err := symmetric.Encrypt(v.algorithm, v.mode, unhex(t, v.key), iv, unhex(t, v.plain))
		if err != nil || hex.EncodeToString(out) != v.out {
			t.Errorf("%s: Encrypt = %x, %v, want %s", v.source, out, err, v.out)
		}
		back, err := symmetric.Decrypt(v.algorithm, v.mode, unhex(t, v.key), iv, unhex(t, v.out))
		if err != nil || hex.EncodeToString(back) != strings.ToLower(v.plain) {
			t.Errorf("%s: Decrypt = %x, %v, want %s", v.source, back, err, v.plain)
		}
	}
}

func TestCMACGivesThePublishedResults(t *testing.T) {
	const tdea = "8aa83bf8cbda10620bc1bf19fbb6cd58bc313d4a371ca8b5" // SP 800-38B D.4
	for _, v := range []struct {
		algorithm symmetric.Algorithm
		key       string
		length    int // of the text
		mac       string
	}{
		{symmetric.AES, nistKey, 0, "bb1d6929e95937287fa37d129b756746"},
		{symmetric.AES, nistKey, 16, "070a16b46b4d4144f79bdd9dd04a287c"},
		{symmetric.AES, nistKey, 40, "dfa66747de9ae63030ca32611497c827"},
		{symmetric.AES, nistKey, 64, "51f0bebf7e3b9d92fc49741779363cfe"},
		{symmetric.TDES, tdea, 0, "b7a688e122ffaf95"},
		{symmetric.TDES, tdea, 8, "8e8f293136283797"},
		{symmetric.TDES, tdea, 20, "743ddbe0ce2dc2ed"},
		{symmetric.TDES, tdea, 32, "33e6b1092400eae5"},
	} {
		block, err := symmetric.New(v.algorithm, unhex(t, v.key))
		if err != nil {
			t.Fatal(err)
		}
		if got := hex.EncodeToString(symmetric.CMAC(block, unhex(t, nistText+nistText3)[:v.length])); got != v.mac {
			t.Errorf("CMAC %c of %d bytes = %s, want %s", v.algorithm, v.length, got, v.mac)
		}
	}
}

func TestDESMACsGiveThePublishedResults(t *testing.T) {
	single, err := symmetric.New(symmetric.DES, unhex(t, "0123456789ABCDEF"))
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"7654321 Now is the time for ": "f1d30f6849312ca4", // FIPS 113
		"Now is the time for all ":     "70a30640cc76dd8b", // ISO 9797-1, annex
	} {
		if got, err := symmetric.CBCMAC(single, nil, []byte(text), 0); err != nil || hex.EncodeToString(got) != want {
			t.Errorf("CBCMAC(%q) = %x, %v, want %s", text, got, err, want)
		}
	}
	for text, v := range map[string]struct{ key, mac string }{
		"Now is the time for all ": {"0123456789ABCDEFFEDCBA9876543210", "a1c72e74ea3fa9b6"}, // ISO 9797-1, annex
		"hello world":              {"41414141414141414242424242424242", "3dde5c5511661cbf"}, // psec
	} {
		if got, err := symmetric.RetailMAC(unhex(t, v.key), nil, []byte(text), 0); err != nil || hex.EncodeToString(got) != v.mac {
			t.Errorf("RetailMAC(%q) = %x, %v, want %s", text, got, err, v.mac)
		}
	}
	double, err := symmetric.New(symmetric.TDES, unhex(t, "AAAAAAAAAAAAAAAABBBBBBBBBBBBBBBB"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := symmetric.CBCMAC(double, nil, []byte("hello world"), 0); err != nil || hex.EncodeToString(got) != "68d9038f23360df3" {
		t.Errorf("triple DES CBC-MAC = %x, %v", got, err)
	}
}

func TestCheckValuesGiveThePublishedResults(t *testing.T) {
	for _, v := range []struct {
		algorithm symmetric.Algorithm
		key, kcv  string
	}{
		{symmetric.TDES, "0123456789ABCDEFFEDCBA9876543210", "08d7b4"},
		{symmetric.DES, "0123456789ABCDEF", "d5d44f"},
		{symmetric.AES, "3F419E1CB7079442AA37474C2EFBF8B8", "08793e25ab"}, // X9.143:2021 8.1
	} {
		if got, err := symmetric.KCV(v.algorithm, unhex(t, v.key)); err != nil || hex.EncodeToString(got) != v.kcv {
			t.Errorf("KCV(%s) = %x, %v, want %s", v.key, got, err, v.kcv)
		}
	}
	// FIPS 46's table of known answers has no such line; the two ways differ in their input alone.
	self, err := symmetric.SelfKCV(symmetric.DES, unhex(t, "0123456789ABCDEF"))
	want, wantErr := symmetric.Encrypt(symmetric.DES, symmetric.ECB, unhex(t, "0123456789ABCDEF"), nil, unhex(t, "0123456789ABCDEF"))
	if err != nil || wantErr != nil || !bytes.Equal(self, want[:3]) {
		t.Errorf("SelfKCV = %x, %v, want %x", self, err, want[:3])
	}
}

func TestEveryModeIsItsOwnInverse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := rapid.SampledFrom([]symmetric.Algorithm{symmetric.DES, symmetric.TDES, symmetric.AES}).Draw(t, "algorithm")
		m := rapid.SampledFrom([]symmetric.Mode{symmetric.ECB, symmetric.CBC, symmetric.CFB, symmetric.OFB, symmetric.CTR}).Draw(t, "mode")
		size := map[symmetric.Algorithm]int{symmetric.DES: 8, symmetric.TDES: 24, symmetric.AES: 32}[a]
		key := rapid.SliceOfN(rapid.Byte(), size, size).Draw(t, "key")
		data := rapid.SliceOfN(rapid.Byte(), 0, 70).Draw(t, "data")
		if m.Whole() {
			data = symmetric.Pad(data, a.BlockSize(), 0)
		}
		var iv []byte
		if m != symmetric.ECB {
			iv = rapid.SliceOfN(rapid.Byte(), a.BlockSize(), a.BlockSize()).Draw(t, "iv")
		}
		out, err := symmetric.Encrypt(a, m, key, iv, data)
		if err != nil {
			t.Fatal(err)
		}
		back, err := symmetric.Decrypt(a, m, key, iv, out)
		if err != nil || !bytes.Equal(back, data) {
			t.Fatalf("back %x %v, want %x", back, err, data)
		}
	})
}

func TestWhatDoesNotFitIsRefused(t *testing.T) {
	for _, v := range []struct {
		name          string
		a             symmetric.Algorithm
		m             symmetric.Mode
		key, iv, data int
		want          error
	}{
		{"short key", symmetric.AES, symmetric.CBC, 15, 16, 16, symmetric.ErrKeyLength},
		{"triple key for DES", symmetric.DES, symmetric.CBC, 24, 8, 8, symmetric.ErrKeyLength},
		{"XTS with one key", symmetric.AES, symmetric.XTS, 16, 16, 16, symmetric.ErrKeyLength},
		{"XTS with DES", symmetric.TDES, symmetric.XTS, 16, 8, 8, symmetric.ErrMode},
		{"half a block", symmetric.TDES, symmetric.ECB, 16, 0, 12, symmetric.ErrDataLength},
		{"long initial value", symmetric.TDES, symmetric.CBC, 16, 16, 16, symmetric.ErrIVLength},
		{"initial value for ECB", symmetric.TDES, symmetric.ECB, 16, 8, 16, symmetric.ErrIVLength},
		{"unknown mode", symmetric.TDES, "gcm", 16, 8, 16, symmetric.ErrMode},
		{"unknown algorithm", 'R', symmetric.CBC, 16, 16, 16, symmetric.ErrAlgorithm},
	} {
		var iv []byte
		if v.iv > 0 {
			iv = make([]byte, v.iv)
		}
		if _, err := symmetric.Encrypt(v.a, v.m, make([]byte, v.key), iv, make([]byte, v.data)); !errors.Is(err, v.want) {
			t.Errorf("%s: %v, want %v", v.name, err, v.want)
		}
	}
}
