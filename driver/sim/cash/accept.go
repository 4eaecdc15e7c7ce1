package cash

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/plomb-pos/plomb/driver/sim/cash/vault"
	"github.com/plomb-pos/plomb/driver/sim/chassis"
	"github.com/plomb-pos/plomb/xfs4iot/cashacceptor"
	"github.com/plomb-pos/plomb/xfs4iot/cashmanagement"
	"github.com/plomb-pos/plomb/xfs4iot/host"
	"github.com/plomb-pos/plomb/xfs4iot/storage"
)

func (d *Device) handleAcceptor(s *host.Service) {
	serve(d, s, cashacceptor.CashInStart, d.cashInStart)
	serve(d, s, cashacceptor.CashIn, d.cashIn)
	serve(d, s, cashacceptor.CashInEnd, d.cashInEnd)
	serve(d, s, cashacceptor.CashInRollback, d.rollback)
	serve(d, s, cashacceptor.GetCashInStatus, d.cashInStatus)
	serve(d, s, cashacceptor.GetPresentStatus, d.returned)
	serve(d, s, cashacceptor.PresentMedia, d.presentMedia)
	serve(d, s, cashacceptor.PreparePresent, d.preparePresent)
	serve(d, s, cashacceptor.ConfigureNoteTypes, d.configureTypes)
	serve(d, s, cashacceptor.ConfigureNoteReader, d.configureReader)
	serve(d, s, cashacceptor.CreateSignature, d.createSignature)
	serve(d, s, cashacceptor.CompareSignature, d.compareSignature)
	serve(d, s, cashacceptor.CashUnitCount, d.countUnits)
	serve(d, s, cashacceptor.Replenish, d.replenish)
	serve(d, s, cashacceptor.Deplete, d.deplete)
	serve(d, s, cashacceptor.GetReplenishTarget, d.replenishTargets)
	serve(d, s, cashacceptor.GetDepleteSource, d.depleteSources)
	serve(d, s, cashacceptor.DeviceLockControl, d.lockControl)
	serve(d, s, cashacceptor.GetDeviceLockStatus, d.lockStatus)
}

func (d *Device) cashInStart(_ job, req *cashacceptor.CashInStartCommand) (*cashacceptor.CashInStartCompletion, error) {
	switch {
	case d.keep.Exchange:
		return nil, host.Fail(cashacceptor.CashInStartErrorCodeExchangeActive, "the cassettes are being exchanged")
	case d.keep.CashIn.Active:
		return nil, host.Fail(cashacceptor.CashInStartErrorCodeCashInActive, "a cash-in is open already")
	case d.door:
		return nil, host.Fail(cashacceptor.CashInStartErrorCodeSafeDoorOpen, "the safe's door is open")
	case !position(req.InputPosition) || !position(req.OutputPosition):
		return nil, host.Fail(cashacceptor.CashInStartErrorCodeUnsupportedPosition, "there is one slot, at the front")
	case d.loose() > 0:
		return nil, chassis.Sequence("notes lie on the stacker, in the transport or in the slot")
	}
	if err := d.knownTeller(req.TellerID); err != nil {
		return nil, host.Fail(cashacceptor.CashInStartErrorCodeInvalidTellerID, err.Error())
	}
	next := cashIn{Active: true, Status: cashacceptor.GetCashInStatusCompletionStatusActive, Teller: teller0(req.TellerID),
		Recycle: req.UseRecycleUnits == nil || *req.UseRecycleUnits, Amounts: map[string]int64{}, Notes: vault.Notes{}, Returned: vault.Notes{}}
	if req.TotalItemsLimit != nil {
		next.Items = *req.TotalItemsLimit
	}
	for _, limit := range req.AmountLimit {
		n, ok := minorOf(orZero(limit.Value), limit.Currency)
		if !ok || !d.knows(limit.Currency) {
			return nil, chassis.Invalid(fmt.Sprintf("%.40s is no limit in %.10q", limit.Value, limit.Currency))
		}
		if n > 0 {
			next.Amounts[limit.Currency] = n
		}
	}
	return nil, d.change(func(_ *state, m *memory) error {
		m.CashIn, m.Items, m.Dispense = next, nil, dispense{Present: m.Dispense.Present}
		return nil
	})
}

