package update

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Errors of sources.
var (
	ErrNotThere = errors.New("the source does not have it")
	ErrSlow     = errors.New("the source is too slow")
	ErrRanges   = errors.New("the server does not send parts of files (RFC 9110 section 14)")
)

// HTTP is a repository on a web server, or another till's Relay. A plain file server
// that knows byte ranges is enough.
type HTTP struct {
	base   *url.URL
	client *http.Client
	skip   int64
}

// HTTPOptions of NewHTTP; the zero value will do.
type HTTPOptions struct {
	Client *http.Client // its timeout must leave room for a whole pack; nil: proxy from the environment, 30 s for a connection and for an answer, SameServer
	Skip   int64        // bytes that may be thrown away to resume at a server that knows no byte ranges; 0: none
}

// NewHTTP makes a source of the repository below base, such as
// https://updates.example/plomb.
func NewHTTP(base string, o HTTPOptions) (*HTTP, error) {
	u, err := url.Parse(base)
	if err != nil {
		return nil, fmt.Errorf("update server %q: %w", base, err)
	}
	if (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" {
		return nil, fmt.Errorf("update server %q: not an http or https address", base)
	}
	if o.Client == nil {
		o.Client = &http.Client{Transport: transport(), CheckRedirect: SameServer}
	}
	return &HTTP{base: u, client: o.Client, skip: o.Skip}, nil
}

// SameServer is a CheckRedirect that follows a server to another address of its own and
// nowhere else: whoever has it, or is between, cannot have tills ask what only they can
// reach. It goes from http to https, and not back.
func SameServer(req *http.Request, via []*http.Request) error {
	first := via[0].URL
	if len(via) > 5 || req.URL.Host != first.Host || first.Scheme == "https" && req.URL.Scheme != "https" {
		return fmt.Errorf("%s sends elsewhere, to %s", first.Host, req.URL.Redacted())
	}
	return nil
}

func transport() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.Proxy = http.ProxyFromEnvironment
	t.TLSHandshakeTimeout, t.ResponseHeaderTimeout = 30*time.Second, 30*time.Second
	t.MaxResponseHeaderBytes = 64 << 10
	t.DisableCompression = true // what is hashed is what travels
	return t
}

// String is the address, without user and password.
func (h *HTTP) String() string { return h.base.Redacted() }

// Open asks for a range.
func (h *HTTP) Open(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, h.base.JoinPath(name).String(), nil)
	if err != nil {
		return nil, fmt.Errorf("ask for %s: %w", name, err)
	}
	req.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", offset, offset+length-1))
	resp, err := h.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask for %s: %w", name, err)
	}
	if err := h.check(resp, offset); err != nil {
		resp.Body.Close()
		return nil, fmt.Errorf("ask for %s: %w", name, err)
	}
	return resp.Body, nil
}

// check accepts the part that was asked for, or the whole file.
func (h *HTTP) check(resp *http.Response, offset int64) error {
	switch resp.StatusCode {
	case http.StatusPartialContent:
		if got := resp.Header.Get("Content-Range"); !strings.HasPrefix(got, fmt.Sprintf("bytes %d-", offset)) {
			return fmt.Errorf("asked for bytes from %d on, got %q", offset, got)
		}
		return nil
	case http.StatusOK:
		if offset > h.skip {
			return ErrRanges
		}
		_, err := io.CopyN(io.Discard, resp.Body, offset)
		return err
	case http.StatusNotFound, http.StatusRequestedRangeNotSatisfiable:
		return ErrNotThere
	}
	return fmt.Errorf("the server answered %s", resp.Status)
}

// Folder is a repository in a folder: a stick, a service computer's disk.
type Folder struct {
	dir  string
	root *os.Root
}

// OpenFolder opens a repository in a folder. Links that lead out of it are not
// followed.
func OpenFolder(dir string) (*Folder, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open repository: %w", err)
	}
	return &Folder{dir: dir, root: root}, nil
}

// String is the folder.
func (f *Folder) String() string { return f.dir }

// Close lets the folder go, so that the stick can be taken out.
func (f *Folder) Close() error { return f.root.Close() }

// Open opens a regular file; anything else is ErrNotThere.
func (f *Folder) Open(_ context.Context, name string, offset, length int64) (io.ReadCloser, error) {
	name = filepath.FromSlash(name)
	info, err := f.root.Stat(name) // first: opening a pipe would wait
	if err != nil || !info.Mode().IsRegular() {
		return nil, fmt.Errorf("open %s: %w", name, errors.Join(ErrNotThere, err))
	}
	file, err := f.root.Open(name)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", name, err)
	}
	return section{io.NewSectionReader(file, offset, length), file}, nil
}

type section struct {
	io.Reader
	io.Closer
}
