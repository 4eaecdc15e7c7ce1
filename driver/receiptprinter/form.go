package receiptprinter

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strings"

	"github.com/plomb-pos/plomb/driver/escpos"
	"github.com/plomb-pos/plomb/receipt/paper"
	"github.com/plomb-pos/plomb/xfs4iot"
	"github.com/plomb-pos/plomb/xfs4iot/host"
	"github.com/plomb-pos/plomb/xfs4iot/printer"
)

func (s *Service) printForm(ctx context.Context, cmd *host.Command, req *printer.PrintFormCommand) (*printer.PrintFormCompletion, error) {
	switch req.FormName {
	case Form:
		return nil, s.document(ctx, cmd, req)
	case JobForm:
		return nil, s.jobOutcome(ctx, req)
	}
	if f := s.loaded(req.FormName); f != nil {
		return nil, s.clientForm(ctx, cmd, f, req)
	}
	return nil, host.Fail(printer.PrintFormErrorCodeFormNotFound, "the forms are "+Form+" and "+JobForm)
}

func (s *Service) document(ctx context.Context, cmd *host.Command, req *printer.PrintFormCommand) error {
	if err := plain(req); err != nil {
		return err
	}
	text, id, err := fields(cmd, req.Fields)
	if err != nil {
		return err
	}
	doc, err := paper.Parse([]byte(text))
	if err != nil {
		return host.Fail(printer.PrintFormErrorCodeFieldSpecFailure, err.Error())
	}
	if id == "" {
		return s.print(ctx, cmd, doc)
	}
	if known, err := s.jobs.begin(ctx, id, sha256.Sum256([]byte(text))); known {
		return err
	}
	return s.printOnce(ctx, cmd, id, doc)
}

// printOnce keeps the outcome of a job, an uncertain one if anything goes wrong in
// here.
func (s *Service) printOnce(ctx context.Context, cmd *host.Command, id string, doc paper.Doc) (err error) {
	err = &xfs4iot.Error{Code: xfs4iot.HardwareError, Description: "outcome uncertain: printing was broken off"}
	defer func() { s.jobs.end(id, err) }()
	err = s.print(ctx, cmd, doc)
	return err
}

// print prints and sends the events of the command. The document is on paper when
// an event cannot be sent any more, so that is no error.
func (s *Service) print(ctx context.Context, cmd *host.Command, doc paper.Doc) error {
	result, err := s.device.Print(ctx, doc)
	if err := completion(result.Outcome, err); err != nil {
		return err
	}
	if unreadable(result.Losses) {
		_ = cmd.Event(&printer.FieldWarningEvent{FormName: Form, FieldName: FieldDoc, Failure: printer.FieldWarningEventFailureGraphic})
	}
	if cuts(doc) {
		_ = presented(cmd)
	}
	return nil
}

// plain refuses what the form does not have: media, offsets, moving the paper.
func plain(req *printer.PrintFormCommand) error {
	switch {
	case req.PaperSource != "" && req.PaperSource != "any" && req.PaperSource != "upper":
		return host.Fail(printer.PrintFormErrorCodeSourceInvalid, "the paper source is upper")
	case req.MediaName != "":
		return host.Fail(printer.PrintFormErrorCodeMediaNotFound, "the form needs no media")
	case req.MediaControl != nil && *req.MediaControl != (printer.MediaControlNullable{}):
		return &xfs4iot.Error{Code: xfs4iot.UnsupportedData, Description: "cuts are blocks of the document"}
	}
	return nil
}

