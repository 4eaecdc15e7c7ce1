package main_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
)

// demoStep is a line of plomb release demo --json.
type demoStep struct{ Step, By, What string }

// demo runs plomb release demo against a running till and agrees to what it announces,
// as the supervisor does.
func (r *running) demo(exe, dir string, flags ...string) (steps []demoStep) {
	r.t.Helper()
	cmd := exec.CommandContext(r.t.Context(), exe, append([]string{"release", "demo", "--dir", dir, "--json", "--patience", "4m"}, flags...)...)
	var words strings.Builder
	cmd.Stderr = &words
	out, err := cmd.StdoutPipe()
	if err != nil {
		r.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var s demoStep
		if err := json.Unmarshal(lines.Bytes(), &s); err != nil {
			r.t.Fatalf("plomb release demo said %q: %v", lines.Text(), err)
		}
		r.t.Logf("%s: %s: %s", s.By, s.Step, s.What)
		steps = append(steps, s)
		if s.By == "till" && s.Step == "certification" {
			r.agree()
		}
	}
	if err := cmd.Wait(); err != nil {
		r.t.Fatalf("plomb release demo: %v\n%s", err, words.String())
	}
	return steps
}

// software is what the till's state says of its software.
type software struct {
	Identity string
	Counter  uint64
	Slot     string
	Trial    bool
	Update   *struct{ Of, Identity, Digest, Consent, Waiting string }
	Last     *struct{ Of, Identity, From, Outcome string }
	Platform *struct{ Identity string }

	Stopped   string
	Withdrawn []struct{ By, Of string }
}

// until reads the till's events until what they say of its software is as wanted.
func (r *running) until(wanted func(software) bool) software {
	r.t.Helper()
	var last string
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); {
		resp, err := r.client.Get(strings.TrimSuffix(r.Till, "/") + "/api/events") // the client's timeout ends it
		if err != nil {
			continue // the till is being replaced
		}
		events := bufio.NewScanner(resp.Body)
		events.Buffer(nil, 1<<20)
		for events.Scan() {
			data, ok := strings.CutPrefix(events.Text(), "data: ")
			var state struct{ Software software }
			if !ok || json.Unmarshal([]byte(data), &state) != nil {
				continue
			}
			if wanted(state.Software) {
				resp.Body.Close()
				return state.Software
			}
			last = data
		}
		resp.Body.Close()
	}
	r.t.Fatalf("the till's software is not as wanted: %s", last)
	return software{}
}

// agree waits until the till announces an update, and agrees to it as the supervisor,
// who proves again who she is.
func (r *running) agree() {
	r.t.Helper()
	pin := map[string]any{"person": "3", "pin": "975310"}
	r.post("/api/sign-in", pin)
	s := r.until(func(s software) bool { return s.Update != nil && s.Update.Waiting == "consent" })
	if s.Update.Consent == "" {
		r.t.Error("the till does not say what is agreed to")
	}
	r.post("/api/command", map[string]any{"id": uuid.Must(uuid.NewV7()).String(), "do": "software-agree",
		"args": map[string]any{"digest": s.Update.Digest, "for": "install"}, "approval": pin})
}

// history is what the till shows of its software, the oldest first.
func (r *running) history() (stages []string) {
	r.t.Helper()
	resp, err := r.client.Get(strings.TrimSuffix(r.Till, "/") + "/api/software?limit=200")
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer struct {
		Entries []struct{ Kind, Stage, Outcome, Identity string }
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		r.t.Fatal(err)
	}
	for _, e := range slices.Backward(answer.Entries) {
		if e.Kind == "software-stage" {
			stages = append(stages, fmt.Sprintf("%.9s %s %s", e.Identity, e.Stage, e.Outcome))
		}
	}
	return stages
}

// The main job: the running till becomes version 2 of itself, and falls back to that
// from a version 3 which cannot start; every stage is in the journal, which is whole.
//
// Requirement: DL-01, DL-02, DL-07, DL-09
// Requirement: CU-11, CU-12
// Requirement: FM-09, FM-11
func TestARunningTillIsReplacedByItsNextVersionAndFallsBackFromABadOne(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the programs and updates a till twice")
	}
	exe, dir := sealedProgram(t), filepath.Join(t.TempDir(), "shop")
	r := up(t, exe, dir)
	r.setUp()
	r.signIn()
	r.do("drawer.open", map[string]any{"amount": 10000})
	r.sell(1)

	steps := r.demo(exe, dir, "--good")
	if last := steps[len(steps)-1]; !slices.ContainsFunc(steps, func(s demoStep) bool { return s.Step == "kept" }) {
		t.Fatalf("the demonstration ended with %+v", last)
	}
	r.signIn()
	if s := r.until(func(s software) bool { return !s.Trial }); s.Counter != 2 || s.Slot != "b" || !strings.HasPrefix(s.Identity, "0PLMDEM02") {
		t.Errorf("after the good version runs %+v", s)
	}
	r.sell(1)

	steps = r.demo(exe, dir, "--bad")
	if !slices.ContainsFunc(steps, func(s demoStep) bool { return s.Step == "fallen back" }) {
		t.Errorf("the bad version did not fall back: %+v", steps)
	}
	r.post("/api/sign-in", map[string]any{"person": "1", "pin": "246810"})
	s := r.until(func(s software) bool { return s.Last != nil && strings.HasPrefix(s.Last.Identity, "0PLMDEM03") })
	if s.Counter != 2 || s.Trial || s.Last.Outcome != "fallen-back" {
		t.Errorf("after the bad version runs %+v, the last update was %+v", s, s.Last)
	}
	r.checkHistory()
	r.signIn()
	r.sell(1)
	r.stop()
	verified(t, exe, dir)
}

func (r *running) checkHistory() {
	r.t.Helper()
	got := r.history()
	want := []string{}
	for _, stage := range []string{"announced", "downloaded", "transmission", "authenticity", "compatibility", "certification", "consent", "gate", "installed", "verified", "pointer"} {
		want = append(want, "0PLMDEM02 "+stage+" done", "0PLMDEM03 "+stage+" done")
	}
	for _, w := range want {
		if !slices.Contains(got, w) {
			r.t.Errorf("the journal does not say %q", w)
		}
	}
	for _, stage := range []string{"trial begun", "trial failed", "kept done", "fallen-back done"} {
		if !slices.ContainsFunc(got, func(s string) bool { return strings.HasSuffix(s, stage) }) {
			r.t.Errorf("the journal does not say %q", stage)
		}
	}
	if r.t.Failed() {
		r.t.Logf("it says:\n%s", strings.Join(got, "\n"))
	}
}

// verified runs the inspector's verifier under the till's policy.
func verified(t *testing.T, exe, dir string) {
	t.Helper()
	policy := filepath.Join(t.TempDir(), "policy")
	text, err := exec.CommandContext(t.Context(), exe, "policy", "show", "--dir", dir).Output()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(policy, text, 0o600); err != nil {
		t.Fatal(err)
	}
	verify := exec.CommandContext(t.Context(), "go", "run", "../plomb-verify", "--policy", policy, dir)
	if out, err := verify.CombinedOutput(); err != nil || !strings.Contains(string(out), "whole") {
		t.Errorf("plomb-verify: %v\n%s", err, out)
	}
}
