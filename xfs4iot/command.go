package xfs4iot

// Payload is what stands in a message beside its header. Every generated payload
// implements it.
type Payload interface {
	// Validate names every value that the description does not allow, nil when
	// there is none.
	Validate() error
}

// Event is the payload of an event, tied to a command or unsolicited. It knows
// the message it belongs to.
type Event interface {
	Payload
	EventName() string    // "Printer.MediaPresentedEvent"
	EventVersion() string // "2.0"
}

// CommandInfo describes a command and its completion.
type CommandInfo struct {
	Name              string         // "Printer.PrintRaw"
	Version           string         // of the command's payload
	CompletionVersion string         // of the completion's payload, often the same
	Immediate         bool           // the reference runs it beside the queue
	Events            []EventRef     // what it may send before it completes
	ErrorCodes        []string       // values of errorCode in its completion
	Required2021      []Required2021 // what the schema of 2021-1 requires of the command
	NewCommand        func() Payload // a pointer to an empty command payload
	NewCompletion     func() Payload // a pointer to an empty completion payload
}

// EventRef names an event that may be of another interface.
type EventRef struct{ Name, Version string }

// Command ties a command's name to the types of its payloads, so that host.Handle
// and client.Do are checked by the compiler. The interface packages hold one for
// each command.
type Command[Req, Resp any] struct{ info CommandInfo }

// payload is a pointer to T that can be validated.
type payload[T any] interface {
	*T
	Payload
}

// NewCommand makes a descriptor; the generated packages call it.
func NewCommand[Req, Resp any, PReq payload[Req], PResp payload[Resp]](info CommandInfo) Command[Req, Resp] {
	if info.CompletionVersion == "" {
		info.CompletionVersion = info.Version
	}
	info.NewCommand = func() Payload { return PReq(new(Req)) }
	info.NewCompletion = func() Payload { return PResp(new(Resp)) }
	return Command[Req, Resp]{info}
}

// Info gives the description; the slices in it are shared and must not be changed.
func (c Command[Req, Resp]) Info() CommandInfo { return c.info }

// EventInfo describes an event.
type EventInfo struct {
	Name        string         // "Printer.MediaPresentedEvent"
	Version     string         // of its payload
	Unsolicited bool           // sent to every client, not tied to a command
	New         func() Payload // a pointer to an empty payload
}

// NewEvent describes the event whose payload is T; the generated packages call it.
func NewEvent[T any, P interface {
	*T
	Event
}](unsolicited bool) EventInfo {
	e := P(new(T))
	return EventInfo{e.EventName(), e.EventVersion(), unsolicited, func() Payload { return P(new(T)) }}
}

// Interface describes one interface: a named set of messages.
type Interface struct {
	Name     string // "Printer"
	Commands []CommandInfo
	Events   []EventInfo
}
