package bench

import (
	"fmt"
	"runtime"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/plomb-pos/plomb/xfs4iot"
	"github.com/plomb-pos/plomb/xfs4iot/cashdispenser"
	"github.com/plomb-pos/plomb/xfs4iot/common"
	"github.com/plomb-pos/plomb/xfs4iot/printer"
)

// Decoding measures how long a message takes from its bytes to a validated payload:
// limits, envelope, payload, every rule of the description. The reference is the JSON
// library alone, decoding the same bytes into the same types.
func Decoding(c Config) ([]Result, error) {
	var results []Result
	for _, m := range []struct {
		name    string
		info    xfs4iot.CommandInfo
		payload xfs4iot.Payload
	}{
		{"Printer.PrintRaw, one receipt", printer.PrintRaw.Info(), receipt()},
		{"CashDispenser.Dispense", cashdispenser.Dispense.Info(), dispense()},
		{"Common.SetVersions, three maps", common.SetVersions.Info(), &common.SetVersionsCommand{Commands: map[string]int{"Common.Status": 3, "Common.Cancel": 2}, Events: map[string]int{"Common.StatusChangedEvent": 3}}},
	} {
		r, err := c.decodeOne(m.name, m.info, m.payload)
		if err != nil {
			return nil, err
		}
		results = append(results, r)
	}
	return results, nil
}

// dispense is a command with a token, whose pattern is the costliest rule there is.
func dispense() *cashdispenser.DispenseCommand {
	return &cashdispenser.DispenseCommand{
		Denomination: &cashdispenser.DenominateRequest{Denomination: &cashdispenser.DenominateRequestDenomination{
			App: &cashdispenser.ApplicationMix{Currencies: map[string]xfs4iot.Decimal{"EUR": "120"}, Counts: map[string]int{"unit1": 2, "unit2": 1}},
		}},
		Position: "outDefault",
		Token:    "NONCE=254611E63B2531576314E86527338D61,TOKENFORMAT=1,TOKENLENGTH=0164,DISPENSE1=120.00EUR,HMACSHA256=CB735612FD6141213C2827FB5A6A4F4846D7A7347B15434916FEA6AC16F3D2F2",
	}
}

func (c Config) decodeOne(name string, info xfs4iot.CommandInfo, payload xfs4iot.Payload) (Result, error) {
	m, err := xfs4iot.New(xfs4iot.Header{Type: xfs4iot.TypeCommand, Name: info.Name, RequestID: 4711, Version: info.Version, Timeout: time.Second}, payload)
	if err != nil {
		return Result{}, err
	}
	data, err := m.Encode()
	if err != nil {
		return Result{}, err
	}
	alone := func(int) error {
		m := message{Payload: info.NewCommand()}
		err := json.Unmarshal(data, &m)
		runtime.KeepAlive(&m)
		return err
	}
	whole := func(int) error {
		m, err := xfs4iot.Decode(data, xfs4iot.Limits{})
		if err != nil {
			return err
		}
		p := info.NewCommand()
		if err := m.Into(p); err != nil {
			return err
		}
		return p.Validate()
	}
	var took, ratios []float64
	for range c.Rounds {
		var mean [3]float64
		for i, do := range []func(int) error{alone, whole, alone} {
			l, err := drive(1, c.Time/8, batched(do))
			if err != nil {
				return Result{}, fmt.Errorf("decode %s: %w", name, err)
			}
			mean[i] = 1e6 / l.perSecond / batch
		}
		took = append(took, mean[1])
		ratios = append(ratios, 2*mean[1]/(mean[0]+mean[2]))
	}
	c.tell("xfs, decode %s: %.1f µs", name, median(took))
	return Result{Bench: "xfs", Case: fmt.Sprintf("decode and validate %s, %d bytes", name, len(data)), Value: median(took), Unit: "µs",
		Ratio: median(ratios), Against: "the JSON library alone"}, nil
}

// batch is how many decodings one timing covers, so that taking the time does not count.
const batch = 100

func batched(do func(int) error) func(int) error {
	return func(w int) error {
		for range batch {
			if err := do(w); err != nil {
				return err
			}
		}
		return nil
	}
}
