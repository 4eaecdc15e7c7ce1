package seal_test

import (
	"bytes"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/journal"
	"github.com/plomb-pos/plomb/journal/proof"
	"github.com/plomb-pos/plomb/seal"
)

const origin = "till-1f2e3d4c/e1"

func create(t testing.TB) (*seal.Box, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "seal")
	box, err := seal.Create(durable.OS{}, dir)
	if err != nil {
		t.Fatal(err)
	}
	return box, dir
}

func reopen(t *testing.T, dir string) *seal.Box {
	t.Helper()
	box, err := seal.Open(durable.OS{}, dir)
	if err != nil {
		t.Fatal(err)
	}
	return box
}

// Requirement: FM-06
func TestKeysAreTheSameAfterOpeningAgain(t *testing.T) {
	box, dir := create(t)
	monthBefore, err := box.JournalKeys().Current(t.Context(), 202611)
	if err != nil {
		t.Fatal(err)
	}
	databaseBefore, err := box.DatabaseKey("vault")
	if err != nil {
		t.Fatal(err)
	}
	again := reopen(t, dir)
	monthAfter, err := again.JournalKeys().Month(t.Context(), 202611)
	if err != nil || monthAfter != monthBefore {
		t.Errorf("month key after reopening differs (err %v)", err)
	}
	databaseAfter, err := again.DatabaseKey("vault")
	if err != nil || databaseAfter != databaseBefore {
		t.Errorf("database key after reopening differs (err %v)", err)
	}
	if monthBefore == databaseBefore {
		t.Error("two purposes share one key")
	}
}

func TestOpeningNeverMakesAKey(t *testing.T) {
	if _, err := seal.Open(durable.OS{}, t.TempDir()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Open(empty directory) = %v, want fs.ErrNotExist", err)
	}
	box, dir := create(t)
	if _, err := box.Signer(origin); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Signer(unknown origin) = %v, want fs.ErrNotExist", err)
	}
	if _, err := box.JournalKeys().Month(t.Context(), 202611); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Month(unknown month) = %v, want fs.ErrNotExist", err)
	}
	if _, err := seal.Create(durable.OS{}, dir); !errors.Is(err, fs.ErrExist) {
		t.Errorf("Create(existing store) = %v, want fs.ErrExist", err)
	}
	if _, err := box.CreateSigner(origin); err != nil {
		t.Fatal(err)
	}
	if _, err := box.CreateSigner(origin); !errors.Is(err, fs.ErrExist) {
		t.Errorf("CreateSigner(existing) = %v, want fs.ErrExist", err)
	}
}

