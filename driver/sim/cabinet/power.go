package cabinet

import (
	"context"

	"github.com/plomb-pos/plomb/driver/sim/chassis"
	"github.com/plomb-pos/plomb/xfs4iot/auxiliaries"
	"github.com/plomb-pos/plomb/xfs4iot/common"
	"github.com/plomb-pos/plomb/xfs4iot/host"
	"github.com/plomb-pos/plomb/xfs4iot/powermanagement"
)

// supply is the machine's power: the mains and a UPS with a battery.
type supply struct {
	mains     bool
	engaged   bool // the UPS takes over when the mains fail
	recovered bool // the mains came back while the UPS was powering
	charge    int  // of the battery, percent
	dead      bool // the battery holds no charge any more
	recovery  int  // milliseconds that the machine takes to wake up; 0: it is awake
}

// lowCharge and criticalCharge are where the battery is low, in percent.
const lowCharge, criticalCharge = 20, 5

func (s *supply) onBattery() bool { return !s.mains && s.engaged && s.charge > 0 && !s.dead }

func (s *supply) dark() bool { return !s.mains && !s.onBattery() }

// ups is the UPS in the status: good is none of the four.
func (s *supply) ups() *auxiliaries.UPSState {
	return &auxiliaries.UPSState{Low: new(s.charge <= lowCharge || s.dead), Engaged: new(s.engaged), Powering: new(s.onBattery()), Recovered: new(s.recovered)}
}

func (s *supply) status() *powermanagement.Status {
	info := &powermanagement.PowerInfo{
		PowerInStatus: powermanagement.PowerInfoPowerInStatusPowering, PowerOutStatus: powermanagement.PowerInfoPowerOutStatusPowering,
		BatteryStatus: s.battery(), BatteryChargingStatus: powermanagement.BatteryChargingStatusNotCharging,
	}
	if !s.mains {
		info.PowerInStatus = powermanagement.PowerInfoPowerInStatusNoPower
	}
	if s.dark() {
		info.PowerOutStatus = powermanagement.PowerInfoPowerOutStatusNoPower
	}
	switch {
	case s.onBattery():
		info.BatteryChargingStatus = powermanagement.BatteryChargingStatusDischarging
	case s.mains && s.charge < 100 && !s.dead:
		info.BatteryChargingStatus = powermanagement.BatteryChargingStatusCharging
	}
	return &powermanagement.Status{Info: info, PowerSaveRecoveryTime: new(s.recovery)}
}

func (s *supply) battery() powermanagement.BatteryStatus {
	switch {
	case s.dead:
		return powermanagement.BatteryStatusFailure
	case s.charge == 100:
		return powermanagement.BatteryStatusFull
	case s.charge <= criticalCharge:
		return powermanagement.BatteryStatusCritical
	case s.charge <= lowCharge:
		return powermanagement.BatteryStatusLow
	}
	return powermanagement.BatteryStatusOperational
}

// The depths of sleep, by the milliseconds that waking up takes, deepest first.
var sleeps = []int{60_000, 5_000}

// sleep takes the deepest sleep that ends in time; 0 wakes.
func (c *Cabinet) sleep(most *int) error {
	c.Lock()
	defer c.Unlock()
	switch {
	case c.supply.dark():
		return chassis.NotReady("the cabinet has no power")
	case most == nil:
		return chassis.Invalid("maxPowerSaveRecoveryTime is missing")
	}
	c.supply.recovery = 0
	for _, depth := range sleeps {
		if depth <= *most {
			c.supply.recovery = depth
			break
		}
	}
	c.changed()
	return nil
}

// powerSave is PowerManagement.PowerSaveControl.
func (c *Cabinet) powerSave(_ context.Context, _ *host.Command, req *powermanagement.PowerSaveControlCommand) (*powermanagement.PowerSaveControlCompletion, error) {
	return nil, c.sleep(req.MaxPowerSaveRecoveryTime)
}

// commonPowerSave is Common.PowerSaveControl.
func (c *Cabinet) commonPowerSave(_ context.Context, _ *host.Command, req *common.PowerSaveControlCommand) (*common.PowerSaveControlCompletion, error) {
	return nil, c.sleep(req.MaxPowerSaveRecoveryTime)
}

// MainsOff cuts the mains.
func (c *Cabinet) MainsOff() { c.power(func(s *supply) { s.mains = false }) }

// MainsOn brings them back.
func (c *Cabinet) MainsOn() {
	c.power(func(s *supply) { s.recovered, s.mains = s.recovered || s.onBattery(), true })
}

// Charge sets the charge of the UPS's battery in percent, 0 to 100.
func (c *Cabinet) Charge(percent int) {
	c.power(func(s *supply) { s.charge = min(max(percent, 0), 100) })
}

// KillBattery makes the battery fail; Charge does not help. NewBattery does.
func (c *Cabinet) KillBattery() { c.power(func(s *supply) { s.dead = true }) }

// NewBattery puts a full battery in.
func (c *Cabinet) NewBattery() { c.power(func(s *supply) { s.dead, s.charge = false, 100 }) }

func (c *Cabinet) power(change func(*supply)) {
	c.Lock()
	defer c.Unlock()
	change(&c.supply)
	c.changed()
}
