package card

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/plomb-pos/plomb/driver/sim/chassis"
	"github.com/plomb-pos/plomb/xfs4iot"
	"github.com/plomb-pos/plomb/xfs4iot/cardreader"
	"github.com/plomb-pos/plomb/xfs4iot/host"
)

// trouble is why a command that needs a card ended; each command has its own
// errorCodes of these names.
type trouble string

// The troubles.
const (
	mediaJam     trouble = "mediaJam"
	shutterFail  trouble = "shutterFail"
	noMedia      trouble = "noMedia"
	invalidMedia trouble = "invalidMedia"
	cardTooShort trouble = "cardTooShort"
	cardTooLong  trouble = "cardTooLong"
)

func (t trouble) fail(why string) error { return host.Fail(t, why) }

var errTornOut = noMedia.fail("the card was torn out of the reader")

// accept waits for a card, if none is there, and draws it in. The lock is held.
func (r *Reader) accept(ctx context.Context, cmd *host.Command) error {
	switch {
	case r.off:
		return errOff
	case r.in != nil:
		return r.usable()
	case r.shutter:
		return shutterFail.fail("the slot does not open")
	}
	if err := cmd.Event(&cardreader.InsertCardEvent{}); err != nil {
		return err
	}
	if err := r.awaitCard(ctx, cmd); err != nil {
		return err
	}
	if err := r.movement(inTransport); err != nil {
		return err
	}
	return r.welcome(cmd)
}

// usable judges a card that was there already.
func (r *Reader) usable() error {
	switch r.in.at {
	case jammed, stuck:
		return mediaJam.fail("a card is jammed")
	case atExit:
		return noMedia.fail("the card waits to be taken: move it to the transport first")
	}
	return nil
}

func (r *Reader) awaitCard(ctx context.Context, cmd *host.Command) error {
	r.waiting = true
	r.changed()
	defer func() {
		r.waiting, r.wrongWay = false, false
		r.changed()
	}()
	for {
		if err := r.Await(ctx, func() bool { return r.in != nil || r.wrongWay || r.off || r.shutter }); err != nil {
			return err
		}
		switch {
		case r.off:
			return errOff
		case r.in != nil:
			return nil
		case r.shutter:
			return shutterFail.fail("the slot is blocked")
		}
		r.wrongWay = false
		if err := cmd.Event(&cardreader.InvalidMediaEvent{}); err != nil {
			return err
		}
	}
}

// welcome looks at a card that came in; one that does not fit goes back.
func (r *Reader) welcome(cmd *host.Command) error {
	switch length := r.in.Length; {
	case length < 0:
		r.refuse()
		return cardTooShort.fail("the card is too short")
	case length > 0:
		r.refuse()
		return cardTooLong.fail("the card is too long")
	}
	return cmd.Event(&cardreader.MediaInsertedEvent{})
}

// refuse gives a card back that a motorized reader does not want.
func (r *Reader) refuse() {
	if r.in != nil && !r.dip {
		r.in.at = atExit
		r.changed()
	}
}

// movement moves the card to a place, or not: a dip reader moves nothing.
func (r *Reader) movement(to place) error {
	if r.dip {
		return nil
	}
	switch {
	case r.faults.Strike(FaultStuck):
		r.in.at = stuck
	case r.faults.Strike(FaultJam):
		r.in.at = jammed
	default:
		r.in.at = to
		r.changed()
		return nil
	}
	r.powered = false
	r.changed()
	return mediaJam.fail("the card is jammed")
}

