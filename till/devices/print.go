package devices

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/plomb-pos/plomb/receipt/paper"
	"github.com/plomb-pos/plomb/xfs4iot"
	"github.com/plomb-pos/plomb/xfs4iot/client"
	"github.com/plomb-pos/plomb/xfs4iot/printer"
)

// Outcome is what became of a print.
type Outcome string

// The outcomes.
const (
	Printed    Outcome = "printed"
	NotPrinted Outcome = "notPrinted" // it is certain that the paper did not come out as it should
	Unknown    Outcome = "unknown"
)

const (
	// connectPatience is how long a print waits for a printer that is not connected.
	connectPatience = 500 * time.Millisecond
	// printPatience is how long a printer may take for one document.
	printPatience = 20 * time.Second
	// askPatience is how long the till waits to ask what became of a job.
	askPatience = 10 * time.Second
)

// ErrNoDevice says that the till has no such device, or none is connected now.
var ErrNoDevice = errors.New("device is not there")

// Print puts a document on paper (form paper.Form), at most once for a job's id (1
// to 64 printable ASCII characters without blanks), and says what became of it. Where the answer got lost it
// asks for the job's outcome. The error says why it is not Printed; its text is
// for the log.
func (s *Set) Print(ctx context.Context, job string, doc paper.Doc) (Outcome, error) {
	data, err := doc.Encode()
	if err != nil {
		return NotPrinted, fmt.Errorf("print: %w", err)
	}
	conn, err := s.connection(ctx, s.printer, connectPatience)
	if err != nil {
		return NotPrinted, fmt.Errorf("print: %w", err)
	}
	err = s.order(ctx, conn, paper.Form, map[string]xfs4iot.Strings{paper.FieldDoc: {string(data)}, paper.FieldJob: {job}})
	if errors.Is(err, client.ErrUnknownOutcome) {
		return s.Ask(ctx, job)
	}
	return outcomeOf(err), err
}

// Ask finds out what became of a job whose answer never came. A printer that
// does not know the job may have forgotten it: Unknown.
func (s *Set) Ask(ctx context.Context, job string) (Outcome, error) {
	conn, err := s.connection(ctx, s.printer, askPatience)
	if err != nil {
		return Unknown, fmt.Errorf("ask for print %s: %w", job, err)
	}
	err = s.order(ctx, conn, paper.JobForm, map[string]xfs4iot.Strings{paper.FieldJob: {job}})
	return answerOf(err), err
}

// answerOf reads the answer to a question for a job: only success, and an error
// of the command itself, speak of the job. A job that the printer does not know
// may have been forgotten; any other completion is about the question.
func answerOf(err error) Outcome {
	var said *xfs4iot.Error
	switch {
	case err == nil:
		return Printed
	case errors.As(err, &said) && said.Code == xfs4iot.CommandErrorCode && said.ErrorCode != string(printer.PrintFormErrorCodeSequenceInvalid):
		return NotPrinted
	}
	return Unknown
}

func (s *Set) order(ctx context.Context, conn *client.Conn, name string, fields map[string]xfs4iot.Strings) error {
	req := &printer.PrintFormCommand{FormName: name, Fields: fields}
	_, err := client.Do(ctx, conn, printer.PrintForm, req, client.Timeout(printPatience))
	return err
}

// outcomeOf reads how a print ended. Success is on paper; hardwareError,
// internalError and a missing answer are uncertain; every other code was sent
// before anything moved, or after the printer threw the rest away.
func outcomeOf(err error) Outcome {
	var said *xfs4iot.Error
	switch {
	case err == nil:
		return Printed
	case errors.Is(err, client.ErrUnknownOutcome):
		return Unknown
	case errors.As(err, &said) && (said.Code == xfs4iot.HardwareError || said.Code == xfs4iot.InternalError):
		return Unknown
	}
	return NotPrinted
}

// OpenDrawer pulses the drawer on the printer, at most once for a job's id.
func (s *Set) OpenDrawer(ctx context.Context, job string) (Outcome, error) {
	return s.Print(ctx, job, paper.Doc{paper.Drawer{}})
}

func (s *Set) connection(ctx context.Context, l *link, patience time.Duration) (*client.Conn, error) {
	if l == nil {
		return nil, ErrNoDevice
	}
	wait, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	conn, err := l.session.Conn(wait)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoDevice, err)
	}
	return conn, nil
}

// ErrorCode is the device's own word for what went wrong, in the form of a
// Device's Code ("paper-out"), or "".
func ErrorCode(err error) string {
	var said *xfs4iot.Error
	if !errors.As(err, &said) {
		return ""
	}
	word := said.ErrorCode
	if word == "" {
		word = string(said.Code)
	}
	var b strings.Builder
	for i, r := range word {
		if r >= 'A' && r <= 'Z' {
			if i > 0 {
				b.WriteByte('-')
			}
			r += 'a' - 'A'
		}
		b.WriteRune(r)
	}
	return b.String()
}
