package till

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"unicode"

	"github.com/go-json-experiment/json/jsontext"
)

// honest reports whether a text from outside looks like what it says. It must not
// turn the direction of what stands around it (Unicode Standard Annex 9, explicit
// formatting), and unless it is empty there has to be something to see.
func honest(s string) bool {
	return !strings.ContainsFunc(s, turns) && (s == "" || strings.ContainsFunc(s, visible))
}

// turns: embeddings, overrides and isolates, and what ends them.
func turns(r rune) bool { return r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 }

func visible(r rune) bool {
	switch r {
	case 0x115f, 0x1160, 0x2800, 0x3164, 0xffa0: // fillers: letters and a symbol without ink
		return false
	}
	return unicode.In(r, unicode.L, unicode.N, unicode.P, unicode.S)
}

// honestArgs refuses arguments with a text in them that is not honest, wherever
// it stands.
func honestArgs(args jsontext.Value) error {
	d := jsontext.NewDecoder(bytes.NewReader(args))
	for {
		t, err := d.ReadToken()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return because(Invalid, "malformed", err)
		case t.Kind() == '"' && !honest(t.String()):
			return refuse(Invalid, "bad-text")
		}
	}
}

// checkName refuses a name that nobody can read.
func checkName(s string) error {
	if s == "" || !honest(s) {
		return refuse(Invalid, "bad-person-name")
	}
	return nil
}
