package update_test

import (
	"bytes"
	"context"
	crand "crypto/rand"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/plomb-pos/plomb/internal/powercut"
	"github.com/plomb-pos/plomb/update"
	"github.com/plomb-pos/plomb/update/frame"
	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/slot"
)

var opening = time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)

// maker makes releases; its repository has the layout that a source serves.
type maker struct {
	signer note.Signer
	policy *manifest.Policy
	repo   map[string][]byte
}

// release is one version as it lies in a slot, and as it is offered.
type release struct {
	manifest *manifest.Manifest
	files    map[string][]byte // by path below the slot
	offer    update.Offer
	digest   manifest.Digest
}

func newMaker() (*maker, error) {
	skey, vkey, err := note.GenerateKey(crand.Reader, "maker")
	if err != nil {
		return nil, err
	}
	signer, err := note.NewSigner(skey)
	if err != nil {
		return nil, err
	}
	p, err := manifest.ParsePolicy([]byte(`{"format":"plomb-boot-policy/1","serial":1,"legal":"maker-only","maker":{"name":"maker","threshold":1,"keys":["` + vkey + `"]}}`))
	return &maker{signer, p, map[string][]byte{}}, err
}

// contentKey seals all packs of the tests.
var contentKey = bytes.Repeat([]byte{7}, frame.KeySize)

// pack builds a pack and puts it into the repository.
func (m *maker) pack(id manifest.Identity, name string, old, data []byte) (manifest.Pack, error) {
	out, from := manifest.Pack{}, manifest.Digest{}
	if old != nil {
		from = manifest.Sum(old)
		out.From = &from
	}
	key, err := frame.NewKey(contentKey, id, name, from, manifest.Sum(data))
	if err != nil {
		return out, err
	}
	var pack bytes.Buffer
	table, err := frame.Build(context.Background(), &pack, old, data, frame.Options{Key: key})
	if err != nil {
		return out, err
	}
	out.Bytes, out.SHA256, out.Table = int64(pack.Len()), manifest.Sum(pack.Bytes()), manifest.Sum(table.Encode())
	m.repo["packs/"+out.SHA256.String()] = pack.Bytes()
	m.repo["tables/"+out.Table.String()] = table.Encode()
	return out, nil
}

// release makes a release of files, with deltas against the one before.
func (m *maker) release(counter uint64, before *release, files map[string][]byte, edit func(*manifest.Manifest)) (*release, error) {
	r := &release{files: files, manifest: &manifest.Manifest{
		Format: manifest.Format, Identity: manifest.Identity(fmt.Sprintf("0PLMTIL%02d-20261122", counter)), Scope: manifest.Application,
		Counter: counter, Floor: max(counter-1, 1), Legal: true, Issued: opening, Jurisdictions: []string{"DE"}, Certificate: "DE-26-M-0001",
		Compatibility: manifest.Compatibility{Platforms: []string{"linux/amd64"}, Models: []string{"TIL"}},
		Consent:       []manifest.Text{{Language: "en", Text: "The till is updated."}},
	}}
	names := slices.Sorted(func(yield func(string) bool) {
		for name := range files {
			if !yield(name) {
				return
			}
		}
	})
	for _, name := range names {
		c, err := m.component(r.manifest.Identity, name, files[name], before)
		if err != nil {
			return nil, err
		}
		r.manifest.Components = append(r.manifest.Components, c)
	}
	if edit != nil {
		edit(r.manifest)
	}
	return r, m.sign(r)
}

func (m *maker) component(id manifest.Identity, file string, data []byte, before *release) (c manifest.Component, err error) {
	content, err := manifest.Measure(bytes.NewReader(data))
	if err != nil {
		return c, err
	}
	c = manifest.Component{Name: path.Base(file), Kind: manifest.Data, Path: file, Length: content.Length, SHA256: content.SHA256, Root: content.Root}
	if strings.HasPrefix(file, "bin/") {
		c.Kind, c.Legal, c.Mode = manifest.Program, true, 0o755
	}
	full, err := m.pack(id, c.Name, nil, data)
	if err != nil {
		return c, err
	}
	c.Packs = []manifest.Pack{full}
	if before == nil || before.files[file] == nil || bytes.Equal(before.files[file], data) {
		return c, nil
	}
	delta, err := m.pack(id, c.Name, before.files[file], data)
	c.Packs = append(c.Packs, delta)
	return c, err
}

