package main

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

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
			"verify": verifyCommand, "sell": sellCommand, "policy": policyCommand, "flip": flipCommand, "edit": editCommand,
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

const firstSale = 1_795_000_000_000 // 18 November 2026

// sell DIR ORIGIN N records N sales with receipts in a journal, which it makes if
// there is none, and closes it. Beside DIR it leaves: .vkey, .checkpoint (of the
// whole), .receipt and .tlog-proof (of the last sale), .keys.
func sellCommand(ts *testscript.TestScript, _ bool, args []string) {
	dir, origin := ts.MkAbs(args[0]), args[1]
	n, err := strconv.Atoi(args[2])
	ts.Check(err)
	ts.Check(os.MkdirAll(filepath.Dir(dir), 0o700))
	signer := journaltest.NewSigner(origin)
	j := openOrCreate(ts, dir, origin, signer)
	ctx := context.Background()
	var last *journal.Ticket
	for range n {
		last, err = j.Append(ctx, sale(j.Size()))
		ts.Check(err)
	}
	signed, err := last.Signed(ctx)
	ts.Check(err)
	writeReceipt(ts, dir, last.HeadBytes(0), signed)
	writeProof(ctx, ts, dir, j, last, signer)
	ts.Check(j.Close(ctx))
	write(ts, dir+".vkey", signer.Verifier().String())
	key, err := journaltest.NewKeys().Month(ctx, 202611)
	ts.Check(err)
	write(ts, dir+".keys", "plomb-keys 1\nmonth 202611 "+base64.StdEncoding.EncodeToString(key[:])+"\n")
}

func sale(n uint64) journal.Draft {
	return journal.Draft{
		Kind: 1, Time: time.UnixMilli(firstSale + int64(n)*1000), Body: fmt.Appendf(nil, `{"sale":%d}`, n), Sign: true,
		Numbers: []proof.Number{{Tag: 1, Value: int64(n) * 100}},
	}
}

func openOrCreate(ts *testscript.TestScript, dir, origin string, signer proof.Signer) *journal.Journal {
	ctx := context.Background()
	opts := journal.Options{Keys: journaltest.NewKeys(), Signer: signer, SegmentSize: 16 << 10}
	j, _, err := journal.Open(ctx, dir, opts)
	if errors.Is(err, journal.ErrNoJournal) {
		j, err = journal.Create(ctx, dir, origin, []journal.Draft{sale(0)}, opts)
	}
	ts.Check(err)
	return j
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
		"github.com/plomb-pos/plomb/cmd/plomb-verify",
		"github.com/plomb-pos/plomb/internal/durable",
		"github.com/plomb-pos/plomb/journal",
		"github.com/plomb-pos/plomb/journal/proof",
		"golang.org/x/mod/sumdb/note",
		"golang.org/x/mod/sumdb/tlog",
		"golang.org/x/sys/unix", // locks and fdatasync of internal/durable
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
