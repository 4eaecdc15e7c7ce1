package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/journal"
	"github.com/plomb-pos/plomb/journal/proof"
)

// contents holds an epoch's entries against what the law asks while they
// stream past: the fold that the till itself runs.
type contents struct {
	ctx     context.Context
	journal *journal.ReadOnly            // for originals of returns
	older   map[string]*journal.ReadOnly // epochs before, by origin: for originals, too
	check   *fiscal.Check
	first   fiscal.Body           // of entry 0; nil: not read
	next    uint64                // index
	unknown map[proof.Kind]uint64 // how many there are of kinds of newer versions
}

// newContents reads an epoch's contents; nil without keys or without a journal.
func (s *session) newContents(ctx context.Context, dir string) *contents {
	j := s.open(dir)
	if j == nil {
		return nil
	}
	c := &contents{ctx: ctx, journal: j, older: s.older, unknown: map[proof.Kind]uint64{}}
	c.check = fiscal.NewCheck(c.lookup)
	return c
}

// open gives access to single entries; nil where there is none, which the
// verification tells by itself.
func (s *session) open(dir string) *journal.ReadOnly {
	if s.keys == nil {
		return nil
	}
	j, err := journal.OpenReadOnly(dir, journal.ReadOptions{Keys: s.keys})
	if err != nil {
		return nil
	}
	return j
}

// entry is journal.VerifyOptions.Check.
func (c *contents) entry(head *proof.Head, body []byte) error {
	c.check.Missing(head.Index)
	c.next = head.Index + 1
	if head.Index == 0 {
		c.first, _ = fiscal.Decode(head.Kind, body) // an error is a finding below
	}
	var wrong []string
	for _, f := range c.check.Entry(head, body) {
		if f.Code == fiscal.CodeUnknownKind {
			c.unknown[f.Kind]++
			continue
		}
		wrong = append(wrong, f.Code+": "+f.Text)
	}
	if len(wrong) == 0 {
		return nil
	}
	return errors.New(strings.Join(wrong, "; "))
}

// lookup reads an earlier receipt of the same journal or of an epoch before.
func (c *contents) lookup(origin string, index uint64) (*fiscal.Receipt, error) {
	j := c.journal
	if origin != j.Origin() {
		j = c.older[origin]
	}
	if j == nil {
		return nil, fiscal.ErrElsewhere
	}
	b, err := bodyAt(c.ctx, j, index)
	if err != nil {
		return nil, err
	}
	r, ok := b.(*fiscal.Receipt)
	if !ok {
		return nil, fmt.Errorf("entry %d is no receipt", index)
	}
	return r, nil
}

// bodyAt reads what one entry says.
func bodyAt(ctx context.Context, j *journal.ReadOnly, index uint64) (fiscal.Body, error) {
	for e, err := range j.Entries(ctx, index, index+1) {
		if err != nil {
			return nil, err
		}
		return fiscal.Decode(e.Head.Kind, e.Body)
	}
	return nil, fmt.Errorf("entry %d: %w", index, journal.ErrNotFound)
}

// complete reports that every entry was read, known and right, so that the
// state at the end is the till's own.
func (c *contents) complete(rep *journal.Report) bool {
	return rep.Consistent() && rep.Contents == rep.Size && c.next == rep.Size && len(c.unknown) == 0
}

// remark says what could not be judged.
func (c *contents) remark(it *item) {
	for _, k := range slices.Sorted(maps.Keys(c.unknown)) {
		it.say("%d entries of kind %d, which this version does not know: what they mean is not checked; a newer plomb-verify knows them", c.unknown[k], k)
	}
}
