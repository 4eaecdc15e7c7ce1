// Package rule holds the rules that generated Validate methods are put together
// from: enums, patterns, bounds, maps and lists, collected with the name of the
// field that broke them.
//
// A rule is a func(T) error. Absent fields (nil, the empty string) are not
// checked, for the description does not say which fields must be there; what
// the 2021-1 schema required of a command is checked with [Fields.Required].
package rule

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
)

// maxProblems bounds the text made of hostile input.
const maxProblems = 8

// Fields collects what is wrong with the fields of one object.
type Fields struct {
	problems []string
	more     int
}

// Add notes that a field broke its rule; a nil error notes nothing.
func (c *Fields) Add(name string, err error) {
	if err == nil {
		return
	}
	if len(c.problems) == maxProblems {
		c.more++
		return
	}
	c.problems = append(c.problems, name+": "+err.Error())
}

// Required notes a field that a command must have.
func (c *Fields) Required(name string, present bool) {
	if !present {
		c.Add(name, errors.New("is missing"))
	}
}

// Err gives all that was noted as one error.
func (c *Fields) Err() error {
	if len(c.problems) == 0 {
		return nil
	}
	text := strings.Join(c.problems, "; ")
	if c.more > 0 {
		text += fmt.Sprintf("; and %d more", c.more)
	}
	return errors.New(text)
}

// Set applies a rule to a field unless it is absent: a nil pointer, an empty string.
func Set[T comparable](c *Fields, name string, v T, rule func(T) error) {
	var zero T
	if v != zero {
		c.Add(name, rule(v))
	}
}

// Int applies a rule to an integer unless it is absent.
func Int(c *Fields, name string, v *int, rule func(int) error) {
	if v != nil {
		c.Add(name, rule(*v))
	}
}

// Enum is the rule that a string is one of a closed list.
func Enum[T ~string](v T, values ...T) error {
	for _, w := range values {
		if v == w {
			return nil
		}
	}
	return fmt.Errorf("%.40q is not a known value", string(v))
}

// Min is the rule that an integer is at least low.
func Min(low int) func(int) error {
	return func(v int) error {
		if v < low {
			return fmt.Errorf("%d is below %d", v, low)
		}
		return nil
	}
}

// Range is the rule that an integer lies between low and high, both included.
func Range(low, high int) func(int) error {
	return func(v int) error {
		if v < low || v > high {
			return fmt.Errorf("%d is not between %d and %d", v, low, high)
		}
		return nil
	}
}

// Length is the rule that a string has between low and high characters; high 0
// means without bound.
func Length(low, high int) func(string) error {
	return func(s string) error {
		n := len([]rune(s))
		if n < low || high > 0 && n > high {
			return fmt.Errorf("has %d characters", n)
		}
		return nil
	}
}

var patterns sync.Map // pattern string to *regexp.Regexp, compiled on first use

// Pattern is the rule that a string matches an expression of the description.
func Pattern(expr string) func(string) error {
	return func(s string) error {
		if !compiled(expr).MatchString(s) {
			return fmt.Errorf("%.40q does not match %s", s, expr)
		}
		return nil
	}
}

func compiled(expr string) *regexp.Regexp {
	if re, ok := patterns.Load(expr); ok {
		return re.(*regexp.Regexp)
	}
	re, _ := patterns.LoadOrStore(expr, regexp.MustCompile(expr))
	return re.(*regexp.Regexp)
}

// Printable is Pattern behind the look-ahead ^(?=[!-~]{0,limit}$), which Go's
// regular expressions cannot state: only printable ASCII, at most limit
// characters. Used for end-to-end security tokens.
func Printable(limit int, expr string) func(string) error {
	return func(s string) error {
		if len(s) > limit {
			return fmt.Errorf("has more than %d characters", limit)
		}
		for i := range len(s) {
			if s[i] < '!' || s[i] > '~' {
				return errors.New("holds characters beyond printable ASCII")
			}
		}
		return Pattern(expr)(s)
	}
}

// NotEmpty is the rule that base64 data, where present, has at least one byte.
func NotEmpty(b []byte) error {
	if b != nil && len(b) == 0 {
		return errors.New("is empty")
	}
	return nil
}

// Items is the rule that a list has at least low items.
func Items[T any](low int) func([]T) error {
	return func(list []T) error {
		if list != nil && len(list) < low {
			return fmt.Errorf("has %d items, fewer than %d", len(list), low)
		}
		return nil
	}
}

// Each is a rule applied to every item of a list.
func Each[T any](rule func(T) error) func([]T) error {
	return func(list []T) error {
		var c Fields
		for i, v := range list {
			c.Add(fmt.Sprintf("[%d]", i), rule(v))
		}
		return c.Err()
	}
}

// Values is a rule applied to every value of a map.
func Values[T any](rule func(T) error) func(map[string]T) error {
	return func(m map[string]T) error {
		var c Fields
		for k, v := range m {
			c.Add(fmt.Sprintf("%.40q", k), rule(v))
		}
		return c.Err()
	}
}

// Keys is a rule applied to every key of a map.
func Keys[T any](rule func(string) error) func(map[string]T) error {
	return func(m map[string]T) error {
		var c Fields
		for k := range m {
			c.Add("key", rule(k))
		}
		return c.Err()
	}
}

// Present applies a rule to what a pointer points at; null values are allowed.
func Present[T any](rule func(T) error) func(*T) error {
	return func(v *T) error {
		if v == nil {
			return nil
		}
		return rule(*v)
	}
}

// Max is the rule that an integer is at most high.
func Max(high int) func(int) error {
	return func(v int) error {
		if v > high {
			return fmt.Errorf("%d is above %d", v, high)
		}
		return nil
	}
}
