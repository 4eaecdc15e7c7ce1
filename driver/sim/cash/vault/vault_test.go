package vault_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/plomb-pos/plomb/driver/sim/cash/vault"
	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/internal/powercut"
)

const five, ten = vault.Note("typeEUR5:fit"), vault.Note("typeEUR10:fit")

func stock() map[string]vault.Notes {
	return map[string]vault.Notes{"unitA": {five: 50}, "unitB": {ten: 50}, "unitBOX": {}, "unitREJECT": {}, "unitRETRACT": {}}
}

// check verifies everything that always holds: nothing is lost or made, and what
// the counters say is what is there.
func check(t interface{ Fatalf(string, ...any) }, s *vault.State, miscounted bool) {
	if total := s.Total(); len(total) != 0 {
		t.Fatalf("notes in all places and outside sum up to %v, want none made and none lost", total)
	}
	for id, u := range s.Units {
		if d := u.Drift(); !miscounted && len(d) != 0 {
			t.Fatalf("%s holds %v more than its counters say", id, d)
		}
		for kind, n := range u.Notes {
			if n < 0 {
				t.Fatalf("%s holds %d of %s", id, n, kind)
			}
		}
		areas := vault.Notes{}
		for _, n := range u.Areas {
			areas.Add(n)
		}
		for kind, n := range areas {
			if n > u.Notes[kind] {
				t.Fatalf("the areas of %s hold %d of %s, the whole %d", id, n, kind, u.Notes[kind])
			}
		}
	}
	for id, u := range s.Units {
		if diff := cmp.Diff(orNone(s.Piles[vault.Stacker][id]), orNone(u.Out.Stacked)); diff != "" {
			t.Fatalf("%s: on the stacker and counted as stacked: %s", id, diff)
		}
		if diff := cmp.Diff(orNone(s.Piles[vault.Transport][id]), orNone(u.Out.Way)); diff != "" {
			t.Fatalf("%s: in the transport and counted as under way: %s", id, diff)
		}
	}
}

func orNone(n vault.Notes) vault.Notes {
	if n == nil {
		return vault.Notes{}
	}
	return n
}

// moves are all that can be done, with random choices; many cannot be done at a
// time and change nothing then.
var moves = []func(*vault.State, func(int) int) error{
	func(s *vault.State, n func(int) int) error { return s.Pick("unitA", vault.Notes{five: 1 + n(5)}) },
	func(s *vault.State, n func(int) int) error { return s.Pick("unitB", vault.Notes{ten: 1 + n(60)}) },
	func(s *vault.State, n func(int) int) error {
		return s.PickBad("unitA", vault.Notes{five: 2}, "unitREJECT")
	},
	func(s *vault.State, n func(int) int) error { return s.Jam("unitB", vault.Notes{ten: 1}) },
	func(s *vault.State, n func(int) int) error { return s.Shift(vault.Stacker, vault.Output) },
	func(s *vault.State, n func(int) int) error { return s.Shift(vault.Transport, vault.Stacker) },
	func(s *vault.State, n func(int) int) error { return s.Shift(vault.Stacker, vault.Transport) },
	func(s *vault.State, n func(int) int) error { return s.Shift(vault.Output, vault.Stacker) },
	func(s *vault.State, n func(int) int) error { return s.Shift(vault.Input, vault.Output) },
	func(s *vault.State, n func(int) int) error {
		return s.Take(vault.Output, s.Piles[vault.Output].All().First(1+n(4)))
	},
	func(s *vault.State, n func(int) int) error {
		s.Insert(vault.Notes{five: 1 + n(3), vault.NoteOf("", vault.Unrecognized): 1})
		return nil
	},
	func(s *vault.State, n func(int) int) error { s.Leave(vault.Notes{ten: 1}); return nil },
	func(s *vault.State, n func(int) int) error {
		return s.ShiftSome(vault.Input, vault.Stacker, "", vault.Notes{five: 1})
	},
	func(s *vault.State, n func(int) int) error {
		return stow(s, vault.Stacker, "unitBOX", vault.Deposited, 0)
	},
	func(s *vault.State, n func(int) int) error {
		return stow(s, vault.Stacker, "unitREJECT", vault.Rejected, 0)
	},
	func(s *vault.State, n func(int) int) error {
		return stow(s, vault.Output, "unitRETRACT", vault.Retracted, 1+n(3))
	},
	func(s *vault.State, n func(int) int) error {
		return stow(s, vault.Transport, "unitRETRACT", vault.Retracted, 1+n(3))
	},
	func(s *vault.State, n func(int) int) error {
		return s.Transfer("unitBOX", s.Units["unitBOX"].Notes.First(1+n(3)), "unitRETRACT")
	},
	func(s *vault.State, n func(int) int) error {
		return s.Transfer("unitRETRACT", s.Units["unitRETRACT"].Notes.First(2), "unitBOX")
	},
	func(s *vault.State, n func(int) int) error { return s.Fill("unitA", vault.Notes{five: 1 + n(50)}) },
	func(s *vault.State, n func(int) int) error { return s.Turn("unitBOX", vault.Inked) },
}

