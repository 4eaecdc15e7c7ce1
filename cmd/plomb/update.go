package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/plomb-pos/plomb/update/device"
)

type updateCommand struct {
	Status     updateStatus     `cmd:"" help:"Show what runs, what is known and what is on its way."`
	Check      updateCheck      `cmd:"" help:"Ask what is released, and install nothing."`
	Now        updateNow        `cmd:"" help:"Have the till make a pass now, as far as it comes."`
	Install    updateInstall    `cmd:"" help:"Install from a stick, on a till that does not run."`
	Freshness  updateFreshness  `cmd:"" help:"Show until when what the till knows is good."`
	Provision  updateProvision  `cmd:"" help:"Make a device, or the line of its operating systems."`
	Parts      updateParts      `cmd:"" help:"Show what of a till can be replaced, and what cannot."`
	ForgetTime updateForgetTime `cmd:"" name:"forget-time" help:"Say that the clock is right now, after it had stood ahead."`
}

// Help tells what a till does by itself.
func (updateCommand) Help() string {
	return `A till that plomb-boot started keeps its software up to date by itself: it asks its
repositories, fetches what maker and authorities released and its deployer gave it,
announces it on the screen, and installs it when somebody agreed and no sale is open.
These commands look at that, and help where there is no network:

  plomb update provision --help                                 (before the first start)
  plomb update status --device /srv/till1/device
  plomb update check  --device /srv/till1/device
  plomb update install --dir /srv/till1 --from /media/stick     (the till stands still)

What was done, when and by whom: plomb journal software.`
}

// deviceFlags say which device.
type deviceFlags struct {
	Device string `default:"plomb-data/device" type:"path" help:"The device's folder, as plomb-boot has it (plomb up: device/ in the till's directory)."`
	JSON   bool   `name:"json" help:"One JSON object on standard output."`
}

// open opens a device whose till does not run.
func (f deviceFlags) open(from ...string) (*device.Device, error) {
	d, err := device.Open(device.Options{Root: f.Device, From: from})
	return d, explainDevice(err)
}

// explainDevice adds what to do where there is no device.
func explainDevice(err error) error {
	if errors.Is(err, device.ErrConfig) || errors.Is(err, os.ErrNotExist) {
		return hint{err, "is this a device's folder? plomb up --dir NEW makes one in NEW/device"}
	}
	return err
}

type updateStatus struct{ deviceFlags }

// Help says where the answer comes from.
func (updateStatus) Help() string {
	return `Asks the till that runs on the device; where none runs, reads the device's disk. A device
with a line of operating systems (plomb update provision platform) shows it below that of
the till, with the machine's slots as RAUC tells them. At the end stands what no update of
the till replaces, and what makes up for that. Nothing is fetched and nothing verified
anew: plomb-boot status verifies both slots of the till.`
}

func (c updateStatus) Run(ctx context.Context, s streams) error {
	out, err := c.look(ctx)
	if err != nil {
		return err
	}
	if c.JSON {
		return writeLine(s.Out, out)
	}
	return out.print(s.Out)
}

// seenText says how far a device's knowledge has come.
func seenText(s device.Seen) string {
	out := []string{fmt.Sprintf("policy %d", s.Policy)}
	if s.Campaign > 0 {
		out = append(out, fmt.Sprintf("campaign %d", s.Campaign))
	}
	for _, party := range slices.Sorted(maps.Keys(s.Parties)) {
		p := s.Parties[party]
		out = append(out, fmt.Sprintf("%s: root %d, timestamp %d, snapshot %d, targets %d", party, p.Root, p.Timestamp, p.Snapshot, p.Targets))
	}
	return strings.Join(out, "; ")
}

