package journal

import (
	"context"
	"crypto/cipher"
	"encoding/binary"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/plomb-pos/plomb/journal/proof"
)

// maxQueued bounds the sealed bytes that wait for the disk; beyond it Stage waits.
const maxQueued = 32 << 20

// Append stages drafts and waits until they survive loss of power.
func (j *Journal) Append(ctx context.Context, drafts ...Draft) (*Ticket, error) {
	t, err := j.Stage(drafts...)
	if err != nil {
		return nil, err
	}
	return t, t.Wait(ctx)
}

// Stage gives drafts consecutive indexes, in the order of the calls, and hands
// them to the disk together: after a loss of power all of them are there or
// none. A time before that of the entry before is replaced by it, and the entry
// marked as FlagClockUnsure.
//
// When Stage returns an error nothing was staged: ErrTooLarge, ErrStopped, a
// head that cannot be encoded, or keys that cannot be had. It waits only for
// the month's first key and when more than 32 MiB wait for the disk.
func (j *Journal) Stage(drafts ...Draft) (*Ticket, error) {
	if len(drafts) == 0 {
		return nil, fmt.Errorf("stage: no drafts")
	}
	t, space, err := j.newTicket(drafts)
	if err != nil {
		return nil, fmt.Errorf("stage: %w", err)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.admit(t); err != nil {
		return nil, fmt.Errorf("stage: %w", err)
	}
	j.stage(t, space)
	return t, nil
}

func (j *Journal) newTicket(drafts []Draft) (t *Ticket, space int, err error) {
	t = new(Ticket)
	t.prepared = t.one[:]
	if len(drafts) > 1 {
		t.prepared = make([]prepared, len(drafts))
	}
	buf := make([]byte, 0, len(drafts)*192)
	for i := range drafts {
		p := &t.prepared[i]
		if buf, err = drafts[i].prepare(p, j.origin, j.salts, buf); err != nil {
			return nil, 0, err
		}
		space += p.space()
	}
	if most := j.capacity - commitSpace(len(drafts)); space > most {
		return nil, 0, fmt.Errorf("%d drafts take %d bytes, at most %d fit: %w", len(drafts), space, most, ErrTooLarge)
	}
	return t, space, nil
}

// admit waits until the ticket can be staged: room in the queue, and the frame
// keys of the months its entries will have. Called and returns with mu held.
func (j *Journal) admit(t *Ticket) error {
	for {
		if j.err != nil {
			return j.err
		}
		if j.closing {
			return ErrStopped
		}
		if j.queued > maxQueued {
			j.room.Wait()
			continue
		}
		month, ok := j.missingFrame(t)
		if ok {
			return nil
		}
		if err := j.fetchFrame(month); err != nil {
			return err
		}
	}
}

// missingFrame returns a month of t's entries whose frame key is not there yet.
func (j *Journal) missingFrame(t *Ticket) (month uint32, ok bool) {
	last := j.lastTime
	for i := range t.prepared {
		last = max(last, t.prepared[i].time)
		if m := monthOf(last); j.frames[m] == nil {
			return m, false
		}
	}
	return 0, true
}

// fetchFrame gets the key of a month without holding mu: Keys may have to write it first.
func (j *Journal) fetchFrame(month uint32) error {
	j.mu.Unlock()
	frame, err := j.currentFrame(month)
	j.mu.Lock()
	if err == nil {
		j.frames[month] = frame
	}
	return err
}

func (j *Journal) currentFrame(month uint32) (cipher.AEAD, error) {
	key, err := j.opts.Keys.Current(context.Background(), month)
	if err != nil {
		return nil, fmt.Errorf("key of month %d: %w", month, err)
	}
	return newFrame(key, j.salt)
}

// stage gives the ticket its indexes and seals it into the group being built.
// It cannot fail. Called with mu held.
func (j *Journal) stage(t *Ticket, space int) {
	b := j.batchFor(len(t.prepared), space)
	t.first, t.fate = j.tree.Size(), b.fate
	for i := range t.prepared {
		j.seal(b, t, &t.prepared[i])
	}
	b.stagings++
	j.queued += space
	j.work.Signal()
}

func (j *Journal) seal(b *batch, t *Ticket, p *prepared) {
	index := j.tree.Size()
	if p.time < j.lastTime {
		p.time, p.flags = j.lastTime, p.flags|proof.FlagClockUnsure
	}
	j.lastTime = p.time
	p.head[headFlags] = byte(p.flags)
	binary.BigEndian.PutUint64(p.head[headIndex:], index)
	binary.BigEndian.PutUint64(p.head[headTime:], uint64(p.time))

	month := monthOf(p.time)
	j.scratch = b.addEntry(p, index, j.frames[month], month, j.salt, j.originBytes, j.scratch)
	leaf := proof.LeafHash(p.head)
	b.addLeaf(leaf, j.tree)
	if p.flags&proof.FlagSnapshot != 0 {
		j.snapshot = index + 1
	}
	b.last = p.sign && j.opts.Signer != nil
	if p.sign {
		j.expectReceipt(b, t, leaf)
	}
	p.body = nil
}

// expectReceipt notes that a receipt's signature is due once b is durable.
func (j *Journal) expectReceipt(b *batch, t *Ticket, leaf tlog.Hash) {
	r := &receipt{done: make(chan struct{})}
	r.checkpoint = proof.Checkpoint{Origin: j.origin, Size: j.tree.Size(), Root: j.tree.Root(), Leaf: &leaf}
	t.receipts, t.signers = append(t.receipts, r), j.signers
	if j.opts.Signer == nil {
		r.err, r.answered = fmt.Errorf("no signer: %w", ErrUnsigned), true
		close(r.done)
		return
	}
	b.receipts = append(b.receipts, r)
	j.due = append(j.due, r)
}

// batchFor returns a group with room for n entries in space bytes: the one being
// built, or a new one behind it.
func (j *Journal) batchFor(n, space int) *batch {
	if b := j.building(); b != nil {
		if b.stagings < maxStagings && len(b.buf)+space <= maxGroup && space <= b.room(j.segmentSize, n) {
			return b
		}
		j.closeBatch(b)
	}
	return j.newBatch(n, space)
}

// building is the group that still takes entries, nil if there is none.
func (j *Journal) building() *batch {
	if len(j.queue) == 0 {
		return nil
	}
	if b := j.queue[len(j.queue)-1]; !b.closed {
		return b
	}
	return nil
}

// newBatch begins a group behind the last one: in its segment if n entries in
// space bytes fit, else in the next.
func (j *Journal) newBatch(n, space int) *batch {
	b := j.spare()
	b.reset(j.tailSegment, j.tailOffset, j.tree.Size())
	if space > b.room(j.segmentSize, n) {
		b.reset(j.tailSegment+1, 0, j.tree.Size())
	}
	if b.start == 0 {
		b.addSegment(&segmentInfo{Origin: j.origin, Size: b.before, Frontier: j.tree.Hashes(), Snapshot: j.snapshot})
	}
	j.queue = append(j.queue, b)
	return b
}

func (j *Journal) spare() *batch {
	if n := len(j.spares); n > 0 {
		b := j.spares[n-1]
		j.spares = j.spares[:n-1]
		return b
	}
	return new(batch)
}

// closeBatch ends the group with the signatures that fit and its commit; its
// place and bytes are final, and the place of the next group is known.
func (j *Journal) closeBatch(b *batch) {
	j.storeSignatures(b)
	b.snapshot = j.snapshot
	b.close(j.tree.Root(), j.salt, j.dueBefore(b.before), j.snapshot)
	j.tailSegment, j.tailOffset = b.segment, uint32(alignUp(int(b.offset()), sector))
}

// storeSignatures writes the signatures at hand into b, as far as there is room.
func (j *Journal) storeSignatures(b *batch) {
	for len(j.signatures) > 0 {
		s := &j.signatures[0]
		if recordSpace(signaturePrefix+len(s.record.Sig)) > b.room(j.segmentSize, 0) {
			return
		}
		b.addSignature(&s.record)
		if s.receipt != nil {
			s.receipt.stored = true
		}
		j.signatures = j.signatures[1:]
	}
	j.signatures = nil
}

// dueBefore returns the smallest size up to before whose receipt signature is in
// no group yet, 0 if there is none.
func (j *Journal) dueBefore(before uint64) uint64 {
	for len(j.due) > 0 && j.due[0].stored {
		j.due[0] = nil
		j.due = j.due[1:]
	}
	if len(j.due) == 0 || j.due[0].checkpoint.Size > before {
		return 0
	}
	return j.due[0].checkpoint.Size
}
