package release

import (
	"crypto/hpke"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/update/frame"
	"github.com/plomb-pos/plomb/update/manifest"
)

// wrap seals a content key to somebody's public key: HPKE with MLKEM768X25519,
// HKDF-SHA256 and AES-256-GCM; the result begins with the encapsulated key.
func wrap(public, content []byte, info string) ([]byte, error) {
	pub, err := hpke.MLKEM768X25519().NewPublicKey(public)
	if err != nil {
		return nil, fmt.Errorf("wrap the content key: %w", err)
	}
	return hpke.Seal(pub, hpke.HKDFSHA256(), hpke.AES256GCM(), []byte(info), content)
}

func custodyInfo(release manifest.Digest) string {
	return fmt.Sprintf("plomb custody/1\n%s\n", release)
}

// Encrypt opens every sealed frame of the whole packs once more and makes sure that
// they give the approved components, wraps the content key to the deployer, and removes the clear
// one: from here on the maker cannot hand it out either.
func (r *Release) Encrypt(o *Office, now time.Time) error {
	return r.do(o, Encrypted, []Step{Confirmed}, now, func(now time.Time) error {
		if err := r.Check(); err != nil {
			return err
		}
		content, err := durable.ReadFile(r.fsys, r.path("content.key"), frame.KeySize)
		if err != nil {
			return err
		}
		if err := r.opens(content); err != nil {
			return err
		}
		wrapped, err := o.once("custody.key", func() ([]byte, error) { return wrap(r.Parties.Custody, content, custodyInfo(r.Digest())) })
		if err != nil {
			return err
		}
		if err := durable.Replace(r.fsys, r.path("custody.key"), wrapped); err != nil {
			return err
		}
		if err := r.enter(o, Entry{Step: string(Encrypted), Subject: string(r.Manifest.Identity), Digests: r.about(digestName{"custody.key", manifest.Sum(wrapped)})}, now); err != nil {
			return err
		}
		return r.forgetContentKey()
	})
}

// forgetContentKey overwrites the clear key before it is removed; what a disk keeps of
// overwritten blocks is the disk's.
func (r *Release) forgetContentKey() error {
	f, err := r.fsys.Open(r.path("content.key"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = f.WriteAt(make([]byte, frame.KeySize), 0)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := r.fsys.Remove(r.path("content.key")); err != nil {
		return err
	}
	return r.fsys.SyncDir(r.dir)
}

// opens makes every component out of its whole pack. Deltas need a component that is
// not here; what they make was compared with the manifest by their tables.
func (r *Release) opens(content []byte) error {
	for i := range r.Manifest.Components {
		c := &r.Manifest.Components[i]
		for _, p := range c.Packs {
			if p.From != nil {
				continue
			}
			if err := r.opensPack(c, p, content); err != nil {
				return fmt.Errorf("pack of %s: %w", c.Name, err)
			}
		}
	}
	return nil
}

func (r *Release) opensPack(c *manifest.Component, p manifest.Pack, content []byte) error {
	table, err := r.table(p)
	if err != nil {
		return err
	}
	var from manifest.Digest
	key, err := frame.NewKey(content, r.Manifest.Identity, c.Name, from, c.SHA256)
	if err != nil {
		return err
	}
	f, err := r.fsys.Open(r.path("packs", p.SHA256.String()))
	if err != nil {
		return missingFile(err)
	}
	defer f.Close()
	v := manifest.NewVerifier(c)
	for i := range table.Entries {
		at, n := table.Range(i)
		wire := make([]byte, n)
		if _, err := f.ReadAt(wire, at); err != nil {
			return err
		}
		data, err := table.Open(i, wire, key, nil)
		if err != nil {
			return err
		}
		if _, err := v.Write(data); err != nil {
			return err
		}
	}
	return v.Close()
}

// Entitle gives one device the content key of an encrypted release: the deployer
// unwraps it, wraps it to the device's key and signs. It is refused to everybody else,
// and entered in the deployer's record. The result belongs into the repository at
// manifest.EntitlementName.
func (r *Release) Entitle(o *Office, device []byte, notAfter, now time.Time) (note []byte, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("entitle: %w", err)
		}
		err = errors.Join(err, r.accessed(o, "entitled "+manifest.Sum(device).String(), err))
	}()
	if o.Card.Name != r.Parties.Deployer.Name || o.Card.Party != Deployer {
		return nil, fmt.Errorf("%s %s: %w", o.Card.Party, o.Card.Name, ErrParty)
	}
	if !r.did(Encrypted) {
		return nil, fmt.Errorf("the release is %s: %w", r.State(), ErrOrder)
	}
	err = o.do("entitle "+manifest.Sum(device).String(), now, r, func(now time.Time) error {
		note, err = r.entitle(o, device, notAfter, now)
		return err
	})
	return note, err
}

func (r *Release) entitle(o *Office, device []byte, notAfter, now time.Time) ([]byte, error) {
	content, err := r.contentKey(o)
	if err != nil {
		return nil, err
	}
	id := manifest.Sum(device)
	text, err := o.once("entitlement", func() ([]byte, error) {
		e, err := manifest.NewEntitlement(r.Digest(), device, content, notAfter)
		if err != nil {
			return nil, err
		}
		return manifest.EncodeDocument(e)
	})
	if err != nil {
		return nil, err
	}
	e := new(manifest.Entitlement)
	if err := manifest.ParseDocument(text, e); err != nil {
		return nil, err
	}
	signers, err := o.noteSigners(roleCampaign)
	if err != nil {
		return nil, err
	}
	note, err := manifest.SignDocument(e, signers...)
	if err != nil {
		return nil, err
	}
	return note, o.enter(Entry{At: now, Step: "entitled", Subject: id.String(), Digests: []digestName{{"manifest.json", r.Digest()}, {"entitlement", manifest.Sum(note)}}})
}

// contentKey unwraps the content key with the deployer's custody key.
func (r *Release) contentKey(o *Office) ([]byte, error) {
	priv, err := o.custody()
	if err != nil {
		return nil, err
	}
	wrapped, err := r.wrappedKey()
	if err != nil {
		return nil, err
	}
	return hpke.Open(priv, hpke.HKDFSHA256(), hpke.AES256GCM(), []byte(custodyInfo(r.Digest())), wrapped)
}

// enter adds an entry to the office's own record.
func (o *Office) enter(e Entry) error {
	own, err := o.own()
	if err != nil {
		return err
	}
	signers, err := o.noteSigners(o.Card.recordRole())
	if err != nil {
		return err
	}
	e.By = o.Card.Name
	return own.append(e, signers)
}

// Record are the entries of the office's own record: what it registered, withdrew,
// decided and handed out.
func (o *Office) Record() ([]Entry, error) {
	own, err := o.own()
	if err != nil {
		return nil, err
	}
	return own.Entries, nil
}

// CheckCustody compares the wrapped content key with the record; there is nothing to
// compare before it was encrypted.
func (r *Release) CheckCustody() error {
	if !r.did(Encrypted) {
		return nil
	}
	_, err := r.wrappedKey()
	return err
}

// wrappedKey reads custody.key and compares it with the entry that binds it.
func (r *Release) wrappedKey() ([]byte, error) {
	wrapped, err := durable.ReadFile(r.fsys, r.path("custody.key"), manifest.MaxDocument)
	if err != nil {
		return nil, missingFile(err)
	}
	for _, e := range r.record.Entries {
		if d, _ := e.digest("custody.key"); e.Step == string(Encrypted) && d != manifest.Sum(wrapped) {
			return nil, fmt.Errorf("custody.key: %w", ErrTampered)
		}
	}
	return wrapped, nil
}
