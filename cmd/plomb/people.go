package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/plomb-pos/plomb/seal"
	"github.com/plomb-pos/plomb/staff"
	"github.com/plomb-pos/plomb/till"
)

type peopleCommand struct {
	ResetPIN peopleResetPIN `cmd:"" name:"reset-pin" help:"Give an administrator or the responsible person a new PIN."`
}

type peopleResetPIN struct {
	tillFiles
	Person string `required:"" help:"Id of the person; the new PIN is asked for."`
	Reason string `required:"" help:"Why; it stands in the journal for ever."`
}

// Help says who needs it, and what it leaves behind.
func (peopleResetPIN) Help() string {
	return `For the day on which no administrator knows their PIN any more; everybody else gets
a new one from an administrator at the screen. It works on the till's files, at the
machine, while the till does not run: whoever has them may. So the journal says that
it was done, when and why, and the screens that the person was signed in at are
signed out. If no administrator can sign in, the person is let in again as well.

  plomb people reset-pin --dir plomb-data --person 1 --reason "Ada forgot hers"`
}

func (c peopleResetPIN) Run(ctx context.Context, s streams) error {
	box, err := c.box()
	if err != nil {
		return err
	}
	origin, err := till.CurrentOrigin(c.Dir)
	if err != nil {
		return explain(c.Dir, err)
	}
	signer, err := box.Signer(origin)
	if err != nil {
		return err
	}
	given, err := newPrompt(s).approval(c.Person)
	if err != nil {
		return err
	}
	err = till.ResetPIN(ctx, tillOptions(c.Dir, box, seal.NewGuard(signer)), staff.ID(c.Person), given.PIN, c.Reason)
	if refused, ok := errors.AsType[*till.Refusal](err); ok && refused.Code == "pin-length" {
		return hint{err, "a PIN has 4 to 12 digits, or is a password of 8 characters or more"}
	}
	if err != nil {
		return explain(c.Dir, err)
	}
	fmt.Fprintf(s.Err, "plomb: person %s signs in with the new PIN; the journal of %s says that it was set here\n", c.Person, origin)
	return nil
}
