package cash

import (
	"crypto/sha256"
	"fmt"

	"github.com/plomb-pos/plomb/driver/sim/cash/vault"
	"github.com/plomb-pos/plomb/driver/sim/chassis"
	"github.com/plomb-pos/plomb/xfs4iot"
	"github.com/plomb-pos/plomb/xfs4iot/cashmanagement"
)

// item is one note as the banknote reader saw it in the last command that moved
// notes.
type item struct {
	Note   vault.Note `json:"note"`
	Serial string     `json:"serial,omitzero"`
	Where  string     `json:"where"` // as in ItemInfo.itemLocation
}

// see makes the items of notes that the reader has just seen. Notes without a
// known serial number get the next one.
func (m *memory) see(n vault.Notes, where string, known []item) {
	for _, kind := range n.Kinds() {
		for range n[kind] {
			serial := ""
			for i, k := range known {
				if k.Note == kind {
					serial, known = k.Serial, append(known[:i:i], known[i+1:]...)
					break
				}
			}
			if serial == "" && kind.Level() != vault.Unrecognized {
				m.Serial++
				serial = fmt.Sprintf("SIM%08d", m.Serial)
			}
			m.Items = append(m.Items, item{kind, serial, where})
		}
	}
}

// move notes where the items went.
func (m *memory) move(where func(vault.Note) string) {
	for i := range m.Items {
		m.Items[i].Where = where(m.Items[i].Note)
	}
}

func at(where string) func(vault.Note) string { return func(vault.Note) string { return where } }

// infoAvailable tells the command's client what GetItemInfo will answer.
func (d *Device) infoAvailable(j job) {
	e := &cashmanagement.InfoAvailableEvent{}
	for _, l := range vault.Levels() {
		n := 0
		for _, i := range d.keep.Items {
			if i.Note.Level() == l {
				n++
			}
		}
		if n > 0 {
			e.ItemInfoSummary = append(e.ItemInfoSummary, cashmanagement.InfoAvailableEventItemInfoSummaryItem{Level: cashmanagement.NoteLevel(l), NumOfItems: &n})
		}
	}
	if len(e.ItemInfoSummary) > 0 {
		j.event(e)
	}
}

func (d *Device) getItemInfo(_ job, req *cashmanagement.GetItemInfoCommand) (*cashmanagement.GetItemInfoCompletion, error) {
	want := cashmanagement.GetItemInfoCommandItemInfoType{SerialNumber: yes(), Signature: yes()}
	if req.ItemInfoType != nil {
		want = *req.ItemInfoType
	}
	out := &cashmanagement.GetItemInfoCompletion{}
	index := 0
	for _, i := range d.keep.Items {
		if req.Items != nil && req.Items.Level != "" && string(req.Items.Level) != string(i.Note.Level()) {
			continue
		}
		if req.Items == nil || req.Items.Index == nil || *req.Items.Index == index {
			out.ItemsList = append(out.ItemsList, d.itemInfo(i, want))
		}
		index++
	}
	if req.Items != nil && req.Items.Index != nil && len(out.ItemsList) == 0 {
		return nil, chassis.Invalid("there is no such item")
	}
	return out, nil
}

func (d *Device) itemInfo(i item, want cashmanagement.GetItemInfoCommandItemInfoType) cashmanagement.ItemInfo {
	out := cashmanagement.ItemInfo{NoteType: i.Note.Type(), Orientation: cashmanagement.OrientationFrontTop,
		Level: cashmanagement.NoteLevel(i.Note.Level()), ItemLocation: i.Where, OnClassificationList: d.listed(i)}
	if want.SerialNumber != nil && *want.SerialNumber {
		out.SerialNumber = i.Serial
	}
	if want.Signature != nil && *want.Signature {
		out.Signature = signature(i.Note.Type(), i.Serial)
	}
	return out
}

// signature stands for the pattern that a reader takes of one note.
func signature(noteType, serial string) []byte {
	sum := sha256.Sum256([]byte(noteType + "|" + serial))
	return sum[:]
}

func (d *Device) listed(i item) cashmanagement.OnClassificationList {
	if _, ok := d.classified(i.Note.Type(), i.Serial); ok {
		return cashmanagement.OnClassificationListOnClassificationList
	}
	return cashmanagement.OnClassificationListNotOnClassificationList
}

// classified is the level that the classification list has for a note.
func (d *Device) classified(noteType, serial string) (vault.Level, bool) {
	t, known := d.noteType(noteType)
	for _, e := range d.keep.List {
		if e.SerialNumber != serial || serial == "" || !known || e.Currency != "" && e.Currency != t.currency {
			continue
		}
		if n, ok := minorOf(e.Value, t.currency); e.Value == "" || ok && n == t.minor {
			return vault.Level(e.Level), true
		}
	}
	return "", false
}

// maxList bounds the classification list.
const maxList = 10000

func (d *Device) setList(_ job, req *cashmanagement.SetClassificationListCommand) (*cashmanagement.SetClassificationListCompletion, error) {
	if len(req.ClassificationElements) > maxList {
		return nil, &xfs4iot.Error{Code: xfs4iot.NotEnoughSpace, Description: fmt.Sprintf("the list has at most %d elements", maxList)}
	}
	return nil, d.change(func(_ *state, m *memory) error {
		m.List, m.ListName = req.ClassificationElements, req.Version
		return nil
	})
}

func (d *Device) getList(job, *cashmanagement.GetClassificationListCommand) (*cashmanagement.GetClassificationListCompletion, error) {
	return &cashmanagement.GetClassificationListCompletion{Version: d.keep.ListName, ClassificationElements: d.keep.List}, nil
}

func (d *Device) getNoteTypes(job, *cashmanagement.GetBankNoteTypesCommand) (*cashmanagement.GetBankNoteTypesCompletion, error) {
	out := &cashmanagement.GetBankNoteTypesCompletion{Items: map[string]*cashmanagement.BankNote{}}
	for _, t := range d.types {
		out.Items[t.name] = &cashmanagement.BankNote{CashItem: t.item(), Enabled: new(!d.keep.Disabled[t.name])}
	}
	return out, nil
}
