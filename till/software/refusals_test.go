package software_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/internal/releasetest"
	"github.com/plomb-pos/plomb/journal"
	"github.com/plomb-pos/plomb/seal"
	"github.com/plomb-pos/plomb/staff"
	"github.com/plomb-pos/plomb/till"
	"github.com/plomb-pos/plomb/till/software"
	"github.com/plomb-pos/plomb/till/tilltest"
	"github.com/plomb-pos/plomb/update"
	"github.com/plomb-pos/plomb/update/boot"
	"github.com/plomb-pos/plomb/update/device"
	"github.com/plomb-pos/plomb/update/manifest"
	steps "github.com/plomb-pos/plomb/update/release"
	"github.com/plomb-pos/plomb/update/slot"
)

// tilled is a real device whose agent writes into a real till's journal.
type tilled struct {
	*shop
	*releasetest.World
	root string
	key  *device.Key
	late time.Duration // how far its clock is ahead
	mark int           // steps that were seen
	safe *folder       // of the last pass
}

func newTilled(t *testing.T, s *shop) *tilled {
	t.Helper()
	w := &tilled{shop: s, root: filepath.ToSlash(filepath.Join(t.TempDir(), "device"))}
	w.World = releasetest.New(t, w.clock)
	var err error
	w.key, err = device.NewKey()
	must(t, err)
	w.release(1, nil)
	_, err = device.Provision(t.Context(), device.New{
		Root: w.root, Policy: w.TrustPolicy(), Facts: boot.Facts{Model: releasetest.Model, Jurisdiction: releasetest.Jurisdiction}, Key: w.key,
		Config: device.Config{Sources: []string{w.Repository()}, Deployer: &w.Parties.Deployer, Take: device.Released,
			Policy: device.Policy{Spacing: 1, Low: 1 << 40, Normal: 1 << 40, Urgent: 1 << 40}},
		Repository: w.Repository(), Now: w.clock,
	})
	must(t, err)
	return w
}

func (w *tilled) clock() time.Time { return time.Now().Add(w.late) }

func (w *tilled) release(counter uint64, change func(*manifest.Manifest)) *steps.Release {
	text := bytes.Repeat(fmt.Appendf(nil, "program %d ", counter), 2000)
	r := w.Release(releasetest.Plan{Counter: counter, Program: text, Change: change})
	w.Entitle(r, w.key.Public())
	return r
}

// device is the device as its till opens it.
func (w *tilled) device() *device.Device {
	w.t.Helper()
	d, err := device.Open(device.Options{Root: w.root, Now: w.clock})
	must(w.t, err)
	return d
}

// update makes one pass of the agent, as after a start of the till.
func (w *tilled) update() (update.Result, error) {
	w.t.Helper()
	d := w.device()
	w.safe = w.folder()
	w.Parts = software.New(w.Node, software.Config{Policy: d.Policy(), FS: durable.OS{}, Ring: d.Ring(), Backup: w.safe})
	must(w.t, w.Look(w.t.Context()))
	a, err := d.Agent(device.Till{Slot: slot.A, Recorder: w.Recorder, Gate: w.Gate, Asker: w.Asker, Authoriser: w.Authoriser, End: func() {}})
	must(w.t, err)
	return a.Update(w.t.Context())
}

// fresh are the entries since the last call.
func (w *tilled) fresh() []till.SoftwareRow {
	w.t.Helper()
	all := w.history()
	defer func() { w.mark = len(all) }()
	return all[w.mark:]
}

func (w *tilled) table() slot.Table {
	w.t.Helper()
	b, err := boot.Open(durable.OS{}, w.root)
	must(w.t, err)
	t, err := b.Table()
	must(w.t, err)
	return t
}

// harm changes a file of the repository, and changes it back.
func (w *tilled) harm(name string, change func([]byte) []byte) (back func()) {
	w.t.Helper()
	file := filepath.Join(w.Repository(), filepath.FromSlash(name))
	was, err := os.ReadFile(file)
	must(w.t, err)
	must(w.t, os.WriteFile(file, change(slices.Clone(was)), 0o600))
	return func() { must(w.t, os.WriteFile(file, was, 0o600)) }
}

func flip(b []byte) []byte { b[len(b)/2] ^= 1; return b }

// unsigned takes a party's lines out of a note.
func unsigned(party string) func([]byte) []byte {
	return func(b []byte) (out []byte) {
		for line := range bytes.Lines(b) {
			if !bytes.HasPrefix(line, []byte("— "+party+" ")) {
				out = append(out, line...)
			}
		}
		return out
	}
}

