package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/plomb-pos/plomb/till"
	"github.com/plomb-pos/plomb/till/devices"
	"github.com/plomb-pos/plomb/xfs4iot/dialout"
	"github.com/plomb-pos/plomb/xfs4iot/pki"
)

// watchEvery is how often certificates and revocation lists are looked at again.
const watchEvery = time.Minute

// dialFlags are of a device host that dials out.
type dialFlags struct {
	Dial         string            `placeholder:"HOST:PORT" help:"Data centre to dial, for devices that cannot be reached; needs --identity."`
	DialName     string            `placeholder:"NAME" help:"Name that the data centre's certificate must have; default the host of --dial."`
	DialIdentity string            `type:"existingdir" placeholder:"DIR" help:"Another certificate and other authorities for the connection to the data centre than those of --identity."`
	Also         map[string]string `placeholder:"NAME=HOST:PORT" help:"Further services that the data centre may reach, by a name; default only those of this host."`
	Heartbeat    time.Duration     `default:"10s" help:"How often a silent connection is tried; a dead one is noticed within two of them."`
}

// errNoIdentity is what a side of the tunnel says that has no certificates.
var errNoIdentity = hint{errors.New("connections between devices and data centre need certificates"),
	"plomb pki init makes them; then give --identity plomb-pki/identities/devices to the devices and --identity plomb-pki/identities/till to the till"}

// dialOut keeps the connection to the data centre; nothing without --dial.
func (f dialFlags) dialOut(ctx context.Context, group *errgroup.Group, service string, creds *pki.Credentials, told func(dialout.Event), log *slog.Logger) error {
	if f.Dial == "" {
		return nil
	}
	if f.DialIdentity != "" {
		var err error
		if creds, err = credentials(f.DialIdentity, pki.Policy{}); err != nil {
			return err
		}
		group.Go(func() error { watch(ctx, creds, log); return nil })
	}
	if creds == nil || creds.Identity() == "" {
		return errNoIdentity
	}
	agent := &dialout.Agent{
		Address: f.Dial, Allow: map[string]string{dialout.Publisher: service}, Limits: dialout.Limits{Heartbeat: f.Heartbeat}, Event: told, Log: log,
		TLS: func() *tls.Config {
			c := creds.Client()
			c.ServerName = f.DialName
			return c
		},
	}
	for name, address := range f.Also {
		agent.Allow[strings.ToLower(name)] = address
	}
	if f.Heartbeat < 5*time.Second { // whoever wants to hear of a cut that soon wants to be back as soon
		agent.Min, agent.Max = f.Heartbeat/4, 2*f.Heartbeat
	}
	group.Go(func() error { return agent.Run(ctx) })
	return nil
}

// watch reads certificates again while the program runs.
func watch(ctx context.Context, creds *pki.Credentials, log *slog.Logger) {
	creds.Watch(ctx, watchEvery, func(err error) {
		if err != nil {
			log.Error("certificates not read again; those in force stay", "err", err)
			return
		}
		log.Info("certificates read again")
	})
}

// acceptFlags are of a till whose devices dial in.
type acceptFlags struct {
	AcceptDevices string        `placeholder:"HOST:PORT" help:"Address to take the devices' connection at, for a till in a data centre; needs --identity, in place of --devices."`
	Device        string        `default:"devices" placeholder:"NAME" help:"Identity of the device host that may connect."`
	Identity      string        `type:"existingdir" placeholder:"DIR" help:"Folder with the till's certificate and the authorities it trusts, as plomb pki writes it; makes the link to the devices wss."`
	Heartbeat     time.Duration `default:"10s" help:"How often a silent connection of devices is tried."`
}

// tunnel is the accepting side of a till.
type tunnel struct {
	server   *dialout.Server
	listener net.Listener
	creds    *pki.Credentials
	events   chan dialout.Event
}

// link is how the till reaches its devices, and the address it calls them by; the
// tunnel is nil where it dials them itself.
func (f acceptFlags) link(address string, log *slog.Logger) (devices.Link, string, *tunnel, error) {
	var link devices.Link
	if f.Identity != "" {
		creds, err := credentials(f.Identity, pki.Policy{})
		if err != nil {
			return link, "", nil, err
		}
		link.Credentials = creds
	}
	switch {
	case f.AcceptDevices == "":
		return link, address, nil, nil
	case address != "":
		return link, "", nil, usage{errors.New("--devices and --accept-devices: devices are dialled or dial in, not both")}
	case link.Credentials == nil || link.Credentials.Identity() == "":
		return link, "", nil, errNoIdentity
	}
	t, err := f.listen(link.Credentials, log)
	if err != nil {
		return link, "", nil, err
	}
	link.Dial = t.server.Device(f.Device).DialContext(dialout.Publisher)
	return link, "wss://" + f.Device + xfsPath, t, nil
}

func (f acceptFlags) listen(creds *pki.Credentials, log *slog.Logger) (*tunnel, error) {
	conf, err := creds.Server()
	if err != nil {
		return nil, err
	}
	t := &tunnel{creds: creds, events: make(chan dialout.Event, 256)}
	t.server, err = dialout.NewServer(dialout.Config{
		TLS: conf, Allowed: dialout.Only(f.Device), Limits: dialout.Limits{Heartbeat: f.Heartbeat}, Log: log,
		Event: func(e dialout.Event) {
			select {
			case t.events <- e:
			default: // a flood; what is journaled is bounded anyway
			}
		},
	})
	if err != nil {
		return nil, err
	}
	if t.listener, err = net.Listen("tcp", f.AcceptDevices); err != nil {
		return nil, hint{err, "choose another address with --accept-devices"}
	}
	return t, nil
}

// run takes the devices' connections until ctx ends, and has them journaled.
func (t *tunnel) run(ctx context.Context, group *errgroup.Group, node *till.Node, log *slog.Logger) {
	stop := t.creds.OnChange(func() { t.server.Recheck(t.creds.Check) })
	context.AfterFunc(ctx, stop)
	group.Go(func() error { watch(ctx, t.creds, log); return nil })
	group.Go(func() error { return t.server.Serve(ctx, t.listener) })
	group.Go(func() error {
		for {
			select {
			case <-ctx.Done():
				return nil
			case e := <-t.events:
				journalLink(node, e)
			}
		}
	})
}

func journalLink(node *till.Node, e dialout.Event) {
	cause := ""
	if e.Err != nil {
		cause = e.Err.Error()
	}
	if e.Kind == dialout.Refused {
		node.LinkRefused(e.Identity, e.Address, cause)
		return
	}
	node.LinkChanged(e.Identity, string(e.Kind), strings.TrimSuffix(fmt.Sprintf("%s: %s", e.Address, cause), ": "))
}
