package checkscanner

import (
	_ "embed" // how a cheque looks
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/plomb-pos/plomb/driver/forms"
	"github.com/plomb-pos/plomb/driver/forms/micr"
	"github.com/plomb-pos/plomb/driver/forms/press"
	"github.com/plomb-pos/plomb/driver/sim/scan"
	"github.com/plomb-pos/plomb/xfs4iot/check"
)

// Cheque is what a customer puts into the scanner. Every cheque is invented; the
// code line is E-13B (package micr), "" for none.
type Cheque struct {
	Number   string `json:"number"`
	Payee    string `json:"payee"`
	Amount   string `json:"amount"` // as it is written
	CodeLine string `json:"codeLine"`
	Defect   string `json:"defect"` // one of Defects
}

// The defects of what is put in; "" is a cheque in order.
const (
	Sound      = ""
	Unreadable = "unreadable" // one character of the code line cannot be read
	Note       = "banknote"   // between the cheques lies a banknote
)

// refusals are the defects for which the scanner gives an item back.
var refusals = map[string]check.MediaRefusedEventReason{
	"foreign": check.MediaRefusedEventReasonForeignItems, "too long": check.MediaRefusedEventReasonTooLong, "too short": check.MediaRefusedEventReasonTooShort,
	"too thick": check.MediaRefusedEventReasonTooThick, "double": check.MediaRefusedEventReasonDoubleDetect, "upside down": check.MediaRefusedEventReasonInvalidOrientation,
	"metal": check.MediaRefusedEventReasonMetal, "no code line": check.MediaRefusedEventReasonCodelineInvalid,
}

// Defects lists what can be wrong with an item.
func Defects() []string {
	return []string{Sound, Unreadable, Note, "foreign", "too long", "too short", "too thick", "double", "upside down", "metal", "no code line"}
}

// ErrCheque says that such a cheque does not exist.
var ErrCheque = errors.New("a cheque has a code line of E-13B and texts of up to 100 bytes")

func (c Cheque) check() error {
	switch {
	case len(c.Number) > 100 || len(c.Payee) > 100 || len(c.Amount) > 100 || !slices.Contains(Defects(), c.Defect):
		return ErrCheque
	case c.CodeLine != "" && micr.Check(c.CodeLine) != nil:
		return fmt.Errorf("%w: %w", ErrCheque, micr.Check(c.CodeLine))
	case strings.ContainsFunc(c.Number+c.Payee+c.Amount, func(r rune) bool { return r < ' ' }):
		return ErrCheque
	}
	return nil
}

// The size of a cheque in dots and in millimetres.
const (
	dpi        = 120
	wide, high = 6 * dpi, 11 * dpi / 4
	longEdge   = 152
	shortEdge  = 70
)

//go:embed cheque.txt
var chequeText string

// looks are the forms of both sides; a test holds them against the parser.
var looks = func() forms.Definitions {
	d, _ := forms.Parse(chequeText)
	return d
}()

// item is a cheque in a transaction.
type item struct {
	Cheque
	serial      int // never used again
	id          int // from 1; 0 before it is read
	place       string
	access      check.MediaStatusCustomerAccess
	front, back *press.Page
	version     int

	destination string // "customer", a storage unit or "": the first with room
	stamp       bool
	endorsement string
	images      []check.ImageRequest // wanted when it is stored
	magnetic    bool                 // the code line was read
}

// one is a sheet with a single page.
type one struct{ page *press.Page }

func (o one) Page(n int, back bool) *press.Page {
	if n != 0 || back {
		return nil
	}
	return o.page
}

func paper() press.Paper { return press.Paper{DPI: dpi, Width: wide, Height: high} }

// draw makes the cheque's pictures.
func (i *item) draw() {
	i.front, i.back = press.NewPage(wide, high), press.NewPage(wide, high)
	values := map[string][]string{"NUMBER": {"No. " + i.Number}, "PAYEE": {i.Payee}, "AMOUNT": {i.Amount}, "SIGNED": {"E. Beispiel"}}
	if i.CodeLine != "" {
		values["CODELINE"] = []string{i.CodeLine}
	}
	job, _ := press.Set(looks.Forms["FRONT"], values, paper())
	_ = job.Print(one{i.front}) // it fits: a test draws one
}

// endorse prints on the cheque what the client asked for.
func (i *item) endorse() {
	if i.stamp {
		press.Stamp(i.front, "PAID")
	}
	if i.endorsement != "" {
		lines := strings.Split(i.endorsement, "\n")
		job, _ := press.Set(looks.Forms["BACK"], map[string][]string{"ENDORSEMENT": lines[:min(len(lines), printRows)]}, paper())
		_ = job.Print(one{i.back})
	}
	if i.stamp || i.endorsement != "" {
		i.version++
	}
}

// codeLine is what the reader makes of the line: symbols as letters, what it cannot
// read as "?".
func (i *item) codeLine() string {
	line := strings.ToLower(micr.Plain(i.CodeLine))
	if i.Defect == Unreadable && len(line) > 4 {
		line = line[:3] + "?" + line[4:]
	}
	return line
}

// scan makes the images that a client asked for.
func (i *item) scan(wanted []check.ImageRequest) ([]check.ImageData, error) {
	var out []check.ImageData
	for _, w := range wanted {
		page := i.front
		if w.Source == check.ImageSourceBack {
			page = i.back
		}
		if w.Type == "" {
			w.Type = check.ImageTypeTif
		}
		data, err := scan.Encode(page.Image, string(w.Type), string(w.ColorFormat))
		if err != nil {
			return nil, err
		}
		out = append(out, check.ImageData{ImageSource: w.Source, ImageType: w.Type, ImageColorFormat: w.ColorFormat, ImageScanColor: w.ScanColor,
			ImageStatus: check.ImageStatusOk, Image: data})
	}
	return out, nil
}

// data describes an item as Check.MediaDataEvent does.
func (i *item) data(codeLine bool, wanted []check.ImageRequest) (*check.MediaDataEvent, error) {
	images, err := i.scan(wanted)
	if err != nil {
		return nil, err
	}
	out := &check.MediaDataEvent{
		MediaID: new(i.id), Image: images, MagneticReadIndicator: check.MagneticReadIndicatorNotRead,
		InsertOrientation: &check.InsertOrientation{Codeline: check.InsertOrientationCodelineBottom, Media: check.InsertOrientationMediaUp},
		MediaSize:         &check.MediaSize{LongEdge: new(longEdge), ShortEdge: new(shortEdge)}, MediaValidity: check.MediaValidityOk,
	}
	if codeLine {
		out.CodelineData, out.MagneticReadIndicator = i.codeLine(), check.MagneticReadIndicatorMicr
		if i.CodeLine == "" {
			out.MagneticReadIndicator = check.MagneticReadIndicatorNoMicr
		}
		i.magnetic = true
	}
	if i.Defect == Unreadable {
		out.MediaValidity = check.MediaValiditySuspect
	}
	return out, nil
}

func (i *item) pictures() []string {
	if i.front == nil {
		return []string{}
	}
	return []string{fmt.Sprintf("%d-%d-front.png", i.serial, i.version), fmt.Sprintf("%d-%d-back.png", i.serial, i.version)}
}
