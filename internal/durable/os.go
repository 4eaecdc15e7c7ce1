package durable

import (
	"io"
	"io/fs"
	"os"
)

// OS is the operating system's file system. Files are made with mode 0600,
// directories with 0700: what plomb stores is for its own account only.
type OS struct{}

var _ FS = OS{}

// Create makes a file that must not exist yet.
func (OS) Create(name string) (File, error) {
	return openFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL)
}

// Open opens an existing file for reading and writing, or for reading alone
// where the account or the medium allows no more (an inspector's copy).
func (OS) Open(name string) (File, error) {
	f, err := openFile(name, os.O_RDWR)
	if err != nil && !os.IsNotExist(err) {
		if r, rerr := openFile(name, os.O_RDONLY); rerr == nil {
			return r, nil
		}
	}
	return f, err
}

func openFile(name string, flag int) (File, error) {
	f, err := os.OpenFile(name, flag, 0o600)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

// Rename replaces newname atomically (rename(2)).
func (OS) Rename(oldname, newname string) error { return os.Rename(oldname, newname) }

// Remove removes a file or an empty directory.
func (OS) Remove(name string) error { return os.Remove(name) }

// Mkdir makes one directory.
func (OS) Mkdir(name string) error { return os.Mkdir(name, 0o700) }

// ReadDir lists the names in a directory in lexical order.
func (OS) ReadDir(name string) ([]string, error) {
	entries, err := os.ReadDir(name)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names, nil
}

// SyncDir makes the names in a directory durable.
func (OS) SyncDir(name string) error {
	d, err := os.Open(name)
	if err != nil {
		return err
	}
	err = d.Sync()
	if cerr := d.Close(); err == nil {
		err = cerr
	}
	return err
}

// Chmod sets permission bits, for programs that an update installs. It is no part of
// FS: what depends on it must not depend on its surviving a loss of power.
func (OS) Chmod(name string, mode fs.FileMode) error { return os.Chmod(name, mode) }

// Mode is what name is, without following a link. It is not part of FS either.
func (OS) Mode(name string) (fs.FileMode, error) {
	info, err := os.Lstat(name)
	if err != nil {
		return 0, err
	}
	return info.Mode(), nil
}

// Lock takes an exclusive flock(2) on the file name, which it makes if it is
// missing. It ends with the Closer or with the process, whichever comes first.
func (OS) Lock(name string) (io.Closer, error) { return lock(name) }

type osFile struct{ *os.File }

// Sync makes data and size durable: fdatasync(2) where there is one.
func (f osFile) Sync() error { return datasync(f.File) }

func (f osFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}
