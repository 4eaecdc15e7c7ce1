//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/plomb-pos/plomb/driver/sim"
	"github.com/plomb-pos/plomb/driver/sim/panel"
	"github.com/plomb-pos/plomb/internal/netns"
	"github.com/plomb-pos/plomb/till/devices/dispensertest"
	"github.com/plomb-pos/plomb/xfs4iot/dialout"
	"github.com/plomb-pos/plomb/xfs4iot/host"
	"github.com/plomb-pos/plomb/xfs4iot/pki"
)

func init() { programs["hooked-devices"] = hookedMain }

// A till in a data centre, devices in a shop behind a router that lets nothing in:
//
//	centre 203.0.113.2 ── 203.0.113.1 router 10.77.0.1 ── 10.77.0.2 shop
type hosted struct {
	t                    *testing.T
	dir                  string
	centre, router, shop *netns.Host
	wan, lan             *netns.Wire
	beat                 string // heartbeat of both sides

	till    *exec.Cmd
	url     string
	setup   string
	client  *http.Client
	devices *exec.Cmd
	steps   chan string // what the devices' process said
	tell    io.Writer   // to the devices' process
}

func newHosted(t *testing.T) *hosted {
	t.Helper()
	netns.Need(t)
	if testing.Short() {
		t.Skip("starts several processes")
	}
	h := &hosted{t: t, dir: t.TempDir(), beat: "300ms"}
	h.centre, h.router, h.shop = netns.NewHost(t, "centre"), netns.NewHost(t, "router"), netns.NewHost(t, "shop")
	h.wan = netns.Connect(t, h.centre, "203.0.113.2/24", h.router, "203.0.113.1/24")
	h.lan = netns.Connect(t, h.shop, "10.77.0.2/24", h.router, "10.77.0.1/24")
	h.shop.Run("ip", "route", "add", "default", "via", "10.77.0.1")
	h.router.Masquerade(h.wan)
	jar, err := cookiejar.New(nil)
	h.must(err)
	h.client = &http.Client{Jar: jar, Timeout: 20 * time.Second, Transport: &http.Transport{DialContext: h.centre.DialContext, DisableKeepAlives: true}}
	h.run("pki", "init", "--dir", h.path("pki"))
	h.run("pki", "issue", "--dir", h.path("pki"), "stranger")
	h.must(ensureTill(t.Context(), h.path("till")))
	return h
}

func (h *hosted) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *hosted) path(elements ...string) string {
	return filepath.Join(append([]string{h.dir}, elements...)...)
}

func (h *hosted) identity(name string) string { return h.path("pki", "identities", name) }

// run runs plomb in this process.
func (h *hosted) run(args ...string) {
	h.t.Helper()
	var said bytes.Buffer
	if code := run(h.t.Context(), args, streams{strings.NewReader(""), io.Discard, &said}); code != exitDone {
		h.t.Fatalf("plomb %s: exit code %d\n%s", strings.Join(args, " "), code, said.String())
	}
}

