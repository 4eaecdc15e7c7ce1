package manifest_test

import (
	"bytes"
	crand "crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"

	"github.com/plomb-pos/plomb/update/manifest"
)

// component describes data as a program.
func component(t testing.TB, name string, data []byte) manifest.Component {
	t.Helper()
	c, err := manifest.Measure(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return manifest.Component{
		Name: name, Kind: manifest.Program, Legal: true, Path: "bin/" + name, Mode: 0o755,
		Length: c.Length, SHA256: c.SHA256, Root: c.Root,
	}
}

// release is a legally relevant release for Germany.
func release(t testing.TB) *manifest.Manifest {
	t.Helper()
	return &manifest.Manifest{
		Format: manifest.Format, Identity: "0PLMTIL02-20261122", Scope: manifest.Application, Counter: 7, Legal: true,
		Issued: time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC), Jurisdictions: []string{"DE"}, Certificate: "DE-26-M-0001",
		Components:    []manifest.Component{component(t, "plomb", []byte("a program"))},
		Compatibility: manifest.Compatibility{Platforms: []string{"linux/amd64"}, From: 5, Reads: []int{1}, Writes: 1},
		Consent:       []manifest.Text{{Language: "de", Text: "Neue Version"}, {Language: "en", Text: "New version"}},
		Tests:         []string{"journal", "devices"},
	}
}

