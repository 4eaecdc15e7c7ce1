package mapped_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/plomb-pos/plomb/internal/mapped"
)

func TestTheBytesAreThoseOfTheFile(t *testing.T) {
	for _, want := range [][]byte{nil, {7}, bytes.Repeat([]byte("plomb"), 100_000)} {
		name := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(name, want, 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := mapped.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(f.Bytes(), want) {
			t.Errorf("%d bytes, want %d", len(f.Bytes()), len(want))
		}
		if err := f.Close(); err != nil || f.Bytes() != nil {
			t.Errorf("after the end: %d bytes, %v", len(f.Bytes()), err)
		}
	}
}

func TestWhatIsNoFileIsRefused(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{dir, filepath.Join(dir, "missing")} {
		if f, err := mapped.Open(name); err == nil {
			t.Errorf("%s gives %d bytes", name, len(f.Bytes()))
		}
	}
}
