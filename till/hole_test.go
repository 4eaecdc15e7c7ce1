package till_test

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/staff"
	"github.com/plomb-pos/plomb/till/tilltest"
)

// spoil flips a bit in the sealed bytes of an entry; again, it is back.
func spoil(t *testing.T, dir string, index uint64) {
	t.Helper()
	name := filepath.Join(dir, "e1", "00000001.seg")
	b, err := os.ReadFile(name)
	ok(t, err)
	for at := 0; at+32 < len(b); at += 8 {
		if bytes.Equal(b[at:at+6], []byte("plmb\x01\x02")) && binary.BigEndian.Uint64(b[at+16:]) == index {
			b[at+62] ^= 4
			ok(t, os.WriteFile(name, b, 0o600))
			return
		}
	}
	t.Fatalf("no record of entry %d", index)
}

// A receipt that nobody can read any more, and behind which no document tells its
// number: the next one does not get that number, the day can be closed, and the
// journal is right without the entry and with it.
//
// Requirement: POS-08, FM-18
func TestTheNumberOfADamagedReceiptIsNotGivenOutAgain(t *testing.T) {
	shop := tilltest.New(t, tilltest.WithoutDevices())
	boss := shop.As(staff.Supervisor)
	boss.Do("drawer.open", "amount", 10000)
	boss.Sell("BRD-01")
	middle := boss.Sell("BRD-01")
	boss.Sell("BRD-01")
	last := boss.Sell("BRD-01")
	shop.Close()
	spoil(t, shop.Dir, middle.Index)
	spoil(t, shop.Dir, last.Index)
	shop.Restart()

	boss = shop.As(staff.Supervisor)
	next := boss.Sell("BRD-01")
	if next.Number <= last.Number {
		t.Errorf("number %d follows the damaged receipt %d", next.Number, last.Number)
	}
	shop.Restart() // the damage is found again, and changes nothing more
	boss = shop.As(staff.Supervisor)
	if again := boss.Sell("BRD-01"); again.Number != next.Number+1 {
		t.Errorf("number %d follows %d", again.Number, next.Number)
	}
	boss = shop.As(staff.FinancialManager)
	boss.Do("drawer.count", "amount", 0)
	boss.Do("drawer.close", "amount", 0)
	boss.Approved(staff.FinancialManager, "report.z")
	shop.Close()

	s := open(t, durable.OS{}, shop.Dir)
	s.lawfulBut(middle.Index, last.Index)
	spoil(t, shop.Dir, middle.Index)
	spoil(t, shop.Dir, last.Index)
	s.lawfulBut()
}
