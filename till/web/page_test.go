package web_test

import (
	"flag"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp/kb"
	"github.com/google/go-cmp/cmp"

	"github.com/plomb-pos/plomb/internal/browsertest"
	"github.com/plomb-pos/plomb/till/web"
)

var pictures = flag.String("pictures", "", "write screenshots into this folder")

func picture(t *testing.T, p *browsertest.Page, name string) {
	t.Helper()
	if *pictures != "" {
		p.Screenshot(filepath.Join(*pictures, name+".png"))
	}
}

var screens = []struct {
	name string
	size browsertest.Size
}{{"till", browsertest.Till}, {"tablet", browsertest.Tablet}, {"phone", browsertest.Phone}, {"small", browsertest.Size{Width: 360, Height: 640, Touch: true}}}

// fits fails when something is wider than the screen, or smaller than a finger.
func fits(t *testing.T, p *browsertest.Page, where string) {
	t.Helper()
	var wide, small []string
	p.Eval(`[...document.querySelectorAll('body *')].filter((e) => visible(e) && !e.closest('.groups, .paper, .raw, .keypad-input') && e.getBoundingClientRect().right > innerWidth + 1).map((e) => e.tagName + '.' + e.className)`, &wide)
	var scrolls []string
	p.Eval(`['.sell', '.view', '.page'].filter((c) => { const e = document.querySelector(c); return e && e.scrollWidth > e.clientWidth + 1 })`, &scrolls)
	if len(scrolls) > 0 {
		t.Errorf("%s: scrolls sideways: %v", where, scrolls)
	}
	var out []string
	p.Eval(`[...document.querySelectorAll('.ticket *')].filter((e) => visible(e) && e.getBoundingClientRect().right > e.closest('.ticket').getBoundingClientRect().right + 1).map((e) => e.tagName + '.' + e.className)`, &out)
	if len(out) > 0 {
		t.Errorf("%s: wider than the basket: %v", where, out)
	}
	if len(wide) > 0 {
		t.Errorf("%s: wider than the screen: %v", where, wide)
	}
	p.Eval(`[...top_().querySelectorAll('button, a, summary, select, input:not(.keypad-input):not(.scan input)')].filter((e) => visible(e) && e.getBoundingClientRect().height < 39.5).map(said)`, &small)
	if len(small) > 0 {
		t.Errorf("%s: smaller than a finger: %v", where, small)
	}
}

func TestTheSellViewFitsEveryScreen(t *testing.T) {
	state := shopState()
	state["basket"] = typical()
	s := show(t, state)
	p := browsertest.Open(t, s.URL, browsertest.Till)
	for _, screen := range screens {
		p.Resize(screen.size)
		p.See("Dinkelbrot")
		fits(t, p, screen.name)
		picture(t, p, "sell-"+screen.name)
		p.Dark(true)
		picture(t, p, "sell-"+screen.name+"-dark")
		p.Dark(false)
	}
	p.ClickTest("tab-basket")
	p.See("Süßrahmbutter")
	fits(t, p, "basket")
	picture(t, p, "basket-small")
	p.ClickTest("tab-pay")
	p.SeeTest("tender")
	fits(t, p, "tender")
	picture(t, p, "tender-small")
	p.Resize(browsertest.Till)
	picture(t, p, "tender-till")
}

func TestALongBasketWithLongNamesStaysUsable(t *testing.T) {
	state := shopState()
	var lines []object
	for i := 1; i <= 300; i++ {
		lines = append(lines, line(i, strings.Repeat("Außergewöhnlichlangerartikelname ", 3)+fmt.Sprint(i), 99000000, 1234567000000, 12222213300))
	}
	b := basket(lines...)
	b["total"], b["due"] = 1222221330000, 1222221330000
	state["basket"] = b
	s := show(t, state)
	p := browsertest.Open(t, s.URL, browsertest.Till)
	for _, screen := range screens[:2] {
		p.Resize(screen.size)
		p.See("12,222,213,300.00")
		fits(t, p, "long basket, "+screen.name)
		picture(t, p, "long-"+screen.name)
	}
	p.Press(kb.ArrowUp) // the last line
	p.Until(`byTest('line-300').getAttribute('aria-current') === 'true'`)
	picture(t, p, "long-chosen")
}

