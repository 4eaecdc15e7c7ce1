package trust

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/update/manifest"
)

// A copy of a role's file: magic, generation, version, length of the data, all
// big-endian, SHA-256 over these and the data, the data.
const (
	copyMagic  = "plombtuf"
	copyFields = len(copyMagic) + 3*8
	copyHead   = copyFields + sha256.Size
	maxCopy    = 32 << 20
)

// Store keeps verified metadata of one repository. Each role has two files, ROLE.0
// and ROLE.1, written in turn, each whole and synced before it takes its name; so
// one good generation is there at any moment, and a file that is torn, empty or
// damaged is the same as one that is missing.
type Store struct {
	fsys durable.FS
	dir  string
}

// record is a whole copy.
type record struct {
	generation uint64
	version    uint64
	data       []byte
}

// OpenStore opens the store in dir, and makes the folder when it is missing; the
// folder above has to be there.
func OpenStore(fsys durable.FS, dir string) (*Store, error) {
	if err := fsys.Mkdir(dir); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("open store: %w", err)
	}
	if err := fsys.SyncDir(path.Dir(dir)); err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	return &Store{fsys: fsys, dir: dir}, nil
}

// anchorRole is the store's name for the first root that it was begun with.
const anchorRole = "anchor"

// begunWith clears a store that was begun with another first root: a new policy may
// give a party a new repository, and what was seen of the old one says nothing of it.
// Cut in between, it is done again.
func (s *Store) begunWith(root manifest.Digest) error {
	kept := s.load(anchorRole)
	if len(kept) > 0 && string(kept[0].data) == root.String() {
		return nil
	}
	if len(kept) > 0 {
		if err := s.clear(); err != nil {
			return err
		}
	}
	return s.put(anchorRole, 0, []byte(root.String()))
}

// clear forgets everything but which root the store was begun with.
func (s *Store) clear() error {
	names, err := s.fsys.ReadDir(s.dir)
	if err != nil {
		return fmt.Errorf("clear store: %w", err)
	}
	for _, n := range names {
		if strings.HasPrefix(n, anchorRole+".") {
			continue
		}
		if err := s.fsys.Remove(path.Join(s.dir, n)); err != nil {
			return fmt.Errorf("clear store: %w", err)
		}
	}
	return s.fsys.SyncDir(s.dir)
}

func (s *Store) name(role string, i int) string {
	return path.Join(s.dir, fmt.Sprintf("%s.%d", role, i))
}

// load gives the whole copies of a role, the newest first.
func (s *Store) load(role string) (out []record) {
	a, b := s.read(role, 0), s.read(role, 1)
	if a != nil && b != nil && b.generation > a.generation {
		a, b = b, a
	}
	for _, r := range []*record{a, b} {
		if r != nil {
			out = append(out, *r)
		}
	}
	return out
}

// read gives a copy that is whole, or nil: why it is not changes nothing.
func (s *Store) read(role string, i int) *record {
	text, err := durable.ReadFile(s.fsys, s.name(role, i), maxCopy)
	if err != nil {
		return nil
	}
	r, err := decodeCopy(text)
	if err != nil {
		return nil
	}
	return r
}

// put makes data the newest generation of a role. When it returns nil it survives a
// loss of power; cut before, the older generation does. A version below the newest
// one is refused with ErrRollback.
func (s *Store) put(role string, version uint64, data []byte) error {
	a, b := s.read(role, 0), s.read(role, 1)
	newest, to := a, 1
	if a == nil || b != nil && b.generation > a.generation {
		newest, to = b, 0
	}
	next := record{generation: 1, version: version, data: data}
	if newest != nil {
		if version < newest.version {
			return fmt.Errorf("keep %s: version %d below %d: %w", role, version, newest.version, ErrRollback)
		}
		if version == newest.version && bytes.Equal(data, newest.data) {
			return nil
		}
		next.generation = newest.generation + 1
	}
	if err := durable.Replace(s.fsys, s.name(role, to), next.encode()); err != nil {
		return fmt.Errorf("keep %s: %w", role, err)
	}
	return nil
}

// drop forgets roles, in the order given. Cut in between, some are left.
func (s *Store) drop(roles ...string) error {
	for _, role := range roles {
		for i := range 2 {
			if err := durable.RemoveIfExists(s.fsys, s.name(role, i)); err != nil {
				return fmt.Errorf("forget %s: %w", role, err)
			}
		}
	}
	if err := s.fsys.SyncDir(s.dir); err != nil {
		return fmt.Errorf("forget: %w", err)
	}
	return nil
}

func (r *record) encode() []byte {
	out := make([]byte, 0, copyHead+len(r.data))
	out = append(out, copyMagic...)
	out = binary.BigEndian.AppendUint64(out, r.generation)
	out = binary.BigEndian.AppendUint64(out, r.version)
	out = binary.BigEndian.AppendUint64(out, uint64(len(r.data)))
	sum := checksum(out, r.data)
	return append(append(out, sum[:]...), r.data...)
}

func decodeCopy(text []byte) (*record, error) {
	if len(text) < copyHead || string(text[:len(copyMagic)]) != copyMagic {
		return nil, fmt.Errorf("%w: no copy of metadata", ErrMalformed)
	}
	fields, data := text[len(copyMagic):], text[copyHead:]
	sum := checksum(text[:copyFields], data)
	if !bytes.Equal(sum[:], text[copyFields:copyHead]) || binary.BigEndian.Uint64(fields[16:]) != uint64(len(data)) {
		return nil, fmt.Errorf("%w: checksum", ErrMalformed)
	}
	return &record{generation: binary.BigEndian.Uint64(fields), version: binary.BigEndian.Uint64(fields[8:]), data: data}, nil
}

func checksum(fields, data []byte) (sum [sha256.Size]byte) {
	h := sha256.New()
	h.Write(fields)
	h.Write(data)
	h.Sum(sum[:0])
	return sum
}
