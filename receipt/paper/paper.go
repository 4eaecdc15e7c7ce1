// Package paper is a document as a receipt printer prints it: lines of text,
// columns, rules, codes, pictures, cuts and drawer pulses, in order. It knows
// neither what a receipt is nor how a printer is spoken to. Layouts of the
// receipt package write documents; printer drivers, the screen and tests read
// them. Between the two lies only the JSON form of this package, so that a
// till and a driver never import each other.
//
// A [Doc] has no width. The reader knows how many columns its paper has (32 on
// most 58 mm printers, 48 on most 80 mm printers) and breaks the text itself,
// with [Text.Lines] and [Columns.Lines], so that paper, screen and test break it
// alike. One column is the width of one Latin letter in the printer's normal
// font; an East Asian wide character takes two, a combining mark none
// (Unicode Standard Annex 11), and a Wide style doubles both.
//
// The JSON form is one block a line, each an object with one member that names
// the block:
//
//	{"text":{"runs":[{"text":"Kiosk am Eck","bold":true}],"align":"center"}}
//	{"columns":{"left":"2 x Kaffee","right":"6,40"}}
//	{"rule":{}}
//	{"qr":{"data":"https://example.test/r/1","ec":"M"}}
//	{"cut":{}}
//
// [Parse] refuses what is not exactly that: unknown names, duplicate names, bad
// UTF-8, control characters (a text can therefore never carry a printer's
// command), codes that cannot be drawn, and documents beyond the limits below.
//
//	doc := paper.Doc{
//		paper.Text{Runs: []paper.Run{{Text: "Kiosk am Eck", Style: paper.Style{Bold: true}}}, Align: paper.Center},
//		paper.Columns{Left: "Summe EUR", Right: "6,40"},
//		paper.Cut{},
//	}
//	lines, err := doc.Encode()
//
// What it does not do: bidirectional reordering and the joining of Arabic
// letters; runs are printed in the order in which they stand.
package paper

// Limits of a document. They are far above any receipt and keep what a printer
// service must hold and print for one order small.
const (
	MaxBytes      = 1 << 20 // of the JSON form
	MaxBlocks     = 5000
	MaxTextBytes  = 8192 // of one block's text, in UTF-8
	MaxFeed       = 100  // lines of one Feed
	MaxDrawerMS   = 500  // milliseconds of one drawer pulse: longer ones burn solenoids
	MaxImageSide  = 4096 // pixels, width and height each
	MaxImageBytes = 512 << 10
	MaxModule     = 16 // dots
)

// Doc is a document: blocks in the order in which they leave the printer.
type Doc []Block

// Block is one piece of a document: [Text], [Columns], [Rule], [QR], [Barcode],
// [Image], [Feed], [Cut] or [Drawer]. No other package can add one.
type Block interface {
	// Validate says what keeps the block from being printed, or nil.
	Validate() error
	kind() string
}

// Style is how characters look. The zero value is the printer's normal font.
type Style struct {
	Bold      bool `json:"bold,omitzero"`
	Wide      bool `json:"wide,omitzero"` // double width: each character takes twice its columns
	Tall      bool `json:"tall,omitzero"` // double height
	Invert    bool `json:"invert,omitzero"`
	Underline bool `json:"underline,omitzero"`
}

// Run is text in one style. The text is valid UTF-8 without control characters
// and without line breaks: a new line is a new block.
type Run struct {
	Text string `json:"text"`
	Style
}

// Align is where a line stands on the paper.
type Align string

// The alignments; the zero value is Left.
const (
	Left   Align = ""
	Center Align = "center"
	Right  Align = "right"
)

// Text is a paragraph: its runs follow each other and are broken at spaces where
// the paper ends. Without runs it is an empty line.
type Text struct {
	Runs  []Run `json:"runs,omitzero"`
	Align Align `json:"align,omitzero"`
}

// Columns is a line with a left and a right end, such as an article and its
// price. Left is broken over several lines if it must be, Right never is: it
// stands at the end of the last of them, or on a line of its own when the two do
// not fit side by side.
type Columns struct {
	Left  string `json:"left,omitzero"`
	Right string `json:"right,omitzero"`
	Style
}

// Rule is a line across the paper; Double draws two.
type Rule struct {
	Double bool `json:"double,omitzero"`
}

// QR is a QR code, model 2 (ISO/IEC 18004), centred. Data is encoded as its
// UTF-8 bytes.
type QR struct {
	Data string `json:"data"`
	// EC is the level of error correction: L, M, Q or H; empty means M.
	EC string `json:"ec,omitzero"`
	// Module is the side of one module in dots; 0 leaves it to the printer, which
	// takes the largest up to 6 that fits on its paper.
	Module int `json:"module,omitzero"`
}

// BarcodeKind names a one-dimensional code.
type BarcodeKind string

// The kinds. EAN13 and EAN8 take all 13 or 8 digits, check digit included
// (GS1 General Specifications, 7.9); Code128 takes 1 to 80 ASCII characters from
// space to tilde.
const (
	EAN13   BarcodeKind = "ean13"
	EAN8    BarcodeKind = "ean8"
	Code128 BarcodeKind = "code128"
)

// Barcode is a one-dimensional code, centred, with its text below.
type Barcode struct {
	Kind BarcodeKind `json:"kind"`
	Data string      `json:"data"`
}

// Image is a picture in black and white, centred. PNG is a PNG file; what is
// darker than the middle is printed, transparency is paper, and a picture wider
// than the paper is scaled down to it.
type Image struct {
	PNG []byte `json:"png"`
}

// Feed moves the paper on by so many lines, 1 to [MaxFeed].
type Feed struct {
	Lines int `json:"lines"`
}

// Cut cuts the paper, after feeding it past the cutter; Partial leaves a bridge.
type Cut struct {
	Partial bool `json:"partial,omitzero"`
}

// Drawer opens the cash drawer that is connected to the printer.
type Drawer struct {
	// Pin is the pin of the drawer connector that is pulsed, 2 or 5; 0 means 2.
	Pin int `json:"pin,omitzero"`
	// OnMS is the length of the pulse in milliseconds, up to [MaxDrawerMS];
	// 0 leaves it to the printer.
	OnMS int `json:"onMs,omitzero"`
}

func (Text) kind() string    { return "text" }
func (Columns) kind() string { return "columns" }
func (Rule) kind() string    { return "rule" }
func (QR) kind() string      { return "qr" }
func (Barcode) kind() string { return "barcode" }
func (Image) kind() string   { return "image" }
func (Feed) kind() string    { return "feed" }
func (Cut) kind() string     { return "cut" }
func (Drawer) kind() string  { return "drawer" }

// Line is a left-aligned line of plain text.
func Line(text string) Text {
	return Styled(text, Style{}, Left)
}

// Styled is a line of text in one style.
func Styled(text string, style Style, align Align) Text {
	if text == "" {
		return Text{Align: align}
	}
	return Text{Runs: []Run{{Text: text, Style: style}}, Align: align}
}