func TestAfterASaleTheChangeIsHugeAndTheNextTouchBeginsTheNextSale(t *testing.T) {
	state := shopState()
	state["basket"] = typical()
	s := show(t, state)
	s.reply = func(c command) (object, object) {
		if c.Do == "basket.tender" {
			s.set(object{"basket": nil, "lastReceipt": object{"index": 1203, "number": 18, "total": 1298, "change": 702, "code": "PLOMB1:AAAA", "printed": "yes"}})
			return object{"due": 0, "change": 702, "receipt": object{"index": 1203, "number": 18, "total": 1298, "change": 702, "code": "PLOMB1:AAAA", "printed": "yes"}}, nil
		}
		s.set(object{"basket": basket(line(1, "Brezel", 1000000, 990000, 99))})
		return object{"line": 1}, nil
	}
	p := browsertest.Open(t, s.URL, browsertest.Till)
	p.ClickTest("pay")
	p.ClickTest("quick-2000")
	if got := p.Text("change"); got != "€7.02" {
		t.Errorf("change = %q, want €7.02", got)
	}
	p.See("SUMME EUR")
	for _, screen := range screens {
		p.Resize(screen.size)
		fits(t, p, "finished, "+screen.name)
		picture(t, p, "finished-"+screen.name)
	}
	p.Resize(browsertest.Till)
	p.ClickTest("article-bakery-2")
	p.GoneTest("finished")
	want := []string{"basket.tender", "basket.add"}
	if diff := cmp.Diff(want, done(s)); diff != "" {
		t.Errorf("commands (-want +got):\n%s", diff)
	}
}

func done(s *shown) []string {
	var all []string
	for _, c := range s.sent() {
		all = append(all, c.Do)
	}
	return all
}

func TestTheScannerWorksWhereverTheFocusIs(t *testing.T) {
	state := shopState()
	state["basket"] = typical()
	s := show(t, state)
	p := browsertest.Open(t, s.URL, browsertest.Till)
	p.SeeTest("tiles")
	p.Scan("4001234567890") // nothing has the focus, or the scan field
	p.ClickTest("line-2")
	p.Scan("4001234567891") // a button has it
	p.ClickTest("pay")
	p.SeeTest("tender")
	p.Scan("4001234567892") // an amount is being asked for: the code must not become one
	p.Until(`document.querySelector('.keypad-input').value === ''`)
	p.Press(kb.Escape)
	p.ClickTest("seal")
	p.SeeTest("journal-search")
	p.ClickTest("journal-search")
	p.Scan("4001234567893") // a search field
	p.SeeTest("sell")
	p.Type("3*4711")
	p.Press(kb.Enter)
	s.wait(t, 5)
	var codes []string
	for _, c := range s.sent() {
		codes = append(codes, fmt.Sprintf("%s %v %v", c.Do, c.Args["code"], c.Args["quantity"]))
	}
	want := []string{"basket.scan 4001234567890 <nil>", "basket.scan 4001234567891 <nil>", "basket.scan 4001234567892 <nil>", "basket.scan 4001234567893 <nil>", "basket.scan 4711 3e+06"}
	if diff := cmp.Diff(want, codes); diff != "" {
		t.Errorf("commands (-want +got):\n%s", diff)
	}
}

func TestARefusalIsSaidInTheNodesWords(t *testing.T) {
	s := show(t, shopState())
	s.reply = func(command) (object, object) {
		return nil, object{"kind": "refused", "code": "unknown-article", "text": "No article has this code.", "hint": "Search for it by name."}
	}
	p := browsertest.Open(t, s.URL, browsertest.Till)
	p.Allow("422")
	p.SeeTest("tiles")
	p.Scan("4001234567890")
	p.See("No article has this code.")
	p.See("Search for it by name.")
	picture(t, p, "refusal")
}

// A second person approves: the same intention goes out anew, with an id of its own.
func TestAnApprovalIsAskedForAndSentUnderANewID(t *testing.T) {
	state := shopState()
	state["basket"] = typical()
	s := show(t, state)
	s.reply = func(c command) (object, object) {
		if len(s.sent()) == 1 {
			return nil, object{"kind": "approval", "code": "needs-approval", "text": "This discount needs an approval.", "hint": "", "roles": list{"supervisor"}}
		}
		return object{}, nil
	}
	p := browsertest.Open(t, s.URL, browsertest.Till)
	p.Allow("422")
	p.ClickTest("line-1")
	p.Until(`byTest('line-1').getAttribute('aria-current') === 'true'`)
	p.Press(kb.Delete)
	p.SeeTest("approval")
	picture(t, p, "approval")
	p.Click("2")
	p.ClickTest("approval-next")
	p.Click("4")
	p.ClickTest("approval-next")
	p.GoneTest("approval")
	sent := s.sent()
	if len(sent) != 2 || sent[0].ID == sent[1].ID || sent[0].Do != sent[1].Do {
		t.Errorf("commands = %+v, want the same twice under two ids", sent)
	}
}

