package main

import (
	"fmt"
	"strings"
	"unicode"
)

// renamed lists shared types whose own name is taken by a command.
var renamed = map[string]string{
	"CashManagement/Retract": "RetractTarget",
}

// moved lists shared types of one interface that live in another's package,
// because the two interfaces refer to each other: Storage describes a check unit
// with Check's types, and Check reports units with Storage's. The package that
// loses them keeps aliases.
var moved = map[string]string{
	"Check/ReplenishmentStatus#enum": "Storage",
	"Check/Storage":                  "Storage",
	"Check/StorageCapabilities":      "Storage",
	"Check/StorageConfiguration":     "Storage",
	"Check/StorageSensors":           "Storage",
	"Check/StorageSet":               "Storage",
	"Check/StorageStatus":            "Storage",
	"Check/StorageStatusSet":         "Storage",
	"Check/StorageTypes":             "Storage",
}

// tolerantFields are read whatever their case: the reference writes them differently.
var tolerantFields = map[string]bool{
	"Auxiliaries/Status.UPS": true, "Check/Status.mICRReader": true,
	"KeyManagement/Capabilities.keyBlockImportFormats.A": true, "KeyManagement/Capabilities.keyBlockImportFormats.B": true,
	"KeyManagement/Capabilities.keyBlockImportFormats.C": true, "KeyManagement/Capabilities.keyBlockImportFormats.D": true,
}

// tolerantEnums are read with either case of their first letter, for the same reason.
var tolerantEnums = map[string]bool{
	"auxiliaries.SystemTimeDayOfWeek": true, "common.InterfaceName": true,
}

// exported turns a wire name into a Go name: "serviceURI", "requestIds", "40x30".
func exported(wire string) string {
	var b strings.Builder
	upper := true
	for _, r := range wire {
		switch {
		case !unicode.IsLetter(r) && !unicode.IsDigit(r):
			upper = true
		case upper:
			b.WriteRune(unicode.ToUpper(r))
			upper = false
		default:
			b.WriteRune(r)
		}
	}
	return initialisms(b.String())
}

// initialisms spells Id, Ids, Uri and Url as Go does, where they are whole words.
func initialisms(s string) string {
	for _, w := range []string{"Ids", "Id", "Uri", "Url"} {
		for at := 0; ; {
			i := strings.Index(s[at:], w)
			if i < 0 {
				break
			}
			end := at + i + len(w)
			if end == len(s) || unicode.IsUpper(rune(s[end])) || unicode.IsDigit(rune(s[end])) {
				s = s[:at+i] + strings.ToUpper(w[:len(w)-len("s")*plural(w)]) + strings.Repeat("s", plural(w)) + s[end:]
			}
			at = end
		}
	}
	return s
}

func plural(w string) int {
	if strings.HasSuffix(w, "s") {
		return 1
	}
	return 0
}

// names guards one package's scope against two things with one name.
type names map[string]string

func (n names) take(name, what string) error {
	if other, taken := n[name]; taken {
		return fmt.Errorf("%s and %s are both named %s", other, what, name)
	}
	n[name] = what
	return nil
}
