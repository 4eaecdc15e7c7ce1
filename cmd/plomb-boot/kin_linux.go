package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// envDevice names the launcher's device to everything that it starts, so that a later
// launcher finds what one that was killed has left.
const envDevice = "PLOMB_BOOT_DEVICE"

// family is what is known of this process's children. Being the one that orphans come
// to is a property of the process, and so is this.
var family struct {
	sync.Mutex
	adopts bool         // orphans of descendants become children of this process
	awaits map[int]bool // children that somebody waits for
}

// adopt makes this process the parent of every descendant that loses its own, however
// often it forked and whatever session it made, and collects them when they end. It is
// for a process that has no children but what the launcher starts.
func adopt() error {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("become the parent of orphans: %w", err)
	}
	family.adopts = true
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGCHLD)
	go func() {
		for range ended {
			collect()
		}
	}()
	return nil
}

// await runs f, which starts a child that the caller waits for, and gives its process
// id; the child is not collected as an orphan.
func await(f func() (pid int, err error)) error {
	family.Lock()
	defer family.Unlock()
	pid, err := f()
	if err != nil {
		return err
	}
	if family.awaits == nil {
		family.awaits = map[int]bool{}
	}
	family.awaits[pid] = true
	return nil
}

// forget says that a child was waited for.
func forget(pid int) {
	family.Lock()
	defer family.Unlock()
	delete(family.awaits, pid)
}

// collect takes the dead off the process table that nobody else waits for.
func collect() {
	family.Lock()
	defer family.Unlock()
	if !family.adopts {
		return
	}
	for _, p := range processes() {
		if p.parent == os.Getpid() && p.dead && !family.awaits[p.pid] {
			_, _ = syscall.Wait4(p.pid, nil, syscall.WNOHANG, nil) // somebody may have been faster
		}
	}
}

// process is a line of the process table.
type process struct {
	pid, parent int
	dead        bool // ended, and not collected by its parent yet
}

// processes lists all that /proc shows; those that end meanwhile are left out.
func processes() (out []process) {
	names, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is right
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		// the name of the program is between brackets and may hold anything
		fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(name)))
		if err != nil || len(fields) < 2 {
			continue
		}
		parent, err := strconv.Atoi(fields[1])
		if err == nil {
			out = append(out, process{pid, parent, fields[0] == "Z" || fields[0] == "X"})
		}
	}
	return out
}

// kin lists what still runs of what was started for a device: the descendants of this
// process, if it adopts, and whatever was started with the device's name. It leaves
// out this process and those above it.
func kin(root string) (out []int) {
	all := processes()
	parents := map[int]int{}
	for _, p := range all {
		parents[p.pid] = p.parent
	}
	self, above := os.Getpid(), map[int]bool{}
	for p := self; p > 0 && !above[p]; p = parents[p] {
		above[p] = true
	}
	for _, p := range all {
		if !p.dead && !above[p.pid] && (family.adopts && descends(parents, p.pid, self) || marked(p.pid, root)) {
			out = append(out, p.pid)
		}
	}
	return out
}

// descends says whether a process has an ancestor.
func descends(parents map[int]int, pid, ancestor int) bool {
	for range len(parents) { // two snapshots of a table may form a ring
		if pid = parents[pid]; pid == ancestor || pid == 0 {
			return pid == ancestor
		}
	}
	return false
}

func marked(pid int, root string) bool {
	env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil { // of another account, or gone
		return false
	}
	for v := range bytes.SplitSeq(env, []byte{0}) {
		if string(v) == envDevice+"="+root {
			return true
		}
	}
	return false
}

// endKin kills whatever is left of what was started for a device and waits until it is
// gone (requirement CU-15). killed is how many there were. An error says that
// something can be neither killed nor outlived. A process that the kernel holds does
// not count: it was killed and never runs again.
func endKin(root string) (killed int, err error) {
	seen := map[int]bool{}
	pause := time.NewTicker(2 * time.Millisecond)
	defer pause.Stop()
	for end := time.Now().Add(gone); ; <-pause.C {
		left := kin(root)
		for _, pid := range left {
			seen[pid] = true
			if kerr := syscall.Kill(pid, syscall.SIGKILL); kerr != nil && !errors.Is(kerr, syscall.ESRCH) {
				err = fmt.Errorf("process %d of the version before cannot be ended: %w", pid, kerr)
			}
		}
		collect()
		if len(left) == 0 {
			return len(seen), nil
		}
		if time.Now().After(end) {
			return len(seen), err
		}
	}
}
