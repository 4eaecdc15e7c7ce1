package till

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/staff"
)

func TestEveryLanguageSaysTheSame(t *testing.T) {
	place := regexp.MustCompile(`\{[a-z]+\}`)
	english := phrases()["en"]
	if len(english) < 200 {
		t.Fatalf("%d phrases", len(english))
	}
	for _, l := range Languages {
		if len(phrases()[l]) != len(english) {
			t.Errorf("%s has %d phrases, en has %d", l, len(phrases()[l]), len(english))
		}
		for code, en := range english {
			p := phrases()[l][code]
			places := func(p phrase) []string {
				all := place.FindAllString(p.Text+p.Hint, -1)
				slices.Sort(all)
				return all
			}
			if p.Text == "" || (p.Hint == "") != (en.Hint == "") || !slices.Equal(places(p), places(en)) {
				t.Errorf("%s %s: %+v, en %+v", l, code, p, en)
			}
		}
	}
}

func TestEveryRefusalAndLabelHasWords(t *testing.T) {
	var codes []string
	for _, k := range fiscal.Kinds() {
		codes = append(codes, "kind-of-"+fiscal.KindName(k))
	}
	for _, s := range fiscal.SoftwareStages() {
		codes = append(codes, "stage-"+s)
	}
	for _, r := range staff.Roles() {
		codes = append(codes, "role-"+string(r))
	}
	for _, o := range staff.Table() {
		codes = append(codes, "op-"+string(o.Name))
	}
	codes = append(codes, refusalsInSource(t)...)
	for _, code := range codes {
		if _, ok := phrases()["en"][code]; !ok {
			t.Errorf("%s has no words", code)
		}
	}
}

// refusalsInSource lists the codes that this package's own code refuses with.
func refusalsInSource(t *testing.T) []string {
	var codes []string
	look := func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || len(call.Args) < 2 {
			return true
		}
		name, ok := call.Fun.(*ast.Ident)
		if !ok || name.Name != "refuse" && name.Name != "because" && name.Name != "label" {
			return true
		}
		if lit, ok := call.Args[1].(*ast.BasicLit); ok {
			code, err := strconv.Unquote(lit.Value)
			if err == nil && !strings.HasSuffix(code, "-") && code != "internal" { // says what its kind says
				codes = append(codes, code)
			}
		}
		return true
	}
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, look)
	}
	if len(codes) < 80 {
		t.Fatalf("only %d codes found", len(codes))
	}
	return codes
}
