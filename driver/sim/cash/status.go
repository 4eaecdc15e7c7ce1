package cash

import (
	"github.com/plomb-pos/plomb/driver/sim/cash/vault"
	"github.com/plomb-pos/plomb/xfs4iot/cashacceptor"
	"github.com/plomb-pos/plomb/xfs4iot/cashdispenser"
	"github.com/plomb-pos/plomb/xfs4iot/cashmanagement"
	"github.com/plomb-pos/plomb/xfs4iot/common"
)

// status is called with the lock held.
func (d *Device) status() common.StatusCompletion {
	out := common.StatusCompletion{
		Common:         &common.StatusProperties{Device: d.device(), DevicePosition: common.PositionStatusInPosition, Exchange: common.ExchangeInactive, EndToEndSecurity: d.securityStatus()},
		CashManagement: &cashmanagement.Status{Dispenser: d.dispenserState()},
		CashDispenser:  d.dispenserStatus(),
	}
	if d.keep.Exchange {
		out.Common.Exchange = common.ExchangeActive
	}
	if d.o.Neutralization {
		out.BanknoteNeutralization = d.protectionStatus()
	}
	if !d.o.DispenserOnly {
		out.CashManagement.Acceptor = d.acceptorState()
		out.CashAcceptor = d.acceptorStatus()
	}
	return out
}

func (d *Device) device() common.Device {
	switch {
	case d.off:
		return common.DevicePowerOff
	case d.vault.Failed() != nil || d.jammed || d.shutter == shutterStuck:
		return common.DeviceHardwareError
	}
	return common.DeviceOnline
}

// dispenserState is ok when every cassette that gives notes works and has enough,
// stop when none can give any.
func (d *Device) dispenserState() cashmanagement.StatusDispenser {
	all, some := true, false
	for _, u := range d.units {
		if !u.gives() {
			continue
		}
		ok := u.works() && d.available(u) > 0
		some = some || ok
		all = all && ok && d.fill(u) != cashmanagement.ReplenishmentStatusLow
	}
	switch {
	case !some || d.ofKind(Reject) == nil && d.has(Reject):
		return cashmanagement.StatusDispenserStop
	case !all:
		return cashmanagement.StatusDispenserAttention
	}
	return cashmanagement.StatusDispenserOk
}

func (d *Device) has(k Kind) bool {
	for _, u := range d.units {
		if u.Kind == k {
			return true
		}
	}
	return false
}

func (d *Device) acceptorState() cashmanagement.StatusAcceptor {
	all, some := true, false
	for _, u := range d.units {
		if u.Kind != Recycle && u.Kind != In {
			continue
		}
		ok := u.works() && d.space(u) > 0
		all, some = all && ok, some || ok
	}
	switch {
	case !some:
		return cashmanagement.StatusAcceptorStop
	case !all:
		return cashmanagement.StatusAcceptorAttention
	}
	return cashmanagement.StatusAcceptorOk
}

func (d *Device) dispenserStatus() *cashdispenser.Status {
	out := cashdispenser.OutPos{
		Position: cashmanagement.OutputPositionOutDefault, Shutter: cashdispenser.OutPosShutterClosed,
		PositionStatus: cashdispenser.OutPosPositionStatusEmpty,
		Transport:      cashdispenser.OutPosTransportOk, TransportStatus: cashdispenser.OutPosTransportStatusEmpty,
	}
	switch d.shutter {
	case shutterOpen:
		out.Shutter = cashdispenser.OutPosShutterOpen
	case shutterStuck:
		out.Shutter = cashdispenser.OutPosShutterJammedClosed
	}
	if len(d.pile(vault.Output)) > 0 || d.foreign {
		out.PositionStatus = cashdispenser.OutPosPositionStatusNotEmpty
	}
	if d.jammed {
		out.Transport = cashdispenser.OutPosTransportInoperative
	}
	if len(d.pile(vault.Transport)) > 0 {
		out.TransportStatus = cashdispenser.OutPosTransportStatusNotEmpty
	}
	return &cashdispenser.Status{IntermediateStacker: d.stackerStatus(), Positions: []cashdispenser.OutPos{out}}
}

func (d *Device) stackerStatus() cashdispenser.StatusIntermediateStacker {
	switch pile := d.vault.State().Piles[vault.Stacker]; {
	case len(pile) == 0:
		return cashdispenser.StatusIntermediateStackerEmpty
	case len(pile[""]) > 0:
		return cashdispenser.StatusIntermediateStackerNotEmptyCustomer
	}
	return cashdispenser.StatusIntermediateStackerNotEmpty
}

func (d *Device) acceptorStatus() *cashacceptor.Status {
	out := &cashacceptor.Status{
		IntermediateStacker: cashacceptor.StatusIntermediateStackerEmpty, StackerItems: cashacceptor.StatusStackerItemsNoItems,
		BanknoteReader: cashacceptor.StatusBanknoteReaderOk, DropBox: new(false),
		Positions: []cashacceptor.Position{d.slotStatus("inDefault", vault.Input), d.slotStatus("outDefault", vault.Output)},
	}
	if n := d.pile(vault.Stacker).Count(); n > 0 {
		out.IntermediateStacker, out.StackerItems = cashacceptor.StatusIntermediateStackerNotEmpty, cashacceptor.StatusStackerItemsNoCustomerAccess
		if n >= d.o.Stacker {
			out.IntermediateStacker = cashacceptor.StatusIntermediateStackerFull
		}
		if len(d.vault.State().Piles[vault.Stacker][""]) > 0 {
			out.StackerItems = cashacceptor.StatusStackerItemsCustomerAccess
		}
	}
	if d.reader {
		out.BanknoteReader = cashacceptor.StatusBanknoteReaderInoperable
	}
	return out
}

func (d *Device) slotStatus(p cashmanagement.Position, place vault.Place) cashacceptor.Position {
	out := cashacceptor.Position{
		Position: p, Shutter: cashacceptor.PositionShutterClosed, PositionStatus: cashacceptor.PositionPositionStatusEmpty,
		Transport: cashacceptor.PositionTransportOk, TransportStatus: cashacceptor.PositionTransportStatusEmpty,
	}
	switch d.shutter {
	case shutterOpen:
		out.Shutter = cashacceptor.PositionShutterOpen
	case shutterStuck:
		out.Shutter = cashacceptor.PositionShutterJammedClosed
	}
	switch {
	case d.foreign:
		out.PositionStatus = cashacceptor.PositionPositionStatusForeignItems
	case len(d.pile(place)) > 0:
		out.PositionStatus = cashacceptor.PositionPositionStatusNotEmpty
	}
	if d.jammed {
		out.Transport = cashacceptor.PositionTransportInoperative
	}
	if len(d.pile(vault.Transport)) > 0 {
		out.TransportStatus = cashacceptor.PositionTransportStatusNotEmpty
	}
	return out
}
