package epp_test

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/plomb-pos/plomb/driver/sim/epp"
	"github.com/plomb-pos/plomb/driver/sim/simtest"
	"github.com/plomb-pos/plomb/internal/powercut"
	"github.com/plomb-pos/plomb/xfs4iot/keymanagement"
	"github.com/plomb-pos/plomb/xfs4iot/pinpad"
)

// again opens the device as it is after the power came back.
func again(t *testing.T, disk *powercut.Disk, keys ...epp.Preset) *epp.EPP {
	t.Helper()
	e, err := epp.New("PinPad", epp.Options{FS: disk, Factory: maker(t), Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func names(e *epp.EPP) string {
	var out []string
	for _, k := range state(e).Keys {
		out = append(out, k.Name+":"+k.KCV)
	}
	return strings.Join(out, " ")
}

func TestPowerCutAnywhereDuringAnImportLeavesTheKeyWholeOrNot(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	disk := powercut.New()
	_, c := serve(t, epp.Options{FS: disk, Keys: []epp.Preset{preset("KBPK", "K1", "A", "D", aes256)}})
	request := &keymanagement.ImportKeyCommand{Key: "PIN", DecryptKey: "KBPK", Value: block(t, aes256, header('D', "P0", 'T', 'E'), double)}
	seen := map[string]int{}
	disk.Before(func(powercut.Op) {
		for _, keep := range []powercut.Keep{powercut.KeepNone, powercut.KeepSome, powercut.KeepAll} {
			got := names(again(t, disk.Cut(rng, keep)))
			seen[got]++
		}
	})
	simtest.Must(c, keymanagement.ImportKey, request)
	disk.Before(nil)
	after := names(again(t, disk.Cut(rng, powercut.KeepNone)))
	if !strings.HasSuffix(after, " PIN:08D7B4") {
		t.Errorf("after it was acknowledged: %s", after)
	}
	for got := range seen {
		if got != after && got+" PIN:08D7B4" != after {
			t.Errorf("in between: %s", got)
		}
	}
	if len(seen) != 2 {
		t.Errorf("states seen: %v", seen)
	}
}

func TestPowerCutAnywhereDuringATamperNeverBringsKeysBackHalf(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 8))
	disk := powercut.New()
	e := again(t, disk, preset("A", "P0", "T", "E", double), preset("B", "P0", "T", "E", double))
	disk.Before(func(powercut.Op) {
		s := state(again(t, disk.Cut(rng, powercut.KeepSome)))
		if s.Tampered && len(s.Keys) != 0 || !s.Tampered && len(s.Keys) != 2 {
			t.Errorf("tampered %v with %d keys", s.Tampered, len(s.Keys))
		}
	})
	if err := e.Tamper(); err != nil {
		t.Fatal(err)
	}
	disk.Before(nil)
	if s := state(again(t, disk.Cut(rng, powercut.KeepNone), preset("A", "P0", "T", "E", double))); !s.Tampered || len(s.Keys) != 0 {
		t.Errorf("after a restart: %+v", s)
	}
}

// A DUKPT key must never be used twice: what was answered is behind the counter on
// any disk that is left.
func TestPowerCutNeverRepeatsATransactionKey(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 9))
	disk := powercut.New()
	o := epp.Options{FS: disk, Keys: []epp.Preset{{Name: "IPEK", Usage: "B1", Algorithm: "T", ModeOfUse: "X", Value: "6AC292FAA1315B4D858AB3A3D7D5933A", KSN: "FFFF9876543210E00000"}}}
	seen := [][]byte{}
	for range 5 {
		e, c := serve(t, o)
		enter(t, e, c, "1234")
		got, _ := simtest.Must(c, pinpad.GetPinBlock, &pinpad.GetPinBlockCommand{Format: "iso0", Key: "IPEK", CustomerData: "401234567890", Padding: new(15)})
		for _, other := range seen {
			if bytes.Equal(other, got.PinBlock) {
				t.Fatalf("%x twice", got.PinBlock)
			}
		}
		seen = append(seen, got.PinBlock)
		o.FS = disk.Cut(rng, powercut.KeepNone)
		disk = o.FS.(*powercut.Disk)
	}
}

func TestKeysNeverLieInClearOnDisk(t *testing.T) {
	disk := powercut.New()
	again(t, disk, preset("A", "P0", "T", "E", double))
	list, err := disk.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range list {
		data, err := disk.ReadFile(name)
		if err != nil || bytes.Contains(data, unhex(t, double)) || bytes.Contains(data, []byte(double)) {
			t.Errorf("%s holds the key, or %v", name, err)
		}
	}
	if len(list) < 2 {
		t.Errorf("files %q", list)
	}
}
