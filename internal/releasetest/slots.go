package releasetest

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/slot"
)

// Slots is a launcher's device with releases of one program, all that plomb-boot looks
// at and no more: a maker whose key alone its boot policy asks for, and no repository.
// Its methods end the test when they fail.
//
//	s := releasetest.NewSlots(t, "bin/till", text)
//	s.Release(first, 1)          // plomb-boot init --root s.Root --policy s.Policy --device s.Facts --release first
//	s.Propose(2, slot.Return)    // installed into the other slot, and to be tried
type Slots struct {
	testing.TB
	Root    string   // of the device; plomb-boot init makes it
	Policy  string   // file for plomb-boot init
	Facts   string   // file for plomb-boot init
	Program []byte   // of every version, with its counter behind it
	Tests   []string // self-tests that releases name
	Strict  bool     // releases let none before them start

	path   string
	signer note.Signer
}

// NewSlots makes keys and files; path is where the program lies in a slot.
func NewSlots(t testing.TB, path string, program []byte) *Slots {
	t.Helper()
	dir := t.TempDir()
	s := &Slots{
		TB: t, Root: filepath.Join(dir, "device"), Policy: filepath.Join(dir, "policy"), Facts: filepath.Join(dir, "facts"),
		Program: program, Tests: []string{"journal"}, path: path,
	}
	skey, vkey, err := note.GenerateKey(rand.Reader, Maker)
	s.must(err)
	s.signer, err = note.NewSigner(skey)
	s.must(err)
	s.write(s.Policy, []byte(`{"format":"plomb-boot-policy/1","serial":1,"legal":"maker-only","maker":{"name":"maker","threshold":1,"keys":["`+vkey+`"]}}`))
	s.write(s.Facts, []byte(`{"model":"TIL","jurisdiction":"DE"}`))
	return s
}

// Release writes a signed release into a folder.
func (s *Slots) Release(dir string, counter uint64) *manifest.Manifest {
	s.Helper()
	program := fmt.Appendf(bytes.Clone(s.Program), "version %d", counter)
	c, err := manifest.Measure(bytes.NewReader(program))
	s.must(err)
	m := &manifest.Manifest{
		Format: manifest.Format, Identity: manifest.Identity(fmt.Sprintf("0PLMTIL%02d-20261122", counter)), Scope: manifest.Application,
		Counter: counter, Floor: max(counter-1, 1), Legal: true, Issued: time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC), Jurisdictions: []string{"DE"}, Certificate: "DE-26-M-0001",
		Components:    []manifest.Component{{Name: "program", Kind: manifest.Program, Legal: true, Path: s.path, Mode: 0o755, Length: c.Length, SHA256: c.SHA256, Root: c.Root}},
		Compatibility: manifest.Compatibility{Platforms: []string{runtime.GOOS + "/" + runtime.GOARCH}},
		Tests:         s.Tests,
	}
	if s.Strict {
		m.Floor = 0
	}
	s.Write(dir, m, map[string][]byte{s.path: program})
	return m
}

// Write signs any release and writes it into a folder with its files, by their paths.
func (s *Slots) Write(dir string, m *manifest.Manifest, files map[string][]byte) {
	s.Helper()
	encoded := s.encoded(m)
	signed, err := manifest.Sign(encoded, s.signer)
	s.must(err)
	s.write(filepath.Join(dir, slot.ManifestFile), encoded)
	s.write(filepath.Join(dir, slot.NoteFile), signed)
	for name, data := range files {
		s.write(filepath.Join(dir, filepath.FromSlash(name)), data)
	}
}

// Propose writes a release into the slot that is not active, as an agent does, and names
// it as a trial.
func (s *Slots) Propose(counter uint64, f slot.Fallback) {
	s.Helper()
	s.must(os.RemoveAll(s.Idle()))
	s.Point(s.Release(s.Idle(), counter), f)
}

// Idle is the folder of the slot that is not active.
func (s *Slots) Idle() string {
	s.Helper()
	return filepath.Join(s.Root, "slots", s.Table().Table().Active.Other().String())
}

// Point names a release that lies in the slot that is not active as a trial.
func (s *Slots) Point(m *manifest.Manifest, f slot.Fallback) {
	s.Helper()
	file := s.Table()
	next, err := file.Table().Propose(m, manifest.Sum(s.encoded(m)), f)
	s.must(err)
	s.must(file.Write(next))
}

// Table is the device's table as it is on the disk now.
func (s *Slots) Table() *slot.File {
	s.Helper()
	f, _, err := slot.Open(durable.OS{}, filepath.Join(s.Root, "boot", "table"))
	s.must(err)
	return f
}

func (s *Slots) encoded(m *manifest.Manifest) []byte {
	s.Helper()
	text, err := m.Encode()
	s.must(err)
	return text
}

func (s *Slots) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *Slots) write(name string, data []byte) {
	s.Helper()
	s.must(os.MkdirAll(filepath.Dir(name), 0o755))
	s.must(os.WriteFile(name, data, 0o600))
}
