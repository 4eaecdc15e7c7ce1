package till_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/internal/powercut"
	"github.com/plomb-pos/plomb/journal"
	"github.com/plomb-pos/plomb/journal/proof"
	"github.com/plomb-pos/plomb/seal"
	"github.com/plomb-pos/plomb/staff"
	"github.com/plomb-pos/plomb/till"
	"github.com/plomb-pos/plomb/till/tilltest"
)

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// site is a till's directory with its keys, on any disk.
type site struct {
	t   testing.TB
	fs  durable.FS
	dir string
	box *seal.Box
}

func open(t testing.TB, fsys durable.FS, dir string) site {
	t.Helper()
	box, err := seal.Open(fsys, path.Join(dir, "seal"))
	ok(t, err)
	return site{t, fsys, dir, box}
}

func (s site) options() till.Options {
	return till.Options{
		Dir: s.dir, Keys: s.box.JournalKeys(),
		DatabaseKey: func(name string) ([]byte, error) { key, err := s.box.DatabaseKey(name); return key[:], err },
		Anchors:     []journal.Anchor{journal.FileAnchor(s.fs, path.Join(s.dir, "head"))},
	}
}

// request is one that two people with the right make.
func (s site) request() till.EpochRequest {
	return till.EpochRequest{
		Reason: "end of the journal lost", Keys: s.box,
		Person:   till.Approval{Person: tilltest.IDs[staff.Administrator], PIN: tilltest.PIN},
		Approver: till.Approval{Person: tilltest.IDs[staff.Responsible], PIN: tilltest.PIN},
	}
}

// first reads the first entry of an epoch.
func (s site) first(epoch string) *fiscal.Epoch {
	s.t.Helper()
	j, err := journal.OpenReadOnly(path.Join(s.dir, epoch), journal.ReadOptions{FS: s.fs, Keys: s.box.JournalKeys()})
	ok(s.t, err)
	for e, err := range j.Entries(s.t.Context(), 0, 1) {
		ok(s.t, err)
		b, err := fiscal.Decode(e.Head.Kind, e.Body)
		ok(s.t, err)
		return b.(*fiscal.Epoch)
	}
	s.t.Fatalf("epoch %s is empty", epoch)
	return nil
}

// whole fails unless an epoch verifies, its contents included.
func (s site) whole(epoch string) {
	s.t.Helper()
	check := fiscal.NewCheck(nil)
	report, err := journal.Verify(s.t.Context(), path.Join(s.dir, epoch), journal.VerifyOptions{
		FS: s.fs, Keys: s.box.JournalKeys(),
		Check: func(h *proof.Head, body []byte) error {
			for _, f := range check.Entry(h, body) {
				return errors.New(f.String())
			}
			return nil
		},
	})
	ok(s.t, err)
	if !report.Consistent() {
		s.t.Errorf("epoch %s: %v", epoch, report.Findings)
	}
}

// soldShop is a closed till that has sold something in a drawer session.
func soldShop(t *testing.T) (*tilltest.Shop, site) {
	t.Helper()
	shop := tilltest.New(t, tilltest.WithoutDevices())
	anna := shop.As(staff.Operator)
	anna.Do("drawer.open", "amount", 10000)
	anna.Sell("BRD-01")
	anna.Sell("BRD-01")
	return shop, open(t, durable.OS{}, shop.Dir)
}

