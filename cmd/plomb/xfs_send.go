package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/plomb-pos/plomb/xfs4iot"
	"github.com/plomb-pos/plomb/xfs4iot/client"
	"github.com/plomb-pos/plomb/xfs4iot/common"
	"github.com/plomb-pos/plomb/xfs4iot/interfaces"
)

type xfsStatus struct {
	xfsService
	Capabilities bool `help:"Show what the service can do instead."`
}

func (c xfsStatus) Run(ctx context.Context, s streams) error {
	conn, err := c.dial(ctx, nil)
	if err != nil {
		return err
	}
	defer conn.Close()
	ctx, stop := context.WithTimeout(ctx, c.Patience)
	defer stop()
	info := common.Status.Info()
	if c.Capabilities {
		info = common.Capabilities.Info()
	}
	answer, err := conn.Do(ctx, info, nil)
	if err != nil {
		return err
	}
	return writeJSON(s.Out, answer.Payload)
}

// writeJSON prints JSON indented, as people read it; it is JSON for scripts too.
func writeJSON(w io.Writer, text jsontext.Value) error {
	if len(text) == 0 {
		text = jsontext.Value("{}")
	}
	text = text.Clone()
	if err := text.Indent(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "%s\n", text)
	return err
}

type xfsSend struct {
	xfsService
	Command string        `arg:"" help:"Name of the command, such as CashDispenser.Dispense."`
	Payload string        `arg:"" optional:"" help:"Its payload as JSON; @FILE reads a file, - reads standard input."`
	Timeout time.Duration `help:"How long the device may take; none by default."`
	DryRun  bool          `help:"Check the payload and print the message, but send nothing."`
	JSON    bool          `name:"json" help:"Print each answer as it came, one line of JSON a message."`
}

// Help says what is sent and how to read the end.
func (xfsSend) Help() string {
	return `Checks the payload against the description of the interface, sends the command,
shows its events and how it completed. Interrupted with Ctrl-C it cancels the
command and waits for the outcome.

  plomb xfs send Scanner BarcodeReader.Read --timeout 20s
  plomb xfs send 127.0.0.1:5846/CustomerDisplay TextTerminal.ClearScreen

Exit codes: 0 success; 1 the service refused it or could not do it; 2 the payload
is not what the command takes, nothing was sent; 3 the outcome is not known: read
the device's status before sending it again.`
}

// exitUnknown says that a command may have been carried out or not.
const exitUnknown = 3

// unknownOutcome is an error with that exit code.
type unknownOutcome struct{ error }

func (unknownOutcome) ExitCode() int { return exitUnknown }
func (unknownOutcome) Hint() string {
	return "read the device's status and counts before sending it again"
}
func (u unknownOutcome) Unwrap() error { return u.error }

func (c xfsSend) Run(ctx context.Context, s streams) error {
	info, payload, err := c.message(s.In)
	if err != nil {
		return usage{err}
	}
	if c.DryRun {
		return c.show(s, info, payload)
	}
	conn, err := c.dial(ctx, nil)
	if err != nil {
		return err
	}
	defer conn.Close()
	opts := []client.CallOption{client.OnEvent(func(m *xfs4iot.Message) { _ = c.print(s, m) })}
	if c.Timeout > 0 {
		opts = append(opts, client.Timeout(c.Timeout))
	}
	answer, err := conn.Do(ctx, info, payload, opts...)
	if answer != nil {
		err = errors.Join(err, c.print(s, answer))
	}
	if errors.Is(err, client.ErrUnknownOutcome) {
		return unknownOutcome{err}
	}
	return err
}

// message reads the payload into the command's own type, strictly: a field that
// the description does not have is a mistake of whoever typed it.
func (c xfsSend) message(in io.Reader) (xfs4iot.CommandInfo, xfs4iot.Payload, error) {
	info, ok := interfaces.Command(c.Command)
	if !ok {
		return info, nil, fmt.Errorf("there is no command %q%s", c.Command, similar(c.Command))
	}
	text, err := c.text(in)
	if err != nil || len(text) == 0 {
		return info, nil, err
	}
	payload := info.NewCommand()
	if err := json.Unmarshal(text, payload, json.RejectUnknownMembers(true)); err != nil {
		return info, nil, fmt.Errorf("payload: %w", err)
	}
	return info, payload, payload.Validate()
}

// maxPayload bounds what is read.
const maxPayload = xfs4iot.DefaultBytes

func (c xfsSend) text(in io.Reader) ([]byte, error) {
	name, file := strings.CutPrefix(c.Payload, "@")
	switch {
	case c.Payload == "-":
		return io.ReadAll(io.LimitReader(in, maxPayload))
	case file:
		return os.ReadFile(name)
	}
	return []byte(c.Payload), nil
}

// similar suggests commands that end alike, or all of an interface named alone.
func similar(name string) string {
	of, action, full := strings.Cut(name, ".")
	if !full {
		action = of
	}
	var found []string
	for _, i := range interfaces.All() {
		for _, c := range i.Commands {
			_, a, _ := strings.Cut(c.Name, ".")
			if strings.EqualFold(a, action) || (strings.EqualFold(i.Name, of) && !full) {
				found = append(found, c.Name)
			}
		}
	}
	if len(found) == 0 {
		return ""
	}
	return "; did you mean " + strings.Join(found, ", ") + "?"
}

// show prints the message as it would be sent.
func (c xfsSend) show(s streams, info xfs4iot.CommandInfo, payload xfs4iot.Payload) error {
	h := xfs4iot.Header{Type: xfs4iot.TypeCommand, Name: info.Name, RequestID: 1, Version: info.Version, Timeout: c.Timeout}
	var body any
	if payload != nil {
		body = payload
	}
	m, err := xfs4iot.New(h, body)
	if err != nil {
		return err
	}
	if c.old() {
		m.Generation = xfs4iot.Gen2021
	}
	text, err := m.Encode()
	if err != nil {
		return err
	}
	return writeJSON(s.Out, text)
}

// print shows an event or the completion.
func (c xfsSend) print(s streams, m *xfs4iot.Message) error {
	return printMessage(s.Out, m, c.JSON)
}

func printMessage(w io.Writer, m *xfs4iot.Message, asJSON bool) error {
	if asJSON {
		text, err := m.Encode()
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(w, "%s\n", text)
		return err
	}
	what := m.Header.Name
	if m.Header.Type == xfs4iot.TypeCompletion {
		what += " " + string(m.Header.CompletionCode)
	}
	if _, err := fmt.Fprintln(w, what); err != nil || len(m.Payload) == 0 {
		return err
	}
	return writeJSON(w, m.Payload)
}

type xfsWatch struct {
	xfsService
	JSON bool `name:"json" help:"Print each event as it came, one line of JSON a message."`
}

// Help says what is shown.
func (xfsWatch) Help() string {
	return `Shows the unsolicited events of a service (status changes, media taken, thresholds)
until Ctrl-C or until the service ends the connection.`
}

func (c xfsWatch) Run(ctx context.Context, s streams) error {
	failed := make(chan error, 1)
	conn, err := c.dial(ctx, func(m *xfs4iot.Message) {
		if err := printMessage(s.Out, m, c.JSON); err != nil {
			select {
			case failed <- err:
			default:
			}
		}
	})
	if err != nil {
		return err
	}
	defer conn.Close()
	fmt.Fprintf(s.Err, "plomb: watching %s, Ctrl-C ends\n", conn.URL())
	select {
	case <-ctx.Done():
		return nil
	case <-conn.Done():
		return fmt.Errorf("the connection ended: %w", conn.Err())
	case err := <-failed:
		return err
	}
}
