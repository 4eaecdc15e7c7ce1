package sim

import (
	"context"
	"fmt"
	"io/fs"

	"github.com/plomb-pos/plomb/driver/sim/panel"
	"github.com/plomb-pos/plomb/xfs4iot/host"
)

// PrinterState is the printer with its drawer.
type PrinterState struct {
	Power     bool        `json:"power"`
	Paper     string      `json:"paper"` // ok, low, out
	CoverOpen bool        `json:"coverOpen"`
	Cutter    bool        `json:"cutterStuck"`
	Drawer    string      `json:"drawer"` // open, closed
	Kicks     int         `json:"kicks"`  // pulses on the drawer
	Sheets    []SheetInfo `json:"sheets"`
	Problems  []string    `json:"problems"`
}

// SheetInfo is one piece of paper.
type SheetInfo struct {
	Number  int    `json:"number"`
	Picture string `json:"picture"` // its name for Picture
	Length  int    `json:"length"`  // dots; a sheet in the printer grows
	Cut     string `json:"cut"`
	Text    string `json:"text"`
}

// Class is "receiptprinter".
func (p *Printer) Class() string { return "receiptprinter" }

// Service makes a fresh service over the printer.
func (p *Printer) Service() *host.Service { return p.service() }

// Run drives the printer until ctx ends.
func (p *Printer) Run(ctx context.Context) error { return p.driver.Run(ctx) }

// State is a PrinterState.
func (p *Printer) State() any {
	s := p.Status()
	out := PrinterState{
		Power: s.Connected, Paper: s.Paper.String(), CoverOpen: s.CoverOpen,
		Cutter: s.Cutter, Drawer: s.Drawer.String(), Kicks: p.Kicks(), Sheets: []SheetInfo{}, Problems: []string{},
	}
	for _, doc := range p.Printed() {
		out.Sheets = append(out.Sheets, SheetInfo{doc.Number, pictureName(doc), doc.Image.Bounds().Dy(), string(doc.Cut), doc.Text()})
	}
	for _, err := range p.Problems() {
		out.Problems = append(out.Problems, err.Error())
	}
	return out
}

// pictureName changes while the sheet grows, so that no old picture is shown.
func pictureName(d Document) string { return fmt.Sprintf("%d-%d.png", d.Number, d.Image.Bounds().Dy()) }

// Picture is the picture of a sheet that lies at the printer. One that has grown
// since it was named is shown as it is now.
func (p *Printer) Picture(name string) ([]byte, error) {
	var number, height int
	if _, err := fmt.Sscanf(name, "%d-%d.png", &number, &height); err != nil {
		return nil, fs.ErrNotExist
	}
	for _, doc := range p.Printed() {
		if doc.Number == number && height <= doc.Image.Bounds().Dy() {
			return doc.PNG()
		}
	}
	return nil, fs.ErrNotExist
}

// Acts are the faults and what people do with paper and drawer.
func (p *Printer) Acts() []panel.Act {
	return []panel.Act{
		{Name: "take", Label: "Take the paper", Kind: panel.Hand, Do: func(panel.Values) error { p.Take(); return nil }},
		{Name: "close-drawer", Label: "Push the drawer shut", Kind: panel.Hand, Do: func(panel.Values) error { p.CloseDrawer(); return nil }},
		p.fault(CoverOpen, "Open the cover", ""),
		p.fault(PaperLow, "Nearly empty roll", ""),
		p.fault(PaperOut, "The roll ends", "after lines"),
		p.fault(CutterStuck, "Jam the cutter", ""),
		p.fault(Slow, "Slow down", "bytes a second"),
		p.fault(Dies, "Lose power", "after bytes"),
		{Name: "mend", Label: "All in order", Kind: panel.Repair, Do: func(panel.Values) error { p.Mend(); return nil }},
	}
}

// fault is the act of a fault; after names its number, if it has one.
func (p *Printer) fault(f Fault, label, after string) panel.Act {
	act := panel.Act{
		Name: string(f), Label: label, Kind: panel.Fault,
		Do: func(v panel.Values) error { return p.Fault(f, v.Int("after")) },
	}
	if after != "" {
		act.Args = []panel.Arg{{Name: "after", Label: after, Number: true, Default: "0"}}
	}
	return act
}

// DisplayState is the customer display.
type DisplayState struct {
	Lines []string `json:"lines"`
	Beeps int      `json:"beeps"`
}

// Class is "customerdisplay".
func (d *Display) Class() string { return "customerdisplay" }

// Service makes a fresh service over the display.
func (d *Display) Service() *host.Service { return d.service() }

// State is a DisplayState.
func (d *Display) State() any { return DisplayState{d.Lines(), d.Beeps()} }

// Acts is empty: a customer only looks at a display.
func (d *Display) Acts() []panel.Act { return nil }
