package bench

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/plomb-pos/plomb/seal"
	"github.com/plomb-pos/plomb/till"
	"github.com/plomb-pos/plomb/till/api"
)

// running is a till that answers over HTTP.
type running struct {
	*screen
	ready time.Duration // from its start until it could sell
	pid   int           // of the till's process; 0: this one
	// of plomb up, or of plomb-boot, which takes its place
	launcher int
	stop     func() error
}

// plain has plomb up start the program as it is. Without it, plomb-boot starts the till
// from a verified slot where it lies beside the program.
const plain = "--plain"

// startUp runs plomb up: devices, signer and till.
func startUp(ctx context.Context, exe, dir string, flags ...string) (*running, error) {
	p, err := start(ctx, exe, append([]string{"up", "--json", "--dir", dir, "--listen", "127.0.0.1:0"}, flags...)...)
	if err != nil {
		return nil, err
	}
	r := &running{ready: p.ready, launcher: p.cmd.Process.Pid, stop: p.stop}
	if r.pid, err = p.childNamed("till"); err != nil {
		return nil, errors.Join(err, p.stop())
	}
	r.screen, err = newScreen(p.line)
	return r, err
}

// startTill runs plomb signer and plomb till, without devices.
func startTill(ctx context.Context, exe, dir string) (*running, error) {
	socket, err := os.MkdirTemp("", "plomb")
	if err != nil {
		return nil, err
	}
	file := filepath.Join(socket, "signer.sock")
	signer, err := start(ctx, exe, "signer", "--dir", dir, "--socket", file)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(socket))
	}
	stopSigner := func() error { return errors.Join(signer.stop(), os.RemoveAll(socket)) }
	p, err := start(ctx, exe, "till", "--dir", dir, "--listen", "127.0.0.1:0", "--signer", file)
	if err != nil {
		return nil, errors.Join(err, stopSigner())
	}
	r := &running{ready: p.ready, pid: p.cmd.Process.Pid, stop: func() error { return errors.Join(p.stop(), stopSigner()) }}
	r.screen, err = newScreen(p.line)
	return r, err
}

// startHere runs the till in this process, with its signing key.
func startHere(ctx context.Context, dir string) (*running, error) {
	started := time.Now()
	k, err := openKeys(dir)
	if err != nil {
		return nil, err
	}
	k.signer = seal.NewGuard(k.signer)
	node, err := till.Open(ctx, k.options(dir, nil))
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(err, node.Close(ctx))
	}
	r := &running{ready: time.Since(started)}
	server := &http.Server{Handler: api.Handler(node, http.NotFoundHandler()), ReadHeaderTimeout: 10 * time.Second}
	ctx, cancel := context.WithCancel(ctx)
	ran := make(chan error, 1)
	go func() { ran <- node.Run(ctx) }()
	go server.Serve(l) // ends with Close
	r.stop = func() error { err := server.Close(); cancel(); return errors.Join(err, <-ran) }
	r.screen, err = newScreen(`{"till":"http://` + l.Addr().String() + `/"}`)
	return r, err
}

// process is a part of plomb that has said that it is ready.
type process struct {
	cmd   *exec.Cmd
	log   bytes.Buffer
	line  string
	ready time.Duration
}

func start(ctx context.Context, exe string, args ...string) (*process, error) {
	p := &process{cmd: exec.CommandContext(ctx, exe, args...)}
	p.cmd.Stderr = &p.log
	p.cmd.Cancel = func() error { return p.cmd.Process.Signal(os.Interrupt) }
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	started := time.Now()
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	if p.line, err = bufio.NewReader(out).ReadString('\n'); err != nil {
		return nil, errors.Join(fmt.Errorf("plomb %s ended before it was ready: %w", args[0], err), p.stop())
	}
	p.ready = time.Since(started)
	return p, nil
}

// stop ends the process as Ctrl-C does.
func (p *process) stop() error {
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	if err := p.cmd.Wait(); err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(p.cmd.Args, " "), err, p.log.String())
	}
	return nil
}

// childNamed finds the child that runs a command of plomb.
func (p *process) childNamed(command string) (int, error) {
	if pid, ok := descendant(p.cmd.Process.Pid, command); ok {
		return pid, nil
	}
	return 0, fmt.Errorf("this system does not show a %s among the children of plomb up", command)
}

// descendant finds a process below another by its command: between plomb up and the
// till there may be a launcher.
func descendant(of int, command string) (int, bool) {
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", of)) // no bad pattern
	for _, task := range tasks {
		list, err := os.ReadFile(task)
		if err != nil {
			continue // a thread that has ended
		}
		for _, text := range strings.Fields(string(list)) {
			pid, err := strconv.Atoi(text)
			if err != nil {
				continue
			}
			line, err := os.ReadFile("/proc/" + text + "/cmdline")
			if err == nil && bytes.Contains(line, []byte("\x00"+command+"\x00")) {
				return pid, true
			}
			if found, ok := descendant(pid, command); ok {
				return found, true
			}
		}
	}
	return 0, false
}

// resident is the memory of a process that is in use, and its peak, in MiB as Linux counts.
func resident(pid int) (now, peak float64, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, 0, err
	}
	for line := range strings.Lines(string(text)) {
		var kib float64
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			fmt.Sscan(rest, &kib)
			now = kib / 1024
		}
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			fmt.Sscan(rest, &kib)
			peak = kib / 1024
		}
	}
	return now, peak, nil
}

