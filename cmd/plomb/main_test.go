package main

import (
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/plomb-pos/plomb/staff"
	"github.com/plomb-pos/plomb/till/tilltest"
	"github.com/plomb-pos/plomb/update/device"
)

// programs are what tests run as processes of their own.
var programs = map[string]func(){"plomb": main}

func TestMain(m *testing.M) {
	testscript.Main(cleaned{m}, programs)
}

// binDir names, in the environment, the folder in which the tests build programs.
const binDir = "PLOMB_TEST_BIN"

// cleaned runs the tests and removes what they built.
type cleaned struct{ *testing.M }

func (c cleaned) Run() int {
	dir, err := os.MkdirTemp("", "plomb-test")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	os.Setenv(binDir, dir)
	return c.M.Run()
}

// TestScripts runs testdata/script/*.txtar. $TILL is the directory of a till that
// runs and holds its lock, at $URL; $CLOSED is that of one that was ended in
// order. Both have sold receipts 1 to 3 and taken part of 2 back in receipt 4.
func TestScripts(t *testing.T) {
	running, closed := soldShop(t), soldShop(t)
	closed.Close()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("TILL", running.Dir)
			e.Setenv("URL", running.URL)
			e.Setenv("CLOSED", closed.Dir)
			day, err := filepath.Abs("../../internal/replay/testdata/online-retail-2010-12-01.csv")
			e.Setenv("DAY", day)
			return err
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"status": status, "copytree": copyTree, "flip": flip, "head": head},
	})
}

func soldShop(t *testing.T) *tilltest.Shop {
	t.Helper()
	shop := tilltest.New(t, tilltest.WithoutDevices())
	cashier := shop.As(staff.Supervisor)
	for _, skus := range [][]string{{"BRD-01"}, {"BRD-01", "BRD-01"}, {"BRD-01"}} {
		for _, sku := range skus {
			cashier.Do("basket.add", "sku", sku)
		}
		cashier.Pay("card", 0)
	}
	cashier.Do("return.begin", "receipt", 2)
	cashier.Do("return.line", "line", 1, "quantity", 1_000_000)
	cashier.Pay("card", 0)
	cashier.Approved(staff.Supervisor, "report.z")
	return shop
}

// status CODE COMMAND... runs a command that has to end with an exit code.
func status(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit, ok := err.(*exec.ExitError)
		if !ok {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want || neg {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// copytree FROM TO copies a directory.
func copyTree(ts *testscript.TestScript, neg bool, args []string) {
	ts.Check(os.CopyFS(ts.MkAbs(args[1]), os.DirFS(ts.MkAbs(args[0]))))
	ts.Check(filepath.WalkDir(ts.MkAbs(args[1]), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		return os.Chmod(path, 0o600)
	}))
}

// flip FILE OFFSET changes one bit.
func flip(ts *testscript.TestScript, neg bool, args []string) {
	at, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	f, err := os.OpenFile(ts.MkAbs(args[0]), os.O_RDWR, 0)
	ts.Check(err)
	defer f.Close()
	var b [1]byte
	_, err = f.ReadAt(b[:], at)
	ts.Check(err)
	b[0] ^= 1
	_, err = f.WriteAt(b[:], at)
	ts.Check(err)
}

// head FROM TO LINES copies the first lines of a file.
func head(ts *testscript.TestScript, neg bool, args []string) {
	n, err := strconv.Atoi(args[2])
	ts.Check(err)
	text, err := os.ReadFile(ts.MkAbs(args[0]))
	ts.Check(err)
	end := 0
	for ; n > 0 && end < len(text); end++ {
		if text[end] == '\n' {
			n--
		}
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), text[:end], 0o600))
}

