package escpos

import "encoding/binary"

// Control characters that begin a command.
const (
	dle = 0x10
	dc4 = 0x14
	eot = 0x04
	enq = 0x05
	esc = 0x1b
	fs  = 0x1c
	gs  = 0x1d
)

// Command is one printer command. AppendTo appends its bytes to dst; for a command
// that came from [Decode] these are the bytes that were decoded.
type Command interface {
	AppendTo(dst []byte) []byte
}

// Commands about text.
type (
	// Init puts the printer into its state after power-on (ESC @). What has been
	// printed, and stored in the buffer of received data, stays.
	Init struct{}
	// Text is characters in the current code page, each at least 0x20.
	Text struct{ Bytes []byte }
	// LineFeed prints the line and feeds it (LF).
	LineFeed struct{}
	// Return is a carriage return; printers ignore it unless a switch says otherwise.
	Return struct{}
	// CodePage selects a code page by its number (ESC t); see [PageByNumber].
	CodePage struct{ Number byte }
	// Charset selects one of the national ASCII variants, 0 for the plain one (ESC R).
	Charset struct{ Number byte }
	// Kanji turns the multi-byte character mode on or off (FS &, FS .).
	Kanji struct{ On bool }
	// Bold turns emphasis on or off (ESC E).
	Bold struct{ On bool }
	// Underline draws 0, 1 or 2 dots below the characters (ESC -).
	Underline struct{ Dots byte }
	// Invert prints white on black (GS B).
	Invert struct{ On bool }
	// Size multiplies width and height, each 1 to 8 (GS !).
	Size struct{ Width, Height byte }
	// PrintMode sets several styles at once, as bits: 0x08 bold, 0x10 tall, 0x20
	// wide, 0x80 underlined, 0x01 the small font (ESC !).
	PrintMode struct{ Bits byte }
	// Align places lines, codes and pictures: 0 left, 1 centre, 2 right (ESC a).
	Align struct{ Where byte }
	// LineSpacing is the distance of lines in dots (ESC 3).
	LineSpacing struct{ Dots byte }
	// DefaultSpacing goes back to the usual distance (ESC 2).
	DefaultSpacing struct{}
	// Feed prints the line and feeds so many lines (ESC d).
	Feed struct{ Lines byte }
	// FeedDots prints the line and feeds so many dots (ESC J).
	FeedDots struct{ Dots byte }
)

// Commands about codes and pictures.
type (
	// QRModel selects the model, 49 for model 1, 50 for model 2 (GS ( k, function 65).
	QRModel struct{ Model byte }
	// QRModule is the side of one module in dots, 1 to 16 (function 67).
	QRModule struct{ Dots byte }
	// QRLevel is the error correction, 48 to 51 for L, M, Q, H (function 69).
	QRLevel struct{ Level byte }
	// QRStore stores the data of the next code (function 80).
	QRStore struct{ Data []byte }
	// QRPrint prints what is stored (function 81).
	QRPrint struct{}
	// BarcodeHeight is in dots (GS h).
	BarcodeHeight struct{ Dots byte }
	// BarcodeWidth is the width of one module in dots, 1 to 6 (GS w).
	BarcodeWidth struct{ Dots byte }
	// BarcodeText places the readable text: 0 nowhere, 1 above, 2 below, 3 both (GS H).
	BarcodeText struct{ Where byte }
	// Barcode prints a code of a kind from 65 up, with its length in front (GS k,
	// function B): 67 EAN-13, 68 EAN-8, 73 Code 128.
	Barcode struct {
		Kind byte
		Data []byte
	}
	// Raster prints a picture: rows of WidthBytes bytes, the highest bit leftmost, one
	// for black (GS v 0). Mode doubles the width (1), the height (2) or both (3).
	Raster struct {
		Mode       byte
		WidthBytes int
		Height     int
		Bits       []byte
	}
)

// Commands about the machine.
type (
	// Cut cuts the paper (GS V). With Feed it first moves what is printed past the
	// cutter, and Dots further.
	Cut struct {
		Partial, Feed bool
		Dots          byte
	}
	// Pulse opens a drawer: Pin 0 is connector pin 2, 1 is pin 5; On and Off are in
	// units of 2 ms (ESC p).
	Pulse struct{ Pin, On, Off byte }
	// ProcessID asks for [ProcessIDReply] once everything before it is printed
	// (GS ( H, function 48). Each byte of the id lies in 0x20 to 0x7e.
	ProcessID struct{ ID [4]byte }
	// AutoStatus has the printer report changes unasked, by bits: 1 drawer, 2 on line,
	// 4 errors, 8 paper (GS a). It answers at once with the present state.
	AutoStatus struct{ Bits byte }
	// StatusRequest is answered in its turn: 1 paper, 2 drawer (GS r).
	StatusRequest struct{ What byte }
	// RealtimeStatus is answered at once, past the buffer: 1 printer, 2 cause of being
	// off line, 3 cause of an error, 4 paper (DLE EOT).
	RealtimeStatus struct{ What byte }
	// RealtimeRecover ends an error state, 1 going on, 2 dropping the buffer (DLE ENQ).
	RealtimeRecover struct{ How byte }
	// RealtimePulse opens a drawer past the buffer; On is in units of 100 ms, 1 to 8
	// (DLE DC4, function 1).
	RealtimePulse struct{ Pin, On byte }
	// RealtimeClear throws the buffers away and is answered with [ClearedReply]
	// (DLE DC4, function 8).
	RealtimeClear struct{}
	// Unknown is what [Decode] does not know, kept byte for byte.
	Unknown struct{ Bytes []byte }
)