// cashIn waits for notes, takes in what it may and gives back the rest.
func (d *Device) cashIn(j job, _ *cashacceptor.CashInCommand) (*cashacceptor.CashInCompletion, error) {
	switch {
	case d.keep.Exchange:
		return nil, host.Fail(cashacceptor.CashInErrorCodeExchangeActive, "the cassettes are being exchanged")
	case !d.keep.CashIn.Active:
		return nil, host.Fail(cashacceptor.CashInErrorCodeNoCashInActive, "there is no cash-in")
	case d.door:
		return nil, host.Fail(cashacceptor.CashInErrorCodeSafeDoorOpen, "the safe's door is open")
	case d.jammed:
		return nil, fault("a note is stuck in the transport")
	case len(d.pile(vault.Output)) > 0:
		return nil, host.Fail(cashacceptor.CashInErrorCodePositionNotEmpty, "notes lie in the slot")
	case d.o.ExplicitShutter && d.shutter != shutterOpen && len(d.pile(vault.Input)) == 0:
		return nil, host.Fail(cashacceptor.CashInErrorCodeShutterNotOpen, "the shutter is to be opened first")
	}
	if err := d.inserted(j); err != nil {
		return nil, err
	}
	if d.foreign {
		return nil, host.Fail(cashacceptor.CashInErrorCodeForeignItemsDetected, "something that is no note lies in the slot")
	}
	taken, err := d.takeIn(j)
	if err != nil {
		return nil, err
	}
	return &cashacceptor.CashInCompletion{Items: counts(taken)}, nil
}

// inserted opens the shutter and waits until notes, or something else, lie in the
// slot; then it closes the shutter.
func (d *Device) inserted(j job) error {
	if !d.o.ExplicitShutter && len(d.pile(vault.Input)) == 0 && !d.open() {
		return host.Fail(cashacceptor.CashInErrorCodeShutterNotOpen, "the shutter does not open")
	}
	j.event(&cashacceptor.InsertItemsEvent{})
	d.waiting = true
	d.Show(d.status())
	err := d.Await(j.ctx, func() bool { return len(d.pile(vault.Input)) > 0 || d.foreign || d.off })
	d.waiting = false
	if d.off {
		return errPower
	}
	if !d.o.ExplicitShutter && !d.foreign && !d.shut() && err == nil {
		return host.Fail(cashacceptor.CashInErrorCodeShutterNotClosed, "the shutter does not close")
	}
	return err
}

// verdict is what becomes of inserted notes.
type verdict struct {
	in      vault.Notes
	refused map[cashacceptor.InputRefuseEventReason]vault.Notes
}

func (v *verdict) refuse(why cashacceptor.InputRefuseEventReason, n vault.Note) {
	if v.refused[why] == nil {
		v.refused[why] = vault.Notes{}
	}
	v.refused[why].Add(vault.Notes{n: 1})
}

// judge decides about each note by itself, in the order of their kinds.
func (d *Device) judge(inserted vault.Notes) verdict {
	v := verdict{in: vault.Notes{}, refused: map[cashacceptor.InputRefuseEventReason]vault.Notes{}}
	room := map[string]int{}
	for _, kind := range inserted.Kinds() {
		for range inserted[kind] {
			if why := d.objection(kind, v.in, room); why != "" {
				v.refuse(why, kind)
				continue
			}
			v.in.Add(vault.Notes{kind: 1})
		}
	}
	return v
}

// objection says why a note is not taken in, "" when it is. before are the notes
// of this insertion that are; room counts them by cassette.
func (d *Device) objection(n vault.Note, before vault.Notes, room map[string]int) cashacceptor.InputRefuseEventReason {
	all := maps.Clone(d.keep.CashIn.Notes)
	all.Add(before)
	t, known := d.noteType(n.Type())
	limit, limited := d.keep.CashIn.Amounts[t.currency]
	home := d.homeOf(n, room)
	switch {
	case d.reader:
		return cashacceptor.InputRefuseEventReasonCommonInputComponentFailure
	case !known || n.Level() == vault.Unrecognized || d.keep.Disabled[t.name]:
		return cashacceptor.InputRefuseEventReasonInvalidBill
	case d.faults.Strike(FaultRefuse):
		return cashacceptor.InputRefuseEventReasonInvalidBill
	case d.pile(vault.Stacker).Count()+before.Count() >= d.o.Stacker:
		return cashacceptor.InputRefuseEventReasonStackerFull
	case d.keep.CashIn.Items > 0 && all.Count() >= d.keep.CashIn.Items:
		return cashacceptor.InputRefuseEventReasonLimitOverTotalItems
	case limited && d.valueOf(all)[t.currency]+t.minor > limit:
		return cashacceptor.InputRefuseEventReasonLimitOverAmount
	case home == nil:
		return cashacceptor.InputRefuseEventReasonCashInUnitFull
	}
	room[home.Unit]++
	return ""
}

