// Package dispensertest is a small cash dispenser for tests of what a till does when
// links are cut and processes killed: it has an intermediate stacker, an output with
// a sensor, a retract box and a reject box, keeps its counts and what lies where in a
// file that survives kill -9, and stops at each step of an order to let a test do its
// mischief. It counts what the customer really has, which is what a journal is held
// against.
//
// It is no simulated device for people: those are in driver/sim.
package dispensertest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strconv"
	"sync"

	"github.com/go-json-experiment/json"

	"github.com/plomb-pos/plomb/xfs4iot"
	"github.com/plomb-pos/plomb/xfs4iot/cashdispenser"
	"github.com/plomb-pos/plomb/xfs4iot/cashmanagement"
	"github.com/plomb-pos/plomb/xfs4iot/common"
	"github.com/plomb-pos/plomb/xfs4iot/host"
	"github.com/plomb-pos/plomb/xfs4iot/storage"
)

// Step is a moment in the life of an order, as the device sees it.
type Step string

// The steps, in their order.
const (
	Read       Step = "read"       // the till asks how it is
	Denominate Step = "denominate" // an amount is put together; nothing has moved
	Dispense   Step = "dispense"   // the order has arrived and is acknowledged; nothing has moved
	Started    Step = "started"    // its first event was sent
	Picked     Step = "picked"     // the cash lies on the stacker; the completion is not sent
	Present    Step = "present"    // the order to present has arrived
	Presented  Step = "presented"  // the cash lies at the output; the completion is not sent
)

// Steps are all of them.
func Steps() []Step { return []Step{Read, Denominate, Dispense, Started, Picked, Present, Presented} }

// Pieces are coins and notes by their value in cents.
type Pieces map[int]int

// Worth is their sum in cents.
func (p Pieces) Worth() int {
	sum := 0
	for v, n := range p {
		sum += v * n
	}
	return sum
}

// state is what survives.
type state struct {
	Dispensed, Rejected, Retracted Pieces // counters: what was presented in all, put away, taken back
	Stacker, Output, Customer      Pieces // where cash lies now
	Presented                      cashdispenser.GetPresentStatusCompletionPresentState
	Blind                          bool // a sensor is broken: it does not know what lies on the stacker
}

// Values are those of its units, in cents.
var Values = []int{2000, 1000, 500, 200, 100, 50, 20, 10, 5, 2, 1}

// initial is how many pieces each unit was filled with.
const initial = 1000

// Dispenser is the device.
type Dispenser struct {
	Service *host.Service
	// AtStep is called at each step, outside all locks; it may block or kill.
	AtStep func(Step)
	// Refuse makes the next Dispense fail before anything moves.
	Refuse bool

	path string
	mu   sync.Mutex // guards s and Refuse
	s    state
}

// Open takes the device up as the file has it; a new one is full.
func Open(path string) (*Dispenser, error) {
	d := &Dispenser{path: path, AtStep: func(Step) {}, s: state{Presented: cashdispenser.GetPresentStatusCompletionPresentStateNotPresented}}
	data, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(data, &d.s)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open dispenser: %w", err)
	}
	for _, p := range []*Pieces{&d.s.Dispensed, &d.s.Rejected, &d.s.Retracted, &d.s.Stacker, &d.s.Output, &d.s.Customer} {
		if *p == nil {
			*p = Pieces{}
		}
	}
	d.Service = d.service()
	return d, nil
}

// Paid is what the customer has in all, in cents.
func (d *Dispenser) Paid() int { d.mu.Lock(); defer d.mu.Unlock(); return d.s.Customer.Worth() }

// Take is the customer taking what lies at the output.
func (d *Dispenser) Take() {
	d.mu.Lock()
	if len(d.s.Output) == 0 {
		d.mu.Unlock()
		return
	}
	move(d.s.Customer, d.s.Output)
	d.s.Output = Pieces{}
	d.keep()
	d.mu.Unlock()
	d.tell()
	_ = d.Service.Broadcast(cashmanagement.ItemsTakenEvent{Position: cashmanagement.PositionOutDefault})
}

