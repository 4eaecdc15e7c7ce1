package host

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/plomb-pos/plomb/xfs4iot"
)

// Command is one command being handled. It is valid until its handler returns, or
// until Complete after Later.
type Command struct {
	header xfs4iot.Header
	info   xfs4iot.CommandInfo
	gen    xfs4iot.Generation
	conn   *conn
	do     action
	ctx    context.Context
	cancel context.CancelCauseFunc
	state  state // guarded by conn.mu

	unwatch func() bool // ends the watch for cancel and timeout in the queue
}

type state int

const (
	queued  state = iota
	running       // or to be completed later
	done
)

// Why a command's context ended; context.Cause gives them.
var (
	ErrCanceled     = errors.New("cancelled by its client")
	ErrTimeOut      = errors.New("the command's time is over")
	ErrDisconnected = errors.New("the connection ended")
)

// Name is the message name, "Printer.PrintRaw".
func (c *Command) Name() string { return c.header.Name }

// RequestID is the client's number for the command, unique on its connection only.
func (c *Command) RequestID() int64 { return c.header.RequestID }

// Timeout is how long the client gave the command, counted from its arrival; 0 is
// without end. The handler's context has the deadline.
func (c *Command) Timeout() time.Duration { return c.header.Timeout }

// Client is who sent the command.
func (c *Command) Client() Client { return c.conn.client }

// Gone is closed when the connection that the command came over has ended. It is the
// same channel for all commands of a connection and belongs to no other, so that it
// can stand for the connection as long as a device remembers who registered.
func (c *Command) Gone() <-chan struct{} { return c.conn.ctx.Done() }

// ErrCompleted is returned by Event after the command's completion.
var ErrCompleted = errors.New("the command has completed")

// Version is the form in which the command came, that of its handler's descriptor.
func (c *Command) Version() string { return c.info.Version }

// Event sends an event of this command to its client. It does not wait for the
// client to read it; once the connection has ended it does nothing. others are the
// same event in other majors, for a connection that chose one of them.
func (c *Command) Event(e xfs4iot.Event, others ...xfs4iot.Event) error {
	var forms []*xfs4iot.Message
	for _, f := range append([]xfs4iot.Event{e}, others...) {
		m, err := xfs4iot.New(xfs4iot.Header{Type: xfs4iot.TypeEvent, Name: f.EventName(),
			RequestID: c.header.RequestID, Version: f.EventVersion()}, f)
		if err != nil {
			return err
		}
		m.Generation = c.gen
		forms = append(forms, m)
	}
	c.conn.mu.Lock()
	defer c.conn.mu.Unlock()
	if c.state == done {
		return fmt.Errorf("send %s: %w", e.EventName(), ErrCompleted)
	}
	c.conn.enqueue(c.conn.chosen(forms))
	return nil
}

// errLater is how a handler says that the completion comes later.
var errLater = errors.New("the command completes later")

// Later lets a handler return before its command is done, to wait for a person for
// instance: return nil, cmd.Later(). The service's queue goes on with the next
// command. The command's context stays: it ends with cancel, timeout and disconnect.
// Complete must be called once, also then; until it is, the requestId stays in use.
func (c *Command) Later() error { return errLater }

// Complete ends a command whose handler returned Later, with what a handler would
// return. Only the first call counts; it waits for nobody.
func (c *Command) Complete(payload xfs4iot.Payload, err error) {
	if errors.Is(err, errLater) {
		err = nil
	}
	if payload == nil {
		c.conn.complete(c, nil, err)
		return
	}
	c.conn.complete(c, payload, err)
}

// Context is the command's context, the same that its handler got.
func (c *Command) Context() context.Context { return c.ctx }

// Fail makes the error for an errorCode of a command, given as the constant of its
// interface package: the completion is commandErrorCode with that errorCode.
func Fail[T ~string](errorCode T, description string) error {
	return &xfs4iot.Error{Code: xfs4iot.CommandErrorCode, ErrorCode: string(errorCode), Description: description}
}

// start moves a queued command to running; false when it ended meanwhile.
func (c *Command) start() bool {
	c.conn.mu.Lock()
	defer c.conn.mu.Unlock()
	if c.state != queued {
		return false
	}
	if c.ctx.Err() != nil { // ended while it waited; giveUp has not come round to it yet
		c.conn.finishQueued(c, context.Cause(c.ctx))
		return false
	}
	c.state = running
	if c.unwatch != nil {
		c.unwatch()
	}
	return true
}

// run does a started command and completes it. A panic of the handler is logged
// and becomes internalError.
func (c *Command) run() {
	payload, err := c.protected()
	if !errors.Is(err, errLater) { // else Complete does it, or did
		c.conn.complete(c, payload, err)
	}
}

func (c *Command) protected() (payload any, err error) {
	defer func() {
		if p := recover(); p != nil {
			c.conn.log.Error("handler panicked", "command", c.header.Name, "panic", p, "stack", string(debug.Stack()))
			payload, err = nil, &xfs4iot.Error{Code: xfs4iot.InternalError, Description: "internal error"}
		}
	}()
	return c.do(c.ctx, c)
}

// outcome turns a handler's error into the completion's code, errorCode and text.
func (c *Command) outcome(err error) *xfs4iot.Error {
	if err == nil {
		return &xfs4iot.Error{Code: xfs4iot.Success}
	}
	var e *xfs4iot.Error
	if errors.As(err, &e) {
		return completionOf(e)
	}
	if c.ctx.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Cause(c.ctx))) {
		return &xfs4iot.Error{Code: codeOf(context.Cause(c.ctx)), Description: context.Cause(c.ctx).Error()}
	}
	return &xfs4iot.Error{Code: xfs4iot.InternalError, Description: err.Error()}
}

// completionOf makes a handler's error fit for the wire.
func completionOf(e *xfs4iot.Error) *xfs4iot.Error {
	out := *e
	switch {
	case out.Code == "" && out.ErrorCode != "":
		out.Code = xfs4iot.CommandErrorCode
	case out.Code == "":
		out.Code = xfs4iot.InternalError
	}
	return &out
}

func codeOf(cause error) xfs4iot.CompletionCode {
	if errors.Is(cause, ErrTimeOut) {
		return xfs4iot.TimeOut
	}
	return xfs4iot.Canceled
}
