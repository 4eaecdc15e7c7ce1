package release_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/internal/tokentest"
	"github.com/plomb-pos/plomb/internal/tpmtest"
	"github.com/plomb-pos/plomb/update/keeper"
	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/release"
	"github.com/plomb-pos/plomb/update/trust"
)

// holder makes a holder with one key and gives the plan of its public half.
func holder(t *testing.T, dir, name string, p release.KeyPlan) (*release.Holder, release.KeyPlan) {
	t.Helper()
	h, err := release.OpenHolder(filepath.Join(dir, name), name, unlock)
	must(t, err)
	text, err := h.Draw(name+"-key", p)
	must(t, err)
	public, err := release.ParsePublicKey(text)
	must(t, err)
	return h, public
}

// carry carries what an act asks for to the holders, and back, until it is done. It
// gives how often somebody had to walk.
func carry(t *testing.T, o *release.Office, holders []*release.Holder, do func() error) (walks int) {
	t.Helper()
	for ; ; walks++ {
		err := do()
		var wait *release.Awaiting
		if !errors.As(err, &wait) {
			must(t, err)
			return walks
		}
		if walks > 5 {
			t.Fatalf("still waiting: %v", err)
		}
		text, err := durable.ReadFile(durable.OS{}, wait.File, 1<<20)
		must(t, err)
		request, err := release.ParseRequest(text)
		must(t, err)
		for _, w := range request.Wanted {
			words, err := release.Describe(w.Message)
			must(t, err)
			if len(words) == 0 {
				t.Error("nothing is said of what is to be signed")
			}
		}
		for _, h := range holders {
			answer, err := h.Answer(request)
			must(t, err)
			_, err = o.Add(answer)
			must(t, err)
		}
	}
}

// Requirement: CU-16
// Requirement: FM-10
func TestAReleaseIsSignedInTwoPlaces(t *testing.T) {
	built, err := programs()
	must(t, err)
	dir := t.TempDir()
	safe, rootKey := holder(t, dir, "safe", release.KeyPlan{})
	person, noteKey := holder(t, dir, "person", release.KeyPlan{})
	_, targetsKey := holder(t, dir, "third", release.KeyPlan{})
	two := release.Quorum{Threshold: 2, Keys: 2}
	c := release.Ceremony{Party: release.Maker, Name: "plomb", Root: two, Release: two, Work: 1, Keep: map[string]release.KeyPlan{"root-2": rootKey, "note-2": noteKey}}
	p := &parties{dir: dir}

	// the ceremony itself needs the root key in the safe
	open := func() error { p.maker, err = release.Init(filepath.Join(dir, "plomb"), c, unlock, day); return err }
	var wait *release.Awaiting
	if err := open(); !errors.As(err, &wait) || !slices.Equal(wait.Request.Keys(), []string{"root-2"}) {
		t.Fatalf("%v", err)
	}
	text, err := durable.ReadFile(durable.OS{}, wait.File, 1<<20)
	must(t, err)
	request, err := release.ParseRequest(text)
	must(t, err)
	if _, err := person.Answer(request); !errors.Is(err, release.ErrParty) {
		t.Errorf("who has no key of it answered: %v", err)
	}
	answer, err := safe.Answer(request)
	must(t, err)
	missing, err := release.TakeAnswer(filepath.Join(dir, "plomb"), answer)
	must(t, err)
	if len(missing) > 0 {
		t.Errorf("still missing: %v", missing)
	}
	must(t, open())

	one := release.Quorum{Threshold: 1, Keys: 1}
	p.authority, err = release.Init(filepath.Join(dir, "nmi"), release.Ceremony{Party: release.Authority, Name: "nmi", Jurisdictions: []string{"NL"}, Root: one, Release: one, Work: 1}, unlock, day)
	must(t, err)
	p.deployer, err = release.Init(filepath.Join(dir, "chain"), release.Ceremony{Party: release.Deployer, Name: "chain", Release: one, Work: 1}, unlock, day)
	must(t, err)
	p.all, err = release.NewParties(1, p.maker.Card, p.deployer.Card, p.authority.Card)
	must(t, err)

	var r *release.Release
	walks := carry(t, p.maker, []*release.Holder{person}, func() (err error) {
		r, err = p.maker.Build(t.Context(), filepath.Join(dir, "r1"), p.all, plan(t, 1, "0PLMTIL01-20261122", built[0]), day)
		return err
	})
	for _, kind := range []string{"test", "assessor"} {
		walks += carry(t, p.maker, []*release.Holder{person}, func() error { return r.Attach(p.maker, kind, kind+".txt", []byte("ok"), day) })
	}
	registered := carry(t, p.maker, []*release.Holder{person}, func() error { return r.Register(p.maker, day) })
	if registered != 1 {
		t.Errorf("%d walks for one registration", registered)
	}
	must(t, r.Approve(p.authority, certificate, day))
	walks += carry(t, p.maker, []*release.Holder{person}, func() error { return r.Encrypt(p.maker, day) })
	repo, err := release.OpenRepository(filepath.Join(dir, "repo"))
	must(t, err)
	must(t, p.authority.Push(repo))
	walks += carry(t, p.maker, []*release.Holder{person}, func() error { return p.maker.Publish(t.Context(), repo, r, p.witnesses(), day) })
	if d := p.decide(t, filepath.Join(dir, "repo"), r.Digest()); !d.Allowed() {
		t.Errorf("a device refuses it: %v", d.Err())
	}
	must(t, r.Check())
	walks += carry(t, p.maker, []*release.Holder{person}, func() error { return p.maker.Withdraw(r.Digest(), "x", day.AddDate(0, 0, 1), trust.Warn, day) })

	// a targets key elsewhere, and a rotation that the safe signs
	third, err := release.OpenHolder(filepath.Join(dir, "third"), "third", unlock)
	must(t, err)
	walks += carry(t, p.maker, []*release.Holder{safe}, func() error {
		_, err := p.maker.RotateTo("targets", "targets-1", targetsKey, day)
		if err != nil && errors.As(err, &wait) && slices.ContainsFunc(wait.Request.Keys(), func(k string) bool { return strings.HasPrefix(k, "targets") }) {
			request := wait.Request
			answer, err := third.Answer(&request)
			must(t, err)
			_, err = p.maker.Add(answer)
			must(t, err)
			_, err = p.maker.RotateTo("targets", "targets-1", targetsKey, day)
			return err
		}
		return err
	})
	must(t, p.maker.CheckTree())
	t.Logf("%d walks, and %d for the registration", walks, registered)
	lines, err := release.ReadAccess(filepath.Join(dir, "person"))
	must(t, err)
	if !slices.ContainsFunc(lines, func(a release.Access) bool { return strings.HasPrefix(a.What, "sign ") }) {
		t.Error("the holder's log does not say what was signed")
	}
}

