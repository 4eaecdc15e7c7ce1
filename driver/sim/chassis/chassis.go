// Package chassis is what the simulated devices of a counter are built on: one
// lock, those who watch, the service that is served at the moment, and waiting for
// a person.
//
// A device embeds a Chassis, changes itself with the lock held and calls Show with
// its status; Show tells the page and the clients of the service. A handler that
// waits for somebody's hand calls Await, which gives the lock away meanwhile.
//
//	func (d *Door) Close() {
//		d.Lock()
//		defer d.Unlock()
//		d.open = false
//		d.Show(d.status())
//	}
//
// It knows no device, keeps no files and never acts by itself.
package chassis

import (
	"context"
	"errors"
	"io/fs"
	"sync"

	"github.com/plomb-pos/plomb/driver/sim/panel"
	"github.com/plomb-pos/plomb/xfs4iot"
	"github.com/plomb-pos/plomb/xfs4iot/common"
	"github.com/plomb-pos/plomb/xfs4iot/host"
)

// Chassis is embedded by a device. The zero value is ready. Its lock guards the
// device's state; code of other packages has no reason to take it.
type Chassis struct {
	sync.Mutex
	panel.Changes
	xfs *host.Service
}

// Serve makes s the service that Show and Say speak through. The lock is held.
func (c *Chassis) Serve(s *host.Service) { c.xfs = s }

// Show tells a change: those who watch, and the clients by one event of the
// status. The lock is held.
func (c *Chassis) Show(now common.StatusCompletion) {
	c.Tell()
	if c.xfs != nil {
		_ = c.xfs.SetStatus(func(s *common.StatusCompletion) { *s = now }) // the statuses of devices can be encoded
	}
}

// Say sends an unsolicited event. The lock is held.
func (c *Chassis) Say(e xfs4iot.Event) {
	if c.xfs != nil {
		_ = c.xfs.Broadcast(e) // the events of devices can be encoded
	}
}

// Await returns nil once ready, which is called with the lock held, or ctx's
// error. The lock is held when it is called and when it returns, and given away
// while it waits.
func (c *Chassis) Await(ctx context.Context, ready func() bool) error {
	for !ready() {
		if err := ctx.Err(); err != nil {
			return err
		}
		changed := c.Changed()
		c.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
		}
		c.Lock()
	}
	return nil
}

// Refused is the completion of a command whose data the device has not:
// unsupportedData.
func Refused(why string) error {
	return &xfs4iot.Error{Code: xfs4iot.UnsupportedData, Description: why}
}

// Invalid is the completion of a command whose data makes no sense: invalidData.
func Invalid(why string) error {
	return &xfs4iot.Error{Code: xfs4iot.InvalidData, Description: why}
}

// Sequence is the completion of a command that cannot come now: sequenceError.
func Sequence(why string) error {
	return &xfs4iot.Error{Code: xfs4iot.SequenceError, Description: why}
}

// Broken is the completion of a command that a device out of order cannot do:
// hardwareError.
func Broken(why string) error {
	return &xfs4iot.Error{Code: xfs4iot.HardwareError, Description: why}
}

// NotReady is the completion of a command to a device without power: deviceNotReady.
func NotReady(why string) error {
	return &xfs4iot.Error{Code: xfs4iot.DeviceNotReady, Description: why}
}

// ErrNoPicture is what Pictured devices return for names they have not given.
var ErrNoPicture = fs.ErrNotExist

// ErrNothing says that there is nothing at that place to take or to put right.
var ErrNothing = errors.New("there is nothing to do that to")
