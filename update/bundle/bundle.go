// Package bundle is a part of a repository of releases in one file (*.plomb), for a
// stick: a POSIX tar (ustar) that is read in one pass with bounded memory, or at any
// place of it.
//
//	err := bundle.Write(w, files, open)            // whoever publishes
//	b, err := bundle.Open(file, size)              // a device, in place
//	err = bundle.Extract(r, "new-folder", limit)   // a person
//
// # Promises
//
// The same files give the same bytes, and nothing else is a bundle: every member is
// what the index at its beginning says, in one order, without links, owners, times or
// anything behind the end. No input makes a call panic or use memory beyond that of the
// index.
//
// # What it does not do
//
// It believes nothing: a bundle's files are checked by whoever uses them, like those of
// any repository (packages update/trust and update).
//
// The format in words: docs/guides/releasing.md.
package bundle

import (
	"archive/tar"
	"bytes"
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/plomb-pos/plomb/update/manifest"
)

// A bundle (*.plomb) is a part of a repository in one file, for a stick: a POSIX tar
// (ustar) that can be read in one pass with bounded memory.
//
// Its first member is bundle.json: {"format":"plomb-bundle/1","files":[{"name",
// "bytes","sha256"}]}. Then come exactly those files, in that order, which is the only
// one allowed: metadata, targets, notes, proofs, log, entitlements, campaign.json,
// reports, tables, packs; by name within. Every member is a regular file of mode 0644 without
// owner, time, link or extended header. After the two blocks of zeros nothing follows.
const (
	Format    = "plomb-bundle/1"
	indexName = "bundle.json"
)

// Limits of a bundle.
const (
	MaxFiles = 100_000
	MaxBytes = 64 << 30 // of all files, where nobody says less
	maxIndex = 32 << 20
	// MaxPlace bounds the index of a bundle that is read in place, which is read anew for
	// each file: a device takes no longer for a stick that means harm.
	MaxPlace = 4 << 20
)

// Errors. They are wrapped with what was being done.
var (
	ErrFormat   = errors.New("malformed bundle")
	ErrTampered = errors.New("not what the bundle's index says")
)

// File is one file of a bundle.
type File struct {
	Name   string          `json:"name"`
	Bytes  int64           `json:"bytes"`
	SHA256 manifest.Digest `json:"sha256"`
}

type index struct {
	Format string `json:"format"`
	Files  []File `json:"files"`
}

// folders of a repository in the order of a bundle.
var folders = []string{"maker", "authority", "targets", "notes", "proofs", "log", "entitlements", "campaign.json", "reports", "tables", "packs"}

// ValidName reports whether a file of a repository may have this name: one of the
// layout's folders, a plain path below it, at most 200 bytes.
func ValidName(name string) bool {
	first, rest, deeper := strings.Cut(name, "/")
	if !slices.Contains(folders, first) || deeper == (first == "campaign.json") {
		return false
	}
	return len(name) <= 200 && (!deeper || plainPath(rest))
}

// plainPath is manifest.ValidPath without its reserved names.
func plainPath(p string) bool { return manifest.ValidPath("x/" + p) }

// before is the order of a bundle's files.
func before(a, b string) int {
	rank := func(s string) int { first, _, _ := strings.Cut(s, "/"); return slices.Index(folders, first) }
	return cmp.Or(cmp.Compare(rank(a), rank(b)), strings.Compare(a, b))
}

// check says whether a bundle's index is one, with at most limit bytes of files.
func (h *index) check(limit int64) error {
	if h.Format != Format || len(h.Files) > MaxFiles {
		return fmt.Errorf("%w: format %q with %d files", ErrFormat, h.Format, len(h.Files))
	}
	for i, f := range h.Files {
		if !ValidName(f.Name) || f.Bytes < 0 || f.Bytes > limit {
			return fmt.Errorf("%w: file %q of %d bytes", ErrFormat, f.Name, f.Bytes)
		}
		if i > 0 && before(h.Files[i-1].Name, f.Name) >= 0 {
			return fmt.Errorf("%w: file %q is out of order", ErrFormat, f.Name)
		}
		limit -= f.Bytes
	}
	return nil
}

