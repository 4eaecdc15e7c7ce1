package powercut_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"path"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/internal/powercut"
)

func source(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 1)) }

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func fill(b byte, n int) []byte { return bytes.Repeat([]byte{b}, n) }

// synced returns a disk with one durable file of n bytes b, and the file.
func synced(t testing.TB, name string, b byte, n int) (*powercut.Disk, durable.File) {
	t.Helper()
	d := powercut.New()
	f := must(d.Create(name))(t)
	must(f.WriteAt(fill(b, n), 0))(t)
	check(t, f.Sync())
	check(t, d.SyncDir(path.Dir(name)))
	return d, f
}

func TestWithoutSyncDataIsLost(t *testing.T) {
	d, f := synced(t, "a", 'x', 1024)
	must(f.WriteAt(fill('y', 1024), 0))(t)
	if got := must(d.Cut(source(1), powercut.KeepNone).ReadFile("a"))(t); !bytes.Equal(got, fill('x', 1024)) {
		t.Errorf("nothing kept: file holds %q..., want the synced bytes", got[:8])
	}
	if got := must(d.Cut(source(1), powercut.KeepAll).ReadFile("a"))(t); !bytes.Equal(got, fill('y', 1024)) {
		t.Errorf("all kept: file holds %q..., want the written bytes", got[:8])
	}
	if got := must(d.ReadFile("a"))(t); !bytes.Equal(got, fill('y', 1024)) {
		t.Errorf("the running system reads %q..., want what it wrote", got[:8])
	}
}

func TestSyncedDataIsKeptByEveryCut(t *testing.T) {
	d, f := synced(t, "a", 'x', 5000)
	must(f.WriteAt([]byte("inside"), 700))(t)
	check(t, f.Sync())
	want := must(d.ReadFile("a"))(t)
	for seed := range uint64(200) {
		rng := source(seed)
		if got := must(d.Cut(rng, powercut.AnyKeep(rng)).ReadFile("a"))(t); !bytes.Equal(got, want) {
			t.Fatalf("seed %d: synced bytes changed", seed)
		}
	}
}

func TestSectorsAreKeptWholeAndEachForItself(t *testing.T) {
	d, f := synced(t, "a", 'x', 8*powercut.SectorSize)
	must(f.WriteAt(fill('y', 8*powercut.SectorSize), 0))(t)
	must(f.WriteAt(fill('z', 4*powercut.SectorSize), 0))(t)
	seen := map[byte]int{}
	for seed := range uint64(300) {
		got := must(d.Cut(source(seed), powercut.KeepSome).ReadFile("a"))(t)
		for s := range 8 {
			sector := got[s*powercut.SectorSize:][:powercut.SectorSize]
			if !bytes.Equal(sector, fill(sector[0], powercut.SectorSize)) {
				t.Fatalf("seed %d: sector %d is torn", seed, s)
			}
			seen[sector[0]]++
		}
	}
	for _, b := range []byte("xyz") {
		if seen[b] < 100 {
			t.Errorf("content %q came up %d times in 2400 sectors, want every content often", b, seen[b])
		}
	}
}

func TestASizeCanBeKeptWithoutItsBytes(t *testing.T) {
	d, f := synced(t, "a", 'x', 512)
	must(f.WriteAt(fill('y', 512), 512))(t)
	got := must(d.Cut(source(1), powercut.Keep{Sizes: 1}).ReadFile("a"))(t)
	if want := append(fill('x', 512), make([]byte, 512)...); !bytes.Equal(got, want) {
		t.Errorf("size kept without data: got %d bytes, tail %q", len(got), got[len(got)-4:])
	}
	if got := must(d.Cut(source(1), powercut.Keep{Data: 1}).ReadFile("a"))(t); len(got) != 512 {
		t.Errorf("data kept without size: file has %d bytes, want 512", len(got))
	}
}

func TestTruncationIsAllOrNothing(t *testing.T) {
	d, f := synced(t, "a", 'x', 2000)
	check(t, f.Truncate(100))
	check(t, f.Truncate(2000))
	sizes := map[string]bool{}
	for seed := range uint64(50) {
		got := must(d.Cut(source(seed), powercut.KeepSome).ReadFile("a"))(t)
		sizes[fmt.Sprint(len(got), bytes.Count(got, []byte("x")))] = true
	}
	want := map[string]bool{"2000 2000": true, "100 100": true, "2000 100": true}
	if diff := cmp.Diff(want, sizes); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}
}

