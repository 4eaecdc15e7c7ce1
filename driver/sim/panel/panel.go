// Package panel is the face that a simulated device turns to people and scripts:
// what state it is in, and what can be done to it with one's hands. The page of
// package sim shows it, the same acts are taken over HTTP by scripts, and tests
// call the device's own methods.
//
// A device is one XFS4IoT service and a list of acts. Acts come in three kinds:
// what a person does in the course of things (insert a card, take the notes),
// what goes wrong (a jam, an empty cassette), and what mends it.
//
//	func (s *Scanner) Acts() []panel.Act {
//		return []panel.Act{{
//			Name: "scan", Label: "Scan a code", Kind: panel.Hand,
//			Args: []panel.Arg{{Name: "code", Label: "Code", Default: "4006381333931"}},
//			Do:   func(v panel.Values) error { return s.Scan(v["code"]) },
//		}}
//	}
//
// It knows nothing of pages or HTTP and keeps no state.
package panel

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"

	"github.com/plomb-pos/plomb/xfs4iot/host"
)

// Device is a simulated device. All methods may be called concurrently.
type Device interface {
	// Class names the picture that the page draws of it, in lower case without
	// spaces: "recycler", "cardreader".
	Class() string
	// Service makes a fresh service over the device's present state. It is
	// called when the device is first served and again whenever its service
	// comes back after it vanished; the service of the last call counts.
	Service() *host.Service
	// State is what the page and GET /api/devices show: any value that encodes
	// as a JSON object. It holds no secret.
	State() any
	// Changed is closed by the next change of State or Acts.
	Changed() <-chan struct{}
	// Acts lists what can be done to the device now.
	Acts() []Act
}

// Runner is a device that works while no command runs: Run is called once, when
// the device is first served, and returns soon after ctx ends.
type Runner interface {
	Run(ctx context.Context) error
}

// Pictured is a device with pictures to look at: a printed form, the image of a
// check. Picture returns a PNG by the name that State gives it, and
// fs.ErrNotExist for others.
type Pictured interface {
	Picture(name string) ([]byte, error)
}

// Kind says what an act is.
type Kind string

// The kinds of acts.
const (
	Hand   Kind = "hand"   // a customer or an attendant does it in the course of things
	Fault  Kind = "fault"  // something goes wrong
	Repair Kind = "repair" // and is mended
)

// Act is one thing that can be done to a device.
type Act struct {
	Name  string `json:"name"`  // letters, digits, '-'; unique in the device
	Label string `json:"label"` // the words on its button
	Kind  Kind   `json:"kind"`
	Args  []Arg  `json:"args,omitempty"`

	// Do does it. It must not wait for a person or a client; its error is shown
	// to whoever acted.
	Do func(Values) error `json:"-"`
}

// Arg is one choice that an act leaves to whoever does it.
type Arg struct {
	Name    string   `json:"name"`
	Label   string   `json:"label"`
	Default string   `json:"default,omitempty"` // taken when it is not given
	Choices []string `json:"choices,omitempty"` // the only values; empty: free text
	Number  bool     `json:"number,omitempty"`  // a whole number, not below zero
}

// Values are the args of one act by their names.
type Values map[string]string

// Int is a whole number that Do has checked before; 0 when it is not one.
func (v Values) Int(name string) int {
	n, err := strconv.Atoi(v[name])
	if err != nil {
		return 0
	}
	return n
}

// ErrNoAct says that a device has no act of that name now.
var ErrNoAct = errors.New("the device knows no such act now")

// Do does an act of a device by its name. Args that are not given take their
// defaults; unknown ones, values that are no choice and bad numbers are refused
// before anything is done.
func Do(d Device, name string, given Values) error {
	acts := d.Acts()
	i := slices.IndexFunc(acts, func(a Act) bool { return a.Name == name })
	if i < 0 {
		return fmt.Errorf("%q: %w", name, ErrNoAct)
	}
	values, err := acts[i].complete(given)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return acts[i].Do(values)
}

func (a Act) complete(given Values) (Values, error) {
	out := Values{}
	for _, arg := range a.Args {
		v, ok := given[arg.Name]
		if !ok {
			v = arg.Default
		}
		if err := arg.check(v); err != nil {
			return nil, err
		}
		out[arg.Name] = v
	}
	for name := range given {
		if _, ok := out[name]; !ok {
			return nil, fmt.Errorf("unknown argument %q", name)
		}
	}
	return out, nil
}

// maxText bounds a value.
const maxText = 4096

func (a Arg) check(v string) error {
	if len(v) > maxText {
		return fmt.Errorf("%s: longer than %d bytes", a.Name, maxText)
	}
	if len(a.Choices) > 0 && !slices.Contains(a.Choices, v) {
		return fmt.Errorf("%s: %q is none of %q", a.Name, v, a.Choices)
	}
	if a.Number {
		if n, err := strconv.Atoi(v); err != nil || n < 0 {
			return fmt.Errorf("%s: %q is not a whole number from 0", a.Name, v)
		}
	}
	return nil
}

// Changes tells those who watch that something changed. The zero value is ready.
type Changes struct {
	mu sync.Mutex
	ch chan struct{}
}

// Tell closes the channel that Changed gave out last.
func (c *Changes) Tell() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ch != nil {
		close(c.ch)
		c.ch = nil
	}
}

// Changed is closed by the next Tell.
func (c *Changes) Changed() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ch == nil {
		c.ch = make(chan struct{})
	}
	return c.ch
}
