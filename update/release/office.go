package release

import (
	"cmp"
	"crypto/ed25519"
	"crypto/hpke"
	"errors"
	"fmt"
	"io/fs"
	"maps"
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
	"github.com/plomb-pos/plomb/update/keeper"
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

// tufRoles are those that a root names.
var tufRoles = []string{roleRoot, roleTargets, roleSnapshot, roleTimestamp}

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
	Kind   string `json:"kind"` // see package keeper
	Public []byte `json:"public"`

	Place keeper.Place `json:"place,omitempty"` // of the private half; empty: keys/NAME.age
}

// KeyPlan says where a new key is kept, and what it is. The zero value is an Ed25519 key
// in a file.
type KeyPlan struct {
	Place  keeper.Place
	Kind   keeper.Kind // empty: Ed25519; in a TPM, for the roles of TUF, ECDSA
	Public []byte      // of a key elsewhere
}

func (p KeyPlan) orDefault() KeyPlan {
	if p.Kind == "" {
		p.Kind = keeper.Ed25519
	}
	return p
}

// of is the plan for a role, checked: what signs by itself every week, and what has to
// give its secret out, cannot be on a token or elsewhere.
func (p KeyPlan) of(role string) (KeyPlan, error) {
	isTUF := slices.Contains(tufRoles, role)
	switch {
	case role == roleCustody:
		p.Kind = keeper.HPKE
	case p.Kind == "" && isTUF && strings.HasPrefix(string(p.Place), "tpm:"):
		p.Kind = keeper.P256
	}
	p = p.orDefault()
	switch {
	case p.Kind != keeper.Ed25519 && !isTUF && role != roleCustody:
		return p, fmt.Errorf("%w: %s signs notes, which are Ed25519, not %s", ErrFormat, role, p.Kind)
	case p.Place == keeper.Elsewhere && !slices.Contains([]string{roleRoot, roleTargets, roleNote, roleCampaign}, role):
		return p, fmt.Errorf("%w: a key for %s cannot be elsewhere: it signs without people", ErrFormat, role)
	case role == roleWitness && strings.HasPrefix(string(p.Place), "pkcs11:"):
		return p, fmt.Errorf("%w: a witness's key lies in a file or a TPM", ErrFormat)
	case p.Place == keeper.Elsewhere && len(p.Public) == 0:
		return p, fmt.Errorf("%w: the public half of a key elsewhere is missing", ErrFormat)
	}
	return p, p.Place.Check(p.Kind)
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

	// Keep says where keys are kept, by the name of a key or of a role. What it does not
	// name lies in files.
	Keep map[string]KeyPlan
}

