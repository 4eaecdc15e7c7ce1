package xfs4iot

import (
	"fmt"
	"strconv"
	"strings"
)

// Version is the version of one message, as in "2.0". A new major breaks readers
// of the old one, a new minor only adds.
type Version struct{ Major, Minor int }

// ParseVersion reads "major.minor": a major of at least 1, no leading zeros.
func ParseVersion(s string) (Version, error) {
	major, minor, ok := strings.Cut(s, ".")
	a, okA := versionNumber(major)
	b, okB := versionNumber(minor)
	if !ok || !okA || !okB || a == 0 {
		return Version{}, fmt.Errorf("message version %.20q is not of the form 1.0", s)
	}
	return Version{a, b}, nil
}

func versionNumber(s string) (int, bool) {
	if s == "" || len(s) > 6 || s[0] == '0' && s != "0" {
		return 0, false
	}
	for _, r := range s {
		if r < '0' || r > '9' {
			return 0, false
		}
	}
	n, err := strconv.Atoi(s)
	return n, err == nil
}

// String gives "major.minor".
func (v Version) String() string { return fmt.Sprintf("%d.%d", v.Major, v.Minor) }

// Serves reports whether a message of version v understands one of version w:
// the same major and no newer minor.
func (v Version) Serves(w Version) bool { return v.Major == w.Major && w.Minor <= v.Minor }
