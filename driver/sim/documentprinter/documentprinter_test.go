package documentprinter_test

import (
	"bytes"
	"image"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plomb-pos/plomb/driver/forms/press"
	"github.com/plomb-pos/plomb/driver/sim/documentprinter"
	"github.com/plomb-pos/plomb/driver/sim/simtest"
	"github.com/plomb-pos/plomb/internal/powercut"
	"github.com/plomb-pos/plomb/xfs4iot"
	"github.com/plomb-pos/plomb/xfs4iot/common"
	"github.com/plomb-pos/plomb/xfs4iot/printer"
	"github.com/plomb-pos/plomb/xfs4iot/storage"
)

func serve(t *testing.T, o documentprinter.Options) (*documentprinter.Printer, *simtest.Client) {
	t.Helper()
	p, err := documentprinter.New("DocumentPrinter", o)
	if err != nil {
		t.Fatal(err)
	}
	return p, simtest.Serve(t, p.Service())
}

func state(p *documentprinter.Printer) documentprinter.State {
	return p.State().(documentprinter.State)
}

func TestEveryCommandIsServed(t *testing.T) {
	_, c := serve(t, documentprinter.Options{})
	simtest.ServesAll(t, c, printer.Description, storage.Description)
}

func TestThePrinterKeepsTheSessionRules(t *testing.T) {
	_, c := serve(t, documentprinter.Options{})
	simtest.Conforms(t, c, printer.MediaExtents.Info())
}

// statement is a form filled in.
func statement(c *printer.MediaControlNullable) *printer.PrintFormCommand {
	return &printer.PrintFormCommand{FormName: "STATEMENT", MediaName: "A4", MediaControl: c, Fields: map[string]xfs4iot.Strings{
		"NAME": {"Erika Beispiel"}, "ACCOUNT": {"DE02 1203 0000 0000 2020 51"}, "TEXT": {"Salary", "Rent"}, "AMOUNT": {"2100.00", "-800.00"},
		"NOTE": {"This statement counts as agreed unless you object."}, "BALANCE": {"1300.00"}, "CODE": {"ST-0001"},
	}}
}

var eject = &printer.MediaControlNullable{Move: printer.MediaControlNullableMoveEject}

func TestAFormIsPrintedPresentedAndTaken(t *testing.T) {
	p, c := serve(t, documentprinter.Options{})
	_, events := simtest.Must(c, printer.PrintForm, statement(eject))
	if want := []string{"Printer.MediaPresentedEvent"}; !slices.Equal(events.Names(), want) {
		t.Errorf("events %q", events.Names())
	}
	s := state(p)
	if s.At != "presented" || s.Trays["upper"] != 99 {
		t.Errorf("state %+v", s)
	}
	want := []string{"Statement of account", "Erika Beispiel", "DE02 1203 0000 0000 2020 51", "Salary", "Rent", "2100.00", "-800.00",
		"This statement counts as agreed unless you object.", "1300.00", "ST-0001"}
	if diff := cmp.Diff(want, s.Medium.Text); diff != "" {
		t.Error(diff)
	}
	data, err := p.Picture(s.Medium.Pictures[0])
	if err != nil {
		t.Fatal(err)
	}
	if img, _, err := image.DecodeConfig(bytes.NewReader(data)); err != nil || img.Width != 992 || img.Height != 1403 {
		t.Errorf("picture %+v, %v", img, err)
	}
	if err := p.Take(); err != nil {
		t.Fatal(err)
	}
	c.Heard(&printer.MediaTakenEvent{})
	if s := state(p); len(s.Taken) != 1 || s.Medium != nil {
		t.Errorf("after taking %+v", s)
	}
}

func TestWrongFieldsCostNoSheet(t *testing.T) {
	p, c := serve(t, documentprinter.Options{})
	req := statement(eject)
	delete(req.Fields, "NAME")
	req.Fields["OTHER"] = xfs4iot.Strings{"x"}
	_, events, err := simtest.Do(c, printer.PrintForm, req)
	var got []printer.FieldErrorEvent
	for _, m := range events {
		var e printer.FieldErrorEvent
		if err := m.Into(&e); err != nil {
			t.Fatal(err)
		}
		got = append(got, e)
	}
	want := []printer.FieldErrorEvent{{FormName: "STATEMENT", FieldName: "OTHER", Failure: "notFound"}, {FormName: "STATEMENT", FieldName: "NAME", Failure: "required"}}
	if diff := cmp.Diff(want, got); diff != "" || simtest.Code(err) != "fieldError" || state(p).Trays["upper"] != 100 {
		t.Error(diff, err, state(p).Trays)
	}
	req = statement(nil)
	req.Fields["TEXT"] = xfs4iot.Strings{strings.Repeat("long ", 40)}
	_, events, err = simtest.Do(c, printer.PrintForm, req)
	if err != nil || !slices.Equal(events.Names(), []string{"Printer.FieldWarningEvent"}) {
		t.Errorf("a text that is cut: %v, %q", err, events.Names())
	}
}

