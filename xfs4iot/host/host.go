// Package host is the device's side of XFS4IoT: one server with a service
// publisher and any number of services, each with its own queue.
//
// A device is a [Service]: a name, what it declares (capabilities, status), and
// one handler for each command it offers. The engine does everything else:
// envelopes of both generations, acknowledgement before anything else, one
// first-in-first-out queue per service with immediate commands beside it, cancel,
// deadlines that also fire while a command waits, events to the right client,
// status changes to all, and the commands of the interface Common that follow
// from what the service declares (Status, Capabilities, Cancel, SetVersions).
//
//	svc := host.NewService("ReceiptPrinter", host.Declaration{
//		Capabilities: common.CapabilitiesCompletion{Printer: &printer.Capabilities{}},
//		Status:       common.StatusCompletion{Common: &common.StatusProperties{Device: common.DeviceOnline}},
//	})
//	host.Handle(svc, printer.PrintRaw, func(ctx context.Context, cmd *host.Command, req *printer.PrintRawCommand) (*printer.PrintRawCompletion, error) {
//		if paperOut() {
//			return nil, host.Fail(printer.PrintRawErrorCodePaperOut, "no paper")
//		}
//		return nil, write(ctx, req.Data)
//	})
//	srv := host.New(host.Config{VendorName: "Example"})
//	err := srv.Add(svc)
//	ln, err := host.Listen("") // first free port of 5846 to 5856 on loopback
//	err = srv.Serve(ctx, ln)
//
// # Handlers
//
// A handler of a queued command runs alone in its service; one of an immediate
// command (see CommandInfo.Immediate) runs beside it. The request has passed
// Validate. ctx ends when the client cancels, when the command's time is over or
// when the connection ends; the handler should then stop, leave the device in a
// state it knows, and return what really happened: nil for done, ctx.Err() for
// not done. An *xfs4iot.Error chooses the completion code, any other error
// becomes internalError, and so does a panic. A completion payload returned
// beside an error is sent with it.
//
// # Promises
//
// No input ends the process or disturbs another client. Whatever a client does
// not read is held up to Config.SendQueue messages or Config.SendBytes; then it is cut off. Messages
// to one connection keep the order in which things happened. After a command's
// completion nothing with its requestId follows. When a connection ends its
// queued commands are dropped and its running one is cancelled. A message that was
// begun must end within Config.ReadTimeout, and a client must answer pings.
//
// # Versions
//
// Handle may be called for several majors of one command, with a descriptor made by
// xfs4iot.NewCommand for each; the version in a command's header picks one. A client
// of 2021-1, whose header says none, gets what it chose with Common.SetVersions, else
// the lowest major. Broadcast and Command.Event take further forms of an event; each
// connection gets the major that it chose, else the first form.
//
// # Commands that a person decides
//
// A handler may return cmd.Later() and complete the command with Command.Complete
// from elsewhere: the queue goes on meanwhile, cancel and timeout end the context.
//
// # Security
//
// Beyond loopback a server wants TLS, a certificate from each client, and a table of
// Rights that says which client may do what; Config has a switch for each of the
// three. Certificates come from package pki (Config.Credentials), which reads them
// again while the server runs and never trusts the system's authorities. What is
// refused is told to Config.Refused, for a journal. Requests of web pages (with an
// Origin header) are refused. Payloads are never logged.
package host

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/plomb-pos/plomb/xfs4iot"
	"github.com/plomb-pos/plomb/xfs4iot/common"
	"github.com/plomb-pos/plomb/xfs4iot/pki"
)