// Requirement: POS-08, POS-13
func TestANewEpochCarriesOnNumbersTotalsCatalogueAndBaskets(t *testing.T) {
	shop, s := soldShop(t)
	anna, sue := shop.As(staff.Operator), shop.As(staff.Supervisor)
	last := anna.Sell("BRD-01")
	sue.Do("return.begin", "receipt", last.Number)
	sue.Do("return.line", "line", 1, "quantity", 1_000_000)
	sue.Do("basket.suspend", "label", "a return")
	anna.Do("basket.add", "sku", "BRD-01")
	shop.Close()

	report, err := till.NewEpoch(t.Context(), s.options(), s.request())
	ok(t, err)
	if report.Next.Document != last.Number+1 || report.OpenDay != 3 || !report.Done || report.Person != "1" {
		t.Errorf("report %+v, want next document %d, three receipts of an open day, done by 1", report, last.Number+1)
	}
	t.Logf("notes: %q", report.Notes)
	e := s.first("e2")
	if e.Origin != report.Old || e.By != "1" || e.Approver != "7" || !e.AtLeast || e.Reason != "end of the journal lost" {
		t.Errorf("first entry %+v", e)
	}
	if _, _, err := proof.ParseNote([]byte(e.Checkpoint)); err != nil {
		t.Errorf("last known checkpoint %q: %v", e.Checkpoint, err)
	}
	s.whole("e1")
	s.whole("e2")

	shop.Restart()
	anna = shop.As(staff.Operator)
	state := anna.State()
	if state.Drawer.Session != "closed" || state.Basket == nil || len(state.Basket.Lines) != 1 || len(state.Suspended) != 0 {
		t.Errorf("state %+v, want the drawer closed, the sale still open and the return ended", state)
	}
	anna.Do("drawer.open", "amount", 5000)
	if got := anna.Pay("cash", 0); got.Number != last.Number+1 {
		t.Errorf("first receipt of the new epoch has number %d, want %d", got.Number, last.Number+1)
	}
	shop.Kill() // a basket that was sold in the new epoch must not come back
	if b := shop.As(staff.Operator).State().Basket; b != nil && len(b.Lines) > 0 {
		t.Errorf("the sold basket is open again: %+v", b)
	}
	shop.Close()
	open(t, durable.OS{}, shop.Dir).whole("e2")
}

func TestOnlyWhoMayBeginsANewEpoch(t *testing.T) {
	shop, s := soldShop(t)
	if _, err := till.NewEpoch(t.Context(), s.options(), s.request()); !errors.Is(err, journal.ErrLocked) {
		t.Errorf("beside a running till: %v, want ErrLocked", err)
	}
	shop.Close()
	as := func(role staff.Role, pin string) till.Approval {
		return till.Approval{Person: tilltest.IDs[role], PIN: pin}
	}
	for _, tt := range []struct {
		name             string
		person, approver till.Approval
	}{
		{"nobody", till.Approval{}, till.Approval{}},
		{"nobody known", till.Approval{Person: "99", PIN: tilltest.PIN}, as(staff.Responsible, tilltest.PIN)},
		{"an operator", as(staff.Operator, tilltest.PIN), as(staff.Responsible, tilltest.PIN)},
		{"a wrong PIN", as(staff.Administrator, "0000"), as(staff.Responsible, tilltest.PIN)},
		{"nobody approves", as(staff.Administrator, tilltest.PIN), till.Approval{}},
		{"approves for themselves", as(staff.Administrator, tilltest.PIN), as(staff.Administrator, tilltest.PIN)},
		{"a supervisor approves", as(staff.Administrator, tilltest.PIN), as(staff.Supervisor, tilltest.PIN)},
		{"approves with a wrong PIN", as(staff.Administrator, tilltest.PIN), as(staff.Responsible, "0000")},
	} {
		req := s.request()
		req.Person, req.Approver = tt.person, tt.approver
		_, err := till.NewEpoch(t.Context(), s.options(), req)
		if _, refused := errors.AsType[*till.WhoError](err); !refused {
			t.Errorf("%s: %v, want a WhoError", tt.name, err)
		}
		if names, _ := os.ReadDir(s.dir); slices.ContainsFunc(names, func(d fs.DirEntry) bool { return strings.HasPrefix(d.Name(), "e2") }) {
			t.Fatalf("%s: something of a new epoch was made", tt.name)
		}
	}
}

