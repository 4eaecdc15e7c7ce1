package inventory_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/plomb-pos/plomb/internal/releasetest"
	"github.com/plomb-pos/plomb/update/boot"
	"github.com/plomb-pos/plomb/update/device"
	"github.com/plomb-pos/plomb/update/inventory"
	"github.com/plomb-pos/plomb/update/manifest"
)

// Requirement: CU-20
func TestEveryKindOfComponentIsAPartThatSomethingReplaces(t *testing.T) {
	kinds := kindsOfManifest(t)
	if len(kinds) < 8 {
		t.Fatalf("only %d kinds were found", len(kinds))
	}
	for _, k := range kinds {
		p, ok := inventory.OfKind(k)
		if !ok {
			t.Errorf("no part is of kind %q", k)
		}
		if p.By == inventory.Never || p.By == inventory.Record || p.By == inventory.Others {
			t.Errorf("%s is of kind %q, and %s replaces it", p.Name, k, p.By)
		}
	}
}

// kindsOfManifest reads the constants of type Kind from the source of update/manifest.
func kindsOfManifest(t *testing.T) (out []manifest.Kind) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join("..", "manifest", "manifest.go"), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		v, ok := n.(*ast.ValueSpec)
		if !ok || len(v.Values) != 1 {
			return true
		}
		if name, ok := v.Type.(*ast.Ident); ok && name.Name == "Kind" {
			text, err := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, manifest.Kind(text))
		}
		return true
	})
	return out
}

// Requirement: CU-20
func TestEveryFileOfADeviceBelongsToAPart(t *testing.T) {
	root := provisioned(t)
	if names, err := inventory.Unlisted(os.DirFS(root)); err != nil || len(names) > 0 {
		t.Errorf("%q belong to no part: %v", names, err)
	}
	if _, ok := inventory.Of("boot/device.key"); !ok {
		t.Error("a device's key belongs to no part")
	}
	for name, want := range map[string]string{"platform/boot/place": "slot table, launcher's log and lock", "platform/slots/a/system.raucb": "operating system, with the browser that shows the till"} {
		if p, ok := inventory.Of(name); !ok || p.Name != want {
			t.Errorf("%s belongs to %q", name, p.Name)
		}
	}
	if p, ok := inventory.Of("platform/platform/boot/table"); ok {
		t.Errorf("a platform in a platform belongs to %s", p.Name)
	}
	if err := os.WriteFile(filepath.Join(root, "boot", "unheard-of"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if names, err := inventory.Unlisted(os.DirFS(root)); err != nil || !slices.Equal(names, []string{"boot/unheard-of"}) {
		t.Errorf("a file that nobody knows: %q, %v", names, err)
	}
	if p, ok := inventory.Of("boot/unheard-of"); ok {
		t.Errorf("a file that nobody knows belongs to %s", p.Name)
	}
}

// provisioned is the folder of a device as it is made.
func provisioned(t *testing.T) string {
	t.Helper()
	now := func() time.Time { return time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC) }
	w := releasetest.New(t, now)
	key, err := device.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	w.Entitle(w.Release(releasetest.Plan{Counter: 1, Program: []byte("a program")}), key.Public())
	root := filepath.ToSlash(filepath.Join(t.TempDir(), "device"))
	if _, err := device.Provision(t.Context(), device.New{
		Root: root, Policy: w.TrustPolicy(), Facts: boot.Facts{Model: releasetest.Model, Jurisdiction: releasetest.Jurisdiction}, Key: key,
		Config:     device.Config{Sources: []string{w.Repository()}, Deployer: &w.Parties.Deployer, Take: device.Released},
		Repository: w.Repository(), Now: now,
	}); err != nil {
		t.Fatal(err)
	}
	return root
}

// Requirement: CU-20
func TestWhatCannotBeUpdatedHasAReasonAndWhatMakesUpForIt(t *testing.T) {
	names := map[string]bool{}
	for _, p := range inventory.Parts() {
		if p.Name == "" || names[p.Name] {
			t.Errorf("%q has no name, or another part's", p.Name)
		}
		names[p.Name] = true
		brought := p.By == inventory.Application || p.By == inventory.Platform || p.By == inventory.Policy
		if !brought && p.Why == "" || (p.Why == "") != (p.Instead == "") {
			t.Errorf("%s: replaced by %s, why %q, instead %q", p.Name, p.By, p.Why, p.Instead)
		}
	}
	if len(inventory.Fixed()) < 8 {
		t.Errorf("only %d fixed parts", len(inventory.Fixed()))
	}
}

// Requirement: CU-20
func TestThePaperNamesEveryPart(t *testing.T) {
	paper, err := os.ReadFile(filepath.Join("..", "..", "docs", "design", "0004-update.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range inventory.Parts() {
		if !strings.Contains(string(paper), "| "+p.Name+" | "+string(p.By)+" |") {
			t.Errorf("the paper does not say that %s is replaced by %s", p.Name, p.By)
		}
	}
}