// SetBlind breaks or mends the sensor of the stacker.
func (d *Dispenser) SetBlind(blind bool) {
	d.mu.Lock()
	d.s.Blind = blind
	d.keep()
	d.mu.Unlock()
	d.tell()
}

func move(to, from Pieces) {
	for v, n := range from {
		to[v] += n
	}
}

// keep writes the state; mu is held. A rename is atomic for processes that are killed.
func (d *Dispenser) keep() {
	data, err := json.Marshal(&d.s, json.Deterministic(true))
	if err == nil {
		if err = os.WriteFile(d.path+".new", data, 0o600); err == nil {
			err = os.Rename(d.path+".new", d.path)
		}
	}
	if err != nil {
		panic(fmt.Sprintf("internal error: test dispenser cannot keep its state: %v", err))
	}
}

// tell brings the service's status up to date.
func (d *Dispenser) tell() {
	_ = d.Service.SetStatus(func(s *common.StatusCompletion) { *s = d.status() })
}

func (d *Dispenser) status() common.StatusCompletion {
	d.mu.Lock()
	defer d.mu.Unlock()
	stacker, output := cashdispenser.StatusIntermediateStackerEmpty, cashdispenser.OutPosPositionStatusEmpty
	switch {
	case d.s.Blind:
		stacker = cashdispenser.StatusIntermediateStackerUnknown
	case len(d.s.Stacker) > 0:
		stacker = cashdispenser.StatusIntermediateStackerNotEmpty
	}
	if len(d.s.Output) > 0 {
		output = cashdispenser.OutPosPositionStatusNotEmpty
	}
	return common.StatusCompletion{
		Common:         &common.StatusProperties{Device: common.DeviceOnline},
		CashManagement: &cashmanagement.Status{Dispenser: cashmanagement.StatusDispenserOk},
		CashDispenser: &cashdispenser.Status{IntermediateStacker: stacker, Positions: []cashdispenser.OutPos{
			{Position: cashmanagement.OutputPositionOutDefault, PositionStatus: output},
		}},
	}
}

func (d *Dispenser) service() *host.Service {
	yes := true
	svc := host.NewService("CashDispenser", host.Declaration{
		Capabilities: common.CapabilitiesCompletion{CashDispenser: &cashdispenser.Capabilities{
			IntermediateStacker: &yes, ItemsTakenSensor: &yes, RetractAreas: &cashdispenser.CapabilitiesRetractAreas{Retract: &yes},
		}},
		Status: d.status(),
		Events: []xfs4iot.Event{cashmanagement.ItemsTakenEvent{}},
	})
	host.Handle(svc, cashdispenser.GetPresentStatus, d.presentStatus)
	host.Handle(svc, cashdispenser.GetMixTypes, mixes)
	host.Handle(svc, cashdispenser.Denominate, d.denominate)
	host.Handle(svc, cashdispenser.Dispense, d.dispense)
	host.Handle(svc, cashdispenser.Present, d.present)
	host.Handle(svc, cashdispenser.Reject, d.reject)
	host.Handle(svc, cashmanagement.Retract, d.retract)
	host.Handle(svc, cashmanagement.GetBankNoteTypes, noteTypes)
	host.Handle(svc, storage.GetStorage, d.storage)
	return svc
}

func (d *Dispenser) presentStatus(context.Context, *host.Command, *cashdispenser.GetPresentStatusCommand) (*cashdispenser.GetPresentStatusCompletion, error) {
	d.AtStep(Read)
	d.mu.Lock()
	defer d.mu.Unlock()
	return &cashdispenser.GetPresentStatusCompletion{PresentState: d.s.Presented}, nil
}

