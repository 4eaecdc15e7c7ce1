package device_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/plomb-pos/plomb/internal/releasetest"
	"github.com/plomb-pos/plomb/update"
	"github.com/plomb-pos/plomb/update/bundle"
	"github.com/plomb-pos/plomb/update/device"
	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/release"
	"github.com/plomb-pos/plomb/update/releaselog"
	"github.com/plomb-pos/plomb/update/slot"
)

// unpacked is a stick with a repository of one release, laid out in files.
func (w *till) unpacked(digest manifest.Digest) string {
	w.Helper()
	dir := filepath.Join(w.TempDir(), "stick")
	must(w, bundle.Extract(bytes.NewReader(w.bundle(digest)), dir, 1<<30))
	return dir
}

// bundle is the bundle of a release.
func (w *till) bundle(digest manifest.Digest) []byte {
	w.Helper()
	var whole bytes.Buffer
	must(w, w.Repo.Bundle(&whole, digest))
	return whole.Bytes()
}

// with starts the till anew with other sources.
func (w *till) with(sources ...string) {
	w.Helper()
	w.from = sources
	w.start()
}

// copied makes the device a copy of another one's folder, with sources of its own.
func (w *till) copied(t *testing.T, root string, sources ...string) {
	t.Helper()
	w.root = filepath.ToSlash(filepath.Join(t.TempDir(), "device"))
	must(t, os.CopyFS(w.root, os.DirFS(root)))
	w.hold, w.history = false, nil
	w.with(sources...)
}

// A pipe in place of a file waits for a writer that never comes; a device file would
// do worse. Neither is opened.
func TestAPipeOnAStickHoldsNothingUp(t *testing.T) {
	w := newShop(t).installed()
	second, was := w.release(2), w.root
	for _, name := range []string{"maker/maker/metadata/timestamp.json", "authority/authority/metadata/2.root.json", "campaign.json", "notes/" + second.Digest().String()} {
		dir := w.unpacked(second.Digest())
		file := filepath.Join(dir, filepath.FromSlash(name))
		must(t, os.RemoveAll(file))
		must(t, syscall.Mkfifo(file, 0o600))
		w.copied(t, was, dir)
		w.clock.pass(2 * time.Minute)
		ended := make(chan update.Result, 1)
		go func() {
			r, _ := w.agent.Update(t.Context())
			ended <- r
		}()
		select {
		case r := <-ended:
			if r.Restart != (name == "campaign.json") { // there is none
				t.Errorf("with a pipe as %s: %+v", name, r)
			}
		case <-time.After(30 * time.Second):
			t.Fatalf("a pipe as %s holds the agent up", name)
		}
	}
	w.copied(t, was, w.unpacked(second.Digest()))
	w.updates(2)
}

// The configured server sends a till to another one: to the shop's own network, for
// instance, where a till may ask what a stranger may not.
func TestAServerCannotSendATillElsewhere(t *testing.T) {
	var asked atomic.Int64
	inside := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	t.Cleanup(inside.Close)
	s := newShop(t)
	files := http.FileServer(http.Dir(s.Repository()))
	var turned atomic.Bool
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if turned.Load() {
			http.Redirect(w, r, inside.URL+"/drawer/open", http.StatusFound)
			return
		}
		files.ServeHTTP(w, r)
	}))
	t.Cleanup(web.Close)
	w := s.installed(func(n *device.New) { n.Config.Sources = []string{web.URL} })
	w.release(2)
	turned.Store(true)
	if err := w.refuses(); err == nil {
		t.Error("a server that only sends elsewhere is no error")
	}
	if n := asked.Load(); n > 0 {
		t.Errorf("another server was asked %d times", n)
	}
	turned.Store(false)
	w.updates(2)
}

// files are the files of a bundle.
func files(t *testing.T, packed []byte) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	must(t, bundle.Read(bytes.NewReader(packed), 1<<30, func(f bundle.File, content io.Reader) (err error) {
		out[f.Name], err = io.ReadAll(content)
		return err
	}))
	return out
}

// bundled is a bundle of files.
func bundled(t *testing.T, files map[string][]byte) []byte {
	t.Helper()
	var list []bundle.File
	for name, data := range files {
		list = append(list, bundle.File{Name: name, Bytes: int64(len(data)), SHA256: manifest.Sum(data)})
	}
	var out bytes.Buffer
	must(t, bundle.Write(&out, list, func(name string) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(files[name])), nil }))
	return out.Bytes()
}

