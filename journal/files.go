package journal

import (
	"errors"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"

	"github.com/plomb-pos/plomb/internal/durable"
)

const segmentSuffix = ".seg"

// segmentName is the file name of segment n, counted from 1.
func segmentName(n uint32) string { return fmt.Sprintf("%08d%s", n, segmentSuffix) }

// segmentNumber is the inverse of segmentName; ok is false for other files.
func segmentNumber(name string) (n uint32, ok bool) {
	digits, ok := strings.CutSuffix(name, segmentSuffix)
	if !ok {
		return 0, false
	}
	v, err := strconv.ParseUint(digits, 10, 32)
	return uint32(v), err == nil && v > 0 && segmentName(uint32(v)) == name
}

// listSegments returns the numbers of the segment files in dir, ascending.
func listSegments(fsys durable.FS, dir string) ([]uint32, error) {
	names, err := fsys.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var numbers []uint32
	for _, name := range names {
		if n, ok := segmentNumber(name); ok {
			numbers = append(numbers, n)
		}
	}
	return numbers, nil
}

// readSegment reads the bytes of segment n into buf, which has the length of a
// segment. What a cut-off file lacks reads as zero; short says so. Errors are
// those of the file system.
func readSegment(fsys durable.FS, dir string, n uint32, buf []byte) (short bool, err error) {
	f, err := fsys.Open(path.Join(dir, segmentName(n)))
	if err != nil {
		return false, err
	}
	defer f.Close()
	return readFull(f, buf)
}

func readFull(f durable.File, buf []byte) (short bool, err error) {
	got, err := f.ReadAt(buf, 0)
	clear(buf[got:])
	if got < len(buf) && err != nil && !isEOF(err) {
		return false, err
	}
	return got < len(buf), nil
}

func isEOF(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }
