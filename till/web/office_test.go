package web_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"

	"github.com/plomb-pos/plomb/internal/browsertest"
)

// sweep takes pictures of what is shown, at every screen size, light and dark; shown has
// to be seen at each.
func sweep(t *testing.T, p *browsertest.Page, name string, shown ...string) {
	t.Helper()
	for _, screen := range screens {
		p.Resize(screen.size)
		for _, id := range shown {
			p.SeeTest(id)
		}
		fits(t, p, name+" "+screen.name)
		picture(t, p, name+"-"+screen.name)
		p.Dark(true)
		picture(t, p, name+"-"+screen.name+"-dark")
		p.Dark(false)
	}
	p.Resize(browsertest.Till)
}

func TestStoryAReceiptIsVoided(t *testing.T) {
	s := open(t)
	s.furnish(t)
	p := s.enter(t, browsertest.Till, "3")
	p.Allow("403")
	beginDrawer(p)
	sellExactly(p)
	p.Eval(`location.hash = '#/receipts/1'`, nil)
	p.ClickTest("void")
	p.SeeTest("void-dialog")
	p.Click("Mistake")
	picture(t, p, "story-void")
	p.ClickTest("void-take")
	typePIN(p)
	p.GoneTest("void-dialog")
	p.See("voided")
	p.SeeTest("receipt-2")
	p.ClickTest("receipt-2")
	p.See("VOID")
	sweep(t, p, "receipts")
}

// An approval stands over the dialog that asked for it; keys have to reach it.
func TestStoryASecondPersonApprovesByKeyboard(t *testing.T) {
	s := open(t)
	s.furnish(t)
	p := s.enter(t, browsertest.Till, "2")
	p.Allow("403")
	p.ClickTest("article-BRD-01")
	p.SeeTest("line-1")
	p.Press(kb.F4)
	p.SeeTest("discount")
	p.Type("50")
	p.Press(kb.Enter)
	p.SeeTest("approval")
	p.Type("3")
	p.Press(kb.Enter)
	p.See("Your PIN")
	p.Type(pin)
	p.Press(kb.Enter)
	p.GoneTest("approval")
	p.GoneTest("discount")
	p.Until(`byTest("sums").innerText.includes("1.7")`)
}

// A pro forma bill is printed, the day is closed, and the till ends.
func TestStoryATillIsTakenOutOfService(t *testing.T) {
	s := open(t)
	s.post(t, "/api/setup", object{
		"code": s.Setup, "shop": object{"name": "Kornblume", "country": "DE"}, "administrator": object{"id": "1", "name": "Ada Wolff", "pin": pin},
		"people": list{object{"id": "3", "name": "Piotr Nowak", "role": "supervisor", "pin": pin}, object{"id": "7", "name": "Rita Roth", "role": "responsible", "pin": pin}},
	})
	p := s.enter(t, browsertest.Till, "3")
	p.Allow("403")
	p.Allow("422")
	p.ClickTest("article-BRD-01")
	p.SeeTest("line-1")
	p.ClickTest("menu")
	p.ClickTest("pro-forma")
	p.See("It is no receipt.")
	p.ClickTest("pay")
	p.ClickTest("tender-card")
	p.ClickTest("exact")
	p.SeeTest("finished")
	p.Eval(`location.hash = '#/reports'`, nil)
	p.ClickTest("report-z")
	p.ClickTest("z-take")
	typePIN(p)
	p.See("PRO FORMA BILL 1")
	p.ClickTest("menu")
	p.ClickTest("sign-out")
	p = s.enter(t, browsertest.Till, "1")
	p.Allow("403")
	p.Eval(`location.hash = '#/settings'`, nil)
	p.ClickTest("end-begin")
	p.Fill("end-reason", "the shop closes")
	p.Fill("end-keeper", "Kornblume GmbH, Marktplatz 4")
	p.ClickTest("end-take")
	p.SeeTest("approval")
	p.Type("7")
	p.Press(kb.Enter)
	p.See("Your PIN")
	p.Type(pin)
	p.Press(kb.Enter)
	p.SeeTest("ended")
	sweep(t, p, "ended")
	p = s.enter(t, browsertest.Till, "3")
	p.SeeTest("ended")
	p.Allow("422")
	p.ClickTest("article-BRD-01")
	p.See("This till was taken out of service.")
}

