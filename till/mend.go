package till

import (
	"context"
	"errors"
	"fmt"

	"github.com/plomb-pos/plomb/fiscal"
)

// RecordMended journals that damaged entries were given back by another copy,
// from tells which. It opens the till, so the till must not run, and ends it
// again. A till that starts by itself cannot know: to it the entries are whole.
// Errors to decide on are those of [Open].
func RecordMended(ctx context.Context, o Options, mended []fiscal.Hole, from string) error {
	n, err := Open(ctx, o)
	if err != nil {
		return fmt.Errorf("record what was mended: %w", err)
	}
	r := &fiscal.Recovery{Holes: mended, Note: oneLine(from)}
	for _, h := range mended {
		r.Mended += int64(h.Last - h.First + 1)
	}
	if more := len(r.Holes) - maxHoles; more > 0 {
		r.Holes, r.Note = r.Holes[:maxHoles], fmt.Sprintf("%s, and %d more", r.Note, more)
	}
	n.mu.Lock()
	_, err = n.append(ctx, [16]byte{}, r)
	n.mu.Unlock()
	return errors.Join(err, n.Close(ctx))
}
