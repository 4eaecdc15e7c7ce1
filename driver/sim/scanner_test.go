package sim_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plomb-pos/plomb/driver/sim"
	"github.com/plomb-pos/plomb/driver/sim/simtest"
	"github.com/plomb-pos/plomb/xfs4iot/barcodereader"
	"github.com/plomb-pos/plomb/xfs4iot/common"
)

func newScanner(t *testing.T) (*sim.Scanner, *simtest.Client) {
	t.Helper()
	s := sim.NewScanner()
	return s, simtest.Serve(t, s.Service())
}

func readCode(c *simtest.Client, wanted *barcodereader.ReadCommandSymbologies) ([]barcodereader.ReadCompletionReadOutputItem, string) {
	got, _, err := simtest.Do(c, barcodereader.Read, &barcodereader.ReadCommand{Symbologies: wanted})
	if got == nil {
		return nil, simtest.Code(err)
	}
	return got.ReadOutput, simtest.Code(err)
}

func TestTheScannerServesAndConforms(t *testing.T) {
	_, c := newScanner(t)
	simtest.ServesAll(t, c, barcodereader.Description)
	simtest.Conforms(t, c, barcodereader.Read.Info())
}

func TestTheScannerReadsEverySymbologyThatItDeclares(t *testing.T) {
	s, c := newScanner(t)
	valid := map[string]string{"ean13": "4006381333931", "jan13": "4006381333931", "ean8": "96385074", "upcA": "036000291452"}
	all := sim.Symbologies()
	if len(all) != 58 || !slices.Contains(all, "ean13_5") {
		t.Errorf("%d symbologies: %q", len(all), all)
	}
	for _, name := range all {
		code := sim.Scan{Symbology: barcodereader.ReadCompletionReadOutputItemSymbology(name), Data: []byte("12345678")}
		if text := valid[name]; text != "" {
			code.Data = []byte(text)
		}
		if err := s.ScanAs(code); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got, end := readCode(c, nil)
		want := []barcodereader.ReadCompletionReadOutputItem{{Symbology: code.Symbology, BarcodeData: code.Data}}
		if diff := cmp.Diff(want, got); diff != "" || end != "success" {
			t.Errorf("%s: %s %s", name, end, diff)
		}
	}
}

func TestSeveralCodesUnderTheLightAreAnsweredTogether(t *testing.T) {
	s, c := newScanner(t)
	ean := sim.Scan{Symbology: barcodereader.ReadCompletionReadOutputItemSymbologyEan13, Data: []byte("4006381333931")}
	qr := sim.Scan{Symbology: barcodereader.ReadCompletionReadOutputItemSymbologyQrCode, Data: []byte("https://example.org")}
	for wanted, n := range map[*barcodereader.ReadCommandSymbologies]int{nil: 2, {QrCode: new(true)}: 1} {
		if err := s.ScanAs(ean, qr); err != nil {
			t.Fatal(err)
		}
		if got, end := readCode(c, wanted); len(got) != n || end != "success" {
			t.Errorf("read %+v, %s, want %d", got, end, n)
		}
	}
}

func TestWhatNoSymbolCanCarryIsNotScanned(t *testing.T) {
	s, _ := newScanner(t)
	for _, bad := range []sim.Scan{
		{Symbology: barcodereader.ReadCompletionReadOutputItemSymbologyEan13, Data: []byte("4006381333932")},
		{Symbology: barcodereader.ReadCompletionReadOutputItemSymbologyUpcA, Data: []byte("1")},
		{Symbology: barcodereader.ReadCompletionReadOutputItemSymbologyItf, Data: []byte("12A4")},
	} {
		if err := s.ScanAs(bad); !errors.Is(err, sim.ErrBadCode) {
			t.Errorf("%s %s = %v", bad.Symbology, bad.Data, err)
		}
	}
}

func TestSmudgedCodesAndABrokenLightEndCommands(t *testing.T) {
	s, c := newScanner(t)
	s.Smudge(1)
	for _, want := range []string{"barcodeInvalid", "success"} {
		if err := s.Scan("96385074"); err != nil {
			t.Fatal(err)
		}
		if _, end := readCode(c, nil); end != want {
			t.Errorf("read ends with %s, want %s", end, want)
		}
	}
	s.Break()
	if _, end := readCode(c, nil); end != "hardwareError" {
		t.Errorf("with a broken light: %s", end)
	}
	if _, _, err := simtest.Do(c, barcodereader.Reset, nil); simtest.Code(err) != "hardwareError" {
		t.Errorf("reset of a broken light = %v", err)
	}
	status, _ := simtest.Must(c, common.Status, nil)
	if status.BarcodeReader.Scanner != barcodereader.StatusScannerInoperative || status.Common.Device != common.DeviceHardwareError {
		t.Errorf("status %+v, %+v", status.BarcodeReader, status.Common)
	}
	s.Repair()
	simtest.Must(c, barcodereader.Reset, nil)
}
