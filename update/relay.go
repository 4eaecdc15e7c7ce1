package update

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/update/frame"
	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/slot"
)

// Relay serves what this till has fetched to the other tills of the shop, as the
// repository would: tables/SHA256 and packs/SHA256. Frames are read from the disk
// and verified before they are sent, so a relay gives the right bytes or none; it
// may give fewer than asked for. It needs no lock and may run beside a download.
type Relay struct {
	staging staging
	slots   chan struct{}
}

const (
	relayFrames  = 16 // in one answer
	relayAnswers = 4  // at a time: sales come first
)

// NewRelay serves the download folder of a device.
func NewRelay(fsys durable.FS, root string) *Relay {
	return &Relay{staging: staging{fsys, root + "/download"}, slots: make(chan struct{}, relayAnswers)}
}

// ServeHTTP answers GET with a byte range that begins at a frame.
func (r *Relay) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	select {
	case r.slots <- struct{}{}:
		defer func() { <-r.slots }()
	default:
		w.Header().Set("Retry-After", "5")
		http.Error(w, "busy", http.StatusServiceUnavailable)
		return
	}
	kind, name, _ := strings.Cut(strings.TrimPrefix(req.URL.Path, "/"), "/")
	var digest manifest.Digest
	if req.Method != http.MethodGet || digest.UnmarshalText([]byte(name)) != nil {
		http.NotFound(w, req)
		return
	}
	switch kind {
	case "tables":
		r.table(w, req, digest)
	case "packs":
		r.pack(w, req, digest)
	default:
		http.NotFound(w, req)
	}
}

// find finds a staged pack by what match says of it.
func (r *Relay) find(match func(manifest.Pack) bool) (*pack, []byte) {
	data, err := durable.ReadFile(r.staging.fsys, r.staging.path(slot.ManifestFile), manifest.MaxBytes)
	if err != nil {
		return nil, nil
	}
	m, err := manifest.Parse(data)
	if err != nil {
		return nil, nil
	}
	for i, c := range m.Components {
		at := slices.IndexFunc(c.Packs, match)
		if at < 0 {
			continue
		}
		base := r.staging.path(strconv.Itoa(i))
		for _, name := range []string{base, base + ".full"} {
			text, err := durable.ReadFile(r.staging.fsys, name+".table", tableBytes(c.Length))
			if err == nil && manifest.Sum(text) == c.Packs[at].Table {
				t, err := frame.ParseTable(text)
				if err != nil {
					return nil, nil
				}
				return &pack{Pack: &c.Packs[at], table: t, file: name + ".pack"}, text
			}
		}
	}
	return nil, nil
}

func (r *Relay) table(w http.ResponseWriter, req *http.Request, d manifest.Digest) {
	_, text := r.find(func(p manifest.Pack) bool { return p.Table == d })
	if text == nil {
		http.NotFound(w, req)
		return
	}
	_, _ = w.Write(text) // who asked may be gone
}

func (r *Relay) pack(w http.ResponseWriter, req *http.Request, d manifest.Digest) {
	p, _ := r.find(func(p manifest.Pack) bool { return p.SHA256 == d })
	var begin, end int64
	if n, err := fmt.Sscanf(req.Header.Get("Range"), "bytes=%d-%d", &begin, &end); p == nil || err != nil || n != 2 {
		http.NotFound(w, req)
		return
	}
	f, err := r.staging.fsys.Open(p.file)
	if err != nil {
		http.NotFound(w, req)
		return
	}
	defer f.Close()
	frames := p.available(f, begin, end+1)
	if len(frames) == 0 {
		w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
		return
	}
	at, n := p.table.Range(frames[len(frames)-1])
	w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", begin, at+n-1, p.table.Bytes()))
	w.Header().Set("Content-Length", strconv.FormatInt(at+n-begin, 10))
	w.WriteHeader(http.StatusPartialContent)
	p.send(w, f, frames)
}

// available lists the frames that lie in a range of the pack, from its beginning to
// the first that is not there.
func (p *pack) available(f durable.File, begin, end int64) (out []int) {
	for i := range p.table.Entries {
		at, n := p.table.Range(i)
		if n == 0 || at < begin {
			continue
		}
		if at != begin || at+n > end || len(out) == relayFrames {
			break
		}
		if _, err := p.wire(f, i); err != nil {
			break
		}
		out, begin = append(out, i), at+n
	}
	return out
}

// send writes frames, each verified again; an answer that ends early says the rest.
func (p *pack) send(w http.ResponseWriter, f durable.File, frames []int) {
	for _, i := range frames {
		data, err := p.wire(f, i)
		if err != nil {
			return
		}
		if _, err := w.Write(data); err != nil {
			return
		}
	}
}
