package checkscanner

import (
	"context"
	"errors"
	"slices"
	"strconv"

	"github.com/plomb-pos/plomb/driver/sim/bin"
	"github.com/plomb-pos/plomb/driver/sim/chassis"
	"github.com/plomb-pos/plomb/xfs4iot/check"
	"github.com/plomb-pos/plomb/xfs4iot/host"
	"github.com/plomb-pos/plomb/xfs4iot/storage"
)

func number(n int) string { return strconv.Itoa(n) }

// customer is the destination of an item that is given back.
const customer = "customer"

// destination refuses a place that cannot take so many items.
func (s *Scanner) destination(name string, items int) error {
	if name == "" || name == customer {
		return nil
	}
	switch err := s.rack.Fit(name, items, false); {
	case errors.Is(err, bin.ErrFull):
		return host.Fail(check.SetMediaParametersErrorCodeMediaBinFull, err.Error())
	case errors.Is(err, bin.ErrUnknown), errors.Is(err, bin.ErrUnfit):
		return host.Fail(check.SetMediaParametersErrorCodeInvalidBin, err.Error())
	case errors.Is(err, bin.ErrAway):
		return host.Fail(check.SetMediaParametersErrorCodeNoBin, err.Error())
	case err != nil:
		return chassis.Broken(err.Error())
	}
	return nil
}

func (s *Scanner) mediaInEnd(_ context.Context, cmd *host.Command, _ *check.MediaInEndCommand) (*check.MediaInEndCompletion, error) {
	s.Lock()
	defer s.Unlock()
	if err := s.ready(); err != nil {
		return nil, err
	}
	switch {
	case !s.active():
		return nil, host.Fail(check.MediaInEndErrorCodeNoMedia, "there is no transaction")
	case len(s.refused)+len(s.at[check.PositionRefused]) > 0:
		return nil, host.Fail(check.MediaInEndErrorCodeRefusedItems, "refused items have to be given back first")
	case len(s.feeder) > 0 || s.held != nil:
		return nil, host.Fail(check.MediaInEndErrorCodeFeederNotEmpty, "not all items are on the stacker")
	case len(s.at[check.PositionOutput]) > 0:
		return nil, host.Fail(check.MediaInEndErrorCodePositionNotEmpty, "items wait to be taken")
	case len(s.stacker) == 0:
		return nil, s.endEmpty()
	}
	defer s.changed()
	back, units, err := s.bringAll(cmd)
	if err == nil {
		err = s.give(cmd, check.PositionOutput, back)
	}
	if err == nil {
		s.deal.state = check.GetTransactionStatusCompletionMediaInTransactionOk
	}
	return &check.MediaInEndCompletion{MediaInEnd: s.summary(len(back), units)}, err
}

// endEmpty ends a transaction from which everything was given back.
func (s *Scanner) endEmpty() error {
	s.deal.state = check.GetTransactionStatusCompletionMediaInTransactionOk
	s.changed()
	return host.Fail(check.MediaInEndErrorCodeNoMedia, "there are no items")
}

func (s *Scanner) summary(returned int, units []string) *check.MediaInEndData {
	out := &check.MediaInEndData{ItemsReturned: &returned, ItemsRefused: new(s.deal.refusedItems), BunchesRefused: new(0)}
	if len(units) > 0 {
		out.Storage = &check.MediaInEndDataStorage{Storage: map[string]*storage.StorageUnit{}}
		for _, name := range units {
			out.Storage.Storage[name] = s.rack.Of(name)[name]
		}
	}
	return out
}

// bringAll brings the stacker's items where they belong, one after the other: those
// for the customer are returned, the others have been counted when it returns.
func (s *Scanner) bringAll(cmd *host.Command) (back []*item, units []string, err error) {
	for len(s.stacker) > 0 {
		i := s.stacker[0]
		if i.destination == customer {
			back, s.stacker = append(back, i), s.stacker[1:]
			continue
		}
		unit, err := s.bring(cmd, i)
		if err != nil {
			s.fail()
			s.stacker = append(back, s.stacker...)
			return nil, units, err
		}
		s.stacker = s.stacker[1:]
		if !slices.Contains(units, unit) {
			units = append(units, unit)
		}
	}
	for _, name := range units {
		bin.Tell(s.rack, name, s.Say)
	}
	return back, units, nil
}

