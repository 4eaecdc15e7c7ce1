package xfs4iot

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/go-json-experiment/json/jsontext"
)

// scanner takes a message apart in one pass. The values that it finds are parts of
// the data.
type scanner struct {
	data []byte
	in   bytes.Buffer
	dec  jsontext.Decoder

	headerKind jsontext.Kind // 0: there is none
	header     rawHeader
	payload    jsontext.Value
}

var scanners = sync.Pool{New: func() any { return new(scanner) }}

func (s *scanner) reset(data []byte) {
	s.data, s.in = data, *bytes.NewBuffer(data)
	s.dec.Reset(&s.in) // refuses duplicate keys and invalid UTF-8
	s.headerKind, s.header, s.payload = 0, rawHeader{}, nil
}

var errAfter = errors.New("data after the message")

// message reads the whole text: one object and nothing after it.
func (s *scanner) message() error {
	err := s.members(func(name string) error {
		switch name {
		case "header":
			return s.readHeader()
		case "payload":
			v, err := s.value()
			s.payload = v
			return err
		}
		return s.dec.SkipValue()
	})
	if err != nil {
		return err
	}
	if _, err := s.dec.ReadToken(); !errors.Is(err, io.EOF) {
		return errAfter
	}
	return nil
}

func (s *scanner) readHeader() error {
	if s.headerKind = s.dec.PeekKind(); s.headerKind != '{' {
		return s.dec.SkipValue()
	}
	return s.members(func(name string) error {
		into := s.header.field(name)
		if into == nil {
			return s.dec.SkipValue()
		}
		v, err := s.value()
		*into = v
		return err
	})
}

// members reads an object and calls each with the name of each member, whose value
// it must read.
func (s *scanner) members(each func(name string) error) error {
	tok, err := s.dec.ReadToken()
	if err != nil {
		return err
	}
	if tok.Kind() != '{' {
		return fmt.Errorf("%s in place of an object", tok.Kind())
	}
	for s.dec.PeekKind() == '"' {
		key, err := s.dec.ReadValue()
		if err != nil {
			return err
		}
		if err := each(memberName(key)); err != nil {
			return err
		}
	}
	_, err = s.dec.ReadToken() // the end of the object, or what is wrong in its place
	return err
}

// value reads a value as a part of the data.
func (s *scanner) value() (jsontext.Value, error) {
	v, err := s.dec.ReadValue()
	if err != nil {
		return nil, err
	}
	end := s.dec.InputOffset()
	return jsontext.Value(s.data[end-int64(len(v)) : end : end]), nil
}

// memberName gives a key without its quotes. The names that matter are shared, so
// that they cost nothing.
func memberName(key jsontext.Value) string {
	switch string(key) {
	case `"header"`:
		return "header"
	case `"payload"`:
		return "payload"
	}
	name, ok := unquoted(key)
	if !ok {
		raw, err := jsontext.AppendUnquote(nil, key)
		if err != nil {
			return ""
		}
		return string(raw)
	}
	return name
}

// unquoted gives the text of a JSON string that has no escapes.
func unquoted(v jsontext.Value) (string, bool) {
	if len(v) < len(`""`) || v[0] != '"' || bytes.IndexByte(v, '\\') >= 0 {
		return "", false
	}
	return shared(v[1 : len(v)-1]), true
}

// shared gives the words that nearly every message has without making them anew.
func shared(text []byte) string {
	switch string(text) {
	case "type":
		return "type"
	case "name":
		return "name"
	case "requestId":
		return "requestId"
	case "version":
		return "version"
	case "timeout":
		return "timeout"
	case "completionCode":
		return "completionCode"
	case "command":
		return "command"
	case "acknowledge":
		return "acknowledge"
	case "completion":
		return "completion"
	case "success":
		return "success"
	case "1.0":
		return "1.0"
	case "2.0":
		return "2.0"
	case "3.0":
		return "3.0"
	}
	return string(text)
}
