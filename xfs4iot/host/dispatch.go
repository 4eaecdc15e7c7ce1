package host

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/plomb-pos/plomb/xfs4iot"
)

// dispatch answers one decoded message; err is what Decode said about it.
func (c *conn) dispatch(m *xfs4iot.Message, err error) {
	var bad *xfs4iot.DecodeError
	switch {
	case errors.As(err, &bad):
		c.acknowledge(m, bad.Status, bad.Err)
	case m.Header.Type != xfs4iot.TypeCommand:
		c.acknowledge(m, xfs4iot.StatusInvalidMessage, fmt.Errorf("a client sends commands, not %s", m.Header.Type))
	default:
		c.command(m)
	}
}

// command admits a command or refuses it. The order of the checks is that of the
// specification: what concerns the message first, the payload last.
func (c *conn) command(m *xfs4iot.Message) {
	cmd, status := c.admit(m)
	if status != xfs4iot.StatusAccepted {
		c.acknowledge(m, status, errors.New("refused"))
		return
	}
	h, err := c.prepare(cmd, m)
	switch {
	case err != nil:
		c.acknowledge(m, xfs4iot.StatusAccepted, nil)
		c.complete(cmd, nil, err)
	case h.inline:
		c.acknowledge(m, xfs4iot.StatusAccepted, nil)
		c.runInline(cmd)
	case h.info.Immediate:
		c.acknowledge(m, xfs4iot.StatusAccepted, nil)
		cmd.start()
		c.svc.srv.running.Go(cmd.run)
	default:
		c.enterQueue(cmd, m)
	}
}

func (c *conn) runInline(cmd *Command) {
	payload, err := cmd.protected()
	if !errors.Is(err, errAnswered) {
		c.complete(cmd, payload, err)
	}
}

// errAnswered is returned by a built-in command that sent its own completion.
var errAnswered = errors.New("already answered")

func (c *conn) enterQueue(cmd *Command, m *xfs4iot.Message) {
	if !c.svc.queue.reserve() {
		c.forget(cmd)
		c.acknowledge(m, xfs4iot.StatusTooManyRequests, errors.New("the service's queue is full"))
		return
	}
	c.acknowledge(m, xfs4iot.StatusAccepted, nil)
	cmd.unwatch = context.AfterFunc(cmd.ctx, func() { c.giveUp(cmd) })
	c.svc.queue.push(cmd)
}

// admit registers a command under its requestId and starts its clock.
func (c *conn) admit(m *xfs4iot.Message) (*Command, xfs4iot.Status) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, used := c.pending[m.Header.RequestID]; used {
		return nil, xfs4iot.StatusInvalidRequestID
	}
	if len(c.pending) >= c.cfg.Pending {
		return nil, xfs4iot.StatusTooManyRequests
	}
	cmd := &Command{header: m.Header, gen: m.Generation, conn: c}
	cmd.ctx, cmd.cancel = commandContext(c.ctx, m.Header.Timeout)
	c.pending[m.Header.RequestID] = cmd
	c.gen = m.Generation
	return cmd, xfs4iot.StatusAccepted
}

// commandContext ends with the connection, with cancel or after the timeout; its
// cause tells which.
func commandContext(parent context.Context, timeout time.Duration) (context.Context, context.CancelCauseFunc) {
	ctx, cancel := context.WithCancelCause(parent)
	if timeout <= 0 {
		return ctx, cancel
	}
	timed, release := context.WithTimeoutCause(ctx, timeout, ErrTimeOut)
	return timed, func(cause error) {
		cancel(cause)
		release()
	}
}

// forget takes back admit for a command that was refused after all.
func (c *conn) forget(cmd *Command) {
	c.mu.Lock()
	defer c.mu.Unlock()
	cmd.state = done
	delete(c.pending, cmd.header.RequestID)
	cmd.cancel(nil)
}

// prepare finds the handler and checks version, rights and payload.
func (c *conn) prepare(cmd *Command, m *xfs4iot.Message) (handler, error) {
	name := cmd.header.Name
	h, ok := c.svc.handlers[name]
	cmd.info = h.info
	if !ok {
		cmd.info = xfs4iot.CommandInfo{Name: name, CompletionVersion: versionOr(m.Header.Version)}
		return h, &xfs4iot.Error{Code: xfs4iot.UnsupportedCommand, Description: "not offered by this service"}
	}
	if err := offered(h.info.Version, m.Header.Version); err != nil {
		return h, err
	}
	if c.cfg.Authorize != nil {
		if err := c.cfg.Authorize(c.client, c.svc.name, name); err != nil {
			return h, &xfs4iot.Error{Code: xfs4iot.AuthorisationRequired, Description: err.Error()}
		}
	}
	do, err := h.begin(m)
	if err != nil {
		return h, &xfs4iot.Error{Code: xfs4iot.InvalidData, Description: err.Error()}
	}
	cmd.do = do
	return h, nil
}

func versionOr(v string) string {
	if v == "" {
		return "1.0"
	}
	return v
}

// offered accepts the major we have with any minor up to ours; a 2021-1 client
// names no version and gets ours.
func offered(ours, asked string) error {
	if asked == "" {
		return nil
	}
	have, _ := xfs4iot.ParseVersion(ours) // of a generated descriptor
	want, err := xfs4iot.ParseVersion(asked)
	if err != nil || !have.Serves(want) {
		return &xfs4iot.Error{Code: xfs4iot.UnsupportedCommand, Description: fmt.Sprintf("version %s is not offered, %s is", asked, ours)}
	}
	return nil
}