// read is CardReader.ReadRawData.
func (r *Reader) read(ctx context.Context, cmd *host.Command, req *cardreader.ReadRawDataCommand) (*cardreader.ReadRawDataCompletion, error) {
	r.Lock()
	defer r.Unlock()
	if is(req.FluxInactive) {
		return nil, chassis.Refused("the flux sensor cannot be switched")
	}
	if is(req.FrontImage) || is(req.BackImage) {
		return nil, chassis.Refused("the reader takes no pictures of cards")
	}
	if err := r.accept(ctx, cmd); err != nil {
		return nil, err
	}
	stripes := is(req.Track1) || is(req.Track2) || is(req.Track3)
	if !r.in.Stripe && r.in.Chip == nil && (stripes || is(req.Chip)) {
		return nil, invalidMedia.fail("the card has neither stripe nor chip")
	}
	if r.securityAlone(req) && r.mark() != cardreader.ReadRawDataCompletionSecurityDataReadLevel1 {
		return nil, host.Fail(cardreader.ReadRawDataErrorCodeSecurityFail, "the security module answers "+string(r.mark()))
	}
	if stripes && r.in.Stripe {
		if err := cmd.Event(r.tracks()); err != nil {
			return nil, err
		}
	}
	return r.data(req), nil
}

// securityAlone says whether the security mark is all that was asked for.
func (r *Reader) securityAlone(req *cardreader.ReadRawDataCommand) bool {
	others := []*bool{req.Track1, req.Track2, req.Track3, req.Chip, req.Watermark, req.MemoryChip, req.Track1Front, req.Track1JIS, req.Track3JIS, req.Ddi}
	return is(req.Security) && !slices.ContainsFunc(others, is)
}

func is(b *bool) bool { return b != nil && *b }

// tracks says which tracks have something on them.
func (r *Reader) tracks() *cardreader.TrackDetectedEvent {
	has := func(i int) *bool { return new(r.in.Tracks[i] != "") }
	return &cardreader.TrackDetectedEvent{Track1: has(0), Track2: has(1), Track3: has(2), Watermark: new(false), FrontTrack1: new(false)}
}

// data collects what was asked for.
func (r *Reader) data(req *cardreader.ReadRawDataCommand) *cardreader.ReadRawDataCompletion {
	track := func(asked *bool, i int) *cardreader.CardDataNullable {
		if !is(asked) {
			return nil
		}
		return r.track(i)
	}
	unsupported := func(asked *bool) *cardreader.CardDataNullable {
		if !is(asked) {
			return nil
		}
		return &cardreader.CardDataNullable{Status: cardreader.CardDataStatusDataSourceNotSupported}
	}
	out := &cardreader.ReadRawDataCompletion{
		Track1: track(req.Track1, 0), Track2: track(req.Track2, 1), Track3: track(req.Track3, 2),
		Watermark: unsupported(req.Watermark), Track1Front: unsupported(req.Track1Front),
		Track1JIS: unsupported(req.Track1JIS), Track3JIS: unsupported(req.Track3JIS), Ddi: unsupported(req.Ddi),
	}
	if is(req.Chip) {
		out.Chip = []cardreader.CardData{r.chipData()}
	}
	if is(req.Security) {
		out.Security = &cardreader.ReadRawDataCompletionSecurity{Data: r.mark()}
	}
	if is(req.MemoryChip) {
		out.MemoryChip = &cardreader.ReadRawDataCompletionMemoryChip{Status: cardreader.CardDataStatusDataSourceNotSupported}
	}
	return out
}

// track is what the head reads of track i, from 0.
func (r *Reader) track(i int) *cardreader.CardDataNullable {
	switch {
	case !r.in.Stripe:
		return &cardreader.CardDataNullable{Status: cardreader.CardDataStatusDataSourceMissing}
	case r.unread == i+1, r.unread == 4:
		return &cardreader.CardDataNullable{Status: cardreader.CardDataStatusDataInvalid}
	case r.in.Tracks[i] == "":
		return &cardreader.CardDataNullable{Status: cardreader.CardDataStatusDataMissing}
	}
	return &cardreader.CardDataNullable{Data: []byte(r.in.Tracks[i])}
}

// chipData powers the chip and gives its answer to reset.
func (r *Reader) chipData() cardreader.CardData {
	switch {
	case r.in.Chip == nil:
		return cardreader.CardData{Status: cardreader.CardDataStatusDataSourceMissing}
	case r.mute:
		return cardreader.CardData{Status: cardreader.CardDataStatusDataInvalid}
	}
	r.in.Chip.Reset()
	r.powered = true
	r.changed()
	return cardreader.CardData{Data: r.in.Chip.ATR()}
}

