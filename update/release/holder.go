package release

import (
	"encoding/base64"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/update/keeper"
	"github.com/plomb-pos/plomb/update/manifest"
)

const (
	holderFormat = "plomb-holder/1"
	holderFile   = "holder.json"
	publicHead   = "plomb-public-key/1"
)

// Holder is a folder with keys of a person or a safe: a root key in another place, a
// second signature. It has no office; an office knows the public halves and sends
// requests. Not safe for concurrent use.
type Holder struct {
	Name string
	Keys []Key

	dir  string
	fsys durable.FS
	ring *keyring
}

type holderCard struct {
	Format string `json:"format"`
	Name   string `json:"name"`
	Keys   []Key  `json:"keys"`
}

// OpenHolder opens a holder's folder, or makes it when name is given and it has none.
func OpenHolder(dir, name string, unlock Unlock) (*Holder, error) {
	h := &Holder{Name: name, dir: filepath.ToSlash(dir), fsys: durable.OS{}}
	text, err := durable.ReadFile(h.fsys, path.Join(h.dir, holderFile), manifest.MaxDocument)
	switch {
	case isMissing(err) && name != "":
		if strings.ContainsAny(name, "/\\ ") {
			return nil, fmt.Errorf("open holder: %w: name %q", ErrFormat, name)
		}
		err = mkdirs(h.fsys, path.Join(h.dir, "keys"))
	case err == nil:
		err = h.parse(text)
	}
	if err != nil {
		return nil, fmt.Errorf("open holder: %w", err)
	}
	h.ring = newKeyring(h.fsys, h.dir, h.Name, unlock, 0)
	return h, nil
}

func newKeyring(fsys durable.FS, dir, label string, unlock Unlock, work int) *keyring {
	return &keyring{label: label, folder: keeper.Folder{FS: fsys, Dir: path.Join(dir, "keys"), Work: work}, unlock: unlock,
		log: accessLog{fsys, path.Join(dir, accessFile), label}, opened: map[string]*keeper.Key{}}
}

func (h *Holder) parse(text []byte) error {
	var c holderCard
	if err := json.Unmarshal(text, &c, json.RejectUnknownMembers(true)); err != nil || c.Format != holderFormat {
		return fmt.Errorf("%w: not a holder's card", ErrFormat)
	}
	h.Name, h.Keys = c.Name, c.Keys
	return nil
}

// Draw makes a key and gives the text of its public half, for an office.
func (h *Holder) Draw(name string, p KeyPlan) (public string, err error) {
	if slices.ContainsFunc(h.Keys, func(k Key) bool { return k.Name == name }) || !plainPath(name) || strings.Contains(name, "/") {
		return "", fmt.Errorf("draw key %q: %w", name, ErrExists)
	}
	k, err := h.ring.draw(name, p.orDefault())
	if err != nil {
		return "", err
	}
	h.Keys = append(h.Keys, k)
	text, err := json.Marshal(holderCard{holderFormat, h.Name, h.Keys}, jsontext.WithIndent("  "))
	if err != nil {
		return "", err
	}
	return PublicKeyText(k), durable.Replace(h.fsys, path.Join(h.dir, holderFile), append(text, '\n'))
}

// PublicKeyText is a public half as one line: format, kind, base64.
func PublicKeyText(k Key) string {
	return fmt.Sprintf("%s %s %s\n", publicHead, k.Kind, base64.StdEncoding.EncodeToString(k.Public))
}

// ParsePublicKey reads the text of a public half as the plan of a key elsewhere.
func ParsePublicKey(text string) (KeyPlan, error) {
	f := strings.Fields(text)
	if len(f) != 3 || f[0] != publicHead {
		return KeyPlan{}, fmt.Errorf("%w: not a public key", ErrFormat)
	}
	public, err := base64.StdEncoding.Strict().DecodeString(f[2])
	if err != nil {
		return KeyPlan{}, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if _, err := keeper.PublicKey(keeper.Kind(f[1]), public); err != nil {
		return KeyPlan{}, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	return KeyPlan{Place: keeper.Elsewhere, Kind: keeper.Kind(f[1]), Public: public}, nil
}

// named is the holder's key with a public half.
func (h *Holder) named(public []byte) (string, bool) {
	i := slices.IndexFunc(h.Keys, func(k Key) bool { return string(k.Public) == string(public) })
	if i < 0 {
		return "", false
	}
	return h.Keys[i].Name, true
}

func (h *Holder) sign(name string, message []byte) ([]byte, error) {
	i := slices.IndexFunc(h.Keys, func(k Key) bool { return k.Name == name })
	key, err := h.ring.get(h.Keys[i])
	if err != nil {
		return nil, err
	}
	sig, err := key.Sign(message)
	if logged := h.ring.log.write(fmt.Sprintf("sign %s with key %s", manifest.Sum(message), name), err); logged != nil {
		return nil, logged
	}
	return sig, err
}
