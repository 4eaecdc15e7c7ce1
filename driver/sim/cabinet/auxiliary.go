package cabinet

import (
	"context"
	"fmt"
	"slices"

	"github.com/plomb-pos/plomb/driver/sim/chassis"
	"github.com/plomb-pos/plomb/xfs4iot"
	"github.com/plomb-pos/plomb/xfs4iot/auxiliaries"
	"github.com/plomb-pos/plomb/xfs4iot/host"
)

// sense is a thing that people, or the world, put into a state.
type sense struct {
	name   string // as in the status
	label  string
	values []string // the first is how it is at the start
	alarm  bool     // any other than the first is something that goes wrong
}

var doorStates = []string{"closed", "open", "locked", "tampered"}

// senses lists all of them, in the order of the description.
var senses = []sense{
	{"operatorSwitch", "Operator's switch", []string{"run", "maintenance", "supervisor"}, false},
	{"tamperSensor", "Tamper sensor", []string{"off", "on"}, true},
	{"internalTamperSensor", "Internal tamper sensor", []string{"off", "on"}, true},
	{"seismicSensor", "Seismic sensor", []string{"off", "on"}, true},
	{"heatSensor", "Heat sensor", []string{"off", "on"}, true},
	{"proximitySensor", "Somebody stands before it", []string{"notPresent", "present"}, false},
	{"ambientLightSensor", "Light around it", []string{"mediumLight", "veryDark", "dark", "light", "veryLight"}, false},
	{"enhancedAudioSensor", "Headphones plugged in", []string{"notPresent", "present"}, false},
	{"bootSwitchSensor", "Boot switch", []string{"off", "on"}, false},
	{"consumerDisplaySensor", "Consumer display", []string{"on", "off", "displayError"}, true},
	{"operatorCallButtonSensor", "Operator call button", []string{"off", "on"}, false},
	{"handsetSensor", "Handset", []string{"onTheHook", "offTheHook"}, false},
	{"headsetMicrophoneSensor", "Headset microphone", []string{"notPresent", "present"}, false},
	{"fasciaMicrophoneSensor", "Fascia microphone", []string{"off", "on"}, false},
	{"cabinetDoor", "Cabinet door", doorStates, false},
	{"safeDoor", "Safe door", doorStates, false},
	{"cabinetFrontDoor", "Front door", doorStates, false},
	{"cabinetRearDoor", "Rear door", doorStates, false},
	{"cabinetLeftDoor", "Left door", doorStates, false},
	{"cabinetRightDoor", "Right door", doorStates, false},
	{"vandalShield", "Vandal shield", []string{"closed", "open", "locked", "partiallyOpen", "tampered"}, true},
}

// quiet is the state at the start.
func quiet() auxiliaries.Status {
	out := auxiliaries.Status{
		OpenClosedIndicator: auxiliaries.OpenClosedIndicatorStateClosed, Heating: auxiliaries.HeatingStateOff,
		Audio:                    &auxiliaries.AudioState{Rate: auxiliaries.AudioStateRateOff},
		ConsumerDisplayBacklight: auxiliaries.ConsumerDisplayBacklightStateOn, SignageDisplay: auxiliaries.SignageDisplayStateOff,
		Volume: new(500), MicrophoneVolume: new(500), AudibleAlarm: auxiliaries.AudibleAlarmStateOff,
		EnhancedAudioControl:      auxiliaries.EnhancedAudioControlStatePublicAudioManual,
		EnhancedMicrophoneControl: auxiliaries.EnhancedMicrophoneControlStatePublicAudioManual,
	}
	for _, s := range senses {
		convert(map[string]string{s.name: s.values[0]}, &out)
	}
	return out
}

