package release

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/hpke"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io"
	"strings"

	"filippo.io/age"
	"github.com/sigstore/sigstore/pkg/signature"
	"golang.org/x/mod/sumdb/note"

	"github.com/plomb-pos/plomb/internal/durable"
)

// Kinds of keys.
const (
	kindEd25519 = "ed25519"
	kindHPKE    = "mlkem768x25519" // crypto/hpke's hybrid
)

// keyBytes is more than any key file has.
const keyBytes = 16 << 10

// newSecret draws a key and gives its secret and its public half.
func newSecret(kind string) (secret, public []byte, err error) {
	if kind == kindHPKE {
		k, err := hpke.MLKEM768X25519().GenerateKey()
		if err != nil {
			return nil, nil, fmt.Errorf("draw a key: %w", err)
		}
		secret, err = k.Bytes()
		return secret, k.PublicKey().Bytes(), err
	}
	pub, priv, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("draw a key: %w", err)
	}
	return priv.Seed(), pub, nil
}

// writeKey encrypts a secret into a file: age with scrypt, the work factor as a power
// of two.
func writeKey(fsys durable.FS, file, name, kind string, secret []byte, passphrase string, work int) error {
	to, err := age.NewScryptRecipient(passphrase)
	if err != nil {
		return fmt.Errorf("encrypt key %s: %w", name, err)
	}
	if work > 0 {
		to.SetWorkFactor(work)
	}
	var out bytes.Buffer
	w, err := age.Encrypt(&out, to)
	if err != nil {
		return fmt.Errorf("encrypt key %s: %w", name, err)
	}
	if _, err := fmt.Fprintf(w, "plomb-key/1 %s %s %s\n", name, kind, base64.StdEncoding.EncodeToString(secret)); err != nil {
		return fmt.Errorf("encrypt key %s: %w", name, err)
	}
	if err := w.Close(); err != nil {
		return fmt.Errorf("encrypt key %s: %w", name, err)
	}
	return durable.Replace(fsys, file, out.Bytes())
}

// readKey decrypts a key file and checks that it is the key that was asked for.
func readKey(fsys durable.FS, file, name, kind, passphrase string) ([]byte, error) {
	sealed, err := durable.ReadFile(fsys, file, keyBytes)
	if err != nil {
		return nil, fmt.Errorf("read key %s: %w", name, err)
	}
	id, err := age.NewScryptIdentity(passphrase)
	if err != nil {
		return nil, fmt.Errorf("open key %s: %w", name, err)
	}
	r, err := age.Decrypt(bytes.NewReader(sealed), id)
	if err != nil {
		return nil, fmt.Errorf("open key %s: %w", name, err)
	}
	text, err := io.ReadAll(io.LimitReader(r, keyBytes))
	if err != nil {
		return nil, fmt.Errorf("open key %s: %w", name, err)
	}
	rest, ok := strings.CutPrefix(string(text), "plomb-key/1 "+name+" "+kind+" ")
	if !ok {
		return nil, fmt.Errorf("open key %s: the file holds another key: %w", name, ErrFormat)
	}
	secret, err := base64.StdEncoding.DecodeString(strings.TrimSuffix(rest, "\n"))
	if err != nil {
		return nil, fmt.Errorf("open key %s: %w", name, ErrFormat)
	}
	return secret, nil
}

// signedBy is a crypto.Signer under the name that its notes carry.
type signedBy struct {
	name string
	hash uint32
	key  crypto.Signer
}

// newNoteSigner lets an Ed25519 key sign notes (c2sp.org/signed-note).
func newNoteSigner(name string, key crypto.Signer) (note.Signer, error) {
	v, err := noteVerifier(name, key.Public())
	if err != nil {
		return nil, err
	}
	return signedBy{name, v.KeyHash(), key}, nil
}

func (s signedBy) Name() string    { return s.name }
func (s signedBy) KeyHash() uint32 { return s.hash }
func (s signedBy) Sign(text []byte) ([]byte, error) {
	return s.key.Sign(rand.Reader, text, crypto.Hash(0))
}

func noteKey(name string, key crypto.PublicKey) (string, error) {
	pub, ok := key.(ed25519.PublicKey)
	if !ok {
		return "", fmt.Errorf("key of %s: %T is not Ed25519", name, key)
	}
	return note.NewEd25519VerifierKey(name, pub)
}

func noteVerifier(name string, key crypto.PublicKey) (note.Verifier, error) {
	text, err := noteKey(name, key)
	if err != nil {
		return nil, err
	}
	return note.NewVerifier(text)
}

// tufSigner lets a crypto.Signer sign TUF metadata.
type tufSigner struct{ key crypto.Signer }

func (s tufSigner) PublicKey(...signature.PublicKeyOption) (crypto.PublicKey, error) {
	return s.key.Public(), nil
}

func (s tufSigner) SignMessage(message io.Reader, _ ...signature.SignOption) ([]byte, error) {
	text, err := io.ReadAll(message)
	if err != nil {
		return nil, err
	}
	return s.key.Sign(rand.Reader, text, crypto.Hash(0))
}
