package host

import (
	"context"
	"net/http"
	"strings"

	"github.com/coder/websocket"
	"github.com/plomb-pos/plomb/xfs4iot"
)

// root is the publisher's path; paths are compared without case, for clients that
// write XFS4IoT.
const root = "/xfs4iot/v1.0"

// ServeHTTP answers one WebSocket handshake and serves the connection. A Server is
// an http.Handler so that it can stand behind another server's TLS; Close it then.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	svc := s.target(r.URL.Path)
	switch {
	case svc == nil:
		http.Error(w, "no such service", http.StatusNotFound)
	case r.Header.Get("Origin") != "":
		http.Error(w, "web pages may not drive devices", http.StatusForbidden)
	case !s.enter():
		http.Error(w, "too many connections", http.StatusServiceUnavailable)
	default:
		defer s.exit()
		s.upgrade(w, r, svc)
	}
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
func (s *Server) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conns >= s.cfg.Connections || s.life.Err() != nil {
		return false
	}
	s.conns++
	s.running.Add(1)
	return true
}

func (s *Server) exit() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns--
	s.running.Done()
}

func (s *Server) upgrade(w http.ResponseWriter, r *http.Request, svc *Service) {
	ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{})
	if err != nil {
		s.cfg.Log.Info("handshake refused", "client", r.RemoteAddr, "err", err)
		return // Accept has answered
	}
	ws.SetReadLimit(int64(s.cfg.Limits.Bytes))
	c := s.newConn(ws, r, svc)
	c.log.Info("connected")
	c.serve()
}

func (s *Server) newConn(ws *websocket.Conn, r *http.Request, svc *Service) *conn {
	ctx, cancel := context.WithCancelCause(svc.life)
	client := Client{Addr: r.RemoteAddr}
	scheme := "ws://"
	if r.TLS != nil {
		scheme, client.Certificates = "wss://", r.TLS.PeerCertificates
	}
	return &conn{
		svc: svc, cfg: &s.cfg, ws: ws, client: client, base: scheme + r.Host + root,
		log: s.cfg.Log.With("service", svc.name, "client", r.RemoteAddr),
		ctx: ctx, cancel: cancel, out: make(chan []byte, s.cfg.SendQueue), pace: newPace(s.cfg.Rate),
		pending: map[int64]*Command{}, gen: xfs4iot.Gen2023,
	}
}
