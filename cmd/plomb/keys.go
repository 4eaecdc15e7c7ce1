package main

import (
	"bytes"
	"context"
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
	Rotate keysRotate `cmd:"" help:"Sign with a new key from now on."`
}

type keysRotate struct {
	tillFiles
	Reason   string `required:"" help:"Why; it stands in the journal for ever."`
	Person   string `help:"Id of the person who asks for it: administrator or service. The PIN is asked for."`
	Approver string `help:"Id of the person who approves it: the responsible person. The PIN is asked for."`
	DryRun   bool   `help:"Say what would be done, and do nothing."`
	JSON     bool   `name:"json" help:"One JSON object on standard output, as that of plomb epoch new."`
}

// Help says what a new key is, and what is left to do.
func (keysRotate) Help() string {
	return `Every epoch has a signing key of its own, so a new key is a new epoch: the journal
goes on under the next origin, exactly where it ended, and names both keys. The old
epoch and its key stay, to verify what was signed with it. The till must not run and
its journal must be whole; if it is not, plomb epoch new says what is lost.

Whoever verifies needs the new policy: plomb policy show. Count the drawer before;
an open cash session ends, the day goes on.`
}

func (c keysRotate) Run(ctx context.Context, s streams) error {
	e := epochNew{tillFiles: c.tillFiles, Reason: c.Reason, Person: c.Person, Approver: c.Approver, DryRun: c.DryRun, JSON: c.JSON}
	return e.run(ctx, s, true)
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
