package software_test

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/journal"
	"github.com/plomb-pos/plomb/journal/proof"
	"github.com/plomb-pos/plomb/seal"
	"github.com/plomb-pos/plomb/staff"
	"github.com/plomb-pos/plomb/till"
	"github.com/plomb-pos/plomb/till/software"
	"github.com/plomb-pos/plomb/till/tilltest"
	"github.com/plomb-pos/plomb/update"
)

// format1 is a till's folder as a program of format 1 left it, commit a2dcb11 with these
// tests' till: two sales, three steps of an update, and a sale begun.
const format1 = "testdata/format1.tar.gz"

func unpack(t *testing.T, archive string) string {
	t.Helper()
	file, err := os.Open(archive)
	must(t, err)
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	must(t, err)
	dir := t.TempDir()
	for files := tar.NewReader(unzipped); ; {
		h, err := files.Next()
		if errors.Is(err, io.EOF) {
			return dir
		}
		must(t, err)
		name := filepath.Join(dir, filepath.FromSlash(h.Name))
		if h.Typeflag == tar.TypeDir {
			must(t, os.MkdirAll(name, 0o700))
			continue
		}
		text, err := io.ReadAll(files)
		must(t, err)
		must(t, os.WriteFile(name, text, 0o600))
	}
}

// written opens a till's folder in place of the shop's own.
func (s *shop) written(dir string) {
	s.t.Helper()
	s.Close()
	s.Dir = dir
	s.Restart()
	s.join()
}

// kinds are those of the entries of a folder.
func kinds(t *testing.T, dir string) (out []proof.Kind, formats map[int]int) {
	t.Helper()
	box, err := seal.Open(durable.OS{}, filepath.Join(dir, "seal"))
	must(t, err)
	j, err := journal.OpenReadOnly(filepath.Join(dir, "e1"), journal.ReadOptions{Keys: box.JournalKeys()})
	must(t, err)
	formats = map[int]int{}
	for e, err := range j.Entries(t.Context(), 0, math.MaxUint64) {
		must(t, err)
		out = append(out, e.Head.Kind)
		b, err := fiscal.Decode(e.Head.Kind, e.Body)
		must(t, err)
		formats[fiscal.FormatOf(b)]++
	}
	return out, formats
}

// Requirement: CU-08
func TestATillGoesOnWithWhatAProgramOfFormat1Wrote(t *testing.T) {
	for name, c := range map[string]struct{ format, want int }{
		"and may fall back to it": {1, 1}, "which is gone": {2, 2},
	} {
		t.Run(name, func(t *testing.T) {
			r := &repositories{version: 7}
			s := open(t, r.config(), tilltest.With(func(o *till.Options) { o.Format = c.format }))
			s.written(unpack(t, format1))
			before, _ := kinds(t, unpack(t, format1))
			boss := s.As(staff.Supervisor)
			state := boss.State()
			if state.Basket == nil || state.Basket.Due != 349 {
				t.Fatalf("the sale that was begun: %+v", state.Basket)
			}
			boss.Pay("cash", 0)
			if got := boss.Sell("BRD-01"); got.Number != 4 {
				t.Errorf("the next receipt is %d", got.Number)
			}
			if diff := cmp.Diff([]string{"announced done", "downloaded done", "transmission done"}, s.steps()); diff != "" {
				t.Errorf("what it tells of updates (-want +got):\n%s", diff)
			}
			must(t, s.Look(t.Context()))
			s.record(event(3, update.Authenticity, update.Done))
			s.Close()
			s.verify()
			after, formats := kinds(t, s.Dir)
			if diff := cmp.Diff(before, after[:len(before)]); diff != "" {
				t.Errorf("what was there has changed:\n%s", diff)
			}
			if formats[2] != 0 && c.want == 1 || formats[2] == 0 && c.want == 2 {
				t.Errorf("entries by format: %v", formats)
			}
		})
	}
}

// tomorrow writes an entry of a program from later into a till's journal.
func (s *shop) tomorrow(kind proof.Kind, body string) {
	s.t.Helper()
	s.Close()
	box, err := seal.Open(durable.OS{}, filepath.Join(s.Dir, "seal"))
	must(s.t, err)
	signer, err := box.Signer(till.Origin("till-0a1b2c3d", 1))
	must(s.t, err)
	j, _, err := journal.Open(s.t.Context(), filepath.Join(s.Dir, "e1"), journal.Options{Keys: box.JournalKeys(), Signer: signer})
	must(s.t, err)
	d := journal.Draft{Kind: kind, Time: time.Now(), Body: []byte(body)}
	if kind == fiscal.KindSnapshot {
		d.Flags = proof.FlagSnapshot
	}
	ticket, err := j.Stage(d)
	must(s.t, err)
	must(s.t, ticket.Wait(s.t.Context()))
	must(s.t, j.Close(s.t.Context()))
}

// reopens is a start of the till, and its end.
func (s *shop) reopens() error {
	box, err := seal.Open(durable.OS{}, filepath.Join(s.Dir, "seal"))
	must(s.t, err)
	n, err := till.Open(s.t.Context(), till.Options{Dir: s.Dir, Keys: box.JournalKeys(), DatabaseKey: func(name string) ([]byte, error) {
		key, err := box.DatabaseKey(name)
		return key[:], err
	}})
	if err == nil {
		must(s.t, n.Close(s.t.Context()))
	}
	return err
}

// Requirement: CU-08
func TestATillDoesNotOpenWithWhatANewerProgramWroteAndChangesNothing(t *testing.T) {
	for name, e := range map[string]struct {
		kind proof.Kind
		body string
	}{
		"a kind from later":     {250, `{"by":"1"}`},
		"a member from later":   {fiscal.KindSoftwareStart, `{"version":"9.0.0","clean":true,"tomorrow":1}`},
		"a snapshot from later": {fiscal.KindSnapshot, `{"state":{"version":9,"origin":"till-0a1b2c3d/e1","size":1}}`},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, software.Config{})
			s.tomorrow(e.kind, e.body)
			before, err := os.ReadFile(filepath.Join(s.Dir, "e1", "00000001.seg"))
			must(t, err)
			err = s.reopens()
			if !errors.Is(err, journal.ErrVersion) || !strings.Contains(err.Error(), "newer") && !strings.Contains(err.Error(), "format 9") {
				t.Errorf("it opens: %v", err)
			}
			after, err := os.ReadFile(filepath.Join(s.Dir, "e1", "00000001.seg"))
			must(t, err)
			if string(before) != string(after) {
				t.Error("the journal was written to")
			}
		})
	}
}
