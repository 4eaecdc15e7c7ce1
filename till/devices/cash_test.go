package devices_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/plomb-pos/plomb/money"
	"github.com/plomb-pos/plomb/till/devices"
)

// machine is a model of a dispenser in which the truth is known.
type machine struct {
	rows                      []devices.CashCount
	stacker, output, customer money.Amount
	onStacker, atOutput       []int // pieces by row
	presented                 string
}

func newMachine(t *rapid.T) *machine {
	m := &machine{presented: rapid.SampledFrom([]string{"presented", "notPresented", "unknown", ""}).Draw(t, "before")}
	for i, v := range []money.Amount{2000, 500, 1000, 100} {
		m.rows = append(m.rows, devices.CashCount{Unit: string(rune('a' + i)), Item: "x", Currency: "EUR", Value: v, Initial: 50,
			Presented: rapid.Int64Range(0, 20).Draw(t, "presented"), Rejected: rapid.Int64Range(0, 20).Draw(t, "rejected")})
	}
	m.onStacker, m.atOutput = make([]int, 4), make([]int, 4)
	return m
}

func (m *machine) read() *devices.CashReading {
	r := &devices.CashReading{Presented: m.presented, Stacker: sensor(m.stacker), Output: sensor(m.output)}
	r.Counts = append(r.Counts, m.rows...)
	return r
}

func sensor(a money.Amount) string {
	if a > 0 {
		return "notEmpty"
	}
	return "empty"
}

func (m *machine) pick(row, pieces int) {
	m.rows[row].Stacked += int64(pieces)
	m.onStacker[row] += pieces
	m.stacker += money.Amount(pieces) * m.rows[row].Value
	m.presented = "notPresented"
}

func (m *machine) present() {
	for i, n := range m.onStacker {
		m.rows[i].Stacked -= int64(n)
		m.rows[i].Presented += int64(n)
		m.atOutput[i] += n
		m.onStacker[i] = 0
	}
	m.output, m.stacker, m.presented = m.output+m.stacker, 0, "presented"
}

func (m *machine) reject() {
	for i, n := range m.onStacker {
		m.rows[i].Stacked -= int64(n)
		m.rows[i].Rejected += int64(n)
		m.onStacker[i] = 0
	}
	m.stacker = 0
}

func (m *machine) take() {
	m.customer += m.output
	m.output, m.atOutput = 0, make([]int, 4)
}

func (m *machine) retract() {
	for i, n := range m.atOutput {
		m.rows[i].Retracted += int64(n)
		m.atOutput[i] = 0
	}
	m.output = 0
}

// Whatever a machine that counts right has done of one order when it is read, the
// verdict says what the customer has, or does not pretend to know.
//
// Requirement: XFS-06
func TestTheVerdictIsWhatTheCustomerHas(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newMachine(t)
		before := m.read()
		row, pieces := rapid.IntRange(0, 3).Draw(t, "row"), rapid.IntRange(1, 9).Draw(t, "pieces")
		order := m.rows[row].Value * money.Amount(pieces)
		steps := []func(){func() { m.pick(row, pieces) }, m.present, m.take}
		switch rapid.SampledFrom([]string{"done", "rejected", "retracted"}).Draw(t, "way") {
		case "rejected":
			steps[1], steps[2] = m.reject, func() {}
		case "retracted":
			steps[2] = m.retract
		}
		for _, step := range steps[:rapid.IntRange(0, 3).Draw(t, "steps")] {
			step()
		}
		v := devices.Judge(before, m.read(), order, "EUR")
		switch {
		case v.State == devices.Paid && v.Amount == m.customer && m.customer > 0:
		case v.State == devices.NotPaid && m.customer == 0 && m.output == 0 && m.stacker == 0:
		case v.State == devices.OnStacker && m.stacker == order && m.customer == 0:
		case v.State == devices.AtOutput && m.output == order && m.customer == 0:
		default:
			t.Fatalf("verdict %+v; customer has %d, output %d, stacker %d", v, m.customer, m.output, m.stacker)
		}
	})
}

