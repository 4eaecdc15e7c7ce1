package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"time"

	"github.com/plomb-pos/plomb/internal/mapped"
	"github.com/plomb-pos/plomb/update/frame"
)

// FramesChild names the hidden command that builds or applies a pack in a process of
// its own, so that its memory and its time can be told.
const FramesChild = "bench-frames"

// spent is what a process needed.
type spent struct {
	Wall time.Duration `json:"wall"`
	CPU  time.Duration `json:"cpu"`
	// Peak resident memory in KiB: all of it, and the part that is the process's own,
	// without the pages of files and of its program.
	Peak  float64 `json:"peak"`
	Own   float64 `json:"own"`
	Added float64 `json:"added"` // of its own, beyond what it had when it began
	Bytes int64   `json:"bytes"` // that came out
}

// FramesJob is what a process of FramesChild does.
type FramesJob struct {
	What string // build or apply
	Old  string
	New  string // of build
	Pack string // written by build, with Pack.table beside it; read by apply
}

// Do does the job and writes what it needed as JSON.
func (j FramesJob) Do(ctx context.Context, out io.Writer) error {
	do := map[string]func(context.Context, *ownPeak) (int64, error){"build": j.build, "apply": j.apply}[j.What]
	if do == nil {
		return fmt.Errorf("%q is neither build nor apply", j.What)
	}
	var own ownPeak
	own.look()
	had := own.kib
	began, before := time.Now(), cpuTime()
	n, err := do(ctx, &own)
	if err != nil {
		return err
	}
	s := spent{Wall: time.Since(began), CPU: cpuTime() - before, Own: own.kib, Added: own.kib - had, Bytes: n}
	text, err := peakResident()
	if err != nil {
		return err
	}
	if s.Peak, err = strconv.ParseFloat(text, 64); err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(s)
}

func (j FramesJob) build(ctx context.Context, own *ownPeak) (int64, error) {
	old, err := mapped.Open(j.Old)
	if err != nil {
		return 0, err
	}
	defer old.Close()
	data, err := mapped.Open(j.New)
	if err != nil {
		return 0, err
	}
	defer data.Close()
	pack, err := os.Create(j.Pack)
	if err != nil {
		return 0, err
	}
	defer pack.Close()
	table, err := frame.Build(ctx, pack, old.Bytes(), data.Bytes(), frame.Options{Progress: func(int, int) { own.look() }})
	if err != nil {
		return 0, err
	}
	return table.Bytes(), os.WriteFile(j.Pack+".table", table.Encode(), 0o600)
}

// apply makes the new component frame by frame on one core, as the till does, and
// compares each frame with its hash; it writes nothing.
func (j FramesJob) apply(_ context.Context, own *ownPeak) (n int64, err error) {
	runtime.GOMAXPROCS(1)
	text, err := os.ReadFile(j.Pack + ".table")
	if err != nil {
		return 0, err
	}
	table, err := frame.ParseTable(text)
	if err != nil {
		return 0, err
	}
	old, err := os.Open(j.Old)
	if err != nil {
		return 0, err
	}
	defer old.Close()
	pack, err := os.Open(j.Pack)
	if err != nil {
		return 0, err
	}
	defer pack.Close()
	var wire []byte
	room := make([]byte, 0, frameBytes+129<<10) // the decompressor likes some beyond a frame
	for i := range table.Entries {
		at, length := table.Range(i)
		wire = slices.Grow(wire[:0], int(length))[:length]
		if _, err := pack.ReadAt(wire, at); err != nil {
			return n, err
		}
		data, err := table.OpenInto(room, i, wire, nil, old)
		if err != nil {
			return n, err
		}
		n += int64(len(data))
		own.look()
	}
	return n, nil
}

// ownPeak is the most memory of its own that a process was seen to have.
type ownPeak struct{ kib float64 }

var ownMemory = regexp.MustCompile(`(?m)^RssAnon:\s+(\d+) kB$`)

func (o *ownPeak) look() {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return // not Linux: it stays 0 and is not reported
	}
	if m := ownMemory.FindSubmatch(status); m != nil {
		kib, _ := strconv.ParseFloat(string(m[1]), 64) // digits alone
		o.kib = max(o.kib, kib)
	}
}

// frames runs a job in a process of this program.
func frames(ctx context.Context, exe string, j FramesJob) (s spent, err error) {
	cmd := exec.CommandContext(ctx, exe, FramesChild, j.What, j.Old, j.New, j.Pack)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return s, fmt.Errorf("%s in a process of its own: %w", j.What, err)
	}
	return s, json.Unmarshal(out, &s)
}

