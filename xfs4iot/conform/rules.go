package conform

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/plomb-pos/plomb/xfs4iot"
	"github.com/plomb-pos/plomb/xfs4iot/common"
	"github.com/plomb-pos/plomb/xfs4iot/servicepublisher"
)

// Rules lists the rules in the order in which Run checks them.
func Rules() []Rule {
	return slices.Concat(envelopeRules, generationRules, refusalRules, commonRules, versionRules, courseRules, lineRules, eventRules, guardRules)
}

var envelopeRules = []Rule{
	{"header-1", "every answer has the shape of the generation in which the command came", false, sameGeneration},
	{"header-2", "the acknowledgement carries the command's name and requestId", false, acknowledgeRepeats},
	{"header-3", "a payload that is null or absent is accepted", false, nullPayload},
	{"header-4", "fields that the service does not know are ignored", false, unknownFields},
	{"order-1", "the acknowledgement comes first, then exactly one completion, then nothing", false, oneCompletion},
	{"order-2", "commands of one client are answered in order where all are immediate", false, inOrder},
}

func sameGeneration(ctx context.Context, b *bench) error {
	p, err := b.dial(ctx)
	if err != nil {
		return err
	}
	if err := p.status(ctx, 1); err != nil {
		return err
	}
	for _, typ := range []xfs4iot.Type{xfs4iot.TypeAcknowledge, xfs4iot.TypeCompletion} {
		m, err := p.expect(ctx, typ, 1, "")
		if err != nil {
			return err
		}
		if m.Generation != b.target.Generation {
			return fmt.Errorf("%s has the shape of %s: %.200s", typ, m.Generation, p.last)
		}
	}
	return nil
}

func acknowledgeRepeats(ctx context.Context, b *bench) error {
	p, err := b.dial(ctx)
	if err != nil {
		return err
	}
	if err := p.status(ctx, 4711); err != nil {
		return err
	}
	m, err := p.expect(ctx, xfs4iot.TypeAcknowledge, 4711, "")
	if err == nil && m.Header.Name != "Common.Status" {
		return fmt.Errorf("its name is %q", m.Header.Name)
	}
	return err
}

func nullPayload(ctx context.Context, b *bench) error {
	p, err := b.dial(ctx)
	if err != nil {
		return err
	}
	if err := p.write(ctx, `{"header":{"type":"command","name":"Common.Status","requestId":1,"version":"2.0"},"payload":null}`); err != nil {
		return err
	}
	_, err = p.completed(ctx, 1, xfs4iot.Success)
	return err
}

func unknownFields(ctx context.Context, b *bench) error {
	p, err := b.dial(ctx)
	if err != nil {
		return err
	}
	if err := p.send(ctx, 1, "Common.Status", "2.0", `{"fromTheFuture":[1,{"a":null}]}`, 0); err != nil {
		return err
	}
	_, err = p.completed(ctx, 1, xfs4iot.Success)
	return err
}

