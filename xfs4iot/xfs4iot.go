// Package xfs4iot is the wire format of XFS4IoT, the device protocol of CEN/XFS:
// JSON messages over WebSocket between an application (the client) and a device
// (the service).
//
// The package holds what every message shares: the envelope with its header, the
// completion codes, versions, errors, and the descriptors with which the
// interface packages describe their messages. It opens no socket. Above it stand
//
//   - one package per interface (printer, cardreader, cashdispenser, ...), 26 in
//     all, generated from interfaces.json: payloads, events, enums, validation;
//   - package interfaces: all of them as one table;
//   - package host: the device's side; package client: the application's side;
//   - package conform: the protocol's rules as a test suite for any service.
//
// # Generations
//
// Two shapes of the envelope are in use. Releases from 2023-2 on keep version,
// timeout, status, completionCode and errorDescription in the header; 2021-1 kept
// the last four in the payload and had no version. [Decode] reads both and says
// which it saw; [Message.Encode] writes the one that Message.Generation asks for.
//
// # Promises
//
// What is written follows the specification's spelling. What is read is taken
// tolerantly where the reference implementation is known to spell differently
// (see interfaces.json, diagnostics) and strictly otherwise: duplicate keys,
// invalid UTF-8, a message beyond the size or depth limit are refused, unknown
// fields are ignored. No input makes this package panic.
//
// # What it does not do
//
// It does not check a payload against its description while decoding: call
// Validate on the payload, as package host does. It knows nothing of end-to-end
// security tokens beyond their pattern.
//
//	m, err := xfs4iot.Decode(data, xfs4iot.Limits{})
//	if err != nil {
//		return err
//	}
//	var req printer.PrintRawCommand
//	err = m.Into(&req)
package xfs4iot

// Type says what a message is and so who may send it.
type Type string

// The message types. A client sends commands only; everything else comes from
// the service.
const (
	TypeCommand     Type = "command"     // client to service
	TypeAcknowledge Type = "acknowledge" // first answer to every command
	TypeEvent       Type = "event"       // while a command runs, to its client only
	TypeCompletion  Type = "completion"  // last answer to an accepted command
	TypeUnsolicited Type = "unsolicited" // to every client of the service
)

// Generation is the shape of the envelope.
type Generation int

// The two generations of the envelope. The zero value is the newer one.
const (
	Gen2023 Generation = iota // releases from 2023-2 on: everything in the header
	Gen2021                   // release 2021-1: status, codes and timeout in the payload
)

// String names the release a generation began with.
func (g Generation) String() string {
	if g == Gen2021 {
		return "2021-1"
	}
	return "2023-2"
}

// Status is what an acknowledgement says about a command. The empty Status means
// accepted: exactly one completion will follow. Any other: nothing follows.
type Status string

// Reasons why a command was refused before it started.
const (
	StatusAccepted         Status = ""
	StatusInvalidMessage   Status = "invalidMessage"   // not JSON, or not understood
	StatusInvalidRequestID Status = "invalidRequestID" // not an integer above zero, or in use
	StatusTooManyRequests  Status = "tooManyRequests"  // the service's queue is full
)

// Ports are tried in this order by a client that looks for services on a machine.
// Port 80 is for plain connections only, 443 for TLS only; a publisher binds the
// first free one from 5846 on.
func Ports() []int {
	return []int{80, 443, 5846, 5847, 5848, 5849, 5850, 5851, 5852, 5853, 5854, 5855, 5856}
}
