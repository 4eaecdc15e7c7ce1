package api_test

import (
	"bytes"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/plomb-pos/plomb/staff"
	"github.com/plomb-pos/plomb/till"
	"github.com/plomb-pos/plomb/till/api"
	"github.com/plomb-pos/plomb/till/tilltest"
)

// Requirement: POS-04
func TestEveryRouteNeedsASessionButTheNamedOnes(t *testing.T) {
	shop := tilltest.New(t, tilltest.WithoutDevices())
	open := []string{"/api/health", "/api/sign-in", "/api/setup", "/api/check", "/api/events"}
	for _, r := range api.Routes() {
		if r.Open != slices.Contains(open, r.Pattern) {
			t.Errorf("%s is open: %v", r.Pattern, r.Open)
		}
		if r.Open {
			continue
		}
		path := strings.NewReplacer("{number}", "1", "{index}", "1").Replace(r.Pattern)
		for _, body := range [][]byte{nil, []byte("{}"), []byte("not json")} {
			if status, answer := shop.Client().Fetch(r.Method, path, body); status != http.StatusUnauthorized {
				t.Errorf("%s %s without a session: %d %s", r.Method, path, status, answer)
			}
		}
	}
}

// Requirement: POS-04
func TestEveryCommandNeedsASession(t *testing.T) {
	shop := tilltest.New(t, tilltest.WithoutDevices())
	for name := range till.Commands() {
		for _, cookie := range []string{"", "x", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"} {
			req, err := http.NewRequest("POST", shop.URL+"/api/command", strings.NewReader(`{"id":"`+tilltest.NewID(time.Now())+`","do":"`+name+`","args":{}}`))
			if err != nil {
				t.Fatal(err)
			}
			if cookie != "" {
				req.AddCookie(&http.Cookie{Name: "plomb_session", Value: cookie})
			}
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != http.StatusUnauthorized {
				t.Errorf("%s with cookie %q: %d", name, cookie, resp.StatusCode)
			}
		}
	}
}

// Requirement: POS-04
func TestWithoutASessionTheStateTellsOnlyWhatASignInPageNeeds(t *testing.T) {
	shop := tilltest.New(t, tilltest.WithoutDevices())
	anna := shop.As(staff.Operator)
	anna.Do("basket.add", "sku", "BRD-01")
	s := shop.Client().State()
	if s.Basket != nil || s.Session != nil || s.LastReceipt != nil || s.Journal.Size != 0 || s.Journal.Origin != "" || s.Shop.Country != "" || len(s.Devices) > 0 {
		t.Errorf("a stranger sees %+v", s)
	}
	if s.Setup != "done" || s.Shop.Name == "" || s.Shop.Language == "" {
		t.Errorf("a sign-in page lacks %+v", s)
	}
	if a := anna.Do("session.lock"); a.State.Basket != nil || a.State.Session == nil || !a.State.Session.Locked {
		t.Errorf("while locked the state is %+v", a.State)
	}
	anna.Refuse("session-locked", "basket.add", "sku", "BRD-01")
	if status, _ := anna.Fetch("GET", "/api/articles", nil); status != http.StatusLocked {
		t.Errorf("a question while locked: %d", status)
	}
	anna.Refuse("wrong-pin", "session.unlock", "pin", "0000")
	if a := anna.Do("session.unlock", "pin", tilltest.PIN); a.State.Basket == nil {
		t.Error("the basket did not come back")
	}
	anna.Do("session.signout")
	anna.Refuse("not-signed-in", "basket.add", "sku", "BRD-01")
}

// Requirement: POS-03
func TestTheRoleMatrixHoldsOverHTTP(t *testing.T) {
	shop := tilltest.New(t, tilltest.WithoutDevices())
	shop.As(staff.Operator).Do("basket.add", "sku", "BRD-01")
	for role := range tilltest.IDs {
		c := shop.As(role)
		may := c.State().Session.May
		for name, op := range till.Commands() {
			if op == "" || strings.HasPrefix(name, "session.") {
				continue
			}
			want := staff.Allowed(role, op)
			if may[name] != want.Answer {
				t.Errorf("%s: the state says %s about %s, the table %s", role, may[name], name, want.Answer)
			}
			a := c.Try(name)
			check(t, string(role)+" "+name, want, a.Error)
		}
		shop.As(staff.Operator).Try("basket.add", "sku", "BRD-01") // some commands end the basket
	}
}

func check(t *testing.T, what string, want staff.Decision, got *tilltest.Fault) {
	t.Helper()
	kind := ""
	if got != nil {
		kind = got.Kind
	}
	switch {
	case want.Answer == staff.No && kind != "forbidden",
		want.Answer == staff.NeedsApproval && kind != "approval",
		want.Answer == staff.Yes && want.Reauth && kind != "approval" && kind != "invalid",
		want.Answer == staff.Yes && !want.Reauth && (kind == "forbidden" || kind == "approval"):
		t.Errorf("%s: %v was answered %+v", what, want, got)
	}
}

