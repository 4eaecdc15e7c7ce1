// Package web is the till's screen: a page of plain ES modules that the node
// serves to a browser over loopback or TLS.
//
// What is embedded is what runs. There is no bundler, no inline script and no
// inline style, so an inspector reads the sources in the browser, and [Digest]
// names them as a whole. The page computes no price, no tax and no total: it
// shows the state that the node sends (docs/design/0002-till.md) and sends
// commands. Two pages exist: the till ("/") and the public check of a receipt's
// code ("/check").
//
// [Handler] is the one constructor. Every answer carries a content security
// policy that allows the page's own origin only, forbids framing, sniffing and
// the sending of referrers, and an ETag made from the file's SHA-256.
//
//	mux.Handle("/api/", node)
//	mux.Handle("/", web.Handler())
//
// The package knows nothing of the node: it serves files, and refuses
// everything below /api/ so that a missing route there is never answered by a
// page.
package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"
)

//go:embed page/*.html page/*.js page/css page/i18n page/parts page/views page/vendor
var embedded embed.FS

// Policy is the content security policy of every answer: scripts, styles,
// pictures and connections come from the page's own origin, nothing is inline,
// nothing frames the page, no form leaves it.
const Policy = "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'"

// file is one embedded file as it is sent.
type file struct {
	body []byte
	kind string // Content-Type
	etag string // quoted, from the SHA-256 of body
}

// Handler serves the page. It is safe for concurrent use and holds all files in
// memory; it panics only if the embedded files cannot be read, which the
// compiler has made impossible.
func Handler() *Pages {
	p := &Pages{files: load()}
	p.digest = digest(p.files)
	for _, name := range []string{"index.html", "check.html"} {
		body := bytes.Replace(p.files[name].body, []byte(unnamed), []byte(`content="`+p.digest+`"`), 1)
		p.files[name] = newFile(name, body)
	}
	return p
}

// unnamed is where a page says which page it is; the digest is over this form.
const unnamed = `content="PAGE"`

// Pages are the files of the page as they are served.
type Pages struct {
	files  map[string]file
	digest string
}

// Digest is [Digest] of what is served. Each page holds it, and who serves its
// events says it as well: so a page that an older program served finds out.
func (p *Pages) Digest() string { return p.digest }

// ServeHTTP serves one file.
func (p *Pages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	protect(w.Header())
	serve(w, r, p.files)
}

// Digest is the SHA-256, in hex, over the names and contents of all files of
// the page in the order of their names. Two nodes that show the same digest
// serve the same page.
func Digest() string { return digest(load()) }

func digest(files map[string]file) string {
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		fmt.Fprintf(h, "%s %d\n", name, len(files[name].body))
		h.Write(files[name].body)
	}
	return hex.EncodeToString(h.Sum(nil))
}

func protect(h http.Header) {
	h.Set("Content-Security-Policy", Policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(self), microphone=(), geolocation=()")
}

func serve(w http.ResponseWriter, r *http.Request, files map[string]file) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "only GET and HEAD", http.StatusMethodNotAllowed)
		return
	}
	f, ok := files[name(r.URL.Path)]
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", f.kind)
	w.Header().Set("ETag", f.etag)
	w.Header().Set("Cache-Control", "no-cache") // ask each time: a page never outlives its node
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.body))
}

// name maps a path of a request to the name of a file of the page.
func name(urlPath string) string {
	switch urlPath {
	case "/":
		return "index.html"
	case "/check":
		return "check.html"
	}
	return strings.TrimPrefix(urlPath, "/")
}

func load() map[string]file {
	files := map[string]file{}
	err := fs.WalkDir(embedded, "page", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := embedded.ReadFile(p)
		if err == nil {
			files[strings.TrimPrefix(p, "page/")] = newFile(p, body)
		}
		return err
	})
	if err != nil {
		panic("internal error: embedded page: " + err.Error())
	}
	return files
}

func newFile(p string, body []byte) file {
	sum := sha256.Sum256(body)
	return file{body: body, kind: kind(p), etag: `"` + hex.EncodeToString(sum[:16]) + `"`}
}

// kind is the Content-Type by the file's ending. The table is our own because
// the system's differs from machine to machine.
func kind(p string) string {
	switch path.Ext(p) {
	case ".html":
		return "text/html; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".json":
		return "application/json"
	case ".svg":
		return "image/svg+xml"
	case ".txt", ".md", ".ts":
		return "text/plain; charset=utf-8"
	}
	return "application/octet-stream"
}
