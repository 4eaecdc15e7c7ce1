// Package sample is a small world around one till, for trying: a maker, an approval
// authority that also witnesses, a deployer, the log of releases and a repository.
// It makes real releases with the real steps of package release; only its keys
// protect nothing, since their passphrase is written here and beside them.
//
//	w, err := sample.Create(dir, now)
//	r, err := w.Release(ctx, sample.Version{Program: "plomb"}, sample.Watcher{})
//	err = w.Deploy(r, devicePublicKey, now)
//
// CreatePlatform makes the world of the operating systems below such a till: other
// parties with other keys, which release images (Version.Image).
//
// One process at a time has a world open: Create and Open take a lock, Close gives it
// back.
//
// # What it does not do
//
// Nothing here is fit for a shop: one folder holds the keys of parties that must not
// know one another's, thresholds are one of one, and the reports say that nobody
// tested anything. The device's side is update/device.
package sample

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/update/release"
)

// Passphrase opens every key of a sample world.
const Passphrase = "sample: never use for a shop"

// What the parties call themselves, and where a sample release may run: XS is no
// country.
const (
	Company      = "PLM"
	Model        = "DEM"
	Jurisdiction = "XS"
	certificate  = "SAMPLE-1"

	systemModel = "SYS" // in the identities of operating systems
)

// names are those of a world's parties.
type names struct{ maker, authority, deployer string }

var (
	ofApplications = names{"sample-maker", "sample-authority", "sample-deployer"}
	ofPlatforms    = names{"sample-platform-maker", "sample-platform-authority", "sample-platform-deployer"}
)

// Files of a world's folder.
const (
	makerDir      = "maker"
	authorityDir  = "authority"
	deployerDir   = "deployer"
	releasesDir   = "releases" // one folder a release, named for its counter
	repositoryDir = "repository"
	partiesFile   = "parties.json"
	trustFile     = "trust-policy.json"
	programsFile  = "programs" // SHA-256 of every program that was released, before its stamp
)

const readme = `sample: never use for a shop

A sample maker, approval authority and deployer for the till beside this folder, made
by plomb up, so that plomb release demo can show an update from the build to the till.

The keys protect nothing: their passphrase is in the file "passphrase".
A till that trusts them is for trying. plomb release init-maker, init-authority and
init-deployer make real ones, each at its own place (docs/guides/releasing.md).

The commands for people work here too, for example:

  plomb release inspect releases/0001 --parties parties.json
  plomb release inspect repository --parties parties.json
`

// World is an open sample world. Not safe for concurrent use.
type World struct {
	Dir                        string
	Maker, Authority, Deployer *release.Office
	Parties                    *release.Parties

	lock io.Closer
}

func unlock(string) (string, error) { return Passphrase, nil }

// Create holds the three ceremonies in a folder that must not exist, and opens what it
// made. It is made beside and renamed into place, so that a crash leaves all of it or
// nothing under its name.
func Create(dir string, now time.Time) (w *World, err error) { return create(dir, ofApplications, now) }

// CreatePlatform is Create for a world that releases operating systems.
func CreatePlatform(dir string, now time.Time) (w *World, err error) {
	return create(dir, ofPlatforms, now)
}

func create(dir string, parties names, now time.Time) (w *World, err error) {
	lock, err := lockWorld(dir)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("make a sample world: %w", err), lock.Close())
		}
	}()
	temp := dir + ".making"
	if err := errors.Join(os.RemoveAll(temp), os.MkdirAll(temp, 0o755)); err != nil {
		return nil, err
	}
	if err := populate(temp, parties, now); err != nil {
		return nil, errors.Join(err, os.RemoveAll(temp))
	}
	disk := durable.OS{}
	if err := errors.Join(disk.Rename(temp, dir), disk.SyncDir(filepath.Dir(dir))); err != nil {
		return nil, err
	}
	w = &World{Dir: dir, lock: lock}
	return w, w.open()
}

// lockWorld takes the lock, which lies beside the folder.
func lockWorld(dir string) (io.Closer, error) {
	lock, err := durable.OS{}.Lock(dir + ".lock")
	if err != nil {
		return nil, fmt.Errorf("open the sample world (another command may be at work in it): %w", err)
	}
	return lock, nil
}

func populate(dir string, parties names, now time.Time) error {
	for name, text := range map[string]string{"README": readme, "passphrase": Passphrase + "\n"} {
		if err := durable.Replace(durable.OS{}, filepath.Join(dir, name), []byte(text)); err != nil {
			return err
		}
	}
	w := &World{Dir: dir}
	one := release.Quorum{Threshold: 1, Keys: 1}
	for _, c := range []struct {
		to     **release.Office
		folder string
		release.Ceremony
	}{
		{&w.Maker, makerDir, release.Ceremony{Party: release.Maker, Name: parties.maker}},
		{&w.Authority, authorityDir, release.Ceremony{Party: release.Authority, Name: parties.authority, Jurisdictions: []string{Jurisdiction}}},
		{&w.Deployer, deployerDir, release.Ceremony{Party: release.Deployer, Name: parties.deployer}},
	} {
		c.Root, c.Ceremony.Release, c.Work = one, one, 1
		office, err := release.Init(filepath.Join(dir, c.folder), c.Ceremony, unlock, now)
		if err != nil {
			return err
		}
		*c.to = office
	}
	return w.writeParties()
}

