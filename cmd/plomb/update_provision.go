package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/update/boot"
	"github.com/plomb-pos/plomb/update/device"
	"github.com/plomb-pos/plomb/update/image"
	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/trust"
)

// updateProvision makes devices: the end of commissioning.
type updateProvision struct {
	Key         provisionKey         `cmd:"" help:"Draw a device's key, before the device is made."`
	Application provisionApplication `cmd:"" help:"Make a device, with the first release of its till."`
	Platform    provisionPlatform    `cmd:"" help:"Make the line of a device's operating systems, below that of its till."`
}

type provisionKey struct {
	File   string `arg:"" type:"path" help:"File to write the secret to; it must not exist."`
	Public string `type:"path" help:"File for the public half, which plomb release entitle takes; otherwise it is printed."`
	JSON   bool   `name:"json" help:"One JSON object on standard output."`
}

// Help says why it comes first.
func (provisionKey) Help() string {
	return `Releases are sealed to the devices that may open them. So that the deployer can entitle a
device to its first release, its key is drawn before:

  plomb update provision key till-7.key --public till-7.pub
  plomb release entitle repo till-7.pub till-1.4 --office deployer --parties parties.json
  plomb update provision application --key till-7.key ...

Each line has a key of its own. Keep the file nowhere else once the device is made.`
}

// drawnKey is what is printed of a key.
type drawnKey struct {
	Device manifest.Digest `json:"device"`
	Public string          `json:"public"`
}

func (c provisionKey) Run(s streams) error {
	k, err := device.NewKey()
	if err != nil {
		return err
	}
	secret, err := k.Secret()
	if err != nil {
		return err
	}
	if err := writeNew(c.File, secret); err != nil {
		return err
	}
	drawn := drawnKey{k.ID(), base64.StdEncoding.EncodeToString(k.Public())}
	if c.Public != "" {
		if err := durable.Replace(durable.OS{}, c.Public, []byte(drawn.Public+"\n")); err != nil {
			return err
		}
	}
	switch {
	case c.JSON:
		err = writeLine(s.Out, drawn)
	case c.Public != "":
		_, err = fmt.Fprintf(s.Out, "device %s\n", drawn.Device)
	default:
		_, err = fmt.Fprintln(s.Out, drawn.Public)
	}
	return err
}

// writeNew writes a file that must not exist, and which only its owner reads.
func writeNew(name string, data []byte) error {
	if there(name) {
		return fmt.Errorf("%s: %w", name, fs.ErrExist)
	}
	return durable.Replace(durable.OS{}, name, data)
}

// provisionFlags are what every device is made with.
type provisionFlags struct {
	Policy     string      `required:"" type:"existingfile" help:"Trust policy, as plomb release parties --trust writes it: whose software the device takes."`
	Repository string      `help:"Repository, a folder or an address: gives first roots, fresh metadata and the first release."`
	Unpacked   string      `type:"existingdir" help:"The first release as it lies in a slot: manifest.json, manifest.note, log.proof and the components. With --repository too, that gives first roots and metadata."`
	Release    string      `help:"Manifest digest of the first release; otherwise the newest in the repository that is allowed."`
	Key        string      `type:"existingfile" help:"The device's key, drawn before with plomb update provision key; otherwise one is drawn."`
	Public     string      `type:"path" help:"File for the public half of the key, which plomb release entitle takes."`
	Config     string      `type:"existingfile" help:"An update.json to begin with (docs/guides/releasing.md); the flags below change it."`
	Source     []string    `sep:"none" help:"Where the device asks for releases: addresses, folders, places of sticks; the preferred first."`
	Parties    string      `type:"existingfile" help:"Parties file: its deployer signs campaigns and entitlements."`
	Take       device.Take `help:"released: everything that is released for it; campaign: only what its deployer gives it."`
	DryRun     bool        `help:"Check everything, say what would be made, and make nothing."`
	JSON       bool        `name:"json" help:"One JSON object on standard output."`
}

// new is what the flags say; the line adds what it needs.
func (f provisionFlags) new() (n device.New, err error) {
	if n.Policy, err = os.ReadFile(f.Policy); err != nil {
		return n, err
	}
	n.Repository, n.Unpacked = f.Repository, f.Unpacked
	if f.Release != "" {
		if err := n.Release.UnmarshalText([]byte(f.Release)); err != nil {
			return n, usageError{fmt.Errorf("release %q: %w", f.Release, err)}
		}
	}
	if n.Key, err = f.key(); err != nil {
		return n, err
	}
	n.Config, err = f.config()
	return n, err
}