// Each way in which an update is refused is an entry of the till's journal that says
// when, what, and why; the software stays as it is.
//
// Requirement: DL-03
// Requirement: DL-04
// Requirement: DL-05
// Requirement: DL-06
// Requirement: DL-09
// Requirement: DL-15
func TestEveryRefusalIsAnEntryOfTheJournal(t *testing.T) {
	w := newTilled(t, open(t, software.Config{}))
	if _, err := w.update(); err != nil {
		t.Fatal(err)
	}
	w.fresh()
	was, two := w.root, w.release(2, nil)
	id, pack := two.Digest().String(), two.Manifest.Components[0].Packs[0]
	for _, c := range []struct {
		name        string
		harm        func() (back func())
		stage, says string
	}{
		{"a flipped byte of the payload", func() func() { return w.harm("packs/"+pack.SHA256.String(), flip) }, "downloaded failed", "frame"},
		{"a payload that is cut", func() func() {
			return w.harm("packs/"+pack.SHA256.String(), func(b []byte) []byte { return b[:len(b)-9] })
		}, "downloaded failed", "EOF"},
		{"a flipped byte of the sums", func() func() { return w.harm("tables/"+pack.Table.String(), flip) }, "downloaded failed", "other bytes"},
		{"a flipped byte of the manifest", func() func() { return w.harm("targets/"+id, flip) }, "announced rejected", "not the bytes that were signed"},
		{"a manifest with more bytes", func() func() { return w.harm("targets/"+id, func(b []byte) []byte { return append(b, ' ') }) }, "announced rejected", "bytes"},
		{"no signature of the maker", func() func() { return w.harm("notes/"+id, unsigned(releasetest.Maker)) }, "announced rejected", `"maker" has not signed`},
		{"no signature of the authority", func() func() { return w.harm("notes/"+id, unsigned(releasetest.Authority)) }, "announced rejected", `"authority" has not signed`},
		{"no proof of being logged", func() func() { return w.harm("proofs/"+id, flip) }, "announced rejected", "release log"},
		{"a signature of other bytes", func() func() { return w.harm("notes/"+id, flip) }, "announced rejected", "note"},
		{"for another model", func() func() {
			return w.ordered(3, func(m *manifest.Manifest) { m.Compatibility.Platforms = []string{"plan9/mips"} })
		}, "compatibility rejected", "plan9/mips"},
		{"over a newer version", func() func() {
			return w.ordered(9, func(m *manifest.Manifest) { m.Compatibility.From = 8 })
		}, "compatibility rejected", "counter 8"},
		{"withdrawn", func() func() {
			r := w.release(10, nil)
			w.Withdraw(w.Authority, r.Digest(), "it counts twice", w.clock(), true)
			w.Campaign(manifest.Campaign{Release: r.Digest()})
			return func() {}
		}, "announced rejected", "it counts twice"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w.root = filepath.ToSlash(filepath.Join(t.TempDir(), "device"))
			must(t, os.CopyFS(w.root, os.DirFS(was)))
			w.fresh()
			before := w.table()
			back := c.harm()
			_, err := w.update()
			back()
			if err == nil {
				t.Error("it is no error")
			}
			if w.table() != before {
				t.Fatal("the table changed")
			}
			rows := w.fresh()
			if !slices.ContainsFunc(rows, func(r till.SoftwareRow) bool {
				return r.Stage+" "+r.Outcome == c.stage && strings.Contains(r.Detail, c.says) && !r.At.IsZero() && !r.Time.IsZero()
			}) {
				t.Errorf("no entry says %s, %q (%v):", c.stage, c.says, err)
				for _, r := range rows {
					t.Logf("%s %s: %s", r.Stage, r.Outcome, r.Detail)
				}
			}
		})
	}
	w.Close()
	w.verify()
}

// Requirement: DL-09
// Requirement: DL-15
func TestOlderMetadataAreAnEntryOfTheJournal(t *testing.T) {
	w := newTilled(t, open(t, software.Config{}))
	name := "maker/maker/metadata/timestamp.json"
	old, err := os.ReadFile(filepath.Join(w.Repository(), name))
	must(t, err)
	w.Refresh()
	if _, err := w.update(); err != nil {
		t.Fatal(err)
	}
	w.fresh()
	defer w.harm(name, func([]byte) []byte { return old })()
	if _, err := w.update(); err == nil {
		t.Error("it is no error")
	}
	if rows := w.fresh(); len(rows) != 1 || rows[0].Stage+" "+rows[0].Outcome != "announced rejected" || !strings.Contains(rows[0].Detail, "maker") {
		t.Errorf("%+v", rows)
	}
}

// ordered is a release that the deployer orders by name.
func (w *tilled) ordered(counter uint64, change func(*manifest.Manifest)) (back func()) {
	w.Campaign(manifest.Campaign{Release: w.release(counter, change).Digest()})
	return func() {}
}

