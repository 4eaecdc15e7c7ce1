package host

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/coder/websocket"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/plomb-pos/plomb/xfs4iot"
	"github.com/plomb-pos/plomb/xfs4iot/internal/line"
)

// conn is one connection to one service. Its reader decodes, acknowledges and hands
// over, on the goroutine of the HTTP server; a writer is started when there is
// something to write and ends when there is nothing; commands run on the service's
// queue or, immediate ones, on goroutines of their own. An idle connection has one
// goroutine.
type conn struct {
	svc    *Service
	cfg    *Config
	ws     *websocket.Conn
	line   *line.Conn
	tls    *tls.ConnectionState // nil: plain
	client Client
	base   string // URL of the publisher as this client sees it
	log    *slog.Logger
	ctx    context.Context
	cancel context.CancelCauseFunc
	pace   pace // owned by the reader

	writers sync.WaitGroup

	mu      sync.Mutex // guards what follows; taken before the queue's
	pending map[int64]*Command
	gen     xfs4iot.Generation // of the last command, for unsolicited events
	majors  map[string]int     // of messages, as the client chose; nil until it did
	out     [][]byte           // waiting for the writer
	taken   int                // messages that the writer works on
	waiting int                // bytes of out, and of what the writer works on
	batch   int                // bytes of what the writer works on
	writing bool               // there is a writer
	over    bool               // there will be no writer any more
}

var (
	errSlow = errors.New("client does not read what it is sent")
	errRate = errors.New("client sends too much")
	errHalf = errors.New("client began a message and did not end it in time")
)

// serve runs the connection until it ends.
func (c *conn) serve() {
	c.svc.join(c)
	defer c.svc.leave(c)
	if err := c.svc.srv.acceptable(c); err != nil { // rights or lists may have changed since the handshake
		c.cancel(err)
	}
	context.AfterFunc(c.ctx, c.hangUp)
	pinger := c.startPings()
	err := c.read()
	pinger.Stop()
	c.cancel(errors.Join(ErrDisconnected, err))
	c.lastWords()
	c.reportEnd(context.Cause(c.ctx))
}

func (c *conn) reportEnd(cause error) {
	c.log.Info("connection ended", "cause", cause)
	reason := Reason("")
	switch {
	case errors.Is(cause, errSlow), errors.Is(cause, errHalf):
		reason = RefusedSlow
	case errors.Is(cause, errRate):
		reason = RefusedRate
	case errors.Is(cause, ErrRights):
		reason = RefusedRights
	case errors.Is(cause, ErrDisconnected), c.svc.life.Err() != nil:
		return
	default:
		reason = reasonOf(cause)
	}
	c.svc.srv.refuse(Refusal{Reason: reason, Client: c.client, Service: c.svc.name, Err: cause})
}

// read decodes and dispatches message after message. It never waits for a command.
func (c *conn) read() error {
	half := time.AfterFunc(time.Hour, func() { c.cancel(errHalf) })
	half.Stop()
	for {
		in, err := c.receive(half)
		if err == nil {
			err = c.handle(*in)
		}
		release(in)
		if err != nil {
			return err
		}
	}
}

// handle decodes and dispatches one message; data may be used again when it returns.
func (c *conn) handle(data []byte) error {
	m, err := xfs4iot.Decode(data, c.cfg.Limits)
	if errors.Is(err, xfs4iot.ErrNotUTF8) {
		_ = c.ws.Close(websocket.StatusInvalidFramePayloadData, "text is not UTF-8")
		return err
	}
	if c.pace.exceeded() {
		return c.refuseAndClose(m)
	}
	c.dispatch(m, err)
	return nil
}

// inputs are buffers for incoming messages; a connection has one only while a
// message comes in and is dispatched.
var inputs = sync.Pool{New: func() any { b := make([]byte, 0, 4<<10); return &b }}

// keptInput is how large a buffer is kept for others.
const keptInput = 64 << 10

func release(in *[]byte) {
	if in != nil && cap(*in) <= keptInput {
		inputs.Put(in)
	}
}

// receive reads one message into a buffer, which is to be released. Waiting for its
// beginning has no bound, waiting for its end has.
func (c *conn) receive(half *time.Timer) (*[]byte, error) {
	_, r, err := c.ws.Reader(context.Background()) // until hangUp
	if err != nil {
		return nil, err
	}
	half.Reset(c.cfg.ReadTimeout)
	defer half.Stop()
	in := inputs.Get().(*[]byte)
	data := (*in)[:0]
	for {
		if len(data) == cap(data) {
			data = slices.Grow(data, cap(data))
		}
		n, err := r.Read(data[len(data):cap(data)])
		data = data[:len(data)+n]
		if *in = data; errors.Is(err, io.EOF) {
			return in, nil
		}
		if err != nil {
			return in, err
		}
	}
}

