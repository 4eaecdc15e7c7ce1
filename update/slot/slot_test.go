package slot_test

import (
	"bytes"
	crand "crypto/rand"
	"errors"
	"fmt"
	"math/rand/v2"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/note"
	"pgregory.net/rapid"

	"github.com/plomb-pos/plomb/internal/powercut"
	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/slot"
)

const table = "/table"

func created(t testing.TB, first slot.Table) *powercut.Disk {
	t.Helper()
	disk := powercut.New()
	if err := slot.Create(disk, "/", table, first); err != nil {
		t.Fatal(err)
	}
	return disk
}

func open(t testing.TB, disk *powercut.Disk) *slot.File {
	t.Helper()
	f, _, err := slot.Open(disk, table)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// Requirement: FM-09
func TestATableThatLosesPowerIsTheOldOrTheNewOne(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	disk := created(t, slot.Table{})
	f := open(t, disk)
	points := 0
	for n := range 60 {
		old, next := f.Table(), f.Table()
		next.Active, next.Floors[0], next.Manifests[n%2] = slot.Slot(n%2), uint64(n), manifest.Sum([]byte{byte(n)})
		disk.Before(func(op powercut.Op) {
			for range 4 {
				points++
				got := open(t, disk.Cut(rng, powercut.AnyKeep(rng))).Table()
				got.Generation, old.Generation, next.Generation = 0, 0, 0
				if got != old && got != next {
					t.Fatalf("power cut before %v: %+v, want %+v or %+v", op, got, old, next)
				}
			}
		})
		err := f.Write(next)
		disk.Before(nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := open(t, disk.Cut(rng, powercut.KeepNone)).Table(); got != f.Table() {
			t.Fatalf("after Write returned: %+v, want %+v", got, f.Table())
		}
	}
	t.Logf("%d power cuts", points)
}

// A table that leaves out its sync is found by the sweep above: here is the proof
// that such a disk is one that loses it.
func TestWithoutItsSyncAWriteIsLost(t *testing.T) {
	disk := created(t, slot.Table{})
	f := open(t, disk)
	disk.FailWhen(func(op powercut.Op) bool { return op.Kind == "sync" }, errors.New("left out"), false)
	next := f.Table()
	next.Active = slot.B
	if err := f.Write(next); err == nil {
		t.Fatal("a write whose sync failed was called done")
	}
	if got := open(t, disk.Cut(nil, powercut.KeepNone)).Table(); got.Active != slot.A {
		t.Error("what was never synced was kept")
	}
}

func TestOneBadCopyIsRepairedAndTwoAreReported(t *testing.T) {
	disk := created(t, slot.Table{Active: slot.B})
	f := open(t, disk)
	next := f.Table()
	next.Floors[1] = 9
	if err := f.Write(next); err != nil {
		t.Fatal(err)
	}
	for _, at := range []int64{0, 20, 140, 151, 64 << 10, 64<<10 + 60} {
		bad := disk.Clone()
		if err := bad.Flip(table, at, 4); err != nil {
			t.Fatal(err)
		}
		f, repaired, err := slot.Open(bad, table)
		if err != nil || !repaired || f.Table().Active != slot.B {
			t.Errorf("flipped at %d: %+v, repaired %t, %v", at, f, repaired, err)
		}
		if _, repaired, err := slot.Open(bad, table); err != nil || repaired {
			t.Errorf("flipped at %d and opened twice: repaired again %t, %v", at, repaired, err)
		}
	}
	for _, at := range []int64{8, 64<<10 + 8} {
		if err := disk.Flip(table, at, 1); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := slot.Open(disk, table); !errors.Is(err, slot.ErrLost) {
		t.Errorf("both copies bad: %v, want ErrLost", err)
	}
}

func TestAnUnchangedTableIsNotWritten(t *testing.T) {
	disk := created(t, slot.Table{})
	f := open(t, disk)
	disk.ClearLog()
	if err := f.Write(f.Table()); err != nil {
		t.Fatal(err)
	}
	if disk.Ops() != 0 {
		t.Errorf("%d operations: %s", disk.Ops(), disk.LogText())
	}
}

// all verifies every slot but the bad ones.
func all(bad ...slot.Slot) func(slot.Slot) error {
	return func(s slot.Slot) error {
		for _, b := range bad {
			if s == b {
				return fmt.Errorf("slot %s: %w", s, manifest.ErrContent)
			}
		}
		return nil
	}
}

// program is a manifest that is enough for the table.
func program(counter, floor uint64) *manifest.Manifest {
	return &manifest.Manifest{Identity: "0PLMTIL02-20261122", Scope: manifest.Application, Counter: counter, Floor: floor}
}

// trial is a table whose slot B, counter 2, is to be tried over slot A, counter 1.
func trial(t testing.TB, f slot.Fallback) slot.Table {
	t.Helper()
	first := slot.Table{Manifests: [2]manifest.Digest{manifest.Sum([]byte("one"))}}.Raised(program(1, 0))
	out, err := first.Propose(program(2, 1), manifest.Sum([]byte("two")), f)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Requirement: CU-12
func TestACrashLoopReturnsToTheOldVersionAfterItsTries(t *testing.T) {
	now := trial(t, slot.Return)
	for n := range slot.Tries {
		p := slot.Next(now, all())
		if !p.Trial || p.Slot != slot.B {
			t.Fatalf("start %d is %+v, want the trial", n+1, p)
		}
		now = p.Table.TrialFailed(slot.Crashed)
	}
	p := slot.Next(now, all())
	if p.Trial || p.Blocked || p.Slot != slot.A || p.Table.Trial || p.Table.Why != slot.Crashed || p.Table.Failures != 1 {
		t.Errorf("after %d crashes: %+v", slot.Tries, p)
	}
	if p.Steps[0].Event != slot.FellBack || p.Steps[1].Event != slot.Starting {
		t.Errorf("steps %+v", p.Steps)
	}
}

// Requirement: DL-07
func TestAFailedTrialBlocksWhereThePolicySaysSo(t *testing.T) {
	p := slot.Next(trial(t, slot.Block), all(slot.B))
	if !p.Blocked || p.Table.Blocked != slot.Unverified {
		t.Errorf("a trial that does not verify: %+v", p)
	}
	if again := slot.Next(p.Table, all()); !again.Blocked {
		t.Errorf("the next start is not blocked: %+v", again)
	}
	if after := slot.Next(p.Table.Unblock(), all()); after.Blocked || after.Slot != slot.A {
		t.Errorf("after a service person unblocked it: %+v", after)
	}
}

func TestQuickPowerCyclesDoNotUseUpTheTries(t *testing.T) {
	now := trial(t, slot.Return)
	for n := range slot.Starts {
		p := slot.Next(now, all())
		if !p.Trial {
			t.Fatalf("after %d power cycles the trial is over: %+v", n, p)
		}
		now = p.Table // switched off before anything was seen
	}
	if p := slot.Next(now, all()); p.Trial || p.Slot != slot.A || p.Table.Why != slot.TooManyCuts {
		t.Errorf("after %d power cycles: %+v", slot.Starts, p)
	}
}

// Requirement: DL-15
func TestOnlyANewerCounterIsProposed(t *testing.T) {
	kept := slot.Next(trial(t, slot.Return), all()).Table.Kept(program(2, 1))
	if kept.Active != slot.B || kept.Highest[0] != 2 || kept.Floors[0] != 1 {
		t.Fatalf("kept: %+v", kept)
	}
	for counter, ok := range map[uint64]bool{1: false, 2: false, 3: true} {
		_, err := kept.Propose(program(counter, 0), manifest.Sum([]byte{byte(counter)}), slot.Return)
		if (err == nil) != ok {
			t.Errorf("counter %d over 2: %v", counter, err)
		}
	}
	from := program(9, 0)
	from.Compatibility.From = 5
	if _, err := kept.Propose(from, manifest.Sum([]byte("nine")), slot.Return); !errors.Is(err, slot.ErrRefused) {
		t.Errorf("a release that needs counter 5 over 2: %v", err)
	}
}

// Requirement: CU-17
func TestAReleaseThatFailedThreeTrialsIsNotTriedAgain(t *testing.T) {
	digest := manifest.Sum([]byte("two"))
	now := trial(t, slot.Return)
	for n := 1; n < slot.MaxFailures; n++ {
		now = slot.Next(now, all(slot.B)).Table
		next, err := now.Propose(program(2, 1), digest, slot.Return)
		if err != nil {
			t.Fatalf("after %d failures: %v", n, err)
		}
		now = next
	}
	now = slot.Next(now, all(slot.B)).Table
	if _, err := now.Propose(program(2, 1), digest, slot.Return); !errors.Is(err, slot.ErrRefused) {
		t.Errorf("after %d failures: %v, want ErrRefused", slot.MaxFailures, err)
	}
	if _, err := now.Propose(program(3, 1), manifest.Sum([]byte("three")), slot.Return); err != nil {
		t.Errorf("another release: %v", err)
	}
}

func TestABadActiveSlotGivesWayToTheVersionBefore(t *testing.T) {
	kept := slot.Next(trial(t, slot.Return), all()).Table.Kept(program(2, 1))
	p := slot.Next(kept, all(slot.B))
	if p.Blocked || p.Slot != slot.A || p.Table.Active != slot.A || p.Steps[0].Event != slot.Rescued {
		t.Errorf("bit rot in the active slot: %+v", p)
	}
	if p := slot.Next(kept, all(slot.A, slot.B)); !p.Blocked || p.Table != kept {
		t.Errorf("both slots bad: %+v; nothing is to be written, so that the next start looks again", p)
	}
	if p := slot.Next(trial(t, slot.Return), all(slot.A, slot.B)); !p.Blocked || p.Table.Trial {
		t.Errorf("a trial with both slots bad: %+v", p)
	}
}

// Whatever happens, in whatever order: what starts has been verified, a trial is
// over after a bounded number of starts, the floor never falls, and a version that
// was given up does not start again by itself.
//
// Requirement: CU-11
func TestWhateverHappensWhatStartsIsVerified(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := slot.Table{Manifests: [2]manifest.Digest{manifest.Sum([]byte("0"))}}.Raised(program(1, 0))
		counter, starts := uint64(1), 0
		bad := map[slot.Slot]bool{}
		verify := func(s slot.Slot) error {
			if bad[s] {
				return manifest.ErrContent
			}
			return nil
		}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			before := now
			switch rapid.SampledFrom([]string{"propose", "start", "start", "rot", "heal"}).Draw(t, "step") {
			case "propose":
				if next, err := now.Propose(program(counter+1, counter), manifest.Sum(fmt.Append(nil, counter+1)), slot.Fallback(rapid.IntRange(0, 1).Draw(t, "policy"))); err == nil {
					counter++
					starts, bad[now.Active.Other()] = 0, false
					now = next
				}
			case "rot":
				bad[slot.Slot(rapid.IntRange(0, 1).Draw(t, "slot"))] = true
			case "heal":
				now = now.Unblock()
			case "start":
				p := slot.Next(now, verify)
				now = p.Table
				if !p.Blocked && bad[p.Slot] {
					t.Fatalf("slot %s started unverified: %+v", p.Slot, p)
				}
				if !p.Trial {
					break
				}
				if starts++; starts > slot.Starts {
					t.Fatalf("a trial was started %d times", starts)
				}
				switch rapid.SampledFrom([]string{"kept", "failed", "cut"}).Draw(t, "outcome") {
				case "kept":
					now = now.Kept(program(counter, counter-1))
				case "failed":
					now = now.TrialFailed(slot.Crashed)
				}
			}
			if now.Floors[0] < before.Floors[0] || now.Highest[0] < before.Highest[0] {
				t.Fatalf("a counter fell: %+v after %+v", now, before)
			}
		}
	})
}

func TestTheRingKeepsTheLastLinesInOrder(t *testing.T) {
	disk := powercut.New()
	if err := slot.CreateRing(disk, "/", "/ring"); err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	for n := range slot.RingLines + 10 {
		r, _, err := slot.OpenRing(disk, "/ring")
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Append(now.Add(time.Duration(n)*time.Second), fmt.Sprintf("line %d %s", n+1, strings.Repeat("ü", 200))); err != nil {
			t.Fatal(err)
		}
	}
	_, lines, err := slot.OpenRing(disk.Cut(nil, powercut.KeepNone), "/ring")
	if err != nil || len(lines) != slot.RingLines || lines[0].Sequence != 11 {
		t.Fatalf("%d lines from %d, %v", len(lines), lines[0].Sequence, err)
	}
	last := lines[len(lines)-1]
	if last.Sequence != slot.RingLines+10 || !strings.HasPrefix(last.Text, fmt.Sprintf("line %d ü", slot.RingLines+10)) || !last.Time.Equal(now.Add((slot.RingLines+9)*time.Second)) {
		t.Errorf("last line %+v", last)
	}
}

func TestADamagedLineIsLeftOutAndTheOthersStay(t *testing.T) {
	disk := powercut.New()
	if err := slot.CreateRing(disk, "/", "/ring"); err != nil {
		t.Fatal(err)
	}
	r, _, err := slot.OpenRing(disk, "/ring")
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"one", "two\xff", "three"} {
		if err := r.Append(time.UnixMilli(1), text); err != nil {
			t.Fatal(err)
		}
	}
	if err := disk.Flip("/ring", 2*256+20, 1); err != nil {
		t.Fatal(err)
	}
	_, lines, err := slot.OpenRing(disk, "/ring")
	var texts []string
	for _, l := range lines {
		texts = append(texts, l.Text)
	}
	if diff := cmp.Diff([]string{"one", "three"}, texts); diff != "" || err != nil {
		t.Errorf("%s %v", diff, err)
	}
}

