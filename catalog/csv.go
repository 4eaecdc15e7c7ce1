package catalog

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"html"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/plomb-pos/plomb/money"
	"github.com/plomb-pos/plomb/tax"
)

// ErrCSV is returned for a file that is not a table of articles at all.
var ErrCSV = errors.New("not an article table")

// Limits of ReadCSV.
const (
	MaxCSVBytes = 32 << 20 // of a file
	maxProblems = 1000     // that are listed; one more says that there are others
)

// CSVOptions say how a file is read. The zero value reads plain UTF-8 with
// points in prices, pieces where no unit is given, and needs a tax class in
// each row.
type CSVOptions struct {
	Comma        rune      // separator; 0: ';', ',' or tab, whichever the first line has most of
	DecimalComma bool      // prices are written 2,55
	Class        tax.Class // for rows whose tax_class is empty
	Unit         Unit      // for rows whose unit is empty; default Piece
}

// ReadCSV reads articles from a table whose first row names the columns, in
// any order and case:
//
//	sku          article number (needed)
//	name         name in the main language (needed)
//	name_xx      name in language xx: name_de, name_pl, name_zh, name_pt-br
//	price        of one unit, plain decimal (needed but for open prices)
//	gtin         one or more GTINs, separated by blanks or '|'
//	in_store     one or more numbers for codes with price or weight, likewise
//	tax_class    "standard", "reduced", ... ; see CSVOptions.Class
//	unit         "piece", "kg", "g", "l", "m", "m2", "h"; see CSVOptions.Unit
//	group        group of goods
//	open_price   yes or no, likewise no_discount and blocked
//	age_limit    years
//	deposit      SKU of the article that is sold along
//
// Columns with other names are reported once and not read. A byte order mark
// is dropped, HTML entities in texts ("&amp;", "&quot;") are resolved, blanks
// around fields are cut, and runs of blanks in names become one. Values are
// read strictly: a price of "1.234,50" is a problem, not a guess.
//
// A row with any problem is left out whole; its problems tell line, field and
// what is wrong. A row that repeats a number of an earlier one is a problem
// too. The articles returned are each well formed; whether deposits exist is
// for New to check. Whoever imports decides whether the problems allow it, and
// shows what would change with Compare first. The error is for a file that
// cannot be read as a table: ErrCSV, or what r returned; then nothing is
// returned with it.
func ReadCSV(r io.Reader, o CSVOptions) ([]Article, []Problem, error) {
	t, err := openTable(r, o)
	if err != nil {
		return nil, nil, fmt.Errorf("read articles: %w", err)
	}
	for {
		row, err := t.csv.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		var bad *csv.ParseError
		if errors.As(err, &bad) {
			t.report(Problem{Line: bad.StartLine, What: bad.Err.Error()})
			continue
		}
		if err != nil {
			return nil, nil, fmt.Errorf("read articles: %w", err)
		}
		t.row(row)
	}
	return t.articles, t.problems, nil
}

// table is a file being read.
type table struct {
	csv      *csv.Reader
	options  CSVOptions
	columns  []string // lower case; "" for those that are not read
	articles []Article
	problems []Problem
	owner    map[string]int // "gtin 4006381333931" -> line
}

func openTable(r io.Reader, o CSVOptions) (*table, error) {
	in := bufio.NewReader(&limited{r: r, left: MaxCSVBytes})
	head, err := in.Peek(in.Size())
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if bytes.HasPrefix(head, bom) {
		_, _ = in.Discard(len(bom)) // peeked: cannot fail
		head = head[len(bom):]
	}
	if o.Comma == 0 {
		o.Comma = separator(head)
	}
	if o.Unit == "" {
		o.Unit = Piece
	}
	t := &table{csv: csv.NewReader(in), options: o, owner: make(map[string]int)}
	t.csv.Comma, t.csv.FieldsPerRecord, t.csv.LazyQuotes = o.Comma, -1, true
	return t, t.header()
}

var bom = []byte("\xef\xbb\xbf")

// separator guesses from the first line.
func separator(head []byte) rune {
	line, _, _ := bytes.Cut(head, []byte("\n"))
	best, most := ',', 0
	for _, c := range ";,\t" {
		if n := bytes.Count(line, []byte(string(c))); n > most {
			best, most = c, n
		}
	}
	return best
}

// limited fails with ErrCSV where io.LimitReader would pretend an end.
type limited struct {
	r    io.Reader
	left int
}

func (l *limited) Read(p []byte) (int, error) {
	if l.left <= 0 {
		return 0, fmt.Errorf("%w: more than %d bytes", ErrCSV, MaxCSVBytes)
	}
	n, err := l.r.Read(p[:min(len(p), l.left)])
	l.left -= n
	return n, err
}

func (t *table) header() error {
	row, err := t.csv.Read()
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: it is empty", ErrCSV)
	}
	var bad *csv.ParseError
	if errors.As(err, &bad) || err == nil && len(row) > 200 {
		return fmt.Errorf("%w: the first line does not name columns", ErrCSV)
	}
	if err != nil {
		return err
	}
	for _, name := range row {
		t.columns = append(t.columns, t.column(strings.ToLower(strings.TrimSpace(name))))
	}
	for _, needed := range []string{"sku", "name"} {
		if !slices.Contains(t.columns, needed) {
			return fmt.Errorf("%w: there is no column %q", ErrCSV, needed)
		}
	}
	return nil
}

var columns = []string{"sku", "name", "price", "gtin", "in_store", "tax_class", "unit", "group",
	"open_price", "no_discount", "blocked", "age_limit", "deposit"}