func header(name string, size int64) *tar.Header {
	return &tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o644, Format: tar.FormatUSTAR}
}

// Write writes a bundle of files below a repository's folder; open gives the
// content of each. The same files give the same bytes.
func Write(w io.Writer, files []File, open func(name string) (io.ReadCloser, error)) error {
	files = slices.SortedFunc(slices.Values(files), func(a, b File) int { return before(a.Name, b.Name) })
	head := index{Format, files}
	if err := head.check(1 << 62); err != nil {
		return fmt.Errorf("write bundle: %w", err)
	}
	index, err := json.Marshal(head)
	if err != nil {
		return fmt.Errorf("write bundle: %w", err)
	}
	t := tar.NewWriter(w)
	if err := t.WriteHeader(header(indexName, int64(len(index)))); err != nil {
		return fmt.Errorf("write bundle: %w", err)
	}
	if _, err := t.Write(index); err != nil {
		return fmt.Errorf("write bundle: %w", err)
	}
	for _, f := range files {
		if err := writeMember(t, f, open); err != nil {
			return fmt.Errorf("write bundle: %s: %w", f.Name, err)
		}
	}
	return t.Close()
}

func writeMember(t *tar.Writer, f File, open func(name string) (io.ReadCloser, error)) error {
	in, err := open(f.Name)
	if err != nil {
		return err
	}
	defer in.Close()
	if err := t.WriteHeader(header(f.Name, f.Bytes)); err != nil {
		return err
	}
	hash := sha256.New()
	n, err := io.Copy(io.MultiWriter(hash, t), in)
	if err != nil {
		return err
	}
	if n != f.Bytes || manifest.Digest(hash.Sum(nil)) != f.SHA256 {
		return fmt.Errorf("it changed: %w", ErrTampered)
	}
	return nil
}

// Read reads a bundle from beginning to end and gives every file to visit, whose
// reader ends with the file. limit bounds the bytes of all files together. When it
// returns nil, every file was the one of the index; visit must not believe one before
// its own reader has ended without error. Its errors wrap ErrFormat or ErrTampered.
func Read(r io.Reader, limit int64, visit func(f File, content io.Reader) error) error {
	count := &counter{r: r}
	t := tar.NewReader(count)
	head, length, err := readIndex(t, limit, maxIndex)
	if err != nil {
		return fmt.Errorf("read bundle: %w", err)
	}
	for _, f := range head.Files {
		if err := readMember(t, f, visit); err != nil {
			return fmt.Errorf("read bundle: %q: %w", f.Name, err)
		}
	}
	if _, err := t.Next(); err != io.EOF {
		return fmt.Errorf("read bundle: %w: more than its index says", ErrFormat)
	}
	if n, err := io.Copy(io.Discard, io.LimitReader(count, 1)); n > 0 || err != nil || count.n != length {
		return fmt.Errorf("read bundle: %w: cut off, or bytes behind its end", errors.Join(ErrFormat, err))
	}
	return nil
}

// counter counts what was read.
type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// tarBlock is tar's unit: a header is one, contents are padded to it, two end it.
const tarBlock = 512

func padded(size int64) int64 { return tarBlock + (size+tarBlock-1)/tarBlock*tarBlock }

// length of the bundle whose index has size bytes.
func (h *index) length(size int64) int64 {
	n := padded(size) + 2*tarBlock
	for _, f := range h.Files {
		n += padded(f.Bytes)
	}
	return n
}

