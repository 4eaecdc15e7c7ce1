package fiscal

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/plomb-pos/plomb/journal/proof"
	"github.com/plomb-pos/plomb/money"
)

// Code is the text of a receipt's QR code: the entry's head and the signature
// over the checkpoint that ends with it. Nothing else is needed to check it.
func Code(head []byte, c proof.Checkpoint, keyHash uint32, sig []byte) (string, error) {
	r, err := proof.NewReceipt(head, c, keyHash, sig)
	if err != nil {
		return "", fmt.Errorf("receipt code: %w", err)
	}
	return r.Encode(), nil
}

// Explanation is what a receipt code says, for the person who scanned it. All
// of it comes from the signed head; Verified tells whether a known key signed
// it.
type Explanation struct {
	Verified bool           `json:"verified"` // signature made by a key that the verifier knows
	Origin   string         `json:"origin"`
	Index    uint64         `json:"index"`
	Kind     string         `json:"kind"`
	Number   int64          `json:"number"` // document or training number
	At       time.Time      `json:"at"`
	Total    money.Amount   `json:"total"`
	Tax      money.Amount   `json:"tax"`
	Currency money.Currency `json:"currency"`
	Lines    int64          `json:"lines"`
	Refers   *uint64        `json:"refers,omitzero"` // index of the original, on a return or void
	Training bool           `json:"training"`        // no business transaction
	Outage   bool           `json:"outage"`          // issued while the signer was down
	Late     bool           `json:"late"`            // recorded after the fact
	Unsure   bool           `json:"unsure"`          // the till's clock was in doubt
}

// Explain reads a receipt code and checks its signature with the keys given.
// A code signed by an unknown key is explained with Verified false; a wrong
// signature, or a text that is no receipt code, is an error that wraps
// proof.ErrSignature or proof.ErrFormat.
func Explain(code string, keys note.Verifiers) (Explanation, error) {
	r, err := proof.ParseReceipt(code)
	if err != nil {
		return Explanation{}, fmt.Errorf("explain receipt code: %w", err)
	}
	h, err := r.Verify(keys)
	verified := err == nil
	if errors.Is(err, proof.ErrUnknownKey) {
		h, err = proof.ParseHead(r.Head)
	}
	if err != nil {
		return Explanation{}, fmt.Errorf("explain receipt code: %w", err)
	}
	e := explain(h)
	e.Verified = verified
	return e, nil
}

func explain(h *proof.Head) Explanation {
	e := Explanation{
		Origin: h.Origin, Index: h.Index, Kind: KindName(h.Kind), At: time.UnixMilli(h.Time).UTC(),
		Training: h.Flags&proof.FlagTraining != 0, Late: h.Flags&proof.FlagLate != 0, Unsure: h.Flags&proof.FlagClockUnsure != 0,
	}
	for _, n := range h.Numbers {
		switch n.Tag {
		case TagDocument, TagTraining:
			e.Number = n.Value
		case TagGross:
			e.Total = money.Amount(n.Value)
		case TagTax:
			e.Tax = money.Amount(n.Value)
		case TagCurrency:
			e.Currency = currencyOf(n.Value)
		case TagLines:
			e.Lines = n.Value
		case TagOutage:
			e.Outage = n.Value != 0
		case TagReferenced:
			index := uint64(n.Value)
			e.Refers = &index
		}
	}
	return e
}

// currencyOf finds a currency by its numeric code; "" for an unknown one.
func currencyOf(code int64) money.Currency {
	want := fmt.Sprintf("%03d", code)
	for _, c := range money.Currencies() {
		if c.Numeric() == want {
			return c
		}
	}
	return ""
}
