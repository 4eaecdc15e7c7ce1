// Package inventory says of every part of a device how its software is replaced, or
// why it cannot be and what stands in for that (requirement CU-20): for the till's
// pages, for an inspector, and for whoever evaluates a device.
//
//	for _, p := range inventory.Parts() {
//		if p.By == inventory.Never { … p.Why, p.Instead … }
//	}
//	part, ok := inventory.Of("boot/device.key")
//	names, err := inventory.Unlisted(os.DirFS("/srv/till1/device")) // should be none
//
// The table is data: nothing reads it in order to decide. Its test holds it against the
// component kinds of package update/manifest, the files of a device as it is made, and
// the paper: one that no part covers fails.
//
// What it does not do: it opens no file of a device, and knows no versions (package
// update/attest does).
package inventory

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/plomb-pos/plomb/update/manifest"
)

// By is what replaces a part.
type By string

// The ways, from the easiest on.
const (
	Application By = "application release"  // into a slot, tried, kept or given up
	Platform    By = "platform release"     // an image through the machine's own updater
	Policy      By = "newer trust policy"   // named by all parties of the one in force
	Service     By = "service at the place" // under an authorisation of the seal; no release brings it
	Others      By = "its own maker's tools"
	Never       By = "nothing"
	Record      By = "no software" // data that the software writes
)

// Part is one part of a device.
type Part struct {
	Name    string
	By      By
	Kinds   []manifest.Kind // of components that are this part
	Paths   []string        // below the device's folder; one that ends in / or * covers all that begins so
	Why     string          // it is not brought by a release; empty: it is
	Instead string          // what makes up for that
}

// Parts are all parts of a device, the same each time.
func Parts() []Part { return slices.Clone(parts) }

// Fixed are the parts that no release replaces, software all of them.
func Fixed() []Part {
	return slices.DeleteFunc(Parts(), func(p Part) bool { return p.Why == "" || p.By == Record })
}

// platform is the folder of a machine's platforms in the device of its applications: a
// device's folder too, whose slots hold images.
const platform = "platform/"

// Of is the part that a file of the device's folder belongs to; name is
// slash-separated.
func Of(name string) (Part, bool) {
	if below, ok := strings.CutPrefix(name, platform); ok {
		if strings.HasPrefix(below, "slots/") {
			return OfKind(manifest.Image)
		}
		name = below
	}
	for _, p := range parts {
		for _, pattern := range p.Paths {
			if name == pattern || cover(pattern, name) {
				return p, true
			}
		}
	}
	return Part{}, false
}

// Unlisted are the files of a device's folder that belong to no part, in order: a device
// that has one is not what this table says.
func Unlisted(device fs.FS) (names []string, err error) {
	err = fs.WalkDir(device, ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		if _, ok := Of(name); !ok {
			names = append(names, name)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list a device's files: %w", err)
	}
	return names, nil
}

func cover(pattern, name string) bool {
	begin, many := strings.CutSuffix(pattern, "*")
	return (many || strings.HasSuffix(pattern, "/")) && strings.HasPrefix(name, begin)
}

// OfKind is the part that components of a kind are.
func OfKind(k manifest.Kind) (Part, bool) {
	i := slices.IndexFunc(parts, func(p Part) bool { return slices.Contains(p.Kinds, k) })
	if i < 0 {
		return Part{}, false
	}
	return parts[i], true
}
