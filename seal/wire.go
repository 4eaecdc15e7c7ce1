package seal

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/plomb-pos/plomb/journal/proof"
)

// What crosses the signer's socket: frames of a length (2 bytes, big-endian) and
// so many bytes. The first byte says what it is:
//
//	'd'  describe yourself        answer 'k', key hash (4), origin
//	's'  sign a checkpoint        answer 'k', the raw signature over its text
//	     size (8), root (32), leaf follows (1: 0 or 1), leaf (32 or none), origin
//	'r'  refused, and why in words (an answer)
//
// The signer itself writes the text it signs, so the socket can obtain
// checkpoints of its own origin and nothing else. A request is answered before the
// next one of its connection is read.
const (
	askDescribe = 'd'
	askSign     = 's'
	answered    = 'k'
	refused     = 'r'

	maxFrame = 8 << 10
	signHead = 1 + 8 + tlog.HashSize + 1
)

var errFrame = errors.New("malformed frame")

// appendFrame appends a frame with what put appends.
func appendFrame(dst []byte, put func([]byte) []byte) []byte {
	start := len(dst)
	dst = put(append(dst, 0, 0))
	binary.BigEndian.PutUint16(dst[start:], uint16(len(dst)-start-2))
	return dst
}

// readFrame reads a frame that is not empty, into buf where it fits.
func readFrame(r *bufio.Reader, buf []byte) ([]byte, error) {
	var head [2]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := int(binary.BigEndian.Uint16(head[:]))
	if n == 0 || n > maxFrame {
		return nil, fmt.Errorf("%d bytes: %w", n, errFrame)
	}
	if n > cap(buf) {
		buf = make([]byte, n)
	}
	_, err := io.ReadFull(r, buf[:n])
	return buf[:n], err
}

func appendSign(dst []byte, c proof.Checkpoint) []byte {
	dst = binary.BigEndian.AppendUint64(append(dst, askSign), c.Size)
	dst = append(dst, c.Root[:]...)
	if c.Leaf == nil {
		dst = append(dst, 0)
	} else {
		dst = append(append(dst, 1), c.Leaf[:]...)
	}
	return append(dst, c.Origin...)
}

func parseSign(b []byte) (c proof.Checkpoint, err error) {
	if len(b) < signHead || b[0] != askSign || b[signHead-1] > 1 {
		return c, errFrame
	}
	c.Size = binary.BigEndian.Uint64(b[1:])
	copy(c.Root[:], b[9:])
	rest := b[signHead:]
	if b[signHead-1] == 1 {
		if len(rest) < tlog.HashSize {
			return c, errFrame
		}
		c.Leaf = (*tlog.Hash)(rest[:tlog.HashSize])
		rest = rest[tlog.HashSize:]
	}
	c.Origin = string(rest)
	if !proof.ValidOrigin(c.Origin) {
		return c, errFrame
	}
	return c, nil
}
