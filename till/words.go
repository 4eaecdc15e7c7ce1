package till

import (
	"embed"
	"strings"
	"sync"

	"github.com/go-json-experiment/json"
)

//go:embed words
var wordFiles embed.FS

// phrase is what a code is in a language: what happened, and what to do next.
type phrase struct {
	Text string `json:"text"`
	Hint string `json:"hint,omitzero"`
}

// phrases loads all languages once; a test holds them against each other.
var phrases = sync.OnceValue(func() map[string]map[string]phrase {
	all := map[string]map[string]phrase{}
	for _, l := range Languages {
		all[l] = map[string]phrase{}
		text, err := wordFiles.ReadFile("words/" + l + ".json")
		if err != nil {
			continue // the language then shows codes; the test says so
		}
		read := map[string]phrase{}
		if json.Unmarshal(text, &read) == nil {
			all[l] = read
		}
	}
	return all
})

// say finds the words for a code, in English where the language has none, and
// the code itself where nobody has any.
func say(language, code string) phrase {
	for _, l := range []string{language, "en"} {
		if p, ok := phrases()[l][code]; ok {
			return p
		}
	}
	return phrase{Text: strings.ReplaceAll(code, "-", " ")}
}

// sayRefusal finds the words for a refusal: its code's, else its kind's.
func sayRefusal(language string, r *Refusal) phrase {
	for _, code := range []string{r.Code, "kind-" + string(r.Kind)} {
		if _, ok := phrases()["en"][code]; ok {
			return say(language, code)
		}
	}
	return say(language, r.Code)
}

// label is one word or two for a thing that has a code.
func label(language, code string) string { return say(language, code).Text }

// fill puts values into a text: {name} stands for one.
func fill(text string, values ...string) string {
	var pairs []string
	for i := 0; i+1 < len(values); i += 2 {
		pairs = append(pairs, "{"+values[i]+"}", values[i+1])
	}
	return strings.NewReplacer(pairs...).Replace(text)
}
