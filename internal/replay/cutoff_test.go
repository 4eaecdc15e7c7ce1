package replay_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/plomb-pos/plomb/internal/replay"
)

// What a process that is to be killed finds in its environment.
const (
	envDir  = "REPLAY_TEST_DIR"
	envFile = "REPLAY_TEST_FILE"
	envKill = "REPLAY_TEST_KILL" // how, and after how many requests
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(envDir); dir != "" {
		os.Exit(child(dir))
	}
	os.Exit(m.Run())
}

// child replays a file and is killed by SIGKILL on its way.
func child(dir string) int {
	k := &killer{RoundTripper: http.DefaultTransport}
	if _, err := fmt.Sscan(os.Getenv(envKill), &k.how, &k.after); err != nil {
		return 3
	}
	http.DefaultTransport = k
	f, err := os.Open(os.Getenv(envFile))
	if err != nil {
		return 3
	}
	p, err := replay.Read(f)
	if err == nil {
		_, err = replay.Run(context.Background(), p, replay.Options{Dir: dir, Weeks: replay.Weeks})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	return 0
}

// killer ends its process in the middle of talking to the till: before a
// request, while the till works on it, or after the answer.
type killer struct {
	http.RoundTripper
	how   string
	after int
}

func (k *killer) RoundTrip(r *http.Request) (*http.Response, error) {
	k.after--
	die := func() { syscall.Kill(os.Getpid(), syscall.SIGKILL) }
	switch {
	case k.after == 0 && k.how == "before":
		die()
	case k.after == 0 && k.how == "during":
		go die()
	case k.after == 0 && k.how == "after":
		defer die()
	}
	return k.RoundTripper.RoundTrip(r)
}

// fewInvoices writes a file of some invoices of the real day, a cancellation among them.
func fewInvoices(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(oneDay)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for i, l := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		invoice, _, _ := strings.Cut(l, ",")
		if i == 0 || slices.Contains([]string{"536366", "536372", "C536379", "536488", "C536506", "536508", "536414"}, invoice) {
			out = append(out, l)
		}
	}
	name := filepath.Join(t.TempDir(), "few.csv")
	if err := os.WriteFile(name, []byte(strings.Join(out, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// Requirement: FM-02
func TestAReplayThatIsKilledAnywhereGoesOnAndBooksNothingTwice(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatalf("find the program to kill: %v", err)
	}
	file, dir := fewInvoices(t), filepath.Join(t.TempDir(), "till")
	killed := 0
	for i, after := range []int{1, 4, 6, 2, 9, 3, 12, 2, 5, 20, 3, 4, 7, 2, 16, 3, 2} {
		cmd := exec.Command(exe)
		how := []string{"before", "during", "after"}[i%3]
		cmd.Env = append(os.Environ(), envDir+"="+dir, envFile+"="+file, fmt.Sprintf("%s=%s %d", envKill, how, after))
		out, err := cmd.CombinedOutput()
		var exit *exec.ExitError
		switch {
		case errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL:
			killed++
		case err != nil:
			t.Fatalf("run %d, killed %s request %d: %v\n%s", i, how, after, err, out)
		}
	}
	p := plan(t, file)
	r, err := replay.Run(context.Background(), p, replay.Options{Dir: dir, Weeks: replay.Weeks})
	if err != nil {
		t.Fatal(err)
	}
	agrees(t, dir, r)
	if want := p.Steps(); r.Total.Sales.Documents+r.Total.Returns.Documents != want || killed < 10 {
		t.Errorf("%+v; want %d documents after %d kills", r.Total, want, killed)
	}
	t.Logf("killed %d times, %d of %d documents were booked before", killed, r.Resumed, p.Steps())
}

func TestAReplayThatIsStoppedGoesOn(t *testing.T) {
	p, dir := plan(t, fewInvoices(t)), filepath.Join(t.TempDir(), "till")
	ctx, stop := context.WithCancel(context.Background())
	_, err := replay.Run(ctx, p, replay.Options{Dir: dir, Weeks: replay.Weeks, Progress: func(p replay.Progress) {
		if p.Done == 2 {
			stop()
		}
	}})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("stopped: %v", err)
	}
	r, err := replay.Run(context.Background(), p, replay.Options{Dir: dir, Weeks: replay.Weeks})
	if err != nil {
		t.Fatal(err)
	}
	agrees(t, dir, r)
	if r.Resumed != 2 {
		t.Errorf("%d documents were booked before, want 2", r.Resumed)
	}
	again, err := replay.Run(context.Background(), p, replay.Options{Dir: dir, Weeks: replay.Weeks})
	if err != nil || again.Resumed != p.Steps() || len(again.Differences) > 0 {
		t.Errorf("a third time: %v, %+v", err, again)
	}
}

func TestOnlyItsOwnTillIsReplayedInto(t *testing.T) {
	p := plan(t, fewInvoices(t))
	foreign := t.TempDir()
	if err := os.WriteFile(filepath.Join(foreign, "something"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := replay.Run(context.Background(), p, replay.Options{Dir: foreign}); !errors.Is(err, replay.ErrOtherTill) {
		t.Errorf("Run into a directory with something in it: %v", err)
	}
	dir := filepath.Join(t.TempDir(), "till")
	if _, err := replay.Run(context.Background(), p, replay.Options{Dir: dir, Weeks: replay.Weeks}); err != nil {
		t.Fatal(err)
	}
	if _, err := replay.Run(context.Background(), p, replay.Options{Dir: dir, Weeks: 789}); !errors.Is(err, replay.ErrOtherTill) {
		t.Errorf("Run with other weeks into the same till: %v", err)
	}
}

// An account that does not see a forged, missing or foreign document proves nothing.
func TestTheAccountSeesWhatIsNotTheFiles(t *testing.T) {
	file := fewInvoices(t)
	p, dir := plan(t, file), filepath.Join(t.TempDir(), "till")
	o := replay.Options{Dir: dir, Weeks: replay.Weeks}
	if _, err := replay.Run(context.Background(), p, o); err != nil {
		t.Fatal(err)
	}
	for name, wrong := range map[string]func(p *replay.Plan){
		"a price": func(p *replay.Plan) { p.Days[0].Steps[0].Items[0].Price++ },
		"a document more": func(p *replay.Plan) {
			p.Days[0].Steps = append(p.Days[0].Steps, &replay.Step{Invoice: "x", At: p.Days[0].At})
		},
		"a document less":    func(p *replay.Plan) { p.Days[0].Steps = p.Days[0].Steps[1:] },
		"a line of the file": func(p *replay.Plan) { p.Days[0].Lines++ },
		"a sum of the file":  func(p *replay.Plan) { p.Days[0].Sum-- },
		"a line left":        func(p *replay.Plan) { p.Days[0].Left = nil },
	} {
		p := plan(t, file)
		wrong(p)
		r, err := replay.Audit(context.Background(), p, o)
		if err != nil || len(r.Differences) == 0 {
			t.Errorf("%s differs: %v, differences %v", name, err, r)
		}
	}
}
