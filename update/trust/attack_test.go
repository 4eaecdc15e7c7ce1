package trust_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"github.com/plomb-pos/plomb/internal/powercut"
	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/releaselog"
	"github.com/plomb-pos/plomb/update/trust"
)

// offerPart offers a release of which something is missing.
func (w *world) offerPart(change func(digest manifest.Digest, data []byte)) manifest.Digest {
	digest := w.offer(4)
	_, data := w.release(4)
	change(digest, data)
	w.publish()
	return digest
}

// Requirement: DL-04, DL-06
func TestWhateverIsMissingRefusesARelease(t *testing.T) {
	for name, c := range map[string]struct {
		change func(w *world, d manifest.Digest, data []byte)
		stage  trust.Stage
		reason error
	}{
		"the authority's signature": {func(w *world, d manifest.Digest, data []byte) { w.signNote(d, data, "maker") }, trust.Authenticity, manifest.ErrUnsigned},
		"the maker's signature":     {func(w *world, d manifest.Digest, data []byte) { w.signNote(d, data, "ptb") }, trust.Authenticity, manifest.ErrUnsigned},
		"the note":                  {func(w *world, d manifest.Digest, _ []byte) { delete(w.files, "notes/"+d.String()) }, trust.Authenticity, manifest.ErrUnsigned},
		"the authority's target":    {func(w *world, d manifest.Digest, _ []byte) { delete(w.ptb.targets, trust.ReleaseTarget(d)) }, trust.Authenticity, trust.ErrNotApproved},
		"the maker's target":        {func(w *world, d manifest.Digest, _ []byte) { delete(w.maker.targets, trust.ReleaseTarget(d)) }, trust.Authenticity, trust.ErrNotFound},
		"the approval":              {func(w *world, d manifest.Digest, _ []byte) { delete(w.ptb.targets, trust.ApprovalTarget(d)) }, trust.Certification, trust.ErrNotApproved},
		"the proof":                 {func(w *world, d manifest.Digest, _ []byte) { delete(w.files, "proofs/"+d.String()) }, trust.Authenticity, releaselog.ErrUnlogged},
		"the manifest's bytes":      {func(w *world, d manifest.Digest, data []byte) { w.files["targets/"+d.String()] = data[1:] }, trust.Transmission, trust.ErrContent},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			digest := w.offerPart(func(d manifest.Digest, data []byte) { c.change(w, d, data) })
			if strings.Contains(name, "bytes") {
				c.change(w, digest, []byte("xother bytes")) // after publishing, which wrote the good ones
			}
			w.refused(w.refreshed(), digest, c.stage, c.reason)
		})
	}
}

// Requirement: DL-04
func TestTwoSignaturesOfTheMakerAreNotMakerAndAuthority(t *testing.T) {
	w := newWorld(t)
	digest, data := w.release(4)
	w.maker.targets[trust.ReleaseTarget(digest)] = data
	// The maker plays the authority: it signs a repository of that name with its own keys.
	fake := newParty(t, tree{}, "authority", "ptb")
	fake.keys = w.maker.keys
	fake.targets[trust.ReleaseTarget(digest)] = data
	w.approve(digest, nil)
	fake.targets[trust.ApprovalTarget(digest)] = w.ptb.targets[trust.ApprovalTarget(digest)]
	fake.publish()
	w.signNote(digest, data, "maker")
	w.log(digest)
	w.maker.publish()
	for name, data := range fake.files {
		if !strings.HasSuffix(name, "1.root.json") {
			w.files[name] = data
		}
	}
	tr := w.open()
	w.fails(tr, trust.ErrSignature)
	w.refused(tr, digest, trust.Authenticity, manifest.ErrUnsigned)
	w.refused(tr, digest, trust.Freshing, trust.ErrNoMetadata)
}

// Requirement: DL-04, CU-09
func TestAKeyOfBothPartiesRefusesAll(t *testing.T) {
	w := newWorld(t)
	digest := w.offer(4)
	tr := w.refreshed()
	w.allowed(tr, digest)
	w.ptb.keys["timestamp"] = w.maker.keys["timestamp"] // by a genuine rotation of the authority's
	w.ptb.rotate()
	w.ptb.publish()
	w.fails(tr, trust.ErrKeys)
	w.refused(tr, digest, trust.Authenticity, trust.ErrKeys)
}

