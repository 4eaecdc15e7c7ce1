// Package fingerprint is a simulated fingerprint sensor. It serves the interface
// Biometric.
//
//	s, err := fingerprint.New("Fingerprint", fingerprint.Options{})
//	server.Add(s.Service())
//	s.Present("Eva, right index", 0) // while a client waits in Biometric.Read
//
// # No finger is real
//
// A finger is a name that somebody chooses; its print is 32 points that a hash makes
// of the name. Never feed it with anything taken from a person.
//
// # The method
//
// A scan and a template are alike by as many percent as points of the one have a
// point of the other within two steps of a grid of 256 by 256. A threshold between
// 20 and 90 tells the fingers of different names apart; a worn finger loses as many
// percent as were asked for. That says nothing about real sensors.
//
// # What it keeps
//
// Templates that clients import get the ids id1, id2 and so on; ids are not used
// again. With persistence they are kept enciphered (AES-256-GCM) under a key in a
// file of its own: whoever has both files has the templates, so keep the key
// elsewhere. Without a directory and a key file the mode persist is not offered.
// In the mode clear nothing is on disk, and what was scanned is forgotten after it
// was matched.
package fingerprint

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/plomb-pos/plomb/driver/sim/chassis"
	"github.com/plomb-pos/plomb/driver/sim/panel"
	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/xfs4iot"
	"github.com/plomb-pos/plomb/xfs4iot/biometric"
	"github.com/plomb-pos/plomb/xfs4iot/common"
	"github.com/plomb-pos/plomb/xfs4iot/host"
)

// Options chooses the device; the zero value matches while it reads (combinedMatch),
// holds 50 templates and keeps none of them.
type Options struct {
	Stored    bool   `json:"stored,omitzero" toml:"stored"`       // storedMatch: Read only scans, Match compares
	Capacity  int    `json:"capacity,omitzero" toml:"capacity"`   // templates
	Directory string `json:"directory,omitzero" toml:"directory"` // of the templates; must exist
	KeyFile   string `json:"keyFile,omitzero" toml:"keyFile"`     // 32 bytes; made when missing

	FS durable.FS `json:"-" toml:"-"` // in place of the operating system's, for tests
}

// maxCapture is how often one command scans.
const maxCapture = 5

// Sensor is the device. Its methods may be called concurrently.
type Sensor struct {
	chassis.Chassis
	name  string
	o     Options
	vault *vault // nil: nothing is kept

	faults    chassis.Faults
	broken    bool
	finger    *print // on the sensor now
	lifted    bool   // the finger left since the last scan
	reading   bool
	persist   bool
	templates map[string]print
	next      int // number of the next id
	scanned   *print
	criteria  *criteria
	result    map[string]int // of a Read in the mode match; nil: none
}

// criteria are what SetMatch set.
type criteria struct {
	verify    string // the id; "" for identity
	most      int    // candidates
	threshold int
}

// New makes a sensor in order, with the templates that it kept.
func New(name string, o Options) (*Sensor, error) {
	if o.Capacity < 1 || o.Capacity > 1000 {
		o.Capacity = 50
	}
	if o.FS == nil {
		o.FS = durable.OS{}
	}
	s := &Sensor{name: name, o: o, templates: map[string]print{}, next: 1, lifted: true}
	if o.Directory == "" || o.KeyFile == "" {
		return s, nil
	}
	vault, err := openVault(o.FS, o.Directory, o.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("sensor %s: %w", name, err)
	}
	s.vault, s.persist = vault, true
	if err := s.restore(); err != nil {
		return nil, fmt.Errorf("sensor %s: %w", name, err)
	}
	return s, nil
}

func (s *Sensor) restore() error {
	kept, err := s.vault.load()
	if err != nil {
		return err
	}
	for id, data := range kept {
		p, err := decode(data)
		if err != nil {
			return fmt.Errorf("template %s: %w", id, err)
		}
		s.templates[id] = p
		var n int
		if _, err := fmt.Sscanf(id, "id%d", &n); err == nil {
			s.next = max(s.next, n+1)
		}
	}
	return nil
}

