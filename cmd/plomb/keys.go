package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/journal"
	"github.com/plomb-pos/plomb/journal/proof"
	"github.com/plomb-pos/plomb/seal"
)

type keysCommand struct {
	Export keysExport `cmd:"" help:"Write the month keys, with which plomb-verify reads contents."`
}

type keysExport struct {
	tillFiles
	Out string `required:"" type:"path" help:"File to write, for its owner's eyes only."`
}

// Help says what is given away.
func (keysExport) Help() string {
	return `Whoever has the file and a copy of the journal reads every body of those months:
who sold what to whom at which price, sign-ins, approvals, reports. Keys of later
months are not in it, nor the signing key: with it nothing can be signed, changed
or added. It cannot be called back; hand it over as you would the books.`
}

func (c keysExport) Run(s streams) error {
	box, err := c.box()
	if err != nil {
		return err
	}
	var text bytes.Buffer
	if err := box.ExportMonths(&text); err != nil {
		return err
	}
	if err := durable.Replace(durable.OS{}, c.Out, text.Bytes()); err != nil {
		return err
	}
	fmt.Fprintf(s.Err, "plomb: %s holds the keys of %d months: whoever has it and the journal reads everything recorded in them\n",
		c.Out, bytes.Count(text.Bytes(), []byte("\nmonth ")))
	return nil
}

// box opens the till's keys, which must be beside its journal.
func (t tillFiles) box() (*seal.Box, error) {
	box, err := seal.Open(durable.OS{}, filepath.Join(t.Dir, sealDir))
	if err != nil {
		return nil, hint{err, "is this a till's directory? plomb up --dir NEW makes one"}
	}
	return box, nil
}

type policyCommand struct {
	Show policyShow `cmd:"" help:"Print the trust policy that names this till's signing keys."`
}

type policyShow struct {
	tillFiles
}

// Help says what the policy is worth.
func (policyShow) Help() string {
	return `The policy (c2sp.org/tlog-policy) is what plomb-verify --policy takes. It is worth
something only if it was taken from the till while the till was trusted, such as
when it was commissioned, and kept somewhere else: a policy that comes along with
the journal it judges proves nothing.`
}

func (c policyShow) Run(s streams) error {
	text, err := c.policy()
	if err != nil {
		return err
	}
	_, err = s.Out.Write(text)
	return err
}

// policy lists the verifier key of each epoch.
func (t tillFiles) policy() ([]byte, error) {
	box, err := t.box()
	if err != nil {
		return nil, err
	}
	epochs, err := t.epochs()
	if err != nil {
		return nil, err
	}
	var text bytes.Buffer
	for _, n := range epochs {
		origin, err := journal.ReadOrigin(durable.OS{}, t.epochDir(n))
		if err != nil {
			return nil, err
		}
		key, err := box.Verifier(origin)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&text, "log %s\n", key)
	}
	text.WriteString("quorum none\n")
	_, err = proof.ParsePolicy(text.Bytes())
	return text.Bytes(), err
}

// policyLimit is more than any policy has, in bytes.
const policyLimit = 1 << 20

func readPolicy(name string) (*proof.Policy, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, fmt.Errorf("read policy: %w", err)
	}
	if info.Size() > policyLimit {
		return nil, fmt.Errorf("read policy %s: %d bytes are more than any policy has", name, info.Size())
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("read policy: %w", err)
	}
	p, err := proof.ParsePolicy(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return p, nil
}
