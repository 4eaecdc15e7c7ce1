package release

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/update/keeper"
	"github.com/plomb-pos/plomb/update/manifest"
)

// How long metadata counts. A timestamp has to be renewed within a week (Refresh);
// a till whose metadata ran out does not install.
const (
	rootLife      = 2 * 365 * 24 * time.Hour
	targetsLife   = 365 * 24 * time.Hour
	snapshotLife  = 30 * 24 * time.Hour
	timestampLife = 7 * 24 * time.Hour
)

// maxMetadata is more than any of our metadata files has, in bytes.
const maxMetadata = 8 << 20

// tree is an office's TUF repository: metadata in OFFICE/metadata, contents of
// targets in OFFICE/targets by their hash. The timestamp is written last: until then
// the tree is the one before.
type tree struct {
	root      *metadata.Metadata[metadata.RootType]
	targets   *metadata.Metadata[metadata.TargetsType]
	snapshot  *metadata.Metadata[metadata.SnapshotType]
	timestamp *metadata.Metadata[metadata.TimestampType]
}

// initTree signs the first metadata.
func (o *Office) initTree(now time.Time) error {
	for _, dir := range []string{"metadata", "targets"} {
		if err := mkdirs(o.fsys, o.path(dir)); err != nil {
			return err
		}
	}
	t := &tree{
		root: metadata.Root(now.Add(rootLife)), targets: metadata.Targets(now.Add(targetsLife)),
		snapshot: metadata.Snapshot(now), timestamp: metadata.Timestamp(now),
	}
	if err := o.fillRoot(t.root); err != nil {
		return err
	}
	signers, err := o.quorum(roleRoot)
	if err != nil {
		return err
	}
	if err := o.writeRoot(t.root, signers); err != nil {
		return err
	}
	first, err := durable.ReadFile(o.fsys, o.path("metadata", "1.root.json"), maxMetadata)
	if err != nil {
		return err
	}
	o.Card.Root = manifest.Sum(first)
	t.targets.Signed.Version, t.snapshot.Signed.Version, t.timestamp.Signed.Version = 0, 0, 0
	return o.sign(t, now)
}

// fillRoot puts the office's keys and thresholds into a root.
func (o *Office) fillRoot(root *metadata.Metadata[metadata.RootType]) error {
	root.Signed.ConsistentSnapshot = true
	root.Signed.Keys, root.Signed.Roles = map[string]*metadata.Key{}, map[string]*metadata.Role{}
	for _, name := range []string{roleRoot, roleTargets, roleSnapshot, roleTimestamp} {
		r := o.Card.role(name)
		root.Signed.Roles[name] = &metadata.Role{KeyIDs: []string{}, Threshold: r.Threshold}
		for _, key := range r.Keys {
			k, _ := o.Card.key(key)
			public, err := keeper.PublicKey(keeper.Kind(k.Kind), k.Public)
			if err != nil {
				return fmt.Errorf("key %s: %w", key, err)
			}
			tk, err := metadata.KeyFromPublicKey(public)
			if err != nil {
				return fmt.Errorf("key %s: %w", key, err)
			}
			if err := root.Signed.AddKey(tk, name); err != nil {
				return fmt.Errorf("key %s: %w", key, err)
			}
		}
	}
	return nil
}

func (o *Office) writeRoot(root *metadata.Metadata[metadata.RootType], signers []signer) error {
	data, err := sealMetadata(root, signers)
	if err != nil {
		return err
	}
	return durable.Replace(o.fsys, o.path("metadata", fmt.Sprintf("%d.root.json", root.Signed.Version)), data)
}

// sealMetadata signs metadata anew and encodes it.
func sealMetadata[T metadata.Roles](m *metadata.Metadata[T], signers []signer) ([]byte, error) {
	m.ClearSignatures()
	for _, s := range signers {
		var why error // go-tuf does not pass it on
		if _, err := m.Sign(tufSigner{s, &why}); err != nil {
			return nil, fmt.Errorf("sign metadata: %w", errors.Join(why, err))
		}
	}
	return m.ToBytes(false)
}

