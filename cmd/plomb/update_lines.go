package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/plomb-pos/plomb/update"
	"github.com/plomb-pos/plomb/update/device"
	"github.com/plomb-pos/plomb/update/image"
	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/slot"
)

// A machine has two lines of releases: its till's applications, and the platforms below
// them. What follows shows both.

// lineStatus is what is known of one line.
type lineStatus struct {
	device.Status
	Last *lastTrial `json:"last,omitempty"` // how the last trial ended; nil: none did
}

// lastTrial is the end of the last trial of a line.
type lastTrial struct {
	Outcome  update.Stage      `json:"outcome"` // kept, fallen back or blocked
	Identity manifest.Identity `json:"identity,omitempty"`
	Manifest manifest.Digest   `json:"manifest"`
	Why      string            `json:"why,omitempty"`
}

// tillStatus is what plomb update status prints: the line of applications, and that of
// platforms where there is one.
type tillStatus struct {
	lineStatus
	Platform *platformStatus `json:"platform,omitempty"`
}

// platformStatus is the line of platforms with what the machine says itself.
type platformStatus struct {
	lineStatus
	Machine *machineStatus `json:"machine,omitempty"`
	Error   string         `json:"error,omitempty"` // why the line is not looked after
}

// lineOf adds how the last trial ended, as slots and table tell it.
func lineOf(s device.Status) lineStatus {
	out, t := lineStatus{Status: s}, s.Table
	in := func(x slot.Slot) lastTrial {
		return lastTrial{Identity: s.Slots[x].Identity, Manifest: t.Manifests[x]}
	}
	switch last := in(t.Active.Other()); {
	case t.Trial:
	case t.Blocked != slot.None:
		last.Outcome, last.Why = update.Blocked, t.Blocked.String()
		out.Last = &last
	case t.Failed != manifest.Digest{} && t.Failed == last.Manifest:
		last.Outcome, last.Why = update.FallenBack, t.Why.String()
		out.Last = &last
	case t.Manifests[t.Active.Other()] != manifest.Digest{}:
		last = in(t.Active)
		last.Outcome = update.Kept
		out.Last = &last
	}
	return out
}

// statusOf is what an agent's device knows, with what only the agent does.
func statusOf(d *device.Device, at slot.Slot, a *update.Agent) (device.Status, error) {
	s, err := d.Status(at)
	if err != nil {
		return s, err
	}
	f := a.Freshness()
	s.Running, s.Warning, s.Stops = true, f.Warn, f.StopSelling
	if p, ok := a.Progress(); ok {
		s.Update = &device.Progress{Identity: p.Identity, Stage: p.Stage, Bytes: p.Bytes, Total: p.Total, Deadline: p.Deadline, Urgent: p.Urgent}
	}
	return s, nil
}

// status is both lines of the till that runs.
func (u *updates) status(ctx context.Context) (out tillStatus, err error) {
	s, err := statusOf(u.device, u.slot, u.agent)
	if err != nil {
		return out, err
	}
	out.lineStatus = lineOf(s)
	switch {
	case u.platform != nil:
		out.Platform = u.platform.status(ctx)
	case u.noPlatform != "":
		out.Platform = &platformStatus{Error: u.noPlatform}
	}
	return out, nil
}

func (p *platform) status(ctx context.Context) *platformStatus {
	active, err := p.device.Active()
	if err != nil {
		return &platformStatus{Error: err.Error()}
	}
	s, err := statusOf(p.device, active, p.agent)
	if err != nil {
		return &platformStatus{Error: err.Error()}
	}
	s.Fixed = nil // said once, with the applications
	return &platformStatus{lineStatus: lineOf(s), Machine: askMachine(ctx, p.machine)}
}

// look is the till's answer, or what the disk says.
func (f deviceFlags) look(ctx context.Context) (out tillStatus, err error) {
	if err = askTill(ctx, f.Device, "GET", "/status", nil, &out); !errors.Is(err, errNoTill) {
		return out, err
	}
	d, err := f.open()
	if err != nil {
		return out, err
	}
	s, err := diskStatus(d)
	if err != nil {
		return out, err
	}
	out.lineStatus = lineOf(s)
	if at, there := device.PlatformFolder(f.Device); there {
		out.Platform = lookPlatform(ctx, at)
	}
	return out, nil
}

// diskStatus is the status of the slot in force.
func diskStatus(d *device.Device) (device.Status, error) {
	active, err := d.Active()
	if err != nil {
		return device.Status{}, err
	}
	return d.Status(active)
}

func lookPlatform(ctx context.Context, at string) *platformStatus {
	d, err := device.Open(device.Options{Root: at})
	if err != nil {
		return &platformStatus{Error: err.Error()}
	}
	s, err := diskStatus(d)
	if err != nil {
		return &platformStatus{Error: err.Error()}
	}
	s.Fixed = nil
	out := &platformStatus{lineStatus: lineOf(s)}
	if m := d.Config.Machine; m != nil {
		out.Machine = askMachine(ctx, &image.RAUC{Address: m.Bus})
	}
	return out
}

func (s tillStatus) print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(what, format string, args ...any) { fmt.Fprintf(t, "%s\t%s\n", what, fmt.Sprintf(format, args...)) }
	s.rows(row)
	row("till", "%s", map[bool]string{true: "runs", false: "does not run: this is what its disk says"}[s.Running])
	if s.Platform != nil {
		fmt.Fprint(t, "\noperating system:\n")
		s.Platform.rows(row)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	return printFixed(w, s.Fixed)
}