func (m *maker) sign(r *release) (err error) {
	if r.offer.Manifest, err = r.manifest.Encode(); err != nil {
		return err
	}
	r.offer.Note, err = manifest.Sign(r.offer.Manifest, m.signer)
	r.digest = manifest.Sum(r.offer.Manifest)
	return err
}

// shop is what all tests start from: version 1 installed, version 2 released.
type shop struct {
	*maker
	one, two *release
}

// theShop is made once: building packs is the slow part.
var theShop = sync.OnceValues(func() (s *shop, err error) {
	s = new(shop)
	if s.maker, err = newMaker(); err != nil {
		return nil, err
	}
	program := noise(1, manifest.FrameBytes+6000)
	first := map[string][]byte{"bin/plomb": program, "data/words": noise(2, 9000), "data/logo": noise(3, 5000)}
	if s.one, err = s.release(1, nil, first, nil); err != nil {
		return nil, err
	}
	next := bytes.Clone(program)
	for _, at := range []int{500, 40_000, 700_000, manifest.FrameBytes + 10} {
		copy(next[at:], noise(uint64(at), 900))
	}
	second := map[string][]byte{"bin/plomb": next, "data/words": append(noise(4, 700), first["data/words"]...), "data/logo": first["data/logo"], "data/new/song": noise(5, 12_000)}
	s.two, err = s.release(2, s.one, second, nil)
	return s, err
})

func noise(seed uint64, n int) []byte {
	out := make([]byte, n)
	rng := rand.New(rand.NewPCG(seed, 1))
	for i := range out {
		out[i] = byte(rng.Uint32())
	}
	return out
}

// till is a device with an agent, and everything that the agent sees of it.
type till struct {
	*shop
	t       testing.TB
	disk    *powercut.Disk
	policy  update.Policy
	sources []update.Source
	repo    *memory
	offer   *update.Offer
	trust   error // of Find
	refused error // of Approved
	valid   update.Validity
	hold    update.Hold
	answer  update.Answer
	spend   update.Answer
	seal    error
	log     func(manifest.Digest, []byte) error
	free    func() (int64, error)
	metered bool
	now     time.Time
	finds   int
	asked   []update.Request
	ended   int
	history []update.Event
	broken  error // of Record
}

func newTill(t testing.TB) *till {
	t.Helper()
	s, err := theShop()
	if err != nil {
		t.Fatal(err)
	}
	w := &till{shop: s, policy: update.Policy{Rate: update.Rate{Low: 1 << 40, Normal: 1 << 40, Urgent: 1 << 40}}, t: t, disk: powercut.New(), now: opening.Add(time.Hour), offer: &s.two.offer}
	w.repo = &memory{files: s.maker.repo}
	w.sources = []update.Source{w.repo}
	for _, dir := range []string{"/d", "/d/boot", "/d/slots", "/d/slots/a", "/d/slots/b", "/d/slots/a/bin", "/d/slots/a/data"} {
		w.must(w.disk.Mkdir(dir))
	}
	for name, data := range s.one.files {
		w.must(w.disk.WriteFile("/d/slots/a/"+name, data))
	}
	w.must(w.disk.WriteFile("/d/slots/a/manifest.json", s.one.offer.Manifest))
	w.must(w.disk.WriteFile("/d/slots/a/manifest.note", s.one.offer.Note))
	w.must(slot.Create(w.disk, "/d/boot", "/d/boot/table", slot.Table{Manifests: [2]manifest.Digest{s.one.digest}}.Raised(s.one.manifest)))
	for _, dir := range []string{"/", "/d", "/d/boot", "/d/slots", "/d/slots/a", "/d/slots/b"} {
		w.must(w.disk.SyncDir(dir))
	}
	return w
}

func (w *till) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *till) check() slot.Check {
	return slot.Check{Policy: w.maker.policy, Device: slot.Device{Model: "TIL", Platform: "linux/amd64", Jurisdiction: "DE"}, Log: w.log}
}

// config is the agent's, with the till behind every interface.
func (w *till) config() update.Config {
	return update.Config{
		FS: w.disk, Root: "/d", Slot: slot.A, Check: w.check(), Trust: w, Sources: func() []update.Source { return w.sources },
		Recorder: w, Gate: w, Asker: w, Authoriser: w, Keys: w, Policy: w.policy, Free: w.free, Metered: func() bool { return w.metered },
		Now: func() time.Time { return w.now }, Built: opening.Add(-time.Hour), End: func() { w.ended++ },
	}
}

func (w *till) agent() *update.Agent {
	w.t.Helper()
	if w.policy.Rate == (update.Rate{}) {
		w.policy.Rate = update.Rate{Low: 1 << 40, Normal: 1 << 40, Urgent: 1 << 40}
	}
	a, err := update.New(w.config())
	w.must(err)
	return a
}

