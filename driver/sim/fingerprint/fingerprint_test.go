package fingerprint_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plomb-pos/plomb/driver/sim/fingerprint"
	"github.com/plomb-pos/plomb/driver/sim/simtest"
	"github.com/plomb-pos/plomb/internal/powercut"
	"github.com/plomb-pos/plomb/xfs4iot/biometric"
)

func serve(t *testing.T, o fingerprint.Options) (*fingerprint.Sensor, *simtest.Client) {
	t.Helper()
	s, err := fingerprint.New("Fingerprint", o)
	if err != nil {
		t.Fatal(err)
	}
	return s, simtest.Serve(t, s.Service())
}

func TestEveryCommandIsServed(t *testing.T) {
	_, c := serve(t, fingerprint.Options{})
	simtest.ServesAll(t, c, biometric.Description)
}

func TestTheSensorKeepsTheSessionRules(t *testing.T) {
	_, c := serve(t, fingerprint.Options{})
	simtest.Conforms(t, c, biometric.Read.Info(), `{"mode":"scan","numCaptures":1}`)
}

var template1 = biometric.DataType{Format: "reservedTemplate1"}

func scan(t *testing.T, s *fingerprint.Sensor, c *simtest.Client, mode biometric.ReadCommandMode, finger string, worn int) *biometric.ReadCompletion {
	t.Helper()
	call := simtest.Start(c, biometric.Read, &biometric.ReadCommand{Mode: mode, NumCaptures: new(1), DataTypes: []biometric.DataType{template1}})
	call.Await(t, &biometric.PresentSubjectEvent{})
	if err := s.Present(finger, worn); err != nil {
		t.Fatal(err)
	}
	got, err := call.End()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Remove(); err != nil {
		t.Fatal(err)
	}
	return got
}

func load(t *testing.T, c *simtest.Client, fingers ...string) {
	t.Helper()
	var all []biometric.BioData
	for _, f := range fingers {
		all = append(all, biometric.BioData{Type: &template1, Data: fingerprint.Template(f)})
	}
	simtest.Must(c, biometric.Import, &biometric.ImportCommand{Templates: all})
}

func levels(m *biometric.MatchCompletion) map[string]int {
	out := map[string]int{}
	for id, c := range m.Candidates {
		out[id] = *c.ConfidenceLevel
	}
	return out
}

func TestAFingerIsReadAndRecognised(t *testing.T) {
	s, c := serve(t, fingerprint.Options{})
	got := scan(t, s, c, "scan", "Eva", 0)
	if len(got.DataRead) != 1 || !bytes.Equal(got.DataRead[0].Data, fingerprint.Template("Eva")) {
		t.Errorf("read %+v", got)
	}
	c.Heard(&biometric.SubjectRemovedEvent{})
	load(t, c, "Tom", "Eva")
	verify := func(id string) map[string]int {
		scan(t, s, c, "scan", "Eva", 25)
		m, _ := simtest.Must(c, biometric.Match, &biometric.MatchCommand{CompareMode: "verify", Identifier: id, Threshold: new(50)})
		return levels(m)
	}
	if diff := cmp.Diff([]map[string]int{{}, {"id2": 75}}, []map[string]int{verify("id1"), verify("id2")}); diff != "" {
		t.Error(diff)
	}
	if _, _, err := simtest.Do(c, biometric.Match, &biometric.MatchCommand{CompareMode: "identity", Threshold: new(50)}); simtest.Code(err) != "noCaptureData" {
		t.Errorf("a scan was kept in the mode clear: %v", err)
	}
}

func TestASensorMatchesWhileItReads(t *testing.T) {
	s, c := serve(t, fingerprint.Options{})
	read := &biometric.ReadCommand{Mode: "match", NumCaptures: new(1)}
	if _, _, err := simtest.Do(c, biometric.Read, read); simtest.Code(err) != "modeNotSupported" {
		t.Errorf("without criteria = %v", err)
	}
	load(t, c, "Eva", "Tom", "Ida")
	simtest.Must(c, biometric.SetMatch, &biometric.SetMatchCommand{CompareMode: "identity", Maximum: new(1), Threshold: new(20)})
	scan(t, s, c, "match", "Ida", 10)
	m, _ := simtest.Must(c, biometric.Match, &biometric.MatchCommand{CompareMode: "identity", Threshold: new(20)})
	if got := levels(m); got["id3"] < 85 || len(got) != 1 {
		t.Errorf("candidates %v", got)
	}
	scan(t, s, c, "match", "Ida", 0)
	if _, _, err := simtest.Do(c, biometric.Match, &biometric.MatchCommand{CompareMode: "verify", Identifier: "id1", Threshold: new(20)}); simtest.Code(err) != "invalidCompareMode" {
		t.Errorf("another comparison = %v", err)
	}
	_, c = serve(t, fingerprint.Options{Stored: true})
	load(t, c, "Eva")
	if _, _, err := simtest.Do(c, biometric.SetMatch, &biometric.SetMatchCommand{CompareMode: "identity", Threshold: new(20)}); simtest.Code(err) != "modeNotSupported" {
		t.Errorf("a sensor that only scans = %v", err)
	}
}

