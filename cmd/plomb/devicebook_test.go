package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/plomb-pos/plomb/xfs4iot/client"
	"github.com/plomb-pos/plomb/xfs4iot/common"
	"github.com/plomb-pos/plomb/xfs4iot/pki"
)

// Requirement: XFS-05
func TestDevicesJournalWhomTheyRefusedAndHowTheyWere(t *testing.T) {
	dir := t.TempDir()
	at := func(parts ...string) string { return filepath.Join(append([]string{dir}, parts...)...) }
	invoke(t, exitDone, "pki", "init", "--dir", at("pki"))
	invoke(t, exitDone, "pki", "init", "--dir", at("other"))
	invoke(t, exitDone, "pki", "issue", "monitor", "--dir", at("pki"))
	ready, stop := startDevicesCommand(t, "--dir", at("devices"), "--identity", at("pki", "identities", "devices"))
	address := strings.TrimSuffix(strings.TrimPrefix(ready["devices"], "wss://"), xfsPath)

	own, stranger := identityOptions(t, at("pki", "identities", "till")), identityOptions(t, at("other", "identities", "till"))
	conn, err := client.Dial(t.Context(), ready["devices"]+"/ReceiptPrinter", own)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Do(t.Context(), conn, common.Status, nil); err != nil {
		t.Error(err)
	}
	conn.Close()
	roots, err := pki.Load(pki.Files{Roots: at("pki", pki.RootFile)}, pki.Policy{})
	if err != nil {
		t.Fatal(err)
	}
	stranger.Credentials = strangerWith(t, at("other", "identities", "till"), at("pki", pki.RootFile))
	for name, o := range map[string]client.Options{
		"another authority": stranger, "no certificate": {Credentials: roots}, "no right": identityOptions(t, at("pki", "identities", "monitor")),
	} {
		if conn, err := client.Dial(t.Context(), ready["devices"]+"/ReceiptPrinter", o); err == nil {
			_, err = client.Do(t.Context(), conn, common.Status, nil)
			if conn.Close(); err == nil {
				t.Errorf("%s: let in", name)
			}
		}
	}
	sayPlainly(t, address)
	do(t, ready["control"]+"api/devices/ReceiptPrinter/paperOut")
	awaitKinds(t, at("devices"), map[string]int{"connection-refused": 4, "device-state": 1})
	stop()

	out := invoke(t, exitDone, "journal", "show", "--json", "--dir", at("devices"))
	for _, reason := range []string{"unknownAuthority", "noCertificate", "rights", "plainText"} {
		if !strings.Contains(out, `"reason":"`+reason+`"`) {
			t.Errorf("the journal does not name %s:\n%s", reason, out)
		}
	}
	if !strings.Contains(out, `"identity":"monitor"`) {
		t.Error("the journal does not name who had no right")
	}
	table := invoke(t, exitDone, "journal", "show", "--dir", at("devices"))
	for _, line := range []string{"rights 127.0.0.1:", " monitor ", "plainText 127.0.0.1:", "ReceiptPrinter "} {
		if !strings.Contains(table, line) {
			t.Errorf("a person does not read %q in:\n%s", line, table)
		}
	}
	invoke(t, int(unchecked), "journal", "verify", "--dir", at("devices"))
	writeFile(t, at("policy"), invoke(t, exitDone, "policy", "show", "--dir", at("devices")))
	invoke(t, exitDone, "journal", "verify", "--dir", at("devices"), "--policy", at("policy"))
	_, stop = startDevicesCommand(t, "--dir", at("devices"))
	stop()
	invoke(t, exitDone, "journal", "verify", "--dir", at("devices"), "--policy", at("policy"))
}

// invoke runs the program here and gives its standard output.
func invoke(t *testing.T, want int, args ...string) string {
	t.Helper()
	var out, said bytes.Buffer
	if code := run(t.Context(), args, streams{strings.NewReader(""), &out, &said}); code != want {
		t.Fatalf("plomb %s: exit code %d, want %d\n%s", strings.Join(args, " "), code, want, said.String())
	}
	return out.String()
}

// startDevicesCommand runs plomb devices until stop is called.
func startDevicesCommand(t *testing.T, args ...string) (ready map[string]string, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	done := make(chan int, 1)
	var said bytes.Buffer
	go func() {
		done <- run(ctx, append([]string{"devices", "--json", "--listen", "127.0.0.1:0", "--control", "127.0.0.1:0"}, args...), streams{nil, w, &said})
		w.Close()
	}()
	line, err := bufio.NewReader(r).ReadString('\n')
	if err != nil || json.Unmarshal([]byte(line), &ready) != nil {
		t.Fatalf("plomb devices said %q: %v\n%s", line, err, said.String())
	}
	return ready, func() {
		t.Helper()
		cancel()
		if code := <-done; code != exitDone {
			t.Errorf("plomb devices ended with %d\n%s", code, said.String())
		}
	}
}

func identityOptions(t *testing.T, dir string) client.Options {
	t.Helper()
	c, err := credentials(dir, pki.Policy{})
	if err != nil {
		t.Fatal(err)
	}
	return client.Options{Credentials: c}
}

// strangerWith trusts the devices, who do not trust it.
func strangerWith(t *testing.T, dir, roots string) *pki.Credentials {
	t.Helper()
	c, err := pki.Load(pki.Files{Certificate: filepath.Join(dir, certificateFile), Key: filepath.Join(dir, keyFile), Roots: roots}, pki.Policy{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// sayPlainly speaks without TLS where TLS is asked for.
func sayPlainly(t *testing.T, address string) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, "GET /xfs4iot/v1.0 HTTP/1.1\r\nHost: x\r\n\r\n")
	_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	_, _ = io.ReadAll(conn)
}

func do(t *testing.T, url string) {
	t.Helper()
	resp, err := http.Post(url, "application/json", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusNoContent {
		text, _ := io.ReadAll(resp.Body)
		t.Fatalf("POST %s: %s %s", url, resp.Status, text)
	}
}

// awaitKinds waits until a running host's journal has at least so many entries.
func awaitKinds(t *testing.T, dir string, want map[string]int) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; {
		out, enough := invoke(t, exitDone, "journal", "show", "--json", "--dir", dir), true
		for kind, n := range want {
			enough = enough && strings.Count(out, `"kind":"`+kind+`"`) >= n
		}
		if enough {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("journal never had %v:\n%s", want, out)
		}
	}
}

func writeFile(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