// readTree reads the tree that is in force and checks it against its newest root.
func readTree(fsys durable.FS, dir string) (*tree, error) {
	t := &tree{root: metadata.Root(), targets: metadata.Targets(), snapshot: metadata.Snapshot(), timestamp: metadata.Timestamp()}
	n, err := newestRoot(fsys, dir)
	if err != nil {
		return nil, err
	}
	if err := readMetadata(fsys, dir, fmt.Sprintf("%d.root.json", n), t.root); err != nil {
		return nil, err
	}
	if err := readMetadata(fsys, dir, "timestamp.json", t.timestamp); err != nil {
		return nil, err
	}
	if err := readMetadata(fsys, dir, fmt.Sprintf("%d.snapshot.json", versionOf(t.timestamp.Signed.Meta, "snapshot.json")), t.snapshot); err != nil {
		return nil, err
	}
	if err := readMetadata(fsys, dir, fmt.Sprintf("%d.targets.json", versionOf(t.snapshot.Signed.Meta, "targets.json")), t.targets); err != nil {
		return nil, err
	}
	return t, t.verify()
}

func (t *tree) verify() error {
	for role, m := range map[string]any{metadata.ROOT: t.root, metadata.TIMESTAMP: t.timestamp, metadata.SNAPSHOT: t.snapshot, metadata.TARGETS: t.targets} {
		if err := t.root.VerifyDelegate(role, m); err != nil {
			return fmt.Errorf("%s: %w: %w", role, ErrTampered, err)
		}
	}
	return nil
}

func versionOf(meta map[string]*metadata.MetaFiles, name string) int64 {
	if f := meta[name]; f != nil {
		return f.Version
	}
	return 0
}

func readMetadata[T metadata.Roles](fsys durable.FS, dir, name string, m *metadata.Metadata[T]) error {
	data, err := durable.ReadFile(fsys, dir+"/"+name, maxMetadata)
	if err != nil {
		return fmt.Errorf("read metadata: %w", err)
	}
	if _, err := m.FromBytes(data); err != nil {
		return fmt.Errorf("read %s: %w: %w", name, ErrFormat, err)
	}
	return nil
}

// newestRoot is the highest N of N.root.json.
func newestRoot(fsys durable.FS, dir string) (int64, error) {
	names, err := fsys.ReadDir(dir)
	if err != nil {
		return 0, fmt.Errorf("read metadata: %w", err)
	}
	best := int64(0)
	for _, name := range names {
		var n int64
		if _, err := fmt.Sscanf(name, "%d.root.json", &n); err == nil && name == fmt.Sprintf("%d.root.json", n) {
			best = max(best, n)
		}
	}
	if best == 0 {
		return 0, fmt.Errorf("read metadata: no root: %w", fs.ErrNotExist)
	}
	return best, nil
}

// sign raises and signs targets, snapshot and timestamp, in that order.
func (o *Office) sign(t *tree, now time.Time) error {
	t.targets.Signed.Version++
	t.targets.Signed.Expires = now.Add(targetsLife)
	data, err := o.write(roleTargets, fmt.Sprintf("%d.targets.json", t.targets.Signed.Version), t.targets)
	if err != nil {
		return err
	}
	t.snapshot.Signed.Meta = map[string]*metadata.MetaFiles{"targets.json": metaFile(t.targets.Signed.Version, data)}
	return o.signSnapshot(t, now)
}

func (o *Office) signSnapshot(t *tree, now time.Time) error {
	t.snapshot.Signed.Version++
	t.snapshot.Signed.Expires = now.Add(snapshotLife)
	data, err := o.write(roleSnapshot, fmt.Sprintf("%d.snapshot.json", t.snapshot.Signed.Version), t.snapshot)
	if err != nil {
		return err
	}
	t.timestamp.Signed.Meta = map[string]*metadata.MetaFiles{"snapshot.json": metaFile(t.snapshot.Signed.Version, data)}
	t.timestamp.Signed.Version++
	t.timestamp.Signed.Expires = now.Add(timestampLife)
	_, err = o.write(roleTimestamp, "timestamp.json", t.timestamp)
	return err
}

