package main

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/plomb-pos/plomb/driver/sim"
	"github.com/plomb-pos/plomb/xfs4iot/interfaces"
)

// built puts what a file says on a counter.
func built(t *testing.T, text string) (*sim.Devices, error) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "devices.toml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := readDevicesFile(name)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(t.Context())
	group, ctx := errgroup.WithContext(ctx)
	t.Cleanup(func() { stop(); _ = group.Wait() })
	b := counterBuild{ctx: ctx, group: group, devices: sim.Empty(), dir: t.TempDir()}
	if err := b.addDevices(f.Devices); err != nil {
		return nil, err
	}
	return b.devices, f.leftover()
}

func TestAFileSaysWhichDevicesThereAre(t *testing.T) {
	d, err := built(t, `
listen = "127.0.0.1:0"

[[right]]
client = "till"
services = ["*"]
allow = ["*"]

[[device]]
name = "Recycler"
class = "recycler"
[device.options]
currency = "EUR"
neutralization = true

[[device]]
name = "Front"
class = "cardreader"
[device.options]
type = "dip"

[[device]]
name = "CustomerDisplay"
class = "customerdisplay"
[device.options]
columns = 32
rows = 2
`)
	if err != nil {
		t.Fatal(err)
	}
	faces, err := d.Faces()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range faces {
		got = append(got, f.Name+" "+f.Class)
	}
	if want := []string{"Recycler recycler", "Front cardreader", "CustomerDisplay customerdisplay"}; !slices.Equal(got, want) {
		t.Errorf("devices %q, want %q", got, want)
	}
}

func TestMistakesInAFileOfDevicesAreNamed(t *testing.T) {
	for text, want := range map[string]string{
		`listen = "x"`: "no [[device]]",
		"[[device]]\nname = \"A\"\nclass = \"toaster\"":                                            `unknown class "toaster"`,
		"[[device]]\nname = \"A\"\nclass = \"epp\"\n[[device]]\nname = \"A\"\nclass = \"cabinet\"": "named",
		"[[device]]\nname = \"A\"\nclass = \"recycler\"\n[device.options]\ncurency = \"EUR\"":      "curency",
		"[[device]]\nname = \"A\"\nclass = \"recycler\"\ncolour = \"red\"":                         "colour",
		"[[device]]\nname = \"A\"\nclass = \"recycler\"\n[device.options]\nstacker = \"many\"":     "stacker",
		"[[device]]\nname = \"A\"\nclass = \"barcodereader\"":                                      "always named",
		"[[device]]\nname = \"ReceiptPrinter\"\nclass = \"escpos\"":                                "connect is missing",
		"[[device]]\nname = \"A\"\nclass = \"epp\"\n[[right]]\nclient = \"till\"":                  "services is empty",
		"[[device]\n": "expected",
	} {
		if _, err := built(t, text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

// All devices together serve every interface of the description.
//
// Requirement: XFS-01
func TestADeviceOfEveryClassServesEveryInterface(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	group, ctx := errgroup.WithContext(ctx)
	c := counter{service: "127.0.0.1:0", control: "127.0.0.1:0", dir: t.TempDir(), devices: &devicesFile{Devices: everyClass(), leftover: func() error { return nil }}}
	d, err := c.start(ctx, group)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stop()
		if err := group.Wait(); err != nil {
			t.Error(err)
		}
	})
	out, code := plomb(t, nil, "xfs", "list", d.address, "--json")
	if code != exitDone {
		t.Fatalf("list ended with %d", code)
	}
	for _, i := range interfaces.All() {
		switch i.Name {
		case "ServicePublisher", "BanknoteNeutralization", "MixedMedia": // the publisher itself; options of the recycler and the check scanner
			continue
		}
		if !strings.Contains(out, `"`+i.Name+`"`) {
			t.Errorf("nobody serves %s", i.Name)
		}
	}
}
