package checkscanner_test

import (
	"bytes"
	"image"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	_ "golang.org/x/image/bmp"
	_ "golang.org/x/image/tiff"

	"github.com/plomb-pos/plomb/driver/sim/checkscanner"
	"github.com/plomb-pos/plomb/driver/sim/panel"
	"github.com/plomb-pos/plomb/driver/sim/simtest"
	"github.com/plomb-pos/plomb/internal/powercut"
	"github.com/plomb-pos/plomb/xfs4iot"
	"github.com/plomb-pos/plomb/xfs4iot/check"
	"github.com/plomb-pos/plomb/xfs4iot/common"
	"github.com/plomb-pos/plomb/xfs4iot/lights"
	"github.com/plomb-pos/plomb/xfs4iot/mixedmedia"
	"github.com/plomb-pos/plomb/xfs4iot/storage"
)

func serve(t *testing.T, o checkscanner.Options) (*checkscanner.Scanner, *simtest.Client) {
	t.Helper()
	s, err := checkscanner.New("CheckScanner", o)
	if err != nil {
		t.Fatal(err)
	}
	return s, simtest.Serve(t, s.Service())
}

func state(s *checkscanner.Scanner) checkscanner.State { return s.State().(checkscanner.State) }

func TestEveryCommandIsServed(t *testing.T) {
	_, c := serve(t, checkscanner.Options{Mixed: true})
	simtest.ServesAll(t, c, check.Description, storage.Description, lights.Description, mixedmedia.Description)
}

func TestTheScannerKeepsTheSessionRules(t *testing.T) {
	_, c := serve(t, checkscanner.Options{})
	simtest.Conforms(t, c, check.MediaIn.Info())
}

var sound = checkscanner.Cheque{Number: "0042", Payee: "Kiosk am Eck", Amount: "12.50", CodeLine: "⑆123456789⑆ 0012345⑈ 0042"}

func with(defect string) checkscanner.Cheque {
	c := sound
	c.Defect = defect
	return c
}

var everything = check.MediaInCommand{CodelineFormat: check.CodelineFormatE13b, Image: []check.ImageRequest{
	{Source: check.ImageSourceFront, Type: check.ImageTypeJpg, ColorFormat: check.ImageColorFormatFull}, {Source: check.ImageSourceBack, Type: check.ImageTypeTif, ColorFormat: check.ImageColorFormatBinary}}}

// enter puts a bunch in and returns the completion with the events of the command.
func enter(t *testing.T, s *checkscanner.Scanner, c *simtest.Client, req check.MediaInCommand, bunch ...checkscanner.Cheque) (*check.MediaInCompletion, []*xfs4iot.Message, error) {
	t.Helper()
	call := simtest.Start(c, check.MediaIn, &req)
	call.Await(t, &check.NoMediaEvent{})
	if err := s.Insert(bunch...); err != nil {
		t.Fatal(err)
	}
	resp, err := call.End()
	var events []*xfs4iot.Message
	for len(call.Events) > 0 {
		events = append(events, <-call.Events)
	}
	return resp, events, err
}

func names(events []*xfs4iot.Message) []string { return simtest.Events(events).Names() }

