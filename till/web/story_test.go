package web_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"

	"github.com/plomb-pos/plomb/internal/browsertest"
)

// The stories run the real thing: `plomb up` with its till, signer and simulated
// devices as processes, and a cashier in a real browser.

var built = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "plomb-story")
	if err != nil {
		return "", err
	}
	exe := filepath.Join(dir, "plomb")
	out, err := exec.Command("go", "build", "-ldflags=-s -w", "-o", exe, "github.com/plomb-pos/plomb/cmd/plomb").CombinedOutput()
	if err != nil {
		return dir, fmt.Errorf("build plomb: %w\n%s", err, out)
	}
	return dir, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if dir, _ := built(); dir != "" && !testing.Short() {
		os.RemoveAll(dir)
	}
	os.Exit(code)
}

// shop is a running plomb.
type shop struct {
	Till, Devices, Control, Setup string

	process *os.Process
}

// open starts `plomb up` in a fresh directory.
func open(t *testing.T, flags ...string) *shop {
	t.Helper()
	if testing.Short() {
		t.Skip("a story starts processes and a browser")
	}
	dir, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return start(t, filepath.Join(dir, "plomb"), filepath.Join(t.TempDir(), "till"), flags...)
}

// start starts this plomb with this directory.
func start(t *testing.T, exe, dir string, flags ...string) *shop {
	t.Helper()
	cmd := exec.Command(exe, append([]string{"up", "--dir", dir, "--listen", "127.0.0.1:0", "--json"}, flags...)...)
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = log
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	late := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
		late.Stop()
		if t.Failed() {
			t.Logf("plomb up said:\n%s", read(t, log.Name()))
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("plomb up did not start: %v", err)
	}
	late.Reset(15 * time.Minute) // an end that hangs is ended
	s := &shop{process: cmd.Process}
	if err := json.Unmarshal([]byte(line), s); err != nil {
		t.Fatalf("plomb up said %q: %v", line, err)
	}
	return s
}

const pin = "8306"

// furnish sets the shop up without the page: an administrator (1), an operator
// (2) and a supervisor (3), all with the same PIN.
func (s *shop) furnish(t *testing.T) {
	t.Helper()
	s.post(t, "/api/setup", object{
		"code":          s.Setup,
		"shop":          object{"name": "Kornblume", "address": list{"Marktplatz 4", "79098 Freiburg"}, "taxNumber": "DE123456789", "country": "DE", "currency": "EUR", "language": "en"},
		"administrator": object{"id": "1", "name": "Ada Wolff", "pin": pin},
		"people":        list{object{"id": "2", "name": "Jana Weber", "role": "operator", "pin": pin}, object{"id": "3", "name": "Piotr Nowak", "role": "supervisor", "pin": pin}},
	})
}

func (s *shop) post(t *testing.T, path string, body any) {
	t.Helper()
	data, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.Post(strings.TrimSuffix(s.Till, "/")+path, "application/json", bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if said, _ := io.ReadAll(r.Body); r.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s: %s", path, r.Status, said)
	}
}

// enter opens the page and signs a person in by touch.
func (s *shop) enter(t *testing.T, size browsertest.Size, person string) *browsertest.Page {
	t.Helper()
	p := browsertest.Open(t, s.Till, size)
	signIn(p, person)
	return p
}

func signIn(p *browsertest.Page, person string) {
	enterPIN(p, person)
	p.SeeTest("sell")
	p.SeeTest("tiles")
}

// enterPIN signs somebody in, whatever they then see.
func enterPIN(p *browsertest.Page, person string) {
	p.SeeTest("sign-in")
	p.Click(person)
	p.ClickTest("sign-in-next")
	for _, digit := range pin {
		p.Click(string(digit))
	}
	p.ClickTest("sign-in-next")
	p.GoneTest("sign-in")
}

// typePIN answers the question for a PIN.
func typePIN(p *browsertest.Page) {
	p.SeeTest("approval")
	for _, digit := range pin {
		p.Click(string(digit))
	}
	p.ClickTest("approval-next")
	p.GoneTest("approval")
}

// sellExactly sells one rye bread for exact cash.
func sellExactly(p *browsertest.Page) {
	p.ClickTest("article-BRD-01")
	p.SeeTest("line-1")
	p.ClickTest("cash-exact")
	p.SeeTest("finished")
}

