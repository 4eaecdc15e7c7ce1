// Package interfaces is the table of all XFS4IoT interfaces: what a message name
// means, without knowing its Go type at compile time. Monitors, proxies and
// conformance tests use it; a device or an application imports only the interface
// packages it speaks.
//
//	info, ok := interfaces.Command("Printer.PrintRaw")
package interfaces

import (
	"sync"

	"github.com/plomb-pos/plomb/xfs4iot"
)

type index struct {
	commands map[string]xfs4iot.CommandInfo
	events   map[string]xfs4iot.EventInfo
}

var byName = sync.OnceValue(func() index {
	x := index{map[string]xfs4iot.CommandInfo{}, map[string]xfs4iot.EventInfo{}}
	for _, i := range All() {
		for _, c := range i.Commands {
			x.commands[c.Name] = c
		}
		for _, e := range i.Events {
			x.events[e.Name] = e
		}
	}
	return x
})

// Command finds a command by its full name, "Printer.PrintRaw".
func Command(name string) (xfs4iot.CommandInfo, bool) {
	c, ok := byName().commands[name]
	return c, ok
}

// Event finds an event by its full name, "Printer.MediaPresentedEvent".
func Event(name string) (xfs4iot.EventInfo, bool) {
	e, ok := byName().events[name]
	return e, ok
}