// Anything that does not add up is not guessed at.
func TestWhatDoesNotAddUpIsLeftToAPerson(t *testing.T) {
	sound := func() *devices.CashReading {
		return &devices.CashReading{Presented: "notPresented", Stacker: "empty", Output: "empty", Counts: []devices.CashCount{
			{Unit: "a", Item: "x", Currency: "EUR", Value: 500, Initial: 10, Presented: 3}, {Unit: "b", Item: "y", Currency: "EUR", Value: 100, Initial: 10},
		}}
	}
	for name, change := range map[string]func(*devices.CashReading){
		"a unit was filled":              func(r *devices.CashReading) { r.Counts[0].Initial = 20 },
		"a count went back":              func(r *devices.CashReading) { r.Counts[0].Presented = 0 },
		"a unit is gone":                 func(r *devices.CashReading) { r.Counts = r.Counts[:1] },
		"a unit has another value":       func(r *devices.CashReading) { r.Counts[0].Value = 1000 },
		"cash is jammed":                 func(r *devices.CashReading) { r.Counts[0].Elsewhere = 1 },
		"the stacker's sensor is broken": func(r *devices.CashReading) { r.Stacker = "unknown" },
		"the output's sensor is broken":  func(r *devices.CashReading) { r.Output = "unknown" },
		"the device lost its memory":     func(r *devices.CashReading) { r.Presented = "unknown" },
		"cash at the output, no counts":  func(r *devices.CashReading) { r.Output = "notEmpty" },
		"cash on the stacker, no counts": func(r *devices.CashReading) { r.Stacker = "notEmpty" },
		"counts against the device":      func(r *devices.CashReading) { r.Counts[0].Presented = 4 },
		"a part on the stacker": func(r *devices.CashReading) {
			r.Presented, r.Counts[0].Presented, r.Counts[1].Stacked, r.Stacker = "presented", 4, 1, "notEmpty"
		},
		"more taken back than presented":   func(r *devices.CashReading) { r.Counts[0].Retracted = 1 },
		"less on the stacker than ordered": func(r *devices.CashReading) { r.Counts[1].Stacked, r.Stacker = 1, "notEmpty" },
		"cash of no known value":           func(r *devices.CashReading) { r.Counts = append(r.Counts, devices.CashCount{Unit: "c", Presented: 1}) },
		"another currency": func(r *devices.CashReading) {
			r.Counts = append(r.Counts, devices.CashCount{Unit: "c", Currency: "USD", Value: 500, Presented: 1})
		},
	} {
		after := sound()
		change(after)
		if v := devices.Judge(sound(), after, 500, "EUR"); v.State != devices.CannotTell || v.Why == "" {
			t.Errorf("%s: %+v, want cannot-tell", name, v)
		}
	}
	if v := devices.Judge(sound(), sound(), 500, "EUR"); v.State != devices.NotPaid || v.Moved {
		t.Errorf("nothing moved: %+v, want not-paid", v)
	}
}

// The customer took a part, the rest was taken back.
func TestAPartThatWasTakenCounts(t *testing.T) {
	row := devices.CashCount{Unit: "a", Item: "x", Currency: "EUR", Value: 500, Initial: 10}
	before := &devices.CashReading{Stacker: "empty", Output: "empty", Presented: "notPresented", Counts: []devices.CashCount{row}}
	row.Presented, row.Retracted = 3, 1
	after := &devices.CashReading{Stacker: "empty", Output: "empty", Presented: "presented", Counts: []devices.CashCount{row}}
	if v := devices.Judge(before, after, 1500, "EUR"); v.State != devices.Paid || v.Amount != 1000 {
		t.Errorf("verdict = %+v, want 10.00 paid", v)
	}
}
