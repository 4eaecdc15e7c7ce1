package proof

import (
	"crypto/sha256"

	"golang.org/x/mod/sumdb/tlog"
)

const bodyDomain = "plomb body v1\n"

// LeafHash is the hash of a head in the tree: SHA-256(0x00 || head), RFC 6962
// section 2.1. It takes the bytes as stored, not a re-encoding.
func LeafHash(head []byte) tlog.Hash {
	var buf [1 + MaxHead]byte
	if len(head) > MaxHead {
		return tlog.RecordHash(head)
	}
	n := copy(buf[1:], head)
	return sha256.Sum256(buf[:1+n])
}

// nodeHash is tlog.NodeHash, SHA-256(0x01 || left || right), from a fixed
// buffer: a verifier spends much of its time here.
func nodeHash(left, right *tlog.Hash) tlog.Hash {
	var buf [1 + 2*tlog.HashSize]byte
	buf[0] = 1
	copy(buf[1:], left[:])
	copy(buf[1+tlog.HashSize:], right[:])
	return sha256.Sum256(buf[:])
}

// Commit is the commitment by which a head names its body:
// SHA-256("plomb body v1\n" || salt || body). The salt is 16 fresh random bytes
// kept beside the body; once both are erased the commitment says nothing.
func Commit(salt [16]byte, body []byte) [32]byte {
	h := sha256.New()
	var prefix [len(bodyDomain) + 16]byte
	copy(prefix[:], bodyDomain)
	copy(prefix[len(bodyDomain):], salt[:])
	h.Write(prefix[:])
	h.Write(body)
	var sum [32]byte
	h.Sum(sum[:0])
	return sum
}
