package checkscanner

import (
	"context"
	"errors"
	"slices"

	"github.com/plomb-pos/plomb/driver/sim/chassis"
	"github.com/plomb-pos/plomb/xfs4iot/check"
	"github.com/plomb-pos/plomb/xfs4iot/host"
)

func (s *Scanner) mediaIn(ctx context.Context, cmd *host.Command, req *check.MediaInCommand) (*check.MediaInCompletion, error) {
	s.Lock()
	defer s.Unlock()
	if err := s.canTakeIn(req); err != nil {
		return nil, err
	}
	defer s.changed()
	s.begin(req)
	if err := s.awaitBunch(ctx, cmd); err != nil {
		return nil, err
	}
	s.deal.last, s.deal.lastStacked = 0, 0
	err := s.run(cmd)
	return &check.MediaInCompletion{MediaIn: &check.Mediain{
		MediaOnStacker: new(len(s.stacker)), LastMedia: new(s.deal.last), LastMediaOnStacker: new(s.deal.lastStacked), MediaFeeder: s.feederStatus(),
	}}, err
}

// canTakeIn finds what would fail before anybody is asked for cheques.
func (s *Scanner) canTakeIn(req *check.MediaInCommand) error {
	if err := errors.Join(s.ready(), s.known(req.CodelineFormat, req.Image)); err != nil {
		return err
	}
	_, noRoom := s.rack.First(1, false)
	switch {
	case len(s.refused)+len(s.at[check.PositionRefused]) > 0:
		return host.Fail(check.MediaInErrorCodeRefusedItems, "refused items have to be given back first")
	case len(s.at[check.PositionOutput])+len(s.at[check.PositionInput]) > 0:
		return host.Fail(check.MediaInErrorCodePositionNotEmpty, "items wait to be taken")
	case len(s.feeder) > 0:
		return host.Fail(check.MediaInErrorCodeFeederNotEmpty, "there are items in the feeder")
	case s.held != nil:
		return host.Fail(check.MediaInErrorCodeMediaPresent, "an item waits for a decision")
	case req.CodelineFormat != "" && !s.micr:
		return host.Fail(check.MediaInErrorCodeMicrInop, "the code line reader does not work")
	case len(req.Image) > 0 && !s.camera:
		return host.Fail(check.MediaInErrorCodeScannerInop, "the cameras do not work")
	case !s.feed:
		return host.Fail(check.MediaInErrorCodeFeederInop, "the feeder does not work")
	case noRoom != nil:
		return host.Fail(check.MediaInErrorCodeAllBinsFull, noRoom.Error())
	case !s.o.Single && len(s.stacker) >= s.most(req):
		return host.Fail(check.MediaInErrorCodeStackerFull, "the stacker is full")
	case s.o.Single && is(req.ApplicationRefuse):
		return chassis.Refused("a scanner for single items has no feeder")
	}
	return nil
}

// most is how many items the stacker takes in this transaction.
func (s *Scanner) most(req *check.MediaInCommand) int {
	if s.active() && s.deal.most > 0 {
		return s.deal.most
	}
	if req.MaxMediaOnStacker != nil && *req.MaxMediaOnStacker > 0 {
		return min(*req.MaxMediaOnStacker, s.o.Stacker)
	}
	return s.o.Stacker
}

// known refuses formats that the scanner does not have.
func (s *Scanner) known(codeLine check.CodelineFormat, images []check.ImageRequest) error {
	if codeLine != "" && codeLine != check.CodelineFormatE13b {
		return chassis.Refused("code lines are E-13B")
	}
	for _, i := range images {
		switch {
		case i.Source == "":
			return chassis.Invalid("an image has a source")
		case i.Type == check.ImageTypeWmf:
			return chassis.Refused("images are tif, bmp or jpg")
		case i.ScanColor != "" && i.ScanColor != check.ImageScanColorWhite:
			return chassis.Refused("the light is white")
		}
	}
	return nil
}

// begin starts a transaction unless one is under way.
func (s *Scanner) begin(req *check.MediaInCommand) {
	if !s.active() {
		s.deal = transaction{state: check.GetTransactionStatusCompletionMediaInTransactionActive, most: s.most(req)}
	}
	s.deal.apart, s.deal.codeLine, s.deal.wanted = is(req.ApplicationRefuse) || s.o.Single, req.CodelineFormat != "", req.Image
}

