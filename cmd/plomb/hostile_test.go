package main_test

import (
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
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/plomb-pos/plomb/staff"
	"github.com/plomb-pos/plomb/till"
	"github.com/plomb-pos/plomb/till/api"
	"github.com/plomb-pos/plomb/till/tilltest"
)

// get asks a question and decodes the answer.
func (r *running) get(address string, v any) {
	r.t.Helper()
	resp, err := r.client.Get(address)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil {
		err = json.Unmarshal(text, v)
	}
	if err != nil || resp.StatusCode != http.StatusOK {
		r.t.Fatalf("GET %s = %s %s (%v)", address, resp.Status, text, err)
	}
}

// order does to the simulated printer what a person does by hand.
func (r *running) order(name, body string) {
	r.t.Helper()
	resp, err := r.client.Post(r.Control+"api/devices/ReceiptPrinter/"+name, "application/json", strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusNoContent {
		text, _ := io.ReadAll(resp.Body)
		r.t.Fatalf("%s %s = %s %s", name, body, resp.Status, text)
	}
}

// sheet is a piece of paper that came out of the simulated printer.
type sheet struct {
	Number int    `json:"number"`
	Cut    string `json:"cut"`
	Text   string `json:"text"`
}

func (r *running) sheets() []sheet {
	r.t.Helper()
	var faces []struct {
		Name  string `json:"name"`
		State struct {
			Sheets []sheet `json:"sheets"`
		} `json:"state"`
	}
	r.get(r.Control+"api/devices", &faces)
	for _, f := range faces {
		if f.Name == "ReceiptPrinter" {
			return f.State.Sheets
		}
	}
	r.t.Fatal("no printer is shown")
	return nil
}

// eventually asks again until ok; nothing here takes longer than a minute.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	pause := time.NewTicker(50 * time.Millisecond)
	defer pause.Stop()
	for deadline := time.Now().Add(time.Minute); !ok(); <-pause.C {
		if time.Now().After(deadline) {
			t.Fatalf("within a minute it never came true that %s", what)
		}
	}
}

// sellOne sells one article and returns the receipt's number.
func (r *running) sellOne() int64 {
	r.t.Helper()
	r.do("basket.add", map[string]any{"sku": sku})
	var a answer
	text, err := json.Marshal(r.do("basket.tender", map[string]any{"type": "cash", "complete": true}))
	if err == nil {
		err = json.Unmarshal(text, &a)
	}
	if err != nil || a.Result.Receipt == nil {
		r.t.Fatalf("sale: %s (%v)", text, err)
	}
	return a.Result.Receipt.Number
}

// printed waits until it is decided what became of a receipt's print.
func (r *running) printed(number int64) (state string) {
	r.t.Helper()
	eventually(r.t, fmt.Sprintf("the print of receipt %d has ended", number), func() bool {
		var a struct {
			Printed string `json:"printed"`
		}
		r.get(fmt.Sprintf("%sapi/receipts/%d", r.Till, number), &a)
		state = a.Printed
		return state != "pending"
	})
	return state
}

// seen is what the operator is told: codes of notices and of devices.
func (r *running) seen() string {
	r.t.Helper()
	var a struct {
		State struct {
			Devices []struct{ Name, State, Code string }
			Notices []struct{ ID, Code, Text string }
		} `json:"state"`
	}
	text, _ := json.Marshal(r.do("language.set", map[string]any{"language": "en"}))
	if err := json.Unmarshal(text, &a); err != nil {
		r.t.Fatal(err)
	}
	return fmt.Sprintf("%+v", a.State)
}

