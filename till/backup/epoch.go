package backup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/plomb-pos/plomb/internal/durable"
)

// manifestFile names a journal; it never changes.
const manifestFile = "JOURNAL"

// segment is what a journal's segment files are called (docs/design/0001-journal.md).
var segment = regexp.MustCompile(`^[0-9]{8}\.seg$`)

// epochs are the folders of the journal's epochs, the newest last.
func (f *Folder) epochs() ([]string, error) {
	names, err := f.fs().ReadDir(f.Till)
	if err != nil {
		return nil, err
	}
	var numbers []int
	for _, name := range names {
		digits, ok := strings.CutPrefix(name, "e")
		n, err := strconv.Atoi(digits)
		if ok && err == nil && n > 0 && strconv.Itoa(n) == digits {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	var out []string
	for _, n := range numbers {
		out = append(out, "e"+strconv.Itoa(n))
	}
	if out == nil {
		return nil, fmt.Errorf("no journal in %s", f.Till)
	}
	return out, nil
}

// epochCopy is the copy of one epoch's files.
type epochCopy struct {
	durable.FS
	from, to string
	written  int64
}

// belongs refuses a folder in which there is another journal's copy.
func (c *epochCopy) belongs() error {
	there, err := c.read(path.Join(c.to, manifestFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	ours, err := c.read(path.Join(c.from, manifestFile))
	if err != nil {
		return err
	}
	if !bytes.Equal(ours, there) {
		return ErrOther
	}
	return nil
}

func (c *epochCopy) read(name string) ([]byte, error) { return durable.ReadFile(c.FS, name, 1<<20) }

// files copies what is missing or another than in the journal, the segments first: with
// its JOURNAL a folder is a journal.
func (c *epochCopy) files(ctx context.Context) error {
	names, err := c.ReadDir(c.from)
	if err != nil {
		return err
	}
	if err := c.shorter(names); err != nil {
		return err
	}
	for _, name := range append(slices.DeleteFunc(names, func(n string) bool { return !segment.MatchString(n) }), manifestFile) {
		if err := c.file(ctx, name); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// shorter refuses to go on where the copy has segments that the journal has not: the
// journal was put back to an older state, and the copy is evidence.
func (c *epochCopy) shorter(ours []string) error {
	there, err := c.ReadDir(c.to)
	if err != nil {
		return err
	}
	for _, name := range there {
		if segment.MatchString(name) && !slices.Contains(ours, name) {
			return fmt.Errorf("%w: it has %s", ErrOther, name)
		}
	}
	return nil
}

// file brings one file of the copy up to date and compares it, once it is synced and
// opened again.
func (c *epochCopy) file(ctx context.Context, name string) error {
	from, to := path.Join(c.from, name), path.Join(c.to, name)
	same, err := c.same(ctx, from, to)
	if err != nil || same {
		return err
	}
	n, err := c.replace(ctx, from, to)
	if err != nil {
		return err
	}
	c.written += n
	same, err = c.same(ctx, from, to)
	if err == nil && !same && name == manifestFile {
		err = ErrNotSame
	}
	return err // a segment may have grown since; verify decides
}

// chunk is how much is read at once; zeroes are not written.
const chunk = 1 << 20

// replace writes a file beside its name and puts it in place when it is whole.
func (c *epochCopy) replace(ctx context.Context, from, to string) (n int64, err error) {
	temp := to + durable.TempSuffix
	if err := durable.RemoveIfExists(c.FS, temp); err != nil {
		return 0, err
	}
	if n, err = c.write(ctx, from, temp); err != nil {
		return n, errors.Join(err, durable.RemoveIfExists(c.FS, temp))
	}
	if err := c.Rename(temp, to); err != nil {
		return n, err
	}
	return n, c.SyncDir(c.to)
}

func (c *epochCopy) write(ctx context.Context, from, temp string) (n int64, err error) {
	in, err := c.Open(from)
	if err != nil {
		return 0, err
	}
	defer in.Close()
	size, err := in.Size()
	if err != nil {
		return 0, err
	}
	out, err := c.Create(temp)
	if err != nil {
		return 0, err
	}
	err = out.Truncate(size)
	if err == nil {
		n, err = pour(ctx, out, in, size)
	}
	if err == nil {
		err = out.Sync()
	}
	return n, errors.Join(err, out.Close())
}

// pour copies size bytes, but for chunks of zeroes: a segment is made at its full size.
func pour(ctx context.Context, out, in durable.File, size int64) (n int64, err error) {
	buf, zero := make([]byte, min(chunk, size)), make([]byte, min(chunk, size))
	for at := int64(0); at < size; at += chunk {
		part := buf[:min(chunk, size-at)]
		if err := readFull(ctx, in, part, at); err != nil {
			return n, err
		}
		if bytes.Equal(part, zero[:len(part)]) {
			continue
		}
		if _, err := out.WriteAt(part, at); err != nil {
			return n, err
		}
		n += int64(len(part))
	}
	return n, nil
}

func readFull(ctx context.Context, f durable.File, part []byte, at int64) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	n, err := f.ReadAt(part, at)
	if n == len(part) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// same compares two files byte by byte; one that is missing is not the same.
func (c *epochCopy) same(ctx context.Context, from, to string) (bool, error) {
	a, err := c.Open(from)
	if err != nil {
		return false, err
	}
	defer a.Close()
	b, err := c.Open(to)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer b.Close()
	return equal(ctx, a, b)
}

func equal(ctx context.Context, a, b durable.File) (bool, error) {
	sizeA, err := a.Size()
	if err != nil {
		return false, err
	}
	sizeB, err := b.Size()
	if err != nil || sizeA != sizeB {
		return false, err
	}
	x, y := make([]byte, min(chunk, sizeA)), make([]byte, min(chunk, sizeA))
	for at := int64(0); at < sizeA; at += chunk {
		n := min(chunk, sizeA-at)
		if err := readFull(ctx, a, x[:n], at); err != nil {
			return false, err
		}
		if err := readFull(ctx, b, y[:n], at); err != nil || !bytes.Equal(x[:n], y[:n]) {
			return false, err
		}
	}
	return true, nil
}
