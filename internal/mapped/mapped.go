// Package mapped lets a whole file be read as bytes without having it in memory: its
// pages come from the disk when they are looked at and go when memory is short.
//
//	f, err := mapped.Open("component")
//	defer f.Close()
//	… f.Bytes() …
//
// The bytes are read only, and gone after Close. A file that is cut while it is
// mapped ends the program where its missing pages are read: map files that nobody
// else writes. Where the system maps no files the whole is read instead.
package mapped

import (
	"fmt"
	"os"
)

// File is a mapped file.
type File struct {
	data  []byte
	unmap func([]byte) error
}

// Open maps a regular file. An empty one has no bytes.
func Open(name string) (*File, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxInt {
		return nil, fmt.Errorf("map %s: not a file of at most %d bytes", name, maxInt)
	}
	if info.Size() == 0 {
		return &File{unmap: func([]byte) error { return nil }}, nil
	}
	out, err := open(f, int(info.Size()))
	if err != nil {
		return nil, fmt.Errorf("map %s: %w", name, err)
	}
	return out, nil
}

const maxInt = int64(^uint(0) >> 1)

// Bytes is the file; it must not be written to.
func (f *File) Bytes() []byte { return f.data }

// Close gives the bytes up.
func (f *File) Close() error {
	data := f.data
	f.data = nil
	return f.unmap(data)
}
