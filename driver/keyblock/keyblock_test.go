package keyblock_test

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/plomb-pos/plomb/driver/keyblock"
	"github.com/plomb-pos/plomb/driver/symmetric"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// published are the examples of the standards and blocks made by a payShield 10k,
// with the check values printed beside them.
var published = []struct{ name, kbpk, block, key, kcv string }{
	{"payShield A", "EFE0853B256B583D868F251CE99EA1D9", "A0072K0TN00N0000F40D5672C6D0EC86F860BA88D44D00F0CA9A8CE8CD2F640287A9A9EB", "5DB50B454F8389ADCE573BE50861F2BF", "5C9405"},
	{"payShield B", "EFE0853B256B583D868F251CE99EA1D9", "B0080K0TN00N00001C414014375212C24995E405B5EE052CB92B67F455EA2680F6751088F9F1C228", "5DB50B454F8389ADCE573BE50861F2BF", "5C9405"},
	{"payShield C", "EFE0853B256B583D868F251CE99EA1D9", "C0072K0TN00N0000C9B875FF7A5316BF221C09ED52080DE0B45632A4EA9CE87699CB565E", "5DB50B454F8389ADCE573BE50861F2BF", "5C9405"},
	{"TR-31:2018 A.7.2.1", "89E88CF7931444F334BD7547FC3F380C", "A0072P0TE00E0000F5161ED902807AF26F1D62263644BD24192FDB3193C730301CEE8701", "F039121BEC83D26B169BDCD5B22AAF8F", "CB9DEA"},
	{"TR-31:2018 A.7.2.2", "DD7515F2BFC17F85CE48F3CA25CB21F6", "B0080P0TE00E000094B420079CC80BA3461F86FE26EFC4A3B8E4FA4C5F5341176EED7B727B8A248E", "3F419E1CB7079442AA37474C2EFBF8B8", "57C409"},
	{"TR-31:2018 A.7.3.1", "B8ED59E0A279A295E9F5ED7944FD06B9", "C0096B0TX12S0100KS1800604B120F9292800000BFB9B689CB567E66FC3FEE5AD5F52161FC6545B9D60989015D02155C", "EDB380DD340BC2620247D445F5B8D678", "F4B08D"},
	{"TR-31:2018 A.7.3.2", "1D22BF32387C600AD97F9B97A51311AC", "B0104B0TX12S0100KS1800604B120F9292800000BB68BE8680A400D9191AD4ECE45B6E6C0D21C4738A52190E248719E24B433627", "E8BC63E5479455E26577F715D587FE68", "9A4212"},
	{"TR-31:2018 A.7.4", "88E1AB2A2E3DD38C1FA039A536500CC8A87AB9D62DC92C01058FA79F44657DE6", "D0112P0AE00E0000B82679114F470F540165EDFBF7E250FCEA43F810D215F8D207E2E417C07156A27E8E31DA05F7425509593D03A457DC34", "3F419E1CB7079442AA37474C2EFBF8B8", "08793E25AB"},
	{"X9.143:2021 8.1", "88E1AB2A2E3DD38C1FA039A536500CC8A87AB9D62DC92C01058FA79F44657DE6", "D0144P0AE00E00002C77FA3F4A553BED6E88AE5C172A4166E3D4ACA8E2AC71C158A476FAC12C13C3829DE55D3AB54C48F4C4FEF7AC75E90FC47F1B77E7B19A73ED46E64410082557", "3F419E1CB7079442AA37474C2EFBF8B8", "08793E25AB"},
	{"X9.143:2021 8.4.1", "B8ED59E0A279A295E9F5ED7944FD06B9", "C0112B0TX12S0100KS1800604B120F929280000042B758A2400AB598AE37782823DAF0BA4BDB0DAFF34915345CA169AE1F976A429EB139E5", "EDB380DD340BC2620247D445F5B8D678", "F4B08D"},
	{"X9.143:2021 8.4.2", "1D22BF32387C600AD97F9B97A51311AC", "B0120B0TX12S0100KS1800604B120F929280000015CEB14B76D551F21EC43A75390FA118A98C6CB049E3B9E864A5F4A8B9A5108A6DB5635C95B042D7", "E8BC63E5479455E26577F715D587FE68", "9A4212"},
	{"payShield D, triple DES key", strings.Repeat("41", 32), "D0112B0TN00N000037DB9B046B7B0048785690759580ABC3B9842AB4BB7717B49E92528E575785D8123559376A2553B27BE94F054F4E971C", "1FA1F7CEC798D91545DA8AE0C7796BD9", "FF5087"},
	{"payShield D, AES key", strings.Repeat("41", 32), "D0144D0AN00N0000127862F945C2DED04530FAF7CDBC8B0BA10C7AA79BD5E0C2C5D6AC173BF588E4B19ACF1357178D50EA0AB193228E13958304FC6149632DFDCADF3A5B3D57E814", "BE19E6A07A760F10EF8E83A226B63AAD141F463FDDD4F47DB244B4023EC3CACC", ""},
}

func TestPublishedKeyBlocksUnwrap(t *testing.T) {
	for _, p := range published {
		h, key, err := keyblock.Unwrap(unhex(t, p.kbpk), p.block)
		if err != nil {
			t.Errorf("%s: %v", p.name, err)
			continue
		}
		if got := strings.ToUpper(hex.EncodeToString(key)); got != p.key {
			t.Errorf("%s: key %s, want %s", p.name, got, p.key)
		}
		kcv, err := symmetric.KCV(symmetric.Algorithm(h.Algorithm), key)
		if got := strings.ToUpper(hex.EncodeToString(kcv)); err != nil || p.kcv != "" && got != p.kcv {
			t.Errorf("%s: check value %s %v, want %s", p.name, got, err, p.kcv)
		}
	}
}

