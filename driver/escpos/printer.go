package escpos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/plomb-pos/plomb/receipt/paper"
)

// Outcome is what is known about a job.
type Outcome int

// The outcomes; see the package comment for what each is worth.
const (
	NotPrinted Outcome = iota
	Printed
	Uncertain
)

func (o Outcome) String() string {
	return [...]string{"not printed", "printed", "unknown", "unknown"}[o&3]
}

// Result is what became of a job.
type Result struct {
	Outcome Outcome
	Losses  []Loss // characters that were replaced
}

// Printer is a connection to one printer that is kept up by [Printer.Run]. Its
// methods may be called concurrently; jobs are printed one after the other.
type Printer struct {
	// OnStatus, if set before Run, is called with every change of the status, in
	// order. It must not block and not call Print.
	OnStatus func(Status)
	// Heartbeat is how often the printer is asked for its status; a printer that
	// does not answer for three times as long counts as gone. Default 2 s.
	Heartbeat time.Duration
	// Resolve is how long an interrupted job may take to be resolved before its
	// outcome is unknown. Default 3 s.
	Resolve time.Duration
	// Redial is the pause between attempts to connect. Default 1 s.
	Redial time.Duration

	dial    Dial
	profile Profile
	slot    chan struct{} // held while a job is printed

	tellMu  sync.Mutex // orders status changes with their calls; taken before mu
	mu      sync.Mutex // guards what follows
	status  Status
	session *session
	number  uint16
	cutOff  bool // a job was sent in part and its rest is not known to be dropped
}

// New makes a printer without touching it.
func New(dial Dial, p Profile) *Printer {
	return &Printer{
		Heartbeat: 2 * time.Second, Resolve: 3 * time.Second, Redial: time.Second,
		dial: dial, profile: p, slot: make(chan struct{}, 1), number: uint16(rand.Uint32()),
	}
}

// Profile is the profile that New was given.
func (p *Printer) Profile() Profile { return p.profile }

// Status is the state as last reported.
func (p *Printer) Status() Status {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.status
}

// Run connects, and connects again whenever the connection ends, until ctx ends.
func (p *Printer) Run(ctx context.Context) error {
	for {
		p.connect(ctx)
		p.update(func(Status) Status { return Status{} })
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(p.Redial):
		}
	}
}

// connect runs one connection to its end. That a printer cannot be reached shows
// in the status; there is nobody to return the error to.
func (p *Printer) connect(ctx context.Context) {
	conn, err := p.dial(ctx)
	if err != nil {
		return
	}
	s := newSession(conn, p)
	p.attach(s)
	s.run(ctx)
	p.attach(nil)
}

func (p *Printer) attach(s *session) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.session = s
}

func (p *Printer) current() *session {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.session
}

func (p *Printer) update(change func(Status) Status) {
	p.tellMu.Lock()
	defer p.tellMu.Unlock()
	p.mu.Lock()
	before := p.status
	p.status = change(before)
	after, s := p.status, p.session
	p.mu.Unlock()
	if after == before {
		return
	}
	if s != nil {
		s.notify()
	}
	if p.OnStatus != nil {
		p.OnStatus(after)
	}
}

// Print prints a document and returns when its outcome is known, or known to be
// unknown. The error is nil exactly when it was printed; otherwise it says why,
// for the first with one of the reasons of [Status.Trouble] or the error of ctx.
// When ctx ends early the printer is told to throw the rest away.
func (p *Printer) Print(ctx context.Context, doc paper.Doc) (Result, error) {
	job, err := Encode(doc, p.profile)
	if err != nil {
		return Result{}, err
	}
	outcome, err := p.PrintBytes(ctx, job.Bytes)
	return Result{Outcome: outcome, Losses: job.Losses}, err
}

// PrintBytes prints bytes that are already in the printer's language; see Print.
// Requests for answers inside them may confuse what is known of the printer.
func (p *Printer) PrintBytes(ctx context.Context, data []byte) (Outcome, error) {
	select {
	case p.slot <- struct{}{}:
		defer func() { <-p.slot }()
	case <-ctx.Done():
		return NotPrinted, fmt.Errorf("wait for the printer: %w", ctx.Err())
	}
	s := p.current()
	if s == nil {
		return NotPrinted, ErrDisconnected
	}
	if err := errors.Join(p.Status().Trouble(), ctx.Err()); err != nil {
		return NotPrinted, err
	}
	return p.deliver(ctx, s, data)
}

// deliver sends a job. From its first byte on only the printer's answers can tell
// what became of it.
func (p *Printer) deliver(ctx context.Context, s *session, data []byte) (Outcome, error) {
	id := p.nextID()
	confirmed := s.expect(id)
	sent := s.sendJob(id, append(data[:len(data):len(data)], p.question(id)...))
	p.setCutOff(true)
	for {
		select {
		case <-confirmed:
			p.setCutOff(false)
			return Printed, nil
		case <-s.closed:
			return afterClose(confirmed)
		case err := <-sent:
			if err != nil {
				s.close()
			}
			p.setCutOff(err != nil)
			sent = nil
		case <-s.changed:
			if err := p.Status().stops(); err != nil {
				return p.resolve(s, confirmed, err)
			}
		case <-ctx.Done():
			return p.resolve(s, confirmed, fmt.Errorf("print: %w", ctx.Err()))
		}
	}
}

// stops is the trouble that ends a job. Being off line alone does not: printers
// say so for moments, as when the feed button is pressed.
func (s Status) stops() error {
	if err := s.Trouble(); err != nil && !errors.Is(err, ErrOffline) {
		return err
	}
	return nil
}

// afterClose prefers an answer that came just before the end.
func afterClose(confirmed <-chan struct{}) (Outcome, error) {
	select {
	case <-confirmed:
		return Printed, nil
	default:
		return Uncertain, fmt.Errorf("%w while printing", ErrDisconnected)
	}
}

// resolve ends a job that does not go on: the printer throws its buffer away and
// confirms it, or the answer to the job comes after all. Otherwise nobody knows;
// the connection is then given up, so that nothing of the job is sent later.
func (p *Printer) resolve(s *session, confirmed <-chan struct{}, why error) (Outcome, error) {
	if p.profile.NoClear {
		s.close()
		return Uncertain, why
	}
	timeout := time.NewTimer(p.Resolve)
	defer timeout.Stop()
	select {
	case <-confirmed:
		return Printed, nil
	case <-s.clear():
		p.setCutOff(false)
		return NotPrinted, why
	case <-s.closed:
	case <-timeout.C:
		s.close()
	}
	return Uncertain, why
}

func (p *Printer) setCutOff(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cutOff = on
}

// takeCutOff says whether a connection must begin by clearing the printer's
// buffer: the half of a command that may be in it would swallow the next job.
func (p *Printer) takeCutOff() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	was := p.cutOff
	p.cutOff = false
	return was && !p.profile.NoClear
}

// question is the command that the printer answers after the job.
func (p *Printer) question(id [4]byte) []byte {
	if p.profile.NoProcess {
		return StatusRequest{1}.AppendTo(nil)
	}
	return ProcessID{id}.AppendTo(nil)
}

func (p *Printer) nextID() [4]byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.number++
	return [4]byte([]byte(fmt.Sprintf("%04x", p.number)))
}
