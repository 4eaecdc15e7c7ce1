// Package machine runs a till in a virtual machine whose power can be cut: QEMU without
// acceleration, Debian's kernel, a disk with ext4, a stick with releases. Its test
// updates that till again and again; run it with
//
//	make powercut-update ROUNDS=30
//
// # What a cut is
//
// QEMU is killed. What the guest had not handed to its disk is lost: its page cache,
// its file system's memory. What it had handed over is in the host's page cache and
// survives. So that writes which were never flushed can be lost as well, as a disk with
// a cache of its own loses them, every write is logged (package blocklog), and Lose
// builds the disk again with a random half of those that no flush had followed.
//
// It needs qemu-system-x86, cpio and e2fsprogs, and neither root nor KVM.
package machine

import (
	"bufio"
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/plomb-pos/plomb/internal/powercut/rig/blocklog"
)

// Modules are those of Debian's kernel that the machine's disks need, in order, below
// the kernel's folder lib/modules/VERSION/kernel.
var Modules = []string{
	"drivers/virtio/virtio_ring.ko", "drivers/virtio/virtio.ko", "drivers/virtio/virtio_pci_legacy_dev.ko",
	"drivers/virtio/virtio_pci_modern_dev.ko", "drivers/virtio/virtio_pci.ko", "drivers/block/virtio_blk.ko",
}

// Sizes of the disks, in bytes; the log takes all writes of one run.
const (
	diskSize  = 72 << 20
	stickSize = 32 << 20
	logSize   = 512 << 20
)

// writeRate is how fast the disk writes, in bytes a second: slow, so that a cut finds
// writes on their way that no flush has followed.
const writeRate = 6 << 20

// Machine is a virtual machine that is switched off.
type Machine struct {
	Kernel string // file
	Initrd string // file
	work   string // folder for disk, stick and log
}

// New makes a machine whose disk holds the files of a folder.
func New(kernel, initrd, work, content string) (*Machine, error) {
	m := &Machine{Kernel: kernel, Initrd: initrd, work: work}
	return m, makeDisk(m.file("disk"), diskSize, content)
}

func (m *Machine) file(name string) string { return filepath.Join(m.work, name+".img") }

// makeDisk makes an image with ext4 and the files of a folder.
func makeDisk(image string, size int64, content string) error {
	if err := os.RemoveAll(image); err != nil {
		return err
	}
	if err := sparse(image, size); err != nil {
		return err
	}
	if out, err := exec.Command("mkfs.ext4", "-q", "-F", "-d", content, image).CombinedOutput(); err != nil {
		return fmt.Errorf("make disk: %w: %s", err, out)
	}
	return nil
}

func sparse(image string, size int64) error {
	f, err := os.Create(image)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Truncate(size)
}

// Insert puts a stick with the files of a folder into the machine.
func (m *Machine) Insert(content string) error { return makeDisk(m.file("stick"), stickSize, content) }

// Run is a machine that is switched on.
type Run struct {
	cmd     *exec.Cmd
	Console *bufio.Reader
	words   bytes.Buffer // QEMU's own
}

// Start switches the machine on, with parameters for its kernel; clock is what its
// clock shows ("1970-01-01T00:00:00"), empty: the time.
func (m *Machine) Start(parameters, clock string) (*Run, error) {
	if err := blocklog.Copy(m.file("disk"), m.file("before")); err != nil {
		return nil, err
	}
	if err := sparse(m.file("log"), logSize); err != nil {
		return nil, err
	}
	if clock == "" {
		clock = "utc"
	}
	r := &Run{cmd: exec.Command("qemu-system-x86_64", "-machine", "pc,accel=tcg", "-cpu", "qemu64", "-m", "256", "-smp", "1",
		"-display", "none", "-monitor", "none", "-serial", "stdio", "-nic", "none", "-no-reboot", "-rtc", "base="+clock,
		"-kernel", m.Kernel, "-initrd", m.Initrd, "-append", "console=ttyS0 panic=-1 quiet mitigations=off no_timer_check tsc=reliable "+parameters,
		"-blockdev", "driver=file,node-name=f0,cache.no-flush=on,filename="+m.file("disk"),
		"-blockdev", "driver=file,node-name=l0,cache.no-flush=on,filename="+m.file("log"),
		"-blockdev", "driver=blklogwrites,node-name=b0,file=f0,log=l0",
		"-object", fmt.Sprintf("throttle-group,id=slow,x-bps-write=%d", writeRate),
		"-blockdev", "driver=throttle,node-name=t0,throttle-group=slow,file=b0",
		"-device", "virtio-blk-pci,drive=t0",
		"-blockdev", "driver=file,node-name=s0,read-only=on,filename="+m.file("stick"),
		"-device", "virtio-blk-pci,drive=s0",
	)}
	out, err := r.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	r.cmd.Stderr = &r.words
	if err := r.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the machine: %w", err)
	}
	r.Console = bufio.NewReaderSize(out, 1<<20)
	return r, nil
}

// Line is the next whole line of the console, without its end.
func (r *Run) Line() (string, error) {
	line, err := r.Console.ReadString('\n')
	if err != nil { // what has no end was not said
		return "", err
	}
	return strings.TrimRight(line, "\r\n"), nil
}

// Cut cuts the power.
func (r *Run) Cut() { _ = r.cmd.Process.Kill() } // it may have ended

// Wait waits until the machine is off; words is what QEMU had to say.
func (r *Run) Wait() (words string) {
	_ = r.cmd.Wait() // killed
	return r.words.String()
}

// CPU is how long this computer has worked for the machine, after Wait.
func (r *Run) CPU() time.Duration {
	return r.cmd.ProcessState.UserTime() + r.cmd.ProcessState.SystemTime()
}

// Lose builds the disk as it is when, beside what the guest had not written yet, a
// random half of what it had not flushed is lost. It says how many writes that were.
func (m *Machine) Lose(rng *rand.Rand) (lost int, err error) {
	f, err := os.Open(m.file("log"))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	log, err := blocklog.Read(f)
	if err != nil {
		return 0, fmt.Errorf("read the log of writes: %w", err)
	}
	err = log.Build(m.file("before"), log.Whole(), func(flushed bool) bool {
		keep := flushed || rng.IntN(2) == 0
		if !keep {
			lost++
		}
		return keep
	})
	if err != nil {
		return 0, err
	}
	return lost, os.Rename(m.file("before"), m.file("disk"))
}