// awaitBunch opens the slot until a bunch has been put in.
func (s *Scanner) awaitBunch(ctx context.Context, cmd *host.Command) error {
	if !s.open(check.PositionInput) {
		s.endIfEmpty()
		return host.Fail(check.MediaInErrorCodeShutterFail, "the slot does not open")
	}
	s.waiting, s.rejected = true, ""
	_ = cmd.Event(&check.NoMediaEvent{})
	s.changed()
	err := s.Await(ctx, func() bool { return len(s.feeder) > 0 || s.rejected != "" || s.off })
	s.waiting = false
	s.close(check.PositionInput)
	switch {
	case err != nil:
		s.endIfEmpty()
		return err
	case s.off:
		return s.ready()
	case s.rejected != "":
		s.endIfEmpty()
		_ = cmd.Event(&check.MediaRejectedEvent{Reason: s.rejected})
		return host.Fail(check.MediaInErrorCodeMediaRejected, "the bunch came out again: "+string(s.rejected))
	}
	_ = cmd.Event(&check.MediaInsertedEvent{})
	return nil
}

// endIfEmpty ends a transaction in which nothing happened yet.
func (s *Scanner) endIfEmpty() {
	if len(s.deal.items) == 0 && s.deal.refusedItems == 0 {
		s.deal.state = check.GetTransactionStatusCompletionMediaInTransactionOk
	}
}

func (s *Scanner) open(p check.Position) bool {
	if s.faults.Strike(FaultShutter) {
		s.setShutter(p, check.ShutterStateJammed)
		return false
	}
	if s.shutter[p] == check.ShutterStateJammed {
		return false
	}
	s.setShutter(p, check.ShutterStateOpen)
	return true
}

func (s *Scanner) close(p check.Position) {
	if s.shutter[p] == check.ShutterStateOpen {
		s.setShutter(p, check.ShutterStateClosed)
	}
}

func (s *Scanner) setShutter(p check.Position, now check.ShutterState) {
	if s.shutter[p] != now {
		s.shutter[p] = now
		s.Say(&check.ShutterStatusChangedEvent{Position: p, Shutter: now})
	}
}

// run feeds items until the feeder is empty, or one when the client decides on each.
func (s *Scanner) run(cmd *host.Command) error {
	full := false
	for len(s.feeder) > 0 && s.held == nil {
		stop, err := s.feedOne(cmd)
		if err != nil {
			return err
		}
		full = full || stop
		if s.held != nil && !s.deal.apart {
			s.toStacker(s.held)
			s.held = nil
		}
	}
	if full {
		return host.Fail(check.MediaInErrorCodeStackerFull, "not all items fit onto the stacker")
	}
	return nil
}

// feedOne takes the next item past the readers. What is sound is held.
func (s *Scanner) feedOne(cmd *host.Command) (full bool, err error) {
	next := s.feeder[0]
	switch {
	case s.faults.Strike(FaultPower):
		s.off = true
		s.fail()
		return false, chassis.Broken("power was lost")
	case s.faults.Strike(FaultJam):
		s.jammed = true
		s.fail()
		return false, host.Fail(check.MediaInErrorCodeMediaJammed, "an item sticks in the transport")
	}
	s.feeder = s.feeder[1:]
	s.deal.total++
	reason := s.refusal(next)
	if reason == noteTaken {
		return false, nil
	}
	if reason != "" {
		s.refuse(next)
		return reason == check.MediaRefusedEventReasonStackerFull, cmd.Event(&check.MediaRefusedEvent{Reason: reason,
			Location: check.MediaRefusedEventLocationRefused, PresentRequired: new(true), MediaSize: &check.MediaSize{LongEdge: new(longEdge), ShortEdge: new(shortEdge)}})
	}
	return false, s.readOne(cmd, next)
}

// noteTaken is no refusal: the item was a banknote, and cash took it.
const noteTaken = check.MediaRefusedEventReason("note taken")

