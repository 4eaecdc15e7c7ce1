package device

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/plomb-pos/plomb/update"
	"github.com/plomb-pos/plomb/update/trust"
)

// place is a repository, wherever it lies: small files for trust, ranges of packs for
// the agent. It holds nothing open, so that a stick can be taken out.
type place interface {
	trust.Source
	update.Source
}

// web is a repository on a server.
type web struct {
	*trust.Web
	packs *update.HTTP
}

func newWeb(base string, client *http.Client) (place, error) {
	u, err := url.Parse(base)
	if err != nil {
		return nil, fmt.Errorf("source %q: %w", base, err)
	}
	packs, err := update.NewHTTP(base, update.HTTPOptions{Client: client})
	if err != nil {
		return nil, err
	}
	return web{&trust.Web{Base: u, Client: client}, packs}, nil
}

func (w web) Open(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error) {
	return w.packs.Open(ctx, name, offset, length)
}

// webClient is what all servers are asked with. Nothing that is secret or believed
// travels, so certificates decide nothing here; a timeout for a whole answer is the
// sources' own.
func webClient(proxy string) (*http.Client, error) {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.Proxy = http.ProxyFromEnvironment
	if proxy != "" {
		u, err := url.Parse(proxy)
		if err != nil {
			return nil, fmt.Errorf("proxy %q: %w", proxy, err)
		}
		t.Proxy = http.ProxyURL(u)
	}
	t.TLSHandshakeTimeout, t.ResponseHeaderTimeout = 30*time.Second, 30*time.Second
	t.MaxResponseHeaderBytes = 64 << 10
	t.DisableCompression = true // what is hashed is what travels
	return &http.Client{Transport: t, CheckRedirect: update.SameServer}, nil
}

// folder is a repository in a folder. Links that lead out of it are not followed.
type folder string

// String is its path.
func (f folder) String() string { return string(f) }

// Fetch implements trust.Source.
func (f folder) Fetch(ctx context.Context, name string, limit int64) ([]byte, error) {
	root, err := os.OpenRoot(string(f))
	if err != nil {
		return nil, fmt.Errorf("fetch %s: %w: %w", name, trust.ErrNotFound, err)
	}
	defer root.Close()
	return (&trust.Folder{Name: string(f), FS: root.FS()}).Fetch(ctx, name, limit)
}

// Open implements update.Source.
func (f folder) Open(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error) {
	root, err := update.OpenFolder(string(f))
	if err != nil {
		return nil, errors.Join(update.ErrNotThere, err)
	}
	file, err := root.Open(ctx, name, offset, length)
	return file, errors.Join(err, root.Close()) // an open file outlives its root
}

// isRepository: its maker's metadata are there.
func isRepository(dir string) bool {
	info, err := os.Stat(filepath.Join(dir, "maker"))
	return err == nil && info.IsDir()
}

// maxSticks bounds what is looked at in one folder of sources.
const maxSticks = 64

// places are the repositories below a folder of the configuration, now: itself, or
// what lies in it and in its folders. What cannot be read is not there.
func places(dir string) (out []place) {
	if isRepository(dir) {
		return []place{folder(dir)}
	}
	for _, name := range append([]string{dir}, subfolders(dir)...) {
		if name != dir && isRepository(name) {
			out = append(out, folder(name))
			continue
		}
		out = append(out, bundles(name)...)
	}
	return out[:min(len(out), maxSticks)]
}

func subfolders(dir string) (out []string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	for _, e := range entries[:min(len(entries), maxSticks)] {
		if e.IsDir() && !strings.HasPrefix(e.Name(), ".") {
			out = append(out, filepath.Join(dir, e.Name()))
		}
	}
	return out
}

// sources finds the repositories of a configuration anew each time.
type sources struct {
	fixed []func() []place // in the order of the configuration
	shop  []update.Source
}

func newSources(c *Config) (*sources, error) {
	client, err := webClient(c.Proxy)
	if err != nil {
		return nil, err
	}
	s := new(sources)
	for _, at := range c.Sources {
		if !isURL(at) {
			s.fixed = append(s.fixed, func() []place { return places(at) })
			continue
		}
		w, err := newWeb(at, client)
		if err != nil {
			return nil, err
		}
		s.fixed = append(s.fixed, func() []place { return []place{w} })
	}
	for _, at := range c.Shop {
		till, err := update.NewHTTP(at, update.HTTPOptions{Client: client})
		if err != nil {
			return nil, err
		}
		s.shop = append(s.shop, till)
	}
	return s, nil
}

func (s *sources) all() (out []place) {
	for _, f := range s.fixed {
		out = append(out, f()...)
	}
	return out
}

// small are the sources of small files.
func (s *sources) small() (out []trust.Source) {
	for _, p := range s.all() {
		out = append(out, p)
	}
	return out
}

// packs are the sources of packs; the shop's other tills come first.
func (s *sources) packs() []update.Source {
	out := slices.Clone(s.shop)
	for _, p := range s.all() {
		out = append(out, p)
	}
	return out
}
