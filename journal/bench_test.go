package journal_test

import (
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/journal"
	"github.com/plomb-pos/plomb/journal/journaltest"
)

func benchDraft(sign bool) journal.Draft {
	return journal.Draft{Kind: 1, Time: time.UnixMilli(1_800_000_000_000), Body: make([]byte, 300), Sign: sign}
}

// BenchmarkRaw is the limit: a preallocated file, 500 bytes, written and synced.
func BenchmarkRaw(b *testing.B) {
	f, err := durable.OS{}.Create(filepath.Join(b.TempDir(), "raw"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(make([]byte, 16<<20), 0); err != nil {
		b.Fatal(err)
	}
	if err := f.Sync(); err != nil {
		b.Fatal(err)
	}
	record := make([]byte, 500)
	b.ResetTimer()
	for i := range b.N {
		if _, err := f.WriteAt(record, int64(i*500%(16<<20-500))); err != nil {
			b.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppend(b *testing.B) {
	b.Run("one writer", func(b *testing.B) { benchAppend(b, 1, false) })
	b.Run("64 writers", func(b *testing.B) { benchAppend(b, 64, false) })
	b.Run("one writer, receipts", func(b *testing.B) { benchAppend(b, 1, true) })
	b.Run("64 writers, receipts", func(b *testing.B) { benchAppend(b, 64, true) })
}

func benchAppend(b *testing.B, writers int, sign bool) {
	opts := journal.Options{Keys: journaltest.NewKeys(), Signer: journaltest.NewSigner(origin)}
	j, err := journal.Create(contextBackground, filepath.Join(b.TempDir(), "e1"), origin, drafts(1), opts)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	var wg sync.WaitGroup
	for w := range writers {
		n := b.N / writers
		if w < b.N%writers {
			n++
		}
		wg.Go(func() { appendMany(b, j, n, sign) })
	}
	wg.Wait()
	b.StopTimer()
	if err := j.Close(contextBackground); err != nil {
		b.Error(err)
	}
}

func appendMany(b *testing.B, j *journal.Journal, n int, sign bool) {
	d := benchDraft(sign)
	for range n {
		t, err := j.Append(contextBackground, d)
		if err == nil && sign {
			_, err = t.Signed(contextBackground)
		}
		if err != nil {
			b.Error(err)
			return
		}
	}
}
