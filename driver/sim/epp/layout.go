package epp

import (
	"crypto/rand"
	"fmt"
	"math/big"

	"github.com/plomb-pos/plomb/driver/sim/chassis"
	"github.com/plomb-pos/plomb/xfs4iot/keyboard"
)

// The touch screen in pixels, and what fits on it.
const (
	screenWidth, screenHeight = 800, 600
	maxFrames, maxTouchKeys   = 4, 60
)

var digitKeys = [10]string{"zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"}

// standardLayout is the keypad as it is built: four columns of keys, and four
// function display keys on each side of the screen.
func standardLayout() keyboard.Layout {
	return keyboard.Layout{
		Data:   []keyboard.LayoutFrame{pad("decPoint", "doubleZero", "", nil), fdks(0, 1), fdks(screenWidth, 5)},
		Pin:    []keyboard.LayoutFrame{pad("", "", "", nil), fdks(0, 1), fdks(screenWidth, 5)},
		Secure: []keyboard.LayoutFrame{pad("", "", "shift", shifted), fdks(0, 1), fdks(screenWidth, 5)},
	}
}

// shifted are the letters that six digits stand for after Shift.
var shifted = map[string]string{"one": "a", "two": "b", "three": "c", "four": "d", "five": "e", "six": "f"}

// pad is the block of physical keys; "" leaves a place empty.
func pad(left, right, shift string, second map[string]string) keyboard.LayoutFrame {
	f := keyboard.LayoutFrame{XPos: new(0), YPos: new(0), XSize: new(0), YSize: new(0)}
	for i, name := range []string{
		"one", "two", "three", "cancel", "four", "five", "six", "clear", "seven", "eight", "nine", "backspace",
		left, "zero", right, "enter", shift, "help",
	} {
		if name != "" {
			f.Keys = append(f.Keys, keyboard.Key{XPos: new(250 * (i % 4)), YPos: new(200 * (i / 4)), XSize: new(200), YSize: new(150), Key: name, ShiftKey: second[name]})
		}
	}
	return f
}

// fdks are the keys beside the screen.
func fdks(x, first int) keyboard.LayoutFrame {
	f := keyboard.LayoutFrame{XPos: new(x), YPos: new(0), XSize: new(0), YSize: new(screenHeight)}
	for i := range 4 {
		f.Keys = append(f.Keys, keyboard.Key{XPos: new(0), YPos: new(150 * i), XSize: new(50), YSize: new(50), Key: fmt.Sprintf("fdk%02d", first+i)})
	}
	return f
}

// frames are those of an entry mode.
func (e *EPP) frames(m mode) []keyboard.LayoutFrame {
	switch m {
	case dataMode:
		return e.layout.Data
	case pinMode:
		return e.layout.Pin
	}
	return e.layout.Secure
}

// has says whether the layout of a mode has a key, shifted or not.
func (e *EPP) has(m mode, name string) bool {
	for _, f := range e.frames(m) {
		for _, k := range f.Keys {
			if k.Key == name || k.ShiftKey == name {
				return true
			}
		}
	}
	return false
}

// float gives the frames of an entry; those that float are somewhere else each time.
// moved says whether any is.
func (e *EPP) float(m mode) (out []keyboard.LayoutFrame, moved bool) {
	for _, f := range e.frames(m) {
		if f.Float != nil && yes(f.Float.X) {
			f.XPos, moved = new(somewhere(screenWidth-*f.XSize)), true
		}
		if f.Float != nil && yes(f.Float.Y) {
			f.YPos, moved = new(somewhere(screenHeight-*f.YSize)), true
		}
		out = append(out, f)
	}
	return out, moved
}

func somewhere(room int) int {
	n, err := rand.Int(rand.Reader, big.NewInt(int64(room)+1))
	if err != nil {
		return 0
	}
	return int(n.Int64())
}

// define replaces the layouts that are given.
func (e *EPP) define(l *keyboard.Layout) error {
	if !e.o.Touch {
		return chassis.Refused("the keys of this keypad are where they are")
	}
	if l == nil || l.Data == nil && l.Pin == nil && l.Secure == nil {
		return chassis.Invalid("no layout is given")
	}
	for _, frames := range [][]keyboard.LayoutFrame{l.Data, l.Pin, l.Secure} {
		if err := checkFrames(frames); err != nil {
			return err
		}
	}
	for _, set := range []struct{ to, from *[]keyboard.LayoutFrame }{{&e.layout.Data, &l.Data}, {&e.layout.Pin, &l.Pin}, {&e.layout.Secure, &l.Secure}} {
		if *set.from != nil {
			*set.to = *set.from
		}
	}
	return nil
}

type rectangle struct{ x, y, width, height int }

// area reads four sizes; ok is false when one is missing.
func area(x, y, width, height *int) (r rectangle, ok bool) {
	if x == nil || y == nil || width == nil || height == nil {
		return r, false
	}
	return rectangle{*x, *y, *width, *height}, *width > 0 && *height > 0
}

// within is careful of sums that overflow.
func (r rectangle) within(width, height int) bool {
	return r.x <= width && r.y <= height && r.width <= width-r.x && r.height <= height-r.y
}

func (r rectangle) overlaps(other rectangle) bool {
	return r.x < other.x+other.width && other.x < r.x+r.width && r.y < other.y+other.height && other.y < r.y+r.height
}

func overlap(r rectangle, others []rectangle) bool {
	for _, o := range others {
		if r.overlaps(o) {
			return true
		}
	}
	return false
}

func checkFrames(frames []keyboard.LayoutFrame) error {
	if len(frames) > maxFrames {
		return refuse("tooManyFrames", fmt.Sprintf("at most %d frames", maxFrames))
	}
	seen, areas := map[string]bool{}, []rectangle(nil)
	for _, f := range frames {
		r, ok := area(f.XPos, f.YPos, f.XSize, f.YSize)
		switch {
		case !ok || !r.within(screenWidth, screenHeight):
			return refuse("frameCoordinate", "a frame is not on the screen")
		case overlap(r, areas):
			return refuse("frameOverlap", "two frames overlap")
		case len(f.Keys) > maxTouchKeys:
			return refuse("tooManyKeys", fmt.Sprintf("at most %d keys", maxTouchKeys))
		}
		areas = append(areas, r)
		if err := checkKeys(f.Keys, r, seen); err != nil {
			return err
		}
	}
	return nil
}

func checkKeys(keys []keyboard.Key, frame rectangle, seen map[string]bool) error {
	var areas []rectangle
	for _, k := range keys {
		r, ok := area(k.XPos, k.YPos, k.XSize, k.YSize)
		switch {
		case !ok || !r.within(frame.width, frame.height):
			return refuse("keyCoordinate", "a key is not in its frame")
		case overlap(r, areas):
			return refuse("keyOverlap", "two keys overlap")
		case k.Key == "" || seen[k.Key] || k.ShiftKey != "" && seen[k.ShiftKey]:
			return refuse("keyAlreadyDefined", "a key is defined twice")
		}
		areas = append(areas, r)
		seen[k.Key] = true
		if k.ShiftKey != "" {
			seen[k.ShiftKey] = true
		}
	}
	return nil
}

func yes(b *bool) bool { return b != nil && *b }
