// Package seal keeps a till's keys: one master key, and under it one key for
// each purpose.
//
// The hierarchy (requirement FM-06):
//
//	master key            seal/master.key, mode 0600; a TPM takes its place where there is one
//	├─ signing key        Ed25519, one an epoch (origin); signs checkpoints and nothing else
//	├─ month keys         AES-256, one a month; seal the journal's frames of that month
//	├─ database keys      256 bits, one for each of the vault and the projection
//	└─ attestation key    Ed25519; signs statements of what runs, and nothing else
//
// Each key below the master key lies in a file of its own, sealed with
// AES-256-GCM under a key derived for its purpose, its purpose and name being
// authenticated: a file copied over another is refused. Month keys are made
// when a month begins and can be destroyed one by one ([Box.Destroy]), which
// erases the bodies of that month and nothing else. Losing a person's PIN
// never loses a key.
//
// Who can read the files and memory of the user that runs the till has the
// keys; SECURITY.md says what follows. [Serve] therefore lets a process and
// user of its own hold the signing key, and [Dial] is the till's side of it.
//
//	box, err := seal.Open(durable.OS{}, dir)
//	signer, err := box.Signer("till-1f2e3d4c/e1")
//	keys := box.JournalKeys()
package seal

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"sync"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/journal"
	"github.com/plomb-pos/plomb/journal/proof"
)

// ErrForged is returned for a key file that does not open under its purpose,
// its name and the master key: damaged, copied from elsewhere, or made under
// another master key.
var ErrForged = errors.New("key file does not open: damaged, copied from elsewhere, or another master key")

// purpose says what a key may be used for. It is part of what is authenticated.
type purpose string

const (
	signing  purpose = "signing"
	month    purpose = "month"
	database purpose = "database"
	attester purpose = "attestation"
)

// keySize is the size of every secret here: AES-256 keys, Ed25519 seeds.
const keySize = 32

const (
	masterFile   = "master.key"
	masterHeader = "plomb master key 1"
	keyHeader    = "plomb sealed key 1"
	erasedHeader = "plomb erased key 1"
)

// Box is an open key store. It may be used concurrently.
type Box struct {
	fs     durable.FS
	dir    string
	master [keySize]byte

	mu   sync.Mutex               // guards keys, and the making of new ones
	keys map[string][keySize]byte // opened keys by file name
}

// Create makes a key store in dir, which must not exist yet.
func Create(fsys durable.FS, dir string) (*Box, error) {
	if err := fsys.Mkdir(dir); err != nil {
		return nil, fmt.Errorf("create key store: %w", err)
	}
	b := &Box{fs: fsys, dir: dir, keys: map[string][keySize]byte{}}
	rand.Read(b.master[:])
	text := masterHeader + "\n" + base64.StdEncoding.EncodeToString(b.master[:]) + "\n"
	if err := b.write(masterFile, text); err != nil {
		return nil, fmt.Errorf("create key store: %w", err)
	}
	if err := fsys.SyncDir(path.Dir(dir)); err != nil {
		return nil, fmt.Errorf("create key store: %w", err)
	}
	return b, nil
}

// Open opens the key store in dir. It never makes one: without its master key
// a till's records cannot be read, and a new key would hide that.
func Open(fsys durable.FS, dir string) (*Box, error) {
	b := &Box{fs: fsys, dir: dir, keys: map[string][keySize]byte{}}
	secret, err := b.readSecret(masterFile, masterHeader)
	if err != nil {
		return nil, fmt.Errorf("open key store %s: %w", dir, err)
	}
	if len(secret) != keySize {
		return nil, fmt.Errorf("open key store %s: %s: %w", dir, masterFile, ErrForged)
	}
	copy(b.master[:], secret)
	return b, nil
}

// CreateSigner makes the signing key of an origin, which must not have one.
func (b *Box) CreateSigner(origin string) (proof.Signer, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	key, err := b.create(signing, origin)
	if err != nil {
		return nil, err
	}
	return newSigner(origin, key)
}