func (f provisionFlags) key() (*device.Key, error) {
	if f.Key == "" {
		return device.NewKey()
	}
	text, err := os.ReadFile(f.Key)
	if err != nil {
		return nil, err
	}
	return device.ParseKey(text)
}

func (f provisionFlags) config() (device.Config, error) {
	c := new(device.Config)
	if f.Config != "" {
		text, err := os.ReadFile(f.Config)
		if err != nil {
			return *c, err
		}
		if c, err = device.ParseConfig(text); err != nil {
			return *c, fmt.Errorf("%s: %w", f.Config, err)
		}
	}
	if f.Source != nil {
		c.Sources = f.Source
	}
	if f.Take != "" {
		c.Take = f.Take
	}
	if f.Parties != "" {
		p, err := readParties(f.Parties)
		if err != nil {
			return *c, err
		}
		c.Deployer = &p.Deployer
	}
	return *c, nil
}

// provisioned is what is printed.
type provisioned struct {
	Line     manifest.Scope    `json:"line"`
	Root     string            `json:"root"`
	Device   manifest.Digest   `json:"device"`
	Public   string            `json:"public"`
	Facts    boot.Facts        `json:"facts"`
	Identity manifest.Identity `json:"identity"`
	Counter  uint64            `json:"counter"`
	Manifest manifest.Digest   `json:"manifest"`
	Machine  *machineStatus    `json:"machine,omitempty"` // of a platform, as RAUC says
	Made     bool              `json:"made"`              // false: a dry run
}

func (f provisionFlags) made(line manifest.Scope, root string, n device.New, first device.First) provisioned {
	return provisioned{
		Line: line, Root: root, Device: n.Key.ID(), Public: base64.StdEncoding.EncodeToString(n.Key.Public()), Facts: first.Facts,
		Identity: first.Manifest.Identity, Counter: first.Manifest.Counter, Manifest: first.Digest, Made: !f.DryRun,
	}
}

// hand writes the public key, before there is a device that has it.
func (f provisionFlags) hand(k *device.Key) error {
	if f.Public == "" {
		return nil
	}
	return durable.Replace(durable.OS{}, f.Public, base64.StdEncoding.AppendEncode(nil, k.Public()))
}

func (f provisionFlags) tell(s streams, p provisioned) error {
	if f.JSON {
		return writeLine(s.Out, p)
	}
	return p.print(s.Out)
}

func (p provisioned) print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(what, format string, args ...any) { fmt.Fprintf(t, "%s\t%s\n", what, fmt.Sprintf(format, args...)) }
	row(map[bool]string{true: "made", false: "would make"}[p.Made], "the %s of %s", p.Line, p.Root)
	row("is", "model %s in %s %s", p.Facts.Model, p.Facts.Jurisdiction, p.Facts.Hardware)
	row("begins with", "%s, counter %d, manifest %s", p.Identity, p.Counter, p.Manifest)
	if p.Made {
		row("device", "%s", p.Device)
	}
	if p.Machine != nil {
		p.Machine.rows(row)
	}
	return t.Flush()
}

type provisionApplication struct {
	Root         string            `arg:"" type:"path" help:"Folder of the device, as plomb-boot takes it; made."`
	Model        string            `required:"" help:"Model of the till, three characters."`
	Jurisdiction string            `required:"" help:"Country code of where it stands."`
	Hardware     manifest.Identity `help:"Registered hardware version, 18 characters; it has to be in the maker's repository."`
	TPM          string            `name:"tpm" help:"TPM that holds the version floors, such as /dev/tpmrm0."`
	provisionFlags
}

// Help shows the way of a device.
func (provisionApplication) Help() string {
	return `The end of commissioning: trust policy, what the device is, where it asks, its key and its
first release. What is there is never replaced; cut short, the folder is not there.

  plomb update provision key till-7.key --public till-7.pub
  plomb release entitle repo till-7.pub till-1.4 --office deployer --parties parties.json
  plomb update provision application /srv/device --model TIL --jurisdiction NL \
    --policy trust.json --repository https://updates.example/plomb --key till-7.key \
    --source https://updates.example/plomb --source /media --parties parties.json
  plomb-boot run --root /srv/device -- up --dir /srv/till1

plomb up does all of this with samples. Its operating systems: plomb update provision platform.`
}

