package bench

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/internal/raucrig"
	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/slot"
)

// InstallChild names the hidden command that makes one pass of an update agent over a
// device made for measuring, in a process of its own.
const InstallChild = "bench-install"

// Install measures how long an image takes that has been fetched: by the update agent
// into a slot of its own, from consent to pointer, with every check of that time and
// the reading back; by `rauc install` of a bundle with the same image into a slot of
// type raw; and by the agent through RAUC. What an agent does beside that when it was
// started anew in between is measured by itself. exe is this program; it must answer
// InstallChild with InstallOne. Where RAUC cannot run the peer is a copy, synced and
// hashed. It measures verification at start, too, against plain SHA-256.
func Install(ctx context.Context, c Config, exe string, bytes int64) ([]Result, error) {
	dir, err := os.MkdirTemp(c.Dir, "install")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	b := &installBench{Config: c, exe: exe, dir: dir, bytes: bytes}
	defer b.close()
	if err := b.prepare(ctx); err != nil {
		return nil, fmt.Errorf("prepare an installation: %w", err)
	}
	for round := range c.Rounds {
		if err := b.round(ctx); err != nil {
			return nil, fmt.Errorf("round %d: %w", round+1, err)
		}
		c.tell("round %d of %d: %s", round+1, c.Rounds, b.words())
	}
	verify, err := b.verification()
	return append(b.results(), verify), err
}

// installBench is one measurement on its way.
type installBench struct {
	Config
	exe, dir string
	bytes    int64
	rig      *raucrig.Machine // nil: RAUC cannot run here
	peers    []installPeer
	own      []passed
	through  []passed // RAUC
}

// installPeer is what the agent is compared with.
type installPeer struct {
	name  string
	run   func(ctx context.Context) error
	times []time.Duration
}

// passed is what an agent took.
type passed struct {
	Look    float64       `json:"look"`    // at what was fetched, in seconds
	Install float64       `json:"install"` // from consent to pointer, in seconds
	MiB     float64       `json:"mib"`     // by how much the process grew at most
	CPU     time.Duration `json:"-"`       // of the whole process
}

func (b *installBench) image() string { return filepath.Join(b.dir, "image") }

func (b *installBench) close() {
	if b.rig != nil {
		_ = b.rig.Close() // its processes are gone with this one
	}
}

func (b *installBench) prepare(ctx context.Context) error {
	if err := writeImage(b.image(), b.bytes); err != nil {
		return err
	}
	if missing := raucrig.Missing(); len(missing) > 0 || os.Geteuid() != 0 {
		b.tell("RAUC cannot run here (missing: %q, and it needs root): the peer is a copy, synced and hashed", missing)
		b.peers = []installPeer{{name: "copying it, synced and hashed", run: b.copyImage}}
	} else if err := b.startRAUC(ctx); err != nil {
		return err
	}
	b.tell("building packs")
	if err := makeDevice(ctx, filepath.Join(b.dir, "own"), manifest.Application, b.image()); err != nil {
		return err
	}
	_, err := b.pass(ctx, "own", true, "")
	return err
}

// startRAUC prepares the peers, and the way through RAUC.
func (b *installBench) startRAUC(ctx context.Context) error {
	dir := filepath.Join(b.dir, "rig")
	err := os.Mkdir(dir, 0o700)
	if err != nil {
		return err
	}
	if b.rig, err = raucrig.New(ctx, dir, raucrig.Options{Size: b.bytes}); err != nil {
		b.rig = nil
		return err
	}
	for name, plain := range map[string]bool{"rauc install, bundle compressed": false, "rauc install, bundle not compressed": true} {
		bundle, err := b.rig.Build(ctx, raucrig.Bundle{Version: "1", Image: b.image(), Plain: plain})
		if err != nil {
			return err
		}
		b.peers = append(b.peers, installPeer{name: name, run: func(ctx context.Context) error { return b.rig.Install(ctx, bundle) }})
		if plain {
			continue
		}
		if err := makeDevice(ctx, filepath.Join(b.dir, "through"), manifest.Platform, bundle); err != nil {
			return err
		}
		if _, err := b.pass(ctx, "through", true, b.rig.Address()); err != nil {
			return err
		}
	}
	return nil
}

// copyImage is the least that an installation does.
func (b *installBench) copyImage(context.Context) error {
	in, err := os.Open(b.image())
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(filepath.Join(b.dir, "copy"))
	if err != nil {
		return err
	}
	defer out.Close()
	if _, err := io.Copy(io.MultiWriter(out, sha256.New()), in); err != nil {
		return err
	}
	return out.Sync()
}

func (b *installBench) round(ctx context.Context) error {
	p, err := b.pass(ctx, "own", false, "")
	if err != nil {
		return err
	}
	b.own = append(b.own, p)
	for i := range b.peers {
		started := time.Now()
		if err := b.peers[i].run(ctx); err != nil {
			return err
		}
		b.peers[i].times = append(b.peers[i].times, time.Since(started))
	}
	if b.rig == nil {
		return nil
	}
	p, err = b.pass(ctx, "through", false, b.rig.Address())
	b.through = append(b.through, p)
	return err
}

