package cash_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/plomb-pos/plomb/driver/sim/cash"
	"github.com/plomb-pos/plomb/driver/sim/cash/vault"
	"github.com/plomb-pos/plomb/driver/sim/simtest"
	"github.com/plomb-pos/plomb/internal/powercut"
	"github.com/plomb-pos/plomb/xfs4iot"
	"github.com/plomb-pos/plomb/xfs4iot/cashacceptor"
	"github.com/plomb-pos/plomb/xfs4iot/cashdispenser"
	"github.com/plomb-pos/plomb/xfs4iot/cashmanagement"
	"github.com/plomb-pos/plomb/xfs4iot/client"
	"github.com/plomb-pos/plomb/xfs4iot/storage"
)

// player does random things to a device, as clients, customers and bad luck do.
type player struct {
	t   *testing.T
	d   *cash.Device
	c   *simtest.Client
	rng *rand.Rand
}

func pick[T any](p player, list ...T) T { return list[p.rng.IntN(len(list))] }

// step does one thing; whether it can be done does not matter.
func (p player) step() (string, error) {
	unit := pick(p, "unitA", "unitB", "unitC", "unitD", "unitBOX", "unitREJECT", "unitRETRACT")
	area := cashmanagement.RetractTarget{RetractArea: pick[cashmanagement.RetractArea](p, "retract", "reject", "itemCassette", "cashIn", "stacker", "transport")}
	steps := []func() error{
		func() error {
			req := dispense(fmt.Sprint(5 * (1 + p.rng.IntN(60))))
			req.Denomination.Denomination.Service.Mix = pick(p, "mix1", "mix2", "mix3")
			_, _, err := simtest.Do(p.c, cashdispenser.Dispense, req)
			return err
		},
		func() error { _, _, err := simtest.Do(p.c, cashdispenser.Present, nil); return err },
		func() error { return p.d.TakeSome(p.rng.IntN(3)) },
		func() error { return p.d.Take() },
		func() error { _, _, err := simtest.Do(p.c, cashdispenser.Reject, nil); return err },
		func() error {
			_, _, err := simtest.Do(p.c, cashmanagement.Retract, &cashmanagement.RetractCommand{Location: &area})
			return err
		},
		func() error { _, _, err := simtest.Do(p.c, cashmanagement.Reset, nil); return err },
		func() error {
			to := &cashmanagement.ItemTargetData{Target: cashmanagement.ItemTargetEnumSingleUnit, Unit: unit}
			_, _, err := simtest.Do(p.c, cashmanagement.Reset, &cashmanagement.ResetCommand{Position: to})
			return err
		},
		func() error { _, _, err := simtest.Do(p.c, cashdispenser.TestCashUnits, nil); return err },
		func() error { _, _, err := simtest.Do(p.c, cashacceptor.CashInStart, nil); return err },
		p.insert, p.insert,
		func() error { _, _, err := simtest.Do(p.c, cashacceptor.CashInEnd, nil); return err },
		func() error { _, _, err := simtest.Do(p.c, cashacceptor.CashInRollback, nil); return err },
		func() error {
			_, _, err := simtest.Do(p.c, cashacceptor.Deplete, &cashacceptor.DepleteCommand{CashUnitTarget: "unitBOX",
				DepleteSources: []cashacceptor.DepleteCommandDepleteSourcesItem{{Source: unit, NumberOfItemsToMove: new(p.rng.IntN(20))}}})
			return err
		},
		func() error {
			_, _, err := simtest.Do(p.c, cashacceptor.Replenish, &cashacceptor.ReplenishCommand{Source: "unitBOX",
				ReplenishTargets: []cashacceptor.ReplenishCommandReplenishTargetsItem{{Target: unit}}})
			return err
		},
		func() error {
			return p.d.Arm(pick(p, cash.FaultJam, cash.FaultShort, cash.FaultDouble, cash.FaultShutter, cash.FaultRefuse, cash.FaultPower, cash.FaultPresent), p.rng.IntN(4))
		},
		func() error { return p.d.TooLate() },
		func() error { return p.d.Mend() },
		func() error { return p.d.Mend() },
		func() error { return p.d.TakeOut(unit) },
		func() error { return p.d.Refill(unit, p.rng.IntN(200)) },
		func() error { return p.d.Empty(unit) },
		p.exchange,
	}
	steps = append(steps, steps[0], steps[0], steps[0], steps[1], steps[1], steps[1], steps[2], steps[3]) // what a shop does most
	i := p.rng.IntN(len(steps))
	err := steps[i]()
	p.defined(err)
	return fmt.Sprintf("%d: %v", i, err), err
}

