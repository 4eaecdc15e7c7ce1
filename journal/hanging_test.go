package journal_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/plomb-pos/plomb/internal/powercut"
	"github.com/plomb-pos/plomb/journal"
	"github.com/plomb-pos/plomb/journal/journaltest"
	"github.com/plomb-pos/plomb/journal/proof"
)

// sleeper is a signer that hangs until it is woken.
type sleeper struct {
	proof.Signer
	awake atomic.Pointer[chan struct{}] // closed
}

// sleep returns what wakes the signer up.
func (s *sleeper) sleep() (wake func()) {
	awake := make(chan struct{})
	s.awake.Store(&awake)
	return func() { close(awake) }
}

func (s *sleeper) Sign(ctx context.Context, c proof.Checkpoint) ([]byte, error) {
	select {
	case <-*s.awake.Load():
		return s.Signer.Sign(ctx, c)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func TestASignerThatHangsCostsOnePatienceAndIsHeardWhenItAnswers(t *testing.T) {
	s := &sleeper{Signer: journaltest.NewRecorder(origin)}
	s.sleep()()
	events := make(chan journal.Event, 64)
	opts := journal.Options{FS: powercut.New(), Keys: journaltest.NewKeys(), Signer: s, SegmentSize: segSize, Events: func(e journal.Event) { events <- e }}
	j, err := journal.Create(contextBackground, cutDir, origin, drafts(1), opts)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close(contextBackground)
	receipt := journal.Draft{Kind: 1, Time: time.UnixMilli(1_800_000_000_000), Sign: true}
	sign := func(ctx context.Context) (*journal.Ticket, error) {
		ticket, err := j.Append(contextBackground, receipt)
		if err != nil {
			t.Fatal(err)
		}
		_, err = ticket.Signed(ctx)
		return ticket, err
	}
	if _, err := sign(contextBackground); err != nil {
		t.Fatal(err)
	}
	wake := s.sleep()
	patience, cancel := context.WithTimeout(contextBackground, 20*time.Millisecond)
	defer cancel()
	first, err := sign(patience)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the first receipt of a signer that hangs: %v", err)
	}
	until(t, events, journal.SignerDown)
	second, err := sign(contextBackground) // without a deadline: it must not wait
	if !errors.Is(err, journal.ErrUnsigned) {
		t.Errorf("the second: %v", err)
	}
	wake()
	until(t, events, journal.SignerUp)
	for _, ticket := range []*journal.Ticket{first, second} {
		if signed, err := ticket.Signed(contextBackground); err != nil || signed.Checkpoint.Size != ticket.First()+1 {
			t.Errorf("receipt %d was not signed later: %v", ticket.First(), err)
		}
	}
	if _, err := sign(contextBackground); err != nil {
		t.Errorf("a signer that answers again: %v", err)
	}
}

func until(t *testing.T, events chan journal.Event, kind journal.EventKind) {
	t.Helper()
	limit := time.After(time.Minute)
	for {
		select {
		case e := <-events:
			if e.Kind == kind {
				return
			}
		case <-limit:
			t.Fatalf("no event %d", kind)
		}
	}
}
