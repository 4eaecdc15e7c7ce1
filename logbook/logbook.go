// Package logbook is the journal of a host of devices: what became of the devices,
// and who was refused. It is a journal of the same kind as a till's, with keys, an
// origin and signatures of its own, so that the same tools show and verify it.
//
//	err := logbook.Ensure(ctx, dir, "devices")
//	book, err := logbook.Open(ctx, dir, logbook.Options{})
//	book.Note(&fiscal.DeviceState{Device: "Dispenser", State: "down", Cause: "power"})
//	err = book.Close(ctx)
//
// Note never waits for the disk; what it was given is durable a few milliseconds
// later, and lost if power is before that: nothing of ours waits for such an entry.
// A clock that went back is not followed: entries keep the last time and are marked.
//
// A book takes only what a host of devices can have done (fiscal.DeviceHost); it
// knows no people and no money.
package logbook

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/journal"
	"github.com/plomb-pos/plomb/journal/proof"
	"github.com/plomb-pos/plomb/seal"
)

// The parts of a directory; they are where a till has them.
const (
	sealDir  = "seal"
	epochDir = "e1"
	headFile = "anchor/head"
	making   = ".making" // ends the name of a directory that is still being made
)

// Options say how a book is opened. The zero value is usable.
type Options struct {
	Now func() time.Time // nil: time.Now
	Log *slog.Logger     // nil discards
}

// Book is an open journal. Its methods may be called concurrently.
type Book struct {
	journal *journal.Journal
	now     func() time.Time
	log     *slog.Logger
	began   time.Time
	boot    [16]byte

	mu       sync.Mutex // guards what follows
	state    *fiscal.State
	snapshot uint64 // index of the last snapshot
}

// Ensure makes a book in dir if dir is missing or empty. It is made beside dir and
// renamed into place, so that a crash leaves none or a whole one. A directory with
// anything in it is left as it is: a missing file never makes a new journal.
func Ensure(ctx context.Context, dir, name string) error {
	names, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("look into %s: %w", dir, err)
	}
	if len(names) > 0 {
		return nil
	}
	if err := create(ctx, dir, name); err != nil {
		return fmt.Errorf("make a journal for devices in %s: %w", dir, err)
	}
	return nil
}

func create(ctx context.Context, dir, name string) error {
	temp := dir + making
	if err := os.RemoveAll(temp); err != nil { // what an earlier start left; it was never in use
		return err
	}
	for _, d := range []string{temp, filepath.Join(temp, filepath.Dir(headFile))} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return err
		}
	}
	if err := fill(ctx, temp, name); err != nil {
		return err
	}
	if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	disk := durable.OS{}
	if err := disk.Rename(temp, dir); err != nil {
		return err
	}
	return disk.SyncDir(filepath.Dir(dir))
}

// fill makes keys and journal.
func fill(ctx context.Context, dir, name string) error {
	box, err := seal.Create(durable.OS{}, filepath.Join(dir, sealDir))
	if err != nil {
		return err
	}
	origin := originName() + "/e1"
	signer, err := box.CreateSigner(origin)
	if err != nil {
		return err
	}
	key, err := box.Verifier(origin)
	if err != nil {
		return err
	}
	s := &scratch{state: new(fiscal.State), at: time.Now(), origin: origin, boot: random()}
	if err := s.add(&fiscal.DeviceHost{Name: name, Software: software(), Key: key}); err != nil {
		return err
	}
	j, err := journal.Create(ctx, filepath.Join(dir, epochDir), origin, s.drafts, options(dir, box, signer))
	if err != nil {
		return err
	}
	return j.Close(ctx)
}

func options(dir string, box *seal.Box, signer proof.Signer) journal.Options {
	return journal.Options{Keys: box.JournalKeys(), Signer: seal.NewGuard(signer),
		Anchors: []journal.Anchor{journal.FileAnchor(durable.OS{}, filepath.Join(dir, headFile))}}
}

// Open opens a book that Ensure made, and records the start. Errors to decide on
// are those of journal.Open.
func Open(ctx context.Context, dir string, o Options) (*Book, error) {
	b := &Book{now: o.Now, log: o.Log, began: time.Now(), boot: random()}
	if b.now == nil {
		b.now = time.Now
	}
	if b.log == nil {
		b.log = slog.New(slog.DiscardHandler)
	}
	if err := b.open(ctx, dir); err != nil {
		if b.journal != nil {
			err = errors.Join(err, b.journal.Close(ctx))
		}
		return nil, fmt.Errorf("open the devices' journal in %s: %w", dir, err)
	}
	return b, nil
}

func (b *Book) open(ctx context.Context, dir string) error {
	origin, err := originOf(dir)
	if err != nil {
		return err
	}
	box, err := seal.Open(durable.OS{}, filepath.Join(dir, sealDir))
	if err != nil {
		return err
	}
	signer, err := box.Signer(origin)
	if err != nil {
		return err
	}
	j, found, err := journal.Open(ctx, filepath.Join(dir, epochDir), options(dir, box, signer))
	if err != nil {
		return err
	}
	b.journal = j
	if err := b.fold(ctx); err != nil {
		return err
	}
	return b.started(found)
}

