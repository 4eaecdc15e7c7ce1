// Package api is the till node over HTTP: commands, events, questions, sign-in,
// setup and the public check of a receipt (docs/design/0002-till.md).
//
// [Handler] is the one constructor. It puts the same guards before every route:
// only known Host names (against DNS rebinding), no writing from other origins
// ([http.CrossOriginProtection]), security headers, bounded bodies, strict JSON
// that refuses unknown and doubled fields. [Routes] lists what there is and what
// is open without an identity; tests hold the running handler against it.
//
//	h := api.Handler(node, web.Handler())
//	http.Serve(listener, h)
//
// The package holds no state and decides nothing: who may do what is the
// node's. The event stream answers without a session too, with the few fields
// that a sign-in page needs.
package api

import (
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/plomb-pos/plomb/till"
)

// The limits of a request's body. Only who may import articles may send more
// than bodyLimit.
const (
	bodyLimit   = 256 << 10
	importLimit = 8 << 20
)

const cookieName = "plomb_session"

// Route is one way into the node.
type Route struct {
	Method, Pattern string
	// Open says that it answers without an identity.
	Open  bool
	serve func(*handler, http.ResponseWriter, *http.Request) error
}

// routes is the whole of it; whatever is not here is the page's, or not found.
var routes = []Route{
	{"GET", "/api/health", true, (*handler).health},
	{"POST", "/api/sign-in", true, (*handler).signIn},
	{"POST", "/api/setup", true, (*handler).setup},
	{"POST", "/api/check", true, (*handler).check},
	{"GET", "/api/events", true, (*handler).events}, // without an identity: what a sign-in page needs
	{"POST", "/api/command", false, (*handler).command},
	{"GET", "/api/articles", false, (*handler).articles},
	{"GET", "/api/receipts", false, (*handler).receipts},
	{"GET", "/api/receipts/{number}", false, (*handler).receipt},
	{"GET", "/api/journal", false, (*handler).journal},
	{"GET", "/api/journal/{index}", false, (*handler).entry},
	{"GET", "/api/journal/{index}/proof", false, (*handler).proof},
	{"GET", "/api/reports/z", false, (*handler).reports},
	{"GET", "/api/reports/z/{number}", false, (*handler).report},
	{"GET", "/api/reports/period", false, (*handler).period},
	{"GET", "/api/people", false, (*handler).people},
	{"GET", "/api/settings", false, (*handler).settings},
	{"GET", "/api/software", false, (*handler).software},
}

// Routes lists every route of the API.
func Routes() []Route { return slices.Clone(routes) }

type handler struct {
	node  *till.Node
	hosts []string
	page  string // digest of the page that is served beside; empty: not known
}

// Handler serves the API and, for every other path, the page; a page that tells its
// Digest is named at the head of every event stream, so that one which an older
// program served loads itself anew. Beside loopback
// names and addresses a request's Host has to be one of hosts (without port).
func Handler(node *till.Node, page http.Handler, hosts ...string) http.Handler {
	h := &handler{node: node, hosts: hosts}
	if named, ok := page.(interface{ Digest() string }); ok {
		h.page = named.Digest()
	}
	mux := http.NewServeMux()
	for _, r := range routes {
		mux.HandleFunc(r.Method+" "+r.Pattern, h.answer(r))
	}
	mux.HandleFunc("/api/", notThere)
	mux.Handle("/", page)
	return h.guard(http.NewCrossOriginProtection().Handler(mux))
}

func notThere(w http.ResponseWriter, r *http.Request) {
	writeError(w, "", &till.Refusal{Kind: till.NotFound, Code: "no-such-route", Text: "no such route", Hint: ""})
}

