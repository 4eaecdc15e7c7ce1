package release

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/update/bundle"
	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/releaselog"
	"github.com/plomb-pos/plomb/update/trust"
)

// Repository is a static tree that any web server, relay or stick can carry; nothing
// in it is secret, and nothing in it is believed for being there. Its layout is in
// docs/guides/releasing.md.
type Repository struct {
	dir  string
	fsys durable.FS
}

// OpenRepository opens a repository's folder, or makes it.
func OpenRepository(dir string) (*Repository, error) {
	return openRepositoryOn(durable.OS{}, dir)
}

func openRepositoryOn(fsys durable.FS, dir string) (*Repository, error) {
	r := &Repository{dir: filepath.ToSlash(dir), fsys: fsys}
	if err := mkdirs(r.fsys, r.dir); err != nil {
		return nil, fmt.Errorf("open repository: %w", err)
	}
	return r, nil
}

func (p *Repository) path(parts ...string) string {
	return path.Join(append([]string{p.dir}, parts...)...)
}

// put writes a small file.
func (p *Repository) put(name string, data []byte) error {
	if err := mkdirs(p.fsys, path.Dir(p.path(name))); err != nil {
		return err
	}
	if old, err := durable.ReadFile(p.fsys, p.path(name), int64(len(data))); err == nil && string(old) == string(data) {
		return nil
	}
	return durable.Replace(p.fsys, p.path(name), data)
}

// copy copies a file of any size, unless one of the name is there: names are hashes.
func (p *Repository) copy(name string, fsys durable.FS, from string) error {
	if there, err := p.fsys.Open(p.path(name)); err == nil {
		return there.Close()
	}
	if err := mkdirs(p.fsys, path.Dir(p.path(name))); err != nil {
		return err
	}
	in, err := openStream(fsys, from)
	if err != nil {
		return err
	}
	defer in.Close()
	temp := p.path(name) + durable.TempSuffix
	if err := durable.RemoveIfExists(p.fsys, temp); err != nil {
		return err
	}
	out, err := p.fsys.Create(temp)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.NewOffsetWriter(out, 0), in)
	if err := errors.Join(err, out.Sync(), out.Close()); err != nil {
		return err
	}
	if err := p.fsys.Rename(temp, p.path(name)); err != nil {
		return err
	}
	return p.fsys.SyncDir(path.Dir(p.path(name)))
}

// Put adds a deployer's entitlement or campaign under its name.
func (p *Repository) Put(name string, signed []byte) error {
	if name != "campaign.json" && !strings.HasPrefix(name, "entitlements/") || !bundle.ValidName(name) {
		return fmt.Errorf("put %q into the repository: %w", name, ErrFormat)
	}
	return p.put(name, signed)
}

// treeDir is where an office's metadata lie.
func (p *Repository) treeDir(party Party, name string) string {
	return path.Join(string(party), name, "metadata")
}

// Push copies an office's tree into the repository: contents first, the timestamp
// last, so that a reader sees the old tree or the new one. A repository that holds a
// newer tree is refused.
func (o *Office) Push(p *Repository) error {
	if err := o.push(p); err != nil {
		return fmt.Errorf("publish the repository of %s: %w", o.Card.Name, err)
	}
	return nil
}

func (o *Office) push(p *Repository) error {
	t, err := readTree(o.fsys, o.path("metadata"))
	if err != nil {
		return err
	}
	there := p.treeDir(o.Card.Party, o.Card.Name)
	if old, err := readTree(p.fsys, p.path(there)); err == nil && old.timestamp.Signed.Version > t.timestamp.Signed.Version {
		return fmt.Errorf("it holds timestamp %d, and here is %d: %w", old.timestamp.Signed.Version, t.timestamp.Signed.Version, ErrOrder)
	}
	for name := range t.targets.Signed.Targets {
		data, err := t.target(o.fsys, o.path("targets"), name)
		if err != nil {
			return err
		}
		if err := p.put("targets/"+manifest.Sum(data).String(), data); err != nil {
			return err
		}
	}
	return o.pushMetadata(p, t, there)
}

