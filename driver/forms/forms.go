// Package forms holds the definitions of forms and media that printers and text
// terminals of XFS4IoT work with: where each field stands, how it is filled, and
// what the paper is like.
//
// A definition comes in one of two ways and is the same thing afterwards:
//
//   - as JSON in the commands Printer.SetForm, Printer.SetMedia and
//     TextTerminal.SetForm of newer releases (the JSON of [Form], [Media] and
//     [TerminalForm] is that of the interface description);
//
//   - as text in the form definition language of the older ones
//     (Printer.LoadDefinition, TextTerminal.LoadForm): see [Parse].
//
//     XFSFORM "RECEIPT"
//     BEGIN
//     UNIT MM,1,1
//     SIZE 80,100
//     XFSFIELD "AMOUNT"
//     BEGIN
//     POSITION 10,20
//     SIZE 40,8
//     CLASS REQUIRED
//     HORIZONTAL RIGHT
//     END
//     END
//
// A definition that Parse or one of the From functions has returned is complete: what was left out
// has its default, every field lies inside its form, and chains of fields that
// follow each other end. Its text form ([Definitions.Text]) parses to itself.
//
// Where the older language and the newer JSON differ, the JSON counts. Our reading
// of what neither says: z of a position is the page, from 0; FOLLOWS places a field
// below the one it names; the FONT of a barcode field names the symbology; FORMAT
// is kept and not interpreted.
//
// It draws nothing: that is package press.
package forms

// Form is a print form (Printer.SetForm).
type Form struct {
	Unit        Unit                `json:"unit"`
	Size        Size                `json:"size"`
	Alignment   *Alignment          `json:"alignment,omitzero"`
	Orientation string              `json:"orientation,omitzero"` // portrait, landscape
	Skew        int                 `json:"skew,omitzero"`        // degrees
	Version     *Version            `json:"version,omitzero"`
	CPI         int                 `json:"cpi,omitzero"`       // characters per inch
	LPI         int                 `json:"lpi,omitzero"`       // lines per inch
	PointSize   int                 `json:"pointSize,omitzero"` // 1/72 inch
	Copyright   string              `json:"copyright,omitzero"`
	Title       string              `json:"title,omitzero"`
	Comment     string              `json:"comment,omitzero"`
	UserPrompt  string              `json:"userPrompt,omitzero"` // shown while paper is waited for
	Fields      map[string]*Field   `json:"fields,omitzero"`
	Frames      map[string]*Frame   `json:"frames,omitzero"`
	SubForms    map[string]*SubForm `json:"subForms,omitzero"`
}

// Unit is the measure of a definition: a base and how many units make one of it.
type Unit struct {
	Base string `json:"base"` // inch, mm, rowColumn
	X    int    `json:"x"`    // units in one base unit across
	Y    int    `json:"y"`    // and down
}

// The bases of units.
const (
	Inch      = "inch"
	MM        = "mm"
	RowColumn = "rowColumn"
)

// Size is in units.
type Size struct {
	Width  int `json:"width"`
	Height int `json:"height"`
}

// Position is in units from the top left corner; Z is the page, from 0.
type Position struct {
	X int `json:"x"`
	Y int `json:"y"`
	Z int `json:"z,omitzero"`
}

// Alignment says which corner of the medium a form is laid against, and how far off.
type Alignment struct {
	Relative string `json:"relative"` // topLeft, topRight, bottomLeft, bottomRight
	X        int    `json:"x"`
	Y        int    `json:"y"`
}

// Version is the edition of a form.
type Version struct {
	Version string `json:"version"` // "2.1"
	Date    string `json:"date,omitzero"`
	Author  string `json:"author,omitzero"`
}

// Field is a place in a form.
type Field struct {
	Order          int       `json:"order,omitzero"` // in which fields are printed
	Position       *Position `json:"position,omitzero"`
	Follows        string    `json:"follows,omitzero"` // below that field
	Header         string    `json:"header,omitzero"`  // pages from 1: "1,3-4", "ALL"
	Footer         string    `json:"footer,omitzero"`
	Side           string    `json:"side,omitzero"` // front, back
	Size           *Size     `json:"size"`
	Index          *Index    `json:"index,omitzero"`
	FieldType      string    `json:"fieldType,omitzero"`
	Scaling        string    `json:"scaling,omitzero"` // bestFit, asIs, maintainAspect
	Barcode        string    `json:"barcode,omitzero"` // where its text stands: none, above, below, both
	Coercivity     string    `json:"coercivity,omitzero"`
	Class          string    `json:"class,omitzero"`
	Access         string    `json:"access,omitzero"`
	Overflow       string    `json:"overflow,omitzero"`
	Style          *Style    `json:"style,omitzero"`
	Case           string    `json:"case,omitzero"` // noChange, upper, lower
	Horizontal     string    `json:"horizontal,omitzero"`
	Vertical       string    `json:"vertical,omitzero"`
	Color          string    `json:"color,omitzero"` // a name, or "R,G,B"
	Font           *Font     `json:"font,omitzero"`
	Format         string    `json:"format,omitzero"`
	InitialValue   string    `json:"initialValue,omitzero"`
	InitialGraphic []byte    `json:"initialGraphic,omitzero"`
}