// homeOf is the cassette that an accepted note will go to, given what is on its way
// to the cassettes already.
func (d *Device) homeOf(n vault.Note, room map[string]int) *unit {
	fits := func(u *unit) bool { return u.works() && d.space(u)-room[u.Unit] > 0 }
	for _, u := range d.units {
		if d.keep.CashIn.Recycle && u.Kind == Recycle && u.note == n && fits(u) {
			return u
		}
	}
	for _, u := range d.units {
		if u.Kind == In && fits(u) {
			return u
		}
	}
	return nil
}

// takeIn moves the good notes of the slot to the stacker and gives the others back.
func (d *Device) takeIn(j job) (vault.Notes, error) {
	v := d.judge(d.pile(vault.Input))
	if d.faults.Strike(FaultJam) {
		d.jammed = true
		if err := d.change(func(s *state, _ *memory) error { return s.Shift(vault.Input, vault.Transport) }); err != nil {
			return nil, fault(err.Error())
		}
		return nil, fault("the notes are stuck in the transport")
	}
	bad := vault.Notes{}
	for _, n := range v.refused {
		bad.Add(n)
	}
	err := d.change(func(s *state, m *memory) error {
		m.CashIn.Notes.Add(v.in)
		m.CashIn.Refused += bad.Count()
		m.CashIn.Returned.Add(bad)
		m.Items = slices.DeleteFunc(m.Items, func(i item) bool { return i.Where != string(vault.Stacker) })
		m.see(v.in, string(vault.Stacker), m.Inserted)
		m.Inserted = nil
		return errors.Join(s.ShiftSome(vault.Input, vault.Stacker, "", v.in), s.Shift(vault.Input, vault.Output))
	})
	if err != nil {
		return nil, fault(err.Error())
	}
	d.infoAvailable(j)
	for _, why := range slices.Sorted(maps.Keys(v.refused)) {
		j.event(&cashacceptor.InputRefuseEvent{Reason: why})
	}
	if v.in.Count() > 0 {
		j.event(subCashIn(v.in))
	}
	return v.in, d.giveBack()
}

// subCashIn tells of one bunch; the device takes every bunch in at once.
func subCashIn(n vault.Notes) *cashacceptor.SubCashInEvent {
	c := counts(n)
	return &cashacceptor.SubCashInEvent{Unrecognized: c.Unrecognized, Extra: c.Extra}
}

// giveBack opens the shutter over what is to be taken back.
func (d *Device) giveBack() error {
	if len(d.pile(vault.Output)) == 0 || d.o.ExplicitShutter && d.shutter != shutterOpen {
		return nil
	}
	if !d.open() {
		return host.Fail(cashacceptor.CashInErrorCodeShutterNotOpen, "the shutter does not open")
	}
	d.Say(&cashmanagement.ItemsPresentedEvent{Position: cashmanagement.PositionOutDefault, AdditionalBunches: "0"})
	return nil
}

func (d *Device) cashInEnd(j job, _ *cashacceptor.CashInEndCommand) (*cashacceptor.CashInEndCompletion, error) {
	switch {
	case d.keep.Exchange:
		return nil, host.Fail(cashacceptor.CashInEndErrorCodeExchangeActive, "the cassettes are being exchanged")
	case !d.keep.CashIn.Active:
		return nil, host.Fail(cashacceptor.CashInEndErrorCodeNoCashInActive, "there is no cash-in")
	case d.door:
		return nil, host.Fail(cashacceptor.CashInEndErrorCodeSafeDoorOpen, "the safe's door is open")
	case d.jammed:
		return nil, fault("a note is stuck in the transport")
	case len(d.pile(vault.Output))+len(d.pile(vault.Input)) > 0:
		return nil, host.Fail(cashacceptor.CashInEndErrorCodePositionNotEmpty, "notes lie in the slot")
	}
	got, err := d.store()
	switch {
	case errors.Is(err, errNoHome):
		d.unitError(j, d.anyOf(In), storage.StorageErrorEventFailureFull)
		return nil, host.Fail(cashacceptor.CashInEndErrorCodeCashUnitError, err.Error())
	case err != nil:
		return nil, fault(err.Error())
	case len(got) == 0:
		return nil, host.Fail(cashacceptor.CashInEndErrorCodeNoItems, "no notes were taken in")
	}
	out := &cashacceptor.CashInEndCompletion{Storage: map[string]*cashmanagement.StorageCashIn{}}
	for name, n := range got {
		out.Storage[name] = &cashmanagement.StorageCashIn{Deposited: counts(n)}
	}
	return out, nil
}