func auxiliaryCapabilities() *auxiliaries.Capabilities {
	yes := new(true)
	door := func() *auxiliaries.DoorCaps {
		return &auxiliaries.DoorCaps{Closed: yes, Open: yes, Locked: yes, Bolted: yes, Tampered: yes}
	}
	return &auxiliaries.Capabilities{
		OperatorSwitch: &auxiliaries.CapabilitiesOperatorSwitch{Run: yes, Maintenance: yes, Supervisor: yes},
		TamperSensor:   yes, InternalTamperSensor: yes, SeismicSensor: yes, HeatSensor: yes, ProximitySensor: yes, AmbientLightSensor: yes,
		EnhancedAudioSensor: &auxiliaries.CapabilitiesEnhancedAudioSensor{Manual: yes, Auto: yes, SemiAuto: yes, Bidirectional: yes},
		BootSwitchSensor:    yes, ConsumerDisplaySensor: yes, OperatorCallButtonSensor: yes,
		HandsetSensor:           &auxiliaries.CapabilitiesHandsetSensor{Manual: yes, Auto: yes, SemiAuto: yes, Microphone: yes},
		HeadsetMicrophoneSensor: &auxiliaries.CapabilitiesHeadsetMicrophoneSensor{Manual: yes, Auto: yes, SemiAuto: yes},
		FasciaMicrophoneSensor:  yes, CabinetDoor: door(), SafeDoor: door(),
		VandalShield: &auxiliaries.CapabilitiesVandalShield{Closed: yes, Open: yes, Locked: yes, Service: yes, Keyboard: yes, Tampered: yes},
		FrontCabinet: door(), RearCabinet: door(), LeftCabinet: door(), RightCabinet: door(),
		OpenCloseIndicator: yes, Audio: yes, Heating: yes, ConsumerDisplayBacklight: yes, SignageDisplay: yes, Volume: new(10),
		Ups:          &auxiliaries.CapabilitiesUps{Low: yes, Engaged: yes, Powering: yes, Recovered: yes},
		AudibleAlarm: yes, EnhancedAudioControl: &auxiliaries.CapabilitiesEnhancedAudioControl{HeadsetDetection: yes, ModeControllable: yes},
		EnhancedMicrophoneControl: &auxiliaries.CapabilitiesEnhancedMicrophoneControl{HeadsetDetection: yes, ModeControllable: yes},
		MicrophoneVolume:          new(10),
		AutoStartupMode:           &auxiliaries.CapabilitiesAutoStartupMode{Specific: yes, Daily: yes, Weekly: yes},
	}
}

// now is the status as a map by names.
func (c *Cabinet) now() map[string]any {
	out := map[string]any{}
	convert(c.aux, &out)
	return out
}

// Sense puts a sensor, a switch or a door into a state, by their names in the
// status: c.Sense("safeDoor", "open"). Bolts and locks hold.
func (c *Cabinet) Sense(name, value string) error {
	c.Lock()
	defer c.Unlock()
	i := slices.IndexFunc(senses, func(s sense) bool { return s.name == name })
	if i < 0 || !slices.Contains(senses[i].values, value) {
		return fmt.Errorf("%.40q cannot be %.40q", name, value)
	}
	was, _ := c.now()[name].(string)
	if value == "open" && (was == "bolted" || was == "locked") || value == "locked" && was == "open" {
		return fmt.Errorf("the %s is %s", senses[i].label, was)
	}
	convert(map[string]string{name: value}, &c.aux)
	c.changed()
	return nil
}

// order is one wish of Auxiliaries.SetAuxiliaries, by its name there.
type order struct {
	status string // its name in the status
	door   bool
}

var orders = map[string]order{
	"cabinetDoors": {"cabinetDoor", true}, "safeDoor": {"safeDoor", true},
	"frontCabinetDoors": {"cabinetFrontDoor", true}, "rearCabinetDoors": {"cabinetRearDoor", true},
	"leftCabinetDoors": {"cabinetLeftDoor", true}, "rightCabinetDoors": {"cabinetRightDoor", true},
	"vandalShield": {"vandalShield", false}, "openClose": {"openClosedIndicator", false}, "audio": {"audio", false}, "heating": {"heating", false},
	"consumerDisplayBackLight": {"consumerDisplayBacklight", false}, "signageDisplay": {"signageDisplay", false}, "volume": {"volume", false},
	"audibleAlarm": {"audibleAlarm", false}, "enhancedAudioControl": {"enhancedAudioControl", false},
	"enhancedMicrophoneControl": {"enhancedMicrophoneControl", false}, "microphoneVolume": {"microphoneVolume", false},
}