// TestAPrinterInTroubleStopsNoSaleAndPrintsNoOriginalTwice makes trouble with
// the printer while it is sold, mends it, and prints what was left over.
//
// Requirement: POS-01
func TestAPrinterInTroubleStopsNoSaleAndPrintsNoOriginalTwice(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program and starts it")
	}
	r := up(t, program(t), filepath.Join(t.TempDir(), "shop"))
	r.setUp()
	r.signIn()
	r.do("drawer.open", map[string]any{"amount": 10000})
	eventually(t, "the printer is connected", func() bool { return r.printed(r.sellOne()) == "yes" })
	for _, trouble := range []struct{ name, fault, mend string }{
		{"paper out", `paperOut {}`, `mend {}`},
		{"paper out in the middle", `paperOut {"after":"5"}`, `mend {}`},
		{"cover open", `coverOpen {}`, `mend {}`},
		{"cutter stuck", `cutterStuck {}`, `mend {}`},
		{"power lost in the middle", `dies {"after":"300"}`, `mend {}`},
		{"power off", `dies {}`, `mend {}`},
		{"service gone", `vanish {}`, `return {}`},
	} {
		t.Run(trouble.name, func(t *testing.T) {
			do, body, _ := strings.Cut(trouble.fault, " ")
			r.order(do, body)
			number := r.sellOne()
			state := r.printed(number)
			told := r.seen()
			do, body, _ = strings.Cut(trouble.mend, " ")
			r.order(do, body)
			if state == "yes" {
				t.Fatalf("receipt %d counts as printed", number)
			}
			if !strings.Contains(told, "not-printed") && !strings.Contains(told, "print-unknown") {
				t.Errorf("the operator is not told: %s", told)
			}
			eventually(t, "the printer prints again", func() bool { return r.printed(r.sellOne()) == "yes" })
			r.do("receipt.print", map[string]any{"number": number})
			eventually(t, "the receipt is printed after all", func() bool { return r.papers(number, "") > 0 })
			originals, copies := r.papers(number, "")-r.papers(number, "COPY"), r.papers(number, "COPY")
			if state == "no" && (originals != 1 || copies != 0) || state == "unknown" && (originals > 1 || copies != 1) {
				t.Errorf("%d whole originals and %d copies came out of the printer after %q", originals, copies, state)
			}
			if got := r.printed(number); state == "no" && got != "yes" {
				t.Errorf("after the original was printed late the till says %q", got)
			}
		})
	}
}

// papers counts the whole receipts with a number among all paper; with mark, only those that bear it.
func (r *running) papers(number int64, mark string) (n int) {
	r.t.Helper()
	for _, s := range r.sheets() {
		// What a fault cut off may stand above the next receipt on one sheet.
		pieces := strings.Split(s.Text, "Receipt No. ")
		for i, p := range pieces[1:] {
			if strings.HasPrefix(p, fmt.Sprintf("%d\n", number)) && strings.Contains(p, "TOTAL") && strings.Contains(pieces[i]+p, mark) {
				n++
			}
		}
	}
	return n
}

// TestADiskThatFillsUpLosesNothing fills the disk under a shop that sells, and
// makes room again; who sells repeats what was not answered.
//
// Requirement: FM-02
func TestADiskThatFillsUpLosesNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program and starts it")
	}
	disk := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", disk).CombinedOutput(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("mount a disk to fill: %v %s", err, out)
		}
		t.Skipf("a disk to fill needs root: %v %s", err, out)
	}
	t.Cleanup(func() { _ = exec.Command("umount", disk).Run() })
	b := newBattered(t, filepath.Join(disk, "shop"))
	var sales []sold
	for range 3 {
		sales = append(sales, b.sell())
	}
	filler := filepath.Join(disk, "filler")
	fill(t, filler)
	room := time.AfterFunc(3*time.Second, func() { _ = os.Remove(filler) })
	defer room.Stop()
	for range 5 {
		sales = append(sales, b.sell())
	}
	b.answersStay(sales)
	b.current().stop()
	b.judge(sales)
}

// fill writes a file until its disk is full.
func fill(t *testing.T, name string) {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for block := make([]byte, 4096); err == nil; {
		_, err = f.Write(block)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("filling the disk ended with %v", err)
	}
}

