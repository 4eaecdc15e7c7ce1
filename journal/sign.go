package journal

import (
	"context"
	"errors"
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
	receipt    *receipt // nil: a group's checkpoint
}

// signers ask the Signer while the next group is synced. Who waits for a receipt's
// signature asks for it itself, as soon as the receipt is durable: that spares two
// changes from one goroutine to another, and keeps all cores signing. For the rest
// there are workers. A signer that fails holds nothing up: what it owes is asked
// for again.
type signers struct {
	j      *Journal
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu      sync.Mutex
	work    *sync.Cond // there is something for a worker, or the end
	quiet   *sync.Cond // active, open or group may have become none
	jobs    []*receipt // in order; those that are claimed are passed over
	open    int        // jobs that nobody has claimed
	group   *signJob   // the last group's checkpoint; an older one is worth nothing beside it
	owed    []signJob  // failed, to be asked again
	again   []signJob  // owed, being asked again
	active  int
	down    bool
	hanging bool // somebody waited in vain: until it answers nobody waits any more
	ended   bool
}

func newSigners(j *Journal) *signers {
	s := &signers{j: j}
	s.work, s.quiet = sync.NewCond(&s.mu), sync.NewCond(&s.mu)
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

func (s *signers) start() {
	if s.j.opts.Signer == nil || s.j.opts.serial {
		return
	}
	for range runtime.GOMAXPROCS(0) {
		s.wg.Go(s.run)
	}
}

// submit asks for signatures. Everything under these sizes must be durable.
func (s *signers) submit(receipts []*receipt, group *proof.Checkpoint) {
	if len(receipts) == 0 && group == nil {
		return
	}
	s.mu.Lock()
	forWorkers := s.enqueue(receipts)
	if group != nil {
		s.group = &signJob{checkpoint: *group}
		forWorkers++
	}
	s.wake(forWorkers)
	s.mu.Unlock()
	if s.j.opts.serial {
		s.drain()
	}
}

// enqueue takes receipts in that nobody has claimed meanwhile, and counts those
// that nobody waits for.
func (s *signers) enqueue(receipts []*receipt) (unwanted int) {
	for len(s.jobs) > 0 && s.jobs[0].claimed {
		s.jobs = s.jobs[1:]
	}
	for _, r := range receipts {
		if r.queued = true; r.claimed {
			continue
		}
		s.jobs = append(s.jobs, r)
		s.open++
		if r.wanted == 0 {
			unwanted++
		}
	}
	return unwanted
}

func (s *signers) wake(n int) {
	switch n {
	case 0:
	case 1:
		s.work.Signal()
	default:
		s.work.Broadcast()
	}
}

// run signs until the journal ends.
func (s *signers) run() {
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
	for wait && !s.ended && s.idleHeld() {
		s.work.Wait()
	}
	if s.ended || s.idleHeld() {
		return signJob{}, false
	}
	s.active++
	return s.takeHeld(), true
}

func (s *signers) idleHeld() bool { return s.open == 0 && s.group == nil && len(s.again) == 0 }

// takeHeld is the next job: new receipts first. There is one.
func (s *signers) takeHeld() signJob {
	for s.open > 0 {
		r := s.jobs[0]
		s.jobs = s.jobs[1:]
		if !r.claimed {
			r.claimed = true
			s.open--
			return signJob{r.checkpoint, r}
		}
	}
	if s.group != nil {
		job := *s.group
		s.group = nil
		return job
	}
	job := s.again[0]
	s.again = s.again[1:]
	return job
}

func (s *signers) sign(job signJob) {
	ctx, cancel := context.WithTimeout(s.ctx, signTimeout)
	sig, err := s.ask(ctx, job)
	cancel()
	if err != nil {
		s.failed(job, err)
	} else {
		s.signed(job, sig)
	}
	s.done()
}

func (s *signers) ask(ctx context.Context, job signJob) ([]byte, error) {
	sig, err := s.j.opts.Signer.Sign(ctx, job.checkpoint)
	if err == nil && (len(sig) == 0 || len(sig) > maxSignature) {
		err = fmt.Errorf("signature of %d bytes", len(sig))
	}
	return sig, err
}

func (s *signers) done() {
	s.mu.Lock()
	s.active--
	s.quiet.Broadcast()
	s.mu.Unlock()
}

// await returns the signature of a receipt that is durable, and asks for it if
// nobody does yet.
func (s *signers) await(ctx context.Context, r *receipt) (Signed, error) {
	mine, err := s.claim(r)
	if err != nil {
		return Signed{}, err
	}
	if mine {
		s.signFor(ctx, signJob{r.checkpoint, r})
	}
	select {
	case <-r.done:
		return r.signed, r.err
	default:
	}
	select {
	case <-r.done:
		return r.signed, r.err
	case <-ctx.Done():
		s.waitedInVain(ctx)
		return Signed{}, ctx.Err()
	}
}

// want notes that somebody will come for a receipt's signature, or has gone.
func (s *signers) want(r *receipt, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r.wanted += n
	if r.wanted == 0 && r.queued && !r.claimed {
		s.work.Signal()
	}
}

var errHanging = errors.New("the signer does not answer")

// claim takes a receipt's job if nobody has it. While the signer hangs that is
// left to the workers.
func (s *signers) claim(r *receipt) (mine bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case r.answered:
		return false, nil
	case s.hanging:
		return false, fmt.Errorf("%w: %w", ErrUnsigned, errHanging)
	case r.claimed || s.ended || s.j.opts.serial:
		return false, nil
	}
	if r.claimed = true; r.queued {
		s.open--
	}
	s.active++
	return true, nil
}

