package xfs4iot

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Limits bound what Decode accepts. Zero fields take the defaults.
type Limits struct {
	Bytes int // size of a message; default 2 MiB, what the reference accepts
	Depth int // nesting of objects and arrays; default 64
}

// Default limits.
const (
	DefaultBytes = 2 << 20
	DefaultDepth = 64
)

// ErrNotUTF8 is wrapped by a DecodeError for text that is not UTF-8; RFC 6455
// section 8.1 wants the connection closed with code 1007.
var ErrNotUTF8 = errors.New("message is not UTF-8")

// DecodeError says why a message was refused, with the status that the
// acknowledgement of a command refused so must carry.
type DecodeError struct {
	Status Status
	Err    error
}

// Error gives the reason.
func (e *DecodeError) Error() string { return string(e.Status) + ": " + e.Err.Error() }

// Unwrap gives the cause.
func (e *DecodeError) Unwrap() error { return e.Err }

func refuse(s Status, format string, args ...any) error {
	return &DecodeError{s, fmt.Errorf(format, args...)}
}

// Decode reads a message of either generation. Its errors are *DecodeError; the
// message returned beside one is never nil and holds what could be read, so that
// an acknowledgement can name the command and its requestId.
//
// Duplicate keys, invalid UTF-8, data after the message and anything beyond the
// limits are refused. Unknown keys are ignored. The payload of the message is a part
// of data, which must not change while it is used.
func Decode(data []byte, lim Limits) (*Message, error) {
	m := &Message{}
	if err := lim.check(data); err != nil {
		return m, err
	}
	s := scanners.Get().(*scanner)
	defer scanners.Put(s)
	s.reset(data)
	err := s.message()
	if s.headerKind != '{' && err == nil {
		err = errNoHeader
	}
	if faulty := m.read(s.header, s.payload); err == nil {
		return m, faulty
	}
	return m, refuse(StatusInvalidMessage, "not a message: %w", err)
}

var errNoHeader = errors.New("header is missing")

func (l Limits) check(data []byte) error {
	if l.Bytes == 0 {
		l.Bytes = DefaultBytes
	}
	if l.Depth == 0 {
		l.Depth = DefaultDepth
	}
	if len(data) > l.Bytes {
		return refuse(StatusInvalidMessage, "message of %d bytes is larger than %d", len(data), l.Bytes)
	}
	if !utf8.Valid(data) {
		return &DecodeError{StatusInvalidMessage, ErrNotUTF8}
	}
	if deeper(data, l.Depth) {
		return refuse(StatusInvalidMessage, "nested deeper than %d", l.Depth)
	}
	return nil
}

// deeper reports whether objects and arrays nest deeper than max, before any
// parser follows them down.
func deeper(data []byte, max int) bool {
	if bytes.Count(data, []byte("{"))+bytes.Count(data, []byte("[")) <= max {
		return false
	}
	depth, quoted := 0, false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			if depth++; depth > max {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}

// rawHeader keeps every value as it came, so that one bad value does not hide the
// others from the acknowledgement.
type rawHeader struct {
	Type, Name, RequestID, Version, Timeout, Status, CompletionCode, ErrorDescription jsontext.Value
}

// isMessageName tells whether a name is of the form Interface.Message, each of 1 to 64
// letters and digits.
func isMessageName(s string) bool {
	first, second, dotted := strings.Cut(s, ".")
	return dotted && isWord(first) && isWord(second)
}

func isWord(s string) bool {
	for i := range len(s) {
		if c := s[i]; !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9') {
			return false
		}
	}
	return s != "" && len(s) <= 64
}

// read fills the message, going on after a fault so that as much as possible is
// known; the first fault is returned.
func (m *Message) read(h rawHeader, payload jsontext.Value) error {
	var f faults
	m.Header.RequestID = f.requestID(h.RequestID)
	m.Header.Name = f.text("name", h.Name)
	if !isMessageName(m.Header.Name) {
		f.note(StatusInvalidMessage, "name %.80q is not of the form Interface.Message", m.Header.Name)
		m.Header.Name = ""
	}
	m.Header.Type = f.messageType(h.Type)
	m.Header.Version = f.version(h.Version)
	m.Payload = f.object(payload)
	m.liftPayload(&h, &f)
	m.Header.Timeout = f.timeout(h.Timeout)
	m.Header.Status = f.status(h.Status)
	m.Header.CompletionCode = CompletionCode(f.text("completionCode", h.CompletionCode)).canonical()
	m.Header.ErrorDescription = f.text("errorDescription", h.ErrorDescription)
	m.requireByType(&f)
	return f.first
}

func (m *Message) requireByType(f *faults) {
	h := m.Header
	if h.RequestID == 0 && (h.Type == TypeCommand || h.Type == TypeCompletion) {
		f.note(StatusInvalidRequestID, "requestId is missing or zero")
	}
	if h.Type == TypeCompletion && h.CompletionCode == "" {
		f.note(StatusInvalidMessage, "completionCode is missing")
	}
	if h.Type == TypeEvent && h.RequestID == 0 { // the reference's way to say unsolicited
		m.Header.Type = TypeUnsolicited
	}
}

