package keeper_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/internal/tokentest"
	"github.com/plomb-pos/plomb/internal/tpmtest"
	"github.com/plomb-pos/plomb/update/keeper"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func folder(t *testing.T) keeper.Folder {
	return keeper.Folder{FS: durable.OS{}, Dir: filepath.ToSlash(t.TempDir()), Work: 1}
}

// works draws a key, signs short and long messages with the one that is opened again,
// and looks whether anything but the right passphrase opens it.
func works(t *testing.T, f keeper.Folder, name string, kind keeper.Kind, at keeper.Place) *keeper.Key {
	t.Helper()
	drawn, err := f.Draw(name, kind, at, tokentest.PIN)
	must(t, err)
	k, err := f.Open(name, kind, drawn.Place, drawn.Public, tokentest.PIN)
	must(t, err)
	for _, n := range []int{0, 1, 1024, 1025, 200_000} {
		message := bytes.Repeat([]byte("m"), n)
		sig, err := k.Sign(message)
		must(t, err)
		must(t, keeper.Verify(kind, drawn.Public, message, sig))
		if err := keeper.Verify(kind, drawn.Public, append(message, 'x'), sig); !errors.Is(err, keeper.ErrOther) {
			t.Errorf("another message verifies: %v", err)
		}
	}
	wrong, err := f.Open(name, kind, drawn.Place, drawn.Public, "wrong")
	if err == nil {
		_, err = wrong.Sign([]byte("m"))
	}
	if err == nil {
		t.Error("the wrong passphrase opened the key")
	}
	return drawn
}

// Requirement: CU-16
func TestAKeyInAFileSignsAfterItWasOpenedAgain(t *testing.T) {
	f := folder(t)
	for _, kind := range []keeper.Kind{keeper.Ed25519, keeper.P256} {
		works(t, f, "office/"+string(kind), kind, "")
	}
	text, err := os.ReadFile(filepath.Join(f.Dir, "ed25519.age"))
	must(t, err)
	if !bytes.HasPrefix(text, []byte("age-encryption.org/v1\n")) {
		t.Error("the file is not encrypted")
	}
	k, err := f.Draw("office/custody", keeper.HPKE, "", "w")
	must(t, err)
	again, err := f.Open("office/custody", keeper.HPKE, "", k.Public, "w")
	must(t, err)
	if secret, ok := again.Secret(); !ok || len(secret) == 0 {
		t.Error("no secret to unwrap content keys with")
	}
	if _, err := f.Open("office/custody", keeper.Ed25519, "", k.Public, "w"); !errors.Is(err, keeper.ErrOther) {
		t.Errorf("opened as another kind: %v", err)
	}
}

// Requirement: CU-16
func TestAKeyOnATokenSignsWithoutLeavingIt(t *testing.T) {
	tokentest.Start(t)
	f := folder(t)
	for _, kind := range []keeper.Kind{keeper.Ed25519, keeper.P256} {
		name := "office/" + string(kind)
		k := works(t, f, name, kind, keeper.Place(tokentest.Place()))
		if !strings.Contains(string(k.Place), "object=office%2F"+string(kind)) {
			t.Errorf("place %q", k.Place)
		}
		if _, err := f.Draw(name, kind, keeper.Place(tokentest.Place()), tokentest.PIN); err == nil {
			t.Error("a second key of the same label was drawn")
		}
		if _, ok := k.Secret(); ok {
			t.Error("the secret left the token")
		}
	}
	names, err := os.ReadDir(f.Dir)
	must(t, err)
	if len(names) != 0 {
		t.Errorf("files of keys on a token: %v", names)
	}
}

