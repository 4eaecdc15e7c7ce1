package main

import (
	"context"
	"fmt"

	"github.com/plomb-pos/plomb/xfs4iot"
	"github.com/plomb-pos/plomb/xfs4iot/conform"
	"github.com/plomb-pos/plomb/xfs4iot/interfaces"
)

type xfsConform struct {
	xfsService
	Publisher string `placeholder:"ADDRESS" help:"Publisher that has to list the service: HOST:PORT or ws[s]://…"`
	Long      string `placeholder:"COMMAND" help:"A command that waits until it is cancelled and changes nothing, such as BarcodeReader.Read. Without one the rules of queue, cancel and timeout are not run."`
	Stir      string `placeholder:"COMMAND" help:"A command that succeeds without payload and makes the service send an unsolicited event. Without one the rules of such events are not run."`
	JSON      bool   `name:"json" help:"Print one line of JSON a rule."`
}

// Help says what the rules are and how they are counted.
func (xfsConform) Help() string {
	return `Checks a service, ours or another maker's, against the session rules of XFS4IoT:
acknowledgement first, refusals, queue, cancel, timeouts, events, versions, both
envelopes, bad input. Each rule has an identifier that stays. Nothing is moved
unless --long names a command that moves something.

  plomb xfs conform Scanner --long BarcodeReader.Read

Exit codes: 0 every rule that was run holds; 1 at least one does not.`
}

// ruleResult is one line of JSON.
type ruleResult struct {
	Rule     string `json:"rule"`
	Sentence string `json:"sentence"`
	Verdict  string `json:"verdict"` // pass, fail, not run
	Why      string `json:"why,omitempty"`
}

func (c xfsConform) Run(ctx context.Context, s streams) error {
	target, err := c.target(ctx)
	if err != nil {
		return err
	}
	passed, failed, skipped := 0, 0, 0
	for _, rule := range conform.Rules() {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		result := conform.Check(ctx, target, rule)
		switch {
		case result.NotRun:
			skipped++
		case result.Err != nil:
			failed++
		default:
			passed++
		}
		if err := c.print(s, result); err != nil {
			return err
		}
	}
	fmt.Fprintf(s.Err, "plomb: %d rules hold, %d do not, %d were not run\n", passed, failed, skipped)
	if failed > 0 {
		return fmt.Errorf("%s breaks %d rules", target.URL, failed)
	}
	return nil
}

func (c xfsConform) target(ctx context.Context) (conform.Target, error) {
	o, err := c.options()
	if err != nil {
		return conform.Target{}, err
	}
	find, stop := context.WithTimeout(ctx, c.Patience)
	defer stop()
	out := conform.Target{Generation: o.Generation}
	if o.Credentials != nil {
		out.TLS = o.Credentials.Client()
	}
	if out.URL, err = c.find(find, o); err != nil {
		return out, err
	}
	if c.Publisher != "" {
		if out.Publisher, err = c.address(c.Publisher); err != nil {
			return out, err
		}
	}
	if out.Long, err = bare(c.Long); err != nil {
		return out, err
	}
	out.Stir, err = bare(c.Stir)
	return out, err
}

// bare is a command without payload; nil for no name.
func bare(name string) (*xfs4iot.Message, error) {
	if name == "" {
		return nil, nil
	}
	info, ok := interfaces.Command(name)
	if !ok {
		return nil, usage{fmt.Errorf("there is no command %q%s", name, similar(name))}
	}
	return xfs4iot.New(xfs4iot.Header{Type: xfs4iot.TypeCommand, Name: info.Name, Version: info.Version}, nil)
}

func (c xfsConform) print(s streams, r conform.Result) error {
	if !c.JSON {
		_, err := fmt.Fprintln(s.Out, r)
		return err
	}
	line := ruleResult{Rule: r.Rule.ID, Sentence: r.Rule.Sentence, Verdict: "pass"}
	switch {
	case r.NotRun:
		line.Verdict = "not run"
	case r.Err != nil:
		line.Verdict, line.Why = "fail", r.Err.Error()
	}
	return encodeLines(s, []ruleResult{line})
}