// without takes a party's signatures out of a note.
func without(note []byte, party string) []byte {
	var out []byte
	for line := range bytes.Lines(note) {
		if !bytes.HasPrefix(line, []byte("— "+party+" ")) {
			out = append(out, line...)
		}
	}
	return out
}

// dropped are the files of a bundle but those that lie below a folder.
func dropped(files map[string][]byte, folder string) map[string][]byte {
	out := maps.Clone(files)
	maps.DeleteFunc(out, func(name string, _ []byte) bool { return strings.HasPrefix(name, folder) })
	return out
}

// Requirement: DL-01
// Requirement: DL-04
func TestABundleThatLacksAnyOfItsPartsIsRefusedForThatReason(t *testing.T) {
	type parts = map[string][]byte
	w := newShop(t).installed()
	whole, was := w.bundle(w.release(2).Digest()), w.root
	reasons := map[string]string{}
	for name, c := range map[string]struct {
		lack func(t *testing.T, f parts, id string) []byte
		says string
	}{
		"the payload":               {func(t *testing.T, f parts, _ string) []byte { return bundled(t, dropped(f, "packs/")) }, "packs/"},
		"the sums of its frames":    {func(t *testing.T, f parts, _ string) []byte { return bundled(t, dropped(f, "tables/")) }, "tables/"},
		"identity and version":      {func(t *testing.T, f parts, id string) []byte { return bundled(t, dropped(f, "targets/"+id)) }, "targets/"},
		"the checksum of its files": {func(t *testing.T, f parts, _ string) []byte { return unsummed(bundled(t, f)) }, bundle.ErrFormat.Error()},
		"the maker's signature": {func(t *testing.T, f parts, id string) []byte {
			f["notes/"+id] = without(f["notes/"+id], releasetest.Maker)
			return bundled(t, f)
		}, `"maker" has not signed`},
		"the authority's signature": {func(t *testing.T, f parts, id string) []byte {
			f["notes/"+id] = without(f["notes/"+id], releasetest.Authority)
			return bundled(t, f)
		}, `"authority" has not signed`},
		"any signature":             {func(t *testing.T, f parts, id string) []byte { return bundled(t, dropped(f, "notes/")) }, manifest.ErrUnsigned.Error() + ": fetch"},
		"the authority's metadata":  {func(t *testing.T, f parts, id string) []byte { return bundled(t, dropped(f, "authority/")) }, "authority: "},
		"the proof of being logged": {func(t *testing.T, f parts, _ string) []byte { return bundled(t, dropped(f, "proofs/")) }, releaselog.ErrUnlogged.Error()},
	} {
		t.Run(name, func(t *testing.T) {
			stick := t.TempDir()
			w.copied(t, was, stick)
			must(t, os.WriteFile(stick+"/till-2.plomb", c.lack(t, files(t, whole), w.all[2].Digest().String()), 0o600))
			err := w.refuses()
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("refused with %v, which does not say %q", err, c.says)
			}
			reasons[name] = c.says
			must(t, os.WriteFile(stick+"/till-2.plomb", whole, 0o600))
			w.clock.pass(2 * time.Hour)
			w.updates(2)
		})
	}
	seen := map[string]string{}
	for name, says := range reasons {
		if other, twice := seen[says]; twice {
			t.Errorf("without %s and without %s: both are refused for %q", name, other, says)
		}
		seen[says] = name
	}
}

// unsummed takes the checksums out of a bundle's index and keeps everything at its
// place.
func unsummed(packed []byte) []byte {
	return regexp.MustCompile(`"sha256":"[0-9a-f]{64}"`).ReplaceAllFunc(packed, func(b []byte) []byte {
		return append([]byte(`"sha256":""`), bytes.Repeat([]byte(" "), len(b)-len(`"sha256":""`))...)
	})
}

