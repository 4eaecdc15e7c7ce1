package receiptprinter

import (
	"context"
	"image"
	"image/color"
	"image/draw"
	"maps"
	"slices"
	"strings"
	"unicode"

	"github.com/plomb-pos/plomb/driver/forms"
	"github.com/plomb-pos/plomb/driver/forms/press"
	"github.com/plomb-pos/plomb/receipt/paper"
	"github.com/plomb-pos/plomb/xfs4iot"
	"github.com/plomb-pos/plomb/xfs4iot/host"
	"github.com/plomb-pos/plomb/xfs4iot/printer"
)

// Media is the one medium: the paper roll.
const Media = "ROLL"

// dpi is how finely receipt printers print, near enough for all of them.
const dpi = 203

// maxLoaded is how many forms of clients are known at a time.
const maxLoaded = 100

// loaded is a client's form, nil when there is none of that name.
func (s *Service) loaded(name string) *forms.Form {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.forms[name]
}

// load adds forms of clients; the built-in ones stay what they are.
func (s *Service) load(more map[string]*forms.Form) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := maps.Clone(s.forms)
	if all == nil {
		all = map[string]*forms.Form{}
	}
	maps.Copy(all, more)
	if len(all) > maxLoaded || all[Form] != nil || all[JobForm] != nil {
		return host.Fail(printer.SetFormErrorCodeFormInvalid, "the built-in forms stay, and a hundred others are known at most")
	}
	s.forms = all
	return nil
}

func (s *Service) formList(context.Context, *host.Command, *printer.GetFormListCommand) (*printer.GetFormListCompletion, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return &printer.GetFormListCompletion{FormList: append([]string{Form, JobForm}, slices.Sorted(maps.Keys(s.forms))...)}, nil
}

func (s *Service) setForm(_ context.Context, _ *host.Command, req *printer.SetFormCommand) (*printer.SetFormCompletion, error) {
	switch {
	case req.Name == "" || len(req.Name) > 256:
		return nil, &xfs4iot.Error{Code: xfs4iot.InvalidData, Description: "a form has a name of up to 256 bytes"}
	case req.Form == nil && s.loaded(req.Name) == nil:
		return nil, host.Fail(printer.SetFormErrorCodeFormNotFound, "there is no such form of a client")
	case req.Form == nil:
		s.mu.Lock()
		defer s.mu.Unlock()
		s.forms = maps.Clone(s.forms)
		delete(s.forms, req.Name)
		return nil, nil
	}
	f, err := forms.FromSetForm(req.Name, req.Form)
	if err != nil {
		return nil, host.Fail(printer.SetFormErrorCodeFormInvalid, err.Error())
	}
	if err := s.load(map[string]*forms.Form{req.Name: f}); err != nil {
		return nil, err
	}
	_ = s.service.Broadcast(&printer.DefinitionLoadedEvent{Name: req.Name, Type: printer.DefinitionLoadedEventTypeForm})
	return nil, nil
}

func (s *Service) loadDefinition(_ context.Context, _ *host.Command, req *printer.LoadDefinitionCommand) (*printer.LoadDefinitionCompletion, error) {
	d, err := forms.Parse(req.Definition)
	switch {
	case err != nil:
		return nil, host.Fail(printer.LoadDefinitionErrorCodeFormInvalid, err.Error())
	case len(d.Media) > 0:
		return nil, host.Fail(printer.LoadDefinitionErrorCodeMediaInvalid, "the medium is "+Media)
	}
	for name := range d.Forms {
		if s.loaded(name) != nil && !is(req.Overwrite) {
			return nil, host.Fail(printer.LoadDefinitionErrorCodeDefinitionExists, name+" is defined already")
		}
	}
	if err := s.load(d.Forms); err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(d.Forms)) {
		_ = s.service.Broadcast(&printer.DefinitionLoadedEvent{Name: name, Type: printer.DefinitionLoadedEventTypeForm})
	}
	return nil, nil
}

func (s *Service) queryField(ctx context.Context, cmd *host.Command, req *printer.GetQueryFieldCommand) (*printer.GetQueryFieldCompletion, error) {
	f := s.loaded(req.FormName)
	if f == nil {
		built, err := s.queryForm(ctx, cmd, &printer.GetQueryFormCommand{FormName: req.FormName})
		if err != nil {
			return nil, err
		}
		if f, err = forms.FromQuery(built.Form); err != nil {
			return nil, err
		}
	}
	fields, err := f.QueryFields(req.FieldName)
	if fields == nil && err == nil {
		return nil, host.Fail(printer.GetQueryFieldErrorCodeFieldNotFound, "there is no such field")
	}
	return &printer.GetQueryFieldCompletion{Fields: fields}, err
}

func (s *Service) mediaList(context.Context, *host.Command, *printer.GetMediaListCommand) (*printer.GetMediaListCompletion, error) {
	return &printer.GetMediaListCompletion{MediaList: []string{Media}}, nil
}