// peer is another program that makes deltas.
type peer struct {
	name    string // program
	says    string // as it is reported
	args    func(old, data, out string) []string
	largest int64 // of old, in bytes: beyond, it takes minutes or all memory; 0: any
}

var peers = []peer{
	{"zstd", "zstd -19 --patch-from", func(old, data, out string) []string {
		return []string{"-q", "-f", "-19", "--patch-from=" + old, data, "-o", out}
	}, 128 << 20},
	{"bsdiff", "bsdiff", func(old, data, out string) []string { return []string{old, data, out} }, 128 << 20},
	{"xdelta3", "xdelta3 -9", func(old, data, out string) []string {
		return []string{"-9", "-f", "-e", "-s", old, data, out}
	}, 0},
}

// absent says why a peer cannot be asked about a pair; empty: it can.
func (p peer) absent(old string) (why string, err error) {
	if _, err := exec.LookPath(p.name); errors.Is(err, exec.ErrNotFound) {
		return "is not installed (Debian: apt install " + p.name + ")", nil
	} else if err != nil {
		return "", err
	}
	info, err := os.Stat(old)
	if err == nil && p.largest > 0 && info.Size() > p.largest {
		why = fmt.Sprintf("takes minutes or all memory with more than %d MiB", p.largest>>20)
	}
	return why, err
}

// run makes a peer's delta.
func (p peer) run(ctx context.Context, old, data, out string) (s spent, err error) {
	cmd := exec.CommandContext(ctx, p.name, p.args(old, data, out)...)
	var said bytes.Buffer
	cmd.Stderr = &said
	began := time.Now()
	if err := cmd.Run(); err != nil {
		return s, errors.Join(fmt.Errorf("%s: %w: %s", p.says, err, said.Bytes()), ctx.Err())
	}
	s.Wall = time.Since(began)
	s.CPU = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	made, err := os.Stat(out)
	if err != nil {
		return s, err
	}
	s.Bytes = made.Size()
	return s, nil
}

// Pair is two versions of one component.
type Pair struct {
	Case     string // how it is reported
	Old, New string // files
	Small    bool   // a small change: held against the best peer by bytes a frame
}

// Delta builds the pack of each pair and has the peers that are installed make theirs,
// in turns; then it applies the pack. Sizes are exact. Times are the processor's:
// on a shared machine a clock on the wall tells about the others.
func Delta(ctx context.Context, c Config, exe string, pairs ...Pair) (results []Result, err error) {
	dir, err := os.MkdirTemp(c.Dir, "delta")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	for _, p := range pairs {
		d := delta{Pair: p, exe: exe, dir: dir, made: map[string][]spent{}, without: map[string]bool{}}
		more, err := d.measure(ctx, c)
		if err != nil {
			return results, fmt.Errorf("%s: %w", p.Case, err)
		}
		results = append(results, more...)
	}
	return results, nil
}

// delta is one pair under measurement.
type delta struct {
	Pair
	exe, dir string
	ours     []spent
	applied  []spent
	made     map[string][]spent // by peer
	without  map[string]bool    // peers that are left out
}

func (d *delta) measure(ctx context.Context, c Config) ([]Result, error) {
	job := FramesJob{What: "build", Old: d.Old, New: d.New, Pack: filepath.Join(d.dir, "pack")}
	for round := range c.Rounds {
		c.tell("%s, round %d of %d", d.Case, round+1, c.Rounds)
		built, err := frames(ctx, d.exe, job)
		if err != nil {
			return nil, err
		}
		d.ours = append(d.ours, built)
		c.tell("  plomb: %d bytes, %.1f s of processor, %.1f s", built.Bytes, built.CPU.Seconds(), built.Wall.Seconds())
		if err := d.peers(ctx, c, round); err != nil {
			return nil, err
		}
		applied, err := frames(ctx, d.exe, FramesJob{What: "apply", Old: d.Old, New: d.New, Pack: job.Pack})
		if err != nil {
			return nil, err
		}
		d.applied = append(d.applied, applied)
	}
	return d.results()
}

// peers makes their deltas: the quick one, whose time counts, in each round, the
// others once, since their sizes do not change.
func (d *delta) peers(ctx context.Context, c Config, round int) error {
	for _, p := range peers {
		if round > 0 && p.name != "xdelta3" {
			continue
		}
		if err := d.peer(ctx, c, p); err != nil {
			return err
		}
	}
	return nil
}

