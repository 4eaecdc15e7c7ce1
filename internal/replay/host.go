package replay

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/http/cookiejar"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/plomb-pos/plomb/catalog"
	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/journal"
	"github.com/plomb-pos/plomb/journal/proof"
	"github.com/plomb-pos/plomb/seal"
	"github.com/plomb-pos/plomb/till"
	"github.com/plomb-pos/plomb/till/api"
	"github.com/plomb-pos/plomb/till/web"
)

// ErrOtherTill says that the directory holds something that no replay of this
// file made. Nothing was changed.
var ErrOtherTill = errors.New("the directory was not made by a replay of this file")

// Parts of the till's directory.
const (
	sealDir   = "seal"
	anchorDir = "anchor"
	markFile  = "replay" // says whose replay it is; written before anything else
)

// host is a till and its API in this process.
type host struct {
	setup  string // one-time code; empty: set up already
	booked *booked

	url      string
	client   *http.Client
	requests int
	stop     context.CancelFunc
	running  *errgroup.Group
	server   *http.Server
}

// openHost opens the till in o.Dir, made if need be, and serves its API on a
// free port of the loopback interface.
func openHost(ctx context.Context, p *Plan, o Options, c *clock) (*host, error) {
	if err := ensureTill(ctx, p, o, c); err != nil {
		return nil, err
	}
	box, err := seal.Open(durable.OS{}, filepath.Join(o.Dir, sealDir))
	if err != nil {
		return nil, err
	}
	h := new(host)
	if h.booked, err = readBooked(ctx, o.Dir, box); err != nil {
		return nil, err
	}
	if err := c.reach(ctx, h.booked.last); err != nil {
		return nil, err
	}
	origin, err := till.CurrentOrigin(o.Dir)
	if err != nil {
		return nil, err
	}
	signer, err := box.Signer(origin)
	if err != nil {
		return nil, err
	}
	node, err := till.Open(ctx, tillOptions(o.Dir, box, seal.NewGuard(signer), c))
	if err != nil {
		return nil, err
	}
	h.setup = node.SetupCode()
	return h, h.serve(ctx, node)
}

func (h *host) serve(ctx context.Context, node *till.Node) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return errors.Join(err, node.Close(ctx))
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		return errors.Join(err, l.Close(), node.Close(ctx))
	}
	h.url, h.client = "http://"+l.Addr().String(), &http.Client{Jar: jar, Timeout: time.Minute}
	h.server = &http.Server{Handler: api.Handler(node, web.Handler()), ReadHeaderTimeout: 10 * time.Second}
	ctx, h.stop = context.WithCancel(context.WithoutCancel(ctx))
	h.running = new(errgroup.Group)
	h.running.Go(func() error { return node.Run(ctx) })
	h.running.Go(func() error {
		if err := h.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	return nil
}

// close ends the till in order.
func (h *host) close() error {
	h.client.CloseIdleConnections()
	err := h.server.Close()
	h.stop()
	return errors.Join(err, h.running.Wait())
}

func tillOptions(dir string, box *seal.Box, signer proof.Signer, c *clock) till.Options {
	return till.Options{
		Dir: dir, Keys: box.JournalKeys(), Signer: signer, Now: c.Now, Uptime: c.Uptime, ClockFloor: floor,
		DatabaseKey: func(name string) ([]byte, error) {
			key, err := box.DatabaseKey(name)
			return key[:], err
		},
		Anchors: []journal.Anchor{journal.FileAnchor(durable.OS{}, filepath.Join(dir, anchorDir, "head"))},
	}
}

// mark is the text that says whose replay a directory is.
func mark(p *Plan, o Options) string {
	return fmt.Sprintf("plomb replay 1\nfile %s\nweeks %d\n", hex.EncodeToString(p.Digest[:]), o.Weeks)
}

// ensureTill makes the till unless an earlier run of the same plan has.
func ensureTill(ctx context.Context, p *Plan, o Options, c *clock) error {
	names, err := os.ReadDir(o.Dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("look into %s: %w", o.Dir, err)
	}
	if len(names) == 0 {
		return createTill(ctx, p, o, c)
	}
	text, err := os.ReadFile(filepath.Join(o.Dir, markFile))
	_, later := os.Stat(filepath.Join(o.Dir, "e2")) // a replay makes one epoch
	if err != nil || later == nil || string(text) != mark(p, o) {
		return fmt.Errorf("%s: %w", o.Dir, ErrOtherTill)
	}
	return nil
}

// createTill makes a till beside its place and renames it as the last step, so
// that a run that is cut off leaves none or a whole one.
func createTill(ctx context.Context, p *Plan, o Options, c *clock) error {
	temp, disk := o.Dir+".making", durable.OS{}
	if err := errors.Join(os.RemoveAll(temp), os.MkdirAll(temp, 0o700)); err != nil {
		return fmt.Errorf("create till: %w", err)
	}
	if err := fillTill(ctx, temp, mark(p, o), c); err != nil {
		return fmt.Errorf("create till: %w", err)
	}
	if err := os.Remove(o.Dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("create till: %w", err)
	}
	if err := disk.Rename(temp, o.Dir); err != nil {
		return fmt.Errorf("create till: %w", err)
	}
	return disk.SyncDir(filepath.Dir(o.Dir))
}

func fillTill(ctx context.Context, dir, mark string, c *clock) error {
	disk := durable.OS{}
	if err := durable.Replace(disk, filepath.Join(dir, markFile), []byte(mark)); err != nil {
		return err
	}
	if err := disk.Mkdir(filepath.Join(dir, anchorDir)); err != nil {
		return err
	}
	box, err := seal.Create(disk, filepath.Join(dir, sealDir))
	if err != nil {
		return err
	}
	var b [4]byte
	rand.Read(b[:]) // no two tills share an origin; never fails
	name := "replay-" + hex.EncodeToString(b[:])
	signer, err := box.CreateSigner(till.Origin(name, 1))
	if err != nil {
		return err
	}
	opts := tillOptions(dir, box, signer, c)
	opts.Name, opts.Country, opts.Catalogue = name, country, &catalog.Set{Currency: currency} // the articles are imported
	if opts.Key, err = box.Verifier(till.Origin(name, 1)); err != nil {
		return err
	}
	return till.Create(ctx, opts)
}
