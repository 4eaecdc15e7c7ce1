package paper

import (
	"bytes"
	"errors"
	"fmt"
	"image/png"
	"unicode"
	"unicode/utf8"
)

// ErrInvalid is wrapped by every error about a block that cannot be printed.
var ErrInvalid = errors.New("invalid print document")

// Validate checks every block and says which one is wrong.
func (d Doc) Validate() error {
	if len(d) > MaxBlocks {
		return ErrTooLarge
	}
	for i, b := range d {
		if b == nil {
			return fmt.Errorf("%w: block %d is nil", ErrInvalid, i+1)
		}
		if err := b.Validate(); err != nil {
			return fmt.Errorf("block %d: %w", i+1, err)
		}
	}
	return nil
}

// Validate checks text and alignment.
func (t Text) Validate() error {
	switch t.Align {
	case Left, Center, Right:
	default:
		return fmt.Errorf("%w: alignment %q", ErrInvalid, t.Align)
	}
	size := 0
	for _, r := range t.Runs {
		if err := checkText(r.Text); err != nil {
			return err
		}
		size += len(r.Text)
	}
	return checkSize(size, MaxTextBytes, "text")
}

// Validate checks both texts.
func (c Columns) Validate() error {
	if err := errors.Join(checkText(c.Left), checkText(c.Right)); err != nil {
		return err
	}
	return checkSize(len(c.Left)+len(c.Right), MaxTextBytes, "columns")
}

// Validate accepts every rule.
func (Rule) Validate() error { return nil }

// Validate checks level, module size and that the data fits into the largest
// symbol of its level (ISO/IEC 18004, table 7, byte mode).
func (q QR) Validate() error {
	capacity, ok := map[string]int{"L": 2953, "": 2331, "M": 2331, "Q": 1663, "H": 1273}[q.EC]
	switch {
	case !ok:
		return fmt.Errorf("%w: qr level %q", ErrInvalid, q.EC)
	case q.Module < 0 || q.Module > MaxModule:
		return fmt.Errorf("%w: qr module of %d dots", ErrInvalid, q.Module)
	case q.Data == "":
		return fmt.Errorf("%w: qr without data", ErrInvalid)
	case !utf8.ValidString(q.Data):
		return fmt.Errorf("%w: qr data is not UTF-8", ErrInvalid)
	}
	return checkSize(len(q.Data), capacity, "qr data")
}

// Validate checks length, characters and check digit.
func (b Barcode) Validate() error {
	switch b.Kind {
	case EAN13:
		return checkEAN(b.Data, 13)
	case EAN8:
		return checkEAN(b.Data, 8)
	case Code128:
		return checkCode128(b.Data)
	}
	return fmt.Errorf("%w: barcode kind %q", ErrInvalid, b.Kind)
}

// Validate reads the header of the PNG file; the picture itself is decoded by
// whoever prints it.
func (m Image) Validate() error {
	if err := checkSize(len(m.PNG), MaxImageBytes, "image"); err != nil {
		return err
	}
	c, err := png.DecodeConfig(bytes.NewReader(m.PNG))
	if err != nil {
		return fmt.Errorf("%w: image: %w", ErrInvalid, err)
	}
	if c.Width < 1 || c.Height < 1 || c.Width > MaxImageSide || c.Height > MaxImageSide {
		return fmt.Errorf("%w: image of %d x %d", ErrInvalid, c.Width, c.Height)
	}
	return nil
}

// Validate checks the number of lines.
func (f Feed) Validate() error {
	if f.Lines < 1 || f.Lines > MaxFeed {
		return fmt.Errorf("%w: feed of %d lines", ErrInvalid, f.Lines)
	}
	return nil
}

// Validate accepts every cut.
func (Cut) Validate() error { return nil }

// Validate checks pin and length of the pulse.
func (d Drawer) Validate() error {
	if d.Pin != 0 && d.Pin != 2 && d.Pin != 5 {
		return fmt.Errorf("%w: drawer pin %d", ErrInvalid, d.Pin)
	}
	if d.OnMS < 0 || d.OnMS > MaxDrawerMS {
		return fmt.Errorf("%w: drawer pulse of %d ms", ErrInvalid, d.OnMS)
	}
	return nil
}

func checkText(s string) error {
	if !utf8.ValidString(s) {
		return fmt.Errorf("%w: text is not UTF-8", ErrInvalid)
	}
	for _, r := range s {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return fmt.Errorf("%w: control character %U in text", ErrInvalid, r)
		}
	}
	return nil
}

func checkSize(n, limit int, what string) error {
	if n > limit {
		return fmt.Errorf("%w: %s of %d bytes, at most %d", ErrInvalid, what, n, limit)
	}
	return nil
}

func checkEAN(digits string, length int) error {
	if len(digits) != length {
		return fmt.Errorf("%w: EAN-%d of %d characters", ErrInvalid, length, len(digits))
	}
	sum := 0
	for i := range len(digits) {
		c := digits[i]
		if c < '0' || c > '9' {
			return fmt.Errorf("%w: EAN-%d with %q", ErrInvalid, length, c)
		}
		weight := 1 + 2*((length-1-i)%2) // 3 for every second digit, counted from the check digit
		sum += int(c-'0') * weight
	}
	if sum%10 != 0 {
		return fmt.Errorf("%w: EAN-%d %s has a wrong check digit", ErrInvalid, length, digits)
	}
	return nil
}

func checkCode128(data string) error {
	if len(data) < 1 || len(data) > 80 {
		return fmt.Errorf("%w: Code 128 of %d characters", ErrInvalid, len(data))
	}
	for i := range len(data) {
		if data[i] < ' ' || data[i] > '~' {
			return fmt.Errorf("%w: Code 128 with byte %#x", ErrInvalid, data[i])
		}
	}
	return nil
}
