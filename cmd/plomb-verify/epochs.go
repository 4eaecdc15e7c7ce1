package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/journal"
	"github.com/plomb-pos/plomb/journal/proof"
)

// epoch is one epoch's directory.
type epoch struct {
	dir    string
	number int // 0: the directory is not named e1, e2, ...
}

// findEpochs finds the journals below a till's, a journal's or an epoch's directory.
func findEpochs(dir string) ([]epoch, error) {
	if exists(filepath.Join(dir, "JOURNAL")) {
		return []epoch{{dir: dir, number: epochNumber(filepath.Base(absolute(dir)))}}, nil
	}
	for _, parent := range []string{dir, filepath.Join(dir, "journal")} {
		epochs, err := listEpochs(parent)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		if len(epochs) > 0 {
			return epochs, nil
		}
	}
	return nil, fmt.Errorf("neither JOURNAL, nor e1, e2, ..., nor journal/e1, ... in it: %w", journal.ErrNoJournal)
}

func listEpochs(parent string) (epochs []epoch, err error) {
	entries, err := os.ReadDir(parent)
	for _, e := range entries {
		if n := epochNumber(e.Name()); n > 0 && e.IsDir() {
			epochs = append(epochs, epoch{filepath.Join(parent, e.Name()), n})
		}
	}
	slices.SortFunc(epochs, func(a, b epoch) int { return a.number - b.number })
	return epochs, err
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

func absolute(dir string) string {
	if abs, err := filepath.Abs(dir); err == nil {
		return abs
	}
	return dir
}

// epochNumber is n for "e<n>", otherwise 0.
func epochNumber(name string) int {
	digits, ok := strings.CutPrefix(name, "e")
	n, err := strconv.Atoi(digits)
	if !ok || err != nil || n < 1 || strconv.Itoa(n) != digits {
		return 0
	}
	return n
}

// directory checks all epochs below dir in order.
func (s *session) directory(ctx context.Context, r *result, dir string) {
	epochs, err := findEpochs(dir)
	if err != nil {
		r.add(cannotRead(dir, kindJournal, err))
		return
	}
	s.older = map[string]*journal.ReadOnly{}
	var before *link
	for i, e := range epochs {
		var after *claim
		if i+1 < len(epochs) {
			after = s.claimIn(ctx, epochs[i+1].dir)
		}
		it, end := s.epoch(ctx, e, before, after)
		if want := i + 1; len(epochs) > 1 && e.number != want && (i == 0 || epochs[i-1].number != e.number-1) {
			it.find(0, "epoch", fmt.Sprintf("epoch %d is not there", e.number-1))
		}
		if end != nil {
			before = end
		}
		r.add(it)
	}
}

// epoch checks one epoch and how it goes on from the one before; its end is nil
// if it cannot be read.
func (s *session) epoch(ctx context.Context, e epoch, before *link, after *claim) (item, *link) {
	c := s.newContents(ctx, e.dir)
	rep, err := s.verify(ctx, e.dir, c, after)
	if err != nil {
		return cannotRead(e.dir, kindJournal, err), nil
	}
	if c != nil {
		s.older[rep.Origin] = c.journal
	}
	it := journalItem(e.dir, rep, s.keys != nil, s.policy)
	if c != nil {
		c.remark(&it)
	}
	after.lost(&it, rep)
	it.linkOrigin(e, before)
	s.link(&it, e, c, before)
	return it, linkOf(rep, c)
}

// linkOrigin compares an epoch's origin, "<till>/e<n>", with its directory and
// with the epoch before.
func (it *item) linkOrigin(e epoch, before *link) {
	till, name := cutEpoch(it.Origin)
	if n := epochNumber(name); it.Origin != "" && e.number != 0 && n != 0 && n != e.number {
		it.find(0, "epoch", fmt.Sprintf("the journal of %s lies in the place of epoch %d", it.Origin, e.number))
	}
	if before == nil || it.Origin == "" {
		return
	}
	if other, _ := cutEpoch(before.origin); other != till {
		it.find(0, "epoch", fmt.Sprintf("the epoch before is of %s", before.origin))
	}
}

func cutEpoch(origin string) (till, name string) {
	i := strings.LastIndexByte(origin, '/')
	if i < 0 {
		return origin, ""
	}
	return origin[:i], origin[i+1:]
}

// verify verifies one epoch's journal against all that is known of it.
func (s *session) verify(ctx context.Context, dir string, c *contents, after *claim) (*journal.Report, error) {
	opts := journal.VerifyOptions{Keys: s.keys, Policy: s.policy, Progress: s.meter.progress(dir)}
	if c != nil {
		opts.Check = c.entry
	}
	if origin, err := journal.ReadOrigin(durable.OS{}, dir); err == nil {
		opts.Checkpoints = s.pointsOf(origin)
		after.hold(&opts, origin)
	}
	defer s.meter.clear()
	return journal.Verify(ctx, dir, opts)
}

// pointsOf are the checkpoints of an origin that are known from elsewhere.
func (s *session) pointsOf(origin string) (list []proof.Checkpoint) {
	for i := range s.points {
		if p := &s.points[i]; p.Origin == origin {
			p.used = true
			list = append(list, p.Checkpoint)
		}
	}
	return list
}

func journalItem(dir string, rep *journal.Report, keys bool, policy *proof.Policy) item {
	it := item{
		Path: dir, Kind: kindJournal, Origin: rep.Origin, Size: rep.Size, Root: rep.Root.String(),
		OriginChecked: policy != nil && rep.OriginChecked(), Torn: rep.Torn, More: rep.More,
		Contents: rep.Contents, Erased: rep.Erased, Signatures: rep.Signatures, Signed: rep.Signed,
	}
	for _, f := range rep.Findings {
		it.Findings = append(it.Findings, finding{Path: dir, Index: f.Index, What: string(f.What), Detail: f.Detail, Segment: f.Segment, Offset: f.Offset})
	}
	it.remark(rep, keys, policy != nil)
	return it
}

// remark says what was not checked.
func (it *item) remark(rep *journal.Report, keys, policy bool) {
	say := func(when bool, format string, args ...any) {
		if when {
			it.say(format, args...)
		}
	}
	say(!keys, "contents not checked: no --keys")
	say(keys && rep.Erased > 0, "contents of %d entries not checked: no key for their months", rep.Erased)
	say(!policy, "origin not checked: no --policy")
	say(policy && rep.Signed < rep.Size, "no signature covers the last %d entries (from entry %d)", rep.Size-rep.Signed, rep.Signed)
	say(rep.Torn, "the last group was not written completely, as loss of power leaves one; it was never acknowledged")
}
