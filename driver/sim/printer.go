package sim

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/plomb-pos/plomb/driver/escpos"
	"github.com/plomb-pos/plomb/driver/escpos/emulator"
	"github.com/plomb-pos/plomb/driver/receiptprinter"
	"github.com/plomb-pos/plomb/xfs4iot/host"
)

// Printer is a receipt printer with a cash drawer.
type Printer struct {
	device *emulator.Emulator
	driver *escpos.Printer
	memory receiptprinter.Memory

	mu  sync.Mutex // guards xfs
	xfs *receiptprinter.Service
}

// Fault is something that goes wrong with a printer.
type Fault string

// The faults. What after means stands beside each.
const (
	PaperOut    Fault = "paperOut"    // after so many more lines; 0: at once
	PaperLow    Fault = "paperLow"    // at once
	CoverOpen   Fault = "coverOpen"   // at once
	CutterStuck Fault = "cutterStuck" // at once
	Slow        Fault = "slow"        // prints so many bytes per second; 0: 200
	Dies        Fault = "dies"        // loses power after so many more bytes; 0: at once
)

// slow is the speed of a slow printer: about ten lines a second are normal, it has
// four.
const slow = 200

// NewPrinter makes a printer with paper in it and its drawer closed.
func NewPrinter(p escpos.Profile) *Printer {
	device := emulator.New(p)
	driver := escpos.New(device.Dial(), p)
	driver.Redial, driver.Heartbeat = 20*time.Millisecond, time.Second
	out := &Printer{device: device, driver: driver}
	driver.OnStatus = out.report
	return out
}

func (p *Printer) service() *host.Service {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.xfs = receiptprinter.New(PrinterName, p.driver, &p.memory)
	return p.xfs.XFS()
}

// report is called by the driver, in order.
func (p *Printer) report(s escpos.Status) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.xfs != nil {
		p.xfs.Report(s)
	}
}

// Fault makes something go wrong; see the faults for what after means.
func (p *Printer) Fault(f Fault, after int) error {
	switch f {
	case PaperOut:
		p.paperOut(after)
	case PaperLow:
		p.device.SetPaper(escpos.PaperLow)
	case CoverOpen:
		p.device.SetCover(true)
	case CutterStuck:
		p.device.SetCutter(true)
	case Slow:
		p.slow(after)
	case Dies:
		p.dies(after)
	default:
		return fmt.Errorf("unknown fault %q", f)
	}
	return nil
}

func (p *Printer) paperOut(after int) {
	if after > 0 {
		p.device.OutAfter(after)
		return
	}
	p.device.SetPaper(escpos.PaperOut)
}

func (p *Printer) slow(speed int) {
	if speed <= 0 {
		speed = slow
	}
	p.device.SetSpeed(speed)
}

func (p *Printer) dies(after int) {
	if after > 0 {
		p.device.DieAfter(after)
		return
	}
	p.device.PowerOff()
}

// Mend ends all faults: paper in, cover closed, cutter free, full speed, power on.
// What was printed stays, the drawer stays as it is.
func (p *Printer) Mend() {
	p.device.OutAfter(0)
	p.device.DieAfter(0)
	p.device.SetSpeed(0)
	p.device.SetPaper(escpos.PaperOK)
	p.device.SetCover(false)
	p.device.SetCutter(false)
	p.device.PowerOn()
}

// Document is a piece of paper that came out.
type Document struct {
	Number int // counts from 1 and is never used again
	escpos.Sheet
}

// Printed returns the documents that lie at the printer, the oldest first. The last
// one may still hang in it (Cut is escpos.Uncut).
func (p *Printer) Printed() []Document {
	first := p.device.Taken() + 1
	sheets := p.device.Sheets()
	out := make([]Document, len(sheets))
	for i, s := range sheets {
		out[i] = Document{Number: first + i, Sheet: s}
	}
	return out
}

// Await returns the documents at the printer once n of them are separated from it.
func (p *Printer) Await(ctx context.Context, n int) ([]Document, error) {
	for {
		changed := p.device.Changed()
		docs := p.Printed()
		if separated(docs) >= n {
			return docs, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return docs, fmt.Errorf("wait for %d documents, have %d: %w", n, len(docs), ctx.Err())
		}
	}
}

func separated(docs []Document) int {
	if n := len(docs); n > 0 && docs[n-1].Cut == escpos.Uncut {
		return n - 1
	}
	return len(docs)
}

// Take tears off what hangs in the printer and takes all paper away.
func (p *Printer) Take() { p.device.TakePaper() }

// CloseDrawer pushes the drawer shut.
func (p *Printer) CloseDrawer() { p.device.CloseDrawer() }

// Drawer is the state of the drawer.
func (p *Printer) Drawer() escpos.Drawer { return p.device.Status().Drawer }

// Kicks is how often the drawer was opened by a pulse (at most 200 are counted).
func (p *Printer) Kicks() int { return len(p.device.Pulses()) }

// Status is the true state of the printer; Connected means that it has power.
func (p *Printer) Status() escpos.Status { return p.device.Status() }

// Problems is what the printer did not understand or could not draw.
func (p *Printer) Problems() []error { return p.device.Problems() }

// Changed is closed by the next change of paper, drawer or state.
func (p *Printer) Changed() <-chan struct{} { return p.device.Changed() }
