package device

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/plomb-pos/plomb/update"
	"github.com/plomb-pos/plomb/update/bundle"
	"github.com/plomb-pos/plomb/update/trust"
)

// packed is a bundle on a stick, read in place: nothing is unpacked, so it needs no
// room on the device and can do no harm to it. The file is opened for each answer.
type packed string

// String is its path.
func (p packed) String() string { return string(p) }

// open finds a file of the bundle; whoever gets it closes it.
func (p packed) open(name string) (*io.SectionReader, io.Closer, error) {
	f, err := os.Open(string(p))
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	b, err := bundle.Open(f, info.Size())
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	r, ok := b.File(name)
	if !ok {
		f.Close()
		return nil, nil, trust.ErrNotFound
	}
	return r, f, nil
}

// Fetch implements trust.Source.
func (p packed) Fetch(_ context.Context, name string, limit int64) ([]byte, error) {
	r, f, err := p.open(name)
	if err != nil {
		return nil, fmt.Errorf("fetch %s: %w", name, err)
	}
	defer f.Close()
	if r.Size() > limit {
		return nil, fmt.Errorf("fetch %s: %d bytes: %w", name, r.Size(), trust.ErrTooLong)
	}
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("fetch %s: %w", name, err)
	}
	return data, nil
}

// Open implements update.Source.
func (p packed) Open(_ context.Context, name string, offset, length int64) (io.ReadCloser, error) {
	r, f, err := p.open(name)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w: %w", name, update.ErrNotThere, err)
	}
	return struct {
		io.Reader
		io.Closer
	}{io.NewSectionReader(r, offset, length), f}, nil
}

// maxBundles bounds how many are looked at in one folder: the index of each is read for
// every file that is asked for.
const maxBundles = 16

// bundles are the bundles directly in a folder.
func bundles(dir string) (out []place) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil // no stick is there
	}
	for _, e := range entries {
		if e.Type().IsRegular() && strings.HasSuffix(e.Name(), ".plomb") && len(out) < maxBundles {
			out = append(out, packed(filepath.Join(dir, e.Name())))
		}
	}
	return out
}
