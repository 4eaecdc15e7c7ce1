package pki_test

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/plomb-pos/plomb/xfs4iot/pki"
)

// An authority, a device's certificate, and one that is revoked.
func Example() {
	dir, err := os.MkdirTemp("", "pki")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	a, err := pki.Create(filepath.Join(dir, "ca"), pki.Options{Name: "Corner shop"})
	if err != nil {
		fmt.Println(err)
		return
	}
	device, err := a.Issue(pki.Request{Name: "dispenser.shop", Use: pki.Server, IPs: []netip.Addr{netip.MustParseAddr("10.0.0.7")}})
	if err != nil {
		fmt.Println(err)
		return
	}
	files, err := device.Save(filepath.Join(dir, "dispenser"))
	if err != nil {
		fmt.Println(err)
		return
	}
	creds, err := pki.Load(files, pki.Policy{})
	fmt.Println(creds.Identity(), err)

	if _, err := a.Issue(pki.Request{Name: "xfs4iot://shop/till-1", Use: pki.Client}); err != nil {
		fmt.Println(err)
	}
	if _, err := a.Revoke("xfs4iot://shop/till-1", "stolen"); err != nil {
		fmt.Println(err)
	}
	list, err := a.List()
	for _, e := range list {
		fmt.Printf("%s, %s: %s %q\n", e.Name, e.Use, e.State, e.Reason)
	}
	fmt.Println(err)
	// Output:
	// dispenser.shop <nil>
	// dispenser.shop, server: valid ""
	// xfs4iot://shop/till-1, client: revoked "stolen"
	// <nil>
}
