// Package keyblock wraps and unwraps keys in key blocks: ANSI X9.143 (formerly
// ASC X9 TR-31), versions A, B, C and D, as key hosts and encrypting PIN pads
// exchange them.
//
// A key block binds a key to what it may be used for: sixteen characters of header
// (usage, algorithm, mode of use, version, exportability), optional blocks, the
// enciphered key and a MAC over all of it. Versions A and C bind by variants of a
// triple DES protection key, B by keys derived from one with CMAC, D by the same
// from an AES key.
//
// Unwrap compares the MAC in constant time before it looks at anything that was
// deciphered, and gives no key when it differs. It does not decide what a key may
// be used for: that is the caller's, by the header. Version E of ISO 20038 is not
// in the device protocol and not here; Wrap makes new A blocks too, which X9.143
// deprecates, because old terminals are loaded with them.
//
//	text, err := keyblock.Wrap(kbpk, keyblock.Header{Version: 'D', Usage: "P0",
//		Algorithm: 'A', ModeOfUse: 'E', KeyVersion: "00", Exportability: 'N'}, key, rand.Reader)
//	header, key, err := keyblock.Unwrap(kbpk, text)
package keyblock

import (
	"bytes"
	"crypto/subtle"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/plomb-pos/plomb/driver/symmetric"
)

// Errors of Parse, Wrap and Unwrap.
var (
	ErrFormat         = errors.New("not a key block")                       // the text breaks X9.143
	ErrVersion        = errors.New("the key block's version is not served") // neither A, B, C nor D
	ErrAuthentication = errors.New("the key block's MAC does not fit")      // another key, or changed
	ErrContent        = errors.New("the key block's content makes no sense")
	ErrProtectionKey  = errors.New("the protection key does not fit the version")
)

// MaxLength is the longest key block in characters: its length field has four digits.
const MaxLength = 9999

// maxKey is the longest key in bytes that Wrap takes: the length field counts bits.
const maxKey = 0xffff / 8

// version is what differs between the versions.
type version struct {
	algorithm symmetric.Algorithm // of the protection key
	mac       int                 // bytes
	derived   bool                // keys by CMAC, MAC over the plain text
}

var versions = map[byte]version{
	'A': {symmetric.TDES, 4, false},
	'B': {symmetric.TDES, 8, true},
	'C': {symmetric.TDES, 4, false},
	'D': {symmetric.AES, 16, true},
}

// block is a key block taken apart.
type block struct {
	header Header
	prefix string // the header as it was written, with optional blocks
	sealed []byte
	mac    []byte
}

// Parse reads the header of a key block and checks the form of the rest. Nothing
// is authenticated: use it to choose the protection key, never to decide.
func Parse(text string) (Header, error) {
	b, err := split(text)
	return b.header, err
}

func split(text string) (block, error) {
	if len(text) > MaxLength {
		return block{}, fmt.Errorf("%d characters: %w", len(text), ErrFormat)
	}
	h, prefix, err := parseHeader(text)
	if err != nil {
		return block{}, err
	}
	v := versions[h.Version]
	body, err := hex.DecodeString(text[len(prefix):])
	size := v.algorithm.BlockSize()
	if err != nil || len(body) < size+v.mac || (len(body)-v.mac)%size != 0 || len(prefix)%size != 0 {
		return block{}, fmt.Errorf("enciphered part: %w", ErrFormat)
	}
	cut := len(body) - v.mac
	return block{header: h, prefix: prefix, sealed: body[:cut], mac: body[cut:]}, nil
}

// Unwrap verifies a key block under its protection key and gives the key. The
// caller owns the key's bytes and should clear them after use.
func Unwrap(kbpk []byte, text string) (Header, []byte, error) {
	b, err := split(text)
	if err != nil {
		return Header{}, nil, err
	}
	keys, err := protect(b.header.Version, kbpk)
	if err != nil {
		return Header{}, nil, err
	}
	defer keys.clear()
	plain, err := keys.open(b)
	if err != nil {
		return Header{}, nil, err
	}
	defer clear(plain)
	key, err := content(plain)
	return b.header, key, err
}

// content reads the length in bits and the key before the padding.
func content(plain []byte) ([]byte, error) {
	bits := int(binary.BigEndian.Uint16(plain))
	if bits == 0 || bits%8 != 0 || bits/8 > len(plain)-2 {
		return nil, fmt.Errorf("a key of %d bits: %w", bits, ErrContent)
	}
	return bytes.Clone(plain[2 : 2+bits/8]), nil
}

// Wrap makes a key block. The header's optional blocks are written as they are and
// padded (block PB) where the version needs it; random fills the key's padding.
func Wrap(kbpk []byte, h Header, key []byte, random io.Reader) (string, error) {
	keys, err := protect(h.Version, kbpk)
	if err != nil {
		return "", err
	}
	defer keys.clear()
	if len(key) == 0 || len(key) > maxKey {
		return "", fmt.Errorf("a key of %d bytes: %w", len(key), ErrContent)
	}
	plain, err := padded(key, keys.algorithm.BlockSize(), random)
	if err != nil {
		return "", err
	}
	defer clear(plain)
	prefix, err := h.encode(keys.version, len(plain))
	if err != nil {
		return "", err
	}
	sealed, mac, err := keys.seal(prefix, plain)
	if err != nil {
		return "", err
	}
	return prefix + strings.ToUpper(hex.EncodeToString(sealed)+hex.EncodeToString(mac)), nil
}

func padded(key []byte, size int, random io.Reader) ([]byte, error) {
	plain := make([]byte, (2+len(key)+size-1)/size*size)
	if _, err := io.ReadFull(random, plain); err != nil {
		return nil, fmt.Errorf("random padding: %w", err)
	}
	binary.BigEndian.PutUint16(plain, uint16(8*len(key)))
	copy(plain[2:], key)
	return plain, nil
}

// open verifies and deciphers.
func (k *pair) open(b block) ([]byte, error) {
	iv, mac := b.mac, k.mac
	if !k.derived {
		iv = []byte(b.prefix[:8])
		sum, err := mac(b.prefix, b.sealed)
		if err != nil || subtle.ConstantTimeCompare(sum, b.mac) != 1 {
			return nil, ErrAuthentication
		}
	}
	plain, err := symmetric.Decrypt(k.algorithm, symmetric.CBC, k.encryption, iv, b.sealed)
	if err != nil || !k.derived {
		return plain, err
	}
	sum, err := mac(b.prefix, plain)
	if err != nil || subtle.ConstantTimeCompare(sum, b.mac) != 1 {
		clear(plain)
		return nil, ErrAuthentication
	}
	return plain, nil
}

func (k *pair) seal(prefix string, plain []byte) (sealed, mac []byte, err error) {
	if !k.derived {
		sealed, err = symmetric.Encrypt(k.algorithm, symmetric.CBC, k.encryption, []byte(prefix[:8]), plain)
		if err == nil {
			mac, err = k.mac(prefix, sealed)
		}
		return sealed, mac, err
	}
	if mac, err = k.mac(prefix, plain); err == nil {
		sealed, err = symmetric.Encrypt(k.algorithm, symmetric.CBC, k.encryption, mac, plain)
	}
	return sealed, mac, err
}
