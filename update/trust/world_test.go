package trust_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/sigstore/sigstore/pkg/signature"
	"github.com/theupdateframework/go-tuf/v2/metadata"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/internal/powercut"
	"github.com/plomb-pos/plomb/journal/proof"
	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/releaselog"
	"github.com/plomb-pos/plomb/update/trust"
)

var start = time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)

// key makes the same key for the same name, every time.
func key(name string) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte(name))
	return ed25519.NewKeyFromSeed(seed[:])
}

func tufKey(t testing.TB, name string) *metadata.Key {
	t.Helper()
	k, err := metadata.KeyFromPublicKey(key(name).Public())
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func keyID(t testing.TB, name string) string {
	t.Helper()
	id, err := tufKey(t, name).ID()
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// sign signs metadata with the keys of these names and gives its bytes.
func sign[T metadata.Roles](t testing.TB, m *metadata.Metadata[T], names ...string) []byte {
	t.Helper()
	m.ClearSignatures()
	for _, name := range names {
		s, err := signature.LoadSigner(key(name), crypto.Hash(0))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := m.Sign(s); err != nil {
			t.Fatal(err)
		}
	}
	out, err := m.ToBytes(false)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// tree is a static repository tree, a source that works at once.
type tree map[string][]byte

func (f tree) Fetch(_ context.Context, name string, limit int64) ([]byte, error) {
	data, ok := f[name]
	if !ok {
		return nil, trust.ErrNotFound
	}
	if int64(len(data)) > limit {
		return nil, trust.ErrTooLong
	}
	return bytes.Clone(data), nil
}

func (tree) String() string { return "tree" }

// party is a maker or an authority with its repository.
type party struct {
	t         testing.TB
	name, dir string
	files     tree
	keys      map[string][]string // by role: the names of the keys
	threshold map[string]int
	rootAt    int64
	versions  map[string]int64 // timestamp, snapshot, targets
	expires   map[string]time.Time
	targets   map[string][]byte
	signers   map[string][]string // by role, where they differ from keys
	change    struct {
		root      func(*metadata.RootType)
		targets   func(*metadata.TargetsType)
		snapshot  func(*metadata.SnapshotType)
		timestamp func(*metadata.TimestampType)
	}
}

func newParty(t testing.TB, files tree, kind, name string) *party {
	p := &party{t: t, name: name, dir: kind + "/" + name, files: files, threshold: map[string]int{}, versions: map[string]int64{}, expires: map[string]time.Time{}, targets: map[string][]byte{}, signers: map[string][]string{}}
	p.keys = map[string][]string{
		"root": {name + " root 1", name + " root 2"}, "targets": {name + " targets 1", name + " targets 2"},
		"snapshot": {name + " snapshot"}, "timestamp": {name + " timestamp"},
	}
	for role, keys := range p.keys {
		p.threshold[role] = len(keys)
		p.expires[role] = start.AddDate(0, 0, 30)
	}
	p.expires["timestamp"] = start.AddDate(0, 0, 3)
	p.rotate()
	return p
}

// rotate publishes the next root: the keys as they are now, signed by the old and
// the new ones.
func (p *party) rotate(formerly ...string) {
	m := metadata.Root(p.expires["root"])
	p.rootAt++
	m.Signed.Version = p.rootAt
	for role, names := range p.keys {
		for _, name := range names {
			if err := m.Signed.AddKey(tufKey(p.t, name), role); err != nil {
				p.t.Fatal(err)
			}
		}
		m.Signed.Roles[role].Threshold = p.threshold[role]
	}
	if p.change.root != nil {
		p.change.root(&m.Signed)
	}
	p.files[fmt.Sprintf("%s/metadata/%d.root.json", p.dir, p.rootAt)] = sign(p.t, m, append(p.by("root"), formerly...)...)
}

func (p *party) by(role string) []string {
	if names, ok := p.signers[role]; ok {
		return names
	}
	return p.keys[role]
}

// publish writes targets, snapshot and timestamp, each one version further.
func (p *party) publish() {
	targets := metadata.Targets(p.expires["targets"])
	for name, data := range p.targets {
		f, err := metadata.TargetFile().FromBytes(name, data, "sha256")
		if err != nil {
			p.t.Fatal(err)
		}
		targets.Signed.Targets[name] = f
		p.files[fmt.Sprintf("targets/%x", sha256.Sum256(data))] = data
	}
	p.versions["targets"]++
	targets.Signed.Version = p.versions["targets"]
	if p.change.targets != nil {
		p.change.targets(&targets.Signed)
	}
	data := sign(p.t, targets, p.by("targets")...)
	p.files[fmt.Sprintf("%s/metadata/%d.targets.json", p.dir, targets.Signed.Version)] = data
	p.publishOnline(map[string]*metadata.MetaFiles{"targets.json": metaFile(targets.Signed.Version, data)})
}

func (p *party) publishOnline(files map[string]*metadata.MetaFiles) {
	snapshot := metadata.Snapshot(p.expires["snapshot"])
	p.versions["snapshot"]++
	snapshot.Signed.Version, snapshot.Signed.Meta = p.versions["snapshot"], files
	if p.change.snapshot != nil {
		p.change.snapshot(&snapshot.Signed)
	}
	data := sign(p.t, snapshot, p.by("snapshot")...)
	p.files[fmt.Sprintf("%s/metadata/%d.snapshot.json", p.dir, snapshot.Signed.Version)] = data

	timestamp := metadata.Timestamp(p.expires["timestamp"])
	p.versions["timestamp"]++
	timestamp.Signed.Version = p.versions["timestamp"]
	timestamp.Signed.Meta = map[string]*metadata.MetaFiles{"snapshot.json": metaFile(snapshot.Signed.Version, data)}
	if p.change.timestamp != nil {
		p.change.timestamp(&timestamp.Signed)
	}
	p.files[p.dir+"/metadata/timestamp.json"] = sign(p.t, timestamp, p.by("timestamp")...)
}

func metaFile(version int64, data []byte) *metadata.MetaFiles {
	sum := sha256.Sum256(data)
	return &metadata.MetaFiles{Version: version, Length: int64(len(data)), Hashes: metadata.Hashes{"sha256": sum[:]}}
}

// world is a maker, an authority, a log with a witness, and a device.
type world struct {
	t           testing.TB
	files       tree
	maker, ptb  *party
	policy      []byte
	anchors     map[string][]byte
	logHashes   []tlog.Hash
	logged      []manifest.Digest
	now         time.Time
	disk        durable.FS
	sources     []trust.Source
	seen        map[string]trust.Seen
	limits      trust.Limits
	witnessedAt time.Time
	device      trust.Device
}

func newWorld(t testing.TB) *world {
	w := &world{t: t, files: tree{}, now: start, witnessedAt: start, disk: powercut.New()}
	w.device = trust.Device{Model: "TIL", Jurisdiction: "DE", Highest: map[manifest.Scope]uint64{manifest.Application: 3}}
	w.maker, w.ptb = newParty(t, w.files, "maker", "maker"), newParty(t, w.files, "authority", "ptb")
	w.sources = []trust.Source{w.files}
	w.anchors = map[string][]byte{"maker": w.files["maker/maker/metadata/1.root.json"], "ptb": w.files["authority/ptb/metadata/1.root.json"]}
	w.policy = []byte(w.policyText(map[string]string{}))
	w.maker.publish()
	w.ptb.publish()
	return w
}

// policyText is the device's policy; replace changes it for tests of policies.
func (w *world) policyText(replace map[string]string) string {
	get := func(name, otherwise string) string {
		if v, ok := replace[name]; ok {
			return v
		}
		return otherwise
	}
	boot := `{"format":"plomb-boot-policy/1","serial":1,"maker":{"name":"maker","threshold":1,"keys":["` + noteVerifier("maker") + `"]},"bodies":[{"name":"ptb","threshold":1,"keys":["` +
		noteVerifier("ptb") + `"],"jurisdictions":["DE"]}],"legal":"every-body"}`
	repository := func(name string, extra string) string {
		return fmt.Sprintf(`{"name":%q,"root":%q,"rootThreshold":2,"targetsThreshold":2%s}`, name, manifest.Sum(w.anchors[name]), extra)
	}
	logKey, _ := proof.NewVerifier("releases.example", key("log").Public().(ed25519.PublicKey))
	witness, _ := proof.NewCosigner("witness.example", key("witness"))
	log, _ := json.Marshal(fmt.Sprintf("log %s\nwitness w %s\nquorum w\n", logKey, witness.Verifier()))
	return `{"format":"plomb-trust-policy/1","serial":1,"boot":` + get("boot", boot) + `,"maker":` + get("maker", repository("maker", get("extra", ""))) +
		`,"bodies":` + get("bodies", "["+repository("ptb", "")+"]") + `,"log":` + get("log", string(log)) + `,"freshness":` + get("freshness", `{"warn":"24h","stop":"720h"}`) + `}`
}

func noteSigner(t testing.TB, name string) note.Signer {
	t.Helper()
	hash := noteHash(name)
	s, err := note.NewSigner(fmt.Sprintf("PRIVATE+KEY+%s+%08x+%s", name, hash, base64.StdEncoding.EncodeToString(append([]byte{1}, key("note "+name).Seed()...))))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func notePublic(name string) []byte {
	return append([]byte{1}, key("note "+name).Public().(ed25519.PublicKey)...)
}

func noteHash(name string) uint32 {
	sum := sha256.Sum256(append([]byte(name+"\n"), notePublic(name)...))
	return binary.BigEndian.Uint32(sum[:])
}

func noteVerifier(name string) string {
	return fmt.Sprintf("%s+%08x+%s", name, noteHash(name), base64.StdEncoding.EncodeToString(notePublic(name)))
}

// release is a manifest with this counter.
func (w *world) release(counter uint64, change ...func(*manifest.Manifest)) (manifest.Digest, []byte) {
	w.t.Helper()
	c, err := manifest.Measure(bytes.NewReader(fmt.Appendf(nil, "program %d", counter)))
	if err != nil {
		w.t.Fatal(err)
	}
	m := &manifest.Manifest{
		Format: manifest.Format, Identity: "0PLMTIL02-20261122", Scope: manifest.Application, Counter: counter, Legal: true,
		Issued: start, Jurisdictions: []string{"DE"}, Certificate: "DE-26-1",
		Components:    []manifest.Component{{Name: "plomb", Kind: manifest.Program, Legal: true, Path: "bin/plomb", Mode: 0o755, Length: c.Length, SHA256: c.SHA256, Root: c.Root}},
		Compatibility: manifest.Compatibility{Models: []string{"TIL"}, Platforms: []string{"linux/amd64"}},
	}
	for _, f := range change {
		f(m)
	}
	data, err := m.Encode()
	if err != nil {
		w.t.Fatal(err)
	}
	return manifest.Sum(data), data
}

// offer lets both parties approve, sign, log and publish a release.
func (w *world) offer(counter uint64, change ...func(*manifest.Manifest)) manifest.Digest {
	w.t.Helper()
	digest, data := w.release(counter, change...)
	w.maker.targets[trust.ReleaseTarget(digest)] = data
	w.ptb.targets[trust.ReleaseTarget(digest)] = data
	w.approve(digest, nil)
	w.signNote(digest, data, "maker", "ptb")
	w.log(digest)
	w.publish()
	return digest
}

func (w *world) publish() {
	w.maker.publish()
	w.ptb.publish()
}

func (w *world) approve(digest manifest.Digest, change func(*trust.Approval)) {
	w.t.Helper()
	a := trust.Approval{Format: trust.ApprovalFormat, Release: digest, Body: "ptb", Certificate: "DE-26-1", Models: []string{"TIL"}, Jurisdictions: []string{"DE"}, NotBefore: start.AddDate(0, -1, 0), NotAfter: start.AddDate(1, 0, 0)}
	if change != nil {
		change(&a)
	}
	data, err := a.Encode()
	if err != nil {
		w.t.Fatal(err)
	}
	w.ptb.targets[trust.ApprovalTarget(digest)] = data
}

func (w *world) withdraw(by *party, digest manifest.Digest) {
	w.t.Helper()
	s := trust.Withdrawal{Format: trust.WithdrawalFormat, Release: digest, Party: by.name, Reason: "prints the wrong total", Deadline: w.now.AddDate(0, 0, 7), Action: trust.Block}
	data, err := s.Encode()
	if err != nil {
		w.t.Fatal(err)
	}
	by.targets[trust.WithdrawalTarget(digest)] = data
	by.publish()
}

func (w *world) signNote(digest manifest.Digest, data []byte, names ...string) {
	w.t.Helper()
	var signers []note.Signer
	for _, name := range names {
		signers = append(signers, noteSigner(w.t, name))
	}
	signed, err := manifest.Sign(data, signers...)
	if err != nil {
		w.t.Fatal(err)
	}
	w.files["notes/"+digest.String()] = signed
}

func (w *world) ReadHashes(at []int64) (out []tlog.Hash, err error) {
	for _, i := range at {
		out = append(out, w.logHashes[i])
	}
	return out, nil
}

// log enters a release and writes the proof of every release anew.
func (w *world) log(digest manifest.Digest) {
	w.t.Helper()
	more, err := tlog.StoredHashes(int64(len(w.logged)), releaselog.Entry(releaselog.Released, digest), w)
	if err != nil {
		w.t.Fatal(err)
	}
	w.logHashes, w.logged = append(w.logHashes, more...), append(w.logged, digest)
	root, err := tlog.TreeHash(int64(len(w.logged)), w)
	if err != nil {
		w.t.Fatal(err)
	}
	c := proof.Checkpoint{Origin: "releases.example", Size: uint64(len(w.logged)), Root: root}
	name, _ := proof.NewVerifier("releases.example", key("log").Public().(ed25519.PublicKey))
	witness, _ := proof.NewCosigner("witness.example", key("witness"))
	sig, err := witness.Sign(c, uint64(w.witnessedAt.Unix()))
	if err != nil {
		w.t.Fatal(err)
	}
	signed := proof.AddSignature(proof.Note(c, name.Name(), name.KeyHash(), ed25519.Sign(key("log"), c.Text())), "witness.example", witness.Verifier().KeyHash(), sig)
	for i, d := range w.logged {
		path, err := proof.ProveInclusion(c.Size, uint64(i), w)
		if err != nil {
			w.t.Fatal(err)
		}
		w.files["proofs/"+d.String()] = (&proof.Inclusion{Index: uint64(i), Path: path, Note: signed}).Text()
	}
}

// open opens the device's trust on its disk; each call is a start of the till.
func (w *world) open() *trust.Trust {
	w.t.Helper()
	tr, err := w.tryOpen()
	if err != nil {
		w.t.Fatal(err)
	}
	return tr
}

func (w *world) tryOpen() (*trust.Trust, error) {
	p, err := trust.ParsePolicy(w.policy)
	if err != nil {
		return nil, err
	}
	return trust.Open(trust.Config{Policy: p, Anchors: w.anchors, Sources: w.sources, FS: w.disk, Dir: "trust", Now: func() time.Time { return w.now }, Built: start.AddDate(0, 0, -1), Seen: w.seen, Limits: w.limits})
}

// refreshed is a device that has just refreshed.
func (w *world) refreshed() *trust.Trust {
	w.t.Helper()
	tr := w.open()
	if err := tr.Refresh(w.t.Context()); err != nil {
		w.t.Fatalf("refresh: %v", err)
	}
	return tr
}

// refused asserts that the release is refused at a stage for a reason.
func (w *world) refused(tr *trust.Trust, digest manifest.Digest, stage trust.Stage, reason error) {
	w.t.Helper()
	d := tr.Decide(w.t.Context(), digest, w.device)
	if d.Allowed() {
		w.t.Fatalf("allowed, want %s: %v", stage, reason)
	}
	for _, r := range d.Reasons {
		if r.Stage == stage && errors.Is(r, reason) {
			return
		}
	}
	w.t.Errorf("refused with %v, want %s: %v", d.Err(), stage, reason)
}

func (w *world) allowed(tr *trust.Trust, digest manifest.Digest) {
	w.t.Helper()
	if d := tr.Decide(w.t.Context(), digest, w.device); !d.Allowed() {
		w.t.Fatalf("refused: %v", d.Err())
	}
}

// fails asserts that a refresh fails for a reason, and changes nothing about a
// release that was allowed before.
func (w *world) fails(tr *trust.Trust, reason error) {
	w.t.Helper()
	if err := tr.Refresh(w.t.Context()); !errors.Is(err, reason) {
		w.t.Errorf("refresh: %v, want %v", err, reason)
	}
}

func (f tree) clone() tree { return maps.Clone(f) }