// readIndex gives the index and the length that the whole bundle has to have.
func readIndex(t *tar.Reader, limit, most int64) (*index, int64, error) {
	h, err := t.Next()
	if err != nil {
		return nil, 0, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if h.Size > most {
		return nil, 0, fmt.Errorf("%w: index of %d bytes", ErrFormat, h.Size)
	}
	if err := plain(h, indexName, h.Size); err != nil {
		return nil, 0, err
	}
	text, err := io.ReadAll(t)
	if err != nil {
		return nil, 0, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	head, err := parseHead(text, limit)
	if err != nil {
		return nil, 0, err
	}
	return head, head.length(h.Size), nil
}

func parseHead(text []byte, limit int64) (*index, error) {
	head := new(index)
	if err := json.Unmarshal(text, head, json.RejectUnknownMembers(true)); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if again, err := json.Marshal(head); err != nil || !bytes.Equal(again, text) {
		return nil, fmt.Errorf("%w: its index is not in the canonical encoding", ErrFormat)
	}
	return head, head.check(limit)
}

// plain refuses every member that is not exactly what the writer writes.
func plain(h *tar.Header, name string, size int64) error {
	switch {
	case h.Name != name || h.Size != size:
		return fmt.Errorf("%w: member %q of %d bytes, where %q of %d belongs", ErrFormat, h.Name, h.Size, name, size)
	case h.Typeflag != tar.TypeReg || h.Linkname != "" || h.Mode != 0o644 || h.Format != tar.FormatUSTAR:
		return fmt.Errorf("%w: member %q is not a plain file", ErrFormat, h.Name)
	case h.Uid != 0 || h.Gid != 0 || h.Uname != "" || h.Gname != "" || h.Devmajor != 0 || h.Devminor != 0 || h.ModTime.Unix() != 0 || len(h.PAXRecords) > 0:
		return fmt.Errorf("%w: member %q has owner, time or device", ErrFormat, h.Name)
	}
	return nil
}

func readMember(t *tar.Reader, f File, visit func(File, io.Reader) error) error {
	h, err := t.Next()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if err := plain(h, f.Name, f.Bytes); err != nil {
		return err
	}
	hash := sha256.New()
	checked := &checkedReader{r: io.TeeReader(t, hash), end: func() error {
		if manifest.Digest(hash.Sum(nil)) != f.SHA256 {
			return ErrTampered
		}
		return nil
	}}
	if err := visit(f, checked); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, checked)
	return err
}

// checkedReader turns the end of its reader into an error when the content is wrong.
type checkedReader struct {
	r   io.Reader
	end func() error
}

func (c *checkedReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	if err == io.EOF {
		if wrong := c.end(); wrong != nil {
			return n, wrong
		}
	} else if err != nil {
		err = fmt.Errorf("%w: %w", ErrFormat, err)
	}
	return n, err
}

// Extract unpacks a bundle into a new folder, which is removed again when the
// bundle is not whole. Nothing is written outside of it.
func Extract(r io.Reader, dir string, limit int64) (err error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return fmt.Errorf("extract bundle: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("extract bundle: %w", err)
	}
	defer root.Close()
	return Read(r, limit, func(f File, content io.Reader) error { return extract(root, f.Name, content) })
}

func extract(root *os.Root, name string, content io.Reader) error {
	if err := root.MkdirAll(path.Dir(name), 0o700); err != nil {
		return err
	}
	out, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, content)
	return errors.Join(err, out.Sync(), out.Close())
}

// Bundle is a bundle that lies in a file, read in place.
type Bundle struct {
	r     io.ReaderAt
	begin map[string]int64 // of a file's bytes
	files map[string]File
}

// Open reads the index of a bundle of size bytes. Contents are not looked at: they are
// compared with what was signed by whoever uses them. Errors wrap ErrFormat.
func Open(r io.ReaderAt, size int64) (*Bundle, error) {
	head, length, err := readIndex(tar.NewReader(io.NewSectionReader(r, 0, size)), MaxBytes, MaxPlace)
	if err != nil {
		return nil, fmt.Errorf("open bundle: %w", err)
	}
	if length != size {
		return nil, fmt.Errorf("open bundle: %w: %d bytes, its index says %d", ErrFormat, size, length)
	}
	b := &Bundle{r: r, begin: map[string]int64{}, files: map[string]File{}}
	at := length - 2*tarBlock
	for _, f := range slices.Backward(head.Files) {
		at -= padded(f.Bytes)
		b.begin[f.Name], b.files[f.Name] = at+tarBlock, f
	}
	return b, nil
}

// File gives a file's bytes; ok is false when the bundle has none of that name.
func (b *Bundle) File(name string) (r *io.SectionReader, ok bool) {
	f, ok := b.files[name]
	return io.NewSectionReader(b.r, b.begin[name], f.Bytes), ok
}
