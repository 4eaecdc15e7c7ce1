// Package tilltest builds a whole till in one process for tests: the real
// journal and databases in a temporary directory, real keys, the real HTTP
// interface, and simulated devices behind the real device protocol.
//
//	shop := tilltest.New(t)
//	anna := shop.As(staff.Operator)
//	anna.Do("basket.add", "sku", "BRD-01")
//	receipt := anna.Pay("cash", 500)
//
// A step that fails ends the test; Refuse is for steps that have to fail. Kill
// leaves everything as a killed process does, and opens it again.
package tilltest

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/plomb-pos/plomb/driver/sim"
	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/journal/proof"
	"github.com/plomb-pos/plomb/seal"
	"github.com/plomb-pos/plomb/staff"
	"github.com/plomb-pos/plomb/till"
	"github.com/plomb-pos/plomb/till/api"
	"github.com/plomb-pos/plomb/xfs4iot/host"
)

// PIN is everybody's PIN in a test shop.
const PIN = "2580"

// IDs are the people of a test shop.
var IDs = map[staff.Role]staff.ID{
	staff.Administrator: "1", staff.Operator: "2", staff.Supervisor: "3", staff.FinancialManager: "4",
	staff.Inspector: "5", staff.Service: "6", staff.Responsible: "7",
}

// Option changes how a shop is made.
type Option func(*Shop)

// WithoutSetup leaves the till as plomb up makes it.
func WithoutSetup() Option { return func(s *Shop) { s.bare = true } }

// WithoutDevices gives the till no devices.
func WithoutDevices() Option { return func(s *Shop) { s.plain = true } }

// With changes the node's options before each Open.
func With(change func(*till.Options)) Option {
	return func(s *Shop) { s.changes = append(s.changes, change) }
}

// Shop is a till under test.
type Shop struct {
	T       testing.TB
	Dir     string
	Node    *till.Node
	URL     string
	Devices *sim.Devices // nil without devices
	Signer  *Signer

	bare, plain bool
	changes     []func(*till.Options)
	address     string // of the devices
	server      *httptest.Server
	stop        context.CancelFunc
	ran         chan error
}

// Signer is a signer that can be out of order.
type Signer struct {
	proof.Signer
	mu   sync.Mutex
	down bool
}

// Down switches the signer off and on.
func (s *Signer) Down(down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = down
}

// Sign fails while the signer is down.
func (s *Signer) Sign(ctx context.Context, c proof.Checkpoint) ([]byte, error) {
	s.mu.Lock()
	down := s.down
	s.mu.Unlock()
	if down {
		return nil, fmt.Errorf("signer is switched off")
	}
	return s.Signer.Sign(ctx, c)
}

// New makes a till and opens it; unless told otherwise it is set up with a
// person of each role and has simulated devices. All ends with the test.
func New(t testing.TB, options ...Option) *Shop {
	t.Helper()
	s := &Shop{T: t, Dir: t.TempDir()}
	for _, o := range options {
		o(s)
	}
	if !s.plain {
		s.startDevices()
	}
	box, err := seal.Create(durable.OS{}, filepath.Join(s.Dir, "seal"))
	s.must(err)
	name := "till-0a1b2c3d"
	signer, err := box.CreateSigner(till.Origin(name, 1))
	s.must(err)
	o := s.options(box, signer)
	o.Name = name
	s.must(till.Create(t.Context(), o))
	s.open()
	t.Cleanup(s.Close)
	if !s.bare {
		s.SetUp()
	}
	return s
}

func (s *Shop) must(err error) {
	s.T.Helper()
	if err != nil {
		s.T.Fatal(err)
	}
}

func (s *Shop) startDevices() {
	s.Devices = sim.New(sim.Options{})
	services, control := listen(s.T), listen(s.T)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- sim.Serve(ctx, s.Devices, services, control, host.Config{VendorName: "Test"}) }()
	s.address = "ws://" + services.Addr().String()
	s.T.Cleanup(func() { cancel(); <-done })
}

