package till

import (
	"crypto/sha256"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"pgregory.net/rapid"

	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/seal"
	"github.com/plomb-pos/plomb/staff"
	"github.com/plomb-pos/plomb/till/sqlite"
)

// stillTill is an open till behind whose back nothing goes on, with a screen at
// which an administrator is signed in.
func stillTill(t *testing.T) (*Node, sessionKey) {
	t.Helper()
	dir := t.TempDir()
	box, err := seal.Create(durable.OS{}, filepath.Join(dir, "seal"))
	must(t, err)
	signer, err := box.CreateSigner(Origin("till-00000001", 1))
	must(t, err)
	o := Options{Dir: dir, Name: "till-00000001", Keys: box.JournalKeys(), Signer: signer, DatabaseKey: func(name string) ([]byte, error) {
		key, err := box.DatabaseKey(name)
		return key[:], err
	}}
	must(t, Create(t.Context(), o))
	n, err := Open(t.Context(), o)
	must(t, err)
	t.Cleanup(func() { _ = n.Close(t.Context()) })
	p := sqlite.Person{ID: "3", Name: "Bo", Role: string(staff.Supervisor), Active: true}
	n.people["3"] = p
	s := &session{hash: sha256.Sum256(nil), person: personOf(p), at: time.Now(), used: n.opts.Uptime()}
	n.sessions[s.hash] = s
	return n, s.hash
}

func (n *Node) try(t *testing.T, key sessionKey, do, args string) error {
	t.Helper()
	_, err := n.doFor(t.Context(), key, Command{ID: idText(newID(time.Now())), Do: do, Args: jsontext.Value(args)})
	return err
}

// TestNobodyIsHeldUpByALookUp looks a receipt up that the projection does not
// know yet, and pays money in meanwhile.
func TestNobodyIsHeldUpByALookUp(t *testing.T) {
	n, key := stillTill(t)
	must(t, n.try(t, key, "drawer.open", `{}`))
	must(t, n.try(t, key, "basket.add", `{"sku":"BRD-01"}`))
	must(t, n.try(t, key, "basket.tender", `{"type":"cash","complete":true}`))
	for _, look := range []struct{ do, args, want string }{
		{"receipt.copy", `{"number":1}`, "printer-down"}, // found, and no printer
		{"receipt.print", `{"number":1}`, "printer-down"},
		{"return.begin", `{"receipt":7}`, "unknown-receipt"},
	} {
		t.Run(look.do, func(t *testing.T) {
			n.searched.Store(0)
			answered := make(chan error, 1)
			go func() { answered <- n.try(t, key, look.do, look.args) }()
			waiting := func() bool {
				n.waiters.Lock()
				defer n.waiters.Unlock()
				return n.came != nil || len(answered) > 0
			}
			for !waiting() {
				runtime.Gosched()
			}
			must(t, n.try(t, key, "drawer.payin", `{"amount":100,"reason":"change"}`))
			if len(answered) > 0 {
				t.Errorf("the look-up was answered %v before the search was ready", <-answered)
			}
			next, _, err := n.projection.Cursor(t.Context())
			must(t, err)
			n.searched.Store(next)
			must(t, n.extend(t.Context(), next))
			n.progress()
			if r := toRefusal(<-answered); r.Code != look.want {
				t.Errorf("answered %v, want %s", r, look.want)
			}
		})
	}
}

func TestALookUpThatCannotBeAnsweredSaysSo(t *testing.T) {
	n, key := stillTill(t)
	must(t, n.try(t, key, "drawer.open", `{}`))
	must(t, n.try(t, key, "basket.add", `{"sku":"BRD-01"}`))
	must(t, n.try(t, key, "basket.tender", `{"type":"cash","complete":true}`))
	n.searched.Store(0) // as while the projection is made anew
	n.mu.Lock()
	_, err := n.indexOfNumber(t.Context(), 1)
	_, later := n.indexOfNumber(t.Context(), 2)
	_, printed := n.printedHeld(t.Context(), n.last.Index)
	n.mu.Unlock()
	if r := toRefusal(err); r.Code != "searching" || r.Kind != Unavailable || n.Words(r).Hint == "" {
		t.Errorf("receipt 1: %v", r)
	}
	if r := toRefusal(later); r.Code != "unknown-receipt" {
		t.Errorf("a receipt that was never given out: %v", r)
	}
	if r := toRefusal(printed); r.Code != "searching" {
		t.Errorf("printed: %v", r)
	}
}

// TestWhatIsStagedAboutAPrintIsNeverForgotten lets the projection lag, catch up
// and begin anew.
func TestWhatIsStagedAboutAPrintIsNeverForgotten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var p papers
		last, searched, size := map[uint64]uint64{}, uint64(0), uint64(0)
		for range rapid.IntRange(0, 400).Draw(t, "entries") {
			size++
			entry := rapid.Uint64Range(0, size).Draw(t, "about")
			switch rapid.IntRange(0, 9).Draw(t, "what") {
			case 0:
				searched = 0
			case 1, 2:
				searched = size
			case 3:
				p.staged(&fiscal.NoSale{}, size, searched)
			default:
				p.staged(&fiscal.Printed{Entry: entry}, size, searched)
				last[entry] = size
			}
		}
		for entry, at := range last {
			if p.of(entry) < at || p.of(entry) > size {
				t.Fatalf("entry %d needs %d, not %d", entry, at, p.of(entry))
			}
		}
	})
}
