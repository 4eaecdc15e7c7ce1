package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/internal/releasetest"
	"github.com/plomb-pos/plomb/update/slot"
)

// TestMain is also the till that the launcher starts: a copy of this program, whose
// first argument says how it behaves in which slot, "a=ready,b=crash", and whose
// second is a file to which it adds a line.
func TestMain(m *testing.M) {
	if s := os.Getenv(envSlot); s != "" {
		os.Exit(till(s))
	}
	if r := os.Getenv(envRole); r != "" {
		os.Exit(role(r))
	}
	os.Exit(m.Run())
}

func till(s string) int {
	f, err := os.OpenFile(os.Args[2], os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return 9
	}
	fmt.Fprintf(f, "%s trial=%s%s\n", s, os.Getenv(envTrial), beside(os.Args[2]))
	f.Close()
	for part := range strings.SplitSeq(os.Args[1], ",") {
		if in, how, _ := strings.Cut(part, "="); in == s {
			return behave(how)
		}
	}
	return 9
}

func behave(how string) int {
	switch how {
	case "ready":
		tell("READY=1")
		return 0
	case "again":
		tell("READY=1\nSTATUS=installed")
		return exitAgain
	case "crash":
		return 3
	case "unhealthy":
		tell("X_UNHEALTHY=journal does not verify")
	case "linger":
		fmt.Println("up", os.Getpid())
	case "escape", "leave", "orphans":
		return behaveWithProcesses(how)
	case "hold", "holds":
		return hold(how == "holds")
	case "orphan":
		orphan := exec.Command("sleep", "600")
		if orphan.Start() != nil {
			return 9
		}
		tell("READY=1")
		fmt.Println("orphan", orphan.Process.Pid)
		return 0
	}
	select {} // hangs
}

func tell(text string) {
	c, err := net.Dial("unixgram", os.Getenv(envNotify))
	if err == nil {
		fmt.Fprint(c, text)
	}
}

// box is a device on disk.
type box struct {
	*releasetest.Slots
	seen string // what its tills wrote
}

// newBox makes a device with release 1 in slot a, and with trial set release 2 in
// slot b, proposed.
func newBox(t *testing.T, trial bool, f slot.Fallback) *box {
	t.Helper()
	b := bareBox(t)
	first := filepath.Join(t.TempDir(), "release")
	b.Release(first, 1)
	var words bytes.Buffer
	if code := run(t.Context(), []string{"init", "--root", b.Root, "--policy", b.Policy, "--device", b.Facts, "--release", first}, io.Discard, &words); code != exitDone {
		t.Fatalf("init ended with %d: %s", code, words.String())
	}
	if trial {
		b.Propose(2, f)
	}
	return b
}

// bareBox is a device that was not made yet; this program is its till.
func bareBox(t *testing.T) *box {
	t.Helper()
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	return &box{releasetest.NewSlots(t, "bin/till", self), filepath.Join(t.TempDir(), "seen")}
}

// boot runs the launcher until it ends; what it prints is in words.
func (b *box) boot(behaviour string) (words string, code int) {
	b.Helper()
	var w bytes.Buffer
	code = run(b.Context(), []string{"run", "--root", b.Root, "--trial-time", "2s", "--rescue", "127.0.0.1:0", "--", behaviour, b.seen}, io.Discard, &w)
	return w.String(), code
}

func (b *box) starts() string {
	b.Helper()
	text, err := os.ReadFile(b.seen)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		b.Fatal(err)
	}
	return strings.ReplaceAll(string(text), "\n", "; ")
}

// log is the launcher's log.
func (b *box) log() string {
	b.Helper()
	_, lines, err := slot.OpenRing(durable.OS{}, filepath.Join(b.Root, "boot", "ring"))
	if err != nil {
		b.Fatal(err)
	}
	var out strings.Builder
	for _, l := range lines {
		fmt.Fprintln(&out, l.Text)
	}
	return out.String()
}