// moved2021 names the payload members of 2021-1 that are header fields today; the
// first of each betrays the generation where the header has a version all the same.
var moved2021 = map[Type][]string{
	TypeCommand:     {"timeout"},
	TypeAcknowledge: {"status", "errorDescription"},
	TypeCompletion:  {"completionCode", "errorDescription"},
}

// liftPayload recognises a 2021-1 message and moves its fields into the header.
func (m *Message) liftPayload(h *rawHeader, f *faults) {
	names := moved2021[m.Header.Type]
	if m.Header.Version != "" && m.Header.Version != "1.0" {
		return
	}
	found, rest, err := takeMembers(m.Payload, names)
	if err != nil {
		f.note(StatusInvalidMessage, "payload: %w", err)
		return
	}
	if m.Header.Version == "1.0" && (len(names) == 0 || found[names[0]] == nil) {
		return
	}
	m.Generation, m.Payload = Gen2021, rest
	for name, value := range found {
		*h.field(name) = value
	}
}

// field is where a header member belongs, nil for an unknown one.
func (h *rawHeader) field(name string) *jsontext.Value {
	switch name {
	case "type":
		return &h.Type
	case "name":
		return &h.Name
	case "requestId":
		return &h.RequestID
	case "version":
		return &h.Version
	case "timeout":
		return &h.Timeout
	case "status":
		return &h.Status
	case "completionCode":
		return &h.CompletionCode
	case "errorDescription":
		return &h.ErrorDescription
	}
	return nil
}

// takeMembers splits the named members off an object; rest is nil when nothing
// remains.
func takeMembers(object jsontext.Value, names []string) (map[string]jsontext.Value, jsontext.Value, error) {
	found := map[string]jsontext.Value{}
	if object == nil {
		return found, nil, nil
	}
	dec := jsontext.NewDecoder(bytes.NewReader(object))
	if _, err := dec.ReadToken(); err != nil {
		return nil, nil, err
	}
	var rest []byte
	for dec.PeekKind() == '"' {
		key, err := dec.ReadValue()
		if err != nil {
			return nil, nil, err
		}
		key = key.Clone()
		value, err := dec.ReadValue()
		if err != nil {
			return nil, nil, err
		}
		if name := memberName(key); slices.Contains(names, name) {
			found[name] = value.Clone()
			continue
		}
		rest = append(append(append(append(rest, ','), key...), ':'), value...)
	}
	if rest == nil {
		return found, nil, nil
	}
	rest[0] = '{'
	return found, append(rest, '}'), nil
}

// faults remembers the first thing wrong with a header.
type faults struct{ first error }

func (f *faults) note(s Status, format string, args ...any) {
	if f.first == nil {
		f.first = refuse(s, format, args...)
	}
}

func absent(v jsontext.Value) bool { return v == nil || v.Kind() == 'n' }

func (f *faults) text(field string, v jsontext.Value) string {
	var s string
	if absent(v) {
		return ""
	}
	if plain, ok := unquoted(v); ok {
		return plain
	}
	if json.Unmarshal(v, &s) != nil {
		f.note(StatusInvalidMessage, "%s is not a string", field)
	}
	return s
}

func (f *faults) messageType(v jsontext.Value) Type {
	t := Type(f.text("type", v))
	switch t {
	case TypeCommand, TypeAcknowledge, TypeEvent, TypeCompletion, TypeUnsolicited:
		return t
	}
	f.note(StatusInvalidMessage, "type %.40q is unknown", string(t))
	return ""
}

func (f *faults) requestID(v jsontext.Value) int64 {
	if absent(v) {
		return 0
	}
	n, err := strconv.ParseInt(string(v), 10, 64)
	if err != nil || n < 0 {
		f.note(StatusInvalidRequestID, "requestId %.40s is not an integer above zero", v)
		return 0
	}
	return n
}

func (f *faults) version(v jsontext.Value) string {
	s := f.text("version", v)
	if s == "" {
		return ""
	}
	if _, err := ParseVersion(s); err != nil {
		f.note(StatusInvalidMessage, "%w", err)
	}
	return s
}

func (f *faults) object(v jsontext.Value) jsontext.Value {
	if absent(v) {
		return nil
	}
	if v.Kind() != '{' {
		f.note(StatusInvalidMessage, "payload is not an object")
		return nil
	}
	return v
}

// longestTimeout caps a timeout at about 34 years, far from overflow.
const longestTimeout = 1 << 40

func (f *faults) timeout(v jsontext.Value) time.Duration {
	if absent(v) {
		return 0
	}
	n, err := strconv.ParseInt(string(v), 10, 64)
	if errors.Is(err, strconv.ErrRange) && v[0] != '-' {
		n, err = longestTimeout, nil
	}
	if err != nil || n < 0 {
		f.note(StatusInvalidMessage, "timeout %.40s is not a number of milliseconds", v)
		return 0
	}
	return time.Duration(min(n, longestTimeout)) * time.Millisecond
}

func (f *faults) status(v jsontext.Value) Status {
	if s := Status(f.text("status", v)); s != statusOK {
		return s
	}
	return StatusAccepted
}
