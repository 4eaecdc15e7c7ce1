package till

import (
	"context"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"runtime/debug"
	"time"

	"github.com/plomb-pos/plomb/catalog"
	"github.com/plomb-pos/plomb/catalog/sample"
	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/journal"
	"github.com/plomb-pos/plomb/journal/proof"
	"github.com/plomb-pos/plomb/till/sqlite"
)

// Names in the vault.
const (
	settingCatalogue = "catalogue" // the set in force, in its canonical form
	settingSetup     = "setup"     // SHA-256 of the setup code
	settingGuesses   = "guesses"   // wrong PINs that still count
	settingRunning   = "running"   // there while a node has the vault open
	settingMark      = "mark"      // how far the vault goes with the journal
	vaultFile        = "vault.db"
	projectionFile   = "projection.db"
)

// Create makes a till in o.Dir: its vault with a catalogue, and epoch 1 with a
// commission entry. There must not be one yet; [journal.ErrExists] says that
// there is. When Create returns nil the till survives loss of power and can be
// opened. After an error the directory may hold a part of one: start over in an
// empty one.
func Create(ctx context.Context, o Options) error {
	o, err := o.withDefaults()
	if err != nil {
		return err
	}
	if o.Name == "" {
		o.Name = "till-" + hex.EncodeToString(randomBytes(4))
	}
	set, err := firstCatalogue(o)
	if err != nil {
		return fmt.Errorf("create till: %w", err)
	}
	if err := createVault(ctx, o, set); err != nil {
		return fmt.Errorf("create till: %w", err)
	}
	drafts, err := firstDrafts(o, set)
	if err != nil {
		return fmt.Errorf("create till: %w", err)
	}
	j, err := journal.Create(ctx, filepath.Join(o.Dir, "e1"), Origin(o.Name, 1), drafts, journal.Options{Keys: o.Keys, Signer: o.Signer, Anchors: o.Anchors})
	if err != nil {
		return fmt.Errorf("create till: %w", err)
	}
	return j.Close(ctx)
}

func firstCatalogue(o Options) (*catalog.Catalog, error) {
	if o.Catalogue != nil {
		return catalog.New(*o.Catalogue)
	}
	return sample.Catalog()
}

func createVault(ctx context.Context, o Options, c *catalog.Catalog) error {
	encoded, err := c.Set().Encode()
	if err != nil {
		return err
	}
	key, err := o.DatabaseKey("vault")
	if err != nil {
		return err
	}
	v, err := sqlite.CreateVault(ctx, filepath.Join(o.Dir, vaultFile), key)
	if err != nil {
		return err
	}
	err = v.Apply(ctx, sqlite.Change{Setting: &sqlite.Setting{Key: settingCatalogue, Value: encoded}})
	if closed := v.Close(); err == nil {
		err = closed
	}
	return err
}

// firstDrafts are the commissioning and the catalogue taken into use.
func firstDrafts(o Options, c *catalog.Catalog) ([]journal.Draft, error) {
	key, err := o.verifierKey()
	if err != nil {
		return nil, err
	}
	country, currency := o.Country, c.Currency()
	name := "plomb"
	shop, err := newShop(Profile{Name: &name, Country: &country, Currency: &currency}, o.Name, o.Now())
	if err != nil {
		return nil, err
	}
	s := &scratch{state: &fiscal.State{}, origin: Origin(o.Name, 1), time: o.Now(), uptime: o.Uptime(), boot: o.Boot}
	if err := s.add(&fiscal.Commission{Shop: shop, Software: o.Software, Key: key}); err != nil {
		return nil, err
	}
	if err := s.add(&fiscal.ArticleChange{New: c.Hash(), Added: c.Len()}); err != nil {
		return nil, err
	}
	return s.drafts, nil
}

// verifierKey is the key by which others check the till's signatures.
func (o Options) verifierKey() (string, error) {
	if o.Key != "" || o.Signer == nil {
		return o.Key, nil
	}
	s, ok := o.Signer.(interface{ Verifier() *proof.Verifier })
	if !ok {
		return "", fmt.Errorf("till options: the signer does not tell its verifier key, and Key is empty")
	}
	return s.Verifier().String(), nil
}

// software names the program that runs.
func software() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "plomb (devel)"
	}
	return "plomb " + info.Main.Version
}

// scratch tries entries on a copy of the state before any is staged, so that
// what is staged is known to fold.
type scratch struct {
	state   *fiscal.State
	origin  string
	time    time.Time
	uptime  time.Duration
	boot    [16]byte
	command [16]byte
	unsure  bool
	drafts  []journal.Draft
	heads   []*proof.Head
}

// add drafts a body and folds it into the copy.
func (s *scratch) add(b fiscal.Body) error {
	d, err := s.state.Draft(b)
	if err != nil {
		return err
	}
	if s.unsure {
		d.Flags |= proof.FlagClockUnsure
	}
	h := &proof.Head{
		Flags: d.Flags, Kind: d.Kind, Index: s.state.Size, Time: s.time.UnixMilli(), Uptime: uint64(s.uptime.Milliseconds()),
		Boot: s.boot, Command: s.command, BodyLen: uint32(len(d.Body)), Origin: s.origin, Numbers: d.Numbers,
	}
	if err := s.state.Apply(h, d.Body); err != nil {
		return err
	}
	s.heads = append(s.heads, h)
	s.drafts = append(s.drafts, journal.Draft{
		Kind: d.Kind, Flags: d.Flags, Time: s.time, Uptime: s.uptime, Boot: s.boot, Command: s.command,
		Numbers: d.Numbers, Body: d.Body, Sign: d.Sign,
	})
	return nil
}