func (Init) AppendTo(b []byte) []byte           { return append(b, esc, '@') }
func (c Text) AppendTo(b []byte) []byte         { return append(b, c.Bytes...) }
func (LineFeed) AppendTo(b []byte) []byte       { return append(b, '\n') }
func (Return) AppendTo(b []byte) []byte         { return append(b, '\r') }
func (c CodePage) AppendTo(b []byte) []byte     { return append(b, esc, 't', c.Number) }
func (c Charset) AppendTo(b []byte) []byte      { return append(b, esc, 'R', c.Number) }
func (c Bold) AppendTo(b []byte) []byte         { return append(b, esc, 'E', bit(c.On)) }
func (c Underline) AppendTo(b []byte) []byte    { return append(b, esc, '-', c.Dots) }
func (c Invert) AppendTo(b []byte) []byte       { return append(b, gs, 'B', bit(c.On)) }
func (c PrintMode) AppendTo(b []byte) []byte    { return append(b, esc, '!', c.Bits) }
func (c Align) AppendTo(b []byte) []byte        { return append(b, esc, 'a', c.Where) }
func (c LineSpacing) AppendTo(b []byte) []byte  { return append(b, esc, '3', c.Dots) }
func (DefaultSpacing) AppendTo(b []byte) []byte { return append(b, esc, '2') }
func (c Feed) AppendTo(b []byte) []byte         { return append(b, esc, 'd', c.Lines) }
func (c FeedDots) AppendTo(b []byte) []byte     { return append(b, esc, 'J', c.Dots) }

func (c Kanji) AppendTo(b []byte) []byte {
	if c.On {
		return append(b, fs, '&')
	}
	return append(b, fs, '.')
}

func (c Size) AppendTo(b []byte) []byte {
	return append(b, gs, '!', (c.Width-1)<<4|(c.Height-1)&7)
}

func (c QRModel) AppendTo(b []byte) []byte  { return qrFunction(b, 65, c.Model, 0) }
func (c QRModule) AppendTo(b []byte) []byte { return qrFunction(b, 67, c.Dots) }
func (c QRLevel) AppendTo(b []byte) []byte  { return qrFunction(b, 69, c.Level) }
func (QRPrint) AppendTo(b []byte) []byte    { return qrFunction(b, 81, '0') }

func (c QRStore) AppendTo(b []byte) []byte {
	return qrFunction(b, 80, append([]byte{'0'}, c.Data...)...)
}

// qrFunction appends GS ( k for symbol 49 (QR) and a function.
func qrFunction(b []byte, function byte, parameters ...byte) []byte {
	b = append(b, gs, '(', 'k')
	b = binary.LittleEndian.AppendUint16(b, uint16(len(parameters)+2))
	return append(append(b, '1', function), parameters...)
}

func (c BarcodeHeight) AppendTo(b []byte) []byte { return append(b, gs, 'h', c.Dots) }
func (c BarcodeWidth) AppendTo(b []byte) []byte  { return append(b, gs, 'w', c.Dots) }
func (c BarcodeText) AppendTo(b []byte) []byte   { return append(b, gs, 'H', c.Where) }

func (c Barcode) AppendTo(b []byte) []byte {
	return append(append(b, gs, 'k', c.Kind, byte(len(c.Data))), c.Data...)
}

func (c Raster) AppendTo(b []byte) []byte {
	b = append(b, gs, 'v', '0', c.Mode)
	b = binary.LittleEndian.AppendUint16(b, uint16(c.WidthBytes))
	b = binary.LittleEndian.AppendUint16(b, uint16(c.Height))
	return append(b, c.Bits...)
}

func (c Cut) AppendTo(b []byte) []byte {
	if c.Feed {
		return append(b, gs, 'V', 'A'+bit(c.Partial), c.Dots)
	}
	return append(b, gs, 'V', bit(c.Partial))
}

func (c Pulse) AppendTo(b []byte) []byte { return append(b, esc, 'p', c.Pin, c.On, c.Off) }

func (c ProcessID) AppendTo(b []byte) []byte {
	return append(append(b, gs, '(', 'H', 6, 0, '0', '0'), c.ID[:]...)
}

func (c AutoStatus) AppendTo(b []byte) []byte      { return append(b, gs, 'a', c.Bits) }
func (c StatusRequest) AppendTo(b []byte) []byte   { return append(b, gs, 'r', c.What) }
func (c RealtimeStatus) AppendTo(b []byte) []byte  { return append(b, dle, eot, c.What) }
func (c RealtimeRecover) AppendTo(b []byte) []byte { return append(b, dle, enq, c.How) }
func (c RealtimePulse) AppendTo(b []byte) []byte   { return append(b, dle, dc4, 1, c.Pin, c.On) }
func (RealtimeClear) AppendTo(b []byte) []byte     { return append(b, clearSequence...) }
func (c Unknown) AppendTo(b []byte) []byte         { return append(b, c.Bytes...) }

// clearSequence is DLE DC4, function 8, with the seven bytes that keep it from
// being sent by accident.
var clearSequence = []byte{dle, dc4, 8, 1, 3, 20, 1, 6, 2, 8}

func bit(on bool) byte {
	if on {
		return 1
	}
	return 0
}
