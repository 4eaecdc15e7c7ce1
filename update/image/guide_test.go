package image_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/plomb-pos/plomb/internal/raucrig"
)

// RAUC reads what the guide says of its configuration. It refuses what it does not know.
func TestTheGuidesConfigurationIsOneThatRAUCReads(t *testing.T) {
	m, _ := machine(t, raucrig.Options{})
	guide, err := os.ReadFile("../../docs/guides/platform.md")
	must(t, err)
	_, rest, _ := strings.Cut(string(guide), "```ini\n")
	text, _, found := strings.Cut(rest, "```")
	if !found || !strings.Contains(text, "activate-installed=false") {
		t.Fatal("the guide has no configuration")
	}
	bundle := build(t, m, raucrig.Bundle{Version: "1", Image: system(t, 1, 1<<20)})
	read := func(text string) (string, error) {
		name := filepath.Join(t.TempDir(), "system.conf")
		must(t, os.WriteFile(name, []byte(text), 0o600))
		out, err := exec.CommandContext(t.Context(), "rauc", "--conf", name, "info", "--no-verify", bundle).CombinedOutput()
		return string(out), err
	}
	if out, err := read(text); err != nil || !strings.Contains(out, raucrig.Compatible) {
		t.Errorf("%v: %s", err, out)
	}
	if out, err := read(strings.Replace(text, "activate-installed", "activate-it", 1)); err == nil {
		t.Errorf("a word that RAUC does not know was read: %s", out)
	}
}
