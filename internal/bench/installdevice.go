package bench

import (
	"bytes"
	"context"
	crand "crypto/rand"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/go-json-experiment/json"
	"golang.org/x/mod/sumdb/note"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/update"
	"github.com/plomb-pos/plomb/update/frame"
	"github.com/plomb-pos/plomb/update/image"
	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/slot"
)

// writeImage writes an image that is always the same: of each 8 MiB two are noise,
// four words of a vocabulary of 4096 (zstd makes about half of them) and two zeros.
func writeImage(name string, n int64) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	rng := rand.New(rand.NewPCG(1, 2))
	var words [4096][]byte
	for i := range words {
		words[i] = randomBytes(rng, 3+rng.IntN(10))
	}
	for at := int64(0); at < n && err == nil; at += 1 << 20 {
		frame := make([]byte, 0, 1<<20+16)
		switch k := at >> 20 % 8; {
		case k < 2:
			frame = append(frame, randomBytes(rng, 1<<20)...)
		case k < 6:
			for len(frame) < 1<<20 {
				frame = append(frame, words[rng.IntN(1+rng.IntN(len(words)))]...)
			}
		default:
			frame = frame[:1<<20]
		}
		_, err = f.Write(frame[:min(1<<20, n-at)])
	}
	return errors.Join(err, f.Close())
}

func randomBytes(rng *rand.Rand, n int) []byte {
	out := make([]byte, n)
	for i := range out {
		out[i] = byte(rng.Uint32())
	}
	return out
}

// imagePath is where the image lies in a slot.
const imagePath = "data/image"

// installDevice is a device made for measuring, with a repository beside it.
type installDevice struct {
	dir     string
	policy  *manifest.Policy
	apps    *manifest.Policy // of the other scope
	offer   update.Offer
	content []byte
}

func (d *installDevice) root() string { return filepath.ToSlash(filepath.Join(d.dir, "device")) }

func (d *installDevice) check() slot.Check {
	return slot.Check{Policy: d.policy, Device: slot.Device{Platform: runtime.GOOS + "/" + runtime.GOARCH}}
}

// makeDevice makes an empty device and a release of one component for it, sealed.
func makeDevice(ctx context.Context, dir string, scope manifest.Scope, file string) error {
	for _, name := range []string{"device/boot", "device/slots/a", "device/slots/b", "repo/packs", "repo/tables"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o700); err != nil {
			return err
		}
	}
	content := make([]byte, frame.KeySize)
	crand.Read(content)
	m := manifest.Manifest{
		Format: manifest.Format, Identity: "0PLMBEN01-20261122", Scope: scope, Counter: 1, Issued: time.Now().UTC().Truncate(time.Second),
		Compatibility: manifest.Compatibility{Platforms: []string{runtime.GOOS + "/" + runtime.GOARCH}},
	}
	c, err := sealedComponent(ctx, dir, m.Identity, file, content)
	if err != nil {
		return err
	}
	if scope == manifest.Platform {
		c.Kind, c.Legal, m.Legal, m.Certificate, m.Jurisdictions = manifest.Image, true, true, "none", []string{"DE"}
	}
	m.Components = []manifest.Component{c}
	return signDevice(dir, &m, content)
}

func sealedComponent(ctx context.Context, dir string, id manifest.Identity, file string, content []byte) (c manifest.Component, err error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return c, err
	}
	measured, err := manifest.Measure(bytes.NewReader(data))
	if err != nil {
		return c, err
	}
	c = manifest.Component{Name: "image", Kind: manifest.Data, Path: imagePath, Length: measured.Length, SHA256: measured.SHA256, Root: measured.Root}
	key, err := frame.NewKey(content, id, c.Name, manifest.Digest{}, c.SHA256)
	if err != nil {
		return c, err
	}
	var pack bytes.Buffer
	table, err := frame.Build(ctx, &pack, nil, data, frame.Options{Key: key})
	if err != nil {
		return c, err
	}
	p := manifest.Pack{Bytes: int64(pack.Len()), SHA256: manifest.Sum(pack.Bytes()), Table: manifest.Sum(table.Encode())}
	c.Packs = []manifest.Pack{p}
	return c, errors.Join(
		os.WriteFile(filepath.Join(dir, "repo", "packs", p.SHA256.String()), pack.Bytes(), 0o600),
		os.WriteFile(filepath.Join(dir, "repo", "tables", p.Table.String()), table.Encode(), 0o600))
}