func TestStoryPeopleComeAndChange(t *testing.T) {
	s := open(t)
	s.furnish(t)
	p := s.enter(t, browsertest.Till, "1")
	p.Allow("403")
	p.Allow("401")
	p.Eval(`location.hash = '#/people'`, nil)
	p.ClickTest("people-add")
	p.SeeTest("person")
	p.Fill("id", "9")
	p.Fill("name", "Zoe Lindt")
	p.Fill("pin", "7193")
	picture(t, p, "story-person")
	p.Click("Save")
	typePIN(p)
	p.GoneTest("person")
	p.See("Zoe Lindt")
	s.post(t, "/api/sign-in", object{"person": "9", "pin": "7193"})

	p.Click("9 Zoe Lindt cashier")
	p.SeeTest("person")
	p.Choose("role", "supervisor")
	p.Fill("pin", "9642")
	p.Click("Save")
	typePIN(p) // for the role
	typePIN(p) // for the PIN
	p.GoneTest("person")
	p.Until(`byTest("people").innerText.replace(/\s+/g, " ").includes("9 Zoe Lindt supervisor")`)
	s.post(t, "/api/sign-in", object{"person": "9", "pin": "9642"})

	p.Click("9 Zoe Lindt supervisor")
	p.Choose("active", "false")
	p.Click("Save")
	typePIN(p)
	p.GoneTest("person")
	p.See("inactive")
	sweep(t, p, "people")
}

// Requirement: POS-03
func TestStoryTheShopMakesARoleOfItsOwn(t *testing.T) {
	s := open(t)
	s.furnish(t)
	p := s.enter(t, browsertest.Till, "1")
	p.Allow("403")
	p.Eval(`location.hash = '#/people'`, nil)
	p.ClickTest("role-operator")
	p.Until(`byTest("rights").querySelector(".yes").innerText.includes("Put a sale aside")`)
	p.ClickTest("role-add")
	p.Fill("role-name", "helper")
	p.ClickTest("right-suspend")
	picture(t, p, "story-role")
	p.Click("Save")
	typePIN(p)
	p.GoneTest("role")
	p.ClickTest("role-helper")
	p.Until(`byTest("rights").querySelector(".no").innerText.includes("Put a sale aside")`)
	sweep(t, p, "people")
	p.Click("2 Jana Weber cashier")
	p.Choose("role", "helper")
	p.Click("Save")
	typePIN(p)
	p.GoneTest("person")
	p = s.enter(t, browsertest.Till, "2")
	p.Allow("403")
	p.ClickTest("article-BRD-01")
	p.SeeTest("line-1")
	p.Press(kb.F6)
	p.ClickTest("suspend-take")
	p.See("You may not do that.")
}

func TestStoryTheTaxRatesChange(t *testing.T) {
	s := open(t)
	s.post(t, "/api/setup", object{
		"code": s.Setup, "shop": object{"name": "Kornblume", "country": "DE"}, "administrator": object{"id": "1", "name": "Ada Wolff", "pin": pin},
		"people": list{object{"id": "4", "name": "Maria Lindt", "role": "financialManager", "pin": pin}},
	})
	p := s.enter(t, browsertest.Till, "1")
	p.Allow("403")
	p.Eval(`location.hash = '#/settings'`, nil)
	p.SeeTest("tax")
	p.Fill("tax-reduced", "9,5")
	sweep(t, p, "settings")
	p.ClickTest("tax-take")
	p.SeeTest("approval")
	p.Click("4")
	p.ClickTest("approval-next")
	typePIN(p)
	p.See("Coming changes")
	p.See("9.5 %")
	p.See("The shop's own rates")
	p.Click("Take the country's rates")
	p.SeeTest("approval")
	p.Click("4")
	p.ClickTest("approval-next")
	typePIN(p)
	p.See("The rates of the country")
}

func TestStorySettingsChangeAndTheScreenLocksItself(t *testing.T) {
	s := open(t)
	s.furnish(t)
	p := s.enter(t, browsertest.Till, "1")
	p.Allow("403")
	p.Eval(`location.hash = '#/settings'`, nil)
	p.SeeTest("settings")
	p.Fill("name", "Kornblume am Markt")
	p.Fill("currencies", "CHF 1.05")
	p.Fill("lockAfterSeconds", "15")
	sweep(t, p, "settings")
	p.Click("Save")
	typePIN(p)
	p.See("Saved.")
	changed := time.Now()
	for range 8 { // nobody touches it
		var locked bool
		if p.Eval(`!!byTest('locked')`, &locked); locked {
			break
		}
		p.Eval(`new Promise((done) => setTimeout(() => done(true), 2500)), 0`, nil)
		p.Until(`(window.pause ??= Date.now() + 2500) < Date.now() && (window.pause = null, true)`)
	}
	p.SeeTest("locked")
	if took := time.Since(changed); took < 14*time.Second {
		t.Errorf("locked after %v, want 15 seconds", took)
	}
	p.Gone("Kornblume am Markt")
	picture(t, p, "story-locked")
	for _, digit := range pin {
		p.Click(string(digit))
	}
	p.Click("Unlock")
	p.SeeTest("settings")
}

