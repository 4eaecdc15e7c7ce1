package web_test

import (
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"
	"github.com/google/go-cmp/cmp"

	"github.com/plomb-pos/plomb/internal/browsertest"
	"github.com/plomb-pos/plomb/till/web"
)

// What a node says of its software, for the layouts. The stories against real
// processes are in software_story_test.go.

const (
	running  = "0PLMTIL13-20261103"
	coming   = "0PLMTIL14-20261122"
	released = "8c2f0d1e5a9b4c77"
)

func software(changes object) object {
	s := object{
		"identity": running, "version": "v1.3.0", "counter": 13, "slot": "a", "trial": false, "update": nil, "last": nil,
		"withdrawn": list{}, "freshness": object{"warn": "", "stopSelling": false}, "managed": true, "asked": nil, "stopped": "",
	}
	maps.Copy(s, changes)
	return s
}

func update(stage, waiting string, changes object) object {
	u := object{
		"identity": coming, "counter": 14, "digest": released, "legal": true, "stage": stage, "waiting": waiting, "detail": "",
		"consent": "Reduced rates of tax from 1 January 2027 are in it.\nThe receipt names the certificate.\nNothing changes in how a sale is rung up.",
		"bytes":   0, "total": 0, "deadline": time.Now().Add(9 * 24 * time.Hour).UTC().Format(time.RFC3339), "overdue": false, "urgent": false,
		"spend": 0, "mayDecide": true, "agreed": false,
	}
	maps.Copy(u, changes)
	return u
}

func withdrawal(blocks bool) object {
	return object{"by": "maker", "reason": "rounds the tax of returns wrongly", "deadline": "2026-11-24T18:00:00Z", "action": "block", "blocks": blocks}
}

// softwareState is a shop with software that may be decided about.
func softwareState(changes object) object {
	state := shopState()
	may := state["session"].(object)["may"].(object)
	for _, what := range []string{"software-check", "software-agree", "software-later", "software.view"} {
		may[what] = "yes"
	}
	state["basket"], state["software"] = typical(), software(changes)
	return state
}

// The announcement names what comes, whether it is legally relevant, until when, and
// what changes; it lies over nothing, and the person decides the moment.
//
// Requirement: DL-02, CU-02, CU-18
func TestAnUpdateIsAnnouncedWithoutCoveringTheSale(t *testing.T) {
	s := show(t, softwareState(object{"update": update("certification", "consent", nil)}))
	p := browsertest.Open(t, s.URL, browsertest.Till)
	p.See("New software is there: version 14.")
	sweep(t, p, "update-announced", "update-badge")
	p.ClickTest("article-bakery-2") // refused if anything lay over it
	s.wait(t, 1)
	p.ClickTest("put-update")
	p.GoneTest("banner-update")
	p.Reload()
	p.SeeTest("update-badge")
	p.GoneTest("banner-update") // put away on this screen
	p.ClickTest("update-badge")
	for _, words := range []string{"Version 14", coming, "22 Nov 2026", "Version 13", "Legally relevant", "Signed by the maker and by the approval authority", "To be installed by", "The receipt names the certificate"} {
		p.See(words)
	}
	sweep(t, p, "update-sheet")
	p.ClickTest("update-agree")
	s.wait(t, 2)
	want := command{Do: "software-agree", Args: object{"digest": released, "for": "install"}}
	got := s.sent()[1]
	got.ID = ""
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("command (-want +got):\n%s", diff)
	}
}

