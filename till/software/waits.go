package software

import (
	"strings"
	"sync"

	"github.com/plomb-pos/plomb/till"
	"github.com/plomb-pos/plomb/update"
)

// waits is what the agent was last told to wait for. The zero value is ready.
type waits struct {
	mu     sync.Mutex
	what   till.Waiting
	detail string
	spend  int64
}

func (w *waits) set(what till.Waiting, detail string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.what, w.detail = what, detail
}

func (w *waits) ask(bytes int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.what, w.detail, w.spend = till.WaitsForSpend, "", bytes
}

// passed ends a wait of these kinds.
func (w *waits) passed(kinds ...till.Waiting) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, k := range kinds {
		if w.what == k {
			w.what, w.detail, w.spend = till.WaitsForNothing, "", 0
		}
	}
}

// recorded takes what the journal was told: whatever ended, the wait before it did.
// What waits for something that no part here knows says so itself.
func (w *waits) recorded(e update.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case e.Stage == update.Freshness || e.Line > 0:
	case e.Outcome != update.Waiting:
		w.what, w.detail, w.spend = till.WaitsForNothing, "", 0
	case strings.HasPrefix(e.Detail, update.ErrClock.Error()):
		w.what, w.detail = till.WaitsForClock, e.Detail
	case w.what == till.WaitsForNothing:
		w.what, w.detail = till.WaitsForOther, e.Detail
	}
}

func (w *waits) now() (what till.Waiting, detail string, spend int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.what, w.detail, w.spend
}
