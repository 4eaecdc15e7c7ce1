package durable

import (
	"errors"
	"io/fs"
	"path"
)

// RemoveAll removes a file or a folder with all that is in it; one that is not there
// is no error. Links are removed, never followed. Nothing is synced: after a loss of
// power any part may be there still.
func RemoveAll(fsys FS, name string) error {
	err := fsys.Remove(name)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	names, derr := fsys.ReadDir(name)
	if derr != nil {
		return err
	}
	for _, x := range names {
		if err := RemoveAll(fsys, path.Join(name, x)); err != nil {
			return err
		}
	}
	return fsys.Remove(name)
}
