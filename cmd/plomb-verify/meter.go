package main

import (
	"fmt"
	"io"
	"os"

	"github.com/plomb-pos/plomb/journal"
)

// meter shows progress on a terminal, and nothing elsewhere.
type meter struct {
	w     io.Writer // nil: no terminal
	shown bool
}

func newMeter(stderr io.Writer) *meter {
	f, ok := stderr.(*os.File)
	if !ok {
		return &meter{}
	}
	if info, err := f.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return &meter{}
	}
	return &meter{w: f}
}

func (m *meter) progress(dir string) func(journal.Progress) {
	if m.w == nil {
		return nil
	}
	return func(p journal.Progress) {
		m.shown = true
		fmt.Fprintf(m.w, "\r%s: segment %d of %d, %d entries ", dir, p.Segment, p.Segments, p.Entries)
	}
}

// clear wipes the line of progress.
func (m *meter) clear() {
	if m.shown {
		fmt.Fprint(m.w, "\r\x1b[K")
		m.shown = false
	}
}
