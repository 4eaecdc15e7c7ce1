package receiptprinter_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image/png"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/qrcode"

	"github.com/plomb-pos/plomb/driver/escpos"
	"github.com/plomb-pos/plomb/driver/escpos/emulator"
	"github.com/plomb-pos/plomb/driver/receiptprinter"
	"github.com/plomb-pos/plomb/receipt/paper"
	"github.com/plomb-pos/plomb/xfs4iot"
	"github.com/plomb-pos/plomb/xfs4iot/auxiliaries"
	"github.com/plomb-pos/plomb/xfs4iot/client"
	"github.com/plomb-pos/plomb/xfs4iot/common"
	"github.com/plomb-pos/plomb/xfs4iot/host"
	"github.com/plomb-pos/plomb/xfs4iot/printer"
)

const receiptURL = "https://example.test/r/2026-000017"

// shop is a whole chain: client, WebSocket, host, service, driver, TCP, printer.
type shop struct {
	*testing.T
	device *emulator.Emulator
	url    string
	conn   *client.Conn
	news   chan string // names of unsolicited events
}

func newShop(t *testing.T) *shop {
	t.Helper()
	s := &shop{T: t, device: emulator.New(escpos.Generic80()), news: make(chan string, 1000)}
	ctx, stop := context.WithCancel(context.Background())
	p := escpos.New(escpos.TCP(s.serve(ctx, s.device.Serve)), escpos.Generic80())
	p.Heartbeat, p.Redial = 500*time.Millisecond, time.Millisecond
	service := receiptprinter.New("ReceiptPrinter", p, new(receiptprinter.Memory))
	p.OnStatus = service.Report
	srv := host.New(host.Config{VendorName: "test"})
	if err := srv.Add(service.XFS()); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); p.Run(ctx) }()
	t.Cleanup(func() { stop(); <-ended })
	s.url = "ws://" + s.serve(ctx, srv.Serve) + "/xfs4iot/v1.0/ReceiptPrinter"
	s.conn = s.dial()
	s.await(func(c *common.StatusCompletion) bool { return c.Common.Device == common.DeviceOnline })
	return s
}

func (s *shop) serve(ctx context.Context, run func(context.Context, net.Listener) error) string {
	s.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.Fatal(err)
	}
	go run(ctx, ln)
	return ln.Addr().String()
}

func (s *shop) dial() *client.Conn {
	s.Helper()
	conn, err := client.Dial(s.Context(), s.url, client.Options{Unsolicited: func(m *xfs4iot.Message) { s.news <- m.Header.Name }})
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { conn.Close() })
	return conn
}

// await waits for events until the status is as wanted.
func (s *shop) await(wanted func(*common.StatusCompletion) bool) {
	s.Helper()
	for {
		status, err := client.Do(s.Context(), s.conn, common.Status, nil)
		if err != nil {
			s.Fatal(err)
		}
		if wanted(status) {
			return
		}
		s.hear("Common.StatusChangedEvent")
	}
}

func (s *shop) hear(event string) {
	s.Helper()
	limit := time.After(5 * time.Second)
	for {
		select {
		case name := <-s.news:
			if name == event {
				return
			}
		case <-limit:
			s.Fatalf("no %s came", event)
		}
	}
}

func (s *shop) send(form string, fields map[string]xfs4iot.Strings, opts ...client.CallOption) error {
	ctx, cancel := context.WithTimeout(s.Context(), 10*time.Second)
	defer cancel()
	_, err := client.Do(ctx, s.conn, printer.PrintForm, &printer.PrintFormCommand{FormName: form, Fields: fields}, opts...)
	return err
}

func (s *shop) print(doc paper.Doc, job string, opts ...client.CallOption) error {
	s.Helper()
	data, err := doc.Encode()
	if err != nil {
		s.Fatal(err)
	}
	fields := map[string]xfs4iot.Strings{receiptprinter.FieldDoc: {string(data)}}
	if job != "" {
		fields[receiptprinter.FieldJob] = xfs4iot.Strings{job}
	}
	return s.send(receiptprinter.Form, fields, opts...)
}

// ask asks what became of a job.
func (s *shop) ask(job string) error {
	return s.send(receiptprinter.JobForm, map[string]xfs4iot.Strings{receiptprinter.FieldJob: {job}})
}

