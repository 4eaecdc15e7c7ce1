package manifest

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"runtime"
	"slices"
	"sync"

	"golang.org/x/mod/sumdb/tlog"
)

// FrameBytes is the size of a frame; the last one of a component may be shorter.
const FrameBytes = 1 << 20

// ErrContent is wrapped by the error for a file that is not what its manifest says.
var ErrContent = errors.New("not what the manifest says")

// Frames is how many frames length bytes have.
func Frames(length int64) int64 { return (length + FrameBytes - 1) / FrameBytes }

// FrameHash is the leaf of a frame in its component's tree: SHA-256(0x00 || frame),
// RFC 6962 section 2.1.
func FrameHash(frame []byte) Digest {
	if IsZero(frame) && len(frame) == FrameBytes { // images are full of them
		return ZeroFrame()
	}
	return Digest(tlog.RecordHash(frame))
}

// ZeroFrame is the leaf of a whole frame of zeros.
var ZeroFrame = sync.OnceValue(func() Digest { return Digest(tlog.RecordHash(make([]byte, FrameBytes))) })

var zeroPage [4096]byte

// IsZero reports whether all bytes are zero.
func IsZero(data []byte) bool {
	for len(data) > len(zeroPage) {
		if !bytes.Equal(data[:len(zeroPage)], zeroPage[:]) {
			return false
		}
		data = data[len(zeroPage):]
	}
	return bytes.Equal(data, zeroPage[:len(data)])
}

// Root is the tree hash over the leaves, in order (RFC 6962 section 2.1). It is
// the zero digest for none.
func Root(leaves []Digest) Digest {
	var t tree
	for _, l := range leaves {
		t.append(tlog.Hash(l))
	}
	return t.root()
}

// tree is the right edge of a tree: the roots of its complete subtrees, the largest
// first.
type tree struct {
	size   int64
	hashes []tlog.Hash
}

func (t *tree) append(leaf tlog.Hash) {
	t.size++
	t.hashes = append(t.hashes, leaf)
	for n := t.size; n%2 == 0; n /= 2 {
		last := len(t.hashes) - 1
		t.hashes = append(t.hashes[:last-1], tlog.NodeHash(t.hashes[last-1], t.hashes[last]))
	}
}

func (t *tree) root() Digest {
	if t.size == 0 {
		return Digest{}
	}
	last := len(t.hashes) - 1
	out := t.hashes[last]
	for _, h := range slices.Backward(t.hashes[:last]) {
		out = tlog.NodeHash(h, out)
	}
	return Digest(out)
}

// Measure describes a component's content: its length, SHA-256 and root, with the
// leaf of each frame. It reads r once, in memory of a frame.
func Measure(r io.Reader) (c Content, err error) {
	all := sha256.New()
	var t tree
	for {
		leaf, n, err := readFrame(r, all)
		if n > 0 {
			c.Length += n
			c.Frames = append(c.Frames, leaf)
			t.append(tlog.Hash(leaf))
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return c, fmt.Errorf("measure: %w", err)
		}
	}
	c.Root = t.root()
	all.Sum(c.SHA256[:0])
	return c, nil
}

// Content is what Measure finds.
type Content struct {
	Length int64
	SHA256 Digest
	Root   Digest
	Frames []Digest // their leaves
}

// readFrame hashes up to one frame; io.EOF comes with the last one or after it.
func readFrame(r io.Reader, also io.Writer) (leaf Digest, n int64, err error) {
	h := sha256.New()
	h.Write([]byte{0})
	var w io.Writer = h
	if also != nil {
		w = io.MultiWriter(h, also)
	}
	n, err = io.CopyN(w, r, FrameBytes)
	h.Sum(leaf[:0])
	return leaf, n, err
}

// Check reads a component's file and compares it with the manifest by its root, in
// one pass of SHA-256. Frames of a long one are hashed side by side, in memory of a
// frame a core. Its errors wrap ErrContent where the file is not what it should be.
func (c *Component) Check(r io.Reader) error {
	if Frames(c.Length) > 2*maxSide {
		return c.checkAhead(r)
	}
	v := NewVerifier(c)
	if _, err := bufio.NewReaderSize(r, 128<<10).WriteTo(v); err != nil {
		return fmt.Errorf("check %s: %w", c.Name, err)
	}
	return v.Close()
}

// maxSide is how many frames are hashed side by side at most.
const maxSide = 4

// checkAhead reads while earlier frames are hashed.
func (c *Component) checkAhead(r io.Reader) error {
	var t tree
	ring := make([]chan tlog.Hash, min(runtime.GOMAXPROCS(0), maxSide))
	frames := make([][]byte, len(ring))
	n := Frames(c.Length)
	for i := range n + int64(len(ring)) {
		k := int(i) % len(ring)
		if i >= int64(len(ring)) {
			t.append(<-ring[k])
		} else {
			ring[k], frames[k] = make(chan tlog.Hash, 1), make([]byte, FrameBytes)
		}
		if i >= n {
			continue
		}
		frame := frames[k][:min(FrameBytes, c.Length-i*FrameBytes)]
		if _, err := io.ReadFull(r, frame); err == io.EOF || err == io.ErrUnexpectedEOF {
			return fmt.Errorf("%s: shorter than %d bytes: %w", c.Name, c.Length, ErrContent)
		} else if err != nil {
			return fmt.Errorf("check %s: %w", c.Name, err)
		}
		go func() { ring[k] <- tlog.Hash(FrameHash(frame)) }()
	}
	if m, err := r.Read(make([]byte, 1)); m > 0 || err != io.EOF {
		return fmt.Errorf("%s: longer than %d bytes, or it cannot be read to its end: %w", c.Name, c.Length, ErrContent)
	}
	if t.root() != c.Root {
		return fmt.Errorf("%s: its bytes are others: %w", c.Name, ErrContent)
	}
	return nil
}

// Verifier checks a component's content while it is written to it.
type Verifier struct {
	c     *Component
	tree  tree
	frame hash.Hash
	n     int64 // bytes in the frame
	total int64
}

// NewVerifier makes a verifier for one component.
func NewVerifier(c *Component) *Verifier {
	v := &Verifier{c: c, frame: sha256.New()}
	v.begin()
	return v
}

func (v *Verifier) begin() {
	v.frame.Reset()
	v.frame.Write([]byte{0})
	v.n = 0
}

// Write takes the next bytes; more than the component has are refused at once.
func (v *Verifier) Write(p []byte) (int, error) {
	if v.total+int64(len(p)) > v.c.Length {
		return 0, fmt.Errorf("%s: longer than %d bytes: %w", v.c.Name, v.c.Length, ErrContent)
	}
	for rest := p; len(rest) > 0; {
		k := min(int64(len(rest)), FrameBytes-v.n)
		v.frame.Write(rest[:k])
		rest, v.n = rest[k:], v.n+k
		if v.n == FrameBytes {
			v.end()
		}
	}
	v.total += int64(len(p))
	return len(p), nil
}

func (v *Verifier) end() {
	var leaf tlog.Hash
	v.frame.Sum(leaf[:0])
	v.tree.append(leaf)
	v.begin()
}

// Close compares what was written with the manifest.
func (v *Verifier) Close() error {
	if v.total != v.c.Length {
		return fmt.Errorf("%s: %d bytes, not %d: %w", v.c.Name, v.total, v.c.Length, ErrContent)
	}
	if v.n > 0 {
		v.end()
	}
	if v.tree.root() != v.c.Root {
		return fmt.Errorf("%s: its bytes are others: %w", v.c.Name, ErrContent)
	}
	return nil
}
