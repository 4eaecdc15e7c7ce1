// Package machine runs a till in a virtual machine whose power can be cut: QEMU without
// acceleration, Debian's kernel, a disk with ext4, a stick with releases. Its test
// updates that till again and again; run it with
//
//	make powercut-update ROUNDS=30
//
// # What a cut is
//
// The disk stops (package drive) and QEMU is killed. Lost is what the guest had not
// handed to its disk: its page cache, its file system's memory; and, as in a disk with a
// cache of its own, what it had handed over and not flushed: all of it, some of it, or
// parts of single writes. A flush takes its time, so that a cut finds such writes.
//
// It needs qemu-system-x86, cpio and e2fsprogs, and neither root nor KVM.
package machine

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/plomb-pos/plomb/internal/powercut/rig/drive"
)

// Modules are those of Debian's kernel that the machine's disks need, in order, below
// the kernel's folder lib/modules/VERSION/kernel.
var Modules = []string{
	"drivers/virtio/virtio_ring.ko", "drivers/virtio/virtio.ko", "drivers/virtio/virtio_pci_legacy_dev.ko",
	"drivers/virtio/virtio_pci_modern_dev.ko", "drivers/virtio/virtio_pci.ko", "drivers/block/virtio_blk.ko",
}

// Sizes of disk and stick, in bytes.
const (
	diskSize  = 72 << 20
	stickSize = 32 << 20
)

// kernelParameters make a kernel that boots soon; none is about disks.
const kernelParameters = "console=ttyS0 panic=-1 quiet mitigations=off no_timer_check tsc=reliable " +
	"nokaslr nosmp lsm=none audit=0 nowatchdog cryptomgr.notests "

// Machine is a virtual machine that is switched off.
type Machine struct {
	Disk           *drive.Drive
	kernel, initrd string // files
	work           string // folder for images
	socket         string // where the disk is served
	server         io.Closer
}

// New makes a machine whose disk holds the files of a folder.
func New(kernel, initrd, work, content string) (*Machine, error) {
	m := &Machine{kernel: kernel, initrd: initrd, work: work}
	if err := makeDisk(m.file("disk"), diskSize, content); err != nil {
		return nil, err
	}
	data, err := os.ReadFile(m.file("disk"))
	if err != nil {
		return nil, err
	}
	m.Disk = drive.New(data)
	return m, errors.Join(os.Remove(m.file("disk")), m.serve())
}

// serve serves the disk on a socket, whose name has to be short.
func (m *Machine) serve() error {
	dir, err := os.MkdirTemp("", "rig")
	if err != nil {
		return err
	}
	m.socket = filepath.Join(dir, "disk")
	m.server, err = m.Disk.Listen(m.socket)
	return err
}

// Close throws away a machine that is switched off.
func (m *Machine) Close() error {
	return errors.Join(m.server.Close(), os.RemoveAll(filepath.Dir(m.socket)))
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
	Power   *drive.Power
	Console *bufio.Reader // the guest's
	words   bytes.Buffer  // QEMU's own
}

// Start switches the machine on, with parameters for its kernel; clock is what its
// clock shows ("1970-01-01T00:00:00"), empty: the time.
func (m *Machine) Start(parameters, clock string) (*Run, error) {
	if clock == "" {
		clock = "utc"
	}
	r := &Run{Power: m.Disk.On(), cmd: exec.Command("qemu-system-x86_64", "-machine", "pc,accel=tcg", "-cpu", "qemu64", "-m", "256", "-smp", "1",
		"-display", "none", "-monitor", "none", "-serial", "stdio", "-nic", "none", "-no-reboot", "-rtc", "base="+clock,
		"-kernel", m.kernel, "-initrd", m.initrd, "-append", kernelParameters+parameters,
		"-blockdev", "driver=nbd,node-name=d0,server.type=unix,server.path="+m.socket,
		"-device", "virtio-blk-pci,drive=d0",
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
	go r.die()
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

// die kills QEMU once its disk is off.
func (r *Run) die() {
	<-r.Power.Off()
	_ = r.cmd.Process.Kill() // it may have ended
}

// Wait waits until the machine is off, whose power was cut; words is what QEMU had to say.
func (r *Run) Wait() (words string) {
	_ = r.cmd.Wait() // killed
	return r.words.String()
}

// CPU is how long this computer has worked for the machine, after Wait.
func (r *Run) CPU() time.Duration {
	return r.cmd.ProcessState.UserTime() + r.cmd.ProcessState.SystemTime()
}
