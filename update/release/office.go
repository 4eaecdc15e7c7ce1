package release

import (
	"crypto"
	"crypto/ed25519"
	"crypto/hpke"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/mod/sumdb/note"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/journal/proof"
	"github.com/plomb-pos/plomb/update/manifest"
)

// Party is what an office is for.
type Party string

// The parties.
const (
	Maker     Party = "maker"
	Authority Party = "authority" // an approval body
	Deployer  Party = "deployer"
)

// Roles of keys. The first four are those of TUF.
const (
	roleRoot      = "root"
	roleTargets   = "targets"
	roleSnapshot  = "snapshot"
	roleTimestamp = "timestamp"
	roleNote      = "note"     // signs manifests and records
	roleLog       = "log"      // signs the log of releases
	roleWitness   = "witness"  // cosigns it
	roleCampaign  = "campaign" // signs campaigns and entitlements
	roleCustody   = "custody"  // content keys are wrapped to it
)

// Quorum is how many of how many keys.
type Quorum struct {
	Threshold int
	Keys      int
}

// ParseQuorum reads "2/3".
func ParseQuorum(s string) (Quorum, error) {
	most, all, _ := strings.Cut(s, "/")
	m, err1 := strconv.Atoi(most)
	n, err2 := strconv.Atoi(all)
	if err1 != nil || err2 != nil || m < 1 || m > n || n > 16 {
		return Quorum{}, fmt.Errorf("%w: %q is not a threshold and a number of keys like 2/3", ErrFormat, s)
	}
	return Quorum{m, n}, nil
}

// Role is the keys of one purpose.
type Role struct {
	Name      string   `json:"name"`
	Threshold int      `json:"threshold"`
	Keys      []string `json:"keys"` // names of keys
}

// Key is the public half of a key.
type Key struct {
	Name   string `json:"name"`
	Kind   string `json:"kind"` // ed25519 or mlkem768x25519
	Public []byte `json:"public"`
}

// Card is what an office says of itself in office.json. It holds no secret and is
// handed to the other parties.
type Card struct {
	Format        string          `json:"format"`
	Party         Party           `json:"party"`
	Name          string          `json:"name"`
	Jurisdictions []string        `json:"jurisdictions,omitempty"` // of an authority
	Roles         []Role          `json:"roles"`
	Keys          []Key           `json:"keys"`  // in force
	Root          manifest.Digest `json:"root"`  // SHA-256 of the first root of its repository; zero for a deployer
	Drawn         int             `json:"drawn"` // keys ever drawn

	Retired []manifest.Signers `json:"retired,omitempty"` // sets of keys that signed the office's record before
}

const cardFormat = "plomb-office/1"

// Ceremony says which keys a new office gets.
type Ceremony struct {
	Party         Party
	Name          string
	Jurisdictions []string // of an authority
	Root          Quorum   // offline keys; of a deployer ignored
	Release       Quorum   // keys that sign releases, approvals or campaigns
	Work          int      // scrypt's work factor as a power of two; 0: age's own (18)
}

// roles lists the keys in the order in which they are drawn.
func (c Ceremony) roles() []Role {
	one := Quorum{1, 1}
	switch c.Party {
	case Deployer:
		return []Role{newRole(roleCampaign, c.Release), newRole(roleCustody, one)}
	case Authority:
		return append(c.tufRoles(), newRole(roleNote, c.Release), newRole(roleWitness, one))
	}
	return append(c.tufRoles(), newRole(roleNote, c.Release), newRole(roleLog, one))
}

func (c Ceremony) tufRoles() []Role {
	one := Quorum{1, 1}
	return []Role{newRole(roleRoot, c.Root), newRole(roleTargets, c.Release), newRole(roleSnapshot, one), newRole(roleTimestamp, one)}
}

func newRole(name string, q Quorum) Role {
	r := Role{Name: name, Threshold: q.Threshold}
	for i := range q.Keys {
		r.Keys = append(r.Keys, fmt.Sprintf("%s-%d", name, i+1))
	}
	return r
}

// Keys names the keys that the ceremony would draw: a dry run.
func (c Ceremony) Keys() (names []string) {
	for _, r := range c.roles() {
		names = append(names, r.Keys...)
	}
	return names
}

