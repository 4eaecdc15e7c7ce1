package host

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/coder/websocket"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/plomb-pos/plomb/xfs4iot"
)

// conn is one connection to one service. Three goroutines work on it: the reader
// (read), which decodes, acknowledges and hands over; the writer (write); and the
// service's queue or, for immediate commands, one of their own.
type conn struct {
	svc    *Service
	cfg    *Config
	ws     *websocket.Conn
	client Client
	base   string // URL of the publisher as this client sees it
	log    *slog.Logger
	ctx    context.Context
	cancel context.CancelCauseFunc
	out    chan []byte
	pace   pace // owned by the reader

	mu      sync.Mutex // guards what follows; taken before the queue's
	pending map[int64]*Command
	gen     xfs4iot.Generation // of the last command, for unsolicited events
}

var (
	errSlow = errors.New("client does not read what it is sent")
	errRate = errors.New("client sends too much")
)

// serve runs the connection until it ends.
func (c *conn) serve() {
	c.svc.join(c)
	defer c.svc.leave(c)
	context.AfterFunc(c.ctx, c.hangUp)
	var writer sync.WaitGroup
	writer.Go(c.write)
	err := c.read()
	c.cancel(errors.Join(ErrDisconnected, err))
	writer.Wait()
	c.log.Info("connection ended", "cause", context.Cause(c.ctx))
}

// read decodes and dispatches message after message. It never waits for a command.
func (c *conn) read() error {
	for {
		_, data, err := c.ws.Read(context.Background()) // until hangUp
		if err != nil {
			return err
		}
		m, err := xfs4iot.Decode(data, c.cfg.Limits)
		if errors.Is(err, xfs4iot.ErrNotUTF8) {
			_ = c.ws.Close(websocket.StatusInvalidFramePayloadData, "text is not UTF-8")
			return err
		}
		if c.pace.exceeded() {
			return c.refuseAndCount(m)
		}
		c.dispatch(m, err)
	}
}

// refuseAndCount is where a connection ends that goes on beyond its rate.
func (c *conn) refuseAndCount(m *xfs4iot.Message) error {
	c.acknowledge(m, xfs4iot.StatusTooManyRequests, errRate)
	_ = c.ws.Close(websocket.StatusPolicyViolation, errRate.Error())
	return errRate
}

// write sends what is queued, one message at a time, and pings.
func (c *conn) write() {
	ping := time.NewTicker(c.cfg.PingInterval)
	defer ping.Stop()
	for {
		select {
		case <-c.ctx.Done():
			return
		case data := <-c.out:
			if err := c.writeOne(data); err != nil {
				c.cancel(err)
				return
			}
		case <-ping.C:
			go c.ping()
		}
	}
}

// hangUp closes the connection once its context has ended; a service that stops
// says so to a client that still reads.
func (c *conn) hangUp() {
	if c.svc.life.Err() != nil {
		_ = c.ws.Close(websocket.StatusGoingAway, "service stops")
	}
	_ = c.ws.CloseNow()
}

func (c *conn) writeOne(data []byte) error {
	ctx, cancel := context.WithTimeout(context.Background(), c.cfg.WriteTimeout)
	defer cancel()
	return c.ws.Write(ctx, websocket.MessageText, data)
}

func (c *conn) ping() {
	ctx, cancel := context.WithTimeout(c.ctx, c.cfg.WriteTimeout)
	defer cancel()
	if err := c.ws.Ping(ctx); err != nil {
		c.cancel(errors.Join(errSlow, err))
	}
}

// send queues an unsolicited message in this client's generation.
func (c *conn) send(m *xfs4iot.Message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	mine := *m
	mine.Generation = c.gen
	c.enqueue(&mine)
}

// enqueue puts a message in the writer's line, in the order of the calls; mu is
// held. A full line means that the client does not read: it is cut off.
func (c *conn) enqueue(m *xfs4iot.Message) {
	data, err := m.Encode()
	if err != nil {
		c.cancel(err)
		return
	}
	select {
	case c.out <- data:
	default:
		c.cancel(errSlow)
	}
}