func (s *Scanner) refusal(i *item) check.MediaRefusedEventReason {
	switch {
	case i.Defect == Note:
		if s.cash != nil && is(s.modes.CashAccept) && s.cash.Note() == nil {
			return noteTaken
		}
		return check.MediaRefusedEventReasonForeignItems
	case refusals[i.Defect] != "":
		return refusals[i.Defect]
	case !is(s.modes.CheckAccept):
		return check.MediaRefusedEventReasonForeignItems
	case !s.o.Single && len(s.stacker) >= s.deal.most:
		return check.MediaRefusedEventReasonStackerFull
	}
	return ""
}

func (s *Scanner) refuse(i *item) {
	i.place, i.access = "device", check.MediaStatusCustomerAccessNone
	s.refused = append(s.refused, i)
	s.deal.refusedItems++
}

// readOne reads an item and tells the client of it.
func (s *Scanner) readOne(cmd *host.Command, i *item) error {
	i.id = len(s.deal.items) + 1
	i.place, i.access = "device", check.MediaStatusCustomerAccessNone
	data, err := i.data(s.deal.codeLine, s.deal.wanted)
	if err != nil {
		return err
	}
	s.deal.items = append(s.deal.items, i)
	s.deal.last++
	s.held = i
	return cmd.Event(data)
}

func (s *Scanner) toStacker(i *item) {
	s.stacker = append(s.stacker, i)
	s.deal.lastStacked++
}

// fail marks a transaction of which not all is known.
func (s *Scanner) fail() {
	s.deal.state = check.GetTransactionStatusCompletionMediaInTransactionFailure
}

func (s *Scanner) getNextItem(_ context.Context, cmd *host.Command, _ *check.GetNextItemCommand) (*check.GetNextItemCompletion, error) {
	s.Lock()
	defer s.Unlock()
	if err := s.ready(); err != nil {
		return nil, err
	}
	switch {
	case s.held != nil:
		return nil, chassis.Sequence("an item waits for a decision")
	case len(s.feeder) == 0:
		return &check.GetNextItemCompletion{MediaFeeder: s.feederStatus()}, host.Fail(check.GetNextItemErrorCodeNoItems, "the feeder is empty")
	case !s.feed:
		return nil, host.Fail(check.GetNextItemErrorCodeFeederInop, "the feeder does not work")
	case s.deal.codeLine && !s.micr:
		return nil, host.Fail(check.GetNextItemErrorCodeMicrInop, "the code line reader does not work")
	case len(s.deal.wanted) > 0 && !s.camera:
		return nil, host.Fail(check.GetNextItemErrorCodeScannerInop, "the cameras do not work")
	}
	defer s.changed()
	_, err := s.feedOne(cmd)
	return &check.GetNextItemCompletion{MediaFeeder: s.feederStatus()}, err
}

func (s *Scanner) acceptItem(_ context.Context, _ *host.Command, req *check.AcceptItemCommand) (*check.AcceptItemCompletion, error) {
	s.Lock()
	defer s.Unlock()
	if err := s.ready(); err != nil {
		return nil, err
	}
	if s.held == nil || s.o.Single {
		return nil, host.Fail(check.AcceptItemErrorCodeNoItems, "no item waits for a decision")
	}
	defer s.changed()
	i := s.held
	s.held = nil
	if req.Accept != nil && !*req.Accept {
		s.refuse(i)
		s.deal.items = slices.DeleteFunc(s.deal.items, func(o *item) bool { return o == i })
		return nil, nil
	}
	s.toStacker(i)
	return nil, nil
}

func (s *Scanner) readImage(_ context.Context, _ *host.Command, req *check.ReadImageCommand) (*check.ReadImageCompletion, error) {
	s.Lock()
	defer s.Unlock()
	if err := errors.Join(s.ready(), s.known(req.CodelineFormat, req.Image)); err != nil {
		return nil, err
	}
	switch {
	case req.CodelineFormat != "" && !s.micr:
		return nil, host.Fail(check.ReadImageErrorCodeMicrInop, "the code line reader does not work")
	case len(req.Image) > 0 && !s.camera:
		return nil, host.Fail(check.ReadImageErrorCodeScannerInop, "the cameras do not work")
	case len(s.inside()) == 0:
		return nil, host.Fail(check.ReadImageErrorCodeNoMedia, "there is no item in the scanner")
	}
	i := s.byID(req.MediaID)
	if i == nil {
		return nil, host.Fail(check.ReadImageErrorCodeInvalidMediaID, "there is no such item in the scanner")
	}
	data, err := i.data(req.CodelineFormat != "", req.Image)
	if err != nil {
		return nil, err
	}
	return &check.ReadImageCompletion{Data: (*check.MediaData)(data)}, nil
}

