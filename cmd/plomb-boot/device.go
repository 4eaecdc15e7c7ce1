package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/update/counter"
	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/slot"
)

// device is a till's disk as the launcher sees it.
type device struct {
	fsys   durable.FS
	root   string
	policy *manifest.Policy
	facts  facts
	floor  counter.Counter // beside the table's floors
}

// facts are boot/device.json: what this device is, written when it is made.
type facts struct {
	Hardware     manifest.Identity `json:"hardware,omitempty"`
	Model        string            `json:"model,omitempty"`
	Jurisdiction string            `json:"jurisdiction"`
}

// maxFacts bounds boot/device.json, in bytes.
const maxFacts = 16 << 10

func openDevice(fsys durable.FS, root string) (*device, error) {
	d := &device{fsys: fsys, root: filepath.ToSlash(root)}
	text, err := durable.ReadFile(fsys, d.path("boot", "policy.json"), manifest.MaxBytes)
	if err != nil {
		return nil, fmt.Errorf("read the boot policy (plomb-boot init makes a device): %w", err)
	}
	if d.policy, err = manifest.ParsePolicy(text); err != nil {
		return nil, err
	}
	text, err = durable.ReadFile(fsys, d.path("boot", "device.json"), maxFacts)
	if err != nil {
		return nil, fmt.Errorf("read what this device is: %w", err)
	}
	if d.facts, err = parseFacts(text); err != nil {
		return nil, err
	}
	d.floor, err = counter.Open(fsys, d.path("boot"))
	return d, err
}

func parseFacts(text []byte) (f facts, err error) {
	if err := json.Unmarshal(text, &f); err != nil {
		return f, fmt.Errorf("read what this device is: %w", err)
	}
	if f.Hardware != "" {
		err = f.Hardware.Validate()
	}
	return f, err
}

func (d *device) path(elem ...string) string { return path.Join(append([]string{d.root}, elem...)...) }

func (d *device) slotDir(s slot.Slot) string { return d.path("slots", s.String()) }

// check is what a slot has to pass.
func (d *device) check(floors counter.Floors) slot.Check {
	return slot.Check{
		Policy: d.policy, Floors: floors,
		Device: slot.Device{
			Hardware: d.facts.Hardware, Model: d.facts.Model, Jurisdiction: d.facts.Jurisdiction,
			Platform: runtime.GOOS + "/" + runtime.GOARCH,
		},
	}
}

// log writes one line of the launcher's log.
func (d *device) log(text string) error {
	ring, _, err := slot.OpenRing(d.fsys, d.path("boot", "ring"))
	if err != nil {
		return err
	}
	return ring.Append(time.Now(), text)
}

func initCommand(_ context.Context, args []string, _, words io.Writer) error {
	f, root := flags("init", words)
	policy := f.String("policy", "", "boot policy: whose signatures count")
	what := f.String("device", "", `what this device is: {"hardware","model","jurisdiction"}`)
	release := f.String("release", "", "folder of the first release: manifest.json, manifest.note and its files")
	tpm := f.String("tpm", "", "TPM 2.0 that holds the version floor: /dev/tpmrm0, or the Unix socket of a simulator")
	if err := parse(f, args, root, policy, what, release); err != nil {
		return err
	}
	return commission(*root, *policy, *what, *release, *tpm)
}

// commission makes a device. What is there is never replaced: init of a device that
// was begun and cut short is refused, remove its folder then.
func commission(root, policy, what, release, tpm string) error {
	fsys := durable.OS{}
	d := &device{fsys: fsys, root: filepath.ToSlash(root)}
	for _, dir := range []string{"", "boot", "slots", "slots/a", "slots/b"} {
		if err := fsys.Mkdir(d.path(dir)); err != nil && !(dir == "" && errors.Is(err, fs.ErrExist)) {
			return fmt.Errorf("make a device in %s: %w", root, err)
		}
	}
	for from, to := range map[string]string{policy: "policy.json", what: "device.json"} {
		text, err := os.ReadFile(from)
		if err != nil {
			return err
		}
		if err := durable.Replace(fsys, d.path("boot", to), text); err != nil {
			return err
		}
	}
	if tpm != "" {
		if err := durable.Replace(fsys, d.path("boot", counter.File), []byte(tpm+"\n")); err != nil {
			return err
		}
	}
	d, err := openDevice(fsys, root)
	if err != nil {
		return err
	}
	r, err := d.fill(slot.A, release)
	if err != nil {
		return err
	}
	if err := d.createFloor(r.Manifest); err != nil {
		return err
	}
	if err := slot.CreateRing(fsys, d.path("boot"), d.path("boot", "ring")); err != nil {
		return err
	}
	return d.makeTable(slot.Table{Active: slot.A, Manifests: [2]manifest.Digest{r.Digest}}.Raised(r.Manifest))
}

func (d *device) makeTable(t slot.Table) error {
	if err := slot.Create(d.fsys, d.path("boot"), d.path("boot", "table"), t); err != nil {
		return err
	}
	return errors.Join(d.fsys.SyncDir(d.path()), d.log(fmt.Sprintf("table made, active slot %s", t.Active)))
}

// fill copies a release into an empty slot and verifies it there.
func (d *device) fill(s slot.Slot, from string) (*slot.Release, error) {
	encoded, err := os.ReadFile(filepath.Join(from, slot.ManifestFile))
	if err != nil {
		return nil, err
	}
	m, err := manifest.Parse(encoded)
	if err != nil {
		return nil, err
	}
	files := map[string]fs.FileMode{slot.ManifestFile: 0o644, slot.NoteFile: 0o644}
	for _, c := range m.Components {
		files[c.Path] = fileMode(&c)
	}
	if _, err := os.Stat(filepath.Join(from, slot.ProofFile)); err == nil {
		files[slot.ProofFile] = 0o644
	}
	for name, mode := range files {
		if err := copyFile(filepath.Join(from, filepath.FromSlash(name)), filepath.FromSlash(path.Join(d.slotDir(s), name)), mode); err != nil {
			return nil, err
		}
	}
	return d.check(counter.Floors{}).Verify(d.fsys, d.slotDir(s), manifest.Sum(encoded))
}

