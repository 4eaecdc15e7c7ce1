package proof

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// ReceiptPrefix begins the text of every receipt code. Prefix and rest are in
// the alphanumeric alphabet of QR codes.
const ReceiptPrefix = "PLOMB1:"

const (
	receiptVersion = 1
	receiptTail    = 4 + tlog.HashSize + 64
)

// Receipt is what a receipt's QR code holds: the entry's head and the
// signature over the tree that ends with it. Origin, size (index + 1) and leaf
// hash follow from the head.
type Receipt struct {
	Head    []byte // as stored
	KeyHash uint32
	Root    tlog.Hash // of the tree of size index + 1
	Sig     [64]byte  // over the Checkpoint's text, leaf line included
}

// NewReceipt joins an entry's head with the signature over c, which must be
// the checkpoint of the tree that ends with the entry, with its Leaf set.
func NewReceipt(head []byte, c Checkpoint, keyHash uint32, sig []byte) (*Receipt, error) {
	r := &Receipt{Head: head, KeyHash: keyHash, Root: c.Root}
	want, err := r.Checkpoint()
	if err != nil {
		return nil, fmt.Errorf("new receipt: %w", err)
	}
	if string(want.Text()) != string(c.Text()) {
		return nil, fmt.Errorf("new receipt: %w: checkpoint at %d is not that of entry %d", ErrFormat, c.Size, want.Size-1)
	}
	if copy(r.Sig[:], sig) != len(r.Sig) || len(sig) != len(r.Sig) {
		return nil, fmt.Errorf("new receipt: %w: signature of %d bytes", ErrFormat, len(sig))
	}
	return r, nil
}

// Encode is the text for the QR code: "PLOMB1:" and base45 (RFC 9285) of
// version, head length, head, key hash, root, signature. About 1.5 characters
// a byte.
func (r *Receipt) Encode() string {
	b := append(make([]byte, 0, 3+len(r.Head)+receiptTail), receiptVersion)
	b = binary.BigEndian.AppendUint16(b, uint16(len(r.Head)))
	b = append(b, r.Head...)
	b = binary.BigEndian.AppendUint32(b, r.KeyHash)
	b = append(b, r.Root[:]...)
	b = append(b, r.Sig[:]...)
	return string(appendBase45([]byte(ReceiptPrefix), b))
}

// ParseReceipt parses a receipt code: exactly what Encode writes for a head
// that ParseHead accepts. It verifies nothing. Errors wrap ErrFormat.
func ParseReceipt(s string) (*Receipt, error) {
	rest, ok := strings.CutPrefix(s, ReceiptPrefix)
	if !ok || len(rest) > (3+MaxHead+receiptTail)*3/2+1 {
		return nil, fmt.Errorf("parse receipt code: %w", ErrFormat)
	}
	b, err := decodeBase45(rest)
	if err != nil {
		return nil, fmt.Errorf("parse receipt code: %w", err)
	}
	if len(b) < 3+receiptTail || b[0] != receiptVersion || int(binary.BigEndian.Uint16(b[1:])) != len(b)-3-receiptTail {
		return nil, fmt.Errorf("parse receipt code: %w: version or length", ErrFormat)
	}
	r := cutReceipt(b[3:])
	if _, err := r.Checkpoint(); err != nil {
		return nil, fmt.Errorf("parse receipt code: %w", err)
	}
	return r, nil
}

func cutReceipt(b []byte) *Receipt {
	n := len(b) - receiptTail
	r := &Receipt{Head: b[:n:n], KeyHash: binary.BigEndian.Uint32(b[n:])}
	copy(r.Root[:], b[n+4:])
	copy(r.Sig[:], b[n+4+tlog.HashSize:])
	return r
}

// Checkpoint is the statement that the receipt's signature is over.
func (r *Receipt) Checkpoint() (Checkpoint, error) {
	h, err := ParseHead(r.Head)
	if err != nil {
		return Checkpoint{}, err
	}
	if h.Index >= math.MaxInt64 || h.Index >= MaxSize {
		return Checkpoint{}, fmt.Errorf("receipt: %w: index %d", ErrFormat, h.Index)
	}
	leaf := LeafHash(r.Head)
	return Checkpoint{Origin: h.Origin, Size: h.Index + 1, Root: r.Root, Leaf: &leaf}, nil
}

// Verify checks the signature with the key that has the head's origin as name
// and r's key hash, and returns the head: from then on its numbers can be
// believed as far as that key is. Errors wrap ErrFormat, ErrSignature or
// ErrUnknownKey.
func (r *Receipt) Verify(keys note.Verifiers) (*Head, error) {
	c, err := r.Checkpoint()
	if err != nil {
		return nil, err
	}
	v, err := findKey(keys, c.Origin, r.KeyHash)
	if err != nil {
		return nil, fmt.Errorf("receipt %d of %s: %w", c.Size-1, c.Origin, err)
	}
	if !v.Verify(c.Text(), r.Sig[:]) {
		return nil, fmt.Errorf("receipt %d of %s: %w", c.Size-1, c.Origin, ErrSignature)
	}
	return ParseHead(r.Head)
}

func findKey(keys note.Verifiers, name string, hash uint32) (note.Verifier, error) {
	if keys == nil {
		return nil, ErrUnknownKey
	}
	v, err := keys.Verifier(name, hash)
	var unknown *note.UnknownVerifierError
	if errors.As(err, &unknown) {
		return nil, fmt.Errorf("%w %08x", ErrUnknownKey, hash)
	}
	return v, err
}
