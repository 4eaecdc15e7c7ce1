package host

import (
	"context"
	"fmt"
	"maps"
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
	// may Broadcast, to be reported in its capabilities. An event that is sent in
	// several majors stands here once for each.
	Events []xfs4iot.Event
}

// Service is one device, or a part of one, with its own queue. Make it with
// NewService, give it handlers with Handle, then add it to a server.
type Service struct {
	name     string
	handlers map[string][]handler // by name, highest major first; complete before the service is added
	caps     common.CapabilitiesCompletion
	max      int
	events   []xfs4iot.Event
	queue    *queue
	srv      *Server // set once, by attach, with mu held; connections come later
	life     context.Context
	stop     context.CancelFunc

	statusMu sync.Mutex // orders changes of status with their events; taken before mu
	status   common.StatusCompletion
	raw      jsontext.Value // status as JSON

	mu    sync.Mutex // guards conns; taken last
	conns map[*conn]struct{}
}

// NewService makes a service. name is the last part of its URL and must be unique
// on its server: letters, digits, '-', '_' and '.'.
func NewService(name string, d Declaration) *Service {
	setDefault(&d.MaximumRequests, 64)
	s := &Service{
		name:     name,
		handlers: map[string][]handler{},
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
	info    xfs4iot.CommandInfo
	version xfs4iot.Version // of the command
	begin   func(payload *xfs4iot.Message) (action, error)
	inline  bool // run by the reader itself: built-in and never blocking
}

// action does the command and gives the completion's payload, which may be nil.
type action func(context.Context, *Command) (any, error)

// Handle makes a service offer a command. It must be called before the service is
// added to a server. A later handler for the same major of a command replaces the
// former, so that a service may also answer Common.Status and the like itself; one
// for another major stands beside it.
func Handle[Req, Resp any](s *Service, c xfs4iot.Command[Req, Resp], h func(ctx context.Context, cmd *Command, req *Req) (*Resp, error)) {
	s.offer(handler{info: c.Info(), begin: func(m *xfs4iot.Message) (action, error) {
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
	}})
}

// offer puts a handler in its place among the majors of its command.
func (s *Service) offer(h handler) {
	h.version, _ = xfs4iot.ParseVersion(h.info.Version) // of a descriptor; a bad one serves nothing
	forms := slices.DeleteFunc(s.handlers[h.info.Name], func(old handler) bool { return old.version.Major == h.version.Major })
	forms = append(forms, h)
	slices.SortFunc(forms, func(a, b handler) int { return b.version.Major - a.version.Major })
	s.handlers[h.info.Name] = forms
}

// Broadcast sends an unsolicited event to every client of the service. It never
// waits for a client. others are the same event in other majors, for connections
// that chose one of them with Common.SetVersions.
func (s *Service) Broadcast(e xfs4iot.Event, others ...xfs4iot.Event) error {
	var forms []*xfs4iot.Message
	for _, f := range append([]xfs4iot.Event{e}, others...) {
		m, err := xfs4iot.New(xfs4iot.Header{Type: xfs4iot.TypeUnsolicited, Name: f.EventName(), Version: f.EventVersion()}, f)
		if err != nil {
			return err
		}
		forms = append(forms, m)
	}
	s.statusMu.Lock()
	defer s.statusMu.Unlock()
	s.broadcast(forms)
	return nil
}

// broadcast is called with statusMu held, which keeps the order of events the
// same on every connection.
func (s *Service) broadcast(forms []*xfs4iot.Message) {
	for _, c := range s.connections() {
		c.send(forms)
	}
}

func (s *Service) connections() []*conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.conns))
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
	s.broadcast([]*xfs4iot.Message{{Header: xfs4iot.Header{Type: xfs4iot.TypeUnsolicited, Name: e.EventName(), Version: e.EventVersion()}, Payload: diff}})
	if srv := s.server(); srv != nil && srv.cfg.StatusChanged != nil {
		srv.cfg.StatusChanged(s.name, next)
	}
	return nil
}

// server is the one that the service was added to, nil before: a device may change
// its status at any time, also while it is being added.
func (s *Service) server() *Server {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.srv
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

// attach makes the service part of a server; Server.mu is held or the server is new.
func (s *Service) attach(srv *Server) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.srv = srv
	s.life, s.stop = context.WithCancel(srv.life)
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
	for name, forms := range s.handlers {
		entry(name).Commands[name] = &common.InterfaceCommandsValue{Versions: commandVersions(forms)}
	}
	for name, versions := range s.eventVersions() {
		entry(name).Events[name] = &common.InterfaceEventsValue{Versions: versions}
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
