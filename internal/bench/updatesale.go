package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/update"
	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/slot"
)

// AgentChild names the hidden command that updates a device made for measuring, in a
// process of its own beside the till.
const AgentChild = "bench-agent"

// backgroundRate is what the agent takes while the till is in use, in bytes a second.
const backgroundRate = 256 << 10

// UpdateSale measures sales over HTTP at a real till while an update downloads at its
// background rate and is then installed on the same disk, against sales just before
// and just after (requirement CU-07). The download takes about c.Time, and what is
// installed is this program, exe, and what was downloaded.
func UpdateSale(ctx context.Context, c Config, exe string) (results []Result, err error) {
	dir, err := os.MkdirTemp(c.Dir, "update")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	program, err := os.ReadFile(exe)
	if err != nil {
		return nil, err
	}
	c.tell("make two releases of %.1f MB", float64(len(program))/1e6)
	s, err := makeSoftware(ctx, filepath.Join(dir, "software"), program, int(c.Time.Seconds()*backgroundRate))
	if err != nil {
		return nil, err
	}
	home := filepath.Join(dir, "till")
	if err := FillTill(ctx, home, shortHistory); err != nil {
		return nil, err
	}
	till, err := startTill(ctx, exe, home)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, till.stop()) }()
	if _, err := till.settled(ctx); err != nil {
		return nil, err
	}
	return s.beside(ctx, c, exe, till)
}

// beside sells in rounds: alone, during an update, alone.
func (s *software) beside(ctx context.Context, c Config, exe string, till *running) ([]Result, error) {
	url, stop, err := serve(filepath.Join(s.dir, "repo"))
	if err != nil {
		return nil, err
	}
	defer stop()
	var m medians
	for round := range c.Rounds {
		before, err := sellFor(till, c.Time)
		if err != nil {
			return nil, err
		}
		during, took, err := s.sellDuring(ctx, exe, url, till)
		if err != nil {
			return nil, err
		}
		after, err := sellFor(till, c.Time)
		if err != nil {
			return nil, err
		}
		m.add(slices.Concat(before, after), during)
		c.tell("round %d of %d: %d sales alone, %d while downloading, %d while installing (%v)", round+1, c.Rounds, len(before)+len(after), len(during[downloading]), len(during[installing]), took)
	}
	return m.results(), nil
}

// medians are the figures of each round.
type medians struct {
	alone50, alone99 []float64 // ms
	p50, p99         [phases][]float64
	ratio50, ratio99 [phases][]float64
}

// phase is what the update does while a sale is made.
type phase int

const (
	downloading phase = iota
	installing
	phases = 2
)

func (m *medians) add(alone []time.Duration, during [phases][]time.Duration) {
	base50, base99 := quantiles(alone)
	m.alone50, m.alone99 = append(m.alone50, base50), append(m.alone99, base99)
	for p := range during {
		if len(during[p]) == 0 {
			continue
		}
		p50, p99 := quantiles(during[p])
		m.p50[p], m.p99[p] = append(m.p50[p], p50), append(m.p99[p], p99)
		m.ratio50[p], m.ratio99[p] = append(m.ratio50[p], p50/base50), append(m.ratio99[p], p99/base99)
	}
}

// quantiles are p50 and p99 in ms.
func quantiles(times []time.Duration) (p50, p99 float64) {
	slices.Sort(times)
	return inMs(times[len(times)/2]), inMs(times[len(times)*99/100])
}

func (m *medians) results() []Result {
	out := []Result{
		{Bench: "update", Case: "whole sale alone, p50", Value: median(m.alone50), Unit: "ms"},
		{Bench: "update", Case: "whole sale alone, p99", Value: median(m.alone99), Unit: "ms"},
	}
	for p, name := range []string{"downloads", "installs"} {
		if len(m.p50[p]) == 0 {
			continue
		}
		out = append(out,
			Result{Bench: "update", Case: "whole sale while an update " + name + ", p50", Value: median(m.p50[p]), Unit: "ms", Ratio: median(m.ratio50[p]), Against: "alone"},
			Result{Bench: "update", Case: "whole sale while an update " + name + ", p99", Value: median(m.p99[p]), Unit: "ms", Ratio: median(m.ratio99[p]), Against: "alone"})
	}
	return out
}

func sellFor(till *running, d time.Duration) (times []time.Duration, err error) {
	_, err = drive(1, d, func(int) error {
		scan, complete, err := till.sell()
		times = append(times, scan+complete)
		return err
	})
	return times, err
}