// Requirement: CU-09
func TestAKeyDoesOneThing(t *testing.T) {
	for name, change := range map[string]func(*party){
		"root and targets":        func(p *party) { p.keys["targets"] = p.keys["root"] },
		"root and timestamp":      func(p *party) { p.keys["timestamp"] = p.keys["root"][:1]; p.threshold["timestamp"] = 1 },
		"targets and snapshot":    func(p *party) { p.keys["snapshot"] = p.keys["targets"][:1]; p.threshold["snapshot"] = 1 },
		"a weaker root":           func(p *party) { p.threshold["root"] = 1 },
		"weaker targets":          func(p *party) { p.threshold["targets"] = 1 },
		"no consistent snapshots": func(p *party) { p.change.root = func(r *metadata.RootType) { r.ConsistentSnapshot = false } },
		"threshold 0":             func(p *party) { p.threshold["snapshot"] = 0 },
		"more than there are":     func(p *party) { p.threshold["snapshot"] = 2 },
		"one key under two ids": func(p *party) {
			p.change.root = func(r *metadata.RootType) {
				twin := *r.Keys[r.Roles["targets"].KeyIDs[0]]
				r.Keys[strings.Repeat("ab", 32)] = &twin
				r.Roles["targets"].KeyIDs = []string{r.Roles["targets"].KeyIDs[0], strings.Repeat("ab", 32)}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			digest := w.offer(4)
			tr := w.refreshed()
			change(w.maker)
			w.maker.rotate()
			w.maker.publish()
			err := tr.Refresh(t.Context())
			if !errors.Is(err, trust.ErrKeys) && !errors.Is(err, trust.ErrMalformed) {
				t.Errorf("refresh: %v, want ErrKeys or ErrMalformed", err)
			}
			w.allowed(tr, digest) // by what was known before
		})
	}
}

// Requirement: CU-03, DL-15
func TestOlderMetadataIsRefused(t *testing.T) {
	w := newWorld(t)
	digest := w.offer(4)
	old := w.files.clone()
	tr := w.refreshed()
	w.withdraw(w.ptb, digest)
	if err := tr.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.refused(tr, digest, trust.Certification, trust.ErrWithdrawn)

	w.sources = []trust.Source{old} // a server that was rolled back, or somebody in between
	again := w.open()
	w.fails(again, trust.ErrRollback)
	w.refused(again, digest, trust.Certification, trust.ErrWithdrawn)
}

// A snapshot may not take a file back, even when the timestamp is new.
//
// Requirement: CU-03
func TestAnOlderTargetsFileInANewSnapshotIsRefused(t *testing.T) {
	w := newWorld(t)
	digest := w.offer(4)
	old := w.files[fmt.Sprintf("%s/metadata/%d.targets.json", w.maker.dir, w.maker.versions["targets"])]
	oldVersion := w.maker.versions["targets"]
	w.maker.publish()
	tr := w.refreshed()
	w.maker.publishOnline(map[string]*metadata.MetaFiles{"targets.json": metaFile(oldVersion, old)})
	w.fails(tr, trust.ErrRollback)
	w.allowed(tr, digest)
}

// Requirement: DL-15, CU-10
func TestARestoredDiskCannotBringBackWhatTheJournalHasSeen(t *testing.T) {
	w := newWorld(t)
	digest := w.offer(4)
	w.refreshed()
	oldDisk := w.disk.(*powercut.Disk).Cut(nil, powercut.KeepAll)
	oldFiles := w.files.clone()
	w.withdraw(w.ptb, digest)
	tr := w.refreshed()
	seen := tr.Seen() // what the till writes into its journal

	w.disk, w.sources = oldDisk, []trust.Source{oldFiles}
	w.allowed(w.refreshed(), digest) // nothing on the disk tells
	w.seen = seen
	tr = w.open()
	if older := tr.Older(); !strings.Contains(older["ptb"], "timestamp") || len(older) != 1 {
		t.Errorf("it says of the disk: %v", older)
	}
	w.refused(tr, digest, trust.Freshing, trust.ErrRollback)
	w.fails(tr, trust.ErrRollback)
	w.refused(tr, digest, trust.Freshing, trust.ErrRollback)
}

// Requirement: DL-15, DL-16
func TestAReleaseThatIsNotNewerIsRefused(t *testing.T) {
	w := newWorld(t)
	for counter := range uint64(3) {
		digest := w.offer(counter + 1)
		w.refused(w.refreshed(), digest, trust.Compatibility, trust.ErrNotNewer)
	}
}

