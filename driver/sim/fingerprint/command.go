package fingerprint

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/plomb-pos/plomb/driver/sim/chassis"
	"github.com/plomb-pos/plomb/xfs4iot/biometric"
	"github.com/plomb-pos/plomb/xfs4iot/host"
)

const format = biometric.DataTypeFormatReservedTemplate1

func ownType() *biometric.DataType { return &biometric.DataType{Format: format} }

// read scans fingers: as many as asked for, each taken off before the next.
func (s *Sensor) read(ctx context.Context, cmd *host.Command, req *biometric.ReadCommand) (*biometric.ReadCompletion, error) {
	s.Lock()
	defer s.Unlock()
	if err := errors.Join(s.ready(), s.readable(req)); err != nil {
		return nil, err
	}
	s.reading = true
	defer func() { s.reading = false; s.changed() }()
	out := &biometric.ReadCompletion{}
	for range max(captures(req.NumCaptures), 1) {
		data, err := s.capture(ctx, cmd)
		if err != nil {
			return nil, err
		}
		if req.Mode != biometric.ReadCommandModeMatch && len(req.DataTypes) > 0 {
			out.DataRead = append(out.DataRead, biometric.BioData{Type: ownType(), Data: data})
		}
	}
	_ = cmd.Event(&biometric.RemoveSubjectEvent{})
	if req.Mode == biometric.ReadCommandModeMatch {
		s.result = s.candidates(*s.criteria)
	}
	return out, nil
}

func captures(n *int) int {
	if n == nil {
		return 1
	}
	return min(*n, maxCapture)
}

func (s *Sensor) readable(req *biometric.ReadCommand) error {
	if req.Mode == biometric.ReadCommandModeMatch && (s.o.Stored || s.criteria == nil) {
		return host.Fail(biometric.ReadErrorCodeModeNotSupported, "matching needs criteria, and a sensor that matches while it reads")
	}
	for _, t := range req.DataTypes {
		switch {
		case t.Algorithm != "" || t.KeyName != "":
			return host.Fail(biometric.ReadErrorCodeKeyNotFound, "the sensor enciphers nothing for its clients")
		case t.Format != format:
			return host.Fail(biometric.ReadErrorCodeFormatNotSupported, "the format is "+string(format))
		}
	}
	return nil
}

// capture asks for a finger and scans it.
func (s *Sensor) capture(ctx context.Context, cmd *host.Command) ([]byte, error) {
	if s.finger == nil || !s.lifted {
		_ = cmd.Event(&biometric.PresentSubjectEvent{})
	}
	s.changed()
	if err := s.Await(ctx, func() bool { return s.finger != nil && s.lifted || s.broken }); err != nil {
		return nil, err
	}
	if err := s.ready(); err != nil {
		return nil, err
	}
	_ = cmd.Event(&biometric.SubjectDetectedEvent{})
	s.lifted = false
	if s.faults.Strike(FaultDirty) {
		s.scanned = nil
		return nil, host.Fail(biometric.ReadErrorCodeReadFailed, "the finger could not be read")
	}
	s.scanned, s.result = new(*s.finger), nil
	return s.scanned.encode(), nil
}

func (s *Sensor) importTemplates(_ context.Context, _ *host.Command, req *biometric.ImportCommand) (*biometric.ImportCompletion, error) {
	s.Lock()
	defer s.Unlock()
	if err := s.ready(); err != nil {
		return nil, err
	}
	prints, err := s.importable(req.Templates)
	if err != nil {
		return nil, err
	}
	all, out, next := maps.Clone(s.templates), map[string]*biometric.DataType{}, s.next
	for _, p := range prints {
		id := fmt.Sprintf("id%d", next)
		next++
		all[id], out[id] = p, ownType()
	}
	if err := s.keep(all); err != nil {
		return nil, chassis.Broken(err.Error())
	}
	s.templates, s.next = all, next
	s.changed()
	return &biometric.ImportCompletion{Templates: out}, nil
}

func (s *Sensor) importable(templates []biometric.BioData) (out []print, err error) {
	if len(templates) == 0 {
		return nil, host.Fail(biometric.ImportErrorCodeInvalidData, "there is no template")
	}
	for _, t := range templates {
		switch {
		case t.Type != nil && (t.Type.Algorithm != "" || t.Type.KeyName != ""):
			return nil, host.Fail(biometric.ImportErrorCodeKeyNotFound, "the sensor has no keys of its clients")
		case t.Type == nil || t.Type.Format != format:
			return nil, host.Fail(biometric.ImportErrorCodeFormatNotSupported, "the format is "+string(format))
		}
		p, err := decode(t.Data)
		if err != nil {
			return nil, host.Fail(biometric.ImportErrorCodeInvalidData, err.Error())
		}
		out = append(out, p)
	}
	if len(s.templates)+len(out) > s.o.Capacity {
		return nil, host.Fail(biometric.ImportErrorCodeCapacityExceeded, "there is no room for so many templates")
	}
	return out, nil
}

// keep makes templates durable in the mode persist.
func (s *Sensor) keep(all map[string]print) error {
	if s.vault == nil || !s.persist {
		return nil
	}
	data := map[string][]byte{}
	for id, p := range all {
		data[id] = p.encode()
	}
	return s.vault.save(data)
}

func (s *Sensor) storageInfo(context.Context, *host.Command, *biometric.GetStorageInfoCommand) (*biometric.GetStorageInfoCompletion, error) {
	s.Lock()
	defer s.Unlock()
	if len(s.templates) == 0 {
		return nil, host.Fail(biometric.GetStorageInfoErrorCodeNoImportedData, "no template was imported")
	}
	out := map[string]*biometric.DataType{}
	for id := range s.templates {
		out[id] = ownType()
	}
	return &biometric.GetStorageInfoCompletion{Templates: out}, nil
}

