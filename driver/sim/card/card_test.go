package card_test

import (
	"bytes"
	"crypto/sha1"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/plomb-pos/plomb/driver/sim/card"
	"github.com/plomb-pos/plomb/driver/sim/panel"
	"github.com/plomb-pos/plomb/driver/sim/simtest"
	"github.com/plomb-pos/plomb/internal/powercut"
	"github.com/plomb-pos/plomb/xfs4iot"
	"github.com/plomb-pos/plomb/xfs4iot/cardreader"
	"github.com/plomb-pos/plomb/xfs4iot/common"
	"github.com/plomb-pos/plomb/xfs4iot/storage"
)

// counter is a reader and a client of it.
type counter struct {
	*testing.T
	*card.Reader
	client *simtest.Client
}

func serve(t *testing.T, o card.Options) *counter {
	t.Helper()
	r, err := card.New("CardReader", o)
	if err != nil {
		t.Fatal(err)
	}
	return &counter{t, r, simtest.Serve(t, r.Service())}
}

// read reads with a card that is inserted meanwhile.
func (c *counter) read(name string, req *cardreader.ReadRawDataCommand) (*cardreader.ReadRawDataCompletion, string) {
	c.Helper()
	call := simtest.Start(c.client, cardreader.ReadRawData, req)
	call.Await(c.T, &cardreader.InsertCardEvent{})
	if err := c.Insert(name); err != nil {
		c.Fatal(err)
	}
	got, err := call.End()
	return got, simtest.Code(err)
}

// draw has a card in the transport with its chip powered.
func (c *counter) draw(name string) {
	c.Helper()
	if _, code := c.read(name, &cardreader.ReadRawDataCommand{Chip: new(true)}); code != "success" {
		c.Fatalf("reading %s: %s", name, code)
	}
}

func (c *counter) status() *common.StatusCompletion {
	c.Helper()
	s, _ := simtest.Must(c.client, common.Status, nil)
	return s
}

func (c *counter) move(from, to string) string {
	c.Helper()
	_, _, err := simtest.Do(c.client, cardreader.Move, &cardreader.MoveCommand{From: from, To: to})
	return simtest.Code(err)
}

func (c *counter) reset(to cardreader.ResetCommandTo, unit string) string {
	c.Helper()
	_, _, err := simtest.Do(c.client, cardreader.Reset, &cardreader.ResetCommand{To: to, StorageID: unit})
	return simtest.Code(err)
}

func (c *counter) exchange(apdu ...byte) ([]byte, string) {
	c.Helper()
	got, _, err := simtest.Do(c.client, cardreader.ChipIO, &cardreader.ChipIOCommand{ChipData: apdu})
	if got == nil {
		return nil, simtest.Code(err)
	}
	return got.ChipData, simtest.Code(err)
}

// Requirement: XFS-03
func TestEveryCommandIsServed(t *testing.T) {
	for _, kind := range []string{"motor", "dip"} {
		c := serve(t, card.Options{Type: kind})
		simtest.ServesAll(t, c.client, cardreader.Description, storage.Description)
	}
}

func TestTheReaderKeepsTheSessionRules(t *testing.T) {
	simtest.Conforms(t, serve(t, card.Options{}).client, cardreader.ReadRawData.Info())
}

