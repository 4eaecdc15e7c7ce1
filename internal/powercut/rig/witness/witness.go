// Package witness looks at a device of the rigs from outside, after its power was cut
// or its processes were killed, and judges whether what it sees is right.
//
//	sight, err := witness.Look(ctx, root, journal, from)
//	err = judge.Saw(sight)
//
// Look reads files alone: slot table, launcher's log, journal, and the bytes of the
// slots that the table names. It writes nothing and takes no lock. A Judge knows all
// releases and follows the history from entry to entry. It demands:
//
//   - every entry that was acknowledged is there, and no entry has changed;
//   - what each start started is what the history says: the version that was kept
//     last, or on trial the one that a recorded pointer named and a line of the launcher
//     announced;
//   - the table says what the history ends with, and the slots that it names hold
//     exactly the files of those releases;
//   - a version that is good falls back only for failures that the rig caused;
//   - floors and counters never go down.
//
// It does not use slot.Next or slot.Check: those are what is judged.
package witness

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/internal/powercut/rig/disk"
	"github.com/plomb-pos/plomb/journal"
	"github.com/plomb-pos/plomb/journal/proof"
	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/slot"
)

// The kinds of entries in the rigs' journals.
const (
	Sale  proof.Kind = 1
	Event proof.Kind = 2 // update.Event
	Start proof.Kind = 3 // Started
	First proof.Kind = 4
)

// Started is what a till enters when it starts.
type Started struct {
	Identity manifest.Identity `json:"identity"` // of the release in its slot
	Counter  uint64            `json:"counter"`  // as the program itself says
	Slot     string            `json:"slot"`
	Trial    bool              `json:"trial"`
}

// Keys seal the rigs' journals, which have no secrets.
type Keys struct{}

// Month is the one key.
func (Keys) Month(context.Context, uint32) ([32]byte, error) { return disk.Key, nil }

// Current is the one key.
func (Keys) Current(context.Context, uint32) ([32]byte, error) { return disk.Key, nil }

// Tag names an entry by its head, as journal.Ticket gives it.
func Tag(head []byte) string {
	leaf := tlog.RecordHash(head)
	return hex.EncodeToString(leaf[:8])
}

// Sight is what lies on a device.
type Sight struct {
	Size    uint64                       `json:"size"`    // of the journal
	Before  string                       `json:"before"`  // SHA-256 over the tags of the entries before From
	Entries []Entry                      `json:"entries"` // from From on
	Table   slot.Table                   `json:"table"`
	Lines   []slot.Line                  `json:"lines"`
	Files   map[string]map[string]string `json:"files"` // SHA-256 by slot and path, of the slots that the table names
}

// Entry is an entry of the journal; sales have no body here.
type Entry struct {
	Index uint64     `json:"index"`
	Tag   string     `json:"tag"`
	Kind  proof.Kind `json:"kind"`
	Body  string     `json:"body,omitempty"`
}

// Look looks at a device and its journal, of which it tells the entries from from on.
func Look(ctx context.Context, root, dir string, from uint64) (*Sight, error) {
	s := &Sight{Files: map[string]map[string]string{}}
	if err := s.readJournal(ctx, dir, from); err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	f, _, err := slot.Open(slot.ReadOnly{FS: durable.OS{}}, filepath.Join(root, "boot", "table"))
	if err != nil {
		return nil, err
	}
	s.Table = f.Table()
	if _, s.Lines, err = slot.OpenRing(durable.OS{}, filepath.Join(root, "boot", "ring")); err != nil {
		return nil, err
	}
	named := []slot.Slot{s.Table.Active}
	if s.Table.Trial {
		named = append(named, s.Table.Active.Other())
	}
	for _, x := range named {
		if s.Files[x.String()], err = sums(filepath.Join(root, "slots", x.String())); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *Sight) readJournal(ctx context.Context, dir string, from uint64) error {
	j, err := journal.OpenReadOnly(dir, journal.ReadOptions{Keys: Keys{}})
	if err != nil {
		return err
	}
	before := sha256.New()
	for e, err := range j.Entries(ctx, 0, 1<<62) {
		if err != nil {
			return fmt.Errorf("entry %d: %w", s.Size, err)
		}
		tag := hex.EncodeToString(e.Leaf[:8])
		if s.Size++; e.Index() < from {
			io.WriteString(before, tag)
			continue
		}
		entry := Entry{Index: e.Index(), Tag: tag, Kind: e.Head.Kind}
		if entry.Kind != Sale {
			entry.Body = string(e.Body)
		}
		s.Entries = append(s.Entries, entry)
	}
	s.Before = hex.EncodeToString(before.Sum(nil))
	return nil
}

// sums hashes every file below a folder.
func sums(dir string) (map[string]string, error) {
	out := map[string]string{}
	return out, filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		h := sha256.New()
		if _, err := io.Copy(h, f); err != nil {
			return err
		}
		path, err := filepath.Rel(dir, name)
		out[filepath.ToSlash(path)] = hex.EncodeToString(h.Sum(nil))
		return err
	})
}
