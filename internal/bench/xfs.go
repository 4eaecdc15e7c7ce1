package bench

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/plomb-pos/plomb/xfs4iot"
	"github.com/plomb-pos/plomb/xfs4iot/client"
	"github.com/plomb-pos/plomb/xfs4iot/common"
	"github.com/plomb-pos/plomb/xfs4iot/host"
	"github.com/plomb-pos/plomb/xfs4iot/pki"
	"github.com/plomb-pos/plomb/xfs4iot/printer"
)

// receiptSize is how many bytes the measured command prints, about one receipt; in
// base64, with its envelope, the command is then about 930 bytes.
const receiptSize = 600

// manyClients is how many connections work at once in the second case.
const manyClients = 64

// XFS measures the device protocol. A command goes from package client to package
// host over WebSocket and mutual TLS 1.3: encoded, sent, decoded, validated, run
// through the service's queue by a handler that does nothing, acknowledged and
// completed, and both answers decoded. The reference is a raw echo of the same bytes
// over the same WebSocket library and TLS: its client writes the command's bytes, its
// server answers with the bytes of the acknowledgement and of the completion, as two
// messages, neither looks at them. exe is this program.
func XFS(ctx context.Context, c Config, exe string) ([]Result, error) {
	x, err := newXFS(ctx, c.Dir)
	if err != nil {
		return nil, err
	}
	results, err := x.measure(ctx, c)
	if err = errors.Join(err, x.close()); err != nil {
		return nil, err
	}
	decoded, err := Decoding(c)
	if err != nil {
		return nil, err
	}
	idle, err := Idle(ctx, c, exe)
	return append(append(results, decoded...), idle...), err
}

// xfs is a host and a raw echo, with what both need.
type xfs struct {
	dir   string
	stop  context.CancelFunc
	ended sync.WaitGroup
	till  *pki.Credentials
	host  string // URL of the service
	raw   string // URL of the echo

	command, acknowledge, completion []byte // as they go over the wire
}

func newXFS(ctx context.Context, dir string) (*xfs, error) {
	x := &xfs{}
	ctx, x.stop = context.WithCancel(ctx)
	var err error
	if x.dir, err = os.MkdirTemp(dir, "xfs"); err != nil {
		return nil, err
	}
	device, till, err := credentials(x.dir)
	if err == nil {
		x.till = till
		x.host, err = serveHost(ctx, device, &x.ended)
	}
	if err == nil {
		err = x.recordOne(ctx)
	}
	if err == nil {
		x.raw, err = x.serveRaw(ctx, device)
	}
	if err != nil {
		return nil, errors.Join(err, x.close())
	}
	return x, nil
}

func (x *xfs) close() error {
	x.stop()
	x.ended.Wait()
	return os.RemoveAll(x.dir)
}

// credentials makes an authority with one device and one till.
func credentials(dir string) (device, till *pki.Credentials, err error) {
	a, err := pki.Create(filepath.Join(dir, "ca"), pki.Options{})
	if err != nil {
		return nil, nil, err
	}
	load := func(r pki.Request) (*pki.Credentials, error) {
		i, err := a.Issue(r)
		if err != nil {
			return nil, err
		}
		files, err := i.Save(filepath.Join(dir, r.Name))
		if err != nil {
			return nil, err
		}
		return pki.Load(files, pki.Policy{})
	}
	device, err = load(pki.Request{Name: "device", Use: pki.Server, IPs: []netip.Addr{netip.MustParseAddr("127.0.0.1")}})
	if err != nil {
		return nil, nil, err
	}
	till, err = load(pki.Request{Name: "till", Use: pki.Client})
	return device, till, err
}

// serveHost serves one printer that prints nothing, with limits that a benchmark needs.
func serveHost(ctx context.Context, device *pki.Credentials, ended *sync.WaitGroup) (url string, err error) {
	svc := host.NewService("Printer", host.Declaration{MaximumRequests: 1024,
		Status: common.StatusCompletion{Common: &common.StatusProperties{Device: common.DeviceOnline}}})
	host.Handle(svc, printer.PrintRaw, func(context.Context, *host.Command, *printer.PrintRawCommand) (*printer.PrintRawCompletion, error) {
		return nil, nil
	})
	srv := host.New(host.Config{Credentials: device, Connections: 2000, Rate: -1})
	if err := srv.Add(svc); err != nil {
		return "", err
	}
	ln, err := host.Listen("127.0.0.1:0")
	if err != nil {
		return "", err
	}
	ended.Go(func() { _ = srv.Serve(ctx, ln) })
	return "wss://" + ln.Addr().String() + "/xfs4iot/v1.0/Printer", nil
}

// recordOne sends one command and keeps what went over the wire.
func (x *xfs) recordOne(ctx context.Context) error {
	var frames [][]byte
	o := client.Options{Credentials: x.till, Record: func(_ bool, data []byte) { frames = append(frames, slices.Clone(data)) }}
	c, err := client.Dial(ctx, x.host, o)
	if err != nil {
		return err
	}
	if _, err := client.Do(ctx, c, printer.PrintRaw, receipt()); err != nil {
		return err
	}
	if err := c.Close(); err != nil {
		return err
	}
	if len(frames) != 3 {
		return fmt.Errorf("%d messages went over the wire, not 3", len(frames))
	}
	x.command, x.acknowledge, x.completion = frames[0], frames[1], frames[2]
	return nil
}