func TestTheLockedPageHoldsNothingOfTheSale(t *testing.T) { // Requirement: POS-11
	state := shopState()
	state["basket"] = typical()
	s := show(t, state)
	p := browsertest.Open(t, s.URL, browsertest.Till)
	p.See("Süßrahmbutter")
	p.ClickTest("pay")
	p.SeeTest("tender")
	session := state["session"].(object)
	s.set(object{"basket": nil, "session": object{"person": session["person"], "locked": true, "may": object{}}})
	p.SeeTest("locked")
	var html string
	p.Eval(`document.documentElement.outerHTML`, &html)
	for _, secret := range []string{"Süßrahmbutter", "12.98", "Dinkelbrot"} {
		if strings.Contains(html, secret) {
			t.Errorf("the locked page still holds %q", secret)
		}
	}
	p.Press(kb.F8)
	p.Scan("4001234567890")
	if got := done(s); len(got) != 0 {
		t.Errorf("commands from the locked page: %v", got)
	}
	picture(t, p, "locked")
}

func TestTrainingIsUnmistakableOnEveryView(t *testing.T) { // Requirement: POS-19
	state := shopState()
	state["training"], state["basket"] = true, typical()
	s := show(t, state)
	p := browsertest.Open(t, s.URL, browsertest.Till)
	p.Allow("404")
	p.See("Süßrahmbutter")
	picture(t, p, "training-till")
	p.Resize(browsertest.Phone)
	picture(t, p, "training-phone")
	for _, view := range []string{"sell", "return", "receipts", "drawer", "reports", "journal", "people", "articles", "settings"} {
		p.Eval(`location.hash = '#/`+view+`'`, nil)
		p.SeeTest("training")
	}
}

func TestTroubleIsSaidWithWhatToDo(t *testing.T) {
	state := shopState()
	state["basket"] = typical()
	state["journal"].(object)["signer"] = "down"
	state["journal"].(object)["signed"] = 1180
	state["clock"].(object)["unsure"] = true
	state["devices"] = list{object{"name": "ReceiptPrinter", "kind": "printer", "state": "attention", "code": "paper-out", "text": ""}}
	s := show(t, state)
	p := browsertest.Open(t, s.URL, browsertest.Till)
	p.See("out of paper")
	p.See("put in a new roll")
	p.See("not signed at the moment")
	p.See("clock is not sure")
	for _, screen := range screens {
		p.Resize(screen.size)
		fits(t, p, "trouble, "+screen.name)
		picture(t, p, "trouble-"+screen.name)
	}
}

func TestEveryViewFitsEveryScreen(t *testing.T) {
	s := show(t, shopState())
	p := browsertest.Open(t, s.URL, browsertest.Till)
	p.Allow("404")
	views := []string{"return", "receipts", "receipts/18", "drawer", "reports", "journal", "journal/1203", "articles"}
	for _, screen := range screens {
		p.Resize(screen.size)
		for _, view := range views {
			p.Eval(`location.hash = '#/`+view+`'`, nil)
			p.Until(`!document.body.innerText.includes('One moment')`)
			fits(t, p, view+", "+screen.name)
			picture(t, p, strings.ReplaceAll(view, "/", "-")+"-"+screen.name)
		}
	}
}

func TestAnEntryIsProvenByAButton(t *testing.T) {
	s := show(t, shopState())
	p := browsertest.Open(t, s.URL+"/#/journal", browsertest.Till)
	p.ClickTest("entry-1203")
	p.ClickTest("prove")
	p.See("Proven: this entry is in the journal, unchanged")
	p.See("signed root of 1,204")
	picture(t, p, "proof-till")
	p.Resize(browsertest.Phone)
	fits(t, p, "proof, phone")
	picture(t, p, "proof-phone")
}

func TestLanguageAndThemeAreChosenOnTheScreen(t *testing.T) {
	state := shopState()
	state["basket"] = typical()
	s := show(t, state)
	p := browsertest.Open(t, s.URL, browsertest.Till)
	for _, x := range []struct{ language, words string }{{"de", "Bezahlen"}, {"pl", "Zapłata"}, {"zh", "付款"}} {
		p.ClickTest("menu")
		p.ClickTest("language-" + x.language)
		p.Until(`document.documentElement.lang === '` + x.language + `'`)
		picture(t, p, "menu-"+x.language)
		p.Press(kb.Escape)
		p.See(x.words)
		fits(t, p, x.language)
		picture(t, p, "sell-"+x.language)
	}
	p.ClickTest("menu")
	p.ClickTest("theme-dark")
	p.Until(`document.documentElement.dataset.theme === 'dark'`)
	p.Reload()
	p.See("付款")
	p.Until(`document.documentElement.dataset.theme === 'dark'`)
}

func TestAnybodyChecksAReceiptsCode(t *testing.T) {
	s := show(t, shopState())
	p := browsertest.Open(t, s.URL+"/check", browsertest.Phone)
	p.Fill("check-code", "PLOMB1:AAAA")
	p.ClickTest("check-send")
	p.See("The signature holds")
	fits(t, p, "check")
	picture(t, p, "check-phone")
}