func mixes(context.Context, *host.Command, *cashdispenser.GetMixTypesCommand) (*cashdispenser.GetMixTypesCompletion, error) {
	return &cashdispenser.GetMixTypesCompletion{Mixes: map[string]*cashdispenser.Mix{
		"mix1": {Type: cashdispenser.MixTypeAlgorithm, Algorithm: "minimumBills"},
	}}, nil
}

func (d *Dispenser) denominate(_ context.Context, _ *host.Command, req *cashdispenser.DenominateCommand) (*cashdispenser.DenominateCompletion, error) {
	d.AtStep(Denominate)
	if req.Request == nil || req.Request.Denomination == nil || req.Request.Denomination.Service == nil {
		return nil, &xfs4iot.Error{Code: xfs4iot.InvalidData}
	}
	amounts := req.Request.Denomination.Service.Currencies
	cents, err := parse(amounts["EUR"])
	if err != nil || cents <= 0 {
		return nil, host.Fail(cashdispenser.DenominateErrorCodeInvalidCurrency, "euro only")
	}
	counts := map[string]int{}
	for i, v := range Values {
		if n := cents / v; n > 0 {
			counts["unit"+strconv.Itoa(i+1)], cents = n, cents%v
		}
	}
	return &cashdispenser.DenominateCompletion{Result: &cashdispenser.Denomination{Currencies: amounts, Values: counts}}, nil
}

// parse reads an amount with exactly two decimals.
func parse(d xfs4iot.Decimal) (int, error) {
	s := string(d)
	if len(s) < 4 || s[len(s)-3] != '.' {
		return 0, fmt.Errorf("%q has not two decimals", s)
	}
	return strconv.Atoi(s[:len(s)-3] + s[len(s)-2:])
}

func (d *Dispenser) dispense(_ context.Context, cmd *host.Command, req *cashdispenser.DispenseCommand) (*cashdispenser.DispenseCompletion, error) {
	d.AtStep(Dispense)
	if req.Denomination == nil || req.Denomination.Denomination == nil || req.Denomination.Denomination.App == nil {
		return nil, &xfs4iot.Error{Code: xfs4iot.InvalidData}
	}
	app := req.Denomination.Denomination.App
	if err := d.mayDispense(); err != nil {
		return nil, err
	}
	_ = cmd.Event(cashdispenser.StartDispenseEvent{})
	d.AtStep(Started)
	d.mu.Lock()
	for unit, n := range app.Counts {
		i, err := strconv.Atoi(unit[len("unit"):])
		if err != nil || i < 1 || i > len(Values) {
			d.mu.Unlock()
			return nil, host.Fail(cashdispenser.DispenseErrorCodeCashUnitError, unit)
		}
		d.s.Stacker[Values[i-1]] += n
	}
	d.s.Presented = cashdispenser.GetPresentStatusCompletionPresentStateNotPresented
	d.keep()
	d.mu.Unlock()
	d.tell()
	d.AtStep(Picked)
	return &cashdispenser.DispenseCompletion{Denomination: &cashdispenser.Denomination{Currencies: app.Currencies, Values: app.Counts}}, nil
}

func (d *Dispenser) mayDispense() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if refused := d.Refuse; refused {
		d.Refuse = false
		return host.Fail(cashdispenser.DispenseErrorCodeNotDispensable, "told to refuse")
	}
	if len(d.s.Stacker)+len(d.s.Output) > 0 {
		return host.Fail(cashdispenser.DispenseErrorCodeItemsLeft, "cash lies in the device")
	}
	return nil
}

func (d *Dispenser) present(context.Context, *host.Command, *cashdispenser.PresentCommand) (*cashdispenser.PresentCompletion, error) {
	d.AtStep(Present)
	d.mu.Lock()
	if len(d.s.Stacker) == 0 {
		d.mu.Unlock()
		return nil, host.Fail(cashdispenser.PresentErrorCodeNoItems, "nothing to present")
	}
	move(d.s.Output, d.s.Stacker)
	move(d.s.Dispensed, d.s.Stacker)
	d.s.Stacker = Pieces{}
	d.s.Presented = cashdispenser.GetPresentStatusCompletionPresentStatePresented
	d.keep()
	d.mu.Unlock()
	d.tell()
	d.AtStep(Presented)
	return nil, nil
}

