//go:build linux

// Command station is the first process of the virtual machine of the update rig: it
// mounts the disk and the stick with releases, prints what it sees on the disk, and
// becomes the launcher, which then is process 1 of a real machine.
//
// Of the kernel's command line it takes rig.from=N (entries before N are not printed)
// and rig.mutant=NAME (for the till).
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/go-json-experiment/json"
	"golang.org/x/sys/unix"

	"github.com/plomb-pos/plomb/internal/powercut/rig/witness"
)

// What is where in the machine.
const (
	device = "/disk/device"
	ledger = "/disk/journal"
	stick  = "/stick"
)

func main() {
	fmt.Println("STATION failed:", run())
	_ = syscall.Reboot(syscall.LINUX_REBOOT_CMD_POWER_OFF) // the end in either case
}

func run() error {
	if err := errors.Join(load(), mount()); err != nil {
		return err
	}
	from, mutant, err := parameters()
	if err != nil {
		return err
	}
	sight, err := witness.Look(context.Background(), device, ledger, from)
	if err != nil {
		return err
	}
	text, err := json.Marshal(sight)
	if err != nil {
		return err
	}
	fmt.Printf("LOOK %s\n", text)
	return syscall.Exec("/plomb-boot", []string{
		"plomb-boot", "run", "--root", device, "--trial-time", "10m", "--",
		"sell", "--root", device, "--journal", ledger, "--repository", stick, "--mutant", mutant,
	}, []string{"TMPDIR=/tmp", "PATH=/"})
}

// load loads the kernel's modules, in the order of their names.
func load() error {
	names, err := filepath.Glob("/modules/*.ko")
	if err != nil {
		return err
	}
	for _, name := range names {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		if err := unix.FinitModule(int(f.Fd()), "", 0); err != nil {
			return fmt.Errorf("load %s: %w", name, err)
		}
		f.Close()
	}
	return nil
}

func mount() error {
	for _, m := range []struct {
		what, where, kind string
		flags             uintptr
	}{
		{"proc", "/proc", "proc", 0},
		{"dev", "/dev", "devtmpfs", 0},
		{"tmp", "/tmp", "tmpfs", 0},
		{"/dev/vda", "/disk", "ext4", 0},
		{"/dev/vdb", stick, "ext4", syscall.MS_RDONLY},
	} {
		if err := os.MkdirAll(m.where, 0o755); err != nil {
			return err
		}
		if err := mountWhenThere(m.what, m.where, m.kind, m.flags); err != nil {
			return fmt.Errorf("mount %s: %w", m.where, err)
		}
	}
	return nil
}

// mountWhenThere waits for the kernel, which may still be looking for its disks.
func mountWhenThere(what, where, kind string, flags uintptr) (err error) {
	for range 1000 {
		err = syscall.Mount(what, where, kind, flags, "")
		if err == nil || err == syscall.EBUSY {
			return nil
		}
		time.Sleep(5 * time.Millisecond)
	}
	return err
}

func parameters() (from uint64, mutant string, err error) {
	line, err := os.ReadFile("/proc/cmdline")
	if err != nil {
		return 0, "", err
	}
	for word := range strings.FieldsSeq(string(line)) {
		switch name, value, _ := strings.Cut(word, "="); name {
		case "rig.from":
			if from, err = strconv.ParseUint(value, 10, 64); err != nil {
				return 0, "", err
			}
		case "rig.mutant":
			mutant = value
		}
	}
	return from, mutant, nil
}
