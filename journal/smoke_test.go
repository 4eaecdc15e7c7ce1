package journal_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/plomb-pos/plomb/journal"
	"github.com/plomb-pos/plomb/journal/journaltest"
)

func draft(n int) journal.Draft {
	return journal.Draft{Kind: 1, Time: time.UnixMilli(1_800_000_000_000 + int64(n)), Body: fmt.Appendf(nil, `{"sale":%d}`, n), Sign: n%3 == 0}
}

func TestSmoke(t *testing.T) {
	ctx := context.Background()
	dir := filepath.Join(t.TempDir(), "e1")
	signer := journaltest.NewSigner("till/e1")
	opts := journal.Options{Keys: journaltest.NewKeys(), Signer: signer, SegmentSize: 16 << 10, Events: func(e journal.Event) {
		if e.Err != nil {
			t.Log(e)
		}
	}}
	j, err := journal.Create(ctx, dir, "till/e1", []journal.Draft{draft(0)}, opts)
	if err != nil {
		t.Fatal(err)
	}
	for i := 1; i < 500; i++ {
		tk, err := j.Append(ctx, draft(i))
		if err != nil {
			t.Fatal(err)
		}
		if i%3 == 0 {
			s, err := tk.Signed(ctx)
			if err != nil || s.Checkpoint.Size != uint64(i+1) {
				t.Fatal(s, err)
			}
		}
	}
	for i, err := range j.Entries(ctx, 0, j.Size()) {
		if err != nil {
			t.Fatal(i, err)
		}
	}
	if _, _, err := j.Prove(ctx, 7, 300); err != nil {
		t.Fatal(err)
	}
	if err := j.Close(ctx); err != nil {
		t.Fatal(err)
	}
	j, r, err := journal.Open(ctx, dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", r)
	n := 0
	for e, err := range j.Entries(ctx, 0, 1<<60) {
		if err != nil {
			t.Fatal(err)
		}
		if string(e.Body) != fmt.Sprintf(`{"sale":%d}`, n) {
			t.Fatal(n, string(e.Body))
		}
		n++
	}
	if n != 500 {
		t.Fatal(n)
	}
	if _, _, err := j.Prove(ctx, 7, 300); err != nil {
		t.Fatal(err)
	}
	if err := j.Close(ctx); err != nil {
		t.Fatal(err)
	}
}