// store moves the stacker's notes into their cassettes and closes the cash-in, all
// in one step.
func (d *Device) store() (map[string]vault.Notes, error) {
	got := map[string]vault.Notes{}
	err := d.change(func(s *state, m *memory) error {
		room := map[string]int{}
		for _, kind := range s.Piles[vault.Stacker][""].Kinds() {
			for range s.Piles[vault.Stacker][""][kind] {
				u := d.homeOf(kind, room)
				if u == nil {
					return errNoHome
				}
				room[u.Unit]++
				if got[u.Unit] == nil {
					got[u.Unit] = vault.Notes{}
				}
				got[u.Unit].Add(vault.Notes{kind: 1})
			}
		}
		for _, name := range slices.Sorted(maps.Keys(got)) {
			if err := s.Stow(vault.Stacker, "", got[name], name, vault.Deposited, 0); err != nil {
				return err
			}
		}
		m.count(m.CashIn.Teller, d.valueOf(m.CashIn.Notes), nil)
		m.CashIn.Active, m.CashIn.Status = false, cashacceptor.GetCashInStatusCompletionStatusOk
		m.move(func(n vault.Note) string { return storedIn(got, n) })
		return nil
	})
	return got, err
}

func storedIn(got map[string]vault.Notes, n vault.Note) string {
	for _, name := range slices.Sorted(maps.Keys(got)) {
		if got[name][n] > 0 {
			return name
		}
	}
	return "unknown"
}

func (d *Device) rollback(j job, _ *cashacceptor.CashInRollbackCommand) (*cashacceptor.CashInRollbackCompletion, error) {
	switch {
	case d.keep.Exchange:
		return nil, host.Fail(cashacceptor.CashInRollbackErrorCodeExchangeActive, "the cassettes are being exchanged")
	case !d.keep.CashIn.Active:
		return nil, host.Fail(cashacceptor.CashInRollbackErrorCodeNoCashInActive, "there is no cash-in")
	case d.jammed:
		return nil, fault("a note is stuck in the transport")
	case len(d.pile(vault.Output))+len(d.pile(vault.Input)) > 0:
		return nil, host.Fail(cashacceptor.CashInRollbackErrorCodePositionNotEmpty, "notes lie in the slot")
	case d.o.ExplicitShutter && d.shutter != shutterOpen && len(d.pile(vault.Stacker)) > 0:
		return nil, host.Fail(cashacceptor.CashInRollbackErrorCodeShutterNotOpen, "the shutter is to be opened first")
	}
	back := d.pile(vault.Stacker)
	if len(back) > 0 && !d.open() {
		return nil, host.Fail(cashacceptor.CashInRollbackErrorCodeShutterNotOpen, "the shutter does not open")
	}
	err := d.change(func(s *state, m *memory) error {
		m.CashIn.Active, m.CashIn.Status = false, cashacceptor.GetCashInStatusCompletionStatusRollback
		m.CashIn.Returned.Add(back)
		m.move(at(string(vault.Output)))
		return s.Shift(vault.Stacker, vault.Output)
	})
	if err != nil {
		return nil, fault(err.Error())
	}
	if len(back) == 0 {
		return nil, host.Fail(cashacceptor.CashInRollbackErrorCodeNoItems, "no notes were taken in")
	}
	d.Say(&cashmanagement.ItemsPresentedEvent{Position: cashmanagement.PositionOutDefault, AdditionalBunches: "0"})
	return nil, nil
}

