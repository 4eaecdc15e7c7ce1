package token

import (
	"crypto/subtle"
	"fmt"
	"maps"
	"slices"
	"strconv"
)

// Statement is what a device says about its last dispense, and proves with a
// response token.
type Statement struct {
	DispenseID string // HMAC of the token that ordered it; "" is unknown
	Dispensed  map[string]int64
	Presented  map[string]int64 // nil: nothing was presented
	Retracted  map[string]int64 // nil: nothing was retracted
	// Uncounted says that something was retracted and it is not known how much;
	// Retracted is nil then.
	Uncounted bool
}

const (
	keyID, keyDispensed                = "DISPENSEID", "DISPENSED"
	keyPresented, keyPresentedAmount   = "PRESENTED", "PRESENTEDAMOUNT"
	keyRetracted, keyRetractedAmount   = "RETRACTED", "RETRACTEDAMOUNT"
	answerYes, answerNo, answerUnknown = "YES", "NO", "?"
)

// Token makes the response token: key is the device's, nonce the client's own. The
// currencies are numbered in the order of their names.
func (s Statement) Token(key []byte, nonce string) (string, error) {
	var fields []Field
	if s.DispenseID != "" {
		fields = append(fields, Field{keyID, s.DispenseID})
	}
	currencies := slices.Sorted(maps.Keys(s.Dispensed))
	for i, currency := range currencies {
		n := strconv.Itoa(i + 1)
		fields = append(fields, Field{keyDispensed + n, Amount{s.Dispensed[currency], currency}.String()})
		fields = append(fields, answer(keyPresented, keyPresentedAmount, n, s.Presented, currency, false)...)
		fields = append(fields, answer(keyRetracted, keyRetractedAmount, n, s.Retracted, currency, s.Uncounted)...)
	}
	if len(fields) == 0 {
		fields = []Field{{keyPresented + "1", answerNo}}
	}
	return Build(key, nonce, fields...)
}

func answer(key, amountKey, n string, amounts map[string]int64, currency string, uncounted bool) []Field {
	switch {
	case uncounted:
		return []Field{{key + n, answerYes}, {amountKey + n, answerUnknown}}
	case amounts[currency] == 0:
		return []Field{{key + n, answerNo}}
	}
	return []Field{{key + n, answerYes}, {amountKey + n, Amount{amounts[currency], currency}.String()}}
}

// ParseStatement proves a response token and reads it: key is the device's, nonce
// the one that the client asked with.
func ParseStatement(text string, key []byte, nonce string) (Statement, error) {
	var s Statement
	t, err := Parse(text)
	if err != nil {
		return s, err
	}
	if subtle.ConstantTimeCompare([]byte(t.Nonce), []byte(nonce)) != 1 {
		return s, ErrNonce
	}
	if err := t.Verify(key); err != nil {
		return s, err
	}
	s.DispenseID, _ = t.Value(keyID)
	for i := 1; ; i++ {
		more, err := s.read(t, strconv.Itoa(i))
		if err != nil || !more {
			return s, err
		}
	}
}

// read reads the fields of one number; false when there are none.
func (s *Statement) read(t *Token, n string) (bool, error) {
	text, ok := t.Value(keyDispensed + n)
	if !ok {
		return false, nil
	}
	a, err := ParseAmount(text)
	if err != nil {
		return false, fmt.Errorf("%s%s: %w: %w", keyDispensed, n, ErrFormat, err)
	}
	s.Dispensed = put(s.Dispensed, a)
	if s.Presented, _, err = said(t, s.Presented, keyPresented+n, keyPresentedAmount+n, a.Currency); err != nil {
		return false, err
	}
	var unknown bool
	s.Retracted, unknown, err = said(t, s.Retracted, keyRetracted+n, keyRetractedAmount+n, a.Currency)
	s.Uncounted = s.Uncounted || unknown
	return true, err
}

func said(t *Token, sum map[string]int64, key, amountKey, currency string) (map[string]int64, bool, error) {
	switch word, _ := t.Value(key); word {
	case answerNo, "":
		return sum, false, nil
	case answerYes:
	default:
		return nil, false, fmt.Errorf("%s: %w", key, ErrFormat)
	}
	text, _ := t.Value(amountKey)
	if text == answerUnknown {
		return sum, true, nil
	}
	a, err := ParseAmount(text)
	if err != nil || a.Currency != currency {
		return nil, false, fmt.Errorf("%s: %w", amountKey, ErrFormat)
	}
	return put(sum, a), false, nil
}

func put(sum map[string]int64, a Amount) map[string]int64 {
	if sum == nil {
		sum = map[string]int64{}
	}
	sum[a.Currency] = a.Minor
	return sum
}
