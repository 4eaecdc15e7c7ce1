package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
	"golang.org/x/sync/errgroup"

	"github.com/plomb-pos/plomb/driver/cardreader"
	"github.com/plomb-pos/plomb/driver/escpos"
	"github.com/plomb-pos/plomb/driver/sim"
	"github.com/plomb-pos/plomb/driver/sim/cabinet"
	"github.com/plomb-pos/plomb/driver/sim/camera"
	"github.com/plomb-pos/plomb/driver/sim/card"
	"github.com/plomb-pos/plomb/driver/sim/cash"
	"github.com/plomb-pos/plomb/driver/sim/checkscanner"
	"github.com/plomb-pos/plomb/driver/sim/depository"
	"github.com/plomb-pos/plomb/driver/sim/documentprinter"
	"github.com/plomb-pos/plomb/driver/sim/epp"
	"github.com/plomb-pos/plomb/driver/sim/fingerprint"
	"github.com/plomb-pos/plomb/driver/sim/panel"
	"github.com/plomb-pos/plomb/driver/sim/terminal"
	"github.com/plomb-pos/plomb/driver/sim/vendor"
	"github.com/plomb-pos/plomb/xfs4iot/host"
)

// devicesFile is the file of plomb devices --config.
type devicesFile struct {
	Listen   string
	Control  string
	Dir      string
	Identity string
	Rights   []host.Right   `toml:"right"`
	Devices  []deviceInFile `toml:"device"`

	leftover func() error // members that no class took, once all devices were made
}

// deviceInFile is one device of the file.
type deviceInFile struct {
	Name    string // of its service
	Class   string
	Options toml.Primitive // of its class
	decode  func(any) error
}

// maxDevicesFile bounds the file, in bytes.
const maxDevicesFile = 1 << 20

