package till

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/plomb-pos/plomb/staff"
)

func TestAPINIsKnownByItsHashOnly(t *testing.T) {
	p := newPins()
	stored, err := p.hash(t.Context(), "2580")
	if err != nil || !strings.HasPrefix(stored, "$argon2id$v=19$m=19456,t=2,p=1$") || strings.Contains(stored, "2580") {
		t.Fatalf("hash = %q, %v", stored, err)
	}
	for pin, want := range map[string]bool{"2580": true, "2581": false, "": false, "02580": false} {
		if ok, err := p.check(t.Context(), stored, pin); ok != want || err != nil {
			t.Errorf("check(%q) = %v, %v", pin, ok, err)
		}
	}
	if ok, err := p.check(t.Context(), "", "2580"); ok || err != nil {
		t.Errorf("nobody's PIN = %v, %v", ok, err)
	}
	for _, bad := range []string{"x", stored[:len(stored)-2], strings.Replace(stored, "m=19456", "m=8", 1)} {
		if ok, err := p.check(t.Context(), bad, "2580"); ok || err == nil {
			t.Errorf("check against %q = %v, %v", bad, ok, err)
		}
	}
}

func TestSimplePINsAreRefused(t *testing.T) {
	for _, pin := range []string{"", "1", "123", "1234", "4321", "0000", "aaaaaa", "56789", strings.Repeat("9172", 17), "12\n4"} {
		if checkPIN(pin) == nil {
			t.Errorf("%q is taken", pin)
		}
	}
	for _, pin := range []string{"2580", "1357", "1235", "correct horse"} {
		if err := checkPIN(pin); err != nil {
			t.Errorf("%q: %v", pin, err)
		}
	}
}

func TestGuessingGetsSlowerAndIsForgotten(t *testing.T) {
	l, now := newLockout(), time.Unix(1_800_000_000, 0)
	var waits []time.Duration
	for range 12 {
		now = now.Add(l.wait("2", now))
		l.wrong("2", now)
		waits = append(waits, l.wait("2", now))
	}
	want := []time.Duration{0, 0, 5, 10, 20, 40, 80, 160, 320, 640, 900, 900}
	for i := range want {
		if waits[i] != want[i]*time.Second {
			t.Errorf("after %d wrong PINs the wait is %v, want %v", i+1, waits[i], want[i]*time.Second)
		}
	}
	if l.wait("3", now) != 0 {
		t.Error("somebody else has to wait too")
	}
	if w := l.wait("2", now.Add(-24*time.Hour)); w > longestWait {
		t.Errorf("a clock put back locks for %v", w)
	}
	l.right("2")
	if l.wait("2", now) != 0 {
		t.Error("the right PIN did not end the wait")
	}
}

func TestRightPINsDoNotShutTheTill(t *testing.T) {
	l, now := newLockout(), time.Unix(1_800_000_000, 0)
	for range 3 * guessesInAll {
		if w := l.wait("2", now); w != 0 {
			t.Fatalf("after right PINs only the wait is %v", w)
		}
		l.wrong("2", now)
		l.takeBack("2", now)
	}
}

func TestStrangersDoNotShutOutWhoIsSignedIn(t *testing.T) {
	l, now := newLockout(), time.Unix(1_800_000_000, 0)
	for range guessesInAll {
		l.wrong("2", now)
	}
	for _, g := range []guesser{{by: "2", of: "2"}, {by: "2", of: "3"}} {
		if w := l.wait(g.key(), now); w != 0 {
			t.Errorf("%+v has to wait %v", g, w)
		}
	}
	for range guessesInAll {
		l.wrong(guesser{by: "2"}.key(), now)
	}
	if l.wait(guesser{by: "2", of: "3"}.key(), now) == 0 || l.wait(guesser{by: "3", of: "3"}.key(), now) != 0 {
		t.Error("thirty wrong PINs by one person in a minute have to stop this person and nobody else")
	}
	l.wrong(guesser{by: "4", of: "2"}.key(), now)
	l.forget("2")
	for key := range l.people {
		if guesserOf(key).of == "2" {
			t.Errorf("guesses under %q outlived the PIN", key)
		}
	}
}

func TestAWaitIsNeverLongerThanTheLongest(t *testing.T) {
	l, ahead := newLockout(), time.Unix(1_800_000_000, 0).AddDate(30, 0, 0)
	for range freeGuesses + 12 {
		l.wrong("2", ahead)
	}
	now := time.Unix(1_800_000_000, 0)
	l.cut(now) // as at a start
	if w := l.wait("2", now); w != longestWait {
		t.Errorf("wait = %v", w)
	}
	if w := l.wait("2", now.Add(longestWait)); w != 0 {
		t.Errorf("after the longest wait it is still %v", w)
	}
}