func TestEachFaultOfPrintingHasItsCode(t *testing.T) {
	for code, do := range map[string]func(*documentprinter.Printer, *printer.PrintFormCommand){
		"paperJammed":    func(p *documentprinter.Printer, _ *printer.PrintFormCommand) { p.Arm(documentprinter.FaultPaperJam, 0) },
		"mediaJammed":    func(p *documentprinter.Printer, _ *printer.PrintFormCommand) { p.Arm(documentprinter.FaultJam, 0) },
		"mediaSkewed":    func(p *documentprinter.Printer, _ *printer.PrintFormCommand) { p.Arm(documentprinter.FaultSkew, 0) },
		"shutterFail":    func(p *documentprinter.Printer, _ *printer.PrintFormCommand) { p.Arm(documentprinter.FaultShutter, 0) },
		"hardwareError":  func(p *documentprinter.Printer, _ *printer.PrintFormCommand) { p.Arm(documentprinter.FaultPower, 0) },
		"paperOut":       func(p *documentprinter.Printer, _ *printer.PrintFormCommand) { p.SetSupplies(0, -1, -1, -1) },
		"tonerOut":       func(p *documentprinter.Printer, _ *printer.PrintFormCommand) { p.SetSupplies(-1, -1, 0, -1) },
		"deviceNotReady": func(p *documentprinter.Printer, _ *printer.PrintFormCommand) { p.SetCover(true) },
		"formNotFound":   func(_ *documentprinter.Printer, r *printer.PrintFormCommand) { r.FormName = "NONE" },
		"mediaNotFound":  func(_ *documentprinter.Printer, r *printer.PrintFormCommand) { r.MediaName = "NONE" },
		"sourceInvalid":  func(_ *documentprinter.Printer, r *printer.PrintFormCommand) { r.PaperSource = "aux" },
		"mediaOverflow":  func(_ *documentprinter.Printer, r *printer.PrintFormCommand) { r.MediaName = "A5" },
		"charSetData": func(_ *documentprinter.Printer, r *printer.PrintFormCommand) {
			r.Fields["NAME"] = xfs4iot.Strings{"\x1b@"}
		},
		"unsupportedData": func(_ *documentprinter.Printer, r *printer.PrintFormCommand) { r.MediaControl.Cut = new(true) },
		"inkOut": func(p *documentprinter.Printer, r *printer.PrintFormCommand) {
			p.SetSupplies(-1, -1, -1, 0)
			r.MediaControl.Stamp = new(true)
		},
	} {
		t.Run(code, func(t *testing.T) {
			p, c := serve(t, documentprinter.Options{})
			req := statement(new(*eject))
			do(p, req)
			if _, _, err := simtest.Do(c, printer.PrintForm, req); simtest.Code(err) != code {
				t.Errorf("ended with %v", err)
			}
		})
	}
}

func TestAPrinterThatLostPowerPresentsWhatItHolds(t *testing.T) {
	p, c := serve(t, documentprinter.Options{})
	p.Arm(documentprinter.FaultPower, 0)
	_, _, _ = simtest.Do(c, printer.PrintForm, statement(eject))
	if _, _, err := simtest.Do(c, printer.PrintForm, statement(eject)); simtest.Code(err) != "deviceNotReady" {
		t.Errorf("without power = %v", err)
	}
	p.Repair()
	c.Heard(&printer.MediaPresentedUnsolicitedEvent{})
	if err := p.Take(); err != nil {
		t.Error(err)
	}
}

