package update_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/plomb-pos/plomb/internal/powercut"
	"github.com/plomb-pos/plomb/update"
	"github.com/plomb-pos/plomb/update/slot"
)

// onDisk is the set of frames whose bytes a disk holds, by pack and place.
func (w *till) onDisk(disk *powercut.Disk) map[string]bool {
	out := map[string]bool{}
	for i, c := range w.two.manifest.Components {
		p := c.Packs[len(c.Packs)-1]
		name := fmt.Sprintf("/d/download/%d.pack", i)
		if len(c.Packs) == 1 {
			name = fmt.Sprintf("/d/download/%d.full.pack", i)
		}
		data, err := disk.ReadFile(name)
		if err != nil {
			continue
		}
		t := w.frames(p)
		for f := range t.Entries {
			at, n := t.Range(f)
			if n > 0 && at+n <= int64(len(data)) && t.Check(f, data[at:at+n]) == nil {
				out[key("packs/"+p.SHA256.String(), at)] = true
			}
		}
	}
	return out
}

// resume starts the till again on a disk that lost its power, and says what is wrong
// with how it goes on.
func (w *till) resume(disk *powercut.Disk) error {
	next := &till{shop: w.shop, t: w.t, disk: disk, now: w.now.Add(time.Hour), offer: w.offer, policy: w.policy, history: slices.Clone(w.history)}
	next.repo = &memory{files: w.maker.repo}
	next.sources = []update.Source{next.repo}
	had := w.onDisk(disk)
	before, _, err := slot.Open(disk, "/d/boot/table")
	if err != nil {
		return err
	}
	r, err := next.agent().Update(context.Background())
	if err != nil || !r.Restart || next.ended != 1 {
		return fmt.Errorf("%+v, ended %d times: %w", r, next.ended, err)
	}
	if slices.Contains(w.story(), "downloaded done") && next.repo.bytes > 0 {
		return fmt.Errorf("%d bytes came again after the download was called done", next.repo.bytes)
	}
	for name, ranges := range next.repo.sent {
		for _, place := range next.ends(name) {
			for _, x := range ranges {
				if had[key(name, place[0])] && place[0] >= x[0] && place[0] < x[1] {
					return fmt.Errorf("a frame that was on the disk came again: %s at %d", name, place[0])
				}
			}
		}
	}
	if !before.Table().Trial {
		if started, p, err := next.starts(disk); err != nil || !p.Trial || started.Digest != w.two.digest {
			return fmt.Errorf("after going on: %+v: %w", p, err)
		}
	}
	if e := next.last(); e.Stage != update.Pointed || e.Outcome != update.Done {
		return fmt.Errorf("the history ends with %+v", e)
	}
	return nil
}

// afterCut checks what a disk is that lost its power during an update.
func (w *till) afterCut(disk *powercut.Disk) error {
	r, p, err := w.starts(disk)
	if err != nil {
		return err
	}
	f, _, err := slot.Open(disk, "/d/boot/table")
	if err != nil {
		return err
	}
	if f.Table().Trial && !p.Trial {
		return fmt.Errorf("the table names a trial that does not start: %+v", p.Steps)
	}
	tells := slices.Contains(w.story(), "pointer begun")
	switch {
	case !p.Trial && r.Digest == w.one.digest:
		return nil
	case p.Trial && r.Digest == w.two.digest && tells:
		return nil
	}
	return fmt.Errorf("%s starts, trial %t, and the history tells of the pointer: %t", r.Manifest.Identity, p.Trial, tells)
}

// Requirement: FM-09
// Requirement: CU-11
// Requirement: CU-08
func TestPowerCutAnywhereLeavesTheOldOrTheNewVersionWholeAndGoesOn(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	rounds := 8
	if testing.Short() {
		rounds = 2
	}
	points, resumed := 0, 0
	for range rounds {
		w := newTill(t)
		if rng.IntN(2) == 0 { // the slot holds something of before
			w.must(w.disk.Mkdir("/d/slots/b/bin"))
			w.must(w.disk.WriteFile("/d/slots/b/bin/old", noise(9, 3000)))
			w.must(w.disk.WriteFile("/d/slots/b/manifest.json", w.one.offer.Manifest))
		}
		w.disk.Before(func(op powercut.Op) {
			if op.N == 0 && rng.IntN(20) > 0 { // between two reads nothing changes
				return
			}
			points++
			cut := w.disk.Cut(rng, powercut.AnyKeep(rng))
			if err := w.afterCut(cut); err != nil {
				t.Fatalf("power cut before %v: %v\n%s", op, err, strings.Join(w.story(), "\n"))
			}
			if rng.IntN(8) > 0 {
				return
			}
			resumed++
			if err := w.resume(cut); err != nil {
				t.Fatalf("power cut before %v, and started again: %v\n%s", op, err, strings.Join(w.story(), "\n"))
			}
		})
		_, err := w.agent().Update(t.Context())
		w.disk.Before(nil)
		if err != nil {
			t.Fatal(err)
		}
		w.installed()
	}
	t.Logf("%d power cuts, of which %d went on to the end", points, resumed)
}

