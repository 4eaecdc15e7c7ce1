// Package receiptprinter serves a receipt printer, with the cash drawer that hangs
// on it, as an XFS4IoT service with the interface Printer.
//
// # How a document is sent
//
// With Printer.PrintForm and one built-in form, [Form]. Its fields:
//
//	DOC  required  a print document in the JSON form of package receipt/paper, one
//	               block a line; also as a list of strings, one block each
//	JOB  optional  the client's id for this job, 1 to 64 printable ASCII characters
//
// A form was chosen over Printer.PrintRaw because it keeps the printer's language
// out of the client: the service breaks lines for its paper, picks code pages and
// draws codes. How wide the paper is, in columns of the normal font, stands in the
// form's size (Printer.GetQueryForm, unit rowColumn). Printer.PrintRaw takes bytes
// in the printer's own language, for tools that have them.
//
// Clients may bring forms of their own (Printer.SetForm, Printer.LoadDefinition; see
// package forms). Such a form is drawn and printed as a picture as wide as the paper,
// at 203 dots to the inch and up to half a metre long, with a cut where mediaControl
// asks for one. It has no job id: it is printed each time that it is sent. These
// forms are known until the service ends.
//
// # What the completion means
//
//	success        it is on paper: the printer has confirmed it
//	hardwareError  the outcome is uncertain: part, all or nothing is on paper
//	other codes    it was not printed: nothing was sent, or the printer has stopped and
//	               has confirmed that it threw the rest away (a torn piece may hang
//	               out). paperOut: no paper; paperJammed: cutter stuck; deviceNotReady:
//	               cover open, off line or not reachable; canceled, timeOut: at the
//	               client's wish; formNotFound, fieldError, fieldSpecFailure,
//	               unsupportedData: the command was wrong
//
// internalError is a fault of the service and counts as uncertain.
//
// A job with an id is printed at most once. Sent again, it completes as the first
// time if it was printed or is uncertain, and is tried again if it was not printed.
// The same id with another document is refused (sequenceInvalid). A client whose
// connection ended asks for the outcome with the form [JobForm] and field JOB, which
// prints nothing and answers once the job has ended: success (printed),
// hardwareError (uncertain), or commandErrorCode with sequenceInvalid (the service
// does not know the job) or another errorCode (not printed: paperOut, paperJammed,
// flushFail for all other reasons). Any other completion, timeOut say, is about the
// question and tells nothing of the job. The last [MaxJobs] jobs are remembered, in
// memory only: after a restart of the process no job is known, and a person must
// look at the paper.
//
// Characters that the printer does not have at all are printed as "?", and the
// client gets Printer.FieldWarningEvent with failure graphic for the field DOC.
// After a cut it gets Printer.MediaPresentedEvent.
//
// # The drawer
//
// XFS4IoT has no cash drawer. Opening it is therefore a block of the document
// (paper.Drawer), alone or with a receipt, with the same completion and the same
// once-only rule. Its switch is reported where the standard has the doors of the
// machine: auxiliaries.cabinetDoor, open or closed, in Common.Status and
// Common.StatusChangedEvent, and declared in auxiliaries.cabinetDoor of the
// capabilities.
//
// # Status
//
// common.device: starting until first reached, online, offline when it cannot be
// reached, userError while the cover is open, hardwareError with a stuck cutter or
// a fault. printer.paper.upper: full, low, out, unknown; changes also come as
// Printer.PaperThresholdEvent.
package receiptprinter

import (
	"context"
	"errors"
	"sync"

	"github.com/plomb-pos/plomb/driver/escpos"
	"github.com/plomb-pos/plomb/driver/forms"
	"github.com/plomb-pos/plomb/receipt/paper"
	"github.com/plomb-pos/plomb/xfs4iot"
	"github.com/plomb-pos/plomb/xfs4iot/host"
	"github.com/plomb-pos/plomb/xfs4iot/printer"
)

// Names of the built-in forms and their fields, as package paper has them.
const (
	Form     = paper.Form
	JobForm  = paper.JobForm
	FieldDoc = paper.FieldDoc
	FieldJob = paper.FieldJob
)

// Device is the printer that is served; *escpos.Printer is one.
type Device interface {
	Profile() escpos.Profile
	Status() escpos.Status
	Print(ctx context.Context, doc paper.Doc) (escpos.Result, error)
	PrintBytes(ctx context.Context, data []byte) (escpos.Outcome, error)
}

// Service serves one printer. Its methods may be called concurrently.
type Service struct {
	device  Device
	service *host.Service
	jobs    *Memory

	mu    sync.Mutex // guards what follows
	paper escpos.Paper
	forms map[string]*forms.Form // of clients; replaced whole
}