// mark is what the security module says about the card.
func (r *Reader) mark() cardreader.ReadRawDataCompletionSecurityData {
	switch {
	case !r.module.Keyed:
		return cardreader.ReadRawDataCompletionSecurityDataNotInitialized
	case !r.in.Genuine:
		return cardreader.ReadRawDataCompletionSecurityDataBadReadLevel
	}
	return cardreader.ReadRawDataCompletionSecurityDataReadLevel1
}

// stripeRule is what a track holds (ISO/IEC 7811-2 and -6, ISO 4909).
type stripeRule struct {
	most    int
	allowed func(byte) bool
}

var stripeRules = [3]stripeRule{
	{76, func(b byte) bool { return b >= 0x20 && b <= 0x5F && b != '%' && b != '?' }},
	{37, numeric}, {104, numeric},
}

// numeric is the alphabet of tracks 2 and 3 without their sentinels.
func numeric(b byte) bool { return b >= '0' && b <= '>' && b != ';' }

func (s stripeRule) check(data []byte) error {
	if len(data) == 0 || len(data) > s.most {
		return fmt.Errorf("%d characters, 1 to %d fit", len(data), s.most)
	}
	if i := strings.IndexFunc(string(data), func(c rune) bool { return c > 0x7F || !s.allowed(byte(c)) }); i >= 0 {
		return fmt.Errorf("character %d is not of the track's alphabet", i+1)
	}
	return nil
}

// order is one track to write.
type order struct {
	track  int
	data   []byte
	method string
}

// orders checks what is to be written before any card moves.
func orders(req *cardreader.WriteRawDataCommand) ([]order, error) {
	if req.Track1Front != nil || req.Track1JIS != nil || req.Track3JIS != nil || req.AdditionalProperties != nil {
		return nil, chassis.Refused("tracks 1 to 3 can be written, no others")
	}
	var out []order
	if t := req.Track1; t != nil {
		out = append(out, order{0, t.Data, string(t.WriteMethod)})
	}
	if t := req.Track2; t != nil {
		out = append(out, order{1, t.Data, string(t.WriteMethod)})
	}
	if t := req.Track3; t != nil {
		out = append(out, order{2, t.Data, string(t.WriteMethod)})
	}
	for _, o := range out {
		if err := stripeRules[o.track].check(o.data); err != nil {
			return nil, chassis.Invalid(fmt.Sprintf("track %d: %v", o.track+1, err))
		}
	}
	if len(out) == 0 {
		return nil, chassis.Invalid("nothing to write")
	}
	return out, nil
}

// write is CardReader.WriteRawData.
func (r *Reader) write(ctx context.Context, cmd *host.Command, req *cardreader.WriteRawDataCommand) (*cardreader.WriteRawDataCompletion, error) {
	r.Lock()
	defer r.Unlock()
	if r.dip {
		return nil, &xfs4iot.Error{Code: xfs4iot.UnsupportedCommand, Description: "this reader cannot write"}
	}
	todo, err := orders(req)
	if err != nil {
		return nil, err
	}
	if err := r.accept(ctx, cmd); err != nil {
		return nil, err
	}
	return nil, r.inscribe(todo)
}

func (r *Reader) inscribe(todo []order) error {
	switch {
	case !r.in.Stripe:
		return invalidMedia.fail("the card has no stripe")
	case r.noWrite:
		return chassis.Broken("the writing head does not work")
	}
	for _, o := range todo {
		if o.method == "loco" && r.in.Hico || o.method == "hico" && !r.in.Hico {
			return host.Fail(cardreader.WriteRawDataErrorCodeWriteMethod, "the stripe is of the other coercivity")
		}
	}
	for _, o := range todo {
		r.in.Tracks[o.track] = string(o.data)
	}
	r.changed()
	return nil
}