func TestTheActiveSlotIsStartedAndItsEndIsTheLaunchers(t *testing.T) {
	b := newBox(t, false, slot.Return)
	if words, code := b.boot("a=ready"); code != exitDone || b.starts() != "a trial=; " {
		t.Errorf("ended with %d, started %q: %s", code, b.starts(), words)
	}
}

// Requirement: CU-11
func TestATrialThatBecomesHealthyIsKept(t *testing.T) {
	b := newBox(t, true, slot.Return)
	words, code := b.boot("a=crash,b=ready")
	if got := b.Table().Table(); code != exitDone || got.Active != slot.B || got.Trial || got.Highest[0] != 2 || got.Floors[0] != 1 {
		t.Errorf("ended with %d, table %+v: %s", code, got, words)
	}
	if b.starts() != "b trial=1; " {
		t.Errorf("started %q", b.starts())
	}
	if log := b.log(); !strings.Contains(log, "trial started: slot b 0PLMTIL02-20261122") || !strings.Contains(log, "kept: slot b") {
		t.Errorf("log:\n%s", log)
	}
	b.boot("a=crash,b=ready")
	if b.starts() != "b trial=1; b trial=; " {
		t.Errorf("after the next start %q", b.starts())
	}
}

// Requirement: CU-12
func TestATrialThatFailsGivesTheOldVersionBack(t *testing.T) {
	for behaviour, why := range map[string]string{"crash": "crash", "unhealthy": "journal does not verify", "hang": "no sign of life"} {
		t.Run(behaviour, func(t *testing.T) {
			t.Parallel()
			b := newBox(t, true, slot.Return)
			words, code := b.boot("a=ready,b=" + behaviour)
			if got := b.Table().Table(); code != exitDone || got.Active != slot.A || got.Trial || got.Failures != 1 {
				t.Errorf("ended with %d, table %+v: %s", code, got, words)
			}
			if want := strings.Repeat("b trial=1; ", slot.Tries) + "a trial=; "; b.starts() != want {
				t.Errorf("started %q, want %q", b.starts(), want)
			}
			if log := b.log(); strings.Count(log, why) < slot.Tries || !strings.Contains(log, "fell back: slot a") {
				t.Errorf("log:\n%s", log)
			}
		})
	}
}

// Requirement: DL-08
func TestASlotWithAnotherByteIsNotStarted(t *testing.T) {
	b := newBox(t, true, slot.Return)
	b.flip("b")
	words, code := b.boot("a=ready,b=ready")
	if code != exitDone || b.starts() != "a trial=; " || !strings.Contains(b.log(), "fell back") {
		t.Errorf("ended with %d, started %q: %s", code, b.starts(), words)
	}
}

func (b *box) flip(s string) {
	b.Helper()
	name := filepath.Join(b.Root, "slots", s, "bin", "till")
	data, err := os.ReadFile(name)
	if err != nil {
		b.Fatal(err)
	}
	data[len(data)-1] ^= 1
	if err := os.WriteFile(name, data, 0o755); err != nil {
		b.Fatal(err)
	}
}

// Requirement: FM-09
func TestSoftwareThatProposesATrialIsStartedAgainInIt(t *testing.T) {
	b := newBox(t, false, slot.Return)
	done := make(chan int, 1)
	go func() { _, code := b.boot("a=again,b=ready"); done <- code }()
	// the proposal is there before the till asks to be started again the next time
	for b.starts() == "" {
		select {
		case <-time.After(time.Millisecond):
		case <-t.Context().Done():
		}
	}
	b.Propose(2, slot.Return)
	if code := <-done; code != exitDone || !strings.HasSuffix(b.starts(), "b trial=1; ") {
		t.Errorf("ended with %d, started %q", code, b.starts())
	}
}