// Requirement: CU-03
func TestTheSameVersionWithOtherBytesIsRefused(t *testing.T) {
	for name, change := range map[string]func(w *world){
		"timestamp": func(w *world) {
			w.maker.versions["timestamp"]--
			w.maker.expires["timestamp"] = start.AddDate(0, 0, 4)
			w.maker.versions["snapshot"]--
			w.maker.publishOnline(map[string]*metadata.MetaFiles{"targets.json": metaFile(2, w.files["maker/maker/metadata/2.targets.json"])})
		},
		"snapshot": func(w *world) {
			w.maker.versions["snapshot"]--
			w.maker.expires["snapshot"] = start.AddDate(0, 0, 31)
			w.maker.publishOnline(map[string]*metadata.MetaFiles{"targets.json": metaFile(2, w.files["maker/maker/metadata/2.targets.json"])})
		},
		"targets": func(w *world) {
			w.maker.versions["targets"]--
			w.maker.targets["releases/other"] = []byte("other")
			w.maker.publish()
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			digest := w.offer(4)
			tr := w.refreshed()
			change(w)
			w.fails(tr, trust.ErrFork)
			w.allowed(tr, digest)
		})
	}
}

// Requirement: DL-04
func TestOtherBytesUnderTheSameIdentityAreNotApproved(t *testing.T) {
	w := newWorld(t)
	w.offer(4)
	other, data := w.release(4, func(m *manifest.Manifest) { m.Tests = []string{"none"} })
	w.maker.targets[trust.ReleaseTarget(other)] = data
	w.maker.publish()
	w.signNote(other, data, "maker")
	w.log(other)
	w.refused(w.refreshed(), other, trust.Authenticity, trust.ErrNotApproved)

	// The authority's note of the first cannot be put under the second.
	signed, err := manifest.Merge(w.files["notes/"+other.String()])
	if err != nil {
		t.Fatal(err)
	}
	first := w.files["notes/"+w.logged[0].String()]
	_, lines, _ := bytes.Cut(first, []byte("\n\n"))
	w.files["notes/"+other.String()] = append(signed, lines...)
	if d := w.refreshed().Decide(t.Context(), other, w.device); d.Note != nil {
		t.Error("a note with a borrowed signature is accepted")
	}
}

// Requirement: CU-03
func TestMixAndMatchOfTwoStatesIsRefused(t *testing.T) {
	w := newWorld(t)
	digest := w.offer(4)
	w.refreshed()
	old, disk := w.files.clone(), w.disk.(*powercut.Disk)
	w.withdraw(w.maker, digest)
	for role, version := range map[string]int64{"targets": w.maker.versions["targets"], "snapshot": w.maker.versions["snapshot"]} {
		name := func(v int64) string { return fmt.Sprintf("maker/maker/metadata/%d.%s.json", v, role) }
		mixed := w.files.clone()
		mixed[name(version)] = old[name(version-1)]
		w.sources, w.disk = []trust.Source{mixed}, disk.Cut(nil, powercut.KeepAll)
		tr := w.open()
		w.fails(tr, trust.ErrContent)
	}
}

// Requirement: CU-03, CU-06
func TestAFrozenRepositoryIsNoticedWhenItsTimestampExpires(t *testing.T) {
	w := newWorld(t)
	digest := w.offer(4)
	tr := w.refreshed()
	if f, at := tr.Freshness(); f != trust.Fresh || !at.Equal(start.AddDate(0, 0, 3)) {
		t.Errorf("freshness = %v, %v", f, at)
	}
	w.now = start.AddDate(0, 0, 2).Add(time.Minute)
	if f, _ := tr.Freshness(); f != trust.Ageing {
		t.Errorf("a day before the end: %v", f)
	}
	w.now = start.AddDate(0, 0, 3).Add(time.Second)
	w.fails(tr, trust.ErrExpired)
	w.refused(tr, digest, trust.Freshing, trust.ErrExpired)
	w.refused(w.open(), digest, trust.Freshing, trust.ErrExpired) // after a start too
	if f, _ := tr.Freshness(); f != trust.Expired {
		t.Errorf("after the end: %v", f)
	}
	w.now = start.AddDate(0, 0, 34)
	if f, _ := tr.Freshness(); f != trust.Stale {
		t.Errorf("a month after the end: %v", f)
	}
	for _, p := range []*party{w.maker, w.ptb} {
		for role := range p.expires {
			p.expires[role] = w.now.AddDate(0, 0, 3)
		}
		p.rotate()
		p.publish()
	}
	if err := tr.Refresh(t.Context()); err != nil {
		t.Fatalf("after the freeze: %v", err)
	}
	w.allowed(tr, digest)
}

