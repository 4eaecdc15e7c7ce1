package sample

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/slot"
)

// keepReleases is how many releases of each scope keep their files, the newest first:
// the one that comes, the one before, and one that was withdrawn between them.
const keepReleases = 3

// prune removes the files of releases that nobody can come to any more, and what the
// repository has for them: a till goes to newer releases only. Papers stay, for the
// history and for the numbers of those to come. base is the release that tills run,
// which stays whole. Cut in between, the next release prunes the rest.
func (w *World) prune(base manifest.Digest) error {
	dirs, err := filepath.Glob(w.path(releasesDir, "*"))
	if err != nil {
		return err
	}
	needed, left := map[string]bool{}, map[manifest.Scope]int{}
	var gone []string
	for _, dir := range slices.Backward(dirs) { // names have leading zeros: the newest first
		text, err := os.ReadFile(filepath.Join(dir, slot.ManifestFile))
		if errors.Is(err, fs.ErrNotExist) {
			continue // it was cut off before there was one
		}
		m, err := manifest.Parse(text)
		if err != nil {
			return fmt.Errorf("look through the sample's releases: %w", err)
		}
		if left[m.Scope]++; left[m.Scope] > keepReleases && manifest.Sum(text) != base {
			gone = append(gone, dir)
			continue
		}
		for _, c := range m.Components {
			for _, p := range c.Packs {
				needed[p.SHA256.String()] = true
			}
		}
	}
	return errors.Join(w.prunePacks(needed), removeFiles(gone))
}

// prunePacks removes the packs of the repository that no release that stays has.
func (w *World) prunePacks(needed map[string]bool) error {
	packs, err := filepath.Glob(w.path(repositoryDir, "packs", "*"))
	if err != nil {
		return err
	}
	for _, name := range packs {
		if !needed[filepath.Base(name)] {
			if err := os.Remove(name); err != nil {
				return err
			}
		}
	}
	return nil
}

// removeFiles removes the large files of releases' folders.
func removeFiles(dirs []string) (err error) {
	for _, dir := range dirs {
		for _, large := range []string{"components", "packs"} {
			err = errors.Join(err, os.RemoveAll(filepath.Join(dir, large)))
		}
	}
	return err
}
