package update_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/plomb-pos/plomb/internal/powercut"
	"github.com/plomb-pos/plomb/update"
	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/slot"
)

// machine is a back end in memory, with a boot loader that tries what was activated
// three times.
type machine struct {
	running, next string
	tries         map[string]int // left, by place; good: -1
	content       map[string][]byte
	broken        string // place whose system does not come up

	disk   func(name string) ([]byte, error) // where images lie
	refuse error                             // of Check
	hasty  bool                              // Write activates
	rot    bool                              // Write loses a bit
	checks int
}

func newMachine(first []byte) *machine {
	return &machine{running: "A", next: "A", tries: map[string]int{"A": -1}, content: map[string][]byte{"A": first}}
}

func (m *machine) clone() *machine {
	c := *m
	c.tries, c.content = maps.Clone(m.tries), maps.Clone(m.content)
	return &c
}

// boot is a start of the machine, and those that follow while nothing comes up.
func (m *machine) boot() {
	for range 5 {
		place := m.next
		if m.tries[place] == 0 {
			place = other(place)
			m.next = place
		}
		if m.tries[place] > 0 {
			m.tries[place]--
		}
		if m.running = place; place != m.broken {
			return
		}
	}
}

func other(place string) string { return map[string]string{"A": "B", "B": "A"}[place] }

func (m *machine) Machine(context.Context) (update.Machine, error) {
	return update.Machine{Running: m.running, Next: m.next}, nil
}
func (m *machine) Check(context.Context, string) error { m.checks++; return m.refuse }
func (m *machine) Write(_ context.Context, image string, told func(int)) (string, error) {
	place := other(m.running)
	data, err := m.disk(image)
	if err != nil {
		return "", err
	}
	told(50)
	m.content[place], m.tries[place] = bytes.Clone(data), 0
	if m.rot {
		m.content[place][7] ^= 1
	}
	if m.hasty {
		m.next = place
	}
	return place, nil
}

// Verify compares with what the tests know of the second system.
func (m *machine) Verify(_ context.Context, place string) error {
	if p, err := thePlatform(); err != nil || !bytes.Equal(m.content[place], p.two.files[systemFile]) {
		return errors.Join(manifest.ErrContent, err)
	}
	return nil
}
func (m *machine) Activate(_ context.Context, place string) error {
	m.next, m.tries[place] = place, 3
	if place == m.running {
		m.tries[place] = -1
	}
	return nil
}
func (m *machine) Keep(_ context.Context, place string) error { m.tries[place] = -1; return nil }
func (m *machine) GiveUp(_ context.Context, place string) error {
	if m.tries[place] = 0; m.next == place {
		m.next = other(place)
	}
	return nil
}

const systemFile = "system"

// thePlatform is made once: an operating system, the next one, and their maker, who
// has keys of its own.
var thePlatform = sync.OnceValues(func() (s *shop, err error) {
	s = new(shop)
	if s.maker, err = newMaker(); err != nil {
		return nil, err
	}
	platform := func(m *manifest.Manifest) {
		m.Scope, m.Tests = manifest.Platform, []string{"network"}
		for i := range m.Components {
			m.Components[i].Kind, m.Components[i].Legal = manifest.Image, true
		}
	}
	system := append(noise(11, 50_000), make([]byte, 2*manifest.FrameBytes)...)
	if s.one, err = s.release(1, nil, map[string][]byte{systemFile: system}, platform); err != nil {
		return nil, err
	}
	next := bytes.Clone(system)
	copy(next[9000:], noise(12, 2000))
	s.two, err = s.release(2, s.one, map[string][]byte{systemFile: next}, platform)
	return s, err
})

// host is a till whose platform is brought up to date.
type host struct {
	*till
	machine *machine
	tests   map[string]error
	other   string // why an update of the application holds this one back
}

