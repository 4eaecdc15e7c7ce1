package api

import (
	"net/http"
	"net/url"
	"strconv"

	"github.com/plomb-pos/plomb/till"
)

var errTooMany = &till.Refusal{Kind: till.Unavailable, Code: "busy"}

// health says that the node is up, and what a sign-in page needs to know.
func (h *handler) health(w http.ResponseWriter, r *http.Request) error {
	return write(w, http.StatusOK, h.node.Health())
}

func (h *handler) check(w http.ResponseWriter, r *http.Request) error {
	var in till.CheckRequest
	if err := read(r, bodyLimit, &in); err != nil {
		return err
	}
	return give(w)(h.node.Check(r.Context(), in))
}

func (h *handler) articles(w http.ResponseWriter, r *http.Request) error {
	q, err := query(r, "q", "group", "limit", "after")
	if err != nil {
		return err
	}
	return give(w)(h.node.Articles(r.Context(), token(r), q.list(), q.values.Get("group")))
}

func (h *handler) receipts(w http.ResponseWriter, r *http.Request) error {
	q, err := query(r, "q", "before", "limit")
	if err != nil {
		return err
	}
	return give(w)(h.node.Receipts(r.Context(), token(r), q.list()))
}

func (h *handler) receipt(w http.ResponseWriter, r *http.Request) error {
	n, err := pathNumber(r, "number")
	if err != nil {
		return err
	}
	return give(w)(h.node.Receipt(r.Context(), token(r), n))
}

func (h *handler) journal(w http.ResponseWriter, r *http.Request) error {
	q, err := query(r, "q", "kind", "before", "limit")
	if err != nil {
		return err
	}
	return give(w)(h.node.Entries(r.Context(), token(r), q.list(), q.values.Get("kind")))
}

func (h *handler) entry(w http.ResponseWriter, r *http.Request) error {
	n, err := pathNumber(r, "index")
	if err != nil {
		return err
	}
	return give(w)(h.node.Entry(r.Context(), token(r), n))
}

func (h *handler) proof(w http.ResponseWriter, r *http.Request) error {
	n, err := pathNumber(r, "index")
	if err != nil {
		return err
	}
	return give(w)(h.node.Proof(r.Context(), token(r), n))
}

func (h *handler) reports(w http.ResponseWriter, r *http.Request) error {
	q, err := query(r, "before", "limit")
	if err != nil {
		return err
	}
	return give(w)(h.node.Reports(r.Context(), token(r), q.list()))
}

func (h *handler) report(w http.ResponseWriter, r *http.Request) error {
	n, err := pathNumber(r, "number")
	if err != nil {
		return err
	}
	return give(w)(h.node.Report(r.Context(), token(r), n))
}

// period adds up the days from one date to another, both included.
func (h *handler) period(w http.ResponseWriter, r *http.Request) error {
	q, err := query(r, "from", "to")
	if err != nil {
		return err
	}
	return give(w)(h.node.Period(r.Context(), token(r), q.values.Get("from"), q.values.Get("to")))
}

func (h *handler) people(w http.ResponseWriter, r *http.Request) error {
	return give(w)(h.node.People(r.Context(), token(r)))
}

func (h *handler) settings(w http.ResponseWriter, r *http.Request) error {
	return give(w)(h.node.Settings(r.Context(), token(r)))
}

// software is the history of the till's software: starts, changes, steps of updates,
// what people agreed to; newest first. before and limit page through it.
func (h *handler) software(w http.ResponseWriter, r *http.Request) error {
	q, err := query(r, "before", "limit")
	if err != nil {
		return err
	}
	return give(w)(h.node.Software(r.Context(), token(r), q.list()))
}

// give writes an answer unless there is an error.
func give(w http.ResponseWriter) func(v any, err error) error {
	return func(v any, err error) error {
		if err != nil {
			return err
		}
		return write(w, http.StatusOK, v)
	}
}

// asked are the parameters of a question.
type asked struct {
	values url.Values
	before uint64
	limit  int
}

// query reads parameters; unknown and doubled ones are refused.
func query(r *http.Request, known ...string) (asked, error) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return asked{}, &till.Refusal{Kind: till.Invalid, Code: "malformed", Cause: err}
	}
	allowed := map[string]bool{}
	for _, k := range known {
		allowed[k] = true
	}
	for k, v := range values {
		if !allowed[k] || len(v) > 1 || len(v[0]) > 400 {
			return asked{}, &till.Refusal{Kind: till.Invalid, Code: "malformed"}
		}
	}
	return numbers(values)
}

func numbers(values url.Values) (asked, error) {
	a := asked{values: values}
	var err1, err2 error
	if s := values.Get("before"); s != "" {
		a.before, err1 = strconv.ParseUint(s, 10, 63)
	}
	if s := values.Get("limit"); s != "" {
		a.limit, err2 = strconv.Atoi(s)
	}
	if err1 != nil || err2 != nil {
		return asked{}, &till.Refusal{Kind: till.Invalid, Code: "malformed"}
	}
	return a, nil
}

func (a asked) list() till.ListQuery {
	return till.ListQuery{Text: a.values.Get("q"), Before: a.before, Limit: a.limit}
}

func pathNumber(r *http.Request, name string) (uint64, error) {
	n, err := strconv.ParseUint(r.PathValue(name), 10, 63)
	if err != nil {
		return 0, &till.Refusal{Kind: till.NotFound, Code: "not-a-number", Cause: err}
	}
	return n, nil
}
