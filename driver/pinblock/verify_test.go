package pinblock_test

import (
	"crypto/cipher"
	"errors"
	"strings"
	"testing"

	"github.com/plomb-pos/plomb/driver/pinblock"
	"github.com/plomb-pos/plomb/driver/symmetric"
)

func verificationKey(t testing.TB) cipher.Block {
	t.Helper()
	block, err := symmetric.New(symmetric.TDES, unhex(t, "0123456789ABCDEFFEDCBA9876543210"))
	if err != nil {
		t.Fatal(err)
	}
	return block
}

// The values are those of psec's tests, an independent implementation.
func TestIBM3624OffsetsAreAsPublished(t *testing.T) {
	for _, v := range []struct{ offset, validation, pin string }{
		{"0000", "1122334455667788", "4524"}, {"1111", "1122334455667788", "5635"}, {"6586", "1122334455667788", "0000"},
		{"7697", "1122334455667788", "1111"}, {"7710", "1122334455667788", "1234"}, {"0000", "11223344556677FF", "5518"},
		{"0000", "1223344556677811", "3675"}, {"0000", "2233445566778811", "5550"},
	} {
		o := pinblock.OffsetIBM3624{Validation: v.validation, Table: "1234567890123456", Offset: v.offset}
		if ok, err := o.Check(verificationKey(t), []byte(v.pin)); !ok || err != nil {
			t.Errorf("offset %s, %s: PIN %s is %v, %v", v.offset, v.validation, v.pin, ok, err)
		}
		wrong := string(v.pin[0]^1) + v.pin[1:]
		if ok, err := o.Check(verificationKey(t), []byte(wrong)); ok || err != nil {
			t.Errorf("offset %s, %s: PIN %s is %v, %v", v.offset, v.validation, wrong, ok, err)
		}
	}
}

func TestALeadingZeroBecomesOneWhenAsked(t *testing.T) {
	o := pinblock.OffsetIBM3624{Validation: "1122334455667788", Table: "1234567890123456", Offset: "6586", NoLeadingZero: true}
	if ok, err := o.Check(verificationKey(t), []byte("1000")); !ok || err != nil {
		t.Errorf("1000 is %v, %v", ok, err)
	}
}

func TestVisaValuesAreAsPublished(t *testing.T) {
	for _, v := range []struct {
		index             byte
		pin, account, pvv string
	}{
		{'1', "4524", "1122334455667788", "8523"}, {'2', "1912", "1122334455667788", "3244"}, {'1', "0570", "1122334455667718", "3144"},
		{'1', "8299", "1122334455667708", "4422"}, {'3', "4524", "1122334455667788", "4021"},
	} {
		eleven := v.account[4:15]
		got, err := pinblock.PVV(verificationKey(t), eleven, v.index, []byte(v.pin))
		if err != nil || string(got) != v.pvv {
			t.Errorf("PVV(%s, %c, %s) = %s, %v, want %s", eleven, v.index, v.pin, got, err, v.pvv)
		}
		if ok, err := pinblock.CheckPVV(verificationKey(t), eleven, v.index, []byte(v.pin), v.pvv); !ok || err != nil {
			t.Errorf("CheckPVV = %v, %v", ok, err)
		}
	}
}

func TestMalformedValidationDataIsRefused(t *testing.T) {
	key := verificationKey(t)
	good := pinblock.OffsetIBM3624{Validation: "1122334455667788", Table: "1234567890123456"}
	for name, change := range map[string]func(*pinblock.OffsetIBM3624){
		"short data":   func(o *pinblock.OffsetIBM3624) { o.Validation = "112" },
		"other data":   func(o *pinblock.OffsetIBM3624) { o.Validation = strings.Repeat("x", 16) },
		"hex in table": func(o *pinblock.OffsetIBM3624) { o.Table = "123456789012345A" },
		"offset":       func(o *pinblock.OffsetIBM3624) { o.Offset = "x" },
	} {
		o := good
		change(&o)
		if _, err := o.Check(key, []byte("1234")); !errors.Is(err, pinblock.ErrValidation) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := pinblock.PVV(key, "123", '1', []byte("1234")); !errors.Is(err, pinblock.ErrValidation) {
		t.Errorf("PVV with a short account number: %v", err)
	}
	if _, err := pinblock.PVV(key, "12345678901", '1', []byte("123")); !errors.Is(err, pinblock.ErrPIN) {
		t.Errorf("PVV with a short PIN: %v", err)
	}
}
