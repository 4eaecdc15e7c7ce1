package pinblock

import (
	"crypto/cipher"
	"fmt"
)

// EncipherISO4 makes the enciphered PIN block of format 4 (ISO 9564-1:2017, 9.4)
// from the PIN field that Format gave and the whole account number of 1 to 19
// digits, under an AES key.
func EncipherISO4(aes cipher.Block, field []byte, account string) ([]byte, error) {
	if aes.BlockSize() != 16 || len(field) != 16 {
		return nil, fmt.Errorf("%s: %w", ISO4, ErrBlock)
	}
	pan, err := AccountFieldISO4(account)
	if err != nil {
		return nil, err
	}
	out := make([]byte, 16)
	aes.Encrypt(out, field)
	for i := range out {
		out[i] ^= pan[i]
	}
	aes.Encrypt(out, out)
	return out, nil
}

// DecipherISO4 is the inverse of EncipherISO4: it gives the PIN field for Parse.
func DecipherISO4(aes cipher.Block, block []byte, account string) ([]byte, error) {
	if aes.BlockSize() != 16 || len(block) != 16 {
		return nil, fmt.Errorf("%s: %w", ISO4, ErrBlock)
	}
	pan, err := AccountFieldISO4(account)
	if err != nil {
		return nil, err
	}
	out := make([]byte, 16)
	aes.Decrypt(out, block)
	for i := range out {
		out[i] ^= pan[i]
	}
	aes.Decrypt(out, out)
	return out, nil
}

// AccountFieldISO4 is the account number as format 4 joins it: how many digits it
// has beyond twelve, the digits, zeros.
func AccountFieldISO4(account string) ([]byte, error) {
	if len(account) < 1 || len(account) > 19 || !digits([]byte(account)) {
		return nil, fmt.Errorf("%s: %w", ISO4, ErrData)
	}
	nibbles := make([]byte, 32)
	nibbles[0] = byte(max(0, len(account)-12))
	at := 1 + max(0, 12-len(account))
	for i := range len(account) {
		nibbles[at+i] = account[i] - '0'
	}
	return pack(nibbles), nil
}