func newHost(t testing.TB) *host {
	t.Helper()
	p, err := thePlatform()
	if err != nil {
		t.Fatal(err)
	}
	w := newTill(t)
	w.shop, w.offer = p, &p.two.offer
	w.repo.files = p.maker.repo
	h := &host{till: w, machine: newMachine(p.one.files[systemFile])}
	for _, dir := range []string{"/d/platform", "/d/platform/boot", "/d/platform/slots", "/d/platform/slots/a", "/d/platform/slots/b"} {
		w.must(w.disk.Mkdir(dir))
	}
	for name, data := range map[string][]byte{systemFile: p.one.files[systemFile], "manifest.json": p.one.offer.Manifest, "manifest.note": p.one.offer.Note} {
		w.must(w.disk.WriteFile("/d/platform/slots/a/"+name, data))
	}
	w.must(slot.Create(w.disk, "/d/platform/boot", "/d/platform/boot/table", slot.Table{Manifests: [2]manifest.Digest{p.one.digest}}.Raised(p.one.manifest)))
	for _, dir := range []string{"/d", "/d/platform", "/d/platform/boot", "/d/platform/slots", "/d/platform/slots/a", "/d/platform/slots/b"} {
		w.must(w.disk.SyncDir(dir))
	}
	return h
}

func (h *host) SelfTest(_ context.Context, name string) error { return h.tests[name] }

func (h *host) config() update.Config {
	c := h.till.config()
	shop, err := theShop()
	h.must(err)
	h.machine.disk = h.disk.ReadFile
	c.Root, c.Backend, c.Application, c.Other = "/d/platform", h.machine, shop.maker.policy, func() string { return h.other }
	return c
}

func (h *host) agent() *update.Agent {
	h.t.Helper()
	a, err := update.New(h.config())
	h.must(err)
	return a
}

func (h *host) platformTable() slot.Table {
	h.t.Helper()
	f, _, err := slot.Open(h.disk, "/d/platform/boot/table")
	h.must(err)
	return f.Table()
}

// restart starts the machine and settles.
func (h *host) restart() error {
	h.machine.boot()
	return h.agent().Settle(context.Background(), h)
}

// kept fails the test unless the second system runs for good.
func (h *host) kept() {
	h.t.Helper()
	if err := h.isKept(); err != nil {
		h.t.Fatalf("%v\n%s", err, strings.Join(h.story(), "\n"))
	}
}

func (h *host) isKept() error {
	t := h.platformTable()
	switch {
	case h.machine.running != "B" || h.machine.next != "B" || h.machine.tries["B"] != -1:
		return fmt.Errorf("the machine runs %s, next %s", h.machine.running, h.machine.next)
	case !bytes.Equal(h.machine.content["B"], h.two.files[systemFile]):
		return errors.New("the system is another one")
	case t.Trial || t.Manifests[t.Active] != h.two.digest || t.Highest != [2]uint64{0, 2}:
		return fmt.Errorf("the table says %+v", t)
	case !slices.Contains(h.story(), "kept done"):
		return errors.New("the history does not say that it was kept")
	}
	return nil
}

// Requirement: CU-19
// Requirement: DL-09
// Requirement: DL-18
func TestAPlatformTakesTheSameStagesAndEndsInTheMachinesOwnHands(t *testing.T) {
	h := newHost(t)
	r, err := h.agent().Update(t.Context())
	if err != nil || !r.Restart || h.ended != 1 || h.machine.running != "A" || h.machine.next != "B" {
		t.Fatalf("%+v, %v, the machine starts %s next", r, err, h.machine.next)
	}
	if h.table().Trial {
		t.Error("the application's table names a trial")
	}
	h.must(h.restart())
	h.kept()
	want := []string{"announced done", "downloaded done", "transmission done", "authenticity done", "compatibility done", "certification done", "consent done",
		"gate done", "installed begun", "installed done", "verified done", "pointer begun", "pointer done", "trial begun", "kept done"}
	if got := h.story(); !slices.Equal(got, want) {
		t.Errorf("the history:\n%s", strings.Join(got, "\n"))
	}
	if names, err := h.disk.ReadDir("/d/platform/slots/a"); err != nil || len(names) > 0 {
		t.Errorf("the folder of the platform before holds %q, %v", names, err)
	}
	h.must(h.agent().Settle(t.Context(), h))
	if r, err := h.agent().Update(t.Context()); err != nil || r != (update.Result{}) || len(h.history) != len(want) {
		t.Errorf("a pass with nothing to do: %+v, %v, %s", r, err, h.story())
	}
}

