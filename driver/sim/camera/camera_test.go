package camera_test

import (
	"bytes"
	"image/png"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plomb-pos/plomb/driver/sim/camera"
	"github.com/plomb-pos/plomb/driver/sim/simtest"
	"github.com/plomb-pos/plomb/internal/powercut"
	"github.com/plomb-pos/plomb/xfs4iot"
	xfs "github.com/plomb-pos/plomb/xfs4iot/camera"
	"github.com/plomb-pos/plomb/xfs4iot/common"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func serve(t *testing.T, o camera.Options) (*camera.Cameras, *simtest.Client) {
	t.Helper()
	if o.Now == nil {
		o.Now = func() time.Time { return noon }
	}
	c, err := camera.New("Cameras", o)
	if err != nil {
		t.Fatal(err)
	}
	return c, simtest.Serve(t, c.Service())
}

func take(c *simtest.Client, which xfs.TakePictureCommandCamera, text string) ([]byte, []string, string) {
	got, events, err := simtest.Do(c, xfs.TakePicture, &xfs.TakePictureCommand{Camera: which, CamData: text})
	if got == nil {
		return nil, events.Names(), simtest.Code(err)
	}
	return got.PictureFile, events.Names(), simtest.Code(err)
}

// Requirement: XFS-03
func TestEveryCommandIsServed(t *testing.T) {
	_, c := serve(t, camera.Options{})
	simtest.ServesAll(t, c, xfs.Description)
	simtest.Conforms(t, c, xfs4iot.CommandInfo{})
}

// Requirement: XFS-12
func TestXFS12SeveralCamerasOnOneServiceAreReportedRight(t *testing.T) {
	d, c := serve(t, camera.Options{Cameras: []string{"room", "person", "backYard"}, MaxPictures: 2})
	caps, _ := simtest.Must(c, common.Capabilities, nil)
	want := &xfs.CapabilitiesCameras{Room: new(true), Person: new(true), ExitSlot: new(false), Extra: map[string]bool{"backYard": true}}
	if diff := cmp.Diff(want, caps.Camera.Cameras); diff != "" {
		t.Errorf("capabilities: %s", diff)
	}
	for range 2 {
		if _, _, code := take(c, "person", ""); code != "success" {
			t.Fatal(code)
		}
	}
	if err := d.Break("room"); err != nil {
		t.Fatal(err)
	}
	if err := d.Trigger("backYard"); err != nil {
		t.Fatal(err)
	}
	got, _ := simtest.Must(c, common.Status, nil)
	status := &xfs.Status{
		Media:    &xfs.StatusMedia{Room: "ok", Person: "full", Extra: map[string]xfs.MediaState{"backYard": "ok"}},
		Cameras:  &xfs.StatusCameras{Room: "inop", Person: "ok", Extra: map[string]xfs.CamerasState{"backYard": "ok"}},
		Pictures: &xfs.StatusPictures{Room: new(0), Person: new(2), Extra: map[string]int{"backYard": 1}},
	}
	if diff := cmp.Diff(status, got.Camera); diff != "" {
		t.Errorf("status: %s", diff)
	}
	var event common.StatusChangedEvent
	c.Heard(&event)
	if event.Camera.Pictures == nil || *event.Camera.Pictures.Person != 1 || event.Camera.Pictures.Room != nil {
		t.Errorf("the first event tells %+v", event.Camera.Pictures)
	}
	for which, want := range map[xfs.TakePictureCommandCamera]string{"room": "cameraInoperable", "person": "mediaFull", "exitSlot": "cameraNotSupported", "": "invalidData"} {
		if _, _, code := take(c, which, ""); code != want {
			t.Errorf("picture of %q: %s, want %s", which, code, want)
		}
	}
}

func TestAPictureShowsTheSceneTheTimeAndTheText(t *testing.T) {
	d, c := serve(t, camera.Options{})
	empty, _, _ := take(c, "person", "withdrawal 17")
	if err := d.Scene("person", "masked person"); err != nil {
		t.Fatal(err)
	}
	masked, _, _ := take(c, "person", "withdrawal 17")
	other, _, _ := take(c, "person", "withdrawal 18")
	for _, data := range [][]byte{empty, masked, other} {
		picture, err := png.Decode(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		if size := picture.Bounds().Size(); size.X != 320 || size.Y != 240 {
			t.Errorf("a picture of %v", size)
		}
	}
	if bytes.Equal(empty, masked) || bytes.Equal(masked, other) {
		t.Error("scene or text does not show")
	}
	if err := d.Cover("person", true); err != nil {
		t.Fatal(err)
	}
	if covered, _, code := take(c, "person", "withdrawal 18"); code != "success" || bytes.Equal(covered, other) {
		t.Errorf("a covered lens shows the same: %s", code)
	}
	state := d.State().(camera.State)
	last, err := d.Picture(state.Cameras[1].Pictures[1])
	if err != nil || !bytes.Equal(last, other) {
		t.Errorf("the page does not show the last picture but one: %v", err)
	}
	if _, err := d.Picture("person-999999.png"); err == nil {
		t.Error("a picture that nobody took")
	}
}

func TestATextThatIsTooLongIsToldAndCut(t *testing.T) {
	_, c := serve(t, camera.Options{})
	_, events, code := take(c, "room", strings.Repeat("x", 49))
	if diff := cmp.Diff([]string{"Camera.InvalidDataEvent"}, events); diff != "" || code != "success" {
		t.Errorf("%s %s", code, diff)
	}
	if _, events, _ := take(c, "room", strings.Repeat("x", 48)); len(events) != 0 {
		t.Errorf("events %q", events)
	}
}

func TestTheMediumTellsItsThresholds(t *testing.T) {
	d, c := serve(t, camera.Options{MaxPictures: 10})
	for range 10 {
		if _, _, code := take(c, "room", ""); code != "success" {
			t.Fatal(code)
		}
	}
	if err := d.ChangeMedium("room"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []xfs.MediaThresholdEventMediaThreshold{"high", "full", "ok"} {
		var event xfs.MediaThresholdEvent
		if c.Heard(&event); event.MediaThreshold != want {
			t.Errorf("threshold %s, want %s", event.MediaThreshold, want)
		}
	}
}

func TestResetFreesWhatHangsAndKeepsThePictures(t *testing.T) {
	d, c := serve(t, camera.Options{})
	if _, _, code := take(c, "room", ""); code != "success" {
		t.Fatal(code)
	}
	if err := d.Hang("room"); err != nil {
		t.Fatal(err)
	}
	if _, _, code := take(c, "room", ""); code != "cameraInoperable" {
		t.Errorf("a hanging camera: %s", code)
	}
	simtest.Must(c, xfs.Reset, nil)
	if _, _, code := take(c, "room", ""); code != "success" {
		t.Error(code)
	}
	if s, _ := simtest.Must(c, common.Status, nil); *s.Camera.Pictures.Room != 2 {
		t.Errorf("%d pictures", *s.Camera.Pictures.Room)
	}
	for _, name := range []string{"room", "person", "exitSlot"} {
		if err := d.Break(name); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := simtest.Do(c, xfs.Reset, nil); simtest.Code(err) != "hardwareError" {
		t.Errorf("reset of broken cameras = %v", err)
	}
}

func TestPicturesSurviveALossOfPowerAtAnyMoment(t *testing.T) {
	for seed := range uint64(10) {
		rng := rand.New(rand.NewPCG(seed, 3))
		disk := powercut.New()
		_, c := serve(t, camera.Options{FS: disk})
		acknowledged, running := 0, 0
		disk.Before(func(powercut.Op) {
			again, err := camera.New("Cameras", camera.Options{FS: disk.Cut(rng, powercut.AnyKeep(rng))})
			if err != nil {
				t.Errorf("seed %d: %v", seed, err)
				return
			}
			view := again.State().(camera.State).Cameras[1]
			if view.Count != acknowledged && view.Count != running {
				t.Errorf("seed %d: %d pictures, want %d or %d", seed, view.Count, acknowledged, running)
			}
			for _, name := range view.Pictures {
				data, err := again.Picture(name)
				if err == nil {
					_, err = png.Decode(bytes.NewReader(data))
				}
				if err != nil {
					t.Errorf("seed %d: %s: %v", seed, name, err)
				}
			}
		})
		for range 4 {
			running = acknowledged + 1
			if _, _, code := take(c, "person", ""); code != "success" {
				t.Fatal(code)
			}
			acknowledged = running
		}
	}
}

func TestNamesThatAreNoneAreRefused(t *testing.T) {
	for _, names := range [][]string{{"a/b"}, {"room", "room"}, {""}} {
		if _, err := camera.New("Cameras", camera.Options{Cameras: names}); err == nil {
			t.Errorf("cameras %q were made", names)
		}
	}
}
