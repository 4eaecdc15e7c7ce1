package cardreader_test

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	driver "github.com/plomb-pos/plomb/driver/cardreader"
	"github.com/plomb-pos/plomb/driver/pcsc/pcsctest"
	"github.com/plomb-pos/plomb/driver/pcsc/virtualcard"
	"github.com/plomb-pos/plomb/driver/sim/simtest"
	"github.com/plomb-pos/plomb/xfs4iot"
	"github.com/plomb-pos/plomb/xfs4iot/cardreader"
	"github.com/plomb-pos/plomb/xfs4iot/common"
	"github.com/plomb-pos/plomb/xfs4iot/conform"
)

// reader is the service over a real pcscd with a virtual reader.
type reader struct {
	*testing.T
	daemon *pcsctest.Daemon
	client *simtest.Client
	card   virtualcard.Card
}

func newReader(t *testing.T) *reader {
	t.Helper()
	r := &reader{T: t, daemon: pcsctest.Start(t)}
	r.client = serve(t, r.daemon.Socket)
	r.await("the reader", func(s *common.StatusCompletion) bool { return s.CardReader.Media == cardreader.StatusMediaNotPresent })
	return r
}

func serve(t *testing.T, socket string) *simtest.Client {
	t.Helper()
	d := driver.New("CardReader", driver.Options{Socket: socket, IFM: map[string]string{"emv": "12345"}, Retry: 10 * time.Millisecond})
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return simtest.Serve(t, d.Service())
}

// await follows the status until it is as wanted.
func (r *reader) await(what string, wanted func(*common.StatusCompletion) bool) {
	r.Helper()
	for start := time.Now(); time.Since(start) < 10*time.Second; <-time.After(5 * time.Millisecond) {
		if s, _ := simtest.Must(r.client, common.Status, nil); wanted(s) {
			return
		}
	}
	r.Fatalf("%s does not come; pcscd: %s", what, r.daemon.Log())
}

// insert puts a card in and waits until it is seen.
func (r *reader) insert() *virtualcard.Inserted {
	r.Helper()
	r.card = virtualcard.New(virtualcard.NewFiles([]byte{0xF0, 1, 2, 3, 4}, virtualcard.FilesOptions{PIN: "1234"}))
	in := r.daemon.Insert(r.T, r.card)
	r.await("the card", func(s *common.StatusCompletion) bool { return s.CardReader.Media == cardreader.StatusMediaPresent })
	return in
}

func (r *reader) power(how cardreader.ChipPowerCommandChipPower) ([]byte, string) {
	r.Helper()
	resp, _, err := simtest.Do(r.client, cardreader.ChipPower, &cardreader.ChipPowerCommand{ChipPower: how})
	if resp == nil {
		return nil, simtest.Code(err)
	}
	return resp.ChipData, simtest.Code(err)
}

func (r *reader) exchange(apdu ...byte) ([]byte, string) {
	r.Helper()
	resp, _, err := simtest.Do(r.client, cardreader.ChipIO, &cardreader.ChipIOCommand{ChipProtocol: cardreader.ChipIOCommandChipProtocolChipT1, ChipData: apdu})
	if resp == nil {
		return nil, simtest.Code(err)
	}
	return resp.ChipData, simtest.Code(err)
}

// Requirement: XFS-11
func TestXFS11ChipPowerReturnsTheATR(t *testing.T) {
	r := newReader(t)
	if _, code := r.power(cardreader.ChipPowerCommandChipPowerCold); code != "noMedia" {
		t.Errorf("without a card: %s", code)
	}
	r.insert()
	if _, code := r.exchange(0, 0x84, 0, 0, 8); code != "atrNotObtained" {
		t.Errorf("ChipIO without power: %s", code)
	}
	for _, how := range []cardreader.ChipPowerCommandChipPower{cardreader.ChipPowerCommandChipPowerCold, cardreader.ChipPowerCommandChipPowerWarm} {
		if atr, code := r.power(how); code != "success" || !bytes.Equal(atr, r.card.ATR()) {
			t.Errorf("%s: % X, %s, want % X", how, atr, code, r.card.ATR())
		}
	}
	if got, code := r.exchange(0, 0x84, 0, 0, 8); code != "success" || len(got) != 10 {
		t.Errorf("ChipIO = % X, %s", got, code)
	}
	if _, _, err := simtest.Do(r.client, cardreader.ChipIO, &cardreader.ChipIOCommand{ChipProtocol: cardreader.ChipIOCommandChipProtocolChipT0, ChipData: []byte{0, 0x84, 0, 0, 8}}); simtest.Code(err) != "protocolNotSupported" {
		t.Errorf("ChipIO over T=0 = %v", err)
	}
	if _, code := r.power(cardreader.ChipPowerCommandChipPowerOff); code != "success" {
		t.Errorf("off: %s", code)
	}
	if _, code := r.exchange(0, 0x84, 0, 0, 8); code != "atrNotObtained" {
		t.Errorf("ChipIO after power off: %s", code)
	}
	if atr, code := r.power(cardreader.ChipPowerCommandChipPowerCold); code != "success" || !bytes.Equal(atr, r.card.ATR()) {
		t.Errorf("power after off: % X, %s", atr, code)
	}
}