// beginDrawer opens the drawer session with a float of 150.
func beginDrawer(p *browsertest.Page) {
	p.ClickTest("menu")
	p.ClickTest("menu-drawer")
	p.ClickTest("drawer.open")
	p.SeeTest("drawer-amount")
	for _, key := range []string{"1", "5", "0", "00"} {
		p.Click(key)
	}
	p.ClickTest("drawer-take")
	p.See("The drawer session is open")
	p.ClickTest("back")
	p.SeeTest("tiles")
}

// killTill kills the till's process, and only it, as a crash would.
func (s *shop) killTill(t *testing.T) {
	t.Helper()
	for _, pid := range children(t, s.process.Pid) {
		line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if err == nil && slices.Contains(strings.Split(string(line), "\x00"), "till") {
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			return
		}
	}
	t.Fatal("plomb up has no till process")
}

func children(t *testing.T, parent int) []int {
	t.Helper()
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", parent))
	if err != nil || len(tasks) == 0 {
		if os.Getenv("CI") == "true" {
			t.Fatalf("list the children of plomb up: %v", err)
		}
		t.Skipf("this system does not list children: %v", err)
	}
	var pids []int
	for _, name := range tasks {
		text, _ := os.ReadFile(name)
		for _, field := range strings.Fields(string(text)) {
			if pid, err := strconv.Atoi(field); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

func TestStoryTheFirstRunSetsTheShopUp(t *testing.T) {
	s := open(t)
	p := browsertest.Open(t, s.Till, browsertest.Till)
	p.SeeTest("setup")
	p.Choose("country", "PL")
	p.Until(`!!document.querySelector('[name="rate.reduced2"]')`)
	p.Choose("country", "DE")
	for field, text := range map[string]string{"code": s.Setup, "shopName": "Kornblume", "address": "Marktplatz 4, 79098 Freiburg", "taxNumber": "DE123456789", "rate.reduced": "7.5", "name": "Ada Wolff", "pin": pin, "again": pin, "seller.name": "Jana Weber", "seller.pin": pin} {
		p.Fill(field, text)
	}
	for _, screen := range screens {
		p.Resize(screen.size)
		fits(t, p, "setup "+screen.name)
		picture(t, p, "story-setup-"+screen.name)
	}
	p.Resize(browsertest.Till)
	p.Click("Begin the journal")
	p.SeeTest("no-seller") // and says who does
	p.See("Rye bread")
	p.ClickTest("menu")
	p.See("Ada Wolff")
	p.ClickTest("sign-out")
	p = s.enter(t, browsertest.Till, "2")
	p.ClickTest("article-BRD-01")
	p.SeeTest("line-1")
	p.See("7.5 %")
}

// Three articles for cash: the touches are counted from the sign-in on.
func TestStoryThreeArticlesAreSoldForCashByTouch(t *testing.T) { // Requirement: POS-01
	s := open(t)
	s.furnish(t)
	p := s.enter(t, browsertest.Till, "2")
	beginDrawer(p)
	p.Touches()
	begun := time.Now()
	p.ClickTest("article-BRD-01")
	p.ClickTest("article-BRD-02")
	p.ClickTest("article-DRY-01")
	p.See("€6.47")
	picture(t, p, "story-sell")
	p.ClickTest("pay")
	p.SeeTest("quick-1000")
	picture(t, p, "story-tender")
	p.ClickTest("quick-1000")
	p.SeeTest("finished")
	touches, took := p.Touches(), time.Since(begun)
	if got := p.Text("change"); got != "€3.53" {
		t.Errorf("change = %q, want €3.53", got)
	}
	if touches > 8 {
		t.Errorf("%d touches for three articles, want at most 8", touches)
	}
	t.Logf("three articles for cash: %d touches, the till needed %v", touches, took)
	p.SeeTest("paper")
	p.Until(`document.querySelector('.paper .code svg')`)
	picture(t, p, "story-finished")
	p.ClickTest("article-BRD-03")
	p.GoneTest("finished")
	p.See("Butter croissant")
}

func TestStoryKeyboardAndScannerNeedNoTouch(t *testing.T) {
	s := open(t)
	s.furnish(t)
	p := s.enter(t, browsertest.Till, "2")
	beginDrawer(p)
	p.Touches()
	p.Scan("2900000010079")
	p.See("Rye bread 750 g")
	p.Type("3*20001018")
	p.Press(kb.Enter)
	p.See("3 × €1.25")
	p.Type("spelt")
	p.See("1 for “spelt”")
	p.Press(kb.Enter)
	p.SeeTest("line-3")
	p.Press(kb.F3)
	p.SeeTest("quantity")
	p.Type("2")
	p.Press(kb.Enter)
	p.See("2 × €2.19")
	p.Press(kb.F9)
	p.SeeTest("finished")
	if n := p.Touches(); n != 0 {
		t.Errorf("%d touches", n)
	}
	p.Scan("2900000010079")
	p.GoneTest("finished")
}

func TestStoryADiscountIsApprovedAndTheTenderSplit(t *testing.T) {
	s := open(t)
	s.furnish(t)
	p := s.enter(t, browsertest.Till, "2")
	beginDrawer(p)
	p.Allow("403")
	p.ClickTest("article-GFT-08")
	p.SeeTest("line-1")
	p.Press(kb.F4)
	p.SeeTest("discount")
	p.Click("50 %")
	p.ClickTest("discount-take")
	p.SeeTest("approval")
	picture(t, p, "story-approval")
	p.Click("3")
	p.ClickTest("approval-next")
	typePIN(p)
	p.GoneTest("discount")
	p.See("Promotion")
	p.ClickTest("pay")
	p.Click("5")
	p.Click("00")
	p.ClickTest("take")
	p.SeeTest("taken")
	p.See("Still due")
	p.ClickTest("tender-card")
	p.ClickTest("exact")
	p.SeeTest("finished")
	p.See("Paid exactly")
}

func TestStoryGoodsComeBackByTheReceiptsCode(t *testing.T) {
	s := open(t)
	s.furnish(t)
	p := s.enter(t, browsertest.Till, "3")
	beginDrawer(p)
	p.ClickTest("article-BRD-01")
	p.ClickTest("article-BRD-03")
	p.SeeTest("line-2")
	p.ClickTest("cash-exact")
	p.SeeTest("finished")
	p.SeeTest("paper")
	var code string
	p.Until(`fetch('/api/receipts?limit=1').then(r => r.json()).then(l => fetch('/api/receipts/' + l.receipts[0].number)).then(r => r.json()).then(r => { window.code = r.code; return r.code !== '' })`)
	p.Eval(`window.code`, &code)
	p.Scan(code)
	p.SeeTest("original")
	picture(t, p, "story-return")
	p.ClickTest("return-2")
	p.Until(`!byTest('return-pay').disabled`)
	p.ClickTest("return-pay")
	p.SeeTest("tender")
	p.ClickTest("exact")
	p.SeeTest("finished")
	p.See("Returned")
	p.Go(s.Till + "check")
	p.Fill("check-code", code)
	p.ClickTest("check-send")
	p.See("The signature holds")
	picture(t, p, "story-check")
}

func TestStoryASaleIsPutAsideAndTakenUpAgain(t *testing.T) {
	s := open(t)
	s.furnish(t)
	p := s.enter(t, browsertest.Tablet, "2")
	p.ClickTest("article-BRD-01")
	p.SeeTest("line-1")
	p.Press(kb.F6)
	p.SeeTest("suspend")
	p.Type("blue coat")
	p.ClickTest("suspend-take")
	p.SeeTest("suspended")
	p.GoneTest("line-1")
	p.ClickTest("suspended")
	p.See("blue coat")
	p.Click("blue coat")
	p.SeeTest("line-1")
	p.See("Rye bread")
}

func TestStoryTheDrawerIsCountedAndTheDayClosed(t *testing.T) {
	s := open(t)
	s.furnish(t)
	p := s.enter(t, browsertest.Till, "3")
	beginDrawer(p)
	sellExactly(p)
	p.Eval(`location.hash = '#/drawer'`, nil)
	p.ClickTest("drawer.count")
	p.Fill("pieces-5000", "3")
	p.Fill("pieces-100", "3")
	p.Fill("pieces-20", "2")
	p.Fill("pieces-5", "1")
	p.Fill("pieces-2", "2")
	p.ClickTest("count-take")
	p.SeeTest("count-result")
	p.See("€153.49")
	p.See("€0.00")
	picture(t, p, "story-count")
	p.Eval(`location.hash = '#/reports'`, nil)
	p.ClickTest("report-x")
	p.SeeTest("report")
	picture(t, p, "story-x")
	p.Eval(`location.hash = '#/drawer'`, nil)
	p.ClickTest("drawer.close")
	p.Fill("pieces-5000", "3")
	p.ClickTest("count-take")
	p.See("The drawer session is closed")
	p.Eval(`location.hash = '#/reports'`, nil)
	p.ClickTest("report-z")
	p.ClickTest("z-take")
	p.Allow("403")
	typePIN(p)
	p.GoneTest("z-dialog")
	p.See("Z REPORT")
	picture(t, p, "story-z")
}

func TestStoryTrainingIsKeptApart(t *testing.T) { // Requirement: POS-19
	s := open(t)
	s.furnish(t)
	p := s.enter(t, browsertest.Till, "3")
	beginDrawer(p)
	p.ClickTest("menu")
	p.ClickTest("training-start")
	p.SeeTest("training")
	p.ClickTest("article-BRD-01")
	p.SeeTest("line-1")
	picture(t, p, "story-training")
	p.ClickTest("cash-exact")
	p.SeeTest("finished")
	p.ClickTest("menu")
	p.ClickTest("training-stop")
	p.GoneTest("training")
}

func TestStoryAnyEntryIsFoundAndProven(t *testing.T) { // Requirement: POS-07
	s := open(t)
	s.furnish(t)
	p := s.enter(t, browsertest.Till, "3")
	beginDrawer(p)
	sellExactly(p)
	p.ClickTest("seal")
	p.SeeTest("entries")
	p.Fill("journal-search", "rye")
	p.Until(`document.querySelectorAll('[data-test=entries] .row').length === 1`)
	p.Eval(`document.querySelector("[data-test=entries] .row").click()`, nil) // the one that is left
	p.SeeTest("entry")
	p.ClickTest("prove")
	p.SeeTest("proof")
	p.See("Proven: this entry is in the journal, unchanged")
	picture(t, p, "story-proof")
	p.ClickTest("proof-download")
}

func TestStoryTheTillIsKilledAndTheSaleGoesOn(t *testing.T) {
	s := open(t)
	s.furnish(t)
	p := s.enter(t, browsertest.Till, "2")
	beginDrawer(p)
	p.Allow("ERR_")
	p.ClickTest("article-BRD-01")
	p.ClickTest("article-BRD-02")
	p.SeeTest("line-2")
	s.killTill(t)
	p.SeeTest("unreachable")
	picture(t, p, "story-unreachable")
	p.GoneTest("unreachable")
	p.SeeTest("line-2")
	p.See("€5.28")
	p.ClickTest("cash-exact")
	p.SeeTest("finished")
}

func TestStoryLanguageAndThemeAreSwitched(t *testing.T) {
	s := open(t)
	s.furnish(t)
	p := s.enter(t, browsertest.Till, "2")
	p.ClickTest("article-BRD-01")
	p.SeeTest("line-1")
	p.ClickTest("menu")
	p.ClickTest("language-de")
	p.ClickTest("theme-dark")
	p.Press(kb.Escape)
	p.See("Bezahlen")
	picture(t, p, "story-german-dark")
	p.ClickTest("menu")
	p.ClickTest("language-zh")
	p.ClickTest("theme-light")
	p.Press(kb.Escape)
	p.See("付款")
	picture(t, p, "story-chinese")
}

func TestStoryABasketIsSeenOnEveryScreen(t *testing.T) {
	s := open(t)
	s.furnish(t)
	p := s.enter(t, browsertest.Till, "3")
	p.ClickTest("article-BRD-01")
	p.SeeTest("line-1")
	p.ClickTest("article-FRU-01")
	p.SeeTest("weigh")
	for _, key := range []string{"1", "2", "4", "0"} {
		p.Click(key)
	}
	p.Press(kb.Enter)
	p.See("1.24 kg × €2.49")
	p.Scan("2900000010420")
	p.SeeTest("line-3")
	p.Type("4*20001018")
	p.Press(kb.Enter)
	p.See("4 × €1.25")
	p.Scan("2900000012035")
	p.SeeTest("line-5")
	p.ClickTest("line-5")
	p.Until(`byTest('line-5').getAttribute('aria-current') === 'true'`)
	p.Press(kb.F4)
	p.SeeTest("discount")
	p.Click("10 %")
	p.Click("Short date")
	p.ClickTest("discount-take")
	p.GoneTest("discount")
	p.See("€0.75 Short date")
	p.Press(kb.Escape)
	p.See("€19.51")
	for _, screen := range screens {
		p.Resize(screen.size)
		fits(t, p, screen.name)
		picture(t, p, "shop-"+screen.name)
		p.Dark(true)
		picture(t, p, "shop-"+screen.name+"-dark")
		p.Dark(false)
	}
}
