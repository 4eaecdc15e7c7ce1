package receiptprinter

import (
	"github.com/plomb-pos/plomb/driver/escpos"
	"github.com/plomb-pos/plomb/xfs4iot"
	"github.com/plomb-pos/plomb/xfs4iot/auxiliaries"
	"github.com/plomb-pos/plomb/xfs4iot/common"
	"github.com/plomb-pos/plomb/xfs4iot/host"
	"github.com/plomb-pos/plomb/xfs4iot/printer"
)

func declaration(p escpos.Profile) host.Declaration {
	return host.Declaration{
		Capabilities: common.CapabilitiesCompletion{
			Common: &common.CapabilityProperties{
				ServiceVersion:    "1.0",
				DeviceInformation: []common.DeviceInformation{{ModelName: p.Name}},
			},
			Printer:     capabilities(p),
			Auxiliaries: &auxiliaries.Capabilities{CabinetDoor: &auxiliaries.DoorCaps{Closed: new(true), Open: new(true)}},
		},
		Status: common.StatusCompletion{
			Common:  &common.StatusProperties{Device: common.DeviceStarting},
			Printer: printerStatus(escpos.PaperUnknown),
		},
		Events: []xfs4iot.Event{&printer.PaperThresholdEvent{}, &printer.DefinitionLoadedEvent{}},
	}
}

func capabilities(p escpos.Profile) *printer.Capabilities {
	return &printer.Capabilities{
		Type:           &printer.CapabilitiesType{Receipt: new(true)},
		Resolution:     &printer.CapabilitiesResolution{Medium: new(true)},
		WriteForm:      &printer.CapabilitiesWriteForm{Text: new(true), Graphics: new(true), Barcode: new(true)},
		Control:        &printer.CapabilitiesControl{Eject: new(!p.NoCutter), Cut: new(!p.NoCutter), PartialCut: new(!p.NoCutter)},
		PaperSources:   &printer.CapabilitiesPaperSources{Upper: new(true)},
		AcceptMedia:    new(false),
		MultiPage:      new(false),
		MediaTaken:     new(false),
		MediaPresented: new(true),
		PrintSides:     printer.CapabilitiesPrintSidesSingle,
	}
}

func printerStatus(p escpos.Paper) *printer.Status {
	return &printer.Status{
		Media: printer.StatusMediaUnknown,
		Paper: &printer.StatusPaper{Upper: supply[p]},
	}
}

var supply = map[escpos.Paper]printer.PaperSupply{
	escpos.PaperUnknown: printer.PaperSupplyUnknown,
	escpos.PaperOK:      printer.PaperSupplyFull,
	escpos.PaperLow:     printer.PaperSupplyLow,
	escpos.PaperOut:     printer.PaperSupplyOut,
}

var threshold = map[escpos.Paper]printer.PaperThresholdEventThreshold{
	escpos.PaperOK:  printer.PaperThresholdEventThresholdFull,
	escpos.PaperLow: printer.PaperThresholdEventThresholdLow,
	escpos.PaperOut: printer.PaperThresholdEventThresholdOut,
}

// drawer has no entry for an unknown state: the standard has no word for it.
var drawer = map[escpos.Drawer]auxiliaries.CabinetDoorState{
	escpos.DrawerClosed: auxiliaries.CabinetDoorStateClosed,
	escpos.DrawerOpen:   auxiliaries.CabinetDoorStateOpen,
}

// Report tells the service's clients a new state of the printer. Calls must come
// one at a time, in order.
func (s *Service) Report(now escpos.Status) {
	// The errors are about a status that cannot be encoded; these can.
	_ = s.service.SetStatus(func(c *common.StatusCompletion) {
		c.Common.Device = device(now)
		c.Printer = printerStatus(now.Paper)
		c.Auxiliaries = &auxiliaries.Status{CabinetDoor: drawer[now.Drawer]}
	})
	if t, ok := s.paperChange(now.Paper); ok {
		_ = s.service.Broadcast(&printer.PaperThresholdEvent{PaperSource: "upper", Threshold: t})
	}
}

// paperChange is the event for a change of paper, none for the first known state
// and while nothing is known.
func (s *Service) paperChange(p escpos.Paper) (printer.PaperThresholdEventThreshold, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.paper
	if p == escpos.PaperUnknown || p == before {
		return "", false
	}
	s.paper = p
	return threshold[p], before != escpos.PaperUnknown
}

func device(s escpos.Status) common.Device {
	switch {
	case !s.Connected:
		return common.DeviceOffline
	case s.Cutter || s.Fault:
		return common.DeviceHardwareError
	case s.CoverOpen:
		return common.DeviceUserError
	}
	return common.DeviceOnline
}
