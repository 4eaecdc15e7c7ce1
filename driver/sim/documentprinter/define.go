package documentprinter

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"

	"github.com/plomb-pos/plomb/driver/forms"
	"github.com/plomb-pos/plomb/driver/sim/chassis"
	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/xfs4iot/host"
	"github.com/plomb-pos/plomb/xfs4iot/printer"
)

// definitionStore keeps the definitions as text; without a file system it keeps
// nothing.
type definitionStore struct {
	fsys   durable.FS
	folder string
}

const definitionFile = "definitions.txt"

func (d definitionStore) load() (forms.Definitions, error) {
	text := firstDefinitions
	if d.fsys != nil {
		data, err := durable.ReadFile(d.fsys, path.Join(d.folder, definitionFile), forms.MaxText)
		switch {
		case err == nil:
			text = string(data)
		case !errors.Is(err, fs.ErrNotExist):
			return forms.Definitions{}, fmt.Errorf("read definitions: %w", err)
		}
	}
	defs, err := forms.Parse(text)
	if err != nil {
		return defs, fmt.Errorf("read definitions: %w", err)
	}
	return defs, nil
}

// errTooMany says that the definitions would not be read again.
var errTooMany = fmt.Errorf("all definitions together have at most %d bytes", forms.MaxText)

func (d definitionStore) save(defs forms.Definitions) error {
	text := defs.Text()
	if len(text) > forms.MaxText {
		return errTooMany
	}
	if _, err := forms.Parse(text); err != nil { // control characters in a string
		return fmt.Errorf("a definition that cannot be written as text: %w", err)
	}
	if d.fsys == nil {
		return nil
	}
	if err := durable.Replace(d.fsys, path.Join(d.folder, definitionFile), []byte(text)); err != nil {
		return fmt.Errorf("keep definitions: %w", err)
	}
	return nil
}

func (p *Printer) handleDefinitions(s *host.Service) {
	host.Handle(s, printer.GetFormList, p.formList)
	host.Handle(s, printer.GetMediaList, p.mediaList)
	host.Handle(s, printer.GetQueryForm, p.queryForm)
	host.Handle(s, printer.GetQueryField, p.queryField)
	host.Handle(s, printer.GetQueryMedia, p.queryMedia)
	host.Handle(s, printer.SetForm, p.setForm)
	host.Handle(s, printer.SetMedia, p.setMedia)
	host.Handle(s, printer.LoadDefinition, p.loadDefinition)
}

func (p *Printer) formList(context.Context, *host.Command, *printer.GetFormListCommand) (*printer.GetFormListCompletion, error) {
	p.Lock()
	defer p.Unlock()
	return &printer.GetFormListCompletion{FormList: slices.Sorted(maps.Keys(p.defs.Forms))}, nil
}

func (p *Printer) mediaList(context.Context, *host.Command, *printer.GetMediaListCommand) (*printer.GetMediaListCompletion, error) {
	p.Lock()
	defer p.Unlock()
	return &printer.GetMediaListCompletion{MediaList: slices.Sorted(maps.Keys(p.defs.Media))}, nil
}

func (p *Printer) queryForm(_ context.Context, _ *host.Command, req *printer.GetQueryFormCommand) (*printer.GetQueryFormCompletion, error) {
	p.Lock()
	defer p.Unlock()
	f := p.defs.Forms[req.FormName]
	if f == nil {
		return nil, host.Fail(printer.GetQueryFormErrorCodeFormNotFound, "there is no such form")
	}
	out, err := f.Query()
	return &printer.GetQueryFormCompletion{Form: out}, err
}

func (p *Printer) queryField(_ context.Context, _ *host.Command, req *printer.GetQueryFieldCommand) (*printer.GetQueryFieldCompletion, error) {
	p.Lock()
	defer p.Unlock()
	f := p.defs.Forms[req.FormName]
	if f == nil {
		return nil, host.Fail(printer.GetQueryFieldErrorCodeFormNotFound, "there is no such form")
	}
	fields, err := f.QueryFields(req.FieldName)
	if fields == nil && err == nil {
		return nil, host.Fail(printer.GetQueryFieldErrorCodeFieldNotFound, "there is no such field")
	}
	return &printer.GetQueryFieldCompletion{Fields: fields}, err
}

func (p *Printer) queryMedia(_ context.Context, _ *host.Command, req *printer.GetQueryMediaCommand) (*printer.GetQueryMediaCompletion, error) {
	p.Lock()
	defer p.Unlock()
	m := p.defs.Media[req.Name]
	if m == nil {
		return nil, host.Fail(printer.GetQueryMediaErrorCodeMediaNotFound, "there is no such medium")
	}
	out, err := m.Query()
	return &printer.GetQueryMediaCompletion{Media: out}, err
}