func TestAllOfACardIsRead(t *testing.T) {
	c := serve(t, card.Options{})
	key := bytes.Repeat([]byte{0x01}, 16)
	simtest.Must(c.client, cardreader.SetKey, &cardreader.SetKeyCommand{KeyValue: key})
	call := simtest.Start(c.client, cardreader.ReadRawData, &cardreader.ReadRawDataCommand{
		Track1: new(true), Track2: new(true), Track3: new(true), Chip: new(true), Security: new(true), Track1JIS: new(true), MemoryChip: new(true)})
	call.Await(t, &cardreader.InsertCardEvent{})
	if err := c.Insert("Credit card"); err != nil {
		t.Fatal(err)
	}
	call.Await(t, &cardreader.MediaInsertedEvent{})
	var tracks cardreader.TrackDetectedEvent
	call.Await(t, &tracks)
	if !*tracks.Track1 || !*tracks.Track2 || *tracks.Track3 {
		t.Errorf("tracks detected: %v %v %v", *tracks.Track1, *tracks.Track2, *tracks.Track3)
	}
	got, err := call.End()
	if err != nil {
		t.Fatal(err)
	}
	sample := card.Wallet()[0]
	want := &cardreader.ReadRawDataCompletion{
		Track1: &cardreader.CardDataNullable{Data: []byte(sample.Tracks[0])}, Track2: &cardreader.CardDataNullable{Data: []byte(sample.Tracks[1])},
		Track3: &cardreader.CardDataNullable{Status: cardreader.CardDataStatusDataMissing}, Chip: []cardreader.CardData{{Data: sample.Chip.ATR()}},
		Security:   &cardreader.ReadRawDataCompletionSecurity{Data: cardreader.ReadRawDataCompletionSecurityDataReadLevel1},
		Track1JIS:  &cardreader.CardDataNullable{Status: cardreader.CardDataStatusDataSourceNotSupported},
		MemoryChip: &cardreader.ReadRawDataCompletionMemoryChip{Status: cardreader.CardDataStatusDataSourceNotSupported},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if s := c.status().CardReader; s.Media != cardreader.StatusMediaPresent || s.ChipPower != cardreader.StatusChipPowerOnline || s.Security != cardreader.StatusSecurityOpen {
		t.Errorf("status %+v", s)
	}
}

func TestTheSecurityMarkAloneMustBeRight(t *testing.T) {
	c := serve(t, card.Options{})
	if _, code := c.read("Credit card", &cardreader.ReadRawDataCommand{Security: new(true)}); code != "securityFail" {
		t.Errorf("without a key: %s", code)
	}
	simtest.Must(c.client, cardreader.SetKey, &cardreader.SetKeyCommand{KeyValue: bytes.Repeat([]byte{1}, 8)})
	simtest.Must(c.client, cardreader.ReadRawData, &cardreader.ReadRawDataCommand{Security: new(true)})
	if err := c.Pull(); err != nil {
		t.Fatal(err)
	}
	if _, code := c.read("Copied card", &cardreader.ReadRawDataCommand{Security: new(true)}); code != "securityFail" {
		t.Errorf("a copy: %s", code)
	}
	got, _ := simtest.Must(c.client, cardreader.ReadRawData, &cardreader.ReadRawDataCommand{Security: new(true), Track2: new(true)})
	if got.Security.Data != cardreader.ReadRawDataCompletionSecurityDataBadReadLevel {
		t.Errorf("a copy with its track: %s", got.Security.Data)
	}
}

func TestCardsThatDoNotFitAreRefused(t *testing.T) {
	c := serve(t, card.Options{})
	if err := c.Insert("Credit card"); err == nil {
		t.Error("a motorized reader takes a card that nobody asked for")
	}
	all := &cardreader.ReadRawDataCommand{Track1: new(true), Track2: new(true), Chip: new(true)}
	if _, code := c.read("Business card", all); code != "cardTooLong" {
		t.Errorf("a long card: %s", code)
	}
	if err := c.Take(); err != nil {
		t.Fatal(err)
	}
	if _, code := c.read("Telephone card", all); code != "cardTooShort" {
		t.Errorf("a short card: %s", code)
	}
	if err := c.Take(); err != nil {
		t.Fatal(err)
	}
	if _, code := c.read("Blank card", all); code != "invalidMedia" {
		t.Errorf("a blank card: %s", code)
	}
	if code := c.move("", ""); code != "success" {
		t.Errorf("give it back: %s", code)
	}
	if err := c.Take(); err != nil {
		t.Fatal(err)
	}
	call := simtest.Start(c.client, cardreader.ReadRawData, all)
	call.Await(t, &cardreader.InsertCardEvent{})
	if err := c.InsertWrong("Credit card"); err != nil {
		t.Fatal(err)
	}
	call.Await(t, &cardreader.InvalidMediaEvent{})
	if err := c.Insert("Credit card"); err != nil {
		t.Fatal(err)
	}
	if _, err := call.End(); err != nil {
		t.Errorf("after it was turned round: %v", err)
	}
}

func TestACancelledReadClosesTheSlot(t *testing.T) {
	c := serve(t, card.Options{})
	call := simtest.Start(c.client, cardreader.ReadRawData, &cardreader.ReadRawDataCommand{Track2: new(true)})
	call.Await(t, &cardreader.InsertCardEvent{})
	call.Cancel()
	if _, err := call.End(); simtest.Code(err) != "canceled" {
		t.Errorf("read = %v", err)
	}
	if err := c.Insert("Credit card"); err == nil {
		t.Error("the slot is still open")
	}
}

func TestAScratchedTrackIsReadAsInvalid(t *testing.T) {
	c := serve(t, card.Options{})
	c.Unreadable(2)
	got, code := c.read("Debit card", &cardreader.ReadRawDataCommand{Track1: new(true), Track2: new(true), Track3: new(true)})
	if code != "success" || got.Track2.Status != cardreader.CardDataStatusDataInvalid || len(got.Track1.Data) == 0 || len(got.Track3.Data) == 0 {
		t.Errorf("read = %+v, %s", got, code)
	}
}

func TestWhatIsWrittenIsReadBack(t *testing.T) {
	c := serve(t, card.Options{})
	write := func(method cardreader.WriteRawDataCommandTrack3WriteMethod, data string) string {
		_, _, err := simtest.Do(c.client, cardreader.WriteRawData, &cardreader.WriteRawDataCommand{
			Track3: &cardreader.WriteRawDataCommandTrack3{Data: []byte(data), WriteMethod: method}})
		return simtest.Code(err)
	}
	c.draw("Debit card")
	for _, row := range []struct {
		method     cardreader.WriteRawDataCommandTrack3WriteMethod
		data, want string
	}{
		{cardreader.WriteRawDataCommandTrack3WriteMethodHico, "12345=678", "success"},
		{"", "12345=679", "success"},
		{cardreader.WriteRawDataCommandTrack3WriteMethodLoco, "12345=678", "writeMethod"},
		{"", "letters", "invalidData"},
		{"", strings.Repeat("1", 105), "invalidData"},
	} {
		if got := write(row.method, row.data); got != row.want {
			t.Errorf("write %q as %q: %s, want %s", row.data, row.method, got, row.want)
		}
	}
	got, _ := simtest.Must(c.client, cardreader.ReadRawData, &cardreader.ReadRawDataCommand{Track3: new(true)})
	if string(got.Track3.Data) != "12345=679" {
		t.Errorf("track 3 = %q", got.Track3.Data)
	}
	c.WriterBroken()
	if code := write("", "1"); code != "hardwareError" {
		t.Errorf("a broken head: %s", code)
	}
	if s := c.status().CardReader.MagWriteModule; s != cardreader.StatusMagWriteModuleInoperable {
		t.Errorf("status of the head: %s", s)
	}
}

func TestACardIsGivenBackAndTaken(t *testing.T) {
	c := serve(t, card.Options{})
	if code := c.move("", ""); code != "noMedia" {
		t.Errorf("without a card: %s", code)
	}
	c.draw("Credit card")
	if err := c.Take(); err == nil {
		t.Error("a card was taken out of the transport")
	}
	if code := c.move("", ""); code != "success" {
		t.Fatal(code)
	}
	if m := c.status().CardReader.Media; m != cardreader.StatusMediaEntering {
		t.Errorf("media %s", m)
	}
	if code := c.move("exit", "transport"); code != "success" {
		t.Errorf("back in: %s", code)
	}
	if code := c.move("transport", "exit"); code != "success" {
		t.Error(code)
	}
	if err := c.Take(); err != nil {
		t.Fatal(err)
	}
	c.client.Heard(&cardreader.MediaRemovedEvent{})
	if m := c.status().CardReader.Media; m != cardreader.StatusMediaNotPresent {
		t.Errorf("media %s", m)
	}
	for _, to := range []string{"unitNOWHERE", "exit"} {
		if code := c.move("exit", to); code != "unsupportedData" && code != "invalidData" {
			t.Errorf("move to %s: %s", to, code)
		}
	}
}

func TestACardThatNobodyTakesIsRetainedAndCounted(t *testing.T) {
	disk := powercut.New()
	c := serve(t, card.Options{Capacity: 2, FS: disk})
	retain := func(name string) string {
		c.draw(name)
		if code := c.move("", "exit"); code != "success" {
			t.Fatal(code)
		}
		return c.move("exit", card.RetainBin)
	}
	if code := retain("Credit card"); code != "success" {
		t.Fatal(code)
	}
	var counts storage.CountsChangedEvent
	c.client.Heard(&counts)
	if n := *counts.Extra[card.RetainBin].Card.Status.RetainCount; n != 1 {
		t.Errorf("retained %d", n)
	}
	if code := retain("Debit card"); code != "success" {
		t.Fatal(code)
	}
	for full := cardreader.StorageStatusReplenishmentStatus(""); full != cardreader.StorageStatusReplenishmentStatusFull; {
		var threshold storage.StorageThresholdEvent
		c.client.Heard(&threshold) // fails when no more come
		full = threshold.Extra[card.RetainBin].Card.Status.ReplenishmentStatus
	}
	if code := retain("Staff card"); code != "full" {
		t.Errorf("into a full bin: %s", code)
	}
	if code := c.reset(cardreader.ResetCommandToRetain, ""); code != "retainBinFull" {
		t.Errorf("reset into a full bin: %s", code)
	}
	again := serve(t, card.Options{Capacity: 2, FS: disk.Cut(nil, powercut.KeepNone)})
	got, _ := simtest.Must(again.client, storage.GetStorage, nil)
	if n := *got.Storage[card.RetainBin].Card.Status.Count; n != 2 {
		t.Errorf("after a loss of power the bin holds %d", n)
	}
}

func TestPowerThatComesBackGivesTheCardBackOrKeepsIt(t *testing.T) {
	c := serve(t, card.Options{})
	c.draw("Credit card")
	c.PowerOff()
	if _, code := c.exchange(0, 0x84, 0, 0, 8); code != "deviceNotReady" {
		t.Errorf("without power: %s", code)
	}
	c.PowerOn()
	var action cardreader.CardActionEvent
	if c.client.Heard(&action); action.From != "transport" || action.To != "exit" {
		t.Errorf("action %+v", action)
	}
	if err := c.NotTaken(); err != nil {
		t.Fatal(err)
	}
	if c.client.Heard(&action); action.From != "exit" || action.To != card.RetainBin {
		t.Errorf("action %+v", action)
	}
}

// Requirement: XFS-11
func TestXFS11ResetLooksAtTheStorageIDForRetainAlone(t *testing.T) {
	for _, to := range []cardreader.ResetCommandTo{cardreader.ResetCommandToExit, cardreader.ResetCommandToCurrentPosition, cardreader.ResetCommandToAuto, ""} {
		c := serve(t, card.Options{})
		c.draw("Credit card")
		if code := c.reset(to, "unitNOWHERE"); code != "success" {
			t.Errorf("to %q with an unknown unit: %s", to, code)
		}
		c.client.Heard(&cardreader.MediaDetectedEvent{})
	}
	c := serve(t, card.Options{})
	c.draw("Credit card")
	if code := c.reset(cardreader.ResetCommandToRetain, "unitNOWHERE"); code != "unsupportedData" {
		t.Errorf("retain in an unknown unit: %s", code)
	}
	if code := c.reset(cardreader.ResetCommandToRetain, card.RetainBin); code != "success" {
		t.Errorf("retain: %s", code)
	}
	if code := c.reset(cardreader.ResetCommandToRetain, card.RetainBin); code != "success" {
		t.Errorf("retain without a card: %s", code)
	}
}

func TestAJamEndsWithResetAndAWedgedCardWithAPerson(t *testing.T) {
	c := serve(t, card.Options{})
	c.Arm(card.FaultJam, 1)
	c.draw("Credit card")
	if code := c.move("", ""); code != "mediaJam" {
		t.Errorf("move = %s", code)
	}
	if m := c.status().CardReader.Media; m != cardreader.StatusMediaJammed {
		t.Errorf("media %s", m)
	}
	if _, _, err := simtest.Do(c.client, cardreader.ReadRawData, &cardreader.ReadRawDataCommand{Track2: new(true)}); simtest.Code(err) != "mediaJam" {
		t.Errorf("read = %v", err)
	}
	if code := c.reset(cardreader.ResetCommandToExit, ""); code != "success" {
		t.Errorf("reset = %s", code)
	}
	if code := c.move("exit", "transport"); code != "success" {
		t.Error(code)
	}
	c.Arm(card.FaultStuck, 0)
	if code := c.move("", ""); code != "mediaJam" {
		t.Errorf("move = %s", code)
	}
	if code := c.reset(cardreader.ResetCommandToExit, ""); code != "mediaJam" {
		t.Errorf("reset of a wedged card = %s", code)
	}
	if err := c.Clear(); err != nil {
		t.Error(err)
	}
	if code := c.reset("", ""); code != "success" {
		t.Errorf("reset after clearing = %s", code)
	}
}

func TestABlockedSlotFails(t *testing.T) {
	c := serve(t, card.Options{})
	call := simtest.Start(c.client, cardreader.ReadRawData, &cardreader.ReadRawDataCommand{Track2: new(true)})
	call.Await(t, &cardreader.InsertCardEvent{})
	c.ShutterStuck()
	if _, err := call.End(); simtest.Code(err) != "shutterFail" {
		t.Errorf("read = %v", err)
	}
	if _, _, err := simtest.Do(c.client, cardreader.ReadRawData, &cardreader.ReadRawDataCommand{Track2: new(true)}); simtest.Code(err) != "shutterFail" {
		t.Errorf("the next = %v", err)
	}
	c.Mend()
	c.draw("Credit card")
}

func TestAChipIsTalkedToUntilItsCardIsTornOut(t *testing.T) {
	c := serve(t, card.Options{})
	if _, code := c.exchange(0, 0x84, 0, 0, 8); code != "noMedia" {
		t.Errorf("without a card: %s", code)
	}
	c.draw("Staff card")
	if got, code := c.exchange(0, 0x84, 0, 0, 8); code != "success" || len(got) != 10 {
		t.Errorf("challenge = % X, %s", got, code)
	}
	power := func(how cardreader.ChipPowerCommandChipPower) string {
		_, _, err := simtest.Do(c.client, cardreader.ChipPower, &cardreader.ChipPowerCommand{ChipPower: how})
		return simtest.Code(err)
	}
	for _, row := range []struct {
		how  cardreader.ChipPowerCommandChipPower
		want string
	}{{"warm", "success"}, {"off", "success"}, {"warm", "atrNotObtained"}, {"", "invalidData"}, {"cold", "success"}} {
		if got := power(row.how); got != row.want {
			t.Errorf("power %q: %s, want %s", row.how, got, row.want)
		}
	}
	c.Arm(card.FaultPulled, 1)
	if _, code := c.exchange(0, 0x84, 0, 0, 8); code != "success" {
		t.Error(code)
	}
	if _, code := c.exchange(0, 0x84, 0, 0, 8); code != "noMedia" {
		t.Errorf("torn out: %s", code)
	}
	c.client.Heard(&cardreader.MediaRemovedEvent{})
	c.draw("Old stripe card")
	if got := power("cold"); got != "invalidMedia" {
		t.Errorf("power of a card without chip: %s", got)
	}
}

func TestADipReaderReadsWhatIsInTheHand(t *testing.T) {
	c := serve(t, card.Options{Type: "dip"})
	if err := c.Insert("Credit card"); err != nil {
		t.Fatal(err)
	}
	got, _ := simtest.Must(c.client, cardreader.ReadRawData, &cardreader.ReadRawDataCommand{Track2: new(true), Chip: new(true)})
	if len(got.Track2.Data) == 0 || len(got.Chip[0].Data) == 0 {
		t.Errorf("read %+v", got)
	}
	if code := c.move("", ""); code != "unsupportedCommand" {
		t.Errorf("move = %s", code)
	}
	if err := c.Take(); err != nil {
		t.Fatal(err)
	}
	c.client.Heard(&cardreader.MediaRemovedEvent{})
	if _, code := c.exchange(0, 0x84, 0, 0, 8); code != "noMedia" {
		t.Errorf("after it was pulled: %s", code)
	}
}

func TestAKeyIsKeptThroughALossOfPower(t *testing.T) {
	disk := powercut.New()
	c := serve(t, card.Options{FS: disk})
	for _, bad := range [][]byte{nil, make([]byte, 8), bytes.Repeat([]byte{1}, 9)} {
		if _, _, err := simtest.Do(c.client, cardreader.SetKey, &cardreader.SetKeyCommand{KeyValue: bad}); simtest.Code(err) != "invalidKey" {
			t.Errorf("key % X = %v", bad, err)
		}
	}
	simtest.Must(c.client, cardreader.SetKey, &cardreader.SetKeyCommand{KeyValue: bytes.Repeat([]byte{1}, 24)})
	again := serve(t, card.Options{FS: disk.Cut(nil, powercut.KeepNone)})
	if s := again.status().CardReader.Security; s != cardreader.StatusSecurityOpen {
		t.Errorf("after a loss of power the module is %s", s)
	}
}

// sale is amount 60.00 in EUR as data objects.
var sale = []byte{0x9F, 0x02, 6, 0, 0, 0, 0, 0x60, 0x00, 0x5F, 0x2A, 2, 0x09, 0x78}

// tap performs a transaction with a card that is tapped meanwhile.
func (c *counter) tap(name string, o card.Outcome) (*cardreader.EMVClessPerformTransactionCompletion, string) {
	c.Helper()
	call := simtest.Start(c.client, cardreader.EMVClessPerformTransaction, &cardreader.EMVClessPerformTransactionCommand{Data: sale})
	c.tapped(call.Await, name, o)
	got, err := call.End()
	return got, simtest.Code(err)
}

func (c *counter) tapped(await func(testing.TB, xfs4iot.Event), name string, o card.Outcome) {
	c.Helper()
	var e cardreader.EMVClessReadStatusEvent
	for e.Status != cardreader.EMVClessReadStatusEventStatusReadyToRead {
		await(c.T, &e)
	}
	for err := c.Tap(name, o); err != nil; err = c.Tap(name, o) { // the message comes just before the field is on
		<-c.Changed()
	}
}

func TestAContactlessTransactionGoesToItsIssuerAndBack(t *testing.T) {
	c := serve(t, card.Options{})
	apps, _ := simtest.Must(c.client, cardreader.EMVClessQueryApplications, nil)
	if len(apps.AppData) != 2 {
		t.Errorf("applications %+v", apps.AppData)
	}
	if _, _, err := simtest.Do(c.client, cardreader.EMVClessPerformTransaction, &cardreader.EMVClessPerformTransactionCommand{Data: sale}); simtest.Code(err) != "readerNotConfigured" {
		t.Errorf("before it is configured: %v", err)
	}
	simtest.Must(c.client, cardreader.EMVClessConfigure, configuration())
	got, code := c.tap("Credit card", card.Automatic)
	if code != "success" || got.Chip.TxOutcome != "onlineRequest" || got.Chip.ClessOutcome.Cvm != cardreader.EMVClessOutcomeCvmOnlinePIN {
		t.Fatalf("outcome %+v, %s", got, code)
	}
	if !bytes.Contains(got.Chip.DataRead, []byte{0x5A, 8, 0x41, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11}) {
		t.Errorf("data read % X", got.Chip.DataRead)
	}
	update := &cardreader.EMVClessIssuerUpdateCommand{Data: []byte{0x8A, 2, '0', '0'}}
	closed, _ := simtest.Must(c.client, cardreader.EMVClessIssuerUpdate, update)
	if closed.Chip.TxOutcome != "approve" {
		t.Errorf("closed as %s", closed.Chip.TxOutcome)
	}
	if _, _, err := simtest.Do(c.client, cardreader.EMVClessIssuerUpdate, update); simtest.Code(err) != "transactionNotInitiated" {
		t.Errorf("a second update = %v", err)
	}
}

func TestEveryContactlessOutcomeCanBeHad(t *testing.T) {
	c := serve(t, card.Options{})
	simtest.Must(c.client, cardreader.EMVClessConfigure, configuration())
	for _, o := range []card.Outcome{card.Several, card.Approve, card.Decline, card.OnlineRequest, card.CompleteAgain, card.TryAgain, card.OtherWay, card.EndOfIt, card.Confirm} {
		got, code := c.tap("Debit card", o)
		if code != "success" || string(got.Chip.TxOutcome) != string(o) {
			t.Errorf("outcome %+v, %s, want %s", got, code, o)
		}
	}
	if got, code := c.tap("Loyalty card", card.Automatic); code != "success" || got.Chip.TxOutcome != "tryAnotherInterface" {
		t.Errorf("a card without antenna: %+v, %s", got, code)
	}
	if _, code := c.tap("Debit card", card.TornAway); code != "noMedia" {
		t.Errorf("torn away: %s", code)
	}
}

func TestTheIssuersAnswerWantsTheSameCardAgain(t *testing.T) {
	c := serve(t, card.Options{})
	simtest.Must(c.client, cardreader.EMVClessConfigure, configuration())
	if _, code := c.tap("Debit card", card.CompleteAgain); code != "success" {
		t.Fatal(code)
	}
	update := &cardreader.EMVClessIssuerUpdateCommand{Data: []byte{0x8A, 2, '0', '5'}}
	for _, row := range []struct{ name, want string }{{"Credit card", "invalidMedia"}, {"Debit card", "success"}} {
		call := simtest.Start(c.client, cardreader.EMVClessIssuerUpdate, update)
		c.tapped(call.Await, row.name, card.Automatic)
		got, err := call.End()
		if simtest.Code(err) != row.want || err == nil && got.Chip.TxOutcome != "decline" {
			t.Errorf("%s: %+v, %v", row.name, got, err)
		}
	}
}

// configuration serves Visa and Mastercard, with a key whose checksum is right.
func configuration() *cardreader.EMVClessConfigureCommand {
	rid, modulus := []byte{0xA0, 0, 0, 0, 3}, bytes.Repeat([]byte{0xC5}, 128)
	sum := sha1.Sum(slices.Concat(rid, []byte{0x95}, modulus, []byte{3}))
	return &cardreader.EMVClessConfigureCommand{
		TerminalData: []byte{0x9F, 0x1A, 2, 0x02, 0x76},
		AidData: []cardreader.EMVClessConfigureCommandAidDataItem{
			{Aid: []byte{0xA0, 0, 0, 0, 3, 0x10, 0x10}, KernelIdentifier: []byte{3}}, {Aid: []byte{0xA0, 0, 0, 0, 4}}},
		KeyData: []cardreader.EMVClessConfigureCommandKeyDataItem{{Rid: rid, CaPublicKey: &cardreader.EMVClessConfigureCommandKeyDataItemCaPublicKey{
			Index: new(0x95), Exponent: []byte{3}, Modulus: modulus, Checksum: sum[:]}}},
	}
}

func TestAWrongContactlessConfigurationIsRefused(t *testing.T) {
	c := serve(t, card.Options{})
	for want, spoil := range map[string]func(*cardreader.EMVClessConfigureCommand){
		"invalidTerminalData": func(r *cardreader.EMVClessConfigureCommand) { r.TerminalData = []byte{0x9F} },
		"invalidAidData":      func(r *cardreader.EMVClessConfigureCommand) { r.AidData[0].Aid = []byte{1, 2, 3, 4, 5} },
		"invalidKeyData":      func(r *cardreader.EMVClessConfigureCommand) { r.KeyData[0].CaPublicKey.Checksum[3] ^= 1 },
	} {
		req := configuration()
		spoil(req)
		if _, _, err := simtest.Do(c.client, cardreader.EMVClessConfigure, req); simtest.Code(err) != want {
			t.Errorf("configure = %v, want %s", err, want)
		}
	}
}

func TestStateHidesTheMiddleOfNumbers(t *testing.T) {
	c := serve(t, card.Options{})
	c.draw("Credit card")
	state, err := json.Marshal(c.State())
	if err != nil {
		t.Fatal(err)
	}
	for _, sample := range card.Wallet() {
		if sample.Number != "" && strings.Contains(string(state), sample.Number) {
			t.Errorf("the state shows %s", sample.Number)
		}
	}
	if !strings.Contains(string(state), "411111******1111") {
		t.Errorf("state %s", state)
	}
}

// Whatever is done to a reader, each card is in one place and at most one in the
// reader.
func TestNoHandAndNoFaultConfusesTheReader(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r, err := card.New("CardReader", card.Options{Type: rapid.SampledFrom([]string{"motor", "dip"}).Draw(t, "type"), Capacity: 2})
		if err != nil {
			t.Fatal(err)
		}
		r.Service()
		for range rapid.IntRange(1, 30).Draw(t, "acts") {
			act := rapid.SampledFrom(r.Acts()).Draw(t, "act")
			given := panel.Values{}
			for _, arg := range act.Args {
				if len(arg.Choices) > 0 {
					given[arg.Name] = rapid.SampledFrom(arg.Choices).Draw(t, arg.Name)
				}
			}
			_ = panel.Do(r, act.Name, given) // many are refused
			inside := 0
			for _, c := range r.State().(card.State).Cards {
				if c.Place != "hand" && c.Place != "bin" {
					inside++
				}
			}
			if s := r.State().(card.State); inside > 1 || (inside == 1) != (s.Card != "") {
				t.Fatalf("after %s %d cards are in the reader: %+v", act.Name, inside, s)
			}
		}
	})
}
