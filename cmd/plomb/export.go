package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/journal"
	"github.com/plomb-pos/plomb/journal/proof"
	"github.com/plomb-pos/plomb/till"
)

type exportCommand struct {
	Journal exportJournal `cmd:"" help:"Write the whole journal as lines of JSON that can be checked without the till."`
}

type exportJournal struct {
	epochFiles
	Out string `required:"" help:"File to write, or - for standard output."`
}

// Help is the format's documentation in short; docs/commands.md has all of it.
func (exportJournal) Help() string {
	return `One line an entry, in order, from index 0: head (base64, the leaf that is hashed),
its fields in clear, salt and body, leaf. SHA-256(0x00 || head) is the leaf;
SHA-256("plomb body v1\n" || salt || body) is the commitment in the head, body
being the bytes of the line's "body" as they stand. The last line says how many
entries there are and their root, and carries the newest signed checkpoint.

The file holds everything the till has recorded, in clear. It is read from the
till's files; word is left in the till's directory, and the till journals the export:
at once while it runs, otherwise at its next start.`
}

// exportedEntry is one line of an export. Numbers are those of the head, by name.
type exportedEntry struct {
	Index   uint64           `json:"index"`
	Kind    string           `json:"kind,omitzero"`
	Time    string           `json:"time,omitzero"`   // RFC 3339, UTC, milliseconds
	Uptime  uint64           `json:"uptime,omitzero"` // ms since boot
	Boot    string           `json:"boot,omitzero"`   // hexadecimal
	Command string           `json:"command,omitzero"`
	Flags   []string         `json:"flags,omitempty"`
	Numbers map[string]int64 `json:"numbers,omitempty"`
	Leaf    string           `json:"leaf,omitzero"` // hexadecimal
	Erased  bool             `json:"erased,omitzero"`
	Damaged string           `json:"damaged,omitzero"` // why
	Head    string           `json:"head,omitzero"`    // base64
	Salt    string           `json:"salt,omitzero"`    // hexadecimal
	Body    jsontext.Value   `json:"body,omitzero"`
}

// exportEnd is the last line of an export.
type exportEnd struct {
	Export     string `json:"export"` // name and version of the format
	Origin     string `json:"origin"`
	Size       uint64 `json:"size"`       // entries above
	Root       string `json:"root"`       // of the tree over them, base64; empty where leaves are missing
	Signed     uint64 `json:"signed"`     // entries that the checkpoint is over
	Checkpoint string `json:"checkpoint"` // signed note; empty: none is stored
}

const exportFormat = "plomb journal export 1"

// exportEntry makes the line of the entry index, which was read with err.
func exportEntry(index uint64, e *journal.Entry, err error) (exportedEntry, error) {
	x := exportedEntry{Index: index}
	if e.Leaf != (tlog.Hash{}) {
		x.Leaf = hex.EncodeToString(e.Leaf[:])
	}
	var hole *journal.HoleError
	switch {
	case errors.As(err, &hole):
		x.Damaged = hole.Reason
		return x, nil
	case errors.Is(err, journal.ErrErased):
		x.Erased = true
		return x, nil
	case err != nil:
		return x, err
	}
	x.describe(e.Head)
	x.Head, x.Salt, x.Body = base64.StdEncoding.EncodeToString(e.HeadBytes), hex.EncodeToString(e.Salt[:]), e.Body
	return x, nil
}

func (x *exportedEntry) describe(h *proof.Head) {
	x.Kind, x.Time = fiscal.KindName(h.Kind), time.UnixMilli(h.Time).UTC().Format("2006-01-02T15:04:05.000Z")
	if x.Kind == "" {
		x.Kind = fmt.Sprint(h.Kind)
	}
	x.Uptime, x.Boot, x.Flags = h.Uptime, hex.EncodeToString(h.Boot[:]), flagNames(h.Flags)
	if h.Command != [16]byte{} {
		x.Command = hex.EncodeToString(h.Command[:])
	}
	x.Numbers = map[string]int64{}
	for _, n := range h.Numbers {
		x.Numbers[fiscal.TagName(n.Tag)] = n.Value
	}
}

func flagNames(f proof.Flags) (names []string) {
	for _, n := range []struct {
		flag proof.Flags
		name string
	}{{proof.FlagClockUnsure, "clock unsure"}, {proof.FlagTraining, "training"}, {proof.FlagSnapshot, "snapshot"}, {proof.FlagLate, "late"}} {
		if f&n.flag != 0 {
			names = append(names, n.name)
		}
	}
	return names
}