// TestTheCommandsPageIsWhatTheProgramDoes holds docs/commands.md against the
// command line, both ways.
func TestTheCommandsPageIsWhatTheProgramDoes(t *testing.T) {
	page, err := os.ReadFile("../../docs/commands.md")
	if err != nil {
		t.Fatal(err)
	}
	sections := map[string]string{}
	for _, s := range strings.Split(string(page), "\n### ")[1:] {
		name, text, _ := strings.Cut(s, "\n")
		text, _, _ = strings.Cut(text, "\n## ")
		sections[name] = text
	}
	model := kong.Must(&commands{}, kong.Name("plomb")).Model
	for _, n := range model.Leaves(true) {
		name := "plomb " + strings.TrimSpace(strings.TrimPrefix(n.Path(), "plomb"))
		text, ok := sections[name]
		if !ok {
			t.Errorf("docs/commands.md has no section %q", name)
			continue
		}
		delete(sections, name)
		if diff := cmp.Diff(flagsOf(n), flagsIn(text)); diff != "" {
			t.Errorf("flags of %s (-program +page):\n%s", name, diff)
		}
		if slices.Contains(flagsOf(n), "--json") && !strings.Contains(text, "{\"") && !strings.HasPrefix(name, "plomb bench") && name != "plomb journal show" {
			t.Errorf("docs/commands.md does not show the JSON of %s", name)
		}
	}
	for name := range sections {
		t.Errorf("docs/commands.md has a section %q, the program no such command", name)
	}
}

func flagsOf(n *kong.Node) (names []string) {
	for _, f := range n.Flags {
		if !f.Hidden && f.Name != "help" {
			names = append(names, "--"+f.Name)
		}
	}
	slices.Sort(names)
	return names
}

var flagPattern = regexp.MustCompile("`(--[a-z0-9-]+)`")

func flagsIn(text string) (names []string) {
	for _, m := range flagPattern.FindAllStringSubmatch(text, -1) {
		if m[1] != "--keys" { // of plomb-verify
			names = append(names, m[1])
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// plomb runs a command in this process.
func plomb(t *testing.T, stdin io.Reader, args ...string) (stdout string, code int) {
	t.Helper()
	var out, words writer
	code = run(t.Context(), args, streams{stdin, &out, &words})
	if len(words) > 0 {
		t.Logf("plomb %v: %s", args, words)
	}
	return string(out), code
}

// writer keeps what is written.
type writer []byte

func (w *writer) Write(p []byte) (int, error) { *w = append(*w, p...); return len(p), nil }

// Whoever evaluates a till sees what of it cannot be updated, and a device that holds
// more than the list says fails.
//
// Requirement: CU-20
func TestPartsThatNothingReplacesAreShownAndAnUnlistedFileFails(t *testing.T) {
	device := t.TempDir()
	put := func(name string) {
		must(t, os.MkdirAll(filepath.Dir(filepath.Join(device, name)), 0o700))
		must(t, os.WriteFile(filepath.Join(device, name), nil, 0o600))
	}
	put("boot/device.key")
	put("update.sock")
	all, code := plomb(t, nil, "update", "parts", "--device", device)
	fixed, code2 := plomb(t, nil, "update", "parts", "--device", device, "--fixed")
	if code != exitDone || code2 != exitDone || !strings.Contains(all, "till, device host") || strings.Contains(fixed, "till, device host") || !strings.Contains(fixed, "key of the device") {
		t.Errorf("ended with %d and %d\n%s\n%s", code, code2, all, fixed)
	}
	put("boot/unheard-of")
	if out, code := plomb(t, nil, "update", "parts", "--device", device, "--json"); code != exitFailed || !strings.Contains(out, `"unlisted":["boot/unheard-of"]`) {
		t.Errorf("an unlisted file: ended with %d: %s", code, out)
	}
}

// A till sells whatever became of the file that says where updates come from.
func TestADamagedConfigurationOfUpdatesKeepsNoTillFromStarting(t *testing.T) {
	c := upCommand{Dir: t.TempDir()}
	name := filepath.Join(c.Dir, deviceDir, "boot", device.ConfigFile)
	must(t, os.MkdirAll(filepath.Dir(name), 0o700))
	must(t, os.WriteFile(name, []byte("{"), 0o600))
	var words writer
	if l, err := c.openRepository(&words); l != nil || err != nil || !strings.Contains(string(words), "is not served") {
		t.Errorf("%v, %v: %s", l, err, words)
	}
}
