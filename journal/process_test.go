package journal_test

import (
	"bufio"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/plomb-pos/plomb/journal"
	"github.com/plomb-pos/plomb/journal/journaltest"
)

// childVariable makes the test binary the program that its value names.
const childVariable = "PLOMB_JOURNAL_TEST_CHILD"

func TestMain(m *testing.M) {
	switch what, dir, _ := strings.Cut(os.Getenv(childVariable), ":"); what {
	case "append":
		os.Exit(appendForEver(dir))
	case "open":
		os.Exit(openOnce(dir))
	}
	os.Exit(m.Run())
}

func realOptions() journal.Options {
	return journal.Options{Keys: journaltest.NewKeys(), Signer: journaltest.NewSigner(origin), SegmentSize: 64 << 10}
}

// Exit codes of the children.
const (
	exitLocked = 40
	exitFailed = 41
)

func openOnce(dir string) int {
	_, _, err := journal.Open(contextBackground, dir, realOptions())
	if errors.Is(err, journal.ErrLocked) {
		return exitLocked
	}
	return exitFailed
}

// appendForEver appends with several writers and prints each index that was
// acknowledged, after it was.
func appendForEver(dir string) int {
	j, _, err := journal.Open(contextBackground, dir, realOptions())
	if err != nil {
		fmt.Println(err)
		return exitFailed
	}
	acked := make(chan uint64)
	for range 4 {
		go func() {
			for {
				ticket, err := j.Append(contextBackground, bodyOf(j)...)
				if err != nil {
					return
				}
				acked <- ticket.First() + uint64(ticket.Len())
			}
		}()
	}
	for size := range acked {
		fmt.Println(size)
	}
	return 0
}

// bodyOf is two drafts, so that a group cut in two would show.
func bodyOf(*journal.Journal) []journal.Draft {
	now := time.Now()
	return []journal.Draft{
		{Kind: 1, Time: now, Body: []byte("first of two"), Sign: true},
		{Kind: 2, Time: now, Body: []byte("second of two")},
	}
}

func child(t *testing.T, what, dir string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), childVariable+"="+what+":"+dir)
	cmd.Stderr = os.Stderr
	return cmd
}

func createReal(t *testing.T) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "e1")
	j, err := journal.Create(contextBackground, dir, origin, drafts(1), realOptions())
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Close(contextBackground); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestASecondOpenerIsRefused(t *testing.T) {
	dir := createReal(t)
	j, _, err := journal.Open(contextBackground, dir, realOptions())
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close(contextBackground)
	if _, _, err := journal.Open(contextBackground, dir, realOptions()); !errors.Is(err, journal.ErrLocked) {
		t.Errorf("Open in the same process = %v, want ErrLocked", err)
	}
	var exit *exec.ExitError
	if err := child(t, "open", dir).Run(); !errors.As(err, &exit) || exit.ExitCode() != exitLocked {
		t.Errorf("Open in another process: %v, want exit code %d for ErrLocked", err, exitLocked)
	}
	if _, err := journal.Create(contextBackground, dir, origin, drafts(1), realOptions()); err == nil {
		t.Error("Create beside an open journal succeeded")
	}
}

// Requirement: FM-02
func TestKilledProcessesLoseNothingThatWasAcknowledged(t *testing.T) {
	dir := createReal(t)
	size := uint64(1)
	for n := range 20 {
		acked := killAppending(t, dir, 1+rand.IntN(60))
		j, report, err := journal.Open(contextBackground, dir, realOptions())
		if err != nil {
			t.Fatalf("kill %d: %v", n, err)
		}
		if j.Size() < max(acked, size) || j.Size()%2 != 1 || len(report.Holes) > 0 {
			t.Fatalf("kill %d: %d entries, %d were acknowledged: %+v", n, j.Size(), acked, report)
		}
		for e, err := range j.Entries(contextBackground, 0, j.Size()) {
			if err != nil {
				t.Fatalf("kill %d: entry %v: %v", n, e, err)
			}
		}
		size = j.Size()
		if err := j.Close(contextBackground); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("20 kills, %d entries", size)
}

// killAppending lets a process append and kills it after it has printed n lines;
// it returns the largest size that it had printed.
func killAppending(t *testing.T, dir string, n int) (acked uint64) {
	t.Helper()
	cmd := child(t, "append", dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for i := 0; lines.Scan(); i++ {
		size, err := strconv.ParseUint(lines.Text(), 10, 64)
		if err != nil {
			t.Fatalf("child: %s", lines.Text())
		}
		acked = max(acked, size)
		if i == n {
			cmd.Process.Kill() // what it prints until it is gone counts too
		}
	}
	cmd.Wait()
	return acked
}
