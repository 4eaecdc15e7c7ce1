package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/plomb-pos/plomb/journal"
	"github.com/plomb-pos/plomb/journal/proof"
)

// session is what everything is held against.
type session struct {
	policy *proof.Policy // nil: nobody vouches
	keys   journal.MonthReader
	points []point
	meter  *meter
	older  map[string]*journal.ReadOnly // epochs of the same till that were checked, by origin
}

// point is a checkpoint known from elsewhere.
type point struct {
	proof.Checkpoint
	from string
	used bool
}

func newSession(c *config, stderr io.Writer) (*session, error) {
	s := &session{meter: newMeter(stderr)}
	if c.policy != "" {
		text, err := readSmall(c.policy)
		if err != nil {
			return nil, err
		}
		if s.policy, err = proof.ParsePolicy(text); err != nil {
			return nil, fmt.Errorf("%s: %w", c.policy, err)
		}
	}
	if c.keys != "" {
		keys, err := readKeys(c.keys)
		if err != nil {
			return nil, err
		}
		s.keys = keys
	}
	return s, nil
}

// repositories checks repositories of releases.
func (s *session) repositories(r *result, dirs []string) *result {
	for _, dir := range dirs {
		r.add(s.releases(dir))
	}
	r.unmatched(s.points)
	return r
}

// check checks everything on the command line: first what was seen elsewhere,
// since journals are held against it.
func (s *session) check(ctx context.Context, c *config) *result {
	r := new(result)
	for _, text := range c.receipts {
		r.add(s.receipt("--receipt", text))
	}
	for _, name := range c.checkpoints {
		r.add(s.file(name, kindCheckpoint))
	}
	journals := 0
	if c.release {
		return s.repositories(r, c.targets)
	}
	for _, name := range c.targets {
		info, err := os.Stat(name)
		switch {
		case err != nil:
			r.add(cannotRead(name, "", err))
		case info.IsDir():
			journals++
			s.directory(ctx, r, name)
		default:
			r.add(s.file(name, ""))
		}
	}
	if journals > 0 {
		r.unmatched(s.points)
	}
	return r
}

// What a file can be.
const (
	kindJournal    = "journal"
	kindReceipt    = "receipt"
	kindCheckpoint = "checkpoint"
	kindProof      = "proof"
)

// file checks a file by what it begins with; want limits it to one kind.
func (s *session) file(name, want string) item {
	text, err := readSmall(name)
	if err != nil {
		return cannotRead(name, want, err)
	}
	kind := kindOf(text)
	if want != "" && kind != want {
		return cannotRead(name, want, fmt.Errorf("it is no %s", want))
	}
	switch kind {
	case kindReceipt:
		return s.receipt(name, strings.TrimRight(string(text), "\r\n"))
	case kindProof:
		return s.inclusion(name, text)
	}
	return s.checkpoint(name, text)
}

func kindOf(text []byte) string {
	switch {
	case bytes.HasPrefix(text, []byte(proof.ReceiptPrefix)):
		return kindReceipt
	case bytes.HasPrefix(text, []byte("c2sp.org/tlog-proof@")):
		return kindProof
	}
	return kindCheckpoint
}

// receipt checks the text of a QR code.
func (s *session) receipt(name, text string) item {
	r, err := proof.ParseReceipt(text)
	if err != nil {
		return cannotRead(name, kindReceipt, err)
	}
	c, err := r.Checkpoint()
	if err != nil {
		return cannotRead(name, kindReceipt, err)
	}
	it := item{Path: name, Kind: kindReceipt, Origin: c.Origin, Size: c.Size, Root: c.Root.String()}
	it.describe(r.Head)
	if s.policy != nil {
		_, err := r.Verify(s.policy.Logs())
		if it.judge(c.Size-1, err) {
			return it
		}
		it.OriginChecked = true
	}
	s.points = append(s.points, point{Checkpoint: c, from: name})
	return it
}

// checkpoint checks a signed checkpoint.
func (s *session) checkpoint(name string, text []byte) item {
	c, _, err := proof.ParseNote(text)
	if err != nil {
		return cannotRead(name, kindCheckpoint, err)
	}
	it := item{Path: name, Kind: kindCheckpoint, Origin: c.Origin, Size: c.Size, Root: c.Root.String()}
	if s.policy != nil {
		e, err := s.policy.Verify(text)
		if it.endorse(c.Size, e, err) {
			return it
		}
	}
	s.points = append(s.points, point{Checkpoint: c, from: name})
	return it
}

// inclusion checks a proof whose extra data is the entry's head.
func (s *session) inclusion(name string, text []byte) item {
	p, err := proof.ParseInclusion(text)
	if err != nil {
		return cannotRead(name, kindProof, err)
	}
	head, err := proof.ParseHead(p.Extra)
	if err != nil {
		return cannotRead(name, kindProof, fmt.Errorf("the extra data is no entry's head: %w", err))
	}
	c, err := p.Check(proof.LeafHash(p.Extra))
	it := item{Path: name, Kind: kindProof, Origin: c.Origin, Size: c.Size, Root: c.Root.String()}
	it.describe(p.Extra)
	if err != nil {
		it.find(p.Index, "proof", "the entry is not in the tree of the checkpoint")
		return it
	}
	if head.Index != p.Index || head.Origin != c.Origin {
		it.find(p.Index, "head", fmt.Sprintf("the head is that of entry %d of %s", head.Index, head.Origin))
	}
	if s.policy != nil {
		e, err := s.policy.Verify(p.Note)
		it.endorse(p.Index, e, err)
	}
	return it
}

// judge turns an error of a signature into a finding; true says that the item cannot be believed.
func (it *item) judge(index uint64, err error) bool {
	switch {
	case err == nil:
		return false
	case errors.Is(err, proof.ErrSignature):
		it.find(index, string(journal.WhatSignature), "the signature does not verify")
	case errors.Is(err, proof.ErrUnknownKey):
		it.find(index, string(journal.WhatKey), "signed by a key that the policy does not list for "+it.Origin)
	default:
		it.find(index, string(journal.WhatSignature), err.Error())
	}
	return true
}

// endorse notes who signed. Too few witnesses are no tampering: the origin is not checked.
func (it *item) endorse(index uint64, e *proof.Endorsement, err error) (unbelievable bool) {
	if e != nil {
		for _, w := range e.Witnesses {
			it.Witnesses = append(it.Witnesses, w.Witness)
		}
	}
	if errors.Is(err, proof.ErrQuorum) {
		it.Remarks = append(it.Remarks, "fewer witnesses than the policy asks for")
		return false
	}
	it.OriginChecked = err == nil
	return it.judge(index, err)
}