// start starts a program on a host, with its standard error in the test's log, and
// gives its standard output.
func (h *hosted) start(at *netns.Host, program string, args ...string) (*exec.Cmd, io.Writer, *bufio.Reader) {
	h.t.Helper()
	path, err := exec.LookPath(program)
	h.must(err)
	cmd := at.Command(path, args...)
	log, err := os.OpenFile(h.path(program+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	h.must(err)
	cmd.Stderr = log
	in, err := cmd.StdinPipe()
	h.must(err)
	out, err := cmd.StdoutPipe()
	h.must(err)
	h.must(cmd.Start())
	h.t.Cleanup(func() {
		kill(cmd)
		log.Close()
		if text, err := os.ReadFile(h.path(program + ".log")); err == nil && h.t.Failed() {
			h.t.Logf("%s said:\n%s", program, tail(text))
		}
		_ = os.Remove(h.path(program + ".log"))
	})
	return cmd, in, bufio.NewReader(out)
}

func tail(text []byte) []byte { return text[max(0, len(text)-8000):] }

// kill is kill -9.
func kill(cmd *exec.Cmd) {
	if cmd != nil && cmd.ProcessState == nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
}

// startTill starts the till in the data centre.
func (h *hosted) startTill() {
	h.t.Helper()
	cmd, _, out := h.start(h.centre, "plomb", "till", "--dir", h.path("till"), "--listen", "127.0.0.1:8480",
		"--identity", h.identity("till"), "--accept-devices", "203.0.113.2:5860", "--heartbeat", h.beat)
	line, err := out.ReadString('\n')
	if err != nil {
		h.t.Fatalf("till ended before it was ready: %v", err)
	}
	var ready tillReady
	h.must(json.Unmarshal([]byte(line), &ready))
	h.till, h.url, h.setup = cmd, strings.TrimSuffix(ready.Till, "/"), ready.Setup
}

// post sends JSON to the till; a connection that breaks is tried anew.
func (h *hosted) post(path string, body any, into any) {
	h.t.Helper()
	data, err := json.Marshal(body)
	h.must(err)
	for deadline := time.Now().Add(20 * time.Second); ; {
		resp, err := h.client.Post(h.url+path, "application/json", bytes.NewReader(data))
		if err != nil && time.Now().Before(deadline) {
			continue
		}
		h.must(err)
		text, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK {
			h.t.Fatalf("POST %s %s = %s %s (%v)", path, data, resp.Status, text, err)
		}
		if into != nil {
			h.must(json.Unmarshal(text, into))
		}
		return
	}
}

func (h *hosted) do(name string, args map[string]any) (result json.RawMessage) {
	h.t.Helper()
	return h.approved(name, args, nil)
}

func (h *hosted) approved(name string, args, approval map[string]any) json.RawMessage {
	h.t.Helper()
	command := map[string]any{"id": uuid.Must(uuid.NewV7()).String(), "do": name, "args": args}
	if approval != nil {
		command["approval"] = approval
	}
	var answer struct{ Result json.RawMessage }
	h.post("/api/command", command, &answer)
	return answer.Result
}

// open sets the shop up, signs a supervisor in and opens the drawer.
func (h *hosted) open() {
	h.t.Helper()
	h.post("/api/setup", map[string]any{
		"code":          h.setup,
		"shop":          map[string]any{"name": "Test shop", "country": "DE", "currency": "EUR", "taxNumber": "DE123456789", "language": "en"},
		"administrator": map[string]any{"id": "1", "name": "Ada", "pin": "246810"},
		"people":        []map[string]any{{"id": "3", "name": "Sue", "role": "supervisor", "pin": "975310"}},
	}, nil)
	h.signIn()
	h.do("drawer.open", map[string]any{"amount": 10000})
}

func (h *hosted) signIn() {
	h.t.Helper()
	h.post("/api/sign-in", map[string]any{"person": "3", "pin": "975310"}, nil)
}

// screen is what the test reads of the till's state.
type screen struct {
	Devices []struct{ Kind, State string }
	Notices []struct{ Code string }
	Last    *struct {
		Number             int64
		Change             int64
		Printed, Dispensed string
	} `json:"lastReceipt"`
	Dispense *struct {
		Intent uint64
		State  string
		Decide bool
	}
}

func (s screen) ready(kind string) bool {
	for _, d := range s.Devices {
		if d.Kind == kind && d.State != "down" {
			return true
		}
	}
	return false
}

// until follows the till's event stream until the screen is as wanted.
func (h *hosted) until(what string, want func(screen) bool) screen {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), 30*time.Second)
	defer cancel()
	var last screen
	for ctx.Err() == nil {
		req, err := http.NewRequestWithContext(ctx, "GET", h.url+"/api/events", nil)
		h.must(err)
		resp, err := h.client.Do(req)
		if err != nil {
			continue // the till is being started again
		}
		for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
			data, ok := strings.CutPrefix(lines.Text(), "data: ")
			var s screen
			if !ok || json.Unmarshal([]byte(data), &s) != nil {
				continue
			}
			if last = s; want(s) {
				resp.Body.Close()
				return s
			}
		}
		resp.Body.Close()
	}
	h.t.Fatalf("%s: the screen never showed it; last %+v dispense %+v receipt %+v", what, last, last.Dispense, last.Last)
	return last
}

// sell rings up bread for 3.49 against 5.00.
func (h *hosted) sell() {
	h.t.Helper()
	h.do("basket.add", map[string]any{"sku": "BRD-01"})
	h.do("basket.tender", map[string]any{"type": "cash", "amount": 500, "complete": true})
}