// Requirement: CU-03
func TestExpiredMetadataOfAnyRoleIsRefused(t *testing.T) {
	for _, role := range []string{"root", "timestamp", "snapshot", "targets"} {
		t.Run(role, func(t *testing.T) {
			w := newWorld(t)
			digest := w.offer(4)
			w.maker.expires[role] = start.Add(-time.Second)
			w.maker.rotate()
			w.maker.publish()
			tr := w.open()
			w.fails(tr, trust.ErrExpired)
			if d := tr.Decide(t.Context(), digest, w.device); d.Allowed() {
				t.Error("allowed")
			}
		})
	}
}

// Requirement: CU-06, CU-03
func TestAClockThatIsBehindSellsAndInstallsNothing(t *testing.T) {
	w := newWorld(t)
	digest := w.offer(4)
	tr := w.refreshed()
	w.allowed(tr, digest)
	w.now = time.Unix(0, 0)
	w.refused(tr, digest, trust.Freshing, trust.ErrClock)
	w.refused(w.open(), digest, trust.Freshing, trust.ErrClock)
	// Turned back before the expiry, it cannot make expired metadata good: the
	// witnesses have signed a later time.
	w.now, w.witnessedAt = start, start.AddDate(0, 0, 4)
	w.log(w.offer(5))
	tr = w.open()
	w.refused(tr, digest, trust.Freshing, trust.ErrClock) // has now seen the witnesses' time
	w.fails(tr, trust.ErrExpired)
	w.refused(w.open(), digest, trust.Freshing, trust.ErrExpired)
}

// Requirement: CU-16, DL-04
func TestARevokedKeySignsNothingMore(t *testing.T) {
	w := newWorld(t)
	digest := w.offer(4)
	tr := w.refreshed()
	w.maker.keys["targets"] = []string{"maker targets 2", "maker targets 3"}
	w.maker.rotate()
	w.maker.signers["targets"] = []string{"maker targets 1", "maker targets 2"}
	w.maker.publish()
	w.fails(tr, trust.ErrSignature)
	delete(w.maker.signers, "targets")
	w.maker.publish()
	if err := tr.Refresh(t.Context()); err != nil {
		t.Fatalf("with the new keys: %v", err)
	}
	w.allowed(tr, digest)
}

// Requirement: DL-04
func TestAThresholdThatIsNotMetIsRefused(t *testing.T) {
	for role, by := range map[string][]string{
		"targets": {"maker targets 1"}, "snapshot": {"maker timestamp"}, "timestamp": {"stranger"}, "root": {"maker root 1"},
	} {
		t.Run(role, func(t *testing.T) {
			w := newWorld(t)
			digest := w.offer(4)
			tr := w.refreshed()
			w.maker.signers[role] = by
			if role == "root" {
				w.maker.rotate()
			}
			w.maker.publish()
			w.fails(tr, trust.ErrSignature)
			w.allowed(tr, digest)
		})
	}
}

// Requirement: CU-16
func TestARootThatIsRolledBackOrForkedIsRefused(t *testing.T) {
	w := newWorld(t)
	w.offer(4)
	old := w.files.clone()
	w.maker.keys["root"] = []string{"maker root 2", "maker root 3"}
	w.maker.rotate("maker root 1")
	w.maker.publish()
	w.refreshed()

	// The server denies that there ever was a second root; so does one whose thief
	// makes another second root with the old keys.
	w.sources = []trust.Source{old}
	w.fails(w.open(), trust.ErrRollback)
	forked := w.files.clone()
	thief := newParty(t, forked, "maker", "maker")
	thief.keys["targets"] = []string{"thief 1", "thief 2"}
	thief.rotate()
	thief.rotate()
	thief.publish()
	w.sources = []trust.Source{forked}
	w.fails(w.open(), trust.ErrSignature)
}

