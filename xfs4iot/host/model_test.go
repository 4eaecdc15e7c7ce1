package host_test

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"pgregory.net/rapid"

	"github.com/plomb-pos/plomb/xfs4iot"
	"github.com/plomb-pos/plomb/xfs4iot/host"
	"github.com/plomb-pos/plomb/xfs4iot/printer"
)

// queueLength is the model's maximumRequests.
const queueLength = 3

// model is what a service with one device must do, written down without any
// concurrency: a queue over all clients, of which the first command runs. The
// commands run until the model lets them go.
type model struct {
	rt      *rapid.T
	dev     *device
	base    string
	release chan bool
	clients []*modelClient
	line    []*modelCommand // the first one runs, the others wait
}

type modelClient struct {
	name    int
	ws      *websocket.Conn
	pending map[int64]*modelCommand
}

type modelCommand struct {
	client *modelClient
	id     int64
}

func (c *modelCommand) text() string { return fmt.Sprintf("%d/%d", c.client.name, c.id) }

// Requirement: XFS-04
func TestRandomSequencesOfSeveralClientsEndAsTheModelSays(t *testing.T) {
	runs := 0
	rapid.Check(t, func(rt *rapid.T) {
		runs++
		m := &model{rt: rt, dev: newDevice(fmt.Sprintf("P%d", runs), queueLength), release: make(chan bool)}
		m.dev.print = func(ctx context.Context, _ *host.Command, _ *printer.PrintRawCommand) (*printer.PrintRawCompletion, error) {
			select {
			case <-m.release:
				return nil, nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		srv := host.New(host.Config{Rate: -1})
		if err := srv.Add(m.dev.Service); err != nil {
			rt.Fatal(err)
		}
		ln, err := host.Listen("127.0.0.1:0")
		if err != nil {
			rt.Fatal(err)
		}
		ctx, stop := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- srv.Serve(ctx, ln) }()
		defer func() {
			stop()
			if err := <-ended; err != nil {
				rt.Error(err)
			}
		}()
		m.base = "ws://" + ln.Addr().String() + "/xfs4iot/v1.0/" + m.dev.Name()
		for range 3 {
			m.connect()
		}
		rt.Repeat(map[string]func(*rapid.T){
			"print":      m.print,
			"print late": m.printWithoutTime,
			"finish":     m.finish,
			"ask":        m.ask,
			"cancel":     m.cancel,
			"nonsense":   m.nonsense,
			"leave":      m.leave,
			"":           m.check,
		})
		for _, c := range m.clients {
			_ = c.ws.CloseNow()
		}
	})
}

func (m *model) connect() {
	ws, _, err := websocket.Dial(context.Background(), m.base, nil)
	if err != nil {
		m.rt.Fatal(err)
	}
	m.clients = append(m.clients, &modelClient{name: len(m.clients), ws: ws, pending: map[int64]*modelCommand{}})
}

func (m *model) client(rt *rapid.T) *modelClient {
	return rapid.SampledFrom(m.clients).Draw(rt, "client")
}

func drawID(rt *rapid.T) int64 { return rapid.Int64Range(1, 6).Draw(rt, "id") }

func (m *model) write(c *modelClient, text string) {
	if err := c.ws.Write(context.Background(), websocket.MessageText, []byte(text)); err != nil {
		m.rt.Fatal(err)
	}
}

func (m *model) send(c *modelClient, id int64, name, version, payload string) {
	m.write(c, fmt.Sprintf(`{"header":{"type":"command","name":%q,"requestId":%d,"version":%q},"payload":%s}`, name, id, version, payload))
}

// expect reads one message of a client: type, requestId and code.
func (m *model) expect(c *modelClient, typ xfs4iot.Type, id int64, code string) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_, data, err := c.ws.Read(ctx)
	if err != nil {
		m.rt.Fatalf("client %d: want %s of %d with %q: %v", c.name, typ, id, code, err)
	}
	got, _ := xfs4iot.Decode(data, xfs4iot.Limits{})
	gotCode := string(got.Header.CompletionCode) + string(got.Header.Status)
	if got.Header.Type != typ || got.Header.RequestID != id || gotCode != code {
		m.rt.Fatalf("client %d: want %s of %d with %q, got %s", c.name, typ, id, code, data)
	}
}