// pass has a process make one pass; fetch: it fetches only.
func (b *installBench) pass(ctx context.Context, device string, fetch bool, bus string) (p passed, err error) {
	dir := filepath.Join(b.dir, device)
	if err := resetDevice(dir); err != nil {
		return p, err
	}
	args := []string{InstallChild, dir, "--bus=" + bus}
	if fetch {
		args = append(args, "--fetch")
	}
	cmd := exec.CommandContext(ctx, b.exe, args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return p, fmt.Errorf("a pass in a process of its own: %w", err)
	}
	p.CPU = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	return p, json.Unmarshal(out, &p)
}

func (b *installBench) words() string {
	last := b.own[len(b.own)-1]
	text := fmt.Sprintf("agent %.2fs (after %.2fs of looking; processor %v in all, %.1f MiB)", last.Install, last.Look, last.CPU.Round(time.Millisecond), last.MiB)
	for _, p := range b.peers {
		text += fmt.Sprintf(", %s %v", p.name, p.times[len(p.times)-1].Round(time.Millisecond))
	}
	if n := len(b.through); n > 0 {
		text += fmt.Sprintf(", agent through RAUC %.2fs", b.through[n-1].Install)
	}
	return text
}

func (b *installBench) results() (out []Result) {
	size := fmt.Sprintf("%d MiB", b.bytes>>20)
	for i, p := range b.peers {
		r := Result{Bench: "install", Case: size + " by the agent", Unit: "s", Against: "the time of " + p.name}
		r.Value, r.Ratio = b.against(b.own, i)
		out = append(out, r)
	}
	var rates, memory, looks []float64
	for _, p := range b.own {
		rates = append(rates, float64(b.bytes)/1e6/p.CPU.Seconds())
		memory = append(memory, p.MiB)
		looks = append(looks, p.Look)
	}
	out = append(out, Result{Bench: "install", Case: size + ", looked at and installed, a second of processor time", Value: median(rates), Unit: "MB"},
		Result{Bench: "install", Case: size + ", looked at by an agent started anew", Value: median(looks), Unit: "s"},
		Result{Bench: "install", Case: size + ", memory beyond that of the idle process, at most", Value: median(memory), Unit: "MiB"})
	for i, p := range b.peers {
		if len(b.through) > 0 {
			r := Result{Bench: "install", Case: size + " by the agent through RAUC", Unit: "s", Against: "the time of " + p.name}
			r.Value, r.Ratio = b.against(b.through, i)
			out = append(out, r)
		}
	}
	return out
}

// against is the median time, and the median of the ratios by round.
func (b *installBench) against(list []passed, peer int) (seconds, ratio float64) {
	var times, ratios []float64
	for i, p := range list {
		times = append(times, p.Install)
		ratios = append(ratios, p.Install/b.peers[peer].times[i].Seconds())
	}
	return median(times), median(ratios)
}

// verification measures what the launcher does at each start: the slot as a whole
// against SHA-256 over the same file, one core each.
func (b *installBench) verification() (Result, error) {
	r := Result{Bench: "install", Case: "verification at start", Unit: "MB/s", Against: "SHA-256 over the same bytes"}
	d, err := readDevice(filepath.Join(b.dir, "own"))
	if err != nil {
		return r, err
	}
	var rates, ratios []float64
	for range b.Rounds {
		started := time.Now()
		if _, err := d.check().Verify(durable.OS{}, d.root()+"/slots/b", manifest.Digest{}); err != nil {
			return r, err
		}
		took := time.Since(started)
		started = time.Now()
		if err := hashFile(d.root() + "/slots/b/" + imagePath); err != nil {
			return r, err
		}
		plain := time.Since(started)
		rates = append(rates, float64(b.bytes)/1e6/took.Seconds())
		ratios = append(ratios, plain.Seconds()/took.Seconds())
	}
	r.Value, r.Ratio = median(rates), median(ratios)
	return r, nil
}

func hashFile(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.CopyBuffer(struct{ io.Writer }{sha256.New()}, struct{ io.Reader }{f}, make([]byte, 128<<10))
	return err
}

// resetDevice takes a device back to before its installation; what was fetched stays.
func resetDevice(dir string) error {
	d, err := readDevice(dir)
	if err != nil {
		return err
	}
	for _, name := range []string{"slots/b", "boot/table", "boot/place", "download/state.json"} {
		if err := os.RemoveAll(filepath.Join(d.root(), name)); err != nil {
			return err
		}
	}
	if err := os.Mkdir(filepath.Join(d.root(), "slots/b"), 0o700); err != nil {
		return err
	}
	return slot.Create(durable.OS{}, d.root()+"/boot", d.root()+"/boot/table", slot.Table{})
}
