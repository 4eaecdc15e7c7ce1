package device_test

import (
	"bytes"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/plomb-pos/plomb/internal/releasetest"
	"github.com/plomb-pos/plomb/update/bundle"
	"github.com/plomb-pos/plomb/update/device"
)

// Requirement: DL-03
func TestABundleThatIsCutOrExtendedOnAStickIsRejectedAndTheHistoryTellsIt(t *testing.T) {
	for name, harm := range map[string]func([]byte) []byte{
		"empty":    func([]byte) []byte { return nil },
		"head":     func(b []byte) []byte { return b[:300] },
		"cut":      func(b []byte) []byte { return b[:len(b)/2] },
		"extended": func(b []byte) []byte { return append(b, make([]byte, 512)...) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newShop(t)
			stick := t.TempDir()
			w := s.installed(func(n *device.New) { n.Config.Sources = []string{stick} })
			var whole bytes.Buffer
			must(t, w.Repo.Bundle(&whole, w.release(2).Digest()))
			must(t, os.WriteFile(stick+"/till-2.plomb", harm(slices.Clone(whole.Bytes())), 0o600))
			w.rejected(bundle.ErrFormat)
			must(t, os.WriteFile(stick+"/till-3.plomb", whole.Bytes(), 0o600))
			w.updates(2) // the bad one beside it does no harm
		})
	}
}

// capture keeps all that a server sends.
type capture struct {
	mu   sync.Mutex
	sent bytes.Buffer
}

func (c *capture) tap(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(tapped{w, c}, r) })
}

type tapped struct {
	http.ResponseWriter
	c *capture
}

func (t tapped) Write(p []byte) (int, error) {
	t.c.mu.Lock()
	t.c.sent.Write(p)
	t.c.mu.Unlock()
	return t.ResponseWriter.Write(p)
}

// A whole program travels; whoever listens, and whoever has the repository, finds no
// piece of it and no private key, also not in the device's own files.
//
// Requirement: CU-13
// Requirement: CU-16
func TestWhoListensOrHasTheRepositoryFindsNothingOfTheProgramAndNoKey(t *testing.T) {
	s := newShop(t)
	var c capture
	web := httptest.NewServer(c.tap(http.FileServer(http.Dir(s.Repository()))))
	t.Cleanup(web.Close)
	w := s.installed(func(n *device.New) { n.Config.Sources = []string{web.URL} })
	secret := program(2, size)
	w.all[2] = w.Release(releasetest.Plan{Counter: 2, Program: secret})
	w.Entitle(w.all[2], w.key.Public())
	w.updates(2)
	if c.sent.Len() < size {
		t.Fatalf("%d bytes travelled: not the whole program", c.sent.Len())
	}
	key, err := os.ReadFile(w.root + "/boot/device.key")
	must(t, err)
	free := func(what string, data []byte) {
		if bytes.Contains(data, bytes.TrimSpace(key)) {
			t.Errorf("%s: the device's key is in it", what)
		}
		for at := 0; at+32 <= len(secret); at += 4096 {
			if bytes.Contains(data, secret[at:at+32]) {
				t.Fatalf("%s: the program's bytes from %d on are in it", what, at)
			}
		}
	}
	free("the transfer", c.sent.Bytes())
	each(t, s.Repository(), func(_ string, data []byte) { free("the repository", data) })
	each(t, w.root, func(name string, data []byte) {
		if name != "device.key" && bytes.Contains(data, bytes.TrimSpace(key)) {
			t.Errorf("the device's key is in %s", name)
		}
	})
	if bytes.Contains([]byte(w.story()), bytes.TrimSpace(key)) {
		t.Error("the device's key is in the history")
	}
}

// each reads all files below a folder.
func each(t *testing.T, dir string, do func(name string, data []byte)) {
	t.Helper()
	must(t, filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(name)
		do(d.Name(), data)
		return err
	}))
}

// Requirement: CU-16
func TestADeviceWhoseFirstRootWasExchangedIsNotOpened(t *testing.T) {
	w := newShop(t).installed()
	stranger := newShop(t)
	stranger.installed()
	theirs := roots(t, stranger.root)
	for i, name := range roots(t, w.root) {
		mine, err := os.ReadFile(name)
		must(t, err)
		other, err := os.ReadFile(theirs[i])
		must(t, err)
		must(t, os.WriteFile(name, other, 0o600))
		if err := w.open(); err == nil {
			t.Errorf("with %s of another shop it opens", filepath.Base(name))
		}
		must(t, os.WriteFile(name, mine, 0o600))
	}
	must(t, w.open())
}

func roots(t *testing.T, device string) []string {
	t.Helper()
	names, err := filepath.Glob(device + "/boot/root-*.json")
	if must(t, err); len(names) != 2 {
		t.Fatalf("first roots: %v", names)
	}
	return names
}
