package symmetric

import (
	"bytes"
	"crypto/cipher"
)

// CBCMAC is ISO 9797-1 algorithm 1: the last block of a CBC encryption, whole. iv
// nil stands for zeros. Data of no or an incomplete last block is filled with the
// byte pad. Only messages of a length fixed in advance are safe under it.
func CBCMAC(block cipher.Block, iv, data []byte, pad byte) ([]byte, error) {
	iv, err := initial(block.BlockSize(), CBC, iv)
	if err != nil {
		return nil, err
	}
	return chain(block, iv, whole(data, block.BlockSize(), pad)), nil
}

// whole pads, to one block at least.
func whole(data []byte, size int, pad byte) []byte {
	if len(data) == 0 {
		return bytes.Repeat([]byte{pad}, size)
	}
	return Pad(data, size, pad)
}

func chain(block cipher.Block, iv, data []byte) []byte {
	sum := bytes.Clone(iv)
	for n := len(sum); len(data) > 0; data = data[n:] {
		xor(sum, sum, data)
		block.Encrypt(sum, sum)
	}
	return sum
}

// RetailMAC is ANSI X9.19, ISO 9797-1 algorithm 3: CBC under the left half of a
// double-length DES key, the last block deciphered under the right half and
// enciphered under the left again. The parameters are those of CBCMAC.
func RetailMAC(key, iv, data []byte, pad byte) ([]byte, error) {
	if len(key) != 16 {
		return nil, ErrKeyLength
	}
	left, err := New(DES, key[:8])
	if err != nil {
		return nil, err
	}
	right, err := New(DES, key[8:])
	if err != nil {
		return nil, err
	}
	sum, err := CBCMAC(left, iv, data, pad)
	if err != nil {
		return nil, err
	}
	right.Decrypt(sum, sum)
	left.Encrypt(sum, sum)
	return sum, nil
}

// CMAC is NIST SP 800-38B and ISO 9797-1:2011 algorithm 5, whole.
func CMAC(block cipher.Block, data []byte) []byte {
	n := block.BlockSize()
	k1, k2 := subkeys(block)
	last := make([]byte, n)
	rest := 0
	if len(data) > 0 && len(data)%n == 0 {
		rest = len(data) - n
		xor(last, data[rest:], k1)
	} else {
		rest = len(data) - len(data)%n
		copy(last, data[rest:])
		last[len(data)-rest] = 0x80
		xor(last, last, k2)
	}
	sum := chain(block, make([]byte, n), data[:rest])
	xor(sum, sum, last)
	block.Encrypt(sum, sum)
	return sum
}

// subkeys are K1 and K2 of SP 800-38B, 6.1.
func subkeys(block cipher.Block) (k1, k2 []byte) {
	k1 = make([]byte, block.BlockSize())
	block.Encrypt(k1, k1)
	shift(k1)
	k2 = bytes.Clone(k1)
	shift(k2)
	return k1, k2
}

// shift doubles in GF(2^64) or GF(2^128), big-endian.
func shift(b []byte) {
	reduce := byte(0x1b)
	if len(b) == 16 {
		reduce = 0x87
	}
	high := b[0] >> 7
	for i := range b[:len(b)-1] {
		b[i] = b[i]<<1 | b[i+1]>>7
	}
	b[len(b)-1] = b[len(b)-1]<<1 ^ reduce*high
}
