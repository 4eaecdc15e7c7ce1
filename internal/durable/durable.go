// Package durable is the small file system that plomb's trusted parts write
// through: the journal, the slot table, the caches that matter.
//
// It exists for two reasons. It names exactly the operations whose behaviour at
// a loss of power is known, so that nothing is written that nobody has thought
// about; and it can be replaced by a disk in memory that loses power, so that
// every one of those thoughts is tested (package internal/powercut).
//
// # Promises
//
// When File.Sync has returned nil, data and size of the file are kept. When
// FS.SyncDir has returned nil, the names in the directory are kept. Nothing else
// is promised: unsynced bytes may be kept in part, sector by sector, in any
// order, and a new name may be kept without the file's bytes.
//
// After an error of Sync or SyncDir the state on disk is unknown and a second
// call that returns nil proves nothing (Linux reports a failed write-back once
// and marks the pages clean). The caller stops, opens again and verifies.
//
// # What it does not do
//
// No retries, no buffering, no permissions beyond 0600 and 0700 (but for OS.Chmod),
// no walking of trees. It does not hide that a name is durable only after SyncDir of its
// directory; Replace does those steps in their order for a whole small file.
//
//	err := durable.Replace(durable.OS{}, "/var/lib/plomb/head", data)
package durable

import (
	"errors"
	"fmt"
	"path"
)

// ErrLocked says that another process, or another opener in this one, holds the lock.
var ErrLocked = errors.New("locked by another opener")

// TempSuffix ends the name of a file that Replace has not yet put in place. A
// leftover with this suffix was never in force and may be removed.
const TempSuffix = ".new"

// Replace makes data the content of name, atomically: after a loss of power name
// holds what it held before or all of data. When Replace returns nil it is data.
// After an error it is one of the two. Only one Replace of a name may run at a time.
func Replace(fsys FS, name string, data []byte) error {
	temp := name + TempSuffix
	// A crash before the rename leaves only the temporary file: the next Replace removes it.
	if err := writeNew(fsys, temp, data); err != nil {
		return fmt.Errorf("replace %s: %w", name, err)
	}
	// A crash after the rename keeps either name's content; the bytes are synced already.
	if err := fsys.Rename(temp, name); err != nil {
		return fmt.Errorf("replace %s: %w", name, err)
	}
	if err := fsys.SyncDir(path.Dir(name)); err != nil {
		return fmt.Errorf("replace %s: %w", name, err)
	}
	return nil
}

func writeNew(fsys FS, name string, data []byte) error {
	if err := RemoveIfExists(fsys, name); err != nil {
		return err
	}
	f, err := fsys.Create(name)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(data, 0)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}
