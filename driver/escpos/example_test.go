package escpos_test

import (
	"fmt"

	"github.com/plomb-pos/plomb/driver/escpos"
	"github.com/plomb-pos/plomb/receipt/paper"
)

func ExampleRender() {
	doc := paper.Doc{
		paper.Columns{Left: "2 x Käsekrainer", Right: "12,80 €"},
		paper.QR{Data: "https://example.test/r/1"},
		paper.Cut{},
	}
	job, err := escpos.Encode(doc, escpos.Generic80())
	if err != nil {
		fmt.Println(err)
		return
	}
	sheets, err := escpos.Render(job.Bytes, escpos.Generic80())
	fmt.Print(sheets[0].Text())
	fmt.Println(sheets[0].Image.Bounds().Dx(), "dots wide,", err)
	// Output:
	// 2 x Käsekrainer                          12,80 €
	// [QR https://example.test/r/1]
	// 576 dots wide, <nil>
}
