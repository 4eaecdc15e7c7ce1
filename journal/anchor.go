package journal

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/journal/proof"
)

// Anchor remembers, outside the journal's directory, how far the journal has
// come: a lower bound, by which Open finds a lost tail or a restored old copy.
// It is as good as the place it stands in is hard to set back together with the
// directory.
//
// Store is called lazily: every few seconds while the journal grows, when it
// has come to rest, and at Close; one call at a time, only with sizes that are
// durable. An error of Store is told as an event and changes nothing else. An
// error of Load lets Open fail.
type Anchor interface {
	// Name says in findings and events which anchor it is.
	Name() string
	// Load returns what was stored last; a zero size: nothing yet.
	Load(ctx context.Context) (proof.Checkpoint, error)
	// Store replaces it, atomically.
	Store(ctx context.Context, c proof.Checkpoint) error
}

// FileAnchor is a small file, on another medium where there is one. fsys nil: the
// operating system's. Its directory must exist. It holds a checkpoint's text.
func FileAnchor(fsys durable.FS, name string) Anchor {
	if fsys == nil {
		fsys = durable.OS{}
	}
	return &fileAnchor{fsys, name}
}

type fileAnchor struct {
	fs   durable.FS
	name string
}

const anchorLimit = 4096

func (a *fileAnchor) Name() string { return a.name }

func (a *fileAnchor) Load(context.Context) (proof.Checkpoint, error) {
	b, err := durable.ReadFile(a.fs, a.name, anchorLimit)
	if errors.Is(err, fs.ErrNotExist) {
		return proof.Checkpoint{}, nil
	}
	if err != nil {
		return proof.Checkpoint{}, err
	}
	c, err := proof.ParseCheckpoint(b)
	if err != nil {
		return proof.Checkpoint{}, fmt.Errorf("anchor %s: %w: %w", a.name, ErrDamaged, err)
	}
	return c, nil
}

func (a *fileAnchor) Store(_ context.Context, c proof.Checkpoint) error {
	return durable.Replace(a.fs, a.name, c.Text())
}

// AnchorSeen is what an anchor said at Open.
type AnchorSeen struct {
	Name       string
	Checkpoint proof.Checkpoint // zero size: nothing yet
	// Unchecked says that the root could not be compared, because of damage.
	Unchecked bool
}

// loadAnchors asks all anchors.
func loadAnchors(ctx context.Context, anchors []Anchor) ([]AnchorSeen, error) {
	var seen []AnchorSeen
	for _, a := range anchors {
		c, err := a.Load(ctx)
		if err != nil {
			return nil, fmt.Errorf("load anchor %s: %w", a.Name(), err)
		}
		seen = append(seen, AnchorSeen{Name: a.Name(), Checkpoint: c})
	}
	return seen, nil
}

// splitEpoch cuts an origin "till/e2" into "till" and 2.
func splitEpoch(origin string) (till string, epoch uint64, ok bool) {
	i := strings.LastIndex(origin, "/e")
	if i < 0 {
		return origin, 0, false
	}
	epoch, err := strconv.ParseUint(origin[i+2:], 10, 32)
	return origin[:i], epoch, err == nil
}

// laterEpoch reports whether other is a later epoch of the same till than origin:
// then this journal's history has ended elsewhere.
func laterEpoch(other, origin string) bool {
	till, epoch, ok := splitEpoch(origin)
	otherTill, otherEpoch, otherOK := splitEpoch(other)
	return ok && otherOK && till == otherTill && otherEpoch > epoch
}
