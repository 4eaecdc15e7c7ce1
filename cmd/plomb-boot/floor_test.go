package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/plomb-pos/plomb/internal/tpmtest"
	"github.com/plomb-pos/plomb/update/counter"
	"github.com/plomb-pos/plomb/update/slot"
)

// newTPMBox is a device whose floor lies in a TPM, in the state of before an update
// that lets nothing older start. socket is empty for one without TPM.
func newTPMBox(t *testing.T, socket string) *box {
	t.Helper()
	b := bareBox(t)
	b.Strict = true
	first := filepath.Join(t.TempDir(), "release")
	b.Release(first, 1)
	if code, words := b.init(first, socket); code != exitDone {
		t.Fatalf("init ended with %d: %s", code, words)
	}
	return b
}

func (b *box) init(release, socket string) (code int, words string) {
	var w bytes.Buffer
	args := []string{"init", "--root", b.Root, "--policy", b.Policy, "--device", b.Facts, "--release", release}
	if socket != "" {
		args = append(args, "--tpm", socket)
	}
	code = run(b.Context(), args, io.Discard, &w)
	return code, w.String()
}

// blocked starts the launcher and stops it once it shows its page.
func (b *box) blocked() (words string) {
	b.Helper()
	ctx, stop := context.WithTimeout(b.Context(), 20*time.Second)
	defer stop()
	r, w := io.Pipe()
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, []string{"run", "--root", b.Root, "--rescue", "127.0.0.1:0", "--", "a=ready,b=ready", b.seen}, io.Discard, w)
		w.Close()
	}()
	var text bytes.Buffer
	for buf := make([]byte, 4096); ; {
		n, err := r.Read(buf)
		text.Write(buf[:n])
		if strings.Contains(text.String(), "http://") {
			stop()
		}
		if err != nil {
			break
		}
	}
	if c := <-code; c != exitBlocked {
		b.Fatalf("ended with %d: %s", c, text.String())
	}
	return text.String()
}

// update brings release 2 in and keeps it.
func (b *box) update() {
	b.Helper()
	b.Propose(2, slot.Return)
	if words, code := b.boot("a=crash,b=ready"); code != exitDone || b.Table().Table().Active != slot.B {
		b.Fatalf("the update ended with %d: %s", code, words)
	}
}

// image copies the whole device folder, as somebody does who images the disk.
func (b *box) image() string {
	b.Helper()
	to := filepath.Join(b.TempDir(), "image")
	if err := os.CopyFS(to, os.DirFS(b.Root)); err != nil {
		b.Fatal(err)
	}
	return to
}

// restore puts an image back.
func (b *box) restore(image string) {
	b.Helper()
	if err := errors.Join(os.RemoveAll(b.Root), os.CopyFS(b.Root, os.DirFS(image)), os.RemoveAll(b.seen)); err != nil {
		b.Fatal(err)
	}
}

// Requirement: CU-10
func TestAnOldDiskPutBackDoesNotStartWhereATPMHoldsTheFloor(t *testing.T) {
	tpm := tpmtest.Start(t)
	b := newTPMBox(t, tpm.Socket)
	old := b.image()
	b.update()
	tpm.Off()
	tpm.On()
	b.restore(old)
	if words := b.blocked(); !strings.Contains(words, "older than the floor") || b.starts() != "" {
		t.Errorf("started %q: %s", b.starts(), words)
	}
}

// Requirement: CU-10
func TestAnOldDiskPutBackStartsWhereNoTPMHoldsTheFloor(t *testing.T) {
	b := newTPMBox(t, "")
	old := b.image()
	b.update()
	b.restore(old)
	if words, code := b.boot("a=ready"); code != exitDone || b.starts() != "a trial=; " {
		t.Errorf("ended with %d, started %q: %s; SECURITY.md says that it does", code, b.starts(), words)
	}
}

func TestAFloorThatAPowerCutLeftLowIsRaisedAtTheNextStart(t *testing.T) {
	tpm := tpmtest.Start(t)
	b := newTPMBox(t, tpm.Socket)
	b.Propose(2, slot.Return)
	// the power is cut after the table was written: the trial is kept, the counter old
	file := b.Table()
	second := b.Release(filepath.Join(t.TempDir(), "again"), 2)
	if err := file.Write(file.Table().Kept(second)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if words, code := b.boot("b=ready"); code != exitDone {
			t.Fatalf("ended with %d: %s", code, words)
		}
		if f, err := counter.TPM(tpm.Socket).Floors(); err != nil || f[slot.Application] != 2 {
			t.Errorf("floors %v, %v", f, err)
		}
	}
}

func TestATrialDoesNotRaiseTheFloorBeforeItIsKept(t *testing.T) {
	tpm := tpmtest.Start(t)
	b := newTPMBox(t, tpm.Socket)
	b.Propose(2, slot.Return)
	if words, code := b.boot("a=ready,b=crash"); code != exitDone || !strings.HasSuffix(b.starts(), "a trial=; ") {
		t.Fatalf("ended with %d, started %q: %s", code, b.starts(), words)
	}
	if f, err := counter.TPM(tpm.Socket).Floors(); err != nil || f[slot.Application] != 1 {
		t.Errorf("floors %v, %v", f, err)
	}
}

func TestAReleaseThatRaisesTheFloorTooFarIsNotTried(t *testing.T) {
	tpm := tpmtest.Start(t)
	b := newTPMBox(t, tpm.Socket)
	b.Propose(counter.MaxSteps+2, slot.Return)
	words, code := b.boot("a=ready,b=ready")
	if code != exitDone || b.starts() != "a trial=; " || !strings.Contains(words, "raises the floor too far") {
		t.Errorf("ended with %d, started %q: %s", code, b.starts(), words)
	}
}

// Requirement: CU-10
func TestNothingStartsWhileTheTPMIsSilent(t *testing.T) {
	tpm := tpmtest.Start(t)
	b := newTPMBox(t, tpm.Socket)
	tpm.Off()
	if words := b.blocked(); !strings.Contains(words, "version floor not known") || b.starts() != "" {
		t.Errorf("started %q: %s", b.starts(), words)
	}
	tpm.On()
	if words, code := b.boot("a=ready"); code != exitDone || b.starts() != "a trial=; " {
		t.Errorf("ended with %d, started %q: %s", code, b.starts(), words)
	}
}

// Requirement: CU-10
func TestANewDiskInAnOldMachineTakesNoOlderRelease(t *testing.T) {
	tpm := tpmtest.Start(t)
	b := newTPMBox(t, tpm.Socket)
	b.update()
	if err := os.RemoveAll(b.Root); err != nil {
		t.Fatal(err)
	}
	first := filepath.Join(t.TempDir(), "release")
	b.Release(first, 1)
	if code, words := b.init(first, tpm.Socket); code == exitDone || !strings.Contains(words, "remembers its floor") {
		t.Errorf("init ended with %d: %s", code, words)
	}
}