// queryMedia describes the roll: as wide as what is printed, and as long as a form
// may be.
func (s *Service) queryMedia(_ context.Context, _ *host.Command, req *printer.GetQueryMediaCommand) (*printer.GetQueryMediaCompletion, error) {
	if req.Name != Media {
		return nil, host.Fail(printer.GetQueryMediaErrorCodeMediaNotFound, "the medium is "+Media)
	}
	return &printer.GetQueryMediaCompletion{Media: &printer.GetQueryMediaCompletionMedia{
		MediaType: printer.GetQueryMediaCompletionMediaMediaTypeGeneric, Source: "upper",
		Unit: &printer.Unit{Base: printer.UnitBaseMm, X: new(10), Y: new(10)},
		Size: &printer.Size{Width: new(s.device.Profile().Dots * 254 / dpi), Height: new(paper.MaxImageSide * 254 / dpi)},
	}}, nil
}

// mediaExtents is there to say that it cannot be done.
func (s *Service) mediaExtents(context.Context, *host.Command, *printer.MediaExtentsCommand) (*printer.MediaExtentsCompletion, error) {
	return nil, host.Fail(printer.MediaExtentsErrorCodeExtentNotSupported, "the printer does not measure its paper")
}

// clearBuffer finds nothing: a document is sent whole or not at all.
func (s *Service) clearBuffer(context.Context, *host.Command, *printer.ClearBufferCommand) (*printer.ClearBufferCompletion, error) {
	return nil, nil
}

// clientForm prints a form of a client, drawn as a picture as wide as the paper.
func (s *Service) clientForm(ctx context.Context, cmd *host.Command, f *forms.Form, req *printer.PrintFormCommand) error {
	cut, err := clientCut(req)
	if err != nil {
		return err
	}
	page := press.NewPage(s.device.Profile().Dots, min(lengthOf(f), paper.MaxImageSide))
	job, problems := press.Set(f, values(req.Fields), press.Paper{DPI: dpi, Width: page.Image.Rect.Dx(), Height: page.Image.Rect.Dy()})
	if err := tellProblems(cmd, req.FormName, problems); err != nil {
		return err
	}
	if err := job.Print(sheet{page}); err != nil || lengthOf(f) > paper.MaxImageSide {
		return host.Fail(printer.PrintFormErrorCodeMediaOverflow, press.ErrNoRoom.Error())
	}
	data, err := press.PNG(blackWhite(page.Image))
	if err != nil {
		return err
	}
	return s.print(ctx, cmd, append(paper.Doc{paper.Image{PNG: data}}, cut...))
}

// clientCut reads what a request with a client's form may ask for beside it: a cut.
func clientCut(req *printer.PrintFormCommand) (paper.Doc, error) {
	c := req.MediaControl
	switch {
	case req.MediaName != "" && req.MediaName != Media:
		return nil, host.Fail(printer.PrintFormErrorCodeMediaNotFound, "the medium is "+Media)
	case req.PaperSource != "" && req.PaperSource != "any" && req.PaperSource != "upper":
		return nil, host.Fail(printer.PrintFormErrorCodeSourceInvalid, "the paper source is upper")
	}
	for _, lines := range req.Fields {
		if slices.ContainsFunc(lines, func(s string) bool {
			return strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) && r != '\n' })
		}) {
			return nil, host.Fail(printer.PrintFormErrorCodeCharSetData, "control characters cannot be printed")
		}
	}
	if c == nil || *c == (printer.MediaControlNullable{}) {
		return nil, nil
	}
	cut, err := cutOf(&printer.MediaControl{Move: printer.MediaControlMove(c.Move), Cut: c.Cut, PartialCut: c.PartialCut})
	return paper.Doc{cut}, err
}

// sheet is one page of the roll.
type sheet struct{ page *press.Page }

// Page gives the page; a roll has one, and no back.
func (s sheet) Page(n int, back bool) *press.Page {
	if n != 0 || back {
		return nil
	}
	return s.page
}

// lengthOf is how much paper a form takes, in dots.
func lengthOf(f *forms.Form) int {
	high, off := f.Unit.Tenths(f.Size.Height, false, f.CPI, f.LPI), 0
	if f.Orientation == "landscape" {
		high = f.Unit.Tenths(f.Size.Width, true, f.CPI, f.LPI)
	}
	if f.Alignment != nil {
		off = f.Unit.Tenths(f.Alignment.Y, false, f.CPI, f.LPI)
	}
	return max((high+off)*dpi/254, 1)
}

func values(fields map[string]xfs4iot.Strings) map[string][]string {
	out := map[string][]string{}
	for name, v := range fields {
		out[name] = v
	}
	return out
}

// tellProblems sends an event for each; a fatal one ends the command.
func tellProblems(cmd *host.Command, form string, problems []press.Problem) error {
	for _, p := range problems {
		if p.Fatal {
			_ = cmd.Event(&printer.FieldErrorEvent{FormName: form, FieldName: p.Field, Failure: printer.FieldErrorEventFailure(p.Failure)})
		} else {
			_ = cmd.Event(&printer.FieldWarningEvent{FormName: form, FieldName: p.Field, Failure: printer.FieldWarningEventFailure(p.Failure)})
		}
	}
	if press.Fatal(problems) {
		return host.Fail(printer.PrintFormErrorCodeFieldError, "nothing was printed")
	}
	return nil
}

// blackWhite is a page as the print head sees it.
func blackWhite(img *image.RGBA) *image.Paletted {
	gray := image.NewGray(img.Rect)
	draw.Draw(gray, img.Rect, img, image.Point{}, draw.Src)
	out := image.NewPaletted(img.Rect, color.Palette{color.White, color.Black})
	for i, v := range gray.Pix {
		if v < 128 {
			out.Pix[i] = 1
		}
	}
	return out
}