func TestStoryArticlesAreTakenFromAFile(t *testing.T) {
	s := open(t)
	s.furnish(t)
	p := s.enter(t, browsertest.Till, "1")
	p.Eval(`location.hash = '#/articles'`, nil)
	p.SeeTest("articles-import")
	give := func(csv string) {
		text, err := json.Marshal(csv)
		if err != nil {
			t.Fatal(err)
		}
		p.Eval(fmt.Sprintf(`(() => {
			const input = document.querySelector('input[type=file]'), files = new DataTransfer();
			files.items.add(new File([%s], 'articles.csv', { type: 'text/csv' }));
			input.files = files.files;
			input.dispatchEvent(new Event('change', { bubbles: true }));
		})()`, text), nil)
	}
	const head = "sku,name,price,tax_class,unit\n"
	give(head + "OWN-1,Walnut bread,4.2x,reduced,piece\n")
	p.See("Problems: 1")
	give(head + "OWN-1,Walnut bread,4.20,reduced,piece\nOWN-2,Oat milk,1.95,standard,piece\n")
	p.Gone("Problems: 1")
	p.Until(`byTest("articles-import").innerText.includes("Oat milk OWN-2 · new")`)
	sweep(t, p, "import")
	p.Click("Take these changes")
	p.See("The articles are in use now.")
	p.Eval(`location.hash = '#/sell'`, nil)
	p.SeeTest("article-OWN-1")
}

// One sale is paid by a voucher and foreign cash, another by card with a tip, in a
// shop whose smallest coin is five centimes.
func TestStoryVouchersForeignCashTipsAndRounding(t *testing.T) {
	s := open(t)
	s.post(t, "/api/setup", object{
		"code":          s.Setup,
		"shop":          object{"name": "Edelweiss", "address": list{"Gasse 1"}, "country": "CH", "currency": "CHF", "language": "en", "currencies": list{object{"code": "EUR", "rate": "0.95"}}},
		"administrator": object{"id": "1", "name": "Ada", "pin": pin},
		"people":        list{object{"id": "3", "name": "Piotr", "role": "supervisor", "pin": pin}},
	})
	p := s.enter(t, browsertest.Till, "3")
	beginDrawer(p)
	p.ClickTest("article-BRD-01") // 3.49
	p.SeeTest("line-1")
	p.ClickTest("pay")
	p.ClickTest("tender-voucher")
	p.Click("2")
	p.Click("00")
	p.ClickTest("take")
	p.SeeTest("taken")
	p.Until(`byTest('due').innerText.includes('1.49')`)
	p.ClickTest("tender-cash")
	p.Until(`byTest('due').innerText.includes('1.50')`) // the smallest coin is 5
	sweep(t, p, "tender")
	p.Click("EUR")
	p.Click("5")
	p.Click("00")
	p.ClickTest("take") // 5 EUR are 4.75
	p.SeeTest("finished")
	p.Until(`byTest('change').innerText.includes('3.25')`)
	p.SeeTest("paper")
	p.See("EUR")
	sweep(t, p, "finished")
	p.ClickTest("new-sale")

	p.ClickTest("article-BRD-03")
	p.SeeTest("line-1")
	p.ClickTest("pay")
	p.ClickTest("tender-card")
	p.Click("5")
	p.Click("0")
	p.ClickTest("tip")
	p.See("Tip CHF")
	p.ClickTest("exact")
	p.SeeTest("finished")
	p.SeeTest("paper")
	p.See("Tip")
}

func TestStoryTheMonthIsAddedUp(t *testing.T) {
	s := open(t)
	s.post(t, "/api/setup", object{
		"code":          s.Setup,
		"shop":          object{"name": "Kornblume", "address": list{"Marktplatz 4", "79098 Freiburg"}, "taxNumber": "DE123456789", "country": "DE", "currency": "EUR", "language": "en"},
		"administrator": object{"id": "1", "name": "Ada Wolff", "pin": pin},
		"people":        list{object{"id": "3", "name": "Piotr Nowak", "role": "supervisor", "pin": pin}, object{"id": "4", "name": "Mina Roth", "role": "financial-manager", "pin": pin}},
	})
	p := s.enter(t, browsertest.Till, "3")
	p.Allow("403")
	beginDrawer(p)
	sellExactly(p)
	p.Eval(`location.hash = '#/drawer'`, nil)
	p.ClickTest("drawer.close")
	p.Fill("pieces-5000", "3")
	p.ClickTest("count-take")
	p.See("The drawer session is closed")

	q := browsertest.Open(t, s.Till, browsertest.Till)
	q.Allow("404")
	q.Allow("403")
	enterPIN(q, "4")
	q.Eval(`location.hash = '#/reports'`, nil)
	q.ClickTest("period-month")
	q.See("There is no such report")
	q.ClickTest("report-z")
	q.ClickTest("z-take")
	typePIN(q)
	q.GoneTest("z-dialog")
	q.See("Z REPORT")
	q.ClickTest("period-month")
	q.See("PERIOD REPORT")
	sweep(t, q, "period", "report")
	q.ClickTest("period-year")
	q.See("PERIOD REPORT")
}
