package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/plomb-pos/plomb/journal/proof"
	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/release"
	"github.com/plomb-pos/plomb/update/witness"
)

// openWitnesses opens those who cosign: folders of authorities, and NAME=URL.
func openWitnesses(s streams, list []string, passphrases string, p *release.Parties) (out []release.Witness, err error) {
	for _, w := range list {
		name, url, remote := strings.Cut(w, "=")
		if !remote {
			o, err := officeFlags{w, passphrases}.open(s)
			if err != nil {
				return nil, err
			}
			out = append(out, release.OfficeWitness{Office: o, LogKey: p.Log, Now: time.Now})
			continue
		}
		key, err := witnessKey(p, name)
		if err != nil {
			return nil, usageError{err}
		}
		out = append(out, &witness.Client{URL: url, Key: key})
	}
	return out, nil
}

// witnessKey is the key of an authority's witness, as the parties file has it.
func witnessKey(p *release.Parties, name string) (*proof.Verifier, error) {
	for _, text := range p.Witness {
		v, err := proof.ParseVerifier(text)
		if err != nil {
			return nil, err
		}
		if v.Name() == name || v.Name() == name+"/witness" {
			return v, nil
		}
	}
	return nil, fmt.Errorf("the parties file has no witness %q", name)
}

type releaseLog struct {
	Repository string   `arg:"" type:"path" help:"The repository."`
	Parties    string   `required:"" type:"path" help:"Your own copy of the parties file."`
	Witness    []string `sep:"none" help:"Who cosigns the log, as in plomb release publish."`
	officeFlags
}

// Help says when.
func (releaseLog) Help() string {
	return `Enters every withdrawal in the repository that is not logged yet, the maker's own and
those of authorities, has the log cosigned and publishes log and proofs. For the maker,
as soon as anybody withdrew something; it may run from a timer.

  plomb release log repo --office maker --parties parties.json --witness nmi=https://witness.example/`
}

func (c releaseLog) Run(ctx context.Context, s streams) error {
	o, p, err := c.openWith(s, c.Parties)
	if err != nil {
		return err
	}
	repo, err := release.OpenRepository(c.Repository)
	if err != nil {
		return err
	}
	witnesses, err := openWitnesses(s, c.Witness, c.PassphraseFile, p)
	if err != nil {
		return err
	}
	return o.LogWithdrawals(ctx, repo, p, witnesses)
}

type releaseWitness struct {
	Listen  string `default:"127.0.0.1:8481" help:"Address to listen on."`
	Parties string `required:"" type:"path" help:"Your own copy of the parties file: it names the log."`
	officeFlags
}

// Help says what is promised.
func (releaseWitness) Help() string {
	return `Serves c2sp.org/tlog-witness for the maker's log: add-checkpoint, and the newest
checkpoint for those who monitor. It signs only trees that begin with the one that it
signed last, and remembers that durably before it signs. Its key is unlocked at the
start. No TLS: put it behind a proxy, or on a network of its own.

  plomb release witness --office authority --parties parties.json --listen 0.0.0.0:8481`
}

func (c releaseWitness) Run(ctx context.Context, s streams) error {
	o, p, err := c.openWith(s, c.Parties)
	if err != nil {
		return err
	}
	watch := release.OfficeWitness{Office: o, LogKey: p.Log, Now: time.Now}
	if err := watch.Unlock(); err != nil {
		return err
	}
	w, err := watch.Witness()
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return err
	}
	fmt.Fprintf(s.Err, "plomb: witness %s on http://%s\n", o.Card.Name, l.Addr())
	return serveUntil(ctx, l, w)
}