// refuseAndClose is where a connection ends that goes on beyond its rate.
func (c *conn) refuseAndClose(m *xfs4iot.Message) error {
	c.acknowledge(m, xfs4iot.StatusTooManyRequests, errRate)
	c.lastWords()
	_ = c.ws.Close(websocket.StatusPolicyViolation, errRate.Error())
	c.cancel(errRate)
	return errRate
}

// write sends what is waiting until nothing is; what came together goes out together.
// Who calls it has set writing and counted itself among the writers.
func (c *conn) write() {
	defer c.writers.Done()
	for {
		batch := c.take()
		if batch == nil {
			return
		}
		if err := c.writeBatch(batch); err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				err = errors.Join(errSlow, err)
			}
			c.cancel(errors.Join(err, ErrDisconnected))
			return
		}
	}
}

// claim makes the caller the writer if there is none: it must call write soon.
func (c *conn) claim() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.writing || c.over {
		return false
	}
	c.writing = true
	c.writers.Add(1)
	return true
}

// lastWords waits until what is queued has been written, or cannot be, and lets
// nothing follow.
func (c *conn) lastWords() {
	c.mu.Lock()
	c.over = true
	c.mu.Unlock()
	c.writers.Wait()
}

// take gives what is waiting; nil when nothing is, and then there is no writer.
func (c *conn) take() [][]byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	batch := c.out
	c.out, c.taken = nil, len(batch)
	c.waiting -= c.batch
	c.batch = c.waiting
	c.writing = batch != nil
	return batch
}

func (c *conn) writeBatch(batch [][]byte) error {
	c.line.Hold()
	for _, data := range batch {
		if err := c.ws.Write(context.Background(), websocket.MessageText, data); err != nil {
			return err
		}
	}
	return c.line.Release()
}

// hangUp closes the connection once its context has ended; a service that stops
// says so to a client that still reads.
func (c *conn) hangUp() {
	cause := context.Cause(c.ctx)
	switch {
	case c.svc.life.Err() != nil:
		_ = c.ws.Close(websocket.StatusGoingAway, "service stops")
	case errors.Is(cause, ErrRights):
		_ = c.ws.Close(websocket.StatusPolicyViolation, "rights were withdrawn")
	}
	_ = c.ws.CloseNow()
}

// startPings asks the client at intervals whether it is there.
func (c *conn) startPings() *time.Timer {
	var t *time.Timer
	t = time.AfterFunc(c.cfg.PingInterval, func() {
		if c.ping() {
			t.Reset(c.cfg.PingInterval)
		}
	})
	return t
}

func (c *conn) ping() bool {
	ctx, cancel := context.WithTimeout(c.ctx, c.cfg.WriteTimeout)
	defer cancel()
	err := c.ws.Ping(ctx)
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) {
		c.cancel(errors.Join(errSlow, err))
	}
	return err == nil
}

// send queues an unsolicited message, in the form and generation of this client.
func (c *conn) send(forms []*xfs4iot.Message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	mine := *c.chosen(forms)
	mine.Generation = c.gen
	c.enqueue(&mine)
}

// chosen picks the form of an event whose major the client asked for, else the
// first; mu is held.
func (c *conn) chosen(forms []*xfs4iot.Message) *xfs4iot.Message {
	if major, ok := c.majors[forms[0].Header.Name]; ok {
		for _, m := range forms {
			if v, err := xfs4iot.ParseVersion(m.Header.Version); err == nil && v.Major == major {
				return m
			}
		}
	}
	return forms[0]
}

// enqueue puts a message in the writer's line, in the order of the calls, and sees
// to it that there is a writer; mu is held. A full line means that the client does
// not read: it is cut off.
func (c *conn) enqueue(m *xfs4iot.Message) {
	data, err := m.Encode()
	switch {
	case err != nil: // nothing is left out silently: the client must not wait for it
		c.cancel(errors.Join(err, ErrDisconnected))
	case c.over:
	case len(c.out)+c.taken >= c.cfg.SendQueue, c.waiting > 0 && c.waiting+len(data) > c.cfg.SendBytes:
		c.cancel(errSlow)
	default:
		c.out = append(c.out, data)
		c.waiting += len(data)
		if !c.writing {
			c.writing = true
			c.writers.Add(1)
			go c.write()
		}
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
