// Package conform holds the session rules of XFS4IoT as checks that run against
// any service, given by its URL: ours, another maker's, the reference.
//
// Each [Rule] has an identifier that stays and one sentence. A check opens its own
// connections, so a rule that fails does not spoil the next one. Rules about
// waiting, cancel and timeouts need a queued command that runs until it is
// cancelled (a barcode reader's Read with nothing to read, for example); without
// one in [Target.Long] they are reported as not run, never as passed.
//
//	for _, r := range conform.Run(ctx, conform.Target{URL: url}) {
//		fmt.Println(r)
//	}
//
// The rules come from the 2021-1 schema, the interface documents of release 2024-3
// and, where both are silent, from our reading of them; such rules say "ours" in
// their sentence. No check moves a device unless Target.Long does.
package conform

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/plomb-pos/plomb/xfs4iot"
	"github.com/plomb-pos/plomb/xfs4iot/client"
)

// Target is what to check and how to reach it.
type Target struct {
	URL        string             // of a service, not of a publisher
	Publisher  string             // URL of the publisher that should list it; empty: not checked
	Generation xfs4iot.Generation // of the messages sent
	Client     client.Options     // how to connect: Credentials or TLS for wss URLs

	// TLS is another way to give Client.TLS.
	TLS *tls.Config

	// Long is a command that is queued, runs until cancelled and changes nothing.
	// Its header needs Name and Version only. nil: rules that need it are not run.
	Long *xfs4iot.Message

	// Stir is a command that succeeds and makes the service send at least one
	// unsolicited event. nil: rules about such events are not run.
	Stir *xfs4iot.Message

	Patience time.Duration // for one answer; default 3 s
}

// Rule is one sentence of the protocol with its check.
type Rule struct {
	ID       string // stable: "order-1"
	Sentence string
	long     bool // needs Target.Long
	check    func(context.Context, *bench) error
}

// Ours tells whether the rule is our reading where the specification's sources are
// silent; another maker's service may fail it and still conform.
func (r Rule) Ours() bool { return strings.Contains(r.Sentence, "(ours)") }

// Result is how one rule went.
type Result struct {
	Rule   Rule
	Err    error // why it failed
	NotRun bool  // the target lacks what the rule needs
}

// String gives one line: verdict, identifier, sentence, and why it failed.
func (r Result) String() string {
	switch {
	case r.NotRun:
		return fmt.Sprintf("not run  %-10s %s", r.Rule.ID, r.Rule.Sentence)
	case r.Err != nil:
		return fmt.Sprintf("FAILED   %-10s %s: %v", r.Rule.ID, r.Rule.Sentence, r.Err)
	}
	return fmt.Sprintf("passed   %-10s %s", r.Rule.ID, r.Rule.Sentence)
}

// Line is a result as machines read it.
type Line struct {
	ID       string `json:"id"`
	Sentence string `json:"sentence"`
	Result   string `json:"result"` // "passed", "failed" or "notRun"
	Ours     bool   `json:"ours,omitzero"`
	Error    string `json:"error,omitzero"` // of a failed one
}

// Line gives the result as machines read it; its JSON is stable.
func (r Result) Line() Line {
	l := Line{ID: r.Rule.ID, Sentence: r.Rule.Sentence, Result: "passed", Ours: r.Rule.Ours()}
	switch {
	case r.NotRun:
		l.Result = "notRun"
	case r.Err != nil:
		l.Result, l.Error = "failed", r.Err.Error()
	}
	return l
}

// Failed counts the rules that a service broke.
func Failed(results []Result) int {
	n := 0
	for _, r := range results {
		if r.Err != nil {
			n++
		}
	}
	return n
}

// Run checks every rule, one after the other. Rules that have nothing to look at in
// this target (events without Target.Stir, what a generation has no field for, minors
// of a service that has none) are left out.
func Run(ctx context.Context, t Target) []Result {
	var results []Result
	for _, rule := range Rules() {
		if r, concerned := check(ctx, t, rule); concerned {
			results = append(results, r)
		}
	}
	return results
}

// What a check returns that cannot judge: errNotApplicable is reported as not run,
// errNothing is left out of Run.
var (
	errNotApplicable = errors.New("not applicable")
	errNothing       = errors.New("nothing to look at")
)

// Check runs one rule.
func Check(ctx context.Context, t Target, rule Rule) Result {
	r, _ := check(ctx, t, rule)
	return r
}

func check(ctx context.Context, t Target, rule Rule) (r Result, concerned bool) {
	if t.Patience == 0 {
		t.Patience = 3 * time.Second
	}
	if rule.long && t.Long == nil {
		return Result{Rule: rule, NotRun: true}, true
	}
	b := &bench{target: t}
	defer b.close()
	switch err := rule.check(ctx, b); {
	case errors.Is(err, errNothing):
		return Result{Rule: rule, NotRun: true}, false
	case errors.Is(err, errNotApplicable):
		return Result{Rule: rule, NotRun: true}, true
	default:
		return Result{Rule: rule, Err: err}, true
	}
}

// bench is what one check works with: any number of connections to the target.
type bench struct {
	target Target
	peers  []*peer
}

func (b *bench) close() {
	for _, p := range b.peers {
		_ = p.raw.Close()
	}
}

// peer is one raw connection.
type peer struct {
	raw  *client.Raw
	t    Target
	last []byte // the last message received, as it came

	running     map[int64]bool     // accepted and not completed
	unsolicited []*xfs4iot.Message // passed over so far
}

func (b *bench) dial(ctx context.Context) (*peer, error) { return b.dialTo(ctx, b.target.URL) }