// A whole update is in the journal stage by stage, and whoever alters one of its
// entries is found out.
//
// Requirement: DL-09
func TestAnAlteredStageOfAnUpdateIsFoundByTheVerifier(t *testing.T) {
	w := newTilled(t, open(t, software.Config{}))
	w.release(2, nil)
	if r, err := w.update(); err != nil || !r.Restart {
		t.Fatalf("%+v, %v", r, err)
	}
	w.Close()
	w.verify()
	box, err := seal.Open(durable.OS{}, filepath.Join(w.Shop.Dir, "seal"))
	must(t, err)
	whole := filepath.Join(w.Shop.Dir, "e1")
	segments, err := filepath.Glob(filepath.Join(whole, "*"))
	must(t, err)
	tried := 0
	for _, name := range segments {
		data, err := os.ReadFile(name)
		if err != nil || int64(len(data)) < 4096 {
			continue
		}
		for at := len(data) / 3; at < len(data); at += max(len(data)/40, 512) {
			copied := filepath.Join(t.TempDir(), "e1")
			must(t, os.CopyFS(copied, os.DirFS(whole)))
			bent := slices.Clone(data)
			bent[at] ^= 1
			must(t, os.WriteFile(filepath.Join(copied, filepath.Base(name)), bent, 0o600))
			r, err := journal.Verify(t.Context(), copied, journal.VerifyOptions{Keys: box.JournalKeys()})
			if err == nil && r.Consistent() && bytes.ContainsFunc(data[at:min(at+64, len(data))], func(c rune) bool { return c != 0 }) {
				t.Errorf("%s, byte %d of %d: not found", filepath.Base(name), at, len(data))
			}
			tried++
		}
	}
	if tried < 20 {
		t.Errorf("only %d alterations were tried", tried)
	}
}

// A sale is open when the update could begin: it is finished, its receipt is printed,
// the journal is copied, and then the software changes.
//
// Requirement: DL-20
func TestASaleIsFinishedAndItsReceiptPrintedBeforeTheSoftwareChanges(t *testing.T) {
	s := &shop{t: t, agent: &agent{}}
	s.Shop = tilltest.New(t)
	s.join()
	w := newTilled(t, s)
	anna := s.As(staff.Supervisor)
	anna.Do("drawer.open")
	anna.Do("basket.add", "sku", "BRD-01")
	w.release(2, nil)
	before := w.table()
	for range 3 {
		if r, err := w.update(); err != nil || r.Restart || r.Stage != update.Gated {
			t.Fatalf("during a sale: %+v, %v", r, err)
		}
	}
	if w.table() != before {
		t.Fatal("the table changed during a sale")
	}
	receipt := anna.Pay("cash", 0)
	for end := time.After(20 * time.Second); len(s.Devices.Printer.Printed()) == 0; {
		select {
		case <-end:
			t.Fatal("no receipt was printed")
		case <-time.After(5 * time.Millisecond):
		}
	}
	if r, err := w.update(); err != nil || !r.Restart {
		t.Fatalf("after the sale: %+v, %v\n%q", r, err, s.steps())
	}
	last := receipt.Index
	for _, step := range []string{"gate done", "installed begun", "pointer done"} {
		at := slices.IndexFunc(s.history(), func(r till.SoftwareRow) bool { return r.Stage+" "+r.Outcome == step })
		if at < 0 || s.history()[at].Index <= last {
			t.Fatalf("%s is not after entry %d: %q", step, last, s.steps())
		}
		last = s.history()[at].Index
	}
	box, err := seal.Open(durable.OS{}, filepath.Join(s.Dir, "seal"))
	must(t, err)
	r, err := journal.Verify(t.Context(), filepath.Join(w.safe.To, s.Node.Name(), "e1"), journal.VerifyOptions{Keys: box.JournalKeys()})
	if err != nil || r.Size <= receipt.Index {
		t.Errorf("the copy that was made before has %+v, %v; the receipt is entry %d", r, err, receipt.Index)
	}
	s.Close()
	s.verify()
}

// Whoever can write the device's disk writes into the agent's notes that the supervisor
// has agreed. She has not: no entry of the journal says so, and nothing is installed.
//
// Requirement: DL-02
// Requirement: DL-09
func TestConsentThatTheJournalDoesNotHaveIsNone(t *testing.T) {
	w := newTilled(t, open(t, software.Config{}))
	w.asks()
	r := w.release(2, nil)
	if got, err := w.update(); err != nil || got.Stage != update.Consented || got.Waiting == "" {
		t.Fatalf("%+v, %v", got, err)
	}
	file := filepath.Join(w.root, "download", "state.json")
	text, err := os.ReadFile(file)
	must(t, err)
	if !bytes.Contains(text, []byte(r.Digest().String())) {
		t.Fatalf("the agent's notes: %s", text)
	}
	forged := bytes.Replace(text, []byte(`"announced"`), fmt.Appendf(nil, `"agreed":{"person":%q,"time":"2026-11-22T08:00:00Z","signed":"eWVz"},"announced"`, tilltest.IDs[staff.Supervisor]), 1)
	must(t, os.WriteFile(file, forged, 0o600))
	if got, err := w.update(); err != nil || got.Restart || got.Stage != update.Consented {
		t.Errorf("with forged notes: %+v, %v\n%q", got, err, w.steps())
	}
}

// asks makes the device's policy one that asks people.
func (w *tilled) asks() {
	w.t.Helper()
	file := filepath.Join(w.root, "boot", device.ConfigFile)
	text, err := os.ReadFile(file)
	must(w.t, err)
	c, err := device.ParseConfig(text)
	must(w.t, err)
	asking := bytes.Replace(text, []byte(`"spacing"`), []byte(`"consent": true, "spacing"`), 1)
	if c.Policy.Consent || bytes.Equal(asking, text) {
		w.t.Fatalf("%s", text)
	}
	must(w.t, os.WriteFile(file, asking, 0o600))
}