// Signer opens the signing key of an origin.
func (b *Box) Signer(origin string) (proof.Signer, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	key, err := b.open(signing, origin)
	if err != nil {
		return nil, err
	}
	return newSigner(origin, key)
}

func newSigner(origin string, key [keySize]byte) (proof.Signer, error) {
	return proof.NewEd25519Signer(origin, ed25519.NewKeyFromSeed(key[:]))
}

// Verifier is the verifier key (C2SP signed-note vkey) of an origin's signing key.
func (b *Box) Verifier(origin string) (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	key, err := b.open(signing, origin)
	if err != nil {
		return "", err
	}
	public := ed25519.NewKeyFromSeed(key[:]).Public().(ed25519.PublicKey)
	v, err := proof.NewVerifier(origin, public)
	if err != nil {
		return "", fmt.Errorf("verifier key of %s: %w", origin, err)
	}
	return v.String(), nil
}

// DatabaseKey is the key of one of the till's databases, made on first use and
// durable before it is returned.
func (b *Box) DatabaseKey(name string) ([keySize]byte, error) {
	return b.openOrCreate(database, name)
}

// EnrolAttester is the key that signs statements of what runs on this device, made
// on first use: when the device is enrolled with whoever will ask it.
func (b *Box) EnrolAttester() (ed25519.PrivateKey, error) {
	key, err := b.openOrCreate(attester, deviceKey)
	return ed25519.NewKeyFromSeed(key[:]), err
}

// Attester opens the key that EnrolAttester made.
func (b *Box) Attester() (ed25519.PrivateKey, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	key, err := b.open(attester, deviceKey)
	return ed25519.NewKeyFromSeed(key[:]), err
}

// deviceKey names the one key of its purpose.
const deviceKey = "device"

// JournalKeys are the month keys, as the journal wants them.
func (b *Box) JournalKeys() journal.Keys { return months{b} }

type months struct{ box *Box }

// Month opens an existing month key; journal.ErrErased if it was destroyed.
func (m months) Month(_ context.Context, yyyymm uint32) ([keySize]byte, error) {
	m.box.mu.Lock()
	defer m.box.mu.Unlock()
	return m.box.open(month, monthName(yyyymm))
}

// Current opens a month key, made on first use and durable before it is returned.
func (m months) Current(_ context.Context, yyyymm uint32) ([keySize]byte, error) {
	return m.box.openOrCreate(month, monthName(yyyymm))
}

func monthName(yyyymm uint32) string { return fmt.Sprintf("%06d", yyyymm) }

// ExportMonths writes the month keys in the text form that plomb-verify's
// --keys takes: whoever has it can read every body of those months.
func (b *Box) ExportMonths(w io.Writer) error {
	names, err := b.fs.ReadDir(b.dir)
	if err != nil {
		return fmt.Errorf("export month keys: %w", err)
	}
	var text strings.Builder
	text.WriteString("plomb-keys 1\n")
	for _, file := range names {
		name, ok := strings.CutPrefix(file, string(month)+"-")
		name, isKey := strings.CutSuffix(name, ".key")
		if !ok || !isKey {
			continue
		}
		b.mu.Lock()
		key, err := b.open(month, name)
		b.mu.Unlock()
		if errors.Is(err, journal.ErrErased) {
			continue
		}
		if err != nil {
			return fmt.Errorf("export month keys: %w", err)
		}
		fmt.Fprintf(&text, "month %s %s\n", name, base64.StdEncoding.EncodeToString(key[:]))
	}
	_, err = io.WriteString(w, text.String())
	return err
}

