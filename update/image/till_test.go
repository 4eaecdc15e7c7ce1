package image_test

import (
	"bytes"
	"context"
	crand "crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/internal/raucrig"
	"github.com/plomb-pos/plomb/update"
	"github.com/plomb-pos/plomb/update/frame"
	"github.com/plomb-pos/plomb/update/image"
	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/slot"
)

// till is a device on the machine's real disk, and everything that its agent sees.
type till struct {
	t       *testing.T
	m       *raucrig.Machine
	rauc    *image.RAUC
	root    string
	repo    string
	signer  note.Signer
	policy  *manifest.Policy
	apps    *manifest.Policy
	offer   *update.Offer
	history []update.Event
	tests   error
	ended   int
}

func party(name string) (note.Signer, *manifest.Policy, error) {
	skey, vkey, err := note.GenerateKey(crand.Reader, name)
	if err != nil {
		return nil, nil, err
	}
	signer, err := note.NewSigner(skey)
	if err != nil {
		return nil, nil, err
	}
	p, err := manifest.ParsePolicy([]byte(`{"format":"plomb-boot-policy/1","serial":1,"legal":"maker-only","maker":{"name":"` + name + `","threshold":1,"keys":["` + vkey + `"]}}`))
	return signer, p, err
}

func newTill(t *testing.T, o raucrig.Options) *till {
	t.Helper()
	m, r := machine(t, o)
	w := &till{t: t, m: m, rauc: r, root: filepath.Join(t.TempDir(), "platform"), repo: t.TempDir()}
	var err error
	w.signer, w.policy, err = party("maker-of-platforms")
	must(t, err)
	_, w.apps, err = party("maker")
	must(t, err)
	for _, dir := range []string{w.root + "/boot", w.root + "/slots/a", w.root + "/slots/b", w.repo + "/packs", w.repo + "/tables"} {
		must(t, os.MkdirAll(dir, 0o700))
	}
	must(t, slot.Create(durable.OS{}, w.root+"/boot", w.root+"/boot/table", slot.Table{}))
	return w
}

// release offers a bundle as the platform of a counter.
func (w *till) release(counter uint64, bundle string) {
	w.t.Helper()
	data, err := os.ReadFile(bundle)
	must(w.t, err)
	content, err := manifest.Measure(bytes.NewReader(data))
	must(w.t, err)
	var pack bytes.Buffer
	table, err := frame.Build(w.t.Context(), &pack, nil, data, frame.Options{})
	must(w.t, err)
	p := manifest.Pack{Bytes: int64(pack.Len()), SHA256: manifest.Sum(pack.Bytes()), Table: manifest.Sum(table.Encode())}
	must(w.t, os.WriteFile(filepath.Join(w.repo, "packs", p.SHA256.String()), pack.Bytes(), 0o600))
	must(w.t, os.WriteFile(filepath.Join(w.repo, "tables", p.Table.String()), table.Encode(), 0o600))
	m := manifest.Manifest{
		Format: manifest.Format, Identity: manifest.Identity(fmt.Sprintf("0PLMSYS%02d-20261122", counter)), Scope: manifest.Platform, Counter: counter,
		Legal: true, Issued: time.Now().UTC().Truncate(time.Second), Jurisdictions: []string{"DE"}, Certificate: "DE-26-M-0002", Tests: []string{"network"},
		Components: []manifest.Component{{Name: "system", Kind: manifest.Image, Legal: true, Path: "system.raucb", Length: content.Length, SHA256: content.SHA256,
			Root: content.Root, Packs: []manifest.Pack{p}}},
		Compatibility: manifest.Compatibility{Platforms: []string{"linux/amd64"}},
	}
	encoded, err := m.Encode()
	must(w.t, err)
	signed, err := manifest.Sign(encoded, w.signer)
	must(w.t, err)
	w.offer = &update.Offer{Manifest: encoded, Note: signed}
}

func (w *till) agent() *update.Agent { w.t.Helper(); return w.with(w.rauc) }

func (w *till) with(b update.Backend) *update.Agent {
	w.t.Helper()
	source, err := update.OpenFolder(w.repo)
	must(w.t, err)
	w.t.Cleanup(func() { _ = source.Close() })
	a, err := update.New(update.Config{
		FS: durable.OS{}, Root: w.root, Trust: w, Sources: func() []update.Source { return []update.Source{source} },
		Check:    slot.Check{Policy: w.policy, Device: slot.Device{Platform: "linux/amd64", Jurisdiction: "DE"}},
		Recorder: w, Gate: w, Asker: w, Authoriser: w, End: func() { w.ended++ }, Backend: b, Application: w.apps,
		Policy: update.Policy{Rate: update.Rate{Low: 1 << 40, Normal: 1 << 40}, Spacing: 1, Budget: 1 << 40},
	})
	must(w.t, err)
	return a
}

