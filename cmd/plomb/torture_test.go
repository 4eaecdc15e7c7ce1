package main_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
)

// verifier builds plomb-verify and returns its path.
func verifier(t *testing.T) string {
	t.Helper()
	exe := filepath.Join(t.TempDir(), "plomb-verify")
	if out, err := exec.Command("go", "build", "-o", exe, "../plomb-verify").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return exe
}

// kill ends up and, with whole, everything it started, as a power switch does.
func (r *running) kill(whole bool) {
	r.t.Helper()
	pids := []int{r.cmd.Process.Pid}
	if whole {
		pids = append(pids, r.childProcess("till"), r.childProcess("signer"))
	}
	for _, pid := range pids {
		if pid > 0 {
			_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended by itself
		}
	}
	_ = r.cmd.Wait() // of course it was killed
}

// childProcess is the process id of a part of up, 0 while it is not there.
func (r *running) childProcess(part string) int {
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", r.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	for _, f := range tasks {
		children, _ := os.ReadFile(f)
		for _, pid := range strings.Fields(string(children)) {
			line, err := os.ReadFile("/proc/" + pid + "/cmdline")
			if err == nil && bytes.Contains(line, []byte("\x00"+part+"\x00")) {
				var n int
				fmt.Sscan(pid, &n)
				return n
			}
		}
	}
	return 0
}

// battered is a shop whose processes are killed while it sells.
type battered struct {
	t      *testing.T
	exe    string
	dir    string
	client *http.Client
	dice   *rand.Rand
	mu     sync.Mutex
	r      *running
	// answered counts answers: the sign that the till is there again.
	answered atomic.Int64
}

// newBattered starts a shop in dir, which must not exist, ready to sell.
func newBattered(t *testing.T, dir string) *battered {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	b := &battered{
		t: t, exe: program(t), dir: dir, client: &http.Client{Jar: jar, Timeout: 20 * time.Second}, dice: rand.New(rand.NewPCG(seed, 1)),
	}
	b.r = up(t, b.exe, b.dir)
	b.r.client = b.client
	b.r.setUp()
	b.r.signIn()
	b.r.do("drawer.open", map[string]any{"amount": 10000})
	return b
}

func (b *battered) current() *running {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.r
}

// answer is what a command was answered.
type answer struct {
	ID     string `json:"id"`
	Result struct {
		Receipt *struct {
			Index  uint64 `json:"index"`
			Number int64  `json:"number"`
			Total  int64  `json:"total"`
			Code   string `json:"code"`
		} `json:"receipt"`
	} `json:"result"`
	State struct {
		Basket *struct {
			Lines []struct {
				Quantity int64 `json:"quantity"`
			} `json:"lines"`
			Total int64 `json:"total"`
		} `json:"basket"`
	} `json:"state"`
	Error *struct {
		Kind, Code, Text, Hint string
	} `json:"error"`
}

// once sends a request body once; an error means that nobody knows what became of it.
func (b *battered) once(body []byte) (answer, error) {
	resp, err := b.client.Post(strings.TrimSuffix(b.current().Till, "/")+"/api/command", "application/json", bytes.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return answer{}, err
	}
	var a answer
	if err := json.Unmarshal(text, &a); err != nil {
		return answer{}, err
	}
	if a.Error != nil && (a.Error.Kind == "unavailable" || a.Error.Kind == "internal") {
		return a, errors.New(a.Error.Kind + " " + a.Error.Code)
	}
	b.answered.Add(1)
	return a, nil
}

// insist sends a command with one id until it is answered.
func (b *battered) insist(do string, args map[string]any) answer {
	b.t.Helper()
	return b.again(uuid.Must(uuid.NewV7()).String(), do, args)
}

func (b *battered) again(id, do string, args map[string]any) answer {
	b.t.Helper()
	body, err := json.Marshal(map[string]any{"id": id, "do": do, "args": args})
	if err != nil {
		b.t.Fatal(err)
	}
	pause := time.NewTicker(20 * time.Millisecond)
	defer pause.Stop()
	for deadline := time.Now().Add(30 * time.Second); ; <-pause.C {
		a, err := b.once(body)
		if err == nil {
			if a.Error != nil {
				b.t.Fatalf("%s %s was refused: %+v", do, id, *a.Error)
			}
			return a
		}
		if time.Now().After(deadline) {
			b.t.Fatalf("%s %s has had no answer for 30 s: %v", do, id, err)
		}
	}
}

