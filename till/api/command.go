package api

import (
	"bytes"
	"io"
	"net/http"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/plomb-pos/plomb/till"
)

// commandAnswer is {"id":…,"result":…,"state":…}.
func commandAnswer(id string, result jsontext.Value, state till.State) ([]byte, error) {
	out, err := jsontext.AppendQuote([]byte(`{"id":`), id)
	if err != nil {
		return nil, err
	}
	out = append(append(out, `,"result":`...), result...)
	if out, err = state.AppendJSON(append(out, `,"state":`...)); err != nil {
		return nil, err
	}
	return append(out, '}'), nil
}

// command carries one command out. A command that has begun is finished even
// when the page is gone: the same id then finds its answer.
func (h *handler) command(w http.ResponseWriter, r *http.Request) error {
	body, err := h.commandBody(r)
	if err != nil {
		h.node.Malformed(token(r), err)
		return err
	}
	var c till.Command
	if err := json.Unmarshal(body, &c, json.RejectUnknownMembers(true)); err != nil {
		err = &till.Refusal{Kind: till.Invalid, Code: "malformed", Cause: err}
		h.node.Malformed(token(r), err)
		return err
	}
	if len(body) > bodyLimit && c.Do != "articles.import" {
		return &till.Refusal{Kind: till.Invalid, Code: "body-too-large"}
	}
	result, err := h.node.Do(r.Context(), token(r), c)
	if err != nil {
		writeError(w, c.ID, h.node.Words(err))
		return nil
	}
	answer, err := commandAnswer(c.ID, result, h.node.State(token(r)))
	if err != nil {
		return err
	}
	writeText(w, http.StatusOK, answer)
	return nil
}

// commandBody reads a body of the usual size, or a larger one from somebody who
// may import articles.
func (h *handler) commandBody(r *http.Request) ([]byte, error) {
	var body bytes.Buffer
	_, err := io.Copy(&body, io.LimitReader(r.Body, bodyLimit+1))
	if err == nil && body.Len() > bodyLimit && h.node.May(token(r), "articles.import") {
		_, err = io.Copy(&body, io.LimitReader(r.Body, importLimit-bodyLimit))
		if err == nil && body.Len() <= importLimit {
			return body.Bytes(), nil
		}
	}
	if err != nil {
		return nil, &till.Refusal{Kind: till.Invalid, Code: "body-incomplete", Cause: err}
	}
	if body.Len() > bodyLimit {
		return nil, &till.Refusal{Kind: till.Invalid, Code: "body-too-large"}
	}
	return body.Bytes(), nil
}

// signIn opens a session; its secret goes into a cookie that scripts cannot read.
func (h *handler) signIn(w http.ResponseWriter, r *http.Request) error {
	var in till.SignIn
	if err := read(r, bodyLimit, &in); err != nil {
		return err
	}
	t, err := h.node.SignIn(r.Context(), in)
	if err != nil {
		return err
	}
	return h.welcome(w, r, t)
}

// setup makes the shop and its first people, and signs the administrator in.
func (h *handler) setup(w http.ResponseWriter, r *http.Request) error {
	var in till.Setup
	if err := read(r, bodyLimit, &in); err != nil {
		return err
	}
	t, err := h.node.Setup(r.Context(), in)
	if err != nil {
		return err
	}
	return h.welcome(w, r, t)
}

func (h *handler) welcome(w http.ResponseWriter, r *http.Request, t till.Token) error {
	http.SetCookie(w, &http.Cookie{Name: cookieName, Value: string(t), Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: r.TLS != nil})
	return write(w, http.StatusOK, struct {
		State till.State `json:"state"`
	}{h.node.State(t)})
}
