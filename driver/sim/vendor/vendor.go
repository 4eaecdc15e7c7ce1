// Package vendor is the simulated vendor mode of a machine: the agreement between
// applications that the maker's own software takes over for maintenance, and that
// software itself. It serves the interfaces VendorMode and VendorApplication as one
// service.
//
//	v := vendor.New("Vendor")
//	server.Add(v.Service())
//	v.Request() // an engineer turns the service key
//
// # What it does
//
// Applications register. Whoever wants vendor mode (a client with EnterModeRequest, or
// an engineer by hand) makes it pending: every client gets EnterModeRequestEvent, and
// the mode becomes active, told by ModeEnteredEvent, when all registered applications
// have acknowledged; EnterModeRequest completes then. An application whose connection
// ends is no longer waited for. A request that is cancelled or runs out of time takes
// the mode back to what it was. Leaving is the same the other way round; the status is
// then inactive again, which the status event says.
//
// Registering and acknowledging run beside the queue, in which the request waits.
//
// Vendor software starts in vendor mode only and ends with it, or by hand
// (VendorAppExitedEvent).
package vendor

import (
	"context"
	"maps"
	"slices"

	"github.com/plomb-pos/plomb/driver/sim/chassis"
	"github.com/plomb-pos/plomb/driver/sim/panel"
	"github.com/plomb-pos/plomb/xfs4iot"
	"github.com/plomb-pos/plomb/xfs4iot/common"
	"github.com/plomb-pos/plomb/xfs4iot/host"
	"github.com/plomb-pos/plomb/xfs4iot/vendorapplication"
	"github.com/plomb-pos/plomb/xfs4iot/vendormode"
)

// Vendor is the device. Its methods may be called concurrently.
type Vendor struct {
	chassis.Chassis
	name    string
	offline bool
	mode    vendormode.StatusService
	apps    map[conn]string // registered applications by their connections
	pending map[conn]bool   // those that have not acknowledged yet

	running string // vendor software; "": none
	access  vendorapplication.StatusAccessLevel
	active  vendorapplication.SetActiveInterfaceCommandActiveInterface
}

// conn stands for a client's connection.
type conn <-chan struct{}

// New makes a machine in its normal mode.
func New(name string) *Vendor {
	return &Vendor{name: name, mode: vendormode.StatusServiceInactive, apps: map[conn]string{}, pending: map[conn]bool{},
		access: vendorapplication.StatusAccessLevelNotActive, active: vendorapplication.SetActiveInterfaceCommandActiveInterfaceConsumer}
}

// Class names the picture.
func (v *Vendor) Class() string { return "vendor" }

// beside makes a command that runs at once, not in the queue.
func beside[Req, Resp any, PReq interface {
	*Req
	xfs4iot.Payload
}, PResp interface {
	*Resp
	xfs4iot.Payload
}](c xfs4iot.Command[Req, Resp]) xfs4iot.Command[Req, Resp] {
	info := c.Info()
	info.Immediate = true
	return xfs4iot.NewCommand[Req, Resp, PReq, PResp](info)
}

// Service makes a fresh service over the present state. Applications register again.
func (v *Vendor) Service() *host.Service {
	v.Lock()
	defer v.Unlock()
	s := host.NewService(v.name, host.Declaration{
		Capabilities: common.CapabilitiesCompletion{
			Common: &common.CapabilityProperties{ServiceVersion: "1.0", PowerSaveControl: new(false), AntiFraudModule: new(false),
				DeviceInformation: []common.DeviceInformation{{ModelName: "simulated vendor mode"}}},
			VendorApplication: &vendorapplication.Capabilities{SupportedAccessLevels: &vendorapplication.CapabilitiesSupportedAccessLevels{
				Basic: new(true), Intermediate: new(true), Full: new(true)}},
		},
		Status: v.status(),
		Events: []xfs4iot.Event{&vendormode.EnterModeRequestEvent{}, &vendormode.ExitModeRequestEvent{}, &vendormode.ModeEnteredEvent{}, &vendormode.ModeExitedEvent{},
			&vendorapplication.InterfaceChangedEvent{}, &vendorapplication.VendorAppExitedEvent{}},
	})
	host.Handle(s, beside(vendormode.Register), v.register)
	host.Handle(s, beside(vendormode.EnterModeAcknowledge), v.enterAcknowledged)
	host.Handle(s, beside(vendormode.ExitModeAcknowledge), v.exitAcknowledged)
	host.Handle(s, vendormode.EnterModeRequest, v.enter)
	host.Handle(s, vendormode.ExitModeRequest, v.exit)
	host.Handle(s, vendorapplication.StartLocalApplication, v.start)
	host.Handle(s, vendorapplication.GetActiveInterface, v.getActive)
	host.Handle(s, vendorapplication.SetActiveInterface, v.setActive)
	v.Serve(s)
	return s
}