func fileMode(c *manifest.Component) fs.FileMode {
	if c.Mode == 0 {
		return 0o644
	}
	return fs.FileMode(c.Mode) & fs.ModePerm
}

func copyFile(from, to string, mode fs.FileMode) (err error) {
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	if _, err := io.Copy(out, in); err != nil {
		return err
	}
	return out.Sync()
}

// repairCommand makes the table again from what the slots hold.
func repairCommand(_ context.Context, args []string, out, words io.Writer) error {
	f, root := flags("repair", words)
	if err := parse(f, args, root); err != nil {
		return err
	}
	d, err := open(*root)
	if err != nil {
		return err
	}
	lock, err := d.fsys.Lock(d.path("boot", "lock"))
	if err != nil {
		return fmt.Errorf("the launcher runs on %s; stop it first: %w", *root, err)
	}
	defer lock.Close()
	name := d.path("boot", "table")
	if _, _, err := slot.Open(d.fsys, name); !errors.Is(err, slot.ErrLost) && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is a table that can be read: %w", errors.Join(errUsage, err))
	}
	t, err := d.fromSlots()
	if err != nil {
		return err
	}
	if err := durable.RemoveIfExists(d.fsys, name); err != nil {
		return err
	}
	if err := d.makeTable(t); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "slot %s is active; the floors begin again at %v\n", t.Active, t.Floors)
	return err
}

// fromSlots is the table that fits the slots: the higher counter is active. The
// floors of the lost table are not known: they are those that the releases name, and
// those of the TPM where there is one.
func (d *device) fromSlots() (slot.Table, error) {
	var t slot.Table
	floors, err := d.floor.Floors()
	if err != nil {
		return t, err
	}
	best := uint64(0)
	for _, s := range []slot.Slot{slot.A, slot.B} {
		r, err := d.check(floors).Verify(d.fsys, d.slotDir(s), manifest.Digest{})
		if err != nil {
			continue
		}
		t.Manifests[s] = r.Digest
		if r.Manifest.Counter > best {
			t.Active, best = s, r.Manifest.Counter
		}
		t = t.Raised(r.Manifest)
	}
	if best == 0 {
		return t, fmt.Errorf("neither slot verifies: %w", errBlocked)
	}
	return t, nil
}

// status is what plomb-boot status prints.
type status struct {
	Table   *slot.Table           `json:"table,omitempty"`
	Error   string                `json:"error,omitempty"` // why there is no table, or no floor
	TPM     string                `json:"tpm,omitempty"`   // that holds the floor
	Floors  counter.Floors        `json:"floors"`          // in force, by scope: application, platform
	Slots   map[string]slotStatus `json:"slots"`
	Lines   []slot.Line           `json:"lines"`
	Blocked bool                  `json:"blocked"`
}

// Recent is the last twenty lines, the newest first.
func (s status) Recent() []slot.Line {
	out := slices.Clone(s.Lines[max(0, len(s.Lines)-20):])
	slices.Reverse(out)
	return out
}

type slotStatus struct {
	Identity manifest.Identity `json:"identity,omitempty"`
	Counter  uint64            `json:"counter,omitempty"`
	Digest   string            `json:"digest,omitempty"`
	Signers  []string          `json:"signers,omitempty"`
	Error    string            `json:"error,omitempty"` // why it would not start
}

func statusCommand(_ context.Context, args []string, out, words io.Writer) error {
	f, root := flags("status", words)
	if err := parse(f, args, root); err != nil {
		return err
	}
	d, err := open(*root)
	if err != nil {
		return err
	}
	s := d.status()
	enc := json.NewEncoder(out)
	enc.SetIndent("", "  ")
	return enc.Encode(s)
}

func (d *device) status() status {
	s := status{Slots: map[string]slotStatus{}}
	var t slot.Table
	if f, _, err := slot.Open(slot.ReadOnly{FS: d.fsys}, d.path("boot", "table")); err != nil {
		s.Error = err.Error()
	} else {
		t = f.Table()
		s.Table = &t
	}
	var err error
	if s.Floors, err = d.floors(t); err != nil {
		s.Error = err.Error()
	}
	if tpm, ok := d.floor.(counter.TPM); ok {
		s.TPM = string(tpm)
	}
	_, s.Lines, _ = slot.OpenRing(d.fsys, d.path("boot", "ring")) // a bad log is shown as none
	for _, x := range []slot.Slot{slot.A, slot.B} {
		s.Slots[x.String()] = d.slotStatus(s.Floors, x)
	}
	s.Blocked = s.Table == nil || err != nil || slot.Next(t, func(x slot.Slot) error {
		if why := s.Slots[x.String()].Error; why != "" {
			return errors.New(why)
		}
		return nil
	}).Blocked
	return s
}

func (d *device) slotStatus(floors counter.Floors, s slot.Slot) slotStatus {
	r, err := d.check(floors).Verify(d.fsys, d.slotDir(s), manifest.Digest{})
	if err != nil {
		return slotStatus{Error: err.Error()}
	}
	return slotStatus{Identity: r.Manifest.Identity, Counter: r.Manifest.Counter, Digest: r.Digest.String(), Signers: r.Signers}
}
