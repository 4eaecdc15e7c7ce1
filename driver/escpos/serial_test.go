//go:build linux

package escpos_test

import (
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/plomb-pos/plomb/driver/escpos"
)

// pty opens a pair of pseudo terminals and returns the master and the path of the
// other end, which looks like a serial line.
func pty(t *testing.T) (master *os.File, path string) {
	t.Helper()
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	return os.NewFile(uintptr(fd), "/dev/ptmx"), fmt.Sprintf("/dev/pts/%d", number)
}

func TestPrintingOverASerialLine(t *testing.T) {
	master, path := pty(t)
	b := benchOver(t, escpos.Generic58(), escpos.Serial(path, 38400))
	go b.device.ServeConn(t.Context(), master)
	b.run()
	b.expect(receipt(t), escpos.Printed, nil)
	b.device.SetCover(true)
	b.await(func(s escpos.Status) bool { return s.CoverOpen })
	b.expect(receipt(t), escpos.NotPrinted, escpos.ErrCoverOpen)
}

func TestASerialPrinterThatDiesLeavesTheOutcomeUncertain(t *testing.T) {
	master, path := pty(t)
	b := benchOver(t, escpos.Generic58(), escpos.Serial(path, 38400))
	go b.device.ServeConn(t.Context(), master)
	b.run()
	b.device.DieAfter(4000)
	b.expect(receipt(t), escpos.Uncertain, escpos.ErrDisconnected)
}