// sellDuring sells while a process updates the device, from its first byte to the end.
func (s *software) sellDuring(ctx context.Context, exe, url string, till *running) (during [phases][]time.Duration, took time.Duration, err error) {
	if err := s.fresh(); err != nil {
		return during, 0, err
	}
	cmd := exec.CommandContext(ctx, exe, AgentChild, s.dir, url)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return during, 0, err
	}
	if err := cmd.Start(); err != nil {
		return during, 0, err
	}
	var w watch
	read := make(chan struct{})
	go func() { w.read(out); close(read) }()
	for {
		p, ended := w.now()
		if ended {
			break
		}
		scan, complete, err := till.sell()
		if err != nil {
			return during, 0, errors.Join(err, cmd.Process.Kill(), cmd.Wait())
		}
		during[p] = append(during[p], scan+complete)
	}
	<-read
	return during, w.installing(), errors.Join(cmd.Wait(), w.err)
}

// watch follows what the agent's process says of its stages.
type watch struct {
	mu    sync.Mutex
	at    phase
	ended bool
	began time.Time // of the installation
	took  time.Duration
	err   error
}

func (w *watch) read(out io.Reader) {
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		w.take(lines.Text())
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = true
	if w.took == 0 {
		w.err = errors.New("the update ended before it was installed")
	}
}

func (w *watch) take(stage string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch update.Stage(stage) {
	case update.Downloaded:
		w.at, w.began = installing, time.Now()
	case update.Pointed:
		w.took = time.Since(w.began)
	}
}

func (w *watch) now() (p phase, ended bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.at, w.ended
}

func (w *watch) installing() time.Duration { return w.took.Round(time.Millisecond) }

// serve serves a folder on this machine.
func serve(dir string) (url string, stop func() error, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	server := &http.Server{Handler: http.FileServer(http.Dir(dir)), ReadHeaderTimeout: 10 * time.Second}
	go server.Serve(l) // ends with Close
	return "http://" + l.Addr().String(), server.Close, nil
}

// UpdateOne brings the device in dir, made by UpdateSale, to the release that lies
// beside it, from a server, at the background rate; it writes each stage that is done.
func UpdateOne(ctx context.Context, dir, url string, out io.Writer) error {
	d, err := openBenchDevice(dir, out)
	if err != nil {
		return err
	}
	source, err := update.NewHTTP(url, update.HTTPOptions{})
	if err != nil {
		return err
	}
	agent, err := update.New(update.Config{
		FS: durable.OS{}, Root: filepath.Join(dir, "device"), Slot: slot.A, Check: check(d.policy),
		Trust: d, Sources: func() []update.Source { return []update.Source{source} }, Recorder: d, Gate: d, Asker: d, Authoriser: d,
		Policy: update.Policy{Budget: 1 << 40, Metered: 1 << 40}, Load: func() update.Load { return update.InUse }, End: func() {},
	})
	if err != nil {
		return err
	}
	result, err := agent.Update(ctx)
	if err == nil && !result.Restart {
		err = fmt.Errorf("it stopped at %s: %s", result.Stage, result.Waiting)
	}
	return err
}

// benchDevice allows and writes down everything: what is measured is the work.
type benchDevice struct {
	policy *manifest.Policy
	offer  update.Offer
	out    io.Writer
}

func openBenchDevice(dir string, out io.Writer) (*benchDevice, error) {
	text, err := os.ReadFile(filepath.Join(dir, "policy.json"))
	if err != nil {
		return nil, err
	}
	d := &benchDevice{out: out}
	if d.policy, err = manifest.ParsePolicy(text); err != nil {
		return nil, err
	}
	if d.offer.Manifest, err = os.ReadFile(filepath.Join(dir, "offer.json")); err != nil {
		return nil, err
	}
	d.offer.Note, err = os.ReadFile(filepath.Join(dir, "offer.note"))
	return d, err
}

func (d *benchDevice) Find(context.Context) (*update.Offer, error) { return &d.offer, nil }
func (d *benchDevice) Approved(*manifest.Manifest, manifest.Digest, time.Time) (string, error) {
	return "for measuring", nil
}
func (d *benchDevice) Valid() update.Validity                    { return update.Validity{} }
func (d *benchDevice) Hold(context.Context) (update.Hold, error) { return update.Hold{}, nil }
func (d *benchDevice) Consent(context.Context, update.Request) (update.Answer, error) {
	return update.Answer{Agreed: true}, nil
}
func (d *benchDevice) Spend(context.Context, update.Request) (update.Answer, error) {
	return update.Answer{Agreed: true}, nil
}
func (d *benchDevice) Authorise(context.Context, update.Request) (string, error) { return "bench", nil }

func (d *benchDevice) Record(_ context.Context, e update.Event) error {
	if e.Outcome == update.Failed || e.Outcome == update.Rejected {
		text, _ := json.Marshal(e) // plain text and numbers
		return fmt.Errorf("the update failed: %s", text)
	}
	if e.Outcome != update.Done {
		return nil
	}
	_, err := fmt.Fprintln(d.out, e.Stage)
	return err
}
