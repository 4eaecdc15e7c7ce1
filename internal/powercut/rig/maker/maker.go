// Package maker makes what the rigs update: releases of the rig's till, a repository
// folder that holds them, and a device that runs the first.
//
//	m, err := maker.New(program)
//	first, err := m.Release(1, maker.Good, nil)
//	err = m.Device(root, first)
//	second, err := m.Release(2, maker.Good, first)
//	err = m.Publish(repository, second)
//
// A release is the program with a line behind it that says which version it is and how
// it behaves, and a file of noise, so that something has to be fetched. Packs are not
// sealed, and no log is asked for: update/trust and update/frame have tests for both.
package maker

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"io"
	mrand "math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/update/boot"
	"github.com/plomb-pos/plomb/update/frame"
	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/slot"
)

// Behaviour is how a version behaves when it starts.
type Behaviour string

// The behaviours.
const (
	Good      Behaviour = "good"
	Unhealthy Behaviour = "unhealthy" // its self-test fails
	Crash     Behaviour = "crash"     // ends at once
)

// Issued is when all releases were made; a clock before it is wrong.
var Issued = time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)

// noiseBytes is how much of a release no other one has.
const noiseBytes = 400 << 10

// Maker signs releases of one program.
type Maker struct {
	program []byte
	signer  note.Signer
	policy  []byte
}

// New makes a maker with a key of its own.
func New(program []byte) (*Maker, error) {
	skey, vkey, err := note.GenerateKey(rand.Reader, "maker")
	if err != nil {
		return nil, err
	}
	signer, err := note.NewSigner(skey)
	return &Maker{program: program, signer: signer, policy: fmt.Appendf(nil,
		`{"format":"plomb-boot-policy/1","serial":1,"legal":"maker-only","maker":{"name":"maker","threshold":1,"keys":[%q]}}`, vkey)}, err
}

// Release is a signed version.
type Release struct {
	*manifest.Manifest
	Behaviour     Behaviour
	Digest        manifest.Digest
	encoded, note []byte
	packs         map[string][]byte // by name in a repository
}

// files are the paths of a release.
var files = []string{Program, "data/noise"}

// content is a file of a release, made anew: a rig has hundreds of them.
func (m *Maker) content(r *Release, path string) []byte {
	if path == Program {
		return fmt.Appendf(slices.Clone(m.program), "%s%d %s\n", trailer, r.Counter, r.Behaviour)
	}
	return noise(r.Counter)
}

// Release makes a version whose program travels as the difference to the one before:
// it can be installed over that one alone. Every fourth lets nothing older start once it is kept.
func (m *Maker) Release(counter uint64, b Behaviour, before *Release) (*Release, error) {
	const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	id := manifest.Identity(fmt.Sprintf("0PLMRIG%c%c-20261122", digits[counter/36%36], digits[counter%36]))
	r := &Release{Behaviour: b, packs: map[string][]byte{}, Manifest: &manifest.Manifest{
		Format: manifest.Format, Identity: id, Scope: manifest.Application, Counter: counter, Legal: true, Issued: Issued,
		Jurisdictions: []string{"DE"}, Certificate: "DE-26-M-0001", Tests: []string{"journal"},
		Compatibility: manifest.Compatibility{Platforms: []string{runtime.GOOS + "/" + runtime.GOARCH}},
	}}
	if counter%4 != 0 {
		r.Floor = max(counter-1, 1)
	}
	for _, path := range files {
		c, err := m.component(r, path, before)
		if err != nil {
			return nil, fmt.Errorf("make %s: %w", id, err)
		}
		r.Components = append(r.Components, c)
	}
	return r, m.sign(r)
}

func noise(counter uint64) []byte {
	seed := [32]byte{31: 1}
	binary.BigEndian.PutUint64(seed[:], counter)
	out := make([]byte, noiseBytes)
	_, _ = mrand.NewChaCha8(seed).Read(out) // it has no errors
	return out
}

func (m *Maker) component(r *Release, path string, before *Release) (c manifest.Component, err error) {
	data := m.content(r, path)
	content, err := manifest.Measure(bytes.NewReader(data))
	if err != nil {
		return c, err
	}
	c = manifest.Component{Name: filepath.Base(path), Kind: manifest.Data, Path: path, Length: content.Length, SHA256: content.SHA256, Root: content.Root}
	if path == Program {
		c.Kind, c.Legal, c.Mode = manifest.Program, true, 0o755
	}
	if before == nil {
		return c, nil
	}
	var old []byte // noise has nothing of the noise before
	if path == Program {
		old = m.content(before, path)
	}
	p, err := r.pack(old, data)
	c.Packs = []manifest.Pack{p}
	return c, err
}

// pack makes one way to travel.
func (r *Release) pack(old, data []byte) (p manifest.Pack, err error) {
	var wire bytes.Buffer
	table, err := frame.Build(context.Background(), &wire, old, data, frame.Options{})
	if err != nil {
		return p, err
	}
	p = manifest.Pack{Bytes: int64(wire.Len()), SHA256: manifest.Sum(wire.Bytes()), Table: manifest.Sum(table.Encode())}
	if old != nil {
		from := manifest.Sum(old)
		p.From = &from
	}
	r.packs["packs/"+p.SHA256.String()], r.packs["tables/"+p.Table.String()] = wire.Bytes(), table.Encode()
	return p, nil
}

func (m *Maker) sign(r *Release) (err error) {
	if r.encoded, err = r.Encode(); err != nil {
		return fmt.Errorf("make %s: %w", r.Identity, err)
	}
	r.Digest = manifest.Sum(r.encoded)
	if r.note, err = manifest.Sign(r.encoded, m.signer); err != nil {
		return fmt.Errorf("sign %s: %w", r.Identity, err)
	}
	return nil
}

// Device makes a device below root that runs a release.
func (m *Maker) Device(root string, first *Release) error {
	_, _, err := boot.Make(durable.OS{}, root, boot.New{
		Policy: m.policy, Facts: []byte(`{"model":"RIG","jurisdiction":"DE"}`),
		First: boot.Release{Manifest: first.encoded, Note: first.note, Write: func(c *manifest.Component, w io.Writer) error {
			_, err := w.Write(m.content(first, c.Path))
			return err
		}},
	})
	return err
}

// Publish puts a release into a repository folder: its papers into releases/COUNTER,
// and packs and tables where an update.Source looks for them.
func (m *Maker) Publish(dir string, r *Release) error {
	papers := ReleaseDir("", r.Counter)
	files := map[string][]byte{papers + "/" + slot.ManifestFile: r.encoded, papers + "/" + slot.NoteFile: r.note}
	for name, data := range r.packs {
		files[name] = data
	}
	for name, data := range files {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(name, data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// ReleaseDir is the folder of a release's papers in a repository.
func ReleaseDir(repository string, counter uint64) string {
	return filepath.Join(repository, "releases", fmt.Sprintf("%06d", counter))
}