// mustStart waits until the first of the line runs, if it was not running before.
func (m *model) mustStart(before *modelCommand) {
	if len(m.line) == 0 || m.line[0] == before {
		return
	}
	select {
	case text := <-m.dev.started:
		if text != m.line[0].text() {
			m.rt.Fatalf("%s started, want %s", text, m.line[0].text())
		}
	case <-time.After(10 * time.Second):
		m.rt.Fatalf("%s did not start", m.line[0].text())
	}
}

func (m *model) first() *modelCommand {
	if len(m.line) == 0 {
		return nil
	}
	return m.line[0]
}

func (m *model) remove(c *modelCommand) {
	m.line = slices.DeleteFunc(m.line, func(o *modelCommand) bool { return o == c })
	delete(c.client.pending, c.id)
}

func (m *model) print(rt *rapid.T) {
	c, id := m.client(rt), drawID(rt)
	cmd := &modelCommand{c, id}
	m.send(c, id, "Printer.PrintRaw", "3.0", `{"data":`+quoteBytes(cmd.text())+`}`)
	switch {
	case c.pending[id] != nil:
		m.expect(c, xfs4iot.TypeAcknowledge, id, string(xfs4iot.StatusInvalidRequestID))
	case len(m.line) > queueLength: // one runs
		m.expect(c, xfs4iot.TypeAcknowledge, id, string(xfs4iot.StatusTooManyRequests))
	default:
		before := m.first()
		m.expect(c, xfs4iot.TypeAcknowledge, id, "")
		c.pending[id] = cmd
		m.line = append(m.line, cmd)
		m.mustStart(before)
	}
}

// printWithoutTime sends a command that waits behind another one longer than its time.
func (m *model) printWithoutTime(rt *rapid.T) {
	c, id := m.client(rt), drawID(rt)
	if len(m.line) == 0 || len(m.line) > queueLength || c.pending[id] != nil {
		rt.Skip("it would start, or be refused")
	}
	m.write(c, fmt.Sprintf(`{"header":{"type":"command","name":"Printer.PrintRaw","requestId":%d,"version":"3.0","timeout":1}}`, id))
	m.expect(c, xfs4iot.TypeAcknowledge, id, "")
	m.expect(c, xfs4iot.TypeCompletion, id, "timeOut")
}

func (m *model) finish(rt *rapid.T) {
	done := m.first()
	if done == nil {
		rt.Skip("nothing runs")
	}
	m.release <- true
	m.expect(done.client, xfs4iot.TypeCompletion, done.id, "success")
	m.remove(done)
	m.mustStart(done)
}

func (m *model) ask(rt *rapid.T) {
	c, id := m.client(rt), drawID(rt)
	name := rapid.SampledFrom([]string{"Common.Status", "Common.Capabilities", "Common.Nothing", "CashDispenser.Dispense"}).Draw(rt, "name")
	m.send(c, id, name, "2.0", "null")
	if c.pending[id] != nil {
		m.expect(c, xfs4iot.TypeAcknowledge, id, string(xfs4iot.StatusInvalidRequestID))
		return
	}
	m.expect(c, xfs4iot.TypeAcknowledge, id, "")
	if strings.HasSuffix(name, "s") && strings.HasPrefix(name, "Common") {
		m.expect(c, xfs4iot.TypeCompletion, id, "success")
	} else {
		m.expect(c, xfs4iot.TypeCompletion, id, "unsupportedCommand")
	}
}