func TestWithoutDirectorySyncNamesAreLost(t *testing.T) {
	d := powercut.New()
	f := must(d.Create("a"))(t)
	must(f.WriteAt([]byte("x"), 0))(t)
	check(t, f.Sync())
	after := d.Cut(source(1), powercut.KeepNone)
	if _, err := after.ReadFile("a"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("synced file without synced name: %v, want it gone", err)
	}
	check(t, d.SyncDir("."))
	if got := must(d.Cut(source(1), powercut.KeepNone).ReadFile("a"))(t); string(got) != "x" {
		t.Errorf("synced name: file holds %q", got)
	}
}

func TestASyncedNameDoesNotKeepBytes(t *testing.T) {
	d := powercut.New()
	f := must(d.Create("a"))(t)
	must(f.WriteAt([]byte("x"), 0))(t)
	check(t, d.SyncDir("/"))
	if got := must(d.Cut(source(1), powercut.KeepNone).ReadFile("a"))(t); len(got) != 0 {
		t.Errorf("file holds %q, want it empty", got)
	}
}

func TestADirectoryWhoseNameIsLostTakesItsFilesAlong(t *testing.T) {
	d := powercut.New()
	check(t, d.Mkdir("j"))
	f := must(d.Create("j/a"))(t)
	check(t, f.Sync())
	check(t, d.SyncDir("j"))
	after := d.Cut(source(1), powercut.KeepNone)
	if names := must(after.ReadDir("."))(t); len(names) != 0 {
		t.Errorf("names after the cut: %v, want none", names)
	}
}

func TestRenameIsAtomic(t *testing.T) {
	d, _ := synced(t, "a", 'o', 600)
	check(t, durable.Replace(d, "a", fill('n', 600)))
	if got := must(d.Cut(source(1), powercut.KeepNone).ReadFile("a"))(t); got[0] != 'n' {
		t.Fatal("Replace has returned and the new content is lost")
	}
	d, _ = synced(t, "a", 'o', 600)
	d.FailWhen(func(op powercut.Op) bool { return op.Kind == "syncdir" }, syscall.EIO, false)
	if err := durable.Replace(d, "a", fill('n', 600)); !errors.Is(err, syscall.EIO) {
		t.Fatal(err)
	}
	seen := map[byte]bool{}
	for seed := range uint64(100) {
		got := must(d.Cut(source(seed), powercut.KeepSome).ReadFile("a"))(t)
		if !bytes.Equal(got, fill(got[0], 600)) {
			t.Fatalf("seed %d: mixed content", seed)
		}
		seen[got[0]] = true
	}
	if !seen['o'] || !seen['n'] {
		t.Errorf("outcomes %v, want both the old and the new content", seen)
	}
}

func TestRenameAcrossDirectoriesNeedsBothSynced(t *testing.T) {
	d := powercut.New()
	check(t, d.Mkdir("p"))
	check(t, d.Mkdir("q"))
	must(d.Create("p/a"))(t)
	check(t, d.SyncDir("."))
	check(t, d.SyncDir("p"))
	check(t, d.Rename("p/a", "q/a"))
	check(t, d.SyncDir("q"))
	after := d.Cut(source(1), powercut.KeepNone)
	if names := must(after.ReadDir("p"))(t); len(names) != 1 {
		t.Errorf("one directory synced, rename lost: p holds %v, want a", names)
	}
	check(t, d.SyncDir("p"))
	after = d.Cut(source(1), powercut.KeepNone)
	if names := must(after.ReadDir("q"))(t); len(names) != 1 {
		t.Errorf("both synced: q holds %v, want a", names)
	}
}

func TestALostRemoveBringsTheFileBack(t *testing.T) {
	d, _ := synced(t, "a", 'x', 10)
	check(t, d.Remove("a"))
	if _, err := d.Open("a"); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("open after remove: %v", err)
	}
	if got := must(d.Cut(source(1), powercut.KeepNone).ReadFile("a"))(t); len(got) != 10 {
		t.Errorf("file has %d bytes after the remove was lost, want 10", len(got))
	}
}

