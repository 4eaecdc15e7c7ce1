package device

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"path"
	"sync"
	"time"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/update"
	"github.com/plomb-pos/plomb/update/boot"
	"github.com/plomb-pos/plomb/update/counter"
	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/slot"
	"github.com/plomb-pos/plomb/update/trust"
)

// Options of Open.
type Options struct {
	FS    durable.FS // nil: the operating system's
	Root  string
	Now   func() time.Time // the device's clock; nil: time.Now
	Built time.Time        // of this program: an earlier clock is wrong
	Seen  Seen             // what a journal says was seen, against an older disk
	// From are repositories in place of those of the configuration: a stick that a
	// person names.
	From []string
}

// built is the latest time that the software here cannot have been made after: of this
// program, or when a release that lies here was signed.
func (d *Device) built() time.Time {
	at := d.options.Built
	for _, s := range []slot.Slot{slot.A, slot.B} {
		if m, _, err := d.Manifest(s); err == nil && m.Issued.After(at) {
			at = m.Issued
		}
	}
	return at
}

// Device is a device that was opened. Its methods may be called concurrently.
type Device struct {
	Config Config
	Key    *Key

	options Options
	boot    *boot.Device
	sources *sources
	finding sync.Mutex // one question to the repositories at a time

	mu    sync.Mutex // guards trust and boot.Rules
	trust *trust.Trust
	memo  memo
}

// Open opens a device that Provision made. It needs no network and writes no more than
// what repairs its own store.
func Open(o Options) (*Device, error) {
	if o.FS == nil {
		o.FS = durable.OS{}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	d := &Device{options: o}
	if err := d.open(); err != nil {
		return nil, fmt.Errorf("open the device in %s: %w", o.Root, err)
	}
	return d, nil
}

func (d *Device) open() (err error) {
	if d.boot, err = boot.Open(d.options.FS, d.options.Root); err != nil {
		return err
	}
	text, err := durable.ReadFile(d.options.FS, d.boot.Path("boot", ConfigFile), manifest.MaxDocument)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: it has no %s, and updates nothing by itself", ErrConfig, ConfigFile)
	}
	if err != nil {
		return err
	}
	config, err := ParseConfig(text)
	if err != nil {
		return err
	}
	d.Config = *config
	if d.Key, err = readKey(d.options.FS, d.boot.Path("boot", keyFile)); err != nil {
		return err
	}
	if d.options.Seen.Device != d.Key.ID() {
		d.options.Seen = Seen{} // of another device
	}
	if d.options.From != nil {
		config.Sources, config.Shop = d.options.From, nil
	}
	if d.sources, err = newSources(config); err != nil {
		return err
	}
	d.trust, err = d.openTrust()
	return err
}

// openTrust reads policy, first roots and what was verified before.
func (d *Device) openTrust() (*trust.Trust, error) {
	text, err := durable.ReadFile(d.options.FS, d.boot.Path("boot", boot.PolicyFile), manifest.MaxBytes)
	if err != nil {
		return nil, err
	}
	p, err := trust.ParsePolicy(text)
	if err != nil {
		return nil, err
	}
	anchors := map[string][]byte{}
	for _, r := range p.Repositories() {
		if anchors[r.Name], err = durable.ReadFile(d.options.FS, d.boot.Path("boot", rootFile(r.Root)), maxRoot); err != nil {
			return nil, fmt.Errorf("first root of %s: %w", r.Name, err)
		}
	}
	return trust.Open(trust.Config{
		Policy: p, Anchors: anchors, Coming: d.sources.small, FS: d.options.FS, Dir: d.boot.Path(trustDir),
		Now: d.options.Now, Built: d.built(), Seen: d.options.Seen.Parties,
	})
}

// trustDir is the folder of what is verified and written while running.
const trustDir = "trust"

func (d *Device) path(name string) string { return path.Join(d.boot.Root, trustDir, name) }

// trusting is the trust in force.
func (d *Device) trusting() *trust.Trust {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.trust
}

// Facts are what the device is.
func (d *Device) Facts() boot.Facts { return d.boot.Facts }

// Manifest is that of the release in a slot, as it lies there.
func (d *Device) Manifest(s slot.Slot) (*manifest.Manifest, manifest.Digest, error) {
	text, err := durable.ReadFile(d.options.FS, d.boot.Path("slots", s.String(), slot.ManifestFile), manifest.MaxBytes)
	if err != nil {
		return nil, manifest.Digest{}, fmt.Errorf("read the release in slot %s: %w", s, err)
	}
	m, err := manifest.Parse(text)
	return m, manifest.Sum(text), err
}