// Requirement: DL-02, CU-18
func TestAnUpdateIsPutOffButNotBeyondItsDeadline(t *testing.T) {
	soon := time.Now().Add(2 * time.Hour).UTC().Format(time.RFC3339)
	s := show(t, softwareState(object{"update": update("certification", "consent", object{"deadline": soon})}))
	p := browsertest.Open(t, s.URL, browsertest.Till)
	p.ClickTest("banner-look")
	p.ClickTest("update-later")
	p.SeeTest("later-hour")
	p.GoneTest("later-tomorrow") // after the deadline
	fits(t, p, "later")
	picture(t, p, "update-later")
	p.ClickTest("later-hour")
	p.See("You are asked again")
	p.GoneTest("update-sheet")
	c := s.sent()[0]
	until, err := time.Parse(time.RFC3339, fmt.Sprint(c.Args["until"]))
	if err != nil || c.Do != "software-later" || c.Args["for"] != "install" || time.Until(until) > time.Hour || time.Until(until) < 50*time.Minute {
		t.Errorf("command %+v, want to be asked again in an hour", c)
	}
	s.set(object{"software": software(object{"update": update("certification", "consent", object{"later": "2026-11-20T15:32:00Z"})})})
	p.GoneTest("banner-update") // until then
	p.ClickTest("update-badge")
	p.SeeTest("put-off")
	p.SeeTest("update-agree") // it can be agreed to before
	p.Press(kb.Escape)
	s.set(object{"software": software(object{"update": update("certification", "consent", object{"overdue": true, "urgent": true})})})
	p.See("It should have been installed by")
	p.GoneTest("put-update")
	p.ClickTest("banner-look")
	p.See("cannot be put off any more")
	p.GoneTest("update-later")
	picture(t, p, "update-overdue")
}

// Requirement: DL-02
func TestWhoMayNotDecideSeesTheUpdateAndSells(t *testing.T) {
	s := show(t, softwareState(object{"update": update("certification", "consent", object{"mayDecide": false})}))
	p := browsertest.Open(t, s.URL, browsertest.Till)
	p.See("Somebody with the right decides about it")
	p.ClickTest("update-badge")
	p.SeeTest("update-not-yours")
	p.SeeTest("consent-text")
	p.GoneTest("update-agree")
	p.GoneTest("update-later")
	p.Press(kb.Escape)
	p.GoneTest("update-sheet")
	if got := done(s); len(got) != 0 {
		t.Errorf("commands: %v", got)
	}
}

// Requirement: DL-02, DL-20
func TestTheSheetSaysWhatAnUpdateWaitsForAndWhatToDo(t *testing.T) {
	s := show(t, softwareState(object{"update": update("announced", "spend", object{"spend": 45_300_000})}))
	p := browsertest.Open(t, s.URL, browsertest.Till)
	p.See("It wants to fetch 45.3 MB")
	p.ClickTest("update-badge")
	p.See("May 45.3 MB be fetched?")
	picture(t, p, "update-spend")
	p.ClickTest("update-agree")
	s.wait(t, 1)
	if c := s.sent()[0]; c.Args["for"] != "spend" {
		t.Errorf("command %+v, want one for spend", c)
	}
	for _, x := range []struct{ stage, waiting, words string }{
		{"consent", "sale", "The sale is still open."}, {"consent", "day", "Make the Z report first"}, {"consent", "data", "when a second copy is complete"},
		{"consent", "authorisation", "Somebody with the right has to authorise it."}, {"announced", "clock", "The clock is in doubt."},
		{"consent", "other", "the stick was taken out"}, {"gate", "", "It is being installed beside what runs."},
	} {
		s.set(object{"software": software(object{"update": update(x.stage, x.waiting, object{"agreed": true, "detail": "the stick was taken out"})})})
		p.See(x.words)
	}
	s.set(object{"basket": nil, "suspended": list{object{"id": "s1", "label": "blue coat", "lines": 2, "total": 528, "at": "2026-11-20T14:20:00Z"}}, "software": software(object{"update": update("consent", "sale", object{"agreed": true})})})
	p.See("Sales that are put aside are still open: 1.")
	p.ClickTest("waits-parked-open")
	p.See("blue coat")
	p.Press(kb.Escape)
	p.ClickTest("update-badge")
	s.set(object{"software": software(object{"update": update("consent", "day", object{"agreed": true})})})
	p.SeeTest("waits-day")
	fits(t, p, "waits for the day")
	picture(t, p, "update-waits-day")
	p.ClickTest("waits-go-reports")
	p.SeeTest("report-z")
	p.Allow("404")
	p.See("The day is not closed.") // and in a line above the view
}

// Requirement: DL-02, CU-07
func TestADownloadShowsHowFarItIs(t *testing.T) {
	at := func(bytes int) object {
		return object{"software": software(object{"update": update("announced", "", object{"bytes": bytes, "total": 40_000_000, "agreed": true})})}
	}
	state := softwareState(nil)
	maps.Copy(state, at(10_000_000))
	s := show(t, state)
	p := browsertest.Open(t, s.URL, browsertest.Till)
	p.Until(`byTest('update-badge')?.innerText === '25%'`)
	p.ClickTest("update-badge")
	p.See("10 MB of 40 MB")
	p.SeeTest("station-fetched")
	p.Until(`(window.pause ??= performance.now() + 1600) < performance.now()`) // a speed needs a while
	s.set(at(20_000_000))
	p.See("left")
	picture(t, p, "update-fetching")
	p.Until(`document.querySelector('progress').value === 20000000`)
}