// screen is a signed-in client of a till.
type screen struct {
	url    string
	client *http.Client
	cookie string
	lines  lines // for commands
}

// newScreen signs the seller in at the till of a ready line.
func newScreen(ready string) (*screen, error) {
	var line struct {
		Till string `json:"till"`
	}
	if err := json.Unmarshal([]byte(ready), &line); err != nil {
		return nil, fmt.Errorf("the till said %q when it was ready: %w", ready, err)
	}
	s := &screen{url: strings.TrimSuffix(line.Till, "/"), client: &http.Client{
		Transport: &http.Transport{MaxIdleConnsPerHost: 64}, Timeout: time.Minute,
	}}
	body, _ := json.Marshal(map[string]string{"person": string(Seller), "pin": PIN})
	resp, err := s.client.Post(s.url+"/api/sign-in", "application/json", bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("sign in: %w", err)
	}
	defer resp.Body.Close()
	for _, c := range resp.Cookies() {
		s.cookie = c.String()
	}
	if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("sign in: %s (%v)", resp.Status, err)
	}
	return s, nil
}

// refusal is a command's error.
type refusal struct {
	Code string `json:"code"`
	Text string `json:"text"`
}

func (r *refusal) Error() string { return r.Code + ": " + r.Text }

// answer is what a command is answered, as far as it is looked at.
type answer struct {
	Result struct {
		Receipt struct {
			Number uint64 `json:"number"`
			Code   string `json:"code"`
		} `json:"receipt"`
	} `json:"result"`
	Error *refusal `json:"error"`
}

// order is a command ready to be sent.
type order struct {
	do      string
	request []byte
}

func (s *screen) order(do string, args map[string]any) (order, error) {
	return s.orderOf(map[string]any{"id": uuidText(newUUID()), "do": do, "args": args})
}

func (s *screen) orderOf(command map[string]any) (order, error) {
	body, err := json.Marshal(command)
	return order{fmt.Sprint(command["do"]), s.request("/api/command", body)}, err
}

// command is answered with raw JSON.
func (s *screen) command(do string, args map[string]any) ([]byte, error) {
	o, err := s.order(do, args)
	if err != nil {
		return nil, err
	}
	return s.send(o)
}

// proved sends a command for which one proves again who one is.
func (s *screen) proved(do string, args map[string]any) error {
	o, err := s.orderOf(map[string]any{"id": uuidText(newUUID()), "do": do, "args": args, "approval": map[string]string{"person": string(Seller), "pin": PIN}})
	if err == nil {
		_, err = s.send(o)
	}
	return err
}

func (s *screen) send(o order) ([]byte, error) {
	status, text, err := s.exchange(o.request)
	if err == nil && status != http.StatusOK {
		a := answer{Error: &refusal{Code: http.StatusText(status), Text: string(text)}}
		err = errors.Join(json.Unmarshal(text, &a), a.Error)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.do, err)
	}
	return text, nil
}

// settled waits until verification and projection have caught up, and says how long that took.
func (s *screen) settled(ctx context.Context) (time.Duration, error) {
	started := time.Now()
	for {
		behind, err := s.behind(ctx)
		if err != nil || !behind {
			return time.Since(started), err
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(250 * time.Millisecond):
		}
	}
}

// state is what is looked at of a screen's state.
type state struct {
	Journal struct {
		Size      uint64 `json:"size"`
		Searched  uint64 `json:"searched"`
		Verified  uint64 `json:"verified"`
		Verifying bool   `json:"verifying"`
	} `json:"journal"`
	Software struct {
		Trial  bool     `json:"trial"`
		Update *offered `json:"update"`
	} `json:"software"`
}

// offered is an update on its way.
type offered struct {
	Digest  string `json:"digest"`
	Waiting string `json:"waiting"`
}

// behind reports whether anything is still being verified or made searchable.
func (s state) behind() bool {
	j := s.Journal
	return j.Verifying || j.Verified == 0 || j.Searched < j.Size
}

func (s *screen) behind(ctx context.Context) (bool, error) {
	now, err := s.state(ctx)
	return now.behind(), err
}

// state is the event stream's first one.
func (s *screen) state(ctx context.Context) (out state, err error) {
	body, err := s.open(ctx, "/api/events")
	if err != nil {
		return out, err
	}
	defer body.Close()
	for lines := bufio.NewReader(body); ; {
		line, err := lines.ReadString('\n')
		if err != nil {
			return out, fmt.Errorf("events: %w", err)
		}
		if data, ok := strings.CutPrefix(line, "data: "); ok {
			return out, json.Unmarshal([]byte(data), &out)
		}
	}
}

// ask reads an answer that is one JSON object.
func (s *screen) ask(ctx context.Context, path string, into any) error {
	body, err := s.open(ctx, path)
	if err != nil {
		return err
	}
	defer body.Close()
	return json.NewDecoder(body).Decode(into)
}

func (s *screen) open(ctx context.Context, path string) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+path, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Cookie", s.cookie)
	resp, err := s.client.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, errors.Join(fmt.Errorf("%s: %s", path, resp.Status), resp.Body.Close())
	}
	return resp.Body, nil
}

// newUUID is a command's id.
func newUUID() [16]byte { return uuidAt(time.Now(), rand.Uint64()) }