func (m *model) cancel(rt *rapid.T) {
	c := m.client(rt)
	ids := rapid.SliceOfN(rapid.Int64Range(1, 6), 0, 4).Draw(rt, "ids")
	all := rapid.Bool().Draw(rt, "all")
	payload := "null"
	if !all {
		payload = strings.ReplaceAll(fmt.Sprintf(`{"requestIds":%v}`, ids), " ", ",")
	}
	m.send(c, 99, "Common.Cancel", "2.0", payload)
	var hit []*modelCommand
	for id := int64(1); id <= 6; id++ {
		if cmd := c.pending[id]; cmd != nil && (all || slices.Contains(ids, id)) {
			hit = append(hit, cmd)
		}
	}
	m.expect(c, xfs4iot.TypeAcknowledge, 99, "")
	if len(hit) == 0 && !all {
		m.expect(c, xfs4iot.TypeCompletion, 99, "commandErrorCode")
		return
	}
	m.expect(c, xfs4iot.TypeCompletion, 99, "success")
	before := m.first()
	slices.SortStableFunc(hit, func(a, b *modelCommand) int { // those that wait end at once, the running one when it has stopped
		switch before {
		case a:
			return 1
		case b:
			return -1
		}
		return 0
	})
	for _, cmd := range hit {
		m.expect(c, xfs4iot.TypeCompletion, cmd.id, "canceled")
		m.remove(cmd)
	}
	m.mustStart(before)
}

func (m *model) nonsense(rt *rapid.T) {
	c := m.client(rt)
	row := rapid.SampledFrom([]struct {
		text   string
		status xfs4iot.Status
		id     int64
	}{
		{`hello`, xfs4iot.StatusInvalidMessage, 0},
		{`{"header":{"type":"command"`, xfs4iot.StatusInvalidMessage, 0},
		{`{"header":{"type":"event","name":"Common.ErrorEvent","requestId":3,"version":"2.0"}}`, xfs4iot.StatusInvalidMessage, 3},
		{`{"header":{"type":"completion","name":"Printer.PrintRaw","requestId":1,"version":"3.0","completionCode":"success"}}`, xfs4iot.StatusInvalidMessage, 1},
		{`{"header":{"type":"command","name":"Common.Cancel","requestId":0,"version":"2.0"}}`, xfs4iot.StatusInvalidRequestID, 0},
		{`{"header":{"type":"command","name":"Common.Cancel","version":"2.0"}}`, xfs4iot.StatusInvalidRequestID, 0},
		{`{"header":{"type":"command","name":"Common.Cancel","requestId":1e99,"version":"2.0"}}`, xfs4iot.StatusInvalidRequestID, 0},
		{`{"header":{"type":"command","name":"Printer.PrintRaw","requestId":2,"version":"3.0"},"payload":[]}`, xfs4iot.StatusInvalidMessage, 2},
		{strings.Repeat(`{"a":`, 3000), xfs4iot.StatusInvalidMessage, 0},
	}).Draw(rt, "text")
	m.write(c, row.text)
	m.expect(c, xfs4iot.TypeAcknowledge, row.id, string(row.status))
}

// leave ends a connection with all its commands and makes a new one.
func (m *model) leave(rt *rapid.T) {
	c := m.client(rt)
	before := m.first()
	_ = c.ws.CloseNow()
	for _, cmd := range c.pending {
		m.remove(cmd)
	}
	m.mustStart(before)
	i := slices.Index(m.clients, c)
	m.settle(len(m.clients) - 1)
	m.connect()
	m.clients[i] = m.clients[len(m.clients)-1]
	m.clients[i].name = i
	m.clients = m.clients[:len(m.clients)-1]
	m.settle(len(m.clients))
}

// settle waits until the service has noticed who is there.
func (m *model) settle(conns int) {
	waiting := max(0, len(m.line)-1)
	for deadline := time.Now().Add(10 * time.Second); ; runtime.Gosched() {
		c, w := m.dev.State()
		if c == conns && w == waiting {
			return
		}
		if time.Now().After(deadline) {
			m.rt.Fatalf("%d connections and %d waiting commands, want %d and %d", c, w, conns, waiting)
		}
	}
}

// check compares what can be seen from outside, and that nothing more has come.
func (m *model) check(*rapid.T) {
	m.settle(len(m.clients))
	for _, c := range m.clients {
		m.send(c, 1000, "Common.Status", "2.0", "null")
		m.expect(c, xfs4iot.TypeAcknowledge, 1000, "")
		m.expect(c, xfs4iot.TypeCompletion, 1000, "success")
	}
	if len(m.dev.started) > 0 {
		m.rt.Fatalf("%s started by itself", <-m.dev.started)
	}
}
