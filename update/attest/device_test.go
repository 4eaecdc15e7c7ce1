package attest_test

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/internal/tpmtest"
	"github.com/plomb-pos/plomb/update/attest"
	"github.com/plomb-pos/plomb/update/counter"
	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/slot"
)

func write(t *testing.T, name string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// newRoot is a device folder with release 5 in slot a and nothing in slot b.
func newRoot(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	skey, vkey, err := note.GenerateKey(rand.Reader, "maker")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	m, encoded := release(t, 5, "till 5")
	signed, err := manifest.Sign(encoded, signer)
	if err != nil {
		t.Fatal(err)
	}
	write(t, root+"/boot/policy.json", []byte(`{"format":"plomb-boot-policy/1","serial":1,"legal":"maker-only","maker":{"name":"maker","threshold":1,"keys":["`+vkey+`"]}}`))
	write(t, root+"/boot/device.json", []byte(`{"model":"TIL","jurisdiction":"DE"}`))
	write(t, root+"/slots/a/"+slot.ManifestFile, encoded)
	write(t, root+"/slots/a/"+slot.NoteFile, signed)
	write(t, root+"/slots/a/bin/till", []byte("till 5"))
	if err := os.MkdirAll(root+"/slots/b", 0o755); err != nil {
		t.Fatal(err)
	}
	table := slot.Table{Active: slot.A, Manifests: [2]manifest.Digest{manifest.Sum(encoded)}}.Raised(m)
	if err := slot.Create(durable.OS{}, root+"/boot", root+"/boot/table", table); err != nil {
		t.Fatal(err)
	}
	return root
}

func TestADeviceIsReadFromItsFolder(t *testing.T) {
	root := newRoot(t)
	d, err := attest.Look(durable.OS{}, root)
	if err != nil {
		t.Fatal(err)
	}
	a, b := d.Slots[0], d.Slots[1]
	if d.Model != "TIL" || d.Active != "a" || d.Floors != (attest.Floors{Application: 5}) || a.Identity != "0PLMTIL01-20261122" || a.Counter != 5 || a.Error != "" || b.Error == "" {
		t.Errorf("device %+v", d)
	}
	write(t, root+"/slots/a/bin/till", []byte("till 6"))
	if d, err = attest.Look(durable.OS{}, root); err != nil || !strings.Contains(d.Slots[0].Error, "not what the manifest says") || d.Slots[0].Identity != "" {
		t.Errorf("changed: %+v, %v", d, err)
	}
}

func TestTheFloorOfATPMCounts(t *testing.T) {
	root, tpm := newRoot(t), tpmtest.Start(t)
	write(t, root+"/boot/"+counter.File, []byte(tpm.Socket+"\n"))
	if _, err := attest.Look(durable.OS{}, root); err == nil {
		t.Error("a TPM without floor counts as none")
	}
	if err := counter.TPM(tpm.Socket).Create(counter.Floors{6, 2}); err != nil {
		t.Fatal(err)
	}
	d, err := attest.Look(durable.OS{}, root)
	if err != nil || d.Floors != (attest.Floors{Application: 6, Platform: 2, TPM: true}) || !strings.Contains(d.Slots[0].Error, "the floor is 6") {
		t.Errorf("device %+v, %v", d, err)
	}
}
