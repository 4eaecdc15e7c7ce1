// Package cabinet is the simulated housing of a self-service machine: its doors and
// their bolts, the operator's switch, sensors, lamps and indicators, the loudspeaker,
// the heating, and the power supply with its battery. It serves the interfaces Lights,
// Auxiliaries and PowerManagement, and Common.PowerSaveControl, as one service.
//
//	c, err := cabinet.New("Cabinet", cabinet.Options{})
//	server.Add(c.Service())
//	c.Sense("operatorSwitch", "supervisor") // somebody turns the key
//
// # What it does
//
// Every light of the description is there, the check unit's among them. A command
// that names several lights is checked whole before the first one changes. Light
// positions and their colours are declared; anything else is refused.
//
// A door is open, closed, locked with a key, bolted by a command, or tampered with. A
// bolted or locked door does not open, an open one cannot be bolted.
//
// The mains may fail: an engaged UPS then powers the machine until its battery is
// empty; without it the machine is dark. The UPS is good when none of its four flags
// is set.
//
// The time of automatic start-up is kept through a loss of power when Options name a
// directory; nothing ever starts here by itself. All other settings are in memory.
//
// Auxiliaries.Register is left over from release 2021-1: it checks what it is given
// and has no other effect, since status events go to every client.
package cabinet

import (
	"errors"
	"fmt"
	"io/fs"
	"path"

	"github.com/go-json-experiment/json"

	"github.com/plomb-pos/plomb/driver/sim/chassis"
	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/xfs4iot/auxiliaries"
	"github.com/plomb-pos/plomb/xfs4iot/common"
	"github.com/plomb-pos/plomb/xfs4iot/host"
	"github.com/plomb-pos/plomb/xfs4iot/lights"
	"github.com/plomb-pos/plomb/xfs4iot/powermanagement"
)

// Options choose the cabinet; the zero value keeps nothing.
type Options struct {
	Directory string     `json:"directory,omitzero" toml:"directory"` // where the start-up time is kept; must exist
	FS        durable.FS `json:"-" toml:"-"`                          // in place of the operating system's, for tests
}

// Cabinet is the device. Its methods may be called concurrently.
type Cabinet struct {
	chassis.Chassis
	name string
	fsys durable.FS // nil: nothing is kept
	file string

	lights  map[string]map[string]*lights.PositionStatus // by light and position
	broken  map[string]bool                              // lights that do not work
	aux     auxiliaries.Status
	startup startup
	supply  supply
	shield  bool // the vandal shield is jammed
}

// startup is when the machine is to start by itself; no mode: never.
type startup struct {
	Mode string                  `json:"mode"`
	Time *auxiliaries.SystemTime `json:"time,omitzero"`
}

// New makes a cabinet whose doors are closed and whose lights are off.
func New(name string, o Options) (*Cabinet, error) {
	if o.FS == nil && o.Directory != "" {
		o.FS = durable.OS{}
	}
	c := &Cabinet{name: name, fsys: o.FS, file: path.Join(o.Directory, "startup.json"), lights: allOff(),
		broken: map[string]bool{}, aux: quiet(), supply: supply{mains: true, charge: 100}}
	if err := c.load(); err != nil {
		return nil, fmt.Errorf("cabinet %s: %w", name, err)
	}
	return c, nil
}

// maxStartup bounds the file of the start-up time in bytes.
const maxStartup = 4096

func (c *Cabinet) load() error {
	if c.fsys == nil {
		return nil
	}
	data, err := durable.ReadFile(c.fsys, c.file, maxStartup)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = json.Unmarshal(data, &c.startup)
	}
	if err != nil {
		return fmt.Errorf("read start-up time: %w", err)
	}
	return nil
}

// keep makes a start-up time durable before it counts.
func (c *Cabinet) keep(s startup) error {
	if c.fsys != nil {
		data, err := json.Marshal(s)
		if err == nil {
			err = durable.Replace(c.fsys, c.file, data)
		}
		if err != nil {
			return fmt.Errorf("keep start-up time: %w", err)
		}
	}
	c.startup = s
	return nil
}

// Class names its picture.
func (c *Cabinet) Class() string { return "cabinet" }

// Service makes a fresh service over the present state.
func (c *Cabinet) Service() *host.Service {
	c.Lock()
	defer c.Unlock()
	s := host.NewService(c.name, host.Declaration{Capabilities: capabilities(), Status: c.status()})
	host.Handle(s, lights.SetLight, c.setLight)
	host.Handle(s, auxiliaries.SetAuxiliaries, c.setAuxiliaries)
	host.Handle(s, auxiliaries.SetAutoStartupTime, c.setStartup)
	host.Handle(s, auxiliaries.GetAutoStartupTime, c.getStartup)
	host.Handle(s, auxiliaries.ClearAutoStartupTime, c.clearStartup)
	host.Handle(s, auxiliaries.Register, c.register)
	host.Handle(s, powermanagement.PowerSaveControl, c.powerSave)
	host.Handle(s, common.PowerSaveControl, c.commonPowerSave)
	c.Serve(s)
	return s
}

func capabilities() common.CapabilitiesCompletion {
	return common.CapabilitiesCompletion{
		Common: &common.CapabilityProperties{ServiceVersion: "1.0", PowerSaveControl: new(true), AntiFraudModule: new(false),
			DeviceInformation: []common.DeviceInformation{{ModelName: "simulated cabinet"}}},
		Lights:          lightCapabilities(),
		Auxiliaries:     auxiliaryCapabilities(),
		PowerManagement: &powermanagement.Capabilities{PowerSaveControl: new(true), BatteryRechargeable: new(true)},
	}
}

// changed tells a change; the lock is held.
func (c *Cabinet) changed() { c.Show(c.status()) }

func (c *Cabinet) status() common.StatusCompletion {
	device := common.DeviceOnline
	if c.supply.dark() {
		device = common.DevicePowerOff
	}
	aux := c.aux
	aux.UPS = c.supply.ups()
	return common.StatusCompletion{
		Common:          &common.StatusProperties{Device: device, DevicePosition: common.PositionStatusInPosition, PowerSaveRecoveryTime: new(c.supply.recovery)},
		Lights:          c.lightStatus(),
		Auxiliaries:     &aux,
		PowerManagement: c.supply.status(),
	}
}

// awake is the first step of each command: a dark machine does nothing, one that
// saves power wakes up.
func (c *Cabinet) awake() error {
	if c.supply.dark() {
		return chassis.NotReady("the cabinet has no power")
	}
	c.supply.recovery = 0
	return nil
}
