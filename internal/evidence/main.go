// Command evidence prints, for an assessor, which test shows which requirement on the
// secure update of code: the rows that bind at level 2, and by themselves those that are
// recommendations there and requirements at level 3. It reads the comments
// "Requirement: CU-01" above tests, and the inventory of what no update replaces.
//
//	go run ./internal/evidence
//
// It fails when a row has no test, or a part that cannot be updated no reason. It says
// what the tests are called, not that they pass: that is the test run's word.
package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/plomb-pos/plomb/update/inventory"
)

func main() {
	shown, err := collect(os.DirFS("."))
	if err == nil {
		err = report(os.Stdout, rows, shown, inventory.Fixed())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "evidence:", err)
		os.Exit(1)
	}
}

// row is a requirement. One with both levels binds in part at level 2.
type row struct {
	id       string
	must     string
	two, rec bool // binds at level 2; is a recommendation there, and binds at level 3
}

// rows are the requirements on the update of code, CU-01 to CU-20.
var rows = []row{
	{"CU-01", "every kind of component can be updated securely", false, true},
	{"CU-02", "users are told and prompted, or need not act", false, true},
	{"CU-03", "integrity, authenticity and freshness of whole and part", true, false},
	{"CU-04", "no shared secret; content keys are wrapped per device", true, false},
	{"CU-05", "attestation of what runs (its cryptographic proof: recommended)", true, true},
	{"CU-06", "updates cannot be blocked unnoticed", false, true},
	{"CU-07", "sales go on during download and installation", true, false},
	{"CU-08", "download in the background, activation by switching", false, true},
	{"CU-09", "a key for authentication alone (an asymmetric one: recommended)", true, true},
	{"CU-10", "no rollback, of platform and of application", true, false},
	{"CU-11", "whole or not at all; verified before the first execution", true, false},
	{"CU-12", "a failed activation costs neither assets nor function", true, false},
	{"CU-13", "contents are confidential on the way", true, false},
	{"CU-14", "recommendations are treated as requirements", false, true},
	{"CU-15", "no new part before activation, no old part after it", true, false},
	{"CU-16", "keys are provisioned, kept and replaced securely", true, false},
	{"CU-17", "the deployer's decision is authentic, fresh and bounded", true, false},
	{"CU-18", "updates are announced, urgent ones have a deadline", true, false},
	{"CU-19", "platform and application have index, key and checks of their own", true, false},
	{"CU-20", "what cannot be updated is listed with reason and measures", true, false},
}

var requirement = regexp.MustCompile(`\b[A-Z]{2}-[0-9]{2}\b`)

// collect finds the tests that carry a requirement, by requirement: "folder.Test".
func collect(fsys fs.FS) (map[string][]string, error) {
	shown := map[string][]string{}
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(name, "_test.go") {
			return err
		}
		text, err := fs.ReadFile(fsys, name)
		if err != nil {
			return err
		}
		return collectFile(shown, name, text)
	})
	return shown, err
}

func collectFile(shown map[string][]string, name string, text []byte) error {
	file, err := parser.ParseFile(token.NewFileSet(), name, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	for _, decl := range file.Decls {
		f, ok := decl.(*ast.FuncDecl)
		if !ok || f.Doc == nil || !strings.HasPrefix(f.Name.Name, "Test") {
			continue
		}
		for line := range strings.Lines(f.Doc.Text()) {
			if ids, ok := strings.CutPrefix(line, "Requirement: "); ok {
				for _, id := range requirement.FindAllString(ids, -1) {
					shown[id] = append(shown[id], path.Dir(name)+"."+f.Name.Name)
				}
			}
		}
	}
	return nil
}

// report writes both levels and what cannot be updated.
func report(w io.Writer, rows []row, shown map[string][]string, fixed []inventory.Part) error {
	for _, r := range rows {
		if len(shown[r.id]) == 0 {
			return fmt.Errorf("no test shows %s: %s", r.id, r.must)
		}
	}
	for _, level := range []struct {
		title string
		in    func(row) bool
	}{
		{"Binding at level 2", func(r row) bool { return r.two }},
		{"Recommended at level 2, binding at level 3 and here", func(r row) bool { return r.rec }},
	} {
		fmt.Fprintf(w, "## %s\n\n| row | what | shown by |\n|---|---|---|\n", level.title)
		for _, r := range rows {
			if level.in(r) {
				tests := slices.Sorted(slices.Values(shown[r.id]))
				fmt.Fprintf(w, "| %s | %s | %s |\n", r.id, r.must, strings.Join(tests, "<br>"))
			}
		}
		fmt.Fprintln(w)
	}
	return reportFixed(w, fixed)
}

func reportFixed(w io.Writer, fixed []inventory.Part) error {
	fmt.Fprint(w, "## What no update of the till replaces\n\n| part | why | instead |\n|---|---|---|\n")
	for _, p := range fixed {
		if p.Why == "" || p.Instead == "" {
			return fmt.Errorf("%s cannot be updated, and has no reason or nothing that makes up for it", p.Name)
		}
		fmt.Fprintf(w, "| %s | %s | %s |\n", p.Name, p.Why, p.Instead)
	}
	return nil
}