// Config tells how a server behaves. The zero value serves loopback without TLS
// with the default limits.
type Config struct {
	VendorName string // reported by ServicePublisher.GetServices

	// Credentials protect connections with mutual TLS and are read again while the
	// server runs; connections whose client they no longer accept are then closed.
	Credentials *pki.Credentials
	// TLS is for those who bring a configuration of their own instead. Without
	// MinVersion it is TLS 1.3; session tickets should be off, for a resumed session
	// skips what VerifyPeerCertificate checks. Both nil: plain connections.
	TLS *tls.Config

	AllowPlain      bool // plain connections also beyond loopback; the link must be protected otherwise
	AllowAnonymous  bool // TLS without client certificates also beyond loopback
	AllowEverything bool // beyond loopback without Rights and Authorize: whoever has a certificate may do all

	// Rights say which client may send which command to which service; nil decides
	// nothing. They can be changed with SetRights.
	Rights Rights

	// Authorize is asked after Rights. It decides whether a client may send a command ("Printer.PrintRaw")
	// to a service ("" is the publisher). Its error is answered with
	// authorisationRequired and its text as description. nil decides nothing.
	// It must not block.
	Authorize func(c Client, service, command string) error

	Limits           xfs4iot.Limits // of one message
	Connections      int            // at most at a time; default 64
	Share            int            // of them at most for one identity; default 7/8, so that nobody takes all
	Pending          int            // commands of one connection, queued and running; default 256
	SendQueue        int            // messages waiting for a client that reads slowly; default 256
	SendBytes        int            // bytes of them, but for a single larger message; default 4 MiB
	Rate             int            // messages and pings per second of one connection, twice that in a burst; default 500, below 0 unlimited
	WriteTimeout     time.Duration  // for one message; default 10 s
	ReadTimeout      time.Duration  // for the rest of a message once it has begun; default 30 s
	HandshakeTimeout time.Duration  // for TLS; default 10 s
	PingInterval     time.Duration  // default 30 s; a client that does not answer within WriteTimeout is cut off

	Log *slog.Logger // connections, cut-offs, panics; nil discards

	// Refused is called when a connection or, for lack of rights, a command was
	// refused, and when a client was cut off: at most 10 times a second, 100 at once.
	// It is called by the connection's goroutine and must not block.
	Refused func(Refusal)

	// StatusChanged is called when a service's status has changed, with the whole of
	// it, one call at a time for one service. It must not block, change what it is
	// given, or call the service.
	StatusChanged func(service string, status common.StatusCompletion)
}

// Client is who is at the other end of a connection.
type Client struct {
	Addr         string              // network address
	Certificates []*x509.Certificate // verified, its own first; empty without mutual TLS
}