// acknowledge answers a message before anything else; why is told where the
// generation has a place for it.
func (c *conn) acknowledge(m *xfs4iot.Message, status xfs4iot.Status, why error) {
	h := xfs4iot.Header{Type: xfs4iot.TypeAcknowledge, Name: cmp.Or(m.Header.Name, "Common.Acknowledge"),
		RequestID: m.Header.RequestID, Version: m.Header.Version, Status: status}
	if h.Version == "" {
		h.Version = "1.0"
	}
	if why != nil && m.Generation == xfs4iot.Gen2021 {
		h.ErrorDescription = why.Error()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.enqueue(&xfs4iot.Message{Header: h, Generation: m.Generation})
}

// complete finishes a started command with what its handler returned.
func (c *conn) complete(cmd *Command, payload any, err error) {
	out := cmd.outcome(err)
	m, encodeErr := completion(cmd, payload, out)
	if encodeErr != nil {
		c.log.Error("completion cannot be encoded", "command", cmd.header.Name, "err", encodeErr)
		m, _ = completion(cmd, nil, &xfs4iot.Error{Code: xfs4iot.InternalError, Description: "completion cannot be encoded"})
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.finish(cmd, m)
}

// finish sends a command's completion, once; mu is held.
func (c *conn) finish(cmd *Command, m *xfs4iot.Message) {
	if cmd.state == done {
		return
	}
	cmd.state = done
	delete(c.pending, cmd.header.RequestID)
	c.enqueue(m)
	cmd.cancel(nil)
}

// giveUp ends a command that still waits, because its context has ended.
func (c *conn) giveUp(cmd *Command) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if cmd.state == queued {
		c.finishQueued(cmd, context.Cause(cmd.ctx))
	}
}

// finishQueued completes a command that never started; mu is held.
func (c *conn) finishQueued(cmd *Command, cause error) {
	c.svc.queue.drop(cmd)
	m, _ := completion(cmd, nil, &xfs4iot.Error{Code: codeOf(cause), Description: cause.Error()}) // no payload: cannot fail
	c.finish(cmd, m)
}

// completion makes the message that ends a command.
func completion(cmd *Command, payload any, e *xfs4iot.Error) (*xfs4iot.Message, error) {
	m, err := xfs4iot.New(xfs4iot.Header{
		Type: xfs4iot.TypeCompletion, Name: cmd.header.Name, RequestID: cmd.header.RequestID,
		Version: cmd.info.CompletionVersion, CompletionCode: e.Code, ErrorDescription: e.Description,
	}, payload)
	if err != nil {
		return nil, err
	}
	m.Generation = cmd.gen
	if e.ErrorCode != "" && m.ErrorCode() == "" {
		m.Payload, err = withErrorCode(m.Payload, e.ErrorCode)
	}
	return m, err
}

// withErrorCode puts an errorCode in front of a payload that has none.
func withErrorCode(payload jsontext.Value, code string) (jsontext.Value, error) {
	quoted, err := jsontext.AppendQuote([]byte(`{"errorCode":`), code)
	if err != nil || len(payload) <= len("{}") {
		return append(quoted, '}'), err
	}
	return append(append(quoted, ','), payload[1:]...), nil
}

// cancelRequests answers Common.Cancel: its own completion first, then those of
// the commands it ends. ids nil means all of this connection.
func (c *conn) cancelRequests(cancel *Command, ids []int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var hit []*Command
	for id, cmd := range c.pending {
		if cmd != cancel && (ids == nil || slices.Contains(ids, id)) {
			hit = append(hit, cmd)
		}
	}
	result := &xfs4iot.Error{Code: xfs4iot.Success}
	if len(hit) == 0 && ids != nil {
		result = &xfs4iot.Error{Code: xfs4iot.CommandErrorCode, ErrorCode: "noMatchingRequestIDs"}
	}
	m, _ := completion(cancel, nil, result) // a constant payload: cannot fail
	c.finish(cancel, m)
	slices.SortFunc(hit, func(a, b *Command) int { return cmp.Compare(a.header.RequestID, b.header.RequestID) })
	for _, cmd := range hit {
		if cmd.state == queued {
			c.finishQueued(cmd, ErrCanceled)
		}
		cmd.cancel(ErrCanceled)
	}
}
