package replay

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"github.com/plomb-pos/plomb/money"
)

// answer is what a command is answered, as far as it is looked at.
type answer struct {
	Result jsontext.Value `json:"result"`
	State  struct {
		Basket *struct {
			Total money.Amount `json:"total"`
		} `json:"basket"`
		Setup string `json:"setup"`
	} `json:"state"`
	Error *refusal `json:"error"`
}

// refusal is an error of the API.
type refusal struct {
	Kind string `json:"kind"`
	Code string `json:"code"`
	Text string `json:"text"`
}

func (r *refusal) Error() string { return r.Code + " (" + r.Kind + "): " + r.Text }

// approval is a person's proof who they are.
type approval struct {
	Person string `json:"person"`
	PIN    string `json:"pin"`
}

type command struct {
	ID       string    `json:"id"`
	Do       string    `json:"do"`
	Args     any       `json:"args,omitzero"`
	Approval *approval `json:"approval,omitzero"`
}

// answerLimit is more than any answer has, in bytes.
const answerLimit = 64 << 20

func (h *host) post(ctx context.Context, path string, body any) (*answer, error) {
	b, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	a := new(answer)
	err = h.ask(ctx, http.MethodPost, path, bytes.NewReader(b), a)
	return a, err
}

// ask sends one request. A refusal is an error of type *refusal.
func (h *host) ask(ctx context.Context, method, path string, body io.Reader, v any) error {
	h.requests++
	req, err := http.NewRequestWithContext(ctx, method, h.url+path, body)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := h.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, answerLimit))
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	if resp.StatusCode != http.StatusOK {
		return refusalIn(resp, text)
	}
	if err := json.Unmarshal(text, v); err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	return nil
}

func refusalIn(resp *http.Response, text []byte) error {
	var a answer
	if err := json.Unmarshal(text, &a); err != nil || a.Error == nil {
		return fmt.Errorf("%s %s: %s", resp.Request.Method, resp.Request.URL.Path, resp.Status)
	}
	return a.Error
}

func isRefusal(err error, kind string) bool {
	r, ok := errors.AsType[*refusal](err)
	return ok && r.Kind == kind
}

// commandID makes an id (UUIDv7, RFC 9562 5.7) that follows from the file, the
// time and what the command is for: a second run sends the same ones.
func commandID(p *Plan, at time.Time, what ...string) uuid.UUID {
	sum := sha256.New()
	sum.Write(p.Digest[:])
	sum.Write([]byte(strings.Join(what, "\x00")))
	var id uuid.UUID
	copy(id[:], sum.Sum(nil))
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(at.UnixMilli()))
	copy(id[:6], ms[2:])
	id[6], id[8] = id[6]&0x0f|0x70, id[8]&0x3f|0x80
	return id
}
