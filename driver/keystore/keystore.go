// Package keystore keeps the keys of a security module: with what each may be used
// for, sealed on disk, all or nothing at a loss of power.
//
// A store is one directory with two files. "device.key" stands for the memory that a
// real device erases when it is opened: a random key and its generation. "keys"
// holds everything else, sealed under it with AES-256-GCM, the generation
// authenticated. Each Change writes the whole store beside the old one and puts it
// in place by one rename; when Change returns nil it is durable, and what was
// replaced is overwritten in memory.
//
// Wipe makes a new device key first: from then on the sealed file is noise, whatever
// the disk still has of it. A store whose sealed file is of an older generation was
// wiped; one that does not open under its own generation is damaged,
// and Open refuses it rather than to begin anew.
//
// It does not protect keys from somebody who reads the process's memory or has both
// files: "device.key" is as secret as the keys are. Without a directory a store is in
// memory alone.
//
//	s, err := keystore.Open(durable.OS{}, "/var/lib/plomb/pinpad")
//	err = s.Change(func(c *keystore.Contents) error { c.Keys["PIN"] = key; return nil })
package keystore

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"

	"github.com/go-json-experiment/json"

	"github.com/plomb-pos/plomb/internal/durable"
)

// Key is one key with what it may be used for. The letters are those of ANSI X9.143.
type Key struct {
	Name          string `json:"name"`
	Usage         string `json:"usage"` // "P0", "K1", ...
	Algorithm     string `json:"algorithm"`
	ModeOfUse     string `json:"modeOfUse"`
	Restricted    string `json:"restricted,omitzero"` // the only usage of keys that it may encipher
	Version       string `json:"version,omitzero"`    // two characters of its key block
	Exportability string `json:"exportability,omitzero"`
	Optional      string `json:"optional,omitzero"`     // optional blocks of its key block
	Parts         int    `json:"parts,omitzero"`        // entered by hand so far
	Constructing  bool   `json:"constructing,omitzero"` // more parts are to come: it has no value yet
	Fixed         bool   `json:"fixed,omitzero"`        // of the manufacturer: no command deletes it
	Internal      bool   `json:"internal,omitzero"`     // signs only what is made inside the device
	Bits          int    `json:"bits"`
	Value         []byte `json:"value"` // its owner says in which form
	Private       bool   `json:"private,omitzero"`
}

func (k Key) clone() Key {
	k.Value = bytes.Clone(k.Value)
	return k
}

// Contents is all that a store holds.
type Contents struct {
	Keys    map[string]Key    `json:"keys"`
	Records map[string][]byte `json:"records"` // certificates and the like
}

func empty() Contents { return Contents{Keys: map[string]Key{}, Records: map[string][]byte{}} }

func (c Contents) clone() Contents {
	out := empty()
	for name, k := range c.Keys {
		out.Keys[name] = k.clone()
	}
	for name, r := range c.Records {
		out.Records[name] = bytes.Clone(r)
	}
	return out
}

// erase overwrites all values in memory.
func (c Contents) erase() {
	for _, k := range c.Keys {
		clear(k.Value)
	}
	for _, r := range c.Records {
		clear(r)
	}
}

// Errors of Open and Change.
var (
	ErrDamaged = errors.New("the key store is damaged")
	ErrStopped = errors.New("the key store stopped after a failed write: open it again")
)

// Store is an open key store. It is not safe for concurrent use.
type Store struct {
	fsys       durable.FS
	dir        string
	sealer     cipher.AEAD
	generation uint64
	contents   Contents
	failed     error
}

const (
	keyFile    = "device.key"
	sealedFile = "keys"
	wipedFile  = "keys.wiped"
	maxFile    = 16 << 20
	header     = 8 // bytes of the generation
	keySize    = 32
)

// Open opens the store in a directory that exists, and makes an empty one where
// there is none. Without a file system the store is in memory.
func Open(fsys durable.FS, dir string) (*Store, error) {
	s := &Store{fsys: fsys, dir: dir, contents: empty()}
	if fsys == nil {
		return s, nil
	}
	if err := s.deviceKey(); err != nil {
		return nil, fmt.Errorf("open key store %s: %w", dir, err)
	}
	if err := s.load(); err != nil {
		return nil, fmt.Errorf("open key store %s: %w", dir, err)
	}
	return s, nil
}

func (s *Store) path(name string) string { return path.Join(s.dir, name) }

// deviceKey reads the device key, or makes the first one. A crash in between leaves
// no device key, and no sealed file either: keys are sealed only under a key that
// is durable.
func (s *Store) deviceKey() error {
	data, err := durable.ReadFile(s.fsys, s.path(keyFile), header+keySize)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return s.renew(1)
	case err != nil:
		return err
	case len(data) != header+keySize:
		return fmt.Errorf("%s: %w", keyFile, ErrDamaged)
	}
	defer clear(data)
	return s.unlock(data)
}

// renew makes a device key of a generation and puts it in place.
func (s *Store) renew(generation uint64) error {
	data, err := newDeviceKey(generation)
	if err != nil {
		return err
	}
	defer clear(data)
	return s.install(data)
}