func receipt() *printer.PrintRawCommand {
	return &printer.PrintRawCommand{Data: []byte(strings.Repeat("2 coffee                    5.20\n", receiptSize/33+1)[:receiptSize])}
}

// serveRaw serves the echo.
func (x *xfs) serveRaw(ctx context.Context, device *pki.Credentials) (url string, err error) {
	conf, err := device.Server()
	if err != nil {
		return "", err
	}
	ln, err := tls.Listen("tcp", "127.0.0.1:0", conf)
	if err != nil {
		return "", err
	}
	srv := &http.Server{Handler: http.HandlerFunc(x.echo), ReadHeaderTimeout: 10 * time.Second}
	x.ended.Go(func() { _ = srv.Serve(ln) })
	context.AfterFunc(ctx, func() { _ = srv.Close() })
	return "wss://" + ln.Addr().String() + "/", nil
}

func (x *xfs) echo(w http.ResponseWriter, r *http.Request) {
	ws, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer ws.CloseNow()
	ctx := context.Background()
	for {
		if _, _, err := ws.Read(ctx); err != nil {
			return
		}
		for _, answer := range [][]byte{x.acknowledge, x.completion} {
			if ws.Write(ctx, websocket.MessageText, answer) != nil {
				return
			}
		}
	}
}

// rawClients dials n connections to the echo.
func (x *xfs) rawClients(ctx context.Context, n int) (do func(int) error, done func(), err error) {
	web := &http.Client{Transport: &http.Transport{TLSClientConfig: x.till.Client(), DialContext: (&net.Dialer{}).DialContext}}
	var conns []*websocket.Conn
	done = func() {
		for _, c := range conns {
			_ = c.CloseNow()
		}
	}
	for range n {
		c, _, err := websocket.Dial(ctx, x.raw, &websocket.DialOptions{HTTPClient: web})
		if err != nil {
			done()
			return nil, nil, err
		}
		conns = append(conns, c)
	}
	return func(i int) error {
		if err := conns[i].Write(ctx, websocket.MessageText, x.command); err != nil {
			return err
		}
		for range 2 {
			if _, _, err := conns[i].Read(ctx); err != nil {
				return err
			}
		}
		return nil
	}, done, nil
}

// hostClients dials n connections to the service.
func (x *xfs) hostClients(ctx context.Context, n int) (do func(int) error, done func(), err error) {
	var conns []*client.Conn
	done = func() {
		for _, c := range conns {
			_ = c.Close()
		}
	}
	for range n {
		c, err := client.Dial(ctx, x.host, client.Options{Credentials: x.till})
		if err != nil {
			done()
			return nil, nil, err
		}
		conns = append(conns, c)
	}
	req := receipt()
	return func(i int) error {
		_, err := client.Do(ctx, conns[i], printer.PrintRaw, req)
		return err
	}, done, nil
}

// measure runs both cases in paired rounds: the echo before and after the host.
func (x *xfs) measure(ctx context.Context, c Config) ([]Result, error) {
	one, err := x.pairs(context.WithoutCancel(ctx), c, 1)
	if err != nil {
		return nil, err
	}
	many, err := x.pairs(context.WithoutCancel(ctx), c, manyClients)
	if err != nil {
		return nil, err
	}
	return []Result{
		{Bench: "xfs", Case: "round trip of a command, p50", Value: one.p50, Unit: "µs", Ratio: one.slower, Against: "raw echo of the same bytes, p50"},
		{Bench: "xfs", Case: fmt.Sprintf("commands per second, %d connections", manyClients), Value: many.perSecond, Unit: "/s", Ratio: many.faster, Against: "raw echo of the same bytes"},
	}, nil
}

// paired is the median of the rounds.
type paired struct {
	p50, perSecond, slower, faster float64
}

func (x *xfs) pairs(ctx context.Context, c Config, clients int) (paired, error) {
	raw, rawDone, err := x.rawClients(ctx, clients)
	if err != nil {
		return paired{}, err
	}
	defer rawDone()
	ours, oursDone, err := x.hostClients(ctx, clients)
	if err != nil {
		return paired{}, err
	}
	defer oursDone()
	var p50, perSecond, slower, faster []float64
	for round := range c.Rounds {
		var l [3]load
		for i, do := range []func(int) error{raw, ours, raw} {
			if l[i], err = drive(clients, c.Time/2, do); err != nil {
				return paired{}, err
			}
		}
		p50 = append(p50, micros(l[1].p50))
		perSecond = append(perSecond, l[1].perSecond)
		slower = append(slower, 2*micros(l[1].p50)/(micros(l[0].p50)+micros(l[2].p50)))
		faster = append(faster, 2*l[1].perSecond/(l[0].perSecond+l[2].perSecond))
		c.tell("xfs, %d connections, round %d: %.0f µs against %.0f, %.0f/s against %.0f", clients, round+1,
			micros(l[1].p50), micros(l[0].p50), l[1].perSecond, l[0].perSecond)
	}
	return paired{median(p50), median(perSecond), median(slower), median(faster)}, nil
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// message is the command as the JSON library alone decodes it.
type message struct {
	Header struct {
		Type      string `json:"type"`
		Name      string `json:"name"`
		RequestID int64  `json:"requestId"`
		Version   string `json:"version"`
		Timeout   int64  `json:"timeout"`
	} `json:"header"`
	Payload xfs4iot.Payload `json:"payload"`
}
