package sim

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/plomb-pos/plomb/driver/sim/panel"
)

//go:embed page
var page embed.FS

// Face is what one device shows to whoever looks.
type Face struct {
	Name  string         `json:"name"` // of its service
	Class string         `json:"class"`
	Gone  bool           `json:"gone"` // its service vanished
	State jsontext.Value `json:"state"`
	Acts  []panel.Act    `json:"acts"`
}

// Faces are all devices, in the order in which they were added.
func (d *Devices) Faces() ([]Face, error) {
	d.mu.Lock()
	seats := make([]seat, len(d.all))
	for i, s := range d.all {
		seats[i] = *s
	}
	d.mu.Unlock()
	out := make([]Face, len(seats))
	for i, s := range seats {
		state, err := json.Marshal(s.device.State(), json.Deterministic(true))
		if err != nil {
			return nil, fmt.Errorf("state of %s: %w", s.name, err)
		}
		acts := append(s.device.Acts(), d.serviceAct(s))
		out[i] = Face{Name: s.name, Class: s.device.Class(), Gone: s.gone, State: state, Acts: acts}
	}
	return out, nil
}

// serviceAct takes the service away or brings it back: every device has it.
func (d *Devices) serviceAct(s seat) panel.Act {
	if s.gone {
		return panel.Act{Name: "return", Label: "Bring the service back", Kind: panel.Repair, Do: func(panel.Values) error { return d.Return(s.name) }}
	}
	return panel.Act{Name: "vanish", Label: "Take the service away", Kind: panel.Fault, Do: func(panel.Values) error { return d.Vanish(s.name) }}
}

// Do does an act of a device, as a button of the page would: its own acts, and
// "vanish" and "return" for its service.
func (d *Devices) Do(name, act string, v panel.Values) error {
	d.mu.Lock()
	s := d.seat(name)
	d.mu.Unlock()
	switch {
	case s == nil:
		return fmt.Errorf("%q: %w", name, ErrNoDevice)
	case act == "vanish" && len(v) == 0:
		return d.Vanish(name)
	case act == "return" && len(v) == 0:
		return d.Return(name)
	}
	return panel.Do(s.device, act, v)
}

// serveControl serves the page until ctx ends.
func (d *Devices) serveControl(ctx context.Context, ln net.Listener) error {
	addr, ok := ln.Addr().(*net.TCPAddr)
	if !ok || !addr.IP.IsLoopback() {
		ln.Close()
		return ErrNotLoopback
	}
	server := &http.Server{
		Handler: d.Handler(addr.Port), ReadHeaderTimeout: 5 * time.Second, MaxHeaderBytes: 16 << 10,
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	defer context.AfterFunc(ctx, func() { server.Close() })()
	if err := server.Serve(ln); ctx.Err() == nil {
		return fmt.Errorf("serve the page of simulated devices: %w", err)
	}
	return nil
}

// Handler is the page with its API, for requests to a loopback address and port.
//
//	GET  /                                        the page
//	GET  /api/devices                             the Faces
//	GET  /api/events                              the Faces that changed, at every change (text/event-stream)
//	GET  /api/devices/{name}/pictures/{picture}   a PNG that the device's state names
//	POST /api/devices/{name}/{act}                does an act; body: its args, {"code": "4006381333931"}
func (d *Devices) Handler(port int) http.Handler {
	mux := http.NewServeMux()
	files, err := fs.Sub(page, "page")
	if err == nil {
		mux.Handle("GET /", http.FileServerFS(files))
	}
	mux.HandleFunc("GET /api/devices", d.serveFaces)
	mux.HandleFunc("GET /api/events", d.serveEvents)
	mux.HandleFunc("GET /api/devices/{name}/pictures/{picture}", d.servePicture)
	mux.HandleFunc("POST /api/devices/{name}/{act}", d.serveAct)
	return guarded(http.NewCrossOriginProtection().Handler(mux), port)
}

// guarded refuses other host names (DNS rebinding) and sets the headers that keep
// the page from loading or sending anything elsewhere.
func guarded(next http.Handler, port int) http.Handler {
	allowed := map[string]bool{}
	for _, name := range []string{"localhost", "127.0.0.1", "::1"} {
		allowed[net.JoinHostPort(name, strconv.Itoa(port))] = true
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !allowed[r.Host] {
			http.Error(w, "unknown host name", http.StatusMisdirectedRequest)
			return
		}
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

func (d *Devices) serveFaces(w http.ResponseWriter, _ *http.Request) {
	faces, err := d.Faces()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.MarshalWrite(w, faces) // the client is gone
}

// serveEvents sends all faces at once, and after every change those that differ
// from what was sent.
func (d *Devices) serveEvents(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	out := http.NewResponseController(w)
	sent := map[string]string{}
	for {
		changed := d.changes.Changed()
		faces, err := d.news(sent)
		if err != nil {
			return
		}
		if _, err := fmt.Fprintf(w, "data: %s\n\n", faces); err != nil || out.Flush() != nil {
			return
		}
		select {
		case <-changed:
		case <-r.Context().Done():
			return
		}
	}
}

// news encodes the faces that differ from sent, and keeps them there.
func (d *Devices) news(sent map[string]string) ([]byte, error) {
	faces, err := d.Faces()
	if err != nil {
		return nil, err
	}
	news := []jsontext.Value{}
	for _, f := range faces {
		text, err := json.Marshal(f)
		if err != nil {
			return nil, err
		}
		if sent[f.Name] != string(text) {
			sent[f.Name] = string(text)
			news = append(news, text)
		}
	}
	return json.Marshal(news)
}

func (d *Devices) servePicture(w http.ResponseWriter, r *http.Request) {
	data, err := d.picture(r.PathValue("name"), r.PathValue("picture"))
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, ErrNoDevice):
		http.NotFound(w, r)
	case err != nil:
		http.Error(w, err.Error(), http.StatusInternalServerError)
	default:
		w.Header().Set("Content-Type", "image/png")
		_, _ = w.Write(data) // the client is gone
	}
}

func (d *Devices) picture(name, picture string) ([]byte, error) {
	d.mu.Lock()
	s := d.seat(name)
	d.mu.Unlock()
	if s == nil {
		return nil, ErrNoDevice
	}
	if p, ok := s.device.(panel.Pictured); ok {
		return p.Picture(picture)
	}
	return nil, fs.ErrNotExist
}

// maxArgs bounds the body of an act.
const maxArgs = 16 << 10

func (d *Devices) serveAct(w http.ResponseWriter, r *http.Request) {
	var v panel.Values
	err := json.UnmarshalRead(http.MaxBytesReader(w, r.Body, maxArgs), &v)
	if err == nil {
		err = d.Do(r.PathValue("name"), r.PathValue("act"), v)
	}
	switch {
	case errors.Is(err, ErrNoDevice), errors.Is(err, panel.ErrNoAct):
		http.Error(w, err.Error(), http.StatusNotFound)
	case err != nil:
		http.Error(w, err.Error(), http.StatusBadRequest)
	default:
		w.WriteHeader(http.StatusNoContent)
	}
}
