package cash

import (
	"context"
	"errors"
	"slices"

	"github.com/plomb-pos/plomb/driver/sim/cash/vault"
	"github.com/plomb-pos/plomb/xfs4iot"
	"github.com/plomb-pos/plomb/xfs4iot/cashmanagement"
	"github.com/plomb-pos/plomb/xfs4iot/common"
	"github.com/plomb-pos/plomb/xfs4iot/host"
	"github.com/plomb-pos/plomb/xfs4iot/storage"
)

// Service makes a fresh service over the device's present state. A device whose
// service was taken away because it lost power has power again with the new one.
func (d *Device) Service() *host.Service {
	d.Lock()
	defer d.Unlock()
	if d.off && d.o.PowerLost != nil {
		d.off = false
		d.awake()
	}
	s := host.NewService(d.name, host.Declaration{Capabilities: d.capabilities(), Status: d.status(), Events: d.events()})
	d.handleCommon(s)
	d.handleStorage(s)
	d.handleManagement(s)
	d.handleDispenser(s)
	if !d.o.DispenserOnly {
		d.handleAcceptor(s)
	}
	if d.o.Neutralization {
		d.handleProtection(s)
	}
	d.Serve(s)
	return s
}

func (d *Device) events() []xfs4iot.Event {
	return []xfs4iot.Event{
		&common.ErrorEvent{}, &common.NonceClearedEvent{}, &storage.CountsChangedEvent{}, &storage.StorageChangedEvent{}, &storage.StorageThresholdEvent{},
		&cashmanagement.ItemsInsertedEvent{}, &cashmanagement.ItemsPresentedEvent{}, &cashmanagement.ItemsTakenEvent{},
		&cashmanagement.MediaDetectedEvent{}, &cashmanagement.ShutterStatusChangedEvent{}, &cashmanagement.TellerInfoChangedEvent{},
	}
}

// job is a command under way, with the device's lock held.
type job struct {
	ctx  context.Context
	cmd  *host.Command
	info xfs4iot.CommandInfo
}

// event sends an event, if it is one that the command may send; one that its client
// does not hear any more is no reason to stop.
func (j job) event(e xfs4iot.Event) {
	if slices.ContainsFunc(j.info.Events, func(r xfs4iot.EventRef) bool { return r.Name == e.EventName() }) {
		_ = j.cmd.Event(e)
	}
}

// defined turns an errorCode that the command does not have into sequenceError:
// several commands move notes in the same way, and not all have the same codes.
func (j job) defined(err error) error {
	var e *xfs4iot.Error
	if !errors.As(err, &e) || e.ErrorCode == "" || slices.Contains(j.info.ErrorCodes, e.ErrorCode) {
		return err
	}
	return &xfs4iot.Error{Code: xfs4iot.SequenceError, Description: e.ErrorCode + ": " + e.Description}
}

// serve makes a handler that runs with the lock held and shows the status
// afterwards. A device without power or with a broken memory does nothing.
func serve[Req, Resp any](d *Device, s *host.Service, c xfs4iot.Command[Req, Resp], do func(job, *Req) (*Resp, error)) {
	host.Handle(s, c, func(ctx context.Context, cmd *host.Command, req *Req) (*Resp, error) {
		d.Lock()
		defer d.Unlock()
		if err := d.ready(); err != nil {
			return nil, err
		}
		j := job{ctx, cmd, c.Info()}
		resp, err := do(j, req)
		d.Show(d.status())
		return resp, d.outcome(ctx, j.defined(err))
	})
}

func (d *Device) ready() error {
	switch {
	case d.off:
		return &xfs4iot.Error{Code: xfs4iot.DeviceNotReady, Description: "no power"}
	case d.vault.Failed() != nil:
		return &xfs4iot.Error{Code: xfs4iot.HardwareError, Description: d.vault.Failed().Error()}
	}
	return nil
}

// errPower ends a command whose device loses power.
var errPower = errors.New("power lost")

// outcome turns a loss of power into what its client sees of it: nothing when the
// service is taken away, else deviceNotReady.
func (d *Device) outcome(ctx context.Context, err error) error {
	switch {
	case err != nil && d.vault.Failed() != nil:
		return fault(err.Error())
	case errors.Is(err, vault.ErrSize):
		return &xfs4iot.Error{Code: xfs4iot.NotEnoughSpace, Description: err.Error()}
	case !errors.Is(err, errPower):
		return err
	}
	d.off = true
	d.faults.Mend()
	d.Show(d.status())
	if d.o.PowerLost == nil {
		return &xfs4iot.Error{Code: xfs4iot.DeviceNotReady, Description: err.Error()}
	}
	go d.o.PowerLost()
	d.Unlock()
	<-ctx.Done()
	d.Lock()
	return ctx.Err()
}

// fault is a fault's error for the command it strikes: its text is for logs.
func fault(why string) error {
	return &xfs4iot.Error{Code: xfs4iot.HardwareError, Description: why}
}

// position says whether a position is the one slot that there is.
func position[T ~string](p T) bool {
	switch p {
	case "", "outDefault", "outFront", "inDefault", "inFront":
		return true
	}
	return false
}

func (d *Device) handleManagement(s *host.Service) {
	serve(d, s, cashmanagement.Retract, d.retract)
	serve(d, s, cashmanagement.Reset, d.reset)
	serve(d, s, cashmanagement.OpenShutter, d.openShutter)
	serve(d, s, cashmanagement.CloseShutter, d.closeShutter)
	serve(d, s, cashmanagement.CalibrateCashUnit, d.calibrate)
	serve(d, s, cashmanagement.GetBankNoteTypes, d.getNoteTypes)
	serve(d, s, cashmanagement.GetClassificationList, d.getList)
	serve(d, s, cashmanagement.SetClassificationList, d.setList)
	serve(d, s, cashmanagement.GetItemInfo, d.getItemInfo)
	serve(d, s, cashmanagement.GetTellerInfo, d.getTeller)
	serve(d, s, cashmanagement.SetTellerInfo, d.setTeller)
}
