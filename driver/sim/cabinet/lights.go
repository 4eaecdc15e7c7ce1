package cabinet

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/plomb-pos/plomb/driver/sim/chassis"
	"github.com/plomb-pos/plomb/xfs4iot/host"
	"github.com/plomb-pos/plomb/xfs4iot/lights"
)

// Lights lists the names of all lights in the order of the description.
func Lights() []string {
	var out []string
	fields := reflect.TypeFor[lights.Status]()
	for i := range fields.NumField() {
		name, _, _ := strings.Cut(fields.Field(i).Tag.Get("json"), ",")
		out = append(out, name)
	}
	return out
}

// lamps are what the lights of a machine are made of: where they sit and what they
// can show. Lights that are not listed are guidance lights at the default position.
var lamps = map[string]lamp{
	"notesDispenser": {positions: []string{"default", "left", "right"}},
	"cardReader":     {positions: []string{"default"}, arrows: true},
	"checkUnit":      {positions: []string{"default", "top", "bottom"}, arrows: true},
	"billAcceptor":   {positions: []string{"default"}, arrows: true},
	"fasciaLight":    {positions: []string{"left", "right", "top", "bottom"}},
	"statusGood":     {positions: []string{"default"}, colors: []string{"green"}},
	"statusWarning":  {positions: []string{"default"}, colors: []string{"yellow"}},
	"statusBad":      {positions: []string{"default"}, colors: []string{"red"}},
}

type lamp struct {
	positions []string
	colors    []string // nil: all
	arrows    bool     // it shows entry and exit
}

var (
	allColors = []string{"red", "green", "yellow", "blue", "cyan", "magenta", "white"}
	allRates  = []string{"off", "slow", "medium", "quick", "continuous"}
)

func lampOf(light string) lamp {
	l := lamps[light]
	if l.positions == nil {
		l.positions = []string{"default"}
	}
	if l.colors == nil {
		l.colors = allColors
	}
	return l
}

// capability says what a position can show, as its JSON.
func (l lamp) capability() map[string]map[string]bool {
	set := func(names []string) map[string]bool {
		out := map[string]bool{}
		for _, n := range names {
			out[n] = true
		}
		return out
	}
	out := map[string]map[string]bool{"flashRate": set(allRates), "color": set(l.colors)}
	if l.arrows {
		out["direction"] = set([]string{"entry", "exit"})
	}
	return out
}

func lightCapabilities() *lights.Capabilities {
	all := map[string]map[string]any{}
	for _, light := range Lights() {
		l := lampOf(light)
		all[light] = map[string]any{}
		for _, position := range l.positions {
			all[light][position] = l.capability()
		}
	}
	out := &lights.Capabilities{IndividualFlashRates: new(true), Lights: &lights.CapabilitiesLights{}}
	convert(all, out.Lights)
	return out
}

// convert goes through JSON between a map by names and the description's struct of
// them. Both sides are made here, so that it cannot fail.
func convert(from, to any) {
	data, err := json.Marshal(from)
	if err == nil {
		err = json.Unmarshal(data, to, json.RejectUnknownMembers(true))
	}
	if err != nil {
		panic("internal error: " + err.Error())
	}
}

func allOff() map[string]map[string]*lights.PositionStatus {
	out := map[string]map[string]*lights.PositionStatus{}
	for _, light := range Lights() {
		out[light] = map[string]*lights.PositionStatus{}
		for _, position := range lampOf(light).positions {
			out[light][position] = &lights.PositionStatus{FlashRate: lights.PositionStatusFlashRateOff, Color: lights.PositionStatusColor(lampOf(light).colors[0])}
		}
	}
	return out
}

func (c *Cabinet) lightStatus() *lights.Status {
	out := &lights.Status{}
	convert(c.lights, out)
	return out
}

// setLight is Lights.SetLight. What a position is not told stays as it is.
func (c *Cabinet) setLight(_ context.Context, _ *host.Command, req *lights.SetLightCommand) (*lights.SetLightCompletion, error) {
	c.Lock()
	defer c.Unlock()
	if err := c.awake(); err != nil {
		return nil, err
	}
	asked := map[string]map[string]*lights.PositionStatus{}
	convert(req, &asked)
	if err := c.checkLights(asked); err != nil {
		return nil, err
	}
	for light, positions := range asked {
		for position, now := range positions {
			c.lights[light][position] = merged(*c.lights[light][position], now)
		}
	}
	c.changed()
	return nil, nil
}

func (c *Cabinet) checkLights(asked map[string]map[string]*lights.PositionStatus) error {
	for light, positions := range asked {
		for position, now := range positions {
			if err := c.checkLight(light, position, now); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *Cabinet) checkLight(light, position string, now *lights.PositionStatus) error {
	l := lampOf(light)
	switch {
	case !slices.Contains(l.positions, position):
		return host.Fail(lights.SetLightErrorCodeInvalidLight, fmt.Sprintf("%s has no position %.40q", light, position))
	case c.broken[light]:
		return host.Fail(lights.SetLightErrorCodeLightError, light+" does not work")
	case now == nil:
		return nil
	case now.Color != "" && !slices.Contains(l.colors, string(now.Color)):
		return chassis.Refused(fmt.Sprintf("%s cannot be %s", light, now.Color))
	case now.Direction != "" && !l.arrows:
		return chassis.Refused(light + " shows no direction")
	}
	return nil
}

func merged(was lights.PositionStatus, now *lights.PositionStatus) *lights.PositionStatus {
	if now == nil {
		return &was
	}
	if now.FlashRate != "" {
		was.FlashRate = now.FlashRate
	}
	if now.Color != "" {
		was.Color = now.Color
	}
	if now.Direction != "" {
		was.Direction = now.Direction
	}
	return &was
}

// BreakLight makes a light fail: it goes dark, and commands for it end with
// lightError until MendLights.
func (c *Cabinet) BreakLight(light string) error {
	c.Lock()
	defer c.Unlock()
	if c.lights[light] == nil {
		return fmt.Errorf("there is no light %.40q", light)
	}
	c.broken[light] = true
	for _, position := range c.lights[light] {
		position.FlashRate = lights.PositionStatusFlashRateOff
	}
	c.changed()
	return nil
}

// MendLights puts new bulbs in.
func (c *Cabinet) MendLights() {
	c.Lock()
	defer c.Unlock()
	clear(c.broken)
	c.changed()
}
