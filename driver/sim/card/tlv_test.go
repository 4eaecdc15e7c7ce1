package card

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"
)

func FuzzNoListOfDataObjectsEndsTheProgram(f *testing.F) {
	f.Add([]byte{0x9F, 0x02, 6, 0, 0, 0, 0, 0x60, 0x00})
	f.Add([]byte{0x5F, 0xFF, 0xFF, 1})
	f.Add([]byte{0x82, 0x82, 0xFF, 0xFF})
	f.Fuzz(func(t *testing.T, data []byte) {
		list, err := parseTLV(data)
		if err != nil {
			return
		}
		again, err := parseTLV(encodeTLV(list...))
		if err != nil || len(again) != len(list) {
			t.Fatalf("%d objects became %d: %v", len(list), len(again), err)
		}
		for i := range list {
			if list[i].tag != again[i].tag || !bytes.Equal(list[i].value, again[i].value) {
				t.Errorf("object %d changed", i)
			}
		}
	})
}

func TestDigitsAreReadAsTheyWerePacked(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[0-9]{1,19}`).Draw(t, "digits")
		if got, ok := digits(packed(text)); !ok || got != text {
			t.Fatalf("%s became %s", text, got)
		}
	})
	if _, ok := digits([]byte{0xAB}); ok {
		t.Error("letters are digits")
	}
}
