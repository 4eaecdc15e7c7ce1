package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/internal/sample"
	"github.com/plomb-pos/plomb/update/boot"
	"github.com/plomb-pos/plomb/update/device"
	"github.com/plomb-pos/plomb/update/release"
)

// sampleDir is the sample maker, authority and deployer below the till's directory,
// devicePublic the till's public key in it, as plomb release entitle takes it.
const (
	sampleDir    = "sample"
	devicePublic = "device.pub"
)

// ensureDevice makes the launcher's device, where there is none: this very program is
// its first release, made by the sample maker and confirmed by the sample authority.
// repository is where the device will ask for the next one; nil: in the folder alone.
func (c upCommand) ensureDevice(ctx context.Context, repository *net.TCPListener) (err error) {
	root := filepath.Join(c.Dir, deviceDir)
	if there(root) {
		return nil
	}
	w, err := openSample(filepath.Join(c.Dir, sampleDir))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	if there(root) { // another start was faster
		return nil
	}
	exe, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	r, err := w.Release(ctx, sample.Version{Program: exe, Shipped: true, Reads: fiscal.Formats()}, sample.Watcher{})
	if err != nil {
		return err
	}
	return makeDevice(ctx, w, r, root, repository)
}

func there(dir string) bool {
	_, err := os.Stat(dir)
	return err == nil
}

// openSample opens the sample world and makes it where there is none.
func openSample(dir string) (*sample.World, error) {
	w, err := sample.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return sample.Create(dir, time.Now())
	}
	return w, err
}

// Pauses of a sample till between two questions for updates; a real one asks some times
// a day.
const (
	sampleEvery   = 5 * time.Second
	sampleSpacing = 2 * time.Second
)

// makeDevice makes a device beside its place and renames it as the last step.
func makeDevice(ctx context.Context, w *sample.World, r *release.Release, root string, repository *net.TCPListener) (err error) {
	n := device.New{Root: root + making, Facts: boot.Facts{Model: sample.Model, Jurisdiction: sample.Jurisdiction}}
	folder, err := filepath.Abs(w.Repository())
	if err != nil {
		return err
	}
	n.Config = device.Config{
		Sources: []string{folder}, Deployer: &w.Parties.Deployer, Take: device.Campaign,
		Policy: device.Policy{Every: device.Duration(sampleEvery), Spacing: device.Duration(sampleSpacing), Consent: true},
	}
	if repository != nil {
		n.Config.Sources = []string{"http://" + repository.Addr().String(), folder}
	}
	if n.Key, err = device.NewKey(); err != nil {
		return err
	}
	public := base64.StdEncoding.AppendEncode(nil, n.Key.Public())
	if err := durable.Replace(durable.OS{}, filepath.Join(w.Dir, devicePublic), append(public, '\n')); err != nil {
		return err
	}
	if n.Policy, err = w.TrustPolicy(); err != nil {
		return err
	}
	if n.Unpacked, err = w.Unpack(r); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(n.Unpacked)) }()
	n.Repository = w.Repository()
	if err := os.RemoveAll(n.Root); err != nil {
		return err
	}
	if _, err := device.Provision(ctx, n); err != nil {
		return err
	}
	disk := durable.OS{}
	return errors.Join(disk.Rename(n.Root, root), disk.SyncDir(filepath.Dir(root)))
}

// openRepository listens where the device asks for updates. A device that cannot ask
// there, since something else took the port, still finds the repository's folder.
func (c upCommand) openRepository(words io.Writer) (*net.TCPListener, error) {
	address, err := c.repositoryAddress()
	if err != nil { // the till starts all the same, and says that it does not update itself
		_, err = fmt.Fprintf(words, "plomb: the sample repository is not served: %v\n", err)
		return nil, err
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		_, err = fmt.Fprintf(words, "plomb: the sample repository is not served: %v; updates come from its folder\n", err)
		return nil, err
	}
	return l.(*net.TCPListener), nil
}

// repositoryAddress is where the device asks, any free port where there is no device yet.
func (c upCommand) repositoryAddress() (string, error) {
	const free = "127.0.0.1:0"
	text, err := os.ReadFile(filepath.Join(c.Dir, deviceDir, "boot", device.ConfigFile))
	if err != nil {
		return free, nil // made in a moment
	}
	config, err := device.ParseConfig(text)
	if err != nil {
		return "", err
	}
	address := free
	for _, s := range config.Sources {
		if u, err := url.Parse(s); err == nil && u.Scheme == "http" {
			address = u.Host
		}
	}
	return address, nil
}

// serveRepository is the sample's web server, any other would do, and the timer that
// signs its metadata anew.
func (c upCommand) serveRepository(ctx context.Context, group *errgroup.Group, l *net.TCPListener, log *slog.Logger) error {
	root, err := os.OpenRoot(filepath.Join(c.Dir, sampleDir, "repository"))
	if err != nil {
		return fmt.Errorf("serve the sample repository: %w", err)
	}
	server := &http.Server{Handler: http.FileServerFS(root.FS()), ReadHeaderTimeout: 10 * time.Second, MaxHeaderBytes: 32 << 10}
	context.AfterFunc(ctx, func() { server.Close() })
	group.Go(func() error {
		defer root.Close()
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	group.Go(func() error { c.renewSample(ctx, log); return nil })
	return nil
}

// renewSample signs the sample's metadata anew, now and every day, until ctx ends.
func (c upCommand) renewSample(ctx context.Context, log *slog.Logger) {
	day := time.NewTicker(24 * time.Hour)
	defer day.Stop()
	for {
		if err := sample.Renew(filepath.Join(c.Dir, sampleDir), time.Now()); err != nil {
			log.Warn("the sample's metadata were not signed anew", "err", err)
		}
		select {
		case <-day.C:
		case <-ctx.Done():
			return
		}
	}
}
