package proof

import "fmt"

// alphabet45 is the alphanumeric mode of QR codes (RFC 9285, table 1).
const alphabet45 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"

var digit45 = func() (d [256]int8) {
	for i := range d {
		d[i] = -1
	}
	for i := range len(alphabet45) {
		d[alphabet45[i]] = int8(i)
	}
	return d
}()

// appendBase45 encodes pairs of bytes as three digits, the lowest first (RFC 9285, section 4).
func appendBase45(dst, b []byte) []byte {
	for ; len(b) >= 2; b = b[2:] {
		n := int(b[0])<<8 | int(b[1])
		dst = append(dst, alphabet45[n%45], alphabet45[n/45%45], alphabet45[n/2025])
	}
	if len(b) == 1 {
		dst = append(dst, alphabet45[b[0]%45], alphabet45[b[0]/45])
	}
	return dst
}

// decodeBase45 accepts exactly what appendBase45 writes.
func decodeBase45(s string) ([]byte, error) {
	if len(s)%3 == 1 {
		return nil, fmt.Errorf("%w: base45 of %d characters", ErrFormat, len(s))
	}
	out := make([]byte, 0, len(s)/3*2+1)
	for ; len(s) >= 3; s = s[3:] {
		n, ok := value45(s[:3])
		if !ok || n > 0xffff {
			return nil, fmt.Errorf("%w: base45 group %q", ErrFormat, s[:3])
		}
		out = append(out, byte(n>>8), byte(n))
	}
	if len(s) == 2 {
		n, ok := value45(s)
		if !ok || n > 0xff {
			return nil, fmt.Errorf("%w: base45 group %q", ErrFormat, s)
		}
		out = append(out, byte(n))
	}
	return out, nil
}

func value45(s string) (n int, ok bool) {
	for i := len(s) - 1; i >= 0; i-- {
		d := digit45[s[i]]
		if d < 0 {
			return 0, false
		}
		n = n*45 + int(d)
	}
	return n, true
}
