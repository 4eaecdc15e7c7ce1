package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/journal"
	"github.com/plomb-pos/plomb/journal/proof"
)

// chain is a till's epochs while they are verified one after the other: how each
// goes on from the one before.
type chain struct {
	files    tillFiles
	keys     journal.MonthReader
	journals map[string]*journal.ReadOnly // that can be read, by origin
	before   string                       // origin of the epoch before; empty: there is none
	end      *fiscal.State                // of that epoch; nil: not known in full
	number   int                          // of that epoch
}

func newChain(files tillFiles, keys journal.MonthReader) *chain {
	return &chain{files: files, keys: keys, journals: map[string]*journal.ReadOnly{}}
}

// hold opens the first of some epochs, and holds it against what the first entry
// of the one after says of it.
func (c *chain) hold(ctx context.Context, opts *journal.VerifyOptions, epochs []int) *fiscal.Epoch {
	j := c.open(epochs[0])
	if j == nil {
		return nil
	}
	c.journals[j.Origin()] = j
	if len(epochs) == 1 {
		return nil
	}
	after := c.claim(ctx, epochs[1])
	if after == nil {
		return nil
	}
	if point := lastKnown(after, j.Origin()); point != nil {
		opts.Checkpoints = append(opts.Checkpoints, *point)
		if after.AtLeast {
			opts.Lost = point.Size
		}
	}
	return after
}

// open gives access to single entries; nil without keys, or without a journal,
// which the verification tells.
func (c *chain) open(epoch int) *journal.ReadOnly {
	if c.keys == nil {
		return nil
	}
	j, err := journal.OpenReadOnly(c.files.epochDir(epoch), journal.ReadOptions{Keys: c.keys})
	if err != nil {
		return nil
	}
	return j
}

// claim reads what an epoch says of the one before; nil: nothing that can be read.
func (c *chain) claim(ctx context.Context, epoch int) *fiscal.Epoch {
	j := c.open(epoch)
	if j == nil {
		return nil
	}
	e, err := oneEntry(ctx, j, 0)
	if err != nil {
		return nil
	}
	b, err := fiscal.Decode(e.Head.Kind, e.Body)
	if claim, ok := b.(*fiscal.Epoch); ok && err == nil {
		return claim
	}
	return nil
}

// lastKnown is the checkpoint of an origin that the epoch after it names, nil: none.
func lastKnown(after *fiscal.Epoch, origin string) *proof.Checkpoint {
	if after == nil {
		return nil
	}
	point, _, err := after.LastKnown() // what is malformed is found in its own epoch
	if err != nil || point == nil || point.Origin != origin {
		return nil
	}
	return point
}

// link holds an epoch's first entry against the end of the one before, and says
// what the one after tells of its own end.
func (c *chain) link(v *verifiedEpoch, content *contents, after *fiscal.Epoch) {
	if point := lastKnown(after, v.Origin); point != nil && after.AtLeast && point.Size > v.Size {
		v.doubt(fmt.Sprintf("its end is lost: it holds %d entries, the epoch after goes on from %d and says why: %s", v.Size, point.Size, after.Reason))
	}
	before, end, number := c.before, c.end, c.number
	c.before, c.number, c.end = v.Origin, v.Epoch, nil
	if content.check != nil && v.verdict != tampered && v.Contents == v.Size {
		c.end = content.check.State().Clone()
	}
	if number > 0 && v.Epoch != number+1 || number == 0 && v.Epoch != 1 {
		v.wrong(fmt.Sprintf("epoch %d is not there", v.Epoch-1))
		return
	}
	if wrong := misplaced(v, before); wrong != "" {
		v.wrong(wrong)
	}
	v.follow(content.first, before, end)
}

// misplaced compares an origin "<till>/e<n>" with its directory and the epoch before.
func misplaced(v *verifiedEpoch, before string) string {
	name, n, ok := cutEpoch(v.Origin)
	if ok && n != v.Epoch {
		return fmt.Sprintf("the journal of %s lies in the place of epoch %d", v.Origin, v.Epoch)
	}
	if other, _, _ := cutEpoch(before); before != "" && other != name {
		return "the epoch before is of " + before
	}
	return ""
}

func cutEpoch(origin string) (name string, epoch int, ok bool) {
	i := strings.LastIndex(origin, "/e")
	if i < 0 {
		return origin, 0, false
	}
	epoch, err := strconv.Atoi(origin[i+2:])
	return origin[:i], epoch, err == nil
}

// follow judges the first entry, as far as it could be read.
func (v *verifiedEpoch) follow(first fiscal.Body, before string, end *fiscal.State) {
	e, ok := first.(*fiscal.Epoch)
	switch {
	case first == nil:
	case !ok && before != "":
		v.wrong(fmt.Sprintf("begins as if there were no %s before", before))
	case ok && before == "":
		v.wrong("the first epoch says that it goes on from " + e.Origin)
	case ok:
		v.Notes = append(v.Notes, fmt.Sprintf("goes on from %s: %s", e.Origin, e.Reason))
		if err := e.Follows(before, end); err != nil {
			v.wrong(err.Error())
		}
	}
}

// wrong adds a finding about the epoch's place among the others.
func (v *verifiedEpoch) wrong(detail string) {
	v.Findings = append(v.Findings, verifiedFinding{0, "epoch", detail})
	v.verdict = tampered
	v.Verdict = v.verdict.String()
}

// doubt notes what nobody vouches for.
func (v *verifiedEpoch) doubt(note string) {
	v.Notes = append(v.Notes, note)
	v.verdict = v.verdict.or(unchecked)
	v.Verdict = v.verdict.String()
}
