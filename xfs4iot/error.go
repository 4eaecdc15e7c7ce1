package xfs4iot

import "fmt"

// Error is a command that did not succeed. A device handler returns it to choose
// the completion; a client gets it from package client.
//
// Either Status is set (the command was refused and never started) or Code is.
type Error struct {
	Command     string         // message name, for example "Printer.PrintRaw"; filled in by host and client
	Status      Status         // why the acknowledgement refused it
	Code        CompletionCode // how it completed
	ErrorCode   string         // the payload's errorCode when Code is CommandErrorCode
	Description string         // free text for logs, in the service's words
}

// Error names the command and the most exact code there is.
func (e *Error) Error() string {
	what := string(e.Code)
	switch {
	case e.Status != StatusAccepted:
		what = "refused: " + string(e.Status)
	case e.ErrorCode != "":
		what = e.ErrorCode
	}
	if e.Description != "" {
		what += ": " + e.Description
	}
	if e.Command == "" {
		return what
	}
	return fmt.Sprintf("%s: %s", e.Command, what)
}

// SafeToRepeat reports whether the device certainly did nothing, so that sending
// the command again cannot do it twice. Codes that may come after the device has
// moved (canceled, timeOut, hardwareError, every errorCode of a command) are not
// safe: read the device's status first. Nor is an acknowledgement with a status that
// is not the standard's.
func (e *Error) SafeToRepeat() bool {
	switch e.Status {
	case StatusAccepted:
		return e.Code.neverStarted()
	case StatusInvalidMessage, StatusInvalidRequestID, StatusTooManyRequests:
		return true
	}
	return false
}