func (c exportJournal) Run(ctx context.Context, s streams) error {
	j, err := c.open()
	if err != nil {
		return err
	}
	if c.Out == "-" {
		size := uint64(0)
		if tree, err := j.Tree(ctx); err == nil {
			size = tree.Size()
		}
		c.leaveWord(s, size, nil)
		_, err := c.write(ctx, s, j, s.Out)
		return err
	}
	return c.writeFile(ctx, s, j)
}

// writeFile writes beside the file and puts it in place when it is whole, so
// that an export that was cut off is never taken for one. It is for its owner's
// eyes only: it holds what the journal keeps sealed.
func (c exportJournal) writeFile(ctx context.Context, s streams, j *journal.ReadOnly) error {
	temp := c.Out + durable.TempSuffix
	f, err := os.OpenFile(temp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("write export: %w", err)
	}
	sum := sha256.New()
	size, failed := c.write(ctx, s, j, io.MultiWriter(f, sum))
	err = errors.Join(f.Sync(), f.Close())
	var incomplete coded
	if failed != nil && !errors.As(failed, &incomplete) || err != nil {
		return errors.Join(failed, err, os.Remove(temp))
	}
	c.leaveWord(s, size, sum.Sum(nil))
	disk := durable.OS{}
	if err := disk.Rename(temp, c.Out); err != nil {
		return fmt.Errorf("write export: %w", err)
	}
	return errors.Join(failed, disk.SyncDir(filepath.Dir(c.Out)))
}

// leaveWord has the till journal the export, before anybody has it. From a copy
// without the till's keys there is no till to tell.
func (c exportJournal) leaveWord(s streams, size uint64, sum []byte) {
	if _, err := os.Stat(filepath.Join(c.Dir, sealDir)); err != nil || size == 0 {
		return
	}
	e := &fiscal.Export{Format: "journal", Last: size - 1, Hash: hex.EncodeToString(sum), Target: filepath.Base(c.Out)}
	if err := till.HandOut(c.Dir, e); err != nil {
		fmt.Fprintf(s.Err, "plomb: the journal will not say that this export was made: %v\n", err)
	}
}

// write streams the entries and the line about them all. What could not be read
// is in the export as such, and makes exit code 1.
func (c exportJournal) write(ctx context.Context, s streams, j *journal.ReadOnly, to io.Writer) (size uint64, err error) {
	w := bufio.NewWriterSize(to, 1<<16)
	e := exporter{w: w}
	bar := newBar(s.Err, "entries")
	index := uint64(0)
	for entry, err := range j.Entries(ctx, 0, endOr(0)) {
		if err := e.entry(index, &entry, err); err != nil {
			return index, err
		}
		index++
		bar.Add(1)
	}
	bar.Clear()
	if err := e.end(ctx, j, index); err != nil {
		return index, err
	}
	if err := w.Flush(); err != nil {
		return index, err
	}
	if e.damaged > 0 {
		return index, coded{fmt.Errorf("%d entries are damaged: the export says which", e.damaged), tampered}
	}
	return index, nil
}

type exporter struct {
	w       io.Writer
	tree    proof.Frontier
	damaged int
	leafs   bool // a leaf hash is missing: no root
}

func (x *exporter) entry(index uint64, e *journal.Entry, err error) error {
	line, err := exportEntry(index, e, err)
	if err != nil {
		return err
	}
	if line.Damaged != "" {
		x.damaged++
	}
	x.leafs = x.leafs || line.Leaf == ""
	x.tree.Append(e.Leaf)
	return writeLine(x.w, line)
}

func (x *exporter) end(ctx context.Context, j *journal.ReadOnly, size uint64) error {
	end := exportEnd{Export: exportFormat, Origin: j.Origin(), Size: size}
	if !x.leafs {
		end.Root = x.tree.Root().String()
	}
	tree, err := j.Tree(ctx)
	if err != nil && !errors.Is(err, journal.ErrDamaged) {
		return err
	}
	if err == nil {
		if s, ok := tree.Signed(); ok {
			end.Signed, end.Checkpoint = s.Checkpoint.Size, string(proof.Note(s.Checkpoint, j.Origin(), s.KeyHash, s.Sig))
		}
	}
	return writeLine(x.w, end)
}
