package client

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/plomb-pos/plomb/xfs4iot"
	"github.com/plomb-pos/plomb/xfs4iot/common"
)

// CallOption changes how one command is sent.
type CallOption func(*callOptions)

type callOptions struct {
	timeout time.Duration
	onEvent func(*xfs4iot.Message)
}

// Timeout is how long the device may take, waiting in its queue included; it is
// sent with the command in whole milliseconds. Without it the command has no end
// of its own.
func Timeout(d time.Duration) CallOption { return func(o *callOptions) { o.timeout = d } }

// OnEvent is called with each event of this command, in order, by the goroutine
// that called Do.
func OnEvent(f func(*xfs4iot.Message)) CallOption { return func(o *callOptions) { o.onEvent = f } }

// ErrUnknownOutcome is what an UnknownOutcomeError is.
var ErrUnknownOutcome = errors.New("outcome unknown")

// UnknownOutcomeError is a command of which it is not known whether the device did
// it.
type UnknownOutcomeError struct {
	Command   string
	RequestID int64
	Err       error // why no completion came
}

// Error says that the outcome is unknown, and why.
func (e *UnknownOutcomeError) Error() string {
	return fmt.Sprintf("%s: outcome unknown: %v", e.Command, e.Err)
}

// Unwrap gives ErrUnknownOutcome and the cause.
func (e *UnknownOutcomeError) Unwrap() []error { return []error{ErrUnknownOutcome, e.Err} }

// SafeToRepeat is always false.
func (e *UnknownOutcomeError) SafeToRepeat() bool { return false }

// SafeToRepeat reports whether the command behind err certainly had no effect, so
// that it may be sent again: it was never sent, was refused, or ended with a code
// that comes before the device moves. It is false for nil.
func SafeToRepeat(err error) bool {
	var told interface{ SafeToRepeat() bool }
	if errors.As(err, &told) {
		return told.SafeToRepeat()
	}
	return err != nil
}

// Do sends a command and waits for its completion; the package comment tells what
// its results mean. req may be nil for a command without payload; it is checked
// with Validate before anything is sent.
func Do[Req, Resp any](ctx context.Context, c *Conn, cmd xfs4iot.Command[Req, Resp], req *Req, opts ...CallOption) (*Resp, error) {
	var payload xfs4iot.Payload
	if req != nil {
		payload = any(req).(xfs4iot.Payload)
	}
	m, err := c.Do(ctx, cmd.Info(), payload, opts...)
	if m == nil {
		return nil, err
	}
	resp := new(Resp)
	if decode := m.Into(resp); decode != nil && err == nil {
		return nil, &UnknownOutcomeError{cmd.Info().Name, m.Header.RequestID, decode}
	}
	return resp, err
}

// Do is the untyped form of the function Do; it gives the completion as a message,
// also beside an *xfs4iot.Error. payload may be nil.
func (c *Conn) Do(ctx context.Context, info xfs4iot.CommandInfo, payload xfs4iot.Payload, opts ...CallOption) (*xfs4iot.Message, error) {
	var o callOptions
	for _, set := range opts {
		set(&o)
	}
	m, err := request(info, payload, o.timeout)
	if err == nil {
		err = errors.Join(ctx.Err(), c.Err())
	}
	if err != nil {
		return nil, fmt.Errorf("%s: not sent: %w", info.Name, err)
	}
	id, k := c.register()
	defer c.forget(id)
	m.Header.RequestID = id
	if err := c.send(m); err != nil {
		return nil, &UnknownOutcomeError{info.Name, id, err}
	}
	last, err := c.await(ctx, m.Header, k, o.onEvent)
	if last != nil && !strings.EqualFold(last.Header.Name, info.Name) {
		return nil, &UnknownOutcomeError{info.Name, id, fmt.Errorf("%.80q was completed in its place", last.Header.Name)}
	}
	return last, err
}

func request(info xfs4iot.CommandInfo, payload xfs4iot.Payload, timeout time.Duration) (*xfs4iot.Message, error) {
	h := xfs4iot.Header{Type: xfs4iot.TypeCommand, Name: info.Name, Version: info.Version, Timeout: timeout}
	if payload == nil {
		return xfs4iot.New(h, nil)
	}
	if err := payload.Validate(); err != nil {
		return nil, err
	}
	return xfs4iot.New(h, payload)
}

// await follows a command to its end; when ctx ends it cancels the command and
// goes on for a bounded time.
func (c *Conn) await(ctx context.Context, h xfs4iot.Header, k *call, onEvent func(*xfs4iot.Message)) (*xfs4iot.Message, error) {
	var patience <-chan time.Time
	ended := ctx.Done()
	for {
		select {
		case <-k.wake:
			if m, err := follow(k.take(), onEvent); m != nil {
				return completionOnly(m), err
			}
		case <-ended:
			ended, patience = nil, time.After(c.opts.CancelWait)
			go c.cancelRequest(h.RequestID)
		case <-patience:
			return nil, &UnknownOutcomeError{h.Name, h.RequestID, context.Cause(ctx)}
		case <-c.ctx.Done(): // what had arrived before counts
			if m, err := follow(k.take(), onEvent); m != nil {
				return completionOnly(m), err
			}
			return nil, &UnknownOutcomeError{h.Name, h.RequestID, c.Err()}
		}
	}
}

// follow handles replies in order and gives the last one of the command, nil when it
// has not come.
func follow(replies []*xfs4iot.Message, onEvent func(*xfs4iot.Message)) (*xfs4iot.Message, error) {
	for _, m := range replies {
		if last, err := step(m, onEvent); last {
			return m, err
		}
	}
	return nil, nil
}

// step handles one reply; last means that nothing follows it.
func step(m *xfs4iot.Message, onEvent func(*xfs4iot.Message)) (last bool, err error) {
	h := m.Header
	switch h.Type {
	case xfs4iot.TypeAcknowledge:
		if h.Status == xfs4iot.StatusAccepted {
			return false, nil
		}
		return true, &xfs4iot.Error{Command: h.Name, Status: h.Status, Description: h.ErrorDescription}
	case xfs4iot.TypeEvent:
		if onEvent != nil {
			onEvent(m)
		}
		return false, nil
	case xfs4iot.TypeCompletion:
		return true, outcome(m)
	}
	return false, nil
}

func outcome(m *xfs4iot.Message) error {
	h := m.Header
	if h.CompletionCode == xfs4iot.Success {
		return nil
	}
	return &xfs4iot.Error{Command: h.Name, Code: h.CompletionCode, ErrorCode: m.ErrorCode(), Description: h.ErrorDescription}
}

func completionOnly(m *xfs4iot.Message) *xfs4iot.Message {
	if m.Header.Type != xfs4iot.TypeCompletion {
		return nil
	}
	return m
}

// cancelRequest asks the service to end a command. What it answers does not
// matter: the command's own completion tells the outcome.
func (c *Conn) cancelRequest(id int64) {
	req := common.CancelCommand{RequestIDs: []int{int(id)}}
	m, err := request(common.Cancel.Info(), req, 0)
	if err != nil {
		return // cannot happen: ids are above zero
	}
	mine, _ := c.register()
	defer c.forget(mine)
	m.Header.RequestID = mine
	if err := c.send(m); err != nil {
		c.opts.Log.Warn("cancel not sent", "url", c.url, "err", err)
	}
}
