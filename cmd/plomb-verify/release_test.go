package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/release"
	"github.com/plomb-pos/plomb/update/trust"
)

var morning = time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)

// shelf is a repository with releases and those who make them.
type shelf struct {
	dir                        string
	maker, authority, deployer *release.Office
	parties                    *release.Parties
	repo                       *release.Repository
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newShelf(t *testing.T) *shelf {
	t.Helper()
	s := &shelf{dir: t.TempDir()}
	open := func(c release.Ceremony) *release.Office {
		c.Root, c.Release, c.Work = release.Quorum{Threshold: 1, Keys: 1}, release.Quorum{Threshold: 1, Keys: 1}, 1
		o, err := release.Init(filepath.Join(s.dir, c.Name), c, func(string) (string, error) { return "w", nil }, morning)
		must(t, err)
		return o
	}
	s.maker = open(release.Ceremony{Party: release.Maker, Name: "plomb"})
	s.authority = open(release.Ceremony{Party: release.Authority, Name: "nmi", Jurisdictions: []string{"NL"}})
	s.deployer = open(release.Ceremony{Party: release.Deployer, Name: "chain"})
	var err error
	s.parties, err = release.NewParties(1, s.maker.Card, s.deployer.Card, s.authority.Card)
	must(t, err)
	must(t, os.WriteFile(filepath.Join(s.dir, "policy"), s.parties.LogPolicyText(), 0o600))
	s.repo, err = release.OpenRepository(s.path("repo"))
	must(t, err)
	return s
}

func (s *shelf) path(name string) string { return filepath.Join(s.dir, filepath.FromSlash(name)) }

func (s *shelf) witnesses() []release.Witness {
	return []release.Witness{release.OfficeWitness{Office: s.authority, LogKey: s.parties.Log, Now: func() time.Time { return morning }}}
}

// approve makes a release up to its approval, which the authority publishes.
func (s *shelf) approve(t *testing.T, identity manifest.Identity, counter uint64) *release.Release {
	t.Helper()
	program := s.path("program")
	must(t, os.WriteFile(program, []byte(strings.Repeat(string(identity), 100)), 0o600))
	r, err := s.maker.Build(t.Context(), s.path(string(identity)), s.parties, release.Plan{
		Manifest: manifest.Manifest{Identity: identity, Scope: manifest.Application, Counter: counter, Jurisdictions: []string{"NL"}, Certificate: "T1",
			Compatibility: manifest.Compatibility{Platforms: []string{release.Platform()}}},
		Sources: []release.Source{{Kind: manifest.Program, Path: "bin/till", Mode: 0o755, File: program}}, Builder: "https://example.org",
	}, morning)
	must(t, err)
	for _, kind := range []string{"test", "assessor"} {
		must(t, r.Attach(s.maker, kind, kind, []byte("ok"), morning))
	}
	must(t, r.Register(s.maker, morning))
	must(t, r.Approve(s.authority, release.Certificate{NotBefore: morning, NotAfter: morning.AddDate(1, 0, 0)}, morning))
	must(t, s.authority.Push(s.repo))
	return r
}

func (s *shelf) publish(t *testing.T, r *release.Release) {
	t.Helper()
	must(t, r.Encrypt(s.maker, morning))
	must(t, s.maker.Publish(t.Context(), s.repo, r, s.witnesses(), morning))
}

// verify runs the command and wants an exit code, and words in what it prints.
func (s *shelf) verify(t *testing.T, code verdict, words string, args ...string) {
	t.Helper()
	var out, errs bytes.Buffer
	got := run(context.Background(), append([]string{"release"}, args...), &out, &errs)
	if got != int(code) || !strings.Contains(out.String(), words) {
		t.Errorf("%v: exit %d, want %d with %q:\n%s%s", args, got, code, words, out.String(), errs.String())
	}
}

// Requirement: FM-10
func TestNothingIsReleasedUnlogged(t *testing.T) {
	s := newShelf(t)
	first := s.approve(t, "0PLMTIL01-20261122", 1)
	s.publish(t, first)
	policy, repo := "--policy="+s.path("policy"), s.path("repo")
	s.verify(t, whole, "1 releases checked", policy, repo)
	s.verify(t, whole, "cosigned by nmi/witness", policy, repo)
	s.verify(t, unchecked, "origin unchecked", repo)
	earlier := s.path("earlier")
	text, err := os.ReadFile(s.path("repo/log/checkpoint"))
	must(t, err)
	must(t, os.WriteFile(earlier, text, 0o600))

	second := s.approve(t, "0PLMTIL02-20261122", 2)
	s.verify(t, whole, "not released", policy, repo) // approved, and nobody gets it yet
	s.publish(t, second)
	s.verify(t, whole, "2 releases checked", policy, "--checkpoint="+earlier, repo)
	must(t, s.authority.Withdraw(first.Digest(), "rounding", morning.AddDate(0, 0, 1), trust.Block, morning))
	must(t, s.authority.Push(s.repo))
	s.verify(t, tampered, `unlogged: "withdrawn nmi"`, policy, repo)
	must(t, s.maker.LogWithdrawals(t.Context(), s.repo, s.parties, s.witnesses()))
	s.verify(t, whole, "2 releases checked", policy, "--checkpoint="+earlier, repo)

	var out bytes.Buffer
	if code := run(context.Background(), []string{"release", "--json", policy, repo}, &out, &out); code != 0 {
		t.Errorf("exit %d: %s", code, out.String())
	}
	var said struct {
		OK   bool   `json:"ok"`
		Size uint64 `json:"size"`
	}
	if err := json.Unmarshal(out.Bytes(), &said); err != nil || !said.OK || said.Size != 5 {
		t.Errorf("%+v, %v", said, err)
	}
}

// Requirement: FM-10
func TestARepositoryThatWasTamperedWithIsFoundOut(t *testing.T) {
	s := newShelf(t)
	first := s.approve(t, "0PLMTIL01-20261122", 1)
	s.publish(t, first)
	small, err := os.ReadFile(s.path("repo/log/checkpoint"))
	must(t, err)
	smallProof, err := os.ReadFile(s.path("repo/proofs/" + first.Digest().String()))
	must(t, err)
	second := s.approve(t, "0PLMTIL02-20261122", 2)
	s.publish(t, second)
	later := s.path("later")
	text, err := os.ReadFile(s.path("repo/log/checkpoint"))
	must(t, err)
	must(t, os.WriteFile(later, text, 0o600))
	hidden := manifest.Sum([]byte("nobody saw it")).String()
	proofName := "repo/proofs/" + second.Digest().String()
	for name, c := range map[string]struct {
		file  string
		text  []byte
		words string
	}{
		"a release of which only the signatures lie here": {"repo/notes/" + hidden, []byte("x"), "unlogged: it is released"},
		"a log that forgot":          {"repo/log/checkpoint", small, "shrunk"},
		"a proof that is gone":       {proofName, nil, "proof: there is none"},
		"a proof of another release": {proofName, smallProof, "proof: "},
		"a proof that is empty":      {proofName, []byte{}, "proof: "},
		"a checkpoint that is bent":  {"repo/log/checkpoint", bentRoot(text), "signatures: "},
		"an entry that is bent":      {"repo/log/tile/entries/000.p/4", bent(t, s.path("repo/log/tile/entries/000.p/4")), "root: "},
		"a target that is bent":      {"repo/targets/" + second.Digest().String(), []byte("{}"), "content: "},
	} {
		t.Run(name, func(t *testing.T) {
			old, err := os.ReadFile(s.path(c.file))
			was := err == nil
			if c.text == nil {
				must(t, os.Remove(s.path(c.file)))
			} else {
				must(t, os.WriteFile(s.path(c.file), c.text, 0o600))
			}
			s.verify(t, tampered, c.words, "--policy="+s.path("policy"), "--checkpoint="+later, s.path("repo"))
			if was {
				must(t, os.WriteFile(s.path(c.file), old, 0o600))
			} else {
				must(t, os.Remove(s.path(c.file)))
			}
		})
	}
	s.verify(t, whole, "2 releases checked", "--policy="+s.path("policy"), "--checkpoint="+later, s.path("repo"))
	must(t, os.Remove(s.path("repo/log/tile/entries/000.p/4")))
	s.verify(t, unreadable, "000.p/4", "--policy="+s.path("policy"), s.path("repo"))
	s.verify(t, unreadable, "", "--policy="+s.path("policy"))
}

// bentRoot is a checkpoint with another root.
func bentRoot(text []byte) []byte {
	at := bytes.Index(text, []byte("\n4\n")) + 3
	out := bytes.Clone(text)
	out[at] = map[bool]byte{true: 'B', false: 'A'}[text[at] == 'A']
	return out
}

// bent is a file with one bit inverted near its end.
func bent(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(name)
	must(t, err)
	text[len(text)-10] ^= 1
	return text
}
