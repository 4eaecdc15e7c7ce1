// Package guide is the program of docs/guides/device-service.md: a text terminal that
// writes on standard output. A test holds the guide against it and runs it.
package guide

import (
	"context"
	"fmt"
	"io"
	"net"

	"github.com/plomb-pos/plomb/xfs4iot"
	"github.com/plomb-pos/plomb/xfs4iot/common"
	"github.com/plomb-pos/plomb/xfs4iot/host"
	"github.com/plomb-pos/plomb/xfs4iot/textterminal"
)

// Display is one device: a screen of a single line.
type Display struct {
	svc    *host.Service
	screen io.Writer
}

// NewDisplay declares what the device is and which commands it answers.
func NewDisplay(screen io.Writer) *Display {
	d := &Display{screen: screen, svc: host.NewService("Display", host.Declaration{
		Capabilities: common.CapabilitiesCompletion{TextTerminal: &textterminal.Capabilities{}},
		Status:       common.StatusCompletion{Common: &common.StatusProperties{Device: common.DeviceOnline}},
	})}
	host.Handle(d.svc, textterminal.Write, d.write)
	host.Handle(d.svc, textterminal.Reset, d.reset)
	return d
}

// write runs when the command's turn has come; req has been validated.
func (d *Display) write(ctx context.Context, cmd *host.Command, req *textterminal.WriteCommand) (*textterminal.WriteCompletion, error) {
	if ctx.Err() != nil { // cancelled, out of time, or the client has gone
		return nil, ctx.Err()
	}
	if _, err := fmt.Fprintln(d.screen, req.Text); err != nil {
		d.setDevice(common.DeviceHardwareError)
		return nil, &xfs4iot.Error{Code: xfs4iot.HardwareError, Description: err.Error()}
	}
	return nil, nil
}

func (d *Display) reset(context.Context, *host.Command, *textterminal.ResetCommand) (*textterminal.ResetCompletion, error) {
	d.setDevice(common.DeviceOnline)
	return nil, nil
}

// setDevice changes the status; every client is told what changed.
func (d *Display) setDevice(state common.Device) {
	_ = d.svc.SetStatus(func(s *common.StatusCompletion) { s.Common.Device = state })
}

// Serve answers clients until ctx ends.
func (d *Display) Serve(ctx context.Context, ln net.Listener, c host.Config) error {
	srv := host.New(c)
	if err := srv.Add(d.svc); err != nil {
		return err
	}
	return srv.Serve(ctx, ln)
}