// plan is where a key of a role is to be kept.
func (c Ceremony) plan(role, key string) (KeyPlan, error) {
	p, ok := c.Keep[key]
	if !ok {
		p = c.Keep[role]
	}
	if p, err := p.of(role); err != nil {
		return p, fmt.Errorf("key %s: %w", key, err)
	}
	return p.of(role)
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

// Plans are where each key would be kept: a dry run.
func (c Ceremony) Plans() (map[string]KeyPlan, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	out := map[string]KeyPlan{}
	for _, r := range c.roles() {
		for _, key := range r.Keys {
			p, err := c.plan(r.Name, key)
			if err != nil {
				return nil, err
			}
			out[key] = p
		}
	}
	return out, nil
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
	return c.checkKeep()
}

// checkKeep looks at every key's place before the first is drawn.
func (c Ceremony) checkKeep() error {
	unused := maps.Clone(c.Keep)
	for _, r := range c.roles() {
		delete(unused, r.Name)
		for _, key := range r.Keys {
			delete(unused, key)
			if _, err := c.plan(r.Name, key); err != nil {
				return err
			}
		}
	}
	for name := range unused {
		return fmt.Errorf("%w: the ceremony draws no key and has no role %q", ErrFormat, name)
	}
	return nil
}

// Unlock gives the passphrase of a key: it asks a person, or reads a file. It is
// called once for each key in an Office's life.
type Unlock func(key string) (passphrase string, err error)

// Office is one party's folder. Not safe for concurrent use; two that are open on one
// folder wait for no one: the second is refused while the first works.
type Office struct {
	Card Card

	dir  string
	disk durable.FS // what is there
	fsys durable.FS // what is worked on: disk, or a draft over it
	ring *keyring
	act  *act
}

func newOffice(fsys durable.FS, dir string, unlock Unlock, work int) *Office {
	o := &Office{dir: absolute(fsys, dir), disk: fsys, fsys: fsys}
	o.ring = newKeyring(fsys, o.dir, "", unlock, work)
	return o
}

// absolute keeps a folder's name good when the program goes elsewhere.
func absolute(fsys durable.FS, dir string) string {
	if _, ok := fsys.(durable.OS); !ok {
		return dir
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return filepath.ToSlash(dir)
	}
	return filepath.ToSlash(abs)
}

// Init holds the ceremony: it makes an office in dir, which must not hold one, draws
// its keys and, but for a deployer, signs the first metadata of its repository. Where
// root keys are elsewhere its error is an *Awaiting: called again with the same
// ceremony, when the answers are there, it goes on.
func Init(dir string, c Ceremony, unlock Unlock, now time.Time) (*Office, error) {
	return initOn(durable.OS{}, dir, c, unlock, now)
}

func initOn(fsys durable.FS, dir string, c Ceremony, unlock Unlock, now time.Time) (*Office, error) {
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("init: %w", err)
	}
	o := newOffice(fsys, dir, unlock, c.Work)
	if err := o.replay(); err != nil {
		return nil, fmt.Errorf("init %s: %w", dir, err)
	}
	if _, err := durable.ReadFile(o.disk, o.path("office.json"), manifest.MaxDocument); !isMissing(err) {
		return nil, fmt.Errorf("init %s: an office %w", dir, ErrExists)
	}
	o.prepare(c)
	if err := o.do("init", now, nil, func(now time.Time) error { return o.whole(func() error { return o.populate(c, now) }) }); err != nil {
		return nil, fmt.Errorf("init %s: %w", dir, err)
	}
	return o, nil
}

func (o *Office) prepare(c Ceremony) {
	o.Card = Card{Format: cardFormat, Party: c.Party, Name: c.Name, Jurisdictions: slices.Sorted(slices.Values(c.Jurisdictions)), Roles: c.roles()}
	for name, p := range c.Keep {
		if p.Place == keeper.Elsewhere {
			o.Card.Keys = append(o.Card.Keys, Key{Name: name, Place: keeper.Elsewhere}) // until they are drawn: somebody has to be asked
		}
	}
	o.ring.label, o.ring.log.by = c.Name, c.Name
}

