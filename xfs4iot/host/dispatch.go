package host

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"time"

	"github.com/plomb-pos/plomb/xfs4iot"
)

// dispatch answers one decoded message; err is what Decode said about it. The reader
// writes the answers itself where it can, together with what a quick handler has to
// say by then; it waits only for its own client, and no longer than WriteTimeout.
func (c *conn) dispatch(m *xfs4iot.Message, err error) {
	mine := c.claim()
	c.answer(m, err)
	if mine {
		runtime.Gosched() // let a quick handler finish
		c.write()
	}
}

func (c *conn) answer(m *xfs4iot.Message, err error) {
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
	if c.svc.queue.push(cmd) {
		c.svc.srv.running.Go(c.svc.queue.run)
	}
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
	h, err := c.find(cmd.header, m.Generation)
	cmd.info = h.info
	if err != nil {
		return h, err
	}
	if err := c.authorize(cmd.header.Name); err != nil {
		return h, &xfs4iot.Error{Code: xfs4iot.AuthorisationRequired, Description: err.Error()}
	}
	if m.Generation == xfs4iot.Gen2021 {
		err = h.info.CheckRequired2021(m.Payload)
	}
	if err == nil {
		cmd.do, err = h.begin(m)
	}
	if err != nil {
		return h, &xfs4iot.Error{Code: xfs4iot.InvalidData, Description: err.Error()}
	}
	return h, nil
}

// find picks the handler for a command's name and version. Where there is none, the
// one returned says how the completion is to be labelled.
func (c *conn) find(h xfs4iot.Header, g xfs4iot.Generation) (handler, error) {
	forms := c.svc.handlers[h.Name]
	if len(forms) == 0 {
		none := handler{info: xfs4iot.CommandInfo{Name: h.Name, CompletionVersion: cmp.Or(h.Version, "1.0")}}
		return none, &xfs4iot.Error{Code: xfs4iot.UnsupportedCommand, Description: "not offered by this service"}
	}
	if h.Version == "" || g == xfs4iot.Gen2021 {
		return c.unversioned(h.Name, forms), nil
	}
	want, err := xfs4iot.ParseVersion(h.Version)
	for _, f := range forms {
		if err == nil && f.version.Serves(want) {
			return f, nil
		}
	}
	return forms[0], &xfs4iot.Error{Code: xfs4iot.UnsupportedCommand, Description: fmt.Sprintf("version %s is not offered, %s is", h.Version, versions(forms))}
}

// unversioned picks the form for a command that names no version, as those of 2021-1
// do: the major that the client chose with SetVersions, else the lowest.
func (c *conn) unversioned(name string, forms []handler) handler {
	c.mu.Lock()
	major, chosen := c.majors[name]
	c.mu.Unlock()
	for _, f := range forms {
		if chosen && f.version.Major == major {
			return f
		}
	}
	return forms[len(forms)-1]
}

func versions(forms []handler) string {
	var list []string
	for _, f := range forms {
		list = append(list, f.info.Version)
	}
	return strings.Join(list, ", ")
}

// authorize asks the table of rights and Config.Authorize.
func (c *conn) authorize(command string) error {
	srv := c.svc.srv
	var err error
	if r := srv.rights.Load(); r != nil {
		err = r.Authorize(c.client, c.svc.name, command)
	}
	if err == nil && c.cfg.Authorize != nil {
		err = c.cfg.Authorize(c.client, c.svc.name, command)
	}
	if err != nil {
		srv.refuse(Refusal{Reason: RefusedRights, Client: c.client, Service: c.svc.name, Command: command, Err: err})
	}
	return err
}
