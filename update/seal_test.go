package update_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/plomb-pos/plomb/update"
)

// Whoever agreed, the seal opens for somebody who may, or the slot stays as it is.
//
// Requirement: DL-11
func TestNothingIsInstalledWithoutTheSealsAuthorisation(t *testing.T) {
	w := newTill(t)
	w.seal = fmt.Errorf("%w: the service has to come", update.ErrWaiting)
	if r, err := w.agent().Update(t.Context()); err != nil || r.Stage != update.Installed || r.Waiting == "" || r.Restart {
		t.Errorf("nobody authorises yet: %+v, %v", r, err)
	}
	w.notInstalled()
	w.seal = nil
	if r, err := w.agent().Update(t.Context()); err != nil || !r.Restart {
		t.Errorf("authorised: %+v, %v", r, err)
	}
	w.installed()
}

// Requirement: DL-11
func TestAnAuthorisationThatIsRefusedIsAFailureOfTheStage(t *testing.T) {
	w := newTill(t)
	w.seal = errors.New("not your seal")
	if r, err := w.agent().Update(t.Context()); r.Restart || r.Stage != update.Installed || !errors.Is(err, w.seal) {
		t.Errorf("%+v, %v", r, err)
	}
	if e := w.last(); e.Stage != update.Installed || e.Outcome != update.Failed {
		t.Errorf("recorded: %+v", e)
	}
	w.notInstalled()
}
