// Package symmetric is what a security module does with one symmetric key: the
// modes of operation, message authentication codes and key check values of DES,
// triple DES and AES.
//
//   - ECB, CBC, CFB, OFB and CTR as in NIST SP 800-38A, with feedback of a whole
//     block; XTS as in IEEE 1619 and SP 800-38E, whole blocks only, the tweak given
//     as the initial value.
//   - CBC-MAC (ISO 9797-1 algorithm 1, with triple DES the MAC of ISO 16609), the
//     retail MAC of ANSI X9.19 (ISO 9797-1 algorithm 3) and CMAC (algorithm 5,
//     NIST SP 800-38B).
//   - key check values: a block of zeros or the key itself under the key; for AES
//     the CMAC of ANSI X9.24-1:2017.
//
// It holds no key and keeps no state. DES parity bits are ignored. These modes hide
// data and prove nothing about it; where both are wanted the caller adds a MAC.
//
//	out, err := symmetric.Encrypt(symmetric.AES, symmetric.CBC, key, iv, data)
package symmetric

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"errors"
	"fmt"
)

// Algorithm is a cipher, spelt as in a key block (ANSI X9.143, table 7).
type Algorithm byte

// The algorithms.
const (
	DES  Algorithm = 'D' // keys of 8 bytes
	TDES Algorithm = 'T' // 16 or 24
	AES  Algorithm = 'A' // 16, 24 or 32
)

// Errors about what is given; none of them tells anything of a key's value.
var (
	ErrAlgorithm  = errors.New("the algorithm is not known")
	ErrKeyLength  = errors.New("the key's length does not fit the algorithm")
	ErrIVLength   = errors.New("the initial value's length is not that of a block")
	ErrDataLength = errors.New("the data's length is no multiple of a block")
	ErrMode       = errors.New("the mode is not known, or not for this algorithm")
)

// New makes the block cipher of a key. A DES key of double length is used as K1,
// K2, K1.
func New(a Algorithm, key []byte) (cipher.Block, error) {
	switch {
	case a == DES && len(key) == 8:
		return des.NewCipher(key)
	case a == TDES && len(key) == 16:
		long := append(bytes.Clone(key), key[:8]...)
		defer clear(long)
		return des.NewTripleDESCipher(long)
	case a == TDES && len(key) == 24:
		return des.NewTripleDESCipher(key)
	case a == AES && (len(key) == 16 || len(key) == 24 || len(key) == 32):
		return aes.NewCipher(key)
	case a == DES || a == TDES || a == AES:
		return nil, fmt.Errorf("%d bytes: %w", len(key), ErrKeyLength)
	}
	return nil, fmt.Errorf("%q: %w", rune(a), ErrAlgorithm)
}

// BlockSize is 16 bytes for AES, otherwise 8.
func (a Algorithm) BlockSize() int {
	if a == AES {
		return aes.BlockSize
	}
	return des.BlockSize
}

// Pad fills data with a byte up to a multiple of size; data that is one already
// stays as it is, and so does nothing at all. It is padding method 1 of ISO 9797-1
// when the byte is 0.
func Pad(data []byte, size int, with byte) []byte {
	missing := (size - len(data)%size) % size
	return append(bytes.Clone(data), bytes.Repeat([]byte{with}, missing)...)
}

func xor(dst, a, b []byte) {
	for i := range dst {
		dst[i] = a[i] ^ b[i]
	}
}
