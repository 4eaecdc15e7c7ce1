package pinblock_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/plomb-pos/plomb/driver/pinblock"
	"github.com/plomb-pos/plomb/driver/symmetric"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestBlocksAreWhatTheFormatsSay(t *testing.T) {
	for _, v := range []struct {
		format, pin, customer string
		padding               byte
		block                 string // a prefix where the rest is random
	}{
		{pinblock.ISO0, "1234", "401234567890", 0, "041274edcba9876f"},            // X9.24-1:2009 A.4
		{pinblock.ISO0, "1234", "555555555123456", 0, "041261aaaaedcba9"},         // psec
		{pinblock.ISO0, "123456789012", "555555555123456", 0, "0c1261032d8226a9"}, // psec
		{pinblock.ISO0, "1234", "554433221100996", 0, "041277cddeeff669"},         // psec
		{pinblock.ISO0, "1234", "123", 0, "041234fffffffedc"},                     // short number: zeros
		{pinblock.ANSI, "1234", "401234567890", 0, "041274edcba9876f"},            // as ISO 0
		{pinblock.ISO1, "1234", "1234567890", 0, "1412341234567890"},              // transaction field
		{pinblock.ISO1, "123456", "1234567890", 0, "1612345612345678"},            // less of it
		{pinblock.EMV, "1234", "", 0, "241234ffffffffff"},                         // EMV book 3, 6.5.12
		{pinblock.EMV, "123456789012", "", 0, "2c123456789012ff"},                 // psec
		{pinblock.ISO3, "1234", "555555555123456", 0, "341261"},                   // psec
		{pinblock.ISO3, "123456789012", "555555555123456", 0, "3c1261032d8226"},   // psec
		{pinblock.ISO4, "1234", "", 0, "441234aaaaaaaaaa"},                        // psec
		{pinblock.IBM3624, "1234", "", 15, "1234ffffffffffff"},
		{pinblock.IBM3624, "1234567890123456", "", 0, "1234567890123456"},
		{pinblock.ECI2, "1234", "", 3, "1234333333333333"},
		{pinblock.ECI3, "12345", "", 15, "512345ffffffffff"},
		{pinblock.Visa, "1234", "", 9, "4123400999999999"},
		{pinblock.Visa, "123456", "", 1, "6123456111111111"},
		{pinblock.Diebold, "12345", "", 15, "12345fffffffffff"},
		{pinblock.DieboldCo, "1234", "0A", 15, "a1234fffffffffff"},
		{pinblock.Visa3, "12345", "", 7, "12345f7777777777"},
	} {
		d := pinblock.Data{Customer: v.customer, Padding: v.padding}
		block, err := pinblock.Format(v.format, []byte(v.pin), d)
		if err != nil || !strings.HasPrefix(hex.EncodeToString(block), v.block) || len(block) != pinblock.Size(v.format) {
			t.Errorf("Format(%s, %s, %q) = %x, %v, want %s", v.format, v.pin, v.customer, block, err, v.block)
			continue
		}
		pin, err := pinblock.Parse(v.format, block, d)
		if err != nil || string(pin) != v.pin {
			t.Errorf("Parse(%s, %x) = %s, %v, want %s", v.format, block, pin, err, v.pin)
		}
	}
}

func TestFormat4EnciphersAsPublished(t *testing.T) {
	field, err := pinblock.AccountFieldISO4("112233445566778899")
	if err != nil || hex.EncodeToString(field) != "61122334455667788990000000000000" {
		t.Errorf("AccountFieldISO4 = %x, %v", field, err)
	}
	aes, err := symmetric.New(symmetric.AES, unhex(t, "00112233445566778899aabbccddeeff"))
	if err != nil {
		t.Fatal(err)
	}
	clear, err := pinblock.DecipherISO4(aes, unhex(t, "7cdf645c86caf763ae34637a66997534"), "1234567890123456") // psec
	if err != nil {
		t.Fatal(err)
	}
	if pin, err := pinblock.Parse(pinblock.ISO4, clear, pinblock.Data{}); err != nil || string(pin) != "1234" {
		t.Errorf("the PIN of psec's block is %s, %v in %x", pin, err, clear)
	}
	if back, err := pinblock.EncipherISO4(aes, clear, "1234567890123456"); err != nil || hex.EncodeToString(back) != "7cdf645c86caf763ae34637a66997534" {
		t.Errorf("enciphered again: %x, %v", back, err)
	}
}

