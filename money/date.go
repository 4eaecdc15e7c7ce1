package money

import (
	"errors"
	"fmt"
	"time"
)

// ErrDate is returned for text that is not a day of the calendar.
var ErrDate = errors.New("not a date")

// Date is a day of the calendar, "2025-01-31", without time or zone: the day a
// law or a price list speaks of. Dates compare in order with < and ==. The
// empty Date stands for "open" where a field allows it.
type Date string

// ParseDate reads "2006-01-02", and nothing else.
func ParseDate(s string) (Date, error) {
	if _, err := time.Parse(time.DateOnly, s); err != nil {
		return "", fmt.Errorf("%w: %.40q", ErrDate, s)
	}
	return Date(s), nil
}

// DateOf returns the day that t shows on the wall, in t's own location. Give
// times in the zone of the shop: a new rate starts at its midnight. Years
// before 1 and after 9999 are held at the first and the last day between.
func DateOf(t time.Time) Date {
	switch y := t.Year(); {
	case y < 1:
		return "0001-01-01"
	case y > 9999:
		return "9999-12-31"
	}
	return Date(t.Format(time.DateOnly))
}

// Valid reports whether d is a day of the calendar; the empty date is not.
func (d Date) Valid() bool {
	_, err := ParseDate(string(d))
	return err == nil
}

// Within reports whether d lies in the period from (first day) until (first
// day after it). An empty end is open.
func (d Date) Within(from, until Date) bool {
	return d >= from && (until == "" || d < until)
}

// Country is an ISO 3166-1 alpha-2 code in capitals: "DE", "NO".
type Country string