func TestAPassbookIsUpdated(t *testing.T) {
	p, c := serve(t, documentprinter.Options{})
	call := simtest.Start(c, printer.PrintForm, &printer.PrintFormCommand{FormName: "PASSBOOK_LINE", MediaName: "PASSBOOK",
		Fields: map[string]xfs4iot.Strings{"LINE": {"01.11. interest   1.20", "22.11. deposit  50.00"}}})
	var wait printer.NoMediaEvent
	call.Await(t, &wait)
	if wait.UserPrompt != "Please insert your passbook" {
		t.Errorf("prompt %q", wait.UserPrompt)
	}
	if err := p.Insert(documentprinter.Passbook, "", 3); err != nil {
		t.Fatal(err)
	}
	if _, err := call.End(); err != nil {
		t.Fatal(err)
	}
	read, _ := simtest.Must(c, printer.ReadForm, &printer.ReadFormCommand{FormName: "PASSBOOK_LINE", MediaName: "PASSBOOK"})
	if diff := cmp.Diff(xfs4iot.Strings{"01.11. interest   1.20", "22.11. deposit  50.00"}, read.Fields["LINE"]); diff != "" {
		t.Error(diff)
	}
	turn := func(a printer.ControlPassbookCommandAction, n int) string {
		_, _, err := simtest.Do(c, printer.ControlPassbook, &printer.ControlPassbookCommand{Action: a, Count: &n})
		return simtest.Code(err)
	}
	got := []string{turn("backward", 2), turn("backward", 1), turn("forward", 7), turn("forward", 1), turn("closeForward", 1), turn("forward", 1)}
	if want := []string{"success", "lastOrFirstPageReached", "success", "lastOrFirstPageReached", "success", "passbookClosed"}; !slices.Equal(got, want) {
		t.Errorf("turning pages: %q", got)
	}
}

func TestAWrongMediumIsRejectedWithItsReason(t *testing.T) {
	p, c := serve(t, documentprinter.Options{})
	call := simtest.Start(c, printer.ReadImage, &printer.ReadImageCommand{FrontImage: &printer.ReadImageCommandFrontImage{ImageType: "png"}})
	call.Await(t, &printer.NoMediaEvent{})
	if err := p.Insert("crooked sheet", "", 1); err != nil {
		t.Fatal(err)
	}
	_, err := call.End()
	var e printer.MediaRejectedEvent
	call.Await(t, &e)
	if simtest.Code(err) != "mediaRejected" || e.Reason != "align" {
		t.Errorf("ended with %v, reason %s", err, e.Reason)
	}
}

func TestADocumentIsScannedInEveryFormat(t *testing.T) {
	p, c := serve(t, documentprinter.Options{})
	if err := p.Insert(documentprinter.Sheet, "Contract\nsigned", 1); err != nil {
		t.Fatal(err)
	}
	c.Heard(&printer.MediaInsertedUnsolicitedEvent{})
	for _, kind := range []printer.ReadImageCommandFrontImageImageType{"png", "jpg", "bmp", "gif", "tif"} {
		for _, colors := range []printer.ReadImageCommandFrontImageColorFormat{"binary", "grayscale", "fullcolor"} {
			got, _ := simtest.Must(c, printer.ReadImage, &printer.ReadImageCommand{FrontImage: &printer.ReadImageCommandFrontImage{ImageType: kind, ColorFormat: colors}})
			_, name, err := image.Decode(bytes.NewReader(got.Images.Front.Data))
			if err != nil || name[:2] != string(kind)[:2] && kind != "jpg" {
				t.Errorf("%s %s: %s, %v", kind, colors, name, err)
			}
		}
	}
	got, _ := simtest.Must(c, printer.MediaExtents, &printer.MediaExtentsCommand{Unit: &printer.Unit{Base: "mm", X: new(1), Y: new(1)}})
	if *got.X != 148 || *got.Y != 210 {
		t.Errorf("extents %d x %d mm", *got.X, *got.Y)
	}
	p.SetLamp("inop")
	if _, _, err := simtest.Do(c, printer.MediaExtents, &printer.MediaExtentsCommand{}); simtest.Code(err) != "lampInoperative" {
		t.Errorf("without lamp = %v", err)
	}
	c.Heard(&printer.LampThresholdEvent{})
}

func TestWhatNobodyTakesIsRetractedUntilTheBinIsFull(t *testing.T) {
	disk := powercut.New()
	p, c := serve(t, documentprinter.Options{Retracts: 2, FS: disk})
	for range 2 {
		simtest.Must(c, printer.PrintForm, statement(eject))
		got, _ := simtest.Must(c, printer.RetractMedia, &printer.RetractMediaCommand{MediaControl: documentprinter.Bin})
		if got.Result != documentprinter.Bin {
			t.Errorf("result %s", got.Result)
		}
	}
	var full printer.RetractBinThresholdEvent
	for full.State != "full" {
		c.Heard(&full)
	}
	simtest.Must(c, printer.PrintForm, statement(eject))
	if _, _, err := simtest.Do(c, printer.RetractMedia, &printer.RetractMediaCommand{}); simtest.Code(err) != "retractBinFull" {
		t.Errorf("into a full bin = %v", err)
	}
	if err := p.RetractPeriodOver(); err != nil {
		t.Fatal(err)
	}
	var auto printer.MediaAutoRetractedEvent
	if c.Heard(&auto); auto.Result != "transport" {
		t.Errorf("retracted by itself to %s", auto.Result)
	}
	again, err := documentprinter.New("P", documentprinter.Options{Retracts: 2, FS: disk.Cut(nil, powercut.KeepNone)})
	if err != nil || state(again).Bin.Items != 2 {
		t.Errorf("after a power cut: %v, %+v", err, state(again).Bin)
	}
	simtest.Must(c, printer.ResetCount, &printer.ResetCountCommand{})
	if state(p).Bin.Items != 0 {
		t.Error("the count was not reset")
	}
	if _, _, err := simtest.Do(c, printer.Reset, &printer.ResetCommand{MediaControl: documentprinter.Bin}); err != nil {
		t.Error(err)
	}
	var found printer.MediaDetectedEvent
	if c.Heard(&found); found.Position != documentprinter.Bin {
		t.Errorf("found at %s", found.Position)
	}
}