func (d *Dispenser) reject(context.Context, *host.Command, *cashdispenser.RejectCommand) (*cashdispenser.RejectCompletion, error) {
	d.mu.Lock()
	if len(d.s.Stacker) == 0 {
		d.mu.Unlock()
		return nil, host.Fail(cashdispenser.RejectErrorCodeNoItems, "nothing on the stacker")
	}
	move(d.s.Rejected, d.s.Stacker)
	d.s.Stacker = Pieces{}
	d.keep()
	d.mu.Unlock()
	d.tell()
	return nil, nil
}

func (d *Dispenser) retract(context.Context, *host.Command, *cashmanagement.RetractCommand) (*cashmanagement.RetractCompletion, error) {
	d.mu.Lock()
	if len(d.s.Output) == 0 {
		d.mu.Unlock()
		return nil, host.Fail(cashmanagement.RetractErrorCodeNoItems, "nothing at the output")
	}
	move(d.s.Retracted, d.s.Output)
	d.s.Output = Pieces{}
	d.keep()
	d.mu.Unlock()
	d.tell()
	return nil, nil
}

func noteType(cents int) string { return "typeEUR" + strconv.Itoa(cents) }

func noteTypes(context.Context, *host.Command, *cashmanagement.GetBankNoteTypesCommand) (*cashmanagement.GetBankNoteTypesCompletion, error) {
	items := map[string]*cashmanagement.BankNote{}
	for i, v := range Values {
		id := i + 1
		items[noteType(v)] = &cashmanagement.BankNote{CashItem: &cashmanagement.CashItem{NoteID: &id, Currency: "EUR", Value: decimal(v)}}
	}
	return &cashmanagement.GetBankNoteTypesCompletion{Items: items}, nil
}

func decimal(cents int) xfs4iot.Decimal {
	return xfs4iot.Decimal(fmt.Sprintf("%d.%02d", cents/100, cents%100))
}

func (d *Dispenser) storage(context.Context, *host.Command, *storage.GetStorageCommand) (*storage.GetStorageCompletion, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	units := map[string]*storage.StorageUnit{}
	for i, v := range Values {
		units["unit"+strconv.Itoa(i+1)] = &storage.StorageUnit{ID: fmt.Sprint("U", i+1), Status: storage.StatusOk, Cash: &cashmanagement.StorageCash{
			Configuration: &cashmanagement.StorageCashConfiguration{Currency: "EUR", Value: decimal(v)},
			Status: &cashmanagement.StorageCashStatus{Initial: counts(Pieces{v: initial}), Out: &cashmanagement.StorageCashOut{
				Presented: counts(only(d.s.Dispensed, v)), Rejected: counts(only(d.s.Rejected, v)), Stacked: counts(only(d.s.Stacker, v)),
			}},
		}}
	}
	units["unitRETRACT"] = &storage.StorageUnit{ID: "R", Status: storage.StatusOk, Cash: &cashmanagement.StorageCash{
		Status: &cashmanagement.StorageCashStatus{In: &cashmanagement.StorageCashIn{Retracted: counts(d.s.Retracted)}},
	}}
	return &storage.GetStorageCompletion{Storage: units}, nil
}

func only(p Pieces, value int) Pieces { return Pieces{value: p[value]} }

func counts(p Pieces) *cashmanagement.StorageCashCounts {
	c := &cashmanagement.StorageCashCounts{Extra: map[string]*cashmanagement.StorageCashCount{}}
	for _, v := range slices.Sorted(maps.Keys(p)) {
		n := p[v]
		c.Extra[noteType(v)] = &cashmanagement.StorageCashCount{Fit: &n}
	}
	return c
}