// code is the completion: "" for success, the errorCode where there is one.
func code(t *testing.T, err error) string {
	t.Helper()
	if err == nil {
		return ""
	}
	var e *xfs4iot.Error
	if !errors.As(err, &e) {
		t.Fatalf("error %v is no completion", err)
	}
	if e.Code == xfs4iot.CommandErrorCode {
		return e.ErrorCode
	}
	return string(e.Code)
}

func (s *shop) expect(what string, err error, want string) {
	s.Helper()
	if got := code(s.T, err); got != want {
		s.Errorf("%s completed with %q (%v), want %q", what, got, err, want)
	}
}

func receipt() paper.Doc {
	doc := paper.Doc{paper.Styled("Kiosk am Eck", paper.Style{Bold: true, Tall: true}, paper.Center), paper.Rule{}}
	for i := range 40 {
		doc = append(doc, paper.Columns{Left: fmt.Sprintf("Käsekrainer Nr. %d", i+1), Right: "6,40 A"})
	}
	return append(doc, paper.Rule{Double: true}, paper.Columns{Left: "SUMME EUR", Right: "256,00"}, paper.QR{Data: receiptURL}, paper.Cut{Partial: true})
}

func qrOf(t *testing.T, sheet escpos.Sheet) string {
	t.Helper()
	data, err := sheet.PNG()
	if err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	bits, err := gozxing.NewBinaryBitmapFromImage(img)
	if err != nil {
		t.Fatal(err)
	}
	result, err := qrcode.NewQRCodeReader().Decode(bits, nil)
	if err != nil {
		t.Fatal(err)
	}
	return result.GetText()
}

// Requirement: POS-02
// Requirement: XFS-01
func TestLongReceiptGoesThroughTheWholeChain(t *testing.T) {
	s := newShop(t)
	var events []string
	s.expect("print", s.print(receipt(), "r-1", client.OnEvent(func(m *xfs4iot.Message) { events = append(events, m.Header.Name) })), "")
	sheets := s.device.Sheets()
	if len(sheets) != 1 || !strings.Contains(sheets[0].Text(), "Käsekrainer Nr. 40") {
		t.Fatalf("%d sheets, want one whole receipt", len(sheets))
	}
	if got := qrOf(t, sheets[0]); got != receiptURL {
		t.Errorf("qr code says %q", got)
	}
	if !slices.Equal(events, []string{"Printer.MediaPresentedEvent"}) {
		t.Errorf("events = %q, want the paper presented", events)
	}
}

func TestAJobIsPrintedOnce(t *testing.T) {
	s := newShop(t)
	s.expect("unknown job", s.ask("r-1"), "sequenceInvalid")
	for range 3 {
		s.expect("print", s.print(receipt(), "r-1"), "")
	}
	s.expect("the job", s.ask("r-1"), "")
	s.expect("same id, other document", s.print(receipt()[1:], "r-1"), "sequenceInvalid")
	s.expect("another job", s.print(receipt(), "r-2"), "")
	if n := len(s.device.Sheets()); n != 2 {
		t.Errorf("%d sheets, want 2", n)
	}
}

func TestPaperOut(t *testing.T) {
	s := newShop(t)
	s.device.OutAfter(5)
	s.expect("print on the end of the roll", s.print(receipt(), "r-1"), "paperOut")
	s.hear("Printer.PaperThresholdEvent")
	s.await(func(c *common.StatusCompletion) bool { return c.Printer.Paper.Upper == printer.PaperSupplyOut })
	s.expect("print without paper", s.print(receipt(), "r-1"), "paperOut")
	s.device.TakePaper()
	s.device.SetPaper(escpos.PaperOK)
	s.await(func(c *common.StatusCompletion) bool { return c.Printer.Paper.Upper == printer.PaperSupplyFull })
	s.expect("the same job on new paper", s.print(receipt(), "r-1"), "")
	if got := s.device.Sheets(); len(got) != 1 || strings.Count(got[0].Text(), "Kiosk") != 1 {
		t.Errorf("after the change of paper came %d sheets, want the receipt once", len(got))
	}
}

func TestLowPaperIsTold(t *testing.T) {
	s := newShop(t)
	s.device.SetPaper(escpos.PaperLow)
	s.hear("Printer.PaperThresholdEvent")
	s.expect("print on low paper", s.print(receipt(), ""), "")
}

