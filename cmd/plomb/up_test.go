package main_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
)

// bin builds plomb and plomb-boot once for all tests, in a folder that TestMain
// removes.
var bin = sync.OnceValues(func() (string, error) {
	dir := os.Getenv("PLOMB_TEST_BIN")
	for name, folder := range map[string]string{"plomb": ".", "plomb-boot": "../plomb-boot"} {
		if out, err := exec.Command("go", "build", "-ldflags=-s -w", "-o", filepath.Join(dir, name), folder).CombinedOutput(); err != nil {
			return "", fmt.Errorf("build %s: %w\n%s", name, err, out)
		}
	}
	return dir, nil
})

// program is plomb in a folder of its own, without its launcher.
func program(t *testing.T) string { return laidOut(t, "plomb") }

// sealedProgram is plomb with its launcher beside it, as make build lays them out.
func sealedProgram(t *testing.T) string { return laidOut(t, "plomb", "plomb-boot") }

func laidOut(t *testing.T, names ...string) string {
	t.Helper()
	from, err := bin()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, name := range names {
		if err := os.Link(filepath.Join(from, name), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, names[0])
}

// running is a `plomb up` in a process of its own.
type running struct {
	t       *testing.T
	cmd     *exec.Cmd
	client  *http.Client
	Till    string
	Devices string
	Control string
	Setup   string
}

func up(t *testing.T, exe, dir string) *running {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	r := &running{t: t, cmd: exec.Command(exe, "up", "--json", "--dir", dir, "--listen", "127.0.0.1:0"), client: &http.Client{Jar: jar, Timeout: 20 * time.Second}}
	var log bytes.Buffer
	r.cmd.Stderr = &log
	stdout, err := r.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.stop(); t.Logf("plomb up said:\n%s", log.String()) })
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("plomb up ended before it was ready: %v\n%s", err, log.String())
	}
	if err := json.Unmarshal([]byte(line), r); err != nil {
		t.Fatalf("ready line %q: %v", line, err)
	}
	return r
}

// stop ends everything as Ctrl-C does.
func (r *running) stop() {
	if r.cmd.ProcessState != nil {
		return
	}
	r.cmd.Process.Signal(os.Interrupt)
	if err := r.cmd.Wait(); err != nil {
		r.t.Errorf("plomb up ended with %v after an interrupt, want a clean end", err)
	}
}

// post sends JSON and decodes the answer; a connection that breaks because the till is being started again is tried anew.
func (r *running) post(path string, body any) map[string]any {
	r.t.Helper()
	data, err := json.Marshal(body)
	if err != nil {
		r.t.Fatal(err)
	}
	deadline := time.Now().Add(20 * time.Second)
	for {
		resp, err := r.client.Post(strings.TrimSuffix(r.Till, "/")+path, "application/json", bytes.NewReader(data))
		if err != nil {
			if time.Now().After(deadline) {
				r.t.Fatalf("POST %s: %v", path, err)
			}
			continue
		}
		text, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK {
			r.t.Fatalf("POST %s %s = %s %s (%v)", path, data, resp.Status, text, err)
		}
		var answer map[string]any
		if err := json.Unmarshal(text, &answer); err != nil {
			r.t.Fatalf("POST %s: %v", path, err)
		}
		return answer
	}
}

func (r *running) do(name string, args map[string]any) map[string]any {
	r.t.Helper()
	return r.post("/api/command", map[string]any{"id": uuid.Must(uuid.NewV7()).String(), "do": name, "args": args})
}

// setUp names the shop and its people with the code of the first start.
func (r *running) setUp() {
	r.t.Helper()
	r.post("/api/setup", map[string]any{
		"code":          r.Setup,
		"shop":          map[string]any{"name": "Test shop", "country": "DE", "currency": "EUR", "taxNumber": "DE123456789", "language": "en"},
		"administrator": map[string]any{"id": "1", "name": "Ada", "pin": "246810"},
		"people": []map[string]any{
			{"id": "2", "name": "Otto", "role": "operator", "pin": "135790"}, {"id": "3", "name": "Sue", "role": "supervisor", "pin": "975310"},
		},
	})
}

