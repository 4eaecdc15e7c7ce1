package proof

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/mod/sumdb/tlog"
)

// maxCheckpoint bounds the text that ParseCheckpoint looks at, in bytes.
const maxCheckpoint = 16 << 10

const leafPrefix = "leaf "

// Checkpoint states what a journal was at one size: c2sp.org/tlog-checkpoint.
// It says nothing until a signature over its Text has been verified.
type Checkpoint struct {
	Origin string
	Size   uint64
	Root   tlog.Hash
	// Leaf is the hash of the last leaf, in the checkpoint that signs a
	// receipt; nil in any other.
	Leaf *tlog.Hash
	// Extensions are other people's extension lines, without newline, in
	// order. The journal writes none.
	Extensions []string
}

// Text is the signed text: origin, size, root, then the leaf line if there is
// a Leaf, then other extension lines; each line ends in a newline.
func (c Checkpoint) Text() []byte {
	return c.AppendText(make([]byte, 0, 192))
}

// AppendText appends Text to dst.
func (c Checkpoint) AppendText(dst []byte) []byte {
	dst = append(dst, c.Origin...)
	dst = append(dst, '\n')
	dst = strconv.AppendUint(dst, c.Size, 10)
	dst = append(dst, '\n')
	dst = base64.StdEncoding.AppendEncode(dst, c.Root[:])
	dst = append(dst, '\n')
	if c.Leaf != nil {
		dst = append(dst, leafPrefix...)
		dst = base64.StdEncoding.AppendEncode(dst, c.Leaf[:])
		dst = append(dst, '\n')
	}
	for _, line := range c.Extensions {
		dst = append(dst, line...)
		dst = append(dst, '\n')
	}
	return dst
}

// ParseCheckpoint parses a checkpoint's text, without signatures. It accepts
// exactly what Text writes: a size without leading zeros, canonical base64,
// "leaf" as first extension line or not at all. Unknown extension lines are
// kept. The origin may be any non-empty line, since other people's need not be
// key names. Errors wrap ErrFormat.
func ParseCheckpoint(text []byte) (Checkpoint, error) {
	lines, err := checkpointLines(text)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("parse checkpoint: %w", err)
	}
	c := Checkpoint{Origin: lines[0]}
	if c.Size, err = parseDecimal(lines[1]); err != nil {
		return Checkpoint{}, fmt.Errorf("parse checkpoint: size: %w", err)
	}
	if c.Root, err = parseHash(lines[2]); err != nil {
		return Checkpoint{}, fmt.Errorf("parse checkpoint: root: %w", err)
	}
	if err := c.parseExtensions(lines[3:]); err != nil {
		return Checkpoint{}, fmt.Errorf("parse checkpoint: %w", err)
	}
	return c, nil
}

func checkpointLines(text []byte) ([]string, error) {
	if len(text) > maxCheckpoint || !cleanText(text) || !bytes.HasSuffix(text, []byte("\n")) {
		return nil, fmt.Errorf("%w: no plain text ending in a newline", ErrFormat)
	}
	lines := strings.Split(string(text[:len(text)-1]), "\n")
	if len(lines) < 3 {
		return nil, fmt.Errorf("%w: %d lines", ErrFormat, len(lines))
	}
	for _, line := range lines {
		if line == "" {
			return nil, fmt.Errorf("%w: empty line", ErrFormat)
		}
	}
	return lines, nil
}

func (c *Checkpoint) parseExtensions(lines []string) error {
	for i, line := range lines {
		if !strings.HasPrefix(line, leafPrefix) {
			c.Extensions = append(c.Extensions, line)
			continue
		}
		if i != 0 {
			return fmt.Errorf("%w: leaf line is not the first extension", ErrFormat)
		}
		leaf, err := parseHash(line[len(leafPrefix):])
		if err != nil {
			return fmt.Errorf("leaf: %w", err)
		}
		c.Leaf = &leaf
	}
	return nil
}

// cleanText reports whether b is UTF-8 without control characters but newline (c2sp.org/signed-note, "Format").
func cleanText(b []byte) bool {
	for _, x := range b {
		if x < 0x20 && x != '\n' {
			return false
		}
	}
	return utf8.Valid(b)
}

// parseDecimal parses a number without sign or leading zeros, up to MaxSize.
func parseDecimal(s string) (uint64, error) {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil || n > MaxSize || strconv.FormatUint(n, 10) != s {
		return 0, fmt.Errorf("%w: number %q", ErrFormat, s)
	}
	return n, nil
}

// parseHash parses the one base64 form of a hash.
func parseHash(s string) (tlog.Hash, error) {
	var h tlog.Hash
	b, err := decodeBase64(s)
	if err != nil || len(b) != len(h) {
		return h, fmt.Errorf("%w: hash %q", ErrFormat, s)
	}
	copy(h[:], b)
	return h, nil
}

// decodeBase64 refuses line breaks and non-zero trailing bits, which the standard library lets pass.
func decodeBase64(s string) ([]byte, error) {
	b, err := base64.StdEncoding.Strict().DecodeString(s)
	if err != nil || strings.ContainsAny(s, "\r\n") {
		return nil, fmt.Errorf("%w: base64", ErrFormat)
	}
	return b, nil
}