// shop is a slot with a release in it.
type shop struct {
	disk   *powercut.Disk
	policy *manifest.Policy
	data   []byte
	digest manifest.Digest
}

func newShop(t testing.TB) *shop {
	t.Helper()
	skey, vkey, err := note.GenerateKey(crand.Reader, "maker")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	p, err := manifest.ParsePolicy([]byte(`{"format":"plomb-boot-policy/1","serial":1,"legal":"maker-only","maker":{"name":"maker","threshold":1,"keys":["` + vkey + `"]}}`))
	if err != nil {
		t.Fatal(err)
	}
	s := &shop{disk: powercut.New(), policy: p, data: bytes.Repeat([]byte("program "), 1<<18)}
	s.fill(t, signer)
	return s
}

func (s *shop) fill(t testing.TB, signer note.Signer) {
	t.Helper()
	c, err := manifest.Measure(bytes.NewReader(s.data))
	if err != nil {
		t.Fatal(err)
	}
	m := &manifest.Manifest{
		Format: manifest.Format, Identity: "0PLMTIL02-20261122", Scope: manifest.Application, Counter: 3, Legal: true,
		Issued: time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC), Jurisdictions: []string{"DE"}, Certificate: "DE-26-M-0001",
		Components:    []manifest.Component{{Name: "plomb", Kind: manifest.Program, Legal: true, Path: "bin/plomb", Mode: 0o755, Length: c.Length, SHA256: c.SHA256, Root: c.Root}},
		Compatibility: manifest.Compatibility{Platforms: []string{"linux/amd64"}, Models: []string{"TIL"}},
	}
	encoded, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	signed, err := manifest.Sign(encoded, signer)
	if err != nil {
		t.Fatal(err)
	}
	s.digest = manifest.Sum(encoded)
	for _, dir := range []string{"/a", "/a/bin"} {
		if err := s.disk.Mkdir(dir); err != nil {
			t.Fatal(err)
		}
	}
	for name, data := range map[string][]byte{slot.ManifestFile: encoded, slot.NoteFile: signed, "bin/plomb": s.data} {
		if err := s.disk.WriteFile(path.Join("/a", name), data); err != nil {
			t.Fatal(err)
		}
	}
}

