package sqlite_test

import (
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A vault of a newer schema is refused, and a trial of a newer program that migrated it
// could not be given up any more. So a migration that is added here has to wait until
// the version in the till's other slot knows it too, as formats of entries do
// (till.Options.Format); none has come since there are formats.
//
// Requirement: CU-08
func TestNoMigrationOfTheVaultComesBetweenTwoVersions(t *testing.T) {
	files, err := os.ReadDir("migrations/vault")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range files {
		names = append(names, f.Name())
	}
	if diff := cmp.Diff([]string{"0001_start.sql", "0002_redo.sql"}, names); diff != "" {
		t.Errorf("migrations (-known +there):\n%s", diff)
	}
}