// The page knows why the till is away: an update was activated. It covers the page,
// and goes on by itself.
//
// Requirement: DL-02, CU-15
func TestARestartIntoNewSoftwareIsSaidAsWhatItIs(t *testing.T) {
	s := show(t, softwareState(object{"update": update("pointer", "", object{"agreed": true})}))
	s.have(web.Digest())
	p := browsertest.Open(t, s.URL, browsertest.Till)
	p.Allow("ERR_")
	p.Allow("503")
	p.See("The till starts again with version 14 in a moment.")
	s.restart(true)
	p.SeeTest("restarting")
	p.See("The till starts again with version 14")
	p.See("The basket is kept")
	p.GoneTest("unreachable")
	p.SeeTest("station-restarted")
	sweep(t, p, "restarting")
	s.set(object{"software": software(object{"identity": coming, "counter": 14, "slot": "b", "last": outcome("kept", "")})})
	s.restart(false)
	p.GoneTest("restarting")
	p.See("Version 14 is installed.")
	p.See("Süßrahmbutter")
	picture(t, p, "outcome-kept")
	p.ClickTest("put-outcome")
	p.GoneTest("banner-outcome")
	p.Reload()
	p.See("Süßrahmbutter")
	p.GoneTest("banner-outcome")
}

// Where nobody is signed in the page knows less, and says what it knows.
//
// Requirement: DL-02, CU-15
func TestTheDoorKnowsARestartToo(t *testing.T) {
	s := show(t, softwareState(object{"identity": "", "version": "", "slot": "", "managed": false, "stopped": "software-changing"}))
	s.set(object{"session": nil})
	p := browsertest.Open(t, s.URL, browsertest.Phone)
	p.Allow("ERR_")
	p.SeeTest("sign-in")
	s.restart(true)
	p.SeeTest("restarting")
	p.See("The till starts again with new software")
	fits(t, p, "restarting, nobody signed in")
	picture(t, p, "restarting-door")
	s.set(object{"software": software(nil)})
	s.restart(false)
	p.SeeTest("sign-in")
	p.GoneTest("restarting")
}

func outcome(how, why string) object {
	return object{"identity": coming, "from": running, "outcome": how, "time": "2026-11-20T14:30:00Z", "detail": why}
}

// Requirement: DL-02, DL-07
func TestEveryOutcomeIsSaidWithWhatToDo(t *testing.T) {
	s := show(t, softwareState(object{"last": outcome("fallen-back", "fell back: slot b "+running+" (crash)")}))
	p := browsertest.Open(t, s.URL, browsertest.Till)
	p.See("Version 14 did not work.")
	p.See("runs version 13")
	p.See("It ended by itself, each time it was started.")
	picture(t, p, "outcome-fallen-back")
	for how, words := range map[string]string{"rejected": "Version 14 was refused.", "blocked": "The till was blocked after version 14.", "kept": "Version 14 is installed."} {
		s.set(object{"software": software(object{"last": outcome(how, "")})})
		p.See(words)
	}
	old := outcome("kept", "")
	old["time"] = "2026-10-20T14:30:00Z"
	s.set(object{"software": software(object{"last": old})})
	p.GoneTest("banner-outcome") // no news
}