// killings is what happens in one round; a shorter list of till kills keeps the
// supervisor's growing pauses short.
var killings = []string{"till", "signer", "till", "till", "everything", "till", "signer", "till", "till", "up alone"}

// batter kills what is named, each time after some work was done since the last one.
func (b *battered) batter(done <-chan struct{}, rounds int) (kills int) {
	for range rounds {
		for _, what := range killings {
			if !b.worked(done) {
				return kills
			}
			select {
			case <-time.After(time.Duration(b.dice.IntN(60_000)) * time.Microsecond):
			case <-done:
				return kills
			}
			b.killOne(what)
			kills++
		}
	}
	return kills
}

// worked waits until the till has answered a few commands more.
func (b *battered) worked(done <-chan struct{}) bool {
	pause := time.NewTicker(5 * time.Millisecond)
	defer pause.Stop()
	for want := b.answered.Load() + int64(1+b.dice.IntN(6)); b.answered.Load() < want; {
		select {
		case <-pause.C:
		case <-done:
			return false
		}
	}
	return true
}

func (b *battered) killOne(what string) {
	r := b.current()
	switch what {
	case "till", "signer":
		if pid := r.childProcess(what); pid > 0 {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	default:
		till := r.childProcess("till")
		r.kill(what == "everything")
		b.gone(till)
		next := up(b.t, b.exe, b.dir)
		b.mu.Lock()
		b.r = next
		b.mu.Unlock()
	}
}

// gone waits for a process that nobody holds any more to end.
func (b *battered) gone(pid int) {
	pause := time.NewTicker(5 * time.Millisecond)
	defer pause.Stop()
	for deadline := time.Now().Add(15 * time.Second); pid > 0; <-pause.C {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil || strings.Contains(string(stat), ") Z ") {
			return
		}
		if time.Now().After(deadline) {
			b.t.Errorf("the till lives on 15 s after plomb up was killed")
			return
		}
	}
}

// sold is a sale that was acknowledged.
type sold struct {
	id     string
	number int64
	index  uint64
	total  int64
	code   string
}

// TestKilledAtRandomNothingIsLostOrDoubled sells with command ids that are
// repeated until they are answered, while till, signer and everything are killed.
//
// Requirement: FM-02, POS-01
func TestKilledAtRandomNothingIsLostOrDoubled(t *testing.T) {
	if testing.Short() {
		t.Skip("kills real processes for half a minute")
	}
	b := newBattered(t, filepath.Join(t.TempDir(), "shop"))
	done, ended := make(chan struct{}), make(chan int, 1)
	go func() { ended <- b.batter(done, 3) }()
	var sales []sold
	kills := 0
	for began := time.Now(); kills == 0; {
		sales = append(sales, b.sell())
		select {
		case kills = <-ended:
		default:
			if time.Since(began) > 50*time.Second {
				close(done)
				kills = <-ended
			}
		}
	}
	if kills < 20 {
		t.Errorf("only %d processes were killed in time, want at least 20", kills)
	}
	t.Logf("%d processes killed, %d sales acknowledged", kills, len(sales))
	b.answersStay(sales)
	b.current().stop()
	b.judge(sales)
}

// sell sells one to three pieces of an article whose price the first answer tells;
// a basket that had lost or doubled a line would have another total.
func (b *battered) sell() sold {
	b.t.Helper()
	first := b.insist("basket.add", map[string]any{"sku": sku})
	if first.State.Basket == nil || len(first.State.Basket.Lines) != 1 {
		b.t.Fatalf("after the first article the basket is %+v", first.State.Basket)
	}
	price := first.State.Basket.Total
	pieces := int64(1)
	for range b.dice.IntN(3) {
		pieces++
		a := b.insist("basket.add", map[string]any{"sku": sku})
		if a.State.Basket == nil || a.State.Basket.Total != price*pieces {
			b.t.Fatalf("with %d pieces at %d the basket is %+v", pieces, price, a.State.Basket)
		}
	}
	id := uuid.Must(uuid.NewV7()).String()
	a := b.again(id, "basket.tender", map[string]any{"type": "cash", "complete": true})
	if a.Result.Receipt == nil || a.Result.Receipt.Total != price*pieces {
		b.t.Fatalf("receipt of %d pieces at %d: %+v", pieces, price, a.Result)
	}
	return sold{id: id, number: a.Result.Receipt.Number, index: a.Result.Receipt.Index, total: a.Result.Receipt.Total, code: a.Result.Receipt.Code}
}

// sku is an article of the sample shop that is sold by the piece, without deposit.
const sku = "BRD-01"

// answersStay repeats every sale's command: each has its first answer.
func (b *battered) answersStay(sales []sold) {
	b.t.Helper()
	for _, s := range sales {
		a := b.again(s.id, "basket.tender", map[string]any{"type": "cash", "complete": true})
		if r := a.Result.Receipt; r == nil || r.Number != s.number || r.Index != s.index || r.Total != s.total {
			b.t.Errorf("repeated sale %d is answered %+v, was %+v", s.number, r, s)
		}
	}
}

// exported is a line of plomb export journal, as far as it is judged here.
type exported struct {
	Index   uint64           `json:"index"`
	Kind    string           `json:"kind"`
	Command string           `json:"command"`
	Numbers map[string]int64 `json:"numbers"`
	Body    struct {
		Document struct {
			Total int64 `json:"total"`
		} `json:"document"`
	} `json:"body"`
}

// judge reads the journal with other programs and compares it with what was acknowledged.
func (b *battered) judge(sales []sold) {
	b.t.Helper()
	receipts := map[string][]exported{}
	var next, grand int64 = 1, 0
	for _, e := range exportOf(b.t, b.exe, b.dir) {
		if e.Kind != "receipt" {
			continue
		}
		receipts[e.Command] = append(receipts[e.Command], e)
		if n := e.Numbers["document"]; n != next {
			b.t.Errorf("entry %d has number %d, want %d", e.Index, n, next)
		}
		next++
		grand += e.Body.Document.Total
		if got := e.Numbers["sale-after"]; got != grand {
			b.t.Errorf("entry %d has the grand total %d, the documents up to it make %d", e.Index, got, grand)
		}
	}
	if int(next-1) != len(sales) {
		b.t.Errorf("%d receipts in the journal, %d sales were acknowledged and none given up", next-1, len(sales))
	}
	for _, s := range sales {
		es := receipts[strings.ReplaceAll(s.id, "-", "")]
		if len(es) != 1 || es[0].Index != s.index || es[0].Numbers["document"] != s.number || es[0].Body.Document.Total != s.total {
			b.t.Errorf("sale %+v is in the journal as %+v", s, es)
		}
	}
	wholeSays(b.t, b.exe, b.dir, sales[len(sales)-1].code)
}

// exportOf is the whole journal as plomb export writes it.
func exportOf(t *testing.T, exe, dir string) (entries []exported) {
	t.Helper()
	out, err := exec.Command(exe, "export", "journal", "--dir", dir, "--out", "-").Output()
	if err != nil {
		t.Fatalf("export: %v", err)
	}
	lines := bufio.NewScanner(bytes.NewReader(out))
	lines.Buffer(nil, 4<<20)
	for lines.Scan() {
		var e exported
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			t.Fatalf("export line %s: %v", lines.Text(), err)
		}
		entries = append(entries, e)
	}
	return entries
}

// wholeSays lets plomb-verify judge a till's directory with policy, keys and a receipt.
func wholeSays(t *testing.T, exe, dir, code string) {
	t.Helper()
	policy, keys := filepath.Join(t.TempDir(), "policy"), filepath.Join(t.TempDir(), "keys")
	text, err := exec.Command(exe, "policy", "show", "--dir", dir).Output()
	if err != nil {
		t.Fatalf("policy: %v", err)
	}
	if err := os.WriteFile(policy, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(exe, "keys", "export", "--dir", dir, "--out", keys).CombinedOutput(); err != nil {
		t.Fatalf("keys: %v\n%s", err, out)
	}
	verify := exec.Command(verifier(t), "--policy", policy, "--keys", keys, "--receipt", code, dir)
	out, _ := verify.CombinedOutput()
	if got := verify.ProcessState.ExitCode(); got != 0 && !(got == 3 && unsignedTailOnly(string(out))) {
		t.Errorf("plomb-verify ended with %d:\n%s", got, out)
	}
}

// unsignedTailOnly: the signer may be gone before the till has put its last words away.
func unsignedTailOnly(said string) bool {
	return strings.Contains(said, "note: no signature covers the last ") && !strings.Contains(said, "tampered")
}