// changed tells a change; the lock is held.
func (v *Vendor) changed() { v.Show(v.status()) }

func (v *Vendor) status() common.StatusCompletion {
	device, mode := common.DeviceOnline, vendormode.StatusDeviceOnline
	if v.offline {
		device, mode = common.DeviceOffline, vendormode.StatusDeviceOffline
	}
	return common.StatusCompletion{
		Common:            &common.StatusProperties{Device: device, DevicePosition: common.PositionStatusInPosition, PowerSaveRecoveryTime: new(0)},
		VendorMode:        &vendormode.Status{Device: mode, Service: v.mode},
		VendorApplication: &vendorapplication.Status{AccessLevel: v.access},
	}
}

func (v *Vendor) ready() error {
	if v.offline {
		return chassis.NotReady("vendor mode is offline")
	}
	return nil
}

// register is VendorMode.Register.
func (v *Vendor) register(_ context.Context, cmd *host.Command, req *vendormode.RegisterCommand) (*vendormode.RegisterCompletion, error) {
	v.Lock()
	defer v.Unlock()
	if err := v.ready(); err != nil {
		return nil, err
	}
	if req.AppName == "" || len(req.AppName) > 128 {
		return nil, chassis.Invalid("an application has a name of 1 to 128 bytes")
	}
	client := conn(cmd.Gone())
	if _, known := v.apps[client]; !known {
		go v.follow(client)
	}
	v.apps[client] = req.AppName
	v.changed()
	return nil, nil
}

// follow forgets an application when its connection ends.
func (v *Vendor) follow(client conn) {
	<-client
	v.Lock()
	defer v.Unlock()
	delete(v.apps, client)
	delete(v.pending, client)
	v.settle()
	v.changed()
}

// begin asks all registered applications to acknowledge; the lock is held.
func (v *Vendor) begin(from, to vendormode.StatusService, ask xfs4iot.Event) error {
	if err := v.ready(); err != nil {
		return err
	}
	if v.mode != from {
		return chassis.Sequence("the mode is " + string(v.mode))
	}
	v.mode = to
	for client := range v.apps {
		v.pending[client] = true
	}
	v.changed()
	v.Say(ask)
	v.settle()
	return nil
}

// settle ends a pending change when nobody is waited for any more.
func (v *Vendor) settle() {
	switch {
	case len(v.pending) > 0:
		return
	case v.mode == vendormode.StatusServiceEnterPending:
		v.mode = vendormode.StatusServiceActive
		v.changed()
		v.Say(&vendormode.ModeEnteredEvent{})
	case v.mode == vendormode.StatusServiceExitPending:
		v.left()
	}
}

// left is the machine back in its normal mode.
func (v *Vendor) left() {
	v.mode = vendormode.StatusServiceInactive
	v.endApplication()
	v.changed()
	v.Say(&vendormode.ModeExitedEvent{ConnectedApplications: slices.Sorted(maps.Values(v.apps))})
}

// giveUp takes a pending change back.
func (v *Vendor) giveUp() error {
	clear(v.pending)
	switch v.mode {
	case vendormode.StatusServiceEnterPending:
		v.left()
	case vendormode.StatusServiceExitPending:
		v.mode = vendormode.StatusServiceActive
		v.changed()
	default:
		return chassis.ErrNothing
	}
	return nil
}

// await waits until a change is settled, or takes it back with its command.
func (v *Vendor) await(ctx context.Context, pending, done vendormode.StatusService) error {
	err := v.Await(ctx, func() bool { return v.mode != pending })
	if err != nil {
		_ = v.giveUp() // it is pending
		return err
	}
	if v.mode != done {
		return chassis.Sequence("the request was taken back")
	}
	return nil
}