// write signs one role's metadata with its quorum and writes it.
func (o *Office) write(role, name string, m any) (data []byte, err error) {
	signers, err := o.quorum(role)
	if err != nil {
		return nil, err
	}
	switch m := m.(type) {
	case *metadata.Metadata[metadata.TargetsType]:
		data, err = sealMetadata(m, signers)
	case *metadata.Metadata[metadata.SnapshotType]:
		data, err = sealMetadata(m, signers)
	case *metadata.Metadata[metadata.TimestampType]:
		data, err = sealMetadata(m, signers)
	}
	if err != nil {
		return nil, err
	}
	return data, durable.Replace(o.fsys, o.path("metadata", name), data)
}

func metaFile(version int64, data []byte) *metadata.MetaFiles {
	sum := manifest.Sum(data)
	f := metadata.MetaFile(version)
	f.Length, f.Hashes = int64(len(data)), metadata.Hashes{"sha256": sum[:]}
	return f
}

// add puts targets into the office's tree and signs it. What is there with the same
// bytes stays; a target never changes its bytes.
func (o *Office) add(now time.Time, files map[string][]byte) error {
	return o.whole(func() error { return o.addAll(now, files) })
}

func (o *Office) addAll(now time.Time, files map[string][]byte) error {
	t, err := readTree(o.fsys, o.path("metadata"))
	if err != nil {
		return err
	}
	changed := false
	for _, name := range slices.Sorted(maps.Keys(files)) {
		fresh, err := o.addTarget(t, name, files[name])
		if err != nil {
			return err
		}
		changed = changed || fresh
	}
	if !changed {
		return nil
	}
	return o.sign(t, now)
}

func (o *Office) addTarget(t *tree, name string, data []byte) (fresh bool, err error) {
	sum := manifest.Sum(data)
	if old := t.targets.Signed.Targets[name]; old != nil {
		if !slices.Equal(old.Hashes["sha256"], sum[:]) {
			return false, fmt.Errorf("target %s with other bytes %w", name, ErrExists)
		}
		return false, nil
	}
	f := metadata.TargetFile()
	f.Path, f.Length, f.Hashes = name, int64(len(data)), metadata.Hashes{"sha256": sum[:]}
	t.targets.Signed.Targets[name] = f
	return true, durable.Replace(o.fsys, o.path("targets", sum.String()), data)
}

// Refresh signs snapshot and timestamp anew, before their time is over.
func (o *Office) Refresh(now time.Time) error {
	err := o.do("refresh", now, nil, func(now time.Time) error {
		return o.whole(func() error {
			t, err := readTree(o.fsys, o.path("metadata"))
			if err != nil {
				return err
			}
			return o.signSnapshot(t, now)
		})
	})
	if err != nil {
		return fmt.Errorf("refresh: %w", err)
	}
	return nil
}

// target reads the content of one of the tree's targets, and checks it.
func (t *tree) target(fsys durable.FS, dir, name string) ([]byte, error) {
	f := t.targets.Signed.Targets[name]
	if f == nil {
		return nil, fmt.Errorf("target %s: %w", name, fs.ErrNotExist)
	}
	var want manifest.Digest
	if copy(want[:], f.Hashes["sha256"]) != len(want) || f.Length > manifest.MaxBytes {
		return nil, fmt.Errorf("target %s: %w", name, ErrFormat)
	}
	data, err := durable.ReadFile(fsys, dir+"/"+want.String(), manifest.MaxBytes)
	if err != nil {
		return nil, fmt.Errorf("target %s: %w", name, err)
	}
	if manifest.Sum(data) != want {
		return nil, fmt.Errorf("target %s: %w", name, ErrTampered)
	}
	return data, nil
}