// What lies on a stick claims to be larger than all disks, has the same file a
// thousand times, or is nothing at all: the good bundle beside it is found.
func TestBombsOnAStickHarmNothing(t *testing.T) {
	stick := t.TempDir()
	w := newShop(t).installed(func(n *device.New) { n.Config.Sources = []string{stick} })
	whole := w.bundle(w.release(2).Digest())
	huge := regexp.MustCompile(`"bytes":\d`).ReplaceAll(whole, []byte(`"bytes":9`))
	for name, data := range map[string][]byte{
		"1-empty": nil, "2-zeros": make([]byte, 1<<20), "3-lies": huge, "4-cut": whole[:len(whole)-1],
		"5-gzip": {0x1f, 0x8b, 8, 0, 0, 0, 0, 0}, "6-index": append(slices.Clone(whole[:700]), bytes.Repeat([]byte("["), 1<<20)...),
	} {
		must(t, os.WriteFile(stick+"/"+name+".plomb", data, 0o600))
	}
	sparse, err := os.Create(stick + "/7-sparse.plomb")
	must(t, err)
	_, err = sparse.Write(whole[:1024])
	must(t, errors.Join(err, sparse.Truncate(1<<38), sparse.Close()))
	must(t, os.Mkdir(stick+"/8-folder.plomb", 0o700))
	must(t, os.Symlink("/dev/zero", stick+"/9-link.plomb"))
	w.rejected(bundle.ErrFormat)
	must(t, os.Symlink("/", stick+"/maker"))
	if err := w.refuses(); err == nil {
		t.Error("a link that leads out of the stick is no error")
	}
	must(t, os.Remove(stick+"/maker"))
	must(t, os.WriteFile(stick+"/till-2.plomb", whole, 0o600))
	w.clock.pass(2 * time.Hour)
	w.updates(2)
}

// Every file that is written while running, empty, torn or with a bit flipped: the
// device finds its way by itself.
//
// Requirement: CU-06
// Requirement: CU-12
func TestWhateverHappensToWhatWasKeptTheDeviceFindsItsWay(t *testing.T) {
	w := newShop(t).installed()
	w.Campaign(manifest.Campaign{Release: w.release(2).Digest()})
	w.hold = true
	w.clock.pass(2 * time.Minute)
	if r, err := w.agent.Update(t.Context()); err != nil || r.Stage != update.Gated {
		t.Fatalf("%+v, %v", r, err)
	}
	was := w.root
	for i, name := range below(t, was, "trust", "download") {
		whole, err := os.ReadFile(filepath.Join(was, name))
		must(t, err)
		for n, data := range [][]byte{{}, whole[:len(whole)/2], flipped(whole)} {
			if testing.Short() && n != i%3 {
				continue
			}
			must(t, os.WriteFile(filepath.Join(was, name), data, 0o600))
			w.copied(t, was)
			must(t, os.WriteFile(filepath.Join(was, name), whole, 0o600))
			w.clock.pass(2 * time.Minute)
			if r, err := w.agent.Update(t.Context()); err != nil || !r.Restart {
				t.Errorf("%s, %d of its %d bytes: %+v, %v\n%s", name, len(data), len(whole), r, err, w.story())
			}
			must(t, os.RemoveAll(w.root))
		}
	}
}

func flipped(data []byte) []byte {
	out := slices.Clone(data)
	if len(out) > 0 {
		out[len(out)/2] ^= 4
	}
	return out
}

// below lists the files in folders of a device.
func below(t *testing.T, root string, folders ...string) (names []string) {
	t.Helper()
	for _, folder := range folders {
		must(t, fs.WalkDir(os.DirFS(root), folder, func(name string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() {
				names = append(names, name)
			}
			return err
		}))
	}
	if len(names) < 8 {
		t.Fatalf("only %v", names)
	}
	return names
}

// The deployer's keys are a thief's: he names what the maker built and nobody
// confirmed, what nobody has, and again and again another campaign.
//
// Requirement: CU-17
func TestAHubInAThiefsHandsInstallsNothingThatWasNotReleased(t *testing.T) {
	w := newShop(t).installed()
	r := w.Build(releasetest.Plan{Counter: 2, Program: program(2, size)})
	must(t, r.Register(w.Maker, w.Now()))
	must(t, os.WriteFile(filepath.Join(w.Repository(), "targets", r.Digest().String()), encoded(t, r.Manifest), 0o600))
	for range 8 {
		for _, d := range []manifest.Digest{r.Digest(), manifest.Sum([]byte("nothing")), w.all[1].Digest()} {
			w.Campaign(manifest.Campaign{Release: d, Urgency: manifest.Urgent, Attempts: 10})
			if err := w.refuses(); err == nil && d != w.all[1].Digest() {
				t.Errorf("%s: refused without a word", d)
			}
		}
	}
	if len(w.history) > 2*24 {
		t.Errorf("%d entries for 24 campaigns", len(w.history))
	}
	if names := left(t, w.root+"/download"); len(names) > 1 {
		t.Errorf("something was fetched: %v", names)
	}
	w.release(3) // the real deployer's word counts again with the next serial
	w.Campaign(manifest.Campaign{Release: w.all[3].Digest()})
	w.updates(3)
}

func encoded(t *testing.T, m *manifest.Manifest) []byte {
	t.Helper()
	text, err := m.Encode()
	must(t, err)
	return text
}