// enter is VendorMode.EnterModeRequest.
func (v *Vendor) enter(ctx context.Context, _ *host.Command, _ *vendormode.EnterModeRequestCommand) (*vendormode.EnterModeRequestCompletion, error) {
	v.Lock()
	defer v.Unlock()
	if err := v.begin(vendormode.StatusServiceInactive, vendormode.StatusServiceEnterPending, &vendormode.EnterModeRequestEvent{}); err != nil {
		return nil, err
	}
	return nil, v.await(ctx, vendormode.StatusServiceEnterPending, vendormode.StatusServiceActive)
}

// exit is VendorMode.ExitModeRequest.
func (v *Vendor) exit(ctx context.Context, _ *host.Command, _ *vendormode.ExitModeRequestCommand) (*vendormode.ExitModeRequestCompletion, error) {
	v.Lock()
	defer v.Unlock()
	if err := v.begin(vendormode.StatusServiceActive, vendormode.StatusServiceExitPending, &vendormode.ExitModeRequestEvent{}); err != nil {
		return nil, err
	}
	return nil, v.await(ctx, vendormode.StatusServiceExitPending, vendormode.StatusServiceInactive)
}

// acknowledged is one application's consent to a pending change.
func (v *Vendor) acknowledged(cmd *host.Command, during vendormode.StatusService) error {
	v.Lock()
	defer v.Unlock()
	client := conn(cmd.Gone())
	switch {
	case v.mode != during:
		return chassis.Sequence("nothing of that kind is to be acknowledged")
	case !v.pending[client]:
		return chassis.Sequence("the application is not registered, or has acknowledged already")
	}
	delete(v.pending, client)
	v.settle()
	v.changed()
	return nil
}

func (v *Vendor) enterAcknowledged(_ context.Context, cmd *host.Command, _ *vendormode.EnterModeAcknowledgeCommand) (*vendormode.EnterModeAcknowledgeCompletion, error) {
	return nil, v.acknowledged(cmd, vendormode.StatusServiceEnterPending)
}

func (v *Vendor) exitAcknowledged(_ context.Context, cmd *host.Command, _ *vendormode.ExitModeAcknowledgeCommand) (*vendormode.ExitModeAcknowledgeCompletion, error) {
	return nil, v.acknowledged(cmd, vendormode.StatusServiceExitPending)
}

// start is VendorApplication.StartLocalApplication.
func (v *Vendor) start(_ context.Context, _ *host.Command, req *vendorapplication.StartLocalApplicationCommand) (*vendorapplication.StartLocalApplicationCompletion, error) {
	v.Lock()
	defer v.Unlock()
	switch {
	case v.offline:
		return nil, v.ready()
	case req.AppName == "" || len(req.AppName) > 128:
		return nil, chassis.Invalid("an application has a name of 1 to 128 bytes")
	case v.mode != vendormode.StatusServiceActive:
		return nil, chassis.Sequence("vendor software starts in vendor mode only")
	case v.running != "":
		return nil, chassis.Sequence(v.running + " is running")
	}
	v.running, v.access = req.AppName, vendorapplication.StatusAccessLevelBasic
	if req.AccessLevel != "" {
		v.access = vendorapplication.StatusAccessLevel(req.AccessLevel)
	}
	v.changed()
	return nil, nil
}

// endApplication ends the vendor software, if it runs; the lock is held.
func (v *Vendor) endApplication() {
	if v.running == "" {
		return
	}
	v.running, v.access = "", vendorapplication.StatusAccessLevelNotActive
	v.Say(&vendorapplication.VendorAppExitedEvent{})
}

// getActive is VendorApplication.GetActiveInterface.
func (v *Vendor) getActive(context.Context, *host.Command, *vendorapplication.GetActiveInterfaceCommand) (*vendorapplication.GetActiveInterfaceCompletion, error) {
	v.Lock()
	defer v.Unlock()
	return &vendorapplication.GetActiveInterfaceCompletion{ActiveInterface: vendorapplication.GetActiveInterfaceCompletionActiveInterface(v.active)}, nil
}

// setActive is VendorApplication.SetActiveInterface.
func (v *Vendor) setActive(_ context.Context, _ *host.Command, req *vendorapplication.SetActiveInterfaceCommand) (*vendorapplication.SetActiveInterfaceCompletion, error) {
	v.Lock()
	defer v.Unlock()
	if err := v.ready(); err != nil {
		return nil, err
	}
	v.turnTo(req.ActiveInterface)
	return nil, nil
}

