package card

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha1"
	"fmt"
	"strconv"

	"github.com/plomb-pos/plomb/driver/sim/chassis"
	"github.com/plomb-pos/plomb/xfs4iot"
	"github.com/plomb-pos/plomb/xfs4iot/cardreader"
	"github.com/plomb-pos/plomb/xfs4iot/host"
)

// kernel is the contactless side of the reader.
type kernel struct {
	configured bool
	aids       [][]byte
	waiting    bool   // a client waits for a card at the antenna
	message    string // shown to the customer
	pending    *tap   // a transaction that waits for its issuer
}

// tap is a card held to the antenna, once.
type tap struct {
	card    *holding
	outcome Outcome
}

// Outcome is what whoever taps a card wants the kernel to find.
type Outcome string

// The outcomes. Automatic asks the issuer, with an online PIN from 50.00 on; a card
// without antenna is sent to another interface.
const (
	Automatic     Outcome = "automatic"
	Several       Outcome = "multipleCards"
	TornAway      Outcome = "tornAway" // the card left the field too early: noMedia
	Approve       Outcome = "approve"
	Decline       Outcome = "decline"
	OnlineRequest Outcome = "onlineRequest"
	CompleteAgain Outcome = "onlineRequestCompletionRequired" // the card is to be tapped again with the issuer's answer
	TryAgain      Outcome = "tryAgain"
	OtherWay      Outcome = "tryAnotherInterface"
	EndOfIt       Outcome = "endApplication"
	Confirm       Outcome = "confirmationRequired" // on the customer's telephone
)

var outcomes = []string{string(Automatic), string(Approve), string(Decline), string(OnlineRequest), string(CompleteAgain),
	string(TryAgain), string(OtherWay), string(EndOfIt), string(Confirm), string(Several), string(TornAway)}

// kernels serve these applications (EMV Contactless Book A: kernel 2 is Mastercard's,
// 3 Visa's).
var kernels = []cardreader.EMVClessQueryApplicationsCompletionAppDataItem{
	{Aid: mastercard, KernelIdentifier: []byte{2}},
	{Aid: visa, KernelIdentifier: []byte{3}},
}

// Tap holds a card of the hand to the antenna while a client waits for one.
func (r *Reader) Tap(name string, outcome Outcome) error {
	r.Lock()
	defer r.Unlock()
	h := r.find(name)
	switch {
	case h == nil || h.at != inHand:
		return fmt.Errorf("%.40q: %w", name, ErrNoCard)
	case !r.kernel.waiting || r.off:
		return fmt.Errorf("the antenna is off: no client waits for a card")
	}
	r.tapped = &tap{h, outcome}
	r.changed()
	return nil
}

func (r *Reader) antenna() error {
	switch {
	case !r.contactless:
		return &xfs4iot.Error{Code: xfs4iot.UnsupportedCommand, Description: "the reader has no antenna"}
	case r.off:
		return errOff
	}
	return nil
}

// applications is CardReader.EMVClessQueryApplications.
func (r *Reader) applications(context.Context, *host.Command, *cardreader.EMVClessQueryApplicationsCommand) (*cardreader.EMVClessQueryApplicationsCompletion, error) {
	r.Lock()
	defer r.Unlock()
	if err := r.antenna(); err != nil {
		return nil, err
	}
	return &cardreader.EMVClessQueryApplicationsCompletion{AppData: kernels}, nil
}

// configure is CardReader.EMVClessConfigure. All is checked before any is taken.
func (r *Reader) configure(_ context.Context, _ *host.Command, req *cardreader.EMVClessConfigureCommand) (*cardreader.EMVClessConfigureCompletion, error) {
	r.Lock()
	defer r.Unlock()
	if err := r.antenna(); err != nil {
		return nil, err
	}
	if _, err := parseTLV(req.TerminalData); err != nil || len(req.TerminalData) == 0 {
		return nil, host.Fail(cardreader.EMVClessConfigureErrorCodeInvalidTerminalData, errTLV.Error())
	}
	var aids [][]byte
	for i, item := range req.AidData {
		if err := checkAID(item); err != nil {
			return nil, host.Fail(cardreader.EMVClessConfigureErrorCodeInvalidAidData, fmt.Sprintf("application %d: %v", i+1, err))
		}
		aids = append(aids, bytes.Clone(item.Aid))
	}
	for i, item := range req.KeyData {
		if err := checkKey(item); err != nil {
			return nil, host.Fail(cardreader.EMVClessConfigureErrorCodeInvalidKeyData, fmt.Sprintf("key %d: %v", i+1, err))
		}
	}
	r.kernel.configured, r.kernel.aids = true, aids
	r.changed()
	return nil, nil
}

