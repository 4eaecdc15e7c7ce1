package api

import "time"

// SetBodyPatience makes slow bodies be given up sooner, and returns how it was.
func SetBodyPatience(d time.Duration) (before time.Duration) {
	before, bodyPatience = bodyPatience, d
	return before
}
