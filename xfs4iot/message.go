package xfs4iot

import (
	"fmt"
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

// wireHeader is the header as it is written, in the order of the specification.
type wireHeader struct {
	Type             Type           `json:"type"`
	Name             string         `json:"name"`
	RequestID        *int64         `json:"requestId,omitzero"`
	Version          string         `json:"version,omitzero"`
	Timeout          int64          `json:"timeout,omitzero"`
	Status           Status         `json:"status,omitzero"`
	CompletionCode   CompletionCode `json:"completionCode,omitzero"`
	ErrorDescription string         `json:"errorDescription,omitzero"`
}

// Encode writes the message in the shape of its generation.
func (m *Message) Encode() ([]byte, error) {
	h, payload := m.wire2023(), m.Payload
	if m.Generation == Gen2021 {
		var err error
		if h, payload, err = m.wire2021(); err != nil {
			return nil, err
		}
	}
	data, err := json.Marshal(struct {
		Header  wireHeader     `json:"header"`
		Payload jsontext.Value `json:"payload,omitzero"`
	}{h, payload})
	if err != nil {
		return nil, fmt.Errorf("encode %.80s: %w", m.Header.Name, err)
	}
	return data, nil
}

func (m *Message) wire2023() wireHeader {
	h := m.Header
	w := wireHeader{Type: h.Type, Name: h.Name, Version: h.Version, Timeout: h.Timeout.Milliseconds(),
		Status: h.Status, CompletionCode: h.CompletionCode, ErrorDescription: h.ErrorDescription}
	if h.RequestID != 0 {
		w.RequestID = &h.RequestID
	}
	return w
}

// wire2021 moves what 2021-1 keeps in the payload there. Its header always has a
// requestId, 0 for unsolicited events, and its payload is always an object.
func (m *Message) wire2021() (wireHeader, jsontext.Value, error) {
	h := m.Header
	w := wireHeader{Type: h.Type, Name: h.Name, RequestID: &h.RequestID}
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
	payload, err := joinObjects(front, m.Payload)
	return w, payload, err
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