func (s *shop) check() slot.Check {
	return slot.Check{Policy: s.policy, Device: slot.Device{Model: "TIL", Platform: "linux/amd64", Jurisdiction: "DE"}}
}

// Requirement: DL-08
func TestASlotWithOneOtherByteDoesNotStart(t *testing.T) {
	s := newShop(t)
	r, err := s.check().Verify(s.disk, "/a", s.digest)
	if err != nil || r.Manifest.Counter != 3 || r.Digest != s.digest {
		t.Fatalf("as it was made: %+v, %v", r, err)
	}
	for name, harm := range map[string]func(*powercut.Disk) error{
		"a byte of the program":     func(d *powercut.Disk) error { return d.Flip("/a/bin/plomb", 1<<20, 1) },
		"a byte of the manifest":    func(d *powercut.Disk) error { return d.Flip("/a/manifest.json", 100, 1) },
		"a byte of the signature":   func(d *powercut.Disk) error { return d.Flip("/a/manifest.note", 170, 1) },
		"the program cut short":     func(d *powercut.Disk) error { return d.TruncateFile("/a/bin/plomb", 5) },
		"the program gone":          func(d *powercut.Disk) error { return d.Remove("/a/bin/plomb") },
		"a stranger beside it":      func(d *powercut.Disk) error { return d.WriteFile("/a/bin/helper", []byte("x")) },
		"a stranger in the slot":    func(d *powercut.Disk) error { return d.WriteFile("/a/plomb.new", []byte("x")) },
		"the manifest gone":         func(d *powercut.Disk) error { return d.Remove("/a/manifest.json") },
		"an empty program":          func(d *powercut.Disk) error { return d.TruncateFile("/a/bin/plomb", 0) },
		"an empty note":             func(d *powercut.Disk) error { return d.TruncateFile("/a/manifest.note", 0) },
		"a byte after the manifest": func(d *powercut.Disk) error { return d.TruncateFile("/a/manifest.json", 2000) },
	} {
		disk := s.disk.Clone()
		if err := harm(disk); err != nil {
			t.Fatal(err)
		}
		if _, err := s.check().Verify(disk, "/a", s.digest); err == nil {
			t.Errorf("%s: the slot verifies", name)
		}
	}
	if _, err := s.check().Verify(s.disk, "/a", manifest.Sum(nil)); !errors.Is(err, manifest.ErrContent) {
		t.Errorf("another release than the table names: %v", err)
	}
}