// readDevicesFile reads a file of devices. A member that nobody knows is refused.
func readDevicesFile(name string) (*devicesFile, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxDevicesFile {
		return nil, fmt.Errorf("%s: %d bytes are more than any such file has", name, info.Size())
	}
	out := new(devicesFile)
	meta, err := toml.DecodeFile(name, out)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	for i := range out.Devices {
		options := out.Devices[i].Options
		out.Devices[i].decode = func(v any) error { return meta.PrimitiveDecode(options, v) }
	}
	out.leftover = func() error { return leftover(name, &meta) }
	if len(out.Devices) == 0 {
		return nil, fmt.Errorf("%s: it names no [[device]]", name)
	}
	if err := host.Rights(out.Rights).Validate(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return out, nil
}

func leftover(name string, meta *toml.MetaData) error {
	if keys := meta.Undecoded(); len(keys) > 0 {
		return usage{fmt.Errorf("%s: unknown member %s", name, keys[0])}
	}
	return nil
}

// everyClass is what --all puts on the counter: one device of every class.
func everyClass() []deviceInFile {
	var out []deviceInFile
	for _, d := range [][2]string{
		{"CardReader", "cardreader"}, {"Recycler", "recycler"}, {"PinPad", "epp"}, {sim.PrinterName, "receiptprinter"},
		{sim.ScannerName, "barcodereader"}, {sim.DisplayName, "customerdisplay"}, {"CheckScanner", "checkscanner"},
		{"Terminal", "textterminal"}, {"Depository", "depository"}, {"DocumentPrinter", "documentprinter"},
		{"Fingerprint", "fingerprint"}, {"Camera", "camera"}, {"Cabinet", "cabinet"}, {"Vendor", "vendor"},
	} {
		out = append(out, deviceInFile{Name: d[0], Class: d[1], decode: func(any) error { return nil }})
	}
	return out
}

// deviceClass makes a device and puts it on the counter.
type deviceClass func(b *counterBuild, name string, decode func(any) error) error

// deviceClasses are the classes by the name that a file calls them.
var deviceClasses = map[string]deviceClass{
	"receiptprinter":  receiptPrinter,
	"barcodereader":   named(sim.ScannerName, func() panel.Device { return sim.NewScanner() }),
	"customerdisplay": customerDisplay,
	"recycler":        recycler,
	"cardreader":      simulated(card.New, func(o *card.Options) *string { return &o.Directory }),
	"checkscanner":    simulated(checkscanner.New, func(o *checkscanner.Options) *string { return &o.Directory }),
	"depository":      simulated(depository.New, func(o *depository.Options) *string { return &o.Directory }),
	"documentprinter": simulated(documentprinter.New, func(o *documentprinter.Options) *string { return &o.Directory }),
	"epp":             simulated(epp.New, func(o *epp.Options) *string { return &o.Directory }),
	"fingerprint":     simulated(fingerprint.New, func(o *fingerprint.Options) *string { return &o.Directory }),
	"camera":          simulated(camera.New, func(o *camera.Options) *string { return &o.Directory }),
	"cabinet":         simulated(cabinet.New, func(o *cabinet.Options) *string { return &o.Directory }),
	"textterminal":    simulated(terminal.New, nil),
	"vendor":          simulated(func(name string, _ struct{}) (*vendor.Vendor, error) { return vendor.New(name), nil }, nil),
	"escpos":          realPrinter,
	"pcsc":            realCardReader,
}

// counterBuild is a counter while devices are put on it.
type counterBuild struct {
	ctx     context.Context
	group   *errgroup.Group
	devices *sim.Devices
	dir     string // for what has to survive; "": nothing does
}

// addDevices puts devices on the counter.
func (b *counterBuild) addDevices(list []deviceInFile) error {
	seen := map[string]bool{}
	for _, d := range list {
		make, ok := deviceClasses[d.Class]
		if !ok {
			return usage{fmt.Errorf("device %q: unknown class %q; there are %s", d.Name, d.Class, strings.Join(classNames(), ", "))}
		}
		if seen[d.Name] {
			return usage{fmt.Errorf("two devices are named %q", d.Name)}
		}
		seen[d.Name] = true
		if err := make(b, d.Name, d.decode); err != nil {
			return fmt.Errorf("device %q of class %s: %w", d.Name, d.Class, err)
		}
	}
	return nil
}

func classNames() []string {
	var out []string
	for name := range deviceClasses {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// simulated is the class of a simulated device; directory is the option that says
// where it keeps what has to survive, nil when it keeps nothing.
func simulated[O any, D panel.Device](make func(string, O) (D, error), directory func(*O) *string) deviceClass {
	return func(b *counterBuild, name string, decode func(any) error) error {
		var o O
		if err := decode(&o); err != nil {
			return err
		}
		if directory != nil {
			if err := b.keep(name, directory(&o)); err != nil {
				return err
			}
		}
		d, err := make(name, o)
		if err != nil {
			return err
		}
		return b.devices.Add(name, d)
	}
}

// keep gives a device a folder of its own below the counter's, unless it has one.
func (b *counterBuild) keep(name string, directory *string) error {
	if *directory == "" {
		if b.dir == "" {
			return nil
		}
		*directory = filepath.Join(b.dir, "devices", name)
	}
	return os.MkdirAll(*directory, 0o700)
}

// recycler loses its service with its power.
func recycler(b *counterBuild, name string, decode func(any) error) error {
	return simulated(func(name string, o cash.Options) (*cash.Device, error) {
		o.PowerLost = func() { _ = b.devices.Vanish(name) } // it may be gone already
		return cash.New(name, o)
	}, func(o *cash.Options) *string { return &o.Directory })(b, name, decode)
}

// named is the class of a device whose service has one name.
func named(want string, make func() panel.Device) deviceClass {
	return func(b *counterBuild, name string, _ func(any) error) error {
		if name != want {
			return usage{fmt.Errorf("its service is always named %q", want)}
		}
		return b.devices.Add(name, make())
	}
}

func receiptPrinter(b *counterBuild, name string, decode func(any) error) error {
	var o printerOptions
	if err := decode(&o); err != nil {
		return err
	}
	p, err := o.profile()
	if err != nil {
		return err
	}
	return named(sim.PrinterName, func() panel.Device { return sim.NewPrinter(p) })(b, name, decode)
}

// printerOptions are those of simulated and real receipt printers.
type printerOptions struct {
	Connect string // of a real one: tcp:HOST:9100 or serial:DEVICE@BAUD
	Paper   int    // mm; default 80
	Chinese bool
}

func (o printerOptions) profile() (escpos.Profile, error) {
	switch o.Paper {
	case 0, 58, 80:
	default:
		return escpos.Profile{}, usage{fmt.Errorf("paper is 58 or 80 mm wide, not %d", o.Paper)}
	}
	return printerFlags{Paper: o.Paper, Chinese: o.Chinese}.profile(), nil
}

func customerDisplay(b *counterBuild, name string, decode func(any) error) error {
	var o struct{ Columns, Rows int }
	if err := decode(&o); err != nil {
		return err
	}
	if o.Columns < 1 || o.Rows < 1 {
		o.Columns, o.Rows = 20, 4
	}
	return named(sim.DisplayName, func() panel.Device { return sim.NewDisplay(o.Columns, o.Rows) })(b, name, decode)
}

// realPrinter serves an ESC/POS printer.
func realPrinter(b *counterBuild, name string, decode func(any) error) error {
	var o printerOptions
	if err := decode(&o); err != nil {
		return err
	}
	if name != sim.PrinterName {
		return usage{fmt.Errorf("its service is always named %q", sim.PrinterName)}
	}
	if o.Connect == "" {
		return usage{errors.New("connect is missing: tcp:HOST:9100 or serial:DEVICE@BAUD")}
	}
	if _, err := o.profile(); err != nil {
		return err
	}
	service, err := printerFlags{Printer: o.Connect, Paper: o.Paper, Chinese: o.Chinese}.start(b.ctx, b.group)
	if err != nil {
		return err
	}
	return b.devices.AddService(service)
}

// realCardReader serves a PC/SC reader.
func realCardReader(b *counterBuild, name string, decode func(any) error) error {
	var o cardreader.Options
	if err := decode(&o); err != nil {
		return err
	}
	d := cardreader.New(name, o)
	b.group.Go(func() error { return d.Run(b.ctx) })
	return b.devices.AddService(d.Service())
}
