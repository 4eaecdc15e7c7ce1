// Package tokentest gives tests a PKCS#11 token: Debian's softhsm2 with a token of its
// own in the test's folder, and plomb-token, built with cgo, on PATH. In CI a missing
// softhsm2 is a failure; elsewhere the test is skipped.
//
//	tokentest.Start(t)
//	key, err := folder.Draw("maker/root-1", keeper.Ed25519, keeper.Place(tokentest.Place()), tokentest.PIN)
//
// It changes the environment of the process, so such a test cannot run in parallel.
package tokentest

import (
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// PIN is the user's PIN of every token.
const PIN = "correct horse"

// Module is where Debian's softhsm2 has its library.
const Module = "/usr/lib/softhsm/libsofthsm2.so"

// Place is a place for keys on the token, as package keeper reads it.
func Place() string { return "pkcs11:token=plomb%20test?module-path=" + Module }

// Start makes a new token for the test.
func Start(t testing.TB) {
	t.Helper()
	if _, err := exec.LookPath("softhsm2-util"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("softhsm2 is missing: apt install softhsm2")
		}
		t.Skip("softhsm2 is missing: apt install softhsm2")
	}
	dir := t.TempDir()
	conf := filepath.Join(dir, "softhsm2.conf")
	if err := os.Mkdir(filepath.Join(dir, "tokens"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(conf, []byte("directories.tokendir = "+filepath.Join(dir, "tokens")+"\nobjectstore.backend = file\nlog.level = ERROR\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SOFTHSM2_CONF", conf)
	if out, err := exec.Command("softhsm2-util", "--init-token", "--free", "--label", "plomb test", "--so-pin", PIN, "--pin", PIN).CombinedOutput(); err != nil {
		t.Fatalf("softhsm2-util: %v: %s", err, out)
	}
	t.Setenv("PATH", build(t)+string(os.PathListSeparator)+os.Getenv("PATH"))
}

var (
	once   sync.Once
	folder string
	failed error
)

// build builds plomb-token once for all tests of a package; the folder is the
// operating system's to clean, as no test of the package ends last.
func build(t testing.TB) string {
	t.Helper()
	once.Do(func() {
		if folder, failed = os.MkdirTemp("", "plomb-token"); failed != nil {
			return
		}
		cmd := exec.Command("go", "build", "-o", filepath.Join(folder, "plomb-token"), "github.com/plomb-pos/plomb/cmd/plomb-token")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			failed = &buildError{err, string(out)}
		}
	})
	if failed != nil {
		t.Fatalf("build plomb-token: %v", failed)
	}
	return folder
}

// buildError has the compiler's words.
type buildError struct {
	err error
	out string
}

func (e *buildError) Error() string { return e.err.Error() + "\n" + e.out }
func (e *buildError) Unwrap() error { return e.err }