func (c provisionApplication) Run(ctx context.Context, s streams) error {
	n, err := c.new()
	if err != nil {
		return err
	}
	n.Root, n.TPM = c.Root+making, c.TPM
	n.Facts = boot.Facts{Hardware: c.Hardware, Model: c.Model, Jurisdiction: c.Jurisdiction}
	if there(c.Root) {
		return hint{fmt.Errorf("%s: %w", c.Root, fs.ErrExist), "a device is never replaced; name a folder that is not there"}
	}
	first, err := device.Rehearse(ctx, n)
	if err == nil && !c.DryRun {
		err = c.make(ctx, n)
	}
	if err != nil {
		return advised(err, n)
	}
	return c.tell(s, c.made(manifest.Application, c.Root, n, first))
}

// make makes the device beside its place and renames it as the last step.
func (c provisionApplication) make(ctx context.Context, n device.New) error {
	if err := errors.Join(c.hand(n.Key), os.RemoveAll(n.Root), os.MkdirAll(filepath.Dir(c.Root), 0o755)); err != nil {
		return err
	}
	if _, err := device.Provision(ctx, n); err != nil {
		return errors.Join(err, os.RemoveAll(n.Root))
	}
	disk := durable.OS{}
	return errors.Join(disk.Rename(n.Root, c.Root), disk.SyncDir(filepath.Dir(c.Root)))
}

type provisionPlatform struct {
	Device  string `required:"" type:"existingdir" help:"The device's folder, as plomb-boot has it; its platform/ is made."`
	Restart string `help:"Command that starts the machine again, by its whole path (default: /usr/bin/systemctl reboot)."`
	Bus     string `help:"Address of the bus on which RAUC serves; otherwise the system bus."`
	Unasked bool   `help:"Do not ask RAUC: the device is made on another machine."`
	provisionFlags
}

// Help shows the way from commissioning to the first update.
func (provisionPlatform) Help() string {
	return `Makes DEVICE/platform: a second line of releases below that of the till, for the operating
system under it. It has keys, an index, a slot table and checks of its own; a policy that
shares a key with that of the applications is refused. Its first release is the one that
the machine runs now. What the machine is, and its TPM, are taken from the device.

  plomb update provision key os-7.key --public os-7.pub
  plomb release entitle os-repo os-7.pub os-1 --office platform-deployer --parties platform-parties.json
  plomb update provision platform --device /srv/device --policy platform-trust.json \
    --repository https://updates.example/os --key os-7.key \
    --source https://updates.example/os --parties platform-parties.json --dry-run

RAUC has to serve, with one slot booted; it is asked whether it would take the first
image, by its own signature and what it is for. What its system.conf needs, and the way
to the first update: docs/guides/platform.md. The till takes the line up at its next start.
One that is there is never replaced; cut short, there is none.`
}

func (c provisionPlatform) Run(ctx context.Context, s streams) error {
	n, err := c.new()
	if err != nil {
		return err
	}
	c.join(&n.Config)
	machine := &image.RAUC{Address: n.Config.Machine.Bus}
	out, err := c.ask(ctx, machine)
	if err != nil {
		return err
	}
	first, err := device.RehearsePlatform(ctx, c.Device, n)
	if err == nil {
		err = c.make(ctx, n, first, machine)
	}
	if err != nil {
		return advised(err, n)
	}
	p := c.made(manifest.Platform, c.Device, n, first)
	p.Machine = out
	return c.tell(s, p)
}

// join says how images reach the machine.
func (c provisionPlatform) join(into *device.Config) {
	m := into.Machine
	if m == nil {
		m = &device.Machine{Restart: []string{"/usr/bin/systemctl", "reboot"}}
	}
	if c.Restart != "" {
		m.Restart = strings.Fields(c.Restart)
	}
	if c.Bus != "" {
		m.Bus = c.Bus
	}
	into.Machine = m
}

