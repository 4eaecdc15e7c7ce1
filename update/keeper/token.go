package keeper

import (
	"bytes"
	"crypto/sha256"
	"encoding/asn1"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/go-json-experiment/json"
)

// Token is a PKCS#11 URI (RFC 7512): pkcs11:token=LABEL;object=LABEL?module-path=FILE,
// with serial for one of several tokens of a label. Other attributes are refused, and
// so is a PIN in it.
type Token struct {
	Module string `json:"module"`
	Token  string `json:"token"`
	Serial string `json:"serial,omitempty"`
	Object string `json:"object"` // label of both halves of the key
}

// ParseToken reads a URI strictly.
func ParseToken(p Place) (t Token, err error) {
	rest, ok := strings.CutPrefix(string(p), "pkcs11:")
	if !ok {
		return t, fmt.Errorf("%w: %q is no pkcs11 URI", ErrFormat, p)
	}
	path, query, _ := strings.Cut(rest, "?")
	into := map[string]*string{"token": &t.Token, "serial": &t.Serial, "object": &t.Object}
	for part := range strings.SplitSeq(path, ";") {
		if err := attribute(part, into); err != nil {
			return t, fmt.Errorf("%q: %w", p, err)
		}
	}
	for part := range strings.SplitSeq(query, "&") {
		if err := attribute(part, map[string]*string{"module-path": &t.Module}); err != nil {
			return t, fmt.Errorf("%q: %w", p, err)
		}
	}
	if t.Token == "" || t.Module == "" {
		return t, fmt.Errorf("%w: %q names no token or no module-path", ErrFormat, p)
	}
	return t, nil
}

func attribute(part string, into map[string]*string) error {
	name, value, _ := strings.Cut(part, "=")
	field := into[name]
	if field == nil || *field != "" {
		return fmt.Errorf("%w: attribute %q", ErrFormat, name)
	}
	text, err := url.PathUnescape(value)
	if err != nil || text == "" {
		return fmt.Errorf("%w: attribute %q", ErrFormat, name)
	}
	*field = text
	return nil
}

// Place is the token as a URI.
func (t Token) Place() Place {
	escape := func(s string) string { return strings.NewReplacer(";", "%3B", "&", "%26").Replace(url.PathEscape(s)) }
	out := "pkcs11:token=" + escape(t.Token)
	if t.Serial != "" {
		out += ";serial=" + escape(t.Serial)
	}
	if t.Object != "" {
		out += ";object=" + escape(t.Object)
	}
	return Place(out + "?module-path=" + strings.ReplaceAll(escape(t.Module), "%2F", "/"))
}

// Order is what plomb-token is asked for, one line of JSON on its standard input.
type Order struct {
	Do      string `json:"do"` // draw, public or sign
	Token   Token  `json:"token"`
	Kind    Kind   `json:"kind"`
	PIN     string `json:"pin,omitempty"`
	Message []byte `json:"message,omitempty"` // what to sign; of an ECDSA key the SHA-256
}

// Answer is what plomb-token says, one line of JSON on its standard output.
type Answer struct {
	Public    []byte `json:"public,omitempty"`
	Signature []byte `json:"signature,omitempty"` // as PKCS#11 gives it: of an ECDSA key R and S, 32 bytes each
}

// Program is the program that speaks to tokens; it lies beside this one, or on PATH.
const Program = "plomb-token"

func find() (string, error) {
	if self, err := os.Executable(); err == nil {
		if beside := filepath.Join(filepath.Dir(self), Program); isFile(beside) {
			return beside, nil
		}
	}
	name, err := exec.LookPath(Program)
	if err != nil {
		return "", fmt.Errorf("%s speaks to tokens, and is neither beside this program nor on PATH (build it with CGO_ENABLED=1 go build ./cmd/%s): %w", Program, Program, err)
	}
	return name, nil
}

func isFile(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.Mode().IsRegular()
}

// run lets plomb-token carry out an order. The PIN goes through a pipe: arguments and
// environment of a process can be read by others.
func (o Order) run() (a Answer, err error) {
	program, err := find()
	if err != nil {
		return a, err
	}
	order, err := json.Marshal(o)
	if err != nil {
		return a, err
	}
	var out, words bytes.Buffer
	cmd := exec.Command(program)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(append(order, '\n')), &out, &words
	if err := cmd.Run(); err != nil {
		if text := strings.TrimSpace(words.String()); text != "" {
			err = errors.New(text)
		}
		return a, fmt.Errorf("token %s: %w", o.Token.Token, err)
	}
	if err := json.Unmarshal(out.Bytes(), &a, json.RejectUnknownMembers(true)); err != nil {
		return a, fmt.Errorf("answer of %s: %w: %w", program, ErrFormat, err)
	}
	return a, nil
}

// drawToken makes a key on a token; without an object in its place it is called by
// its name.
func drawToken(name string, kind Kind, at Place, pin string) (*Key, error) {
	t, err := ParseToken(at)
	if err != nil {
		return nil, err
	}
	if t.Object == "" {
		t.Object = name
	}
	a, err := Order{Do: "draw", Token: t, Kind: kind, PIN: pin}.run()
	if err != nil {
		return nil, err
	}
	return onToken(t, kind, a.Public, pin), nil
}

// openToken opens a key by its public half alone: the token asks for the PIN when it
// signs.
func openToken(kind Kind, at Place, public []byte, pin string) (*Key, error) {
	t, err := ParseToken(at)
	if err != nil {
		return nil, err
	}
	return onToken(t, kind, public, pin), nil
}

func onToken(t Token, kind Kind, public []byte, pin string) *Key {
	return &Key{Kind: kind, Place: t.Place(), Public: public, sign: func(message []byte) ([]byte, error) {
		order := Order{Do: "sign", Token: t, Kind: kind, PIN: pin, Message: message}
		if kind == P256 {
			order.Message = digest(message)
		}
		a, err := order.run()
		if err != nil || kind == Ed25519 {
			return a.Signature, err
		}
		return toASN1(a.Signature)
	}}
}

func digest(message []byte) []byte {
	sum := sha256.Sum256(message)
	return sum[:]
}

// toASN1 writes R and S as others expect them.
func toASN1(sig []byte) ([]byte, error) {
	if len(sig) != 64 {
		return nil, fmt.Errorf("%w: a signature of %d bytes", ErrFormat, len(sig))
	}
	return asn1.Marshal(struct{ R, S asn1.RawValue }{integer(sig[:32]), integer(sig[32:])})
}
