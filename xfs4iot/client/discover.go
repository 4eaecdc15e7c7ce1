package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/plomb-pos/plomb/xfs4iot"
	"github.com/plomb-pos/plomb/xfs4iot/servicepublisher"
)

// Publisher is one service publisher found on a machine.
type Publisher struct {
	URL        string
	VendorName string
	Services   []string // URLs to Dial
}

// portPatience bounds how long Discover waits for one port.
const portPatience = 3 * time.Second

// ErrNoPublisher is returned by Discover when no port answered.
var ErrNoPublisher = errors.New("no service publisher answered")

// Discover asks every standard port of a machine for its services. With o.TLS or
// o.Credentials it uses wss, otherwise ws; it never falls back from one to the other. Publishers
// are given in the order of their ports.
func Discover(ctx context.Context, host string, o Options) ([]Publisher, error) {
	ports := xfs4iot.Ports()
	found := make([]*Publisher, len(ports))
	errs := make([]error, len(ports))
	var asked sync.WaitGroup
	for i, port := range ports {
		if url, ok := publisherURL(host, port, o.TLS != nil || o.Credentials != nil); ok {
			asked.Go(func() { found[i], errs[i] = Services(ctx, url, o) })
		}
	}
	asked.Wait()
	var list []Publisher
	for _, p := range found {
		if p != nil {
			list = append(list, *p)
		}
	}
	if list == nil {
		return nil, fmt.Errorf("look for services on %s: %w", host, errors.Join(append([]error{ErrNoPublisher}, errs...)...))
	}
	return list, nil
}

func publisherURL(host string, port int, secure bool) (string, bool) {
	scheme := "ws"
	if secure {
		scheme = "wss"
	}
	allowed := !(port == 80 && secure) && !(port == 443 && !secure)
	return scheme + "://" + net.JoinHostPort(host, strconv.Itoa(port)) + "/xfs4iot/v1.0", allowed
}

// Services asks one publisher, given by its URL, for its services.
func Services(ctx context.Context, url string, o Options) (*Publisher, error) {
	ctx, cancel := context.WithTimeout(ctx, portPatience)
	defer cancel()
	conn, err := Dial(ctx, url, o)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	resp, err := Do(ctx, conn, servicepublisher.GetServices, nil)
	if err != nil {
		return nil, err
	}
	p := &Publisher{URL: url, VendorName: resp.VendorName}
	for _, s := range resp.Services {
		p.Services = append(p.Services, s.ServiceURI)
	}
	return p, nil
}