// Requirement: CU-16
func TestAnAnswerThatDoesNotFitIsRefused(t *testing.T) {
	dir := t.TempDir()
	h, public := holder(t, dir, "safe", release.KeyPlan{})
	one := release.Quorum{Threshold: 1, Keys: 1}
	o, err := release.Init(filepath.Join(dir, "chain"), release.Ceremony{Party: release.Deployer, Name: "chain", Release: one, Work: 1, Keep: map[string]release.KeyPlan{"campaign": public}}, unlock, day)
	must(t, err)
	campaign := manifest.Campaign{Cohort: "*", From: day, Until: day.AddDate(0, 0, 7), Urgency: manifest.Normal, Attempts: 3}
	_, err = o.Campaign(campaign, day)
	var wait *release.Awaiting
	if !errors.As(err, &wait) {
		t.Fatal(err)
	}
	other := campaign
	other.Release = manifest.Sum([]byte("x"))
	if _, err := o.Campaign(other, day); !errors.Is(err, release.ErrOrder) {
		t.Errorf("another act while one waits: %v", err)
	}
	answer, err := h.Answer(&wait.Request)
	must(t, err)
	bent := *answer
	bent.Signatures = slices.Clone(answer.Signatures)
	bent.Signatures[0].Signature = append([]byte{1}, bent.Signatures[0].Signature[1:]...)
	if _, err := o.Add(&bent); !errors.Is(err, release.ErrTampered) {
		t.Errorf("a bent signature: %v", err)
	}
	bent.Signatures[0].Message = manifest.Sum(nil)
	if _, err := o.Add(&bent); !errors.Is(err, release.ErrTampered) {
		t.Errorf("over something else: %v", err)
	}
	strange := wait.Request
	strange.Wanted = slices.Clone(strange.Wanted)
	strange.Wanted[0].Message = []byte("transfer all the money\n")
	if _, err := h.Answer(&strange); !errors.Is(err, release.ErrFormat) {
		t.Errorf("what nobody can read was signed: %v", err)
	}
	must(t, o.Abandon())
	if carry(t, o, []*release.Holder{h}, func() error { _, err := o.Campaign(other, day); return err }) != 2 {
		t.Error("a campaign and its entry, which binds it, are two walks")
	}
	if _, err := o.Add(answer); !errors.Is(err, release.ErrOrder) {
		t.Errorf("an answer to nothing: %v", err)
	}
}

