package trust

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/theupdateframework/go-tuf/v2/metadata"
	"github.com/theupdateframework/go-tuf/v2/metadata/trustedmetadata"

	"github.com/plomb-pos/plomb/update/manifest"
)

// Seen are the highest versions that were seen of a repository. A role with new
// keys begins anew; Root never does.
type Seen struct {
	Root      int64  `json:"root"`
	Timestamp int64  `json:"timestamp"`
	Snapshot  int64  `json:"snapshot"`
	Targets   int64  `json:"targets"`
	Online    string `json:"online,omitempty"` // names the keys of timestamp and snapshot
	// Anchor is the first root of the repository; what was seen of another one says
	// nothing of this one. Zero: not asked. A store does not hold it.
	Anchor manifest.Digest `json:"anchor,omitzero"`
}

// seenRole is the store's name for Seen.
const seenRole = "seen"

// files of a refresh in the order in which they are kept: root, timestamp, snapshot,
// targets, seen. Cut in between, the roles that were kept count as seen already,
// and the next walk goes on from them.

// walk is one way through a repository: from the anchor over the store and, where
// there is a source, over the network.
type walk struct {
	c    *Client
	from Source // nil: the store alone
	tm   *trustedmetadata.TrustedMetadata
	seen Seen
	// behind: the store alone has less than what was seen
	behind bool
}

func (c *Client) walk(from Source) *walk { return &walk{c: c, from: from} }

func (w *walk) run(ctx context.Context) error {
	for _, step := range []func(context.Context) error{w.roots, w.timestamp, w.snapshot, w.targets} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	if w.from == nil {
		return nil
	}
	return w.keepSeen()
}

func (w *walk) outcome() *view {
	out := &view{tm: w.tm, behind: w.behind, seen: w.seen}
	out.expires = w.tm.Root.Signed.Expires
	for _, t := range []time.Time{w.tm.Timestamp.Signed.Expires, w.tm.Snapshot.Signed.Expires, w.tm.Targets[metadata.TARGETS].Signed.Expires} {
		if t.Before(out.expires) {
			out.expires = t
		}
	}
	return out
}

// fromAnchor trusts the first root and, link by link, those of a chain, as far as
// they hold; it gives the links that did.
func (w *walk) fromAnchor(chain [][]byte) (held [][]byte, err error) {
	anchor, err := parse(w.c.anchor, metadata.Root, nil)
	if err == nil {
		err = checkRoot(&anchor.Signed, w.c.repo)
	}
	if err != nil {
		return nil, err
	}
	if err := guard(func() error { w.tm, err = trustedmetadata.New(w.c.anchor); return err }); err != nil {
		return nil, err
	}
	if w.tm.RefTime = w.c.now(); w.from == nil {
		w.tm.RefTime = time.Time{} // what is kept may have expired: view.expires tells
	}
	for _, data := range chain {
		if w.link(data) == nil {
			held = append(held, data)
		}
	}
	return held, nil
}

// link trusts the next root.
func (w *walk) link(data []byte) error {
	m, err := parse(data, metadata.Root, nil)
	if err != nil {
		return err
	}
	if err := checkRoot(&m.Signed, w.c.repo); err != nil {
		return err
	}
	return guard(func() error { _, err := w.tm.UpdateRoot(data); return err })
}

// roots goes to the newest root: through the chain that is kept, then version by
// version as the source has them.
func (w *walk) roots(ctx context.Context) error {
	chain, err := w.keptRoots()
	if err != nil {
		return err
	}
	w.loadSeen()
	if w.from != nil {
		if err := w.newRoots(ctx, chain); err != nil {
			return err
		}
	}
	version := w.tm.Root.Signed.Version
	if version < w.seen.Root && w.from != nil {
		return fmt.Errorf("root %d, seen was %d: %w", version, w.seen.Root, ErrRollback)
	}
	w.behind = version < w.seen.Root
	w.seen.Root = max(version, w.seen.Root)
	return w.onlineRotated()
}

