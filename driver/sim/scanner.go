package sim

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"

	"github.com/go-json-experiment/json"

	"github.com/plomb-pos/plomb/driver/sim/panel"
	"github.com/plomb-pos/plomb/xfs4iot"
	"github.com/plomb-pos/plomb/xfs4iot/barcodereader"
	"github.com/plomb-pos/plomb/xfs4iot/common"
	"github.com/plomb-pos/plomb/xfs4iot/host"
)

// Scanner is a barcode scanner that knows every symbology of the interface. Codes
// that are scanned while no one reads wait, as those of a scanner on a serial line do.
type Scanner struct {
	mu      sync.Mutex // guards what follows
	changed chan struct{}
	waiting []shot
	reading int  // commands that wait for a code
	gone    bool // unplugged
	dark    bool // its light does not work
	smudged int  // so many of the next shots cannot be decoded
	xfs     *host.Service
}

// Scan is one reading of a code.
type Scan struct {
	Symbology barcodereader.ReadCompletionReadOutputItemSymbology
	Data      []byte
}

// shot is what lay under the light at once: one or more codes, none for a code that
// could not be decoded.
type shot []Scan

// maxWaiting is how many shots wait for a reader.
const maxWaiting = 64

// Errors of scanning.
var (
	ErrScannerGone = errors.New("the scanner is unplugged")
	ErrScannerDark = errors.New("the scanner's light does not work")
	ErrScannerFull = errors.New("too many codes wait to be read")
	ErrNoCode      = errors.New("a code has 1 to 4096 bytes")
	ErrBadCode     = errors.New("the symbology cannot carry that")
)

// NewScanner makes a scanner that is plugged in.
func NewScanner() *Scanner { return &Scanner{changed: make(chan struct{})} }

// Class is "barcodereader".
func (s *Scanner) Class() string { return "barcodereader" }

// Service makes a fresh service over the scanner.
func (s *Scanner) Service() *host.Service {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.xfs = host.NewService(ScannerName, host.Declaration{
		Capabilities: common.CapabilitiesCompletion{
			Common: &common.CapabilityProperties{ServiceVersion: "1.0", PowerSaveControl: new(false), AntiFraudModule: new(false),
				DeviceInformation: []common.DeviceInformation{{ModelName: "simulated scanner"}}},
			BarcodeReader: &barcodereader.Capabilities{CanFilterSymbologies: new(true), Symbologies: everySymbology()},
		},
		Status: s.status(),
	})
	host.Handle(s.xfs, barcodereader.Read, s.read)
	host.Handle(s.xfs, barcodereader.Reset, s.reset)
	return s.xfs
}

// ScannerState is the scanner.
type ScannerState struct {
	Unplugged bool `json:"unplugged"`
	Dark      bool `json:"dark"`    // its light does not work
	Smudged   int  `json:"smudged"` // shots to come that cannot be decoded
	Reading   bool `json:"reading"` // a client waits for a code
	Waiting   int  `json:"waiting"` // shots wait for a client
}

// State is a ScannerState.
func (s *Scanner) State() any {
	s.mu.Lock()
	defer s.mu.Unlock()
	return ScannerState{s.gone, s.dark, s.smudged, s.reading > 0, len(s.waiting)}
}

// guessed is the choice of a symbology that Scan guesses.
const guessed = "guessed"

// Acts are scanning, the cable and the light.
func (s *Scanner) Acts() []panel.Act {
	acts := []panel.Act{
		{Name: "scan", Label: "Scan", Kind: panel.Hand, Do: s.scanAct, Args: []panel.Arg{
			{Name: "code", Label: "code", Default: "4006381333931"},
			{Name: "symbology", Label: "symbology", Default: guessed, Choices: append([]string{guessed}, Symbologies()...)}}},
		{Name: "smudge", Label: "Smudge the next codes", Kind: panel.Fault, Args: []panel.Arg{{Name: "codes", Label: "codes", Default: "1", Number: true}},
			Do: func(v panel.Values) error { s.Smudge(v.Int("codes")); return nil }},
	}
	repair := func(name, label string, do func()) panel.Act {
		return panel.Act{Name: name, Label: label, Kind: panel.Repair, Do: func(panel.Values) error { do(); return nil }}
	}
	fault := func(name, label string, do func()) panel.Act {
		return panel.Act{Name: name, Label: label, Kind: panel.Fault, Do: func(panel.Values) error { do(); return nil }}
	}
	state := s.State().(ScannerState)
	if state.Dark {
		acts = append(acts, repair("light", "Repair the light", s.Repair))
	} else {
		acts = append(acts, fault("dark", "Break the light", s.Break))
	}
	if state.Unplugged {
		return append(acts, repair("plug", "Plug it in", s.Plug))
	}
	return append(acts, fault("unplug", "Unplug it", s.Unplug))
}

func (s *Scanner) scanAct(v panel.Values) error {
	if v["symbology"] == guessed {
		return s.Scan(v["code"])
	}
	return s.ScanAs(Scan{barcodereader.ReadCompletionReadOutputItemSymbology(v["symbology"]), []byte(v["code"])})
}

// Symbologies lists the names of all that the scanner knows, in the order of the
// specification.
func Symbologies() []string {
	var out []string
	fields := reflect.TypeFor[barcodereader.CapabilitiesSymbologies]()
	for i := range fields.NumField() {
		name, _, _ := strings.Cut(fields.Field(i).Tag.Get("json"), ",")
		out = append(out, name)
	}
	return out
}