// serveUntil serves until the context ends, and lets requests come to their end.
func serveUntil(ctx context.Context, l net.Listener, h http.Handler) error {
	server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: 30 * time.Second}
	done := make(chan error, 1)
	go func() { done <- server.Serve(l) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err := server.Shutdown(end); err != nil {
		return err
	}
	if err := <-done; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

type releaseHardware struct {
	Register releaseHardwareRegister `cmd:"" default:"withargs" help:"Register a hardware version with its reports."`
	List     releaseHardwareList     `cmd:"" help:"List the registered versions."`
	Show     releaseHardwareShow     `cmd:"" help:"Show one with its reports."`
}

type releaseHardwareRegister struct {
	Identity string   `arg:"" help:"Identity of the hardware version, 18 characters: 1PLMBOX01-20260101."`
	Report   []string `required:"" help:"KIND=FILE of each report."`
	DryRun   bool     `help:"Say what would be registered, and sign nothing."`
	officeFlags
}

// Help says what for.
func (releaseHardwareRegister) Help() string {
	return `A release that names hardware can be registered only after that hardware was, with its
test reports, and a device of that hardware can be commissioned only then. Registering
puts the version into the maker's metadata; publish it with plomb release publish.

  plomb release hardware register 1PLMBOX01-20260101 --report test=emc.pdf --office maker`
}

func (c releaseHardwareRegister) Run(s streams) error {
	var reports []manifest.Report
	for _, r := range c.Report {
		kind, file, _ := strings.Cut(r, "=")
		text, err := os.ReadFile(file)
		if err != nil {
			return usageError{err}
		}
		reports = append(reports, manifest.Report{Kind: kind, Name: filepath.Base(file), SHA256: manifest.Sum(text)})
	}
	if c.DryRun {
		return showHardware(s, manifest.Hardware{Identity: manifest.Identity(c.Identity), Reports: reports})
	}
	o, err := c.open(s)
	if err != nil {
		return err
	}
	now, err := o.Moment(time.Now())
	if err != nil {
		return err
	}
	return o.RegisterHardware(manifest.Identity(c.Identity), reports, now)
}

type releaseHardwareList struct {
	Folder string `arg:"" type:"path" help:"A repository, or a maker's office."`
	JSON   bool   `name:"json" help:"One line of JSON a version."`
}

func (c releaseHardwareList) Run(s streams) error {
	list, err := registered(c.Folder)
	if err != nil {
		return err
	}
	t := tabwriter.NewWriter(s.Out, 0, 0, 2, ' ', 0)
	for _, h := range list {
		if c.JSON {
			if err := printJSON(s, h); err != nil {
				return err
			}
			continue
		}
		fmt.Fprintf(t, "%s\t%s\t%d reports\n", h.Identity, h.Registered.Format("2006-01-02"), len(h.Reports))
	}
	return t.Flush()
}

type releaseHardwareShow struct {
	Identity string `arg:"" help:"Identity of the hardware version."`
	Folder   string `arg:"" type:"path" help:"A repository, or a maker's office."`
}

func (c releaseHardwareShow) Run(s streams) error {
	list, err := registered(c.Folder)
	if err != nil {
		return err
	}
	for _, h := range list {
		if string(h.Identity) == c.Identity {
			return showHardware(s, h)
		}
	}
	return fmt.Errorf("hardware %s is not registered", c.Identity)
}

// registered are the hardware versions of a repository or an office.
func registered(folder string) ([]manifest.Hardware, error) {
	if _, err := os.Stat(filepath.Join(folder, "office.json")); err == nil {
		o, err := release.OpenOffice(folder, nil)
		if err != nil {
			return nil, err
		}
		return o.Hardware()
	}
	repo, err := release.OpenRepository(folder)
	if err != nil {
		return nil, err
	}
	return repo.Hardware()
}

func showHardware(s streams, h manifest.Hardware) error {
	t := tabwriter.NewWriter(s.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "identity\t%s\n", h.Identity)
	if !h.Registered.IsZero() {
		fmt.Fprintf(t, "registered\t%s\n", h.Registered.Format(time.RFC3339))
	}
	for _, r := range h.Reports {
		fmt.Fprintf(t, "report\t%s  %s  %s\n", r.Kind, r.SHA256, r.Name)
	}
	return t.Flush()
}

func printJSON(s streams, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.Out, "%s\n", text)
	return err
}