func (v *Vendor) turnTo(side vendorapplication.SetActiveInterfaceCommandActiveInterface) {
	if v.active == side {
		return
	}
	v.active = side
	v.changed()
	v.Say(&vendorapplication.InterfaceChangedEvent{ActiveInterface: vendorapplication.InterfaceChangedEventActiveInterface(side)})
}

func (v *Vendor) hand(do func() error) func(panel.Values) error {
	return chassis.Locked(v, func(panel.Values) error { return do() })
}

// Request is an engineer who wants vendor mode; Release one who wants out of it.
func (v *Vendor) Request() error {
	v.Lock()
	defer v.Unlock()
	return v.begin(vendormode.StatusServiceInactive, vendormode.StatusServiceEnterPending, &vendormode.EnterModeRequestEvent{})
}

// Release is an engineer who has done his work.
func (v *Vendor) Release() error {
	v.Lock()
	defer v.Unlock()
	return v.begin(vendormode.StatusServiceActive, vendormode.StatusServiceExitPending, &vendormode.ExitModeRequestEvent{})
}

// GiveUp takes a pending change back that an application does not acknowledge.
func (v *Vendor) GiveUp() error {
	v.Lock()
	defer v.Unlock()
	return v.giveUp()
}

// ExitApplication ends the vendor software at its own screen.
func (v *Vendor) ExitApplication() error {
	v.Lock()
	defer v.Unlock()
	if v.running == "" {
		return chassis.ErrNothing
	}
	v.endApplication()
	v.changed()
	return nil
}

// Turn turns the machine's face to the consumer or to the operator, by hand.
func (v *Vendor) Turn(side vendorapplication.SetActiveInterfaceCommandActiveInterface) error {
	v.Lock()
	defer v.Unlock()
	if err := side.Validate(); err != nil || side == "" {
		return chassis.ErrNothing
	}
	v.turnTo(side)
	return nil
}

// Offline cuts vendor mode off, or brings it back; a pending change is taken back.
func (v *Vendor) Offline(off bool) {
	v.Lock()
	defer v.Unlock()
	v.offline = off
	if off {
		_ = v.giveUp() // mostly nothing is pending
	}
	v.changed()
}

// State is what the page shows.
type State struct {
	Offline bool     `json:"offline"`
	Mode    string   `json:"mode"` // inactive, enterPending, active, exitPending
	Apps    []string `json:"apps"` // registered
	Pending []string `json:"pending"`
	Running string   `json:"running"`
	Access  string   `json:"access"`
	Active  string   `json:"active"` // consumer, operator
}

// State is a State.
func (v *Vendor) State() any {
	v.Lock()
	defer v.Unlock()
	s := State{v.offline, string(v.mode), []string{}, []string{}, v.running, string(v.access), string(v.active)}
	for client, name := range v.apps {
		s.Apps = append(s.Apps, name)
		if v.pending[client] {
			s.Pending = append(s.Pending, name)
		}
	}
	slices.Sort(s.Apps)
	slices.Sort(s.Pending)
	return s
}

// Acts lists what can be done now.
func (v *Vendor) Acts() []panel.Act {
	sides := []string{"consumer", "operator"}
	return []panel.Act{
		{Name: "request", Label: "Turn the service key", Kind: panel.Hand, Do: func(panel.Values) error { return v.Request() }},
		{Name: "release", Label: "Turn it back", Kind: panel.Hand, Do: func(panel.Values) error { return v.Release() }},
		{Name: "give-up", Label: "Give up waiting", Kind: panel.Hand, Do: v.hand(v.giveUp)},
		{Name: "exit-application", Label: "Leave the vendor software", Kind: panel.Hand, Do: func(panel.Values) error { return v.ExitApplication() }},
		{Name: "turn", Label: "Turn the face to", Kind: panel.Hand, Args: []panel.Arg{{Name: "side", Label: "Side", Default: "operator", Choices: sides}},
			Do: func(a panel.Values) error {
				return v.Turn(vendorapplication.SetActiveInterfaceCommandActiveInterface(a["side"]))
			}},
		{Name: "offline", Label: "Cut it off", Kind: panel.Fault, Do: func(panel.Values) error { v.Offline(true); return nil }},
		{Name: "online", Label: "Bring it back", Kind: panel.Repair, Do: func(panel.Values) error { v.Offline(false); return nil }},
	}
}