func TestNothingStartsWhenNothingVerifies(t *testing.T) {
	b := newBox(t, false, slot.Return)
	b.flip("a")
	ctx, stop := context.WithCancel(t.Context())
	words, w := io.Pipe()
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"run", "--root", b.Root, "--rescue", "127.0.0.1:0", "--", "a=ready", b.seen}, io.Discard, w)
		w.Close()
	}()
	var page string
	buf := make([]byte, 4096)
	for text := ""; page == ""; {
		n, err := words.Read(buf)
		if err != nil {
			t.Fatalf("no page: %s", text)
		}
		text += string(buf[:n])
		if _, rest, ok := strings.Cut(text, "http://"); ok {
			page, _, _ = strings.Cut(rest, " ")
		}
	}
	go io.Copy(io.Discard, words)
	req, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+page, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept-Language", "de-DE,de;q=0.9")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || !strings.Contains(string(text), "Diese Kasse startet nicht") || !strings.Contains(string(text), "its bytes are others") {
		t.Errorf("page: %v\n%s", err, text)
	}
	stop()
	if code := <-ended; code != exitBlocked || b.starts() != "" {
		t.Errorf("ended with %d, started %q", code, b.starts())
	}
}

// Requirement: CU-15
func TestNothingOfTheOldVersionIsLeft(t *testing.T) {
	b := newBox(t, false, slot.Return)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	old := os.Stdout
	os.Stdout = w
	b.boot("a=orphan")
	os.Stdout = old
	w.Close()
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	var pid int
	if _, err := fmt.Sscanf(string(text), "orphan %d", &pid); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	state, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err == nil && !strings.Contains(string(state), ") Z ") {
		t.Errorf("process %d of the old version still runs: %s", pid, state)
	}
}

