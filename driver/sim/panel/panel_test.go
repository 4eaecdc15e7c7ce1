package panel_test

import (
	"errors"
	"testing"

	"github.com/plomb-pos/plomb/driver/sim/panel"
	"github.com/plomb-pos/plomb/xfs4iot/host"
)

// lamp is a device with one act.
type lamp struct {
	panel.Changes
	did panel.Values
}

func (*lamp) Class() string          { return "lamp" }
func (*lamp) Service() *host.Service { return host.NewService("Lamp", host.Declaration{}) }
func (*lamp) State() any             { return struct{}{} }

func (l *lamp) Acts() []panel.Act {
	return []panel.Act{{
		Name: "flash", Label: "Flash", Kind: panel.Hand,
		Args: []panel.Arg{{Name: "times", Number: true, Default: "3"}, {Name: "colour", Choices: []string{"red", "green"}, Default: "red"}},
		Do:   func(v panel.Values) error { l.did = v; l.Tell(); return nil },
	}}
}

func TestAnActTakesItsDefaults(t *testing.T) {
	l := &lamp{}
	changed := l.Changed()
	if err := panel.Do(l, "flash", panel.Values{"times": "7"}); err != nil {
		t.Fatal(err)
	}
	if l.did.Int("times") != 7 || l.did["colour"] != "red" {
		t.Errorf("did %v", l.did)
	}
	select {
	case <-changed:
	default:
		t.Error("nobody was told")
	}
}

func TestWrongActsAreRefusedBeforeAnythingIsDone(t *testing.T) {
	for _, v := range []panel.Values{{"times": "-1"}, {"times": "many"}, {"colour": "blue"}, {"size": "1"}} {
		l := &lamp{}
		if err := panel.Do(l, "flash", v); err == nil || l.did != nil {
			t.Errorf("flash %v = %v, did %v", v, err, l.did)
		}
	}
	if err := panel.Do(&lamp{}, "burn", nil); !errors.Is(err, panel.ErrNoAct) {
		t.Errorf("burn = %v, want ErrNoAct", err)
	}
}