func (c Config) withDefaults() Config {
	setDefault(&c.Connections, 64)
	setDefault(&c.Share, c.Connections-c.Connections/8)
	setDefault(&c.Pending, 256)
	setDefault(&c.SendQueue, 256)
	setDefault(&c.SendBytes, 4<<20)
	setDefault(&c.Rate, 500)
	setDefault(&c.WriteTimeout, 10*time.Second)
	setDefault(&c.ReadTimeout, 30*time.Second)
	setDefault(&c.HandshakeTimeout, 10*time.Second)
	setDefault(&c.PingInterval, 30*time.Second)
	setDefault(&c.Limits.Bytes, xfs4iot.DefaultBytes)
	setDefault(&c.Limits.Depth, xfs4iot.DefaultDepth)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

func setDefault[T int | time.Duration](v *T, def T) {
	if *v == 0 {
		*v = def
	}
}

// Server serves a publisher and the services added to it. Its methods may be
// called at any time, also while it serves.
type Server struct {
	cfg       Config
	rights    atomic.Pointer[Rights] // nil: none
	refusals  *refusals
	publisher *Service
	life      context.Context // ends when the server is closed
	stop      context.CancelFunc

	mu       sync.Mutex // guards what follows
	services []*Service // in the order they were added
	conns    int
	shares   map[string]int // of conns, by identity
	running  sync.WaitGroup
}

// New makes a server without services; it opens nothing.
func New(c Config) *Server {
	s := &Server{cfg: c.withDefaults(), refusals: newRefusals(c.Refused), shares: map[string]int{}}
	if c.Rights != nil {
		s.rights.Store(&c.Rights)
	}
	s.life, s.stop = context.WithCancel(context.Background())
	if c.Credentials != nil {
		context.AfterFunc(s.life, c.Credentials.OnChange(s.recheck))
	}
	s.publisher = newPublisher(s)
	s.publisher.attach(s)
	return s
}

// ErrName is returned by Add for a service name that is taken or cannot stand in
// a URL path.
var ErrName = errors.New("service name is taken or not of letters, digits, '-', '_' and '.'")

// Add starts a service; clients find it from now on, and those connected to the
// publisher are told with ServicePublisher.ServiceDetailEvent. A service that is
// still starting says so in its status (Device starting).
func (s *Server) Add(svc *Service) error {
	s.mu.Lock()
	if !validName(svc.name) || s.find(svc.name) != nil || svc.srv != nil {
		s.mu.Unlock()
		return fmt.Errorf("add service %.80q: %w", svc.name, ErrName)
	}
	s.services = append(s.services, svc)
	svc.attach(s)
	s.mu.Unlock()
	s.publisher.announce()
	return nil
}

// Remove takes a service away: its connections are closed and its commands
// cancelled. It reports whether there was one of that name.
func (s *Server) Remove(name string) bool {
	s.mu.Lock()
	svc := s.find(name)
	for i, other := range s.services {
		if other == svc {
			s.services = append(s.services[:i:i], s.services[i+1:]...)
			break
		}
	}
	s.mu.Unlock()
	if svc == nil {
		return false
	}
	svc.stop()
	s.publisher.announce()
	return true
}

// find is called with mu held; names are compared without case, as paths are.
func (s *Server) find(name string) *Service {
	for _, svc := range s.services {
		if equalFold(svc.name, name) {
			return svc
		}
	}
	return nil
}

// Serve accepts connections until ctx ends or the listener fails, then closes all
// connections and waits for the running handlers to return. A server serves once.
//
// It serves nothing at all when the configuration would let in whom it should not:
// ErrPlain, ErrAnonymous, ErrTrust and ErrOpen say what is wrong.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	conf, err := s.cfg.security(loopback(ln.Addr()))
	if err != nil {
		return fmt.Errorf("serve %s: %w", ln.Addr(), err)
	}
	web := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: 10*time.Second + s.cfg.HandshakeTimeout,
		IdleTimeout:       10 * time.Second,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(s.cfg.Log.Handler(), slog.LevelDebug), // refusals are told by the gate
		ConnContext:       func(ctx context.Context, c net.Conn) context.Context { return context.WithValue(ctx, guardedKey{}, c) },
	}
	stopped := context.AfterFunc(ctx, func() { s.stop(); _ = web.Close() })
	defer stopped()
	err = web.Serve(&gate{Listener: ln, srv: s, tls: conf})
	s.Close()
	if ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("serve %s: %w", ln.Addr(), err)
}

// Close cuts all connections, cancels all commands and waits for their handlers.
// It is for servers used as an http.Handler; Serve does it by itself.
func (s *Server) Close() {
	s.stop()
	s.running.Wait()
}

const firstUnprivileged = 2 // index in xfs4iot.Ports

// Listen opens a TCP listener for a publisher. addr is "host:port" (port 0: any
// free one), or a host alone, or "" for loopback: then the first free port of 5846
// to 5856 is taken, so that clients find it.
func Listen(addr string) (net.Listener, error) {
	if _, _, err := net.SplitHostPort(addr); err == nil {
		return net.Listen("tcp", addr)
	}
	if addr == "" {
		addr = "127.0.0.1"
	}
	var err error
	for _, port := range xfs4iot.Ports()[firstUnprivileged:] {
		var ln net.Listener
		if ln, err = net.Listen("tcp", net.JoinHostPort(addr, fmt.Sprint(port))); err == nil {
			return ln, nil
		}
	}
	return nil, fmt.Errorf("no port from 5846 to 5856 is free on %s: %w", addr, err)
}

func loopback(a net.Addr) bool {
	t, ok := a.(*net.TCPAddr)
	return !ok && a.Network() == "unix" || ok && t.IP.IsLoopback()
}
