package dialout_test

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/plomb-pos/plomb/xfs4iot/client"
	"github.com/plomb-pos/plomb/xfs4iot/common"
	"github.com/plomb-pos/plomb/xfs4iot/dialout"
	"github.com/plomb-pos/plomb/xfs4iot/host"
	"github.com/plomb-pos/plomb/xfs4iot/pki"
)

// A lamp in a shop that the data centre cannot reach: the shop's side dials, and the
// data centre asks the lamp how it is.
func Example() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	shop, centre := exampleIdentities()

	// In the shop: the service, and the agent that dials out.
	services := host.New(host.Config{VendorName: "Example", Credentials: shop,
		Rights: host.Rights{{Client: "centre", Services: []string{"*"}, Allow: []string{"*"}}}})
	lamp := host.NewService("Lamp", host.Declaration{
		Status: common.StatusCompletion{Common: &common.StatusProperties{Device: common.DeviceOnline}}})
	if err := services.Add(lamp); err != nil {
		log.Fatal(err)
	}
	local := exampleListener()
	go services.Serve(ctx, local)
	outside := exampleListener() // the data centre's address
	agent := &dialout.Agent{Address: outside.Addr().String(), TLS: shop.Client,
		Allow: map[string]string{dialout.Publisher: local.Addr().String()}}
	go agent.Run(ctx)

	// In the data centre: who may connect, and a client that goes through.
	conf, err := centre.Server()
	if err != nil {
		log.Fatal(err)
	}
	up := make(chan string, 1)
	server, err := dialout.NewServer(dialout.Config{TLS: conf, Allowed: dialout.Only("shop-7"), Event: func(e dialout.Event) {
		if e.Kind == dialout.Connected {
			up <- e.Identity
		}
	}})
	if err != nil {
		log.Fatal(err)
	}
	go server.Serve(ctx, outside)
	device := server.Device(<-up)
	conn, err := client.Dial(ctx, "wss://shop-7/xfs4iot/v1.0/Lamp",
		client.Options{Credentials: centre, DialContext: device.DialContext(dialout.Publisher)})
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	status, err := client.Do(ctx, conn, common.Status, nil, client.Timeout(5*time.Second))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(device.Identity(), status.Common.Device)
	// Output: shop-7 online
}

// exampleIdentities makes an authority and two parties, as plomb pki init does.
func exampleIdentities() (shop, centre *pki.Credentials) {
	dir, err := os.MkdirTemp("", "dialout")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	authority, err := pki.Create(dir+"/pki", pki.Options{})
	if err != nil {
		log.Fatal(err)
	}
	load := func(name string) *pki.Credentials {
		issued, err := authority.Issue(pki.Request{Name: name, Use: pki.Both, DNS: []string{"localhost"}, IPs: exampleAddresses()})
		if err != nil {
			log.Fatal(err)
		}
		files, err := issued.Save(dir + "/" + name)
		if err != nil {
			log.Fatal(err)
		}
		c, err := pki.Load(files, pki.Policy{})
		if err != nil {
			log.Fatal(err)
		}
		return c
	}
	return load("shop-7"), load("centre")
}

func exampleListener() net.Listener {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	return l
}

func exampleAddresses() []netip.Addr { return []netip.Addr{netip.MustParseAddr("127.0.0.1")} }