// TestStrangersAndOtherPagesGetNothing asks every route without a session, from
// other pages and by other names.
//
// Requirement: POS-04
func TestStrangersAndOtherPagesGetNothing(t *testing.T) {
	shop := tilltest.New(t, tilltest.WithoutDevices())
	for _, route := range api.Routes() {
		path := strings.NewReplacer("{number}", "1", "{index}", "1").Replace(route.Pattern)
		if !route.Open {
			if got := ask(t, route.Method, shop.URL+path, "{}", nil); got != http.StatusUnauthorized {
				t.Errorf("%s %s without a session = %d, want 401", route.Method, path, got)
			}
		}
		if got := ask(t, route.Method, shop.URL+path, "{}", map[string]string{"Host": "shop.example"}); got != http.StatusMisdirectedRequest {
			t.Errorf("%s %s for another host = %d, want 421", route.Method, path, got)
		}
		if route.Method == "GET" {
			continue
		}
		for _, from := range []map[string]string{
			{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "http://shop.example"}, {"Origin": "null"},
			{"Origin": "http://127.0.0.1:1"},
		} {
			if got := ask(t, route.Method, shop.URL+path, "{}", from); got != http.StatusForbidden {
				t.Errorf("%s %s from %v = %d, want 403", route.Method, path, from, got)
			}
		}
	}
}

// ask sends a request and gives the status.
func ask(t *testing.T, method, address, body string, headers map[string]string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range headers {
		req.Header.Set(k, v)
	}
	if host := headers["Host"]; host != "" {
		req.Host = host
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

// TestSlowAndSilentClientsHoldNoSaleUp opens many connections that say little
// and read nothing while it is sold.
//
// Requirement: POS-04
func TestSlowAndSilentClientsHoldNoSaleUp(t *testing.T) {
	shop := tilltest.New(t, tilltest.WithoutDevices())
	operator := shop.As(staff.Operator)
	operator.Do("drawer.open", "amount", 10000)
	address := strings.TrimPrefix(shop.URL, "http://")
	for i := range 400 {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		say := "POST /api/check HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{"
		if i%2 == 0 {
			say = "GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n"
		}
		if _, err := io.WriteString(c, say); err != nil {
			t.Fatal(err)
		}
	}
	for want := int64(1); want <= 20; want++ {
		if r := operator.Sell(sku); r.Number != want {
			t.Errorf("receipt number = %d, want %d", r.Number, want)
		}
	}
}

// TestACommandIDIsTakenOnceAndOnlyIfItIsOne sends ids that are none, and one id
// from many sides at once.
//
// Requirement: POS-01
func TestACommandIDIsTakenOnceAndOnlyIfItIsOne(t *testing.T) {
	shop := tilltest.New(t, tilltest.WithoutDevices())
	operator := shop.As(staff.Operator)
	add := func(id string) tilltest.Answer {
		return operator.Send(map[string]any{"id": id, "do": "basket.add", "args": map[string]any{"sku": sku}})
	}
	id := tilltest.NewID(time.Now())
	for bad, code := range map[string]string{
		"": "bad-id", uuid.Nil.String(): "bad-id", uuid.NewString(): "bad-id", id + " ": "bad-id", "{" + id + "}": "bad-id",
		strings.ReplaceAll(id, "-", ""): "bad-id", strings.ToUpper(id): "bad-id", "urn:uuid:" + id: "bad-id",
		tilltest.NewID(time.Now().Add(time.Hour)): "id-too-new", tilltest.NewID(time.Now().Add(-3 * time.Hour)): "id-too-old",
	} {
		if a := add(bad); a.Error == nil || a.Error.Code != code {
			t.Errorf("id %q is answered %s %+v, want refusal %s", bad, a.Result, a.Error, code)
		}
	}
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() { add(id) })
	}
	all.Wait()
	if b := operator.State().Basket; b == nil || len(b.Lines) != 1 || b.Lines[0].Quantity != 1_000_000 {
		t.Errorf("one id sent twenty times at once made the basket %+v, want one piece", b)
	}
}

