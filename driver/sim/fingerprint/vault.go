package fingerprint

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"github.com/go-json-experiment/json"

	"github.com/plomb-pos/plomb/internal/durable"
)

// vault keeps imported templates on disk, enciphered with AES-256-GCM. Each writing
// has a fresh random nonce before the cipher text.
type vault struct {
	fsys durable.FS
	file string
	seal cipher.AEAD
}

const (
	vaultFile = "templates.bin"
	maxVault  = 1 << 20
	keySize   = 32
)

// about binds the cipher text to its use.
var about = []byte("plomb fingerprint templates 1")

// openVault reads the key, which it makes when there is none yet.
func openVault(fsys durable.FS, folder, keyFile string) (*vault, error) {
	key, err := durable.ReadFile(fsys, keyFile, keySize)
	if errors.Is(err, fs.ErrNotExist) {
		key = make([]byte, keySize)
		_, _ = rand.Read(key) // never fails (crypto/rand)
		err = durable.Replace(fsys, keyFile, key)
	}
	if err == nil && len(key) != keySize {
		err = fmt.Errorf("%s does not hold %d bytes", keyFile, keySize)
	}
	if err != nil {
		return nil, fmt.Errorf("template key: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("template key: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("template key: %w", err)
	}
	return &vault{fsys, path.Join(folder, vaultFile), aead}, nil
}

// load gives the templates by their ids; none for a new sensor.
func (v *vault) load() (map[string][]byte, error) {
	data, err := durable.ReadFile(v.fsys, v.file, maxVault)
	if errors.Is(err, fs.ErrNotExist) {
		return map[string][]byte{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read templates: %w", err)
	}
	clear, err := v.seal.Open(nil, nil, data, about)
	if err != nil {
		return nil, fmt.Errorf("decipher templates: %w", err)
	}
	out := map[string][]byte{}
	if err := json.Unmarshal(clear, &out); err != nil {
		return nil, fmt.Errorf("read templates: %w", err)
	}
	return out, nil
}

func (v *vault) save(templates map[string][]byte) error {
	data, err := json.Marshal(templates, json.Deterministic(true))
	if err == nil {
		err = durable.Replace(v.fsys, v.file, v.seal.Seal(nil, nil, data, about))
	}
	if err != nil {
		return fmt.Errorf("keep templates: %w", err)
	}
	return nil
}
