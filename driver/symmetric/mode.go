package symmetric

import (
	"bytes"
	"crypto/cipher"
	"fmt"
)

// Mode is a mode of operation, spelt as XFS4IoT's cryptoMethod.
type Mode string

// The modes. ECB, CBC and XTS take whole blocks; the others any length.
const (
	ECB Mode = "ecb"
	CBC Mode = "cbc"
	CFB Mode = "cfb"
	OFB Mode = "ofb"
	CTR Mode = "ctr"
	XTS Mode = "xts" // AES only; the key holds two keys, half and half
)

// Whole says whether the mode takes whole blocks only.
func (m Mode) Whole() bool { return m == ECB || m == CBC || m == XTS }

// Encrypt enciphers data. iv has the length of a block; nil stands for zeros, and
// ECB takes none.
func Encrypt(a Algorithm, m Mode, key, iv, data []byte) ([]byte, error) {
	return crypt(a, m, key, iv, data, true)
}

// Decrypt is the inverse of Encrypt. Wrong keys give wrong data, no error.
func Decrypt(a Algorithm, m Mode, key, iv, data []byte) ([]byte, error) {
	return crypt(a, m, key, iv, data, false)
}

func crypt(a Algorithm, m Mode, key, iv, data []byte, encrypt bool) ([]byte, error) {
	if m == XTS {
		return xts(a, key, iv, data, encrypt)
	}
	block, err := New(a, key)
	if err != nil {
		return nil, err
	}
	iv, err = initial(block.BlockSize(), m, iv)
	if err != nil {
		return nil, err
	}
	if m.Whole() && len(data)%block.BlockSize() != 0 {
		return nil, fmt.Errorf("%d bytes: %w", len(data), ErrDataLength)
	}
	return run(block, m, iv, data, encrypt)
}

// initial checks an initial value, or makes the one of zeros.
func initial(size int, m Mode, iv []byte) ([]byte, error) {
	if iv == nil {
		return make([]byte, size), nil
	}
	if len(iv) != size || m == ECB {
		return nil, fmt.Errorf("%d bytes: %w", len(iv), ErrIVLength)
	}
	return iv, nil
}

func run(block cipher.Block, m Mode, iv, data []byte, encrypt bool) ([]byte, error) {
	out := make([]byte, len(data))
	switch {
	case m == ECB:
		ecb(block, out, data, encrypt)
	case m == CBC && encrypt:
		cipher.NewCBCEncrypter(block, iv).CryptBlocks(out, data)
	case m == CBC:
		cipher.NewCBCDecrypter(block, iv).CryptBlocks(out, data)
	case m == CTR:
		cipher.NewCTR(block, iv).XORKeyStream(out, data)
	case m == CFB:
		cfb(block, iv, out, data, encrypt)
	case m == OFB:
		ofb(block, iv, out, data)
	default:
		return nil, fmt.Errorf("%q: %w", string(m), ErrMode)
	}
	return out, nil
}

func ecb(block cipher.Block, out, in []byte, encrypt bool) {
	n := block.BlockSize()
	for i := 0; i < len(in); i += n {
		if encrypt {
			block.Encrypt(out[i:], in[i:])
		} else {
			block.Decrypt(out[i:], in[i:])
		}
	}
}

// cfb feeds the ciphertext of a block back into the next (SP 800-38A, 6.3).
func cfb(block cipher.Block, iv, out, in []byte, encrypt bool) {
	n := block.BlockSize()
	register, stream := bytes.Clone(iv), make([]byte, n)
	for i := 0; i < len(in); i += n {
		block.Encrypt(stream, register)
		part := min(n, len(in)-i)
		xor(out[i:i+part], in[i:i+part], stream)
		if encrypt {
			copy(register, out[i:i+part])
		} else {
			copy(register, in[i:i+part])
		}
	}
}

// ofb feeds the key stream back (SP 800-38A, 6.4).
func ofb(block cipher.Block, iv, out, in []byte) {
	n := block.BlockSize()
	stream := bytes.Clone(iv)
	for i := 0; i < len(in); i += n {
		block.Encrypt(stream, stream)
		part := min(n, len(in)-i)
		xor(out[i:i+part], in[i:i+part], stream)
	}
}

// xts is IEEE 1619 without ciphertext stealing.
func xts(a Algorithm, key, iv, data []byte, encrypt bool) ([]byte, error) {
	if a != AES {
		return nil, fmt.Errorf("%q: %w", string(XTS), ErrMode)
	}
	half := len(key) / 2
	first, err := New(AES, key[:half])
	if err != nil || half == 24 || len(key)%2 != 0 {
		return nil, fmt.Errorf("%d bytes for XTS: %w", len(key), ErrKeyLength)
	}
	second, err := New(AES, key[half:])
	if err != nil {
		return nil, err
	}
	iv, err = initial(AES.BlockSize(), XTS, iv)
	if err != nil {
		return nil, err
	}
	if len(data)%AES.BlockSize() != 0 {
		return nil, fmt.Errorf("%d bytes: %w", len(data), ErrDataLength)
	}
	return tweaked(first, second, iv, data, encrypt), nil
}

func tweaked(first, second cipher.Block, iv, data []byte, encrypt bool) []byte {
	out, tweak := make([]byte, len(data)), make([]byte, AES.BlockSize())
	second.Encrypt(tweak, iv)
	for i := 0; i < len(data); i += len(tweak) {
		at := out[i : i+len(tweak)]
		xor(at, data[i:], tweak)
		ecb(first, at, at, encrypt)
		xor(at, at, tweak)
		double(tweak)
	}
	return out
}

// double multiplies a tweak by x in GF(2^128), little-endian.
func double(tweak []byte) {
	carry := byte(0)
	for i, b := range tweak {
		tweak[i] = b<<1 | carry
		carry = b >> 7
	}
	tweak[0] ^= 0x87 * carry
}