// populate makes the keys, then the tree, and the card last: without it there is no
// office, and Init can be called again.
func (o *Office) populate(c Ceremony, now time.Time) error {
	o.Card.Keys, o.Card.Drawn = nil, 0
	for _, r := range o.Card.Roles {
		for _, name := range r.Keys {
			p, err := c.plan(r.Name, name)
			if err != nil {
				return err
			}
			if err := o.draw(name, p); err != nil {
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

// draw makes a key and adds its public half to the card. The private half is durable
// before the card names it, and is of no use to anybody when the act is not finished.
func (o *Office) draw(name string, p KeyPlan) error {
	text, err := o.once("key "+name, func() ([]byte, error) {
		if p.Place == keeper.Elsewhere {
			return json.Marshal(Key{Name: name, Kind: string(p.Kind), Public: p.Public, Place: p.Place})
		}
		if err := mkdirs(o.disk, o.path("keys")); err != nil {
			return nil, err
		}
		k, err := o.ring.draw(name, p)
		if err != nil {
			return nil, err
		}
		return json.Marshal(k)
	})
	if err != nil {
		return err
	}
	var k Key
	if err := json.Unmarshal(text, &k, json.RejectUnknownMembers(true)); err != nil {
		return fmt.Errorf("key %s: %w: %w", name, ErrFormat, err)
	}
	o.Card.Keys = append(o.Card.Keys, k)
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

// OpenOffice opens an office, and finishes what a crash cut off. Keys are unlocked when
// they are needed.
func OpenOffice(dir string, unlock Unlock) (*Office, error) {
	return openOfficeOn(durable.OS{}, dir, unlock)
}

func openOfficeOn(fsys durable.FS, dir string, unlock Unlock) (*Office, error) {
	o := newOffice(fsys, dir, unlock, 0)
	if err := o.replay(); err != nil {
		return nil, fmt.Errorf("open office %s: %w", dir, err)
	}
	text, err := durable.ReadFile(o.disk, o.path("office.json"), manifest.MaxDocument)
	if err != nil {
		return nil, fmt.Errorf("open office: %w", err)
	}
	if o.Card, err = ParseCard(text); err != nil {
		return nil, fmt.Errorf("open office %s: %w", dir, err)
	}
	o.ring.label, o.ring.log.by = o.Card.Name, o.Card.Name
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
		if err := k.check(); err != nil {
			return c, fmt.Errorf("key %s: %w", k.Name, err)
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

func (k Key) check() error {
	if err := k.Place.Check(keeper.Kind(k.Kind)); err != nil {
		return fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if keeper.Kind(k.Kind) == keeper.HPKE {
		return nil
	}
	if _, err := keeper.PublicKey(keeper.Kind(k.Kind), k.Public); err != nil {
		return fmt.Errorf("%w: %w", ErrFormat, err)
	}
	return nil
}

// elsewhere says whether any key is kept elsewhere.
func (c *Card) elsewhere() bool {
	return slices.ContainsFunc(c.Keys, func(k Key) bool { return k.Place == keeper.Elsewhere })
}

// clone is a copy that shares nothing.
func (c *Card) clone() Card {
	out := *c
	out.Keys, out.Retired = slices.Clone(c.Keys), slices.Clone(c.Retired)
	out.Roles = slices.Clone(c.Roles)
	for i := range out.Roles {
		out.Roles[i].Keys = slices.Clone(out.Roles[i].Keys)
	}
	return out
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

// secret is the secret half of a key that gives it out.
func (o *Office) secret(name string) ([]byte, error) {
	k, ok := o.Card.key(name)
	if !ok {
		return nil, fmt.Errorf("%s has no key %s", o.Card.Name, name)
	}
	key, err := o.ring.get(k)
	if err != nil {
		return nil, err
	}
	secret, ok := key.Secret()
	if !ok {
		return nil, fmt.Errorf("key %s does not leave its place: %w", name, ErrParty)
	}
	return secret, nil
}

// signer unlocks a key; one that is elsewhere signs through a request.
func (o *Office) signer(name string) (signer, error) {
	k, ok := o.Card.key(name)
	if !ok {
		return signer{}, fmt.Errorf("%s has no key %s", o.Card.Name, name)
	}
	if k.Place == keeper.Elsewhere {
		return signer{k, func(m []byte) ([]byte, error) { return o.signElsewhere(k, m) }}, nil
	}
	key, err := o.ring.get(k)
	if err != nil {
		return signer{}, err
	}
	return signer{k, key.Sign}, nil
}

// quorum unlocks as many keys of a role as its threshold asks for: those that are here
// first, then those elsewhere, of which those that answered first.
func (o *Office) quorum(role string) (out []signer, err error) {
	r := o.Card.role(role)
	if r == nil {
		return nil, fmt.Errorf("%w: %s %s has no keys for %s", ErrParty, o.Card.Party, o.Card.Name, role)
	}
	var failed []error
	for _, name := range o.ranked(r.Keys) {
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

// ranked are names of keys in the order in which they are asked.
func (o *Office) ranked(names []string) []string {
	rank := func(name string) int {
		if k, _ := o.Card.key(name); k.Place != keeper.Elsewhere {
			return -1 << 30
		}
		return -o.answered(name)
	}
	names = slices.Clone(names)
	slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(rank(a), rank(b)) })
	return names
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
