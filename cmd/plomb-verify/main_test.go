package main

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/plomb-pos/plomb/journal"
	"github.com/plomb-pos/plomb/journal/journaltest"
	"github.com/plomb-pos/plomb/journal/proof"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"plomb-verify": main})
}

// Requirement: POS-08, FM-05
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"verify": verifyCommand, "sell": sellCommand, "forge": forgeCommand, "strange": strangeCommand, "epoch": epochCommand,
			"policy": policyCommand, "flip": flipCommand, "edit": editCommand,
		},
		RequireExplicitExec: true,
	})
}

// verify CODE ARGS... runs plomb-verify and wants this exit code.
func verifyCommand(ts *testscript.TestScript, _ bool, args []string) {
	err := ts.Exec("plomb-verify", args[1:]...)
	code := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
}

func writeReceipt(ts *testscript.TestScript, dir string, head []byte, signed journal.Signed) {
	r, err := proof.NewReceipt(head, signed.Checkpoint, signed.KeyHash, signed.Sig)
	ts.Check(err)
	write(ts, dir+".receipt", r.Encode()+"\n")
}

func writeProof(ctx context.Context, ts *testscript.TestScript, dir string, j *journal.Journal, last *journal.Ticket, signer *journaltest.Signer) {
	c := j.Head()
	c.Leaf = nil
	sig, err := signer.Sign(ctx, c)
	ts.Check(err)
	signed := proof.Note(c, c.Origin, signer.KeyHash(), sig)
	write(ts, dir+".checkpoint", string(signed))
	path, _, err := j.Prove(ctx, last.First(), c.Size)
	ts.Check(err)
	p := proof.Inclusion{Extra: last.HeadBytes(0), Index: last.First(), Path: path, Note: signed}
	write(ts, dir+".tlog-proof", string(p.Text()))
}

func write(ts *testscript.TestScript, name, text string) {
	ts.Check(os.WriteFile(name, []byte(text), 0o600))
}

// policy FILE VKEY-FILE... writes a policy of logs; with -witness first it wants a witness who never signs.
func policyCommand(ts *testscript.TestScript, _ bool, args []string) {
	text, quorum := "", "none"
	if args[0] == "-witness" {
		w, err := proof.NewWitnessVerifier("witness.example", ed25519.NewKeyFromSeed(make([]byte, 32)).Public().(ed25519.PublicKey))
		ts.Check(err)
		text, quorum, args = "witness w "+w.String()+"\n", "w", args[1:]
	}
	for _, f := range args[1:] {
		text += "log " + ts.ReadFile(f) + "\n"
	}
	write(ts, ts.MkAbs(args[0]), text+"quorum "+quorum+"\n")
}

// flip FILE OFFSET inverts a bit.
func flipCommand(ts *testscript.TestScript, _ bool, args []string) {
	name := ts.MkAbs(args[0])
	b, err := os.ReadFile(name)
	ts.Check(err)
	off, err := strconv.Atoi(args[1])
	ts.Check(err)
	b[off] ^= 4
	write(ts, name, string(b))
}

// edit FILE OLD NEW replaces text.
func editCommand(ts *testscript.TestScript, _ bool, args []string) {
	name := ts.MkAbs(args[0])
	text := ts.ReadFile(args[0])
	if !strings.Contains(text, args[1]) {
		ts.Fatalf("%s does not hold %q", args[0], args[1])
	}
	write(ts, name, strings.Replace(text, args[1], args[2], 1))
}

// The verifier stays small: what it is made of is listed here, beside the
// standard library, and nowhere longer.
func TestTheVerifierDependsOnLittle(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Fields(string(out))
	slices.Sort(got)
	want := []string{
		"github.com/go-json-experiment/json", // bodies of entries: refuses doubled fields
		"github.com/go-json-experiment/json/internal",
		"github.com/go-json-experiment/json/internal/jsonflags",
		"github.com/go-json-experiment/json/internal/jsonopts",
		"github.com/go-json-experiment/json/internal/jsonwire",
		"github.com/go-json-experiment/json/jsontext",
		"github.com/plomb-pos/plomb/catalog",
		"github.com/plomb-pos/plomb/cmd/plomb-verify",
		"github.com/plomb-pos/plomb/drawer",
		"github.com/plomb-pos/plomb/fiscal",
		"github.com/plomb-pos/plomb/internal/durable",
		"github.com/plomb-pos/plomb/journal",
		"github.com/plomb-pos/plomb/journal/proof",
		"github.com/plomb-pos/plomb/money",
		"github.com/plomb-pos/plomb/receipt",
		"github.com/plomb-pos/plomb/receipt/paper",
		"github.com/plomb-pos/plomb/sale",
		"github.com/plomb-pos/plomb/staff",
		"github.com/plomb-pos/plomb/tax",
		"github.com/plomb-pos/plomb/update/manifest",   // repositories of releases
		"github.com/plomb-pos/plomb/update/releaselog", // entries of their log
		"golang.org/x/mod/sumdb/note",
		"golang.org/x/mod/sumdb/tlog",
		"golang.org/x/sys/unix",          // locks and fdatasync of internal/durable
		"golang.org/x/text/transform",    // of norm
		"golang.org/x/text/unicode/norm", // names in catalogues
		"golang.org/x/text/width",        // columns on paper
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("dependencies (-want +got):\n%s", diff)
	}
}

func TestKeyFilesAreStrict(t *testing.T) {
	key := base64.StdEncoding.EncodeToString(make([]byte, 32))
	good := "plomb-keys 1\nmonth 202611 " + key + "\nmonth 202612 " + key + "\n"
	if m, err := parseKeys([]byte(good)); err != nil || len(m) != 2 {
		t.Errorf("parseKeys = %v, %v", m, err)
	}
	for name, text := range map[string]string{
		"empty": "", "another version": "plomb-keys 2\n", "no newline at the end": good[:len(good)-1], "month 13": "plomb-keys 1\nmonth 202613 " + key + "\n",
		"a month twice": good + "month 202611 " + key + "\n", "short key": "plomb-keys 1\nmonth 202611 AAAA\n", "empty line": good + "\n",
		"key not canonical": "plomb-keys 1\nmonth 202611 " + key[:42] + "B=\n",
	} {
		if m, err := parseKeys([]byte(text)); err == nil {
			t.Errorf("%s: %v, want an error", name, m)
		}
	}
}

func FuzzKeys(f *testing.F) {
	f.Add([]byte("plomb-keys 1\nmonth 202611 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := parseKeys(b)
		if err != nil {
			return
		}
		n := 0
		for line := range strings.Lines(string(b)) {
			if f := strings.Fields(line); f[0] == "month" {
				month, err := strconv.Atoi(f[1])
				key := m[uint32(month)]
				if err != nil || line != fmt.Sprintf("month %06d %s\n", month, base64.StdEncoding.EncodeToString(key[:])) {
					t.Errorf("%q was read as month %d", line, month)
				}
				n++
			}
		}
		if n != len(m) {
			t.Errorf("%d lines, %d months", n, len(m))
		}
	})
}
