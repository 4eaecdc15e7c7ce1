package bench

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/update/frame"
	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/slot"
)

// software is a maker with two releases, the first installed on a device and the
// second in a repository that a plain file server serves.
type software struct {
	dir      string // repo, device, policy.json, offer.json, offer.note
	signer   note.Signer
	policy   *manifest.Policy
	one, two *manifest.Manifest
	digest   manifest.Digest // of one
}

const benchModel = "BEN"

// makeSoftware makes both releases: program with a few places changed in the second,
// and fresh, which is new in it and travels whole.
func makeSoftware(ctx context.Context, dir string, program []byte, fresh int) (*software, error) {
	s := &software{dir: dir}
	for _, sub := range []string{"repo/packs", "repo/tables"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			return nil, err
		}
	}
	if err := s.makeKeys(); err != nil {
		return nil, err
	}
	s.one, s.two = s.release(1), s.release(2)
	if err := s.add(ctx, s.one, "bin/plomb", nil, program); err != nil {
		return nil, err
	}
	changed := bytes.Clone(program)
	for at := 1000; at+8 < len(changed); at += 100_000 {
		copy(changed[at:], "upgraded")
	}
	if err := s.add(ctx, s.two, "bin/plomb", program, changed); err != nil {
		return nil, err
	}
	data := make([]byte, fresh)
	rand.Read(data) // never fails
	if err := s.add(ctx, s.two, "data/fresh", nil, data); err != nil {
		return nil, err
	}
	return s, s.offer()
}

func (s *software) makeKeys() error {
	secret, public, err := note.GenerateKey(rand.Reader, "maker")
	if err != nil {
		return err
	}
	if s.signer, err = note.NewSigner(secret); err != nil {
		return err
	}
	text := `{"format":"plomb-boot-policy/1","serial":1,"legal":"maker-only","maker":{"name":"maker","threshold":1,"keys":["` + public + `"]}}`
	if s.policy, err = manifest.ParsePolicy([]byte(text)); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(s.dir, "policy.json"), []byte(text), 0o600)
}

func (s *software) release(counter uint64) *manifest.Manifest {
	return &manifest.Manifest{
		Format: manifest.Format, Identity: manifest.Identity(fmt.Sprintf("0PLM%s%02d-20261122", benchModel, counter)), Scope: manifest.Application,
		Counter: counter, Floor: 1, Legal: true, Issued: time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC),
		Jurisdictions: []string{"DE"}, Certificate: "DE-26-M-0001",
		Compatibility: manifest.Compatibility{Platforms: []string{platform()}, Models: []string{benchModel}},
	}
}

func platform() string { return runtime.GOOS + "/" + runtime.GOARCH }

// add puts a component into a release and its packs into the repository: whole, and,
// where there is an old one, as a delta.
func (s *software) add(ctx context.Context, m *manifest.Manifest, file string, old, data []byte) error {
	content, err := manifest.Measure(bytes.NewReader(data))
	if err != nil {
		return err
	}
	c := manifest.Component{Name: filepath.Base(file), Kind: manifest.Data, Path: file, Length: content.Length, SHA256: content.SHA256, Root: content.Root}
	if strings.HasPrefix(file, "bin/") {
		c.Kind, c.Legal, c.Mode = manifest.Program, true, 0o755
	}
	if m == s.one {
		m.Components = append(m.Components, c)
		return s.write("device/slots/a/"+file, data)
	}
	whole, err := s.pack(ctx, nil, data)
	if err != nil {
		return err
	}
	c.Packs = []manifest.Pack{whole}
	if old != nil {
		delta, err := s.pack(ctx, old, data)
		if err != nil {
			return err
		}
		c.Packs = append(c.Packs, delta)
	}
	m.Components = append(m.Components, c)
	return nil
}

func (s *software) pack(ctx context.Context, old, data []byte) (p manifest.Pack, err error) {
	if old != nil {
		from := manifest.Sum(old)
		p.From = &from
	}
	var out bytes.Buffer
	table, err := frame.Build(ctx, &out, old, data, frame.Options{})
	if err != nil {
		return p, err
	}
	p.Bytes, p.SHA256, p.Table = int64(out.Len()), manifest.Sum(out.Bytes()), manifest.Sum(table.Encode())
	if err := s.write("repo/packs/"+p.SHA256.String(), out.Bytes()); err != nil {
		return p, err
	}
	return p, s.write("repo/tables/"+p.Table.String(), table.Encode())
}

func (s *software) write(name string, data []byte) error {
	file := filepath.Join(s.dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	return os.WriteFile(file, data, 0o700)
}

// offer signs both releases, installs the first and makes the device's table.
func (s *software) offer() error {
	for _, to := range []struct {
		m              *manifest.Manifest
		encoded, signs string
	}{{s.one, "device/slots/a/" + slot.ManifestFile, "device/slots/a/" + slot.NoteFile}, {s.two, "offer.json", "offer.note"}} {
		text, err := to.m.Encode()
		if err != nil {
			return err
		}
		signed, err := manifest.Sign(text, s.signer)
		if err != nil {
			return err
		}
		if to.m == s.one {
			s.digest = manifest.Sum(text)
		}
		if err := s.write(to.encoded, text); err != nil {
			return err
		}
		if err := s.write(to.signs, signed); err != nil {
			return err
		}
	}
	return s.fresh()
}

// fresh makes the device one on which only the first release is.
func (s *software) fresh() error {
	device := filepath.Join(s.dir, "device")
	for _, sub := range []string{"boot", "slots/b", "download"} {
		if err := os.RemoveAll(filepath.Join(device, sub)); err != nil {
			return err
		}
	}
	for _, sub := range []string{"boot", "slots/b"} {
		if err := os.MkdirAll(filepath.Join(device, sub), 0o700); err != nil {
			return err
		}
	}
	boot := filepath.Join(device, "boot")
	return slot.Create(durable.OS{}, boot, filepath.Join(boot, "table"), slot.Table{Manifests: [2]manifest.Digest{s.digest}}.Raised(s.one))
}

func check(p *manifest.Policy) slot.Check {
	return slot.Check{Policy: p, Device: slot.Device{Model: benchModel, Platform: platform(), Jurisdiction: "DE"}}
}
