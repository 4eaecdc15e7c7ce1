package bin_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/plomb-pos/plomb/driver/sim/bin"
	"github.com/plomb-pos/plomb/driver/sim/simtest"
	"github.com/plomb-pos/plomb/internal/powercut"
	"github.com/plomb-pos/plomb/xfs4iot"
	"github.com/plomb-pos/plomb/xfs4iot/common"
	"github.com/plomb-pos/plomb/xfs4iot/host"
	"github.com/plomb-pos/plomb/xfs4iot/storage"
)

var pocket = bin.Setup{Unit: "unitPOCKET", ID: "POC", Kind: bin.Check, Capacity: 10, MediaIn: true}
var retracts = bin.Setup{Unit: "unitRETRACT", ID: "RET", Kind: bin.Check, Capacity: 3, Retract: true}

// Requirement: XFS-10
func TestCountsSurviveALossOfPowerAtAnyMoment(t *testing.T) {
	for seed := range uint64(40) {
		rng := rand.New(rand.NewPCG(seed, 1))
		disk := powercut.New()
		rack, err := bin.Open(disk, "", pocket, retracts)
		if err != nil {
			t.Fatal(err)
		}
		acknowledged, running := 0, 0
		disk.Before(func(op powercut.Op) {
			if op.N == 0 {
				return
			}
			again, err := bin.Open(disk.Cut(rng, powercut.AnyKeep(rng)), "", pocket, retracts)
			if err != nil {
				t.Fatalf("seed %d, before %v: %v", seed, op, err)
			}
			if n := again.Count("unitPOCKET"); n != acknowledged && n != running {
				t.Fatalf("seed %d, before %v: %d items, want %d or %d", seed, op, n, acknowledged, running)
			}
		})
		for range 10 {
			running = acknowledged + 1
			if err := rack.Put("unitPOCKET", 1); err != nil {
				t.Fatal(err)
			}
			acknowledged = running
		}
		if err := rack.Put("unitPOCKET", 1); err == nil {
			t.Fatal("the eleventh item went into a pocket for ten")
		}
	}
}

func TestAfterAFailedWriteNothingIsCounted(t *testing.T) {
	disk := powercut.New()
	rack, err := bin.Open(disk, "", pocket)
	if err != nil {
		t.Fatal(err)
	}
	disk.FailWhen(func(op powercut.Op) bool { return op.Kind == "sync" }, fmt.Errorf("bad sector"), false)
	if err := rack.Put("unitPOCKET", 1); err == nil {
		t.Fatal("counted without keeping it")
	}
	disk.Heal()
	if err := rack.Put("unitPOCKET", 1); err == nil || rack.Failed() == nil {
		t.Errorf("counted after a failed write: %v", err)
	}
}

func serve(t *testing.T, rack *bin.Rack) *simtest.Client {
	t.Helper()
	s := host.NewService("Bins", host.Declaration{
		Status: common.StatusCompletion{Common: &common.StatusProperties{Device: common.DeviceOnline}}, Events: bin.Events(),
	})
	say := func(e xfs4iot.Event) { _ = s.Broadcast(e) }
	rack.Handle(s, new(sync.Mutex), func() bool { return false }, say, func() {})
	return simtest.Serve(t, s)
}

// Requirement: XFS-10
func TestCheckStorageThatIsNotDetectedIsNull(t *testing.T) {
	rack, err := bin.Open(nil, "", pocket, retracts)
	if err != nil {
		t.Fatal(err)
	}
	c := serve(t, rack)
	simtest.ServesAll(t, c, storage.Description)
	get := func() map[string]*storage.StorageUnit {
		got, _ := simtest.Must(c, storage.GetStorage, &storage.GetStorageCommand{})
		return got.Storage
	}
	if all := get(); all["unitPOCKET"] == nil || all["unitRETRACT"] == nil || *all["unitPOCKET"].Check.Status.In.Count != 0 {
		t.Errorf("storage = %v", all)
	}
	_ = rack.Hide("unitPOCKET")
	if unit, named := get()["unitPOCKET"]; unit != nil || !named {
		t.Errorf("a unit that is not detected: %v, named %v; want null", unit, named)
	}
	_ = rack.Hide("unitRETRACT")
	if all := get(); all != nil {
		t.Errorf("no unit is detected: %v, want null", all)
	}
}

func TestAnExchangeSetsCountsAndForgivesHandling(t *testing.T) {
	rack, err := bin.Open(nil, "", pocket, retracts)
	if err != nil {
		t.Fatal(err)
	}
	c := serve(t, rack)
	set := &storage.SetStorageCommand{Storage: map[string]*storage.SetStorageUnit{"unitPOCKET": {Check: &storage.CheckStorageSet{
		Status: &storage.CheckStorageStatusSet{Initial: &storage.CheckStorageStatusSetInitial{Count: new(4), MediaInCount: new(4)}},
	}}}}
	if _, _, err := simtest.Do(c, storage.SetStorage, set); simtest.Code(err) != "noExchangeActive" {
		t.Errorf("set without exchange = %v", err)
	}
	_ = rack.TakeOut("unitPOCKET")
	_ = rack.PutBack("unitPOCKET")
	if s := rack.View()[0].Status; s != storage.StatusManipulated {
		t.Errorf("handled outside of an exchange: %s", s)
	}
	simtest.Must(c, storage.StartExchange, &storage.StartExchangeCommand{})
	if _, _, err := simtest.Do(c, storage.StartExchange, &storage.StartExchangeCommand{}); simtest.Code(err) != "exchangeActive" {
		t.Errorf("second exchange = %v", err)
	}
	simtest.Must(c, storage.SetStorage, set)
	var changed storage.StorageChangedEvent
	c.Heard(&changed)
	if u := changed.Extra["unitPOCKET"]; u == nil || *u.Check.Status.Initial.Count != 4 {
		t.Errorf("event = %v", changed)
	}
	simtest.Must(c, storage.EndExchange, &storage.EndExchangeCommand{})
	if v := rack.View()[0]; v.Status != storage.StatusOk || v.Items != 4 {
		t.Errorf("after the exchange: %+v", v)
	}
	wrong := &storage.SetStorageCommand{Storage: map[string]*storage.SetStorageUnit{"unitNONE": {}}}
	simtest.Must(c, storage.StartExchange, &storage.StartExchangeCommand{})
	if _, _, err := simtest.Do(c, storage.SetStorage, wrong); simtest.Code(err) != "invalidUnit" {
		t.Errorf("unknown unit = %v", err)
	}
}
