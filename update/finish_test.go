package update_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plomb-pos/plomb/internal/notify"
	"github.com/plomb-pos/plomb/internal/powercut"
	"github.com/plomb-pos/plomb/update"
	"github.com/plomb-pos/plomb/update/slot"
)

// tester fails the self-tests that it names, and those that it does not know.
type tester struct {
	known, bad []string
	ran        []string
}

func (s *tester) SelfTest(_ context.Context, name string) error {
	s.ran = append(s.ran, name)
	if slices.Contains(s.bad, name) || !slices.Contains(s.known, name) {
		return errors.New("it does not answer")
	}
	return nil
}

// Requirement: DL-07
func TestATrialIsReadyOnlyAfterItsSelfTests(t *testing.T) {
	name := filepath.Join(t.TempDir(), "notify")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	socket, err := notify.New(name)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		tests, bad, want string
	}{
		{"journal,devices", "", "READY=1\n"},
		{"", "", "READY=1\n"},
		{"journal,devices", "journal", "X_UNHEALTHY=self-test journal: it does not answer\n"},
		{"journal,fiscal", "", "X_UNHEALTHY=self-test fiscal: it does not answer\n"},
	} {
		s := &tester{known: []string{"journal", "devices"}, bad: []string{x.bad}}
		err := update.Finish(t.Context(), s, update.Tests(x.tests), socket)
		buf := make([]byte, 4096)
		n, rerr := c.Read(buf)
		if got := string(buf[:n]); rerr != nil || got != x.want || (err == nil) != (got == "READY=1\n") {
			t.Errorf("%+v: told %q, %v, %v", x, got, err, rerr)
		}
	}
}

// keeper is a journal of the launcher's lines.
type keeper struct {
	events []update.Event
	full   int // takes no more than this many events
}

func (k *keeper) Record(_ context.Context, e update.Event) error {
	if k.full > 0 && len(k.events) == k.full {
		return errors.New("the journal is full")
	}
	k.events = append(k.events, e)
	return nil
}

func (k *keeper) LastLine(context.Context) (uint64, time.Time, error) {
	for _, e := range slices.Backward(k.events) {
		if e.Line > 0 {
			return e.Line, e.Time, nil
		}
	}
	return 0, time.Time{}, nil
}

func (k *keeper) story() (out []string) {
	for _, e := range k.events {
		out = append(out, fmt.Sprintf("%s %s %d", e.Stage, e.Outcome, e.Line))
	}
	return out
}

// ring is a launcher's log, for tests.
type ring struct {
	t    *testing.T
	disk *powercut.Disk
	now  time.Time
}

func newRing(t *testing.T, now time.Time) *ring {
	r := &ring{t, powercut.New(), now}
	r.must(slot.CreateRing(r.disk, "/", "/ring"))
	return r
}

func (r *ring) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *ring) say(texts ...string) {
	r.t.Helper()
	for _, text := range texts {
		o, _, err := slot.OpenRing(r.disk, "/ring")
		r.must(err)
		r.now = r.now.Add(time.Second)
		r.must(o.Append(r.now, text))
	}
}

// Requirement: DL-09
func TestEachLineOfTheLauncherIsCopiedOnceWhateverHappens(t *testing.T) {
	r, k := newRing(t, opening), &keeper{}
	copyLines := func() error { return update.CopyLines(t.Context(), r.disk, "/ring", k) }
	r.must(copyLines())
	r.say("starting: slot a", "trial started: slot b", "trial failed: slot b (crash)")
	r.must(copyLines())
	r.must(copyLines())
	r.say("fell back: slot a (crash)", "blocked: slot a", "kept: slot b", "previous version started in place of a bad one: slot a")
	k.full = 5
	if copyLines() == nil {
		t.Error("a full journal is no error")
	}
	k.full = 0
	r.must(copyLines())
	want := []string{
		"launcher done 1", "trial begun 2", "trial failed 3", "fallen back done 4", "blocked done 5", "kept done 6", "fallen back done 7",
	}
	if diff := cmp.Diff(want, k.story()); diff != "" {
		t.Error(diff)
	}
	if e := k.events[1]; e.Detail != "trial started: slot b" || !e.Time.Equal(opening.Add(2*time.Second)) {
		t.Errorf("%+v", e)
	}
}

func TestLinesThatWereLostAreSaidToBe(t *testing.T) {
	r, k := newRing(t, opening), &keeper{}
	r.say("one", "two")
	r.must(update.CopyLines(t.Context(), r.disk, "/ring", k))
	for n := range slot.RingLines + 10 {
		r.say(fmt.Sprint("line ", n))
	}
	k.events = k.events[:2]
	r.must(update.CopyLines(t.Context(), r.disk, "/ring", k))
	if len(k.events) != 2+1+slot.RingLines || !strings.Contains(k.events[2].Detail, "10 lines") {
		t.Errorf("%d events, the gap is told as %+v", len(k.events), k.events[2])
	}

	anew := newRing(t, opening.Add(time.Hour))
	anew.say("table made", "starting: slot a")
	r.must(update.CopyLines(t.Context(), anew.disk, "/ring", k))
	got := k.story()[len(k.events)-3:]
	if diff := cmp.Diff([]string{"launcher failed 0", "launcher done 1", "launcher done 2"}, got); diff != "" {
		t.Error(diff)
	}
}
