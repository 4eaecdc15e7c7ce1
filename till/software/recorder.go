package software

import (
	"context"
	"encoding/hex"
	"strings"
	"time"

	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/staff"
	"github.com/plomb-pos/plomb/till"
	"github.com/plomb-pos/plomb/update"
	"github.com/plomb-pos/plomb/update/manifest"
)

// Recorder makes each event of an agent an entry (requirement DL-09). It is an
// update.LineKeeper.
type Recorder struct {
	node     *till.Node
	waits    *waits
	metadata func() *fiscal.Metadata // what an entry takes along
}

// Record returns nil when the event survives loss of power. The same event again is no
// second entry; one that tells the same after a restart names the entry before.
func (r *Recorder) Record(ctx context.Context, e update.Event) error {
	if err := r.node.RecordStage(ctx, r.stageOf(e)); err != nil {
		return err
	}
	r.waits.recorded(e)
	return nil
}

// LastLine is the launcher's line that was recorded last.
func (r *Recorder) LastLine(context.Context) (uint64, time.Time, error) {
	sequence, at := r.node.LauncherLine()
	return sequence, at, nil
}

// byPolicy is how an agent names who agreed where no person had to.
const byPolicy = "policy"

// stageOf is an event in the journal's words.
func (r *Recorder) stageOf(e update.Event) fiscal.SoftwareStage {
	b := fiscal.SoftwareStage{
		Stage: stageName(e.Stage), Outcome: string(e.Outcome), At: e.Time, Identity: string(e.Identity), Counter: e.Counter,
		Manifest: hexOf(e.Digest), Detail: e.Detail, Line: e.Line,
		Metadata: r.metadata(),
	}
	if e.Person == byPolicy {
		b.Policy = true
	} else {
		b.By = staff.ID(e.Person)
	}
	b.Consent = entryOf(r.node, e.Consent)
	return b
}

// stageName is a stage as the journal writes it.
func stageName(s update.Stage) string { return strings.ReplaceAll(string(s), " ", "-") }

func hexOf(d manifest.Digest) string {
	if d == (manifest.Digest{}) {
		return ""
	}
	return hex.EncodeToString(d[:])
}