// originOf reads the origin that a directory's journal has.
func originOf(dir string) (string, error) {
	text, err := os.ReadFile(filepath.Join(dir, epochDir, "JOURNAL"))
	if err != nil {
		return "", err
	}
	for l := range strings.Lines(string(text)) {
		if origin, ok := strings.CutPrefix(strings.TrimSpace(l), "origin "); ok && proof.ValidOrigin(origin) {
			return origin, nil
		}
	}
	return "", journal.ErrNoJournal
}

// fold makes the state of the last snapshot and what follows it. What cannot be
// read is left out, as verifiers do.
func (b *Book) fold(ctx context.Context) error {
	from, ok := b.journal.Snapshot()
	if ok {
		b.snapshot = from
	}
	check, next := fiscal.NewCheck(nil), from
	for e, err := range b.journal.Entries(ctx, from, b.journal.Size()) {
		switch {
		case err == nil:
			for _, f := range check.Entry(e.Head, e.Body) {
				b.log.Error("devices' journal", "finding", f.String())
			}
		case errors.Is(err, journal.ErrDamaged) || errors.Is(err, journal.ErrErased):
			check.Missing(next + 1)
		default:
			return err
		}
		next++
	}
	b.state = check.State().Clone()
	return nil
}

// started records that the program started and what recovery found.
func (b *Book) started(found *journal.Recovery) error {
	bodies := []fiscal.Body{&fiscal.SoftwareStart{Version: software(), Clean: len(found.Torn) == 0 && len(found.Holes) == 0}}
	r := &fiscal.Recovery{Resigned: int64(len(found.Due))}
	for _, t := range found.Torn {
		r.TornBytes += int64(t.Bytes)
	}
	for _, h := range found.Holes[:min(len(found.Holes), 1000)] {
		r.Holes = append(r.Holes, fiscal.Hole{First: h.From, Last: h.To - 1, Why: OneLine(h.Reason)})
	}
	if r.TornBytes > 0 || len(r.Holes) > 0 {
		bodies = append(bodies, r)
	}
	return b.note(bodies)
}

// Origin names the journal.
func (b *Book) Origin() string { return b.journal.Origin() }

// Note records events. What cannot be recorded goes to the log: devices work on
// without their journal.
func (b *Book) Note(bodies ...fiscal.Body) {
	if err := b.note(bodies); err != nil {
		b.log.Error("event not journaled", "err", err)
	}
}

func (b *Book) note(bodies []fiscal.Body) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := &scratch{state: b.state.Clone(), at: b.now(), uptime: time.Since(b.began), origin: b.journal.Origin(), boot: b.boot}
	if last := time.UnixMilli(b.state.Time); s.at.Before(last) {
		s.at, s.unsure = last, true
	}
	for _, body := range bodies {
		if err := s.add(body); err != nil {
			return err
		}
	}
	if err := b.addSnapshot(s); err != nil {
		return err
	}
	if _, err := b.journal.Stage(s.drafts...); err != nil {
		return err
	}
	b.state = s.state
	return nil
}

// addSnapshot adds a snapshot when enough entries have come since the last one.
func (b *Book) addSnapshot(s *scratch) error {
	if s.state.Size-b.snapshot < fiscal.SnapshotEvery {
		return nil
	}
	snap, err := s.state.NewSnapshot()
	if err != nil {
		return err
	}
	at := s.state.Size
	if err := s.add(snap); err != nil {
		return err
	}
	b.snapshot = at
	return nil
}

// Close makes everything durable and signed, as far as that can be, and closes.
func (b *Book) Close(ctx context.Context) error { return b.journal.Close(ctx) }

// scratch tries entries on a copy of the state, so that what is staged folds.
type scratch struct {
	state  *fiscal.State
	at     time.Time
	uptime time.Duration
	origin string
	boot   [16]byte
	unsure bool
	drafts []journal.Draft
}

func (s *scratch) add(b fiscal.Body) error {
	d, err := s.state.Draft(b)
	if err != nil {
		return err
	}
	if s.unsure {
		d.Flags |= proof.FlagClockUnsure
	}
	h := &proof.Head{Flags: d.Flags, Kind: d.Kind, Index: s.state.Size, Time: s.at.UnixMilli(), Uptime: uint64(s.uptime.Milliseconds()),
		Boot: s.boot, BodyLen: uint32(len(d.Body)), Origin: s.origin, Numbers: d.Numbers}
	if err := s.state.Apply(h, d.Body); err != nil {
		return err
	}
	s.drafts = append(s.drafts, journal.Draft{Kind: d.Kind, Flags: d.Flags, Time: s.at, Uptime: s.uptime, Boot: s.boot,
		Numbers: d.Numbers, Body: d.Body, Sign: d.Sign})
	return nil
}

// OneLine makes a text of others fit for an entry: one line, 200 characters.
func OneLine(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r == 0x2028 || r == 0x2029 || r == 0xfffd {
			return ' '
		}
		return r
	}, text)
	if r := []rune(text); len(r) > 200 {
		text = string(r[:200])
	}
	return text
}

func random() (b [16]byte) {
	rand.Read(b[:])
	return b
}

func software() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "plomb (devel)"
	}
	return "plomb " + info.Main.Version
}

func originName() string {
	r := random()
	return "devices-" + hex.EncodeToString(r[:4])
}
