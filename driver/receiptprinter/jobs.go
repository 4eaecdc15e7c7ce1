package receiptprinter

import (
	"context"
	"errors"
	"sync"

	"github.com/plomb-pos/plomb/xfs4iot"
	"github.com/plomb-pos/plomb/xfs4iot/host"
	"github.com/plomb-pos/plomb/xfs4iot/printer"
)

// MaxJobs is how many jobs are remembered; the oldest is forgotten first.
const MaxJobs = 1000

// Memory remembers what became of the jobs that had an id. It may outlive a
// Service: another one for the same printer can go on with it. The zero value is
// empty and ready; it is safe for concurrent use.
type Memory struct {
	mu    sync.Mutex // guards what follows
	known map[string]*job
	order []string
}

type job struct {
	content [32]byte      // SHA-256 of the document
	running chan struct{} // closed when it ends; nil when it has ended
	err     error         // what completed it; nil when it was printed
}

// begin starts a job; one that runs already, for a client whose connection ended,
// is waited for. known says that it must not be printed now: it is on paper,
// uncertain, or another document; err is then its completion.
func (m *Memory) begin(ctx context.Context, id string, content [32]byte) (known bool, err error) {
	if err := m.wait(ctx, id); err != nil {
		return true, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	old := m.known[id]
	switch {
	case old == nil:
		old = &job{content: content}
		m.remember(id, old)
	case old.content != content:
		return true, host.Fail(printer.PrintFormErrorCodeSequenceInvalid, "job "+id+" was another document")
	case old.running != nil: // another service began it just now
		return true, host.Fail(printer.PrintFormErrorCodeSequenceInvalid, "job "+id+" is being printed")
	case old.err == nil || uncertain(old.err):
		return true, old.err
	}
	old.running, old.err = make(chan struct{}), nil
	return false, nil
}

func (m *Memory) remember(id string, n *job) {
	if m.known == nil {
		m.known = map[string]*job{}
	}
	if len(m.order) == MaxJobs {
		delete(m.known, m.order[0])
		m.order = m.order[1:]
	}
	m.known[id] = n
	m.order = append(m.order, id)
}

func (m *Memory) end(id string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if n := m.known[id]; n != nil && n.running != nil {
		close(n.running)
		n.running, n.err = nil, err
	}
}

// wait returns once the job does not run. If the command that waits ends before,
// nothing is known: that must not look like the end of the job.
func (m *Memory) wait(ctx context.Context, id string) error {
	m.mu.Lock()
	n := m.known[id]
	var running chan struct{}
	if n != nil {
		running = n.running
	}
	m.mu.Unlock()
	if running == nil {
		return nil
	}
	select {
	case <-running:
		return nil
	case <-ctx.Done():
		return &xfs4iot.Error{Code: xfs4iot.HardwareError, Description: "outcome uncertain: job " + id + " is still being printed"}
	}
}

// outcome is the completion of a job, once it has ended.
func (m *Memory) outcome(ctx context.Context, id string) error {
	if err := m.wait(ctx, id); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.known[id]
	switch {
	case n == nil:
		return host.Fail(printer.PrintFormErrorCodeSequenceInvalid, "job "+id+" is not known")
	case n.running != nil:
		return host.Fail(printer.PrintFormErrorCodeSequenceInvalid, "job "+id+" is being printed")
	}
	return answer(n.err)
}

// answer is how a question for a job completes: as the job did, but never with a
// code that could be about the question itself, such as timeOut.
func answer(err error) error {
	var e *xfs4iot.Error
	if !errors.As(err, &e) || e.Code == xfs4iot.CommandErrorCode || e.Code == xfs4iot.HardwareError {
		return err
	}
	return host.Fail(printer.PrintFormErrorCodeFlushFail, "not printed: "+err.Error())
}

// uncertain says that a completion leaves open what is on paper.
func uncertain(err error) bool {
	var e *xfs4iot.Error
	return errors.As(err, &e) && e.Code == xfs4iot.HardwareError
}