func (o *Office) pushMetadata(p *Repository, t *tree, there string) error {
	var names []string
	for n := int64(1); n <= t.root.Signed.Version; n++ {
		names = append(names, fmt.Sprintf("%d.root.json", n))
	}
	names = append(names, fmt.Sprintf("%d.targets.json", t.targets.Signed.Version), fmt.Sprintf("%d.snapshot.json", t.snapshot.Signed.Version), "timestamp.json")
	for _, name := range names {
		data, err := durable.ReadFile(o.fsys, o.path("metadata", name), maxMetadata)
		if err != nil {
			return err
		}
		if err := p.put(there+"/"+name, data); err != nil {
			return err
		}
	}
	return nil
}

// Publish enters an encrypted release and its approvals into the log, has the log
// cosigned, and puts everything that travels into the repository. The proof has to
// satisfy the parties' log policy, so every witness that they name has to answer.
func (o *Office) Publish(ctx context.Context, p *Repository, r *Release, witnesses []Witness, now time.Time) error {
	proofText, err := o.log(ctx, p, r, witnesses)
	if err != nil {
		return errors.Join(fmt.Errorf("%s: %w", Published, err), r.accessed(o, string(Published), err))
	}
	if err := r.do(o, Published, []Step{Encrypted, Published}, now, func(now time.Time) error { return o.release(r, proofText, now) }); err != nil {
		return err
	}
	return o.Push(p)
}

// log does what a publication needs before anybody signs: the release is in the log,
// and its files are in the repository, where no metadata name it yet.
func (o *Office) log(ctx context.Context, p *Repository, r *Release, witnesses []Witness) (proofText []byte, err error) {
	if err := r.allowed(o, Published, []Step{Encrypted, Published}); err != nil {
		return nil, err
	}
	if err := errors.Join(r.Check(), r.forgetContentKey()); err != nil {
		return nil, err
	}
	if proofText, err = o.enterLog(ctx, p, r, witnesses); err != nil {
		return nil, err
	}
	return proofText, r.putFiles(p, proofText)
}

// release puts the manifest into the maker's tree.
func (o *Office) release(r *Release, proofText []byte, now time.Time) error {
	if err := o.add(now, map[string][]byte{trust.ReleaseTarget(r.Digest()): r.encoded}); err != nil {
		return err
	}
	if r.did(Published) {
		return nil
	}
	proofText, err := o.once("log.proof", func() ([]byte, error) { return proofText, nil })
	if err != nil {
		return err
	}
	return r.enter(o, Entry{Step: string(Published), Subject: string(r.Manifest.Identity), Digests: r.about(digestName{"log.proof", manifest.Sum(proofText)})}, now)
}

// enterLog logs the release, its approvals, and every withdrawal that the repository
// knows, and gives the proof of the release.
func (o *Office) enterLog(ctx context.Context, p *Repository, r *Release, witnesses []Witness) ([]byte, error) {
	l, err := openLog(o.fsys, o.path("log"), r.Parties.Log)
	if err != nil {
		return nil, err
	}
	entries := r.logEntries()
	withdrawn, err := p.withdrawals(o)
	if err != nil {
		return nil, err
	}
	if err := o.growLog(ctx, p, l, append(entries, withdrawn...), witnesses); err != nil {
		return nil, err
	}
	text, err := l.prove(entries[0])
	if err != nil {
		return nil, err
	}
	policy, err := r.Parties.LogPolicy()
	if err != nil {
		return nil, err
	}
	_, err = releaselog.Verify(policy, releaselog.Released, r.Digest(), text) // publish nothing that no device would take
	return text, err
}

