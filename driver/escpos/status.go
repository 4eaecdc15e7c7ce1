package escpos

import "errors"

// Paper is what the printer's paper sensors say.
type Paper int

// The states of the paper.
const (
	PaperUnknown Paper = iota
	PaperOK
	PaperLow // near end
	PaperOut
)

func (p Paper) String() string {
	return [...]string{"unknown", "ok", "low", "out"}[p&3]
}

// Drawer is what the switch in the cash drawer says.
type Drawer int

// The states of a drawer.
const (
	DrawerUnknown Drawer = iota
	DrawerClosed
	DrawerOpen
)

func (d Drawer) String() string {
	return [...]string{"unknown", "closed", "open", "unknown"}[d&3]
}

// Status is the state of a printer as it last reported it.
type Status struct {
	Connected bool // an answer has come over the present connection
	Offline   bool // it takes no print data at the moment
	CoverOpen bool
	Paper     Paper
	Cutter    bool // the cutter is stuck
	Fault     bool // an error that only switching off or a service person ends
	Drawer    Drawer
}

// Trouble says why the printer cannot print now, or nil.
func (s Status) Trouble() error {
	switch {
	case !s.Connected:
		return ErrDisconnected
	case s.Paper == PaperOut:
		return ErrPaperOut
	case s.CoverOpen:
		return ErrCoverOpen
	case s.Cutter:
		return ErrCutter
	case s.Fault:
		return ErrFault
	case s.Offline:
		return ErrOffline
	}
	return nil
}

// What can keep a printer from printing.
var (
	ErrDisconnected = errors.New("printer not connected")
	ErrPaperOut     = errors.New("printer has no paper")
	ErrCoverOpen    = errors.New("printer cover is open")
	ErrCutter       = errors.New("printer cutter is stuck")
	ErrFault        = errors.New("printer reports a fault")
	ErrOffline      = errors.New("printer is off line")
)

// Bits of the four bytes that [AutoStatus] brings.
const (
	asbDrawerHigh  = 0x04 // byte 1
	asbOffline     = 0x08
	asbFixed       = 0x10
	asbCoverOpen   = 0x20
	asbCutter      = 0x08 // byte 2
	asbFault       = 0x20
	asbPaperLow    = 0x03 // byte 3
	asbPaperOut    = 0x0c
	asbAllChanges  = 0x0f // parameter of GS a
	asbMarkMask    = 0x93
	rtMark         = 0x12 // marks an answer to DLE EOT
	rtDrawerHigh   = 0x04 // DLE EOT 1
	rtOffline      = 0x08
	rtCoverOpen    = 0x04 // DLE EOT 2
	rtCutter       = 0x08 // DLE EOT 3
	rtFault        = 0x20
	rtPaperLow     = 0x0c // DLE EOT 4
	rtPaperOut     = 0x60
	replyHeader    = 0x37
	replyProcessID = 0x22
	replyCleared   = 0x25
)

// Report is the four bytes of an automatic status report. openLow says that the
// drawer's switch pulls the pin low when it is open.
func (s Status) Report(openLow bool) [4]byte {
	b := [4]byte{asbFixed, 0, 0, 0}
	b[0] |= when(s.drawerHigh(openLow), asbDrawerHigh) | when(s.Offline, asbOffline) | when(s.CoverOpen, asbCoverOpen)
	b[1] |= when(s.Cutter, asbCutter) | when(s.Fault, asbFault)
	b[2] |= when(s.Paper == PaperLow || s.Paper == PaperOut, asbPaperLow) | when(s.Paper == PaperOut, asbPaperOut)
	return b
}

// withReport is s after an automatic status report.
func (s Status) withReport(b [4]byte, openLow bool) Status {
	s.Drawer = drawerState(b[0]&asbDrawerHigh != 0, openLow)
	s.Offline = b[0]&asbOffline != 0
	s.CoverOpen = b[0]&asbCoverOpen != 0
	s.Cutter = b[1]&asbCutter != 0
	s.Fault = b[1]&asbFault != 0
	s.Paper = paperState(b[2]&asbPaperLow != 0, b[2]&asbPaperOut != 0)
	return s
}

// Realtime is the byte that answers DLE EOT what.
func (s Status) Realtime(what byte, openLow bool) byte {
	switch what {
	case 1:
		return rtMark | when(s.drawerHigh(openLow), rtDrawerHigh) | when(s.Offline, rtOffline)
	case 2:
		return rtMark | when(s.CoverOpen, rtCoverOpen) | when(s.Paper == PaperOut, 0x20) | when(s.Cutter || s.Fault, 0x40)
	case 3:
		return rtMark | when(s.Cutter, rtCutter) | when(s.Fault, rtFault)
	}
	return rtMark | when(s.Paper == PaperLow || s.Paper == PaperOut, rtPaperLow) | when(s.Paper == PaperOut, rtPaperOut)
}

// withRealtime is s after the answer to DLE EOT what.
func (s Status) withRealtime(what, b byte, openLow bool) Status {
	switch what {
	case 1:
		s.Drawer = drawerState(b&rtDrawerHigh != 0, openLow)
		s.Offline = b&rtOffline != 0
	case 2:
		s.CoverOpen = b&rtCoverOpen != 0
	case 3:
		s.Cutter, s.Fault = b&rtCutter != 0, b&rtFault != 0
	case 4:
		s.Paper = paperState(b&rtPaperLow != 0, b&rtPaperOut != 0)
	}
	return s
}

func (s Status) drawerHigh(openLow bool) bool {
	return (s.Drawer == DrawerOpen) != openLow
}

func drawerState(high, openLow bool) Drawer {
	if high != openLow {
		return DrawerOpen
	}
	return DrawerClosed
}

func paperState(low, out bool) Paper {
	switch {
	case out:
		return PaperOut
	case low:
		return PaperLow
	}
	return PaperOK
}

func when(on bool, bits byte) byte {
	if on {
		return bits
	}
	return 0
}
