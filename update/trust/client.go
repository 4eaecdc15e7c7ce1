package trust

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"
	"github.com/theupdateframework/go-tuf/v2/metadata/trustedmetadata"

	"github.com/plomb-pos/plomb/update/manifest"
)

// Repository is what the policy says of one party's repository.
type Repository struct {
	Name             string          `json:"name"` // of the party, as in the boot policy
	Root             manifest.Digest `json:"root"` // SHA-256 of the first root.json
	RootThreshold    int             `json:"rootThreshold"`
	TargetsThreshold int             `json:"targetsThreshold"`
}

// Target is a file that a repository names.
type Target struct {
	Name   string
	Length int64
	SHA256 manifest.Digest
}

// Client follows one repository.
type Client struct {
	repo    Repository
	dir     string // of the repository in a source's tree
	anchor  []byte
	mirrors mirrors
	store   *Store
	now     func() time.Time
	limits  Limits
	atLeast Seen // from the caller

	refreshing sync.Mutex // one refresh at a time
	mu         sync.Mutex // guards view
	view       *view      // nil: nothing verified
}

// view is the outcome of a whole walk through a repository.
type view struct {
	tm      *trustedmetadata.TrustedMetadata
	expires time.Time // the earliest of root, timestamp, snapshot, targets
	behind  bool      // older than what has been seen: good enough to know, not to install
	seen    Seen
}

func newClient(r Repository, dir string, anchor []byte, m mirrors, s *Store, now func() time.Time, l Limits, atLeast Seen) (*Client, error) {
	if atLeast.Anchor != r.Root && atLeast.Anchor != (manifest.Digest{}) {
		atLeast = Seen{} // of another repository
	}
	c := &Client{repo: r, dir: dir, anchor: anchor, mirrors: m, store: s, now: now, limits: l, atLeast: atLeast}
	w := c.walk(nil)
	if _, err := w.fromAnchor(nil); err != nil {
		return nil, fmt.Errorf("first root: %w", err)
	}
	if err := w.run(context.Background()); err == nil {
		c.view = w.outcome()
	}
	return c, nil
}

// Refresh walks through the repository as the TUF specification says in section 5,
// from the first mirror with which that succeeds. It may be called again at any
// time. What was verified before an error is kept.
func (c *Client) Refresh(ctx context.Context) error {
	c.refreshing.Lock()
	defer c.refreshing.Unlock()
	var errs []error
	for _, m := range c.mirrors() {
		w := c.walk(m)
		err := w.run(ctx)
		if err == nil {
			c.mu.Lock()
			c.view = w.outcome()
			c.mu.Unlock()
			return nil
		}
		errs = append(errs, fmt.Errorf("refresh %s from %s: %w", c.repo.Name, m, err))
	}
	if errs == nil {
		return fmt.Errorf("refresh %s: %w: no source", c.repo.Name, ErrNotFound)
	}
	return errors.Join(errs...)
}

func (c *Client) current() *view {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.view
}

// check says whether what is known may be relied upon for an installation.
func (c *Client) check() error {
	v := c.current()
	switch {
	case v == nil:
		return ErrNoMetadata
	case v.behind:
		return fmt.Errorf("%w: the newest metadata was lost; refresh", ErrRollback)
	case c.now().After(v.expires):
		return fmt.Errorf("%w at %s", ErrExpired, v.expires.UTC().Format(time.RFC3339))
	}
	return nil
}

// Expires is when the metadata known is to be trusted no longer; zero where there is
// none.
func (c *Client) Expires() time.Time {
	if v := c.current(); v != nil {
		return v.expires
	}
	return time.Time{}
}

// Seen are the versions seen, of every role, by the store or by the caller; zero before
// the first refresh.
func (c *Client) Seen() Seen {
	out := c.atLeast
	if v := c.current(); v != nil {
		out = v.seen
	}
	out.Anchor = c.repo.Root
	return out
}

// Older says what is known of the repository and older than what the caller gave at
// Open as seen; empty: nothing is. A store that was put back is found out so, and a
// lost one too; Refresh mends both.
func (c *Client) Older() string {
	v, seen := c.current(), c.atLeast
	if v == nil {
		if seen.Root+seen.Timestamp == 0 {
			return ""
		}
		return fmt.Sprintf("nothing is kept, and root %d with timestamp %d was seen", seen.Root, seen.Timestamp)
	}
	type role struct {
		name       string
		have, seen int64
	}
	roles := []role{{"root", v.tm.Root.Signed.Version, seen.Root}}
	if seen.Online == v.seen.Online { // else they are of other keys
		roles = append(roles, role{"timestamp", v.tm.Timestamp.Signed.Version, seen.Timestamp},
			role{"snapshot", v.tm.Snapshot.Signed.Version, seen.Snapshot},
			role{"targets", v.tm.Targets[metadata.TARGETS].Signed.Version, seen.Targets})
	}
	for _, r := range roles {
		if r.have < r.seen {
			return fmt.Sprintf("%s %d, and %d was seen", r.name, r.have, r.seen)
		}
	}
	return ""
}

// Names are the targets at top level, in order.
func (c *Client) Names() []string {
	v := c.current()
	if v == nil {
		return nil
	}
	return slices.Sorted(maps.Keys(v.tm.Targets[metadata.TARGETS].Signed.Targets))
}

