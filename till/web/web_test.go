package web_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/plomb-pos/plomb/till/web"
)

func TestEveryAnswerForbidsWhatThePageDoesNotNeed(t *testing.T) {
	for _, path := range []string{"/", "/check", "/app.js", "/i18n/de.json", "/nowhere"} {
		w := get(t, path, nil)
		for header, want := range map[string]string{"Content-Security-Policy": web.Policy, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "X-Frame-Options": "DENY"} {
			if got := w.Header().Get(header); got != want {
				t.Errorf("%s: %s = %q, want %q", path, header, got, want)
			}
		}
	}
	if strings.Contains(web.Policy, "unsafe") {
		t.Errorf("the policy %q has an exception", web.Policy)
	}
}

func TestAFileIsSentAgainOnlyWhenItChanged(t *testing.T) {
	first := get(t, "/app.js", nil)
	if first.Code != http.StatusOK || first.Header().Get("ETag") == "" {
		t.Fatalf("first answer: %d, ETag %q", first.Code, first.Header().Get("ETag"))
	}
	again := get(t, "/app.js", http.Header{"If-None-Match": {first.Header().Get("ETag")}})
	if again.Code != http.StatusNotModified || again.Body.Len() != 0 {
		t.Errorf("second answer: %d with %d bytes, want 304 with none", again.Code, again.Body.Len())
	}
}

func TestWhatIsNoFileOfThePageIsRefused(t *testing.T) {
	for _, path := range []string{"/api/state", "/page/app.js", "/../web.go", "/css", "/jsconfig.json", "//app.js"} {
		if w := get(t, path, nil); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d, want 404", path, w.Code)
		}
	}
	w := httptest.NewRecorder()
	web.Handler().ServeHTTP(w, httptest.NewRequest("POST", "/", nil))
	if w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d, want 405", w.Code)
	}
}

func TestDigestNamesThePage(t *testing.T) {
	for _, path := range []string{"/", "/check"} {
		if page := get(t, path, nil).Body.String(); !strings.Contains(page, `name="plomb-page" content="`+web.Digest()+`"`) {
			t.Errorf("%s does not say which page it is", path)
		}
	}
	if a, b := web.Digest(), web.Digest(); a != b || len(a) != 2*sha256.Size {
		t.Errorf("Digest() = %q, then %q", a, b)
	}
}

func TestVendoredFilesAreAsTheirPapersSay(t *testing.T) {
	paper := read(t, "page/vendor/VENDOR.md")
	sum := sha256.Sum256([]byte(read(t, "page/vendor/htm-preact-standalone.module.js")))
	if !strings.Contains(paper, hex.EncodeToString(sum[:])) {
		t.Errorf("VENDOR.md does not name the sum %x", sum)
	}
}

// The policy forbids inline scripts and styles; a page that had some would look
// broken only in the browser.
func TestNoPageHasInlineScriptOrStyle(t *testing.T) {
	inline := regexp.MustCompile(`(?i)<style|<script(?:[^>]*)>[^<\s]|\sstyle="|\son[a-z]+="`)
	for name, text := range sources(t, ".html", ".js") {
		if found := inline.FindString(text); found != "" {
			t.Errorf("%s: %q", name, found)
		}
	}
}

func TestEveryLanguageHasTheSameWords(t *testing.T) {
	english := stems(table(t, "en"))
	for _, language := range []string{"de", "pl", "zh"} {
		if got := stems(table(t, language)); !slices.Equal(got, english) {
			t.Errorf("%s: words differ from English: %v", language, difference(got, english))
		}
	}
}

func TestEveryTranslationPutsInTheSameValues(t *testing.T) {
	value := regexp.MustCompile(`\{\w+\}`)
	english := table(t, "en")
	for _, language := range []string{"de", "pl", "zh"} {
		for key, text := range table(t, language) {
			want, got := value.FindAllString(english[key], -1), value.FindAllString(text, -1)
			slices.Sort(want)
			slices.Sort(got)
			if english[key] != "" && !slices.Equal(got, want) {
				t.Errorf("%s: %s puts in %v, English %v", language, key, got, want)
			}
		}
	}
}

