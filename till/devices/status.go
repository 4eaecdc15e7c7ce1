package devices

import (
	"github.com/plomb-pos/plomb/xfs4iot/auxiliaries"
	"github.com/plomb-pos/plomb/xfs4iot/cashmanagement"
	"github.com/plomb-pos/plomb/xfs4iot/common"
	"github.com/plomb-pos/plomb/xfs4iot/printer"
)

// conditionOf reads Common.Status's device field (XFS4IoT, Common.Status).
func conditionOf(d common.Device) (Condition, string) {
	switch d {
	case common.DeviceOnline, common.DeviceDeviceBusy:
		return Ready, ""
	case common.DeviceStarting:
		return Down, "starting"
	case common.DeviceOffline, common.DevicePowerOff, common.DeviceNoDevice:
		return Down, "off"
	case common.DeviceUserError:
		return Down, "user-error"
	case common.DeviceFraudAttempt, common.DevicePotentialFraud:
		return Down, "fraud"
	}
	return Down, "broken"
}

// paperCondition reads what a printer says of its paper.
func paperCondition(s *printer.Status) (Condition, string) {
	if s.Media == printer.StatusMediaJammed {
		return Down, "paper-jam"
	}
	if s.Paper == nil {
		return Ready, ""
	}
	switch s.Paper.Upper {
	case printer.PaperSupplyOut:
		return Down, "paper-out"
	case printer.PaperSupplyJammed:
		return Down, "paper-jam"
	case printer.PaperSupplyLow:
		return Attention, "paper-low"
	}
	return Ready, ""
}

// changed applies a status event, which holds only what is new.
func (l *link) changed(e *common.StatusChangedEvent) {
	l.set.mu.Lock()
	now := l.set.state[l.kind]
	l.set.mu.Unlock()
	condition, code := now.Condition, now.Code
	if e.Common != nil && e.Common.Device != "" {
		condition, code = conditionOf(e.Common.Device)
	}
	if e.Printer != nil && (condition == Ready || isPaper(code)) {
		condition, code = paperCondition(e.Printer)
	}
	if e.CashManagement != nil && (condition == Ready || isCash(code)) {
		condition, code = cashCondition(e.CashManagement)
	}
	l.note(condition, code)
	if e.Auxiliaries != nil {
		l.door(e.Auxiliaries)
	}
}

// cashCondition reads what a dispenser says of its units.
func cashCondition(s *cashmanagement.Status) (Condition, string) {
	switch s.Dispenser {
	case cashmanagement.StatusDispenserStop:
		return Down, "cash-stop"
	case cashmanagement.StatusDispenserAttention:
		return Attention, "cash-low"
	case cashmanagement.StatusDispenserUnknown:
		return Attention, "cash-unknown"
	}
	return Ready, ""
}

func isCash(code string) bool {
	return code == "cash-stop" || code == "cash-low" || code == "cash-unknown"
}

// door reads the drawer's switch, which the standard has among the doors of the
// machine.
func (l *link) door(a *auxiliaries.Status) {
	if a.CabinetDoor == "" {
		return
	}
	l.set.noteDrawer(func(d *Device) { d.Open = a.CabinetDoor == auxiliaries.CabinetDoorStateOpen })
}

func isPaper(code string) bool {
	return code == "paper-out" || code == "paper-jam" || code == "paper-low"
}