func left(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	must(t, err)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// A deployer's thief may put a till off for ever, but not past its maker's word: what
// runs is withdrawn, and the till says so and stops.
//
// Requirement: CU-06
// Requirement: CU-17
func TestAHubThatOrdersNothingCannotKeepAWeakReleaseSelling(t *testing.T) {
	w := newShop(t).installed(func(n *device.New) { n.Config.Take = device.Campaign })
	w.release(2)
	w.Campaign(manifest.Campaign{Device: manifest.Sum([]byte("nobody")).String(), Release: w.all[2].Digest()})
	must(t, w.refuses())
	w.Withdraw(w.Maker, w.all[1].Digest(), "a weakness", w.Now(), true)
	must(t, w.refuses())
	if got := w.device.Withdrawn(slot.A); len(got) != 1 || !got[0].Due(w.device.Now()) {
		t.Errorf("%+v", got)
	}
}

// An older entitlement of the same device, put back by somebody who kept it, takes
// nothing away.
//
// Requirement: CU-17
func TestAnOldEntitlementPutBackChangesNothing(t *testing.T) {
	w := newShop(t).installed()
	w.unentitled(2)
	name := manifest.EntitlementName(w.all[2].Digest(), w.key.ID())
	w.EntitleUntil(w.all[2], w.key.Public(), w.Now().Add(time.Hour))
	old, err := os.ReadFile(filepath.Join(w.Repository(), name))
	must(t, err)
	w.Entitle(w.all[2], w.key.Public())
	w.hold = true
	w.clock.pass(2 * time.Minute)
	if _, err := w.agent.Update(t.Context()); err != nil {
		t.Fatal(err)
	}
	must(t, w.Repo.Put(name, old))
	w.hold = false
	w.clock.pass(2 * time.Hour)
	w.updates(2)
}

// Whoever copies all of one device, key and content key included, opens nothing of
// another: each has its own wrapping, the other's key does not fit, and no secret
// signs anything.
//
// Requirement: CU-04
func TestWhatIsTakenFromOneDeviceOpensNothingOfAnother(t *testing.T) {
	s := newShop(t)
	one := s.installed()
	two := s.second(s.server(), one)
	second := s.release(2)
	s.Entitle(second, two.key.Public())
	stolen := two.key
	mine, err := os.ReadFile(filepath.Join(s.Repository(), manifest.EntitlementName(second.Digest(), one.key.ID())))
	must(t, err)
	theirs, err := os.ReadFile(filepath.Join(s.Repository(), manifest.EntitlementName(second.Digest(), stolen.ID())))
	must(t, err)
	if bytes.Equal(mine, theirs) {
		t.Error("two devices have the same entitlement")
	}
	must(t, s.Repo.Put(manifest.EntitlementName(second.Digest(), one.key.ID()), theirs))
	one.rejected(manifest.ErrDevice)
	// A copy of the first device's disk with the second one's key does not open either.
	key, err := os.ReadFile(two.root + "/boot/device.key")
	must(t, err)
	own, err := os.ReadFile(one.root + "/boot/device.key")
	must(t, err)
	if bytes.Equal(key, own) {
		t.Fatal("two devices have the same key")
	}
	must(t, s.Repo.Put(manifest.EntitlementName(second.Digest(), one.key.ID()), mine))
	must(t, os.WriteFile(one.root+"/boot/device.key", key, 0o600))
	one.start()
	must(t, s.Repo.Put(manifest.EntitlementName(second.Digest(), stolen.ID()), mine))
	one.clock.pass(2 * time.Hour)
	one.rejected(manifest.ErrDevice)
	must(t, os.WriteFile(one.root+"/boot/device.key", own, 0o600))
	one.start()
	one.clock.pass(2 * time.Hour)
	one.updates(2)
}

// Whoever has both parties' online keys, for timestamp and snapshot, and the network may
// say for a while that nothing is new: until the targets run out, which those keys do
// not sign.
//
// Requirement: CU-03
// Requirement: CU-06
func TestAThiefOfTheOnlineKeysFreezesForAYearAtMost(t *testing.T) {
	w := newShop(t).installed()
	must(t, w.refuses())
	for _, o := range []*release.Office{w.Maker, w.Authority} {
		must(t, o.Refresh(w.Now().AddDate(20, 0, 0))) // good in twenty years
		must(t, o.Push(w.Repo))
	}
	w.clock.pass(2 * time.Minute)
	_, _ = w.agent.Update(t.Context())
	w.clock.pass(366 * 24 * time.Hour)
	_, _ = w.agent.Update(t.Context())
	if f := w.agent.Freshness(); !f.StopSelling {
		t.Errorf("a year later: %+v", f)
	}
}

// A proxy that everything passes through, the way of a shop's network, sees names and
// sizes and nothing of the program; what it changes is not installed.
//
// Requirement: CU-13
func TestAProxyThatRecordsAndChangesEverythingGainsNothing(t *testing.T) {
	var c capture
	var harm atomic.Bool
	proxy := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		req := r.Clone(r.Context())
		req.RequestURI = ""
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			http.Error(rw, err.Error(), http.StatusBadGateway)
			return
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		c.mu.Lock()
		c.sent.Write(body)
		c.mu.Unlock()
		if harm.Load() && strings.Contains(r.URL.Path, "/packs/") {
			body = flipped(body)
		}
		maps.Copy(rw.Header(), resp.Header)
		rw.WriteHeader(resp.StatusCode)
		_, _ = rw.Write(body)
	}))
	t.Cleanup(proxy.Close)
	w := newShop(t).installed(func(n *device.New) { n.Config.Proxy = proxy.URL })
	secret := bytes.Repeat([]byte("the till's next program "), 60_000)
	w.all[2] = w.Release(releasetest.Plan{Counter: 2, Program: secret})
	w.Entitle(w.all[2], w.key.Public())
	harm.Store(true)
	if err := w.refuses(); err == nil {
		t.Error("bytes that the proxy changed are no error")
	}
	harm.Store(false)
	w.clock.pass(2 * time.Hour)
	w.updates(2)
	if c.sent.Len() == 0 || bytes.Contains(c.sent.Bytes(), []byte("till's next")) {
		t.Errorf("the proxy saw %d bytes, the program among them", c.sent.Len())
	}
}