// Ring is the launcher's log.
func (d *Device) Ring() string { return d.boot.Path("boot", boot.RingFile) }

// Serial is that of the trust policy in force.
func (d *Device) Serial() uint64 { return d.trusting().Policy().Serial }

// Till is what an agent sees of its till: package till/software has all of it.
type Till struct {
	Slot       slot.Slot // PLOMB_SLOT
	Recorder   update.Recorder
	Gate       update.Gate
	Asker      update.Asker
	Authoriser update.Authoriser
	End        func()

	Journal int               // version of the journal's format
	Peers   map[string]uint64 // other components and their counters
	Load    func() update.Load
	Metered func() bool // nil: as Config.Policy.MeteredAt says

	// Of a device of platforms alone (boot.Facts.Scope): what brings an image onto the
	// machine, and the boot policy of the applications on it (Device.BootPolicy), with
	// which it shares no key.
	Backend     update.Backend
	Application *manifest.Policy

	Other func() string // why an update of the machine's other line holds this one back; nil: none does
}

// BootPolicy is whose signatures a release has to bear here.
func (d *Device) BootPolicy() *manifest.Policy { return d.trusting().Policy().Boot() }

// Agent makes the device's agent. That of a platform needs Agent.Settle before its first
// pass.
func (d *Device) Agent(t Till) (*update.Agent, error) {
	if platform := d.boot.Facts.Line() == manifest.Platform; platform != (t.Backend != nil) {
		return nil, fmt.Errorf("%w: it holds releases of the %s, and a back end is for platforms", ErrConfig, d.boot.Facts.Line())
	}
	f := &finder{d: d, slot: t.Slot}
	c := update.Config{
		FS: d.options.FS, Root: d.boot.Root, Slot: t.Slot, Check: d.check(), Checks: d.check,
		Trust: f, Sources: d.sources.packs, Recorder: t.Recorder, Gate: t.Gate, Asker: t.Asker, Authoriser: t.Authoriser, End: t.End,
		Floor: floor{d.boot.Floor}, Policy: d.Policy(), Journal: t.Journal, Peers: t.Peers, Load: t.Load, Metered: t.Metered,
		Backend: t.Backend, Application: t.Application, Other: t.Other,
		Free: d.free(), Now: d.options.Now, Built: d.built(),
	}
	if c.Metered == nil {
		c.Metered = d.metered
	}
	if d.Config.Deployer != nil {
		c.Keys = f
	}
	return update.New(c)
}

// Policy is the agent's, with the limits of freshness of the trust policy.
func (d *Device) Policy() update.Policy {
	p := d.Config.Policy.agent()
	p.Warn, p.Grace, p.Stop = d.trusting().Policy().Age()
	return p
}

// check is what a slot has to pass, by the policy in force.
func (d *Device) check() slot.Check {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.boot.Check(counter.Floors{})
}

// free is how much room the disk has, nil where that cannot be known.
func (d *Device) free() func() (int64, error) {
	free := func() (int64, error) { return update.FreeBytes(d.boot.Root) }
	if _, err := free(); err != nil {
		return nil
	}
	return free
}

// floor is a counter for the agent.
type floor struct{ counter.Counter }

// Floors implements update.Floor.
func (f floor) Floors() ([2]uint64, error) { return f.Counter.Floors() }

// Relay serves what this till has fetched to the shop's others, at Config.Relay until
// ctx ends; it returns at once where none is configured.
func (d *Device) Relay(ctx context.Context) error {
	if d.Config.Relay == "" {
		return nil
	}
	l, err := net.Listen("tcp", d.Config.Relay)
	if err != nil {
		return fmt.Errorf("serve the shop's other tills: %w", err)
	}
	return d.ServeRelay(ctx, l)
}

// ServeRelay is Relay on a listener, which it closes.
func (d *Device) ServeRelay(ctx context.Context, l net.Listener) error {
	s := &http.Server{
		Handler: update.NewRelay(d.options.FS, d.boot.Root), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second,
		WriteTimeout: 10 * time.Minute, MaxHeaderBytes: 16 << 10,
	}
	defer context.AfterFunc(ctx, func() { s.Close() })()
	if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve the shop's other tills: %w", err)
	}
	return nil
}
