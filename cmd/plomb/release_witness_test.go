package main

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// wordsOf is a stream that passes on what is written to it.
type wordsOf chan string

func (t wordsOf) Write(p []byte) (int, error) { t <- string(p); return len(p), nil }

// releaseOK runs plomb release in a folder and wants it to succeed.
func releaseOK(t *testing.T, args ...string) {
	t.Helper()
	if out, code := plomb(t, strings.NewReader(""), append([]string{"release"}, args...)...); code != 0 {
		t.Fatalf("plomb release %v: exit %d: %s", args, code, out)
	}
}

// Requirement: FM-10
func TestAReleaseIsCosignedByAWitnessOnTheNetAndAWithdrawalIsLoggedAtOnce(t *testing.T) {
	t.Chdir(t.TempDir())
	for name, text := range map[string]string{"pass": "correct horse\n", "till": "a program", "report": "ok"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pass, quick := "--passphrase-file=pass", "--work-factor=1"
	releaseOK(t, "init-maker", "maker", "--name=plomb", "--root=1/1", pass, quick)
	releaseOK(t, "init-authority", "nmi", "--name=nmi", "--jurisdiction=NL", "--root=1/1", pass, quick)
	releaseOK(t, "init-deployer", "chain", "--name=chain", pass, quick)
	releaseOK(t, "parties", "parties.json", "--maker=maker/office.json", "--deployer=chain/office.json", "--authority=nmi/office.json", "--policy=log.policy", "--trust=trust.json")

	ctx, stop := context.WithCancel(t.Context())
	words, done := make(wordsOf, 16), make(chan int, 1)
	go func() {
		done <- run(ctx, []string{"release", "witness", "--listen=127.0.0.1:0", "--parties=parties.json", "--office=nmi", pass}, streams{strings.NewReader(""), words, words})
	}()
	url := regexp.MustCompile(`http://\S+`).FindString(<-words)
	maker := []string{"--office=maker", "--parties=parties.json", pass}
	step := func(args ...string) { t.Helper(); releaseOK(t, append(args, maker...)...) }
	step("build", "r1", "bin/till=till", "--identity=0PLMTIL01-20261122", "--counter=1", "--certificate=T1", "--jurisdiction=NL")
	step("attach", "test", "report", "r1")
	step("attach", "assessor", "report", "r1")
	step("register", "r1")
	releaseOK(t, "approve", "r1", "--office=nmi", "--parties=parties.json", pass)
	step("encrypt", "r1")
	releaseOK(t, "publish", "repo", "--office=nmi", pass)
	if _, code := plomb(t, strings.NewReader(""), "release", "publish", "repo", "r1", "--witness=nobody="+url, maker[0], maker[1], maker[2]); code != exitUsage {
		t.Errorf("a witness that the parties do not name: exit %d", code)
	}
	step("publish", "repo", "r1", "--witness=nmi="+url)
	notes, err := filepath.Glob("repo/notes/*")
	if err != nil || len(notes) != 1 {
		t.Fatal(notes, err)
	}
	releaseOK(t, "withdraw", filepath.Base(notes[0]), "--reason=rounding", "--action=block", "--repository=repo", "--parties=parties.json", "--witness=nmi="+url, "--office=maker", pass)
	if entries, err := os.ReadFile("repo/log/tile/entries/000.p/3"); err != nil || !strings.Contains(string(entries), "withdrawn plomb\n"+filepath.Base(notes[0])) {
		t.Errorf("the log has no withdrawal: %v: %q", err, entries)
	}
	if checkpoint, err := os.ReadFile("repo/log/checkpoint"); err != nil || !strings.Contains(string(checkpoint), "— nmi/witness ") {
		t.Errorf("%v: %s", err, checkpoint)
	}

	// a key of an authority is replaced, and every party signs what follows
	releaseOK(t, "rotate", "note", "note-1", "--office=nmi", pass)
	releaseOK(t, "parties", "new.json", "--follow=parties.json", "--maker=maker/office.json", "--deployer=chain/office.json", "--authority=nmi/office.json", "--old-keys", "--trust=trust2.json")
	for _, o := range []string{"maker", "nmi"} {
		releaseOK(t, "policy", "trust2.json", "--office="+o, pass)
		releaseOK(t, "publish", "repo", "--office="+o, pass)
	}
	if text, err := os.ReadFile("trust2.json"); err != nil || !strings.Contains(string(text), `"serial": 2`) || strings.Count(string(text), "nmi+") != 3 { // two in force, and the one that was replaced
		t.Errorf("%v: %s", err, text)
	}
	stop()
	if code := <-done; code != 0 {
		t.Errorf("the witness ended with %d", code)
	}
}
