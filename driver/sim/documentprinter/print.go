package documentprinter

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/draw"
	_ "image/gif"  // decoders of PrintNative
	_ "image/jpeg" // the same
	_ "image/png"  // the same
	"slices"
	"strings"
	"unicode"

	_ "golang.org/x/image/bmp" // the same
	"golang.org/x/text/encoding/charmap"

	"github.com/plomb-pos/plomb/driver/forms"
	"github.com/plomb-pos/plomb/driver/forms/press"
	"github.com/plomb-pos/plomb/driver/sim/chassis"
	"github.com/plomb-pos/plomb/xfs4iot"
	"github.com/plomb-pos/plomb/xfs4iot/host"
	"github.com/plomb-pos/plomb/xfs4iot/printer"
)

func (p *Printer) printForm(ctx context.Context, cmd *host.Command, req *printer.PrintFormCommand) (*printer.PrintFormCompletion, error) {
	p.Lock()
	defer p.Unlock()
	f, def, err := p.ask(req)
	if err != nil {
		return nil, err
	}
	paper := p.paperFor(f, def, req)
	job, problems := press.Set(f, values(req.Fields), paper)
	if err := p.tellProblems(cmd, req.FormName, problems); err != nil {
		return nil, err
	}
	if err := p.obtain(ctx, cmd, or(req.PaperSource, def.Source), f.UserPrompt, p.mediaFor(req.MediaName, def), def, job.Pages); err != nil {
		return nil, err
	}
	defer p.changed()
	if p.medium.width < paper.Width || p.medium.height < paper.Height {
		return nil, host.Fail(printer.PrintFormErrorCodeMediaSize, "the medium is smaller than "+req.MediaName)
	}
	if err := p.press(len(p.medium.leaves), func() error { return job.Print(p.medium) }); err != nil {
		return nil, err
	}
	return nil, p.control(cmd, nullable(req.MediaControl))
}

func or(a, b string) string {
	if a == "" {
		return b
	}
	return a
}

// mediaFor is what a medium from a tray is called.
func (p *Printer) mediaFor(name string, def *forms.Media) string {
	return or(name, map[string]string{Upper: "A4", Lower: "A5"}[def.Source])
}

// ask finds the form and the medium of a request, and refuses what the printer does
// not have.
func (p *Printer) ask(req *printer.PrintFormCommand) (*forms.Form, *forms.Media, error) {
	if err := p.ready(); err != nil {
		return nil, nil, err
	}
	f, def := p.defs.Forms[req.FormName], p.medium0(req.MediaName, req.PaperSource)
	switch {
	case f == nil:
		return nil, nil, host.Fail(printer.PrintFormErrorCodeFormNotFound, "there is no such form")
	case def == nil:
		return nil, nil, host.Fail(printer.PrintFormErrorCodeMediaNotFound, "there is no such medium")
	case req.Resolution != "" && req.Resolution != printer.PrintFormCommandResolutionMedium:
		return nil, nil, chassis.Refused("the resolution is medium")
	case !p.source(req.PaperSource):
		return nil, nil, host.Fail(printer.PrintFormErrorCodeSourceInvalid, "the paper sources are upper, lower and external")
	}
	for _, field := range f.All() {
		if field.FieldType == forms.MSF {
			return nil, nil, host.Fail(printer.PrintFormErrorCodeNoMSF, "the printer writes no magnetic stripes")
		}
	}
	for _, lines := range req.Fields {
		if slices.ContainsFunc(lines, func(s string) bool { return strings.ContainsFunc(s, unprintable) }) {
			return nil, nil, host.Fail(printer.PrintFormErrorCodeCharSetData, "control characters cannot be printed")
		}
	}
	return f, def, supported(nullable(req.MediaControl))
}

func unprintable(r rune) bool { return unicode.IsControl(r) && r != '\n' }

func (p *Printer) source(name string) bool {
	return slices.Contains([]string{"", "any", Upper, Lower, Slot}, name)
}

// medium0 is the definition of a medium by name, or of what lies in a tray, or of
// what is inside.
func (p *Printer) medium0(name, source string) *forms.Media {
	switch {
	case name != "":
		return p.defs.Media[name]
	case p.medium != nil:
		per := &forms.Media{Unit: forms.Unit{Base: forms.Inch, X: DPI, Y: DPI}, Size: forms.Size{Width: p.medium.width, Height: p.medium.height}, Source: "any"}
		return per
	}
	tray := &forms.Media{MediaType: "generic", Unit: forms.Unit{Base: forms.MM, X: 1, Y: 1}, Size: forms.Size{Width: 210, Height: 297}, Source: Upper, Page: 1}
	if source == Lower || source == Slot {
		tray.Size, tray.Source = forms.Size{Width: 148, Height: 210}, source
	}
	return tray
}

