package dialout

import (
	"bytes"
	"testing"
)

// Whatever is read as a request is written again in the same bytes, and nothing
// behind it is taken.
func FuzzRequest(f *testing.F) {
	f.Add([]byte("\x01\x07xfs4iot"))
	f.Add([]byte("\x01\x0e192.168.1.9:22rest"))
	f.Add([]byte("\x01\x00"))
	f.Add([]byte("\x02\x01x"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		r := bytes.NewReader(data)
		target, err := readRequest(r)
		if err != nil {
			return
		}
		again, err := appendRequest(nil, target)
		if err != nil {
			t.Fatalf("%q was read and cannot be written: %v", target, err)
		}
		if !bytes.Equal(again, data[:len(data)-r.Len()]) {
			t.Errorf("%q was read as %q", data, target)
		}
	})
}