// An epoch that an anchor has seen is never made a second time, even if nothing
// of it is left.
//
// Requirement: POS-08
func TestANewEpochNeverTakesAnOriginThatHasLived(t *testing.T) {
	shop, s := soldShop(t)
	shop.Close()
	_, err := till.NewEpoch(t.Context(), s.options(), s.request())
	ok(t, err)
	ok(t, os.RemoveAll(filepath.Join(s.dir, "e2"))) // lost; the anchor knows it
	report, err := till.NewEpoch(t.Context(), s.options(), s.request())
	ok(t, err)
	if !strings.HasSuffix(report.New, "/e3") || len(report.Lost) != 1 || !strings.HasSuffix(report.Lost[0].Origin, "/e2") {
		t.Errorf("report %+v, want epoch 3, and epoch 2 lost", report)
	}
	ok(t, os.RemoveAll(filepath.Join(s.dir, "e3"))) // lost with the anchor; its key is left
	ok(t, os.Remove(filepath.Join(s.dir, "head")))
	report, err = till.NewEpoch(t.Context(), s.options(), s.request())
	ok(t, err)
	if !strings.HasSuffix(report.New, "/e4") {
		t.Errorf("origin %s, want epoch 4", report.New)
	}
}

// Without a vault nobody can be checked: it goes on all the same, and says so for ever.
func TestWithoutAVaultTheEntrySaysThatNobodyWasChecked(t *testing.T) {
	shop, s := soldShop(t)
	shop.Close()
	ok(t, os.Remove(filepath.Join(s.dir, "vault.db")))
	report, err := till.NewEpoch(t.Context(), s.options(), s.request())
	ok(t, err)
	e := s.first("e2")
	if e.By != "" || !strings.Contains(e.Reason, "not checked") || !strings.Contains(strings.Join(report.Notes, " "), "vault cannot be read") {
		t.Errorf("first entry by %q for %q, notes %q", e.By, e.Reason, report.Notes)
	}
}

// The end of the journal is gone: what is left is folded past the damage.
//
// Requirement: FM-18
func TestANewEpochGoesOnFromWhatADestroyedEndLeaves(t *testing.T) {
	shop, s := soldShop(t)
	shop.Close()
	name := filepath.Join(s.dir, "e1", "00000001.seg")
	b, err := os.ReadFile(name)
	ok(t, err)
	used := len(strings.TrimRight(string(b), "\x00"))
	for i := used / 2; i < used; i++ {
		b[i] ^= 0xa5
	}
	ok(t, os.WriteFile(name, b, 0o600))
	origin, err := journal.ReadOrigin(durable.OS{}, filepath.Join(s.dir, "e1"))
	ok(t, err)
	ok(t, os.WriteFile(filepath.Join(s.dir, "head"), proof.Checkpoint{Origin: origin, Size: 1000}.Text(), 0o600))
	report, err := till.NewEpoch(t.Context(), s.options(), s.request())
	ok(t, err)
	if len(report.Lost) != 1 || report.Lost[0].First != report.Entries || report.Lost[0].Last != 999 {
		t.Errorf("report %+v, want everything behind entry %d to 999 lost", report, report.Entries)
	}
	s.whole("e2")
	shop.Restart()
	shop.As(staff.Operator).Do("drawer.open", "amount", 5000)
}

// countingKeys count what is signed for later epochs.
type countingKeys struct {
	*seal.Box
	signed *atomic.Int64
}

func (k countingKeys) Signer(origin string) (proof.Signer, error) {
	s, err := k.Box.Signer(origin)
	return countingSigner{s, k.signed}, err
}

type countingSigner struct {
	proof.Signer
	signed *atomic.Int64
}

func (s countingSigner) Sign(ctx context.Context, c proof.Checkpoint) ([]byte, error) {
	s.signed.Add(1)
	return s.Signer.Sign(ctx, c)
}