// What a field is of.
const (
	Text     = "text"
	MICR     = "micr"
	OCR      = "ocr"
	MSF      = "msf"
	Barcode  = "barcode"
	Graphic  = "graphic"
	PageMark = "pagemark"
)

// Whether a field has to be filled.
const (
	Optional = "optional"
	Static   = "static" // always its initial value
	Required = "required"
)

// What may be done with a field.
const (
	Read      = "read"
	Write     = "write"
	ReadWrite = "readWrite"
)

// What happens to a value that does not fit.
const (
	Terminate = "terminate" // nothing of the form is printed
	Truncate  = "truncate"
	BestFit   = "bestFit"   // smaller letters
	Overwrite = "overwrite" // beyond the field
	WordWrap  = "wordWrap"
)

// Index repeats a field at equal distances.
type Index struct {
	RepeatCount int `json:"repeatCount"`
	X           int `json:"x"`
	Y           int `json:"y"`
}

// Style is how text looks. An empty member is the first of its values.
type Style struct {
	Bold             bool   `json:"bold,omitzero"`
	Italic           bool   `json:"italic,omitzero"`
	Underline        string `json:"underline,omitzero"`        // none, single, double
	Width            string `json:"width,omitzero"`            // single, double, triple, quadruple
	Strike           string `json:"strike,omitzero"`           // none, single, double
	Rotate           string `json:"rotate,omitzero"`           // none, ninety, upsideDown, twoSeventy
	CharacterSpacing string `json:"characterSpacing,omitzero"` // standard, proportional, condensed
	LineSpacing      string `json:"lineSpacing,omitzero"`      // standard, double, triple, quadruple
	Script           string `json:"script,omitzero"`           // standard, superscript, subscript
	Overscore        bool   `json:"overscore,omitzero"`
	Quality          string `json:"quality,omitzero"` // standard, letter, nearLetter
	Opaque           bool   `json:"opaque,omitzero"`
}

// Font is by name and size; a size of 0 is the form's.
type Font struct {
	Name      string `json:"name,omitzero"`
	PointSize int    `json:"pointSize,omitzero"`
	CPI       int    `json:"cpi,omitzero"`
	LPI       int    `json:"lpi,omitzero"`
}

// Frame is a line around a place.
type Frame struct {
	Position   *Position `json:"position,omitzero"`
	Frames     string    `json:"frames,omitzero"` // around that field, wherever it is
	Header     string    `json:"header,omitzero"`
	Footer     string    `json:"footer,omitzero"`
	Side       string    `json:"side,omitzero"`
	Size       *Size     `json:"size,omitzero"`
	Repeat     *Repeat   `json:"repeat,omitzero"`
	FieldType  string    `json:"fieldType,omitzero"` // rectangle, roundedCorner, ellipse
	Class      string    `json:"class,omitzero"`     // static; optional: only around a field with a value
	Overflow   string    `json:"overflow,omitzero"`
	Style      string    `json:"style,omitzero"` // singleThin, doubleThin, singleThick, doubleThick, dotted
	Color      string    `json:"color,omitzero"`
	FillColor  string    `json:"fillColor,omitzero"`
	FillStyle  string    `json:"fillStyle,omitzero"`
	SubstSign  string    `json:"substSign,omitzero"`
	Title      string    `json:"title,omitzero"` // a field that stands in the frame's line
	Horizontal string    `json:"horizontal,omitzero"`
	Vertical   string    `json:"vertical,omitzero"`
}

// Repeat repeats a frame; a count of 0 or 1 is once.
type Repeat struct {
	RepeatCountX int `json:"repeatCountX,omitzero"`
	OffsetX      int `json:"offsetX,omitzero"`
	RepeatCountY int `json:"repeatCountY,omitzero"`
	OffsetY      int `json:"offsetY,omitzero"`
}

// SubForm is a part of a form with a place of its own. Its fields are called
// SUBFORM.FIELD wherever values are given.
type SubForm struct {
	Position *Position         `json:"position"`
	Size     *Size             `json:"size"`
	Fields   map[string]*Field `json:"fields,omitzero"`
	Frames   map[string]*Frame `json:"frames,omitzero"`
}

// Media is what is printed on (Printer.SetMedia).
type Media struct {
	MediaType  string `json:"mediaType,omitzero"` // generic, passbook, multipart
	Source     string `json:"source,omitzero"`    // any, or a paper source
	Unit       Unit   `json:"unit"`
	Size       Size   `json:"size"`                // of one page
	PrintArea  *Area  `json:"printArea,omitzero"`  // default: all of it
	Restricted *Area  `json:"restricted,omitzero"` // never printed on
	Fold       string `json:"fold,omitzero"`       // passbook: horizontal, vertical
	Staggering int    `json:"staggering,omitzero"` // passbook: distance of the first line of the upper page
	Page       int    `json:"page,omitzero"`       // passbook: pages
	Lines      int    `json:"lines,omitzero"`      // passbook: lines on a page
}

// Area is a rectangle in units.
type Area struct {
	X      int `json:"x"`
	Y      int `json:"y"`
	Width  int `json:"width"`
	Height int `json:"height"`
}

// Definitions are forms and media by their names.
type Definitions struct {
	Forms map[string]*Form
	Media map[string]*Media
}