func (c Ceremony) check() error {
	switch {
	case c.Party != Maker && c.Party != Authority && c.Party != Deployer:
		return fmt.Errorf("%w: unknown party %q", ErrFormat, c.Party)
	case !proof.ValidOrigin(c.Name) || strings.ContainsAny(c.Name, `/\`) || strings.HasPrefix(c.Name, "."):
		return fmt.Errorf("%w: %q cannot be the name of a party", ErrFormat, c.Name)
	case (c.Party == Authority) != (len(c.Jurisdictions) > 0):
		return fmt.Errorf("%w: an authority, and nobody else, names its jurisdictions", ErrFormat)
	case c.Release.Threshold < 1 || (c.Party != Deployer && c.Root.Threshold < 1):
		return fmt.Errorf("%w: a threshold below 1", ErrFormat)
	}
	return nil
}

// Unlock gives the passphrase of a key: it asks a person, or reads a file. It is
// called once for each key in an Office's life.
type Unlock func(key string) (passphrase string, err error)

// Office is one party's folder. Not safe for concurrent use.
type Office struct {
	Card Card

	dir    string
	fsys   durable.FS
	unlock Unlock
	work   int
	open   map[string][]byte // secrets of keys that were unlocked
}

// Init holds the ceremony: it makes an office in dir, which must not hold one, draws
// its keys and, but for a deployer, signs the first metadata of its repository.
func Init(dir string, c Ceremony, unlock Unlock, now time.Time) (*Office, error) {
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("init: %w", err)
	}
	o := &Office{dir: filepath.ToSlash(dir), fsys: durable.OS{}, unlock: unlock, work: c.Work, open: map[string][]byte{}}
	o.Card = Card{Format: cardFormat, Party: c.Party, Name: c.Name, Jurisdictions: slices.Sorted(slices.Values(c.Jurisdictions)), Roles: c.roles()}
	if _, err := durable.ReadFile(o.fsys, o.path("office.json"), 1); !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("init %s: an office %w", dir, ErrExists)
	}
	if err := o.populate(now); err != nil {
		return nil, fmt.Errorf("init %s: %w", dir, err)
	}
	return o, nil
}

// populate writes the keys, then the tree, and the card last: without it there is no
// office, and Init can be called again.
func (o *Office) populate(now time.Time) error {
	if err := mkdirs(o.fsys, o.path("keys")); err != nil {
		return err
	}
	for _, r := range o.Card.Roles {
		for _, name := range r.Keys {
			if err := o.draw(name, kindOf(r.Name)); err != nil {
				return err
			}
		}
	}
	if o.Card.Party != Deployer {
		if err := o.initTree(now); err != nil {
			return err
		}
	}
	return o.saveCard()
}

func kindOf(role string) string {
	if role == roleCustody {
		return kindHPKE
	}
	return kindEd25519
}

// draw makes a key and adds its public half to the card.
func (o *Office) draw(name, kind string) error {
	secret, public, err := newSecret(kind)
	if err != nil {
		return err
	}
	pass, err := o.unlock(name)
	if err != nil {
		return fmt.Errorf("passphrase of %s: %w", name, err)
	}
	if err := writeKey(o.fsys, o.path("keys", name+".age"), o.Card.Name+"/"+name, kind, secret, pass, o.work); err != nil {
		return err
	}
	o.open[name] = secret
	o.Card.Keys = append(o.Card.Keys, Key{Name: name, Kind: kind, Public: public})
	o.Card.Drawn++
	return nil
}

func (o *Office) saveCard() error {
	text, err := json.Marshal(o.Card, jsontext.WithIndent("  "))
	if err != nil {
		return err
	}
	return durable.Replace(o.fsys, o.path("office.json"), append(text, '\n'))
}

// OpenOffice opens an office. Keys are unlocked when they are needed.
func OpenOffice(dir string, unlock Unlock) (*Office, error) {
	o := &Office{dir: filepath.ToSlash(dir), fsys: durable.OS{}, unlock: unlock, open: map[string][]byte{}}
	text, err := durable.ReadFile(o.fsys, o.path("office.json"), manifest.MaxDocument)
	if err != nil {
		return nil, fmt.Errorf("open office: %w", err)
	}
	if o.Card, err = ParseCard(text); err != nil {
		return nil, fmt.Errorf("open office %s: %w", dir, err)
	}
	return o, nil
}

// ParseCard reads an office's card, strictly.
func ParseCard(text []byte) (c Card, err error) {
	if err := json.Unmarshal(text, &c, json.RejectUnknownMembers(true)); err != nil {
		return c, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if c.Format != cardFormat {
		return c, fmt.Errorf("%w: format %q, not %q", ErrFormat, c.Format, cardFormat)
	}
	for _, k := range c.Keys {
		if k.Kind == kindEd25519 && len(k.Public) != ed25519.PublicKeySize {
			return c, fmt.Errorf("%w: key %s has %d bytes", ErrFormat, k.Name, len(k.Public))
		}
	}
	for _, r := range c.Roles {
		for _, k := range r.Keys {
			if _, ok := c.key(k); !ok || r.Threshold < 1 || r.Threshold > len(r.Keys) {
				return c, fmt.Errorf("%w: role %s", ErrFormat, r.Name)
			}
		}
	}
	return c, nil
}

func (c *Card) role(name string) *Role {
	for i := range c.Roles {
		if c.Roles[i].Name == name {
			return &c.Roles[i]
		}
	}
	return nil
}

func (c *Card) key(name string) (Key, bool) {
	i := slices.IndexFunc(c.Keys, func(k Key) bool { return k.Name == name })
	if i < 0 {
		return Key{}, false
	}
	return c.Keys[i], true
}

// signers are a role's keys as a policy names them.
func (c *Card) signers(role string) (manifest.Signers, error) {
	r := c.role(role)
	if r == nil {
		return manifest.Signers{}, fmt.Errorf("%w: %s %s has no keys for %s", ErrParty, c.Party, c.Name, role)
	}
	out := manifest.Signers{Name: c.Name, Threshold: r.Threshold}
	for _, name := range r.Keys {
		k, _ := c.key(name)
		text, err := noteKey(c.Name, ed25519.PublicKey(k.Public))
		if err != nil {
			return out, err
		}
		out.Keys = append(out.Keys, text)
	}
	return out, nil
}

// logKey is the verifier key of the maker's log; its name is the log's origin.
func (c *Card) logKey() (string, error) {
	r := c.role(roleLog)
	if r == nil {
		return "", fmt.Errorf("%w: %s %s keeps no log", ErrParty, c.Party, c.Name)
	}
	k, _ := c.key(r.Keys[0])
	return noteKey(c.Name+"/log", ed25519.PublicKey(k.Public))
}

// witnessKey is the verifier key with which an authority cosigns the log.
func (c *Card) witnessKey() (string, error) {
	r := c.role(roleWitness)
	if r == nil {
		return "", fmt.Errorf("%w: %s %s is no witness", ErrParty, c.Party, c.Name)
	}
	k, _ := c.key(r.Keys[0])
	v, err := proof.NewWitnessVerifier(c.Name+"/witness", ed25519.PublicKey(k.Public))
	if err != nil {
		return "", err
	}
	return v.String(), nil
}

func (o *Office) path(parts ...string) string { return path.Join(append([]string{o.dir}, parts...)...) }

// secret unlocks a key.
func (o *Office) secret(name string) ([]byte, error) {
	if s, ok := o.open[name]; ok {
		return s, nil
	}
	k, ok := o.Card.key(name)
	if !ok {
		return nil, fmt.Errorf("%s has no key %s", o.Card.Name, name)
	}
	pass, err := o.unlock(name)
	if err != nil {
		return nil, fmt.Errorf("passphrase of %s: %w", name, err)
	}
	s, err := readKey(o.fsys, o.path("keys", name+".age"), o.Card.Name+"/"+name, k.Kind, pass)
	if err != nil {
		return nil, err
	}
	o.open[name] = s
	return s, nil
}

// signer unlocks an Ed25519 key and makes sure that it is the one of the card.
func (o *Office) signer(name string) (crypto.Signer, error) {
	s, err := o.secret(name)
	if err != nil {
		return nil, err
	}
	if len(s) != ed25519.SeedSize {
		return nil, fmt.Errorf("key %s: %w", name, ErrFormat)
	}
	key := ed25519.NewKeyFromSeed(s)
	if k, _ := o.Card.key(name); !key.Public().(ed25519.PublicKey).Equal(ed25519.PublicKey(k.Public)) {
		return nil, fmt.Errorf("key %s is not the one of the office's card: %w", name, ErrTampered)
	}
	return key, nil
}

// quorum unlocks as many keys of a role as its threshold asks for.
func (o *Office) quorum(role string) (out []crypto.Signer, err error) {
	r := o.Card.role(role)
	if r == nil {
		return nil, fmt.Errorf("%w: %s %s has no keys for %s", ErrParty, o.Card.Party, o.Card.Name, role)
	}
	var failed []error
	for _, name := range r.Keys {
		if len(out) == r.Threshold {
			break
		}
		if s, err := o.signer(name); err != nil {
			failed = append(failed, err)
		} else {
			out = append(out, s)
		}
	}
	if len(out) < r.Threshold {
		return nil, fmt.Errorf("%d of %d keys for %s: %w", len(out), r.Threshold, role, errors.Join(failed...))
	}
	return out, nil
}

// noteSigners are a role's quorum as signers of notes under the party's name.
func (o *Office) noteSigners(role string) (out []note.Signer, err error) {
	keys, err := o.quorum(role)
	if err != nil {
		return nil, err
	}
	for _, k := range keys {
		s, err := newNoteSigner(o.Card.Name, k)
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

// recordRole is the role whose keys sign the office's entries.
func (c *Card) recordRole() string {
	if c.Party == Deployer {
		return roleCampaign
	}
	return roleNote
}

// custody is the deployer's key for content keys.
func (o *Office) custody() (hpke.PrivateKey, error) {
	r := o.Card.role(roleCustody)
	if r == nil {
		return nil, fmt.Errorf("%w: %s %s has no custody of content keys", ErrParty, o.Card.Party, o.Card.Name)
	}
	s, err := o.secret(r.Keys[0])
	if err != nil {
		return nil, err
	}
	return hpke.MLKEM768X25519().NewPrivateKey(s)
}

// own is the record of what an office did.
func (o *Office) own() (*record, error) {
	s, err := o.Card.signers(o.Card.recordRole())
	if err != nil {
		return nil, err
	}
	return openRecord(o.fsys, o.path("record"), append(slices.Clone(o.Card.Retired), s)...)
}

// mkdirs makes a folder and those above it.
func mkdirs(fsys durable.FS, dir string) error {
	if dir == "." || dir == "/" || dir == "" {
		return nil
	}
	if _, err := fsys.ReadDir(dir); err == nil {
		return nil
	}
	if err := mkdirs(fsys, path.Dir(dir)); err != nil {
		return err
	}
	if err := fsys.Mkdir(dir); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return fsys.SyncDir(path.Dir(dir))
}
