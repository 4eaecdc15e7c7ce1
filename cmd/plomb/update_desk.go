package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"syscall"
	"time"

	"github.com/plomb-pos/plomb/staff"
	"github.com/plomb-pos/plomb/till"
	"github.com/plomb-pos/plomb/update"
	"github.com/plomb-pos/plomb/update/manifest"
)

// passed is how far a pass of the agent came.
type passed struct {
	Identity manifest.Identity `json:"identity,omitempty"`
	Stage    update.Stage      `json:"stage,omitempty"`
	Waiting  string            `json:"waiting,omitempty"` // for what
	Restart  bool              `json:"restart,omitempty"` // the next version is about to be tried
	Failed   string            `json:"failed,omitempty"`
}

// vouchDesk checks the PIN of who says something at the machine, who has to be one that
// may agree to software.
func vouchDesk(ctx context.Context, node *till.Node, by till.Approval, what string) error {
	if by.Person == "" {
		return errors.New("nobody says so")
	}
	err := node.Vouch(ctx, by, staff.SoftwareUpdate)
	if refused, ok := errors.AsType[*till.Refusal](err); ok {
		return hint{fmt.Errorf("person %s %s: %s", by.Person, what, refused.Text), refused.Hint}
	}
	return err
}

// serveDesk answers plomb update on the device's own socket until ctx ends.
func (u *updates) serveDesk(ctx context.Context) error {
	root, _, _, err := launchedFrom()
	if err != nil {
		return err
	}
	name := deskAddress(root)
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	l, err := net.Listen("unix", name)
	if err != nil {
		return err
	}
	if err := os.Chmod(name, 0o600); err != nil {
		return errors.Join(err, l.Close())
	}
	s := &http.Server{Handler: u.desk(), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, MaxHeaderBytes: 16 << 10, BaseContext: func(net.Listener) context.Context { return ctx }}
	defer context.AfterFunc(ctx, func() { s.Close() })()
	if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func (u *updates) desk() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", answering(func(r *http.Request) (any, error) { return u.status(r.Context()) }))
	mux.HandleFunc("POST /check", answering(func(r *http.Request) (any, error) { return u.check(r.Context()) }))
	mux.HandleFunc("POST /now", answering(func(r *http.Request) (any, error) { return u.pass(r.Context()), nil }))
	mux.HandleFunc("POST /forget-time", answering(u.forgetTime))
	return mux
}

// answering is a handler that answers in JSON, or with an error in words.
func answering(f func(*http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		out, err := f(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(out) // who asked may be gone
	}
}

func (u *updates) forgetTime(r *http.Request) (any, error) {
	var by till.Approval
	if err := json.NewDecoder(io.LimitReader(r.Body, 4<<10)).Decode(&by); err != nil {
		return nil, err
	}
	if err := vouchDesk(r.Context(), u.node, by, "does not put the clock right"); err != nil {
		return nil, err
	}
	agents := []*update.Agent{u.agent}
	if u.platform != nil {
		agents = append(agents, u.platform.agent)
	}
	for _, a := range agents {
		if err := a.ForgetTime(r.Context(), string(by.Person)); err != nil {
			return nil, err
		}
	}
	return struct{}{}, nil
}

// errNoTill says that no till runs on a device.
var errNoTill = errors.New("no till runs on this device")

// askTill asks the till that runs on a device; errNoTill when none does.
func askTill(ctx context.Context, root, method, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://till"+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", deskAddress(root))
	}}}
	defer client.CloseIdleConnections()
	resp, err := client.Do(req)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return errNoTill
	}
	if err != nil {
		return fmt.Errorf("ask the till: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<10)) // the status says enough
		return fmt.Errorf("the till says: %s", bytes.TrimSpace(text))
	}
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		return fmt.Errorf("understand the till: %w", err)
	}
	return nil
}
