package sim_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"

	"github.com/plomb-pos/plomb/driver/escpos"
	"github.com/plomb-pos/plomb/driver/receiptprinter"
	"github.com/plomb-pos/plomb/driver/sim"
	"github.com/plomb-pos/plomb/receipt/paper"
	"github.com/plomb-pos/plomb/xfs4iot"
	"github.com/plomb-pos/plomb/xfs4iot/barcodereader"
	"github.com/plomb-pos/plomb/xfs4iot/client"
	"github.com/plomb-pos/plomb/xfs4iot/common"
	"github.com/plomb-pos/plomb/xfs4iot/host"
	"github.com/plomb-pos/plomb/xfs4iot/printer"
	"github.com/plomb-pos/plomb/xfs4iot/textterminal"
)

// counter is the devices, served, with a client to them.
type counter struct {
	*testing.T
	*sim.Devices
	xfs, page string // host:port
}

func newCounter(t *testing.T) *counter {
	t.Helper()
	c := &counter{T: t, Devices: sim.New(sim.Options{})}
	ln, control := listen(t), listen(t)
	c.xfs, c.page = ln.Addr().String(), control.Addr().String()
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error)
	go func() { served <- sim.Serve(ctx, c.Devices, ln, control, host.Config{VendorName: "test"}) }()
	t.Cleanup(func() {
		stop()
		if err := <-served; err != nil {
			t.Errorf("Serve = %v", err)
		}
	})
	return c
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

func (c *counter) dial(service string) *client.Conn {
	c.Helper()
	conn, err := c.try(service)
	if err != nil {
		c.Fatal(err)
	}
	c.Cleanup(func() { conn.Close() })
	return conn
}

func (c *counter) try(service string) (*client.Conn, error) {
	return client.Dial(c.Context(), "ws://"+c.xfs+"/xfs4iot/v1.0/"+service, client.Options{})
}

// ready waits until the printer service has reached its printer.
func (c *counter) ready(conn *client.Conn) {
	c.Helper()
	c.await(conn, common.DeviceOnline)
}

