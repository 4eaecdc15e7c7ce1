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
	show := func() (kept, anew any) {
		s := State{Shop: n.shopState(), Session: &SessionState{Person: staff.Person{ID: "2", Name: "<Ä>"}, Locked: true}, Notices: []Notice{{ID: "x"}}}
		s.Session.May, s.Session.may = n.mayAll(staff.Supervisor)
		text, err := s.AppendJSON([]byte(nil))
		must(t, err)
		must(t, json.Unmarshal(text, &kept))
		text, err = json.Marshal(s)
		must(t, err)
		must(t, json.Unmarshal(text, &anew))
		return kept, anew
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
	if d := cmp.Diff(anew, second); d != "" || cmp.Equal(first, second) {
		t.Errorf("after a change of the profile: %s", d)
	}
}