// Requirement: CU-19
func TestPlatformAndApplicationHaveCountersKeysAndChecksOfTheirOwn(t *testing.T) {
	shop, err := theShop()
	if err != nil {
		t.Fatal(err)
	}
	t.Run("an application for the platform", func(t *testing.T) {
		h := newHost(t)
		h.offer = &shop.two.offer
		if _, err := h.agent().Update(t.Context()); !errors.Is(err, update.ErrRejected) {
			t.Errorf("the keys of applications counted for the platform: %v", err)
		}
	})
	t.Run("a platform for the application", func(t *testing.T) {
		w, h := newTill(t), newHost(t)
		w.offer = h.offer
		if _, err := w.agent().Update(t.Context()); !errors.Is(err, update.ErrRejected) {
			t.Errorf("the keys of platforms counted for the application: %v", err)
		}
		signed, err := w.release(2, w.one, w.two.files, func(m *manifest.Manifest) { m.Scope = manifest.Platform })
		w.must(err)
		w.offer = &signed.offer
		if _, err := w.agent().Update(t.Context()); !errors.Is(err, slot.ErrIncompatible) {
			t.Errorf("a platform under the keys of applications: %v", err)
		}
	})
	t.Run("an image for the application", func(t *testing.T) {
		w := newTill(t)
		if _, err := w.release(2, w.one, w.two.files, func(m *manifest.Manifest) { m.Components[0].Kind = manifest.Image }); !errors.Is(err, manifest.ErrFormat) {
			t.Errorf("a release that was made: %v", err)
		}
	})
	t.Run("one key for both", func(t *testing.T) {
		c := newHost(t).config()
		c.Application = c.Check.Policy
		if _, err := update.New(c); !errors.Is(err, manifest.ErrPolicy) {
			t.Errorf("New: %v", err)
		}
		c.Application = nil
		if _, err := update.New(c); err == nil {
			t.Error("New without the application's policy")
		}
	})
	t.Run("a counter that is not raised", func(t *testing.T) {
		h := newHost(t)
		same, err := h.release(1, h.one, h.two.files, func(m *manifest.Manifest) {
			m.Scope, m.Identity = manifest.Platform, "0PLMTIL77-20261122"
			m.Components[0].Kind, m.Components[0].Legal = manifest.Image, true
		})
		h.must(err)
		h.offer = &same.offer
		if _, err := h.agent().Update(t.Context()); !errors.Is(err, slot.ErrFloor) || h.machine.checks > 0 {
			t.Errorf("Update: %v, the back end was asked %d times", err, h.machine.checks)
		}
	})
	t.Run("no image", func(t *testing.T) {
		h := newHost(t)
		none, err := h.release(3, nil, map[string][]byte{"data/words": noise(3, 100)}, func(m *manifest.Manifest) {
			m.Scope, m.Legal = manifest.Platform, false
		})
		h.must(err)
		h.offer = &none.offer
		if _, err := h.agent().Update(t.Context()); !errors.Is(err, slot.ErrIncompatible) {
			t.Errorf("Update: %v", err)
		}
	})
}