// keptRoots takes the newest copy of the chain that holds to its end; where none
// does, the one that reaches further.
func (w *walk) keptRoots() (held [][]byte, err error) {
	var best int64
	var longest [][]byte
	for _, r := range w.c.store.load(metadata.ROOT) {
		if held, err = w.fromAnchor(splitChain(r.data)); err != nil {
			return nil, err
		}
		version := w.tm.Root.Signed.Version
		if uint64(version) >= r.version {
			return held, nil
		}
		if version > best {
			best, longest = version, held
		}
	}
	return w.fromAnchor(longest)
}

func (w *walk) newRoots(ctx context.Context, chain [][]byte) error {
	for range w.c.limits.Rotations {
		name := fmt.Sprintf("%s/metadata/%d.root.json", w.c.dir, w.tm.Root.Signed.Version+1)
		data, err := w.from.Fetch(ctx, name, w.c.limits.Root)
		if errors.Is(err, ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := w.link(data); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		chain = append(chain, data)
		// Cut here, the new root is kept and everything else is older: it goes on from there.
		if err := w.c.store.put(metadata.ROOT, uint64(w.tm.Root.Signed.Version), joinChain(chain)); err != nil {
			return err
		}
	}
	return fmt.Errorf("%d roots in one refresh: %w", w.c.limits.Rotations, ErrTooLong)
}

// joinChain is the chain's roots, each after its length.
func joinChain(chain [][]byte) (out []byte) {
	for _, data := range chain {
		out = append(binary.BigEndian.AppendUint32(out, uint32(len(data))), data...)
	}
	return out
}

func splitChain(data []byte) (chain [][]byte) {
	for len(data) >= 4 {
		n := int(binary.BigEndian.Uint32(data))
		if data = data[4:]; n > len(data) {
			break
		}
		chain, data = append(chain, data[:n]), data[n:]
	}
	return chain
}

// loadSeen is the highest of what is written down, what the kept copies say, and
// what the caller gave.
func (w *walk) loadSeen() {
	for _, r := range w.c.store.load(seenRole) {
		var s Seen
		if json.Unmarshal(r.data, &s) == nil {
			w.seen = s
			break
		}
	}
	least := w.c.atLeast
	if w.seen.Online == "" {
		w.seen.Online = least.Online
	}
	if least.Online != w.seen.Online {
		least = Seen{Root: least.Root} // the others are of other keys
	}
	w.raise(&w.seen.Root, metadata.ROOT, least.Root)
	w.raise(&w.seen.Timestamp, metadata.TIMESTAMP, least.Timestamp)
	w.raise(&w.seen.Snapshot, metadata.SNAPSHOT, least.Snapshot)
	w.raise(&w.seen.Targets, metadata.TARGETS, least.Targets)
}

func (w *walk) raise(v *int64, role string, atLeast int64) {
	*v = max(*v, atLeast)
	for _, r := range w.c.store.load(role) {
		*v = max(*v, int64(r.version))
	}
}

// onlineRotated forgets timestamp, snapshot and targets when their keys have
// changed: whoever had the old ones may have raised the versions beyond reach.
func (w *walk) onlineRotated() error {
	keys := onlineKeys(&w.tm.Root.Signed)
	was := w.seen.Online
	w.seen.Online = keys
	if was == keys || was == "" && !w.orphaned() {
		return nil
	}
	if w.from == nil {
		return fmt.Errorf("%w: keys of the timestamp have changed", ErrNoMetadata)
	}
	w.seen = Seen{Root: w.seen.Root, Online: keys}
	// Cut here, the old keys are still written down as seen, and this is done again.
	if err := w.c.store.drop(metadata.TIMESTAMP, metadata.SNAPSHOT, metadata.TARGETS); err != nil {
		return err
	}
	return w.keepSeen()
}

// orphaned says that timestamps are kept and the keys in force signed none of them:
// that tells of a rotation when what was seen is lost.
func (w *walk) orphaned() bool {
	kept := w.c.store.load(metadata.TIMESTAMP)
	for _, r := range kept {
		m, err := parse(r.data, metadata.Timestamp, nil)
		if err == nil && guard(func() error { return w.tm.Root.VerifyDelegate(metadata.TIMESTAMP, m) }) == nil {
			return false
		}
	}
	return len(kept) > 0
}

func (w *walk) keepSeen() error {
	text, err := json.Marshal(w.seen)
	if err != nil {
		return fmt.Errorf("keep what was seen: %w", err)
	}
	return w.c.store.put(seenRole, 0, text)
}

func (w *walk) timestamp(ctx context.Context) error {
	for _, r := range w.c.store.load(metadata.TIMESTAMP) {
		_ = w.takeTimestamp(r.data) // one that has expired errs, and is loaded to compare with
		if w.tm.Timestamp != nil {
			break
		}
	}
	if w.from != nil {
		if err := w.newTimestamp(ctx); err != nil {
			return fmt.Errorf("timestamp: %w", err)
		}
	}
	if w.tm.Timestamp == nil {
		return fmt.Errorf("timestamp: %w", ErrNoMetadata)
	}
	return w.reached("timestamp", w.tm.Timestamp.Signed.Version, &w.seen.Timestamp)
}

func (w *walk) newTimestamp(ctx context.Context) error {
	data, err := w.from.Fetch(ctx, w.c.dir+"/metadata/timestamp.json", w.c.limits.Timestamp)
	if err != nil {
		return err
	}
	kept := w.tm.Timestamp
	err = w.takeTimestamp(data)
	if errors.Is(err, errEqual) {
		return sameTimestamp(data, kept)
	}
	if err != nil {
		return err
	}
	if v := w.tm.Timestamp.Signed.Version; v < w.seen.Timestamp {
		return fmt.Errorf("version %d, seen was %d: %w", v, w.seen.Timestamp, ErrRollback)
	}
	return w.c.store.put(metadata.TIMESTAMP, uint64(w.tm.Timestamp.Signed.Version), data)
}

// errEqual is go-tuf's way to say that nothing is new.
var errEqual = &metadata.ErrEqualVersionNumber{}

func (w *walk) takeTimestamp(data []byte) error {
	m, err := parse(data, metadata.Timestamp, nil)
	if err != nil {
		return err
	}
	if m.Signed.Version < 1 || len(m.Signed.Meta) != 1 || m.Signed.Meta["snapshot.json"] == nil {
		return fmt.Errorf("%w: a timestamp names the snapshot alone", ErrMalformed)
	}
	if err := checkFiles(m.Signed.Meta, w.c.limits.Snapshot); err != nil {
		return err
	}
	return guard(func() error { _, err := w.tm.UpdateTimestamp(data); return err })
}

// sameTimestamp: an equal version has to say the same, and to be in force.
func sameTimestamp(data []byte, kept *metadata.Metadata[metadata.TimestampType]) error {
	m, err := parse(data, metadata.Timestamp, nil)
	if err != nil {
		return err
	}
	a, err := m.Signed.MarshalJSON()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if b, err := kept.Signed.MarshalJSON(); err != nil || !bytes.Equal(a, b) {
		return fmt.Errorf("version %d: %w", m.Signed.Version, ErrFork)
	}
	return nil
}

// reached compares a version with the highest seen: from a source less is refused,
// from the store alone it is marked.
func (w *walk) reached(role string, version int64, seen *int64) error {
	if version < *seen && w.from != nil {
		return fmt.Errorf("%s %d, seen was %d: %w", role, version, *seen, ErrRollback)
	}
	w.behind = w.behind || version < *seen
	*seen = max(version, *seen)
	return nil
}

func (w *walk) snapshot(ctx context.Context) error {
	file := w.tm.Timestamp.Signed.Meta["snapshot.json"]
	if err := w.reached("snapshot", file.Version, &w.seen.Snapshot); err != nil {
		return err
	}
	kept := w.c.store.load(metadata.SNAPSHOT)
	for _, r := range kept {
		if m, err := parse(r.data, metadata.Snapshot, file); err == nil {
			return w.takeSnapshot(r.data, m)
		}
	}
	if w.from == nil {
		return fmt.Errorf("snapshot: %w", ErrNoMetadata)
	}
	if err := w.compareWith(kept, file); err != nil {
		return fmt.Errorf("snapshot: %w", err)
	}
	data, err := w.from.Fetch(ctx, fmt.Sprintf("%s/metadata/%d.snapshot.json", w.c.dir, file.Version), file.Length)
	if err != nil {
		return err
	}
	m, err := parse(data, metadata.Snapshot, file)
	if err != nil {
		return fmt.Errorf("snapshot: %w", err)
	}
	if err := w.takeSnapshot(data, m); err != nil {
		return fmt.Errorf("snapshot: %w", err)
	}
	return w.c.store.put(metadata.SNAPSHOT, uint64(file.Version), data)
}

// compareWith loads the newest kept snapshot that the keys in force have signed, so
// that go-tuf compares the next one with it: no file lower, none gone.
func (w *walk) compareWith(kept []record, file *metadata.MetaFiles) error {
	for _, r := range kept {
		if m, err := parse(r.data, metadata.Snapshot, nil); err != nil || checkFiles(m.Signed.Meta, w.c.limits.Targets) != nil {
			continue
		}
		// It errs, since this is not the final snapshot, and is loaded nevertheless.
		_ = guard(func() error { _, err := w.tm.UpdateSnapshot(r.data, true); return err })
		if s := w.tm.Snapshot; s != nil {
			if s.Signed.Version == file.Version {
				return fmt.Errorf("version %d: %w", file.Version, ErrFork)
			}
			return nil
		}
	}
	return nil
}

func (w *walk) takeSnapshot(data []byte, m *metadata.Metadata[metadata.SnapshotType]) error {
	if m.Signed.Meta["targets.json"] == nil {
		return fmt.Errorf("%w: a snapshot without targets", ErrMalformed)
	}
	if err := checkFiles(m.Signed.Meta, w.c.limits.Targets); err != nil {
		return err
	}
	return guard(func() error { _, err := w.tm.UpdateSnapshot(data, false); return err })
}

func (w *walk) targets(ctx context.Context) error {
	file := w.tm.Snapshot.Signed.Meta["targets.json"]
	if err := w.reached("targets", file.Version, &w.seen.Targets); err != nil {
		return err
	}
	kept := w.c.store.load(metadata.TARGETS)
	for _, r := range kept {
		if m, err := parse(r.data, metadata.Targets, file); err == nil {
			return w.takeTargets(r.data, m)
		}
	}
	if w.from == nil {
		return fmt.Errorf("targets: %w", ErrNoMetadata)
	}
	for _, r := range kept {
		if int64(r.version) == file.Version {
			return fmt.Errorf("targets: version %d: %w", file.Version, ErrFork)
		}
	}
	data, err := w.from.Fetch(ctx, fmt.Sprintf("%s/metadata/%d.targets.json", w.c.dir, file.Version), file.Length)
	if err != nil {
		return err
	}
	m, err := parse(data, metadata.Targets, file)
	if err != nil {
		return fmt.Errorf("targets: %w", err)
	}
	if err := w.takeTargets(data, m); err != nil {
		return fmt.Errorf("targets: %w", err)
	}
	return w.c.store.put(metadata.TARGETS, uint64(file.Version), data)
}

func (w *walk) takeTargets(data []byte, m *metadata.Metadata[metadata.TargetsType]) error {
	if err := checkTargets(&m.Signed, true); err != nil {
		return err
	}
	return guard(func() error { _, err := w.tm.UpdateTargets(data); return err })
}
