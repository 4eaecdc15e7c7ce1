package software

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/plomb-pos/plomb/till"
	"github.com/plomb-pos/plomb/till/backup"
	"github.com/plomb-pos/plomb/update"
)

// Backup keeps the journal safe elsewhere; a backup.Folder does.
type Backup interface {
	// Copy returns nil when all that was durable at the time of the call is safe
	// elsewhere, having been read back whole. It may take long.
	Copy(ctx context.Context) (backup.Copied, error)
}

// Gate holds an activation back while it would come between a sale, a day, or data that
// are nowhere else. It is an update.Gate.
type Gate struct {
	node   *till.Node
	backup Backup
	policy update.Policy
	waits  *waits

	mu   sync.Mutex
	safe uint64 // entries that are in a copy that was read back since the start
}

// Hold looks at the till. A parked sale counts as an open one: a document is made by
// one version of the software from beginning to end. The journal is copied only when
// nothing else holds back, and a sale that began meanwhile does.
func (g *Gate) Hold(ctx context.Context) (update.Hold, error) {
	h, day := g.look()
	if h.OpenSale || day {
		return h, g.closed(day)
	}
	if err := g.keepSafe(ctx); err != nil {
		if ctx.Err() != nil {
			return h, err
		}
		h.UnsafeData = true
		g.waits.set(till.WaitsForData, err.Error())
		return h, nil
	}
	g.waits.passed(till.WaitsForData)
	h, day = g.look()
	return h, g.closed(day)
}

// closed refuses an open day where the country's profile does and the agent's own
// policy does not.
func (g *Gate) closed(day bool) error {
	if day && !g.policy.ClosedDay {
		return fmt.Errorf("%w: the day is not closed", update.ErrWaiting)
	}
	return nil
}

// look says what the till is doing, and whether an open day holds back.
func (g *Gate) look() (h update.Hold, day bool) {
	w := g.node.Work()
	h = update.Hold{OpenSale: w.Sale || len(w.Parked) > 0, OpenDay: w.Day}
	day = w.Day && (g.policy.ClosedDay || till.ClosesDayBefore(g.node.Country()))
	switch {
	case w.Sale:
		g.waits.set(till.WaitsForSale, "a sale is open")
	case len(w.Parked) > 0:
		g.waits.set(till.WaitsForSale, fmt.Sprintf("%d sales are parked: %s", len(w.Parked), strings.Join(w.Parked, ", ")))
	case day:
		g.waits.set(till.WaitsForDay, "the day is not closed")
	default:
		g.waits.passed(till.WaitsForSale, till.WaitsForDay)
	}
	return h, day
}

// keepSafe makes a copy unless the last one holds all that is about the shop.
func (g *Gate) keepSafe(ctx context.Context) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.safe >= g.node.Matters() {
		return nil
	}
	if g.backup == nil {
		return errNoBackup
	}
	g.waits.set(till.WaitsForData, "the journal is being copied and read back")
	c, err := g.backup.Copy(ctx)
	if err != nil {
		return err
	}
	g.safe = c.Size
	return g.node.RecordCopy(ctx, c.Checkpoint, c.Where)
}

var errNoBackup = errors.New("no folder for backups of the journal is configured")
