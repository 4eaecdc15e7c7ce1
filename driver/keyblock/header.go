package keyblock

import (
	"fmt"
	"strconv"
	"strings"
)

// Header is what a key block says about its key in clear, protected by the MAC.
// The letters are those of X9.143, which XFS4IoT uses too.
type Header struct {
	Version       byte   // 'A', 'B', 'C' or 'D'
	Usage         string // two characters: "P0" PIN encryption, "K1" key block protection
	Algorithm     byte   // of the key: 'A' AES, 'D' DES, 'H' HMAC, 'R' RSA, 'T' triple DES
	ModeOfUse     byte   // 'E' encrypt, 'D' decrypt, 'B' both, 'G' generate, 'V' verify, 'N' no restriction
	KeyVersion    string // two characters, "00" is unused, 'c' first is a component
	Exportability byte   // 'E' under trusted keys, 'N' not, 'S' under any key
	Reserved      string // two characters; "" stands for "00"
	Optional      []Optional
}

// Optional is one optional block. Padding blocks (PB) are read and written as
// others are.
type Optional struct {
	ID   string // two characters: "KS" key serial number, "KP" check value of the protection key
	Data string // printable ASCII, as written
	wide bool   // its length was written in the long form
}

const (
	fixed       = 16 // characters before the optional blocks
	maxOptional = 99
)

// ParseHeader reads the header of a key block without what follows it, as key
// tokens carry it; its length field is not looked at, and it has no optional blocks.
func ParseHeader(text string) (Header, error) {
	if len(text) != fixed || !printable(text) || text[12:14] != "00" {
		return Header{}, fmt.Errorf("header: %w", ErrFormat)
	}
	h, _, err := parseHeader(text[:1] + "0016" + text[5:])
	return h, err
}

func parseHeader(text string) (h Header, prefix string, err error) {
	if len(text) < fixed || !printable(text[:fixed]) {
		return h, "", fmt.Errorf("header: %w", ErrFormat)
	}
	h = Header{Version: text[0], Usage: text[5:7], Algorithm: text[7], ModeOfUse: text[8],
		KeyVersion: text[9:11], Exportability: text[11], Reserved: text[14:16]}
	if _, ok := versions[h.Version]; !ok {
		return h, "", fmt.Errorf("%q: %w", rune(h.Version), ErrVersion)
	}
	length, ok := decimal(text[1:5])
	count, counted := decimal(text[12:14])
	if !ok || !counted || length != len(text) {
		return h, "", fmt.Errorf("lengths in the header: %w", ErrFormat)
	}
	rest := text[fixed:]
	for range count {
		var o Optional
		if o, rest, err = parseOptional(rest); err != nil {
			return h, "", err
		}
		h.Optional = append(h.Optional, o)
	}
	return h, text[:len(text)-len(rest)], nil
}

func parseOptional(text string) (o Optional, rest string, err error) {
	bad := fmt.Errorf("optional block: %w", ErrFormat)
	if len(text) < 4 {
		return o, "", bad
	}
	length, ok := hexadecimal(text[2:4])
	head := 4
	if ok && length == 0 { // the long form: how many digits, then the length
		if len(text) < 10 || text[4:6] != "04" {
			return o, "", bad
		}
		length, ok = hexadecimal(text[6:10])
		head, o.wide = 10, true
	}
	if !ok || length < head || length > len(text) || !printable(text[:length]) {
		return o, "", bad
	}
	o.ID, o.Data = text[:2], text[head:length]
	return o, text[length:], nil
}

// encode writes the header and optional blocks of a key block whose plain text has
// so many bytes.
func (h Header) encode(v version, plain int) (string, error) {
	if len(h.Usage) != 2 || len(h.KeyVersion) != 2 {
		return "", fmt.Errorf("header: %w", ErrFormat)
	}
	optional, count, err := h.optional(v.algorithm.BlockSize())
	if err != nil {
		return "", err
	}
	reserved := h.Reserved
	if reserved == "" {
		reserved = "00"
	}
	length := fixed + len(optional) + 2*(plain+v.mac)
	text := fmt.Sprintf("%c%04d%s%c%c%s%c%02d%s%s", h.Version, length, h.Usage, h.Algorithm, h.ModeOfUse, h.KeyVersion, h.Exportability, count, reserved, optional)
	if len(reserved) != 2 || length > MaxLength || count > maxOptional || !printable(text) {
		return "", fmt.Errorf("header: %w", ErrFormat)
	}
	return text, nil
}

func (h Header) optional(size int) (text string, count int, err error) {
	for _, o := range h.Optional {
		one, err := o.encode()
		if err != nil {
			return "", 0, err
		}
		text += one
	}
	count = len(h.Optional)
	if len(text)%size == 0 {
		return text, count, nil
	}
	missing := size - len(text)%size
	if missing < 4 {
		missing += size
	}
	return text + fmt.Sprintf("PB%02X", missing) + strings.Repeat("0", missing-4), count + 1, nil
}

func (o Optional) encode() (string, error) {
	length := 4 + len(o.Data)
	switch {
	case len(o.ID) != 2 || length+6 > MaxLength:
		return "", fmt.Errorf("optional block: %w", ErrFormat)
	case length > 0xff || o.wide:
		return fmt.Sprintf("%s0004%04X%s", o.ID, length+6, o.Data), nil
	}
	return fmt.Sprintf("%s%02X%s", o.ID, length, o.Data), nil
}

func printable(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

func decimal(s string) (int, bool) {
	n, err := strconv.ParseUint(s, 10, 16)
	return int(n), err == nil && s[0] != '+'
}

func hexadecimal(s string) (int, bool) {
	n, err := strconv.ParseUint(s, 16, 16)
	return int(n), err == nil && strings.ToUpper(s) == s
}