func TestABunchIsReadStackedAndStored(t *testing.T) {
	s, c := serve(t, checkscanner.Options{})
	resp, events, err := enter(t, s, c, everything, sound, with(checkscanner.Unreadable))
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"Check.MediaInsertedEvent", "Check.MediaDataEvent", "Check.MediaDataEvent"}; !slices.Equal(names(events), want) {
		t.Errorf("events %q", names(events))
	}
	if m := resp.MediaIn; *m.MediaOnStacker != 2 || *m.LastMedia != 2 || m.MediaFeeder != "empty" {
		t.Errorf("media in %+v", m)
	}
	var first, second check.MediaDataEvent
	if err := events[1].Into(&first); err != nil {
		t.Fatal(err)
	}
	if err := events[2].Into(&second); err != nil {
		t.Fatal(err)
	}
	if first.CodelineData != "a123456789a 0012345c 0042" || first.MagneticReadIndicator != "micr" || second.CodelineData != "a12?456789a 0012345c 0042" || second.MediaValidity != "suspect" {
		t.Errorf("code lines %q, %q", first.CodelineData, second.CodelineData)
	}
	for i, want := range []string{"jpeg", "tiff"} {
		if img, format, err := image.DecodeConfig(bytes.NewReader(first.Image[i].Image)); err != nil || format != want || img.Width != 720 {
			t.Errorf("image %d: %s, %d wide, %v", i, format, img.Width, err)
		}
	}
	simtest.Must(c, check.SetMediaParameters, &check.SetMediaParametersCommand{MediaID: new(1), Destination: checkscanner.Pocket2, Stamp: new(true), PrintData: "Shop 3\n22.11.2026",
		Image: []check.ImageRequest{{Source: check.ImageSourceBack, Type: check.ImageTypeBmp}}})
	simtest.Must(c, check.SetMediaParameters, &check.SetMediaParametersCommand{MediaID: new(2), Destination: "customer"})
	end, ended := simtest.Must(c, check.MediaInEnd, &check.MediaInEndCommand{})
	if want := []string{"Check.MediaDataEvent", "Check.MediaPresentedEvent"}; !slices.Equal(ended.Names(), want) {
		t.Errorf("events %q", ended.Names())
	}
	if e := end.MediaInEnd; *e.ItemsReturned != 1 || *e.Storage.Storage[checkscanner.Pocket2].Check.Status.In.MediaInCount != 1 {
		t.Errorf("media in end %+v", e)
	}
	c.Heard(&storage.CountsChangedEvent{})
	if err := panel.Do(s, "take", nil); err != nil {
		t.Fatal(err)
	}
	var taken check.MediaTakenEvent
	if c.Heard(&taken); taken.Position != "output" {
		t.Errorf("taken at %s", taken.Position)
	}
	status, _ := simtest.Must(c, check.GetTransactionStatus, &check.GetTransactionStatusCommand{IncludeImage: new(true)})
	if status.MediaInTransaction != "ok" || status.TotalItems != "2" || status.MediaInfo[0].MediaLocation != checkscanner.Pocket2 || status.MediaInfo[1].MediaLocation != "customer" {
		t.Errorf("transaction %+v", status)
	}
	if path := os.Getenv("PLOMB_TEST_PICTURE"); path != "" {
		data, err := s.Picture(state(s).Stored[0].Pictures[0])
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestRefusedItemsHaveToBeGivenBackFirst(t *testing.T) {
	s, c := serve(t, checkscanner.Options{})
	resp, events, err := enter(t, s, c, everything, with("double"), sound, with(checkscanner.Note))
	if err != nil || *resp.MediaIn.MediaOnStacker != 1 {
		t.Fatal(err, resp)
	}
	var refused check.MediaRefusedEvent
	if err := events[1].Into(&refused); err != nil || refused.Reason != "doubleDetect" || refused.Location != "refused" {
		t.Errorf("refused %+v, %v", refused, err)
	}
	for _, do := range []func() error{
		func() error { _, _, err := simtest.Do(c, check.MediaIn, &everything); return err },
		func() error { _, _, err := simtest.Do(c, check.MediaInEnd, &check.MediaInEndCommand{}); return err },
		func() error {
			_, _, err := simtest.Do(c, check.MediaInRollback, &check.MediaInRollbackCommand{})
			return err
		},
	} {
		if err := do(); simtest.Code(err) != "refusedItems" {
			t.Errorf("ended with %v", err)
		}
	}
	simtest.Must(c, check.PresentMedia, &check.PresentMediaCommand{})
	if err := s.Take(); err != nil {
		t.Fatal(err)
	}
	back, _ := simtest.Must(c, check.MediaInRollback, &check.MediaInRollbackCommand{})
	if *back.MediaInRollback.ItemsReturned != 1 || *back.MediaInRollback.ItemsRefused != 2 || state(s).Deal != "rollback" {
		t.Errorf("rollback %+v, %s", back.MediaInRollback, state(s).Deal)
	}
	got, _ := simtest.Must(c, check.RetractMedia, &check.RetractMediaCommand{})
	if got.Media.Count != "1" || got.Media.RetractLocation != checkscanner.Retract || state(s).Deal != "retract" {
		t.Errorf("retracted %+v", got.Media)
	}
}

func TestTheClientDecidesOnEachItem(t *testing.T) {
	s, c := serve(t, checkscanner.Options{})
	req := everything
	req.ApplicationRefuse = new(true)
	resp, _, err := enter(t, s, c, req, sound, sound, sound)
	if err != nil || resp.MediaIn.MediaFeeder != "notEmpty" || *resp.MediaIn.MediaOnStacker != 0 {
		t.Fatalf("%v, %+v", err, resp)
	}
	if _, _, err := simtest.Do(c, check.GetNextItem, &check.GetNextItemCommand{}); simtest.Code(err) != "sequenceError" {
		t.Errorf("next before a decision = %v", err)
	}
	simtest.Must(c, check.AcceptItem, &check.AcceptItemCommand{Accept: new(true)})
	if _, events := simtest.Must(c, check.GetNextItem, &check.GetNextItemCommand{}); !slices.Equal(events.Names(), []string{"Check.MediaDataEvent"}) {
		t.Errorf("events %q", events.Names())
	}
	simtest.Must(c, check.AcceptItem, &check.AcceptItemCommand{Accept: new(false)})
	simtest.Must(c, check.GetNextItem, &check.GetNextItemCommand{})
	simtest.Must(c, check.AcceptItem, &check.AcceptItemCommand{Accept: new(true)})
	if _, _, err := simtest.Do(c, check.GetNextItem, &check.GetNextItemCommand{}); simtest.Code(err) != "noItems" {
		t.Errorf("next of none = %v", err)
	}
	if st := state(s); len(st.Stacker) != 2 || len(st.Refused) != 1 {
		t.Errorf("%d stacked, %d refused", len(st.Stacker), len(st.Refused))
	}
}

func TestEachFaultOfMediaInHasItsCode(t *testing.T) {
	for code, do := range map[string]func(*checkscanner.Scanner){
		"shutterFail": func(s *checkscanner.Scanner) { s.Arm(checkscanner.FaultShutter, 0) },
		"micrInop":    func(s *checkscanner.Scanner) { _ = s.Break("micr") },
		"scannerInop": func(s *checkscanner.Scanner) { _ = s.Break("camera") },
		"feederInop":  func(s *checkscanner.Scanner) { _ = s.Break("feeder") },
		"allBinsFull": func(s *checkscanner.Scanner) {
			_ = s.Pocket(checkscanner.Pocket1, "take out")
			_ = s.Pocket(checkscanner.Pocket2, "break")
		},
	} {
		t.Run(code, func(t *testing.T) {
			s, c := serve(t, checkscanner.Options{})
			do(s)
			if _, _, err := simtest.Do(c, check.MediaIn, new(everything)); simtest.Code(err) != code {
				t.Errorf("ended with %v", err)
			}
		})
	}
	for code, fault := range map[string]string{"mediaJammed": checkscanner.FaultJam, "hardwareError": checkscanner.FaultPower} {
		s, c := serve(t, checkscanner.Options{})
		s.Arm(fault, 1)
		resp, _, err := enter(t, s, c, everything, sound, sound)
		if simtest.Code(err) != code || *resp.MediaIn.LastMedia != 1 || state(s).Deal != "failure" {
			t.Errorf("%s: ended with %v, %+v", fault, err, resp.MediaIn)
		}
		s.Repair()
		simtest.Must(c, check.Reset, &check.ResetCommand{MediaControl: checkscanner.Retract})
		var found check.MediaDetectedEvent
		if c.Heard(&found); found.Position != checkscanner.Retract || state(s).Pockets[2].Items != 2 {
			t.Errorf("found at %s, %+v", found.Position, state(s).Pockets[2])
		}
	}
}

func TestAFullStackerRefusesTheRest(t *testing.T) {
	s, c := serve(t, checkscanner.Options{Stacker: 2})
	resp, _, err := enter(t, s, c, everything, sound, sound, sound)
	if simtest.Code(err) != "stackerFull" || *resp.MediaIn.MediaOnStacker != 2 || len(state(s).Refused) != 1 {
		t.Errorf("ended with %v, %+v", err, resp)
	}
}

func TestARejectedBunchStartsNoTransaction(t *testing.T) {
	s, c := serve(t, checkscanner.Options{})
	call := simtest.Start(c, check.MediaIn, new(everything))
	call.Await(t, &check.NoMediaEvent{})
	if err := s.InsertRejected("metal"); err != nil {
		t.Fatal(err)
	}
	var e check.MediaRejectedEvent
	if call.Await(t, &e); e.Reason != "metal" {
		t.Errorf("reason %s", e.Reason)
	}
	if _, err := call.End(); simtest.Code(err) != "mediaRejected" || state(s).Deal != "ok" {
		t.Errorf("ended with %v, transaction %s", err, state(s).Deal)
	}
}

func TestAScannerWithoutStackerActsOnItsItem(t *testing.T) {
	s, c := serve(t, checkscanner.Options{Single: true})
	if _, _, err := enter(t, s, c, everything, sound); err != nil {
		t.Fatal(err)
	}
	if got, _ := simtest.Must(c, check.ReadImage, &check.ReadImageCommand{MediaID: new(1), CodelineFormat: "e13b"}); got.Data.CodelineData == "" {
		t.Error("no code line was read")
	}
	simtest.Must(c, check.ActionItem, &check.ActionItemCommand{})
	if n := state(s).Pockets[0].Items; n != 1 {
		t.Errorf("%d items in the pocket", n)
	}
	if _, _, err := enter(t, s, c, everything, sound); err != nil {
		t.Fatal(err)
	}
	simtest.Must(c, check.SetMediaParameters, &check.SetMediaParametersCommand{Destination: "customer"})
	simtest.Must(c, check.ActionItem, &check.ActionItemCommand{})
	simtest.Must(c, check.ExpelMedia, &check.ExpelMediaCommand{})
	if _, _, err := simtest.Do(c, check.ExpelMedia, &check.ExpelMediaCommand{}); simtest.Code(err) != "noItems" {
		t.Errorf("expelled twice = %v", err)
	}
}

// Requirement: XFS-10
func TestCheckCountsSurviveAPowerCutAndUndetectedPocketsAreNull(t *testing.T) {
	disk := powercut.New()
	s, c := serve(t, checkscanner.Options{FS: disk})
	if _, _, err := enter(t, s, c, everything, sound, sound); err != nil {
		t.Fatal(err)
	}
	simtest.Must(c, check.MediaInEnd, &check.MediaInEndCommand{})
	s, c = serve(t, checkscanner.Options{FS: disk.Cut(nil, powercut.KeepNone)})
	got, _ := simtest.Must(c, storage.GetStorage, &storage.GetStorageCommand{})
	if u := got.Storage[checkscanner.Pocket1]; u == nil || *u.Check.Status.In.Count != 2 || *u.Check.Status.In.MediaInCount != 2 {
		t.Errorf("after the power cut: %+v", u)
	}
	if err := s.Pocket(checkscanner.Pocket1, "hide"); err != nil {
		t.Fatal(err)
	}
	got, _ = simtest.Must(c, storage.GetStorage, &storage.GetStorageCommand{})
	if u, named := got.Storage[checkscanner.Pocket1]; u != nil || !named || got.Storage[checkscanner.Pocket2] == nil {
		t.Errorf("an undetected pocket: %+v, named %v; want null", u, named)
	}
}

// Requirement: XFS-12
func TestCheckUnitLightsAreSetAndReported(t *testing.T) {
	s, c := serve(t, checkscanner.Options{})
	caps, _ := simtest.Must(c, common.Capabilities, nil)
	if l := caps.Lights.Lights.CheckUnit["default"]; l == nil || !*l.FlashRate.Quick || !*l.Color.Green {
		t.Fatalf("capabilities %+v", caps.Lights)
	}
	on := &lights.PositionStatus{FlashRate: "quick", Color: "yellow", Direction: "exit"}
	simtest.Must(c, lights.SetLight, &lights.SetLightCommand{CheckUnit: map[string]*lights.PositionStatus{"default": on}})
	var changed common.StatusChangedEvent
	c.Heard(&changed)
	if diff := cmp.Diff(on, changed.Lights.CheckUnit["default"]); diff != "" {
		t.Error(diff)
	}
	status, _ := simtest.Must(c, common.Status, nil)
	if diff := cmp.Diff(on, status.Lights.CheckUnit["default"]); diff != "" {
		t.Error(diff)
	}
	for code, req := range map[string]*lights.SetLightCommand{
		"invalidLight":    {CardReader: map[string]*lights.PositionStatus{"default": on}},
		"unsupportedData": {CheckUnit: map[string]*lights.PositionStatus{"default": {Color: "blue"}}},
	} {
		if _, _, err := simtest.Do(c, lights.SetLight, req); simtest.Code(err) != code {
			t.Errorf("want %s, ended with %v", code, err)
		}
	}
	s.Arm(checkscanner.FaultLight, 0)
	if _, _, err := simtest.Do(c, lights.SetLight, &lights.SetLightCommand{CheckUnit: map[string]*lights.PositionStatus{"default": on}}); simtest.Code(err) != "lightError" {
		t.Errorf("a broken light = %v", err)
	}
}

func TestAMixedDeviceTakesNotesBetweenCheques(t *testing.T) {
	s, c := serve(t, checkscanner.Options{Mixed: true})
	if _, _, err := enter(t, s, c, everything, sound, with(checkscanner.Note), sound); err != nil {
		t.Fatal(err)
	}
	if st := state(s); st.Notes != 1 || len(st.Stacker) != 2 {
		t.Errorf("%d notes, %d cheques", st.Notes, len(st.Stacker))
	}
	modes := &mixedmedia.SetModeCommand{Modes: &mixedmedia.Modes{CashAccept: new(false), CheckAccept: new(true)}}
	if _, _, err := simtest.Do(c, mixedmedia.SetMode, modes); simtest.Code(err) != "transactionActive" {
		t.Errorf("within a transaction = %v", err)
	}
	simtest.Must(c, check.MediaInEnd, &check.MediaInEndCommand{})
	simtest.Must(c, mixedmedia.SetMode, modes)
	_, events, err := enter(t, s, c, everything, with(checkscanner.Note))
	if err != nil || !slices.Contains(names(events), "Check.MediaRefusedEvent") || state(s).Notes != 1 {
		t.Errorf("a note in check mode: %v, %q", err, names(events))
	}
	status, _ := simtest.Must(c, common.Status, nil)
	if *status.MixedMedia.Modes.CashAccept {
		t.Error("the status still says that cash is taken")
	}
	if _, _, err := simtest.Do(c, mixedmedia.SetMode, &mixedmedia.SetModeCommand{}); simtest.Code(err) == "success" {
		t.Error("a device that takes nothing")
	}
}

func TestWrongRequestsAreRefused(t *testing.T) {
	s, c := serve(t, checkscanner.Options{})
	if _, _, err := enter(t, s, c, everything, sound); err != nil {
		t.Fatal(err)
	}
	for code, req := range map[string]*check.SetMediaParametersCommand{
		"invalidMediaID": {MediaID: new(7)}, "invalidBin": {Destination: checkscanner.Retract}, "invalidData": {PrintData: strings.Repeat("x", 300)},
		"unsupportedData": {Image: []check.ImageRequest{{Source: "front", Type: "wmf"}}},
	} {
		if _, _, err := simtest.Do(c, check.SetMediaParameters, req); simtest.Code(err) != code {
			t.Errorf("want %s, ended with %v", code, err)
		}
	}
	s.SetInk(0)
	if _, _, err := simtest.Do(c, check.SetMediaParameters, &check.SetMediaParametersCommand{Stamp: new(true)}); simtest.Code(err) != "inkOut" {
		t.Errorf("without ink = %v", err)
	}
	simtest.Must(c, check.SupplyReplenish, &check.SupplyReplenishCommand{Ink: new(true)})
	if _, _, err := simtest.Do(c, check.ActionItem, &check.ActionItemCommand{}); simtest.Code(err) != "sequenceError" {
		t.Errorf("ActionItem with a stacker = %v", err)
	}
	if _, _, err := simtest.Do(c, check.ReadImage, &check.ReadImageCommand{MediaID: new(1), CodelineFormat: "cmc7"}); simtest.Code(err) != "unsupportedData" {
		t.Errorf("cmc7 = %v", err)
	}
}