// everySymbology declares all of them.
func everySymbology() *barcodereader.CapabilitiesSymbologies {
	out := &barcodereader.CapabilitiesSymbologies{}
	v := reflect.ValueOf(out).Elem()
	for i := range v.NumField() {
		v.Field(i).Set(reflect.ValueOf(new(true)))
	}
	return out
}

// status is called with mu held.
func (s *Scanner) status() common.StatusCompletion {
	out := common.StatusCompletion{
		Common:        &common.StatusProperties{Device: common.DeviceOnline, DevicePosition: common.PositionStatusInPosition, PowerSaveRecoveryTime: new(0)},
		BarcodeReader: &barcodereader.Status{Scanner: barcodereader.StatusScannerOff},
	}
	switch {
	case s.gone:
		out.Common.Device = common.DeviceNoDevice
		out.BarcodeReader.Scanner = barcodereader.StatusScannerInoperative
	case s.dark:
		out.Common.Device = common.DeviceHardwareError
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

// ScanAs scans a code of a given symbology, or several that lie under the light at
// once; they are answered together. All are checked before any counts.
func (s *Scanner) ScanAs(codes ...Scan) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.gone:
		return ErrScannerGone
	case s.dark:
		return ErrScannerDark
	case len(s.waiting) >= maxWaiting:
		return ErrScannerFull
	case len(codes) < 1 || len(codes) > maxWaiting:
		return ErrNoCode
	}
	for _, code := range codes {
		if err := code.check(); err != nil {
			return err
		}
	}
	next := shot(codes)
	if s.smudged > 0 {
		s.smudged--
		next = nil
	}
	s.waiting = append(s.waiting, next)
	s.tell()
	return nil
}

// check refuses what no symbol of the kind could carry: lengths, digits and check
// digits of the GS1 retail codes, letters in codes of digits.
func (c Scan) check() error {
	text := string(c.Data)
	lengths := map[barcodereader.ReadCompletionReadOutputItemSymbology]int{
		barcodereader.ReadCompletionReadOutputItemSymbologyEan13: 13, barcodereader.ReadCompletionReadOutputItemSymbologyJan13: 13,
		barcodereader.ReadCompletionReadOutputItemSymbologyEan8: 8, barcodereader.ReadCompletionReadOutputItemSymbologyUpcA: 12,
	}
	switch n := lengths[c.Symbology]; {
	case len(c.Data) < 1 || len(c.Data) > 4096:
		return ErrNoCode
	case c.Symbology.Validate() != nil:
		return fmt.Errorf("symbology %q is not known", c.Symbology)
	case n > 0 && (len(text) != n || !checked(text)):
		return fmt.Errorf("%w: %s has %d digits, the last of which checks the others", ErrBadCode, c.Symbology, n)
	case c.Symbology == barcodereader.ReadCompletionReadOutputItemSymbologyItf && strings.Trim(text, "0123456789") != "":
		return fmt.Errorf("%w: %s has digits alone", ErrBadCode, c.Symbology)
	}
	return nil
}

// Smudge makes the next so many shots unreadable: a client gets barcodeInvalid.
func (s *Scanner) Smudge(shots int) { s.set(func() { s.smudged = max(shots, 0) }) }

// Break breaks the scanner's light: commands end with hardwareError until Repair.
func (s *Scanner) Break() { s.set(func() { s.dark, s.waiting = true, nil }) }

// Repair mends it.
func (s *Scanner) Repair() { s.set(func() { s.dark = false }) }

func (s *Scanner) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
	s.tell()
}

// Unplug pulls the scanner's cable: a command that waits ends with deviceNotReady,
// codes that wait are lost.
func (s *Scanner) Unplug() { s.plug(true) }

// Plug puts the cable back.
func (s *Scanner) Plug() { s.plug(false) }

func (s *Scanner) plug(gone bool) { s.set(func() { s.gone, s.waiting = gone, nil }) }

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
		found, changed, err := s.next(wanted)
		if err != nil {
			return nil, err
		}
		if found != nil {
			return &barcodereader.ReadCompletion{ReadOutput: found}, nil
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

// next gives the wanted codes of the first shot that has one, or what to wait for.
func (s *Scanner) next(wanted func(Scan) bool) ([]barcodereader.ReadCompletionReadOutputItem, <-chan struct{}, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.ready(); err != nil {
		return nil, nil, err
	}
	for len(s.waiting) > 0 {
		now := s.waiting[0]
		s.waiting = s.waiting[1:]
		if len(now) == 0 {
			return nil, nil, host.Fail(barcodereader.ReadErrorCodeBarcodeInvalid, "the code could not be decoded")
		}
		if found := now.output(wanted); len(found) > 0 {
			return found, nil, nil
		}
	}
	return nil, s.changed, nil
}

// ready is called with mu held.
func (s *Scanner) ready() error {
	switch {
	case s.gone:
		return &xfs4iot.Error{Code: xfs4iot.DeviceNotReady, Description: ErrScannerGone.Error()}
	case s.dark:
		return &xfs4iot.Error{Code: xfs4iot.HardwareError, Description: ErrScannerDark.Error()}
	}
	return nil
}

func (s shot) output(wanted func(Scan) bool) []barcodereader.ReadCompletionReadOutputItem {
	var out []barcodereader.ReadCompletionReadOutputItem
	for _, code := range s {
		if wanted(code) {
			out = append(out, barcodereader.ReadCompletionReadOutputItem{Symbology: code.Symbology, BarcodeData: code.Data})
		}
	}
	return out
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

// reset forgets the codes that wait.
func (s *Scanner) reset(context.Context, *host.Command, *barcodereader.ResetCommand) (*barcodereader.ResetCompletion, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.ready(); err != nil {
		return nil, err
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
