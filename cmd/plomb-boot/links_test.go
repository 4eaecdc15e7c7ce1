//go:build unix

package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/plomb-pos/plomb/update/slot"
)

// What is verified and then started has to be the same: a program on another disk, to
// which a link leads, may be another one when it is read the second time, and a pipe
// would hold the launcher up.
//
// Requirement: DL-08
func TestASlotThatLeadsElsewhereIsNotStarted(t *testing.T) {
	for name, harm := range map[string]func(slot, aside string) error{
		"the program": func(s, aside string) error {
			return move(filepath.Join(s, "bin", "till"), aside)
		},
		"its folder":             func(s, aside string) error { return move(filepath.Join(s, "bin"), aside) },
		"the slot":               move,
		"a pipe":                 func(s, _ string) error { return pipe(filepath.Join(s, "bin", "till")) },
		"a pipe as its manifest": func(s, _ string) error { return pipe(filepath.Join(s, slot.ManifestFile)) },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBox(t, true, slot.Return)
			if err := harm(filepath.Join(b.Root, "slots", "b"), filepath.Join(t.TempDir(), "aside")); err != nil {
				t.Fatal(err)
			}
			words, code := b.boot("a=ready,b=ready")
			if code != exitDone || b.starts() != "a trial=; " || !strings.Contains(b.log(), "fell back") {
				t.Errorf("ended with %d, started %q: %s", code, b.starts(), words)
			}
		})
	}
}

// move moves a file or folder and leaves a link to it.
func move(name, to string) error {
	if err := os.Rename(name, to); err != nil {
		return err
	}
	return os.Symlink(to, name)
}

// pipe puts a pipe in a file's place.
func pipe(name string) error {
	if err := os.Remove(name); err != nil {
		return err
	}
	return syscall.Mkfifo(name, 0o700)
}