// Requirement: DL-07
// Requirement: CU-08
func TestAPlatformThatDoesNotComeUpIsNoticedAfterTheMachineWentBack(t *testing.T) {
	h := newHost(t)
	_, err := h.agent().Update(t.Context())
	h.must(err)
	h.machine.broken = "B"
	h.must(h.restart())
	e, table := h.last(), h.platformTable()
	if e.Stage != update.FallenBack || e.Digest != h.two.digest || h.machine.running != "A" || h.machine.tries["B"] != 0 {
		t.Errorf("the history ends with %+v, the machine is %+v", e, h.machine)
	}
	if table.Trial || table.Active != slot.A || table.Failed != h.two.digest || table.Failures != 1 || table.Highest[slot.Platform] != 1 {
		t.Errorf("the table says %+v", table)
	}
	if _, err := h.agent().Update(t.Context()); !errors.Is(err, update.ErrRejected) {
		t.Errorf("at once again: %v", err)
	}
	h.now = h.now.Add(9 * time.Hour)
	h.machine.broken = ""
	_, err = h.agent().Update(t.Context())
	h.must(err)
	h.must(h.restart())
	h.kept()
}

func TestAPlatformThatFailsItsSelfTestsIsGivenUp(t *testing.T) {
	h := newHost(t)
	_, err := h.agent().Update(t.Context())
	h.must(err)
	h.tests = map[string]error{"network": errors.New("no link")}
	if err := h.restart(); err == nil || h.ended != 2 || h.machine.next != "A" {
		t.Fatalf("Settle: %v, ended %d times, next %s", err, h.ended, h.machine.next)
	}
	h.must(h.restart())
	e := h.last()
	if e.Stage != update.FallenBack || !strings.Contains(e.Detail, "self-test") || h.machine.running != "A" {
		t.Errorf("the history ends with %+v, the machine runs %s", e, h.machine.running)
	}
	if h.platformTable().Why != slot.SelfTest {
		t.Errorf("the table says %+v", h.platformTable())
	}
}

func TestABackEndThatRefusesActivatesOrRotsStopsTheUpdate(t *testing.T) {
	for name, c := range map[string]struct {
		set   func(*machine)
		stage update.Stage
		want  error
	}{
		"refuses the signature":     {func(m *machine) { m.refuse = update.At(update.Authenticity, update.ErrRejected) }, update.Authenticity, update.ErrRejected},
		"activates what it writes":  {func(m *machine) { m.hasty = true }, update.Installed, nil},
		"loses a bit":               {func(m *machine) { m.rot = true }, update.Verified, manifest.ErrContent},
		"is busy with something":    {func(m *machine) { m.refuse = update.ErrWaiting }, update.Installed, nil},
		"is not to be found at all": {func(m *machine) { m.refuse = errors.New("no bus") }, update.Installed, nil},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			c.set(h.machine)
			r, err := h.agent().Update(t.Context())
			waits := c.want == nil && errors.Is(h.machine.refuse, update.ErrWaiting)
			if (err == nil) != waits || (c.want != nil && !errors.Is(err, c.want)) || r.Stage != c.stage || h.machine.next != "A" || h.ended > 0 {
				t.Errorf("%+v, %v; next %s", r, err, h.machine.next)
			}
			if h.platformTable().Trial {
				t.Error("the table names a trial")
			}
			h.machine.refuse, h.machine.hasty, h.machine.rot = nil, false, false
			h.now = h.now.Add(9 * time.Hour)
			_, err = h.agent().Update(t.Context())
			h.must(err)
			h.must(h.restart())
			h.kept()
		})
	}
}

func TestTwoThingsAreNeverTriedAtOnce(t *testing.T) {
	h := newHost(t)
	h.other = "a trial of the application is not over"
	if r, err := h.agent().Update(t.Context()); err != nil || r.Waiting != h.other || h.repo.bytes > 0 {
		t.Errorf("%+v, %v", r, err)
	}
	h.other = ""
	a := h.agent()
	if why := a.Unsettled(); why != "" {
		t.Errorf("before: %q", why)
	}
	_, err := a.Update(t.Context())
	h.must(err)
	if why := a.Unsettled(); !strings.Contains(why, "platform") {
		t.Errorf("while it is to be tried: %q", why)
	}
	h.must(h.restart())
	if why := h.agent().Unsettled(); why != "" {
		t.Errorf("after it was kept: %q", why)
	}
}

