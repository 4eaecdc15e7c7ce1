package web_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/plomb-pos/plomb/till/web"
)

// shown is a scripted node for layout tests: it sends states as they are set and
// answers questions from a table. It knows no trade; the stories against the
// real node are elsewhere.
type shown struct {
	*httptest.Server
	mu       sync.Mutex // guards state, answers, commands and changed
	state    map[string]any
	answers  map[string]any
	commands []command
	reply    func(command) (map[string]any, map[string]any) // result or error
	changed  chan struct{}
	came     chan struct{}
	drop     bool   // answers to commands are lost
	gone     bool   // the program has ended: it answers nothing
	page     string // that the node says it serves
	loads    int    // of the page
	streams  int    // of events since the last of them
}

type command struct {
	ID   string         `json:"id"`
	Do   string         `json:"do"`
	Args map[string]any `json:"args"`
}

func show(t *testing.T, state map[string]any) *shown {
	t.Helper()
	if testing.Short() {
		t.Skip("layouts need a browser")
	}
	s := &shown{state: state, answers: questions(), changed: make(chan struct{}), came: make(chan struct{}, 1)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/events", s.events)
	mux.HandleFunc("POST /api/command", s.command)
	mux.HandleFunc("POST /api/check", s.question)
	mux.HandleFunc("GET /api/", s.question)
	page := web.Handler()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" {
			s.mu.Lock()
			s.loads++
			s.streams = 0
			s.mu.Unlock()
		}
		page.ServeHTTP(w, r)
	})
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.mu.Lock(); s.gone {
			s.mu.Unlock()
			panic(http.ErrAbortHandler)
		}
		s.mu.Unlock()
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	return s
}

// set changes the state and sends it.
func (s *shown) set(changes map[string]any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.Copy(s.state, changes)
	s.state["version"] = s.state["version"].(int) + 1
	close(s.changed)
	s.changed = make(chan struct{})
}

// lose makes answers to commands be lost, or not any more.
func (s *shown) lose(drop bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop = drop
}

// restart ends the program, or starts it again.
func (s *shown) restart(gone bool) {
	s.mu.Lock()
	s.gone = gone
	s.mu.Unlock()
	if gone {
		s.CloseClientConnections()
	}
}

// answer is what the program answers at /api/path.
func (s *shown) answer(path string, with object) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers[path] = with
}

// have says which page the program has.
func (s *shown) have(page string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.page = page
}

// serve says which page the program has, and ends the streams so that it is heard.
func (s *shown) serve(page string) {
	s.have(page)
	s.CloseClientConnections()
}

// loaded waits until the page was loaded so many times and listens.
func (s *shown) loaded(t *testing.T, times int) {
	t.Helper()
	have := func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.loads >= times && s.streams > 0
	}
	for deadline := time.After(20 * time.Second); !have(); {
		select {
		case <-s.came:
		case <-deadline:
			t.Fatalf("the page was not loaded %d times", times)
		}
	}
}

func (s *shown) sent() []command {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.commands
}

// wait returns when n commands have come.
func (s *shown) wait(t *testing.T, n int) {
	t.Helper()
	for deadline := time.After(10 * time.Second); len(s.sent()) < n; {
		select {
		case <-s.came:
		case <-deadline:
			t.Fatalf("%d commands came, want %d", len(s.sent()), n)
		}
	}
}

func (s *shown) now() ([]byte, chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	data, err := json.Marshal(s.state)
	if err != nil {
		panic(err)
	}
	return data, s.changed
}

func (s *shown) events(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	s.mu.Lock()
	if s.page != "" {
		w.Header().Set("Plomb-Page", s.page)
	}
	s.streams++
	s.mu.Unlock()
	select {
	case s.came <- struct{}{}:
	default:
	}
	for {
		data, changed := s.now()
		fmt.Fprintf(w, "event: state\ndata: %s\n\n", data)
		w.(http.Flusher).Flush()
		select {
		case <-changed:
		case <-r.Context().Done():
			return
		}
	}
}

func (s *shown) command(w http.ResponseWriter, r *http.Request) {
	var c command
	if err := json.NewDecoder(r.Body).Decode(&c); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	s.commands = append(s.commands, c)
	select {
	case s.came <- struct{}{}:
	default:
	}
	reply, drop := s.reply, s.drop
	s.mu.Unlock()
	if drop {
		panic(http.ErrAbortHandler) // the connection ends without an answer
	}
	result, fault := map[string]any{}, map[string]any(nil)
	if reply != nil {
		result, fault = reply(c)
	}
	data, _ := s.now()
	if fault != nil {
		w.WriteHeader(http.StatusUnprocessableEntity)
		_ = json.NewEncoder(w).Encode(map[string]any{"id": c.ID, "error": fault})
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"id": c.ID, "result": result, "state": json.RawMessage(data)})
}