// column returns the name, or "" for a column that is not read.
func (t *table) column(name string) string {
	tag, isName := strings.CutPrefix(name, "name_")
	what := "no such column; it is not read"
	switch {
	case slices.Contains(t.columns, name) && name != "":
		what = "the column is there twice; the first is read"
	case slices.Contains(columns, name) || isName && language(tag):
		return name
	}
	t.report(Problem{Line: 1, Field: shown(name), What: what})
	return ""
}

func (t *table) report(p Problem) {
	switch n := len(t.problems); {
	case n < maxProblems:
		t.problems = append(t.problems, p)
	case n == maxProblems:
		t.problems = append(t.problems, Problem{Line: p.Line, What: "there are more problems from here on; they are not listed"})
	}
}

// row turns one row into an article, or into problems.
func (t *table) row(fields []string) {
	line, _ := t.csv.FieldPos(0)
	p := rowParser{options: t.options, line: line, article: Article{Class: t.options.Class, Unit: t.options.Unit}}
	if len(fields) != len(t.columns) {
		p.problem("", fmt.Sprintf("%d fields instead of %d", len(fields), len(t.columns)))
	}
	for i := range min(len(fields), len(t.columns)) {
		p.field(t.columns[i], strings.TrimSpace(fields[i]))
	}
	p.finish()
	if len(p.problems) == 0 {
		p.problems = t.claim(p.article, line)
	}
	for _, problem := range p.problems {
		t.report(problem)
	}
	if len(p.problems) == 0 {
		t.articles = append(t.articles, p.article)
	}
}

// claim refuses numbers that an earlier row has, and books the others.
func (t *table) claim(a Article, line int) []Problem {
	keys := [][2]string{{"sku", string(a.SKU)}}
	for _, g := range a.GTINs {
		keys = append(keys, [2]string{"gtin", string(g)})
	}
	for _, code := range a.InStore {
		keys = append(keys, [2]string{"in_store", code})
	}
	var out []Problem
	for _, k := range keys {
		if first, taken := t.owner[k[0]+" "+k[1]]; taken {
			out = append(out, Problem{Line: line, SKU: a.SKU, Field: k[0], What: fmt.Sprintf("%q already stands in line %d", k[1], first)})
		}
	}
	for _, k := range keys {
		if len(out) == 0 {
			t.owner[k[0]+" "+k[1]] = line
		}
	}
	return out
}

// rowParser fills one article.
type rowParser struct {
	options  CSVOptions
	line     int
	article  Article
	priced   bool
	problems []Problem
}

func (p *rowParser) problem(field, what string) {
	p.problems = append(p.problems, Problem{Line: p.line, SKU: p.article.SKU, Field: field, What: what})
}

// field reads one value; empty ones leave the default.
func (p *rowParser) field(column, s string) {
	if column == "" || s == "" {
		return
	}
	if !utf8.ValidString(s) {
		p.problem(column, "the text is not UTF-8")
		return
	}
	if err := p.set(column, s); err != nil {
		p.problem(column, err.Error())
	}
}

func (p *rowParser) set(column, s string) (err error) {
	a := &p.article
	switch column {
	case "sku":
		a.SKU = SKU(s)
	case "name":
		a.Name = text(s)
	case "group":
		a.Group = text(s)
	case "tax_class":
		a.Class, err = tax.ParseClass(s)
	case "unit":
		a.Unit = Unit(strings.ToLower(s))
	case "deposit":
		a.Deposit = SKU(s)
	case "price":
		a.Price, err = p.price(s)
	case "gtin":
		a.GTINs, err = gtins(s)
	case "in_store":
		a.InStore = numbers(s)
	case "open_price":
		a.OpenPrice, err = yes(s)
	case "no_discount":
		a.NoDiscount, err = yes(s)
	case "blocked":
		a.Blocked, err = yes(s)
	case "age_limit":
		a.AgeLimit, err = years(s)
	default:
		p.name(strings.TrimPrefix(column, "name_"), text(s))
	}
	return err
}

func (p *rowParser) name(tag, s string) {
	if p.article.Names == nil {
		p.article.Names = make(map[string]string)
	}
	p.article.Names[tag] = s
}

// finish checks the article as a whole.
func (p *rowParser) finish() {
	if len(p.problems) > 0 {
		return // what was not read would be reported again
	}
	if !p.priced && !p.article.OpenPrice {
		p.problem("price", "is missing")
	}
	for _, problem := range p.article.Problems() {
		problem.Line = p.line
		p.problems = append(p.problems, problem)
	}
}

func (p *rowParser) price(s string) (money.UnitPrice, error) {
	p.priced = true
	if p.options.DecimalComma {
		if strings.Contains(s, ".") {
			return 0, fmt.Errorf("%.40q has a point where a comma is expected", s)
		}
		s = strings.Replace(s, ",", ".", 1)
	}
	return money.ParseUnitPrice(s)
}

func gtins(s string) ([]GTIN, error) {
	var out []GTIN
	for _, number := range numbers(s) {
		g, err := ParseGTIN(number)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(out, g) {
			out = append(out, g)
		}
	}
	return out, nil
}

// numbers splits at blanks and bars.
func numbers(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ' ' || r == '|' })
}

func yes(s string) (bool, error) {
	switch strings.ToLower(s) {
	case "yes", "true", "1", "x":
		return true, nil
	case "no", "false", "0":
		return false, nil
	}
	return false, fmt.Errorf("%.40q is neither yes nor no", s)
}

func years(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 || n > 99 {
		return 0, fmt.Errorf("%.40q is not a number of years from 0 to 99", s)
	}
	return n, nil
}

// text resolves HTML entities and brings blanks in order. Some exports escape
// twice, so it is done twice.
func text(s string) string {
	s = html.UnescapeString(html.UnescapeString(s))
	return strings.Join(strings.Fields(s), " ")
}

// shown makes a column's name fit for a message, whatever is in it.
func shown(name string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, name[:min(len(name), 40)])
}
