package dukpt

import (
	"bytes"
	"crypto/des"
)

// The masks of X9.24-1:2009: of the derivation (A.2) and of the keys' uses (A.4).
var (
	mask         = [8]byte{0xc0, 0xc0, 0xc0, 0xc0}
	pinMask      = [8]byte{7: 0xff}
	requestMask  = [8]byte{6: 0xff}
	responseMask = [8]byte{4: 0xff}
	dataMask     = [8]byte{5: 0xff}
	replyMask    = [8]byte{3: 0xff}
)

// PIN is the key that enciphers a PIN block.
func (t Transaction) PIN() []byte { return masked(t.key, pinMask) }

// RequestMAC is the key of a MAC over what goes to the host.
func (t Transaction) RequestMAC() []byte { return masked(t.key, requestMask) }

// ResponseMAC is the key of a MAC over what comes back.
func (t Transaction) ResponseMAC() []byte { return masked(t.key, responseMask) }

// RequestData is the key that enciphers data to the host.
func (t Transaction) RequestData() []byte { return oneWay(masked(t.key, dataMask)) }

// ResponseData is the key that deciphers data from the host.
func (t Transaction) ResponseData() []byte { return oneWay(masked(t.key, replyMask)) }

// Clear forgets the key.
func (t Transaction) Clear() { clear(t.key) }

// oneWay enciphers both halves of a variant under it (A.4.1, data encryption).
func oneWay(variant []byte) []byte {
	out := make([]byte, KeySize)
	triple(variant, out[:8], variant[:8])
	triple(variant, out[8:], variant[8:])
	return out
}

func masked(key []byte, with [8]byte) []byte {
	out := bytes.Clone(key)
	for i := range out {
		out[i] ^= with[i%8]
	}
	return out
}

func xor(dst, a, b []byte) {
	for i := range dst {
		dst[i] = a[i] ^ b[i]
	}
}

// single enciphers in place under a DES key of 8 bytes.
func single(key, data []byte) {
	if block, err := des.NewCipher(key); err == nil { // the length is always 8
		block.Encrypt(data, data)
	}
}

// triple enciphers under a double-length key.
func triple(key, dst, src []byte) {
	long := append(bytes.Clone(key), key[:8]...)
	defer clear(long)
	if block, err := des.NewTripleDESCipher(long); err == nil { // the length is always 24
		block.Encrypt(dst, src)
	}
}