func (s *shown) question(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	answer, ok := s.answers[strings.TrimPrefix(r.URL.Path, "/api/")]
	if !ok {
		answer = map[string]any{"error": map[string]any{"kind": "notFound", "code": "no-such-thing", "text": "There is nothing here.", "hint": ""}}
		w.WriteHeader(http.StatusNotFound)
	}
	_ = json.NewEncoder(w).Encode(answer)
}

type object = map[string]any
type list = []any

func shopState() object {
	may := object{}
	for _, what := range strings.Fields("basket.remove basket.resume return.begin receipt.copy receipt.void drawer.open drawer.payin drawer.payout drawer.nosale drawer.count drawer.close report.x report.z training.start training.stop people.add people.change articles.import settings.change language.set receipts.view reports.view journal.view journal.prove people.view settings.view") {
		may[what] = "yes"
	}
	return object{
		"version": 1, "setup": "done",
		"shop": object{"name": "Kornblume Bio & Feinkost", "country": "DE", "currency": "EUR", "exponent": 2, "language": "en", "languages": list{"en", "de", "pl", "zh"}, "cashRounding": 1,
			"tenders": list{"cash", "card", "voucher"}, "currencies": list{}, "quickCash": list{500, 1000, 2000, 5000}, "denominations": list{1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000}},
		"session":  object{"person": object{"id": "2", "name": "Jana Weber", "role": "supervisor"}, "locked": false, "may": may},
		"training": false, "basket": nil, "suspended": list{},
		"drawer": object{"session": "open", "since": "2026-11-20T07:58:00Z", "physicallyOpen": false, "counted": false},
		"day":    object{"zNumber": 4, "receipts": 17}, "devices": list{}, "notices": list{}, "lastReceipt": nil,
		"journal": object{"size": 1204, "signed": 1204, "verified": 1204, "verifying": false, "signer": "ok", "origin": "till.example/1"},
		"clock":   object{"now": "2026-11-20T14:32:00Z", "unsure": false},
	}
}

func line(no int, name string, quantity, price, gross int) object {
	return object{"no": no, "sku": fmt.Sprint(1000 + no), "name": name, "quantity": quantity, "unit": "piece", "unitPrice": price, "gross": gross, "discount": 0, "discountReason": "", "letter": "B", "rate": 7000, "note": ""}
}

func basket(lines ...object) object {
	all := list{}
	for _, l := range lines {
		all = append(all, l)
	}
	return object{"id": "b1", "mode": "sale", "startedAt": "2026-11-20T14:31:00Z", "lines": all, "discounts": list{},
		"taxes": list{object{"letter": "B", "rate": 7000, "net": 1213, "tax": 85, "gross": 1298}},
		"total": 1298, "rounding": 0, "tenders": list{}, "paid": 0, "due": 1298, "dueCash": 1298, "change": 0, "original": nil}
}

func typical() object {
	apples := line(2, "Äpfel Elstar, Klasse I, lose", 1240000, 3490000, 433)
	apples["unit"] = "kg"
	butter := line(4, "Süßrahmbutter 250 g", 1000000, 3290000, 230)
	butter["discount"], butter["discountReason"] = -99, "Short date"
	return basket(line(1, "Dinkelbrot, 750 g", 1000000, 4350000, 435), apples, line(3, "Vollmilch 3,8 % 1 l", 2000000, 1000000, 200), butter)
}

func questions() map[string]any {
	return map[string]any{"articles": articles(), "receipts/18": receiptAnswer(), "journal": journalAnswer(), "journal/1203": entryAnswer(), "journal/1203/proof": proofAnswer(),
		"receipts": object{"receipts": list{object{"number": 18, "index": 1203, "at": "2026-11-20T14:32:00Z", "kind": "sale", "total": 1298, "who": "Jana Weber", "voided": false}}, "more": false},
		"check":    object{"holds": true, "words": "Receipt 18 of Kornblume Bio & Feinkost over 12.98 EUR was registered on 20 November 2026 and signed.", "hint": "", "facts": list{object{"label": "Number", "value": "18"}, object{"label": "Journal", "value": "till.example/1"}}}}
}

