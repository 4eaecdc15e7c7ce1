package receiptprinter

import (
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
	content [32]byte // SHA-256 of the document
	running bool
	err     error // what completed it; nil when it was printed
}

// begin starts a job. known says that it must not be printed now: it is on paper,
// uncertain, or another document; err is then its completion.
func (j *Memory) begin(id string, content [32]byte) (known bool, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	old := j.known[id]
	switch {
	case old == nil:
		j.remember(id, &job{content: content, running: true})
		return false, nil
	case old.content != content:
		return true, host.Fail(printer.PrintFormErrorCodeSequenceInvalid, "job "+id+" was another document")
	case old.running:
		return true, host.Fail(printer.PrintFormErrorCodeSequenceInvalid, "job "+id+" is being printed")
	case old.err == nil || uncertain(old.err):
		return true, old.err
	}
	old.running, old.err = true, nil
	return false, nil
}

func (j *Memory) remember(id string, n *job) {
	if j.known == nil {
		j.known = map[string]*job{}
	}
	if len(j.order) == MaxJobs {
		delete(j.known, j.order[0])
		j.order = j.order[1:]
	}
	j.known[id] = n
	j.order = append(j.order, id)
}

func (j *Memory) end(id string, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if n := j.known[id]; n != nil {
		n.running, n.err = false, err
	}
}

// outcome is the completion of a job.
func (j *Memory) outcome(id string) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	n := j.known[id]
	switch {
	case n == nil:
		return host.Fail(printer.PrintFormErrorCodeSequenceInvalid, "job "+id+" is not known")
	case n.running:
		return host.Fail(printer.PrintFormErrorCodeSequenceInvalid, "job "+id+" is being printed")
	}
	return n.err
}

// uncertain says that a completion leaves open what is on paper.
func uncertain(err error) bool {
	var e *xfs4iot.Error
	return errors.As(err, &e) && e.Code == xfs4iot.HardwareError
}