func listen(t testing.TB) net.Listener {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func (s *Shop) options(box *seal.Box, signer proof.Signer) till.Options {
	o := till.Options{
		Dir: s.Dir, Keys: box.JournalKeys(), Signer: signer, Devices: s.address,
		DatabaseKey: func(name string) ([]byte, error) {
			key, err := box.DatabaseKey(name)
			return key[:], err
		},
	}
	for _, change := range s.changes {
		change(&o)
	}
	return o
}

// open opens the till in s.Dir and serves it.
func (s *Shop) open() {
	s.T.Helper()
	box, err := seal.Open(durable.OS{}, filepath.Join(s.Dir, "seal"))
	s.must(err)
	origin, err := till.CurrentOrigin(s.Dir)
	s.must(err)
	signer, err := box.Signer(origin)
	s.must(err)
	if s.Signer == nil {
		s.Signer = &Signer{}
	}
	s.Signer.Signer = signer
	s.Node, err = till.Open(s.T.Context(), s.options(box, s.Signer))
	s.must(err)
	ctx, cancel := context.WithCancel(context.Background())
	node, ran := s.Node, make(chan error, 1)
	s.stop, s.ran = cancel, ran
	go func() { ran <- node.Run(ctx) }()
	s.server = httptest.NewServer(api.Handler(node, http.NotFoundHandler()))
	s.URL = s.server.URL
}

// Close ends the till in order; it may be called twice.
func (s *Shop) Close() {
	if s.server == nil {
		return
	}
	s.stop()
	s.server.CloseClientConnections()
	s.server.Close()
	if err := <-s.ran; err != nil {
		s.T.Errorf("node: %v", err)
	}
	s.server = nil
}

// Restart ends the till in order and opens it again.
func (s *Shop) Restart() {
	s.T.Helper()
	s.Close()
	s.open()
}

// Kill opens the till as a killed process would have left it: from a copy of
// its files taken while it ran.
func (s *Shop) Kill() {
	s.T.Helper()
	copied := s.T.TempDir()
	s.must(copyTree(copied, s.Dir, true)) // it never knows more than the journal
	s.must(copyTree(copied, s.Dir, false))
	s.Close()
	s.Dir = copied
	s.open()
}

// copyTree copies the projection only, or everything else. A file that is being
// put in place may lose its temporary name meanwhile; it is not in force yet.
func copyTree(to, from string, projection bool) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if strings.HasSuffix(path, durable.TempSuffix) {
			return nil
		}
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			return os.MkdirAll(filepath.Join(to, rel), 0o700)
		}
		if strings.HasPrefix(d.Name(), "projection") != projection {
			return nil
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, rel), b, 0o600)
	})
}

// SetUp names the shop and its people, over HTTP as a person would.
func (s *Shop) SetUp() {
	s.T.Helper()
	type person struct {
		ID   staff.ID `json:"id"`
		Name string   `json:"name"`
		Role string   `json:"role,omitzero"`
		PIN  string   `json:"pin"`
	}
	var people []person
	for role, id := range IDs {
		if role != staff.Administrator {
			people = append(people, person{id, "Person " + string(id), string(role), PIN})
		}
	}
	status, body := s.Client().post("/api/setup", map[string]any{
		"code": s.Node.SetupCode(), "shop": map[string]any{"name": "Kiosk am Eck", "address": []string{"Marktplatz 1"}, "country": "DE", "currency": "EUR", "language": "en"},
		"administrator": person{ID: IDs[staff.Administrator], Name: "Ada", PIN: PIN}, "people": people,
	})
	if status != http.StatusOK {
		s.T.Fatalf("setup: %d %s", status, body)
	}
}

// Client is a browser at the till.
type Client struct {
	s    *Shop
	t    testing.TB
	http *http.Client
}

