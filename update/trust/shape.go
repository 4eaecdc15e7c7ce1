package trust

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// maxDepth is more than any metadata of TUF needs.
const maxDepth = 16

// checkShape looks at metadata before go-tuf does: JSON as it must be, not deeper
// than needed, without null, without a member twice. Members that differ in case
// alone count as one, since encoding/json, with which go-tuf reads, takes them for
// one.
func checkShape(data []byte) error {
	d := jsontext.NewDecoder(bytes.NewReader(data)) // refuses duplicates and bad UTF-8
	s := shape{}
	for {
		token, err := d.ReadToken()
		if errors.Is(err, io.EOF) {
			return s.end()
		}
		if err != nil {
			return fmt.Errorf("%w: %w", ErrMalformed, err)
		}
		if err := s.take(token); err != nil {
			return err
		}
	}
}

// shape is where in a document the check is.
type shape struct {
	open []level // one for each object or array around
	done int     // values at the top
	top  []string
}

type level struct {
	names map[string]bool // folded; nil for an array
	value bool            // of an object: the next token is a value
}

func (s *shape) take(t jsontext.Token) error {
	kind := t.Kind()
	if kind == jsontext.KindNull {
		return fmt.Errorf("%w: null", ErrMalformed)
	}
	if kind == jsontext.KindEndObject || kind == jsontext.KindEndArray {
		s.open = s.open[:len(s.open)-1]
		return nil
	}
	if isName, err := s.name(t); isName || err != nil {
		return err
	}
	switch {
	case len(s.open) == 0 && (s.done > 0 || kind != jsontext.KindBeginObject):
		return fmt.Errorf("%w: not one object", ErrMalformed)
	case len(s.open) == 0:
		s.done++
	}
	return s.begin(kind)
}

// name takes the token when it is a member's name.
func (s *shape) name(t jsontext.Token) (bool, error) {
	if len(s.open) == 0 {
		return false, nil
	}
	in := &s.open[len(s.open)-1]
	if in.names == nil {
		return false, nil
	}
	if in.value {
		in.value = false
		return false, nil
	}
	folded := strings.ToLower(strings.ToUpper(t.String()))
	if in.names[folded] {
		return true, fmt.Errorf("%w: member %q twice", ErrMalformed, t.String())
	}
	in.names[folded], in.value = true, true
	if len(s.open) == 1 {
		s.top = append(s.top, t.String())
	}
	return true, nil
}

func (s *shape) begin(k jsontext.Kind) error {
	if len(s.open) >= maxDepth {
		return fmt.Errorf("%w: deeper than %d", ErrMalformed, maxDepth)
	}
	switch k {
	case jsontext.KindBeginObject:
		s.open = append(s.open, level{names: map[string]bool{}})
	case jsontext.KindBeginArray:
		s.open = append(s.open, level{})
	}
	return nil
}

func (s *shape) end() error {
	if s.done != 1 || len(s.top) != 2 {
		return fmt.Errorf("%w: not one object of signed and signatures", ErrMalformed)
	}
	for _, name := range s.top {
		if name != "signed" && name != "signatures" {
			return fmt.Errorf("%w: member %q", ErrMalformed, name)
		}
	}
	return nil
}