// signDevice signs the release and writes what a pass needs.
func signDevice(dir string, m *manifest.Manifest, content []byte) error {
	encoded, err := m.Encode()
	if err != nil {
		return err
	}
	skey, policy, err := drawPolicy("maker")
	if err != nil {
		return err
	}
	_, apps, err := drawPolicy("other")
	if err != nil {
		return err
	}
	signer, err := note.NewSigner(skey)
	if err != nil {
		return err
	}
	signed, err := manifest.Sign(encoded, signer)
	if err != nil {
		return err
	}
	for name, data := range map[string][]byte{"manifest": encoded, "note": signed, "policy": policy, "apps": apps, "content": content} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			return err
		}
	}
	return nil
}

func drawPolicy(name string) (skey string, policy []byte, err error) {
	skey, vkey, err := note.GenerateKey(crand.Reader, name)
	return skey, fmt.Appendf(nil, `{"format":"plomb-boot-policy/1","serial":1,"legal":"maker-only","maker":{"name":%q,"threshold":1,"keys":[%q]}}`, name, vkey), err
}

func readDevice(dir string) (*installDevice, error) {
	d := &installDevice{dir: dir}
	var policy, apps []byte
	for name, into := range map[string]*[]byte{"manifest": &d.offer.Manifest, "note": &d.offer.Note, "policy": &policy, "apps": &apps, "content": &d.content} {
		var err error
		if *into, err = os.ReadFile(filepath.Join(dir, name)); err != nil {
			return nil, err
		}
	}
	var err error
	if d.policy, err = manifest.ParsePolicy(policy); err != nil {
		return nil, err
	}
	d.apps, err = manifest.ParsePolicy(apps)
	return d, err
}

// InstallOne has an agent that was just started look at everything that was fetched, up
// to the gate, and then install it, over a device that makeDevice made; fetch: up to the
// gate only. It writes to out what that took, in JSON. bus: through RAUC there.
func InstallOne(ctx context.Context, dir, bus string, fetch bool, out io.Writer) error {
	d, err := readDevice(dir)
	if err != nil {
		return err
	}
	party := &installParty{d: d, hold: update.Hold{OpenSale: true}}
	agent, err := d.agent(bus, party)
	if err != nil {
		return err
	}
	debug.FreeOSMemory()
	before, _, err := resident(os.Getpid())
	if err != nil {
		return err
	}
	var p passed
	if p.Look, err = timed(ctx, agent, false); err == nil && !fetch {
		party.hold = update.Hold{}
		p.Install, err = timed(ctx, agent, true)
	}
	if err != nil {
		return err
	}
	_, after, err := resident(os.Getpid())
	if err != nil {
		return err
	}
	p.MiB = after - before
	return json.MarshalWrite(out, p)
}

// timed makes one pass, which has to end at the gate or at the pointer.
func timed(ctx context.Context, agent *update.Agent, pointer bool) (seconds float64, err error) {
	started := time.Now()
	r, err := agent.Update(ctx)
	if err == nil && r.Restart != pointer {
		err = fmt.Errorf("the pass ended at %s: %s", r.Stage, r.Waiting)
	}
	return time.Since(started).Seconds(), err
}

func (d *installDevice) agent(bus string, p *installParty) (*update.Agent, error) {
	source, err := update.OpenFolder(filepath.Join(d.dir, "repo"))
	if err != nil {
		return nil, err
	}
	c := update.Config{
		FS: durable.OS{}, Root: d.root(), Check: d.check(), Trust: p, Sources: func() []update.Source { return []update.Source{source} },
		Recorder: p, Gate: p, Asker: p, Authoriser: p, Keys: p, End: func() {},
		Policy: update.Policy{Rate: update.Rate{Low: 1 << 40, Normal: 1 << 40}, Budget: 1 << 40},
	}
	if bus != "" {
		c.Check.Device.Jurisdiction = "DE"
		c.Backend, c.Application = &image.RAUC{Address: bus}, d.apps
	}
	return update.New(c)
}

// installParty is everybody whom an agent asks; it agrees to everything.
type installParty struct {
	d    *installDevice
	hold update.Hold
}

func (p *installParty) Find(context.Context) (*update.Offer, error) { return &p.d.offer, nil }
func (p *installParty) Approved(*manifest.Manifest, manifest.Digest, time.Time) (string, error) {
	return "", nil
}
func (p *installParty) Valid() update.Validity                     { return update.Validity{} }
func (p *installParty) Record(context.Context, update.Event) error { return nil }
func (p *installParty) Hold(context.Context) (update.Hold, error)  { return p.hold, nil }
func (p *installParty) Authorise(context.Context, update.Request) (string, error) {
	return "", nil
}
func (p *installParty) Consent(context.Context, update.Request) (update.Answer, error) {
	return update.Answer{Agreed: true}, nil
}
func (p *installParty) Spend(context.Context, update.Request) (update.Answer, error) {
	return update.Answer{Agreed: true}, nil
}
func (p *installParty) Content(context.Context, *manifest.Manifest) ([]byte, error) {
	return p.d.content, nil
}
