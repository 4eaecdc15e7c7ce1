package redo

import (
	"cmp"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"path"
	"slices"

	"github.com/plomb-pos/plomb/internal/durable"
)

// openFile opens the file, or makes it. One of another size was never in use: a
// log is renamed into place when it is whole.
func openFile(fsys durable.FS, name string) (durable.File, error) {
	f, err := fsys.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return makeFile(fsys, name)
	}
	if err != nil {
		return nil, err
	}
	size, err := f.Size()
	if err != nil || size == Size {
		return f, err
	}
	if err := errors.Join(f.Close(), fsys.Remove(name)); err != nil {
		return nil, err
	}
	return makeFile(fsys, name)
}

// makeFile puts a file of zeros in place, with its room on the disk reserved.
func makeFile(fsys durable.FS, name string) (durable.File, error) {
	temp := name + durable.TempSuffix
	if err := durable.RemoveIfExists(fsys, temp); err != nil {
		return nil, err
	}
	f, err := fsys.Create(temp)
	if err != nil {
		return nil, err
	}
	_, err = f.WriteAt(make([]byte, Size), 0)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = fsys.Rename(temp, name)
	}
	if err == nil {
		err = fsys.SyncDir(path.Dir(name))
	}
	if err != nil {
		return nil, errors.Join(err, durable.RemoveIfExists(fsys, temp))
	}
	return fsys.Open(name)
}

// scan finds the records of the mark's session behind the mark.
func (l *Log) scan(mark Mark) ([]Record, error) {
	buf := make([]byte, Size)
	if n, err := l.file.ReadAt(buf, 0); n < len(buf) {
		return nil, errors.Join(err, io.ErrUnexpectedEOF)
	}
	l.session, l.number = mark.Session, mark.Number
	var out []Record
	for offset := 0; offset < Size; offset += sector {
		r, ok := l.record(buf, offset, mark)
		if ok {
			out = append(out, r)
			l.kept = append(l.kept, span{r.Number, uint32(offset), uint32(offset) + space(len(r.Data))})
		}
	}
	slices.SortFunc(out, func(a, b Record) int { return cmp.Compare(a.Number, b.Number) })
	slices.SortFunc(l.kept, func(a, b span) int { return cmp.Compare(a.number, b.number) })
	if n := len(l.kept); n > 0 {
		l.number, l.next = l.kept[n-1].number, l.kept[n-1].limit
	}
	return out, nil
}

// record opens the record at an offset, if there is one that is asked for.
func (l *Log) record(buf []byte, offset int, mark Mark) (r Record, ok bool) {
	b := buf[offset:]
	length := int(binary.BigEndian.Uint32(b[8:]))
	switch {
	case binary.BigEndian.Uint32(b) != magic || b[4] != version:
		return r, false
	case length < overhead-header || length > min(len(b)-header, MaxRecord+overhead-header):
		return r, false
	case int(binary.BigEndian.Uint32(b[12:])) != offset || binary.BigEndian.Uint64(b[16:]) != mark.Session:
		return r, false
	}
	if r.Number = binary.BigEndian.Uint64(b[24:]); r.Number <= mark.Number {
		return r, false
	}
	data, err := l.seal.Open(nil, nil, b[header:header+length], b[:header])
	r.Data = data
	return r, err == nil
}

// Missing counts the records that are not there between those that are, behind a
// mark: more than none means damage.
func Missing(records []Record, mark Mark) uint64 {
	if len(records) == 0 {
		return 0
	}
	return records[len(records)-1].Number - mark.Number - uint64(len(records))
}