// TestANewEpochIsThereWholeOrNotAtAll cuts the power, and kills the process,
// before every operation on the disk: what is left is the old epoch untouched,
// from which the same call succeeds, or the new one whole; and nothing was
// signed for a new epoch that is not there.
//
// Requirement: FM-16, POS-13
func TestANewEpochIsThereWholeOrNotAtAll(t *testing.T) {
	shop, s := soldShop(t)
	shop.Close()
	disk := load(t, s.dir)
	old, err := disk.ReadFile("shop/e1/00000001.seg")
	ok(t, err)
	type moment struct {
		op     string
		signed int
		disk   *powercut.Disk
	}
	var moments []moment
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	var signed atomic.Int64 // by the journal's goroutine
	on := open(t, disk, "shop")
	var mu sync.Mutex // the disk is used by several goroutines
	disk.Before(func(op powercut.Op) {
		mu.Lock()
		defer mu.Unlock()
		// Every change of a name, and some of the writes: each moment takes a quarter of a second to look at.
		if op.N == 0 || op.Kind == "open" || (op.Kind == "write" || op.Kind == "sync") && rng.IntN(16) > 0 {
			return
		}
		moments = append(moments, moment{"power cut before " + op.String(), int(signed.Load()), disk.Cut(rng, powercut.AnyKeep(rng))},
			moment{"killed before " + op.String(), int(signed.Load()), disk.Clone()})
	})
	req := on.request()
	req.Keys = countingKeys{on.box, &signed}
	_, err = till.NewEpochOn(t.Context(), disk, on.options(), req)
	ok(t, err)
	disk.Before(nil)
	mu.Lock()
	defer mu.Unlock()
	moments = append(moments, moment{"power cut after the end", int(signed.Load()), disk.Cut(rng, powercut.KeepNone)})
	t.Logf("%d moments, %d signatures", len(moments), signed.Load())
	made := 0
	rng.Shuffle(len(moments), func(i, j int) { moments[i], moments[j] = moments[j], moments[i] })
	if most := 40; testing.Short() {
		moments = moments[:min(6, len(moments))]
	} else {
		moments = moments[:min(most, len(moments))]
	}
	for _, m := range moments {
		if t.Failed() {
			break
		}
		if is := check(t, m.op, m.disk, m.signed, old); is {
			made++
		}
	}
	if !testing.Short() && (made == 0 || made == len(moments)) {
		t.Errorf("the new epoch was there in %d of %d moments", made, len(moments))
	}
}

// check looks at a disk after a crash and reports whether the new epoch was there.
func check(t *testing.T, what string, disk *powercut.Disk, signed int, old []byte) bool {
	t.Helper()
	s := open(t, disk, "shop")
	names, err := disk.ReadDir("shop")
	ok(t, err)
	there := slices.Contains(names, "e2")
	if !there {
		if signed != 0 {
			t.Errorf("%s: %d signatures for an epoch that is not there", what, signed)
		}
		if _, err := till.NewEpochOn(t.Context(), disk, s.options(), s.request()); err != nil {
			t.Errorf("%s: again: %v", what, err)
			return false
		}
	}
	if now, err := disk.ReadFile("shop/e1/00000001.seg"); err != nil || !bytes.Equal(now, old) {
		t.Errorf("%s: the old epoch was touched (%v)", what, err)
	}
	j, _, err := journal.Open(t.Context(), "shop/e2", journal.Options{FS: disk, Keys: s.box.JournalKeys()})
	if err != nil {
		t.Errorf("%s: the new epoch does not open: %v", what, err)
		return there
	}
	ok(t, j.Close(t.Context()))
	s.whole("e2")
	return there
}

// load puts a till's epoch and keys on a disk in memory, and an anchor that knows
// more than the journal holds.
func load(t *testing.T, dir string) *powercut.Disk {
	t.Helper()
	disk := powercut.New()
	ok(t, disk.Mkdir("shop"))
	for _, sub := range []string{"e1", "seal"} {
		ok(t, disk.Mkdir(path.Join("shop", sub)))
		files, err := os.ReadDir(filepath.Join(dir, sub))
		ok(t, err)
		for _, f := range files {
			if f.IsDir() {
				continue
			}
			b, err := os.ReadFile(filepath.Join(dir, sub, f.Name()))
			ok(t, err)
			ok(t, disk.WriteFile(path.Join("shop", sub, f.Name()), b))
		}
	}
	origin, err := journal.ReadOrigin(disk, "shop/e1")
	ok(t, err)
	ok(t, disk.WriteFile("shop/head", proof.Checkpoint{Origin: origin, Size: 1000}.Text()))
	for _, d := range []string{"shop/e1", "shop/seal", "shop", "."} {
		if err := disk.SyncDir(d); err != nil {
			t.Fatal(fmt.Errorf("sync %s: %w", d, err))
		}
	}
	return disk
}
