package cabinet

import (
	"maps"
	"slices"

	"github.com/plomb-pos/plomb/driver/sim/panel"
	"github.com/plomb-pos/plomb/xfs4iot/auxiliaries"
	"github.com/plomb-pos/plomb/xfs4iot/lights"
)

// State is what the page shows.
type State struct {
	Power     bool                                         `json:"power"`
	Mains     bool                                         `json:"mains"`
	Charge    int                                          `json:"charge"` // percent
	Sleeping  int                                          `json:"sleeping"`
	UPS       *auxiliaries.UPSState                        `json:"ups"`
	Battery   string                                       `json:"battery"`
	Lights    map[string]map[string]*lights.PositionStatus `json:"lights"`
	Order     []string                                     `json:"order"`  // of the lights
	Broken    []string                                     `json:"broken"` // lights
	Auxiliary map[string]any                               `json:"auxiliary"`
	Startup   startup                                      `json:"startup"`
	Choices   map[string][]string                          `json:"choices"` // states of what people can touch
}

// State is a State.
func (c *Cabinet) State() any {
	c.Lock()
	defer c.Unlock()
	s := State{Power: !c.supply.dark(), Mains: c.supply.mains, Charge: c.supply.charge, Sleeping: c.supply.recovery, UPS: c.supply.ups(),
		Battery: string(c.supply.battery()), Lights: map[string]map[string]*lights.PositionStatus{}, Order: Lights(),
		Broken: slices.Sorted(maps.Keys(c.broken)), Auxiliary: c.now(), Startup: c.startup, Choices: map[string][]string{}}
	convert(c.lights, &s.Lights)
	if s.Broken == nil {
		s.Broken = []string{}
	}
	for _, what := range senses {
		s.Choices[what.name] = what.values
	}
	return s
}

// Acts lists what can be done now.
func (c *Cabinet) Acts() []panel.Act {
	var acts []panel.Act
	for _, s := range senses {
		kind := panel.Hand
		if s.alarm {
			kind = panel.Fault
		}
		acts = append(acts, panel.Act{Name: s.name, Label: s.label, Kind: kind,
			Args: []panel.Arg{{Name: "to", Label: "to", Default: s.values[1], Choices: s.values}},
			Do:   func(v panel.Values) error { return c.Sense(s.name, v["to"]) }})
	}
	return append(acts, c.supplyActs()...)
}

func (c *Cabinet) supplyActs() []panel.Act {
	do := func(name, label string, kind panel.Kind, f func()) panel.Act {
		return panel.Act{Name: name, Label: label, Kind: kind, Do: func(panel.Values) error { f(); return nil }}
	}
	return []panel.Act{
		{Name: "charge", Label: "Battery at", Kind: panel.Fault, Args: []panel.Arg{{Name: "percent", Label: "percent", Default: "15", Number: true}},
			Do: func(v panel.Values) error { c.Charge(v.Int("percent")); return nil }},
		do("battery-dead", "Kill the battery", panel.Fault, c.KillBattery),
		do("mains-off", "Cut the mains", panel.Fault, c.MainsOff),
		{Name: "light-broken", Label: "Break a light", Kind: panel.Fault, Args: []panel.Arg{{Name: "light", Label: "Light", Default: "checkUnit", Choices: Lights()}},
			Do: func(v panel.Values) error { return c.BreakLight(v["light"]) }},
		do("shield-jam", "Jam the vandal shield", panel.Fault, c.JamShield),
		do("mains-on", "Bring the mains back", panel.Repair, c.MainsOn),
		do("battery-new", "New battery", panel.Repair, c.NewBattery),
		do("lights-new", "New bulbs", panel.Repair, c.MendLights),
		do("shield-free", "Free the vandal shield", panel.Repair, c.FreeShield),
	}
}