// guard refuses foreign Host names and sets what every answer carries.
func (h *handler) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		protect(w.Header())
		if !h.knows(r.Host) {
			http.Error(w, "unknown host", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// protect sets the headers of API answers; the page sets its own policy.
func protect(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
}

func (h *handler) knows(host string) bool {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = host
	}
	if ip := net.ParseIP(trimBrackets(name)); ip != nil && ip.IsLoopback() {
		return true
	}
	return name == "localhost" || slices.Contains(h.hosts, name)
}

func trimBrackets(s string) string {
	if len(s) > 2 && s[0] == '[' && s[len(s)-1] == ']' {
		return s[1 : len(s)-1]
	}
	return s
}

// answer runs a route and writes its refusal, if any.
func (h *handler) answer(route Route) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Body != http.NoBody {
			body := &hurried{ReadCloser: r.Body, control: http.NewResponseController(w)}
			defer body.rest()
			r.Body = body
		}
		if !route.Open && !h.node.SignedIn(token(r)) {
			writeError(w, "", h.node.Words(&till.Refusal{Kind: till.Unauthenticated, Code: "not-signed-in"}))
			return
		}
		if h.stale(route, r) {
			writeError(w, "", h.node.Words(&till.Refusal{Kind: till.Conflict, Code: "page-stale"}))
			return
		}
		if err := route.serve(h, w, r); err != nil {
			writeError(w, "", h.node.Words(err))
		}
	}
}

// bodyPatience is how long a request's body may take from its first byte that is
// waited for to its last one: whoever sends more slowly holds nothing open.
var bodyPatience = 30 * time.Second

// hurried is a body with a deadline.
type hurried struct {
	io.ReadCloser
	control *http.ResponseController
	running bool
	late    bool
}

func (b *hurried) Read(p []byte) (int, error) {
	if !b.running {
		b.running = true
		_ = b.control.SetReadDeadline(time.Now().Add(bodyPatience)) // a connection without deadlines has no slow readers
	}
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF {
		b.rest()
	}
	b.late = errors.Is(err, os.ErrDeadlineExceeded)
	return n, err
}

// rest ends the deadline: the answer may take longer. It stays where it has passed,
// or the server would wait for the rest of the body before it answers.
func (b *hurried) rest() {
	if b.running && !b.late {
		b.running = false
		_ = b.control.SetReadDeadline(time.Time{})
	}
}

func token(r *http.Request) till.Token {
	c, err := r.Cookie(cookieName)
	if err != nil {
		return ""
	}
	return till.Token(c.Value)
}

// read takes a request's JSON body into v.
func read(r *http.Request, limit int64, v any) error {
	body, err := io.ReadAll(io.LimitReader(r.Body, limit+1))
	if err != nil {
		return &till.Refusal{Kind: till.Invalid, Code: "body-incomplete", Cause: err}
	}
	if int64(len(body)) > limit {
		return &till.Refusal{Kind: till.Invalid, Code: "body-too-large"}
	}
	if err := json.Unmarshal(body, v, json.RejectUnknownMembers(true)); err != nil {
		return &till.Refusal{Kind: till.Invalid, Code: "malformed", Cause: err}
	}
	return nil
}

func write(w http.ResponseWriter, status int, v any) error {
	body, err := json.Marshal(v, json.Deterministic(true))
	if err != nil {
		return err
	}
	writeText(w, status, body)
	return nil
}

// writeText sends JSON in one piece. A reader that has gone is nobody to tell.
func writeText(w http.ResponseWriter, status int, text []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(status)
	_, _ = w.Write(text)
}

type errorAnswer struct {
	ID    string        `json:"id,omitzero"`
	Error *till.Refusal `json:"error"`
}

func writeError(w http.ResponseWriter, id string, r *till.Refusal) {
	if err := write(w, statusOf(r.Kind), errorAnswer{id, r}); err != nil {
		http.Error(w, "internal error", http.StatusInternalServerError)
	}
}

func statusOf(k till.RefusalKind) int {
	switch k {
	case till.Invalid:
		return http.StatusBadRequest
	case till.Unauthenticated:
		return http.StatusUnauthorized
	case till.Forbidden, till.ApprovalNeeded:
		return http.StatusForbidden
	case till.Locked:
		return http.StatusLocked
	case till.Conflict:
		return http.StatusConflict
	case till.NotFound:
		return http.StatusNotFound
	case till.Refused:
		return http.StatusUnprocessableEntity
	case till.Unavailable:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}