func TestWrongTemplatesAreRefused(t *testing.T) {
	_, c := serve(t, fingerprint.Options{Capacity: 1})
	good := fingerprint.Template("Eva")
	changed := bytes.Clone(good)
	changed[20]++
	one := func(data []byte, typ biometric.DataType) []biometric.BioData {
		return []biometric.BioData{{Type: &typ, Data: data}}
	}
	for code, templates := range map[string][]biometric.BioData{
		"invalidData": one(changed, template1), "formatNotSupported": one(good, biometric.DataType{Format: "isoFmd"}),
		"keyNotFound":      one(good, biometric.DataType{Format: "reservedTemplate1", Algorithm: "cbc", KeyName: "K"}),
		"capacityExceeded": append(one(good, template1), one(good, template1)...),
	} {
		if _, _, err := simtest.Do(c, biometric.Import, &biometric.ImportCommand{Templates: templates}); simtest.Code(err) != code {
			t.Errorf("want %s, ended with %v", code, err)
		}
	}
	if _, _, err := simtest.Do(c, biometric.GetStorageInfo, &biometric.GetStorageInfoCommand{}); simtest.Code(err) != "noImportedData" {
		t.Errorf("storage info of nothing = %v", err)
	}
}

func TestFaultsOfReading(t *testing.T) {
	s, c := serve(t, fingerprint.Options{})
	s.Arm(fingerprint.FaultDirty, 0)
	call := simtest.Start(c, biometric.Read, &biometric.ReadCommand{Mode: "scan", NumCaptures: new(1)})
	call.Await(t, &biometric.PresentSubjectEvent{})
	s.Arm(fingerprint.FaultCrooked, 0)
	if err := s.Present("Eva", 0); err != nil {
		t.Fatal(err)
	}
	c.Heard(&biometric.OrientationEvent{})
	if err := s.Present("Eva", 0); err != nil {
		t.Fatal(err)
	}
	if _, err := call.End(); simtest.Code(err) != "readFailed" {
		t.Errorf("a dirty finger = %v", err)
	}
	s.SetBroken(true)
	if _, _, err := simtest.Do(c, biometric.Reset, &biometric.ResetCommand{}); simtest.Code(err) != "hardwareError" {
		t.Errorf("a broken sensor = %v", err)
	}
}

func TestTemplatesAreKeptEncipheredAndCleared(t *testing.T) {
	disk := powercut.New()
	if err := disk.Mkdir("finger"); err != nil {
		t.Fatal(err)
	}
	o := fingerprint.Options{FS: disk, Directory: "finger", KeyFile: "key"}
	_, c := serve(t, o)
	load(t, c, "Eva")
	data, err := disk.ReadFile("finger/templates.bin")
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(data, []byte("PLT1")) || bytes.Contains(data, []byte("UExUM")) { // plain, or in base64
		t.Error("the template lies on the disk as it is")
	}
	o.FS = disk.Cut(nil, powercut.KeepAll)
	_, c = serve(t, o)
	load(t, c, "Tom")
	got, _ := simtest.Must(c, biometric.GetStorageInfo, &biometric.GetStorageInfoCommand{})
	if _, ok := got.Templates["id2"]; !ok || len(got.Templates) != 2 {
		t.Errorf("templates %v", got.Templates)
	}
	simtest.Must(c, biometric.SetDataPersistence, &biometric.SetDataPersistenceCommand{PersistenceMode: "clear"})
	simtest.Must(c, biometric.SetDataPersistence, &biometric.SetDataPersistenceCommand{PersistenceMode: "persist"})
	simtest.Must(c, biometric.Clear, &biometric.ClearCommand{})
	var kinds []string
	for range 3 {
		var e biometric.DataClearedEvent
		c.Heard(&e)
		kinds = append(kinds, string(e.ClearData))
	}
	if !slices.Equal(kinds, []string{"scannedData", "importedData", "setMatchedData"}) {
		t.Errorf("cleared %q", kinds)
	}
	again, err := fingerprint.New("F", o)
	if err != nil || len(again.State().(fingerprint.State).Templates) != 0 {
		t.Errorf("after clearing: %v", err)
	}
	if err := disk.Flip("finger/templates.bin", 30, 1); err != nil {
		t.Fatal(err)
	}
	if _, err := fingerprint.New("F", fingerprint.Options{FS: disk, Directory: "finger", KeyFile: "key"}); err == nil {
		t.Error("a changed file was taken")
	}
	_, c = serve(t, fingerprint.Options{})
	if _, _, err := simtest.Do(c, biometric.SetDataPersistence, &biometric.SetDataPersistenceCommand{PersistenceMode: "persist"}); simtest.Code(err) != "modeNotSupported" {
		t.Errorf("persist without a key = %v", err)
	}
}

func FuzzImport(f *testing.F) {
	f.Add(fingerprint.Template("Eva"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if fingerprint.Known(data) && !bytes.Equal(fingerprint.Again(data), data) {
			t.Errorf("%x is taken and written otherwise", data)
		}
	})
}

func ExampleTemplate() {
	fmt.Println(len(fingerprint.Template("Eva")), bytes.Equal(fingerprint.Template("Eva"), fingerprint.Template("Tom")))
	// Output: 105 false
}
