package cash

import (
	"strings"

	"github.com/plomb-pos/plomb/driver/sim/cash/vault"
	"github.com/plomb-pos/plomb/driver/sim/chassis"
	"github.com/plomb-pos/plomb/xfs4iot/banknoteneutralization"
	"github.com/plomb-pos/plomb/xfs4iot/host"
	"github.com/plomb-pos/plomb/xfs4iot/powermanagement"
	"github.com/plomb-pos/plomb/xfs4iot/token"
)

// protection is the ink that makes stolen notes worthless.
type protection struct {
	Armed     bool `json:"armed,omitzero"`
	Ignore    bool `json:"ignore,omitzero"` // all sensors of the safe are ignored
	Triggered bool `json:"triggered,omitzero"`
}

// sensors are those of the safe.
type sensors struct{ broken bool }

// Fields of the tokens that protection asks for. The standard's documents say that
// tokens are used and not what stands in them: these names are ours.
const (
	protectionField     = "PROTECTION"     // ARM, IGNOREALLSAFESENSORS or DISARM
	neutralizationField = "NEUTRALIZATION" // TRIGGER
)

func (d *Device) handleProtection(s *host.Service) {
	serve(d, s, banknoteneutralization.SetProtection, d.setProtection)
	serve(d, s, banknoteneutralization.TriggerNeutralization, d.neutralize)
}

func protectionCapabilities() *banknoteneutralization.Capabilities {
	return &banknoteneutralization.Capabilities{
		Mode: banknoteneutralization.CapabilitiesModeClientControlled, GasSensor: no(), LightSensor: no(), SeismicSensor: no(),
		SafeIntrusionDetection: yes(), ExternalDryContactStatusBox: no(), RealTimeClock: no(), PhysicalStorageUnitsAccessControl: no(),
	}
}

func (d *Device) protectionStatus() *banknoteneutralization.Status {
	p := d.keep.Protection
	state := &banknoteneutralization.State{Mode: banknoteneutralization.StateModeDisarmed}
	switch {
	case p.Triggered:
		state.Mode = banknoteneutralization.StateModeNeutralizationTriggered
	case p.Armed:
		state.Mode = banknoteneutralization.StateModeArmed
	}
	if p.Ignore {
		state.Submode = banknoteneutralization.StateSubmodeAllSafeSensorsIgnored
	}
	out := &banknoteneutralization.Status{State: state, SafeDoor: banknoteneutralization.SafeDoorStateDoorClosed, SafeBolt: banknoteneutralization.SafeBoltStateBoltLocked,
		Tilt: banknoteneutralization.TiltStateNotTilted, Light: banknoteneutralization.LightStateNotConfigured, Gas: banknoteneutralization.GasStateNotConfigured,
		Temperature: banknoteneutralization.TemperatureStateOk, Seismic: banknoteneutralization.SeismicStateNotConfigured,
		PowerSupply: &powermanagement.Status{Info: &powermanagement.PowerInfo{PowerInStatus: powermanagement.PowerInfoPowerInStatusPowering, PowerOutStatus: powermanagement.PowerInfoPowerOutStatusPowering}},
	}
	if d.door {
		out.SafeDoor, out.SafeBolt = banknoteneutralization.SafeDoorStateDoorOpened, banknoteneutralization.SafeBoltStateBoltUnlocked
	}
	if d.sensors.broken {
		out.SafeDoor, out.SafeBolt, out.Tilt = banknoteneutralization.SafeDoorStateFault, banknoteneutralization.SafeBoltStateFault, banknoteneutralization.TiltStateFault
	}
	return out
}

// protectionOf is the state of one cassette's ink; nil for a device without.
func (d *Device) protectionOf(u *unit) *banknoteneutralization.StorageUnitStatus {
	if !d.o.Neutralization {
		return nil
	}
	out := &banknoteneutralization.StorageUnitStatus{Identifier: u.ID, Protection: banknoteneutralization.StorageUnitStatusProtectionDisarmed,
		Tilt: banknoteneutralization.TiltStateNotTilted, Temperature: banknoteneutralization.TemperatureStateOk,
		Lid: banknoteneutralization.StorageUnitStatusLidClosed, NeutralizationTrigger: banknoteneutralization.StorageUnitStatusNeutralizationTriggerReady,
		StorageUnitIdentifier: u.Unit}
	switch {
	case d.keep.Protection.Triggered:
		out.Protection = banknoteneutralization.StorageUnitStatusProtectionNeutralizationTriggered
	case d.keep.Protection.Armed:
		out.Protection = banknoteneutralization.StorageUnitStatusProtectionArmed
	}
	return out
}

func (d *Device) setProtection(_ job, req *banknoteneutralization.SetProtectionCommand) (*banknoteneutralization.SetProtectionCompletion, error) {
	if req.NewState == "" {
		return nil, chassis.Invalid("newState is missing")
	}
	if err := d.accepted(req.Token, token.Field{Key: protectionField, Value: strings.ToUpper(string(req.NewState))}); err != nil {
		return nil, err
	}
	ignore := req.NewState == banknoteneutralization.SetProtectionCommandNewStateIgnoreAllSafeSensors
	arm := req.NewState == banknoteneutralization.SetProtectionCommandNewStateArm
	if d.sensors.broken && arm {
		return nil, host.Fail(banknoteneutralization.SetProtectionErrorCodeSensorNotReady, "the safe's sensors do not work")
	}
	return nil, d.change(func(_ *state, m *memory) error {
		m.Protection.Armed, m.Protection.Ignore = arm || ignore, ignore
		return nil
	})
}

func (d *Device) neutralize(_ job, req *banknoteneutralization.TriggerNeutralizationCommand) (*banknoteneutralization.TriggerNeutralizationCompletion, error) {
	if req.NeutralizationAction == "" {
		return nil, chassis.Invalid("neutralizationAction is missing")
	}
	if err := d.accepted(req.Token, token.Field{Key: neutralizationField, Value: "TRIGGER"}); err != nil {
		return nil, err
	}
	return nil, d.ink()
}

// ink makes all notes in the cassettes worthless.
func (d *Device) ink() error {
	return d.change(func(s *state, m *memory) error {
		m.Protection.Triggered = true
		for _, u := range d.units {
			if err := s.Turn(u.Unit, vault.Inked); err != nil {
				return err
			}
		}
		return nil
	})
}

// Break makes the safe's sensors fail; BreakIn is somebody at the safe: an armed
// device inks its notes.
func (d *Device) Break() error { return d.act(func() error { d.sensors.broken = true; return nil }) }

// BreakIn opens the safe by force.
func (d *Device) BreakIn() error {
	return d.act(func() error {
		d.door = true
		if p := d.keep.Protection; !d.o.Neutralization || !p.Armed || p.Ignore || p.Triggered {
			return nil
		}
		return d.ink()
	})
}