// inside lists what can be worked on: the stacker and the item that is held.
func (s *Scanner) inside() []*item {
	if s.held != nil {
		return append(slices.Clone(s.stacker), s.held)
	}
	return s.stacker
}

func (s *Scanner) byID(id *int) *item {
	for _, i := range s.inside() {
		if id != nil && i.id == *id {
			return i
		}
	}
	return nil
}

func (s *Scanner) setMediaParameters(_ context.Context, _ *host.Command, req *check.SetMediaParametersCommand) (*check.SetMediaParametersCompletion, error) {
	s.Lock()
	defer s.Unlock()
	if err := errors.Join(s.ready(), s.known("", req.Image), s.printable(req)); err != nil {
		return nil, err
	}
	items := s.inside()
	if len(items) == 0 {
		return nil, host.Fail(check.SetMediaParametersErrorCodeNoItems, "there is no item in the scanner")
	}
	if req.MediaID != nil {
		i := s.byID(req.MediaID)
		if i == nil {
			return nil, host.Fail(check.SetMediaParametersErrorCodeInvalidMediaID, "there is no such item in the scanner")
		}
		items = []*item{i}
	}
	if err := s.destination(req.Destination, len(items)); err != nil {
		return nil, err
	}
	for _, i := range items {
		i.destination, i.stamp, i.endorsement, i.images = req.Destination, is(req.Stamp), req.PrintData, req.Image
	}
	return nil, nil
}

func (s *Scanner) printable(req *check.SetMediaParametersCommand) error {
	switch {
	case len([]rune(req.PrintData)) > printRows*printColumns:
		return chassis.Invalid("the endorser prints four lines of sixty characters")
	case (req.PrintData != "" || is(req.Stamp)) && s.ink == 0:
		return host.Fail(check.SetMediaParametersErrorCodeInkOut, "there is no ink")
	case len(req.Image) > 0 && !s.camera:
		return host.Fail(check.SetMediaParametersErrorCodeScannerInop, "the cameras do not work")
	}
	return nil
}

func (s *Scanner) transactionStatus(_ context.Context, _ *host.Command, req *check.GetTransactionStatusCommand) (*check.GetTransactionStatusCompletion, error) {
	s.Lock()
	defer s.Unlock()
	d := s.deal
	out := &check.GetTransactionStatusCompletion{
		MediaInTransaction: d.state, MediaOnStacker: number(len(s.stacker)), LastMediaInTotal: number(d.last), LastMediaAddedToStacker: number(d.lastStacked),
		TotalItems: number(d.total), TotalItemsRefused: number(d.refusedItems), TotalBunchesRefused: number(0),
	}
	for _, i := range d.items {
		var wanted []check.ImageRequest
		if is(req.IncludeImage) {
			wanted = d.wanted
		}
		data, err := i.data(i.magnetic, wanted)
		if err != nil {
			return nil, err
		}
		out.MediaInfo = append(out.MediaInfo, check.MediaStatus{MediaID: data.MediaID, MediaLocation: i.place, CodelineData: data.CodelineData,
			MagneticReadIndicator: data.MagneticReadIndicator, Image: data.Image, InsertOrientation: data.InsertOrientation, MediaSize: data.MediaSize,
			MediaValidity: data.MediaValidity, CustomerAccess: i.access})
	}
	return out, nil
}

func (s *Scanner) supplyReplenish(_ context.Context, _ *host.Command, req *check.SupplyReplenishCommand) (*check.SupplyReplenishCompletion, error) {
	s.Lock()
	defer s.Unlock()
	if is(req.Toner) {
		return nil, chassis.Refused("the endorser works with ink")
	}
	if is(req.Ink) {
		s.ink = maxInk
	}
	s.changed()
	return nil, nil
}