func TestTheTableIsMadeAgainFromTheSlots(t *testing.T) {
	b := newBox(t, true, slot.Return)
	if _, code := b.boot("a=ready,b=ready"); code != exitDone {
		t.Fatal(code)
	}
	name := filepath.Join(b.Root, "boot", "table")
	if code := run(t.Context(), []string{"repair", "--root", b.Root}, io.Discard, io.Discard); code == exitDone {
		t.Error("a table that can be read was made again")
	}
	if err := os.WriteFile(name, make([]byte, 80<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if code := run(t.Context(), []string{"repair", "--root", b.Root}, &out, io.Discard); code != exitDone {
		t.Fatalf("repair ended with %d: %s", code, out.String())
	}
	if got := b.Table().Table(); got.Active != slot.B || got.Highest[0] != 2 {
		t.Errorf("table %+v", got)
	}
}

func TestStatusShowsTheSlotsAndChangesNothing(t *testing.T) {
	b := newBox(t, true, slot.Return)
	before, err := os.ReadFile(filepath.Join(b.Root, "boot", "table"))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if code := run(t.Context(), []string{"status", "--root", b.Root, "--json"}, &out, io.Discard); code != exitDone {
		t.Fatalf("status ended with %d", code)
	}
	var s status
	if err := json.Unmarshal(out.Bytes(), &s); err != nil || s.Slots["b"].Counter != 2 || !s.Table.Trial || s.Blocked {
		t.Errorf("status %+v, %v", s, err)
	}
	after, err := os.ReadFile(filepath.Join(b.Root, "boot", "table"))
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("the table was written: %v", err)
	}
}

// changes counts what changes a disk.
type changes struct {
	durable.FS
	made []string
}

func (c *changes) note(what, name string) { c.made = append(c.made, what+" "+filepath.Base(name)) }

func (c *changes) Create(name string) (durable.File, error) {
	c.note("create", name)
	return c.FS.Create(name)
}

func (c *changes) Open(name string) (durable.File, error) {
	f, err := c.FS.Open(name)
	return changed{f, c, name}, err
}

func (c *changes) Rename(from, to string) error {
	c.note("rename", to)
	return c.FS.Rename(from, to)
}

func (c *changes) Remove(name string) error {
	c.note("remove", name)
	return c.FS.Remove(name)
}

func (c *changes) Mkdir(name string) error {
	c.note("mkdir", name)
	return c.FS.Mkdir(name)
}

func (c *changes) SyncDir(name string) error {
	c.note("sync", name)
	return c.FS.SyncDir(name)
}

type changed struct {
	durable.File
	c    *changes
	name string
}

func (f changed) WriteAt(p []byte, at int64) (int, error) {
	f.c.note("write", f.name)
	return f.File.WriteAt(p, at)
}

func (f changed) Sync() error {
	f.c.note("sync", f.name)
	return f.File.Sync()
}

func (f changed) Truncate(n int64) error {
	f.c.note("truncate", f.name)
	return f.File.Truncate(n)
}

// starting runs a launcher to its end and says what it changed on the device.
func (b *box) starting(behaviour string) []string {
	b.Helper()
	disk := &changes{FS: durable.OS{}}
	d, err := openDevice(disk, b.Root)
	if err != nil {
		b.Fatal(err)
	}
	l := &launcher{device: d, args: []string{behaviour, b.seen}, rescue: "127.0.0.1:0", trialTime: 10 * time.Second, words: io.Discard}
	if err := l.run(b.Context()); err != nil {
		b.Fatal(err)
	}
	return disk.made
}

// Requirement: CU-12
func TestAStartThatChangesNothingWritesNothing(t *testing.T) {
	b := newBox(t, false, slot.Return)
	for range 3 {
		if made := b.starting("a=ready"); len(made) > 0 {
			t.Errorf("the disk was changed: %v", made)
		}
	}
	b.Propose(2, slot.Return)
	made := b.starting("b=ready")
	// the trial is said and counted, kept is said and noted: a line, then the table
	want := []string{"write ring", "sync ring", "write table", "sync table", "write ring", "sync ring", "write table", "sync table"}
	if diff := cmp.Diff(want, made); diff != "" {
		t.Error(diff)
	}
	if made := b.starting("b=ready"); len(made) > 0 {
		t.Errorf("after the trial the disk was changed: %v", made)
	}
}

// What would push the reason out of the ring is said once.
func TestADeviceThatIsSwitchedOnAgainAndAgainKeepsTheReasonInItsLog(t *testing.T) {
	b := newBox(t, false, slot.Return)
	b.flip("a")
	for range 3 {
		b.blocked()
	}
	if log := b.log(); strings.Count(log, "blocked: slot a (verification)") != 1 {
		t.Errorf("log:\n%s", log)
	}
}

// unreadable is a disk on which one file cannot be opened.
type unreadable struct {
	durable.FS
	name string
}

func (u unreadable) Open(name string) (durable.File, error) {
	if strings.HasSuffix(name, u.name) {
		return nil, fmt.Errorf("open %s: %w", name, syscall.EIO)
	}
	return u.FS.Open(name)
}

// What cannot be read costs what it holds, and no more.
//
// Requirement: CU-12
func TestAPlaceThatCannotBeReadStopsOnlyWhatNeedsIt(t *testing.T) {
	for _, x := range []struct {
		name, starts, says string
		blocked            bool
	}{
		{"boot/ring", "b trial=1; ", "ring: input/output error", false},
		{"slots/b/bin/till", "a trial=; ", "fell back: slot a 0PLMTIL01-20261122 (verification)", false},
		{"slots/b/manifest.note", "a trial=; ", "fell back: slot a 0PLMTIL01-20261122 (verification)", false},
		{"boot/table", "", "blocked: slot a (slot table lost)", true},
		{"boot/policy.json", "", "", true},
	} {
		b := newBox(t, true, slot.Return)
		d, err := openDevice(durable.OS{}, b.Root)
		if err != nil {
			t.Fatal(err)
		}
		d.FS = unreadable{durable.OS{}, x.name}
		ctx, stop := context.WithTimeout(t.Context(), time.Minute)
		words := &stopper{stop: stop}
		l := &launcher{device: d, args: []string{"a=ready,b=ready", b.seen}, rescue: "127.0.0.1:0", trialTime: 10 * time.Second, words: words}
		if err := l.run(ctx); errors.Is(err, errBlocked) != x.blocked || b.starts() != x.starts || !strings.Contains(words.String(), x.says) {
			t.Errorf("%s: %v, started %q: %s", x.name, err, b.starts(), words)
		}
		stop()
	}
}

// stopper ends a launcher once it shows its page.
type stopper struct {
	bytes.Buffer
	stop func()
}

func (s *stopper) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte("http://")) {
		s.stop()
	}
	return s.Buffer.Write(p)
}

