package record

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
	"github.com/plomb-pos/plomb/xfs4iot"
	"github.com/plomb-pos/plomb/xfs4iot/client"
)

// Relay stands between an application and a service and records what they say to
// each other. It takes one connection at a time, on the path of the service's own
// URL; the bytes of both sides go through unchanged.
type Relay struct {
	Target  string         // URL of the service
	Options client.Options // of the connection to it
	Writer  *Writer
	Log     *slog.Logger // connections; nil discards

	busy atomic.Bool
}

// Serve takes connections on a loopback listener until ctx ends: there is no TLS
// towards the application, so nobody else may reach it.
func (r *Relay) Serve(ctx context.Context, ln net.Listener) error {
	if addr, ok := ln.Addr().(*net.TCPAddr); !ok || !addr.IP.IsLoopback() {
		ln.Close()
		return errors.New("a relay listens on loopback only")
	}
	if r.Log == nil {
		r.Log = slog.New(slog.DiscardHandler)
	}
	server := &http.Server{
		Handler: r, ReadHeaderTimeout: 5 * time.Second, MaxHeaderBytes: 16 << 10,
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	defer context.AfterFunc(ctx, func() { server.Close() })()
	if err := server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("relay: %w", err)
	}
	return r.Writer.Err()
}

// ServeHTTP relays one connection.
func (r *Relay) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if !r.busy.CompareAndSwap(false, true) {
		http.Error(w, "one connection at a time is recorded", http.StatusServiceUnavailable)
		return
	}
	defer r.busy.Store(false)
	service, err := client.DialRaw(req.Context(), r.Target, r.Options)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer service.Close()
	app, err := websocket.Accept(w, req, nil) // requests of web pages are refused
	if err != nil {
		return // Accept has answered
	}
	defer app.CloseNow()
	app.SetReadLimit(int64(xfs4iot.DefaultBytes))
	r.Log.Info("recording", "client", req.RemoteAddr)
	err = r.pump(req.Context(), app, service)
	r.Log.Info("connection ended", "client", req.RemoteAddr, "why", err)
}

// pump carries messages both ways until one side ends.
func (r *Relay) pump(ctx context.Context, app *websocket.Conn, service *client.Raw) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	go func() { stop(r.down(ctx, app, service)) }()
	for {
		_, data, err := app.Read(ctx)
		if err != nil {
			return err
		}
		r.Writer.Frame(true, data)
		if err := service.Send(ctx, data); err != nil {
			return err
		}
	}
}

// down carries what the service says.
func (r *Relay) down(ctx context.Context, app *websocket.Conn, service *client.Raw) error {
	for {
		data, err := service.Receive(ctx)
		if err != nil {
			return err
		}
		r.Writer.Frame(false, data)
		if err := app.Write(ctx, websocket.MessageText, data); err != nil {
			return err
		}
	}
}
