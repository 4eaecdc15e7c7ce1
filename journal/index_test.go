package journal_test

import (
	"strings"
	"sync/atomic"
	"testing"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/internal/powercut"
	"github.com/plomb-pos/plomb/journal"
)

// readCounter counts the bytes that are read from segments.
type readCounter struct {
	durable.FS
	read atomic.Int64
}

func (c *readCounter) Open(name string) (durable.File, error) {
	f, err := c.FS.Open(name)
	if err != nil || !strings.HasSuffix(name, ".seg") {
		return f, err
	}
	return countedFile{f, &c.read}, nil
}

type countedFile struct {
	durable.File
	read *atomic.Int64
}

func (f countedFile) ReadAt(p []byte, at int64) (int, error) {
	f.read.Add(int64(len(p)))
	return f.File.ReadAt(p, at)
}

func TestEntriesThatCameWhileTheIndexWasBusyAreFoundWithoutReadingTheSegmentAgain(t *testing.T) {
	disk := &readCounter{FS: powercut.New()}
	opts := keyed(powercut.New())
	opts.FS, opts.SegmentSize = disk, segSize
	j, err := journal.Create(contextBackground, cutDir, origin, drafts(1), opts)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close(contextBackground)
	if _, err := j.Entry(contextBackground, 0); err != nil { // the index is open
		t.Fatal(err)
	}
	release := j.HoldIndex()
	for _, d := range drafts(20) {
		ticket, err := j.Append(contextBackground, d)
		if err != nil {
			t.Fatal(err)
		}
		if err := ticket.Wait(contextBackground); err != nil {
			t.Fatal(err)
		}
	}
	release()
	disk.read.Store(0)
	e, err := j.Entry(contextBackground, 15)
	if err != nil || e.Head.Index != 15 {
		t.Fatalf("entry 15: %d, %v", e.Head.Index, err)
	}
	if got := disk.read.Load(); got == 0 || got > segSize/4 {
		t.Errorf("%d bytes of a segment of %d were read for one entry", got, segSize)
	}
}
