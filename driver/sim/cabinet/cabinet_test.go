package cabinet_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/plomb-pos/plomb/driver/sim/cabinet"
	"github.com/plomb-pos/plomb/driver/sim/panel"
	"github.com/plomb-pos/plomb/driver/sim/simtest"
	"github.com/plomb-pos/plomb/internal/powercut"
	"github.com/plomb-pos/plomb/xfs4iot"
	"github.com/plomb-pos/plomb/xfs4iot/auxiliaries"
	"github.com/plomb-pos/plomb/xfs4iot/common"
	"github.com/plomb-pos/plomb/xfs4iot/lights"
	"github.com/plomb-pos/plomb/xfs4iot/powermanagement"
)

func serve(t *testing.T, o cabinet.Options) (*cabinet.Cabinet, *simtest.Client) {
	t.Helper()
	c, err := cabinet.New("Cabinet", o)
	if err != nil {
		t.Fatal(err)
	}
	return c, simtest.Serve(t, c.Service())
}

// wire is a status event as it goes over the wire, by its top members.
type wire map[string]jsontext.Value

func (wire) EventName() string    { return "Common.StatusChangedEvent" }
func (wire) EventVersion() string { return "3.0" }
func (wire) Validate() error      { return nil }

// rawStatus is Common.Status as it goes over the wire.
func rawStatus(t *testing.T, c *simtest.Client) string {
	t.Helper()
	m, err := c.Conn.Do(t.Context(), common.Status.Info(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(m.Payload)
}

// Requirement: XFS-03
func TestEveryCommandIsServed(t *testing.T) {
	_, c := serve(t, cabinet.Options{})
	simtest.ServesAll(t, c, lights.Description, auxiliaries.Description, powermanagement.Description)
	simtest.Must(c, common.PowerSaveControl, &common.PowerSaveControlCommand{MaxPowerSaveRecoveryTime: new(0)})
	caps, _ := simtest.Must(c, common.Capabilities, nil)
	if err := caps.Lights.Validate(); err != nil {
		t.Error(err)
	}
	if err := caps.Auxiliaries.Validate(); err != nil {
		t.Error(err)
	}
	status, _ := simtest.Must(c, common.Status, nil)
	for _, p := range []xfs4iot.Payload{status.Lights, status.Auxiliaries, status.PowerManagement} {
		if err := p.Validate(); err != nil {
			t.Error(err)
		}
	}
}

func TestTheCabinetKeepsTheSessionRules(t *testing.T) {
	_, c := serve(t, cabinet.Options{})
	simtest.Conforms(t, c, xfs4iot.CommandInfo{})
}

func set(c *simtest.Client, req *lights.SetLightCommand) string {
	_, _, err := simtest.Do(c, lights.SetLight, req)
	return simtest.Code(err)
}

// Requirement: XFS-12
func TestXFS12CheckUnitLights(t *testing.T) {
	_, c := serve(t, cabinet.Options{})
	caps, _ := simtest.Must(c, common.Capabilities, nil)
	if at := caps.Lights.Lights.CheckUnit["default"]; at == nil || !*at.Direction.Entry || !*at.Color.Green {
		t.Fatalf("the check unit's lights are not declared: %+v", at)
	}
	on := &lights.PositionStatus{FlashRate: lights.PositionStatusFlashRateQuick, Color: lights.PositionStatusColorGreen, Direction: lights.PositionStatusDirectionEntry}
	if code := set(c, &lights.SetLightCommand{CheckUnit: map[string]*lights.PositionStatus{"default": on}}); code != "success" {
		t.Fatal(code)
	}
	var event common.StatusChangedEvent
	c.Heard(&event)
	if diff := cmp.Diff(map[string]*lights.PositionStatus{"default": on}, event.Lights.CheckUnit); diff != "" {
		t.Errorf("event: %s", diff)
	}
	status, _ := simtest.Must(c, common.Status, nil)
	if diff := cmp.Diff(on, status.Lights.CheckUnit["default"]); diff != "" {
		t.Errorf("status: %s", diff)
	}
	if raw := rawStatus(t, c); !strings.Contains(raw, `"checkUnit":{`) {
		t.Errorf("status on the wire: %s", raw)
	}
}

func TestEveryLightOfTheDescriptionShines(t *testing.T) {
	_, c := serve(t, cabinet.Options{})
	names := cabinet.Lights()
	if len(names) != 23 {
		t.Errorf("%d lights: %q", len(names), names)
	}
	for _, name := range names {
		position := "default"
		if name == "fasciaLight" {
			position = "left"
		}
		payload := `{"` + name + `":{"` + position + `":{"flashRate":"slow"}}}`
		var req lights.SetLightCommand
		m := xfs4iot.Message{Payload: jsontext.Value(payload)}
		if err := m.Into(&req); err != nil {
			t.Fatal(err)
		}
		if code := set(c, &req); code != "success" {
			t.Errorf("%s: %s", name, code)
		}
	}
	if n := strings.Count(rawStatus(t, c), `"slow"`); n != 23 {
		t.Errorf("%d lights shine", n)
	}
}

func TestLightsThatCannotShineSoAreRefusedAndNothingChanges(t *testing.T) {
	d, c := serve(t, cabinet.Options{})
	if err := d.BreakLight("scanner"); err != nil {
		t.Fatal(err)
	}
	at := func(position string, s lights.PositionStatus) map[string]*lights.PositionStatus {
		return map[string]*lights.PositionStatus{position: &s}
	}
	quick := lights.PositionStatus{FlashRate: lights.PositionStatusFlashRateQuick}
	before, _ := simtest.Must(c, common.Status, nil)
	for want, req := range map[string]*lights.SetLightCommand{
		"invalidLight":    {CardReader: at("default", quick), PinPad: at("roof", quick)},
		"lightError":      {CardReader: at("default", quick), Scanner: at("default", quick)},
		"unsupportedData": {CardReader: at("default", quick), StatusBad: at("default", lights.PositionStatus{Color: lights.PositionStatusColorBlue})},
	} {
		if code := set(c, req); code != want {
			t.Errorf("SetLight = %s, want %s", code, want)
		}
	}
	after, _ := simtest.Must(c, common.Status, nil)
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("a refused command changed %s", diff)
	}
	d.MendLights()
	if code := set(c, &lights.SetLightCommand{Scanner: at("default", quick)}); code != "success" {
		t.Error(code)
	}
}

func auxiliary(c *simtest.Client, req *auxiliaries.SetAuxiliariesCommand) string {
	_, _, err := simtest.Do(c, auxiliaries.SetAuxiliaries, req)
	return simtest.Code(err)
}

// Requirement: XFS-12
func TestXFS12UPSStatusGood(t *testing.T) {
	d, c := serve(t, cabinet.Options{})
	good := `"UPS":{"low":false,"engaged":false,"powering":false,"recovered":false}`
	if raw := rawStatus(t, c); !strings.Contains(raw, good) || strings.Contains(raw, `"ups"`) {
		t.Fatalf("status on the wire lacks %s: %s", good, raw)
	}
	changed := func(want string) {
		t.Helper()
		for {
			var event wire
			c.Heard(&event)
			if aux := event["auxiliaries"]; aux != nil {
				if string(aux) != want {
					t.Errorf("event on the wire: %s, want %s", aux, want)
				}
				return
			}
		}
	}
	d.Charge(10)
	changed(`{"UPS":{"low":true}}`)
	d.Charge(90)
	changed(`{"UPS":{"low":false}}`)
	if raw := rawStatus(t, c); !strings.Contains(raw, good) {
		t.Errorf("status on the wire lacks %s: %s", good, raw)
	}
}

func TestTheUPSCarriesTheMachineUntilItsBatteryIsEmpty(t *testing.T) {
	d, c := serve(t, cabinet.Options{})
	look := func() (common.Device, auxiliaries.UPSState, powermanagement.PowerInfo) {
		s, _ := simtest.Must(c, common.Status, nil)
		return s.Common.Device, *s.Auxiliaries.UPS, *s.PowerManagement.Info
	}
	if code := auxiliary(c, &auxiliaries.SetAuxiliariesCommand{Ups: auxiliaries.SetAuxiliariesCommandUpsEngage}); code != "success" {
		t.Fatal(code)
	}
	d.MainsOff()
	if device, ups, info := look(); device != common.DeviceOnline || !*ups.Powering || !*ups.Engaged ||
		info.PowerInStatus != "noPower" || info.PowerOutStatus != "powering" || info.BatteryChargingStatus != "discharging" {
		t.Errorf("on battery: %s, %+v, %+v", device, ups, info)
	}
	d.Charge(0)
	if device, _, info := look(); device != common.DevicePowerOff || info.PowerOutStatus != "noPower" || info.BatteryStatus != "critical" {
		t.Errorf("battery empty: %s, %+v", device, info)
	}
	if code := set(c, &lights.SetLightCommand{}); code != "deviceNotReady" {
		t.Errorf("a dark machine: %s", code)
	}
	d.Charge(50)
	d.MainsOn()
	if device, ups, info := look(); device != common.DeviceOnline || !*ups.Recovered || *ups.Powering || info.BatteryChargingStatus != "charging" {
		t.Errorf("mains are back: %s, %+v, %+v", device, ups, info)
	}
	d.KillBattery()
	if _, ups, info := look(); !*ups.Low || info.BatteryStatus != "failure" {
		t.Errorf("dead battery: %+v, %+v", ups, info)
	}
}

func TestBoltsHoldDoorsAndOpenDoorsTakeNoBolt(t *testing.T) {
	d, c := serve(t, cabinet.Options{})
	bolt := &auxiliaries.SetAuxiliariesCommand{SafeDoor: auxiliaries.SetAuxiliariesCommandSafeDoorBolt, Heating: auxiliaries.SetAuxiliariesCommandHeatingOn}
	if err := d.Sense("safeDoor", "open"); err != nil {
		t.Fatal(err)
	}
	if code := auxiliary(c, bolt); code != "sequenceError" {
		t.Errorf("bolt an open door: %s", code)
	}
	status, _ := simtest.Must(c, common.Status, nil)
	if status.Auxiliaries.Heating != auxiliaries.HeatingStateOff {
		t.Error("a refused command switched the heating on")
	}
	if err := d.Sense("safeDoor", "closed"); err != nil {
		t.Fatal(err)
	}
	if code := auxiliary(c, bolt); code != "success" {
		t.Error(code)
	}
	if err := d.Sense("safeDoor", "open"); err == nil {
		t.Error("a bolted door opened")
	}
	if code := auxiliary(c, &auxiliaries.SetAuxiliariesCommand{SafeDoor: auxiliaries.SetAuxiliariesCommandSafeDoorUnbolt}); code != "success" {
		t.Error(code)
	}
	if err := d.Sense("safeDoor", "open"); err != nil {
		t.Error(err)
	}
}

func TestEveryAuxiliaryIsSetAndReported(t *testing.T) {
	_, c := serve(t, cabinet.Options{})
	if code := auxiliary(c, &auxiliaries.SetAuxiliariesCommand{
		CabinetDoors: "bolt", FrontCabinetDoors: "bolt", RearCabinetDoors: "bolt", LeftCabinetDoors: "bolt", RightCabinetDoors: "bolt", VandalShield: "keyboard",
		OpenClose: "open", Audio: &auxiliaries.SetAuxiliariesCommandAudio{Rate: "continuous", Signal: "warning"}, ConsumerDisplayBackLight: "off",
		SignageDisplay: "on", Volume: new(7), AudibleAlarm: "on", EnhancedAudioControl: "privateAudioAuto", EnhancedMicrophoneControl: "privateAudioSemiAuto", MicrophoneVolume: new(9),
	}); code != "success" {
		t.Fatal(code)
	}
	s, _ := simtest.Must(c, common.Status, nil)
	a := s.Auxiliaries
	got := []any{a.CabinetDoor, a.CabinetFrontDoor, a.CabinetRearDoor, a.CabinetLeftDoor, a.CabinetRightDoor, a.VandalShield, a.OpenClosedIndicator, a.Audio.Rate,
		a.Audio.Signal, a.ConsumerDisplayBacklight, a.SignageDisplay, *a.Volume, a.AudibleAlarm, a.EnhancedAudioControl, a.EnhancedMicrophoneControl, *a.MicrophoneVolume}
	want := []any{auxiliaries.CabinetDoorStateBolted, auxiliaries.CabinetFrontDoorStateBolted, auxiliaries.CabinetRearDoorStateBolted, auxiliaries.CabinetLeftDoorStateBolted,
		auxiliaries.CabinetRightDoorStateBolted, auxiliaries.VandalShieldStateKeyboard, auxiliaries.OpenClosedIndicatorStateOpen, auxiliaries.AudioStateRateContinuous,
		auxiliaries.AudioStateSignalWarning, auxiliaries.ConsumerDisplayBacklightStateOff, auxiliaries.SignageDisplayStateOn, 7, auxiliaries.AudibleAlarmStateOn,
		auxiliaries.EnhancedAudioControlStatePrivateAudioAuto, auxiliaries.EnhancedMicrophoneControlStatePrivateAudioSemiAuto, 9}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestAJammedShieldDoesNotMove(t *testing.T) {
	d, c := serve(t, cabinet.Options{})
	d.JamShield()
	if code := auxiliary(c, &auxiliaries.SetAuxiliariesCommand{VandalShield: "open"}); code != "hardwareError" {
		t.Error(code)
	}
	d.FreeShield()
	if code := auxiliary(c, &auxiliaries.SetAuxiliariesCommand{VandalShield: "open"}); code != "success" {
		t.Error(code)
	}
}

func TestSensorsAreToldToEveryClient(t *testing.T) {
	d, c := serve(t, cabinet.Options{})
	if err := d.Sense("operatorSwitch", "supervisor"); err != nil {
		t.Fatal(err)
	}
	var event common.StatusChangedEvent
	c.Heard(&event)
	if event.Auxiliaries.OperatorSwitch != auxiliaries.OperatorSwitchStateSupervisor {
		t.Errorf("event %+v", event.Auxiliaries)
	}
	if err := d.Sense("operatorSwitch", "upsideDown"); err == nil {
		t.Error("a switch was turned upside down")
	}
}

func TestTheStartUpTimeSurvivesALossOfPowerAtAnyMoment(t *testing.T) {
	times := []*auxiliaries.SetAutoStartupTimeCommand{
		{Mode: "daily", StartTime: &auxiliaries.SystemTime{Hour: new(6), Minute: new(30)}},
		{Mode: "weekly", StartTime: &auxiliaries.SystemTime{DayOfWeek: "Monday", Hour: new(7), Minute: new(0)}},
		{Mode: "specific", StartTime: &auxiliaries.SystemTime{Year: new(2030), Month: new(2), Day: new(28), Hour: new(8), Minute: new(15)}},
	}
	for seed := range uint64(10) {
		rng := rand.New(rand.NewPCG(seed, 7))
		disk := powercut.New()
		_, c := serve(t, cabinet.Options{FS: disk})
		before, after := "", ""
		disk.Before(func(powercut.Op) {
			again, err := cabinet.New("Cabinet", cabinet.Options{FS: disk.Cut(rng, powercut.AnyKeep(rng))})
			if err != nil {
				t.Errorf("seed %d: %v", seed, err)
				return
			}
			if got := again.State().(cabinet.State).Startup.Mode; got != before && got != after {
				t.Errorf("seed %d: the mode is %q, want %q or %q", seed, got, before, after)
			}
		})
		for _, req := range times {
			after = string(req.Mode)
			simtest.Must(c, auxiliaries.SetAutoStartupTime, req)
			before = after
			got, _ := simtest.Must(c, auxiliaries.GetAutoStartupTime, nil)
			if diff := cmp.Diff(req.StartTime, got.StartTime); diff != "" || string(got.Mode) != after {
				t.Errorf("%s %s", got.Mode, diff)
			}
		}
		after = ""
		simtest.Must(c, auxiliaries.ClearAutoStartupTime, nil)
		if got, _ := simtest.Must(c, auxiliaries.GetAutoStartupTime, nil); got != nil && got.Mode != "" {
			t.Errorf("after it was cleared: %+v", got)
		}
	}
}

func TestHalfAStartUpTimeIsRefused(t *testing.T) {
	_, c := serve(t, cabinet.Options{})
	for _, req := range []*auxiliaries.SetAutoStartupTimeCommand{
		{Mode: "daily"}, {StartTime: &auxiliaries.SystemTime{Hour: new(1), Minute: new(1)}},
		{Mode: "weekly", StartTime: &auxiliaries.SystemTime{Hour: new(1), Minute: new(1)}},
		{Mode: "specific", StartTime: &auxiliaries.SystemTime{Hour: new(1), Minute: new(1), Year: new(2030)}},
	} {
		if _, _, err := simtest.Do(c, auxiliaries.SetAutoStartupTime, req); simtest.Code(err) != "invalidData" {
			t.Errorf("%+v = %v", req, err)
		}
	}
}

func TestTheMachineSleepsNoDeeperThanAllowedAndWakesUp(t *testing.T) {
	_, c := serve(t, cabinet.Options{})
	for _, row := range []struct{ most, want int }{{60_000, 60_000}, {59_999, 5_000}, {4_999, 0}, {0, 0}} {
		simtest.Must(c, powermanagement.PowerSaveControl, &powermanagement.PowerSaveControlCommand{MaxPowerSaveRecoveryTime: &row.most})
		s, _ := simtest.Must(c, common.Status, nil)
		if *s.Common.PowerSaveRecoveryTime != row.want || *s.PowerManagement.PowerSaveRecoveryTime != row.want {
			t.Errorf("at most %d: %d, %d, want %d", row.most, *s.Common.PowerSaveRecoveryTime, *s.PowerManagement.PowerSaveRecoveryTime, row.want)
		}
	}
	simtest.Must(c, common.PowerSaveControl, &common.PowerSaveControlCommand{MaxPowerSaveRecoveryTime: new(60_000)})
	if code := set(c, &lights.SetLightCommand{}); code != "success" {
		t.Error(code)
	}
	if s, _ := simtest.Must(c, common.Status, nil); *s.Common.PowerSaveRecoveryTime != 0 {
		t.Error("the machine still sleeps after a command")
	}
}

func TestTheOldRegisterCommandChecksNames(t *testing.T) {
	_, c := serve(t, cabinet.Options{})
	simtest.Must(c, auxiliaries.Register, &auxiliaries.RegisterCommand{SafeDoor: auxiliaries.RegisterCommandSafeDoorRegister})
	_, _, err := simtest.Do(c, auxiliaries.Register, &auxiliaries.RegisterCommand{Extra: map[string]auxiliaries.RegisterCommandExtra{"coffee": "register"}})
	if simtest.Code(err) != "invalidAuxiliary" {
		t.Errorf("register coffee = %v", err)
	}
}

// Whatever is done to a cabinet, its status stays within the description.
func TestNoHandAndNoFaultLeavesTheDescription(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, err := cabinet.New("Cabinet", cabinet.Options{})
		if err != nil {
			t.Fatal(err)
		}
		service := c.Service()
		for range rapid.IntRange(1, 20).Draw(t, "acts") {
			act := rapid.SampledFrom(c.Acts()).Draw(t, "act")
			given := panel.Values{}
			for _, arg := range act.Args {
				if len(arg.Choices) > 0 {
					given[arg.Name] = rapid.SampledFrom(arg.Choices).Draw(t, arg.Name)
				}
			}
			_ = panel.Do(c, act.Name, given) // some are refused
			if err := service.Status().Validate(); err != nil {
				t.Fatalf("after %s: %v", act.Name, err)
			}
		}
	})
}
