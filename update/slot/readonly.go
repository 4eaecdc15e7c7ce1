package slot

import "github.com/plomb-pos/plomb/internal/durable"

// ReadOnly lets a look at the table repair nothing: writes through it are taken and
// forgotten.
type ReadOnly struct{ durable.FS }

// Open opens a file whose writes are forgotten.
func (r ReadOnly) Open(name string) (durable.File, error) {
	f, err := r.FS.Open(name)
	if err != nil {
		return nil, err
	}
	return unwritten{f}, nil
}

// unwritten takes writes and forgets them, so what was to be written cannot be read
// back.
type unwritten struct{ durable.File }

func (u unwritten) WriteAt(p []byte, _ int64) (int, error) { return len(p), nil }
func (u unwritten) Sync() error                            { return nil }