// Requirement: CU-16
func TestAKeyInATPMOpensInThatTPMAlone(t *testing.T) {
	tpm := tpmtest.Start(t)
	at := keeper.Place("tpm:" + tpm.Socket)
	f := folder(t)
	k := works(t, f, "office/root-1", keeper.P256, at)
	if _, ok := k.Secret(); ok {
		t.Error("the secret left the TPM")
	}
	sealed := works(t, f, "office/note-1", keeper.Ed25519, at)
	custody, err := f.Draw("office/custody-1", keeper.HPKE, at, "w")
	must(t, err)
	again, err := f.Open("office/custody-1", keeper.HPKE, at, custody.Public, "w")
	must(t, err)
	if a, _ := custody.Secret(); len(a) == 0 || !slices.Equal(a, first(again.Secret())) {
		t.Error("another secret came out")
	}
	text, err := os.ReadFile(filepath.Join(f.Dir, "note-1.tpm"))
	must(t, err)
	if secret, _ := sealed.Secret(); bytes.Contains(text, secret) {
		t.Error("the secret stands in the file")
	}
	other := keeper.Place("tpm:" + tpmtest.Start(t).Socket)
	for _, name := range []string{"note-1", "root-1"} {
		kind, public := keeper.Ed25519, sealed.Public
		if name == "root-1" {
			kind, public = keeper.P256, k.Public
		}
		stolen, err := f.Open("office/"+name, kind, other, public, tokentest.PIN)
		if err == nil {
			_, err = stolen.Sign([]byte("m"))
		}
		if !errors.Is(err, keeper.ErrOther) {
			t.Errorf("%s in another TPM: %v", name, err)
		}
	}
}

// Requirement: CU-16
func TestAKeyInATPMOutlivesALossOfPower(t *testing.T) {
	tpm := tpmtest.Start(t)
	at := keeper.Place("tpm:" + tpm.Socket)
	f := folder(t)
	sealed, err := f.Draw("office/note-1", keeper.Ed25519, at, "w")
	must(t, err)
	root, err := f.Draw("office/root-1", keeper.P256, at, "w")
	must(t, err)
	tpm.Off()
	tpm.On()
	for name, k := range map[string]*keeper.Key{"office/note-1": sealed, "office/root-1": root} {
		again, err := f.Open(name, k.Kind, at, k.Public, "w")
		must(t, err)
		if _, err := again.Sign([]byte("m")); err != nil {
			t.Errorf("%s after the TPM was switched off and on: %v", name, err)
		}
	}
}

func first(b []byte, _ bool) []byte { return b }

func TestPlacesThatCannotBeAreRefused(t *testing.T) {
	for _, c := range []struct {
		place keeper.Place
		kind  keeper.Kind
	}{
		{"tpm:", keeper.P256}, {"cloud:x", keeper.Ed25519}, {"pkcs11:", keeper.Ed25519}, {"pkcs11:token=a", keeper.Ed25519}, {"pkcs11:token=a;token=b?module-path=/m", keeper.Ed25519},
		{"pkcs11:token=a?module-path=/m&pin-value=1", keeper.Ed25519}, {"pkcs11:token=a;pin-value=1?module-path=/m", keeper.Ed25519},
		{"pkcs11:token=a?module-path=/m", keeper.HPKE}, {keeper.Elsewhere, keeper.HPKE}, {"elsewhere:x", keeper.Ed25519},
	} {
		if err := c.place.Check(c.kind); err == nil {
			t.Errorf("%q for %s: no error", c.place, c.kind)
		}
	}
}

func TestATokensNameIsReadAsItWasWritten(t *testing.T) {
	label := rapid.StringMatching(`[ -~]{1,20}`)
	rapid.Check(t, func(t *rapid.T) {
		want := keeper.Token{Module: "/" + label.Draw(t, "module"), Token: label.Draw(t, "token"), Serial: rapid.OneOf(rapid.Just(""), label).Draw(t, "serial"), Object: label.Draw(t, "object")}
		got, err := keeper.ParseToken(want.Place())
		if err != nil || got != want {
			t.Fatalf("%q is read as %+v, %v; want %+v", want.Place(), got, err, want)
		}
	})
}

func FuzzParseToken(f *testing.F) {
	f.Add("pkcs11:token=a;object=b?module-path=/usr/lib/m.so")
	f.Add("pkcs11:token=%61;serial=1?module-path=m")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := keeper.ParseToken(keeper.Place(text))
		if err != nil {
			return
		}
		if again, err := keeper.ParseToken(got.Place()); err != nil || again != got {
			t.Errorf("%q: %+v, then %+v, %v", text, got, again, err)
		}
	})
}
