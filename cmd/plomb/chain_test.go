package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/seal"
	"github.com/plomb-pos/plomb/staff"
	"github.com/plomb-pos/plomb/till"
	"github.com/plomb-pos/plomb/till/tilltest"
)

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// verifyChain runs plomb journal verify and gives every finding and note.
func verifyChain(t *testing.T, dir string) (code int, said string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(context.Background(), []string{"journal", "verify", "--json", "--dir", dir}, streams{In: strings.NewReader(""), Out: &out, Err: &errs})
	var result struct {
		Epochs []struct {
			Findings []struct{ What, Detail string }
			Notes    []string
		}
	}
	if err := json.Unmarshal(out.Bytes(), &result); err != nil {
		t.Fatalf("%v in %s %s", err, &out, &errs)
	}
	var lines []string
	for _, e := range result.Epochs {
		for _, f := range e.Findings {
			lines = append(lines, f.What+": "+f.Detail)
		}
		lines = append(lines, e.Notes...)
	}
	return code, strings.Join(lines, "\n")
}

// twoEpochs is a till's directory with two epochs, and an older copy of the first.
func twoEpochs(t *testing.T) (dir, old string) {
	t.Helper()
	shop := tilltest.New(t, tilltest.WithoutDevices())
	anna := shop.As(staff.Operator)
	anna.Do("drawer.open", "amount", 10000)
	anna.Sell("BRD-01")
	shop.Close()
	old = t.TempDir()
	ok(t, os.CopyFS(filepath.Join(old, "e1"), os.DirFS(filepath.Join(shop.Dir, "e1"))))
	shop.Restart()
	shop.As(staff.Operator).Sell("BRD-01")
	shop.Close()
	box, err := seal.Open(durable.OS{}, filepath.Join(shop.Dir, sealDir))
	ok(t, err)
	_, err = till.NewEpoch(t.Context(), tillOptions(shop.Dir, box, nil), till.EpochRequest{
		Reason: "new machine", Keys: box,
		Person:   till.Approval{Person: tilltest.IDs[staff.Administrator], PIN: tilltest.PIN},
		Approver: till.Approval{Person: tilltest.IDs[staff.Responsible], PIN: tilltest.PIN},
	})
	ok(t, err)
	return shop.Dir, old
}

// Requirement: POS-08
func TestJournalVerifyChecksHowEpochsGoOn(t *testing.T) {
	made, old := twoEpochs(t)
	for _, tt := range []struct {
		name   string
		change func(dir string)
		code   int
		want   string
	}{
		{"as made", func(string) {}, 3, "goes on from till-0a1b2c3d/e1: new machine"},
		{"without the first epoch", func(dir string) { ok(t, os.RemoveAll(filepath.Join(dir, "e1"))) }, 1, "epoch 1 is not there"},
		{"with an older copy of the first epoch", func(dir string) {
			ok(t, os.RemoveAll(filepath.Join(dir, "e1")))
			ok(t, os.CopyFS(filepath.Join(dir, "e1"), os.DirFS(filepath.Join(old, "e1"))))
		}, 3, "its end is lost"},
		{"with the first epoch in place of the second", func(dir string) {
			ok(t, os.RemoveAll(filepath.Join(dir, "e2")))
			ok(t, os.CopyFS(filepath.Join(dir, "e2"), os.DirFS(filepath.Join(dir, "e1"))))
		}, 1, "lies in the place of epoch 2"},
		{"with another till's first epoch", func(dir string) {
			other, _ := twoEpochs(t)
			ok(t, os.RemoveAll(filepath.Join(dir, "e1")))
			ok(t, os.CopyFS(filepath.Join(dir, "e1"), os.DirFS(filepath.Join(other, "e1"))))
		}, 1, "checkpoint"},
	} {
		dir := filepath.Join(t.TempDir(), "till")
		ok(t, os.CopyFS(dir, os.DirFS(made)))
		tt.change(dir)
		code, said := verifyChain(t, dir)
		if code != tt.code || !strings.Contains(said, tt.want) {
			t.Errorf("%s: exit %d, want %d with %q; it says\n%s", tt.name, code, tt.code, tt.want, said)
		}
	}
}
