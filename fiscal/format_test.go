package fiscal_test

import (
	"encoding"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/plomb-pos/plomb/catalog"
	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/journal/proof"
	"github.com/plomb-pos/plomb/sale"
)

// metadata are those of a device of three parties, at version n.
func metadata(scope string, n int64) *fiscal.Metadata {
	m := &fiscal.Metadata{Scope: scope, Device: strings.Repeat("d", 64), Policy: uint64(n), Campaign: uint64(n), Deployer: strings.Repeat("e", 64)}
	for _, party := range []string{"maker", "nmi", "ptb"} {
		m.Parties = append(m.Parties, fiscal.PartyMetadata{
			Party: party, Anchor: strings.Repeat("a", 64), Root: n, Timestamp: 10 * n, Snapshot: 9 * n, Targets: 3 * n, Online: "k1",
		})
	}
	return m
}

// ofFormat2 records what format 2 added.
func ofFormat2(t testing.TB) *till {
	x := newTill(t)
	x.record(&fiscal.SoftwareStart{Version: "1.0.0"})
	approved := release(2, false)
	approved.Approved = "0PLMTIL01-20261101"
	x.record(&fiscal.SoftwareStart{Version: "1.0.1", Release: approved})
	x.step(fiscal.StageAnnounced, fiscal.OutcomeDone, func(b *fiscal.SoftwareStage) { b.Metadata = metadata("application", 1) })
	x.step(fiscal.StageDownloaded, fiscal.OutcomeDone, nil)
	noRelease := func(b *fiscal.SoftwareStage) { b.Identity, b.Counter, b.Manifest = "", 0, "" }
	x.step(fiscal.StageMetadata, fiscal.OutcomeFailed, func(b *fiscal.SoftwareStage) {
		noRelease(b)
		b.Detail = "maker: timestamp 9, the journal has seen 10"
	})
	x.step(fiscal.StageMetadata, fiscal.OutcomeDone, func(b *fiscal.SoftwareStage) { noRelease(b); b.Metadata = metadata("application", 2) })
	x.step(fiscal.StageMetadata, fiscal.OutcomeDone, func(b *fiscal.SoftwareStage) { noRelease(b); b.Metadata = metadata("platform", 7) })
	snap, err := x.state.NewSnapshot()
	if err != nil {
		t.Fatal(err)
	}
	x.record(snap)
	return x
}

// Requirement: CU-08
func TestAJournalIsOfFormat1UntilSomethingOfFormat2IsInIt(t *testing.T) {
	if x := everything(t); x.state.Version != 1 {
		t.Errorf("all that there was before makes a state of format %d", x.state.Version)
	}
	x := ofFormat2(t)
	if x.state.Version != 2 {
		t.Errorf("format %d", x.state.Version)
	}
	again, err := fiscal.Restore([]byte(snapshot(t, &x.state)))
	if err != nil || again.Version != 2 {
		t.Fatalf("restored: format %d, %v", again.Version, err)
	}
	again.Missing(again.Size + 3)
	if again.Version != 2 {
		t.Errorf("behind a hole: format %d", again.Version)
	}
	check := fiscal.NewCheck(nil)
	for i, h := range x.heads {
		for _, f := range check.Entry(h, x.bodies[i]) {
			t.Errorf("finding in an honest journal: %v", f)
		}
	}
	if got := snapshot(t, check.State()); got != snapshot(t, &x.state) {
		t.Errorf("verifier: %s", got)
	}
}

// Requirement: CU-10
func TestAStateRemembersTheMetadataOfEachScope(t *testing.T) {
	x := ofFormat2(t)
	for scope, n := range map[string]int64{"application": 2, "platform": 7} {
		if m := x.state.Updates.MetadataOf(scope); m == nil || !m.Same(metadata(scope, n)) || m.At.IsZero() || m.Index == 0 {
			t.Errorf("%s: %+v", scope, m)
		}
	}
	if m := x.state.Updates.MetadataOf("device"); m != nil {
		t.Errorf("of no scope: %+v", m)
	}
	if strings.Count(snapshot(t, &x.state), `"anchor"`) != 6 {
		t.Error("the state holds metadata more than once a scope")
	}
}

func TestOfAReleaseThatIsWrittenWhichAFormatHas(t *testing.T) {
	r := release(2, false)
	if r.In(1) != r || (*fiscal.Release)(nil).In(1) != nil {
		t.Error("a release of format 1 is changed for format 1")
	}
	r.Approved = "ff"
	if got := r.In(1); got.Approved != "" || !got.Same(r) || r.In(2) != r || r.Approved != "ff" {
		t.Errorf("in format 1 %+v, in format 2 %+v", got, r.In(2))
	}
}

func TestMetadataThatMakeNoSenseAreRefused(t *testing.T) {
	x := newTill(t)
	for name, edit := range map[string]func(*fiscal.Metadata){
		"scope":    func(m *fiscal.Metadata) { m.Scope = "moon" },
		"device":   func(m *fiscal.Metadata) { m.Device = "d" },
		"anchor":   func(m *fiscal.Metadata) { m.Parties[1].Anchor = "" },
		"party":    func(m *fiscal.Metadata) { m.Parties[0].Party = "" },
		"negative": func(m *fiscal.Metadata) { m.Parties[2].Snapshot = -1 },
		"order":    func(m *fiscal.Metadata) { slices.Reverse(m.Parties) },
		"too many": func(m *fiscal.Metadata) { m.Parties = slices.Repeat(m.Parties[:1], 40) },
	} {
		m := metadata("application", 1)
		edit(m)
		b := &fiscal.SoftwareStage{Stage: fiscal.StageMetadata, Outcome: fiscal.OutcomeDone, At: x.now, Metadata: m}
		if _, err := x.state.Draft(b); err == nil {
			t.Errorf("%s: it can be recorded", name)
		}
	}
}

