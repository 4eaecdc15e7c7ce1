package journal

import (
	"cmp"
	"errors"
	"fmt"
	"path"
	"slices"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/journal/proof"
)

// ReadOrigin reads a journal's name from its directory. ErrNoJournal: there is none.
func ReadOrigin(fsys durable.FS, dir string) (string, error) {
	m, err := readManifest(fsys, dir)
	if err != nil {
		return "", fmt.Errorf("read origin: %w", err)
	}
	return m.Origin, nil
}

// readManifest learns origin and segment size: from JOURNAL or, where that is
// damaged, from the first segment.
func (v *verification) readManifest() error {
	m, err := readManifest(v.opts.FS, v.dir)
	if err != nil && !errors.Is(err, ErrDamaged) {
		return err
	}
	var lerr error
	if v.numbers, lerr = listSegments(v.opts.FS, v.dir); lerr != nil {
		return lerr
	}
	if err == nil {
		v.origin, v.segment = m.Origin, m.Segment
		return nil
	}
	v.find(Finding{What: WhatManifest, Detail: err.Error()})
	return v.guessManifest(err)
}

func (v *verification) guessManifest(cause error) error {
	if len(v.numbers) == 0 {
		return cause
	}
	size, err := v.fileSize(v.numbers[0])
	if err != nil {
		return err
	}
	v.segment = uint32(alignUp(int(min(max(size, minSegment), maxSegment)), sector))
	buf := make([]byte, v.segment)
	if _, err := readSegment(v.opts.FS, v.dir, v.numbers[0], buf); err != nil {
		return err
	}
	if g := newScanner(buf, v.numbers[0]).next(); g != nil && g.Segment != nil {
		v.origin = g.Segment.Origin
		return nil
	}
	return cause
}

func (v *verification) fileSize(number uint32) (int64, error) {
	f, err := v.opts.FS.Open(path.Join(v.dir, segmentName(number)))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	return f.Size()
}

// checkOrigins compares the journal's name with policy and checkpoints, and
// keeps the checkpoints that are of this journal.
func (v *verification) checkOrigins() {
	if p := v.opts.Policy; p != nil && !p.KnowsLog(v.origin) {
		v.find(Finding{What: WhatOrigin, Detail: fmt.Sprintf("the policy lists no key for %s", v.origin)})
	}
	for _, c := range v.opts.Checkpoints {
		if c.Origin != v.origin {
			v.find(Finding{Index: c.Size, What: WhatOrigin, Detail: fmt.Sprintf("the checkpoint is of %s, the journal of %s", c.Origin, v.origin)})
			continue
		}
		v.points = append(v.points, c)
	}
	slices.SortStableFunc(v.points, func(a, b proof.Checkpoint) int { return cmp.Compare(a.Size, b.Size) })
}