// Requirement: CU-16
func TestNewRootsAreFollowedFromTheFirstOverManyAtOnce(t *testing.T) {
	w := newWorld(t)
	digest := w.offer(4)
	for i := range 20 {
		before := w.maker.keys["root"]
		w.maker.keys["root"] = []string{before[1], fmt.Sprint("maker root ", i+3)}
		w.maker.rotate(before[0])
	}
	w.maker.publish()
	tr := w.refreshed()
	w.allowed(tr, digest)
	if got := tr.Seen()["maker"].Root; got != 21 {
		t.Errorf("root %d, want 21", got)
	}
	w.sources = nil // the store alone brings it back
	if got := w.open().Seen()["maker"].Root; got != 21 {
		t.Errorf("root %d after a start, want 21", got)
	}
	w.sources, w.limits.Rotations = []trust.Source{w.files}, 5
	w.disk = powercut.New()
	w.fails(w.open(), trust.ErrTooLong)
}

// A thief of the online keys may have raised versions as far as they go; new keys
// begin anew.
//
// Requirement: CU-16
func TestNewOnlineKeysRecoverFromVersionsRaisedByAThief(t *testing.T) {
	w := newWorld(t)
	digest := w.offer(4)
	w.maker.versions["timestamp"], w.maker.versions["snapshot"] = 1<<40, 1<<40
	w.maker.publish()
	tr := w.refreshed()
	w.maker.versions["timestamp"], w.maker.versions["snapshot"] = 10, 10
	w.maker.publish()
	w.fails(tr, trust.ErrRollback)
	w.maker.keys["timestamp"], w.maker.keys["snapshot"] = []string{"maker timestamp 2"}, []string{"maker snapshot 2"}
	w.maker.rotate()
	w.maker.publish()
	if err := tr.Refresh(t.Context()); err != nil {
		t.Fatalf("after the rotation: %v", err)
	}
	w.allowed(tr, digest)
	w.allowed(w.open(), digest)
}

// Requirement: DL-04
func TestTheRepositoryOfAnotherMakerIsRefused(t *testing.T) {
	w := newWorld(t)
	other := tree{}
	stranger := newParty(t, other, "maker", "stranger")
	stranger.dir = "maker/maker"
	digest, data := w.release(9)
	stranger.targets[trust.ReleaseTarget(digest)] = data
	stranger.publish()
	delete(other, "maker/stranger/metadata/1.root.json")
	w.sources = []trust.Source{other}
	tr := w.open()
	w.fails(tr, trust.ErrSignature)
	w.refused(tr, digest, trust.Authenticity, trust.ErrNoMetadata)
	// Nor does it open with another first root.
	w.anchors["maker"] = w.anchors["ptb"]
	if _, err := w.tryOpen(); !errors.Is(err, trust.ErrPolicy) {
		t.Errorf("with another first root: %v, want ErrPolicy", err)
	}
}

// Requirement: DL-06
func TestACertificateHasToCoverPlaceAndTime(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*trust.Approval)
		stage  trust.Stage
		reason error
	}{
		"not yet valid":               {func(a *trust.Approval) { a.NotBefore = start.Add(time.Second) }, trust.Certification, trust.ErrPeriod},
		"no longer valid":             {func(a *trust.Approval) { a.NotAfter = start.Add(-time.Second) }, trust.Certification, trust.ErrPeriod},
		"another model":               {func(a *trust.Approval) { a.Models = []string{"XYZ"} }, trust.Certification, trust.ErrScope},
		"another country":             {func(a *trust.Approval) { a.Jurisdictions = []string{"PL"} }, trust.Certification, trust.ErrScope},
		"another certificate":         {func(a *trust.Approval) { a.Certificate = "DE-26-2" }, trust.Certification, trust.ErrScope},
		"another body":                {func(a *trust.Approval) { a.Body = "maker" }, trust.Certification, trust.ErrNotApproved},
		"an approval for another one": {func(a *trust.Approval) { a.Release = manifest.Sum([]byte("another")) }, trust.Certification, trust.ErrNotApproved},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			digest := w.offer(4)
			var a trust.Approval
			w.approve(digest, func(b *trust.Approval) { c.change(b); a = *b })
			delete(w.ptb.targets, trust.ApprovalTarget(a.Release))
			data, err := a.Encode()
			if err != nil {
				t.Fatal(err)
			}
			w.ptb.targets[trust.ApprovalTarget(digest)] = data
			w.ptb.publish()
			w.refused(w.refreshed(), digest, c.stage, c.reason)
		})
	}
	w := newWorld(t)
	digest := w.offer(4)
	w.device.Model = "XYZ"
	w.refused(w.refreshed(), digest, trust.Certification, trust.ErrScope)
	w.device.Jurisdiction = "PL"
	w.refused(w.refreshed(), digest, trust.Compatibility, trust.ErrScope)
}