// bring endorses an item, photographs it again if that was asked for, and counts it
// into its pocket.
func (s *Scanner) bring(cmd *host.Command, i *item) (string, error) {
	if s.faults.Strike(FaultJam) {
		s.jammed = true
		return "", host.Fail(check.MediaInEndErrorCodeMediaJammed, "an item sticks in the transport")
	}
	unit := i.destination
	if unit == "" {
		unit, _ = s.rack.First(1, false)
	}
	if i.stamp || i.endorsement != "" {
		if s.ink == 0 {
			return "", host.Fail(check.ActionItemErrorCodeInkOut, "there is no ink")
		}
		s.ink--
		i.endorse()
	}
	if err := s.rack.Put(unit, 1); err != nil {
		_ = cmd.Event(&storage.StorageErrorEvent{Failure: storage.StorageErrorEventFailureError, Unit: s.rack.Of(pick(unit == "", Pocket1, unit))})
		return "", host.Fail(check.MediaInEndErrorCodeMediaBinError, err.Error())
	}
	i.place, i.access = unit, check.MediaStatusCustomerAccessNone
	s.remember(i)
	if len(i.images) == 0 {
		return unit, nil
	}
	data, err := i.data(false, i.images)
	if err != nil {
		return "", err
	}
	return unit, cmd.Event(data)
}

// maxStored is how many items in the pockets can be looked at.
const maxStored = 8

func (s *Scanner) remember(i *item) {
	s.stored = append(s.stored, i)
	if len(s.stored) > maxStored {
		s.stored = s.stored[1:]
	}
}

// give presents items at a position; none is nothing.
func (s *Scanner) give(cmd *host.Command, p check.Position, items []*item) error {
	if len(items) == 0 {
		return nil
	}
	for _, i := range items {
		i.place, i.access = customer, check.MediaStatusCustomerAccessCustomer
	}
	s.at[p] = append(s.at[p], items...)
	if !s.open(p) {
		return host.Fail(check.PresentMediaErrorCodeShutterFail, "the slot does not open")
	}
	return cmd.Event(&check.MediaPresentedEvent{Position: p, BunchIndex: new(1), TotalBunches: "1"})
}

func (s *Scanner) mediaInRollback(_ context.Context, cmd *host.Command, _ *check.MediaInRollbackCommand) (*check.MediaInRollbackCompletion, error) {
	s.Lock()
	defer s.Unlock()
	if err := s.ready(); err != nil {
		return nil, err
	}
	all := append(s.inside(), s.feeder...)
	switch {
	case !s.active() || len(all) == 0:
		return nil, host.Fail(check.MediaInRollbackErrorCodeNoMedia, "there is nothing to give back")
	case len(s.refused)+len(s.at[check.PositionRefused]) > 0:
		return nil, host.Fail(check.MediaInRollbackErrorCodeRefusedItems, "refused items have to be given back first")
	case len(s.at[check.PositionOutput]) > 0:
		return nil, host.Fail(check.MediaInRollbackErrorCodePositionNotEmpty, "items wait to be taken")
	case s.faults.Strike(FaultJam):
		s.jammed = true
		s.fail()
		s.changed()
		return nil, host.Fail(check.MediaInRollbackErrorCodeMediaJammed, "an item sticks in the transport")
	}
	defer s.changed()
	s.stacker, s.held, s.feeder = nil, nil, nil
	s.deal.state = check.GetTransactionStatusCompletionMediaInTransactionRollback
	return &check.MediaInRollbackCompletion{MediaInRollback: s.summary(len(all), nil)}, s.give(cmd, check.PositionOutput, all)
}

// actionItem brings the one item of a scanner without stacker where it is to go.
func (s *Scanner) actionItem(_ context.Context, cmd *host.Command, _ *check.ActionItemCommand) (*check.ActionItemCompletion, error) {
	s.Lock()
	defer s.Unlock()
	if err := s.ready(); err != nil {
		return nil, err
	}
	switch {
	case !s.o.Single:
		return nil, chassis.Sequence("items on a stacker are brought away by MediaInEnd")
	case len(s.refused) > 0:
		return nil, host.Fail(check.ActionItemErrorCodeRefusedItems, "refused items have to be given back first")
	case s.held == nil:
		return nil, host.Fail(check.ActionItemErrorCodeNoMediaPresent, "there is no item")
	}
	defer s.changed()
	s.stacker, s.held = []*item{s.held}, nil
	back, _, err := s.bringAll(cmd)
	if err != nil {
		s.held, s.stacker = s.stacker[0], nil
		return nil, err
	}
	s.deal.state = check.GetTransactionStatusCompletionMediaInTransactionOk
	return nil, s.give(cmd, check.PositionOutput, back)
}

func (s *Scanner) presentMedia(_ context.Context, cmd *host.Command, req *check.PresentMediaCommand) (*check.PresentMediaCompletion, error) {
	s.Lock()
	defer s.Unlock()
	if err := s.ready(); err != nil {
		return nil, err
	}
	if req.Source != nil && req.Source.Position != "" && req.Source.Position != check.PresentMediaPositionRefused {
		return nil, chassis.Refused("refused items are presented")
	}
	switch {
	case len(s.refused) == 0:
		return nil, host.Fail(check.PresentMediaErrorCodeNoMedia, "no item was refused")
	case len(s.at[check.PositionRefused]) > 0:
		return nil, host.Fail(check.PresentMediaErrorCodePositionNotEmpty, "items wait to be taken")
	}
	defer s.changed()
	items := s.refused
	s.refused = nil
	return nil, s.give(cmd, check.PositionRefused, items)
}

