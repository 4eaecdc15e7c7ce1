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
)

// ErrNoDevice says that the till has no such device, or none is connected now.
var ErrNoDevice = errors.New("device is not there")

// Print puts a document on paper and says what became of it. The error says why
// it is not Printed; its text is for the log.
func (s *Set) Print(ctx context.Context, doc paper.Doc) (Outcome, error) {
	data, err := doc.Encode()
	if err != nil {
		return NotPrinted, fmt.Errorf("print: %w", err)
	}
	conn, err := s.connection(ctx, s.printer)
	if err != nil {
		return NotPrinted, fmt.Errorf("print: %w", err)
	}
	req := &printer.PrintRawCommand{InputData: printer.PrintRawCommandInputDataNo, Data: data}
	_, err = client.Do(ctx, conn, printer.PrintRaw, req, client.Timeout(printPatience))
	return outcomeOf(err), err
}

// outcomeOf reads how a print command ended. The codes that come before the
// device moves, and the printer's own errors, are certain; anything else may
// have left paper.
func outcomeOf(err error) Outcome {
	var said *xfs4iot.Error
	switch {
	case err == nil:
		return Printed
	case errors.As(err, &said) && said.ErrorCode != "":
		return NotPrinted
	case client.SafeToRepeat(err):
		return NotPrinted
	}
	return Unknown
}

// OpenDrawer pulses the drawer on the printer.
func (s *Set) OpenDrawer(ctx context.Context) (Outcome, error) {
	return s.Print(ctx, paper.Doc{paper.Drawer{}})
}

func (s *Set) connection(ctx context.Context, l *link) (*client.Conn, error) {
	if l == nil {
		return nil, ErrNoDevice
	}
	wait, cancel := context.WithTimeout(ctx, connectPatience)
	defer cancel()
	conn, err := l.session.Conn(wait)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoDevice, err)
	}
	return conn, nil
}

// ErrorCode is the printer's own word for what went wrong, in the form of a
// device's Code ("paper-out"), or "".
func ErrorCode(err error) string {
	var said *xfs4iot.Error
	if !errors.As(err, &said) || said.ErrorCode == "" {
		return ""
	}
	var b strings.Builder
	for _, r := range said.ErrorCode {
		if r >= 'A' && r <= 'Z' {
			b.WriteByte('-')
			r += 'a' - 'A'
		}
		b.WriteRune(r)
	}
	return b.String()
}
