//go:build linux

package netns_test

import (
	"context"
	"testing"
	"time"

	"github.com/plomb-pos/plomb/internal/netns"
)

// answers reports whether somebody answers at an address within a second.
func answers(t *testing.T, from *netns.Host, address string) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	conn, err := from.DialContext(ctx, "tcp", address)
	if err == nil {
		conn.Close()
	}
	return err == nil
}

// serve answers on a host.
func serve(t *testing.T, at *netns.Host, address string) {
	t.Helper()
	l, err := at.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conn.Close()
		}
	}()
}

func TestARouterHidesWhatIsBehindItAndAWireCanBeCut(t *testing.T) {
	centre, router, shop := netns.NewHost(t, "centre"), netns.NewHost(t, "router"), netns.NewHost(t, "shop")
	wan := netns.Connect(t, centre, "203.0.113.2/24", router, "203.0.113.1/24")
	lan := netns.Connect(t, shop, "10.77.0.2/24", router, "10.77.0.1/24")
	shop.Run("ip", "route", "add", "default", "via", "10.77.0.1")
	centre.Run("ip", "route", "add", "10.77.0.0/24", "via", "203.0.113.1") // even who knows the way is kept out
	router.Masquerade(wan)
	serve(t, centre, "203.0.113.2:80")
	serve(t, shop, "10.77.0.2:80")
	if !answers(t, shop, "203.0.113.2:80") {
		t.Error("the shop does not reach the centre")
	}
	if answers(t, centre, "10.77.0.2:80") {
		t.Error("the centre reaches into the shop")
	}
	lan.Cut()
	if answers(t, shop, "203.0.113.2:80") {
		t.Error("the shop reaches the centre over a cut wire")
	}
	lan.Mend()
	router.Lose(wan)
	if answers(t, shop, "203.0.113.2:80") {
		t.Error("answers come though the router loses them")
	}
	router.Find()
	if !answers(t, shop, "203.0.113.2:80") {
		t.Error("the mended wire does not work")
	}
}