// printFixed lists what no update of the till replaces.
func printFixed(w io.Writer, parts []device.Fixed) error {
	var b strings.Builder
	b.WriteString("\nno update of the till replaces:\n")
	for _, p := range parts {
		fmt.Fprintf(&b, "  %s (replaced by: %s)\n    why: %s\n    instead: %s\n", p.Part, p.By, p.Why, p.Instead)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func inSlot(x device.SlotStatus, trial bool) string {
	if x.Identity == "" {
		return "holds no version"
	}
	state := ""
	switch {
	case x.Active:
		state = ", active"
	case trial:
		state = ", on trial"
	}
	return fmt.Sprintf("%s, counter %d%s", x.Identity, x.Counter, state)
}

func orNothing(names []string) string {
	if len(names) == 0 {
		return "none is there now"
	}
	return strings.Join(names, ", ")
}

type updateCheck struct{ deviceFlags }

// Help says what it leaves alone.
func (updateCheck) Help() string {
	return `Asks every repository of the device, with every check that comes before a download, and
says what the till, and its operating system, would be offered. It fetches no packs, installs nothing and begins no
campaign. That nothing is new is no error; what was found and refused is said.`
}

func (c updateCheck) Run(ctx context.Context, s streams) error {
	var out tillFound
	err := askTill(ctx, c.Device, "POST", "/check", nil, &out)
	if errors.Is(err, errNoTill) {
		out, err = c.checkDisk(ctx)
	}
	if err != nil {
		return err
	}
	if c.JSON {
		return writeLine(s.Out, out)
	}
	return out.print(s.Out)
}

func printFound(w io.Writer, f device.Found) (err error) {
	switch {
	case f.Identity != "":
		_, err = fmt.Fprintf(w, "%s, counter %d, issued %s, manifest %s\n", f.Identity, f.Counter, f.Issued.Format(time.RFC3339), f.Manifest)
	case f.Refused != "":
		_, err = fmt.Fprintf(w, "nothing to install; refused:\n%s\n", f.Refused)
	default:
		_, err = fmt.Fprintln(w, "nothing is new")
	}
	return err
}

type updateNow struct{ deviceFlags }

// Help says what it does not override.
func (updateNow) Help() string {
	return `Has the till that runs make a pass at once, and one for its operating system after it: ask,
fetch, check, and install where nothing holds that back. Consent, open sales, unclosed days and copies of the journal hold it back
as ever; what it waits for is said.`
}

func (c updateNow) Run(ctx context.Context, s streams) error {
	var out bothPassed
	if err := askTill(ctx, c.Device, "POST", "/now", nil, &out); err != nil {
		if errors.Is(err, errNoTill) {
			return hint{err, "start it, or install from a stick while it stands still: plomb update install --help"}
		}
		return err
	}
	if c.JSON {
		return writeLine(s.Out, out)
	}
	return out.print(s.Out)
}

func (p passed) print(w io.Writer) (err error) {
	switch {
	case p.Failed != "":
		return errors.New(p.Failed)
	case p.Restart:
		_, err = fmt.Fprintf(w, "%s is installed; the launcher tries it now\n", p.Identity)
	case p.Waiting != "":
		_, err = fmt.Fprintf(w, "%s: at %s: %s\n", p.Identity, p.Stage, p.Waiting)
	case p.Identity == "":
		_, err = fmt.Fprintln(w, "nothing is new")
	default:
		_, err = fmt.Fprintf(w, "%s: at %s\n", p.Identity, p.Stage)
	}
	return err
}

type updateFreshness struct{ deviceFlags }

// Help says what happens then.
func (updateFreshness) Help() string {
	return `What a till knows of releases and withdrawals is good for days. Before it runs out the till
warns; after it, nothing is installed, and, where the trust policy says so, nothing sold.
Any source with newer metadata mends it: the network, or a stick. Exit code 1: it ran out.`
}

// freshnessAnswer is what is printed.
type freshnessAnswer struct {
	Metadata time.Time `json:"metadata"`
	Right    time.Time `json:"right,omitzero"`
	Expired  bool      `json:"expired"`
	Warning  string    `json:"warning,omitempty"`
	Stops    bool      `json:"stops,omitzero"`

	Platform *freshnessAnswer `json:"platform,omitempty"` // the same of the operating system
}

func freshnessOf(s device.Status, now time.Time) freshnessAnswer {
	expired := now.After(s.Metadata) || !s.Right.IsZero() && now.After(s.Right)
	return freshnessAnswer{Metadata: s.Metadata, Right: s.Right, Expired: expired, Warning: s.Warning, Stops: s.Stops}
}

func (c updateFreshness) Run(ctx context.Context, s streams) error {
	st, err := c.look(ctx)
	if err != nil {
		return err
	}
	now := time.Now()
	a := freshnessOf(st.Status, now)
	if p := st.Platform; p != nil && p.Error == "" {
		of := freshnessOf(p.Status, now)
		a.Platform = &of
	}
	if c.JSON {
		err = writeLine(s.Out, a)
	} else {
		err = a.print(s.Out)
	}
	if err == nil && (a.Expired || a.Platform != nil && a.Platform.Expired) {
		return errors.New("what is known ran out: bring newer metadata, over the network or on a stick")
	}
	return err
}

func (a freshnessAnswer) print(w io.Writer) error {
	_, err := fmt.Fprintf(w, "metadata are good until %s\n", a.Metadata.Format(time.RFC3339))
	if err == nil && !a.Right.IsZero() {
		_, err = fmt.Fprintf(w, "what runs may run until %s\n", a.Right.Format(time.RFC3339))
	}
	if err == nil && a.Warning != "" {
		_, err = fmt.Fprintln(w, a.Warning)
	}
	if err == nil && a.Platform != nil {
		if _, err = fmt.Fprint(w, below); err == nil {
			err = a.Platform.print(w)
		}
	}
	return err
}

type updateForgetTime struct {
	Device string `required:"" type:"existingdir" help:"The device's folder, as plomb-boot has it."`
	Person string `required:"" help:"Id of who says so: supervisor or administrator. The PIN is asked for; the id goes into the journal."`
}

// Help says what it is for.
func (updateForgetTime) Help() string {
	return `A till remembers the latest time that it has seen, so that a clock set back makes nothing
young again. When the clock had stood ahead by mistake, updates stop until it is forgotten.
The till has to run: it checks the PIN (a line of standard input in a script) and journals
who said so.`
}

func (c updateForgetTime) Run(ctx context.Context, s streams) error {
	by, err := newPrompt(s).approval(c.Person)
	if err != nil {
		return err
	}
	var out struct{}
	err = askTill(ctx, c.Device, "POST", "/forget-time", by, &out)
	if errors.Is(err, errNoTill) {
		return hint{err, "start it first: what is said goes into its journal"}
	}
	return err
}

// underTill is the device of a till made by plomb up.
func underTill(dir string) string { return filepath.Join(dir, deviceDir) }