// Requirement: DL-05
func TestAReleaseForAnotherDeviceDoesNotStart(t *testing.T) {
	s := newShop(t)
	for name, c := range map[string]struct {
		change func(*slot.Check)
		want   error
	}{
		"another model":      {func(c *slot.Check) { c.Device.Model = "KIO" }, slot.ErrIncompatible},
		"another processor":  {func(c *slot.Check) { c.Device.Platform = "linux/arm64" }, slot.ErrIncompatible},
		"another country":    {func(c *slot.Check) { c.Device.Jurisdiction = "PL" }, slot.ErrIncompatible},
		"a higher floor":     {func(c *slot.Check) { c.Floors[slot.Application] = 4 }, slot.ErrFloor},
		"no proof of a log":  {func(c *slot.Check) { c.Log = func(manifest.Digest, []byte) error { return nil } }, nil},
		"the other's floor":  {func(c *slot.Check) { c.Floors[slot.Platform] = 4 }, nil},
		"everything as made": {func(*slot.Check) {}, nil},
	} {
		check := s.check()
		c.change(&check)
		_, err := check.Verify(s.disk, "/a", manifest.Digest{})
		wantErr := c.want != nil || check.Log != nil
		if (err != nil) != wantErr || (c.want != nil && !errors.Is(err, c.want)) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}