func TestSheetsAreStackedAndPresentedTogether(t *testing.T) {
	p, c := serve(t, documentprinter.Options{})
	stack := &printer.MediaControlNullable{Move: printer.MediaControlNullableMoveStack}
	for range 5 {
		simtest.Must(c, printer.PrintForm, statement(stack))
	}
	if _, _, err := simtest.Do(c, printer.PrintForm, statement(stack)); simtest.Code(err) != "stackerFull" {
		t.Errorf("sixth sheet = %v", err)
	}
	simtest.Must(c, printer.ControlMedia, &printer.ControlMediaCommand{MediaControl: &printer.MediaControl{Move: "eject", Stamp: new(true)}})
	if s := state(p); s.Medium.Pages != 6 || s.Stacker != 0 || !slices.Contains(s.Medium.Text, "PAID") {
		t.Errorf("state %+v", s)
	}
}

func TestRawTextAndPicturesArePrinted(t *testing.T) {
	p, c := serve(t, documentprinter.Options{})
	simtest.Must(c, printer.PrintRaw, &printer.PrintRawCommand{InputData: "no", Data: []byte("first line\nGr\xfc\xdfe 3 \x80\f")})
	if s := state(p); s.At != "presented" || !slices.Equal(s.Medium.Text, []string{"first line", "Grüße 3 €"}) {
		t.Errorf("state %+v", s.Medium)
	}
	_ = p.Take()
	picture, err := press.PNG(image.NewGray(image.Rect(0, 0, 50, 50)))
	if err != nil {
		t.Fatal(err)
	}
	simtest.Must(c, printer.PrintNative, &printer.PrintNativeCommand{Data: picture, PaperSource: "lower", MediaControl: eject})
	if _, _, err := simtest.Do(c, printer.PrintNative, &printer.PrintNativeCommand{Data: []byte("%!PS")}); simtest.Code(err) != "unsupportedData" {
		t.Errorf("PostScript = %v", err)
	}
	_ = p.Take()
	simtest.Must(c, printer.DispensePaper, &printer.DispensePaperCommand{PaperSource: "upper"})
	simtest.Must(c, printer.ControlMedia, &printer.ControlMediaCommand{MediaControl: &printer.MediaControl{Move: "expel"}})
	simtest.Must(c, printer.ClearBuffer, &printer.ClearBufferCommand{})
}