func TestSprayingOverManyPeopleIsSlowedToo(t *testing.T) {
	l, now := newLockout(), time.Unix(1_800_000_000, 0)
	for i := range guessesInAll {
		l.wrong(string(rune('A'+i)), now)
	}
	if l.wait("newcomer", now) == 0 {
		t.Error("thirty wrong PINs in a minute, and no pause")
	}
	if l.wait("newcomer", now.Add(guessWindow)) != 0 {
		t.Error("the pause does not end")
	}
}

// Requirement: POS-14
func TestTimesOfEntriesNeverGoBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		wall, up := time.Unix(1_800_000_000, 0), time.Duration(0)
		c := newClock(func() time.Time { return wall }, func() time.Duration { return up }, time.Unix(0, 0), wall)
		last := wall
		for range rapid.IntRange(1, 30).Draw(t, "looks") {
			passed := time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "passed"))
			jump := time.Duration(rapid.SampledFrom([]int64{0, 0, int64(time.Second), int64(time.Hour), -int64(time.Hour), -60 * 365 * 24 * int64(time.Hour)}).Draw(t, "jump"))
			wall, up = wall.Add(passed+jump), up+passed
			peeked := c.peek()
			r := c.look()
			if r.wall.Before(last) {
				t.Fatalf("time went from %v to %v", last, r.wall)
			}
			big := jump > clockBound+passed/clockDrift || jump < -clockBound-passed/clockDrift
			if (r.step != nil) != big || (peeked.step != nil) != big || big && !r.unsure {
				t.Fatalf("jump of %v in %v: step %v, unsure %v", jump, passed, r.step, r.unsure)
			}
			if wall.Before(last) && !r.unsure {
				t.Fatal("a clock behind the entries is trusted")
			}
			last = r.wall
			c.wrote(last)
		}
	})
}

func TestASlowWatcherIsCutOffAndHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s Stream
		slow, quick := s.Watch(), s.Watch()
		for range pendingNotices + 1 {
			s.changed()
			s.tell(Notice{})
			<-quick.Notices
		}
		n := 0
		for range slow.Notices {
			n++
		}
		if n != pendingNotices || s.watched() != 1 {
			t.Errorf("the slow one got %d notices, %d watch", n, s.watched())
		}
		<-quick.Changed
		select {
		case <-quick.Changed:
			t.Error("changes are not coalesced")
		default:
		}
		quick.Leave()
		quick.Leave()
		slow.Leave()
	})
}

func FuzzParseID(f *testing.F) {
	f.Add("0198c0de-0000-7000-8000-000000000000")
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		if id, err := parseID(text); err == nil && idText(id) != text {
			t.Errorf("%q was read as %q", text, idText(id))
		}
	})
}

func TestIDsOfTheTillItselfAreWellFormed(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	if _, err := parseID(idText(newID(now))); err != nil {
		t.Error(err)
	}
}

func TestNobodyThrowsSomebodyElseOutBySigningIn(t *testing.T) {
	all := sessions{}
	join := func(person string) (*session, error) {
		gone, err := all.room(staff.ID(person))
		if err != nil {
			return nil, err
		}
		if gone != nil {
			delete(all, gone.hash)
		}
		s := &session{hash: newToken().key(), person: staff.Person{ID: staff.ID(person)}, used: time.Duration(len(all))}
		all[s.hash] = s
		return gone, nil
	}
	for range 2 * maxSessions {
		if gone, err := join("2"); err != nil || gone != nil && gone.person.ID != "2" {
			t.Fatalf("gone %+v, %v", gone, err)
		}
	}
	if len(all) != sessionsEach {
		t.Errorf("one person has %d sessions", len(all))
	}
	for i := 10; len(all) < maxSessions; i++ {
		if gone, err := join(fmt.Sprint(i)); gone != nil || err != nil {
			t.Fatalf("gone %+v, %v", gone, err)
		}
	}
	if _, err := join("9"); toRefusal(err).Code != "too-many-sessions" {
		t.Errorf("one more: %v", err)
	}
	if gone, err := join("2"); err != nil || gone == nil || gone.person.ID != "2" {
		t.Errorf("at the limit nobody may change their own: %+v, %v", gone, err)
	}
}
