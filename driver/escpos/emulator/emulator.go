// Package emulator is a receipt printer without paper: it speaks ESC/POS over any
// connection, draws what it is sent (escpos.Roll), answers status requests, and
// has the faults of a real one at the push of a button. Tests print on it, and
// developers see on it what their customers will hold in their hands.
//
// It behaves as a printer does where that matters to a driver: data waits in a
// buffer of bounded size and is printed in order; real-time commands are carried
// out at once, past the buffer; without paper or with an open cover the buffer
// stands still; a printer that dies takes its buffer with it, and every connection.
// Unlike a real one it never mistakes picture data for a real-time command.
//
//	e := emulator.New(escpos.Generic80())
//	go e.Serve(ctx, listener) // as on port 9100
//	e.OutAfter(7)             // lines
//	sheets := e.Sheets()
package emulator

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"sync"

	"github.com/plomb-pos/plomb/driver/escpos"
)

// Emulator is one printer with one drawer. All methods may be called concurrently.
type Emulator struct {
	profile escpos.Profile

	mu       sync.Mutex // guards what follows
	changed  chan struct{}
	status   escpos.Status // Connected means switched on
	roll     *escpos.Roll
	done     []escpos.Sheet // taken from roll, the oldest first
	taken    int            // how many sheets were forgotten
	pulses   []escpos.Pulse
	problems []error
	conns    map[*conn]struct{}
	speed    int // bytes per second, 0 for no limit
	lines    int // until the paper is out, 0 for never
	bytes    int // until it dies, 0 for never
}

// Bounds of what is kept; the oldest goes first.
const (
	maxSheets   = 200
	maxLength   = 400_000 // dots of paper: 50 m
	maxPulses   = 200
	maxProblems = 200
)

// New makes a printer that is switched on, with paper, its cover and its drawer
// closed.
func New(p escpos.Profile) *Emulator {
	return &Emulator{
		profile: p, roll: escpos.NewRoll(p), conns: map[*conn]struct{}{}, changed: make(chan struct{}),
		status: escpos.Status{Connected: true, Paper: escpos.PaperOK, Drawer: escpos.DrawerClosed},
	}
}

// Profile is the model that is emulated.
func (e *Emulator) Profile() escpos.Profile { return e.profile }

// Serve accepts connections until ctx ends, and closes ln. A printer that is
// switched off closes them at once.
func (e *Emulator) Serve(ctx context.Context, ln net.Listener) error {
	var running sync.WaitGroup
	defer running.Wait()
	defer context.AfterFunc(ctx, func() { ln.Close() })()
	for {
		c, err := ln.Accept()
		if err != nil {
			return errors.Join(ctx.Err(), err)
		}
		running.Go(func() { e.ServeConn(ctx, c) })
	}
}

// ServeConn speaks on one connection until it ends, the printer dies or ctx ends.
func (e *Emulator) ServeConn(ctx context.Context, rwc io.ReadWriteCloser) {
	c := newConn(e, rwc)
	if !e.join(c) {
		c.close()
		return
	}
	defer e.leave(c)
	c.run(ctx)
}

// Dial connects in memory, without any network; see [escpos.New].
func (e *Emulator) Dial() escpos.Dial {
	return func(context.Context) (io.ReadWriteCloser, error) {
		if !e.Status().Connected {
			return nil, escpos.ErrDisconnected
		}
		near, far := net.Pipe()
		go e.ServeConn(context.Background(), far) // ends when near is closed
		return near, nil
	}
}

func (e *Emulator) join(c *conn) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.status.Connected {
		e.conns[c] = struct{}{}
	}
	return e.status.Connected
}

func (e *Emulator) leave(c *conn) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.conns, c)
}

// Changed is closed by the next change of paper, status or drawer.
func (e *Emulator) Changed() <-chan struct{} {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.changed
}

// tell is called with mu held.
func (e *Emulator) tell() {
	close(e.changed)
	e.changed = make(chan struct{})
}

// Status is the true state; Connected means that the printer is switched on.
func (e *Emulator) Status() escpos.Status {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.status
}

// Sheets returns what was printed, the oldest first; the last one may still hang
// in the printer.
func (e *Emulator) Sheets() []escpos.Sheet {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append(slices.Clone(e.done), e.roll.Sheets()...)
}

// Taken is how many sheets were taken away or forgotten before the first of
// [Emulator.Sheets]; with it sheets can be numbered.
func (e *Emulator) Taken() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.taken
}

// Pulses returns the pulses on the drawer connector, the oldest first.
func (e *Emulator) Pulses() []escpos.Pulse {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.pulses)
}

// Problems returns what could not be understood or drawn, the oldest first.
func (e *Emulator) Problems() []error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.problems)
}

