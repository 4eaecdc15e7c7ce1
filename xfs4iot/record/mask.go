package record

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/plomb-pos/plomb/xfs4iot"
)

// mark stands in place of a value.
const mark = `"***"`

// also are member names whose values are masked wherever they stand in a message of an
// interface, beyond what the description marks; "" is any interface.
var also = map[string][]string{
	"":              {"token", "commandToken", "responseToken"},
	"CardReader":    {"data", "chipData", "track1", "track2", "track3"},
	"PinPad":        {"data", "pin", "customerData", "pan"},
	"Keyboard":      {"digit", "pin", "pins"},
	"KeyManagement": {"value", "data", "keyValue", "certificateData"},
	"Crypto":        {"data"},
	"Biometric":     {"data"},
	"Check":         {"codelineData", "image"},
	"TextTerminal":  {"input"},
}

// Mask replaces the sensitive values of one message by "***" and tells whether there
// were any. Everything else stays as it came. Its error says that data is not a
// message.
func Mask(data []byte) (masked jsontext.Value, changed bool, err error) {
	m, err := xfs4iot.Decode(data, xfs4iot.Limits{})
	if err != nil && m.Header.Name == "" {
		return nil, false, fmt.Errorf("mask: %w", err)
	}
	k := &masker{dec: jsontext.NewDecoder(bytes.NewReader(data))}
	k.enc = jsontext.NewEncoder(&k.out)
	k.rules(m.Header)
	if err := k.value(nil); err != nil {
		return nil, false, fmt.Errorf("mask: %w", err)
	}
	return jsontext.Value(bytes.TrimSpace(k.out.Bytes())), k.changed, nil
}

// masker copies a message value by value.
type masker struct {
	dec     *jsontext.Decoder
	enc     *jsontext.Encoder
	out     bytes.Buffer
	paths   []string // below the payload, names separated by spaces
	names   []string // at any place below the payload
	changed bool
}

// rules picks what concerns a message.
func (k *masker) rules(h xfs4iot.Header) {
	part := map[xfs4iot.Type]string{xfs4iot.TypeCommand: "command", xfs4iot.TypeCompletion: "completion"}[h.Type]
	if part == "" {
		part = "event"
	}
	prefix := h.Name + " " + part + " "
	for _, d := range described {
		if path, ok := strings.CutPrefix(d, prefix); ok {
			k.paths = append(k.paths, path)
		}
	}
	name, _, _ := strings.Cut(h.Name, ".")
	k.names = slices.Concat(also[""], also[name])
}

func (k *masker) value(path []string) error {
	if k.sensitive(path) && k.dec.PeekKind() != 'n' {
		k.changed = true
		if err := k.dec.SkipValue(); err != nil {
			return err
		}
		return k.enc.WriteValue(jsontext.Value(mark))
	}
	switch k.dec.PeekKind() {
	case '{':
		return k.object(path)
	case '[':
		return k.array(path)
	}
	v, err := k.dec.ReadValue()
	if err != nil {
		return err
	}
	return k.enc.WriteValue(v)
}

// copyToken passes on one bracket.
func (k *masker) copyToken() error {
	t, err := k.dec.ReadToken()
	if err != nil {
		return err
	}
	return k.enc.WriteToken(t)
}

func (k *masker) object(path []string) error {
	if err := k.copyToken(); err != nil {
		return err
	}
	for k.dec.PeekKind() == '"' {
		t, err := k.dec.ReadToken()
		if err != nil {
			return err
		}
		name := t.String()
		if err := k.enc.WriteToken(jsontext.String(name)); err != nil {
			return err
		}
		if err := k.value(append(slices.Clip(path), name)); err != nil {
			return err
		}
	}
	return k.copyToken()
}

func (k *masker) array(path []string) error {
	if err := k.copyToken(); err != nil {
		return err
	}
	for kind := k.dec.PeekKind(); kind != ']' && kind != 0; kind = k.dec.PeekKind() {
		if err := k.value(append(slices.Clip(path), "[]")); err != nil {
			return err
		}
	}
	return k.copyToken()
}

func (k *masker) sensitive(path []string) bool {
	if len(path) < 2 || path[0] != "payload" {
		return false
	}
	last := path[len(path)-1]
	return slices.Contains(k.names, last) || slices.ContainsFunc(k.paths, func(p string) bool { return fits(strings.Fields(p), path[1:]) })
}

// fits compares a path with one of the description, in which * is any name.
func fits(pattern, path []string) bool {
	if len(pattern) != len(path) {
		return false
	}
	for i := range pattern {
		if pattern[i] != "*" && pattern[i] != path[i] {
			return false
		}
	}
	return true
}
