package release

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/plomb-pos/plomb/update/keeper"
	"github.com/plomb-pos/plomb/update/manifest"
)

const (
	requestFormat = "plomb-request/1"
	answerFormat  = "plomb-answer/1"
	maxRequest    = 64 << 20
)

// Request is what an office asks of keys that are kept elsewhere, as a file that
// people carry. It holds no secret. Whoever signs believes nothing that it says of
// itself: Describe reads the messages.
type Request struct {
	Format string            `json:"format"`
	Party  Party             `json:"party"`
	Name   string            `json:"name"`
	Act    string            `json:"act"`
	At     time.Time         `json:"at"`             // when the act began
	Kept   map[string][]byte `json:"kept,omitempty"` // what was drawn in it: public halves, wrapped keys
	Wanted []Wanted          `json:"wanted"`
}

// Wanted is one signature.
type Wanted struct {
	Key     string      `json:"key"` // as the office calls it
	Kind    keeper.Kind `json:"kind"`
	Public  []byte      `json:"public"`
	Message []byte      `json:"message"`
}

func (w Wanted) same(v Wanted) bool { return w.Key == v.Key && bytes.Equal(w.Message, v.Message) }

func (w Wanted) answeredBy(s Signature) bool {
	return w.Key == s.Key && s.Message == manifest.Sum(w.Message)
}

// Keys are the names of the keys that are asked.
func (r *Request) Keys() (names []string) {
	for _, w := range r.Wanted {
		if !slices.Contains(names, w.Key) {
			names = append(names, w.Key)
		}
	}
	return names
}

// Answer is what comes back.
type Answer struct {
	Format     string      `json:"format"`
	Signatures []Signature `json:"signatures"`
}

// Signature is one signature of an answer.
type Signature struct {
	Key       string          `json:"key"`
	Message   manifest.Digest `json:"message"` // SHA-256 of what was signed
	Signature []byte          `json:"signature"`
}

func (s Signature) same(t Signature) bool { return s.Key == t.Key && s.Message == t.Message }

// ParseRequest reads a request, strictly.
func ParseRequest(text []byte) (*Request, error) {
	r := new(Request)
	if err := json.Unmarshal(text, r, json.RejectUnknownMembers(true)); err != nil {
		return nil, fmt.Errorf("read request: %w: %w", ErrFormat, err)
	}
	if r.Format != requestFormat || len(r.Wanted) == 0 {
		return nil, fmt.Errorf("read request: %w: format %q with %d wishes", ErrFormat, r.Format, len(r.Wanted))
	}
	for _, w := range r.Wanted {
		if _, err := keeper.PublicKey(w.Kind, w.Public); err != nil {
			return nil, fmt.Errorf("read request: key %s: %w: %w", w.Key, ErrFormat, err)
		}
	}
	return r, nil
}

// ParseAnswer reads an answer, strictly.
func ParseAnswer(text []byte) (*Answer, error) {
	a := new(Answer)
	if err := json.Unmarshal(text, a, json.RejectUnknownMembers(true)); err != nil {
		return nil, fmt.Errorf("read answer: %w: %w", ErrFormat, err)
	}
	if a.Format != answerFormat {
		return nil, fmt.Errorf("read answer: %w: format %q", ErrFormat, a.Format)
	}
	return a, nil
}

// Answer signs what a request asks of the keys of a holder. What Describe cannot read
// is not signed, and neither is what stands in no request of its keys.
func (h *Holder) Answer(r *Request) (*Answer, error) {
	out := &Answer{Format: answerFormat}
	for _, w := range r.Wanted {
		name, ok := h.named(w.Public)
		if !ok {
			continue
		}
		if _, err := Describe(w.Message); err != nil {
			return nil, fmt.Errorf("answer: %w", err)
		}
		sig, err := h.sign(name, w.Message)
		if err != nil {
			return nil, fmt.Errorf("answer: %w", err)
		}
		out.Signatures = append(out.Signatures, Signature{w.Key, manifest.Sum(w.Message), sig})
	}
	if len(out.Signatures) == 0 {
		return nil, fmt.Errorf("answer: none of the keys that are asked is here: %w", errors.Join(ErrParty, keeper.ErrElsewhere))
	}
	return out, nil
}