func (p *Printer) paperFor(f *forms.Form, def *forms.Media, req *printer.PrintFormCommand) press.Paper {
	size := measured(def)
	paper := press.Paper{DPI: DPI, Width: size.X, Height: size.Y, Area: area(def, def.PrintArea), Restricted: area(def, def.Restricted)}
	if req.Alignment != "" && req.Alignment != printer.PrintFormCommandAlignmentFormDefinition {
		paper.Relative = string(req.Alignment)
		paper.Offset = new(image.Point)
	}
	if req.OffsetX != nil || req.OffsetY != nil {
		paper.Offset = &image.Point{tenths(f.Unit.Tenths(value(req.OffsetX), true, f.CPI, f.LPI)), tenths(f.Unit.Tenths(value(req.OffsetY), false, f.CPI, f.LPI))}
	}
	return paper
}

func value(n *int) int {
	if n == nil {
		return 0
	}
	return min(*n, 1_000_000)
}

func values(fields map[string]xfs4iot.Strings) map[string][]string {
	out := map[string][]string{}
	for name, v := range fields {
		out[name] = v
	}
	return out
}

// tellProblems sends an event for each; a fatal one ends the command.
func (p *Printer) tellProblems(cmd *host.Command, form string, problems []press.Problem) error {
	for _, pr := range problems {
		if pr.Fatal {
			_ = cmd.Event(&printer.FieldErrorEvent{FormName: form, FieldName: pr.Field, Failure: printer.FieldErrorEventFailure(pr.Failure)})
		} else {
			_ = cmd.Event(&printer.FieldWarningEvent{FormName: form, FieldName: pr.Field, Failure: printer.FieldWarningEventFailure(pr.Failure)})
		}
	}
	if press.Fatal(problems) {
		return host.Fail(printer.PrintFormErrorCodeFieldError, "nothing was printed")
	}
	return nil
}

// obtain brings a medium into the printer unless there is one.
func (p *Printer) obtain(ctx context.Context, cmd *host.Command, source, prompt, name string, def *forms.Media, leaves int) error {
	switch {
	case p.at == presented:
		return host.Fail(printer.PrintFormErrorCodeSequenceInvalid, "a medium waits to be taken")
	case p.at == inside:
		return nil
	case source == Slot:
		return p.awaitMedium(ctx, cmd, prompt)
	case source == "any" || source == "":
		source = Upper
		if p.trays[Upper] < leaves {
			source = Lower
		}
	}
	return p.pull(source, name, def, leaves)
}

// pull takes sheets from a tray.
func (p *Printer) pull(source, name string, def *forms.Media, leaves int) error {
	if _, ok := p.trays[source]; !ok {
		return host.Fail(printer.PrintFormErrorCodeSourceInvalid, "there is no paper source "+source)
	}
	if p.trays[source] < leaves {
		return host.Fail(printer.PrintFormErrorCodePaperOut, "the tray has too few sheets")
	}
	p.trays[source] -= leaves
	p.medium, p.at, p.retracted = p.fresh(name, def, leaves), inside, false
	defer p.changed()
	if p.faults.Strike(FaultPaperJam) {
		p.at = jammed
		return host.Fail(printer.PrintFormErrorCodePaperJammed, "a sheet sticks")
	}
	return nil
}

// awaitMedium waits until a customer puts something into the slot.
func (p *Printer) awaitMedium(ctx context.Context, cmd *host.Command, prompt string) error {
	p.waiting, p.rejected, p.prompt = true, "", prompt
	_ = cmd.Event(&printer.NoMediaEvent{UserPrompt: prompt})
	p.changed()
	err := p.Await(ctx, func() bool { return p.medium != nil || p.rejected != "" || p.off })
	p.waiting, p.prompt = false, ""
	defer p.changed()
	switch {
	case err != nil:
		return err
	case p.off:
		return p.ready()
	case p.rejected != "":
		_ = cmd.Event(&printer.MediaRejectedEvent{Reason: printer.MediaRejectedEventReason(p.rejected)})
		return host.Fail(printer.ReadFormErrorCodeMediaRejected, "the medium came out again: "+p.rejected)
	case p.at == jammed:
		return host.Fail(printer.PrintFormErrorCodeMediaJammed, "the medium sticks")
	}
	_ = cmd.Event(&printer.MediaInsertedEvent{})
	return nil
}

// press lets the ink flow unless something is in its way.
func (p *Printer) press(leaves int, ink func() error) error {
	switch {
	case p.toner < leaves:
		return host.Fail(printer.PrintFormErrorCodeTonerOut, "there is no toner")
	case p.blackMark && p.faults.Strike(FaultBlackMark):
		return host.Fail(printer.PrintFormErrorCodeBlackMark, "the black mark was not found")
	case p.faults.Strike(FaultSkew):
		return host.Fail(printer.PrintFormErrorCodeMediaSkewed, "the medium lies askew")
	case p.faults.Strike(FaultJam):
		p.at = jammed
		return host.Fail(printer.PrintFormErrorCodeMediaJammed, "the medium sticks")
	}
	if err := ink(); err != nil {
		return host.Fail(printer.PrintFormErrorCodeMediaOverflow, err.Error())
	}
	p.toner -= min(leaves, p.toner)
	p.medium.version++
	if p.faults.Strike(FaultPower) {
		p.off = true
		return chassis.Broken("power was lost after printing")
	}
	return nil
}