// books are what the till's journal says of dispenses.
type books struct {
	open    int // intents without outcome
	intents int
	paid    int64 // by Dispensed entries
	decided int   // by a person
	kinds   map[string]int
}

// books reads the till's journal from its files, as anybody with the disk could.
func (h *hosted) books() (b books) {
	h.t.Helper()
	var out, said bytes.Buffer
	if code := run(h.t.Context(), []string{"journal", "show", "--json", "--dir", h.path("till")}, streams{nil, &out, &said}); code != exitDone {
		h.t.Fatalf("journal show: %d %s", code, said.String())
	}
	b.kinds = map[string]int{}
	dispenses := map[uint64]bool{}
	for line := range strings.Lines(out.String()) {
		var e struct {
			Index uint64
			Kind  string
			Body  struct {
				Action string
				Intent uint64
				Amount int64
				Result string
			}
		}
		h.must(json.Unmarshal([]byte(line), &e))
		b.kinds[e.Kind]++
		switch {
		case e.Kind == "intent" && e.Body.Action == "dispense":
			b.intents++
			dispenses[e.Index] = true
		case e.Kind == "outcome" && dispenses[e.Body.Intent]:
			delete(dispenses, e.Body.Intent)
			if strings.HasSuffix(e.Body.Result, "-said") {
				b.decided++
			}
		case e.Kind == "dispensed":
			b.paid += e.Body.Amount
		}
	}
	b.open = len(dispenses)
	return b
}

// verify has the whole journal checked.
func (h *hosted) verify() {
	h.t.Helper()
	var said bytes.Buffer
	if code := run(h.t.Context(), []string{"journal", "verify", "--dir", h.path("till")}, streams{nil, &said, &said}); code != int(unchecked) {
		h.t.Errorf("journal verify: exit code %d\n%s", code, said.String())
	}
}

// Requirement: XFS-06
func TestAHostedTillSellsThroughDevicesBehindNAT(t *testing.T) {
	h := newHosted(t)
	h.startTill()
	if err := h.centre.Try("ip", "route", "get", "10.77.0.2"); err == nil {
		t.Error("the data centre has a route to the shop: this test shows nothing")
	}
	cmd, _, out := h.start(h.shop, "plomb", "devices", "--json", "--dispenser", "--dir", h.path("shop"), "--heartbeat", h.beat,
		"--identity", h.identity("devices"), "--dial", "203.0.113.2:5860", "--dial-name", "till")
	line, err := out.ReadString('\n')
	h.must(err)
	var ready struct{ Control string }
	h.must(json.Unmarshal([]byte(line), &ready))
	h.open()
	all := func(s screen) bool {
		return s.ready("printer") && s.ready("scanner") && s.ready("display") && s.ready("dispenser")
	}
	h.until("devices", all)
	h.sell()
	h.until("cash at the dispenser", func(s screen) bool { return s.Dispense != nil && s.Dispense.State == "take" })
	shop := &http.Client{Transport: &http.Transport{DialContext: h.shop.DialContext}}
	h.act(shop, ready.Control, dispenserName, "take")
	s := h.until("receipt printed and change taken", func(s screen) bool {
		return s.Dispense == nil && s.Last != nil && s.Last.Printed == "yes" && s.Last.Dispensed == "yes"
	})
	if s.Last.Change != 151 || h.books().paid != 151 {
		t.Errorf("change %d, journaled %d, want 151", s.Last.Change, h.books().paid)
	}
	if text := h.faces(shop, ready.Control); !strings.Contains(text, "Bread") && !strings.Contains(text, "3.49") {
		t.Errorf("the shop's printer does not show the receipt: %.2000s", text)
	}

	kill(cmd) // power cut in the shop
	h.until("devices gone", func(s screen) bool { return !s.ready("printer") })
	_, _, out = h.start(h.shop, "plomb", "devices", "--json", "--dispenser", "--dir", h.path("shop"), "--heartbeat", h.beat,
		"--identity", h.identity("devices"), "--dial", "203.0.113.2:5860", "--dial-name", "till")
	line, err = out.ReadString('\n')
	h.must(err)
	h.must(json.Unmarshal([]byte(line), &ready))
	h.until("devices back", all)
	kill(h.till) // power cut in the data centre
	h.startTill()
	h.signIn()
	h.until("devices back at the till", all)
	h.sell()
	h.until("cash at the dispenser", func(s screen) bool { return s.Dispense != nil && s.Dispense.State == "take" })
	h.act(shop, ready.Control, dispenserName, "take")
	h.until("second change", func(s screen) bool { return s.Dispense == nil && s.Last.Dispensed == "yes" })
	if b := h.books(); b.paid != 302 || b.open != 0 || b.kinds["device-state"] == 0 {
		t.Errorf("books = %+v, want 3.02 paid", b)
	}
	h.verify()
}

