package release

import (
	"crypto"
	"crypto/ed25519"
	"fmt"
	"io"
	"os/user"

	"github.com/sigstore/sigstore/pkg/signature"
	"golang.org/x/mod/sumdb/note"

	"github.com/plomb-pos/plomb/update/keeper"
)

// keyring opens the keys of a folder. Every opening is written into its access log,
// with the name of who opened, and so is every refusal.
type keyring struct {
	label  string // before the names of keys, in their files
	folder keeper.Folder
	unlock Unlock
	log    accessLog
	opened map[string]*keeper.Key
}

// get opens a key, once.
func (r *keyring) get(k Key) (*keeper.Key, error) {
	if key, ok := r.opened[k.Name]; ok {
		return key, nil
	}
	pass, err := r.unlock(k.Name)
	if err != nil {
		return nil, fmt.Errorf("passphrase of %s: %w", k.Name, err)
	}
	key, err := r.folder.Open(r.label+"/"+k.Name, keeper.Kind(k.Kind), k.Place, k.Public, pass)
	if logged := r.log.write("open key "+k.Name, err); logged != nil {
		return nil, fmt.Errorf("write down who opened key %s: %w", k.Name, logged)
	}
	if err != nil {
		return nil, err
	}
	r.opened[k.Name] = key
	return key, nil
}

// draw makes a key at its place and gives its public half.
func (r *keyring) draw(name string, p KeyPlan) (Key, error) {
	pass, err := r.unlock(name)
	if err != nil {
		return Key{}, fmt.Errorf("passphrase of %s: %w", name, err)
	}
	key, err := r.folder.Draw(r.label+"/"+name, p.Kind, p.Place, pass)
	if logged := r.log.write("draw key "+name, err); logged != nil {
		return Key{}, fmt.Errorf("write down who drew key %s: %w", name, logged)
	}
	if err != nil {
		return Key{}, err
	}
	r.opened[name] = key
	return Key{Name: name, Kind: string(p.Kind), Public: key.Public, Place: key.Place}, nil
}

// person is who runs the program, for access logs.
func person() string {
	u, err := user.Current()
	if err != nil {
		return "somebody unknown to the system"
	}
	return u.Username
}

// signer is a key that signs messages, wherever it is kept.
type signer struct {
	key  Key
	sign func(message []byte) ([]byte, error)
}

// public is the key as crypto's packages have it; the card was checked.
func (s signer) public() crypto.PublicKey {
	pub, err := keeper.PublicKey(keeper.Kind(s.key.Kind), s.key.Public)
	if err != nil {
		return nil
	}
	return pub
}

// signedBy is a signer under the name that its notes carry.
type signedBy struct {
	name string
	hash uint32
	signer
}

// newNoteSigner lets an Ed25519 key sign notes (c2sp.org/signed-note).
func newNoteSigner(name string, key signer) (note.Signer, error) {
	v, err := noteVerifier(name, key.public())
	if err != nil {
		return nil, err
	}
	return signedBy{name, v.KeyHash(), key}, nil
}

func (s signedBy) Name() string                     { return s.name }
func (s signedBy) KeyHash() uint32                  { return s.hash }
func (s signedBy) Sign(text []byte) ([]byte, error) { return s.sign(text) }

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

// tufSigner lets a key sign TUF metadata.
type tufSigner struct {
	signer
	why *error // that it could not
}

func (s tufSigner) PublicKey(...signature.PublicKeyOption) (crypto.PublicKey, error) {
	return s.public(), nil
}

func (s tufSigner) SignMessage(message io.Reader, _ ...signature.SignOption) ([]byte, error) {
	text, err := io.ReadAll(message)
	if err != nil {
		return nil, err
	}
	sig, err := s.sign(text)
	*s.why = err
	return sig, err
}
