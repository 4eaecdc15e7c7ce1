package dukpt_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/plomb-pos/plomb/driver/dukpt"
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

// The keys and the serial number of X9.24-1:2009, annex A.4.
const (
	base    = "0123456789ABCDEFFEDCBA9876543210"
	initial = "6AC292FAA1315B4D858AB3A3D7D5933A"
	serial  = "FFFF9876543210E00000"
)

func start(t testing.TB) *dukpt.Generator {
	t.Helper()
	g, err := dukpt.New(unhex(t, initial), unhex(t, serial))
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestTheInitialKeyIsThatOfTheStandard(t *testing.T) {
	key, err := dukpt.InitialKey(unhex(t, base), unhex(t, serial))
	if err != nil || hex.EncodeToString(key) != strings.ToLower(initial) {
		t.Errorf("InitialKey = %x, %v, want %s", key, err, initial)
	}
}

// PIN 1234, account number 4012345678909 (X9.24-1:2009, A.4).
func TestThePINBlocksAreThoseOfTheStandard(t *testing.T) {
	g := start(t)
	for _, want := range []string{
		"ffff9876543210e00001 1b9c1845eb993a7a",
		"ffff9876543210e00002 10a01c8d02c69107",
		"ffff9876543210e00003 18dc07b94797b466",
	} {
		tx, err := g.Next()
		if err != nil {
			t.Fatal(err)
		}
		block, err := symmetric.Encrypt(symmetric.TDES, symmetric.ECB, tx.PIN(), nil, unhex(t, "041274EDCBA9876F"))
		if got := hex.EncodeToString(tx.KSN) + " " + hex.EncodeToString(block); err != nil || got != want {
			t.Errorf("%s, %v, want %s", got, err, want)
		}
	}
}

func TestARestoredGeneratorGoesOn(t *testing.T) {
	one, two := start(t), start(t)
	for range 300 {
		a, err := one.Next()
		if err != nil {
			t.Fatal(err)
		}
		if two, err = dukpt.Restore(two.State()); err != nil {
			t.Fatal(err)
		}
		b, err := two.Next()
		if err != nil || !bytes.Equal(a.PIN(), b.PIN()) || !bytes.Equal(a.KSN, b.KSN) {
			t.Fatalf("%x %x, %v", a.KSN, b.KSN, err)
		}
	}
}

func TestTheKeyOfATransactionIsNowhereInTheStateAfterIt(t *testing.T) {
	g := start(t)
	for range 200 {
		tx, err := g.Next()
		if err != nil {
			t.Fatal(err)
		}
		key := tx.PIN()
		key[7] ^= 0xff
		key[15] ^= 0xff
		if bytes.Contains(g.State(), key) || bytes.Contains(g.State(), unhex(t, initial)) {
			t.Fatalf("state after %x holds its key", tx.KSN)
		}
	}
}

func TestTheUsesHaveDifferentKeys(t *testing.T) {
	tx, err := start(t).Next()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, key := range [][]byte{tx.PIN(), tx.RequestMAC(), tx.ResponseMAC(), tx.RequestData(), tx.ResponseData()} {
		seen[string(key)] = len(key) == dukpt.KeySize
	}
	if len(seen) != 5 {
		t.Errorf("%d different keys, want 5", len(seen))
	}
}

func TestAGeneratorEndsWhenItsCounterDoes(t *testing.T) {
	if testing.Short() {
		t.Skip("a million transactions")
	}
	g, n := start(t), 0
	for {
		tx, err := g.Next()
		if errors.Is(err, dukpt.ErrOverflow) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		tx.Clear()
		n++
	}
	if n != 1048575 { // the ways to set 1 to 10 of 21 bits
		t.Errorf("%d transactions", n)
	}
}

func TestWrongLengthsAreRefused(t *testing.T) {
	for _, err := range []error{
		second(dukpt.New(make([]byte, 24), make([]byte, 10))), second(dukpt.New(make([]byte, 16), make([]byte, 8))),
		second(dukpt.Restore(nil)), second(dukpt.InitialKey(nil, nil)),
	} {
		if !errors.Is(err, dukpt.ErrLength) {
			t.Errorf("%v, want ErrLength", err)
		}
	}
}

func second[T any](_ T, err error) error { return err }
