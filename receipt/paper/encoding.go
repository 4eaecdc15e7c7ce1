package paper

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/go-json-experiment/json"
)

// ErrTooLarge says that a document is beyond [MaxBytes] or [MaxBlocks].
var ErrTooLarge = errors.New("print document too large")

// wire is the JSON form of one block: exactly one member is set.
type wire struct {
	Text    *Text    `json:"text,omitzero"`
	Columns *Columns `json:"columns,omitzero"`
	Rule    *Rule    `json:"rule,omitzero"`
	QR      *QR      `json:"qr,omitzero"`
	Barcode *Barcode `json:"barcode,omitzero"`
	Image   *Image   `json:"image,omitzero"`
	Feed    *Feed    `json:"feed,omitzero"`
	Cut     *Cut     `json:"cut,omitzero"`
	Drawer  *Drawer  `json:"drawer,omitzero"`
}

// Encode returns the JSON form, one block a line, each line ended by a line
// feed. Equal documents have equal bytes. A document that [Doc.Validate] refuses
// is not encoded.
func (d Doc) Encode() ([]byte, error) {
	if err := d.Validate(); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	for i, b := range d {
		line, err := json.Marshal(map[string]Block{b.kind(): b}, json.Deterministic(true))
		if err != nil {
			return nil, fmt.Errorf("encode block %d: %w", i+1, err)
		}
		out.Write(append(line, '\n'))
	}
	if out.Len() > MaxBytes {
		return nil, ErrTooLarge
	}
	return out.Bytes(), nil
}

// Parse reads the JSON form. Empty lines are skipped, everything else that is
// not a valid block is an error that names its line. The document returned is
// valid.
func Parse(data []byte) (Doc, error) {
	if len(data) > MaxBytes {
		return nil, ErrTooLarge
	}
	var doc Doc
	number := 0
	for line := range bytes.Lines(data) {
		number++
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			continue
		}
		b, err := parseBlock(line)
		if err != nil {
			return nil, fmt.Errorf("print document line %d: %w", number, err)
		}
		if doc = append(doc, b); len(doc) > MaxBlocks {
			return nil, ErrTooLarge
		}
	}
	return doc, nil
}

func parseBlock(line []byte) (Block, error) {
	var w wire
	if err := json.Unmarshal(line, &w, json.RejectUnknownMembers(true)); err != nil {
		return nil, err
	}
	blocks := w.blocks()
	if len(blocks) != 1 {
		return nil, fmt.Errorf("%d blocks in one object, want 1", len(blocks))
	}
	return blocks[0], blocks[0].Validate()
}

func (w wire) blocks() []Block {
	var out []Block
	out = add(out, w.Text)
	out = add(out, w.Columns)
	out = add(out, w.Rule)
	out = add(out, w.QR)
	out = add(out, w.Barcode)
	out = add(out, w.Image)
	out = add(out, w.Feed)
	out = add(out, w.Cut)
	return add(out, w.Drawer)
}

func add[B Block](out []Block, b *B) []Block {
	if b == nil {
		return out
	}
	return append(out, *b)
}
