package main

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/journal"
	"github.com/plomb-pos/plomb/logbook"
	"github.com/plomb-pos/plomb/xfs4iot/common"
	"github.com/plomb-pos/plomb/xfs4iot/dialout"
	"github.com/plomb-pos/plomb/xfs4iot/host"
)

// deviceBook is the journal of a host of devices; nil keeps none.
type deviceBook struct {
	book *logbook.Book

	mu   sync.Mutex // guards last
	last map[string]fiscal.DeviceState
}

// openDeviceBook opens the journal in dir, or makes one in an empty dir.
func openDeviceBook(ctx context.Context, dir string, log *slog.Logger) (*deviceBook, error) {
	if err := logbook.Ensure(ctx, dir, "devices"); err != nil {
		return nil, err
	}
	book, err := logbook.Open(ctx, dir, logbook.Options{Log: log})
	if errors.Is(err, journal.ErrLocked) {
		return nil, hint{err, "another plomb devices has it; give another --dir"}
	}
	if err != nil {
		return nil, hint{err, "give a new directory with --dir; the old one keeps what it has"}
	}
	return &deviceBook{book: book, last: map[string]fiscal.DeviceState{}}, nil
}

// refused records who was not let in.
func (b *deviceBook) refused(r host.Refusal) {
	if b == nil {
		return
	}
	e := &fiscal.ConnectionRefused{Peer: r.Client.Addr, Identity: logbook.OneLine(r.Client.Identity()), Service: logbook.OneLine(r.Service),
		Command: logbook.OneLine(r.Command), Reason: string(r.Reason), Further: int64(r.Suppressed)}
	if r.Err != nil {
		e.Detail = logbook.OneLine(r.Err.Error())
	}
	b.book.Note(e)
}

// link records what became of the connection to the data centre.
func (b *deviceBook) link(e dialout.Event) {
	if b == nil {
		return
	}
	cause := e.Address
	if e.Err != nil {
		cause = e.Err.Error()
	}
	if e.Kind == dialout.StreamDenied {
		b.book.Note(&fiscal.ConnectionRefused{Peer: e.Address, Service: e.Target, Reason: string(e.Kind), Detail: logbook.OneLine(cause)})
		return
	}
	b.book.Note(&fiscal.DeviceState{Device: "data centre", State: string(e.Kind), Cause: logbook.OneLine(cause)})
}

// status records that a device came, went, or wants attention; the rest of its
// status, which changes with every order, is not for a journal.
func (b *deviceBook) status(service string, s common.StatusCompletion) {
	if b == nil || s.Common == nil {
		return
	}
	now := fiscal.DeviceState{Device: service, State: string(s.Common.Device)}
	switch {
	case s.Printer != nil && s.Printer.Paper != nil && s.Printer.Paper.Upper != "":
		now.Cause = "paper " + string(s.Printer.Paper.Upper)
	case s.CashManagement != nil && s.CashManagement.Dispenser != "":
		now.Cause = "cash " + string(s.CashManagement.Dispenser)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.last[service] != now {
		b.last[service] = now
		b.book.Note(&now)
	}
}

func (b *deviceBook) close() error {
	if b == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return b.book.Close(ctx)
}