// New makes the service for a printer. The caller adds [Service.XFS] to a host and
// passes every change of the printer's status to [Service.Report]:
//
//	p := escpos.New(escpos.TCP(addr), escpos.Generic80())
//	s := receiptprinter.New("ReceiptPrinter", p, new(receiptprinter.Memory))
//	p.OnStatus = s.Report
//	go p.Run(ctx)
//	err := srv.Add(s.XFS())
func New(name string, d Device, m *Memory) *Service {
	s := &Service{device: d, jobs: m, service: host.NewService(name, declaration(d.Profile()))}
	host.Handle(s.service, printer.PrintForm, s.printForm)
	host.Handle(s.service, printer.PrintRaw, s.printRaw)
	host.Handle(s.service, printer.ControlMedia, s.controlMedia)
	host.Handle(s.service, printer.Reset, s.reset)
	host.Handle(s.service, printer.GetFormList, s.formList)
	host.Handle(s.service, printer.GetQueryForm, s.queryForm)
	host.Handle(s.service, printer.GetQueryField, s.queryField)
	host.Handle(s.service, printer.GetMediaList, s.mediaList)
	host.Handle(s.service, printer.GetQueryMedia, s.queryMedia)
	host.Handle(s.service, printer.SetForm, s.setForm)
	host.Handle(s.service, printer.LoadDefinition, s.loadDefinition)
	host.Handle(s.service, printer.MediaExtents, s.mediaExtents)
	host.Handle(s.service, printer.ClearBuffer, s.clearBuffer)
	if now := d.Status(); now.Connected {
		s.Report(now)
	}
	return s
}

// XFS is the service for a host.
func (s *Service) XFS() *host.Service { return s.service }

func (s *Service) printRaw(ctx context.Context, cmd *host.Command, req *printer.PrintRawCommand) (*printer.PrintRawCompletion, error) {
	if req.InputData == printer.PrintRawCommandInputDataYes {
		return nil, &xfs4iot.Error{Code: xfs4iot.UnsupportedData, Description: "the printer sends no data back"}
	}
	outcome, err := s.device.PrintBytes(ctx, req.Data)
	return nil, completion(outcome, err)
}

// controlMedia cuts. Eject is a full cut too: the paper is the customer's from then.
func (s *Service) controlMedia(ctx context.Context, cmd *host.Command, req *printer.ControlMediaCommand) (*printer.ControlMediaCompletion, error) {
	cut, err := cutOf(req.MediaControl)
	if err != nil {
		return nil, err
	}
	result, err := s.device.Print(ctx, paper.Doc{cut})
	if err == nil {
		err = presented(cmd)
	}
	return nil, completion(result.Outcome, err)
}

// reset puts the printer into its state after power-on and waits for its answer.
func (s *Service) reset(ctx context.Context, cmd *host.Command, req *printer.ResetCommand) (*printer.ResetCompletion, error) {
	if req.MediaControl != "" {
		return nil, &xfs4iot.Error{Code: xfs4iot.UnsupportedData, Description: "the printer cannot move its paper on reset"}
	}
	outcome, err := s.device.PrintBytes(ctx, escpos.Init{}.AppendTo(nil))
	return nil, completion(outcome, err)
}

func cutOf(c *printer.MediaControl) (paper.Cut, error) {
	if c == nil {
		return paper.Cut{}, &xfs4iot.Error{Code: xfs4iot.InvalidData, Description: "mediaControl is missing"}
	}
	cut, partial := c.Move == printer.MediaControlMoveEject || is(c.Cut), is(c.PartialCut)
	if cut == partial || c.Move != "" && c.Move != printer.MediaControlMoveEject {
		return paper.Cut{}, &xfs4iot.Error{Code: xfs4iot.UnsupportedData, Description: "the printer can cut, cut partially, or eject by cutting"}
	}
	return paper.Cut{Partial: partial}, nil
}

func is(b *bool) bool { return b != nil && *b }

func presented(cmd *host.Command) error {
	return cmd.Event(&printer.MediaPresentedEvent{WadIndex: new(1), TotalWads: new(1)})
}

// completion turns what is known about a job into the error that the engine sends;
// the table stands in the package comment.
func completion(outcome escpos.Outcome, err error) error {
	switch {
	case outcome == escpos.Printed:
		return nil
	case outcome == escpos.Uncertain:
		return &xfs4iot.Error{Code: xfs4iot.HardwareError, Description: "outcome uncertain: " + err.Error()}
	case errors.Is(err, escpos.ErrPaperOut):
		return host.Fail(printer.PrintFormErrorCodePaperOut, err.Error())
	case errors.Is(err, escpos.ErrCutter):
		return host.Fail(printer.PrintFormErrorCodePaperJammed, err.Error())
	case errors.Is(err, context.Canceled):
		return &xfs4iot.Error{Code: xfs4iot.Canceled, Description: err.Error()}
	case errors.Is(err, context.DeadlineExceeded):
		return &xfs4iot.Error{Code: xfs4iot.TimeOut, Description: err.Error()}
	case errors.Is(err, paper.ErrInvalid), errors.Is(err, escpos.ErrDoesNotFit):
		return host.Fail(printer.PrintFormErrorCodeFieldSpecFailure, err.Error())
	}
	return &xfs4iot.Error{Code: xfs4iot.DeviceNotReady, Description: err.Error()}
}