// Bodies of format 2 decode for ever, and no program before reads them.
func TestBodiesOfFormat2StayReadable(t *testing.T) {
	x := ofFormat2(t)
	var b strings.Builder
	for i, h := range x.heads {
		body, err := fiscal.Decode(h.Kind, x.bodies[i])
		if err != nil {
			t.Fatal(err)
		}
		if h.Kind == fiscal.KindSnapshot || fiscal.FormatOf(body) == 2 {
			fmt.Fprintf(&b, "%s %s\n", fiscal.KindName(h.Kind), x.bodies[i])
		}
	}
	golden(t, "bodies-v2.txt", b.String())
	readable(t, "testdata/bodies-v2.txt")
}

// Bills and the end of a till are of format 2 too, and so is all that follows them.
func TestBillsAndTheEndOfATillStayReadable(t *testing.T) {
	old := len(everything(t).heads)
	x := wholeLife(t)
	var b strings.Builder
	for i, h := range x.heads[old:] {
		fmt.Fprintf(&b, "%s %s\n", fiscal.KindName(h.Kind), x.bodies[old+i])
	}
	golden(t, "bodies-v2-end.txt", b.String())
	readable(t, "testdata/bodies-v2-end.txt")
	if x.state.Version != 2 {
		t.Errorf("the state after them is of format %d", x.state.Version)
	}
}

// readable reads bodies that are kept for ever.
func readable(t *testing.T, file string) {
	t.Helper()
	kept, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(kept)) {
		name, body, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		k, _ := fiscal.KindNamed(name)
		if _, err := fiscal.Decode(k, []byte(body)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Requirement: CU-08
func TestWhatANewerProgramWroteIsToldFromDamage(t *testing.T) {
	x := everything(t)
	login := slices.IndexFunc(x.heads, func(h *proof.Head) bool { return h.Kind == fiscal.KindLogin })
	newer := strings.Replace(string(x.bodies[login]), `{"by":`, `{"tomorrow":1,"by":`, 1)
	state := strings.Replace(snapshot(t, &x.state), `{"version":1,`, `{"version":3,`, 1)
	later := strings.Replace(snapshot(t, &x.state), `{"version":1,`, `{"version":3,"tomorrow":1,`, 1)
	decode := func(k proof.Kind, body string) error { _, err := fiscal.Decode(k, []byte(body)); return err }
	restore := func(text string) error { _, err := fiscal.Restore([]byte(text)); return err }
	for name, c := range map[string]struct {
		err   error
		newer bool
	}{
		"a kind of later":           {decode(250, `{}`), true},
		"a member of later":         {decode(fiscal.KindLogin, newer), true},
		"a snapshot of later":       {restore(state), true},
		"a snapshot with more":      {restore(later), true},
		"half a body":               {decode(fiscal.KindLogin, newer[:20]), false},
		"a number for a name":       {decode(fiscal.KindLogin, `{"by":1}`), false},
		"a member said twice":       {decode(fiscal.KindLogin, `{"by":"a","by":"a"}`), false},
		"a snapshot of nothing":     {restore(strings.Replace(state, `"version":3`, `"version":0`, 1)), false},
		"members in another order":  {decode(fiscal.KindLogin, `{"role":"operator","by":"anna","method":"pin"}`), false},
		"one of this program's own": {nil, false},
	} {
		if (c.err == nil) != (name == "one of this program's own") || fiscal.IsNewer(c.err) != c.newer {
			t.Errorf("%s: %v, newer %v", name, c.err, fiscal.IsNewer(c.err))
		}
	}
}

// A program reads every format up to its own, so a kind or member that is added needs a
// format of its own: tills that may fall back to a program which does not read it must
// not write it. Who adds one raises fiscal.Format, enters the kind in kindFormats or
// gives the body a method format, and updates the golden file.
//
// Requirement: CU-08
func TestEveryKindAndMemberHasItsFormat(t *testing.T) {
	var b strings.Builder
	for _, k := range fiscal.Kinds() {
		body := fiscal.Empty(k)
		fmt.Fprintf(&b, "%s: format %d\n", fiscal.KindName(k), fiscal.FormatOf(body))
		members(&b, "  ", reflect.TypeOf(body), nil)
	}
	fmt.Fprintln(&b, "state:")
	members(&b, "  ", reflect.TypeFor[fiscal.State](), nil)
	fmt.Fprintln(&b, "basket:")
	members(&b, "  ", reflect.TypeFor[sale.Basket](), nil)
	fmt.Fprintln(&b, "catalogue:")
	members(&b, "  ", reflect.TypeFor[catalog.Set](), nil)
	golden(t, "members.txt", b.String())
}

// members lists the members of a type's JSON, and theirs.
func members(b *strings.Builder, indent string, t reflect.Type, within []reflect.Type) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Array {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || t.Implements(reflect.TypeFor[encoding.TextMarshaler]()) || slices.Contains(within, t) {
		return
	}
	for i := range t.NumField() {
		f := t.Field(i)
		tag, tagged := f.Tag.Lookup("json")
		switch name, _, _ := strings.Cut(tag, ","); {
		case f.Anonymous && name == "":
			members(b, indent, f.Type, append(within, t))
		case tagged && name != "-" || f.IsExported():
			fmt.Fprintf(b, "%s%s %s\n", indent, tag, f.Type)
			members(b, indent+"  ", f.Type, append(within, t))
		}
	}
}
