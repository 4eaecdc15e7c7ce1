// Package camera is a set of simulated surveillance cameras on one service of the
// interface Camera: each looks at a scene that people change by hand, and takes real
// pictures of it.
//
//	c, err := camera.New("Cameras", camera.Options{})
//	server.Add(c.Service())
//	c.Scene("person", "customer") // somebody steps before the machine
//
// # What it does
//
// Camera.TakePicture draws the scene with the time of day and the client's text,
// stores it as a PNG, and only then completes with it. A text that is too long is cut,
// which Camera.InvalidDataEvent tells before the completion.
//
// Each camera has its own medium for a number of pictures: nearly full from nine
// tenths on, then full; MediaThresholdEvent tells every change. Pictures survive a loss
// of power when Options name a directory. They are never deleted by a command, only
// when somebody changes the medium.
//
// Cameras with names of their own are reported beside room, person and exitSlot;
// Camera.TakePicture has no word for them, they take pictures by their own trigger.
package camera

import (
	"context"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/plomb-pos/plomb/driver/sim/chassis"
	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/xfs4iot"
	"github.com/plomb-pos/plomb/xfs4iot/camera"
	"github.com/plomb-pos/plomb/xfs4iot/common"
	"github.com/plomb-pos/plomb/xfs4iot/host"
)

// Options choose the cameras; the zero value is one for the room, one for the person
// and one for the exit slot, each with room for 100 pictures in memory.
type Options struct {
	Cameras     []string `json:"cameras,omitzero" toml:"cameras"`          // room, person, exitSlot, or names of their own (letters and digits)
	MaxPictures int      `json:"maxPictures,omitzero" toml:"max_pictures"` // of each camera
	Directory   string   `json:"directory,omitzero" toml:"directory"`      // where pictures are kept; must exist

	FS  durable.FS       `json:"-" toml:"-"` // in place of the operating system's, for tests
	Now func() time.Time `json:"-" toml:"-"` // the time on the pictures; default time.Now
}

// maxText is how many characters of a client's text fit on a picture.
const maxText = 48

// Cameras is the device. Its methods may be called concurrently.
type Cameras struct {
	chassis.Chassis
	name string
	most int
	fsys durable.FS // nil: pictures are in memory
	dir  string
	now  func() time.Time
	all  []*one
}

// one is a camera.
type one struct {
	name     string
	scene    string
	covered  bool // something lies on the lens: pictures are black
	hung     bool // until a reset
	broken   bool // until it is repaired
	next     int  // number of the next picture
	pictures []picture
	told     camera.MediaThresholdEventMediaThreshold
}

// picture is one that was taken.
type picture struct {
	name string
	data []byte // nil: in its file
}