// writeParties writes what the parties and the device know of one another. A sample
// till warns of old metadata and goes on selling: nobody renews them while it is off.
func (w *World) writeParties() (err error) {
	if w.Parties, err = release.NewParties(1, w.Maker.Card, w.Deployer.Card, w.Authority.Card); err != nil {
		return err
	}
	parties, err := w.Parties.Encode()
	if err != nil {
		return err
	}
	trust, err := w.Parties.TrustPolicy(time.Hour, 10*365*24*time.Hour, w.Maker.Card, w.Authority.Card)
	if err != nil {
		return err
	}
	return errors.Join(durable.Replace(durable.OS{}, w.path(partiesFile), parties), durable.Replace(durable.OS{}, w.path(trustFile), trust))
}

// Open opens a world. The error wraps fs.ErrNotExist where there is none.
func Open(dir string) (*World, error) {
	if _, err := os.Stat(dir); err != nil {
		return nil, fmt.Errorf("open the sample world: %w", err)
	}
	lock, err := lockWorld(dir)
	if err != nil {
		return nil, err
	}
	w := &World{Dir: dir, lock: lock}
	if err := w.open(); err != nil {
		return nil, errors.Join(fmt.Errorf("open the sample world: %w", err), lock.Close())
	}
	return w, nil
}

func (w *World) open() (err error) {
	if err := w.sweep(); err != nil {
		return err
	}
	for dir, to := range map[string]**release.Office{makerDir: &w.Maker, authorityDir: &w.Authority, deployerDir: &w.Deployer} {
		if *to, err = release.OpenOffice(w.path(dir), unlock); err != nil {
			return err
		}
	}
	text, err := os.ReadFile(w.path(partiesFile))
	if err != nil {
		return err
	}
	w.Parties, err = release.ParseParties(text)
	return err
}

// Beginnings of the names of folders that are removed when what they are for is done.
const (
	buildPrefix = "build-"
	slotPrefix  = "slot-"
)

// sweep removes what a command that was killed left.
func (w *World) sweep() error {
	for _, prefix := range []string{buildPrefix, slotPrefix} {
		left, err := filepath.Glob(w.path(prefix + "*"))
		if err != nil {
			return err
		}
		for _, dir := range left {
			if err := os.RemoveAll(dir); err != nil {
				return err
			}
		}
	}
	return nil
}

// Close lets another process open the world.
func (w *World) Close() error { return w.lock.Close() }

func (w *World) path(parts ...string) string {
	return filepath.Join(append([]string{w.Dir}, parts...)...)
}

// Repository is the folder that a web server may serve to tills.
func (w *World) Repository() string { return w.path(repositoryDir) }

// TrustPolicy is what a device of this world is commissioned with.
func (w *World) TrustPolicy() ([]byte, error) { return os.ReadFile(w.path(trustFile)) }

// Anchors are the first roots of the parties' repositories, by party.
func (w *World) Anchors() (map[string][]byte, error) {
	out := map[string][]byte{}
	for dir, o := range map[string]*release.Office{makerDir: w.Maker, authorityDir: w.Authority} {
		root, err := os.ReadFile(w.path(dir, "metadata", "1.root.json"))
		if err != nil {
			return nil, fmt.Errorf("first root of %s: %w", o.Card.Name, err)
		}
		out[o.Card.Name] = root
	}
	return out, nil
}

// renewAfter is the age from which metadata are signed anew.
const renewAfter = 20 * time.Hour

// Renew signs the parties' timestamps anew and publishes them, when they have grown old:
// they count for a week.
func Renew(dir string, now time.Time) (err error) {
	found, err := filepath.Glob(filepath.Join(dir, repositoryDir, "maker", "*", "metadata", "timestamp.json"))
	if err != nil || len(found) == 0 {
		return errors.Join(fmt.Errorf("renew the metadata in %s: %w", dir, fs.ErrNotExist), err)
	}
	info, err := os.Stat(found[0])
	if err != nil || now.Sub(info.ModTime()) < renewAfter {
		return err
	}
	w, err := Open(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	repo, err := release.OpenRepository(w.Repository())
	if err != nil {
		return err
	}
	for _, o := range []*release.Office{w.Maker, w.Authority} {
		if err := errors.Join(o.Refresh(now), o.Push(repo)); err != nil {
			return err
		}
	}
	return nil
}