func (s platformStatus) rows(row func(what, format string, args ...any)) {
	if s.Error != "" {
		row("problem", "%s", s.Error)
		return
	}
	s.lineStatus.rows(row)
	if s.Machine != nil {
		s.Machine.rows(row)
	}
}

// rows are those of one line in a table for people.
func (s lineStatus) rows(row func(what, format string, args ...any)) {
	row("device", "%s", s.Device)
	row("is", "model %s in %s %s", s.Facts.Model, s.Facts.Jurisdiction, s.Facts.Hardware)
	for _, x := range s.Slots {
		row("slot "+x.Slot, "%s", inSlot(x, s.Table.Trial))
	}
	if l := s.Last; l != nil {
		row("last", "%s", l.words())
	}
	row("takes", "%s, by trust policy %d", map[device.Take]string{device.Released: "what is released", device.Campaign: "what the deployer's campaign gives it"}[s.Take], s.Policy)
	if c := s.Campaign; c != nil {
		row("campaign", "%d, release %.16s, %s, until %s", c.Serial, c.Release, c.Urgency, c.Until.Format(time.RFC3339))
	}
	row("sources", "%s", orNothing(s.Sources))
	row("known until", "%s", s.Metadata.Format(time.RFC3339))
	row("seen", "%s", seenText(s.Seen))
	if s.Older != "" {
		row("older", "than what the till's journal has seen (a copy was put back, or files were lost): %s", s.Older)
	}
	if u := s.Update; u != nil {
		row("on its way", "%s, %s, %d of %d bytes", u.Identity, u.Stage, u.Bytes, u.Total)
	}
	for _, x := range s.Withdrawn {
		row("withdrawn", "by %s: %s (%s from %s)", x.By, x.Reason, x.Action, x.Deadline.Format(time.RFC3339))
	}
	if s.Warning != "" {
		row("warning", "%s", s.Warning)
	}
}

func (l lastTrial) words() string {
	words := string(l.Identity)
	if words == "" {
		words = fmt.Sprintf("manifest %.16s", l.Manifest)
	}
	words += " " + string(l.Outcome)
	if l.Why != "" {
		words += ": " + l.Why
	}
	return words
}

// tillFound is what plomb update check prints.
type tillFound struct {
	device.Found
	Platform *platformFound `json:"platform,omitempty"`
}

type platformFound struct {
	device.Found
	Error string `json:"error,omitempty"`
}

// check asks the repositories of both lines.
func (u *updates) check(ctx context.Context) (out tillFound, err error) {
	if out.Found, err = u.device.Check(ctx, u.slot); err != nil || u.platform == nil {
		return out, err
	}
	out.Platform = foundBy(ctx, u.platform.device)
	return out, nil
}

func foundBy(ctx context.Context, d *device.Device) *platformFound {
	active, err := d.Active()
	if err != nil {
		return &platformFound{Error: err.Error()}
	}
	f, err := d.Check(ctx, active)
	if err != nil {
		return &platformFound{Error: err.Error()}
	}
	return &platformFound{Found: f}
}

// checkDisk is check without a till; from are repositories in place of the
// configuration's, for both lines.
func (f deviceFlags) checkDisk(ctx context.Context, from ...string) (out tillFound, err error) {
	d, err := f.open(from...)
	if err != nil {
		return out, err
	}
	active, err := d.Active()
	if err != nil {
		return out, err
	}
	if out.Found, err = d.Check(ctx, active); err != nil {
		return out, err
	}
	if at, there := device.PlatformFolder(f.Device); there {
		p, err := device.Open(device.Options{Root: at, From: from})
		if err != nil {
			out.Platform = &platformFound{Error: err.Error()}
		} else {
			out.Platform = foundBy(ctx, p)
		}
	}
	return out, nil
}

func (f tillFound) print(w io.Writer) error {
	if err := printFound(w, f.Found); err != nil || f.Platform == nil {
		return err
	}
	if _, err := fmt.Fprint(w, below); err != nil {
		return err
	}
	if f.Platform.Error != "" {
		_, err := fmt.Fprintln(w, f.Platform.Error)
		return err
	}
	return printFound(w, f.Platform.Found)
}

// below begins a line about the operating system.
const below = "operating system: "

// bothPassed is what plomb update now prints.
type bothPassed struct {
	passed
	Platform *passed `json:"platform,omitempty"`
}

// pass makes a pass of each agent; the platform's waits where the application is about
// to be replaced.
func (u *updates) pass(ctx context.Context) (p bothPassed) {
	p.passed = passOf(ctx, u.agent)
	if u.platform != nil && !p.Restart {
		below := passOf(ctx, u.platform.agent)
		p.Platform = &below
	}
	return p
}

// passOf makes a pass of one agent; what it says is no error of the question.
func passOf(ctx context.Context, a *update.Agent) (p passed) {
	r, err := a.Update(ctx)
	p = passed{Identity: r.Identity, Stage: r.Stage, Waiting: r.Waiting, Restart: r.Restart}
	if err != nil {
		p.Failed = err.Error()
	}
	return p
}

func (p bothPassed) print(w io.Writer) error {
	err := p.passed.print(w)
	if p.Platform == nil {
		return err
	}
	if _, werr := fmt.Fprint(w, below); werr != nil {
		return werr
	}
	if p.Platform.Restart {
		_, werr := fmt.Fprintf(w, "%s is installed; the machine tries it when it starts again\n", p.Platform.Identity)
		return errors.Join(err, werr)
	}
	return errors.Join(err, p.Platform.print(w))
}
