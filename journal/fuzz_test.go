package journal_test

import (
	"bytes"
	"os"
	"testing"

	"github.com/plomb-pos/plomb/journal"
)

func seedSegment(f *testing.F) []byte {
	b, err := os.ReadFile(version1 + "/00000001.seg")
	if err != nil {
		f.Fatal(err)
	}
	return b
}

// FuzzRecord: what decodes as a record encodes to the same bytes.
func FuzzRecord(f *testing.F) {
	b := seedSegment(f)
	for off := 0; off+32 < len(b); off += 8 {
		if out, ok := journal.RecodeRecord(b[off:], 1, uint32(off)); ok {
			f.Add(out, uint32(1), uint32(off))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte, segment, offset uint32) {
		if out, ok := journal.RecodeRecord(b, segment, offset); ok && !bytes.HasPrefix(b, out) {
			t.Errorf("record %x encodes to %x", b, out)
		}
	})
}

// FuzzSegment: a scan of any bytes ends, within them.
func FuzzSegment(f *testing.F) {
	b := seedSegment(f)
	f.Add(b, uint32(1))
	f.Add(b[:2048], uint32(1))
	f.Add(b[512:], uint32(1))
	f.Fuzz(func(t *testing.T, b []byte, segment uint32) {
		b = append(b, make([]byte, (512-len(b)%512)%512)...)
		if _, _, tail, _ := journal.ScanAll(b, segment); int(tail) > len(b) {
			t.Errorf("scan of %d bytes ends at %d", len(b), tail)
		}
	})
}

// FuzzManifest: what is accepted as a JOURNAL file encodes to the same bytes.
func FuzzManifest(f *testing.F) {
	b, err := os.ReadFile(version1 + "/JOURNAL")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		if out, err := journal.RecodeManifest(b); err == nil && !bytes.Equal(out, b) {
			t.Errorf("%q encodes to %q", b, out)
		}
	})
}
