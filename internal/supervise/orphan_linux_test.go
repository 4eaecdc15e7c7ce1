package supervise_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/plomb-pos/plomb/internal/supervise"
)

// orphan starts a grandchild that waits for its parent's end, and dies without a word
// to it.
func orphan() {
	exe, err := os.Executable()
	if err != nil {
		os.Exit(1)
	}
	child := exec.Command(exe)
	child.Env = append(os.Environ(), "SUPERVISED=orphaned")
	child.Stdout = os.Stdout
	ready, err := child.StderrPipe()
	if err == nil {
		err = child.Start()
	}
	if err == nil {
		_, err = bufio.NewReader(ready).ReadString('\n')
	}
	if err != nil {
		os.Exit(1)
	}
	os.Exit(0)
}

// orphaned says when its parent has ended.
func orphaned() {
	ctx, cancel, err := supervise.UntilParentEnds(context.Background())
	if err != nil {
		os.Exit(1)
	}
	defer cancel()
	fmt.Fprintln(os.Stderr, "watching")
	<-ctx.Done()
	fmt.Println("the parent ended")
}

func init() { roles["orphan"], roles["orphaned"] = orphan, orphaned }

func TestAChildHearsThatItsParentEnded(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	parent := exec.CommandContext(t.Context(), exe)
	parent.Env = append(os.Environ(), "SUPERVISED=orphan")
	out, err := parent.Output() // ends when the grandchild has ended too
	if err != nil || !strings.Contains(string(out), "the parent ended") {
		t.Errorf("the grandchild said %q, %v", out, err)
	}
}
