package api_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/plomb-pos/plomb/till/api"
	"github.com/plomb-pos/plomb/till/tilltest"
)

// page is one with a name.
type page struct{ http.Handler }

func (page) Digest() string { return "new" }

// A page that an older program served is refused, whether it names itself or is from
// before pages did; nothing is done.
//
// Requirement: CU-15
func TestAPageOfAnOlderProgramChangesNothing(t *testing.T) {
	shop := tilltest.New(t, tilltest.WithoutDevices())
	server := httptest.NewServer(api.Handler(shop.Node, page{http.NotFoundHandler()}))
	defer server.Close()
	for _, x := range []struct {
		name, path string
		headers    map[string]string
		stale      bool
	}{
		{"the page that is served", "/api/sign-in", map[string]string{"Plomb-Page": "new", "Sec-Fetch-Site": "same-origin"}, false},
		{"an older page", "/api/sign-in", map[string]string{"Plomb-Page": "old", "Sec-Fetch-Site": "same-origin"}, true},
		{"a page from before pages named themselves", "/api/sign-in", map[string]string{"Sec-Fetch-Site": "same-origin"}, true},
		{"no page at all", "/api/sign-in", nil, false},
		{"the public check", "/api/check", map[string]string{"Sec-Fetch-Site": "same-origin"}, false},
	} {
		r, err := http.NewRequest("POST", server.URL+x.path, strings.NewReader(`{"person":"2","pin":"`+tilltest.PIN+`"}`))
		if err != nil {
			t.Fatal(err)
		}
		for name, value := range x.headers {
			r.Header.Set(name, value)
		}
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if got := answer.StatusCode == http.StatusConflict; got != x.stale || got && answer.Header.Get("Set-Cookie") != "" {
			t.Errorf("%s: %s, want it stale: %v", x.name, answer.Status, x.stale)
		}
	}
}