func newDeviceKey(generation uint64) ([]byte, error) {
	data := binary.BigEndian.AppendUint64(nil, generation)
	data = append(data, make([]byte, keySize)...)
	if _, err := rand.Read(data[header:]); err != nil {
		return nil, fmt.Errorf("random device key: %w", err)
	}
	return data, nil
}

func (s *Store) install(data []byte) error {
	if err := durable.Replace(s.fsys, s.path(keyFile), data); err != nil {
		return fmt.Errorf("write device key: %w", err)
	}
	return s.unlock(data)
}

func (s *Store) unlock(data []byte) error {
	block, err := aes.NewCipher(data[header:])
	if err != nil {
		return err
	}
	s.generation = binary.BigEndian.Uint64(data)
	s.sealer, err = cipher.NewGCMWithRandomNonce(block)
	return err
}

// load reads the sealed file. One of an older generation was wiped, and a crash came
// before what outlives the wipe was in its place: it lies in the file beside.
func (s *Store) load() error {
	data, err := durable.ReadFile(s.fsys, s.path(sealedFile), maxFile)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(data) >= header && binary.BigEndian.Uint64(data) < s.generation {
		data, err = durable.ReadFile(s.fsys, s.path(wipedFile), maxFile)
		if errors.Is(err, fs.ErrNotExist) || err == nil && len(data) >= header && binary.BigEndian.Uint64(data) != s.generation {
			return nil
		}
	}
	if err != nil {
		return err
	}
	return s.unseal(data)
}

func (s *Store) unseal(data []byte) error {
	if len(data) < header || binary.BigEndian.Uint64(data) != s.generation {
		return fmt.Errorf("%s: %w", sealedFile, ErrDamaged)
	}
	plain, err := s.sealer.Open(nil, nil, data[header:], data[:header])
	if err != nil {
		return fmt.Errorf("%s: %w", sealedFile, ErrDamaged)
	}
	defer clear(plain)
	if err := json.Unmarshal(plain, &s.contents); err != nil || s.contents.Keys == nil || s.contents.Records == nil {
		return fmt.Errorf("%s: %w", sealedFile, ErrDamaged)
	}
	return nil
}

// Key gives a copy of a key.
func (s *Store) Key(name string) (Key, bool) {
	k, ok := s.contents.Keys[name]
	return k.clone(), ok
}

// Names lists the keys in order.
func (s *Store) Names() []string { return slices.Sorted(maps.Keys(s.contents.Keys)) }

// Record gives a copy of a record, nil where there is none.
func (s *Store) Record(name string) []byte { return bytes.Clone(s.contents.Records[name]) }

// Failed is why the store has stopped, nil while it works.
func (s *Store) Failed() error { return s.failed }

// Change alters a copy of the contents and puts it in place when it is durable.
// When change or the write fails nothing is altered in memory; after a failed write
// the disk has one of the two, and the store stops until it is opened again.
func (s *Store) Change(change func(*Contents) error) error {
	if s.failed != nil {
		return s.failed
	}
	next := s.contents.clone()
	if err := change(&next); err != nil {
		next.erase()
		return err
	}
	if err := s.write(next); err != nil {
		next.erase()
		s.failed = fmt.Errorf("%w: %w", ErrStopped, err)
		return s.failed
	}
	s.contents.erase()
	s.contents = next
	return nil
}

func (s *Store) write(c Contents) error {
	if s.fsys == nil {
		return nil
	}
	sealed, err := seal(s.sealer, s.generation, c)
	if err != nil {
		return err
	}
	return durable.Replace(s.fsys, s.path(sealedFile), sealed)
}

func seal(sealer cipher.AEAD, generation uint64, c Contents) ([]byte, error) {
	plain, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("encode keys: %w", err)
	}
	defer clear(plain)
	head := binary.BigEndian.AppendUint64(nil, generation)
	return sealer.Seal(head, nil, plain, head), nil
}

// Wipe destroys everything; keep names records that outlive it. When power is lost
// on the way the store opens as it was, or wiped.
func (s *Store) Wipe(keep ...string) error {
	if s.failed != nil {
		return s.failed
	}
	next := empty()
	for _, name := range keep {
		if r, ok := s.contents.Records[name]; ok {
			next.Records[name] = bytes.Clone(r)
		}
	}
	err := s.wipe(next)
	s.contents.erase()
	s.contents = next
	if err != nil {
		s.failed = fmt.Errorf("%w: %w", ErrStopped, err)
	}
	return s.failed
}

// wipe writes what stays beside, under the next device key; then that key, which is
// the wipe; then what stays in its place.
func (s *Store) wipe(next Contents) error {
	if s.fsys == nil {
		return nil
	}
	data, err := newDeviceKey(s.generation + 1)
	if err != nil {
		return err
	}
	defer clear(data)
	after := &Store{}
	if err := after.unlock(data); err != nil {
		return err
	}
	sealed, err := seal(after.sealer, after.generation, next)
	if err != nil {
		return err
	}
	if err := durable.Replace(s.fsys, s.path(wipedFile), sealed); err != nil {
		return fmt.Errorf("write what stays: %w", err)
	}
	if err := s.install(data); err != nil {
		return err
	}
	return s.write(next)
}
