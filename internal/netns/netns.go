// Package netns builds small networks for tests: hosts that are Linux network
// namespaces, wires between them that can be cut, routers that hide what is behind
// them. Programs started on a host see that network and nothing else, so that a test
// shows what works through real links, and what happens when one is pulled out.
//
//	router, shop := netns.NewHost(t, "router"), netns.NewHost(t, "shop")
//	wire := netns.Connect(t, shop, "10.77.0.2/24", router, "10.77.0.1/24")
//	shop.Run("ip", "route", "add", "default", "via", "10.77.0.1")
//	cmd := shop.Command("plomb", "devices")
//	wire.Cut()
//
// It needs root, iproute2 and, for Masquerade, nftables. Where they are missing a
// test is skipped, and fails with CI=true. Everything is taken down at the test's end.
package netns