// peer has one make its delta; it is left out where that is not possible.
func (d *delta) peer(ctx context.Context, c Config, p peer) error {
	if d.without[p.says] {
		return nil
	}
	why, err := p.absent(d.Old)
	if err != nil {
		return err
	}
	if why == "" {
		why, err = d.ask(ctx, c, p)
	}
	if why != "" {
		c.tell("  left out: %s %s", p.says, why)
		d.without[p.says] = true
	}
	return err
}

func (d *delta) ask(ctx context.Context, c Config, p peer) (why string, err error) {
	limited, cancel := ctx, context.CancelFunc(func() {})
	if c.Patience > 0 {
		limited, cancel = context.WithTimeout(ctx, c.Patience)
	}
	defer cancel()
	s, err := p.run(limited, d.Old, d.New, filepath.Join(d.dir, "peer"))
	if err != nil && limited.Err() != nil && ctx.Err() == nil {
		return fmt.Sprintf("took longer than %v", c.Patience), nil
	}
	if err == nil {
		d.made[p.says] = append(d.made[p.says], s)
		c.tell("  %s: %d bytes, %.1f s of processor, %.1f s", p.says, s.Bytes, s.CPU.Seconds(), s.Wall.Seconds())
	}
	return "", err
}

func (d *delta) results() ([]Result, error) {
	info, err := os.Stat(d.New)
	if err != nil {
		return nil, err
	}
	own := d.ours[len(d.ours)-1]
	out := []Result{{Bench: "delta", Case: d.Case + ": size", Value: float64(own.Bytes), Unit: "bytes", Ratio: float64(own.Bytes) / float64(info.Size()), Against: "the component"}}
	best := int64(-1)
	for _, p := range peers {
		made := d.made[p.says]
		if made == nil {
			continue
		}
		size := made[0].Bytes
		out = append(out, Result{Bench: "delta", Case: d.Case + ": size", Value: float64(own.Bytes), Unit: "bytes", Ratio: float64(own.Bytes) / float64(size), Against: p.says})
		if best < 0 || size < best {
			best = size
		}
	}
	if d.Small && best >= 0 {
		n := (info.Size() + frameBytes - 1) / frameBytes
		out = append(out, Result{Bench: "delta", Case: d.Case + ": more than the best peer, for each frame", Value: float64(own.Bytes-best) / float64(n), Unit: "bytes"})
	}
	return append(out, d.times(info.Size())...), nil
}

func (d *delta) times(size int64) []Result {
	mib := func(list []spent, of func(spent) float64) float64 { return median(each(list, of)) / 1024 }
	cpu := func(s spent) float64 { return s.CPU.Seconds() }
	out := []Result{
		{Bench: "delta", Case: d.Case + ": building, processor time", Value: median(each(d.ours, cpu)), Unit: "s"},
		{Bench: "delta", Case: d.Case + ": building, peak memory with the files it maps", Value: mib(d.ours, func(s spent) float64 { return s.Peak }), Unit: "MiB"},
		{Bench: "delta", Case: d.Case + ": building, peak memory of its own", Value: mib(d.ours, func(s spent) float64 { return s.Own }), Unit: "MiB"},
		{Bench: "delta", Case: d.Case + ": applying, one core", Value: float64(size) / 1e6 / median(each(d.applied, cpu)), Unit: "MB/s"},
		{Bench: "delta", Case: d.Case + ": applying, peak memory with the pages of the program", Value: mib(d.applied, func(s spent) float64 { return s.Peak }), Unit: "MiB"},
		{Bench: "delta", Case: d.Case + ": applying, memory it adds to the process", Value: mib(d.applied, func(s spent) float64 { return s.Added }), Unit: "MiB"},
	}
	if theirs := d.made["xdelta3 -9"]; theirs != nil {
		var ratios []float64
		for i := range theirs { // fewer where one took too long
			ratios = append(ratios, d.ours[i].CPU.Seconds()/theirs[i].CPU.Seconds())
		}
		out[0].Ratio, out[0].Against = median(ratios), "xdelta3 -9"
	}
	return out
}

const frameBytes = 1 << 20

// each gives one figure of each element.
func each[T any](list []T, of func(T) float64) (out []float64) {
	for _, v := range list {
		out = append(out, of(v))
	}
	return out
}
