package sim

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/go-json-experiment/json"

	"github.com/plomb-pos/plomb/xfs4iot"
	"github.com/plomb-pos/plomb/xfs4iot/barcodereader"
	"github.com/plomb-pos/plomb/xfs4iot/common"
	"github.com/plomb-pos/plomb/xfs4iot/host"
)

// Scanner is a barcode scanner. Codes that are scanned while no one reads wait, as
// those of a scanner on a serial line do.
type Scanner struct {
	mu      sync.Mutex // guards what follows
	changed chan struct{}
	waiting []Scan
	reading int  // commands that wait for a code
	gone    bool // unplugged
	xfs     *host.Service
}

// Scan is one reading of a code.
type Scan struct {
	Symbology barcodereader.ReadCompletionReadOutputItemSymbology
	Data      []byte
}

// maxWaiting is how many codes wait for a reader.
const maxWaiting = 64

// Errors of scanning.
var (
	ErrScannerGone = errors.New("the scanner is unplugged")
	ErrScannerFull = errors.New("too many codes wait to be read")
	ErrNoCode      = errors.New("a code has 1 to 4096 bytes")
)

// NewScanner makes a scanner that is plugged in.
func NewScanner() *Scanner { return &Scanner{changed: make(chan struct{})} }

func (s *Scanner) service() *host.Service {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.xfs = host.NewService(ScannerName, host.Declaration{
		Capabilities: common.CapabilitiesCompletion{
			Common:        &common.CapabilityProperties{ServiceVersion: "1.0", DeviceInformation: []common.DeviceInformation{{ModelName: "simulated scanner"}}},
			BarcodeReader: scannerCapabilities(),
		},
		Status: s.status(),
	})
	host.Handle(s.xfs, barcodereader.Read, s.read)
	host.Handle(s.xfs, barcodereader.Reset, s.reset)
	return s.xfs
}

func scannerCapabilities() *barcodereader.Capabilities {
	return &barcodereader.Capabilities{
		CanFilterSymbologies: new(true),
		Symbologies: &barcodereader.CapabilitiesSymbologies{
			Ean13: new(true), Ean8: new(true), UpcA: new(true), Code128: new(true), Ean128: new(true),
			Code39: new(true), Itf: new(true), QrCode: new(true), DataMatrix: new(true),
		},
	}
}

// status is called with mu held.
func (s *Scanner) status() common.StatusCompletion {
	out := common.StatusCompletion{
		Common:        &common.StatusProperties{Device: common.DeviceOnline},
		BarcodeReader: &barcodereader.Status{Scanner: barcodereader.StatusScannerOff},
	}
	switch {
	case s.gone:
		out.Common.Device = common.DeviceNoDevice
		out.BarcodeReader.Scanner = barcodereader.StatusScannerInoperative
	case s.reading > 0:
		out.BarcodeReader.Scanner = barcodereader.StatusScannerOn
	}
	return out
}

// tell is called with mu held, after a change.
func (s *Scanner) tell() {
	close(s.changed)
	s.changed = make(chan struct{})
	if s.xfs == nil {
		return
	}
	now := s.status()
	_ = s.xfs.SetStatus(func(c *common.StatusCompletion) { *c = now }) // such a status can be encoded
}

// Changed is closed by the next change: a code scanned or read, a reader come or
// gone, plugged in or out.
func (s *Scanner) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

// Scan scans a code and guesses its symbology as GS1 lengths and check digits
// suggest: EAN-13, EAN-8, UPC-A, a QR code for longer or non-ASCII text, otherwise
// Code 128.
func (s *Scanner) Scan(code string) error {
	return s.ScanAs(Scan{Symbology: guess(code), Data: []byte(code)})
}

// ScanAs scans a code of a given symbology.
func (s *Scanner) ScanAs(scan Scan) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.gone:
		return ErrScannerGone
	case len(scan.Data) < 1 || len(scan.Data) > 4096:
		return ErrNoCode
	case scan.Symbology.Validate() != nil:
		return fmt.Errorf("symbology %q is not known", scan.Symbology)
	case len(s.waiting) >= maxWaiting:
		return ErrScannerFull
	}
	s.waiting = append(s.waiting, scan)
	s.tell()
	return nil
}