// A till that does not know whom it trusts says so on its screen, and touches nothing.
//
// Requirement: CU-12
// Requirement: CU-16
func TestADeviceThatDoesNotKnowWhomItTrustsSaysSoOnItsPage(t *testing.T) {
	for _, name := range []string{"policy.json", "device.json"} {
		b := newBox(t, false, slot.Return)
		name := filepath.Join(b.Root, "boot", name)
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, text[:len(text)-2], 0o600); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if words := b.blocked(); !strings.Contains(words, "that never change are damaged") || strings.Contains(words, "init makes") || b.starts() != "" {
				t.Errorf("%s: started %q: %s", name, b.starts(), words)
			}
		}
		if log := b.log(); strings.Count(log, "are damaged") != 1 {
			t.Errorf("%s: log:\n%s", name, log)
		}
		b.helpsWithDamage(filepath.Base(name))
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if words, _ := b.boot("a=ready"); b.starts() != "a trial=; " {
			t.Errorf("%s put back: started %q: %s", name, b.starts(), words)
		}
	}
}

// helpsWithDamage asks the commands for a person what they do on a device whose policy or
// facts are damaged.
func (b *box) helpsWithDamage(name string) {
	b.Helper()
	for _, c := range []struct {
		args []string
		code int
		says []string
	}{
		{[]string{"status"}, exitDone, []string{"nothing starts: the files", name, "slot a", "says that it is 0PLM", "whose signatures count; active"}},
		{[]string{"status", "--json"}, exitDone, []string{`"blocked": true`, `"identity": "0PLM`, name, `"Active": 0`}},
		{[]string{"unblock", "--why", "the fan was changed"}, exitFailed, []string{"done (unblocked: the fan was changed)", "nothing starts yet", name, "as it was"}},
		{[]string{"repair"}, exitFailed, []string{"that never change are damaged", name, "cannot make them"}},
	} {
		var out bytes.Buffer
		if code := run(b.Context(), append(c.args, "--root", b.Root), &out, &out); code != c.code {
			b.Errorf("%s damaged: %q ended with %d", name, c.args, code)
		}
		for _, s := range c.says {
			if !strings.Contains(out.String(), s) {
				b.Errorf("%s damaged: %q does not say %q:\n%s", name, c.args, s, out.String())
			}
		}
	}
}

func TestWithoutADeviceThereIsNoPage(t *testing.T) {
	var words bytes.Buffer
	if code := run(t.Context(), []string{"run", "--root", t.TempDir(), "--", "x"}, io.Discard, &words); code != exitFailed || !strings.Contains(words.String(), "plomb-boot init makes a device") {
		t.Errorf("ended with %d: %s", code, words.String())
	}
}

func TestWithBothSlotsBadNothingStartsAndThePageNamesBoth(t *testing.T) {
	b := newBox(t, true, slot.Return)
	b.boot("b=ready")
	b.flip("a")
	b.flip("b")
	if words := b.blocked(); !strings.Contains(words, "blocked: slot b (verification)") || b.starts() != "b trial=1; " {
		t.Errorf("started %q: %s", b.starts(), words)
	}
	d, err := openDevice(durable.OS{}, b.Root)
	if err != nil {
		t.Fatal(err)
	}
	s := d.status()
	if !s.Blocked || s.Slots["a"].Error == "" || s.Slots["b"].Error == "" {
		t.Errorf("%+v", s)
	}
}

// The power goes between the line and the table: what happened is said twice, and
// never not at all.
//
// Requirement: DL-09
func TestNothingChangesWhatStartsBeforeItIsInTheLog(t *testing.T) {
	b := newBox(t, true, slot.Return)
	b.flip("b")
	before, err := os.ReadFile(filepath.Join(b.Root, "boot", "table"))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		made := b.starting("a=ready")
		if want := []string{"write ring", "sync ring", "write table", "sync table"}; !cmp.Equal(want, made) {
			t.Errorf("changed %v, want %v", made, want)
		}
		if err := os.WriteFile(filepath.Join(b.Root, "boot", "table"), before, 0o600); err != nil { // as a cut leaves it
			t.Fatal(err)
		}
	}
	if log := b.log(); strings.Count(log, "fell back: slot a 0PLMTIL01-20261122 (verification)") != 2 {
		t.Errorf("log:\n%s", log)
	}
}