// Every operation fails once, with and without taking effect: the device starts one
// of the two, and the next pass comes to the end.
//
// Requirement: CU-12
func TestAReadOrWriteErrorAnywhereIsSurvived(t *testing.T) {
	probe := newTill(t)
	probe.disk.ClearLog()
	if _, err := probe.agent().Update(t.Context()); err != nil {
		t.Fatal(err)
	}
	ops := probe.disk.Ops()
	for _, c := range []struct {
		err  error
		kept bool
	}{{syscall.EIO, false}, {syscall.EIO, true}} {
		for n := 1; n <= ops; n++ {
			w := newTill(t)
			w.disk.ClearLog()
			w.disk.FailAt(n, c.err, c.kept)
			if err := w.survives(); err != nil {
				t.Fatalf("operation %d fails with %v, in effect: %t: %v\n%s", n, c.err, c.kept, err, strings.Join(w.story(), "\n"))
			}
		}
	}
	t.Logf("%d operations, two ways each", ops)
}

// survives makes a pass that meets a fault, and one after the fault is gone.
func (w *till) survives() error {
	a, err := update.New(w.config())
	if err == nil {
		_, err = a.Update(context.Background())
	}
	w.disk.Heal()
	if cerr := w.afterCut(w.disk.Clone()); cerr != nil {
		return fmt.Errorf("after %w: %w", err, cerr)
	}
	if w.table().Trial {
		return nil
	}
	w.now = w.now.Add(10 * time.Hour)
	again, err2 := update.New(w.config())
	if err2 != nil {
		return err2
	}
	if _, err2 = again.Update(context.Background()); err2 != nil {
		return fmt.Errorf("after %w, healed: %w", err, err2)
	}
	if r, p, err := w.starts(w.disk); err != nil || !p.Trial || r.Digest != w.two.digest {
		return fmt.Errorf("healed: %+v: %w", p, err)
	}
	return nil
}

func TestADiskThatFillsUpAnywhereIsSurvived(t *testing.T) {
	for room := int64(0); room < 1_300_000; room += 9_000 + room/8 {
		w := newTill(t)
		w.policy.Rate = update.Rate{Low: 1 << 40, Normal: 1 << 40, Urgent: 1 << 40}
		w.disk.LimitSpace(room)
		if err := w.survives(); err != nil {
			t.Fatalf("with %d bytes of room: %v\n%s", room, err, strings.Join(w.story(), "\n"))
		}
	}
}

// Reads fail as well as writes.
func TestAPlaceThatCannotBeReadIsSurvived(t *testing.T) {
	for _, name := range []string{"/d/slots/a/bin/plomb", "/d/slots/a/manifest.json", "/d/download/3.pack", "/d/download/2.table", "/d/download/state.json", "/d/slots/b/bin/plomb"} {
		w := newTill(t)
		w.policy.Rate = update.Rate{Low: 1 << 40, Normal: 1 << 40, Urgent: 1 << 40}
		w.disk.FailWhen(func(op powercut.Op) bool { return op.Kind == "read" && op.Name == name }, syscall.EIO, false)
		if err := w.survives(); err != nil {
			t.Errorf("%s: %v\n%s", name, err, strings.Join(w.story(), "\n"))
		}
	}
}

func TestBothSlotsBadIsBlockedAndSaidSo(t *testing.T) {
	w := newTill(t)
	if _, err := w.agent().Update(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.must(w.disk.Flip("/d/slots/b/bin/plomb", 5, 1))
	if r, p, err := w.starts(w.disk); err != nil || p.Trial || r.Digest != w.one.digest {
		t.Errorf("rot in the new slot: %+v, %v", p, err)
	}
	w.must(w.disk.Flip("/d/boot/table", 64<<10+9, 1))
	if r, _, err := w.starts(w.disk); err != nil || r.Digest != w.one.digest {
		t.Errorf("and in a copy of the table: %v", err)
	}
	w.must(w.disk.Flip("/d/slots/a/bin/plomb", 5, 1))
	if _, p, err := w.starts(w.disk); err == nil || !p.Blocked || p.Steps[len(p.Steps)-1].Reason != slot.Unverified {
		t.Errorf("both slots bad: %+v, %v", p, err)
	}
}