// expelMedia pushes out what waits to be taken: it falls where nobody looks for it.
func (s *Scanner) expelMedia(context.Context, *host.Command, *check.ExpelMediaCommand) (*check.ExpelMediaCompletion, error) {
	s.Lock()
	defer s.Unlock()
	if err := s.ready(); err != nil {
		return nil, err
	}
	if len(s.waitingItems()) == 0 {
		return nil, host.Fail(check.ExpelMediaErrorCodeNoItems, "no item waits to be taken")
	}
	defer s.changed()
	for _, p := range positions {
		s.at[p] = nil
		s.close(p)
	}
	return nil, nil
}

func (s *Scanner) waitingItems() (out []*item) {
	for _, p := range positions {
		out = append(out, s.at[p]...)
	}
	return out
}

func (s *Scanner) retractMedia(_ context.Context, cmd *host.Command, req *check.RetractMediaCommand) (*check.RetractMediaCompletion, error) {
	s.Lock()
	defer s.Unlock()
	if err := s.ready(); err != nil {
		return nil, err
	}
	unit := pick(req.RetractLocation == "", Retract, req.RetractLocation)
	items := s.waitingItems()
	switch {
	case slices.Contains([]string{"stacker", "transport", "rebuncher"}, unit):
		return nil, chassis.Refused("items are retracted into " + Retract)
	case len(items) == 0:
		return nil, host.Fail(check.RetractMediaErrorCodeNoMediaPresent, "no item waits to be taken")
	}
	defer s.changed()
	if err := s.takeBack(cmd, unit, items); err != nil {
		return nil, err
	}
	s.deal.state = check.GetTransactionStatusCompletionMediaInTransactionRetract
	return &check.RetractMediaCompletion{Media: &check.RetractMediaCompletionMedia{Count: number(len(items)), RetractLocation: unit}}, nil
}

// takeBack counts items into the retract pocket and empties the positions.
func (s *Scanner) takeBack(cmd *host.Command, unit string, items []*item) error {
	if s.faults.Strike(FaultJam) {
		s.jammed = true
		return host.Fail(check.RetractMediaErrorCodeMediaJammed, "an item sticks in the transport")
	}
	switch err := s.rack.Fit(unit, len(items), true); {
	case errors.Is(err, bin.ErrAway):
		return host.Fail(check.RetractMediaErrorCodeNoBin, err.Error())
	case errors.Is(err, bin.ErrUnknown), errors.Is(err, bin.ErrUnfit):
		return host.Fail(check.RetractMediaErrorCodeInvalidBin, err.Error())
	}
	if err := s.rack.Retract(unit, len(items)); err != nil {
		_ = cmd.Event(&storage.StorageErrorEvent{Failure: storage.StorageErrorEventFailureFull, Unit: s.rack.Of(unit)})
		return host.Fail(check.RetractMediaErrorCodeMediaBinError, err.Error())
	}
	for _, i := range items {
		i.place, i.access = unit, check.MediaStatusCustomerAccessNone
	}
	for _, p := range positions {
		s.at[p] = nil
		s.close(p)
	}
	bin.Tell(s.rack, unit, s.Say)
	return nil
}

// reset ends the transaction and brings all that is inside to one place.
func (s *Scanner) reset(_ context.Context, cmd *host.Command, req *check.ResetCommand) (*check.ResetCompletion, error) {
	s.Lock()
	defer s.Unlock()
	if s.jammed {
		s.Say(&check.MediaDetectedEvent{Position: "jammed"})
	}
	if err := s.ready(); err != nil {
		return nil, err
	}
	if slices.Contains([]string{"transport", "rebuncher"}, req.MediaControl) {
		return nil, chassis.Refused("a reset ejects or fills a storage unit")
	}
	defer s.changed()
	items := slices.Concat(s.inside(), s.feeder, s.refused, s.waitingItems())
	if err := s.clear(cmd, pick(req.MediaControl == "", "eject", req.MediaControl), items); err != nil {
		return nil, err
	}
	s.deal.state = check.GetTransactionStatusCompletionMediaInTransactionReset
	return nil, nil
}

func (s *Scanner) clear(cmd *host.Command, where string, items []*item) error {
	if len(items) == 0 {
		return nil
	}
	if where != "eject" {
		if err := s.takeBack(cmd, where, items); err != nil {
			return err
		}
		s.stacker, s.held, s.feeder, s.refused = nil, nil, nil, nil
		s.Say(&check.MediaDetectedEvent{Position: where})
		return nil
	}
	for _, p := range positions {
		s.at[p] = nil
	}
	s.stacker, s.held, s.feeder, s.refused = nil, nil, nil, nil
	s.Say(&check.MediaDetectedEvent{Position: "position"})
	return s.give(cmd, check.PositionOutput, items)
}