// defined checks that a command ended with a code that its description has.
func (p player) defined(err error) {
	var e *xfs4iot.Error
	if !errors.As(err, &e) {
		return
	}
	if e.Code == xfs4iot.InternalError {
		p.t.Errorf("%v", e)
	}
	for _, i := range []xfs4iot.Interface{cashdispenser.Description, cashacceptor.Description, cashmanagement.Description, storage.Description} {
		for _, cmd := range i.Commands {
			if cmd.Name == e.Command && e.ErrorCode != "" && !slices.Contains(cmd.ErrorCodes, e.ErrorCode) {
				p.t.Errorf("%v: no code of this command", e)
			}
		}
	}
}

// insert sends CashIn and puts notes in once it waits for some.
func (p player) insert() error {
	ctx, cancel := context.WithCancel(p.t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() {
		_, err := client.Do(ctx, p.c.Conn, cashacceptor.CashIn, nil)
		done <- err
	}()
	for changed := p.d.Changed(); !state(p.d).Waiting; changed = p.d.Changed() {
		select {
		case <-changed:
		case err := <-done:
			return err // it does not wait: no cash-in is open, or notes lie there already
		}
	}
	if p.d.Insert(pick(p, "typeEUR5", "typeEUR20", "typeEUR200"), pick(p, vault.Levels()...), 1+p.rng.IntN(30), "") != nil {
		cancel()
	}
	return <-done
}

func (p player) exchange() error {
	if _, _, err := simtest.Do(p.c, storage.StartExchange, nil); err != nil {
		return err
	}
	simtest.Must(p.c, storage.SetStorage, &storage.SetStorageCommand{Storage: map[string]*storage.SetStorageUnit{"unitD": {Cash: &cashmanagement.StorageSetCash{
		Status: &cashmanagement.StorageSetCashStatus{Initial: &cashmanagement.StorageCashCounts{Extra: map[string]*cashmanagement.StorageCashCount{"typeEUR50": {Fit: new(p.rng.IntN(300))}}}}}}}})
	_, _, err := simtest.Do(p.c, storage.EndExchange, nil)
	return err
}

// whole checks an account: cassettes, stacker, transport, slot and customers hold
// what there ever was, and the counters say what is in the cassettes.
func whole(t *testing.T, s *vault.State, what string) {
	t.Helper()
	if sum := s.Total(); len(sum) != 0 {
		t.Fatalf("%s: notes were made or lost: %v", what, sum)
	}
	for name, u := range s.Units {
		if drift := u.Drift(); len(drift) != 0 {
			t.Fatalf("%s: %s holds %v more than counted", what, name, drift)
		}
	}
}

// Random commands, hands and faults, with power lost at every operation of the
// disk: whatever happens, the device that is started then knows where every note is.
//
// Requirement: XFS-10
func TestWhateverHappensEveryNoteIsAccountedFor(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 2))
	disk := powercut.New()
	if err := disk.Mkdir("/cash"); err != nil {
		t.Fatal(err)
	}
	if err := disk.SyncDir("/"); err != nil {
		t.Fatal(err)
	}
	d, c := serve(t, cash.Options{Directory: "/cash", FS: disk})
	cutting := rand.New(rand.NewPCG(seed, 3))
	cuts := 0
	disk.Before(func(op powercut.Op) {
		if cuts++; cuts%3 != 0 {
			return // every third is enough, and three times as fast
		}
		v, err := vault.Open(disk.Cut(cutting, powercut.AnyKeep(cutting)), "/cash", nil)
		if err != nil {
			t.Errorf("after a cut before %s: %v", op, err)
			return
		}
		whole(t, v.State(), "after a cut before "+op.String())
	})
	p := player{t, d, c, rng}
	done := 0
	for i := range 400 {
		did, err := p.step()
		if err == nil {
			done++
		}
		v, err1 := vault.Open(disk.Clone(), "/cash", nil)
		if err1 != nil {
			t.Fatal(err1)
		}
		whole(t, v.State(), fmt.Sprintf("step %d, %s", i, did))
	}
	disk.Before(nil)
	t.Logf("%d of 400 things could be done, %d operations of the disk", done, cuts)
	if done < 100 {
		t.Error("too little could be done")
	}
	if err := d.Mend(); err != nil {
		t.Fatal(err)
	}
	again, _ := serve(t, cash.Options{Directory: "/cash", FS: disk.Cut(cutting, powercut.KeepNone)})
	for i, is := range state(again).Cassettes {
		if was := state(d).Cassettes[i]; is.Notes != was.Notes || is.Counted != was.Counted {
			t.Errorf("%s had %d notes, %d counted; after a start %d and %d", was.Unit, was.Notes, was.Counted, is.Notes, is.Counted)
		}
	}
}