// TestNobodyRisesByApproval tries to get more rights than one has.
//
// Requirement: POS-04
func TestNobodyRisesByApproval(t *testing.T) {
	shop := tilltest.New(t, tilltest.WithoutDevices())
	for _, c := range []struct {
		what         string
		at, approver staff.Role
		do           string
		args         map[string]any
		code         string
	}{
		{"one's own approval", staff.Operator, staff.Operator, "drawer.nosale", map[string]any{"reason": "x"}, "self-approval"},
		{"approval by who may not", staff.Operator, staff.Inspector, "drawer.nosale", map[string]any{"reason": "x"}, "cannot-approve"},
		{"approval of what is never approved", staff.Operator, staff.Administrator, "settings.change", map[string]any{"name": "x"}, "forbidden"},
		{"people by an operator", staff.Operator, staff.Administrator, "people.add", map[string]any{"id": "9", "name": "M", "role": "supervisor", "pin": "8642"}, "forbidden"},
		{"an administrator makes another alone", staff.Administrator, staff.Administrator, "people.change", map[string]any{"id": "3", "role": "administrator"}, "self-approval"},
		{"an administrator takes the responsible person's PIN", staff.Administrator, staff.Administrator, "people.pin", map[string]any{"id": "7", "pin": "8642"}, "self-approval"},
	} {
		a := shop.As(c.at).Send(map[string]any{
			"id": tilltest.NewID(time.Now()), "do": c.do, "args": c.args, "approval": map[string]any{"person": tilltest.IDs[c.approver], "pin": tilltest.PIN},
		})
		if a.Error == nil || a.Error.Code != c.code {
			t.Errorf("%s: answered %s %+v, want refusal %s", c.what, a.Result, a.Error, c.code)
		}
	}
}

// TestTheSetupIsDoneOnce sends the right code from many sides at once.
//
// Requirement: POS-04
func TestTheSetupIsDoneOnce(t *testing.T) {
	shop := tilltest.New(t, tilltest.WithoutDevices(), tilltest.WithoutSetup())
	setup := map[string]any{
		"code": shop.Node.SetupCode(), "shop": map[string]any{"name": "S", "country": "DE", "currency": "EUR", "language": "en"},
		"administrator": map[string]any{"id": "1", "name": "Ada", "pin": tilltest.PIN},
	}
	var done atomic.Int64
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if status, _ := shop.Client().Post("/api/setup", setup); status == http.StatusOK {
				done.Add(1)
			}
		})
	}
	all.Wait()
	if done.Load() != 1 {
		t.Errorf("%d of 8 set-ups at once were done, want 1", done.Load())
	}
	if status, body := shop.Client().Post("/api/setup", setup); status != http.StatusUnprocessableEntity {
		t.Errorf("a later set-up = %d %s, want 422", status, body)
	}
}

// TestADamagedDirectoryIsNeverMadeAnew takes parts of a till's directory away:
// it is opened with what is left or refused, and never becomes a new till.
//
// Requirement: FM-02
func TestADamagedDirectoryIsNeverMadeAnew(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program and starts it several times")
	}
	b := newBattered(t, filepath.Join(t.TempDir(), "shop"))
	b.sell()
	older := filepath.Join(t.TempDir(), "older")
	b.current().stop()
	copyDir(t, older, b.dir)
	again := up(t, b.exe, b.dir)
	again.client = b.client
	again.sellOne()
	refused(t, b.exe, b.dir, "locked")
	again.sellOne()
	again.stop()
	for _, c := range []struct{ lost, says string }{
		{"e1/JOURNAL", "JOURNAL"}, {"e1/00000001.seg", "damaged"}, {"e1", "no journal"}, {"seal/master.key", "master.key"}, {"seal", "key store"}, {"vault.db", "vault.db"},
	} {
		dir := filepath.Join(t.TempDir(), "shop")
		copyDir(t, dir, b.dir)
		if err := os.RemoveAll(filepath.Join(dir, c.lost)); err != nil {
			t.Fatal(err)
		}
		refused(t, b.exe, dir, c.says)
	}
	dir := filepath.Join(t.TempDir(), "shop")
	copyDir(t, dir, b.dir)
	if err := os.RemoveAll(filepath.Join(dir, "e1")); err != nil {
		t.Fatal(err)
	}
	copyDir(t, filepath.Join(dir, "e1"), filepath.Join(older, "e1"))
	refused(t, b.exe, dir, "old copy restored")

	if err := os.Remove(filepath.Join(b.dir, "projection.db")); err != nil {
		t.Fatal(err)
	}
	last := up(t, b.exe, b.dir)
	last.client = b.client
	if got := last.sellOne(); got != 4 {
		t.Errorf("receipt number without the projection = %d, want 4", got)
	}
	last.stop()
}

// refused starts up on a directory, which must end by itself and say why.
func refused(t *testing.T, exe, dir, says string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, exe, "up", "--json", "--dir", dir, "--listen", "127.0.0.1:0").CombinedOutput()
	if err == nil || ctx.Err() != nil || !strings.Contains(string(out), says) {
		t.Errorf("plomb up ended with %v, want a refusal that says %q:\n%s", err, says, out)
	}
}