func stow(s *vault.State, from vault.Place, to string, why vault.Why, area int) error {
	for id, n := range s.Piles[from] {
		if err := s.Stow(from, id, n, to, why, area); err != nil {
			return err
		}
	}
	return nil
}

// Requirement: XFS-10
func TestNoNoteIsLostOrMadeByAnyMoves(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v, err := vault.Open(nil, "", stock())
		if err != nil {
			t.Fatal(err)
		}
		for range rapid.IntRange(1, 40).Draw(t, "moves") {
			move := rapid.SampledFrom(moves).Draw(t, "move")
			err := v.Change(func(s *vault.State) error {
				return move(s, func(n int) int { return rapid.IntRange(0, n).Draw(t, "n") })
			})
			if err != nil && !errors.Is(err, vault.ErrNotes) {
				t.Fatal(err)
			}
			check(t, v.State(), false)
		}
	})
}

func TestAMiscountIsKnownAndMendedByACount(t *testing.T) {
	v, _ := vault.Open(nil, "", stock())
	do := func(f func(*vault.State) error) {
		t.Helper()
		if err := v.Change(f); err != nil {
			t.Fatal(err)
		}
	}
	do(func(s *vault.State) error { return s.Miscount("unitA", vault.Notes{five: 3}) })
	check(t, v.State(), true)
	if d := v.State().Units["unitA"].Drift(); d[five] != -3 {
		t.Errorf("drift %v", d)
	}
	do(func(s *vault.State) error { return s.Recount("unitA") })
	check(t, v.State(), false)
	if err := v.Change(func(s *vault.State) error { return s.Miscount("unitA", vault.Notes{five: 48}) }); !errors.Is(err, vault.ErrNotes) {
		t.Errorf("more than there are: %v", err)
	}
	if err := v.Change(func(s *vault.State) error { return s.Pick("unitX", nil) }); !errors.Is(err, vault.ErrUnit) {
		t.Errorf("no such cassette: %v", err)
	}
}

// At every operation of the disk power is lost, and the vault that is opened then
// holds the state before the change or after it.
//
// Requirement: XFS-10
func TestPowerLostAtAnyMomentLeavesAWholeState(t *testing.T) {
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 1))
	disk := powercut.New()
	if err := errors.Join(disk.Mkdir("/cash"), disk.SyncDir("/")); err != nil {
		t.Fatal(err)
	}
	v, err := vault.Open(disk, "/cash", stock())
	if err != nil {
		t.Fatal(err)
	}
	before, after := v.State(), v.State()
	cuts := 0
	disk.Before(func(powercut.Op) {
		cuts++
		again, err := vault.Open(disk.Cut(rng, powercut.AnyKeep(rng)), "/cash", stock())
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		check(t, again.State(), false)
		if !same(again.State(), before) && !same(again.State(), after) {
			t.Fatalf("seed %d: neither before nor after:\n%s", seed, cmp.Diff(before, again.State()))
		}
	})
	for range 150 {
		before = v.State()
		move := moves[rng.IntN(len(moves))]
		_ = v.Change(func(s *vault.State) error { // a move that cannot be done changes nothing
			err := move(s, func(n int) int { return rng.IntN(n + 1) })
			after = s
			return err
		})
		after = v.State()
	}
	disk.Before(nil)
	again, err := vault.Open(disk.Cut(rng, powercut.KeepNone), "/cash", stock())
	if err != nil || !same(again.State(), v.State()) {
		t.Errorf("seed %d: what was acknowledged is not kept: %v", seed, err)
	}
	if cuts < 300 {
		t.Errorf("only %d cuts", cuts)
	}
}

func same(a, b *vault.State) bool { return cmp.Diff(a, b) == "" }