// Requirement: CU-16
func TestOfficesKeepKeysOnTokensAndInTPMs(t *testing.T) {
	tokentest.Start(t)
	tpm := keeper.Place("tpm:" + tpmtest.Start(t).Socket)
	token := keeper.Place(tokentest.Place())
	two := release.Quorum{Threshold: 2, Keys: 2}
	c := release.Ceremony{Party: release.Maker, Name: "plomb", Root: two, Release: release.Quorum{Threshold: 1, Keys: 1}, Work: 1, Keep: map[string]release.KeyPlan{
		"root-1": {Place: token}, "root-2": {Place: tpm}, "targets": {Place: token, Kind: keeper.P256}, "snapshot": {Place: tpm}, "note": {Place: token}, "log": {Place: tpm}}}
	dir := filepath.Join(t.TempDir(), "plomb")
	_, err := release.Init(dir, c, unlock, day)
	must(t, err)
	o, err := release.OpenOffice(dir, unlock)
	must(t, err)
	must(t, o.CheckTree())
	checkTUF(t, filepath.Join(dir, "metadata"), "", manifest.Digest{})
	must(t, o.RegisterHardware("1PLMBOX01-20260101", []manifest.Report{{Kind: "test", Name: "emc.pdf", SHA256: manifest.Sum([]byte("emc"))}}, day))
	fresh, err := o.RotateTo("root", "root-1", release.KeyPlan{Place: token, Kind: keeper.P256}, day)
	must(t, err)
	must(t, o.CheckTree())
	must(t, o.Refresh(day))
	files, err := filepath.Glob(filepath.Join(dir, "keys", "*"))
	must(t, err)
	for _, f := range files {
		if base := filepath.Base(f); strings.HasPrefix(base, "root-1") || strings.HasPrefix(base, fresh) || strings.HasPrefix(base, "note") {
			t.Errorf("a key on a token lies in %s", base)
		}
	}
	for role, p := range map[string]release.KeyPlan{"log": {Place: keeper.Elsewhere}, "note": {Place: tpm, Kind: keeper.P256}, "custody": {Place: token}, "nobody": {}} {
		bad := c
		bad.Keep = map[string]release.KeyPlan{role: p}
		if _, err := release.Init(filepath.Join(t.TempDir(), "x"), bad, unlock, day); err == nil {
			t.Errorf("%s at %q: no error", role, p.Place)
		}
	}
}

// Requirement: DL-21
func TestEveryOpeningOfAKeyIsWrittenDown(t *testing.T) {
	p := newParties(t)
	must(t, p.maker.Refresh(day))
	wrong, err := release.OpenOffice(filepath.Join(p.dir, "plomb"), func(string) (string, error) { return "wrong", nil })
	must(t, err)
	if wrong.Refresh(day) == nil {
		t.Error("the wrong passphrase opened a key")
	}
	lines, err := release.ReadAccess(filepath.Join(p.dir, "plomb"))
	must(t, err)
	drawn, refused := 0, 0
	for _, a := range lines {
		if a.Who == "" || a.By != "plomb" {
			t.Errorf("line %+v does not say who", a)
		}
		if strings.HasPrefix(a.What, "draw key ") {
			drawn++
		}
		if a.Refused != "" {
			refused++
		}
	}
	if drawn != len(p.maker.Card.Keys) || refused == 0 {
		t.Errorf("%d keys drawn, %d refusals", drawn, refused)
	}
	again, err := release.OpenOffice(filepath.Join(p.dir, "plomb"), unlock)
	must(t, err)
	must(t, again.Refresh(day))
	more, err := release.ReadAccess(filepath.Join(p.dir, "plomb"))
	must(t, err)
	if n := len(more) - len(lines); n != 2 {
		t.Errorf("%d lines for the keys of snapshot and timestamp", n)
	}
	file := filepath.Join(p.dir, "plomb", "access.log")
	text := mustRead(t, file)
	cut := strings.SplitAfter(string(text), "\n")
	must(t, os.WriteFile(file, []byte(strings.Join(append(cut[:2:2], cut[3:]...), "")), 0o600))
	if _, err := release.ReadAccess(filepath.Join(p.dir, "plomb")); !errors.Is(err, release.ErrTampered) {
		t.Errorf("a line taken out: %v", err)
	}
}
