package xfs4iot

import (
	"fmt"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Header is the envelope's header, the same for both generations: what 2021-1
// keeps in the payload stands here too.
type Header struct {
	Type             Type
	Name             string         // "Printer.PrintRaw"; an acknowledgement and a completion repeat the command's
	RequestID        int64          // from 1 up, the client's choice; 0 = absent (unsolicited)
	Version          string         // of this message's payload; "" from a 2021-1 peer
	Timeout          time.Duration  // of a command, whole milliseconds; 0 = none
	Status           Status         // of an acknowledgement; empty = accepted
	CompletionCode   CompletionCode // of a completion
	ErrorDescription string         // of a completion, and of a 2021-1 acknowledgement
}

// Message is one message of either direction.
type Message struct {
	Header     Header
	Payload    jsontext.Value // a JSON object, or nil for none
	Generation Generation     // the shape it was read in, or is to be written in
}

// New makes a message with a payload of any type that encodes as a JSON object;
// a nil payload is left out.
func New(h Header, payload any) (*Message, error) {
	m := &Message{Header: h}
	if payload == nil {
		return m, nil
	}
	data, err := json.Marshal(payload)
	if err != nil {
		return nil, fmt.Errorf("encode payload of %s: %w", h.Name, err)
	}
	if string(data) != "{}" && string(data) != "null" {
		m.Payload = data
	}
	return m, nil
}

// Into decodes the payload. Without one, v is left as it is.
func (m *Message) Into(v any) error {
	if m.Payload == nil {
		return nil
	}
	if err := json.Unmarshal(m.Payload, v); err != nil {
		return fmt.Errorf("decode payload of %.80s: %w", m.Header.Name, err)
	}
	return nil
}

// ErrorCode is the payload's errorCode, empty when there is none.
func (m *Message) ErrorCode() string {
	var p struct {
		ErrorCode string `json:"errorCode"`
	}
	if m.Into(&p) != nil {
		return ""
	}
	return p.ErrorCode
}

// Encode writes the message in the shape of its generation.
func (m *Message) Encode() ([]byte, error) {
	w := wire{Message: m, payload: m.Payload, request: m.Header.RequestID != 0}
	if m.Generation == Gen2021 {
		if err := w.to2021(); err != nil {
			return nil, err
		}
	} else if m.Payload != nil && !m.Payload.IsValid() {
		return nil, fmt.Errorf("encode %.80s: payload is not JSON", m.Header.Name)
	}
	return w.append(make([]byte, 0, 256+len(w.payload)))
}

// wire is a message as it is written, in the order of the specification.
type wire struct {
	*Message
	payload jsontext.Value
	request bool // write requestId
	old     bool // the rest of the header stands in the payload
}

func (w *wire) append(b []byte) ([]byte, error) {
	h := &w.Header
	b = append(b, `{"header":{"type":"`...)
	b = append(b, h.Type...) // a constant
	b = append(b, `","name":`...)
	b, err := jsontext.AppendQuote(b, h.Name)
	if w.request {
		b = strconv.AppendInt(append(b, `,"requestId":`...), h.RequestID, 10)
	}
	if !w.old && err == nil {
		b, err = w.appendRest(b)
	}
	if err != nil {
		return nil, fmt.Errorf("encode %.80s: %w", h.Name, err)
	}
	b = append(b, '}')
	if w.payload != nil {
		b = append(append(b, `,"payload":`...), w.payload...)
	}
	return append(b, '}'), nil
}

func (w *wire) appendRest(b []byte) ([]byte, error) {
	h, err := &w.Header, error(nil)
	text := func(name, value string) {
		if value != "" && err == nil {
			b, err = jsontext.AppendQuote(append(b, name...), value)
		}
	}
	text(`,"version":`, h.Version)
	if ms := h.Timeout.Milliseconds(); ms != 0 {
		b = strconv.AppendInt(append(b, `,"timeout":`...), ms, 10)
	}
	text(`,"status":`, string(h.Status))
	text(`,"completionCode":`, string(h.CompletionCode))
	text(`,"errorDescription":`, h.ErrorDescription)
	return b, err
}

// to2021 moves what 2021-1 keeps in the payload there. Its header always has a
// requestId, 0 for unsolicited events, and its payload is always an object.
func (w *wire) to2021() error {
	h := w.Header
	var front any = struct{}{}
	switch h.Type {
	case TypeCommand:
		front = struct {
			Timeout int64 `json:"timeout"`
		}{h.Timeout.Milliseconds()}
	case TypeAcknowledge:
		front = struct {
			Status           Status `json:"status"`
			ErrorDescription string `json:"errorDescription,omitzero"`
		}{orOK(h.Status), h.ErrorDescription}
	case TypeCompletion:
		front = struct {
			CompletionCode   CompletionCode `json:"completionCode"`
			ErrorDescription string         `json:"errorDescription,omitzero"`
		}{h.CompletionCode.spelling(Gen2021), h.ErrorDescription}
	}
	var err error
	w.payload, err = joinObjects(front, w.Payload)
	w.request, w.old = true, true
	if err != nil {
		return fmt.Errorf("encode %.80s: %w", h.Name, err)
	}
	return nil
}

// statusOK is how a 2021-1 acknowledgement says accepted.
const statusOK Status = "ok"

func orOK(s Status) Status {
	if s == StatusAccepted {
		return statusOK
	}
	return s
}

// joinObjects puts the members of front before those of rest.
func joinObjects(front any, rest jsontext.Value) (jsontext.Value, error) {
	head, err := json.Marshal(front)
	if err != nil {
		return nil, err
	}
	if len(rest) == 0 {
		return head, nil
	}
	tail := rest.Clone()
	if err := tail.Compact(); err != nil {
		return nil, fmt.Errorf("payload: %w", err)
	}
	if len(tail) <= len("{}") {
		return head, nil
	}
	if len(head) <= len("{}") {
		return tail, nil
	}
	head[len(head)-1] = ','
	return append(head, tail[1:]...), nil
}
