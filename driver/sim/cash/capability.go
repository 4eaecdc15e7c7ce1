package cash

import (
	"github.com/plomb-pos/plomb/xfs4iot/cashacceptor"
	"github.com/plomb-pos/plomb/xfs4iot/cashdispenser"
	"github.com/plomb-pos/plomb/xfs4iot/cashmanagement"
	"github.com/plomb-pos/plomb/xfs4iot/common"
)

// yes and no are for capabilities, where an absent field says nothing.
func yes() *bool { return new(true) }
func no() *bool  { return new(false) }

func (d *Device) capabilities() common.CapabilitiesCompletion {
	out := common.CapabilitiesCompletion{
		Common: &common.CapabilityProperties{
			ServiceVersion: "1.0", PowerSaveControl: no(), AntiFraudModule: no(), EndToEndSecurity: d.securityCapability(),
			DeviceInformation: []common.DeviceInformation{{ModelName: "simulated banknote recycler", ModelDescription: "cassettes, stacker, one slot"}},
		},
		CashManagement: d.managementCapabilities(),
		CashDispenser:  d.dispenserCapabilities(),
	}
	if d.o.Neutralization {
		out.BanknoteNeutralization = protectionCapabilities()
	}
	if !d.o.DispenserOnly {
		out.CashAcceptor = d.acceptorCapabilities()
	}
	return out
}

func (d *Device) managementCapabilities() *cashmanagement.Capabilities {
	return &cashmanagement.Capabilities{
		CashBox: no(), ExchangeType: &cashmanagement.CapabilitiesExchangeType{ByHand: yes()},
		ItemInfoTypes:      &cashmanagement.CapabilitiesItemInfoTypes{SerialNumber: yes(), Signature: yes(), Image: no()},
		ClassificationList: yes(),
		Classifications: &cashmanagement.CapabilitiesClassifications{Unrecognized: yes(), Counterfeit: yes(), Suspect: yes(),
			Inked: yes(), Fit: yes(), Unfit: yes()},
	}
}

func (d *Device) dispenserCapabilities() *cashdispenser.Capabilities {
	retract, reject, in := new(d.has(Retract)), new(d.has(Reject)), new(d.has(In))
	return &cashdispenser.Capabilities{
		Type: cashdispenser.CapabilitiesTypeSelfServiceBill, MaxDispenseItems: &d.o.Stacker, ShutterControl: new(!d.o.ExplicitShutter),
		RetractAreas:            &cashdispenser.CapabilitiesRetractAreas{Retract: retract, Transport: yes(), Stacker: yes(), Reject: reject, ItemCassette: yes(), CashIn: in},
		RetractTransportActions: &cashdispenser.CapabilitiesRetractTransportActions{Present: no(), Retract: retract, Reject: reject, ItemCassette: yes(), CashIn: in},
		RetractStackerActions:   &cashdispenser.CapabilitiesRetractStackerActions{Present: yes(), Retract: retract, Reject: reject, ItemCassette: yes(), CashIn: in},
		IntermediateStacker:     yes(), ItemsTakenSensor: yes(),
		Positions: &cashdispenser.CapabilitiesPositions{Left: no(), Right: no(), Center: no(), Top: no(), Bottom: no(), Front: yes(), Rear: no()},
		MoveItems: &cashdispenser.CapabilitiesMoveItems{FromCashUnit: yes(), ToCashUnit: yes(), ToTransport: no(), ToStacker: yes()},
	}
}

func (d *Device) acceptorCapabilities() *cashacceptor.Capabilities {
	retract, reject, in := new(d.has(Retract)), new(d.has(Reject)), new(d.has(In))
	areas := &cashacceptor.PosCapsRetractAreas{Retract: retract, Reject: reject, Transport: yes(), Stacker: yes(), BillCassettes: yes(), CashIn: in, ItemCassette: yes()}
	slot := func(p cashmanagement.Position, in bool) cashacceptor.PosCaps {
		return cashacceptor.PosCaps{Position: p, Usage: &cashacceptor.PosCapsUsage{In: &in, Refuse: new(!in), Rollback: new(!in)},
			ShutterControl: new(!d.o.ExplicitShutter), ItemsTakenSensor: yes(), ItemsInsertedSensor: &in, RetractAreas: areas,
			PresentControl: new(!d.o.ExplicitShutter), PreparePresent: no()}
	}
	return &cashacceptor.Capabilities{
		Type: cashacceptor.CapabilitiesTypeSelfServiceBill, MaxCashInItems: &d.o.Stacker, Shutter: yes(), ShutterControl: new(!d.o.ExplicitShutter),
		IntermediateStacker: &d.o.Stacker, ItemsTakenSensor: yes(), ItemsInsertedSensor: yes(),
		Positions:               []cashacceptor.PosCaps{slot(cashmanagement.PositionInDefault, true), slot(cashmanagement.PositionOutDefault, false)},
		RetractAreas:            &cashacceptor.CapabilitiesRetractAreas{Retract: retract, Transport: yes(), Stacker: yes(), Reject: reject, BillCassette: yes(), CashIn: in, ItemCassette: yes()},
		RetractTransportActions: &cashacceptor.CapabilitiesRetractTransportActions{Present: no(), Retract: retract, Reject: reject, BillCassette: yes(), CashIn: in, ItemCassette: yes()},
		RetractStackerActions:   &cashacceptor.CapabilitiesRetractStackerActions{Present: yes(), Retract: retract, Reject: reject, BillCassette: yes(), CashIn: in, ItemCassette: yes()},
		CashInLimit:             &cashacceptor.CapabilitiesCashInLimit{ByTotalItems: yes(), ByAmount: yes()},
		CountActions:            &cashacceptor.CapabilitiesCountActions{Individual: yes(), All: yes()},
		RetainAction:            &cashacceptor.CapabilitiesRetainAction{Counterfeit: yes(), Suspect: yes(), Inked: yes()},
	}
}