var goodName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]{0,31}$`)

// New makes the cameras and finds the pictures that they took before.
func New(name string, o Options) (*Cameras, error) {
	if len(o.Cameras) == 0 {
		o.Cameras = []string{"room", "person", "exitSlot"}
	}
	if o.MaxPictures < 1 {
		o.MaxPictures = 100
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.FS == nil && o.Directory != "" {
		o.FS = durable.OS{}
	}
	c := &Cameras{name: name, most: o.MaxPictures, fsys: o.FS, dir: o.Directory, now: o.Now}
	for _, n := range o.Cameras {
		if !goodName.MatchString(n) || c.find(n) != nil {
			return nil, fmt.Errorf("cameras %s: %q is no name, or taken", name, n)
		}
		c.all = append(c.all, &one{name: n, scene: scenes[0], next: 1, told: camera.MediaThresholdEventMediaThresholdOk})
	}
	return c, c.load()
}

// load finds pictures by the names of their files: CAMERA-NUMBER.png. A leftover of
// a picture that was being written counts as not taken.
func (c *Cameras) load() error {
	if c.fsys == nil {
		return nil
	}
	names, err := c.fsys.ReadDir(c.folder())
	if err != nil {
		return fmt.Errorf("cameras %s: %w", c.name, err)
	}
	for _, name := range names {
		stem, isPicture := strings.CutSuffix(name, ".png")
		owner, number, _ := strings.Cut(stem, "-")
		n, err := strconv.Atoi(number)
		if o := c.find(owner); isPicture && err == nil && o != nil {
			o.pictures = append(o.pictures, picture{name: name})
			o.next = max(o.next, n+1)
		}
	}
	for _, o := range c.all {
		o.told = c.fill(o)
	}
	return nil
}

func (c *Cameras) folder() string {
	if c.dir == "" {
		return "."
	}
	return c.dir
}

func (c *Cameras) find(name string) *one {
	i := slices.IndexFunc(c.all, func(o *one) bool { return o.name == name })
	if i < 0 {
		return nil
	}
	return c.all[i]
}

// Class names the picture.
func (c *Cameras) Class() string { return "camera" }

// Service makes a fresh service over the present state.
func (c *Cameras) Service() *host.Service {
	c.Lock()
	defer c.Unlock()
	s := host.NewService(c.name, host.Declaration{Capabilities: c.capabilities(), Status: c.status(), Events: []xfs4iot.Event{&camera.MediaThresholdEvent{}}})
	host.Handle(s, camera.TakePicture, c.take)
	host.Handle(s, camera.Reset, c.reset)
	c.Serve(s)
	return s
}

func (c *Cameras) capabilities() common.CapabilitiesCompletion {
	has := &camera.CapabilitiesCameras{Room: new(false), Person: new(false), ExitSlot: new(false)}
	for _, o := range c.all {
		switch o.name {
		case "room":
			has.Room = new(true)
		case "person":
			has.Person = new(true)
		case "exitSlot":
			has.ExitSlot = new(true)
		default:
			if has.Extra == nil {
				has.Extra = map[string]bool{}
			}
			has.Extra[o.name] = true
		}
	}
	return common.CapabilitiesCompletion{
		Common: &common.CapabilityProperties{ServiceVersion: "1.0", PowerSaveControl: new(false), AntiFraudModule: new(false),
			DeviceInformation: []common.DeviceInformation{{ModelName: "simulated cameras"}}},
		Camera: &camera.Capabilities{Cameras: has, MaxPictures: &c.most, MaxDataLength: new(maxText),
			CamData: &camera.CapabilitiesCamData{AutoAdd: new(true), ManAdd: new(true)}},
	}
}

// status reports each camera for itself.
func (c *Cameras) status() common.StatusCompletion {
	media, state, count := &camera.StatusMedia{}, &camera.StatusCameras{}, &camera.StatusPictures{}
	device := common.DeviceHardwareError
	for _, o := range c.all {
		if !o.broken {
			device = common.DeviceOnline
		}
		c.report(o, media, state, count)
	}
	return common.StatusCompletion{
		Common: &common.StatusProperties{Device: device, DevicePosition: common.PositionStatusInPosition, PowerSaveRecoveryTime: new(0)},
		Camera: &camera.Status{Media: media, Cameras: state, Pictures: count},
	}
}

func (c *Cameras) report(o *one, media *camera.StatusMedia, state *camera.StatusCameras, count *camera.StatusPictures) {
	fill, works, n := camera.MediaState(c.fill(o)), o.works(), len(o.pictures)
	switch o.name {
	case "room":
		media.Room, state.Room, count.Room = fill, works, &n
	case "person":
		media.Person, state.Person, count.Person = fill, works, &n
	case "exitSlot":
		media.ExitSlot, state.ExitSlot, count.ExitSlot = fill, works, &n
	default:
		if media.Extra == nil {
			media.Extra, state.Extra, count.Extra = map[string]camera.MediaState{}, map[string]camera.CamerasState{}, map[string]int{}
		}
		media.Extra[o.name], state.Extra[o.name], count.Extra[o.name] = fill, works, n
	}
}

func (o *one) works() camera.CamerasState {
	if o.broken || o.hung {
		return camera.CamerasStateInop
	}
	return camera.CamerasStateOk
}

func (c *Cameras) fill(o *one) camera.MediaThresholdEventMediaThreshold {
	switch n := len(o.pictures); {
	case n >= c.most:
		return camera.MediaThresholdEventMediaThresholdFull
	case n*10 >= c.most*9:
		return camera.MediaThresholdEventMediaThresholdHigh
	}
	return camera.MediaThresholdEventMediaThresholdOk
}

// changed tells a change; the lock is held.
func (c *Cameras) changed() {
	for _, o := range c.all {
		if now := c.fill(o); now != o.told {
			o.told = now
			c.Say(&camera.MediaThresholdEvent{MediaThreshold: now})
		}
	}
	c.Show(c.status())
}

// take is Camera.TakePicture.
func (c *Cameras) take(_ context.Context, cmd *host.Command, req *camera.TakePictureCommand) (*camera.TakePictureCompletion, error) {
	c.Lock()
	defer c.Unlock()
	if req.Camera == "" {
		return nil, chassis.Invalid("the camera is missing")
	}
	o := c.find(string(req.Camera))
	if o == nil {
		return nil, host.Fail(camera.TakePictureErrorCodeCameraNotSupported, "there is no such camera")
	}
	text := []rune(req.CamData)
	if len(text) > maxText {
		text = text[:maxText]
		if err := cmd.Event(&camera.InvalidDataEvent{}); err != nil {
			return nil, err
		}
	}
	data, err := c.shoot(o, string(text))
	if err != nil {
		return nil, err
	}
	return &camera.TakePictureCompletion{PictureFile: data}, nil
}

// shoot takes a picture and keeps it; the lock is held.
func (c *Cameras) shoot(o *one, text string) ([]byte, error) {
	switch {
	case o.broken, o.hung:
		return nil, host.Fail(camera.TakePictureErrorCodeCameraInoperable, "the camera does not work")
	case len(o.pictures) >= c.most:
		return nil, host.Fail(camera.TakePictureErrorCodeMediaFull, "the medium is full")
	}
	p := picture{name: fmt.Sprintf("%s-%06d.png", o.name, o.next), data: draw(o, c.now(), text)}
	data := p.data
	if c.fsys != nil {
		if err := durable.Replace(c.fsys, path.Join(c.dir, p.name), data); err != nil {
			return nil, chassis.Broken("the picture could not be stored: " + err.Error())
		}
		p.data = nil
	}
	o.next++
	o.pictures = append(o.pictures, p)
	c.changed()
	return data, nil
}

// reset is Camera.Reset: cameras that hang work again; pictures stay.
func (c *Cameras) reset(context.Context, *host.Command, *camera.ResetCommand) (*camera.ResetCompletion, error) {
	c.Lock()
	defer c.Unlock()
	working := false
	for _, o := range c.all {
		o.hung = false
		working = working || !o.broken
	}
	c.changed()
	if !working {
		return nil, chassis.Broken("no camera works")
	}
	return nil, nil
}