func fields(cmd *host.Command, given map[string]xfs4iot.Strings) (doc, id string, err error) {
	for name := range given {
		if name != FieldDoc && name != FieldJob {
			_ = cmd.Event(&printer.FieldErrorEvent{FormName: Form, FieldName: name, Failure: printer.FieldErrorEventFailureNotFound})
			return "", "", host.Fail(printer.PrintFormErrorCodeFieldError, "the fields are "+FieldDoc+" and "+FieldJob)
		}
	}
	doc = strings.Join(given[FieldDoc], "\n")
	if doc == "" {
		_ = cmd.Event(&printer.FieldErrorEvent{FormName: Form, FieldName: FieldDoc, Failure: printer.FieldErrorEventFailureRequired})
		return "", "", host.Fail(printer.PrintFormErrorCodeFieldError, "field "+FieldDoc+" is missing")
	}
	if _, ok := given[FieldJob]; ok {
		id, err = jobID(given)
	}
	return doc, id, err
}

func (s *Service) jobOutcome(ctx context.Context, req *printer.PrintFormCommand) error {
	id, err := jobID(req.Fields)
	if err != nil {
		return err
	}
	return s.jobs.outcome(ctx, id)
}

// maxID bounds the id of a job.
const maxID = 64

func jobID(given map[string]xfs4iot.Strings) (string, error) {
	id := strings.Join(given[FieldJob], "")
	if len(given[FieldJob]) != 1 || len(id) < 1 || len(id) > maxID || strings.ContainsFunc(id, unprintable) {
		return "", host.Fail(printer.PrintFormErrorCodeFieldError, fmt.Sprintf("field %s is one id of 1 to %d printable ASCII characters", FieldJob, maxID))
	}
	return id, nil
}

func unprintable(r rune) bool { return r < '!' || r > '~' }

func unreadable(losses []escpos.Loss) bool {
	for _, l := range losses {
		if !l.Readable() {
			return true
		}
	}
	return false
}

func cuts(doc paper.Doc) bool {
	for _, b := range doc {
		if _, ok := b.(paper.Cut); ok {
			return true
		}
	}
	return false
}

// queryForm describes a form. Its width is the paper's, in columns of the normal
// font.
func (s *Service) queryForm(_ context.Context, _ *host.Command, req *printer.GetQueryFormCommand) (*printer.GetQueryFormCompletion, error) {
	fields := map[string]*printer.GetQueryFormCompletionFormFieldsValue{}
	switch req.FormName {
	case Form:
		fields[FieldDoc] = s.field(0, printer.GetQueryFormCompletionFormFieldsValueClassRequired)
		fields[FieldJob] = s.field(1, printer.GetQueryFormCompletionFormFieldsValueClassOptional)
	case JobForm:
		fields[FieldJob] = s.field(0, printer.GetQueryFormCompletionFormFieldsValueClassRequired)
	default:
		if f := s.loaded(req.FormName); f != nil {
			out, err := f.Query()
			return &printer.GetQueryFormCompletion{Form: out}, err
		}
		return nil, host.Fail(printer.GetQueryFormErrorCodeFormNotFound, "the forms are "+Form+" and "+JobForm)
	}
	return &printer.GetQueryFormCompletion{Form: &printer.GetQueryFormCompletionForm{
		Unit:        &printer.Unit{Base: printer.UnitBaseRowColumn, X: new(1), Y: new(1)},
		Size:        s.size(),
		Orientation: printer.GetQueryFormCompletionFormOrientationPortrait,
		Title:       req.FormName,
		Comment:     "print document of receipt/paper",
		Fields:      fields,
	}}, nil
}

func (s *Service) size() *printer.Size {
	return &printer.Size{Width: new(s.device.Profile().Columns), Height: new(1)}
}

func (s *Service) field(order int, class printer.GetQueryFormCompletionFormFieldsValueClass) *printer.GetQueryFormCompletionFormFieldsValue {
	return &printer.GetQueryFormCompletionFormFieldsValue{
		Order: new(order), Size: s.size(), Class: class,
		FieldType: printer.GetQueryFormCompletionFormFieldsValueFieldTypeText,
		Access:    printer.GetQueryFormCompletionFormFieldsValueAccessWrite,
		Overflow:  printer.GetQueryFormCompletionFormFieldsValueOverflowWordWrap,
	}
}
