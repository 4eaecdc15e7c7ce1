package journal

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/plomb-pos/plomb/journal/proof"
)

// signTimeout bounds one signature: a security chip answers in well under a
// second, and a signer that hangs is a signer that is down.
const signTimeout = 10 * time.Second

// signature is a signature made and not yet in a group.
type signature struct {
	record  signatureRecord
	receipt *receipt // nil: a group's checkpoint
}

// signJob is a checkpoint to be signed. The bytes under it are synced.
type signJob struct {
	checkpoint proof.Checkpoint
	receipt    *receipt
}

// signers ask the Signer, on all cores at once, while the next group is synced.
// A signer that fails holds nothing up: what it owes is asked for again.
type signers struct {
	j      *Journal
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu     sync.Mutex
	cond   *sync.Cond
	jobs   []signJob // receipts, in order
	group  *signJob  // the last group's checkpoint; an older one is worth nothing beside it
	owed   []signJob // failed, to be asked again
	active int
	down   bool
	ended  bool
}

func newSigners(j *Journal) *signers {
	s := &signers{j: j}
	s.cond = sync.NewCond(&s.mu)
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

func (s *signers) start() {
	if s.j.opts.Signer == nil || s.j.opts.serial {
		return
	}
	for range runtime.GOMAXPROCS(0) {
		s.wg.Go(s.work)
	}
}

// submit asks for signatures. Everything under these sizes must be durable.
func (s *signers) submit(receipts []*receipt, group *proof.Checkpoint) {
	if len(receipts) == 0 && group == nil {
		return
	}
	s.mu.Lock()
	for _, r := range receipts {
		s.jobs = append(s.jobs, signJob{r.checkpoint, r})
	}
	if group != nil {
		s.group = &signJob{checkpoint: *group}
	}
	s.wake(len(receipts) + 1)
	s.mu.Unlock()
	if s.j.opts.serial {
		s.drain()
	}
}

func (s *signers) wake(n int) {
	if n == 1 {
		s.cond.Signal()
		return
	}
	s.cond.Broadcast()
}

// work signs until the journal ends.
func (s *signers) work() {
	for {
		job, ok := s.next(true)
		if !ok {
			return
		}
		s.sign(job)
	}
}

// drain signs what is there, in the calling goroutine.
func (s *signers) drain() {
	for {
		job, ok := s.next(false)
		if !ok {
			return
		}
		s.sign(job)
	}
}

func (s *signers) next(wait bool) (signJob, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for wait && !s.ended && len(s.jobs) == 0 && s.group == nil {
		s.cond.Wait()
	}
	if s.ended {
		return signJob{}, false
	}
	if len(s.jobs) > 0 {
		job := s.jobs[0]
		s.jobs = s.jobs[1:]
		s.active++
		return job, true
	}
	if s.group != nil {
		job := *s.group
		s.group = nil
		s.active++
		return job, true
	}
	return signJob{}, false
}

func (s *signers) sign(job signJob) {
	ctx, cancel := context.WithTimeout(s.ctx, signTimeout)
	sig, err := s.j.opts.Signer.Sign(ctx, job.checkpoint)
	cancel()
	if err == nil && (len(sig) == 0 || len(sig) > maxSignature) {
		err = fmt.Errorf("signature of %d bytes", len(sig))
	}
	if err != nil {
		s.failed(job, err)
	} else {
		s.signed(job, sig)
	}
	s.mu.Lock()
	s.active--
	s.cond.Broadcast()
	s.mu.Unlock()
}

func (s *signers) signed(job signJob, sig []byte) {
	c := job.checkpoint
	signed := Signed{Checkpoint: c, KeyHash: s.j.opts.Signer.KeyHash(), Sig: sig}
	s.j.keepSignature(signature{
		record:  signatureRecord{Size: c.Size, KeyHash: signed.KeyHash, Leaf: c.Leaf != nil, Root: c.Root, Sig: sig},
		receipt: job.receipt,
	}, signed)
	job.receipt.answer(signed, nil)
	if s.setDown(false) {
		s.j.opts.tell(Event{Kind: SignerUp, Size: c.Size})
	}
}

func (s *signers) failed(job signJob, err error) {
	s.mu.Lock()
	s.owed = append(s.owed, job)
	s.mu.Unlock()
	job.receipt.answer(Signed{}, fmt.Errorf("%w: %w", ErrUnsigned, err))
	if s.setDown(true) {
		s.j.opts.tell(Event{Kind: SignerDown, Size: job.checkpoint.Size, Err: err})
	}
}

// answer gives the first answer to those who wait; a nil receipt is a group's.
func (r *receipt) answer(signed Signed, err error) {
	if r == nil {
		return
	}
	select {
	case <-r.done: // asked again after a failure: nobody waits any more
	default:
		r.signed, r.err = signed, err
		close(r.done)
	}
}

func (s *signers) setDown(down bool) (changed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	changed = s.down != down
	s.down = down
	return changed
}

// retry asks again for what is owed; of the groups' checkpoints the last is enough.
func (s *signers) retry() {
	s.mu.Lock()
	for _, job := range s.owed {
		switch {
		case job.receipt != nil:
			s.jobs = append(s.jobs, job)
		case s.group == nil || s.group.checkpoint.Size < job.checkpoint.Size:
			s.group = &signJob{checkpoint: job.checkpoint}
		}
	}
	s.owed = nil
	s.cond.Broadcast()
	s.mu.Unlock()
	if s.j.opts.serial {
		s.drain()
	}
}

// idle waits until nothing is being signed or waits for it; what is owed stays owed.
func (s *signers) idle(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.cond.Broadcast()
	})
	defer stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	for ctx.Err() == nil && !s.ended && (s.active > 0 || len(s.jobs) > 0 || s.group != nil) {
		s.cond.Wait()
	}
	return ctx.Err()
}

func (s *signers) end() {
	s.cancel()
	s.mu.Lock()
	s.ended = true
	s.cond.Broadcast()
	s.mu.Unlock()
	s.wg.Wait()
	for _, job := range append(s.jobs, s.owed...) {
		job.receipt.answer(Signed{}, fmt.Errorf("%w: %w", ErrUnsigned, ErrStopped))
	}
}

// keepSignature takes in a signature that the next group will store.
func (j *Journal) keepSignature(s signature, signed Signed) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.signatures = append(j.signatures, s)
	if signed.Checkpoint.Size >= j.latest.Checkpoint.Size {
		j.latest = signed
	}
}
