package card

import "errors"

// object is one data object in BER-TLV (EMV 4.3 Book 3, Annex B).
type object struct {
	tag   uint32
	value []byte
}

var errTLV = errors.New("not a list of data objects (BER-TLV)")

// parseTLV reads a list of data objects: tags of up to three bytes, lengths of up
// to two after the first. It does not look into constructed ones.
func parseTLV(data []byte) ([]object, error) {
	var out []object
	for len(data) > 0 {
		if data[0] == 0 { // padding between objects
			data = data[1:]
			continue
		}
		o, rest, ok := oneTLV(data)
		if !ok {
			return nil, errTLV
		}
		out, data = append(out, o), rest
	}
	return out, nil
}

func oneTLV(data []byte) (object, []byte, bool) {
	tag, rest, ok := tlvTag(data)
	if !ok {
		return object{}, nil, false
	}
	n, rest, ok := tlvLength(rest)
	if !ok || n > len(rest) {
		return object{}, nil, false
	}
	return object{tag, rest[:n]}, rest[n:], true
}

func tlvTag(data []byte) (uint32, []byte, bool) {
	tag := uint32(data[0])
	n := 1
	if data[0]&0x1F == 0x1F {
		for more := true; more; n++ {
			if n >= len(data) || n > 2 {
				return 0, nil, false
			}
			tag = tag<<8 | uint32(data[n])
			more = data[n]&0x80 != 0
		}
	}
	return tag, data[n:], true
}

func tlvLength(data []byte) (int, []byte, bool) {
	switch {
	case len(data) == 0:
		return 0, nil, false
	case data[0] < 0x80:
		return int(data[0]), data[1:], true
	case data[0] == 0x81 && len(data) > 1:
		return int(data[1]), data[2:], true
	case data[0] == 0x82 && len(data) > 2:
		return int(data[1])<<8 | int(data[2]), data[3:], true
	}
	return 0, nil, false
}

// encodeTLV writes a list; its values have less than 65536 bytes.
func encodeTLV(list ...object) []byte {
	var out []byte
	for _, o := range list {
		for shift := 16; shift >= 0; shift -= 8 {
			if b := byte(o.tag >> shift); b != 0 || shift == 0 {
				out = append(out, b)
			}
		}
		out = append(out, lengthTLV(len(o.value))...)
		out = append(out, o.value...)
	}
	return out
}

func lengthTLV(n int) []byte {
	switch {
	case n < 0x80:
		return []byte{byte(n)}
	case n < 0x100:
		return []byte{0x81, byte(n)}
	}
	return []byte{0x82, byte(n >> 8), byte(n)}
}

func value(list []object, tag uint32) []byte {
	for _, o := range list {
		if o.tag == tag {
			return o.value
		}
	}
	return nil
}

// digits reads packed decimal digits; a filling F at the end is left out.
func digits(b []byte) (string, bool) {
	var out []byte
	for i, v := range b {
		for j, d := range []byte{v >> 4, v & 0x0F} {
			if d == 0x0F && i == len(b)-1 && j == 1 {
				continue
			}
			if d > 9 {
				return "", false
			}
			out = append(out, '0'+d)
		}
	}
	return string(out), true
}

// packed writes digits so; an odd number of them is filled with F.
func packed(s string) []byte {
	out := make([]byte, (len(s)+1)/2)
	for i := range out {
		low := byte(0x0F)
		if 2*i+1 < len(s) {
			low = nibble(s[2*i+1])
		}
		out[i] = nibble(s[2*i])<<4 | low
	}
	return out
}

// nibble is a digit, or D for the separator of track 2.
func nibble(c byte) byte {
	if c == '=' {
		return 0x0D
	}
	return c - '0'
}