func TestTheSameIDDoesItsWorkOnce(t *testing.T) {
	shop := tilltest.New(t, tilltest.WithoutDevices())
	anna := shop.As(staff.Operator)
	anna.Do("drawer.open")
	anna.Do("basket.add", "sku", "BRD-01")
	command := map[string]any{"id": tilltest.NewID(time.Now()), "do": "basket.tender", "args": tilltest.Args("type", "cash", "complete", true)}
	answers := make([]tilltest.Answer, 20)
	var all sync.WaitGroup
	for i := range answers {
		all.Go(func() { answers[i] = anna.Send(command) })
	}
	all.Wait()
	for _, a := range answers {
		if a.Error != nil || !bytes.Equal(a.Result, answers[0].Result) {
			t.Errorf("answers differ: %s %+v and %s", a.Result, a.Error, answers[0].Result)
		}
	}
	if n := anna.State().Day.Receipts; n != 1 {
		t.Errorf("%d receipts", n)
	}
	shop.Kill()
	if again := anna.Send(command); again.Error != nil || !bytes.Equal(again.Result, answers[0].Result) {
		t.Errorf("after a restart the answer is %s %+v, was %s", again.Result, again.Error, answers[0].Result)
	}
	scan := map[string]any{"id": tilltest.NewID(time.Now()), "do": "basket.scan", "args": tilltest.Args("code", "2900000010079")}
	for range 3 {
		if a := anna.Send(scan); a.Error != nil || len(a.State.Basket.Lines) != 1 || a.State.Basket.Lines[0].Quantity != 1_000_000 {
			t.Fatalf("scan sent again: %+v %+v", a.State.Basket, a.Error)
		}
	}
}

func TestIDsMustBeNewAndWellFormed(t *testing.T) {
	shop := tilltest.New(t, tilltest.WithoutDevices())
	anna := shop.As(staff.Operator)
	for id, code := range map[string]string{
		tilltest.NewID(time.Now().Add(-3 * time.Hour)): "id-too-old",
		tilltest.NewID(time.Now().Add(time.Hour)):      "id-too-new",
		"": "bad-id", "1": "bad-id", "00000000-0000-0000-0000-000000000000": "bad-id",
		strings.ToUpper(tilltest.NewID(time.Now())): "bad-id",
	} {
		a := anna.Send(map[string]any{"id": id, "do": "basket.add", "args": tilltest.Args("sku", "BRD-01")})
		if a.Error == nil || a.Error.Code != code {
			t.Errorf("id %q: %+v, want %s", id, a.Error, code)
		}
	}
}

func TestForeignPagesAndHostsAreRefused(t *testing.T) {
	shop := tilltest.New(t, tilltest.WithoutDevices())
	send := func(change func(*http.Request)) int {
		req, err := http.NewRequest("POST", shop.URL+"/api/sign-in", strings.NewReader(`{"person":"2","pin":"`+tilltest.PIN+`"}`))
		if err != nil {
			t.Fatal(err)
		}
		change(req)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if resp.Header.Get("Content-Security-Policy") == "" || resp.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("headers = %v", resp.Header)
		}
		return resp.StatusCode
	}
	if s := send(func(r *http.Request) {}); s != 200 {
		t.Errorf("own request: %d", s)
	}
	if s := send(func(r *http.Request) { r.Host = "evil.example" }); s != http.StatusMisdirectedRequest {
		t.Errorf("foreign host: %d", s)
	}
	if s := send(func(r *http.Request) { r.Header.Set("Origin", "http://evil.example") }); s != http.StatusForbidden {
		t.Errorf("foreign origin: %d", s)
	}
	if s := send(func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }); s != http.StatusForbidden {
		t.Errorf("cross-site: %d", s)
	}
}

func TestBodiesAreBounded(t *testing.T) {
	shop := tilltest.New(t, tilltest.WithoutDevices())
	anna, ada := shop.As(staff.Operator), shop.As(staff.Administrator)
	big := `{"id":"` + tilltest.NewID(time.Now()) + `","do":"articles.import","args":{"dryRun":true,"csv":"` + strings.Repeat("x", 300<<10) + `"}}`
	if status, body := anna.Fetch("POST", "/api/command", []byte(big)); status != 400 || !strings.Contains(string(body), "body-too-large") {
		t.Errorf("an operator's large body: %d %s", status, body)
	}
	if status, body := ada.Fetch("POST", "/api/command", []byte(big)); status != 400 || !strings.Contains(string(body), "bad-csv") {
		t.Errorf("an administrator's import: %d %s", status, body)
	}
	other := strings.Replace(big, "articles.import", "language.set", 1)
	if status, body := ada.Fetch("POST", "/api/command", []byte(other)); status != 400 || !strings.Contains(string(body), "body-too-large") {
		t.Errorf("a large body of another command: %d %s", status, body)
	}
	huge := bytes.Repeat([]byte(" "), 9<<20)
	if status, _ := ada.Fetch("POST", "/api/command", huge); status != 400 {
		t.Errorf("a huge body: %d", status)
	}
}