func TestWhatIsFormattedParses(t *testing.T) {
	formats := []string{pinblock.ANSI, pinblock.ISO0, pinblock.ISO1, pinblock.ECI2, pinblock.ECI3, pinblock.Visa, pinblock.Visa3,
		pinblock.EMV, pinblock.ISO3, pinblock.ISO4, pinblock.IBM3624, pinblock.Diebold, pinblock.DieboldCo}
	rapid.Check(t, func(t *rapid.T) {
		format := rapid.SampledFrom(formats).Draw(t, "format")
		pin := rapid.StringMatching(`[0-9]{3,13}`).Draw(t, "pin")
		d := pinblock.Data{Customer: rapid.StringMatching(`[0-9]{12,19}`).Draw(t, "customer"), Padding: 15}
		if format == pinblock.Visa {
			d.Padding = 7
		}
		if format == pinblock.DieboldCo {
			d.Customer = "0" + d.Customer[:1]
		}
		block, err := pinblock.Format(format, []byte(pin), d)
		if err != nil {
			if !errors.Is(err, pinblock.ErrPIN) {
				t.Fatal(err)
			}
			return
		}
		back, err := pinblock.Parse(format, block, d)
		if err != nil || string(back) != pin {
			t.Fatalf("%s of %s is %x, parsed %s %v", format, pin, block, back, err)
		}
	})
}

func TestWhatAFormatDoesNotTakeIsRefused(t *testing.T) {
	for _, v := range []struct {
		format, pin string
		data        pinblock.Data
		want        error
	}{
		{"banksys", "1234", pinblock.Data{}, pinblock.ErrFormat},
		{pinblock.ISO0, "123", pinblock.Data{}, pinblock.ErrPIN},
		{pinblock.ISO0, "12a4", pinblock.Data{}, pinblock.ErrPIN},
		{pinblock.ISO0, "1234567890123", pinblock.Data{}, pinblock.ErrPIN},
		{pinblock.ECI2, "12345", pinblock.Data{}, pinblock.ErrPIN},
		{pinblock.ANSI, "1234", pinblock.Data{Customer: "12345678901"}, pinblock.ErrData},
		{pinblock.ISO0, "1234", pinblock.Data{Customer: "12345678901f"}, pinblock.ErrData},
		{pinblock.ISO1, "1234", pinblock.Data{Customer: "123456789"}, pinblock.ErrData},
		{pinblock.DieboldCo, "1234", pinblock.Data{Customer: "1A"}, pinblock.ErrData},
		{pinblock.Visa, "1234", pinblock.Data{Padding: 10}, pinblock.ErrPadding},
		{pinblock.IBM3624, "1234", pinblock.Data{Padding: 16}, pinblock.ErrPadding},
	} {
		if block, err := pinblock.Format(v.format, []byte(v.pin), v.data); !errors.Is(err, v.want) || block != nil {
			t.Errorf("Format(%s) = %x, %v, want %v", v.format, block, err, v.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(pinblock.ISO0, []byte("\x04\x12\x74\xed\xcb\xa9\x87\x6f"), "401234567890", byte(0))
	f.Add(pinblock.Visa3, []byte("\x12\x34\x5f\x77\x77\x77\x77\x77"), "", byte(7))
	f.Add(pinblock.ISO4, bytes.Repeat([]byte{0x44}, 16), "", byte(0))
	f.Fuzz(func(t *testing.T, format string, block []byte, customer string, padding byte) {
		d := pinblock.Data{Customer: customer, Padding: padding}
		pin, err := pinblock.Parse(format, block, d)
		if err != nil {
			return
		}
		again, err := pinblock.Format(format, pin, d)
		if err != nil {
			return // padding or customer data that only Format needs
		}
		if same, err := pinblock.Parse(format, again, d); err != nil || !bytes.Equal(same, pin) {
			t.Fatalf("%s: %q formatted and parsed is %q, %v", format, pin, same, err)
		}
	})
}
