// Package token is the end-to-end security of XFS4IoT: a device that moves cash
// checks by itself that its host ordered it, whatever sits between them.
//
// # Parties and keys
//
// The host makes command tokens under one key (the device calls it
// XFSAuthenticateHost), the device makes response tokens under another
// (XFSAuthenticateDevice). Both are HMAC-SHA256 keys of at least 16 bytes that were
// agreed on beforehand. A key does one of the two and nothing else.
//
// # A token
//
// At most 1024 printable ASCII characters, KEY=value joined by commas:
//
//	NONCE=<digits>,TOKENFORMAT=1,TOKENLENGTH=<4 digits>,...,HMACSHA256=<64 upper-case hex digits>
//
// The keys are of A-Z and 0-9, none comes twice, at least one stands between
// TOKENLENGTH and HMACSHA256. TOKENLENGTH is the length of the whole token. The
// HMAC covers the text up to and including "HMACSHA256=". [Parse] accepts exactly
// that, so what it accepts, [Build] writes again byte for byte.
//
// # A command
//
// The device gives out a nonce ([Guard.Nonce]), the host puts it into a token
// ([ForDispense]) and sends that with the command, the device checks it
// ([Guard.Authorise]): format, length, nonce and HMAC in constant time, amount. One
// token serves several commands until its amount is used up; a second token under
// the same nonce is refused. No nonce ever comes twice, for its first half is a
// counter that the device keeps ([Counter]); a device that starts again knows no
// nonce, so every older token is void.
//
// Amounts are integers in minor units; a token that names more decimals than the
// currency has is refused.
//
//	nonce, err := guard.Nonce()                                                  // device
//	text, err := token.ForDispense(hostKey, nonce, token.Amount{Minor: 5000, Currency: "EUR"}) // host
//	grant, err := guard.Authorise(text, map[string]int64{"EUR": 5000})           // device
//	grant.Settle(map[string]int64{"EUR": 5000})                                  // when stacked
//
// It does not keep keys, and knows nothing of messages but the completion code for
// each refusal ([Code]).
package token

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/plomb-pos/plomb/xfs4iot"
)

// MaxLength bounds a token in characters.
const MaxLength = 1024

// MinKey is the length of the shortest key in bytes.
const MinKey = 16

// Field is one KEY=value of a token.
type Field struct{ Key, Value string }

// Token is a well-formed one. Nothing is proven by that: see Verify.
type Token struct {
	Nonce  string
	Fields []Field // those between TOKENLENGTH and HMACSHA256
	MAC    string  // 64 upper-case hex digits
	signed string
}

// Why a token was refused.
var (
	ErrFormat  = errors.New("token is not well-formed")
	ErrNoValue = errors.New("token has a key without a value")
	ErrNoNonce = errors.New("there is no command nonce now")
	ErrNonce   = errors.New("token has another nonce")
	ErrMAC     = errors.New("token is not authentic")
	ErrToken   = errors.New("token does not authorise this")
	ErrKey     = errors.New("key is too short")
)

// Code is the completion code for an error of this package.
func Code(err error) xfs4iot.CompletionCode {
	for _, c := range []struct {
		is   error
		code xfs4iot.CompletionCode
	}{
		{ErrNoValue, xfs4iot.InvalidTokenKeyNoValue}, {ErrFormat, xfs4iot.InvalidTokenFormat}, {ErrNoNonce, xfs4iot.NoCommandNonce},
		{ErrNonce, xfs4iot.InvalidTokenNonce}, {ErrMAC, xfs4iot.InvalidTokenHMAC},
	} {
		if errors.Is(err, c.is) {
			return c.code
		}
	}
	return xfs4iot.InvalidToken
}

const (
	keyNonce, keyFormat, keyLength, keyMAC = "NONCE", "TOKENFORMAT", "TOKENLENGTH", "HMACSHA256"

	macDigits = 2 * sha256.Size
)

// Parse reads a token; its errors are ErrFormat and ErrNoValue.
func Parse(text string) (*Token, error) {
	if len(text) > MaxLength || !printable(text) {
		return nil, fmt.Errorf("length or characters: %w", ErrFormat)
	}
	fields, err := split(text)
	if err != nil {
		return nil, err
	}
	last := len(fields) - 1
	if last < 4 || fields[0].Key != keyNonce || fields[1] != (Field{keyFormat, "1"}) || fields[2].Key != keyLength || fields[last].Key != keyMAC {
		return nil, fmt.Errorf("keys or their order: %w", ErrFormat)
	}
	if !hexDigits(fields[0].Value) || len(fields[last].Value) != macDigits || !hexDigits(fields[last].Value) {
		return nil, fmt.Errorf("hexadecimal digits: %w", ErrFormat)
	}
	if fields[2].Value != fmt.Sprintf("%04d", len(text)) {
		return nil, fmt.Errorf("it says to be %s long and is %d: %w", fields[2].Value, len(text), ErrFormat)
	}
	return &Token{Nonce: fields[0].Value, Fields: fields[3:last], MAC: fields[last].Value, signed: text[:len(text)-macDigits]}, nil
}

