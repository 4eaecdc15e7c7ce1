package receiptprinter_test

import (
	"slices"
	"testing"

	"github.com/plomb-pos/plomb/driver/escpos"
	"github.com/plomb-pos/plomb/driver/receiptprinter"
	"github.com/plomb-pos/plomb/xfs4iot"
	"github.com/plomb-pos/plomb/xfs4iot/client"
	"github.com/plomb-pos/plomb/xfs4iot/printer"
)

const coupon = `XFSFORM "COUPON" BEGIN UNIT MM,1,1 SIZE 70,60
XFSFIELD "TITLE" BEGIN POSITION 0,0 SIZE 70,10 CLASS STATIC STYLE BOLD | DOUBLE HORIZONTAL CENTER INITIALVALUE "Coupon" END
XFSFIELD "CODE" BEGIN POSITION 20,12 SIZE 32,32 TYPE BARCODE FONT "QR" CLASS REQUIRED END
XFSFIELD "TEXT" BEGIN POSITION 0,46 SIZE 70,12 OVERFLOW WORDWRAP END
END`

func TestAFormOfAClientIsPrintedAsAPicture(t *testing.T) {
	s := newShop(t)
	load := func(text string) error {
		_, err := client.Do(t.Context(), s.conn, printer.LoadDefinition, &printer.LoadDefinitionCommand{Definition: text})
		return err
	}
	if err := load(coupon); err != nil {
		t.Fatal(err)
	}
	s.hear("Printer.DefinitionLoadedEvent")
	s.expect("the same form again", load(coupon), "definitionExists")
	s.expect("a medium", load(`XFSMEDIA "A4" BEGIN UNIT MM,1,1 SIZE 210,297 END`), "mediaInvalid")
	s.expect("the built-in form", load(`XFSFORM "`+receiptprinter.Form+`" BEGIN UNIT MM,1,1 SIZE 10,10 END`), "formInvalid")
	_, err := client.Do(t.Context(), s.conn, printer.PrintForm, &printer.PrintFormCommand{FormName: "COUPON", MediaName: receiptprinter.Media,
		MediaControl: &printer.MediaControlNullable{Move: "eject"}, Fields: map[string]xfs4iot.Strings{"CODE": {receiptURL}, "TEXT": {"One coffee for free, on any day of this week."}}})
	if err != nil {
		t.Fatal(err)
	}
	sheets := s.device.Sheets()
	if len(sheets) != 1 || sheets[0].Cut != escpos.FullCut {
		t.Fatalf("%d sheets", len(sheets))
	}
	if got := qrOf(t, sheets[0]); got != receiptURL {
		t.Errorf("the code reads %s", got)
	}
	_, err = client.Do(t.Context(), s.conn, printer.PrintForm, &printer.PrintFormCommand{FormName: "COUPON"})
	s.expect("without a required field", err, "fieldError")
}

func TestThePrinterDescribesItsFormsAndItsPaper(t *testing.T) {
	s := newShop(t)
	field, err := client.Do(t.Context(), s.conn, printer.GetQueryField, &printer.GetQueryFieldCommand{FormName: receiptprinter.Form, FieldName: receiptprinter.FieldDoc})
	if err != nil || field.Fields[receiptprinter.FieldDoc].Class != "required" {
		t.Errorf("field %+v, %v", field, err)
	}
	_, err = client.Do(t.Context(), s.conn, printer.GetQueryField, &printer.GetQueryFieldCommand{FormName: receiptprinter.Form, FieldName: "NONE"})
	s.expect("an unknown field", err, "fieldNotFound")
	list, err := client.Do(t.Context(), s.conn, printer.GetMediaList, nil)
	if err != nil || !slices.Equal(list.MediaList, []string{receiptprinter.Media}) {
		t.Errorf("media %v, %v", list, err)
	}
	media, err := client.Do(t.Context(), s.conn, printer.GetQueryMedia, &printer.GetQueryMediaCommand{Name: receiptprinter.Media})
	if err != nil || *media.Media.Size.Width != 720 { // tenths of a millimetre
		t.Errorf("media %+v, %v", media, err)
	}
	_, err = client.Do(t.Context(), s.conn, printer.MediaExtents, &printer.MediaExtentsCommand{})
	s.expect("measuring the paper", err, "extentNotSupported")
	form := &printer.SetFormCommandForm{Unit: &printer.Unit{Base: "mm", X: new(1), Y: new(1)}, Size: &printer.Size{Width: new(70), Height: new(1000)}}
	if _, err := client.Do(t.Context(), s.conn, printer.SetForm, &printer.SetFormCommand{Name: "LONG", Form: form}); err != nil {
		t.Fatal(err)
	}
	_, err = client.Do(t.Context(), s.conn, printer.PrintForm, &printer.PrintFormCommand{FormName: "LONG"})
	s.expect("a form of a metre", err, "mediaOverflow")
	if _, err := client.Do(t.Context(), s.conn, printer.SetForm, &printer.SetFormCommand{Name: "LONG"}); err != nil {
		t.Error(err)
	}
}