// chosen reads the criteria of Match and SetMatch, whose failures have the same
// words.
func (s *Sensor) chosen(mode, id string, most, threshold *int) (criteria, error) {
	c := criteria{most: len(s.templates)}
	switch {
	case len(s.templates) == 0:
		return c, host.Fail(biometric.MatchErrorCodeNoImportedData, "no template was imported")
	case threshold == nil:
		return c, host.Fail(biometric.MatchErrorCodeInvalidThreshold, "a threshold is 0 to 100")
	case mode == "verify" && !s.has(id):
		return c, host.Fail(biometric.MatchErrorCodeInvalidIdentifier, "there is no template "+id)
	case mode == "verify":
		c.verify = id
	}
	c.threshold = *threshold
	if most != nil && *most > 0 {
		c.most = *most
	}
	return c, nil
}

func (s *Sensor) has(id string) bool {
	_, ok := s.templates[id]
	return ok
}

func (s *Sensor) setMatch(_ context.Context, _ *host.Command, req *biometric.SetMatchCommand) (*biometric.SetMatchCompletion, error) {
	s.Lock()
	defer s.Unlock()
	if s.o.Stored {
		return nil, host.Fail(biometric.SetMatchErrorCodeModeNotSupported, "the sensor does not match while it reads")
	}
	c, err := s.chosen(string(req.CompareMode), req.Identifier, req.Maximum, req.Threshold)
	if err != nil {
		return nil, err
	}
	s.criteria, s.result = &c, nil
	return nil, nil
}

// match compares the last scan, or gives what a Read in the mode match found.
func (s *Sensor) match(_ context.Context, _ *host.Command, req *biometric.MatchCommand) (*biometric.MatchCompletion, error) {
	s.Lock()
	defer s.Unlock()
	if err := s.ready(); err != nil {
		return nil, err
	}
	if s.scanned == nil {
		return nil, host.Fail(biometric.MatchErrorCodeNoCaptureData, "nothing was scanned")
	}
	c, err := s.chosen(string(req.CompareMode), req.Identifier, req.Maximum, req.Threshold)
	if err != nil {
		return nil, err
	}
	found := s.result
	switch {
	case found == nil:
		found = s.candidates(c)
	case (s.criteria.verify == "") != (c.verify == ""):
		return nil, host.Fail(biometric.MatchErrorCodeInvalidCompareMode, "the finger was read for another comparison")
	}
	out := &biometric.MatchCompletion{Candidates: map[string]*biometric.MatchCompletionCandidatesValue{}}
	for id, level := range found {
		out.Candidates[id] = &biometric.MatchCompletionCandidatesValue{ConfidenceLevel: new(level)}
	}
	if !s.persist {
		s.scanned, s.result = nil, nil
		s.changed()
	}
	return out, nil
}

// candidates are the templates that are at least as alike as asked for, the best
// first if not all are wanted.
func (s *Sensor) candidates(c criteria) map[string]int {
	levels := map[string]int{}
	for id, p := range s.templates {
		if level := s.scanned.compare(p); level >= c.threshold && (c.verify == "" || c.verify == id) {
			levels[id] = level
		}
	}
	best := slices.SortedFunc(maps.Keys(levels), func(a, b string) int { return levels[b] - levels[a] })
	out := map[string]int{}
	for _, id := range best[:min(len(best), c.most)] {
		out[id] = levels[id]
	}
	return out
}

func (s *Sensor) clear(_ context.Context, _ *host.Command, req *biometric.ClearCommand) (*biometric.ClearCompletion, error) {
	s.Lock()
	defer s.Unlock()
	return nil, s.forget(string(req.ClearData))
}

// reset clears as Clear does.
func (s *Sensor) reset(_ context.Context, _ *host.Command, req *biometric.ResetCommand) (*biometric.ResetCompletion, error) {
	s.Lock()
	defer s.Unlock()
	if err := s.ready(); err != nil {
		return nil, err
	}
	return nil, s.forget(string(req.ClearData))
}

// forget clears one kind of data, or all for "", and tells each kind.
func (s *Sensor) forget(what string) error {
	defer s.changed()
	for _, kind := range []string{"scannedData", "importedData", "setMatchedData"} {
		if what != "" && what != kind {
			continue
		}
		switch kind {
		case "scannedData":
			s.scanned, s.result = nil, nil
		case "importedData":
			if err := s.keep(nil); err != nil {
				return chassis.Broken(err.Error())
			}
			s.templates, s.criteria, s.result = map[string]print{}, nil, nil
		case "setMatchedData":
			s.criteria, s.result = nil, nil
		}
		s.Say(&biometric.DataClearedEvent{ClearData: biometric.DataClearedEventClearData(kind)})
	}
	return nil
}

// setPersistence chooses whether templates are on disk. What was there is removed
// with the mode clear.
func (s *Sensor) setPersistence(_ context.Context, _ *host.Command, req *biometric.SetDataPersistenceCommand) (*biometric.SetDataPersistenceCompletion, error) {
	s.Lock()
	defer s.Unlock()
	persist := req.PersistenceMode == biometric.SetDataPersistenceCommandPersistenceModePersist
	if persist && s.vault == nil {
		return nil, host.Fail(biometric.SetDataPersistenceErrorCodeModeNotSupported, "the sensor has nowhere to keep templates")
	}
	if req.PersistenceMode == "" {
		return nil, chassis.Invalid("the mode is missing")
	}
	kept := s.templates
	if !persist {
		kept = nil
	}
	before := s.persist
	s.persist = true
	err := s.keep(kept)
	if s.persist = persist; err != nil {
		s.persist = before
		return nil, chassis.Broken(err.Error())
	}
	s.changed()
	return nil, nil
}
