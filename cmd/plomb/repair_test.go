package main_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// spoil flips one bit in the sealed bytes of an entry, as a failing disk does.
func spoil(t *testing.T, epoch string, index uint64) {
	t.Helper()
	name := filepath.Join(epoch, "00000001.seg")
	b, err := os.ReadFile(name)
	must(t, err)
	for at := 0; at+32 < len(b); at += 8 {
		if bytes.Equal(b[at:at+6], []byte("plmb\x01\x02")) && binary.BigEndian.Uint64(b[at+16:]) == index {
			b[at+32+30] ^= 4
			must(t, os.WriteFile(name, b, 0o600))
			return
		}
	}
	t.Fatalf("no record of entry %d in %s", index, name)
}

// copiedShop is a shop that sold twice, with a copy of it; index is the entry of the
// first sale.
func copiedShop(t *testing.T) (exe, dir, backup string, index uint64) {
	t.Helper()
	exe, dir, backup = program(t), filepath.Join(t.TempDir(), "shop"), filepath.Join(t.TempDir(), "backup")
	r := up(t, exe, dir)
	r.setUp()
	r.signIn()
	r.do("drawer.open", map[string]any{"amount": 10000})
	_, index = r.sell(1)
	r.sell(1)
	r.stop()
	copyWhole(t, backup, dir)
	return exe, dir, backup, index
}

// TestADamagedEntryIsNamedRecordedAndGivenBack flips a bit in the middle of the
// journal: the till still starts, names the hole and records it; a copy gives
// the entry back, and everything verifies as before.
//
// Requirement: FM-18, POS-13
func TestADamagedEntryIsNamedRecordedAndGivenBack(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program and starts it several times")
	}
	exe, dir, backup, index := copiedShop(t)
	again := up(t, exe, dir)
	again.signIn()
	_, late := again.sell(1)
	again.sell(1)
	again.stop()
	spoil(t, filepath.Join(dir, "e1"), index)
	spoil(t, filepath.Join(dir, "e1"), late)

	on := up(t, exe, dir)
	on.signIn()
	if code, _ := on.sell(1); code == "" {
		t.Error("a till with a damaged entry behind it does not sell")
	}
	on.stop()
	shown := call(t, exe, "", "journal", "show", "--dir", dir, "--kind", "recovery", "--json").want(t, 0)
	if !strings.Contains(shown.out, "holes") {
		t.Errorf("the till did not record the hole")
	}
	if v := call(t, exe, "", "journal", "verify", "--dir", dir).want(t, 1, "damaged"); strings.Contains(v.out, "where 5 follows") {
		t.Error("behind the damage a document number was given out twice")
	}

	type repaired struct {
		Epochs []struct {
			Entries []struct {
				Index  uint64
				Mended bool
				Why    string
			}
			Findings []struct{ Index uint64 }
		}
	}
	repair := func(code int, from string, more ...string) (out repaired) {
		t.Helper()
		said := call(t, exe, "", append([]string{"repair", "--dir", dir, "--from", from, "--json"}, more...)...).want(t, code)
		must(t, json.Unmarshal([]byte(said.out), &out))
		if len(out.Epochs) != 1 {
			t.Fatalf("%d epochs, want 1", len(out.Epochs))
		}
		return out
	}
	size := fingerprint(t, filepath.Join(dir, "e1"))
	dry := repair(1, backup, "--dry-run").Epochs[0].Entries
	if len(dry) != 2 || dry[0].Index != index || !dry[0].Mended || dry[1].Index != late || dry[1].Mended || dry[1].Why == "" {
		t.Errorf("dry run: %+v, want entry %d to be mended and entry %d named", dry, index, late)
	}
	for name, was := range size {
		if now, err := os.ReadFile(name); err != nil || string(now) != was {
			t.Errorf("a dry run changed %s (%v)", name, err)
		}
	}
	got := repair(1, backup).Epochs[0]
	if len(got.Entries) != 2 || !got.Entries[0].Mended || got.Entries[1].Mended {
		t.Errorf("repair from an older copy: %+v, want entry %d alone mended", got, index)
	}
	call(t, exe, "", "journal", "show", "--dir", dir, "--kind", "recovery", "--json").want(t, 0, `"mended":1`)
}

// TestARepairFromAWholeCopyLeavesNothingOfTheDamage takes the damaged entry and
// the file JOURNAL from a copy.
//
// Requirement: FM-18, POS-13
func TestARepairFromAWholeCopyLeavesNothingOfTheDamage(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program and starts it")
	}
	exe, dir, backup, index := copiedShop(t)
	segment := filepath.Join(dir, "e1", "00000001.seg")
	was, err := os.ReadFile(segment)
	must(t, err)
	spoil(t, filepath.Join(dir, "e1"), index)
	must(t, os.Remove(filepath.Join(dir, "e1", "JOURNAL")))

	call(t, exe, "", "up", "--dir", dir, "--listen", "127.0.0.1:0").want(t, 1, "plomb repair --dir "+dir)
	call(t, exe, "", "repair", "--dir", dir, "--from", backup).want(t, 0, "the file JOURNAL: mended", "mended (")
	now, err := os.ReadFile(segment)
	must(t, err)
	if n := len(bytes.TrimRight(was, "\x00")); !bytes.Equal(now[:n], was[:n]) {
		t.Error("what was mended is not, byte for byte, what stood there")
	}
	call(t, exe, "", "journal", "verify", "--dir", dir).want(t, 3, "consistent")
	on := up(t, exe, dir)
	on.signIn()
	on.sell(1)
	on.stop()
}