// On is the same browser in another test, such as a fuzz target.
func (c *Client) On(t testing.TB) *Client { return &Client{s: c.s, t: t, http: c.http} }

func (c *Client) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

// Client is a browser in which nobody has signed in.
func (s *Shop) Client() *Client {
	jar, err := cookiejar.New(nil)
	s.must(err)
	return &Client{s: s, t: s.T, http: &http.Client{Jar: jar, Timeout: 60 * time.Second}}
}

// As signs somebody of a role in.
func (s *Shop) As(role staff.Role) *Client {
	s.T.Helper()
	c := s.Client()
	if status, body := c.post("/api/sign-in", map[string]any{"person": IDs[role], "pin": PIN}); status != http.StatusOK {
		s.T.Fatalf("sign in as %s: %d %s", role, status, body)
	}
	return c
}

// Fault is a refusal as it comes over HTTP.
type Fault struct {
	Status int
	Kind   string   `json:"kind"`
	Code   string   `json:"code"`
	Text   string   `json:"text"`
	Hint   string   `json:"hint"`
	Roles  []string `json:"roles"`
}

// Answer is what a command was answered.
type Answer struct {
	ID     string         `json:"id"`
	Result jsontext.Value `json:"result"`
	State  till.State     `json:"state"`
	Error  *Fault         `json:"error"`
}

// Into reads the result.
func (a Answer) Into(t testing.TB, v any) {
	t.Helper()
	if err := json.Unmarshal(a.Result, v); err != nil {
		t.Fatalf("result %s: %v", a.Result, err)
	}
}

// NewID is a command's id: a UUIDv7 of the time given.
func NewID(now time.Time) string {
	var b [16]byte
	rand.Read(b[:])
	ms := now.UnixMilli()
	for i := range 6 {
		b[i] = byte(ms >> (40 - 8*i))
	}
	b[6], b[8] = b[6]&0x0f|0x70, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// Args makes arguments of names and values.
func Args(pairs ...any) map[string]any {
	m := map[string]any{}
	for i := 0; i+1 < len(pairs); i += 2 {
		m[pairs[i].(string)] = pairs[i+1]
	}
	return m
}

// Send sends a command as it is and gives what came back.
func (c *Client) Send(command map[string]any) Answer {
	c.t.Helper()
	status, body := c.post("/api/command", command)
	var a Answer
	if err := json.Unmarshal(body, &a); err != nil {
		c.t.Fatalf("answer %d %s: %v", status, body, err)
	}
	if a.Error != nil {
		a.Error.Status = status
	}
	return a
}

// Try sends a command with a new id.
func (c *Client) Try(do string, pairs ...any) Answer {
	c.t.Helper()
	return c.Send(map[string]any{"id": NewID(time.Now()), "do": do, "args": Args(pairs...)})
}

// Do is Try for a command that has to succeed.
func (c *Client) Do(do string, pairs ...any) Answer {
	c.t.Helper()
	a := c.Try(do, pairs...)
	if a.Error != nil {
		c.t.Fatalf("%s: %+v", do, *a.Error)
	}
	return a
}

// Approved is Do with the approval of somebody of a role; one's own role proves
// oneself again.
func (c *Client) Approved(by staff.Role, do string, pairs ...any) Answer {
	c.t.Helper()
	a := c.Send(map[string]any{
		"id": NewID(time.Now()), "do": do, "args": Args(pairs...), "approval": map[string]any{"person": IDs[by], "pin": PIN},
	})
	if a.Error != nil {
		c.t.Fatalf("%s with approval: %+v", do, *a.Error)
	}
	return a
}

// Refuse is Try for a command that has to be refused with a code.
func (c *Client) Refuse(code, do string, pairs ...any) Fault {
	c.t.Helper()
	a := c.Try(do, pairs...)
	if a.Error == nil || a.Error.Code != code {
		c.t.Fatalf("%s was answered %s %+v, want refusal %s", do, a.Result, a.Error, code)
	}
	return *a.Error
}

// Paid is what a tender that completed a sale answers.
type Paid struct {
	Due     int64             `json:"due"`
	Change  int64             `json:"change"`
	Receipt *till.LastReceipt `json:"receipt"`
}

// Pay tenders and completes; amount 0 is all that is due.
func (c *Client) Pay(kind string, amount int64) till.LastReceipt {
	c.t.Helper()
	pairs := []any{"type", kind, "complete", true}
	if amount != 0 {
		pairs = append(pairs, "amount", amount)
	}
	var p Paid
	c.Do("basket.tender", pairs...).Into(c.t, &p)
	if p.Receipt == nil {
		c.t.Fatalf("tender did not complete: %+v", p)
	}
	return *p.Receipt
}

// Sell rings up articles and completes the sale in cash.
func (c *Client) Sell(skus ...string) till.LastReceipt {
	c.t.Helper()
	for _, sku := range skus {
		c.Do("basket.add", "sku", sku)
	}
	return c.Pay("cash", 0)
}

// Ask asks a question that has to be answered.
func (c *Client) Ask(path string, v any) {
	c.t.Helper()
	status, body := c.Fetch("GET", path, nil)
	if status != http.StatusOK {
		c.t.Fatalf("GET %s: %d %s", path, status, body)
	}
	if err := json.Unmarshal(body, v); err != nil {
		c.t.Fatalf("GET %s: %v in %s", path, err, body)
	}
}

// Fetch sends any request.
func (c *Client) Fetch(method, path string, body []byte) (int, []byte) {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), method, c.s.URL+path, bytes.NewReader(body))
	c.must(err)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.http.Do(req)
	c.must(err)
	defer resp.Body.Close()
	out, err := io.ReadAll(resp.Body)
	c.must(err)
	return resp.StatusCode, out
}