// Requirement: DL-06, CU-06
func TestStoppedSellingIsUnmistakableAndSaysWhatToDo(t *testing.T) {
	state := softwareState(object{"withdrawn": list{withdrawal(false)}})
	s := show(t, state)
	p := browsertest.Open(t, s.URL, browsertest.Till)
	p.See("The maker has withdrawn this software: rounds the tax of returns wrongly.")
	p.See("Selling stops at")
	picture(t, p, "withdrawn-warns")
	s.set(object{"software": software(object{"withdrawn": list{withdrawal(true)}, "stopped": "software-blocked"})})
	p.SeeTest("banner-stopped")
	p.SeeTest("pay") // the open sale is finished
	p.GoneTest("stopped")
	p.SeeTest("tiles")
	s.set(object{"basket": nil})
	p.SeeTest("stopped")
	p.GoneTest("tiles")
	sweep(t, p, "stopped", "stopped")
	s.set(object{"training": true})
	p.SeeTest("tiles") // practice goes on
	s.set(object{"training": false})
	p.ClickTest("software-check")
	s.wait(t, 1)
	s.set(object{"software": software(object{"withdrawn": list{withdrawal(true)}, "stopped": "software-blocked", "asked": object{"time": "2026-11-20T14:32:00Z", "running": false, "outcome": "failed", "detail": "no route to host"}})})
	p.See("No answer could be had.")
	p.See("no route to host")
	s.set(object{"software": software(object{"freshness": object{"warn": "what is known of releases ran out on 2026-11-19 10:00:00", "stopSelling": true}, "stopped": "software-stale", "update": update("certification", "consent", nil)})})
	p.See("has not heard for too long")
	p.See("What it knows ran out on 19 Nov 2026")
	p.ClickTest("stopped-update")
	p.SeeTest("update-agree")
	p.Press(kb.Escape)
	s.set(object{"software": software(object{"freshness": object{"warn": "what is known of releases runs out on 2026-11-22 10:00:00", "stopSelling": false}})})
	p.SeeTest("tiles")
	p.SeeTest("banner-stale")
	p.See("Connect the till to the network")
}

func softwareAnswer() object {
	var rows list
	add := func(kind, identity string, more object) {
		r := object{"index": 1203 - len(rows), "time": "2026-11-20T14:30:00Z", "kind": kind, "identity": identity, "counter": 14}
		maps.Copy(r, more)
		rows = append(rows, r)
	}
	stage := func(identity, stage, outcome, detail string) {
		add("software-stage", identity, object{"stage": stage, "outcome": outcome, "detail": detail})
	}
	start := func(identity, slot string, more object) {
		r := object{"slot": slot, "version": "v1.3.0", "digest": identity, "certificate": "DE-26-M-0001", "signers": list{"maker", "ptb"}, "approved": "0PLMTIL10-20260901"}
		maps.Copy(r, more)
		add("software-start", identity, r)
	}
	stage(coming, "gate", "waiting", "a sale is open")
	stage(coming, "consent", "done", "")
	add("software-consent", coming, object{"agreed": true, "for": "install", "who": "Piotr Nowak (3)", "text": "Reduced rates of tax from 1 January 2027 are in it."})
	for _, name := range []string{"certification", "compatibility", "authenticity", "transmission"} {
		stage(coming, name, "done", "")
	}
	stage(coming, "downloaded", "done", "1843200 bytes as differences, 40960 as whole frames")
	stage(coming, "downloaded", "failed", "https://updates.example/plomb: the source is too slow")
	stage(coming, "announced", "done", "to be installed before 2026-12-04 10:00:00")
	add("software-stage", "", object{"stage": "asked", "outcome": "done", "who": "Piotr Nowak (3)"})
	start(running, "a", object{"time": "2026-11-19T06:00:00Z"})
	stage("0PLMTIL12-20261020", "fallen-back", "done", "self-test devices: no answer in 30s")
	start("0PLMTIL12-20261020", "b", object{"trial": true})
	start(running, "a", object{"time": "2026-11-03T21:04:00Z"})
	stage("0PLMTIL11-20261001", "authenticity", "rejected", "software rejected: signed by maker alone")
	return object{"entries": rows, "more": false}
}