// Requirement: XFS-11
func TestXFS11ResetIgnoresTheStorageIDWhenMediaIsEjectedOrNothingIsDone(t *testing.T) {
	r := newReader(t)
	r.insert()
	for _, to := range []cardreader.ResetCommandTo{cardreader.ResetCommandToExit, cardreader.ResetCommandToCurrentPosition, cardreader.ResetCommandToAuto, ""} {
		if _, _, err := simtest.Do(r.client, cardreader.Reset, &cardreader.ResetCommand{To: to, StorageID: "unitNOWHERE"}); err != nil {
			t.Errorf("Reset to %q = %v", to, err)
		}
		r.client.Heard(&cardreader.MediaDetectedEvent{})
	}
	if _, _, err := simtest.Do(r.client, cardreader.Reset, &cardreader.ResetCommand{To: cardreader.ResetCommandToRetain}); simtest.Code(err) != "unsupportedData" {
		t.Errorf("Reset to retain = %v", err)
	}
}

// Requirement: XFS-11
func TestXFS11CardRemovalDuringAnExchangeIsReported(t *testing.T) {
	r := newReader(t)
	for range 2 {
		in := r.insert()
		if _, code := r.power(cardreader.ChipPowerCommandChipPowerCold); code != "success" {
			t.Fatal(code)
		}
		in.PullDuring(2)
		if _, code := r.exchange(0, 0x84, 0, 0, 8); code != "success" {
			t.Fatal(code)
		}
		if got, code := r.exchange(0, 0x20, 0, 1, 4, '1', '2', '3', '4'); code != "noMedia" {
			t.Fatalf("an exchange in which the card was pulled: % X, %s", got, code)
		}
		r.client.Heard(&cardreader.MediaRemovedEvent{})
		r.await("an empty reader", func(s *common.StatusCompletion) bool {
			return s.CardReader.Media == cardreader.StatusMediaNotPresent && s.CardReader.ChipPower == cardreader.StatusChipPowerNoCard
		})
		if _, code := r.exchange(0, 0x84, 0, 0, 8); code != "noMedia" {
			t.Errorf("the next exchange: %s", code)
		}
	}
}

// Requirement: XFS-11
func TestACardTakenBetweenCommandsIsTold(t *testing.T) {
	r := newReader(t)
	in := r.insert()
	if err := in.Pull(); err != nil {
		t.Fatal(err)
	}
	r.client.Heard(&cardreader.MediaRemovedEvent{})
	if _, code := r.power(cardreader.ChipPowerCommandChipPowerCold); code != "noMedia" {
		t.Errorf("power without a card: %s", code)
	}
}

func TestTheServiceKeepsTheSessionRules(t *testing.T) {
	r := newReader(t)
	for _, g := range []xfs4iot.Generation{xfs4iot.Gen2021, xfs4iot.Gen2023} {
		target := conform.Target{URL: r.client.URL(), Generation: g, Long: &xfs4iot.Message{
			Header:  xfs4iot.Header{Name: cardreader.ReadRawData.Info().Name, Version: cardreader.ReadRawData.Info().Version},
			Payload: []byte(`{"chip":true}`)}}
		for _, result := range conform.Run(t.Context(), target) {
			if result.Err != nil {
				t.Errorf("%s: %s", g, result)
			}
		}
	}
}

func TestReadingWaitsForACardAndGivesItsATR(t *testing.T) {
	r := newReader(t)
	call := simtest.Start(r.client, cardreader.ReadRawData, &cardreader.ReadRawDataCommand{Chip: new(true), Track2: new(true)})
	call.Await(t, &cardreader.InsertCardEvent{})
	r.insert()
	call.Await(t, &cardreader.MediaInsertedEvent{})
	got, err := call.End()
	if err != nil {
		t.Fatal(err)
	}
	want := &cardreader.ReadRawDataCompletion{
		Chip:   []cardreader.CardData{{Data: r.card.ATR()}},
		Track2: &cardreader.CardDataNullable{Status: cardreader.CardDataStatusDataSourceNotSupported},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got, code := r.exchange(0, 0x84, 0, 0, 8); code != "success" || len(got) != 10 {
		t.Errorf("ChipIO after reading = % X, %s", got, code)
	}
	ifm, _ := simtest.Must(r.client, cardreader.QueryIFMIdentifier, nil)
	if ifm.IfmIdentifiers["emv"] != "12345" {
		t.Errorf("QueryIFMIdentifier = %v", ifm.IfmIdentifiers)
	}
}

func TestADaemonThatGoesAndComesBackShowsInTheStatus(t *testing.T) {
	r := newReader(t)
	r.insert()
	if _, code := r.power(cardreader.ChipPowerCommandChipPowerCold); code != "success" {
		t.Fatal(code)
	}
	r.daemon.Stop()
	r.await("offline", func(s *common.StatusCompletion) bool { return s.Common.Device == common.DeviceOffline })
	if _, code := r.exchange(0, 0x84, 0, 0, 8); code != "deviceNotReady" {
		t.Errorf("ChipIO without a daemon: %s", code)
	}
	r.daemon.Restart(t)
	r.await("the reader", func(s *common.StatusCompletion) bool { return s.CardReader.Media == cardreader.StatusMediaNotPresent })
	r.insert()
	if _, code := r.power(cardreader.ChipPowerCommandChipPowerCold); code != "success" {
		t.Errorf("power with the new daemon: %s", code)
	}
}

func TestTheServiceKeepsTheSessionRulesWithoutADaemon(t *testing.T) {
	c := serve(t, t.TempDir()+"/none")
	simtest.Conforms(t, c, xfs4iot.CommandInfo{})
	s, _ := simtest.Must(c, common.Status, nil)
	if s.Common.Device != common.DeviceOffline {
		t.Errorf("device %s", s.Common.Device)
	}
}
