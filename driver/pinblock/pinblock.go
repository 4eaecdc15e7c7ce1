// Package pinblock formats PINs into PIN blocks before they are enciphered, and
// checks PINs against what a card says of them.
//
// The formats are those of the device protocol XFS4IoT: ISO 9564-1 formats 0, 1, 3
// and 4, the ANSI form of format 0, the format 2 block that EMV enciphers with RSA,
// and the older ones of IBM 3624, ECI, Visa and Diebold. The Banksys and the Italian
// AP formats have no public description and are not here.
//
// A PIN is a slice of ASCII digits, so that its owner can clear it; nothing here
// keeps one, prints one or puts one into an error. What Format returns is a PIN in
// clear: encipher it at once and clear it.
//
//	block, err := pinblock.Format(pinblock.ISO0, pin, pinblock.Data{Account: "401234567890"})
package pinblock

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
)

// Format names, spelt as in XFS4IoT.
const (
	IBM3624   = "ibm3624"   // PIN of 4 to 16 digits, filled
	ANSI      = "ansi"      // ISO 0 with an account number of 12 digits at least
	ISO0      = "iso0"      // 0, length, PIN, F...; XOR the account number
	ISO1      = "iso1"      // 1, length, PIN, digits of a transaction field
	ECI2      = "eci2"      // PIN of 4 digits, filled
	ECI3      = "eci3"      // length, PIN of 4 to 6 digits, filled
	Visa      = "visa"      // length, PIN of 4 to 6 digits, zeros up to six, filled
	Diebold   = "diebold"   // PIN, filled
	DieboldCo = "dieboldCo" // coordination digit, PIN of 4 to 12 digits, filled
	Visa3     = "visa3"     // PIN of 4 to 12 digits, F, filled
	EMV       = "emv"       // 2, length, PIN, F...: ISO 9564-1 format 2
	ISO3      = "iso3"      // 3, length, PIN, random A to F; XOR the account number
	ISO4      = "iso4"      // the PIN field of format 4, 16 bytes
)

// Errors about what a format asks for; they never say anything of the PIN's digits.
var (
	ErrFormat  = errors.New("the PIN block format is not known")
	ErrPIN     = errors.New("the PIN has no length that the format takes")
	ErrData    = errors.New("the format needs other customer data")
	ErrPadding = errors.New("the format takes another padding digit")
	ErrBlock   = errors.New("not a PIN block of this format")
)

// Data is what goes into a block besides the PIN.
type Data struct {
	// Customer is the account number without its check digit (ANSI, ISO 0, ISO 3),
	// the transaction field (ISO 1), the coordination number (Diebold CO).
	Customer string
	Padding  byte      // 0 to 15, for the formats that are filled
	Random   io.Reader // for ISO 3 and ISO 4; nil is crypto/rand
}

func (d Data) random() io.Reader {
	if d.Random == nil {
		return rand.Reader
	}
	return d.Random
}

// Size is the length of a format's block in bytes: 16 for ISO 4, otherwise 8.
func Size(format string) int {
	if format == ISO4 {
		return 16
	}
	return 8
}

// layout is a format as a row: the nibbles before the PIN, how long it may be,
// what follows it.
type layout struct {
	shortest, longest int
	control           byte // high nibble of the first byte; none with bare
	bare              bool // no control nibble
	counted           bool // the PIN's length as a nibble before it
	account           bool // XOR the account number
	leastAccount      int  // digits of it
}

const none = 0xff

var layouts = map[string]layout{
	IBM3624:   {4, 16, none, true, false, false, 0},
	ANSI:      {4, 12, 0, false, true, true, 12},
	ISO0:      {4, 12, 0, false, true, true, 0},
	ISO1:      {4, 12, 1, false, true, false, 0},
	ECI2:      {4, 4, none, true, false, false, 0},
	ECI3:      {4, 6, none, true, true, false, 0},
	Visa:      {4, 6, none, true, true, false, 0},
	Diebold:   {4, 16, none, true, false, false, 0},
	DieboldCo: {4, 12, none, true, false, false, 0},
	Visa3:     {4, 12, none, true, false, false, 0},
	EMV:       {4, 12, 2, false, true, false, 0},
	ISO3:      {4, 12, 3, false, true, true, 12},
	ISO4:      {4, 12, 4, false, true, false, 0},
}

// Known says whether Format makes a format.
func Known(format string) bool { _, ok := layouts[format]; return ok }