// Class names its picture.
func (s *Sensor) Class() string { return "fingerprint" }

// Service makes a fresh service over the present state.
func (s *Sensor) Service() *host.Service {
	s.Lock()
	defer s.Unlock()
	svc := host.NewService(s.name, host.Declaration{Capabilities: s.capabilities(), Status: s.status(), Events: []xfs4iot.Event{
		&biometric.DataClearedEvent{}, &biometric.OrientationEvent{}, &biometric.SubjectRemovedEvent{}}})
	host.Handle(svc, biometric.Read, s.read)
	host.Handle(svc, biometric.Import, s.importTemplates)
	host.Handle(svc, biometric.Match, s.match)
	host.Handle(svc, biometric.SetMatch, s.setMatch)
	host.Handle(svc, biometric.GetStorageInfo, s.storageInfo)
	host.Handle(svc, biometric.Clear, s.clear)
	host.Handle(svc, biometric.Reset, s.reset)
	host.Handle(svc, biometric.SetDataPersistence, s.setPersistence)
	s.Serve(svc)
	return svc
}

func (s *Sensor) capabilities() common.CapabilitiesCompletion {
	yes, no := new(true), new(false)
	return common.CapabilitiesCompletion{
		Common: &common.CapabilityProperties{ServiceVersion: "1.0", DeviceInformation: []common.DeviceInformation{{ModelName: "simulated fingerprint sensor"}}},
		Biometric: &biometric.Capabilities{
			Type: &biometric.CapabilitiesType{FacialFeatures: no, Voice: no, Fingerprint: yes, FingerVein: no, Iris: no, Retina: no,
				HandGeometry: no, ThermalFace: no, ThermalHand: no, PalmVein: no, Signature: no},
			MaxCapture: new(maxCapture), TemplateStorage: new(s.o.Capacity * TemplateSize),
			DataFormats: &biometric.CapabilitiesDataFormats{IsoFid: no, IsoFmd: no, AnsiFid: no, AnsiFmd: no, Qso: no, Wso: no,
				ReservedRaw1: no, ReservedTemplate1: yes, ReservedRaw2: no, ReservedTemplate2: no, ReservedRaw3: no, ReservedTemplate3: no},
			EncryptionAlgorithms: &biometric.CapabilitiesEncryptionAlgorithms{Ecb: no, Cbc: no, Cfb: no, Rsa: no},
			Storage:              &biometric.CapabilitiesStorage{Secure: new(s.vault != nil), Clear: new(s.vault == nil)},
			PersistenceModes:     &biometric.CapabilitiesPersistenceModes{Persist: new(s.vault != nil), Clear: yes},
			MatchSupported:       pick(s.o.Stored, biometric.CapabilitiesMatchSupportedStoredMatch, biometric.CapabilitiesMatchSupportedCombinedMatch),
			ScanModes:            &biometric.CapabilitiesScanModes{Scan: yes, Match: new(!s.o.Stored)},
			CompareModes:         &biometric.CapabilitiesCompareModes{Verify: yes, Identity: yes},
			ClearData:            &biometric.CapabilitiesClearData{ScannedData: yes, ImportedData: yes, SetMatchedData: yes},
		},
	}
}

func pick[T any](yes bool, a, b T) T {
	if yes {
		return a
	}
	return b
}

func (s *Sensor) changed() { s.Show(s.status()) }

func (s *Sensor) status() common.StatusCompletion {
	return common.StatusCompletion{
		Common: &common.StatusProperties{Device: pick(s.broken, common.DeviceHardwareError, common.DeviceOnline)},
		Biometric: &biometric.Status{
			Subject:          pick(s.finger != nil, biometric.StatusSubjectPresent, biometric.StatusSubjectNotPresent),
			Capture:          new(s.scanned != nil),
			DataPersistence:  pick(s.persist, biometric.StatusDataPersistencePersist, biometric.StatusDataPersistenceClear),
			RemainingStorage: new((s.o.Capacity - len(s.templates)) * TemplateSize),
		},
	}
}

