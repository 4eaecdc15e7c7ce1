package host

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/plomb-pos/plomb/xfs4iot"
	"github.com/plomb-pos/plomb/xfs4iot/common"
)

// Declaration is what a service says about itself.
type Declaration struct {
	// Capabilities without Interfaces, which the engine fills in from the handlers.
	Capabilities common.CapabilitiesCompletion
	// Status at the start; SetStatus changes it. The device's own state is in
	// Common: starting, online, offline and so on.
	Status common.StatusCompletion
	// MaximumRequests is how many commands may wait in the queue; default 64.
	MaximumRequests int
	// Events lists unsolicited events beyond StatusChangedEvent that the service
	// may Broadcast, to be reported in its capabilities.
	Events []xfs4iot.Event
}

// Service is one device, or a part of one, with its own queue. Make it with
// NewService, give it handlers with Handle, then add it to a server.
type Service struct {
	name     string
	handlers map[string]handler // complete before the service is added
	caps     common.CapabilitiesCompletion
	max      int
	events   []xfs4iot.Event
	queue    *queue
	srv      *Server // set once, by attach
	life     context.Context
	stop     context.CancelFunc

	statusMu sync.Mutex // orders changes of status with their events; taken before mu
	status   common.StatusCompletion
	raw      jsontext.Value // status as JSON

	mu    sync.Mutex // guards conns; never taken while a conn's mu is held
	conns map[*conn]struct{}
}

// NewService makes a service. name is the last part of its URL and must be unique
// on its server: letters, digits, '-', '_' and '.'.
func NewService(name string, d Declaration) *Service {
	setDefault(&d.MaximumRequests, 64)
	s := &Service{
		name:     name,
		handlers: map[string]handler{},
		caps:     d.Capabilities,
		max:      d.MaximumRequests,
		events:   d.Events,
		queue:    newQueue(d.MaximumRequests),
		status:   d.Status,
		conns:    map[*conn]struct{}{},
	}
	s.raw, _ = json.Marshal(&s.status) // a struct of plain values: cannot fail but for a bad Decimal
	s.addCommon()
	return s
}

// Name is the last part of the service's URL.
func (s *Service) Name() string { return s.name }

// handler is one command as the engine sees it. begin decodes and checks the
// payload and gives the function to run.
type handler struct {
	info   xfs4iot.CommandInfo
	begin  func(payload *xfs4iot.Message) (action, error)
	inline bool // run by the reader itself: built-in and never blocking
}

// action does the command and gives the completion's payload, which may be nil.
type action func(context.Context, *Command) (any, error)

// Handle makes a service offer a command. It must be called before the service is
// added to a server. A later handler for the same command replaces the former, so
// that a service may also answer Common.Status and the like itself.
func Handle[Req, Resp any](s *Service, c xfs4iot.Command[Req, Resp], h func(ctx context.Context, cmd *Command, req *Req) (*Resp, error)) {
	info := c.Info()
	s.handlers[info.Name] = handler{info: info, begin: func(m *xfs4iot.Message) (action, error) {
		req := new(Req)
		if err := m.Into(req); err != nil {
			return nil, err
		}
		if err := any(req).(xfs4iot.Payload).Validate(); err != nil {
			return nil, err
		}
		return func(ctx context.Context, cmd *Command) (any, error) {
			resp, err := h(ctx, cmd, req)
			if resp == nil {
				return nil, err
			}
			return resp, err
		}, nil
	}}
}

// Broadcast sends an unsolicited event to every client of the service. It never
// waits for a client.
func (s *Service) Broadcast(e xfs4iot.Event) error {
	s.statusMu.Lock()
	defer s.statusMu.Unlock()
	return s.broadcast(e.EventName(), e.EventVersion(), e)
}

// broadcast is called with statusMu held, which keeps the order of events the
// same on every connection.
func (s *Service) broadcast(name, version string, payload any) error {
	m, err := xfs4iot.New(xfs4iot.Header{Type: xfs4iot.TypeUnsolicited, Name: name, Version: version}, payload)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.send(m)
	}
	return nil
}

// SetStatus changes the service's status. All that change alters is sent to every
// client in one Common.StatusChangedEvent; nothing is sent when nothing changed.
// change must not call the service. A field that becomes absent cannot be told in
// the event; it shows in the next Common.Status.
func (s *Service) SetStatus(change func(*common.StatusCompletion)) error {
	s.statusMu.Lock()
	defer s.statusMu.Unlock()
	next, err := copyStatus(s.raw)
	if err != nil {
		return fmt.Errorf("status of %s: %w", s.name, err)
	}
	change(&next)
	raw, err := json.Marshal(&next, json.Deterministic(true))
	if err != nil {
		return fmt.Errorf("status of %s: %w", s.name, err)
	}
	diff, err := changed(s.raw, raw)
	s.status, s.raw = next, raw
	if err != nil || diff == nil {
		return err
	}
	var e common.StatusChangedEvent
	return s.broadcast(e.EventName(), e.EventVersion(), diff)
}

// Status is a copy of the service's present status.
func (s *Service) Status() common.StatusCompletion {
	s.statusMu.Lock()
	defer s.statusMu.Unlock()
	status, _ := copyStatus(s.raw) // made by Marshal of the same type
	return status
}

func copyStatus(raw jsontext.Value) (c common.StatusCompletion, err error) {
	err = json.Unmarshal(raw, &c)
	return c, err
}

// attach starts the service's queue; Server.mu is held or the server is new.
func (s *Service) attach(srv *Server) {
	s.srv = srv
	s.life, s.stop = context.WithCancel(srv.life)
	srv.running.Go(func() { s.queue.run(s.life) })
}

func (s *Service) join(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns[c] = struct{}{}
}

func (s *Service) leave(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
}

// interfaces lists what the handlers offer, as Common.Capabilities reports it.
func (s *Service) interfaces() []common.Interface {
	byName := map[string]*common.Interface{}
	entry := func(message string) *common.Interface {
		name, _, _ := strings.Cut(message, ".")
		if byName[name] == nil {
			byName[name] = &common.Interface{Name: common.InterfaceName(name), MaximumRequests: &s.max,
				Commands: map[string]*common.InterfaceCommandsValue{}, Events: map[string]*common.InterfaceEventsValue{}}
		}
		return byName[name]
	}
	for name, h := range s.handlers {
		entry(name).Commands[name] = &common.InterfaceCommandsValue{Versions: []string{h.info.Version}}
	}
	for name, version := range s.eventVersions() {
		entry(name).Events[name] = &common.InterfaceEventsValue{Versions: []string{version}}
	}
	var list []common.Interface
	for _, i := range byName {
		list = append(list, *i)
	}
	slices.SortFunc(list, func(a, b common.Interface) int { return strings.Compare(string(a.Name), string(b.Name)) })
	return list
}

func validName(s string) bool {
	for _, r := range s {
		if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' || r == '.') {
			return false
		}
	}
	return s != "" && s != "." && s != ".." && len(s) <= 64
}

func equalFold(a, b string) bool { return strings.EqualFold(a, b) }