func TestDefinitionsAreSetQueriedAndKept(t *testing.T) {
	disk := powercut.New()
	_, c := serve(t, documentprinter.Options{FS: disk})
	text := `XFSFORM "TICKET" BEGIN UNIT MM,1,1 SIZE 100,50 XFSFIELD "SEAT" BEGIN POSITION 5,5 SIZE 40,6 CLASS REQUIRED END END`
	simtest.Must(c, printer.LoadDefinition, &printer.LoadDefinitionCommand{Definition: text})
	var loaded printer.DefinitionLoadedEvent
	if c.Heard(&loaded); loaded.Name != "TICKET" || loaded.Type != "form" {
		t.Errorf("event %+v", loaded)
	}
	if _, _, err := simtest.Do(c, printer.LoadDefinition, &printer.LoadDefinitionCommand{Definition: text}); simtest.Code(err) != "definitionExists" {
		t.Errorf("loaded twice = %v", err)
	}
	_, _, err := simtest.Do(c, printer.LoadDefinition, &printer.LoadDefinitionCommand{Definition: "XFSFORM \"X\"\nBEGINN"})
	if simtest.Code(err) != "formInvalid" || !strings.Contains(err.Error(), "line 2, column 1") {
		t.Errorf("a wrong text = %v", err)
	}
	form, _ := simtest.Must(c, printer.GetQueryForm, &printer.GetQueryFormCommand{FormName: "TICKET"})
	if f := form.Form.Fields["SEAT"]; f == nil || f.Class != "required" || *f.Size.Width != 40 {
		t.Errorf("form %+v", form.Form)
	}
	field, _ := simtest.Must(c, printer.GetQueryField, &printer.GetQueryFieldCommand{FormName: "TICKET", FieldName: "SEAT"})
	if len(field.Fields) != 1 {
		t.Errorf("fields %+v", field.Fields)
	}
	if _, _, err := simtest.Do(c, printer.GetQueryField, &printer.GetQueryFieldCommand{FormName: "TICKET", FieldName: "ROW"}); simtest.Code(err) != "fieldNotFound" {
		t.Errorf("unknown field = %v", err)
	}
	media := &printer.SetMediaCommandMedia{MediaType: "generic", Unit: &printer.Unit{Base: "mm", X: new(1), Y: new(1)}, Size: &printer.Size{Width: new(100), Height: new(50)}}
	simtest.Must(c, printer.SetMedia, &printer.SetMediaCommand{Name: "CARD", Media: media})
	got, _ := simtest.Must(c, printer.GetQueryMedia, &printer.GetQueryMediaCommand{Name: "CARD"})
	if *got.Media.PrintArea.Width != 100 {
		t.Errorf("media %+v", got.Media)
	}
	media.Size.Width = new(90_000)
	if _, _, err := simtest.Do(c, printer.SetMedia, &printer.SetMediaCommand{Name: "CARD", Media: media}); simtest.Code(err) != "mediaInvalid" {
		t.Errorf("a medium of 90 m = %v", err)
	}
	again, err := documentprinter.New("P", documentprinter.Options{FS: disk.Cut(nil, powercut.KeepNone)})
	if err != nil {
		t.Fatal(err)
	}
	c = simtest.Serve(t, again.Service())
	list, _ := simtest.Must(c, printer.GetFormList, &printer.GetFormListCommand{})
	kinds, _ := simtest.Must(c, printer.GetMediaList, &printer.GetMediaListCommand{})
	if diff := cmp.Diff([]string{"PASSBOOK_LINE", "STATEMENT", "TICKET", "A4", "A5", "CARD", "PASSBOOK"}, append(list.FormList, kinds.MediaList...)); diff != "" {
		t.Error(diff)
	}
	simtest.Must(c, printer.SetForm, &printer.SetFormCommand{Name: "TICKET"})
	if _, _, err := simtest.Do(c, printer.SetForm, &printer.SetFormCommand{Name: "TICKET"}); simtest.Code(err) != "formNotFound" {
		t.Errorf("removed twice = %v", err)
	}
	bad := &printer.SetFormCommandForm{Unit: media.Unit, Size: &printer.Size{Width: new(10), Height: new(10)}, Title: "a\rb"}
	if _, _, err := simtest.Do(c, printer.SetForm, &printer.SetFormCommand{Name: "BAD", Form: bad}); simtest.Code(err) != "formInvalid" {
		t.Errorf("a title with a control character = %v", err)
	}
}

func TestSuppliesTellTheirThresholds(t *testing.T) {
	p, c := serve(t, documentprinter.Options{})
	p.SetSupplies(10, 0, 25, 0)
	var paper printer.PaperThresholdEvent
	if c.Heard(&paper); paper.PaperSource != "upper" || paper.Threshold != "low" {
		t.Errorf("paper %+v", paper)
	}
	c.Heard(&printer.TonerThresholdEvent{})
	c.Heard(&printer.InkThresholdEvent{})
	simtest.Must(c, printer.SupplyReplenish, &printer.SupplyReplenishCommand{Upper: new(true), Lower: new(true), Toner: new(true), Ink: new(true), Lamp: new(true)})
	simtest.Must(c, printer.SetBlackMarkMode, &printer.SetBlackMarkModeCommand{BlackMarkMode: new(true)})
	got, _ := simtest.Must(c, common.Status, nil)
	if s := got.Printer; s.Paper.Lower != "full" || s.Toner != "full" || s.BlackMarkMode != "on" {
		t.Errorf("status %+v", s)
	}
	p.Arm(documentprinter.FaultBlackMark, 0)
	if _, _, err := simtest.Do(c, printer.PrintForm, statement(eject)); simtest.Code(err) != "blackMark" {
		t.Errorf("without black mark = %v", err)
	}
	_ = p.TakeBin()
	var b printer.RetractBinStatusEvent
	if c.Heard(&b); b.State != "removed" {
		t.Errorf("bin %+v", b)
	}
}
