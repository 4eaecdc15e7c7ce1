package slot

import (
	"bytes"
	"fmt"

	"github.com/plomb-pos/plomb/internal/durable"
)

// The two copies lie apart, so that one damaged place does not take both.
const (
	secondAt = 64 << 10
	fileSize = secondAt + sectorSize
)

// File is the slot table on disk. One process has it open at a time; the lock on
// the boot folder sees to that.
type File struct {
	fsys  durable.FS
	name  string
	table Table
	next  int64 // where the next write goes: the copy that does not hold table
}

// Create makes the table of a new device, at its full size. It never replaces one.
func Create(fsys durable.FS, dir, name string, t Table) error {
	f, err := fsys.Create(name)
	if err != nil {
		return fmt.Errorf("create slot table: %w", err)
	}
	defer f.Close()
	t.Generation = 1
	image := make([]byte, fileSize)
	copy(image, t.encode())
	copy(image[secondAt:], t.encode())
	if _, err := f.WriteAt(image, 0); err != nil {
		return fmt.Errorf("create slot table: %w", err)
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("create slot table: %w", err)
	}
	if err := fsys.SyncDir(dir); err != nil {
		return fmt.Errorf("create slot table: %w", err)
	}
	return nil
}

// Open reads the table: the newest copy that is whole. repaired says that the other
// one was not and has been written again. With no whole copy it returns ErrLost.
func Open(fsys durable.FS, name string) (out *File, repaired bool, err error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, false, fmt.Errorf("open slot table: %w", err)
	}
	defer f.Close()
	first, err1 := readSector(f, 0)
	second, err2 := readSector(f, secondAt)
	out = &File{fsys: fsys, name: name}
	switch {
	case err1 != nil && err2 != nil:
		return nil, false, fmt.Errorf("%w: %w; %w", ErrLost, err1, err2)
	case err2 != nil || (err1 == nil && first.Generation >= second.Generation):
		out.table, out.next = first, secondAt
	default:
		out.table, out.next = second, 0
	}
	if err1 == nil && err2 == nil {
		return out, false, nil
	}
	return out, true, out.put(f, out.table)
}

func readSector(f durable.File, at int64) (Table, error) {
	sector := make([]byte, sectorSize)
	if _, err := f.ReadAt(sector, at); err != nil {
		return Table{}, fmt.Errorf("read copy at %d: %w", at, err)
	}
	return decode(sector)
}

// Table is what the table says.
func (f *File) Table() Table { return f.table }

// Write makes t what the table says. It does nothing when that is so already. When
// it returns nil, t survives a loss of power; after an error the table on disk is
// the old or the new one, and Open tells.
func (f *File) Write(t Table) error {
	t.Generation = f.table.Generation
	if t == f.table {
		return nil
	}
	file, err := f.fsys.Open(f.name)
	if err != nil {
		return fmt.Errorf("write slot table: %w", err)
	}
	defer file.Close()
	t.Generation++
	if err := f.put(file, t); err != nil {
		return err
	}
	f.table = t
	return nil
}

// put writes the copy that is not in force, syncs it and reads it back.
func (f *File) put(file durable.File, t Table) error {
	sector := t.encode()
	if _, err := file.WriteAt(sector, f.next); err != nil {
		return fmt.Errorf("write slot table: %w", err)
	}
	if err := file.Sync(); err != nil {
		return fmt.Errorf("write slot table: %w", err)
	}
	got := make([]byte, sectorSize)
	if _, err := file.ReadAt(got, f.next); err != nil || !bytes.Equal(got, sector) {
		return fmt.Errorf("write slot table: read back other bytes: %w", err)
	}
	f.next = secondAt - f.next
	return nil
}
