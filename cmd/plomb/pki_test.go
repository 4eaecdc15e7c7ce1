package main

import (
	"context"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/plomb-pos/plomb/driver/sim"
	"github.com/plomb-pos/plomb/xfs4iot/host"
	"github.com/plomb-pos/plomb/xfs4iot/pki"
)

// authority makes one with its first identities and gives its folder.
func authority(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "pki")
	if out, code := plomb(t, nil, "pki", "init", "--dir", dir); code != exitDone {
		t.Fatalf("init ended with %d: %s", code, out)
	}
	return dir
}

// protected serves simulated devices with the identity "devices" over TLS and gives
// their address.
func protected(t *testing.T, dir string) string {
	t.Helper()
	c, err := credentials(filepath.Join(dir, "identities", "devices"), pki.Policy{})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	config := host.Config{Credentials: c, Rights: host.Rights{
		{Client: "till", Services: []string{"*"}, Allow: []string{"*"}},
		{Client: "monitor", Services: []string{"*"}, Allow: []string{host.Queries}},
	}}
	go func() { served <- sim.Serve(ctx, sim.New(sim.Options{}), ln, nil, config) }()
	t.Cleanup(func() {
		stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return ln.Addr().String()
}

// Requirement: XFS-05
func TestOneCommandGivesATillAndItsDevicesIdentities(t *testing.T) {
	dir := authority(t)
	at := protected(t, dir)
	till := filepath.Join(dir, "identities", "till")
	if out, code := plomb(t, nil, "xfs", "list", at, "--identity", till); code != exitDone || strings.Count(out, "online") < 2 || !strings.Contains(out, "wss://") {
		t.Errorf("list ended with %d: %s", code, out)
	}
	if out, code := plomb(t, nil, "xfs", "conform", at+"/Scanner", "--identity", till, "--publisher", at); code != exitDone {
		t.Errorf("conform ended with %d: %s", code, out)
	}
	if _, code := plomb(t, nil, "xfs", "list", at); code != exitFailed {
		t.Errorf("without an identity list ended with %d", code)
	}
}

// Requirement: XFS-05
func TestAMonitorMayAskAndNotMove(t *testing.T) {
	dir := authority(t)
	if out, code := plomb(t, nil, "pki", "issue", "monitor", "--client", "--dir", dir, "--days", "30"); code != exitDone {
		t.Fatalf("issue ended with %d: %s", code, out)
	}
	at := protected(t, dir)
	monitor := filepath.Join(dir, "identities", "monitor")
	if out, code := plomb(t, nil, "xfs", "status", at+"/CustomerDisplay", "--identity", monitor); code != exitDone {
		t.Errorf("status ended with %d: %s", code, out)
	}
	out, code := plomb(t, nil, "xfs", "send", at+"/CustomerDisplay", "TextTerminal.ClearScreen", "--identity", monitor)
	if code != exitFailed {
		t.Errorf("a monitor cleared the screen: %d %s", code, out)
	}
}

func TestARevokedIdentityIsListedAsSuch(t *testing.T) {
	dir := authority(t)
	if out, code := plomb(t, nil, "pki", "revoke", "till", "--reason", "stolen", "--dir", dir, "--dry-run"); code != exitDone || !strings.Contains(out, "till") {
		t.Errorf("dry run ended with %d: %s", code, out)
	}
	if out, _ := plomb(t, nil, "pki", "list", "--dir", dir); strings.Contains(out, "revoked") {
		t.Errorf("a dry run revoked: %s", out)
	}
	if out, code := plomb(t, nil, "pki", "revoke", "till", "--reason", "stolen", "--dir", dir); code != exitDone {
		t.Errorf("revoke ended with %d: %s", code, out)
	}
	if out, _ := plomb(t, nil, "pki", "list", "--json", "--dir", dir); !strings.Contains(out, `"reason":"stolen"`) {
		t.Errorf("list: %s", out)
	}
	if _, code := plomb(t, nil, "pki", "renew", "devices", "--dir", dir); code != exitDone {
		t.Errorf("renew ended with %d", code)
	}
	if _, code := plomb(t, nil, "pki", "crl", "--dir", dir); code != exitDone {
		t.Errorf("crl ended with %d", code)
	}
}

func TestWrongPKICommandsAreRefused(t *testing.T) {
	dir := authority(t)
	for _, args := range [][]string{
		{"init"}, {"issue", "no name"}, {"issue", "x", "--days", "0"}, {"issue", "x", "--host", "a b"},
		{"renew", "nobody"}, {"revoke", "nobody", "--reason", "x"}, {"issue", "x", "--csr", filepath.Join(dir, "ca.pem")},
	} {
		if out, code := plomb(t, nil, append(append([]string{"pki"}, args...), "--dir", dir)...); code == exitDone {
			t.Errorf("%q ended with %d: %s", args, code, out)
		}
	}
}