func TestAFailingDiskStopsEverything(t *testing.T) {
	for _, kept := range []bool{false, true} {
		disk := powercut.New()
		if err := disk.Mkdir("/cash"); err != nil {
			t.Fatal(err)
		}
		v, err := vault.Open(disk, "/cash", stock())
		if err != nil {
			t.Fatal(err)
		}
		disk.FailAt(disk.Ops()+3, errors.New("disk"), kept)
		pick := func(s *vault.State) error { return s.Pick("unitA", vault.Notes{five: 1}) }
		if v.Change(pick) == nil || v.Failed() == nil {
			t.Fatal("a failing disk went unnoticed")
		}
		disk.Heal()
		if v.Change(pick) == nil {
			t.Error("the vault goes on after an error of the disk")
		}
	}
}

func TestAStateThatCouldNotBeReadAgainIsRefused(t *testing.T) {
	disk := powercut.New()
	if err := disk.Mkdir("/cash"); err != nil {
		t.Fatal(err)
	}
	v, err := vault.Open(disk, "/cash", stock())
	if err != nil {
		t.Fatal(err)
	}
	err = v.Change(func(s *vault.State) error { return s.Remember("much", strings.Repeat("x", 9<<20)) })
	if !errors.Is(err, vault.ErrSize) || v.Failed() != nil {
		t.Errorf("%v, failed: %v", err, v.Failed())
	}
	if _, err := vault.Open(disk, "/cash", nil); err != nil {
		t.Error(err)
	}
}

func TestWhatIsNoAccountIsRefused(t *testing.T) {
	disk := powercut.New()
	if err := disk.Mkdir("/cash"); err != nil {
		t.Fatal(err)
	}
	if err := disk.WriteFile("/cash/notes.json", []byte(`{"units":{"a":{},"a":{}}}`)); err != nil {
		t.Fatal(err)
	}
	if _, err := vault.Open(disk, "/cash", stock()); err == nil {
		t.Error("duplicate keys were taken")
	}
}

// movesForever is run as a process of its own, which is killed.
func movesForever(dir string) error {
	v, err := vault.Open(durable.OS{}, dir, stock())
	if err != nil {
		return err
	}
	fmt.Println("ready")
	for i := 0; ; i++ {
		_ = v.Change(func(s *vault.State) error { return moves[i%len(moves)](s, func(n int) int { return i % (n + 1) }) })
		if v.Failed() != nil {
			return v.Failed()
		}
	}
}

func TestMain(m *testing.M) {
	if dir := os.Getenv("VAULT_TEST_MOVES"); dir != "" {
		if err := movesForever(dir); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// Requirement: XFS-10
func TestAKilledProcessLeavesAWholeState(t *testing.T) {
	dir := t.TempDir()
	for round := range 6 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(slices.Clone(os.Environ()), "VAULT_TEST_MOVES="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		line := make([]byte, 6)
		if _, err := out.Read(line); err != nil || !strings.HasPrefix(string(line), "ready") {
			t.Fatalf("round %d: %q %v", round, line, err)
		}
		waitForWrites(t, filepath.Join(dir, "notes.json"), 20+round)
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // it was killed
		v, err := vault.Open(durable.OS{}, dir, stock())
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		check(t, v.State(), false)
	}
}

// waitForWrites returns when the file was replaced that many times.
func waitForWrites(t *testing.T, name string, times int) {
	var last os.FileInfo
	for seen := 0; seen < times; {
		now, err := os.Stat(name)
		if err != nil {
			continue // between two names
		}
		if last == nil || !os.SameFile(last, now) {
			last = now
			seen++
		}
	}
}

func FuzzOpen(f *testing.F) {
	f.Add([]byte(`{"units":{"unitA":{"notes":{"typeEUR5:fit":3},"areas":{"1":null}}},"piles":{"stacker":{"unitA":{"typeEUR5:fit":1}}},"outside":null}`))
	f.Add([]byte(`{"units":{"unitA":{}},"piles":{"output":null,"x":{"":null}}}`))
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		disk := powercut.New()
		if err := errors.Join(disk.Mkdir("/cash"), disk.WriteFile("/cash/notes.json", data)); err != nil {
			t.Fatal(err)
		}
		v, err := vault.Open(disk, "/cash", stock())
		if err != nil {
			return
		}
		for _, move := range moves { // none of them may panic
			_ = v.Change(func(s *vault.State) error { return move(s, func(int) int { return 0 }) })
		}
	})
}