// Format makes the clear block of a PIN. For ISO 4 it is the PIN field alone:
// EncipherISO4 joins it with the account number.
func Format(format string, pin []byte, d Data) ([]byte, error) {
	l, ok := layouts[format]
	switch {
	case !ok:
		return nil, fmt.Errorf("%q: %w", format, ErrFormat)
	case len(pin) < l.shortest || len(pin) > l.longest || !digits(pin):
		return nil, fmt.Errorf("%s: %w", format, ErrPIN)
	case d.Padding > 15 || format == Visa && d.Padding > 9:
		return nil, fmt.Errorf("%s: %w", format, ErrPadding)
	}
	nibbles, err := l.head(format, len(pin), d)
	if err != nil {
		return nil, err
	}
	for _, digit := range pin {
		nibbles = append(nibbles, digit-'0')
	}
	if nibbles, err = fill(format, nibbles, len(pin), d); err != nil {
		return nil, err
	}
	return l.finish(format, nibbles, d)
}

// head is what stands before the PIN.
func (l layout) head(format string, length int, d Data) ([]byte, error) {
	out := make([]byte, 0, 32)
	if format == DieboldCo {
		c, err := coordination(d.Customer)
		return append(out, c), err
	}
	if !l.bare {
		out = append(out, l.control)
	}
	if l.counted {
		out = append(out, byte(length))
	}
	return out, nil
}

// coordination reads the two-digit coordination number, whose value is one nibble.
func coordination(text string) (byte, error) {
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw) != 1 || raw[0] > 15 {
		return 0, fmt.Errorf("%s: %w", DieboldCo, ErrData)
	}
	return raw[0], nil
}

// fill completes the block behind the PIN.
func fill(format string, n []byte, length int, d Data) ([]byte, error) {
	switch format {
	case ANSI, ISO0, EMV:
		return pad(n, 16, 15), nil
	case ISO1:
		return transaction(n, d.Customer)
	case ISO3:
		return scatter(n, d.random(), 10, 6)
	case ISO4:
		return scatter(pad(n, 16, 10), d.random(), 0, 16)
	case Visa:
		return pad(pad(n, 7, 0), 16, d.Padding), nil
	case Visa3:
		return pad(append(n, 15), 16, d.Padding), nil
	}
	return pad(n, 16, d.Padding), nil
}

func pad(n []byte, to int, with byte) []byte {
	for len(n) < to {
		n = append(n, with)
	}
	return n
}

// transaction fills with the digits of a transaction field (ISO 9564-1, format 1).
func transaction(n []byte, field string) ([]byte, error) {
	missing := 16 - len(n)
	if len(field) < missing {
		return nil, fmt.Errorf("%s: %w", ISO1, ErrData)
	}
	for i := range missing {
		v, ok := nibble(field[i])
		if !ok {
			return nil, fmt.Errorf("%s: %w", ISO1, ErrData)
		}
		n = append(n, v)
	}
	return n, nil
}

// scatter fills with random nibbles from base, so many different ones; up to 32
// nibbles where the whole range is used, otherwise to 16.
func scatter(n []byte, random io.Reader, base, values byte) ([]byte, error) {
	to := 16
	if values == 16 {
		to = 32
	}
	for one := make([]byte, 1); len(n) < to; {
		if _, err := io.ReadFull(random, one); err != nil {
			return nil, fmt.Errorf("random padding: %w", err)
		}
		if one[0] < 240 { // a multiple of 6 and of 16: no value is likelier
			n = append(n, base+one[0]%values)
		}
	}
	return n, nil
}

// finish packs the nibbles and joins the account number.
func (l layout) finish(format string, nibbles []byte, d Data) ([]byte, error) {
	defer clear(nibbles)
	block := pack(nibbles)
	if !l.account {
		return block, nil
	}
	if len(d.Customer) < l.leastAccount {
		return nil, fmt.Errorf("%s: %w", format, ErrData)
	}
	account, err := accountField(d.Customer)
	if err != nil {
		return nil, err
	}
	for i := range block {
		block[i] ^= account[i]
	}
	return block, nil
}

// accountField is four zeros and the twelve rightmost digits of the account number
// without check digit, zeros before them where it is shorter (ISO 9564-1, 9.3.2.3).
func accountField(account string) ([]byte, error) {
	nibbles := make([]byte, 16)
	if len(account) > 12 {
		account = account[len(account)-12:]
	}
	for i := range len(account) {
		if account[i] < '0' || account[i] > '9' {
			return nil, fmt.Errorf("account number: %w", ErrData)
		}
		nibbles[16-len(account)+i] = account[i] - '0'
	}
	return pack(nibbles), nil
}

func pack(nibbles []byte) []byte {
	out := make([]byte, len(nibbles)/2)
	for i := range out {
		out[i] = nibbles[2*i]<<4 | nibbles[2*i+1]
	}
	return out
}

func digits(s []byte) bool {
	for _, c := range s {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

func nibble(c byte) (byte, bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10, true
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}
