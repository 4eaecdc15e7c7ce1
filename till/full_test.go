package till_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/plomb-pos/plomb/staff"
	"github.com/plomb-pos/plomb/till"
	"github.com/plomb-pos/plomb/till/tilltest"
)

// TestAFullDiskIsSaidAndWaitedOut fills the disk under an open till, sees that it
// refuses in words and does not end, and sells on once there is room.
func TestAFullDiskIsSaidAndWaitedOut(t *testing.T) {
	disk := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", disk).CombinedOutput(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("mount a disk to fill: %v %s", err, out)
		}
		t.Skipf("a disk to fill needs root: %v %s", err, out)
	}
	t.Cleanup(func() { _ = exec.Command("umount", disk).Run() })
	plenty := tilltest.With(func(o *till.Options) { // the warning before has a test of its own
		o.Room = func(string) (int64, error) { return 1 << 40, nil }
	})
	shop := tilltest.New(t, tilltest.WithoutDevices(), plenty, func(s *tilltest.Shop) { s.Dir = filepath.Join(disk, "shop"); _ = os.Mkdir(s.Dir, 0o700) })
	boss := shop.As(staff.Supervisor)
	boss.Do("drawer.open")
	boss.Sell("DRY-01")
	fill(t, filepath.Join(disk, "filler"))
	refused := false
	for range 400 { // what the databases have reserved is used up first
		if a := boss.Try("basket.add", "sku", "DRY-01"); a.Error != nil {
			if refused = true; a.Error.Code != "disk-full" || a.Error.Hint == "" {
				t.Errorf("refusal = %+v", a.Error)
			}
			break
		}
	}
	if !refused {
		t.Fatal("nothing was refused")
	}
	for range 400 { // entries fit into the journal's segment; the projection has no room for them
		boss.Do("language.set", "language", "en")
	}
	boss.Until(func(s till.State) bool {
		for _, x := range s.Notices {
			if x.Code == "disk-full" {
				return true
			}
		}
		return false
	})
	shop.Restart() // a till starts on a full disk, and says so
	boss.Refuse("disk-full", "basket.add", "sku", "DRY-01")
	if s := boss.State(); s.Basket == nil || s.Day.Receipts != 1 {
		t.Errorf("after a start on a full disk the till shows %+v", s)
	}
	if err := os.Remove(filepath.Join(disk, "filler")); err != nil {
		t.Fatal(err)
	}
	boss.Do("basket.add", "sku", "DRY-01")
	boss.Pay("cash", 0)
	boss.Until(func(s till.State) bool { return len(s.Notices) == 0 && s.Journal.Searched == s.Journal.Size })
	shop.Close()
	checkJournal(t, shop)
}

// fill writes a file until its disk is full.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 20; size > 0; size /= 2 {
		for {
			if _, err = f.Write(make([]byte, size)); err != nil {
				break
			}
		}
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("filling the disk ended with %v", err)
	}
}