func (w *till) Find(context.Context) (*update.Offer, error) { return w.offer, nil }
func (w *till) Approved(*manifest.Manifest, manifest.Digest, time.Time) (string, error) {
	return "DE-26-M-0002", nil
}
func (w *till) Valid() update.Validity                    { return update.Validity{} }
func (w *till) Hold(context.Context) (update.Hold, error) { return update.Hold{}, nil }
func (w *till) SelfTest(context.Context, string) error    { return w.tests }
func (w *till) Record(_ context.Context, e update.Event) error {
	w.history = append(w.history, e)
	return nil
}
func (w *till) Authorise(context.Context, update.Request) (string, error) {
	return "Ada", nil
}
func (w *till) Consent(context.Context, update.Request) (update.Answer, error) {
	return update.Answer{Agreed: true}, nil
}
func (w *till) Spend(context.Context, update.Request) (update.Answer, error) {
	return update.Answer{Agreed: true}, nil
}

func (w *till) table() slot.Table {
	w.t.Helper()
	f, _, err := slot.Open(durable.OS{}, w.root+"/boot/table")
	must(w.t, err)
	return f.Table()
}

func (w *till) says(stage update.Stage, outcome update.Outcome) bool {
	return slices.ContainsFunc(w.history, func(e update.Event) bool { return e.Stage == stage && e.Outcome == outcome })
}

func (w *till) story() string {
	var out strings.Builder
	for _, e := range w.history {
		fmt.Fprintf(&out, "%s %s %s\n", e.Stage, e.Outcome, e.Detail)
	}
	return out.String()
}

// restart starts the machine, and the program on it.
func (w *till) restart() error {
	w.t.Helper()
	must(w.t, w.m.Boot(w.t.Context()))
	return w.agent().Settle(w.t.Context(), w)
}

// Requirement: CU-19
// Requirement: DL-09
func TestTheAgentBringsAPlatformThroughRAUC(t *testing.T) {
	w := newTill(t, raucrig.Options{})
	w.release(1, build(t, w.m, raucrig.Bundle{Version: "1", Image: system(t, 1, 4<<20)}))
	if r, err := w.agent().Update(t.Context()); err != nil || !r.Restart || w.ended != 1 {
		t.Fatalf("%+v, %v\n%s", r, err, w.story())
	}
	runs(t, w.rauc, "rootfs.0", "rootfs.1")
	must(t, w.restart())
	runs(t, w.rauc, "rootfs.1", "rootfs.1")
	if x := w.table(); !w.says(update.Kept, update.Done) || x.Trial || x.Highest[slot.Platform] != 1 || x.Floors[slot.Platform] != 1 {
		t.Fatalf("%+v\n%s", x, w.story())
	}
	// The next one goes to the other slot, and back.
	w.release(2, build(t, w.m, raucrig.Bundle{Version: "2", Image: system(t, 2, 4<<20)}))
	if r, err := w.agent().Update(t.Context()); err != nil || !r.Restart {
		t.Fatalf("%+v, %v\n%s", r, err, w.story())
	}
	must(t, w.restart())
	runs(t, w.rauc, "rootfs.0", "rootfs.0")
	if x := w.table(); x.Highest[slot.Platform] != 2 {
		t.Errorf("%+v\n%s", x, w.story())
	}
	// An older one is refused, whatever RAUC would say.
	w.release(1, build(t, w.m, raucrig.Bundle{Version: "1", Image: system(t, 1, 4<<20)}))
	if _, err := w.agent().Update(t.Context()); err == nil {
		t.Error("a release that does not raise the counter was installed")
	}
}

// Requirement: DL-07
func TestABootLoaderThatGoesBackIsNoticed(t *testing.T) {
	w := newTill(t, raucrig.Options{})
	w.release(1, build(t, w.m, raucrig.Bundle{Version: "1", Image: system(t, 1, 4<<20)}))
	_, err := w.agent().Update(t.Context())
	must(t, err)
	for range raucrig.Tries + 1 { // nothing comes up that could say that it is good
		must(t, w.m.Boot(t.Context()))
	}
	runs(t, w.rauc, "rootfs.0", "rootfs.0")
	must(t, w.agent().Settle(t.Context(), w))
	if x := w.table(); !w.says(update.FallenBack, update.Done) || x.Trial || x.Failures != 1 || x.Highest[slot.Platform] != 0 {
		t.Errorf("%+v\n%s", x, w.story())
	}
	slots, err := w.rauc.Slots(t.Context())
	if err != nil || slots[slices.IndexFunc(slots, func(x image.Slot) bool { return x.Name == "rootfs.1" })].Boot != "bad" {
		t.Errorf("%+v, %v", slots, err)
	}
}