// Requirement: CU-16
func TestNoPrivateKeyOfAnybodyLiesOnADeviceOrInItsHistory(t *testing.T) {
	w := newShop(t).installed()
	w.release(2)
	w.updates(2)
	w.launches()
	secrets := regexp.MustCompile(`PRIVATE KEY|AGE-SECRET-KEY-|age-encryption\.org|plomb-key/`)
	each(t, w.root, func(name string, data []byte) {
		if found := secrets.Find(data); found != nil && name != "device.key" {
			t.Errorf("%s has %q", name, found)
		}
	})
	if found := secrets.FindString(w.story()); found != "" {
		t.Errorf("the history has %q", found)
	}
	each(t, w.Repository(), func(name string, data []byte) {
		if found := secrets.Find(data); found != nil {
			t.Errorf("the repository's %s has %q", name, found)
		}
	})
}

// A witness whose key is a thief's, or whose clock is wrong, puts the device decades
// ahead, where everything has run out. It says so, and a person who knows the time brings
// it back.
//
// Requirement: CU-06
func TestATimeThatAWitnessInventedIsForgottenWhenAPersonSaysSo(t *testing.T) {
	w := newShop(t).installed()
	must(t, w.refuses())
	second := w.Build(releasetest.Plan{Counter: 2, Program: program(2, size)})
	must(t, second.Register(w.Maker, w.Now()))
	must(t, second.Approve(w.Authority, release.Certificate{Models: []string{releasetest.Model}, NotBefore: w.Now(), NotAfter: w.Now().AddDate(90, 0, 0)}, w.Now()))
	must(t, second.Encrypt(w.Maker, w.Now()))
	must(t, w.Authority.Push(w.Repo))
	publish := func(at time.Time) {
		t.Helper()
		witness := release.OfficeWitness{Office: w.Authority, LogKey: w.Parties.Log, Now: func() time.Time { return at }}
		must(t, w.Maker.Publish(t.Context(), w.Repo, second, []release.Witness{witness}, w.Now()))
	}
	publish(w.Now().AddDate(60, 0, 0))
	w.Entitle(second, w.key.Public())
	if err := w.refuses(); !errors.Is(err, update.ErrClock) {
		t.Errorf("with a time of another century: %v", err)
	}
	if f := w.agent.Freshness(); f.StopSelling {
		t.Errorf("it sells no more, though the clock is what is in doubt: %+v", f)
	}
	w.release(3) // the log grows, and the proof of both is made anew
	publish(w.Now())
	w.start()
	if err := w.refuses(); err == nil {
		t.Error("forgotten by itself")
	}
	must(t, w.agent.ForgetTime(t.Context(), "op1"))
	w.clock.pass(time.Hour)
	w.updates(3)
}