// signFor signs for somebody who waits no longer than ctx. If that ends first the
// job goes to the workers.
func (s *signers) signFor(ctx context.Context, job signJob) {
	limit, cancel := context.WithTimeout(ctx, signTimeout)
	sig, err := s.ask(limit, job)
	cancel()
	switch {
	case err == nil:
		s.signed(job, sig)
	case ctx.Err() == nil:
		s.failed(job, err)
	default:
		s.mu.Lock()
		s.again = append(s.again, job)
		s.work.Signal()
		s.mu.Unlock()
	}
	s.done()
}

// waitedInVain marks the signer as one that hangs, so that it costs one receipt's
// patience and not that of each.
func (s *signers) waitedInVain(ctx context.Context) {
	if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return
	}
	s.mu.Lock()
	s.hanging = true
	s.mu.Unlock()
	if s.setDown(true) {
		s.j.opts.tell(Event{Kind: SignerDown, Size: s.j.Size(), Err: errHanging})
	}
}

func (s *signers) signed(job signJob, sig []byte) {
	c := job.checkpoint
	signed := Signed{Checkpoint: c, KeyHash: s.j.opts.Signer.KeyHash(), Sig: sig}
	s.j.keepSignature(signature{
		record:  signatureRecord{Size: c.Size, KeyHash: signed.KeyHash, Leaf: c.Leaf != nil, Root: c.Root, Sig: sig},
		receipt: job.receipt,
	}, signed)
	s.answer(job.receipt, signed, nil)
	if s.setDown(false) {
		s.j.opts.tell(Event{Kind: SignerUp, Size: c.Size})
	}
}

func (s *signers) failed(job signJob, err error) {
	s.mu.Lock()
	s.owed = append(s.owed, job)
	s.mu.Unlock()
	s.answer(job.receipt, Signed{}, fmt.Errorf("%w: %w", ErrUnsigned, err))
	if s.setDown(true) {
		s.j.opts.tell(Event{Kind: SignerDown, Size: job.checkpoint.Size, Err: err})
	}
}

// answer gives the first answer to those who wait; a nil receipt is a group's.
// Asked again after a failure nobody waits any more.
func (s *signers) answer(r *receipt, signed Signed, err error) {
	if r == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !r.answered {
		r.answered, r.signed, r.err = true, signed, err
		close(r.done)
	}
}

func (s *signers) setDown(down bool) (changed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	changed = s.down != down
	s.down, s.hanging = down, down && s.hanging
	return changed
}

// retry asks again for what is owed; of the groups' checkpoints the last is enough.
func (s *signers) retry() {
	s.mu.Lock()
	for _, job := range s.owed {
		switch {
		case job.receipt != nil:
			s.again = append(s.again, job)
		case s.group == nil || s.group.checkpoint.Size < job.checkpoint.Size:
			s.group = &signJob{checkpoint: job.checkpoint}
		}
	}
	s.owed = nil
	s.work.Broadcast()
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
		s.quiet.Broadcast()
	})
	defer stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.work.Broadcast() // what nobody comes for
	for ctx.Err() == nil && !s.ended && (s.active > 0 || !s.idleHeld()) {
		s.quiet.Wait()
	}
	return ctx.Err()
}

func (s *signers) end() {
	s.cancel()
	s.mu.Lock()
	s.ended = true
	s.work.Broadcast()
	s.quiet.Broadcast()
	left := s.jobs
	for _, job := range append(s.again, s.owed...) {
		left = append(left, job.receipt)
	}
	s.mu.Unlock()
	s.wg.Wait()
	for _, r := range left {
		s.answer(r, Signed{}, fmt.Errorf("%w: %w", ErrUnsigned, ErrStopped))
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
