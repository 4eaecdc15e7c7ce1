package arch

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/modfile"
)

type goPackage struct {
	ImportPath string
	Dir        string
	Doc        string
	Imports    []string
	GoFiles    []string
}

// packages are all packages of the module, without their tests.
func packages(t *testing.T) []goPackage {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Dir,Doc,Imports,GoFiles", module+"/...")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var list []goPackage
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return list
		} else if err != nil {
			t.Fatalf("read go list: %v", err)
		}
		if len(p.GoFiles) > 0 {
			list = append(list, p)
		}
	}
}

func ours(path string) (string, bool) { return strings.CutPrefix(path, module+"/") }

// covers reports whether a pattern of the table ("a", "a/..." or "...") covers a package.
func covers(pattern, pkg string) bool {
	if pattern == "..." {
		return true
	}
	tree, isTree := strings.CutSuffix(pattern, "/...")
	return pkg == tree || isTree && strings.HasPrefix(pkg, tree+"/")
}

// rule finds the longest pattern of the table that covers a package.
func rule(pkg string) (pattern string, allowed []string, ok bool) {
	for p, a := range may {
		if covers(p, pkg) && (!ok || len(p) > len(pattern)) {
			pattern, allowed, ok = p, a, true
		}
	}
	return pattern, allowed, ok
}

func TestEachPackageImportsOnlyWhatTheTableAllows(t *testing.T) {
	for _, p := range packages(t) {
		name, ok := ours(p.ImportPath)
		if !ok {
			continue
		}
		_, allowed, ok := rule(name)
		if !ok {
			t.Errorf("package %s has no row in the table", name)
			continue
		}
		for _, imported := range p.Imports {
			other, ok := ours(imported)
			if !ok || strings.HasPrefix(other, name+"/") {
				continue
			}
			own := strings.SplitN(name, "/", 2)[0]
			sameTree := own != "till" && own != "cmd" && own != "internal" && own != "journal" && (other == own || strings.HasPrefix(other, own+"/"))
			if !sameTree && !slices.ContainsFunc(allowed, func(a string) bool { return covers(a, other) }) {
				t.Errorf("%s imports %s, which the table does not allow", name, other)
			}
		}
	}
}

func TestForeignPackagesStayInTheirHomes(t *testing.T) {
	for _, p := range packages(t) {
		name, _ := ours(p.ImportPath)
		for _, imported := range p.Imports {
			for foreign, homes := range home {
				if imported != foreign && !strings.HasPrefix(imported, foreign+"/") {
					continue
				}
				at := func(h string) bool { return name == h || strings.HasPrefix(name, h+"/") }
				if !slices.ContainsFunc(homes, at) {
					t.Errorf("%s imports %s, whose homes are %v", name, imported, homes)
				}
			}
		}
	}
}

func TestEveryPackageSaysWhatItIsFor(t *testing.T) {
	for _, p := range packages(t) {
		if p.Doc == "" {
			t.Errorf("%s has no package comment", p.ImportPath)
		}
	}
}

func TestTheModuleReplacesNothing(t *testing.T) {
	for _, file := range []string{"go.mod", "tools/go.mod"} {
		path := filepath.Join("..", "..", file)
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		f, err := modfile.Parse(path, data, nil)
		if err != nil {
			t.Fatal(err)
		}
		if len(f.Replace) > 0 || len(f.Exclude) > 0 {
			t.Errorf("%s has replace or exclude lines: what is built would not be what is named", file)
		}
	}
}

// TestEachDependencyIsExplained holds DEPENDENCIES.md against go.mod: a line
// for each direct requirement and none for what is gone.
func TestEachDependencyIsExplained(t *testing.T) {
	data, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	f, err := modfile.Parse("go.mod", data, nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("../../DEPENDENCIES.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range f.Require {
		line := "`" + r.Mod.Path + "`"
		if explained := strings.Contains(string(text), line); explained == r.Indirect {
			t.Errorf("DEPENDENCIES.md and go.mod disagree on %s (direct: %v, explained: %v)", r.Mod.Path, !r.Indirect, explained)
		}
	}
}
