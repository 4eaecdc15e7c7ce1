package slot

import (
	"bytes"
	"testing"
)

func FuzzTable(f *testing.F) {
	f.Add(Table{}.encode())
	f.Add(Table{Generation: 7, Active: B, Trial: true, Tries: 3, Starts: 30, Floors: [2]uint64{1, 2}}.encode())
	f.Fuzz(func(t *testing.T, data []byte) {
		table, err := decode(data)
		if err == nil && !bytes.Equal(table.encode(), data) {
			t.Errorf("%+v encodes to other bytes", table)
		}
	})
}

func FuzzLine(f *testing.F) {
	f.Add(encodeLine(Line{Sequence: 3, Text: "trial started"}))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) != lineSize {
			return
		}
		if l, ok := decodeLine(data); ok && len(l.Text) > maxLine {
			t.Errorf("%+v is too long", l)
		}
	})
}