func checkAID(item cardreader.EMVClessConfigureCommandAidDataItem) error {
	if len(item.Aid) < 5 || len(item.Aid) > 16 {
		return fmt.Errorf("an identifier has 5 to 16 bytes")
	}
	known := false
	for _, k := range kernels {
		known = known || bytes.HasPrefix(k.Aid, item.Aid) && (len(item.KernelIdentifier) == 0 || bytes.Equal(item.KernelIdentifier, k.KernelIdentifier))
	}
	if !known {
		return fmt.Errorf("no kernel serves % X", item.Aid)
	}
	_, err := parseTLV(item.ConfigData)
	return err
}

// checkKey checks a certification authority's public key; its checksum is SHA-1 over
// RID, index, modulus and exponent (EMV 4.3 Book 2, 11.2.2).
func checkKey(item cardreader.EMVClessConfigureCommandKeyDataItem) error {
	k := item.CaPublicKey
	switch {
	case len(item.Rid) != 5:
		return fmt.Errorf("a provider's identifier (RID) has 5 bytes")
	case k == nil || k.Index == nil || *k.Index > 255 || len(k.Modulus) < 64 || len(k.Modulus) > 248:
		return fmt.Errorf("index, or modulus of 64 to 248 bytes, is missing")
	case !bytes.Equal(k.Exponent, []byte{3}) && !bytes.Equal(k.Exponent, []byte{1, 0, 1}):
		return fmt.Errorf("the exponent is 3 or 65537")
	case len(k.Checksum) == 0:
		return nil
	}
	sum := sha1.Sum(bytes.Join([][]byte{item.Rid, {byte(*k.Index)}, k.Modulus, k.Exponent}, nil))
	if !bytes.Equal(sum[:], k.Checksum) {
		return fmt.Errorf("the checksum is wrong")
	}
	return nil
}

// The messages a kernel shows (EMV Contactless Book A, 9.4).
const (
	messageApproved    = 0x03
	messageDeclined    = 0x07
	messagePresent     = 0x15
	messageProcessing  = 0x16
	messageReadOK      = 0x17
	messageOtherWay    = 0x18
	messageOneCard     = 0x19
	messageAuthorising = 0x1B
	messageInsert      = 0x1C
	messagePhone       = 0x20
	messageAgain       = 0x21
)

var messageWords = map[int]string{
	messageApproved: "Approved", messageDeclined: "Not approved", messagePresent: "Present card", messageProcessing: "Processing",
	messageReadOK: "Card read, please remove it", messageOtherWay: "Insert or swipe card", messageOneCard: "Present one card only",
	messageAuthorising: "Authorising, please wait", messageInsert: "Insert, swipe or try another card",
	messagePhone: "See phone for instructions", messageAgain: "Present card again",
}

// show puts a message on the reader's display and tells the client.
func (r *Reader) show(cmd *host.Command, message int, status cardreader.EMVClessReadStatusEventStatus) error {
	r.kernel.message = messageWords[message]
	r.Tell()
	return cmd.Event(&cardreader.EMVClessReadStatusEvent{MessageID: &message, Status: status, HoldTime: new(0), LanguagePreferenceData: "en"})
}

// awaitTap shows a message and waits for a card in the field.
func (r *Reader) awaitTap(ctx context.Context, cmd *host.Command, message int) (*tap, error) {
	if err := r.show(cmd, message, cardreader.EMVClessReadStatusEventStatusReadyToRead); err != nil {
		return nil, err
	}
	r.kernel.waiting, r.tapped = true, nil
	r.changed()
	err := r.Await(ctx, func() bool { return r.tapped != nil || r.off })
	t := r.tapped
	r.kernel.waiting, r.tapped, r.kernel.message = false, nil, ""
	r.changed()
	switch {
	case err != nil:
		return nil, err
	case r.off:
		return nil, errOff
	}
	return t, nil
}