// commandsOf lists the commands of a guide's code blocks of one label, as words.
func commandsOf(t *testing.T, guide, label string) (commands [][]string) {
	t.Helper()
	text, err := os.ReadFile(guide)
	if err != nil {
		t.Fatal(err)
	}
	inside := false
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "```"):
			inside = line == strings.TrimSpace("```sh "+label)
		case inside:
			commands = append(commands, strings.Fields(line))
		}
	}
	if len(commands) == 0 {
		t.Fatalf("%s has no commands for %q", guide, label)
	}
	return commands
}

// Requirement: XFS-06
func TestTheGuideToAHostedTillWorks(t *testing.T) {
	const guide = "../../docs/guides/hosted-till.md"
	before := commandsOf(t, guide, "")
	till, devices := commandsOf(t, guide, "centre"), commandsOf(t, guide, "shop")
	after := append(commandsOf(t, guide, "shop after"), commandsOf(t, guide, "centre after")...)
	h := newHosted(t)
	t.Chdir(h.dir)
	h.run(before[0][1:]...)
	cmd, _, out := h.start(h.centre, till[0][0], till[0][1:]...)
	line, err := out.ReadString('\n')
	h.must(err)
	var ready tillReady
	h.must(json.Unmarshal([]byte(line), &ready))
	h.till, h.url, h.setup = cmd, strings.TrimSuffix(ready.Till, "/"), ready.Setup
	h.start(h.shop, devices[0][0], devices[0][1:]...)
	h.open()
	h.until("all devices", func(s screen) bool {
		return s.ready("printer") && s.ready("scanner") && s.ready("display") && s.ready("dispenser")
	})
	h.sell()
	h.until("cash at the dispenser", func(s screen) bool { return s.Dispense != nil && s.Dispense.State == "take" })
	shop := &http.Client{Transport: &http.Transport{DialContext: h.shop.DialContext}}
	h.act(shop, "http://127.0.0.1:8481/", dispenserName, "take")
	h.until("sold", func(s screen) bool { return s.Dispense == nil && s.Last.Printed == "yes" && s.Last.Dispensed == "yes" })
	for _, c := range append(after, before[1:]...) {
		h.run(c[1:]...)
	}
}

// act does something at the simulated devices with a person's hands.
func (h *hosted) act(c *http.Client, control, device, act string) {
	h.t.Helper()
	resp, err := c.Post(control+"api/devices/"+device+"/"+act, "application/json", strings.NewReader("{}"))
	h.must(err)
	defer resp.Body.Close()
	if text, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusNoContent {
		h.t.Fatalf("%s at %s: %s %s", act, device, resp.Status, text)
	}
}