// change makes new definitions durable, then true.
func (p *Printer) change(change func(forms.Definitions)) error {
	next := forms.Definitions{Forms: maps.Clone(p.defs.Forms), Media: maps.Clone(p.defs.Media)}
	change(next)
	if err := p.store.save(next); err != nil {
		return err
	}
	p.defs = next
	p.changed()
	return nil
}

// setForm sets a form, or removes it when none is given.
func (p *Printer) setForm(_ context.Context, _ *host.Command, req *printer.SetFormCommand) (*printer.SetFormCompletion, error) {
	p.Lock()
	defer p.Unlock()
	switch {
	case !named(req.Name):
		return nil, chassis.Invalid("a form has a name of up to 256 bytes")
	case req.Form == nil && p.defs.Forms[req.Name] == nil:
		return nil, host.Fail(printer.SetFormErrorCodeFormNotFound, "there is no such form")
	case req.Form == nil:
		return nil, p.change(func(d forms.Definitions) { delete(d.Forms, req.Name) })
	}
	f, err := forms.FromSetForm(req.Name, req.Form)
	if err == nil {
		err = p.change(func(d forms.Definitions) { d.Forms[req.Name] = f })
	}
	if err != nil {
		return nil, host.Fail(printer.SetFormErrorCodeFormInvalid, err.Error())
	}
	p.Say(&printer.DefinitionLoadedEvent{Name: req.Name, Type: printer.DefinitionLoadedEventTypeForm})
	return nil, nil
}

func named(name string) bool { return name != "" && len(name) <= 256 }

func (p *Printer) setMedia(_ context.Context, _ *host.Command, req *printer.SetMediaCommand) (*printer.SetMediaCompletion, error) {
	p.Lock()
	defer p.Unlock()
	switch {
	case !named(req.Name):
		return nil, chassis.Invalid("a medium has a name of up to 256 bytes")
	case req.Media == nil && p.defs.Media[req.Name] == nil:
		return nil, host.Fail(printer.SetMediaErrorCodeMediaNotFound, "there is no such medium")
	case req.Media == nil:
		return nil, p.change(func(d forms.Definitions) { delete(d.Media, req.Name) })
	}
	m, err := forms.FromSetMedia(req.Name, req.Media)
	if err == nil {
		err = p.change(func(d forms.Definitions) { d.Media[req.Name] = m })
	}
	if err != nil {
		return nil, host.Fail(printer.SetMediaErrorCodeMediaInvalid, err.Error())
	}
	p.Say(&printer.DefinitionLoadedEvent{Name: req.Name, Type: printer.DefinitionLoadedEventTypeMedia})
	return nil, nil
}

// loadDefinition reads a text in the definition language: all of it or nothing.
func (p *Printer) loadDefinition(_ context.Context, _ *host.Command, req *printer.LoadDefinitionCommand) (*printer.LoadDefinitionCompletion, error) {
	p.Lock()
	defer p.Unlock()
	loaded, err := forms.Parse(req.Definition)
	if err != nil {
		return nil, host.Fail(printer.LoadDefinitionErrorCodeFormInvalid, err.Error())
	}
	if name, known := p.defined(loaded); known && (req.Overwrite == nil || !*req.Overwrite) {
		return nil, host.Fail(printer.LoadDefinitionErrorCodeDefinitionExists, name+" is defined already")
	}
	err = p.change(func(d forms.Definitions) {
		maps.Copy(d.Forms, loaded.Forms)
		maps.Copy(d.Media, loaded.Media)
	})
	if err != nil {
		return nil, host.Fail(printer.LoadDefinitionErrorCodeFormInvalid, err.Error())
	}
	p.tellLoaded(loaded)
	return nil, nil
}

func (p *Printer) defined(d forms.Definitions) (string, bool) {
	for name := range d.Forms {
		if p.defs.Forms[name] != nil {
			return name, true
		}
	}
	for name := range d.Media {
		if p.defs.Media[name] != nil {
			return name, true
		}
	}
	return "", false
}

func (p *Printer) tellLoaded(d forms.Definitions) {
	for _, name := range slices.Sorted(maps.Keys(d.Forms)) {
		p.Say(&printer.DefinitionLoadedEvent{Name: name, Type: printer.DefinitionLoadedEventTypeForm})
	}
	for _, name := range slices.Sorted(maps.Keys(d.Media)) {
		p.Say(&printer.DefinitionLoadedEvent{Name: name, Type: printer.DefinitionLoadedEventTypeMedia})
	}
}
