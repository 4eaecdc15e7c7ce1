package keyblock

import (
	"bytes"
	"fmt"

	"github.com/plomb-pos/plomb/driver/symmetric"
)

// pair is the two keys that a protection key stands for.
type pair struct {
	version
	encryption, authentication []byte
}

func (k *pair) clear() {
	clear(k.encryption)
	clear(k.authentication)
}

// protect makes the pair of a version from its protection key.
func protect(id byte, kbpk []byte) (*pair, error) {
	v, ok := versions[id]
	if !ok {
		return nil, fmt.Errorf("%q: %w", rune(id), ErrVersion)
	}
	if _, err := symmetric.New(v.algorithm, kbpk); err != nil {
		return nil, fmt.Errorf("version %c with %d bytes: %w", id, len(kbpk), ErrProtectionKey)
	}
	if !v.derived {
		return &pair{v, variant(kbpk, 'E'), variant(kbpk, 'M')}, nil
	}
	encryption, err := derive(v.algorithm, kbpk, 0)
	if err != nil {
		return nil, err
	}
	authentication, err := derive(v.algorithm, kbpk, 1)
	return &pair{v, encryption, authentication}, err
}

// variant is the binding of versions A and C: every byte XOR 'E' or 'M'.
func variant(kbpk []byte, with byte) []byte {
	out := bytes.Clone(kbpk)
	for i := range out {
		out[i] ^= with
	}
	return out
}

// derive is the binding of versions B and D: CMACs over a counter, the use (0
// encryption, 1 authentication), a zero, the algorithm and the length in bits.
func derive(a symmetric.Algorithm, kbpk []byte, use byte) ([]byte, error) {
	block, err := symmetric.New(a, kbpk)
	if err != nil {
		return nil, err
	}
	bits := 8 * len(kbpk)
	input := []byte{0, 0, use, 0, 0, derivation(a, len(kbpk)), byte(bits >> 8), byte(bits)}
	var out []byte
	for len(out) < len(kbpk) {
		input[0]++
		out = append(out, symmetric.CMAC(block, input)...)
	}
	return out[:len(kbpk)], nil
}

// derivation numbers the keys that are derived (X9.143, table of 7.2.2).
func derivation(a symmetric.Algorithm, length int) byte {
	number := byte(length/8 - 2) // 16, 24 and 32 bytes: 0, 1, 2
	if a == symmetric.AES {
		number += 2
	}
	return number
}

// mac authenticates the header with the enciphered part (A, C) or the plain one
// (B, D).
func (k *pair) mac(prefix string, body []byte) ([]byte, error) {
	block, err := symmetric.New(k.algorithm, k.authentication)
	if err != nil {
		return nil, err
	}
	data := append([]byte(prefix), body...)
	defer clear(data)
	if k.derived {
		return symmetric.CMAC(block, data), nil
	}
	sum, err := symmetric.CBCMAC(block, nil, data, 0)
	if err != nil {
		return nil, err
	}
	return sum[:k.version.mac], nil
}