func TestLocksVanishWithThePower(t *testing.T) {
	d := powercut.New()
	l := must(d.Lock("LOCK"))(t)
	if _, err := d.Lock("LOCK"); !errors.Is(err, durable.ErrLocked) {
		t.Fatalf("second lock: %v, want ErrLocked", err)
	}
	for _, after := range []*powercut.Disk{d.Cut(source(1), powercut.KeepAll), d.Clone()} {
		if _, err := after.Lock("LOCK"); err != nil {
			t.Errorf("lock after the power loss: %v", err)
		}
	}
	check(t, l.Close())
	if _, err := d.Lock("LOCK"); err != nil {
		t.Errorf("lock after close: %v", err)
	}
	if err := l.Close(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("second close: %v, want ErrClosed", err)
	}
}

func TestAFailingOperationIsKeptOrNot(t *testing.T) {
	for _, kept := range []bool{false, true} {
		d, f := synced(t, "a", 'x', 512)
		must(f.WriteAt(fill('y', 512), 0))(t)
		d.FailAt(d.Ops()+1, syscall.EIO, kept)
		if err := f.Sync(); !errors.Is(err, syscall.EIO) {
			t.Fatalf("sync: %v, want EIO", err)
		}
		got := must(d.Cut(source(1), powercut.KeepNone).ReadFile("a"))(t)
		if want := map[bool]byte{false: 'x', true: 'y'}[kept]; got[0] != want {
			t.Errorf("kept=%t: file holds %q, want %q", kept, got[0], want)
		}
		check(t, f.Sync())
	}
}

func TestAfterAGatedSyncLaterSyncsProveNothing(t *testing.T) {
	d, f := synced(t, "a", 'x', 1024)
	d.GateSync(true)
	must(f.WriteAt(fill('y', 512), 0))(t)
	d.FailAt(d.Ops()+1, syscall.EIO, false)
	if err := f.Sync(); !errors.Is(err, syscall.EIO) {
		t.Fatalf("sync: %v, want EIO", err)
	}
	must(f.WriteAt(fill('z', 512), 512))(t)
	check(t, f.Sync())
	if got := must(d.ReadFile("a"))(t); got[0] != 'y' {
		t.Errorf("cache holds %q, want y", got[0])
	}
	got := must(d.Cut(source(1), powercut.KeepAll).ReadFile("a"))(t)
	if got[0] != 'x' || got[512] != 'z' {
		t.Errorf("disk holds %q and %q, want x (never written) and z", got[0], got[512])
	}
}

func TestSpaceRunsOut(t *testing.T) {
	d, f := synced(t, "a", 'x', 1000)
	d.LimitSpace(100)
	if n, err := f.WriteAt(fill('y', 1000), 0); n != 1000 || err != nil {
		t.Fatalf("overwriting: %d, %v; needs no space", n, err)
	}
	if n, err := f.WriteAt(fill('z', 300), 900); n != 200 || !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("growing by 200 with 100 left: %d, %v; want 200 bytes and ENOSPC", n, err)
	}
	d.Heal()
	must(f.WriteAt(fill('z', 300), 900))(t)
}

func TestDamageIsOnTheDiskAndInTheCache(t *testing.T) {
	d, _ := synced(t, "a", 0, 1000)
	check(t, d.Flip("a", 600, 0x81))
	for _, disk := range []*powercut.Disk{d, d.Cut(source(1), powercut.KeepNone)} {
		if got := must(disk.ReadFile("a"))(t); got[600] != 0x81 || got[599] != 0 {
			t.Errorf("bytes at 599 and 600: %x %x", got[599], got[600])
		}
	}
	check(t, d.TruncateFile("a", 7))
	check(t, d.WriteFile("b", []byte("forged")))
	after := d.Cut(source(1), powercut.KeepNone)
	if got := must(after.ReadFile("a"))(t); len(got) != 7 {
		t.Errorf("truncated file has %d bytes", len(got))
	}
	if got := must(after.ReadFile("b"))(t); string(got) != "forged" {
		t.Errorf("new file holds %q", got)
	}
}

