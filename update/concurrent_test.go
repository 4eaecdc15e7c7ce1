package update_test

import (
	"errors"
	"sync"
	"testing"

	"github.com/plomb-pos/plomb/update"
)

// Screen, sale and a second trigger ask while a pass is under way.
func TestManyMayAskWhileAPassIsUnderWay(t *testing.T) {
	w := newTill(t)
	var once sync.Once
	inside, goOn := make(chan bool), make(chan bool)
	w.repo.harm = func(_ string, _ int64, b []byte) []byte {
		once.Do(func() {
			inside <- true
			<-goOn
		})
		return b
	}
	a := w.agent()
	var all sync.WaitGroup
	all.Go(func() {
		if r, err := a.Update(t.Context()); err != nil || !r.Restart {
			t.Errorf("%+v, %v", r, err)
		}
	})
	<-inside
	if _, err := a.Update(t.Context()); !errors.Is(err, update.ErrBusy) {
		t.Errorf("a second pass: %v, want ErrBusy", err)
	}
	close(goOn)
	for range 100 {
		a.Progress()
		a.Freshness()
	}
	all.Wait()
	if p, ok := a.Progress(); !ok || p.Stage != update.Pointed || p.Bytes != p.Total || p.Total == 0 {
		t.Errorf("at the end: %+v", p)
	}
	w.installed()
}