func split(text string) ([]Field, error) {
	var fields []Field
	seen := map[string]bool{}
	for part := range strings.SplitSeq(text, ",") {
		key, value, ok := strings.Cut(part, "=")
		switch {
		case !ok || !keyName(key) || seen[key] || strings.Contains(value, "="):
			return nil, fmt.Errorf("field %d: %w", len(fields)+1, ErrFormat)
		case value == "":
			return nil, fmt.Errorf("field %d: %w", len(fields)+1, ErrNoValue)
		}
		seen[key] = true
		fields = append(fields, Field{key, value})
	}
	return fields, nil
}

func printable(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

func keyName(s string) bool {
	for i := range len(s) {
		if (s[i] < 'A' || s[i] > 'Z') && (s[i] < '0' || s[i] > '9') {
			return false
		}
	}
	return s != ""
}

func hexDigits(s string) bool {
	for i := range len(s) {
		if (s[i] < 'A' || s[i] > 'F') && (s[i] < '0' || s[i] > '9') {
			return false
		}
	}
	return s != ""
}

// Verify says whether the token was made with the key; ErrMAC if not. It takes the
// same time for every token of one length.
func (t *Token) Verify(key []byte) error {
	if !hmac.Equal([]byte(mac(key, t.signed)), []byte(t.MAC)) {
		return ErrMAC
	}
	return nil
}

// String is the token as it was parsed.
func (t *Token) String() string { return t.signed + t.MAC }

// Value is the value of a key.
func (t *Token) Value(key string) (string, bool) {
	for _, f := range t.Fields {
		if f.Key == key {
			return f.Value, true
		}
	}
	return "", false
}

// Amounts are the values of prefix1, prefix2, ... as minor units by currency. They
// are to be numbered without a gap, each currency once, each above zero; at least
// one must be there. Errors are ErrFormat.
func (t *Token) Amounts(prefix string) (map[string]int64, error) {
	out, numbered := map[string]int64{}, 0
	for _, f := range t.Fields {
		if digits(strings.TrimPrefix(f.Key, prefix)) && strings.HasPrefix(f.Key, prefix) {
			numbered++
		}
	}
	for i := 1; i <= numbered; i++ {
		text, ok := t.Value(prefix + strconv.Itoa(i))
		if !ok {
			return nil, fmt.Errorf("%s%d is missing: %w", prefix, i, ErrFormat)
		}
		a, err := ParseAmount(text)
		if err != nil {
			return nil, fmt.Errorf("%s%d: %w: %w", prefix, i, ErrFormat, err)
		}
		if _, twice := out[a.Currency]; twice || a.Minor == 0 {
			return nil, fmt.Errorf("%s%d: %w", prefix, i, ErrFormat)
		}
		out[a.Currency] = a.Minor
	}
	if numbered == 0 {
		return nil, fmt.Errorf("%s1 is missing: %w", prefix, ErrFormat)
	}
	return out, nil
}

// Build makes a token.
func Build(key []byte, nonce string, fields ...Field) (string, error) {
	if len(key) < MinKey {
		return "", fmt.Errorf("%d bytes, at least %d: %w", len(key), MinKey, ErrKey)
	}
	var rest strings.Builder
	for _, f := range fields {
		rest.WriteString(f.Key + "=" + f.Value + ",")
	}
	rest.WriteString(keyMAC + "=")
	head := keyNonce + "=" + nonce + "," + keyFormat + "=1," + keyLength + "="
	length := len(head) + len("0000,") + rest.Len() + macDigits
	signed := head + fmt.Sprintf("%04d,", length) + rest.String()
	text := signed + mac(key, signed)
	if _, err := Parse(text); err != nil {
		return "", fmt.Errorf("build token: %w", err)
	}
	return text, nil
}

func mac(key []byte, signed string) string {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(signed)) // never fails
	return strings.ToUpper(hex.EncodeToString(h.Sum(nil)))
}

// dispenseKey numbers the amounts of a token for CashDispenser.Dispense.
const dispenseKey = "DISPENSE"

// ForDispense makes the token with which a device may dispense up to these amounts,
// one for each currency, under the nonce it gave out.
func ForDispense(key []byte, nonce string, amounts ...Amount) (string, error) {
	var fields []Field
	for i, a := range amounts {
		fields = append(fields, Field{dispenseKey + strconv.Itoa(i+1), a.String()})
	}
	return Build(key, nonce, fields...)
}