func TestTheDoorFitsEveryScreen(t *testing.T) {
	s := show(t, shopState())
	s.set(object{"session": nil})
	p := browsertest.Open(t, s.URL, browsertest.Till)
	for _, setup := range []string{"done", "needed"} {
		s.set(object{"setup": setup})
		p.SeeTest(map[string]string{"done": "sign-in", "needed": "setup"}[setup])
		for _, screen := range screens {
			p.Resize(screen.size)
			fits(t, p, "door "+setup+", "+screen.name)
			picture(t, p, "door-"+setup+"-"+screen.name)
		}
	}
}

// The till comes back as another program, with another page: the old page notices
// and loads itself anew, once.
//
// Requirement: CU-15
func TestAPageOfAnOlderProgramLoadsItselfAnew(t *testing.T) {
	s := show(t, shopState())
	s.page = web.Digest()
	p := browsertest.Open(t, s.URL, browsertest.Till)
	p.Allow("ERR_")
	p.SeeTest("sell")
	p.Eval(`window.old = 'same'`, nil)
	s.serve(web.Digest()) // the till restarts with the same page
	p.SeeTest("unreachable")
	p.GoneTest("unreachable")
	p.Until(`window.old === 'same'`)
	s.serve("another")
	s.loaded(t, 2)
	p.SeeTest("stale")
	p.Eval(`window.old = 'new'`, nil)
	s.serve("another") // what is served is not what is said: once is enough
	p.SeeTest("unreachable")
	p.GoneTest("unreachable")
	p.Until(`window.old === 'new'`)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.loads > 2 {
		t.Error("the page loads itself again and again")
	}
}

func TestAnUnreachableNodeIsSaidAtOnceAndBlocksSelling(t *testing.T) {
	state := shopState()
	state["basket"] = typical()
	s := show(t, state)
	p := browsertest.Open(t, s.URL, browsertest.Till)
	p.Allow("ERR_")
	p.See("Süßrahmbutter")
	s.Listener.Close()
	s.CloseClientConnections()
	p.SeeTest("unreachable")
	p.Scan("4001234567890")
	p.Until(`document.querySelector('.page').inert`)
	picture(t, p, "unreachable")
	if got := done(s); len(got) != 0 {
		t.Errorf("commands sent to a node that is gone: %v", got)
	}
}

// The answer to a command is lost. The page repeats nothing by itself; the person
// decides, and then the same id goes out again. (Chromium itself sends a request
// once more when a kept connection breaks: also the same id.)
func TestALostAnswerIsAskedForOnceMoreOnlyWhenThePersonSaysSo(t *testing.T) {
	s, p := lost(t)
	before := len(s.sent())
	p.See("Take payment")
	picture(t, p, "lost")
	s.mu.Lock()
	s.reply = func(command) (object, object) {
		return object{"due": 0, "change": 0, "receipt": object{"index": 1203, "number": 18, "total": 1298, "change": 0, "code": "", "printed": "yes"}}, nil
	}
	s.state["basket"] = nil
	s.mu.Unlock()
	s.lose(false)
	p.ClickTest("lost-again")
	p.SeeTest("finished")
	p.GoneTest("lost")
	sent := s.sent()
	if len(sent) != before+1 {
		t.Errorf("%d commands after the answer, want %d", len(sent), before+1)
	}
	for _, c := range sent {
		if c.ID != sent[0].ID {
			t.Errorf("command %+v has an id of its own, want %s", c, sent[0].ID)
		}
	}
}

func TestALostAnswerCanBeLeft(t *testing.T) {
	s, p := lost(t)
	before := len(s.sent())
	s.lose(false)
	p.ClickTest("lost-leave")
	p.GoneTest("lost")
	p.ClickTest("line-1")
	p.Until(`byTest('line-1').getAttribute('aria-current') === 'true'`)
	p.Press(kb.Delete)
	s.wait(t, before+1)
	sent := s.sent()
	if last := sent[len(sent)-1]; len(sent) != before+1 || last.Do != "basket.remove" || last.ID == sent[0].ID {
		t.Errorf("commands = %+v, want one new one", sent)
	}
}

// lost is a page whose payment was not answered.
func lost(t *testing.T) (*shown, *browsertest.Page) {
	t.Helper()
	state := shopState()
	state["basket"] = typical()
	s := show(t, state)
	p := browsertest.Open(t, s.URL, browsertest.Till)
	p.Allow("ERR_")
	p.SeeTest("tiles")
	s.lose(true)
	p.ClickTest("cash-exact")
	p.SeeTest("lost")
	return s, p
}
