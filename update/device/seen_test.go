package device_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plomb-pos/plomb/update/boot"
	"github.com/plomb-pos/plomb/update/device"
	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/trust"
)

// copyOf copies a folder of the device, or of a repository, as it is now.
func copyOf(t testing.TB, dir string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy")
	must(t, os.CopyFS(to, os.DirFS(dir)))
	return to
}

// putBack puts a copy in the place of a folder.
func putBack(t testing.TB, dir, from string) {
	t.Helper()
	must(t, os.RemoveAll(dir))
	must(t, os.CopyFS(dir, os.DirFS(from)))
}

// Requirement: CU-10
// Requirement: DL-15
func TestAnOlderMetadataFolderPutBackIsNoticedAtTheStartAndInstallsNothing(t *testing.T) {
	w := newShop(t).installed()
	must(t, w.refuses())
	trusted := filepath.Join(w.root, "trust")
	oldStore, oldRepo := copyOf(t, trusted), copyOf(t, w.Repository())
	w.release(2)
	w.updates(2)
	w.launches()
	if older := w.device.Older(); older != "" {
		t.Fatalf("after an honest update it says: %s", older)
	}

	w.release(3)
	putBack(t, trusted, oldStore)
	w.from = []string{oldRepo}
	w.start()
	older := w.device.Older()
	if !strings.Contains(older, "maker: timestamp ") || !strings.Contains(older, "was seen") {
		t.Errorf("at the start it says %q", older)
	}
	if s, err := w.device.Status(w.slot); err != nil || s.Older != older || s.Seen.Parties["maker"] != w.seen.Parties["maker"] {
		t.Errorf("status: %+v, %v", s, err)
	}
	w.rejected(trust.ErrRollback)
	if diff := cmp.Diff(w.seen, w.device.Seen()); diff != "" {
		t.Errorf("what was seen became less: %s", diff)
	}

	w.from = nil
	w.start()
	w.updates(3)
	if older := w.device.Older(); older != "" {
		t.Errorf("after newer metadata came it says %q", older)
	}
}

// Requirement: CU-10
func TestALostMetadataFolderIsNoticedAndFilledAgain(t *testing.T) {
	w := newShop(t).installed()
	w.release(2)
	w.updates(2)
	w.launches()
	must(t, os.RemoveAll(filepath.Join(w.root, "trust")))
	w.start()
	if older := w.device.Older(); !strings.Contains(older, "maker: nothing is kept") {
		t.Errorf("it says %q", older)
	}
	must(t, w.refuses())
	if older := w.device.Older(); older != "" {
		t.Errorf("after a refresh it says %q", older)
	}
}

// Requirement: CU-10
func TestAnOlderTrustPolicyPutBackDecidesNothing(t *testing.T) {
	w := newShop(t).installed()
	oldRepo := copyOf(t, w.Repository())
	name := filepath.Join(w.root, "boot", boot.PolicyFile)
	old, err := os.ReadFile(name)
	must(t, err)
	w.renewed()
	w.release(2)
	w.updates(2)
	w.launches()
	must(t, os.WriteFile(name, old, 0o600))
	w.release(3)

	w.from = []string{oldRepo}
	w.start()
	if older := w.device.Older(); !strings.Contains(older, "trust policy 1, and 2 was in force") {
		t.Errorf("it says %q", older)
	}
	w.rejected(trust.ErrRollback)
	w.from = nil
	w.start()
	w.updates(3)
	if w.device.Serial() != 2 || w.device.Older() != "" {
		t.Errorf("policy %d, %q", w.device.Serial(), w.device.Older())
	}
}

// Requirement: CU-10
// Requirement: CU-17
func TestAnOlderCampaignPutBackIsNotFollowed(t *testing.T) {
	w := newShop(t).installed(func(n *device.New) { n.Config.Take = device.Campaign })
	two := w.release(2)
	w.Campaign(manifest.Campaign{Release: two.Digest()})
	oldRepo := copyOf(t, w.Repository())
	w.hold = true // it is seen, and not installed
	must(t, w.refuses())
	oldNote, err := os.ReadFile(filepath.Join(w.root, "trust", "campaign.note"))
	must(t, err)
	w.hold = false
	three := w.release(3)
	w.Campaign(manifest.Campaign{Release: three.Digest()})
	w.updates(3)
	w.launches()

	must(t, os.WriteFile(filepath.Join(w.root, "trust", "campaign.note"), oldNote, 0o600))
	w.from = []string{oldRepo}
	w.start()
	if older := w.device.Older(); !strings.Contains(older, "campaign") {
		t.Errorf("it says %q", older)
	}
	w.rejected(device.ErrCampaign)
}

// A journal that was restored, or belongs to another device, says less or nothing, and
// that is no fault of the metadata.
func TestAnOlderJournalOrAnotherDevicesSaysNothingAgainstTheMetadata(t *testing.T) {
	w := newShop(t).installed()
	must(t, w.refuses())
	before := w.device.Seen()
	w.release(2)
	w.updates(2)
	w.launches()
	w.seen = before
	w.start()
	if older := w.device.Older(); older != "" {
		t.Errorf("of an older journal: %q", older)
	}
	foreign := w.device.Seen()
	foreign.Device, foreign.Policy = manifest.Sum([]byte("another")), 99
	w.seen = foreign
	w.start()
	if older := w.device.Older(); older != "" || w.device.Seen().Policy != 1 {
		t.Errorf("of another device's journal: %q", older)
	}
	moved := w.device.Seen()
	moved.Parties["maker"] = trust.Seen{Root: 50, Timestamp: 50, Anchor: manifest.Sum([]byte("another root"))}
	moved.Device = w.device.Key.ID()
	w.seen = moved
	w.start()
	if older := w.device.Older(); older != "" {
		t.Errorf("of a repository that was replaced: %q", older)
	}
}