func TestTheLogNamesEveryOperation(t *testing.T) {
	d := powercut.New()
	check(t, d.Mkdir("/j"))
	l := must(d.Lock("j/LOCK"))(t)
	f := must(d.Create("j/a.new"))(t)
	must(f.WriteAt(fill('x', 20), 100))(t)
	must(f.ReadAt(make([]byte, 10), 100))(t)
	check(t, f.Sync())
	check(t, f.Truncate(50))
	check(t, d.Rename("j/a.new", "j/a"))
	d.FailAt(d.Ops()+1, syscall.EIO, false)
	d.SyncDir("j")
	d.SyncDir("/")
	check(t, d.Remove("j/a"))
	check(t, l.Close())
	want := `mkdir j
lock j/LOCK
create j/a.new
write j/a.new @100 +20
sync j/a.new
truncate j/a.new 50
rename j/a.new j/a
syncdir j: input/output error
syncdir .
remove j/a
unlock j/LOCK
`
	if diff := cmp.Diff(want, d.LogText()); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
}

func TestCuttingBeforeEveryOperation(t *testing.T) {
	d := powercut.New()
	rng := source(7)
	var outcomes []string
	d.Before(func(op powercut.Op) {
		after := d.Cut(rng, powercut.KeepNone)
		got, err := after.ReadFile("a")
		outcomes = append(outcomes, fmt.Sprintf("%s: %q %t", op, got, err == nil))
	})
	check(t, durable.Replace(d, "a", []byte("1")))
	want := []string{
		`remove a.new: "" false`, `create a.new: "" false`, `write a.new @0 +1: "" false`, `sync a.new: "" false`,
		`rename a.new a: "" false`, `syncdir .: "" false`,
	}
	if diff := cmp.Diff(want, outcomes); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}
	if got := must(d.Cut(rng, powercut.KeepNone).ReadFile("a"))(t); string(got) != "1" {
		t.Errorf("after Replace: %q", got)
	}
}

func TestOneSeedGivesOneDisk(t *testing.T) {
	d := busyDisk(t)
	for seed := range uint64(30) {
		a, b := dump(t, d.Cut(source(seed), powercut.KeepSome), "/"), dump(t, d.Cut(source(seed), powercut.KeepSome), "/")
		if diff := cmp.Diff(a, b); diff != "" {
			t.Fatalf("seed %d: two disks:\n%s", seed, diff)
		}
	}
	if cmp.Equal(dump(t, d.Cut(source(1), powercut.KeepSome), "/"), dump(t, d.Cut(source(2), powercut.KeepSome), "/")) {
		t.Error("two seeds gave one disk")
	}
}