// setAuxiliaries is Auxiliaries.SetAuxiliaries: all is checked before any changes.
func (c *Cabinet) setAuxiliaries(_ context.Context, _ *host.Command, req *auxiliaries.SetAuxiliariesCommand) (*auxiliaries.SetAuxiliariesCompletion, error) {
	c.Lock()
	defer c.Unlock()
	if err := c.awake(); err != nil {
		return nil, err
	}
	asked, next := map[string]any{}, map[string]any{}
	convert(req, &asked)
	delete(asked, "ups")
	for name, wish := range asked {
		value, err := c.judge(name, wish)
		if err != nil {
			return nil, err
		}
		next[orders[name].status] = value
	}
	convert(next, &c.aux)
	switch req.Ups {
	case auxiliaries.SetAuxiliariesCommandUpsEngage:
		c.supply.engaged = true
	case auxiliaries.SetAuxiliariesCommandUpsDisengage:
		c.supply.engaged, c.supply.recovered = false, false
	}
	c.changed()
	return nil, nil
}

// judge turns a wish into the state it leads to.
func (c *Cabinet) judge(name string, wish any) (any, error) {
	o := orders[name]
	was, _ := c.now()[o.status].(string)
	switch {
	case o.door && wish == "bolt" && (was == "open" || was == "tampered"):
		return nil, chassis.Sequence("the " + name + " cannot be bolted: " + was)
	case o.door && wish == "bolt":
		return "bolted", nil
	case o.door && was == "bolted":
		return "closed", nil
	case o.door:
		return was, nil
	case name == "vandalShield" && c.shield:
		return nil, chassis.Broken("the vandal shield is jammed")
	}
	return wish, nil
}

// JamShield stops the vandal shield half way.
func (c *Cabinet) JamShield() {
	c.Lock()
	defer c.Unlock()
	c.shield, c.aux.VandalShield = true, auxiliaries.VandalShieldStateJammed
	c.changed()
}

// FreeShield frees it; it falls shut.
func (c *Cabinet) FreeShield() {
	c.Lock()
	defer c.Unlock()
	c.shield, c.aux.VandalShield = false, auxiliaries.VandalShieldStateClosed
	c.changed()
}

// register is Auxiliaries.Register of release 2021-1.
func (c *Cabinet) register(_ context.Context, _ *host.Command, req *auxiliaries.RegisterCommand) (*auxiliaries.RegisterCompletion, error) {
	for name := range req.Extra {
		return nil, host.Fail(auxiliaries.RegisterErrorCodeInvalidAuxiliary, fmt.Sprintf("there is no %.40q", name))
	}
	return nil, nil
}

// setStartup is Auxiliaries.SetAutoStartupTime; each mode has its parts of the time.
func (c *Cabinet) setStartup(_ context.Context, _ *host.Command, req *auxiliaries.SetAutoStartupTimeCommand) (*auxiliaries.SetAutoStartupTimeCompletion, error) {
	c.Lock()
	defer c.Unlock()
	if err := c.awake(); err != nil {
		return nil, err
	}
	t := req.StartTime
	switch {
	case t == nil || t.Hour == nil || t.Minute == nil:
		return nil, chassis.Invalid("a start-up time has hour and minute")
	case req.Mode == "":
		return nil, chassis.Invalid("the mode is missing")
	case req.Mode == auxiliaries.SetAutoStartupTimeCommandModeWeekly && t.DayOfWeek == "":
		return nil, chassis.Invalid("a weekly start-up has a day of the week")
	case req.Mode == auxiliaries.SetAutoStartupTimeCommandModeSpecific && (t.Year == nil || t.Month == nil || t.Day == nil):
		return nil, chassis.Invalid("a specific start-up has year, month and day")
	}
	return nil, c.store(startup{Mode: string(req.Mode), Time: t})
}

func (c *Cabinet) store(s startup) error {
	if err := c.keep(s); err != nil {
		return &xfs4iot.Error{Code: xfs4iot.HardwareError, Description: err.Error()}
	}
	c.changed()
	return nil
}

func (c *Cabinet) clearStartup(context.Context, *host.Command, *auxiliaries.ClearAutoStartupTimeCommand) (*auxiliaries.ClearAutoStartupTimeCompletion, error) {
	c.Lock()
	defer c.Unlock()
	if err := c.awake(); err != nil {
		return nil, err
	}
	return nil, c.store(startup{})
}

func (c *Cabinet) getStartup(context.Context, *host.Command, *auxiliaries.GetAutoStartupTimeCommand) (*auxiliaries.GetAutoStartupTimeCompletion, error) {
	c.Lock()
	defer c.Unlock()
	return &auxiliaries.GetAutoStartupTimeCompletion{Mode: auxiliaries.GetAutoStartupTimeCompletionMode(c.startup.Mode), StartTime: c.startup.Time}, nil
}
