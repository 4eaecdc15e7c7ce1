package till

import (
	"slices"

	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/journal/proof"
)

// deeds are what the last commands did, by id: an id that comes again with
// something else to do is no repetition. Owned by the book; the zero value is
// ready.
type deeds struct {
	do    map[[16]byte]string
	order [][16]byte // oldest first
}

// add remembers a command that was done, and forgets the oldest beyond as many
// as the journal's state remembers.
func (d *deeds) add(id [16]byte, do string) {
	if d.do == nil {
		d.do = map[[16]byte]string{}
	}
	if _, known := d.do[id]; known {
		return
	}
	d.do[id], d.order = do, append(d.order, id)
	if len(d.order) > fiscal.MaxCommands {
		delete(d.do, d.order[0])
		d.order = d.order[1:]
	}
}

// reused refuses an id that did, or is about to do, something else.
func (d *deeds) reused(id [16]byte, do string) error {
	if did, known := d.do[id]; known && did != do {
		return refuse(Conflict, "id-reused")
	}
	return nil
}

// makers are the commands that make entries of a kind. Kinds that are missing
// tell nothing.
var makers = map[proof.Kind][]string{
	fiscal.KindReceipt:    {"basket.tender", "sale.complete"},
	fiscal.KindReturn:     {"basket.tender", "sale.complete"},
	fiscal.KindTraining:   {"basket.tender", "sale.complete"},
	fiscal.KindLate:       {"sale.late"},
	fiscal.KindVoid:       {"receipt.void"},
	fiscal.KindCopy:       {"receipt.copy", "receipt.print"},
	fiscal.KindProForma:   {"basket.proforma"},
	fiscal.KindXReport:    {"report.x"},
	fiscal.KindZReport:    {"report.z"},
	fiscal.KindCount:      {"drawer.count", "drawer.close"},
	fiscal.KindShiftClose: {"drawer.close"},
}

// madeBy refuses a command that cannot have made the entry that has its id:
// after a restart the entry is all that is left of what the id did.
func madeBy(kind proof.Kind, do string) error {
	if by, known := makers[kind]; known && !slices.Contains(by, do) {
		return refuse(Conflict, "id-reused")
	}
	return nil
}
