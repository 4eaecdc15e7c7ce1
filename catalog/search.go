package catalog

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// Limits of Search.
const (
	MaxResults = 200 // more are never returned
	maxQuery   = 200 // bytes that are looked at
	maxWords   = 8
)

// searchIndex holds the folded text of each article, in the order in which
// equally good results are shown.
type searchIndex []searchEntry

type searchEntry struct {
	article int
	text    string // " name of words\n name in german\n 4006381333931\n"
}

// newSearchIndex orders articles by name, then number.
func newSearchIndex(articles []Article) searchIndex {
	index := make(searchIndex, len(articles))
	names := make([]string, len(articles))
	for i, a := range articles {
		names[i] = Fold(a.Name)
		index[i] = searchEntry{article: i, text: searchText(a)}
	}
	slices.SortStableFunc(index, func(a, b searchEntry) int { return cmp.Compare(names[a.article], names[b.article]) })
	return index
}

// searchText is all that an article is found by. Each piece of text begins
// with "\n ", so that "\n word" finds beginnings of names and " word"
// beginnings of words.
func searchText(a Article) string {
	var b strings.Builder
	add := func(s string) { b.WriteString("\n " + Fold(s)) }
	add(a.Name)
	for _, tag := range slices.Sorted(maps.Keys(a.Names)) {
		add(a.Names[tag])
	}
	add(string(a.SKU))
	for _, g := range a.GTINs {
		add(string(g))
	}
	if a.Group != "" {
		add(a.Group)
	}
	return b.String()
}

// Search returns articles whose names (in any language), numbers or group
// contain every word of the query, best first: names that begin with the
// query, then words that begin with its words, then parts of words; among
// equals in alphabetic order. At most limit (and MaxResults) are returned.
// Accents, case and punctuation make no difference; an empty query finds
// nothing. It never fails, whatever the query.
func (c *Catalog) Search(query string, limit int) []Article {
	words := strings.Fields(Fold(query[:min(len(query), maxQuery)]))
	words = words[:min(len(words), maxWords)]
	limit = min(limit, MaxResults)
	if len(words) == 0 || limit <= 0 {
		return nil
	}
	var out []Article
	for _, i := range c.index.find(words, limit) {
		out = append(out, c.set.Articles[i].clone())
	}
	return out
}

// The ranks of a match, best first.
const (
	startsName = iota
	startsWord
	insideWord
	ranks
)

func (x searchIndex) find(words []string, limit int) []int {
	var found [ranks][]int
	q := newQuery(words)
	for _, e := range x {
		if r, ok := q.rank(e.text); ok && len(found[r]) < limit {
			found[r] = append(found[r], e.article)
			if len(found[startsName]) == limit {
				break
			}
		}
	}
	return slices.Concat(found[:]...)[:min(limit, len(found[0])+len(found[1])+len(found[2]))]
}

// query is prepared once for all articles.
type query struct {
	words  []string // "red", "shoe"
	starts []string // " red", " shoe"
	name   string   // "\n red shoe"
}

func newQuery(words []string) query {
	q := query{words: words, name: "\n " + strings.Join(words, " ")}
	for _, w := range words {
		q.starts = append(q.starts, " "+w)
	}
	return q
}

func (q query) rank(text string) (rank int, ok bool) {
	rank = startsWord
	for i, w := range q.words {
		switch {
		case !strings.Contains(text, w):
			return 0, false
		case !strings.Contains(text, q.starts[i]):
			rank = insideWord
		}
	}
	if strings.Contains(text, q.name) {
		rank = startsName
	}
	return rank, true
}

// unaccented holds letters that Unicode does not take apart, and what people
// type who do not have them.
var unaccented = map[rune]string{
	'ß': "ss", 'æ': "ae", 'œ': "oe", 'ø': "o", 'ł': "l", 'đ': "d", 'ð': "d", 'þ': "th", 'ı': "i", 'ħ': "h", 'ŧ': "t", 'ŋ': "n",
}

// Fold brings text into the form that is compared in a search: lower case, no
// accents, compatibility forms resolved (full width, ligatures), words
// separated by one blank, punctuation dropped. "Café Crème, 250 g" becomes
// "cafe creme 250 g".
func Fold(s string) string {
	var b strings.Builder
	blank := false
	for _, r := range norm.NFKD.String(strings.ToLower(s)) {
		switch {
		case unicode.Is(unicode.Mn, r) || r == '\'' || r == '’':
		case unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.Is(unicode.M, r):
			if blank && b.Len() > 0 {
				b.WriteByte(' ')
			}
			blank = false
			writeFolded(&b, unicode.ToLower(r))
		default:
			blank = true
		}
	}
	return b.String()
}

func writeFolded(b *strings.Builder, r rune) {
	if s, ok := unaccented[r]; ok {
		b.WriteString(s)
		return
	}
	b.WriteRune(r)
}
