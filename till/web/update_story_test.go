package web_test

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/plomb-pos/plomb/internal/browsertest"
)

// underSeal starts `plomb up` with its launcher beside it, so that the till runs from a
// verified slot and takes updates.
func underSeal(t *testing.T) (s *shop, exe, dir string) {
	t.Helper()
	if testing.Short() {
		t.Skip("a story starts processes and a browser")
	}
	from, err := built()
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	exe, dir = filepath.Join(folder, "plomb"), filepath.Join(folder, "till")
	if err := os.Link(filepath.Join(from, "plomb"), exe); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("go", "build", "-ldflags=-s -w", "-o", filepath.Join(folder, "plomb-boot"), "github.com/plomb-pos/plomb/cmd/plomb-boot").CombinedOutput(); err != nil {
		t.Fatalf("build plomb-boot: %v\n%s", err, out)
	}
	return start(t, exe, dir), exe, dir
}

// next builds a plomb whose page is another one.
func next(t *testing.T, folder string) string {
	t.Helper()
	page, err := filepath.Abs("page/theme.js")
	if err != nil {
		t.Fatal(err)
	}
	changed, overlay, exe := filepath.Join(folder, "theme.js"), filepath.Join(folder, "overlay.json"), filepath.Join(folder, "next")
	replace, err := json.Marshal(object{"Replace": object{page: changed}})
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{changed: []byte(read(t, page) + "// The next version.\n"), overlay: replace} {
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command("go", "build", "-ldflags=-s -w", "-overlay", overlay, "-o", exe, "github.com/plomb-pos/plomb/cmd/plomb").CombinedOutput(); err != nil {
		t.Fatalf("build the next plomb: %v\n%s", err, out)
	}
	return exe
}

// office is `plomb release demo` under way: maker, authority and deployer at work.
type office struct {
	t     *testing.T
	steps chan string // closed when it has ended
	err   chan error
}

func work(t *testing.T, exe, dir string, flags ...string) *office {
	t.Helper()
	cmd := exec.Command(exe, append([]string{"release", "demo", "--dir", dir, "--yes", "--json"}, flags...)...)
	cmd.Stderr = t.Output()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	o := &office{t: t, steps: make(chan string, 1000), err: make(chan error, 1)}
	go func() {
		o.read(out)
		o.err <- cmd.Wait()
	}()
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	return o
}

func (o *office) read(out io.Reader) {
	defer close(o.steps)
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var s struct{ Step, What string }
		if json.Unmarshal(lines.Bytes(), &s) == nil {
			o.t.Logf("%s: %s", s.Step, s.What)
			o.steps <- s.Step
		}
	}
}

// wait returns when a step was taken. A release and its download take longer than a
// browser waits.
func (o *office) wait(step string) {
	o.t.Helper()
	for deadline := time.After(5 * time.Minute); ; {
		select {
		case s, more := <-o.steps:
			if s == step {
				return
			}
			if !more {
				o.t.Fatalf("the release ended before %s: %v", step, <-o.err)
			}
		case <-deadline:
			o.t.Fatalf("no %s", step)
		}
	}
}

// remember keeps what the page shows only for a moment, also when it loads itself anew.
const remember = `(window.program = 'first', sessionStorage.seen = '', new MutationObserver(() => {
	for (const e of document.querySelectorAll('[popover]')) sessionStorage.seen += e.dataset.test + ' ';
}).observe(document.body, { childList: true, subtree: true }), 0)`

// Nothing is played here: three parties release the next version of the program that
// runs, the till fetches it and asks, an open sale holds it back, the launcher starts
// the new version, whose page takes the old one's place; then a version that cannot start, and the screen says what became of
// it.
//
// Requirement: DL-02, DL-07, DL-20, CU-02, CU-12, CU-15
func TestStoryTheTillUpdatesItselfAndABadVersionFallsBack(t *testing.T) {
	s, exe, dir := underSeal(t)
	s.furnish(t)
	p := s.enter(t, browsertest.Till, "3")
	p.Allow("ERR_")
	p.Allow("403")
	beginDrawer(p)
	p.ClickTest("article-BRD-01")
	p.SeeTest("line-1")

	o := work(t, exe, dir, "--good", "--program", next(t, filepath.Dir(exe)))
	o.wait("consent")
	p.SeeTest("banner-update")
	picture(t, p, "real-announced")
	p.ClickTest("update-badge")
	p.See("0PLMDEM02")
	p.SeeTest("consent-text")
	p.SeeTest("station-agreed")
	picture(t, p, "real-sheet")
	p.ClickTest("update-agree")
	typePIN(p)
	p.SeeTest("waits-sale")
	picture(t, p, "real-waits")
	p.ClickTest("waits-go-sell")
	p.Eval(remember, nil)
	p.ClickTest("cash-exact")
	o.wait("kept")
	p.SeeTest("banner-outcome")
	p.See("Version 2 is installed.")
	p.Until(`sessionStorage.seen.includes('restarting') && !sessionStorage.seen.includes('unreachable')`)
	p.Until(`window.program === undefined`) // the page of the new program
	p.ClickTest("put-outcome")
	p.ClickTest("menu")
	p.ClickTest("menu-software")
	p.See("Agreed to the installation")
	p.SeeTest("released-good")
	p.ClickTest("back")
	p.ClickTest("article-BRD-02")
	p.SeeTest("line-1")
	p.ClickTest("cash-exact")
	p.SeeTest("finished")

	o = work(t, exe, dir, "--bad")
	o.wait("consent")
	p.SeeTest("banner-update")
	p.ClickTest("put-update")
	p.Eval(`location.hash = '#/software'`, nil)
	p.SeeTest("software-coming")
	p.SeeTest("station-agreed")
	sweep(t, p, "real-software")
	p.ClickTest("back")
	p.ClickTest("update-badge")
	p.ClickTest("update-agree")
	typePIN(p)
	o.wait("fallen back")
	p.See("Version 3 did not work.")
	p.See("runs version 2")
	picture(t, p, "real-fell-back")
	p.ClickTest("article-BRD-01")
	p.SeeTest("line-1")
	p.ClickTest("cash-exact")
	p.SeeTest("finished")
}
