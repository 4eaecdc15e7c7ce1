package documentprinter

import (
	"context"
	"errors"
	"image"
	"slices"

	"github.com/plomb-pos/plomb/driver/forms"
	"github.com/plomb-pos/plomb/driver/forms/press"
	"github.com/plomb-pos/plomb/driver/sim/chassis"
	"github.com/plomb-pos/plomb/driver/sim/scan"
	"github.com/plomb-pos/plomb/xfs4iot"
	"github.com/plomb-pos/plomb/xfs4iot/host"
	"github.com/plomb-pos/plomb/xfs4iot/printer"
)

func (p *Printer) readForm(ctx context.Context, cmd *host.Command, req *printer.ReadFormCommand) (*printer.ReadFormCompletion, error) {
	p.Lock()
	defer p.Unlock()
	if err := p.ready(); err != nil {
		return nil, err
	}
	f, def := p.defs.Forms[req.FormName], p.medium0(req.MediaName, Slot)
	switch {
	case f == nil:
		return nil, host.Fail(printer.ReadFormErrorCodeFormNotFound, "there is no such form")
	case def == nil:
		return nil, host.Fail(printer.ReadFormErrorCodeMediaNotFound, "there is no such medium")
	}
	if err := supported(nullable(req.MediaControl)); err != nil {
		return nil, err
	}
	names, err := p.readable(cmd, req.FormName, f, req.FieldNames)
	if err != nil {
		return nil, err
	}
	if err := p.scan(ctx, cmd, f.UserPrompt); err != nil {
		return nil, err
	}
	defer p.changed()
	out := map[string]xfs4iot.Strings{}
	for _, name := range names {
		out[name] = p.read(f, def, name)
	}
	return &printer.ReadFormCompletion{Fields: out}, p.control(cmd, nullable(req.MediaControl))
}

// readable lists the fields to read: those asked for, or all that may be read.
func (p *Printer) readable(cmd *host.Command, form string, f *forms.Form, asked []string) (out []string, err error) {
	all := f.All()
	fail := func(name string, why printer.FieldErrorEventFailure) {
		_ = cmd.Event(&printer.FieldErrorEvent{FormName: form, FieldName: name, Failure: why})
		err = host.Fail(printer.ReadFormErrorCodeFieldError, "nothing was read")
	}
	for _, name := range asked {
		switch field := all[name]; {
		case field == nil:
			fail(name, printer.FieldErrorEventFailureNotFound)
		case field.Access == forms.Write:
			fail(name, printer.FieldErrorEventFailureNotRead)
		default:
			out = append(out, name)
		}
	}
	for name, field := range all {
		if len(asked) == 0 && field.Access != forms.Write {
			out = append(out, name)
		}
	}
	if err == nil && len(out) == 0 {
		err = host.Fail(printer.ReadFormErrorCodeReadNotSupported, "the form has no field that is read")
	}
	return out, err
}

// scan brings a medium under the lamp.
func (p *Printer) scan(ctx context.Context, cmd *host.Command, prompt string) error {
	if p.lamp == printer.StatusLampInop {
		return host.Fail(printer.ReadFormErrorCodeLampInoperative, "the lamp does not work")
	}
	switch p.at {
	case presented:
		return chassis.Sequence("a medium waits to be taken")
	case nowhere:
		if err := p.awaitMedium(ctx, cmd, prompt); err != nil {
			return err
		}
	}
	if p.faults.Strike(FaultJam) {
		p.at = jammed
		p.changed()
		return host.Fail(printer.ReadFormErrorCodeMediaJammed, "the medium sticks")
	}
	return nil
}

// read gives what stands at the places of a field; "" where nothing does.
func (p *Printer) read(f *forms.Form, def *forms.Media, name string) xfs4iot.Strings {
	size := measured(def)
	n, back, places := press.Where(f, name, press.Paper{DPI: DPI, Width: size.X, Height: size.Y})
	page := p.medium.Page(n, back)
	out := xfs4iot.Strings{}
	for _, place := range places {
		out = append(out, p.readPlace(page, place, f.All()[name].FieldType))
	}
	if len(out) == 0 {
		out = xfs4iot.Strings{""}
	}
	for len(out) > 1 && out[len(out)-1] == "" {
		out = out[:len(out)-1]
	}
	return out
}