func articles() object {
	names := map[string][]string{
		"bakery": {"Dinkelbrot, 750 g", "Roggenmischbrot", "Brezel", "Croissant", "Apfelkuchen, Stück"},
		"fruit":  {"Äpfel Elstar, Klasse I, lose", "Bananen, fair", "Birnen Conference", "Möhren mit Grün", "Kartoffeln, festkochend 2 kg"},
		"dairy":  {"Vollmilch 3,8 % 1 l", "Süßrahmbutter 250 g", "Bergkäse 12 Monate", "Joghurt natur"},
		"drinks": {"Espresso", "Cappuccino", "Apfelsaft naturtrüb 0,7 l", "Mineralwasser"},
	}
	groups, all := list{}, list{}
	for i, id := range []string{"bakery", "fruit", "dairy", "drinks"} {
		groups = append(groups, object{"id": id, "name": []string{"Bakery", "Fruit & vegetables", "Dairy", "Drinks"}[i], "articles": len(names[id])})
		for j, name := range names[id] {
			unit := "piece"
			if id == "fruit" && j < 4 {
				unit = "kg"
			}
			all = append(all, object{"sku": fmt.Sprintf("%s-%d", id, j), "name": name, "group": id, "unit": unit, "unitPrice": 1990000 + 350000*j, "open": false, "letter": "B", "code": fmt.Sprint(4000000000000 + 100*i + j)})
		}
	}
	for _, name := range []string{"Cheese counter", "Gifts", "Books", "Household", "Deposits", "Services", "Tobacco", "Groceries"} {
		groups = append(groups, object{"id": name, "name": name, "articles": 1})
	}
	return object{"articles": all, "groups": groups, "more": false}
}

const receiptText = `        Kornblume Bio & Feinkost
          Marktplatz 4, 79098 Freiburg
            USt-IdNr. DE123456789

Dinkelbrot, 750 g                    4,35 B
Äpfel Elstar, lose
  1,240 kg x 3,49                    4,33 B
Vollmilch 3,8 % 1 l
  2 x 1,00                           2,00 B
Süßrahmbutter 250 g                  2,30 B
-------------------------------------------
SUMME EUR                           12,98
Bar                                 20,00
Rückgeld                             7,02

B  7 %   netto 12,13  USt 0,85  brutto 12,98

20.11.2026 15:32   Beleg 18   Jana Weber
`

func receiptAnswer() object {
	return object{"number": 18, "index": 1203, "at": "2026-11-20T14:32:00Z", "kind": "sale", "total": 1298, "who": "Jana Weber", "voided": false, "text": receiptText, "code": "PLOMB1:AAAA", "printed": "yes", "original": nil,
		"svg": `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 7 7"><path d="M0 0h3v3h-3zM4 0h3v3h-3zM0 4h3v3h-3zM4 4h1v1h-1zM6 6h1v1h-1z" fill="#000"/></svg>`}
}

func journalAnswer() object {
	entries := list{}
	words := []string{"Receipt 18 was sold", "The drawer was opened for receipt 18", "Receipt 18 was printed", "Jana Weber signed in", "The drawer session began with 150.00"}
	for i := range 12 {
		entries = append(entries, object{"index": 1203 - i, "time": "2026-11-20T14:32:00Z", "kind": "sale", "who": "Jana Weber", "words": words[i%len(words)], "number": 18, "amount": []int{1298, 0, 0, 0, 15000}[i%5]})
	}
	return object{"entries": entries, "kinds": list{object{"id": "sale", "name": "Sales"}}, "more": true}
}

const hash = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

func entryAnswer() object {
	return object{"index": 1203, "time": "2026-11-20T14:32:00Z", "kind": "sale", "who": "Jana Weber", "words": "Receipt 18 was sold", "number": 18, "amount": 1298, "leaf": hash,
		"facts": list{object{"label": "Receipt", "value": "18"}, object{"label": "Total", "value": "12.98 EUR"}, object{"label": "Lines", "value": "4"}, object{"label": "Paid", "value": "20.00 cash"}}, "head": object{"index": 1203, "kind": "sale"}, "body": object{"lines": list{}}}
}

func proofAnswer() object {
	steps := list{}
	for i := range 6 {
		side := "left"
		if i%3 == 1 {
			side = "right"
		}
		steps = append(steps, object{"hash": fmt.Sprintf("%x%s", i+3, hash[1:]), "side": side, "node": fmt.Sprintf("%x%s", i+9, hash[1:])})
	}
	return object{"index": 1203, "size": 1204, "origin": "till.example/1", "leaf": hash, "root": "b" + hash[1:], "steps": steps, "checkpoint": "till.example/1\n1204\nn4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=\n\n— till.example/1 AbCd…\n", "proof": "c2sp.org/tlog-proof@v1\nindex 1203\n", "signatures": list{object{"name": "till.example/1", "key": "1f3a9c07"}}, "holds": true}
}
