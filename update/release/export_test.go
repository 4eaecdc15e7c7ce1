package release

import (
	"fmt"
	"reflect"
	"slices"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/update/keeper"
)

// Doors for tests: the same on another file system.
var (
	InitOn           = initOn
	OpenReleaseOn    = openReleaseOn
	OpenRepositoryOn = openRepositoryOn
	ReadAccessOn     = readAccess
)

// OpenOfficeOn opens an office whose new keys are quick to open.
func OpenOfficeOn(fsys durable.FS, dir string, unlock Unlock) (*Office, error) {
	o, err := openOfficeOn(fsys, dir, unlock)
	if err == nil {
		o.ring.folder.Work = 1
	}
	return o, err
}

// CheckTree looks whether the office's tree verifies and its root names exactly the keys
// of its card.
func (o *Office) CheckTree() error {
	t, err := readTree(o.disk, o.path("metadata"))
	if err != nil {
		return err
	}
	for _, name := range tufRoles {
		var want []string
		for _, k := range o.Card.role(name).Keys {
			key, _ := o.Card.key(k)
			want = append(want, string(key.Public))
		}
		var got []string
		for _, id := range t.root.Signed.Roles[name].KeyIDs {
			pub, err := t.root.Signed.Keys[id].ToPublicKey()
			if err != nil {
				return err
			}
			if i := slices.IndexFunc(o.Card.Keys, func(k Key) bool {
				own, err := keeper.PublicKey(keeper.Kind(k.Kind), k.Public)
				return err == nil && reflect.DeepEqual(own, pub)
			}); i >= 0 {
				got = append(got, string(o.Card.Keys[i].Public))
			}
		}
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(want, got) {
			return fmt.Errorf("role %s: root and card name other keys", name)
		}
	}
	return nil
}

// CheckPublished looks whether every tree of a repository verifies and holds what it names.
func (p *Repository) CheckPublished() error {
	for _, party := range []Party{Maker, Authority} {
		names, err := p.fsys.ReadDir(p.path(string(party)))
		if isMissing(err) {
			continue
		}
		if err != nil {
			return err
		}
		for _, name := range names {
			dir := p.path(p.treeDir(party, name))
			if _, err := durable.ReadFile(p.fsys, dir+"/timestamp.json", maxMetadata); isMissing(err) {
				continue // not published yet
			}
			t, err := readTree(p.fsys, dir)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			for target := range t.targets.Signed.Targets {
				if _, err := t.target(p.fsys, p.path("targets"), target); err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
			}
		}
	}
	return nil
}
