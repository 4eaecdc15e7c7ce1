package main

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/plomb-pos/plomb/internal/powercut/rig/witness"
	"github.com/plomb-pos/plomb/journal"
	"github.com/plomb-pos/plomb/journal/proof"
	"github.com/plomb-pos/plomb/update"
)

// history is the till's journal as its update agent sees it. What is durable is said
// on out: "ACK index tag", "STAGE stage/outcome release".
type history struct {
	journal *journal.Journal
	lazy    bool // a mutant: says so before it is durable
	mu      sync.Mutex
	out     io.Writer
	last    *update.Event // the launcher's line that was recorded last; owned by the agent's goroutine
}

// append writes an entry, and says so when it is durable.
func (h *history) append(ctx context.Context, kind proof.Kind, body any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	ticket, err := h.journal.Stage(journal.Draft{Kind: kind, Time: time.Now(), Body: text})
	if err != nil {
		return err
	}
	if !h.lazy {
		if err := ticket.Wait(ctx); err != nil {
			return err
		}
	}
	h.say("ACK %d %s", ticket.First(), witness.Tag(ticket.HeadBytes(0)))
	return nil
}

func (h *history) say(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	fmt.Fprintf(h.out, format+"\n", args...)
}

// Record makes an event of an update an entry.
func (h *history) Record(ctx context.Context, e update.Event) error {
	if err := h.append(ctx, witness.Event, e); err != nil {
		return err
	}
	if e.Line > 0 {
		h.last = &e
	} else {
		h.say("STAGE %s/%s %s", e.Stage, e.Outcome, e.Identity)
	}
	return nil
}

// LastLine looks for the launcher's line that was copied last.
func (h *history) LastLine(ctx context.Context) (uint64, time.Time, error) {
	if h.last != nil {
		return h.last.Line, h.last.Time, nil
	}
	for i := h.journal.Size(); i > 0; i-- {
		entry, err := h.journal.Entry(ctx, i-1)
		if err != nil {
			return 0, time.Time{}, err
		}
		if entry.Head.Kind != witness.Event {
			continue
		}
		var e update.Event
		if err := json.Unmarshal(entry.Body, &e); err != nil {
			return 0, time.Time{}, err
		}
		if e.Line > 0 {
			return e.Line, e.Time, nil
		}
	}
	return 0, time.Time{}, nil
}