// perform is CardReader.EMVClessPerformTransaction.
func (r *Reader) perform(ctx context.Context, cmd *host.Command, req *cardreader.EMVClessPerformTransactionCommand) (*cardreader.EMVClessPerformTransactionCompletion, error) {
	r.Lock()
	defer r.Unlock()
	if err := r.antenna(); err != nil {
		return nil, err
	}
	if !r.kernel.configured {
		return nil, host.Fail(cardreader.EMVClessPerformTransactionErrorCodeReaderNotConfigured, "EMVClessConfigure first")
	}
	sale, err := parseTLV(req.Data)
	if err != nil {
		return nil, chassis.Invalid(err.Error())
	}
	r.kernel.pending = nil
	t, err := r.awaitTap(ctx, cmd, messagePresent)
	if err != nil {
		return nil, err
	}
	return r.decide(cmd, t, sale)
}

// decide gives the outcome of a tapped card.
func (r *Reader) decide(cmd *host.Command, t *tap, sale []object) (*cardreader.EMVClessPerformTransactionCompletion, error) {
	if t.outcome == TornAway {
		return nil, host.Fail(cardreader.EMVClessPerformTransactionErrorCodeNoMedia, "the card left the field too early")
	}
	if t.outcome == Automatic {
		t.outcome = r.automatic(t)
	}
	if t.outcome == Several || t.outcome == OtherWay {
		return r.answer(cmd, t, sale, nil)
	}
	for _, step := range []struct {
		message int
		status  cardreader.EMVClessReadStatusEventStatus
	}{{messageProcessing, cardreader.EMVClessReadStatusEventStatusProcessing}, {messageReadOK, cardreader.EMVClessReadStatusEventStatusCardReadOk}} {
		if err := r.show(cmd, step.message, step.status); err != nil {
			return nil, err
		}
	}
	if t.outcome == OnlineRequest || t.outcome == CompleteAgain {
		r.kernel.pending = t
	}
	return r.answer(cmd, t, sale, t.card.read(sale))
}

func (r *Reader) automatic(t *tap) Outcome {
	for _, aid := range r.kernel.aids {
		if t.card.Contactless != nil && bytes.HasPrefix(t.card.Contactless, aid) {
			return OnlineRequest
		}
	}
	return OtherWay
}

// read is what the kernel reads of a card: its application, number, track 2
// equivalent data, and a cryptogram that is random. A card without antenna is read
// too when whoever tapped it chose an outcome.
func (h *holding) read(sale []object) []byte {
	cryptogram := make([]byte, 8)
	_, _ = rand.Read(cryptogram) // never fails
	list := []object{{0x9F26, cryptogram}, {0x9F27, []byte{0x80}}}
	if h.Contactless != nil {
		list = append(list, object{0x4F, h.Contactless})
	}
	if h.Number != "" {
		list = append(list, object{0x5A, packed(h.Number)})
	}
	if t := h.Tracks[1]; t != "" {
		list = append(list, object{0x57, packed(t)})
	}
	for _, tag := range []uint32{0x9F02, 0x5F2A, 0x9A, 0x9C} { // amount, currency, date, type: as they came in
		if v := value(sale, tag); v != nil {
			list = append(list, object{tag, v})
		}
	}
	return encodeTLV(list...)
}

// pinFrom is the amount in minor units from which the kernel asks for an online PIN.
const pinFrom = 5000

// cvm chooses how the cardholder is verified.
func cvm(sale []object) cardreader.EMVClessOutcomeCvm {
	text, ok := digits(value(sale, 0x9F02))
	if amount, err := strconv.ParseInt(text, 10, 64); ok && err == nil && amount >= pinFrom {
		return cardreader.EMVClessOutcomeCvmOnlinePIN
	}
	return cardreader.EMVClessOutcomeCvmNoCVM
}

// after is the message that stays when an outcome is known.
var after = map[Outcome]int{
	Approve: messageApproved, Decline: messageDeclined, OnlineRequest: messageAuthorising, CompleteAgain: messageAuthorising,
	TryAgain: messageAgain, OtherWay: messageInsert, EndOfIt: messageDeclined, Confirm: messagePhone, Several: messageOneCard,
}

