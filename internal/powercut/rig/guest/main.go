//go:build linux

// Command guest is the first process of the rig's virtual machine: it creates a
// journal on a fresh ext4, appends to it from four writers until its time is
// over, notes after each append on the raw disk what was promised, and switches the machine off.
package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/plomb-pos/plomb/internal/powercut/rig/disk"
	"github.com/plomb-pos/plomb/journal"
)

const (
	device  = "/dev/nvme0n1"
	writers = 4
	runFor  = 4 * time.Second
)

func main() {
	if err := run(); err != nil {
		fmt.Println("GUEST failed:", err)
	}
	syscall.Sync()
	syscall.Reboot(syscall.LINUX_REBOOT_CMD_POWER_OFF)
}

func run() error {
	if err := mount(); err != nil {
		return err
	}
	promises, err := openPromises()
	if err != nil {
		return err
	}
	ctx := context.Background()
	j, err := journal.Create(ctx, "/mnt/e1", disk.Origin, []journal.Draft{draft(0)}, journal.Options{Keys: keys{}, SegmentSize: disk.SegmentSize})
	if err != nil {
		return err
	}
	if err := promises.raise(j.Size()); err != nil {
		return err
	}
	if err := appendAll(ctx, j, promises); err != nil {
		return err
	}
	fmt.Printf("GUEST done: %d entries\n", j.Size())
	return nil // the journal is left open: the power goes off on it
}

func mount() error {
	for dir, kind := range map[string]string{"/proc": "proc", "/sys": "sysfs", "/dev": "devtmpfs", "/mnt": ""} {
		if err := os.Mkdir(dir, 0o755); err != nil && !os.IsExist(err) {
			return err
		}
		if kind == "" {
			continue
		}
		if err := syscall.Mount(kind, dir, kind, 0, ""); err != nil && err != syscall.EBUSY {
			return fmt.Errorf("mount %s: %w", dir, err)
		}
	}
	for range 500 {
		if _, err := os.Stat(device); err == nil {
			break
		}
		time.Sleep(10 * time.Millisecond) // the kernel is still looking for its disks
	}
	if err := syscall.Mount(device, "/mnt", "ext4", 0, ""); err != nil {
		return fmt.Errorf("mount %s: %w", device, err)
	}
	return nil
}

func appendAll(ctx context.Context, j *journal.Journal, p *promises) error {
	deadline := time.Now().Add(runFor)
	errs := make(chan error, writers)
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := 0; time.Now().Before(deadline); i++ {
				t, err := j.Append(ctx, draft(w), draft(i))
				if err == nil {
					err = p.raise(t.First() + 2)
				}
				if err != nil {
					errs <- err
					return
				}
			}
		})
	}
	wg.Wait()
	select {
	case err := <-errs:
		return err
	default:
		return nil
	}
}

func draft(n int) journal.Draft {
	body := make([]byte, 100+rand.IntN(900))
	for i := range body {
		body[i] = byte(n + i)
	}
	return journal.Draft{Kind: 1, Time: time.Now(), Body: body}
}

type keys struct{}

func (keys) Month(context.Context, uint32) ([32]byte, error)   { return disk.Key, nil }
func (keys) Current(context.Context, uint32) ([32]byte, error) { return disk.Key, nil }

// promises writes the highest acknowledged size to the raw disk.
type promises struct {
	mu     sync.Mutex
	fd     int
	sector []byte // aligned, as O_DIRECT wants it
	size   uint64
}

func openPromises() (*promises, error) {
	fd, err := unix.Open(device, unix.O_RDWR|unix.O_DIRECT, 0)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", device, err)
	}
	page := make([]byte, 2*4096)
	skip := 4096 - int(uintptr(unsafe.Pointer(&page[0]))%4096)
	return &promises{fd: fd, sector: page[skip : skip+disk.Sector]}, nil
}

func (p *promises) raise(size uint64) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if size <= p.size {
		return nil
	}
	p.size = size
	disk.EncodePromise(p.sector, size)
	_, err := unix.Pwrite(p.fd, p.sector, disk.Promise)
	return err
}