func (h *hosted) faces(c *http.Client, control string) string {
	h.t.Helper()
	resp, err := c.Get(control + "api/devices")
	h.must(err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	h.must(err)
	return string(text)
}

// --- a device host that stops at each step of an order ---

// hookedMain is the program "hooked-devices": dispenser and printer behind the tunnel.
// On standard input it is told what to do, on standard output it says what happens.
func hookedMain() {
	if err := hooked(os.Args[1], os.Args[2], os.Args[3], os.Args[4]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func hooked(identity, address, state, beat string) error {
	creds, err := credentials(identity, pki.Policy{})
	if err != nil {
		return err
	}
	dispenser, err := dispensertest.Open(state)
	if err != nil {
		return err
	}
	heartbeat, err := time.ParseDuration(beat)
	if err != nil {
		return err
	}
	devices := sim.New(sim.Options{})
	if err := devices.Add("CashDispenser", onCounter{dispenser}); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(context.Background())
	k := counter{service: "127.0.0.1:0", control: "127.0.0.1:0", creds: creds, clients: []string{"till"}}
	d, err := k.serve(ctx, group, devices)
	if err != nil {
		return err
	}
	flags := dialFlags{Dial: address, DialName: "till", Heartbeat: heartbeat}
	if err := flags.dialOut(ctx, group, d.address, creds, func(dialout.Event) {}, slog.New(slog.NewTextHandler(os.Stderr, nil))); err != nil {
		return err
	}
	p := &puppet{d: dispenser}
	dispenser.AtStep = p.step
	group.Go(func() error { p.obey(); return io.EOF })
	return group.Wait()
}

// onCounter makes the test's dispenser one of the simulated devices.
type onCounter struct{ d *dispensertest.Dispenser }

func (c onCounter) Class() string            { return "dispenser" }
func (c onCounter) Service() *host.Service   { return c.d.Service }
func (c onCounter) State() any               { return map[string]int{"paid": c.d.Paid()} }
func (c onCounter) Changed() <-chan struct{} { return nil }
func (c onCounter) Acts() []panel.Act        { return nil }

// puppet does what the test says.
type puppet struct {
	d     *dispensertest.Dispenser
	mu    sync.Mutex
	stop  dispensertest.Step // where to stop, once
	blind bool
	wait  chan struct{}
}

func (p *puppet) step(s dispensertest.Step) {
	p.mu.Lock()
	here, wait := p.stop == s, p.wait
	if here {
		p.stop = ""
	}
	p.mu.Unlock()
	if here {
		fmt.Println("at", s)
		<-wait
	}
	if s == dispensertest.Presented {
		p.d.Take()
		p.mu.Lock()
		blind := p.blind
		p.mu.Unlock()
		if blind {
			p.d.SetBlind(true)
		}
	}
}

func (p *puppet) obey() {
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		word, rest, _ := strings.Cut(lines.Text(), " ")
		p.mu.Lock()
		switch word {
		case "stop": // at a step
			p.stop, p.wait = dispensertest.Step(rest), make(chan struct{})
			fmt.Println("will stop")
		case "go":
			close(p.wait)
		case "take":
			p.d.Take()
		case "paid":
			fmt.Println("paid", p.d.Paid())
		case "blind": // the sensor will be broken after the next cash was taken
			p.blind = true
			fmt.Println("will be blind")
		case "mend":
			p.blind = false
			p.d.SetBlind(false)
			fmt.Println("mended")
		}
		p.mu.Unlock()
	}
}

func (h *hosted) startHooked() {
	h.t.Helper()
	cmd, in, out := h.start(h.shop, "hooked-devices", h.identity("devices"), "203.0.113.2:5860", h.path("dispenser.json"), h.beat)
	steps := make(chan string, 10)
	go func() {
		defer close(steps)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			steps <- lines.Text()
		}
	}()
	h.devices, h.tell, h.steps = cmd, in, steps
}

func (h *hosted) say(line string) {
	h.t.Helper()
	_, err := fmt.Fprintln(h.tell, line)
	h.must(err)
}

func (h *hosted) hear() string {
	h.t.Helper()
	select {
	case line := <-h.steps:
		return line
	case <-time.After(30 * time.Second):
		h.t.Fatal("the devices say nothing")
		return ""
	}
}

// hears waits for one line.
func (h *hosted) hears(want string) {
	h.t.Helper()
	if got := h.hear(); got != want {
		h.t.Fatalf("devices said %q, want %q", got, want)
	}
}

// customer is what the customer really has.
func (h *hosted) customer() (cents int64) {
	h.t.Helper()
	h.say("paid")
	if _, err := fmt.Sscanf(h.hear(), "paid %d", &cents); err != nil {
		h.t.Fatal(err)
	}
	return cents
}

// settled waits until no order is open, and holds the journal against the truth.
func (h *hosted) settled(when string) {
	h.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; {
		h.until(when, func(s screen) bool { return s.ready("dispenser") })
		idle := h.idle()
		b := h.books()
		if b.open == 0 && idle {
			if got := h.customer(); got != b.paid {
				h.t.Errorf("%s: the customer has %d, the journal says %d", when, got, b.paid)
			}
			return
		}
		if time.Now().After(deadline) {
			h.t.Fatalf("%s: never settled: %+v", when, b)
		}
	}
}

// idle reports whether nothing is being paid out, nor waits to be.
func (h *hosted) idle() bool {
	s := h.until("screen", func(screen) bool { return true })
	return s.Dispense == nil && (s.Last == nil || s.Last.Dispensed != "pending")
}

// faults are what happens to a hosted till while an order is at a step.
var faults = map[string]func(h *hosted){
	"link cut": func(h *hosted) {
		h.lan.Cut()
		h.say("go")
		h.until("the till notices", func(s screen) bool { return !s.ready("dispenser") })
		h.lan.Mend()
	},
	"link cut shortly": func(h *hosted) {
		h.lan.Cut()
		h.say("go")
		h.lan.Mend()
	},
	"till killed": func(h *hosted) {
		kill(h.till)
		h.say("go")
		h.startTill()
	},
	"devices killed": func(h *hosted) {
		kill(h.devices)
		h.startHooked()
		h.say("take") // what lies at the output, if anything
	},
	"orders lost, answers not": func(h *hosted) {
		h.router.Lose(h.wan)
		h.say("go")
		h.until("the till notices", func(s screen) bool { return !s.ready("dispenser") })
		h.router.Find()
	},
}

// Whatever breaks at whatever moment: what the customer has is what the journal
// says, and nothing is paid twice.
//
// Requirement: XFS-06
func TestCutsAtEveryStepOfADispense(t *testing.T) {
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHosted(t)
			h.startTill()
			h.startHooked()
			h.open()
			h.until("dispenser", func(s screen) bool { return s.ready("dispenser") })
			for _, step := range dispensertest.Steps() {
				h.say("stop " + string(step))
				h.hears("will stop")
				before := h.books()
				h.sell()
				h.hears("at " + string(step))
				fault(h)
				h.settled(name + " at " + string(step))
				after := h.books()
				if got := after.paid - before.paid; got != 0 && got != 151 || after.intents > before.intents+1 {
					t.Errorf("%s: %d paid for a change of 151, %d orders", step, got, after.intents-before.intents)
				}
				t.Logf("%-26s at %-10s paid %d", name, step, after.paid-before.paid)
			}
			h.verify()
		})
	}
}