func (r *Reader) answer(cmd *host.Command, t *tap, sale []object, data []byte) (*cardreader.EMVClessPerformTransactionCompletion, error) {
	message := after[t.outcome]
	if err := r.show(cmd, message, cardreader.EMVClessReadStatusEventStatusIdle); err != nil {
		return nil, err
	}
	action := cardreader.EMVClessPerformTransactionEMVClessTxOutputDataCardholderActionNone
	if t.outcome == TryAgain || t.outcome == Confirm || t.outcome == CompleteAgain {
		action = cardreader.EMVClessPerformTransactionEMVClessTxOutputDataCardholderActionRetap
	}
	return &cardreader.EMVClessPerformTransactionCompletion{Chip: &cardreader.EMVClessPerformTransactionEMVClessTxOutputData{
		TxOutcome: cardreader.EMVClessPerformTransactionEMVClessTxOutputDataTxOutcome(t.outcome), CardholderAction: action,
		DataRead: data, ClessOutcome: result(t.outcome, message, cvm(sale)),
	}}, nil
}

func result(o Outcome, message int, how cardreader.EMVClessOutcomeCvm) *cardreader.EMVClessOutcome {
	out := &cardreader.EMVClessOutcome{
		Cvm: how, Receipt: new(o == Approve), FieldOffHoldTime: new(0), CardRemovalTimeout: new(0),
		UiOutcome: &cardreader.EMVClessUI{MessageID: &message, Status: cardreader.EMVClessUIStatusIdle, HoldTime: new(0), LanguagePreferenceData: "en"},
	}
	if o == OtherWay {
		out.AlternateInterface = cardreader.EMVClessOutcomeAlternateInterfaceContact
	}
	return out
}

// update is CardReader.EMVClessIssuerUpdate: the issuer's answer (tag 8A) to a
// transaction that asked for one; a card that has to come back is waited for.
func (r *Reader) update(ctx context.Context, cmd *host.Command, req *cardreader.EMVClessIssuerUpdateCommand) (*cardreader.EMVClessIssuerUpdateCompletion, error) {
	r.Lock()
	defer r.Unlock()
	if err := r.antenna(); err != nil {
		return nil, err
	}
	pending := r.kernel.pending
	if pending == nil {
		return nil, host.Fail(cardreader.EMVClessIssuerUpdateErrorCodeTransactionNotInitiated, "no transaction waits for its issuer")
	}
	list, err := parseTLV(req.Data)
	if err != nil {
		return nil, chassis.Invalid(err.Error())
	}
	if pending.outcome == CompleteAgain {
		if err := r.again(ctx, cmd, pending); err != nil {
			return nil, err
		}
	}
	r.kernel.pending = nil
	return r.close(cmd, pending, string(value(list, 0x8A)) == "00")
}

// again waits for the same card; another one is refused, and the transaction stays.
func (r *Reader) again(ctx context.Context, cmd *host.Command, pending *tap) error {
	t, err := r.awaitTap(ctx, cmd, messageAgain)
	switch {
	case err != nil:
		return err
	case t.outcome == TornAway:
		return host.Fail(cardreader.EMVClessIssuerUpdateErrorCodeNoMedia, "the card left the field too early")
	case t.card != pending.card:
		return host.Fail(cardreader.EMVClessIssuerUpdateErrorCodeInvalidMedia, "that is not the card of the transaction")
	}
	return nil
}

func (r *Reader) close(cmd *host.Command, t *tap, approved bool) (*cardreader.EMVClessIssuerUpdateCompletion, error) {
	outcome := Decline
	if approved {
		outcome = Approve
	}
	if err := r.show(cmd, after[outcome], cardreader.EMVClessReadStatusEventStatusIdle); err != nil {
		return nil, err
	}
	return &cardreader.EMVClessIssuerUpdateCompletion{Chip: &cardreader.EMVClessIssuerUpdateEMVClessTxOutputData{
		TxOutcome: cardreader.EMVClessIssuerUpdateEMVClessTxOutputDataTxOutcome(outcome), DataRead: t.card.read(nil),
		ClessOutcome: result(outcome, after[outcome], cardreader.EMVClessOutcomeCvmNoCVM),
	}}, nil
}
