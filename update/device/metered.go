package device

import (
	"fmt"
	"strings"
	"time"
)

// Metered says when every byte over the device's link costs money: then a pass fetches
// no more than Policy.Metered bytes without asking, unless the release is urgent. In
// text it is "never", which is what nothing means too, "always", or the hours of a day by
// the machine's own time zone, "07:00-22:30"; "22:00-06:00" goes over midnight.
type Metered struct {
	always   bool
	from, to int // minutes of the day; the same: not by hours
}

// At reports whether the link is metered at a time, in the time's own zone.
func (m Metered) At(now time.Time) bool {
	minute := now.Hour()*60 + now.Minute()
	if m.from > m.to {
		return minute >= m.from || minute < m.to
	}
	return m.always || m.from <= minute && minute < m.to
}

// IsZero reports whether it is never.
func (m Metered) IsZero() bool { return m == Metered{} }

// MarshalText implements encoding.TextMarshaler.
func (m Metered) MarshalText() ([]byte, error) {
	switch {
	case m.always:
		return []byte("always"), nil
	case m.from != m.to:
		return fmt.Appendf(nil, "%02d:%02d-%02d:%02d", m.from/60, m.from%60, m.to/60, m.to%60), nil
	}
	return []byte("never"), nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (m *Metered) UnmarshalText(text []byte) (err error) {
	*m = Metered{always: string(text) == "always"}
	if m.always || string(text) == "never" {
		return nil
	}
	from, to, _ := strings.Cut(string(text), "-")
	if m.from, err = minuteOf(from); err == nil {
		m.to, err = minuteOf(to)
	}
	if err == nil && m.from == m.to {
		err = fmt.Errorf("%q is no hours; all day is always", text)
	}
	if err != nil {
		return fmt.Errorf("metered %q is neither never, always nor hours: %w", text, err)
	}
	return nil
}

// minuteOf reads "15:04" strictly.
func minuteOf(text string) (int, error) {
	t, err := time.Parse("15:04", text)
	if err == nil && len(text) != len("15:04") {
		err = fmt.Errorf("%q is not written as 15:04", text)
	}
	return t.Hour()*60 + t.Minute(), err
}

// metered is what the agent asks.
func (d *Device) metered() bool { return d.Config.Policy.MeteredAt.At(d.options.Now().Local()) }
