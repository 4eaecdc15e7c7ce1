package trust

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"time"
)

// Source is a place that has the tree of files: a server, a shop's relay, a stick.
// It is trusted with nothing.
type Source interface {
	// Fetch gives the whole file of a slash-separated name. It reads at most limit
	// bytes and refuses a longer file with ErrTooLong; a file that is not there is
	// ErrNotFound. It ends with ctx.
	Fetch(ctx context.Context, name string, limit int64) ([]byte, error)
	// String names the source in errors.
	String() string
}

// Limits bound what is taken from a source. A zero value is the default.
type Limits struct {
	Root      int64 // bytes; default 512 KiB
	Timestamp int64 // default 16 KiB
	Snapshot  int64 // default 2 MiB
	Targets   int64 // default 8 MiB, also of a bin
	Rotations int   // roots in one refresh; default 64
}

func (l Limits) orDefault() Limits {
	return Limits{
		Root:      or(l.Root, 512<<10),
		Timestamp: or(l.Timestamp, 16<<10),
		Snapshot:  or(l.Snapshot, 2<<20),
		Targets:   or(l.Targets, 8<<20),
		Rotations: or(l.Rotations, 64),
	}
}

func or[T int | int64](v, otherwise T) T {
	if v == 0 {
		return otherwise
	}
	return v
}

// Web is a source over HTTP: a plain web server will do, since the content brings
// its own protection.
type Web struct {
	Base    *url.URL      // of the tree
	Client  *http.Client  // nil: one that heeds the proxy of the environment
	Timeout time.Duration // for a file, before its size is considered; default 30 s
	Rate    int64         // bytes a second that a source has to give at least; default 4 KiB
}

// String is the base's address without password.
func (w *Web) String() string { return w.Base.Redacted() }

// Fetch implements Source. A file has Timeout and the time that its limit takes at
// Rate; then it is given up, however busy the server keeps the line.
func (w *Web) Fetch(ctx context.Context, name string, limit int64) ([]byte, error) {
	allowed := w.Timeout
	if allowed == 0 {
		allowed = 30 * time.Second
	}
	allowed += time.Duration(limit/or(w.Rate, 4<<10)) * time.Second
	ctx, cancel := context.WithTimeout(ctx, allowed)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, w.Base.JoinPath(name).String(), nil)
	if err != nil {
		return nil, fmt.Errorf("fetch %s: %w", name, err)
	}
	request.Header.Set("Accept-Encoding", "identity") // the limit is over what travels
	answer, err := w.client().Do(request)
	if err != nil {
		return nil, fmt.Errorf("fetch %s: %w", name, err)
	}
	defer answer.Body.Close()
	switch answer.StatusCode {
	case http.StatusOK:
		return readLimited(answer.Body, name, limit)
	case http.StatusNotFound, http.StatusGone:
		return nil, fmt.Errorf("fetch %s: %w", name, ErrNotFound)
	}
	return nil, fmt.Errorf("fetch %s: the server says %s", name, answer.Status)
}

func (w *Web) client() *http.Client {
	if w.Client == nil {
		return http.DefaultClient
	}
	return w.Client
}

// Folder is a source on a stick or a disk.
type Folder struct {
	Name string // in errors
	FS   fs.FS  // os.Root.FS keeps links inside
}

// String is its name.
func (f *Folder) String() string { return f.Name }

// Fetch implements Source.
func (f *Folder) Fetch(ctx context.Context, name string, limit int64) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("fetch %s: %w", name, err)
	}
	info, err := fs.Stat(f.FS, name) // first: opening a pipe would wait
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("fetch %s: %w", name, ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("fetch %s: %w", name, err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("fetch %s: not a file: %w", name, ErrContent)
	}
	file, err := f.FS.Open(name)
	if err != nil {
		return nil, fmt.Errorf("fetch %s: %w", name, err)
	}
	defer file.Close()
	return readLimited(file, name, limit)
}

func readLimited(r io.Reader, name string, limit int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, fmt.Errorf("fetch %s: %w", name, err)
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("fetch %s: more than %d bytes: %w", name, limit, ErrTooLong)
	}
	return data, nil
}

// mirrors are the sources that are there now, the preferred first.
type mirrors func() []Source

// fetch takes a file from the first source that has one which accept takes. The
// error wraps ErrNotFound alone when no source has it.
func (m mirrors) fetch(ctx context.Context, name string, limit int64, accept func([]byte) error) error {
	var errs []error
	missing, sources := true, m()
	for _, s := range sources {
		data, err := s.Fetch(ctx, name, limit)
		if err == nil {
			err = accept(data)
		}
		if err == nil {
			return nil
		}
		missing = missing && errors.Is(err, ErrNotFound)
		errs = append(errs, fmt.Errorf("%s: %w", s, err))
	}
	if missing {
		return fmt.Errorf("fetch %s from %d sources: %w", name, len(sources), ErrNotFound)
	}
	return errors.Join(errs...)
}
