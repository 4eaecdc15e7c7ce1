package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/plomb-pos/plomb/update/inventory"
)

type updateParts struct {
	Device string `type:"existingdir" help:"The device's folder: its files are held against the list."`
	Fixed  bool   `help:"Only what no release of plomb replaces, with the reason and what makes up for it."`
	JSON   bool   `name:"json" help:"One JSON object on standard output."`
}

// Help says what an inspector has of it.
func (updateParts) Help() string {
	return `Every part of a till with what replaces its software; for one that cannot be updated, why
and what makes up for that. With --device it ends with 1 when the device holds a file that
no part of the list covers.`
}

// errUnlisted is a device that holds more than the list says.
var errUnlisted = errors.New("files that belong to no part")

// partsList is the list, and what of a device is not in it.
type partsList struct {
	Parts    []partLine `json:"parts"`
	Unlisted []string   `json:"unlisted,omitempty"`
}

type partLine struct {
	Name    string       `json:"name"`
	By      inventory.By `json:"by"`
	Why     string       `json:"why,omitzero"`
	Instead string       `json:"instead,omitzero"`
}

func (c updateParts) Run(s streams) error {
	list, err := c.list()
	if err != nil {
		return err
	}
	if c.JSON {
		err = writeLine(s.Out, list)
	} else {
		err = list.print(s.Out)
	}
	if len(list.Unlisted) > 0 {
		err = errors.Join(err, fmt.Errorf("%w: %s", errUnlisted, strings.Join(list.Unlisted, ", ")))
	}
	return err
}

func (c updateParts) list() (out partsList, err error) {
	parts := inventory.Parts()
	if c.Fixed {
		parts = inventory.Fixed()
	}
	for _, p := range parts {
		out.Parts = append(out.Parts, partLine{p.Name, p.By, p.Why, p.Instead})
	}
	if c.Device != "" {
		out.Unlisted, err = inventory.Unlisted(os.DirFS(c.Device))
	}
	return out, err
}

func (l partsList) print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, p := range l.Parts {
		fmt.Fprintf(t, "%s\t%s\n", p.Name, p.By)
		if p.Why != "" {
			fmt.Fprintf(t, "  why\t%s\n  instead\t%s\n", p.Why, p.Instead)
		}
	}
	return t.Flush()
}