func TestCoverOpen(t *testing.T) {
	s := newShop(t)
	s.device.SetCover(true)
	s.await(func(c *common.StatusCompletion) bool { return c.Common.Device == common.DeviceUserError })
	s.expect("print with open cover", s.print(receipt(), ""), "deviceNotReady")
	s.device.SetCover(false)
	s.await(func(c *common.StatusCompletion) bool { return c.Common.Device == common.DeviceOnline })
	s.expect("print with closed cover", s.print(receipt(), ""), "")
}

func TestCutterStuck(t *testing.T) {
	s := newShop(t)
	s.device.SetCutter(true)
	s.await(func(c *common.StatusCompletion) bool { return c.Common.Device == common.DeviceHardwareError })
	s.expect("print", s.print(receipt(), ""), "paperJammed")
}

func TestAPrinterThatDiesInTheMiddleIsAnUncertainOutcome(t *testing.T) {
	s := newShop(t)
	s.device.DieAfter(800)
	s.expect("print", s.print(receipt(), "r-1"), "hardwareError")
	s.await(func(c *common.StatusCompletion) bool { return c.Common.Device == common.DeviceOffline })
	s.expect("print while it is off", s.print(receipt(), ""), "deviceNotReady")
	s.device.PowerOn()
	s.await(func(c *common.StatusCompletion) bool { return c.Common.Device == common.DeviceOnline })
	s.expect("the job", s.ask("r-1"), "hardwareError")
	s.expect("the same job again", s.print(receipt(), "r-1"), "hardwareError")
	if got := s.device.Sheets(); len(got) != 1 || got[0].Cut != escpos.Torn {
		t.Errorf("%d sheets, want the torn one only", len(got))
	}
	s.expect("a new job", s.print(receipt(), "r-2"), "")
}

func TestOutcomeIsKnownAfterTheClientsConnectionEnded(t *testing.T) {
	s := newShop(t)
	s.device.SetSpeed(3000)
	failed := make(chan error)
	go func() { failed <- s.print(receipt(), "r-1") }()
	for len(s.device.Sheets()) == 0 {
		<-s.device.Changed()
	}
	s.conn.Close()
	if err := <-failed; !errors.Is(err, client.ErrUnknownOutcome) {
		t.Errorf("print over a lost connection = %v, want unknown outcome", err)
	}
	s.device.SetSpeed(0)
	s.conn = s.dial()
	s.expect("the job", s.ask("r-1"), "flushFail")
	s.expect("the same job again", s.print(receipt(), "r-1"), "")
}

func TestTimeOutThrowsTheRestAway(t *testing.T) {
	s := newShop(t)
	s.device.SetSpeed(100)
	s.expect("print", s.print(receipt(), "", client.Timeout(100*time.Millisecond)), "timeOut")
}

func TestDrawerOpensAndItsStateIsToldAsCabinetDoor(t *testing.T) {
	s := newShop(t)
	is := func(state auxiliaries.CabinetDoorState) func(*common.StatusCompletion) bool {
		return func(c *common.StatusCompletion) bool {
			return c.Auxiliaries != nil && c.Auxiliaries.CabinetDoor == state
		}
	}
	s.await(is(auxiliaries.CabinetDoorStateClosed))
	s.expect("open the drawer", s.print(paper.Doc{paper.Drawer{}}, "d-1"), "")
	s.expect("open it twice", s.print(paper.Doc{paper.Drawer{}}, "d-1"), "")
	s.await(is(auxiliaries.CabinetDoorStateOpen))
	if n := len(s.device.Pulses()); n != 1 {
		t.Errorf("%d pulses, want 1", n)
	}
	s.device.CloseDrawer()
	s.await(is(auxiliaries.CabinetDoorStateClosed))
}

func TestWhatThePrinterLacksIsTold(t *testing.T) {
	s := newShop(t)
	var events []string
	err := s.print(paper.Doc{paper.Line("绿茶")}, "", client.OnEvent(func(m *xfs4iot.Message) { events = append(events, m.Header.Name) }))
	s.expect("print", err, "")
	if !slices.Equal(events, []string{"Printer.FieldWarningEvent"}) {
		t.Errorf("events = %q, want a warning", events)
	}
}

