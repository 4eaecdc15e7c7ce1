package host

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"strings"

	"github.com/coder/websocket"
	"github.com/plomb-pos/plomb/xfs4iot"
	"github.com/plomb-pos/plomb/xfs4iot/internal/line"
)

// root is the publisher's path; paths are compared without case, for clients that
// write XFS4IoT.
const root = "/xfs4iot/v1.0"

// ServeHTTP answers one WebSocket handshake and serves the connection. A Server is
// an http.Handler so that it can stand behind another server's TLS; Close it then.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	secure := tlsState(r.Context(), r.TLS)
	client := Client{Addr: r.RemoteAddr}
	if secure != nil {
		client.Certificates = secure.PeerCertificates
	}
	svc := s.target(r.URL.Path)
	deny := func(code int, reason Reason, err error) {
		http.Error(w, err.Error(), code)
		refused := Refusal{Reason: reason, Client: client, Err: err}
		if svc != nil {
			refused.Service = svc.name
		}
		s.refuse(refused)
	}
	switch {
	case svc == nil:
		deny(http.StatusNotFound, RefusedPath, errPath)
	case r.Header.Get("Origin") != "":
		deny(http.StatusForbidden, RefusedWebPage, errWebPage)
	case s.mayConnect(client, svc) != nil:
		deny(http.StatusForbidden, RefusedRights, s.mayConnect(client, svc))
	case !s.enter(client.Identity()):
		deny(http.StatusServiceUnavailable, RefusedConnections, errConnections)
	default:
		c, err := s.upgrade(w, r, svc, client, secure)
		if err != nil {
			s.exit(client.Identity())
			return // Accept has answered
		}
		go func() { // the HTTP server's goroutine ends, and what it holds is free
			defer s.exit(client.Identity())
			c.serve()
		}()
	}
}

var (
	errPath        = errors.New("no such service")
	errWebPage     = errors.New("web pages may not drive devices")
	errConnections = errors.New("too many connections")
)

func (s *Server) mayConnect(c Client, svc *Service) error {
	if r := s.rights.Load(); r != nil {
		return r.Connect(c, svc.name)
	}
	return nil
}

func (s *Server) refuse(r Refusal) {
	s.cfg.Log.Info("refused", "client", r.Client.Addr, "identity", r.Client.Identity(), "service", r.Service, "reason", r.Reason, "err", r.Err)
	s.refusals.add(r)
}

// SetRights replaces the table of rights. Commands that arrive from now on are
// checked against it; connections that have no right on their service any more are
// closed. nil decides nothing from now on.
func (s *Server) SetRights(r Rights) {
	if r == nil {
		s.rights.Store(nil)
		return
	}
	s.rights.Store(&r)
	s.recheck()
}

// recheck closes the connections that would be refused today.
func (s *Server) recheck() {
	s.mu.Lock()
	services := append([]*Service{s.publisher}, s.services...)
	s.mu.Unlock()
	for _, svc := range services {
		for _, c := range svc.connections() {
			if err := s.acceptable(c); err != nil {
				c.cancel(err)
			}
		}
	}
}

func (s *Server) acceptable(c *conn) error {
	if s.cfg.Credentials != nil && c.tls != nil {
		if err := s.cfg.Credentials.Check(*c.tls); err != nil {
			return err
		}
	}
	return s.mayConnect(c.client, c.svc)
}

// target finds the service that a path names.
func (s *Server) target(path string) *Service {
	if len(path) < len(root) || !strings.EqualFold(path[:len(root)], root) {
		return nil
	}
	name := strings.TrimSuffix(path[len(root):], "/")
	if name == "" {
		return s.publisher
	}
	if name[0] != '/' {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.find(name[1:])
}

// enter counts a connection; false when there are too many or the server stops.
// Clients without an identity cannot be told apart, so no share is theirs.
func (s *Server) enter(identity string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conns >= s.cfg.Connections || s.life.Err() != nil || identity != "" && s.shares[identity] >= s.cfg.Share {
		return false
	}
	s.conns++
	s.shares[identity]++
	s.running.Add(1)
	return true
}

func (s *Server) exit(identity string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns--
	if s.shares[identity]--; s.shares[identity] == 0 {
		delete(s.shares, identity)
	}
	s.running.Done()
}

func (s *Server) upgrade(w http.ResponseWriter, r *http.Request, svc *Service, client Client, secure *tls.ConnectionState) (*conn, error) {
	taken := &line.Response{ResponseWriter: w, Patience: s.cfg.WriteTimeout}
	var c *conn
	pinged := func(context.Context, []byte) bool { return !c.pace.exceeded() } // called by the reader, when c is there
	ws, err := websocket.Accept(taken, r, &websocket.AcceptOptions{OnPingReceived: pinged})
	if err != nil {
		s.cfg.Log.Info("handshake refused", "client", r.RemoteAddr, "err", err)
		return nil, err
	}
	if c, ok := r.Context().Value(guardedKey{}).(*guarded); ok {
		c.letIn()
	}
	ws.SetReadLimit(int64(s.cfg.Limits.Bytes))
	c = s.newConn(ws, svc, client)
	c.tls, c.line = secure, taken.Conn
	c.base = "ws://" + r.Host + root
	if secure != nil {
		c.base = "wss://" + r.Host + root
	}
	c.log.Info("connected", "identity", client.Identity())
	return c, nil
}

func (s *Server) newConn(ws *websocket.Conn, svc *Service, client Client) *conn {
	ctx, cancel := context.WithCancelCause(svc.life)
	return &conn{
		svc: svc, cfg: &s.cfg, ws: ws, client: client,
		log: s.cfg.Log.With("service", svc.name, "client", client.Addr),
		ctx: ctx, cancel: cancel, pace: newPace(s.cfg.Rate),
		pending: map[int64]*Command{}, gen: xfs4iot.Gen2023,
	}
}
