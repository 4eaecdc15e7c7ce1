package durable

import "io"

// FS is the part of a file system that survives loss of power in a known way:
// what File.Sync and FS.SyncDir have returned for is kept; everything else may
// be kept, lost, or kept in part, sector by sector and name by name.
//
// Names are slash-separated and absolute or relative to the FS's root. A
// missing file is reported with fs.ErrNotExist, an existing one with
// fs.ErrExist. All methods may be called concurrently.
type FS interface {
	// Create makes a file that must not exist yet. Its name is durable only after SyncDir of its directory.
	Create(name string) (File, error)
	// Open opens an existing file for reading and writing.
	Open(name string) (File, error)
	// Rename replaces newname atomically; durable after SyncDir of the directory (of both, if they differ).
	Rename(oldname, newname string) error
	Remove(name string) error
	// Mkdir makes one directory that must not exist yet.
	Mkdir(name string) error
	// ReadDir lists the names in a directory in lexical order.
	ReadDir(name string) ([]string, error)
	// SyncDir makes the names in a directory durable.
	SyncDir(name string) error
	// Lock takes an exclusive lock for the life of the returned Closer; ErrLocked if another process or opener holds it.
	Lock(name string) (io.Closer, error)
}

// File is an open file.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	// Sync makes data and size durable (fdatasync). After an error the state on
	// disk is unknown and stays so: the caller must not retry.
	Sync() error
	Truncate(size int64) error
	Size() (int64, error)
}