func TestAClonePreservesTheCacheAndIsIndependent(t *testing.T) {
	d := busyDisk(t)
	want := dump(t, d, "/")
	c := d.Clone()
	if diff := cmp.Diff(want, dump(t, c, "/")); diff != "" {
		t.Errorf("clone (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(dump(t, d.Cut(source(3), powercut.KeepSome), "/"), dump(t, c.Cut(source(3), powercut.KeepSome), "/")); diff != "" {
		t.Errorf("cut of the clone (-original +clone):\n%s", diff)
	}
	f := must(c.Open("d0/f1"))(t)
	must(f.WriteAt(fill('!', 3000), 0))(t)
	check(t, f.Sync())
	check(t, c.Remove("d0/f2"))
	if diff := cmp.Diff(want, dump(t, d, "/")); diff != "" {
		t.Errorf("the original after writing to the clone (-want +got):\n%s", diff)
	}
}

// busyDisk has files and directories in every state of being synced.
func busyDisk(t testing.TB) *powercut.Disk {
	d, rng := powercut.New(), source(99)
	for i := range 3 {
		dir := fmt.Sprintf("d%d", i)
		check(t, d.Mkdir(dir))
		for j := range 4 {
			f := must(d.Create(fmt.Sprintf("%s/f%d", dir, j)))(t)
			for range 5 {
				must(f.WriteAt(fill(byte('a'+rng.IntN(26)), rng.IntN(5000)), rng.Int64N(4000)))(t)
				if rng.IntN(3) == 0 {
					check(t, f.Sync())
				}
			}
			check(t, f.Close())
		}
		if i == 0 {
			check(t, d.SyncDir("/"))
		}
		if i < 2 {
			check(t, d.SyncDir(dir))
		}
		check(t, d.Rename(dir+"/f0", dir+"/g0"))
	}
	return d
}

// dump is the whole content of a file system.
func dump(t testing.TB, f durable.FS, dir string) map[string]string {
	all := map[string]string{}
	names, err := f.ReadDir(dir)
	check(t, err)
	for _, name := range names {
		p := path.Join(dir, name)
		if _, err := f.ReadDir(p); err == nil {
			all[p] = "directory"
			for k, v := range dump(t, f, p) {
				all[k] = v
			}
			continue
		}
		all[p] = string(must(durable.ReadFile(f, p, 1<<20))(t))
	}
	return all
}

// The disk in memory and the operating system's must agree as long as there is power.
func TestTheDiskBehavesLikeTheOperatingSystem(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		root := t.TempDir()
		a, b := driver{t, powercut.New(), ""}, driver{t, durable.OS{}, root}
		name := rapid.SampledFrom([]string{"a", "b", "d", "d/a", "d/b", "e", "e/a"})
		for range rapid.IntRange(1, 40).Draw(r, "steps") {
			op := rapid.SampledFrom([]string{"create", "mkdir", "remove", "rename", "write", "truncate", "readdir", "syncdir"}).Draw(r, "op")
			x, y := name.Draw(r, "name"), name.Draw(r, "second name")
			n := rapid.Int64Range(0, 3000).Draw(r, "n")
			if strings.HasPrefix(y, x+"/") {
				continue // a directory into itself
			}
			if ga, gb := a.step(op, x, y, n), b.step(op, x, y, n); ga != gb {
				r.Fatalf("%s %s %s %d: in memory %s, on the system %s", op, x, y, n, ga, gb)
			}
		}
		want := map[string]string{}
		for k, v := range dump(t, durable.OS{}, root) {
			want[strings.TrimPrefix(k, root)] = v
		}
		if diff := cmp.Diff(want, dump(t, a.fs, "/")); diff != "" {
			r.Fatalf("content (-system +memory):\n%s", diff)
		}
	})
}

type driver struct {
	t    *testing.T
	fs   durable.FS
	root string
}

// step runs one operation and tells whether it worked, or what was missing.
func (d driver) step(op, x, y string, n int64) string {
	x, y = path.Join(d.root, x), path.Join(d.root, y)
	switch op {
	case "create":
		f, err := d.fs.Create(x)
		if err == nil {
			err = f.Close()
		}
		return outcome(err)
	case "mkdir":
		return outcome(d.fs.Mkdir(x))
	case "remove":
		return outcome(d.fs.Remove(x))
	case "rename":
		return outcome(d.fs.Rename(x, y))
	case "readdir":
		names, err := d.fs.ReadDir(x)
		return fmt.Sprint(names, outcome(err))
	case "syncdir":
		if _, err := d.fs.ReadDir(x); err != nil {
			return outcome(err)
		}
		return outcome(d.fs.SyncDir(x))
	}
	return d.onFile(op, x, n)
}

func (d driver) onFile(op, x string, n int64) string {
	f, err := d.fs.Open(x)
	if err != nil {
		return outcome(err)
	}
	defer f.Close()
	if op == "truncate" {
		return outcome(f.Truncate(n))
	}
	if _, err := f.WriteAt(fill(byte(n), int(n%700)+1), n); err != nil {
		return outcome(err)
	}
	b := make([]byte, 2000)
	got, err := f.ReadAt(b, n/2)
	size, serr := f.Size()
	return fmt.Sprint(got, string(b), size, err == io.EOF, outcome(serr))
}

func outcome(err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, fs.ErrNotExist):
		return "not there"
	}
	return "refused"
}

func BenchmarkCut(b *testing.B) {
	d, f := synced(b, "seg", 'x', 1<<20)
	must(f.WriteAt(fill('y', 16<<10), 4096))(b)
	rng := source(1)
	for b.Loop() {
		d.Cut(rng, powercut.KeepSome)
	}
}
