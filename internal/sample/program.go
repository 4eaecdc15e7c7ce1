package sample

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/release"
)

// stamp begins what is written behind a program, so that two versions made of the same
// build are not the same bytes. No system looks there.
const stamp = "\nplomb sample release "

// notesPath is a component that is not legally relevant.
const notesPath = "data/whats-new.txt"

// prepare writes the components of a version.
func prepare(dir string, v Version, identity manifest.Identity, over made) ([]release.Source, error) {
	if v.Image != "" {
		return system(v, over), nil
	}
	program, err := os.ReadFile(v.Program)
	if err != nil {
		return nil, fmt.Errorf("read the program to release: %w", err)
	}
	program = stamped(program, identity)
	if v.Spoiled {
		if err := spoil(program); err != nil {
			return nil, fmt.Errorf("spoil a copy of %s: %w", v.Program, err)
		}
	}
	file, notes := filepath.Join(dir, "plomb"), filepath.Join(dir, "whats-new.txt")
	if err := os.WriteFile(file, program, 0o755); err != nil {
		return nil, err
	}
	if err := os.WriteFile(notes, []byte(consent(identity)[1].Text+"\n"), 0o644); err != nil {
		return nil, err
	}
	out := []release.Source{
		{Name: "plomb", Kind: manifest.Program, Path: programPath, Mode: 0o755, File: file},
		{Name: "whats-new", Kind: manifest.Data, Path: notesPath, File: notes},
	}
	for i := range out {
		if old := over.component(out[i].Path); old != "" {
			out[i].Old = []string{old}
		}
	}
	return out, nil
}

// systemPath is where the image of an operating system lies below its slot.
const systemPath = "system.raucb"

func system(v Version, over made) []release.Source {
	s := release.Source{Name: "system", Kind: manifest.Image, Path: systemPath, File: v.Image}
	if old := over.component(systemPath); old != "" {
		s.Old = []string{old}
	}
	return []release.Source{s}
}

// remember notes which program was released: whoever starts another one finds out.
func (w *World) remember(program string) error {
	f, err := os.Open(program)
	if err != nil {
		return err
	}
	defer f.Close()
	c, err := manifest.Measure(f)
	if err != nil {
		return err
	}
	known, err := os.ReadFile(w.path(programsFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return durable.Replace(durable.OS{}, w.path(programsFile), fmt.Appendf(known, "%s\n", c.SHA256))
}

// Released reports whether a program, by its SHA-256, was released by the world in dir,
// under whatever stamp.
func Released(dir string, program manifest.Digest) (bool, error) {
	known, err := os.ReadFile(filepath.Join(dir, programsFile))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return bytes.Contains(known, []byte(program.String())), err
}

// stamped replaces the stamp of a program, or adds one.
func stamped(program []byte, identity manifest.Identity) []byte {
	tail := max(0, len(program)-2*len(stamp)-64)
	if i := bytes.LastIndex(program[tail:], []byte(stamp)); i >= 0 {
		program = program[:tail+i]
	}
	return fmt.Appendf(program, "%s%s\n", stamp, identity)
}

// Places of a program's first address in the header of an ELF file (gABI, "ELF
// Header": e_entry).
const (
	entryAt   = 24
	elfHeader = 64
)

// spoil takes a program its entry point: the system starts it at an address where
// nothing is, and it dies at once.
func spoil(program []byte) error {
	f, err := elf.NewFile(bytes.NewReader(program))
	if err != nil {
		return fmt.Errorf("only programs in the ELF format: %w", err)
	}
	defer f.Close()
	if len(program) < elfHeader {
		return fmt.Errorf("%d bytes are no program", len(program))
	}
	switch f.Class {
	case elf.ELFCLASS64:
		binary.NativeEndian.PutUint64(program[entryAt:], 0)
	default:
		binary.NativeEndian.PutUint32(program[entryAt:], 0)
	}
	return nil
}

// consent is what the person at the till confirms, by language.
func (v Version) consent(identity manifest.Identity) []manifest.Text {
	if v.Image == "" {
		return consent(identity)
	}
	return []manifest.Text{
		{Language: "de", Text: fmt.Sprintf("Beispielversion %s des Betriebssystems. Die Kasse und ihre Daten bleiben; das Gerät startet neu.", identity.Version())},
		{Language: "en", Text: fmt.Sprintf("Sample version %s of the operating system. The till and its data stay; the machine starts again.", identity.Version())},
		{Language: "pl", Text: fmt.Sprintf("Przykładowa wersja %s systemu operacyjnego. Kasa i jej dane pozostają; urządzenie uruchomi się ponownie.", identity.Version())},
		{Language: "zh", Text: fmt.Sprintf("操作系统示例版本 %s。收银机及其数据保持不变；设备将重新启动。", identity.Version())},
	}
}

// consent of a program.
func consent(identity manifest.Identity) []manifest.Text {
	return []manifest.Text{
		{Language: "de", Text: fmt.Sprintf("Beispielversion %s der Kasse. Neu: ihre Versionsnummer. Gleiche Funktionen, gleiche Daten.", identity.Version())},
		{Language: "en", Text: fmt.Sprintf("Sample version %s of the till. New: its version number. The same functions, the same data.", identity.Version())},
		{Language: "pl", Text: fmt.Sprintf("Przykładowa wersja %s kasy. Nowość: jej numer wersji. Te same funkcje, te same dane.", identity.Version())},
		{Language: "zh", Text: fmt.Sprintf("收银机示例版本 %s。新内容：版本号。功能与数据不变。", identity.Version())},
	}
}
