package main

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/journal"
	"github.com/plomb-pos/plomb/update/boot"
	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/slot"
)

// What plomb-boot tells the software that it starts.
const (
	envSlot  = "PLOMB_SLOT"
	envTrial = "PLOMB_TRIAL"
)

// runningSoftware is the hash of this program and the release in whose slot it lies;
// nil if plomb-boot did not start it. With an error it is what could be found out.
func runningSoftware() (hash string, r *fiscal.Release, err error) {
	sum, err := programHash()
	if err != nil {
		return "", nil, err
	}
	hash = hex.EncodeToString(sum)
	s := os.Getenv(envSlot)
	if s == "" {
		return hash, nil, nil
	}
	name, err := os.Executable()
	if err != nil {
		return hash, nil, fmt.Errorf("find this program: %w", err)
	}
	root, err := deviceRoot(name, s)
	if err != nil {
		return hash, nil, err
	}
	r, err = releaseIn(root, s, hash)
	return hash, r, err
}

// deviceRoot is the folder R of a program in R/slots/S.
func deviceRoot(program, s string) (string, error) {
	for dir := filepath.Dir(program); dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if up := filepath.Dir(dir); filepath.Base(dir) == s && filepath.Base(up) == "slots" {
			return filepath.Dir(up), nil
		}
	}
	return "", fmt.Errorf("%s is said to be in slot %s, and is not", program, s)
}

// releaseIn reads the release of a slot, as the boot policy trusts it. The program
// that runs has to be one of it.
func releaseIn(root, s, program string) (*fiscal.Release, error) {
	read := func(limit int64, elem ...string) (text []byte) {
		text, err := durable.ReadFile(durable.OS{}, filepath.Join(append([]string{root}, elem...)...), limit)
		if err != nil {
			return nil // no policy, manifest or note is empty: refused below
		}
		return text
	}
	rules, err := boot.ParseRules(read(manifest.MaxBytes, "boot", boot.PolicyFile))
	if err != nil {
		return nil, err
	}
	encoded := read(manifest.MaxBytes, "slots", s, slot.ManifestFile)
	m, signers, err := rules.Signers.Verify(encoded, read(manifest.MaxBytes, "slots", s, slot.NoteFile))
	if err != nil {
		return nil, fmt.Errorf("read the release in slot %s: %w", s, err)
	}
	for _, c := range m.Components {
		if c.Kind == manifest.Program && c.SHA256.String() == program {
			approved := manifest.Identity("")
			if base, _ := m.Base(); base != nil {
				approved = base.Identity
			}
			return &fiscal.Release{
				Approved: string(approved),
				Identity: string(m.Identity), Scope: string(m.Scope), Counter: m.Counter, Legal: m.Legal, Certificate: m.Certificate,
				Manifest: manifest.Sum(encoded).String(), Signers: signers, Slot: s, Trial: os.Getenv(envTrial) == "1",
			}, nil
		}
	}
	return nil, fmt.Errorf("release %s in slot %s: this program is none of it", m.Identity, s)
}

type journalSoftware struct {
	tillFiles
	At    time.Time `help:"What ran at this time, as in 2026-11-22T08:00:00Z."`
	Prove string    `type:"path" help:"Folder to write the proofs to that these entries are in the journal."`
	JSON  bool      `name:"json" help:"One JSON object on standard output."`
}

// softwareHistory is what is printed.
type softwareHistory struct {
	Runs    []softwareRun    `json:"runs"`
	Changes []softwareChange `json:"changes"`
	Steps   []softwareStep   `json:"steps"`  // of updates, and what people decided about them, in order
	Unread  uint64           `json:"unread"` // entries that could not be read
}

type softwareRun struct {
	Epoch   int             `json:"epoch"`
	Index   uint64          `json:"index"`
	From    time.Time       `json:"from"`
	Until   time.Time       `json:"until,omitzero"`
	Seen    time.Time       `json:"seen"`
	Starts  int             `json:"starts"`
	Version string          `json:"version"`
	Program string          `json:"program,omitzero"`
	Release *fiscal.Release `json:"release,omitzero"`
}

type softwareChange struct {
	Epoch int       `json:"epoch"`
	Index uint64    `json:"index"`
	Time  time.Time `json:"time"`
	Stage string    `json:"stage"`
	Old   string    `json:"old"`
	New   string    `json:"new"`
	Why   string    `json:"why,omitzero"`
	Hash  string    `json:"hash,omitzero"`
}

