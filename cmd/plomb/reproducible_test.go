package main_test

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The Makefile's way to build gives the same bytes wherever the sources lie: what was
// released can be made again out of them.
//
// Requirement: FM-10
func TestABuildInAnotherFolderHasTheSameBytes(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a program twice")
	}
	makefile, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^BUILD +:= (CGO_ENABLED=0) \$\(GO\) (build .*)$`).FindSubmatch(makefile)
	if found == nil {
		t.Fatal("the Makefile says otherwise how it builds")
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(t.TempDir(), "elsewhere", "sources")
	copySources(t, root, copied)
	build := func(dir string) []byte {
		out := filepath.Join(t.TempDir(), "program")
		cmd := exec.CommandContext(t.Context(), "sh", "-c", "exec go "+string(found[2])+` -o "$0" ./cmd/plomb-verify`, out)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), string(found[1]), "GOFLAGS=")
		if text, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("build in %s: %v\n%s", dir, err, text)
		}
		data, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	here, there := build(root), build(copied)
	if !bytes.Equal(here, there) {
		t.Errorf("%d bytes here and %d there differ", len(here), len(there))
	}
	if bytes.Contains(there, []byte(strings.TrimSuffix(copied, "sources"))) {
		t.Error("the program names the folder that it was built in")
	}
}

// copySources copies the Go files and what they embed.
func copySources(t *testing.T, from, to string) {
	t.Helper()
	err := filepath.WalkDir(from, func(name string, d fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(from, name)
		switch {
		case err != nil:
			return err
		case d.IsDir() && (rel == ".git" || rel == "bin" || rel == "node_modules"):
			return filepath.SkipDir
		case d.IsDir():
			return os.MkdirAll(filepath.Join(to, rel), 0o755)
		case !d.Type().IsRegular():
			return nil
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, rel), data, 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
}
