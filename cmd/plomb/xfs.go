package main

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/plomb-pos/plomb/xfs4iot"
	"github.com/plomb-pos/plomb/xfs4iot/client"
	"github.com/plomb-pos/plomb/xfs4iot/pki"
)

// xfsCommand is the workbench for device services, ours and other makers'.
type xfsCommand struct {
	List    xfsList    `cmd:"" help:"Find the services of a machine."`
	Status  xfsStatus  `cmd:"" help:"Show what a service says of its state."`
	Send    xfsSend    `cmd:"" help:"Send a command to a service and show how it ends."`
	Watch   xfsWatch   `cmd:"" help:"Show the events of a service as they come."`
	Record  xfsRecord  `cmd:"" help:"Keep what an application and a service say to each other."`
	Replay  xfsReplay  `cmd:"" help:"Send a recording's commands again and compare how they end."`
	Diff    xfsDiff    `cmd:"" help:"List what differs between two descriptions of the protocol."`
	Conform xfsConform `cmd:"" help:"Check a service against the rules of the protocol."`
}

// xfsLink is how a service is reached.
type xfsLink struct {
	Identity   string        `type:"existingdir" placeholder:"DIR" help:"Folder with the certificates to trust and to show, as plomb pki writes it; makes the link wss."`
	TLS12      bool          `name:"tls12" help:"Accept TLS 1.2 beside 1.3."`
	Generation string        `enum:"2023,2021" default:"2023" help:"Release whose envelope is spoken, 2023 (from 2023-2 on) or 2021 (2021-1)."`
	Patience   time.Duration `default:"10s" help:"How long to wait for a connection and an answer."`
}

// xfsService is the address of one service.
type xfsService struct {
	Address string `arg:"" help:"The service: ws[s]://HOST:PORT/xfs4iot/v1.0/NAME, or HOST:PORT/NAME, or NAME alone for one of this machine."`
	xfsLink
}

func (l xfsLink) options() (client.Options, error) {
	o := client.Options{}
	if l.old() {
		o.Generation = xfs4iot.Gen2021
	}
	if l.Identity == "" {
		return o, nil
	}
	var err error
	o.Credentials, err = credentials(l.Identity, pki.Policy{AllowTLS12: l.TLS12})
	return o, err
}

// advice is what to do when nobody answers.
func (l xfsLink) advice() string {
	if l.Identity == "" {
		return "plomb devices starts simulated devices; services that want TLS need --identity (plomb pki init makes one)"
	}
	return "plomb devices --identity starts devices with TLS; plomb xfs list shows what there is"
}

func (l xfsLink) old() bool { return l.Generation == "2021" }

// usage is an error of whoever called the command.
type usage struct{ error }

func (usage) ExitCode() int   { return exitUsage }
func (u usage) Unwrap() error { return u.error }

// path is where publishers answer; a service's name follows it.
const xfsPath = "/xfs4iot/v1.0"

// address gives the URL of what a person calls it, and "" for a service's name
// alone, which has to be looked for.
func (l xfsLink) address(text string) (string, error) {
	if strings.Contains(text, "://") {
		u, err := url.Parse(text)
		if err != nil || (u.Scheme != "ws" && u.Scheme != "wss") || u.Host == "" {
			return "", usage{fmt.Errorf("%q is no ws:// or wss:// address", text)}
		}
		return text, nil
	}
	host, name, _ := strings.Cut(text, "/")
	if !strings.Contains(host, ":") {
		return "", nil
	}
	if _, port, err := net.SplitHostPort(host); err != nil || !portNumber(port) {
		return "", usage{fmt.Errorf("%q is no HOST:PORT", host)}
	}
	return l.scheme() + "://" + host + strings.TrimSuffix(xfsPath+"/"+strings.TrimPrefix(name, strings.TrimPrefix(xfsPath, "/")+"/"), "/"), nil
}

func (l xfsLink) scheme() string {
	if l.Identity != "" {
		return "wss"
	}
	return "ws"
}

func portNumber(text string) bool {
	n, err := strconv.ParseUint(text, 10, 16)
	return err == nil && n > 0
}

// dial connects to the service. unsolicited may be nil.
func (s xfsService) dial(ctx context.Context, unsolicited func(*xfs4iot.Message)) (*client.Conn, error) {
	o, err := s.options()
	if err != nil {
		return nil, err
	}
	o.Unsolicited = unsolicited
	ctx, stop := context.WithTimeout(ctx, s.Patience)
	defer stop()
	target, err := s.find(ctx, o)
	if err != nil {
		return nil, err
	}
	conn, err := client.Dial(ctx, target, o)
	if err != nil {
		return nil, hint{err, s.advice()}
	}
	return conn, nil
}

// find gives the URL of the service, asking this machine's publishers for a name.
func (s xfsService) find(ctx context.Context, o client.Options) (string, error) {
	target, err := s.address(s.Address)
	if err != nil || target != "" {
		return target, err
	}
	publishers, err := client.Discover(ctx, "127.0.0.1", o)
	if err != nil {
		return "", hint{err, s.advice()}
	}
	var names []string
	for _, p := range publishers {
		for _, at := range p.Services {
			name := at[strings.LastIndex(at, "/")+1:]
			if strings.EqualFold(name, s.Address) {
				return at, nil
			}
			names = append(names, name)
		}
	}
	return "", fmt.Errorf("this machine has no service %q, but %s", s.Address, strings.Join(names, ", "))
}