// growLog appends, signs, has it cosigned and copies the log.
func (o *Office) growLog(ctx context.Context, p *Repository, l *releaseLog, entries [][]byte, witnesses []Witness) error {
	keys, err := o.quorum(roleLog)
	if err != nil {
		return err
	}
	signer, err := newNoteSigner(l.origin, keys[0])
	if err != nil {
		return err
	}
	if err := l.add(entries, signer); err != nil {
		return err
	}
	if err := l.cosign(ctx, witnesses); err != nil {
		return err
	}
	return p.putLog(l)
}

// logEntries are the entries of the release and its approvals, the release first.
func (r *Release) logEntries() [][]byte {
	out := [][]byte{releaselog.Entry(releaselog.Released, r.Digest())}
	for _, e := range r.record.Entries {
		if e.Step == string(Confirmed) {
			out = append(out, releaselog.Entry(releaselog.Approved(e.By), r.Digest()))
		}
	}
	return out
}

// putLog copies the log, the checkpoint last.
func (p *Repository) putLog(l *releaseLog) error {
	if err := p.putFolder(l.fsys, l.dir+"/tile", "log/tile"); err != nil {
		return fmt.Errorf("copy the log: %w", err)
	}
	return p.put("log/checkpoint", l.note)
}

// putFolder copies a folder of small files.
func (p *Repository) putFolder(fsys durable.FS, from, to string) error {
	names, err := fsys.ReadDir(from)
	if err != nil {
		return err
	}
	for _, name := range names {
		if strings.HasSuffix(name, durable.TempSuffix) {
			continue
		}
		if _, err := fsys.ReadDir(from + "/" + name); err == nil {
			if err := p.putFolder(fsys, from+"/"+name, to+"/"+name); err != nil {
				return err
			}
			continue
		}
		data, err := durable.ReadFile(fsys, from+"/"+name, maxLog)
		if err != nil {
			return err
		}
		if err := p.put(to+"/"+name, data); err != nil {
			return err
		}
	}
	return nil
}

// putFiles copies note, proof, tables and packs.
func (r *Release) putFiles(p *Repository, proofText []byte) error {
	id := r.Digest().String()
	signed, err := durable.ReadFile(r.fsys, r.path("manifest.note"), manifest.MaxDocument)
	if err != nil {
		return err
	}
	for _, c := range r.Manifest.Components {
		for _, k := range c.Packs {
			if err := p.copy("packs/"+k.SHA256.String(), r.fsys, r.path("packs", k.SHA256.String())); err != nil {
				return err
			}
			if err := p.copy("tables/"+k.Table.String(), r.fsys, r.path("tables", k.Table.String())); err != nil {
				return err
			}
		}
	}
	if err := p.put("notes/"+id, signed); err != nil {
		return err
	}
	return p.put("proofs/"+id, proofText)
}

// Campaign signs the deployer's decision; its serial is the next of the office, so a
// device that saw a later one refuses it. The result is campaign.json of a repository.
func (o *Office) Campaign(c manifest.Campaign, now time.Time) ([]byte, error) {
	if o.Card.Party != Deployer {
		return nil, fmt.Errorf("campaign: %s %s: %w", o.Card.Party, o.Card.Name, ErrParty)
	}
	var signed []byte
	err := o.do(fmt.Sprintf("campaign for %s", c.Release), now, nil, func(now time.Time) (err error) {
		signed, err = o.campaign(c, now)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("campaign: %w", err)
	}
	return signed, nil
}

func (o *Office) campaign(c manifest.Campaign, now time.Time) ([]byte, error) {
	own, err := o.own()
	if err != nil {
		return nil, err
	}
	c.Format, c.Serial = manifest.CampaignFormat, 1
	for _, e := range own.Entries {
		if e.Step == "campaign" {
			c.Serial++
		}
	}
	signers, err := o.noteSigners(roleCampaign)
	if err != nil {
		return nil, err
	}
	signed, err := manifest.SignDocument(&c, signers...)
	if err != nil {
		return nil, err
	}
	return signed, o.enter(Entry{At: now, Step: "campaign", Subject: fmt.Sprint(c.Serial), Digests: []digestName{{"campaign.json", manifest.Sum(signed)}, {"manifest.json", c.Release}}})
}
