package journal

import (
	"fmt"

	"github.com/plomb-pos/plomb/journal/proof"
)

// write is the one goroutine that writes groups. It ends when the journal stops or closes.
func (j *Journal) write() {
	defer close(j.writerDone)
	for {
		b := j.take()
		if b == nil {
			return
		}
		if err := j.commit(b); err != nil {
			j.fail(b, err)
			return
		}
		j.acknowledge(b)
	}
}

// take waits for the next group and closes it: from here on its bytes are final.
func (j *Journal) take() *batch {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.writing = false
	j.room.Broadcast()
	for j.err == nil {
		if len(j.queue) > 0 {
			return j.pop()
		}
		if j.flush && len(j.signatures) > 0 {
			j.newBatch(0, recordSpace(signaturePrefix+len(j.signatures[0].record.Sig)))
			continue
		}
		j.flush = false
		j.work.Wait()
	}
	return nil
}

func (j *Journal) pop() *batch {
	b := j.queue[0]
	j.queue = append(j.queue[:0], j.queue[1:]...)
	if !b.closed {
		j.closeBatch(b)
	}
	j.queued = max(0, j.queued-len(b.buf))
	if len(j.queue) == 0 {
		j.queued = 0
	}
	j.writing = true
	return b
}

// commit makes a group durable.
//
// A crash before the sync has returned leaves any part of the group's sectors:
// recovery finds it whole, and keeps it, or torn, and removes it. Nobody has been
// told of it, and nothing under it has been signed.
func (j *Journal) commit(b *batch) error {
	f, err := j.segments.use(b.segment)
	if err != nil {
		return err
	}
	if j.opts.skip == stepSignEarly {
		j.signEarly(b)
	}
	if _, err := f.WriteAt(b.buf, int64(b.start)); err != nil {
		return fmt.Errorf("write group at %d of segment %d: %w", b.start, b.segment, err)
	}
	if j.opts.skip == stepGroupSync {
		return nil
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("sync group at %d of segment %d: %w", b.start, b.segment, err)
	}
	return nil
}

// acknowledge tells everybody that a group is durable.
func (j *Journal) acknowledge(b *batch) {
	j.index.note(b)
	j.mu.Lock()
	j.size, j.root = b.size(), b.root
	j.durableTail = tail{b.segment, uint32(alignUp(int(b.offset()), sector))}
	j.lastSnapshot = b.snapshot
	if j.changed != nil && b.count() > 0 {
		close(j.changed)
		j.changed = nil
	}
	j.mu.Unlock()
	fate := b.fate
	if !j.opts.serial {
		close(fate.done)
	}
	j.signers.submit(j.jobs(b))
	j.segments.prepareNext()
	j.recycle(b)
	if j.opts.serial { // a test's next step begins when all of this one is over
		close(fate.done)
	}
}

func (j *Journal) recycle(b *batch) {
	if cap(b.buf) > 2*maxGroup {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.spares = append(j.spares, b)
}

// jobs are the signatures that a durable group asks for: one for each receipt,
// or one for the group if no receipt ends it.
func (j *Journal) jobs(b *batch) (receipts []*receipt, group *proof.Checkpoint) {
	if j.opts.Signer == nil || b.count() == 0 {
		return nil, nil
	}
	if !b.last {
		group = &proof.Checkpoint{Origin: j.origin, Size: b.size(), Root: b.root}
	}
	return b.receipts, group
}

// signEarly is the mutant of rule "sign after the sync".
func (j *Journal) signEarly(b *batch) {
	j.signers.submit(nil, &proof.Checkpoint{Origin: j.origin, Size: b.size(), Root: b.root})
}

// fail stops the journal: what is on disk is unknown from here on, and only
// opening it again tells. b is the group at hand, nil if none is.
func (j *Journal) fail(b *batch, cause error) {
	err := fmt.Errorf("%w: %w", ErrStopped, cause)
	j.mu.Lock()
	j.err = err
	waiting := j.queue
	if b != nil {
		waiting = append([]*batch{b}, waiting...)
	}
	j.queue = nil
	if j.changed != nil {
		close(j.changed)
		j.changed = nil
	}
	size := j.size
	j.work.Broadcast()
	j.room.Broadcast()
	j.mu.Unlock()
	for _, w := range waiting {
		w.fate.err = err
		close(w.fate.done)
	}
	close(j.done)
	j.opts.tell(Event{Kind: Stopped, Size: size, Err: cause})
}

// proved is what recovery hands to start.
type proved struct {
	tree     *proof.Frontier
	lastTime int64
	snapshot uint64
	tail     tail
	due      []*receipt
	latest   Signed
	signed   bool // the last size has a signature
}

// start sets a recovered journal going. From here on everything is normal
// running: the signatures that are due are asked for like any others.
func (j *Journal) start(p *proved) {
	j.tree, j.lastTime, j.snapshot, j.lastSnapshot = p.tree, p.lastTime, p.snapshot, p.snapshot
	j.tailSegment, j.tailOffset, j.durableTail = p.tail.segment, p.tail.offset, p.tail
	j.size, j.root = p.tree.Size(), p.tree.Root()
	j.latest = p.latest
	if j.opts.Signer != nil {
		j.due = p.due
	}
	j.caretaker = startCaretaker(j)
	j.signers.start()
	if j.opts.Signer != nil {
		var group *proof.Checkpoint
		if !p.signed {
			group = &proof.Checkpoint{Origin: j.origin, Size: j.size, Root: j.root}
		}
		j.signers.submit(append([]*receipt(nil), p.due...), group)
	}
	j.segments.prepareNext()
	go j.write()
}