// names lists the tree's targets below a folder, in order.
func (t *tree) names(folder string) (out []string) {
	for name := range t.targets.Signed.Targets {
		if strings.HasPrefix(name, folder+"/") {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// Rotate gives a role a new key, in a file, in place of an old one, which may be lost:
// RotateTo says where else it may be kept.
func (o *Office) Rotate(role, old string, now time.Time) (fresh string, err error) {
	return o.RotateTo(role, old, KeyPlan{}, now)
}

// RotateTo gives a role a new key in place of an old one, which may be lost. For roles
// of TUF it signs root N+1 with the old and the new threshold of root keys, and what
// the role signs anew. Other roles' keys stand in the parties file, which has to be
// made again with a higher serial. The log's key is its identity and cannot change.
// Tree and card change together or not at all, whatever a crash cuts off.
func (o *Office) RotateTo(role, old string, p KeyPlan, now time.Time) (fresh string, err error) {
	err = o.do("rotate "+role+" "+old, now, nil, func(now time.Time) error {
		return o.whole(func() error {
			fresh, err = o.rotate(role, old, p, now)
			return err
		})
	})
	if err != nil {
		return "", fmt.Errorf("rotate %s: %w", old, err)
	}
	return fresh, nil
}

// mayRotate refuses what cannot be rotated.
func (o *Office) mayRotate(role, old string) (*Role, error) {
	r := o.Card.role(role)
	if r == nil || !slices.Contains(r.Keys, old) {
		return nil, fmt.Errorf("%s has no key %s for %s: %w", o.Card.Name, old, role, ErrParty)
	}
	if role == roleLog || role == roleCustody {
		return nil, fmt.Errorf("the key for %s is an identity: make a new office in its place: %w", role, ErrParty)
	}
	return r, nil
}

func (o *Office) rotate(role, old string, p KeyPlan, now time.Time) (fresh string, err error) {
	r, err := o.mayRotate(role, old)
	if err != nil {
		return "", err
	}
	if p, err = p.of(role); err != nil {
		return "", err
	}
	var before []signer
	isTUF := slices.Contains(tufRoles, role)
	if isTUF {
		if before, err = o.quorum(roleRoot); err != nil {
			return "", err
		}
	}
	fresh = fmt.Sprintf("%s-%d", role, o.Card.Drawn+1)
	if err := o.exchange(r, old, fresh, p); err != nil {
		return "", err
	}
	if isTUF {
		if err := o.nextRoot(before, now); err != nil {
			return "", err
		}
	}
	return fresh, o.saveCard()
}

// exchange draws the new key and takes the old one out of the card.
func (o *Office) exchange(r *Role, old, fresh string, p KeyPlan) error {
	if r.Name == o.Card.recordRole() {
		s, err := o.Card.signers(r.Name)
		if err != nil {
			return err
		}
		o.Card.Retired = append(o.Card.Retired, s)
	}
	if err := o.draw(fresh, p); err != nil {
		return err
	}
	r.Keys[slices.Index(r.Keys, old)] = fresh
	o.Card.Keys = slices.DeleteFunc(o.Card.Keys, func(k Key) bool { return k.Name == old })
	return nil
}

// nextRoot signs root N+1 with the signers of before and those of now, and the rest
// of the tree anew.
func (o *Office) nextRoot(before []signer, now time.Time) error {
	t, err := readTree(o.fsys, o.path("metadata"))
	if err != nil {
		return err
	}
	old := *t.root
	t.root.Signed.Version++
	t.root.Signed.Expires = now.Add(rootLife)
	if err := o.fillRoot(t.root); err != nil {
		return err
	}
	after, err := o.quorum(roleRoot)
	if err != nil {
		return err
	}
	if err := o.writeRoot(t.root, union(before, after)); err != nil {
		return err
	}
	if o.act != nil && o.act.stand != 0 {
		return o.sign(t, now) // a rehearsal: signatures are missing
	}
	if err := errors.Join(old.VerifyDelegate(metadata.ROOT, t.root), t.root.VerifyDelegate(metadata.ROOT, t.root)); err != nil {
		return fmt.Errorf("the new root does not follow: %w", err)
	}
	return o.sign(t, now)
}

// union is signers without repetition.
func union(a, b []signer) []signer {
	out := slices.Clone(a)
	for _, s := range b {
		if !slices.ContainsFunc(out, func(o signer) bool { return bytes.Equal(o.key.Public, s.key.Public) }) {
			out = append(out, s)
		}
	}
	return out
}