// ask asks RAUC what the machine runs; nil where it is not to be asked.
func (c provisionPlatform) ask(ctx context.Context, machine *image.RAUC) (*machineStatus, error) {
	if c.Unasked {
		return nil, nil
	}
	out := askMachine(ctx, machine)
	if out.Error != "" {
		return nil, hint{errors.New(out.Error), "start RAUC's service, name its bus with --bus, or leave it out with --unasked"}
	}
	return out, nil
}

// make makes the line, or rehearses the question to RAUC where the image lies there.
func (c provisionPlatform) make(ctx context.Context, n device.New, first device.First, machine *image.RAUC) error {
	var accept device.Accept
	if !c.Unasked {
		accept = machine.Check
	}
	if !c.DryRun {
		if err := c.hand(n.Key); err != nil {
			return err
		}
		_, err := device.ProvisionPlatform(ctx, c.Device, n, accept)
		return err
	}
	if accept == nil || n.Unpacked == "" {
		return nil
	}
	for _, x := range first.Manifest.Components {
		if x.Kind == manifest.Image {
			return accept(ctx, filepath.Join(n.Unpacked, filepath.FromSlash(x.Path)))
		}
	}
	return nil
}

// advised adds what to do next to what may go wrong.
func advised(err error, n device.New) error {
	switch {
	case errors.Is(err, device.ErrEntitlement):
		return hint{err, "have the deployer entitle the key first: plomb update provision key, then plomb release entitle"}
	case errors.Is(err, trust.ErrKeys), errors.Is(err, manifest.ErrPolicy):
		return hint{err, "platform and application are released by offices of their own: plomb release init-maker, init-authority"}
	case errors.Is(err, fs.ErrExist):
		return hint{err, "what is there is never replaced; plomb update status shows it"}
	case n.Repository == "" && n.Unpacked == "":
		return usageError{err}
	}
	return err
}

// statusPatience bounds a question to the machine.
const statusPatience = 5 * time.Second

// machineStatus is what RAUC says of the machine.
type machineStatus struct {
	Running string        `json:"running,omitzero"` // place that runs
	Next    string        `json:"next,omitzero"`    // that the next start tries first
	Slots   []machineSlot `json:"slots,omitempty"`
	Error   string        `json:"error,omitzero"` // why nothing is known
}

// machineSlot is a slot of RAUC's.
type machineSlot struct {
	Name      string `json:"name"`
	Bootname  string `json:"bootname,omitzero"`
	State     string `json:"state"`              // booted, active or inactive
	Boot      string `json:"boot,omitzero"`      // good or bad, by the boot loader
	Status    string `json:"status,omitzero"`    // ok when an installation was finished
	Version   string `json:"version,omitzero"`   // of the bundle that was installed
	SHA256    string `json:"sha256,omitzero"`    // of its image
	Installed uint32 `json:"installed,omitzero"` // how often
}

// askMachine asks RAUC, for a few seconds.
func askMachine(ctx context.Context, machine *image.RAUC) *machineStatus {
	ctx, cancel := context.WithTimeout(ctx, statusPatience)
	defer cancel()
	m, err := machine.Machine(ctx)
	if err != nil {
		return &machineStatus{Error: err.Error()}
	}
	out := &machineStatus{Running: m.Running, Next: m.Next}
	slots, err := machine.Slots(ctx)
	if err != nil {
		out.Error = err.Error()
	}
	for _, x := range slots {
		out.Slots = append(out.Slots, machineSlot{x.Name, x.Bootname, x.State, x.Boot, x.Status, x.Version, x.SHA256, x.Installed})
	}
	slices.SortFunc(out.Slots, func(a, b machineSlot) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// rows are those of a table for people.
func (m *machineStatus) rows(row func(what, format string, args ...any)) {
	if m.Error != "" {
		row("machine", "is not known: %s", m.Error)
		return
	}
	row("machine", "runs %s, starts %s next", m.Running, m.Next)
	for _, x := range m.Slots {
		words := []string{x.State}
		if x.Boot != "" {
			words = append(words, x.Boot)
		}
		if x.Version != "" {
			words = append(words, "bundle "+x.Version)
		}
		if x.Status != "" {
			words = append(words, "installed "+x.Status)
		}
		row("  "+x.Name, "%s", strings.Join(words, ", "))
	}
}
