package proof

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const (
	inclusionHeader = "c2sp.org/tlog-proof@v1"
	maxInclusion    = 512 << 10 // bytes: note, path and extra data
	maxPath         = 63        // hashes: a path is as long as the tree is high
)

// ProveInclusion returns the audit path of the entry at index in the tree of
// the given size (RFC 6962 section 2.1.1), the leaf's sibling first.
func ProveInclusion(size, index uint64, r tlog.HashReader) (tlog.RecordProof, error) {
	if size > MaxSize || index >= size {
		return nil, fmt.Errorf("prove entry %d in tree of %d: %w", index, size, ErrFormat)
	}
	p, err := tlog.ProveRecord(int64(size), int64(index), r)
	if err != nil {
		return nil, fmt.Errorf("prove entry %d in tree of %d: %w", index, size, err)
	}
	return p, nil
}

// CheckInclusion verifies that leaf is at index in the tree of c.
func CheckInclusion(p tlog.RecordProof, c Checkpoint, index uint64, leaf tlog.Hash) error {
	if c.Size > MaxSize || index >= c.Size {
		return fmt.Errorf("check entry %d in tree of %d: %w", index, c.Size, ErrFormat)
	}
	if err := tlog.CheckRecord(p, int64(c.Size), c.Root, int64(index), leaf); err != nil {
		return fmt.Errorf("check entry %d in tree of %d: %w", index, c.Size, err)
	}
	return nil
}

// ProveConsistency returns the proof that the tree of size newer begins with
// the tree of size older (RFC 6962 section 2.1.2); it is empty for older 0.
func ProveConsistency(newer, older uint64, r tlog.HashReader) (tlog.TreeProof, error) {
	if newer > MaxSize || older > newer {
		return nil, fmt.Errorf("prove tree of %d in tree of %d: %w", older, newer, ErrFormat)
	}
	if older == 0 {
		return tlog.TreeProof{}, nil
	}
	p, err := tlog.ProveTree(int64(newer), int64(older), r)
	if err != nil {
		return nil, fmt.Errorf("prove tree of %d in tree of %d: %w", older, newer, err)
	}
	return p, nil
}

// CheckConsistency verifies that the tree of newer begins with that of older.
// The caller compares origins.
func CheckConsistency(p tlog.TreeProof, newer, older Checkpoint) error {
	if newer.Size > MaxSize || older.Size > newer.Size {
		return fmt.Errorf("check tree of %d in tree of %d: %w", older.Size, newer.Size, ErrFormat)
	}
	if older.Size == 0 {
		return checkEmptyTree(p, older)
	}
	if err := tlog.CheckTree(p, int64(newer.Size), newer.Root, int64(older.Size), older.Root); err != nil {
		return fmt.Errorf("check tree of %d in tree of %d: %w", older.Size, newer.Size, err)
	}
	return nil
}

func checkEmptyTree(p tlog.TreeProof, older Checkpoint) error {
	if len(p) != 0 || older.Root != emptyRoot {
		return fmt.Errorf("check empty tree: %w", ErrFormat)
	}
	return nil
}

// Inclusion is a proof that stands alone: c2sp.org/tlog-proof. Where it is
// written here, Extra is the entry's head, so that whoever holds it can
// compute the leaf hash.
type Inclusion struct {
	Extra []byte // opaque, not authenticated; nil for none
	Index uint64
	Path  tlog.RecordProof
	Note  []byte // the signed checkpoint, verbatim
}

// Text is the proof in its text form, for a file named *.tlog-proof.
func (p *Inclusion) Text() []byte {
	b := []byte(inclusionHeader + "\n")
	if len(p.Extra) > 0 {
		b = append(b, "extra "...)
		b = base64.StdEncoding.AppendEncode(b, p.Extra)
		b = append(b, '\n')
	}
	b = append(b, "index "...)
	b = strconv.AppendUint(b, p.Index, 10)
	b = append(b, '\n')
	for _, h := range p.Path {
		b = base64.StdEncoding.AppendEncode(b, h[:])
		b = append(b, '\n')
	}
	return append(append(b, '\n'), p.Note...)
}

// ParseInclusion parses the text form: exactly what Text writes, around a note
// that ParseNote accepts. It verifies nothing. Errors wrap ErrFormat.
func ParseInclusion(text []byte) (*Inclusion, error) {
	top, signed, ok := bytes.Cut(text, []byte("\n\n"))
	if !ok || len(text) > maxInclusion || !cleanText(text) {
		return nil, fmt.Errorf("parse inclusion proof: %w", ErrFormat)
	}
	p := &Inclusion{Note: signed}
	if err := p.parseLines(strings.Split(string(top), "\n")); err != nil {
		return nil, fmt.Errorf("parse inclusion proof: %w", err)
	}
	if _, _, err := ParseNote(signed); err != nil {
		return nil, fmt.Errorf("parse inclusion proof: %w", err)
	}
	return p, nil
}

func (p *Inclusion) parseLines(lines []string) (err error) {
	if lines[0] != inclusionHeader {
		return fmt.Errorf("%w: first line %q", ErrFormat, lines[0])
	}
	lines = lines[1:]
	if len(lines) > 0 && strings.HasPrefix(lines[0], "extra ") {
		if p.Extra, err = decodeBase64(lines[0][len("extra "):]); err != nil || len(p.Extra) == 0 {
			return fmt.Errorf("%w: extra data", ErrFormat)
		}
		lines = lines[1:]
	}
	if len(lines) == 0 || !strings.HasPrefix(lines[0], "index ") {
		return fmt.Errorf("%w: no index", ErrFormat)
	}
	if p.Index, err = parseDecimal(lines[0][len("index "):]); err != nil {
		return err
	}
	return p.parsePath(lines[1:])
}

func (p *Inclusion) parsePath(lines []string) error {
	if len(lines) > maxPath {
		return fmt.Errorf("%w: path of %d hashes", ErrFormat, len(lines))
	}
	for _, line := range lines {
		h, err := parseHash(line)
		if err != nil {
			return err
		}
		p.Path = append(p.Path, h)
	}
	return nil
}

// Check verifies the path from leaf to the note's root, not its signatures,
// and returns what the note claims.
func (p *Inclusion) Check(leaf tlog.Hash) (Checkpoint, error) {
	c, _, err := ParseNote(p.Note)
	if err != nil {
		return Checkpoint{}, err
	}
	return c, CheckInclusion(p.Path, c, p.Index, leaf)
}

// Verify verifies signatures and path with known keys. Policy.VerifyInclusion
// also asks for the witnesses.
func (p *Inclusion) Verify(leaf tlog.Hash, keys note.Verifiers) (Checkpoint, error) {
	c, _, err := OpenNote(p.Note, keys)
	if err != nil {
		return Checkpoint{}, err
	}
	return c, CheckInclusion(p.Path, c, p.Index, leaf)
}