// floor is a TPM's, in memory.
type floor struct {
	floors [2]uint64
	admit  error
}

func (f *floor) Floors() ([2]uint64, error)          { return f.floors, nil }
func (f *floor) Admit(slot.Scope, uint64) error      { return f.admit }
func (f *floor) Raise(s slot.Scope, to uint64) error { f.floors[s] = max(f.floors[s], to); return nil }

// Requirement: CU-19
// Requirement: CU-10
func TestAPlatformsFloorRisesWhenItIsKeptAndStopsAnOldDisk(t *testing.T) {
	for _, least := range []uint64{0, 9} {
		h, f := newHost(t), new(floor)
		with := func() *update.Agent {
			c := h.config()
			c.Floor = f
			a, err := update.New(c)
			h.must(err)
			return a
		}
		_, err := with().Update(t.Context())
		h.must(err)
		if f.floors[slot.Platform] != 0 {
			t.Error("the floor rose before the trial")
		}
		f.floors[slot.Platform] = least
		h.machine.boot()
		err = with().Settle(t.Context(), h)
		switch {
		case least == 0 && (err != nil || f.floors[slot.Platform] != h.two.manifest.Lowest()):
			t.Errorf("kept: %v, floors %v", err, f.floors)
		case least == 9 && (!errors.Is(err, slot.ErrFloor) || h.machine.next != "A"):
			t.Errorf("below the floor of the TPM: %v, next %s", err, h.machine.next)
		}
	}
}

// Requirement: FM-09
// Requirement: CU-11
func TestPowerCutAnywhereLeavesAWholePlatformAndGoesOn(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	points := 0
	h := newHost(t)
	h.disk.Before(func(op powercut.Op) {
		if op.N == 0 && rng.IntN(20) > 0 { // between two reads nothing changes
			return
		}
		points++
		if err := h.goesOn(h.disk.Cut(rng, powercut.AnyKeep(rng)), rng.IntN(4) == 0); err != nil {
			t.Fatalf("power cut before %v: %v\n%s", op, err, strings.Join(h.story(), "\n"))
		}
	})
	_, err := h.agent().Update(t.Context())
	h.must(err)
	h.must(h.restart())
	h.disk.Before(nil)
	h.kept()
	t.Logf("%d power cuts", points)
}

// goesOn starts a machine again that lost its power, with a new system that comes up
// or does not, and follows it to the end.
func (h *host) goesOn(disk *powercut.Disk, bad bool) error {
	w := &till{shop: h.shop, t: h.t, disk: disk, now: h.now.Add(time.Hour), offer: h.offer, policy: h.policy, history: slices.Clone(h.history)}
	w.sources = []update.Source{&memory{files: h.maker.repo}}
	next := &host{till: w, machine: h.machine.clone()}
	if bad = bad && next.machine.tries["B"] != -1; bad { // what is good already has no way back
		next.machine.broken = "B"
	}
	for range 4 {
		if err := next.restart(); err != nil {
			return fmt.Errorf("settle: %w", err)
		}
		if next.machine.running == "B" && next.platformTable().Manifests[next.platformTable().Active] != h.two.digest {
			return errors.New("the new platform runs, and the table does not say so")
		}
		r, err := next.agent().Update(context.Background())
		if err != nil && !(bad && errors.Is(err, update.ErrRejected)) {
			return fmt.Errorf("%+v: %w", r, err)
		}
		if !r.Restart && (!bad || slices.Contains(next.story(), "fallen back done")) {
			break
		}
	}
	if !bad {
		return next.isKept()
	}
	told := slices.Contains(next.story(), "fallen back done") || slices.Contains(next.story(), "kept done")
	if next.machine.running != "A" || !told || next.platformTable().Trial {
		return fmt.Errorf("it runs %s, told %t: %+v", next.machine.running, told, next.platformTable())
	}
	return nil
}