// Destroy overwrites a month's key by a mark that it was erased. It cannot be
// undone: bodies and salts of that month are then noise, heads and tree stay.
func (b *Box) Destroy(yyyymm uint32) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	file := fileName(month, monthName(yyyymm))
	delete(b.keys, file)
	if err := b.write(file, erasedHeader+"\n\n"); err != nil {
		return fmt.Errorf("destroy key of month %06d: %w", yyyymm, err)
	}
	return nil
}

func (b *Box) openOrCreate(p purpose, name string) ([keySize]byte, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	key, err := b.open(p, name)
	if errors.Is(err, fs.ErrNotExist) {
		return b.create(p, name)
	}
	return key, err
}

// create makes and stores a key. Caller holds mu. A crash before the file has
// its name leaves no key; the next call makes another, which nothing was sealed with yet.
func (b *Box) create(p purpose, name string) (key [keySize]byte, err error) {
	file := fileName(p, name)
	if _, err := b.readSecret(file, keyHeader); !errors.Is(err, fs.ErrNotExist) {
		return key, fmt.Errorf("create %s key %s: %w", p, name, fs.ErrExist)
	}
	rand.Read(key[:])
	sealed, err := b.seal(p, name, key[:])
	if err != nil {
		return key, fmt.Errorf("create %s key %s: %w", p, name, err)
	}
	if err := b.write(file, keyHeader+"\n"+base64.StdEncoding.EncodeToString(sealed)+"\n"); err != nil {
		return key, fmt.Errorf("create %s key %s: %w", p, name, err)
	}
	b.keys[file] = key
	return key, nil
}

// open returns a stored key. Caller holds mu.
func (b *Box) open(p purpose, name string) (key [keySize]byte, err error) {
	file := fileName(p, name)
	if key, ok := b.keys[file]; ok {
		return key, nil
	}
	sealed, err := b.readSecret(file, keyHeader)
	if err != nil {
		return key, fmt.Errorf("open %s key %s: %w", p, name, err)
	}
	plain, err := b.unseal(p, name, sealed)
	if err != nil || len(plain) != keySize {
		return key, fmt.Errorf("open %s key %s: %w", p, name, ErrForged)
	}
	copy(key[:], plain)
	b.keys[file] = key
	return key, nil
}

func (b *Box) seal(p purpose, name string, plain []byte) ([]byte, error) {
	aead, err := b.aead(p)
	if err != nil {
		return nil, err
	}
	return aead.Seal(nil, nil, plain, associated(p, name)), nil
}

func (b *Box) unseal(p purpose, name string, sealed []byte) ([]byte, error) {
	aead, err := b.aead(p)
	if err != nil {
		return nil, err
	}
	return aead.Open(nil, nil, sealed, associated(p, name))
}

// aead is the cipher that wraps keys of one purpose; it draws its own nonces.
func (b *Box) aead(p purpose) (cipher.AEAD, error) {
	key, err := hkdf.Key(sha256.New, b.master[:], nil, "plomb key wrap v1 "+string(p), keySize)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

func associated(p purpose, name string) []byte { return []byte(string(p) + "\n" + name) }

// fileName keeps one directory flat: an origin's slash becomes '~', which no origin holds.
func fileName(p purpose, name string) string {
	return string(p) + "-" + strings.ReplaceAll(name, "/", "~") + ".key"
}

// readSecret reads a two-line key file.
func (b *Box) readSecret(file, header string) ([]byte, error) {
	text, err := durable.ReadFile(b.fs, path.Join(b.dir, file), 4096)
	if err != nil {
		return nil, err
	}
	first, rest, _ := strings.Cut(string(text), "\n")
	if first == erasedHeader {
		return nil, journal.ErrErased
	}
	secret, err := base64.StdEncoding.Strict().DecodeString(strings.TrimSuffix(rest, "\n"))
	if first != header || err != nil {
		return nil, fmt.Errorf("%s: %w", file, ErrForged)
	}
	return secret, nil
}

func (b *Box) write(file, text string) error {
	return durable.Replace(b.fs, path.Join(b.dir, file), []byte(text))
}