func (r *running) signIn() {
	r.t.Helper()
	r.post("/api/sign-in", map[string]any{"person": "2", "pin": "135790"})
}

// tillProcess finds the till among the processes below up; the launcher may stand
// between them.
func (r *running) tillProcess() int {
	r.t.Helper()
	if _, err := os.Stat(fmt.Sprintf("/proc/%d/task", r.cmd.Process.Pid)); err != nil {
		if os.Getenv("CI") == "true" {
			r.t.Fatalf("list the children of plomb up: %v", err)
		}
		r.t.Skipf("this system does not list a process's children: %v", err)
	}
	pid := tillBelow(r.cmd.Process.Pid)
	if pid == 0 {
		r.t.Fatal("no till among the children of plomb up")
	}
	return pid
}

func tillBelow(pid int) int {
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid)) // no bad pattern
	for _, task := range tasks {
		list, err := os.ReadFile(task)
		if err != nil {
			continue // a thread that has ended
		}
		for _, child := range strings.Fields(string(list)) {
			var n int
			fmt.Sscan(child, &n)
			line, err := os.ReadFile("/proc/" + child + "/cmdline")
			if err == nil && bytes.Contains(line, []byte("\x00till\x00")) {
				return n
			}
			if below := tillBelow(n); below != 0 {
				return below
			}
		}
	}
	return 0
}

// TestFromAnEmptyFolderToASealedSale is the main job: everything starts from
// nothing, a sale goes through a killed till, everything starts again, and the
// verifier that trusts nobody finds the record whole.
//
// Requirement: POS-01, POS-02, FM-02
func TestFromAnEmptyFolderToASealedSale(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program and starts it several times")
	}
	exe, dir := program(t), filepath.Join(t.TempDir(), "shop")
	r := up(t, exe, dir)
	if r.Setup == "" {
		t.Fatal("the first start gave no code for the set-up")
	}
	r.setUp()
	r.signIn()
	r.do("drawer.open", map[string]any{"amount": 10000})
	r.scanAnything(2)

	if err := syscall.Kill(r.tillProcess(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	r.signIn()
	answer := r.do("basket.tender", map[string]any{"type": "cash", "complete": true})
	receipt := answer["result"].(map[string]any)["receipt"].(map[string]any)
	if lines := receipt["number"].(float64); lines != 1 {
		t.Errorf("receipt number = %v, want 1", lines)
	}
	code, _ := receipt["code"].(string)
	if !strings.HasPrefix(code, "PLOMB1:") {
		t.Errorf("receipt code = %q", code)
	}
	r.stop()

	again := up(t, exe, dir)
	if again.Setup != "" {
		t.Error("a shop that is set up gives a set-up code again")
	}
	again.stop()
}

// scanAnything puts articles of the sample shop into the basket.
func (r *running) scanAnything(n int) {
	r.t.Helper()
	resp, err := r.client.Get(strings.TrimSuffix(r.Till, "/") + "/api/articles?limit=50")
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	var found struct {
		Articles []struct {
			SKU       string `json:"sku"`
			Unit      string `json:"unit"`
			OpenPrice bool   `json:"openPrice"`
			AgeLimit  int    `json:"ageLimit"`
		} `json:"articles"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&found); err != nil {
		r.t.Fatal(err)
	}
	for _, a := range found.Articles {
		if n > 0 && a.Unit == "piece" && !a.OpenPrice && a.AgeLimit == 0 {
			r.do("basket.add", map[string]any{"sku": a.SKU, "quantity": 1000000})
			n--
		}
	}
	if n > 0 {
		r.t.Fatalf("the sample shop has %d articles too few to scan: %+v", n, found)
	}
}
