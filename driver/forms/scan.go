package forms

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// SyntaxError is a definition that cannot be understood, with its place. Lines and
// columns count from 1, columns in characters.
type SyntaxError struct {
	Line, Column int
	Text         string
}

// Error gives "line 3, column 7: ...".
func (e *SyntaxError) Error() string {
	return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Text)
}

type tokenKind int

const (
	endToken    tokenKind = iota
	wordToken             // keyword or identifier
	stringToken           // in quotes
	numberToken
	markToken // "," "|" or "-"
)

type token struct {
	kind         tokenKind
	text         string // a string without its quotes and escapes
	line, column int
}

func (t token) String() string {
	switch t.kind {
	case endToken:
		return "the end"
	case stringToken:
		return strconv.Quote(t.text)
	}
	return fmt.Sprintf("%.40q", t.text)
}

// scanner cuts a text into tokens. Comments run from // to the end of the line.
type scanner struct {
	text         string
	at           int
	line, column int
}

func (s *scanner) fail(format string, a ...any) error {
	return &SyntaxError{s.line, s.column, fmt.Sprintf(format, a...)}
}

// step goes on by one character.
func (s *scanner) step() rune {
	r, n := utf8.DecodeRuneInString(s.text[s.at:])
	s.at += n
	s.column++
	if r == '\n' {
		s.line, s.column = s.line+1, 1
	}
	return r
}

func (s *scanner) peek() rune {
	r, _ := utf8.DecodeRuneInString(s.text[s.at:])
	return r
}

func (s *scanner) end() bool { return s.at >= len(s.text) }

func (s *scanner) skip() {
	for !s.end() {
		switch {
		case unicode.IsSpace(s.peek()):
			s.step()
		case strings.HasPrefix(s.text[s.at:], "//"):
			for !s.end() && s.peek() != '\n' {
				s.step()
			}
		default:
			return
		}
	}
}

func (s *scanner) next() (token, error) {
	s.skip()
	t := token{line: s.line, column: s.column}
	if s.end() {
		return t, nil
	}
	switch r := s.peek(); {
	case r == ',' || r == '|' || r == '-':
		t.kind, t.text = markToken, string(s.step())
	case r == '"':
		return s.quoted(t)
	case r >= '0' && r <= '9':
		t.kind, t.text = numberToken, s.while(func(r rune) bool { return r >= '0' && r <= '9' })
	case letter(r):
		t.kind, t.text = wordToken, s.while(func(r rune) bool { return letter(r) || r >= '0' && r <= '9' })
	default:
		return t, s.fail("%q cannot stand here", r)
	}
	return t, nil
}

func letter(r rune) bool { return r == '_' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' }

func (s *scanner) while(fits func(rune) bool) string {
	from := s.at
	for !s.end() && fits(s.peek()) {
		s.step()
	}
	return s.text[from:s.at]
}

// escapes are what may follow a backslash in a string.
var escapes = map[rune]rune{'"': '"', '\\': '\\', 'n': '\n', 't': '\t'}

func (s *scanner) quoted(t token) (token, error) {
	t.kind = stringToken
	s.step()
	var out strings.Builder
	for !s.end() {
		switch r := s.peek(); {
		case r == '"':
			s.step()
			t.text = out.String()
			return t, nil
		case r == '\n':
			return t, s.fail("a string ends on its line")
		case r == '\\':
			s.step()
			e, ok := escapes[s.peek()]
			if !ok {
				return t, s.fail(`after \ come ", \, n or t`)
			}
			s.step()
			out.WriteRune(e)
		case unicode.IsControl(r) && r != '\t' || r == utf8.RuneError:
			return t, s.fail("%q cannot stand in a string", r)
		default:
			out.WriteRune(s.step())
		}
	}
	return t, s.fail("the string has no end")
}

// quote is the reverse of quoted.
func quote(s string) string {
	return `"` + strings.NewReplacer(`"`, `\"`, `\`, `\\`, "\n", `\n`, "\t", `\t`).Replace(s) + `"`
}