// execute carries out the first command of a connection's buffer, if it is still
// the one that first returned and the printer still can.
func (e *Emulator) execute(c *conn, drops int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.status.Connected || e.status.Offline {
		return
	}
	cmd, ok := c.pop(drops)
	if !ok {
		return
	}
	if e.dies(cmd) {
		e.powerOff()
		return
	}
	e.perform(c, cmd)
}

func (e *Emulator) perform(c *conn, cmd escpos.Command) {
	switch cmd := cmd.(type) {
	case escpos.Pulse:
		e.pulse(cmd)
	case escpos.AutoStatus:
		c.mask = cmd.Bits
		c.reply(e.report())
	case escpos.StatusRequest:
		c.reply(escpos.RequestReply{Byte: e.requested(cmd.What)})
	case escpos.ProcessID:
		c.reply(escpos.ProcessIDReply(cmd))
	case escpos.Unknown:
		e.problem(&escpos.UnknownError{Bytes: cmd.Bytes})
	default:
		e.print(cmd)
	}
}

// dies counts the bytes down to the end that DieAfter set.
func (e *Emulator) dies(cmd escpos.Command) bool {
	if e.bytes == 0 {
		return false
	}
	e.bytes = max(e.bytes-size(cmd), 0)
	return e.bytes == 0
}

func size(cmd escpos.Command) int { return len(cmd.AppendTo(nil)) }

func (e *Emulator) print(cmd escpos.Command) {
	if err := e.roll.Apply(cmd); err != nil {
		e.problem(err)
	}
	e.keep(e.roll.Take())
	e.consume(cmd)
	switch cmd.(type) {
	case escpos.LineFeed, escpos.Feed, escpos.Cut, escpos.Raster, escpos.QRPrint, escpos.Barcode:
		e.tell()
	}
}

func (e *Emulator) keep(sheets []escpos.Sheet) {
	e.done = append(e.done, sheets...)
	for len(e.done) > maxSheets || length(e.done) > maxLength {
		e.done = slices.Delete(e.done, 0, 1)
		e.taken++
	}
}

func length(sheets []escpos.Sheet) (dots int) {
	for _, s := range sheets {
		dots += s.Image.Rect.Dy()
	}
	return dots
}

// consume counts lines down to the end of the paper that OutAfter set.
func (e *Emulator) consume(cmd escpos.Command) {
	if _, line := cmd.(escpos.LineFeed); !line || e.lines == 0 {
		return
	}
	if e.lines--; e.lines == 0 {
		e.set(func(s *escpos.Status) { s.Paper = escpos.PaperOut })
	}
}

func (e *Emulator) pulse(p escpos.Pulse) {
	e.pulses = append(e.pulses, p)
	e.pulses = e.pulses[max(len(e.pulses)-maxPulses, 0):]
	e.set(func(s *escpos.Status) { s.Drawer = escpos.DrawerOpen })
}

func (e *Emulator) problem(err error) {
	e.problems = append(e.problems, err)
	e.problems = e.problems[max(len(e.problems)-maxProblems, 0):]
}

func (e *Emulator) report() escpos.StatusReport {
	return escpos.StatusReport{Bytes: e.status.Report(e.profile.DrawerOpenLow)}
}

// requested is the answer to GS r: 1 paper, 2 drawer pin.
func (e *Emulator) requested(what byte) byte {
	report := e.status.Report(e.profile.DrawerOpenLow)
	if what == 2 {
		return report[0] >> 2 & 1
	}
	return report[2]
}

// set changes the status, with mu held, and reports it where that was asked for.
func (e *Emulator) set(change func(*escpos.Status)) {
	before := e.status
	change(&e.status)
	s := &e.status
	s.Offline = s.CoverOpen || s.Cutter || s.Fault || s.Paper == escpos.PaperOut
	if *s == before {
		return
	}
	for c := range e.conns {
		if c.mask != 0 {
			c.reply(e.report())
		}
	}
	e.tell()
}

// ready says whether the printer carries commands out; if not, changed is closed
// by the next change.
func (e *Emulator) ready() (ok bool, speed int, changed <-chan struct{}) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return !e.status.Offline, e.speed, e.changed
}

// realtime carries a real-time command out; ok is false for others.
func (e *Emulator) realtime(c *conn, cmd escpos.Command) (ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch cmd := cmd.(type) {
	case escpos.RealtimeStatus:
		c.reply(escpos.RealtimeReply{Byte: e.status.Realtime(cmd.What, e.profile.DrawerOpenLow)})
	case escpos.RealtimePulse:
		e.pulse(escpos.Pulse{Pin: cmd.Pin, On: cmd.On * 50, Off: cmd.On * 50})
	case escpos.RealtimeClear:
		c.drop()
		c.reply(escpos.ClearedReply{})
	case escpos.RealtimeRecover:
		if cmd.How == 2 {
			c.drop()
		}
	default:
		return false
	}
	return true
}