func (w *till) Find(context.Context) (*update.Offer, error) { w.finds++; return w.offer, w.trust }
func (w *till) Approved(*manifest.Manifest, manifest.Digest, time.Time) (string, error) {
	return "DE-26-M-0001", w.refused
}
func (w *till) Valid() update.Validity                    { return w.valid }
func (w *till) Hold(context.Context) (update.Hold, error) { return w.hold, nil }
func (w *till) Content(context.Context, *manifest.Manifest) ([]byte, error) {
	return contentKey, nil
}
func (w *till) Consent(_ context.Context, r update.Request) (update.Answer, error) {
	w.asked = append(w.asked, r)
	return w.answer, nil
}
func (w *till) Spend(_ context.Context, r update.Request) (update.Answer, error) {
	w.asked = append(w.asked, r)
	return w.spend, nil
}
func (w *till) Authorise(context.Context, update.Request) (string, error) { return "Ada", w.seal }
func (w *till) Record(_ context.Context, e update.Event) error {
	if w.broken == nil {
		w.history = append(w.history, e)
	}
	return w.broken
}

// story is the history in words: "stage outcome".
func (w *till) story() (out []string) {
	for _, e := range w.history {
		out = append(out, string(e.Stage)+" "+string(e.Outcome))
	}
	return out
}

func (w *till) last() update.Event {
	if len(w.history) == 0 {
		return update.Event{}
	}
	return w.history[len(w.history)-1]
}

func (w *till) table() slot.Table {
	w.t.Helper()
	f, _, err := slot.Open(w.disk, "/d/boot/table")
	w.must(err)
	return f.Table()
}

// starts is what the launcher would start from a disk: the version, whole.
func (w *till) starts(disk *powercut.Disk) (*slot.Release, slot.Plan, error) {
	f, _, err := slot.Open(disk, "/d/boot/table")
	if err != nil {
		return nil, slot.Plan{}, err
	}
	t := f.Table()
	var r *slot.Release
	p := slot.Next(t, func(s slot.Slot) (err error) {
		c := w.check()
		c.Floors = t.Floors
		r, err = c.Verify(disk, "/d/slots/"+s.String(), t.Manifests[s])
		return err
	})
	if p.Blocked {
		return nil, p, fmt.Errorf("blocked: %+v", p.Steps)
	}
	return r, p, nil
}

// notInstalled fails the test unless version 1 is what starts, as before.
func (w *till) notInstalled() {
	w.t.Helper()
	r, p, err := w.starts(w.disk)
	if err != nil || p.Trial || r.Digest != w.one.digest || w.ended > 0 {
		w.t.Errorf("version 1 was to stay: %+v, ended %d times, %v", p, w.ended, err)
	}
}

// installed fails the test unless version 2 is what is tried, whole.
func (w *till) installed() {
	w.t.Helper()
	r, p, err := w.starts(w.disk)
	if err != nil || !p.Trial || r.Digest != w.two.digest || w.ended == 0 {
		w.t.Fatalf("version 2 was to be tried: %+v, ended %d times, %v\n%s", p, w.ended, err, strings.Join(w.story(), "\n"))
	}
}

// memory is a source that counts, and harms what it sends.
type memory struct {
	name  string
	files map[string][]byte
	harm  func(name string, offset int64, data []byte) []byte // what it sends instead; nil: the truth
	sent  map[string][][2]int64                               // ranges asked for, by name
	bytes int64
	down  error
}

func (m *memory) String() string { return "memory" + m.name }

func (m *memory) Open(_ context.Context, name string, offset, length int64) (io.ReadCloser, error) {
	data, ok := m.files[name]
	if m.down != nil || !ok || offset > int64(len(data)) {
		return nil, errors.Join(update.ErrNotThere, m.down)
	}
	if m.sent == nil {
		m.sent = map[string][][2]int64{}
	}
	m.sent[name] = append(m.sent[name], [2]int64{offset, offset + length})
	data = data[offset:min(offset+length, int64(len(data)))]
	if m.harm != nil {
		data = m.harm(name, offset, bytes.Clone(data))
	}
	return &counted{m, name, bytes.NewReader(data)}, nil
}

type counted struct {
	m    *memory
	name string
	r    io.Reader
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	if strings.HasPrefix(c.name, "packs/") {
		c.m.bytes += int64(n)
	}
	return n, err
}

func (c *counted) Close() error { return nil }