func (c *Client) post(path string, v any) (int, []byte) {
	c.t.Helper()
	body, err := json.Marshal(v)
	c.must(err)
	return c.Fetch("POST", path, body)
}

// Post sends JSON and gives status and body.
func (c *Client) Post(path string, v any) (int, []byte) { return c.post(path, v) }

// State is the state that the event stream sends first.
func (c *Client) State() till.State {
	c.t.Helper()
	var out till.State
	c.Until(func(s till.State) bool { out = s; return true })
	return out
}

// Until follows the event stream until a state is as wanted, 10 seconds at most.
func (c *Client) Until(want func(till.State) bool) till.State {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", c.s.URL+"/api/events", nil)
	c.must(err)
	resp, err := c.http.Do(req)
	c.must(err)
	defer resp.Body.Close()
	var last till.State
	read := newEvents(resp.Body)
	for {
		name, data, err := read.next()
		if err != nil {
			c.t.Fatalf("the state never became what was waited for: %v; last %+v", err, last)
		}
		if name != "state" {
			continue
		}
		last = till.State{}
		c.must(json.Unmarshal([]byte(data), &last))
		if want(last) {
			return last
		}
	}
}

// events reads server-sent events.
type events struct {
	r    io.Reader
	rest string
}

func newEvents(r io.Reader) *events { return &events{r: r} }

func (e *events) next() (name, data string, err error) {
	buf := make([]byte, 64<<10)
	for {
		if block, rest, ok := strings.Cut(e.rest, "\n\n"); ok {
			e.rest = rest
			for l := range strings.Lines(block) {
				if v, ok := strings.CutPrefix(l, "event: "); ok {
					name = strings.TrimSpace(v)
				}
				if v, ok := strings.CutPrefix(l, "data: "); ok {
					data = strings.TrimSpace(v)
				}
			}
			return name, data, nil
		}
		n, err := e.r.Read(buf)
		e.rest += string(buf[:n])
		if err != nil {
			return "", "", err
		}
	}
}
