package card_test

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/plomb-pos/plomb/driver/sim/card"
	"github.com/plomb-pos/plomb/driver/sim/panel"
	"github.com/plomb-pos/plomb/driver/sim/simtest"
	"github.com/plomb-pos/plomb/internal/powercut"
	"github.com/plomb-pos/plomb/xfs4iot"
	"github.com/plomb-pos/plomb/xfs4iot/cardreader"
	"github.com/plomb-pos/plomb/xfs4iot/client"
	"github.com/plomb-pos/plomb/xfs4iot/storage"
)

// orders are commands as clients send them, sensible and not.
func orders(rng *rand.Rand) (xfs4iot.CommandInfo, xfs4iot.Payload) {
	places := []string{"", "exit", "transport", card.RetainBin, "unitNOWHERE"}
	pick := func() string { return places[rng.IntN(len(places))] }
	all := []struct {
		info    xfs4iot.CommandInfo
		payload xfs4iot.Payload
	}{
		{cardreader.ReadRawData.Info(), &cardreader.ReadRawDataCommand{Track1: new(true), Track2: new(true), Chip: new(true), Security: new(rng.IntN(2) == 0)}},
		{cardreader.WriteRawData.Info(), &cardreader.WriteRawDataCommand{Track3: &cardreader.WriteRawDataCommandTrack3{Data: []byte("123")}}},
		{cardreader.Move.Info(), &cardreader.MoveCommand{From: pick(), To: pick()}},
		{cardreader.Reset.Info(), &cardreader.ResetCommand{To: []cardreader.ResetCommandTo{"", "exit", "retain", "currentPosition", "auto"}[rng.IntN(5)]}},
		{cardreader.ChipPower.Info(), &cardreader.ChipPowerCommand{ChipPower: []cardreader.ChipPowerCommandChipPower{"cold", "warm", "off"}[rng.IntN(3)]}},
		{cardreader.ChipIO.Info(), &cardreader.ChipIOCommand{ChipData: []byte{0, 0x84, 0, 0, 8}}},
		{cardreader.EMVClessConfigure.Info(), configuration()},
		{cardreader.EMVClessPerformTransaction.Info(), &cardreader.EMVClessPerformTransactionCommand{Data: sale}},
		{cardreader.EMVClessIssuerUpdate.Info(), &cardreader.EMVClessIssuerUpdateCommand{Data: []byte{0x8A, 2, '0', '0'}}},
		{storage.StartExchange.Info(), nil}, {storage.EndExchange.Info(), nil},
	}
	one := all[rng.IntN(len(all))]
	return one.info, one.payload
}

// Commands and hands at random: every command ends with a code of its description,
// the status stays within it, no card is doubled or lost, and what the bin counts
// survives a loss of power.
func TestNothingIsLostWhateverHappensToTheReader(t *testing.T) {
	for seed := range uint64(6) {
		rng := rand.New(rand.NewPCG(seed, 11))
		disk := powercut.New()
		r, err := card.New("CardReader", card.Options{FS: disk, Capacity: 4})
		if err != nil {
			t.Fatal(err)
		}
		service := r.Service()
		c := simtest.Serve(t, service)
		for step := range 120 {
			what := "an act"
			if rng.IntN(2) == 0 {
				act := r.Acts()[rng.IntN(len(r.Acts()))]
				what = act.Name
				_ = panel.Do(r, act.Name, chosen(rng, act)) // many are refused
			} else {
				info, payload := orders(rng)
				what = info.Name
				_, err := c.Conn.Do(t.Context(), info, payload, client.Timeout(2*time.Millisecond))
				known(t, info, err)
			}
			state := r.State().(card.State)
			sound(t, seed, step, what, state)
			if err := service.Status().Validate(); err != nil {
				t.Fatalf("seed %d, step %d: after %s: %v", seed, step, what, err)
			}
			again, err := card.New("CardReader", card.Options{FS: disk.Cut(rng, powercut.KeepNone), Capacity: 4})
			if err != nil || again.State().(card.State).Bin.Items != state.Bin.Items {
				t.Fatalf("seed %d, step %d: after %s a loss of power leaves another count: %v", seed, step, what, err)
			}
		}
	}
}

func chosen(rng *rand.Rand, act panel.Act) panel.Values {
	out := panel.Values{}
	for _, arg := range act.Args {
		if len(arg.Choices) > 0 {
			out[arg.Name] = arg.Choices[rng.IntN(len(arg.Choices))]
		}
	}
	return out
}

// known fails for codes that the description does not have, and for internal errors.
func known(t *testing.T, info xfs4iot.CommandInfo, err error) {
	t.Helper()
	var e *xfs4iot.Error
	switch {
	case err == nil:
	case !errors.As(err, &e), e.Code == xfs4iot.InternalError, !slices.Contains(xfs4iot.CompletionCodes(), e.Code):
		t.Fatalf("%s = %v", info.Name, err)
	case e.ErrorCode != "" && !slices.Contains(info.ErrorCodes, e.ErrorCode):
		t.Fatalf("%s ends with %q, which it does not know", info.Name, e.ErrorCode)
	}
}

func sound(t *testing.T, seed uint64, step int, what string, s card.State) {
	t.Helper()
	inside, kept := 0, 0
	for _, c := range s.Cards {
		switch c.Place {
		case "hand":
		case "bin":
			kept++
		default:
			inside++
		}
	}
	if len(s.Cards) != len(card.Wallet()) || inside > 1 || (inside == 1) != (s.Card != "") || kept > s.Bin.Items {
		t.Fatalf("seed %d, step %d: after %s: %d inside, %d kept, the bin counts %d, %+v", seed, step, what, inside, kept, s.Bin.Items, s)
	}
}
