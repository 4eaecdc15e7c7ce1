package trust_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/plomb-pos/plomb/internal/powercut"
	"github.com/plomb-pos/plomb/update/trust"
)

// serve is a web server over the tree; special answers instead where it is not nil
// and says so.
func serve(t *testing.T, files tree, special func(http.ResponseWriter, *http.Request) bool) *trust.Web {
	t.Helper()
	s := httptest.NewTLSServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if special != nil && special(rw, r) {
			return
		}
		data, ok := files[strings.TrimPrefix(r.URL.Path, "/")]
		if !ok {
			http.NotFound(rw, r)
			return
		}
		_, _ = rw.Write(data)
	}))
	t.Cleanup(s.Close)
	base, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	return &trust.Web{Base: base, Client: s.Client(), Timeout: 10 * time.Second}
}

// stick writes the tree into a folder.
func stick(t *testing.T, files tree) *trust.Folder {
	t.Helper()
	dir := t.TempDir()
	for name, data := range files {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return &trust.Folder{Name: "stick", FS: os.DirFS(dir)}
}

// The same attacks through a server and from a stick end the same way.
//
// Requirement: DL-16, DL-03, DL-15
func TestServerAndStickPassThroughTheSameChecks(t *testing.T) {
	for name, c := range map[string]struct {
		change  func(w *world, old tree) tree
		refresh error // nil: succeeds
	}{
		"the genuine tree": {func(w *world, _ tree) tree { return w.files }, nil},
		"an older tree":    {func(_ *world, old tree) tree { return old }, trust.ErrRollback},
		"a flipped byte": {func(w *world, _ tree) tree {
			name := w.current()["targets"]
			w.files[name][len(w.files[name])/2] ^= 1
			return w.files
		}, trust.ErrContent},
		"cut short": {func(w *world, _ tree) tree {
			name := w.current()["targets"]
			w.files[name] = w.files[name][:100]
			return w.files
		}, trust.ErrContent},
		"extended": {func(w *world, _ tree) tree {
			name := w.current()["targets"]
			w.files[name] = append(w.files[name], ' ')
			return w.files
		}, trust.ErrTooLong},
		"a file too few": {func(w *world, _ tree) tree { delete(w.files, w.current()["snapshot"]); return w.files }, trust.ErrNotFound},
	} {
		for _, way := range []string{"server", "stick"} {
			t.Run(name+" by "+way, func(t *testing.T) {
				w := newWorld(t)
				w.offer(4)
				old := w.files.clone()
				w.refreshed()
				seen := w.open().Seen()
				w.offer(5)
				w.refreshed()
				newest := w.open().Seen()
				served := c.change(w, old)
				if c.refresh == trust.ErrRollback {
					seen = newest // of a device that knows the newer one
				}
				w.disk, w.seen = powercut.New(), seen
				w.sources = []trust.Source{serve(t, served, nil)}
				if way == "stick" {
					w.sources = []trust.Source{stick(t, served)}
				}
				if err := w.open().Refresh(t.Context()); !errors.Is(err, c.refresh) {
					t.Errorf("refresh: %v, want %v", err, c.refresh)
				}
			})
		}
	}
}

// Requirement: CU-03, CU-06
func TestEndlessDataIsCutOff(t *testing.T) {
	for _, name := range []string{"/maker/maker/metadata/timestamp.json", "/maker/maker/metadata/2.root.json", "/maker/maker/metadata/1.targets.json"} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			sent := 0
			w.sources = []trust.Source{serve(t, w.files, func(rw http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path != name {
					return false
				}
				for chunk := make([]byte, 64<<10); ; {
					n, err := rw.Write(chunk)
					if sent += n; err != nil {
						return true
					}
				}
			})}
			w.fails(w.open(), trust.ErrTooLong)
		})
	}
}

// Requirement: CU-03, CU-06
func TestASlowServerIsGivenUpAndTheNextOneTaken(t *testing.T) {
	w := newWorld(t)
	digest := w.offer(4)
	slow := serve(t, w.files, func(rw http.ResponseWriter, r *http.Request) bool {
		_, _ = rw.Write([]byte("{"))
		_ = http.NewResponseController(rw).Flush()
		<-r.Context().Done()
		return true
	})
	slow.Timeout, slow.Rate = 50*time.Millisecond, 1<<40
	w.sources = []trust.Source{slow}
	tr := w.open()
	w.fails(tr, context.DeadlineExceeded)
	w.sources = []trust.Source{slow, w.files}
	tr = w.refreshed()
	w.allowed(tr, digest)
}

func TestARefreshEndsWithItsContext(t *testing.T) {
	w := newWorld(t)
	w.sources = []trust.Source{serve(t, w.files, func(_ http.ResponseWriter, r *http.Request) bool { <-r.Context().Done(); return true })}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := w.open().Refresh(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("refresh: %v", err)
	}
}

// Whoever has the server's TLS key and not the parties' keys can delay and nothing
// else.
//
// Requirement: CU-03, DL-04
func TestTheKeyOfTheServerIsNoKeyToTheDevice(t *testing.T) {
	w := newWorld(t)
	digest := w.offer(4)
	w.refreshed()
	thief := tree{}
	fake := newParty(t, thief, "maker", "maker")
	for role := range fake.keys {
		fake.keys[role] = []string{"thief 1 of " + role, "thief 2 of " + role}
	}
	fake.rotate()
	fake.versions = map[string]int64{"timestamp": 50, "snapshot": 50, "targets": 50}
	bad, data := w.release(99)
	fake.targets[trust.ReleaseTarget(bad)] = data
	fake.publish()
	for name, genuine := range w.files {
		if _, ok := thief[name]; !ok {
			thief[name] = genuine
		}
	}
	w.sources = []trust.Source{serve(t, thief, nil)}
	tr := w.open()
	w.fails(tr, trust.ErrSignature)
	w.refused(tr, bad, trust.Authenticity, trust.ErrNotFound)
	w.allowed(tr, digest)
	w.sources = append(w.sources, w.files) // an honest mirror is enough
	w.allowed(w.refreshed(), digest)
}