// Plural forms are those that the language has in CLDR.
func TestPluralsHaveTheFormsOfTheirLanguage(t *testing.T) {
	forms := map[string][]string{"en": {"one", "other"}, "de": {"one", "other"}, "pl": {"one", "few", "many", "other"}, "zh": {"other"}}
	for language, want := range forms {
		words := table(t, language)
		for key := range words {
			stem, form, ok := cutForm(key)
			if !ok {
				continue
			}
			if !slices.Contains(want, form) {
				t.Errorf("%s: %s has a form that the language does not have", language, key)
			}
			for _, f := range want {
				if words[stem+"."+f] == "" {
					t.Errorf("%s: %s.%s is missing", language, stem, f)
				}
			}
		}
	}
}

// A word is used when its key stands in a source as a whole, or when the source
// makes it from a beginning: t(`unit.${…}`).
func TestEveryWordIsUsedAndEveryUsedWordExists(t *testing.T) {
	all := strings.Builder{}
	for _, text := range sources(t, ".js") {
		all.WriteString(text)
	}
	whole, begun := usedWords(all.String())
	words := stems(table(t, "en"))
	for _, key := range words {
		if !whole[key] && !slices.ContainsFunc(begun, func(b string) bool { return strings.HasPrefix(key, b) }) {
			t.Errorf("%s is not used", key)
		}
	}
	direct := regexp.MustCompile(`\b(?:t|say)\('([^']+)'`)
	for _, m := range direct.FindAllStringSubmatch(all.String(), -1) {
		if !slices.Contains(words, m[1]) {
			t.Errorf("%s is used and has no words", m[1])
		}
	}
}

func usedWords(source string) (whole map[string]bool, begun []string) {
	whole = map[string]bool{}
	for _, m := range regexp.MustCompile(`'([a-zA-Z.]+)'`).FindAllStringSubmatch(source, -1) {
		whole[m[1]] = true
	}
	for _, m := range regexp.MustCompile("`([a-zA-Z.]+\\.)\\$\\{").FindAllStringSubmatch(source, -1) {
		begun = append(begun, m[1])
	}
	// "drawer.open.amount" and "do.drawer.open.hint" are made from a command's name.
	return whole, append(begun, "role.", "tax.class.", "drawer.open.amount", "drawer.float.amount", "drawer.payin.amount", "drawer.payout.amount")
}

func get(t *testing.T, path string, headers http.Header) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest("GET", "http://127.0.0.1/", nil)
	r.URL.Path = path
	for name, values := range headers {
		r.Header[name] = values
	}
	w := httptest.NewRecorder()
	web.Handler().ServeHTTP(w, r)
	return w
}

func read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func sources(t *testing.T, endings ...string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir("page", func(p string, d fs.DirEntry, err error) error {
		if err == nil && !strings.Contains(p, "vendor") && slices.Contains(endings, filepath.Ext(p)) {
			found[p] = read(t, p)
		}
		return err
	})
	if err != nil || len(found) == 0 {
		t.Fatalf("sources: %d, %v", len(found), err)
	}
	return found
}

func table(t *testing.T, language string) map[string]string {
	t.Helper()
	words := map[string]string{}
	if err := json.Unmarshal([]byte(read(t, "page/i18n/"+language+".json")), &words); err != nil {
		t.Fatal(err)
	}
	return words
}

func cutForm(key string) (stem, form string, ok bool) {
	i := strings.LastIndexByte(key, '.')
	if i < 0 || !slices.Contains([]string{"one", "few", "many", "other"}, key[i+1:]) {
		return key, "", false
	}
	// "reason.other", "tender.other" and "software.waits.other" are words, not forms.
	return key[:i], key[i+1:], !slices.Contains([]string{"reason", "tender", "software.waits"}, key[:i])
}

func stems(words map[string]string) []string {
	var all []string
	for key := range words {
		if stem, _, ok := cutForm(key); ok {
			key = stem
		}
		all = append(all, key)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func difference(a, b []string) []string {
	var out []string
	for _, x := range a {
		if !slices.Contains(b, x) {
			out = append(out, "+"+x)
		}
	}
	for _, x := range b {
		if !slices.Contains(a, x) {
			out = append(out, "-"+x)
		}
	}
	return out
}