// Requirement: POS-06
func TestWrongPINsAreSlowedDownAndJournaled(t *testing.T) {
	shop := tilltest.New(t, tilltest.WithoutDevices())
	c := shop.Client()
	codes := []string{}
	for range 5 {
		_, body := c.Post("/api/sign-in", map[string]string{"person": "2", "pin": "9999"})
		switch {
		case strings.Contains(string(body), "wrong-pin"):
			codes = append(codes, "wrong")
		case strings.Contains(string(body), "too-many-guesses"):
			codes = append(codes, "wait")
		}
	}
	if strings.Join(codes, " ") != "wrong wrong wrong wait wait" {
		t.Errorf("answers = %v", codes)
	}
	if status, _ := c.Post("/api/sign-in", map[string]string{"person": "2", "pin": tilltest.PIN}); status != http.StatusLocked {
		t.Errorf("the right PIN during the wait: %d", status)
	}
	shop.Kill() // a restart is no way around
	if status, _ := c.Post("/api/sign-in", map[string]string{"person": "2", "pin": tilltest.PIN}); status != http.StatusLocked {
		t.Errorf("the right PIN after a restart: %d", status)
	}
	for range 3 {
		if _, body := c.Post("/api/sign-in", map[string]string{"person": "nobody", "pin": "9999"}); !strings.Contains(string(body), "wrong-pin") {
			t.Errorf("somebody unknown: %s", body)
		}
	}
	var list till.EntriesAnswer
	inspector := shop.As(staff.Inspector)
	size := inspector.State().Journal.Size
	inspector.Until(func(s till.State) bool { return s.Journal.Searched >= size })
	inspector.Ask("/api/journal?kind=auth-fail", &list)
	if len(list.Entries) < 6 {
		t.Errorf("%d entries about wrong PINs", len(list.Entries))
	}
}

func TestSetupWorksOnceAndOnlyWithItsCode(t *testing.T) {
	shop := tilltest.New(t, tilltest.WithoutDevices(), tilltest.WithoutSetup())
	if s := shop.Client().State(); s.Setup != "needed" {
		t.Errorf("setup = %s", s.Setup)
	}
	form := map[string]any{"code": "AAAA-AAAA-AAAA", "shop": map[string]any{"name": "X", "country": "DE", "currency": "EUR"},
		"administrator": map[string]any{"id": "1", "name": "Ada", "pin": tilltest.PIN}}
	if status, body := shop.Client().Post("/api/setup", form); status != http.StatusUnauthorized {
		t.Errorf("wrong code: %d %s", status, body)
	}
	code := shop.Node.SetupCode()
	form["code"], form["administrator"].(map[string]any)["pin"] = code, "1234"
	if status, body := shop.Client().Post("/api/setup", form); status != 400 || !strings.Contains(string(body), "pin-too-simple") {
		t.Errorf("simple PIN: %d %s", status, body)
	}
	form["administrator"].(map[string]any)["pin"] = tilltest.PIN
	c := shop.Client()
	if status, body := c.Post("/api/setup", form); status != 200 {
		t.Fatalf("setup: %d %s", status, body)
	}
	if s := c.State(); s.Setup != "done" || s.Session == nil || s.Session.Person.Role != "administrator" || s.Shop.Name != "X" {
		t.Errorf("state = %+v", s)
	}
	if status, _ := shop.Client().Post("/api/setup", form); status == 200 || shop.Node.SetupCode() != "" {
		t.Error("setup worked twice")
	}
}

func FuzzCommandBodies(f *testing.F) {
	for _, s := range []string{
		`{"id":"x","do":"basket.scan","args":{"code":"1"}}`, `{}`, `[]`, `null`, `{"args":{"quantity":-1}}`, "\xff", `{"do":"basket.tender","args":{"amount":9223372036854775807}}`,
		`{"line":1,"quantity":1}`, `{"sku":"BRD-01","quantity":9223372036854775807}`, `{"counts":[{"value":9223372036854775807,"pieces":9223372036854775807}]}`,
		`{"receipt":{}}`, `{"receipt":"PLOMB1:000"}`, `{"percent":-5,"reason":"x"}`,
	} {
		f.Add([]byte(s), uint8(0))
	}
	shop := tilltest.New(f, tilltest.WithoutDevices())
	boss := shop.As(staff.Supervisor)
	var names []string
	for name := range till.Commands() {
		if !strings.HasPrefix(name, "session.") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	f.Fuzz(func(t *testing.T, body []byte, which uint8) {
		boss := boss.On(t)
		if status, answer := boss.Fetch("POST", "/api/command", body); status == 500 {
			t.Errorf("%q: %s", body, answer)
		}
		name := names[int(which)%len(names)]
		wrapped := append(append([]byte(`{"id":"`+tilltest.NewID(time.Now())+`","do":"`+name+`","args":`), body...), '}')
		if status, answer := boss.Fetch("POST", "/api/command", wrapped); status == 500 {
			t.Errorf("%s %q: %s", name, body, answer)
		}
	})
}
