package journal

import (
	"fmt"
	"sync"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/plomb-pos/plomb/journal/proof"
)

// checkSignatures looks up what each signature should be over and has it verified.
func (v *verification) checkSignatures(segment uint32, g *groupResult) {
	for i := range g.signatures {
		s := &g.signatures[i]
		at := Finding{Index: s.Size - 1, Segment: segment, Offset: s.offset, What: WhatSignature}
		v.checkSignature(at, s)
	}
}

func (v *verification) checkSignature(at Finding, s *signatureRecord) {
	if s.Size > v.tree.Size() && !v.broken {
		v.badSignature(at, fmt.Sprintf("it is over %d entries, before there are as many", s.Size))
		return
	}
	root, leaf, ok := v.signedTree(s.Size)
	if !ok {
		v.report.Unchecked++
		return
	}
	if root != s.Root {
		v.badSignature(at, fmt.Sprintf("the signed root is not that of the first %d entries", s.Size))
		return
	}
	key := v.key(at, s.KeyHash)
	if key == nil {
		v.report.Unchecked++
		return
	}
	c := v.signatures.next()
	c.at, c.key, c.leaf, c.sig = at, key, leaf, append(c.sig[:0], s.Sig...)
	c.point = proof.Checkpoint{Origin: v.origin, Size: s.Size, Root: root}
	if s.Leaf {
		c.point.Leaf = &c.leaf
	}
	v.signatures.add()
}

// badSignature queues what is known already, so that findings stay in order.
func (v *verification) badSignature(at Finding, detail string) {
	c := v.signatures.next()
	c.at, c.bad = at, true
	c.at.Detail = detail
	v.signatures.add()
}

// settle counts a verified signature; they come in the order of the journal.
func (v *verification) settle(c *signatureCheck) {
	if !c.bad {
		v.report.Signatures++
		v.report.Signed = max(v.report.Signed, c.point.Size)
		v.badSigs = false
		return
	}
	if !v.badSigs { // what follows a rewritten entry fails all along: once is enough
		c.at.Detail += fmt.Sprintf("; the last tree with a valid signature has %d entries", v.report.Signed)
		v.find(c.at)
	}
	v.badSigs = true
}

// key finds the policy's key for a signature; nil without a policy, or with a finding.
func (v *verification) key(at Finding, hash uint32) *proof.Verifier {
	k := v.verifier[hash]
	if k == nil {
		k = &keyState{}
		if v.opts.Policy != nil {
			k.find(v.opts.Policy, v.origin, hash)
		}
		v.verifier[hash] = k
	}
	if k.verifier == nil && v.opts.Policy != nil && !k.told {
		k.told = true
		at.What, at.Detail = WhatKey, fmt.Sprintf("the policy lists no key %08x for %s", hash, v.origin)
		v.find(at)
	}
	return k.verifier
}

// keyState is what the policy says about one key hash.
type keyState struct {
	verifier *proof.Verifier
	told     bool
}

func (k *keyState) find(p *proof.Policy, origin string, hash uint32) {
	for _, candidate := range p.LogKeys() {
		if candidate.Name() == origin && candidate.KeyHash() == hash {
			k.verifier = candidate
		}
	}
}

// signatureCheck is one signature to verify, and its outcome.
type signatureCheck struct {
	at    Finding
	point proof.Checkpoint
	leaf  tlog.Hash // what point.Leaf points to
	key   *proof.Verifier
	sig   []byte
	bad   bool
}

func (c *signatureCheck) verify() {
	if !c.bad && c.key.VerifyCheckpoint(c.point, c.sig) != nil {
		c.bad, c.at.Detail = true, fmt.Sprintf("it does not verify for the first %d entries", c.point.Size)
	}
}

// signatureBatch is as many checks as make handing them over cost nothing
// beside verifying them.
type signatureBatch struct {
	checks [32]signatureCheck
	n      int
	done   chan struct{} // one value when all are verified
}

func (b *signatureBatch) verify() {
	for i := range b.checks[:b.n] {
		b.checks[i].verify()
	}
	b.done <- struct{}{}
}

// signatureChecks verifies signatures on all cores and tells the outcomes in
// order. All but the verifying is done by the goroutine that calls its methods.
type signatureChecks struct {
	settle  func(*signatureCheck)
	work    chan *signatureBatch
	workers sync.WaitGroup
	filling *signatureBatch
	pending []*signatureBatch
	spare   []*signatureBatch
	limit   int // of pending
}

func startSignatureChecks(workers int, settle func(*signatureCheck)) *signatureChecks {
	c := &signatureChecks{settle: settle, work: make(chan *signatureBatch, 8*workers), limit: 8 * workers}
	c.filling = c.batch()
	for range workers {
		c.workers.Go(func() {
			for b := range c.work {
				b.verify()
			}
		})
	}
	return c
}

func (c *signatureChecks) batch() *signatureBatch {
	if n := len(c.spare); n > 0 {
		b := c.spare[n-1]
		c.spare = c.spare[:n-1]
		return b
	}
	return &signatureBatch{done: make(chan struct{}, 1)}
}

// next is the check to fill in before add.
func (c *signatureChecks) next() *signatureCheck {
	s := &c.filling.checks[c.filling.n]
	*s = signatureCheck{sig: s.sig}
	return s
}

// add queues the check that next gave.
func (c *signatureChecks) add() {
	c.filling.n++
	if c.filling.n < len(c.filling.checks) {
		return
	}
	c.flush()
	if len(c.pending) >= c.limit {
		c.settleFirst()
	}
}

func (c *signatureChecks) flush() {
	c.pending = append(c.pending, c.filling)
	c.work <- c.filling
	c.filling = c.batch()
}

// settleFirst waits for the oldest batch and tells its outcomes.
func (c *signatureChecks) settleFirst() {
	b := c.pending[0]
	c.pending = append(c.pending[:0], c.pending[1:]...)
	<-b.done
	for i := range b.checks[:b.n] {
		c.settle(&b.checks[i])
	}
	b.n = 0
	c.spare = append(c.spare, b)
}

// close has everything queued verified and told, and ends the workers.
func (c *signatureChecks) close() {
	c.flush()
	close(c.work)
	for len(c.pending) > 0 {
		c.settleFirst()
	}
	c.workers.Wait()
}
