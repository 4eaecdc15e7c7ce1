package device

import (
	"crypto/hpke"
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/update/manifest"
)

// keyFile is the device's key in the folder boot: one line, keyHead and the secret in
// base64.
const (
	keyFile = "device.key"
	keyHead = "plomb-key/1 device mlkem768x25519 "
)

// Key is a device's key agreement key: content keys of releases are wrapped to it.
type Key struct{ private hpke.PrivateKey }

// NewKey draws a key. The deployer entitles its Public, so it is drawn before the
// device is provisioned when the first release comes out of a repository.
func NewKey() (*Key, error) {
	k, err := hpke.MLKEM768X25519().GenerateKey()
	if err != nil {
		return nil, fmt.Errorf("draw the device's key: %w", err)
	}
	return &Key{k}, nil
}

// Public is what plomb release entitle takes, in raw bytes.
func (k *Key) Public() []byte { return k.private.PublicKey().Bytes() }

// ID is the SHA-256 of Public: the device's name in campaigns and entitlements.
func (k *Key) ID() manifest.Digest { return manifest.Sum(k.Public()) }

// Secret is the key as it stands in a file: who has it reads what is sealed to the device.
func (k *Key) Secret() ([]byte, error) {
	secret, err := k.private.Bytes()
	if err != nil {
		return nil, fmt.Errorf("write the device's key: %w", err)
	}
	return []byte(keyHead + base64.StdEncoding.EncodeToString(secret) + "\n"), nil
}

func readKey(fsys durable.FS, name string) (*Key, error) {
	text, err := durable.ReadFile(fsys, name, 16<<10)
	if err != nil {
		return nil, fmt.Errorf("read the device's key: %w", err)
	}
	k, err := ParseKey(text)
	if err != nil {
		return nil, fmt.Errorf("read the device's key: %w", err)
	}
	return k, nil
}

// ParseKey reads what Secret wrote. Errors wrap ErrConfig.
func ParseKey(text []byte) (*Key, error) {
	secret, ok := strings.CutPrefix(strings.TrimSuffix(string(text), "\n"), keyHead)
	if !ok {
		return nil, fmt.Errorf("%w: no key of a device", ErrConfig)
	}
	raw, err := base64.StdEncoding.DecodeString(secret)
	if err != nil {
		return nil, fmt.Errorf("%w: a device's key: %w", ErrConfig, err)
	}
	k, err := hpke.MLKEM768X25519().NewPrivateKey(raw)
	if err != nil {
		return nil, fmt.Errorf("%w: a device's key: %w", ErrConfig, err)
	}
	return &Key{k}, nil
}
