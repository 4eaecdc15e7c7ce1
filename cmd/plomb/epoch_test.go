package main_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// ran is how a command ended.
type ran struct {
	out, err string
	code     int
}

// call runs a command to its end, with lines on its standard input.
func call(t *testing.T, exe, stdin string, args ...string) ran {
	t.Helper()
	cmd := exec.Command(exe, args...)
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &errs
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	r := ran{out.String(), errs.String(), cmd.ProcessState.ExitCode()}
	t.Logf("plomb %s: %d\n%s%s", strings.Join(args, " "), r.code, r.out, r.err)
	return r
}

// want fails unless the command ended with a code and said something.
func (r ran) want(t *testing.T, code int, said ...string) ran {
	t.Helper()
	if r.code != code {
		t.Fatalf("exit code %d, want %d", r.code, code)
	}
	for _, s := range said {
		if !strings.Contains(r.out+r.err, s) {
			t.Errorf("it did not say %q", s)
		}
	}
	return r
}

// sell makes sales in cash and gives the last receipt's code and index.
func (r *running) sell(n int) (code string, index uint64) {
	r.t.Helper()
	for range n {
		r.scanAnything(1)
		answer := r.do("basket.tender", map[string]any{"type": "cash", "complete": true})
		receipt := answer["result"].(map[string]any)["receipt"].(map[string]any)
		code, index = receipt["code"].(string), uint64(receipt["index"].(float64))
	}
	return code, index
}

func copyWhole(t *testing.T, to, from string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// fingerprint is all of a directory's files, to see that nobody touched it.
func fingerprint(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	must(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		out[path] = string(b)
		return err
	}))
	return out
}

// TestAnOldCopyPutBackGoesOnUnderANewOrigin is what a shop owner goes through
// whose disk was restored from an older copy: the till refuses and says what to
// do, a new epoch names what is lost, the till sells again, and a verifier that
// trusts nobody finds both epochs whole.
//
// Requirement: POS-08, POS-13, FM-16
func TestAnOldCopyPutBackGoesOnUnderANewOrigin(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the programs and starts them several times")
	}
	exe, verify, dir := program(t), verifier(t), filepath.Join(t.TempDir(), "shop")
	old := filepath.Join(t.TempDir(), "copy")
	r := up(t, exe, dir)
	r.setUp()
	r.signIn()
	r.do("drawer.open", map[string]any{"amount": 10000})
	r.sell(2)
	call(t, exe, "2\n", "epoch", "new", "--dir", dir, "--reason", "too early", "--person", "1").want(t, 1, "locked", "end it first")
	r.stop()
	copyWhole(t, old, filepath.Join(dir, "e1"))

	again := up(t, exe, dir)
	again.signIn()
	code, index := again.sell(3)
	again.stop()
	must(t, os.RemoveAll(filepath.Join(dir, "e1")))
	copyWhole(t, filepath.Join(dir, "e1"), old)

	call(t, exe, "", "up", "--dir", dir, "--listen", "127.0.0.1:0").want(t, 1,
		"an older copy of it was put back", "plomb epoch new --dir "+dir, "--dry-run")
	before := fingerprint(t, filepath.Join(dir, "e1"))
	args := []string{"epoch", "new", "--dir", dir, "--reason", "disk failed, copy of Monday put back", "--receipt", code}
	call(t, exe, "", append(args, "--dry-run")...).want(t, 0, "/e1 would go on as", "/e2", "lost: entries", "next document 6", "nothing was changed")
	if _, err := os.Stat(filepath.Join(dir, "e2")); err == nil {
		t.Fatal("a dry run made an epoch")
	}
	call(t, exe, "", args...).want(t, 1, "1 (Ada, administrator)", "--person ID")
	call(t, exe, "111111\n", append(args, "--person", "1")...).want(t, 1, "wrong PIN")
	call(t, exe, "135790\n", append(args, "--person", "2")...).want(t, 1, "may not begin a new epoch")
	made := call(t, exe, "246810\n", append(args, "--person", "1", "--json")...).want(t, 0)
	var report struct {
		Old, New, Key, Checkpoint string
		Done                      bool
		Lost                      []struct{ First, Last uint64 }
	}
	must(t, json.Unmarshal([]byte(made.out), &report))
	if !report.Done || len(report.Lost) != 1 || report.Lost[0].Last < index || !strings.HasSuffix(report.New, "/e2") {
		t.Errorf("report %+v, want entries up to %d at least lost and epoch 2", report, index)
	}
	for name, was := range before {
		if now, err := os.ReadFile(name); err != nil || string(now) != was {
			t.Errorf("%s of the old epoch was touched (%v)", name, err)
		}
	}

	on := up(t, exe, dir)
	on.signIn()
	on.do("drawer.open", map[string]any{"amount": 5000})
	newest, _ := on.sell(2)
	if newest == "" {
		t.Error("the new epoch signs nothing")
	}
	on.stop()
	up(t, exe, dir).stop()

	policy := filepath.Join(t.TempDir(), "policy")
	shown := call(t, exe, "", "policy", "show", "--dir", dir).want(t, 0, report.Old, report.New)
	must(t, os.WriteFile(policy, []byte(shown.out), 0o600))
	keys := filepath.Join(t.TempDir(), "keys")
	call(t, exe, "", "keys", "export", "--dir", dir, "--out", keys).want(t, 0)
	verified := call(t, exe, "", "journal", "verify", "--dir", dir, "--policy", policy)
	if strings.Contains(verified.out, "TAMPERED") || !strings.Contains(verified.out, report.New+": whole") {
		t.Errorf("the two epochs do not verify")
	}
	checked := call(t, verify, "", "--policy", policy, "--keys", keys, dir)
	if checked.code != 0 && checked.code != 3 {
		t.Errorf("plomb-verify ended with %d", checked.code)
	}
	if !strings.Contains(checked.out, "its end is lost") || !strings.Contains(checked.out, "goes on from "+report.Old) {
		t.Error("plomb-verify does not tell the link between the epochs")
	}
}