func encode(t testing.TB, m *manifest.Manifest) []byte {
	t.Helper()
	data, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// Requirement: DL-01
func TestAManifestHasOneEncoding(t *testing.T) {
	m := release(t)
	data := encode(t, m)
	got, err := manifest.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(m, got); diff != "" {
		t.Error(diff)
	}
	for name, other := range map[string][]byte{
		"a space":           bytes.Replace(data, []byte(`,"scope"`), []byte(`, "scope"`), 1),
		"a newline after":   append(bytes.Clone(data), '\n'),
		"another order":     bytes.Replace(data, []byte(`"scope":"application","counter":7`), []byte(`"counter":7,"scope":"application"`), 1),
		"an unknown member": bytes.Replace(data, []byte(`"scope"`), []byte(`"size":1,"scope"`), 1),
		"a member twice":    bytes.Replace(data, []byte(`"counter":7`), []byte(`"counter":6,"counter":7`), 1),
		"an empty list":     bytes.Replace(data, []byte(`"tests":["journal","devices"]`), []byte(`"tests":[]`), 1),
		"another number":    bytes.Replace(data, []byte(`"counter":7`), []byte(`"counter":7.0`), 1),
	} {
		if bytes.Equal(other, data) {
			t.Fatalf("%s: nothing was changed", name)
		}
		if _, err := manifest.Parse(other); !errors.Is(err, manifest.ErrFormat) {
			t.Errorf("with %s: %v, want ErrFormat", name, err)
		}
	}
}

func TestWhatAManifestMayNotSayIsRefused(t *testing.T) {
	for name, change := range map[string]func(*manifest.Manifest){
		"another format":               func(m *manifest.Manifest) { m.Format = "plomb-release/2" },
		"hardware as software":         func(m *manifest.Manifest) { m.Identity = "1PLMTIL02-20261122" },
		"no counter":                   func(m *manifest.Manifest) { m.Counter = 0 },
		"a floor above its counter":    func(m *manifest.Manifest) { m.Floor = 8 },
		"an unknown scope":             func(m *manifest.Manifest) { m.Scope = "everything" },
		"no component":                 func(m *manifest.Manifest) { m.Components = nil },
		"a component twice":            func(m *manifest.Manifest) { m.Components = append(m.Components, m.Components[0]) },
		"a path out of the slot":       func(m *manifest.Manifest) { m.Components[0].Path = "../boot/table" },
		"an absolute path":             func(m *manifest.Manifest) { m.Components[0].Path = "/etc/passwd" },
		"a hidden file":                func(m *manifest.Manifest) { m.Components[0].Path = "bin/.plomb" },
		"the manifest as component":    func(m *manifest.Manifest) { m.Components[0].Path = "Manifest.json" },
		"a set-user-id file":           func(m *manifest.Manifest) { m.Components[0].Mode = 0o4755 },
		"no length":                    func(m *manifest.Manifest) { m.Components[0].Length = 0 },
		"no certificate":               func(m *manifest.Manifest) { m.Certificate = "" },
		"no jurisdiction":              func(m *manifest.Manifest) { m.Jurisdictions = nil },
		"jurisdictions out of order":   func(m *manifest.Manifest) { m.Jurisdictions = []string{"PL", "DE"} },
		"no platform":                  func(m *manifest.Manifest) { m.Compatibility.Platforms = nil },
		"installable over itself only": func(m *manifest.Manifest) { m.Compatibility.From = 7 },
		"software as hardware":         func(m *manifest.Manifest) { m.Compatibility.Hardware = []manifest.Identity{m.Identity} },
		"an empty consent":             func(m *manifest.Manifest) { m.Consent[0].Text = "" },
		"a time with fractions":        func(m *manifest.Manifest) { m.Issued = m.Issued.Add(1) },
	} {
		m := release(t)
		change(m)
		if _, err := m.Encode(); !errors.Is(err, manifest.ErrFormat) {
			t.Errorf("%s: %v, want ErrFormat", name, err)
		}
	}
}

// Requirement: DL-17
func TestAReleaseCannotCallLegallyRelevantSoftwareOther(t *testing.T) {
	for name, change := range map[string]func(*manifest.Component){
		"a program":                      func(c *manifest.Component) {},
		"a country profile as data path": func(c *manifest.Component) { c.Kind, c.Path = manifest.Profile, "data/de" },
		"a page outside of data":         func(c *manifest.Component) { c.Kind, c.Path = manifest.Page, "web/app.js" },
		"data that lies beside programs": func(c *manifest.Component) { c.Kind, c.Path = manifest.Data, "bin/words" },
	} {
		m := release(t)
		m.Legal, m.Certificate, m.Jurisdictions = false, "", nil
		m.Components[0].Legal = false
		change(&m.Components[0])
		if _, err := m.Encode(); !errors.Is(err, manifest.ErrFormat) {
			t.Errorf("%s: %v, want ErrFormat", name, err)
		}
	}
	m := release(t)
	m.Legal, m.Certificate, m.Jurisdictions = false, "", nil
	m.Components[0].Legal, m.Components[0].Kind, m.Components[0].Path = false, manifest.Data, "data/words/pl.json"
	if _, err := m.Encode(); err != nil {
		t.Errorf("translations: %v", err)
	}
}

// Requirement: FM-11
func TestIdentitiesHaveEighteenCharacters(t *testing.T) {
	i, err := manifest.NewIdentity(false, "PLM", "TIL", "02", time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC))
	if err != nil || i != "0PLMTIL02-20261122" {
		t.Fatalf("identity = %q, %v", i, err)
	}
	if i.Hardware() || i.Company() != "PLM" || i.Model() != "TIL" || i.Version() != "02" || i.Date().Day() != 22 {
		t.Errorf("parts: %t %q %q %q %v", i.Hardware(), i.Company(), i.Model(), i.Version(), i.Date())
	}
	for _, bad := range []manifest.Identity{
		"", "0PLMTIL02-2026112", "0PLMTIL02-202611222", "2PLMTIL02-20261122", "0plmTIL02-20261122", "0PLMTIL02_20261122",
		"0PLMTIL02-20261322", "0PLMTIL02-20260230", "0PLÄTIL0-20261122", "0PLM IL02-20261122",
	} {
		if bad.Validate() == nil {
			t.Errorf("%q is taken for an identity", string(bad))
		}
	}
}

