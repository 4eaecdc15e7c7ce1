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
)

//go:embed page
var page embed.FS

// State is what the page shows, and what GET /api/state answers.
type State struct {
	Printer PrinterState `json:"printer"`
	Scanner ScannerState `json:"scanner"`
	Display DisplayState `json:"display"`
}

// PrinterState is the printer with its drawer.
type PrinterState struct {
	Gone      bool        `json:"gone"` // its service vanished
	Power     bool        `json:"power"`
	Paper     string      `json:"paper"` // ok, low, out
	CoverOpen bool        `json:"coverOpen"`
	Cutter    bool        `json:"cutterStuck"`
	Drawer    string      `json:"drawer"` // open, closed
	Kicks     int         `json:"kicks"`  // pulses on the drawer
	Sheets    []SheetInfo `json:"sheets"`
	Problems  []string    `json:"problems"`
}

// SheetInfo is one piece of paper; its picture is at /api/printer/sheets/{number}.png.
type SheetInfo struct {
	Number int    `json:"number"`
	Length int    `json:"length"` // dots; a sheet in the printer grows
	Cut    string `json:"cut"`
	Text   string `json:"text"`
}

// ScannerState is the scanner.
type ScannerState struct {
	Gone      bool `json:"gone"`
	Unplugged bool `json:"unplugged"`
	Reading   bool `json:"reading"` // a client waits for a code
	Waiting   int  `json:"waiting"` // codes wait for a client
}

// DisplayState is the customer display.
type DisplayState struct {
	Gone  bool     `json:"gone"`
	Lines []string `json:"lines"`
	Beeps int      `json:"beeps"`
}

// State is the present state of all devices.
func (d *Devices) State() State {
	return State{
		Printer: d.printerState(),
		Scanner: ScannerState{d.Gone(ScannerName), d.Scanner.Unplugged(), d.Scanner.Reading(), d.Scanner.Waiting()},
		Display: DisplayState{d.Gone(DisplayName), d.Display.Lines(), d.Display.Beeps()},
	}
}

func (d *Devices) printerState() PrinterState {
	s := d.Printer.Status()
	out := PrinterState{
		Gone: d.Gone(PrinterName), Power: s.Connected, Paper: s.Paper.String(), CoverOpen: s.CoverOpen,
		Cutter: s.Cutter, Drawer: s.Drawer.String(), Kicks: d.Printer.Kicks(), Sheets: []SheetInfo{}, Problems: []string{},
	}
	for _, doc := range d.Printer.Printed() {
		out.Sheets = append(out.Sheets, SheetInfo{doc.Number, doc.Image.Bounds().Dy(), string(doc.Cut), doc.Text()})
	}
	for _, err := range d.Printer.Problems() {
		out.Problems = append(out.Problems, err.Error())
	}
	return out
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
//	GET  /                                   the page
//	GET  /api/state                          State
//	GET  /api/events                         State at every change (text/event-stream)
//	GET  /api/printer/sheets/{number}.png    a picture
//	POST /api/{order}                        see the orders; body: an Order
func (d *Devices) Handler(port int) http.Handler {
	mux := http.NewServeMux()
	files, err := fs.Sub(page, "page")
	if err == nil {
		mux.Handle("GET /", http.FileServerFS(files))
	}
	mux.HandleFunc("GET /api/state", d.serveState)
	mux.HandleFunc("GET /api/events", d.serveEvents)
	mux.HandleFunc("GET /api/printer/sheets/{file}", d.serveSheet)
	mux.HandleFunc("POST /api/{order}", d.serveOrder)
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

func (d *Devices) serveState(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.MarshalWrite(w, d.State()) // the client is gone
}

// serveEvents sends the state at once and after every change.
func (d *Devices) serveEvents(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	out := http.NewResponseController(w)
	for {
		printer, scanner, display := d.Printer.Changed(), d.Scanner.Changed(), d.Display.Changed()
		services := d.turned()
		state, err := json.Marshal(d.State())
		if err != nil {
			return
		}
		if _, err := fmt.Fprintf(w, "data: %s\n\n", state); err != nil || out.Flush() != nil {
			return
		}
		select {
		case <-printer:
		case <-scanner:
		case <-display:
		case <-services:
		case <-r.Context().Done():
			return
		}
	}
}

func (d *Devices) serveSheet(w http.ResponseWriter, r *http.Request) {
	for _, doc := range d.Printer.Printed() {
		if fmt.Sprintf("%d.png", doc.Number) != r.PathValue("file") {
			continue
		}
		data, err := doc.PNG()
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "image/png")
		_, _ = w.Write(data) // the client is gone
		return
	}
	http.NotFound(w, r)
}

// Order is the body of a POST; which member counts depends on the order.
type Order struct {
	Fault   Fault  `json:"fault,omitzero"`
	After   int    `json:"after,omitzero"`
	Code    string `json:"code,omitzero"`
	Service string `json:"service,omitzero"`
}

// orders are what people do to the devices, by the last part of the path.
var orders = map[string]func(*Devices, Order) error{
	"fault":        func(d *Devices, o Order) error { return d.Printer.Fault(o.Fault, o.After) },
	"mend":         func(d *Devices, _ Order) error { d.Printer.Mend(); return nil },
	"take":         func(d *Devices, _ Order) error { d.Printer.Take(); return nil },
	"close-drawer": func(d *Devices, _ Order) error { d.Printer.CloseDrawer(); return nil },
	"scan":         func(d *Devices, o Order) error { return d.Scanner.Scan(o.Code) },
	"unplug":       func(d *Devices, _ Order) error { d.Scanner.Unplug(); return nil },
	"plug":         func(d *Devices, _ Order) error { d.Scanner.Plug(); return nil },
	"vanish":       func(d *Devices, o Order) error { return d.Vanish(o.Service) },
	"return":       func(d *Devices, o Order) error { return d.Return(o.Service) },
}

// maxOrder bounds the body of an order.
const maxOrder = 16 << 10

func (d *Devices) serveOrder(w http.ResponseWriter, r *http.Request) {
	do, ok := orders[r.PathValue("order")]
	if !ok {
		http.NotFound(w, r)
		return
	}
	var o Order
	err := json.UnmarshalRead(http.MaxBytesReader(w, r.Body, maxOrder), &o, json.RejectUnknownMembers(true))
	if err == nil {
		err = do(d, o)
	}
	switch {
	case errors.Is(err, ErrNoDevice):
		http.Error(w, err.Error(), http.StatusNotFound)
	case err != nil:
		http.Error(w, err.Error(), http.StatusBadRequest)
	default:
		w.WriteHeader(http.StatusNoContent)
	}
}
