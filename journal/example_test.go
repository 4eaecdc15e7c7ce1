package journal_test

import (
	"context"
	"fmt"
	"time"

	"github.com/plomb-pos/plomb/internal/powercut"
	"github.com/plomb-pos/plomb/journal"
	"github.com/plomb-pos/plomb/journal/journaltest"
)

func Example() {
	ctx := context.Background()
	disk := powercut.New() // a real till leaves FS out: the operating system's files
	opts := journal.Options{FS: disk, Keys: journaltest.NewKeys(), Signer: journaltest.NewSigner("till/e1")}
	now := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)

	j, err := journal.Create(ctx, "/e1", "till/e1", []journal.Draft{{Kind: 1, Time: now, Body: []byte(`{"commissioned":true}`)}}, opts)
	if err != nil {
		fmt.Println(err)
		return
	}
	ticket, err := j.Append(ctx, journal.Draft{Kind: 2, Time: now, Body: []byte(`{"total":1250}`), Sign: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	signed, err := ticket.Signed(ctx)
	fmt.Println("entry", ticket.First(), "is durable and signed as size", signed.Checkpoint.Size, err)

	// Power fails: nothing that was not synced is kept.
	opts.FS = disk.Cut(nil, powercut.KeepNone)
	j, recovery, err := journal.Open(ctx, "/e1", opts)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer j.Close(ctx)
	e, err := j.Entry(ctx, 1)
	fmt.Println(recovery.Size, string(e.Body), err)
	// Output:
	// entry 1 is durable and signed as size 2 <nil>
	// 2 {"total":1250} <nil>
}