// Requirement: DL-06
func TestACertificateRevokedAfterInstallationIsReported(t *testing.T) {
	w := newWorld(t)
	digest := w.offer(4)
	tr := w.refreshed()
	w.allowed(tr, digest)
	if found, err := tr.Withdrawals(t.Context(), digest); err != nil || len(found) != 0 {
		t.Errorf("before: %v, %v", found, err)
	}
	w.withdraw(w.ptb, digest)
	if err := tr.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.refused(tr, digest, trust.Certification, trust.ErrWithdrawn)
	found, err := tr.Withdrawals(t.Context(), digest)
	if err != nil || len(found) != 1 || found[0].Action != trust.Block || found[0].Due(w.now) || !found[0].Due(w.now.AddDate(0, 0, 7)) {
		t.Fatalf("withdrawals = %+v, %v", found, err)
	}
	w.sources = nil // known without a network from now on
	if found, err := w.open().Withdrawals(t.Context(), digest); err != nil || len(found) != 1 || found[0].Reason == "" {
		t.Errorf("after a start without network: %v, %v", found, err)
	}
}

// Requirement: DL-06
func TestAWithdrawalWhoseTextIsWithheldStillRefuses(t *testing.T) {
	w := newWorld(t)
	digest := w.offer(4)
	w.withdraw(w.ptb, digest)
	w.files["targets/"+manifest.Sum(w.ptb.targets[trust.WithdrawalTarget(digest)]).String()] = []byte("{}")
	tr := w.refreshed()
	w.refused(tr, digest, trust.Certification, trust.ErrWithdrawn)
	if _, err := tr.Withdrawals(t.Context(), digest); !errors.Is(err, trust.ErrWithdrawn) {
		t.Errorf("withdrawals: %v, want ErrWithdrawn", err)
	}
}

// Requirement: CU-03
func TestDelegationsByPathAreRefusedAlsoWhenTwoWaysLeadToOneRole(t *testing.T) {
	role := func(name string) metadata.DelegatedRole {
		return metadata.DelegatedRole{Name: name, Threshold: 1, Paths: []string{"releases/*"}, Terminating: true}
	}
	for name, roles := range map[string][]metadata.DelegatedRole{
		"one way":          {role("a")},
		"a role twice":     {role("a"), role("a")},
		"two ways to one":  {role("a"), role("b")},
		"by hash prefixes": {{Name: "a", Threshold: 1, PathHashPrefixes: []string{"00"}}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.maker.change.targets = func(s *metadata.TargetsType) {
				s.Delegations = &metadata.Delegations{Keys: map[string]*metadata.Key{keyID(t, "bin"): tufKey(t, "bin")}}
				for _, r := range roles {
					r.KeyIDs = []string{keyID(t, "bin")}
					s.Delegations.Roles = append(s.Delegations.Roles, r)
				}
			}
			w.maker.publish()
			w.fails(w.open(), trust.ErrDelegation)
		})
	}
}

// Requirement: DL-03, CU-03
func TestMetadataWithoutHashOrLengthIsRefused(t *testing.T) {
	for name, change := range map[string]func(*party){
		"snapshot without hash": func(p *party) {
			p.change.timestamp = func(s *metadata.TimestampType) { s.Meta["snapshot.json"].Hashes = nil }
		},
		"snapshot without length": func(p *party) {
			p.change.timestamp = func(s *metadata.TimestampType) { s.Meta["snapshot.json"].Length = 0 }
		},
		"targets without hash": func(p *party) {
			p.change.snapshot = func(s *metadata.SnapshotType) { s.Meta["targets.json"].Hashes = nil }
		},
		"targets without length": func(p *party) {
			p.change.snapshot = func(s *metadata.SnapshotType) { s.Meta["targets.json"].Length = 0 }
		},
		"targets of 1 GB": func(p *party) {
			p.change.snapshot = func(s *metadata.SnapshotType) { s.Meta["targets.json"].Length = 1 << 30 }
		},
		"another file": func(p *party) {
			p.change.timestamp = func(s *metadata.TimestampType) { s.Meta["root.json"] = metaFile(1, nil) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			change(w.maker)
			w.maker.publish()
			w.fails(w.open(), trust.ErrMalformed)
		})
	}
}