func (c *counter) await(conn *client.Conn, wanted common.Device) {
	c.Helper()
	for {
		changed := c.Printer.Changed()
		s, err := client.Do(c.Context(), conn, common.Status, nil)
		if err != nil {
			c.Fatal(err)
		}
		if s.Common.Device == wanted {
			return
		}
		select {
		case <-changed:
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func printDoc(conn *client.Conn, job string, doc paper.Doc) error {
	data, err := doc.Encode()
	if err != nil {
		return err
	}
	_, err = client.Do(context.Background(), conn, printer.PrintForm, &printer.PrintFormCommand{
		FormName: receiptprinter.Form,
		Fields:   map[string]xfs4iot.Strings{receiptprinter.FieldDoc: {string(data)}, receiptprinter.FieldJob: {job}},
	})
	return err
}

func completion(err error) string {
	var e *xfs4iot.Error
	switch {
	case err == nil:
		return "success"
	case !errors.As(err, &e):
		return err.Error()
	case e.ErrorCode != "":
		return e.ErrorCode
	}
	return string(e.Code)
}

var short = paper.Doc{paper.Line("Kiosk am Eck"), paper.Columns{Left: "Tee", Right: "3,10"}, paper.Drawer{}, paper.Cut{}}

// Requirement: XFS-02
func TestOnePublisherListsTheThreeServices(t *testing.T) {
	c := newCounter(t)
	names := func() []string {
		p, err := client.Services(t.Context(), "ws://"+c.xfs+"/xfs4iot/v1.0", client.Options{})
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, url := range p.Services {
			out = append(out, url[strings.LastIndex(url, "/")+1:])
		}
		slices.Sort(out)
		return out
	}
	if diff := cmp.Diff([]string{sim.DisplayName, sim.PrinterName, sim.ScannerName}, names()); diff != "" {
		t.Error(diff)
	}
	if err := c.Vanish(sim.ScannerName); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{sim.DisplayName, sim.PrinterName}, names()); diff != "" {
		t.Errorf("after the scanner vanished: %s", diff)
	}
}

// Requirement: POS-02
func TestReceiptComesOutAndTheDrawerOpens(t *testing.T) {
	c := newCounter(t)
	conn := c.dial(sim.PrinterName)
	c.ready(conn)
	if got := completion(printDoc(conn, "r-1", short)); got != "success" {
		t.Fatalf("print completed with %s", got)
	}
	docs, err := c.Printer.Await(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	if docs[0].Number != 1 || docs[0].Text() != paper.RenderText(short[:2], 48) || docs[0].Cut != escpos.FullCut {
		t.Errorf("document = %d %q %s", docs[0].Number, docs[0].Text(), docs[0].Cut)
	}
	if c.Printer.Drawer() != escpos.DrawerOpen || c.Printer.Kicks() != 1 {
		t.Errorf("drawer is %v after %d kicks, want open after 1", c.Printer.Drawer(), c.Printer.Kicks())
	}
	c.Printer.Take()
	printDoc(conn, "r-2", short)
	if docs := c.Printer.Printed(); len(docs) != 1 || docs[0].Number != 2 {
		t.Errorf("documents = %+v, want number 2 alone", docs)
	}
}

func TestEachPrinterFaultHasItsCompletion(t *testing.T) {
	for _, f := range []struct {
		fault sim.Fault
		after int
		want  string
	}{
		{sim.PaperOut, 0, "paperOut"},
		{sim.PaperOut, 1, "paperOut"},
		{sim.PaperLow, 0, "success"},
		{sim.CoverOpen, 0, "deviceNotReady"},
		{sim.CutterStuck, 0, "paperJammed"},
		{sim.Slow, 5000, "success"},
		{sim.Dies, 0, "deviceNotReady"},
		{sim.Dies, 40, "hardwareError"},
	} {
		t.Run(string(f.fault), func(t *testing.T) {
			c := newCounter(t)
			conn := c.dial(sim.PrinterName)
			c.ready(conn)
			if err := c.Printer.Fault(f.fault, f.after); err != nil {
				t.Fatal(err)
			}
			if !c.Printer.Status().Connected {
				c.await(conn, common.DeviceOffline)
			}
			if got := completion(printDoc(conn, "r-1", short)); got != f.want {
				t.Errorf("print completed with %s, want %s", got, f.want)
			}
			c.Printer.Mend()
			c.ready(conn)
			if got := completion(printDoc(conn, "r-2", short)); got != "success" {
				t.Errorf("print after mending completed with %s", got)
			}
		})
	}
}

func TestAServiceThatVanishesWhilePrintingReturnsWithItsState(t *testing.T) {
	c := newCounter(t)
	conn := c.dial(sim.PrinterName)
	c.ready(conn)
	c.Printer.Fault(sim.Slow, 400)
	failed := make(chan error)
	go func() { failed <- printDoc(conn, "r-1", short) }()
	for len(c.Printer.Printed()) == 0 {
		<-c.Printer.Changed()
	}
	if err := c.Vanish(sim.PrinterName); err != nil {
		t.Fatal(err)
	}
	if err := <-failed; err == nil || client.SafeToRepeat(err) { // no answer, or a last one: canceled
		t.Errorf("print = %v, want one that is not safe to repeat", err)
	}
	if _, err := c.try(sim.PrinterName); err == nil {
		t.Error("the service that vanished can be reached")
	}
	c.Printer.Mend()
	c.Printer.Fault(sim.PaperLow, 0)
	if err := c.Return(sim.PrinterName); err != nil {
		t.Fatal(err)
	}
	conn = c.dial(sim.PrinterName)
	_, err := client.Do(t.Context(), conn, printer.PrintForm, &printer.PrintFormCommand{
		FormName: receiptprinter.JobForm, Fields: map[string]xfs4iot.Strings{receiptprinter.FieldJob: {"r-1"}},
	})
	if got := completion(err); got != "flushFail" {
		t.Errorf("the job completed with %s, want flushFail", got)
	}
	for {
		s, err := client.Do(t.Context(), conn, common.Status, nil)
		if err != nil {
			t.Fatal(err)
		}
		if s.Printer.Paper.Upper == printer.PaperSupplyLow {
			break
		}
	}
}

func read(ctx context.Context, conn *client.Conn, req *barcodereader.ReadCommand) (string, string) {
	got, err := client.Do(ctx, conn, barcodereader.Read, req)
	if err != nil {
		return "", completion(err)
	}
	return string(got.ReadOutput[0].BarcodeData), string(got.ReadOutput[0].Symbology)
}

func TestScannedCodesAreRead(t *testing.T) {
	c := newCounter(t)
	conn := c.dial(sim.ScannerName)
	for code, symbology := range map[string]string{
		"4006381333931": "ean13", "96385074": "ean8", "036000291452": "upcA", "4006381333930": "code128",
		"R-17": "code128", "https://example.test/r/1?token=0123456789abcdef0123": "qrCode", "Grüße": "qrCode",
	} {
		if err := c.Scanner.Scan(code); err != nil {
			t.Fatal(err)
		}
		if got, as := read(t.Context(), conn, nil); got != code || as != symbology {
			t.Errorf("read %q as %s, want %q as %s", got, as, code, symbology)
		}
	}
}

func TestAReadWaitsForThePersonWhoScans(t *testing.T) {
	c := newCounter(t)
	conn := c.dial(sim.ScannerName)
	result := make(chan string)
	go func() { code, _ := read(t.Context(), conn, nil); result <- code }()
	for !c.Scanner.Reading() {
		<-c.Scanner.Changed()
	}
	c.Scanner.Scan("96385074")
	if got := <-result; got != "96385074" {
		t.Errorf("read %q", got)
	}
}

func TestUnwantedSymbologiesAreNotSeen(t *testing.T) {
	c := newCounter(t)
	conn := c.dial(sim.ScannerName)
	c.Scanner.Scan("R-17")
	c.Scanner.Scan("96385074")
	req := &barcodereader.ReadCommand{Symbologies: &barcodereader.ReadCommandSymbologies{Ean8: new(true)}}
	if got, _ := read(t.Context(), conn, req); got != "96385074" {
		t.Errorf("read %q, want the EAN-8", got)
	}
}

func TestAnUnpluggedScannerEndsTheRead(t *testing.T) {
	c := newCounter(t)
	conn := c.dial(sim.ScannerName)
	result := make(chan string)
	go func() { _, code := read(t.Context(), conn, nil); result <- code }()
	for !c.Scanner.Reading() {
		<-c.Scanner.Changed()
	}
	c.Scanner.Unplug()
	if got := <-result; got != "deviceNotReady" {
		t.Errorf("read completed with %s", got)
	}
	if err := c.Scanner.Scan("96385074"); !errors.Is(err, sim.ErrScannerGone) {
		t.Errorf("scan = %v", err)
	}
	s, err := client.Do(t.Context(), conn, common.Status, nil)
	if err != nil || s.Common.Device != common.DeviceNoDevice {
		t.Errorf("status = %+v, %v", s, err)
	}
	c.Scanner.Plug()
	c.Scanner.Scan("96385074")
	if got, _ := read(t.Context(), conn, nil); got != "96385074" {
		t.Errorf("after plugging in read %q", got)
	}
}

func TestAReadCanBeCancelled(t *testing.T) {
	c := newCounter(t)
	conn := c.dial(sim.ScannerName)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for !c.Scanner.Reading() {
			<-c.Scanner.Changed()
		}
		cancel()
	}()
	if _, got := read(ctx, conn, nil); got != "canceled" {
		t.Errorf("read completed with %s", got)
	}
}

func TestTheDisplayShowsWhatIsWritten(t *testing.T) {
	c := newCounter(t)
	conn := c.dial(sim.DisplayName)
	write := func(x, y int, text string) string {
		_, err := client.Do(t.Context(), conn, textterminal.Write, &textterminal.WriteCommand{
			Mode: textterminal.ModesAbsolute, PosX: &x, PosY: &y, Text: text,
		})
		return completion(err)
	}
	for _, step := range []struct {
		x, y int
		text string
		code string
		want []string
	}{
		{0, 0, "Grüß Gott", "success", []string{"Grüß Gott", "", "", ""}},
		{5, 1, "绿茶 3,20", "success", []string{"Grüß Gott", "     绿茶 3,20", "", ""}},
		{0, 2, "Donaudampfschifffahrtsgesellschaft", "success", []string{"Grüß Gott", "     绿茶 3,20", "Donaudampfschifffahr", "tsgesellschaft"}},
		{18, 3, "x\ny", "success", []string{"     绿茶 3,20", "Donaudampfschifffahr", "tsgesellschaft    x", "y"}},
		{0, 0, "a\x1bb", "characterSetsData", []string{"     绿茶 3,20", "Donaudampfschifffahr", "tsgesellschaft    x", "y"}},
		{20, 0, "x", "invalidData", []string{"     绿茶 3,20", "Donaudampfschifffahr", "tsgesellschaft    x", "y"}},
	} {
		if got := write(step.x, step.y, step.text); got != step.code {
			t.Errorf("write %q completed with %s, want %s", step.text, got, step.code)
		}
		if diff := cmp.Diff(step.want, c.Display.Lines()); diff != "" {
			t.Errorf("after %q: %s", step.text, diff)
		}
	}
	client.Do(t.Context(), conn, textterminal.ClearScreen, nil)
	if diff := cmp.Diff([]string{"", "", "", ""}, c.Display.Lines()); diff != "" {
		t.Error(diff)
	}
}

func TestTheDisplaysFormSetsWholeLines(t *testing.T) {
	c := newCounter(t)
	conn := c.dial(sim.DisplayName)
	form := func(clear bool, fields map[string]string) string {
		_, err := client.Do(t.Context(), conn, textterminal.WriteForm, &textterminal.WriteFormCommand{FormName: sim.DisplayForm, ClearScreen: &clear, Fields: fields})
		return completion(err)
	}
	for _, step := range []struct {
		clear  bool
		fields map[string]string
		code   string
		want   []string
	}{
		{true, map[string]string{"LINE1": "Tee", "LINE4": "Summe          3,10"}, "success", []string{"Tee", "", "", "Summe          3,10"}},
		{false, map[string]string{"LINE1": "T"}, "success", []string{"T", "", "", "Summe          3,10"}},
		{true, map[string]string{"LINE1": strings.Repeat("x", 21)}, "fieldError", []string{"T", "", "", "Summe          3,10"}},
		{true, map[string]string{"LINE5": "x"}, "fieldError", []string{"T", "", "", "Summe          3,10"}},
		{true, map[string]string{}, "success", []string{"", "", "", ""}},
	} {
		if got := form(step.clear, step.fields); got != step.code {
			t.Errorf("form %q completed with %s, want %s", step.fields, got, step.code)
		}
		if diff := cmp.Diff(step.want, c.Display.Lines()); diff != "" {
			t.Errorf("after %q: %s", step.fields, diff)
		}
	}
}

// post does an act, "Scanner/scan", over HTTP.
func (c *counter) post(act, body string) int {
	c.Helper()
	resp, err := http.Post("http://"+c.page+"/api/devices/"+act, "application/json", strings.NewReader(body))
	if err != nil {
		c.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

func (c *counter) get(path string) (*http.Response, string) {
	c.Helper()
	resp, err := http.Get("http://" + c.page + path)
	if err != nil {
		c.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		c.Fatal(err)
	}
	return resp, string(body)
}

// face decodes the state of a device as HTTP shows it, and says whether it is gone.
func (c *counter) face(name string, state any) bool {
	c.Helper()
	var faces []sim.Face
	if _, body := c.get("/api/devices"); json.Unmarshal([]byte(body), &faces) != nil {
		c.Fatalf("devices = %s", body)
	}
	i := slices.IndexFunc(faces, func(f sim.Face) bool { return f.Name == name })
	if i < 0 {
		c.Fatalf("%s is not shown", name)
	}
	if err := json.Unmarshal(faces[i].State, state); err != nil {
		c.Fatal(err)
	}
	return faces[i].Gone
}

func TestAPersonWorksTheDevicesOverHTTP(t *testing.T) {
	c := newCounter(t)
	conn := c.dial(sim.PrinterName)
	c.ready(conn)
	printDoc(conn, "r-1", short)
	for _, o := range []struct{ act, body string }{
		{"ReceiptPrinter/close-drawer", `{}`}, {"ReceiptPrinter/coverOpen", `{}`}, {"Scanner/scan", `{"code":"96385074"}`}, {"CustomerDisplay/vanish", `{}`},
	} {
		if got := c.post(o.act, o.body); got != http.StatusNoContent {
			t.Errorf("%s %s = %d", o.act, o.body, got)
		}
	}
	var p sim.PrinterState
	c.face(sim.PrinterName, &p)
	if p.Drawer != "closed" || !p.CoverOpen || p.Kicks != 1 || len(p.Sheets) != 1 {
		t.Fatalf("printer = %+v", p)
	}
	picture := "/api/devices/ReceiptPrinter/pictures/" + p.Sheets[0].Picture
	if resp, body := c.get(picture); resp.Header.Get("Content-Type") != "image/png" || !strings.HasPrefix(body, "\x89PNG") {
		t.Errorf("sheet = %s", resp.Status)
	}
	for name, status := range map[string]int{
		"1-1.png":     http.StatusOK, // named while it was shorter
		"1-99999.png": http.StatusNotFound, "2-1.png": http.StatusNotFound, "1.png": http.StatusNotFound,
	} {
		if resp, _ := c.get("/api/devices/ReceiptPrinter/pictures/" + name); resp.StatusCode != status {
			t.Errorf("%s: %s", name, resp.Status)
		}
	}
	var scanner sim.ScannerState
	if c.face(sim.ScannerName, &scanner); scanner.Waiting != 1 {
		t.Errorf("scanner = %+v", scanner)
	}
	if !c.face(sim.DisplayName, &sim.DisplayState{}) {
		t.Error("the display's service is there after it was taken away")
	}
}

func TestWhoWatchesHearsOfWhatChangedOnly(t *testing.T) {
	c := newCounter(t)
	resp, err := http.Get("http://" + c.page + "/api/events")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	names := func(wanted string) (out []string) {
		for lines.Scan() {
			text, ok := strings.CutPrefix(lines.Text(), "data: ")
			if !ok || !strings.Contains(text, wanted) {
				continue
			}
			var faces []sim.Face
			if err := json.Unmarshal([]byte(text), &faces); err != nil {
				t.Fatal(err)
			}
			for _, f := range faces {
				out = append(out, f.Name)
			}
			return out
		}
		return nil
	}
	if got := names(sim.ScannerName); len(got) != 3 {
		t.Errorf("at first %q were shown", got)
	}
	c.Scanner.Scan("96385074")
	if got := names(`"waiting":1`); !slices.Equal(got, []string{sim.ScannerName}) {
		t.Errorf("after a scan %q were shown", got)
	}
}

func TestWrongActsAreRefused(t *testing.T) {
	c := newCounter(t)
	for _, o := range []struct {
		act, body string
		want      int
	}{
		{"ReceiptPrinter/explode", `{}`, http.StatusNotFound},
		{"Coffee/scan", `{}`, http.StatusNotFound},
		{"ReceiptPrinter/slow", `{"speed":"3"}`, http.StatusBadRequest},
		{"ReceiptPrinter/slow", `{"after":"-3"}`, http.StatusBadRequest},
		{"ReceiptPrinter/slow", `{"after":3}`, http.StatusBadRequest},
		{"Scanner/scan", `{"code":""}`, http.StatusBadRequest},
		{"Scanner/scan", `nonsense`, http.StatusBadRequest},
		{"Coffee/vanish", `{}`, http.StatusNotFound},
	} {
		if got := c.post(o.act, o.body); got != o.want {
			t.Errorf("%s %s = %d, want %d", o.act, o.body, got, o.want)
		}
	}
}

func TestThePageIsForThisMachineOnly(t *testing.T) {
	c := newCounter(t)
	request := func(change func(*http.Request)) int {
		r, err := http.NewRequestWithContext(t.Context(), "POST", "http://"+c.page+"/api/devices/ReceiptPrinter/mend", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		change(r)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	if got := request(func(r *http.Request) { r.Host = "evil.test" }); got != http.StatusMisdirectedRequest {
		t.Errorf("under another host name = %d", got)
	}
	if got := request(func(r *http.Request) { r.Header.Set("Origin", "https://evil.test") }); got != http.StatusForbidden {
		t.Errorf("from another site = %d", got)
	}
	resp, body := c.get("/")
	if csp := resp.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
		t.Errorf("policy = %q", csp)
	}
	if strings.Contains(body, "<style") || strings.Contains(body, "onclick") || strings.Contains(body, "http:") {
		t.Error("the page has inline code or loads from elsewhere")
	}
}

func TestThePageIsNotServedBeyondLoopback(t *testing.T) {
	ln, err := net.Listen("tcp", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	err = sim.Serve(t.Context(), sim.New(sim.Options{}), listen(t), ln, host.Config{})
	if !errors.Is(err, sim.ErrNotLoopback) {
		t.Errorf("Serve = %v, want ErrNotLoopback", err)
	}
}