func oneCompletion(ctx context.Context, b *bench) error {
	p, err := b.dial(ctx)
	if err != nil {
		return err
	}
	for id := int64(1); id <= 3; id++ { // what followed one would stand before the next
		if err := p.alive(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

func inOrder(ctx context.Context, b *bench) error {
	p, err := b.dial(ctx)
	if err != nil {
		return err
	}
	for id := int64(1); id <= 5; id++ {
		if err := p.status(ctx, id); err != nil {
			return err
		}
	}
	acknowledged := int64(0)
	for range 10 {
		m, err := p.next(ctx)
		if err != nil {
			return err
		}
		if h := m.Header; h.Type == xfs4iot.TypeAcknowledge {
			if acknowledged++; h.RequestID != acknowledged {
				return fmt.Errorf("command %d is acknowledged before %d", h.RequestID, acknowledged)
			}
		} else if h.RequestID > acknowledged {
			return fmt.Errorf("command %d completes before its acknowledgement", h.RequestID)
		}
	}
	return nil
}

var refusalRules = []Rule{
	{"refuse-1", "a requestId of zero is refused with invalidRequestID, or the connection is closed", false, refused(`{"header":{"type":"command","name":"Common.Status","requestId":0,"version":"2.0"}}`, xfs4iot.StatusInvalidRequestID)},
	{"refuse-2", "a command without requestId is refused with invalidRequestID, or the connection is closed", false, refused(`{"header":{"type":"command","name":"Common.Status","version":"2.0"}}`, xfs4iot.StatusInvalidRequestID)},
	{"refuse-3", "a requestId that is not an integer is refused with invalidRequestID, or the connection is closed", false, refused(`{"header":{"type":"command","name":"Common.Status","requestId":"1","version":"2.0"}}`, xfs4iot.StatusInvalidRequestID)},
	{"refuse-4", "text that is not JSON is refused with invalidMessage, or the connection is closed", false, refused(`hello`, xfs4iot.StatusInvalidMessage)},
	{"refuse-5", "half a message is refused with invalidMessage, or the connection is closed", false, refused(`{"header":{"type":"command",`, xfs4iot.StatusInvalidMessage)},
	{"refuse-6", "a key given twice is refused with invalidMessage, or the connection is closed (ours)", false, refused(`{"header":{"type":"command","name":"Common.Status","requestId":1,"requestId":2,"version":"2.0"}}`, xfs4iot.StatusInvalidMessage)},
	{"refuse-7", "deep nesting is refused with invalidMessage, or the connection is closed (ours)", false, refused(`{"header":{"type":"command","name":"Common.Status","requestId":1,"version":"2.0"},"payload":`+strings.Repeat(`{"a":`, 5000)+`1`+strings.Repeat(`}`, 5000)+`}`, xfs4iot.StatusInvalidMessage)},
	{"refuse-8", "an event sent by a client is refused with invalidMessage, or the connection is closed", false, refused(`{"header":{"type":"event","name":"Common.ErrorEvent","requestId":1,"version":"2.0"}}`, xfs4iot.StatusInvalidMessage)},
	{"refuse-9", "a completion sent by a client is refused with invalidMessage, or the connection is closed", false, refused(`{"header":{"type":"completion","name":"Common.Status","requestId":1,"version":"2.0","completionCode":"success"}}`, xfs4iot.StatusInvalidMessage)},
	{"refuse-10", "a payload that is not an object is refused with invalidMessage, or the connection is closed", false, refused(`{"header":{"type":"command","name":"Common.Status","requestId":1,"version":"2.0"},"payload":[1]}`, xfs4iot.StatusInvalidMessage)},
	{"refuse-11", "text that is not UTF-8 closes the connection with code 1007", false, notUTF8},
	{"refuse-13", "a negative requestId is refused with invalidRequestID, or the connection is closed", false, refused(`{"header":{"type":"command","name":"Common.Status","requestId":-1,"version":"2.0"}}`, xfs4iot.StatusInvalidRequestID)},
	{"refuse-14", "a requestId with a fraction is refused with invalidRequestID, or the connection is closed", false, refused(`{"header":{"type":"command","name":"Common.Status","requestId":1.5,"version":"2.0"}}`, xfs4iot.StatusInvalidRequestID)},
	{"refuse-15", "a requestId of a thousand digits is refused with invalidRequestID, or the connection is closed", false, refused(`{"header":{"type":"command","name":"Common.Status","requestId":`+strings.Repeat("9", 1000)+`,"version":"2.0"}}`, xfs4iot.StatusInvalidRequestID)},
	{"refuse-16", "a message without header is refused with invalidMessage, or the connection is closed", false, refused(`{"payload":{}}`, xfs4iot.StatusInvalidMessage)},
	{"refuse-17", "a message of an unknown type is refused with invalidMessage, or the connection is closed", false, refused(`{"header":{"type":"wish","name":"Common.Status","requestId":1,"version":"2.0"}}`, xfs4iot.StatusInvalidMessage)},
	{"refuse-18", "a command without name is refused with invalidMessage, or the connection is closed", false, refused(`{"header":{"type":"command","requestId":1,"version":"2.0"}}`, xfs4iot.StatusInvalidMessage)},
	{"refuse-19", "an acknowledgement sent by a client is refused with invalidMessage, or the connection is closed", false, refused(`{"header":{"type":"acknowledge","name":"Common.Status","requestId":1,"version":"2.0"}}`, xfs4iot.StatusInvalidMessage)},
	{"refuse-20", "data after the message is refused with invalidMessage, or the connection is closed (ours)", false, refused(`{"header":{"type":"command","name":"Common.Status","requestId":1,"version":"2.0"}}{}`, xfs4iot.StatusInvalidMessage)},
	{"refuse-21", "an empty message is refused with invalidMessage, or the connection is closed", false, refused(``, xfs4iot.StatusInvalidMessage)},
	{"refuse-22", "a version that is not of the form 1.0 is refused with invalidMessage, or the connection is closed (ours)", false, refused(`{"header":{"type":"command","name":"Common.Status","requestId":1,"version":"new"}}`, xfs4iot.StatusInvalidMessage)},
	{"refuse-12", "a requestId in use is refused with invalidRequestID", true, idInUse},
}

// refused makes the check that a text is refused with a status (or the connection
// closed), that the service lives on, and that a second client notices nothing.
func refused(text string, want xfs4iot.Status) func(context.Context, *bench) error {
	return func(ctx context.Context, b *bench) error {
		p, err := b.dial(ctx)
		if err != nil {
			return err
		}
		other, err := b.dial(ctx)
		if err != nil {
			return err
		}
		if err := p.write(ctx, text); err != nil {
			return err
		}
		m, err := p.next(ctx)
		switch {
		case errors.Is(err, context.DeadlineExceeded):
			return errors.New("neither refused nor closed")
		case err == nil && (m.Header.Type != xfs4iot.TypeAcknowledge || m.Header.Status != want):
			return fmt.Errorf("want %s, got %.200s", want, p.last)
		case err == nil:
			if err := p.alive(ctx, 77); err != nil {
				return fmt.Errorf("afterwards: %w", err)
			}
		}
		return other.alive(ctx, 1)
	}
}

// closeNotUTF8 is the close code of RFC 6455 for text that is not UTF-8.
const closeNotUTF8 = 1007

func notUTF8(ctx context.Context, b *bench) error {
	p, err := b.dial(ctx)
	if err != nil {
		return err
	}
	if err := p.write(ctx, "{\"header\":\"\xff\xfe\"}"); err != nil {
		return err
	}
	code, err := p.closed(ctx)
	if err == nil && code != closeNotUTF8 {
		return fmt.Errorf("closed with %d", code)
	}
	return err
}

func idInUse(ctx context.Context, b *bench) error {
	p, err := b.dial(ctx)
	if err != nil {
		return err
	}
	if err := p.long(ctx, 5, 0); err != nil {
		return err
	}
	if err := p.accepted(ctx, 5); err != nil {
		return err
	}
	if err := p.status(ctx, 5); err != nil {
		return err
	}
	if _, err := p.expect(ctx, xfs4iot.TypeAcknowledge, 5, string(xfs4iot.StatusInvalidRequestID)); err != nil {
		return err
	}
	if err := p.cancel(ctx, 6, ""); err != nil {
		return err
	}
	if _, err := p.completed(ctx, 6, xfs4iot.Success); err != nil {
		return err
	}
	_, err = p.completion(ctx, 5, xfs4iot.Canceled)
	return err
}

var commonRules = []Rule{
	{"common-1", "Common.Capabilities lists the interface Common with Status, Capabilities and Cancel", false, capabilities},
	{"common-2", "Common.Status tells the device's state", false, deviceStatus},
	{"common-3", "a command that is not offered completes with unsupportedCommand", false, completesWith("Common.NoSuchCommand", "1.0", "", xfs4iot.UnsupportedCommand)},
	{"common-4", "a major version that is not offered completes with unsupportedCommand", false, unknownVersion},
	{"common-5", "a payload of the wrong type completes with invalidData", false, completesWith("Common.Cancel", "2.0", `{"requestIds":"all"}`, xfs4iot.InvalidData)},
	{"common-6", "SetVersions with neither map completes with invalidData", false, completesWith("Common.SetVersions", "2.0", "", xfs4iot.InvalidData)},
	{"common-7", "SetVersions of an unknown message completes with unsupportedData", false, completesWith("Common.SetVersions", "2.0", `{"commands":{"Common.NoSuchCommand":1}}`, xfs4iot.UnsupportedData)},
	{"common-8", "SetVersions of an unknown major completes with unsupportedData", false, completesWith("Common.SetVersions", "2.0", `{"commands":{"Common.Status":99}}`, xfs4iot.UnsupportedData)},
	{"publish-1", "the publisher lists the service", false, published},
}

func completesWith(name, version, payload string, code xfs4iot.CompletionCode) func(context.Context, *bench) error {
	return func(ctx context.Context, b *bench) error {
		p, err := b.dial(ctx)
		if err != nil {
			return err
		}
		if err := p.send(ctx, 1, name, version, payload, 0); err != nil {
			return err
		}
		if _, err := p.completed(ctx, 1, code); err != nil {
			return err
		}
		return p.alive(ctx, 2)
	}
}

func unknownVersion(ctx context.Context, b *bench) error {
	if b.target.Generation == xfs4iot.Gen2021 {
		return errNotApplicable
	}
	return completesWith("Common.Status", "99.0", "", xfs4iot.UnsupportedCommand)(ctx, b)
}

func capabilities(ctx context.Context, b *bench) error {
	p, err := b.dial(ctx)
	if err != nil {
		return err
	}
	if err := p.send(ctx, 1, "Common.Capabilities", "2.0", "", 0); err != nil {
		return err
	}
	m, err := p.completed(ctx, 1, xfs4iot.Success)
	if err != nil {
		return err
	}
	var caps common.CapabilitiesCompletion
	if err := m.Into(&caps); err != nil {
		return err
	}
	for _, i := range caps.Interfaces {
		if i.Name == common.InterfaceNameCommon && i.Commands["Common.Status"] != nil && i.Commands["Common.Capabilities"] != nil && i.Commands["Common.Cancel"] != nil {
			return caps.Validate()
		}
	}
	return errors.New("it does not")
}

func deviceStatus(ctx context.Context, b *bench) error {
	p, err := b.dial(ctx)
	if err != nil {
		return err
	}
	if err := p.status(ctx, 1); err != nil {
		return err
	}
	m, err := p.completed(ctx, 1, xfs4iot.Success)
	if err != nil {
		return err
	}
	var status common.StatusCompletion
	if err := m.Into(&status); err != nil {
		return err
	}
	if status.Common == nil || status.Common.Device == "" {
		return errors.New("common.device is missing")
	}
	return status.Validate()
}

func published(ctx context.Context, b *bench) error {
	if b.target.Publisher == "" {
		return errNotApplicable
	}
	p, err := b.dialTo(ctx, b.target.Publisher)
	if err != nil {
		return err
	}
	if err := p.send(ctx, 1, "ServicePublisher.GetServices", "2.0", "", 0); err != nil {
		return err
	}
	m, err := p.completed(ctx, 1, xfs4iot.Success)
	if err != nil {
		return err
	}
	var list servicepublisher.GetServicesCompletion
	if err := m.Into(&list); err != nil {
		return err
	}
	for _, s := range list.Services {
		if strings.EqualFold(strings.TrimSuffix(s.ServiceURI, "/"), strings.TrimSuffix(b.target.URL, "/")) {
			return nil
		}
	}
	return fmt.Errorf("%v does not have %s", list.Services, b.target.URL)
}

var courseRules = []Rule{
	{"cancel-1", "Cancel of a requestId that nobody has completes with noMatchingRequestIDs", false, cancelNobody},
	{"cancel-2", "Cancel without requestIds succeeds also when nothing runs", false, cancelNothing},
	{"cancel-3", "Cancel completes before the running command that it cancels", true, cancelRunning},
	{"cancel-4", "Cancel completes before a queued command that it cancels, and the running one goes on", true, cancelQueued},
	{"cancel-5", "Cancel does not reach the commands of another connection", true, cancelForeign},
	{"queue-1", "an immediate command is answered while another runs", true, immediate},
	{"queue-2", "queued commands of several clients wait with no answer but the acknowledgement", true, waiting},
	{"time-1", "a running command whose time is over completes with timeOut", true, timeoutRunning},
	{"time-2", "a queued command whose time is over completes with timeOut at once (ours)", true, timeoutQueued},
	{"leave-1", "when a client leaves, its running and queued commands make room for others", true, disconnect},
	{"leave-2", "nothing about a command reaches another client", true, privacy},
}

func cancelNobody(ctx context.Context, b *bench) error {
	p, err := b.dial(ctx)
	if err != nil {
		return err
	}
	if err := p.cancel(ctx, 1, `{"requestIds":[4711]}`); err != nil {
		return err
	}
	m, err := p.completed(ctx, 1, xfs4iot.CommandErrorCode)
	if err == nil && m.ErrorCode() != "noMatchingRequestIDs" {
		return fmt.Errorf("errorCode is %q", m.ErrorCode())
	}
	return err
}

func cancelNothing(ctx context.Context, b *bench) error {
	return completesWith("Common.Cancel", "2.0", "", xfs4iot.Success)(ctx, b)
}

// startLong dials and starts the long command under an id.
func (b *bench) startLong(ctx context.Context, id int64) (*peer, error) {
	p, err := b.dial(ctx)
	if err != nil {
		return nil, err
	}
	if err := p.long(ctx, id, 0); err != nil {
		return nil, err
	}
	return p, p.accepted(ctx, id)
}

// endLong cancels everything of a peer and reads the course of one command.
func (p *peer) endLong(ctx context.Context, id, cancelID int64) error {
	if err := p.cancel(ctx, cancelID, ""); err != nil {
		return err
	}
	if _, err := p.completed(ctx, cancelID, xfs4iot.Success); err != nil {
		return err
	}
	_, err := p.completion(ctx, id, xfs4iot.Canceled)
	return err
}

func cancelRunning(ctx context.Context, b *bench) error {
	p, err := b.startLong(ctx, 1)
	if err != nil {
		return err
	}
	if err := p.cancel(ctx, 2, `{"requestIds":[1]}`); err != nil {
		return err
	}
	if _, err := p.completed(ctx, 2, xfs4iot.Success); err != nil {
		return err
	}
	if _, err := p.completion(ctx, 1, xfs4iot.Canceled); err != nil {
		return err
	}
	return p.alive(ctx, 3)
}

func cancelQueued(ctx context.Context, b *bench) error {
	p, err := b.startLong(ctx, 1)
	if err != nil {
		return err
	}
	if err := p.long(ctx, 2, 0); err != nil {
		return err
	}
	if err := p.accepted(ctx, 2); err != nil {
		return err
	}
	if err := p.cancel(ctx, 3, `{"requestIds":[2]}`); err != nil {
		return err
	}
	if _, err := p.completed(ctx, 3, xfs4iot.Success); err != nil {
		return err
	}
	if _, err := p.completion(ctx, 2, xfs4iot.Canceled); err != nil {
		return err
	}
	return p.endLong(ctx, 1, 4)
}

func cancelForeign(ctx context.Context, b *bench) error {
	p, err := b.startLong(ctx, 9)
	if err != nil {
		return err
	}
	other, err := b.dial(ctx)
	if err != nil {
		return err
	}
	if err := other.cancel(ctx, 1, `{"requestIds":[9]}`); err != nil {
		return err
	}
	if _, err := other.completed(ctx, 1, xfs4iot.CommandErrorCode); err != nil {
		return err
	}
	if err := p.alive(ctx, 10); err != nil { // a completion of 9 would stand before it
		return err
	}
	return p.endLong(ctx, 9, 11)
}

func immediate(ctx context.Context, b *bench) error {
	p, err := b.startLong(ctx, 1)
	if err != nil {
		return err
	}
	if err := p.alive(ctx, 2); err != nil {
		return err
	}
	return p.endLong(ctx, 1, 3)
}

func waiting(ctx context.Context, b *bench) error {
	var line []*peer
	for range 3 {
		p, err := b.startLong(ctx, 1)
		if err != nil {
			return err
		}
		line = append(line, p)
	}
	for _, p := range line {
		if err := p.alive(ctx, 2); err != nil { // an answer to 1 would stand before it
			return err
		}
	}
	for _, p := range line {
		if err := p.endLong(ctx, 1, 3); err != nil {
			return err
		}
	}
	return nil
}

const shortTime = 100 * time.Millisecond

func timeoutRunning(ctx context.Context, b *bench) error {
	p, err := b.dial(ctx)
	if err != nil {
		return err
	}
	if err := p.long(ctx, 1, shortTime); err != nil {
		return err
	}
	_, err = p.completed(ctx, 1, xfs4iot.TimeOut)
	return err
}

func timeoutQueued(ctx context.Context, b *bench) error {
	p, err := b.startLong(ctx, 1)
	if err != nil {
		return err
	}
	if err := p.long(ctx, 2, shortTime); err != nil {
		return err
	}
	if _, err := p.completed(ctx, 2, xfs4iot.TimeOut); err != nil {
		return err
	}
	return p.endLong(ctx, 1, 3)
}

func disconnect(ctx context.Context, b *bench) error {
	leaver, err := b.startLong(ctx, 1)
	if err != nil {
		return err
	}
	if err := leaver.long(ctx, 2, 0); err != nil {
		return err
	}
	if err := leaver.accepted(ctx, 2); err != nil {
		return err
	}
	stayer, err := b.startLong(ctx, 1)
	if err != nil {
		return err
	}
	_ = leaver.raw.Close()
	return stayer.endLong(ctx, 1, 2)
}

func privacy(ctx context.Context, b *bench) error {
	other, err := b.dial(ctx)
	if err != nil {
		return err
	}
	p, err := b.startLong(ctx, 1)
	if err != nil {
		return err
	}
	if err := p.endLong(ctx, 1, 2); err != nil {
		return err
	}
	return other.alive(ctx, 3) // anything with another requestId would stand before it
}
