package fiscal

import (
	"context"

	"github.com/plomb-pos/plomb/journal/proof"
)

// CountrySigner makes the signature that a country asks for beside our own. It
// is called while recording, under the till's one writer, after the number is
// known and before the entry is appended, so that its serial chain is in the
// journal's order. What it returns is stored in the receipt and printed; exports
// copy it and never make one.
//
// It must be quick or give up by ctx's deadline: every till in the shop waits.
// An error refuses the sale; where the law lets a shop sell on without the
// device, Sign returns a signature with Outage set and the text that the law
// wants on the receipt. A number that was signed but not recorded (the process
// died between the two) is signed again: Sign has to cope with the same number
// twice.
type CountrySigner interface {
	Sign(ctx context.Context, r *Receipt) (CountrySignature, error)
}

// CountrySignature is a country's own signature, part of a receipt's body; the
// body of an entry of its own where it is made for something else (a start
// receipt, a monthly receipt).
type CountrySignature struct {
	plain
	Scheme string   `json:"scheme"`          // which law's, "rksv-r1"
	Serial string   `json:"serial,omitzero"` // of the device or certificate
	Number int64    `json:"number,omitzero"` // in the device's own sequence
	Data   string   `json:"data,omitzero"`   // what was signed, as text
	Value  string   `json:"value,omitzero"`  // the signature, as the scheme writes it
	Code   string   `json:"code,omitzero"`   // text for a machine-readable code on the receipt; empty: none
	Lines  []string `json:"lines,omitempty"` // printed as they stand
	Outage bool     `json:"outage,omitzero"` // the device did not answer
}

// Kind is that of a signature that stands alone.
func (c *CountrySignature) Kind() proof.Kind { return KindCountrySignature }

// SignFor asks a country's signer for its signature and puts it into the
// receipt. A nil signer, and a training sale, need none.
func SignFor(ctx context.Context, signer CountrySigner, r *Receipt) error {
	if signer == nil || r.training() {
		return nil
	}
	c, err := signer.Sign(ctx, r)
	if err != nil {
		return because(CodeOutage, "country's signature", err)
	}
	r.Country = &c
	return nil
}