// A dispenser that lost its own memory in the cut: the till does not guess.
//
// Requirement: XFS-06
func TestAfterACutThatNobodyCanReadAPersonDecides(t *testing.T) {
	t.Parallel()
	h := newHosted(t)
	h.startTill()
	h.startHooked()
	h.open()
	h.until("dispenser", func(s screen) bool { return s.ready("dispenser") })
	h.say("blind")
	h.hears("will be blind")
	h.say("stop " + string(dispensertest.Presented))
	h.hears("will stop")
	h.sell()
	h.hears("at " + string(dispensertest.Presented))
	h.lan.Cut()
	h.say("go")
	h.until("the till notices", func(s screen) bool { return !s.ready("dispenser") })
	h.lan.Mend()
	s := h.until("a person is asked", func(s screen) bool { return s.Dispense != nil && s.Dispense.Decide && s.Dispense.State == "unknown" })
	if b := h.books(); b.open != 1 || b.paid != 0 {
		t.Errorf("before the decision: %+v", b)
	}
	h.approved("dispense.decide", map[string]any{"intent": s.Dispense.Intent, "paid": true, "reason": "the customer showed it"},
		map[string]any{"person": "3", "pin": "975310"})
	b := h.books()
	if b.open != 0 || b.decided != 1 || b.paid != h.customer() {
		t.Errorf("after the decision: %+v, the customer has %d", b, h.customer())
	}
	h.say("mend")
	h.hears("mended")
	h.sell()
	h.settled("the next sale")
	h.verify()
}

// Requirement: XFS-06
func TestAStrangerIsNotTakenForTheDevices(t *testing.T) {
	t.Parallel()
	h := newHosted(t)
	h.startTill()
	h.start(h.shop, "plomb", "devices", "--json", "--control", "127.0.0.1:0", "--heartbeat", h.beat,
		"--identity", h.identity("stranger"), "--dial", "203.0.113.2:5860", "--dial-name", "till")
	for deadline := time.Now().Add(20 * time.Second); h.books().kinds["connection-refused"] == 0; {
		if time.Now().After(deadline) {
			t.Fatal("a stranger's connection is not journaled")
		}
	}
}
