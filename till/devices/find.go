package devices

import (
	"context"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/plomb-pos/plomb/xfs4iot/client"
	"github.com/plomb-pos/plomb/xfs4iot/common"
)

// How often the publisher is asked while a device is missing.
const (
	findSoon = time.Second
	findLate = 30 * time.Second
)

// find asks the service publisher which services there are, and starts the links
// that wait for one, until each has its service. A service is taken by its name or,
// where none has the name, by what it can do.
func (s *Set) find(ctx context.Context, waiting []*link, start func(*link)) {
	known := map[string][]string{} // interfaces by URL, asked once
	for every := findSoon; len(waiting) > 0 && ctx.Err() == nil; every = min(2*every, findLate) {
		found := s.services(ctx, known)
		waiting = slices.DeleteFunc(waiting, func(l *link) bool {
			url, ok := l.choose(found)
			if ok {
				l.name, l.session.URL = path.Base(url), url
				start(l)
			}
			return ok
		})
		if len(waiting) > 0 {
			pause(ctx, every)
		}
	}
}

// service is one that the publisher named, with its interfaces.
type service struct {
	url        string
	interfaces []string
}

func (s *Set) services(ctx context.Context, known map[string][]string) []service {
	o := s.config.options(s.config.Log)
	p, err := client.Services(ctx, base(s.config.Address), o)
	if err != nil {
		s.config.Log.Info("service publisher not reached", "address", s.config.Address, "err", err)
		return nil
	}
	var list []service
	for _, url := range p.Services {
		if known[url] == nil {
			if known[url], err = interfacesOf(ctx, url, o); err != nil {
				continue
			}
		}
		list = append(list, service{url, known[url]})
	}
	return list
}

func interfacesOf(ctx context.Context, url string, o client.Options) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()
	conn, err := client.Dial(ctx, url, o)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	caps, err := client.Do(ctx, conn, common.Capabilities, nil)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, i := range caps.Interfaces {
		names = append(names, string(i.Name))
	}
	return names, nil
}

// interfaces says what a device of a kind has to offer.
var interfaces = map[Kind]string{Printer: "Printer", Scanner: "BarcodeReader", Display: "TextTerminal", Dispenser: "CashDispenser"}

func (l *link) choose(found []service) (url string, ok bool) {
	can := func(x service) bool {
		return slices.ContainsFunc(x.interfaces, func(name string) bool { return strings.EqualFold(name, interfaces[l.kind]) })
	}
	named := func(x service) bool { return can(x) && strings.EqualFold(path.Base(x.url), l.name) }
	for _, fits := range []func(service) bool{named, can} {
		if i := slices.IndexFunc(found, fits); i >= 0 {
			return found[i].url, true
		}
	}
	return "", false
}
