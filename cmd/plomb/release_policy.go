package main

import (
	"fmt"
	"os"
	"time"

	"github.com/plomb-pos/plomb/update/trust"
)

type releasePolicy struct {
	Policy string `arg:"" type:"existingfile" help:"New trust policy, with a higher serial, as plomb release parties --trust writes it."`
	DryRun bool   `help:"Check the policy, and sign nothing."`
	officeFlags
}

// Help says who else has to.
func (releasePolicy) Help() string {
	return `Devices in the field take a new trust policy (other keys, another authority, another log)
when every party of the one in force has signed it: the maker and every authority run this
with the same file, and publish:

  plomb release policy trust-2.json --office maker
  plomb release publish repo --office maker

A device takes it only if the release that it runs would start under it. So change keys in
two steps: first a policy with the old key and the new one, then, when all run a release
that the new key signed, one without the old key.`
}

func (c releasePolicy) Run(s streams) error {
	text, err := os.ReadFile(c.Policy)
	if err != nil {
		return usageError{err}
	}
	p, err := trust.ParsePolicy(text)
	if err != nil {
		return usageError{err}
	}
	if c.DryRun {
		_, err := fmt.Fprintf(s.Out, "trust policy %d, maker %s, %d authorities\n", p.Serial, p.Maker.Name, len(p.Bodies))
		return err
	}
	o, err := c.open(s)
	if err != nil {
		return err
	}
	return o.SignPolicy(text, time.Now())
}