func (d *Device) cashInStatus(job, *cashacceptor.GetCashInStatusCommand) (*cashacceptor.GetCashInStatusCompletion, error) {
	c := d.keep.CashIn
	if c.Status == "" {
		c.Status = cashacceptor.GetCashInStatusCompletionStatusUnknown
	}
	return &cashacceptor.GetCashInStatusCompletion{Status: c.Status, NumOfRefused: &c.Refused, NoteNumberList: counts(c.Notes)}, nil
}

// returned says what lies in the slot for the customer to take back.
func (d *Device) returned(job, *cashacceptor.GetPresentStatusCommand) (*cashacceptor.GetPresentStatusCompletion, error) {
	out := &cashacceptor.GetPresentStatusCompletion{Position: cashmanagement.OutputPositionOutDefault,
		PresentState: cashacceptor.GetPresentStatusCompletionPresentStateNotPresented, AdditionalBunches: cashacceptor.GetPresentStatusCompletionAdditionalBunchesNone,
		BunchesRemaining: new(0), ReturnedItems: counts(d.keep.CashIn.Returned), TotalReturnedItems: counts(d.keep.CashIn.Returned)}
	if len(d.keep.CashIn.Returned) > 0 && (len(d.pile(vault.Output)) == 0 || d.shutter == shutterOpen) {
		out.PresentState = cashacceptor.GetPresentStatusCompletionPresentStatePresented
	}
	return out, nil
}

func (d *Device) presentMedia(_ job, req *cashacceptor.PresentMediaCommand) (*cashacceptor.PresentMediaCompletion, error) {
	switch {
	case !position(req.Position):
		return nil, host.Fail(cashacceptor.PresentMediaErrorCodeUnsupportedPosition, "there is one slot, at the front")
	case d.keep.Exchange:
		return nil, host.Fail(cashacceptor.PresentMediaErrorCodeExchangeActive, "the cassettes are being exchanged")
	case d.foreign:
		return nil, host.Fail(cashacceptor.PresentMediaErrorCodeForeignItemsDetected, "something that is no note lies in the slot")
	case len(d.pile(vault.Output)) == 0:
		return nil, host.Fail(cashacceptor.PresentMediaErrorCodeNoItems, "there is nothing to give back")
	case !d.open():
		return nil, host.Fail(cashacceptor.PresentMediaErrorCodeShutterNotOpen, "the shutter does not open")
	}
	d.Say(&cashmanagement.ItemsPresentedEvent{Position: cashmanagement.PositionOutDefault, AdditionalBunches: "0"})
	return nil, nil
}

// preparePresent has nothing to prepare: what is to be taken back lies in the slot.
func (d *Device) preparePresent(_ job, req *cashacceptor.PreparePresentCommand) (*cashacceptor.PreparePresentCompletion, error) {
	switch {
	case !position(req.Position):
		return nil, host.Fail(cashacceptor.PreparePresentErrorCodeUnsupportedPosition, "there is one slot, at the front")
	case len(d.pile(vault.Output)) == 0:
		return nil, host.Fail(cashacceptor.PreparePresentErrorCodeNoItems, "there is nothing to give back")
	}
	return nil, nil
}

func (d *Device) busyReader() (exchange, open bool) { return d.keep.Exchange, d.keep.CashIn.Active }

func (d *Device) configureTypes(_ job, req *cashacceptor.ConfigureNoteTypesCommand) (*cashacceptor.ConfigureNoteTypesCompletion, error) {
	if exchange, open := d.busyReader(); exchange {
		return nil, host.Fail(cashacceptor.ConfigureNoteTypesErrorCodeExchangeActive, "the cassettes are being exchanged")
	} else if open {
		return nil, host.Fail(cashacceptor.ConfigureNoteTypesErrorCodeCashInActive, "a cash-in is open")
	}
	for _, i := range req.Items {
		if _, ok := d.noteType(i.Item); !ok {
			return nil, chassis.Invalid(fmt.Sprintf("%.40q is no note that the device knows", i.Item))
		}
	}
	return nil, d.change(func(_ *state, m *memory) error {
		for _, i := range req.Items {
			delete(m.Disabled, i.Item)
			if i.Enabled != nil && !*i.Enabled {
				m.Disabled[i.Item] = true
			}
		}
		return nil
	})
}