// Unplug pulls the scanner's cable: a command that waits ends with deviceNotReady,
// codes that wait are lost.
func (s *Scanner) Unplug() { s.plug(true) }

// Plug puts the cable back.
func (s *Scanner) Plug() { s.plug(false) }

func (s *Scanner) plug(gone bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gone, s.waiting = gone, nil
	s.tell()
}

// Unplugged says whether the cable is out.
func (s *Scanner) Unplugged() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.gone
}

// Reading says whether a client waits for a code.
func (s *Scanner) Reading() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reading > 0
}

// Waiting is how many codes were scanned and not read yet.
func (s *Scanner) Waiting() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.waiting)
}

// read waits for a code. Codes of other symbologies than the wanted ones are not
// seen by a scanner: they are dropped.
func (s *Scanner) read(ctx context.Context, _ *host.Command, req *barcodereader.ReadCommand) (*barcodereader.ReadCompletion, error) {
	wanted := filter(req.Symbologies)
	s.count(1)
	defer s.count(-1)
	for {
		scan, changed, err := s.next(wanted)
		if err != nil {
			return nil, &xfs4iot.Error{Code: xfs4iot.DeviceNotReady, Description: err.Error()}
		}
		if scan != nil {
			return &barcodereader.ReadCompletion{ReadOutput: []barcodereader.ReadCompletionReadOutputItem{
				{Symbology: scan.Symbology, BarcodeData: scan.Data},
			}}, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (s *Scanner) count(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reading += n
	s.tell()
}

func (s *Scanner) next(wanted func(Scan) bool) (*Scan, <-chan struct{}, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone {
		return nil, nil, ErrScannerGone
	}
	for len(s.waiting) > 0 {
		scan := s.waiting[0]
		s.waiting = s.waiting[1:]
		if wanted(scan) {
			return &scan, nil, nil
		}
	}
	return nil, s.changed, nil
}

// filter reads the wanted symbologies by their names; none means all.
func filter(symbologies *barcodereader.ReadCommandSymbologies) func(Scan) bool {
	wanted := map[string]bool{}
	if symbologies != nil {
		text, err := json.Marshal(symbologies)
		if err == nil {
			err = json.Unmarshal(text, &wanted)
		}
		if err != nil {
			return func(Scan) bool { return false }
		}
	}
	return func(s Scan) bool { return len(wanted) == 0 || wanted[string(s.Symbology)] }
}

func (s *Scanner) reset(context.Context, *host.Command, *barcodereader.ResetCommand) (*barcodereader.ResetCompletion, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone {
		return nil, &xfs4iot.Error{Code: xfs4iot.DeviceNotReady, Description: ErrScannerGone.Error()}
	}
	s.waiting = nil
	s.tell()
	return nil, nil
}

func guess(code string) barcodereader.ReadCompletionReadOutputItemSymbology {
	switch {
	case len(code) == 13 && checked(code):
		return barcodereader.ReadCompletionReadOutputItemSymbologyEan13
	case len(code) == 8 && checked(code):
		return barcodereader.ReadCompletionReadOutputItemSymbologyEan8
	case len(code) == 12 && checked(code):
		return barcodereader.ReadCompletionReadOutputItemSymbologyUpcA
	case len(code) > 48 || !ascii(code):
		return barcodereader.ReadCompletionReadOutputItemSymbologyQrCode
	}
	return barcodereader.ReadCompletionReadOutputItemSymbologyCode128
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// checked verifies a GS1 check digit (GS1 General Specifications, 7.9).
func checked(code string) bool {
	sum := 0
	for i := range len(code) {
		if code[i] < '0' || code[i] > '9' {
			return false
		}
		sum += int(code[i]-'0') * (1 + 2*((len(code)-1-i)%2))
	}
	return sum%10 == 0
}
