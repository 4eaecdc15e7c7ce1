package blocklog_test

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"github.com/plomb-pos/plomb/internal/powercut/rig/blocklog"
)

// logOf writes a log as blklogwrites does: a super block that may be out of date, and
// an entry for each write of one sector filled with a letter, '|' for a flush.
func logOf(writes string) []byte {
	out := make([]byte, 512)
	binary.LittleEndian.PutUint64(out[16:], 1) // entries, as the writer last noted
	binary.LittleEndian.PutUint32(out[24:], 512)
	for i, w := range []byte(writes) {
		head := make([]byte, 512)
		binary.LittleEndian.PutUint64(head, uint64(i))
		if w == '|' {
			binary.LittleEndian.PutUint64(head[16:], 1)
			out = append(out, head...)
			continue
		}
		binary.LittleEndian.PutUint64(head[8:], 1)
		out = append(append(out, head...), bytes.Repeat([]byte{w}, 512)...)
	}
	return append(out, make([]byte, 4096)...) // not written yet
}

// sectors shows an image, one character a sector.
func sectors(t *testing.T, image string) string {
	t.Helper()
	data, err := os.ReadFile(image)
	if err != nil {
		t.Fatal(err)
	}
	var out []byte
	for at := 0; at < len(data); at += 512 {
		out = append(out, max(data[at], '.'))
	}
	return string(out)
}

func TestADiskIsBuiltAsItWasWithAndWithoutWhatWasNotFlushed(t *testing.T) {
	log, err := blocklog.Read(bytes.NewReader(logOf("ab|cd|ef")))
	if err != nil {
		t.Fatal(err)
	}
	if log.Len() != 8 || log.Unflushed(8) != 2 || log.Unflushed(5) != 2 || log.Unflushed(1) != 1 || !log.Flush(2) {
		t.Errorf("%d entries, %d of them not flushed", log.Len(), log.Unflushed(8))
	}
	for _, x := range []struct {
		n    int
		keep func(bool) bool
		want string
	}{
		{8, func(bool) bool { return true }, "ab.cd.ef"},
		{8, func(flushed bool) bool { return flushed }, "ab.cd..."},
		{5, func(flushed bool) bool { return flushed }, "ab......"},
		{5, func(flushed bool) bool { return !flushed }, "...cd..."},
		{0, func(bool) bool { return true }, "........"},
	} {
		image := filepath.Join(t.TempDir(), "image")
		if err := os.WriteFile(image, make([]byte, 8*512), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := log.Build(image, x.n, x.keep); err != nil {
			t.Fatal(err)
		}
		if got := sectors(t, image); got != x.want {
			t.Errorf("after %d entries: %q, want %q", x.n, got, x.want)
		}
	}
}

func TestALogWhoseWriterWasKilledIsReadAsFarAsItGoes(t *testing.T) {
	for writes, n := range map[string]int{"ab|": 3, "ab|c": 4, "": 0} {
		log, err := blocklog.Read(bytes.NewReader(logOf(writes)))
		if err != nil || log.Len() != n {
			t.Errorf("%q: %d entries, want %d, %v", writes, log.Len(), n, err)
		}
	}
	if log, err := blocklog.Read(bytes.NewReader(make([]byte, 4096))); err != nil || log.Len() != 0 {
		t.Errorf("nothing was written yet: %+v, %v", log, err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(logOf("a|b"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if log, err := blocklog.Read(bytes.NewReader(data)); err == nil && log.Len() > len(data)/512 {
			t.Errorf("%d entries in %d bytes", log.Len(), len(data))
		}
	})
}
