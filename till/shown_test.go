package till

import (
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"

	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/staff"
)

func TestWhatIsShownAgainIsWhatWouldBeMadeAnew(t *testing.T) {
	n := quiet(t)
	n.mu.Lock()
	defer n.mu.Unlock()
	show := func() (kept, anew string) {
		s := State{Shop: n.shopState(), Session: &SessionState{Person: staff.Person{ID: "2", Name: "<Ä>"}, Locked: true}}
		s.Session.May, s.Session.may = n.mayAll(staff.Supervisor)
		a, err := json.Marshal(s, json.Deterministic(true))
		must(t, err)
		s.Shop.text, s.Session.may = nil, nil
		b, err := json.Marshal(s, json.Deterministic(true))
		must(t, err)
		return string(a), string(b)
	}
	first, anew := show()
	if d := cmp.Diff(anew, first); d != "" {
		t.Error(d)
	}
	shop := n.state.Shop
	shop.Name = "Other \"shop\""
	_, err := n.append(t.Context(), [16]byte{}, &fiscal.ConfigChange{Actor: fiscal.Actor{By: "1"}, Shop: shop})
	must(t, err)
	second, anew := show()
	if d := cmp.Diff(anew, second); d != "" || second == first {
		t.Errorf("after a change of the profile: %s", d)
	}
}