func TestWrongCommandsAreRefused(t *testing.T) {
	s := newShop(t)
	doc := xfs4iot.Strings{`{"cut":{}}`}
	for _, c := range []struct {
		name   string
		form   string
		fields map[string]xfs4iot.Strings
		want   string
	}{
		{"unknown form", "RECEIPT", nil, "formNotFound"},
		{"no document", receiptprinter.Form, nil, "fieldError"},
		{"unknown field", receiptprinter.Form, map[string]xfs4iot.Strings{"DOC": doc, "COPIES": {"2"}}, "fieldError"},
		{"no JSON", receiptprinter.Form, map[string]xfs4iot.Strings{"DOC": {"hello"}}, "fieldSpecFailure"},
		{"printer commands in the text", receiptprinter.Form, map[string]xfs4iot.Strings{"DOC": {`{"text":{"runs":[{"text":"\u001bp0"}]}}`}}, "fieldSpecFailure"},
		{"id with a space", receiptprinter.Form, map[string]xfs4iot.Strings{"DOC": doc, "JOB": {"a b"}}, "fieldError"},
		{"empty id", receiptprinter.Form, map[string]xfs4iot.Strings{"DOC": doc, "JOB": {""}}, "fieldError"},
		{"job without id", receiptprinter.JobForm, nil, "fieldError"},
	} {
		s.expect(c.name, s.send(c.form, c.fields), c.want)
	}
	if n := len(s.device.Sheets()); n != 0 {
		t.Errorf("%d sheets were printed", n)
	}
}

func TestADocumentMayComeAsAListOfBlocks(t *testing.T) {
	s := newShop(t)
	s.expect("print", s.send(receiptprinter.Form, map[string]xfs4iot.Strings{"DOC": {`{"columns":{"left":"Tee","right":"3,10"}}`, `{"cut":{}}`}}), "")
	if got := s.device.Sheets()[0].Text(); !strings.HasPrefix(got, "Tee ") {
		t.Errorf("printed %q", got)
	}
}

func TestThePapersWidthIsInTheForm(t *testing.T) {
	s := newShop(t)
	form, err := client.Do(t.Context(), s.conn, printer.GetQueryForm, &printer.GetQueryFormCommand{FormName: receiptprinter.Form})
	if err != nil || *form.Form.Size.Width != 48 || form.Form.Unit.Base != printer.UnitBaseRowColumn {
		t.Errorf("form = %+v, %v; want 48 columns", form, err)
	}
}

func TestRawBytesCutAndReset(t *testing.T) {
	s := newShop(t)
	_, err := client.Do(t.Context(), s.conn, printer.PrintRaw, &printer.PrintRawCommand{InputData: printer.PrintRawCommandInputDataNo, Data: []byte("roh\n")})
	s.expect("raw", err, "")
	_, err = client.Do(t.Context(), s.conn, printer.ControlMedia, &printer.ControlMediaCommand{MediaControl: &printer.MediaControl{Cut: new(true)}})
	s.expect("cut", err, "")
	_, err = client.Do(t.Context(), s.conn, printer.ControlMedia, &printer.ControlMediaCommand{MediaControl: &printer.MediaControl{Move: printer.MediaControlMoveStack}})
	s.expect("stack", err, "unsupportedData")
	_, err = client.Do(t.Context(), s.conn, printer.Reset, nil)
	s.expect("reset", err, "")
	if got := s.device.Sheets(); len(got) != 1 || got[0].Text() != "roh\n" || got[0].Cut != escpos.FullCut {
		t.Errorf("sheets = %+v", got)
	}
}

// Requirement: XFS-03
func TestClientsOfBothGenerationsPrint(t *testing.T) {
	s := newShop(t)
	for _, g := range []xfs4iot.Generation{xfs4iot.Gen2021, xfs4iot.Gen2023} {
		conn, err := client.Dial(t.Context(), s.url, client.Options{
			Generation: g, Unsolicited: func(m *xfs4iot.Message) { s.news <- m.Header.Name },
		})
		if err != nil {
			t.Fatal(err)
		}
		s.conn = conn
		s.expect("print", s.print(receipt(), ""), "")
		s.device.OutAfter(3)
		s.expect("print on the end of the roll", s.print(receipt(), ""), "paperOut")
		s.device.SetPaper(escpos.PaperOK)
		s.await(func(c *common.StatusCompletion) bool { return c.Printer.Paper.Upper == printer.PaperSupplyFull })
		conn.Close()
	}
	if n := len(s.device.Sheets()); n < 2 {
		t.Errorf("%d sheets, want at least 2", n)
	}
}