func (p *Printer) readPlace(page *press.Page, at image.Rectangle, kind string) string {
	if page == nil {
		return ""
	}
	kinds := []string{kind}
	if kind == forms.Text || kind == forms.OCR {
		kinds = []string{forms.Text, forms.OCR} // letters are letters to a scanner
	}
	for _, k := range kinds {
		if found := page.Text(at, k); len(found) > 0 {
			return found[0]
		}
	}
	return ""
}

func (p *Printer) readImage(ctx context.Context, cmd *host.Command, req *printer.ReadImageCommand) (*printer.ReadImageCompletion, error) {
	p.Lock()
	defer p.Unlock()
	if err := p.ready(); err != nil {
		return nil, err
	}
	switch {
	case is(req.PassportDataGroup1) || is(req.PassportDataGroup2):
		return nil, chassis.Refused("the printer reads no passports")
	case req.FrontImage == nil && req.BackImage == nil:
		return nil, chassis.Invalid("no image is asked for")
	}
	if err := p.scan(ctx, cmd, ""); err != nil {
		return nil, err
	}
	return p.images(req)
}

func (p *Printer) images(req *printer.ReadImageCommand) (*printer.ReadImageCompletion, error) {
	out := &printer.ReadImageCompletionImages{}
	if r := req.FrontImage; r != nil {
		data, err := p.picture(false, string(r.ImageType), string(r.ColorFormat))
		if err != nil {
			return nil, err
		}
		out.Front = &printer.ReadImageCompletionImagesFront{Status: printer.ReadImageCompletionImagesFrontStatusOk, Data: data}
	}
	if r := req.BackImage; r != nil {
		out.Back = &printer.ReadImageCompletionImagesBack{Status: printer.ReadImageCompletionImagesBackStatusMissing}
		if !p.medium.book {
			data, err := p.picture(true, string(r.ImageType), string(r.ColorFormat))
			if err != nil {
				return nil, err
			}
			out.Back = &printer.ReadImageCompletionImagesBack{Status: printer.ReadImageCompletionImagesBackStatusOk, Data: data}
		}
	}
	return &printer.ReadImageCompletion{Images: out}, nil
}

func (p *Printer) picture(back bool, format, colors string) ([]byte, error) {
	page := p.medium.Page(0, back)
	if page == nil {
		return nil, chassis.Sequence("the passbook is closed")
	}
	data, err := scan.Encode(page.Image, or(format, "png"), colors)
	if errors.Is(err, scan.ErrFormat) {
		return nil, chassis.Refused(err.Error())
	}
	return data, err
}

func (p *Printer) mediaExtents(ctx context.Context, cmd *host.Command, req *printer.MediaExtentsCommand) (*printer.MediaExtentsCompletion, error) {
	p.Lock()
	defer p.Unlock()
	if err := p.ready(); err != nil {
		return nil, err
	}
	u := forms.Unit{Base: forms.MM, X: 10, Y: 10}
	if req.Unit != nil {
		u = forms.Unit{Base: string(req.Unit.Base), X: max(value(req.Unit.X), 1), Y: max(value(req.Unit.Y), 1)}
	}
	if !slices.Contains([]string{forms.Inch, forms.MM}, u.Base) {
		return nil, chassis.Refused("media are measured in inch or mm")
	}
	if err := p.scan(ctx, cmd, ""); err != nil {
		return nil, err
	}
	return &printer.MediaExtentsCompletion{X: new(units(p.medium.width, u.Base, u.X)), Y: new(units(p.medium.height, u.Base, u.Y))}, nil
}

// units turns dots into a measure, rounded, at least one.
func units(dots int, base string, parts int) int {
	if base == forms.Inch {
		return max((dots*parts+DPI/2)/DPI, 1)
	}
	return max((dots*parts*254+DPI*5)/(DPI*10), 1)
}
