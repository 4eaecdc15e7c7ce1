package pinblock

import (
	"crypto/cipher"
	"crypto/subtle"
	"errors"
	"fmt"
)

// ErrValidation is for validation data, tables, offsets and values that are malformed.
var ErrValidation = errors.New("the data for checking the PIN is malformed")

// OffsetIBM3624 is what IBM 3624 PIN checking takes from the card and its issuer.
type OffsetIBM3624 struct {
	Validation    string // 16 hexadecimal digits, padded already
	Table         string // 16 decimal digits: what each hexadecimal digit becomes
	Offset        string // hexadecimal digits added to the natural PIN; missing ones are 0
	Digits        int    // how many digits of the PIN count, from the left; 0: all
	NoLeadingZero bool   // a computed PIN that begins with 0 begins with 1 instead
}

// Natural is the PIN before the offset: the enciphered validation data in decimal.
func (o OffsetIBM3624) Natural(des cipher.Block) ([]byte, error) {
	if len(o.Validation) != 16 || len(o.Table) != 16 || !digits([]byte(o.Table)) || des.BlockSize() != 8 {
		return nil, ErrValidation
	}
	nibbles := make([]byte, 16)
	for i := range nibbles {
		v, ok := nibble(o.Validation[i])
		if !ok {
			return nil, ErrValidation
		}
		nibbles[i] = v
	}
	out := pack(nibbles)
	des.Encrypt(out, out)
	for i := range nibbles {
		nibbles[i] = o.Table[out[i/2]>>(4*(1-i%2))&15] - '0'
	}
	return nibbles, nil
}

// Check says whether a PIN is the natural PIN plus the offset, digit by digit
// modulo 10. The comparison takes constant time.
func (o OffsetIBM3624) Check(des cipher.Block, pin []byte) (bool, error) {
	want, err := o.Natural(des)
	if err != nil {
		return false, err
	}
	defer clear(want)
	n := len(pin)
	if o.Digits > 0 {
		n = min(n, o.Digits)
	}
	if n == 0 || n > 16 || !digits(pin) {
		return false, fmt.Errorf("IBM 3624: %w", ErrPIN)
	}
	if err := o.shift(want[:n]); err != nil {
		return false, err
	}
	return subtle.ConstantTimeCompare(want[:n], pin[:n]) == 1, nil
}

// shift adds the offset and turns the digits into text.
func (o OffsetIBM3624) shift(natural []byte) error {
	for i := range natural {
		offset := byte(0)
		if i < len(o.Offset) {
			v, ok := nibble(o.Offset[i])
			if !ok {
				return ErrValidation
			}
			offset = v
		}
		natural[i] = '0' + (natural[i]+offset)%10
	}
	if o.NoLeadingZero && natural[0] == '0' {
		natural[0] = '1'
	}
	return nil
}

// PVV is the four-digit PIN verification value of Visa for eleven digits of the
// account number, the key index and the first four digits of the PIN.
func PVV(des cipher.Block, account string, index byte, pin []byte) ([]byte, error) {
	if len(account) != 11 || !digits([]byte(account)) || index < '0' || index > '9' || des.BlockSize() != 8 {
		return nil, ErrValidation
	}
	if len(pin) < 4 || !digits(pin) {
		return nil, fmt.Errorf("PVV: %w", ErrPIN)
	}
	parameter := append(append([]byte(account), index), pin[:4]...)
	defer clear(parameter)
	for i := range parameter {
		parameter[i] -= '0'
	}
	out := pack(parameter)
	des.Encrypt(out, out)
	return decimalise(out), nil
}

// decimalise takes the first four decimal digits, then what the letters stand for
// less ten.
func decimalise(block []byte) []byte {
	var numbers, letters []byte
	for i := range 2 * len(block) {
		v := block[i/2] >> (4 * (1 - i%2)) & 15
		if v < 10 {
			numbers = append(numbers, '0'+v)
		} else {
			letters = append(letters, '0'+v-10)
		}
	}
	return append(numbers, letters...)[:4]
}

// CheckPVV compares a PIN with the value on the card in constant time.
func CheckPVV(des cipher.Block, account string, index byte, pin []byte, value string) (bool, error) {
	want, err := PVV(des, account, index, pin)
	if err != nil {
		return false, err
	}
	if len(value) < 4 || !digits([]byte(value)) {
		return false, ErrValidation
	}
	return subtle.ConstantTimeCompare(want, []byte(value[:4])) == 1, nil
}
