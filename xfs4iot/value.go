package xfs4iot

import (
	"fmt"
	"regexp"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Decimal is a JSON number kept as it was written, so that amounts of money never
// pass through a binary float: "12.50". The empty Decimal is an absent field.
type Decimal string

var decimal = regexp.MustCompile(`^-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,3})?$`)

// Validate refuses what is not a JSON number of sensible length.
func (d Decimal) Validate() error {
	if !decimal.MatchString(string(d)) {
		return fmt.Errorf("%.40q is not a decimal number", string(d))
	}
	return nil
}

// MarshalJSONTo writes the number as a JSON number.
func (d Decimal) MarshalJSONTo(enc *jsontext.Encoder) error {
	if err := d.Validate(); err != nil {
		return err
	}
	return enc.WriteValue(jsontext.Value(d))
}

// UnmarshalJSONFrom reads a JSON number; null leaves the Decimal empty.
func (d *Decimal) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	v, err := dec.ReadValue()
	if err != nil {
		return err
	}
	switch v.Kind() {
	case 'n':
		*d = ""
		return nil
	case '0':
		*d = Decimal(v)
		return d.Validate()
	}
	return fmt.Errorf("%.40s is not a number", v)
}

// Strings is a field that the wire holds as one string or as an array of strings.
// One element is written as a string.
type Strings []string

// MarshalJSONTo writes a string for one element, else an array.
func (s Strings) MarshalJSONTo(enc *jsontext.Encoder) error {
	if len(s) == 1 {
		return enc.WriteToken(jsontext.String(s[0]))
	}
	return json.MarshalEncode(enc, []string(s))
}

// UnmarshalJSONFrom reads either form.
func (s *Strings) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	if dec.PeekKind() != '"' {
		return json.UnmarshalDecode(dec, (*[]string)(s))
	}
	var one string
	if err := json.UnmarshalDecode(dec, &one); err != nil {
		return err
	}
	*s = Strings{one}
	return nil
}
