package fiscal

import (
	"time"

	"github.com/plomb-pos/plomb/journal/proof"
	"github.com/plomb-pos/plomb/receipt"
)

// ReceiptOf makes what a receipt says from its entry alone: head and body as
// stored. What the entry does not hold (code, copy number, operator's name) is
// for the caller to fill in. Codes: unknown-kind, body-of-another-kind and
// those of Decode.
func ReceiptOf(h *proof.Head, body []byte) (receipt.Document, error) {
	b, err := Decode(h.Kind, body)
	if err != nil {
		return receipt.Document{}, err
	}
	r, ok := b.(*Receipt)
	if !ok {
		return receipt.Document{}, refuse(CodeWrongKind, "entry %d is a %s, no receipt", h.Index, KindName(h.Kind))
	}
	d := receipt.Document{
		Issuer: r.Issuer.printed(), Sale: r.Document, Number: r.Number, Origin: h.Origin, Index: h.Index,
		At:     time.UnixMilli(h.Time).In(r.Document.CompletedAt.Location()),
		Unsure: h.Flags&proof.FlagClockUnsure != 0, Outage: r.Outage,
	}
	if r.Late != nil {
		d.Late = &receipt.Late{Number: r.Late.Number, IssuedAt: r.Late.IssuedAt, Reason: r.Late.Reason}
	}
	if r.Country != nil {
		d.Lines, d.LawCode = r.Country.Lines, r.Country.Code
	}
	return d, nil
}

// ReportOf makes what an X or Z report says from its entry alone.
func ReportOf(h *proof.Head, body []byte) (receipt.Report, error) {
	b, err := Decode(h.Kind, body)
	if err != nil {
		return receipt.Report{}, err
	}
	out := receipt.Report{Origin: h.Origin, Index: h.Index}
	switch r := b.(type) {
	case *XReport:
		out.Report, out.Issuer, out.Currency, out.Operator = r.Report, r.Issuer.printed(), r.Issuer.Currency, string(r.By)
	case *ZReport:
		out.Report, out.Issuer, out.Currency, out.Operator = r.Report, r.Issuer.printed(), r.Issuer.Currency, string(r.By)
		out.Z, out.AtLeast = true, r.AtLeast
	default:
		return receipt.Report{}, refuse(CodeWrongKind, "entry %d is a %s, no report", h.Index, KindName(h.Kind))
	}
	return out, nil
}

func (i *Issuer) printed() receipt.Issuer {
	return receipt.Issuer{
		Name: i.Name, Address: i.Address, TaxNumber: i.TaxNumber, Till: i.Till, Language: i.Language,
		Header: i.Header, Footer: i.Footer,
	}
}