// printRaw prints text on the sheet that is inside, or a new one; a form feed
// presents it.
func (p *Printer) printRaw(ctx context.Context, cmd *host.Command, req *printer.PrintRawCommand) (*printer.PrintRawCompletion, error) {
	p.Lock()
	defer p.Unlock()
	if err := p.ready(); err != nil {
		return nil, err
	}
	if req.InputData == printer.PrintRawCommandInputDataYes {
		return nil, chassis.Refused("the printer sends no data back")
	}
	text, err := charmap.Windows1252.NewDecoder().Bytes(req.Data)
	if err != nil || len(text) > 1<<20 {
		return nil, chassis.Invalid("raw data is text of up to a mebibyte")
	}
	for _, page := range pages(string(text)) {
		if err := p.rawPage(ctx, cmd, page.text); err != nil {
			return nil, err
		}
		if !page.fed {
			break
		}
		if err := p.control(cmd, &printer.MediaControl{Move: printer.MediaControlMoveEject}); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

type rawPage struct {
	text string
	fed  bool // a form feed ends it
}

func pages(text string) (out []rawPage) {
	parts := strings.Split(text, "\f")
	for n, part := range parts {
		last := n == len(parts)-1
		if !last || part != "" {
			out = append(out, rawPage{part, !last})
		}
	}
	return out
}

func (p *Printer) rawPage(ctx context.Context, cmd *host.Command, text string) error {
	def := p.medium0("", Upper)
	if err := p.obtain(ctx, cmd, Upper, "", "A4", def, 1); err != nil {
		return err
	}
	defer p.changed()
	return p.press(1, func() error { return p.medium.typed(text, forms.Text) })
}

// typed prints lines from the top of a page on, as a typewriter does.
func (m *medium) typed(text, kind string) error {
	columns, rows := m.width*10/DPI-2, m.height*6/DPI-2
	if columns < 1 || rows < 1 {
		return press.ErrNoRoom
	}
	f := &forms.Form{Unit: forms.Unit{Base: forms.RowColumn, X: 1, Y: 1}, Size: forms.Size{Width: columns, Height: rows}, CPI: 10, LPI: 6,
		Alignment: &forms.Alignment{Relative: "topLeft", X: 1, Y: 1}, Fields: map[string]*forms.Field{"LINE": {
			Position: &forms.Position{}, Size: &forms.Size{Width: columns, Height: 1}, Index: &forms.Index{RepeatCount: rows, Y: 1},
			FieldType: kind, Overflow: forms.Truncate, Color: "black", Side: "front",
		}}}
	lines := strings.Split(strings.Map(dropControls, text), "\n")
	job, _ := press.Set(f, map[string][]string{"LINE": lines[:min(len(lines), rows)]}, press.Paper{DPI: DPI, Width: m.width, Height: m.height})
	return job.Print(m)
}

func dropControls(r rune) rune {
	if unprintable(r) {
		return -1
	}
	return r
}

// maxPicture bounds the edge of a picture that is printed.
const maxPicture = 4096

// printNative prints a picture, a pixel a dot, from the upper left corner.
func (p *Printer) printNative(ctx context.Context, cmd *host.Command, req *printer.PrintNativeCommand) (*printer.PrintNativeCompletion, error) {
	p.Lock()
	defer p.Unlock()
	if err := errors.Join(p.ready(), supported(nullable(req.MediaControl))); err != nil {
		return nil, err
	}
	if !p.source(req.PaperSource) {
		return nil, host.Fail(printer.PrintNativeErrorCodeSourceInvalid, "the paper sources are upper, lower and external")
	}
	c, _, err := image.DecodeConfig(bytes.NewReader(req.Data))
	if err != nil || c.Width > maxPicture || c.Height > maxPicture {
		return nil, chassis.Refused("native data is a picture: PNG, JPEG, GIF or BMP")
	}
	picture, _, err := image.Decode(bytes.NewReader(req.Data))
	if err != nil {
		return nil, chassis.Invalid("the picture is damaged")
	}
	def := p.medium0("", req.PaperSource)
	if err := p.obtain(ctx, cmd, or(req.PaperSource, def.Source), "", p.mediaFor("", def), def, 1); err != nil {
		return nil, err
	}
	defer p.changed()
	if err := p.press(1, func() error { return p.medium.paint(picture) }); err != nil {
		return nil, err
	}
	return nil, p.control(cmd, nullable(req.MediaControl))
}

func (m *medium) paint(picture image.Image) error {
	page := m.Page(0, false)
	if page == nil || picture.Bounds().Dx() > m.width || picture.Bounds().Dy() > m.height {
		return press.ErrNoRoom
	}
	draw.Draw(page.Image, image.Rectangle{Max: picture.Bounds().Size()}, picture, picture.Bounds().Min, draw.Over)
	return nil
}