// softwareStep is a step of an update, a line of the launcher, or a person's decision.
type softwareStep struct {
	Epoch    int       `json:"epoch"`
	Index    uint64    `json:"index"`
	Time     time.Time `json:"time"` // of the entry
	At       time.Time `json:"at"`   // when it happened, as whoever tells it says
	Stage    string    `json:"stage"`
	Outcome  string    `json:"outcome"`
	Identity string    `json:"identity,omitzero"`
	Counter  uint64    `json:"counter,omitzero"`
	Manifest string    `json:"manifest,omitzero"`
	By       string    `json:"by,omitzero"`
	Approver string    `json:"approver,omitzero"`
	Policy   bool      `json:"policy,omitzero"`
	Detail   string    `json:"detail,omitzero"`
	Consent  *uint64   `json:"consent,omitzero"` // entry that it rests on
	Text     string    `json:"text,omitzero"`    // of a decision: what was shown
	Line     uint64    `json:"line,omitzero"`    // in the launcher's log
}

func (c journalSoftware) Run(ctx context.Context, s streams) error {
	out, err := c.history(ctx)
	if err != nil {
		return err
	}
	if c.Prove != "" {
		if err := c.proveAll(ctx, out); err != nil {
			return err
		}
	}
	if c.JSON {
		return writeLine(s.Out, out)
	}
	if out.Unread > 0 {
		fmt.Fprintf(s.Err, "plomb: %d entries could not be read: they may tell of other software\n", out.Unread)
	}
	return out.print(s.Out)
}

// history reads all epochs.
func (c journalSoftware) history(ctx context.Context) (*softwareHistory, error) {
	epochs, err := c.epochs()
	if err != nil {
		return nil, err
	}
	out := &softwareHistory{Runs: []softwareRun{}, Changes: []softwareChange{}, Steps: []softwareStep{}}
	for i, n := range epochs {
		h, err := c.epoch(ctx, n)
		if err != nil {
			return nil, fmt.Errorf("epoch %d: %w", n, err)
		}
		if i > 0 {
			out.end(h)
		}
		out.add(n, h)
	}
	if !c.At.IsZero() {
		out.at(c.At)
	}
	return out, nil
}

func (c journalSoftware) epoch(ctx context.Context, n int) (*fiscal.SoftwareHistory, error) {
	j, err := epochFiles{c.tillFiles, n}.open()
	if err != nil {
		return nil, err
	}
	h := new(fiscal.SoftwareHistory)
	for e, err := range j.Entries(ctx, 0, endOr(0)) {
		var hole *journal.HoleError
		switch {
		case errors.As(err, &hole), errors.Is(err, journal.ErrErased):
			h.Missing()
		case err != nil:
			return nil, err
		default:
			h.Entry(e.Head, e.Body)
		}
	}
	return h, nil
}

// end ends the last run where the next epoch begins.
func (s *softwareHistory) end(next *fiscal.SoftwareHistory) {
	if n := len(s.Runs); n > 0 && len(next.Runs) > 0 && s.Runs[n-1].Until.IsZero() {
		s.Runs[n-1].Until = next.Runs[0].From
	}
}

// add takes what an epoch tells.
func (s *softwareHistory) add(epoch int, h *fiscal.SoftwareHistory) {
	s.Unread += h.Unread
	for _, r := range h.Runs {
		s.Runs = append(s.Runs, softwareRun{epoch, r.Index, r.From, r.Until, r.Seen, r.Starts, r.Version, r.Program, r.Release})
	}
	for _, x := range h.Changes {
		s.Changes = append(s.Changes, softwareChange{epoch, x.Index, x.Time, x.Stage, x.Old, x.New, x.Why, x.Hash})
	}
	s.addSteps(epoch, h)
}

// addSteps puts what was done and what was said in the order of their entries.
func (s *softwareHistory) addSteps(epoch int, h *fiscal.SoftwareHistory) {
	from := len(s.Steps)
	for _, x := range h.Steps {
		s.Steps = append(s.Steps, softwareStep{
			Epoch: epoch, Index: x.Index, Time: x.Time, At: x.At, Stage: x.Stage, Outcome: x.Outcome, Identity: x.Identity, Counter: x.Counter,
			Manifest: x.Manifest, By: string(x.By), Policy: x.Policy, Detail: x.Detail, Consent: x.Consent, Line: x.Line,
		})
	}
	for _, x := range h.Consents {
		s.Steps = append(s.Steps, saidStep(epoch, x))
	}
	slices.SortFunc(s.Steps[from:], func(a, b softwareStep) int { return cmp.Compare(a.Index, b.Index) })
}

