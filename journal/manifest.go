package journal

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/journal/proof"
)

const (
	manifestName  = "JOURNAL"
	manifestMagic = "plomb journal "
	manifestLimit = 4096

	// formatVersion is the version of everything below a journal's directory.
	formatVersion = 1

	// DefaultSegmentSize is the size of a segment file in bytes: some ten thousand
	// receipts, and a hundredth of a second to read.
	DefaultSegmentSize = 16 << 20
	// minSegment keeps room for a first group, maxSegment keeps offsets in 32 bits.
	minSegment = 8 << 10
	maxSegment = 1 << 30
)

// manifest is the content of the file JOURNAL, which is written once.
type manifest struct {
	Origin  string
	Created time.Time // UTC, whole milliseconds
	Segment uint32    // bytes
}

func (m *manifest) text() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s%d\n", manifestMagic, formatVersion)
	fmt.Fprintf(&b, "origin %s\n", m.Origin)
	fmt.Fprintf(&b, "created %s\n", m.Created.UTC().Format(createdFormat))
	fmt.Fprintf(&b, "segment %d\n", m.Segment)
	fmt.Fprintf(&b, "check %08x\n", crc32.Checksum(b.Bytes(), castagnoli))
	return b.Bytes()
}

const createdFormat = "2006-01-02T15:04:05.000Z"

// parseManifest accepts exactly what text writes.
func parseManifest(b []byte) (*manifest, error) {
	lines := strings.Split(string(b), "\n")
	if v, ok := strings.CutPrefix(lines[0], manifestMagic); ok && v != strconv.Itoa(formatVersion) {
		return nil, fmt.Errorf("%s: version %.20q: %w", manifestName, v, ErrVersion)
	}
	if len(lines) != 6 {
		return nil, fmt.Errorf("%s has %d lines: %w", manifestName, len(lines), ErrDamaged)
	}
	m := &manifest{Origin: strings.TrimPrefix(lines[1], "origin ")}
	m.Created, _ = time.Parse(createdFormat, strings.TrimPrefix(lines[2], "created "))
	size, _ := strconv.ParseUint(strings.TrimPrefix(lines[3], "segment "), 10, 32)
	m.Segment = uint32(size)
	if !bytes.Equal(m.text(), b) || m.check() != nil {
		return nil, fmt.Errorf("%s does not read as it was written: %w", manifestName, ErrDamaged)
	}
	return m, nil
}

func (m *manifest) check() error {
	if !proof.ValidOrigin(m.Origin) {
		return fmt.Errorf("origin %.80q: not 1 to %d key-name characters", m.Origin, proof.MaxOrigin)
	}
	if m.Segment < minSegment || m.Segment > maxSegment || m.Segment%sector != 0 {
		return fmt.Errorf("segment size %d: not a multiple of %d from %d to %d", m.Segment, sector, minSegment, maxSegment)
	}
	return nil
}

// readManifest reads a directory's JOURNAL. ErrNoJournal: there is none.
func readManifest(fsys durable.FS, dir string) (*manifest, error) {
	b, err := durable.ReadFile(fsys, path.Join(dir, manifestName), manifestLimit)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", dir, ErrNoJournal)
	}
	if err != nil {
		return nil, err
	}
	return parseManifest(b)
}