func TestStatusSaysInWordsWhatStartsAndWhy(t *testing.T) {
	b := newBox(t, true, slot.Return)
	say := func() string {
		var out bytes.Buffer
		if code := run(t.Context(), []string{"status", "--root", b.Root}, &out, io.Discard); code != exitDone {
			t.Fatalf("status ended with %d", code)
		}
		return out.String()
	}
	for _, want := range []string{"start    slot b on trial: 3 failures and 30 starts left, then back to slot a", "slot a   0PLMTIL01-20261122, counter 1, signed by maker; active", "floor    application 1, platform 0"} {
		if !strings.Contains(say(), want) {
			t.Errorf("status does not say %q:\n%s", want, say())
		}
	}
	b.boot("a=ready,b=crash")
	b.flip("b")
	for _, want := range []string{"start    slot a\n", "slot b   does not verify: ", "failed   ", "1 times, at last: crash", "  trial failed: slot b (crash): ", "  fell back: slot a 0PLMTIL01-20261122 (crash)"} {
		if !strings.Contains(say(), want) {
			t.Errorf("status does not say %q:\n%s", want, say())
		}
	}
	b.flip("a")
	if want := "start    nothing starts: blocked: slot a (verification): verify slot: "; !strings.Contains(say(), want) {
		t.Errorf("status does not say %q:\n%s", want, say())
	}
}

func TestABlockedDeviceStartsAfterItWasUnblocked(t *testing.T) {
	b := newBox(t, true, slot.Block)
	b.flip("b")
	ctx, stop := context.WithTimeout(t.Context(), 2*time.Second)
	defer stop()
	if code := run(ctx, []string{"run", "--root", b.Root, "--rescue", "127.0.0.1:0", "--", "a=ready", b.seen}, io.Discard, io.Discard); code != exitBlocked {
		t.Fatalf("ended with %d", code)
	}
	if code := run(t.Context(), []string{"unblock", "--root", b.Root, "--why", "stick was worn out"}, io.Discard, io.Discard); code != exitDone {
		t.Fatalf("unblock ended with %d", code)
	}
	if _, code := b.boot("a=ready"); code != exitDone || b.starts() != "a trial=; " || !strings.Contains(b.log(), "stick was worn out") {
		t.Errorf("ended with %d, started %q\n%s", code, b.starts(), b.log())
	}
}

func FuzzNotice(f *testing.F) {
	f.Add("READY=1\nSTATUS=ready to sell")
	f.Add("X_UNHEALTHY=")
	f.Fuzz(func(t *testing.T, text string) {
		n := parseNotice(text)
		if n.ready && !strings.Contains(text, "READY=1") || n.unhealthy != "" && !strings.Contains(text, "X_UNHEALTHY") {
			t.Errorf("%q is read as %+v", text, n)
		}
	})
}

func TestSoftwareThatFailsAtOnceEndsTheLauncherThatMayGiveUp(t *testing.T) {
	b := newBox(t, false, slot.Return)
	code := run(t.Context(), []string{"run", "--root", b.Root, "--give-up", "--", "a=crash", b.seen}, io.Discard, io.Discard)
	if code != 3 || b.starts() != "a trial=; " {
		t.Errorf("ended with %d, started %q; want the code of what was started, once", code, b.starts())
	}
}

// Requirement: CU-12
func TestATrialThatFailsEndsNoLauncher(t *testing.T) {
	b := newBox(t, true, slot.Return)
	if code := run(t.Context(), []string{"run", "--root", b.Root, "--give-up", "--", "a=ready,b=crash", b.seen}, io.Discard, io.Discard); code != exitDone || !strings.HasSuffix(b.starts(), "a trial=; ") {
		t.Errorf("ended with %d, started %q", code, b.starts())
	}
}