func (s *Sensor) ready() error {
	if s.broken {
		return chassis.Broken("the sensor does not work")
	}
	return nil
}

// ErrFinger says that a finger has no name.
var ErrFinger = errors.New("a finger has a name of 1 to 200 bytes")

// Present puts a finger onto the sensor; worn is how many percent of its print are
// not as they were.
func (s *Sensor) Present(finger string, worn int) error {
	s.Lock()
	defer s.Unlock()
	if finger == "" || len(finger) > 200 {
		return ErrFinger
	}
	if s.faults.Strike(FaultCrooked) {
		s.Say(&biometric.OrientationEvent{})
		return nil
	}
	s.finger = new(invent(finger).worn(min(max(worn, 0), 100)))
	s.changed()
	return nil
}

// Remove takes the finger off.
func (s *Sensor) Remove() error {
	s.Lock()
	defer s.Unlock()
	if s.finger == nil {
		return chassis.ErrNothing
	}
	s.finger, s.lifted = nil, true
	s.Say(&biometric.SubjectRemovedEvent{})
	s.changed()
	return nil
}

// The faults that are armed for the next finger.
const (
	FaultDirty   = "dirty"   // it cannot be read
	FaultCrooked = "crooked" // it lies wrong: OrientationEvent, and it is taken off again
)

// Arm makes a fault strike after so many chances at which it does not.
func (s *Sensor) Arm(fault string, after int) {
	s.Lock()
	defer s.Unlock()
	s.faults.Arm(fault, after)
	s.changed()
}

// SetBroken breaks or mends the sensor; mending disarms what was armed.
func (s *Sensor) SetBroken(broken bool) {
	s.Lock()
	defer s.Unlock()
	s.broken = broken
	if !broken {
		s.faults.Mend()
	}
	s.changed()
}

// Acts lists what can be done to it.
func (s *Sensor) Acts() []panel.Act {
	arm := func(fault, label string) panel.Act {
		return panel.Act{Name: fault, Label: label, Kind: panel.Fault, Args: chassis.After("after how many fingers"),
			Do: func(v panel.Values) error { s.Arm(fault, v.Int("after")); return nil }}
	}
	return []panel.Act{
		{Name: "present", Label: "Put a finger on it", Kind: panel.Hand, Args: []panel.Arg{
			{Name: "finger", Label: "Whose", Default: "Eva, right index"}, {Name: "worn", Label: "Worn, percent", Default: "0", Number: true}},
			Do: func(v panel.Values) error { return s.Present(v["finger"], v.Int("worn")) }},
		{Name: "remove", Label: "Take the finger off", Kind: panel.Hand, Do: func(panel.Values) error { return s.Remove() }},
		arm(FaultDirty, "Finger cannot be read"), arm(FaultCrooked, "Finger lies wrong"),
		{Name: "break", Label: "Break the sensor", Kind: panel.Fault, Do: func(panel.Values) error { s.SetBroken(true); return nil }},
		{Name: "repair", Label: "All in order", Kind: panel.Repair, Do: func(panel.Values) error { s.SetBroken(false); return nil }},
	}
}

// State is what the page shows: no print and no template.
type State struct {
	Broken    bool     `json:"broken"`
	Finger    bool     `json:"finger"`
	Reading   bool     `json:"reading"`
	Scanned   bool     `json:"scanned"`
	Templates []string `json:"templates"` // ids
	Capacity  int      `json:"capacity"`
	Persist   bool     `json:"persist"`
	Armed     []string `json:"armed"`
}

// State gives what the page shows.
func (s *Sensor) State() any {
	s.Lock()
	defer s.Unlock()
	ids := slices.Sorted(maps.Keys(s.templates))
	return State{s.broken, s.finger != nil, s.reading, s.scanned != nil, append([]string{}, ids...), s.o.Capacity, s.persist, s.faults.Armed()}
}

var _ panel.Device = (*Sensor)(nil)
