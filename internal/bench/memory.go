package bench

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/plomb-pos/plomb/journal"
)

// MemoryChild names the hidden command that verifies a journal made for measuring, in a process of its own.
const MemoryChild = "bench-verify"

// garbage is how many bytes of it a verifying process allows itself for 100 in
// use: the buffers of whole segments make up nearly all of those.
const garbage = 5

// Memory measures the peak resident memory of a process that verifies a
// journal, at two lengths. exe is this program; it must answer MemoryChild with VerifyOne.
func Memory(ctx context.Context, c Config, exe string, short, long int) ([]Result, error) {
	var peak [2]float64
	for i, n := range []int{short, long} {
		kib, err := c.peak(ctx, exe, n)
		if err != nil {
			return nil, err
		}
		peak[i] = kib / 1024
		c.tell("verify %d entries: %.1f MiB at most", n, peak[i])
	}
	return []Result{
		{Bench: "memory", Case: fmt.Sprintf("verify, %d entries", short), Value: peak[0], Unit: "MiB"},
		{Bench: "memory", Case: fmt.Sprintf("verify, %d entries", long), Value: peak[1], Unit: "MiB",
			Ratio: peak[1] / peak[0], Against: fmt.Sprintf("%d entries", short)},
	}, nil
}

// peak is the largest resident set of a verifying process, in KiB as Linux counts.
func (c Config) peak(ctx context.Context, exe string, entries int) (float64, error) {
	dir, err := os.MkdirTemp(c.Dir, "memory")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	epoch := filepath.Join(dir, "e1")
	if err := Fill(ctx, epoch, entries); err != nil {
		return 0, err
	}
	cmd := exec.CommandContext(ctx, exe, MemoryChild, epoch)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return 0, fmt.Errorf("verify in a process of its own: %w", err)
	}
	return strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
}

// VerifyOne verifies a journal made by Fill, with keys and policy, collecting
// garbage as plomb-verify does, and writes the peak resident memory of its
// process, in KiB. The process itself must say that: what its parent learns by
// wait(2) includes the parent's own size before exec.
func VerifyOne(ctx context.Context, dir string, out io.Writer) error {
	debug.SetGCPercent(garbage)
	policy, err := ownPolicy()
	if err != nil {
		return err
	}
	report, err := journal.Verify(ctx, dir, journal.VerifyOptions{Keys: keys{}, Policy: policy})
	if err != nil {
		return err
	}
	if !report.Consistent() {
		return fmt.Errorf("%d findings, the first: %v", len(report.Findings), report.Findings[0])
	}
	kib, err := peakResident()
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, kib)
	return err
}
