package camera

import (
	"fmt"
	"path"
	"slices"

	"github.com/plomb-pos/plomb/driver/sim/chassis"
	"github.com/plomb-pos/plomb/driver/sim/panel"
	"github.com/plomb-pos/plomb/internal/durable"
)

// scenes are what a camera may look at.
var scenes = []string{"nobody", "customer", "two people", "masked person", "hand in the slot"}

func (c *Cameras) with(name string, do func(*one) error) error {
	c.Lock()
	defer c.Unlock()
	o := c.find(name)
	if o == nil {
		return fmt.Errorf("there is no camera %.40q", name)
	}
	err := do(o)
	c.changed()
	return err
}

// Scene changes what a camera looks at.
func (c *Cameras) Scene(name, scene string) error {
	if !slices.Contains(scenes, scene) {
		return fmt.Errorf("there is no scene %.40q", scene)
	}
	return c.with(name, func(o *one) error { o.scene = scene; return nil })
}

// Trigger takes a picture by the camera's own button, not by a client.
func (c *Cameras) Trigger(name string) error {
	return c.with(name, func(o *one) error { _, err := c.shoot(o, "by its own trigger"); return err })
}

// Cover puts something on the lens, or takes it away.
func (c *Cameras) Cover(name string, covered bool) error {
	return c.with(name, func(o *one) error { o.covered = covered; return nil })
}

// Hang makes a camera inoperative until Camera.Reset.
func (c *Cameras) Hang(name string) error {
	return c.with(name, func(o *one) error { o.hung = true; return nil })
}

// Break makes it inoperative until Repair.
func (c *Cameras) Break(name string) error {
	return c.with(name, func(o *one) error { o.broken = true; return nil })
}

// Repair makes it work again, with a clean lens.
func (c *Cameras) Repair(name string) error {
	return c.with(name, func(o *one) error { o.broken, o.hung, o.covered = false, false, false; return nil })
}

// ChangeMedium puts an empty medium in: the pictures of that camera are gone.
func (c *Cameras) ChangeMedium(name string) error {
	return c.with(name, func(o *one) error {
		if c.fsys != nil {
			for _, p := range o.pictures {
				if err := durable.RemoveIfExists(c.fsys, path.Join(c.dir, p.name)); err != nil {
					return fmt.Errorf("change medium: %w", err)
				}
			}
			if err := c.fsys.SyncDir(c.folder()); err != nil {
				return fmt.Errorf("change medium: %w", err)
			}
		}
		o.pictures = nil
		return nil
	})
}

// State is what the page shows.
type State struct {
	Cameras []View `json:"cameras"`
}

// View is one camera as the page shows it.
type View struct {
	Name     string   `json:"name"`
	Scene    string   `json:"scene"`
	Scenes   []string `json:"scenes"`
	Covered  bool     `json:"covered"`
	Works    bool     `json:"works"`
	Medium   string   `json:"medium"` // ok, high, full
	Count    int      `json:"count"`
	Most     int      `json:"most"`
	Pictures []string `json:"pictures"` // names of the last ones, newest first
}

// lastPictures is how many the page shows of each camera.
const lastPictures = 6

// State is a State.
func (c *Cameras) State() any {
	c.Lock()
	defer c.Unlock()
	s := State{Cameras: []View{}}
	for _, o := range c.all {
		v := View{o.name, o.scene, scenes, o.covered, !o.broken && !o.hung, string(c.fill(o)), len(o.pictures), c.most, []string{}}
		for i := len(o.pictures) - 1; i >= max(0, len(o.pictures)-lastPictures); i-- {
			v.Pictures = append(v.Pictures, o.pictures[i].name)
		}
		s.Cameras = append(s.Cameras, v)
	}
	return s
}

// maxPicture bounds a picture's file in bytes.
const maxPicture = 1 << 20

// Picture is one that was taken.
func (c *Cameras) Picture(name string) ([]byte, error) {
	c.Lock()
	defer c.Unlock()
	for _, o := range c.all {
		i := slices.IndexFunc(o.pictures, func(p picture) bool { return p.name == name })
		if i >= 0 && o.pictures[i].data != nil {
			return slices.Clone(o.pictures[i].data), nil
		}
		if i >= 0 {
			return durable.ReadFile(c.fsys, path.Join(c.dir, name), maxPicture)
		}
	}
	return nil, chassis.ErrNoPicture
}

// Acts lists what can be done.
func (c *Cameras) Acts() []panel.Act {
	var names []string
	for _, o := range c.all {
		names = append(names, o.name)
	}
	which := panel.Arg{Name: "camera", Label: "Camera", Default: names[0], Choices: names}
	act := func(name, label string, kind panel.Kind, do func(string) error) panel.Act {
		return panel.Act{Name: name, Label: label, Kind: kind, Args: []panel.Arg{which}, Do: func(v panel.Values) error { return do(v["camera"]) }}
	}
	return []panel.Act{
		{Name: "scene", Label: "Before it stands", Kind: panel.Hand, Args: []panel.Arg{which, {Name: "scene", Label: "Scene", Default: scenes[1], Choices: scenes}},
			Do: func(v panel.Values) error { return c.Scene(v["camera"], v["scene"]) }},
		act("trigger", "Take a picture", panel.Hand, c.Trigger),
		act("cover", "Cover the lens", panel.Fault, func(n string) error { return c.Cover(n, true) }),
		act("hang", "Let it hang", panel.Fault, c.Hang),
		act("break", "Break it", panel.Fault, c.Break),
		act("repair", "Repair it", panel.Repair, c.Repair),
		act("medium", "Change its medium", panel.Repair, c.ChangeMedium),
	}
}
