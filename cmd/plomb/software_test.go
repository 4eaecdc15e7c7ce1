package main

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/note"

	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/till"
	"github.com/plomb-pos/plomb/till/tilltest"
	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/slot"
)

// installed makes a device folder whose slot holds this program as release 7.
func installed(t *testing.T, s string) (root string, digest manifest.Digest) {
	t.Helper()
	root = t.TempDir()
	skey, vkey, err := note.GenerateKey(rand.Reader, "maker")
	must(t, err)
	signer, err := note.NewSigner(skey)
	must(t, err)
	self, err := os.Executable()
	must(t, err)
	program, err := os.ReadFile(self)
	must(t, err)
	c, err := manifest.Measure(bytes.NewReader(program))
	must(t, err)
	m := &manifest.Manifest{
		Format: manifest.Format, Identity: "0PLMTIL07-20261122", Scope: manifest.Application, Counter: 7, Legal: true,
		Issued: time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC), Jurisdictions: []string{"DE"}, Certificate: "DE-26-M-0001",
		Components:    []manifest.Component{{Name: "till", Kind: manifest.Program, Legal: true, Path: "bin/plomb", Mode: 0o755, Length: c.Length, SHA256: c.SHA256, Root: c.Root}},
		Compatibility: manifest.Compatibility{Platforms: []string{runtime.GOOS + "/" + runtime.GOARCH}},
	}
	encoded, err := m.Encode()
	must(t, err)
	signed, err := manifest.Sign(encoded, signer)
	must(t, err)
	policy := `{"format":"plomb-boot-policy/1","serial":1,"legal":"maker-only","maker":{"name":"maker","threshold":1,"keys":["` + vkey + `"]}}`
	for name, data := range map[string][]byte{
		"boot/policy.json": []byte(policy), "slots/" + s + "/" + slot.ManifestFile: encoded, "slots/" + s + "/" + slot.NoteFile: signed, "slots/" + s + "/bin/plomb": program,
	} {
		name = filepath.Join(root, filepath.FromSlash(name))
		must(t, os.MkdirAll(filepath.Dir(name), 0o755))
		must(t, os.WriteFile(name, data, 0o755))
	}
	return root, manifest.Sum(encoded)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// sell starts a till until it can sell, and ends it.
func sell(t *testing.T, program, dir string, env ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, "till", "--new", "--dir", dir, "--listen", "127.0.0.1:0", "--child")
	cmd.Env = append(os.Environ(), env...)
	in, err := cmd.StdinPipe()
	must(t, err)
	out, err := cmd.StdoutPipe()
	must(t, err)
	var words bytes.Buffer
	cmd.Stderr = &words
	must(t, cmd.Start())
	_, err = bufio.NewReader(out).ReadString('\n')
	in.Close()
	if ended := cmd.Wait(); err != nil || ended != nil {
		t.Fatalf("till: %v, %v: %s", err, ended, words.String())
	}
}