// Requirement: FM-06
func TestAKeyFileOpensOnlyInItsPlace(t *testing.T) {
	box, dir := create(t)
	for _, m := range []uint32{202611, 202612} {
		if _, err := box.JournalKeys().Current(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	november := filepath.Join(dir, "month-202611.key")
	december := filepath.Join(dir, "month-202612.key")
	original, err := os.ReadFile(december)
	if err != nil {
		t.Fatal(err)
	}
	other, err := os.ReadFile(november)
	if err != nil {
		t.Fatal(err)
	}
	flipped := bytes.Clone(original)
	flipped[len(flipped)-10] ^= 1
	for name, content := range map[string][]byte{
		"another month's file":  other,
		"one character changed": flipped,
		"cut short":             original[:len(original)/2],
		"empty":                 nil,
	} {
		if err := os.WriteFile(december, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := reopen(t, dir).JournalKeys().Month(t.Context(), 202612); !errors.Is(err, seal.ErrForged) {
			t.Errorf("%s: Month = %v, want ErrForged", name, err)
		}
	}
}

func TestADestroyedMonthStaysDestroyed(t *testing.T) {
	box, dir := create(t)
	if _, err := box.JournalKeys().Current(t.Context(), 202611); err != nil {
		t.Fatal(err)
	}
	if err := box.Destroy(202611); err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string]*seal.Box{"same store": box, "reopened": reopen(t, dir)} {
		if _, err := b.JournalKeys().Month(t.Context(), 202611); !errors.Is(err, journal.ErrErased) {
			t.Errorf("%s: Month(destroyed) = %v, want ErrErased", name, err)
		}
		if _, err := b.JournalKeys().Current(t.Context(), 202611); !errors.Is(err, journal.ErrErased) {
			t.Errorf("%s: Current(destroyed) = %v, want ErrErased: a new key must not take its place", name, err)
		}
	}
}

func TestExportedMonthKeysAreText(t *testing.T) {
	box, _ := create(t)
	for _, m := range []uint32{202611, 202612} {
		if _, err := box.JournalKeys().Current(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	if err := box.Destroy(202611); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := box.ExportMonths(&out); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 2 || lines[0] != "plomb-keys 1" || !strings.HasPrefix(lines[1], "month 202612 ") {
		t.Errorf("ExportMonths wrote %q", out.String())
	}
}

// Requirement: FM-05
func TestNoKeyLiesInClearBesideTheMasterKey(t *testing.T) {
	box, dir := create(t)
	key, err := box.DatabaseKey("vault")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) != 2 {
		t.Fatalf("key store holds %v (err %v), want master key and one key", files, err)
	}
	for _, f := range files {
		content, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(content, key[:]) {
			t.Errorf("%s holds a key in clear", f)
		}
		if info, err := os.Stat(f); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v (err %v), want 0600", f, info.Mode(), err)
		}
	}
}

// remote serves a box's signer on a Unix socket.
func remote(t *testing.T) (*seal.Remote, *seal.Box) {
	t.Helper()
	box, _ := create(t)
	signer, err := box.CreateSigner(origin)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "plomb") // a socket's path has to be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	l, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- seal.Serve(t.Context(), l, origin, signer) }()
	t.Cleanup(func() {
		if err := <-served; err != nil {
			t.Errorf("Serve = %v", err)
		}
	})
	r, err := seal.Dial(filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r, box
}

func TestTheRemoteSignerSignsWhatTheVerifierKeyAccepts(t *testing.T) {
	r, box := remote(t)
	vkey, err := box.Verifier(origin)
	if err != nil {
		t.Fatal(err)
	}
	leaf := tlog.Hash{1, 2, 3}
	for _, c := range []proof.Checkpoint{
		{Origin: origin, Size: 7, Root: tlog.Hash{7}},
		{Origin: origin, Size: 8, Root: tlog.Hash{8}, Leaf: &leaf},
	} {
		sig, err := r.Sign(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		if err := proof.VerifySignature(c, vkey, sig); err != nil {
			t.Errorf("size %d: %v", c.Size, err)
		}
		v, err := note.NewVerifier(vkey)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := note.Open(proof.Note(c, origin, r.KeyHash(), sig), note.VerifierList(v)); err != nil {
			t.Errorf("size %d: a signed-note reader refuses it: %v", c.Size, err)
		}
	}
}

// Requirement: POS-08
func TestTheSignerRefusesTwoRootsAndForeignOrigins(t *testing.T) {
	r, _ := remote(t)
	first := proof.Checkpoint{Origin: origin, Size: 7, Root: tlog.Hash{7}}
	if _, err := r.Sign(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Sign(t.Context(), first); err != nil {
		t.Errorf("the same size and root again: %v", err)
	}
	forked := proof.Checkpoint{Origin: origin, Size: 7, Root: tlog.Hash{8}}
	if _, err := r.Sign(t.Context(), forked); err == nil {
		t.Error("a size was signed with two roots")
	}
	foreign := proof.Checkpoint{Origin: "till-0/e1", Size: 9}
	if _, err := r.Sign(t.Context(), foreign); err == nil {
		t.Error("a foreign origin was signed")
	}
	if _, err := r.Sign(t.Context(), proof.Checkpoint{Origin: origin, Size: 9}); err != nil {
		t.Errorf("after refusals the signer is still there, but: %v", err)
	}
}

func TestManyMaySignAtOnce(t *testing.T) {
	r, _ := remote(t)
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range 50 {
				c := proof.Checkpoint{Origin: origin, Size: uint64(w*50 + i), Root: tlog.Hash{byte(w), byte(i)}}
				if _, err := r.Sign(t.Context(), c); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}