// Lookup finds a target by name; ErrNotFound when the repository has none, and
// another error when that cannot be known.
func (c *Client) Lookup(ctx context.Context, name string) (Target, error) {
	v := c.current()
	if v == nil {
		return Target{}, fmt.Errorf("look up %s in %s: %w", name, c.repo.Name, ErrNoMetadata)
	}
	top := v.tm.Targets[metadata.TARGETS].Signed
	if f := top.Targets[name]; f != nil {
		return target(name, f), nil
	}
	if top.Delegations == nil {
		return Target{}, fmt.Errorf("look up %s in %s: %w", name, c.repo.Name, ErrNotFound)
	}
	bin, err := c.bin(ctx, v, top.Delegations.SuccinctRoles.GetRolesForTarget(name)[0].Name)
	if err != nil {
		return Target{}, fmt.Errorf("look up %s in %s: %w", name, c.repo.Name, err)
	}
	if f := bin.Targets[name]; f != nil {
		return target(name, f), nil
	}
	return Target{}, fmt.Errorf("look up %s in %s: %w", name, c.repo.Name, ErrNotFound)
}

func target(name string, f *metadata.TargetFiles) Target {
	return Target{Name: name, Length: f.Length, SHA256: manifest.Digest(f.Hashes["sha256"])}
}

// bin gives a delegated role's metadata, from the store or from a source; its bytes
// are those of the snapshot.
func (c *Client) bin(ctx context.Context, v *view, role string) (*metadata.TargetsType, error) {
	file := v.tm.Snapshot.Signed.Meta[role+".json"]
	if file == nil {
		return nil, fmt.Errorf("bin %s: %w", role, ErrNoMetadata)
	}
	var out *metadata.TargetsType
	accept := func(data []byte) (err error) {
		out, err = c.openBin(v, role, file, data)
		return err
	}
	for _, r := range c.store.load("bin-" + role) {
		if accept(r.data) == nil {
			return out, nil
		}
	}
	name := fmt.Sprintf("%s/metadata/%d.%s.json", c.dir, file.Version, role)
	if err := c.mirrors.fetch(ctx, name, file.Length, func(data []byte) error {
		if err := accept(data); err != nil {
			return err
		}
		return c.store.put("bin-"+role, 0, data) // the snapshot's hash says which is in force
	}); err != nil {
		return nil, err
	}
	return out, nil
}

func (c *Client) openBin(v *view, role string, file *metadata.MetaFiles, data []byte) (*metadata.TargetsType, error) {
	m, err := parse(data, metadata.Targets, file)
	if err != nil {
		return nil, err
	}
	if err := checkTargets(&m.Signed, false); err != nil {
		return nil, err
	}
	parent := v.tm.Targets[metadata.TARGETS]
	if err := guard(func() error { return parent.VerifyDelegate(role, m) }); err != nil {
		return nil, err
	}
	if m.Signed.Version != file.Version || m.Signed.IsExpired(c.now()) {
		return nil, fmt.Errorf("bin %s: version %d or its time: %w", role, m.Signed.Version, ErrExpired)
	}
	return &m.Signed, nil
}

// keys are the keys of the root in force, as keyBytes.
func (c *Client) keys() (out []string) {
	w := c.walk(nil)
	if v := c.current(); v != nil {
		w.tm = v.tm
	} else if _, err := w.fromAnchor(nil); err != nil {
		return nil
	}
	for _, k := range w.tm.Root.Signed.Keys {
		if point, err := keyBytes(k); err == nil {
			out = append(out, point)
		}
	}
	return out
}

// parse reads metadata with go-tuf, after its length and hash, where they are known,
// and its shape have been looked at.
func parse[T metadata.Roles](data []byte, empty func(...time.Time) *metadata.Metadata[T], known *metadata.MetaFiles) (m *metadata.Metadata[T], err error) {
	if known != nil {
		if err := guard(func() error { return known.VerifyLengthHashes(data) }); err != nil {
			return nil, err
		}
	}
	if err := checkShape(data); err != nil {
		return nil, err
	}
	err = guard(func() error {
		m, err = empty().FromBytes(data)
		return err
	})
	if err == nil && len(m.Signatures) > maxKeys {
		err = fmt.Errorf("%w: %d signatures", ErrMalformed, len(m.Signatures))
	}
	return m, err
}

// guard calls into go-tuf: a panic there is malformed metadata here, and its errors
// become ours.
func guard(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v", ErrMalformed, r)
		}
	}()
	return explain(f())
}

// explain puts go-tuf's errors under ours.
func explain(err error) error {
	if err == nil {
		return nil
	}
	for ours, theirs := range map[error]error{
		ErrSignature: &metadata.ErrUnsignedMetadata{},
		ErrRollback:  &metadata.ErrBadVersionNumber{},
		ErrExpired:   &metadata.ErrExpiredMetadata{},
		ErrContent:   &metadata.ErrLengthOrHashMismatch{},
	} {
		if errors.Is(err, theirs) {
			return fmt.Errorf("%w: %w", ours, err)
		}
	}
	return fmt.Errorf("%w: %w", ErrMalformed, err)
}

// onlineKeys names the keys and thresholds of timestamp and snapshot: when they
// change, what was seen of these roles no longer binds (TUF, section 5.3.11).
func onlineKeys(root *metadata.RootType) string {
	var text []byte
	for _, name := range []string{metadata.TIMESTAMP, metadata.SNAPSHOT} {
		role := root.Roles[name]
		text = fmt.Appendf(text, "%s %d %q\n", name, role.Threshold, slices.Sorted(slices.Values(role.KeyIDs)))
	}
	sum := manifest.Sum(text)
	return hex.EncodeToString(sum[:8])
}
