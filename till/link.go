package till

import "github.com/plomb-pos/plomb/fiscal"

// LinkChanged journals that the connection over which devices are reached was made,
// lost or taken over. It may be called at any time.
func (n *Node) LinkChanged(device, state, cause string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closing {
		return
	}
	n.floodHeld("device-link", &fiscal.DeviceState{Device: oneLine(device), State: state, Cause: oneLine(cause)})
}

// LinkRefused journals that somebody was not let in who wanted to be a device.
func (n *Node) LinkRefused(device, address, cause string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closing {
		return
	}
	n.floodHeld("connection-refused", &fiscal.ConnectionRefused{
		Peer: oneLine(address), Identity: oneLine(device), Reason: "tunnel", Detail: oneLine(cause),
	})
}
