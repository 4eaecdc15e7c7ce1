package manifest_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"github.com/plomb-pos/plomb/update/manifest"
)

// parties are a maker and a body with a key each.
type parties struct {
	maker, body note.Signer
	policy      *manifest.Policy
}

func newParties(t testing.TB) *parties {
	t.Helper()
	maker, makerKeys := keys(t, "maker", 1)
	body, bodyKeys := keys(t, "ptb", 1)
	p, err := manifest.ParsePolicy([]byte(`{"format":"plomb-boot-policy/1","serial":1,"legal":"every-body","maker":{"name":"maker","threshold":1,"keys":` + list(makerKeys) +
		`},"bodies":[{"name":"ptb","threshold":1,"keys":` + list(bodyKeys) + `,"jurisdictions":["DE"]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	return &parties{maker[0], body[0], p}
}

func (p *parties) note(t testing.TB, m *manifest.Manifest, by ...note.Signer) []byte {
	t.Helper()
	signed, err := manifest.Sign(encode(t, m), by...)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// base is an approved release of a program and a picture.
func (p *parties) base(t testing.TB) *manifest.Manifest {
	t.Helper()
	m := release(t)
	m.Components = append(m.Components, picture("one"))
	return m
}

func picture(text string) manifest.Component {
	sum := manifest.Sum([]byte(text))
	return manifest.Component{Name: "logo", Kind: manifest.Data, Path: "data/logo", Length: int64(len(text)), SHA256: sum, Root: sum}
}

// over is a release with the base's program and another picture.
func over(base *manifest.Manifest, signed []byte) *manifest.Manifest {
	encoded, err := base.Encode()
	if err != nil {
		panic(err)
	}
	m := *base
	m.Identity, m.Counter, m.Floor = "0PLMTIL03-20261122", base.Counter+1, base.Counter
	m.Components = slices.Clone(base.Components)
	m.Components[1] = picture("two")
	if signed == nil {
		return &m
	}
	m.Approved = &manifest.Approved{Manifest: encoded, Note: signed}
	return &m
}

// Requirement: DL-17
func TestAReleaseWithAnUnchangedLegalPartNeedsItsMakerAlone(t *testing.T) {
	p := newParties(t)
	base := p.base(t)
	next := over(base, p.note(t, base, p.maker, p.body))
	if _, by, err := p.policy.Verify(encode(t, next), p.note(t, next, p.maker)); err != nil || !slices.Equal(by, []string{"maker"}) {
		t.Errorf("with pictures of its own: %v, %v", by, err)
	}
	alone := over(base, p.note(t, base, p.maker))
	if _, _, err := p.policy.Verify(encode(t, alone), p.note(t, alone, p.maker)); !errors.Is(err, manifest.ErrUnsigned) {
		t.Errorf("over a release that no body signed: %v", err)
	}
	other := over(base, p.note(t, over(base, nil), p.maker, p.body))
	if _, _, err := p.policy.Verify(encode(t, other), p.note(t, other, p.maker)); !errors.Is(err, manifest.ErrUnsigned) {
		t.Errorf("with signatures of another release: %v", err)
	}
	if _, _, err := p.policy.Verify(encode(t, next), p.note(t, next, p.body)); !errors.Is(err, manifest.ErrUnsigned) {
		t.Errorf("without its maker: %v", err)
	}
}

// Requirement: DL-17
func TestWhatSaysThatItsLegalPartIsUnchangedAndIsNotIsRefused(t *testing.T) {
	p := newParties(t)
	base := p.base(t)
	signed := p.note(t, base, p.maker, p.body)
	for name, change := range map[string]func(*manifest.Manifest){
		"another program":          func(m *manifest.Manifest) { m.Components[0].SHA256[0] ^= 1 },
		"another tree":             func(m *manifest.Manifest) { m.Components[0].Root[0] ^= 1 },
		"another place":            func(m *manifest.Manifest) { m.Components[0].Path = "bin/other" },
		"another mode":             func(m *manifest.Manifest) { m.Components[0].Mode = 0o777 },
		"another kind":             func(m *manifest.Manifest) { m.Components[0].Kind = manifest.Launcher },
		"no program":               func(m *manifest.Manifest) { m.Components = m.Components[1:]; m.Legal = false },
		"one more":                 func(m *manifest.Manifest) { m.Components = append(m.Components, legalPage()) },
		"a page beside data":       func(m *manifest.Manifest) { m.Components[1].Path, m.Components[1].Legal = "page.html", true },
		"another certificate":      func(m *manifest.Manifest) { m.Certificate = "T2" },
		"another country":          func(m *manifest.Manifest) { m.Jurisdictions = []string{"AT"} },
		"another model":            func(m *manifest.Manifest) { m.Compatibility.Models = []string{"XYZ"} },
		"another platform":         func(m *manifest.Manifest) { m.Compatibility.Platforms = []string{"linux/arm64"} },
		"another format":           func(m *manifest.Manifest) { m.Compatibility.Writes = 9 },
		"a self-test less":         func(m *manifest.Manifest) { m.Tests = nil },
		"the same counter":         func(m *manifest.Manifest) { m.Counter = base.Counter },
		"a floor above it":         func(m *manifest.Manifest) { m.Floor = base.Counter + 1 },
		"a floor of its own":       func(m *manifest.Manifest) { m.Floor = 0 },
		"another line":             func(m *manifest.Manifest) { m.Scope = manifest.Platform },
		"a base that is no base":   func(m *manifest.Manifest) { m.Approved.Manifest = []byte("{}") },
		"a base with a base":       func(m *manifest.Manifest) { m.Approved.Manifest = encode(t, over(base, signed)); m.Counter = 99 },
		"a base without any note":  func(m *manifest.Manifest) { m.Approved.Note = nil },
		"a base with a long proof": func(m *manifest.Manifest) { m.Approved.Proof = bytes.Repeat([]byte("x"), 600<<10) },
	} {
		m := over(base, signed)
		change(m)
		if _, err := m.Encode(); !errors.Is(err, manifest.ErrFormat) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func legalPage() manifest.Component {
	return manifest.Component{Name: "more", Kind: manifest.Page, Legal: true, Path: "more.html", Length: 1, SHA256: manifest.Sum([]byte("m")), Root: manifest.Sum([]byte("m"))}
}