// Requirement: DL-10
func TestTheJournalTellsWhichReleaseRanInWhichSlot(t *testing.T) {
	root, digest := installed(t, "b")
	dir := filepath.Join(t.TempDir(), "till")
	program := filepath.Join(root, "slots", "b", "bin", "plomb")
	sell(t, program, dir) // by hand
	sell(t, program, dir, "PLOMB_SLOT=b", "PLOMB_TRIAL=1")
	sell(t, program, dir, "PLOMB_SLOT=b")
	sell(t, program, dir, "PLOMB_SLOT=a") // a lie
	proofs := filepath.Join(t.TempDir(), "proofs")
	var out, words bytes.Buffer
	if code := run(t.Context(), []string{"journal", "software", "--dir", dir, "--json", "--prove", proofs}, streams{nil, &out, &words}); code != exitDone {
		t.Fatalf("ended with %d: %s", code, words.String())
	}
	var h softwareHistory
	must(t, json.Unmarshal(out.Bytes(), &h))
	if len(h.Runs) != 4 || h.Runs[0].Release != nil || h.Runs[3].Release != nil || h.Runs[1].Release == nil || h.Runs[2].Release == nil {
		t.Fatalf("history: %s", out.String())
	}
	trial, kept := h.Runs[1].Release, h.Runs[2].Release
	if !trial.Trial || kept.Trial || kept.Identity != "0PLMTIL07-20261122" || kept.Manifest != digest.String() || kept.Slot != "b" || !kept.Legal || len(kept.Signers) != 1 || kept.Signers[0] != "maker" {
		t.Errorf("trial %+v, kept %+v", trial, kept)
	}
	if h.Runs[0].Program == "" || h.Runs[0].Program != h.Runs[3].Program {
		t.Errorf("programs %q and %q", h.Runs[0].Program, h.Runs[3].Program)
	}
	if len(h.Changes) != 2 || h.Changes[0].Stage != fiscal.ChangeTrial || h.Changes[1].Stage != fiscal.ChangeConfirmed {
		t.Errorf("changes %+v", h.Changes)
	}
	if written, err := os.ReadDir(proofs); err != nil || len(written) != len(h.Runs)+2 {
		t.Errorf("%d proofs, %v", len(written), err)
	}
	middle := h.Runs[2].From.Format(time.RFC3339Nano)
	out.Reset()
	if code := run(t.Context(), []string{"journal", "software", "--dir", dir, "--at", middle}, streams{nil, &out, io.Discard}); code != exitDone || bytes.Count(out.Bytes(), []byte("\n")) != 1 || !bytes.Contains(out.Bytes(), []byte("0PLMTIL07-20261122 (application 7, legally relevant, manifest")) {
		t.Errorf("ended with %d: %s", code, out.String())
	}
}

// Requirement: DL-09
// Requirement: DL-10
func TestTheHistoryOfSoftwareShowsTheStepsOfUpdates(t *testing.T) {
	ran, tried := strings.Repeat("1", 64), strings.Repeat("2", 64)
	shop := tilltest.New(t, tilltest.WithoutDevices(), tilltest.With(func(o *till.Options) {
		o.Software = "plomb 1.0.0"
		o.Release = &fiscal.Release{Identity: "0PLMTIL01-20261101", Scope: "application", Counter: 1, Manifest: ran, Slot: "a"}
	}))
	at := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	step := func(stage, manifest string, line uint64) {
		at = at.Add(time.Second)
		b := fiscal.SoftwareStage{Stage: stage, Outcome: fiscal.OutcomeDone, At: at, Identity: "0PLMTIL02-20261122", Counter: 2, Manifest: manifest, Line: line}
		must(t, shop.Node.RecordStage(t.Context(), b))
	}
	step(fiscal.StageAnnounced, tried, 0)
	shop.Restart()
	step(fiscal.StageAnnounced, tried, 0) // told anew after the start
	step(fiscal.StagePointer, tried, 0)
	step(fiscal.StageFallenBack, "", 7)
	shop.Close()
	history := func(args ...string) (h softwareHistory, text string) {
		t.Helper()
		var out, words bytes.Buffer
		if code := run(t.Context(), append([]string{"journal", "software", "--dir", shop.Dir}, args...), streams{nil, &out, &words}); code != exitDone {
			t.Fatalf("ended with %d: %s", code, words.String())
		}
		if slices.Contains(args, "--json") {
			must(t, json.Unmarshal(out.Bytes(), &h))
		}
		return h, out.String()
	}
	proofs := filepath.Join(t.TempDir(), "proofs")
	h, _ := history("--json", "--prove", proofs)
	var got []string
	for _, s := range h.Steps {
		got = append(got, fmt.Sprintf("%s %s %s %d", s.Stage, s.Outcome, s.Identity, s.Line))
	}
	want := []string{"announced done 0PLMTIL02-20261122 0", "pointer done 0PLMTIL02-20261122 0", "fallen-back done 0PLMTIL02-20261122 7"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if written, err := os.ReadDir(proofs); err != nil || len(written) != len(h.Runs)+len(h.Changes)+len(h.Steps) {
		t.Errorf("%d proofs, %v", len(written), err)
	}
	if h, _ := history("--json", "--at", h.Runs[0].Seen.Format(time.RFC3339Nano)); len(h.Runs) != 1 || h.Runs[0].Release.Manifest != ran || len(h.Steps) != 0 {
		t.Errorf("what ran then, and how it came to run: %+v", h)
	}
	if _, text := history(); !strings.Contains(text, "fallen-back done") {
		t.Error(text)
	}
}
