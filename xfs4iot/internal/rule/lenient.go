package rule

import (
	"cmp"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// Capital reads an enum value whose first letter the reference writes in lower
// case and the specification in upper case.
func Capital[T ~string](text []byte) T {
	s := string(text)
	if s == "" {
		return ""
	}
	return T(strings.ToUpper(s[:1]) + s[1:])
}

// Listed is the rule that an integer is one of a closed list.
func Listed[T ~int](v T, values ...T) error {
	if slices.Contains(values, v) {
		return nil
	}
	return fmt.Errorf("%d is not a known value", int(v))
}

// ReadInt reads an integer, also as the string "number16" that the reference uses
// for a closed list of integers.
func ReadInt[T ~int](dec *jsontext.Decoder, v *T) error {
	raw, err := dec.ReadValue()
	if err != nil {
		return err
	}
	text := string(raw)
	if raw.Kind() == '"' {
		var ok bool
		if text, ok = strings.CutPrefix(strings.Trim(text, `"`), "number"); !ok {
			return errors.New("is a string, not an integer")
		}
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return fmt.Errorf("%.40q is not an integer", text)
	}
	*v = T(n)
	return nil
}

// Between is the rule that a decimal lies between two others, both included; an
// empty bound is none.
func Between[T interface {
	~string
	Validate() error
}](low, high string) func(T) error {
	return func(v T) error {
		if err := v.Validate(); err != nil {
			return err
		}
		x, ok := new(big.Rat).SetString(string(v))
		if !ok {
			return fmt.Errorf("%.40q is not a decimal number", string(v))
		}
		if low != "" && x.Cmp(rat(low)) < 0 || high != "" && x.Cmp(rat(high)) > 0 {
			return fmt.Errorf("%.40s is not between %s and %s", string(v), cmp.Or(low, "any"), cmp.Or(high, "any"))
		}
		return nil
	}
}

func rat(s string) *big.Rat {
	r, ok := new(big.Rat).SetString(s)
	if !ok {
		return new(big.Rat)
	}
	return r
}