func (b *bench) dialTo(ctx context.Context, url string) (*peer, error) {
	ctx, cancel := context.WithTimeout(ctx, b.target.Patience)
	defer cancel()
	o := b.target.Client
	if b.target.TLS != nil {
		o.TLS = b.target.TLS
	}
	raw, err := client.DialRaw(ctx, url, o)
	if err != nil {
		return nil, err
	}
	p := &peer{raw: raw, t: b.target, running: map[int64]bool{}}
	b.peers = append(b.peers, p)
	return p, nil
}

// send writes a command; version "" stands for the one the message description has.
func (p *peer) send(ctx context.Context, id int64, name, version, payload string, timeout time.Duration) error {
	m := xfs4iot.Message{Generation: p.t.Generation, Header: xfs4iot.Header{
		Type: xfs4iot.TypeCommand, Name: name, RequestID: id, Version: version, Timeout: timeout}}
	if payload != "" {
		m.Payload = []byte(payload)
	}
	data, err := m.Encode()
	if err != nil {
		return err
	}
	return p.write(ctx, string(data))
}

func (p *peer) write(ctx context.Context, text string) error {
	ctx, cancel := context.WithTimeout(ctx, p.t.Patience)
	defer cancel()
	return p.raw.Send(ctx, []byte(text))
}

func (p *peer) status(ctx context.Context, id int64) error {
	return p.send(ctx, id, "Common.Status", "2.0", "", 0)
}

func (p *peer) long(ctx context.Context, id int64, timeout time.Duration) error {
	l := p.t.Long
	return p.send(ctx, id, l.Header.Name, l.Header.Version, string(l.Payload), timeout)
}

func (p *peer) cancel(ctx context.Context, id int64, payload string) error {
	return p.send(ctx, id, "Common.Cancel", "2.0", payload, 0)
}

// next reads the next message that is neither unsolicited nor an event of a command
// that runs: such events may come at any time between acknowledgement and completion.
func (p *peer) next(ctx context.Context) (*xfs4iot.Message, error) {
	ctx, cancel := context.WithTimeout(ctx, p.t.Patience)
	defer cancel()
	for {
		data, err := p.raw.Receive(ctx)
		if err != nil {
			return nil, fmt.Errorf("no answer: %w", err)
		}
		p.last = data
		m, err := xfs4iot.Decode(data, xfs4iot.Limits{})
		if err != nil && m.Header.Type != xfs4iot.TypeAcknowledge {
			return nil, fmt.Errorf("%.200s: %w", data, err)
		}
		switch {
		case m.Header.Type == xfs4iot.TypeUnsolicited:
			p.unsolicited = append(p.unsolicited, m)
		case !p.duringCommand(m.Header):
			return m, nil
		}
	}
}

// duringCommand follows which commands run, and says whether a message is an event
// of one of them.
func (p *peer) duringCommand(h xfs4iot.Header) bool {
	switch h.Type {
	case xfs4iot.TypeAcknowledge:
		if h.Status == xfs4iot.StatusAccepted {
			p.running[h.RequestID] = true
		}
	case xfs4iot.TypeCompletion:
		delete(p.running, h.RequestID)
	}
	return h.Type == xfs4iot.TypeEvent && p.running[h.RequestID]
}

// expect reads one message and compares its type, requestId and code; "" as code
// is not compared.
func (p *peer) expect(ctx context.Context, typ xfs4iot.Type, id int64, code string) (*xfs4iot.Message, error) {
	m, err := p.next(ctx)
	if err != nil {
		return nil, fmt.Errorf("want %s of %d: %w", typ, id, err)
	}
	h := m.Header
	got := string(h.CompletionCode)
	if typ == xfs4iot.TypeAcknowledge {
		got = string(h.Status)
	}
	if h.Type != typ || h.RequestID != id || code != "" && got != code {
		return m, fmt.Errorf("want %s of %d with %q, got %.200s", typ, id, code, p.last)
	}
	return m, nil
}

// accepted reads an acknowledgement that lets the command start.
func (p *peer) accepted(ctx context.Context, id int64) error {
	m, err := p.expect(ctx, xfs4iot.TypeAcknowledge, id, "")
	if err == nil && m.Header.Status != xfs4iot.StatusAccepted {
		return fmt.Errorf("command %d was refused: %s", id, m.Header.Status)
	}
	return err
}

// completed reads a command's whole course: acknowledgement, events, completion.
func (p *peer) completed(ctx context.Context, id int64, code xfs4iot.CompletionCode) (*xfs4iot.Message, error) {
	if err := p.accepted(ctx, id); err != nil {
		return nil, err
	}
	return p.completion(ctx, id, code)
}

// completion reads a completion.
func (p *peer) completion(ctx context.Context, id int64, code xfs4iot.CompletionCode) (*xfs4iot.Message, error) {
	m, err := p.next(ctx)
	if err != nil {
		return nil, fmt.Errorf("completion of %d: %w", id, err)
	}
	if m.Header.Type != xfs4iot.TypeCompletion || m.Header.RequestID != id || m.Header.CompletionCode != code {
		return m, fmt.Errorf("want completion of %d with %s, got %.200s", id, code, p.last)
	}
	return m, nil
}

// alive checks that a connection still answers.
func (p *peer) alive(ctx context.Context, id int64) error {
	if err := p.status(ctx, id); err != nil {
		return err
	}
	_, err := p.completed(ctx, id, xfs4iot.Success)
	return err
}

// closed reads until the service closes the connection and gives the close code.
func (p *peer) closed(ctx context.Context) (int, error) {
	for {
		if _, err := p.next(ctx); err != nil {
			if ctx.Err() != nil || errors.Is(err, context.DeadlineExceeded) {
				return 0, errors.New("the connection was not closed")
			}
			return client.CloseCode(err), nil
		}
	}
}
