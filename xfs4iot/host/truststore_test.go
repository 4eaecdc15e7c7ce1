package host_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/plomb-pos/plomb/xfs4iot/client"
	"github.com/plomb-pos/plomb/xfs4iot/pki"
)

// hostileRoot is where the child process of the test finds its hostile authority.
const hostileRoot = "XFS4IOT_TEST_HOSTILE_ROOT"

// A root in the system's trust store counts for nothing, neither for a client nor for
// a server. The system's store is read once in a process, so the test runs itself
// again with SSL_CERT_FILE naming the hostile root.
//
// Requirement: XFS-15
func TestARootInTheSystemsStoreIsNotTrusted(t *testing.T) {
	if dir := os.Getenv(hostileRoot); dir != "" {
		refuseSystemRoots(t, dir)
		return
	}
	dir := filepath.Join(t.TempDir(), "ca")
	if _, err := pki.Create(dir, pki.Options{Name: "Hostile"}); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.count=1")
	cmd.Env = append(os.Environ(), hostileRoot+"="+dir, "SSL_CERT_FILE="+filepath.Join(dir, pki.RootFile), "SSL_CERT_DIR="+t.TempDir())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func refuseSystemRoots(t *testing.T, dir string) {
	hostile, err := pki.Open(dir, pki.Options{})
	if err != nil {
		t.Fatal(err)
	}
	mustBeInTheSystemsStore(t, hostile)
	s := newShop(t)
	// a hostile device, and our client
	evil := &shop{t: t, a: hostile, refused: s.refused}
	evil.device, evil.files = evil.party(server127("device"))
	_, base := serve(t, evil.config(all), newDevice("P", 0))
	var unknown x509.UnknownAuthorityError
	if _, err := client.Dial(t.Context(), base+"/P", s.client("till-1")); !errors.As(err, &unknown) {
		t.Errorf("a hostile device: %v", err)
	}
	for name, o := range map[string]client.Options{"no options": {}, "no roots": {TLS: &tls.Config{}}} {
		if _, err := client.Dial(t.Context(), base+"/P", o); !errors.Is(err, client.ErrTrust) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// our device, and a hostile client that trusts it
	_, base = serve(t, s.config(all), newDevice("P", 0))
	_, files := partyOf(t, hostile, pki.Request{Name: "till-1", Use: pki.Client})
	files.Roots, files.Lists = s.files.Roots, ""
	if _, err := client.Dial(t.Context(), base+"/P", client.Options{Credentials: mustLoad(t, files)}); err == nil {
		t.Error("a hostile client was accepted")
	}
	mustWork(t, dial(t, base+"/P", s.client("till-1")))
}

// mustBeInTheSystemsStore makes sure that the test would find what it looks for.
func mustBeInTheSystemsStore(t *testing.T, a *pki.Authority) {
	t.Helper()
	i, err := a.Issue(pki.Request{Name: "device", Use: pki.Server})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := i.Certificate.Verify(x509.VerifyOptions{DNSName: "device"}); err != nil && !strings.Contains(err.Error(), "android") {
		t.Fatalf("the hostile root is not in the system's store: %v", err)
	}
}
