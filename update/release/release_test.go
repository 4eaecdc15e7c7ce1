package release_test

import (
	"bytes"
	"crypto/hpke"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/journal/proof"
	"github.com/plomb-pos/plomb/update/frame"
	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/release"
	"github.com/plomb-pos/plomb/update/releaselog"
	"github.com/plomb-pos/plomb/update/trust"
	"github.com/theupdateframework/go-tuf/v2/metadata/trustedmetadata"
)

var day = time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)

// parties is a maker, an authority and a deployer with their offices.
type parties struct {
	dir                        string
	maker, authority, deployer *release.Office
	all                        *release.Parties
}

func unlock(string) (string, error) { return "correct horse", nil }

// newParties holds three ceremonies, with quick keys.
func newParties(t *testing.T) *parties {
	t.Helper()
	p := &parties{dir: t.TempDir()}
	two := release.Quorum{Threshold: 2, Keys: 3}
	open := func(c release.Ceremony) *release.Office {
		c.Root, c.Release, c.Work = two, two, 1
		o, err := release.Init(filepath.Join(p.dir, c.Name), c, unlock, day)
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	p.maker = open(release.Ceremony{Party: release.Maker, Name: "plomb"})
	p.authority = open(release.Ceremony{Party: release.Authority, Name: "nmi", Jurisdictions: []string{"NL"}})
	p.deployer = open(release.Ceremony{Party: release.Deployer, Name: "chain"})
	var err error
	if p.all, err = release.NewParties(1, p.maker.Card, p.deployer.Card, p.authority.Card); err != nil {
		t.Fatal(err)
	}
	return p
}

// built is the folder of programs, when they were made: a worker that fuzzes makes none.
var built string

// programs are two real builds of a small program, made once.
var programs = sync.OnceValues(func() ([2]string, error) {
	var out [2]string
	dir, err := os.MkdirTemp("", "release")
	if err != nil {
		return out, err
	}
	built = dir
	for i, word := range []string{"one", "two"} {
		src := filepath.Join(dir, word)
		out[i] = filepath.Join(src, "program")
		main := "package main\n\nimport \"os\"\n\nfunc main() { os.Stdout.WriteString(\"version " + word + "\") }\n"
		err := errors.Join(os.Mkdir(src, 0o700), os.WriteFile(filepath.Join(src, "main.go"), []byte(main), 0o600),
			os.WriteFile(filepath.Join(src, "go.mod"), []byte("module example.org/till\n\ngo 1.26\n"), 0o600))
		if err != nil {
			return out, err
		}
		cmd := exec.Command("go", "build", "-buildvcs=false", "-trimpath", "-o", out[i], ".")
		cmd.Dir = src
		if text, err := cmd.CombinedOutput(); err != nil {
			return out, errors.New(string(text))
		}
	}
	return out, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if built != "" {
		os.RemoveAll(built)
	}
	os.Exit(code)
}

// plan is a release of a program and a page.
func plan(t *testing.T, counter uint64, identity manifest.Identity, program string, old ...string) release.Plan {
	t.Helper()
	page := filepath.Join(t.TempDir(), "page.html")
	if err := os.WriteFile(page, []byte("<p>hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	return release.Plan{
		Manifest: manifest.Manifest{Identity: identity, Scope: manifest.Application, Counter: counter, Jurisdictions: []string{"NL"}, Certificate: "T10001",
			Compatibility: manifest.Compatibility{Platforms: []string{release.Platform()}}},
		Sources: []release.Source{
			{Kind: manifest.Program, Path: "bin/till", Mode: 0o755, File: program, Old: old},
			{Kind: manifest.Page, Path: "data/page.html", File: page},
		},
		Builder: "https://example.org/builder",
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// build makes a release with its reports.
func (p *parties) build(t *testing.T, name string, plan release.Plan) *release.Release {
	t.Helper()
	r, err := p.maker.Build(t.Context(), filepath.Join(p.dir, name), p.all, plan, day)
	must(t, err)
	must(t, r.Attach(p.maker, "test", "tests.txt", []byte("ok"), day))
	must(t, r.Attach(p.maker, "assessor", "assessor.pdf", []byte("fine"), day))
	return r
}

var certificate = release.Certificate{NotBefore: day, NotAfter: day.AddDate(10, 0, 0)}

func (p *parties) witnesses() []release.Witness {
	return []release.Witness{release.OfficeWitness{Office: p.authority, LogKey: p.all.Log, Now: func() time.Time { return day }}}
}

// publish takes a release through all steps from registration on.
func (p *parties) publish(t *testing.T, r *release.Release) *release.Repository {
	t.Helper()
	repo, err := release.OpenRepository(filepath.Join(p.dir, "repo"))
	must(t, err)
	must(t, r.Register(p.maker, day))
	must(t, r.Approve(p.authority, certificate, day))
	must(t, r.Encrypt(p.maker, day))
	must(t, p.authority.Push(repo))
	must(t, p.maker.Publish(t.Context(), repo, r, p.witnesses(), day))
	return repo
}

// Requirement: DL-01
// Requirement: FM-10
// Requirement: FM-11
// Requirement: CU-04
// Requirement: CU-13
func TestTwoRealBuildsBecomeTwoReleasesThatADeviceCanOpen(t *testing.T) {
	built, err := programs()
	must(t, err)
	p := newParties(t)
	p.publish(t, p.build(t, "r1", plan(t, 1, "0PLMTIL01-20261122", built[0])))
	second := p.build(t, "r2", plan(t, 2, "0PLMTIL02-20261122", built[1], built[0]))
	p.publish(t, second)
	if s := second.State(); s != release.Published {
		t.Errorf("state %s", s)
	}
	repo := filepath.Join(p.dir, "repo")
	id := second.Digest().String()
	p.checkProof(t, repo, second)
	for party, name := range map[string]string{"maker": "plomb", "authority": "nmi"} {
		checkTUF(t, filepath.Join(repo, party, name, "metadata"), "releases/"+id, second.Digest())
	}
	p.installs(t, repo, second, built)
	if d := p.decide(t, repo, second.Digest()); !d.Allowed() {
		t.Errorf("a device refuses it: %v", d.Err())
	}
}

// checkProof verifies the proof under the parties' policy.
func (p *parties) checkProof(t *testing.T, repo string, r *release.Release) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(repo, "proofs", r.Digest().String()))
	must(t, err)
	policy, err := p.all.LogPolicy()
	must(t, err)
	at, err := releaselog.Verify(policy, releaselog.Released, r.Digest(), text)
	must(t, err)
	if !at.Equal(day) {
		t.Errorf("witnessed at %v", at)
	}
}

// decide asks a device's trust whether it would install a release of the repository.
func (p *parties) decide(t *testing.T, repo string, id manifest.Digest) trust.Decision {
	t.Helper()
	device := p.device(t, repo)
	return device.Decide(t.Context(), id, trust.Device{Model: "TIL", Jurisdiction: "NL"})
}

// device is a device's trust, refreshed from a repository.
func (p *parties) device(t *testing.T, repo string) *trust.Trust {
	t.Helper()
	text, err := p.all.TrustPolicy(time.Hour, 24*time.Hour, p.maker.Card, p.authority.Card)
	must(t, err)
	policy, err := trust.ParsePolicy(text)
	must(t, err)
	now := func() time.Time { return day.Add(time.Minute) }
	device, err := trust.Open(trust.Config{Policy: policy, FS: durable.OS{}, Dir: filepath.ToSlash(t.TempDir()), Now: now,
		Anchors: map[string][]byte{"plomb": mustRead(t, filepath.Join(repo, "maker/plomb/metadata/1.root.json")), "nmi": mustRead(t, filepath.Join(repo, "authority/nmi/metadata/1.root.json"))},
		Sources: []trust.Source{&trust.Folder{Name: "repo", FS: os.DirFS(repo)}}})
	must(t, err)
	must(t, device.Refresh(t.Context()))
	return device
}

// checkTUF reads a tree as another implementation's client would.
func checkTUF(t *testing.T, dir, target string, want manifest.Digest) {
	t.Helper()
	read := func(name string) []byte {
		data, err := os.ReadFile(filepath.Join(dir, name))
		must(t, err)
		return data
	}
	set, err := trustedmetadata.New(read("1.root.json"))
	must(t, err)
	set.RefTime = day
	ts, err := set.UpdateTimestamp(read("timestamp.json"))
	must(t, err)
	version := func(n int64) string { return strconv.FormatInt(n, 10) }
	snap, err := set.UpdateSnapshot(read(version(ts.Signed.Meta["snapshot.json"].Version)+".snapshot.json"), false)
	must(t, err)
	targets, err := set.UpdateTargets(read(version(snap.Signed.Meta["targets.json"].Version) + ".targets.json"))
	must(t, err)
	if target == "" {
		return
	}
	f := targets.Signed.Targets[target]
	if f == nil || !bytes.Equal(f.Hashes["sha256"], want[:]) {
		t.Errorf("%s: %v", target, f)
	}
}

// installs opens the delta with an entitlement, as a device does; another device
// cannot.
func (p *parties) installs(t *testing.T, repo string, r *release.Release, built [2]string) {
	t.Helper()
	device, err := hpke.MLKEM768X25519().GenerateKey()
	must(t, err)
	other, err := hpke.MLKEM768X25519().GenerateKey()
	must(t, err)
	signed, err := r.Entitle(p.deployer, device.PublicKey().Bytes(), day.AddDate(0, 1, 0), day)
	must(t, err)
	var e manifest.Entitlement
	must(t, p.all.Deployer.OpenDocument(signed, &e))
	if _, err := e.Open(other); err == nil {
		t.Error("another device opened the entitlement")
	}
	content, err := e.Open(device)
	must(t, err)
	old, err := os.ReadFile(built[0])
	must(t, err)
	want, err := os.ReadFile(built[1])
	must(t, err)
	c := r.Manifest.Component("bin-till")
	pack := c.Delta(manifest.Sum(old))
	if pack == nil {
		t.Fatal("no delta")
	}
	text, err := os.ReadFile(filepath.Join(repo, "tables", pack.Table.String()))
	must(t, err)
	table, err := frame.ParseTable(text)
	must(t, err)
	wire, err := os.ReadFile(filepath.Join(repo, "packs", pack.SHA256.String()))
	must(t, err)
	key, err := frame.NewKey(content, r.Manifest.Identity, c.Name, manifest.Sum(old), c.SHA256)
	must(t, err)
	var got []byte
	for i := range table.Entries {
		at, n := table.Range(i)
		data, err := table.Open(i, wire[at:at+n], key, bytes.NewReader(old))
		must(t, err)
		got = append(got, data...)
	}
	if !bytes.Equal(got, want) {
		t.Error("the delta makes another program")
	}
	t.Logf("whole pack %d bytes, delta %d bytes, program %d bytes", c.Full().Bytes, pack.Bytes, c.Length)
}

// Requirement: FM-10
// Requirement: DL-19
// Requirement: DL-21
func TestEveryStepOutOfOrderOrByAnotherPartyIsRefusedAndLogged(t *testing.T) {
	built, err := programs()
	must(t, err)
	p := newParties(t)
	repo, err := release.OpenRepository(filepath.Join(p.dir, "repo"))
	must(t, err)
	r, err := p.maker.Build(t.Context(), filepath.Join(p.dir, "r1"), p.all, plan(t, 1, "0PLMTIL01-20261122", built[0]), day)
	must(t, err)
	steps := map[string]func(o *release.Office) error{
		"attach":   func(o *release.Office) error { return r.Attach(o, "notes", "n", []byte("x"), day) },
		"register": func(o *release.Office) error { return r.Register(o, day) },
		"approve":  func(o *release.Office) error { return r.Approve(o, certificate, day) },
		"encrypt":  func(o *release.Office) error { return r.Encrypt(o, day) },
		"publish":  func(o *release.Office) error { return o.Publish(t.Context(), repo, r, p.witnesses(), day) },
		"entitle": func(o *release.Office) error {
			_, err := r.Entitle(o, make([]byte, 1216), day.AddDate(0, 1, 0), day)
			return err
		},
	}
	right := map[string]*release.Office{"attach": p.maker, "register": p.maker, "approve": p.authority, "encrypt": p.maker, "publish": p.maker, "entitle": p.deployer}
	refused := 0
	refuse := func(want error, names ...string) {
		t.Helper()
		for _, name := range names {
			refused++
			if err := steps[name](right[name]); !errors.Is(err, want) {
				t.Errorf("%s while %s: %v", name, r.State(), err)
			}
		}
	}
	refuse(release.ErrOrder, "approve", "encrypt", "publish", "entitle")
	refuse(release.ErrReports, "register")
	must(t, r.Attach(p.maker, "test", "tests.txt", []byte("ok"), day))
	must(t, r.Attach(p.maker, "assessor", "assessor.pdf", []byte("fine"), day))
	refuse(release.ErrOrder, "approve", "encrypt", "publish", "entitle")
	must(t, r.Register(p.maker, day))
	refuse(release.ErrOrder, "attach", "register", "encrypt", "publish", "entitle")
	must(t, r.Approve(p.authority, certificate, day))
	refuse(release.ErrOrder, "attach", "register", "approve", "publish", "entitle")
	must(t, r.Encrypt(p.maker, day))
	refuse(release.ErrOrder, "attach", "register", "approve", "encrypt")
	for name, step := range steps {
		for _, o := range []*release.Office{p.maker, p.authority, p.deployer} {
			if o != right[name] {
				refused++
				if err := step(o); !errors.Is(err, release.ErrParty) {
					t.Errorf("%s by %s: %v", name, o.Card.Name, err)
				}
			}
		}
	}
	log, err := os.ReadFile(filepath.Join(p.dir, "r1", "access.log"))
	must(t, err)
	if n := bytes.Count(log, []byte(`"refused"`)); n != refused {
		t.Errorf("%d refusals are logged, not %d", n, refused)
	}
	if _, err := os.Stat(filepath.Join(p.dir, "r1", "content.key")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the content key is still there in clear: %v", err)
	}
}

// Requirement: FM-10
func TestWhateverIsChangedInAReleasesFolderIsFound(t *testing.T) {
	built, err := programs()
	must(t, err)
	p := newParties(t)
	p.publish(t, p.build(t, "r1", plan(t, 1, "0PLMTIL01-20261122", built[0])))
	dir := filepath.Join(p.dir, "r1")
	must(t, check(dir, p.all))
	n := 0
	must(t, filepath.WalkDir(dir, func(name string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == "access.log" {
			return err
		}
		n++
		data, err := os.ReadFile(name)
		must(t, err)
		for what, other := range map[string][]byte{"flipped": flipped(data), "cut": data[:len(data)-1], "extended": append(bytes.Clone(data), 'x')} {
			must(t, os.WriteFile(name, other, 0o600))
			if check(dir, p.all) == nil {
				t.Errorf("%s %s: not found", filepath.Base(filepath.Dir(name))+"/"+d.Name(), what)
			}
		}
		must(t, os.Remove(name))
		if last := d.Name() == "000009"; check(dir, p.all) == nil && !last {
			t.Errorf("%s removed: not found", name)
		}
		return os.WriteFile(name, data, 0o600)
	}))
	if n < 15 {
		t.Errorf("only %d files were tried", n)
	}
}

func flipped(data []byte) []byte {
	out := bytes.Clone(data)
	out[len(out)/2] ^= 1
	return out
}

func check(dir string, all *release.Parties) error {
	r, err := release.OpenRelease(dir, all)
	if err != nil {
		return err
	}
	return errors.Join(r.Check(), r.CheckCustody())
}

// Requirement: CU-19
func TestAVersionThatDoesNotRiseIsRefused(t *testing.T) {
	built, err := programs()
	must(t, err)
	p := newParties(t)
	must(t, p.build(t, "r1", plan(t, 5, "0PLMTIL01-20261122", built[0])).Register(p.maker, day))
	for name, refused := range map[string]release.Plan{
		"same counter":               plan(t, 5, "0PLMTIL02-20261122", built[1]),
		"lower counter":              plan(t, 4, "0PLMTIL03-20261122", built[1]),
		"same identity, other bytes": plan(t, 6, "0PLMTIL01-20261122", built[1]),
	} {
		if err := p.build(t, strings.ReplaceAll(name, " ", "-"), refused).Register(p.maker, day); !errors.Is(err, release.ErrVersion) {
			t.Errorf("%s: %v", name, err)
		}
	}
	platform := plan(t, 1, "0PLMBOT01-20261122", built[1])
	platform.Manifest.Scope = manifest.Platform
	must(t, p.build(t, "platform", platform).Register(p.maker, day))
}

// Requirement: FM-19
func TestHardwareHasToBeRegisteredWithItsReports(t *testing.T) {
	built, err := programs()
	must(t, err)
	p := newParties(t)
	fits := plan(t, 1, "0PLMTIL01-20261122", built[0])
	fits.Manifest.Compatibility.Hardware = []manifest.Identity{"1PLMBOX01-20260101"}
	r := p.build(t, "r1", fits)
	if err := r.Register(p.maker, day); !errors.Is(err, release.ErrReports) {
		t.Errorf("unregistered hardware: %v", err)
	}
	if err := p.maker.RegisterHardware("1PLMBOX01-20260101", nil, day); !errors.Is(err, manifest.ErrFormat) {
		t.Errorf("without reports: %v", err)
	}
	must(t, p.maker.RegisterHardware("1PLMBOX01-20260101", []manifest.Report{{Kind: "test", Name: "emc.pdf", SHA256: manifest.Sum([]byte("emc"))}}, day))
	must(t, r.Register(p.maker, day))
	p.commissions(t)
}

// commissions asks for hardware as whoever commissions a device does.
func (p *parties) commissions(t *testing.T) {
	t.Helper()
	repo, err := release.OpenRepository(filepath.Join(p.dir, "repo"))
	must(t, err)
	must(t, p.authority.Push(repo))
	must(t, p.maker.Push(repo))
	device := p.device(t, filepath.Join(p.dir, "repo"))
	h, err := device.Hardware(t.Context(), "1PLMBOX01-20260101")
	must(t, err)
	if len(h.Reports) != 1 || h.Reports[0].Name != "emc.pdf" {
		t.Errorf("reports %v", h.Reports)
	}
	for _, unknown := range []manifest.Identity{"1PLMBOX02-20260101", "0PLMBOX01-20260101", "../x"} {
		if _, err := device.Hardware(t.Context(), unknown); !errors.Is(err, trust.ErrNotFound) {
			t.Errorf("%s: %v", unknown, err)
		}
	}
	for name, list := range map[string]func() ([]manifest.Hardware, error){"office": p.maker.Hardware, "repository": repo.Hardware} {
		if got, err := list(); err != nil || len(got) != 1 || got[0].Identity != h.Identity {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

// Requirement: CU-16
func TestARotatedRootIsSignedByTheOldAndTheNewThreshold(t *testing.T) {
	p := newParties(t)
	dir := filepath.Join(p.dir, "plomb", "metadata")
	for i, key := range []string{"root-1", "root-2", "targets-1"} {
		role, _, _ := strings.Cut(key, "-")
		if _, err := p.maker.Rotate(role, key, day); err != nil {
			t.Fatal(err)
		}
		set, err := trustedmetadata.New(mustRead(t, filepath.Join(dir, "1.root.json")))
		must(t, err)
		set.RefTime = day
		for n := 2; n <= i+2; n++ {
			if _, err := set.UpdateRoot(mustRead(t, filepath.Join(dir, string(rune('0'+n))+".root.json"))); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := set.UpdateTimestamp(mustRead(t, filepath.Join(dir, "timestamp.json"))); err != nil {
			t.Error(err)
		}
	}
	again, err := release.OpenOffice(filepath.Join(p.dir, "plomb"), unlock)
	must(t, err)
	must(t, again.Refresh(day.Add(time.Hour)))
	if _, err := again.Rotate("log", "log-1", day); !errors.Is(err, release.ErrParty) {
		t.Errorf("the log's key: %v", err)
	}
}

func mustRead(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	must(t, err)
	return data
}

// Requirement: CU-16
func TestKeysLieInFilesThatOpenWithTheirPassphraseAlone(t *testing.T) {
	p := newParties(t)
	wrong, err := release.OpenOffice(filepath.Join(p.dir, "plomb"), func(string) (string, error) { return "wrong", nil })
	must(t, err)
	if err := wrong.Refresh(day); err == nil {
		t.Error("the wrong passphrase opened a key")
	}
	names, err := filepath.Glob(filepath.Join(p.dir, "*", "keys", "*"))
	must(t, err)
	for _, name := range names {
		if !bytes.HasPrefix(mustRead(t, name), []byte("age-encryption.org/v1\n")) {
			t.Errorf("%s is not encrypted", name)
		}
	}
	if len(names) != 12+12+4 {
		t.Errorf("%d keys", len(names))
	}
}

// Requirement: CU-17
func TestCampaignsRiseAndAreTheDeployersAlone(t *testing.T) {
	p := newParties(t)
	c := manifest.Campaign{Cohort: "*", From: day, Until: day.AddDate(0, 0, 7), Urgency: manifest.Normal, Attempts: 3}
	for serial := uint64(1); serial <= 2; serial++ {
		signed, err := p.deployer.Campaign(c, day)
		must(t, err)
		var got manifest.Campaign
		must(t, p.all.Deployer.OpenDocument(signed, &got))
		if got.Serial != serial {
			t.Errorf("serial %d, not %d", got.Serial, serial)
		}
	}
	if _, err := p.maker.Campaign(c, day); !errors.Is(err, release.ErrParty) {
		t.Errorf("by the maker: %v", err)
	}
}

func TestAWithdrawalIsPublishedAndLogged(t *testing.T) {
	built, err := programs()
	must(t, err)
	p := newParties(t)
	r := p.build(t, "r1", plan(t, 1, "0PLMTIL01-20261122", built[0]))
	repo := p.publish(t, r)
	must(t, p.authority.Withdraw(r.Digest(), "rounding is wrong", day.AddDate(0, 0, 3), trust.Block, day))
	must(t, p.authority.Push(repo))
	must(t, p.maker.Publish(t.Context(), repo, r, p.witnesses(), day))
	id := r.Digest()
	if d := p.decide(t, filepath.Join(p.dir, "repo"), id); d.Allowed() {
		t.Error("a device still takes it")
	}
	entries := mustRead(t, filepath.Join(p.dir, "repo", "log", "tile", "entries", "000.p", "3"))
	if !bytes.Contains(entries, []byte("withdrawn nmi\n"+id.String()+"\n")) {
		t.Errorf("the log has no withdrawal: %q", entries)
	}
	if err := p.authority.Withdraw(manifest.Sum(nil), "x", day, trust.Warn, day); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what was never approved: %v", err)
	}
}

// Requirement: CU-16
func TestAWitnessRefusesALogThatForgot(t *testing.T) {
	built, err := programs()
	must(t, err)
	p := newParties(t)
	p.publish(t, p.build(t, "r1", plan(t, 1, "0PLMTIL01-20261122", built[0])))
	must(t, os.RemoveAll(filepath.Join(p.dir, "plomb", "log")))
	r := p.build(t, "r2", plan(t, 2, "0PLMTIL02-20261122", built[1]))
	must(t, r.Register(p.maker, day))
	must(t, r.Approve(p.authority, certificate, day))
	must(t, r.Encrypt(p.maker, day))
	repo, err := release.OpenRepository(filepath.Join(p.dir, "repo"))
	must(t, err)
	if err := p.maker.Publish(t.Context(), repo, r, p.witnesses(), day); !errors.Is(err, release.ErrTampered) {
		t.Errorf("a log that begins anew: %v", err)
	}
	if err := p.maker.Publish(t.Context(), repo, r, nil, day); !errors.Is(err, proof.ErrQuorum) {
		t.Errorf("without witnesses: %v", err)
	}
}