func TestAKeyBlockTellsItsHeader(t *testing.T) {
	h, err := keyblock.Parse(published[5].block)
	want := keyblock.Header{Version: 'C', Usage: "B0", Algorithm: 'T', ModeOfUse: 'X', KeyVersion: "12", Exportability: 'S',
		Reserved: "00", Optional: []keyblock.Optional{{ID: "KS", Data: "00604B120F9292800000"}}}
	if diff := cmp.Diff(want, h, cmpopts.IgnoreUnexported(keyblock.Optional{})); err != nil || diff != "" {
		t.Errorf("Parse: %v\n%s", err, diff)
	}
}

func TestAnyChangedCharacterIsRefused(t *testing.T) {
	for _, p := range published[3:8] {
		for i := range p.block {
			changed := []byte(p.block)
			changed[i] = map[bool]byte{true: '1', false: '0'}[changed[i] == '0']
			if _, key, err := keyblock.Unwrap(unhex(t, p.kbpk), string(changed)); err == nil || key != nil {
				t.Errorf("%s with character %d changed gave %x", p.name, i, key)
			}
		}
	}
}

func TestWhatIsWrappedUnwraps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := rapid.SampledFrom([]byte("ABCD")).Draw(t, "version")
		sizes := []int{16, 24}
		if v == 'D' {
			sizes = []int{16, 24, 32}
		}
		kbpk := rapid.SliceOfN(rapid.Byte(), 0, 32).Draw(t, "protection key")
		size := rapid.SampledFrom(sizes).Draw(t, "size")
		kbpk = append(kbpk, make([]byte, 32)...)[:size]
		key := rapid.SliceOfN(rapid.Byte(), 1, 300).Draw(t, "key")
		h := keyblock.Header{Version: v, Usage: "D0", Algorithm: 'A', ModeOfUse: 'B', KeyVersion: "00", Exportability: 'N'}
		if data := rapid.StringMatching(`[0-9A-F]{0,400}`).Draw(t, "optional"); data != "" {
			h.Optional = []keyblock.Optional{{ID: "10", Data: data}}
		}
		text, err := keyblock.Wrap(kbpk, h, key, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		got, out, err := keyblock.Unwrap(kbpk, text)
		if err != nil || string(out) != string(key) || got.Usage != "D0" || len(h.Optional) > 0 && got.Optional[0].Data != h.Optional[0].Data {
			t.Fatalf("Unwrap(%s) = %+v %x %v, want %x", text, got, out, err, key)
		}
		kbpk[0] ^= 0x10
		if _, _, err := keyblock.Unwrap(kbpk, text); !errors.Is(err, keyblock.ErrAuthentication) {
			t.Fatalf("with another key: %v", err)
		}
	})
}

func TestWhatIsNoKeyBlockIsRefused(t *testing.T) {
	kbpk := make([]byte, 16)
	for text, want := range map[string]error{
		"":                                       keyblock.ErrFormat,
		"E0016P0TE00N0000":                       keyblock.ErrVersion,
		"B0016P0TE00N0000":                       keyblock.ErrFormat,
		"B0017P0TE00N0000":                       keyblock.ErrFormat,
		"B0020P0TE00N0100KS03":                   keyblock.ErrFormat,
		"B0020P0TE00N0100KS00":                   keyblock.ErrFormat,
		"B0+16P0TE00N0000":                       keyblock.ErrFormat,
		"B0064P0TE00N0000" + zeros(48):           keyblock.ErrAuthentication,
		"D0112P0AE00E0000" + zeros(96):           keyblock.ErrAuthentication,
		"D0110P0AE00E0000" + zeros(94):           keyblock.ErrFormat,
		"C0056P0TE00N0000" + zeros(40):           keyblock.ErrAuthentication,
		"C0056P0TE00N0000" + zeros(40)[1:] + "x": keyblock.ErrFormat,
	} {
		if _, _, err := keyblock.Unwrap(kbpk, text); !errors.Is(err, want) {
			t.Errorf("Unwrap(%q) = %v, want %v", text, err, want)
		}
	}
	if _, _, err := keyblock.Unwrap(make([]byte, 15), published[3].block); !errors.Is(err, keyblock.ErrProtectionKey) {
		t.Errorf("a protection key of 15 bytes: %v", err)
	}
}

func zeros(n int) string { return strings.Repeat("0", n) }

func FuzzUnwrap(f *testing.F) {
	for _, p := range published {
		f.Add(unhex(f, p.kbpk), p.block)
	}
	f.Fuzz(func(t *testing.T, kbpk []byte, text string) {
		h, key, err := keyblock.Unwrap(kbpk, text)
		if (err == nil) != (key != nil) {
			t.Fatalf("Unwrap = %x, %v", key, err)
		}
		if err != nil {
			return
		}
		again, err := keyblock.Wrap(kbpk, h, key, rand.Reader)
		if err != nil {
			t.Fatalf("what was unwrapped does not wrap: %v", err)
		}
		if _, same, err := keyblock.Unwrap(kbpk, again); err != nil || string(same) != string(key) {
			t.Fatalf("wrapped again: %x %v", same, err)
		}
	})
}