func FuzzIdentity(f *testing.F) {
	f.Add("0PLMTIL02-20261122")
	f.Add("1AAABBB00-20240229")
	f.Fuzz(func(t *testing.T, s string) {
		i := manifest.Identity(s)
		if i.Validate() != nil {
			if i.Company()+i.Model()+i.Version() != "" || !i.Date().IsZero() {
				t.Errorf("%q is not valid and has parts", s)
			}
			return
		}
		again, err := manifest.NewIdentity(i.Hardware(), i.Company(), i.Model(), i.Version(), i.Date())
		if err != nil || again != i {
			t.Errorf("%q put together again is %q, %v", s, again, err)
		}
	})
}

func FuzzParse(f *testing.F) {
	p := newParties(f)
	base := p.base(f)
	f.Add(encode(f, over(base, p.note(f, base, p.maker, p.body))))
	f.Add(encode(f, release(f)))
	f.Add([]byte(`{"format":"plomb-release/1"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := manifest.Parse(data)
		if err != nil {
			return
		}
		if again, err := m.Encode(); err != nil || !bytes.Equal(data, again) {
			t.Errorf("%q is accepted and encodes as %q, %v", data, again, err)
		}
	})
}

// Requirement: DL-03
func TestAnyOtherByteIsFound(t *testing.T) {
	data := make([]byte, 2*manifest.FrameBytes+777)
	random := rand.NewChaCha8([32]byte{1})
	random.Read(data)
	c := component(t, "plomb", data)
	if err := c.Check(bytes.NewReader(data)); err != nil {
		t.Fatalf("unchanged: %v", err)
	}
	for name, other := range map[string][]byte{
		"the first byte":          flipped(data, 0),
		"a byte between frames":   flipped(data, manifest.FrameBytes),
		"the last byte":           flipped(data, len(data)-1),
		"cut short":               data[:len(data)-1],
		"cut at a frame":          data[:2*manifest.FrameBytes],
		"one byte more":           append(bytes.Clone(data), 0),
		"frames in another order": append(append(bytes.Clone(data[manifest.FrameBytes:2*manifest.FrameBytes]), data[:manifest.FrameBytes]...), data[2*manifest.FrameBytes:]...),
		"empty":                   nil,
	} {
		if err := c.Check(bytes.NewReader(other)); !errors.Is(err, manifest.ErrContent) {
			t.Errorf("%s: %v, want ErrContent", name, err)
		}
	}
}

func flipped(data []byte, at int) []byte {
	out := bytes.Clone(data)
	out[at] ^= 1
	return out
}

// The tree is that of RFC 6962, as golang.org/x/mod computes it.
func TestTheRootIsThatOfRFC6962(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 70).Draw(t, "frames")
		var leaves []manifest.Digest
		var stored []tlog.Hash
		read := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
			var out []tlog.Hash
			for _, i := range indexes {
				out = append(out, stored[i])
			}
			return out, nil
		})
		for i := range n {
			leaf := sha256.Sum256(fmt.Append(nil, i))
			leaves = append(leaves, leaf)
			more, err := tlog.StoredHashesForRecordHash(int64(i), tlog.Hash(leaf), read)
			if err != nil {
				t.Fatal(err)
			}
			stored = append(stored, more...)
		}
		want, err := tlog.TreeHash(int64(n), read)
		if err != nil || manifest.Root(leaves) != manifest.Digest(want) {
			t.Errorf("root of %d frames = %v, want %v, %v", n, manifest.Root(leaves), want, err)
		}
	})
}

// keys makes n keys of a party.
func keys(t testing.TB, name string, n int) (signers []note.Signer, verifiers []string) {
	t.Helper()
	for range n {
		skey, vkey, err := note.GenerateKey(crand.Reader, name)
		if err != nil {
			t.Fatal(err)
		}
		s, err := note.NewSigner(skey)
		if err != nil {
			t.Fatal(err)
		}
		signers, verifiers = append(signers, s), append(verifiers, vkey)
	}
	return signers, verifiers
}

func list(keys []string) string { return `["` + strings.Join(keys, `","`) + `"]` }

// Requirement: DL-04
func TestMakerAndAuthorityMustBothHaveSigned(t *testing.T) {
	maker, makerKeys := keys(t, "maker", 3)
	body, bodyKeys := keys(t, "ptb", 2)
	stranger, _ := keys(t, "ptb", 1)
	p, err := manifest.ParsePolicy([]byte(`{"format":"plomb-boot-policy/1","serial":1,"legal":"every-body","maker":{"name":"maker","threshold":2,"keys":` + list(makerKeys) +
		`},"bodies":[{"name":"ptb","threshold":1,"keys":` + list(bodyKeys) + `,"jurisdictions":["DE"]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	data := encode(t, release(t))
	polish := release(t)
	polish.Jurisdictions = []string{"DE", "PL"}
	for name, c := range map[string]struct {
		data []byte
		by   []note.Signer
		ok   bool
	}{
		"both":                            {data, []note.Signer{maker[0], maker[2], body[1]}, true},
		"the maker alone":                 {data, maker, false},
		"the authority alone":             {data, body, false},
		"one key of the maker too few":    {data, []note.Signer{maker[0], body[0]}, false},
		"one key of the maker twice":      {data, []note.Signer{maker[0], maker[0], body[0]}, false},
		"a stranger under the same name":  {data, []note.Signer{maker[0], maker[1], stranger[0]}, false},
		"a country that nobody approves":  {encode(t, polish), []note.Signer{maker[0], maker[1], body[0]}, false},
		"nobody known":                    {data, stranger, false},
		"more than needed, and strangers": {data, append(append(maker, body...), stranger[0]), true},
	} {
		signed, err := manifest.Sign(c.data, c.by...)
		if err != nil {
			if strings.Contains(name, "twice") {
				continue // cannot even be made
			}
			t.Fatal(err)
		}
		if _, _, err := p.Verify(c.data, signed); (err == nil) != c.ok {
			t.Errorf("signed by %s: %v", name, err)
		}
	}
	signed, err := manifest.Sign(data, maker[0], maker[1], body[0])
	if err != nil {
		t.Fatal(err)
	}
	other := release(t)
	other.Components[0] = component(t, "plomb", []byte("another program"))
	if _, _, err := p.Verify(encode(t, other), signed); !errors.Is(err, manifest.ErrUnsigned) {
		t.Errorf("signatures over other bytes: %v, want ErrUnsigned", err)
	}
}

func TestNotesOfPartiesAreMerged(t *testing.T) {
	maker, makerKeys := keys(t, "maker", 1)
	body, bodyKeys := keys(t, "ptb", 1)
	p, err := manifest.ParsePolicy([]byte(`{"format":"plomb-boot-policy/1","serial":1,"legal":"every-body","maker":{"name":"maker","threshold":1,"keys":` + list(makerKeys) +
		`},"bodies":[{"name":"ptb","threshold":1,"keys":` + list(bodyKeys) + `,"jurisdictions":["DE"]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	data := encode(t, release(t))
	a, err := manifest.Sign(data, maker...)
	if err != nil {
		t.Fatal(err)
	}
	b, err := manifest.Sign(data, body...)
	if err != nil {
		t.Fatal(err)
	}
	both, err := manifest.Merge(a, b, a)
	if err != nil {
		t.Fatal(err)
	}
	if _, by, err := p.Verify(data, both); err != nil || !cmp.Equal(by, []string{"maker", "ptb"}) {
		t.Errorf("signed by %q, %v", by, err)
	}
	other := release(t)
	other.Counter++
	c, err := manifest.Sign(encode(t, other), body...)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := manifest.Merge(a, c); !errors.Is(err, manifest.ErrFormat) {
		t.Errorf("notes over two releases: %v", err)
	}
}

func TestAnySlipInTheBootPolicyRefusesAll(t *testing.T) {
	_, m := keys(t, "maker", 2)
	_, b := keys(t, "ptb", 1)
	body := `{"name":"ptb","threshold":1,"keys":` + list(b) + `,"jurisdictions":["DE"]}`
	policy := func(maker, rest string) string {
		return `{"format":"plomb-boot-policy/1","serial":1,"maker":` + maker + rest + `}`
	}
	good := `{"name":"maker","threshold":1,"keys":` + list(m) + `}`
	if _, err := manifest.ParsePolicy([]byte(policy(good, `,"legal":"every-body","bodies":[`+body+`]`))); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"threshold 0":              policy(`{"name":"maker","threshold":0,"keys":`+list(m)+`}`, `,"legal":"every-body","bodies":[`+body+`]`),
		"threshold below 0":        policy(`{"name":"maker","threshold":-1,"keys":`+list(m)+`}`, `,"legal":"every-body","bodies":[`+body+`]`),
		"threshold above the keys": policy(`{"name":"maker","threshold":3,"keys":`+list(m)+`}`, `,"legal":"every-body","bodies":[`+body+`]`),
		"no threshold":             policy(`{"name":"maker","keys":`+list(m)+`}`, `,"legal":"every-body","bodies":[`+body+`]`),
		"a misspelt threshold":     policy(`{"name":"maker","treshold":1,"keys":`+list(m)+`}`, `,"legal":"every-body","bodies":[`+body+`]`),
		"a member twice":           policy(`{"name":"maker","threshold":2,"threshold":1,"keys":`+list(m)+`}`, `,"legal":"every-body","bodies":[`+body+`]`),
		"a key twice":              policy(`{"name":"maker","threshold":2,"keys":`+list([]string{m[0], m[0]})+`}`, `,"legal":"every-body","bodies":[`+body+`]`),
		"no rule":                  policy(good, `,"bodies":[`+body+`]`),
		"a rule without bodies":    policy(good, `,"legal":"every-body"`),
		"bodies without a rule":    policy(good, `,"legal":"maker-only","bodies":[`+body+`]`),
		"a party twice":            policy(good, `,"legal":"every-body","bodies":[`+body+`,`+body+`]`),
		"the maker as authority":   policy(good, `,"legal":"every-body","bodies":[{"name":"maker","threshold":1,"keys":`+list(m)+`,"jurisdictions":["DE"]}]`),
		"a body for no country":    policy(good, `,"legal":"every-body","bodies":[{"name":"ptb","threshold":1,"keys":`+list(b)+`,"jurisdictions":[]}]`),
		"nothing":                  ``,
	} {
		if _, err := manifest.ParsePolicy([]byte(text)); !errors.Is(err, manifest.ErrPolicy) {
			t.Errorf("%s: %v, want ErrPolicy", name, err)
		}
	}
}

// The same key under the name of another party is one key.
func TestOneKeyUnderTwoNamesIsRefused(t *testing.T) {
	_, vkey, err := note.GenerateKey(crand.Reader, "maker")
	if err != nil {
		t.Fatal(err)
	}
	data := strings.SplitN(vkey, "+", 3)[2]
	twin := "ptb+" + keyHash("ptb", data) + "+" + data
	if _, err := note.NewVerifier(twin); err != nil {
		t.Fatalf("the twin is no key: %v", err)
	}
	_, err = manifest.ParsePolicy([]byte(`{"format":"plomb-boot-policy/1","serial":1,"legal":"every-body","maker":{"name":"maker","threshold":1,"keys":["` + vkey +
		`"]},"bodies":[{"name":"ptb","threshold":1,"keys":["` + twin + `"],"jurisdictions":["DE"]}]}`))
	if !errors.Is(err, manifest.ErrPolicy) || !strings.Contains(err.Error(), "twice") {
		t.Errorf("one key for both parties: %v", err)
	}
}

// keyHash is that of c2sp.org/signed-note: the first 4 bytes of SHA-256(name || "\n" || key).
func keyHash(name, data string) string {
	key, err := base64.StdEncoding.DecodeString(data)
	if err != nil {
		panic(err)
	}
	sum := sha256.Sum256(append([]byte(name+"\n"), key...))
	return hex.EncodeToString(sum[:4])
}

func BenchmarkCheck(b *testing.B) {
	data := make([]byte, 64<<20)
	c := component(b, "plomb", data)
	b.Run("check", func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			if err := c.Check(bytes.NewReader(data)); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("sha256", func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			sha256.Sum256(data)
		}
	})
}
