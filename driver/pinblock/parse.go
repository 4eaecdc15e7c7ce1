package pinblock

import "fmt"

// Parse reads the PIN out of a clear block, as the host behind the device does. It
// serves the formats that tell the PIN's length; IBM 3624 and the Diebold ones end
// where the padding begins and need it in d, a PIN whose last digit is the padding
// digit cannot be told.
func Parse(format string, block []byte, d Data) ([]byte, error) {
	l, ok := layouts[format]
	if !ok {
		return nil, fmt.Errorf("%q: %w", format, ErrFormat)
	}
	bad := fmt.Errorf("%s: %w", format, ErrBlock)
	if len(block) != Size(format) {
		return nil, bad
	}
	n, err := l.unpack(block, d)
	if err != nil {
		return nil, err
	}
	rest, length, ok := l.body(format, n, d)
	if !ok || length < l.shortest || length > l.longest || length > len(rest) {
		return nil, bad
	}
	return text(rest[:length], bad)
}

func text(nibbles []byte, bad error) ([]byte, error) {
	out := make([]byte, len(nibbles))
	for i, v := range nibbles {
		if v > 9 {
			return nil, bad
		}
		out[i] = '0' + v
	}
	return out, nil
}

// unpack takes the account number off again.
func (l layout) unpack(block []byte, d Data) ([]byte, error) {
	var account []byte
	if l.account {
		var err error
		if account, err = accountField(d.Customer); err != nil {
			return nil, err
		}
	}
	n := make([]byte, 0, 2*len(block))
	for i, b := range block {
		if account != nil {
			b ^= account[i]
		}
		n = append(n, b>>4, b&15)
	}
	return n, nil
}

// body finds where the PIN begins and how long it is.
func (l layout) body(format string, n []byte, d Data) (rest []byte, length int, ok bool) {
	switch {
	case format == ECI2:
		return n, 4, true
	case format == Visa3:
		return n, index(n, 15), true
	case format == DieboldCo:
		return n[1:], unpadded(n[1:], d.Padding), true
	case !l.counted:
		return n, unpadded(n, d.Padding), true
	case l.bare:
		return n[1:], int(n[0]), true
	}
	return n[2:], int(n[1]), n[0] == l.control
}

func index(n []byte, of byte) int {
	for i, v := range n {
		if v == of {
			return i
		}
	}
	return -1
}

func unpadded(n []byte, padding byte) int {
	end := len(n)
	for end > 0 && n[end-1] == padding {
		end--
	}
	return end
}