func saidStep(epoch int, x fiscal.SoftwareSaid) softwareStep {
	outcome, detail := "agreed", x.For
	if !x.Agreed {
		outcome, detail = "put off", x.For+", until "+x.Until.Format(time.RFC3339)
	}
	if x.Bytes > 0 {
		detail += fmt.Sprintf(", %d bytes", x.Bytes)
	}
	return softwareStep{
		Epoch: epoch, Index: x.Index, Time: x.Time, At: x.Time, Stage: "decision", Outcome: outcome, Identity: x.Identity, Counter: x.Counter,
		Manifest: x.Manifest, By: string(x.By), Approver: string(x.Approver), Detail: detail, Text: x.Text,
	}
}

// at leaves the runs that cover a time, and how their releases came to run.
func (s *softwareHistory) at(t time.Time) {
	runs := s.Runs
	s.Runs, s.Changes = []softwareRun{}, []softwareChange{}
	defer s.stepsOfRuns()
	for _, r := range runs {
		if !t.Before(r.From) && (r.Until.IsZero() || t.Before(r.Until)) {
			s.Runs = append(s.Runs, r)
		}
	}
}

// stepsOfRuns leaves the steps about releases that ran.
func (s *softwareHistory) stepsOfRuns() {
	s.Steps = slices.DeleteFunc(s.Steps, func(x softwareStep) bool {
		return !slices.ContainsFunc(s.Runs, func(r softwareRun) bool { return r.Release != nil && r.Release.Manifest == x.Manifest })
	})
}

// proveAll writes a proof of each entry that tells.
func (c journalSoftware) proveAll(ctx context.Context, h *softwareHistory) error {
	if err := os.MkdirAll(c.Prove, 0o755); err != nil {
		return err
	}
	for _, r := range h.Runs {
		if err := c.proveOne(ctx, r.Epoch, r.Index); err != nil {
			return err
		}
	}
	for _, x := range h.Changes {
		if err := c.proveOne(ctx, x.Epoch, x.Index); err != nil {
			return err
		}
	}
	for _, x := range h.Steps {
		if err := c.proveOne(ctx, x.Epoch, x.Index); err != nil {
			return err
		}
	}
	return nil
}

func (c journalSoftware) proveOne(ctx context.Context, epoch int, index uint64) error {
	j, err := epochFiles{c.tillFiles, epoch}.open()
	if err != nil {
		return err
	}
	p, err := prove(ctx, j, index)
	if err != nil {
		return err
	}
	return durable.Replace(durable.OS{}, filepath.Join(c.Prove, fmt.Sprintf("e%d-%d.tlog-proof", epoch, index)), p.Text())
}

func (s *softwareHistory) print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, r := range s.Runs {
		until := "now"
		if !r.Until.IsZero() {
			until = r.Until.Format(time.RFC3339)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\tprogram %.16s\tentry e%d/%d\n", r.From.Format(time.RFC3339), until, r.Version, r.release(), r.Program, r.Epoch, r.Index)
	}
	if len(s.Steps) > 0 {
		fmt.Fprintln(t)
	}
	for _, x := range s.Steps {
		fmt.Fprintf(t, "%s\t%s\t%s %s\t%s\t%s\tentry e%d/%d\n", x.At.Format(time.RFC3339), x.Identity, x.Stage, x.Outcome, x.who(), x.Detail, x.Epoch, x.Index)
	}
	return t.Flush()
}

// who is who decided.
func (x softwareStep) who() string {
	switch {
	case x.Policy:
		return "by policy"
	case x.Approver != "":
		return "by " + x.By + ", approved by " + x.Approver
	case x.By != "":
		return "by " + x.By
	}
	return ""
}

// release is a run's release for people.
func (r softwareRun) release() string {
	if r.Release == nil {
		return "no release"
	}
	class := "not legally relevant"
	if r.Release.Legal {
		class = "legally relevant"
	}
	if r.Release.Approved != "" {
		class += " part of " + r.Release.Approved
	}
	if r.Release.Trial {
		class += ", trial"
	}
	return fmt.Sprintf("%s (%s %d, %s, manifest %.16s)", r.Release.Identity, r.Release.Scope, r.Release.Counter, class, r.Release.Manifest)
}