func (d *Device) configureReader(job, *cashacceptor.ConfigureNoteReaderCommand) (*cashacceptor.ConfigureNoteReaderCompletion, error) {
	exchange, open := d.busyReader()
	switch {
	case exchange:
		return nil, host.Fail(cashacceptor.ConfigureNoteReaderErrorCodeExchangeActive, "the cassettes are being exchanged")
	case open:
		return nil, host.Fail(cashacceptor.ConfigureNoteReaderErrorCodeCashInActive, "a cash-in is open")
	case d.reader:
		return nil, host.Fail(cashacceptor.ConfigureNoteReaderErrorCodeLoadFailed, "the banknote reader does not work")
	}
	return &cashacceptor.ConfigureNoteReaderCompletion{RebootNecessary: no()}, nil
}

// createSignature takes one note, looks at it and gives it back.
func (d *Device) createSignature(j job, _ *cashacceptor.CreateSignatureCommand) (*cashacceptor.CreateSignatureCompletion, error) {
	exchange, open := d.busyReader()
	switch {
	case exchange:
		return nil, host.Fail(cashacceptor.CreateSignatureErrorCodeExchangeActive, "the cassettes are being exchanged")
	case open:
		return nil, host.Fail(cashacceptor.CreateSignatureErrorCodeCashInActive, "a cash-in is open")
	case len(d.pile(vault.Output)) > 0:
		return nil, host.Fail(cashacceptor.CreateSignatureErrorCodePositionNotEmpty, "notes lie in the slot")
	}
	if err := d.inserted(j); err != nil {
		return nil, err
	}
	if d.foreign {
		return nil, host.Fail(cashacceptor.CreateSignatureErrorCodeForeignItemsDetected, "something that is no note lies in the slot")
	}
	there := d.pile(vault.Input)
	kind := there.Kinds()[0]
	err := d.change(func(s *state, m *memory) error {
		m.Items = nil
		m.see(there, string(vault.Output), m.Inserted)
		m.Inserted = nil
		return s.Shift(vault.Input, vault.Output)
	})
	if err != nil {
		return nil, fault(err.Error())
	}
	d.infoAvailable(j)
	if err := d.giveBack(); err != nil {
		return nil, err
	}
	switch {
	case there.Count() > 1:
		return nil, host.Fail(cashacceptor.CreateSignatureErrorCodeTooManyItems, "one note is looked at at a time")
	case kind.Level() == vault.Unrecognized || d.reader:
		j.event(&cashacceptor.InputRefuseEvent{Reason: cashacceptor.InputRefuseEventReasonInvalidBill})
		return nil, host.Fail(cashacceptor.CreateSignatureErrorCodeNoItems, "no note was recognised")
	}
	return &cashacceptor.CreateSignatureCompletion{NoteType: kind.Type(), Orientation: cashmanagement.OrientationFrontTop,
		Signature: signature(kind.Type(), d.keep.Items[0].Serial)}, nil
}

// compareSignature finds which signatures are of one note with a reference.
func (d *Device) compareSignature(_ job, req *cashacceptor.CompareSignatureCommand) (*cashacceptor.CompareSignatureCompletion, error) {
	exchange, open := d.busyReader()
	switch {
	case exchange:
		return nil, host.Fail(cashacceptor.CompareSignatureErrorCodeExchangeActive, "the cassettes are being exchanged")
	case open:
		return nil, host.Fail(cashacceptor.CompareSignatureErrorCodeCashInActive, "a cash-in is open")
	case !signatures(req.ReferenceSignatures):
		return nil, host.Fail(cashacceptor.CompareSignatureErrorCodeInvalidReferenceSignature, "not signatures of this reader")
	case !signatures(req.Signatures):
		return nil, host.Fail(cashacceptor.CompareSignatureErrorCodeInvalidTransactionSignature, "not signatures of this reader")
	}
	out := &cashacceptor.CompareSignatureCompletion{}
	for i, s := range req.Signatures {
		if slices.ContainsFunc(req.ReferenceSignatures, func(r cashmanagement.Signature) bool { return string(r.Signature) == string(s.Signature) }) {
			out.SignaturesIndex = append(out.SignaturesIndex, cashacceptor.CompareSignatureCompletionSignaturesIndexItem{Index: &i, ConfidenceLevel: new(100)})
		}
	}
	return out, nil
}

func signatures(list []cashmanagement.Signature) bool {
	return len(list) > 0 && !slices.ContainsFunc(list, func(s cashmanagement.Signature) bool { return len(s.Signature) != len(signature("", "")) })
}