func TestAPlatformThatFailsASelfTestGivesTheMachineBack(t *testing.T) {
	w := newTill(t, raucrig.Options{})
	w.release(1, build(t, w.m, raucrig.Bundle{Version: "1", Image: system(t, 1, 4<<20)}))
	_, err := w.agent().Update(t.Context())
	must(t, err)
	w.tests = fmt.Errorf("no link")
	if err := w.restart(); err == nil || w.ended != 2 {
		t.Fatalf("Settle: %v, ended %d times\n%s", err, w.ended, w.story())
	}
	runs(t, w.rauc, "rootfs.1", "rootfs.0")
	must(t, w.restart())
	runs(t, w.rauc, "rootfs.0", "rootfs.0")
	if !w.says(update.FallenBack, update.Done) {
		t.Error(w.story())
	}
}

// Requirement: DL-18
func TestRAUCsOwnChecksStayOn(t *testing.T) {
	for name, c := range map[string]struct {
		bundle raucrig.Bundle
		stage  update.Stage
	}{
		"signed by a stranger":   {raucrig.Bundle{Version: "1", Stranger: true}, update.Authenticity},
		"for another machine":    {raucrig.Bundle{Version: "1", Compatible: "toaster"}, update.Compatibility},
		"no bundle, but a photo": {raucrig.Bundle{}, update.Authenticity},
	} {
		t.Run(name, func(t *testing.T) {
			w := newTill(t, raucrig.Options{})
			c.bundle.Image = system(t, 1, 2<<20)
			file := c.bundle.Image
			if c.bundle.Version != "" {
				file = build(t, w.m, c.bundle)
			}
			w.release(1, file)
			r, err := w.agent().Update(t.Context())
			if err == nil || r.Stage != c.stage || !w.says(c.stage, update.Rejected) {
				t.Errorf("%+v, %v\n%s", r, err, w.story())
			}
			runs(t, w.rauc, "rootfs.0", "rootfs.0")
		})
	}
}

func TestRAUCThatActivatesByItselfIsTakenBack(t *testing.T) {
	w := newTill(t, raucrig.Options{ActivateIt: true})
	w.release(1, build(t, w.m, raucrig.Bundle{Version: "1", Image: system(t, 1, 2<<20)}))
	r, err := w.agent().Update(t.Context())
	if err == nil || !strings.Contains(err.Error(), "activate-installed") || r.Stage != update.Installed {
		t.Errorf("%+v, %v", r, err)
	}
	runs(t, w.rauc, "rootfs.0", "rootfs.0")
}

func TestRotInAWrittenSlotIsFound(t *testing.T) {
	m, r := machine(t, raucrig.Options{})
	place, err := r.Write(t.Context(), build(t, m, raucrig.Bundle{Version: "1", Image: system(t, 1, 2<<20)}), nil)
	must(t, err)
	must(t, r.Verify(t.Context(), place))
	f, err := os.OpenFile(m.Device("B"), os.O_RDWR, 0)
	must(t, err)
	_, err = f.WriteAt([]byte("rot"), 1<<20)
	must(t, err)
	must(t, f.Close())
	if err := r.Verify(t.Context(), place); err == nil {
		t.Error("nobody noticed")
	}
}

// The service dies while it writes: what is half written is no release, and the next
// pass brings it to its end.
//
// Requirement: FM-09
func TestAServiceThatDiesWhileItWritesIsSurvived(t *testing.T) {
	for range 5 {
		if diesWhileItWrites(t) {
			return
		}
	}
	t.Fatal("the service was always done before it could be killed")
}

// diesWhileItWrites is false where the service was faster than its end.
func diesWhileItWrites(t *testing.T) bool {
	w := newTill(t, raucrig.Options{Size: 128 << 20})
	w.release(1, build(t, w.m, raucrig.Bundle{Version: "1", Image: system(t, 1, 96<<20)}))
	killed := make(chan error, 1)
	seen := false
	backend := &watched{RAUC: w.rauc, told: func(percent int) {
		if !seen && percent >= 80 { // it writes from there on
			seen = true
			killed <- w.m.Kill()
		}
	}}
	_, err := w.with(backend).Update(t.Context())
	select {
	case kerr := <-killed:
		must(t, kerr)
	default:
		t.Fatalf("it never came to writing: %v\n%s", err, w.story())
	}
	if err == nil {
		return false
	}
	if w.table().Trial {
		t.Fatalf("Update: %v\n%s", err, w.story())
	}
	must(t, w.m.Boot(t.Context()))
	runs(t, w.rauc, "rootfs.0", "rootfs.0")
	must(t, w.agent().Settle(t.Context(), w))
	must(t, os.Remove(w.root+"/download/state.json")) // the pause after a failure
	if r, err := w.agent().Update(t.Context()); err != nil || !r.Restart {
		t.Fatalf("%+v, %v\n%s", r, err, w.story())
	}
	must(t, w.restart())
	runs(t, w.rauc, "rootfs.1", "rootfs.1")
	return true
}

// watched hears how far a back end is.
type watched struct {
	*image.RAUC
	told func(int)
}

func (b *watched) Write(ctx context.Context, file string, told func(int)) (string, error) {
	return b.RAUC.Write(ctx, file, func(percent int) { told(percent); b.told(percent) })
}
