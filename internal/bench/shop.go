package bench

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/journal"
	"github.com/plomb-pos/plomb/journal/proof"
	"github.com/plomb-pos/plomb/money"
	"github.com/plomb-pos/plomb/seal"
	"github.com/plomb-pos/plomb/staff"
	"github.com/plomb-pos/plomb/till"
)

// Seller is the supervisor of a made till, who may do all that is measured;
// PIN is hers and the administrator's: nothing that is measured is a secret.
const (
	Seller staff.ID = "2"
	PIN    string   = "258025"
)

// tillKeys are what opens a made till.
type tillKeys struct {
	box    *seal.Box
	signer proof.Signer
}

func openKeys(dir string) (tillKeys, error) {
	box, err := seal.Open(durable.OS{}, filepath.Join(dir, "seal"))
	if err != nil {
		return tillKeys{}, err
	}
	origin, err := till.CurrentOrigin(dir)
	if err != nil {
		return tillKeys{}, err
	}
	signer, err := box.Signer(origin)
	return tillKeys{box, signer}, err
}

func (tillKeys) anchors(dir string) []journal.Anchor {
	return []journal.Anchor{journal.FileAnchor(durable.OS{}, filepath.Join(dir, "anchor", "head"))}
}

func (k tillKeys) options(dir string, now func() time.Time) till.Options {
	return till.Options{
		Dir: dir, Keys: k.box.JournalKeys(), Signer: k.signer, Anchors: k.anchors(dir), Now: now,
		DatabaseKey: func(name string) ([]byte, error) {
			key, err := k.box.DatabaseKey(name)
			return key[:], err
		},
	}
}

// createTill makes a till as plomb up does and sets it up, at a time.
func createTill(ctx context.Context, dir string, now func() time.Time) error {
	if err := os.MkdirAll(filepath.Join(dir, "anchor"), 0o700); err != nil {
		return err
	}
	box, err := seal.Create(durable.OS{}, filepath.Join(dir, "seal"))
	if err != nil {
		return err
	}
	var b [4]byte
	rand.Read(b[:]) // never fails
	name := "bench-" + hex.EncodeToString(b[:])
	k := tillKeys{box: box}
	if k.signer, err = box.CreateSigner(till.Origin(name, 1)); err != nil {
		return err
	}
	o := k.options(dir, now)
	o.Name = name
	if o.Key, err = box.Verifier(till.Origin(name, 1)); err != nil {
		return err
	}
	if err := till.Create(ctx, o); err != nil {
		return err
	}
	return setUp(ctx, o)
}

// setUp names the shop and its people.
func setUp(ctx context.Context, o till.Options) error {
	node, err := till.Open(ctx, o)
	if err != nil {
		return err
	}
	name, currency := "Bench", money.Currency("EUR")
	_, err = node.Setup(ctx, till.Setup{
		Code: node.SetupCode(), Shop: till.Profile{Name: &name, Currency: &currency},
		Administrator: till.NewPerson{ID: "1", Name: "Administrator", PIN: PIN},
		People:        []till.NewPerson{{ID: Seller, Name: "Seller", Role: string(staff.Supervisor), PIN: PIN}},
	})
	return errors.Join(err, node.Close(ctx))
}
