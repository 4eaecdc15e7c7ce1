package fiscal_test

import (
	"encoding/binary"
	"encoding/hex"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/journal/proof"
)

// remembering is a state beside the plain list of what it has to remember.
type remembering struct {
	state *fiscal.State
	want  []fiscal.Command
}

// command applies a no-sale that a command made.
func (r *remembering) command(t interface{ Fatal(...any) }, id uint32, passed time.Duration) {
	d, err := r.state.Draft(&fiscal.NoSale{Actor: anna})
	if err != nil {
		t.Fatal(err)
	}
	h := &proof.Head{Kind: d.Kind, Index: r.state.Size, Origin: r.state.Origin, Time: r.state.Time + passed.Milliseconds()}
	binary.BigEndian.PutUint32(h.Command[12:], id)
	if err := r.state.Apply(h, d.Body); err != nil {
		t.Fatal(err)
	}
	oldest := h.Time - fiscal.CommandWindow.Milliseconds()
	r.want = slices.DeleteFunc(slices.Clone(r.want), func(c fiscal.Command) bool { return c.Time < oldest })
	name := hex.EncodeToString(h.Command[:])
	if n := len(r.want); id != 0 && (n == 0 || r.want[n-1].ID != name) {
		r.want = append(r.want, fiscal.Command{ID: name, Index: h.Index, Time: h.Time})
	}
}

func (r *remembering) check(t *rapid.T, ids uint32) {
	if d := cmp.Diff(len(r.want), len(r.state.Commands)); d != "" || !slices.Equal(r.want, r.state.Commands) {
		t.Fatalf("remembered %v, want %v", r.state.Commands, r.want)
	}
	for id := range ids {
		var key [16]byte
		binary.BigEndian.PutUint32(key[12:], id)
		var want fiscal.Command
		for _, c := range r.want {
			if c.ID == hex.EncodeToString(key[:]) {
				want = c
			}
		}
		if got, ok := r.state.Command(key); got != want || ok != (want != fiscal.Command{}) {
			t.Fatalf("Command(%d) = %v, %v, want %v", id, got, ok, want)
		}
	}
}

// TestClonesRememberCommandsEachForItself lets clones of clones go on from any
// point, be thrown away, be written and read again.
func TestClonesRememberCommandsEachForItself(t *testing.T) {
	x := newTill(t)
	const ids = 6
	rapid.Check(t, func(t *rapid.T) {
		all := []*remembering{{state: x.state.Clone(), want: slices.Clone(x.state.Commands)}}
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			i := rapid.IntRange(0, len(all)-1).Draw(t, "which")
			r := all[i]
			switch rapid.SampledFrom([]string{"command", "command", "command", "clone", "restore"}).Draw(t, "step") {
			case "command":
				passed := time.Duration(rapid.IntRange(0, 30).Draw(t, "minutes")) * time.Minute
				r.command(t, rapid.Uint32Range(0, ids-1).Draw(t, "id"), passed)
			case "clone":
				all = append(all, &remembering{state: r.state.Clone(), want: r.want})
			case "restore":
				data, err := r.state.Snapshot()
				if err != nil {
					t.Fatal(err)
				}
				again, err := fiscal.Restore(data)
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, &remembering{state: again, want: r.want})
			}
			for _, r := range all {
				r.check(t, ids)
			}
		}
	})
}

func TestTheOldestCommandsAreForgottenBeyondTheMost(t *testing.T) {
	x := newTill(t)
	r := &remembering{state: x.state.Clone(), want: []fiscal.Command{}}
	const made = 3*fiscal.MaxCommands + 17
	for i := range uint32(made) {
		r.state = r.state.Clone()
		r.want = nil
		r.command(t, i+1, 0)
	}
	if n := len(r.state.Commands); n != fiscal.MaxCommands {
		t.Fatalf("%d commands remembered", n)
	}
	for id, want := range map[uint32]bool{made: true, made - fiscal.MaxCommands + 1: true, made - fiscal.MaxCommands: false, 1: false} {
		var key [16]byte
		binary.BigEndian.PutUint32(key[12:], id)
		if c, ok := r.state.Command(key); ok != want || ok && c.ID != hex.EncodeToString(key[:]) {
			t.Errorf("Command(%d) = %v, %v", id, c, ok)
		}
	}
}

func TestACloneCostsTheSameHoweverManyCommandsAreRemembered(t *testing.T) {
	x := newTill(t)
	few, many := &remembering{state: x.state.Clone()}, &remembering{state: x.state.Clone()}
	for i := range uint32(fiscal.MaxCommands) {
		many.want = nil
		many.command(t, i+1, 0)
	}
	var kept *fiscal.State
	cost := func(s *fiscal.State) int64 {
		return testing.Benchmark(func(b *testing.B) {
			b.ReportAllocs()
			for range b.N {
				kept = s.Clone()
			}
		}).AllocedBytesPerOp()
	}
	if a, b := cost(few.state), cost(many.state); b > a+1000 {
		t.Errorf("a clone takes %d bytes with %d commands, %d with none", b, len(many.state.Commands), a)
	}
	_ = kept
}