func copyDir(t *testing.T, to, from string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}

// TestASignerThatHangsHoldsNoSaleUpForLong stops the signer's process without ending it.
//
// Requirement: POS-02
func TestASignerThatHangsHoldsNoSaleUpForLong(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program and starts it")
	}
	b := newBattered(t, filepath.Join(t.TempDir(), "shop"))
	if s := b.sell(); s.code == "" {
		t.Fatal("a sale with a good signer has no code")
	}
	signer := b.current().childProcess("signer")
	if err := syscall.Kill(signer, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	silent := b.sell()
	if took := time.Since(began); took > 10*time.Second || silent.code != "" {
		t.Errorf("with a hanging signer a sale took %s and has the code %q", took, silent.code)
	}
	eventually(t, "the operator is told", func() bool { return strings.Contains(b.current().seen(), "signer-down") })
	if err := syscall.Kill(signer, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	sales := []sold{silent}
	eventually(t, "receipts are signed again", func() bool {
		sales = append(sales, b.sell())
		return sales[len(sales)-1].code != ""
	})
	b.current().stop()
	wholeSays(t, b.exe, b.dir, sales[len(sales)-1].code)
}

// hands are a clock and an uptime that a test moves.
type hands struct {
	mu           sync.Mutex
	wall, uptime time.Duration
	began        time.Time
}

func (h *hands) now() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return time.Now().Add(h.wall)
}

func (h *hands) up() time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	return time.Since(h.began) + time.Hour + h.uptime
}

func (h *hands) set(wall time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.wall = wall
}

// TestTheClockMayJumpAndTheRecordStays sells while the clock shows last century,
// next year, and the right time again.
//
// Requirement: POS-14
func TestTheClockMayJumpAndTheRecordStays(t *testing.T) {
	h := &hands{began: time.Now()}
	shop := tilltest.New(t, tilltest.WithoutDevices(), tilltest.With(func(o *till.Options) { o.Now, o.Uptime = h.now, h.up }))
	year := 365 * 24 * time.Hour
	newest := h.now() // the time of ids, as a screen makes them whose clock is as far as the record
	send := func(c *tilltest.Client, do string, pairs ...any) tilltest.Answer {
		t.Helper()
		if now := h.now(); now.After(newest) {
			newest = now
		}
		a := c.Send(map[string]any{"id": tilltest.NewID(newest), "do": do, "args": tilltest.Args(pairs...)})
		if a.Error != nil {
			t.Fatalf("%s at %s: %+v", do, h.now(), *a.Error)
		}
		return a
	}
	send(shop.As(staff.Operator), "drawer.open", "amount", 10000)
	for i, jump := range []time.Duration{0, -20 * year, -time.Since(time.Unix(0, 0)) + time.Minute, 0, year, 0} {
		h.set(jump)
		operator := shop.As(staff.Operator)
		send(operator, "basket.add", "sku", sku)
		a := send(operator, "basket.tender", "type", "cash", "complete", true)
		var paid tilltest.Paid
		a.Into(t, &paid)
		if paid.Receipt == nil || paid.Receipt.Number != int64(i+1) {
			t.Errorf("receipt with the clock at %s = %+v, want number %d", h.now(), paid.Receipt, i+1)
		}
		if jumped := i > 0; a.State.Clock.Unsure != jumped {
			t.Errorf("clock at %s: unsure = %t, want %t", h.now(), a.State.Clock.Unsure, jumped)
		}
	}
	shop.Restart()
	shop.As(staff.Operator).Until(func(s till.State) bool {
		return !s.Journal.Verifying && s.Journal.Verified > 0
	})
	var list till.EntriesAnswer
	shop.As(staff.Administrator).Ask("/api/journal?limit=200", &list)
	for i := 1; i < len(list.Entries); i++ {
		if newer, older := list.Entries[i-1], list.Entries[i]; newer.Time.Before(older.Time) {
			t.Errorf("entry %d of %s comes after entry %d of %s", newer.Index, newer.Time, older.Index, older.Time)
		}
	}
}