// Requirement: DL-02, DL-09, FM-11
// Requirement: DL-17
func TestTheSoftwarePageShowsWhatRunsAndProvesItsHistory(t *testing.T) {
	s := show(t, softwareState(object{"update": update("consent", "sale", object{"agreed": true}), "last": object{"identity": running, "from": "0PLMTIL11-20261001", "outcome": "kept", "time": "2026-11-03T21:04:00Z", "detail": ""}}))
	s.answer("software", softwareAnswer())
	p := browsertest.Open(t, s.URL+"/#/software", browsertest.Till)
	for _, words := range []string{running, "Security counter", "DE-26-M-0001", "Legally relevant part of", "0PLMTIL10-20260901", "The maker, ptb", "Yes: released, and not withdrawn", "ran before, kept for going back", "Piotr Nowak", "Agreed to the installation", "Started for trial from slot B", "Went back", "refused"} {
		p.See(words)
	}
	sweep(t, p, "software")
	p.Eval(`document.querySelector('.view').scrollTo(0, 560)`, nil)
	picture(t, p, "software-below")
	p.ClickTest("software-prove-1203")
	p.See("Proven: this entry is in the journal, unchanged")
	p.ClickTest("software-check")
	s.wait(t, 1)
	if got := done(s); got[0] != "software-check" {
		t.Errorf("commands: %v", got)
	}
	p.ClickTest("software-look")
	p.SeeTest("waits-sale")
	p.Press(kb.Escape)
	s.set(object{"software": software(object{"withdrawn": list{withdrawal(true)}, "stopped": "software-blocked"})})
	p.SeeTest("released-bad")
	picture(t, p, "software-withdrawn")
	s.set(object{"software": software(object{"identity": "", "slot": "", "counter": 0, "managed": false})})
	p.See("This program was not started by the launcher")
	fits(t, p, "unmanaged")
	picture(t, p, "software-unmanaged")
}

// Requirement: DL-02
func TestTheUpdateSpeaksEveryLanguageAndFits(t *testing.T) {
	s := show(t, softwareState(object{"update": update("certification", "consent", object{"urgent": true})}))
	s.answer("software", softwareAnswer())
	p := browsertest.Open(t, s.URL, browsertest.Phone)
	for _, language := range []string{"de", "pl", "zh"} {
		p.ClickTest("menu")
		p.ClickTest("language-" + language)
		p.Until(`document.documentElement.lang === '` + language + `'`)
		p.Press(kb.Escape)
		fits(t, p, "announced in "+language)
		p.ClickTest("update-badge")
		p.SeeTest("update-sheet")
		fits(t, p, "sheet in "+language)
		picture(t, p, "update-sheet-phone-"+language)
		p.Press(kb.Escape)
		p.Eval(`location.hash = '#/software'`, nil)
		p.SeeTest("software-history")
		fits(t, p, "software in "+language)
		p.Resize(browsertest.Till)
		picture(t, p, "software-"+language)
		p.Resize(browsertest.Phone)
		p.Eval(`location.hash = '#/sell'`, nil)
	}
}

// A page that stays the older one sends nothing, and says why.
//
// Requirement: CU-15
func TestAStalePageSendsNothing(t *testing.T) {
	s := show(t, softwareState(nil))
	s.have(web.Digest())
	p := browsertest.Open(t, s.URL, browsertest.Till)
	p.Allow("ERR_")
	p.SeeTest("tiles")
	s.serve("another")
	s.loaded(t, 2)
	p.SeeTest("stale") // it loaded itself anew once, and is the same
	p.Scan("4001234567890")
	p.Until(`document.querySelector('.page').inert`)
	picture(t, p, "stale")
	if got := done(s); len(got) != 0 {
		t.Errorf("commands of a stale page: %v", got)
	}
	s.have(web.Digest())
	p.ClickTest("stale-load")
	s.loaded(t, 3)
	p.GoneTest("stale")
	p.ClickTest("article-bakery-2")
	s.wait(t, 1)
}

// A command whose answer is missing outlives the page: the next page asks the person
// about it, under the same id.
//
// Requirement: CU-15
func TestALostCommandOutlivesTheStalePage(t *testing.T) {
	s := show(t, softwareState(nil))
	s.have(web.Digest())
	p := browsertest.Open(t, s.URL, browsertest.Till)
	p.Allow("ERR_")
	p.SeeTest("tiles")
	s.lose(true)
	p.ClickTest("cash-exact")
	p.SeeTest("lost")
	id := s.sent()[0].ID
	s.lose(false)
	s.serve("another")
	s.loaded(t, 2)
	p.SeeTest("stale")
	s.have(web.Digest())
	p.ClickTest("stale-load")
	s.loaded(t, 3)
	p.SeeTest("lost")
	before := len(s.sent())
	p.ClickTest("lost-again")
	p.GoneTest("lost")
	if sent := s.sent(); len(sent) != before+1 || sent[before].ID != id {
		t.Errorf("commands %+v, want %s once more", sent, id)
	}
}
